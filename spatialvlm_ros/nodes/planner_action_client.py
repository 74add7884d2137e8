"""An action client that never loses an answer.

rclpy's (Jazzy) sends a request first and notes its number afterwards. Under a MultiThreadedExecutor the answer of a quick
server may be handled in between, and is dropped with "Ignoring unexpected goal response"; the goal's future then never ends.
"""

from __future__ import annotations

import threading
from typing import Any

from rclpy.action import ActionClient


class SafeActionClient(ActionClient):
    """Handles answers only after the request under way has noted its number. Otherwise rclpy's ActionClient."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._sending = threading.RLock()
        super().__init__(*args, **kwargs)

    def send_goal_async(self, *args: Any, **kwargs: Any) -> Any:
        with self._sending:
            return super().send_goal_async(*args, **kwargs)

    def _cancel_goal_async(self, goal_handle: Any) -> Any:
        with self._sending:
            return super()._cancel_goal_async(goal_handle)

    def _get_result_async(self, goal_handle: Any) -> Any:
        with self._sending:
            return super()._get_result_async(goal_handle)

    async def execute(self, taken_data: Any) -> None:
        with self._sending:
            pass  # whoever was sending has noted its number by now
        await super().execute(taken_data)
