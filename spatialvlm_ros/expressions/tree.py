"""The nodes of an expression tree: numbers, things, sets of things, and what is done with them.

A tree is data: frozen, hashable, comparable, without a scene. ``typing.check`` tells its type or what is wrong with it,
``tree_json`` writes and reads it, ``evaluate.Evaluator`` gives it a value. Relations are the leaves; which there are is the
registry's to say (``scene/relations.py``), so that no second table of them exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from ..scene.relations import RELATIONS

MAX_DEPTH = 24
MAX_NODES = 400
MAX_NAME = 256
# Sizes of numbers, in SI.
MAX_NUMBER = 1e12
# Names of everything in sight; the grounder takes any of the generic nouns.
ANYTHING = "object"


class ExpressionError(ValueError):
    """A tree that cannot be used. The text names the node by its path from the root ("args[0].of"), and what to do."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'root'}: {problem}")
        self.path, self.problem = path, problem


@dataclass(frozen=True)
class Number:
    """A constant, in SI: metres to a power, radians to a power (1 over seconds never occurs)."""

    value: float
    unit: str = ""


@dataclass(frozen=True)
class Thing:
    """A thing by its name, "gripper" and "#3" among them."""

    name: str


@dataclass(frozen=True)
class Variable:
    """The thing that a surrounding Fold or filter is at."""

    name: str


@dataclass(frozen=True)
class Several:
    """Things by their names, two or more."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class All:
    """All things in sight that answer to a description; those of them for which ``where`` holds, said of ``variable``."""

    description: str = ANYTHING
    variable: str = ""
    where: Tree | None = None


ThingSet: TypeAlias = "Several | All"


@dataclass(frozen=True)
class Apply:
    """An operator or a relation of the registry on its arguments.

    ``amount`` (metres) and ``view`` belong to relations, as in ``scene.facts.Query``.
    """

    op: str
    args: tuple[Tree, ...]
    amount: float = 0.0
    view: str = ""


@dataclass(frozen=True)
class Fold:
    """An operator over all things of a set: count, any, all, sum, mean, min, max, argmin, argmax.

    Attributes:
        variables: one name; or two, for every pair of different things.
        of: what is counted, summed, compared. "count" may have none: it counts the things.
        rank: of argmin and argmax: 1 the first, 2 the second, ...
    """

    op: str
    over: ThingSet
    variables: tuple[str, ...] = ("x",)
    of: Tree | None = None
    rank: int = 1


Tree: TypeAlias = "Number | Thing | Variable | Apply | Fold"


def children(node: Tree | ThingSet) -> Iterator[tuple[str, Tree | ThingSet]]:
    """Each node right below one, with its step in a path."""
    if isinstance(node, Apply):
        yield from ((f"args[{i}]", child) for i, child in enumerate(node.args))
    elif isinstance(node, Fold):
        yield "over", node.over
        if node.of is not None:
            yield "of", node.of
    elif isinstance(node, All) and node.where is not None:
        yield "where", node.where


def walk(node: Tree | ThingSet, path: str = "") -> Iterator[tuple[str, Tree | ThingSet]]:
    """The node and all below it, with their paths. Iterative: a deep tree costs no stack."""
    stack = [(path, node)]
    while stack:
        path, node = stack.pop()
        yield path, node
        stack.extend((f"{path}.{step}" if path else step, child) for step, child in reversed(list(children(node))))


def names_of(node: Tree | ThingSet) -> tuple[str, ...]:
    """Every name that has to be looked for on the image, once each, in the order of the tree."""
    found: list[str] = []
    for _, part in walk(node):
        if isinstance(part, Thing):
            found.append(part.name)
        elif isinstance(part, Several):
            found.extend(part.names)
        elif isinstance(part, All):
            found.append(part.description)
    return tuple(dict.fromkeys(found))


def views_of(node: Tree | ThingSet) -> tuple[str, ...]:
    """Every view that relations of the tree are seen from, once each."""
    return tuple(dict.fromkeys(part.view for _, part in walk(node) if isinstance(part, Apply) and part.view))


def with_view(node: Tree, view: str) -> Tree:
    """The tree with a view for all relations that have none of their own; as it is without one."""
    if not view:
        return node
    if isinstance(node, Apply):
        args = tuple(with_view(child, view) for child in node.args)
        return replace(node, args=args, view=node.view or (view if node.op in RELATIONS else ""))
    if isinstance(node, Fold):
        over = node.over
        if isinstance(over, All) and over.where is not None:
            over = replace(over, where=with_view(over.where, view))
        return replace(node, over=over, of=None if node.of is None else with_view(node.of, view))
    return node


@lru_cache(maxsize=2048)
def free_variables(node: Tree | ThingSet) -> frozenset[str]:
    """The variables in a node that it does not bind itself. For trees that ``typing.check`` accepts: deeper ones cost stack."""
    if isinstance(node, Variable):
        return frozenset({node.name})
    if isinstance(node, Fold):
        of = frozenset[str]() if node.of is None else free_variables(node.of) - set(node.variables)
        return free_variables(node.over) | of
    found = frozenset[str]().union(*(free_variables(child) for _, child in children(node)))
    return found - {node.variable} if isinstance(node, All) else found


def to_text(node: Tree | ThingSet, named: Mapping[str, str] = MappingProxyType({})) -> str:
    """The tree in one line: ``lt(distance(gripper, red mug), 0.3 m)``; ``named`` are the things that variables stand for."""
    if isinstance(node, Number):
        return f"{node.value:g} {node.unit}".rstrip()
    if isinstance(node, Thing):
        return node.name
    if isinstance(node, Variable):
        return named.get(node.name, f"${node.name}")
    if isinstance(node, Several):
        return "{" + ", ".join(node.names) + "}"
    if isinstance(node, All):
        where = "" if node.where is None else f" as ${node.variable} where {to_text(node.where, named)}"
        return f"all '{node.description}'{where}"
    if isinstance(node, Fold):
        rank = f" #{node.rank}" if node.rank != 1 else ""
        bound = ", ".join(f"${name}" for name in node.variables)
        of = "" if node.of is None else f" of {to_text(node.of, named)}"
        return f"{node.op}{rank}({bound} in {to_text(node.over, named)}{of})"
    parts = [to_text(child, named) for child in node.args]
    if node.amount:
        parts.append(f"{node.amount:g} m")
    return f"{node.op}({', '.join(parts)})" + (f" seen from {node.view}" if node.view else "")
