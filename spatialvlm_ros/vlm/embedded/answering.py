"""Questions answered: which region each name means, its measured features, and the decoder's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...language.answers import check_query
from ...language.questions import QuestionError, parse_question
from ...language.rounding import exact_length
from ...scene.facts import Query, Source, Status
from ...scene.scene import Scene, SceneObject
from ..interface import ModelAnswer, Question
from ..judge import CLEARLY, LIKELY
from .calibration import Calibration
from .decoder import AnswerDecoder
from .decoder_answers import AskedOf, Doubt, first_words, number_of
from .decoder_answers import answer_questions as decode_questions
from .decoder_words import MAX_THINGS, NUMBER, OTHER_SIDE, POINTERS
from .looking import Looked
from .measured import bare_scene, measure_each
from .other_colors import other_colors_say
from .tower import match

if TYPE_CHECKING:
    from .glance import Decided, EmbeddedGlance
    from .model import SpatialVlmModel

# From this probability of several on a name is ambiguous.
_SEVERAL = 0.5
# Nothing that is answered about is taken to be less likely.
_LEAST_SUPPOSED = 0.01
_ONE_THING = "cannot be told apart: one thing on the image answers to more than one of them"
_NOT_IN_SIGHT, _NO_REGION = "is not in sight.", "is nothing that I look for among regions."
_ONE_OF_SEVERAL = "may be one of several things."


class Answerer:
    """Answers about one image; what a name stands for is measured once."""

    def __init__(self, glance: EmbeddedGlance, decoder: AnswerDecoder) -> None:
        self._glance, self._decoder = glance, decoder
        self._things: dict[str, SceneObject | ModelAnswer] = {}
        self._regions: dict[int, SceneObject | None] = {}

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        """One answer a question, in order, all by one pass of the decoder."""
        queries = [self._query(question) for question in questions]
        if self._glance.looked.view.frame is not None:
            # All names are read in one go, and what they mean is measured in one.
            names = [name for query in queries if isinstance(query, Query) for name in query.names]
            self._measure(self._glance.decide(names))
        asked = [
            query if isinstance(query, ModelAnswer) else self._of_things(question, query)
            for question, query in zip(questions, queries, strict=True)
        ]
        posed = [each for each in asked if isinstance(each, AskedOf)]
        answers = iter(decode_questions(self._decoder, posed, self._glance.deviations)) if posed else iter(())
        return [next(answers) if isinstance(each, AskedOf) else each for each in asked]

    def _query(self, question: Question) -> Query | ModelAnswer:
        query = question.query
        if query is None:
            try:
                query = parse_question(question.text)
            except QuestionError as error:
                return ModelAnswer(str(error), Status.BAD_QUERY)
        problem = check_query(query)
        if problem is not None or not 0 < len(query.names) <= MAX_THINGS:
            return ModelAnswer(problem or f"'{query}' asks about no single things", Status.BAD_QUERY)
        return query

    def _of_things(self, question: Question, query: Query) -> AskedOf | ModelAnswer:
        if self._glance.looked.view.frame is None:
            return ModelAnswer("the image has no depth, so nothing on it can be measured", Status.NO_DEPTH)
        scene = self._scene.seen_from(query.view)
        if isinstance(scene, str):
            return ModelAnswer(scene, Status.NO_TRANSFORM)
        things: list[SceneObject] = []
        for decided in self._glance.decide(query.names):
            thing = self._thing(decided)
            if isinstance(thing, ModelAnswer):
                return thing
            things.append(thing)
        # What a region was measured as is one object, whichever name means it.
        if len({id(thing) for thing in things}) < len(things):
            return ModelAnswer(f"{' and '.join(repr(name) for name in query.names)} {_ONE_THING}", Status.AMBIGUOUS)
        scene = replace(scene, objects=tuple(things))
        doubts = () if question.wordless else self._doubts(query.names, things)
        return AskedOf(scene, question.text, query.names, tuple(things), query, not question.wordless, doubts)

    def _doubts(self, names: Sequence[str], things: Sequence[SceneObject]) -> tuple[Doubt, ...]:
        """What else names may mean, but for what the others of a question do."""
        doubts, asked = [], {id(thing) for thing in things}
        for place, decided in enumerate(self._glance.decide(names)):
            if not decided.others or not self._glance.deviations:
                continue
            self._measure_regions([region for region, _ in decided.others])
            known = [(self._regions[region], chance) for region, chance in decided.others]
            left = [(thing, chance) for thing, chance in known if thing is not None and id(thing) not in asked]
            whole = sum(chance for _, chance in left) * max(decided.supposed, _LEAST_SUPPOSED) / (1 - decided.supposed)
            doubts.append(Doubt(place, tuple(thing for thing, _ in left), tuple(chance / whole for _, chance in left)))
        return tuple(doubts)

    @cached_property
    def _scene(self) -> Scene:
        looked = self._glance.looked
        assert looked.view.frame is not None
        return bare_scene(looked.view.frame, looked.plane, looked.view.up, looked.noise, looked.view.robot)

    def _thing(self, decided: Decided) -> SceneObject | ModelAnswer:
        if decided.name not in self._things:
            self._measure([decided])
        return self._things[decided.name]

    def _measure(self, names: Sequence[Decided]) -> None:
        """Measure what names mean, as far as that has not been done."""
        meant = {one.name: self._meant(one) for one in names if one.name not in self._things}
        self._measure_regions([each for each in meant.values() if isinstance(each, int)])
        for name, which in meant.items():
            thing = self._regions[which] if isinstance(which, int) else which
            nothing = ModelAnswer(f"'{name}' shows too little depth to be measured", Status.NO_DEPTH)
            self._things[name] = nothing if thing is None else thing

    def _measure_regions(self, wanted: Iterable[int]) -> None:
        """Measure proposals, as far as that has not been done."""
        looked, regions = self._glance.looked, set(wanted) - set(self._regions)
        given = {each: known for each in regions if (known := looked.view.things.get(looked.numbers[each])) is not None}
        left = sorted(regions - set(given))
        if left and looked.view.frame is not None:
            shown, numbers = [looked.proposals[each] for each in left], [each + 1 for each in left]
            found = measure_each(looked.view.frame, shown, self._scene, looked.noise, numbers)
            self._regions |= dict(zip(left, found, strict=True))
        self._regions |= given

    def _meant(self, decided: Decided) -> int | SceneObject | ModelAnswer:
        """Which of the proposals a name means; the thing itself for the gripper; why there is none."""
        name, supposed = decided.name, decided.supposed
        if not decided.answering or (decided.present < self._glance.found and supposed < LIKELY):
            return ModelAnswer(f"'{name}' is not in sight", Status.NOT_FOUND)
        if len(decided.answering) > 1 and decided.several >= _SEVERAL and supposed < CLEARLY:
            return ModelAnswer(f"'{name}' may mean {len(decided.answering)} things", Status.AMBIGUOUS)
        best = decided.answering[0]
        return gripper_point(self._glance.looked, name) if best < 0 else best


def gripper_point(looked: Looked, name: str) -> SceneObject | ModelAnswer:
    """The point between the finger tips as a thing without a size, in the optical frame."""
    found = looked.gripper
    if not np.isfinite(found.tip).all():
        return ModelAnswer("the image has no depth where the gripper is", Status.NO_DEPTH)
    return SceneObject(
        id=0, label=name, score=found.present, centre=found.tip, covariance=found.covariance, axes=np.eye(3),
        extents=np.zeros(3), extents_std=np.zeros(3), surface_point=np.full(3, np.nan), points=np.empty((0, 3), np.float32),
        point_std_m=0.0, visible_share=float("nan"), truncated=False, num_points=0, last_seen_ns=0, source=Source.TF,
    )  # fmt: skip


# -- the way of transformers ---------------------------------------------------------------------------------------------


def answer_words(
    model: SpatialVlmModel,
    pictures: Tensor,
    scalars: Tensor,
    things: Tensor,
    present: Tensor,
    names: Tensor,
    said: Tensor,
    questions: Tensor,
    testimony: Tensor,
    forms: Tensor,
) -> Tensor:
    """See ``SpatialVlmModel.generate``."""
    decoder = model.decoder
    assert decoder is not None
    chosen, there, problems = choose(model, pictures, scalars, things, present, names, said, testimony, forms)
    prompted = decoder.prompt(chosen, there, questions)
    values, _ = number_of(decoder, prompted)
    verdicts = first_words(decoder, prompted)
    rows = [
        _untold(decoder, problem, words) or _filled(decoder, sentence, value, words)
        for sentence, value, words, problem in zip(
            decoder.sentences(prompted, verdicts), values, said.tolist(), problems, strict=True
        )
    ]
    out = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.long)
    for row, ids in zip(out, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return out


def _filled(decoder: AnswerDecoder, sentence: Sequence[int], value: float, said: Sequence[Sequence[int]]) -> list[int]:
    """A sentence's words with names for pointers, nothing for those without a name, and a length for its number."""
    vocabulary = decoder.vocabulary
    stands_for = {vocabulary.id(pointer): [word for word in said[at] if word] for at, pointer in enumerate(POINTERS)}
    stands_for |= {vocabulary.id(word): vocabulary.ids_of(exact_length(abs(value))) for word in (NUMBER, OTHER_SIDE)}
    return [word for one in sentence for word in stands_for.get(one, [one])]


def _untold(decoder: AnswerDecoder, problems: Sequence[str], said: Sequence[Sequence[int]]) -> list[int]:
    """The words that say of the first name with a problem what that is; empty where there is none."""
    ids_of = decoder.vocabulary.ids_of
    for problem, name in zip(problems, said, strict=True):
        if problem:
            return [*ids_of("I cannot tell:"), *(word for word in name if word), *ids_of(problem)]
    return []


def choose(
    model: SpatialVlmModel,
    pictures: Tensor,
    scalars: Tensor,
    things: Tensor,
    present: Tensor,
    names: Tensor,
    said: Tensor,
    testimony: Tensor,
    forms: Tensor,
) -> tuple[Tensor, Tensor, list[list[str]]]:
    """What names mean: object tokens (Q, 3, F) of the regions that answer best, (Q, 3) bool where there is one that was measured,
    and why there is none, "" else. Decided as ``Answerer`` does; see ``SpatialVlmModel.generate``."""
    count, three, length = names.shape
    named = said.any(dim=2)
    known = names.any(dim=2).tolist()
    if not len(pictures):
        nothing = [[_NOT_IN_SIGHT if one else "" for one in row] for row in named.tolist()]
        return things.new_zeros(count, three, things.shape[1]), torch.zeros_like(named), nothing
    calibration = model.config.calibration_config()
    phrases, regions = names.reshape(count * three, length), model.regions(pictures, scalars)
    log_match = match(model.tower.phrases(phrases), regions)
    said_of = (each.reshape(count * three, len(pictures)).double().cpu().numpy() for each in (testimony, forms))
    colors = other_colors_say(model.tower, phrases, regions) if calibration.colors else 0.0
    chances = calibration.probabilities(log_match.double().cpu().numpy(), *said_of, colors)
    best = torch.from_numpy(chances.argmax(axis=1)).to(things.device).reshape(count, three)
    measured = present[best].tolist()

    def problem(row: int, at: int) -> str:
        if not known[row][at]:
            return _NO_REGION
        others = [best[row, other] for other in range(three) if other != at and known[row][other]]
        found = _problem(calibration, chances[row * three + at], measured[row][at])
        # Two names of one question mean two things.
        return found or (_ONE_OF_SEVERAL if best[row, at] in others else "")

    problems = [[problem(row, at) if one else "" for at, one in enumerate(each)] for row, each in enumerate(named.tolist())]
    told = torch.tensor([not problem for row in problems for problem in row], dtype=torch.bool, device=named.device)
    return things[best] * named[..., None], named & told.reshape(count, three), problems


def _problem(calibration: Calibration, chances: npt.NDArray[np.float64], measured: bool) -> str:
    """Why nothing is told of the thing that a name with such chances (N,) means best; "" for nothing."""
    likely, several = calibration.present_and_several(chances)
    supposed = calibration.supposed(chances)
    if likely < calibration.found and supposed < LIKELY:
        return _NOT_IN_SIGHT
    if several >= _SEVERAL and supposed < CLEARLY and np.count_nonzero(chances >= calibration.rival * chances.max()) > 1:
        return _ONE_OF_SEVERAL
    return "" if measured else "shows too little depth to be measured."
