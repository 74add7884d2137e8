"""What a person at the terminal would do by hand: wait for the scene, set the task, send the goal, watch it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from spatialvlm_msgs.action import AskSpatial, ExecuteTask
from spatialvlm_msgs.msg import Scene
from spatialvlm_msgs.srv import SetTask

from ..nodes.planner_action_client import SafeActionClient


class DemoError(RuntimeError):
    """The demo cannot go on; the text says what failed and where its log is."""


@dataclass(frozen=True)
class TaskOutcome:
    """How ExecuteTask ended."""

    success: bool
    error_code: int
    error_msg: str
    steps: tuple[str, ...]
    duration_s: float


_STATES = {0: "planning", 1: "moving", 2: "checking", 3: "retrying"}


class DemoClient:
    """A node of its own context, spun in a thread. Use as a context manager."""

    def __init__(self, alive: Callable[[], None]) -> None:
        """``alive`` raises DemoError when a process that the demo needs has ended."""
        self._alive = alive
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node("spatialvlm_demo", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> DemoClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        self._context.try_shutdown()
        self._thread.join(timeout=5.0)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Poll; raises DemoError naming ``what`` when the time is up."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            self._alive()
            if time.monotonic() > deadline:
                raise DemoError(f"{what} within {timeout_s:.0f} s")
            time.sleep(0.05)

    def wait_for_scene(self, timeout_s: float) -> Scene:
        """The first scene that shows objects."""
        scenes: list[Scene] = []
        subscription = self.node.create_subscription(Scene, "spatial_node/scene", scenes.append, 10)
        what = "no scene with objects came from spatial_node (see logs/spatial_node.log)"
        self.wait_until(lambda: any(scene.objects for scene in scenes), timeout_s, what)
        self.node.destroy_subscription(subscription)
        return next(scene for scene in reversed(scenes) if scene.objects)

    def call(self, service_type: Any, name: str, request: Any, timeout_s: float = 10.0) -> Any:
        """A service's response."""
        client = self.node.create_client(service_type, name)
        try:
            self.wait_until(client.service_is_ready, timeout_s, f"service {name} did not appear")
            future = client.call_async(request)
            self.wait_until(future.done, timeout_s, f"service {name} did not answer")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def set_task(self, instruction: str) -> list[str]:
        """Set reward_node's task; its stages."""
        response = self.call(SetTask, "reward_node/set_task", SetTask.Request(task=instruction))
        if not response.success:
            raise DemoError(f"reward_node refused the task: {response.error_msg}")
        return list(response.stages)

    def ask(self, question: str, timeout_s: float = 20.0) -> str:
        """spatial_node's answer to a question, or the reason why there is none."""
        client = SafeActionClient(self.node, AskSpatial, "spatial_node/ask")
        try:
            self.wait_until(client.server_is_ready, timeout_s, "action spatial_node/ask did not appear")
            sent = client.send_goal_async(AskSpatial.Goal(question=question))
            self.wait_until(sent.done, timeout_s, "spatial_node did not answer the goal")
            handle = sent.result()
            if not handle.accepted:
                raise DemoError("spatial_node rejected the question: is it active?")
            future = handle.get_result_async()
            self.wait_until(future.done, timeout_s, f"'{question}' had no answer")
            result = future.result().result
        finally:
            client.destroy()
        return str(result.answer or result.error_msg)

    def execute(self, instruction: str, timeout_s: float, tell: Callable[[str], None]) -> TaskOutcome:
        """Carry out a task and tell its progress, a line when something changed."""
        client = SafeActionClient(self.node, ExecuteTask, "planner_node/execute_task")
        last = [""]

        def on_feedback(message: Any) -> None:
            feedback = message.feedback
            head = f"{feedback.step or 'plan'} {_STATES.get(feedback.state, '?')}"
            if head != last[0]:
                last[0] = head
                place = f"{feedback.step_index + 1}/{feedback.num_steps}" if feedback.step else "-"
                measured = math.isfinite(feedback.distance)
                far = f"  {feedback.distance:.3f} m ± {feedback.distance_std:.3f} m" if measured else ""
                tell(f"step {place:>3}  {head:<44}{far}  done {feedback.potential:4.0%}")

        try:
            self.wait_until(client.server_is_ready, 20.0, "action planner_node/execute_task did not appear")
            sent = client.send_goal_async(ExecuteTask.Goal(instruction=instruction), feedback_callback=on_feedback)
            self.wait_until(sent.done, 10.0, "planner_node did not answer the goal")
            handle = sent.result()
            if not handle.accepted:
                raise DemoError("planner_node rejected the goal: is it active?")
            future = handle.get_result_async()
            self.wait_until(future.done, timeout_s, f"'{instruction}' did not end")
            result = future.result().result
        finally:
            client.destroy()
        return TaskOutcome(result.success, result.error_code, result.error_msg, tuple(result.steps), result.duration_s)
