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
from .ball import find_ball
from .facts import Source, Status
from .foot import down_in_image, is_at_robot, looked_down_on_rad, surface_below
from .frame import BoolArray, FrameError, Region, RGBDFrame
from .hidden import PRIOR_SHARE, missing_depth, top_is_hidden, top_is_narrow
from .noise import DepthNoise
from .region_points import SIDES, PointArray, hidden_sides, region_points
from .scene import Canonical, SceneObject
from .trust import Evidence, evidence_of, trusted

# Share of a thing's lower rim that something in front covers, from which on its foot is not seen.
_FOOT_COVERED = 0.25
# Share of the lower rim right below which one surface is seen, from which on a thing may stand on it, and from which on it does.
_MAY_STAND, _STANDS = 0.3, 0.75
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
# The third axis of a box; up, where that is known.
_UP = 2
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


def _yaw(xy: FloatArray) -> float:
    """Angle in [-pi/4, pi/4) of the first side of the smallest rectangle around points (N, 2)."""
    import cv2

    _, _, angle_deg = cv2.minAreaRect(cv2.convexHull(np.ascontiguousarray(xy, dtype=np.float32)))
    return float((np.deg2rad(angle_deg) + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _axes(points: PointArray, canonical: Canonical | None) -> FloatArray:
    """(3, 3) columns: axes of the box. Upright with the smallest footprint where up is known, else principal axes."""
    if canonical is None:
        if len(points) < 2:
            return np.eye(3)  # one point has no axes
        _, vectors = np.linalg.eigh(np.cov(points.T))
        axes: FloatArray = vectors[:, ::-1].copy()
        if np.linalg.det(axes) < 0:
            axes[:, 2] *= -1
        return axes
    basis = canonical.scene_from_canonical.rotation
    yaw = _yaw(_trim_rows(points @ basis[:, :2], 0.002))
    c, s = np.cos(yaw), np.sin(yaw)
    upright: FloatArray = basis @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return upright


def _trim_rows(values: FloatArray, share: float) -> FloatArray:
    """Rows of (N, D) inside the central part of each column."""
    low, high = linear_quantiles(np.ascontiguousarray(values.T), (share, 1 - share))
    kept: FloatArray = values[((low <= values) & (values <= high)).all(axis=1)]
    return kept if len(kept) >= 8 else values


@dataclass(frozen=True)
class _Box:
    """An oriented box: ``low``, ``high`` (3,) along ``axes``, and one standard deviation (3, 2) of each low and high face."""

    axes: FloatArray
    low: FloatArray
    high: FloatArray
    faces_std: FloatArray

    @property
    def centre(self) -> FloatArray:
        return np.asarray(self.axes @ ((self.low + self.high) / 2))

    @property
    def extents(self) -> FloatArray:
        return np.maximum(self.high - self.low, 1e-3)

    @property
    def extents_std(self) -> FloatArray:
        return np.asarray(np.sqrt((self.faces_std**2).sum(axis=1)))

    @property
    def lean(self) -> FloatArray:
        """(3,) correlation of its height's error with that of its centre's height; 0 for the other two edges."""
        low, high = self.faces_std[_UP] ** 2
        return np.array([0.0, 0.0, (high - low) / max(high + low, 1e-18)])

    @property
    def covariance(self) -> FloatArray:
        """(3, 3) of the centre, for faces that err independently."""
        return np.asarray((self.axes * (self.faces_std**2).sum(axis=1) / 4) @ self.axes.T)


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
    box, is_ball = _box_of(frame, region, thinned, rim, canonical, support_plane, covered, robot, noise, config)
    mean = points.mean(axis=0, dtype=np.float64)
    box = _with_hidden_faces(box, mean, covered, is_ball, config)
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
    return thing, evidence_of(frame, region, thing, thinned, covered, pixel_std_m, down, looked_down, is_ball)


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
) -> tuple[_Box, bool]:
    """The box of a region's visible points (N, 3) and of its rim's (M, 3), and whether they lie on a ball."""
    outline = np.concatenate([points, rim[:: max(1, len(rim) // config.max_box_points)]])
    plane = support_plane if canonical is not None and np.isfinite(support_plane).all() else None
    box = _visible_box(_axes(points, canonical), outline, plane, noise, config, frame.camera.fx, canonical is not None)
    ball = find_ball(points, box.high - box.low, None if canonical is None else canonical.up, plane, noise)
    if ball is not None:
        middle = box.axes.T @ ball[0]
        box = replace(box, low=middle - ball[1], high=middle + ball[1])
    elif plane is not None and canonical is not None:
        box = _completed(frame, region, outline, box, canonical, plane)
    if plane is not None and canonical is not None and not (ball is not None and covered[3] >= _FOOT_COVERED):
        box = _with_unseen_foot(frame, region, box, canonical, plane, covered, robot, noise, config)
    if ball is None:
        box = _with_misfit(box, points, noise, config, upright=canonical is not None)
    return box, ball is not None


def _visible_box(
    axes: FloatArray,
    outline: PointArray,
    plane: FloatArray | None,
    noise: DepthNoise,
    config: MeasureConfig,
    focal_px: float,
    upright: bool,
) -> _Box:
    """The box of the visible points (N, 3), down to the ground where it stands on it, with the noise of its faces."""
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
        high[_UP] -= config.top_px * footprint_m
    if plane is not None:
        lowest, bottom = linear_quantiles(outline @ plane[:3] + plane[3], (config.trim_share, _BOTTOM_SHARE))
        if abs(float(bottom)) < config.ground_snap_m:
            low[2] -= float(lowest)
            faces[2, 0] = config.ground_std_m
    return _Box(axes, low, high, faces)


def _completed(frame: RGBDFrame, region: Region, outline: PointArray, box: _Box, canonical: Canonical, plane: FloatArray) -> _Box:
    """The box grown to the depth that nobody sees, where the visible points do not tell how deep the thing is."""
    top_m = float(plane[:3] @ box.centre) + float(plane[3]) + float(box.extents[2]) / 2
    if not (top_is_hidden(frame, region, plane, box.centre, top_m) or top_is_narrow(outline @ box.axes, box.low, box.high)):
        return box
    grown = missing_depth(box.extents, box.axes, canonical.scene_from_canonical.rotation[:, 0])
    if grown is None:
        return box
    axis, end, missing = grown
    low, high, faces = box.low.copy(), box.high.copy(), box.faces_std.copy()
    (high if end else low)[axis] += missing if end else -missing
    faces[axis, end] = math.hypot(faces[axis, end], PRIOR_SHARE * missing)
    return _Box(box.axes, low, high, faces)


def _with_misfit(box: _Box, points: PointArray, noise: DepthNoise, config: MeasureConfig, upright: bool) -> _Box:
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


def _with_unseen_foot(
    frame: RGBDFrame,
    region: Region,
    box: _Box,
    canonical: Canonical,
    plane: FloatArray,
    covered: FloatArray,
    robot: BoolArray | None,
    noise: DepthNoise,
    config: MeasureConfig,
) -> _Box:
    """The box of a thing whose foot does not show: down to the ground, or to the thing right below, where it stands there for
    all that is known, else with a foot that may be there.

    What hides a foot may hide what the thing stands on, and a hand may hold it.
    """
    gap = float(plane[:3] @ (box.axes @ np.append((box.low + box.high)[:2] / 2, box.low[2]))) + float(plane[3])
    if gap < config.ground_snap_m:
        # Few of its points are as low as that. A hand may hold it there, but nothing else.
        return box if gap < config.ground_std_m or is_at_robot(region, robot) else _on_the_ground(box, gap)
    if covered[3] >= _FOOT_COVERED:
        return _on_the_ground(box, gap)
    centre = box.centre
    height, share = surface_below(frame, region, down_in_image(centre, canonical), plane, noise, float(centre[2]))
    from_above = looked_down_on_rad(centre, canonical.up) > _FROM_ABOVE_RAD
    # Where nothing that may carry it is seen below (a table's edge), its top alone does not tell how tall it is.
    untold = from_above and math.isnan(height)
    if (share < _MAY_STAND and not untold) or is_at_robot(region, robot):
        return box
    gap -= 0.0 if untold else height
    if gap < config.ground_snap_m:
        return box
    if from_above and share >= _STANDS:
        return _on_the_ground(box, gap)
    if not from_above and gap > _HIDES_SHARE * (gap + float(box.extents[2])):
        return box
    faces = box.faces_std.copy()
    faces[2, 0] = math.hypot(faces[2, 0], gap / _TO_TABLE)
    return replace(box, faces_std=faces)


def _on_the_ground(box: _Box, gap_m: float) -> _Box:
    """The box grown down by ``gap_m``, which it may not reach."""
    low, faces = box.low.copy(), box.faces_std.copy()
    low[2] -= gap_m
    faces[2, 0] = gap_m / _FROM_TABLE
    return replace(box, low=low, faces_std=faces)


def _with_hidden_faces(box: _Box, mean: FloatArray, covered: FloatArray, is_ball: bool, config: MeasureConfig) -> _Box:
    """The box with what is not known of faces turned away from the camera and of faces on covered sides of the image.

    Args:
        mean: (3,) of the visible points, optical frame.
        covered: (4,) share of each of ``SIDES`` behind which more of it may lie.
    """
    ray = mean / np.linalg.norm(mean)
    faces, most = box.faces_std.copy(), float(covered[:2].max())
    extents = [float(extent) for extent in box.extents]
    for axis, extent in enumerate(extents):
        # A sliver of a thing tells less of how wide it is than the rest of it does. How tall it is shows all the same.
        size = extent if axis == _UP else max(extent, sum(extents) / 3)
        deep = 0.0 if axis == _UP else _DEEP_SHARE * most * size
        for end, sign in ((0, -1.0), (1, 1.0)):
            normal = sign * box.axes[:, axis]
            turned = max(float(normal @ ray), 0.0)
            unseen = 0.0 if is_ball else (config.hidden_share * extent + deep) * turned
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
