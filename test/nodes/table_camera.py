"""A camera over a ray-cast table that publishes what a driver would, or a broken one; and a bench around spatial_node."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.action import AskSpatial, Measure
from spatialvlm_msgs.msg import Scene as SceneMsg
from spatialvlm_msgs.msg import SpatialFactArray, SpatialQuery
from spatialvlm_msgs.srv import SetQueries
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image, camera_to_info, header, transform_to_msg
from spatialvlm_ros.nodes.planner_action_client import SafeActionClient
from spatialvlm_ros.nodes.rgbd_input import SENSOR_QOS
from spatialvlm_ros.nodes.spatial_node import SpatialNode
from spatialvlm_ros.nodes.tf_listener import TF_QOS, TF_STATIC_QOS

sys.path.append(str(Path(__file__).resolve().parents[1] / "perception"))
from raycast import BLUE_BLOCK, FLOOR, RED_BLOCK, TABLE, WALL, look, render

FRAME = "camera_optical"
CAMERA = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)
BASE_FROM_CAMERA = look()
# Not now: a stamp that only the image can have given.
FIRST_NS = 1_700_000_000_123_456_789
TRUE_DISTANCE_M = float(np.linalg.norm(np.subtract(RED_BLOCK.centre, BLUE_BLOCK.centre)))


@cache
def table_picture() -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) uint8 and depth (H, W) uint16 millimetres of a red and a blue block on a table."""
    frame, _ = render([TABLE, FLOOR, WALL, RED_BLOCK, BLUE_BLOCK], camera=CAMERA)
    return frame.color, np.nan_to_num(frame.depth_m * 1000.0).astype(np.uint16)


def transform(parent: str, child: str, stamp_ns: int, parent_from_child: RigidTransform) -> TransformStamped:
    return TransformStamped(header=header(stamp_ns, parent), child_frame_id=child, transform=transform_to_msg(parent_from_child))


class TableCamera(Node):
    """Publishes one exposure a call of ``shoot``; ``change`` may spoil the three messages first."""

    def __init__(self, *, compressed: bool = False, info: bool = True, **kwargs: Any) -> None:
        super().__init__("table_camera", **kwargs)
        kind, color, depth = Image, "color/image_raw", "depth/image_raw"
        if compressed:
            kind, color, depth = CompressedImage, f"{color}/compressed", f"{depth}/compressedDepth"
        self.compressed = compressed
        self.color = self.create_publisher(kind, color, SENSOR_QOS)
        self.depth = self.create_publisher(kind, depth, SENSOR_QOS)
        self.info = self.create_publisher(CameraInfo, "depth/camera_info", SENSOR_QOS) if info else None
        self.tf = self.create_publisher(TFMessage, "/tf", TF_QOS)
        self.tf_static = self.create_publisher(TFMessage, "/tf_static", TF_STATIC_QOS)
        self.stamp_ns = FIRST_NS

    def messages(self, stamp_ns: int) -> list[Any]:
        color, depth = table_picture()
        messages = [
            array_to_image(color, "rgb8", stamp_ns, FRAME),
            array_to_image(depth, "16UC1", stamp_ns, FRAME),
            camera_to_info(CAMERA, stamp_ns, FRAME),
        ]
        if self.compressed:
            messages[0] = CompressedImage(header=header(stamp_ns, FRAME), format="rgb8; jpeg compressed bgr8")
            messages[0].data = encode(".jpg", color[..., ::-1])
            messages[1] = CompressedImage(header=header(stamp_ns, FRAME), format="16UC1; compressedDepth png")
            messages[1].data = bytes(12) + encode(".png", depth)
        return messages

    def shoot(self, change: Callable[[Any, Any, Any], None] | None = None, step_ns: int = 100_000_000) -> int:
        """Publish the next exposure and return its stamp."""
        self.stamp_ns += step_ns
        color, depth, info = self.messages(self.stamp_ns)
        if change is not None:
            change(color, depth, info)
        if self.info is not None:
            self.info.publish(info)
        self.color.publish(color)
        self.depth.publish(depth)
        return self.stamp_ns


def encode(kind: str, pixels: np.ndarray) -> bytes:
    import cv2

    done, data = cv2.imencode(kind, np.ascontiguousarray(pixels))
    assert done
    return bytes(data)


class Listener:
    """Collects messages of a topic."""

    def __init__(self, node: Node, kind: type, topic: str, qos: Any = 50) -> None:
        self.messages: list[Any] = []
        self._node = node
        self.subscription = node.create_subscription(kind, topic, self.messages.append, qos)

    def stamps(self) -> list[int]:
        return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in self.messages]

    def close(self) -> None:
        self._node.destroy_subscription(self.subscription)


class Bench:
    """spatial_node, a camera, and a client that listens and asks."""

    def __init__(self, ros: Any, *, camera: bool = True, compressed: bool = False, info: bool = True, **params: Any) -> None:
        self.ros = ros
        if compressed:
            params |= {"image_transport": "compressed", "depth_image_transport": "compressedDepth"}
        params.setdefault("queries", ["distance; red block; blue block"])
        # Loading a model takes longer than most tests; those that are about one name it.
        params.setdefault("vlm", "off")
        overrides = [Parameter(name, value=value) for name, value in params.items()]
        self.client = ros.node(Node, "client")
        self.facts = Listener(self.client, SpatialFactArray, "spatial_node/facts")
        self.scenes = Listener(self.client, SceneMsg, "spatial_node/scene")
        self.reports = Listener(self.client, DiagnosticArray, "/diagnostics")
        self.measure_client = SafeActionClient(self.client, Measure, "spatial_node/measure")
        self.ask_client = SafeActionClient(self.client, AskSpatial, "spatial_node/ask")
        self.queries_client = self.client.create_client(SetQueries, "spatial_node/set_queries")
        self.camera = ros.node(TableCamera, compressed=compressed, info=info) if camera else None
        self.node = ros.node(SpatialNode, parameter_overrides=overrides)

    def start(self) -> Bench:
        assert self.node.autostart()
        ros, camera = self.ros, self.camera
        ros.wait_for(lambda: self.client.count_publishers("spatial_node/facts"), what="the facts topic")
        ros.wait_for(self.measure_client.server_is_ready, what="~/measure")
        ros.wait_for(self.ask_client.server_is_ready, what="~/ask")
        if camera is not None:
            wanted = [p for p in (camera.color, camera.depth, camera.info) if p is not None]
            ros.wait_for(lambda: all(p.get_subscription_count() for p in wanted), what="the camera's subscriber")
            ros.wait_for(camera.tf.get_subscription_count, what="the subscriber of tf")
        ros.wait_for(lambda: self.node._facts_publisher.get_subscription_count(), what="the client's subscription")
        ros.wait_for(lambda: self.node._scene_publisher.get_subscription_count(), what="the client's subscription")
        return self

    def shoot_until(self, condition: Callable[[], Any], what: str, change: Any = None, timeout_s: float = 30.0) -> Any:
        """Publish images at 10 Hz until the condition is true; images are best effort, so one alone may be lost."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
            self.camera.shoot(change)
            until = time.monotonic() + 0.1
            while time.monotonic() < until and not condition():
                time.sleep(0.005)
        return found

    def next_fact(self, change: Any = None) -> Any:
        """The first fact of an image that is shot from now on."""
        after_ns = self.camera.stamp_ns

        def newer() -> Any:
            arrays = zip(self.facts.stamps(), self.facts.messages, strict=False)
            return next((array.facts[0] for stamp_ns, array in arrays if stamp_ns > after_ns and array.facts), None)

        return self.shoot_until(newer, "a fact", change)

    def report(self) -> Any:
        """The newest diagnostics of spatial_node."""
        mine = [s for m in list(self.reports.messages) for s in m.status if s.name == "/spatial_node"]
        return mine[-1] if mine else None

    def set_queries(self, owner: str, *queries: tuple[Any, ...]) -> Any:
        request = SetQueries.Request(owner=owner)
        fields = ("relation", "subject", "object", "third", "amount", "view")
        request.queries = [SpatialQuery(**dict(zip(fields, query, strict=False))) for query in queries]
        assert self.queries_client.wait_for_service(10.0)
        future = self.queries_client.call_async(request)
        self.ros.wait_for(future.done, what="~/set_queries")
        return future.result()

    def send(self, client: Any, **fields: Any) -> Any:
        """Handle of a goal."""
        future = client.send_goal_async(client._action_type.Goal(**fields))
        self.ros.wait_for(future.done, what="the answer to the goal")
        return future.result()

    def result(self, handle: Any, change: Any = None, shoot: bool = True) -> Any:
        """(status, error name, result) of a goal, with images coming meanwhile."""
        future = handle.get_result_async()
        if shoot and self.camera is not None:
            self.shoot_until(future.done, "the result", change)
        self.ros.wait_for(future.done, 30.0, what="the result")
        answer = future.result()
        return answer.status, error_name(answer.result), answer.result

    def measure(
        self, relation: str, subject: str, other: str = "", frame_id: str = "", third: str = "", amount: float = 0.0, **kw: Any
    ) -> Any:
        goal = {"relation": relation, "subject": subject, "object": other, "frame_id": frame_id, "third": third, "amount": amount}
        return self.result(self.send(self.measure_client, **goal), **kw)

    def ask(self, question: str, **kw: Any) -> Any:
        return self.result(self.send(self.ask_client, question=question), **kw)


def error_name(result: Any) -> str:
    """Name of a result's error code without ERROR_."""
    kind = type(result)
    return next(n.removeprefix("ERROR_") for n in dir(kind) if n.startswith("ERROR_") and getattr(kind, n) == result.error_code)
