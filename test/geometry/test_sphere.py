"""The sphere fit, on caps of spheres as a camera sees them."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.sphere import fit_resting_sphere, fit_sphere


def cap(radius: float, centre: tuple[float, float, float], count: int = 400, noise: float = 0.0) -> np.ndarray:
    """Points of the side of a sphere that faces the origin."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(8 * count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    facing = directions[directions @ np.array(centre) < 0][:count]
    return np.array(centre) + (radius + noise * rng.normal(size=(len(facing), 1))) * facing


@pytest.mark.parametrize("radius", [0.01, 0.03, 0.2])
def test_centre_and_radius_come_from_the_visible_half(radius: float) -> None:
    fit = fit_sphere(cap(radius, (0.1, -0.2, 0.8)))
    assert fit is not None
    centre, found, rms = fit
    assert np.allclose(centre, (0.1, -0.2, 0.8), atol=1e-6)
    assert found == pytest.approx(radius, abs=1e-6)
    assert rms < 1e-6


def test_noise_stays_in_the_residual() -> None:
    fit = fit_sphere(cap(0.03, (0.1, -0.2, 0.8), noise=0.001))
    assert fit is not None
    centre, radius, rms = fit
    assert np.linalg.norm(centre - (0.1, -0.2, 0.8)) < 0.001
    assert radius == pytest.approx(0.03, abs=0.001)
    assert rms == pytest.approx(0.001, rel=0.15)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 3)),
        cap(0.03, (0, 0, 1))[:9],
        np.ones((50, 3)),
        np.column_stack([np.linspace(0, 1, 50), np.zeros(50), np.ones(50)]),
    ],
)
def test_too_few_or_degenerate_points_have_no_sphere(points: np.ndarray) -> None:
    assert fit_sphere(points) is None


def test_a_plane_has_none_or_one_far_larger_than_itself() -> None:
    rng = np.random.default_rng(1)
    flat = np.column_stack([rng.uniform(-0.05, 0.05, (200, 2)), 0.8 + rng.normal(0, 1e-4, 200)])
    fit = fit_sphere(flat)
    assert fit is None or fit[1] > 2 * 0.05


# -- a sphere that lies on something ------------------------------------------------------------------------------------


def resting(radius: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The centre (3,) of a ball that lies on a plane, and that plane (4,), as a camera at the origin has them."""
    normal = np.array([slope, -0.8, -0.5])
    normal /= np.linalg.norm(normal)
    centre = np.array([0.1, -0.2, 0.8])
    return centre, np.append(normal, radius - normal @ centre)


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.6])
@pytest.mark.parametrize("radius", [0.01, 0.03, 0.2])
def test_a_resting_ball_is_found_from_its_visible_half(radius: float, slope: float) -> None:
    true, plane = resting(radius, slope)
    fit = fit_resting_sphere(cap(radius, tuple(true)), plane)
    assert fit is not None
    centre, found, rms = fit
    assert np.allclose(centre, true, atol=1e-5) and found == pytest.approx(radius, abs=1e-5) and rms < 1e-5
    assert plane[:3] @ centre + plane[3] == pytest.approx(found)


def test_what_the_ball_lies_on_tells_its_size_where_its_points_do_not() -> None:
    """A small cap with an error that neighbours share: the free fit is far off, the resting one is not."""
    true, plane = resting(0.03, 0.0)
    points = cap(0.03, tuple(true), count=2000)
    towards = -(points - true) @ true / np.linalg.norm(true)
    points = points[towards > 0.6 * 0.03]
    # A wave of some millimetres along the view.
    points = points * (1 + 0.006 * np.sin(60 * points[:, :1]))
    free, lying = fit_sphere(points), fit_resting_sphere(points, plane)
    assert free is not None and lying is not None
    assert abs(lying[1] - 0.03) < 0.001 < abs(free[1] - 0.03)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), cap(0.03, (0, 0, 1))[:9], np.full((50, 3), 0.5)])
def test_too_few_or_degenerate_points_have_no_resting_sphere(points: np.ndarray) -> None:
    assert fit_resting_sphere(points, np.array([0.0, -1.0, 0.0, 0.3])) is None


def test_points_below_the_plane_have_no_resting_sphere() -> None:
    fit = fit_resting_sphere(cap(0.03, (0.1, -0.2, 0.8)), np.array([0.0, -1.0, 0.0, -0.6]))
    assert fit is None
