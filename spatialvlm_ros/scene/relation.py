"""What a relation is, the registry that holds them all, and the measurements they are built from.

``relations.py`` fills the registry; import it, not this, to use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import METRE, PROBABILITY, Status
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
    """A value with one standard deviation (NaN for a probability), and the points (3,) it was measured between.

    ``status``, when given, says more than the things' own; ``note`` is added to the sentence; ``word`` is an answer in a word.
    """

    value: float
    std: float
    subject_point: FloatArray = field(default_factory=_nan_point)
    object_point: FloatArray = field(default_factory=_nan_point)
    status: Status | None = None
    note: str = ""
    word: str = ""


@dataclass(frozen=True)
class Relation:
    """One relation. ``measure`` takes the scene and ``arity`` things, whose coordinates are the scene's.

    Attributes:
        needs_canonical: it needs to know up.
        frame: what its value depends on beside the things: "viewer" (who looks), "gravity", or "none".
        sentence: with the fields {a}, {b}, {c} and {value}, {verdict} or {word}; a choice has {chosen} and {other} instead of {a}
            and {b}, a classification {side}, one of ``sides``; {amount} where it takes one.
        needs_extent: it compares sizes, which a point (the gripper by tf) has not.
        takes_amount: ``measure`` gets a length in metres after the things.
        of_all: the subject is a description; ``measure`` gets all things that answer to it, as a tuple, in its place.
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
    frame: str = "none"
    takes_amount: bool = False
    of_all: bool = False


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
    frame: str = "none",
    unit: str = "",
    amount: bool = False,
    of_all: bool = False,
) -> Callable[[Callable[..., Measurement]], Callable[..., Measurement]]:
    """Decorator that enters a measuring function under a name. Raises ValueError for a name that is taken."""
    if name in RELATIONS:
        raise ValueError(f"relation '{name}' is registered already")

    def add(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
        of = unit or (METRE if kind is Kind.ESTIMATE else PROBABILITY)
        RELATIONS[name] = Relation(name, kind, arity, canonical, of, sentence, measure, sides, extent, frame, amount, of_all)
        return measure

    return add


# -- building blocks --------------------------------------------------------------------------------------------------


def along(direction: FloatArray, covariance: FloatArray) -> float:
    """One standard deviation along a unit vector."""
    return float(np.sqrt(max(float(direction @ covariance @ direction), 0.0)))


def pair_covariance(scene: Scene, a: SceneObject, b: SceneObject) -> FloatArray:
    """(3, 3) covariance of the way from one thing to another one, as its parts along level directions and up are measured.

    The scale error of the camera moves both along their rays by the same share: what is left of it is in the difference. An up
    direction that is not well known turns the way.
    """
    moved = a.scale_std * a.centre - b.scale_std * b.centre
    covariance: FloatArray = a.own_covariance + b.own_covariance + np.outer(moved, moved)
    canonical = scene.canonical
    if canonical is not None and np.isfinite(canonical.tilt_std_rad):
        turned = np.cross(canonical.scene_from_canonical.rotation[:, :2].T, a.centre - b.centre)
        covariance = covariance + canonical.tilt_std_rad**2 * (turned.T @ turned)
    return covariance


def length(vector: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Length of a vector and its standard deviation, by the delta method; isotropic where the vector is within its noise."""
    length = float(np.linalg.norm(vector))
    spread = float(np.sqrt(max(float(np.trace(covariance)), 0.0) / 3))
    if length < 2 * spread:
        return length, spread
    return length, along(vector / length, covariance)


def up_axis(scene: Scene) -> FloatArray:
    if scene.canonical is None:
        raise ValueError("up is not known")  # the engine checks needs_canonical first
    return scene.canonical.up


def viewer_axes(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """(right, away): the viewer's directions, level where up is known."""
    if scene.viewer is not None:
        return scene.viewer
    if scene.canonical is None:
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    rotation = scene.canonical.scene_from_canonical.rotation
    return -rotation[:, 1], rotation[:, 0]


def vertical_extent(scene: Scene, thing: SceneObject) -> tuple[float, float, float]:
    """Coordinates of its lowest and highest point along up, from the scene's origin, and one edge's std, metres.

    Without the scale error, which the support plane and other things share; see ``edges_std`` for two things.
    """
    up = up_axis(scene)
    half = float(np.abs(up @ thing.axes) @ thing.extents) / 2
    middle = float(up @ thing.centre)
    edge_std = float(np.hypot(along(up, thing.own_covariance), extent_std(thing, up) / 2))
    return middle - half, middle + half, edge_std


def edges_std(scene: Scene, a: SceneObject, b: SceneObject) -> float:
    """One standard deviation of a difference in height between an edge of one thing and an edge of another one, metres."""
    up = up_axis(scene)
    apart = along(up, pair_covariance(scene, a, b))
    return float(np.linalg.norm([apart, extent_std(a, up) / 2, extent_std(b, up) / 2]))


def extent_std(thing: SceneObject, direction: FloatArray) -> float:
    """One standard deviation of a thing's extent along a unit vector (3,), metres."""
    return float(np.linalg.norm((direction @ thing.axes) * thing.extents_std))


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
    distances, indices = (np.asarray(found) for found in b.surface_tree.query(a.surface))
    best = int(np.argmin(distances))
    return a.surface[best], b.surface[int(indices[best])]
