"""Random RGB-D scenes with all that is true about them: things, room, camera and light, by seed.

`raycast.render` turns one into images. World frame: z up, gravity along -z, metres.
"""

from __future__ import annotations

import numpy as np

from . import random_structure as room
from .random_camera import distance_to_part_m, random_intrinsics, random_pose
from .random_layout import Body, Layout, body_of, is_clear
from .random_types import (
    SUPPORT_KINDS,
    FloatArray,
    Light,
    RandomScene,
    SceneSampling,
    StructurePart,
    Texture,
    Thing,
)

__all__ = [
    "SUPPORT_KINDS",
    "Light",
    "RandomScene",
    "SceneSampling",
    "StructurePart",
    "Texture",
    "Thing",
    "random_scene",
]

# No part of a camera is lower than this above what it looks at.
_LEAST_CAMERA_HEIGHT_M = 0.06


def random_scene(seed: int, sampling: SceneSampling | None = None) -> RandomScene:
    """The scene of a seed: same seed and sampling, same scene.

    Things rest on the table or floor, or on a flat top, and never cut into each other. Where the sampling leaves no room,
    fewer things than asked for are there.
    """
    sampling = sampling or SceneSampling()
    rng = np.random.default_rng([seed, 71])
    kinds = [kind for kind in SUPPORT_KINDS if sampling.support_weights.get(kind, 0.0) > 0]
    weights = np.array([sampling.support_weights[kind] for kind in kinds])
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    return (
        _hanging(rng, seed, kind, sampling)
        if kind in ("wall_only", "boxes_only_vertical")
        else _standing(rng, seed, kind, sampling)
    )


def _count(rng: np.random.Generator, sampling: SceneSampling) -> int:
    return int(rng.integers(sampling.num_things[0], sampling.num_things[1] + 1))


def _hanging(rng: np.random.Generator, seed: int, kind: str, sampling: SceneSampling) -> RandomScene:
    parts, faces, bearing = room.single_wall(rng) if kind == "wall_only" else room.cabinets(rng)
    layout = Layout(rng, sampling, [body_of(part.vertices_world()) for part in parts])
    layout.hang(_count(rng, sampling), faces)
    camera = random_intrinsics(rng, sampling)
    azimuths = (bearing - 0.7, bearing + 0.7)
    pose, _ = random_pose(rng, sampling, camera, layout.things, parts, azimuths, -np.inf)
    lamp = room.light(rng, faces[0].middle_m, pose.translation, hangs=True)
    return RandomScene(seed, kind, tuple(layout.things), tuple(parts), pose, camera, float("nan"), lamp)


def _standing(rng: np.random.Generator, seed: int, kind: str, sampling: SceneSampling) -> RandomScene:
    height = float(rng.uniform(0.4, 1.0)) if kind == "table" else 0.0
    parts = [room.floor(rng, is_support=kind == "floor")]
    outline: FloatArray | None = None
    if kind == "table":
        legs_and_top, outline = room.table(rng, height)
        parts += legs_and_top
    layout = Layout(rng, sampling)
    layout.stand(_count(rng, sampling), height, outline)
    camera = random_intrinsics(rng, sampling)
    lowest = height + _LEAST_CAMERA_HEIGHT_M
    pose, azimuth = random_pose(rng, sampling, camera, layout.things, parts, (-np.pi, np.pi), lowest)
    lamp = room.light(rng, np.array([0.0, 0.0, height]), pose.translation, hangs=False)
    parts += _surroundings(
        rng, sampling, layout, parts, outline, pose.translation, azimuth, height, lamp, float(pose.rotation[2, 2])
    )
    return RandomScene(seed, kind, tuple(layout.things), tuple(parts), pose, camera, height, lamp)


def _surroundings(
    rng: np.random.Generator,
    sampling: SceneSampling,
    layout: Layout,
    parts: list[StructurePart],
    outline: FloatArray | None,
    camera_m: FloatArray,
    azimuth_rad: float,
    height_m: float,
    lamp: Light,
    rise: float,
) -> list[StructurePart]:
    """Walls, ceiling, cartons and shelves behind the things. `rise` is the sine of the camera's pitch."""
    bodies: list[Body] = [*layout.bodies, *(body_of(part.vertices_world()) for part in parts)]
    corners = np.vstack([*(thing.vertices_world() for thing in layout.things), np.zeros((1, 3))])
    forward = np.array([np.cos(azimuth_rad), np.sin(azimuth_rad)])
    behind = float((corners[:, :2] @ forward).max())
    grounds: list[tuple[float, FloatArray | None]] = [(0.0, None)] if outline is None else [(0.0, None), (height_m, outline)]
    count = room.clutter_count(rng, sampling)
    found = room.clutter(rng, count, azimuth_rad, bodies, grounds, behind)
    if rng.random() >= sampling.wall_probability:
        return found
    solid = [part.vertices_world() for part in (*parts, *found) if part.kind != "floor"]
    points = np.vstack([corners, *solid, camera_m[None], lamp.position_m[None]])
    top = max(2.4, float(points[:, 2].max()) + 0.2)
    behind_it = room.walls(rng, azimuth_rad, points, top)
    found += behind_it
    if rise > np.sin(np.radians(-15)):
        found.append(room.ceiling(rng, top))
    if count and rng.random() < 0.5:
        board = room.shelf(rng, behind_it[0], height_m + rng.uniform(0.3, 0.8), rng.uniform(-0.6, 0.6))
        body = body_of(board.vertices_world())
        others = [*bodies, *(body_of(part.vertices_world()) for part in found if part.kind == "carton")]
        if is_clear(body, others, 0.01) and distance_to_part_m(camera_m, board) > 0.3:
            found.append(board)
    return found
