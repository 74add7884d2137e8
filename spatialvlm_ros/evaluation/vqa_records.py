"""What was asked, what is true, and what was said: the records that all scores of question answering are taken over.

Nothing that was asked is ever left out of a score: an answer that cannot be read, a refusal and a number that is not finite are
counted as such.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..language.answers import check_query
from ..scene.facts import PROBABILITY, Query, SpatialFact, Status, Truth
from ..scene.relations import RELATIONS, Kind
from ..synthesis.read_back import read_back
from ..vlm.interface import ModelAnswer

POSITIVE = {"yes": True, "first": True, "no": False, "second": False}
UNSURE = "unsure"
# A truth nearer to 0 has no useful ratio; such a question counts for errors, not for bands.
LEAST_M = 0.001


@dataclass(frozen=True)
class VqaRecord:
    """One question with its truth.

    Attributes:
        image: key of the image; the bootstrap draws images, since answers about one image go together.
        names: of the query, in its order, as the question says them.
        answer: reference in words; "" where only the number or the verdict is known.
        polarity: true verdict of a comparison as of synthesis.record.POLARITIES; "" of a number.
        value: true number in the relation's unit; NaN of a comparison.
        margin_m: how clear a comparison is, metres, above 0 where it is true; NaN where nobody knows.
        away_m: mean distance of the things from the camera, metres; NaN where nobody knows.
    """

    image: str
    question: str
    relation: str
    names: tuple[str, ...]
    answer: str = ""
    polarity: str = ""
    value: float = math.nan
    margin_m: float = math.nan
    away_m: float = math.nan

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"relation '{self.relation}' is not known; known are {', '.join(RELATIONS)}")
        if self.is_number != (self.polarity == "") or self.is_number != math.isfinite(self.value):
            raise ValueError(
                f"{self.image}: {self.relation} has the truth {self.value} and '{self.polarity}'; "
                "a number needs a finite value alone, a comparison a verdict alone"
            )

    @property
    def is_number(self) -> bool:
        return RELATIONS[self.relation].kind is Kind.ESTIMATE

    @property
    def unit(self) -> str:
        return RELATIONS[self.relation].unit


@dataclass(frozen=True)
class Prediction:
    """What somebody answers.

    Attributes:
        text: in words; it alone decides where ``value`` is NaN.
        value: in the relation's unit, or the probability of "yes" (of the first thing or side); NaN without one.
        std: one standard deviation of a number; NaN without one.
        verdict: word of POLARITIES that is decided for, however near to even ``value`` is; "" where words or ``value`` decide.
    """

    text: str = ""
    value: float = math.nan
    std: float = math.nan
    status: Status = Status.OK
    verdict: str = ""

    @staticmethod
    def of_model(answer: ModelAnswer) -> Prediction:
        """A model's answer; one that refuses has no value, whatever stands beside it."""
        if not answer.status.has_value:
            return Prediction(status=answer.status)
        return Prediction(answer.text, answer.value, answer.std, answer.status)

    @staticmethod
    def of_fact(fact: SpatialFact) -> Prediction:
        """A measured fact as the answer of a question: its number, and the verdict that its sentence gives, "probably" or not."""
        if not fact.status.has_value:
            return Prediction(status=fact.status)
        verdict = ""
        if fact.unit == PROBABILITY:
            verdict = UNSURE if fact.truth.likelier is None else likelier_side(fact.query.relation, fact.value)
        return Prediction("", fact.value, fact.std, fact.status, verdict)


@dataclass(frozen=True)
class Judgement:
    """One answer against its truth.

    Attributes:
        gives: whether it holds a number, or a verdict ("too close to call" is one).
        error: said less true, in the relation's unit; NaN without a number.
        ratio: said over true; NaN without a number, or where the truth is too near to 0.
        sigmas: absolute error in stated standard deviations; NaN without one. Of a stated 0: 0 without an error, else infinite.
        right: by the tolerant judge: any wording that can be read. Of a number: within 25 %.
        names_side: whether its verdict is for one side.
        sure: whether that is more than "probably"; where there is no probability it always is.
        exact: by the exact-match judge: the reference's own words, or the shortest form of its verdict.
        probability: of a true verdict being "yes" (the first); NaN without one.
        likelier: whether the likelier side is the true one, however near to even; the verdict where there is no probability.
    """

    gives: bool
    error: float = math.nan
    ratio: float = math.nan
    sigmas: float = math.nan
    right: bool = False
    exact: bool = False
    probability: float = math.nan
    likelier: bool = False
    names_side: bool = False
    sure: bool = False


def judge(record: VqaRecord, prediction: Prediction) -> Judgement:
    """Judge one answer. Never raises on what an answer may hold."""
    if not prediction.status.has_value:
        return Judgement(False)
    return _number(record, prediction) if record.is_number else _verdict(record, prediction)


def _number(record: VqaRecord, prediction: Prediction) -> Judgement:
    said, exact = prediction.value, _same(prediction.text, record.answer)
    if not math.isfinite(said) and prediction.text:
        said = read_back(record.relation, record.names, prediction.text).value
    if not math.isfinite(said):
        return Judgement(False, exact=exact)
    error = said - record.value
    if record.unit == "rad":
        error = math.remainder(error, math.tau)
    ratio = said / record.value if abs(record.value) >= LEAST_M else math.nan
    right = 0.75 <= ratio <= 1.25 if math.isfinite(ratio) else abs(error) <= LEAST_M
    return Judgement(True, error, ratio, _sigmas(abs(error), prediction.std), right, exact)


def _sigmas(error: float, std: float) -> float:
    if not math.isfinite(std) or std < 0:
        return math.nan
    if std == 0:
        return math.inf if error > 0 else 0.0
    return error / std


def _verdict(record: VqaRecord, prediction: Prediction) -> Judgement:
    probability = prediction.value if 0.0 <= prediction.value <= 1.0 else math.nan
    said = said_verdict(record, prediction)
    exact = bool(prediction.text) and (_same(prediction.text, record.answer) or _plain(prediction.text) == _shortest(record))
    side = said if math.isnan(probability) else likelier_side(record.relation, probability)
    right, likelier = said == record.polarity, side == record.polarity
    names_side = said not in ("", UNSURE)
    sure = names_side and (math.isnan(probability) or Truth(probability).verdict is not None)
    return Judgement(
        bool(said), right=right, exact=exact, probability=probability, likelier=likelier, names_side=names_side, sure=sure
    )


def said_verdict(record: VqaRecord, prediction: Prediction) -> str:
    """A word of POLARITIES, "" for none: what is decided for, else what the words say, else what the probability says.

    A probability within the band of `Truth` is "too close to call", the same as those words, whatever the truth is.
    """
    if prediction.verdict:
        return prediction.verdict
    if prediction.text:
        heard = read_back(record.relation, record.names, prediction.text).polarity
        if heard:
            return heard
    if not 0.0 <= prediction.value <= 1.0:
        return ""
    if Truth(prediction.value).verdict is None:
        return UNSURE
    return likelier_side(record.relation, prediction.value)


def likelier_side(relation: str, probability: float) -> str:
    """The side of a comparison that a probability of "yes" (of the first) is nearer to."""
    yes, no = ("yes", "no") if RELATIONS[relation].kind is Kind.PREDICATE else ("first", "second")
    return yes if probability > 0.5 else no


def _shortest(record: VqaRecord) -> str:
    relation = RELATIONS[record.relation]
    if record.polarity in ("yes", "no"):
        return record.polarity
    if record.polarity == UNSURE:
        return "too close to call"
    which = 0 if record.polarity == "first" else 1
    sides = relation.sides if relation.kind is Kind.CLASSIFY else record.names
    return _plain(sides[which])


def _same(said: str, reference: str) -> bool:
    return bool(said) and bool(reference) and _plain(said) == _plain(reference)


def _plain(text: str) -> str:
    """Without case, articles, and marks but those inside numbers."""
    words = re.sub(r"[^\w.%°-]+", " ", text.lower()).replace(". ", " ").strip(" .").split()
    return " ".join(word for word in words if word not in ("the", "a", "an"))


def truth_of_query(query: Query, truth: float, image: str, question: str, away_m: float = math.nan) -> VqaRecord | None:
    """The record of a query whose truth is a number, or a margin (above 0 where it holds); None where there is no truth.

    Raises ValueError for a query that cannot be asked.
    """
    if (problem := check_query(query)) is not None:
        raise ValueError(f"{query} cannot be asked: {problem}")
    if not math.isfinite(truth):
        return None
    names: Sequence[str] = query.names
    relation = RELATIONS[query.relation]
    if relation.kind is Kind.ESTIMATE:
        return VqaRecord(image, question, query.relation, tuple(names), value=truth, away_m=away_m)
    words = ("yes", "no") if relation.kind is Kind.PREDICATE else ("first", "second")
    polarity = words[0] if truth > 0 else words[1]
    return VqaRecord(image, question, query.relation, tuple(names), polarity=polarity, margin_m=truth, away_m=away_m)
