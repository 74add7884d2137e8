"""Things that are open towards a plane's free side: cups, bowls, tubs, rolls.

What is open stands with its opening up, so that a plane below several of these is no wall. Seen from above, the opening is a
piece of the image that lies lower than all that is around it, and the rim around it is level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray, Plane

FloatMap = npt.NDArray[np.float32]
# Image pixels around an opening that show its rim.
_RIM_PX = 2
_RIM = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)


@dataclass(frozen=True)
class VesselConfig:
    """What counts as a vessel. Lengths in metres.

    Attributes:
        levels_m: heights above the plane at which openings are looked for.
        least_px: an opening with fewer pixels of the grid is noise.
        least_depth_m: from the level down to most of the inside,
        depth_sigmas: ... and in standard deviations of one point's height.
        max_size_m: a larger opening lies between things, or is a niche.
        rim_m: the rim is at most this far above the level,
        rim_share: ... along this share of the opening.
    """

    levels_m: tuple[float, ...] = (0.125, 0.1, 0.08, 0.06, 0.045, 0.03, 0.02)
    least_px: int = 12
    least_depth_m: float = 0.012
    depth_sigmas: float = 4.0
    max_size_m: float = 0.16
    rim_m: float = 0.025
    rim_share: float = 0.7


def has_vessel(plane: Plane, xyz: FloatMap, std_m: FloatMap, config: VesselConfig) -> bool:
    """Whether a vessel stands on a plane and opens away from it.

    Args:
        xyz: (h, w, 3) points, metres, NaN where there is none.
        std_m: (h, w) of their depth.
    """
    import cv2

    height = np.asarray(plane.height(xyz), dtype=np.float32)
    rows, columns = height.shape
    for level in config.levels_m:
        with np.errstate(invalid="ignore"):
            # Where the sensor sees nothing, it is as likely the rim as the inside.
            low = (height <= level).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(low, connectivity=4)
        left, top, wide, high, area = stats.T
        enclosed = (left >= _RIM_PX) & (top >= _RIM_PX) & (left + wide <= columns - _RIM_PX) & (top + high <= rows - _RIM_PX)
        enclosed[0] = False
        for name in np.flatnonzero(enclosed & (area >= config.least_px)):
            window = (
                slice(top[name] - _RIM_PX, top[name] + high[name] + _RIM_PX),
                slice(left[name] - _RIM_PX, left[name] + wide[name] + _RIM_PX),
            )
            own = labels[window] == name
            if _is_opening(plane, xyz[window], height[window], std_m[window], own, level, config):
                return True
    return False


def _is_opening(
    plane: Plane, xyz: FloatMap, height: FloatMap, std_m: FloatMap, own: BoolArray, level_m: float, config: VesselConfig
) -> bool:
    """Whether the pixels ``own`` (h, w), which lie below a level and are enclosed by what does not, are a vessel's inside."""
    import cv2

    size = np.ptp(xyz[own] @ plane.basis().T, axis=0).max()
    if size > config.max_size_m:
        return False
    slope = np.abs(xyz[own] @ plane.normal) / xyz[own][:, 2]
    least = max(config.least_depth_m, config.depth_sigmas * float(np.median(std_m[own] * slope)))
    if level_m - float(np.quantile(height[own], 0.25)) <= least:
        return False
    rim = height[(cv2.dilate(own.astype(np.uint8), _RIM) > 0) & ~own]
    rim = rim[np.isfinite(rim)]
    return len(rim) >= config.least_px and float(np.mean(rim < level_m + config.rim_m)) > config.rim_share
