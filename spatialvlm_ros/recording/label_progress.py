"""One line on how far labelling has come: frames a second, times real time, and what is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_EVERY_S = 5.0


@dataclass(frozen=True)
class Update:
    """How far one bag is: images labelled, the time they span, images in the bag."""

    name: str
    frames: int
    seconds: float
    total: int


class Progress:
    """Collects updates of all bags and says a line every few seconds, and one for each bag that is finished."""

    def __init__(self, bags: int, say: Callable[[str], None]) -> None:
        self._bags, self._say = bags, say
        self._running: dict[str, Update] = {}
        self._done = self._frames = 0
        self._seconds = 0.0
        self._start = self._told = time.monotonic()

    def update(self, update: Update) -> None:
        self._running[update.name] = update
        if time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            self._say(self._line())

    def finished(self, name: str, frames: int, seconds: float, skipped: bool) -> None:
        """A bag is done. What was done by an earlier run does not count for the speed."""
        self._running.pop(name, None)
        self._done += 1
        if not skipped:
            self._frames += frames
            self._seconds += seconds
        what = f"{frames} frames" if frames else "not labelled"
        self._say(f"{name}: {what}{', finished before' if skipped else ''} ({self._done} of {self._bags} bags)")

    def end(self) -> None:
        self._say(self._line())

    def _line(self) -> str:
        passed = max(1e-9, time.monotonic() - self._start)
        frames = self._frames + sum(update.frames for update in self._running.values())
        seconds = self._seconds + sum(update.seconds for update in self._running.values())
        fps = frames / passed
        line = f"{frames} frames in {passed:.1f} s: {fps:.1f} frames/s, {seconds / passed:.2f} x real time"
        left = sum(max(0, update.total - update.frames) for update in self._running.values())
        if left and fps > 0:
            line += f"; {left} frames of the bags in work are left, {left / fps:.0f} s"
        return line + (f"; {self._bags - self._done} bags to go" if self._done < self._bags else "")
