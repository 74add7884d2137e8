"""Things on an image that shows nothing for them to stand on: in a shelf's bin of bare metal, whose bottom has no depth.

Where there is no support plane, ``tabletop.py`` says so and finds nothing: it takes for a thing what stands above the plane. Here
the same learnt judgement of pieces of surface (``joints.py``) works on the whole image, and of the surfaces that come of it those
are things that stand out: beside them, at their left, right and upper rim, is mostly seen what is farther away. The walls and the
back of a bin do not stand out.

Never changes: how far a thing goes is what its rim shows. Where depth beside it has a hole the thing may go on, and below may be
its own reflection: ``Ends`` tells how far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import DepthNoise
from .colors import COLORS, color_words_of, white_point
from .grid import Grid, Surface, make_grid, quantiles
from .joints import joined_things
from .masks import full_resolution_masks
from .tabletop import TabletopConfig
from .tints import split_by_color

SOURCE = "unsupported"
# Where there is no plane the judgement gets one that lies below everything in the image.
_BELOW_M = 0.05
# ... and heights above it that things on a table have: the judgement learnt from such, and takes what is far above for a wall.
_TALLEST_M = 0.3
_IMAGE_UP = np.array([0.0, -1.0, 0.0])
# A surface is looked at from this share of the image's pixels on, and a thing fills its outline at least so much.
_LEAST_SHARE, _LEAST_FILL = 1.5e-3, 0.62
# Beyond a rim, in shares of the image's width: the mixed pixels that are passed over, and how far the next depth may lie.
_MIXED, _REACH = 0.005, 0.075
# So many pixels with depth tell how far away it is beyond the rim. It is farther or nearer from such a step on.
_BEYOND_COUNT, _STEP_M = 5, 0.015
# A thing shows so much of what is farther beyond its left, right and upper rim, on average, and so much at two of them.
_STANDS_OUT, _AT_TWO = 0.27, 0.12
# A colour word is true of a pixel from so much on, and a patch of it rivals a thing's from this share of its pixels on.
_SURE, _RIVAL = 0.5, 0.25
# Shares of the width of the image: within which a patch adjoins a thing, and how far grain reaches.
_ADJOINS, _GRAIN = 0.012, 0.006
#: The sides of an image, left, right, up and down, as steps (v, u).
STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))


@dataclass(frozen=True)
class Ends:
    """How a thing's rim shows where it ends, by side: left, right, up, down in the image.

    Attributes:
        farther, nearer: (4,) share of the side's rim beyond which the next depth is farther or nearer by a clear step.
        hole_m: (4,) how far from the rim the next depth is, in the middle of all places, metres at the thing's depth.
        depth_m: how far away the thing's rim is, metres.
    """

    farther: FloatArray
    nearer: FloatArray
    hole_m: FloatArray
    depth_m: float


def find_unsupported(frame: RGBDFrame, config: TabletopConfig) -> list[Region]:
    """What stands out on an image without a support plane, nearest first: the same whether anybody knows which way is up."""
    grid = make_grid(frame, None, config.max_distance_m, config.work_width_px)
    if not grid.valid.any():
        return []
    surface = _all_above(grid, config)
    labels = split_by_color(grid, joined_things(grid, surface, config).labels, config, config.parts.printed)
    masks, _ = full_resolution_masks(frame, grid, surface, labels, config)
    least = max(config.min_pixels, _LEAST_SHARE * frame.valid.size)
    regions = [Region(mask, "", 1.0, SOURCE) for mask in masks if np.count_nonzero(mask & frame.valid) >= config.min_pixels]
    things = [region for region in regions if np.count_nonzero(region.mask) >= least and _stands_out(frame, region, config)]
    return sorted(things, key=lambda region: float(np.median(frame.depth_m[region.mask & frame.valid])))


def _all_above(grid: Grid, config: TabletopConfig) -> Surface:
    """A plane below all that is seen, so that all of it is above, up to the height of a tall thing."""
    heights = -grid.xyz[..., 1]
    offset = _BELOW_M - float(quantiles(np.ascontiguousarray(heights[grid.valid]), (0.005,))[0])
    height = np.where(grid.valid, heights + np.float32(offset), np.float32(np.nan))
    height *= min(1.0, _TALLEST_M / float(np.nanmax(height)))
    threshold = np.full(height.shape, config.min_height_m, np.float32)
    return Surface(Plane(_IMAGE_UP, offset), height, threshold, np.zeros_like(grid.valid), grid.valid)


def ends_of(frame: RGBDFrame, region: Region, noise: DepthNoise) -> Ends:
    """Where a region ends, by what its rim shows. Its mask must not be empty."""
    rims, width = region.rims, frame.camera.width
    rim = ((rims.rows, rims.left), (rims.rows, rims.right), (rims.top, rims.columns), (rims.bottom, rims.columns))
    reach, mixed = max(4, round(_REACH * width)), max(1, round(_MIXED * width))
    own = np.where(region.mask, frame.depth_m, np.float32(np.nan))
    other = np.where(region.mask, np.float32(np.nan), frame.depth_m)
    farther, nearer, hole_px = (np.zeros(4) for _ in range(3))
    depths = []
    for side, (at, step) in enumerate(zip(rim, STEPS, strict=True)):
        inside, _ = _depth_along(own, at, (-step[0], -step[1]), mixed, reach)
        beyond, hole = _depth_along(other, at, step, mixed, reach)
        step_m = np.maximum(_STEP_M, 3 * noise.pixel_std_m(inside))
        with np.errstate(invalid="ignore"):
            farther[side], nearer[side] = np.mean(beyond > inside + step_m), np.mean(beyond < inside - step_m)
        hole_px[side] = np.median(hole)
        depths.append(inside[np.isfinite(inside)])
    known = np.concatenate(depths)
    depth_m = float(np.median(known)) if len(known) else 0.0
    return Ends(farther, nearer, hole_px * depth_m / frame.camera.fx, depth_m)


def _depth_along(
    depth: npt.NDArray[np.float32],
    at: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
    step: tuple[int, int],
    first: int,
    reach: int,
) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """(N,) depth along a direction from places (v, u), the median of the first few; (N,) how far away the first one is, px."""
    height, width = depth.shape
    away = np.arange(1, reach + 1)
    v, u = (at[axis][:, None] + away * step[axis] for axis in range(2))
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    line = np.where(inside, depth[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)], np.float32(np.nan))
    there = np.isfinite(line)
    hole = np.where(there.any(axis=1), there.argmax(axis=1), reach).astype(np.float64)
    there[:, :first] = False
    few = there & (np.cumsum(there, axis=1) <= _BEYOND_COUNT)
    some = few.any(axis=1)
    found = np.full(len(line), np.nan, np.float32)
    found[some] = np.nanmedian(np.where(few[some], line[some], np.float32(np.nan)), axis=1)
    return found, hole


def _stands_out(frame: RGBDFrame, region: Region, config: TabletopConfig) -> bool:
    points = frame.xyz[region.mask & frame.valid]
    low, high = quantiles(np.ascontiguousarray(points.T), (0.02, 0.98))
    if not config.min_object_m < float(np.max(high - low)) < config.max_object_m or _fill(region) < _LEAST_FILL:
        return False
    ends = ends_of(frame, region, config.noise)
    farther, nearer = ends.farther[:3], ends.nearer[:3]
    at_two = np.count_nonzero(farther > _AT_TWO) >= 2
    return bool(at_two and farther.mean() > max(_STANDS_OUT, float(nearer.mean())))


def _fill(region: Region) -> float:
    """Share of its outline's hull that a region fills."""
    import cv2

    u0, v0, u1, v1 = region.box
    rows, columns = np.nonzero(region.mask[v0:v1, u0:u1])
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    return float(len(rows)) / max(float(cv2.contourArea(hull)), 1.0)


# -- what else is in sight ----------------------------------------------------------------------------------------------------


def colors_elsewhere(frame: RGBDFrame, things: Sequence[Region], colors: Sequence[str]) -> list[str]:
    """Colour words that something in sight beside the things has, too: whatever it is, it may be meant.

    Args:
        colors: of each thing the word that it goes by; what is no word of ``colors.COLORS`` is passed over.

    What adjoins a thing of its colour is taken for a part of it, or for its reflection.
    """
    import cv2

    # Grain of the image, or of a rough surface, is no colour of its own.
    smooth = cv2.medianBlur(frame.color, 2 * max(1, round(_GRAIN * frame.camera.width)) + 1)
    words = color_words_of(smooth.reshape(-1, 3), white_point(frame.color))
    taken = np.zeros(frame.valid.shape, dtype=bool)
    for thing in things:
        taken |= thing.mask
    around = np.ones((2 * max(2, round(_ADJOINS * frame.camera.width)) + 1,) * 2, np.uint8)
    found = []
    for color in dict.fromkeys(color for color in colors if color in COLORS):
        own = [thing.mask for thing, named in zip(things, colors, strict=True) if named == color]
        sure = (words[color].reshape(taken.shape) > _SURE) & ~taken
        opened = cv2.morphologyEx(sure.view(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        count, patches = cv2.connectedComponents(opened, connectivity=4)
        rivals = np.bincount(patches.ravel(), minlength=count) >= _RIVAL * min(map(np.count_nonzero, own))
        rivals[0] = False
        for mask in own:
            rivals[patches[cv2.dilate(mask.view(np.uint8), around) > 0]] = False
        if rivals.any():
            found.append(color)
    return found
