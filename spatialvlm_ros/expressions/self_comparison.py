"""Finds comparisons of a thing with itself: "all that are nearer to the cup than the can is" is not asked of the can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..scene.relations import RELATIONS
from .tree import Apply, Thing, Tree, Variable, walk

# What sets its first operand against its second.
OPERATORS = frozenset(("lt", "gt", "near", "sub", "ratio"))


def compared_with_itself(node: Apply, bound: Mapping[str, int], number_of: Callable[[str], int]) -> frozenset[str]:
    """The variables that make a measurement on one side of an operator that very measurement on its other side.

    Empty for a tree that sets a measurement against itself in so many words.

    Args:
        bound: number of the thing that each variable stands for.
        number_of: the number of a thing by its name.
    """
    if not bound or node.op not in OPERATORS:
        return frozenset()
    right = list(_measurements(node.args[1]))
    for one in _measurements(node.args[0]):
        for other in right:
            alike = (one.op, one.amount, one.view) == (other.op, other.amount, other.view)
            variables = {arg.name for arg in (*one.args, *other.args) if isinstance(arg, Variable)}
            if (
                alike
                and one != other
                and variables
                and variables <= set(bound)
                and _numbers(one, bound, number_of) == _numbers(other, bound, number_of)
            ):
                return frozenset(variables)
    return frozenset()


def _measurements(tree: Tree) -> Iterator[Apply]:
    """The relations of things that are named or bound in a tree."""
    for _, node in walk(tree):
        if isinstance(node, Apply) and node.op in RELATIONS and all(isinstance(arg, (Thing, Variable)) for arg in node.args):
            yield node


def _numbers(node: Apply, bound: Mapping[str, int], number_of: Callable[[str], int]) -> list[int | None]:
    """By argument, the number of its thing."""
    found: list[int | None] = []
    for arg in node.args:
        if isinstance(arg, Thing):
            found.append(number_of(arg.name))
        elif isinstance(arg, Variable):
            # None for the variable of a fold inside: what it stands for is not known here.
            found.append(bound.get(arg.name))
    return found
