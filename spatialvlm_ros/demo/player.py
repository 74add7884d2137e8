"""Plays frames into a running spatial_node, one at a time, and collects what it makes of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from spatialvlm_msgs.msg import Scene, SpatialFactArray, SpatialQuery
from spatialvlm_msgs.srv import SetQueries

from ..nodes.conversions import array_to_image, camera_to_info, image_to_array, stamp_to_ns
from ..scene.frame import RGBDFrame
from .client import DemoClient, DemoError


@dataclass(frozen=True)
class Measured:
    """Everything spatial_node published for one frame."""

    scene: Scene
    facts: SpatialFactArray
    segmentation: npt.NDArray[np.uint16]
    picture: npt.NDArray[np.uint8]
    latency_s: float


class FramePlayer:
    """Publishes frames on color/image_raw, depth/image_raw and depth/camera_info of a DemoClient's node."""

    def __init__(self, client: DemoClient) -> None:
        self._client = client
        node = client.node
        self._color = node.create_publisher(Image, "color/image_raw", 5)
        self._depth = node.create_publisher(Image, "depth/image_raw", 5)
        self._info = node.create_publisher(CameraInfo, "depth/camera_info", 5)
        self._arrived: dict[str, dict[int, Any]] = {"scene": {}, "facts": {}, "segmentation": {}, "debug_image": {}}
        kinds = {"scene": Scene, "facts": SpatialFactArray, "segmentation": Image, "debug_image": Image}
        for topic, kind in kinds.items():
            node.create_subscription(kind, f"spatial_node/{topic}", lambda m, t=topic: self._receive(t, m), 10)
        self._stamp_ns = time.time_ns()
        client.wait_until(lambda: self._info.get_subscription_count() > 0, 30.0, "spatial_node did not come up")
        client.wait_until(lambda: self._color.get_subscription_count() > 0, 30.0, "spatial_node did not come up")

    def play(self, frame: RGBDFrame, queries: list[tuple[str, str, str]]) -> Measured:
        """Measure one frame with some queries (relation, subject, object). Without any the memory is reset: frames are unrelated.

        Raises DemoError when spatial_node does not publish a scene for it.
        """
        if not queries:
            self._client.call(Trigger, "spatial_node/reset", Trigger.Request())
        asked = [SpatialQuery(relation=r, subject=a, object=b) for r, a, b in queries]
        response = self._client.call(SetQueries, "spatial_node/set_queries", SetQueries.Request(owner="player", queries=asked))
        if not response.success:
            raise DemoError(f"spatial_node refused the queries: {response.error_msg}")
        self._stamp_ns += 100_000_000
        stamp_ns, sent = self._stamp_ns, time.monotonic()
        self._info.publish(camera_to_info(frame.camera, stamp_ns, frame.frame_id))
        time.sleep(0.02)  # an image that overtakes its camera_info would wait for the next one
        self._color.publish(array_to_image(frame.color, "rgb8", stamp_ns, frame.frame_id))
        self._depth.publish(array_to_image(frame.depth_m, "32FC1", stamp_ns, frame.frame_id))
        complete = lambda: all(stamp_ns in kept for kept in self._arrived.values())  # noqa: E731
        self._client.wait_until(complete, 10.0, "spatial_node did not publish all it knows of a frame")
        got = {topic: kept.pop(stamp_ns) for topic, kept in self._arrived.items()}
        for kept in self._arrived.values():
            kept.clear()
        return Measured(
            got["scene"][1], got["facts"][1], image_to_array(got["segmentation"][1]), image_to_array(got["debug_image"][1]),
            got["scene"][0] - sent,
        )  # fmt: skip

    def _receive(self, topic: str, message: Any) -> None:
        self._arrived[topic][stamp_to_ns(message.header.stamp)] = (time.monotonic(), message)
