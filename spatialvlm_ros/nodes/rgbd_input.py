"""The subscriptions of an RGB-D camera: raw or compressed, matched by stamp, newest first; a watchdog names silent topics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..scene.sync import FrameSynchronizer, NewestSlot, Triple
from .conversions import is_rectified, stamp_to_ns
from .lifecycle import ManagedNode
from .parameters import Param

SENSOR_QOS = QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)

# So many images of both kinds without a match are no accident.
_UNMATCHED_PAIRS = 4

INPUT_PARAMS = (
    Param("image_transport", "raw", "Transport of color/image_raw.", choices=("raw", "compressed")),
    Param("depth_image_transport", "raw", "Transport of depth/image_raw.", choices=("raw", "compressedDepth")),
    Param("sync_slop_s", 0.02, "Largest difference of the stamps of colour and depth of one exposure.", 0.0, 1.0),
    Param("no_data_warn_s", 5.0, "Warn when an input topic is silent for this long.", 0.5, 3600.0),
)


@dataclass
class _Topic:
    """What a watchdog must know of one subscription. ``heard`` is a monotonic time, seconds."""

    name: str
    count: int = 0
    since_match: int = 0
    # Whether the newest image has no stamp: nobody can say what belongs together, nor where the robot was.
    unstamped: bool = False
    heard: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        self.count += 1
        self.since_match += 1
        self.heard = time.monotonic()


class RgbdInput:
    """Owned by a ManagedNode that declares INPUT_PARAMS; make it in setup(). Frames wait in ``slot``, at most one.

    ``on_jump`` is called with the stamp of an image that is of a time before the others.
    """

    def __init__(self, node: ManagedNode, on_jump: Callable[[int], None]) -> None:
        self._node = node
        self._on_jump = on_jump
        self.slot: NewestSlot[Triple] = NewestSlot()
        self.sync = FrameSynchronizer(node.param("sync_slop_s"))
        self.topics: dict[str, _Topic] = {}
        color_type, color = _transported("color/image_raw", node.param("image_transport"))
        depth_type, depth = _transported("depth/image_raw", node.param("depth_image_transport"))
        for kind, message_type, topic in (
            ("colour", color_type, color),
            ("depth", depth_type, depth),
            ("camera_info", CameraInfo, "depth/camera_info"),
        ):
            resolved = node.own_stream(message_type, topic, partial(self._receive, kind), SENSOR_QOS)
            self.topics[kind] = _Topic(resolved)
        self.rectified = is_rectified(self.topics["colour"].name)
        node.own_timer(1.0, self._watch, steady=True)

    def begin(self) -> None:
        """Begin to listen: what waits is of before, and how long a topic is silent counts from now."""
        self.slot.clear()
        self.sync.clear()
        for topic in self.topics.values():
            topic.heard, topic.since_match = time.monotonic(), 0

    def silence(self) -> str | None:
        """A sentence on what keeps frames from coming, or None when all topics are heard."""
        limit = self._node.param("no_data_warn_s")
        now = time.monotonic()
        missing = {kind: topic for kind, topic in self.topics.items() if now - topic.heard > limit or not topic.count}
        silent = [f"{topic.name} ({kind})" for kind, topic in missing.items()]
        if silent:
            return f"no messages on {', '.join(silent)}; is the camera running, are topics and QoS right (ros2 topic info -v)?"
        unstamped = [f"{topic.name} ({kind})" for kind, topic in self.topics.items() if topic.unstamped]
        if unstamped:
            return (
                f"images on {', '.join(unstamped)} have no stamp (header.stamp is 0), so that colour, depth and tf cannot be "
                "matched: let the driver stamp them with the time of exposure"
            )
        if min(self.topics["colour"].since_match, self.topics["depth"].since_match) >= _UNMATCHED_PAIRS:
            slop_s = self._node.param("sync_slop_s")
            return (
                f"colour and depth arrive, but no two of their stamps lie within sync_slop_s ({slop_s} s): is one of them late "
                "or stamped by another clock? A larger sync_slop_s matches them"
            )
        return None

    def _receive(self, kind: str, message: Any) -> None:
        self.topics[kind].beat()
        stamp_ns = stamp_to_ns(message.header.stamp)
        if kind == "camera_info":
            self._take(self.sync.add_info(message, stamp_ns))
            return
        if not self._node.active:
            return
        self.topics[kind].unstamped = stamp_ns <= 0
        if stamp_ns <= 0:
            return
        jumps = self.sync.jumps
        triple = self.sync.add_color(stamp_ns, message) if kind == "colour" else self.sync.add_depth(stamp_ns, message)
        if self.sync.jumps != jumps:
            self._node.get_logger().warning("image stamps jumped back: buffers and memory cleared")
            self.slot.clear()
            self._on_jump(stamp_ns)
        self._take([triple] if triple is not None else [])

    def _take(self, triples: list[Triple]) -> None:
        if not self._node.active:
            return
        for triple in triples:
            for topic in self.topics.values():
                topic.since_match = 0
            self.slot.put(triple)

    def _watch(self) -> None:
        if not self._node.active:
            return
        now, limit = time.monotonic(), self._node.param("no_data_warn_s")
        for kind, topic in self.topics.items():
            if now - topic.heard > limit:
                publishers = self._node.count_publishers(topic.name)
                cure = "nobody publishes it: is the camera running, is the topic remapped?"
                if publishers:
                    cure = f"{publishers} publisher(s) exist: is their QoS compatible (ros2 topic info -v)?"
                self._node.get_logger().warning(
                    f"no {kind} on {topic.name} for {now - topic.heard:.0f} s; {cure}", throttle_duration_sec=limit
                )


def _transported(topic: str, transport: str) -> tuple[type, str]:
    """Message type and topic name of an image under a transport, as image_transport names them."""
    return (Image, topic) if transport == "raw" else (CompressedImage, f"{topic}/{transport}")
