"""The value of a tree on a scene, with the trace of how it came about.

Every leaf is a fact of the registry (``language.answers``), measured once; a tree that is one leaf says what the fact says. What
cannot be measured is missing, with the fact's reason: "and" and "or" are decided without it where they can be, all else is then
missing, too. Nothing is ever guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from ..geometry.rigid import RigidTransform
from ..language.answers import measure_with_error
from ..scene.facts import SpatialFact, Status, Truth
from ..scene.relations import RELATIONS, Relation
from ..scene.scene import Scene
from .leaves import Leaves, Measure, Missing
from .operators import CHOOSING_FOLDS, OPERATORS, PAIR, RADIAN, THING, TRUTH, TRUTH_FOLDS, Type, number, parse_unit
from .samples import NUM_SAMPLES, SharedErrors
from .self_comparison import compared_with_itself
from .trace import Evaluation as Evaluation
from .trace import Step as Step
from .tree import Apply, ExpressionError, Fold, Number, Several, Thing, ThingSet, Tree, Variable, free_variables, to_text
from .typing import check
from .values import COMPARING, NUMERIC, Array, Origin, Value, around, folded, usable

# Evaluations of nodes that one tree may cost: all pairs of 24 things.
MAX_STEPS = 1500
# A combination of things that fewer samples have is not worth a measurement of its own.
_LEAST_SHARE = 0.005
_MAX_COMBINATIONS = 12


class _Itself(Missing):
    """A thing was to be related to itself; ``variables`` are those that stand for it."""

    def __init__(self, variables: frozenset[str], text: str) -> None:
        super().__init__(Status.AMBIGUOUS, text)
        self.variables = variables


class Evaluator:
    """Trees on one scene. What was measured for one tree is not measured again for the next.

    Args:
        output: (frame name, output_from_scene) for the points of facts.
        measure: what gives a fact; the registry by default.
        num_samples: of each error.
    """

    def __init__(
        self,
        scene: Scene,
        output: tuple[str, RigidTransform] | None = None,
        *,
        measure: Measure = measure_with_error,
        num_samples: int = NUM_SAMPLES,
        seed: int = 0,
    ) -> None:
        self._count = num_samples
        self._leaves = Leaves(scene, output, measure, SharedErrors(scene, num_samples, seed))
        self._steps: list[Step] = []
        self._known: dict[tuple[Tree, tuple[tuple[str, int], ...]], Value | Missing] = {}

    def evaluate(self, tree: Tree) -> Evaluation:
        """The value of a tree.

        Raises:
            ExpressionError: for a tree that ``typing.check`` refuses, or that is too costly.
        """
        kind = check(tree)
        self._steps, self._known = [], {}
        value: Value | None = None
        status, missing = Status.OK, ""
        try:
            value = self._value(tree, {}, 0)
            status = value.origin.status
        except Missing as reason:
            status, missing = reason.status, reason.text
        return Evaluation(tree, kind, value, status, missing, tuple(self._steps), tuple(self._leaves.names))

    # -- nodes ------------------------------------------------------------------------------------------------------------

    def _value(self, node: Tree, bound: Mapping[str, int], depth: int) -> Value:
        """Worked out once for the same things; each time but the first it leaves no step."""
        if isinstance(node, Variable):
            return self._thing(bound[node.name])
        free = free_variables(node)
        bound = {name: index for name, index in bound.items() if name in free}
        key = (node, tuple(sorted(bound.items())))
        if (known := self._known.get(key)) is not None:
            if isinstance(known, Missing):
                raise known
            return known
        if len(self._known) >= MAX_STEPS:
            raise ExpressionError("", f"the tree needs more than {MAX_STEPS} steps on this scene; ask about fewer things")
        place = len(self._steps)
        fact: SpatialFact | None = None
        try:
            if isinstance(node, Number):
                value = self._constant(node)
            elif isinstance(node, Thing):
                value = self._thing(self._leaves.number_of(node.name))
            elif isinstance(node, Fold):
                value = self._fold(node, bound, depth)
            elif node.op in RELATIONS:
                value, fact = self._relation(node, RELATIONS[node.op], bound, depth)
            else:
                value = self._apply(node, bound, depth)
        except Missing as reason:
            # The fact belongs to this step alone, the reason to all above.
            passed = reason if reason.fact is None else Missing(reason.status, reason.text)
            self._known[key] = passed
            # What is asked of all things is not asked of one about itself, and leaves no trace.
            if not (isinstance(reason, _Itself) and reason.variables):
                self._step(place, node, depth, bound, None, reason.fact, f"{reason.status.name}: {reason.text}")
            raise passed from None
        self._known[key] = value
        if not isinstance(node, (Number, Thing)):
            self._step(place, node, depth, bound, value, fact)
        return value

    def _step(
        self,
        place: int,
        node: Tree,
        depth: int,
        bound: Mapping[str, int],
        value: Value | None,
        fact: SpatialFact | None,
        missing: str = "",
    ) -> None:
        named = {name: self._leaves.names[index] for name, index in bound.items()}
        self._steps.insert(place, Step(node, depth, named, value, fact, missing))

    def _constant(self, node: Number) -> Value:
        return Value(number(parse_unit(node.unit)[1]), np.full(self._count + 1, node.value))

    def _thing(self, index: int) -> Value:
        return Value(THING, np.full(self._count + 1, index, np.intp))

    def _apply(self, node: Apply, bound: Mapping[str, int], depth: int) -> Value:
        if node.op == "if":
            return self._branch(node, bound, depth)
        if variables := compared_with_itself(node, bound, partial(self._leaves.number_of, required=False)):
            raise _Itself(variables, f"{to_text(node)}: a thing would be compared with itself")
        if node.op in ("and", "or"):
            parts = self._decisive(node, bound, depth)
        else:
            parts = [self._value(child, bound, depth + 1) for child in node.args]
        arrays = [part.samples for part in parts]
        origin = _origin(parts)
        if node.op in COMPARING:
            exact = parts[0].exact_probability if len(parts) == 1 else float("nan")
            angles = parts[0].type == number(RADIAN) and node.op == "near"
            samples = around(arrays[0], arrays[1]) if angles else arrays[0]
            holds = COMPARING[node.op]([samples, *arrays[1:]])
            return Value(TRUTH, holds, origin, exact_probability=1.0 - exact if node.op == "not" else exact)
        kind = OPERATORS[node.op].result([part.type for part in parts])
        if node.op == "sqrt" and (arrays[0] < 0).all():
            raise Missing(Status.NO_DEPTH, f"{to_text(node)}: there is no square root of {arrays[0][0]:g}, which is below zero")
        with np.errstate(all="ignore"):
            result = NUMERIC[node.op](arrays)
        if not usable(result[:1]).all():
            raise Missing(Status.NO_DEPTH, f"{to_text(node)}: divided by zero, or larger than any number")
        if node.op == "sub" and kind == number(RADIAN):
            result = around(result, around(result[:1], np.zeros(1)))
        return Value(kind, np.where(usable(result), result, result[0]), origin)

    def _decisive(self, node: Apply, bound: Mapping[str, int], depth: int) -> list[Value]:
        """The operands of "and" or "or". One that is missing does not matter beside one that decides.

        What relates a thing to itself is no alternative of "or", and decides nothing else.
        """
        parts: list[Value] = []
        lost: list[Missing] = []
        for child in node.args:
            try:
                parts.append(self._value(child, bound, depth + 1))
            except Missing as reason:
                lost.append(reason)
        serious = [reason for reason in lost if not (node.op == "or" and isinstance(reason, _Itself))]
        if not serious and parts:
            return parts
        if deciding := [part for part in parts if part.is_sure(node.op == "or")]:
            return deciding
        raise next((reason for reason in lost if isinstance(reason, _Itself)), lost[0])

    def _branch(self, node: Apply, bound: Mapping[str, int], depth: int) -> Value:
        """A branch that is surely not taken may be missing."""
        condition = self._value(node.args[0], bound, depth + 1)
        branches: dict[bool, Value] = {}
        lost: dict[bool, Missing] = {}
        same = bool((condition.samples == condition.samples[0]).all())
        for holds in (bool(condition.value),) if same else (True, False):
            try:
                branches[holds] = self._value(node.args[1 if holds else 2], bound, depth + 1)
            except Missing as reason:
                lost[holds] = reason
        for holds, missing in lost.items():
            if same or not condition.is_sure(not holds):
                raise missing
        first, second = branches.get(True, branches.get(False)), branches.get(False, branches.get(True))
        assert first is not None and second is not None
        chosen = condition.samples if first.samples.ndim == 1 else condition.samples[:, None]
        samples = np.where(chosen, first.samples, second.samples)
        return Value(first.type, samples, condition.origin | first.origin | second.origin)

    # -- relations --------------------------------------------------------------------------------------------------------

    def _relation(
        self, node: Apply, relation: Relation, bound: Mapping[str, int], depth: int
    ) -> tuple[Value, SpatialFact | None]:
        """A relation of things that are given, or of things that are themselves uncertain: then a mixture."""
        asked = node.args[1:] if relation.of_all else node.args
        parts = [self._argument(child, bound, depth + 1) for child in asked]
        fixed = [part.fixed for part in parts]
        things = tuple(index for index in fixed if index is not None)
        if len(things) < len(parts):
            return self._mixture(node, relation, parts, depth), None
        self._check_different(node, things)
        value, fact = self._leaves.leaf(node, relation, things)
        return replace(value, origin=value.origin | _origin(parts)), fact

    def _argument(self, node: Tree, bound: Mapping[str, int], depth: int) -> Value:
        """A thing of a relation. A name that stands for nothing is for the relation to refuse, with the name's reason."""
        if isinstance(node, Thing):
            return self._thing(self._leaves.number_of(node.name, required=False))
        return self._value(node, bound, depth)

    def _check_different(self, node: Apply, things: tuple[int, ...]) -> None:
        if len(set(things)) == len(things):
            return
        variables = frozenset(child.name for child in node.args if isinstance(child, Variable))
        named = zip(node.args, things, strict=True)
        said = [child.name if isinstance(child, Thing) else self._leaves.names[index] for child, index in named]
        names = " and ".join(f"'{name}'" for name in said)
        text = f"{names} are one thing on this image, which is not related to itself"
        raise _Itself(variables, text if len(set(said)) > 1 else f"'{said[0]}' would be related to itself")

    def _mixture(self, node: Apply, relation: Relation, parts: list[Value], depth: int) -> Value:
        """Each sample has the relation of the things that it has; rare combinations have that of the likeliest."""
        picked = np.stack([part.samples for part in parts], axis=1)
        combinations_, inverse, counts = np.unique(picked, axis=0, return_inverse=True, return_counts=True)
        inverse = inverse.reshape(-1)
        nominal = int(inverse[0])
        base = self._one_of(node, relation, combinations_[nominal], depth)
        samples, origin = base.samples.copy(), base.origin | _origin(parts)
        likely = [i for i in np.argsort(-counts, kind="stable") if counts[i] >= _LEAST_SHARE * self._count and i != nominal]
        for index in likely[:_MAX_COMBINATIONS]:
            try:
                value = self._one_of(node, relation, combinations_[index], depth)
            except Missing:
                continue
            rows = inverse == index
            samples[rows], origin = value.samples[rows], origin | value.origin
        return Value(base.type, samples, origin, base.sides)

    def _one_of(self, node: Apply, relation: Relation, things: Array, depth: int) -> Value:
        """The relation of one combination of things, with a step of its own."""
        numbers = self._valid(node, things)
        said = tuple(Thing(self._leaves.names[index]) for index in numbers)
        written = replace(node, args=(node.args[:1] if relation.of_all else ()) + said)
        value, fact, missing = None, None, ""
        try:
            value, fact = self._leaves.leaf(node, relation, numbers)
            return value
        except Missing as reason:
            fact, missing = reason.fact, f"{reason.status.name}: {reason.text}"
            raise
        finally:
            self._steps.append(Step(written, depth + 1, {}, value, fact, missing))

    def _valid(self, node: Apply, things: Array) -> tuple[int, ...]:
        numbers = tuple(int(index) for index in things)
        if -1 in numbers:
            raise Missing(Status.NOT_FOUND, f"{to_text(node)}: there is no such thing")
        self._check_different(node, numbers)
        return numbers

    # -- sets -------------------------------------------------------------------------------------------------------------

    def _fold(self, node: Fold, bound: Mapping[str, int], depth: int) -> Value:
        members, origin, kept = self._members(node.over, bound, depth)
        kind = number((0, 0))
        rows: list[tuple[int, ...]] = []
        parts: list[Array] = []
        masks: list[Array] = []
        lost: Missing | None = None
        for combination in combinations(range(len(members)), len(node.variables)):
            inner = {**bound, **{name: members[i] for name, i in zip(node.variables, combination, strict=True)}}
            mask = np.all([kept[i] for i in combination], axis=0)
            samples: Array = np.ones(self._count + 1, bool)
            if not mask.any():
                continue
            if node.of is not None:
                try:
                    of = self._value(node.of, inner, depth + 1)
                except _Itself as reason:
                    if reason.variables & set(node.variables):
                        continue  # a thing is not asked about itself
                    raise
                except Missing as reason:
                    if Truth(float(mask[1:].mean())).verdict is False:
                        continue  # it is none of them
                    if node.op not in ("any", "all"):
                        raise
                    lost = lost or reason
                    continue
                samples, origin, kind = of.samples, origin | of.origin, of.type
            rows.append(tuple(members[i] for i in combination))
            parts.append(samples)
            masks.append(mask)
        if not origin.sources:
            origin = self._leaves.origin_of(members)
        value = self._folded(node, kind, rows, parts, masks, origin) if rows or lost is None else None
        # As with "and" and "or": what is missing does not matter beside what decides.
        if lost is not None and not (value is not None and value.is_sure(node.op == "any")):
            raise lost
        assert value is not None
        return value

    def _folded(
        self, node: Fold, kind: Type, rows: list[tuple[int, ...]], parts: list[Array], masks: list[Array], origin: Origin
    ) -> Value:
        present = sum(bool(mask[0]) for mask in masks)
        if node.op == "count" and not rows:
            return Value(number((0, 0)), np.zeros(self._count + 1), origin)
        if node.op == "any" and not rows:
            return Value(TRUTH, np.zeros(self._count + 1, bool), origin)
        if present < (node.rank if node.op not in ("count", "any") else 0):
            raise Missing(Status.NOT_FOUND, _too_few(node, present))
        result = folded(node.op, np.stack(parts), np.stack(masks), node.rank)
        if node.op in CHOOSING_FOLDS:
            table = np.array([*rows, (-1,) * len(node.variables)], np.intp)
            chosen = table[result]
            return Value(
                PAIR if len(node.variables) == 2 else THING, chosen if len(node.variables) == 2 else chosen[:, 0], origin
            )
        if node.op in TRUTH_FOLDS and node.op != "count":
            return Value(TRUTH, result, origin)
        if node.op == "count":
            return Value(number((0, 0)), result, origin)
        return Value(kind, np.where(np.isfinite(result), result, result[0]), origin)

    def _members(self, over: ThingSet, bound: Mapping[str, int], depth: int) -> tuple[list[int], Origin, list[Array]]:
        """Numbers of a set's members, and for each (N + 1,) whether it belongs to it."""
        everyone = np.ones(self._count + 1, bool)
        if isinstance(over, Several):
            members = [self._leaves.number_of(name) for name in over.names]
            if len(set(members)) < len(members):
                raise Missing(Status.AMBIGUOUS, f"{to_text(over)}: two of these names mean one thing on this image")
            return members, Origin(), [everyone] * len(members)
        members = self._leaves.answering(over)
        if over.where is None:
            return members, Origin(), [everyone] * len(members)
        kept, masks, origin = [], [], Origin()
        for index in members:
            try:
                holds = self._value(over.where, {**bound, over.variable: index}, depth + 1)
            except _Itself as reason:
                if over.variable not in reason.variables:
                    raise
                continue
            kept.append(index)
            masks.append(holds.samples)
            origin = origin | holds.origin
        return kept, origin, masks


def _origin(parts: list[Value]) -> Origin:
    total = Origin()
    for part in parts:
        total = total | part.origin
    return total


def _too_few(node: Fold, present: int) -> str:
    if node.rank > 1:
        return f"{to_text(node)}: there are only {present}"
    return f"{to_text(node)}: nothing on the image answers to it"
