"""A few lines of ray casting: boxes, balls and the table in canonical coordinates (x forward, y left, z up, table at z = 0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from things import camera_over_table

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.scene.noise import DepthNoise
from spatialvlm_ros.scene.scene import Canonical

CAMERA = CameraModel(640, 480, 610.0, 610.0, 319.5, 239.5)
NOISE = DepthNoise(0.001, 0.0019, 0.003)


@dataclass(frozen=True)
class Solid:
    """A box of full edge lengths ``size`` turned by ``yaw`` about up, or a ball whose diameter is ``size[0]``."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    ball: bool = False
    color: tuple[int, int, int] = (200, 30, 30)

    @property
    def axes(self) -> np.ndarray:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])

    def depth_along(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """How many times each ray (..., 3) must be taken to reach the surface; infinite where it misses."""
        start, rays = (origin - self.centre) @ self.axes, rays @ self.axes
        with np.errstate(all="ignore"):
            if self.ball:
                a, b, c = (rays**2).sum(-1), rays @ start, start @ start - (self.size[0] / 2) ** 2
                return np.where(b * b > a * c, (-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a, np.inf)
            half = np.array(self.size) / 2
            slabs = np.sort(np.stack([(-half - start) / rays, (half - start) / rays]), axis=0)
        near, far = slabs[0].max(-1), slabs[1].min(-1)
        return np.where((near <= far) & (near > 0), near, np.inf)


@dataclass(frozen=True)
class View:
    """A picture of solids on the table. ``owner`` (H, W): index of the solid, -1 the table, -2 nothing."""

    frame: RGBDFrame
    owner: np.ndarray
    camera_from_canonical: RigidTransform
    canonical: Canonical
    plane: np.ndarray

    def region(self, index: int = 0) -> Region:
        return Region(self.owner == index)


def view(
    solids: list[Solid],
    *,
    seed: int = 0,
    noise: DepthNoise | None = NOISE,
    pose: RigidTransform | None = None,
    camera: CameraModel = CAMERA,
    stamp_ns: int = 0,
    flying: bool = False,
) -> View:
    """Render with independent noise per pixel and one scale error per image, both drawn from ``noise``.

    ``flying`` mixes the depth of pixels at silhouettes with what lies behind, as sensors do.
    """
    pose = pose or camera_over_table()
    canonical_from_camera = pose.inverse()
    v, u = np.mgrid[: camera.height, : camera.width]
    optical = np.dstack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)])
    rays, origin = optical @ canonical_from_camera.rotation.T, canonical_from_camera.translation
    with np.errstate(divide="ignore"):
        table = np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], np.inf)
    table = np.where(table < 3.0, table, np.inf)
    depths = np.stack([*(solid.depth_along(origin, rays) for solid in solids), table])
    depth, owner = depths.min(axis=0), depths.argmin(axis=0)
    owner = np.where(np.isfinite(depth), np.where(owner == len(solids), -1, owner), -2)
    rng = np.random.default_rng(seed)
    if flying:
        behind = np.where(np.isfinite(table), table, depth)
        rim = np.zeros(owner.shape, np.bool_)
        rim[:, 1:] = owner[:, 1:] != owner[:, :-1]
        rim[:, :-1] |= rim[:, 1:]
        mix = rng.random(depth.shape)
        depth = np.where(rim & np.isfinite(depth), depth + mix * (behind - depth), depth)
    if noise is not None:
        finite = np.where(np.isfinite(depth), depth, 0.0)
        depth = depth * (1 + noise.scale * rng.normal()) + noise.pixel_std_m(finite) * rng.normal(size=depth.shape)
    palette = np.array([*(solid.color for solid in solids), (100, 100, 100), (190, 160, 130)], dtype=np.uint8)
    color = np.clip(palette[owner] + rng.normal(0, 3, (*owner.shape, 1)), 0, 255).astype(np.uint8)
    metres = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
    up = pose.rotation[:, 2]
    plane = np.append(up, -up @ pose.translation)
    canonical = canonical_from_up(up, plane, 0.002, "plane")
    assert canonical is not None
    return View(RGBDFrame(stamp_ns, color, metres, camera, "camera"), owner, pose, canonical, plane)
