"""Composed questions of every kind on a scene, answered by the grammar and the trees, judged by what is true of the things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..expressions.evaluate import Evaluator
from ..expressions.tree import ExpressionError
from ..language.questions import QuestionError
from ..reasoning.answer import Answer, answer_of
from ..reasoning.grammar import composed_kinds
from ..reasoning.reasoner import Reasoner
from .engine_facts import TOOL
from .language_draw import Question, draw
from .language_judge import (
    UNCLEAR,
    WRONG,
    Judged,
    Tolerance,
    camera_tolerance,
    exact_tolerance,
    nominal_verdict,
    number_fields,
    thing_of,
    verdict_of,
    wanted_text,
)
from .language_scenes import Posed
from .language_truth import World
from .language_truth_answers import THINGS, Expected
from .language_truth_kinds import truth_of_kind

_TRIES = 8


def kinds_in_turn(first: int, count: int) -> list[str]:
    """``count`` kinds from number ``first`` on, counted around, so that scenes share all of them evenly."""
    every = tuple(composed_kinds())
    return [every[(first + step) % len(every)] for step in range(count)]


def ask_all(posed: Posed, kinds: Sequence[str], seed: int, *, exact: bool) -> list[Judged]:
    """A question of each kind about a scene. Questions whose truth is too close to call are drawn again a few times."""
    generator = np.random.default_rng((posed.seed, seed, 37))
    world, evaluator = World(posed.truth, posed.tool), Evaluator(posed.scene)
    found: list[Judged] = []
    for kind in kinds:
        for _ in range(_TRIES):
            question = draw(posed, kind, generator)
            answer = truth_of_kind(kind)
            if question is None or answer is None:
                break
            expected = answer(world, question.asked)
            if expected.clear:
                found.append(ask(posed, evaluator, question, expected, exact=exact))
                break
            found.append(Judged(posed.seed, posed.family, kind, UNCLEAR, expected.what))
    return found


def ask(posed: Posed, evaluator: Evaluator, question: Question, expected: Expected, *, exact: bool) -> Judged:
    """One question, from its words to the verdict on its answer. On exact scenes nothing but a sure answer is right."""
    tolerance: Tolerance = exact_tolerance if exact else camera_tolerance
    judged = Judged(
        posed.seed, posed.family, question.kind, WRONG, expected.what, question=question.text,
        wanted=wanted_text(expected, posed), first=_first(question, expected),
    )  # fmt: skip
    try:
        plan = Reasoner().plan(question.text, (*posed.names, TOOL))
        evaluation = evaluator.evaluate(plan.tree)
    except (QuestionError, ExpressionError) as error:
        return replace(judged, said=f"{type(error).__name__}: {error}"[:300], nominal=WRONG)
    answer = answer_of(question.text, evaluation)
    fields = {**number_fields(answer, expected), **_choice_fields(answer, expected, posed)}
    return replace(
        judged, verdict=verdict_of(answer, expected, posed, tolerance, sure=exact), said=answer.text[:300],
        status=answer.status.name, unit=answer.unit,
        nominal=nominal_verdict(evaluation, expected, posed, tolerance), **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def _choice_fields(answer: Answer, expected: Expected, posed: Posed) -> dict[str, float | bool]:
    if not answer.answered or expected.what != THINGS or answer.kind not in ("thing", "pair"):
        return {}
    right = frozenset(thing_of(name, posed) for name in answer.things) == expected.things
    return {"probability": answer.value, "correct": right}


def _first(question: Question, expected: Expected) -> bool:
    """Whether naming what is said first would have been right."""
    return expected.what == THINGS and frozenset(question.candidates[: len(expected.things)]) == expected.things
