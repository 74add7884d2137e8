"""Real frames with names that people gave the things by eye: does a model that saw rendered things alone find them?

Names are ours, given while looking at the colour images, before any model was run on them. Truth are the labels' pixels; the
distance between two things is that of the boxes of their labelled pixels, read from the same depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..geometry.rigid import RigidTransform
from .engine_real import FAMILY, MIN_LABEL_PIXELS, LabelledFrame, labelled_box, table_plane
from .engine_solids import Solid
from .engine_truth import TrueScene
from .model_exam import Exam, exam_with
from .model_scenes import TestScene
from .model_words import Named, Phrase

# By frame of mOSD: names of each labelled thing (label // 10), words that fit nothing, words that fit several things.
NAMES: dict[str, tuple[dict[int, tuple[str, ...]], tuple[str, ...], tuple[str, ...]]] = {
    "learn0": ({2: ("yellow box",)}, ("white mug", "bowl", "green bottle", "red ball"), ("box", "cereal box")),
    "learn20": (
        {2: ("yellow box", "yellow carton"), 3: ("orange box", "orange package")},
        ("mug", "white bowl", "can", "red ball"), ("box", "carton"),
    ),
    "learn35": (
        {2: ("yellow container", "yellow object"), 3: ("brown tin", "cookie tin"), 4: ("white bowl", "bowl")},
        ("blue box", "red ball", "bottle", "green plate"), (),
    ),
    "learn44": (
        {2: ("brown tin", "cookie tin"), 3: ("yellow can", "tall can"), 4: ("white mug", "coffee mug", "white cup")},
        ("white bowl", "book", "red box", "blue ball"), (),
    ),
    "test0": (
        {2: ("orange box", "orange carton"), 3: ("yellow box", "yellow package")},
        ("mug", "bowl", "green can", "white plate"), ("box", "cereal box"),
    ),
}  # fmt: skip
_NOTHING = (frozenset[str](), frozenset[str]())
_CORNERS = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).T.reshape(-1, 3)


def real_exams(frames: Iterable[LabelledFrame]) -> Iterator[tuple[TestScene, Exam]]:
    """Each frame that we have names for, with its exam."""
    for item in frames:
        known = NAMES.get(item.name.rsplit("/", 1)[-1])
        if known is not None:
            yield _exam(item, *known)


def _exam(
    item: LabelledFrame, names: dict[int, tuple[str, ...]], absent: tuple[str, ...], several: tuple[str, ...]
) -> tuple[TestScene, Exam]:
    given, depth = item.labels.astype(np.int64), item.frame.depth_m
    cloud = item.frame.camera.back_project(depth).astype(np.float64)
    valid = np.isfinite(depth) & (given != 0)
    normal, offset = table_plane(cloud[valid & (given < 10)])
    labels = np.zeros(given.shape, np.int32)
    solids: list[Solid] = []
    numbers = [int(n) for n in np.unique(given[given >= 20] // 10) if np.count_nonzero(given // 10 == n) > MIN_LABEL_PIXELS]
    for number in numbers:
        own = given // 10 == number
        box = labelled_box(cloud[own & valid], normal, offset)
        solids.append(Solid(str(number), "", box.middle + _CORNERS * 0.01, np.empty((0, 3), np.intp)))
        labels[own] = len(solids)
    truth = TrueScene(tuple(solids), 0.0, RigidTransform.identity())
    things = tuple(Named("", "") for _ in numbers)
    scene = TestScene(f"real/{item.name}", FAMILY, item.frame, labels, things, tuple(range(len(numbers))), truth, None)
    words = [(numbers.index(number), _phrase(text)) for number, texts in names.items() for text in texts]
    return scene, exam_with(scene, words, [*map(_phrase, absent)], [*map(_phrase, several)], ("distance",))


def _phrase(text: str) -> Phrase:
    return Phrase(text, "by eye", _NOTHING, _NOTHING)
