"""Feeds a TransformBuffer from /tf and /tf_static, and waits a bounded time for a stamp."""

from __future__ import annotations

import threading
import time
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import LONGEST_GAP_S, ExtrapolationError, TransformBuffer, UnknownFrameError
from .conversions import stamp_to_ns, transform_from_msg
from .lifecycle import ManagedNode

TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
TF_STATIC_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformListener:
    """Owned by a ManagedNode; make it in setup()."""

    def __init__(self, node: ManagedNode, cache_s: float = 10.0) -> None:
        self.buffer = TransformBuffer(cache_s, LONGEST_GAP_S)
        self._node = node
        self._arrived = threading.Condition()
        node.own_stream(TFMessage, "/tf", lambda m: self._receive(m, False), TF_QOS)
        node.own_stream(TFMessage, "/tf_static", lambda m: self._receive(m, True), TF_STATIC_QOS)

    def clear(self, now_ns: int | None = None) -> None:
        """Forget moving transforms, after a backward jump of time to ``now_ns``."""
        self.buffer.clear(now_ns)

    def lookup(self, target: str, source: str, stamp_ns: int, timeout_s: float, *, await_unknown: bool = True) -> RigidTransform:
        """``target_from_source`` at a stamp, waiting up to ``timeout_s`` (wall time) for it.

        ``await_unknown``: also wait for frames that tf has not heard of or does not connect, not only for a newer transform.
        Raises TransformError, at once where waiting cannot help.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.buffer.lookup(target, source, stamp_ns)
            except UnknownFrameError:
                if not await_unknown or time.monotonic() >= deadline:
                    raise
            except ExtrapolationError as error:
                if not error.too_new or time.monotonic() >= deadline:
                    raise
            with self._arrived:
                self._arrived.wait(min(max(0.0, deadline - time.monotonic()), 0.02))

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


class ImageTransforms:
    """Transforms at the stamps of images, one image after the other. For the one thread that measures them.

    All lookups of an image share one deadline, ``timeout_s`` of wall time from its begin(): however many frames are missing, an
    image waits no longer. Frames that tf has never heard of, or does not connect, cost that once: the next images ask for
    them without waiting, as long as they ask. A frame that tf knows is always waited for: the transform of a moving one comes
    a little after the image.
    """

    def __init__(self, listener: TransformListener, timeout_s: float) -> None:
        self._listener, self._timeout_s = listener, timeout_s
        self.stamp_ns = 0
        self._deadline = 0.0
        self._asked: set[tuple[str, str]] = set()
        self._unknown: set[tuple[str, str]] = set()

    def begin(self, stamp_ns: int) -> None:
        """A new image with its stamp."""
        self.stamp_ns, self._deadline = stamp_ns, time.monotonic() + self._timeout_s
        # Names come with requests from outside: those that are no longer asked for must not pile up.
        self._unknown &= self._asked
        self._asked = set()

    def lookup(self, target: str, source: str) -> RigidTransform:
        """``target_from_source`` at the image's stamp, waiting for it within the image's deadline. Raises TransformError."""
        pair = (target, source)
        self._asked.add(pair)
        remaining_s = self._deadline - time.monotonic()
        try:
            pose = self._listener.lookup(target, source, self.stamp_ns, remaining_s, await_unknown=pair not in self._unknown)
        except UnknownFrameError:
            self._unknown.add(pair)
            raise
        except ExtrapolationError:
            self._unknown.discard(pair)
            raise
        self._unknown.discard(pair)
        return pose
