"""Small pictures of blocks on a table for models to look at."""

from __future__ import annotations

from dataclasses import replace

from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.geometry.camera import CameraModel

RED = Solid((0.65, 0.12, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
BLUE = Solid((0.75, -0.12, 0.03), (0.06, 0.06, 0.06), -0.2, color=(25, 45, 180))
RED_TOO = replace(RED, centre=(0.6, -0.05, 0.03), yaw=0.1)
SMALL = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)


def picture_of(solids: list[Solid], stamp_ns: int = 0, seed: int = 0) -> View:
    return view(solids, camera=SMALL, stamp_ns=stamp_ns, seed=seed, noise=NOISE)
