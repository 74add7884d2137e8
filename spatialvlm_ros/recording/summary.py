"""The figures of one episode, ready for JSON: NaN becomes null, because JSON knows no NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..evaluation.benchmark_file import plain
from ..reward.metrics import (
    coverage,
    error_summary,
    flicker,
    latency_percentiles,
    pair_ranking_accuracy,
    path_efficiency,
    value_order_correlation,
)
from ..scene.facts import METRE
from .episode import Episode, FactSeries

DISTANCES = ("distance", "gap", "horizontal_distance", "vertical_distance")


def summarize(episode: Episode) -> dict[str, Any]:
    """Frames, drops, errors and coverage of distances against the truth, order of the reward, latency.

    Lengths are metres. Overall figures pool all distances that have a truth (elevations of things that stand still would
    flatter them; ``facts`` holds everything one by one); ``tau_1cm`` is weighted by pairs. Both
    latencies are in milliseconds: ``latency_ms`` from the image's stamp (null when the recorder ran on another clock) and
    ``latency_after_image_ms`` from the image's own arrival.
    """
    judged = [series for series in episode.facts.values() if series.unit == METRE and np.isfinite(series.truth).any()]
    distances = [series for series in judged if series.query.relation in DISTANCES]
    value, truth, std = (
        np.concatenate([getattr(series, name) for series in distances]) if distances else np.zeros(0)
        for name in ("value", "truth", "std")
    )
    ranked = [pair_ranking_accuracy(series.value, series.truth) for series in distances]
    pairs = sum(count for _, count in ranked)
    tau = sum(share * count for share, count in ranked if count) / pairs if pairs else math.nan
    rewards = episode.rewards
    result: dict[str, Any] = {
        "frames": episode.frames,
        "dropped": episode.dropped,
        "distance_mae_m": error_summary(value, truth).mean_mm / 1000,
        "coverage_1sigma": coverage(value, truth, std, 1.0),
        "coverage_2sigma": coverage(value, truth, std, 2.0),
        "voc": math.nan if rewards is None else value_order_correlation(rewards.potential, rewards.stamp_ns),
        "tau_1cm": tau,
        "latency_ms": latency_percentiles(episode.latency_s),
        "latency_after_image_ms": latency_percentiles(episode.latency_after_image_s),
        "facts": {str(series.query): _fact_figures(series) for series in judged},
    }
    if rewards is not None:
        result["reward"] = {
            "task": rewards.task,
            "success": bool(rewards.success.any()),
            "final_potential": float(rewards.potential[-1]),
            "coverage": float(rewards.coverage[-1]),
            "path_efficiency": path_efficiency(rewards.potential),
            "flicker": flicker(rewards.potential),
        }
    cleaned: dict[str, Any] = plain(result)
    return cleaned


def _fact_figures(series: FactSeries) -> dict[str, Any]:
    errors = error_summary(series.value, series.truth)
    tau, pairs = pair_ranking_accuracy(series.value, series.truth)
    return {
        "frames": errors.num_frames,
        "measured": errors.num_frames - errors.num_missing,
        "mae_m": errors.mean_mm / 1000,
        "median_error_m": errors.median_mm / 1000,
        "p90_error_m": errors.p90_mm / 1000,
        "bias_m": float(np.nanmean(series.error)) if np.isfinite(series.error).any() else math.nan,
        "within_half_to_double": errors.within_half_to_double,
        "within_ten_percent": errors.within_ten_percent,
        "coverage_1sigma": coverage(series.value, series.truth, series.std, 1.0),
        "coverage_2sigma": coverage(series.value, series.truth, series.std, 2.0),
        "tau_1cm": tau,
        "tau_pairs": pairs,
    }
