"""Listens to a camera and tf for some seconds as spatial_node does: its subscriptions, its synchroniser, its conversions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.signals import SignalHandlerOptions
from rclpy.validate_topic_name import validate_topic_name
from rosgraph_msgs.msg import Clock

from ..bringup import camera_presets
from ..geometry.transform_buffer import TransformError
from ..nodes.conversions import frame_from_messages, stamp_to_ns
from ..nodes.imu_input import IMU_PARAMS, ImuInput
from ..nodes.lifecycle import ManagedNode, default_ros_environment
from ..nodes.rgbd_input import INPUT_PARAMS, SENSOR_QOS, RgbdInput
from ..nodes.robot_state import ROBOT_PARAMS, RobotStateReader
from ..nodes.tf_listener import TF_QOS, TF_STATIC_QOS, ImageTransforms, TransformListener
from ..recording.label import frames_of
from ..recording.robot_file import RobotFile
from ..scene.sync import Triple
from .seen import FrameLooked, Seen, Topic

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
# Of this many pairs each second at most all is looked at: a busy machine must not seem to lose what the doctor does not read.
_PAIRS_HZ = 10.0
# Longest wait until publishers are known.
_DISCOVERY_S = 3.0


@dataclass(frozen=True)
class LookOptions:
    """What to listen to. Topics are those of a preset or named one by one, without a transport's suffix."""

    color: str
    depth: str
    info: str
    robot: Path | None = None
    seconds: float = 5.0
    use_sim_time: bool = False
    slop_s: float = 0.02
    image_transport: str = "raw"
    depth_image_transport: str = "raw"


class _Tapped(RgbdInput):
    """spatial_node's input, which also tells of each message."""

    def __init__(self, node: _Doctor) -> None:
        self._doctor = node
        super().__init__(node, lambda stamp_ns: None)

    def _receive(self, kind: str, message: Any) -> None:
        self._doctor.heard(kind, message)
        super()._receive(kind, message)


class _Doctor(ManagedNode):
    """Owns what spatial_node owns, but for the engine."""

    PARAMS = (*INPUT_PARAMS, *ROBOT_PARAMS, *IMU_PARAMS)

    def __init__(self, options: LookOptions, robot: RobotFile, **kwargs: Any) -> None:
        self.options, self.file = options, robot
        values = {param.name: robot.param(param.name) for param in (*ROBOT_PARAMS, *IMU_PARAMS)}
        values |= {
            "sync_slop_s": options.slop_s, "image_transport": options.image_transport, "no_data_warn_s": 3600.0,
            "depth_image_transport": options.depth_image_transport,
        }  # fmt: skip
        super().__init__("spatialvlm_doctor", parameter_overrides=[Parameter(n, value=v) for n, v in values.items()], **kwargs)
        self.topics: dict[str, Topic] = {}
        self.clock_ns: int | None = None
        self.clock_messages = 0

    def setup(self) -> None:
        self.listener = TransformListener(self)
        self.transforms = ImageTransforms(self.listener, self.param("tf_timeout_s"))
        self.robot = RobotStateReader(self, self.transforms)
        self.imu = ImuInput(self, self.transforms)
        self.own_stream(Clock, "/clock", self._tick, SENSOR_QOS)
        self.input = _Tapped(self)
        kinds = {"colour": self.options.image_transport, "depth": self.options.depth_image_transport}
        for kind, topic in self.input.topics.items():
            wanted = _IMAGES[kinds[kind] != "raw"] if kind in kinds else "sensor_msgs/msg/CameraInfo"
            self.topics[kind] = Topic(topic.name, wanted)

    def start(self) -> None:
        self.input.begin()

    def _tick(self, message: Any) -> None:
        self.clock_ns, self.clock_messages = stamp_to_ns(message.clock), self.clock_messages + 1

    def heard(self, kind: str, message: Any) -> None:
        """A message of the camera, before it is used."""
        if (topic := self.topics.get(kind)) is None:
            return
        stamp_ns = stamp_to_ns(message.header.stamp)
        topic.arrivals_s.append(time.monotonic())
        topic.stamps_ns.append(stamp_ns)
        now_ns = self.clock_ns if self.options.use_sim_time else time.time_ns()
        if now_ns is not None:
            topic.ages_s.append((now_ns - stamp_ns) * 1e-9)
        topic.encodings[str(getattr(message, "encoding", getattr(message, "format", "")))] += 1

    def _publish_diagnostics(self) -> None:
        """The doctor is no part of the robot."""


def listen(options: LookOptions) -> Seen:
    """Look and listen for ``options.seconds``.

    Raises RobotFileError for a robot's file that cannot be used, ValueError for one of its values, or for a topic's name.
    """
    for name in (options.color, options.depth, options.info):
        try:
            validate_topic_name(name)
        except InvalidTopicNameException as problem:
            raise ValueError(f"'{name}' cannot be the name of a topic: {str(problem).splitlines()[0]}") from problem
    robot = RobotFile(options.robot)
    default_ros_environment()
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node: _Doctor | None = None
    try:
        node = _Doctor(
            options, robot, context=context, use_global_arguments=False, cli_args=_remaps(options), enable_rosout=False
        )
        node.get_logger().set_level(LoggingSeverity.FATAL)  # the findings say everything
        node.setup()
        node._active.set()
        node.start()
        return _Look(node).run()
    finally:
        if node is not None:
            node.destroy_node()
        context.try_shutdown()


def _remaps(options: LookOptions) -> list[str]:
    pairs = {
        "color/image_raw": options.color, "depth/image_raw": options.depth, "depth/camera_info": options.info,
        "color/image_raw/compressed": f"{options.color}/compressed",
        "depth/image_raw/compressedDepth": f"{options.depth}/compressedDepth",
    }  # fmt: skip
    return ["--ros-args", *(word for pair in pairs.items() for word in ("-r", ":=".join(pair)))]


class _Look:
    """One look with a node that listens."""

    def __init__(self, node: _Doctor) -> None:
        self._node, options = node, node.options
        topics = node.topics
        self.seen = Seen(
            options.seconds, topics["colour"], topics["depth"], topics["camera_info"],
            Topic("/tf", "tf2_msgs/msg/TFMessage"), Topic("/tf_static", "tf2_msgs/msg/TFMessage"),
            options.use_sim_time, slop_s=options.slop_s, rectified=node.input.rectified, imu_topic=node.imu.topic,
        )  # fmt: skip
        self.seen.frames = {frame: FrameLooked(parameter) for frame, parameter in frames_of(node.file).items()}
        self._looked_s = 0.0

    def run(self) -> Seen:
        """Listen, then ask the graph who publishes what."""
        node, seen = self._node, self.seen
        self._await_publishers()
        until = time.monotonic() + seen.seconds
        while (left_s := until - time.monotonic()) > 0:
            triple = node.input.slot.take(min(0.2, left_s))
            if triple is None:
                continue
            seen.pairs += 1
            seen.spreads_s.append((stamp_to_ns(triple.depth.header.stamp) - triple.stamp_ns) * 1e-9)
            if time.monotonic() - self._looked_s >= 1.0 / _PAIRS_HZ:
                self._looked_s = time.monotonic()
                self._look_at(triple)
        seen.pairs += node.input.slot.dropped
        seen.clock_messages = node.clock_messages
        seen.known_frames = tuple(node.listener.buffer.frames())
        self._ask_graph()
        return seen

    def _await_publishers(self) -> None:
        """Until somebody publishes all topics: it takes a moment until two processes know of each other."""
        names, until = [topic.name for topic in self._node.topics.values()], time.monotonic() + _DISCOVERY_S
        while time.monotonic() < until and not all(map(self._node.count_publishers, names)):
            time.sleep(0.05)

    def _look_at(self, triple: Triple) -> None:
        """A pair as spatial_node's worker would take it."""
        node, seen = self._node, self.seen
        seen.info_message = triple.info
        try:
            frame = frame_from_messages(triple.color, triple.depth, triple.info, seen.rectified)
        except ValueError as problem:
            seen.problems[str(problem)] += 1
        else:
            seen.frame, seen.depth_in_metres = frame, getattr(triple.depth, "encoding", "") == "32FC1"
            seen.coverages.append(frame.coverage)
        camera = triple.color.header.frame_id
        node.transforms.begin(triple.stamp_ns)
        state = node.robot.read(camera)
        node.imu.add_up(state, camera)
        seen.imu_problem = node.imu.problem
        for name, looked in seen.frames.items():
            try:
                node.transforms.lookup(camera, name)
                looked.edges = node.listener.buffer.moving(camera, name)
            except TransformError as problem:
                looked.missed, looked.problem = looked.missed + 1, str(problem)
            else:
                # What was missed before is of the time in which the publisher was not known yet.
                looked.missed = looked.missed if looked.found else 0
                looked.found += 1

    def _ask_graph(self) -> None:
        node, seen = self._node, self.seen
        known = {name: tuple(kinds) for name, kinds in node.get_topic_names_and_types()}
        for topic, qos in (
            (seen.color, SENSOR_QOS), (seen.depth, SENSOR_QOS), (seen.info, SENSOR_QOS), (seen.tf, TF_QOS),
            (seen.tf_static, TF_STATIC_QOS),
        ):  # fmt: skip
            self._ask_publishers(topic, qos)
        seen.clock_publishers = node.count_publishers("/clock")
        published = {name for name, kinds in known.items() if node.count_publishers(name) and set(kinds) & {*_IMAGES}}
        seen.image_topics = tuple(sorted(published))
        presets = camera_presets()
        seen.fitting_presets = tuple(name for name, p in presets.items() if p and {p.get("color"), p.get("depth")} <= published)

    def _ask_publishers(self, topic: Topic, mine: QoSProfile) -> None:
        found = self._node.get_publishers_info_by_topic(topic.name)
        topic.kinds = tuple(sorted({info.topic_type for info in found}))
        topic.publishers = tuple(sorted(f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found))
        misfits = []
        for info in found:
            verdict, reason = qos_check_compatible(info.qos_profile, mine)
            if verdict == QoSCompatibility.ERROR:
                misfits.append(f"{info.node_name}: {reason.strip().rstrip(';')}")
        topic.misfits = tuple(misfits)
