"""The robot two metres away, where depth errs by more than its fingers are thick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from raycast import FIRST, FLOOR, TABLE, WALL, Ball, Box, look, render

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.perception.robot_state import RobotState
from spatialvlm_ros.perception.self_filter import Capsule, robot_mask
from spatialvlm_ros.perception.sighting import sight
from spatialvlm_ros.perception.tabletop import TabletopConfig
from spatialvlm_ros.scene.measure import MeasureConfig
from spatialvlm_ros.scene.noise import PRESETS

POSE = look(height=1.15, distance=1.55)
NOISE = PRESETS["stereo"]
LIFTED_M = 0.2
# A hand whose fingers hold a ball; the camera looks between them.
FINGERS = [Box((0.0, y, LIFTED_M + 0.02), (0.016, 0.016, 0.09), (30, 30, 30)) for y in (-0.037, 0.037)]
PALM = Box((0.0, 0.0, LIFTED_M + 0.09), (0.05, 0.14, 0.05), (200, 200, 200))
BALL = Ball((0.0, 0.0, LIFTED_M), 0.028, (240, 190, 20))
BLOCK = Box((-0.15, 0.2, 0.025), (0.05, 0.05, 0.05), (200, 30, 30))
SCENE = [TABLE, FLOOR, WALL, *FINGERS, PALM, BALL, BLOCK]


def capsules() -> list[Capsule]:
    to_camera = POSE.inverse()
    bars = [((0.0, y, LIFTED_M - 0.015), (0.0, y, LIFTED_M + 0.055), 0.011) for y in (-0.037, 0.037)]
    bars += [((0.0, -0.055, LIFTED_M + 0.09), (0.0, 0.055, LIFTED_M + 0.09), 0.035)]
    return [Capsule(to_camera.apply(np.array(start)), to_camera.apply(np.array(end)), radius) for start, end, radius in bars]


@pytest.mark.parametrize("seed", range(4))
def test_the_mask_covers_fingers_that_depth_puts_elsewhere_and_nothing_of_what_they_hold(seed: int) -> None:
    frame, owner = render(SCENE, POSE, sigma=0.0025, seed=seed)
    fingers, ball = np.isin(owner, (FIRST, FIRST + 1)) & frame.valid, (owner == FIRST + 3) & frame.valid
    plain, mask = robot_mask(frame, capsules()), robot_mask(frame, capsules(), noise=NOISE)
    assert (mask >= plain).all()
    assert plain[fingers].mean() < 0.97 < mask[fingers].mean()
    assert mask[ball].mean() < plain[ball].mean() + 0.1


def test_depth_that_does_not_err_needs_no_more_than_the_padding() -> None:
    frame, _ = render(SCENE, POSE, sigma=0.0)
    exact = replace(NOISE, floor_m=0.0, quadratic_per_m=0.0)
    assert np.array_equal(robot_mask(frame, capsules(), noise=exact), robot_mask(frame, capsules()))


@pytest.mark.parametrize("seed", range(4))
def test_what_the_fingers_hold_is_found_between_them(seed: int) -> None:
    frame, owner = render(SCENE, POSE, sigma=0.0025, seed=seed)
    robot = RobotState(capsules=capsules(), up=POSE.inverse().rotation[:, 2])
    found = sight(frame, robot, TabletopConfig(noise=NOISE), MeasureConfig())
    regions = [region.mask for region in found.segmentation.regions]
    for thing in (FIRST + 3, FIRST + 4):
        truth = owner == thing
        assert max((mask & truth).sum() / (mask | truth).sum() for mask in regions) > 0.5
    # Nothing of the robot is taken for a thing.
    assert all(np.isin(owner[mask], (FIRST, FIRST + 1, FIRST + 2)).mean() < 0.5 for mask in regions)


def test_how_far_the_fingers_are_open() -> None:
    pose = RigidTransform(np.eye(3), POSE.inverse().apply(np.array([0.0, 0.0, LIFTED_M])))
    assert RobotState(camera_from_tool=pose, capsules=capsules()).opening_m == pytest.approx(0.037 - 0.011)
    assert np.isnan(RobotState(camera_from_tool=pose).opening_m)
    assert np.isnan(RobotState(capsules=capsules()).opening_m)
