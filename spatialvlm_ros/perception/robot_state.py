"""What tf and the IMU say of the robot and of up at the stamp of an image: all that the engine knows beside the image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.facts import Status
from .self_filter import Capsule


@dataclass(frozen=True)
class RobotState:
    """What tf and the IMU say at the image's stamp. All poses in the camera's optical frame.

    Attributes:
        camera_from_tool: pose of the tool point, or None with ``tool_status`` and ``tool_text`` saying why.
        capsules: shape of the robot, to be kept out of the scene.
        up: (3,) vector against gravity, of any length, or None when neither gives one.
        up_source: where ``up`` comes from, "tf" or "imu".
        up_std_rad: one standard deviation of its tilt. tf is as good as the extrinsics: 0.5 degree is a careful calibration.
        up_problem: why there is no ``up`` although one was asked for. The scene then has no canonical frame: a plane's normal in
            its stead would be another source from one image to the next.

    Raises:
        ValueError: for an ``up`` without a direction, its deviation not above 0, or a pose that is not finite.
        world_from_camera: pose of the camera in a frame that does not move; identity for a fixed camera.
        frames: pose of each tf frame that a query may be seen from, or the reason why it is not known.
        places: the same for names that stand for the origin of a tf frame ("robot").
    """

    camera_from_tool: RigidTransform | None = None
    tool_status: Status = Status.NOT_FOUND
    tool_text: str = "no gripper: set tool_frame to the tf frame of the tool point"
    capsules: Sequence[Capsule] = ()
    up: FloatArray | None = None
    up_source: str = "tf"
    up_std_rad: float = math.radians(0.5)
    up_problem: str = ""
    world_from_camera: RigidTransform = field(default_factory=RigidTransform.identity)
    frames: Mapping[str, RigidTransform | str] = field(default_factory=dict)
    places: Mapping[str, RigidTransform | str] = field(default_factory=dict)
    # (K, 2, 3) ends of the capsules, (K,) their radii.
    _ends: FloatArray = field(init=False, repr=False, compare=False)
    _radii: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.up is not None:
            up = np.asarray(self.up, dtype=np.float64)
            if up.shape != (3,) or not np.isfinite(up).all() or np.linalg.norm(up) < 1e-9:
                raise ValueError(f"up is {up.tolist()}, expected three finite numbers with a length above 0")
        if not (math.isfinite(self.up_std_rad) and self.up_std_rad > 0):
            raise ValueError(f"up_std_rad is {self.up_std_rad}, expected a finite number above 0")
        poses = {"camera_from_tool": self.camera_from_tool, "world_from_camera": self.world_from_camera}
        for name, pose in {**poses, **self.frames, **self.places}.items():
            if isinstance(pose, RigidTransform) and not all(
                np.isfinite(part).all() for part in (pose.rotation, pose.translation)
            ):
                raise ValueError(f"{name} is not a pose of finite numbers: {pose.matrix().tolist()}")
        ends = np.array([end for capsule in self.capsules for end in (capsule.start, capsule.end)], dtype=np.float64)
        radii = np.array([capsule.radius_m for capsule in self.capsules], dtype=np.float64)
        object.__setattr__(self, "_ends", ends.reshape(-1, 2, 3))
        object.__setattr__(self, "_radii", radii)
        # One by one only where one of them is not.
        if np.isfinite(ends).all() and np.isfinite(radii).all():
            return
        for capsule in self.capsules:
            if not np.isfinite([*capsule.start, *capsule.end, capsule.radius_m]).all():
                raise ValueError(f"a capsule of the robot is not finite: {capsule}")

    @property
    def opening_m(self) -> float:
        """From the tool point to the nearest surface of the robot's shape, metres: how far each finger is open.

        NaN where the pose or the shape is not known.
        """
        if self.camera_from_tool is None or not self.capsules:
            return math.nan
        starts = self._ends[:, 0]
        along = self._ends[:, 1] - starts
        to_tool = self.camera_from_tool.translation - starts
        share = np.einsum("ij,ij->i", to_tool, along) / np.maximum(np.einsum("ij,ij->i", along, along), 1e-12)
        off = np.linalg.norm(to_tool - np.clip(share, 0.0, 1.0)[:, None] * along, axis=1)
        return float(np.min(off - self._radii))
