"""SIGINT and SIGTERM as a wish, which a program grants in an order of its own."""

from __future__ import annotations

import faulthandler
import signal
from types import FrameType


class EndSignals:
    """SIGINT and SIGTERM ask for the end; rclpy's own handlers would shut the context down under a node that still works.

    For ``rclpy.init(signal_handler_options=SignalHandlerOptions.NO)``. With ``limit_s`` a process that hangs ends so long after
    the signal all the same, and says where it hung.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        # A plain flag: locks are not safe in a signal handler.
        self.received = False
        self._limit_s = limit_s
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, stack: FrameType | None) -> None:
        if not self.received:
            self.received = True
            if self._limit_s is not None:
                faulthandler.dump_traceback_later(self._limit_s, exit=True)
