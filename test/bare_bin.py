"""A bin with a back and a side of cardboard, and a bottom of bare metal that has no depth: what stands in it, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import BoolArray, RGBDFrame

CAMERA = CameraModel(width=640, height=480, fx=600.0, fy=600.0, cx=320.0, cy=240.0)
BLUE, RED, BROWN, METAL = (40, 90, 200), (200, 40, 40), (130, 90, 60), (70, 75, 80)
_BACK_M = 1.0
BACK_ENDS = 310


@dataclass(frozen=True)
class Face:
    """A level face towards the camera: columns and rows from and to (half open), its distance in metres, its colour (RGB)."""

    columns: tuple[int, int]
    rows: tuple[int, int]
    depth_m: float
    color: tuple[int, int, int]

    def mask(self) -> BoolArray:
        found = np.zeros((CAMERA.height, CAMERA.width), dtype=np.bool_)
        found[slice(*self.rows), slice(*self.columns)] = True
        return found

    def middle(self) -> np.ndarray:
        """(3,) metres, optical frame."""
        u, v = (sum(ends) / 2 - 0.5 for ends in (self.columns, self.rows))
        return np.array([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0]) * self.depth_m


BLUE_BOX, RED_BOX = Face((170, 270), (150, 270), 0.8, BLUE), Face((380, 470), (170, 310), 0.5, RED)


def bin_with(*faces: Face, mirrored: bool = False, seed: int = 0) -> RGBDFrame:
    """The bin on a depth image with a millimetre of noise.

    Args:
        mirrored: the bottom shows every face once more, upside down and darker, where a sensor then measures as well.
    """
    generator = np.random.default_rng(seed)
    depth = np.full((CAMERA.height, CAMERA.width), np.nan)
    color = np.full((CAMERA.height, CAMERA.width, 3), METAL, dtype=np.float64)
    depth[60:BACK_ENDS, 110:], color[:BACK_ENDS] = _BACK_M, BROWN
    # The side comes towards the camera.
    depth[60:420, 20:110] = 1 / np.linspace(1 / 0.5, 1 / _BACK_M, 90)
    color[:420, 20:110] = BROWN
    for face in faces:
        (u0, u1), (v0, v1) = face.columns, face.rows
        # What stands in front throws a shadow on what is behind it.
        depth[v0:v1, max(u0 - 8, 0) : u0] = np.nan
        depth[v0:v1, u0:u1], color[v0:v1, u0:u1] = face.depth_m, face.color
        if mirrored:
            end = min(v1 + (v1 - v0), CAMERA.height)
            depth[v1:end, u0:u1], color[v1:end, u0:u1] = face.depth_m, 0.6 * np.array(face.color)
    depth += generator.normal(0, 0.001, depth.shape)
    color += generator.normal(0, 2.0, color.shape)
    return RGBDFrame(0, np.clip(color, 0, 255).astype(np.uint8), depth.astype(np.float32), CAMERA, "optical")
