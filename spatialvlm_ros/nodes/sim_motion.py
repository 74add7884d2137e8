"""The MoveGripper action on the simulated arm: one motion at a time, cancel stops it where it is."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup

from spatialvlm_msgs.action import MoveGripper

from ..geometry.rigid import RigidTransform
from ..simulation import BASE_FRAME, CAMERA_FRAME, MAX_OPENING_M, TabletopSim, UnreachableError
from .conversions import transform_from_pose
from .lifecycle import ManagedNode, RunningGoals

_POLL_S = 0.02
_FEEDBACK_S = 0.1
# Simulated time within which fingers must come to rest, and a line must be followed.
_FINGER_LIMIT_S, _MOTION_LIMIT_S = 2.0, 20.0
_STILL_M, _STILL_S = 0.0003, 0.15


class _Failure(Exception):
    """Ends a motion with an error constant of MoveGripper and a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class MotionServer:
    """Owned by a ManagedNode; make it in setup()."""

    def __init__(self, node: ManagedNode, sim: TabletopSim, now_ns: Callable[[], int]) -> None:
        self._node, self._sim, self._now_ns = node, sim, now_ns
        self._gate = threading.Lock()
        self._running = RunningGoals()
        server = ActionServer(
            node, MoveGripper, "~/move_gripper", self._execute, callback_group=ReentrantCallbackGroup(),
            goal_callback=self._accept, cancel_callback=lambda goal: CancelResponse.ACCEPT, result_timeout=60,
        )  # fmt: skip
        node.own(server, server.destroy)

    @property
    def busy(self) -> bool:
        return self._gate.locked()

    def stop(self) -> None:
        """Stop the arm where it is. A goal under way sees the node inactive and ends; this waits a bounded time for it."""
        self._sim.stop()
        self._running.wait_until_ended()

    def _accept(self, request: Any) -> GoalResponse:
        return GoalResponse.ACCEPT if self._node.active else GoalResponse.REJECT

    def _execute(self, goal: ServerGoalHandle) -> Any:
        with self._running:
            return self._execute_one(goal)

    def _execute_one(self, goal: ServerGoalHandle) -> Any:
        if not self._gate.acquire(blocking=False):
            return self._end(goal, _Failure("ERROR_BUSY", "another motion is under way; cancel it or wait for its result"))
        try:
            self._run(goal)
        except _Failure as failure:
            self._sim.stop()
            return self._end(goal, failure)
        finally:
            self._gate.release()
        return self._end(goal, None)

    def _run(self, goal: ServerGoalHandle) -> None:
        asked = goal.request
        target = self._target(asked) if asked.move else None
        opening = asked.finger_opening_m
        if not (math.isnan(opening) or 0.0 <= opening <= 1.0):
            raise _Failure("ERROR_BAD_TARGET", f"finger_opening_m is {opening}; expected 0 to {MAX_OPENING_M} or NaN")
        # The target first: a goal that is refused moves nothing, not even the fingers.
        if target is not None:
            speed = asked.max_speed_m_s or 0.25
            if not 0.0 < speed <= 2.0:
                raise _Failure("ERROR_BAD_TARGET", f"max_speed_m_s is {speed}; expected 0 (default) to 2")
            try:
                self._sim.set_tool_target(target.translation, target.rotation, speed)
            except UnreachableError as error:
                raise _Failure("ERROR_UNREACHABLE", str(error)) from None
        if not math.isnan(opening):
            self._sim.set_finger_opening(min(opening, MAX_OPENING_M))
        if target is not None:
            self._await(goal, self._arrived, _MOTION_LIMIT_S, "the target was not reached")
        if not math.isnan(opening):
            self._await(goal, _Stillness(self._sim.finger_opening_m, self._now_ns), _FINGER_LIMIT_S, "the fingers did not rest")

    def _target(self, asked: Any) -> RigidTransform:
        """Target pose of the tool in base_link. Raises _Failure on numbers or a frame that cannot be used."""
        frame = asked.target.header.frame_id or BASE_FRAME
        poses = {**self._sim.link_poses(), BASE_FRAME: np.eye(4), CAMERA_FRAME: self._sim.camera_pose_base}
        if frame not in poses:
            raise _Failure("ERROR_BAD_TARGET", f"frame '{frame}' is unknown; known are {', '.join(sorted(poses))}")
        try:
            return RigidTransform.from_matrix(poses[frame]) @ transform_from_pose(asked.target.pose)
        except ValueError as error:
            raise _Failure("ERROR_BAD_TARGET", f"target pose: {error}") from None

    def _arrived(self) -> bool:
        state = self._sim.motion_state()
        if not state.active and not state.done:
            if not self._node.active:
                raise _Failure("ERROR_CANCELED", "the node was deactivated; the arm stopped where it was")
            raise _Failure("ERROR_TIMEOUT", f"the motion ended early: {state.error}")
        return bool(state.done)

    def _await(self, goal: ServerGoalHandle, finished: Callable[[], bool], limit_s: float, late: str) -> None:
        """Poll until finished; cancel, deactivation and too much simulated (or ten times as much real) time end it."""
        deadline_ns = self._now_ns() + int(limit_s * 1e9)
        real_deadline = time.monotonic() + 10 * limit_s
        told = 0.0
        while not finished():
            if goal.is_cancel_requested or not self._node.active:
                raise _Failure("ERROR_CANCELED", "stopped where it was")
            if self._now_ns() > deadline_ns or time.monotonic() > real_deadline:
                raise _Failure("ERROR_TIMEOUT", f"{late} within {limit_s:.0f} s")
            if time.monotonic() - told >= _FEEDBACK_S:
                told = time.monotonic()
                remaining = float(self._sim.motion_state().remaining_m)
                opening = float(self._sim.finger_opening_m())
                goal.publish_feedback(MoveGripper.Feedback(remaining_m=remaining, finger_opening_m=opening))
            time.sleep(_POLL_S)

    def _end(self, goal: ServerGoalHandle, failure: _Failure | None) -> Any:
        state = self._sim.motion_state()
        result = MoveGripper.Result(success=failure is None, grasping=self._sim.grasping() is not None)
        result.position_error_m = float(state.remaining_m)
        result.finger_opening_m = float(self._sim.finger_opening_m())
        if failure is None:
            goal.succeed()
            return result
        result.error_code, result.error_msg = getattr(MoveGripper.Result, failure.code), str(failure)
        if failure.code == "ERROR_CANCELED" and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result


class _Stillness:
    """True once a length has not changed for a while of simulated time."""

    def __init__(self, length_m: Callable[[], float], now_ns: Callable[[], int]) -> None:
        self._length_m, self._now_ns = length_m, now_ns
        self._rest_m, self._since_ns = length_m(), now_ns()

    def __call__(self) -> bool:
        length, now_ns = self._length_m(), self._now_ns()
        if abs(length - self._rest_m) > _STILL_M:
            self._rest_m, self._since_ns = length, now_ns
        return now_ns - self._since_ns > _STILL_S * 1e9
