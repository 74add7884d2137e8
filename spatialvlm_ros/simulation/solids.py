"""Closed triangle meshes of everyday things, in the thing's own frame.

The origin is the middle of the bounding box and z points up as the thing stands. Round things are polygons inscribed in the
true circle: with `SEGMENTS` = 64 a radius falls short by 0.12 % (0.05 mm of 40 mm) at the middle of a facet. Triangles turn
counter-clockwise seen from outside, so volumes are positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SEGMENTS = 64


@dataclass(frozen=True)
class Mesh:
    """A closed surface, or several closed ones that touch or overlap (a mug and its handle).

    Attributes:
        vertices: (V, 3) float64, metres.
        triangles: (T, 3) int32, rows of `vertices`.
    """

    vertices: FloatArray
    triangles: npt.NDArray[np.int32]

    def extents_m(self) -> FloatArray:
        """Sides (3,) of the bounding box along the mesh's own axes, metres."""
        return np.asarray(np.ptp(self.vertices, axis=0))

    def volume_m3(self) -> float:
        """Enclosed volume in cubic metres by the divergence theorem; what overlapping parts share counts twice."""
        a, b, c = (self.vertices[self.triangles[:, corner]] for corner in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def box(size_m: npt.ArrayLike) -> Mesh:
    """A cuboid with sides `size_m` (3,), metres."""
    half = np.asarray(size_m, dtype=np.float64) / 2
    if half.shape != (3,) or not np.all(half > 0):
        raise ValueError(f"box sides {(2 * half).tolist()} are not three lengths above 0")
    x, y = half[:2]
    return prism([(-x, -y), (x, -y), (x, y), (-x, y)], 2 * half[2])


def cylinder(radius_m: float, height_m: float) -> Mesh:
    """A cylinder that stands on its round face."""
    h = height_m / 2
    return lathe([(0, -h), (radius_m, -h), (radius_m, h), (0, h)])


def cone(radius_m: float, height_m: float, top_radius_m: float = 0.0) -> Mesh:
    """A cone that stands on its base, cut off flat where its radius is `top_radius_m`."""
    h = height_m / 2
    top = [(0.0, h)] if top_radius_m == 0 else [(top_radius_m, h), (0.0, h)]
    return lathe([(0, -h), (radius_m, -h), *top])


def sphere(radius_m: float) -> Mesh:
    """A ball."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, SEGMENTS // 2 + 1)
    profile = radius_m * np.column_stack([np.cos(angles), np.sin(angles)])
    profile[[0, -1], 0] = 0.0
    return lathe(profile)


def cup(radius_m: float, height_m: float, wall_m: float = 0.003, base_radius_m: float | None = None) -> Mesh:
    """A hollow cup that opens upwards, without a handle; `radius_m` is the outer one at the rim."""
    base = radius_m if base_radius_m is None else base_radius_m
    return lathe(
        [(0, 0), (base, 0), (radius_m, height_m), (radius_m - wall_m, height_m), (base - wall_m, wall_m), (0, wall_m)],
    )


def mug(radius_m: float, height_m: float, wall_m: float = 0.004, handle_m: float = 0.028) -> Mesh:
    """A hollow mug with a handle along +x that reaches `handle_m` beyond the wall."""
    body = cup(radius_m, height_m, wall_m)
    half = 0.32 * height_m
    angles = np.linspace(-np.pi / 2, np.pi / 2, 25)
    thick = min(0.005, 0.2 * handle_m)
    # The ends stop inside the wall, so that nothing shows in the hollow.
    path = np.column_stack(
        [radius_m - 0.6 * wall_m + (handle_m + 0.6 * wall_m - thick) * np.cos(angles), 0 * angles, half * np.sin(angles)]
    )
    return centred(joined(body, tube(path, min(thick, 0.9 * half))))


def bowl(radius_m: float, height_m: float, wall_m: float = 0.004) -> Mesh:
    """A hollow bowl with a foot of 0.45 of the rim's radius."""
    angles = np.linspace(0.0, np.pi / 2, 13)
    foot = 0.45 * radius_m
    outer = np.column_stack([foot + (radius_m - foot) * np.sin(angles), height_m * (1 - np.cos(angles))])
    inner = np.column_stack(
        [foot + (radius_m - wall_m - foot) * np.sin(angles), wall_m + (height_m - wall_m) * (1 - np.cos(angles))]
    )
    return lathe(np.vstack([[(0, 0)], outer, inner[::-1], [(0, wall_m)]]))


def bottle(radius_m: float, height_m: float) -> Mesh:
    """A closed bottle: body, shoulder, neck and cap."""
    r, h = radius_m, height_m
    angles = np.linspace(0.0, np.pi / 2, 7)
    shoulder = np.column_stack([0.36 * r + 0.64 * r * np.cos(angles), 0.62 * h + 0.18 * h * np.sin(angles)])
    return lathe(
        [
            (0, 0),
            (0.94 * r, 0),
            (r, 0.03 * h),
            *map(tuple, shoulder),
            (0.36 * r, 0.91 * h),
            (0.43 * r, 0.91 * h),
            (0.43 * r, h),
            (0, h),
        ]
    )


def plate(radius_m: float, height_m: float = 0.02, wall_m: float = 0.004) -> Mesh:
    """A flat plate with a raised rim."""
    foot = 0.62 * radius_m
    return lathe(
        [
            (0, 0),
            (foot, 0),
            (radius_m, height_m - wall_m),
            (radius_m, height_m),
            (foot, wall_m + 0.002),
            (0, wall_m + 0.002),
        ]
    )


def ring(radius_m: float, height_m: float, hole_m: float) -> Mesh:
    """A roll of tape that lies flat; `hole_m` is the radius of its hole."""
    h = height_m / 2
    return lathe([(hole_m, -h), (radius_m, -h), (radius_m, h), (hole_m, h)], closed=True)


def l_block(length_m: float, height_m: float, depth_m: float, thickness_m: float) -> Mesh:
    """An L of two arms that stands on the longer one; its bounding box is `length_m` x `depth_m` x `height_m`."""
    t = thickness_m
    corners = [(t, t), (t, height_m), (0, height_m), (0, 0), (length_m, 0), (length_m, t)]
    flat = prism(corners, depth_m)
    # The polygon was drawn in x, y; standing, its y becomes z.
    upright = np.column_stack([flat.vertices[:, 0], -flat.vertices[:, 2], flat.vertices[:, 1]])
    return centred(Mesh(upright, flat.triangles))


def prism(polygon_m: npt.ArrayLike, height_m: float) -> Mesh:
    """A polygon (N, 2), counter-clockwise, drawn out along z. All of it has to be visible from its first corner."""
    corners = np.asarray(polygon_m, dtype=np.float64)
    n, h = len(corners), height_m / 2
    vertices = np.vstack([np.column_stack([corners, np.full(n, -h)]), np.column_stack([corners, np.full(n, h)])])
    fan = np.array([(0, i, i + 1) for i in range(1, n - 1)])
    here = np.arange(n)
    after = (here + 1) % n
    sides = np.vstack([np.column_stack([here, after, after + n]), np.column_stack([here, after + n, here + n])])
    return centred(Mesh(vertices, np.vstack([fan[:, ::-1], fan + n, sides]).astype(np.int32)))


def lathe(profile_rz_m: npt.ArrayLike, *, closed: bool = False, segments: int = SEGMENTS) -> Mesh:
    """A profile (P, 2) of radius and height turned about z.

    The profile runs so that the solid lies on its left: up along the outside. It starts and ends on the axis (radius 0),
    or is a `closed` ring that does not touch the axis.
    """
    profile = np.asarray(profile_rz_m, dtype=np.float64)
    angles = np.arange(segments) * (2 * np.pi / segments)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = np.concatenate(
        [profile[:, None, :1] * circle[None], np.broadcast_to(profile[:, None, 1:], (len(profile), segments, 1))], axis=2
    )
    index = np.arange(len(profile) * segments).reshape(len(profile), segments)
    # All points of a ring of radius 0 are one vertex.
    index[profile[:, 0] == 0] = index[profile[:, 0] == 0][:, :1]
    low, high = (index, np.roll(index, -1, axis=0)) if closed else (index[:-1], index[1:])
    low_next, high_next = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    triangles = np.concatenate(
        [np.stack([low, low_next, high_next], axis=-1).reshape(-1, 3), np.stack([low, high_next, high], axis=-1).reshape(-1, 3)]
    )
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (a != c)]
    used, renumbered = np.unique(triangles, return_inverse=True)
    return centred(Mesh(rings.reshape(-1, 3)[used], renumbered.reshape(-1, 3).astype(np.int32)))


def tube(path_m: npt.ArrayLike, radius_m: float, sides: int = 12) -> Mesh:
    """A closed round tube along a path (N, 3) in the plane y = 0."""
    path = np.asarray(path_m, dtype=np.float64)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.array([0.0, 1.0, 0.0])
    out = np.cross(across, along)
    angles = np.arange(sides) * (2 * np.pi / sides)
    circles = path[:, None] + radius_m * (
        np.cos(angles)[None, :, None] * out[:, None] + np.sin(angles)[None, :, None] * -across[None, None]
    )
    index = np.arange(len(path) * sides).reshape(len(path), sides)
    low, high = index[:-1], index[1:]
    low_next, high_next = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    fan = np.array([(0, i, i + 1) for i in range(1, sides - 1)])
    triangles = np.concatenate(
        [
            np.stack([low, high_next, low_next], axis=-1).reshape(-1, 3),
            np.stack([low, high, high_next], axis=-1).reshape(-1, 3),
            index[0][fan],
            index[-1][fan[:, ::-1]],
        ]
    )
    return Mesh(circles.reshape(-1, 3), triangles.astype(np.int32))


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.vstack([mesh.vertices for mesh in meshes]),
        np.vstack([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]).astype(np.int32),
    )


def centred(mesh: Mesh) -> Mesh:
    """The mesh with the middle of its bounding box at the origin."""
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    return Mesh(mesh.vertices - middle, mesh.triangles)
