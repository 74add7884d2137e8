"""Rigid transforms against scipy.spatial.transform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation, Slerp

from spatialvlm_ros.geometry.rigid import RigidTransform, interpolate, quaternion_from_rotation, rotation_from_quaternion

unit_quaternions = hnp.arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1)
positions = hnp.arrays(np.float64, 3, elements=st.floats(-10, 10))
HALF_TURNS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, -1), (0, 1, 1), (1, 1, 1), (-1, 2, -3), (1, 1e-9, 0)]


def transform(position: np.ndarray, quaternion: np.ndarray) -> RigidTransform:
    return RigidTransform.from_quaternion(position, quaternion)


def random_transform(rng: np.random.Generator) -> RigidTransform:
    return RigidTransform(Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3))


@given(unit_quaternions, st.floats(1e-3, 1e3))
def test_rotation_of_a_quaternion_of_any_length_is_scipys(quaternion: np.ndarray, length: float) -> None:
    assert np.allclose(rotation_from_quaternion(length * quaternion), Rotation.from_quat(quaternion).as_matrix(), atol=1e-12)


@given(unit_quaternions)
def test_quaternion_of_a_rotation_is_scipys_with_w_not_negative(quaternion: np.ndarray) -> None:
    rotation = Rotation.from_quat(quaternion)
    found = quaternion_from_rotation(rotation.as_matrix())
    assert found[3] >= 0
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-12)
    # Component by component fails only at a half turn, where q and -q both have w = 0.
    assert abs(found @ rotation.as_quat()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("axis", HALF_TURNS)
@pytest.mark.parametrize("short_of_it", [0.0, 1e-9, -1e-9, 1e-5, -1e-5])
def test_quaternions_are_exact_around_a_half_turn(axis: tuple[float, ...], short_of_it: float) -> None:
    rotation = Rotation.from_rotvec((np.pi + short_of_it) * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    assert np.allclose(rotation_from_quaternion(quaternion_from_rotation(rotation)), rotation, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-4])
def test_quaternions_are_exact_around_no_turn(angle: float) -> None:
    rotation = Rotation.from_rotvec([angle, 0, 0])
    assert np.allclose(quaternion_from_rotation(rotation.as_matrix()), rotation.as_quat(), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "quaternion",
    [(0, 0, 0, 0), (0, 0, 0, 1e-9), (np.nan, 0, 0, 1), (np.inf, 0, 0, 1), (0, 0, 1), (0, 0, 0, 0, 1), [[0, 0, 0, 1]]],
)
def test_what_is_no_quaternion_is_refused(quaternion: object) -> None:
    with pytest.raises(ValueError, match="not four finite numbers"):
        rotation_from_quaternion(quaternion)  # type: ignore[arg-type]


@pytest.mark.parametrize("translation", [(np.nan, 0, 0), (0, np.inf, 0), (0, 0), 1.0])
def test_what_is_no_translation_is_refused(translation: object) -> None:
    with pytest.raises(ValueError, match="not three finite numbers"):
        RigidTransform.from_quaternion(translation, (0, 0, 0, 1))  # type: ignore[arg-type]


@given(positions, unit_quaternions, positions, unit_quaternions, positions)
def test_composition_is_the_product_of_homogeneous_matrices(
    t1: np.ndarray, q1: np.ndarray, t2: np.ndarray, q2: np.ndarray, point: np.ndarray
) -> None:
    a, b = transform(t1, q1), transform(t2, q2)
    product = a.matrix() @ b.matrix()
    assert np.allclose((a @ b).matrix(), product, atol=1e-9)
    assert np.allclose((a @ b).apply(point), (product @ [*point, 1])[:3], atol=1e-9)


@given(positions, unit_quaternions)
def test_inverse_is_the_matrix_inverse(position: np.ndarray, quaternion: np.ndarray) -> None:
    a = transform(position, quaternion)
    assert np.allclose(a.inverse().matrix(), np.linalg.inv(a.matrix()), atol=1e-9)
    assert np.allclose((a @ a.inverse()).matrix(), np.eye(4), atol=1e-9)


def test_points_of_any_shape_are_mapped() -> None:
    rng = np.random.default_rng(1)
    a, points = random_transform(rng), rng.normal(size=(4, 5, 3))
    one_by_one = np.array([[a.rotation @ p + a.translation for p in row] for row in points])
    assert np.allclose(a.apply(points), one_by_one)
    assert np.isnan(a.apply([np.nan, 0, 0])).all()


def test_matrix_and_quaternion_round_trip() -> None:
    a = random_transform(np.random.default_rng(2))
    assert np.array_equal(RigidTransform.from_matrix(a.matrix()).matrix(), a.matrix())
    assert np.allclose(RigidTransform.from_quaternion(a.translation, a.quaternion()).matrix(), a.matrix())
    assert np.array_equal(RigidTransform.identity().matrix(), np.eye(4))


def test_from_matrix_keeps_no_view_of_its_argument() -> None:
    matrix = np.eye(4)
    a = RigidTransform.from_matrix(matrix)
    matrix[:] = 7
    assert np.array_equal(a.matrix(), np.eye(4))


def test_rotated_covariance_is_that_of_rotated_samples() -> None:
    rng = np.random.default_rng(3)
    a = random_transform(rng)
    covariance = np.diag([1.0, 4.0, 0.25])
    samples = rng.multivariate_normal(np.zeros(3), covariance, 100_000)
    assert np.allclose(a.rotate_covariance(covariance), np.cov(a.apply(samples).T), atol=0.06)


@settings(max_examples=200)
@given(positions, unit_quaternions, positions, unit_quaternions, st.floats(0, 1))
def test_interpolation_is_scipys_slerp_and_linear(
    t1: np.ndarray, q1: np.ndarray, t2: np.ndarray, q2: np.ndarray, share: float
) -> None:
    rotations = Rotation.from_quat([q1, q2])
    if (rotations[0].inv() * rotations[1]).magnitude() > np.pi - 1e-5:
        return  # both ways round are as short
    found = interpolate(transform(t1, q1), transform(t2, q2), share)
    expected = Slerp([0, 1], rotations)(share).as_matrix()
    assert np.allclose(found.rotation, expected, atol=1e-7)
    assert np.allclose(found.translation, t1 + share * (t2 - t1), atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 1e-4, 3e-4, 1e-3, 0.1, 3.0])
def test_interpolation_of_small_turns_goes_half_the_way(angle: float) -> None:
    a = RigidTransform.identity()
    b = RigidTransform(Rotation.from_rotvec([0, 0, angle]).as_matrix(), np.zeros(3))
    half = Rotation.from_matrix(interpolate(a, b, 0.5).rotation).as_rotvec()
    assert half == pytest.approx([0, 0, angle / 2], abs=1e-11 + 1e-7 * angle)


def test_interpolation_at_its_ends_is_the_ends() -> None:
    rng = np.random.default_rng(5)
    a, b = random_transform(rng), random_transform(rng)
    assert np.allclose(interpolate(a, b, 0).matrix(), a.matrix(), atol=1e-12)
    assert np.allclose(interpolate(a, b, 1).matrix(), b.matrix(), atol=1e-12)
