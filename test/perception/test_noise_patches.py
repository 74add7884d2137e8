"""What hardly rises above the noise of a plane is no thing, unless it is large and compact."""

from __future__ import annotations

import numpy as np
import pytest
from real_frames import office

from spatialvlm_ros.geometry.camera import CameraModel
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
