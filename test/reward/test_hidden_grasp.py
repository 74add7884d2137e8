"""A thing that the arm hides before the fingers come to it: whether they took it shows when they leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardSample
from spatialvlm_ros.reward.task import Stage, TaskSpec, at_least, is_true
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory

CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)
CAMERA_FROM_TABLE = camera_over_table(40.0, height_m=0.6)
PLACE = np.array([0.7, 0.0, 0.025])
STEP_NS = 200_000_000
BEHIND_M = 3.0
HELD, LIFT = Query("held", "block", "gripper"), Query("elevation", "block")
TASK = TaskSpec(
    "pick", (Stage("held", (is_true(HELD),)), Stage("lift", (at_least(LIFT, 0.1),), (is_true(HELD),))), filter_frames=1,
    success_frames=2,
)  # fmt: skip
# Above the thing while it is seen, down to it out of sight, up again.
HEIGHTS_M = (0.3, 0.3, 0.3, 0.2, 0.1, 0.03, 0.03, 0.15, 0.2, 0.2, 0.2, 0.2)


def around(point_m: np.ndarray, radius_px: float) -> np.ndarray:
    """(H, W) pixels near where a point (3,) of the camera's frame is seen."""
    pixel = CAMERA.project(point_m[None])[0]
    rows, columns = np.mgrid[:120, :160]
    return np.asarray(np.hypot(columns - pixel[0], rows - pixel[1]) <= radius_px)


def pick(is_taken: bool) -> list[RewardSample]:
    """The robot hides the thing from the fourth image on; from the eighth its place shows: empty, or the thing as before."""
    memory, engine, annotator = ObjectMemory(MemoryConfig()), SpatialEngine(), RewardAnnotator(TASK)
    shown = around(CAMERA_FROM_TABLE.apply(PLACE), 10.0)
    down = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    samples = []
    for index, height in enumerate(HEIGHTS_M):
        camera_from_tool = CAMERA_FROM_TABLE @ RigidTransform(down, np.array([PLACE[0], PLACE[1], height]))
        is_seen = index < 3 or (index >= 7 and not is_taken)
        hand = around(camera_from_tool.translation, 8.0)
        robot = np.zeros_like(shown) if index < 3 else ~shown | hand | (index < 7)
        things = [placed(box(PLACE, label="block", stamp_ns=index * STEP_NS), CAMERA_FROM_TABLE)] if is_seen else []
        depth = np.full((120, 160), BEHIND_M, np.float32)
        frame = RGBDFrame(index * STEP_NS, np.zeros((120, 160, 3), np.uint8), depth, CAMERA, "camera")
        seen, hidden = memory.update(things, frame, RigidTransform.identity(), camera_from_tool, robot)
        named = {thing.label: thing for thing in (tool(camera_from_tool.translation), *seen, *hidden)}
        found = replace(scene(named, CAMERA_FROM_TABLE), stamp_ns=frame.stamp_ns)
        samples.append(annotator.update(frame.stamp_ns, engine.facts(found, TASK.queries())))
    return samples


def test_what_the_hand_took_out_of_sight_is_lifted_but_is_no_success_until_it_is_seen() -> None:
    samples = pick(is_taken=True)
    assert samples[6].potential < 0.6
    assert samples[-1].stage == "lift" and samples[-1].potential == pytest.approx(1.0)
    assert not any(sample.success for sample in samples)


def test_what_the_hand_left_behind_is_neither_held_nor_lifted() -> None:
    samples = pick(is_taken=False)
    assert samples[-1].stage == "held" and samples[-1].potential < 0.2 and not samples[-1].success
