"""What a pair's answer says, read back from its words alone: to be held against the number or the verdict that it was made from.

Never changes: nothing is taken from the pair but its text, its relation and its names; a text that says nothing that can be
read gives a problem and no value. Signed differences are read with their side, so that "5 cm to the left" is below zero where the
question asks how far to the right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..language.spoken import Outcome, parse_answer, parse_choice, parse_side
from ..scene.facts import COUNT, METRE, RADIAN
from ..scene.relations import RELATIONS, Kind

# Words of the sides that signed differences are told by, and their opposites.
_SIDES = {
    "left_difference": ("left", "right"),
    "right_difference": ("right", "left"),
    "behind_difference": ("behind|back|farther away", "forward|front|nearer"),
    "front_difference": ("forward|front|nearer", "behind|back|farther away"),
    "above_difference": ("above|higher", "below|lower"),
    "below_difference": ("below|lower", "above|higher"),
}
_VERDICTS = {Outcome.YES: "yes", Outcome.NO: "no", Outcome.UNSURE: "unsure"}
_ORDER = ("first", "second")
# Half of the last digit of exact answers, whose range is read as a point: a millimetre, a degree.
_LAST_DIGIT = {METRE: 0.0005, RADIAN: math.radians(0.5)}


@dataclass(frozen=True)
class ReadBack:
    """What was read.

    Attributes:
        polarity: a word of ``record.POLARITIES``; "" for a number, and where nothing was read.
        value, low, high: of a number, in ``unit``, and the range that its words stand for; NaN otherwise.
        problem: why nothing was read; "" when something was.
    """

    polarity: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    problem: str = ""

    def agrees(self, polarity: str, value: float) -> bool:
        """Whether it is what a fact with this polarity and this value says."""
        if self.problem:
            return False
        if polarity or self.polarity:
            return self.polarity == polarity
        return self.outside(value) <= _LAST_DIGIT.get(self.unit, 0.0) * (1 + 1e-9)

    def outside(self, value: float) -> float:
        """How far a number lies outside of what was said, in ``unit``; angles the short way round. NaN where none was said."""
        if math.isnan(self.value):
            return math.nan
        turns = (-math.tau, 0.0, math.tau) if self.unit == RADIAN else (0.0,)
        return min(max(0.0, self.low - value - turn, value + turn - self.high) for turn in turns)


def read_back(relation: str, names: Sequence[str], answer: str) -> ReadBack:
    """What an answer says to a relation of things with these names, in the query's order.

    Raises:
        KeyError: for an unknown relation.
    """
    known = RELATIONS[relation]
    if known.kind is Kind.CHOICE:
        return _choice(names, answer)
    plain = _without(names, answer)
    if known.kind is Kind.CLASSIFY:
        return _side(known.sides, plain)
    if known.kind is Kind.PREDICATE:
        said = parse_answer(plain)
        verdict = _VERDICTS.get(said.outcome)
        return ReadBack(verdict) if verdict else ReadBack(problem=said.reason or said.outcome.value)
    return _number(relation, known.unit, plain)


def _choice(names: Sequence[str], answer: str) -> ReadBack:
    at = parse_choice(answer, names)
    if at is None:
        # "A is taller than B" chooses only for who knows that the taller one was asked for; ours name the chosen one first.
        spans = sorted((found.start(), i) for i, name in enumerate(names) if (found := _name_re(name).search(answer)))
        if len(spans) == 2 and re.search(r"\bthan\b", answer) and not re.search(r"\b(?:not|no)\b", answer):
            at = spans[0][1]
    if at is not None:
        return ReadBack(_ORDER[at])
    said = parse_answer(_without(names, answer))
    return ReadBack("unsure") if said.outcome is Outcome.UNSURE else ReadBack(problem="the answer chooses neither")


def _side(sides: tuple[str, str], plain: str) -> ReadBack:
    at = parse_side(plain, sides)
    if at is not None:
        return ReadBack(_ORDER[at])
    said = parse_answer(plain)
    return ReadBack("unsure") if said.outcome is Outcome.UNSURE else ReadBack(problem="the answer says neither side")


def _number(relation: str, unit: str, plain: str) -> ReadBack:
    said = parse_answer(plain, unit=unit)
    if said.quantity is None:
        return ReadBack(problem=said.reason or said.outcome.value)
    value, low, high = said.quantity.value, said.quantity.low, said.quantity.high
    if unit == COUNT:
        low, high = low - 0.5, high + 0.5
    if relation in _SIDES:
        own, other = (re.search(rf"\b(?:{words})\b", plain) for words in _SIDES[relation])
        if own and other:
            return ReadBack(problem="the answer says both sides")
        if value == 0:
            low, high = -high, high
        elif other:
            value, low, high = -value, -high, -low
    return ReadBack("", value, low, high, unit)


def _without(names: Sequence[str], answer: str) -> str:
    """The answer with things for names: "left mug" and "2 liter bottle" say nothing about the relation."""
    for name in sorted(names, key=len, reverse=True):
        answer = _name_re(name).sub("thing", answer)
    return answer


def _name_re(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
