"""Vessels that stand on a plane, and small planes that carry nothing."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.plane import Plane
from spatialvlm_ros.perception.sparse_cloud import sample_cloud
from spatialvlm_ros.perception.support import SupportConfig, find_support
from spatialvlm_ros.perception.vessels import VesselConfig, has_vessel
from spatialvlm_ros.scene.noise import PRESETS

NOISE = PRESETS["structured_light"]
FOCAL_PX = 275.0
COLUMNS, ROWS = np.meshgrid(np.arange(320) - 159.5, np.arange(240) - 119.5)
# One metre below a camera that looks straight down.
TABLE = Plane(np.array([0.0, 0.0, -1.0]), 1.0)


def cloud(height_m: np.ndarray) -> np.ndarray:
    """(240, 320, 3) points of a relief over the table, seen from straight above."""
    depth = 1 - height_m
    return np.dstack([COLUMNS / FOCAL_PX * depth, ROWS / FOCAL_PX * depth, depth]).astype(np.float32)


def relief(inside_m: float, outside_m: float = 0.09, radius_px: float = 13) -> np.ndarray:
    """A can 9 cm high whose top is ``inside_m`` high within a rim of 3 pixels."""
    away = np.hypot(COLUMNS, ROWS)
    return np.where(away < radius_px - 3, inside_m, np.where(away < radius_px, outside_m, 0.0))


@pytest.mark.parametrize(("inside_m", "expected"), [(0.01, True), (0.05, True), (0.09, False), (0.085, False)])
def test_a_cup_is_a_vessel_and_a_can_is_none(inside_m: float, expected: bool) -> None:
    points = cloud(relief(inside_m))
    std_m = np.asarray(NOISE.pixel_std_m(points[..., 2]), dtype=np.float32)
    assert has_vessel(TABLE, points, std_m, VesselConfig()) is expected


def test_a_hole_between_walls_far_apart_is_no_vessel() -> None:
    points = cloud(relief(0.0, radius_px=40))
    std_m = np.asarray(NOISE.pixel_std_m(points[..., 2]), dtype=np.float32)
    assert not has_vessel(TABLE, points, std_m, VesselConfig())


@pytest.mark.parametrize("carries", [False, True])
def test_the_lid_of_a_thing_is_a_support_only_when_something_stands_on_it(carries: bool) -> None:
    """A lid of 22 cm x 18 cm that is a metre above all else: too small for a table, level, and the largest plane."""
    size_px = FOCAL_PX / 0.5
    lid = (np.abs(COLUMNS) < 0.11 * size_px) & (np.abs(ROWS) < 0.09 * size_px)
    depth = np.where(lid, 0.5, np.where(COLUMNS > 0, 1.4 + 0.004 * COLUMNS, 1.4 - 0.004 * COLUMNS))
    if carries:
        depth[(np.abs(COLUMNS) < 25) & (np.abs(ROWS) < 25)] = 0.47
    points = np.dstack([COLUMNS / FOCAL_PX * depth, ROWS / FOCAL_PX * depth, depth]).astype(np.float32)
    sample = sample_cloud(points, np.ones(depth.shape, dtype=bool), NOISE, FOCAL_PX, 3500)
    plane, reason = find_support(sample, NOISE, np.array([0.0, 0.0, -1.0]), SupportConfig())
    if carries:
        assert plane is not None and abs(plane.offset_m - 0.5) < 0.005, reason
    else:
        assert plane is None and "nothing stands on it" in reason
