"""How far off a decoder's length may be: the deviation of its own density, that of the measurement it reads, and their quarrel.

A decoder that reads measured things errs as they do. What the errors of two things share, and what the depth of their image was
like, the measurement's deviation knows and the decoder's density does not; only the density knows that it wavers between two
lengths. Where the decoder says another length than the one measured, one of the two is wrong, and neither deviation knows. Three
weights, fitted on things whose truth is known:

    std = sqrt((own * the density's deviation)^2 + (depth * the measurement's)^2 + (apart * how far apart both lengths are)^2)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Shares of the errors that one and two deviations should hold, and how far off either may be.
_HELD, _TOLERANCES = (0.6827, 0.9545), (0.05, 0.03)
_OWN, _DEPTH, _APART = np.linspace(0.0, 1.0, 11), np.linspace(0.1, 2.0, 96), np.linspace(0.0, 1.5, 16)


def joined(weights: Sequence[float], own_m: float, depth_m: float, apart_m: float) -> float:
    """The deviation of a length, metres.

    Args:
        weights: own, depth, apart; none where nothing was fitted, the first two alone in models of before there was a third.
        own_m: of the decoder's density.
        depth_m: of the same length as measured; NaN where there is no measurement, and the density's stands alone.
        apart_m: how far the decoder's length is from the one measured.
    """
    if not weights or not (math.isfinite(depth_m) and depth_m > 0 and math.isfinite(apart_m)):
        return own_m
    return math.hypot(*(weight * each for weight, each in zip(weights, (own_m, depth_m, apart_m), strict=False)))


def fit(
    own_m: npt.ArrayLike, depth_m: npt.ArrayLike, apart_m: npt.ArrayLike, error_m: npt.ArrayLike
) -> tuple[float, float, float]:
    """The weights with which the shares of errors (N,) within one and within two deviations are nearest to a normal law's.

    By the squares of how far they are off, in what they may be off: errors are a mixture, and no weights give both.

    Raises:
        ValueError: there are none that were measured.
    """
    squares = [np.square(np.asarray(each, np.float64)) for each in (own_m, depth_m, apart_m, error_m)]
    known = np.all(np.isfinite(squares), axis=0) & (squares[1] > 0)
    if not known.any():
        raise ValueError("no length was measured, so nothing can be fitted")
    own, depth, apart, error = (each[known] for each in squares)

    def missed(weights: tuple[float, float, float]) -> float:
        variance = weights[0] ** 2 * own + weights[1] ** 2 * depth + weights[2] ** 2 * apart
        shares = (np.count_nonzero(error <= count**2 * variance) / len(error) for count in (1, 2))
        return sum(((share - held) / most) ** 2 for share, held, most in zip(shares, _HELD, _TOLERANCES, strict=True))

    best = min(((float(a), float(b), float(c)) for a in _OWN for b in _DEPTH for c in _APART), key=missed)
    return round(best[0], 6), round(best[1], 6), round(best[2], 6)
