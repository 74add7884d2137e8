"""Up from an accelerometer: right at rest in any pose, with an honest deviation, and none in motion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialvlm_ros.geometry.gravity import STANDARD_GRAVITY_M_S2 as G
from spatialvlm_ros.geometry.gravity import GravityConfig, GravityEstimator

MS = 1_000_000
NOW = 5_000 * MS


def at_rest(up: np.ndarray, *, sigma: float = 0.05, bias: np.ndarray | None = None, seed: int = 0) -> GravityEstimator:
    """Two seconds at 200 Hz around ``NOW``."""
    rng = np.random.default_rng(seed)
    estimator = GravityEstimator()
    for stamp in range(NOW - 1_000 * MS, NOW + 1_000 * MS, 5 * MS):
        force = G * up / np.linalg.norm(up) + rng.normal(0, sigma, 3) + (0.0 if bias is None else bias)
        assert estimator.add(stamp, force)
    return estimator


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))


@given(st.integers(0, 10_000))
def test_any_pose_at_rest(seed: int) -> None:
    up = Rotation.random(random_state=seed).as_matrix()[:, 2]
    found, reason = at_rest(up, seed=seed).up_at(NOW)
    assert found is not None and reason == ""
    assert np.linalg.norm(found.up) == pytest.approx(1)
    assert angle(found.up, up) < 4 * found.std_rad
    assert 0.004 < found.std_rad < 0.03


def test_the_tilt_over_its_deviation_is_a_standard_normal() -> None:
    """Over sensors, whose zero errors differ: a component of the tilt, which is what the deviation is of."""
    rng, scores = np.random.default_rng(3), []
    bias_std = GravityConfig().bias_m_s2
    for seed in range(300):
        turn = Rotation.random(random_state=seed).as_matrix()
        found, _ = at_rest(turn[:, 2], sigma=0.03, bias=rng.normal(0, bias_std, 3), seed=seed).up_at(NOW)
        assert found is not None
        scores += [float(found.up @ turn[:, axis]) / found.std_rad for axis in (0, 1)]
    # The error of the length enters the deviation as well, so that it is a little large.
    assert abs(np.mean(scores)) < 0.15 and 0.65 < np.std(scores) < 1.1
    assert np.mean(np.abs(scores) < 2) > 0.93


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("rate", [-0.6, 0.3, 0.6])
def test_a_gyroscope_turns_the_samples_to_the_stamp(axis: int, rate: float) -> None:
    estimator, speed = GravityEstimator(), rate * np.eye(3)[axis]
    world_up = np.array([0.3, -0.8, 0.5]) / np.linalg.norm([0.3, -0.8, 0.5])
    # Samples end 40 ms before the stamp, as live ones do.
    for stamp in range(NOW - 400 * MS, NOW - 40 * MS, 5 * MS):
        sensor_from_world = Rotation.from_rotvec(speed * stamp * 1e-9).inv()
        assert estimator.add(stamp, G * sensor_from_world.apply(world_up), speed)
    found, reason = estimator.up_at(NOW)
    assert found is not None, reason
    assert angle(found.up, Rotation.from_rotvec(speed * NOW * 1e-9).inv().apply(world_up)) < 1e-3


def test_reasons_why_there_is_none() -> None:
    assert GravityEstimator().up_at(NOW) == (None, "no samples of the accelerometer have come")
    up = np.array([0.0, -1.0, 0.0])
    estimator = at_rest(up)
    stale = estimator.up_at(NOW + 3_000 * MS)
    assert stale[0] is None and "stale: its newest sample is 2.0" in stale[1]
    assert estimator.up_at(NOW - 3_000 * MS)[0] is None
    few = GravityEstimator()
    for stamp in (NOW - 2 * MS, NOW):
        few.add(stamp, G * up)
    assert few.up_at(NOW)[0] is None and "only 2 samples" in few.up_at(NOW)[1]


@pytest.mark.parametrize(
    ("force", "rate", "words"),
    [
        ((0.0, 0.0, 0.0), None, "0.00 m/s^2"),  # falls, or is a gyroscope
        ((0.0, -12.0, 0.0), None, "12.00 m/s^2"),
        ((0.0, -G, 5.0), None, "m/s^2, at rest"),
        ((0.0, -G, 0.0), (0.0, 2.0, 0.0), "turns at 2.0 rad/s"),
    ],
)
def test_motion_is_refused(force: tuple[float, ...], rate: tuple[float, ...] | None, words: str) -> None:
    estimator = GravityEstimator()
    for stamp in range(NOW - 200 * MS, NOW, 5 * MS):
        estimator.add(stamp, force, rate)
    found, reason = estimator.up_at(NOW)
    assert found is None and words in reason


def test_shaking_is_refused_although_its_mean_is_gravity() -> None:
    estimator = GravityEstimator()
    for index, stamp in enumerate(range(NOW - 200 * MS, NOW, 5 * MS)):
        estimator.add(stamp, (1.5 * (-1) ** index, -G, 0.0))
    found, reason = estimator.up_at(NOW)
    assert found is None and "varies by 1.50" in reason


def test_a_slow_turn_without_a_gyroscope_widens_the_deviation() -> None:
    still, turning = GravityEstimator(), GravityEstimator()
    for stamp in range(NOW - 200 * MS, NOW, 5 * MS):
        still.add(stamp, (0.0, -G, 0.0))
        turning.add(stamp, G * Rotation.from_rotvec([0.3 * stamp * 1e-9, 0, 0]).apply([0.0, -1.0, 0.0]))
    calm, moved = still.up_at(NOW)[0], turning.up_at(NOW)[0]
    assert calm is not None and moved is not None and moved.std_rad > 1.2 * calm.std_rad


@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.lists(st.floats(), max_size=4)), max_size=30),
    st.integers(-(2**62), 2**62),
)
def test_whatever_comes_it_answers_up_or_a_reason(samples: list[tuple[int, list[float]]], stamp: int) -> None:
    estimator = GravityEstimator()
    for at, force in samples:
        taken = estimator.add(at, force, force if at % 2 else None)
        assert taken == (len(force) == 3 and bool(np.isfinite(force).all()))
    found, reason = estimator.up_at(stamp)
    assert (found is None) == bool(reason)
    assert estimator.rejected == sum(not (len(force) == 3 and np.isfinite(force).all()) for _, force in samples)


def test_samples_out_of_order_count_and_a_jump_back_clears() -> None:
    stamps = list(range(NOW - 200 * MS, NOW, 5 * MS))
    shuffled, ordered = GravityEstimator(), GravityEstimator()
    for stamp in np.random.default_rng(0).permutation(stamps):
        shuffled.add(int(stamp), (0.0, -G + (stamp - NOW) * 1e-9, 0.0))
    for stamp in stamps:
        ordered.add(stamp, (0.0, -G + (stamp - NOW) * 1e-9, 0.0))
    first, second = shuffled.up_at(NOW)[0], ordered.up_at(NOW)[0]
    assert first is not None and second is not None and first.std_rad == second.std_rad
    ordered.add(NOW - 60_000 * MS, (0.0, -G, 0.0))
    assert ordered.up_at(NOW)[0] is None
    ordered.clear()
    assert "no samples" in ordered.up_at(NOW)[1]


def test_samples_of_the_time_after_a_jump_stay_when_the_time_before_is_forgotten() -> None:
    estimator, then = GravityEstimator(), NOW - 3_000 * MS
    for end in (NOW, then):
        for stamp in range(end - 200 * MS, end, 5 * MS):
            estimator.add(stamp, (0.0, -G if end == then else G, 0.0))
    estimator.clear(then)
    found, _ = estimator.up_at(then)
    assert found is not None and found.up[1] == pytest.approx(-1)
    # No sample of the new time has come: none of the old one may serve.
    estimator.clear(then - 60_000 * MS)
    assert "no samples" in estimator.up_at(then)[1]
