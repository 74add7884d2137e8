"""Labelled images with what they were labelled from, made of few pixels, for the tests of data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spatialvlm_ros.engine import RobotState
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.recording.label_rows import LabelledFrame, Material
from spatialvlm_ros.reward.annotator import RewardSample, RewardStatus
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.scene import Scene

START_NS = 1_700_000_000_000_000_000
WIDTH, HEIGHT = 32, 24


def at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def frame(
    seconds: float,
    potential: float = 0.5,
    *,
    episode: int = 0,
    success: bool = False,
    tool_z_m: float | None = 0.2,
    joints: Mapping[str, tuple[int, float]] | None = None,
    command: Mapping[str, tuple[int, float]] | None = None,
    width: int = WIDTH,
) -> LabelledFrame:
    """An image whose pixels all have the grey value of its time in steps of 10 ms."""
    stamp_ns = at(seconds)
    color = np.full((HEIGHT, width, 3), round(seconds * 100) % 256, np.uint8)
    depth_m = np.full((HEIGHT, width), 0.5 + 0.001 * round(seconds * 100), np.float32)
    depth_m[0, 0] = np.nan
    camera = CameraModel(width, HEIGHT, 30.0, 30.0, 15.5, 11.5)
    tool = None if tool_z_m is None else RigidTransform(np.eye(3), np.array([0.0, 0.1, tool_z_m]))
    sample = RewardSample(
        stamp_ns, "reach", "reach", 0, 1, 0.0, potential, potential, 0.1, 0.01, 0.02, success, 1.0,
        RewardStatus.NO_DATA if math.isnan(potential) else RewardStatus.OK, (),
    )  # fmt: skip
    picture = RGBDFrame(stamp_ns, color, depth_m, camera, "camera")
    scene = Scene(stamp_ns, "camera", (), None, "nothing in it", np.full(4, np.nan), 1.0)
    material = Material(picture, scene, RobotState(camera_from_tool=tool), None, "", joints or {}, command or {})
    return LabelledFrame(episode, 0, stamp_ns, "camera", (), sample, material)


def run(seconds: Sequence[float], **kwargs: object) -> list[LabelledFrame]:
    """Images whose potential rises from 0 to 1."""
    last = max(len(seconds) - 1, 1)
    return [frame(time, index / last, **kwargs) for index, time in enumerate(seconds)]  # type: ignore[arg-type]
