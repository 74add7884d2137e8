"""Questions about things of a scene to answers in words with a number, a deviation and a probability, all in one go.

Never changes: what is too close to call is said so, by the same band as everywhere (``facts.Truth``); a text and its value agree;
a name is put back as it was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...language.names import with_article
from ...language.question_templates import question_templates
from ...language.rounding import exact_length
from ...scene.facts import METRE, PROBABILITY, Query, Status, Truth
from ...scene.relations import RELATIONS, Kind
from ...scene.scene import Scene, SceneObject
from ..interface import ModelAnswer
from .decoder import AnswerDecoder, Prompted
from .decoder_saying import sentences_among
from .decoder_sentences import ANSWERED, ids_of_each, sentences_of
from .decoder_words import (
    ASK,
    BRIEF,
    CLOSE,
    FULL,
    MAX_THINGS,
    NO,
    NUMBER,
    OTHER_SIDE,
    POINTERS,
    SIDES,
    VERDICT_PAIRS,
    YES,
    pointed,
    within,
)
from .deviations import joined
from .doubt import doubtful_std
from .object_tokens import NUM_FEATURES, object_tokens_of_each

# Words for verdicts whose sentence cannot be used.
_PLAIN = {YES: "yes.", NO: "no.", CLOSE: "too close to call."}
# A length that is less than this many deviations below 0 is 0.
_BELOW_STDS = 2.0


@dataclass(frozen=True)
class Doubt:
    """What else the name at a place of ``AskedOf.names`` may mean: ``others``, each with its ``odds`` against the likeliest."""

    place: int
    others: tuple[SceneObject, ...]
    odds: tuple[float, ...]


@dataclass(frozen=True)
class AskedOf:
    """A question about things that are known.

    Attributes:
        scene: that they are of; seen by whoever the question's left and right are of (``Scene.seen_from``).
        things: one for each of ``names``.
        names: as they stand in the text, the one that the question is about first (``Query.names``).
        query: what is asked, where that is known; the text is then worded anew when the names do not stand in it.
        told: whether the answer's words are read; where nobody reads those of any question, none are said.
        doubts: of names that may well mean other things than those of ``things``.
    """

    scene: Scene
    text: str
    names: tuple[str, ...]
    things: tuple[SceneObject, ...]
    query: Query | None = None
    told: bool = True
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class _Row:
    """A question as the decoder reads it; ``order[i]`` is the index of the name that pointer i stands for."""

    asked: AskedOf
    words: list[int]
    order: tuple[int, ...]


def answer_questions(
    decoder: AnswerDecoder, asked: Sequence[AskedOf], deviations: Sequence[float] = (), *, full: bool = True
) -> list[ModelAnswer]:
    """One answer a question, in order. Never raises on what is asked: an answer has a status and a sentence instead.

    A number is signed as the question asks ("how far left" is negative for the right); a probability is that of yes, of the first
    of ``names``, or of the side that is named first ("left or right").

    Args:
        deviations: weights that join a length's deviation with its measurement's, where it is known what is asked; see
            deviations.py.
        full: whole sentences; else a word or a number.
    """
    rows: list[_Row | ModelAnswer] = [_row(decoder, each) for each in asked]
    posed = [row for row in rows if isinstance(row, _Row)]
    answers = iter(_answered(decoder, posed, deviations, full)) if posed else iter(())
    return [next(answers) if isinstance(row, _Row) else row for row in rows]


def _row(decoder: AnswerDecoder, asked: AskedOf) -> _Row | ModelAnswer:
    query = asked.query
    if len(asked.names) != len(asked.things):
        raise ValueError(f"{len(asked.names)} names for {len(asked.things)} things")
    if query is not None and query.relation in RELATIONS:
        relation = RELATIONS[query.relation]
        if query.relation not in ANSWERED:
            return ModelAnswer(f"questions about '{query.relation}' are none that I was taught", Status.BAD_QUERY)
        if relation.needs_canonical and asked.scene.canonical is None:
            why = f"'{query.relation}' needs the up direction, which is not known: {asked.scene.canonical_reason}"
            return ModelAnswer(why, Status.NOT_CANONICAL)
        if relation.needs_extent and any(not thing.extents.any() for thing in asked.things):
            return ModelAnswer("a thing is known as a point, without a size", Status.NO_DEPTH)
    found = pointed(asked.text, asked.names)
    if (
        found is None
        and query is not None
        and query.relation in RELATIONS
        and len(asked.names) == RELATIONS[query.relation].arity
    ):
        fields = {key: f'"{name}"' for key, name in zip("abc", asked.names, strict=False)}
        found = pointed(question_templates(query.relation)[0].format(**fields, amount=""), asked.names)
    if found is None:
        said = ", ".join(f"'{name}'" for name in asked.names) or "no names"
        return ModelAnswer(f"the question does not name {said} once each; name 1 to {MAX_THINGS} things in it", Status.BAD_QUERY)
    most = decoder.config.max_question
    words = within(decoder.vocabulary, found[0], most)
    if words is None:
        why = f"the question names its things behind its first {most} words; ask more briefly"
        return ModelAnswer(why, Status.BAD_QUERY)
    return _Row(asked, words, found[1])


def _answered(decoder: AnswerDecoder, rows: Sequence[_Row], deviations: Sequence[float], full: bool) -> list[ModelAnswer]:
    device = decoder.temperature.device
    objects = np.zeros((len(rows), MAX_THINGS, NUM_FEATURES), np.float32)
    present = np.zeros((len(rows), MAX_THINGS), np.bool_)
    longest = max(len(row.words) for row in rows)
    question = np.zeros((len(rows), longest + 2), np.int64)
    question[:, -2:] = decoder.vocabulary.id(FULL if full else BRIEF), decoder.vocabulary.id(ASK)
    tokens = object_tokens_of_each([(row.asked.scene, [row.asked.things[index] for index in row.order]) for row in rows])
    for at, (row, (features, valid)) in enumerate(zip(rows, tokens, strict=True)):
        objects[at, : len(features)], present[at, : len(features)] = features, valid
        question[at, : len(row.words)] = row.words
    with torch.inference_mode():
        given = (torch.from_numpy(each).to(device) for each in (objects, present, question))
        prompted = decoder.prompt(*given)
        value, std = number_of(decoder, prompted)
        kinds, shares = _kinds(decoder, prompted, [_kind_asked(row.asked.query) for row in rows])
        numbers = [_signed(row.asked.query, value[at], std[at]) for at, row in enumerate(rows)]
        firsts = list(map(_first_word, kinds, shares, numbers))
        told = [""] * len(rows)
        if any(row.asked.told for row in rows):
            ids = torch.tensor([decoder.vocabulary.id(word) for word in firsts], device=device)
            allowed = [_allowed(row, first, full, decoder) for row, first in zip(rows, firsts, strict=True)]
            told = _told(decoder, prompted, ids, allowed)
    answers = []
    for at, row in enumerate(rows):
        if not present[at, : len(row.order)].all():
            answers.append(ModelAnswer("a thing's place or size is not a number", Status.NO_DEPTH))
            continue
        answers.append(_answer(row, kinds[at], shares[at], numbers[at], std[at], told[at]))
    return [_measured_too(row, answer, deviations) for row, answer in zip(rows, answers, strict=True)]


def _measured_too(row: _Row, answer: ModelAnswer, deviations: Sequence[float]) -> ModelAnswer:
    """A length with its deviation joined with that of the same length as the registry measures it, and what is doubtful in it."""
    asked = row.asked
    if not deviations or asked.query is None or asked.query.relation not in ANSWERED or not math.isfinite(answer.std):
        return answer
    measured = RELATIONS[asked.query.relation].measure(asked.scene, *asked.things)
    std = joined(deviations, answer.std, measured.std, abs(answer.value - measured.value))
    return replace(answer, std=doubtful_std(std, _of_others(asked, measured.value)), alone_std=answer.std)


def _of_others(asked: AskedOf, meant_m: float) -> list[tuple[float, float]]:
    """Of each other thing that a name may mean, if no more than one name means another, the probability and how far its length
    is from ``meant_m``, that of what all names most likely mean; metres."""
    if not asked.doubts or asked.query is None:
        return []
    measure, odds, apart = RELATIONS[asked.query.relation].measure, [], []
    for doubt in asked.doubts:
        before, behind = asked.things[: doubt.place], asked.things[doubt.place + 1 :]
        far = [measure(asked.scene, *before, other, *behind).value - meant_m for other in doubt.others]
        known = [at for at, each in enumerate(far) if math.isfinite(each)]
        odds += [doubt.odds[at] for at in known]
        apart += [far[at] for at in known]
    return [(each / (1 + sum(odds)), far) for each, far in zip(odds, apart, strict=True)]


def _told(decoder: AnswerDecoder, prompted: Prompted, ids: Tensor, allowed: Sequence[Sequence[str]]) -> list[str]:
    """Each answer's sentence: the one that the decoder says, if it is one of those allowed, else the first of these.

    Where nothing is said about a row, what it says is held to its first word.
    """
    words = decoder.vocabulary
    if all(allowed):
        said = sentences_among(decoder, prompted, ids, [ids_of_each(some, decoder.config.words) for some in allowed])
        return [some[0] if one is None else words.text_of(one) for one, some in zip(said, allowed, strict=True)]
    told = [words.text_of(one) for one in decoder.sentences(prompted, ids)]
    firsts = [words.words[number] for number in ids.tolist()]
    return [
        (text if text in some else some[0]) if some else _held_to_word(text, first)
        for text, some, first in zip(told, allowed, firsts, strict=True)
    ]


def number_of(decoder: AnswerDecoder, prompted: Prompted) -> tuple[list[float], list[float]]:
    """Median and standard deviation of each number, metres.

    The deviation is between that of the middle 68 % and that of the middle 95 %, times a factor that was fitted on measurements.
    """
    lowest, low, middle, high, highest = prompted.density.quantiles((0.0228, 0.1587, 0.5, 0.8413, 0.9772))
    inner, outer = (high - low) / 2, (highest - lowest) / 4
    std = decoder.std_factor * (inner * outer).clamp_min(1e-10).sqrt()
    return middle.tolist(), std.tolist()


def pair_probabilities(decoder: AnswerDecoder, logits: Tensor) -> Tensor:
    """(B, pairs) probability of the first of each of ``VERDICT_PAIRS`` against the second, calibrated."""
    first, second = (
        torch.tensor([decoder.vocabulary.id(pair[side]) for pair in VERDICT_PAIRS], device=logits.device) for side in (0, 1)
    )
    return torch.sigmoid((logits[:, first] - logits[:, second]) / decoder.temperature)


def first_words(decoder: AnswerDecoder, prompted: Prompted) -> Tensor:
    """(B,) int64 the first word of each answer, where the words of the question alone tell what is asked; for ``sentences``."""
    with torch.no_grad():
        value, std = number_of(decoder, prompted)
        kinds, shares = _kinds(decoder, prompted, [None] * len(value))
    numbers = [_signed(None, *each) for each in zip(value, std, strict=True)]
    words = map(_first_word, kinds, shares, numbers)
    return torch.tensor([decoder.vocabulary.id(word) for word in words], device=prompted.logits.device)


def _kinds(decoder: AnswerDecoder, prompted: Prompted, asked: Sequence[str | None]) -> tuple[list[str], list[float]]:
    """Of each question NUMBER, or the first word of the pair that answers it and the probability of that word; "" for neither.

    Args:
        asked: what it is, where that is known.
    """
    said = prompted.logits.softmax(-1)
    kinds = [NUMBER, *(pair[0] for pair in VERDICT_PAIRS)]
    columns = [[decoder.vocabulary.id(NUMBER)], *([decoder.vocabulary.id(word) for word in pair] for pair in VERDICT_PAIRS)]
    of_kind = torch.stack([said[:, column].sum(1) for column in columns], 1)
    shares = pair_probabilities(decoder, prompted.logits).tolist()
    words, probabilities = [], []
    for at, kind in enumerate(asked):
        best = int(of_kind[at].argmax()) if kind is None else kinds.index(kind)
        understood = kind is not None or float(of_kind[at, best]) >= 0.5
        words.append(kinds[best] if understood else "")
        probabilities.append(shares[at][best - 1] if best else math.nan)
    return words, probabilities


def _kind_asked(query: Query | None) -> str | None:
    """The first word of the pair that answers a query, or NUMBER; None where the words have to tell."""
    if query is None or query.relation not in RELATIONS:
        return None
    kind = RELATIONS[query.relation].kind
    if kind is Kind.CLASSIFY:
        return next((pair[0] for pair in SIDES if query.relation.startswith(f"{pair[0][1:-1]}_or_")), None)
    return {Kind.ESTIMATE: NUMBER, Kind.PREDICATE: YES, Kind.CHOICE: POINTERS[0]}[kind]


def _first_word(kind: str, share: float, number: float) -> str:
    """The verdict that the sentence is said for."""
    if kind == NUMBER:
        return OTHER_SIDE if number < 0 else NUMBER
    verdict = Truth(share).verdict if kind else None
    if verdict is None:
        return CLOSE
    pair = next(pair for pair in VERDICT_PAIRS if pair[0] == kind)
    return pair[0] if verdict else pair[1]


def _signed(query: Query | None, value: float, std: float) -> float:
    """The number as it is told: lengths that have no sign are not below 0."""
    if query is not None and query.relation in RELATIONS:
        return value if query.relation.endswith("_difference") else max(value, 0.0)
    return 0.0 if -_BELOW_STDS * std < value < 0 else value


def _answer(row: _Row, kind: str, share: float, number: float, std: float, told: str) -> ModelAnswer:
    if not kind:
        return ModelAnswer("the question is of no kind that I know", Status.BAD_QUERY)
    length = exact_length(abs(number))
    if kind == NUMBER:
        return ModelAnswer(_filled(told, row, length), value=number, std=std, unit=METRE)
    # The first pointer need not be of the name that the question is about.
    probability = 1 - share if kind == POINTERS[0] and row.order[0] != 0 else share
    return ModelAnswer(_filled(told, row, ""), value=probability, unit=PROBABILITY)


def _allowed(row: _Row, first: str, full: bool, decoder: AnswerDecoder) -> tuple[str, ...]:
    """The sentences that answer what was asked for as it was decided, the plainest first; empty where it is not known."""
    query = row.asked.query
    if query is None or query.relation not in ANSWERED:
        return ()
    verdict = None if first == CLOSE else first in (YES, NUMBER, *(pair[0] for pair in SIDES))
    if first in POINTERS:
        verdict = row.order[POINTERS.index(first)] == 0
    return sentences_of(query.relation, verdict, row.order, full, decoder.config.words)


def _held_to_word(told: str, first: str) -> str:
    """The sentence that was told if it fits its first word, else the plainest one that does."""
    if first in (NUMBER, OTHER_SIDE):
        plain = f"{NUMBER}." if first == NUMBER else f"the other way round, by {NUMBER}."
        return told if told.count(NUMBER) == 1 else plain
    is_wrong = not told or NUMBER in told or (first in POINTERS and first not in told)
    return _PLAIN.get(first, f"{first}." if first in POINTERS else f"{first[1:-1]}.") if is_wrong else told


def _filled(told: str, row: _Row, number: str) -> str:
    """A sentence with names and its number, and a capital."""
    for at, index in enumerate(row.order):
        told = told.replace(POINTERS[at], with_article(row.asked.names[index]))
    text = told.replace(NUMBER, number)
    return text[:1].upper() + text[1:]
