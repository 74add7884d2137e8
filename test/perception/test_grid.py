"""What the grounder computes in its own way to be quick, beside the plain way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.colors import color_shares, color_shares_of_each
from spatialvlm_ros.perception.grid import Grid, make_grid, members, nearest_pixel, quantiles, window_of
from spatialvlm_ros.perception.masks import fill_holes
from spatialvlm_ros.perception.parts import Links, connected, near_blocked, valley_depths
from spatialvlm_ros.perception.shapes import measure_shape
from spatialvlm_ros.perception.tabletop import TabletopConfig
from spatialvlm_ros.scene.frame import RGBDFrame

CAMERA = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)


def frame_of(depth_m: npt.NDArray[np.float32]) -> RGBDFrame:
    color = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
    return RGBDFrame(0, color, depth_m, CAMERA, "camera")


@pytest.mark.parametrize("distortion", [(), (0.1, -0.05, 0.001, 0.002, 0.0)])
@pytest.mark.parametrize("width_px", [64, 32, 20])
def test_rays_of_blocks_are_in_the_middle_of_those_of_their_ends(distortion: tuple[float, ...], width_px: int) -> None:
    camera = replace(CAMERA, cx=30.2, distortion=distortion, distortion_model="plumb_bob")
    whole = replace(frame_of(np.ones((48, 64), np.float32)), camera=camera)
    for frame in (whole, whole.part(slice(6, 45), slice(12, 60))):
        grid = make_grid(frame, None, 3.0, frame.camera.width * width_px // 64)
        step, rays = grid.step, frame.camera.rays
        h, w = grid.depth.shape
        first = rays[: h * step : step, : w * step : step]
        last = rays[step - 1 : h * step : step, step - 1 : w * step : step]
        assert np.array_equal(grid.rays, (first + last) / 2)


def grid_of(depth_m: npt.NDArray[np.float32]) -> Grid:
    grid = make_grid(frame_of(np.ones((48, 64), np.float32)), None, 3.0, 64)
    return replace(grid, depth=depth_m, valid=depth_m > 0)


@pytest.mark.parametrize("count", [1, 2, 3, 40, 3000])
def test_quantiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(2, count))
    shares = (0.0, 0.02, 0.5, 0.983, 1.0)
    assert np.allclose(quantiles(values, shares), np.quantile(values, shares, axis=-1), rtol=0, atol=1e-12)
    levels = (100 * np.abs(values)).astype(np.uint8)
    assert np.allclose(quantiles(levels, shares), np.quantile(levels, shares, axis=-1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("most", [3, 70000])
def test_members_are_the_pixels_of_each_label(most: int) -> None:
    labels = np.random.default_rng(most).integers(0, 4, (30, 40)).astype(np.int32)
    labels[5, 7] = most
    found = members(labels)
    assert len(found) == most + 1 and len(found[0]) == 0
    for name in (1, 2, 3, most):
        assert np.array_equal(found[name], np.flatnonzero(labels == name))


def test_a_window_is_the_bounding_box_within_the_image() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    assert window_of(mask) is None
    mask[4:7, 1:5] = True
    assert window_of(mask) == (slice(4, 7), slice(1, 5))
    assert window_of(mask, 3) == (slice(1, 10), slice(0, 8))


def test_nearest_pixels_of_some_are_those_of_all() -> None:
    generator = np.random.default_rng(1)
    mask, wanted = generator.random((40, 50)) < 0.01, generator.random((40, 50)) < 0.2
    distance, source = nearest_pixel(mask)
    some_distance, some_source = nearest_pixel(mask, wanted)
    assert np.array_equal(some_distance, distance[wanted]) and np.array_equal(some_source, source[wanted])
    assert all(
        np.array_equal(a, b)
        for a, b in zip(nearest_pixel(mask, np.flatnonzero(wanted)), (some_distance, some_source), strict=True)
    )
    rows, columns = np.divmod(some_source, 50)
    assert mask[rows, columns].all()
    here = np.argwhere(wanted)
    true = np.hypot(rows - here[:, 0], columns - here[:, 1])
    # The chamfer metric of a 3 x 3 window is 6 % off at worst.
    assert np.all(np.abs(true - some_distance) <= 0.06 * true + 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_connected_parts_are_those_of_the_graph_of_neighbours(seed: int) -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    generator = np.random.default_rng(seed)
    # Three levels far beyond any slope, and holes.
    depth = generator.choice([0.5, 0.8, 1.2], (48, 64), p=[0.8, 0.1, 0.1]).astype(np.float32)
    mask = generator.random((48, 64)) < 0.7
    config, grid = TabletopConfig(), grid_of(depth)
    jump = grid.jump_m(depth, config.noise)
    index = np.arange(48 * 64).reshape(48, 64)
    edges = []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        joined = mask[a] & mask[b] & (np.abs(depth[a] - depth[b]) < np.minimum(jump[a], jump[b]))
        edges.append(np.stack([index[a][joined], index[b][joined]]))
    start, end = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(48 * 64, 48 * 64))
    _, part = connected_components(graph, directed=False)
    sizes = np.bincount(part, weights=mask.ravel())
    large = mask & (sizes[part].reshape(48, 64) >= 5)
    labels = connected(Links.of(grid, np.s_[:, :], config), mask, 5)
    assert np.array_equal(labels > 0, large)
    pairs = np.unique(np.stack([labels[large], part.reshape(48, 64)[large]]), axis=1)
    assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == labels.max() > 1


def test_a_valley_is_as_deep_as_its_middle_lies_behind_its_sides() -> None:
    config = TabletopConfig()
    # Inverse depth is affine on either side of row 20, and lowest there.
    inverse = 1.0 + 0.004 * np.abs(np.arange(40.0) - 20)
    grid = grid_of(np.repeat((1 / inverse)[:, None], 60, axis=1).astype(np.float32))
    window = (slice(2, 38), slice(0, 60))
    rows, columns = np.array([18, 12, 18, 1]), np.array([30, 30, 0, 30])
    found = np.stack(valley_depths(grid, window, (rows, columns), (4, 8), config))
    sigma = config.noise.floor_m + config.noise.quadratic_per_m
    expected = 0.004 * np.array([4, 8]) / max(config.parts.crease_m, config.parts.crease_sigmas * sigma)
    # In the valley's line, on a flank, at the window's left edge, and where a chord would leave the window at its top.
    assert np.allclose(found[:, 0], expected, rtol=1e-3) and np.allclose(found[:, 2], expected, rtol=1e-3)
    assert abs(found[0, 1]) < 0.05 and abs(found[0, 3]) < 0.05


def test_the_grid_averages_the_nearest_surface_of_each_block() -> None:
    depth = np.full((48, 64), 1.0, np.float32)
    depth[10, 20] = 1.01
    depth[20, 30:32] = 2.0
    depth[30:32, 40] = np.nan
    depth[30, 41] = np.nan
    depth[40:42, 50:52] = 9.0
    grid = make_grid(frame_of(depth), None, 3.0, 32)
    assert grid.step == 2 and grid.depth.shape == (24, 32)
    # 1.0025, which the filter behind it draws towards its neighbours.
    assert 1.0002 < grid.depth[5, 10] < 1.0025
    assert grid.depth[10, 15] == pytest.approx(1.0, abs=1e-6)
    assert grid.depth[15, 20] == 0.0 and not grid.valid[15, 20]
    assert grid.depth[20, 25] == 0.0
    assert np.allclose(grid.xyz[..., :2], grid.rays * grid.depth[..., None]) and np.array_equal(grid.xyz[..., 2], grid.depth)
    assert np.array_equal(grid.color, frame_of(depth).color[1::2, 1::2])


@pytest.mark.parametrize("width_px", [64, 32])
def test_lines_without_depth_are_bridged_where_a_surface_goes_on(width_px: int) -> None:
    """As in depth that was brought to the pixels of a colour camera of longer focal length, without filling."""
    depth = np.full((48, 64), 1.0, np.float32)
    depth[:, 40:] = 0.7
    depth[30:36, 8:16] = np.nan
    depth[20, 3:9] = 9.0
    whole = make_grid(frame_of(depth), None, 3.0, width_px)
    step, inside = whole.step, slice(2, -2)
    depth[:, ::4] = depth[1::4] = depth[:, 40 : 40 + step] = np.nan
    grid = make_grid(frame_of(depth), None, 3.0, width_px)
    wide_hole, far = np.s_[31 // step : 35 // step, 9 // step : 15 // step], np.s_[20 // step, 4 // step : 8 // step]
    assert not grid.valid[wide_hole].any() and not grid.valid[far].any()
    # Between two surfaces there is nothing to go on.
    assert not grid.valid[:, 40 // step].any()
    same = whole.valid & grid.valid
    assert np.allclose(grid.depth[same], whole.depth[same], atol=1e-5)
    assert np.mean(grid.valid[inside, inside][whole.valid[inside, inside]]) > 0.9
    # A few specks leave an image as it is.
    depth = np.full((48, 64), 1.0, np.float32)
    depth[20:24, 20] = depth[20:24, 21] = np.nan
    assert not make_grid(frame_of(depth), None, 3.0, width_px).valid[22 // step, 20 // step]


def test_ignored_pixels_are_no_depth_and_reach_two_pixels() -> None:
    ignore = np.zeros((48, 64), dtype=bool)
    ignore[20:24, 30:34] = True
    grid = make_grid(frame_of(np.ones((48, 64), np.float32)), ignore, 3.0, 32)
    assert np.array_equal(grid.valid, ~grid.blocked) and np.count_nonzero(grid.blocked) == 4
    near = near_blocked(grid)
    assert near[8:14, 13:19].all() and np.count_nonzero(near) == 36
    assert not near_blocked(make_grid(frame_of(np.ones((48, 64), np.float32)), None, 3.0, 32)).any()


def test_holes_that_are_small_or_without_depth_are_filled() -> None:
    mask = np.ones((60, 60), dtype=bool)
    mask[5:10, 5:10] = mask[20:40, 20:40] = mask[45:55, 45:55] = False
    valid = np.ones((60, 60), dtype=bool)
    valid[20:40, 20:30] = False
    filled = fill_holes(mask, valid)
    assert filled[5:10, 5:10].all() and filled[20:40, 20:30].all()
    assert not filled[20:40, 30:40].any() and not filled[45:55, 45:55].any()


def test_colours_of_many_are_those_of_each() -> None:
    generator = np.random.default_rng(0)
    parts = [generator.integers(0, 256, (n, 3)).astype(np.uint8) for n in (40, 0, 700)]
    white = np.array([1.0, 0.95, 0.9], np.float32)
    for part, shares in zip(parts, color_shares_of_each(parts, white), strict=True):
        alone = color_shares(part, white)
        assert alone.keys() == shares.keys() and all(abs(alone[word] - shares[word]) < 1e-5 for word in alone)
        assert sum(shares.values()) == pytest.approx(1.0 if len(part) else 0.0, abs=1e-5)
    assert color_shares_of_each([], white) == []


def test_residuals_of_a_ball_and_of_a_flat_lid() -> None:
    generator = np.random.default_rng(3)
    direction = generator.normal(size=(3, 600))
    direction /= np.linalg.norm(direction, axis=0)
    # The half that a camera straight above sees: in the frame of the plane already.
    ball = 0.04 * direction
    ball[2] = 0.04 * np.abs(direction[2]) + 0.04 - 0.6
    found = measure_shape(ball.astype(np.float32), np.eye(3), 0.6)
    assert found is not None
    assert found.sphere_m < 1e-6 and found.sphere_diameter_m == pytest.approx(0.08, abs=1e-5) and found.box_m > 1e-3
    lid = np.stack([generator.uniform(-0.05, 0.05, 600), generator.uniform(-0.03, 0.03, 600), np.full(600, 0.1 - 0.6)])
    found = measure_shape(lid.astype(np.float32), np.eye(3), 0.6)
    # All on one plane, which leaves the sphere's centre open: the nearest one is that of a circle in the plane.
    assert found is not None and found.base_m == pytest.approx(0.1, abs=1e-6)
    assert found.box_m < 1e-6 < 0.005 < found.sphere_m and found.sphere_diameter_m < 0.12
    assert measure_shape(lid[:, :19].astype(np.float32), np.eye(3), 0.6) is None


@pytest.mark.parametrize(("width_px", "step"), [(64, 1), (32, 2)])
def test_the_grid_of_a_part_is_that_part_of_the_grid(width_px: int, step: int) -> None:
    rng = np.random.default_rng(2)
    frame = frame_of(rng.uniform(0.5, 1.0, (48, 64)).astype(np.float32))
    whole = make_grid(frame, None, 3.0, width_px)
    rows, columns = slice(8, 40), slice(16, 48)
    part = make_grid(frame.part(rows, columns), None, 3.0, 32 // step)
    own = slice(8 // step, 40 // step), slice(16 // step, 48 // step)
    assert part.step == whole.step == step
    assert np.array_equal(part.rays, whole.rays[own]) and np.array_equal(part.color, whole.color[own])
    # The filter of depth looks two pixels around.
    assert np.array_equal(part.xyz[2:-2, 2:-2], whole.xyz[own][2:-2, 2:-2])
