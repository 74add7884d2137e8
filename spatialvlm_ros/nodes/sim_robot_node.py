"""sim_robot_node: a simulated arm, table and RGB-D camera behind the very topics of a RealSense, with its truth beside them.

It publishes what a robot would (images, tf, joint_states, /clock) and serves MoveGripper. Physics, pictures and truth of one
instant come from one loop, so the truth of an image is exact. Nothing that measures or plans may listen to /sim/ground_truth.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import SpatialFactArray

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..simulation import BASE_FRAME, CAMERA_FRAME, SimConfig, TabletopSim
from ..simulation.truth import true_facts
from .conversions import array_to_image, camera_to_info, header, ns_to_stamp, transform_to_msg
from .lifecycle import ManagedNode, run_node
from .parameters import Param
from .scene_messages import facts_to_msg
from .sim_motion import MotionServer
from .tf_listener import TF_QOS, TF_STATIC_QOS

_CAMERA = "/camera/camera"
# A camera's body frame (x forward, y left, z up) seen from its optical frame, REP 103.
_OPTICAL_FROM_BODY = RigidTransform(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))
# Time 0 means "not started" to every node that uses sim time.
_EPOCH_NS = 100_000_000_000
_SENSOR_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_CLOCK_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)


class SimRobotNode(ManagedNode):
    """See the module."""

    PARAMS = (
        Param("seed", 0, "Seed of the scene and of the sensor's noise.", 0, 2**31 - 1),
        Param("image_width_px", 640, "Width of the images.", 64, 1920),
        Param("image_height_px", 480, "Height of the images.", 48, 1080),
        Param("frame_rate_hz", 10.0, "Images a second of simulated time.", 0.5, 60.0),
        Param("state_rate_hz", 25.0, "tf, joint_states and /clock a second of simulated time.", 5.0, 500.0),
        Param("real_time_factor", 1.0, "Simulated seconds a second; less when the machine is too slow.", 0.01, 100.0),
        Param("sensor_noise", True, "Noise and holes of a depth camera; false gives the renderer's own depth."),
        Param("drop_at_s", -1.0, "Failure switch: the fingers open once at this simulated time. Negative: never."),
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sim_robot_node", **kwargs)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._reset_wanted = threading.Event()
        self._frames = 0
        self._behind_s = 0.0
        self._problem = ""

    def setup(self) -> None:
        drop_at_s = self.param("drop_at_s")
        self.sim = TabletopSim(
            SimConfig(
                seed=self.param("seed"), width=self.param("image_width_px"), height=self.param("image_height_px"),
                sensor_noise=self.param("sensor_noise"), drop_at_s=drop_at_s if drop_at_s >= 0 else None,
            )
        )  # fmt: skip
        k = self.sim.camera_intrinsics
        self._camera = CameraModel(k.width, k.height, k.fx, k.fy, k.cx, k.cy)
        self._epoch_ns = _EPOCH_NS
        self._color = self.own_publisher(Image, f"{_CAMERA}/color/image_raw", _SENSOR_QOS)
        self._depth = self.own_publisher(Image, f"{_CAMERA}/aligned_depth_to_color/image_raw", _SENSOR_QOS)
        self._depth_info = self.own_publisher(CameraInfo, f"{_CAMERA}/aligned_depth_to_color/camera_info", _SENSOR_QOS)
        self._color_info = self.own_publisher(CameraInfo, f"{_CAMERA}/color/camera_info", _SENSOR_QOS)
        self._tf_publisher = self.own_publisher(TFMessage, "/tf", TF_QOS)
        self._tf_static = self.own_publisher(TFMessage, "/tf_static", TF_STATIC_QOS)
        self._joint_publisher = self.own_publisher(JointState, "/joint_states", 10)
        self._clock_publisher = self.own_publisher(Clock, "/clock", _CLOCK_QOS)
        self._truth_publisher = self.own_publisher(SpatialFactArray, "/sim/ground_truth", 10)
        self.own_service(Trigger, "~/reset", self._reset)
        self._motion = MotionServer(self, self.sim, self.now_ns)

    def start(self) -> None:
        self._publish_static()
        self._closing.clear()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="simulate", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._motion.stop()
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
            self._thread = None

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.sim.close()

    def diagnostics(self) -> tuple[bytes, str, dict[str, str]]:
        level, text, _ = super().diagnostics()
        if self._problem:
            level, text = DiagnosticStatus.ERROR, self._problem
        return level, text, {"frames": str(self._frames), "behind_real_time_s": f"{self._behind_s:.2f}"}

    def now_ns(self) -> int:
        """Simulated time as stamped on messages, nanoseconds. Goes on over a reset: a reset is no jump of time."""
        return self._epoch_ns + int(self.sim.time_ns)

    # -- loop -------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:  # a robot that stands still must say so
            self._problem = f"the simulation ended: {error!r}; deactivate and activate to start it again"
            self.get_logger().error(f"{self._problem}\n{traceback.format_exc()}")

    def _loop(self) -> None:
        factor, tick_s = self.param("real_time_factor"), 1.0 / self.param("state_rate_hz")
        frame_period_ns = int(1e9 / self.param("frame_rate_hz"))
        next_frame_ns = self.now_ns()
        due = time.monotonic()
        while not self._closing.is_set():
            if self._reset_wanted.is_set():
                self._reset_wanted.clear()
                self._epoch_ns = self.now_ns()
                self.sim.reset()
            self.sim.step(tick_s)
            self._publish_state()
            if self.now_ns() >= next_frame_ns:
                next_frame_ns = max(next_frame_ns + frame_period_ns, self.now_ns() - frame_period_ns)
                self._publish_frame()
            due += tick_s / factor
            ahead = due - time.monotonic()
            if ahead > 0:
                self._closing.wait(ahead)
            elif ahead < -0.2:  # too slow a machine: let time slip rather than rush after it
                self._behind_s -= ahead
                due = time.monotonic()

    def _publish_state(self) -> None:
        stamp_ns = self.now_ns()
        self._clock_publisher.publish(Clock(clock=ns_to_stamp(stamp_ns)))
        transforms = [
            _stamped(stamp_ns, BASE_FRAME, name, RigidTransform.from_matrix(pose)) for name, pose in self.sim.link_poses().items()
        ]
        self._tf_publisher.publish(TFMessage(transforms=transforms))
        joints = JointState(header=header(stamp_ns, ""), name=list(self.sim.joint_names))
        joints.position = self.sim.joint_positions().tolist()
        joints.velocity = self.sim.joint_velocities().tolist()
        self._joint_publisher.publish(joints)

    def _publish_frame(self) -> None:
        stamp_ns = self.now_ns()
        self._truth_publisher.publish(facts_to_msg(true_facts(self.sim, stamp_ns), stamp_ns, BASE_FRAME))
        picture = self.sim.render()
        info = camera_to_info(self._camera, stamp_ns, CAMERA_FRAME)
        self._color_info.publish(info)
        self._depth_info.publish(info)
        self._color.publish(array_to_image(picture.color, "rgb8", stamp_ns, CAMERA_FRAME))
        self._depth.publish(array_to_image(picture.depth_mm, "16UC1", stamp_ns, CAMERA_FRAME))
        self._frames += 1

    def _publish_static(self) -> None:
        base_from_optical = RigidTransform.from_matrix(self.sim.camera_pose_base)
        base_from_body = base_from_optical @ _OPTICAL_FROM_BODY
        stamp_ns = self.now_ns()
        self._tf_static.publish(
            TFMessage(
                transforms=[
                    _stamped(stamp_ns, BASE_FRAME, "camera_link", base_from_body),
                    _stamped(stamp_ns, "camera_link", CAMERA_FRAME, _OPTICAL_FROM_BODY.inverse()),
                ]
            )
        )

    def _reset(self, request: Any, response: Any) -> Any:
        if self._motion.busy:
            response.success, response.message = False, "a motion is under way; cancel it first"
            return response
        self._reset_wanted.set()
        response.success, response.message = True, "the scene starts over"
        return response


def _stamped(stamp_ns: int, parent: str, child: str, parent_from_child: RigidTransform) -> TransformStamped:
    return TransformStamped(header=header(stamp_ns, parent), child_frame_id=child, transform=transform_to_msg(parent_from_child))


def main(args: list[str] | None = None) -> None:
    sys.exit(run_node(SimRobotNode, args))


if __name__ == "__main__":
    main()
