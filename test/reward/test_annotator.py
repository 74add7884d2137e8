"""The reward of a task: what it does over an episode, against formulas written anew here."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardStatus
from spatialvlm_ros.reward.builder import template
from spatialvlm_ros.reward.potential import TAIL, MedianFilter, active_share, curve, stage_bands
from spatialvlm_ros.reward.task import (
    Reference,
    Stage,
    TaskError,
    TaskSpec,
    at_least,
    at_most,
    is_false,
    is_true,
)
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS

REACH = Query("distance", "gripper", "block")
HELD = Query("held", "block", "gripper")
LIFT = Query("elevation", "block")
DT_NS = 100_000_000


def fact(query, value, stamp_ns=0, std=0.004, status=Status.OK):
    unit = RELATIONS[query.relation].unit
    std = math.nan if unit == PROBABILITY else std
    return SpatialFact(query, status, Source.DEPTH, stamp_ns, "camera", value, std, unit)


def reach_task(**changes):
    defaults = {"filter_frames": 1, "success_frames": 1}
    return TaskSpec("reach", (Stage("reach", (at_most(REACH, 0.03),)),), **{**defaults, **changes})


def pick_task(**changes):
    defaults = {"filter_frames": 1, "success_frames": 1}
    stages = (
        Stage("reach", (at_most(REACH, 0.03),)),
        Stage("grasp", (is_true(HELD),), (at_most(REACH, 0.03, tolerance_m=0.03),)),
        Stage("lift", (at_least(LIFT, 0.05),), (is_true(HELD),)),
    )
    return TaskSpec("pick", stages, **{**defaults, **changes})


def run(task, frames, dt_ns=DT_NS):
    """Samples of frames that are dicts query -> value."""
    annotator = RewardAnnotator(task)
    return [
        annotator.update(i * dt_ns, [fact(query, value, i * dt_ns) for query, value in frame.items()])
        for i, frame in enumerate(frames)
    ]


def pick_frame(reach, held=0.0, lift=0.0):
    return {REACH: reach, HELD: held, LIFT: lift}


# -- the curve --------------------------------------------------------------------------------------------------------


def test_bands_cover_tail_to_one_by_weight():
    bands = stage_bands(template("pick").bind({"subject": "x"}))
    assert bands[0].low == TAIL and bands[-1].high == 1.0
    assert [band.width for band in bands] == pytest.approx([0.95 * w / 3.5 for w in (2.0, 0.5, 1.0)])
    assert all(a.high == b.low for a, b in itertools.pairwise(bands))


@given(error=st.floats(-1, 10), reference=st.floats(1e-3, 2), width=st.floats(0.01, 0.95), tail=st.floats(0.005, 0.05))
def test_curve_is_bounded_and_its_slope_is_its_derivative(error, reference, width, tail):
    height, slope = curve(error, reference, width, tail)
    assert -tail <= height <= width and slope <= 0
    step = 1e-6 * reference
    if abs(error) > 2 * step and abs(error - reference) > 2 * step:
        numeric = (curve(error + step, reference, width, tail)[0] - curve(error - step, reference, width, tail)[0]) / (2 * step)
        assert slope == pytest.approx(numeric, abs=1e-4 * width / reference)


def test_active_share_is_half_at_the_goal():
    assert active_share(0.0, 0.01) == 0.5
    assert (active_share(1e-3, 0.0), active_share(0.0, 0.0), active_share(-1e-3, 0.0)) == (1.0, 0.0, 0.0)


def test_median_filter_kills_an_outlier_and_lags_one_value():
    medians = MedianFilter(3, 10**9)
    assert [medians.add(i, v) for i, v in enumerate([1.0, 2.0, 99.0, 4.0, 5.0])] == [1.0, 1.5, 2.0, 4.0, 5.0]
    ramp = MedianFilter(3, 10**9)
    assert [ramp.add(i, float(i)) for i in range(6)][2:] == [1.0, 2.0, 3.0, 4.0]


def test_median_filter_forgets_after_a_gap():
    medians = MedianFilter(3, 100)
    for stamp, value in ((0, 1.0), (50, 1.0)):
        medians.add(stamp, value)
    assert medians.add(1000, 5.0) == 5.0


# -- potential --------------------------------------------------------------------------------------------------------


def test_potential_of_one_stage_by_hand():
    samples = run(reach_task(), [{REACH: d} for d in (0.43, 0.23, 0.13, 0.03, 0.01)])
    # errors .4 .2 .1 0 0 of a reference .4
    assert [s.potential for s in samples] == pytest.approx([0.05, 0.525, 0.7625, 1.0, 1.0])
    assert [s.success for s in samples] == [False, False, False, True, True]
    assert [s.distance for s in samples] == [0.43, 0.23, 0.13, 0.03, 0.01]


def test_moving_away_at_first_still_costs():
    samples = run(reach_task(), [{REACH: d} for d in (0.23, 0.25, 0.33, 0.6, 2.0, 9.0)])
    potentials = [s.potential for s in samples]
    assert potentials == sorted(potentials, reverse=True) and len(set(potentials)) == len(potentials)
    assert 0.0 <= potentials[-1] < potentials[0] == pytest.approx(TAIL)


@settings(max_examples=50)
@given(start=st.floats(0.05, 2), a=st.floats(0.03, 3), b=st.floats(0.03, 3))
def test_potential_is_monotone_in_distance(start, a, b):
    first = run(reach_task(), [{REACH: start}, {REACH: a}])[1].potential
    second = run(reach_task(), [{REACH: start}, {REACH: b}])[1].potential
    assert (first >= second) if a <= b else (first <= second)


def expert_frames():
    frames = [pick_frame(d) for d in np.linspace(0.4, 0.02, 30)]
    frames += [pick_frame(0.02, p) for p in np.linspace(0.0, 1.0, 8)]
    return frames + [pick_frame(0.01, 1.0, z) for z in np.linspace(0.0, 0.08, 15)]


def test_an_expert_run_rises_without_jumps_to_one():
    samples = run(pick_task(), expert_frames())
    potentials = np.array([s.potential for s in samples])
    assert np.all(np.diff(potentials) >= -1e-12) and potentials[-1] == 1.0 and samples[-1].success
    # no frame moves further than its own error's share: stage switches add no step of their own
    assert np.max(np.diff(potentials)) < 0.07
    assert next(s.stage for s in samples if s.stage) == "reach" and samples[-1].stage == "lift"


def test_entering_a_stage_starts_where_the_last_one_ended():
    bands = stage_bands(pick_task())
    samples = run(pick_task(), [pick_frame(0.4), pick_frame(0.03, 0.0)])
    assert samples[1].stage == "grasp" and samples[1].potential == pytest.approx(bands[0].high)


def test_a_drop_falls_back_and_the_potential_falls():
    frames = [*expert_frames()[:-4], pick_frame(0.2, 0.0, 0.0), pick_frame(0.1, 0.0, 0.0)]
    samples = run(pick_task(), frames)
    before, dropped, again = samples[-3:]
    assert before.stage == "lift" and dropped.stage == "reach"
    assert dropped.potential < stage_bands(pick_task())[0].high < before.potential
    assert dropped.reward < -0.3 and again.reward > 0
    assert dropped.progress == before.progress == max(s.potential for s in samples)


def test_a_doubtful_guard_does_not_break():
    frames = [*expert_frames()[:-4]]
    samples = run(pick_task(), [*frames, {**frames[-1], HELD: 0.5}])
    assert samples[-1].stage == "lift"


def test_success_is_a_state_and_not_a_path():
    sample = run(pick_task(), [pick_frame(0.01, 1.0, 0.1)])[0]
    assert sample.success and sample.potential == 1.0 and sample.reward == 0.0


def test_success_needs_frames_in_a_row_and_leaves_the_same_way():
    far, near, lost = {REACH: 0.2}, {REACH: 0.02}, {REACH: 0.1}
    samples = run(reach_task(success_frames=3), [far, near, near, far, near, near, near, lost, near, lost, lost, lost])
    assert [s.success for s in samples] == [False] * 6 + [True] * 5 + [False]


def test_a_goal_just_left_keeps_success_within_its_tolerance():
    samples = run(reach_task(), [{REACH: d} for d in (0.02, 0.04, 0.045, 0.2)])
    assert [s.success for s in samples] == [True, True, True, False]


def test_is_false_wants_a_small_probability():
    task = TaskSpec("t", (Stage("drop", (is_false(HELD),)),), filter_frames=1, success_frames=1)
    samples = run(task, [{HELD: p} for p in (1.0, 0.6, 0.1)])
    assert [s.potential for s in samples] == pytest.approx([0.05, 0.05 + 0.95 * 0.5, 1.0])
    assert samples[2].success and math.isnan(samples[2].distance)


# -- shaping ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    distances=st.lists(st.one_of(st.none(), st.floats(0, 2)), min_size=2, max_size=40),
    gaps_ms=st.lists(st.integers(0, 900), min_size=40, max_size=40),
    gamma=st.floats(0.5, 1.0),
    reference=st.sampled_from(Reference),
)
def test_shaped_reward_telescopes_whatever_is_missing_and_however_long_a_frame_took(distances, gaps_ms, gamma, reference):
    task = pick_task(gamma=gamma, reference=reference)
    annotator, stamp, samples = RewardAnnotator(task), 0, []
    for distance, gap in zip(distances, gaps_ms, strict=False):
        stamp += gap * 1_000_000
        values = {} if distance is None else pick_frame(distance, 1.0 if distance < 0.3 else 0.0, distance)
        samples.append(annotator.update(stamp, [fact(q, v, stamp) for q, v in values.items()]))
    known = [s for s in samples if math.isfinite(s.potential)]
    if not known:
        return
    t0 = known[0].stamp_ns
    total = 0.0
    for before, after in itertools.pairwise(known):
        # an independent statement of the discount: gamma a nominal step of 0.1 s
        total += gamma ** ((before.stamp_ns - t0) / 1e8) * after.reward
    expected = gamma ** ((known[-1].stamp_ns - t0) / 1e8) * known[-1].potential - known[0].potential
    assert total == pytest.approx(expected, abs=1e-6)


def test_reward_of_a_longer_frame_uses_the_discount_of_its_time():
    task = reach_task(gamma=0.9, nominal_dt_s=0.1)
    annotator = RewardAnnotator(task)
    first = annotator.update(0, [fact(REACH, 0.43)])
    second = annotator.update(250_000_000, [fact(REACH, 0.23)])
    assert second.reward == pytest.approx(0.9**2.5 * second.potential - first.potential, abs=1e-12)


def test_terminal_potential_of_zero_ends_the_episode():
    task = reach_task(gamma=0.9, zero_potential_at_success=True)
    samples = run(task, [{REACH: d} for d in (0.43, 0.23, 0.03, 0.2)])
    assert samples[2].success and samples[2].potential == 1.0
    assert samples[2].reward == pytest.approx(-samples[1].potential)
    assert samples[3].reward == 0.0
    total = sum(0.9**i * s.reward for i, s in enumerate(samples[1:]))
    assert total == pytest.approx(-samples[0].potential, abs=1e-9)


# -- missing, hidden, late ----------------------------------------------------------------------------------------------


def test_before_any_measurement_nothing_is_claimed():
    sample = run(reach_task(), [{}])[0]
    assert sample.status is RewardStatus.NO_DATA and sample.reward == 0.0 and sample.progress == 0.0
    assert all(math.isnan(v) for v in (sample.potential, sample.potential_std, sample.distance, sample.std))


def test_a_missing_fact_holds_the_potential_and_its_doubt_grows():
    samples = run(reach_task(), [{REACH: 0.43}, {REACH: 0.23}, {}, {}, {}, {REACH: 0.13}])
    held = samples[2:5]
    assert all(s.status is RewardStatus.HELD and s.potential == samples[1].potential for s in held)
    stds = [s.potential_std for s in samples[1:5]]
    assert stds == sorted(stds) and len(set(stds)) == 4
    assert held[0].potential_std == pytest.approx(math.hypot(samples[1].potential_std, 0.1 * 0.1))
    assert math.isnan(held[0].distance) and math.isnan(held[0].terms[0].value)
    assert samples[-1].status is RewardStatus.OK and samples[-1].potential_std < stds[-1]
    assert samples[-1].coverage == pytest.approx(3 / 6)


def test_a_long_hold_ends_at_knowing_nothing():
    annotator = RewardAnnotator(reach_task())
    annotator.update(0, [fact(REACH, 0.4)])
    assert annotator.update(10**12, []).potential_std == pytest.approx(1 / math.sqrt(12))


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.OK, Status.OCCLUDED)])
def test_every_other_status_is_missing(status):
    annotator = RewardAnnotator(reach_task())
    assert annotator.update(0, [fact(REACH, 0.2, status=status)]).status is RewardStatus.NO_DATA


@pytest.mark.parametrize(
    "bad",
    [
        fact(REACH, math.nan),
        fact(REACH, math.inf),
        fact(REACH, 0.2, std=math.nan),
        fact(REACH, 0.2, std=-1.0),
        SpatialFact(REACH, Status.OK, Source.DEPTH, 0, "camera", 0.2, 0.01, "rad"),
    ],
)
def test_a_value_that_is_no_measurement_is_missing(bad):
    assert RewardAnnotator(reach_task()).update(0, [bad]).status is RewardStatus.NO_DATA


def test_a_hidden_thing_counts_with_its_larger_std():
    seen, hidden = RewardAnnotator(reach_task()), RewardAnnotator(reach_task())
    for annotator in (seen, hidden):
        annotator.update(0, [fact(REACH, 0.43)])
    a = seen.update(DT_NS, [fact(REACH, 0.23, std=0.004)])
    b = hidden.update(DT_NS, [fact(REACH, 0.23, std=0.04, status=Status.OCCLUDED)])
    assert b.status is RewardStatus.OK and b.potential == a.potential
    assert b.potential_std == pytest.approx(10 * a.potential_std, rel=1e-6) and b.std == 0.04


def test_potential_std_matches_monte_carlo():
    rng = np.random.default_rng(0)
    task, std = reach_task(), 0.01

    def potential(distance):
        annotator = RewardAnnotator(task)
        annotator.update(0, [fact(REACH, 0.43)])
        return annotator.update(DT_NS, [fact(REACH, distance, std=std)])

    noisy = [potential(0.2 + e).potential for e in rng.normal(0, std, 4000)]
    assert potential(0.2).potential_std == pytest.approx(np.std(noisy), rel=0.05)


def test_a_goal_met_by_a_hair_is_not_claimed_exact():
    by_a_hair, clearly = (run(reach_task(), [{REACH: 0.43}, {REACH: d}])[1] for d in (0.0299, 0.0))
    assert by_a_hair.potential == clearly.potential == 1.0
    assert by_a_hair.potential_std > 1e-3 > clearly.potential_std


def test_a_backward_jump_starts_a_new_episode():
    annotator = RewardAnnotator(reach_task())
    annotator.update(10 * DT_NS, [fact(REACH, 0.43)])
    assert annotator.update(11 * DT_NS, [fact(REACH, 0.02)]).success
    again = annotator.update(0, [fact(REACH, 0.23)])
    assert not again.success and again.potential == pytest.approx(TAIL) and again.reward == 0.0 and again.coverage == 1.0


def test_never_looks_ahead_and_is_deterministic():
    rng = np.random.default_rng(1)
    frames = [pick_frame(max(0.0, 0.4 - 0.01 * i + rng.normal(0, 0.01)), float(i > 40), 0.002 * i) for i in range(60)]
    whole, again = run(pick_task(filter_frames=3), frames), run(pick_task(filter_frames=3), frames)
    assert repr(whole) == repr(again)
    assert repr(run(pick_task(filter_frames=3), frames[:25])) == repr(whole[:25])


def test_a_wild_value_does_not_reach_the_potential():
    frames = [{REACH: d} for d in (0.4, 0.38, 0.36, 5.0, 0.34, 0.32)]
    potentials = [s.potential for s in run(reach_task(filter_frames=3), frames)]
    assert np.all(np.diff(potentials) >= 0)


def test_waiting_for_the_next_stages_facts_stays_at_the_top_of_the_band():
    samples = run(pick_task(), [pick_frame(0.4), {REACH: 0.02}])
    assert samples[1].stage == "reach" and samples[1].potential == pytest.approx(stage_bands(pick_task())[0].high)


def test_terms_name_what_the_potential_is_made_of():
    sample = run(pick_task(), [pick_frame(0.4), pick_frame(0.03, 0.1)])[1]
    goal, keep = sample.terms
    assert (goal.name, goal.unit, goal.value) == ("grasp/held(block, gripper)", PROBABILITY, 0.1)
    assert math.isnan(goal.std) and 0.0 <= goal.potential <= 1.0
    assert (keep.name, keep.unit, keep.potential) == ("grasp/keep distance(gripper, block)", METRE, 0.0)


def test_facts_that_were_not_asked_for_are_ignored():
    annotator = RewardAnnotator(reach_task())
    sample = annotator.update(0, [fact(LIFT, 3.0), fact(Query("distance", "gripper", "cup"), 0.1)])
    assert sample.status is RewardStatus.NO_DATA


def test_an_unbound_task_is_refused():
    with pytest.raises(TaskError, match="bind"):
        RewardAnnotator(template("pick"))


def test_an_episode_begins_with_the_third_image_whatever_the_filter() -> None:
    """An image or two may show too little to tell which stage it begins in."""
    frames = [{REACH: 0.2}, {REACH: 0.2}, {REACH: 0.2}, {REACH: 0.2, HELD: 0.0, LIFT: 0.0}]
    for filter_frames in (1, 3, 5):
        samples = run(pick_task(filter_frames=filter_frames), frames)
        assert [sample.status for sample in samples] == [RewardStatus.NO_DATA] * 2 + [RewardStatus.OK] * 2
    at_once = run(pick_task(filter_frames=5), frames[3:])
    assert at_once[0].status is RewardStatus.OK
