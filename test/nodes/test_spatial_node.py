"""spatial_node over real messages: what it publishes, and what it says when the camera or tf is wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from table_camera import BASE_FROM_CAMERA, FIRST_NS, FRAME, TRUE_DISTANCE_M, Bench, Listener, transform
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from spatialvlm_msgs.action import Measure
from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image, image_to_array, ns_to_stamp

OK = SpatialFact.STATUS_OK


def right(fact: Any) -> bool:
    """Whether the distance of the two blocks is what was drawn, within its own three standard deviations."""
    return bool(fact.status == OK and abs(fact.value - TRUE_DISTANCE_M) < max(3 * fact.std, 0.01))


# -- what it publishes ------------------------------------------------------------------------------------------------------


def test_facts_and_scene_carry_the_stamp_and_frame_of_their_image(ros: Any) -> None:
    bench = Bench(ros).start()
    fact = bench.next_fact()
    assert right(fact), fact
    assert (fact.relation, fact.subject, fact.object, fact.unit) == ("distance", "red block", "blue block", "m")
    assert fact.header.frame_id == FRAME and fact.source == SpatialFact.SOURCE_DEPTH and 0 < fact.std < 0.05
    shot = {FIRST_NS + i * 100_000_000 for i in range(1, 1 + (bench.camera.stamp_ns - FIRST_NS) // 100_000_000)}
    ros.wait_for(lambda: len(bench.scenes.messages) >= len(bench.facts.messages), what="the scenes")
    assert bench.facts.stamps() == bench.scenes.stamps()[: len(bench.facts.messages)]
    assert set(bench.facts.stamps()) <= shot
    scene = bench.scenes.messages[0]
    assert scene.header.frame_id == FRAME and scene.is_canonical and scene.canonical_source == "plane"
    assert {"red block", "blue block"} <= {thing.label for thing in scene.objects}
    assert all(fact.header == array.header for array in bench.facts.messages for fact in array.facts)


def test_owners_set_their_queries_independently(ros: Any) -> None:
    bench = Bench(ros, queries=[""]).start()
    asked = lambda: {(f.relation, f.subject, f.object) for m in bench.facts.messages[-1:] for f in m.facts}  # noqa: E731
    a, b = ("gap", "red block", "blue block"), ("height", "red block", "")
    assert bench.set_queries("one", a).success and bench.set_queries("two", b, a).success
    bench.shoot_until(lambda: asked() == {a, b}, "the facts of both owners")
    assert len(bench.facts.messages[-1].facts) == 2, "a query of two owners is one fact"
    assert bench.set_queries("one").success
    bench.shoot_until(lambda: len(bench.facts.messages) > 3 and asked() == {a, b}, "what the other owner asks for")
    assert bench.set_queries("two", b).success
    bench.shoot_until(lambda: asked() == {b}, "the rest")
    assert bench.set_queries("").success and bench.set_queries("two").success
    bench.shoot_until(lambda: asked() == set(), "nothing")


def test_wrong_queries_are_refused_whole(ros: Any) -> None:
    bench = Bench(ros).start()
    good = ("height", "red block")
    answer = bench.set_queries("me", good, ("farness", "a", "b"))
    assert not answer.success and answer.error_code == Measure.Result.ERROR_UNKNOWN_RELATION
    assert "'farness'; known are distance, gap" in answer.error_msg
    for wrong in (("distance", "red block"), ("height", "a", "b"), ("distance", "", "b")):
        answer = bench.set_queries("me", good, wrong)
        assert not answer.success and answer.error_code == Measure.Result.ERROR_WRONG_ARITY and answer.error_msg
    bench.next_fact()
    assert len(bench.facts.messages[-1].facts) == 1


def test_pictures_and_markers_only_while_somebody_listens(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import spatialvlm_ros.nodes.spatial_node as module

    drawn: list[int] = []
    original = module.draw_scene
    monkeypatch.setattr(module, "draw_scene", lambda *a: (drawn.append(1), original(*a))[1])
    bench = Bench(ros).start()
    bench.next_fact()
    assert not drawn
    markers = Listener(bench.client, MarkerArray, "spatial_node/markers")
    pictures = Listener(bench.client, Image, "spatial_node/debug_image")
    labels = Listener(bench.client, Image, "spatial_node/segmentation")
    bench.shoot_until(lambda: markers.messages and pictures.messages and labels.messages, "markers, picture and segmentation")
    assert drawn
    picture, label = pictures.messages[-1], labels.messages[-1]
    assert (picture.encoding, picture.width, picture.height, picture.header.frame_id) == ("rgb8", 320, 240, FRAME)
    assert set(pictures.stamps()) <= set(bench.facts.stamps())
    ids = set(np.unique(image_to_array(label)).tolist())
    assert label.encoding == "16UC1" and 65535 in ids, "the table"
    things = {thing.id for thing in bench.scenes.messages[-1].objects}
    assert things <= ids
    kinds = {(m.ns, m.type) for m in markers.messages[-1].markers}
    assert {("box", Marker.CUBE), ("line", Marker.LINE_LIST), ("number", Marker.TEXT_VIEW_FACING)} <= kinds
    assert all(m.lifetime.sec + m.lifetime.nanosec > 0 for m in markers.messages[-1].markers)
    for listener in (markers, pictures, labels):
        listener.close()
    ros.wait_for(lambda: not bench.node._picture_publisher.get_subscription_count(), what="the listener to go")
    ros.wait_for(lambda: not bench.node._marker_publisher.get_subscription_count(), what="the listener to go")
    bench.next_fact()
    count = len(drawn)
    bench.next_fact()
    assert len(drawn) == count


def test_compressed_topics_give_the_same_facts(ros: Any) -> None:
    bench = Bench(ros, compressed=True).start()
    assert right(bench.next_fact())


def test_latency_is_told_in_simulated_time(ros: Any) -> None:
    bench = Bench(ros, use_sim_time=True)
    clock = bench.client.create_publisher(Clock, "/clock", 10)
    bench.start()

    def shoot(*messages: Any) -> None:
        clock.publish(Clock(clock=ns_to_stamp(bench.camera.stamp_ns + 40_000_000)))

    fact = bench.next_fact(shoot)
    assert right(fact)
    bench.shoot_until(lambda: bench.report() and bench.report().level == DiagnosticStatus.OK, "diagnostics", shoot)
    values = {pair.key: pair.value for pair in bench.report().values}
    # Wall time lies years away from these stamps.
    assert abs(float(values["latency_p50_ms"])) < 60_000 and int(values["frames"]) > 0


# -- wrong input ------------------------------------------------------------------------------------------------------------


def wrong_encoding(color: Any, depth: Any, info: Any) -> None:
    depth.encoding, depth.step = "rgb8", 3 * depth.width
    depth.data = bytes(3 * depth.width * depth.height)


def wrong_step(color: Any, depth: Any, info: Any) -> None:
    depth.step += 2


def small_depth(color: Any, depth: Any, info: Any) -> None:
    small = array_to_image(np.ones((120, 160), np.uint16), "16UC1", 0, FRAME)
    depth.height, depth.width, depth.step, depth.data = 120, 160, small.step, small.data


def other_frame(color: Any, depth: Any, info: Any) -> None:
    depth.header.frame_id = "camera_depth_optical"


def no_calibration(color: Any, depth: Any, info: Any) -> None:
    info.k = np.zeros(9)


WRONG = {
    "depth encoding is 'rgb8'; expected 16UC1": wrong_encoding,
    "has step 642 and 153600 bytes": wrong_step,
    "colour is 320 x 240 but depth is 160 x 120": small_depth,
    "depth in 'camera_depth_optical': use depth that is aligned": other_frame,
    "is the camera calibrated (K of camera_info)?": no_calibration,
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_input_is_named_and_the_node_lives(ros: Any, text: str) -> None:
    bench = Bench(ros, request_timeout_s=0.7).start()
    change: Callable[..., None] = WRONG[text]
    _, error, result = bench.measure("distance", "red block", "blue block", change=change)
    assert error == "NO_IMAGE" and text in result.error_msg, result.error_msg
    fact = result.fact
    assert math.isnan(fact.value) and math.isnan(fact.subject_point.x) and fact.status == SpatialFact.STATUS_UNKNOWN
    assert not bench.facts.messages
    bench.shoot_until(lambda: bench.report() and text in bench.report().message, "diagnostics", change)
    report = bench.report()
    assert report.level == DiagnosticStatus.WARN
    refused = {pair.key: int(pair.value) for pair in report.values if pair.key.startswith("refused: ")}
    assert sum(refused.values()) > 0
    assert right(bench.next_fact()), "good frames afterwards are measured"


def test_a_missing_camera_info_is_named(ros: Any) -> None:
    bench = Bench(ros, info=False, request_timeout_s=0.5).start()
    _, error, result = bench.measure("distance", "red block", "blue block")
    assert error == "NO_IMAGE" and "no messages on /depth/camera_info (camera_info)" in result.error_msg
    bench.shoot_until(lambda: bench.report() and "/depth/camera_info" in bench.report().message, "diagnostics")


def test_stamps_that_never_match_are_named(ros: Any) -> None:
    bench = Bench(ros, request_timeout_s=0.7).start()

    def late(color: Any, depth: Any, info: Any) -> None:
        depth.header.stamp = ns_to_stamp(bench.camera.stamp_ns + 50_000_000)

    _, error, result = bench.measure("distance", "red block", "blue block", change=late)
    assert error == "NO_IMAGE" and "sync_slop_s" in result.error_msg, result.error_msg
    assert right(bench.next_fact())


def test_a_missing_transform_is_named_and_the_rest_is_measured(ros: Any) -> None:
    queries = ["distance; gripper; red block", "distance; red block; blue block"]
    bench = Bench(ros, tool_frame="tool0", tf_timeout_s=0.02, queries=queries).start()
    fact = bench.next_fact()
    assert fact.status == SpatialFact.STATUS_NO_TRANSFORM and math.isnan(fact.value)
    assert "'tool0'" in fact.text or "'camera_optical'" in fact.text
    assert right(bench.facts.messages[-1].facts[1])
    _, error, result = bench.measure("distance", "gripper", "red block")
    assert error == "NO_TRANSFORM" and "tf has no frame" in result.error_msg
    bench.shoot_until(lambda: bench.report() and "tf has no frame" in bench.report().message, "diagnostics")
    assert bench.report().level == DiagnosticStatus.WARN
    # A transform of NaN is as good as none; the other one in its message counts.
    broken = transform("camera_optical", "tool0", FIRST_NS, RigidTransform.identity())
    broken.transform.translation.x = math.nan
    static = transform("base_link", FRAME, FIRST_NS, BASE_FROM_CAMERA)
    bench.camera.tf_static.publish(TFMessage(transforms=[broken, static]))
    ros.wait_for(lambda: "base_link" in bench.node._listener.buffer.frames(), what="the good transform")
    fact = bench.next_fact()
    assert fact.status == SpatialFact.STATUS_NO_TRANSFORM and "'tool0'" in fact.text
    tool = transform("camera_optical", "tool0", FIRST_NS, RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.5])))
    bench.camera.tf_static.publish(TFMessage(transforms=[tool]))
    bench.shoot_until(lambda: bench.facts.messages[-1].facts[0].status == OK, "the gripper")


def test_points_in_another_frame_need_its_transform(ros: Any) -> None:
    bench = Bench(ros, output_frame="base_link", gravity_frame="base_link", tf_timeout_s=0.02).start()
    fact = bench.next_fact()
    assert fact.status == SpatialFact.STATUS_NO_TRANSFORM and "tf has no frame" in fact.text and math.isnan(fact.value)
    bench.camera.tf_static.publish(TFMessage(transforms=[transform("base_link", FRAME, 0, BASE_FROM_CAMERA)]))
    bench.shoot_until(lambda: bench.facts.messages[-1].facts[0].status == OK, "the transform")
    fact = bench.facts.messages[-1].facts[0]
    assert right(fact) and fact.header.frame_id == "base_link" == bench.facts.messages[-1].header.frame_id
    point = np.array([fact.subject_point.x, fact.subject_point.y, fact.subject_point.z])
    assert np.linalg.norm(point - (0.0, 0.0, 0.025)) < 0.02, "the red block stands at the origin"
    ros.wait_for(lambda: bench.scenes.messages[-1].canonical_source == "tf", what="the scene with up from tf")


# -- time -------------------------------------------------------------------------------------------------------------------


def test_the_newest_frame_is_measured_and_drops_are_counted(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(ros).start()
    observe = bench.node._engine.observe
    monkeypatch.setattr(bench.node._engine, "observe", lambda *a, **k: (time.sleep(0.15), observe(*a, **k))[1])
    lag_frames = []
    for _ in range(100):
        bench.camera.shoot(step_ns=33_000_000)
        time.sleep(0.02)
        if bench.facts.messages:
            lag_frames.append((bench.camera.stamp_ns - bench.facts.stamps()[-1]) // 33_000_000)
    assert bench.node._input.slot.dropped > 30
    assert 3 <= len(bench.facts.messages) <= 40
    # A queue would lag by dozens of frames in the end; two periods of work are about 16 frames here.
    assert np.median(lag_frames[-20:]) < 45
    ros.wait_for(lambda: bench.facts.stamps()[-1] > bench.camera.stamp_ns - 10 * 33_000_000, what="one of the newest frames")
    bench.shoot_until(lambda: any(p.key == "dropped" and int(p.value) > 30 for p in bench.report().values), "the count")


def test_a_backward_jump_clears_and_goes_on(ros: Any) -> None:
    bench = Bench(ros).start()
    markers = Listener(bench.client, MarkerArray, "spatial_node/markers")
    ros.wait_for(bench.node._marker_publisher.get_subscription_count, what="the markers' listener")
    bench.next_fact()
    resets: list[int] = []
    reset = bench.node._engine.reset
    bench.node._engine.reset = lambda: (resets.append(1), reset())
    bench.camera.stamp_ns = FIRST_NS - 20 * 10**9
    first_ns = bench.camera.stamp_ns
    bench.shoot_until(lambda: any(FIRST_NS > s > first_ns for s in bench.facts.stamps()), "facts of the second run")
    assert resets and right(bench.facts.messages[-1].facts[0])
    assert any(m.action == Marker.DELETEALL for array in markers.messages for m in array.markers)
    assert bench.node._input.sync.jumps == 1


def test_reset_forgets_things_with_the_next_image(ros: Any) -> None:
    bench = Bench(ros).start()
    bench.next_fact()
    resets: list[int] = []
    reset = bench.node._engine.reset
    bench.node._engine.reset = lambda: (resets.append(1), reset())
    client = bench.client.create_client(Trigger, "spatial_node/reset")
    assert client.wait_for_service(10.0)
    future = client.call_async(Trigger.Request())
    ros.wait_for(future.done, what="~/reset")
    assert future.result().success
    bench.shoot_until(lambda: resets, "the reset")
    assert right(bench.next_fact())


def test_an_inactive_node_publishes_nothing_and_goes_on_when_activated(ros: Any) -> None:
    bench = Bench(ros).start()
    bench.next_fact()
    bench.node.trigger_deactivate()
    count = len(bench.facts.messages)
    for _ in range(5):
        bench.camera.shoot()
        time.sleep(0.03)
    assert len(bench.facts.messages) <= count + 1, "at most the frame that was being measured"
    bench.node.trigger_activate()
    assert right(bench.next_fact())


def test_extreme_stamps_and_empty_names_do_no_harm(ros: Any) -> None:
    bench = Bench(ros).start()

    def odd(color: Any, depth: Any, info: Any) -> None:
        color.header.frame_id = depth.header.frame_id = ""

    for stamp in (Time(), Time(sec=-5), Time(sec=2**31 - 1, nanosec=4_294_967_295)):

        def change(color: Any, depth: Any, info: Any, stamp: Time = stamp) -> None:
            color.header.stamp = depth.header.stamp = stamp

        for _ in range(3):
            bench.camera.shoot(change)
            time.sleep(0.05)
    bench.camera.shoot(odd)
    assert right(bench.next_fact())
