"""~/ask with composed questions: numbers, verdicts, things, views, and the same answer as the command line gives."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from table_camera import TRUE_DISTANCE_M, Bench

from spatialvlm_msgs.action import AskSpatial

ABORTED, CANCELED = GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED
STRANGE = "Which of them would you rather eat?"
RESULT = AskSpatial.Result


def test_a_composed_question_has_a_verdict_and_its_facts(ros: Any) -> None:
    bench = Bench(ros).start()
    _, error, result = bench.ask("Is the red block less than 50 cm from the blue block?")
    assert (error, result.verdict, result.decided) == ("NONE", RESULT.VERDICT_YES, True)
    assert result.unit == "probability" and result.value > 0.97 and math.isnan(result.std)
    (fact,) = result.facts
    assert fact.relation == "distance" and fact.value == pytest.approx(TRUE_DISTANCE_M, abs=0.02)
    assert "lt(distance(red block, blue block), 0.5 m) = yes" in result.trace
    _, error, result = bench.ask("Is the red block more than 50 cm away from the blue block?")
    assert (error, result.verdict) == ("NONE", RESULT.VERDICT_NO)


def test_a_question_for_a_thing_is_answered_with_it(ros: Any) -> None:
    bench = Bench(ros).start()
    _, error, result = bench.ask("What is the leftmost object?")
    assert error == "NONE" and len(result.things) == 1 and result.things[0] in ("red block", "blue block")
    left = result.things[0]
    _, error, result = bench.ask("Is the red block left of the blue block?")
    assert error == "NONE" and (result.verdict == RESULT.VERDICT_YES) == (left == "red block")
    _, error, result = bench.ask("How many blocks are there?")
    assert (error, result.value, result.unit, result.decided) == ("NONE", 2.0, "count", True)


def test_a_composed_number_has_its_own_uncertainty(ros: Any) -> None:
    bench = Bench(ros).start()
    _, error, result = bench.ask("How tall would a stack of the red block and the blue block be?")
    assert error == "NONE" and result.unit == "m" and result.std > 0 and len(result.facts) == 2
    assert result.value == pytest.approx(sum(fact.value for fact in result.facts))
    assert result.std < sum(fact.std for fact in result.facts), "heights err independently"


def test_a_missing_thing_of_a_composed_question_is_named(ros: Any) -> None:
    bench = Bench(ros).start()
    status, error, result = bench.ask("Is the red block closer to the purple ball than the blue block?")
    assert (status, error) == (ABORTED, "NOT_FOUND") and "purple ball" in result.error_msg
    assert math.isnan(result.value) and not result.decided and result.verdict == RESULT.VERDICT_NONE
    assert "missing: NOT_FOUND" in result.trace


def test_a_view_of_the_goal_holds_for_every_relation(ros: Any) -> None:
    bench = Bench(ros, tf_timeout_s=0.02).start()
    handle = bench.send(bench.ask_client, question="Is the red block left of the blue block?", frame_id="nowhere")
    status, error, result = bench.result(handle)
    assert (status, error) == (ABORTED, "NO_TRANSFORM") and "tf has no frame" in result.error_msg
    handle = bench.send(bench.ask_client, question="Is the red block left of the blue block?", frame_id="canonical")
    _, error, result = bench.result(handle)
    assert error == "NONE" and result.facts[0].view == "canonical"


def test_two_readings_are_refused_with_both(ros: Any) -> None:
    bench = Bench(ros).start()
    status, error, result = bench.ask("What is the distance between salt and pepper and bowl?")
    assert (status, error) == (ABORTED, "NOT_UNDERSTOOD") and "quot" in result.error_msg


# -- a language model beside the grammar ------------------------------------------------------------------------------------


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def gone_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("mode", ["tree", "friend"])
def test_without_its_server_the_grammar_still_answers(ros: Any, mode: str) -> None:
    url = f"http://127.0.0.1:{gone_port()}/v1"
    bench = Bench(ros, llm_mode=mode, llm_url=url, llm_model="m", llm_timeout_s=5.0).start()
    status, error, result = bench.ask(STRANGE)
    assert (status, error) == (ABORTED, "NOT_UNDERSTOOD") and url in result.error_msg
    _, error, result = bench.ask("How tall is the red block?")
    assert error == "NONE" and result.value > 0


def test_a_server_that_never_answers_costs_its_time_and_no_more(ros: Any, silent_port: int) -> None:
    url = f"http://127.0.0.1:{silent_port}/v1"
    bench = Bench(ros, llm_mode="tree", llm_url=url, llm_model="m", llm_timeout_s=0.5).start()
    begun = time.monotonic()
    status, error, result = bench.ask(STRANGE)
    assert (status, error) == (ABORTED, "NOT_UNDERSTOOD") and "0.5 s" in result.error_msg
    assert 0.5 <= time.monotonic() - begun < 5.0
    assert bench.node.active


@pytest.mark.parametrize("mode", ["tree", "friend"])
def test_a_cancel_does_not_wait_for_the_server(ros: Any, silent_port: int, mode: str) -> None:
    url = f"http://127.0.0.1:{silent_port}/v1"
    bench = Bench(ros, llm_mode=mode, llm_url=url, llm_model="m", llm_timeout_s=8.0).start()
    handle = bench.send(bench.ask_client, question=STRANGE)
    time.sleep(0.2)
    begun = time.monotonic()
    canceled = handle.cancel_goal_async()
    ros.wait_for(canceled.done, what="the cancel")
    status, error, _ = bench.result(handle, shoot=False)
    assert (status, error) == (CANCELED, "CANCELED") and time.monotonic() - begun < 2.0


def test_a_model_without_a_server_is_refused_at_configure(ros: Any) -> None:
    bench = Bench(ros, camera=False, llm_mode="tree")
    assert not bench.node.autostart()
