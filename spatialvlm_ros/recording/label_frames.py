"""The images of a bag with what tf and the IMU say at their stamps, one after the other, as spatial_node would hear them.

Read once, from front to back, in a memory that does not grow with the bag. What never changes: an image waits for the
transforms of its stamp as long as a live node would, by the bag's own clock; an image that has no partner, or cannot be used,
is counted with its cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..engine import RobotState
from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import LONGEST_GAP_S, ExtrapolationError, TransformBuffer, TransformError, UnknownFrameError
from ..nodes.conversions import frame_from_messages, is_rectified, stamp_to_ns, transform_from_msg
from ..nodes.imu_input import ImuInput
from ..nodes.robot_state import RobotStateReader, output_frame
from ..scene.frame import RGBDFrame
from ..scene.sync import FrameSynchronizer, Triple
from .bag_reader import BagMessage, BagReader
from .label_losses import Losses
from .label_marks import Marks
from .label_topics import TF_TYPES, CameraTopics
from .label_vectors import Values, VectorMemory
from .robot_file import RobotFile

STATIC = "tf_static"
# No more images wait for transforms of their stamps, in bags whose times of recording stand still.
_MOST_WAITING = 100
# What a live node remembers of tf.
_TF_CACHE_S = 10.0
HEADER, RECORDED = "header", "recorded"


@dataclass(frozen=True)
class PinnedTransforms:
    """The one transform that facts need, at the stamp of an image, or why it is not known; later images may be read meanwhile."""

    found: RigidTransform | TransformError | None = None

    def lookup(self, target: str, source: str) -> RigidTransform:
        """``target_from_source``: the output frame from the camera's. Raises TransformError."""
        if isinstance(self.found, RigidTransform):
            return self.found
        raise self.found or TransformError(f"no transform from '{source}' to '{target}' was asked for")


@dataclass(frozen=True)
class Shot:
    """One image. ``breaks`` says why a new episode begins with it, or is empty; joints and command where topics were named."""

    frame: RGBDFrame
    robot: RobotState
    breaks: str
    joints: Values = field(default_factory=dict)
    command: Values = field(default_factory=dict)
    transforms: PinnedTransforms = field(default_factory=lambda: PinnedTransforms())


@dataclass(frozen=True)
class FrameOptions:
    """How images are read: see the arguments of ``spatialvlm label``."""

    slop_s: float = 0.02
    stamps: str = HEADER
    episode_topic: str = ""
    views: Sequence[str] = ()
    joint_topic: str = ""
    action_topic: str = ""


@dataclass
class _Waiting:
    triple: Triple
    log_ns: int
    breaks: str


class StreamedTransforms:
    """Transforms at the stamp of an image, of what has been read of the bag so far; ``blocked`` says what may still come."""

    def __init__(self, losses: Losses) -> None:
        self.buffer = TransformBuffer(_TF_CACHE_S, LONGEST_GAP_S)
        self.stamp_ns = 0
        self.blocked: tuple[str, str] | None = None
        self._hopeless: set[tuple[str, str]] = set()
        self._losses = losses

    def begin(self, stamp_ns: int) -> None:
        """A new image with its stamp."""
        self.stamp_ns, self.blocked = stamp_ns, None

    def lookup(self, target: str, source: str) -> RigidTransform:
        """``target_from_source`` at the image's stamp. Raises TransformError."""
        try:
            return self.buffer.lookup(target, source, self.stamp_ns)
        except UnknownFrameError:
            if (target, source) not in self._hopeless:
                self.blocked = self.blocked or (target, source)
            raise
        except ExtrapolationError as error:
            if error.too_new:
                self.blocked = self.blocked or (target, source)
            raise

    def still_blocked(self, stamp_ns: int, pair: tuple[str, str]) -> bool:
        """Whether waiting may still help a lookup."""
        self.begin(stamp_ns)
        try:
            self.lookup(*pair)
        except TransformError:
            return self.blocked is not None
        return False

    def give_up(self) -> bool:
        """What blocks now did not come in time: frames that tf never heard of are not waited for again. True for one it knows."""
        if self.blocked is not None:
            try:
                self.buffer.lookup(*self.blocked, self.stamp_ns)
            except UnknownFrameError:
                self._hopeless.add(self.blocked)
            except TransformError:
                return True
        return False

    def add(self, message: Any, static: bool) -> None:
        """All transforms of a message; those that cannot be used are counted."""
        for transform in message.transforms:
            try:
                stamp_ns, pose = stamp_to_ns(transform.header.stamp), transform_from_msg(transform.transform)
                parent, child = str(transform.header.frame_id), str(transform.child_frame_id)
                self.buffer.set_transform(parent, child, stamp_ns, pose, static=static)
            except ValueError as error:
                self._losses.add(f"transform ignored: {error}")


class FrameStream:
    """Reads one bag. ``losses`` and ``color_images`` are complete when ``shots`` has ended."""

    def __init__(self, reader: BagReader, topics: CameraTopics, robot: RobotFile, options: FrameOptions) -> None:
        self._reader, self._topics, self._options = reader, topics, options
        self._rectified = is_rectified(topics.color.topic)
        self.losses = Losses()
        self.tf_losses = Losses()
        self.transforms = StreamedTransforms(self.tf_losses)
        self.jumps: list[tuple[int, int]] = []
        self.color_images = 0
        # Images for which a transform came later than tf_timeout_s, or never.
        self.late_tf = 0
        self._robot = RobotStateReader(robot, self.transforms)
        self._output_frame = output_frame(robot)
        # A live node waits as long, by the wall's clock.
        self._tf_wait_ns = round(robot.param("tf_timeout_s") * 1e9)
        self._imu_node = _ImuNode(robot)
        self._imu = ImuInput(self._imu_node, self.transforms)  # type: ignore[arg-type]
        self._sync = FrameSynchronizer(options.slop_s)
        self._waiting: deque[_Waiting] = deque()
        self._unpaired: dict[str, dict[int, None]] = {topics.color.topic: {}, topics.depth.topic: {}}
        self._newest_ns = 0
        self._breaks = ""
        self._marks = Marks()
        self._vectors = {
            topic: VectorMemory(topic == options.action_topic) for topic in (options.joint_topic, options.action_topic) if topic
        }

    def shots(self) -> Iterator[Shot]:
        """All images that can be measured, in the order of recording."""
        tf = [topic for topic, kind in self._reader.topics().items() if kind in TF_TYPES]
        camera = self._topics
        images = (camera.color.topic, camera.depth.topic)
        extra = [topic for topic in (self._imu_node.topic, self._options.episode_topic, *self._vectors) if topic]
        self._before([topic for topic in tf if topic.endswith(STATIC)])
        log_ns = 0
        for item in self._messages([*images, camera.info.topic, *tf, *extra]):
            log_ns = item.log_ns
            if item.topic in tf:
                self.transforms.add(item.message, item.topic.endswith(STATIC))
            elif item.topic == camera.info.topic:
                # Images that are matched by the time of recording have no camera_info of their own.
                info_ns = item.stamp_ns if self._options.stamps == HEADER else None
                self._pair_up(self._sync.add_info(item.message, info_ns), log_ns)
            elif item.topic == self._imu_node.topic:
                self._imu_node.receive(item.message)
            elif item.topic in self._vectors:
                self._vector(item)
            elif item.topic == self._options.episode_topic:
                self._breaks = "mark" if self._marks.add(item.message) else self._breaks
            else:
                yield from self._image(item)
            yield from self._ready(log_ns)
        yield from self._ready(None)
        self._count_unpaired(None)

    def _before(self, static: Sequence[str]) -> None:
        """What a live node has before the first image: latched transforms, and a camera_info."""
        children: set[str] = set()
        for item in self._messages(static) if static else ():
            new = [t for t in item.message.transforms if t.child_frame_id not in children]
            children.update(str(t.child_frame_id) for t in new)
            if new:
                self.transforms.add(_Transforms(new), True)
        first = next(iter(self._messages([self._topics.info.topic])), None)
        if first is not None:
            self._sync.add_info(first.message)

    def _messages(self, topics: Sequence[str]) -> Iterator[BagMessage]:
        """Messages until the end, or until the bag cannot be read any further, which is a loss."""
        messages = self._reader.messages(topics, self._broken)
        while True:
            try:
                item = next(messages)
            except StopIteration:
                return
            except Exception as error:  # whatever a library makes of a broken file; what came before is good
                self.losses.add(f"the bag cannot be read to its end: {type(error).__name__}: {error}")
                return
            yield item

    def _broken(self, topic: str, log_ns: int) -> None:
        self.losses.add(f"message of {topic} cannot be decoded", log_ns)

    def _vector(self, item: BagMessage) -> None:
        stamp_ns = item.stamp_ns if self._options.stamps == HEADER and item.stamp_ns > 0 else item.log_ns
        try:
            self._vectors[item.topic].add(item.message, stamp_ns)
        except (ValueError, TypeError, AttributeError) as error:
            self.losses.add(f"message of {item.topic} ignored: {error}", item.log_ns)

    # -- images -------------------------------------------------------------------------------------------------------------

    def _image(self, item: BagMessage) -> Iterator[Shot]:
        is_color = item.topic == self._topics.color.topic
        self.color_images += is_color
        stamp_ns = item.log_ns if self._options.stamps == RECORDED else item.stamp_ns
        if stamp_ns <= 0:
            if is_color:
                self.losses.add("image whose header stamp is zero")
            return
        jumps = self._sync.jumps
        add = self._sync.add_color if is_color else self._sync.add_depth
        triple = add(stamp_ns, item.message)
        if self._sync.jumps != jumps:
            yield from self._jump(stamp_ns)
        self._newest_ns = max(self._newest_ns, stamp_ns)
        unpaired = self._unpaired[item.topic]
        if stamp_ns in unpaired and is_color:
            self.losses.add("colour image with the stamp of another one", stamp_ns)
        unpaired[stamp_ns] = None
        self._pair_up([triple] if triple is not None else [], item.log_ns)

    def _pair_up(self, triples: list[Triple], log_ns: int) -> None:
        """Images that have found their depth and camera_info."""
        for triple in triples:
            self._count_unpaired(triple)
            if self._marks.outside:
                self.losses.add("image outside of the marked episodes", triple.stamp_ns)
                continue
            self._waiting.append(_Waiting(triple, log_ns, self._breaks))
            self._breaks = ""

    def _jump(self, stamp_ns: int) -> Iterator[Shot]:
        """Stamps went back: what waits belongs to the time before; then all memory of it goes, as in the live node."""
        yield from self._ready(None)
        self.jumps.append((self._newest_ns, stamp_ns))
        self._count_unpaired(None)
        self.transforms.buffer.clear(stamp_ns)
        self._imu.clear(stamp_ns)
        for memory in self._vectors.values():
            memory.clear()
        self._newest_ns, self._breaks = stamp_ns, "stamps jumped back"

    def _count_unpaired(self, triple: Triple | None) -> None:
        """Images that can find no partner any more: those before a pair, or all when there is none to come."""
        color, depth = (self._unpaired[topic] for topic in (self._topics.color.topic, self._topics.depth.topic))
        depth_ns = None if triple is None else self._stamp_of(triple.depth)
        for stamps, own in ((color, None if triple is None else triple.stamp_ns), (depth, depth_ns)):
            limit = None if triple is None else max(triple.stamp_ns, depth_ns or 0)
            for stamp_ns in [stamp for stamp in stamps if limit is None or stamp <= limit]:
                del stamps[stamp_ns]
                # Depth without a picture costs no frame: its picture is what is counted.
                if stamps is color and stamp_ns != own:
                    slop = f"{self._options.slop_s:g} s"
                    self.losses.add(f"colour image without depth within {slop} of its stamp (--slop)", stamp_ns)

    def _stamp_of(self, message: Any) -> int | None:
        # Stamps of recording are not in the message; then the limit is the picture's own stamp.
        return stamp_to_ns(message.header.stamp) if self._options.stamps == HEADER else None

    # -- transforms ---------------------------------------------------------------------------------------------------------

    def _ready(self, log_ns: int | None) -> Iterator[Shot]:
        """Images whose transforms are there, or did not come in time (``log_ns`` None: nothing more will come)."""
        while self._waiting:
            head = self._waiting[0]
            in_time = log_ns is not None and log_ns - head.log_ns <= self._tf_wait_ns
            may_wait = in_time and len(self._waiting) <= _MOST_WAITING
            blocked = self.transforms.blocked
            is_again = self.transforms.stamp_ns == head.triple.stamp_ns and blocked is not None
            if may_wait and is_again and blocked and self.transforms.still_blocked(head.triple.stamp_ns, blocked):
                return
            robot = self._state(head.triple)
            if self.transforms.blocked is not None and may_wait:
                return
            self.late_tf += self.transforms.give_up()
            self._waiting.popleft()
            try:
                frame = frame_from_messages(head.triple.color, head.triple.depth, head.triple.info, self._rectified)
            except Exception as error:  # whatever a message holds, the next one is read
                what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
                self.losses.add(f"image refused: {what}", head.triple.stamp_ns)
                if head.breaks and self._waiting:
                    self._waiting[0].breaks = self._waiting[0].breaks or head.breaks
                elif head.breaks:
                    self._breaks = self._breaks or head.breaks
                continue
            if frame.stamp_ns != head.triple.stamp_ns:
                frame = replace(frame, stamp_ns=head.triple.stamp_ns)
            options, at = self._options, head.triple.stamp_ns
            joints, command = (
                self._vectors[topic].at(at) if topic else {} for topic in (options.joint_topic, options.action_topic)
            )
            yield Shot(frame, robot, head.breaks, joints, command, PinnedTransforms(self._output(frame.frame_id)))

    def _state(self, triple: Triple) -> RobotState:
        frame_id = str(triple.color.header.frame_id)
        self.transforms.begin(triple.stamp_ns)
        robot = self._imu.add_up(self._robot.read(frame_id, dict.fromkeys(self._options.views)), frame_id)
        # The facts themselves say what is wrong with it.
        self._output(frame_id)
        return robot

    def _output(self, frame_id: str) -> RigidTransform | TransformError | None:
        """The output frame from the camera's at the stamp of the image, or why not; None where there is nothing to ask."""
        if not self._output_frame or self._output_frame == frame_id:
            return None
        try:
            return self.transforms.lookup(self._output_frame, frame_id)
        except TransformError as error:
            return error


def fully_qualified(topic: str) -> str:
    """A topic's name as bags have it, for a node without a namespace."""
    return f"/{topic.lstrip('/')}"


@dataclass(frozen=True)
class _Transforms:
    """A TFMessage of some transforms."""

    transforms: Sequence[Any]


class _ImuNode:
    """What ImuInput needs of a node: the parameter, and somebody who calls it with messages."""

    def __init__(self, robot: RobotFile) -> None:
        self._robot = robot
        self.topic = ""
        self.receive: Callable[[Any], None] = lambda message: None

    def param(self, name: str) -> Any:
        return self._robot.param(name)

    def own_stream(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: Any) -> str:
        """As ManagedNode's: the callback is called with each message of the topic."""
        self.topic, self.receive = fully_qualified(topic), callback
        return self.topic
