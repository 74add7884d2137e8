"""A sphere through points: a ball shows less than half of itself, so the box of its visible points is short and too near."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .rigid import FloatArray


def fit_sphere(points: npt.ArrayLike) -> tuple[FloatArray, float, float] | None:
    """Least-squares sphere: centre (3,), radius, and rms of the points' distances to it, in the points' unit.

    The algebraic fit (Coope 1993): linear in the centre and in r^2 - |c|^2. None for fewer than 10 points or a degenerate set.
    """
    p = np.asarray(points, dtype=np.float64)
    if len(p) < 10:
        return None
    mean = p.mean(axis=0)
    local = p - mean
    system = np.column_stack([2 * local, np.ones(len(p))])
    solution, _, rank, _ = np.linalg.lstsq(system, np.einsum("ij,ij->i", local, local), rcond=None)
    if rank < 4:
        return None
    squared = float(solution[3] + solution[:3] @ solution[:3])
    if squared <= 0:
        return None
    radius = float(np.sqrt(squared))
    residuals = np.linalg.norm(local - solution[:3], axis=1) - radius
    return mean + solution[:3], radius, float(np.sqrt(np.mean(residuals**2)))
