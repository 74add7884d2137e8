"""Whether the outline of a thing from above is a circle, and which one: what shows of a plate, a can or a bowl tells the rest.

How far an outline reaches in a direction a is linear in the middle and the radius of a circle: x cos a + y sin a + r. Where
something hides a part of it, it reaches less far; the directions in which it is seen to end are an arc. Of what has corners no
arc of that length fits: for each quarter turn a corner reaches as a circle without a radius does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray
from .frame import BoolArray, RGBDFrame
from .hidden_half import farther_by_m, looks_past

# Directions from the middle that are looked at, and the arcs of them that a circle may be told from.
_DIRECTIONS, _ARCS = 36, (36, 33, 30, 27, 24, 21, 18, 15)
# How far an outline may lie off its circle on the arc, root mean square, and reach beyond it elsewhere, as shares of the radius.
_OFF_SHARE, _BEYOND_SHARE = 0.03, 0.08
# Where nothing hides a part of it, its box is told as well by what shows, but for so long an arc.
_LEAST_SEEN = 24
# An outline lacks a direction of its circle where it ends so much of the radius before it. The camera may look past few of those,
# this much inside of the circle, at the height below which this share of the outline's corners lie.
_LACKS_SHARE, _PAST_SHARE, _INSIDE_RIM, _AT_HEIGHT, _FEW_LACK = 0.08, 0.35, 0.95, 0.6, 4
_LEAST_RADIUS_M = 0.012
# So many neighbouring places of an outline err alike, and none is known better than this.
_ALIKE, _LEAST_STD_M = 6.0, 1e-5
# An arc is as good as the one that fits best up to this factor, and where it lies off its circle by less than this share.
_AS_GOOD, _EXACT_SHARE = 2.5, 0.005
IntArray = npt.NDArray[np.intp]


class Outline(NamedTuple):
    """What shows of a thing, of which the circle is asked.

    Attributes:
        axes: (3, 3) columns, of its box in the optical frame, the third up.
        points: (3, N) visible points along those, metres.
        is_hidden: whether something may hide a part of it.
        sight: (2,) unit vector of the line of sight along the level axes; shorter than 1 where the camera looks down.
        pixel_std_m: standard deviation of one pixel's depth.
        short_m, beyond_m: how far the points end short of what is turned away, and beyond what is turned to the camera.
        along_std_m, across_std_m: standard deviation of where the points end along the line of sight, and across.
    """

    axes: FloatArray
    points: FloatArray
    is_hidden: bool
    sight: FloatArray
    pixel_std_m: float
    short_m: float
    beyond_m: float
    along_std_m: float
    across_std_m: float


class Disc(NamedTuple):
    """A circle round a thing, in the level plane of its box's axes.

    Attributes:
        centre: (2,) along the box's level axes, metres.
        faces_std_m: (2, 2) standard deviation of the circle's low and high end along each level axis, for errors of neighbouring
            places of the outline that are independent of each other.
    """

    centre: FloatArray
    radius_m: float
    faces_std_m: FloatArray


def _windows() -> tuple[FloatArray, FloatArray, FloatArray]:
    """(W, 3, D) what makes a window's sums of the reaches; (W, 3, 3) what solves for the circle; (W, D) 1 inside of it."""
    inside = np.stack([np.roll(np.arange(_DIRECTIONS) < arc, start) for arc in _ARCS for start in range(_DIRECTIONS)])
    sums = inside[:, None] * _ROWS
    return sums, np.linalg.inv(sums @ _ROWS.T), inside.astype(np.float64)


_ANGLES = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
_TOWARDS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_ROWS = np.concatenate([_TOWARDS, np.ones((1, _DIRECTIONS))])
_SUMS, _SOLVE, _INSIDE = _windows()
_NUMBERS = _INSIDE.sum(axis=1)
# The low and the high end of each level axis, as rows.
_ENDS = np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, -1.0, 1.0], [0.0, 1.0, 1.0]])


def discs_of(frame: RGBDFrame, outlines: Sequence[Outline]) -> list[Disc | None]:
    """The circle that the outline of each thing is a part of from above, or None. All at once: most of the time is calls."""
    found: list[Disc | None] = [None] * len(outlines)
    if not outlines:
        return found
    hulls = [_hull(outline.points) for outline in outlines]
    middles = np.stack([hull[:2].mean(axis=1) for hull in hulls])
    reach = np.stack([((hull[:2].T - middle) @ _TOWARDS).max(axis=0) for hull, middle in zip(hulls, middles, strict=True)])
    turned = _at_directions(np.stack([outline.sight for outline in outlines]))
    short_m, beyond_m, along_std_m, across_std_m = (
        np.array([values]).T for values in zip(*(outline[-4:] for outline in outlines), strict=True)
    )
    reach += short_m * np.maximum(turned, 0) - beyond_m * np.maximum(-turned, 0)
    variances = (along_std_m * turned) ** 2 + across_std_m**2 * np.maximum(1 - turned**2, 0)
    of, windows, circles, off = _arcs(reach, np.array([outline.is_hidden for outline in outlines]))
    circles[:, :2] += middles[of]
    heights = np.array([linear_quantiles(hull[2], (_AT_HEIGHT,))[0] for hull in hulls])
    lacks = _lacking(circles, reach[of] + _at_directions(middles[of])) > _LACKS_SHARE
    there = _may_be_there(frame, [outlines[index] for index in of.tolist()], circles, heights[of], lacks)
    for n in np.flatnonzero(there).tolist():
        index, window = int(of[n]), int(windows[n])
        if found[index] is not None:
            continue
        weights = _INSIDE[window] / (variances[index] + off[n] ** 2 + _LEAST_STD_M**2)
        solve = np.linalg.inv((_ROWS * weights) @ _ROWS.T)
        x, y, radius_m = (solve @ (_ROWS @ (weights * reach[index]))).tolist()
        std_m = np.sqrt(np.einsum("ei,ij,ej->e", _ENDS, solve, _ENDS) * _ALIKE).reshape(2, 2)
        found[index] = Disc(middles[index] + (x, y), radius_m, std_m)
    return found


def _hull(outline: FloatArray) -> FloatArray:
    """(3, K) the points (3, N) that are corners of their convex hull from above."""
    import cv2

    corners = cv2.convexHull(outline[:2].T.astype(np.float32), returnPoints=False)[:, 0]
    return np.asarray(outline.take(corners, axis=1))


def _arcs(reach: FloatArray, is_hidden: BoolArray) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """The circles that fit T outlines' reaches (T, D), of each the best on an arc of each length: of the first thing first, of
    the longest arc first.

    Returns:
        (N,) index of the outline, (N,) of the window, (N, 3) the circle x, y, r, and (N,) how far the reaches lie off it.
    """
    # One by one: a matrix product rounds by how many there are.
    sums, squares = np.stack([_SUMS @ one for one in reach]), np.stack([_INSIDE @ (one * one) for one in reach])
    circles = (_SOLVE * sums[:, :, None]).sum(axis=3)
    off = np.sqrt(np.maximum(squares - (circles * sums).sum(axis=2), 0.0) / _NUMBERS)
    radius = circles[..., 2]
    fits = (radius > _LEAST_RADIUS_M) & (off < _OFF_SHARE * radius)
    off = np.where(fits, off, np.inf)
    best = off.reshape(len(reach), len(_ARCS), _DIRECTIONS).argmin(axis=2) + np.arange(len(_ARCS)) * _DIRECTIONS
    of = np.repeat(np.arange(len(reach)), len(_ARCS))
    windows = best.ravel()
    # A longer arc takes in some of where the outline lacks: no worse than the best one fits, or about exactly.
    least = np.repeat(off.min(axis=1), len(_ARCS))
    kept = np.isfinite(off[of, windows]) & (is_hidden[of] | (_NUMBERS[windows] >= _LEAST_SEEN))
    kept &= off[of, windows] <= np.maximum(_AS_GOOD * least, _EXACT_SHARE * radius[of, windows])
    of, windows = of[kept], windows[kept]
    kept = _lacking(circles[of, windows], reach[of]).min(axis=1, initial=0.0) > -_BEYOND_SHARE
    of, windows = of[kept], windows[kept]
    return of, windows, circles[of, windows], off[of, windows]


def _lacking(circles: FloatArray, reach: FloatArray) -> FloatArray:
    """(N, D) how far reaches (N, D) end within circles (N, 3), as shares of the radius."""
    return np.asarray((_at_directions(circles[:, :2]) - reach) / circles[:, 2:] + 1)


def _at_directions(vectors: FloatArray) -> FloatArray:
    """(N, D) how far level vectors (N, 2) reach in each direction."""
    return np.asarray(vectors[:, :1] * _TOWARDS[0] + vectors[:, 1:2] * _TOWARDS[1])


def _may_be_there(
    frame: RGBDFrame, outlines: Sequence[Outline], circles: FloatArray, heights: FloatArray, lacks: BoolArray
) -> BoolArray:
    """(N,) whether what each outline lacks of its circle (N, 3) may be hidden: the camera must not look past it.

    Args:
        heights: (N,) of the circles along the third axis.
        lacks: (N, D) in which directions.
    """
    place, direction = np.nonzero(lacks)
    if not len(place):
        return np.ones(len(circles), np.bool_)
    rim = circles[place, :2] + _INSIDE_RIM * circles[place, 2:] * _TOWARDS.T[direction]
    axes = np.stack([outline.axes for outline in outlines])
    points = (axes[place] * np.column_stack([rim, heights[place]])[:, None]).sum(axis=2)
    past_m = np.array([farther_by_m(outline.pixel_std_m) for outline in outlines])[place]
    past = np.bincount(place[looks_past(frame, points, past_m)], minlength=len(circles))
    return np.asarray(past <= _PAST_SHARE * np.maximum(lacks.sum(axis=1), _FEW_LACK))
