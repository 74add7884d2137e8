"""Subscriptions that fire often (images, tf), on an internal node with a thread of its own.

An rclpy executor builds its wait set anew for every message, from every entity of its nodes: with the services, actions and
publishers of a lifecycle node that costs more than measuring the image does, and it holds the interpreter's lock meanwhile.
With a handful of subscriptions it costs little. tf2's listeners have a node of their own for the same reason.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


class Streams:
    """Callbacks run one at a time, in the order of arrival. Made by ManagedNode.own_stream; closed on cleanup."""

    def __init__(self, owner: Node) -> None:
        # Topics come resolved from the owner, so remaps of the command line must not apply a second time.
        self._node = Node(
            f"{owner.get_name()}_streams", context=owner.context, namespace=owner.get_namespace(),
            use_global_arguments=False, enable_rosout=False, start_parameter_services=False,
        )  # fmt: skip
        self._group = MutuallyExclusiveCallbackGroup()
        self._executor = SingleThreadedExecutor(context=owner.context)
        self._executor.add_node(self._node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="streams", daemon=True)
        self._thread.start()

    def subscribe(self, message_type: type, topic: str, callback: Callable[[Any], None], qos: Any) -> Any:
        """Subscribe to a fully qualified topic."""
        return self._node.create_subscription(message_type, topic, callback, qos, callback_group=self._group)

    def close(self) -> None:
        """End the thread and destroy the node."""
        self._closing.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=0.0)
        self._node.destroy_node()

    def _spin(self) -> None:
        while not self._closing.is_set() and self._node.context.ok():
            try:
                self._executor.spin_once(timeout_sec=0.2)
            except Exception:  # a message that breaks its callback must not end the others
                if not self._closing.is_set() and self._node.context.ok():
                    self._node.get_logger().error(f"callback failed: {traceback.format_exc()}", throttle_duration_sec=5.0)
