"""The half of a surface that nobody sees: the seen half turned round, where the camera does not look past the thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table
from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.scene.hidden_half import looks_past, may_be_there, turned_surface
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region
from spatialvlm_ros.scene.relation import nearest_points
from spatialvlm_ros.scene.scene import SceneObject

ARM = Solid((0.62, 0.0, 0.03), (0.03, 0.12, 0.06))
OTHER_ARM = Solid((0.68, -0.045, 0.03), (0.10, 0.03, 0.06))
BESIDE_IT = Solid((0.70, 0.085, 0.03), (0.03, 0.03, 0.06), color=(30, 30, 200))
POSE = camera_over_table(45.0)


def cone_seen_from_the_front(foot_m: float = 0.04, top_m: float = 0.004, height_m: float = 0.1) -> SceneObject:
    """A cone on the table of which the half that is turned to -x shows; z is up."""
    height, around = np.meshgrid(np.linspace(0, height_m, 21), np.linspace(np.pi / 2, 3 * np.pi / 2, 41))
    radius = foot_m + (top_m - foot_m) * height / height_m
    points = np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=-1).reshape(-1, 3)
    whole = box((0.0, 0.0, height_m / 2), (2 * foot_m, 2 * foot_m, height_m))
    return replace(whole, points=points.astype(np.float32), turns=np.ones(len(points), np.bool_))


def gap(a: SceneObject, b: SceneObject) -> float:
    one, other = nearest_points(a, b)
    return float(np.linalg.norm(one - other))


def measured(picture: View, region: Region) -> SceneObject:
    thing = measure_region(picture.frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert thing is not None
    return thing


def test_a_cones_foot_is_behind_where_it_is_in_front() -> None:
    cone = cone_seen_from_the_front()
    behind = box((0.08, 0.0, 0.005), (0.02, 0.02, 0.01))
    assert gap(cone, behind) == pytest.approx(0.03, abs=0.0015)
    # Mirrored in its middle the cone would have its foot in the air.
    assert gap(replace(cone, turns=None), behind) > 0.05
    assert gap(behind, cone) == gap(cone, behind)


def test_a_things_underside_is_there_and_no_wider_than_its_foot() -> None:
    held = replace(cone_seen_from_the_front(), centre=np.array([0.0, 0.0, 0.05]))
    below = box((0.0, 0.0, -0.045), (0.004, 0.004, 0.05))
    assert gap(held, below) == pytest.approx(0.02, abs=0.002)
    cup = cone_seen_from_the_front(foot_m=0.02, top_m=0.04)
    low = cup.surface[cup.surface[:, 2] < 0.02]
    assert np.hypot(low[:, 0], low[:, 1]).max() < 0.025


def test_seen_points_come_first_and_one_alone_stays_alone() -> None:
    cone = cone_seen_from_the_front()
    assert np.array_equal(cone.surface[: len(cone.points)], cone.points.astype(np.float64))
    one = turned_surface(cone.points[:1].astype(np.float64), cone.centre, cone.axes, cone.extents, np.zeros(1, np.bool_))
    assert np.array_equal(one, cone.points[:1])


def test_a_surface_reaches_over_the_rim_that_is_not_trusted_and_no_farther_than_the_box() -> None:
    whole = cone_seen_from_the_front()
    inner = np.hypot(whole.points[:, 0], whole.points[:, 1]) < 0.038
    short = replace(whole, points=whole.points[inner], turns=np.ones(np.count_nonzero(inner), np.bool_))
    beside = box((0.0, 0.08, 0.005), (0.02, 0.02, 0.01))
    drawn = replace(short, rim_m=0.003)
    assert gap(short, beside) > 0.032
    assert gap(whole, beside) <= gap(drawn, beside) < gap(short, beside) - 0.001
    # Of a box that was completed by far more only the rim counts.
    deeper = replace(drawn, extents=short.extents + np.array([0.1, 0.1, 0.0]))
    assert 0.0015 < np.abs(deeper.surface[: len(short.points)] - short.points).max() < 0.003


def test_where_noise_is_as_its_law_says_the_rim_is_as_wide_as_two_pixels() -> None:
    picture = view([ARM], noise=None, pose=POSE)
    thing = measured(picture, picture.region())
    assert thing.rim_m == pytest.approx(2 * thing.centre[2] / picture.frame.camera.fx, rel=0.1)
    unlike = measure_region(
        picture.frame, picture.region(), picture.canonical, picture.plane, replace(NOISE, unlike=1.0), MeasureConfig()
    )
    assert unlike is not None and unlike.rim_m == 0


def test_an_arm_on_one_side_is_not_on_the_other() -> None:
    """A bracket that lies: its half turn would put an arm where the camera sees the table."""
    picture = view([ARM, OTHER_ARM, BESIDE_IT], noise=None, pose=POSE)
    bracket = measured(picture, Region((picture.owner == 0) | (picture.owner == 1)))
    cube = measured(picture, picture.region(2))
    true = float(np.hypot(0.05, 0.01))
    assert gap(bracket, cube) == pytest.approx(true, abs=0.006)
    assert gap(replace(bracket, turns=None), cube) < true - 0.02
    assert bracket.turns is not None and 0.2 < bracket.turns.mean() < 0.95


def test_what_lies_behind_something_nearer_or_beyond_the_image_may_be_there() -> None:
    picture = view([ARM], noise=None, pose=POSE)
    thing = measured(picture, picture.region())
    std_m = np.array([0.001])

    def share(frame: RGBDFrame, of: SceneObject = thing) -> float:
        return float(may_be_there(frame, [of], std_m)[0].mean())

    assert share(picture.frame) > 0.9
    nearer = replace(picture.frame, depth_m=np.full_like(picture.frame.depth_m, 0.3))
    unknown = replace(picture.frame, depth_m=np.full_like(picture.frame.depth_m, np.nan))
    farther = replace(picture.frame, depth_m=np.full_like(picture.frame.depth_m, 3.0))
    assert share(nearer) == share(unknown) == 1.0
    assert share(farther) == 0.0
    assert share(farther, replace(thing, centre=thing.centre + np.array([10.0, 0.0, 0.0]))) == 1.0
    assert may_be_there(picture.frame, [], np.empty(0)) == []


def test_a_balls_lower_half_is_there() -> None:
    ball = Solid((0.65, 0.0, 0.04), (0.08, 0.08, 0.08), ball=True)
    picture = view([ball], noise=None, pose=POSE)
    thing = measured(picture, picture.region())
    below = box(picture.camera_from_canonical.apply(np.array([0.65, 0.045, 0.005])), (0.001, 0.001, 0.001))
    true = np.linalg.norm(np.array([0.0, 0.045, -0.035])) - 0.04
    assert gap(thing, below) == pytest.approx(true, abs=0.003)


def test_without_an_up_the_hidden_half_is_a_mirror_image() -> None:
    picture = view([ARM], noise=None, pose=POSE)
    thing = measure_region(picture.frame, picture.region(), None, picture.plane, NOISE, MeasureConfig())
    assert thing is not None and thing.turns is None
    assert np.array_equal(thing.surface, thing.mirrored) and len(thing.mirrored) == 2 * len(thing.points)


def test_where_a_camera_looks_past_is_told_through_its_lens() -> None:
    """A small thing near the corner of a wide lens, before a wall: its image is some way from where a pinhole would have it."""
    camera = CameraModel(320, 240, 200.0, 200.0, 159.5, 119.5, (-0.25, 0.05, 0.0, 0.0), "plumb_bob")
    points = np.array([[0.45, 0.3, 0.8], [0.3, 0.3, 0.8], [0.45, 0.3, -0.8], [9.0, 0.3, 0.8]])
    u, v = np.rint(camera.project(points[:1])[0]).astype(int)
    assert abs(u - (0.45 / 0.8 * 200.0 + 159.5)) > 5
    depth_m = np.full((240, 320), 2.0, np.float32)
    depth_m[v - 2 : v + 3, u - 2 : u + 3] = 0.8
    frame = RGBDFrame(1, np.zeros((240, 320, 3), np.uint8), depth_m, camera, "optical")
    assert looks_past(frame, points, 0.005).tolist() == [False, True, False, False]
