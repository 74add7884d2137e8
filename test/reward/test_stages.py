"""Which stage an image belongs to: stages are states, entered wherever an episode begins and however a robot gets there."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from facts_by_hand import run

from spatialvlm_ros.reward.annotator import RewardStatus
from spatialvlm_ros.reward.builder import task_from_instruction
from spatialvlm_ros.reward.potential import TAIL
from spatialvlm_ros.reward.task import TaskSpec
from spatialvlm_ros.scene.facts import Query

GRIP, HELD, LIFT = Query("distance", "gripper", "milk"), Query("held", "milk", "gripper"), Query("elevation", "milk")
OVER, GAP, ON = (Query(name, "milk", "plate") for name in ("horizontal_distance", "gap", "on"))
PUT, PICK = task_from_instruction("put the milk on the plate"), task_from_instruction("pick up the milk")


def image(grip=0.4, held=0.0, lift=0.0, over=0.3, gap=0.2, on=0.0) -> dict[Query, float]:
    return {GRIP: grip, HELD: held, LIFT: lift, OVER: over, GAP: gap, ON: on}


def quick(task: TaskSpec) -> TaskSpec:
    return replace(task, filter_frames=1, success_frames=2)


@pytest.mark.parametrize("probability", [0.35, 0.5, 0.65, 0.79])
def test_an_episode_that_begins_where_it_should_end_has_a_potential_in_between_while_that_is_in_doubt(probability: float) -> None:
    """The first image has no past: its potential is what it shows by itself, not that of a robot that has done nothing yet."""
    (first,) = run(quick(PUT), [image(grip=0.2, lift=0.012, over=0.005, gap=0.001, on=probability)])
    (sure,) = run(quick(PUT), [image(grip=0.2, lift=0.012, over=0.005, gap=0.001, on=0.97)])
    assert 0.8 < first.potential < sure.potential == 1.0 and first.stage == "place" and sure.stage == "release"


def test_the_surer_it_is_the_higher_the_potential_begins() -> None:
    starts = [run(quick(PUT), [image(over=0.005, gap=0.001, on=p)])[0].potential for p in (0.31, 0.45, 0.6, 0.75, 0.9)]
    assert all(low < high for low, high in itertools.pairwise(starts))


def test_nothing_is_claimed_before_it_is_seen_where_an_episode_begins_but_not_for_ever() -> None:
    task = replace(PUT, filter_frames=3, success_frames=2)
    there = image(grip=0.2, lift=0.012, over=0.005, gap=0.001, on=0.9)
    blind = {query: value for query, value in there.items() if "plate" not in query.names}
    samples = run(task, [blind, there, there, there])
    assert samples[0].status is RewardStatus.NO_DATA and [sample.potential for sample in samples[1:]] == [1.0] * 3
    samples = run(task, [{**blind, GRIP: grip} for grip in (0.4, 0.35, 0.3, 0.2)])
    assert [sample.status for sample in samples] == [RewardStatus.NO_DATA] * 2 + [RewardStatus.OK] * 2
    assert samples[0].reward == samples[2].reward == 0.0 < samples[3].reward


def test_what_merely_lies_beside_its_goal_begins_at_the_beginning() -> None:
    (first,) = run(quick(PUT), [image(over=0.045, gap=0.0)])
    assert first.stage == "reach" and first.potential == pytest.approx(TAIL)


def test_undoing_a_task_is_doing_it_backwards() -> None:
    there = image(grip=0.2, lift=0.012, over=0.0, gap=0.0, on=0.95)
    taken = image(grip=0.1, held=1.0, lift=0.012, over=0.0, gap=0.0, on=0.95)
    up = [image(0.1, 1.0, lift, 0.0, lift, 0.0) for lift in (0.05, 0.1, 0.15)]
    aside = [image(0.1, 1.0, 0.15, over, 0.15, 0.0) for over in (0.08, 0.15, 0.25)]
    down = [image(0.1, 1.0, lift, 0.25, 0.15, 0.0) for lift in (0.1, 0.0)]
    away = [image(grip=grip, over=0.25) for grip in (0.2, 0.3, 0.4)]
    samples = run(quick(PUT), [there, taken, *up, *aside, *down, *away])
    potentials = [sample.potential for sample in samples]
    assert potentials[0] == 1.0 and all(later <= before for before, later in itertools.pairwise(potentials))
    assert [sample.stage for sample in samples[-4:]] == ["lift", "reach", "reach", "reach"]


def test_a_tall_thing_is_taken_near_its_lid() -> None:
    """Its middle stays 10 cm from the tool point all the while."""
    approach = [image(grip=grip) for grip in (0.4, 0.3, 0.2, 0.1)]
    lifted = [image(grip=0.1, held=0.95, lift=lift) for lift in (0.0, 0.02, 0.04, 0.08, 0.1)]
    samples = run(quick(PICK), [*approach, *lifted])
    assert [sample.stage for sample in samples] == ["reach"] * 4 + ["lift"] * 5 and samples[-1].success
    assert all(before.potential <= later.potential for before, later in itertools.pairwise(samples))
    # That it is off the table, and between no fingers, is nothing.
    thrown = run(quick(PICK), [*approach, *[image(grip=0.1, held=0.1, lift=lift) for lift in (0.0, 0.05, 0.1)]])
    assert {sample.stage for sample in thrown} == {"reach"}


def test_a_tall_thing_is_reached_at_its_surface() -> None:
    task = quick(task_from_instruction("move the gripper to the milk"))
    near = run(task, [image(grip=grip) for grip in (0.4, 0.2, 0.1, 0.1)])
    assert not near[-1].success and near[-1].potential < 0.8
    at = run(task, [image(grip=0.4), image(grip=0.2), *[image(grip=0.1, held=0.9)] * 3])
    assert at[-1].success and at[-1].potential == 1.0
    # What the reward tells of is the length that the stage before was about.
    assert at[-1].stage == "at" and at[-1].distance == pytest.approx(0.1)


def test_what_is_let_down_to_the_table_is_no_longer_carried() -> None:
    carried = [image(0.0, 1.0, lift, over, 0.2, 0.0) for lift, over in ((0.0, 0.3), (0.06, 0.3), (0.1, 0.2))]
    dragged = [image(0.0, 1.0, 0.0, over, 0.2, 0.0) for over in (0.15, 0.1, 0.05)]
    samples = run(quick(PUT), [image(), *carried, *dragged])
    assert samples[3].stage == "carry" and {sample.stage for sample in samples[4:]} == {"lift"}
    assert samples[-1].potential < samples[3].potential


def test_a_stage_is_not_entered_without_the_facts_it_goes_by() -> None:
    blind = {query: value for query, value in image(grip=0.0, held=1.0).items() if query != LIFT}
    assert [sample.stage for sample in run(quick(PUT), [image(), blind, blind])] == ["reach", "grasp", "grasp"]


@pytest.mark.parametrize(("aside_m", "done"), [(0.01, False), (0.023, False), (0.04, True), (0.09, True)])
def test_what_fell_beside_a_thing_is_left_of_it_only_where_it_is_clearly_so(aside_m: float, done: bool) -> None:
    """The predicate alone is true of any difference that is measured well enough."""
    task = task_from_instruction("put the cup left of the can")
    lying = {
        Query("distance", "gripper", "cup"): 0.2, Query("held", "cup", "gripper"): 0.0, Query("elevation", "cup"): 0.0,
        Query("horizontal_distance", "cup", "can"): 0.1, Query("left_difference", "cup", "can"): aside_m,
        Query("left", "cup", "can"): 0.99,
    }  # fmt: skip
    assert run(task, [lying] * 6)[-1].success is done
