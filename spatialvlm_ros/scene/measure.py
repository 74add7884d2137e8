"""Region plus depth to a thing in space: upright box, centre with covariance, thinned surface.

What never changes: the middle of the box is the centre (the median of a visible surface lies 10 mm off on a can), every number
comes from valid depth pixels of the region alone, and too few of them give None, not a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..geometry.sphere import fit_sphere
from .facts import Source, Status
from .frame import BoolArray, Region, RGBDFrame
from .hidden import complete_depth, top_is_hidden
from .noise import DepthNoise
from .scene import Canonical, SceneObject

PointArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MeasureConfig:
    """How a region is measured.

    Attributes:
        min_points: fewer valid depth pixels than this are no measurement.
        max_box_points: the box is read from about this many points, evenly thinned.
        max_kept_points: surface points kept for nearest-surface distances.
        trim_share: share of points cut at either end of an axis before its extent is read (flying pixels).
        ground_snap_m: a thing whose lowest visible point is this near the support plane stands on it.
        hidden_share: one standard deviation of an unseen far edge, as a share of the extent along the line of sight.
    """

    min_points: int = 30
    max_box_points: int = 2000
    max_kept_points: int = 400
    trim_share: float = 0.004
    ground_snap_m: float = 0.010
    hidden_share: float = 0.10


def smooth_in_mask(depth_m: npt.NDArray[np.float32], mask: BoolArray, radius_px: int = 2) -> npt.NDArray[np.float32]:
    """Mean of inverse depth over the mask's own pixels in a (2 r + 1)^2 window; NaN where the window holds none.

    Inverse depth, because a plane's inverse depth is linear in the pixel, so that averaging does not bend it.
    """
    import cv2

    inside = mask & np.isfinite(depth_m)
    inverse = np.zeros(depth_m.shape, np.float32)
    inverse[inside] = 1.0 / depth_m[inside]
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    total = cv2.boxFilter(inverse, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    count = cv2.boxFilter(inside.astype(np.float32), -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    smooth = np.full(depth_m.shape, np.nan, np.float32)
    near = count > 0.5
    smooth[near] = count[near] / total[near]
    return smooth


def _own_pixels(
    depth_m: npt.NDArray[np.float32], mask: BoolArray, noise: DepthNoise, focal_px: float
) -> tuple[BoolArray, npt.NDArray[np.float32]]:
    """Pixels (H, W) bool whose depth agrees with the region's inside, and their smoothed depth.

    A mask's rim holds pixels of what lies behind and mixtures of both; a rim pixel counts only where it continues the inside.
    """
    import cv2

    mask = _without_islands(mask)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2, borderValue=1).astype(np.bool_)
    if np.count_nonzero(inside) < 0.2 * np.count_nonzero(mask):
        inside = mask  # a sliver has no inside
    expected = smooth_in_mask(depth_m, inside, 3)
    # Depth may change by a few pixels' footprint over the window on a slanted surface.
    with np.errstate(invalid="ignore"):
        tolerance = 3 * noise.pixel_std_m(depth_m) + 4 * depth_m / focal_px
        own = mask & (np.abs(depth_m - expected) < tolerance)
    return own, smooth_in_mask(depth_m, own)


def _without_islands(mask: BoolArray) -> BoolArray:
    """The mask without scraps: pieces below a twentieth of its largest one are another thing's rim more often than its own."""
    import cv2

    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    large = areas >= 0.05 * areas[1:].max()
    large[0] = False
    kept: BoolArray = large[pieces]
    return kept


def region_points(frame: RGBDFrame, region: Region, noise: DepthNoise) -> PointArray:
    """(N, 3) float32 smoothed points of a region in the optical frame, metres, flying pixels removed."""
    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1]
    if mask.size == 0:
        return np.empty((0, 3), np.float32)
    own, depth = _own_pixels(frame.depth_m[v0:v1, u0:u1], mask, noise, frame.camera.fx)
    rays = frame.camera.rays[v0:v1, u0:u1]
    z = depth[own]
    points = np.empty((len(z), 3), np.float32)
    points[:, :2] = rays[own] * z[:, None]
    points[:, 2] = z
    return _without_outliers(points)


def _without_outliers(points: PointArray) -> PointArray:
    """Drop points far from the rest along the ray: beyond 4 interquartile ranges of the median depth."""
    if len(points) < 8:
        return points
    low, middle, high = np.percentile(points[:, 2], (25, 50, 75))
    spread = max(float(high - low), 0.004)
    kept: PointArray = points[np.abs(points[:, 2] - middle) <= 4 * spread]
    return kept


def _yaw_box(xy: FloatArray) -> tuple[FloatArray, float]:
    """Smallest rectangle around points (N, 2): its points' hull, and the angle of its first side in [-pi/4, pi/4)."""
    import cv2

    hull = cv2.convexHull(np.ascontiguousarray(xy, dtype=np.float32))
    _, _, angle_deg = cv2.minAreaRect(hull)
    angle = np.deg2rad(angle_deg)
    return hull[:, 0].astype(np.float64), float((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)


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
    _, yaw = _yaw_box(_trim_rows(points @ basis[:, :2], 0.002))
    c, s = np.cos(yaw), np.sin(yaw)
    upright: FloatArray = basis @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return upright


def _trim_rows(values: FloatArray, share: float) -> FloatArray:
    """Rows of (N, D) inside the central part of each column."""
    low, high = np.quantile(values, (share, 1 - share), axis=0)
    kept: FloatArray = values[((low <= values) & (values <= high)).all(axis=1)]
    return kept if len(kept) >= 8 else values


def measure_region(
    frame: RGBDFrame,
    region: Region,
    canonical: Canonical | None,
    support_plane: FloatArray,
    noise: DepthNoise,
    config: MeasureConfig,
    object_id: int = 0,
) -> SceneObject | None:
    """The thing under a region, in the optical frame; None with fewer than ``config.min_points`` valid pixels.

    Args:
        support_plane: (4,) n, d with n up, metres; NaN when there is none.
    """
    points = region_points(frame, region, noise)
    if len(points) < config.min_points:
        return None
    thinned = points[:: max(1, len(points) // config.max_box_points)]
    axes = _axes(thinned, canonical)
    along = thinned.astype(np.float64) @ axes
    low, high = np.quantile(along, (config.trim_share, 1 - config.trim_share), axis=0)
    if canonical is not None and np.isfinite(support_plane).all():
        heights = thinned @ support_plane[:3] + support_plane[3]
        bottom = float(np.quantile(heights, config.trim_share))
        if abs(bottom) < config.ground_snap_m:
            low[2] -= bottom
    ball, unseen = _ball(thinned, high - low), np.zeros((3, 3))
    if ball is None:
        centre, extents = axes @ ((low + high) / 2), np.maximum(high - low, 1e-3)
        if canonical is not None and np.isfinite(support_plane).all():
            top_m = float(np.quantile(thinned @ support_plane[:3], 1 - config.trim_share)) + float(support_plane[3])
            if top_is_hidden(frame, region, support_plane, centre, top_m):
                away = canonical.scene_from_canonical.rotation[:, 0]
                centre, extents, unseen = complete_depth(centre, extents, axes, away)
    else:
        centre, extents = ball
    visible = _visible_share(region)
    covariance, edge_std = _covariance(points, axes, extents, visible, region.truncated, noise, frame.camera.fx, config)
    covariance = covariance + unseen
    step = max(1, len(points) // config.max_kept_points)
    return SceneObject(
        id=object_id, label=region.label, score=region.score, centre=centre, covariance=covariance, axes=axes,
        extents=extents, extents_std=np.full(3, edge_std * np.sqrt(2)), surface_point=points.mean(axis=0, dtype=np.float64),
        points=points[::step], point_std_m=float(noise.pixel_std_m(np.median(points[:, 2]))) / 2, visible_share=visible,
        truncated=region.truncated, num_points=len(points), last_seen_ns=frame.stamp_ns,
        source=Source.DEPTH, status=Status.OK,
    )  # fmt: skip


def _ball(points: PointArray, visible_extents: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Centre (3,) and extents (3,) of a ball, or None when the points lie on none.

    A block's points stay 12 % of the radius off the best sphere, a can's 14 %, a ball's below 6 % at a metre. A flat plate fits a
    larger sphere well, but a ball shows at least half as much in its shortest direction as in its longest.
    """
    fit = fit_sphere(points)
    if fit is None:
        return None
    centre, radius, rms = fit
    shortest, middle, longest = (float(extent) for extent in np.sort(visible_extents))
    if rms > 0.08 * radius or shortest < 0.4 * longest or not 0.85 < 2 * radius / middle < 1.5:
        return None
    return centre, np.full(3, 2 * radius)


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


def _covariance(
    points: PointArray,
    axes: FloatArray,
    extents: FloatArray,
    visible: float,
    truncated: bool,
    noise: DepthNoise,
    focal_px: float,
    config: MeasureConfig,
) -> tuple[FloatArray, float]:
    """Covariance (3, 3) of the box's middle, and one edge's standard deviation in metres.

    Four parts: both edges of each axis (pixel noise after smoothing, mask edge), the far side that no camera sees, the share
    that something hides, and the scale error along the ray that all pixels have in common.
    """
    mean = points.mean(axis=0, dtype=np.float64)
    z = float(mean[2])
    edge_std = float(np.hypot(noise.pixel_std_m(z) / 2, noise.lateral_px * z / focal_px))
    ray = mean / np.linalg.norm(mean)
    in_box = axes.T @ ray
    depth_extent = float(np.abs(in_box) @ extents)
    hidden = config.hidden_share * depth_extent / 2
    missing = (1.0 if truncated else max(0.0, 1.0 - visible)) * extents / 4
    per_axis = edge_std**2 / 2 + missing**2
    covariance = axes @ np.diag(per_axis) @ axes.T
    covariance += (hidden**2 + noise.shared_std_m(z) ** 2) * np.outer(ray, ray)
    return covariance, edge_std
