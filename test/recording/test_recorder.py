"""The recorder, on real topics: nothing lost, QoS met, and the file complete after a signal."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import Reward, SpatialFact, SpatialFactArray
from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.recorder import Recorder

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def facts(index):
    message = SpatialFactArray(header=Header(frame_id="camera"))
    message.header.stamp.sec = index
    message.facts = [SpatialFact(relation="distance", subject="gripper", object="block", value=0.01 * index, unit="m")]
    return message


def test_records_every_message_of_every_qos(ros, tmp_path):
    node = ros.node(Node, "source")
    static = node.create_publisher(TFMessage, "/tf_static", LATCHED)
    static.publish(TFMessage(transforms=[TransformStamped(header=Header(frame_id="base"), child_frame_id="camera")]))
    images = node.create_publisher(Image, "color/image_raw", BEST_EFFORT)
    published = node.create_publisher(SpatialFactArray, "/spatial_node/facts", 10)
    path = tmp_path / "episode.mcap"
    topics = {"/tf_static": "", "color/image_raw": "sensor_msgs/msg/Image", "/spatial_node/facts": "", "/nobody": ""}
    recorder = ros.node(lambda **kwargs: Recorder(path, topics, **kwargs))
    ros.wait_for(lambda: recorder.missing() == ["/nobody"], what="the recorder to find the topics")
    ros.wait_for(lambda: images.get_subscription_count() and published.get_subscription_count(), what="discovery")
    pixels = np.arange(64 * 48 * 3, dtype=np.uint8)
    for index in range(20):
        published.publish(facts(index))
        image = Image(header=Header(frame_id="camera"), height=48, width=64, encoding="rgb8", step=192)
        image.data = pixels.tobytes()
        images.publish(image)
        time.sleep(0.01)
    ros.wait_for(lambda: recorder.counts.get("/spatial_node/facts") == 20, what="all facts")
    ros.wait_for(lambda: recorder.counts.get("/tf_static") == 1, what="the latched transform")
    counts = recorder.stop()
    assert recorder.stop() == counts and not recorder.dropped
    with BagReader(path) as bag:
        assert bag.counts() == counts
        assert [m.message.facts[0].value for m in bag.messages(["/spatial_node/facts"])] == [0.01 * i for i in range(20)]
        stamps = [m.stamp_ns for m in bag.messages(["/spatial_node/facts"])]
        assert stamps == [i * 1_000_000_000 for i in range(20)]
        first = next(bag.messages(["/color/image_raw"]))
        assert np.array_equal(first.message.data, pixels)
        assert abs(first.log_ns - time.time_ns()) < 60e9


def test_a_type_that_is_not_installed_is_said_and_the_rest_goes_on(ros, tmp_path):
    node = ros.node(Node, "source")
    node.create_publisher(Reward, "/reward", 10)
    path = tmp_path / "episode.mcap"
    recorder = ros.node(lambda **kwargs: Recorder(path, {"/reward": "missing_msgs/msg/Thing"}, **kwargs))
    ros.wait_for(lambda: recorder.missing() == [], what="the refusal")
    assert recorder.stop() == {} and path.is_file()


def test_an_existing_file_is_refused_before_anything_starts(ros, tmp_path):
    path = tmp_path / "episode.mcap"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        Recorder(path, {"/tf": ""}, context=ros.context)
    assert path.read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


def test_a_topic_that_cannot_be_leaves_nothing_behind(ros, tmp_path):
    with pytest.raises(ValueError, match="bad topic"):
        Recorder(tmp_path / "episode.mcap", {"/tf": "", "bad topic": ""}, context=ros.context)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_complete_file(ros, tmp_path, number):
    node = ros.node(Node, "source")
    publisher = node.create_publisher(SpatialFactArray, "/spatial_node/facts", 10)
    path = tmp_path / "episode.mcap"
    command = [sys.executable, "-m", "spatialvlm_ros.recording.recorder", "-o", str(path), "/spatial_node/facts"]
    process = subprocess.Popen(command, env=os.environ.copy(), stdout=subprocess.PIPE, text=True)
    try:
        ros.wait_for(publisher.get_subscription_count, timeout_s=30, what="the recorder's process")
        for index in range(10):
            publisher.publish(facts(index))
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    with BagReader(path) as bag:
        recorded = bag.counts()["/spatial_node/facts"]
    # The first message may be lost while the two sides still discover each other.
    assert 8 <= recorded <= 10 and f"/spatial_node/facts {recorded}" in output
