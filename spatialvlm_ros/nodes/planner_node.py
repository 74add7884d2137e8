"""planner_node: instruction in; plan or carried-out task out. Believes only what spatial_node publishes.

Policy: plans run beside each other; one task at a time moves, others end at once with ERROR_BUSY. A cancel or a deactivation
stops motion within one tick and ends the goal once. Every wait ends by a time limit on the steady clock.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup

from spatialvlm_msgs.action import ExecuteTask, PlanTask

from ..language.instruction import InstructionError, Predicate, parse_instruction
from ..planning.config import PlanningConfig
from ..planning.domain import Plan, make_plan
from ..planning.errors import ErrorCode, TaskError, instruction_code
from ..planning.predicates import Beliefs
from ..planning.rehearsal import rehearse
from ..planning.runner import TaskRunner
from .lifecycle import ManagedNode, run_node
from .planner_feed import FactsSession, PlannerFeed
from .planner_motion import MoveGripperExecutor
from .planner_params import PLANNER_PARAMS, planning_config

SIM_ACTION = "sim_robot_node/move_gripper"
_TICK_S = 0.02
_FEEDBACK_S = 0.1

# Each goal holds a thread of the executor; cancel, clock and facts need some too.
MAX_GOALS = 6


class PlannerNode(ManagedNode):
    """See the module."""

    PARAMS = PLANNER_PARAMS

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("planner_node", **kwargs)
        self._moving = threading.Lock()
        self._stopping = threading.Event()
        self._running: set[threading.Event] = set()
        self._doing = ""
        self._ended: dict[str, int] = {}

    # -- lifecycle --------------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        self._config: PlanningConfig = planning_config(self)
        self._feed = PlannerFeed(self, self.param("spatial_node"), self.param("planning_frame"))
        self._motion = self._make_executor(self.param("executor"))
        group = ReentrantCallbackGroup()
        for action_type, name, execute in ((PlanTask, "~/plan_task", self._plan), (ExecuteTask, "~/execute_task", self._execute)):
            server = ActionServer(
                self, action_type, name, self._guarded(action_type, execute), callback_group=group,
                goal_callback=self._accept, cancel_callback=lambda goal: CancelResponse.ACCEPT, result_timeout=60,
            )  # fmt: skip
            self.own(server, server.destroy)

    def _make_executor(self, kind: str) -> MoveGripperExecutor | None:
        if kind == "dry_run":
            return None
        if kind == "moveit":
            raise ValueError(
                "executor 'moveit' does not exist: no node of this package calls MoveIt. Write one that serves the action "
                "spatialvlm_msgs/action/MoveGripper by it, and set executor to cartesian and motion_action to its name; or set "
                "executor to dry_run or sim"
            )
        action = SIM_ACTION if kind == "sim" else self.param("motion_action")
        return MoveGripperExecutor(self, action, self.param("planning_frame"), self.param("server_timeout_s"))

    def start(self) -> None:
        self._stopping.clear()

    def stop(self) -> None:
        """Ends running goals, and waits a bounded time until they have ended."""
        self._stopping.set()
        deadline = time.monotonic() + 2.0
        for running in list(self._running):
            running.wait(max(0.0, deadline - time.monotonic()))
        motion = self._motion
        if motion is not None:
            # A goal that the server has not answered yet is cancelled when it answers; the client must live till then.
            motion.cancel()
            while not motion.idle() and time.monotonic() < deadline:
                time.sleep(_TICK_S)
            if not motion.idle():
                self.get_logger().error("the motion server did not confirm that motion has stopped; look at the robot")

    def teardown(self) -> None:
        self._stopping.set()

    def diagnostics(self) -> tuple[bytes, str, dict[str, str]]:
        if not self.active:
            return DiagnosticStatus.OK, "not active", {}
        values = {"executor": self.param("executor"), "allow_motion": str(self.param("allow_motion")), "task": self._doing}
        values |= {f"ended: {name}": str(count) for name, count in self._ended.items()}
        return DiagnosticStatus.OK, self._doing or "waiting for a task", values

    # -- goals ------------------------------------------------------------------------------------------------------------

    def _accept(self, request: Any) -> GoalResponse:
        if not self.active:
            self.get_logger().warning("goal rejected: planner_node is not active; activate it first")
            return GoalResponse.REJECT
        if len(self._running) >= MAX_GOALS:
            self.get_logger().warning(f"goal rejected: {MAX_GOALS} goals are under way; wait for one to end")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _guarded(self, action_type: Any, execute: Callable[[Any, Any], None]) -> Callable[[Any], Any]:
        """One terminal state for every goal, whatever happens in between."""

        def run(goal: Any) -> Any:
            result, ended = action_type.Result(), threading.Event()
            self._running.add(ended)
            try:
                execute(goal, result)
            except InstructionError as error:
                _set_error(result, instruction_code(error), str(error))
            except TaskError as error:
                _set_error(result, error.code, str(error))
            except Exception as error:  # a defect ends the goal, never the node
                self.get_logger().error(f"task failed: {error!r}")
                _set_error(result, ErrorCode.INTERNAL, f"{error!r}; this is a defect, see the log")
            self._finish(goal, result)
            self._running.discard(ended)
            ended.set()
            return result

        return run

    def _finish(self, goal: Any, result: Any) -> None:
        code = ErrorCode(result.error_code)
        self._ended[code.name.lower()] = self._ended.get(code.name.lower(), 0) + 1
        self.get_logger().info(f"goal ended: {code.name.lower()} {result.error_msg}".rstrip())
        try:
            if code is ErrorCode.CANCELED and goal.is_cancel_requested:
                goal.canceled()
            elif code is ErrorCode.NONE:
                goal.succeed()
            else:
                goal.abort()
        except Exception as error:  # the server may be gone during shutdown
            self.get_logger().warning(f"the goal's end could not be reported: {error}")

    def _why_stop(self, goal: Any) -> str:
        """Why a goal must end now, or ""."""
        if goal.is_cancel_requested:
            return "canceled by the client; nothing moves any more"
        if self._stopping.is_set() or not self.context.ok():
            return "planner_node was deactivated; activate it and send the task again"
        return ""

    def _sleep(self, goal: Any) -> None:
        """One tick's pause; shorter when the goal is to end, because a cancel has to stop the arm at once."""
        for _ in range(4):
            if self._why_stop(goal):
                return
            time.sleep(_TICK_S / 4)

    def _check_stop(self, goal: Any) -> None:
        if reason := self._why_stop(goal):
            raise TaskError(ErrorCode.CANCELED, reason)

    # -- plan -------------------------------------------------------------------------------------------------------------

    def _plan(self, goal: Any, result: Any) -> None:
        goals = parse_instruction(goal.request.instruction).goals
        result.goal = " and ".join(str(one) for one in goals)
        with closing(FactsSession(self._feed, goals)) as session:
            goal.publish_feedback(PlanTask.Feedback(state=PlanTask.Feedback.STATE_LOOKING, text="waiting for facts"))
            self._wait_ready(goal, session)
            goal.publish_feedback(PlanTask.Feedback(state=PlanTask.Feedback.STATE_SEARCHING, text=result.goal))
            plan, motions = self._planned(goals, session)
        result.steps = [str(step) for step in plan.steps]
        result.trace = "\n".join([*plan.trace, *motions])
        result.success = True

    def _planned(self, goals: tuple[Predicate, ...], session: FactsSession) -> tuple[Plan, list[str]]:
        """A plan from what is seen now, and its motions; raises TaskError for one that leaves the workspace."""
        world = session.observe()
        plan = make_plan(Beliefs(world, self._config), goals, self._config)
        return plan, [f"{step}: {motion}" for step, motion in rehearse(plan, world, self._config)]

    def _wait_ready(self, goal: Any, session: FactsSession) -> None:
        """Wait for the facts that a task needs. Raises TaskError when they do not come."""
        begun_s = time.monotonic()
        missing_since_s: float | None = None
        while not session.ready(self._config.max_fact_age_s):
            self._check_stop(goal)
            now_s = time.monotonic()
            missing = session.missing(self._config.max_fact_age_s)
            missing_since_s = None if missing is None else missing_since_s or now_s
            late = now_s - begun_s > self.param("look_timeout_s")
            if missing is not None and missing_since_s is not None:
                if late or now_s - missing_since_s >= self.param("find_timeout_s"):
                    raise missing
            elif late:
                raise session.why_not_ready(self._config.max_fact_age_s)
            time.sleep(_TICK_S)

    # -- execute ----------------------------------------------------------------------------------------------------------

    def _execute(self, goal: Any, result: Any) -> None:
        if not self._moving.acquire(blocking=False):
            raise TaskError(ErrorCode.BUSY, f"another task is being carried out ({self._doing}); wait for its end or cancel it")
        begun_ns, begun_s = self.get_clock().now().nanoseconds, time.monotonic()
        try:
            self._doing = goal.request.instruction
            self._carry_out(goal, result)
        finally:
            # Time 0 is a simulated clock that was not heard yet; the steady clock stands in for it.
            by_clock_s = (self.get_clock().now().nanoseconds - begun_ns) * 1e-9
            result.duration_s = max(0.0, by_clock_s if begun_ns else time.monotonic() - begun_s)
            self._doing = ""
            self._moving.release()

    def _carry_out(self, goal: Any, result: Any) -> None:
        goals = parse_instruction(goal.request.instruction).goals
        motion = self._motion
        if motion is not None:
            if not self.param("allow_motion"):
                raise TaskError(
                    ErrorCode.MOTION_DISABLED, "motion is disabled; set parameter allow_motion to true when the robot may move"
                )
            self._wait_server(goal, motion)
        with closing(FactsSession(self._feed, goals)) as session:
            self._wait_ready(goal, session)
            plan, motions = self._planned(goals, session)
            for line in motions:
                self.get_logger().info(line)
            if motion is None:
                result.steps = [str(step) for step in plan.steps]
                result.success = not plan.steps
                result.error_msg = "" if not plan.steps else "dry run: nothing was moved; set executor and allow_motion to move"
                return
            self._run(goal, result, TaskRunner(goals, session.observe, motion, self._config, log=self.get_logger().info))

    def _wait_server(self, goal: Any, motion: MoveGripperExecutor) -> None:
        deadline = time.monotonic() + self.param("server_timeout_s")
        while not motion.ready():
            self._check_stop(goal)
            if time.monotonic() > deadline:
                raise motion.missing()
            time.sleep(_TICK_S)

    def _run(self, goal: Any, result: Any, runner: TaskRunner) -> None:
        """Tick until there is an outcome. Whatever is raised, the motion is cancelled."""
        told_s = -math.inf
        try:
            while runner.outcome is None:
                if reason := self._why_stop(goal):
                    runner.cancel(reason)
                elif not self.param("allow_motion"):
                    runner.cancel("allow_motion was set to false")
                runner.tick()
                if time.monotonic() - told_s >= _FEEDBACK_S:
                    told_s = time.monotonic()
                    goal.publish_feedback(_feedback(runner))
                self._sleep(goal)
        finally:
            runner.cancel("an error ended the task; see the log")
            result.steps = list(runner.steps_done)
        result.success = runner.outcome.success
        _set_error(result, runner.outcome.code, runner.outcome.text)


def _set_error(result: Any, code: ErrorCode, text: str) -> None:
    result.error_code, result.error_msg = int(code), text


def _feedback(runner: TaskRunner) -> Any:
    now = runner.progress()
    return ExecuteTask.Feedback(
        state=int(now.state), step=now.step, step_index=int(now.step_index), num_steps=int(now.num_steps),
        distance=float(now.distance_m), distance_std=float(now.distance_std_m), potential=float(now.potential),
    )  # fmt: skip


def main(args: list[str] | None = None) -> None:
    sys.exit(run_node(PlannerNode, args, num_threads=MAX_GOALS + 6))


if __name__ == "__main__":
    main()
