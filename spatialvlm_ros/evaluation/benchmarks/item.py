"""What all public benchmarks have in common: questions about pictures, each answer marked from 0 to 1 by the benchmark's rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


class BenchmarkDataError(ValueError):
    """A local copy that cannot be scored. The text says what is missing, where, and how to get it."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        key: names the question within its benchmark.
        image: names what is shown; questions about one image are asked together, and the bootstrap draws images.
        show: gives the picture (H, W, 3) uint8, RGB; raises BenchmarkDataError where it cannot be read.
        prompt: what the model is asked.
        truth: what the rule compares with.
        group: category that the benchmark reports by itself.
        reference: an answer in words that the rule takes for right; best constants are drawn from these.
        choices: all answers that a guess is drawn from, e.g. ("A", "B"); () where answers are free.
        extra: whatever else the rule needs.
    """

    key: str
    image: str
    show: Callable[[], Picture]
    prompt: str
    truth: str
    group: str
    reference: str
    choices: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Mark:
    """One answer by the rule.

    Attributes:
        score: 0 to 1.
        read: what the rule took from the words; "" for nothing.
        figures: further figures of this answer, averaged over the answers that have them (e.g. a relative error).
    """

    score: float
    read: str = ""
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class LoadOptions:
    """How a copy is read.

    Attributes:
        split: one of the benchmark's; "" for its first.
        frames: pictures taken from a video, evenly over its length.
        limit: the first N images only; 0 for all.
    """

    split: str = ""
    frames: int = 8
    limit: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 64:
            raise BenchmarkDataError(f"{self.frames} frames of a video: give 1 to 64")
        if self.limit < 0:
            raise BenchmarkDataError(f"a limit of {self.limit} images: give 0 for all, or more")


#: Scores of each group, in the order of the groups.
Grouped = Mapping[str, Sequence[float]]


def mean_of_all(groups: Grouped) -> dict[str, float]:
    """Every question counts alike."""
    scores = [score for part in groups.values() for score in part]
    return {"overall": float(np.mean(scores))} if scores else {}


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, where its data and its rules come from, and its rules as functions.

    Attributes:
        name: as the command takes it.
        splits: of the data; the first is the default.
        licence: of the data, as its source states it.
        get: how to get a copy.
        sources: what the format and the rules were read from.
        rules: the rules in words, one sentence each.
        departures: where this differs from what the authors ran, and figures from published ones.
        load: (folder, options) -> items; raises BenchmarkDataError.
        mark: (item, answer) -> mark; never raises on what an answer may hold.
        overall: scores by group -> the benchmark's own totals.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    licence: str
    get: str
    sources: tuple[str, ...]
    rules: tuple[str, ...]
    load: Callable[[Path, LoadOptions], list[Item]]
    mark: Callable[[Item, str], Mark]
    departures: tuple[str, ...] = ()
    overall: Callable[[Grouped], dict[str, float]] = mean_of_all
