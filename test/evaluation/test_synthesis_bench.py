"""The synthesis benchmark: the whole of it in small, and its gates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.synthesis_bench import (
    LOOKED_AT,
    QUICK,
    Found,
    SynthesisBenchOptions,
    SynthesisExtent,
    _inputs,
    jobs_of,
    results_of,
)
from spatialvlm_ros.evaluation.synthesis_gates import gates_of
from spatialvlm_ros.synthesis.facts import MORE_TYPES, PAPER_TYPES


def test_jobs_cover_every_scene_once() -> None:
    extent = SynthesisExtent()
    jobs = jobs_of(extent)
    assert len(set(jobs)) == len(jobs) == extent.valid_scenes + extent.text_scenes + extent.name_scenes


def test_scenes_that_were_looked_at_are_not_judged_on() -> None:
    inputs = _inputs(SynthesisBenchOptions())
    judged = [tuple(map(int, found)) for text in inputs.values() for found in re.findall(r"seeds (\d+) to (\d+)", text)]
    assert len(judged) == 5
    assert all(last < seeds.start or first >= seeds.stop for first, last in judged for seeds in LOOKED_AT)


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="seed -1"):
        SynthesisBenchOptions(seed=-1)


def test_what_was_not_measured_passes_no_gate() -> None:
    """Nothing found: types never asked, no figure, and still a gate for each."""
    results = results_of(Found())
    steps = {"qa_per_s_after_perception": float("nan")}
    whole = {"peak_memory_gb": float("nan"), "speed_up_1_to_2": float("nan"), "files_equal": False}
    gates = gates_of({**results, "speed": {"steps": steps, "whole": whole}, "real": {}})
    assert results["types_never_asked"] == sorted((*PAPER_TYPES, *MORE_TYPES))
    passed = {gate.name for gate in gates if gate.passed}
    # Nothing went wrong where nothing was said; all other figures are missing.
    assert passed == {gate.name for gate in gates if gate.op == "==" and gate.target == 0.0} - {"types never asked"}
    assert len(gates) >= 12


def test_the_command_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "synthesis.json"
    code = main(["bench-synthesis", "--quick", "--seed", "5", "--out", str(tmp_path / "out"), "--benchmark", str(path)])
    content = json.loads(path.read_text())
    assert code == (0 if all(gate["passed"] for gate in content["gates"]) else 1)
    assert {"command", "seed", "inputs", "versions", "machine", "results", "baselines", "gates"} <= set(content)
    results = content["results"]
    validity = results["validity"]["in_family"]
    assert validity["summary"]["polarity_errors"] == validity["summary"]["unread"] == validity["summary"]["numbers_lost"] == 0
    assert validity["summary"]["types"] > 50 and validity["summary"]["valid_share_pooled"] > 0.95
    assert results["names"]["all resolved"]["wrong_pair_share"] <= 0.01 < results["names"]["all plain"]["wrong_pair_share"]
    glance = [results["text_only"][name]["at_a_glance"]["accuracy"] for name in ("all_candidates", "balanced")]
    assert glance[0] > 0.7 and abs(glance[1] - 0.5) < abs(glance[0] - 0.5)
    steps, whole = results["speed"]["steps"], results["speed"]["whole"]
    assert steps["pictures"] == QUICK.speed.pictures and steps["qa_per_s_after_perception"] > steps["qa_per_s_one_at_a_time"]
    assert steps["qa_per_s_after_perception"] > steps["qa_per_s_with_file"] > steps["qa_per_s_from_depth"] > 0
    assert whole["files_equal"] is True and 0.05 < whole["peak_memory_gb"] < 4 and whole["speed_up_1_to_2"] > 0
    printed = capsys.readouterr().out
    assert all(gate["name"] in printed for gate in content["gates"])
    names = [gate["name"] for gate in content["gates"]]
    assert len(names) == len(set(names)) >= 50
    assert np.isfinite(results["wall_s"]) and (tmp_path / "out" / "synthesis.json").exists()
