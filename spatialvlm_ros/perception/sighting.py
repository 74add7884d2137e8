"""What one image shows by itself, whatever was seen before it: the robot, the table, and the things on it, measured.

It is most of the work on an image, and knows nothing of other images: it may be done ahead, elsewhere, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.rigid import FloatArray
from ..scene.canonical import canonical_from_up
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.measure import MeasureConfig, measure_regions
from ..scene.noise import DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from .outlines import drawn_in
from .robot_state import RobotState
from .self_filter import robot_mask
from .tabletop import TabletopConfig, TabletopSegmentation, TabletopSegmenter


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
    """

    robot: BoolArray | None
    segmentation: TabletopSegmentation
    plane: FloatArray
    canonical: Canonical | None
    noise: DepthNoise
    things: tuple[SceneObject | None, ...]


def sight(frame: RGBDFrame, robot: RobotState, segment: TabletopConfig, measure: MeasureConfig) -> Sighting:
    """Find and measure what stands on the table, with ``segment.noise`` as the noise of depth."""
    mask = robot_mask(frame, robot.capsules) if robot.capsules else None
    segmentation = TabletopSegmenter(segment).segment(frame, up=robot.up, ignore=mask)
    plane = np.full(4, np.nan)
    if segmentation.plane is not None and not robot.up_problem:
        plane = segmentation.plane.coefficients
    canonical = _canonical(segmentation, plane, robot)
    noise = segment.noise
    if segmentation.plane is not None:
        noise = noise_on_plane(frame, segmentation.plane.coefficients, segmentation.plane.inliers, noise)
    things = measure_regions(frame, segmentation.regions, canonical, plane, noise, measure, mask)
    narrowed = drawn_in(frame, segmentation.regions, segment.noise)
    if narrowed is not segmentation.regions:
        within = measure_regions(frame, narrowed, canonical, plane, noise, measure, mask)
        things = [_placed(one, whole, canonical) for one, whole in zip(within, things, strict=True)]
    return Sighting(mask, segmentation, plane, canonical, noise, tuple(things))


def _placed(within: SceneObject | None, whole: SceneObject | None, canonical: Canonical | None) -> SceneObject | None:
    """What is measured within the outlines that colour shows, with its middle on the ground from all of its pixels.

    Depth swells to all sides, so that this middle is where it was, and it is known better from a whole outline than from one of
    which a few pixels were taken.
    """
    if within is None or whole is None or canonical is None:
        return within or whole
    upright = np.outer(canonical.up, canonical.up)
    level = np.eye(3) - upright
    centre = level @ whole.centre + upright @ within.centre
    own = level @ whole.own_covariance @ level + upright @ within.own_covariance @ upright
    return replace(within, centre=centre, covariance=own + within.scale_std**2 * np.outer(centre, centre))


def _canonical(segmentation: TabletopSegmentation, plane: FloatArray, robot: RobotState) -> Canonical | None:
    found = segmentation.plane
    if robot.up_problem:
        return None
    if robot.up is not None:
        return canonical_from_up(robot.up, plane if found is not None else None, robot.up_std_rad, robot.up_source)
    if found is None:
        return None
    return canonical_from_up(found.normal, plane, found.tilt_std_rad, "plane")
