"""A tiny analytic ray-caster: planes, boxes, spheres and upright cylinders, so that these tests need no simulator.

World: z up, table top at z = 0. Camera frames are optical (x right, y down, z forward).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.frame import RGBDFrame

CAMERA = CameraModel(640, 480, 610.0, 610.0, 319.5, 239.5)


@dataclass(frozen=True)
class Box:
    """Upright box: centre (3,), full size (3,), yaw; metres, radians."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    color: tuple[int, int, int]
    yaw: float = 0.0

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        o, d = turn @ (origin - self.centre), rays @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (-np.array(self.size) / 2 - o) / d, (np.array(self.size) / 2 - o) / d
        near, far = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
        return np.where((near <= far) & (near > 0), near, np.inf)


@dataclass(frozen=True)
class Ball:
    centre: tuple[float, float, float]
    radius: float
    color: tuple[int, int, int]

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        o = origin - self.centre
        a, b, c = (rays**2).sum(-1), rays @ o, o @ o - self.radius**2
        root = b * b - a * c
        return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


@dataclass(frozen=True)
class Can:
    """Upright cylinder on ``centre`` (3,), the middle of its foot; open cups have ``wall`` > 0."""

    centre: tuple[float, float, float]
    radius: float
    height: float
    color: tuple[int, int, int]
    wall: float = 0.0

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        found = self._side(origin, rays, self.radius, first=True)
        if self.wall:
            found = np.minimum(found, self._side(origin, rays, self.radius - self.wall, first=False))
        for z, inner in ((self.height, self.radius - self.wall if self.wall else 0.0), (0.005, 0.0)):
            t = (self.centre[2] + z - origin[2]) / np.where(rays[..., 2] == 0, 1e-9, rays[..., 2])
            p = origin + t[..., None] * rays - self.centre
            r = np.hypot(p[..., 0], p[..., 1])
            found = np.where((t > 0) & (r <= self.radius) & (r >= inner), np.minimum(found, t), found)
        return found

    def _side(self, origin: np.ndarray, rays: np.ndarray, radius: float, first: bool) -> np.ndarray:
        o = (origin - self.centre)[:2]
        a, b = (rays[..., :2] ** 2).sum(-1), rays[..., :2] @ o
        root = b * b - a * (o @ o - radius**2)
        t = (-b + (-1 if first else 1) * np.sqrt(np.maximum(root, 0))) / np.maximum(a, 1e-12)
        z = origin[2] + t * rays[..., 2] - self.centre[2]
        return np.where((root > 0) & (t > 0) & (z >= 0) & (z <= self.height), t, np.inf)


def look(height: float = 0.7, distance: float = 0.75, roll_deg: float = 0.0, target_z: float = 0.0) -> RigidTransform:
    """world_from_camera of a camera behind the origin (at x = -distance) looking at (0, 0, target_z)."""
    position = np.array([-distance, 0.0, height])
    forward = np.array([0, 0, target_z]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    return RigidTransform(np.column_stack([c * right + s * down, -s * right + c * down, forward]), position)


def render(
    things: list[Box | Ball | Can],
    pose: RigidTransform | None = None,
    *,
    sigma: float = 0.0015,
    seed: int = 0,
    camera: CameraModel = CAMERA,
) -> tuple[RGBDFrame, np.ndarray]:
    """The frame and, per pixel, which thing it shows (index in ``things``, -1 nothing).

    Depth noise grows with z^2 (``sigma`` at 1 m), is correlated over two pixels, and silhouettes have holes.
    """
    import cv2

    pose = pose or look()
    rays = np.dstack([camera.rays.astype(np.float64), np.ones((camera.height, camera.width))]) @ pose.rotation.T
    depth, owner = np.full(rays.shape[:2], np.inf), np.full(rays.shape[:2], -1)
    for index, thing in enumerate(things):
        t = thing.hit(pose.translation, rays)
        owner = np.where(t < depth, index, owner)
        depth = np.minimum(depth, t)
    rng = np.random.default_rng(seed)
    palette = np.array([thing.color for thing in things] + [(90, 100, 110)], dtype=np.float64)
    color = np.clip(palette[owner] + rng.normal(0, 4, (*owner.shape, 1)), 0, 255).astype(np.uint8)
    noise = cv2.GaussianBlur(rng.normal(0, 1, owner.shape), (0, 0), 0.8) * 2.2
    noisy = np.where(np.isfinite(depth), depth + sigma * depth**2 * noise, np.nan).astype(np.float32)
    finite = np.where(np.isfinite(depth), depth, 9.0).astype(np.float32)
    jump = cv2.dilate(finite, np.ones((3, 3))) - cv2.erode(finite, np.ones((3, 3))) > 0.05
    noisy[jump & (rng.random(owner.shape) < 0.5)] = np.nan
    noisy[noisy > 4] = np.nan
    return RGBDFrame(0, color, noisy, camera, "camera"), owner


TABLE = Box((0.0, 0.0, -0.02), (1.0, 1.2, 0.04), (190, 160, 130))
FLOOR = Box((0.0, 0.0, -0.76), (12.0, 12.0, 0.02), (110, 100, 95))
WALL = Box((1.2, 0.0, 0.5), (0.02, 8.0, 3.0), (200, 200, 205))
RED_BLOCK = Box((0.0, 0.0, 0.025), (0.05, 0.05, 0.05), (190, 25, 25), 0.4)
BLUE_BLOCK = Box((0.05, -0.2, 0.025), (0.05, 0.05, 0.05), (30, 50, 170), 1.0)
GREEN_PLATE = Can((-0.1, 0.2, 0.0), 0.075, 0.013, (40, 150, 60))
YELLOW_BALL = Ball((0.15, 0.12, 0.028), 0.028, (235, 195, 25))
GREEN_CAN = Can((0.15, -0.1, 0.0), 0.031, 0.115, (20, 110, 45))
WHITE_CUP = Can((-0.12, -0.12, 0.0), 0.036, 0.085, (225, 225, 225), 0.004)
NAMES = {
    "red block": RED_BLOCK,
    "blue block": BLUE_BLOCK,
    "green plate": GREEN_PLATE,
    "yellow ball": YELLOW_BALL,
    "tall green can": GREEN_CAN,
    "white cup": WHITE_CUP,
}
SCENE: list[Box | Ball | Can] = [TABLE, FLOOR, WALL, *NAMES.values()]
FIRST = 3
