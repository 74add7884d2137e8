"""Pictures of labelled episodes: reward_000.png and so on, drawn as the demo's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..scene.facts import Query
from .episode import Episode, FactSeries, RewardSeries
from .label_rows import LabelledFrame
from .plots import plot_episode


class PlotOutput:
    """Keeps the numbers of one episode at a time and draws it at its end."""

    def __init__(self, folder: Path, bag: str) -> None:
        self._folder, self._bag = folder, Path(bag)
        self._frames: list[LabelledFrame] = []

    def add(self, frame: LabelledFrame) -> None:
        if self._frames and frame.episode_index != self._frames[0].episode_index:
            self._draw()
        self._frames.append(replace(frame, material=None))

    def close(self) -> None:
        if self._frames:
            self._draw()

    def _draw(self) -> None:
        index = self._frames[0].episode_index
        plot_episode(episode_of(self._frames, self._bag), self._folder / f"reward_{index:03d}.png")
        self._frames = []


def episode_of(frames: list[LabelledFrame], bag: Path) -> Episode:
    """Arrays of the labels of one episode; no truth, no latency."""
    nothing = np.full(len(frames), np.nan)
    return Episode(bag, _facts(frames), _rewards(frames), len(frames), 0, nothing, nothing)


def _facts(frames: list[LabelledFrame]) -> dict[Query, FactSeries]:
    stamps = np.array([frame.sample.stamp_ns for frame in frames], dtype=np.int64)
    series = {}
    for column, first in enumerate(frames[0].facts):
        facts = [frame.facts[column] for frame in frames]
        value, std = (np.array([getattr(fact, name) for fact in facts], dtype=np.float64) for name in ("value", "std"))
        status = np.array([int(fact.status) for fact in facts], dtype=np.int64)
        unknown = np.full(len(facts), np.nan)
        series[first.query] = FactSeries(first.query, first.unit, stamps, value, std, status, unknown)
    return series


def _rewards(frames: list[LabelledFrame]) -> RewardSeries:
    samples = [frame.sample for frame in frames]

    def floats(name: str) -> np.ndarray:
        return np.array([getattr(sample, name) for sample in samples], dtype=np.float64)

    def ints(name: str) -> np.ndarray:
        return np.array([int(getattr(sample, name)) for sample in samples], dtype=np.int64)

    stages = {sample.stage_index: sample.stage for sample in samples}
    return RewardSeries(
        samples[0].task, tuple(stages[index] for index in sorted(stages)), tuple(sample.stage for sample in samples),
        ints("stamp_ns"), ints("stage_index"), ints("status"), np.array([sample.success for sample in samples]),
        floats("reward"), floats("potential"), floats("potential_std"), floats("progress"), floats("distance"), floats("std"),
        floats("coverage"),
    )  # fmt: skip
