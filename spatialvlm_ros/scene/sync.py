"""Colour, depth and camera_info of one exposure, put together by their stamps; and the slot in which the newest one waits.

Own, because Jazzy's Python ApproximateTimeSynchronizer keeps messages from before a backward jump for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Triple:
    """Messages of one exposure; ``stamp_ns`` is that of colour."""

    stamp_ns: int
    color: Any
    depth: Any
    info: Any


class FrameSynchronizer:
    """Matches each depth image with the nearest colour image not further than ``slop_s``; the newest camera_info serves all.

    Thread-safe. At most ``queue_size`` images of a kind wait. A stamp more than ``jump_s`` before the newest clears all.
    """

    def __init__(self, slop_s: float = 0.02, queue_size: int = 5, jump_s: float = 0.5) -> None:
        self._slop_ns, self._queue_size, self._jump_ns = int(slop_s * 1e9), queue_size, int(jump_s * 1e9)
        self._color: OrderedDict[int, Any] = OrderedDict()
        self._depth: OrderedDict[int, Any] = OrderedDict()
        self._info: Any = None
        self._newest_ns = -(2**63)
        self._lock = threading.Lock()
        self.unmatched = 0
        self.jumps = 0

    @property
    def has_info(self) -> bool:
        return self._info is not None

    def clear(self) -> None:
        """Forget the images that wait. Their stamps still tell whether time goes back with what comes next."""
        with self._lock:
            self._color.clear()
            self._depth.clear()

    def add_info(self, message: Any) -> None:
        with self._lock:
            self._info = message

    def add_color(self, stamp_ns: int, message: Any) -> Triple | None:
        """The triple that this image completes, or None."""
        return self._add(self._color, self._depth, stamp_ns, message)

    def add_depth(self, stamp_ns: int, message: Any) -> Triple | None:
        """The triple that this image completes, or None."""
        return self._add(self._depth, self._color, stamp_ns, message)

    def _add(self, mine: OrderedDict[int, Any], other: OrderedDict[int, Any], stamp_ns: int, message: Any) -> Triple | None:
        with self._lock:
            if stamp_ns < self._newest_ns - self._jump_ns:
                self._color.clear()
                self._depth.clear()
                self._newest_ns = stamp_ns
                self.jumps += 1
            self._newest_ns = max(self._newest_ns, stamp_ns)
            mine[stamp_ns] = message
            while len(mine) > self._queue_size:
                mine.popitem(last=False)
                self.unmatched += 1
            nearest = min(other, key=lambda stamp: abs(stamp - stamp_ns), default=None)
            if nearest is None or abs(nearest - stamp_ns) > self._slop_ns or self._info is None:
                return None
            color_ns = stamp_ns if mine is self._color else nearest
            triple = Triple(color_ns, *(self._pair(mine, other, stamp_ns, nearest)), self._info)
            self._drop_until(stamp_ns, nearest)
            return triple

    def _pair(self, mine: OrderedDict[int, Any], other: OrderedDict[int, Any], own: int, nearest: int) -> tuple[Any, Any]:
        pair = (mine[own], other[nearest])
        return pair if mine is self._color else (pair[1], pair[0])

    def _drop_until(self, own: int, nearest: int) -> None:
        """What is older than a match can never match in order any more."""
        limit = max(own, nearest)
        for queue in (self._color, self._depth):
            for stamp in [stamp for stamp in queue if stamp <= limit]:
                del queue[stamp]
                self.unmatched += stamp not in (own, nearest)


class NewestSlot(Generic[T]):
    """Holds at most one item; putting over an unread one drops it and counts."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        with self._changed:
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self, timeout_s: float | None = None) -> T | None:
        """The item, waiting for one; None when the time is up or the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Throw away what waits, uncounted."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Wake whoever waits; take() gives None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
