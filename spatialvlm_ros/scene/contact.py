"""Which thing stands on, lies in, touches or is held by another one, what fits where, and what is within reach.

All are predicates with a margin and its standard deviation, except ``path_width``. Footprints are the level outlines of the
things; the unseen back of a thing is taken to mirror its front.
"""

from __future__ import annotations

import math

import numpy as np

from ..geometry.rigid import FloatArray, norm
from .dimensions import offset
from .facts import probability_above
from .footprint import footprint, outline_gap, room
from .relation import (
    ErrorOf,
    ErrorTerm,
    Kind,
    Measurement,
    Reckoned,
    along,
    apart,
    edges_apart,
    extent_error,
    holds,
    length,
    once,
    pair_covariance,
    register,
    scaled,
    side_std,
    surfaces_apart,
    up_axis,
    vertical_extent,
)
from .scene import Scene, SceneObject

# A bottom this near a top touches it: the sum of sensor bias and mask edges at a metre, not a free parameter of the task.
CONTACT_M = 0.015
# An object whose centre is this near the tool point can only be between the fingers.
HELD_M = 0.03
# Thickness of the wall of a thing that holds another one: thin enough for a cup, and within what a camera tells at a metre.
WALL_M = 0.003
# So much of a thing's height lies below the rim of what it is in.
SUNK_SHARE = 0.25
# What a fit between two outlines owes to the edge lengths of one of them: half of the mean of its level edges.
_LEVEL_EDGES = np.array([0.25, 0.25, 0.0])
# A loading of one edge alone is a row of it.
_EACH = np.eye(3)
_EACH.flags.writeable = False


def _least(margins: list[Reckoned], a: SceneObject, b: SceneObject) -> Measurement:
    """All margins have to be positive: the least certain of them decides."""
    return holds(min(margins, key=lambda margin: probability_above(margin.value, margin.std)), a.centre, b.centre)


def _within(scene: Scene, point: SceneObject, box: SceneObject, reach: FloatArray) -> list[Reckoned]:
    """How far one thing's centre lies within another's faces, grown or not, metres, for each axis.

    Args:
        reach: (K,) metres from the box's centre to its faces, for its first K axes.
    """
    in_box = box.axes.T @ (point.centre - box.centre)
    covariance = pair_covariance(scene, point, box)
    return [
        Reckoned(
            float(far - abs(in_box[i])),
            float(np.hypot(along(box.axes[:, i], covariance), box.extents_std[i] / 2)),
            (
                *apart(point, box, box.axes[:, i] * (-1.0 if in_box[i] > 0 else 1.0)),
                ErrorTerm(ErrorOf.EXTENTS, box, _EACH[i] / 2),
            ),
        )
        for i, far in enumerate(reach)
    ]


@once
def _over(scene: Scene, a: SceneObject, b: SceneObject) -> list[Reckoned]:
    """How far a's centre lies within b's footprint, along both of its level axes; b's third axis is up."""
    return _within(scene, a, b, b.extents[:2] / 2)


@register("on", Kind.PREDICATE, 2, "The {a} is {verdict} on the {b}.", canonical=True, frame="gravity")
def _on(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a stands on b: its bottom at b's top, and its centre over b's footprint and above b's."""
    above = edges_apart(scene, a, b, -1, 1)
    contact = (above.negated() if above.value > 0 else above)._replace(value=CONTACT_M - abs(above.value))
    return _least([contact, *_over(scene, a, b), offset(scene, a, b, up_axis(scene))], a, b)


@register(
    "contained", Kind.PREDICATE, 2, "The {a} is {verdict} inside the {b}.", canonical=True, extent=True, frame="gravity"
)  # fmt: skip
def _contained(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a lies in b: its centre over b's footprint, narrower than b, and a quarter of its height below b's rim."""
    bottom, top_a, _ = vertical_extent(scene, a)
    low, top, _ = vertical_extent(scene, b)
    rim = edges_apart(scene, b, a, 1, -1)
    share = extent_error(a, up_axis(scene), -SUNK_SHARE)
    sunk = Reckoned(top - bottom - SUNK_SHARE * (top_a - bottom), rim.std, (*rim.error, share))
    inside = edges_apart(scene, a, b, -1, -1)._replace(value=bottom - low + CONTACT_M)
    return _least([sunk, inside, *_over(scene, a, b), _narrower(a, b)], a, b)


def _narrower(a: SceneObject, b: SceneObject) -> Reckoned:
    """By how much a's level edges, sorted, are shorter than b's, metres; the tighter pair decides."""
    order_a, order_b = np.argsort(a.extents[:2]), np.argsort(b.extents[:2])
    spare = b.extents[order_b] - a.extents[order_a]
    tight = int(np.argmin(spare))
    edge_a, edge_b = order_a[tight], order_b[tight]
    std = np.hypot(a.extents_std[edge_a], b.extents_std[edge_b])
    error = ErrorTerm(ErrorOf.EXTENTS, a, -_EACH[edge_a]), ErrorTerm(ErrorOf.EXTENTS, b, _EACH[edge_b])
    return Reckoned(float(spare[tight]), float(std), error)


@register(
    "fits_into", Kind.PREDICATE, 2, "The {a} would {verdict} fit into an opening as wide as the {b}.", canonical=True,
    extent=True, frame="gravity",
)  # fmt: skip
def _fits_into(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a, standing as it stands and turned at will, passes b's opening: b's footprint less its wall all around.

    By outlines, not by boxes: a square block does not pass a round opening of its own width. It may stick out at the top. Whether
    b is hollow and open is for the one who asks to know.
    """
    basis = _level_basis(scene)
    spare = room(_outline(scene, a) - a.centre @ basis, _outline(scene, b) - b.centre @ basis, _yaw(b, basis) - _yaw(a, basis))
    # The tightest of the edges decides, whichever it is.
    edges = np.hypot(norm(a.extents_std[:2]), norm(b.extents_std[:2])) / 2
    error = ErrorTerm(ErrorOf.EXTENTS, a, -_LEVEL_EDGES), ErrorTerm(ErrorOf.EXTENTS, b, _LEVEL_EDGES)
    return holds(Reckoned(spare - WALL_M, float(edges), error), a.centre, b.centre)


def _level_basis(scene: Scene) -> FloatArray:
    """(3, 2) two level unit vectors in the scene's frame."""
    if scene.canonical is None:
        raise ValueError("up is not known")  # the engine checks needs_canonical first
    return scene.canonical.scene_from_canonical.rotation[:, :2]


@once
def _outline(scene: Scene, thing: SceneObject) -> FloatArray:
    """``footprint`` in the level basis."""
    return footprint(thing, _level_basis(scene))


def _yaw(thing: SceneObject, basis: FloatArray) -> float:
    """Angle of a thing's first axis in a level basis (3, 2), radians."""
    first = thing.axes[:, 0] @ basis
    return float(np.arctan2(first[1], first[0]))


@register("touching", Kind.PREDICATE, 2, "The {a} is {verdict} touching the {b}.")
def _touching(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """Their nearest surfaces are within what a depth camera tells from contact."""
    gap, point_a, point_b = surfaces_apart(scene, a, b)
    return holds(Reckoned(CONTACT_M - gap.value, gap.std, gap.negated().error), point_a, point_b)


@register("held", Kind.PREDICATE, 2, "The {a} is {verdict} held by the {b}.")
def _held(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a is between the fingers of the tool b: the tool point lies inside a's box, grown by ``HELD_M`` / 2."""
    return _least(_within(scene, b, a, a.extents / 2 + HELD_M / 2), a, b)


@register("between", Kind.PREDICATE, 3, "The {a} is {verdict} between the {b} and the {c}.")
def _between(scene: Scene, a: SceneObject, b: SceneObject, c: SceneObject) -> Measurement:
    """a's centre projects between those of b and c, and lies off their line by less than their and its own half size.

    Along the ground where up is known, else in space. Half size: half the mean of a thing's two shorter edges of the three.
    """
    level = np.eye(3)
    if scene.canonical is not None:
        up = scene.canonical.up
        level = np.eye(3) - np.outer(up, up)
    line, from_b = level @ (c.centre - b.centre), level @ (a.centre - b.centre)
    span = float(np.linalg.norm(line))
    if span < 1e-6:
        return holds(Reckoned(0.0, 1.0), a.centre, b.centre)
    direction = line / span
    at = float(from_b @ direction)
    aside = from_b - at * direction
    off = length(aside, level @ (pair_covariance(scene, a, b) + pair_covariance(scene, a, c)) @ level / 2, (b, a))
    spread: tuple[ErrorTerm, ...] = ()
    if off.error:  # else it is within its noise, and has no direction
        outwards = aside / off.value
        spread = *scaled(apart(a, b, outwards), -0.5), *scaled(apart(a, c, outwards), -0.5)
    reach = _half_size(a) + (_half_size(b) + _half_size(c)) / 2
    first, second = along(direction, pair_covariance(scene, a, b)), along(direction, pair_covariance(scene, a, c))
    margins = [
        Reckoned(at, first, apart(a, b, direction)),
        Reckoned(span - at, second, apart(c, a, direction)),
        Reckoned(reach - off.value, off.std, spread),
    ]
    return _least(margins, a, b)


def _half_size(thing: SceneObject) -> float:
    return float(np.sort(thing.extents)[:2].mean()) / 2


@register(
    "path_width", Kind.ESTIMATE, 2, "The way between the {a} and the {b} is {value} wide.", canonical=True, frame="gravity"
)  # fmt: skip
def _path_width(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """Least distance between the two footprints, whatever their heights; 0 where they overlap."""
    width, point_a, point_b = _way(scene, a, b)
    return Measurement(width.value, width.std, point_a, point_b, error=width.error)


def _way(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[Reckoned, FloatArray, FloatArray]:
    """Width of the way between two things, metres, and its two ends (3,) at the centres' heights."""
    up = up_axis(scene)
    basis = _level_basis(scene)
    flat_a, flat_b, width = outline_gap(_outline(scene, a), _outline(scene, b))
    point_a = basis @ flat_a + (up @ a.centre) * up
    point_b = basis @ flat_b + (up @ b.centre) * up
    level = np.eye(3) - np.outer(up, up)
    towards = level @ (b.centre - a.centre)
    if width > 1e-6:
        towards = basis @ (flat_b - flat_a)
    size = float(np.linalg.norm(towards))
    direction = towards / size if size > 1e-9 else basis[:, 0]
    shared = pair_covariance(scene, a, b) - a.own_covariance - b.own_covariance
    std = math.hypot(along(direction, shared), side_std(a, direction), side_std(b, -direction))
    return Reckoned(width, std, apart(b, a, direction)), point_a, point_b


@register(
    "fits_through", Kind.PREDICATE, 3, "The {a} would {verdict} fit between the {b} and the {c}.", canonical=True, frame="gravity"
)  # fmt: skip
def _fits_through(scene: Scene, a: SceneObject, b: SceneObject, c: SceneObject) -> Measurement:
    """a, turned at will about the vertical, is narrower than the way between b and c."""
    if not a.extents.any():
        return Measurement(float("nan"), float("nan"), note="what is to fit is known as a point, without a size")
    width, point_b, _ = _way(scene, b, c)
    narrow = int(np.argmin(a.extents[:2]))
    std = float(np.hypot(width.std, a.extents_std[narrow]))
    error = (*width.error, ErrorTerm(ErrorOf.EXTENTS, a, -_EACH[narrow]))
    return holds(Reckoned(width.value - float(a.extents[narrow]), std, error), a.centre, point_b)


@register("reachable", Kind.PREDICATE, 2, "The {a} is {verdict} within {amount} of the {b}.", amount=True)
def _reachable(scene: Scene, a: SceneObject, b: SceneObject, amount: float) -> Measurement:
    """a's nearest visible surface is within a radius of b's centre (the base of an arm, say)."""
    points = a.points.astype(np.float64) if len(a.points) else a.centre[None]
    nearest = points[int(np.argmin(np.linalg.norm(points - b.centre, axis=1)))]
    distance = length(nearest - b.centre, pair_covariance(scene, a, b), (b, a))
    std = float(np.hypot(distance.std, a.point_std_m))
    return holds(Reckoned(amount - distance.value, std, distance.negated().error), nearest, b.centre)
