"""planner_node over real messages: a tiny world plays spatial_node and the robot."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from tiny_robot import TinyRobot
from tiny_world import Block, TinyWorld, block, plate

from spatialvlm_msgs.action import ExecuteTask, MoveGripper, PlanTask
from spatialvlm_ros.nodes.executor import PatientExecutor
from spatialvlm_ros.nodes.parameters import parameter_file
from spatialvlm_ros.nodes.planner_action_client import SafeActionClient
from spatialvlm_ros.nodes.planner_motion import motion_goal
from spatialvlm_ros.nodes.planner_node import PlannerNode
from spatialvlm_ros.nodes.planner_params import PLANNER_PARAMS, planning_config
from spatialvlm_ros.planning.config import PlanningConfig
from spatialvlm_ros.planning.errors import ErrorCode
from spatialvlm_ros.planning.runner import TaskState
from spatialvlm_ros.planning.skills import Motion

DEMO = "pick up the red block and put it on the green plate"
ROOT = Path(__file__).resolve().parents[2]


def table() -> list[Block]:
    return [block("red block", 0.45, 0.1, yaw=0.3), plate("green plate", 0.45, -0.15), block("blue block", 0.32, 0.2)]


@pytest.fixture
def ros(ros: Any) -> Iterator[Any]:
    """The harness, with a second executor for the robot: a real one is another process, which never waits for our threads."""
    executor = PatientExecutor(num_threads=4, context=ros.context)
    thread = threading.Thread(target=executor.spin, name="robot-executor", daemon=True)
    thread.start()
    ros.robot_executor, ros.robots = executor, []
    yield ros
    executor.shutdown(timeout_sec=5.0)
    thread.join(5.0)
    assert not thread.is_alive()
    for node in ros.robots:
        ros.destroy(node)


class Setup:
    """The node under test, the tiny world beside it, and a client."""

    def __init__(
        self,
        ros: Any,
        blocks: list[Block] | None = None,
        *,
        robot: bool = True,
        serve_motion: bool = True,
        haste: float = 8.0,
        **params: Any,
    ):
        self.world = TinyWorld(table() if blocks is None else blocks)
        if robot:
            self.robot = TinyRobot(self.world, serve_motion=serve_motion, haste=haste, context=ros.context)
            ros.robots.append(self.robot)
            ros.robot_executor.add_node(self.robot)
        values = {
            "executor": "sim",
            "allow_motion": True,
            "find_timeout_s": 0.4,
            "look_timeout_s": 3.0,
            "server_timeout_s": 8.0,
            **params,
        }
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.ros, self.node = ros, ros.node(PlannerNode, parameter_overrides=overrides)
        assert self.node.autostart()
        self.client_node = ros.node(Node, "client")
        self.execute = SafeActionClient(self.client_node, ExecuteTask, "planner_node/execute_task")
        self.plan = SafeActionClient(self.client_node, PlanTask, "planner_node/plan_task")
        self.feedback: list[tuple[float, Any]] = []
        ros.wait_for(lambda: self.execute.server_is_ready() and self.plan.server_is_ready(), what="the planner's actions")

    def send(self, instruction: str, client: Any = None) -> Any:
        client = client or self.execute
        goal = client._action_type.Goal(instruction=instruction)
        future = client.send_goal_async(goal, feedback_callback=lambda m: self.feedback.append((time.monotonic(), m.feedback)))
        self.ros.wait_for(future.done, what="the answer to the goal")
        return future.result()

    def result(self, handle: Any, timeout_s: float = 40.0) -> Any:
        future = handle.get_result_async()
        self.ros.wait_for(future.done, timeout_s, what="the result")
        return future.result()

    def run(self, instruction: str) -> Any:
        return self.result(self.send(instruction))


def code(answer: Any) -> str:
    """Name of the error code of a result."""
    names = {value: name for name, value in vars(type(ExecuteTask.Result)).items() if name.startswith("ERROR_")}
    names |= {getattr(ExecuteTask.Result, n): n for n in dir(ExecuteTask.Result) if n.startswith("ERROR_")}
    return names[answer.result.error_code].removeprefix("ERROR_")


# -- success ----------------------------------------------------------------------------------------------------------------


def test_the_demo_task_ends_with_the_block_on_the_plate(ros: Any) -> None:
    setup = Setup(ros)
    answer = setup.run(DEMO)
    assert (answer.status, code(answer), answer.result.error_msg) == (GoalStatus.STATUS_SUCCEEDED, "NONE", "")
    assert answer.result.success and answer.result.duration_s > 0
    assert answer.result.steps == ["pick(red block)", "place(red block, green plate)"]
    red = setup.world.find("red block")
    assert red.centre == pytest.approx([0.45, -0.15, 0.016 + 0.02], abs=0.01)
    assert setup.world.held is None


def test_feedback_tells_steps_at_ten_hertz_at_most(ros: Any) -> None:
    setup = Setup(ros)
    setup.run(DEMO)
    times = [stamp for stamp, _ in setup.feedback]
    seen = [feedback for _, feedback in setup.feedback]
    assert len(seen) <= 10 * (times[-1] - times[0]) + 2
    assert {"pick(red block)", "place(red block, green plate)"} <= {feedback.step for feedback in seen}
    assert {feedback.state for feedback in seen} >= {ExecuteTask.Feedback.STATE_MOVING}
    assert any(np.isfinite(feedback.distance) and feedback.distance_std > 0 for feedback in seen)
    assert all(0.0 <= feedback.potential <= 1.0 for feedback in seen)


def test_a_blocker_is_moved_away_first(ros: Any) -> None:
    blocks = [block("red block", 0.45, 0.1), plate("green plate", 0.45, -0.15), block("blue block", 0.45, 0.1, z=0.04)]
    setup = Setup(ros, blocks, haste=12.0)
    answer = setup.run(DEMO)
    assert code(answer) == "NONE", answer.result.error_msg
    # A busy machine may measure too late to bear a grasp out; it is then tried again.
    steps = [step for step, _ in itertools.groupby(answer.result.steps)]
    assert steps[:2] == ["pick(blue block)", "place(blue block, table)"]


def test_a_missed_grasp_is_tried_again(ros: Any) -> None:
    setup = Setup(ros)
    setup.world.misses = 1
    answer = setup.run("pick up the red block")
    assert answer.result.success and answer.result.steps == ["pick(red block)", "pick(red block)"]


def test_only_what_spatial_node_was_asked_for_is_needed_and_released_afterwards(ros: Any) -> None:
    setup = Setup(ros)
    setup.run("pick up the red block")
    ros.wait_for(lambda: setup.robot.queries.get("planner_node") == [], what="the queries to be taken back")


def test_plan_task_moves_nothing(ros: Any) -> None:
    setup = Setup(ros)
    answer = setup.result(setup.send(DEMO, setup.plan))
    assert answer.result.success and answer.result.steps == ["pick(red block)", "place(red block, green plate)"]
    assert answer.result.goal == "on(red block, green plate)"
    assert "on(red block, green plate): false" in answer.result.trace and "search:" in answer.result.trace
    assert setup.robot.goals == []


def test_dry_run_moves_nothing_and_needs_no_permission(ros: Any) -> None:
    setup = Setup(ros, executor="dry_run", allow_motion=False)
    answer = setup.run(DEMO)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED and not answer.result.success
    assert "dry run" in answer.result.error_msg and answer.result.steps[0] == "pick(red block)"
    assert setup.robot.goals == []


def test_a_goal_that_holds_already_needs_no_motion(ros: Any) -> None:
    setup = Setup(ros, [block("red block", 0.45, -0.15, z=0.016), plate("green plate", 0.45, -0.15)])
    answer = setup.run(DEMO)
    assert answer.result.success and answer.result.steps == [] and setup.robot.goals == []


# -- refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instruction", "error", "said"),
    [
        ("", "EMPTY_INSTRUCTION", "pick up the red block"),
        ("make me a coffee", "NOT_UNDERSTOOD", "nearest known forms"),
        ("put the red block on the red block", "IMPOSSIBLE_GOAL", "two different things"),
        ("pick up the unicorn", "OBJECT_NOT_FOUND", "unicorn"),
        ("pick up the green plate", "IMPOSSIBLE_GOAL", "fingers open to"),
    ],
)
def test_each_refusal_has_its_code_and_a_sentence(ros: Any, instruction: str, error: str, said: str) -> None:
    setup = Setup(ros)
    for client in (setup.execute, setup.plan):
        answer = setup.result(setup.send(instruction, client))
        assert (answer.status, code(answer)) == (GoalStatus.STATUS_ABORTED, error)
        assert said in answer.result.error_msg and not answer.result.success
    assert setup.robot.goals == []


def test_two_things_of_one_name_are_ambiguous(ros: Any) -> None:
    setup = Setup(ros, [block("red block", 0.45, 0.1), block("red block", 0.45, -0.1)])
    answer = setup.run("pick up the red block")
    assert code(answer) == "OBJECT_AMBIGUOUS" and "2 things" in answer.result.error_msg


def test_a_thing_outside_the_workspace_is_refused_before_moving(ros: Any) -> None:
    setup = Setup(ros, workspace_max_m=[0.4, 0.6, 0.8])
    answer = setup.run("pick up the red block")
    assert code(answer) == "OUT_OF_REACH" and "workspace" in answer.result.error_msg
    assert setup.robot.goals == []


def test_without_spatial_node_there_is_no_scene(ros: Any) -> None:
    setup = Setup(ros, robot=False, executor="dry_run", look_timeout_s=0.5)
    answer = setup.run(DEMO)
    assert code(answer) == "NO_SCENE" and "set_queries" in answer.result.error_msg


def test_stale_facts_before_the_task_are_refused(ros: Any) -> None:
    setup = Setup(ros, executor="dry_run", look_timeout_s=0.5)
    setup.run(DEMO)
    setup.node._feed.ask(1, [])
    setup.robot.world.camera_frozen = True
    setup.robot.world.image_period_s = 1e9
    time.sleep(0.6)
    answer = setup.run(DEMO)
    assert code(answer) == "STALE_FACTS" and "max_fact_age_s" in answer.result.error_msg


def test_facts_that_stop_during_motion_stop_the_motion(ros: Any) -> None:
    setup = Setup(ros, haste=0.5, facts_timeout_s=0.5)
    handle = setup.send(DEMO)
    ros.wait_for(lambda: setup.robot.goals, what="the first motion")
    setup.robot.silent = True
    answer = setup.result(handle)
    assert code(answer) == "STALE_FACTS"
    assert len(setup.robot.cancelled_s) == 1
    track = len(setup.robot.tool_track)
    time.sleep(0.2)
    assert len(setup.robot.tool_track) == track, "the arm still moves"


def test_motion_needs_the_parameter(ros: Any) -> None:
    setup = Setup(ros, allow_motion=False)
    assert code(setup.run(DEMO)) == "MOTION_DISABLED"
    assert setup.robot.goals == []
    setup.node.set_parameters([Parameter("allow_motion", value=True)])
    assert code(setup.run("pick up the red block")) == "NONE"


def test_a_missing_motion_server_is_said(ros: Any) -> None:
    setup = Setup(ros, serve_motion=False, server_timeout_s=0.3)
    answer = setup.run(DEMO)
    assert code(answer) == "EXECUTOR" and "sim_robot_node/move_gripper" in answer.result.error_msg


def test_a_step_without_effect_is_given_up_after_its_tries(ros: Any) -> None:
    setup = Setup(ros, haste=20.0)
    setup.world.misses = 99
    answer = setup.run("pick up the red block")
    assert code(answer) == "STEP_FAILED" and answer.result.steps == ["pick(red block)"] * 3
    assert any(words in answer.result.error_msg for words in ("closed without meeting", "not between the fingers"))


# -- concurrency --------------------------------------------------------------------------------------------------------------


def test_cancel_stops_the_arm_within_a_tenth_of_a_second(ros: Any) -> None:
    """The best of three: planner, robot and client share one interpreter here, which other work on the machine holds up."""
    setup = Setup(ros, haste=0.3)
    took_s = []
    for trial in range(3):
        handle = setup.send(DEMO)
        ros.wait_for(lambda: len(setup.robot.tool_track) > 20, what="motion")
        asked_s = time.monotonic()
        cancel = handle.cancel_goal_async()
        answer = setup.result(handle)
        assert cancel.result().goals_canceling
        assert (answer.status, code(answer)) == (GoalStatus.STATUS_CANCELED, "CANCELED")
        ros.wait_for(lambda n=trial: len(setup.robot.cancelled_s) > n, what="the cancelled motion")
        took_s.append(setup.robot.cancelled_s[-1] - asked_s)
        setup.robot.tool_track.clear()
    assert min(took_s) < 0.1 and max(took_s) < 1.0, took_s
    before = setup.world.tool.copy()
    time.sleep(0.2)
    assert np.array_equal(before, setup.world.tool)


def test_a_second_task_is_busy_and_leaves_the_first_alone(ros: Any) -> None:
    setup = Setup(ros, haste=4.0)
    handle = setup.send(DEMO)
    ros.wait_for(lambda: setup.robot.goals, what="the first motion")
    second = setup.run("pick up the blue block")
    assert code(second) == "BUSY" and DEMO in second.result.error_msg
    assert code(setup.result(handle)) == "NONE"


def test_a_plan_beside_a_running_task_disturbs_nothing(ros: Any) -> None:
    setup = Setup(ros, haste=4.0)
    handle = setup.send(DEMO)
    ros.wait_for(lambda: setup.robot.goals, what="the first motion")
    assert setup.result(setup.send("put the blue block on the table", setup.plan)).result.success
    assert code(setup.result(handle)) == "NONE"


def test_deactivation_during_a_task_stops_it_and_a_new_activation_takes_tasks(ros: Any) -> None:
    setup = Setup(ros, haste=0.5)
    handle = setup.send(DEMO)
    ros.wait_for(lambda: len(setup.robot.tool_track) > 20, what="motion")
    waiting = handle.get_result_async()
    begun_s = time.monotonic()
    assert setup.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert time.monotonic() - begun_s < 1.5
    ros.wait_for(waiting.done, what="the result")
    answer = waiting.result()
    assert (answer.status, code(answer)) == (GoalStatus.STATUS_ABORTED, "CANCELED")
    ros.wait_for(lambda: setup.robot.cancelled_s, what="the cancelled motion")
    assert not setup.send(DEMO).accepted
    assert setup.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    setup.robot.haste = 10.0
    assert code(setup.run("pick up the red block")) == "NONE"


def test_configure_cleanup_configure_leaves_nothing_behind(ros: Any) -> None:
    setup = Setup(ros)
    assert setup.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert setup.node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert setup.node.autostart()
    ros.wait_for(setup.execute.server_is_ready, what="the actions again")
    assert code(setup.run("pick up the red block")) == "NONE"


def test_tasks_one_after_the_other(ros: Any) -> None:
    setup = Setup(ros, haste=12.0)
    for instruction in (DEMO, "put the blue block on the red block", "put the blue block on the table"):
        answer = setup.run(instruction)
        assert code(answer) == "NONE", (instruction, answer.result.error_msg)
    assert setup.world.find("blue block").centre[2] == pytest.approx(0.02, abs=0.01)


# -- parameters ---------------------------------------------------------------------------------------------------------------


def test_parameters_default_to_the_planning_configuration(ros: Any) -> None:
    node = ros.node(PlannerNode)
    assert planning_config(node) == PlanningConfig()
    assert not node.param("allow_motion") and node.param("executor") == "dry_run"


def test_the_yaml_file_repeats_the_defaults() -> None:
    assert (ROOT / "config" / "planner_node.yaml").read_text() == parameter_file("planner_node", PLANNER_PARAMS)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"executor": "moveit"}, "moveit"),
        ({"workspace_min_m": [1.0, 2.0]}, "workspace_min_m"),
        ({"workspace_min_m": [2.0, 0.0, 0.0]}, "workspace_min_m"),
    ],
)
def test_configure_refuses_what_cannot_work(ros: Any, params: dict[str, Any], said: str) -> None:
    node = ros.node(PlannerNode, parameter_overrides=[Parameter(name, value=value) for name, value in params.items()])
    errors: list[str] = []
    node.get_logger = lambda: _Collect(errors)  # type: ignore[method-assign]
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert said in errors[0]


class _Collect:
    def __init__(self, errors: list[str]) -> None:
        self._errors = errors

    def error(self, text: str) -> None:
        self._errors.append(text)


def test_a_motion_of_the_fingers_alone_leaves_the_tool(ros: Any) -> None:
    goal = motion_goal(Motion("close", None, 0.0, 0.1), "base_link")
    assert isinstance(goal, MoveGripper.Goal) and not goal.move and goal.finger_opening_m == 0.0
    assert np.isnan(motion_goal(Motion("close", None, None, 0.1), "base_link").finger_opening_m)


def test_codes_and_states_are_the_actions() -> None:
    def constants(of: Any, prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): getattr(of, name) for name in dir(of) if name.startswith(prefix)}

    codes = {one.name: one.value for one in ErrorCode}
    assert constants(ExecuteTask.Result, "ERROR_") == codes
    assert constants(PlanTask.Result, "ERROR_").items() <= codes.items()
    assert constants(ExecuteTask.Feedback, "STATE_") == {one.name: one.value for one in TaskState}
