"""Whether what shows around a point tells how far the nearest surface is."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.synthesis.unseen_places import is_place_unseen

WALL_M = 2.0
POINT = np.array([0.0, 0.0, 1.5])
ON_WALL = np.array([0.0, 0.0, WALL_M])
NO_PLANE = np.full(4, np.nan)
CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)


def view(depth_m: np.ndarray) -> RGBDFrame:
    return RGBDFrame(1, np.zeros((*depth_m.shape, 3), np.uint8), depth_m, CAMERA, "camera")


def wall() -> np.ndarray:
    return np.full((120, 160), WALL_M, np.float32)


def test_a_point_before_a_wall_is_seen_all_around() -> None:
    assert not is_place_unseen(view(wall()), NO_PLANE, POINT, ON_WALL)


@pytest.mark.parametrize(("columns", "unseen"), [(slice(0, 80), True), (slice(0, 160), False), (slice(0, 20), False)])
def test_what_hides_a_part_of_the_way_may_hide_a_nearer_surface(columns: slice, unseen: bool) -> None:
    """What hides all of it is the nearest surface itself; what stands beside it hides nothing."""
    depth = wall()
    depth[:, columns] = 0.6
    assert is_place_unseen(view(depth), NO_PLANE, POINT, ON_WALL) is unseen


@pytest.mark.parametrize(("half_px", "unseen"), [(3, True), (1, False)])
def test_the_rim_of_a_hole_is_no_end_of_a_surface(half_px: int, unseen: bool) -> None:
    depth = wall()
    depth[60 - half_px : 60 + half_px, 80 - half_px : 80 + half_px] = np.nan
    assert is_place_unseen(view(depth), NO_PLANE, POINT, ON_WALL) is unseen


@pytest.mark.parametrize(("below_m", "unseen"), [(0.3, True), (0.495, False), (0.7, False)])
def test_a_table_that_is_nearer_than_what_was_found_does_not_show(below_m: float, unseen: bool) -> None:
    table = np.array([0.0, -1.0, 0.0, below_m])
    assert is_place_unseen(view(wall()), table, POINT, ON_WALL) is unseen


def test_a_table_outside_of_the_image_cannot_show() -> None:
    point = np.array([0.0, 0.0, 0.3])
    assert not is_place_unseen(view(wall()), np.array([0.0, -1.0, 0.0, 0.2]), point, ON_WALL)


def test_a_ball_that_reaches_behind_the_camera_is_of_what_is_seen() -> None:
    point = np.array([0.0, 0.0, 0.5])
    assert not is_place_unseen(view(wall()), NO_PLANE, point, ON_WALL)
