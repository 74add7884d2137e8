"""Outlines drawn in to where colour ends, for cameras whose depth makes near things swell.

A stereo camera matches windows: a window whose middle lies beside a near thing still sees that thing, and gets its depth, so that
outlines lie half a window too far out ("foreground fattening": Scharstein and Szeliski 2002, "A taxonomy and evaluation of dense
two-frame stereo correspondence algorithms"). Colour does not swell. How far the strongest colour edges lie within the outlines of
an image's things, on average over all of them, is by how much they did; prints and shadows lie anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import DepthNoise

# How far on either side of an outline colour edges are looked for, pixels; so few rows of outlines tell nothing.
_REACH_PX, _FEW = 6, 100
# Rows of outlines that are looked at: more take longer and tell no more.
_SOME = 400
# A step of colour counts up to this, 8-bit red, green and blue together: no edge in black and white is to outvote the others.
_MOST_STEP = 120.0
# A mean step has to be so many times the median one along the profile to be an edge.
_CLEAR = 1.5
# Less is within what the raster and the edges of other cameras do, and more than half of a usual matching window is no swelling.
_LEAST_PX, _MOST_PX = 1.0, 3
# What is next to a thing lies behind it from this much on, metres and standard deviations of a pixel's depth.
_BEHIND_M, _BEHIND_STDS = 0.01, 3.0
# A thing of which less would be left keeps its outline.
_LEFT_SHARE = 0.3


class Swelling(NamedTuple):
    """By how many pixels outlines lie too far out to the left, to the right, and up and down."""

    left: int
    right: int
    upright: int


def swollen_px(color: npt.NDArray[np.uint8], regions: Sequence[Region]) -> tuple[float, float]:
    """By how many pixels the left and the right outlines of regions lie beyond the colour edges of an image (H, W, 3); NaN where
    none shows.

    Their mean is by how much depth swelled: a colour image that is off to one side, or was taken from another place, moves one
    side out and the other one in. Up and down nothing tells the two apart, for where things stand depth has no edge.
    """
    return _beyond_px(color, regions, right=False), _beyond_px(color, regions, right=True)


def _beyond_px(color: npt.NDArray[np.uint8], regions: Sequence[Region], right: bool) -> float:
    """By how many pixels their left or right sides lie beyond the strongest colour edge there; NaN where there is none."""
    rims = [region.rims for region in regions]
    if not rims:
        return float("nan")
    row = np.concatenate([rim.rows for rim in rims])
    end = np.concatenate([rim.right if right else rim.left for rim in rims])
    some = np.flatnonzero((end > _REACH_PX) & (end < color.shape[1] - _REACH_PX - 1))
    some = some[:: max(1, len(some) // _SOME)]
    if len(some) < _FEW:
        return float("nan")
    along = end[some, None] + (1 if right else -1) * np.arange(-_REACH_PX, _REACH_PX + 2)
    across = color[row[some, None], along].astype(np.float32)
    step = np.minimum(np.abs(np.diff(across, axis=1)).sum(axis=2), _MOST_STEP).mean(axis=0)
    peak = int(np.argmax(step[1:-1])) + 1
    if step[peak] < _CLEAR * float(np.median(step)):
        return float("nan")
    # The vertex of the parabola through the peak and its neighbours.
    before, at, after = (float(value) for value in step[peak - 1 : peak + 2])
    curve = before - 2 * at + after
    return _REACH_PX - peak - ((before - after) / (2 * curve) if curve < 0 else 0.0)


def swelling_of(color: npt.NDArray[np.uint8], regions: Sequence[Region]) -> Swelling | None:
    """By how many whole pixels depth swelled beyond the colours of an image (H, W, 3); None where nothing shows that it did."""
    left, right = swollen_px(color, regions)
    if not left + right >= 2 * _LEAST_PX:
        return None
    # On the side of its other eye a stereo camera has no depth beside a thing, and there hardly anything swells.
    return Swelling(_whole(left), _whole(right), _whole((left + right) / 2))


def drawn_in(frame: RGBDFrame, regions: Sequence[Region], noise: DepthNoise, swelling: Swelling) -> list[Region]:
    """The regions without the pixels that swollen depth gave them.

    Only pixels beside something farther go: where a thing stands on the table, or beside a nearer one, it did not swell.
    """
    return [_within(frame, region, noise, swelling) for region in regions]


def _whole(beyond_px: float) -> int:
    return min(max(round(beyond_px), 0), _MOST_PX)


def _within(frame: RGBDFrame, region: Region, noise: DepthNoise, swelling: Swelling) -> Region:
    """A region without its pixels that are so near to what is behind it, or to nothing."""
    import cv2

    (height, width), (u0, v0, u1, v1), (left, right, upright) = region.mask.shape, region.box, swelling
    window = (
        slice(max(v0 - upright, 0), min(v1 + upright, height)),
        slice(max(u0 - left, 0), min(u1 + right, width)),
    )
    own, depth_m = region.mask[window], frame.depth_m[window]
    far_m = np.where(own, np.float32(0.0), np.where(np.isfinite(depth_m), depth_m, np.float32(np.inf)))
    around = np.ones((2 * upright + 1, left + right + 1), np.uint8)
    farthest = cv2.dilate(far_m, around, anchor=(left, upright), borderType=cv2.BORDER_CONSTANT, borderValue=0.0)
    with np.errstate(invalid="ignore"):
        behind = farthest > depth_m + np.maximum(_BEHIND_M, _BEHIND_STDS * noise.pixel_std_m(depth_m))
    kept: BoolArray = own & ~behind
    if np.count_nonzero(kept) < _LEFT_SHARE * np.count_nonzero(own):
        return region
    mask = np.zeros_like(region.mask)
    mask[window] = kept
    return replace(region, mask=mask)
