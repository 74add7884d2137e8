"""What a relation is, the registry that holds them all, and the measurements they are built from.

``relations.py`` fills the registry; import it, not this, to use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import wraps
from typing import NamedTuple, TypeVar, TypeVarTuple, Unpack

import numpy as np

from ..geometry.rigid import FloatArray, norm
from .facts import METRE, PROBABILITY, Status, probability_above
from .nearest import nearest_pair
from .scene import Scene, SceneObject

Things = TypeVarTuple("Things")
Found = TypeVar("Found")


class Kind(Enum):
    """What a relation answers with.

    ESTIMATE: a number. PREDICATE: whether it holds. CHOICE: which of the two, as the probability of the first. CLASSIFY: which of
    two opposite sides, as the probability of the first side.
    """

    ESTIMATE = "estimate"
    PREDICATE = "predicate"
    CHOICE = "choice"
    CLASSIFY = "classify"


class ErrorOf(Enum):
    """What of a thing errs. CENTRE: where it is, with the scale and the tilt that all things of an image share. OWN_CENTRE: the
    same without what is shared. EXTENTS: its edge lengths.
    """

    CENTRE = "centre"
    OWN_CENTRE = "own centre"
    EXTENTS = "extents"


class ErrorTerm(NamedTuple):
    """A part of a value's error: ``loading`` (3,) times the error of a thing's centre or extents, to first order."""

    of: ErrorOf
    thing: SceneObject
    loading: FloatArray


class Reckoned(NamedTuple):
    """A signed number in SI with one standard deviation, and the terms of its error that other numbers share."""

    value: float
    std: float
    error: tuple[ErrorTerm, ...] = ()

    def negated(self) -> Reckoned:
        """Of opposite sign, like its error."""
        return Reckoned(-self.value, self.std, scaled(self.error, -1.0))


def scaled(error: tuple[ErrorTerm, ...], factor: float) -> tuple[ErrorTerm, ...]:
    return tuple(ErrorTerm(of, thing, factor * loading) for of, thing, loading in error)


def _nan_point() -> FloatArray:
    return np.full(3, np.nan)


@dataclass(frozen=True)
class Measurement:
    """A value with one standard deviation (NaN for a probability), and the points (3,) it was measured between.

    ``status``, when given, says more than the things' own; ``note`` is added to the sentence; ``word`` is an answer in a word.
    ``margin`` is what the probability comes from: above 0 where it holds; None for an estimate. ``error`` are the terms of the
    value's error, or of the margin's, that other measurements on the image share.
    """

    value: float
    std: float
    subject_point: FloatArray = field(default_factory=_nan_point)
    object_point: FloatArray = field(default_factory=_nan_point)
    status: Status | None = None
    note: str = ""
    word: str = ""
    margin: Reckoned | None = None
    error: tuple[ErrorTerm, ...] = ()


def holds(margin: Reckoned, subject_point: FloatArray, object_point: FloatArray) -> Measurement:
    """The measurement of "margin > 0"."""
    probability = probability_above(margin.value, margin.std)
    return Measurement(probability, float("nan"), subject_point, object_point, margin=margin, error=margin.error)


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
# The other two axes of each axis, in order.
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
# Error of a point of a thing's surface, as rendered scenes have it (seeds 670000 to 670072 and 674000 to 674069): as shares of
# its centre's and of its extents' errors, where it is seen, which does not hang on how deep the thing is, and where it is the
# mirror image of one through the centre.
_SEEN_SHARES, _MIRRORED_SHARES = (0.3, 0.4), (1.5, 0.0)
# Two points are equally near within this share of how far away they are: what rounding leaves of one distance.
_TIE = 1e-6
# The foot of what stands on the support is on it but for rounding.
_ON_PLANE_M = 1e-6


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


def once(work: Callable[[Scene, Unpack[Things]], Found]) -> Callable[[Scene, Unpack[Things]], Found]:
    """Decorator of what depends on a scene and some of its things alone: it is worked out once for all relations that need it.

    What is found is shared, and not to be written to.
    """

    @wraps(work)
    def found(scene: Scene, *things: *Things) -> Found:
        key = (work, *map(id, things))
        known = scene.worked_out.get(key)
        if known is None:
            # The things are kept, too, so that no other one gets the id of one of them.
            known = scene.worked_out[key] = things, work(scene, *things)
        result: Found = known[1]
        return result

    return found


def along(direction: FloatArray, covariance: FloatArray) -> float:
    """One standard deviation along a unit vector."""
    return math.sqrt(max(float(direction @ covariance @ direction), 0.0))


@once
def pair_covariance(scene: Scene, a: SceneObject, b: SceneObject) -> FloatArray:
    """(3, 3) covariance of the way from one thing to another one, as its parts along level directions and up are measured.

    The scale error of the camera moves both along their rays by the same share: what is left of it is in the difference. An up
    direction that is not well known turns the way.
    """
    moved = a.scale_std * a.centre - b.scale_std * b.centre
    covariance: FloatArray = a.own_covariance + b.own_covariance + moved[:, None] * moved
    canonical = scene.canonical
    if canonical is not None and math.isfinite(canonical.tilt_std_rad):
        # np.cross of the two axes with the way, which takes ten times as long for so small arrays. Somebody else's view has a
        # forward of its own, which does not turn with up.
        axes = canonical.tilt_axes if scene.viewer is None else canonical.scene_from_canonical.rotation[:, :2].T
        way = a.centre - b.centre
        turned = axes[:, _NEXT] * way[_LAST] - axes[:, _LAST] * way[_NEXT]
        covariance = covariance + canonical.tilt_std_rad**2 * (turned.T @ turned)
    return covariance


def apart(a: SceneObject, b: SceneObject, direction: FloatArray, of: ErrorOf = ErrorOf.CENTRE) -> tuple[ErrorTerm, ...]:
    """The error of how far a lies beyond b along ``direction`` (3,), with what is shared or without (``OWN_CENTRE``)."""
    return ErrorTerm(of, a, direction), ErrorTerm(of, b, -direction)


def length(vector: FloatArray, covariance: FloatArray, ends: tuple[SceneObject, SceneObject] | None = None) -> Reckoned:
    """Length of a vector and its standard deviation, by the delta method; isotropic where the vector is within its noise.

    Args:
        ends: (from, to), the things that the vector (3,) leads from and to.
    """
    length = norm(vector)
    spread = math.sqrt(max(float(np.trace(covariance)), 0.0) / 3)
    if length < 2 * spread:
        return Reckoned(length, spread)
    direction = vector / length
    return Reckoned(length, along(direction, covariance), () if ends is None else apart(ends[1], ends[0], direction))


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


@once
def vertical_extent(scene: Scene, thing: SceneObject) -> tuple[float, float, float]:
    """Coordinates of its lowest and highest point along up, from the scene's origin, and the lowest one's std, metres.

    Without the scale error, which the support plane and other things share; see ``edges_apart`` for two things.
    """
    up = up_axis(scene)
    half = thing.length_along(up) / 2
    middle = float(up @ thing.centre)
    variance = along(up, thing.own_covariance) ** 2 + extent_std(thing, up) ** 2 / 4 - leaning(thing, up)
    return middle - half, middle + half, math.sqrt(max(variance, 0.0))


def leaning(thing: SceneObject, direction: FloatArray) -> float:
    """Covariance of a thing's extent along a unit vector (3,) with its centre along it, square metres; odd in the vector."""
    turned = direction @ thing.axes
    return float((turned * np.abs(turned)) @ thing.extents_covariance)


def edges_apart(scene: Scene, a: SceneObject, b: SceneObject, end_a: int, end_b: int) -> Reckoned:
    """How much higher an edge of a is than an edge of b, metres. ``end`` is -1 for a thing's bottom, 1 for its top."""
    up = up_axis(scene)
    edges = [vertical_extent(scene, thing)[0 if end < 0 else 1] for thing, end in ((a, end_a), (b, end_b))]
    variance = along(up, pair_covariance(scene, a, b)) ** 2 + (extent_std(a, up) ** 2 + extent_std(b, up) ** 2) / 4
    variance += end_a * leaning(a, up) + end_b * leaning(b, up)
    std = math.sqrt(max(variance, 0.0))
    error = (*apart(a, b, up), extent_error(a, up, end_a / 2), extent_error(b, up, -end_b / 2))
    return Reckoned(edges[0] - edges[1], std, error)


def extent_std(thing: SceneObject, direction: FloatArray) -> float:
    """One standard deviation of a thing's extent along a unit vector (3,), metres."""
    return norm((direction @ thing.axes) * thing.extents_std)


def extent_error(thing: SceneObject, direction: FloatArray, share: float = 1.0) -> ErrorTerm:
    """The error of ``share`` times a thing's extent along a unit vector (3,)."""
    return ErrorTerm(ErrorOf.EXTENTS, thing, share * np.abs(direction @ thing.axes))


def support_offset(scene: Scene, thing: SceneObject) -> float:
    """Coordinate along up of the support plane under a thing, metres, from the scene's origin; NaN without a plane.

    Under the thing, not under the camera: a plane that is a degree off level differs by centimetres between the two.
    """
    canonical, plane = scene.canonical, scene.support_plane
    if canonical is None or not np.isfinite(plane).all() or abs(float(plane[:3] @ canonical.up)) < 0.1:
        return float("nan")
    height = (float(plane[:3] @ thing.centre) + float(plane[3])) / float(plane[:3] @ canonical.up)
    return float(canonical.up @ thing.centre) - height


def stand_on_what_tells_up(scene: Scene, a: SceneObject, b: SceneObject) -> bool:
    """Whether up is the normal of the support plane and two things stand on that.

    Then their heights, and those of their middles, are measured from the plane, which errs with up: how much a height errs for
    that is in its own deviation, and an up that errs turns no height against the other one's.
    """
    if scene.canonical is None or scene.canonical.source != "plane":
        return False
    low = (vertical_extent(scene, thing)[0] - support_offset(scene, thing) for thing in (a, b))
    return all(abs(off_m) < _ON_PLANE_M for off_m in low)


def nearest_points(a: SceneObject, b: SceneObject) -> tuple[FloatArray, FloatArray]:
    """The nearest pair of surface points of two things (a's, b's), each (3,); the centre of a thing without a surface."""
    of_a, of_b = nearest_pair(a, b)
    return a.surface[of_a], b.surface[of_b]


@once
def surfaces_apart(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[Reckoned, FloatArray, FloatArray]:
    """How far two things' nearest surfaces are apart, metres, and the points (3,) of a and of b between which that is.

    A point that is seen is better known than the middle of the box, of which it is one side: it errs as the edges do, which are
    as long as what is seen. One that nobody sees is the mirror image of one through the centre, and moves farther than that does.
    Either errs more on some sides of the thing than on others.
    """
    of_a, of_b = nearest_ends(scene, a, b)
    point_a, point_b = a.surface[of_a], b.surface[of_b]
    towards = (point_b - point_a) / max(norm(point_b - point_a), 1e-9)
    shares = [end_shares(thing, index, way) for thing, index, way in ((a, of_a, towards), (b, of_b, -towards))]
    covariance = pair_covariance(scene, a, b)
    for thing, share in zip((a, b), shares, strict=True):
        covariance = covariance + end_covariance(thing, share) - thing.own_covariance
    gap = length(point_b - point_a, covariance, (a, b))
    share_of = dict(zip((id(a), id(b)), shares, strict=True))
    more: list[ErrorTerm] = []
    for _, thing, loading in gap.error:
        of_centre, of_edges = share_of[id(thing)]
        more.append(ErrorTerm(ErrorOf.OWN_CENTRE, thing, (of_centre - 1) * loading))
        if of_edges:
            more.append(extent_error(thing, loading, -of_edges))
    std = math.hypot(gap.std, math.hypot(a.point_std_m, b.point_std_m))
    return Reckoned(gap.value, std, (*gap.error, *more)), point_a, point_b


def nearest_ends(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[int, int]:
    """Indices in ``surface`` of the nearest points of two things; of some that are as near the first, which is seen if one is."""
    of_a, of_b = scene.pairs.of(a, b)
    of_a = _first(a, of_a, b.surface[of_b])
    return of_a, _first(b, of_b, a.surface[of_a])


def _first(thing: SceneObject, index: int, point: FloatArray) -> int:
    """The first in a thing's surface that is as near to a point (3,) as the one of ``index``: what is seen comes first."""
    off = thing.surface - point
    squared = np.einsum("ij,ij->i", off, off)
    return int(np.argmax(squared <= (math.sqrt(squared[index]) + _TIE * norm(point)) ** 2))


def end_shares(thing: SceneObject, index: int, towards: FloatArray) -> tuple[float, float]:
    """How much a point of a thing's surface errs, as shares of its centre's error and of its extents'.

    ``towards`` (3,) is the unit vector from it to what is measured from it.
    """
    if not len(thing.points):
        return 1.0, 0.0
    of_centre, of_edges = _SEEN_SHARES if index < len(thing.points) else _MIRRORED_SHARES
    more = math.exp(thing.side_log(towards))
    return more * of_centre, more * of_edges


def end_covariance(thing: SceneObject, shares: tuple[float, float]) -> FloatArray:
    """(3, 3) covariance of a point of a thing's surface, by ``end_shares``."""
    of_centre, of_edges = shares
    edges = thing.axes * (of_edges * thing.extents_std)
    covariance: FloatArray = of_centre**2 * thing.own_covariance + edges @ edges.T
    return covariance


def side_std(thing: SceneObject, direction: FloatArray) -> float:
    """One standard deviation of how far a thing reaches along a level unit vector (3,), metres, without the scale error."""
    usual = math.hypot(along(direction, thing.own_covariance), extent_std(thing, direction) / 2)
    return math.exp(thing.side_log(direction)) * usual
