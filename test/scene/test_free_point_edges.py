"""Points in free space beside the edge of a surface: how near it is, and how well that is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from things import scene, tool

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.scene.relations import RELATIONS, Measurement
from spatialvlm_ros.scene.scene import Scene

CAMERA = CameraModel(120, 90, 100.0, 100.0, 59.5, 44.5)


def measure(name: str, view: Scene, *things: object) -> Measurement:
    return RELATIONS[name].measure(view, *things)


@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_the_edge_of_a_surface_is_as_near_as_its_last_pixels(slope: float) -> None:
    """The mean around a pixel at an edge lies inside of the surface, a pixel farther off."""
    rng = np.random.default_rng(14)
    u = np.arange(120.0)
    # z = 1 + slope x, with x = (u - cx) z / fx.
    plane = np.tile(1 / (1 - slope * (u - CAMERA.cx) / CAMERA.fx), (90, 1))
    plane[:, :60] = np.nan
    point = np.array([-0.06, 0.0, 1.0])
    cloud = CAMERA.back_project(plane)
    true = float(np.nanmin(np.linalg.norm(cloud - point, axis=-1)))
    found = []
    for _ in range(20):
        depth = (plane + rng.normal(0, 0.001, plane.shape)).astype(np.float32)
        frame = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
        found.append(measure("point_left", replace(scene({}), frame=frame), tool((0.0, 0.0, 1.0)), 0.06))
    np.testing.assert_allclose([one.subject_point for one in found], np.tile(point, (20, 1)), atol=1e-9)
    # A pixel is a centimetre wide there.
    assert np.mean([one.value for one in found]) == pytest.approx(true, abs=0.0015)


def test_an_edge_is_less_well_known_than_the_middle_of_a_surface() -> None:
    depth = np.full((90, 120), 1.0, np.float32)
    whole = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
    half = replace(whole, depth_m=np.where(np.arange(120) < 60, np.float32(np.nan), depth))
    thing = tool((-0.05, 0.0, 0.9))
    middle, edge = (measure("point_front", replace(scene({}), frame=frame), thing, 0.02).std for frame in (whole, half))
    coarse = replace(scene({}), frame=half, noise=PRESETS["structured_light"])
    assert middle < edge < measure("point_front", coarse, thing, 0.02).std
    # By where the edge is in the pixel: 0.3 of one of a centimetre.
    assert math.sqrt(edge**2 - middle**2) == pytest.approx(0.003, rel=0.1)
