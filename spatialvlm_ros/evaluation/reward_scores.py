"""Figures of judged episodes: each metric with its confidence interval over whole episodes, and the baselines beside it.

An episode whose figure cannot be told is counted in ``num_nan`` and is never taken for 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from ..reward import metrics
from ..reward.metrics import Interval
from ..reward.task import Want
from ..scene.facts import METRE
from .reward_judge import Judged, Series, driving_query

FloatArray = npt.NDArray[np.float64]
MIN_DIFFERENCE_M = 0.01


def scores_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """All figures, those of the whole and those of each family and camera."""
    return {
        "episodes": [episode_row(item) for item in judged],
        "all": figures_of(judged),
        "by_family": {name: figures_of([j for j in judged if j.plan.family == name]) for name in families_of(judged)},
        "by_camera": {name: figures_of([j for j in judged if j.plan.camera == name]) for name in cameras_of(judged)},
        "baselines": baselines_of(judged),
    }


def families_of(judged: Iterable[Judged]) -> list[str]:
    return list(dict.fromkeys(item.plan.family for item in judged))


def cameras_of(judged: Iterable[Judged]) -> list[str]:
    return list(dict.fromkeys(item.plan.camera for item in judged))


def figures_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """Every metric over some episodes."""
    experts = [item for item in judged if item.expert]
    errors = [(item.true.distance, item.true.truth) for item in judged]
    distance, truth = (_joined([pair[i] for pair in errors]) for i in (0, 1))
    labels = [item.success for item in judged]
    scores = [final_score(item.true.potential) for item in judged]
    return {
        "episodes": len(judged),
        "experts": len(experts),
        "voc": _interval(voc(item.true.potential) for item in experts),
        "voc_reversed": _interval(voc(item.backwards.potential) for item in experts if item.backwards is not None),
        "instruction_gap_opposite": _interval(gap(item, item.opposite) for item in experts),
        "instruction_gap_other_thing": _interval(gap(item, item.other) for item in experts),
        "instruction_gap": _interval((gap(item, item.opposite) + gap(item, item.other)) / 2 for item in experts),
        "tau_1cm_potential": _interval(tau_potential(item, item.true.potential) for item in judged),
        "tau_1cm_distance": _interval(tau_distance(item.true) for item in judged),
        "path_efficiency": _interval(metrics.path_efficiency(finite(item.true.potential)) for item in experts),
        "flicker_mm": _interval(flicker_mm(item.true.distance, item.true) for item in judged),
        "flicker_potential": _interval(metrics.flicker(item.true.potential) for item in judged),
        "coverage_1_sigma": _interval(_covered(item, 1.0) for item in judged),
        "coverage_2_sigma": _interval(_covered(item, 2.0) for item in judged),
        "measured_share": _interval(item.true.coverage for item in judged),
        "error": asdict(metrics.error_summary(distance, truth)),
        "success": {
            "auroc": metrics.auroc(scores, labels),
            "false_positive_rate_at_95_recall": metrics.false_positive_rate_at_recall(scores, labels),
            "said": sum(item.true.success for item in judged),
            "true": sum(labels),
            "said_right": float(np.mean([item.true.success == item.success for item in judged])) if judged else math.nan,
        },
    }


def episode_row(item: Judged) -> dict[str, Any]:
    """One episode's figures."""
    return {
        "name": item.plan.name, "frames": len(item.true.potential), "success": item.success, "said": item.true.success,
        "final_potential": float(item.true.potential[-1]), "voc": voc(item.true.potential),
        "voc_reversed": math.nan if item.backwards is None else voc(item.backwards.potential),
        "voc_opposite": voc(item.opposite.potential), "voc_other_thing": voc(item.other.potential),
        "tau_1cm_potential": tau_potential(item, item.true.potential), "tau_1cm_distance": tau_distance(item.true),
        "error": asdict(metrics.error_summary(item.true.distance, item.true.truth)),
        "measured_share": item.true.coverage, "unmeasured": item.causes,
    }  # fmt: skip


# -- one episode ----------------------------------------------------------------------------------------------------------


def voc(potential: FloatArray) -> float:
    return metrics.value_order_correlation(potential)


def gap(item: Judged, contradictory: Series) -> float:
    return metrics.instruction_gap(item.true.potential, contradictory.potential)


def final_score(potential: FloatArray) -> float:
    """How far an episode came in the end, for ranking; the lowest score for one that was never measured."""
    known = finite(potential)
    return float(known[-1]) if len(known) else -1.0


def finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def tau_distance(series: Series) -> float:
    """tau_1cm of the published distance, over pairs of frames of one stage."""
    return _ranked(series.distance, series.truth, series.stage)


def tau_potential(item: Judged, potential: FloatArray) -> float:
    """tau_1cm of a potential: whether it ranks frames of one stage by how far the truth is from the goal.

    For stages that one length decides; what is beyond the goal is as good as the goal.
    """
    series, task = item.true, item.task
    still = np.full(len(series.truth), np.nan)
    for index, stage in enumerate(task.stages):
        goal = stage.goals[0]
        if len(stage.goals) != 1 or goal.unit != METRE or goal.query != driving_query(task, index):
            continue
        rows = series.stage == index
        sign = 1.0 if goal.want is Want.AT_MOST else -1.0
        still[rows] = np.maximum(0.0, sign * (series.truth[rows] - goal.target))
    return _ranked(potential, -still, series.stage)


def _ranked(values: FloatArray, truth: FloatArray, stage: npt.NDArray[np.int64]) -> float:
    right, pairs = 0.0, 0
    for index in np.unique(stage):
        share, count = metrics.pair_ranking_accuracy(values[stage == index], truth[stage == index], MIN_DIFFERENCE_M)
        if count:
            right, pairs = right + share * count, pairs + count
    return right / pairs if pairs else math.nan


def flicker_mm(distance: FloatArray, series: Series) -> float:
    """Noise of a distance from frame to frame, mm: of its error, so that true motion is none, within one stage."""
    error = np.where(np.isfinite(series.truth), distance - series.truth, np.nan)
    squares: list[FloatArray] = []
    for index in np.unique(series.stage):
        second = np.diff(error[series.stage == index], 2)
        squares.append(second[np.isfinite(second)] ** 2)
    joined = _joined(squares)
    return math.sqrt(float(joined.mean()) / 6) * 1000 if len(joined) else math.nan


def _covered(item: Judged, sigmas: float) -> float:
    return metrics.coverage(item.true.distance, item.true.truth, item.true.std, sigmas)


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _interval(values: Iterable[float]) -> dict[str, float]:
    return as_dict(metrics.mean_interval(list(values)))


def as_dict(interval: Interval) -> dict[str, float]:
    return {
        "mean": interval.value, "low": interval.low, "high": interval.high, "episodes": interval.num, "num_nan": interval.num_nan,
    }  # fmt: skip


# -- baselines ------------------------------------------------------------------------------------------------------------


def baselines_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """The same figures for the time, for the unfiltered distance of the gripper, and errors of the best constant."""
    return {
        "clock: the time is the potential": _baseline(judged, lambda item: np.arange(float(len(item.raw_m))), clock=True),
        "raw distance of the gripper to the thing, unfiltered, negative": _baseline(
            judged, lambda item: -item.raw_m, clock=False
        ),
        "best constant distance": _constant(judged),
    }


def _baseline(judged: Sequence[Judged], potential: Callable[[Judged], FloatArray], *, clock: bool) -> dict[str, Any]:
    """``clock``: it goes on however the images are ordered, and ends alike for all; else it is of the images."""
    experts = [item for item in judged if item.expert]
    # A score that counts frames would only tell how long an episode took.
    scores = [1.0 if clock else final_score(potential(item)) for item in judged]
    labels = [item.success for item in judged]
    return {
        "voc": _interval(voc(potential(item)) for item in experts),
        "voc_reversed": _interval(voc(potential(item)[:: 1 if clock else -1]) for item in experts),
        # It does not read the instruction.
        "instruction_gap": _interval(0.0 for _ in experts),
        "tau_1cm_potential": _interval(tau_potential(item, potential(item)) for item in judged),
        "path_efficiency": _interval(metrics.path_efficiency(finite(potential(item))) for item in experts),
        "auroc": metrics.auroc(scores, labels),
        "false_positive_rate_at_95_recall": metrics.false_positive_rate_at_recall(scores, labels),
    }


def _constant(judged: Sequence[Judged]) -> Mapping[str, Any]:
    """Errors of the one distance a stage and family that is best in hindsight: its median truth."""
    groups: dict[tuple[str, int], list[float]] = {}
    for item in judged:
        for stage, truth in zip(item.true.stage, item.true.truth, strict=True):
            groups.setdefault((item.plan.family, int(stage)), []).append(float(truth))
    guessed, true = [], []
    for values in groups.values():
        known = [value for value in values if math.isfinite(value)]
        true += known
        guessed += [float(np.median(known))] * len(known) if known else []
    return asdict(metrics.error_summary(guessed, true))
