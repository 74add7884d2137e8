"""What hardly rises above the noise of a plane is no thing, unless it is large and compact."""

from __future__ import annotations

import numpy as np
import pytest
from raycast import FLOOR, TABLE, Box, render
from real_frames import office

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.grid import make_grid
from spatialvlm_ros.perception.scraps import is_fringe
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter
from spatialvlm_ros.scene.frame import RGBDFrame

CAMERA = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
NOISE = TabletopConfig().noise
# A camera that looks 40 degrees down, 1.2 m above a floor.
UP, HEIGHT_M = np.array([0.0, -np.cos(np.deg2rad(40)), -np.sin(np.deg2rad(40))]), 1.2


def floor_with(patch: np.ndarray, sigmas: float, color: int) -> RGBDFrame:
    """A floor on which the pixels of a patch (480, 640) are so many standard deviations of one pixel's height above it."""
    rays = np.dstack([CAMERA.rays.astype(np.float64), np.ones((480, 640))])
    slope = rays @ UP
    depth = np.where(slope < -1e-3, -HEIGHT_M / slope, np.nan)
    sigma = (NOISE.floor_m + NOISE.quadratic_per_m * depth**2) * np.abs(slope)
    raised = (sigmas * sigma - HEIGHT_M) / slope
    image = np.full((480, 640, 3), 120, np.uint8)
    image[patch] = color
    return RGBDFrame(0, image, np.where(patch, raised, depth).astype(np.float32), CAMERA, "floor")


def block(half_px: int) -> np.ndarray:
    rows, columns = np.indices((480, 640))
    return (np.abs(rows - 240) <= half_px) & (np.abs(columns - 320) <= half_px)


def corner() -> np.ndarray:
    """Some 1200 pixels that fill less than half of their outline's hull."""
    rows, columns = np.indices((480, 640))
    return block(40) & ((rows < 208) | (columns < 288))


@pytest.mark.parametrize(
    ("patch", "sigmas", "color", "count"),
    [
        (block(11), 4.0, 120, 0),
        (block(11), 8.0, 120, 1),
        (block(11), 4.0, 30, 1),
        (block(30), 4.0, 120, 1),
        (corner(), 4.0, 120, 0),
        (corner(), 8.0, 120, 1),
    ],
    ids=["small low", "small high", "small low of another color", "large low", "ragged low", "ragged high"],
)
def test_small_or_ragged_patches_of_the_planes_color_must_rise_clearly(
    patch: np.ndarray, sigmas: float, color: int, count: int
) -> None:
    found = TabletopSegmenter().segment(floor_with(patch, sigmas, color), up=UP)
    assert found.plane is not None, found.reason
    assert len(found.regions) == count
    for region in found.regions:
        assert (region.mask & patch).sum() > 0.7 * patch.sum()


def test_waves_of_noise_on_a_carpet_are_no_things() -> None:
    """A Kinect's depth comes in steps that are 2 cm high at 2.8 m."""
    frame = office(5)
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None, found.reason
    heights = [found.plane.plane.height(frame.camera.back_project(frame.depth_m)[r.mask & frame.valid]) for r in found.regions]
    assert all(np.quantile(height, 0.9) > 0.05 for height in heights)


@pytest.mark.parametrize(("color", "behind_m", "fringe"), [(None, 0.0, True), ((40, 60, 170), 0.0, False), (None, -0.1, False)])
def test_table_beside_a_box_that_has_the_boxs_depth_is_no_thing(
    color: tuple[int, int, int] | None, behind_m: float, fringe: bool
) -> None:
    """What has a colour of its own, or stands in front of the box, may be one."""
    frame, owner = render([TABLE, FLOOR, Box((0.0, 0.0, 0.05), (0.1, 0.1, 0.1), (170, 40, 40), 0.5)])
    depth, image, smeared = frame.depth_m.copy(), frame.color.copy(), np.zeros(owner.shape, bool)
    rows = np.unique(np.nonzero(owner == 2)[0])
    for row in rows[len(rows) // 3 : len(rows) // 2]:
        last = int(np.flatnonzero(owner[row] == 2).max())
        # From the first pixel of a block of the grid.
        beside = slice((last + 2) // 2 * 2, (last + 2) // 2 * 2 + 12)
        smeared[row, beside] = True
        depth[row, beside] = depth[row, last] + behind_m
    if color is not None:
        image[smeared] = color
    frame, config = RGBDFrame(0, image, depth, frame.camera, "x"), TabletopConfig()
    found = TabletopSegmenter(config).segment(frame).plane
    assert found is not None
    grid = make_grid(frame, None, config.max_distance_m, config.work_width_px)
    surface = grid.surface(found.plane, config.noise, config.min_height_m, config.height_sigmas)
    labels = np.where(smeared, 2, np.where(owner == 2, 1, 0))[::2, ::2].astype(np.int32)
    assert is_fringe(np.flatnonzero(labels == 2), labels, grid, surface, config) is fringe
