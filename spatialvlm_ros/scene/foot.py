"""Whether the foot of a thing shows: what the pixels right below its mask tell.

Nothing floats. Where the table is seen all along the lower rim of a thing, it stands there, or on something that it hides: but
its lowest visible points may be centimetres up, because its underside curves away (a ball, a can on its side) or because the
camera looks down on it. A thing that is held is in the air for real.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
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


def down_in_image(centre: FloatArray, canonical: Canonical | None) -> FloatArray:
    """(2,) unit vector (u, v) of -up at a point (3,) of the optical frame; the image's own down where up is not known."""
    if canonical is None:
        return np.array([0.0, 1.0])
    ray = centre / centre[2]
    down = -(canonical.up[:2] - ray[:2] * canonical.up[2])
    length = float(np.linalg.norm(down))
    return down / length if length > 1e-6 else np.array([0.0, 1.0])


def looked_down_on_rad(centre: FloatArray, up: FloatArray) -> float:
    """How steeply the camera looks down on a point (3,): 0 from the side, pi / 2 from straight above."""
    return math.asin(float(np.clip(-up @ centre / np.linalg.norm(centre), -1.0, 1.0)))


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
        there_v, there_u = (np.round(at + pixels * step).astype(np.intp) for at, step in ((v, down[1]), (u, down[0])))
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
    """

    height_m: float
    std_m: float
    share: float
    drop_m: float


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
    v, u = lower_rim(region, down)
    found = np.full(len(v), np.nan)
    for pixels in _BELOW_PX[1:]:
        missing = np.flatnonzero(~np.isfinite(found))
        found[missing] = _heights_at(frame, v[missing], u[missing], pixels * down, plane)
    pixel_std_m = float(noise.pixel_std_m(distance_m))
    known = found[np.isfinite(found)]
    seen = known[known > -max(_FLAT_M, 3 * pixel_std_m)]
    # Beyond an edge a few pixels at either end of the rim still meet the table: they say nothing of the rest.
    if not len(seen) or 2 * len(seen) <= len(known):
        return _NOTHING
    height = float(np.median(seen))
    # Heights err by less than depth does, and the more so the steeper the camera looks down.
    is_flat = np.abs(seen - height) < max(_FLAT_M, 2 * pixel_std_m)
    slope = float(np.abs(frame.camera.rays[v, u] @ plane[:2] + plane[2]).mean())
    # A median errs by 1.25 standard deviations over the root of the number, and by half of what small blocks share (see
    # ``noise_on_plane``): a rim is some of them long.
    std = math.hypot(_PLANE_STD_M, pixel_std_m * slope * math.hypot(noise.shared / 2, 1.25 / math.sqrt(len(seen))))
    near, far = (_heights_at(frame, v, u, -pixels * down, plane) for pixels in _INSIDE_PX)
    # A line through two points of the thing's face, to the end of its mask.
    ends = near - (far - near) * _INSIDE_PX[0] / (_INSIDE_PX[1] - _INSIDE_PX[0])
    ends = ends[np.isfinite(ends)]
    drop = float(np.median(ends)) - height if len(ends) else math.nan
    if height < max(_THIN_M, _THIN_STDS * std):
        # The table, for all that is known: what lies on it as thin as that counts as its error.
        return Below(0.0, math.hypot(std, max(height, 0.0)), float(np.count_nonzero(is_flat) / len(v)), drop + height)
    return Below(height, std, float(np.count_nonzero(is_flat) / len(v)), drop)


def _heights_at(frame: RGBDFrame, v: Pixels, u: Pixels, offset: FloatArray, plane: FloatArray) -> FloatArray:
    """(N,) heights of pixels ``offset`` (2,) of (u, v) beside some others, metres; NaN without depth and outside the image."""
    there_v, there_u = np.round(v + offset[1]).astype(np.intp), np.round(u + offset[0]).astype(np.intp)
    inside = (there_v >= 0) & (there_v < frame.depth_m.shape[0]) & (there_u >= 0) & (there_u < frame.depth_m.shape[1])
    found = np.full(len(v), np.nan)
    found[inside] = heights(frame, there_v[inside], there_u[inside], plane)
    return found


def heights(frame: RGBDFrame, v: Pixels, u: Pixels, plane: FloatArray) -> FloatArray:
    """(N,) heights of pixels above the plane, metres; NaN without depth."""
    slope = frame.camera.rays[v, u] @ plane[:2] + plane[2]
    return np.asarray(slope * frame.depth_m[v, u] + plane[3], dtype=np.float64)


def lower_rim(region: Region, down: FloatArray) -> tuple[Pixels, Pixels]:
    """(v, u) of the mask's pixels beyond which, straight down, it ends for good: one for each line across."""
    import cv2

    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1]
    if not mask.size:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    # Inside of a mask the next pixel down is its own, on one of the two lines that pass it.
    rim = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) == 0)
    v, u = np.nonzero(rim)
    along = u * down[0] + v * down[1]
    across = np.round(u * -down[1] + v * down[0]).astype(np.intp)
    order = np.lexsort((along, across))
    last = order[np.flatnonzero(np.diff(across[order], append=across.max(initial=0) + 1))]
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
    size = 2 * _AT_ROBOT_PX + 1
    grown = cv2.dilate(region.mask[window].astype(np.uint8), np.ones((size, size), np.uint8))
    return bool((near & (grown > 0)).any())
