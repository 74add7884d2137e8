"""The sensor model alone, on made-up depth images: no MuJoCo needed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spatialvlm_ros.simulation import SensorModel, SensorParameters

FOCAL_PX = 611.0
CLEAN = SensorParameters(dropout_blobs=0.0, dropout_share=0.0)


def flat(depth_m: float, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    return np.full(shape, depth_m, np.float32)


@pytest.mark.parametrize("depth_m", [0.5, 0.8, 1.0, 1.5])
def test_noise_matches_the_documented_sigma(depth_m: float) -> None:
    model = SensorModel(320, 240, FOCAL_PX, CLEAN)
    measured = np.stack([model.depth_mm(flat(depth_m), frame) for frame in range(8)]).astype(np.float64) / 1000.0
    p = model.parameters
    step_m = depth_m**2 * p.disparity_step_px / (p.stereo_focal_px * p.baseline_m)
    # Uniform quantisation errors of a disparity step and of a millimetre add to the Gaussian.
    expected = np.sqrt(model.sigma_m(depth_m) ** 2 + step_m**2 / 12 + 0.001**2 / 12)
    assert measured.std() == pytest.approx(expected, rel=0.06)
    assert measured.mean() == pytest.approx(depth_m, abs=0.0006)


def test_sigma_in_numbers() -> None:
    model = SensorModel(320, 240, FOCAL_PX)
    assert model.sigma_m(0.8) == pytest.approx(0.0024, abs=0.0001)
    assert model.sigma_m(1.6) == pytest.approx(4 * model.sigma_m(0.8))


def test_neighbours_are_correlated_and_far_pixels_are_not() -> None:
    model = SensorModel(320, 240, FOCAL_PX, CLEAN)
    error = model.depth_mm(flat(1.0), 0).astype(np.float64) - 1000.0
    assert 0.4 < np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1] < 0.9
    assert abs(np.corrcoef(error[:, :-8].ravel(), error[:, 8:].ravel())[0, 1]) < 0.05


def test_depth_comes_in_disparity_steps() -> None:
    model = SensorModel(320, 240, FOCAL_PX, dataclasses.replace(CLEAN, disparity_step_px=0.25))
    values = np.unique(model.depth_mm(flat(1.5), 0))
    assert np.diff(values.astype(int)).min() >= 20


def test_holes_lie_left_of_what_stands_in_front() -> None:
    """The second imager is on the right: it looks behind the right edge of a box, not behind the left one."""
    depth = flat(1.0)
    depth[80:160, 140:200] = 0.7
    model = SensorModel(320, 240, FOCAL_PX, CLEAN)
    hole = model.depth_mm(depth, 0) == 0
    shift_px = FOCAL_PX * 0.05 * (1 / 0.7 - 1 / 1.0)
    columns = np.flatnonzero(hole[120])
    assert len(columns) == pytest.approx(shift_px, abs=1.5)
    assert columns.max() == 139
    assert not hole[:80].any() and not hole[160:].any()


def test_range_and_dropouts() -> None:
    model = SensorModel(320, 240, FOCAL_PX)
    assert not model.depth_mm(flat(0.15), 0).any()
    assert not model.depth_mm(flat(6.0), 0).any()
    assert not model.depth_mm(flat(1000.0), 0).any()
    missing = np.mean([(model.depth_mm(flat(1.0), frame) == 0).mean() for frame in range(10)])
    assert 0.0005 < missing < 0.005


def test_deterministic_by_seed_and_frame() -> None:
    first, second = (SensorModel(320, 240, FOCAL_PX, seed=7) for _ in range(2))
    color = np.full((240, 320, 3), 128, np.uint8)
    assert np.array_equal(first.depth_mm(flat(1.0), 3), second.depth_mm(flat(1.0), 3))
    assert np.array_equal(first.color(color, 3), second.color(color, 3))
    assert not np.array_equal(first.depth_mm(flat(1.0), 3), first.depth_mm(flat(1.0), 4))
    assert not np.array_equal(first.color(color, 3), first.color(color, 4))
    assert not np.array_equal(first.depth_mm(flat(1.0), 3), SensorModel(320, 240, FOCAL_PX, seed=8).depth_mm(flat(1.0), 3))


def test_color_noise_is_slight_and_does_not_wrap() -> None:
    model = SensorModel(320, 240, FOCAL_PX)
    assert model.color(np.full((240, 320, 3), 128, np.uint8), 0).std() == pytest.approx(2.0, abs=0.1)
    assert model.color(np.full((240, 320, 3), 255, np.uint8), 0).min() > 200
    assert model.color(np.zeros((240, 320, 3), np.uint8), 0).max() < 50
