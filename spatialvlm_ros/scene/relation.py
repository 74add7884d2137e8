"""What a relation is, the registry that holds them all, and the measurements they are built from.

``relations.py`` fills the registry; import it, not this, to use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import METRE, PROBABILITY
from .scene import Scene, SceneObject


class Kind(Enum):
    """What a relation answers with.

    ESTIMATE: a number. PREDICATE: whether it holds. CHOICE: which of the two, as the probability of the first. CLASSIFY: which of
    two opposite sides, as the probability of the first side.
    """

    ESTIMATE = "estimate"
    PREDICATE = "predicate"
    CHOICE = "choice"
    CLASSIFY = "classify"


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
    """One relation. ``measure`` takes the scene and ``arity`` things, whose coordinates are the scene's.

    ``sentence`` has the fields {a} and {b} with {value} or {verdict}; a choice has {chosen} and {other} instead of {a} and {b}; a
    classification has {side}, one of ``sides``. ``needs_extent``: it compares sizes, which a point (the gripper by tf) has not.
    """

    name: str
    kind: Kind
    arity: int
    needs_canonical: bool
    unit: str
    sentence: str
    measure: Callable[..., Measurement]
    sides: tuple[str, str] = ("", "")
    needs_extent: bool = False


RELATIONS: dict[str, Relation] = {}


def register(
    name: str,
    kind: Kind,
    arity: int,
    sentence: str,
    *,
    canonical: bool = False,
    sides: tuple[str, str] = ("", ""),
    extent: bool = False,
) -> Callable[[Callable[..., Measurement]], Callable[..., Measurement]]:
    """Decorator that enters a measuring function under a name. Raises ValueError for a name that is taken."""
    if name in RELATIONS:
        raise ValueError(f"relation '{name}' is registered already")

    def add(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
        unit = METRE if kind is Kind.ESTIMATE else PROBABILITY
        RELATIONS[name] = Relation(name, kind, arity, canonical, unit, sentence, measure, sides, extent)
        return measure

    return add


# -- building blocks --------------------------------------------------------------------------------------------------


def along(direction: FloatArray, covariance: FloatArray) -> float:
    """One standard deviation along a unit vector."""
    return float(np.sqrt(max(float(direction @ covariance @ direction), 0.0)))


def length(vector: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Length of a vector and its standard deviation, by the delta method; isotropic where the vector is within its noise."""
    length = float(np.linalg.norm(vector))
    spread = float(np.sqrt(np.trace(covariance) / 3))
    if length < 2 * spread:
        return length, spread
    return length, along(vector / length, covariance)


def up_axis(scene: Scene) -> FloatArray:
    if scene.canonical is None:
        raise ValueError("up is not known")  # the engine checks needs_canonical first
    return scene.canonical.up


def viewer_axes(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """(right, away): the viewer's directions, level where up is known."""
    if scene.canonical is None:
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    rotation = scene.canonical.scene_from_canonical.rotation
    return -rotation[:, 1], rotation[:, 0]


def vertical_extent(scene: Scene, thing: SceneObject) -> tuple[float, float, float]:
    """Coordinates of its lowest and highest point along up, from the scene's origin, and one edge's std, metres."""
    up = up_axis(scene)
    half = float(np.abs(up @ thing.axes) @ thing.extents) / 2
    middle = float(up @ thing.centre)
    edge_std = float(np.hypot(along(up, thing.covariance), thing.extents_std.mean() / 2))
    return middle - half, middle + half, edge_std


def support_offset(scene: Scene, thing: SceneObject) -> float:
    """Coordinate along up of the support plane under a thing, metres, from the scene's origin; NaN without a plane.

    Under the thing, not under the camera: a plane that is a degree off level differs by centimetres between the two.
    """
    canonical, plane = scene.canonical, scene.support_plane
    if canonical is None or not np.isfinite(plane).all() or abs(float(plane[:3] @ canonical.up)) < 0.1:
        return float("nan")
    height = (float(plane[:3] @ thing.centre) + float(plane[3])) / float(plane[:3] @ canonical.up)
    return float(canonical.up @ thing.centre) - height


def nearest_points(a: SceneObject, b: SceneObject) -> tuple[FloatArray, FloatArray]:
    """The nearest pair of surface points of two things (a's, b's), each (3,); the centre of a thing without a surface."""
    from scipy.spatial import cKDTree

    points_a = a.points if len(a.points) else a.centre[None]
    points_b = b.points if len(b.points) else b.centre[None]
    distances, indices = (np.asarray(found) for found in cKDTree(points_b).query(points_a))
    best = int(np.argmin(distances))
    return np.asarray(points_a[best], np.float64), np.asarray(points_b[int(indices[best])], np.float64)
