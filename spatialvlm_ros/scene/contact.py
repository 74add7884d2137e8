"""Which thing stands on, lies in, touches or is held by another one, what fits where, and what is within reach.

All are predicates with a margin and its standard deviation, except ``path_width``. Footprints are the level outlines of the
things; the unseen back of a thing is taken to mirror its front.
"""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import FloatArray
from .dimensions import offset
from .facts import truth_from_margin
from .footprint import footprint, outline_gap, room
from .relation import (
    Kind,
    Measurement,
    along,
    edges_std,
    length,
    nearest_points,
    pair_covariance,
    register,
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


def _holds(margin: float, std: float, a: SceneObject, b: SceneObject) -> Measurement:
    return Measurement(truth_from_margin(margin, std).probability, float("nan"), a.centre, b.centre)


def _least(margins: list[tuple[float, float]], a: SceneObject, b: SceneObject) -> Measurement:
    """All margins have to be positive: the least certain of them decides."""
    probability = min(truth_from_margin(margin, std).probability for margin, std in margins)
    return Measurement(probability, float("nan"), a.centre, b.centre)


def _within(scene: Scene, point: SceneObject, box: SceneObject, reach: FloatArray) -> list[tuple[float, float]]:
    """How far one thing's centre lies within another's faces, grown or not, and the standard deviation, metres, for each axis.

    Args:
        reach: (K,) metres from the box's centre to its faces, for its first K axes.
    """
    in_box = np.abs(box.axes.T @ (point.centre - box.centre))
    covariance = pair_covariance(scene, point, box)
    return [
        (float(far - in_box[i]), float(np.hypot(along(box.axes[:, i], covariance), box.extents_std[i] / 2)))
        for i, far in enumerate(reach)
    ]


def _over(scene: Scene, a: SceneObject, b: SceneObject) -> list[tuple[float, float]]:
    """How far a's centre lies within b's footprint, along both of its level axes; b's third axis is up."""
    return _within(scene, a, b, b.extents[:2] / 2)


@register("on", Kind.PREDICATE, 2, "The {a} is {verdict} on the {b}.", canonical=True, frame="gravity")
def _on(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a stands on b: its bottom at b's top, and its centre over b's footprint and above b's."""
    bottom, _, _ = vertical_extent(scene, a)
    _, top, _ = vertical_extent(scene, b)
    contact = CONTACT_M - abs(bottom - top), edges_std(scene, a, b)
    return _least([contact, *_over(scene, a, b), offset(scene, a, b, up_axis(scene))], a, b)


@register(
    "contained", Kind.PREDICATE, 2, "The {a} is {verdict} inside the {b}.", canonical=True, extent=True, frame="gravity"
)  # fmt: skip
def _contained(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """a lies in b: its centre over b's footprint, narrower than b, and a quarter of its height below b's rim."""
    bottom, top_a, _ = vertical_extent(scene, a)
    low, top, _ = vertical_extent(scene, b)
    edges = edges_std(scene, a, b)
    sunk = top - bottom - SUNK_SHARE * (top_a - bottom), edges
    return _least([sunk, (bottom - low + CONTACT_M, edges), *_over(scene, a, b), _narrower(a, b)], a, b)


def _narrower(a: SceneObject, b: SceneObject) -> tuple[float, float]:
    """By how much a's level edges, sorted, are shorter than b's, and its standard deviation, metres; the tighter pair decides."""
    order_a, order_b = np.argsort(a.extents[:2]), np.argsort(b.extents[:2])
    spare = b.extents[order_b] - a.extents[order_a]
    tight = int(np.argmin(spare))
    std = np.hypot(a.extents_std[order_a[tight]], b.extents_std[order_b[tight]])
    return float(spare[tight]), float(std)


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
    spare = room(footprint(a, basis) - a.centre @ basis, footprint(b, basis) - b.centre @ basis, _yaw(b, basis) - _yaw(a, basis))
    edges = np.hypot(a.extents_std[:2].mean(), b.extents_std[:2].mean()) / 2
    return _holds(spare - WALL_M, float(edges), a, b)


def _level_basis(scene: Scene) -> FloatArray:
    """(3, 2) two level unit vectors in the scene's frame."""
    if scene.canonical is None:
        raise ValueError("up is not known")  # the engine checks needs_canonical first
    return scene.canonical.scene_from_canonical.rotation[:, :2]


def _yaw(thing: SceneObject, basis: FloatArray) -> float:
    """Angle of a thing's first axis in a level basis (3, 2), radians."""
    first = thing.axes[:, 0] @ basis
    return float(np.arctan2(first[1], first[0]))


@register("touching", Kind.PREDICATE, 2, "The {a} is {verdict} touching the {b}.")
def _touching(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """Their nearest surfaces are within what a depth camera tells from contact."""
    point_a, point_b = nearest_points(a, b)
    gap, std = length(point_b - point_a, pair_covariance(scene, a, b))
    std = float(np.hypot(std, np.hypot(a.point_std_m, b.point_std_m)))
    return Measurement(truth_from_margin(CONTACT_M - gap, std).probability, float("nan"), point_a, point_b)


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
        return Measurement(0.5, float("nan"), a.centre, b.centre)
    direction = line / span
    at = float(from_b @ direction)
    aside = from_b - at * direction
    off, off_std = length(aside, level @ (pair_covariance(scene, a, b) + pair_covariance(scene, a, c)) @ level / 2)
    reach = _half_size(a) + (_half_size(b) + _half_size(c)) / 2
    first, second = along(direction, pair_covariance(scene, a, b)), along(direction, pair_covariance(scene, a, c))
    return _least([(at, first), (span - at, second), (reach - off, off_std)], a, b)


def _half_size(thing: SceneObject) -> float:
    return float(np.sort(thing.extents)[:2].mean()) / 2


@register(
    "path_width", Kind.ESTIMATE, 2, "The way between the {a} and the {b} is {value} wide.", canonical=True, frame="gravity"
)  # fmt: skip
def _path_width(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """Least distance between the two footprints, whatever their heights; 0 where they overlap."""
    width, std, point_a, point_b = _way(scene, a, b)
    return Measurement(width, std, point_a, point_b)


def _way(scene: Scene, a: SceneObject, b: SceneObject) -> tuple[float, float, FloatArray, FloatArray]:
    """Width of the way between two things, its standard deviation, metres, and its two ends (3,) at the centres' heights."""
    up = up_axis(scene)
    basis = _level_basis(scene)
    flat_a, flat_b, width = outline_gap(footprint(a, basis), footprint(b, basis))
    point_a = basis @ flat_a + (up @ a.centre) * up
    point_b = basis @ flat_b + (up @ b.centre) * up
    level = np.eye(3) - np.outer(up, up)
    towards = level @ (b.centre - a.centre)
    if width > 1e-6:
        towards = basis @ (flat_b - flat_a)
    size = float(np.linalg.norm(towards))
    direction = towards / size if size > 1e-9 else basis[:, 0]
    edges = float(np.hypot(a.extents_std[:2].mean(), b.extents_std[:2].mean())) / 2
    return width, float(np.hypot(along(direction, pair_covariance(scene, a, b)), edges)), point_a, point_b


@register(
    "fits_through", Kind.PREDICATE, 3, "The {a} would {verdict} fit between the {b} and the {c}.", canonical=True, frame="gravity"
)  # fmt: skip
def _fits_through(scene: Scene, a: SceneObject, b: SceneObject, c: SceneObject) -> Measurement:
    """a, turned at will about the vertical, is narrower than the way between b and c."""
    if not a.extents.any():
        return Measurement(float("nan"), float("nan"), note="what is to fit is known as a point, without a size")
    width, std, point_b, _ = _way(scene, b, c)
    narrow = int(np.argmin(a.extents[:2]))
    margin, std = width - float(a.extents[narrow]), float(np.hypot(std, a.extents_std[narrow]))
    return Measurement(truth_from_margin(margin, std).probability, float("nan"), a.centre, point_b)


@register("reachable", Kind.PREDICATE, 2, "The {a} is {verdict} within {amount} of the {b}.", amount=True)
def _reachable(scene: Scene, a: SceneObject, b: SceneObject, amount: float) -> Measurement:
    """a's nearest visible surface is within a radius of b's centre (the base of an arm, say)."""
    points = a.points.astype(np.float64) if len(a.points) else a.centre[None]
    nearest = points[int(np.argmin(np.linalg.norm(points - b.centre, axis=1)))]
    distance, std = length(nearest - b.centre, pair_covariance(scene, a, b))
    margin = truth_from_margin(amount - distance, float(np.hypot(std, a.point_std_m)))
    return Measurement(margin.probability, float("nan"), nearest, b.centre)
