"""The thread of spatial_node that measures: one worker for one configuration, however long an image takes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from table_camera import Bench

import spatialvlm_ros.nodes.spatial_node as module
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.nodes.spatial_actions import Request
from spatialvlm_ros.scene.facts import Query, Status


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "measure"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_that_outlasts_the_cleanup_ends_and_leaves_nothing(
    ros: Any, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(module, "_JOIN_S", 0.1)
    bench = Bench(ros).start()
    bench.next_fact()
    engine = bench.node._engine
    observe, entered, go_on = engine.observe, threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        entered.set()
        assert go_on.wait(30.0)
        if fails:
            raise RuntimeError("broken in the old worker")
        return observe(*args, **options)

    monkeypatch.setattr(engine, "observe", slow)
    bench.shoot_until(entered.is_set, "an image in work")
    (old,) = workers()
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    assert old.is_alive(), "cleanup does not wait for ever"
    assert bench.node.autostart()
    assert len(workers()) == 2
    count = len(bench.facts.messages)
    go_on.set()
    old.join(10.0)
    assert not old.is_alive() and len(workers()) == 1
    assert len(bench.facts.messages) == count and bench.node._frames == 0, "its result is dropped"
    assert bench.node._refused == {} and bench.node._last_problem == ""
    ros.wait_for(bench.node._facts_publisher.get_subscription_count, what="the client's subscription")
    bench.next_fact()
    assert workers() != [old]


def test_a_request_that_fails_costs_no_other_one_its_answer(ros: Any) -> None:
    bench = Bench(ros).start()

    def broken(scene: Any, output: Any) -> Any:
        raise RuntimeError("a defect")

    bad = Request((), (), broken)
    good = Request(("red block",), (), lambda scene, output: measure_query(scene, Query("height", "red block"), output))
    bench.node.submit(bad)
    bench.node.submit(good)
    bench.shoot_until(good.done.is_set, "the answer to the good request")
    assert bad.done.is_set() and bad.result is None
    assert good.result is not None and good.result.status is Status.OK
    assert bench.node._refused == {} and bench.node._last_problem == ""


def test_repeated_cleanup_leaves_no_worker(ros: Any) -> None:
    bench = Bench(ros).start()
    for _ in range(3):
        bench.node.trigger_deactivate()
        bench.node.trigger_cleanup()
        assert workers() == []
        assert bench.node.autostart() and len(workers()) == 1
