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
_FROM, _TO = (np.ones((2 * px + 1, 2 * px + 1), np.uint8) for px in (_FROM_PX, _TO_PX))
_OWN = (2 * _OWN_PX + 1, 2 * _OWN_PX + 1)
FloatMap = npt.NDArray[np.float32]


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
    mask, depth_m = region.mask[window], frame.depth_m[window]
    if v1 <= v0 or not np.isfinite(plane).all():
        return 0.0, 0.0
    outer, inner = (cv2.dilate(mask.view(np.uint8), kernel) for kernel in (_TO, _FROM))
    ring, valid = outer > inner, np.isfinite(depth_m)
    number = int(np.count_nonzero(ring))
    place = np.flatnonzero(ring & valid)
    if not len(place):
        return 0.0, 0.0
    own = (mask & valid).astype(np.float32)
    _, first, second = cv2.split(cv2.cvtColor(np.ascontiguousarray(frame.color[window]), cv2.COLOR_RGB2LAB))
    chroma = [channel.astype(np.float32) - 128 for channel in (first, second)]
    # Sums over the window around each pixel, of all at once.
    own_depth = np.where(own > 0, depth_m, np.float32(0.0))
    summed = cv2.merge([own, own_depth, *(channel * own for channel in chroma)])
    around = cv2.boxFilter(summed, -1, _OWN, normalize=False, borderType=cv2.BORDER_CONSTANT)
    count, own_depth, *own_chroma = around.reshape(-1, 4).take(place, axis=0).T
    count = np.maximum(count, np.float32(1e-3))
    v, u = np.divmod(place, depth_m.shape[1])
    up = heights(frame, v + top, u + left, plane) > max(_UP_M, _STDS * pixel_std_m)
    on = up & (np.abs(depth_m.ravel().take(place) - own_depth / count) < max(_NEAR_M, _STDS * pixel_std_m))
    there = [channel.ravel().take(place) for channel in chroma]
    same = on & _same_colour(there[0], there[1], own_chroma[0] / count, own_chroma[1] / count)
    return float(np.count_nonzero(on)) / number, float(np.count_nonzero(same)) / number


def _same_colour(a: FloatMap, b: FloatMap, other_a: FloatMap, other_b: FloatMap) -> npt.NDArray[np.bool_]:
    """(N,) whether a and b (N,) of two colours are the same, or of one hue."""
    strong = np.minimum(np.hypot(a, b), np.hypot(other_a, other_b)) > _HAS_HUE
    turned = np.abs(np.arctan2(b, a) - np.arctan2(other_b, other_a))
    near = np.minimum(turned, 2 * np.pi - turned) < _HUE_RAD
    return np.asarray((np.hypot(a - other_a, b - other_b) < _SAME) | (strong & near))
