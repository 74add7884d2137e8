"""The room around random things: table, floor, walls, cartons, shelves, light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..geometry.rigid import RigidTransform
from .random_layout import Body, Face, body_of, contains, is_clear, rotation_about_z, separation_m
from .random_things import jittered
from .random_types import FloatArray, Light, SceneSampling, StructurePart, Texture
from .solids import box

_TABLES = ((176, 132, 88), (206, 170, 124), (120, 78, 46), (224, 222, 214), (150, 152, 150), (66, 64, 62), (188, 196, 186))
_FLOORS = ((150, 128, 102), (120, 122, 124), (176, 170, 158), (92, 84, 78), (134, 144, 152))
_WALLS = ((226, 222, 210), (206, 212, 214), (188, 200, 190), (214, 198, 178), (170, 178, 190))
_CARTONS = ((182, 142, 96), (170, 170, 168), (96, 106, 120), (210, 206, 196))

# The middle of what hangs on a wall, and how far such a wall reaches up and down: beyond every view that we sample.
_HANGING_HEIGHT_M = 1.2
_WALL_ONLY_M = 12.0


def _texture(
    rng: np.random.Generator, patterns: Sequence[str], scale_m: tuple[float, float], strength: tuple[float, float]
) -> Texture:
    second = np.full(3, rng.integers(60, 200), dtype=np.uint8)
    return Texture(str(rng.choice(list(patterns))), float(rng.uniform(*scale_m)), float(rng.uniform(*strength)), second)


def _part(
    rng: np.random.Generator,
    kind: str,
    size_m: tuple[float, float, float],
    middle_m: Sequence[float] | FloatArray,
    yaw_rad: float,
    colors: Sequence[tuple[int, int, int]],
    texture: Texture,
    is_support: bool = False,
) -> StructurePart:
    color = jittered(rng, colors[int(rng.integers(len(colors)))])
    pose = RigidTransform(rotation_about_z(yaw_rad), np.asarray(middle_m, dtype=np.float64))
    return StructurePart(kind, color, texture, box(size_m), pose, is_support)


def floor(rng: np.random.Generator, is_support: bool) -> StructurePart:
    """A floor of 16 m x 16 m with its top at z = 0."""
    texture = _texture(rng, ("grain", "tiles", "speckle"), (0.02, 0.3), (0.1, 0.3))
    return _part(rng, "floor", (16.0, 16.0, 0.1), (0, 0, -0.05), rng.uniform(-np.pi, np.pi), _FLOORS, texture, is_support)


def table(rng: np.random.Generator, height_m: float) -> tuple[list[StructurePart], FloatArray]:
    """A table with four legs and its outline (4, 2) seen from above; the things will stand around its origin."""
    length, width = rng.uniform(0.9, 1.7), rng.uniform(0.6, 0.95)
    thickness = rng.uniform(0.018, 0.045)
    yaw = rng.uniform(-np.pi, np.pi)
    shift = rng.uniform(-0.18, 0.18, 2) * (length, width)
    texture = _texture(rng, ("grain", "grain", "speckle", "plain"), (0.006, 0.03), (0.08, 0.35))
    top = _part(
        rng, "table", (length, width, thickness), (*shift, height_m - thickness / 2), yaw, _TABLES, texture, is_support=True
    )
    parts, leg_height = [top], height_m - thickness
    plain = Texture("plain", 0.1, 0.0, np.zeros(3, np.uint8))
    for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        offset = rotation_about_z(yaw) @ (x * (length / 2 - 0.06), y * (width / 2 - 0.06), 0.0)
        middle = (*(shift + offset[:2]), leg_height / 2)
        parts.append(_part(rng, "table_leg", (0.05, 0.05, leg_height), middle, yaw, _TABLES, plain))
    return parts, body_of(top.vertices_world()).hull


def walls(rng: np.random.Generator, azimuth_rad: float, points_m: FloatArray, ceiling_m: float) -> list[StructurePart]:
    """One or two walls behind all of `points_m` (N, 3) as seen by a camera that looks along `azimuth_rad`."""
    parts: list[StructurePart] = []
    first = azimuth_rad + rng.uniform(-0.6, 0.6)
    turns = (0.0, *((rng.choice([-1, 1]) * np.pi / 2,) if rng.random() < 0.5 else ()))
    texture = _texture(rng, ("plain", "speckle"), (0.05, 0.4), (0.02, 0.08))
    color = _WALLS[int(rng.integers(len(_WALLS)))]
    for turn in turns:
        bearing = first + turn
        outward = np.array([np.cos(bearing), np.sin(bearing)])
        reach = float((points_m[:, :2] @ outward).max()) + rng.uniform(0.05, 1.0)
        middle = (*(outward * (reach + 0.05)), ceiling_m / 2)
        parts.append(_part(rng, "wall", (0.1, 14.0, ceiling_m), middle, bearing, [color], texture))
    return parts


def ceiling(rng: np.random.Generator, height_m: float) -> StructurePart:
    """A white ceiling with its lower side at `height_m`."""
    texture = _texture(rng, ("plain", "tiles"), (0.4, 0.7), (0.02, 0.15))
    return _part(rng, "ceiling", (16.0, 16.0, 0.1), (0, 0, height_m + 0.05), 0.0, [(232, 232, 228)], texture)


def clutter(
    rng: np.random.Generator,
    count: int,
    azimuth_rad: float,
    taken: Sequence[Body],
    grounds: Sequence[tuple[float, FloatArray | None]],
    behind_m: float,
) -> list[StructurePart]:
    """Up to `count` cartons further from the camera than `behind_m` past the middle of the things.

    `grounds` are heights, with the outline (N, 2) of the surface or None; `taken` is where nothing more can stand.
    """
    parts: list[StructurePart] = []
    bodies = list(taken)
    forward, side = (np.array([np.cos(a), np.sin(a)]) for a in (azimuth_rad, azimuth_rad + np.pi / 2))
    for _ in range(count):
        for _ in range(20):
            height, outline = grounds[int(rng.integers(len(grounds)))]
            size = rng.uniform(0.12, 0.4, 3) * (1.0 if outline is None else 0.7)
            spot = forward * (behind_m + rng.uniform(0.05, 0.9)) + side * rng.uniform(-0.7, 0.7)
            texture = _texture(rng, ("plain", "speckle", "band"), (0.03, 0.06), (0.05, 0.5))
            part = _part(
                rng,
                "carton",
                (float(size[0]), float(size[1]), float(size[2])),
                (*spot, height + size[2] / 2),
                rng.uniform(-np.pi, np.pi),
                _CARTONS,
                texture,
            )
            body = body_of(part.vertices_world())
            if (outline is None or contains(outline, body.hull)) and is_clear(body, bodies, 0.01):
                parts.append(part)
                bodies.append(body)
                break
    return parts


def shelf(rng: np.random.Generator, wall: StructurePart, height_m: float, along_m: float) -> StructurePart:
    """A board on the camera's side of a wall, `along_m` from its middle."""
    depth = rng.uniform(0.15, 0.3)
    x = -wall.mesh.extents_m()[0] / 2 - depth / 2
    middle = wall.world_from_part.apply((x, along_m, 0.0))
    yaw = float(np.arctan2(wall.world_from_part.rotation[1, 0], wall.world_from_part.rotation[0, 0]))
    texture = _texture(rng, ("grain", "plain"), (0.01, 0.03), (0.1, 0.3))
    size = (float(depth), float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.015, 0.03)))
    return _part(rng, "shelf", size, (middle[0], middle[1], height_m), yaw, _TABLES, texture)


def single_wall(rng: np.random.Generator) -> tuple[list[StructurePart], list[Face], float]:
    """A wall that fills every view, the face to hang things on, and the azimuth that looks straight at it."""
    bearing = rng.uniform(-np.pi, np.pi)
    texture = _texture(rng, ("plain", "speckle", "tiles"), (0.05, 0.4), (0.03, 0.12))
    outward = np.array([np.cos(bearing), np.sin(bearing), 0.0])
    middle = 0.05 * outward + (0, 0, _HANGING_HEIGHT_M)
    wall = _part(rng, "wall", (0.1, _WALL_ONLY_M, _WALL_ONLY_M), middle, bearing, _WALLS, texture)
    return [wall], [Face(np.array([0, 0, _HANGING_HEIGHT_M]), -outward, 0.35, 0.25)], float(bearing)


def cabinets(rng: np.random.Generator) -> tuple[list[StructurePart], list[Face], float]:
    """A row of tall boxes turned a little against each other: nothing but vertical faces, in several directions."""
    bearing = rng.uniform(-np.pi, np.pi)
    turned = rotation_about_z(bearing)
    parts: list[StructurePart] = []
    faces: list[Face] = []
    hulls: list[FloatArray] = []
    # In a frame that looks along +x, from right to left; built around the middle.
    y = -0.9
    while y < 0.9:
        depth, width = rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.6)
        yaw = rng.uniform(-0.45, 0.45)
        back = rng.uniform(0.0, 0.25)
        while True:
            middle = turned @ (back + depth / 2, y + width / 2, _HANGING_HEIGHT_M)
            texture = _texture(rng, ("plain", "speckle", "grain"), (0.01, 0.05), (0.03, 0.2))
            part = _part(rng, "carton", (depth, width, _WALL_ONLY_M), middle, bearing + yaw, _CARTONS, texture)
            hull = body_of(part.vertices_world()).hull
            if all(separation_m(hull, other) > 0.005 for other in hulls):
                break
            y += 0.02
        normal = -part.world_from_part.rotation[:, 0]
        parts.append(part)
        hulls.append(hull)
        faces.append(Face(middle + normal * depth / 2, normal, width / 2, 0.25))
        y += width
    near = sorted(faces, key=lambda face: float(np.hypot(*face.middle_m[:2])))[:3]
    return parts, near, float(bearing)


def light(rng: np.random.Generator, above: FloatArray, camera_m: FloatArray, hangs: bool) -> Light:
    """A lamp above the things, or on the camera's side of what hangs."""
    if hangs:
        position = camera_m + rng.uniform((-0.5, -0.5, 0.2), (0.5, 0.5, 1.0))
    else:
        position = above + rng.uniform((-0.9, -0.9, 1.0), (0.9, 0.9, 1.7))
    return Light(
        position_m=position,
        radius_m=float(rng.uniform(0.05, 0.3)),
        ambient=float(rng.uniform(0.3, 0.6)),
        tint=np.clip(np.array([1.0, 0.97, 0.93]) + rng.normal(0.0, 0.025, 3), 0.8, 1.1),
        exposure=float(rng.uniform(0.85, 1.15)),
    )


def clutter_count(rng: np.random.Generator, sampling: SceneSampling) -> int:
    """How many cartons and shelves there shall be."""
    return int(rng.integers(sampling.clutter[0], sampling.clutter[1] + 1))
