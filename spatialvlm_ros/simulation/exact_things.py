"""True things as the engine's objects: exact boxes and whole surfaces, in the camera's optical frame.

What is measured on them is true of the shapes themselves. Never changes: a box is the smallest upright one around the mesh, and
nothing is mirrored, because nothing is unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.canonical import canonical_from_up
from ..scene.facts import Source
from ..scene.frame import RGBDFrame
from ..scene.scene import Scene, SceneObject
from .random_types import RandomScene

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

# Surface points are about so far apart, which makes a gap of 1 cm 0.4 mm wider at most.
CELL_M = 0.004


class ExactThing(SceneObject):
    """A thing whose ``points`` are of its whole surface."""

    @cached_property
    def surface(self) -> FloatArray:
        """(N, 3) the points, and nothing else."""
        return self.points.astype(np.float64) if len(self.points) else self.centre[None]

    @cached_property
    def mirrored(self) -> FloatArray:
        """(N, 3) the points again: a mug's handle has no mirror image."""
        return self.surface

    @cached_property
    def surface_tree(self) -> cKDTree:
        """Finds the nearest of ``surface``; made in a quarter of the time, since it is asked a few times only."""
        from scipy.spatial import cKDTree

        return cKDTree(self.surface, compact_nodes=False, balanced_tree=False)


def exact_thing(
    number: int,
    label: str,
    vertices_m: FloatArray,
    triangles: npt.NDArray[np.integer],
    camera_from_world: RigidTransform,
    std_m: float = 0.0,
) -> ExactThing:
    """A mesh as a thing of the optical frame.

    Args:
        vertices_m: (V, 3) in the world, whose z is up, metres.
        std_m: one standard deviation that its centre and its edges are given: how exactly the truth is called. 0 calls a
            difference of a micrometre, which no one can see.
    """
    middle, level, size = smallest_rectangle(vertices_m[:, :2])
    low, high = float(vertices_m[:, 2].min()), float(vertices_m[:, 2].max())
    axes = np.eye(3)
    axes[:2, :2] = level.T
    points = camera_from_world.apply(surface_points(vertices_m, vertices_m[triangles]))
    return ExactThing(
        id=number, label=label, score=1.0, centre=camera_from_world.apply(np.append(middle, (low + high) / 2)),
        covariance=std_m**2 * np.eye(3), axes=camera_from_world.rotation @ axes, extents=np.append(size, high - low),
        extents_std=np.full(3, std_m), surface_point=points.mean(axis=0), points=points.astype(np.float32), point_std_m=0.0,
        visible_share=1.0, truncated=False, num_points=len(points), last_seen_ns=0, source=Source.GROUND_TRUTH,
    )  # fmt: skip


def exact_scene(
    scene: RandomScene, numbers: Sequence[int], frame: RGBDFrame | None = None, *, frame_id: str = "", std_m: float = 0.0
) -> Scene:
    """Things of a random scene as they are, in the optical frame; no name is bound.

    Args:
        numbers: indices of the things; ``objects[i].id`` is i + 1.
        frame: its image, for relations about what is seen; it names the frame, else ``frame_id`` does.
        std_m: as of ``exact_thing``.
    """
    camera_from_world = scene.world_from_camera.inverse()
    up = scene.world_from_camera.rotation[2]
    things = tuple(
        exact_thing(
            at + 1, scene.things[number].name, scene.things[number].vertices_world(), scene.things[number].mesh.triangles,
            camera_from_world, std_m,
        )
        for at, number in enumerate(numbers)
    )  # fmt: skip
    height_m = float(scene.world_from_camera.translation[2]) - scene.support_height_m
    plane = np.append(up, height_m) if np.isfinite(height_m) else np.full(4, np.nan)
    return Scene(
        stamp_ns=0 if frame is None else frame.stamp_ns, frame_id=frame_id if frame is None else frame.frame_id, objects=things,
        canonical=canonical_from_up(up, plane if np.isfinite(height_m) else None, 0.0, "truth"), canonical_reason="",
        support_plane=plane, depth_coverage=1.0, frame=frame,
    )  # fmt: skip


def smallest_rectangle(xy: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rectangle of least area around points (N, 2): middle (2,), unit axes (2, 2) as rows, edge lengths (2,).

    One of its sides lies along an edge of the convex hull (Freeman and Shapira 1975), so all edges are tried.
    """
    hull = convex_outline(xy)
    if len(hull) < 3:
        low, high = xy.min(axis=0), xy.max(axis=0)
        return (low + high) / 2, np.eye(2), high - low
    edges = np.roll(hull, -1, axis=0) - hull
    edges = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    normals = np.column_stack([-edges[:, 1], edges[:, 0]])
    along, across = hull @ edges.T, hull @ normals.T
    areas = np.ptp(along, axis=0) * np.ptp(across, axis=0)
    best = int(np.argmin(areas))
    axes = np.stack([edges[best], normals[best]])
    low = np.array([along[:, best].min(), across[:, best].min()])
    high = np.array([along[:, best].max(), across[:, best].max()])
    return axes.T @ ((low + high) / 2), axes, high - low


def convex_outline(xy: FloatArray) -> FloatArray:
    """(K, 2) corners of the convex hull of points (N, 2), counter-clockwise; the points themselves where they span no area."""
    from scipy.spatial import ConvexHull

    if len(xy) < 3 or np.ptp(xy, axis=0).min() < 1e-9:
        return xy
    return np.asarray(xy[ConvexHull(xy).vertices])


def surface_points(vertices_m: FloatArray, faces_m: FloatArray) -> FloatArray:
    """(N, 3) points all over a surface: all its vertices, and one of each cell of a fine grid that it passes through.

    Args:
        faces_m: (T, 3, 3) corners of its triangles.
    """
    points = []
    for corners in faces_m:
        longest = float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).max())
        cuts = int(np.ceil(longest / CELL_M))
        if cuts > 1:
            points.append(_shares(cuts) @ corners)
    if not points:
        return vertices_m
    every = np.concatenate(points)
    _, first = np.unique(np.floor(every / CELL_M).astype(np.int64), axis=0, return_index=True)
    return np.concatenate([vertices_m, every[first]])


@cache
def _shares(cuts: int) -> FloatArray:
    """(N, 3) shares of a triangle's corners in points that part each of its sides into ``cuts``."""
    i, j = np.meshgrid(np.arange(cuts + 1), np.arange(cuts + 1), indexing="ij")
    inside = i + j <= cuts
    return np.stack([i[inside], j[inside], cuts - i[inside] - j[inside]], axis=1) / cuts
