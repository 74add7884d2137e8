"""Expression trees as a task uses them: over facts that were measured elsewhere, and as one number that says how well they hold.

A task's tree relates named things only: whoever rewards gets facts, not the scene, so that sets of things ("all blocks") cannot
be looked for. Something true or false that is made of several relations gets a margin, positive where it holds: the usual
quantitative semantics of logic (Donzé, Maler 2010) with lengths, angles and counts on scales of their own. "and" is the least
margin, "or" the greatest, "not" the opposite. So one tree is the potential, the success test and the guard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..expressions.evaluate import Evaluator
from ..expressions.operators import METRE, NONE, RADIAN, TRUTH, Type, number, parse_unit, relation_type, unit_text
from ..expressions.tree import Apply, ExpressionError, Number, Thing, Tree, to_text, walk
from ..expressions.typing import check
from ..scene import facts as units
from ..scene.facts import Query, Source, SpatialFact, Status
from ..scene.relation import Reckoned
from ..scene.relations import RELATIONS, Kind, Measurement
from ..scene.scene import Scene

MARGIN = "margin"
"""Unit of a composed truth: multiples of ``MARGIN_SCALES``, positive where it holds."""
MARGIN_SCALES: Mapping[tuple[int, int], float] = {METRE: 0.05, RADIAN: math.radians(30.0), NONE: 1.0}
_UNITS = {METRE: units.METRE, RADIAN: units.RADIAN, NONE: units.COUNT}
# Of each error; a deviation made of so many errs by 4 %.
_NUM_SAMPLES = 400
# Beyond this many deviations a probability says no more than that it is one.
_MOST_SIGMAS = 6.0


@dataclass(frozen=True)
class Reading:
    """A usable fact, or what a tree makes of several: the image's own value, the filtered one, one standard deviation.

    ``std`` is 0 for a probability; ``hidden`` when a thing in it was not seen on this image.
    """

    raw: float
    value: float
    std: float
    hidden: bool = False


def leaf(query: Query) -> Apply:
    """The tree of one relation."""
    return Apply(query.relation, tuple(Thing(name) for name in query.names), query.amount, query.view)


def leaf_query(tree: Tree) -> Query | None:
    """The query of a tree that is one relation of named things, or None."""
    if not isinstance(tree, Apply) or tree.op not in RELATIONS or not all(isinstance(arg, Thing) for arg in tree.args):
        return None
    names = [arg.name for arg in tree.args if isinstance(arg, Thing)]
    subject, other, third = [*names, "", "", ""][:3]
    return Query(tree.op, subject, other, third, tree.amount, tree.view)


def tree_queries(tree: Tree) -> tuple[Query, ...]:
    """Every fact that a tree needs, once each, in its order."""
    found = [query for _, node in walk(tree) if isinstance(node, Apply) and (query := leaf_query(node)) is not None]
    return tuple(dict.fromkeys(found))


def renamed(tree: Tree, rename: Callable[[str], str]) -> Tree:
    """The tree with every name replaced by what ``rename`` makes of it."""
    if isinstance(tree, Thing):
        return Thing(rename(tree.name))
    if isinstance(tree, Apply):
        return replace(tree, args=tuple(renamed(arg, rename) for arg in tree.args))
    return tree


def unit_of(tree: Tree) -> str:
    """Unit in which a tree's value counts: of a relation its own, "m", "rad" or "count" of a number, MARGIN of a composed truth.

    Raises:
        ExpressionError: for a tree that a task cannot use.
    """
    kind = check(tree)
    for path, node in walk(tree):
        if not isinstance(node, (Number, Thing, Apply)):
            problem = "a task is measured by facts about named things; name each thing instead of a set"
            raise ExpressionError(path, problem)
        if isinstance(node, Apply) and node.op in RELATIONS and leaf_query(node) is None:
            raise ExpressionError(path, f"{to_text(node)}: name the things of '{node.op}'; a choice among things is no name")
    if not tree_queries(tree):
        raise ExpressionError("", f"'{to_text(tree)}' measures nothing; put a relation of things into it")
    query = leaf_query(tree)
    if query is not None:
        return RELATIONS[query.relation].unit
    if kind == TRUTH:
        margin_tree(tree)
        return MARGIN
    if kind.what != "number" or kind.unit not in _UNITS:
        raise ExpressionError("", f"'{to_text(tree)}' is {kind}; a task needs a length, an angle, a plain number or a truth")
    return _UNITS[kind.unit]


# -- margins --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def margin_tree(tree: Tree) -> Tree:
    """The number that is above 0 where a truth holds, a plain one. Raises ExpressionError for what has none."""
    if not isinstance(tree, Apply):
        raise ExpressionError("", f"'{to_text(tree)}' is neither a comparison nor a relation")
    if tree.op in RELATIONS:
        if RELATIONS[tree.op].kind is not Kind.PREDICATE:
            raise ExpressionError("", f"'{tree.op}' is a choice; compare the numbers instead")
        return Apply("if", (tree, Number(1.0), Number(-1.0)))
    if tree.op == "not":
        return Apply("neg", (margin_tree(tree.args[0]),))
    if tree.op in ("and", "or"):
        return Apply("min" if tree.op == "and" else "max", tuple(map(margin_tree, tree.args)))
    if tree.op in ("lt", "gt"):
        less, more = tree.args if tree.op == "lt" else tree.args[::-1]
        return _scaled(Apply("sub", (more, less)), tree)
    if tree.op == "near":
        return _scaled(Apply("sub", (tree.args[2], Apply("abs", (Apply("sub", tree.args[:2]),)))), tree)
    if tree.op == "eq":
        return _scaled(Apply("sub", (Number(0.5), Apply("abs", (Apply("sub", tree.args),)))), tree)
    raise ExpressionError("", f"'{tree.op}' has no margin; use lt, gt, near, and, or, not and relations")


def _scaled(difference: Apply, of: Apply) -> Tree:
    unit = _type_of(difference).unit
    if unit not in MARGIN_SCALES:
        shown = to_text(of)
        raise ExpressionError("", f"'{shown}' compares numbers in {unit_text(unit)}; compare lengths, angles or plain numbers")
    return Apply("ratio", (difference, Number(MARGIN_SCALES[unit], unit_text(unit))))


def _type_of(node: Tree) -> Type:
    """Of a node of a checked tree."""
    if isinstance(node, Number):
        return number(parse_unit(node.unit)[1])
    if isinstance(node, Apply) and node.op in RELATIONS:
        return relation_type(RELATIONS[node.op])
    return check(node)


# -- values ---------------------------------------------------------------------------------------------------------------


def read_tree(tree: Tree, readings: Mapping[Query, Reading]) -> Reading | None:
    """The value of a tree from readings of its facts, or None when it lacks one that decides.

    Errors of different facts are taken to be independent, since readings do not say what they share.
    """
    query = leaf_query(tree)
    if query is not None:
        return readings.get(query)
    used = [readings[query] for query in tree_queries(tree) if query in readings]
    wanted = margin_tree(tree) if check(tree) == TRUTH else tree
    found = _evaluated(wanted, readings, raw=False)
    raw = _evaluated(wanted, readings, raw=True)
    if found is None or raw is None:
        return None
    return Reading(raw[0], found[0], found[1], any(reading.hidden for reading in used))


def _evaluated(tree: Tree, readings: Mapping[Query, Reading], *, raw: bool) -> tuple[float, float] | None:
    def measure(scene: Scene, query: Query, output: object) -> tuple[SpatialFact, Measurement | None]:
        reading = readings.get(query)
        unit = RELATIONS[query.relation].unit
        fact = SpatialFact(query, Status.NOT_FOUND, Source.DEPTH, 0, "", unit=unit, text=f"{query} is not measured")
        if reading is None:
            return fact, None
        value = reading.raw if raw else reading.value
        fact = replace(fact, status=Status.OK, value=value, std=reading.std)
        if unit != units.PROBABILITY:
            return fact, Measurement(value, reading.std)
        return fact, Measurement(value, math.nan, margin=Reckoned(_sigmas(value), 1.0))

    found = Evaluator(_NOTHING, measure=measure, num_samples=_NUM_SAMPLES).evaluate(tree)
    return None if found.value is None else (float(found.value.value), found.value.std)


def _sigmas(probability: float) -> float:
    """By how many deviations a margin is above 0 that is so with a probability."""
    from scipy.special import ndtri

    return float(np.clip(ndtri(min(1.0, max(0.0, probability))), -_MOST_SIGMAS, _MOST_SIGMAS))


_NOTHING = Scene(0, "", (), None, "facts only", np.full(4, np.nan), 0.0)
