"""An answer beside the right one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..expressions.evaluate import Evaluation
from ..reasoning.answer import Answer
from ..scene.facts import Truth
from .language_scenes import Posed
from .language_truth_answers import COUNT, NONE, NUMBER, THINGS, TRUTH, Expected

RIGHT, WRONG, UNSURE, MISSING, UNCLEAR = "right", "wrong", "unsure", "missing", "unclear"
_ID_RE = re.compile(r"#(\d+)$")
# Another count is so likely only beyond the band of a verdict.
_SURE_COUNT_STD = (1 - Truth(0.5).band[1]) ** 0.5
Tolerance = Callable[[float, str], float]


def exact_tolerance(value: float, unit: str) -> float:
    """What two formulations of one number may differ by: 1 mm or 0.2 %; 10 mm2 of an area."""
    return max(1e-5 if unit == "m^2" else 0.001, 0.002 * abs(value))


def camera_tolerance(value: float, unit: str) -> float:
    """What is near enough for a measured number: 1 cm or 10 %; 5 cm2 of an area."""
    return max(5e-4 if unit == "m^2" else 0.01, 0.1 * abs(value))


@dataclass(frozen=True)
class Judged:
    """One answer judged.

    Attributes:
        verdict: one of the words above; UNCLEAR where the truth itself is too close to call, or two definitions differ.
        what: what was to be answered.
        probability: stated of a truth that it holds, of a choice that it is the right one; NaN otherwise.
        correct: of a truth whether it holds, of a choice whether it is right: what the probability is of.
        error, std: of a number, against the nearest end of its true range; NaN otherwise.
        value, truth: of a number or a count; of a truth 1 or 0.
        nominal: the verdict on an answer that ignores all errors.
        first: whether the first thing that is said would be right, for a choice.
        status: of the answer; "" where the question was not read.
    """

    seed: int
    family: str
    kind: str
    verdict: str
    what: str
    probability: float = float("nan")
    correct: bool = False
    error: float = float("nan")
    std: float = float("nan")
    value: float = float("nan")
    truth: float = float("nan")
    unit: str = ""
    nominal: str = ""
    first: bool = False
    question: str = ""
    said: str = ""
    wanted: str = ""
    status: str = ""


def thing_of(name: str, posed: Posed) -> int:
    """Index of the true thing that an answer names; -2 for what is none of them."""
    bound = posed.scene.find(name).thing
    number = _ID_RE.search(name)
    if bound is not None:
        return posed.ids.get(bound.id, -2)
    if number is not None:
        return posed.ids.get(int(number[1]), -2)
    found = [thing.id for thing in posed.scene.objects if thing.label == name]
    return posed.ids.get(found[0], -2) if len(found) == 1 else -2


def verdict_of(answer: Answer, expected: Expected, posed: Posed, tolerance: Tolerance, *, sure: bool) -> str:
    """The verdict on one answer; ``sure`` leaves no way out: an answer that is not certain is wrong."""
    if not expected.clear:
        return UNCLEAR
    if not answer.answered:
        return RIGHT if expected.what == NONE else WRONG if sure else MISSING
    if expected.what == NONE:
        return WRONG
    if expected.what == TRUTH:
        if answer.kind != "truth":
            return WRONG
        if answer.verdict is None:
            return WRONG if sure else UNSURE
        return RIGHT if answer.verdict == expected.range.holds else WRONG
    if expected.what == THINGS:
        if answer.kind not in ("thing", "pair"):
            return WRONG
        right = frozenset(thing_of(name, posed) for name in answer.things) == expected.things
        if not answer.decided:
            return WRONG if sure else UNSURE
        return RIGHT if right else WRONG
    return _number_verdict(answer, expected, tolerance, sure=sure)


def _number_verdict(answer: Answer, expected: Expected, tolerance: Tolerance, *, sure: bool) -> str:
    if answer.kind != "number":
        return WRONG
    if expected.what == COUNT:
        if not sure and answer.std > _SURE_COUNT_STD:
            return UNSURE
        return RIGHT if round(answer.value) == round(expected.range.value) else WRONG
    if not sure and 2 * answer.std > tolerance(answer.value, answer.unit):
        return UNSURE
    return RIGHT if off(answer.value, expected) <= tolerance(expected.range.value, answer.unit) else WRONG


def off(value: float, expected: Expected) -> float:
    """How far a number lies outside of the true range."""
    return max(0.0, expected.range.low - value, value - expected.range.high)


def nominal_verdict(evaluation: Evaluation, expected: Expected, posed: Posed, tolerance: Tolerance) -> str:
    """The verdict on what the measured values say when nobody asks how certain they are."""
    if not expected.clear:
        return UNCLEAR
    if evaluation.value is None:
        return RIGHT if expected.what == NONE else MISSING
    value = evaluation.value.value
    if expected.what == TRUTH:
        return RIGHT if bool(value) == expected.range.holds else WRONG
    if expected.what == THINGS:
        chosen = np.atleast_1d(value)
        said = frozenset(thing_of(evaluation.names[int(i)], posed) for i in chosen if i >= 0)
        return RIGHT if said == expected.things else WRONG
    if expected.what == COUNT:
        return RIGHT if round(float(value)) == round(expected.range.value) else WRONG
    if expected.what == NONE:
        return WRONG
    area = "m^2" if evaluation.type.unit == (2, 0) else ""
    return RIGHT if off(float(value), expected) <= tolerance(expected.range.value, area) else WRONG


def wanted_text(expected: Expected, posed: Posed) -> str:
    """The right answer, for people who read about a wrong one."""
    if expected.what == NONE:
        return "no answer"
    if expected.what == THINGS:
        return " and ".join(sorted(posed.names[i] for i in expected.things)) + f" (by {expected.margin:.4f})"
    if expected.what == TRUTH:
        return f"{'yes' if expected.range.holds else 'no'} (by {expected.margin:.4f})"
    ends = "" if expected.range.low == expected.range.high else f" ({expected.range.low:.4f} to {expected.range.high:.4f})"
    return f"{expected.range.value:.4f}{ends}"


def number_fields(answer: Answer, expected: Expected) -> dict[str, float | bool]:
    """What the statistics of stated probabilities and deviations are made of."""
    if not answer.answered or expected.what == NONE:
        return {}
    if expected.what in (NUMBER, COUNT) and answer.kind == "number":
        nearest = float(np.clip(answer.value, expected.range.low, expected.range.high))
        return {"error": answer.value - nearest, "std": answer.std, "value": answer.value, "truth": expected.range.value}
    if expected.what == TRUTH and answer.kind == "truth":
        return {"probability": answer.value, "correct": expected.range.holds, "truth": float(expected.range.holds)}
    return {}
