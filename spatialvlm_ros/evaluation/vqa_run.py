"""A model asked all questions of a data set: its own words, the engine's answers with it, controls and baselines.

Controls show the model another image's colour, or another image's depth, with the same questions: what it still gets right it
does not get from there. The other image is of another source, or from far on in the data set: the next one of a recording shows
nearly the same. Only what a control could be asked (the other image has to be of the same size) counts for it, and beside it
stands the model on the same questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopSegmenter
from ..scene.facts import Status
from ..scene.frame import RGBDFrame
from ..scene.noise import PRESETS, noise_on_plane
from ..vlm.interface import Question, SpatialVlm, View, VlmError
from .model_fallback import WordsOnly
from .vqa_baselines import best_constant, constant_score, words_alone
from .vqa_dataset import AskedImage
from .vqa_metrics import score
from .vqa_records import Prediction, VqaRecord

MODEL, ENGINE, RGB, DEPTH = "model", "engine with the model", "colour shuffled", "depth shuffled"
BY_DEPTH = "engine, depth alone"
CONSTANT, WORDS = "best constant", "text only"
# The model where not every question could be asked of a control: on those of the control.
BESIDE = {RGB: "model, as colour shuffled", DEPTH: "model, as depth shuffled"}
_FAILED = Prediction(status=Status.UNKNOWN)
# Images are held, and shown in each other's place, in blocks of so many or, the last one, up to twice as many.
_BLOCK = 256


@dataclass(frozen=True)
class Evaluated:
    """All answers and their figures.

    Attributes:
        records: every question.
        answers: by whom, one for each question; Prediction without a value where there was none.
        scores: by whom, as of `vqa_metrics.score`; a control's, and those of `BESIDE`, are of the questions that it was asked.
        with_depth: how many images had depth.
        truth_from: how many truths come from where.
        problems: why the model failed, each sentence with how often.
    """

    records: tuple[VqaRecord, ...]
    answers: dict[str, list[Prediction]]
    scores: dict[str, dict[str, Any]]
    images: int
    with_depth: int
    problems: dict[str, int]
    truth_from: dict[str, int]


def engine_config(noise: str) -> EngineConfig:
    """The engine set to a preset of depth noise."""
    base, preset = EngineConfig(), PRESETS[noise]
    return replace(base, noise=preset, segment=replace(base.segment, noise=preset))


def view_of(frame: RGBDFrame, up: FloatArray | None, config: EngineConfig) -> View:
    """What the engine shows a model of an image: regions found without words, and the plane that they stand on."""
    found = TabletopSegmenter(replace(config.segment, noise=config.noise)).segment(frame, up=up)
    if found.plane is None:
        return View(frame.color, frame, tuple(found.regions), np.full(4, np.nan), up, noise=config.noise)
    noise = noise_on_plane(frame, found.plane.coefficients, found.plane.inliers, config.noise)
    return View(frame.color, frame, tuple(found.regions), found.plane.coefficients, up, noise=noise)


class Evaluation:
    """A model under test. ``noise`` is the preset of depth noise that the engine is set to."""

    def __init__(self, vlm: SpatialVlm, noise: str = "stereo", tell: Callable[[str], None] | None = None) -> None:
        self._vlm, self._config, self._tell = vlm, engine_config(noise), tell or (lambda text: None)
        self._problems: dict[str, int] = {}

    def run(self, images: Iterable[AskedImage], *, controls: bool = True, seed: int = 0) -> Evaluated:
        """Ask everything. Raises ValueError when there is nothing to ask."""
        records: list[VqaRecord] = []
        answers: dict[str, list[Prediction]] = {}
        asked: dict[str, list[int]] = {RGB: [], DEPTH: []}
        count = with_depth = 0
        origins: Counter[str] = Counter()
        for image, other in _with_other(images) if controls else ((image, None) for image in images):
            for who, said in self._asked(image, other).items():
                # The engine without depth counts as not answering; a control without a picture to show was not asked.
                row = answers.setdefault(who, [_FAILED] * len(records))
                row.extend(said)
                if who in asked:
                    asked[who] += range(len(records), len(records) + len(said))
            records += image.records
            origins.update(image.truth_from)
            for row in answers.values():
                row.extend([_FAILED] * (len(records) - len(row)))
            count, with_depth = count + 1, with_depth + (image.frame is not None)
            self._tell(f"{count} images, {len(records)} questions")
        if not records:
            raise ValueError("there is no question in this data set")
        scores: dict[str, dict[str, Any]] = {}
        for who, said in answers.items():
            places = asked.get(who, range(len(records)))
            scores[who] = _score_of(records, said, places, seed)
            if len(places) < len(records):
                scores[BESIDE[who]] = _score_of(records, answers[MODEL], places, seed)
        answers |= {CONSTANT: best_constant(records), WORDS: words_alone(records)}
        scores |= {CONSTANT: constant_score(records, seed=seed), WORDS: score(records, answers[WORDS], seed=seed)}
        return Evaluated(tuple(records), answers, scores, count, with_depth, self._problems, dict(origins))

    def _asked(self, image: AskedImage, other: AskedImage | None) -> dict[str, list[Prediction]]:
        found: dict[str, list[Prediction]] = {}
        if self._vlm.answers:
            found[MODEL] = self._own(image, image.color, image.frame)
        if image.frame is not None and self._vlm.grounds:
            found |= self._final(image, image.frame)
        if other is None or not self._vlm.answers:
            return found
        if other.color.shape == image.color.shape:
            frame = None if image.frame is None else replace(image.frame, color=other.color)
            found[RGB] = self._own(image, other.color, frame)
        if image.frame is not None and other.frame is not None and other.frame.depth_m.shape == image.frame.depth_m.shape:
            found[DEPTH] = self._own(image, image.color, replace(image.frame, depth_m=other.frame.depth_m))
        return found

    def _own(self, image: AskedImage, color: Any, frame: RGBDFrame | None) -> list[Prediction]:
        """The model's own words about an image, or about another one in its place."""
        asked = [Question(record.question, query) for record, query in zip(image.records, image.queries, strict=True)]
        try:
            view = View(color) if frame is None else view_of(frame, image.up, self._config)
            return [Prediction.of_model(answer) for answer in self._vlm.look(view).answer(asked)]
        except VlmError as error:
            self._problems[str(error)] = self._problems.get(str(error), 0) + 1
            return [_FAILED] * len(asked)

    def _final(self, image: AskedImage, frame: RGBDFrame) -> dict[str, list[Prediction]]:
        """The engine's answers, names bound by the model; of a model that answers also those in which it has no say."""
        engine = SpatialEngine(self._config, vlm=None if isinstance(self._vlm, WordsOnly) else self._vlm)
        names = dict.fromkeys(name for query in image.queries for name in query.names)
        scene = engine.observe(frame, names, RobotState(up=image.up))
        by_depth = [Prediction.of_fact(fact) for fact in engine.facts(scene, image.queries)]
        if not self._vlm.answers:
            return {ENGINE: by_depth}
        answers = [Prediction.of_fact(fact) for fact, _ in engine.measure_all(scene, image.queries)]
        if engine.names_problem:
            text = f"names were found by words alone, for the model failed: {engine.names_problem}"
            self._problems[text] = self._problems.get(text, 0) + 1
        return {ENGINE: answers, BY_DEPTH: by_depth}


def _score_of(records: Sequence[VqaRecord], said: Sequence[Prediction], places: Sequence[int], seed: int) -> dict[str, Any]:
    return score([records[at] for at in places], [said[at] for at in places], seed=seed)


def _with_other(images: Iterable[AskedImage]) -> Iterator[tuple[AskedImage, AskedImage | None]]:
    """Each image with the one to be shown in its place; None where there is but one image."""
    held: list[AskedImage] = []
    for image in images:
        held.append(image)
        if len(held) == 2 * _BLOCK:
            yield from _paired(held[:_BLOCK])
            del held[:_BLOCK]
    yield from _paired(held)


def _paired(block: Sequence[AskedImage]) -> Iterator[tuple[AskedImage, AskedImage | None]]:
    for at, image in enumerate(block):
        others = [place for place in range(len(block)) if place != at]
        yield image, block[min(others, key=partial(_unfit, block, at))] if others else None


def _unfit(block: Sequence[AskedImage], at: int, place: int) -> tuple[bool, bool, bool, int]:
    """The less, the better an image stands in for another one: it has to fit, then to be of another source, then to be far."""
    image, other = block[at], block[place]
    return (
        other.color.shape != image.color.shape,
        image.frame is not None and other.frame is None,
        other.source == image.source,
        abs((place - at) % len(block) - len(block) // 2),
    )


def worst_answers(found: Evaluated, who: str, most: int) -> list[tuple[VqaRecord, Prediction]]:
    """Questions that somebody got wrong, each relation's first; for people to look at."""
    from .vqa_records import judge

    wrong = [
        (record, said)
        for record, said in zip(found.records, found.answers.get(who, ()), strict=False)
        if not judge(record, said).right
    ]
    by_relation: dict[str, list[tuple[VqaRecord, Prediction]]] = {}
    for record, said in wrong:
        by_relation.setdefault(record.relation, []).append((record, said))
    chosen: Sequence[tuple[VqaRecord, Prediction]] = [
        some[at] for at in range(most) for some in by_relation.values() if at < len(some)
    ]
    return list(chosen[:most])
