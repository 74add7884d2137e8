"""Feeds a TransformBuffer from /tf and /tf_static, and waits a bounded time for a stamp."""

from __future__ import annotations

import threading
import time
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import ExtrapolationError, TransformBuffer, TransformError, UnknownFrameError
from .conversions import stamp_to_ns, transform_from_msg
from .lifecycle import ManagedNode

TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
TF_STATIC_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformListener:
    """Owned by a ManagedNode; make it in setup()."""

    def __init__(self, node: ManagedNode, cache_s: float = 10.0) -> None:
        self.buffer = TransformBuffer(cache_s)
        self._node = node
        self._arrived = threading.Condition()
        node.own_stream(TFMessage, "/tf", lambda m: self._receive(m, False), TF_QOS)
        node.own_stream(TFMessage, "/tf_static", lambda m: self._receive(m, True), TF_STATIC_QOS)

    def clear(self) -> None:
        """Forget moving transforms, after a backward jump of time."""
        self.buffer.clear()

    def lookup(self, target: str, source: str, stamp_ns: int, timeout_s: float) -> RigidTransform:
        """``target_from_source`` at a stamp, waiting up to ``timeout_s`` (wall time) for it. Raises TransformError."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.buffer.lookup(target, source, stamp_ns)
            except (UnknownFrameError, ExtrapolationError) as error:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or (isinstance(error, ExtrapolationError) and not error.too_new):
                    raise
            with self._arrived:
                self._arrived.wait(min(remaining, 0.02))

    def wait_for(self, frames: list[tuple[str, str]], stamp_ns: int, timeout_s: float) -> TransformError | None:
        """Wait until each (target, source) is known at a stamp; the first error when the time is up, else None."""
        deadline = time.monotonic() + timeout_s
        for target, source in frames:
            try:
                self.lookup(target, source, stamp_ns, max(0.0, deadline - time.monotonic()))
            except TransformError as error:
                return error
        return None

    def _receive(self, message: Any, static: bool) -> None:
        for transform in message.transforms:
            self._store(transform, static)
        with self._arrived:
            self._arrived.notify_all()

    def _store(self, message: TransformStamped, static: bool) -> None:
        try:
            transform = transform_from_msg(message.transform)
            stamp_ns = stamp_to_ns(message.header.stamp)
            self.buffer.set_transform(message.header.frame_id, message.child_frame_id, stamp_ns, transform, static=static)
        except ValueError as error:
            self._node.get_logger().warning(
                f"ignored transform '{message.header.frame_id}' -> '{message.child_frame_id}': {error}",
                throttle_duration_sec=5.0,
            )
