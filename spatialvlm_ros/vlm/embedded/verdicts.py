"""A comparison decided by two that read the same measurements: depth's margin in its standard deviations, and the decoder.

Depth's deviations have to cover the few things that are measured far worse than they look, so that a margin of one and a half of
them is right as often as one of two should be. How often is fitted on things whose truth is known, one fit a dimension:

    P(holds) = lapse + (1 - 2 lapse) Phi(depth * margin + own * Phi^-1(the decoder's probability))

where ``lapse`` is how often a thing is not what it seems to be at all, however clear the margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...scene.dimensions import DIMENSIONS

Floats = npt.NDArray[np.float64]
# Nothing is surer than so many standard deviations.
_MOST = 8.0
_STARTS = ((0.6, 0.6), (1.5, 0.2), (0.2, 1.5))
_LAPSES = (1e-6, 0.02)


def dimension_of(relation: str) -> str:
    """ "tall_or_short" of each relation that compares two things along it; "" for others."""
    for first, second in (dimension.words for dimension in DIMENSIONS):
        if relation in (first, second, f"which_{first}", f"which_{second}", f"{first}_or_{second}"):
            return f"{first}_or_{second}"
    return ""


def joined(weights: Sequence[float], margin: npt.ArrayLike, own: npt.ArrayLike) -> Floats:
    """Probability that a comparison holds.

    Args:
        weights: depth, own, lapse.
        margin: depth's, in its standard deviations, above 0 where the comparison holds.
        own: the decoder's probability that it does.
    """
    from scipy.special import ndtr

    depth, decoder, lapse = weights
    return np.asarray(lapse + (1 - 2 * lapse) * ndtr(depth * _held(margin) + decoder * _stds(own)))


def fit(margin: npt.ArrayLike, own: npt.ArrayLike, holds: npt.ArrayLike) -> tuple[float, float, float]:
    """The weights of greatest likelihood for comparisons (N,) that hold or do not.

    Raises:
        ValueError: there are none whose margin is a number.
    """
    from scipy.optimize import minimize
    from scipy.special import ndtr

    known = np.isfinite(np.asarray(margin, np.float64)) & np.isfinite(np.asarray(own, np.float64))
    if not known.any():
        raise ValueError("no comparison has a margin and a probability, so nothing can be fitted")
    sign = np.where(np.asarray(holds, bool)[known], 1.0, -1.0)
    depth, decoder = sign * _held(np.asarray(margin)[known]), sign * _stds(np.asarray(own)[known])

    def loss(weights: Floats) -> float:
        right = weights[2] + (1 - 2 * weights[2]) * ndtr(weights[0] * depth + weights[1] * decoder)
        return float(-np.log(right).mean())

    bounds = [(0.0, 4.0), (0.0, 4.0), _LAPSES]
    found = [minimize(loss, (*start, 0.005), method="L-BFGS-B", bounds=bounds) for start in _STARTS]
    best = min(found, key=lambda each: float(each.fun)).x
    return float(best[0]), float(best[1]), float(best[2])


def verdict(fitted: Mapping[str, Sequence[float]], relation: str, margin: float, own: float) -> float | None:
    """``joined`` of a relation; None where nothing was fitted to it."""
    weights = fitted.get(dimension_of(relation))
    return None if weights is None else float(joined(weights, margin, own))


def _held(margin: npt.ArrayLike) -> Floats:
    return np.clip(np.asarray(margin, np.float64), -_MOST, _MOST)


def _stds(probability: npt.ArrayLike) -> Floats:
    from scipy.special import ndtri

    return _held(ndtri(np.asarray(probability, np.float64)))
