"""A small episode with known answers, written as real messages: a gripper that comes down on a block and lifts it."""

from __future__ import annotations

import array
import math
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, TransformStamped, Vector3
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import Reward, RewardTerm, Scene, SceneObject, SpatialFact, SpatialFactArray
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.reward.annotator import RewardAnnotator
from spatialvlm_ros.reward.task import Stage, TaskSpec, at_least, at_most, is_true
from spatialvlm_ros.scene.facts import PROBABILITY, Query, Source, Status
from spatialvlm_ros.scene.facts import SpatialFact as Fact

WIDTH, HEIGHT, FOCAL = 160, 120, 150.0
START_NS, DT_NS, LATENCY_NS = 1_000_000_000_000, 100_000_000, 20_000_000
NUM_FRAMES, DROPPED, MISSING, STD_M = 60, (7, 31), range(20, 24), 0.004
REACH, HELD, LIFT = (
    Query("distance", "gripper", "red block"),
    Query("held", "red block", "gripper"),
    Query("elevation", "red block"),
)
TOPICS = {
    "/camera/color/image_raw": "sensor_msgs/msg/Image",
    "/camera/depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/spatial_node/facts": "spatialvlm_msgs/msg/SpatialFactArray",
    "/spatial_node/scene": "spatialvlm_msgs/msg/Scene",
    "/sim/ground_truth": "spatialvlm_msgs/msg/SpatialFactArray",
    "/reward_node/reward": "spatialvlm_msgs/msg/Reward",
}
TASK = TaskSpec(
    "pick up the red block",
    (
        Stage("reach", (at_most(REACH, 0.03),), weight=2),
        Stage("grasp", (is_true(HELD),), weight=0.5),
        Stage("lift", (at_least(LIFT, 0.1),), (is_true(HELD),)),
    ),
)


def truth(index: int) -> dict[Query, float]:
    """The true values on image ``index``."""
    return {
        REACH: max(0.01, 0.35 - 0.0105 * index),
        HELD: min(1.0, max(0.0, (index - 33) / 5)),
        LIFT: max(0.0, 0.008 * (index - 40)),
    }


def _header(stamp_ns: int, frame_id: str = "camera_optical") -> Header:
    return Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id=frame_id)


def _fact(query: Query, value: float, std: float, stamp_ns: int, source: int, points: np.ndarray) -> SpatialFact:
    unit = PROBABILITY if query == HELD else "m"
    message = SpatialFact(
        header=_header(stamp_ns, "base_link"), relation=query.relation, subject=query.subject, object=query.object
    )
    message.value, message.std, message.unit, message.source = float(value), float(std), unit, int(source)
    message.status = int(Status.OK if math.isfinite(value) else Status.NOT_FOUND)
    if query == REACH:
        message.subject_point, message.object_point = (Point(x=float(p[0]), y=float(p[1]), z=float(p[2])) for p in points)
    return message


def _image(stamp_ns: int, index: int) -> Image:
    rows = np.linspace(90, 200, HEIGHT).astype(np.uint8)
    pixels = np.repeat(np.repeat(rows[:, None, None], WIDTH, 1), 3, 2)
    pixels[60:75, 72:88] = (190, 60, 50)
    low = min(58, 10 + index)
    pixels[max(0, low - 20) : low, 76:84] = (60, 60, 70)
    message = Image(header=_header(stamp_ns), height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    message.data = data
    return message


def _reward(sample) -> Reward:
    names = ("reward", "potential", "progress", "distance", "std", "potential_std", "coverage")
    message = Reward(header=_header(sample.stamp_ns), task=sample.task, stage=sample.stage, success=sample.success)
    message.stage_index, message.num_stages, message.status = sample.stage_index, sample.num_stages, int(sample.status)
    for name in names:
        setattr(message, name, float(getattr(sample, name)))
    message.terms = [RewardTerm(name=t.name, value=float(t.value), std=float(t.std), unit=t.unit) for t in sample.terms]
    return message


def _messages(index: int, stamp_ns: int, annotator: RewardAnnotator, rng: np.random.Generator):
    """(topic, delay_ns, message) of one image. Points are given in base_link, which is 1 m from the camera along x."""
    values = truth(index)
    block = np.array([0.0, 0.045, 0.6])
    points = np.stack([block - (0, values[REACH], 0), block]) - (1.0, 0.0, 0.0)
    true = [_fact(query, value, 0.0, stamp_ns, Source.GROUND_TRUTH, points) for query, value in values.items() if query != HELD]
    yield "/sim/ground_truth", 0, SpatialFactArray(header=_header(stamp_ns, "base_link"), facts=true)
    yield "/camera/color/image_raw", 5_000_000, _image(stamp_ns, index)
    info = CameraInfo(header=_header(stamp_ns), width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = np.array([FOCAL, 0, 79.5, 0, FOCAL, 59.5, 0, 0, 1.0])
    yield "/camera/depth/camera_info", 5_000_000, info
    if index in DROPPED:
        return
    measured = {q: math.nan if index in MISSING else v + (0 if q == HELD else rng.normal(0, STD_M)) for q, v in values.items()}
    stds = {q: math.nan if q == HELD or index in MISSING else STD_M for q in values}
    facts = [_fact(q, v, stds[q], stamp_ns, Source.DEPTH, points) for q, v in measured.items()]
    yield "/spatial_node/facts", LATENCY_NS, SpatialFactArray(header=_header(stamp_ns, "base_link"), facts=facts)
    thing = SceneObject(id=1, label="red block", score=0.9, extents=Vector3(x=0.06, y=0.06, z=0.04), status=1)
    thing.pose = Pose(position=Point(x=0.0, y=0.045, z=0.6), orientation=Quaternion(w=1.0))
    yield "/spatial_node/scene", LATENCY_NS, Scene(header=_header(stamp_ns), objects=[thing])
    core = [
        Fact(q, Status.OK, Source.DEPTH, stamp_ns, "base_link", v, stds[q], PROBABILITY if q == HELD else "m")
        for q, v in measured.items()
        if math.isfinite(v)
    ]
    yield "/reward_node/reward", LATENCY_NS + 1_000_000, _reward(annotator.update(stamp_ns, core))


def write_episode(path: Path, *, clock_offset_ns: int = 0, without: tuple[str, ...] = ()) -> Path:
    """Write the episode. ``clock_offset_ns`` is how far the recorder's clock is ahead of the stamps."""
    annotator, rng = RewardAnnotator(TASK), np.random.default_rng(0)
    with BagWriter(path) as bag:
        for topic, message_type in TOPICS.items():
            if topic not in without:
                bag.add_topic(topic, message_type, latched=topic == "/tf_static")
        if "/tf_static" not in without:
            transform = TransformStamped(header=_header(START_NS), child_frame_id="base_link")
            transform.transform.translation.x = 1.0
            bag.write("/tf_static", START_NS + clock_offset_ns, serialize_message(TFMessage(transforms=[transform])))
        for index in range(NUM_FRAMES):
            stamp_ns = START_NS + index * DT_NS
            for topic, delay_ns, message in _messages(index, stamp_ns, annotator, rng):
                if topic not in without:
                    bag.write(topic, stamp_ns + clock_offset_ns + delay_ns, serialize_message(message))
    return path
