"""Planes: exact fits, noise that grows with distance, outliers, a stated tilt error that is true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.geometry.plane import Plane, fit_plane, ransac_plane


def cloud(normal: np.ndarray, offset: float, count: int, sigma: float, seed: int) -> np.ndarray:
    """(N, 3) points of a square metre of a plane in front of the camera."""
    rng = np.random.default_rng(seed)
    basis = Plane(normal, offset).basis()
    points = rng.uniform(-0.5, 0.5, (count, 2)) @ basis - offset * normal
    return np.asarray(points + rng.normal(0, sigma, (count, 1)) * normal)


NORMAL = np.array([0.1, -0.8, -0.6]) / np.linalg.norm([0.1, -0.8, -0.6])


def test_exact_points_give_the_exact_plane_with_the_camera_above_it() -> None:
    plane = fit_plane(cloud(NORMAL, 0.7, 50, 0.0, 0), 0.001)
    assert plane is not None
    np.testing.assert_allclose(plane.normal, NORMAL, atol=1e-9)
    assert plane.offset_m == pytest.approx(0.7)
    assert plane.height([0, 0, 0]) == pytest.approx(0.7)
    np.testing.assert_allclose(plane.basis() @ plane.normal, 0, atol=1e-12)


@pytest.mark.parametrize("points", [[], [[0, 0, 1]], [[0, 0, 1], [0, 1, 1]], [[0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 3, 1]]])
def test_too_few_points_or_a_line_give_no_plane(points: list[list[float]]) -> None:
    assert fit_plane(np.array(points).reshape(-1, 3), 0.001) is None


def test_stated_tilt_error_matches_the_errors_made() -> None:
    angles, stated = [], []
    for seed in range(200):
        plane = fit_plane(cloud(NORMAL, 0.7, 100, 0.003, seed), 0.003)
        assert plane is not None
        angles.append(plane.angle_to(NORMAL))
        stated.append(plane.tilt_std_rad)
    # The angle has two independent components of that standard deviation each.
    rms = math.sqrt(np.mean(np.square(angles)) / 2)
    assert 0.75 < rms / np.mean(stated) < 1.25


def test_ransac_survives_more_outliers_than_inliers_and_repeats_itself() -> None:
    rng = np.random.default_rng(5)
    table = cloud(NORMAL, 0.7, 400, 0.002, 1)
    points = np.concatenate([table, rng.uniform(-1, 2, (600, 3))])
    first, second = (ransac_plane(points, 0.008, seed=3) for _ in range(2))
    assert first is not None and second is not None
    assert first[0].angle_to(NORMAL) < math.radians(0.5)
    assert first[1][:400].mean() > 0.97
    assert first[0].coefficients.tobytes() == second[0].coefficients.tobytes()


def test_ransac_looks_only_where_it_is_told_to() -> None:
    wall = cloud(np.array([0, 0, -1.0]), 1.0, 900, 0.002, 0)
    table = cloud(NORMAL, 0.7, 200, 0.002, 1)
    fit = ransac_plane(np.concatenate([wall, table]), 0.008, direction=NORMAL, max_angle_rad=0.2)
    assert fit is not None and fit[0].angle_to(NORMAL) < 0.01
    assert ransac_plane(wall, 0.008, direction=[1, 0, 0], max_angle_rad=0.2) is None
    assert ransac_plane(wall[:2], 0.008) is None
