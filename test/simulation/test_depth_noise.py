"""Depth noise: each family against its law, and where it leaves holes."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.simulation.depth_noise import (
    FAMILIES,
    MAX_RANGE_M,
    SCALE_STD,
    add_noise,
    structured_light_std_m,
)
from spatialvlm_ros.simulation.sensor import SensorModel, SensorParameters

CAMERA = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)
SMALL = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
LAWS = {
    "structured_light": structured_light_std_m,
    "stereo": SensorModel(320, 240, 300.0).sigma_m,
    "time_of_flight": PRESETS["time_of_flight"].pixel_std_m,
}
NEAR_M, FAR_M = 0.6, 1.0


def flat(depth_m: float, camera: CameraModel = CAMERA) -> np.ndarray:
    return np.full((camera.height, camera.width), depth_m, np.float32)


def step() -> np.ndarray:
    """A near square before a far wall."""
    depth = flat(FAR_M)
    depth[70:170, 110:210] = NEAR_M
    return depth


def floor(camera: CameraModel = CAMERA, height_m: float = 0.4, pitch_rad: float = 0.8) -> np.ndarray:
    """Depth of a level plane under a camera that looks down."""
    y = camera.rays[..., 1]
    return (height_m / (y * np.cos(pitch_rad) + np.sin(pitch_rad))).astype(np.float32)


def errors(family: str, truth: np.ndarray, seeds: range = range(4), camera: CameraModel = CAMERA) -> np.ndarray:
    """(S, H, W) measured minus true, metres, without scale error."""
    return np.stack([add_noise(truth, camera, family, seed, scale_error=False) - truth for seed in seeds]).astype(np.float64)


@pytest.mark.parametrize("depth_m", [0.6, 1.0, 1.6])
@pytest.mark.parametrize("family", LAWS)
def test_flat_walls_have_the_noise_of_the_published_law(family: str, depth_m: float) -> None:
    found = errors(family, flat(depth_m))
    law = float(LAWS[family](depth_m))
    if family == "stereo":
        p = SensorParameters()
        law = float(np.hypot(law, depth_m**2 * p.disparity_step_px / (p.stereo_focal_px * p.baseline_m) / np.sqrt(12)))
    assert np.nanstd(found) == pytest.approx(law, rel=0.06)
    # A whole step of disparity is 3.8 mm at 1.6 m, and half a per cent of the noise is left in the mean.
    assert abs(np.nanmean(found)) < 0.05 * law


def test_laws_in_numbers() -> None:
    assert structured_light_std_m(1.0) == pytest.approx(0.0012 + 0.0019 * 0.36)
    assert structured_light_std_m(1.0, np.radians(75)) == pytest.approx(0.001884 + 0.0001 * 25, rel=1e-3)
    assert LAWS["stereo"](1.0) == pytest.approx(0.08 / (424 * 0.05))
    assert LAWS["time_of_flight"](1.0) == pytest.approx(0.0031)


def test_slanted_surfaces_are_noisier_for_structured_light() -> None:
    """At 75 degrees Nguyen's second term is larger than the first."""
    angle = np.radians(75)
    x = CAMERA.rays[..., 0]
    truth = (0.9 / (1 + 0.999 * x * np.tan(angle)))[:, 140:180].astype(np.float32)
    camera = CameraModel(40, 240, 300.0, 300.0, 19.5, 119.5)
    middle = errors("structured_light", truth, camera=camera)[:, :, 15:25]
    facing = errors("structured_light", flat(0.9))
    assert np.nanstd(middle) > 1.5 * np.nanstd(facing)
    assert np.nanstd(middle) == pytest.approx(float(structured_light_std_m(0.9, angle)), rel=0.15)


@pytest.mark.parametrize("family", FAMILIES)
def test_scale_errors_are_shared_by_an_image(family: str) -> None:
    truth = flat(1.0, SMALL)
    ratios = [
        np.nanmean(add_noise(truth, SMALL, family, seed)) / np.nanmean(add_noise(truth, SMALL, family, seed, scale_error=False))
        for seed in range(150)
    ]
    assert np.std(ratios) == pytest.approx(SCALE_STD[family], rel=0.2)
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * SCALE_STD[family] / np.sqrt(150))


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_repeats_and_leaves_its_input_alone(family: str) -> None:
    truth = step()
    kept = truth.copy()
    first, again = (add_noise(truth, CAMERA, family, 5) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.dtype == np.float32 and first.shape == truth.shape
    assert np.array_equal(truth, kept)
    assert first.tobytes() != add_noise(truth, CAMERA, family, 6).tobytes()


def test_families_differ_at_the_same_seed() -> None:
    assert len({add_noise(step(), CAMERA, family, 5).tobytes() for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_holes_gather_at_edges(family: str) -> None:
    hole = np.isnan(np.stack([add_noise(step(), CAMERA, family, seed) for seed in range(3)]))
    # The square's edges, two pixels to either side.
    band = np.zeros(step().shape, bool)
    band[68:172, 108:212] = True
    band[72:168, 112:208] = False
    away = np.zeros(step().shape, bool)
    away[80:160, 120:200] = True
    away[:, :60] = away[:, 260:] = True
    assert hole[:, away].mean() < 0.01
    assert hole[:, band].mean() > (0.02 if family == "correlated_stereo" else 0.08)
    assert hole[:, band].mean() > 5 * hole[:, away].mean()


@pytest.mark.parametrize(("family", "left"), [("structured_light", True), ("stereo", True), ("kinect_quantised", False)])
def test_shadows_lie_on_the_side_away_from_the_second_eye(family: str, left: bool) -> None:
    hole = np.isnan(add_noise(step(), CAMERA, family, 0))
    # It is f B (1 / 0.6 - 1 / 1) = 10 px wide for the shortest baseline, with edges that waver by 2 px.
    beside = {True: hole[80:160, 102:108].mean(), False: hole[80:160, 212:218].mean()}
    assert beside[left] > 0.75
    assert beside[not left] < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_slanted_plane_has_no_edges(family: str) -> None:
    noisy = add_noise(floor(), CAMERA, family, 1, scale_error=False)
    assert np.isnan(noisy).mean() < 0.01
    error = noisy - floor()
    assert np.nanpercentile(np.abs(error), 99) < 0.015


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_stays_nothing(family: str) -> None:
    assert np.isnan(add_noise(flat(np.nan), CAMERA, family, 0)).all()
    assert np.isnan(add_noise(flat(1.5 * MAX_RANGE_M), CAMERA, family, 0)).mean() > 0.99
    truth = step()
    truth[:, :80] = np.nan
    noisy = add_noise(truth, CAMERA, family, 0)
    # Beyond what edges waver by and windows reach.
    assert np.isnan(noisy[:, :72]).all()
    assert np.isfinite(noisy[:, 225:]).mean() > 0.98


def test_correlated_stereo_errs_in_patches() -> None:
    def correlation(family: str, lag: int) -> float:
        found = errors(family, flat(1.0))
        found -= np.nanmean(found)
        return float(np.nanmean(found[..., lag:] * found[..., :-lag]) / np.nanvar(found))

    assert correlation("correlated_stereo", 5) > 0.4
    assert abs(correlation("stereo", 8)) < 0.05
    assert abs(correlation("structured_light", 1)) < 0.05


def test_correlated_stereo_is_drawn_to_whole_disparities() -> None:
    p = SensorParameters()
    native = p.stereo_focal_px * p.baseline_m
    # A quarter of a pixel above a whole one: the sine is at its greatest, and pulls back by 0.05 px.
    found = errors("correlated_stereo", flat(native / 21.25), range(30))
    disparity = native / (found + native / 21.25)
    whole = errors("correlated_stereo", flat(native / 21.0), range(30))
    assert np.nanmean(disparity) == pytest.approx(21.20, abs=0.02)
    assert np.nanmean(native / (whole + native / 21.0)) == pytest.approx(21.0, abs=0.02)


def test_correlated_stereo_swells_what_is_near() -> None:
    counts = [int((add_noise(step(), CAMERA, "correlated_stereo", s, scale_error=False) < 0.8).sum()) for s in range(4)]
    # Two pixels on all sides but where the shadow is: 100 x 100 becomes at least 102 x 104.
    assert np.mean(counts) > 102 * 104 * 0.98
    others = [int((add_noise(step(), CAMERA, "stereo", s, scale_error=False) < 0.8).sum()) for s in range(4)]
    assert np.mean(others) < 100 * 100 * 1.01


def test_multipath_mixes_pixels_at_edges() -> None:
    def between(family: str) -> int:
        noisy = add_noise(step(), CAMERA, family, 0, scale_error=False)
        return int(((noisy > NEAR_M + 0.06) & (noisy < FAR_M - 0.06)).sum())

    # Its edges are 400 pixels long, on both sides.
    assert between("tof_multipath") > 200
    assert between("time_of_flight") == 0


def test_multipath_is_biased_towards_the_corners_of_the_image() -> None:
    found = errors("tof_multipath", flat(1.0), range(40))
    corner, middle = (np.nanmean(found[:, rows, :20], axis=(1, 2)) for rows in (slice(0, 20), slice(110, 130)))
    centre = np.nanmean(found[:, 110:130, 150:170], axis=(1, 2))
    # Bias grows as the square of the radius, which is 0.64 at the middle of the left side; 6 mm in the corners.
    assert np.std(corner - centre) == pytest.approx(0.006 * (1 - 2 * 0.07), rel=0.3)
    assert np.std(middle - centre) < np.std(corner - centre)


def test_multipath_rounds_out_concave_corners() -> None:
    """Two walls that meet away from the camera: the line where they meet is measured too far."""
    x = np.abs(CAMERA.rays[..., 0])
    truth = (1.0 / (1 + 1.0 * x)).astype(np.float32)
    found = errors("tof_multipath", truth, range(8))
    at_line = np.nanmean(found[..., 150:170])
    on_walls = np.nanmean(np.concatenate([found[..., 60:100], found[..., 220:260]], axis=-1))
    assert at_line > on_walls + 0.001


def test_kinect_depths_come_in_steps() -> None:
    noisy = add_noise(floor(), CAMERA, "kinect_quantised", 0, scale_error=False)
    steps = 580.0 * 0.075 * 8 / noisy[np.isfinite(noisy)].astype(np.float64)
    assert np.abs(steps - np.rint(steps)).max() < 1e-3
    assert len(np.unique(noisy[np.isfinite(noisy)])) < 800


def test_edges_waver() -> None:
    """The near square loses and gains pixels along its border, and nowhere else."""
    for family in ("structured_light", "stereo", "kinect_quantised"):
        noisy = add_noise(step(), CAMERA, family, 0, scale_error=False)
        swapped = np.isfinite(noisy) & ((noisy < 0.8) != (step() < 0.8))
        rows, columns = np.nonzero(swapped)
        assert len(rows) > 20
        border = np.minimum.reduce([abs(rows - 69.5), abs(rows - 169.5), abs(columns - 109.5), abs(columns - 209.5)])
        assert border.max() < 8


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of"):
        add_noise(flat(1.0), CAMERA, "sonar", 0)
    with pytest.raises(ValueError, match="camera has"):
        add_noise(flat(1.0), SMALL, "stereo", 0)
