"""How far a run is, on standard error: a line that is written over on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from .pool import Event, Finished, Step, Task

_TERMINAL_EVERY_S, _LOG_EVERY_S = 0.2, 10.0


@dataclass
class Progress:
    """Counts events of one phase and says how it goes.

    Attributes:
        total_items: of the tasks that are to be done now.
        resumed_items: that were done before; they have no part in the rate.
        clock: seconds, monotonic.
    """

    name: str
    total_items: int
    resumed_items: int = 0
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._started = self._said = self.clock()
        self._on_terminal = self.stream.isatty()
        # Of tasks under way, so that one that is lost and done again counts once.
        self._now: dict[Task, list[int]] = {}
        self._before = [0, 0, 0]

    def take(self, event: Event) -> None:
        """Count an event, and say how it goes if it is time."""
        if isinstance(event, Step):
            counts = self._now.setdefault(event.task, [0, 0, 0])
            for i, more in enumerate((event.items, event.pairs, event.drops)):
                counts[i] += more
        elif isinstance(event, Finished):
            counts = self._now.pop(event.task, [0, 0, 0])
            # Not every runner tells of steps, and a data file has fewer rows than its shard has items.
            counts[0] = event.task.stop - event.task.start
            counts[1] = int(event.result.get("pairs", counts[1]))
            self._before = [a + b for a, b in zip(self._before, counts, strict=True)]
        else:
            self._now.pop(event.task, None)
            self._say(f"shard {event.task.shard}: {event.text}{'; it is made again' if event.again else ''}")
            if self._on_terminal:
                self.stream.write("\n")
        every_s = _TERMINAL_EVERY_S if self._on_terminal else _LOG_EVERY_S
        if self.clock() - self._said >= every_s:
            self._said = self.clock()
            self._say(self.line())

    def line(self) -> str:
        """Items, rate, time left, pairs and drops so far."""
        items, pairs, drops = (sum(column) for column in zip(self._before, *self._now.values(), strict=True))
        elapsed_s = max(self.clock() - self._started, 1e-9)
        rate = items / elapsed_s
        left = f"{duration((self.total_items - items) / rate)} left" if rate else "time left not known yet"
        resumed = f" ({self.resumed_items} were done before)" if self.resumed_items else ""
        return (
            f"{self.name}: {items} of {self.total_items} images{resumed}, {rate:.3g} images/s, {left}, "
            f"{pairs} pairs, {drops} dropped"
        )

    def close(self) -> None:
        """Say the last word of the phase."""
        self._say(self.line())
        if self._on_terminal:
            self.stream.write("\n")
            self.stream.flush()

    def _say(self, line: str) -> None:
        # Written over what stands there, and the rest of a longer line blanked.
        self.stream.write(f"\r{line:<110}" if self._on_terminal else f"{line}\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """``"2 h 05 min"``, ``"3 min 20 s"`` or ``"7 s"``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
