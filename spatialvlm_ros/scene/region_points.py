"""The points of a region: its own pixels only, smoothed, to the rim of its mask; and which of its sides are hidden.

A mask's rim holds pixels of what lies behind, mixtures of both, and pixels without depth. Their depth is not used, but their
rays are: a thing is as wide as its mask, at the depth of its nearest pixels that are trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..geometry.quantiles import linear_quantiles, middle
from ..geometry.rigid import FloatArray
from .frame import BoolArray, Region, RGBDFrame, Rims
from .noise import DepthNoise

PointArray = npt.NDArray[np.float32]
DepthArray = npt.NDArray[np.float32]
# Rim pixels this far from a trusted one get its depth: the width of the holes and mixtures that a sensor leaves at a silhouette.
_RIM_PX = 3
# How far beyond a mask its neighbours are looked at: past the rim that belongs to neither, which a sensor often leaves empty.
_BEYOND_PX = (3, 5, 10)
# The same where all of these are empty: beside what is nearer, a sensor with two eyes sees nothing for a while.
_BEYOND_HOLE_PX = (20, 32)
# No camera is nearer than this to the surface that the things on its image stand on.
_NEAREST_SUPPORT_M = 0.2
# What lies beside the robot counts less: a finger touches a thing more often than it hides half of it.
_BY_ROBOT = 0.2
_SQUARE_3, _SQUARE_5, _SQUARE_9 = (np.ones((width, width), np.uint8) for width in (3, 5, 9))
# A sliver on top of a thing: so few of its pixels at most, so far above all others in standard deviations of one, and nowhere as
# wide as the square of five.
_SLIVER_SHARE, _SLIVER_STDS = 0.02, 1.5
# Depth goes on without a gap where each step of this length, or of so many standard deviations of one pixel, holds so many
# pixels of a region, and so large a share of them.
_GOES_ON_M, _GOES_ON_STDS, _GOES_ON_PIXELS, _GOES_ON_SHARE = 0.008, 1.5, 4, 0.002
# What lies flat is so much higher at most, and a standard deviation of one pixel, than all but that share of points, is no larger
# a share of them, and lies so far beyond where all but so few of the others end. So many points tell that.
_FLAT_M, _FOOT_SHARE, _MOST_FLAT, _SPILL_M, _OUTERMOST, _ENOUGH = 0.01, 0.005, 0.2, 0.006, 0.002, 500
# Stray pixels are so few at most; from so flat a line of sight on (sine) level distances tell them.
_STRAY_SHARE, _LEVEL_SIGHT, _STRAY_GAP_M, _STRAY_STDS = 0.02, 0.3, 0.01, 2.0
# What lies beside it is so much nearer.
_NEARER_M, _NEARER_STDS = 0.005, 2.0
# The four sides of an image: left, right, up, down, as unit vectors (u, v).
SIDES = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
_STEPS = SIDES.astype(np.intp)


def smooth_in_mask(depth_m: DepthArray, mask: BoolArray, radius_px: int = 2) -> DepthArray:
    """Mean of inverse depth over the mask's own pixels in a (2 r + 1)^2 window; NaN where the window holds none.

    Inverse depth, because a plane's inverse depth is linear in the pixel, so that averaging does not bend it.
    """
    import cv2

    inside = mask & np.isfinite(depth_m)
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = np.where(inside, 1 / depth_m, np.float32(0.0))
        total = cv2.boxFilter(inverse, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        count = cv2.boxFilter(inside.astype(np.float32), -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        smooth: DepthArray = np.where(count > 0.5, count / total, np.float32(np.nan))
    return smooth


def region_points(
    frame: RGBDFrame, region: Region, noise: DepthNoise, up: FloatArray | None = None
) -> tuple[PointArray, PointArray]:
    """Points of a region in the optical frame, metres: trusted ones (N, 3) float32, and those of its rim (M, 3) float32.

    Trusted points are smoothed and free of flying pixels, and of slivers on top where ``up`` (3,) is given: a strip of a block's
    side is easily taken for the plate's that it stands on. Rim points lie on the rays of the mask's other pixels near them.
    """
    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1]
    none = np.empty((0, 3), np.float32)
    if mask.size == 0:
        return none, none
    mask = _without_islands(mask)
    own, depth = _own_pixels(frame.depth_m[v0:v1, u0:u1], mask, noise, frame.camera.fx)
    if not own.any():
        return none, none
    z = depth[own]
    low, high = _depth_range(z)
    if z.min() < low or z.max() > high:
        own &= _of_one_thing(depth, own, low, high, noise)
        z = depth[own]
    if not len(z):
        return none, none
    rays = frame.camera.ray_planes[:, v0:v1, u0:u1]
    points = _on_rays(rays, own, z)
    sliver = None
    if up is not None:
        heights_m, std_m = points @ up.astype(np.float32), float(noise.pixel_std_m(middle(z)))
        stray = _stray(points, heights_m, up.astype(np.float32), std_m)
        if stray is not None:
            own[own] = ~stray
            points, z, heights_m = points[~stray], z[~stray], heights_m[~stray]
        sliver = _sliver_on_top(own, heights_m, frame.depth_m[v0:v1, u0:u1], mask, std_m)
    if sliver is not None:
        own[own] = ~sliver
        points, z = points[~sliver], z[~sliver]
    rim, nearest = _rim(mask, own)
    return points, _on_rays(rays, rim, z[nearest])


def _stray(points: PointArray, heights_m: DepthArray, up: DepthArray, pixel_std_m: float) -> BoolArray | None:
    """Which of a region's points (N, 3), N > 0, with heights (N,) are no part of it: few that hang behind or before it, or that
    lie flat beside its foot; None without any.

    A tall thing that is looked down on is about as deep as it is tall, so that depth alone tells nothing of the former, but how
    far away level is. With the latter a mask spills onto what the thing stands on.
    """
    step = max(1, len(points) // _ENOUGH)
    sight = np.ones(len(points), np.float32) @ points / len(points)
    away = sight - (sight @ up) * up
    length = float(np.sqrt(away @ away))
    if length < _LEVEL_SIGHT * float(np.sqrt(sight @ sight)):
        return None
    away /= length
    level_m = np.stack([away, np.cross(away, up)]) @ points.T
    stray = np.zeros(len(points), np.bool_)
    low, high = _depth_range(level_m[0, ::step])
    if level_m[0].min() < low or level_m[0].max() > high:
        gap_m = _STRAY_GAP_M + _STRAY_STDS * pixel_std_m
        low, high = low - _up_to_gap_m(low - level_m[0], gap_m), high + _up_to_gap_m(level_m[0] - high, gap_m)
        stray |= (level_m[0] < low) | (level_m[0] > high)
    flat_m = float(linear_quantiles(heights_m[::step], (_FOOT_SHARE,))[0]) + _FLAT_M + pixel_std_m
    flat = np.flatnonzero(heights_m < flat_m)
    others = level_m[:, ::step].compress(heights_m[::step] >= flat_m, axis=1)
    if 0 < len(flat) < _MOST_FLAT * len(points) and others.size:
        first, last = linear_quantiles(others, (_OUTERMOST, 1 - _OUTERMOST))
        at = level_m[:, flat].T
        beyond_m = np.maximum(first - at, at - last).max(axis=1)
        if beyond_m.max() > _SPILL_M + pixel_std_m:
            stray[flat] |= beyond_m > pixel_std_m
    return stray if 0 < np.count_nonzero(stray) <= _STRAY_SHARE * len(stray) else None


def _up_to_gap_m(beyond_m: DepthArray, gap_m: float) -> float:
    """How far distances (N,) beyond an end go on, metres, until there are none for so long."""
    there = np.sort(np.append(beyond_m[beyond_m > 0], 0.0))
    gaps = np.flatnonzero(np.diff(there) > gap_m)
    return float(there[gaps[0] if len(gaps) else -1])


def _sliver_on_top(
    own: BoolArray, heights_m: DepthArray, depth_m: DepthArray, mask: BoolArray, pixel_std_m: float
) -> BoolArray | None:
    """Which of a region's own pixels (h, w), N in all, with heights (N,), are a sliver of something else; None without one.

    It lies above all others and beside something nearer: the tip of a cone has nothing nearer beside it.
    """
    import cv2

    top_m = float(linear_quantiles(heights_m, (1 - _SLIVER_SHARE,))[0])
    high: BoolArray = heights_m > top_m + _SLIVER_STDS * pixel_std_m
    if not high.any():
        return None
    image = np.zeros(own.shape, np.uint8)
    image[own] = high
    if cv2.erode(image, _SQUARE_5, borderValue=0).any():
        return None
    others = np.where(mask | np.isnan(depth_m), np.float32(np.inf), depth_m)
    nearer = cv2.erode(others, _SQUARE_9) < depth_m - max(_NEARER_STDS * pixel_std_m, _NEARER_M)
    return high if 2 * np.count_nonzero(nearer & image.view(np.bool_)) > np.count_nonzero(high) else None


def _on_rays(rays: npt.NDArray[np.float32], mask: BoolArray, z: DepthArray) -> PointArray:
    """Points (N, 3) at depths (N,) on the rays (2, h, w) of a mask's pixels."""
    points = np.empty((len(z), 3), np.float32)
    for axis in range(2):
        points[:, axis] = rays[axis][mask] * z
    points[:, 2] = z
    return points


def _rim(mask: BoolArray, own: BoolArray) -> tuple[BoolArray, npt.NDArray[np.intp]]:
    """The mask's M pixels (h, w) next to its own ones, and (M,) which of the own ones, in their order, is nearest to each."""
    import cv2

    other = ~own
    distance, names = cv2.distanceTransformWithLabels(other.view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    # Not the outermost pixels: half of each of them is something else.
    inner = cv2.erode(mask.view(np.uint8), _SQUARE_3, borderValue=0).view(np.bool_)
    rim: BoolArray = inner & other & (distance <= _RIM_PX)
    # Labels count the own pixels from 1, row by row.
    return rim, names[rim] - 1


def _own_pixels(depth_m: DepthArray, mask: BoolArray, noise: DepthNoise, focal_px: float) -> tuple[BoolArray, DepthArray]:
    """Pixels (h, w) bool whose depth agrees with the region's inside, and their smoothed depth.

    A rim pixel counts only where it continues the inside.
    """
    import cv2

    inside = cv2.erode(mask.view(np.uint8), _SQUARE_3, iterations=2, borderValue=1).view(np.bool_)
    if np.count_nonzero(inside) < 0.2 * np.count_nonzero(mask):
        inside = mask  # a sliver has no inside
    else:
        inside |= _thin_parts(depth_m, mask, inside)
    expected = smooth_in_mask(depth_m, inside, 3)
    # Depth may change by a few pixels' footprint over the window on a slanted surface.
    with np.errstate(invalid="ignore"):
        tolerance = 3 * noise.pixel_std_m(depth_m) + 4 * depth_m / focal_px
        own = mask & (np.abs(depth_m - expected) < tolerance)
    return own, smooth_in_mask(depth_m, own)


def _thin_parts(depth_m: DepthArray, mask: BoolArray, inside: BoolArray) -> BoolArray:
    """Pixels (h, w) of handles and the like, which have no inside: beyond the width of a rim, and about as deep as the rest."""
    import cv2

    # Nearly all things have none.
    thin: BoolArray = mask & (cv2.dilate(inside.view(np.uint8), _SQUARE_9) == 0)
    if not thin.any():
        return thin
    body = depth_m[inside]
    body = body[np.isfinite(body)]
    if not len(body):
        return np.zeros(mask.shape, np.bool_)
    low, high = linear_quantiles(body, (0.02, 0.98)).tolist()
    margin = (high - low) / 2
    with np.errstate(invalid="ignore"):
        thin &= (depth_m > low - margin) & (depth_m < high + margin)
    return thin


def _without_islands(mask: BoolArray) -> BoolArray:
    """The mask without scraps: pieces below a twentieth of its largest one are another thing's rim more often than its own."""
    import cv2

    count, pieces = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = np.bincount(pieces.ravel(), minlength=count)
    large = areas >= 0.05 * areas[1:].max()
    large[0] = False
    kept: BoolArray = large[pieces]
    return kept


def _depth_range(z: DepthArray) -> tuple[float, float]:
    """Depths that belong to one thing: within 4 interquartile ranges of the median."""
    low, middle, high = linear_quantiles(z, (0.25, 0.5, 0.75)).tolist()
    spread = max(high - low, 0.004)
    return middle - 4 * spread, middle + 4 * spread


def _of_one_thing(depth: DepthArray, own: BoolArray, low: float, high: float, noise: DepthNoise) -> BoolArray:
    """Pixels (h, w) whose depth is between two ends, or goes on from there without a gap.

    What shows of a thing under another may be its front and a strip beside that, which goes far back. Flying pixels go on, too,
    but are nowhere wide.
    """
    import cv2

    wide = cv2.erode(own.view(np.uint8), _SQUARE_3, borderValue=0).view(np.bool_)
    z = depth[wide]
    step = max(_GOES_ON_M, _GOES_ON_STDS * float(noise.pixel_std_m((low + high) / 2)))
    low, high = low - _on_m(low - z, step), high + _on_m(z - high, step)
    with np.errstate(invalid="ignore"):
        return np.asarray((depth >= low) & (depth <= high))


def _on_m(beyond_m: DepthArray, step_m: float) -> float:
    """How far depths (N,) go on beyond an end, metres: by as many steps as hold enough of them each."""
    counts = np.bincount((beyond_m[beyond_m > 0] / step_m).astype(np.intp))
    few = np.flatnonzero(counts < max(_GOES_ON_PIXELS, _GOES_ON_SHARE * len(beyond_m)))
    return step_m * float(few[0] if len(few) else len(counts))


def hidden_sides(frame: RGBDFrame, region: Region, robot: BoolArray | None, noise: DepthNoise) -> npt.NDArray[np.float64]:
    """(4,) share of each of a region's ``SIDES`` behind which more of it may lie: something nearer, or the image's edge.

    Left and right are judged row by row, up and down column by column, just beyond the mask.
    """
    shares: npt.NDArray[np.float64] = hidden_sides_of_all(frame, [region], robot, noise)[0]
    return shares


def hidden_sides_of_all(
    frame: RGBDFrame, regions: Sequence[Region], robot: BoolArray | None, noise: DepthNoise
) -> npt.NDArray[np.float64]:
    """(R, 4) ``hidden_sides`` of each region. All at once: most of the time for one would be the calls."""
    shares = np.zeros((len(regions), len(SIDES)))
    lines = [line for rims in (region.rims for region in regions) for line in _lines(rims)]
    counts = [len(v) for v, _ in lines]
    if not any(counts):
        return shares
    v, u = (np.concatenate([line[axis] for line in lines]) for axis in range(2))
    steps = np.repeat(np.tile(_STEPS, (len(regions), 1)), counts, axis=0)
    hidden, by_robot = _hidden_beyond(frame, v, u, steps, robot, noise)
    for place, (count, end) in enumerate(zip(counts, np.cumsum(counts).tolist(), strict=True)):
        if count:
            behind, robots = (np.count_nonzero(where[end - count : end]) / count for where in (hidden, by_robot))
            shares[divmod(place, len(SIDES))] = behind + _BY_ROBOT * robots
    return shares


def _lines(rims: Rims) -> tuple[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]], ...]:
    """(v, u) of a region's outermost pixels on each of its ``SIDES``."""
    return (rims.rows, rims.left), (rims.rows, rims.right), (rims.top, rims.columns), (rims.bottom, rims.columns)


def _at_the_rim(depths: tuple[DepthArray, DepthArray, DepthArray], at_px: tuple[int, int, int], focal_px: float) -> DepthArray:
    """Depth (N,) at a mask's rim of what lies beyond it, from depths (N,) ``at_px`` off.

    What a thing stands on comes towards the camera, too, but goes on to the foot of the thing: 1 / z is linear in the pixel, with
    a slope of at most 1 / (f h) for a plane at the distance h from the camera. A round thing in front is steeper at its side.
    """
    first, second, last = depths
    steps = np.where(np.isfinite(second), at_px[1], at_px[0]).astype(np.float32)
    near = np.where(np.isfinite(second), second, first)
    inverse, slope = 1 / near, (1 / last - 1 / near) / (at_px[2] - steps)
    continued = 1 / np.maximum(inverse - np.minimum(slope, 1 / (focal_px * _NEAREST_SUPPORT_M)) * steps, 1e-3)
    return np.where(np.isfinite(last) & (slope > 0), continued, np.fmin(first, near)).astype(np.float32)


def _hidden_beyond(
    frame: RGBDFrame,
    v: npt.NDArray[np.intp],
    u: npt.NDArray[np.intp],
    steps: npt.NDArray[np.intp],
    robot: BoolArray | None,
    noise: DepthNoise,
) -> tuple[BoolArray, BoolArray]:
    """Beyond which rim pixels (N,), in direction ``steps`` (N, 2) of (u, v), something nearer or the image's edge lies.

    And beyond which the robot lies, and nothing nearer.
    """
    height, width = frame.depth_m.shape
    depth_m, own_robot = frame.depth_m.ravel(), None if robot is None else robot.ravel()
    step_u, step_v = np.ascontiguousarray(steps.T)

    def beyond(pixels: int) -> npt.NDArray[np.intp]:
        there_v = np.minimum(np.maximum(v + pixels * step_v, 0), height - 1)
        there_u = np.minimum(np.maximum(u + pixels * step_u, 0), width - 1)
        there: npt.NDArray[np.intp] = there_v * width + there_u
        return there

    # The nearest of some pixels inside: a mask that spills over has background at its rim.
    own = np.full(len(v), np.nan, np.float32)
    for inward in (-2, -4, -6):
        own = np.fmin(own, depth_m.take(beyond(inward)))
    covered, depths = np.zeros(len(v), np.bool_), list[DepthArray]()
    for outward in (*_BEYOND_PX, *_BEYOND_HOLE_PX):
        there = beyond(outward)
        depths.append(depth_m.take(there))
        if own_robot is not None and outward < _BEYOND_PX[-1]:
            covered |= own_robot.take(there)
    focal_px, (near_hole, far_hole) = frame.camera.fx, _BEYOND_HOLE_PX
    edge_v, edge_u = v + 2 * step_v, u + 2 * step_u
    outside = (edge_v < 0) | (edge_v >= height) | (edge_u < 0) | (edge_u >= width)
    with np.errstate(invalid="ignore"):
        # Half a centimetre: less is the relief of one surface.
        first, second, last, over, farther = depths
        rim = _at_the_rim((first, second, last), _BEYOND_PX, focal_px)
        is_hole = np.isnan(first) & np.isnan(second) & np.isnan(last)
        rim[is_hole] = _at_the_rim((over, over, farther), (near_hole, near_hole, far_hole), focal_px)[is_hole]
        nearer = rim < own - np.maximum(3 * noise.pixel_std_m(own), 0.005)
    hidden: BoolArray = nearer | outside
    return hidden, covered & ~hidden
