"""The point between finger tips by geometry: on grippers made of boxes, drawn through a pinhole camera."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.vlm.embedded.gripper_tip import Tip, gripper_tip
from spatialvlm_ros.vlm.embedded.looking import _better_tip

FOCAL, SIZE = 280.0, (240, 320)
# Looks straight at a wall of air over a table: y down, the table 0.3 m below the axis, level.
PLANE = np.array([0.0, -1.0, 0.0, 0.3])


class Picture:
    """Upright plates at given depths, nearest in front."""

    def __init__(self) -> None:
        self.depth = np.full(SIZE, np.nan)
        v, u = np.mgrid[: SIZE[0], : SIZE[1]]
        self.x, self.y = (u - SIZE[1] / 2) / FOCAL, (v - SIZE[0] / 2) / FOCAL

    def plate(self, x: tuple[float, float], y: tuple[float, float], z: float) -> np.ndarray:
        """(H, W) its pixels; ``x`` and ``y`` in metres."""
        own = (self.x * z >= x[0]) & (self.x * z <= x[1]) & (self.y * z >= y[0]) & (self.y * z <= y[1])
        own &= ~(self.depth < z)
        self.depth[own] = z
        return own

    @property
    def xyz(self) -> np.ndarray:
        return np.stack([self.x * self.depth, self.y * self.depth, self.depth], axis=-1).astype(np.float32)


def gripper(picture: Picture, x: float, z: float, opening: float = 0.06) -> np.ndarray:
    """A forearm from the upper edge, a palm, two fingers that end 0.1 m below the axis. Returns the pixels of arm and palm."""
    arm = picture.plate((x - 0.04, x + 0.04), (-1.0, -0.05), z)
    palm = picture.plate((x - 0.07, x + 0.07), (-0.05, 0.0), z)
    for side in (-1, 1):
        inner = x + side * opening / 2
        picture.plate((min(inner, inner + side * 0.015), max(inner, inner + side * 0.015)), (0.0, 0.1), z)
    return arm | palm


def test_the_point_is_between_two_fingers_that_the_mask_leaves_out() -> None:
    picture = Picture()
    mask = gripper(picture, 0.05, 0.7)
    found = gripper_tip(mask, picture.xyz, PLANE)
    assert found is not None and found.fingers == 2
    assert found.point == pytest.approx([0.05, 0.085, 0.706], abs=0.012)


def test_a_column_that_stands_on_the_table_is_no_gripper() -> None:
    picture = Picture()
    mask = gripper(picture, 0.05, 0.7)
    mask |= picture.plate((-0.3, -0.18), (-1.0, 0.295), 0.9)
    found = gripper_tip(mask, picture.xyz, PLANE)
    assert found is not None and found.fingers == 2 and found.point[0] == pytest.approx(0.05, abs=0.012)


def test_one_finger_in_sight_hides_the_other_one_and_is_told_less_surely() -> None:
    picture = Picture()
    mask = picture.plate((-0.03, 0.03), (-1.0, 0.0), 0.7)
    picture.plate((-0.01, 0.01), (0.0, 0.1), 0.7)
    found = gripper_tip(mask, picture.xyz, PLANE)
    two = Picture()
    sure = gripper_tip(gripper(two, 0.05, 0.7), two.xyz, PLANE)
    assert found is not None and sure is not None and found.fingers == 1 and found.std_m > sure.std_m
    assert found.point[2] > 0.73  # half an opening behind the finger that is seen


def test_what_cannot_be_told_is_not() -> None:
    picture = Picture()
    mask = gripper(picture, 0.0, 0.7)
    assert gripper_tip(mask, picture.xyz, np.full(4, np.nan)) is None
    assert gripper_tip(np.zeros(SIZE, bool), picture.xyz, PLANE) is None
    assert gripper_tip(mask, np.full((*SIZE, 3), np.nan, np.float32), PLANE) is None
    alone = Picture()
    floating = alone.plate((-0.05, 0.05), (-0.1, 0.1), 0.7)
    assert gripper_tip(floating, alone.xyz, PLANE) is None  # nothing that it could hang on
    assert gripper_tip(np.ones((1, 1), bool), np.ones((1, 1, 3), np.float32), PLANE) is None


def test_what_was_measured_is_the_point_and_a_network_that_sees_it_elsewhere_makes_it_less_sure() -> None:
    spread, point = 0.027**2 * np.eye(3), np.array([0.1, 0.0, 0.8])
    for fingers, std in ((1, 0.03), (2, 0.006)):
        measured = Tip(point, std, fingers)
        close, far = (_better_tip(measured, point + np.array([off, 0.0, 0.0]), spread) for off in (0.01, 0.4))
        assert np.array_equal(close[0], point) and np.array_equal(far[0], point)
        assert std <= math.sqrt(close[1][0, 0]) < 1.2 * std and math.sqrt(far[1][0, 0]) > 0.09
    told, covariance = _better_tip(None, point, spread)
    assert np.array_equal(told, point) and np.array_equal(covariance, spread)
