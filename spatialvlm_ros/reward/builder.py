"""Tasks made from an instruction, or from a ready task file by name.

The stages of a goal stand here once; the files of config/tasks are the same stages written out (a test compares
them). Every stage is measured by relations of the registry, so nothing has to be known of the robot beyond its tool
frame, "gripper".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..language.instruction import BESIDE, HAND_EMPTY, HELD, ON, ON_TABLE, Predicate, parse_instruction
from ..scene.facts import Query
from .task import GRIPPER, Constraint, Stage, TaskError, TaskSpec, at_least, at_most, is_true
from .task_file import TaskFileError, load_task

# Centre of the thing to the tool point: a tool point this near is between the fingers of a gripper that closes on 8
# cm.
_REACHED_M = 0.03
# Free of the table by more than the noise of its measured bottom.
_LIFTED_M = 0.05
_CARRIED_M = 0.02
# Centre over centre: well inside a plate or a block of 5 cm.
_OVER_M = 0.025
_TOUCHING_M = 0.015
_RELEASED_M = 0.08
# Centres, while carried; and surfaces, once it stands.
_BESIDE_M = 0.15
_ON_A_SIDE_M = 0.25
_BESIDE_GAP_M = 0.12
_RESTING_M = 0.02
# The registry's name for the instruction grammar's.
_SIDES = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "behind"}


def _held(x: str) -> Constraint:
    return is_true(Query("held", x, GRIPPER))


def _near(x: str, target_m: float, tolerance_m: float) -> Constraint:
    return at_most(Query("distance", GRIPPER, x), target_m, tolerance_m=tolerance_m)


def _reach_and_grasp(x: str) -> list[Stage]:
    return [
        Stage("reach", (_near(x, _REACHED_M, 0.03),), weight=2.0),
        Stage("grasp", (_held(x),), (_near(x, _REACHED_M, 0.03),), weight=0.5),
    ]


def _lift(x: str) -> Stage:
    return Stage("lift", (at_least(Query("elevation", x), _LIFTED_M),), (_held(x),))


def _carry(x: str, goals: Sequence[Constraint]) -> Stage:
    # Dragging a thing over the table is not carrying it.
    return Stage("carry", tuple(goals), (_held(x), at_least(Query("elevation", x), _CARRIED_M)), weight=2.0)


def _release(x: str, keeps: Sequence[Constraint]) -> Stage:
    return Stage("release", (at_least(Query("distance", GRIPPER, x), _RELEASED_M),), tuple(keeps), weight=0.5)


def reach_stages(x: str) -> list[Stage]:
    """The gripper goes to x."""
    return _reach_and_grasp(x)[:1]


def pick_stages(x: str) -> list[Stage]:
    """The gripper holds x above the table."""
    return [*_reach_and_grasp(x), _lift(x)]


def place_stages(x: str, y: str) -> list[Stage]:
    """x, already held, comes to lie on y, and the gripper lets go."""
    over = at_most(Query("horizontal_distance", x, y), _OVER_M, tolerance_m=0.025)
    on = is_true(Query("on", x, y))
    place = Stage("place", (at_most(Query("gap", x, y), _TOUCHING_M, scale_m=0.03), on), (over,))
    return [_carry(x, [over]), place, _release(x, [on])]


def pick_and_place_stages(x: str, y: str) -> list[Stage]:
    """x comes to lie on y."""
    return [*pick_stages(x), *place_stages(x, y)]


def put_on_table_stages(x: str) -> list[Stage]:
    """x comes to stand on the table."""
    down = at_most(Query("elevation", x), _RESTING_M)
    return [*_reach_and_grasp(x), Stage("place", (down,)), _release(x, [down])]


def put_beside_stages(x: str, y: str, side: str = "") -> list[Stage]:
    """x comes to stand beside y; ``side`` is a predicate of the registry ("left", ...), or "" for any side."""
    # A side may be taken with more room than "next to" means.
    aimed = [at_most(Query("horizontal_distance", x, y), _ON_A_SIDE_M if side else _BESIDE_M)]
    there = is_true(Query(side, x, y)) if side else at_most(Query("gap", x, y), _BESIDE_GAP_M)
    aimed += [there] if side else []
    down = at_most(Query("elevation", x), _RESTING_M)
    place = Stage("place", (down, there), tuple(aimed))
    return [*pick_stages(x), _carry(x, aimed), place, _release(x, [down, there])]


TEMPLATES: dict[str, tuple[str, Callable[..., list[Stage]], tuple[str, ...]]] = {
    "reach": ("The gripper goes to {subject}.", reach_stages, ("subject",)),
    "pick": ("The gripper holds {subject} above the table.", pick_stages, ("subject",)),
    "place_on": (
        "{subject}, already held, comes to lie on {object}, and the gripper lets go.",
        place_stages,
        ("subject", "object"),
    ),
    "pick_and_place": ("{subject} comes to lie on {object}.", pick_and_place_stages, ("subject", "object")),
    "put_on_table": ("{subject} comes to stand on the table.", put_on_table_stages, ("subject",)),
    "put_beside": ("{subject} comes to stand beside {object}.", put_beside_stages, ("subject", "object")),
}
"""Ready tasks: what they do, their stages, their parameters."""


def template(name: str) -> TaskSpec:
    """A ready task with its parameters open, as config/tasks has it."""
    description, build, parameters = TEMPLATES[name]
    return TaskSpec(name, tuple(build(*(f"{{{parameter}}}" for parameter in parameters))), parameters, description)


def _goal_stages(goal: Predicate) -> list[Stage]:
    if goal.name == HELD:
        return pick_stages(goal.subject)
    if goal.name == ON:
        return pick_and_place_stages(goal.subject, goal.object)
    if goal.name == ON_TABLE:
        return put_on_table_stages(goal.subject)
    if goal.name in BESIDE:
        return put_beside_stages(goal.subject, goal.object, _SIDES.get(goal.name, ""))
    raise TaskError("instruction", str(goal), "no spatial fact tells whether this is done; give it no reward task")


def task_from_instruction(text: str) -> TaskSpec:
    """The task of a sentence.

    Several goals follow one another; what was put somewhere must stay there. Raises InstructionError for a sentence
    that gives no goal, TaskError for goals that no spatial fact can tell.
    """
    instruction = parse_instruction(text)
    # Every placing ends with the gripper open, so it needs no stage of its own beside one.
    goals = [goal for goal in instruction.goals if goal.name != HAND_EMPTY] or list(instruction.goals)
    stages: list[Stage] = []
    lasting: list[Constraint] = []
    for goal in goals:
        made = _goal_stages(goal)
        if len(goals) > 1:
            made = [replace(stage, name=f"{stage.name} {goal.subject}") for stage in made]
        stages += [replace(stage, keeps=(*stage.keeps, *lasting)) for stage in made]
        if goal.name != HELD:
            lasting += made[-1].keeps
    return TaskSpec(_unique(instruction.text), _numbered(stages))


def _unique(text: str) -> str:
    return " ".join(text.split())


def _numbered(stages: list[Stage]) -> tuple[Stage, ...]:
    """Stages with a count behind names that come twice (one thing moved twice)."""
    counts: dict[str, int] = {}
    numbered = []
    for stage in stages:
        counts[stage.name] = counts.get(stage.name, 0) + 1
        count = counts[stage.name]
        numbered.append(stage if count == 1 else replace(stage, name=f"{stage.name} {count}"))
    return tuple(numbered)


_CALL = re.compile(r"([\w\-]+)(?:\((.*)\))?")


def find_task(text: str, directory: Path | None) -> TaskSpec:
    """The task that a text stands for: a path to a file, the name of a file in ``directory``, or an instruction.

    A name may carry the parameters in the file's order: "pick_and_place(red block, green plate)"; so may a path.
    Raises TaskError, TaskFileError or InstructionError.
    """
    text = text.strip()
    path, _, rest = text.partition("(") if re.search(r"\.ya?ml(\(|$)", text) else ("", "", "")
    if path:
        return _bind_in_order(load_task(path), rest.removesuffix(")") if rest else None)
    match = _CALL.fullmatch(text)
    if match is None or (match[2] is None and " " in text):
        return task_from_instruction(text)
    file = None if directory is None else directory / f"{match[1]}.yaml"
    if file is not None and file.is_file():
        return _bind_in_order(load_task(file), match[2])
    if match[2] is None:
        return task_from_instruction(text)
    known = sorted(found.stem for found in directory.glob("*.yaml")) if directory is not None and directory.is_dir() else []
    raise TaskFileError(match[1], f"there is no such task in {directory}; known tasks are {', '.join(known) or 'none'}")


def _bind_in_order(task: TaskSpec, arguments: str | None) -> TaskSpec:
    given = [part.strip() for part in arguments.split(",")] if arguments and arguments.strip() else []
    if len(given) != len(task.parameters):
        wanted = f"{task.name}({', '.join(task.parameters)})"
        raise TaskError("parameters", arguments or "", f"task '{task.name}' takes {len(task.parameters)} names: write {wanted}")
    return task.bind(dict(zip(task.parameters, given, strict=True)))
