"""Regions and depth to things in space: every region becomes a thing with its caption, or is dropped together with it.

Never changes: ``regions[i]`` is of ``scene.objects[i]``; what was not measured is in sight all the same, so its caption stays
known (``others``) and a name that fits it, too, is no name for another thing.

The points of a region are taken as the engine takes them (``scene/region_points.py``), not by the outlier rules of SpatialVLM:
those need a k-d tree of 50 neighbours and a density clustering for each thing, seconds where ours takes a millisecond, and on
an RGB-D image a pixel's own neighbours tell as much. One of them is taken over in spirit: a mask that leaks onto what lies far
behind loses that part, since only depth that continues the region's inside is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.appearance import describe_scene
from ..perception.tabletop import TabletopConfig, TabletopSegmentation, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.frame import FrameError, Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_region
from ..scene.noise import PRESETS, DepthNoise, noise_on_plane
from ..scene.scene import Canonical, Scene, SceneObject
from .record import Dropped, NamedRegion, Picture
from .unseen import Unseen, parts_unseen
from .unsupported_things import unseen_ends, unsupported_regions, with_open_ends

TABLETOP, NO_GROUNDER = "tabletop", "none"


@dataclass(frozen=True)
class LiftConfig:
    """How pictures become scenes.

    Attributes:
        noise: of a sensor; a picture's own noise goes before.
        grounder: "tabletop" finds regions on pictures that have none, "none" drops such pictures.
        min_pixels: a smaller region is dropped.
        min_depth_share: a region with less valid depth is dropped: it is glass, or the depth of what is behind.
        max_image_share: a larger region is background.
        duplicate_iou: two regions that overlap by more are one thing; the better scored one stays.
        min_coverage: a picture with less valid depth is dropped.
        up_std_rad: one standard deviation of an up direction that the picture came with.
    """

    noise: DepthNoise = PRESETS["structured_light"]
    grounder: str = TABLETOP
    min_pixels: int = 100
    min_depth_share: float = 0.3
    max_image_share: float = 0.5
    duplicate_iou: float = 0.8
    min_coverage: float = 0.05
    up_std_rad: float = math.radians(0.5)
    segment: TabletopConfig = field(default_factory=TabletopConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)

    def __post_init__(self) -> None:
        if self.grounder not in (TABLETOP, NO_GROUNDER):
            raise ValueError(f"grounder '{self.grounder}' is neither '{TABLETOP}' nor '{NO_GROUNDER}'")


@dataclass(frozen=True)
class Lifted:
    """A picture in space.

    Attributes:
        scene: objects with the ids 1, 2, ...; their labels are the captions.
        regions: one for each object.
        others: captions of things in sight that were not measured.
        drops: regions that were dropped here, by cause.
        unseen: what is out of sight of the objects.
    """

    scene: Scene
    regions: tuple[NamedRegion, ...]
    others: tuple[str, ...]
    drops: Counter[str]
    unseen: Unseen = field(default_factory=Unseen)


def lift(picture: Picture, config: LiftConfig | None = None) -> Lifted:
    """The things of a picture in its optical frame; the true ones where the picture brings them.

    Raises:
        Dropped: no depth, no camera, images that do not fit together, or no region.
    """
    config = config or LiftConfig()
    if picture.truth is not None:
        return _true(picture, picture.truth, config)
    frame = _frame(picture, config)
    noise = picture.noise or config.noise
    segment = replace(config.segment, noise=noise)
    segmentation = TabletopSegmenter(segment).segment(frame, up=picture.up)
    canonical, plane = _canonical(picture, segmentation, config)
    if (support := segmentation.plane) is not None:
        noise = noise_on_plane(frame, support.coefficients, support.inliers, noise)
    regions: Sequence[NamedRegion] = picture.regions
    rivals: list[str] = []
    # Of things that stand on nothing that was found nobody knows where they end.
    is_open = not regions and segmentation.plane is None
    if not regions and config.grounder == TABLETOP:
        regions, rivals = unsupported_regions(frame, segment) if is_open else (_grounded(frame, segmentation), [])
    if not regions:
        why = segmentation.reason or "nothing stands on the surface that was found"
        raise Dropped("no_regions", f"shows no thing that was found: {why}", picture.key)
    kept, causes, others = _usable(regions, frame, config)
    others += rivals
    things: list[SceneObject] = []
    measured: list[NamedRegion] = []
    for region in kept:
        thing = measure_region(frame, _plain(region), canonical, plane, noise, config.measure, object_id=len(things) + 1)
        if thing is None:
            causes.append("region_no_depth")
            others.append(region.caption)
            continue
        if is_open:
            thing = with_open_ends(frame, _plain(region), thing, noise, is_upright=canonical is not None)
        things.append(thing)
        measured.append(region)
    scene = Scene(
        stamp_ns=picture.stamp_ns, frame_id=picture.frame_id, objects=tuple(things), canonical=canonical,
        canonical_reason=segmentation.reason, support_plane=plane,
        depth_coverage=float(np.count_nonzero(frame.valid) / frame.valid.size), scale_std=noise.scale, frame=frame,
    )  # fmt: skip
    plain = list(map(_plain, measured))
    unseen = parts_unseen(frame, plain, things, canonical, plane, noise, config.measure.ground_snap_m)
    if is_open:
        unseen = unseen.joined(unseen_ends(frame, plain, noise))
    return Lifted(scene, tuple(measured), (*picture.also_in_sight, *others), Counter(causes), unseen)


def _true(picture: Picture, truth: Scene, config: LiftConfig) -> Lifted:
    if len(truth.objects) != len(picture.regions):
        raise ValueError(f"{picture.key}: {len(truth.objects)} true things for {len(picture.regions)} regions")
    things = [replace(thing, label=region.caption) for thing, region in zip(truth.objects, picture.regions, strict=True)]
    keep = [int(np.count_nonzero(region.mask)) >= config.min_pixels for region in picture.regions]
    kept = [(thing, region) for thing, region, is_kept in zip(things, picture.regions, keep, strict=True) if is_kept]
    others = tuple(region.caption for region, is_kept in zip(picture.regions, keep, strict=True) if not is_kept)
    objects = tuple(replace(thing, id=at) for at, (thing, _) in enumerate(kept, 1))
    scene = replace(truth, objects=objects)
    drops = Counter({"region_small": len(others)}) if others else Counter()
    return Lifted(scene, tuple(region for _, region in kept), (*picture.also_in_sight, *others), drops)


def _frame(picture: Picture, config: LiftConfig) -> RGBDFrame:
    if picture.depth_m is None or picture.camera is None:
        missing = "depth" if picture.depth_m is None else "camera"
        raise Dropped("no_depth", f"has no {missing}; a depth stage has to estimate it", picture.key)
    try:
        frame = RGBDFrame(picture.stamp_ns, picture.color, picture.depth_m, picture.camera, picture.frame_id)
    except FrameError as error:
        raise Dropped("bad_frame", str(error), picture.key) from error
    coverage = float(np.count_nonzero(frame.valid) / frame.valid.size)
    if coverage < config.min_coverage:
        raise Dropped("no_depth", f"has valid depth on {coverage:.1%} of its pixels only", picture.key)
    return frame


def _canonical(picture: Picture, segmentation: TabletopSegmentation, config: LiftConfig) -> tuple[Canonical | None, FloatArray]:
    """The frame that gravity gives, else the one of the support plane; and that plane, NaN where there is none."""
    found = segmentation.plane
    plane = np.full(4, np.nan) if found is None else found.coefficients
    if picture.up is not None:
        source = picture.up_source or "tf"
        return canonical_from_up(picture.up, None if found is None else plane, config.up_std_rad, source), plane
    if found is None:
        return None, plane
    return canonical_from_up(found.normal, plane, found.tilt_std_rad, "plane"), plane


def _grounded(frame: RGBDFrame, segmentation: TabletopSegmentation) -> list[NamedRegion]:
    """What stands on the table, by its looks."""
    looks = describe_scene(frame, segmentation.regions, segmentation.plane)
    return [
        NamedRegion(region.mask, look.label(), region.score, TABLETOP)
        for region, look in zip(segmentation.regions, looks, strict=True)
    ]


def _plain(region: NamedRegion) -> Region:
    return Region(region.mask, region.caption, region.score, region.origin)


def _usable(
    regions: Sequence[NamedRegion], frame: RGBDFrame, config: LiftConfig
) -> tuple[list[NamedRegion], list[str], list[str]]:
    """Regions worth measuring, the causes of those that are not, and the captions of the latter that are things in sight."""
    kept: list[NamedRegion] = []
    causes: list[str] = []
    others: list[str] = []
    doubles = _doubles(regions, config.duplicate_iou)
    for at, region in enumerate(regions):
        cause = "region_double" if at in doubles else _problem(region, frame, config)
        if cause is None:
            kept.append(region)
            continue
        causes.append(cause)
        # A double is in sight under the name that stays, but its own caption would be understood for that thing only.
        if cause not in ("region_double", "region_empty"):
            others.append(region.caption)
    return kept, causes, others


def _problem(region: NamedRegion, frame: RGBDFrame, config: LiftConfig) -> str | None:
    if region.mask.shape != frame.depth_m.shape or region.mask.dtype != np.bool_:
        return "region_wrong_size"
    size = int(np.count_nonzero(region.mask))
    if size == 0:
        return "region_empty"
    if size < config.min_pixels:
        return "region_small"
    if size > config.max_image_share * region.mask.size:
        return "region_background"
    if np.count_nonzero(frame.valid & region.mask) < config.min_depth_share * size:
        return "region_little_depth"
    return None


def _doubles(regions: Sequence[NamedRegion], iou: float) -> set[int]:
    """Indices of regions that a better scored one (of two alike: an earlier one) all but covers."""
    boxes = [_plain(region).box for region in regions]
    found: set[int] = set()
    for i, j in _overlapping(boxes):
        if regions[i].mask.shape != regions[j].mask.shape or i in found or j in found:
            continue
        both = int(np.count_nonzero(regions[i].mask & regions[j].mask))
        either = int(np.count_nonzero(regions[i].mask | regions[j].mask))
        if both > iou * either:
            found.add(j if regions[i].score >= regions[j].score else i)
    return found


def _overlapping(boxes: Sequence[tuple[int, int, int, int]]) -> Iterable[tuple[int, int]]:
    for i, a in enumerate(boxes):
        for j in range(i + 1, len(boxes)):
            b = boxes[j]
            if min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]):
                yield i, j
