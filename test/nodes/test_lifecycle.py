"""The base of every node: loud refusals, clean cycles, nothing left behind."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.exceptions import InvalidParameterValueException, ParameterException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialvlm_ros.nodes.lifecycle import ManagedNode, RunningGoals
from spatialvlm_ros.nodes.node_types import NODES
from spatialvlm_ros.nodes.parameters import Param, near_misses
from spatialvlm_ros.nodes.spatial_node import SpatialNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class SmallNode(ManagedNode):
    """Owns one of everything; a hook named in ``fails`` raises."""

    PARAMS: ClassVar[tuple[Param, ...]] = (
        Param("mode", "fast", "How to go.", choices=("fast", "slow")),
        Param("reach_m", 1.0, "How far.", 0.0, 2.0),
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("small", **kwargs)
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.heard = 0
        self.beats = 0

    def hook(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise self.fails[name]

    def setup(self) -> None:
        self.out = self.own_publisher(Empty, "~/out", 1)
        self.own_subscription(Empty, "in", lambda m: None, 1)
        self.own_stream(Empty, "stream", self.hear, 10)
        self.own_service(Trigger, "~/serve", lambda request, response: response)
        self.own_client(Trigger, "elsewhere")
        self.own_timer(0.01, self.beat, steady=True)
        self.hook("setup")

    def hear(self, message: Any) -> None:
        self.heard += 1
        if "hear" in self.fails:
            raise self.fails["hear"]

    def beat(self) -> None:
        self.beats += 1

    def start(self) -> None:
        self.hook("start")

    def stop(self) -> None:
        self.hook("stop")

    def teardown(self) -> None:
        self.hook("teardown")


def state(node: ManagedNode) -> str:
    return str(node._state_machine.current_state[1])


def interfaces(node: Node) -> tuple[int, ...]:
    kinds = (node.publishers, node.subscriptions, node.services, node.clients, node.timers, node.waitables)
    return tuple(len(list(kind)) for kind in kinds)


def own_threads() -> list[str]:
    """Threads beside those of the test's executor, whose pool grows as it is used."""
    return sorted(t.name for t in threading.enumerate() if not t.name.startswith("ThreadPoolExecutor"))


def test_configure_fails_loudly_and_leaves_nothing(ros: Any, capfd: Any) -> None:
    node = ros.node(SmallNode)
    before, threads = interfaces(node), own_threads()
    node.fails["setup"] = ValueError("the model file is missing; set model")
    assert node.trigger_configure() == FAILURE
    assert state(node) == "unconfigured" and node.calls == ["setup", "teardown"]
    assert interfaces(node) == before and own_threads() == threads
    assert "[ERROR]" in (said := capfd.readouterr().err) and "configure failed: the model file is missing; set model" in said
    node.fails.clear()
    assert node.autostart() and state(node) == "active"


def test_a_defect_in_configure_is_logged_with_its_traceback(ros: Any, capfd: Any) -> None:
    node = ros.node(SmallNode)
    node.fails["setup"] = ZeroDivisionError("division by zero")
    assert not node.autostart()
    assert "Traceback" in (said := capfd.readouterr().err) and "ZeroDivisionError" in said


def test_a_failing_teardown_frees_the_rest(ros: Any) -> None:
    node = ros.node(SmallNode)
    before = interfaces(node)
    assert node.trigger_configure() == SUCCESS
    node.fails["teardown"] = RuntimeError("stuck")
    assert node.trigger_cleanup() == SUCCESS
    assert interfaces(node) == before and state(node) == "unconfigured"


def test_activate_fails_loudly_and_stays_inactive(ros: Any) -> None:
    node = ros.node(SmallNode)
    node.fails["start"] = ValueError("no")
    assert not node.autostart()
    assert state(node) == "inactive" and not node.active
    node.fails.clear()
    assert node.trigger_activate() == SUCCESS and node.active


def test_five_cycles_leave_nothing_behind(ros: Any) -> None:
    node = ros.node(SmallNode)
    sender = ros.node(Node, "sender").create_publisher(Empty, "stream", 10)
    before, threads = interfaces(node), own_threads()
    inside = set()
    for _ in range(5):
        assert node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS and node.active
        assert node.trigger_deactivate() == SUCCESS and not node.active
        assert node.trigger_activate() == SUCCESS
        heard = node.heard
        ros.wait_for(sender.get_subscription_count, what="the stream")

        def received(heard: int = heard) -> bool:
            sender.publish(Empty())
            return node.heard > heard

        ros.wait_for(received, what="a message on the stream")
        inside.add((interfaces(node), tuple(own_threads())))
        assert node.trigger_deactivate() == SUCCESS and node.trigger_cleanup() == SUCCESS
        assert interfaces(node) == before
        ros.wait_for(lambda: own_threads() == threads, what="the threads to end")
        ros.wait_for(lambda: not sender.get_subscription_count(), what="the subscription to go")
    assert len(inside) == 1
    assert node.calls == ["setup", "start", "stop", "start", "stop", "teardown"] * 5


def test_five_cycles_of_spatial_node_leave_nothing_behind(ros: Any) -> None:
    node = ros.node(SpatialNode)
    before, threads = interfaces(node), own_threads()
    for _ in range(5):
        assert node.autostart()
        assert "measure" in own_threads() and "streams" in own_threads()
        assert node.trigger_deactivate() == SUCCESS and node.trigger_cleanup() == SUCCESS
        assert interfaces(node) == before
        ros.wait_for(lambda: own_threads() == threads, what="the threads to end")


@pytest.mark.parametrize("reached", ["unconfigured", "inactive", "active"])
def test_shutdown_from_every_state(ros: Any, reached: str) -> None:
    node = ros.node(SmallNode)
    before, threads = interfaces(node), own_threads()
    steps: dict[str, list[Callable[[], Any]]] = {
        "unconfigured": [], "inactive": [node.trigger_configure], "active": [node.trigger_configure, node.trigger_activate],
    }  # fmt: skip
    assert all(step() == SUCCESS for step in steps[reached])
    assert node.trigger_shutdown() == SUCCESS
    assert state(node) == "finalized" and not node.active
    assert interfaces(node) == before and own_threads() == threads
    assert ("stop" in node.calls) == (reached == "active") and node.calls[-1] == "teardown"


def test_destroying_an_active_node_stops_it(ros: Any) -> None:
    threads = own_threads()
    node = SmallNode(context=ros.context)
    assert node.autostart()
    node.destroy_node()
    assert node.calls == ["setup", "start", "stop", "teardown"]
    ros.wait_for(lambda: own_threads() == threads, what="the threads to end")


def test_transitions_work_as_services(ros: Any) -> None:
    node, client = ros.node(SmallNode), ros.node(Node, "manager")
    change, get = client.create_client(ChangeState, "small/change_state"), client.create_client(GetState, "small/get_state")
    assert change.wait_for_service(10.0) and get.wait_for_service(10.0)

    def call(which: Any, request: Any) -> Any:
        future = which.call_async(request)
        ros.wait_for(future.done, what="the answer")
        return future.result()

    for transition, after in (
        (Transition.TRANSITION_CONFIGURE, "inactive"), (Transition.TRANSITION_ACTIVATE, "active"),
        (Transition.TRANSITION_DEACTIVATE, "inactive"), (Transition.TRANSITION_CLEANUP, "unconfigured"),
    ):  # fmt: skip
        request = ChangeState.Request()
        request.transition.id = transition
        assert call(change, request).success
        assert call(get, GetState.Request()).current_state.label == after
    # One that the state does not have is answered as well: a manager that is out of step would wait for ever.
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_ACTIVATE
    assert not call(change, request).success
    assert call(get, GetState.Request()).current_state.label == "unconfigured"
    node.fails["setup"] = OSError("gone")
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_CONFIGURE
    assert not call(change, request).success
    assert call(get, GetState.Request()).current_state.label == "unconfigured"


def test_a_callback_that_raises_does_not_end_the_stream(ros: Any) -> None:
    node = ros.node(SmallNode)
    sender = ros.node(Node, "sender").create_publisher(Empty, "stream", 10)
    node.fails["hear"] = RuntimeError("bad message")
    assert node.autostart()
    ros.wait_for(sender.get_subscription_count, what="the stream")

    def third() -> bool:
        sender.publish(Empty())
        return node.heard >= 3

    ros.wait_for(third, what="messages after the first failure")


def test_a_wrong_value_is_refused_with_the_choices(ros: Any) -> None:
    with pytest.raises(ValueError, match="parameter mode is 'sideways', which is not one of fast, slow"):
        SmallNode(context=ros.context, parameter_overrides=[Parameter("mode", value="sideways")])
    with pytest.raises(InvalidParameterValueException):
        SmallNode(context=ros.context, parameter_overrides=[Parameter("reach_m", value=2.5)])
    with pytest.raises((ValueError, ParameterException), match=r"not a finite number|nan"):
        SmallNode(context=ros.context, parameter_overrides=[Parameter("reach_m", value=float("nan"))])
    with pytest.raises(ValueError, match="parameter mode has a value of another type; give text, in quotes"):
        SmallNode(context=ros.context, parameter_overrides=[Parameter("mode", value=3)])
    node = ros.node(SmallNode)
    answer = node.set_parameters([Parameter("mode", value="slow")])[0]
    assert not answer.successful and "read-only" in answer.reason
    assert node.param("mode") == "fast"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-p", "gamma:=1"), "error: parameter gamma has a value of another type; give a number with a point, like 1.0"),
        (("--params-file", "{folder}/broken.yaml"), "error: failed to initialize rcl: Couldn't parse params file"),
        (("--params-file", "{folder}/none.yaml"), "error: failed to initialize rcl: Couldn't parse params file"),
    ],
)
def test_arguments_that_cannot_be_used_end_a_node_with_a_sentence(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("/**/reward_node\n  ros__parameters:\n    gamma: 0.9\n")
    words = [word.format(folder=tmp_path) for word in arguments]
    command = [sys.executable, "-m", "spatialvlm_ros.nodes.reward_node", "--ros-args", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2 and text in ended.stderr and "Traceback" not in ended.stderr, ended.stderr


def test_a_slip_in_a_parameters_name_is_told() -> None:
    """rclpy says nothing of it. Names that are like none of the node's may be meant for another one."""
    assert near_misses(["mode", "mod", "reach_cm", "of_another"], SmallNode.PARAMS) == {"mod": "mode", "reach_cm": "reach_m"}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("queries", ["distance; gripper"], "'distance; gripper' is not 'relation; subject; object.*relates two things"),
        ("queries", ["farness; a; b"], "unknown relation 'farness'; known are distance"),
        ("queries", ["distance; a; b; ; ; ; c"], "more than six parts"),
        ("robot_capsules", ["link1 0 0 0"], "'link1 0 0 0' is not 'frame x0 y0 z0 x1 y1 z1 radius'"),
    ],
)
def test_a_text_parameter_that_cannot_be_read_fails_configure(
    ros: Any, capfd: Any, name: str, value: list[str], text: str
) -> None:
    node = ros.node(SpatialNode, parameter_overrides=[Parameter(name, value=value)])
    assert not node.autostart() and state(node) == "unconfigured"
    assert re.search(text, capfd.readouterr().err)


@pytest.mark.parametrize("name", NODES)
def test_every_node_declares_autostart_and_describes_its_parameters(ros: Any, name: str) -> None:
    node = ros.node(NODES[name])
    assert node.param("autostart") is True
    for param in NODES[name].PARAMS:
        assert node.describe_parameter(param.name).description == param.description
    assert state(node) == "unconfigured"


def test_diagnostics_come_from_every_state_with_a_stamp(ros: Any) -> None:
    heard: list[Any] = []
    ros.node(Node, "reader").create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    node = ros.node(SmallNode)
    texts = lambda: [s.message for m in list(heard) for s in m.status if s.name == "/small"]  # noqa: E731
    ros.wait_for(lambda: "not active" in texts(), what="diagnostics while unconfigured")
    assert node.autostart()
    ros.wait_for(lambda: "active" in texts(), what="diagnostics while active")
    assert heard[-1].status[0].level == DiagnosticStatus.OK and heard[-1].header.stamp.sec > 0


def test_running_goals_are_waited_for() -> None:
    running = RunningGoals()
    assert running.wait_until_ended(0.0)
    entered, leave = threading.Event(), threading.Event()

    def goal() -> None:
        with running:
            entered.set()
            leave.wait(10.0)

    thread = threading.Thread(target=goal)
    thread.start()
    assert entered.wait(10.0)
    begun = time.monotonic()
    assert not running.wait_until_ended(0.05) and time.monotonic() - begun < 5.0
    leave.set()
    assert running.wait_until_ended(10.0)
    thread.join(10.0)
