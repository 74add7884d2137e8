"""How much of a region's rim its thing seems to go on beyond: what stands up there at its own depth, of its colour or of any.

A thing that was cut in parts goes on in the next one, and two things that touch may have been parted in the wrong place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .foot import heights
from .frame import Region, RGBDFrame

# The ring around a mask that is looked at, in pixels from it: past the rim that belongs to neither.
_FROM_PX, _TO_PX = 2, 5
# What a pixel of the ring is held against: the region's own pixels in a window of this half side.
_OWN_PX = 7
# It goes on at its depth within this, or so many standard deviations of a pixel; and stands up by as much above the support.
_NEAR_M, _UP_M, _STDS = 0.010, 0.008, 3.0
# Colours are the same when a and b of CIE L*a*b* (8 bit) differ by less; shade also fades them, so that hue alone is enough where
# both have one: within this angle.
_SAME, _HAS_HUE, _HUE_RAD = 8.0, 8.0, 0.3


def continued(frame: RGBDFrame, region: Region, plane: FloatArray, pixel_std_m: float) -> tuple[float, float]:
    """Share of the ring around a region where something continues it, of any colour, and of its own.

    Args:
        plane: (4,) n, d of the support plane in the optical frame, n up, metres; NaN for none, and nothing is known then.
        pixel_std_m: standard deviation of one pixel's depth at the thing.
    """
    import cv2

    u0, v0, u1, v1 = region.box
    top, left = max(v0 - _TO_PX, 0), max(u0 - _TO_PX, 0)
    window = (slice(top, v1 + _TO_PX), slice(left, u1 + _TO_PX))
    mask, depth_m = region.mask[window].astype(np.uint8), frame.depth_m[window]
    if not mask.any() or not np.isfinite(plane).all():
        return 0.0, 0.0
    outer, inner = (cv2.dilate(mask, np.ones((2 * px + 1, 2 * px + 1), np.uint8)) for px in (_TO_PX, _FROM_PX))
    ring = outer > inner
    number = int(np.count_nonzero(ring))
    v, u = np.nonzero(ring & np.isfinite(depth_m))
    if not len(v):
        return 0.0, 0.0
    own = ((mask > 0) & np.isfinite(depth_m)).astype(np.float32)
    chroma = cv2.cvtColor(np.ascontiguousarray(frame.color[window]), cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32) - 128
    count = np.maximum(_sums(own)[v, u], 1e-3)
    own_depth = _sums(np.where(own > 0, depth_m, 0).astype(np.float32))[v, u] / count
    own_chroma = np.stack([_sums(chroma[..., i] * own)[v, u] / count for i in range(2)], axis=1)
    up = heights(frame, v + top, u + left, plane) > max(_UP_M, _STDS * pixel_std_m)
    on = up & (np.abs(depth_m[v, u] - own_depth) < max(_NEAR_M, _STDS * pixel_std_m))
    same = on & _same_colour(chroma[v, u], own_chroma)
    return float(np.count_nonzero(on)) / number, float(np.count_nonzero(same)) / number


def _sums(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(H, W) sums over the window around each pixel."""
    import cv2

    side = 2 * _OWN_PX + 1
    return np.asarray(cv2.boxFilter(image, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32)


def _same_colour(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """(N,) whether a and b (N, 2) of two colours are the same, or of one hue."""
    strong = np.minimum(np.hypot(first[:, 0], first[:, 1]), np.hypot(second[:, 0], second[:, 1])) > _HAS_HUE
    turned = np.abs(np.arctan2(first[:, 1], first[:, 0]) - np.arctan2(second[:, 1], second[:, 0]))
    near = np.minimum(turned, 2 * np.pi - turned) < _HUE_RAD
    apart = first - second
    return np.asarray((np.hypot(apart[:, 0], apart[:, 1]) < _SAME) | (strong & near))
