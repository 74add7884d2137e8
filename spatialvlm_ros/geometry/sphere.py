"""A sphere through points: a ball shows less than half of itself, so the box of its visible points is short and too near."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .rigid import FloatArray, cross, norm, norms


def fit_sphere(points: npt.ArrayLike) -> tuple[FloatArray, float, float] | None:
    """Least-squares sphere: centre (3,), radius, and rms of the points' distances to it, in the points' unit.

    The algebraic fit (Coope 1993): linear in the centre and in r^2 - |c|^2. None for fewer than 10 points or a degenerate set.
    """
    p = np.asarray(points, dtype=np.float64)
    if len(p) < 10:
        return None
    mean = p.mean(axis=0)
    local = p - mean
    system = np.ones((len(p), 4))
    np.multiply(local, 2, out=system[:, :3])
    solution, _, rank, _ = np.linalg.lstsq(system, np.einsum("ij,ij->i", local, local), rcond=None)
    if rank < 4:
        return None
    squared = float(solution[3] + solution[:3] @ solution[:3])
    if squared <= 0:
        return None
    radius = float(np.sqrt(squared))
    return mean + solution[:3], radius, _rms(norms(local - solution[:3]) - radius)


def fit_resting_sphere(points: npt.ArrayLike, plane: FloatArray) -> tuple[FloatArray, float, float] | None:
    """Least-squares sphere that touches a plane from above; centre, radius and rms as ``fit_sphere``.

    A cap of a sphere tells its radius badly where noise is shared by neighbouring points; that it lies on something known leaves
    three unknowns of four. Linear in the radius and in a step of the centre along the plane; three steps are enough.

    Args:
        plane: (4,) unit normal and offset, n . p + offset is the height of p.
    """
    p = np.asarray(points, dtype=np.float64)
    if len(p) < 10:
        return None
    normal = plane[:3]
    first = cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    first /= norm(first)
    basis = np.stack([first, cross(normal, first)])
    height, level = p @ normal + plane[3], p @ basis.T
    place, radius = level.mean(axis=0), 0.0
    for _ in range(3):
        local = level - place
        system = np.column_stack([local, height])
        # Of the normal equations: three unknowns of many points.
        solution, _, rank, _ = np.linalg.lstsq(2 * system.T @ system, system.T @ (system**2).sum(axis=1), rcond=None)
        if rank < 3:
            return None
        place, radius = place + solution[:2], float(solution[2])
    if radius <= 0:
        return None
    centre: FloatArray = place @ basis + (radius - float(plane[3])) * normal
    return centre, radius, _rms(norms(p - centre) - radius)


def _rms(values: FloatArray) -> float:
    return math.sqrt(np.add.reduce(values * values) / len(values))
