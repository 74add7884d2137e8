"""Boosting of small trees that ask the same questions of everybody, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
# Minus the first derivative of a loss and a positive second one, (N,) each, at the sums (N,) of the trees so far.
Slopes = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Boosting:
    """How trees are fitted.

    Attributes:
        trees, depth: how many, and how many questions each.
        rate: share of its Newton step that each tree takes.
        bins: thresholds tried of each feature are so many quantiles.
        ridge: added to the curvature in a leaf: few examples say little.
        share, tried: shares of the examples and of the features that a tree is fitted on, drawn by ``seed``.
        digits: of the numbers in the result.
    """

    trees: int = 240
    depth: int = 4
    rate: float = 0.12
    bins: int = 24
    ridge: float = 5.0
    share: float = 0.6
    tried: float = 0.5
    seed: int = 0
    digits: int = 5


def boosted(
    features: FloatArray, same: BoolArray, weight: FloatArray, boosting: Boosting
) -> tuple[float, IntArray, FloatArray, FloatArray]:
    """Trees for the logarithm of the odds of ``same``.

    Args:
        features, same, weight: (N, F), (N,), (N,) of the examples.

    Returns:
        The sum before the first tree, then (T, D) features asked, (T, D) thresholds, (T, 2**D) what each leaf adds.
    """
    chance = float(np.average(same, weights=weight))

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        said = 1 / (1 + np.exp(-total))
        return weight * (same - said), weight * said * (1 - said)

    return grown(features, float(np.log(chance / (1 - chance))), slopes, boosting)


def grown(
    features: FloatArray, start: float, slopes: Slopes, boosting: Boosting
) -> tuple[float, IntArray, FloatArray, FloatArray]:
    """Trees for a number of which a loss is to be least; ``features`` (N, F), and returns as ``boosted``."""
    rng = np.random.default_rng(boosting.seed)
    quantiles = np.linspace(0, 1, boosting.bins + 1)[1:-1]
    thresholds = [
        np.unique([float(f"{value:.{boosting.digits}g}") for value in np.quantile(column, quantiles)]) for column in features.T
    ]
    binned = np.stack([np.searchsorted(at, column) for at, column in zip(thresholds, features.T, strict=True)])
    # Small numbers: what is drawn of them is copied for each tree.
    binned = binned.astype(np.int16)
    count = len(features)
    start = round(start, boosting.digits)
    total, trees = np.full(count, start), []
    for _ in range(boosting.trees):
        everyone = slopes(total)
        some = np.flatnonzero(rng.random(count) < boosting.share)
        down, curve = (slope[some] for slope in everyone)
        asked: list[tuple[int, int]] = []
        leaf, drawn = np.zeros(len(some), dtype=np.intp), binned[:, some]
        for _ in range(boosting.depth):
            tried = rng.permutation(features.shape[1])[: max(1, round(boosting.tried * features.shape[1]))]
            column, at = _best(drawn, tried, leaf, down, curve, [len(t) for t in thresholds], boosting)
            asked.append((column, at))
            leaf = leaf * 2 + (drawn[column] > at)
        down_sum, curve_sum = (np.bincount(leaf, weights=x, minlength=2**boosting.depth) for x in (down, curve))
        added = np.round(boosting.rate * down_sum / (curve_sum + boosting.ridge), boosting.digits)
        everywhere = np.zeros(count, dtype=np.intp)
        for column, at in asked:
            everywhere = everywhere * 2 + (binned[column] > at)
        total = total + added[everywhere]
        trees.append(([column for column, _ in asked], [thresholds[column][at] for column, at in asked], added))
    feature, above, added_all = (np.array([tree[i] for tree in trees]) for i in range(3))
    return start, feature.astype(np.intp), above.astype(np.float64), added_all.astype(np.float64)


def _best(
    binned: npt.NDArray[np.int16],
    tried: IntArray,
    leaf: IntArray,
    down: FloatArray,
    curve: FloatArray,
    counts: list[int],
    boosting: Boosting,
) -> tuple[int, int]:
    """Feature and index of its threshold that, asked in all leaves at once, lower the loss most."""
    leaves = int(leaf.max()) + 1 if len(leaf) else 1
    best, found = -1.0, (int(tried[0]), 0)
    for column in tried.tolist():
        if not counts[column]:
            continue
        key, size = leaf * boosting.bins + binned[column], leaves * boosting.bins
        below = [
            np.cumsum(np.bincount(key, weights=x, minlength=size).reshape(leaves, boosting.bins), axis=1) for x in (down, curve)
        ]
        rest = [part[:, -1:] - part for part in below]
        gain = below[0] ** 2 / (below[1] + boosting.ridge) + rest[0] ** 2 / (rest[1] + boosting.ridge)
        summed = gain.sum(axis=0)[: counts[column]]
        at = int(summed.argmax())
        if summed[at] > best:
            best, found = float(summed[at]), (column, at)
    return found
