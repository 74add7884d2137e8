"""How good a reward and the distances behind it are.

No single number says it: a reward can rank whole episodes well and centimetres badly, so they are reported beside
each other. Arrays are (N,), one value a frame; NaN means "not measured" and is counted, never replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T")
_PAIR_ROWS = 512


def _floats(values: npt.ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as floats, where both are finite. Raises ValueError when their shapes differ."""
    x, y = _floats(a), _floats(b)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"expected two (N,) arrays of one length, got {x.shape} and {y.shape}")
    finite = np.isfinite(x) & np.isfinite(y)
    return x[finite], y[finite]


# -- order
# --------------------------------------------------------------------------------------------------------------


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Rank correlation over the frames where both are finite, ties at their mean rank.

    NaN for a constant or under 2 frames.
    """
    x, y = _pair(a, b)
    if len(x) < 2:
        return math.nan
    rank_x, rank_y = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    norm = math.sqrt(float(rank_x @ rank_x) * float(rank_y @ rank_y))
    return float(rank_x @ rank_y) / norm if norm > 0 else math.nan


def value_order_correlation(potential: npt.ArrayLike, time: npt.ArrayLike | None = None) -> float:
    """VOC: Spearman correlation of the potential with time on an expert's episode.

    1 is best; NaN when it cannot be told.
    """
    values = _floats(potential)
    return spearman(values, np.arange(len(values), dtype=np.float64) if time is None else time)


def instruction_gap(potential: npt.ArrayLike, contradictory: npt.ArrayLike) -> float:
    """VOC of an expert's episode under its own instruction less VOC of the same images under a contradictory one, in [-2, 2].

    0 for a reward that looks at the clock alone. NaN when either cannot be told.
    """
    return value_order_correlation(potential) - value_order_correlation(contradictory)


def pair_ranking_accuracy(estimate: npt.ArrayLike, truth: npt.ArrayLike, min_difference: float = 0.01) -> tuple[float, int]:
    """tau_1cm: share of pairs, whose truth differs by more than ``min_difference``, that the estimate ranks the right
    way.

    A tie in the estimate is worth one half, so that a constant scores chance. Returns (share, number of pairs); (NaN,
    0) without such a pair.
    """
    est, true = _pair(estimate, truth)
    right, pairs = 0.0, 0
    for start in range(0, len(est), _PAIR_ROWS):
        rows = slice(start, start + _PAIR_ROWS)
        true_difference = true[rows, None] - true[None, :]
        # each pair once, in the direction in which its truth grows
        counted = true_difference > min_difference
        est_difference = (est[rows, None] - est[None, :])[counted]
        right += float(np.count_nonzero(est_difference > 0)) + 0.5 * float(np.count_nonzero(est_difference == 0))
        pairs += int(np.count_nonzero(counted))
    return (right / pairs, pairs) if pairs else (math.nan, 0)


def path_efficiency(potential: npt.ArrayLike) -> float:
    """Net change over total variation, in [-1, 1]: 1 when it only rises. NaN when it never changes."""
    steps = np.diff(_floats(potential)[np.isfinite(_floats(potential))])
    total = float(np.abs(steps).sum())
    return float(steps.sum()) / total if total > 0 else math.nan


def flicker(potential: npt.ArrayLike) -> float:
    """Standard deviation of the noise a frame: RMS of second differences / sqrt(6), which white noise of that std
    would have.

    Slow changes do not count. NaN under 3 finite frames.
    """
    values = _floats(potential)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.diff(values, 2) ** 2) / 6)) if len(values) >= 3 else math.nan


# -- size
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of an estimate. Lengths in mm when made from metres; shares in [0, 1]; NaN when nothing was measured."""

    num_frames: int
    num_missing: int
    mean_mm: float
    median_mm: float
    p90_mm: float
    within_half_to_double: float
    within_ten_percent: float


def error_summary(estimate_m: npt.ArrayLike, truth_m: npt.ArrayLike) -> ErrorSummary:
    """Absolute errors, and the shares of estimate / truth in [0.5, 2] and [0.9, 1.1] (limits included)."""
    est, true = _pair(estimate_m, truth_m)
    num = len(_floats(estimate_m))
    if len(est) == 0:
        return ErrorSummary(num, num, *[math.nan] * 5)
    error_mm = np.abs(est - true) * 1000
    positive = true > 0
    ratio = est[positive] / true[positive]

    def share(low: float, high: float) -> float:
        # a billionth keeps the limits in, which 0.45 / 0.5 misses by rounding
        inside = (ratio >= low * (1 - 1e-9)) & (ratio <= high * (1 + 1e-9))
        return float(np.mean(inside)) if len(ratio) else math.nan

    median, p90 = np.percentile(error_mm, [50, 90])
    return ErrorSummary(
        num, num - len(est), float(error_mm.mean()), float(median), float(p90), share(0.5, 2.0), share(0.9, 1.1)
    )  # fmt: skip


def coverage(estimate: npt.ArrayLike, truth: npt.ArrayLike, std: npt.ArrayLike, sigmas: float) -> float:
    """Share of frames with the truth within ``sigmas`` stated standard deviations.

    Calibrated: .683 at 1, .954 at 2.
    """
    est, true, sd = _floats(estimate), _floats(truth), _floats(std)
    if not est.shape == true.shape == sd.shape:
        raise ValueError(f"expected three (N,) arrays of one length, got {est.shape}, {true.shape} and {sd.shape}")
    finite = np.isfinite(est) & np.isfinite(true) & np.isfinite(sd)
    inside = np.abs(est - true)[finite] <= sigmas * sd[finite]
    return float(np.mean(inside)) if len(inside) else math.nan


# -- success
# ------------------------------------------------------------------------------------------------------------


def _scores_and_labels(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    values, truth = _floats(scores), np.asarray(labels, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise ValueError(f"expected (N,) scores and labels, got {values.shape} and {truth.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite; give an episode without a score the lowest one")
    return values, truth


def auroc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Probability that a success scores above a failure, ties one half (Mann-Whitney). NaN without both kinds."""
    values, truth = _scores_and_labels(scores, labels)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if positives == 0 or negatives == 0:
        return math.nan
    rank_sum = float(rankdata(values)[truth].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def false_positive_rate_at_recall(scores: npt.ArrayLike, labels: npt.ArrayLike, recall: float = 0.95) -> float:
    """Share of failures at or above the highest threshold that still finds ``recall`` of the successes.

    NaN without both.
    """
    values, truth = _scores_and_labels(scores, labels)
    successes = np.sort(values[truth])[::-1]
    if len(successes) == 0 or len(successes) == len(values):
        return math.nan
    threshold = successes[math.ceil(recall * len(successes) - 1e-9) - 1]
    return float(np.mean(values[~truth] >= threshold))


# -- time and confidence
# --------------------------------------------------------------------------------------------------


def latency_percentiles(latency_s: npt.ArrayLike) -> dict[str, float]:
    """p50, p95, p99 and max in milliseconds; NaN without a finite one."""
    values = _floats(latency_s)
    values = values[np.isfinite(values)] * 1000
    if len(values) == 0:
        return dict.fromkeys(("p50", "p95", "p99", "max"), math.nan)
    p50, p95, p99 = (float(value) for value in np.percentile(values, [50, 95, 99]))
    return {"p50": p50, "p95": p95, "p99": p99, "max": float(values.max())}


@dataclass(frozen=True)
class Interval:
    """A statistic with the limits of its confidence interval.

    ``num_nan`` inputs could not be told and are in none of them.
    """

    value: float
    low: float
    high: float
    num: int
    num_nan: int = 0


def bootstrap(
    episodes: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    *,
    level: float = 0.95,
    repeats: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over whole episodes: frames of one episode are not independent.

    The same seed, the same interval.
    """
    if not episodes:
        return Interval(math.nan, math.nan, math.nan, 0)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(episodes), size=(repeats, len(episodes)))
    values = np.array([statistic([episodes[i] for i in draw]) for draw in draws])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)]) if len(values) else (math.nan, math.nan)
    return Interval(statistic(episodes), float(low), float(high), len(episodes))


def mean_interval(values: npt.ArrayLike, *, level: float = 0.95, repeats: int = 1000, seed: int = 0) -> Interval:
    """Mean of one value an episode over those that have one; episodes with NaN are counted in ``num_nan``."""
    all_values = _floats(values)
    finite = [float(value) for value in all_values[np.isfinite(all_values)]]
    found = bootstrap(finite, lambda part: float(np.mean(part)), level=level, repeats=repeats, seed=seed)
    return Interval(found.value, found.low, found.high, found.num, len(all_values) - len(finite))
