"""From errors to a potential in [0, 1], and how an error's uncertainty reaches it.

Each stage owns a band of [TAIL, 1], in order and by weight. Within its band the potential falls linearly with the
error, from the top at error 0 to the bottom at the reference error; beyond that it falls on, ever more slowly, by at
most TAIL.

Why this curve: 1 - tanh(error / scale) is flat where an episode starts, so equal noise hides a centimetre there and
not near the goal; a straight line gives every centimetre the same worth, which is what ranking frames by distance
needs. The tail keeps it strictly monotone when a robot first moves away. With the reference taken at the stage's
entry, a stage starts exactly where the one before ended.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from .task import TaskSpec

TAIL = 0.05
"""Potential at the start of an episode, and the room below each stage's band for errors beyond the reference."""


@dataclass(frozen=True)
class Band:
    """The share of [0, 1] that one stage owns."""

    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


def stage_bands(task: TaskSpec) -> tuple[Band, ...]:
    """One band a stage, from TAIL to 1, by the stages' weights."""
    total = math.fsum(stage.weight for stage in task.stages)
    bands, low = [], TAIL
    for index, stage in enumerate(task.stages):
        high = 1.0 if index == len(task.stages) - 1 else low + (1.0 - TAIL) * stage.weight / total
        bands.append(Band(low, high))
        low = high
    return tuple(bands)


def curve(error: float, reference: float, width: float, tail: float) -> tuple[float, float]:
    """Height above the band's low end and its slope d height / d error.

    ``width`` at error <= 0, falling linearly to 0 at ``reference``, then -tail (1 - reference / error): continuous
    and strictly falling. The tail is slow on purpose: a thing at twice its first distance has used half of it.
    """
    if error <= 0.0:
        return width, 0.0
    if error <= reference:
        return width * (1.0 - error / reference), -width / reference
    return -tail * (1.0 - reference / error), -tail * reference / (error * error)


def active_share(signed_error: float, std: float) -> float:
    """Probability that the true error is above 0: the mean slope of max(0, error) under Gaussian noise.

    Without it the potential of a goal that is met by a hair would claim to be exact.
    """
    if not std > 0.0:
        return 1.0 if signed_error > 0.0 else 0.0
    return 0.5 * (1.0 + math.erf(signed_error / std / math.sqrt(2.0)))


class MedianFilter:
    """Causal median of the last ``size`` values not older than ``window_ns``.

    Lags a ramp by (size - 1) / 2 values.
    """

    def __init__(self, size: int, window_ns: int) -> None:
        self._window_ns = window_ns
        self._values: deque[tuple[int, float]] = deque(maxlen=size)

    def add(self, stamp_ns: int, value: float) -> float:
        """The median with this value in."""
        # A value from before a long gap tells nothing about now.
        while self._values and stamp_ns - self._values[0][0] > self._window_ns:
            self._values.popleft()
        self._values.append((stamp_ns, value))
        return median(value for _, value in self._values)
