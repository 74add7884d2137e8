"""One bag on several processes: while an image is measured, the next ones are segmented elsewhere.

Segmentation knows nothing of other images, so that it may be done ahead; all that does (the memory of things, names, rewards)
stays in one process and in order. What never changes: the labels are those of one process, bit by bit. A segmentation that was
made of anything else than what the engine asks for is made anew, as is one whose process has died.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import connection
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..perception.self_filter import robot_mask
from ..perception.tabletop import TabletopSegmentation, TabletopSegmenter
from ..scene.frame import BoolArray, RGBDFrame
from ..synthesis.pool import calm_libraries, single_threaded
from ..vlm.interface import SpatialVlm
from .label_frames import Shot

# Images that are on their way to each process: enough to keep it busy, few enough to keep memory small.
_EACH = 3


class AheadEngine(SpatialEngine):
    """An engine whose segmenter may have been asked before. Use it in a ``with`` block, which ends its processes.

    Args:
        helpers: processes beside this one; 0 makes it a plain engine.
    """

    def __init__(self, config: EngineConfig, vlm: SpatialVlm | None, helpers: int) -> None:
        super().__init__(config, vlm)
        self._ahead: _Ahead | None = None
        if helpers > 0:
            self._segmenter = self._ahead = _Ahead(self._segmenter, helpers)

    def ahead(self, shots: Iterator[Shot]) -> Iterator[Shot]:
        """The same shots in the same order; later ones are being worked on meanwhile."""
        return shots if self._ahead is None else self._ahead.shots(shots)

    def __enter__(self) -> AheadEngine:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ahead is not None:
            self._ahead.end()


class _Ahead(TabletopSegmenter):
    """Stands in for the engine's segmenter."""

    def __init__(self, segmenter: TabletopSegmenter, helpers: int) -> None:
        super().__init__(segmenter.config)
        self._helpers = helpers
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(helpers, context, prepare_helper)
        self._current: tuple[RGBDFrame, RobotState, Future[Any] | None] | None = None

    def shots(self, shots: Iterator[Shot]) -> Iterator[Shot]:
        waiting: deque[tuple[Shot, Future[Any] | None]] = deque()
        for shot in shots:
            waiting.append((shot, self._submit(shot)))
            if len(waiting) > _EACH * self._helpers:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _submit(self, shot: Shot) -> Future[Any] | None:
        # Processes start with their first task; threads of their libraries would only be in each other's way.
        with single_threaded(), suppress(BrokenExecutor):
            return self._pool.submit(_segment, self.config, shot.frame, shot.robot)
        return None

    def _next(self, waiting: deque[tuple[Shot, Future[Any] | None]]) -> Shot:
        shot, found = waiting.popleft()
        self._current = shot.frame, shot.robot, found
        return shot

    def segment(
        self,
        frame: RGBDFrame,
        *,
        up: npt.ArrayLike | None = None,
        ignore: BoolArray | None = None,
        max_distance_m: float | None = None,
    ) -> TabletopSegmentation:
        """As TabletopSegmenter's; raises what segmenting raised."""
        current, self._current = self._current, None
        if current is not None and current[0] is frame and _same(up, current[1].up) and max_distance_m is None:
            found, mask = _result_of(current[2])
            if found is not None and _same(mask, None if ignore is None else np.packbits(ignore)):
                return found
        return super().segment(frame, up=up, ignore=ignore, max_distance_m=max_distance_m)

    def end(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _result_of(future: Future[Any] | None) -> tuple[TabletopSegmentation | None, Any]:
    """What a process has found; nothing of one that died. Raises what segmenting raised."""
    if future is None:
        return None, None
    try:
        found: tuple[TabletopSegmentation, Any] = future.result()
    except BrokenExecutor:
        return None, None
    return found


def prepare_helper() -> None:
    """In a new process: Ctrl-C is the parent's to handle, and without a parent there is nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    calm_libraries()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _same(one: npt.ArrayLike | None, other: npt.ArrayLike | None) -> bool:
    return (one is None) == (other is None) and (one is None or np.array_equal(np.asarray(one), np.asarray(other)))


def _segment(config: Any, frame: RGBDFrame, robot: RobotState) -> tuple[TabletopSegmentation, Any]:
    """In another process: the segmentation, and the robot's mask that it was made with, as bits."""
    mask = robot_mask(frame, robot.capsules) if robot.capsules else None
    segmentation = TabletopSegmenter(config).segment(frame, up=robot.up, ignore=mask)
    return segmentation, None if mask is None else np.packbits(mask)
