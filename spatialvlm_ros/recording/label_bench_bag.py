"""Recordings for the benchmark of labelling: the simulated robot before its camera, 640 x 480 at 30 Hz (synthetic)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..environments.table_cell import TableCell
from ..evaluation.reward_episodes import CAMERAS
from ..evaluation.reward_scripts import FAMILIES, SUCCESS, Actor
from ..geometry.rigid import RigidTransform
from ..simulation import BASE_FRAME, CAMERA_FRAME, SimConfig
from .bag_writer import BagWriter

RATE_HZ = 30.0
SIZE_PX = (640, 480)
FAMILY = "place"
_PREFIX = "/camera/camera"
_COLOR, _DEPTH = f"{_PREFIX}/color/image_raw", f"{_PREFIX}/aligned_depth_to_color/image_raw"
_INFO = f"{_PREFIX}/aligned_depth_to_color/camera_info"
_TOPICS = {
    "/tf": "tf2_msgs/msg/TFMessage", "/tf_static": "tf2_msgs/msg/TFMessage", _COLOR: "sensor_msgs/msg/Image",
    _DEPTH: "sensor_msgs/msg/Image", _INFO: "sensor_msgs/msg/CameraInfo",
}  # fmt: skip
_EPOCH_NS = 1_700_000_000_000_000_000
_PERIOD_NS = round(1e9 / RATE_HZ)
_PAUSE_NS = 2_000_000_000


class _Filmed(Actor):
    """Takes a picture every ``1 / RATE_HZ`` seconds, which is the control period too."""

    def step(self) -> None:
        self._on_frame()
        self.sim.step(1.0 / RATE_HZ)


class _Full(Exception):
    """No more images are wanted."""


class _Film:
    """What the camera shows, into a bag, image after image, at most so many; ``stamp_ns`` is that of the next one."""

    def __init__(self, bag: BagWriter, most: float) -> None:
        self._bag, self._most, self.stamp_ns, self.images = bag, most, _EPOCH_NS, 0
        for topic, kind in _TOPICS.items():
            bag.add_topic(topic, kind)

    def stand(self, cell: TableCell) -> None:
        """Where the camera stands."""
        pose = RigidTransform.from_matrix(cell.sim.camera_pose_base)
        self._write("/tf_static", _tf(self.stamp_ns, [(BASE_FRAME, CAMERA_FRAME, pose)]))

    def shoot(self, cell: TableCell) -> None:
        """One image with what tf says at its time. Raises _Full after the last one."""
        from ..nodes.conversions import array_to_image, camera_to_info

        image, at = cell.sim.render(), self.stamp_ns
        poses = {name: RigidTransform.from_matrix(pose) for name, pose in cell.sim.link_poses().items()}
        self._write("/tf", _tf(at, [(BASE_FRAME, name, pose) for name, pose in poses.items()]))
        self._write(_INFO, camera_to_info(cell.camera, at, CAMERA_FRAME), 1)
        self._write(_COLOR, array_to_image(image.color, "rgb8", at, CAMERA_FRAME), 2)
        self._write(_DEPTH, array_to_image(image.depth_mm, "16UC1", at, CAMERA_FRAME), 3)
        self.stamp_ns += _PERIOD_NS
        self.images += 1
        if self.images >= self._most:
            raise _Full

    def _write(self, topic: str, message: Any, later_ns: int = 0) -> None:
        from rclpy.serialization import serialize_message

        self._bag.write(topic, self.stamp_ns + later_ns, serialize_message(message))


def write_bag(path: Path, seeds: Iterable[int], most: float = math.inf) -> int:
    """One whole episode of each seed's scene, one after the other with pauses between; how many images that are, at ``most``."""
    family = FAMILIES[FAMILY]
    with BagWriter(path) as bag:
        film = _Film(bag, most)
        for seed in seeds:
            cell = TableCell(SimConfig(seed, *SIZE_PX, objects=family.objects), CAMERAS["front"])
            try:
                if not film.images:
                    film.stand(cell)
                actor = _Filmed(cell, np.random.default_rng(seed), partial(film.shoot, cell), 1.0 / RATE_HZ)
                actor.wait(0.5)
                family.act(actor, family, SUCCESS)
            except _Full:
                break
            finally:
                cell.close()
            film.stamp_ns += _PAUSE_NS
        return film.images


def _tf(stamp_ns: int, rows: Iterable[tuple[str, str, RigidTransform]]) -> Any:
    """A TFMessage of (parent, child, parent_from_child)."""
    from geometry_msgs.msg import TransformStamped
    from tf2_msgs.msg import TFMessage

    from ..nodes.conversions import header, transform_to_msg

    message = TFMessage()
    for parent, child, pose in rows:
        one = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
        one.transform = transform_to_msg(pose)
        message.transforms.append(one)
    return message
