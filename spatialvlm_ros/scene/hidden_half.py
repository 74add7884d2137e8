"""The half of a thing's surface that nobody sees: the seen half, turned round.

What stands on something is much the same from behind: turned by half a turn about the upright line through its middle, what
is seen of it lies where the hidden half is, at the same height. (Its mirror images in the middle itself would put the foot of a
cone on its top.) Where the camera looks past the thing at something farther away, there is no such surface: a handle, or the
arm of a bracket, is on one side only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray
from .frame import BoolArray, RGBDFrame

if TYPE_CHECKING:
    from .scene import SceneObject

# The image shows something that is farther away than a point by so much, or so many standard deviations of one pixel's depth:
# the point is no surface.
_PAST_M, _PAST_STDS = 0.005, 3.0
# Points this near each other on the ground are of one wall: its foot is too near the table to be looked past.
_COLUMN_M = 0.01
# The foot of a thing is as wide as its lowest part, this share of its height, without so many of the points there at either end.
_FOOT_SHARE, _STRAY = 0.25, 0.02
# So few points down there tell no width, and every so many of all points are enough for an underside.
_FEW, _UNDERSIDE_STEP = 6, 4
# The surface is drawn out to the level faces of its box by this share of what lies between, within the rim that is not trusted;
# it ends where all but so few of its points are within. By seeds 670300 to 670359 gaps are 1 mm too large in the middle without.
_DRAWN_OUT, _WITHIN = 0.7, 0.998
_LEAST_REACH_M = 0.005
_HALF_TURN = np.array([-1.0, -1.0, 1.0])


def may_be_there(frame: RGBDFrame, things: Sequence[SceneObject], stds_m: FloatArray) -> list[BoolArray]:
    """Which points (N,) of each thing may have a surface where half a turn puts them. All at once: most of the time is calls.

    Args:
        things: T of them, upright, in the optical frame.
        stds_m: (T,) standard deviation of one pixel's depth at each.
    """
    points, centres, axes = ([getattr(thing, name) for thing in things] for name in ("points", "centre", "axes"))
    counts = [len(some) for some in points]
    if not sum(counts):
        return [np.zeros(0, np.bool_) for _ in counts]
    own = [(some - centre) @ box for some, centre, box in zip(points, centres, axes, strict=True)]
    turned = [(some * _HALF_TURN) @ box.T + centre for some, centre, box in zip(own, centres, axes, strict=True)]
    farther_m = np.repeat([farther_by_m(std_m) for std_m in stds_m.tolist()], counts)
    there = ~looks_past(frame, np.concatenate(turned), farther_m)
    ends = np.cumsum(counts)
    return [_as_columns(some, there[end - len(some) : end]) for some, end in zip(own, ends.tolist(), strict=True)]


def looks_past(frame: RGBDFrame, points: FloatArray, past_m: float | FloatArray) -> BoolArray:
    """Past which points (N, 3) of the optical frame the image shows something that is farther by ``past_m``, metres."""
    height, width = frame.size
    # What is behind the camera is nowhere on the image.
    u, v = np.rint(np.nan_to_num(frame.camera.project(points), nan=-1.0)).T
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    place = np.where(inside, v * width + u, 0).astype(np.intp)
    seen = frame.depth_m.ravel().take(place)
    with np.errstate(invalid="ignore"):
        past: BoolArray = inside & (seen > points[:, 2] + past_m)
    return past


def farther_by_m(pixel_std_m: float) -> float:
    """How much farther than a point something has to be for the point to be no surface, metres."""
    return max(_PAST_STDS * pixel_std_m, _PAST_M)


def _as_columns(own: FloatArray, there: BoolArray) -> BoolArray:
    """Without those points (N, 3) that have most others of their column, along the third axis, not there."""
    if not len(own) or there.all():
        return there
    cells = np.floor(own[:, :2] / _COLUMN_M).astype(np.intp)
    cells -= cells.min(axis=0)
    names = cells[:, 0] * (int(cells[:, 1].max()) + 1) + cells[:, 1]
    _, names = np.unique(names, return_inverse=True)
    shares = np.bincount(names, weights=there) / np.bincount(names)
    return there & (shares[names] >= 0.5)


def turned_surface(
    points: FloatArray, centre: FloatArray, axes: FloatArray, extents: FloatArray, there: BoolArray, rim_m: float = 0.0
) -> FloatArray:
    """(M, 3) the points (N, 3) that are seen, those of the hidden half, and the underside, metres, drawn out to the box.

    Args:
        centre, axes, extents: of the box, the third axis up.
        there: (N,) of which point a half turn's image counts.
        rim_m: how far beyond its points its outline may lie.
    """
    own = (points - centre) @ axes
    turned = own[there] * _HALF_TURN
    height = float(extents[2])
    low = np.concatenate([own, turned])
    parts = [low]
    low = low[low[:, 2] < (_FOOT_SHARE - 0.5) * height, :2]
    if len(low) >= _FEW:
        first, last = linear_quantiles(np.ascontiguousarray(low.T), (_STRAY, 1 - _STRAY))
        under = own[::_UNDERSIDE_STEP].copy()
        under[:, 2] = -height / 2
        # Within the ellipse round the foot: how it is rounded nobody sees.
        off = (under[:, :2] - (first + last) / 2) / np.maximum((last - first) / 2, 1e-6)
        parts.append(under[np.einsum("ij,ij->i", off, off) < 1.0])
    whole = np.concatenate(parts)
    if rim_m:
        whole[:, :2] *= _drawn_out(np.ascontiguousarray(whole[:, :2].T), extents[:2] / 2, rim_m).T
        return np.asarray(whole @ axes.T + centre)
    whole = whole @ axes.T + centre
    whole[: len(points)] = points
    return whole


def _drawn_out(level: FloatArray, faces_m: FloatArray, rim_m: float) -> FloatArray:
    """(2, M) factors of level places (2, M) about the middle of a box whose faces are (2,) off it, by up to ``rim_m``, metres."""
    low, high = linear_quantiles(level, (1 - _WITHIN, _WITHIN))
    factors = np.ones_like(level)
    for axis, face_m in enumerate(faces_m.tolist()):
        for reach_m, side in ((-float(low[axis]), level[axis] < 0), (float(high[axis]), level[axis] > 0)):
            if _LEAST_REACH_M < reach_m < face_m:
                factors[axis, side] = 1 + _DRAWN_OUT * min(face_m - reach_m, rim_m) / reach_m
    return factors
