"""Recordings for the benchmark of labelling: the simulated robot before its camera, 640 x 480 at 30 Hz (synthetic)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..environments.table_cell import TableCell
from ..evaluation.reward_episodes import CAMERAS
from ..evaluation.reward_scripts import FAMILIES, SUCCESS, Actor
from ..geometry.rigid import RigidTransform
from ..simulation import BASE_FRAME, CAMERA_FRAME, SimConfig

RATE_HZ = 30.0
SIZE_PX = (640, 480)
FAMILY = "place"
_PREFIX = "/camera/camera"
_EPOCH_NS = 1_700_000_000_000_000_000
_PAUSE_NS = 2_000_000_000


@dataclass(frozen=True)
class Exposure:
    """One image with what tf says at its time: (parent, child, parent_from_child)."""

    stamp_ns: int
    color: Any
    depth_mm: Any
    transforms: tuple[tuple[str, str, RigidTransform], ...]


class _Filmed(Actor):
    """Takes a picture every ``1 / RATE_HZ`` seconds, which is the control period too."""

    def step(self) -> None:
        self._on_frame()
        self.sim.step(1.0 / RATE_HZ)


def film(seed: int, most: int) -> tuple[list[Exposure], RigidTransform, Any]:
    """At most so many images of one episode, the camera's pose in base_link, and its model.

    The first ones are taken where an episode is longer.
    """
    family = FAMILIES[FAMILY]
    cell = TableCell(SimConfig(seed, *SIZE_PX, objects=family.objects), CAMERAS["front"])
    exposures: list[Exposure] = []

    def shoot() -> None:
        if len(exposures) < most:
            image = cell.sim.render()
            links = tuple((BASE_FRAME, name, RigidTransform.from_matrix(pose)) for name, pose in cell.sim.link_poses().items())
            stamp_ns = _EPOCH_NS + round(len(exposures) * 1e9 / RATE_HZ)
            exposures.append(Exposure(stamp_ns, image.color, image.depth_mm, links))

    try:
        actor = _Filmed(cell, np.random.default_rng(seed), shoot, 1.0 / RATE_HZ)
        actor.wait(0.5)
        family.act(actor, family, SUCCESS)
        return exposures, RigidTransform.from_matrix(cell.sim.camera_pose_base), cell.frame().camera
    finally:
        cell.close()


def write_bag(path: Path, filmed: tuple[list[Exposure], RigidTransform, Any], times: int) -> int:
    """The episode so many times, one after the other with a pause between; how many images."""
    from geometry_msgs.msg import TransformStamped
    from rclpy.serialization import serialize_message
    from tf2_msgs.msg import TFMessage

    from ..nodes.conversions import array_to_image, camera_to_info, header, transform_to_msg
    from .bag_writer import BagWriter

    exposures, base_from_camera, camera = filmed

    def tf(stamp_ns: int, rows: Any) -> Any:
        message = TFMessage()
        for parent, child, pose in rows:
            one = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
            one.transform = transform_to_msg(pose)
            message.transforms.append(one)
        return message

    topics = {
        "/tf": "tf2_msgs/msg/TFMessage", "/tf_static": "tf2_msgs/msg/TFMessage",
        f"{_PREFIX}/color/image_raw": "sensor_msgs/msg/Image",
        f"{_PREFIX}/aligned_depth_to_color/image_raw": "sensor_msgs/msg/Image",
        f"{_PREFIX}/aligned_depth_to_color/camera_info": "sensor_msgs/msg/CameraInfo",
    }  # fmt: skip
    color, depth, info = list(topics)[2:]
    span_ns = exposures[-1].stamp_ns - exposures[0].stamp_ns + _PAUSE_NS
    with BagWriter(path) as bag:
        for topic, kind in topics.items():
            bag.add_topic(topic, kind)
        first_ns = exposures[0].stamp_ns
        bag.write("/tf_static", first_ns, serialize_message(tf(first_ns, [(BASE_FRAME, CAMERA_FRAME, base_from_camera)])))
        for turn in range(times):
            for shot in exposures:
                at = shot.stamp_ns + turn * span_ns
                bag.write("/tf", at, serialize_message(tf(at, shot.transforms)))
                bag.write(info, at + 1, serialize_message(camera_to_info(camera, at, CAMERA_FRAME)))
                bag.write(color, at + 2, serialize_message(array_to_image(shot.color, "rgb8", at, CAMERA_FRAME)))
                bag.write(depth, at + 3, serialize_message(array_to_image(shot.depth_mm, "16UC1", at, CAMERA_FRAME)))
    return len(exposures) * times
