"""Things whose top is not seen: only a front face shows, and nothing says how far they reach behind it.

A camera that looks down on a thing sees its top and with it how deep it is. Where something stands on it, or the camera is too
low, the visible points are a sheet, and the middle of their box would be the front face with far too small a deviation.
"""

from __future__ import annotations

import math

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray
from .frame import Region, RGBDFrame

# Seen flatter than this a top face is a strip of a pixel or two.
_LOW_CAMERA_RAD = math.radians(10.0)
# What continues a thing upwards is at its depth, within this, and at least so near its top.
_CONTINUES_M, _TOP_M = 0.04, 0.01
# A thing is taken to be as deep as it is wide, give or take: one standard deviation of its far side, as a share of what is added.
PRIOR_SHARE = 0.5
# The upper part of a thing that counts as its top, how much narrower than the rest it has to be, and how near to the middle.
_TOP_SHARE, _NARROW, _BESIDE = 0.12, 0.75, 0.12


def top_is_hidden(frame: RGBDFrame, region: Region, plane: FloatArray, centre: FloatArray, top_m: float) -> bool:
    """Whether the top face of a region's thing is out of sight.

    Args:
        plane: (4,) n, d of the support plane in the optical frame, n up, metres.
        centre: (3,) of the visible points, optical frame.
        top_m: height of the highest visible points above the plane.
    """
    above_top = float(plane[3]) - top_m
    level = centre - (centre @ plane[:3]) * plane[:3]
    if math.atan2(above_top, float(np.linalg.norm(level))) < _LOW_CAMERA_RAD:
        return True
    return _is_covered(frame, region, plane, top_m)


def _is_covered(frame: RGBDFrame, region: Region, plane: FloatArray, top_m: float) -> bool:
    """Whether most columns of the region go on above its upper rim, at its own depth: something stands on it."""
    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1]
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return False
    rims = mask[:, columns].argmax(axis=0) + v0
    columns = columns + u0
    inner, outer = np.minimum(rims + 3, frame.camera.height - 1), rims - 4
    columns, inner, outer = columns[outer >= 0], inner[outer >= 0], outer[outer >= 0]
    if not len(columns):
        return False
    # Not frame.xyz: a few pixels are wanted, not the cloud of the whole image.
    z = frame.depth_m[outer, columns].astype(np.float64)
    outside = np.column_stack([frame.camera.rays[outer, columns] * z[:, None], z])
    with np.errstate(invalid="ignore"):
        goes_on = np.abs(outside[:, 2] - frame.depth_m[inner, columns]) < _CONTINUES_M
        goes_on &= outside @ plane[:3] + plane[3] > top_m - _TOP_M
    return float(np.mean(goes_on)) > 0.5


def top_is_narrow(along: FloatArray, low: FloatArray, high: FloatArray) -> bool:
    """Whether a thing has a top over its middle that is much narrower than the rest, as a bottle or a cone has.

    The far rim of a top tells how deep a thing is, but only the top.

    Args:
        along: (N, 3) visible points along the box's axes, the third up, metres.
        low, high: (3,) the box.
    """
    height = high[2] - low[2]
    top = along[along[:, 2] > high[2] - _TOP_SHARE * height]
    if len(top) < 10 or height < _TOP_M:
        return False
    first, last = linear_quantiles(np.ascontiguousarray(top[:, :2].T), (0.02, 0.98))
    wide = int(np.argmax(high[:2] - low[:2]))
    width = float(high[wide] - low[wide])
    beside = abs(float(first[wide] + last[wide] - low[wide] - high[wide])) / 2
    return float(np.max(last - first)) < _NARROW * width and beside < _BESIDE * width


def missing_depth(extents: FloatArray, axes: FloatArray, away: FloatArray) -> tuple[int, int, float] | None:
    """What a box as deep as it is wide has behind a visible face.

    Args:
        extents, axes: box of the visible points; the first two axes are level.
        away: (3,) unit vector, level, from the camera.

    Returns:
        The axis, its end (0 low, 1 high) that lies further back, and the missing length in metres; None where the visible points
        are not flatter along the view than across.
    """
    thin = int(np.argmin(extents[:2]))
    towards = float(axes[:, thin] @ away)
    missing = float(extents[1 - thin] - extents[thin])
    # A sheet that is seen edge-on hides its width, not its depth.
    if missing <= 0 or abs(towards) < math.cos(math.radians(60)):
        return None
    return thin, int(towards >= 0), missing
