"""What carries motions out. The planner knows this protocol only; ROS actions stand behind it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from .skills import Motion


class MotionState(Enum):
    """What became of the motion that was started last."""

    IDLE = "idle"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class MotionStatus:
    """State of a motion; ``reason`` when it failed; ``grasping`` (fingers stopped on something) None when not known."""

    state: MotionState
    reason: str = ""
    grasping: bool | None = None
    finger_opening_m: float | None = None


class Executor(Protocol):
    """Carries out one motion at a time. No method blocks."""

    def start(self, motion: Motion) -> None:
        """Begin a motion. Raises TaskError (EXECUTOR, OUT_OF_REACH) when it can never succeed."""

    def poll(self) -> MotionStatus:
        """State of the motion. Raises TaskError as ``start`` does."""

    def cancel(self) -> None:
        """Stop the motion, if one is running. Does nothing otherwise."""
