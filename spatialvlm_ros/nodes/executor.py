"""rclpy's multi-threaded executor without its busy loop.

Jazzy's hands a ready callback to the pool again and again until a worker has begun it, so that a busy machine fills the queue
with copies and answers seconds late. This one hands each over once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import (
    ConditionReachedException,
    ExternalShutdownException,
    MultiThreadedExecutor,
    ShutdownException,
    TimeoutException,
)

# An action server that goes while the executor is about to wait for it fails that one wait. More in a row are another matter.
_MAX_FAILED_WAITS = 20


class PatientExecutor(MultiThreadedExecutor):
    """A MultiThreadedExecutor whose queue holds each ready callback once, and that outlives what is destroyed while it waits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queued: set[int] = set()
        self._failed_waits = 0

    def _run(self, handler: Any) -> None:
        self._queued.discard(id(handler))
        handler()

    def _spin_once_impl(self, timeout_sec: Any = None, wait_condition: Callable[[], bool] = lambda: False) -> None:
        try:
            handler, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, wait_condition)
        except (ExternalShutdownException, ShutdownException, TimeoutException, ConditionReachedException):
            return
        except RCLError:
            self._failed_waits += 1
            if self._failed_waits > _MAX_FAILED_WAITS:
                raise
            time.sleep(0.001)
            return
        self._failed_waits = 0
        known = any(handler is future for future in self._futures)
        if known:
            time.sleep(0.0005)  # queued already, or a coroutine that waits for something
        else:
            self._futures.append(handler)
        if id(handler) not in self._queued:
            self._queued.add(id(handler))
            self._executor.submit(self._run, handler)
        for future in self._futures[:]:
            if future.done():
                self._futures.remove(future)
                future.result()  # raises what the callback raised
