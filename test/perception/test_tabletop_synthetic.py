"""The tabletop grounder on analytic scenes: what no recording shows, and what must be refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from raycast import (
    CAMERA,
    FIRST,
    FLOOR,
    GREEN_CAN,
    NAMES,
    RED_BLOCK,
    SCENE,
    TABLE,
    WALL,
    Ball,
    Box,
    Can,
    look,
    render,
)

from spatialvlm_ros.perception.appearance import Appearance, describe_scene
from spatialvlm_ros.perception.names import match
from spatialvlm_ros.perception.tabletop import TabletopSegmentation, TabletopSegmenter
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.frame import RGBDFrame

RED, BLUE, GREEN, YELLOW = (190, 25, 25), (30, 50, 170), (40, 150, 60), (235, 195, 25)


def see(things: list[Box | Ball | Can]) -> tuple[TabletopSegmentation, list[Appearance], list[float]]:
    """Segmentation and appearances of things on a table, and the best IoU of each thing."""
    frame, owner = render([TABLE, FLOOR, WALL, *things])
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None, found.reason
    return found, describe_scene(frame, found.regions, found.plane), ious(found, owner, len(things))


def ious(found: TabletopSegmentation, owner: np.ndarray, count: int) -> list[float]:
    return [
        max(float((r.mask & (owner == FIRST + i)).sum() / (r.mask | (owner == FIRST + i)).sum()) for r in found.regions)
        for i in range(count)
    ]


@pytest.mark.parametrize("roll", [-30, 0, 30])
@pytest.mark.parametrize(("height", "distance"), [(0.5, 0.9), (0.7, 0.75), (1.0, 0.5)])
@pytest.mark.parametrize("with_up", [True, False])
def test_six_things_by_name_whatever_the_view(roll: int, height: float, distance: float, with_up: bool) -> None:
    pose = look(height, distance, roll)
    up = pose.rotation.T[:, 2]
    frame, owner = render(SCENE, pose)
    found = TabletopSegmenter().segment(frame, up=3 * up if with_up else None)
    assert found.plane is not None, found.reason
    assert found.plane.plane.angle_to(up) < math.radians(0.3)
    assert found.plane.d == pytest.approx(height, abs=0.003)
    assert (owner[found.plane.inliers] == 0).mean() > 0.99
    assert len(found.regions) == len(NAMES)
    assert min(ious(found, owner, len(NAMES))) > 0.8
    things = describe_scene(frame, found.regions, found.plane)
    for i, name in enumerate(NAMES):
        answer = match(name, things)
        assert answer.status is Status.OK, answer.text
        assert np.bincount(owner[found.regions[answer.index].mask] + 1).argmax() - 1 == FIRST + i


def test_dimensions_of_things() -> None:
    _, things, overlaps = see(list(NAMES.values()))
    assert min(overlaps) > 0.8
    by_name = {name: things[match(name, things).index] for name in NAMES}
    assert by_name["green plate"].height_m == pytest.approx(0.013, abs=0.003)
    assert by_name["green plate"].length_m == pytest.approx(0.15, abs=0.012)
    assert by_name["tall green can"].height_m == pytest.approx(0.115, abs=0.004)
    assert by_name["red block"].height_m == pytest.approx(0.05, abs=0.004)
    assert by_name["yellow ball"].height_m == pytest.approx(0.056, abs=0.006)
    distances = [float(np.linalg.norm(a.centre)) for a in things]
    assert all(b - a > -0.03 for a, b in pairwise(distances)), "nearest first"


@pytest.mark.parametrize(
    ("things", "words"),
    [
        (
            [Box((0, 0, 0.025), (0.05, 0.05, 0.05), BLUE, 0.3), Box((0, 0, 0.075), (0.05, 0.05, 0.05), RED, 0.3)],
            "stacked",
        ),
        (
            [Box((0, 0, 0.025), (0.05, 0.05, 0.05), BLUE, 0.3), Box((0, 0, 0.075), (0.05, 0.05, 0.05), RED, 0.7)],
            "turned",
        ),
        ([Can((0, 0, 0), 0.075, 0.013, GREEN), Box((0, 0, 0.038), (0.05, 0.05, 0.05), RED, 0.3)], "block on plate"),
        (
            [Box((0, 0, 0.025), (0.05, 0.05, 0.05), BLUE), Box((0, 0.05, 0.025), (0.05, 0.05, 0.05), RED)],
            "side by side",
        ),
        ([Box((0, 0, 0.025), (0.05, 0.05, 0.05), BLUE), Box((0.05, 0, 0.025), (0.05, 0.05, 0.05), RED)], "behind"),
        (
            [Box((0, 0, 0.025), (0.05, 0.05, 0.05), BLUE, 0.5), Box((0, 0.06, 0.025), (0.05, 0.05, 0.05), BLUE, 0.2)],
            "near",
        ),
        ([Box((0, 0, 0.2), (0.05, 0.05, 0.05), RED, 0.3), Can((0.1, 0.1, 0), 0.03, 0.1, GREEN)], "held in the air"),
        ([Can((0.1, 0, 0), 0.075, 0.013, GREEN), Can((0, 0, 0), 0.03, 0.12, RED)], "plate cut in two by a can"),
        ([Can((0, 0, 0), 0.08, 0.05, (220, 220, 220), 0.004), Ball((0, 0, 0.035), 0.028, YELLOW)], "ball in a bowl"),
        ([Can((0, 0, 0), 0.036, 0.085, (220, 220, 220), 0.004), Can((0.09, 0, 0), 0.036, 0.085, BLUE, 0.004)], "cups"),
        ([Box((0, 0, 0.005), (0.14, 0.01, 0.01), BLUE, 0.6)], "pen"),
        ([Box((0, 0, 0.01), (0.2, 0.14, 0.02), RED, 0.6)], "book"),
        ([Box((0, 0, 0.025), (0.05, 0.05, 0.05), TABLE.color, 0.6)], "colour of the table"),
        ([], "nothing"),
    ],
)
def test_each_thing_is_one_region(things: list[Box | Ball | Can], words: str) -> None:
    frame, owner = render([TABLE, FLOOR, WALL, *things])
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None, found.reason
    overlaps = ious(found, owner, len(things)) if found.regions else []
    print(words, [round(x, 2) for x in overlaps])
    assert len(found.regions) == len(things), words
    assert all(x > 0.65 for x in overlaps), words


def test_a_printed_box_stays_whole() -> None:
    frame, owner = render([TABLE, FLOOR, WALL, Box((0, 0, 0.1), (0.05, 0.15, 0.2), RED, 0.3)])
    color = frame.color.copy()
    rng = np.random.default_rng(0)
    for _ in range(40):
        v, u = rng.integers(0, 480), rng.integers(200, 440)
        patch = np.zeros(owner.shape, bool)
        patch[v : v + 15, u : u + 25] = True
        color[patch & (owner == FIRST)] = rng.integers(0, 255, 3)
    found = TabletopSegmenter().segment(replace(frame, color=color))
    assert len(found.regions) == 1


def test_table_in_front_of_a_large_floor_wins_and_chairs_are_not_on_it() -> None:
    table = Box((0.1, 0, -0.02), (0.5, 0.7, 0.04), TABLE.color)
    chair = Box((1.1, 0.3, -0.3), (0.4, 0.4, 0.9), (60, 40, 30))
    frame, owner = render([table, FLOOR, WALL, RED_BLOCK, chair], look(0.7, 0.75, target_z=0.15))
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None and found.plane.d == pytest.approx(0.7, abs=0.01)
    assert [int(np.bincount(owner[r.mask] + 1).argmax()) - 1 for r in found.regions] == [3]


def test_lid_of_a_large_box_is_not_the_table() -> None:
    frame, _ = render([TABLE, FLOOR, WALL, Box((0, 0, 0.06), (0.2, 0.3, 0.12), YELLOW)])
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None and found.plane.d == pytest.approx(0.7, abs=0.01)
    assert len(found.regions) == 1


@pytest.mark.parametrize("yaw", [0.0, 0.5])
@pytest.mark.parametrize("roll", [0, 25])
def test_a_wall_is_no_floor(yaw: float, roll: int) -> None:
    wall = Box((1.0, 0.0, 0.5), (0.02, 6.0, 6.0), (200, 200, 205), yaw)
    box = Box((0.85, 0.0, 0.5), (0.2, 0.3, 0.3), RED, yaw)
    pose = look(0.5, 0.3, roll, target_z=0.45)
    frame, _ = render([wall, box], pose)
    for up in (pose.rotation.T[:, 2], None):
        found = TabletopSegmenter().segment(frame, up=up)
        assert found.plane is None and not found.regions
        assert "horizontal" in found.reason


def test_looking_straight_down_needs_to_be_told_which_way_is_up() -> None:
    pose = look(0.9, 0.02)
    frame, _ = render([TABLE, FLOOR, *NAMES.values()], pose)
    unsure = TabletopSegmenter().segment(frame)
    assert unsure.plane is None and "wall" in unsure.reason
    found = TabletopSegmenter().segment(frame, up=pose.rotation.T[:, 2])
    assert found.plane is not None and len(found.regions) == len(NAMES)


def test_ceiling_is_no_table() -> None:
    frame, _ = render([Box((1.0, 0, 2.5), (8, 8, 0.02), (220, 220, 220))], look(1.0, 1.0, target_z=1.8))
    found = TabletopSegmenter().segment(frame, up=look(1.0, 1.0, target_z=1.8).rotation.T[:, 2])
    assert found.plane is None and found.reason


def test_ignored_pixels_are_no_things() -> None:
    frame, owner = render([TABLE, FLOOR, WALL, RED_BLOCK, GREEN_CAN])
    robot = owner == FIRST + 1
    # Leave speckles and a rim of the "robot" unmasked, as noise does.
    robot &= np.random.default_rng(0).random(robot.shape) < 0.8
    found = TabletopSegmenter().segment(frame, ignore=robot)
    assert [int(np.bincount(owner[r.mask] + 1).argmax()) - 1 for r in found.regions] == [FIRST]


def empty_frame() -> RGBDFrame:
    depth = np.full((480, 640), np.nan, dtype=np.float32)
    return RGBDFrame(0, np.zeros((480, 640, 3), np.uint8), depth, CAMERA, "camera")


def test_useless_images_give_a_reason_and_no_exception() -> None:
    segmenter = TabletopSegmenter()
    frame = empty_frame()
    assert segmenter.segment(frame).reason.startswith("no depth")
    one = frame.depth_m.copy()
    one[240, 320] = 0.8
    assert segmenter.segment(replace(frame, depth_m=one)).reason.startswith("no depth")
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.2, 3.0, frame.depth_m.shape).astype(np.float32)
    assert segmenter.segment(replace(frame, depth_m=noise)).plane is None
    odd = np.where(rng.random(frame.depth_m.shape) < 0.5, np.inf, -1).astype(np.float32)
    assert segmenter.segment(replace(frame, depth_m=odd)).reason.startswith("no depth")
    full, _ = render(SCENE)
    assert segmenter.segment(full, ignore=np.ones((480, 640), bool)).reason.startswith("no depth")
    assert segmenter.segment(full, max_distance_m=0.3).reason.startswith("no depth within 0.3 m")
    wrong_unit = replace(full, depth_m=full.depth_m * 1000.0)
    assert re.search(
        r"no depth within 3 m: half of it is farther than \d+ m; is its unit right", segmenter.segment(wrong_unit).reason
    )


def test_invalid_pixels_strewn_over_the_image_do_not_matter() -> None:
    frame, _ = render(SCENE)
    depth = frame.depth_m.copy()
    rng = np.random.default_rng(1)
    depth[rng.random(depth.shape) < 0.05] = np.nan
    depth[rng.random(depth.shape) < 0.01] = np.inf
    depth[rng.random(depth.shape) < 0.01] = -np.inf
    depth[rng.random(depth.shape) < 0.01] = 0
    found = TabletopSegmenter().segment(replace(frame, depth_m=depth))
    assert len(found.regions) == len(NAMES)


@pytest.mark.parametrize("up", [(0, 0, 0), (np.nan, 0, 1), (1, 2)])
def test_up_without_a_direction_is_refused(up: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="up is"):
        TabletopSegmenter().segment(empty_frame(), up=up)


def test_same_image_same_bytes() -> None:
    frame, _ = render(SCENE)
    first, second = TabletopSegmenter().segment(frame), TabletopSegmenter().segment(replace(frame))
    assert first.plane is not None and second.plane is not None
    assert first.plane.coefficients.tobytes() == second.plane.coefficients.tobytes()
    assert first.plane.inliers.tobytes() == second.plane.inliers.tobytes()
    assert [r.mask.tobytes() for r in first.regions] == [r.mask.tobytes() for r in second.regions]
    looks = [describe_scene(frame, s.regions, s.plane) for s in (first, second)]
    assert repr(looks[0]) == repr(looks[1])


@pytest.mark.parametrize(("width", "height"), [(320, 240), (424, 240), (1280, 720), (641, 479)])
def test_other_image_sizes(width: int, height: int) -> None:
    scale = width / 640
    camera = replace(CAMERA, width=width, height=height, fx=610 * scale, fy=610 * scale, cx=width / 2, cy=height / 2)
    frame, owner = render(SCENE, camera=camera)
    found = TabletopSegmenter().segment(frame)
    assert found.plane is not None and found.plane.inliers.shape == (height, width)
    assert len(found.regions) == len(NAMES)
    assert min(ious(found, owner, len(NAMES))) > 0.75
