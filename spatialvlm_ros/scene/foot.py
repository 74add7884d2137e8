"""Whether the foot of a thing shows: what the pixels right below its mask tell.

Nothing floats. Where the table is seen all along the lower rim of a thing, it stands there, or on something that it hides: but
its lowest visible points may be centimetres up, because its underside curves away (a ball, a can on its side) or because the
camera looks down on it. A thing that is held is in the air for real.
"""

from __future__ import annotations

import math

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


def surface_below(
    frame: RGBDFrame, region: Region, down: FloatArray, plane: FloatArray, noise: DepthNoise, distance_m: float
) -> tuple[float, float]:
    """What is seen right below a mask's lower rim: its height above the plane, metres, and the share of the rim that shows it.

    NaN and 0 where nothing is. The table is 0 high; another thing's top that the thing stands on is as high as that is. What lies
    under the plane (the floor beyond the table's edge) carries nothing, and counts as nothing seen.

    Args:
        down, plane: as ``table_below`` takes them.
        distance_m: of the thing, which tells how noisy the sensor is there.
    """
    v, u = lower_rim(region, down)
    found = np.full(len(v), np.nan)
    for pixels in _BELOW_PX[1:]:
        there_v, there_u = (np.round(at + pixels * step).astype(np.intp) for at, step in ((v, down[1]), (u, down[0])))
        missing = ~np.isfinite(found) & (there_v >= 0) & (there_v < region.mask.shape[0])
        missing &= (there_u >= 0) & (there_u < region.mask.shape[1])
        found[missing] = heights(frame, there_v[missing], there_u[missing], plane)
    pixel_std_m = float(noise.pixel_std_m(distance_m))
    known = found[np.isfinite(found)]
    seen = known[known > -max(_FLAT_M, 3 * pixel_std_m)]
    # Beyond an edge a few pixels at either end of the rim still meet the table: they say nothing of the rest.
    if 2 * len(seen) <= len(known):
        return float("nan"), 0.0
    height = float(np.median(seen))
    # Heights err by less than depth does, and the more so the steeper the camera looks down.
    is_flat = np.abs(seen - height) < max(_FLAT_M, 2 * pixel_std_m)
    return (0.0 if height < _FLAT_M else height), float(np.count_nonzero(is_flat) / len(v))


def heights(frame: RGBDFrame, v: Pixels, u: Pixels, plane: FloatArray) -> FloatArray:
    """(N,) heights of pixels above the plane, metres; NaN without depth."""
    slope = frame.camera.rays[v, u] @ plane[:2] + plane[2]
    return np.asarray(slope * frame.depth_m[v, u] + plane[3], dtype=np.float64)


def lower_rim(region: Region, down: FloatArray) -> tuple[Pixels, Pixels]:
    """(v, u) of the mask's pixels beyond which, straight down, it ends for good: one for each line across."""
    u0, v0, u1, v1 = region.box
    v, u = np.nonzero(region.mask[v0:v1, u0:u1])
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
