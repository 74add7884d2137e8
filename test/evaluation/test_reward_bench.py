"""The reward benchmark: the whole of it in small, its figures on series written by hand, and its gates."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.reward_bench import EPISODES, RewardBenchOptions, plans_of
from spatialvlm_ros.evaluation.reward_episodes import CAMERAS, Plan
from spatialvlm_ros.evaluation.reward_gates import gates_of
from spatialvlm_ros.evaluation.reward_judge import Judged, Series, task_of
from spatialvlm_ros.evaluation.reward_learning import REWARDS, draw
from spatialvlm_ros.evaluation.reward_learning import gates_of as learning_gates_of
from spatialvlm_ros.evaluation.reward_scores import figures_of, flicker_mm, scores_of, tau_potential
from spatialvlm_ros.evaluation.reward_scripts import DROP, FAMILIES, KINDS, SUCCESS

N = 40


def series(potential, truth=None, distance=None, std=0.003, stage=0, success=False) -> Series:
    values = np.asarray(potential, dtype=np.float64)
    true = np.full(len(values), np.nan) if truth is None else np.asarray(truth, dtype=np.float64)
    measured = true if distance is None else np.asarray(distance, dtype=np.float64)
    stages = np.full(len(values), stage, dtype=np.int64)
    return Series(values, values, measured, np.full(len(values), std), true, stages, np.isfinite(values), success)


def judged(kind=SUCCESS, *, success=True, potential=None, seed=0, **changes) -> Judged:
    """An approach from 43 to 3 cm as the reach stage of "pick" sees it."""
    truth = np.linspace(0.43, 0.03, N)
    ramp = np.linspace(0.05, 1.0 if success else 0.4, N) if potential is None else potential
    rng = np.random.default_rng(seed)
    distance = truth + rng.normal(0, 0.003, N)
    plan = Plan("pick", kind, seed, "front")
    backwards = series(ramp[::-1]) if success else None
    parts = {"opposite": series(ramp[::-1]), "other": series(np.full(N, np.nan)), **changes}
    return Judged(
        plan, task_of(FAMILIES["pick"].task), success,
        series(ramp, truth, distance, success=success), parts["opposite"], parts["other"], backwards,
        distance, np.full(N, 10.0), {},
    )  # fmt: skip


def test_every_task_fails_in_every_way_and_from_every_camera() -> None:
    plans = plans_of(RewardBenchOptions())
    assert len(plans) >= 40 and len({plan.seed for plan in plans}) == len(plans)
    assert set(EPISODES) == set(KINDS)
    assert {(plan.family, plan.kind) for plan in plans} == {(family, kind) for family in FAMILIES for kind in KINDS}
    assert {plan.camera for plan in plans} == set(CAMERAS)
    for family in FAMILIES:
        assert len({plan.camera for plan in plans if plan.family == family}) == len(CAMERAS)


def test_every_instruction_of_the_benchmark_is_a_task() -> None:
    for family in FAMILIES.values():
        for text in (family.task, family.opposite, family.other):
            assert task_of(text).queries()


def test_figures_of_a_good_reward_pass_every_gate() -> None:
    episodes = [judged(seed=i) for i in range(20)] + [judged(DROP, success=False, seed=20 + i) for i in range(20)]
    figures = figures_of(episodes)
    assert figures["voc"]["mean"] == pytest.approx(1.0) and figures["voc_reversed"]["mean"] == pytest.approx(-1.0)
    assert figures["instruction_gap_opposite"]["mean"] == pytest.approx(2.0)
    assert figures["flicker_mm"]["mean"] == pytest.approx(3.0, rel=0.1)
    assert figures["success"]["auroc"] == 1.0
    missed = [gate.name for gate in gates_of(figures) if not gate.passed]
    assert not missed, missed


def test_what_cannot_be_told_is_counted_and_not_zero() -> None:
    figures = figures_of([judged(), judged(potential=np.full(N, 0.3), opposite=series(np.full(N, 0.3)))])
    assert (figures["voc"]["num_nan"], figures["voc"]["mean"]) == (1, pytest.approx(1.0))
    assert figures["instruction_gap_other_thing"]["num_nan"] == 2 and math.isnan(figures["instruction_gap_other_thing"]["mean"])
    gate = next(gate for gate in gates_of(figures) if "cannot be told" in gate.name)
    assert not gate.passed and gate.value >= 2


def test_what_was_not_measured_passes_no_gate() -> None:
    passed = [gate.name for gate in gates_of(figures_of([])) if gate.passed]
    assert passed == [name for name in passed if "cannot be told" in name]


def test_tau_of_a_potential_is_about_the_truth_within_a_stage() -> None:
    right, wrong = judged(), judged(potential=np.linspace(1.0, 0.05, N))
    assert tau_potential(right, right.true.potential) > 0.99
    assert tau_potential(wrong, wrong.true.potential) < 0.01
    assert tau_potential(right, np.full(N, 0.3)) == pytest.approx(0.5)


def test_flicker_is_noise_and_not_motion() -> None:
    truth = 0.3 + 0.2 * np.sin(np.linspace(0, 12, 400))
    rng = np.random.default_rng(0)
    assert flicker_mm(truth, series(truth, truth)) == pytest.approx(0.0, abs=1e-9)
    assert flicker_mm(truth + rng.normal(0, 0.004, 400), series(truth, truth)) == pytest.approx(4.0, rel=0.1)


def test_baselines_stand_beside() -> None:
    found = scores_of([judged(seed=1), judged(DROP, success=False, seed=2)])["baselines"]
    clock = next(figures for name, figures in found.items() if "clock" in name)
    raw = next(figures for name, figures in found.items() if "raw" in name)
    assert (clock["voc"]["mean"], clock["voc_reversed"]["mean"], clock["auroc"]) == (1.0, 1.0, 0.5)
    assert raw["voc"]["mean"] > 0.99 and raw["voc_reversed"]["mean"] < -0.99 and raw["instruction_gap"]["mean"] == 0.0
    assert found["best constant distance"]["median_mm"] == pytest.approx(100.0, rel=0.1)


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="seed -1"):
        RewardBenchOptions(seed=-1)


@pytest.mark.timeout(600)  # seconds on an idle machine
def test_the_command_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "reward.json"
    code = main(["bench-reward", "--quick", "--workers", "1", "--out", str(tmp_path / "out"), "--benchmark", str(path)])
    written = json.loads(path.read_text())
    assert code == 1  # too few episodes is a missed gate
    assert {"command", "seed", "inputs", "versions", "machine", "results", "baselines", "gates"} <= set(written)
    success, failure = written["results"]["episodes"]
    assert success["success"] and success["said"] and success["final_potential"] == 1.0 and success["voc"] > 0.9
    assert success["voc_reversed"] < -0.8 and success["error"]["median_mm"] < 10
    assert not failure["success"] and not failure["said"] and failure["final_potential"] < 0.8
    assert (tmp_path / "out" / "curves.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "MISSED  episodes" in printed and "voc_reversed" in printed


def test_learning_gates_compare_shaping_with_both_others(tmp_path: Path) -> None:
    area = {"sparse": [0.2, 0.3], "raw distance": [0.6, 0.7], "shaped": [0.5, 0.5]}
    last = {**area, "shaped": [0.8, 1.0]}
    gates = learning_gates_of(area, last)
    assert [gate.passed for gate in gates] == [True, True, False] and gates[2].value == pytest.approx(-0.15)
    nothing = {reward: [0.0, 0.0] for reward in REWARDS}
    assert not learning_gates_of(nothing, nothing)[0].passed
    draw({"steps": [0, 10], "success": {name: [[0.0, 0.5], [0.0, 1.0]] for name in REWARDS}}, tmp_path / "learning.png")
    assert (tmp_path / "learning.png").stat().st_size > 5_000
