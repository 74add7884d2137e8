"""Random things put where they can stand: on a level surface, on each other, or against something vertical.

Whether two things keep clear is judged by their footprints (convex hulls seen from above) and the heights between which
they reach. That is exact for upright prisms and on the safe side for all else: what passes never cuts into each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import RigidTransform
from .random_things import HANGING, SHAPES, Design, random_design
from .random_types import FloatArray, SceneSampling, Thing

_TRIES = 60
# Three things on top of each other are a tower that no person leaves standing.
_MAX_LEVEL = 2


@dataclass(frozen=True)
class Body:
    """The room that a solid takes: `hull` (N, 2) counter-clockwise seen from above, and heights in metres."""

    hull: FloatArray
    low_m: float
    high_m: float


@dataclass(frozen=True)
class Face:
    """A vertical rectangle on which things may hang: its middle (3,), unit normal (3,) and half width."""

    middle_m: FloatArray
    normal: FloatArray
    half_width_m: float
    half_height_m: float


def rotation_about_z(angle_rad: float) -> FloatArray:
    """(3, 3)."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def body_of(vertices_m: FloatArray) -> Body:
    """The room that a solid with these vertices (V, 3) takes."""
    from scipy.spatial import ConvexHull

    flat = vertices_m[:, :2]
    return Body(flat[ConvexHull(flat).vertices], float(vertices_m[:, 2].min()), float(vertices_m[:, 2].max()))


def separation_m(a: FloatArray, b: FloatArray) -> float:
    """Widest gap between two convex polygons (N, 2) along the normal of any of their edges; below 0 they overlap.

    This is the separating axis theorem: never more than their true distance.
    """
    widest = -np.inf
    for one, other in ((a, b), (b, a)):
        edges = np.roll(one, -1, axis=0) - one
        normals = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.linalg.norm(edges, axis=1, keepdims=True)
        reach = np.einsum("ij,ij->i", normals, one)
        widest = max(widest, float(((normals @ other.T).min(axis=1) - reach).max()))
    return widest


def is_clear(body: Body, others: Sequence[Body], gap_m: float) -> bool:
    """Whether `body` keeps `gap_m` from all others that reach into its heights. Touching in height is clear."""
    for other in others:
        if body.low_m >= other.high_m - 1e-9 or other.low_m >= body.high_m - 1e-9:
            continue
        if separation_m(body.hull, other.hull) < gap_m:
            return False
    return True


def contains(hull: FloatArray, points: FloatArray, margin_m: float = 0.0) -> bool:
    """Whether all points (N, 2) lie at least `margin_m` inside a convex polygon that turns counter-clockwise."""
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.linalg.norm(edges, axis=1, keepdims=True)
    depth = np.einsum("ij,ij->i", normals, hull)[:, None] - normals @ points.T
    return bool(depth.min() >= margin_m)


class Layout:
    """Grows a scene thing by thing. `obstacles` are what stands there already."""

    def __init__(self, rng: np.random.Generator, sampling: SceneSampling, obstacles: Sequence[Body] = ()) -> None:
        self._rng = rng
        self._sampling = sampling
        self._obstacles = tuple(obstacles)
        self._levels: list[int] = []
        self._flat: list[bool] = []
        self.things: list[Thing] = []
        self.bodies: list[Body] = []

    def stand(self, count: int, height_m: float, room: FloatArray | None) -> None:
        """Put up to `count` things on the level surface at `height_m`.

        `room` (N, 2) is the convex polygon they must stay in, None where there is no end to it.
        """
        designs = self._designs(count, tuple(SHAPES))
        bodies = [body_of(design.mesh.vertices @ design.tilt.T) for design in designs]
        areas = [float(np.prod(np.ptp(body.hull, axis=0))) for body in bodies]
        fill = 0.1 + 0.45 * self._sampling.crowding
        radius = np.sqrt(max(sum(areas), 1e-4) / fill / np.pi)
        stretch = self._rng.uniform(0.75, 1.3)
        upper = [not d.rolls and self._rng.random() < self._sampling.share_stacked for d in designs]
        # What shall stand on others comes last. Before that wide things first: what is small still finds a place between.
        for index in sorted(range(len(designs)), key=lambda i: (upper[i], -areas[i])):
            design, body = designs[index], bodies[index]
            if upper[index] and self._stack(design, body):
                continue
            for attempt in range(_TRIES):
                reach = radius * (1 + 0.02 * attempt) * np.sqrt(self._rng.random())
                bearing = self._rng.uniform(-np.pi, np.pi)
                spot = reach * np.array([stretch * np.cos(bearing), np.sin(bearing) / stretch])
                if self._try(design, body, spot, height_m, -1, room):
                    break

    def hang(self, count: int, faces: Sequence[Face]) -> None:
        """Put up to `count` things with their backs against vertical faces."""
        for design in self._designs(count, HANGING):
            turn = rotation_about_z(0.5 * np.pi * int(self._rng.integers(4))) @ design.tilt
            for _ in range(_TRIES):
                face = faces[int(self._rng.integers(len(faces)))]
                along = np.cross(face.normal, (0.0, 0.0, 1.0))
                rotation = np.column_stack([-along, -face.normal, (0.0, 0.0, 1.0)]) @ turn
                vertices = design.mesh.vertices @ rotation.T
                half = np.abs(vertices @ along).max()
                if half > face.half_width_m:
                    continue
                sideways = self._rng.uniform(-1, 1) * (face.half_width_m - half)
                place = face.middle_m + sideways * along + np.array([0, 0, self._rng.uniform(-1, 1) * face.half_height_m])
                # The hair's breadth keeps rounding from letting it sink into the face.
                place = place + face.normal * (1e-6 - (vertices @ face.normal).min())
                body = body_of(vertices + place)
                gap = self._sampling.things_spacing_m
                tall = Body(body.hull, body.low_m - gap, body.high_m + gap)
                if is_clear(tall, self.bodies, gap) and is_clear(body, self._obstacles, 0.0):
                    self._add(design, RigidTransform(rotation, place), body, -1)
                    break

    def _designs(self, count: int, shapes: tuple[str, ...]) -> list[Design]:
        designs: list[Design] = []
        for _ in range(count):
            taken = {design.name for design in designs}
            designs.append(random_design(self._rng, taken, self._sampling.share_lying, shapes))
        return designs

    def _stack(self, design: Design, body: Body) -> bool:
        below = [i for i, flat in enumerate(self._flat) if flat and self._levels[i] < _MAX_LEVEL]
        for index in self._rng.permutation(below):
            top = self.bodies[int(index)]
            middle = top.hull.mean(axis=0)
            for _ in range(6):
                spot = middle + self._rng.normal(0.0, 0.15, 2) * np.ptp(top.hull, axis=0)
                if self._try(design, body, spot, top.high_m, int(index), None):
                    return True
        return False

    def _try(self, design: Design, body: Body, spot: FloatArray, height_m: float, below: int, room: FloatArray | None) -> bool:
        """Put a thing at `spot` (2,), turned at random, if it keeps clear there."""
        turn = rotation_about_z(self._rng.uniform(-np.pi, np.pi))
        hull = body.hull @ turn[:2, :2].T + spot
        placed = Body(hull, height_m, height_m + body.high_m - body.low_m)
        if room is not None and not contains(room, hull, 0.01):
            return False
        if below >= 0:
            # It may stick out, with its weight well inside.
            kernel = spot + 0.6 * (hull - spot)
            if not contains(self.bodies[below].hull, kernel):
                return False
        if not is_clear(placed, [*self.bodies, *self._obstacles], self._sampling.things_spacing_m):
            return False
        pose = RigidTransform(turn @ design.tilt, np.array([*spot, height_m - body.low_m]))
        self._add(design, pose, placed, below)
        return True

    def _add(self, design: Design, pose: RigidTransform, body: Body, below: int) -> None:
        self.things.append(Thing(design.name, design.shape, design.color, design.texture, design.mesh, pose, below, design.lying))
        self.bodies.append(body)
        self._flat.append(design.flat_top)
        self._levels.append(0 if below < 0 else self._levels[below] + 1)
