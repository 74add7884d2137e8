"""The executables as separate processes over shared memory: facts arrive, and every signal ends them cleanly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.node import Node
from table_camera import Listener, error_name

from spatialvlm_msgs.action import Measure
from spatialvlm_msgs.msg import SpatialFact, SpatialFactArray
from spatialvlm_ros.bringup import graph
from spatialvlm_ros.nodes.planner_action_client import SafeActionClient

ROOT = Path(__file__).resolve().parents[2]
# On a busy machine importing and building a scene can take a while.
START_S, END_S = 60.0, 15.0


class Processes:
    """Node processes with their output in files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.out").open("wb") as out, (self.directory / f"{name}.err").open("wb") as err:
            self.running[name] = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=ROOT)
        return self.running[name]

    def errors(self, name: str) -> str:
        return (self.directory / f"{name}.err").read_text(errors="replace")

    def end(self, name: str, number: int) -> int:
        self.running[name].send_signal(number)
        return self.running[name].wait(END_S)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for process in made.running.values():
        if process.poll() is None:
            process.kill()
            process.wait()


def commands() -> dict[str, list[str]]:
    """Command lines as bringup makes them, with small and rare images."""
    small = ["-p", "image_width_px:=320", "-p", "image_height_px:=240", "-p", "frame_rate_hz:=3.0"]
    query = ["-p", "queries:=['distance; gripper; red block']", "-p", "request_timeout_s:=20.0"]
    extra = {"sim_robot_node": small, "spatial_node": query}
    return {node.executable: node.command() + extra[node.executable] for node in graph("sim", None) if node.executable in extra}


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for this signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.search(r"SigCgt:\s*([0-9a-f]+)", status).group(1), 16) >> (number - 1) & 1)  # type: ignore[union-attr]


def assert_clean(processes: Processes, name: str, code: int) -> None:
    said = processes.errors(name)
    assert code == 0 and "Traceback" not in said and "context is invalid" not in said and "ERROR" not in said, (code, said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_facts_arrive_and_a_signal_ends_both(ros: Any, processes: Processes, number: int) -> None:
    client = ros.node(Node, "client")
    facts = Listener(client, SpatialFactArray, "/spatial_node/facts")
    truth = Listener(client, SpatialFactArray, "/sim/ground_truth")
    for name, command in commands().items():
        processes.start(name, command)

    def good() -> Any:
        for name, process in processes.running.items():
            assert process.poll() is None, processes.errors(name)
        return [f for m in list(facts.messages) for f in m.facts if f.status == SpatialFact.STATUS_OK]

    def pairs() -> Any:
        by_stamp = {(m.header.stamp.sec, m.header.stamp.nanosec): m.facts for m in list(truth.messages)}
        found = [(fact, by_stamp.get((fact.header.stamp.sec, fact.header.stamp.nanosec))) for fact in good()]
        return [(fact, facts) for fact, facts in found if facts is not None]

    ros.wait_for(pairs, START_S, what="a fact, and the truth of the same image")
    fact, true_facts = pairs()[-1]
    true = next(f for f in true_facts if (f.relation, f.subject, f.object) == ("distance", "gripper", "red block"))
    assert abs(fact.value - true.value) < max(4 * fact.std, 0.02)
    assert fact.header.frame_id == "base_link" == true.header.frame_id
    # All at once, as Ctrl-C in a terminal does, in the middle of their work.
    begun = time.monotonic()
    for process in processes.running.values():
        process.send_signal(number)
    for name, process in processes.running.items():
        assert_clean(processes, name, process.wait(END_S))
    assert time.monotonic() - begun < END_S


def test_a_goal_under_way_ends_before_its_process_does(ros: Any, processes: Processes) -> None:
    process = processes.start("spatial_node", commands()["spatial_node"])
    client = SafeActionClient(ros.node(Node, "client"), Measure, "/spatial_node/measure")
    ros.wait_for(client.server_is_ready, START_S, what="~/measure")

    def send() -> Any:
        future = client.send_goal_async(Measure.Goal(relation="distance", subject="gripper", object="red block"))
        ros.wait_for(future.done, what="the answer to the goal")
        return future.result()

    handle = send()
    while not handle.accepted:  # not active yet
        time.sleep(0.1)
        assert process.poll() is None
        handle = send()
    waiting = [send() for _ in range(7)]
    assert all(one.accepted for one in waiting) and not send().accepted, "eight goals at most"
    future = waiting[0].get_result_async()
    cancel = waiting[0].cancel_goal_async()
    ros.wait_for(future.done, 5.0, what="a cancel among eight goals that wait")
    ros.wait_for(cancel.done, what="the answer to the cancel")
    assert error_name(future.result().result) == "CANCELED"
    result = handle.get_result_async()
    time.sleep(0.2)  # the request for the result is on its way
    code = processes.end("spatial_node", signal.SIGINT)
    assert_clean(processes, "spatial_node", code)
    ros.wait_for(result.done, what="the result")
    assert error_name(result.result().result) == "CANCELED" and "deactivated" in result.result().result.error_msg


@pytest.mark.parametrize("name", ["spatial_node", "sim_robot_node", "reward_node", "planner_node"])
def test_signals_during_the_start_and_twice_end_it_as_well(processes: Processes, name: str) -> None:
    process = processes.start(name, [sys.executable, "-m", f"spatialvlm_ros.nodes.{name}"])
    deadline = time.monotonic() + START_S
    # The node takes up signals before anything of ROS is made; they then fall anywhere into the start.
    while not catches(process.pid, signal.SIGTERM):
        assert process.poll() is None and time.monotonic() < deadline, processes.errors(name)
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert_clean(processes, name, process.wait(END_S))


def test_a_wrong_parameter_ends_it_with_the_choices(processes: Processes) -> None:
    wrong = (("depth_noise:=sonar", "'sonar', which is not one of"), ("sync_slop_s:=9.0", "sync_slop_s"))
    for index, (value, text) in enumerate(wrong):
        command = [sys.executable, "-m", "spatialvlm_ros.nodes.spatial_node", "--ros-args", "-p", value]
        process = processes.start(f"wrong{index}", command)
        assert process.wait(START_S) == 2
        said = processes.errors(f"wrong{index}")
        assert "error: " in said and text in said and "Traceback" not in said


def test_the_environment_is_the_tests_own() -> None:
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("config/fastdds.xml")
