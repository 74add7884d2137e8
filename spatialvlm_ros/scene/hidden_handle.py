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
from .scene import SceneObject

# Shares of its width that a mug's height may be, and least ratio of its level edges: seen whole, its outline is a circle.
_HEIGHTS, _ROUND = (0.75, 1.7), 0.97
# Of what is open the inside of the far wall shows: beyond the middle by this share of the radius, so far below the top by share
# of the height and at least, this share of its points.
_BEYOND, _BELOW_SHARE, _BELOW_M, _INSIDE_SHARE = 0.3, 0.15, 0.012, 0.03
# How wide it is across the line of sight is asked between two shares of its height below its top. Between these ratios of its
# width at the foot to that at the rim it is straight: beakers are narrower there, cones wider.
_RIM, _FOOT, _STRAIGHT, _OUTER, _FEW = (0.02, 0.3), (0.6, 0.9), (0.935, 1.12), 0.02, 10
# How far a handle reaches beyond the wall, as a share of the radius (rendered mugs: 0.6 to 0.85); two deviations of the far side.
_REACH = 0.75
# What is hidden points no more than a third of a right angle to either side: mean square of the sine.
_ASIDE = 0.1


def with_hidden_handle(thing: SceneObject) -> SceneObject:
    """A thing that was measured upright on one image, with deviations that reach to a handle behind it if it may have one."""
    of_side = of_far_side(thing)
    if not of_side.any():
        return thing
    away = _away(thing)
    level = thing.axes[:, :UP]
    covariance = thing.covariance + level @ (of_side / 4) @ level.T
    more = np.append(np.diag(of_side), 0.0)
    shared = thing.extents_covariance + np.sign(np.append(away, 0.0)) * more / 2
    extents_std = np.sqrt(thing.extents_std**2 + more)
    wider = replace(thing, covariance=covariance, extents_std=extents_std)
    middle_std = _along_axes(wider)
    lean = np.divide(shared, middle_std * extents_std, out=thing.lean.copy(), where=middle_std * extents_std > 0)
    return replace(wider, lean=np.clip(lean, -1.0, 1.0), sides=_near_sides(thing, wider, away))


def of_far_side(thing: SceneObject) -> FloatArray:
    """(2, 2) covariance of the far side of a thing for a handle that may be there, along the box's level axes, square metres.

    The middle moves by half of it. Zeros for what has none.
    """
    away = _away(thing)
    if not len(thing.points) or not away.any() or not _is_straight_vessel(thing, away):
        return np.zeros((UP, UP))
    far_std = _REACH * float(thing.extents[:UP].mean()) / 4
    aside = np.array([-away[1], away[0]])
    covariance: FloatArray = far_std**2 * (np.outer(away, away) + _ASIDE * np.outer(aside, aside))
    return covariance


def _away(thing: SceneObject) -> FloatArray:
    """(2,) unit vector away from the camera along the box's level axes; zeros for a thing right above or below it."""
    away: FloatArray = (thing.centre @ thing.axes)[:UP]
    return away / max(norm(away), 1e-9)


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
    variance = np.einsum("ji,jk,ki->i", thing.axes, thing.own_covariance, thing.axes)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), np.float64)


def _is_straight_vessel(thing: SceneObject, away: FloatArray) -> bool:
    """Whether it is round, as tall as mugs are, open at its top, and as wide at its foot as there.

    ``away`` (2,) is the unit vector away from the camera along its level axes.
    """
    short, long = sorted(thing.extents[:UP].tolist())
    height = float(thing.extents[UP])
    if thing.truncated or short < _ROUND * long or not _HEIGHTS[0] * long < height < _HEIGHTS[1] * long:
        return False
    own = (thing.points - thing.centre) @ thing.axes
    below_top = height / 2 - own[:, UP]
    beyond, across = own[:, :UP] @ away, own[:, :UP] @ np.array([-away[1], away[0]])
    inside = (beyond > _BEYOND * long / 2) & (below_top > max(_BELOW_M, _BELOW_SHARE * height))
    if np.count_nonzero(inside) < _INSIDE_SHARE * len(own):
        return False
    at_rim, at_foot = (across[(below_top > low * height) & (below_top < high * height)] for low, high in (_RIM, _FOOT))
    if min(len(at_rim), len(at_foot)) < _FEW:
        return False
    rim_m, foot_m = (float(np.ptp(np.quantile(one, (_OUTER, 1 - _OUTER)))) for one in (at_rim, at_foot))
    return _STRAIGHT[0] * rim_m < foot_m < _STRAIGHT[1] * rim_m
