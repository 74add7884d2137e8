"""Region plus depth to a thing in space: upright box, centre with covariance, thinned surface.

What never changes: the middle of the box is the centre (the median of a visible surface lies 10 mm off on a can), every number
comes from valid depth pixels of the region alone, and too few of them give None, not a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import Source, Status
from .foot import down_in_image, looked_down_on_rad
from .frame import BoolArray, FrameError, Region, RGBDFrame
from .hidden_half import may_be_there
from .hidden_handle import with_hidden_handle
from .measured_box import Boxed, boxes_of
from .noise import DepthNoise
from .region_points import hidden_sides_of_all, region_points
from .scene import Canonical, SceneObject
from .seen import MeasureConfig, Seen, Setting, what_shows
from .trust import Evidence, evidence_of, trusted

__all__ = ["MeasureConfig", "measure_region", "measure_regions", "measure_with_evidence"]


def measure_region(
    frame: RGBDFrame,
    region: Region,
    canonical: Canonical | None,
    support_plane: FloatArray,
    noise: DepthNoise,
    config: MeasureConfig,
    object_id: int = 0,
    robot: BoolArray | None = None,
) -> SceneObject | None:
    """The thing under a region, in the optical frame; None with fewer than ``config.min_points`` valid pixels.

    Args:
        support_plane: (4,) n, d with n up, metres; NaN when there is none.
        robot: (H, W) bool, pixels of the robot, which may hide a part of the thing; None when unknown.

    Raises:
        FrameError: for a mask that is not bool or has another size than the image.
    """
    thing = measure_regions(frame, [region], canonical, support_plane, noise, config, robot)[0]
    return thing if thing is None or object_id == thing.id else thing.called(id=object_id)


def measure_regions(
    frame: RGBDFrame,
    regions: Sequence[Region],
    canonical: Canonical | None,
    support_plane: FloatArray,
    noise: DepthNoise,
    config: MeasureConfig,
    robot: BoolArray | None = None,
) -> list[SceneObject | None]:
    """``measure_region`` of each region. One by one would give the same numbers and take longer."""
    if not regions:
        return []
    measured = _measured(regions, Setting(frame, canonical, support_plane, noise, config, robot))
    things = [None if found is None else trusted(*found) for found in measured]
    if canonical is None:
        return things
    return [thing and with_hidden_handle(thing) for thing in things]


def measure_with_evidence(
    frame: RGBDFrame,
    region: Region,
    canonical: Canonical | None,
    support_plane: FloatArray,
    noise: DepthNoise,
    config: MeasureConfig,
    robot: BoolArray | None = None,
) -> tuple[SceneObject, Evidence | None] | None:
    """As ``measure_region``, with standard deviations before the evidence is counted, and the evidence; None without an up."""
    return _measured([region], Setting(frame, canonical, support_plane, noise, config, robot))[0]


def _measured(regions: Sequence[Region], setting: Setting) -> list[tuple[SceneObject, Evidence | None] | None]:
    frame, noise, config = setting.frame, setting.noise, setting.config
    for region in regions:
        if region.mask.shape != frame.depth_m.shape or region.mask.dtype != np.bool_:
            raise FrameError(f"a region's mask is {region.mask.shape} {region.mask.dtype}, expected {frame.depth_m.shape} bool")
    up = None if setting.canonical is None else setting.canonical.up
    points = [region_points(frame, region, noise, up) for region in regions]
    covered = hidden_sides_of_all(frame, regions, setting.robot, noise)
    enough = [index for index, (own, _) in enumerate(points) if len(own) >= config.min_points]
    seen = [what_shows(regions[index], *points[index], covered[index], noise, config) for index in enough]
    measured: list[tuple[SceneObject, Evidence | None] | None] = [None] * len(regions)
    boxes = boxes_of(seen, setting)
    things = [_thing_of(one, boxed, setting) for one, boxed in zip(seen, boxes, strict=True)]
    if setting.canonical is not None:
        # Of a ball half a turn would leave out the lower half: it is whole with its mirror image in the centre.
        upright = [index for index, boxed in enumerate(boxes) if boxed.ball is None]
        stds_m = np.array([seen[index].pixel_std_m for index in upright])
        for index, turns in zip(upright, may_be_there(frame, [things[index] for index in upright], stds_m), strict=True):
            things[index] = replace(things[index], turns=turns)
    for index, one, boxed, thing in zip(enough, seen, boxes, things, strict=True):
        measured[index] = thing, _evidence_of(one, thing, boxed, setting)
    return measured


def _thing_of(seen: Seen, boxed: Boxed, setting: Setting) -> SceneObject:
    region, points, box, noise = seen.region, seen.points, boxed.box, setting.noise
    step, centre = max(1, len(points) // setting.config.max_kept_points), box.centre
    return SceneObject(
        id=0, label=region.label, score=region.score, centre=centre,
        covariance=box.covariance + noise.scale**2 * (centre[:, None] * centre), axes=box.axes,
        extents=box.extents, extents_std=box.extents_std, surface_point=seen.mean, points=points[::step],
        point_std_m=seen.pixel_std_m / 2, visible_share=_visible_share(region), truncated=region.truncated,
        num_points=len(points), scale_std=noise.scale, last_seen_ns=setting.frame.stamp_ns, source=Source.DEPTH, status=Status.OK,
        lean=np.zeros(3) if setting.canonical is None else box.lean,
        rim_m=setting.config.rim_px * (1 - noise.unlike) * float(seen.mean[2]) / setting.frame.camera.fx,
    )  # fmt: skip


def _evidence_of(seen: Seen, thing: SceneObject, boxed: Boxed, setting: Setting) -> Evidence | None:
    if setting.canonical is None:
        return None
    down, looked_down = down_in_image(thing.centre, setting.canonical), looked_down_on_rad(thing.centre, setting.canonical.up)
    return evidence_of(
        setting.frame, seen.region, thing, seen.thinned, seen.covered, seen.pixel_std_m, down, looked_down,
        boxed.ball is not None, setting.plane, boxed.box.faces_std, setting.noise, boxed.box.sheet_m,
    )  # fmt: skip


def _visible_share(region: Region) -> float:
    """Share of its silhouette's convex hull that the mask fills: 1 for an unhidden convex thing."""
    import cv2

    u0, v0, u1, v1 = region.box
    contours, _ = cv2.findContours(region.mask[v0:v1, u0:u1].view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return float("nan")
    hull = cv2.convexHull(np.concatenate(contours))
    area = max(float(cv2.contourArea(hull)), 1.0)
    return float(min(1.0, np.count_nonzero(region.mask[v0:v1, u0:u1]) / area))
