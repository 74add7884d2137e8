"""A memory that is fed with things as if they were seen, for its tests."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from things import box

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.scene import SceneObject

CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)
FIXED = RigidTransform.identity()
MS = 1_000_000
FAR, NEAR = 3.0, 0.3


class Stream:
    """A memory fed with things that are seen, over a background of one depth. Coordinates are the camera's."""

    def __init__(self, config: MemoryConfig | None = None) -> None:
        self.memory = ObjectMemory(config or MemoryConfig())
        self.hidden: list[SceneObject] = []

    def see(
        self,
        stamp_ms: int,
        things: list[SceneObject],
        *,
        depth: float = FAR,
        tool: RigidTransform | None = None,
        robot: np.ndarray | None = None,
        camera: RigidTransform = FIXED,
        opening_m: float = math.nan,
    ) -> list[int]:
        """Ids of the things, in order; what is hidden is in ``hidden``."""
        image = np.full((120, 160), depth, np.float32)
        frame = RGBDFrame(stamp_ms * MS, np.zeros((120, 160, 3), np.uint8), image, CAMERA, "camera")
        stamped = [replace(thing, last_seen_ns=stamp_ms * MS) for thing in things]
        seen, self.hidden = self.memory.update(stamped, frame, camera, tool, robot, opening_m=opening_m)
        assert len(seen) == len(things)
        assert all(np.array_equal(a.centre, b.centre) for a, b in zip(seen, things, strict=True))
        return [thing.id for thing in seen]


def red(x: float, y: float = 0.0, z: float = 1.0) -> SceneObject:
    return box((x, y, z), label="red block")


def blue(x: float, y: float = 0.0, z: float = 1.0) -> SceneObject:
    return box((x, y, z), label="blue block")
