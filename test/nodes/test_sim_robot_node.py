"""sim_robot_node: the topics of a RealSense and a robot's tf, exact truth beside them, and a motion server."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from table_camera import Listener, error_name
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.action import MoveGripper
from spatialvlm_msgs.msg import SpatialFact, SpatialFactArray
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.geometry.transform_buffer import TransformBuffer
from spatialvlm_ros.nodes.conversions import camera_from_info, image_to_array, pose_to_msg, stamp_to_ns, transform_from_msg
from spatialvlm_ros.nodes.planner_action_client import SafeActionClient
from spatialvlm_ros.nodes.rgbd_input import SENSOR_QOS
from spatialvlm_ros.nodes.sim_robot_node import SimRobotNode
from spatialvlm_ros.nodes.tf_listener import TF_QOS, TF_STATIC_QOS
from spatialvlm_ros.simulation import BASE_FRAME, CAMERA_FRAME, LINK_FRAMES, MAX_OPENING_M, TOOL_FRAME, tool_down_rotation

CAMERA = "/camera/camera"
COLOR, DEPTH = f"{CAMERA}/color", f"{CAMERA}/aligned_depth_to_color"
NAN = math.nan
DOWN = tool_down_rotation(0.0)


class Cell:
    """The node with small, rare images, and a client that listens and moves the arm."""

    def __init__(self, ros: Any, **params: Any) -> None:
        self.ros = ros
        self.client = ros.node(Node, "client")
        self.color = Listener(self.client, Image, f"{COLOR}/image_raw", SENSOR_QOS)
        self.depth = Listener(self.client, Image, f"{DEPTH}/image_raw", SENSOR_QOS)
        self.infos = [Listener(self.client, CameraInfo, f"{name}/camera_info", SENSOR_QOS) for name in (COLOR, DEPTH)]
        self.truth = Listener(self.client, SpatialFactArray, "/sim/ground_truth")
        self.clock = Listener(self.client, Clock, "/clock", SENSOR_QOS)
        self.joints = Listener(self.client, JointState, "/joint_states", 200)
        self.tf = Listener(self.client, TFMessage, "/tf", TF_QOS)
        self.tf_static = Listener(self.client, TFMessage, "/tf_static", TF_STATIC_QOS)
        self.motion = SafeActionClient(self.client, MoveGripper, "sim_robot_node/move_gripper")
        self.resets = self.client.create_client(Trigger, "sim_robot_node/reset")
        values = {"image_width_px": 160, "image_height_px": 120, "frame_rate_hz": 4.0, **params}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = ros.node(SimRobotNode, parameter_overrides=overrides)
        assert self.node.autostart()
        ros.wait_for(self.motion.server_is_ready, what="~/move_gripper")

    def send(self, target: Any = None, opening: float = NAN, speed: float = 0.0, frame_id: str = BASE_FRAME) -> Any:
        """Handle of a goal; ``target``: position over the table with the tool down, a Pose, or None to move only the fingers."""
        goal = MoveGripper.Goal(move=target is not None, finger_opening_m=opening, max_speed_m_s=speed)
        if target is not None:
            pose = target if hasattr(target, "orientation") else pose_to_msg(RigidTransform(DOWN, np.array(target, float)))
            goal.target = PoseStamped(pose=pose)
            goal.target.header.frame_id = frame_id
        future = self.motion.send_goal_async(goal)
        self.ros.wait_for(future.done, what="the answer to the goal")
        return future.result()

    def end(self, handle: Any) -> Any:
        future = handle.get_result_async()
        self.ros.wait_for(future.done, 60.0, what="the end of the motion")
        return future.result().status, error_name(future.result().result), future.result().result

    def move(self, *args: Any, **kw: Any) -> Any:
        return self.end(self.send(*args, **kw))

    def reset(self) -> Any:
        assert self.resets.wait_for_service(10.0)
        future = self.resets.call_async(Trigger.Request())
        self.ros.wait_for(future.done, what="~/reset")
        return future.result()

    def tool(self) -> np.ndarray:
        return np.array(self.node.sim.tool_pose_base()[:3, 3])

    def wait_motion(self) -> None:
        begun = self.tool()
        self.ros.wait_for(lambda: np.linalg.norm(self.tool() - begun) > 0.01, 30.0, what="the arm to move")


def test_topics_are_those_of_a_camera_and_a_robot(ros: Any) -> None:
    cell = Cell(ros)
    listeners = [cell.color, cell.depth, *cell.infos, cell.truth, cell.clock, cell.joints, cell.tf, cell.tf_static]
    ros.wait_for(lambda: all(listener.messages for listener in listeners), 30.0, what="a message on every topic")
    ros.wait_for(lambda: len(set(cell.color.stamps()) & set(cell.depth.stamps())) >= 3, 30.0, what="three images")
    color, depth = cell.color.messages[0], cell.depth.messages[0]
    assert (color.encoding, depth.encoding) == ("rgb8", "16UC1")
    assert {(m.width, m.height, m.header.frame_id) for m in (color, depth)} == {(160, 120, CAMERA_FRAME)}
    assert image_to_array(depth).max() > 300, "millimetres"
    for infos in cell.infos:
        info = infos.messages[0]
        camera = camera_from_info(info)
        assert (camera.width, camera.height, info.header.frame_id) == (160, 120, CAMERA_FRAME)
        assert set(cell.color.stamps()) & set(infos.stamps())
    names = cell.joints.messages[0].name
    assert len(names) == 8 == len(cell.joints.messages[0].position) == len(cell.joints.messages[0].velocity)
    stamps = cell.color.stamps()
    assert stamps == sorted(stamps) and stamps[0] >= 100 * 10**9, "time 0 would mean: not started"
    assert np.diff(stamps).min() > 0.2e9, "four a second, on the grid of the physics' ticks"
    times = [stamp_to_ns(m.clock) for m in cell.clock.messages]
    assert all(b > a for a, b in pairwise(times))


def test_tf_is_one_tree_from_camera_to_tool(ros: Any) -> None:
    cell = Cell(ros)
    ros.wait_for(lambda: cell.tf_static.messages and len(cell.tf.messages) > 20 and len(cell.truth.messages) > 2, 30.0, what="tf")
    buffer = TransformBuffer()
    for listener, static in ((cell.tf_static, True), (cell.tf, False)):
        for message in list(listener.messages):
            for edge in message.transforms:
                stamp_ns = stamp_to_ns(edge.header.stamp)
                pose = transform_from_msg(edge.transform)
                buffer.set_transform(edge.header.frame_id, edge.child_frame_id, stamp_ns, pose, static=static)
    assert {BASE_FRAME, CAMERA_FRAME, "camera_link", TOOL_FRAME, *LINK_FRAMES} <= set(buffer.frames())
    truth = cell.truth.messages[1]
    stamp_ns = stamp_to_ns(truth.header.stamp)
    tool = buffer.lookup(CAMERA_FRAME, TOOL_FRAME, stamp_ns)
    back = RigidTransform.from_matrix(cell.node.sim.camera_pose_base) @ tool
    fact = next(f for f in truth.facts if f.subject == "gripper")
    point = (fact.subject_point.x, fact.subject_point.y, fact.subject_point.z)
    np.testing.assert_allclose(back.translation, point, atol=1e-6)
    body = buffer.lookup("camera_link", CAMERA_FRAME, stamp_ns)
    np.testing.assert_allclose(body.apply([0.0, 0.0, 1.0]), [1.0, 0.0, 0.0], atol=1e-9)


def test_truth_stands_at_exactly_the_stamps_of_the_images(ros: Any) -> None:
    cell = Cell(ros)
    ros.wait_for(lambda: len(cell.color.messages) >= 4, 30.0, what="four images")
    seen = cell.color.stamps()
    ros.wait_for(lambda: set(seen) <= set(cell.truth.stamps()), what="the truth of each image")
    for message in cell.truth.messages:
        assert message.header.frame_id == BASE_FRAME and message.facts
        assert all(f.header == message.header and f.source == SpatialFact.SOURCE_GROUND_TRUTH for f in message.facts)
        assert all(math.isfinite(f.value) and f.std == 0.0 and f.status == SpatialFact.STATUS_OK for f in message.facts)


def test_a_motion_ends_where_it_was_told_to(ros: Any) -> None:
    cell = Cell(ros, real_time_factor=4.0)
    status, error, result = cell.move([0.45, 0.1, 0.25], opening=0.02, speed=0.5)
    assert (status, error, result.error_msg, result.success) == (GoalStatus.STATUS_SUCCEEDED, "NONE", "", True)
    assert result.position_error_m < 0.005 and np.linalg.norm(cell.tool() - [0.45, 0.1, 0.25]) < 0.01
    assert result.finger_opening_m == pytest.approx(0.02, abs=0.003) and not result.grasping
    # The same place, told in the frame of the camera.
    seen = RigidTransform.from_matrix(cell.node.sim.camera_pose_base).inverse() @ RigidTransform(DOWN, np.array([0.4, 0.0, 0.3]))
    status, error, _ = cell.move(pose_to_msg(seen), frame_id=CAMERA_FRAME)
    assert error == "NONE" and np.linalg.norm(cell.tool() - [0.4, 0.0, 0.3]) < 0.01


def test_fingers_close_on_nothing_and_open_to_their_limit(ros: Any) -> None:
    cell = Cell(ros, real_time_factor=4.0)
    _, error, closed = cell.move(opening=0.0)
    assert error == "NONE" and closed.finger_opening_m < 0.004 and not closed.grasping
    _, error, opened = cell.move(opening=1.0)
    assert error == "NONE" and opened.finger_opening_m == pytest.approx(MAX_OPENING_M, abs=0.003)


def test_targets_that_cannot_be_used_are_refused_and_nothing_moves(ros: Any) -> None:
    cell = Cell(ros, real_time_factor=4.0)
    begun, opening = cell.tool(), cell.node.sim.finger_opening_m()
    not_finite, no_rotation = (pose_to_msg(RigidTransform(DOWN, np.array([0.4, 0.0, 0.3]))) for _ in range(2))
    not_finite.position.x = NAN
    no_rotation.orientation.x = no_rotation.orientation.y = no_rotation.orientation.z = no_rotation.orientation.w = 0.0
    for goal, error, text in (
        ({"target": not_finite}, "BAD_TARGET", "not three finite numbers"),
        ({"target": no_rotation}, "BAD_TARGET", "length above 0"),
        ({"target": [0.4, 0.0, 0.3], "frame_id": "elbow"}, "BAD_TARGET", "frame 'elbow' is unknown; known are base_link"),
        ({"target": [0.4, 0.0, 0.3], "speed": -1.0}, "BAD_TARGET", "max_speed_m_s is -1.0; expected 0 (default) to 2"),
        ({"target": [0.4, 0.0, 0.3], "speed": NAN}, "BAD_TARGET", "max_speed_m_s is nan"),
        ({"opening": -0.01}, "BAD_TARGET", "finger_opening_m is -0.01; expected 0 to 0.1"),
        ({"opening": math.inf}, "BAD_TARGET", "finger_opening_m is inf"),
        ({"target": [3.0, 0.0, 0.3], "opening": 0.0}, "UNREACHABLE", ""),
        ({"target": [0.4, 0.0, 0.3], "speed": 9.0, "opening": 0.0}, "BAD_TARGET", "max_speed_m_s is 9.0"),
    ):
        status, got, result = cell.move(**goal)
        assert (status, got, result.success) == (GoalStatus.STATUS_ABORTED, error, False), goal
        assert text in result.error_msg and result.error_msg
    assert np.linalg.norm(cell.tool() - begun) < 0.005 and cell.node.sim.finger_opening_m() == pytest.approx(opening, abs=0.002)
    assert cell.move([0.4, 0.0, 0.3], speed=0.5)[1] == "NONE"


def test_cancel_stops_the_arm_and_one_motion_goes_at_a_time(ros: Any) -> None:
    cell = Cell(ros)
    first = cell.send([0.45, -0.25, 0.15], speed=0.08)
    assert first.accepted
    cell.wait_motion()
    status, error, result = cell.move([0.4, 0.0, 0.3])
    assert (status, error) == (GoalStatus.STATUS_ABORTED, "BUSY") and "another motion is under way" in result.error_msg
    answer = cell.reset()
    assert not answer.success and "a motion is under way; cancel it first" in answer.message
    cell.wait_motion()  # neither has stopped the first
    cancel = first.cancel_goal_async()
    status, error, result = cell.end(first)
    ended_ns = cell.node.now_ns()
    ros.wait_for(cancel.done, what="the answer to the cancel")
    assert (status, error, result.success) == (GoalStatus.STATUS_CANCELED, "CANCELED", False)
    assert result.position_error_m > 0.01, "it was under way"
    # In simulated time: a slow machine simulates slowly.
    ros.wait_for(lambda: cell.node.now_ns() > ended_ns + 300_000_000, 30.0, what="0.3 s")
    assert np.abs(cell.node.sim.joint_velocities()[:6]).max() < 0.02
    place = cell.tool()
    ros.wait_for(lambda: cell.node.now_ns() > ended_ns + 600_000_000, 30.0, what="another 0.3 s")
    assert np.linalg.norm(cell.tool() - place) < 0.001
    assert cell.move(opening=0.05)[1] == "NONE", "the gate is open again"


def test_deactivation_stops_a_motion_and_an_inactive_node_rejects(ros: Any) -> None:
    cell = Cell(ros)
    handle = cell.send([0.45, -0.25, 0.15], speed=0.08)
    cell.wait_motion()
    future = handle.get_result_async()
    cell.node.trigger_deactivate()
    ros.wait_for(future.done, what="the result")
    answer = future.result()
    assert (answer.status, error_name(answer.result)) == (GoalStatus.STATUS_ABORTED, "CANCELED")
    place = cell.tool()
    assert not cell.send([0.4, 0.0, 0.3]).accepted
    assert np.linalg.norm(cell.tool() - place) == 0.0, "no simulated time passes"
    cell.node.trigger_activate()
    assert cell.move(opening=0.03)[1] == "NONE"


def test_reset_starts_over_without_a_jump_of_time(ros: Any) -> None:
    cell = Cell(ros, real_time_factor=4.0)
    home = cell.tool()
    cell.move([0.45, 0.1, 0.25], speed=0.8)
    moved = cell.tool()
    assert cell.reset().success
    ros.wait_for(lambda: np.linalg.norm(cell.tool() - home) < 0.01 < np.linalg.norm(moved - home), what="the arm at home")
    count = len(cell.clock.messages)
    ros.wait_for(lambda: len(cell.clock.messages) > count + 5, what="more of /clock")
    times = [stamp_to_ns(m.clock) for m in cell.clock.messages]
    assert all(b > a for a, b in pairwise(times))


def test_a_simulation_that_breaks_is_reported(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(ros)

    def broken() -> None:
        raise RuntimeError("no GPU")

    with monkeypatch.context() as patch:
        patch.setattr(cell.node.sim, "render", broken)
        ros.wait_for(lambda: "no GPU" in cell.node.diagnostics()[1], 30.0, what="the report")
    cell.node.trigger_deactivate()
    cell.node.trigger_activate()
    count = len(cell.color.messages)
    ros.wait_for(lambda: len(cell.color.messages) > count, 30.0, what="images")
    assert "no GPU" not in cell.node.diagnostics()[1]
