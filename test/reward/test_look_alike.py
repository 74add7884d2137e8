"""A second thing of the same looks beside the right one, on pictures, through engine and annotator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tiny_render import Solid, View, view

from spatialvlm_ros.engine import RobotState, SpatialEngine
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardSample, RewardStatus
from spatialvlm_ros.reward.task import Stage, TaskSpec, at_most
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.frame import RGBDFrame

CAMERA = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)
RED = Solid((0.65, 0.20, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
BLUE = Solid((0.78, 0.0, 0.03), (0.06, 0.06, 0.06), -0.2, color=(25, 45, 180))
LURE = replace(RED, centre=(0.65, -0.16, 0.03), yaw=0.1)
TOOL = np.array([0.65, -0.16, 0.12])
TASK = TaskSpec(
    "reach", (Stage("reach", (at_most(Query("distance", "gripper", "red block"), 0.1),)),), filter_frames=1, success_frames=2
)


def robot(picture: View) -> RobotState:
    """A gripper that points down right above the lure."""
    tool = RigidTransform(np.diag([1.0, -1.0, -1.0]), TOOL)
    return RobotState(camera_from_tool=picture.camera_from_canonical @ tool, up=picture.camera_from_canonical.rotation[:, 2])


def covered(picture: View) -> RGBDFrame:
    """The first solid is hidden by something large right before it."""
    depth = picture.frame.depth_m.copy()
    u0, v0, u1, v1 = picture.region(0).box
    depth[v0 - 10 : v1 + 10, u0 - 10 : u1 + 10] = 0.4
    return replace(picture.frame, depth_m=depth)


def reward(scenes: Sequence[tuple[Sequence[Solid], bool]]) -> list[RewardSample]:
    """Samples of pictures; the flag hides the first solid."""
    engine, annotator = SpatialEngine(), RewardAnnotator(TASK)
    samples = []
    for index, (solids, hide) in enumerate(scenes):
        picture = view(list(solids), seed=index, camera=CAMERA)
        frame = replace(covered(picture) if hide else picture.frame, stamp_ns=index * 100_000_000)
        scene = engine.observe(frame, ["gripper", "red block"], robot(picture))
        samples.append(annotator.update(scene.stamp_ns, engine.facts(scene, TASK.queries())))
    return samples


def test_a_lure_beside_the_gripper_changes_nothing() -> None:
    alone, lured = ([RED, BLUE], False), ([RED, LURE, BLUE], False)
    samples = reward([alone] * 3 + [lured] * 5)
    assert all(sample.status is RewardStatus.OK for sample in samples)
    potentials = [sample.potential for sample in samples]
    assert max(potentials) - min(potentials) < 0.03 and not any(sample.success for sample in samples)


def test_a_lure_while_the_right_one_is_hidden_changes_nothing() -> None:
    samples = reward([([RED, BLUE], False)] * 3 + [([RED, LURE, BLUE], True)] * 6 + [([RED, LURE, BLUE], False)])
    potentials = [sample.potential for sample in samples]
    assert max(potentials) - min(potentials) < 0.03 and not any(sample.success for sample in samples)
    assert samples[-2].potential_std > samples[2].potential_std


def test_two_alike_from_the_start_are_no_thing_to_be_rewarded_for() -> None:
    samples = reward([([RED, LURE, BLUE], False)] * 4)
    assert all(sample.status is RewardStatus.NO_DATA and sample.reward == 0.0 for sample in samples)
