"""Tables with things on them as arrays: what is true, and what an engine would have measured. No images; thousands a second.

Three things a scene, with the relations between them by the registry's formulas (a test holds them against the registry). The
measured things have errors that are drawn face by face, with heavier tails than their stated deviations tell, as real ones have.
Frame: x right, y away, z up, origin at the camera; metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...scene.contact import CONTACT_M
from ...vlm.embedded.object_tokens import DIRECTIONS, RIGHT, ThingArrays

Array = npt.NDArray[np.float64]
BOX, CAN, BALL, LYING, CONE, POINT = range(6)
_SHARES = (0.38, 0.25, 0.12, 0.1, 0.15)
THINGS = 3


@dataclass(frozen=True)
class Shapes:
    """True things (B, 3). ``size`` (B, 3, 3): edge lengths of the smallest upright box along its level axes and up.

    Attributes:
        kind: (B, 3) one of BOX, CAN, BALL, LYING, CONE, POINT.
        centre: (B, 3, 3) middle of that box, from the camera.
        yaw: (B, 3) rad, of its first level axis from x.
        top: (B, 3) radius of a cone's top as a share of that of its bottom.
        ground: (B,) z of the support.
    """

    kind: npt.NDArray[np.int64]
    size: Array
    centre: Array
    yaw: Array
    top: Array
    ground: Array

    def axes(self) -> Array:
        """(B, 3, 3, 3) columns are the box's axes."""
        c, s, zero = np.cos(self.yaw), np.sin(self.yaw), np.zeros_like(self.yaw)
        rows = [np.stack(row, -1) for row in ((c, -s, zero), (s, c, zero), (zero, zero, zero + 1))]
        return np.stack(rows, -2)

    def support(self, at: npt.NDArray[np.int64], directions: Array) -> Array:
        """(B, D) how far thing ``at`` (B,) reaches from its centre along unit vectors (B, D, 3)."""
        rows = np.arange(len(at))
        kind, size, yaw, top = self.kind[rows, at], self.size[rows, at], self.yaw[rows, at], self.top[rows, at]
        c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
        along, across = np.abs(c * x + s * y), np.abs(c * y - s * x)
        level = np.hypot(x, y)
        half = size[:, None, :] / 2
        reach = [
            half[..., 0] * along + half[..., 1] * across + half[..., 2] * np.abs(z),
            half[..., 0] * level + half[..., 2] * np.abs(z),
            half[..., 0] * np.sqrt(level**2 + z**2),
            half[..., 0] * along + half[..., 2] * np.hypot(across, z),
            np.maximum(half[..., 0] * level - half[..., 2] * z, half[..., 0] * top[:, None] * level + half[..., 2] * z),
            np.zeros_like(x),
        ]
        found: Array = np.choose(kind[:, None], reach)
        return found


def draw_shapes(generator: np.random.Generator, count: int, with_points: npt.NDArray[np.bool_]) -> Shapes:
    """Scenes of three things each. ``with_points`` (count,): whether a thing may be a tool's point."""
    g, shape = generator, (count, THINGS)
    kind = g.choice(len(_SHARES), size=shape, p=_SHARES)
    kind = np.where(with_points[:, None] & (g.random(shape) < 0.2), POINT, kind)
    scale = np.exp(g.uniform(np.log(0.03), np.log(0.2), (count, 1, 1))) * np.exp(g.normal(0, 0.35, (*shape, 1)))
    size = np.clip(scale * np.exp(g.normal(0, 0.4, (*shape, 3))), 0.01, 0.45)
    alike = g.random(count) < 0.15
    size = np.where(alike[:, None, None], size[:, :1] * np.exp(g.normal(0, 0.06, (*shape, 3))), size)
    kind = np.where(alike[:, None] & (kind != POINT), kind[:, :1], kind)
    size[..., 1] = np.where((kind == CAN) | (kind == CONE) | (kind == BALL), size[..., 0], size[..., 1])
    size[..., 2] = np.where(kind == BALL, size[..., 0], np.where(kind == LYING, size[..., 1], size[..., 2]))
    size = np.where((kind == POINT)[..., None], 0.0, size)
    xy, low = _places(g, count, size, kind)
    pitch, distance = np.deg2rad(g.uniform(8, 86, count)), g.uniform(0.35, 1.6, count)
    ground = -distance * np.sin(pitch) - 0.05
    centre = np.concatenate([xy, low[..., None] + size[..., 2:] / 2 + ground[:, None, None]], -1)
    centre[..., 1] += (distance * np.cos(pitch))[:, None]
    return Shapes(kind, size, centre, g.uniform(-np.pi / 4, np.pi / 4, shape), g.uniform(0.0, 1.0, shape), ground)


def _places(g: np.random.Generator, count: int, size: Array, kind: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """(B, 3, 2) level places and (B, 3) heights of the lowest points above the support."""
    spread = np.exp(g.uniform(np.log(0.05), np.log(0.35), (count, 1, 1)))
    xy = g.normal(0, 1, (count, THINGS, 2)) * spread
    low = np.zeros((count, THINGS))
    # The second thing right beside the first one, on it, or hanging; the third anywhere or between them.
    radius = np.hypot(size[..., 0], size[..., 1]) / 2
    angle = g.uniform(0, 2 * np.pi, count)
    beside = np.stack([np.cos(angle), np.sin(angle)], -1) * (radius[:, :2].sum(1) * g.uniform(0.7, 1.4, count))[:, None]
    way, swap = g.random(count), g.random(count) < 0.5
    xy[:, 1] = np.where((way < 0.2)[:, None], xy[:, 0] + beside, xy[:, 1])
    on = (way >= 0.2) & (way < 0.38)
    offset = g.normal(0, 0.3, (count, 2)) * size[:, 0, :2]
    xy[:, 1] = np.where(on[:, None], xy[:, 0] + offset, xy[:, 1])
    low[:, 1] = np.where(on, size[:, 0, 2] + (g.random(count) < 0.2) * g.uniform(0, 0.05, count), low[:, 1])
    share = g.random((count, 1))
    middle = share * xy[:, 0] + (1 - share) * xy[:, 1] + g.normal(0, 0.04, (count, 2))
    xy[:, 2] = np.where((g.random(count) < 0.35)[:, None], middle, xy[:, 2])
    hanging = g.random((count, THINGS)) < 0.06
    low = np.where(hanging, g.uniform(0.0, 0.25, low.shape), low)
    low = np.where(kind == POINT, g.uniform(0.0, 0.35, low.shape), low)
    # Which of the first two is told first says nothing.
    turned = np.where(swap[:, None], [1, 0, 2], [0, 1, 2])
    rows = np.arange(count)[:, None]
    # Sizes stay with their things: the caller's arrays are turned in place.
    size[:] = size[rows, turned]
    kind[:] = kind[rows, turned]
    return xy[rows, turned], low[rows, turned]


# -- what is true -----------------------------------------------------------------------------------------------------------


def truths(shapes: Shapes) -> dict[str, Array]:
    """(B,) the registry's numbers of things 0, 0 and 1, or 0, 1 and 2: lengths, and margins of comparisons, metres."""
    a, b, c = shapes.centre[:, 0], shapes.centre[:, 1], shapes.centre[:, 2]
    size_a, size_b = shapes.size[:, 0], shapes.size[:, 1]
    way = a - b
    first = np.zeros(len(a), np.int64)
    right = np.broadcast_to(DIRECTIONS[RIGHT], (len(a), 1, 3))
    width = [shapes.support(first + i, right)[:, 0] + shapes.support(first + i, -right)[:, 0] for i in (0, 1)]
    bottoms = way[:, 2] - (size_a - size_b)[:, 2] / 2
    gap = _apart(shapes, first, first + 1, level=False)
    return {
        "height": size_a[:, 2],
        "width": width[0],
        "elevation": a[:, 2] - size_a[:, 2] / 2 - shapes.ground,
        "distance": np.linalg.norm(way, axis=-1),
        "gap": gap,
        "horizontal_distance": np.hypot(way[:, 0], way[:, 1]),
        "vertical_distance": np.abs(way[:, 2]),
        "left_difference": -way[:, 0],
        "behind_difference": way[:, 1],
        "above_difference": bottoms,
        "above": way[:, 2],
        "tall": size_a[:, 2] - size_b[:, 2],
        "wide": width[0] - width[1],
        "big": _cube_root(size_a) - _cube_root(size_b),
        "on": _on(shapes, way, bottoms),
        "touching": CONTACT_M - gap,
        "path_width": _apart(shapes, first, first + 1, level=True),
        "between": _between(shapes, a, b, c),
    }


def _cube_root(size: Array) -> Array:
    return np.asarray(np.cbrt(np.maximum(size, 1e-4).prod(-1)))


def _on(shapes: Shapes, way: Array, bottoms: Array) -> Array:
    """Least of the margins of "a is on b"."""
    yaw, size = shapes.yaw[:, 1], shapes.size[:, 1]
    c, s = np.cos(yaw), np.sin(yaw)
    over = np.stack([c * way[:, 0] + s * way[:, 1], c * way[:, 1] - s * way[:, 0]], -1)
    contact = CONTACT_M - np.abs(bottoms - size[:, 2])
    margins = [contact, way[:, 2], *(size[:, i] / 2 - np.abs(over[:, i]) for i in (0, 1))]
    return np.asarray(np.stack(margins).min(0))


def _between(shapes: Shapes, a: Array, b: Array, c: Array) -> Array:
    """Least of the margins of "a is between b and c"."""
    line, from_b = (c - b)[:, :2], (a - b)[:, :2]
    span = np.maximum(np.linalg.norm(line, axis=-1), 1e-6)
    along = (from_b * line).sum(-1) / span
    off = np.linalg.norm(from_b - (along / span)[:, None] * line, axis=-1)
    half = np.sort(shapes.size, axis=-1)[..., :2].mean(-1) / 2
    return np.asarray(np.stack([along, span - along, half[:, 0] + (half[:, 1] + half[:, 2]) / 2 - off]).min(0))


def _apart(shapes: Shapes, i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], *, level: bool) -> Array:
    """(B,) distance of the surfaces of two convex things, or of their level outlines; 0 where they meet.

    The widest slab between them, over directions: from a fixed set, then in ever smaller steps around the best one.
    """
    rows = np.arange(len(i))
    way = shapes.centre[rows, j] - shapes.centre[rows, i]

    def slab(directions: Array) -> Array:
        between = np.einsum("bdi,bi->bd", directions, way)
        return np.asarray(between - shapes.support(i, directions) - shapes.support(j, -directions))

    start = DIRECTIONS[:12] if level else DIRECTIONS
    directions = np.broadcast_to(np.concatenate([start, -start]), (len(i), 2 * len(start), 3))
    widths = slab(directions)
    best, most = directions[rows, widths.argmax(1)], widths.max(1)
    step = np.deg2rad(15.0)
    angles = np.deg2rad(45.0 * np.arange(8))
    for _ in range(14):
        across = np.stack([-best[:, 1], best[:, 0], np.zeros(len(i))], -1)
        norm = np.linalg.norm(across, axis=-1, keepdims=True)
        across = np.where(norm < 1e-6, [1.0, 0.0, 0.0], across / np.maximum(norm, 1e-6))
        other = np.cross(best, across)
        moves = step * (np.cos(angles)[None, :, None] * across[:, None] + np.sin(angles)[None, :, None] * other[:, None])
        tried = best[:, None] + (step * np.array([-1.0, -0.5, 0.5, 1.0])[None, :, None] * across[:, None] if level else moves)
        tried = tried / np.linalg.norm(tried, axis=-1, keepdims=True)
        widths = slab(tried)
        chosen = widths.argmax(1)
        better = widths[rows, chosen] > most
        best = np.where(better[:, None], tried[rows, chosen], best)
        most = np.maximum(most, widths[rows, chosen])
        step *= 0.6
    least: Array = np.maximum(most, 0.0)
    return least


# -- what is measured ---------------------------------------------------------------------------------------------------


def _tailed(g: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Errors in stated deviations: Student's t of 4 degrees of freedom, some scenes worse than stated."""
    return np.asarray(g.standard_t(4, shape) * 0.75 * np.exp(g.normal(0, 0.3, (shape[0],) + (1,) * (len(shape) - 1))))


def measured(shapes: Shapes, g: np.random.Generator) -> ThingArrays:
    """The shapes as they would be measured: (B, 3) things."""
    count = len(shapes.kind)
    shape = (count, THINGS)
    is_point = shapes.kind == POINT
    axes = shapes.axes()
    faces = np.exp(g.normal(np.log(0.0012), 0.6, (*shape, 3, 2)))
    # Faces turned away from the camera are guessed; more so of things that something hides or that the image cuts.
    ray = shapes.centre / np.maximum(np.linalg.norm(shapes.centre, axis=-1, keepdims=True), 1e-6)
    turned = np.einsum("bnji,bnj->bni", axes, ray)
    away = np.stack([np.maximum(-turned, 0), np.maximum(turned, 0)], -1)
    faces = np.hypot(faces, 0.05 * g.uniform(0.2, 1.4, (*shape, 1, 1)) * shapes.size[..., None] * away)
    hidden = (g.random((*shape, 1, 1)) < 0.12) & (g.random((*shape, 3, 2)) < 0.3)
    faces = np.hypot(faces, hidden * g.uniform(0.05, 0.5, (*shape, 1, 1)) * shapes.size[..., None])
    faces[..., 2, 0] = np.where(g.random(shape) < 0.85, 0.001, faces[..., 2, 0])
    error = faces * _tailed(g, faces.shape)
    low, high = error[..., 0], error[..., 1]
    keep = np.maximum(shapes.size + high - low, 0.2 * shapes.size)
    moved = np.einsum("bnij,bnj->bni", axes, (low + high) / 2)
    tool = 0.002 * g.normal(size=(*shape, 3))
    extents = np.where(is_point[..., None], 0.0, keep)
    centre = shapes.centre + np.where(is_point[..., None], tool, moved)
    own = np.einsum("bnij,bnj,bnkj->bnik", axes, (faces**2).sum(-1) / 4, axes)
    own = np.where(is_point[..., None, None], 4e-6 * np.eye(3), own)
    scale_std = np.where(is_point, 0.0, g.choice([0.003, 0.004], (count, 1)))
    centre = centre * (1 + scale_std * g.normal(size=(count, 1)))[..., None]
    tilt = np.exp(g.uniform(np.log(0.001), np.log(0.015), count))
    centre = _tipped(centre, tilt, g)
    height = shapes.centre[..., 2] - shapes.ground[:, None] + (centre - shapes.centre)[..., 2] * 0.3 + g.normal(0, 0.001, shape)
    visible = np.clip(1 - np.abs(g.normal(0, 0.15, shape)) - 0.3 * hidden.any((-1, -2)), 0.1, 1)
    return ThingArrays(
        centre=centre, own_covariance=own, axes=axes, extents=extents,
        extents_std=np.where(is_point[..., None], 0.0, np.sqrt((faces**2).sum(-1))),
        reach=_reach(shapes, extents, g), height=height, scale_std=scale_std,
        tilt_std_rad=np.broadcast_to(tilt[:, None], shape),
        point_std_m=np.where(is_point, 0.0, g.uniform(0.001, 0.005, (count, 1))),
        visible_share=np.where(is_point, np.nan, visible),
        num_points=np.where(is_point, 0.0, 10 ** g.uniform(2, 4.5, shape)),
        truncated=(g.random(shape) < 0.06) & ~is_point, seen_by_camera=~is_point,
        seen_now=np.ones(shape, np.bool_), up_known=np.ones(shape, np.bool_),
    )  # fmt: skip


def _tipped(centre: Array, tilt: Array, g: np.random.Generator) -> Array:
    """Places (B, 3, 3) in a frame whose up is off by a random tilt of deviation ``tilt`` (B,)."""
    turn = np.concatenate([tilt[:, None] * g.normal(size=(len(tilt), 2)), np.zeros((len(tilt), 1))], 1)
    return np.asarray(centre + np.cross(turn[:, None, :], centre))


def _reach(shapes: Shapes, extents: Array, g: np.random.Generator) -> Array:
    """(B, 3, 25) of what is measured: the true shape's, stretched with its box."""
    count = len(shapes.kind)
    directions = np.broadcast_to(DIRECTIONS, (count, len(DIRECTIONS), 3))
    found: list[Any] = []
    for i in range(THINGS):
        at = np.full(count, i)
        found.append((shapes.support(at, directions) + shapes.support(at, -directions)) / 2)
    true = np.stack(found, 1)
    axes = np.abs(np.einsum("kj,bnji->bnki", DIRECTIONS, shapes.axes()))
    stretch = ((axes * extents[:, :, None]).sum(-1)) / np.maximum((axes * shapes.size[:, :, None]).sum(-1), 1e-6)
    reach: Array = true * stretch + g.normal(0, 0.0007, true.shape)
    return np.where((shapes.kind == POINT)[..., None], 0.0, np.maximum(reach, 0.0))
