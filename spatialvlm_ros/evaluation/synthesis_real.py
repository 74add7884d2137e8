"""Data made of pictures that a real camera took, against what people labelled on them.

Truth is what labels can tell: the pixels of a thing, the table's plane, and the depth of just these pixels, read in another way
than synthesis reads it: a thing is the upright prism over the outline of its points. What the sensor gets wrong is in neither,
and a thing is no deeper than what is seen of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.frame import BoolArray
from ..simulation.exact_things import convex_outline
from ..synthesis.ask import AskOptions, make_example
from ..synthesis.record import Dropped, Example, MaskRle, Picture, Source, Stage, apply_stages
from .engine_real import LABEL_TRIM, MIN_LABEL_PIXELS, STANDS_M, table_plane
from .engine_scenes import MIN_IOU
from .engine_solids import Solid
from .engine_truth import TrueScene
from .synthesis_judge import JUDGED, Judge, heard_of, score, summary


@dataclass(frozen=True)
class RealPictures:
    """A source of recorded pictures, with label images (H, W) by key for those that have one.

    Labels: 0 no depth, 1-9 table, 20-29 first object, 30-39 second ...

    Attributes:
        stages: what pictures go through before they are asked about.
    """

    name: str
    source: Source
    labels: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    stages: Sequence[Stage] = ()


def run_real(sources: Sequence[RealPictures], seed: int) -> dict[str, Any]:
    """Figures by the name of the source."""
    return {real.name: _figures(real, seed) for real in sources}


def _figures(real: RealPictures, seed: int) -> dict[str, Any]:
    drops: Counter[str] = Counter()
    examples: list[Example] = []
    rows = []
    labelled = things = 0
    for item in real.source.items(0, len(real.source)):
        try:
            if isinstance(item, Dropped):
                raise item
            example = make_example(apply_stages(item, real.stages, seed), AskOptions(), seed)
        except Dropped as dropped:
            drops[dropped.cause] += 1
            continue
        examples.append(example)
        if item.key in real.labels:
            truth, found = labelled_truth(item, real.labels[item.key], example)
            rows.append(Judge(truth, found).judge(example.pairs))
            labelled, things = labelled + 1, things + len(found)
    judged = np.concatenate(rows) if rows else np.zeros(0, JUDGED)
    by_relation = score(judged)
    return {
        "pictures": len(real.source), "pictures_with_pairs": len(examples), "dropped": dict(sorted(drops.items())),
        "dropped_within_pictures": dict(sorted(sum((Counter(one.drops) for one in examples), Counter()).items())),
        "things": sum(len(one.objects) for one in examples), "pairs": sum(len(one.pairs) for one in examples),
        "answers_that_do_not_say_what_was_measured": sum(
            not heard_of(pair).agrees(pair.polarity, pair.value) for one in examples for pair in one.pairs
        ),
        "labelled_pictures": labelled, "labelled_things_asked_about": things, "by_relation": by_relation,
        "against_labels": {kind: _pooled(by_relation, kind) for kind in ("qualitative", "quantitative")},
        "summary": summary(by_relation),
    }  # fmt: skip


def _pooled(by_relation: Mapping[str, Mapping[str, Any]], kind: str) -> dict[str, Any]:
    own = [item for item in by_relation.values() if item["kind"] == kind]
    certain = sum(item["certain"] for item in own)
    pairs = sum(item["pairs"] for item in own)
    constant = sum(item["pairs"] * (item["valid_share_of_constant"] or 0.0) for item in own)
    return {
        "pairs": pairs,
        "certain": certain,
        "valid_share": sum(item["valid"] for item in own) / certain if certain else None,
        "valid_share_of_constant": constant / pairs if pairs else None,
    }


def labelled_truth(picture: Picture, labels: npt.NDArray[np.generic], example: Example) -> tuple[TrueScene, dict[MaskRle, int]]:
    """Labelled things in a frame on the labelled table whose z is up; and which of them the things of an example are.

    A thing is the labelled one with which it shares at least half of both's pixels.
    """
    depth, camera = picture.depth_m, picture.camera
    assert depth is not None and camera is not None
    numbers = labels.astype(np.int64)
    cloud = camera.back_project(depth).astype(np.float64)
    valid = np.isfinite(depth) & (numbers != 0)
    normal, offset = table_plane(cloud[valid & (numbers < 10)])
    first = np.cross(normal, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    world_from_camera = RigidTransform(np.stack([first, np.cross(normal, first), normal]), np.array([0.0, 0.0, offset]))
    masks = [valid & (numbers // 10 == number) for number in np.unique(numbers[numbers >= 20] // 10)]
    masks = [mask for mask in masks if np.count_nonzero(mask) > MIN_LABEL_PIXELS]
    solids = tuple(prism(f"thing {at}", world_from_camera.apply(cloud[mask])) for at, mask in enumerate(masks))
    truth = TrueScene(solids, 0.0, world_from_camera, world_from_camera.apply(cloud[valid]))
    return truth, {thing.mask: at for thing in example.objects if (at := _match(thing.mask.mask() & valid, masks)) is not None}


def prism(name: str, points: FloatArray) -> Solid:
    """The upright prism over the outline of points (N, 3), without the outermost at either end of each axis."""
    low, high = np.quantile(points, (LABEL_TRIM, 1 - LABEL_TRIM), axis=0)
    outline = convex_outline(points[((points >= low) & (points <= high)).all(axis=1), :2])
    bottom, top = 0.0 if low[2] < STANDS_M else float(low[2]), float(high[2])
    n = len(outline)
    vertices = np.concatenate([np.column_stack([outline, np.full(n, height)]) for height in (bottom, top)])
    ring = [(i, (i + 1) % n) for i in range(n)]
    sides = [triangle for i, j in ring for triangle in ((i, j, n + j), (i, n + j, n + i))]
    ends = [triangle for i in range(1, n - 1) for triangle in ((0, i + 1, i), (n, n + i, n + i + 1))]
    return Solid(name, "prism", vertices, np.array(sides + ends))


def _match(mask: BoolArray, labelled: Sequence[BoolArray]) -> int | None:
    """Number of the labelled mask that overlaps most, None below half of both."""
    overlaps = [np.count_nonzero(mask & own) / max(int(np.count_nonzero(mask | own)), 1) for own in labelled]
    best = int(np.argmax(overlaps)) if overlaps else 0
    return best if overlaps and overlaps[best] >= MIN_IOU else None
