"""The table stays the table when the hand that told it from the floor under it goes away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from raycast import Ball, Box, Can, look, render

from spatialvlm_ros.engine import EngineConfig, SpatialEngine
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.perception.robot_state import RobotState
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.scene.scene import Scene

# A narrow table over a floor that shows under it, as a shelf's would, with a can on it; the camera looks down on both.
FLOOR = Box((0.0, 0.0, -0.81), (30.0, 30.0, 0.02), (110, 100, 95))
TOP = Box((0.1, 0.0, -0.04), (0.35, 1.2, 0.08), (190, 160, 130))
CAN = Can((0.1, 0.1, 0.0), 0.03, 0.1, (200, 30, 30))
POSE = look(height=1.0, distance=1.5)
HAND, AWAY = np.array([0.1, 0.0, 0.3]), np.array([0.1, 1.6, 0.3])
SECOND_NS = 1_000_000_000


def seen(
    engine: SpatialEngine, at_s: float, hand: np.ndarray, things: list[Box | Ball | Can], pose: RigidTransform = POSE
) -> Scene:
    frame, _ = render(things, pose, sigma=0.0015, seed=round(10 * at_s))
    tool = pose.inverse() @ RigidTransform(np.eye(3), hand)
    robot = RobotState(camera_from_tool=tool, up=pose.rotation[2], world_from_camera=pose)
    return engine.observe(replace(frame, stamp_ns=round(at_s * SECOND_NS)), ["red can"], robot)


@pytest.fixture
def engine() -> SpatialEngine:
    return SpatialEngine(EngineConfig(noise=PRESETS["structured_light"]))


def test_a_table_that_no_image_by_itself_tells_from_a_shelf_is_where_it_was(engine: SpatialEngine) -> None:
    scene = seen(engine, 0.0, AWAY, [FLOOR, TOP, CAN])
    assert scene.bindings["red can"].status is Status.NOT_FOUND and "hangs over it in front" in scene.canonical_reason
    before = seen(engine, 1.0, HAND, [FLOOR, TOP, CAN]).bindings["red can"]
    after = seen(engine, 2.0, AWAY, [FLOOR, TOP, CAN]).bindings["red can"]
    assert before.thing is not None and after.thing is not None and after.status is Status.OK
    assert np.linalg.norm(after.thing.centre - before.thing.centre) < 0.01
    assert after.thing.id == before.thing.id


def test_it_is_where_it_was_for_a_camera_that_has_moved(engine: SpatialEngine) -> None:
    seen(engine, 1.0, HAND, [FLOOR, TOP, CAN])
    pose = look(height=1.1, distance=1.4)
    binding = seen(engine, 1.5, AWAY, [FLOOR, TOP, CAN], pose).bindings["red can"]
    assert binding.status is Status.OK and binding.thing is not None
    assert np.linalg.norm(pose.apply(binding.thing.centre)[:2] - CAN.centre[:2]) < 0.01


def test_a_table_that_is_no_longer_seen_there_is_none(engine: SpatialEngine) -> None:
    seen(engine, 1.0, HAND, [FLOOR, TOP, CAN])
    lower = replace(TOP, centre=(0.1, 0.0, -0.14)), replace(CAN, centre=(0.1, 0.1, -0.1))
    assert np.isnan(seen(engine, 1.5, AWAY, [FLOOR, *lower]).support_plane).all()


@pytest.mark.parametrize("at_s", [0.5, 12.0])
def test_it_is_forgotten_when_time_jumps(engine: SpatialEngine, at_s: float) -> None:
    seen(engine, 1.0, HAND, [FLOOR, TOP, CAN])
    assert np.isnan(seen(engine, at_s, AWAY, [FLOOR, TOP, CAN]).support_plane).all()


def test_a_new_episode_knows_no_table(engine: SpatialEngine) -> None:
    seen(engine, 1.0, HAND, [FLOOR, TOP, CAN])
    engine.reset()
    assert np.isnan(seen(engine, 1.5, AWAY, [FLOOR, TOP, CAN]).support_plane).all()
