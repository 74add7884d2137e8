"""spatial_node with the camera's IMU: up comes from it, is named so, and is missing rather than replaced."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Imu
from table_camera import BASE_FROM_CAMERA, FIRST_NS, FRAME, Bench, transform
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.geometry.gravity import STANDARD_GRAVITY_M_S2 as G
from spatialvlm_ros.geometry.rigid import RigidTransform, rotation_from_quaternion
from spatialvlm_ros.geometry.transform_buffer import UnknownFrameError
from spatialvlm_ros.nodes.conversions import header
from spatialvlm_ros.nodes.imu_input import ImuInput
from spatialvlm_ros.nodes.rgbd_input import SENSOR_QOS
from spatialvlm_ros.nodes.tf_listener import ImageTransforms, TransformListener

UP = BASE_FROM_CAMERA.rotation[2]
# Not the camera's axes: x forward, as ZED's IMU.
CAMERA_FROM_IMU = RigidTransform(rotation_from_quaternion((0.5, -0.5, 0.5, 0.5)), np.array([0.02, 0.0, 0.0]))
HEIGHT = "elevation; red block"


class ImuBench:
    """A bench whose camera shakes an IMU along with every image."""

    def __init__(self, ros: Any, **params: Any) -> None:
        self.bench = Bench(ros, queries=[HEIGHT], tf_timeout_s=0.02, imu_topic="imu", **params).start()
        self.ros = ros
        self.publisher = self.bench.client.create_publisher(Imu, "imu", SENSOR_QOS)
        ros.wait_for(self.publisher.get_subscription_count, what="the IMU's subscriber")
        self.force = CAMERA_FROM_IMU.inverse().rotation @ (G * UP)
        self.covariance = 0.0

    def tie(self) -> None:
        """Say where the IMU is."""
        static = [transform(FRAME, "imu_frame", FIRST_NS, CAMERA_FROM_IMU)]
        self.bench.camera.tf_static.publish(TFMessage(transforms=static))
        self.ros.wait_for(lambda: "imu_frame" in self.bench.node._listener.buffer.frames(), what="the IMU's place")

    def samples(self, *_: Any) -> None:
        """Samples up to the next image, as it is shot."""
        for age_ms in range(100, -1, -10):
            message = Imu(header=header(self.bench.camera.stamp_ns - age_ms * 1_000_000, "imu_frame"))
            message.linear_acceleration.x, message.linear_acceleration.y, message.linear_acceleration.z = map(float, self.force)
            message.angular_velocity_covariance[0] = -1.0
            message.linear_acceleration_covariance[0] = self.covariance
            self.publisher.publish(message)

    def scene(self, words: str) -> Any:
        """The first scene whose source of up begins with the words."""

        def newest() -> Any:
            scenes = self.bench.scenes.messages
            return scenes and scenes[-1].canonical_source.startswith(words) and scenes[-1]

        return self.bench.shoot_until(newest, f"a scene with up '{words}'", self.samples)


def test_up_comes_from_the_imu_through_tf(ros: Any) -> None:
    imu = ImuBench(ros)
    # Its place is not known: no up, with tf's own words, and no other source in its stead.
    scene = imu.scene("no up from /imu: tf has no frame")
    assert not scene.is_canonical and all(math.isnan(value) for value in scene.support_plane)
    fact = imu.bench.next_fact(imu.samples)
    assert fact.status == SpatialFact.STATUS_NOT_CANONICAL and math.isnan(fact.value) and "tf has no frame" in fact.text
    imu.tie()
    scene = imu.scene("imu")
    assert scene.is_canonical
    q = scene.canonical_pose.orientation
    found = rotation_from_quaternion((q.x, q.y, q.z, q.w))[:, 2]
    assert math.acos(min(1.0, float(found @ UP))) < math.radians(0.1)
    imu.bench.shoot_until(lambda: imu.bench.facts.messages[-1].facts[0].status == SpatialFact.STATUS_OK, "a fact", imu.samples)
    assert imu.bench.facts.messages[-1].facts[0].value == pytest.approx(0, abs=0.008)


def test_a_moving_camera_has_no_up_and_says_so(ros: Any) -> None:
    imu = ImuBench(ros)
    imu.tie()
    imu.scene("imu")
    imu.force = 1.5 * imu.force
    scene = imu.scene("no up from /imu: the camera moves")
    assert not scene.is_canonical and "m/s^2, at rest it is 9.81" in scene.canonical_source
    report = imu.bench.shoot_until(
        lambda: (found := imu.bench.report()) is not None and "camera moves" in found.message and found, "the report", imu.samples
    )
    assert "no up from /imu" in report.message


def test_a_message_without_accelerations_is_none(ros: Any) -> None:
    imu = ImuBench(ros)
    imu.tie()
    imu.covariance = -1.0
    imu.scene("no up from /imu: no samples")


def test_gravity_of_tf_goes_first_and_is_not_replaced_when_it_is_missing(ros: Any) -> None:
    imu = ImuBench(ros, gravity_frame="base_link")
    imu.tie()
    scene = imu.scene("gravity_frame: tf has no frame 'base_link'")
    assert not scene.is_canonical
    static = transform("base_link", FRAME, FIRST_NS, BASE_FROM_CAMERA)
    imu.bench.camera.tf_static.publish(TFMessage(transforms=[static]))
    assert imu.scene("tf").is_canonical


def test_a_place_of_the_imu_that_nobody_tells_costs_one_wait() -> None:
    timeout_s = 0.3
    topics: list[str] = []
    node: Any = SimpleNamespace(param=lambda name: "imu", own_stream=lambda kind, topic, *_: (topics.append(topic), topic)[1])
    listener = TransformListener(node)
    transforms = ImageTransforms(listener, timeout_s)
    imu = ImuInput(node, transforms)
    assert "imu" in topics
    for age_ms in range(300, -1, -10):
        message = Imu(header=header(FIRST_NS - age_ms * 1_000_000, "imu_frame"))
        message.linear_acceleration.z = G
        message.angular_velocity_covariance[0] = -1.0
        imu._receive(message)
    waited_s = []
    for _ in range(3):
        started = time.monotonic()
        transforms.begin(FIRST_NS)
        found, problem = imu.up_at(FRAME)
        waited_s.append(time.monotonic() - started)
        assert found is None and problem is not None and "no up from imu: tf has no frame" in problem
    assert waited_s[0] >= timeout_s and max(waited_s[1:]) < timeout_s / 2
    # The robot's own frames have used the image's time up: the IMU's adds nothing to it.
    transforms = ImageTransforms(listener, timeout_s)
    imu._transforms = transforms
    transforms.begin(FIRST_NS)
    started = time.monotonic()
    for frame in ("tool0", "base_link"):
        with pytest.raises(UnknownFrameError):
            transforms.lookup(FRAME, frame)
    assert imu.up_at(FRAME)[0] is None and time.monotonic() - started < 2 * timeout_s
    listener._receive(TFMessage(transforms=[transform(FRAME, "imu_frame", 0, CAMERA_FROM_IMU)]), True)
    transforms.begin(FIRST_NS)
    found, problem = imu.up_at(FRAME)
    assert found is not None and problem is None and np.allclose(found.up, CAMERA_FROM_IMU.rotation[:, 2], atol=1e-6)
