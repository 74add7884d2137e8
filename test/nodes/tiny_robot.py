"""spatial_node and a MoveGripper server, both played by one tiny world, over real messages."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.action import MoveGripper
from spatialvlm_msgs.msg import Scene as SceneMsg
from spatialvlm_msgs.msg import SpatialFactArray
from spatialvlm_msgs.srv import SetQueries
from spatialvlm_ros.nodes.conversions import header, pose_to_msg, transform_from_pose
from spatialvlm_ros.nodes.scene_messages import facts_to_msg, query_from_msg, scene_to_msg
from spatialvlm_ros.nodes.tf_listener import TF_STATIC_QOS
from spatialvlm_ros.planning.executor import MotionState
from spatialvlm_ros.planning.skills import Motion

sys.path.append(str(Path(__file__).resolve().parents[1] / "planning"))
from tiny_world import CAMERA_FRAME, TinyExecutor, TinyWorld, camera_pose

IMAGE_PERIOD_S = 0.05


class TinyRobot(Node):
    """Time is the node's clock; the arm goes ``haste`` times faster than asked."""

    def __init__(self, world: TinyWorld, *, haste: float = 8.0, serve_motion: bool = True, **kwargs: Any) -> None:
        super().__init__("tiny_robot", **kwargs)
        self.world, self.haste = world, haste
        self.lock = threading.Lock()
        self.queries: dict[str, list[Any]] = {}
        self.silent = False
        self.goals: list[Any] = []
        self.cancelled_s: list[float] = []
        self.tool_track: list[tuple[float, np.ndarray]] = []
        world.image_period_s = 0.0
        group = ReentrantCallbackGroup()
        self.scene_publisher = self.create_publisher(SceneMsg, "spatial_node/scene", 10)
        self.facts_publisher = self.create_publisher(SpatialFactArray, "spatial_node/facts", 10)
        self.create_service(SetQueries, "spatial_node/set_queries", self.set_queries, callback_group=group)
        self.create_timer(IMAGE_PERIOD_S, self.publish, callback_group=group)
        if serve_motion:
            self.server = ActionServer(
                self, MoveGripper, "sim_robot_node/move_gripper", self.move, callback_group=group,
                cancel_callback=lambda goal: CancelResponse.ACCEPT,
            )  # fmt: skip
        self.static = self.create_publisher(TFMessage, "/tf_static", TF_STATIC_QOS)
        pose = pose_to_msg(camera_pose())
        edge = TransformStamped(header=header(0, "base_link"), child_frame_id=CAMERA_FRAME)
        edge.transform.translation.x, edge.transform.translation.y = pose.position.x, pose.position.y
        edge.transform.translation.z, edge.transform.rotation = pose.position.z, pose.orientation
        self.static.publish(TFMessage(transforms=[edge]))

    def set_queries(self, request: Any, response: Any) -> Any:
        self.queries[request.owner] = [query_from_msg(query) for query in request.queries]
        response.success = True
        return response

    def publish(self) -> None:
        if self.silent:
            return
        with self.lock:
            self.world.now_ns = self.get_clock().now().nanoseconds
            scene = self.world.scene()
            queries = list(dict.fromkeys(query for asked in self.queries.values() for query in asked))
            facts = self.world.facts(queries)
        self.facts_publisher.publish(facts_to_msg(facts, scene.stamp_ns, scene.frame_id))
        self.scene_publisher.publish(scene_to_msg(scene))

    def move(self, goal: Any) -> Any:
        """Carry out a MoveGripper goal in the tiny world."""
        request = goal.request
        self.goals.append(request)
        target = transform_from_pose(request.target.pose) if request.move else None
        opening = None if np.isnan(request.finger_opening_m) else request.finger_opening_m
        executor = TinyExecutor(self.world, dt_s=0.01 * self.haste)
        with self.lock:
            executor.start(Motion("", target, opening, request.max_speed_m_s))
        while True:
            if goal.is_cancel_requested:
                self.cancelled_s.append(time.monotonic())
                goal.canceled()
                return MoveGripper.Result(error_code=MoveGripper.Result.ERROR_CANCELED, error_msg="canceled")
            with self.lock:
                status = executor.poll()
                self.tool_track.append((time.monotonic(), self.world.tool))
            if status.state is not MotionState.RUNNING:
                goal.succeed()
                return MoveGripper.Result(
                    success=True, position_error_m=0.0, finger_opening_m=float(self.world.opening_m),
                    grasping=self.world.held is not None,
                )  # fmt: skip
            time.sleep(0.01)
