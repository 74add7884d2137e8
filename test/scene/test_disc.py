"""Circles told from a part of their outline: which one, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_render import CAMERA, NOISE, Solid, View, view

from spatialvlm_ros.scene.disc import Disc, Outline, discs_of
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region
from spatialvlm_ros.scene.scene import SceneObject

# The camera looks along y of the level axes; a metre off, from 45 degrees above.
AXES = np.array([[1.0, 0.0, 0.0], [0.0, np.sqrt(0.5), -np.sqrt(0.5)], [0.0, np.sqrt(0.5), np.sqrt(0.5)]])
SIGHT = np.array([0.0, np.sqrt(0.5)])
MIDDLE = np.array([0.0, np.sqrt(0.5), np.sqrt(0.5)])
RADIUS_M = 0.08


def picture(depth_m: float) -> RGBDFrame:
    """Nothing but one depth: nearer than any thing hides all that is not seen, farther shows that nothing is there."""
    size = (CAMERA.height, CAMERA.width)
    return RGBDFrame(0, np.zeros((*size, 3), np.uint8), np.full(size, depth_m, np.float32), CAMERA, "camera")


HIDES, SHOWS = picture(0.3), picture(3.0)


def outline_of(level: np.ndarray, *, is_hidden: bool = True) -> Outline:
    """Of points (N, 2) on a level disc, without errors."""
    points = np.vstack([MIDDLE[:2, None] + level.T, np.full((1, len(level)), MIDDLE[2])])
    return Outline(AXES, points, is_hidden, SIGHT, 0.001, 0.0, 0.0, 0.001, 0.001)


def grid() -> np.ndarray:
    """(N, 2) points of a disc."""
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, 161) * RADIUS_M] * 2))
    return np.column_stack([x, y])[np.hypot(x, y) <= RADIUS_M]


def disc_of(outline: Outline, frame: RGBDFrame = HIDES) -> Disc | None:
    return discs_of(frame, [outline])[0]


def sure(disc: Disc | None) -> Disc:
    assert disc is not None
    return disc


@pytest.mark.parametrize("towards_rad", np.arange(0, 2 * np.pi, np.pi / 5))
@pytest.mark.parametrize("share", [1.0, 0.7, 0.5, 0.4])
def test_a_part_of_a_disc_tells_the_whole_one(share: float, towards_rad: float) -> None:
    """Cut straight through, as by the image's edge."""
    points = grid()
    kept = points @ [np.cos(towards_rad), np.sin(towards_rad)] < (2 * share - 1) * RADIUS_M
    disc = sure(disc_of(outline_of(points[kept])))
    assert abs(disc.radius_m - RADIUS_M) < 0.02 * RADIUS_M
    assert np.abs(disc.centre - MIDDLE[:2]).max() < 0.025 * RADIUS_M


def test_what_has_no_noise_at_all_is_no_trouble() -> None:
    outline = outline_of(grid())._replace(pixel_std_m=0.0, along_std_m=0.0, across_std_m=0.0)
    disc = sure(disc_of(outline))
    assert abs(disc.radius_m - RADIUS_M) < 0.01 * RADIUS_M
    assert np.isfinite(disc.faces_std_m).all()


def test_what_is_not_seen_of_a_disc_is_less_certain_than_what_is() -> None:
    points = grid()
    half, whole = sure(disc_of(outline_of(points[points[:, 0] < 0]))), sure(disc_of(outline_of(points)))
    low, high = half.faces_std_m[0]
    assert high > 1.5 * low
    assert (half.faces_std_m >= whole.faces_std_m).all()


def test_where_the_camera_looks_past_the_rest_there_is_no_disc() -> None:
    points = grid()
    half = points[points[:, 0] < 0]
    assert disc_of(outline_of(half), HIDES) is not None
    assert disc_of(outline_of(half), SHOWS) is None
    assert disc_of(outline_of(points), SHOWS) is not None


@pytest.mark.parametrize("kept", ["all", "left", "corner"])
@pytest.mark.parametrize("edges_m", [(0.1, 0.1), (0.2, 0.13), (0.12, 0.05)])
@pytest.mark.parametrize("yaw", [0.0, 0.4, 0.7])
def test_what_has_corners_is_no_disc(yaw: float, edges_m: tuple[float, float], kept: str) -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(*(np.linspace(-0.5, 0.5, 101) * edge for edge in edges_m)))
    inside = {"all": x < 1, "left": x < 0.1 * edges_m[0], "corner": x / edges_m[0] + y / edges_m[1] < 0.1}[kept]
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    assert disc_of(outline_of(np.column_stack([x, y])[inside] @ turn.T)) is None


def test_a_handle_is_no_part_of_a_disc() -> None:
    points = grid()
    handle = np.column_stack([np.linspace(1, 1.4, 50) * RADIUS_M, np.zeros(50)])
    assert disc_of(outline_of(np.concatenate([points, handle]))) is None


def test_a_short_arc_tells_only_where_something_hides_the_rest() -> None:
    points = grid()
    half = points[points[:, 1] < 0]
    assert disc_of(outline_of(half)) is not None
    assert disc_of(outline_of(half, is_hidden=False)) is None
    assert disc_of(outline_of(points, is_hidden=False)) is not None


def test_together_is_one_by_one() -> None:
    generator = np.random.default_rng(0)
    points = grid()
    outlines = [outline_of(points[points @ generator.normal(size=2) < 0.03] + generator.normal(0, 0.001, 2)) for _ in range(5)]
    for disc, outline in zip(discs_of(HIDES, outlines), outlines, strict=True):
        alone = sure(disc_of(outline))
        for told, expected in zip(sure(disc), alone, strict=True):
            np.testing.assert_array_equal(told, expected)
    assert discs_of(HIDES, []) == []


# -- measured things --------------------------------------------------------------------------------------------------------


def measured(shown: View, mask: np.ndarray) -> SceneObject:
    thing = measure_region(shown.frame, Region(mask), shown.canonical, shown.plane, NOISE, MeasureConfig())
    assert thing is not None
    return thing


def round_plate(radius_m: float, cut: View, place: tuple[float, float]) -> np.ndarray:
    """(H, W) bool, the pixels of a square sheet's top within a circle: a round sheet's."""
    points = cut.camera_from_canonical.inverse().apply(CAMERA.back_project(cut.frame.depth_m))
    within = np.hypot(points[..., 0] - place[0], points[..., 1] - place[1]) < radius_m
    return np.asarray((cut.owner == 0) & within & (points[..., 2] > 0.01))


@pytest.mark.parametrize("seed", range(3))
def test_a_plate_half_behind_a_block_is_measured_whole(seed: int) -> None:
    place = (0.75, 0.0)
    sheet = Solid((*place, 0.01), (0.24, 0.24, 0.02))
    shown = view([sheet, Solid((0.6, -0.1, 0.06), (0.04, 0.2, 0.12))], seed=seed)
    bare = view([sheet], noise=None)
    mask = round_plate(0.1, bare, place)
    visible = mask & (shown.owner == 0)
    assert 0.4 < np.count_nonzero(visible) / np.count_nonzero(mask) < 0.75
    depth = np.where(mask | (shown.owner == 1), shown.frame.depth_m, view([], seed=seed).frame.depth_m).astype(np.float32)
    thing = measured(replace(shown, frame=replace(shown.frame, depth_m=depth)), visible)
    assert np.abs(thing.extents[:2] - 0.2).max() < 0.012
    off = shown.camera_from_canonical.inverse().apply(thing.centre)[:2] - place
    assert np.abs(off).max() < 0.01
    assert thing.extents_std[:2].max() < 0.03


@pytest.mark.parametrize("yaw", [0.2, 0.35, 0.5, 0.65])
def test_two_sides_that_meet_tell_how_a_half_hidden_block_is_turned(yaw: float) -> None:
    """Its footprint is a triangle then, and a rectangle on the long side of that is as small."""
    block = Solid((0.75, 0.0, 0.05), (0.16, 0.09, 0.1), yaw)
    shown = view([block, Solid((0.7, 0.25, 0.05), (0.1, 0.1, 0.1))], seed=2)
    points = shown.camera_from_canonical.inverse().apply(CAMERA.back_project(shown.frame.depth_m))
    own = (points - block.centre) @ block.axes / (np.array(block.size) / 2)
    mask = (shown.owner == 0) & (own[..., 0] + own[..., 1] < 0.02)
    depth = shown.frame.depth_m.copy()
    # What hides the rest is nearer.
    depth[(shown.owner == 0) & ~mask] = 0.4
    thing = measured(replace(shown, frame=replace(shown.frame, depth_m=depth)), mask)
    axes = shown.camera_from_canonical.rotation.T @ thing.axes
    turned = np.arctan2(axes[1, 0], axes[0, 0]) - yaw
    assert abs((turned + np.pi / 4) % (np.pi / 2) - np.pi / 4) < np.deg2rad(4)


def test_a_strip_beside_what_stands_on_a_thing_is_a_part_of_it() -> None:
    """Most of what shows is the front: the strip is far out of the range of that."""
    sheet = Solid((0.8, 0.0, 0.03), (0.3, 0.2, 0.06))
    shown = view([sheet, Solid((0.82, 0.05, 0.12), (0.28, 0.2, 0.12))], seed=1)
    thing = measured(shown, shown.owner == 0)
    assert abs(thing.extents[:2].max() - 0.3) < 0.02
