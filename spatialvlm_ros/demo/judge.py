"""Judges a recorded episode against the truth that the simulator published beside it, after the fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..recording.bag_reader import BagReader
from ..recording.episode import Episode, load_episode
from ..recording.summary import DISTANCES, summarize
from ..scene.facts import Query

_TRUTH_TOPIC = "/sim/ground_truth"
# A thing rests on another when its bottom is within this of the other's top.
_REST_M = 0.005


def judge_episode(bag: Path, goals: list[Query], pictures: Path | None) -> dict[str, Any]:
    """Figures of an episode; with ``pictures`` also reward.png and overlay.mp4 there.

    ``goal_holds_in_truth`` is None when a goal is of a kind that truth does not tell.
    """
    episode = load_episode(bag)
    truth = final_truth(bag)
    verdicts = [_holds(goal, truth) for goal in goals]
    summary = summarize(episode)
    summary["goal_holds_in_truth"] = None if None in verdicts else all(verdicts)
    summary["constant_mae_m"] = _best_constant_mae(episode)
    if pictures is not None:
        from ..recording.overlay import render_overlay
        from ..recording.plots import plot_episode

        plot_episode(episode, pictures / "reward.png")
        render_overlay(bag, pictures / "overlay.mp4", overwrite=True)
    return summary


def final_truth(bag: Path) -> dict[Query, float]:
    """The last value of each true fact in a bag; empty for a bag without truth."""
    values: dict[Query, float] = {}
    with BagReader(bag) as reader:
        if _TRUTH_TOPIC not in reader.topics():
            return values
        for item in reader.messages([_TRUTH_TOPIC]):
            for fact in item.message.facts:
                values[Query(fact.relation, fact.subject, fact.object)] = float(fact.value)
    return values


def _holds(goal: Query, truth: dict[Query, float]) -> bool | None:
    """Whether "x on y" holds in truth: x's middle over y, x's bottom at y's top. None for goals of another kind."""
    if goal.relation != "on":
        return None
    apart = truth.get(Query("horizontal_distance", goal.subject, goal.object))
    if apart is None:
        apart = truth.get(Query("horizontal_distance", goal.object, goal.subject))
    bottom, top = truth.get(Query("elevation", goal.subject)), truth.get(Query("height", goal.object))
    base = truth.get(Query("elevation", goal.object))
    if apart is None or bottom is None or top is None or base is None:
        return None
    return abs(bottom - base - top) < _REST_M and apart < 0.06


def _best_constant_mae(episode: Episode) -> float:
    """Baseline: the error of answering every distance with the median of the truth, which no blind guess beats."""
    truths = [s.truth[np.isfinite(s.truth)] for s in episode.facts.values() if s.query.relation in DISTANCES]
    pooled = np.concatenate(truths) if truths else np.zeros(0)
    return float(np.mean(np.abs(pooled - np.median(pooled)))) if len(pooled) else float("nan")
