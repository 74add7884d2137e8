"""Colour, depth and camera_info of one exposure, put together by their stamps; and the slot in which the newest one waits.

Own, because Jazzy's Python ApproximateTimeSynchronizer keeps messages from before a backward jump for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
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


# So many camera_infos wait for their images, which may be late: a second of a fast camera.
_INFOS_KEPT = 64
# Pairs in a row that had a camera_info of their own stamp: then the next one has, too, and is worth waiting for.
_IN_STEP = 2


class FrameSynchronizer:
    """Matches each depth image with the nearest colour image not further than ``slop_s``, and the pair with its camera_info.

    Drivers send a camera_info with the stamp of each image, before or after it. Where two pairs in a row had one, the next pair
    waits for its own, so that none is measured with the camera of the image before; where one is lost, those before and after
    it serve if they are equal, else the pair is dropped. Everywhere else (latched, slow, or stamped by another clock) the
    newest camera_info serves all.

    Thread-safe. At most ``queue_size`` images of a kind wait, and as many pairs. A stamp more than ``jump_s`` before the newest
    clears all.
    """

    def __init__(self, slop_s: float = 0.02, queue_size: int = 5, jump_s: float = 0.5) -> None:
        self._slop_ns, self._queue_size, self._jump_ns = int(slop_s * 1e9), queue_size, int(jump_s * 1e9)
        self._color: OrderedDict[int, Any] = OrderedDict()
        self._depth: OrderedDict[int, Any] = OrderedDict()
        # The newest, in a tuple: a message of any kind may be falsy.
        self._info: tuple[Any] | None = None
        self._infos: OrderedDict[int, Any] = OrderedDict()
        # Pairs without their camera_info: stamps of colour and depth, and the messages.
        self._pending: deque[tuple[int, int, Any, Any]] = deque()
        self._in_step = 0
        # Stamps of a pair that went without a camera_info of its own, which may still come.
        self._without: tuple[int, ...] = ()
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
            self._forget_images()

    def add_info(self, message: Any, stamp_ns: int | None = None) -> list[Triple]:
        """The triples that waited for this camera_info; ``stamp_ns`` None: it is of no image, and serves until another comes."""
        with self._lock:
            before, self._info = self._info, (message,)
            if stamp_ns is None:
                return []
            self._forget_infos_after(stamp_ns)
            self._infos.pop(stamp_ns, None)  # the newest goes to the end
            self._infos[stamp_ns] = message
            while len(self._infos) > _INFOS_KEPT:
                self._infos.popitem(last=False)
            if stamp_ns in self._without:
                self._in_step, self._without = self._in_step + 1, ()
            return self._released(before, stamp_ns, message)

    def add_color(self, stamp_ns: int, message: Any) -> Triple | None:
        """The triple that this image completes, or None."""
        return self._add(self._color, self._depth, stamp_ns, message)

    def add_depth(self, stamp_ns: int, message: Any) -> Triple | None:
        """The triple that this image completes, or None."""
        return self._add(self._depth, self._color, stamp_ns, message)

    def _add(self, mine: OrderedDict[int, Any], other: OrderedDict[int, Any], stamp_ns: int, message: Any) -> Triple | None:
        with self._lock:
            if stamp_ns < self._newest_ns - self._jump_ns:
                self._forget_images()
                self._forget_infos_after(stamp_ns)
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
            stamps = (stamp_ns, nearest) if mine is self._color else (nearest, stamp_ns)
            pair = self._pair(mine, other, stamp_ns, nearest)
            self._drop_until(stamp_ns, nearest)
            return self._with_info(stamps, pair)

    def _with_info(self, stamps: tuple[int, int], pair: tuple[Any, Any]) -> Triple | None:
        """The pair with its camera_info; None where it waits for it."""
        assert self._info is not None
        own = self._own_info(stamps)
        if own is None and self._in_step >= _IN_STEP:
            self._pending.append((*stamps, *pair))
            if len(self._pending) <= self._queue_size:
                return None
            # They come no more, or later than images do.
            self.unmatched += 2 * (len(self._pending) - 1)
            self._pending.clear()
            self._in_step = 0
        if self._without:  # the pair before never had one
            self._in_step = 0
        if own is None:
            self._without = stamps
            return Triple(stamps[0], *pair, self._info[0])
        self._in_step, self._without = self._in_step + 1, ()
        return Triple(stamps[0], *pair, own[0])

    def _own_info(self, stamps: tuple[int, int]) -> tuple[Any] | None:
        # The node's topic is depth/camera_info; of aligned depth some drivers give it colour's stamp.
        return next(((self._infos[stamp],) for stamp in reversed(stamps) if stamp in self._infos), None)

    def _released(self, before: tuple[Any] | None, stamp_ns: int, message: Any) -> list[Triple]:
        """Pairs that need not wait any more, now that there is a camera_info of ``stamp_ns``."""
        triples = []
        while self._pending and stamp_ns >= min(self._pending[0][:2]):
            color_ns, depth_ns, color, depth = self._pending.popleft()
            is_own = stamp_ns in (color_ns, depth_ns)
            if is_own or (before is not None and camera_content(before[0]) == camera_content(message)):
                triples.append(Triple(color_ns, color, depth, message))
            else:
                self.unmatched += 2
        return triples

    def _forget_images(self) -> None:
        self._color.clear()
        self._depth.clear()
        self._pending.clear()

    def _forget_infos_after(self, stamp_ns: int) -> None:
        """Those of a time before a backward jump: a simulation that begins anew has the same stamps and maybe another camera."""
        if self._infos and next(reversed(self._infos)) > stamp_ns + self._jump_ns:
            self._infos.clear()

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


def camera_content(info: Any) -> bytes:
    """All of a camera_info but its stamp. The fields of ROS 1 have capitals."""
    numbers = [list(getattr(info, name, getattr(info, name.upper(), ()))) for name in "kdp"]
    return repr((info.width, info.height, info.distortion_model, info.header.frame_id, numbers)).encode()


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
