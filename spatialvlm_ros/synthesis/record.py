"""What passes between the stages of data synthesis: a picture, what was dropped, question-answer pairs, an example.

Never changes: a pair holds its numbers as they were before rounding; an item depends on the seed and its own key only, so that
no item's result depends on which worker made it or on what came before; and whatever is dropped is counted under a cause.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.rigid import FloatArray
from ..scene.facts import Query
from ..scene.frame import BoolArray
from ..scene.noise import DepthNoise
from ..scene.scene import Scene

QUALITATIVE, QUANTITATIVE = "qualitative", "quantitative"
KINDS = (QUALITATIVE, QUANTITATIVE)
# "first" and "second": which thing was chosen, or which of a relation's two sides it is; "" for numbers.
POLARITIES = ("yes", "no", "first", "second", "unsure", "")

_CAUSE_RE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class Dropped(Exception):
    """A picture that gives nothing. Costs itself only, and is counted by ``cause``.

    Attributes:
        cause: short and stable, words of small letters joined by "_" ("truncated_file"); a count stands beside it in reports.
        text: a sentence for people, with the value that is wrong.
        key: of the picture, "" where it is not known.

    Raises:
        ValueError: for a cause of any other form.
    """

    def __init__(self, cause: str, text: str, key: str = "") -> None:
        if not _CAUSE_RE.fullmatch(cause):
            raise ValueError(f"a cause is words of small letters joined by '_', got '{cause}'")
        super().__init__(cause, text, key)
        self.cause, self.text, self.key = cause, text, key

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


@dataclass(frozen=True)
class NamedRegion:
    """Pixels that somebody says are one thing, and what they call it.

    Attributes:
        mask: (H, W) bool.
        caption: 1 to 6 words, without an article.
        score: in [0, 1].
        origin: who said so: "renderer", "tabletop", "unsupported" (no table was found) or the id of a model.
    """

    mask: BoolArray
    caption: str
    score: float
    origin: str


@dataclass(frozen=True)
class Picture:
    """One image on its way through the stages.

    Attributes:
        key: stable name within the source ("pcl_mosd/learn0", "bag#12", "render/seed-17").
        color: (H, W, 3) uint8, RGB.
        depth_m: (H, W) float32, metres along the optical axis, NaN invalid; None when it is still to be estimated.
        camera: None when it is still to be estimated.
        source_sha256: hex digest of the bytes that the picture came from.
        up: (3,) unit vector against gravity in the optical frame; None when not known.
        up_source: where ``up`` comes from: "tf", "imu" or "renderer".
        regions: what was found on it; empty before a stage that finds regions.
        depth_origin: who measured the depth: "sensor", "renderer", or the id of a model.
        noise: how the depth errs; None for a sensor's.
        truth: the things as they are, where the source knows: ``truth.objects[i]`` is the thing of ``regions[i]``. Facts are then
            taken from it and not from the depth.
        stages: name -> version of each stage that it went through.
        drops: how many regions were dropped so far, by cause.
        also_in_sight: captions of what is seen and is no region (dropped, or hidden for the most part): a name that fits one of
            these as well names no one thing.
    """

    key: str
    color: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32] | None
    camera: CameraModel | None
    frame_id: str
    stamp_ns: int
    source_sha256: str
    up: FloatArray | None = None
    up_source: str = ""
    regions: tuple[NamedRegion, ...] = ()
    depth_origin: str = ""
    noise: DepthNoise | None = None
    truth: Scene | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    also_in_sight: tuple[str, ...] = ()

    def with_drops(self, causes: Iterable[str]) -> Picture:
        """The picture with one more region dropped for each of ``causes``."""
        return replace(self, drops=dict(Counter(self.drops) + Counter(causes)))


@dataclass(frozen=True)
class MaskRle:
    """A mask as run lengths, as COCO's uncompressed RLE: down the columns, left to right; the first run is of False (0 long
    where the mask begins with True).
    """

    height: int
    width: int
    counts: tuple[int, ...]

    @staticmethod
    def of(mask: BoolArray) -> MaskRle:
        """Encode a mask (H, W)."""
        height, width = mask.shape
        columns = np.flatnonzero(mask.any(axis=0))
        if not len(columns):
            return MaskRle(height, width, (height * width,) if mask.size else ())
        # Columns beside it are part of the first and of the last run.
        first, last = int(columns[0]), int(columns[-1]) + 1
        flat = mask[:, first:last].T.ravel()
        ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        runs = np.diff(np.concatenate(([0], ends, [flat.size]))).tolist()
        runs = [0, *runs] if flat[0] else runs
        runs[0] += first * height
        beyond = (width - last) * height
        if beyond and flat[-1]:
            runs.append(beyond)
        else:
            runs[-1] += beyond
        return MaskRle(height, width, tuple(runs))

    def mask(self) -> BoolArray:
        """(H, W) bool. Raises ValueError when the runs do not add up to the size."""
        if sum(self.counts) != self.height * self.width:
            raise ValueError(f"runs of {sum(self.counts)} pixels are no mask of {self.width} x {self.height}")
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape(self.width, self.height).T.copy()


@dataclass(frozen=True)
class ObjectInfo:
    """A thing that a question names: what it was said to be, and what it was measured from.

    Attributes:
        number: its place in ``Example.objects``.
        name: what questions call it: the caption, with a clause where the caption alone would name two things.
        caption: what was said to be there.
        score, origin: as of the region.
        box: (u0, v0, u1, v1), half open, pixels.
        mask: its pixels.
        num_points: valid depth pixels that it was measured from; 0 for a true thing.
        centre_m, extents_m: of its box, (x, y, z) in the optical frame and edge lengths along ``axes``, metres.
        axes: nine numbers, row by row, of the rotation whose columns are the box's axes in the optical frame.
        centre_std_m: one standard deviation of the centre along x, y and z.
        source: of the numbers: "depth" or "ground_truth".
    """

    number: int
    name: str
    caption: str
    score: float
    origin: str
    box: tuple[int, int, int, int]
    mask: MaskRle
    num_points: int
    centre_m: tuple[float, float, float]
    extents_m: tuple[float, float, float]
    axes: tuple[float, ...]
    centre_std_m: tuple[float, float, float]
    source: str


@dataclass(frozen=True)
class Pair:
    """One question with its answer, and all that the answer comes from.

    Attributes:
        query: relation and names (``ObjectInfo.name`` of ``objects``, in order).
        kind: one of KINDS.
        polarity: one of POLARITIES.
        value: before rounding: the number in ``unit``, or the probability of a predicate (of the first of a choice or side).
        std: one standard deviation of ``value``; NaN for a probability.
        status: name of the fact's status in small letters ("ok", "occluded").
        style: how a number is said: "human" (rounded) or "exact".
        question_index, answer_index: of the templates of the relation (and of its verdict).
        objects: the things named, in the query's order.
        source: of the fact: "depth" or "ground_truth".
        frame_id: frame that the things' numbers are in.
        stage_versions: name -> version of every stage that had a part in it.
        order_key: in [0, 1), by hash of seed, picture and query; sorts and selects pairs the same way everywhere.
        cue: what a look at the image alone (height in the image, size in pixels) would answer, in words of POLARITIES; "" where
            no such shortcut is known.
        prior: what kinds of things are compared, in order ("mug>can"), where their names alone tell something of the answer.
    """

    question: str
    answer: str
    query: Query
    kind: str
    polarity: str
    value: float
    std: float
    unit: str
    status: str
    style: str
    question_index: int
    answer_index: int
    objects: tuple[ObjectInfo, ...]
    source: str
    frame_id: str
    stage_versions: Mapping[str, str]
    order_key: float
    cue: str = ""
    prior: str = ""


@dataclass(frozen=True)
class Example:
    """One picture with all pairs made of it.

    Attributes:
        key, source_sha256, frame_id, stamp_ns: as of the picture.
        image: encoded as ``image_format``, "png" or "jpeg".
        objects: everything that pairs name, each once.
        canonical: how up was found: "plane", "tf", "imu" or "truth"; "" where it was not, and nothing that needs it was asked.
        camera: of the image, measured or estimated.
        drops: how many regions ("region_..."), captions ("caption_...") and facts ("fact_...") were dropped, by cause.
    """

    key: str
    image: bytes
    image_format: str
    width: int
    height: int
    source_sha256: str
    frame_id: str
    stamp_ns: int
    canonical: str
    objects: tuple[ObjectInfo, ...]
    pairs: tuple[Pair, ...]
    drops: Mapping[str, int]
    camera: CameraModel | None = None


class Stage(Protocol):
    """One step. ``version`` changes whenever its output for the same input would (model and options are part of it)."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        """The picture with more known of it. Raises Dropped for one that is of no use."""
        ...


class Source(Protocol):
    """Pictures in a fixed order."""

    def __len__(self) -> int: ...

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """Pictures ``start`` to ``stop`` (not included), or why there is none. Cheap to start anywhere; one item for each."""
        ...


def apply_stages(picture: Picture, stages: Sequence[Stage], seed: int) -> Picture:
    """The picture after all stages, each with random numbers of its own. Raises Dropped as they do, with the picture's key."""
    for stage in stages:
        try:
            picture = stage(picture, generator_of(seed, picture.key, stage.name))
        except Dropped as dropped:
            raise Dropped(dropped.cause, dropped.text, dropped.key or picture.key) from dropped
        picture = replace(picture, stages={**picture.stages, stage.name: stage.version})
    return picture


def _digest(*parts: object) -> bytes:
    """Of parts that cannot run into each other."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()


def generator_of(seed: int, key: str, purpose: str = "") -> np.random.Generator:
    """Random numbers that depend on seed, picture and purpose alone."""
    return np.random.default_rng(np.frombuffer(_digest(seed, key, purpose), np.uint32))


def order_key(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone: hash-random, the same on every machine."""
    return int.from_bytes(_digest(*parts)[:7], "big") / 2**56
