"""Brute force on triangle meshes: the tools of ``engine_truth.py``. Nothing here knows how the engine measures."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..simulation.exact_things import convex_outline, smallest_rectangle

_SAMPLES = 3000
# Alternating projections end when a step gains less than this.
_STEP_M = 1e-7


class Solid:
    """One true thing, resting where it is.

    Attributes:
        name: of the thing; "" for a point such as a tool's.
        shape: what it is, for tables of results.
        vertices: (N, 3) in a frame whose z is up, metres.
        triangles: (M, 3) indices into the vertices; (0, 3) for a point.
    """

    def __init__(self, name: str, shape: str, vertices: npt.ArrayLike, triangles: npt.ArrayLike) -> None:
        self.name = name
        self.shape = shape
        self.vertices: FloatArray = np.asarray(vertices, np.float64).reshape(-1, 3)
        self.triangles = np.asarray(triangles, np.intp).reshape(-1, 3)

    @property
    def low_m(self) -> float:
        """Height of its lowest point."""
        return float(self.vertices[:, 2].min())

    @property
    def high_m(self) -> float:
        """Height of its highest point."""
        return float(self.vertices[:, 2].max())

    @cached_property
    def box(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Smallest upright box: middle (3,), level axes (2, 2) as rows, full edge lengths (3,) along those axes and up."""
        middle, axes, size = smallest_rectangle(self.vertices[:, :2])
        centre = np.append(middle, (self.low_m + self.high_m) / 2)
        return centre, axes, np.append(size, self.high_m - self.low_m)

    @property
    def middle(self) -> FloatArray:
        """(3,) middle of the smallest upright box."""
        return self.box[0]

    @property
    def size_m(self) -> float:
        """Cube root of that box's volume."""
        return float(np.cbrt(np.prod(self.box[2])))

    def extent_m(self, direction: FloatArray) -> float:
        """Full extent along a unit vector (3,)."""
        along = self.vertices @ direction
        return float(along.max() - along.min())

    @cached_property
    def faces(self) -> FloatArray:
        """(M, 3, 3) corners of the triangles."""
        return np.asarray(self.vertices[self.triangles])

    @cached_property
    def samples(self) -> FloatArray:
        """(N, 3) surface points, even by area, and all vertices; the same on every call."""
        if not len(self.triangles):
            return self.vertices
        a, b, c = self.faces[:, 0], self.faces[:, 1], self.faces[:, 2]
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        generator = np.random.default_rng(0)
        which = generator.choice(len(area), _SAMPLES, p=area / area.sum())
        u, v = generator.random((2, _SAMPLES))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        inside = a[which] + u[:, None] * (b - a)[which] + v[:, None] * (c - a)[which]
        return np.concatenate([self.vertices, inside])

    @cached_property
    def _balls(self) -> tuple[FloatArray, FloatArray]:
        """A point of each triangle (M, 3) and the radius (M,) of the ball round it that holds the triangle."""
        middles = self.faces.mean(axis=1)
        return middles, np.linalg.norm(self.faces - middles[:, None], axis=2).max(axis=1)

    @cached_property
    def tree(self) -> Any:
        """A k-d tree of the samples."""
        from scipy.spatial import cKDTree

        return cKDTree(self.samples)

    @cached_property
    def outline(self) -> FloatArray:
        """(K, 2) corners of the convex hull of its level outline, counter-clockwise; a point's own position for a point."""
        return convex_outline(self.vertices[:, :2])

    def nearest(self, point: FloatArray) -> FloatArray:
        """(3,) the point of its surface that is nearest to a point (3,)."""
        if not len(self.triangles):
            return np.asarray(self.vertices[0])
        middles, radii = self._balls
        apart = np.linalg.norm(middles - point, axis=1)
        # No triangle whose ball lies beyond the nearest middle can be the nearest one.
        return nearest_on_triangles(point, self.faces[apart - radii <= apart.min()])


def side_normals(outline: FloatArray) -> FloatArray:
    """(K, 2) outward unit normals of the sides of a counter-clockwise outline."""
    sides = np.roll(outline, -1, axis=0) - outline
    normals = np.column_stack([sides[:, 1], -sides[:, 0]])
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def inside_outline(point: FloatArray, outline: FloatArray) -> bool:
    """Whether a point (2,) lies within a convex counter-clockwise outline (K, 2)."""
    if len(outline) < 3:
        return False
    return bool((np.einsum("ij,ij->i", side_normals(outline), point - outline) <= 1e-9).all())


def narrowest(outline: FloatArray) -> float:
    """Least width of a convex outline (K, 2) over all directions, metres: it is at right angles to one of the sides."""
    if len(outline) < 3:
        return 0.0
    return float(np.ptp(outline @ side_normals(outline).T, axis=0).min())


def outlines_apart(a: FloatArray, b: FloatArray) -> float:
    """Distance of two convex outlines (K, 2), metres; 0 where they overlap."""
    for this, other in ((a, b), (b, a)):
        if len(this) >= 3:
            gaps = ((other[:, None] - this[None]) * side_normals(this)[None]).sum(axis=2).min(axis=0)
            if gaps.max() > 0:
                break
    else:
        if len(a) >= 3 or len(b) >= 3:
            return 0.0
    least = np.inf
    for points, this in ((a, b), (b, a)):
        start, end = this, np.roll(this, -1, axis=0)
        for point in points:
            feet = _on_segments(point, start, end)
            least = min(least, float(np.linalg.norm(feet - point, axis=1).min()))
    return least


def room_inside(a: FloatArray, b: FloatArray, step_rad: float = np.pi / 60) -> float:
    """How far the outline a (K, 2), turned at will, stays within the outline b (L, 2) at best; negative where it sticks out.

    The middles of their smallest rectangles are put on each other.
    """
    if len(b) < 3:
        return -np.inf
    a, b = a - smallest_rectangle(a)[0], b - smallest_rectangle(b)[0]
    normals = side_normals(b)
    reach = np.einsum("ij,ij->i", normals, b)
    angles = np.arange(0.0, 2 * np.pi, step_rad)
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    # Turning the outline is turning the sides the other way.
    turned = np.stack([normals[:, 0] * c + normals[:, 1] * s, normals[:, 1] * c - normals[:, 0] * s], axis=-1)
    sticks = (turned.reshape(-1, 2) @ a.T).max(axis=1).reshape(len(angles), -1)
    return float((reach - sticks).min(axis=1).max())


def nearest_on_triangles(point: FloatArray, faces: FloatArray) -> FloatArray:
    """(3,) the nearest point of any of the triangles (M, 3, 3) to a point (3,): inside each, or on one of its edges."""
    candidates = [_on_segments(point, faces[:, i], faces[:, (i + 1) % 3]) for i in range(3)]
    a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
    normal = np.cross(b - a, c - a)
    square = np.maximum(np.einsum("ij,ij->i", normal, normal), 1e-30)
    foot = point - normal * (np.einsum("ij,ij->i", point - a, normal) / square)[:, None]
    within = np.ones(len(faces), bool)
    for first, second in ((a, b), (b, c), (c, a)):
        within &= np.einsum("ij,ij->i", np.cross(second - first, foot - first), normal) >= 0
    candidates.append(foot[within])
    points = np.concatenate(candidates)
    return np.asarray(points[int(np.argmin(np.square(points - point).sum(axis=1)))])


def _on_segments(point: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    along = end - start
    share = np.einsum("ij,ij->i", point - start, along) / np.maximum(np.einsum("ij,ij->i", along, along), 1e-30)
    return np.asarray(start + np.clip(share, 0, 1)[:, None] * along)


def surface_gap(a: Solid, b: Solid, starts: int = 2) -> tuple[float, FloatArray, FloatArray]:
    """Least distance between two surfaces, metres, and the points (3,) of a and of b it lies between.

    The best pairs of dense samples, each refined by projecting in turn on either surface; for convex things that is exact.
    """
    distances, indices = b.tree.query(a.samples)
    best: tuple[float, FloatArray, FloatArray] | None = None
    for index in np.argsort(distances, kind="stable")[:starts]:
        on_a, on_b = a.samples[index], b.samples[int(indices[index])]
        last = np.inf
        for _ in range(200):
            on_b = b.nearest(on_a)
            on_a = a.nearest(on_b)
            apart = float(np.linalg.norm(on_a - on_b))
            if last - apart < _STEP_M:
                break
            last = apart
        if best is None or apart < best[0]:
            best = (apart, on_a, on_b)
    assert best is not None
    return best
