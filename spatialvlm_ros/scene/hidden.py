"""Things whose top is not seen: only a front face shows, and nothing says how far they reach behind it.

A camera that looks down on a thing sees its top and with it how deep it is. Where something stands on it, or the camera is too
low, the visible points are a sheet, and the middle of their box would be the front face with far too small a deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray, norm
from .box import UP, Box
from .frame import Region, RGBDFrame
from .hidden_half import looks_past

# Share of a thing's upper rim on which something else stands, from which on that hides how deep the thing is.
COVERED = 0.5
# Seen flatter than this a top face is a strip of a pixel or two.
_LOW_CAMERA_RAD = math.radians(10.0)
# What continues a thing upwards is at its depth, within this, and at least so near its top.
_CONTINUES_M, _TOP_M = 0.04, 0.01
# A thing is taken to be as deep as it is wide, give or take: one standard deviation of its far side, as a share of what is added.
_PRIOR_SHARE = 0.5
# From how many times as tall as deep on a thing hardly stands, and from which on it does not; what is hidden then, as a share of
# its height; and how much wider than deep a thing is that is not round.
_SLENDER, _BEHIND_SHARE, _ROUND = (2.8, 3.3), 0.5, 1.15
# What is guessed to lie behind a thing is looked at in so many rows of so many points; from this share on that the camera looks
# past, nothing is there.
_ROWS, _COLUMNS, _FREE_SHARE = 10, 15, 0.15
# The upper part of a thing that counts as its top, how much narrower than the rest it has to be, and how near to the middle.
_TOP_SHARE, _NARROW, _BESIDE = 0.12, 0.75, 0.12


def top_is_low(plane: FloatArray, centre: FloatArray, top_m: float) -> bool:
    """Whether the camera is so low that it hardly sees the top face of a thing.

    Args:
        plane: (4,) n, d of the support plane in the optical frame, n up, metres.
        centre: (3,) of the visible points, optical frame.
        top_m: height of the highest visible points above the plane.
    """
    above_top = float(plane[3]) - top_m
    level = centre - (centre @ plane[:3]) * plane[:3]
    return math.atan2(above_top, norm(level)) < _LOW_CAMERA_RAD


def on_top(frame: RGBDFrame, region: Region, plane: FloatArray, top_m: float) -> float:
    """Share of a region's columns that go on above its upper rim, at its own depth: something stands on it.

    Args:
        plane, top_m: as ``top_is_low`` takes them.
    """
    height, width = frame.depth_m.shape
    columns, rims = region.rims.columns, region.rims.top
    within = rims >= 4
    if not within.any():
        return 0.0
    columns, rims = columns[within], rims[within]
    outer, inner = (rims - 4) * width + columns, np.minimum(rims + 3, height - 1) * width + columns
    # Not frame.xyz: a few pixels are wanted, not the cloud of the whole image.
    depth_m = frame.depth_m.ravel()
    z = depth_m.take(outer).astype(np.float64)
    outside = np.column_stack([frame.camera.rays.reshape(-1, 2).take(outer, axis=0) * z[:, None], z])
    with np.errstate(invalid="ignore"):
        goes_on = np.abs(z - depth_m.take(inner)) < _CONTINUES_M
        goes_on &= outside @ plane[:3] + plane[3] > top_m - _TOP_M
    return np.count_nonzero(goes_on) / len(goes_on)


def top_is_narrow(along: FloatArray, low: FloatArray, high: FloatArray) -> bool:
    """Whether a thing has a top over its middle that is much narrower than the rest, as a bottle or a cone has.

    The far rim of a top tells how deep a thing is, but only the top.

    Args:
        along: (3, N) visible points along the box's axes, the third up, metres.
        low, high: (3,) the box.
    """
    height = high[2] - low[2]
    top = np.flatnonzero(along[2] > high[2] - _TOP_SHARE * height)
    if len(top) < 10 or height < _TOP_M:
        return False
    first, last = linear_quantiles(along[:2].take(top, axis=1), (0.02, 0.98))
    wide = int(np.argmax(high[:2] - low[:2]))
    width = float(high[wide] - low[wide])
    beside = abs(float(first[wide] + last[wide] - low[wide] - high[wide])) / 2
    return float(np.max(last - first)) < _NARROW * width and beside < _BESIDE * width


class Missing(NamedTuple):
    """Length that a box lacks at one of its faces, and one standard deviation of it, metres; ``end`` is 0 for low, 1 for high."""

    axis: int
    end: int
    length_m: float
    std_m: float


def missing_depth(extents: FloatArray, axes: FloatArray, away: FloatArray) -> Missing | None:
    """What a box as deep as it is wide has behind a visible face.

    Args:
        extents, axes: box of the visible points; the first two axes are level.
        away: (3,) unit vector, level, from the camera.

    Returns:
        None where the visible points are not flatter along the view than across.
    """
    thin = int(np.argmin(extents[:2]))
    towards = float(axes[:, thin] @ away)
    missing = float(extents[1 - thin] - extents[thin])
    # A sheet that is seen edge-on hides its width, not its depth.
    if missing <= 0 or abs(towards) < math.cos(math.radians(60)):
        return None
    return Missing(thin, int(towards >= 0), missing, _PRIOR_SHARE * missing)


def within_sight(frame: RGBDFrame, box: Box, missing: Missing, levels: Sequence[float], past_m: float) -> Missing:
    """What a box lacks, less what lies where the camera looks past it: nothing is there.

    Judged on an ellipse, so that what is round is not cut where a box would have corners.

    Args:
        box: of the visible points.
        levels: heights that are looked at, as shares of the box's height. A row is not there that is not at one of them.
        past_m: how much farther than a point something must be that is seen there.
    """
    across, sign = 1 - missing.axis, 1.0 if missing.end else -1.0
    faces = box.low, box.high
    start, other = faces[missing.end][missing.axis], faces[1 - missing.end][missing.axis]
    half = (abs(start - other) + missing.length_m) / 2
    steps = start + sign * missing.length_m * np.arange(1, _ROWS + 1) / _ROWS
    off = np.minimum(np.abs(steps - (other + sign * half)) / half, 0.97)
    reach = 0.95 * np.sqrt(1 - off**2) * box.extents[across] / 2
    points = np.empty((len(levels), _ROWS, _COLUMNS, 3))
    points[..., missing.axis] = steps[:, None]
    points[..., across] = (box.low + box.high)[across] / 2 + reach[:, None] * np.linspace(-1, 1, _COLUMNS)
    points[..., UP] = (box.low[UP] + np.asarray(levels) * (box.high - box.low)[UP])[:, None, None]
    past = looks_past(frame, points.reshape(-1, 3) @ box.axes.T, past_m).reshape(points.shape[:3])
    free = (past.mean(axis=2) >= _FREE_SHARE).any(axis=0)
    if not free.any():
        return missing
    first = int(np.argmax(free))
    return missing._replace(length_m=missing.length_m * first / _ROWS, std_m=missing.std_m * (first + 1) / _ROWS)


def unsteady_std_m(extents: FloatArray) -> float:
    """One standard deviation of what may lie behind the face of a thing that would hardly stand if it ended there; metres.

    Upright sheets and sticks are mostly the front of something: of a bracket the arm on the ground hides behind the upright one.
    What is as wide as deep (a bottle) stands.
    """
    short, long = sorted(float(edge) for edge in extents[:2])
    slender = float(extents[2]) / short
    if long < _ROUND * short or slender < _SLENDER[0]:
        return 0.0
    return _BEHIND_SHARE * float(extents[2]) * min((slender - _SLENDER[0]) / (_SLENDER[1] - _SLENDER[0]), 1.0)
