"""Up from the camera's own IMU (sensor_msgs/Imu): samples in their frame, turned into the camera's by tf."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import RobotState
from ..geometry.gravity import GravityConfig, GravityEstimator, UpDirection
from ..geometry.transform_buffer import TransformError
from .conversions import point_from_msg, stamp_to_ns
from .parameters import Param

if TYPE_CHECKING:
    from .lifecycle import ManagedNode
    from .tf_listener import ImageTransforms

IMU_PARAMS = (
    Param(
        "imu_topic",
        "",
        "Topic of the camera's IMU (sensor_msgs/Imu with accelerations), whose frame tf connects to the camera. It says which "
        "way is up where gravity_frame is empty. Empty: off.",
    ),
)


class ImuInput:
    """Owned by a node that declares IMU_PARAMS; make it in setup()."""

    def __init__(self, node: ManagedNode, transforms: ImageTransforms, config: GravityConfig | None = None) -> None:
        self._transforms = transforms
        self._gravity = GravityEstimator(config)
        self._frame_id = ""
        self._lock = threading.Lock()
        # Why the last image has no up from the IMU, or None.
        self.problem: str | None = None
        topic = str(node.param("imu_topic"))
        self.topic = self._listen(node, topic) if topic else ""

    def _listen(self, node: ManagedNode, topic: str) -> str:
        from sensor_msgs.msg import Imu

        from .rgbd_input import SENSOR_QOS

        return node.own_stream(Imu, topic, self._receive, SENSOR_QOS)

    def clear(self, now_ns: int) -> None:
        """Forget all samples, after a backward jump of time to ``now_ns``; those that are of that time already stay."""
        with self._lock:
            self._gravity.clear(now_ns)

    def add_up(self, robot: RobotState, camera_frame: str) -> RobotState:
        """The state with up from the IMU where tf is not asked for it, for the image that ``transforms`` has begun.

        One that is asked for and does not answer leaves up unknown for this image, with the reason: falling back on the plane
        would change the source from one image to the next.
        """
        self.problem = None
        if not self.topic or robot.up is not None or robot.up_problem:
            return robot
        found, self.problem = self.up_at(camera_frame)
        if found is None:
            return replace(robot, up_problem=self.problem or "")
        return replace(robot, up=found.up, up_source="imu", up_std_rad=found.std_rad)

    def up_at(self, camera_frame: str) -> tuple[UpDirection | None, str | None]:
        """Up in the camera's frame at the image's stamp, or None and a sentence that says why."""
        with self._lock:
            found, reason = self._gravity.up_at(self._transforms.stamp_ns)
            frame_id = self._frame_id
        if found is None:
            return None, f"no up from {self.topic}: {reason}"
        try:
            pose = self._transforms.lookup(camera_frame, frame_id)
        except TransformError as error:
            return None, f"no up from {self.topic}: {error}"
        return UpDirection(pose.rotation @ found.up, found.std_rad), None

    def _receive(self, message: Any) -> None:
        # REP 145: a first covariance of -1 marks a quantity that the sensor does not measure.
        if message.linear_acceleration_covariance[0] == -1:
            return
        measures_rate = message.angular_velocity_covariance[0] != -1
        with self._lock:
            if message.header.frame_id != self._frame_id:
                self._gravity.clear()
                self._frame_id = message.header.frame_id
            rate = point_from_msg(message.angular_velocity) if measures_rate else None
            # Drivers of accelerometers without a gyroscope leave zeros.
            self._gravity.add(
                stamp_to_ns(message.header.stamp),
                point_from_msg(message.linear_acceleration),
                rate if rate is not None and np.any(rate) else None,
            )
