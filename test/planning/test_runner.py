"""Tasks carried out by the behaviour tree in a tiny world that answers with the registry's own facts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from tiny_world import Block, TinyExecutor, TinyWorld, block, plate

from spatialvlm_ros.language.instruction import parse_instruction
from spatialvlm_ros.planning.config import PlanningConfig, Workspace
from spatialvlm_ros.planning.errors import ErrorCode, TaskError
from spatialvlm_ros.planning.runner import TaskRunner, TaskState

TICK_S = 0.02
DEMO = "pick up the red block and put it on the green plate"


class Task:
    """A runner with its world, executor and steady clock; ``run`` ticks all of them together."""

    def __init__(self, blocks: list[Block], text: str = DEMO, config: PlanningConfig | None = None) -> None:
        self.world = TinyWorld(blocks)
        self.executor = TinyExecutor(self.world, TICK_S)
        self.steady_s = 0.0
        self.log: list[str] = []
        goals = parse_instruction(text).goals
        self.runner = TaskRunner(
            goals, lambda: self.world.world(goals), self.executor, config or PlanningConfig(), steady=lambda: self.steady_s,
            log=self.log.append,
        )  # fmt: skip

    def tick(self) -> None:
        self.runner.tick()
        self.world.advance(TICK_S)
        self.steady_s += TICK_S

    def run(self, until: Callable[[], bool] = lambda: False, limit_s: float = 120.0) -> Task:
        while self.runner.outcome is None and not until():
            assert self.steady_s < limit_s, "the task does not end"
            self.tick()
        return self

    def until_motion(self, kind: str) -> Task:
        return self.run(lambda: self.executor.motion is not None and self.executor.motion.kind == kind)

    @property
    def code(self) -> ErrorCode:
        assert self.runner.outcome is not None
        return self.runner.outcome.code

    @property
    def text(self) -> str:
        assert self.runner.outcome is not None
        return self.runner.outcome.text


def table() -> list[Block]:
    return [block("red block", 0.45, 0.1, yaw=0.3), plate("green plate", 0.45, -0.15), block("blue block", 0.3, 0.2)]


# -- success ----------------------------------------------------------------------------------------------------------------


def test_the_demo_task_takes_less_than_ten_seconds_and_ends_on_the_plate() -> None:
    task = Task(table()).run()
    assert task.runner.outcome is not None and task.runner.outcome.success and task.text == ""
    assert task.runner.steps_done == ["pick(red block)", "place(red block, green plate)"]
    assert task.steady_s < 10.0
    assert task.world.find("red block").centre == pytest.approx([0.45, -0.15, 0.036], abs=1e-3)


@pytest.mark.parametrize("place", ["next to", "left of", "right of", "in front of", "behind"])
def test_things_are_put_to_every_side(place: str) -> None:
    task = Task([block("cup", 0.3, 0.25), block("box", 0.45, 0.0)], f"put the cup {place} the box").run()
    assert task.code is ErrorCode.NONE, task.text


def test_a_tower_is_built() -> None:
    blocks = [block("a", 0.35, 0.15), block("b", 0.45, 0.15), block("c", 0.45, -0.15)]
    task = Task(blocks, "put b on c and put a on b").run()
    assert task.code is ErrorCode.NONE and task.world.find("a").centre[2] == pytest.approx(0.1, abs=1e-3)


def test_a_mid_air_thing_is_carried_over_a_tower() -> None:
    blocks = [block("red block", 0.45, 0.2), block("tower", 0.45, 0.03, height=0.25), plate("green plate", 0.45, -0.15)]
    task = Task(blocks)
    lowest = math.inf
    tower = task.world.find("tower")
    while task.runner.outcome is None:
        task.tick()
        held = task.world.held
        if held is not None and np.all(np.abs(held.centre[:2] - tower.centre[:2]) < 0.04):
            lowest = min(lowest, float(held.centre[2]) - 0.02)
    assert task.code is ErrorCode.NONE and lowest > 0.25


# -- things go wrong ----------------------------------------------------------------------------------------------------------


def test_a_thing_that_falls_during_transport_is_picked_up_again_where_it_lies() -> None:
    task = Task(table()).until_motion("carry")
    task.run(lambda: bool(task.world.tool[1] < 0.0))
    task.world.drop()
    fell_at = task.world.find("red block").centre.copy()
    task.run()
    assert task.code is ErrorCode.NONE
    assert task.runner.steps_done == ["pick(red block)", "place(red block, green plate)"] * 2
    assert task.executor.cancels == 1, "the carrying motion is stopped"
    second = [motion for motion in task.executor.motions if motion.kind == "descend"][1]
    assert second.target is not None and second.target.translation[:2] == pytest.approx(fell_at[:2], abs=1e-3)


def test_a_missed_grasp_is_tried_again() -> None:
    task = Task(table())
    task.world.misses = 2
    task.run()
    assert task.code is ErrorCode.NONE and task.runner.steps_done.count("pick(red block)") == 3


def test_a_step_is_given_up_after_its_tries_with_the_last_reason() -> None:
    task = Task(table(), config=PlanningConfig(max_attempts=4))
    task.world.misses = 99
    task.run()
    assert task.code is ErrorCode.STEP_FAILED and task.runner.steps_done == ["pick(red block)"] * 4
    assert "failed 4 times" in task.text and "closed without meeting" in task.text


def test_a_thing_that_moves_under_the_descending_hand_is_approached_anew() -> None:
    task = Task(table()).until_motion("descend")
    task.world.find("red block").centre[0] += 0.06
    task.run()
    assert task.code is ErrorCode.NONE and any("moved by" in line for line in task.log)
    assert task.world.find("red block").centre[1] == pytest.approx(-0.15, abs=1e-3)


def test_a_motion_that_fails_is_tried_again_and_an_executor_that_is_gone_ends_the_task() -> None:
    task = Task(table())
    task.executor.fail_next = ["the arm stalled"]
    assert task.run().code is ErrorCode.NONE and any("the arm stalled" in line for line in task.log)

    gone = Task(table())

    def refuse(motion: object) -> None:
        raise TaskError(ErrorCode.EXECUTOR, "no motion server")

    gone.executor.start = refuse  # type: ignore[method-assign]
    assert gone.run().code is ErrorCode.EXECUTOR


def test_a_motion_that_never_ends_is_stopped() -> None:
    task = Task(table(), config=PlanningConfig(motion_timeout_s=1.0, max_attempts=2))
    task.executor.dt_s = 0.0
    task.run()
    assert task.code is ErrorCode.STEP_FAILED and "motion_timeout_s" in task.text and task.executor.cancels >= 2


def test_something_put_onto_the_support_meanwhile_is_moved_by_a_new_plan() -> None:
    task = Task([block("a", 0.45, 0.15), block("b", 0.45, -0.1), block("c", 0.3, -0.2)], "put a on b").until_motion("lift")
    task.world.find("c").centre = np.array([0.45, -0.1, 0.06])
    task.run()
    assert task.code is ErrorCode.NONE, task.text
    assert "pick(c)" in task.runner.steps_done and task.world.find("a").centre[2] == pytest.approx(0.06, abs=1e-3)


def test_a_thing_that_vanishes_ends_with_not_found() -> None:
    task = Task(table()).until_motion("approach")
    task.world.find("red block").hidden = True
    task.run()
    assert task.code in (ErrorCode.OBJECT_NOT_FOUND, ErrorCode.STEP_FAILED) and not task.world.held


def test_a_thing_hidden_only_by_the_descending_hand_is_still_grasped() -> None:
    task = Task(table()).until_motion("descend")
    task.world.find("red block").hidden = True
    task.until_motion("lift")
    task.world.find("red block").hidden = False
    assert task.run().code is ErrorCode.NONE


def test_a_descent_onto_a_thing_hidden_for_too_long_is_refused() -> None:
    task = Task(table(), config=PlanningConfig(max_blind_s=0.3, max_attempts=1)).until_motion("descend")
    task.world.find("red block").hidden = True
    task.run()
    assert not task.world.held and "was not measured for 0.3 s" in task.text


# -- facts --------------------------------------------------------------------------------------------------------------------


def test_motion_stops_on_stale_facts_and_goes_on_when_they_come_back() -> None:
    task = Task(table()).until_motion("carry")
    task.world.camera_frozen = True
    task.run(lambda: task.executor.cancels > 0)
    stood_at = task.world.tool.copy()
    for _ in range(20):
        task.tick()
    assert np.array_equal(stood_at, task.world.tool) and task.runner.outcome is None
    task.world.camera_frozen = False
    assert task.run().code is ErrorCode.NONE


def test_facts_that_stay_stale_end_the_task() -> None:
    task = Task(table()).until_motion("approach")
    task.world.camera_frozen = True
    task.run()
    assert task.code is ErrorCode.STALE_FACTS and "max_fact_age_s" in task.text and task.executor.motion is None


def test_a_standing_clock_ends_the_task_too() -> None:
    """Simulated time that stops gives no old facts, but no new ones either."""
    task = Task(table(), config=PlanningConfig(motion_timeout_s=3.0, wall_timeout_s=3.0, max_attempts=1)).until_motion("lift")
    begun_s = task.steady_s
    while task.runner.outcome is None:
        task.runner.tick()
        task.steady_s += TICK_S
        assert task.steady_s - begun_s < 60.0
    assert not task.runner.outcome.success


def test_an_unknown_goal_is_looked_at_first() -> None:
    task = Task([block("a", 0.45, 0.1), block("b", 0.45, -0.1)], "put a behind b").run()
    assert task.code is ErrorCode.NONE and task.runner.steps_done[0] == "look(a)"


def test_what_looks_cannot_settle_is_refused() -> None:
    blocks = [
        block("base", 0.45, 0.1, size=0.07),
        block("x", 0.44, 0.1, z=0.07),
        block("y", 0.43, -0.1),
        block("goal", 0.3, -0.2),
    ]
    for one in blocks[1:3]:
        one.label = "blue block"
    task = Task(blocks, "put goal on base").run()
    assert task.code is ErrorCode.IMPOSSIBLE_GOAL and "not known" in task.text and not task.world.held


# -- cancel, progress, limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["approach", "descend", "lift", "carry", "lower", "retreat"])
def test_cancel_stops_whatever_motion_runs_and_ends_once(kind: str) -> None:
    task = Task(table()).until_motion(kind)
    task.runner.cancel("stop")
    first = task.runner.outcome
    assert first is not None and first.code is ErrorCode.CANCELED and task.executor.motion is None
    task.runner.cancel("again")
    task.runner.tick()
    assert task.runner.outcome is first


def test_progress_tells_step_distance_and_a_share_that_grows() -> None:
    task = Task(table())
    seen = [task.runner.progress()]
    while task.runner.outcome is None:
        task.tick()
        seen.append(task.runner.progress())
    assert next(now.step for now in seen if now.step) == "pick(red block)"
    assert {now.state for now in seen} >= {TaskState.PLANNING, TaskState.MOVING, TaskState.CHECKING}
    potentials = [now.potential for now in seen]
    assert potentials[-1] == 1.0 and all(before <= after + 1e-9 for before, after in itertools.pairwise(potentials))
    near = [now.distance_m for now in seen if now.step == "pick(red block)"]
    assert near[0] > 0.2 and min(near) < 0.01


def test_retries_are_told() -> None:
    task = Task(table())
    task.world.misses = 1
    states = set()
    while task.runner.outcome is None:
        task.tick()
        states.add(task.runner.progress().state)
    assert TaskState.RETRYING in states


def test_no_motion_leaves_the_workspace() -> None:
    config = PlanningConfig(workspace=Workspace((0.1, -0.6, -0.02), (0.5, 0.6, 0.8)))
    task = Task([block("red block", 0.45, 0.1), plate("green plate", 0.6, -0.15)], config=config).run()
    assert task.code is ErrorCode.OUT_OF_REACH
    assert all(motion.target is None or config.workspace.contains(motion.target.translation) for motion in task.executor.motions)


@pytest.mark.parametrize("seed", range(12))
def test_chaos_always_ends_with_one_outcome(seed: int) -> None:
    """Drops, misses, stalls, hidden things and a frozen camera at random: the task ends, and what it claims is true."""
    chance = np.random.default_rng(seed)
    task = Task(table(), config=PlanningConfig(facts_timeout_s=1.0))
    for _ in range(12_000):
        if task.runner.outcome is not None:
            break
        task.tick()
        event = chance.random()
        if event < 0.002 and task.world.held is not None:
            task.world.drop()
        elif event < 0.004:
            task.world.misses += 1
        elif event < 0.006:
            task.executor.fail_next.append("stalled")
        task.world.camera_frozen = bool(chance.random() < 0.9) if task.world.camera_frozen else bool(chance.random() < 0.005)
        task.world.find("blue block").hidden = bool(chance.random() < 0.2)
    assert task.runner.outcome is not None
    if task.runner.outcome.success:
        assert task.world.find("red block").centre[2] == pytest.approx(0.036, abs=2e-3)
    else:
        assert task.text and task.executor.motion is None


def test_what_was_done_and_cannot_be_confirmed_is_not_done_again() -> None:
    task = Task([block("a", 0.45, 0.1), block("b", 0.45, -0.1)], "put a on b").until_motion("retreat")
    task.world.find("b").hidden = True
    task.run()
    assert task.code is ErrorCode.STEP_FAILED and "cannot be confirmed" in task.text
    assert task.runner.steps_done.count("place(a, b)") == 1 and task.world.find("a").centre[2] == pytest.approx(0.06, abs=1e-3)
