"""Recordings for the tests of the labeller: a gripper that comes down on a block on a ray-cast table, as drivers record it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image, camera_to_info, header, transform_to_msg
from spatialvlm_ros.recording.bag_writer import BagWriter

sys.path.append(str(Path(__file__).resolve().parents[1] / "perception"))
from raycast import BLUE_BLOCK, FLOOR, RED_BLOCK, TABLE, WALL, look, render

FRAME, BASE, TOOL = "camera_optical", "base_link", "tool0"
CAMERA = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)
BASE_FROM_CAMERA = look()
FIRST_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
COLOR, DEPTH = "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/aligned_depth_to_color/camera_info"
TASK = "reach(red block)"
ROBOT = """\
/**/spatial_node:
  ros__parameters:
    tool_frame: tool0
    gravity_frame: base_link
    output_frame: base_link
"""
_TYPES = {
    "CameraInfo": "sensor_msgs",
    "CompressedImage": "sensor_msgs",
    "Image": "sensor_msgs",
    "Imu": "sensor_msgs",
    "JointState": "sensor_msgs",
    "TFMessage": "tf2_msgs",
}


@dataclass
class Item:
    """One recorded message."""

    topic: str
    log_ns: int
    message: Any

    @property
    def type(self) -> str:
        name = type(self.message).__name__
        return f"{_TYPES.get(name, 'std_msgs')}/msg/{name}"


@cache
def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) uint8 and depth (H, W) uint16 millimetres."""
    frame, _ = render([TABLE, FLOOR, WALL, RED_BLOCK, BLUE_BLOCK], camera=CAMERA, seed=seed)
    return frame.color, np.nan_to_num(frame.depth_m * 1000.0).astype(np.uint16)


def robot_file(folder: Path) -> Path:
    path = folder / "robot.yaml"
    path.write_text(ROBOT)
    return path


def stamp(index: float) -> int:
    return FIRST_NS + round(index * STEP_NS)


def transforms(*rows: tuple[str, str, int, RigidTransform]) -> TFMessage:
    message = TFMessage()
    for parent, child, stamp_ns, pose in rows:
        transform = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
        transform.transform = transform_to_msg(pose)
        message.transforms.append(transform)
    return message


def tool_at(index: float) -> RigidTransform:
    """The gripper comes down on the red block within 20 images."""
    return RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.035 + 0.015 * max(0.0, 20 - index)]))


def tf_item(index: float, late_ns: int = 0) -> Item:
    return Item("/tf", stamp(index) + late_ns, transforms((BASE, TOOL, stamp(index), tool_at(index))))


def static_item(log_ns: int = FIRST_NS) -> Item:
    return Item("/tf_static", log_ns, transforms((BASE, FRAME, FIRST_NS, BASE_FROM_CAMERA)))


def images(index: float, *, compressed: bool = False, stamp_ns: int | None = None, scale: int = 1) -> list[Item]:
    """Colour, depth and camera_info of one exposure; depth is ``scale`` times smaller."""
    stamp_ns = stamp(index) if stamp_ns is None else stamp_ns
    color, depth = picture(int(index) % 3)
    depth = np.ascontiguousarray(depth[::scale, ::scale])
    if compressed:
        pixels, distances = CompressedImage(header=header(stamp_ns, FRAME)), CompressedImage(header=header(stamp_ns, FRAME))
        pixels.format, pixels.data = "rgb8; jpeg compressed bgr8", encode(".png", color[..., ::-1])
        distances.format, distances.data = "16UC1; compressedDepth png", bytes(12) + encode(".png", depth)
        topics: tuple[str, str] = f"{COLOR}/compressed", f"{DEPTH}/compressedDepth"
    else:
        pixels, distances = array_to_image(color, "rgb8", stamp_ns, FRAME), array_to_image(depth, "16UC1", stamp_ns, FRAME)
        topics = COLOR, DEPTH
    info = camera_to_info(CAMERA, stamp_ns, FRAME)
    log_ns = stamp(index) + 8_000_000
    return [
        Item(topics[0], log_ns, pixels), Item(topics[1], log_ns + 1_000_000, distances), Item(INFO, log_ns + 2_000_000, info)
    ]  # fmt: skip


def episode(count: int, *, start: int = 0, late_ns: int = 20_000_000, **kwargs: Any) -> list[Item]:
    """Images ``start`` to ``start + count`` with their tf, which arrives ``late_ns`` after its stamp."""
    items = [static_item(), *(tf_item(index, late_ns) for index in range(start - 1, start + count + 1))]
    for index in range(start, start + count):
        items += images(index, **kwargs)
    return sorted(items, key=lambda item: item.log_ns)


def encode(kind: str, pixels: np.ndarray) -> bytes:
    import cv2

    done, data = cv2.imencode(kind, np.ascontiguousarray(pixels))
    assert done
    return bytes(data)


def write_mcap(path: Path, items: Iterable[Item], compress: bool = False) -> Path:
    with BagWriter(path, compress=compress) as bag:
        for item in items:
            bag.add_topic(item.topic, item.type)
            bag.write(item.topic, item.log_ns, serialize_message(item.message))
    return path


def write_db3(path: Path, items: Iterable[Item]) -> Path:
    """A rosbag2 folder with an SQLite file."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    connections: dict[str, Any] = {}
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        for item in items:
            if item.topic not in connections:
                connections[item.topic] = bag.add_connection(item.topic, item.type, typestore=store)
            bag.write(connections[item.topic], item.log_ns, serialize_message(item.message))
    return path


def write_ros1(path: Path, items: Iterable[Item], compression: str = "") -> Path:
    """A ROS 1 bag, by way of an MCAP file beside it."""
    from rosbags.convert.converter import convert
    from rosbags.typesys import Stores, get_typestore

    mcap = write_mcap(path.with_suffix(".ros2.mcap"), items)
    convert([mcap], path, "", 0, compression or None, "", None, get_typestore(Stores.ROS1_NOETIC), (), (), (), ())
    mcap.unlink()
    return path
