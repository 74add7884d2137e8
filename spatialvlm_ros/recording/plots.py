"""The picture of an episode: what was measured, what was true, what the reward made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..scene.facts import METRE, Query, Status
from .episode import Episode, FactSeries, RewardSeries

# Okabe and Ito (2008): distinct for the common kinds of colour blindness
_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, _RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
_COLORS = (_BLUE, _RED, _PURPLE, _GREEN)
_STAGE_SHADES = ("#f2f2f2", "#ffffff")
_HELD = 2


def plot_episode(episode: Episode, path: str | Path, *, queries: Sequence[Query] | None = None, max_facts: int = 3) -> Path:
    """Write a PNG: one panel a fact (those that drive the reward, unless ``queries`` says which), one for the reward.

    Raises ImportError that says what to install, ValueError when the episode has neither facts nor rewards.
    """
    pyplot = _pyplot()
    chosen = _choose(episode, queries, max_facts)
    rewards = episode.rewards if episode.rewards is not None and len(episode.rewards.stamp_ns) else None
    rows = len(chosen) + (rewards is not None)
    if rows == 0:
        raise ValueError(f"{episode.path} holds no facts in metres and no rewards; there is nothing to plot")
    heights = [1.0] * len(chosen) + [1.25] * (rewards is not None)
    figure, axes = pyplot.subplots(
        rows, 1, sharex=True, squeeze=False, figsize=(10, 0.9 + 2.2 * sum(heights)), height_ratios=heights, layout="constrained"
    )
    panels = list(axes[:, 0])
    for index, (axis, series) in enumerate(zip(panels, chosen, strict=False)):
        _draw_fact(axis, series, episode.start_ns, _COLORS[index % len(_COLORS)])
    if rewards is not None:
        _draw_reward(panels[-1], rewards, episode.start_ns)
        _draw_stages(panels, rewards, episode.start_ns)
    panels[-1].set_xlabel("time since the first image [s]")
    figure.suptitle(rewards.task if rewards is not None and rewards.task else episode.path.name, fontsize=13, fontweight="bold")
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return Path(path)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("plots need the package 'matplotlib': pip install 'spatialvlm_ros[recording]'") from error
    matplotlib.use("Agg")  # no display on a robot
    from matplotlib import pyplot

    return pyplot


def _choose(episode: Episode, queries: Sequence[Query] | None, most: int) -> list[FactSeries]:
    """Facts to show: as asked for, else those with a truth first, in the order of recording (the order of the stages)."""
    if queries is not None:
        return [episode.facts[query] for query in queries if query in episode.facts]
    lengths = [s for s in episode.facts.values() if s.unit == METRE and np.isfinite(s.value).any()]
    # sorted() is stable: within each group the order of recording stays
    return sorted(lengths, key=lambda s: not np.isfinite(s.truth).any())[:most]


def _seconds(stamp_ns: Any, start_ns: int) -> Any:
    return (np.asarray(stamp_ns, dtype=np.int64) - start_ns) * 1e-9


def _draw_fact(axis: Any, series: FactSeries, start_ns: int, color: str) -> None:
    time = _seconds(series.stamp_ns, start_ns)
    for sigmas, alpha in ((2, 0.15), (1, 0.28)):
        axis.fill_between(
            time, series.value - sigmas * series.std, series.value + sigmas * series.std,
            color=color, alpha=alpha, linewidth=0, label=f"±{sigmas} σ",
        )  # fmt: skip
    axis.plot(time, series.value, color=color, linewidth=1.4, label="measured")
    if np.isfinite(series.truth).any():
        axis.plot(time, series.truth, color="black", linewidth=1.2, linestyle=(0, (4, 2)), label="truth")
    hidden = series.status == Status.OCCLUDED
    if hidden.any():
        axis.plot(
            time[hidden], series.value[hidden], "o", color=color, fillstyle="none", markersize=4, label="hidden: last place"
        )
    missing = ~np.isfinite(series.value)
    if missing.any():
        low = axis.get_ylim()[0]
        axis.plot(
            time[missing], np.full(int(missing.sum()), low), "|", color=_ORANGE, markersize=7, label="not measured", clip_on=False
        )
    axis.set_ylabel("metres")
    axis.set_title(str(series.query), loc="left", fontsize=10)
    _finish(axis)


def _draw_reward(axis: Any, rewards: RewardSeries, start_ns: int) -> None:
    time = _seconds(rewards.stamp_ns, start_ns)
    low, high = (np.clip(rewards.potential + sign * rewards.potential_std, 0, 1) for sign in (-1, 1))
    axis.fill_between(time, low, high, color=_GREEN, alpha=0.25, linewidth=0, label="±1 σ")
    axis.plot(time, rewards.progress, color="0.45", linewidth=1.0, linestyle=":", label="best so far")
    axis.plot(time, rewards.potential, color=_GREEN, linewidth=1.8, label="potential Φ")
    held = rewards.status == _HELD
    if held.any():
        axis.plot(time[held], rewards.potential[held], "s", color=_ORANGE, markersize=4, label="held: a fact is missing")
    if rewards.success.any():
        first = int(np.argmax(rewards.success))
        axis.axvline(time[first], color=_RED, linewidth=1.0, linestyle="--")
        axis.plot(time[first], rewards.potential[first], "*", color=_RED, markersize=15, label=f"success at {time[first]:.1f} s")
    axis.set_ylim(-0.03, 1.08)
    axis.set_ylabel("potential")
    axis.set_title("reward", loc="left", fontsize=10)
    _finish(axis)


def _runs(stages: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(first, last) index of each run of one stage; frames without a stage are left out."""
    start = 0
    for index in range(1, len(stages) + 1):
        if index == len(stages) or stages[index] != stages[start]:
            if stages[start]:
                yield start, index - 1
            start = index


def _draw_stages(panels: Sequence[Any], rewards: RewardSeries, start_ns: int) -> None:
    time = _seconds(rewards.stamp_ns, start_ns)
    runs = list(_runs(rewards.stage))
    total = max(float(time[-1] - time[runs[0][0]]), 1e-9) if runs else 1.0
    for index, (first, last) in enumerate(runs):
        end = time[min(last + 1, len(time) - 1)]
        shade = _STAGE_SHADES[index % 2]
        for axis in panels:
            axis.axvspan(time[first], end, color=shade, zorder=-10, linewidth=0)
            axis.axvline(time[first], color="0.8", linewidth=0.6, zorder=-9)
        # A name that is wider than its stage would be written over the next one.
        if (end - time[first]) / total > 0.011 * len(rewards.stage[first]):
            panels[0].annotate(
                rewards.stage[first], ((time[first] + end) / 2, 1.0), xycoords=("data", "axes fraction"),
                xytext=(0, -4), textcoords="offset points", ha="center", va="top", fontsize=9, color="0.35",
            )  # fmt: skip
    # Frames before the task was set tell nothing about it.
    begin = time[runs[0][0]] if runs else time[0]
    panels[0].set_xlim(begin, max(float(time[-1]), float(begin) + 0.1))


def _finish(axis: Any) -> None:
    axis.grid(True, color="0.88", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
