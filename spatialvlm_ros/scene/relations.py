"""The registry of spatial relations: the one place where spatial truth is computed.

Facts, questions, rewards and planning predicates all call ``measure``; no second table exists. Conventions:

- ``distance`` is centre to centre, ``gap`` nearest surface to nearest surface.
- left, right, front and behind are the viewer's: along the image's horizontal made level, and along the line of sight made level.
  Where up is not known they follow the optical axes.
- A difference is signed: negative when it is the other way round. Differences in height are bottom to bottom.
- The comparisons (predicates, choices, classifications) are in ``dimensions.py``, each pair of opposites from one margin.
- Contact, fit and reach are in ``contact.py``; directions, points in space and questions about all things in ``places.py``.
- A predicate's margin and its standard deviation give a probability; its verdict needs two standard deviations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .dimensions import offset, register_comparisons, width_of
from .relation import (
    RELATIONS,
    ErrorOf,
    ErrorTerm,
    Kind,
    Measurement,
    Relation,
    along,
    apart,
    edges_apart,
    extent_error,
    extent_std,
    length,
    nearest_points,
    pair_covariance,
    register,
    stand_on_what_tells_up,
    support_offset,
    surfaces_apart,
    up_axis,
    vertical_extent,
    viewer_axes,
)
from .scene import Scene, SceneObject

__all__ = ["RELATIONS", "Kind", "Measurement", "Relation", "nearest_points"]


# What depends on gravity.
_LEVEL: dict[str, Any] = {"canonical": True, "frame": "gravity"}


def _between(value: float, std: float, error: tuple[ErrorTerm, ...], a: SceneObject, b: SceneObject) -> Measurement:
    return Measurement(value, std, a.centre, b.centre, error=error)


# -- estimates --------------------------------------------------------------------------------------------------------


@register("distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b}, centre to centre.")
def _distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*length(b.centre - a.centre, pair_covariance(scene, a, b), (a, b)), a, b)


@register("gap", Kind.ESTIMATE, 2, "There is {value} between the nearest surfaces of the {a} and the {b}.")
def _gap(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    gap, point_a, point_b = surfaces_apart(scene, a, b)
    return Measurement(gap.value, gap.std, point_a, point_b, error=gap.error)


@register("horizontal_distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b} along the ground.", **_LEVEL)
def _horizontal_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = up_axis(scene)
    level = np.eye(3) - np.outer(up, up)
    covariance = level @ pair_covariance(scene, a, b) @ level
    return _between(*length(level @ (b.centre - a.centre), covariance, (a, b)), a, b)


@register("vertical_distance", Kind.ESTIMATE, 2, "The {a} and the {b} are {value} apart in height.", **_LEVEL)
def _vertical_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = up_axis(scene)
    difference = float(up @ (b.centre - a.centre))
    direction = up if difference > 0 else -up
    if stand_on_what_tells_up(scene, a, b):
        scale = abs(a.scale_std * float(up @ a.centre) - b.scale_std * float(up @ b.centre))
        std = math.hypot(along(up, a.own_covariance), along(up, b.own_covariance), scale)
        return _between(abs(difference), std, apart(b, a, direction, ErrorOf.OWN_CENTRE), a, b)
    return _between(abs(difference), along(up, pair_covariance(scene, a, b)), apart(b, a, direction), a, b)


@register("height", Kind.ESTIMATE, 1, "The {a} is {value} tall.", canonical=True, extent=True, frame="gravity")
def _height(scene: Scene, a: SceneObject) -> Measurement:
    low, high, _ = vertical_extent(scene, a)
    up = up_axis(scene)
    return Measurement(high - low, extent_std(a, up), a.centre, error=(extent_error(a, up),))


@register("width", Kind.ESTIMATE, 1, "The {a} is {value} wide.", extent=True, frame="viewer")
def _width(scene: Scene, a: SceneObject) -> Measurement:
    value, std, error = width_of(scene, a)
    return Measurement(value, std, a.centre, error=error)


@register("elevation", Kind.ESTIMATE, 1, "The bottom of the {a} is {value} above the table.", **_LEVEL)
def _elevation(scene: Scene, a: SceneObject) -> Measurement:
    low, _, edge_std = vertical_extent(scene, a)
    support = support_offset(scene, a)
    # The scale error moves the plane and a thing on the image alike, but not a thing that tf places.
    scale = abs(scene.scale_std - a.scale_std) * abs(support)
    up = up_axis(scene)
    error = (ErrorTerm(ErrorOf.OWN_CENTRE, a, up), extent_error(a, up, -0.5))
    return Measurement(low - support, float(np.hypot(edge_std, scale)), a.centre, error=error)


# -- signed differences -----------------------------------------------------------------------------------------------


@register("left_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further left than the {b}.", frame="viewer")
def _left_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*offset(scene, a, b, -viewer_axes(scene)[0]), a, b)


@register("right_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further right than the {b}.", frame="viewer")
def _right_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*offset(scene, a, b, viewer_axes(scene)[0]), a, b)


@register("behind_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further behind than the {b}.", frame="viewer")
def _behind_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*offset(scene, a, b, viewer_axes(scene)[1]), a, b)


@register("front_difference", Kind.ESTIMATE, 2, "The {a} lies {value} further in front than the {b}.", frame="viewer")
def _front_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*offset(scene, a, b, -viewer_axes(scene)[1]), a, b)


@register("above_difference", Kind.ESTIMATE, 2, "The bottom of the {a} is {value} higher than that of the {b}.", **_LEVEL)
def _above_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*edges_apart(scene, a, b, -1, -1), a, b)


@register("below_difference", Kind.ESTIMATE, 2, "The bottom of the {a} is {value} lower than that of the {b}.", **_LEVEL)
def _below_difference(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _between(*edges_apart(scene, b, a, -1, -1), a, b)


# -- comparisons -------------------------------------------------------------------------------------------------------

register_comparisons()

# -- beyond the paper; last, so that lists of relations begin with the paper's -------------------------------------------------

from . import contact as contact  # noqa: E402
from . import places as places  # noqa: E402
