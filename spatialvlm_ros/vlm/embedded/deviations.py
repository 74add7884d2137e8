"""How far off a decoder's length may be: the deviation of its own density and that of the measurement it reads, joined.

A decoder that reads measured things errs as they do. What the errors of two things share, and what the depth of their image was
like, the measurement's deviation knows and the decoder's density does not; only the density knows that it wavers between two
lengths. Two weights, fitted on things whose truth is known:

    std = hypot(own * the density's deviation, depth * the measurement's)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Shares of the errors that one and two deviations should hold, and how far off either may be.
_HELD, _TOLERANCES = (0.6827, 0.9545), (0.05, 0.03)
_OWN, _DEPTH = np.linspace(0.0, 1.0, 21), np.linspace(0.1, 2.0, 96)


def joined(weights: Sequence[float], own_m: float, depth_m: float) -> float:
    """The deviation of a length, metres.

    Args:
        weights: own, depth; none where nothing was fitted.
        own_m: of the decoder's density.
        depth_m: of the same length as measured; NaN where there is no measurement, and the density's stands alone.
    """
    if not weights or not (math.isfinite(depth_m) and depth_m > 0):
        return own_m
    own, depth = weights
    return math.hypot(own * own_m, depth * depth_m)


def fit(own_m: npt.ArrayLike, depth_m: npt.ArrayLike, error_m: npt.ArrayLike) -> tuple[float, float]:
    """The weights with which the shares of errors (N,) within one and within two deviations are nearest to a normal law's.

    By the squares of how far they are off, in what they may be off: errors are a mixture, and no weights give both.

    Raises:
        ValueError: there are none that were measured.
    """
    own, depth, error = (np.asarray(each, np.float64) for each in (own_m, depth_m, error_m))
    known = np.isfinite(own) & np.isfinite(depth) & np.isfinite(error) & (depth > 0)
    if not known.any():
        raise ValueError("no length was measured, so nothing can be fitted")
    own, depth, error = own[known], depth[known], np.abs(error[known])

    def missed(weights: tuple[float, float]) -> float:
        stds = error / np.hypot(weights[0] * own, weights[1] * depth)
        shares = (float((stds <= count).mean()) for count in (1, 2))
        return sum(((share - held) / most) ** 2 for share, held, most in zip(shares, _HELD, _TOLERANCES, strict=True))

    best = min(((float(a), float(b)) for a in _OWN for b in _DEPTH), key=missed)
    return round(best[0], 6), round(best[1], 6)
