"""The six dimensions along which two things are compared, and the 30 of SpatialVLM's 43 question types that come from them.

Each dimension is one signed margin with its standard deviation: positive for its first word (left, above, behind, tall, wide,
big). Predicates, choices and classifications all read that one margin, so the two polarities agree by construction: left(a, b)
is not right(a, b), whatever the noise, and beyond the margin's band neither is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import truth_from_margin
from .relation import (
    Kind,
    Measurement,
    along,
    extent_std,
    pair_covariance,
    register,
    up_axis,
    vertical_extent,
    viewer_axes,
)
from .scene import Scene, SceneObject

Margin = Callable[[Scene, SceneObject, SceneObject], tuple[float, float]]


@dataclass(frozen=True)
class Dimension:
    """``words`` name its positive and its negative side; ``phrases`` are the same in a sentence; ``frame`` as in Relation."""

    words: tuple[str, str]
    phrases: tuple[str, str]
    needs_up: bool
    of_size: bool
    frame: str
    margin: Margin


def offset(scene: Scene, a: SceneObject, b: SceneObject, direction: FloatArray) -> tuple[float, float]:
    """How far a's centre lies beyond b's along a unit vector, and its standard deviation, metres."""
    return float(direction @ (a.centre - b.centre)), along(direction, pair_covariance(scene, a, b))


def _left(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    return offset(scene, a, b, -viewer_axes(scene)[0])


def _above(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    return offset(scene, a, b, up_axis(scene))


def _behind(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    return offset(scene, a, b, viewer_axes(scene)[1])


def _taller(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    up = up_axis(scene)
    (low_a, high_a, _), (low_b, high_b, _) = vertical_extent(scene, a), vertical_extent(scene, b)
    return (high_a - low_a) - (high_b - low_b), float(np.hypot(extent_std(a, up), extent_std(b, up)))


def width_of(scene: Scene, thing: SceneObject) -> tuple[float, float]:
    """Extent along the viewer's horizontal and its standard deviation, metres.

    Of the surface and its mirror image, where that is narrower than the box: a can is not as wide as a box around it that is
    turned.
    """
    right, _ = viewer_axes(scene)
    width = float(np.abs(right @ thing.axes) @ thing.extents)
    if len(thing.points) > 1:
        width = min(width, 2 * float(np.abs((thing.points - thing.centre) @ right).max()))
    return width, extent_std(thing, right)


def _wider(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    (width_a, std_a), (width_b, std_b) = width_of(scene, a), width_of(scene, b)
    return width_a - width_b, float(np.hypot(std_a, std_b))


def _bigger(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float]:
    """By the cube root of the box's volume, so that margin and std are lengths."""
    size_a, std_a = _size(a)
    size_b, std_b = _size(b)
    return size_a - size_b, float(np.hypot(std_a, std_b))


def _size(thing: SceneObject) -> tuple[float, float]:
    extents = np.maximum(thing.extents, 1e-4)
    size = float(np.cbrt(np.prod(extents)))
    return size, size / 3 * float(np.linalg.norm(thing.extents_std / extents))


DIMENSIONS = (
    Dimension(("left", "right"), ("left of", "right of"), False, False, "viewer", _left),
    Dimension(("above", "below"), ("higher than", "lower than"), True, False, "gravity", _above),
    Dimension(("behind", "front"), ("behind", "in front of"), False, False, "viewer", _behind),
    Dimension(("tall", "short"), ("taller than", "shorter than"), True, True, "gravity", _taller),
    Dimension(("wide", "thin"), ("wider than", "thinner than"), False, True, "viewer", _wider),
    Dimension(("big", "small"), ("bigger than", "smaller than"), False, True, "none", _bigger),
)


def _register_dimension(dimension: Dimension) -> None:
    flags: dict[str, Any] = {"canonical": dimension.needs_up, "extent": dimension.of_size, "frame": dimension.frame}
    for sign, word, phrase in zip((1.0, -1.0), dimension.words, dimension.phrases, strict=True):

        def compare(scene: Scene, a: SceneObject, b: SceneObject, sign: float = sign) -> Measurement:
            margin, std = dimension.margin(scene, a, b)
            return Measurement(truth_from_margin(sign * margin, std).probability, float("nan"), a.centre, b.centre)

        sentence = f"The {{a}} is {{verdict}} {phrase} the {{b}}."
        register(word, Kind.PREDICATE, 2, sentence, **flags)(compare)
        sentence = f"The {{chosen}} is {{verdict}} {phrase} the {{other}}."
        register(f"which_{word}", Kind.CHOICE, 2, sentence, **flags)(compare)
        if sign > 0:
            name, sentence = "_or_".join(dimension.words), "The {a} is {verdict} {side} the {b}."
            register(name, Kind.CLASSIFY, 2, sentence, **flags, sides=dimension.phrases)(compare)


def register_comparisons() -> None:
    """Enter all predicates, choices and classifications of the six dimensions; for ``relations.py``, once."""
    for dimension in DIMENSIONS:
        _register_dimension(dimension)
