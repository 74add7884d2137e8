"""Short ways to write expression trees down, and what the words of a question stand for in them.

``Said`` gives the slots of a reading as parts of a tree: things, sets of things, lengths in metres, numbers. The tables of
questions are written with these alone, so that a tree of a kind looks the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from ..expressions.tree import ANYTHING, All, Apply, Fold, Number, Several, Thing, ThingSet, Tree, Variable
from ..language.patterns import Slot
from ..language.thing_phrases import FARTHEST, NEAREST

# What "the same" means without a tolerance told: what two measured lengths of a table's things agree to.
SAME_M = 0.02
# The same for three things in a line: how far off the line the odd one may be.
LINE_M = 0.05
_GENERIC = frozenset(("object", "thing", "item", "objects", "things", "items"))
X, Y = Variable("x"), Variable("y")
# Superlatives stand inside of other folds, so they have variables of their own.
_S, _T = Variable("s"), Variable("t")


def op(name: str, *args: Tree) -> Apply:
    """An operator, or a relation without an amount."""
    return Apply(name, args)


def distance(a: Tree, b: Tree) -> Apply:
    return Apply("distance", (a, b))


def gap(a: Tree, b: Tree) -> Apply:
    return Apply("gap", (a, b))


def height(a: Tree) -> Apply:
    return Apply("height", (a,))


def width(a: Tree) -> Apply:
    return Apply("width", (a,))


def lt(a: Tree, b: Tree) -> Apply:
    return Apply("lt", (a, b))


def gt(a: Tree, b: Tree) -> Apply:
    return Apply("gt", (a, b))


def negated(a: Tree) -> Tree:
    """Not a; without a "not" of a "not"."""
    return a.args[0] if isinstance(a, Apply) and a.op == "not" else Apply("not", (a,))


def no_less(a: Tree, b: Tree) -> Tree:
    """a >= b, for "at least"."""
    return negated(lt(a, b))


def no_more(a: Tree, b: Tree) -> Tree:
    """a <= b, for "at most" and "within"."""
    return negated(gt(a, b))


def sub(a: Tree, b: Tree) -> Apply:
    return Apply("sub", (a, b))


def near(a: Tree, b: Tree, within: Tree) -> Apply:
    return Apply("near", (a, b, within))


def metres(value: float) -> Number:
    return Number(value, "m")


def count_of(kind: str) -> Apply:
    """How many things of a kind are in sight: a leaf."""
    return Apply("count", (Thing(kind),))


def fold(name: str, over: ThingSet, of: Tree | None = None) -> Fold:
    """An operator over the things x of a set."""
    return Fold(name, over, ("x",), of)


def pairs(name: str, over: ThingSet, of: Tree) -> Fold:
    """An operator over all pairs x, y of different things of a set, each pair once."""
    return Fold(name, over, ("x", "y"), of)


def described(kind: str) -> All:
    """All things of a kind; "object", "thing" and "item" are everything in sight."""
    return All(ANYTHING if kind in _GENERIC else kind)


def counted(kind: str, number: float) -> All:
    """ "The three cans": all cans where there are three of them, else none, so that a wrong number has no answer."""
    everyone = described(kind)
    return All(everyone.description, "z", op("eq", count_of(everyone.description), Number(number)))


# -- superlatives -----------------------------------------------------------------------------------------------------

# The measure that is greatest or least; else the relation in which the thing stands to most of the others.
_MEASURED = {"tallest": ("argmax", "height"), "shortest": ("argmin", "height"), "widest": ("argmax", "width")} | {
    "thinnest": ("argmin", "width")
}
_RELATED = {
    "biggest": "big",
    "smallest": "small",
    "highest": "above",
    "lowest": "below",
    "leftmost": "left",
    "rightmost": "right",
    "frontmost": "front",
    "rearmost": "behind",
}


def superlative(word: str, over: ThingSet, rank: int = 1) -> Fold:
    """The tallest, leftmost ... thing of a set.

    What is left of most of the others is the leftmost: the relation is the registry's own, and an order has no ties.
    """
    if word in _MEASURED:
        name, measure = _MEASURED[word]
        return Fold(name, over, ("s",), Apply(measure, (_S,)), rank)
    return Fold("argmax", over, ("s",), Fold("count", over, ("t",), Apply(_RELATED[word], (_S, _T))), rank)


def reaching(word: str, over: ThingSet, other: Tree, rank: int = 1) -> Fold:
    """The thing of a set that is nearest to, or farthest from, another one, by their centers."""
    return Fold({NEAREST: "argmin", FARTHEST: "argmax"}[word], over, ("s",), distance(_S, other), rank)


def told(phrase: Slot) -> Tree:
    """The tree of a "thing" slot. Raises ValueError for a slot of another kind."""
    if isinstance(phrase, str):
        return Thing(phrase)
    if isinstance(phrase, float):
        raise ValueError(f"{phrase} is no thing")
    word, rank, kind, other = phrase
    if other:
        return reaching(word, described(kind), Thing(other), int(rank))
    if word in (NEAREST, FARTHEST):
        raise ValueError(f"{word} of what is not said")
    return superlative(word, described(kind), int(rank))


# -- slots ------------------------------------------------------------------------------------------------------------

_UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "feet": 0.3048}


@dataclass(frozen=True)
class Said:
    """The slots of a reading. Each property raises KeyError where the reading has no such slot."""

    slots: Mapping[str, Slot]

    def thing(self, key: str) -> Tree:
        return told(self.slots[key])

    def word(self, key: str) -> str:
        value = self.slots[key]
        if not isinstance(value, str):
            raise ValueError(f"slot '{key}' is no word")
        return value

    def figure(self, key: str) -> float:
        value = self.slots[key]
        if not isinstance(value, float):
            raise ValueError(f"slot '{key}' is no number")
        return value

    @property
    def a(self) -> Tree:
        return self.thing("a")

    @property
    def b(self) -> Tree:
        return self.thing("b")

    @property
    def c(self) -> Tree:
        return self.thing("c")

    @property
    def d(self) -> Tree:
        return self.thing("d")

    @property
    def best(self) -> Fold:
        """A thing told by a superlative."""
        tree = self.thing("s")
        if not isinstance(tree, Fold):
            raise ValueError("no superlative is said")
        return tree

    @property
    def kind(self) -> str:
        """The description in "how many blocks"."""
        return described(self.word("g")).description

    @property
    def other_kind(self) -> str:
        return described(self.word("h")).description

    @property
    def n(self) -> Number:
        return metres(self.figure("n"))

    @property
    def times(self) -> Number:
        """Of "{k} times" or "twice"."""
        return Number(self.figure("k") if "k" in self.slots else 2.0)

    @property
    def number(self) -> Number:
        """How many. Raises ValueError where that is no whole number."""
        if not self.figure("k").is_integer():
            raise ValueError("things are counted in whole numbers")
        return Number(self.figure("k"))

    @property
    def names(self) -> tuple[str, ...]:
        value = self.slots["names"]
        if not isinstance(value, tuple):
            raise ValueError("slot 'names' is no list")
        return value

    @property
    def over(self) -> ThingSet:
        """The things that a question is about: a list, all of a kind, or a counted number of a kind."""
        if "names" in self.slots:
            return Several(self.names)
        if "k" in self.slots:
            return counted(self.word("g"), self.figure("k"))
        return described(self.word("g"))

    @property
    def three(self) -> tuple[Tree, Tree, Tree]:
        """The corners of a triangle. Raises ValueError for another number of names."""
        if len(self.names) != 3:
            raise ValueError("a triangle has three corners")
        first, second, third = (Thing(name) for name in self.names)
        return first, second, third

    @property
    def limits(self) -> tuple[Number, Number]:
        """(low, high) of "between 10 and 30 cm", metres. Raises ValueError when low is not below high."""
        if "n" in self.slots:
            low, high = self.figure("n"), self.figure("m")
        else:
            unit, worth = next((unit, worth) for unit, worth in _UNITS_M.items() if f"low_{unit}" in self.slots)
            low, high = self.figure(f"low_{unit}") * worth, self.figure(f"high_{unit}") * worth
        if not low < high:
            raise ValueError("the first of two limits is the lower one")
        return metres(low), metres(high)


Build: TypeAlias = Callable[[Said], Tree]
Compare: TypeAlias = Callable[[Tree, Tree], Tree]
# The comparisons that are said of two numbers.
COMPARE: Mapping[str, Compare] = {"more": gt, "less": lt, "least": no_less, "most": no_more}
P = TypeVar("P")


def given(build: Callable[[Said, P], Tree], value: P) -> Build:
    """What a reading means, for one value of a table's row."""
    return lambda said: build(said, value)
