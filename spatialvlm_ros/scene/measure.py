"""Region plus depth to a thing in space: upright box, centre with covariance, thinned surface.

What never changes: the middle of the box is the centre (the median of a visible surface lies 10 mm off on a can), every number
comes from valid depth pixels of the region alone, and too few of them give None, not a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray
from .ball import Ball, find_ball
from .box import UP, Box, box_axes
from .facts import Source, Status
from .foot import down_in_image, is_at_robot, looked_down_on_rad, surface_below
from .frame import BoolArray, FrameError, Region, RGBDFrame
from .hidden import COVERED, missing_depth, on_top, top_is_low, top_is_narrow, unsteady_std_m
from .noise import DepthNoise
from .region_points import SIDES, PointArray, hidden_sides, region_points
from .scene import Canonical, SceneObject
from .trust import Evidence, evidence_of, trusted

# Share of a thing's lower rim that something in front covers, from which on its foot is not seen.
_FOOT_COVERED = 0.25
# Share of the lower rim right below which one surface is seen, from which on a thing may stand on it, from which on it does
# when it ends there, and from which on even when it ends higher up, or the surface is so low that it may stand on the table, too.
_MAY_STAND, _CARRIES, _STANDS = 0.3, 0.5, 0.75
# What is seen right below a thing ends so much above its visible end, and in standard deviations, where it is in front of it.
_IN_FRONT_M, _IN_FRONT_STDS = 0.006, 3.0
# From this steep on the sides of a thing show too little of themselves to tell where they end.
_FROM_ABOVE_RAD = math.radians(60.0)
# A thing that is seen from the side hides no more of itself below its lowest visible points than this share of its top's height.
_HIDES_SHARE = 0.45
# How many standard deviations it is from its lowest visible points down to where its foot may be, and back up.
_TO_TABLE, _FROM_TABLE = 1.4, 1.4
# Share of the points below what counts as the bottom of a thing when it is asked whether it stands on the ground: noise alone
# brings the lowest few of a thing on a plate that far down.
_BOTTOM_SHARE = 0.01
# What is not known of the far side of a thing that is covered from the left or the right, as a share of its size.
_DEEP_SHARE = 0.5
# How much less a thing's height suffers from its not being a box than its width does.
_UPRIGHT_MISFIT = 0.25


@dataclass(frozen=True)
class MeasureConfig:
    """How a region is measured.

    Attributes:
        min_points: fewer valid depth pixels than this are no measurement.
        max_box_points: the box is read from about this many points, evenly thinned.
        max_kept_points: surface points kept for nearest-surface distances.
        trim_share: share of points cut at either end of an axis before its extent is read (flying pixels).
        outermost_stds: how far beyond a face its outermost points lie, in standard deviations of one pixel's depth.
        far_px: how far short of a face that is turned away the last pixels fall that are trusted, in pixels' footprints.
        top_px: how far beyond a thing's top they reach.
        round_share: how far short of its faces they fall on a thing that is no box, as a share of how far they lie from the box.
        ground_snap_m: a thing whose lowest visible point is this near the support plane stands on it.
        ground_std_m: one standard deviation of where the foot of a thing that stands on the plane is.
        hidden_share: one standard deviation of an unseen far face, as a share of the extent across it.
        misfit_share: the same for every face, as a share of how far the visible points lie from the box.
        covered_share: the same for a face on a side behind which more of the thing may lie.
    """

    min_points: int = 30
    max_box_points: int = 2000
    max_kept_points: int = 400
    trim_share: float = 0.001
    outermost_stds: float = 0.9
    far_px: float = 2.8
    top_px: float = 0.3
    round_share: float = 0.17
    ground_snap_m: float = 0.010
    ground_std_m: float = 0.001
    hidden_share: float = 0.05
    misfit_share: float = 0.45
    covered_share: float = 0.9


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
    measured = measure_with_evidence(frame, region, canonical, support_plane, noise, config, object_id, robot)
    return None if measured is None else trusted(*measured)


def measure_with_evidence(
    frame: RGBDFrame,
    region: Region,
    canonical: Canonical | None,
    support_plane: FloatArray,
    noise: DepthNoise,
    config: MeasureConfig,
    object_id: int = 0,
    robot: BoolArray | None = None,
) -> tuple[SceneObject, Evidence | None] | None:
    """As ``measure_region``, with standard deviations before the evidence is counted, and the evidence; None without an up."""
    if region.mask.shape != frame.depth_m.shape or region.mask.dtype != np.bool_:
        raise FrameError(f"a region's mask is {region.mask.shape} {region.mask.dtype}, expected {frame.depth_m.shape} bool")
    points, rim = region_points(frame, region, noise)
    if len(points) < config.min_points:
        return None
    thinned = points[:: max(1, len(points) // config.max_box_points)]
    covered = hidden_sides(frame, region, robot, noise)
    box, ball = _box_of(frame, region, thinned, rim, canonical, support_plane, covered, robot, noise, config)
    mean = points.mean(axis=0, dtype=np.float64)
    box = _with_hidden_faces(box, mean, covered, ball, config)
    step, centre = max(1, len(points) // config.max_kept_points), box.centre
    pixel_std_m = float(noise.pixel_std_m(np.median(points[:, 2])))
    thing = SceneObject(
        id=object_id, label=region.label, score=region.score, centre=centre,
        covariance=box.covariance + noise.scale**2 * np.outer(centre, centre), axes=box.axes,
        extents=box.extents, extents_std=box.extents_std, surface_point=mean, points=points[::step],
        point_std_m=pixel_std_m / 2, visible_share=_visible_share(region), truncated=region.truncated, num_points=len(points),
        scale_std=noise.scale, last_seen_ns=frame.stamp_ns, source=Source.DEPTH, status=Status.OK,
        lean=np.zeros(3) if canonical is None else box.lean,
    )  # fmt: skip
    if canonical is None:
        return thing, None
    down, looked_down = down_in_image(centre, canonical), looked_down_on_rad(centre, canonical.up)
    is_ball = ball is not None
    return thing, evidence_of(frame, region, thing, thinned, covered, pixel_std_m, down, looked_down, is_ball, support_plane)


def _box_of(
    frame: RGBDFrame,
    region: Region,
    points: PointArray,
    rim: PointArray,
    canonical: Canonical | None,
    support_plane: FloatArray,
    covered: FloatArray,
    robot: BoolArray | None,
    noise: DepthNoise,
    config: MeasureConfig,
) -> tuple[Box, Ball | None]:
    """The box of a region's visible points (N, 3) and of its rim's (M, 3), and the ball on which they lie."""
    outline = np.concatenate([points, rim[:: max(1, len(rim) // config.max_box_points)]])
    plane = support_plane if canonical is not None and np.isfinite(support_plane).all() else None
    box = _visible_box(box_axes(points, canonical), outline, noise, config, frame.camera.fx, canonical is not None)
    ball = find_ball(points, box.high - box.low, None if canonical is None else canonical.up, plane, noise)
    if ball is not None:
        middle = box.axes.T @ ball.centre
        box = replace(box, low=middle - ball.radius_m, high=middle + ball.radius_m)
    elif plane is not None and canonical is not None:
        box = _completed(frame, region, outline, box, canonical, plane)
    if plane is not None and canonical is not None and not (ball is not None and covered[3] >= _FOOT_COVERED):
        ends = None if ball is not None else outline @ plane[:3] + plane[3]
        box = _with_foot(frame, region, box, ends, canonical, plane, covered, robot, noise, config)
    if ball is None:
        box = _with_misfit(box, points, noise, config, upright=canonical is not None)
    return box, ball


def _visible_box(
    axes: FloatArray,
    outline: PointArray,
    noise: DepthNoise,
    config: MeasureConfig,
    focal_px: float,
    upright: bool,
) -> Box:
    """The box of the visible points (N, 3) with the noise of its faces."""
    along = outline.astype(np.float64) @ axes
    low, high = linear_quantiles(np.ascontiguousarray(along.T), (config.trim_share, 1 - config.trim_share))
    mean = outline.mean(axis=0, dtype=np.float64)
    # Positive for an axis that points away from the camera.
    turned, pixel_std_m = axes.T @ (mean / np.linalg.norm(mean)), float(noise.pixel_std_m(mean[2]))
    # What makes neighbouring pixels err alike widens and narrows masks, too.
    across = noise.lateral_px * 2 * noise.averaged * float(mean[2]) / focal_px
    edge = np.hypot(np.abs(turned) * pixel_std_m * noise.averaged, np.sqrt(np.maximum(1 - turned**2, 0)) * across)
    faces = np.column_stack([edge, edge])
    # The outermost points of a face that is turned to the camera are its noisiest ones.
    outermost = config.outermost_stds * pixel_std_m
    low, high = low + outermost * np.maximum(turned, 0), high - outermost * np.maximum(-turned, 0)
    # A rim is seen at a slant, and its last pixels are half something else: it ends short of a face that nobody sees.
    footprint_m = float(mean[2]) / focal_px
    beyond = config.far_px * footprint_m * np.array([1.0, 1.0, 0.0 if upright else 1.0])
    low, high = low - beyond * np.maximum(-turned, 0), high + beyond * np.maximum(turned, 0)
    if upright:
        high[UP] -= config.top_px * footprint_m
    return Box(axes, low, high, faces)


def _completed(frame: RGBDFrame, region: Region, outline: PointArray, box: Box, canonical: Canonical, plane: FloatArray) -> Box:
    """The box grown to the depth that nobody sees, where the visible points do not tell how deep the thing is."""
    top_m = float(plane[:3] @ box.centre) + float(plane[3]) + float(box.extents[2]) / 2
    is_covered = top_is_low(plane, box.centre, top_m) or on_top(frame, region, plane, top_m) > COVERED
    if not (is_covered or top_is_narrow(outline @ box.axes, box.low, box.high)):
        return box
    grown = missing_depth(box.extents, box.axes, canonical.scene_from_canonical.rotation[:, 0])
    if grown is None:
        return box
    axis, end, missing, std = grown
    low, high, faces = box.low.copy(), box.high.copy(), box.faces_std.copy()
    (high if end else low)[axis] += missing if end else -missing
    faces[axis, end] = math.hypot(faces[axis, end], std)
    return Box(box.axes, low, high, faces)


def _with_misfit(box: Box, points: PointArray, noise: DepthNoise, config: MeasureConfig, upright: bool) -> Box:
    """The box with faces the less certain the less the points (N, 3) lie on them: round things, handles, hollow things.

    The foot and the top of an upright box are seen whatever its shape is. The sides of round things are seen at a slant where
    they turn away, which costs pixels: their box is a little larger than its points.
    """
    along = points.astype(np.float64) @ box.axes
    off = np.minimum(np.abs(along - box.low), np.abs(box.high - along)).min(axis=1)
    misfit = math.sqrt(max(float(np.mean(off**2)) - float(noise.pixel_std_m(np.median(points[:, 2]))) ** 2 / 4, 0.0))
    weights = np.array([1.0, 1.0, _UPRIGHT_MISFIT if upright else 1.0])[:, None]
    wider = config.round_share * misfit * np.array([1.0, 1.0, 0.0 if upright else 1.0])
    faces = np.hypot(box.faces_std, config.misfit_share * misfit * weights)
    return replace(box, low=box.low - wider, high=box.high + wider, faces_std=faces)


def _with_foot(
    frame: RGBDFrame,
    region: Region,
    box: Box,
    heights_m: FloatArray | None,
    canonical: Canonical,
    plane: FloatArray,
    covered: FloatArray,
    robot: BoolArray | None,
    noise: DepthNoise,
    config: MeasureConfig,
) -> Box:
    """The box down to what the thing stands on: the surface that is seen right below it if there is one, else the ground.

    Where its foot does not show, down to where it stands for all that is known, else with a foot that may be there. What hides a
    foot may hide what the thing stands on, and a hand may hold it.

    Args:
        heights_m: (N,) of its visible points above the plane; None for a ball, whose lowest points are never seen.
    """
    centre, held = box.centre, is_at_robot(region, robot)
    below = surface_below(frame, region, down_in_image(centre, canonical), plane, noise, float(centre[2]))
    thin = 0 < below.height_m < 2 * config.ground_snap_m
    stands_on = below.share >= (_STANDS if thin else _CARRIES)
    seen = stands_on if thin else below.share >= _MAY_STAND
    # Something in front that hides the foot is seen right below it, too, but the thing goes on behind it.
    in_front = seen and below.drop_m < -max(_IN_FRONT_M, _IN_FRONT_STDS * below.std_m)
    onto, onto_std = (below.height_m, below.std_m) if seen and not in_front else (0.0, 0.0)
    gap = float(plane[:3] @ (box.axes @ np.append((box.low + box.high)[:2] / 2, box.low[UP]))) + float(plane[3]) - onto
    if heights_m is not None:
        lowest, bottom = (float(x) - onto for x in linear_quantiles(heights_m, (config.trim_share, _BOTTOM_SHARE)))
        if abs(bottom) < config.ground_snap_m and (stands_on or onto == 0):
            # A hand may hold it as high as it seems to end.
            lifted = np.nanmax([bottom, below.drop_m, 0.0]) if held else 0.0
            faces_std = float(np.linalg.norm([config.ground_std_m, onto_std, lifted / _FROM_TABLE]))
            return box.moved_down(lowest, faces_std)
    if gap < config.ground_snap_m:
        # Few of its points are as low as that. A hand may hold it there, but nothing else.
        return box if gap < config.ground_std_m or held else box.moved_down(gap, gap / _FROM_TABLE)
    if covered[3] >= _FOOT_COVERED:
        return box.moved_down(gap, gap / _FROM_TABLE)
    from_above = looked_down_on_rad(centre, canonical.up) > _FROM_ABOVE_RAD
    # Where nothing that may carry it is seen below (a table's edge), its top alone does not tell how tall it is.
    untold = from_above and math.isnan(below.height_m)
    if (below.share < _MAY_STAND and not untold) or in_front or held:
        return box
    if from_above and below.share >= _STANDS:
        return box.moved_down(gap, gap / _FROM_TABLE)
    if not from_above and gap > _HIDES_SHARE * (gap + float(box.extents[2])):
        return box
    faces = box.faces_std.copy()
    faces[UP, 0] = math.hypot(faces[UP, 0], gap / _TO_TABLE)
    return replace(box, faces_std=faces)


def _with_hidden_faces(box: Box, mean: FloatArray, covered: FloatArray, ball: Ball | None, config: MeasureConfig) -> Box:
    """The box with what is not known of faces turned away from the camera and of faces on covered sides of the image.

    Args:
        mean: (3,) of the visible points, optical frame.
        covered: (4,) share of each of ``SIDES`` behind which more of it may lie.
    """
    ray = mean / np.linalg.norm(mean)
    faces, most = box.faces_std.copy(), float(covered[:2].max())
    unsteady = unsteady_std_m(box.extents)
    extents = [float(extent) for extent in box.extents]
    for axis, extent in enumerate(extents):
        # A sliver of a thing tells less of how wide it is than the rest of it does. How tall it is shows all the same.
        size = extent if axis == UP else max(extent, sum(extents) / 3)
        deep = 0.0 if axis == UP else math.hypot(_DEEP_SHARE * most * size, unsteady)
        for end, sign in ((0, -1.0), (1, 1.0)):
            normal = sign * box.axes[:, axis]
            turned = max(float(normal @ ray), 0.0)
            unseen = (config.hidden_share * extent + deep if ball is None else ball.far_std_m) * turned
            # Where the face lies on the image, seen from the thing's middle.
            on_image = normal[:2] - ray[:2] / ray[2] * normal[2]
            behind = np.maximum(SIDES @ on_image, 0.0) ** 2
            more = config.covered_share * size * float(np.sqrt(np.minimum(behind, 1.0) @ covered**2))
            faces[axis, end] = float(np.linalg.norm([faces[axis, end], unseen, more]))
    return replace(box, faces_std=faces)


def _visible_share(region: Region) -> float:
    """Share of its silhouette's convex hull that the mask fills: 1 for an unhidden convex thing."""
    import cv2

    u0, v0, u1, v1 = region.box
    contours, _ = cv2.findContours(region.mask[v0:v1, u0:u1].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return float("nan")
    hull = cv2.convexHull(np.concatenate(contours))
    area = max(float(cv2.contourArea(hull)), 1.0)
    return float(min(1.0, np.count_nonzero(region.mask[v0:v1, u0:u1]) / area))
