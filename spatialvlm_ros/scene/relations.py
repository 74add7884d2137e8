"""The registry of spatial relations: the one place where spatial truth is computed.

Facts, questions, rewards and planning predicates all call ``measure``; no second table exists. Conventions:

- ``distance`` is centre to centre, ``gap`` nearest surface to nearest surface.
- left, right, front and behind are the viewer's: along the image's horizontal made level, and along the line of sight made level.
  Where up is not known they follow the optical axes.
- A difference is signed: negative when it is the other way round. Differences in height are bottom to bottom.
- The comparisons (predicates, choices, classifications) are in ``dimensions.py``, each pair of opposites from one margin.
- A predicate's margin and its standard deviation give a probability; its verdict needs two standard deviations.
"""

from __future__ import annotations

import numpy as np

from .dimensions import offset, register_comparisons, width_of
from .facts import truth_from_margin
from .relation import (
    RELATIONS,
    Kind,
    Measurement,
    Relation,
    along,
    length,
    nearest_points,
    register,
    support_offset,
    up_axis,
    vertical_extent,
    viewer_axes,
)
from .scene import Scene, SceneObject

__all__ = ["RELATIONS", "Kind", "Measurement", "Relation", "nearest_points"]


# -- estimates --------------------------------------------------------------------------------------------------------


@register("distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b}, centre to centre.")
def _distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    value, std = length(b.centre - a.centre, a.covariance + b.covariance)
    return Measurement(value, std, a.centre, b.centre)


@register("gap", Kind.ESTIMATE, 2, "There is {value} between the nearest surfaces of the {a} and the {b}.")
def _gap(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    point_a, point_b = nearest_points(a, b)
    value, std = length(point_b - point_a, a.covariance + b.covariance)
    return Measurement(value, float(np.hypot(std, np.hypot(a.point_std_m, b.point_std_m))), point_a, point_b)


@register("horizontal_distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b} along the ground.", canonical=True)
def _horizontal_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = up_axis(scene)
    level = np.eye(3) - np.outer(up, up)
    covariance = level @ (a.covariance + b.covariance) @ level
    value, std = length(level @ (b.centre - a.centre), covariance)
    return Measurement(value, std, a.centre, b.centre)


@register("vertical_distance", Kind.ESTIMATE, 2, "The {a} and the {b} are {value} apart in height.", canonical=True)
def _vertical_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = up_axis(scene)
    difference = float(up @ (b.centre - a.centre))
    return Measurement(abs(difference), along(up, a.covariance + b.covariance), a.centre, b.centre)


@register("height", Kind.ESTIMATE, 1, "The {a} is {value} tall.", canonical=True, extent=True)
def _height(scene: Scene, a: SceneObject) -> Measurement:
    low, high, edge_std = vertical_extent(scene, a)
    return Measurement(high - low, float(edge_std * np.sqrt(2)), a.centre)


@register("width", Kind.ESTIMATE, 1, "The {a} is {value} wide.", extent=True)
def _width(scene: Scene, a: SceneObject) -> Measurement:
    value, std = width_of(scene, a)
    return Measurement(value, std, a.centre)


@register("elevation", Kind.ESTIMATE, 1, "The bottom of the {a} is {value} above the table.", canonical=True)
def _elevation(scene: Scene, a: SceneObject) -> Measurement:
    low, _, edge_std = vertical_extent(scene, a)
    return Measurement(low - support_offset(scene, a), edge_std, a.centre)


# -- signed differences -----------------------------------------------------------------------------------------------


def _difference(value: float, std: float, a: SceneObject, b: SceneObject) -> Measurement:
    return Measurement(value, std, a.centre, b.centre)


@register("left_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further left than the {b}.")
def _left_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*offset(a, b, -viewer_axes(scene)[0]), a, b)


@register("right_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further right than the {b}.")
def _right_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*offset(a, b, viewer_axes(scene)[0]), a, b)


@register("behind_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further behind than the {b}.")
def _behind_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*offset(a, b, viewer_axes(scene)[1]), a, b)


@register("front_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further in front than the {b}.")
def _front_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*offset(a, b, -viewer_axes(scene)[1]), a, b)


def _bottoms(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    """How much higher a's bottom is than b's, and its standard deviation, metres."""
    (low_a, _, std_a), (low_b, _, std_b) = vertical_extent(scene, a), vertical_extent(scene, b)
    return low_a - low_b, float(np.hypot(std_a, std_b))


@register("above_difference", Kind.ESTIMATE, 2, "The bottom of the {a} is {value} higher than that of the {b}.", canonical=True)
def _above_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*_bottoms(scene, a, b), a, b)


@register("below_difference", Kind.ESTIMATE, 2, "The bottom of the {a} is {value} lower than that of the {b}.", canonical=True)
def _below_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _difference(*_bottoms(scene, b, a), a, b)


# -- comparisons -------------------------------------------------------------------------------------------------------

register_comparisons()

# -- contact ----------------------------------------------------------------------------------------------------------

# A bottom this near a top touches it: the sum of sensor bias and mask edges at a metre, not a free parameter of the task.
_CONTACT_M = 0.015
# An object whose centre is this near the tool point can only be between the fingers.
_HELD_M = 0.03


@register("on", Kind.PREDICATE, 2, "The {a} is {verdict} on the {b}.", canonical=True)
def _on(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a stands on b: its bottom at b's top, and its centre over b's footprint. The less certain of the two decides."""
    bottom, _, std_a = vertical_extent(scene, a)
    _, top, std_b = vertical_extent(scene, b)
    contact = _CONTACT_M - abs(bottom - top)
    in_b = b.axes.T @ (a.centre - b.centre)
    over = float(np.min(b.extents[:2] / 2 - np.abs(in_b[:2])))
    rises = float(up_axis(scene) @ (a.centre - b.centre))
    contact_truth = truth_from_margin(contact, float(np.hypot(std_a, std_b)) / 2).probability
    over_truth = truth_from_margin(over, length(in_b, a.covariance + b.covariance)[1]).probability
    rises_truth = truth_from_margin(rises, along(up_axis(scene), a.covariance + b.covariance)).probability
    return Measurement(min(contact_truth, over_truth, rises_truth), float("nan"), a.centre, b.centre)


@register("held", Kind.PREDICATE, 2, "The {a} is {verdict} held by the {b}.")
def _held(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a is between the fingers of the tool b: the tool point lies inside a's box, grown by ``_HELD_M`` / 2."""
    in_a = a.axes.T @ (b.centre - a.centre)
    reach = a.extents / 2 + _HELD_M / 2
    margin = float(np.min(reach - np.abs(in_a)))
    truth = truth_from_margin(margin, length(in_a, a.covariance + b.covariance)[1])
    return Measurement(truth.probability, float("nan"), a.centre, b.centre)
