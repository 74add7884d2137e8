"""Answers in words to one answer with a value: a number is the mean of several drawn answers, its deviation is their spread.

As in the paper, a number is averaged over draws. Never changes: a number without a unit is no length, an answer that says
several things says nothing, and of draws of which most say nothing no value is made.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np

from ..language.spoken import Outcome, Spoken, SpokenAnswer, parse_answer, parse_choice, parse_side
from ..scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query, Status
from ..scene.relation import Kind, Relation
from ..scene.relations import RELATIONS
from .interface import ModelAnswer, Question
from .sides import is_difference, signed

# Said behind every question: models answer at length otherwise, and a number without a unit is not taken.
BRIEFLY = "Answer in one short sentence. Give lengths with their unit."
# At least this share of the draws has to say a value.
LEAST_SHARE = 0.5
# Put behind a question whose answer is worth nothing without a side.
AND_SIDE = "Say on which side."
# Draws of one model err together: five times the same answer says how it speaks, not how right it is. Until somebody measures a
# model on held-out data its number is no surer than these, of a value and (an angle has no size of its own) in radians.
LEAST_STD_SHARE, LEAST_STD_RAD = 0.2, 0.2


def prompt_of(question: Question) -> str:
    """A question as it is put to a model that was not trained by us."""
    text = question.text.strip()
    if question.verbatim:
        return text
    asks_side = question.query is not None and is_difference(question.query.relation)
    return f"{text} {BRIEFLY} {AND_SIDE}" if asks_side else f"{text} {BRIEFLY}"


def read_answers(texts: Sequence[str], question: Question) -> ModelAnswer:
    """One answer of several that a model gave to one question; BAD_QUERY with the first text where most hold no value."""
    relation = None if question.query is None else RELATIONS.get(question.query.relation)
    if relation is None or question.query is None:
        return _free(texts)
    if relation.kind is Kind.ESTIMATE:
        said = [parse_answer(text, unit="count") if relation.unit == COUNT else parse_answer(text) for text in texts]
        # "No, it is 5 cm to the left" is a difference.
        taken = (Outcome.VALUE, Outcome.YES, Outcome.NO) if is_difference(relation.name) else (Outcome.VALUE,)
        values = [answer.quantity if answer.outcome in taken else None for answer in said]
        fitting = [value if value is not None and value.unit == relation.unit else None for value in values]
        if is_difference(relation.name):
            pairs = zip(texts, fitting, strict=True)
            fitting = [None if value is None else signed(text, value, question.query) for text, value in pairs]
        return _number(texts, fitting)
    return _verdict(texts, [_share(text, relation, question.query) for text in texts])


def _free(texts: Sequence[str]) -> ModelAnswer:
    """Nobody knows what was asked for: a number where most answers say one of the same unit, else yes or no."""
    said = [parse_answer(text) for text in texts]
    for unit in (METRE, RADIAN, COUNT):
        values = [a.quantity if a.outcome is Outcome.VALUE and a.quantity and a.quantity.unit == unit else None for a in said]
        if _enough(values):
            return _number(texts, values)
    return _verdict(texts, [_yes(answer) for answer in said])


def _enough(values: Sequence[object | None]) -> bool:
    return sum(value is not None for value in values) > LEAST_SHARE * len(values)


def _nothing(texts: Sequence[str]) -> ModelAnswer:
    return ModelAnswer(texts[0] if texts else "", Status.BAD_QUERY, samples=len(texts))


def _number(texts: Sequence[str], said: Sequence[Spoken | None]) -> ModelAnswer:
    """The mean of those that say one; its deviation is their spread and how precisely they were said, with a floor, and unknown
    for one alone."""
    if not _enough(said):
        return _nothing(texts)
    kept = [(text, spoken) for text, spoken in zip(texts, said, strict=True) if spoken is not None]
    values = np.array([spoken.value for _, spoken in kept])
    # A number stands for a range; a uniform one's deviation is its width over the root of 12.
    rounding = float(np.mean([(spoken.high - spoken.low) / math.sqrt(12) for _, spoken in kept]))
    unit = kept[0][1].unit
    mean = cmath.phase(sum(cmath.exp(1j * value) for value in values.tolist())) if unit == RADIAN else float(values.mean())
    apart = np.array([math.remainder(value - mean, 2 * math.pi) for value in values]) if unit == RADIAN else values - mean
    std = math.nan
    if len(kept) > 1:
        floor = LEAST_STD_RAD if unit == RADIAN else LEAST_STD_SHARE * abs(mean)
        std = max(math.hypot(float(np.sqrt((apart**2).sum() / (len(kept) - 1))), rounding), floor, 1e-6)
    nearest = int(np.argmin(np.abs(apart)))
    return ModelAnswer(kept[nearest][0], Status.OK, mean, std, unit, len(kept))


def _verdict(texts: Sequence[str], shares: Sequence[float | None]) -> ModelAnswer:
    """The probability of "yes" by Jeffreys' rule over the draws: one answer alone is not certain."""
    known = [(text, share) for text, share in zip(texts, shares, strict=True) if share is not None]
    if not known or not _enough(shares):
        return _nothing(texts)
    value = (sum(share for _, share in known) + 0.5) / (len(known) + 1)
    text = next((text for text, share in known if (share > 0.5) == (value > 0.5)), known[0][0])
    return ModelAnswer(text, Status.OK, value, math.nan, PROBABILITY, len(known))


def _yes(answer: SpokenAnswer) -> float | None:
    return {Outcome.YES: 1.0, Outcome.NO: 0.0, Outcome.UNSURE: 0.5}.get(answer.outcome)


def _share(text: str, relation: Relation, query: Query) -> float | None:
    """1 where an answer says yes, the first thing or the first side, 0 for the other, None for neither."""
    if relation.kind is Kind.PREDICATE:
        return _yes(parse_answer(text))
    try:
        if relation.kind is Kind.CHOICE:
            chosen = parse_choice(text, (query.subject, query.object), asked=_asked_word(query.relation))
        else:
            chosen = parse_side(text, relation.sides)
    except ValueError:  # both things have one name
        return None
    return None if chosen is None else 1.0 - chosen


def _asked_word(relation: str) -> str | None:
    """ "taller" of which_tall: the word of the classification between the same two sides."""
    side = relation.removeprefix("which_")
    for other in RELATIONS.values():
        if other.kind is Kind.CLASSIFY and side in (parts := other.name.split("_or_")):
            word = other.sides[parts.index(side)].split()[0]
            return word if word.endswith("er") else None
    return None
