"""Live is offline: a bag played through the real nodes gives the very numbers that the labeller gives."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_bags import COLOR, DEPTH, INFO, Item, transforms, write_mcap
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import Reward, SpatialFactArray
from spatialvlm_msgs.srv import SetTask
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image, camera_to_info, ns_to_stamp, stamp_to_ns
from spatialvlm_ros.nodes.reward_node import RewardNode, reward_to_msg
from spatialvlm_ros.nodes.rgbd_input import SENSOR_QOS
from spatialvlm_ros.nodes.robot_state import ROBOT_PARAMS
from spatialvlm_ros.nodes.scene_messages import facts_to_msg
from spatialvlm_ros.nodes.spatial_node import SpatialNode
from spatialvlm_ros.nodes.tf_listener import TF_QOS, TF_STATIC_QOS
from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.label import BagLabeller, LabelOptions, load_task_of
from spatialvlm_ros.recording.label_rows import LabelledFrame
from spatialvlm_ros.recording.robot_file import RobotFile
from spatialvlm_ros.share import config_file
from spatialvlm_ros.simulation import BASE_FRAME, CAMERA_FRAME, SimConfig, TabletopSim, tool_down_rotation

sys.path.append(str(Path(__file__).resolve().parents[1] / "nodes"))
from table_camera import Listener

TASK = "pick up the red block and put it on the green plate"
ROBOT = config_file("robots", "sim.yaml")
EPOCH_NS, COUNT, TICK_S, TICKS = 5_000_000_000, 14, 0.04, 3
# This exposure has no depth in the bag; and the transforms of this one's stamp come so late that its neighbours' serve it.
WITHOUT_DEPTH, LATE_TF = 4, 8


def simulated() -> Iterator[Item]:
    """The arm moves to the red block over the noisy images of the simulation, as sim_robot_node publishes it."""
    sim = TabletopSim(SimConfig(seed=3))
    try:
        k = sim.camera_intrinsics
        camera = CameraModel(k.width, k.height, k.fx, k.fy, k.cx, k.cy)
        yield Item("/tf_static", EPOCH_NS, transforms((BASE_FRAME, CAMERA_FRAME, EPOCH_NS, pose(sim.camera_pose_base))))
        sim.set_tool_target(sim.objects()["red block"].pose[:3, 3] + (0, 0, 0.05), tool_down_rotation(0.0))
        for index in range(COUNT):
            for tick in range(TICKS):
                sim.step(TICK_S)
                stamp_ns = EPOCH_NS + sim.time_ns
                rows = [(BASE_FRAME, name, stamp_ns, pose(matrix)) for name, matrix in sim.link_poses().items()]
                late = index == LATE_TF and tick == TICKS - 1
                yield Item("/tf", stamp_ns + (150_000_000 if late else 4_000_000), transforms(*rows))
            picture = sim.render()
            stamp_ns = EPOCH_NS + picture.stamp_ns
            yield Item(COLOR, stamp_ns + 1_000_000, array_to_image(picture.color, "rgb8", stamp_ns, CAMERA_FRAME))
            if index != WITHOUT_DEPTH:
                yield Item(DEPTH, stamp_ns + 2_000_000, array_to_image(picture.depth_mm, "16UC1", stamp_ns, CAMERA_FRAME))
            yield Item(INFO, stamp_ns + 1_000, camera_to_info(camera, stamp_ns, CAMERA_FRAME))
    finally:
        sim.close()


def pose(matrix: np.ndarray) -> RigidTransform:
    return RigidTransform.from_matrix(matrix)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    items = sorted(simulated(), key=lambda item: item.log_ns)
    return write_mcap(tmp_path_factory.mktemp("live") / "episode.mcap", items)


class Player(Node):
    """Publishes a bag's bytes in its order with its clock; each image waits until the one before it is rewarded."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("player", **kwargs)
        self.publishers_by_topic = {
            COLOR: self.create_publisher(Image, "color/image_raw", SENSOR_QOS),
            DEPTH: self.create_publisher(Image, "depth/image_raw", SENSOR_QOS),
            INFO: self.create_publisher(CameraInfo, "depth/camera_info", SENSOR_QOS),
            "/tf": self.create_publisher(TFMessage, "/tf", TF_QOS),
            "/tf_static": self.create_publisher(TFMessage, "/tf_static", TF_STATIC_QOS),
        }
        self.clock = self.create_publisher(Clock, "/clock", 10)
        self.facts = Listener(self, SpatialFactArray, "spatial_node/facts")
        self.rewards = Listener(self, Reward, "reward_node/reward")

    def play(self, ros: Any, bag: Path) -> None:
        waiting: int | None = None
        with BagReader(bag) as reader:
            raw = list(reader._reader.messages())
        for connection, log_ns, data in raw:
            if connection.topic == COLOR and waiting is not None:
                done = waiting
                ros.wait_for(lambda done=done: done in self.rewards.stamps(), 30.0, f"the reward of the image at {done}")
                waiting = None
            self.clock.publish(Clock(clock=ns_to_stamp(log_ns)))
            if connection.topic == DEPTH:
                # A camera_info or picture that is overtaken would leave the pair incomplete: images are best effort.
                time.sleep(0.05)
                waiting = log_ns - 2_000_000
            self.publishers_by_topic[connection.topic].publish(bytes(data))
        if waiting is not None:
            ros.wait_for(lambda: waiting in self.rewards.stamps(), 30.0, "the last reward")


def start(ros: Any, focus_s: float) -> Player:
    robot = RobotFile(ROBOT)
    params = {param.name: robot.param(param.name) for param in ROBOT_PARAMS} | {
        "tf_timeout_s": 5.0, "use_sim_time": True, "focus_s": focus_s,
    }  # fmt: skip
    player = ros.node(Player)
    spatial = ros.node(SpatialNode, parameter_overrides=[Parameter(name, value=value) for name, value in params.items()])
    reward = ros.node(RewardNode, parameter_overrides=[Parameter("use_sim_time", value=True)])
    assert spatial.autostart() and reward.autostart()
    for topic, publisher in player.publishers_by_topic.items():
        ros.wait_for(publisher.get_subscription_count, what=f"the subscriber of {topic}")
    client = player.create_client(SetTask, "reward_node/set_task")
    assert client.wait_for_service(10.0)
    future = client.call_async(SetTask.Request(task=TASK))
    ros.wait_for(future.done, what="~/set_task")
    assert future.result().success, future.result().error_msg
    for topic in ("spatial_node/facts", "reward_node/reward"):
        ros.wait_for(lambda topic=topic: player.count_publishers(topic), what=topic)
    return player


def label(bag: Path, focus_s: float) -> list[LabelledFrame]:
    options = LabelOptions(TASK, robot=ROBOT, focus_s=focus_s)
    with BagLabeller(bag, options, load_task_of(options)) as labeller:
        frames = list(labeller.frames())
        assert labeller.counts.color_images == COUNT
        assert labeller.losses() == ["1 x colour image without depth within 0.02 s of its stamp (--slop)"]
    return frames


@pytest.mark.timeout(240)
@pytest.mark.parametrize("focus_s", [0.0, 0.6])
def test_a_bag_played_through_the_nodes_gives_the_labels_of_the_labeller(ros: Any, bag: Path, focus_s: float) -> None:
    """Every number is equal, not merely near: the same code on the same pixels, and DDS carries doubles whole."""
    player = start(ros, focus_s)
    player.play(ros, bag)
    labelled = {frame.sample.stamp_ns: frame for frame in label(bag, focus_s)}
    facts = {stamp_to_ns(m.header.stamp): m for m in player.facts.messages}
    rewards = {stamp_to_ns(m.header.stamp): m for m in player.rewards.messages}
    assert set(rewards) == set(labelled) == set(facts) and len(labelled) == COUNT - 1
    for stamp_ns, frame in labelled.items():
        # repr, because NaN is not equal to itself
        assert repr(facts[stamp_ns]) == repr(facts_to_msg(list(frame.facts), stamp_ns, frame.frame_id))
        assert repr(rewards[stamp_ns]) == repr(reward_to_msg(frame.sample, frame.frame_id))
    distances = [frame.sample.distance for frame in labelled.values()]
    assert np.isfinite(distances).all() and np.ptp(distances) > 0.01, "the episode must not stand still"
    assert {message.header.frame_id for message in rewards.values()} == {BASE_FRAME}
