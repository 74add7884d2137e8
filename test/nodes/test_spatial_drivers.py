"""spatial_node beside what drivers and robots do: a camera that changes, images without stamps, a tf that is too slow."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from table_camera import CAMERA, FRAME, TRUE_DISTANCE_M, Bench, transform
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import camera_to_info

OK = SpatialFact.STATUS_OK
LONGER = CameraModel(320, 240, 1.25 * CAMERA.fx, 1.25 * CAMERA.fy, CAMERA.cx, CAMERA.cy)


def wait_until_measured(bench: Bench) -> None:
    """Until the image that was shot last is measured, or for good: images are best effort."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline and bench.camera.stamp_ns not in bench.facts.stamps():
        time.sleep(0.01)


def test_no_image_is_measured_with_the_camera_of_the_one_before(ros: Any) -> None:
    bench = Bench(ros).start()
    camera, info = bench.camera, bench.camera.info
    bench.next_fact()
    # What goes to the worker, by stamp.
    used: dict[int, float] = {}
    put = bench.node._input.slot.put
    bench.node._input.slot.put = lambda triple: (used.update({triple.stamp_ns: float(triple.info.k[0])}), put(triple))
    # As realsense2_camera does: the camera_info after its image.
    camera.info = None
    sent: dict[int, float] = {}
    for index in range(30):
        stamp_ns = camera.shoot()
        time.sleep(0.03)
        now = LONGER if index % 10 >= 5 else CAMERA
        sent[stamp_ns] = now.fx
        info.publish(camera_to_info(now, stamp_ns, FRAME))
        time.sleep(0.03)
    ros.wait_for(lambda: len(sent.keys() & used.keys()) >= 20, what="images that are measured all the same")
    assert {stamp_ns: fx for stamp_ns, fx in used.items() if sent.get(stamp_ns, CAMERA.fx) != fx} == {}
    assert len(set(used.values())) == 2
    camera.info = info
    assert bench.next_fact().value == pytest.approx(TRUE_DISTANCE_M, abs=0.02)


def test_images_without_a_stamp_are_named_and_not_measured(ros: Any) -> None:
    bench = Bench(ros, request_timeout_s=0.7).start()

    def unstamped(color: Any, depth: Any, info: Any) -> None:
        color.header.stamp = depth.header.stamp = info.header.stamp = Time()

    _, error, result = bench.measure("distance", "red block", "blue block", change=unstamped)
    assert error == "NO_IMAGE", result
    assert "images on /color/image_raw (colour), /depth/image_raw (depth) have no stamp" in result.error_msg
    assert not bench.facts.messages
    assert bench.next_fact().status == OK


def test_where_a_tool_was_is_not_made_up_over_a_gap_in_which_it_moved(ros: Any) -> None:
    bench = Bench(ros, tool_frame="tool0", tf_timeout_s=0.02, queries=["distance; gripper; red block"]).start()
    camera = bench.camera

    def tool(step_m: float) -> Any:
        """tf at 2.5 Hz, whose transforms are shot with the image that lies between them."""

        def publish(*_: Any) -> None:
            for side in (-1, 1):
                pose = RigidTransform(np.eye(3), np.array([side * step_m / 2, 0.0, 0.5]))
                stamped = transform(FRAME, "tool0", camera.stamp_ns + side * 200_000_000, pose)
                camera.tf.publish(TFMessage(transforms=[stamped]))
            time.sleep(0.05)

        return publish

    def shoot(step_m: float) -> Any:
        camera.stamp_ns += 10**9
        after_ns = camera.stamp_ns
        for _ in range(3):
            camera.shoot(tool(step_m), step_ns=10**9)
            wait_until_measured(bench)
        pairs = zip(bench.facts.stamps(), bench.facts.messages, strict=False)
        return [array.facts[0] for stamp_ns, array in pairs if stamp_ns > after_ns]

    moved = shoot(0.1)
    assert moved and all(fact.status == SpatialFact.STATUS_NO_TRANSFORM for fact in moved)
    assert "in a gap of 0.40 s, in which it moved by 10.0 cm" in moved[-1].text and "5 Hz or more" in moved[-1].text
    still = shoot(0.002)
    assert still and all(fact.status == OK for fact in still), [fact.text for fact in still]
