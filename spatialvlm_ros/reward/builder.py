"""Tasks made from a sentence, or from a ready task file by name.

The stages of a goal stand here once; the files of config/tasks are the same stages written out (a test compares
them). Every stage is measured by relations of the registry, so nothing has to be known of the robot beyond its tool
frame, "gripper".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..expressions.tree import Apply, ExpressionError, Number, Tree
from ..language.instruction import BESIDE, HAND_EMPTY, HELD, ON, ON_TABLE, NotUnderstoodError, Predicate
from ..language.patterns import QuestionError
from ..language.task_sentences import IN, OPEN_NEAR, PUSHED, REACHED, Condition, Keep, TaskSentence, parse_task_sentence
from ..reasoning.grammar import parse
from ..scene.facts import METRE, PROBABILITY, Query
from .task import GRIPPER, Constraint, Stage, TaskError, TaskSpec, Want, at_least, at_most, is_false, is_true
from .task_file import DEFAULTS, TaskFileError, load_task
from .trees import MARGIN, leaf, leaf_query, unit_of

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
# How much further on a side counts as there while it is carried or pushed; the predicate decides in the end.
_ASIDE_M = 0.05
# Surfaces: of what is pushed to the tool point, and to what it is pushed to.
_AT_M, _PUSHED_GAP_M = 0.04, 0.05
_OPENED_NEAR_M = 0.10
# Ready task of keeping apart; a sentence says its own.
_APART_M = 0.10
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
    off_the_table = at_least(Query("elevation", x), _CARRIED_M, tolerance_m=_CARRIED_M / 2)
    return Stage("carry", tuple(goals), (_held(x), off_the_table), weight=2.0)


def _release(x: str, keeps: Sequence[Constraint]) -> Stage:
    return Stage("release", (at_least(Query("distance", GRIPPER, x), _RELEASED_M),), tuple(keeps), weight=0.5)


def reach_stages(x: str) -> list[Stage]:
    """The gripper goes to x: to its middle, or to where fingers would have hold of it, which may be far from the middle."""
    return [Stage("reach", (_near(x, _REACHED_M, 0.03),), weight=2.0), Stage("at", (_held(x),), weight=0.5)]


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
    # A predicate is flat far off; the difference that it is made from shows the way.
    aimed += [at_least(Query(f"{side}_difference", x, y), _ASIDE_M)] if side else []
    down = at_most(Query("elevation", x), _RESTING_M)
    place = Stage("place", (down, there), tuple(aimed))
    # A thing that fell beside y and a little to that side is not "left of" it to people: it stays as far aside as it was aimed.
    return [*pick_stages(x), _carry(x, aimed), place, _release(x, [down, there, *aimed[1:]])]


def put_in_stages(x: str, y: str) -> list[Stage]:
    """x comes to lie in y, which is open at the top."""
    over = at_most(Query("horizontal_distance", x, y), _OVER_M, tolerance_m=0.025)
    inside = is_true(Query("contained", x, y))
    lower = at_most(Query("above_difference", x, y), _RESTING_M)
    return [*pick_stages(x), _carry(x, [over]), Stage("place", (lower, inside), (over,)), _release(x, [inside])]


def push_stages(x: str, y: str, side: str = "") -> list[Stage]:
    """The gripper pushes x over the table to y, or to a side of it."""
    at = at_most(Query("gap", GRIPPER, x), _AT_M, tolerance_m=0.04)
    down = at_most(Query("elevation", x), _RESTING_M)
    aimed = [at_most(Query("gap", x, y), _ON_A_SIDE_M if side else _PUSHED_GAP_M)]
    aimed += [at_least(Query(f"{side}_difference", x, y), _ASIDE_M)] if side else []
    # The gripper may leave once it is done, and not before.
    done = _all_hold(aimed)
    pushing = is_true(Apply("or", (done, _all_hold([at]))), scale=DEFAULTS[MARGIN]["scale"])
    return [Stage("reach", (at,), (down,)), Stage("push", tuple(aimed), (down, pushing), weight=2.0)]


def _all_hold(limits: Sequence[Constraint]) -> Tree:
    """The truth that some numbers in metres are within their limits."""
    trees = [Apply("lt" if limit.want is Want.AT_MOST else "gt", (limit.tree, Number(limit.target, METRE))) for limit in limits]
    return trees[0] if len(trees) == 1 else Apply("and", tuple(trees))


def open_near_stages(x: str) -> list[Stage]:
    """The gripper comes near x and does not close around it. Whether its fingers are open no fact tells."""
    near = _near(x, _OPENED_NEAR_M, 0.03)
    return [Stage("approach", (near,), weight=2.0), Stage("open", (is_false(Query("held", x, GRIPPER)),), (near,), weight=0.5)]


def keep_apart_stages(x: str, y: str) -> list[Stage]:
    """x stays away from y."""
    return [Stage("keep", (_kept(Keep(x, y, True, _APART_M)),))]


def bring_nearer_stages(x: str, y: str, z: str) -> list[Stage]:
    """x comes to be nearer to y than to z, by 5 cm."""
    ways = Apply("sub", (leaf(Query("distance", x, z)), leaf(Query("distance", x, y))))
    down = at_most(Query("elevation", x), _RESTING_M)
    nearer = at_least(ways, 0.05)
    return [*pick_stages(x), _carry(x, [nearer]), Stage("place", (down, nearer)), _release(x, [down, nearer])]


def _kept(keep: Keep) -> Constraint:
    between = Query("gap", keep.subject, keep.object)
    make = at_least if keep.at_least else at_most
    return make(between, keep.distance_m, tolerance_m=0.01)


def _sided(stages: Callable[..., list[Stage]], side: str) -> Callable[..., list[Stage]]:
    return lambda x, y: stages(x, y, side)


_TWO = ("subject", "object")
TEMPLATES: dict[str, tuple[str, Callable[..., list[Stage]], tuple[str, ...]]] = {
    "reach": ("The gripper goes to {subject}.", reach_stages, ("subject",)),
    "pick": ("The gripper holds {subject} above the table.", pick_stages, ("subject",)),
    "place_on": ("{subject}, already held, comes to lie on {object}, and the gripper lets go.", place_stages, _TWO),
    "pick_and_place": ("{subject} comes to lie on {object}.", pick_and_place_stages, _TWO),
    "put_on_table": ("{subject} comes to stand on the table.", put_on_table_stages, ("subject",)),
    "put_beside": ("{subject} comes to stand beside {object}.", put_beside_stages, _TWO),
    "put_in": ("{subject} comes to lie in {object}, which is open at the top.", put_in_stages, _TWO),
    **{
        f"put_{name}": (
            f"{{subject}} comes to stand {words} {{object}}, as the camera sees it.", _sided(put_beside_stages, side), _TWO,
        )
        for name, side, words in (
            ("left_of", "left", "left of"), ("right_of", "right", "right of"), ("in_front_of", "front", "in front of"),
            ("behind", "behind", "behind"),
        )
    },
    "push_to": ("The gripper pushes {subject} over the table to {object}.", push_stages, _TWO),
    "open_gripper_near": ("The gripper comes near {subject} and does not close around it.", open_near_stages, ("subject",)),
    "keep_apart": ("{subject} and {object} stay 10 cm apart, surface to surface.", keep_apart_stages, _TWO),
    "bring_nearer": (
        "{subject} comes to be nearer to {object} than to {other}, by 5 cm.", bring_nearer_stages, ("subject", "object", "other"),
    ),
}  # fmt: skip
"""Ready tasks: what they do, their stages, their parameters."""
# Those whose object is where it is, and is not to be brought to the thing.
_ANCHORED = frozenset(TEMPLATES) - {"keep_apart", "bring_nearer"}


def template(name: str) -> TaskSpec:
    """A ready task with its parameters open, as config/tasks has it."""
    description, build, parameters = TEMPLATES[name]
    stages = tuple(build(*(f"{{{parameter}}}" for parameter in parameters)))
    anchored = ("{object}",) if name in _ANCHORED and "object" in parameters else ()
    return TaskSpec(name, stages, parameters, description, anchored=anchored)


# -- from sentences ---------------------------------------------------------------------------------------------------------


def _goal_stages(goal: Predicate | Condition) -> list[Stage]:
    if isinstance(goal, Condition):
        return [Stage("condition", tuple(_conditions(goal)))]
    simple = {HELD: pick_stages, ON_TABLE: put_on_table_stages, REACHED: reach_stages, OPEN_NEAR: open_near_stages}
    if goal.name in simple:
        return simple[goal.name](goal.subject)
    if goal.name == ON:
        return pick_and_place_stages(goal.subject, goal.object)
    if goal.name == IN:
        return put_in_stages(goal.subject, goal.object)
    if goal.name in BESIDE:
        return put_beside_stages(goal.subject, goal.object, _SIDES.get(goal.name, ""))
    for place, name in PUSHED.items():
        if goal.name == name:
            return push_stages(goal.subject, goal.object, _SIDES.get(place, ""))
    raise TaskError("instruction", str(goal), "no spatial fact tells whether this is done; give it no reward task")


def _conditions(condition: Condition) -> list[Constraint]:
    """The constraints of a statement; parts joined by "and" are constraints of their own."""
    try:
        tree = parse(condition.question)
        unit_of(tree)
    except (QuestionError, ExpressionError) as error:
        raise NotUnderstoodError(f"what is to become true is not understood: {error}", ()) from error
    parts = tree.args if isinstance(tree, Apply) and tree.op == "and" else (tree,)
    return [constraint_of(part) for part in parts]


def constraint_of(tree: Tree) -> Constraint:
    """The constraint that something holds. A comparison of a number with a constant becomes a limit on that number."""
    inner, negated = (tree.args[0], True) if isinstance(tree, Apply) and tree.op == "not" else (tree, False)
    if isinstance(inner, Apply) and inner.op in ("lt", "gt") and isinstance(inner.args[1], Number):
        measured, want = inner.args[0], Want.AT_MOST if (inner.op == "lt") != negated else Want.AT_LEAST
        limits = DEFAULTS[unit_of(measured)]
        return Constraint(measured, want, inner.args[1].value, limits["tolerance"], limits["scale"])
    if negated and leaf_query(inner) is not None:
        return is_false(inner)
    if unit_of(tree) not in (PROBABILITY, MARGIN):
        raise NotUnderstoodError("what is to become true is a number; say how large it has to be", ())
    return is_true(tree, scale=DEFAULTS[unit_of(tree)]["scale"])


def task_from_instruction(text: str) -> TaskSpec:
    """The task of a sentence.

    Several goals follow one another; what was put somewhere must stay there, and what is to be kept is a guard of every stage.
    Raises InstructionError for a sentence that gives no goal, TaskError for goals that no spatial fact can tell.
    """
    sentence = parse_task_sentence(text)
    keeps = [_kept(keep) for keep in sentence.keeps]
    if not sentence.goals:
        return TaskSpec(_unique(sentence.text), (Stage("keep", tuple(keeps)),))
    # Every placing ends with the gripper open, so it needs no stage of its own beside one.
    goals = [goal for goal in sentence.goals if not isinstance(goal, Predicate) or goal.name != HAND_EMPTY]
    goals = goals or list(sentence.goals)
    stages: list[Stage] = []
    lasting = list(keeps)
    for goal in goals:
        made = _goal_stages(goal)
        if len(goals) > 1 and isinstance(goal, Predicate):
            made = [replace(stage, name=f"{stage.name} {goal.subject}") for stage in made]
        stages += [replace(stage, keeps=(*stage.keeps, *lasting)) for stage in made]
        if isinstance(goal, Condition):
            lasting += made[-1].goals
        elif goal.name not in (HELD, REACHED, OPEN_NEAR):
            lasting += made[-1].keeps if goal.name in (ON, ON_TABLE, IN, *BESIDE) else made[-1].goals
    return TaskSpec(_unique(sentence.text), _numbered(stages), anchored=_anchored(sentence))


def _anchored(sentence: TaskSentence) -> tuple[str, ...]:
    """Things that something is brought to, and that no goal moves."""
    goals = [goal for goal in sentence.goals if isinstance(goal, Predicate)]
    moved = {goal.subject for goal in goals if goal.name not in (REACHED, OPEN_NEAR)}
    return tuple(dict.fromkeys(goal.object for goal in goals if goal.object and goal.object not in moved))


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
