"""What a task is: ordered stages with goals and guards, each an expression tree over spatial facts.

One spec serves as the reward's potential, as the success test, as a guard (``readings.verdict``) and as a list of what to
measure. A spec that exists is valid: every relation is in the registry with the right number of names and the right unit, every
tree is typed, or making it raised ``TaskError``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from ..expressions.tree import Apply, ExpressionError, Thing, Tree, to_text, walk
from ..language import answers
from ..scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query
from ..scene.relations import RELATIONS, Kind
from .trees import MARGIN, leaf, leaf_query, renamed, tree_queries, unit_of

GRIPPER = "gripper"
# Relations whose points are the centres of things; others are measured between surfaces.
OF_CENTRES = frozenset((
    "distance", "horizontal_distance", "vertical_distance", "elevation", "on",
    "left_difference", "right_difference", "behind_difference", "front_difference",
))  # fmt: skip
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_MAX_NAME = 256


class TaskError(ValueError):
    """A task that cannot be used. The text names the field, its value, and what to do."""

    def __init__(self, field: str, value: object, cure: str) -> None:
        super().__init__(f"{field} is {value!r}; {cure}")
        self.field, self.value, self.cure = field, value, cure


class Want(Enum):
    """What a constraint asks of its fact; the values are the keys of task files."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    IS_TRUE = "is_true"
    IS_FALSE = "is_false"

    @property
    def of_predicate(self) -> bool:
        return self in (Want.IS_TRUE, Want.IS_FALSE)


class Reference(Enum):
    """What an error is measured against.

    ENTRY: the error at which the stage was first entered, so that the potential is continuous from stage to stage and
    every episode starts at the same value. SCALE: the constraint's own scale, so that the potential depends on the
    present state only.
    """

    ENTRY = "entry"
    SCALE = "scale"


@dataclass(frozen=True)
class Constraint:
    """One condition on the value of a tree; mostly the tree is one relation.

    All numbers are in the tree's unit: "m", "rad" or "count" of a number, "probability" of one predicate. A composed truth counts
    in "margin": see ``trees``; its ``target`` is 0.

    Attributes:
        target: the number to be at most or at least; for a predicate the probability that its verdict needs.
        tolerance: how far beyond ``target`` a guard may drift before it counts as broken.
        scale: the smallest error that the potential is measured against; keeps noise small when a stage starts near
            its goal.
        weight: share of the stage's potential, relative to the stage's other goals.
    """

    tree: Tree
    want: Want
    target: float
    tolerance: float
    scale: float
    weight: float = 1.0

    @cached_property
    def query(self) -> Query | None:
        """The relation, when the tree is one."""
        return leaf_query(self.tree)

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """Every fact that it needs."""
        return tree_queries(self.tree)

    @cached_property
    def unit(self) -> str:
        return unit_of(self.tree)

    def signed_error(self, value: float) -> float:
        """How far ``value`` is from satisfying this, in the tree's unit; at most 0 when it does."""
        if self.want is Want.AT_MOST:
            return value - self.target
        if self.want is Want.IS_FALSE:
            return value - ((1.0 - self.target) if self.unit == PROBABILITY else self.target)
        return self.target - value

    @property
    def text(self) -> str:
        """What is measured, in one line."""
        return str(self.query) if self.query is not None else to_text(self.tree)

    def __str__(self) -> str:
        if self.want.of_predicate:
            return f"{self.text} {self.want.value.replace('_', ' ')}"
        return f"{self.text} {self.want.value.replace('_', ' ')} {self.target:g} {self.unit}"


def _tree(measured: Query | Tree) -> Tree:
    return leaf(measured) if isinstance(measured, Query) else measured


def at_most(
    measured: Query | Tree, target_m: float, *, tolerance_m: float = 0.02, scale_m: float = 0.05, weight: float = 1.0
) -> Constraint:
    """The number is at most ``target_m``."""
    return Constraint(_tree(measured), Want.AT_MOST, target_m, tolerance_m, scale_m, weight)


def at_least(
    measured: Query | Tree, target_m: float, *, tolerance_m: float = 0.02, scale_m: float = 0.05, weight: float = 1.0
) -> Constraint:
    """The number is at least ``target_m``."""
    return Constraint(_tree(measured), Want.AT_LEAST, target_m, tolerance_m, scale_m, weight)


def is_true(
    measured: Query | Tree, *, probability: float = 0.8, tolerance: float = 0.5, scale: float = 0.5, weight: float = 1.0
) -> Constraint:
    """The predicate holds with at least ``probability``; a composed truth holds at all."""
    return _truth(_tree(measured), Want.IS_TRUE, probability, tolerance, scale, weight)


def is_false(
    measured: Query | Tree, *, probability: float = 0.8, tolerance: float = 0.5, scale: float = 0.5, weight: float = 1.0
) -> Constraint:
    """The predicate fails with at least ``probability``; a composed truth does not hold at all."""
    return _truth(_tree(measured), Want.IS_FALSE, probability, tolerance, scale, weight)


def _truth(tree: Tree, want: Want, probability: float, tolerance: float, scale: float, weight: float) -> Constraint:
    # Only one fact has a probability of its own.
    target = probability if leaf_query(tree) is not None else 0.0
    return Constraint(tree, want, target, tolerance, scale, weight)


@dataclass(frozen=True)
class Stage:
    """A part of a task: done when all ``goals`` hold, left for an earlier stage when one of ``keeps`` breaks."""

    name: str
    goals: tuple[Constraint, ...]
    keeps: tuple[Constraint, ...] = ()
    weight: float = 1.0

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return self.goals + self.keeps


@dataclass(frozen=True)
class TaskSpec:
    """A task. Raises TaskError when anything in it cannot be used.

    Attributes:
        name: the instruction or the file's name for it.
        stages: in order; the last one's goals and keeps together are the task's success.
        parameters: names that ``{...}`` in subjects, objects and thirds stand for; a task that has any must be bound before
            use.
        gamma: the learner's discount for one ``nominal_dt_s``; a frame that took longer is discounted by gamma^(dt /
            nominal_dt_s).
        nominal_dt_s: the learner's time step.
        reference: see Reference.
        zero_potential_at_success: count the potential of the first successful frame as 0 in the shaped reward, and
            end the episode there. That is what leaves the optimal policy of an episodic task unchanged (Ng et al.
            1999).
        success_frames: frames in a row that success needs to appear, and to go.
        filter_frames: width of the causal median on each fact; see ``lag_s``.
        anchored: things that the task goes by and must not be moved, such as the plate that something is put on. While one
            of them is further than ``anchor_tolerance_m`` from where it was first seen, the potential cannot rise and there is
            no success. Needs facts in a frame that does not move.
    """

    name: str
    stages: tuple[Stage, ...]
    parameters: tuple[str, ...] = ()
    description: str = ""
    gamma: float = 0.99
    nominal_dt_s: float = 0.1
    reference: Reference = Reference.ENTRY
    zero_potential_at_success: bool = False
    success_frames: int = 3
    filter_frames: int = 3
    anchored: tuple[str, ...] = ()
    anchor_tolerance_m: float = 0.05

    def __post_init__(self) -> None:
        _check_task(self)

    def queries(self) -> tuple[Query, ...]:
        """Every fact that the task needs, once each, in the order of the stages; last what shows where anchored things are."""
        needed = tuple(dict.fromkeys(query for stage in self.stages for c in stage.constraints for query in c.queries))
        shown = {name for query in needed if query.relation in OF_CENTRES and not query.view for name in query.names}
        return (*needed, *(Query("elevation", name) for name in self.anchored if name not in shown))

    def driving(self, stage: int) -> Constraint | None:
        """What a stage's length is of: its first goal in metres, else its first keep in metres, else that of the stage before."""
        for index in range(stage, -1, -1):
            for constraint in self.stages[index].constraints:
                if constraint.unit == METRE:
                    return constraint
        return None

    def stage_names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    @property
    def lag_s(self) -> float:
        """By how much the filter delays a steady change, at the nominal step. It is part of a reward's latency."""
        return (self.filter_frames - 1) / 2 * self.nominal_dt_s

    def bind(self, names: Mapping[str, str]) -> TaskSpec:
        """The task with its parameters replaced by names of things.

        Raises TaskError for missing, unknown or empty names.
        """
        for given in names:
            if given not in self.parameters:
                raise TaskError("parameter", given, f"task '{self.name}' has {_listed(self.parameters) or 'no parameters'}")
        for wanted in self.parameters:
            if not names.get(wanted, "").strip():
                raise TaskError(wanted, names.get(wanted), f"give the parameter of task '{self.name}' the name of a thing")
        if not self.parameters:
            return self

        def fill(constraint: Constraint) -> Constraint:
            return replace(constraint, tree=renamed(constraint.tree, lambda name: _fill(name, names)))

        stages = tuple(replace(s, goals=tuple(map(fill, s.goals)), keeps=tuple(map(fill, s.keeps))) for s in self.stages)
        shown = f"{self.name}({', '.join(names[wanted] for wanted in self.parameters)})"
        description, anchored = _fill(self.description, names), tuple(_fill(name, names) for name in self.anchored)
        return replace(self, name=shown, stages=stages, parameters=(), description=description, anchored=anchored)


def _fill(text: str, names: Mapping[str, str]) -> str:
    """Braces around anything but a parameter stay: a description may hold some, names are checked before."""
    return _PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]).strip(), text)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


# -- checks
# -----------------------------------------------------------------------------------------------------------


def _number(field: str, value: object, low: float, high: float, *, open_low: bool = False) -> None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not (fits and low <= float(value) <= high and not (open_low and value == low)):  # type: ignore[arg-type]
        said = f"greater than {low:g}" if open_low else f"at least {low:g}"
        raise TaskError(field, value, f"give a number {said} and at most {high:g}")


def _whole(field: str, value: object, low: int, high: int) -> None:
    if not (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
        raise TaskError(field, value, f"give a whole number from {low} to {high}")


def _check_task(task: TaskSpec) -> None:
    if not task.name.strip():
        raise TaskError("task", task.name, "give the task a name")
    _number("gamma", task.gamma, 0.0, 1.0, open_low=True)
    _number("nominal_dt", task.nominal_dt_s, 0.0, 60.0, open_low=True)
    _whole("success_frames", task.success_frames, 1, 1000)
    _whole("filter_frames", task.filter_frames, 1, 15)
    _number("anchor_tolerance", task.anchor_tolerance_m, 0.0, 10.0, open_low=True)
    named = {name for stage in task.stages for c in stage.constraints for query in c.queries for name in query.names}
    for name in task.anchored:
        if name not in named:
            raise TaskError("anchored", name, f"name a thing that a stage measures ({_listed(tuple(sorted(named)))})")
    if not task.stages:
        raise TaskError("stages", [], "give at least one stage with a goal")
    for parameter in task.parameters:
        if not parameter.isidentifier():
            raise TaskError("parameters", parameter, "a parameter is one word of letters, digits and _")
    seen: set[str] = set()
    for index, stage in enumerate(task.stages):
        _check_stage(f"stages[{index}]", stage, task.parameters)
        if stage.name in seen:
            raise TaskError(f"stages[{index}].name", stage.name, "give every stage a name of its own")
        seen.add(stage.name)


def _check_stage(field: str, stage: Stage, parameters: tuple[str, ...]) -> None:
    if not stage.name.strip():
        raise TaskError(f"{field}.name", stage.name, "give the stage a name")
    _number(f"{field}.weight", stage.weight, 0.0, 1e6, open_low=True)
    if not stage.goals:
        raise TaskError(f"{field}.goal", [], f"give stage '{stage.name}' at least one goal")
    for kind, constraints in (("goal", stage.goals), ("keep", stage.keeps)):
        for index, constraint in enumerate(constraints):
            _check_constraint(f"{field}.{kind}[{index}]", constraint, parameters)


def _check_constraint(field: str, constraint: Constraint, parameters: tuple[str, ...]) -> None:
    query = constraint.query
    if query is not None:
        check_query(field, query)
    for part, name in _named(constraint.tree):
        for placeholder in _PLACEHOLDER.findall(name):
            if placeholder not in parameters:
                known = _listed(parameters) or "none"
                raise TaskError(
                    f"{field}.{part}", name, f"'{placeholder}' is not in the task's parameters ({known}); add it there"
                )
    try:
        unit = constraint.unit
    except ExpressionError as error:
        raise TaskError(f"{field}.tree", to_text(constraint.tree), str(error)) from error
    is_predicate = unit == MARGIN or (query is not None and RELATIONS[query.relation].kind is not Kind.ESTIMATE)
    if is_predicate != constraint.want.of_predicate:
        cure = "use 'is: true' or 'is: false'" if is_predicate else "use 'at_most' or 'at_least' with a number"
        kind = "true or false" if is_predicate else "a number"
        raise TaskError(field, constraint.want.value, f"'{query.relation if query else constraint.text}' is {kind}: {cure}")
    if unit == PROBABILITY:
        _number(f"{field}.probability", constraint.target, 0.5, 1.0)
        _number(f"{field}.tolerance", constraint.tolerance, 0.0, 1.0)
    else:
        _number(f"{field}.{constraint.want.value}", constraint.target, -100.0, 100.0)
        _number(f"{field}.tolerance", constraint.tolerance, 0.0, 100.0)
    _number(f"{field}.scale", constraint.scale, 0.0, 100.0, open_low=True)
    _number(f"{field}.weight", constraint.weight, 0.0, 1e6, open_low=True)


_PARTS = ("subject", "object", "third")


def _named(tree: Tree) -> list[tuple[str, str]]:
    """Each name in a tree with the key that it stands under in a task file."""
    found = [node.name for _, node in walk(tree) if isinstance(node, Thing)]
    if isinstance(tree, Apply) and leaf_query(tree) is not None:
        return list(zip(_PARTS, found, strict=False))
    return [("tree", name) for name in found]


def check_query(field: str, query: Query) -> None:
    """Raises TaskError unless the registry has the relation, and the query names as many things as it takes."""
    relation = RELATIONS.get(query.relation)
    if relation is None:
        near = difflib.get_close_matches(query.relation, RELATIONS, 3, 0.5) or sorted(RELATIONS)
        raise TaskError(f"{field}.relation", query.relation, f"use a relation that is known, such as {', '.join(near)}")
    if not query.subject.strip() or len(query.subject) > _MAX_NAME:
        raise TaskError(f"{field}.subject", query.subject[:40], f"name the thing that is meant, in up to {_MAX_NAME} characters")
    for key, name in (("object", query.object), ("third", query.third)):
        if len(name) > _MAX_NAME:
            raise TaskError(f"{field}.{key}", name[:40], f"name a thing in up to {_MAX_NAME} characters")
    if (problem := answers.check_query(query)) is not None:
        raise TaskError(field, str(query), problem)


UNITS = {
    METRE: {"m": 1.0, "cm": 0.01, "mm": 0.001},
    RADIAN: {"rad": 1.0, "deg": math.pi / 180},
    COUNT: {"": 1.0},
    PROBABILITY: {"": 1.0},
    MARGIN: {"": 1.0},
    "s": {"s": 1.0, "ms": 0.001},
}
"""Units that task files may use for each SI unit, and what one is worth."""
