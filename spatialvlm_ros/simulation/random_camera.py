"""A random camera that looks at given things with a given pitch and roll."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from .random_layout import rotation_about_z
from .random_types import FloatArray, SceneSampling, StructurePart, Thing

_VIEWS = 12
_WANTED_SHARE = 0.8
_CLEARANCE_THINGS_M = 0.2
_CLEARANCE_STRUCTURE_M = 0.06


def random_intrinsics(rng: np.random.Generator, sampling: SceneSampling) -> CameraModel:
    """A camera without distortion, its principal point near the middle of the image."""
    width = int(rng.integers(sampling.width_px[0], sampling.width_px[1] + 1))
    height = int(rng.integers(sampling.height_px[0], sampling.height_px[1] + 1))
    focal = float(rng.uniform(*sampling.fx_px))
    shift = np.clip(rng.normal(0.0, 0.008, 2), -0.02, 0.02) * width
    return CameraModel(width, height, focal, focal, (width - 1) / 2 + float(shift[0]), (height - 1) / 2 + float(shift[1]))


def looking(position_m: FloatArray, azimuth_rad: float, pitch_rad: float, roll_rad: float) -> RigidTransform:
    """Pose world_from_camera of an optical frame whose axis has this azimuth (0 along +x) and pitch (above 0 looks up)."""
    ca, sa, cp, sp = np.cos(azimuth_rad), np.sin(azimuth_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    forward = np.array([cp * ca, cp * sa, sp])
    right = np.array([sa, -ca, 0.0])
    level = np.column_stack([right, np.cross(forward, right), forward])
    return RigidTransform(level @ rotation_about_z(roll_rad), position_m)


def random_pose(
    rng: np.random.Generator,
    sampling: SceneSampling,
    camera: CameraModel,
    things: Sequence[Thing],
    structure: Sequence[StructurePart],
    azimuth_rad: tuple[float, float],
    lowest_m: float,
) -> tuple[RigidTransform, float]:
    """Pose world_from_camera and its azimuth. Pitch and roll stay as first drawn.

    Of a few views the first that has most things in it is taken, else the best one. `lowest_m` is the least height of the
    camera: where the pitch would put it lower it is lifted, and looks over the things.
    """
    pitch, roll = (np.radians(rng.uniform(*limits)) for limits in (sampling.pitch_deg, sampling.roll_deg))
    vertices = [thing.vertices_world() for thing in things]
    boxes = [(v.min(axis=0), v.max(axis=0)) for v in vertices]
    middles = np.array([(low + high) / 2 for low, high in boxes]).reshape(-1, 3)
    aim = middles.mean(axis=0) if len(middles) else np.array([0.0, 0.0, max(lowest_m, 0.0)])
    best: tuple[float, RigidTransform, float] | None = None
    for _ in range(_VIEWS):
        azimuth = float(rng.uniform(*azimuth_rad))
        distance = float(rng.uniform(*sampling.camera_distance_m))
        target = aim + rng.normal(0.0, sampling.aim_jitter_m, 3)
        pose = _clear_pose(target, distance, azimuth, float(pitch), float(roll), boxes, structure, lowest_m)
        share = _share_in_view(camera, pose, middles)
        if best is None or share > best[0]:
            best = (share, pose, azimuth)
        if share >= _WANTED_SHARE:
            break
    assert best is not None
    return best[1], best[2]


def _clear_pose(
    target: FloatArray,
    distance_m: float,
    azimuth_rad: float,
    pitch_rad: float,
    roll_rad: float,
    boxes: Sequence[tuple[FloatArray, FloatArray]],
    structure: Sequence[StructurePart],
    lowest_m: float,
) -> RigidTransform:
    """The pose at the least distance from `distance_m` on at which the camera touches nothing."""
    for step in range(200):
        away = distance_m * 1.08**step
        pose = looking(np.zeros(3), azimuth_rad, pitch_rad, roll_rad)
        position = target - away * pose.rotation[:, 2]
        position[2] = max(position[2], lowest_m)
        near = any(distance_to_box_m(position, low, high) < _CLEARANCE_THINGS_M for low, high in boxes)
        if not near and not any(distance_to_part_m(position, part) < _CLEARANCE_STRUCTURE_M for part in structure):
            return RigidTransform(pose.rotation, position)
    raise ValueError(f"a camera with pitch {np.degrees(pitch_rad):.0f} deg finds no room around what is at {target.tolist()}")


def distance_to_box_m(point: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Distance of a point (3,) from an axis-parallel box, 0 inside."""
    return float(np.linalg.norm(np.maximum(np.maximum(low - point, point - high), 0.0)))


def distance_to_part_m(point: FloatArray, part: StructurePart) -> float:
    """Distance of a point (3,) from a piece of structure, all of which are cuboids."""
    half = part.mesh.extents_m() / 2
    return distance_to_box_m(part.world_from_part.inverse().apply(point), -half, half)


def _share_in_view(camera: CameraModel, pose: RigidTransform, points: FloatArray) -> float:
    if not len(points):
        return 1.0
    pixels = camera.project(pose.inverse().apply(points))
    inside = (pixels >= 0) & (pixels < (camera.width, camera.height))
    return float(inside.all(axis=1).mean())
