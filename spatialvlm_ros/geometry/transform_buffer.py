"""A buffer of frames over time: the tf of the core, the same object for live topics and for bags.

It interpolates as tf2 does (linear and slerp), never extrapolates, and says by name what is missing.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .rigid import RigidTransform, interpolate


class TransformError(LookupError):
    """No transform between two frames at a time. Its text says which frame or time is missing, and what is there."""


class UnknownFrameError(TransformError):
    """A frame was never heard of, or two frames are not connected."""


class ExtrapolationError(TransformError):
    """The time lies outside what was received. ``too_new`` says that waiting may help."""

    def __init__(self, text: str, too_new: bool) -> None:
        super().__init__(text)
        self.too_new = too_new


#: Between two transforms further apart nobody knows what moved where: for live nodes and for bags alike.
LONGEST_GAP_S = 1.0
# Up to such a gap a robot is too slow to go far from the straight way: by 8 mm at 1 m/s^2, by 0.9 degrees at 2 rad/s^2.
_SMOOTH_GAP_NS = 250_000_000
# In a longer one it may have gone any way and at any time; what is made up is wrong by about half of what it moved, at most.
_STILL_M, _STILL_RAD = 0.005, math.radians(0.5)
# A stamp so far before the one received last is of a time that began anew; publishers that share an edge differ by less.
_JUMP_NS = 500_000_000


@dataclass
class _Edge:
    """Transforms parent_from_child over time; a static edge has one and answers for any time.

    ``anew`` holds what was received since stamps went back: what is left when the time before is forgotten.
    """

    parent: str
    static: bool
    stamps_ns: list[int] = field(default_factory=list)
    transforms: dict[int, RigidTransform] = field(default_factory=dict)
    received_ns: int | None = None
    anew: dict[int, RigidTransform] | None = None

    def add(self, stamp_ns: int, pose: RigidTransform, cache_ns: int) -> None:
        """Keep a transform as long as ``cache_ns`` before the newest."""
        if self.received_ns is not None and stamp_ns < self.received_ns - _JUMP_NS:
            self.anew = {}
        self.received_ns = stamp_ns
        if self.anew is not None:
            self.anew[stamp_ns] = pose
            while stamp_ns - (oldest := next(iter(self.anew))) > cache_ns:
                del self.anew[oldest]
        if stamp_ns not in self.transforms:
            insort(self.stamps_ns, stamp_ns)
        self.transforms[stamp_ns] = pose
        while self.stamps_ns[-1] - self.stamps_ns[0] > cache_ns:
            del self.transforms[self.stamps_ns.pop(0)]

    def since(self, stamp_ns: int) -> _Edge | None:
        """The edge of the time that began anew, of which ``stamp_ns`` is; None where nothing was received of it yet."""
        if self.static:
            return self
        if self.anew is None or self.received_ns is None or self.received_ns > stamp_ns + _JUMP_NS:
            return None
        return _Edge(self.parent, False, sorted(self.anew), dict(self.anew), self.received_ns)


class TransformBuffer:
    """Transforms between named frames over the last ``cache_s`` seconds. Thread-safe.

    Between two that are further apart than ``max_gap_s`` nobody knows what moved where, and nothing is interpolated. With such
    a limit nothing is interpolated either between two that are further apart than 0.25 s and show that it moved meanwhile, by
    more than 5 mm or half a degree.
    """

    def __init__(self, cache_s: float = 10.0, max_gap_s: float = math.inf) -> None:
        self._cache_ns, self._max_gap_ns = int(cache_s * 1e9), max_gap_s * 1e9
        self._edges: dict[str, _Edge] = {}
        # What was looked up for the last stamp that was asked for: an image asks for many frames from one, and again.
        self._looked_up: dict[tuple[str, str], RigidTransform] = {}
        self._back: dict[tuple[str, ...], RigidTransform] = {}
        self._looked_up_ns: int | None = None
        self._lock = threading.Lock()

    def clear(self, now_ns: int | None = None) -> None:
        """Forget everything that moves, as after a backward jump of time. Static transforms stay, as in tf2.

        Args:
            now_ns: a stamp of the time after the jump, where one is known; what was received of that time already stays.
        """
        with self._lock:
            kept = {
                child: edge.since(now_ns) if now_ns is not None else edge if edge.static else None
                for child, edge in self._edges.items()
            }
            self._edges = {child: edge for child, edge in kept.items() if edge is not None}
            self._forget_looked_up()

    def frames(self) -> list[str]:
        """All frame names, sorted."""
        with self._lock:
            return sorted(set(self._edges) | {edge.parent for edge in self._edges.values()})

    def set_transform(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: RigidTransform, *, static: bool = False
    ) -> None:
        """Store one transform. A child that gets a new parent starts anew. Raises ValueError when parent is child or empty."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if not parent or not child or parent == child:
            raise ValueError(f"a transform needs two different frames, got parent '{parent}' and child '{child}'")
        with self._lock:
            self._forget_looked_up()
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or edge.static != static:
                edge = self._edges[child] = _Edge(parent, static)
            if static:
                edge.stamps_ns, edge.transforms = [0], {0: parent_from_child}
                return
            edge.add(stamp_ns, parent_from_child, self._cache_ns)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """``target_from_source`` at ``stamp_ns``.

        Raises:
            UnknownFrameError: a frame is unknown or the two are not connected.
            ExtrapolationError: the stamp is outside the stored range of an edge on the way, or in a gap of it.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        if target == source:
            return RigidTransform.identity()
        with self._lock:
            if stamp_ns != self._looked_up_ns:
                self._forget_looked_up()
                self._looked_up_ns = stamp_ns
            known = self._looked_up.get((target, source))
            if known is None:
                known = self._looked_up[target, source] = self._found(target, source, stamp_ns)
            return known

    def moving(self, target: str, source: str) -> dict[str, list[int]]:
        """Stamps (ns, sorted) that are stored of each edge "parent -> child" on the way that moves. Raises UnknownFrameError."""
        with self._lock:
            ways = self._chain(target.lstrip("/")), self._chain(source.lstrip("/"))
            if ways[0][-1] != ways[1][-1]:
                raise UnknownFrameError(f"tf frames '{target}' and '{source}' are not connected")
            children = [frame for frame in dict.fromkeys((*ways[0], *ways[1])) if (frame in ways[0]) != (frame in ways[1])]
            edges = {child: self._edges[child] for child in children}
            return {f"{e.parent} -> {child}": list(e.stamps_ns) for child, e in edges.items() if not e.static}

    def _found(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        for name in (target, source):
            if name not in self._edges and all(edge.parent != name for edge in self._edges.values()):
                known = set(self._edges) | {edge.parent for edge in self._edges.values()}
                raise UnknownFrameError(f"tf has no frame '{name}'; it knows {_listed(known)}")
        target_chain, source_chain = self._chain(target), self._chain(source)
        common = next((frame for frame in target_chain if frame in source_chain), None)
        if common is None:
            raise UnknownFrameError(
                f"tf frames '{target}' and '{source}' are not connected: their roots are '{target_chain[-1]}' and "
                f"'{source_chain[-1]}'; publish a transform between the two trees"
            )
        to_source = self._compose(source_chain[: source_chain.index(common)], stamp_ns)
        way = tuple(target_chain[: target_chain.index(common)])
        back = self._back.get(way)
        if back is None:
            back = self._back[way] = self._compose(way, stamp_ns).inverse()
        return back @ to_source

    def _forget_looked_up(self) -> None:
        self._looked_up.clear()
        self._back.clear()

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while (edge := self._edges.get(chain[-1])) is not None:
            if edge.parent in chain:
                raise UnknownFrameError(f"tf has a loop through '{edge.parent}'")
            chain.append(edge.parent)
        return chain

    def _compose(self, children: Sequence[str], stamp_ns: int) -> RigidTransform:
        total: RigidTransform | None = None
        for child in children:
            step = self._at(child, self._edges[child], stamp_ns)
            total = step if total is None else step @ total
        return RigidTransform.identity() if total is None else total

    def _at(self, child: str, edge: _Edge, stamp_ns: int) -> RigidTransform:
        if edge.static:
            return edge.transforms[0]
        stamps = edge.stamps_ns
        index = bisect_left(stamps, stamp_ns)
        if index < len(stamps) and stamps[index] == stamp_ns:
            return edge.transforms[stamp_ns]
        if index == 0 or index == len(stamps):
            nearest = stamps[0] if index == 0 else stamps[-1]
            side = "older than the oldest" if index == 0 else "newer than the newest"
            raise ExtrapolationError(
                f"tf '{edge.parent}' -> '{child}' at {stamp_ns * 1e-9:.3f} s is {side} received, {nearest * 1e-9:.3f} s",
                too_new=index > 0,
            )
        before, after = stamps[index - 1], stamps[index]
        if after - before > self._max_gap_ns:
            raise ExtrapolationError(
                f"tf '{edge.parent}' -> '{child}' at {stamp_ns * 1e-9:.3f} s lies in a gap of {(after - before) * 1e-9:.1f} s: "
                f"none was received from {before * 1e-9:.3f} s to {after * 1e-9:.3f} s",
                too_new=False,
            )
        if self._max_gap_ns < math.inf and after - before > _SMOOTH_GAP_NS:
            _refuse_motion(edge, child, stamp_ns, before, after)
        share = (stamp_ns - before) / (after - before)
        return interpolate(edge.transforms[before], edge.transforms[after], share)


def _refuse_motion(edge: _Edge, child: str, stamp_ns: int, before: int, after: int) -> None:
    """Raises ExtrapolationError where the two transforms around a stamp show that the frame moved between them."""
    change = edge.transforms[before].inverse() @ edge.transforms[after]
    moved_m = float(np.linalg.norm(change.translation))
    turned_rad = 2.0 * math.acos(min(1.0, abs(float(change.quaternion()[3]))))
    if moved_m > _STILL_M or turned_rad > _STILL_RAD:
        raise ExtrapolationError(
            f"tf '{edge.parent}' -> '{child}' at {stamp_ns * 1e-9:.3f} s lies in a gap of {(after - before) * 1e-9:.2f} s, in "
            f"which it moved by {100 * moved_m:.1f} cm and {math.degrees(turned_rad):.1f} degrees: where it was is not known; "
            "publish it at 5 Hz or more",
            too_new=False,
        )


def _listed(names: Iterable[str], most: int = 12) -> str:
    ordered = sorted(names)
    shown = ", ".join(f"'{name}'" for name in ordered[:most]) or "none"
    return shown + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
