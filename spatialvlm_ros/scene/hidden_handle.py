"""A handle that nobody sees: a straight round vessel may be a mug whose handle points away from the camera.

Of a mug that is turned so, all that shows is a cup without a handle, while the middle of its box lies half a handle behind that
of the cup. Beakers and paper cups have none and taper to be stacked; so it is of straight ones that the deviations reach to where
a handle would end. The middle stays where what is seen has it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry.rigid import FloatArray, norm
from .box import UP
from .foot import looked_down_on_rad
from .scene import SceneObject

# Shares of its width that a mug's height may be, and least ratio of its level edges: seen whole, its outline is a circle.
_HEIGHTS, _ROUND = (0.75, 1.7), 0.97
# From so far above a lid would show: within half of the width and of the depth around the middle, so near the top, by share of
# the height and at least; so many of the points there, or of all, are one.
_LOOKED_DOWN_RAD, _TOP_SHARE, _TOP_M, _LID_SHARE, _LEAST_SHARE = 0.3, 0.15, 0.012, 0.25, 0.02
# How wide it is across the line of sight is asked between two shares of its height below its top. From how wide to how wide at its
# foot, by how wide at its rim, it is straight: beakers are narrower there, cones wider.
_RIM, _FOOT, _STRAIGHT, _OUTER, _FEW = (0.02, 0.3), (0.6, 0.9), (0.96, 1.12), 0.02, 10
# How far a handle reaches beyond the wall, as a share of the radius (rendered mugs: 0.6 to 0.85); two deviations of the far side.
_REACH = 0.75
# What is hidden points no more than a third of a right angle to either side: mean square of the sine.
_ASIDE = 0.1


def with_hidden_handle(thing: SceneObject, up: FloatArray) -> SceneObject:
    """The thing with deviations that reach to a handle behind it, if it may have one there.

    Args:
        thing: upright and measured on one image, in the optical frame.
        up: (3,) there.
    """
    away = (thing.centre @ thing.axes)[:UP]
    if not len(thing.points) or norm(away) <= 0 or not _is_straight_vessel(thing, away / norm(away), up):
        return thing
    away = away / norm(away)
    far_std = _REACH * float(thing.extents[:UP].mean()) / 4
    aside = np.array([-away[1], away[0]])
    # Of the far side, along the box's level axes; the middle moves by half of it.
    of_side = far_std**2 * (np.outer(away, away) + _ASIDE * np.outer(aside, aside))
    level = thing.axes[:, :UP]
    covariance = thing.covariance + level @ (of_side / 4) @ level.T
    more = np.append(np.diag(of_side), 0.0)
    shared = thing.extents_covariance + np.sign(np.append(away, 0.0)) * more / 2
    extents_std = np.sqrt(thing.extents_std**2 + more)
    wider = replace(thing, covariance=covariance, extents_std=extents_std)
    middle_std = _along_axes(wider)
    lean = np.divide(shared, middle_std * extents_std, out=thing.lean.copy(), where=middle_std * extents_std > 0)
    return replace(wider, lean=np.clip(lean, -1.0, 1.0), sides=_near_sides(thing, wider, away))


def _near_sides(thing: SceneObject, wider: SceneObject, away: FloatArray) -> FloatArray:
    """``sides`` with which what is turned to the camera errs no more than it did."""
    before, after = (np.hypot(_along_axes(one), one.extents_std / 2)[:UP] for one in (thing, wider))
    less = np.log(np.maximum(before, 1e-9) / np.maximum(after, 1e-9))
    near = np.where(away > 0, 0, 1)
    sides = thing.sides.copy()
    sides[np.arange(UP), near] += less
    return sides


def _along_axes(thing: SceneObject) -> FloatArray:
    """(3,) standard deviation of its middle along its axes, without the scale error."""
    return np.sqrt(np.maximum(np.einsum("ji,jk,ki->i", thing.axes, thing.own_covariance, thing.axes), 0.0))


def _is_straight_vessel(thing: SceneObject, away: FloatArray, up: FloatArray) -> bool:
    """Whether it is round, as tall as mugs are, open at its top, and as wide at its foot as there."""
    short, long = sorted(thing.extents[:UP].tolist())
    height = float(thing.extents[UP])
    if thing.truncated or short < _ROUND * long or not _HEIGHTS[0] * long < height < _HEIGHTS[1] * long:
        return False
    if looked_down_on_rad(thing.centre, up) < _LOOKED_DOWN_RAD:
        return False
    own = (thing.points - thing.centre) @ thing.axes
    below_top = height / 2 - own[:, UP]
    inner = (np.abs(own[:, :UP]) < thing.extents[:UP] / 4).all(axis=1)
    lid = np.count_nonzero(inner & (below_top < max(_TOP_M, _TOP_SHARE * height)))
    if lid >= _LID_SHARE * max(np.count_nonzero(inner), _LEAST_SHARE * len(own)):
        return False
    across = own[:, :UP] @ np.array([-away[1], away[0]])
    at_rim, at_foot = (across[(below_top > low * height) & (below_top < high * height)] for low, high in (_RIM, _FOOT))
    if min(len(at_rim), len(at_foot)) < _FEW:
        return False
    rim_m, foot_m = (float(np.ptp(np.quantile(one, (_OUTER, 1 - _OUTER)))) for one in (at_rim, at_foot))
    return _STRAIGHT[0] * rim_m < foot_m < _STRAIGHT[1] * rim_m
