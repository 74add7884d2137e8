"""Facts seen from a robot: left and right of tf frames, names of frames, relations of three things and with a length."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from table_camera import BASE_FROM_CAMERA, FRAME, Bench, Listener, transform
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.geometry.rigid import RigidTransform

# The robot stands on the far side of the table and looks back at the camera: its left is the camera's right.
BASE_FROM_ROBOT = RigidTransform(Rotation.from_euler("z", 180, degrees=True).as_matrix(), np.array([0.9, 0.0, 0.0]))


def bench_with_robot(ros: Any, **params: Any) -> Bench:
    bench = Bench(ros, gravity_frame="base_link", tf_timeout_s=0.02, named_frames=["robot = arm_base"], **params).start()
    edges = [transform("base_link", FRAME, 0, BASE_FROM_CAMERA), transform("base_link", "arm_base", 0, BASE_FROM_ROBOT)]
    bench.camera.tf_static.publish(TFMessage(transforms=edges))
    ros.wait_for(lambda: {"arm_base", FRAME} <= set(bench.node._listener.buffer.frames()), what="the transforms")
    return bench


def test_left_of_the_robot_is_not_left_of_the_camera(ros: Any) -> None:
    bench = bench_with_robot(ros)
    _, error, mine = bench.measure("left_difference", "red block", "blue block")
    assert error == "NONE"
    _, error, its = bench.measure("left_difference", "red block", "blue block", frame_id="arm_base")
    assert error == "NONE" and its.fact.header.frame_id == "arm_base" == its.fact.view
    points = [np.array([p.x, p.y, p.z]) for p in (its.fact.subject_point, its.fact.object_point)]
    assert its.fact.value == pytest.approx(points[0][1] - points[1][1], abs=1e-6), "left is y in the robot's frame"
    seen_by_both = np.sign(mine.fact.value) == np.sign(its.fact.value)
    assert abs(mine.fact.value) > 0.02 and not seen_by_both
    assert its.fact.text.startswith("Seen from arm_base: the ")
    assert mine.fact.value == pytest.approx(-its.fact.value, abs=0.01) or abs(its.fact.value) > 0.02


def test_the_robot_is_a_thing_by_its_name(ros: Any) -> None:
    bench = bench_with_robot(ros)
    _, error, found = bench.measure("distance", "the robot", "red block")
    there = found.fact.subject_point
    in_camera = (BASE_FROM_CAMERA.inverse() @ BASE_FROM_ROBOT).translation
    assert error == "NONE" and np.allclose([there.x, there.y, there.z], in_camera, atol=1e-6)
    _, error, near = bench.measure("reachable", "red block", "robot", amount=5.0)
    _, _, far = bench.measure("reachable", "red block", "robot", amount=0.1)
    assert error == "NONE" and near.fact.value > 0.99 and far.fact.value < 0.01
    assert "within 5 m of the robot" in near.fact.text and near.fact.amount == 5.0


def test_three_things_a_count_and_a_point(ros: Any) -> None:
    bench = bench_with_robot(ros)
    _, error, between = bench.measure("between", "robot", "red block", third="blue block")
    assert error == "NONE" and between.fact.value < 0.05 and between.fact.third == "blue block"
    _, error, count = bench.measure("count", "block")
    assert (error, count.fact.value, count.fact.unit) == ("NONE", 2.0, "count")
    _, error, none = bench.measure("count", "green cup")
    assert (error, none.fact.value) == ("NONE", 0.0)
    _, error, above = bench.measure("point_above", "red block", amount=0.1, frame_id="base_link")
    assert error == "NONE" and above.fact.value == pytest.approx(0.1, abs=0.02) and "is free" in above.fact.text
    _, error, refused = bench.measure("count", "#1")
    assert error == "NOT_FOUND" and "description" in refused.error_msg


def test_published_facts_may_be_seen_from_frames(ros: Any) -> None:
    bench = bench_with_robot(ros, queries=["left; red block; blue block", "left; red block; blue block; ; ; arm_base"])
    bench.shoot_until(lambda: bench.facts.messages and len(bench.facts.messages[-1].facts) == 2, "two facts")
    bench.shoot_until(lambda: bench.facts.messages[-1].facts[1].status == SpatialFact.STATUS_OK, "the transform in time")
    camera, robot = bench.facts.messages[-1].facts
    assert (camera.view, robot.view) == ("", "arm_base") and camera.header.frame_id == FRAME
    assert (camera.value > 0.5) != (robot.value > 0.5)


def test_a_view_that_tf_does_not_know_is_refused_with_its_name(ros: Any) -> None:
    bench = bench_with_robot(ros)
    _, error, result = bench.measure("left", "red block", "blue block", frame_id="moon_base")
    assert error == "NO_TRANSFORM" and "'moon_base'" in result.error_msg and math.isnan(result.fact.value)
    _, error, result = bench.measure("left", "red block", "blue block", frame_id="canonical")
    assert error == "NONE" and result.fact.header.frame_id == "canonical"


def test_a_moving_robot_is_found_although_its_transform_comes_after_the_image(ros: Any) -> None:
    query = "distance; robot; red block"
    bench = Bench(ros, gravity_frame="base_link", tf_timeout_s=1.0, named_frames=["robot = arm_base"], queries=[query]).start()
    bench.camera.tf_static.publish(TFMessage(transforms=[transform("base_link", FRAME, 0, BASE_FROM_CAMERA)]))
    bench.shoot_until(lambda: bench.facts.messages, "a fact before the robot is heard of")
    assert bench.facts.messages[0].facts[0].status == SpatialFact.STATUS_NO_TRANSFORM
    timers: list[threading.Timer] = []

    def tell_later(*_: Any) -> None:
        edge = transform("base_link", "arm_base", bench.camera.stamp_ns + 1_000_000, BASE_FROM_ROBOT)
        timers.append(threading.Timer(0.03, bench.camera.tf.publish, (TFMessage(transforms=[edge]),)))
        timers[-1].start()

    def answered() -> list[Any]:
        return [m.facts[0] for m in bench.facts.messages if m.facts[0].status == SpatialFact.STATUS_OK]

    bench.shoot_until(lambda: len(answered()) >= 8, "facts of the moving robot", tell_later)
    for timer in timers:
        timer.join()
    first = next(i for i, m in enumerate(bench.facts.messages) if m.facts[0].status == SpatialFact.STATUS_OK)
    later = [m.facts[0].status for m in bench.facts.messages[first:]]
    assert later.count(SpatialFact.STATUS_OK) >= len(later) - 1, "it stays found, image after image"


def test_markers_of_a_view_are_in_a_frame_that_tf_knows(ros: Any) -> None:
    views = ["canonical", "arm_base"]
    bench = bench_with_robot(ros, queries=[f"distance; red block; blue block; ; ; {view}" for view in views])
    markers = Listener(bench.client, MarkerArray, "spatial_node/markers")

    def lines() -> list[Any]:
        return [m for m in (markers.messages[-1].markers if markers.messages else ()) if m.ns == "line"]

    bench.shoot_until(lambda: len(lines()) == 2, "two lines")
    of_canonical, of_robot = lines()
    assert of_canonical.header.frame_id == of_robot.header.frame_id == FRAME
    for a, b in zip(of_canonical.points, of_robot.points, strict=True):
        assert np.allclose([a.x, a.y, a.z], [b.x, b.y, b.z], atol=1e-6) and a.z > 0.2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"queries": ["reachable; cup; robot"]}, "needs a length in metres"),
        ({"queries": ["reachable; cup; robot; ; far"]}, "'far' is no number"),
        ({"queries": ["between; cup; robot"]}, "the third's name is empty"),
        ({"named_frames": ["robot"]}, "is not 'name = frame'"),
    ],
)
def test_wrong_parameters_are_refused_with_the_string(ros: Any, capfd: Any, params: dict[str, Any], words: str) -> None:
    bench = Bench(ros, camera=False, **params)
    assert not bench.node.autostart()
    assert words in capfd.readouterr().err
