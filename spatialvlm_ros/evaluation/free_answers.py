"""How well free answers of models are read: a list of answers, labelled by hand, against the parser.

Two figures that are never mixed: how many are read right, and how many wrong values were accepted in silence. The second must be
0: an answer without a value that yields one, or a value with a wrong number or unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..language.spoken import Outcome, SpokenAnswer, parse_answer

_RELATIVE, _ABSOLUTE = 1e-3, 1e-6  # labels are written with four digits


@dataclass(frozen=True)
class FreeAnswerScore:
    """Counts over a list, and a sentence for each entry that was not read right."""

    total: int
    right: int
    silently_wrong: int
    failures: tuple[str, ...]

    @property
    def share_right(self) -> float:
        return self.right / self.total if self.total else math.nan


def score_free_answers(entries: Iterable[Mapping[str, Any]]) -> FreeAnswerScore:
    """Score loaded entries: ``text``, ``outcome``; ``value`` (SI) and ``unit`` where a quantity was said; ``asked`` as told.

    Raises:
        ValueError: an entry without text, of an unknown outcome, or a value without a unit.
    """
    total = right = silently_wrong = 0
    failures: list[str] = []
    for entry in entries:
        expected = _checked(entry)
        answer = parse_answer(entry["text"], unit=entry.get("asked"))
        fits = _fits(entry, answer)
        is_right = answer.outcome is expected and (fits or "value" not in entry)
        total, right = total + 1, right + is_right
        if is_right:
            continue
        wrong = answer.outcome is Outcome.VALUE and not (expected is Outcome.VALUE and fits)
        silently_wrong += wrong
        failures.append(f"{'SILENTLY WRONG: ' if wrong else ''}{entry['text']!r}: expected {_told(entry)}, read {_read(answer)}")
    return FreeAnswerScore(total, right, silently_wrong, tuple(failures))


def _checked(entry: Mapping[str, Any]) -> Outcome:
    if not isinstance(entry.get("text"), str):
        raise ValueError(f"an entry needs a text, got {dict(entry)}")
    if ("value" in entry) != ("unit" in entry):
        raise ValueError(f"a value needs its unit, and a unit its value: {dict(entry)}")
    outcome = Outcome(entry.get("outcome"))
    if outcome is Outcome.VALUE and "value" not in entry:
        raise ValueError(f"the value is missing: {dict(entry)}")
    return outcome


def _fits(entry: Mapping[str, Any], answer: SpokenAnswer) -> bool:
    if answer.quantity is None or "value" not in entry or answer.quantity.unit != entry["unit"]:
        return False
    return math.isclose(answer.quantity.value, float(entry["value"]), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def _told(entry: Mapping[str, Any]) -> str:
    return f"{entry['outcome']} {entry['value']:g} {entry['unit']}" if "value" in entry else str(entry["outcome"])


def _read(answer: SpokenAnswer) -> str:
    if answer.quantity is None:
        return f"{answer.outcome.value} ({answer.reason})"
    return f"{answer.outcome.value} {answer.quantity.value:g} {answer.quantity.unit}"
