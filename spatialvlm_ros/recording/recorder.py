"""Records live topics into one MCAP file, bytes as they come.

Messages are never deserialised: a subscription hands over the bytes and one thread writes them, so a slow disk delays nobody
and a message that this machine cannot decode is recorded all the same. What never changes: ``stop`` leaves a complete file.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.validate_topic_name import validate_topic_name

from ..nodes.end_signals import EndSignals
from .bag_writer import BagWriter
from .definitions import DefinitionError, normal_type

_DEPTH = 100
# How long one wait for messages is at the most: so long a signal may go unseen.
_SPIN_S = 0.1
_MAX_WAITING_BYTES = 512 * 2**20


class Recorder(Node):
    """Subscribes to topics as they appear and writes them.

    ``topics`` maps names to types ("sensor_msgs/msg/Image"), or to "" for the type that a publisher offers. Time of recording
    is the node's clock, so that it compares with the stamps in simulated time as well.
    """

    def __init__(
        self, path: str | Path, topics: Mapping[str, str], *, overwrite: bool = False, compress: bool = False, **kwargs: Any
    ) -> None:
        """Raises FileExistsError, ValueError or ImportError as BagWriter does, before the node exists."""
        for topic in topics:
            try:
                validate_topic_name(topic)
            except InvalidTopicNameException as error:
                raise ValueError(" ".join(str(error).split())) from None
        self._bag = BagWriter(path, overwrite=overwrite, compress=compress)
        super().__init__("recorder", **kwargs)
        self._wanted = {self.resolve_topic_name(topic): message_type for topic, message_type in topics.items()}
        self._subscriptions_made: dict[str, Any] = {}
        self._refused: set[str] = set()
        self._queue: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bag_lock = threading.Lock()
        self._waiting_bytes = 0
        self._stopped = False
        self._failure: Exception | None = None
        self.counts: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self._group = ReentrantCallbackGroup()
        self._writer = threading.Thread(target=self._write, name="bag-writer", daemon=True)
        self._writer.start()
        # Steady: discovery must go on while simulated time stands still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(0.1, self._discover, clock=self._steady, callback_group=self._group)
        self._discover()

    @property
    def path(self) -> Path:
        return self._bag.path

    def missing(self) -> list[str]:
        """Topics that no publisher was found for yet."""
        with self._lock:
            return [topic for topic in self._wanted if topic not in self._subscriptions_made and topic not in self._refused]

    def stop(self) -> dict[str, int]:
        """Write what waits, finish the file and return the number of messages a topic. A second call does nothing more.

        Raises what writing failed with (a full disk); the file then holds what was written before.
        """
        with self._lock:
            if self._stopped:
                return dict(self.counts)
            self._stopped = True
        # The file first: whatever happens to ROS's things, it is whole.
        self._queue.put(None)
        self._writer.join()
        try:
            self._bag.close()
        finally:
            self.destroy_timer(self._timer)
            for subscription in self._subscriptions_made.values():
                self.destroy_subscription(subscription)
        if self._failure is not None:
            raise self._failure
        return dict(self.counts)

    # -- topics -------------------------------------------------------------------------------------------------------

    def _discover(self) -> None:
        if self._stopped:
            return
        for topic in self.missing():
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers:
                self._subscribe(topic, publishers)

    def _subscribe(self, topic: str, publishers: Sequence[Any]) -> None:
        """Subscribe with the strongest QoS that every publisher of the topic can serve, as rosbag2 does."""
        offered = sorted({publisher.topic_type for publisher in publishers})
        message_type = self._wanted[topic] or offered[0]
        profiles = [publisher.qos_profile for publisher in publishers]
        reliable = all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in profiles)
        latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in profiles)
        try:
            message_class = _message_class(message_type)
            with self._bag_lock:
                self._bag.add_topic(topic, message_type, latched=latched, reliable=reliable)
        except (DefinitionError, ImportError, AttributeError, ValueError) as error:
            self._refuse(topic, f"{topic} of type {message_type} is not recorded: {error}")
            return
        if normal_type(message_type) not in offered:
            self.get_logger().warning(f"{topic} is published as {', '.join(offered)}, not as {message_type}: nothing will arrive")
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        with self._lock:
            if self._stopped or topic in self._subscriptions_made:
                return
            self.counts.setdefault(topic, 0)
            self._subscriptions_made[topic] = self.create_subscription(
                message_class,
                topic,
                lambda data: self._receive(topic, data),
                qos,
                callback_group=self._group,
                raw=True,
            )

    def _refuse(self, topic: str, why: str) -> None:
        with self._lock:
            self._refused.add(topic)
        self.get_logger().error(why)

    # -- messages -----------------------------------------------------------------------------------------------------

    def _receive(self, topic: str, data: bytes) -> None:
        with self._lock:
            if self._stopped:
                return
            if self._waiting_bytes > _MAX_WAITING_BYTES or self._failure is not None:
                self.dropped[topic] = self.dropped.get(topic, 0) + 1
                return
            self._waiting_bytes += len(data)
        self._queue.put((topic, self.get_clock().now().nanoseconds, data))

    def _write(self) -> None:
        """Body of the writer thread, until None comes."""
        while (item := self._queue.get()) is not None:
            topic, stamp_ns, data = item
            with self._lock:
                self._waiting_bytes -= len(data)
            if self._failure is not None:
                continue
            try:
                with self._bag_lock:
                    self._bag.write(topic, stamp_ns, data)
                with self._lock:
                    self.counts[topic] += 1
            except Exception as error:  # a full disk must end the recording, not the thread that empties the queue
                self._failure = error
                self.get_logger().error(f"recording to {self.path} failed: {error}")


def _message_class(message_type: str) -> type:
    from importlib import import_module

    package, _, name = normal_type(message_type).split("/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found


def _parse_topics(texts: Sequence[str]) -> dict[str, str]:
    """Topics of "name" or "name:pkg/msg/Type"."""
    return {name: message_type for name, _, message_type in (text.partition(":") for text in texts)}


def main(args: list[str] | None = None) -> None:
    """``python -m spatialvlm_ros.recording.recorder -o episode.mcap /tf /tf_static ...`` until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Record topics into one MCAP file until interrupted.")
    parser.add_argument("-o", "--output", required=True, help="the file to write, ending in .mcap")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    parser.add_argument("--compress", action="store_true", help="compress with zstd")
    parser.add_argument("topics", nargs="+", metavar="TOPIC[:TYPE]")
    given = sys.argv[1:] if args is None else args
    options = parser.parse_args(given[: given.index("--ros-args")] if "--ros-args" in given else given)
    signals = EndSignals()
    rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    recorder: Recorder | None = None
    try:
        recorder = Recorder(options.output, _parse_topics(options.topics), overwrite=options.overwrite, compress=options.compress)
        executor.add_node(recorder)
        while not signals.received:
            executor.spin_once(timeout_sec=_SPIN_S)
    except (OSError, ImportError, ValueError) as error:
        sys.exit(f"error: {error}")
    finally:
        if recorder is not None:
            try:
                counts = recorder.stop()
            except OSError as error:
                sys.exit(f"error: {recorder.path} holds what was recorded before this: {error}")
            for topic in recorder.missing():
                print(f"nothing was published on {topic}", file=sys.stderr)
            print(f"{recorder.path}: " + ", ".join(f"{topic} {count}" for topic, count in counts.items()))
        executor.shutdown(timeout_sec=2.0)
        if recorder is not None:
            recorder.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
