"""Things in bins: the bin's walls are no things, and the things in it are found, beside a wall as well."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from raycast import FLOOR, GREEN_CAN, NAMES, RED_BLOCK, SCENE, TABLE, Ball, Box, Can, look, render

from spatialvlm_ros.evaluation.model_scenes import scene_of
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmentation, TabletopSegmenter
from spatialvlm_ros.perception.tints import second_color
from spatialvlm_ros.scene.noise import PRESETS

Thing = Box | Ball | Can
WOOD, RED, BLUE, GREEN = (180, 150, 110), (190, 25, 25), (30, 50, 170), (40, 150, 60)
# Each pixel as good as the mean of four of a camera of twice the size.
SIGMA = 0.0008
CAMERA = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)
THICK_M, HIGH_M = 0.02, 0.09


def bin_at(x: float, y: float, length: float = 0.4, width: float = 0.5, thick: float = THICK_M) -> list[Thing]:
    """Four walls and a floor that is level with z = 0; ``length`` along x, ``width`` along y."""
    parts: list[Thing] = [Box((x, y, -0.01), (length, width, 0.02), WOOD)]
    for side in (-1, 1):
        across = x + side * (length + thick) / 2
        along = y + side * (width + thick) / 2
        parts.append(Box((across, y, HIGH_M / 2 - 0.01), (thick, width + 2 * thick, HIGH_M + 0.02), WOOD))
        parts.append(Box((x, along, HIGH_M / 2 - 0.01), (length + 2 * thick, thick, HIGH_M + 0.02), WOOD))
    return parts


def overlaps(found: TabletopSegmentation, owner: np.ndarray, first: int, count: int) -> list[float]:
    """Best IoU of each of the last things of a scene."""
    truths = [owner == first + index for index in range(count)]
    return [max((float((r.mask & t).sum() / (r.mask | t).sum()) for r in found.regions), default=0.0) for t in truths]


def see(
    scene: list[Thing], things: list[Thing], height: float, distance: float
) -> tuple[TabletopSegmentation, list[float], float]:
    """What is found with gravity given, the best IoU of each thing, and the height of the camera over what is level."""
    pose = look(height, distance)
    frame, owner = render([*scene, *things], pose, sigma=SIGMA, camera=CAMERA)
    found = TabletopSegmenter().segment(frame, up=pose.rotation.T[:, 2])
    assert found.plane is not None, found.reason
    return found, overlaps(found, owner, len(scene), len(things)), found.plane.d


THINGS: list[Thing] = [
    Box((0.02, 0.05, 0.03), (0.06, 0.06, 0.06), RED, 0.4),
    Can((-0.05, -0.12, 0.0), 0.03, 0.11, GREEN),
    Box((0.1, 0.25 - 0.031, 0.04), (0.1, 0.06, 0.08), BLUE),  # along the left wall, lower than it
    Box((0.2 - 0.041, -0.1, 0.075), (0.08, 0.05, 0.15), RED),  # at the far wall, higher than it
]


@pytest.mark.parametrize(("height", "distance"), [(0.7, 0.75), (0.9, 0.5), (0.6, 0.8)])
def test_things_in_a_bin_are_found_and_its_walls_are_not(height: float, distance: float) -> None:
    found, shares, level = see(bin_at(0.0, 0.0), THINGS, height, distance)
    assert level == pytest.approx(height, abs=0.004)
    assert len(found.regions) == len(THINGS)
    assert min(shares) > 0.7


def test_a_box_too_small_for_furniture_is_no_thing_either() -> None:
    things: list[Thing] = [Box((0.02, 0.05, 0.03), (0.06, 0.06, 0.06), RED, 0.4), Can((0.0, -0.08, 0.0), 0.03, 0.06, GREEN)]
    found, shares, level = see(bin_at(0.0, 0.0, 0.25, 0.3), things, 0.7, 0.5)
    assert level == pytest.approx(0.7, abs=0.004)
    assert len(found.regions) == 2 and min(shares) > 0.75


def test_an_empty_bin_holds_nothing() -> None:
    found, _, _ = see(bin_at(0.0, 0.0), [], 0.7, 0.75)
    assert not found.regions


def test_the_rims_of_two_bins_are_no_table_and_what_is_carried_over_them_is_a_thing() -> None:
    bins = [*bin_at(0.0, 0.25, 0.3, 0.4, 0.035), *bin_at(0.0, -0.25, 0.3, 0.4, 0.035)]
    things: list[Thing] = [Box((0.0, 0.3, 0.03), (0.06, 0.06, 0.06), RED, 0.4), Box((0.0, 0.0, 0.25), (0.06, 0.06, 0.06), BLUE)]
    found, shares, level = see(bins, things, 0.9, 0.6)
    assert level == pytest.approx(0.9, abs=0.004)
    assert len(found.regions) == 2 and min(shares) > 0.75


def test_a_tray_on_a_table_does_not_hide_what_stands_beside_it() -> None:
    inside, outside = Box((0.0, 0.2, 0.03), (0.06, 0.06, 0.06), RED, 0.4), Box((0.0, -0.3, 0.03), (0.06, 0.06, 0.06), BLUE, 0.2)
    found, shares, _ = see([TABLE, FLOOR, *bin_at(0.0, 0.2, 0.25, 0.3)], [inside, outside], 0.9, 0.6)
    assert len(found.regions) == 2 and min(shares) > 0.75


def test_a_large_plate_is_a_thing() -> None:
    plate = Can((0.0, 0.0, 0.0), 0.17, 0.02, (220, 220, 220), 0.03)
    found, shares, _ = see([TABLE, FLOOR], [plate, GREEN_CAN], 0.9, 0.6)
    assert len(found.regions) == 2 and shares[1] > 0.75
    assert any(region.mask.sum() > 1250 for region in found.regions)


@pytest.mark.parametrize(("seed", "domain", "least"), [(646_004, "in", 5), (657_003, "out", 12)])
def test_a_gap_among_large_things_is_no_bin(seed: int, domain: str, least: int) -> None:
    """A spot of the table with things and cartons on all its sides, of which nearly all is elsewhere: the things stay things."""
    scene = scene_of(seed, domain)
    found = TabletopSegmenter(replace(TabletopConfig(), noise=PRESETS[scene.noise])).segment(scene.frame, up=scene.up)
    assert len(found.regions) >= least


def test_where_nothing_walls_a_table_nothing_changes() -> None:
    """Also with things all around a part of it."""
    ring: list[Thing] = [
        Box((0.22 * math.cos(a), 0.22 * math.sin(a), 0.04), (0.05, 0.07, 0.08), RED, a) for a in np.arange(0, 6.2, 0.63)
    ]
    found, shares, _ = see([TABLE, FLOOR], [*ring, RED_BLOCK], 1.0, 0.5)
    assert len(found.regions) == len(ring) + 1 and min(shares) > 0.75
    pose = look()
    frame, _ = render(SCENE, pose)
    assert len(TabletopSegmenter().segment(frame, up=pose.rotation.T[:, 2]).regions) == len(NAMES)


@pytest.mark.parametrize(
    ("first", "other", "parts"),
    [((250, 30, 20), (95, 25, 22), 1), ((235, 40, 40), (40, 60, 200), 2), ((210, 190, 30), (150, 20, 25), 2)],
)
def test_a_lit_lid_and_a_side_in_the_shade_are_one_thing_and_two_colours_are_two(
    first: tuple[int, int, int], other: tuple[int, int, int], parts: int
) -> None:
    color = np.zeros((60, 40, 3), np.uint8)
    color[:30], color[30:] = first, other
    color = np.clip(color + np.random.default_rng(0).normal(0, 4, color.shape), 0, 255).astype(np.uint8)
    second = second_color(color, np.ones(color.shape[:2], dtype=bool), TabletopConfig())
    assert (second is None) == (parts == 1)
    if second is not None:
        assert float((second[:30].mean() - second[30:].mean()) ** 2) > 0.9
