"""The registry of spatial relations: the one place where spatial truth is computed.

Facts, questions, rewards and planning predicates all call ``measure``; no second table exists. Conventions:

- ``distance`` is centre to centre, ``gap`` nearest surface to nearest surface.
- left, right, front and behind are the viewer's: along the image's horizontal made level, and along the line of sight made level.
  Where up is not known they follow the optical axes.
- A predicate's margin and its standard deviation give a probability; its verdict needs two standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import METRE, PROBABILITY, truth_from_margin
from .scene import Scene, SceneObject


class Kind(Enum):
    """What a relation answers with."""

    ESTIMATE = "estimate"
    PREDICATE = "predicate"


def _nan_point() -> FloatArray:
    return np.full(3, np.nan)


@dataclass(frozen=True)
class Measurement:
    """A value with one standard deviation (NaN for a probability), and the points (3,) it was measured between."""

    value: float
    std: float
    subject_point: FloatArray = field(default_factory=_nan_point)
    object_point: FloatArray = field(default_factory=_nan_point)


@dataclass(frozen=True)
class Relation:
    """One relation. ``measure`` takes the scene and ``arity`` things, whose coordinates are the scene's."""

    name: str
    kind: Kind
    arity: int
    needs_canonical: bool
    unit: str
    sentence: str
    measure: Callable[..., Measurement]


RELATIONS: dict[str, Relation] = {}


def _register(
    name: str, kind: Kind, arity: int, sentence: str, *, canonical: bool = False
) -> Callable[[Callable[..., Measurement]], Callable[..., Measurement]]:
    def add(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
        unit = PROBABILITY if kind is Kind.PREDICATE else METRE
        RELATIONS[name] = Relation(name, kind, arity, canonical, unit, sentence, measure)
        return measure

    return add


# -- building blocks --------------------------------------------------------------------------------------------------


def _along(direction: FloatArray, covariance: FloatArray) -> float:
    """One standard deviation along a unit vector."""
    return float(np.sqrt(max(float(direction @ covariance @ direction), 0.0)))


def _length(vector: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Length of a vector and its standard deviation, by the delta method; isotropic where the vector is within its noise."""
    length = float(np.linalg.norm(vector))
    spread = float(np.sqrt(np.trace(covariance) / 3))
    if length < 2 * spread:
        return length, spread
    return length, _along(vector / length, covariance)


def _up(scene: Scene) -> FloatArray:
    if scene.canonical is None:
        raise ValueError("up is not known")  # the engine checks needs_canonical first
    return scene.canonical.up


def _viewer_axes(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """(right, away): the viewer's directions, level where up is known."""
    if scene.canonical is None:
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    rotation = scene.canonical.scene_from_canonical.rotation
    return -rotation[:, 1], rotation[:, 0]


def _vertical_extent(scene: Scene, thing: SceneObject) -> tuple[float, float, float]:
    """Coordinates of its lowest and highest point along up, from the scene's origin, and one edge's std, metres."""
    up = _up(scene)
    half = float(np.abs(up @ thing.axes) @ thing.extents) / 2
    middle = float(up @ thing.centre)
    edge_std = float(np.hypot(_along(up, thing.covariance), thing.extents_std.mean() / 2))
    return middle - half, middle + half, edge_std


def _support_offset(scene: Scene) -> float:
    """Coordinate of the support plane along up, metres, from the scene's origin; NaN without a plane."""
    canonical = scene.canonical
    if canonical is None or not np.isfinite(scene.support_plane).all():
        return float("nan")
    return float(canonical.up @ canonical.scene_from_canonical.translation)


def nearest_points(a: SceneObject, b: SceneObject) -> tuple[FloatArray, FloatArray]:
    """The nearest pair of surface points of two things (a's, b's), each (3,); the centre of a thing without a surface."""
    from scipy.spatial import cKDTree

    points_a = a.points if len(a.points) else a.centre[None]
    points_b = b.points if len(b.points) else b.centre[None]
    distances, indices = (np.asarray(found) for found in cKDTree(points_b).query(points_a))
    best = int(np.argmin(distances))
    return np.asarray(points_a[best], np.float64), np.asarray(points_b[int(indices[best])], np.float64)


# -- estimates --------------------------------------------------------------------------------------------------------


@_register("distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b}, centre to centre.")
def _distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    value, std = _length(b.centre - a.centre, a.covariance + b.covariance)
    return Measurement(value, std, a.centre, b.centre)


@_register("gap", Kind.ESTIMATE, 2, "There is {value} between the nearest surfaces of the {a} and the {b}.")
def _gap(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    point_a, point_b = nearest_points(a, b)
    value, std = _length(point_b - point_a, a.covariance + b.covariance)
    return Measurement(value, float(np.hypot(std, np.hypot(a.point_std_m, b.point_std_m))), point_a, point_b)


@_register("horizontal_distance", Kind.ESTIMATE, 2, "The {a} is {value} from the {b} along the ground.", canonical=True)
def _horizontal_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = _up(scene)
    level = np.eye(3) - np.outer(up, up)
    covariance = level @ (a.covariance + b.covariance) @ level
    value, std = _length(level @ (b.centre - a.centre), covariance)
    return Measurement(value, std, a.centre, b.centre)


@_register("vertical_distance", Kind.ESTIMATE, 2, "The {a} and the {b} are {value} apart in height.", canonical=True)
def _vertical_distance(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    up = _up(scene)
    difference = float(up @ (b.centre - a.centre))
    return Measurement(abs(difference), _along(up, a.covariance + b.covariance), a.centre, b.centre)


@_register("height", Kind.ESTIMATE, 1, "The {a} is {value} tall.", canonical=True)
def _height(scene: Scene, a: SceneObject) -> Measurement:
    low, high, edge_std = _vertical_extent(scene, a)
    return Measurement(high - low, float(edge_std * np.sqrt(2)), a.centre)


@_register("width", Kind.ESTIMATE, 1, "The {a} is {value} wide.")
def _width(scene: Scene, a: SceneObject) -> Measurement:
    right, _ = _viewer_axes(scene)
    value = float(np.abs(right @ a.axes) @ a.extents)
    return Measurement(value, float(a.extents_std.mean()), a.centre)


@_register("elevation", Kind.ESTIMATE, 1, "The bottom of the {a} is {value} above the table.", canonical=True)
def _elevation(scene: Scene, a: SceneObject) -> Measurement:
    low, _, edge_std = _vertical_extent(scene, a)
    return Measurement(low - _support_offset(scene), edge_std, a.centre)


# -- predicates -------------------------------------------------------------------------------------------------------


def _predicate(margin: float, std: float, a: SceneObject, b: SceneObject) -> Measurement:
    return Measurement(truth_from_margin(margin, std).probability, float("nan"), a.centre, b.centre)


def _offset(a: SceneObject, b: SceneObject, direction: FloatArray) -> tuple[float, float]:
    """How far a's centre lies beyond b's along a unit vector, and its standard deviation, metres."""
    return float(direction @ (a.centre - b.centre)), _along(direction, a.covariance + b.covariance)


@_register("left", Kind.PREDICATE, 2, "The {a} is {verdict} left of the {b}.")
def _left(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, -_viewer_axes(scene)[0]), a, b)


@_register("right", Kind.PREDICATE, 2, "The {a} is {verdict} right of the {b}.")
def _right(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, _viewer_axes(scene)[0]), a, b)


@_register("front", Kind.PREDICATE, 2, "The {a} is {verdict} in front of the {b}.")
def _front(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, -_viewer_axes(scene)[1]), a, b)


@_register("behind", Kind.PREDICATE, 2, "The {a} is {verdict} behind the {b}.")
def _behind(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, _viewer_axes(scene)[1]), a, b)


@_register("above", Kind.PREDICATE, 2, "The {a} is {verdict} higher than the {b}.", canonical=True)
def _above(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, _up(scene)), a, b)


@_register("below", Kind.PREDICATE, 2, "The {a} is {verdict} lower than the {b}.", canonical=True)
def _below(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    return _predicate(*_offset(a, b, -_up(scene)), a, b)


# A bottom this near a top touches it: the sum of sensor bias and mask edges at a metre, not a free parameter of the task.
_CONTACT_M = 0.015
# An object whose centre is this near the tool point can only be between the fingers.
_HELD_M = 0.03


@_register("on", Kind.PREDICATE, 2, "The {a} is {verdict} on the {b}.", canonical=True)
def _on(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a stands on b: its bottom at b's top, and its centre over b's footprint. The less certain of the two decides."""
    bottom, _, std_a = _vertical_extent(scene, a)
    _, top, std_b = _vertical_extent(scene, b)
    contact = _CONTACT_M - abs(bottom - top)
    in_b = b.axes.T @ (a.centre - b.centre)
    over = float(np.min(b.extents[:2] / 2 - np.abs(in_b[:2])))
    rises = float(_up(scene) @ (a.centre - b.centre))
    contact_truth = truth_from_margin(contact, float(np.hypot(std_a, std_b)) / 2).probability
    over_truth = truth_from_margin(over, _length(in_b, a.covariance + b.covariance)[1]).probability
    rises_truth = truth_from_margin(rises, _along(_up(scene), a.covariance + b.covariance)).probability
    return Measurement(min(contact_truth, over_truth, rises_truth), float("nan"), a.centre, b.centre)


@_register("held", Kind.PREDICATE, 2, "The {a} is {verdict} held by the {b}.")
def _held(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a is between the fingers of the tool b: the tool point lies inside a's box, grown by ``_HELD_M`` / 2."""
    in_a = a.axes.T @ (b.centre - a.centre)
    reach = a.extents / 2 + _HELD_M / 2
    margin = float(np.min(reach - np.abs(in_a)))
    return _predicate(margin, _length(in_a, a.covariance + b.covariance)[1], a, b)
