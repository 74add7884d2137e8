"""Points in free space beside a surface: how near its edge is, and how well that and the face of a thing are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table, placed, scene, tool

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


@pytest.mark.parametrize(("word", "end", "side"), [("front", 0, 0.5), ("behind", 1, 2.0), ("behind", 0, 2.0)])
@pytest.mark.parametrize("slope", [-0.8, 0.0, 0.8])
def test_a_face_errs_as_its_side_does_and_across_as_the_centre(word: str, end: int, side: float, slope: float) -> None:
    """The oracle draws faces. A surface at a slant is reached in another direction than the face is pushed in."""
    rng, pose = np.random.default_rng(3), camera_over_table(0.0)
    centre_std, edge_std = np.array([0.012, 0.002, 0.003]), 0.009
    thing = placed(box((0.9, 0.0, 0.6), (0.1, 0.1, 0.1), covariance=np.diag(centre_std**2)), pose)
    sides = np.zeros((2, 2))
    sides[0, end] = np.log(side)
    thing = replace(thing, extents_std=np.array([2 * edge_std, 0.004, 0.004]), sides=sides)
    # z = 1.3 + slope x, with x = (u - cx) z / fx.
    depth = np.tile(1.3 / (1 - slope * (np.arange(120.0) - CAMERA.cx) / CAMERA.fx), (90, 1)).astype(np.float32)
    view = replace(scene({}, pose), frame=RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera"))
    found = measure(f"point_{word}", view, thing, 0.05)
    moved = rng.normal(size=(20000, 3)) * centre_std
    # The low end faces the camera, and what is towards it or away from it errs 13 % more than what is to its sides.
    factor = side if end == (word == "behind") else 1.0
    moved[:, 0] *= 1.13 * factor * np.hypot(centre_std[0], edge_std) / centre_std[0]
    normal = np.array([1.0, slope, 0.0]) / np.hypot(1.0, slope)
    assert found.std == pytest.approx(math.hypot((moved @ normal).std(), thing.point_std_m), rel=0.05)
