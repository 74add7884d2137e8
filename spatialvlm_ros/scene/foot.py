"""Whether the foot of a thing shows: what the pixels right below its mask tell.

Nothing floats. Where the table is seen all along the lower rim of a thing, it stands there, or on something that it hides: but
its lowest visible points may be centimetres up, because its underside curves away (a ball, a can on its side) or because the
camera looks down on it. A thing that is held is in the air for real.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.quantiles import middle
from ..geometry.rigid import FloatArray, norm
from .frame import BoolArray, Region, RGBDFrame
from .noise import DepthNoise
from .scene import Canonical

Pixels = npt.NDArray[np.intp]
# Below a mask the table is looked for so many pixels on: past the rim that a sensor mixes or leaves empty.
_BELOW_PX = (2, 4, 6, 8)
# A pixel this near the plane lies on it; more where the sensor is noisier.
_FLAT_M = 0.01
# The end of a thing's face is told from so many pixels inside of its mask.
_INSIDE_PX = (2, 6)
# How well the plane is known at a thing; what is lower than both of these is no surface of its own.
_PLANE_STD_M, _THIN_M, _THIN_STDS = 0.0007, 0.004, 3.0
# The robot is at a thing when it is this near to its mask.
_AT_ROBOT_PX = 5
_SQUARE_3, _NEAR_ROBOT = np.ones((3, 3), np.uint8), np.ones((2 * _AT_ROBOT_PX + 1,) * 2, np.uint8)


def down_in_image(centre: FloatArray, canonical: Canonical | None) -> FloatArray:
    """(2,) unit vector (u, v) of -up at a point (3,) of the optical frame; the image's own down where up is not known."""
    if canonical is None:
        return np.array([0.0, 1.0])
    ray = centre / centre[2]
    down = -(canonical.up[:2] - ray[:2] * canonical.up[2])
    length = norm(down)
    return down / length if length > 1e-6 else np.array([0.0, 1.0])


def looked_down_on_rad(centre: FloatArray, up: FloatArray) -> float:
    """How steeply the camera looks down on a point (3,): 0 from the side, pi / 2 from straight above."""
    return math.asin(min(max(float(-up @ centre) / norm(centre), -1.0), 1.0))


def table_below(
    frame: RGBDFrame, region: Region, down: FloatArray, plane: FloatArray, noise: DepthNoise, rim_below_m: float = math.inf
) -> float:
    """Share of a mask's lower rim right below which the plane is seen.

    Args:
        down: (2,) as ``down_in_image`` gives it.
        plane: (4,) n, d, n up, metres.
        rim_below_m: leave out what of the rim is seen to be this high above the plane.
    """
    v, u = lower_rim(region, down)
    if not len(v):
        return 0.0
    table = np.zeros(len(v), np.bool_)
    for pixels in _BELOW_PX:
        there_v, there_u = (np.rint(at + pixels * step).astype(np.intp) for at, step in ((v, down[1]), (u, down[0])))
        inside = (there_v >= 0) & (there_v < region.mask.shape[0]) & (there_u >= 0) & (there_u < region.mask.shape[1])
        there_v, there_u = there_v[inside], there_u[inside]
        flat = np.maximum(_FLAT_M, 3 * noise.pixel_std_m(frame.depth_m[there_v, there_u]))
        with np.errstate(invalid="ignore"):
            table[inside] |= np.abs(heights(frame, there_v, there_u, plane)) < flat
    if math.isfinite(rim_below_m):
        with np.errstate(invalid="ignore"):
            # Without depth a rim is no proof that the thing ends where its box does.
            table &= ~(heights(frame, v, u, plane) >= rim_below_m)
    return float(table.mean())


class Below(NamedTuple):
    """What is seen right below a thing's lower rim.

    Attributes:
        height_m: of the surface there above the plane, 0 for the table; NaN where nothing that may carry a thing is seen.
        std_m: one standard deviation of it.
        share: of the rim that shows it.
        drop_m: how much higher than the surface the rim itself ends; NaN where either is not seen.
        sheet_m: how high a surface is seen above the plane that passes for the table all the same, being as thin as errors are.
    """

    height_m: float
    std_m: float
    share: float
    drop_m: float
    sheet_m: float = 0.0


_NOTHING = Below(math.nan, math.nan, 0.0, math.nan)


def surface_below(
    frame: RGBDFrame, region: Region, down: FloatArray, plane: FloatArray, noise: DepthNoise, distance_m: float
) -> Below:
    """What is seen right below a mask's lower rim.

    The table is 0 high; another thing's top that the thing stands on is as high as that is. What lies under the plane (the floor
    beyond the table's edge) carries nothing, and counts as nothing seen.

    Args:
        down, plane: as ``table_below`` takes them.
        distance_m: of the thing, which tells how noisy the sensor is there.
    """
    return surfaces_below(frame, [region], [down], plane, noise, [distance_m])[0]


def surfaces_below(
    frame: RGBDFrame,
    regions: Sequence[Region],
    downs: Sequence[FloatArray],
    plane: FloatArray,
    noise: DepthNoise,
    distances_m: Sequence[float],
) -> list[Below]:
    """``surface_below`` of each region, all at once: most of the time for one would be the calls."""
    rims = [lower_rim(region, down) for region, down in zip(regions, downs, strict=True)]
    counts = [len(v) for v, _ in rims]
    if not any(counts):
        return [_NOTHING] * len(rims)
    v, u = (np.concatenate([rim[axis] for rim in rims]) for axis in range(2))
    down = np.repeat(np.stack(downs), counts, axis=0).T
    found = _heights_at(frame, v, u, _BELOW_PX[1] * down, plane)
    for pixels in _BELOW_PX[2:]:
        missing = np.flatnonzero(~np.isfinite(found))
        found[missing] = _heights_at(frame, v[missing], u[missing], pixels * down[:, missing], plane)
    near, far = (_heights_at(frame, v, u, -pixels * down, plane) for pixels in _INSIDE_PX)
    # A line through two points of the thing's face, to the end of its mask.
    ends = near - (far - near) * _INSIDE_PX[0] / (_INSIDE_PX[1] - _INSIDE_PX[0])
    slope = np.abs(frame.camera.rays.reshape(-1, 2).take(v * frame.depth_m.shape[1] + u, axis=0) @ plane[:2] + plane[2])
    parts = [slice(end - count, end) for count, end in zip(counts, np.cumsum(counts).tolist(), strict=True)]
    return [
        _below(found[part], ends[part], slope[part], noise, float(noise.pixel_std_m(distance_m)))
        for part, distance_m in zip(parts, distances_m, strict=True)
    ]


def _below(found: FloatArray, ends: FloatArray, slope: FloatArray, noise: DepthNoise, pixel_std_m: float) -> Below:
    """What is seen below a rim of which each pixel (N,) shows a height, ends at one, and is seen so steeply."""
    known = found[np.isfinite(found)]
    seen = known[known > -max(_FLAT_M, 3 * pixel_std_m)]
    # Beyond an edge a few pixels at either end of the rim still meet the table: they say nothing of the rest.
    if not len(seen) or 2 * len(seen) <= len(known):
        return _NOTHING
    height = float(middle(seen))
    # Heights err by less than depth does, and the more so the steeper the camera looks down.
    flat = np.count_nonzero(np.abs(seen - height) < max(_FLAT_M, 2 * pixel_std_m)) / len(found)
    # A median errs by 1.25 standard deviations over the root of the number, and by half of what small blocks share (see
    # ``noise_on_plane``): a rim is some of them long.
    shared = math.hypot(noise.shared / 2, 1.25 / math.sqrt(len(seen)))
    std = math.hypot(_PLANE_STD_M, pixel_std_m * float(slope.mean()) * shared)
    ends = ends[np.isfinite(ends)]
    drop = float(middle(ends)) - height if len(ends) else math.nan
    if height < max(_THIN_M, _THIN_STDS * std):
        # The table, for all that is known: what lies on it as thin as that counts as its error.
        sheet_m = max(height, 0.0)
        return Below(0.0, math.hypot(std, sheet_m), flat, drop + height, sheet_m)
    return Below(height, std, flat, drop)


def _heights_at(frame: RGBDFrame, v: Pixels, u: Pixels, offset: FloatArray, plane: FloatArray) -> FloatArray:
    """(N,) heights of pixels ``offset`` (2, N) of (u, v) beside some others, metres; NaN without depth and outside the image."""
    there_v, there_u = np.rint(v + offset[1]).astype(np.intp), np.rint(u + offset[0]).astype(np.intp)
    inside = (there_v >= 0) & (there_v < frame.depth_m.shape[0]) & (there_u >= 0) & (there_u < frame.depth_m.shape[1])
    if inside.all():
        return heights(frame, there_v, there_u, plane)
    found = np.full(len(v), np.nan)
    found[inside] = heights(frame, there_v[inside], there_u[inside], plane)
    return found


def heights(frame: RGBDFrame, v: Pixels, u: Pixels, plane: FloatArray) -> FloatArray:
    """(N,) heights of pixels above the plane, metres; NaN without depth."""
    index = v * frame.depth_m.shape[1] + u
    slope = frame.camera.rays.reshape(-1, 2).take(index, axis=0) @ plane[:2] + plane[2]
    return np.asarray(slope * frame.depth_m.ravel().take(index) + plane[3], dtype=np.float64)


def lower_rim(region: Region, down: FloatArray) -> tuple[Pixels, Pixels]:
    """(v, u) of the mask's pixels beyond which, straight down, it ends for good: one for each line across."""
    import cv2

    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1].view(np.uint8)
    if not mask.size:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    # Inside of a mask the next pixel down is its own, on one of the two lines that pass it.
    rim = np.flatnonzero(mask > cv2.erode(mask, _SQUARE_3, borderValue=0))
    v, u = np.divmod(rim, u1 - u0)
    along = u * down[0] + v * down[1]
    across = np.rint(u * -down[1] + v * down[0]).astype(np.intp)
    across -= across.min()
    # What is written last stays: the one that is farthest down.
    order = np.argsort(along, kind="stable")
    last = np.full(int(across.max()) + 1, -1)
    last[across[order]] = order
    last = last[last >= 0]
    return v[last] + v0, u[last] + u0


def is_at_robot(region: Region, robot: BoolArray | None) -> bool:
    """Whether pixels of the robot lie beside a region: it may hold the thing."""
    if robot is None:
        return False
    import cv2

    u0, v0, u1, v1 = region.box
    window = (slice(max(v0 - _AT_ROBOT_PX, 0), v1 + _AT_ROBOT_PX), slice(max(u0 - _AT_ROBOT_PX, 0), u1 + _AT_ROBOT_PX))
    near = robot[window]
    if not near.any():
        return False
    grown = cv2.dilate(region.mask[window].view(np.uint8), _NEAR_ROBOT)
    return bool((near & (grown > 0)).any())
