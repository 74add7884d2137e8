"""What one image shows by itself, whatever was seen before it: the robot, the table, and the things on it, measured.

It is most of the work on an image, and knows nothing of other images: it may be done ahead, elsewhere, in any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray
from ..scene.box import UP
from ..scene.canonical import canonical_from_up
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_regions
from ..scene.noise import DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from .named_wholes import put_together
from .outlines import Swelling, drawn_in, swelling_of
from .robot_state import RobotState
from .self_filter import robot_mask
from .tabletop import TabletopConfig, TabletopSegmentation, TabletopSegmenter

if TYPE_CHECKING:
    from .focus import Glance

# Drawing outlines in makes a thing smaller by up to so many times what both of its sides swelled by, and this share of itself.
_MOST_LESS, _MOST_SHARE = 1.5, 0.25


@dataclass(frozen=True)
class Sighting:
    """All in the camera's optical frame.

    Attributes:
        robot: (H, W) bool, pixels of the robot; None when its shape is not known.
        segmentation: the support plane and the regions of things, as far as their depth reaches.
        plane: (4,) of the support plane, n up, metres; NaN where there is none, or up is not known although it should be.
        canonical: the canonical frame, or None.
        noise: the noise of depth, with what the support plane shows of it.
        things: what each region measures, in their order, without ids and labels; None where that is too little. Where depth
            swells, within the outlines that colour shows.
        swelling: by how much it does; None where nothing shows that.
        still: so many of the first ones are those of the image before, with their ids: nothing changed there.
    """

    robot: BoolArray | None
    segmentation: TabletopSegmentation
    plane: FloatArray
    canonical: Canonical | None
    noise: DepthNoise
    things: tuple[SceneObject | None, ...]
    swelling: Swelling | None = None
    still: int = 0


def sight(
    frame: RGBDFrame, robot: RobotState, segment: TabletopConfig, measure: MeasureConfig, known: Plane | None = None
) -> Sighting:
    """Find and measure what stands on the table, with ``segment.noise`` as the noise of depth.

    ``known``: where the table was before, for images that by themselves show none.
    """
    mask = robot_mask(frame, robot.capsules, noise=segment.noise) if robot.capsules else None
    tool = None if robot.camera_from_tool is None else robot.camera_from_tool.translation
    segmentation = TabletopSegmenter(segment).segment(frame, up=robot.up, ignore=mask, tool=tool, known=known)
    plane = np.full(4, np.nan)
    if segmentation.plane is not None and not robot.up_problem:
        plane = segmentation.plane.coefficients
    canonical = _canonical(segmentation, plane, robot)
    noise = segment.noise
    if segmentation.plane is not None:
        noise = noise_on_plane(frame, segmentation.plane.coefficients, segmentation.plane.inliers, noise)
    swelling = swelling_of(frame.color, segmentation.regions)
    sighting = Sighting(mask, segmentation, plane, canonical, noise, (), swelling)
    return replace(sighting, things=_measured(frame, segmentation.regions, sighting, segment, measure))


def _measured(
    frame: RGBDFrame, regions: Sequence[Region], sighting: Sighting, segment: TabletopConfig, measure: MeasureConfig
) -> tuple[SceneObject | None, ...]:
    """What regions measure, with everything else of a sighting."""
    robot, plane, canonical, noise = sighting.robot, sighting.plane, sighting.canonical, sighting.noise
    things = measure_regions(frame, regions, canonical, plane, noise, measure, robot)
    if sighting.swelling is not None:
        narrowed = drawn_in(frame, regions, segment.noise, sighting.swelling)
        within = measure_regions(frame, narrowed, canonical, plane, noise, measure, robot)
        swollen = (sighting.swelling.left + sighting.swelling.right) / frame.camera.fx
        things = [_placed(one, whole, canonical, swollen) for one, whole in zip(within, things, strict=True)]
    return tuple(things)


def with_wholes(
    frame: RGBDFrame, sighting: Sighting, wholes: Sequence[Sequence[int]], segment: TabletopConfig, measure: MeasureConfig
) -> Sighting:
    """A sighting with some of its regions put together and measured anew, in place of the first of each.

    Args:
        wholes: indices of the regions that are one thing each.
    """
    regions: dict[int, Region] = dict(enumerate(sighting.segmentation.regions))
    things = dict(enumerate(sighting.things))
    together = {pieces[0]: put_together([regions[index] for index in pieces]) for pieces in wholes}
    measured = _measured(frame, list(together.values()), sighting, segment, measure)
    for pieces, thing in zip(wholes, measured, strict=True):
        for index in pieces[1:]:
            del regions[index], things[index]
        regions[pieces[0]], things[pieces[0]] = together[pieces[0]], thing
    segmentation = replace(sighting.segmentation, regions=list(regions.values()))
    return replace(sighting, segmentation=segmentation, things=tuple(things.values()))


def _placed(
    within: SceneObject | None, whole: SceneObject | None, canonical: Canonical | None, swollen: float
) -> SceneObject | None:
    """The level sizes and the surface within the outlines that colour shows; all else of a thing is told by all of its pixels.

    Depth swells to all sides, so that the middle on the ground is where it was, and it is known better from a whole outline than
    from one of which a few pixels were taken; heights are told by faces, not by outlines. Nor does a rim that was drawn in tell
    whether more of the thing lies beyond it, which is most of how well its sizes are known. The rim within was drawn in, and the
    surface is not drawn out over it.

    ``swollen``: by how much both sides together did, as a share of the distance. What became smaller by far more lost another
    part of it, or its shape.
    """
    if within is None or whole is None or canonical is None:
        return whole
    # The level axes may have changed places.
    order = [0, 1, UP] if abs(float(within.axes[:, 0] @ whole.axes[:, 0])) > math.sqrt(0.5) else [1, 0, UP]
    before = whole.extents[order]
    if (before - within.extents > np.minimum(_MOST_LESS * swollen * float(whole.centre[2]), _MOST_SHARE * before)).any():
        return whole
    extents = within.extents.copy()
    extents[UP] = whole.extents[UP]
    return replace(
        whole, axes=within.axes, extents=extents, extents_std=whole.extents_std[order], lean=whole.lean[order],
        sides=whole.sides_along(within.axes), points=within.points, turns=within.turns, surface_point=within.surface_point,
        rim_m=0.0,
    )  # fmt: skip


def sight_part(
    frame: RGBDFrame, robot: RobotState, glance: Glance, segment: TabletopConfig, measure: MeasureConfig
) -> Sighting | None:
    """What a glance at an image shows; None where the table is not where it was, and the image has to be taken whole."""
    base = glance.base
    support = base.segmentation.plane
    if support is None:
        return None
    mask = _robot_within(frame, robot, glance, segment.noise)
    regions: list[Region] = []
    if glance.window is not None:
        found = TabletopSegmenter(segment).segment_part(frame, *glance.window, support, mask)
        if found is None:
            return None
        regions = [region for region in found if glance.is_wanted(region, frame)]
    kept = [thing.called(last_seen_ns=frame.stamp_ns) for thing, _ in glance.kept]
    segmentation = TabletopSegmentation(support, "", [*(region for _, region in glance.kept), *regions])
    canonical = base.canonical if glance.same_up else _canonical(segmentation, base.plane, robot)
    sighting = Sighting(mask, segmentation, base.plane, canonical, base.noise, (), base.swelling, len(kept))
    return replace(sighting, things=(*kept, *_measured(frame, regions, sighting, segment, measure)))


def _robot_within(frame: RGBDFrame, robot: RobotState, glance: Glance, noise: DepthNoise) -> BoolArray | None:
    """(H, W) the robot in the window of a glance; None when its shape is not known."""
    if not robot.capsules:
        return None
    if glance.window is None:
        return np.zeros(frame.size, dtype=bool)
    return robot_mask(frame, robot.capsules, within=glance.window, noise=noise)


def _canonical(segmentation: TabletopSegmentation, plane: FloatArray, robot: RobotState) -> Canonical | None:
    found = segmentation.plane
    if robot.up_problem:
        return None
    if robot.up is not None:
        return canonical_from_up(robot.up, plane if found is not None else None, robot.up_std_rad, robot.up_source)
    if found is None:
        return None
    return canonical_from_up(found.normal, plane, found.tilt_std_rad, "plane")


class LabelImages:
    """Of one stream of images: the last one again where the same regions are on it. Not to be written to."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], list[int], npt.NDArray[np.int32]] | None = None

    def later(
        self, frame: RGBDFrame, segmentation: TabletopSegmentation, things: Sequence[tuple[SceneObject, Region]]
    ) -> Callable[[], npt.NDArray[np.int32]]:
        """What makes it when it is asked for."""
        return partial(self.of, frame, segmentation, things)

    def of(
        self, frame: RGBDFrame, segmentation: TabletopSegmentation, things: Sequence[tuple[SceneObject, Region]]
    ) -> npt.NDArray[np.int32]:
        """See ``label_image``."""
        made_of = (segmentation.plane, *(region for _, region in things))
        ids = [thing.id for thing, _ in things]
        if self._last is not None:
            before, known, labels = self._last
            same = len(before) == len(made_of) and all(one is other for one, other in zip(before, made_of, strict=True))
            if same and known == ids and labels.shape == frame.size:
                return labels
        labels = label_image(frame, segmentation, things)
        labels.flags.writeable = False
        self._last = made_of, ids, labels
        return labels


def label_image(
    frame: RGBDFrame, segmentation: TabletopSegmentation, things: Sequence[tuple[SceneObject, Region]]
) -> npt.NDArray[np.int32]:
    """(H, W) int32: object id, -1 support plane, 0 neither."""
    if segmentation.plane is None:
        labels = np.zeros(frame.size, np.int32)
    else:
        labels = np.negative(segmentation.plane.inliers.view(np.int8), dtype=np.int32)
    for thing, region in things:
        u0, v0, u1, v1 = region.box
        labels[v0:v1, u0:u1][region.mask[v0:v1, u0:u1]] = thing.id
    return labels
