"""The nodes' executor: each callback once, and no harm from what is destroyed while it waits."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from rclpy._rclpy_pybind11 import RCLError
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from spatialvlm_ros.nodes.executor import PatientExecutor


def test_a_callback_that_waits_for_a_thread_is_queued_once(ros: Any) -> None:
    node = ros.node(Node, "busy")
    release, calls = threading.Event(), []

    def block() -> None:
        calls.append(time.monotonic())
        release.wait(5.0)

    group = ReentrantCallbackGroup()
    for _ in range(6):
        node.create_timer(0.01, block, callback_group=group)
    ros.wait_for(lambda: len(calls) >= 4, what="all threads to be busy")
    time.sleep(0.2)
    assert ros.executor._executor._work_queue.qsize() <= 6 + 2
    release.set()


def test_a_coroutine_that_waits_is_taken_up_again(ros: Any) -> None:
    from rclpy.task import Future

    node, gate, done = ros.node(Node, "waiting"), Future(), []

    async def wait() -> None:
        await gate
        done.append(True)

    ros.executor.create_task(wait)
    time.sleep(0.1)
    assert not done
    gate.set_result(None)
    ros.wait_for(lambda: done, what="the coroutine")
    assert node.get_name() == "waiting"


def test_one_failed_wait_is_survived_and_a_lasting_failure_is_not(monkeypatch: pytest.MonkeyPatch, ros: Any) -> None:
    executor = PatientExecutor(num_threads=2, context=ros.context)
    failures = iter([RCLError("action server pointer is invalid")] * 3)

    def wait(*args: Any) -> Any:
        error = next(failures, None)
        raise error if error is not None else RCLError("out of memory")

    monkeypatch.setattr(executor, "wait_for_ready_callbacks", wait)
    for _ in range(3):
        executor.spin_once(timeout_sec=0.0)
    with pytest.raises(RCLError, match="out of memory"):
        for _ in range(100):
            executor.spin_once(timeout_sec=0.0)
    executor.shutdown(timeout_sec=1.0)
