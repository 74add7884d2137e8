"""Images in, metres out: what is invalid stays invalid, what does not fit is refused."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import FrameError, Region, RGBDFrame, depth_to_metres
from spatialvlm_ros.scene.noise import PRESETS, DepthNoise

CAMERA = CameraModel(6, 4, 5.0, 5.0, 2.5, 1.5)


def test_sixteen_bits_are_millimetres_and_both_ends_are_invalid() -> None:
    metres = depth_to_metres(np.array([[0, 1, 1234, 65534, 65535]], np.uint16))
    assert metres.dtype == np.float32
    assert np.allclose(metres, [[np.nan, 0.001, 1.234, 65.534, np.nan]], equal_nan=True)


def test_sixteen_bits_count_the_unit_that_is_given() -> None:
    assert depth_to_metres(np.array([[10000]], np.uint16), 0.0001)[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_metres_and_impossible_ones_invalid(dtype: type) -> None:
    raw = np.array([[0.5, 0.0, -0.0, -1.0, np.nan, np.inf, -np.inf]], dtype)
    metres = depth_to_metres(raw)
    assert metres.dtype == np.float32
    assert metres[0, 0] == 0.5 and np.isnan(metres[0, 1:]).all()
    assert np.isfinite(raw[0, 0]) and np.isinf(raw[0, 5])  # the input is left alone


def test_floats_may_have_a_unit() -> None:
    assert depth_to_metres(np.array([[500.0]], np.float32), 0.001)[0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint32, np.float16, bool])
def test_other_kinds_of_pixels_are_refused(dtype: type) -> None:
    with pytest.raises(FrameError, match=np.dtype(dtype).name):
        depth_to_metres(np.ones((2, 2), dtype))


def test_depth_with_channels_is_refused() -> None:
    with pytest.raises(FrameError, match=r"\(2, 2, 3\)"):
        depth_to_metres(np.ones((2, 2, 3), np.uint16))


def frame(color: np.ndarray | None = None, depth: np.ndarray | None = None) -> RGBDFrame:
    color = np.zeros((4, 6, 3), np.uint8) if color is None else color
    return RGBDFrame(1, color, np.ones((4, 6), np.float32) if depth is None else depth, CAMERA, "camera")


@pytest.mark.parametrize(
    "color",
    [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((6, 4, 3), np.uint8), np.zeros((4, 6, 3), np.float32)],
)
def test_colour_of_another_size_or_kind_is_refused(color: np.ndarray) -> None:
    with pytest.raises(FrameError, match=r"colour is .* expected \(4, 6, 3\) uint8"):
        frame(color)


@pytest.mark.parametrize(
    "depth",
    [np.ones((6, 4), np.float32), np.ones((4, 6), np.float64), np.ones((4, 6), np.uint16), np.ones((4, 6, 1), np.float32)],
)
def test_depth_that_is_not_aligned_is_refused_with_the_cure(depth: np.ndarray) -> None:
    with pytest.raises(FrameError, match="align_depth"):
        frame(depth=depth)


def test_points_are_valid_exactly_where_depth_is() -> None:
    depth = np.ones((4, 6), np.float32)
    depth[1, 2] = np.nan
    image = frame(depth=depth)
    assert not image.valid[1, 2] and image.valid.sum() == 23
    assert np.array_equal(np.isfinite(image.xyz).all(axis=-1), image.valid)


def test_the_box_of_a_region_is_half_open() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((9, 13)) < 0.05
        v, u = np.nonzero(mask)
        expected = (u.min(), v.min(), u.max() + 1, v.max() + 1) if mask.any() else (0, 0, 0, 0)
        assert Region(mask).box == expected


@pytest.mark.parametrize(
    ("rows", "columns", "touches"),
    [
        (slice(5, 8), slice(5, 8), False),
        (slice(0, 3), slice(5, 8), True),
        (slice(5, 8), slice(0, 3), True),
        (slice(17, 20), slice(5, 8), True),
        (slice(5, 8), slice(27, 30), True),
        (slice(2, 18), slice(2, 28), False),
        (slice(0, 0), slice(0, 0), False),
    ],
)
def test_a_region_is_truncated_when_it_touches_the_border(rows: slice, columns: slice, touches: bool) -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[rows, columns] = True
    assert Region(mask).truncated is touches


def test_noise_grows_with_the_square_of_depth() -> None:
    noise = DepthNoise(0.001, 0.002, 0.003)
    assert np.allclose(noise.pixel_std_m([0.0, 1.0, 2.0]), [0.001, 0.003, 0.009])
    for name, preset in PRESETS.items():
        near, far = preset.pixel_std_m([0.5, 2.0])
        assert 0 < near < far < 0.05 or (name == "exact" and 0 < near == far < 0.001 and preset.scale == 0)


def test_depth_that_hangs_between_two_surfaces_is_on_none_and_a_thin_rod_is() -> None:
    camera = CameraModel(40, 30, 600.0, 600.0, 19.5, 14.5)
    depth = np.full((30, 40), 1.2, np.float32)
    depth[:, :12] = 0.6
    depth[:, 12:14] = 0.8, 1.0  # what a sensor makes of a silhouette
    depth[:, 25] = 1.0
    depth[3, 30] = np.nan
    frame = RGBDFrame(0, np.zeros((30, 40, 3), np.uint8), depth, camera, "camera")
    expected = np.isfinite(depth)
    expected[:, 12:14] = False
    # At the image's edge too few neighbours are left to tell.
    assert (frame.on_surface == expected)[1:-1].all()


def test_a_region_ends_where_its_first_and_last_pixels_lie() -> None:
    mask = np.zeros((4, 6), np.bool_)
    mask[1, 2:5], mask[3, 1] = True, True
    rims = Region(mask).rims
    assert [rims.rows.tolist(), rims.left.tolist(), rims.right.tolist()] == [[1, 3], [2, 1], [4, 1]]
    assert [rims.columns.tolist(), rims.top.tolist(), rims.bottom.tolist()] == [[1, 2, 3, 4], [3, 1, 1, 1], [3, 1, 1, 1]]
    assert not len(Region(np.zeros((4, 6), np.bool_)).rims.rows)


def test_raw_depth_is_the_same_image_whenever_it_is_looked_at() -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 4, (4, 6)).astype(np.uint16) * 700
    raw[0, 0], raw[1, 2] = 65535, 0
    color = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    plain = RGBDFrame(7, color, depth_to_metres(raw), CAMERA, "camera")
    rows, columns = slice(1, 3), slice(0, 4)

    def new() -> RGBDFrame:
        return RGBDFrame.of_millimetres(7, color, raw, CAMERA, "camera")

    assert np.array_equal(new().depth_m, plain.depth_m, equal_nan=True) and new().depth_m.dtype == np.float32
    assert np.array_equal(new().depth_within(rows, columns), plain.depth_m[rows, columns], equal_nan=True)
    assert np.array_equal(new().part(rows, columns).depth_m, plain.part(rows, columns).depth_m, equal_nan=True)
    assert np.array_equal(new().valid, plain.valid) and np.array_equal(new().xyz, plain.xyz, equal_nan=True)
    looked_at = new()
    assert looked_at.coverage == plain.coverage == np.isfinite(plain.depth_m).mean() and looked_at.valid.any()
    assert looked_at.coverage == plain.coverage and looked_at.size == plain.size == (4, 6)
    for copy in (pickle.loads(pickle.dumps(new())), replace(new(), stamp_ns=7)):
        assert (copy.stamp_ns, copy.frame_id) == (7, "camera")
        assert np.array_equal(copy.depth_m, plain.depth_m, equal_nan=True)
    with pytest.raises(AttributeError, match="no attribute 'depth'"):
        print(new().depth)  # type: ignore[attr-defined]
    with pytest.raises(FrameError, match="uint16"):
        RGBDFrame.of_millimetres(7, color, raw.astype(np.int32), CAMERA, "camera")  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="align_depth"):
        RGBDFrame.of_millimetres(7, color, raw[:3], CAMERA, "camera")
