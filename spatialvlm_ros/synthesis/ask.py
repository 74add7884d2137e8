"""The last stage: a picture to an example, with all questions that its things allow and their answers.

Never changes: a question is asked only where each of its names fits one thing in sight, its words do not give its answer away,
and the fact is certain enough for what is said of it; an example depends on the picture and the seed alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..language.names import plain_name
from ..language.rounding import human_angle
from ..scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query, Source, Status
from ..scene.relations import RELATIONS, Kind
from . import speak
from .ambiguity import AmbiguityOptions, Names, Similarity, dimensions_of, resolve
from .cues import cue_of, prior_of
from .facts import MORE_TYPES, PAPER_TYPES, FactLimits, SceneFacts, Told, dimension_of
from .lift import LiftConfig, Lifted, lift
from .record import (
    QUALITATIVE,
    QUANTITATIVE,
    Dropped,
    Example,
    MaskRle,
    NamedRegion,
    ObjectInfo,
    Pair,
    Picture,
    generator_of,
    order_key,
)
from .units import units_of

NAME, VERSION = "ask", "4"
JPEG, PNG = "jpeg", "png"
DEPTH, TRUTH = "depth", "ground_truth"
_STATUS_WORDS = {status: status.name.lower() for status in Status}
_DIFFERENCES = frozenset(name for name in PAPER_TYPES if name.endswith("_difference"))


@dataclass(frozen=True)
class AskOptions:
    """What is asked.

    Attributes:
        relations: types of questions; ``facts.PAPER_TYPES`` are SpatialVLM's 43, ``facts.MORE_TYPES`` are ours.
        max_pairs: pairs of one picture, drawn at random; 0 for all.
        both_orders: ask of A and B and of B and A; else one of the two, by chance.
        exact_share: share of numbers that are said to the millimetre with their deviation and not as people do.
        resolve: give up or make clear names that fit more than one thing. Off only to measure what that is worth.
        image_format: "jpeg" or "png".
        jpeg_quality: in 1 .. 100.
    """

    relations: tuple[str, ...] = PAPER_TYPES
    max_pairs: int = 0
    both_orders: bool = False
    exact_share: float = 0.0
    resolve: bool = True
    image_format: str = JPEG
    jpeg_quality: int = 92
    lift: LiftConfig = field(default_factory=LiftConfig)
    ambiguity: AmbiguityOptions = field(default_factory=AmbiguityOptions)
    limits: FactLimits = field(default_factory=FactLimits)

    def __post_init__(self) -> None:
        unknown = [name for name in self.relations if name not in (*PAPER_TYPES, *MORE_TYPES)]
        if unknown or not self.relations:
            known = ", ".join((*PAPER_TYPES, *MORE_TYPES))
            raise ValueError(f"relations {', '.join(unknown) or '(none)'} cannot be asked about; choose among {known}")
        if self.image_format not in (JPEG, PNG):
            raise ValueError(f"image format '{self.image_format}' is neither '{JPEG}' nor '{PNG}'")
        if not (0 <= self.exact_share <= 1 and self.max_pairs >= 0 and 1 <= self.jpeg_quality <= 100):
            raise ValueError(
                f"exact_share {self.exact_share}, max_pairs {self.max_pairs} and jpeg_quality {self.jpeg_quality} must lie in "
                "0 .. 1, from 0 up, and in 1 .. 100"
            )


def make_example(picture: Picture, options: AskOptions, seed: int, similarity: Similarity | None = None) -> Example:
    """The example of a picture whose regions and depth are known.

    Args:
        similarity: how alike captions are, by a model; None goes by their words.

    Raises:
        Dropped: the picture gives no pair; the text says why.
    """
    lifted = lift(picture, options.lift)
    names = name_things(lifted, picture, options, seed, similarity)
    pairs, causes = ask(lifted, names, picture, options, seed)
    drops = Counter(picture.drops) + lifted.drops + names.drops + causes
    if not pairs:
        counted = ", ".join(f"{cause} {count}" for cause, count in sorted(drops.items()))
        raise Dropped(
            "no_pairs", f"gives no question: {len(lifted.regions)} things ({counted or 'nothing dropped'})", picture.key
        )
    height, width = picture.color.shape[:2]
    asked = {info.number: info for pair in pairs for info in pair.objects}
    canonical = lifted.scene.canonical
    return Example(
        key=picture.key, image=encoded(picture.color, options.image_format, options.jpeg_quality),
        image_format=options.image_format, width=width, height=height, source_sha256=picture.source_sha256,
        frame_id=picture.frame_id, stamp_ns=picture.stamp_ns, canonical="" if canonical is None else canonical.source,
        objects=tuple(asked[number] for number in sorted(asked)), pairs=tuple(pairs), drops=dict(sorted(drops.items())),
        camera=picture.camera,
    )  # fmt: skip


def name_things(lifted: Lifted, picture: Picture, options: AskOptions, seed: int, similarity: Similarity | None = None) -> Names:
    """What questions call each thing of a picture; without ``options.resolve`` the captions as they are."""
    captions = [region.caption for region in lifted.regions]
    if not options.resolve:
        plain = [plain_name(caption) or None for caption in captions]
        return Names(tuple(plain), tuple(map(dimensions_of, plain)), Counter())
    width = picture.color.shape[1]
    columns = [float(np.flatnonzero(region.mask.any(axis=0)).mean()) / width for region in lifted.regions]
    generator = generator_of(seed, picture.key, "names")
    return resolve(
        lifted.scene, captions, columns, generator, others=lifted.others, similarity=similarity, options=options.ambiguity,
        unseen=lifted.unseen,
    )  # fmt: skip


def encoded(color: npt.NDArray[np.uint8], image_format: str, jpeg_quality: int = 92) -> bytes:
    """An RGB image (H, W, 3) as a file."""
    import cv2

    parameters = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if image_format == JPEG else [cv2.IMWRITE_PNG_COMPRESSION, 6]
    done, data = cv2.imencode(f".{image_format}", color[..., ::-1], parameters)
    if not done:
        raise ValueError(f"an image of {color.shape} cannot be written as {image_format}")
    return bytes(data)


def ask(lifted: Lifted, names: Names, picture: Picture, options: AskOptions, seed: int) -> tuple[list[Pair], Counter[str]]:
    """All pairs of things that have names, and how many facts and names were not told, by cause."""
    return _Asker(lifted, names, picture, options, seed).pairs()


class _Asker:
    """One picture's questions."""

    def __init__(self, lifted: Lifted, names: Names, picture: Picture, options: AskOptions, seed: int) -> None:
        self._options, self._seed, self._key = options, seed, picture.key
        self._scene = lifted.scene
        self._facts = SceneFacts(lifted.scene, options.limits, lifted.unseen)
        self._true = {at for at, thing in enumerate(lifted.scene.objects) if thing.source is Source.GROUND_TRUTH}
        self._regions = lifted.regions
        self._dimensions = names.dimensions
        self._told = frozenset[str]().union(*names.dimensions)
        self.causes: Counter[str] = Counter()
        self._names: dict[int, speak.Name] = {}
        for index, name in enumerate(names.names):
            if name is not None and speak.is_speakable(name):
                self._names[index] = speak.name_of(name)
            elif name is not None:
                self.causes["caption_misread"] += 1
        self._infos: dict[int, ObjectInfo] = {}
        self._boxes = {index: box_of(self._regions[index]) for index in self._names}
        self._areas = {index: int(np.count_nonzero(self._regions[index].mask)) for index in self._names}
        self._generator = generator_of(seed, picture.key, "ask")
        self._draws: Iterator[float] = iter(())
        self._versions: Mapping[str, str] = {**picture.stages, NAME: VERSION}

    def pairs(self) -> tuple[list[Pair], Counter[str]]:
        found: list[Pair] = []
        options = self._options
        units = units_of(options.relations, list(self._names), both_orders=options.both_orders, generator=self._generator)
        if options.max_pairs:
            units = [units[int(at)] for at in self._generator.permutation(len(units))]
        for unit in units:
            for relation, indices in unit:
                pair = self._pair(relation, indices)
                if pair is not None:
                    found.append(pair)
            if options.max_pairs and len(found) >= options.max_pairs:
                break
        return found[: options.max_pairs or None], self.causes

    def _draw(self) -> float:
        """A number in [0, 1); many are drawn at once, which is far quicker."""
        for number in self._draws:
            return number
        self._draws = iter(self._generator.random(1024).tolist())
        return next(self._draws)

    def _pair(self, relation: str, indices: tuple[int, ...]) -> Pair | None:
        side = dimension_of(relation)
        if side is not None and side[0] in self._told and any(side[0] in self._dimensions[index] for index in indices):
            # "Is the taller mug taller than the can?" is answered by its words.
            self.causes["fact_given_away"] += 1
            return None
        known = RELATIONS[relation]
        amount = round(0.05 + 0.45 * self._draw(), 2) if known.takes_amount else 0.0
        told = self._facts.told(relation, indices, amount)
        if isinstance(told, str):
            self.causes[told] += 1
            return None
        return self._said(relation, indices, amount, told)

    def _said(self, relation: str, indices: tuple[int, ...], amount: float, told: Told) -> Pair:
        known = RELATIONS[relation]
        names = [self._names[index] for index in indices]
        subject, other, third = (*(name.plain for name in names), "", "")[:3]
        query = Query(relation, subject, other, third, amount)
        question_index = speak.question_index(relation, self._draw())
        answer_index = speak.answer_index(relation, told.verdict, self._draw())
        style = "exact" if known.unit != PROBABILITY and self._draw() < self._options.exact_share else "human"
        value = self._number(known.unit, told, style, signed=relation in _DIFFERENCES)
        qualitative = known.unit == PROBABILITY
        return Pair(
            question=speak.question(relation, question_index, names, amount),
            answer=speak.answer(query, told.verdict, answer_index, names, value),
            query=query, kind=QUALITATIVE if qualitative else QUANTITATIVE,
            polarity=polarity(known.kind, told.verdict) if qualitative else "", value=told.value, std=told.std, unit=known.unit,
            status=_STATUS_WORDS[told.status], style=style, question_index=question_index, answer_index=answer_index,
            objects=tuple(self._info(index) for index in indices),
            source=TRUTH if self._true.issuperset(indices) else DEPTH, frame_id=self._scene.frame_id,
            stage_versions=self._versions, order_key=order_key(self._seed, self._key, relation, *query.names, amount),
            cue=cue_of(relation, [self._boxes[index] for index in indices], [self._areas[index] for index in indices]),
            prior=prior_of(relation, [self._regions[index].caption for index in indices]),
        )  # fmt: skip

    def _number(self, unit: str, told: Told, style: str, *, signed: bool) -> str:
        if unit == PROBABILITY:
            return ""
        if unit == METRE:
            value = abs(told.value) if signed else told.value
            return speak.length_text(value, told.std, self._draw(), exact=style == "exact")
        if unit == RADIAN:
            return human_angle(told.value, self._generator, bearing=True)
        raise ValueError(f"numbers in '{unit}' are not told ({COUNT} needs a description of many things)")

    def _info(self, index: int) -> ObjectInfo:
        info = self._infos.get(index)
        if info is not None:
            return info
        thing, region = self._scene.objects[index], self._regions[index]
        is_true = index in self._true
        x, y, z = (float(value) for value in thing.centre)
        long, wide, high = (float(value) for value in thing.extents)
        std_x, std_y, std_z = (math.sqrt(max(float(value), 0.0)) for value in np.diag(thing.covariance))
        info = ObjectInfo(
            number=index, name=self._names[index].plain, caption=region.caption, score=float(region.score),
            origin=region.origin, box=self._boxes[index], mask=MaskRle.of(region.mask),
            num_points=0 if is_true else thing.num_points, centre_m=(x, y, z), extents_m=(long, wide, high),
            axes=tuple(float(value) for value in thing.axes.ravel()), centre_std_m=(std_x, std_y, std_z),
            source=TRUTH if is_true else DEPTH,
        )  # fmt: skip
        self._infos[index] = info
        return info


def box_of(region: NamedRegion) -> tuple[int, int, int, int]:
    """(u0, v0, u1, v1), half open, pixels."""
    rows, columns = np.flatnonzero(region.mask.any(axis=1)), np.flatnonzero(region.mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def polarity(kind: Kind, verdict: bool | None) -> str:
    """One of ``record.POLARITIES`` for a comparison's verdict."""
    if verdict is None:
        return "unsure"
    if kind is Kind.PREDICATE:
        return "yes" if verdict else "no"
    return "first" if verdict else "second"
