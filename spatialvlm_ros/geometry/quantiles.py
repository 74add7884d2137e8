"""Quantiles of some hundred numbers: ``np.quantile`` and ``np.median`` spend most of their time on what is not needed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def linear_quantiles(values: npt.NDArray[np.floating], shares: Sequence[float]) -> npt.NDArray[np.float64]:
    """Quantiles (S, ...) along the last axis of values (..., N), N > 0, without NaN: what ``np.quantile`` gives.

    Linear between two neighbours, from the nearer one of them, as NumPy's default method is (type 7 of Hyndman and Fan 1996); of
    float64 bit by bit, of float32 as NumPy 2 does it, which NumPy 1 rounds to float32.
    """
    count = values.shape[-1]
    at = [share * (count - 1) for share in shares]
    below = [int(x) for x in at]
    above = [min(i + 1, count - 1) for i in below]
    # Few values are sorted faster than they are parted.
    ordered = np.sort(values, axis=-1) if count < 300 else np.partition(values, sorted({*below, *above}), axis=-1)
    found = np.empty((len(at), *values.shape[:-1]))
    for row, (x, i, j) in enumerate(zip(at, below, above, strict=True)):
        low, high, part = ordered[..., i], ordered[..., j], np.float64(x - i)
        found[row] = low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
    return found


def middle(values: npt.NDArray[np.floating]) -> np.floating:
    """Median of values (N,), N > 0, without NaN, in their own type: bit by bit what ``np.median`` gives."""
    half, is_odd = divmod(len(values), 2)
    if is_odd:
        found: np.floating = np.partition(values, half)[half]
        return found
    parted = np.partition(values, (half - 1, half))
    between: np.floating = (parted[half - 1] + parted[half]) / 2
    return between
