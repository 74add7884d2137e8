"""Ways to get a reward without doing the task: none of them pays."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from facts_by_hand import DT_NS, discounted, fact, run
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardStatus
from spatialvlm_ros.reward.builder import task_from_instruction
from spatialvlm_ros.reward.task import Stage, TaskSpec, at_least, at_most, is_true
from spatialvlm_ros.scene.facts import Query, SpatialFact, Status

GRIP = Query("distance", "gripper", "block")
HELD = Query("held", "block", "gripper")
LIFT = Query("elevation", "block")
OVER = Query("horizontal_distance", "block", "plate")
ON = Query("on", "block", "plate")
GAMMA = 0.99


def reach(**changes):
    settings_ = {"filter_frames": 1, "success_frames": 2, "gamma": GAMMA}
    return TaskSpec("reach", (Stage("reach", (at_most(GRIP, 0.03),)),), **{**settings_, **changes})


def bring(**changes):
    """Lift a block and bring it over a plate that is to stay where it is."""
    stages = (
        Stage("lift", (at_least(LIFT, 0.05),)),
        Stage("carry", (at_most(OVER, 0.02),), (at_least(LIFT, 0.03),)),
    )
    settings_ = {"filter_frames": 1, "success_frames": 2, "anchored": ("plate",), "gamma": GAMMA}
    return TaskSpec("bring", stages, **{**settings_, **changes})


def distances(*values):
    return [{GRIP: value} for value in values]


# -- hovering, oscillating ------------------------------------------------------------------------------------------------


def test_hovering_near_the_goal_costs_and_finishing_pays() -> None:
    approach = [0.43, 0.33, 0.23, 0.13, 0.06]
    finishing = run(reach(), distances(*approach, 0.03, 0.02, *[0.02] * 30))
    hovering = run(reach(), distances(*approach, *[0.06] * 32))
    assert discounted(finishing, GAMMA) > discounted(hovering, GAMMA)
    # One more step of hovering brings nothing: F = (gamma - 1) Phi.
    assert all(sample.reward < 0 for sample in hovering[6:])
    assert not any(sample.success for sample in hovering)


@settings(max_examples=40, deadline=None)
@given(
    loop=st.lists(st.floats(0.02, 0.5), min_size=1, max_size=8),
    turns=st.integers(1, 6),
    gamma=st.sampled_from([0.9, 0.99, 1.0]),
)
def test_no_loop_pays(loop, turns, gamma) -> None:
    """Coming back to where one was leaves at most what one had, whatever lies in between, stages and references included."""
    task = TaskSpec(
        "two",
        (Stage("near", (at_most(GRIP, 0.1),)), Stage("touch", (at_most(GRIP, 0.03),), (at_most(GRIP, 0.15),))),
        filter_frames=1, success_frames=2, gamma=gamma,
    )  # fmt: skip
    once = [*loop, 0.3]
    samples = run(task, distances(0.3, *once * turns))
    total = discounted(samples, gamma)
    steps = len(samples) - 1
    assert total == pytest.approx(gamma**steps * samples[-1].potential - samples[0].potential, abs=1e-9)
    assert total <= 1e-9
    ends = [samples[i].potential for i in range(len(once), len(samples), len(once))]
    assert all(later == pytest.approx(ends[0], abs=1e-12) for later in ends)


def test_oscillating_about_the_goal_is_no_success() -> None:
    samples = run(reach(success_frames=3), distances(0.3, *[0.02, 0.09] * 20))
    assert not any(sample.success for sample in samples)


# -- hiding ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("best", [0.05, 0.1, 0.2])
def test_hiding_the_thing_at_its_best_moment_gains_nothing(best) -> None:
    """The held potential is worth what it was; time with it costs, and what is seen afterwards counts."""
    hidden = [{}] * 20
    samples = run(reach(), [*distances(0.4, best), *hidden, *distances(0.4)])
    held = samples[2:22]
    assert all(sample.status is RewardStatus.HELD and sample.reward <= 0 for sample in held)
    assert not any(sample.success for sample in samples)
    assert samples[-1].potential == pytest.approx(samples[0].potential)
    assert discounted(samples, GAMMA) < 0
    assert held[-1].potential_std > held[0].potential_std and samples[-1].coverage == pytest.approx(3 / 23)


def carried(value, status, held=1.0, std=0.02):
    return [fact(ON, value, status=status), fact(HELD, held, status=status), fact(OVER, 0.01, std=std, status=status)]


def test_what_is_out_of_sight_between_the_fingers_is_taken_to_move_with_them_but_is_no_success() -> None:
    """Dropped behind the hand, it would be 'on the plate' for ever; success waits for an image that shows it there."""
    stages = Stage("held", (is_true(HELD),)), Stage("on", (is_true(ON), at_most(OVER, 0.02)))
    annotator = RewardAnnotator(TaskSpec("on", stages, filter_frames=1, success_frames=2))
    for index in range(4):
        annotator.update(index * DT_NS, [fact(ON, 0.0), fact(HELD, 1.0), fact(OVER, 0.3)])
    hidden = [annotator.update((4 + i) * DT_NS, carried(1.0, Status.STALE)) for i in range(10)]
    assert all(sample.status is RewardStatus.OK and not sample.success for sample in hidden)
    seen = [annotator.update((14 + i) * DT_NS, carried(1.0, Status.OK)) for i in range(3)]
    assert seen[-1].success


def test_what_went_out_of_sight_elsewhere_is_missing_when_it_is_stale() -> None:
    stages = Stage("held", (is_true(HELD),)), Stage("over", (at_most(OVER, 0.02),))
    annotator = RewardAnnotator(TaskSpec("over", stages, filter_frames=1))
    annotator.update(0, [fact(HELD, 1.0), fact(OVER, 0.3)])
    # Seen away from the fingers: it has been let go.
    annotator.update(DT_NS, [fact(HELD, 0.0), fact(OVER, 0.3)])
    stale = [fact(HELD, 0.9, status=Status.STALE), fact(OVER, 0.01, status=Status.STALE)]
    assert annotator.update(2 * DT_NS, stale).status is RewardStatus.HELD


def test_what_is_hidden_lies_where_it_was_until_the_gripper_comes_there() -> None:
    """The hand covers a thing for seconds before it closes: the approach counts, and what happens then is unknown."""
    stages = Stage("reach", (at_most(GRIP, 0.03),)), Stage("held", (is_true(HELD),))
    annotator = RewardAnnotator(TaskSpec("take", stages, filter_frames=1, success_frames=2))
    for index in range(3):
        annotator.update(index * DT_NS, [fact(GRIP, 0.4), fact(HELD, 0.0)])
    approach = [
        annotator.update((3 + i) * DT_NS, [fact(GRIP, d, status=Status.STALE), fact(HELD, 0.0, status=Status.STALE)])
        for i, d in enumerate((0.3, 0.2, 0.1))
    ]
    assert [sample.status for sample in approach] == [RewardStatus.OK] * 3
    assert approach[2].potential > approach[1].potential > approach[0].potential
    # The gripper is where the thing was; then it goes away, with the thing or without.
    annotator.update(6 * DT_NS, [fact(GRIP, 0.01, status=Status.STALE), fact(HELD, 0.95, status=Status.STALE)])
    gone = [
        annotator.update((7 + i) * DT_NS, [fact(GRIP, d, status=Status.STALE), fact(HELD, 0.0, status=Status.STALE)])
        for i, d in enumerate((0.1, 0.2))
    ]
    assert all(sample.status is RewardStatus.HELD and not sample.success for sample in gone)
    assert annotator.update(9 * DT_NS, [fact(GRIP, 0.3), fact(HELD, 0.0)]).status is RewardStatus.OK


def test_what_is_remembered_as_moving_with_the_gripper_is_carried() -> None:
    """The hand hid it before it was seen held; its place, as it is remembered, moves with the tool. Success still waits."""
    stages = Stage("held", (is_true(HELD),)), Stage("lift", (at_least(LIFT, 0.05),), (is_true(HELD),))
    annotator = RewardAnnotator(TaskSpec("pick", stages, filter_frames=1, success_frames=2))

    def facts(height, probability, status):
        place = np.array([0.4, 0.0, height])
        return [fact(HELD, probability, status=status, points=(place, place)), fact(LIFT, height, std=0.05, status=status)]

    for index in range(3):
        annotator.update(index * DT_NS, facts(0.0, 0.0, Status.OK))
    hidden = [annotator.update((3 + i) * DT_NS, facts(0.02 * i, 0.6, Status.STALE)) for i in range(6)]
    assert hidden[0].stage == "held" and hidden[-1].stage == "lift"
    assert hidden[-1].potential > hidden[2].potential and not any(sample.success for sample in hidden)
    left_behind = annotator.update(9 * DT_NS, facts(0.0, 0.0, Status.OK))
    assert left_behind.stage == "held" and left_behind.potential < hidden[0].potential + 0.01


# -- moving the goal ------------------------------------------------------------------------------------------------------


def brought(block, plate, lift=0.1, std=0.003):
    """Facts of a block and a plate at places on the table."""
    block, plate = np.array([*block, lift]), np.array([*plate, 0.0])
    over = float(np.linalg.norm((block - plate)[:2]))
    return [fact(LIFT, lift, points=(block, block)), fact(OVER, over, std=std, points=(block, plate))]


def test_bringing_the_goal_to_the_thing_gains_nothing() -> None:
    block, far = (0.4, 0.0), np.array([0.4, 0.3])
    still = [brought(block, far)] * 8
    pulled = [brought(block, far - np.array([0.0, y])) for y in np.linspace(0, 0.3, 30)]
    samples = run(bring(), [*still, *pulled, *[brought(block, (0.4, 0.0))] * 20])
    moved = next(i for i, sample in enumerate(samples) if any("in place" in term.name for term in sample.terms))
    assert moved < 22
    assert not any(sample.success for sample in samples)
    after = [sample.potential for sample in samples[moved:]]
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(after)) and after[-1] < 0.9
    term = samples[-1].terms[-1]
    assert term.name == "carry/keep plate in place" and term.value == pytest.approx(0.3, abs=1e-6)


def test_bringing_the_thing_to_the_goal_is_a_success() -> None:
    plate = (0.4, 0.3)
    carried_ = [brought((0.4, y), plate) for y in np.linspace(0, 0.3, 30)]
    samples = run(bring(), [*[brought((0.4, 0.0), plate)] * 8, *carried_, *[brought(plate, plate)] * 5])
    assert samples[-1].success and samples[-1].potential == 1.0
    assert not any("in place" in term.name for sample in samples for term in sample.terms)


def test_a_goal_that_is_nudged_or_measured_badly_is_in_place() -> None:
    rng = np.random.default_rng(2)
    plates = np.array([0.4, 0.3]) + rng.normal(0, 0.012, (40, 2)) + np.linspace(0, 0.02, 40)[:, None]
    samples = run(bring(), [brought((0.4, 0.0), plate, std=0.012) for plate in plates])
    assert not any("in place" in term.name for sample in samples for term in sample.terms)


def test_a_goal_that_is_put_back_counts_again() -> None:
    plate, away = (0.4, 0.3), (0.4, 0.1)
    frames = [brought((0.4, 0.0), plate)] * 8 + [brought((0.4, 0.0), away)] * 8 + [brought(plate, plate)] * 12
    samples = run(bring(), frames)
    assert any("in place" in term.name for term in samples[14].terms) and samples[-1].success


def test_facts_of_another_frame_say_nothing_about_a_place() -> None:
    frames = [brought((0.4, 0.0), (0.4, 0.3))] * 8
    elsewhere = [[fact(q.query, q.value, points=((9, 9, 9), (9, 9, 9)), frame_id="camera") for q in frames[0]]] * 8
    samples = run(bring(), [*frames, *elsewhere])
    assert not any("in place" in term.name for sample in samples for term in sample.terms)


def test_instructions_anchor_what_something_is_brought_to_and_nothing_that_is_moved_itself() -> None:
    assert task_from_instruction("put the cup on the tray").anchored == ("tray",)
    assert task_from_instruction("push the cup to the tray").anchored == ("tray",)
    assert task_from_instruction("put the cup on the tray and put the tray next to the bowl").anchored == ("bowl",)
    assert task_from_instruction("keep the cup at least 10 cm from the tray").anchored == ()


# -- keeps ----------------------------------------------------------------------------------------------------------------

GAP = Query("gap", "block", "cup")


def test_breaking_what_is_to_be_kept_costs_where_no_earlier_stage_allows_it() -> None:
    task = task_from_instruction("move the gripper to the block and keep the block at least 10 cm from the cup")
    near, there = {GRIP: 0.2, HELD: 0.0}, {GRIP: 0.02, HELD: 1.0}
    kept, broken, far_too_near = ({**near, GAP: gap} for gap in (0.2, 0.07, 0.01))
    potentials = [
        sample.potential for sample in run(task, [{**near, GRIP: 0.4, GAP: 0.2}, *[kept] * 3, *[broken] * 3, *[far_too_near] * 3])
    ]
    assert potentials[3] > potentials[6] > potentials[9]
    done = run(task, [{**near, GAP: 0.2}, *[{**there, GAP: 0.05}] * 8])
    assert not any(sample.success for sample in done) and done[-1].potential < 0.5
    assert run(task, [{**near, GAP: 0.2}, *[{**there, GAP: 0.15}] * 8])[-1].success


def test_a_guard_alone_is_a_task() -> None:
    task = task_from_instruction("keep the block at least 10 cm from the cup")
    samples = run(task, [{GAP: gap} for gap in (0.2, 0.2, 0.2, 0.2, 0.08, 0.05, 0.01, 0.01, 0.01, 0.01)])
    assert samples[3].success and samples[3].potential == 1.0
    assert not samples[-1].success and math.isclose(samples[-1].progress, 1.0)
    values = [sample.potential for sample in samples[3:]]
    assert values == sorted(values, reverse=True) and values[-1] < 0.3


# -- pushing --------------------------------------------------------------------------------------------------------------


def pushed(at, left, elevation=0.0):
    return {Query("gap", "gripper", "block"): at, Query("gap", "block", "cup"): left, LIFT: elevation}


def test_leaving_a_push_before_it_is_done_costs_and_afterwards_does_not() -> None:
    task = task_from_instruction("push the block to the cup")
    to_it = [pushed(at, 0.3) for at in (0.3, 0.2, 0.1, 0.03, 0.01, 0.01)]
    half = [pushed(0.01, left) for left in (0.25, 0.2, 0.15, 0.15, 0.15)]
    away = [pushed(at, 0.15) for at in (0.05, 0.1, 0.2, 0.3, 0.3, 0.3)]
    left_early = run(task, [*to_it, *half, *away])
    assert left_early[10].stage == "push" and left_early[-1].stage == "reach"
    assert left_early[-1].potential < left_early[10].potential - 0.2
    there = [pushed(0.01, left) for left in (0.25, 0.2, 0.1, 0.04, 0.02, 0.02)]
    done = run(task, [*to_it, *there, *[pushed(at, 0.02) for at in (0.05, 0.1, 0.2, 0.3, 0.3, 0.3)]])
    assert done[-1].success and done[-1].potential == 1.0


def test_lifting_is_no_pushing() -> None:
    task = task_from_instruction("push the block to the cup")
    lifted = [pushed(0.01, left, 0.2) for left in (0.3, 0.2, 0.1, 0.03, 0.02, 0.02, 0.02)]
    samples = run(task, [pushed(0.3, 0.3), pushed(0.03, 0.3), pushed(0.01, 0.3), pushed(0.01, 0.3), *lifted])
    assert not any(sample.success for sample in samples) and samples[-1].potential < 0.2


def test_bringing_the_goal_of_a_push_to_the_thing_gains_nothing() -> None:
    """A push goes by surfaces alone; where its goal is has to be asked for."""
    task = replace(task_from_instruction("push the block to the cup"), filter_frames=1, gamma=GAMMA)
    where = Query("elevation", "cup")
    assert where in task.queries()

    def image(gap_m: float, cup_y: float) -> list[SpatialFact]:
        cup = (0.4, cup_y, 0.03)
        values = {GAP: gap_m, Query("gap", "gripper", "block"): 0.01, LIFT: 0.0}
        return [fact(where, 0.0, points=(cup, (math.nan,) * 3)), *(fact(query, value) for query, value in values.items())]

    still = [image(0.3, 0.3)] * 8
    pushed = run(task, [*still, *[image(gap, 0.3) for gap in np.linspace(0.3, 0.02, 30)], *[image(0.02, 0.3)] * 8])
    assert pushed[-1].success
    pulled = run(task, [*still, *[image(gap, gap) for gap in np.linspace(0.3, 0.02, 30)], *[image(0.02, 0.02)] * 8])
    assert not any(sample.success for sample in pulled) and pulled[-1].potential < pushed[-1].potential - 0.3
