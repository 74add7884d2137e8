"""Outlines of things that swollen depth widened: told by colour, taken back, and left alone where colour says nothing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from raycast import FLOOR, TABLE, Box, Can, look, render

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.outlines import drawn_in, swelling_of, swollen_px
from spatialvlm_ros.perception.robot_state import RobotState
from spatialvlm_ros.perception.sighting import sight
from spatialvlm_ros.perception.tabletop import TabletopConfig
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.scene.measure import MeasureConfig
from spatialvlm_ros.scene.noise import PRESETS

HEIGHT, WIDTH = 240, 320
CAMERA = CameraModel(WIDTH, HEIGHT, 300.0, 300.0, 159.5, 119.5)
NOISE = PRESETS["stereo"]
THING_M, WALL_M = 0.8, 1.1
# Colours of the things; the wall's is (150, 140, 130).
COLORS = ((180, 40, 40), (40, 60, 170), (230, 220, 60))


def true_masks() -> list[np.ndarray]:
    """Three things that do not touch: a box, a disc and a slim bar, each (H, W) bool."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return [
        (abs(u - 70) < 30) & (abs(v - 110) < 40),
        np.hypot(u - 170, v - 130) < 34,
        (abs(u - 255) < 9) & (abs(v - 120) < 55),
    ]


def seen(swell_px: int, shift_px: int = 0, *, grain: float = 12.0, plain: bool = False) -> tuple[RGBDFrame, list[Region]]:
    """Things in front of a wall whose depth is ``swell_px`` too wide, their colour ``shift_px`` to the right."""
    rng = np.random.default_rng(3)
    color = np.full((HEIGHT, WIDTH, 3), (150, 140, 130), np.float64)
    depth_m = np.full((HEIGHT, WIDTH), WALL_M, np.float32)
    regions = []
    for mask, own in zip(true_masks(), COLORS, strict=True):
        color[np.roll(mask, shift_px, axis=1)] = (150, 140, 130) if plain else own
        around = np.ones((2 * swell_px + 1,) * 2, np.uint8)
        wide = cv2.dilate(mask.astype(np.uint8), around).astype(bool)
        depth_m[wide] = THING_M
        regions.append(Region(wide, "thing", joined_odds=2.0, refused_odds=1.0))
    color += rng.normal(0.0, grain, color.shape)
    depth_m += rng.normal(0.0, 0.001, depth_m.shape).astype(np.float32)
    return RGBDFrame(0, np.clip(color, 0, 255).astype(np.uint8), depth_m, CAMERA, "camera"), regions


def narrower(frame: RGBDFrame, regions: list[Region]) -> list[Region]:
    swelling = swelling_of(frame.color, regions)
    assert swelling is not None
    return drawn_in(frame, regions, NOISE, swelling)


@pytest.mark.parametrize("shift_px", [-2, 0, 2])
@pytest.mark.parametrize("swell_px", [0, 2, 3])
def test_how_much_depth_swelled_shows_even_where_colour_is_off_to_one_side(swell_px: int, shift_px: int) -> None:
    frame, regions = seen(swell_px, shift_px)
    left, right = swollen_px(frame.color, regions)
    assert abs(left - (swell_px + shift_px)) < 0.3 and abs(right - (swell_px - shift_px)) < 0.3


@pytest.mark.parametrize("swell_px", [2, 3])
def test_swollen_outlines_are_drawn_in_to_the_things(swell_px: int) -> None:
    frame, regions = seen(swell_px)
    for region, true, narrowed in zip(regions, true_masks(), narrower(frame, regions), strict=True):
        before, after = (np.count_nonzero(mask & true) / np.count_nonzero(mask | true) for mask in (region.mask, narrowed.mask))
        assert after > 0.97 and after > before + 0.05
        assert (narrowed.label, narrowed.joined_odds, narrowed.refused_odds) == ("thing", 2.0, 1.0)


def test_a_side_that_did_not_swell_keeps_its_outline() -> None:
    """As on the side of a stereo camera's other eye, where the image has no depth beside a thing."""
    frame, regions = seen(3)
    one_sided = [
        Region(region.mask & (np.arange(WIDTH) >= np.flatnonzero(true.any(axis=0))[0]))
        for region, true in zip(regions, true_masks(), strict=True)
    ]
    depth_m = frame.depth_m.copy()
    for region, own in zip(regions, one_sided, strict=True):
        depth_m[region.mask & ~own.mask] = np.nan
    shadowed = RGBDFrame(0, frame.color, depth_m, CAMERA, "camera")
    for narrowed, true in zip(narrower(shadowed, one_sided), true_masks(), strict=True):
        columns, narrow = np.flatnonzero(true.any(axis=0)), np.flatnonzero(narrowed.mask.any(axis=0))
        assert narrow[0] == columns[0] and abs(narrow[-1] - columns[-1]) <= 1


@pytest.mark.parametrize("shift_px", [0, 3])
def test_what_did_not_swell_stays_as_it_is(shift_px: int) -> None:
    frame, regions = seen(0, shift_px)
    assert swelling_of(frame.color, regions) is None


def test_where_colour_shows_no_edge_outlines_stay() -> None:
    frame, regions = seen(3, plain=True)
    assert np.isnan(swollen_px(frame.color, regions)).all()
    assert swelling_of(frame.color, regions) is None
    assert np.isnan(swollen_px(frame.color, [])).all()
    assert np.isnan(swollen_px(frame.color, [Region(np.zeros((HEIGHT, WIDTH), bool))])).all()


def test_where_a_thing_stands_it_keeps_its_pixels() -> None:
    """Below the things the ground comes towards the camera, and is as near as they are right there."""
    frame, regions = seen(2)
    depth_m = frame.depth_m.copy()
    for region in regions:
        u0, _, u1, v1 = region.box
        depth_m[v1:, u0 - 5 : u1 + 5] = THING_M - 0.001 * np.arange(HEIGHT - v1, dtype=np.float32)[:, None]
    grounded = RGBDFrame(0, frame.color, depth_m, CAMERA, "camera")
    for region, narrowed in zip(regions, narrower(grounded, regions), strict=True):
        assert narrowed.box[3] == region.box[3] and narrowed.box[1] == region.box[1] + 2


def test_a_thing_of_which_nothing_would_be_left_keeps_its_outline() -> None:
    frame, regions = seen(3)
    sliver = np.zeros((HEIGHT, WIDTH), bool)
    sliver[20:60, 200:204] = True
    depth_m = frame.depth_m.copy()
    depth_m[sliver] = THING_M
    with_sliver = RGBDFrame(0, frame.color, depth_m, CAMERA, "camera")
    *narrowed, same = narrower(with_sliver, [*regions, Region(sliver)])
    assert same.mask is sliver and all(a.mask.sum() < b.mask.sum() for a, b in zip(narrowed, regions, strict=True))


def test_things_keep_their_size_and_place_where_depth_swells() -> None:
    """Against the same image whose depth did not swell; the masks go as far as depth does."""
    things = [
        Box((0.0, 0.16, 0.05), (0.1, 0.08, 0.1), (190, 25, 25), 0.3),
        Box((0.02, -0.16, 0.04), (0.09, 0.09, 0.08), (30, 50, 170), 0.9),
        Can((-0.12, 0.0, 0.0), 0.04, 0.12, (40, 150, 60)),
    ]
    frame, owner = render([TABLE, FLOOR, *things])
    alone = np.where((owner >= 2) & np.isfinite(frame.depth_m), frame.depth_m, np.float32(9.0))
    wide = cv2.erode(alone, np.ones((5, 5), np.uint8))
    swollen = replace(frame, depth_m=np.where((owner < 2) & (wide < frame.depth_m - 0.01), wide, frame.depth_m))
    up = RobotState(up=look().rotation[2])
    plain, seen = (sight(one, up, TabletopConfig(), MeasureConfig()) for one in (frame, swollen))
    assert len(seen.things) == len(plain.things) == len(things)
    for region in seen.segmentation.regions:
        assert max(np.count_nonzero(region.mask & other.mask) for other in plain.segmentation.regions) < 0.97 * region.mask.sum()
    for thing in seen.things:
        assert thing is not None
        same = min((one for one in plain.things if one is not None), key=lambda one: np.linalg.norm(one.centre - thing.centre))
        assert np.abs(np.sort(thing.extents) - np.sort(same.extents)).max() < 0.004
        assert np.linalg.norm(thing.centre - same.centre) < 0.004
        assert np.linalg.eigvalsh(thing.own_covariance).min() > 0
