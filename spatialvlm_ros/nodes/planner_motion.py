"""Motions over the MoveGripper action: the executor of a simulated robot or of any robot's Cartesian controller.

Never changes: no call blocks, one goal is under way at a time, and a goal that is cancelled before it was accepted is cancelled
as soon as it is.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import ReentrantCallbackGroup

from spatialvlm_msgs.action import MoveGripper

from ..planning.errors import ErrorCode, TaskError
from ..planning.executor import MotionState, MotionStatus
from ..planning.skills import Motion
from .conversions import pose_to_msg
from .lifecycle import ManagedNode
from .planner_action_client import SafeActionClient

_RUNNING = MotionStatus(MotionState.RUNNING)


def motion_goal(motion: Motion, frame_id: str) -> Any:
    """The goal message of a motion; its stamp stays 0: the newest transform counts."""
    goal = MoveGripper.Goal()
    goal.move = motion.target is not None
    goal.target = PoseStamped()
    goal.target.header.frame_id = frame_id
    if motion.target is not None:
        goal.target.pose = pose_to_msg(motion.target)
    else:
        goal.target.pose.orientation.w = 1.0
    goal.max_speed_m_s = float(motion.max_speed_m_s)
    goal.finger_opening_m = math.nan if motion.finger_opening_m is None else float(motion.finger_opening_m)
    return goal


class _Goal:
    """One goal from sending to result."""

    def __init__(self, motion: Motion, *, again: bool = False) -> None:
        self.motion, self.again = motion, again
        self.lock = threading.Lock()
        self.handle: Any = None
        self.response: Any = None
        self.problem = ""
        self.refused = False
        self.cancelled = False
        self.done = threading.Event()
        self.sent_s = time.monotonic()

    def on_answer(self, future: Any) -> None:
        if future.cancelled() or future.exception() is not None:
            self.problem = f"sending failed: {future.exception()}"
            self.done.set()
            return
        handle = future.result()
        if not handle.accepted:
            self.refused = True
            self.done.set()
            return
        with self.lock:
            self.handle, cancel = handle, self.cancelled
        handle.get_result_async().add_done_callback(self.on_result)
        if cancel:
            handle.cancel_goal_async()

    def on_result(self, future: Any) -> None:
        if future.cancelled() or future.exception() is not None:
            self.problem = f"no result: {future.exception()}"
        else:
            self.response = future.result()
        self.done.set()

    def cancel(self) -> None:
        with self.lock:
            first, self.cancelled = not self.cancelled, True
            handle = self.handle
        if first and handle is not None and not self.done.is_set():
            handle.cancel_goal_async()


class MoveGripperExecutor:
    """An Executor (see planning.executor). Owned by a ManagedNode; make it in setup()."""

    def __init__(self, node: ManagedNode, action: str, frame_id: str, server_timeout_s: float) -> None:
        self._action, self._frame_id, self._timeout_s = action, frame_id, server_timeout_s
        client = SafeActionClient(node, MoveGripper, action, callback_group=ReentrantCallbackGroup())
        self._client = node.own(client, client.destroy)
        self._goal: _Goal | None = None
        self._pending: tuple[Motion, float] | None = None
        self._gone_since_s = math.inf

    def ready(self) -> bool:
        """Whether the motion server is there."""
        return bool(self._client.server_is_ready())

    def missing(self) -> TaskError:
        return TaskError(
            ErrorCode.EXECUTOR,
            f"the motion server '{self._action}' does not answer within server_timeout_s = {self._timeout_s}; "
            "start it, or set parameters executor and motion_action",
        )

    def start(self, motion: Motion) -> None:
        self._pending = (motion, time.monotonic())
        self._send()

    def _send(self) -> None:
        """Send what waits as soon as the goal before it has ended and the server is there."""
        if self._pending is None or (self._goal is not None and not self._goal.done.is_set()) or not self.ready():
            return
        motion, _ = self._pending
        self._pending, self._goal, self._gone_since_s = None, _Goal(motion), math.inf
        self._client.send_goal_async(motion_goal(motion, self._frame_id)).add_done_callback(self._goal.on_answer)

    def poll(self) -> MotionStatus:
        if self._pending is not None:
            if time.monotonic() - self._pending[1] > self._timeout_s:
                self._pending = None
                if not self.ready():
                    raise self.missing()
                raise TaskError(ErrorCode.EXECUTOR, f"'{self._action}' does not end the motion before; restart the motion server")
            self._send()
            return _RUNNING
        goal = self._goal
        if goal is None:
            return MotionStatus(MotionState.IDLE)
        if not goal.done.is_set():
            if goal.handle is None and time.monotonic() - goal.sent_s > self._timeout_s / 2:
                self._repeat(goal)
            if goal.handle is not None and self._is_gone():
                self._give_up(goal)
                raise TaskError(ErrorCode.EXECUTOR, f"the motion server '{self._action}' went away during a motion; restart it")
            return _RUNNING
        return self._judged(goal)

    def _repeat(self, goal: _Goal) -> None:
        """Send an unanswered goal once more: discovery may have lost it, and its target is absolute, so twice does no harm."""
        goal.cancel()
        if goal.again:
            self._give_up(goal)
            raise self.missing()
        self._goal = _Goal(goal.motion, again=True)
        self._client.send_goal_async(motion_goal(goal.motion, self._frame_id)).add_done_callback(self._goal.on_answer)

    def _give_up(self, goal: _Goal) -> None:
        """Wait no longer for a goal that nobody will answer, or the next motion would wait for it too."""
        goal.done.set()
        self._goal = None

    def idle(self) -> bool:
        """Whether no motion is under way as far as the server has said."""
        return self._goal is None or self._goal.done.is_set()

    def _is_gone(self) -> bool:
        """Whether the server has been away for longer than a graph that is just changing may make believe."""
        if self.ready():
            self._gone_since_s = math.inf
        else:
            self._gone_since_s = min(self._gone_since_s, time.monotonic())
        return time.monotonic() - self._gone_since_s > self._timeout_s

    def _judged(self, goal: _Goal) -> MotionStatus:
        if goal.refused or goal.problem:
            reason = goal.problem or "the goal was rejected"
            raise TaskError(ErrorCode.EXECUTOR, f"'{self._action}': {reason}; check that the motion server is active")
        result, codes = goal.response.result, MoveGripper.Result
        if result.success and goal.response.status == GoalStatus.STATUS_SUCCEEDED:
            return MotionStatus(MotionState.SUCCEEDED, "", bool(result.grasping), float(result.finger_opening_m))
        reason = result.error_msg or f"error {result.error_code}"
        if result.error_code == codes.ERROR_UNREACHABLE:
            raise TaskError(ErrorCode.OUT_OF_REACH, f"the arm cannot reach the target: {reason}; move the thing nearer")
        if result.error_code in (codes.ERROR_BAD_TARGET, codes.ERROR_BUSY):
            raise TaskError(ErrorCode.EXECUTOR, f"'{self._action}' refused the motion: {reason}; see the motion server's log")
        return MotionStatus(MotionState.FAILED, reason, bool(result.grasping), float(result.finger_opening_m))

    def cancel(self) -> None:
        self._pending = None
        if self._goal is not None:
            self._goal.cancel()
