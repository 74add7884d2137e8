"""Regions of analytic pictures: centre, size, and a standard deviation that covers the error."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from things import camera_over_table
from tiny_render import CAMERA, NOISE, Solid, View, view

from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region, measure_regions
from spatialvlm_ros.scene.region_points import hidden_sides, region_points, smooth_in_mask
from spatialvlm_ros.scene.scene import SceneObject

BLOCK = Solid((0.7, 0.0, 0.03), (0.05, 0.07, 0.06), 0.3)
BALL = Solid((0.7, 0.05, 0.03), (0.06, 0.06, 0.06), ball=True)


def measured(
    picture: View, index: int = 0, mask: np.ndarray | None = None, config: MeasureConfig | None = None
) -> SceneObject | None:
    region = picture.region(index) if mask is None else Region(mask)
    return measure_region(picture.frame, region, picture.canonical, picture.plane, NOISE, config or MeasureConfig())


def sure(thing: SceneObject | None) -> SceneObject:
    assert thing is not None
    return thing


def error(thing: SceneObject, picture: View, solid: Solid) -> np.ndarray:
    """(3,) centre's error in the optical frame."""
    return thing.centre - picture.camera_from_canonical.apply(solid.centre)


def with_depth(picture: View, change: dict[str, object]) -> View:
    """The picture with depth replaced where ``change`` says: {"rows": slice, "columns": slice} become NaN."""
    depth = picture.frame.depth_m.copy()
    depth[change.get("rows", slice(None)), change.get("columns", slice(None))] = np.nan  # type: ignore[index]
    return replace(picture, frame=replace(picture.frame, depth_m=depth))


def random_solids(count: int) -> list[Solid]:
    rng = np.random.default_rng(5)
    found = []
    for index in range(count):
        place = (rng.uniform(0.55, 0.95), rng.uniform(-0.12, 0.12))
        if index % 3 == 2:
            size = float(rng.uniform(0.04, 0.09))
            found.append(Solid((*place, size / 2), (size,) * 3, ball=True))
        else:
            edges = rng.uniform(0.03, 0.1, 3)
            found.append(Solid((*place, edges[2] / 2), tuple(edges.tolist()), float(rng.uniform(-0.7, 0.7))))
    return found


@pytest.mark.parametrize("solid", [BLOCK, BALL], ids=["block", "ball"])
def test_the_middle_of_the_whole_thing_is_measured_not_its_visible_surface(solid: Solid) -> None:
    picture = view([solid], noise=None)
    thing = sure(measured(picture))
    assert np.linalg.norm(error(thing, picture, solid)) < 0.003
    surface = thing.surface_point - picture.camera_from_canonical.apply(solid.centre)
    assert np.linalg.norm(surface) > 0.01  # what a mean of the points would have said
    assert np.allclose(np.sort(thing.extents), np.sort(solid.size), atol=0.005)
    assert thing.num_points > 500 and thing.status.name == "OK" and not thing.truncated


def test_the_box_stands_upright_along_the_things_edges() -> None:
    picture = view([BLOCK], noise=None)
    thing = sure(measured(picture))
    axes = picture.camera_from_canonical.inverse().rotation @ thing.axes
    assert np.allclose(axes[:, 2], [0, 0, 1], atol=1e-6)
    turns = np.arctan2(axes[1, 0], axes[0, 0]) - BLOCK.yaw
    assert abs((turns + np.pi / 4) % (np.pi / 2) - np.pi / 4) < np.deg2rad(3)
    assert np.linalg.det(thing.axes) == pytest.approx(1)


@pytest.mark.parametrize("roll", [-40, 25])
def test_a_rolled_camera_measures_the_same(roll: float) -> None:
    picture = view([BLOCK], noise=None, pose=camera_over_table(40, roll))
    thing = sure(measured(picture))
    assert np.linalg.norm(error(thing, picture, BLOCK)) < 0.003
    assert np.allclose(np.sort(thing.extents), np.sort(BLOCK.size), atol=0.005)


def test_stated_deviations_cover_the_errors_of_many_noisy_things() -> None:
    """Within three of them in at least 92 % of cases in each direction, and not by stating absurdly large ones."""
    solids = random_solids(40)
    within, stds, errors, sizes = [], [], [], []
    for seed, solid in enumerate(solids):
        picture = view([solid], seed=seed)
        thing = sure(measured(picture))
        off = error(thing, picture, solid)
        std = np.sqrt(np.diag(thing.covariance))
        assert np.linalg.eigvalsh(thing.covariance).min() > 0
        within.append(np.abs(off) <= 3 * std)
        errors.append(np.linalg.norm(off))
        stds.append(float(np.sqrt(np.trace(thing.covariance))))
        extent_error = np.sort(thing.extents) - np.sort(solid.size)
        sizes.append(np.abs(extent_error).max())
    assert np.mean(within, axis=0).min() >= 0.92
    assert np.median(errors) < 0.004 and np.max(errors) < 0.012
    assert np.median(stds) < 4 * np.sqrt(np.mean(np.square(errors)))
    assert np.median(sizes) < 0.005


def test_error_and_stated_deviation_grow_with_distance() -> None:
    stds = []
    for distance in (0.5, 1.0, 2.0):
        solid = Solid((distance, 0.0, 0.05), (0.1, 0.1, 0.1))
        picture = view([solid], pose=camera_over_table(25 if distance > 1 else 40))
        thing = sure(measured(picture))
        assert np.linalg.norm(error(thing, picture, solid)) < 0.012 * distance
        stds.append(np.trace(thing.covariance))
    assert stds[0] < stds[1] < stds[2]


def test_a_thing_cut_by_the_border_says_so_and_is_less_certain() -> None:
    whole, cut = view([BLOCK], noise=None), view([replace(BLOCK, centre=(0.7, 0.44, 0.03))], noise=None)
    assert cut.region().truncated
    thing, full = sure(measured(cut)), sure(measured(whole))
    assert thing.truncated and not full.truncated
    assert np.trace(thing.covariance) > 4 * np.trace(full.covariance)


def test_a_thing_half_hidden_is_less_certain_and_its_error_is_covered() -> None:
    # A corner of the silhouette is covered, so that the rest is clearly not convex.
    picture = view([BLOCK], seed=3)
    mask = picture.owner == 0
    rows, columns = np.nonzero(mask)
    mask[: int(np.median(rows)), int(np.median(columns)) :] = False
    thing, full = sure(measured(picture, mask=mask)), sure(measured(picture))
    assert thing.visible_share < 0.9 < full.visible_share
    assert np.trace(thing.covariance) > np.trace(full.covariance)
    off = error(thing, picture, BLOCK)
    assert np.all(np.abs(off) <= 3 * np.sqrt(np.diag(thing.covariance)))


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_stripe_without_depth_through_a_thing_does_not_move_it(width: int) -> None:
    picture = view([BLOCK], seed=1)
    u0, v0, u1, v1 = picture.region().box
    for change in (
        {"columns": slice((u0 + u1) // 2, (u0 + u1) // 2 + width)},
        {"rows": slice((v0 + v1) // 2, (v0 + v1) // 2 + width)},
    ):
        thing = sure(measured(with_depth(picture, change)))
        assert np.linalg.norm(error(thing, picture, BLOCK)) < 0.005


def test_scattered_holes_do_not_move_it() -> None:
    picture = view([BLOCK], seed=1)
    depth = picture.frame.depth_m.copy()
    depth[np.random.default_rng(0).random(depth.shape) < 0.5] = np.nan
    holed = replace(picture, frame=replace(picture.frame, depth_m=depth))
    thing = sure(measured(holed))
    assert np.linalg.norm(error(thing, picture, BLOCK)) < 0.005
    assert np.isfinite(thing.points).all()
    assert thing.num_points <= np.isfinite(depth[picture.owner == 0]).sum()


@pytest.mark.parametrize("solid", [BLOCK, BALL], ids=["block", "ball"])
def test_flying_pixels_at_the_rim_do_not_move_it(solid: Solid) -> None:
    clean, flying = view([solid], seed=2), view([solid], seed=2, flying=True)
    assert not np.allclose(clean.frame.depth_m, flying.frame.depth_m, atol=0.02, equal_nan=True)
    thing = sure(measured(flying))
    assert np.linalg.norm(error(thing, flying, solid)) < 0.008
    assert np.allclose(np.sort(thing.extents), np.sort(solid.size), atol=0.012)


def test_a_mask_that_spills_onto_the_background_hardly_moves_it() -> None:
    import cv2

    raised = replace(BLOCK, centre=(0.7, 0.0, 0.23))  # a held block: what is behind it is far away
    picture = view([raised], seed=2)
    spilled = cv2.dilate((picture.owner == 0).astype(np.uint8), np.ones((5, 5))).astype(bool)
    thing = sure(measured(picture, mask=spilled))
    assert np.linalg.norm(error(thing, picture, raised)) < 0.01


def test_a_window_through_a_thing_is_not_part_of_it() -> None:
    picture = view([BLOCK], seed=2)
    depth = picture.frame.depth_m.copy()
    u0, v0, u1, v1 = picture.region().box
    v, u = (v0 + v1) // 2, (u0 + u1) // 2
    depth[v - 8 : v + 8, u - 8 : u + 8] += 0.5
    thing = sure(measured(replace(picture, frame=replace(picture.frame, depth_m=depth))))
    assert np.linalg.norm(error(thing, picture, BLOCK)) < 0.006
    assert np.allclose(np.sort(thing.extents), np.sort(BLOCK.size), atol=0.008)


def test_a_mask_that_misses_the_foot_still_stands_on_the_table() -> None:
    picture = view([BLOCK], noise=None)
    canonical = picture.camera_from_canonical.inverse().apply(picture.frame.xyz)
    thing = sure(measured(picture, mask=(picture.owner == 0) & (canonical[..., 2] > 0.007)))
    assert min(picture.plane[:3] @ corner + picture.plane[3] for corner in thing.corners()) == pytest.approx(0, abs=0.001)
    assert thing.extents[2] == pytest.approx(BLOCK.size[2], abs=0.004)


def test_every_point_lies_on_the_things_surface() -> None:
    picture = view([BLOCK], noise=None)
    points, _ = region_points(picture.frame, picture.region(), NOISE)
    own = (picture.camera_from_canonical.inverse().apply(points) - BLOCK.centre) @ BLOCK.axes
    beyond = (np.abs(own) - np.array(BLOCK.size) / 2).max(axis=1)
    assert np.quantile(np.abs(beyond), 0.9) < 0.004  # smoothing rounds the edges


def test_a_thing_in_the_air_is_not_pulled_to_the_table() -> None:
    held = replace(BLOCK, centre=(0.6, 0.0, 0.12))
    picture = view([held], noise=None)
    thing = sure(measured(picture))
    assert np.linalg.norm(error(thing, picture, held)) < 0.008
    assert min(picture.plane[:3] @ corner + picture.plane[3] for corner in thing.corners()) > 0.07


@pytest.mark.parametrize("valid", [0, 1, 29])
def test_too_few_valid_pixels_are_no_measurement(valid: int) -> None:
    picture = view([BLOCK], noise=None)
    depth = np.full_like(picture.frame.depth_m, np.nan)
    v, u = np.nonzero(picture.owner == 0)
    depth[v[:valid], u[:valid]] = picture.frame.depth_m[v[:valid], u[:valid]]
    assert measured(replace(picture, frame=replace(picture.frame, depth_m=depth))) is None


@pytest.mark.parametrize("where", ["empty", "one pixel"])
def test_a_mask_of_nothing_is_no_measurement(where: str) -> None:
    picture = view([BLOCK], noise=None)
    mask = np.zeros(picture.owner.shape, np.bool_)
    mask[100, 100] = where == "one pixel"
    assert measured(picture, mask=mask) is None
    points, _ = region_points(picture.frame, Region(mask), NOISE)
    assert points.shape[1] == 3 and len(points) <= 1


@pytest.mark.parametrize("up_known", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_a_configured_minimum_of_one_pixel_does_not_break(count: int, up_known: bool) -> None:
    picture = view([BLOCK], noise=None)
    mask = np.zeros(picture.owner.shape, np.bool_)
    v, u = np.nonzero(picture.owner == 0)
    mask[v[500 : 500 + count], u[500 : 500 + count]] = True
    canonical = picture.canonical if up_known else None
    plane = picture.plane if up_known else np.full(4, np.nan)
    thing = sure(measure_region(picture.frame, Region(mask), canonical, plane, NOISE, MeasureConfig(min_points=1)))
    assert np.isfinite(thing.centre).all() and np.isfinite(thing.covariance).all() and (thing.extents > 0).all()


def test_a_mask_over_the_whole_image_is_measured_without_fuss() -> None:
    picture = view([BLOCK], seed=0)
    thing = sure(measured(picture, mask=np.ones(picture.owner.shape, np.bool_)))
    assert thing.truncated and np.isfinite(thing.centre).all()


def test_without_up_the_box_follows_the_points_and_the_centre_is_near() -> None:
    picture = view([BLOCK], seed=0)
    thing = sure(measure_region(picture.frame, picture.region(), None, np.full(4, np.nan), NOISE, MeasureConfig()))
    assert np.allclose(thing.axes.T @ thing.axes, np.eye(3), atol=1e-5)
    assert np.linalg.det(thing.axes) == pytest.approx(1, abs=1e-5)
    off = error(thing, picture, BLOCK)
    assert np.linalg.norm(off) < 0.03 and np.all(np.abs(off) <= 3 * np.sqrt(np.diag(thing.covariance)) + 0.01)


def test_a_ball_whose_foot_is_covered_stays_a_ball() -> None:
    """It may lie on something: how large it is shows in its upper part."""
    raised = replace(BALL, centre=(0.7, 0.0, 0.09))
    fence = Solid((0.6, 0.0, 0.035), (0.02, 0.3, 0.07))
    picture = view([raised, fence], seed=1)
    thing = sure(measured(picture))
    assert thing.extents == pytest.approx([0.06] * 3, abs=0.006)
    assert np.linalg.norm(error(thing, picture, raised)) < 0.008


def test_kept_points_are_bounded() -> None:
    picture = view([Solid((0.5, 0.0, 0.1), (0.2, 0.3, 0.2))], seed=0)
    config = MeasureConfig(max_kept_points=100)
    thing = sure(measured(picture, config=config))
    assert 50 <= len(thing.points) <= 200 < thing.num_points
    assert thing.points.dtype == np.float32


def test_smoothing_is_the_mean_of_inverse_depth_over_the_masks_own_pixels() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 2, (12, 14)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = np.nan
    mask = rng.random(depth.shape) < 0.6
    smooth = smooth_in_mask(depth, mask, 2)
    for v in range(12):
        for u in range(14):
            window = (slice(max(0, v - 2), v + 3), slice(max(0, u - 2), u + 3))
            values = depth[window][mask[window]]
            values = values[np.isfinite(values)]
            expected = len(values) / np.sum(1 / values) if len(values) else np.nan
            assert smooth[v, u] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_the_renderer_agrees_with_the_camera_model() -> None:
    """The oracle itself: points of the table lie on the table, and those of the ball on the ball."""
    picture = view([BALL], noise=None)
    points = picture.camera_from_canonical.inverse().apply(CAMERA.back_project(picture.frame.depth_m))
    assert np.abs(points[picture.owner == -1][:, 2]).max() < 1e-5
    assert np.abs(np.linalg.norm(points[picture.owner == 0] - BALL.centre, axis=1) - 0.03).max() < 1e-5


def test_what_a_round_thing_hides_is_known_also_behind_the_shadow_of_a_stereo_camera() -> None:
    """A sensor with two eyes sees nothing beside what is nearer, and a ball's side bends away fast."""
    block, ball = Solid((0.9, 0.03, 0.05), (0.06, 0.2, 0.1)), Solid((0.7, -0.08, 0.1), (0.2, 0.2, 0.2), ball=True)
    picture, alone = view([block, ball]), view([block])
    for width_px in (0, 12):
        depth = picture.frame.depth_m.copy()
        ball_beside = cv2.dilate((picture.owner == 1).astype(np.uint8), np.ones((1, 2 * width_px + 1), np.uint8)) > 0
        depth[ball_beside & (picture.owner != 1)] = np.nan
        frame = replace(picture.frame, depth_m=depth)
        left, right, _, _ = hidden_sides(frame, Region((picture.owner == 0) & np.isfinite(depth)), None, NOISE)
        assert right > 0.6 and left < 0.1
    assert hidden_sides(alone.frame, alone.region(), None, NOISE).max() < 0.1


def test_things_measured_together_are_what_they_are_one_by_one() -> None:
    """A mask of nothing among them, and one whose foot something covers."""
    picture = view([BLOCK, BALL, Solid((0.4, 0.02, 0.02), (0.02, 0.1, 0.04))], seed=0)
    regions = [picture.region(index) for index in range(3)]
    regions.insert(1, Region(np.zeros(picture.owner.shape, np.bool_)))
    given = picture.canonical, picture.plane, NOISE, MeasureConfig()
    together = measure_regions(picture.frame, regions, *given)
    assert [thing is None for thing in together] == [False, True, False, False]
    for region, thing in zip(regions, together, strict=True):
        alone = measure_region(picture.frame, region, *given)
        for name in ("centre", "covariance", "axes", "extents", "extents_std", "points", "lean", "suspect"):
            np.testing.assert_array_equal(getattr(thing, name, None), getattr(alone, name, None))


PLATE = Solid((0.7, 0.0, 0.006), (0.16, 0.16, 0.012))


def rim_of_block(picture: View, block: int, width_px: int) -> np.ndarray:
    """(H, W) bool, the right rim of a block's pixels."""
    own = picture.owner == block
    return own & ~np.roll(own, -width_px, axis=1)


@pytest.mark.parametrize("width_px", [1, 2, 3, 4])
def test_a_strip_of_the_block_on_a_plate_does_not_make_the_plate_taller(width_px: int) -> None:
    # Turned, so that its right side face shows as a strip that falls back towards the plate.
    picture = view([PLATE, Solid((0.7, 0.0, 0.037), (0.05, 0.05, 0.05), 0.5)], noise=None)
    strip = rim_of_block(picture, 1, width_px)
    assert np.count_nonzero(strip) > 10
    clean, spilt = (sure(measured(picture, mask=(picture.owner == 0) | more)) for more in (np.zeros_like(strip), strip))
    assert clean.extents[2] == pytest.approx(PLATE.size[2], abs=0.002)
    assert spilt.extents[2] == pytest.approx(PLATE.size[2], abs=0.006)


def test_a_thin_part_on_top_of_a_thing_stays_with_it() -> None:
    post = Solid((0.7, 0.0, 0.027), (0.006, 0.006, 0.03))
    picture = view([PLATE, post], noise=None)
    assert 10 < np.count_nonzero(picture.owner == 1) < 0.02 * np.count_nonzero(picture.owner == 0)
    thing = sure(measured(picture, mask=picture.owner >= 0))
    # Its outermost pixels are rim, but the rest shows that there is something.
    assert thing.extents[2] > 2 * PLATE.size[2]


def test_a_patch_that_hangs_behind_a_tall_thing_is_no_part_of_it() -> None:
    """Looked down on, it is as deep as it is tall: such a patch is within its range of depth."""
    tall = Solid((0.7, 0.0, 0.1), (0.05, 0.05, 0.2))
    picture = view([tall], noise=None, pose=camera_over_table(50.0))
    whole, mask = sure(measured(picture)), picture.region().mask
    row = int(np.flatnonzero(mask.any(axis=1))[-16])
    columns = np.flatnonzero(mask[row])
    depth = picture.frame.depth_m.copy()
    depth[row - 9 : row, columns[4] : columns[4] + 9] += 0.1
    stray = sure(measured(replace(picture, frame=replace(picture.frame, depth_m=depth))))
    assert np.linalg.norm(stray.centre - whole.centre) < 0.002
    assert np.abs(stray.extents - whole.extents).max() < 0.004


def test_a_tongue_of_the_mask_beside_the_foot_is_no_part_of_a_thing() -> None:
    """A mask that spills onto what the thing stands on, a few pixels wide."""
    tall = Solid((0.7, 0.0, 0.1), (0.06, 0.05, 0.2))
    picture = view([tall], noise=None, pose=camera_over_table(40.0))
    whole, mask = sure(measured(picture)), picture.region().mask.copy()
    row = int(np.flatnonzero(mask.any(axis=1))[-6])
    end = int(np.flatnonzero(mask[row])[-1])
    mask[row - 3 : row + 1, end : end + 20] = True
    spilled = sure(measured(picture, mask=mask))
    assert np.linalg.norm(spilled.centre - whole.centre) < 0.003
    assert np.abs(spilled.extents - whole.extents).max() < 0.006


def test_a_long_foot_stays_with_its_thing() -> None:
    """A block with a flat board before it: that is more than a tongue."""
    tall, board = Solid((0.7, 0.0, 0.06), (0.05, 0.05, 0.12)), Solid((0.7, 0.09, 0.004), (0.05, 0.13, 0.008))
    picture = view([tall, board], noise=None, pose=camera_over_table(40.0))
    both = sure(measured(picture, mask=(picture.owner == 0) | (picture.owner == 1)))
    assert both.extents[:2].max() == pytest.approx(0.18, abs=0.006)
