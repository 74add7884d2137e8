"""Rigid transforms: one small immutable type used from the camera to the planner.

Convention: ``RigidTransform`` named ``target_from_source`` maps coordinates in ``source`` to coordinates in ``target``.
Quaternions are (x, y, z, w) as in geometry_msgs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def norm(a: FloatArray) -> float:
    """Length of a vector (N,): bit by bit what ``np.linalg.norm`` gives, which takes three times as long for a short one."""
    return math.sqrt(a.dot(a))


def norms(vectors: FloatArray) -> FloatArray:
    """Length (N,) of each vector (N, D), as ``np.linalg.norm(vectors, axis=1)`` gives it."""
    lengths: FloatArray = np.sqrt(np.add.reduce(vectors * vectors, axis=1))
    return lengths


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """The cross product (3,) of two vectors (3,). ``np.cross`` takes ten times as long for one pair."""
    (a_x, a_y, a_z), (b_x, b_y, b_z) = a.tolist(), b.tolist()
    return np.array([a_y * b_z - a_z * b_y, a_z * b_x - a_x * b_z, a_x * b_y - a_y * b_x])


def rotation_from_quaternion(quaternion_xyzw: npt.ArrayLike) -> FloatArray:
    """Rotation matrix (3, 3) of a quaternion (x, y, z, w) of any non-zero length.

    Raises:
        ValueError: when the quaternion is not finite or (nearly) zero.
    """
    q = np.asarray(quaternion_xyzw, dtype=np.float64)
    length = norm(q.ravel())
    if q.shape != (4,) or not math.isfinite(length) or length < 1e-6:
        raise ValueError(f"quaternion {q.tolist()} is not four finite numbers with a length above 0")
    x, y, z, w = (q / length).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(rotation: npt.ArrayLike) -> FloatArray:
    """Unit quaternion (x, y, z, w) with w >= 0 of a rotation matrix (3, 3). Shepperd's method: stable at any angle."""
    m = np.asarray(rotation, dtype=np.float64)
    trace = float(np.trace(m))
    candidates = np.array([m[0, 0], m[1, 1], m[2, 2], trace])
    largest = int(np.argmax(candidates))
    q = np.empty(4)
    if largest == 3:
        q[:] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1 + trace
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q[i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[j] = m[j, i] + m[i, j]
        q[k] = m[k, i] + m[i, k]
        q[3] = m[k, j] - m[j, k]
    q /= np.linalg.norm(q)
    return -q if q[3] < 0 else q


@dataclass(frozen=True)
class RigidTransform:
    """Rotation (3, 3) and translation (3,), metres, both float64."""

    rotation: FloatArray
    translation: FloatArray

    @staticmethod
    def identity() -> RigidTransform:
        return RigidTransform(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion(translation: npt.ArrayLike, quaternion_xyzw: npt.ArrayLike) -> RigidTransform:
        """From translation (3,) in metres and quaternion (x, y, z, w). Raises ValueError on numbers that are not finite."""
        t = np.asarray(translation, dtype=np.float64)
        if t.shape != (3,) or not all(map(math.isfinite, t.tolist())):
            raise ValueError(f"translation {t.tolist()} is not three finite numbers")
        return RigidTransform(rotation_from_quaternion(quaternion_xyzw), t)

    @staticmethod
    def from_matrix(matrix: npt.ArrayLike) -> RigidTransform:
        """From a homogeneous matrix (4, 4)."""
        m = np.asarray(matrix, dtype=np.float64)
        return RigidTransform(m[:3, :3].copy(), m[:3, 3].copy())

    def matrix(self) -> FloatArray:
        """Homogeneous matrix (4, 4)."""
        m = np.eye(4)
        m[:3, :3] = self.rotation
        m[:3, 3] = self.translation
        return m

    def quaternion(self) -> FloatArray:
        """Unit quaternion (x, y, z, w)."""
        return quaternion_from_rotation(self.rotation)

    def inverse(self) -> RigidTransform:
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """``a_from_b @ b_from_c`` is ``a_from_c``."""
        return RigidTransform(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: npt.ArrayLike) -> FloatArray:
        """Map points (..., 3) in metres."""
        mapped: FloatArray = np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation
        return mapped

    def rotate_covariance(self, covariance: FloatArray) -> FloatArray:
        """Express a covariance (3, 3) of a point in the target frame."""
        rotated: FloatArray = self.rotation @ covariance @ self.rotation.T
        return rotated


def interpolate(a: RigidTransform, b: RigidTransform, share: float) -> RigidTransform:
    """The transform at ``share`` in [0, 1] of the way from a to b: linear in translation, slerp in rotation, as tf2 does."""
    qa, qb = a.quaternion(), b.quaternion()
    dot = float(qa @ qb)
    if dot < 0:
        qb, dot = -qb, -dot
    if dot > 1 - 1e-9:
        q = qa + share * (qb - qa)
    else:
        angle = np.arccos(min(dot, 1.0))
        q = (np.sin((1 - share) * angle) * qa + np.sin(share * angle) * qb) / np.sin(angle)
    return RigidTransform(rotation_from_quaternion(q), (1 - share) * a.translation + share * b.translation)
