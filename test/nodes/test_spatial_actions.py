"""~/ask and ~/measure: answers, every error that can be provoked, cancel, deactivation, several goals at once."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import GoalResponse
from table_camera import FRAME, TRUE_DISTANCE_M, Bench, encode, table_picture, transform
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.action import AskSpatial, Measure
from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image
from spatialvlm_ros.nodes.spatial_actions import MAX_GOALS

SUCCEEDED, ABORTED, CANCELED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED
PAIR = {"relation": "distance", "subject": "red block", "object": "blue block"}


# -- success ----------------------------------------------------------------------------------------------------------------


def test_measure_answers_from_the_next_image(ros: Any) -> None:
    bench = Bench(ros, queries=[""]).start()
    status, error, result = bench.measure(" distance ", "red block ", " blue block")
    assert (status, error, result.error_msg) == (SUCCEEDED, "NONE", "")
    fact = result.fact
    assert abs(fact.value - TRUE_DISTANCE_M) < max(3 * fact.std, 0.01) and fact.unit == "m"
    assert fact.header.frame_id == FRAME and fact.status == SpatialFact.STATUS_OK
    assert fact.header.stamp.sec >= 1_700_000_000
    assert all(not array.facts for array in bench.facts.messages), "a goal is no query of ~/facts"


def test_ask_answers_with_a_number_a_sentence_and_a_trace(ros: Any) -> None:
    bench = Bench(ros).start()
    status, error, result = bench.ask("How far is the red block from the blue block?")
    assert (status, error) == (SUCCEEDED, "NONE")
    assert result.value == pytest.approx(TRUE_DISTANCE_M, abs=0.02) and result.std > 0 and result.unit == "m"
    assert "red block" in result.answer and len(result.facts) == 1
    question, tree, leaf = result.trace.splitlines()
    assert question == "question: How far is the red block from the blue block?"
    assert tree == "tree: distance(red block, blue block)"
    assert leaf.startswith("distance(red block, blue block) = 0.") and leaf.endswith(f"[DEPTH, {FRAME}]")
    assert result.verdict == AskSpatial.Result.VERDICT_NONE and result.decided and not result.things
    status, error, result = bench.ask("is the red block to the left of the blue block")
    assert (status, error, result.unit) == (SUCCEEDED, "NONE", "probability")
    assert 0.0 <= result.value <= 1.0 and math.isnan(result.std) and abs(result.value - 0.5) > 0.4


def test_points_come_in_the_frame_that_is_asked_for(ros: Any) -> None:
    bench = Bench(ros).start()
    shift = RigidTransform(np.eye(3), np.array([0.0, 0.0, 7.0]))
    bench.camera.tf_static.publish(TFMessage(transforms=[transform("map", FRAME, 0, shift)]))
    ros.wait_for(lambda: "map" in bench.node._listener.buffer.frames(), what="the transform")
    _, _, here = bench.measure(*PAIR.values())
    _, error, there = bench.measure(*PAIR.values(), frame_id="map")
    assert error == "NONE" and there.fact.header.frame_id == "map"
    assert there.fact.subject_point.z - here.fact.subject_point.z == pytest.approx(7.0, abs=0.02)
    assert there.fact.value == pytest.approx(here.fact.value, abs=0.02)


def test_feedback_says_what_is_waited_for(ros: Any) -> None:
    bench = Bench(ros).start()
    states: list[Any] = []
    goal = AskSpatial.Goal(question="How tall is the red block?")
    future = bench.ask_client.send_goal_async(goal, feedback_callback=lambda m: states.append(m.feedback))
    ros.wait_for(future.done, what="the answer to the goal")
    ros.wait_for(lambda: states, what="feedback")
    assert states[0].state == AskSpatial.Feedback.STATE_WAITING_FOR_IMAGE
    assert states[0].text.splitlines()[-1] == "tree: height(red block)"
    _, error, result = bench.result(future.result())
    ros.wait_for(lambda: len(states) == 2, what="feedback on the measurement")
    assert error == "NONE" and states[1].state == AskSpatial.Feedback.STATE_MEASURING and states[1].text == result.trace


# -- errors -----------------------------------------------------------------------------------------------------------------


def test_goals_that_can_never_be_met_end_at_once(ros: Any) -> None:
    bench = Bench(ros, camera=False, request_timeout_s=60.0).start()
    for goal, error, text in (
        (("farness", "a", "b"), "UNKNOWN_RELATION", "unknown relation 'farness'; known are distance, gap"),
        (("", "a", "b"), "UNKNOWN_RELATION", "unknown relation ''"),
        (("distance", "red block", ""), "WRONG_ARITY", "relates two things"),
        (("distance", "", "red block"), "WRONG_ARITY", "needs a subject"),
        (("height", "red block", "blue block"), "WRONG_ARITY", "about one thing"),
    ):
        status, got, result = bench.measure(*goal)
        assert (status, got) == (ABORTED, error) and text in result.error_msg
    for question, error, text in (
        ("", "EMPTY_QUESTION", "the question is empty; ask e.g."),
        (" ? ", "EMPTY_QUESTION", "is empty"),
        ("What is the meaning of life?", "NOT_UNDERSTOOD", "the nearest known forms are: "),
    ):
        status, got, result = bench.ask(question)
        assert (status, got) == (ABORTED, error) and text in result.error_msg and math.isnan(result.value)


def test_names_and_frames_that_are_not_there_are_named(ros: Any) -> None:
    bench = Bench(ros, tf_timeout_s=0.02).start()
    for goal, frame_id, error, text in (
        (("distance", "purple ball", "red block"), "", "NOT_FOUND", "purple ball"),
        (("distance", "block", "red block"), "", "AMBIGUOUS", "block"),
        (("distance", "gripper", "red block"), "", "NOT_FOUND", "set parameter tool_frame"),
        (("distance", "red block", "blue block"), "nowhere", "NO_TRANSFORM", "tf has no frame"),
    ):
        status, got, result = bench.measure(*goal, frame_id=frame_id)
        assert (status, got) == (ABORTED, error), (goal, got, result.error_msg)
        assert text in result.error_msg and math.isnan(result.fact.value) and result.fact.text == result.error_msg
    status, got, result = bench.ask("How far is the purple ball from the red block?")
    assert (status, got) == (ABORTED, "NOT_FOUND") and "NOT_FOUND" in result.trace and math.isnan(result.value)


def test_without_a_table_up_is_unknown(ros: Any) -> None:
    bench = Bench(ros).start()
    bench.camera.tf_static.publish(
        TFMessage(transforms=[transform(FRAME, "tool0", 0, RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.5])))])
    )

    def blind(color: Any, depth: Any, info: Any) -> None:
        depth.data = array_to_image(np.zeros((240, 320), np.uint16), "16UC1", 0, FRAME).data

    _, error, result = bench.measure("distance", "red block", "blue block", change=blind)
    assert error == "NOT_FOUND" and result.error_msg


def test_a_gripper_alone_gives_up_from_nowhere(ros: Any) -> None:
    bench = Bench(ros, tool_frame="tool0").start()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.5]))
    bench.camera.tf_static.publish(TFMessage(transforms=[transform(FRAME, "tool0", 0, tool)]))
    ros.wait_for(lambda: "tool0" in bench.node._listener.buffer.frames(), what="the tool's transform")

    def blind(color: Any, depth: Any, info: Any) -> None:
        depth.data = array_to_image(np.zeros((240, 320), np.uint16), "16UC1", 0, FRAME).data

    _, error, result = bench.measure("elevation", "gripper", change=blind)
    assert error == "NOT_CANONICAL" and "up direction" in result.error_msg


def test_up_without_a_table_gives_no_height_above_it(ros: Any) -> None:
    bench = Bench(ros, tool_frame="tool0", gravity_frame="base_link").start()
    edges = [
        transform(FRAME, "tool0", 0, RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.5]))),
        transform("base_link", FRAME, 0, RigidTransform(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))),
    ]
    bench.camera.tf_static.publish(TFMessage(transforms=edges))
    ros.wait_for(lambda: {"tool0", "base_link"} <= set(bench.node._listener.buffer.frames()), what="the transforms")

    def blind(color: Any, depth: Any, info: Any) -> None:
        depth.data = array_to_image(np.zeros((240, 320), np.uint16), "16UC1", 0, FRAME).data

    _, error, result = bench.measure("elevation", "gripper", change=blind)
    assert error == "NO_DEPTH" and "no support plane is known" in result.error_msg


def test_without_a_camera_the_silent_topics_are_named(ros: Any) -> None:
    bench = Bench(ros, camera=False, request_timeout_s=0.3).start()
    for status, error, result in (bench.measure(*PAIR.values()), bench.ask("How tall is the red block?")):
        assert (status, error) == (ABORTED, "NO_IMAGE")
        for topic in ("/color/image_raw (colour)", "/depth/image_raw (depth)", "/depth/camera_info (camera_info)"):
            assert topic in result.error_msg
    assert not bench.node._requests, "what is not waited for any more must be forgotten"


def test_a_wrong_codec_is_named_and_png_works_afterwards(ros: Any) -> None:
    bench = Bench(ros, compressed=True, request_timeout_s=0.7).start()

    def rvl(color: Any, depth: Any, info: Any) -> None:
        depth.format = "16UC1; compressedDepth rvl"

    _, error, result = bench.measure(*PAIR.values(), change=rvl)
    assert error == "NO_IMAGE" and "compressedDepth rvl" in result.error_msg

    def cut(color: Any, depth: Any, info: Any) -> None:
        depth.data = bytes(12) + encode(".png", table_picture()[1])[:200]

    _, error, result = bench.measure(*PAIR.values(), change=cut)
    assert error == "NO_IMAGE" and "holds no 16-bit PNG" in result.error_msg
    assert bench.measure(*PAIR.values())[1] == "NONE"


def test_a_defect_ends_the_goal_and_not_the_node(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import spatialvlm_ros.nodes.spatial_actions as module

    bench = Bench(ros).start()

    def broken(query: Any) -> None:
        raise ZeroDivisionError("oh no")

    with monkeypatch.context() as patch:
        patch.setattr(module, "check_query", broken)
        status, error, result = bench.measure(*PAIR.values())
    assert (status, error) == (ABORTED, "INTERNAL") and "oh no" in result.error_msg
    assert bench.measure(*PAIR.values())[1] == "NONE"


# -- cancel, deactivation, several at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["measure", "ask"])
def test_cancel_while_waiting_for_an_image(ros: Any, action: str) -> None:
    bench = Bench(ros, camera=False, request_timeout_s=60.0).start()
    goal = PAIR if action == "measure" else {"question": "How tall is the red block?"}
    handle = bench.send(bench.measure_client if action == "measure" else bench.ask_client, **goal)
    ros.wait_for(lambda: bench.node._requests, what="the request")
    result = handle.get_result_async()
    begun = time.monotonic()
    cancel = handle.cancel_goal_async()
    ros.wait_for(result.done, what="the result")
    took_s = time.monotonic() - begun
    ros.wait_for(cancel.done, what="the answer to the cancel")
    assert cancel.result().goals_canceling
    answer = result.result()
    assert answer.status == CANCELED and answer.result.error_code == Measure.Result.ERROR_CANCELED
    assert took_s < 0.5 and not bench.node._requests


def test_deactivation_ends_goals_and_rejects_new_ones(ros: Any) -> None:
    bench = Bench(ros, camera=False, request_timeout_s=60.0).start()
    handles = [bench.send(bench.measure_client, **PAIR) for _ in range(2)]
    ros.wait_for(lambda: len(bench.node._requests) == 2, what="the requests")
    futures = [handle.get_result_async() for handle in handles]
    bench.node.trigger_deactivate()
    ros.wait_for(lambda: all(future.done() for future in futures), what="the results")
    for future in futures:
        answer = future.result()
        assert (answer.status, answer.result.error_code) == (ABORTED, Measure.Result.ERROR_CANCELED)
        assert "the node was deactivated; activate it and ask again" in answer.result.error_msg
    assert not bench.send(bench.measure_client, **PAIR).accepted
    assert not bench.send(bench.ask_client, question="How tall is the red block?").accepted
    bench.node.trigger_activate()
    assert bench.send(bench.measure_client, **PAIR).accepted


def test_cleanup_with_goals_under_way_does_no_harm(ros: Any) -> None:
    bench = Bench(ros, camera=False, request_timeout_s=60.0).start()
    for _ in range(3):
        bench.send(bench.measure_client, **PAIR)
        bench.node.trigger_deactivate()
        bench.node.trigger_cleanup()
        assert bench.node.autostart()
        ros.wait_for(bench.measure_client.server_is_ready, what="~/measure")
        ros.wait_for(bench.ask_client.server_is_ready, what="~/ask")


def test_several_goals_at_once_are_all_answered(ros: Any) -> None:
    bench = Bench(ros).start()
    relations = ("distance", "left")
    goals = [(bench.measure_client, {**PAIR, "relation": relation}) for relation in relations]
    goals.append((bench.ask_client, {"question": "How tall is the blue block?"}))
    sent = [client.send_goal_async(client._action_type.Goal(**goal)) for client, goal in goals]
    ros.wait_for(lambda: all(future.done() for future in sent), what="the answers to the goals")
    results = [future.result().get_result_async() for future in sent]
    bench.shoot_until(lambda: all(future.done() for future in results), "all results")
    answers = [future.result() for future in results]
    assert [answer.status for answer in answers] == [SUCCEEDED] * 3
    assert [answer.result.fact.relation for answer in answers[:2]] == list(relations)
    assert answers[2].result.value == pytest.approx(0.05, abs=0.015)


def test_goals_beyond_the_limit_are_rejected_until_one_ends(ros: Any, capfd: Any) -> None:
    bench = Bench(ros, camera=False).start()
    actions = bench.node._actions
    answers = [actions._accept(None) for _ in range(MAX_GOALS + 1)]
    assert answers == [GoalResponse.ACCEPT] * MAX_GOALS + [GoalResponse.REJECT]
    assert "8 goals wait for an image already" in capfd.readouterr().err
    assert not bench.send(bench.measure_client, **PAIR).accepted
    actions._accepted -= 1
    assert bench.measure("farness", "a", "b")[1] == "UNKNOWN_RELATION"
    assert bench.measure("farness", "a", "b")[1] == "UNKNOWN_RELATION", "a goal that ends makes room"
