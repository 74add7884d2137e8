"""The operators of expression trees beside the relations: how many arguments, of which types, giving which type.

One table for the type checker, the JSON schema and the prompts of language models; ``values.py`` says what they compute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..scene.relations import RELATIONS, Kind, Relation

# Powers of metre and radian.
Unit = tuple[int, int]
NONE, METRE, RADIAN = (0, 0), (1, 0), (0, 1)
_SPELLED = {"": (1.0, NONE), "count": (1.0, NONE), "rad": (1.0, RADIAN), "deg": (0.017453292519943295, RADIAN)}
_LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "in": 0.0254, "ft": 0.3048, "yd": 0.9144}
_POWER = re.compile(r"(?P<unit>[a-z]+)(?:\^(?P<power>[23]))?")


@dataclass(frozen=True)
class Type:
    """What a tree gives. ``what`` is "number" (with its unit), "truth", "thing", "pair" or "side"."""

    what: str
    unit: Unit = NONE

    def __str__(self) -> str:
        if self.what != "number":
            return {"truth": "true or false", "thing": "a thing", "pair": "a pair of things", "side": "a side"}[self.what]
        return f"a number in {unit_text(self.unit)}" if self.unit != NONE else "a plain number"


TRUTH, THING, PAIR, SIDE = Type("truth"), Type("thing"), Type("pair"), Type("side")


def number(unit: Unit) -> Type:
    return Type("number", unit)


def unit_text(unit: Unit) -> str:
    """ "m", "m^2", "rad", "m rad"; "" for a plain number."""
    parts = [name if power == 1 else f"{name}^{power}" for name, power in zip(("m", "rad"), unit, strict=True) if power]
    return " ".join(parts)


def parse_unit(text: str) -> tuple[float, Unit]:
    """(what one of it is worth in SI, its powers). Raises ValueError that lists the known units."""
    plain = text.strip().lower()
    if plain in _SPELLED:
        return _SPELLED[plain]
    found = _POWER.fullmatch(plain)
    if found is None or found["unit"] not in _LENGTHS:
        known = ", ".join([*_LENGTHS, "m^2", "m^3", "rad", "deg"])
        raise ValueError(f"unit '{text[:20]}' is not known; use one of {known}, or none for a count or a ratio")
    power = int(found["power"] or 1)
    return float(_LENGTHS[found["unit"]] ** power), (power, 0)


class TypeProblem(ValueError):
    """What is wrong with the arguments of an operator; the checker adds where."""


@dataclass(frozen=True)
class Operator:
    """``least`` and ``most`` arguments; ``result`` gives the type of the value or raises TypeProblem."""

    least: int
    most: int
    result: Callable[[Sequence[Type]], Type]
    meaning: str


def _numbers(types: Sequence[Type]) -> None:
    for index, given in enumerate(types):
        if given.what != "number":
            raise TypeProblem(f"argument {index} is {given}; a number is needed")


def _alike(types: Sequence[Type]) -> Type:
    _numbers(types)
    for index, given in enumerate(types):
        if given.unit != types[0].unit:
            raise TypeProblem(f"argument 0 is {types[0]} and argument {index} is {given}; give all of them one unit")
    return types[0]


def _truths(types: Sequence[Type]) -> Type:
    for index, given in enumerate(types):
        if given != TRUTH:
            raise TypeProblem(f"argument {index} is {given}; something true or false is needed")
    return TRUTH


def _compared(types: Sequence[Type]) -> Type:
    _alike(types)
    return TRUTH


def _product(types: Sequence[Type]) -> Type:
    _numbers(types)
    return _checked_power(sum(t.unit[0] for t in types), sum(t.unit[1] for t in types))


def _quotient(types: Sequence[Type]) -> Type:
    _numbers(types)
    return _checked_power(types[0].unit[0] - types[1].unit[0], types[0].unit[1] - types[1].unit[1])


def _root(types: Sequence[Type]) -> Type:
    _numbers(types)
    metres, radians = types[0].unit
    if metres % 2 or radians % 2:
        raise TypeProblem(f"the square root of {types[0]} has no unit; take it of an area or of a plain number")
    return number((metres // 2, radians // 2))


def _checked_power(metres: int, radians: int) -> Type:
    if abs(metres) > 6 or abs(radians) > 6:
        raise TypeProblem(f"the result would be in {unit_text((metres, radians))}; no power above 6 is taken")
    return number((metres, radians))


def _same(types: Sequence[Type]) -> Type:
    for index, given in enumerate(types):
        if given != THING:
            raise TypeProblem(f"argument {index} is {given}; a thing is needed")
    return TRUTH


def _branch(types: Sequence[Type]) -> Type:
    if types[0] != TRUTH:
        raise TypeProblem(f"the condition is {types[0]}; something true or false is needed")
    if types[1] != types[2]:
        raise TypeProblem(f"one branch is {types[1]}, the other {types[2]}; both need one type")
    if types[1] == SIDE:
        raise TypeProblem("a side cannot be chosen between; ask for it alone")
    return types[1]


_MANY = 32
OPERATORS: Mapping[str, Operator] = {
    "add": Operator(2, _MANY, _alike, "sum"),
    "sub": Operator(2, 2, _alike, "first minus second; of bearings the shorter way round"),
    "mul": Operator(2, _MANY, _product, "product"),
    "ratio": Operator(2, 2, _quotient, "first divided by second"),
    "abs": Operator(1, 1, _alike, "size without sign"),
    "neg": Operator(1, 1, _alike, "opposite sign"),
    "sqrt": Operator(1, 1, _root, "square root"),
    "min": Operator(2, _MANY, _alike, "least of its arguments"),
    "max": Operator(2, _MANY, _alike, "greatest of its arguments"),
    "mean": Operator(2, _MANY, _alike, "mean of its arguments"),
    "lt": Operator(2, 2, _compared, "first less than second"),
    "gt": Operator(2, 2, _compared, "first greater than second"),
    "near": Operator(3, 3, _compared, "first within third of second"),
    "eq": Operator(2, 2, _compared, "equal; for counts, lengths want near"),
    "and": Operator(2, _MANY, _truths, "all hold"),
    "or": Operator(2, _MANY, _truths, "one holds at least"),
    "not": Operator(1, 1, _truths, "does not hold"),
    "same": Operator(2, 2, _same, "both are one thing"),
    "if": Operator(3, 3, _branch, "second where the first holds, else third"),
}

# What an operator over a set makes of each thing's value: None where it needs none.
FOLDS: Mapping[str, str] = {
    "count": "how many of them ('of' holds for)",
    "any": "'of' holds for one at least",
    "all": "'of' holds for each",
    "sum": "sum of 'of'",
    "mean": "mean of 'of'",
    "min": "least 'of'",
    "max": "greatest 'of'",
    "argmin": "the thing (or pair) whose 'of' is least; 'rank' 2 the second",
    "argmax": "the thing (or pair) whose 'of' is greatest; 'rank' 2 the second",
}
TRUTH_FOLDS = ("count", "any", "all")
CHOOSING_FOLDS = ("argmin", "argmax")


def relation_type(relation: Relation) -> Type:
    """What a relation of the registry gives as a leaf of a tree."""
    if relation.kind is Kind.ESTIMATE:
        return number({"m": METRE, "rad": RADIAN}.get(relation.unit, NONE))
    return {Kind.PREDICATE: TRUTH, Kind.CHOICE: THING, Kind.CLASSIFY: SIDE}[relation.kind]


def operator_names() -> tuple[str, ...]:
    """Every name that an Apply may have: operators, then relations."""
    return (*OPERATORS, *RELATIONS)
