"""The language benchmark: its inputs, and the whole of it in small."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.language_bench import QUICK, LanguageBenchOptions, LanguageExtent, jobs_of
from spatialvlm_ros.evaluation.language_fuzz import FuzzResult, Target, score_fuzz, try_one
from spatialvlm_ros.evaluation.language_fuzz_inputs import spoiled_json, spoiled_text, spoiled_tree
from spatialvlm_ros.evaluation.language_names import MAX_WORDS, random_names
from spatialvlm_ros.evaluation.language_round_trip import queries, score_trips, travel_all
from spatialvlm_ros.language.question_templates import question_templates
from spatialvlm_ros.scene.relations import RELATIONS

TEXTS = ("How far is the red can from the blue mug?", "Is the cup taller than 10 cm?")
TREES = ({"op": "lt", "args": [{"op": "gap", "args": ["can", "mug"]}, {"value": 30, "unit": "cm"}]},)


def test_names_are_hard_different_and_the_same_each_time() -> None:
    names = list(islice(random_names(0), 3000))
    assert names == list(islice(random_names(0), 3000)) and len(set(names)) == len(names)
    assert {len(name.split()) for name in names} == set(range(1, MAX_WORDS + 1))
    assert all(name.split()[0] not in ("the", "a", "an") for name in names)
    assert all(any(f" {word} " in name for name in names) for word in ("and", "of", "with", "to the left of"))
    assert any(char.isdigit() for char in "".join(names)) and any("-" in name for name in names)


def test_round_trips_use_every_template_and_share_the_work_without_overlap() -> None:
    every = {(name, index) for name in RELATIONS for index in range(len(question_templates(name)))}
    assert {(query.relation, index) for query, index in queries(random_names(0), 0, 10)} == every
    parts = [travel_all(3, 10, part, 40) for part in range(2)]
    assert not {trip.query for trip in parts[0]} & {trip.query for trip in parts[1]}
    found = score_trips(parts[0])
    assert found["same_share"] == 1.0 and found["lost"] == [] and found["templates_never_used"] == len(every) - len(parts[0])


def test_fuzz_inputs_are_the_same_for_the_same_seed_and_seldom_the_real_ones() -> None:
    drawn = [[spoiled_text(TEXTS, np.random.default_rng(5)) for _ in range(50)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    generator = np.random.default_rng(0)
    texts = [spoiled_text(TEXTS, generator) for _ in range(500)]
    assert sum(text in TEXTS for text in texts) < 50 and max(map(len, texts)) > 1000
    trees = [spoiled_tree(TREES, generator) for _ in range(300)]
    assert any(isinstance(tree, dict) and tree.get("op") == "or" and len(tree["args"]) > 19 for tree in trees)
    assert any("\ud800" in text or "__import__" in text for text in texts)
    assert all(isinstance(spoiled_json(TREES, generator), str) for _ in range(100))


def test_what_escapes_is_told_and_documented_errors_are_not() -> None:
    def read(value: str) -> str:
        if value == "hidden":
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "not a documented one")
        if value == "bad":
            raise ValueError("documented")
        if value == "worse":
            raise KeyError(value)
        return value

    result = FuzzResult()
    given = [try_one(Target("reader", read, (ValueError,)), value, result) for value in ("good", "bad", "worse", "hidden")]
    assert given == ["good", None, None, None]
    found = score_fuzz([result], 4)
    assert found["outcomes"] == {"reader: escaped": 2, "reader: read": 1, "reader: refused": 1}
    assert [item["input"] for item in found["examples_escaped"]] == ["'worse'", "'hidden'"]
    assert found["hung"] == 0 and found["slowest_ms"] < 100


def test_the_audit_sees_code_that_is_run_and_files_that_are_written(tmp_path: Path) -> None:
    """In a process of its own: the hook stays for good."""
    code = f"""
from spatialvlm_ros.evaluation.language_fuzz import audit
watched = audit()
eval("1 + 1")
watched.armed = True
open({str(tmp_path / "seen")!r}, "w").close()
open({str(tmp_path / "seen")!r}).close()
eval("1 + 1")
watched.armed = False
print(sorted(watched.events), watched.events["open"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['compile', 'exec', 'open'] 1"


def test_jobs_cover_everything_and_the_fuzz_is_last() -> None:
    extent = LanguageExtent()
    jobs = jobs_of(extent)
    assert sum(job.part == "measured" for job in jobs) == extent.measured_scenes
    assert jobs[-1].part == "fuzz" and [job.part for job in jobs].index("fuzz") == len(jobs) - extent.parts


def test_a_seed_below_zero_and_a_missing_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed -1"):
        LanguageBenchOptions(seed=-1)
    with pytest.raises(ValueError, match="no labelled answers"):
        LanguageBenchOptions(free_answers=tmp_path / "none.yaml")


def test_the_command_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "language.json"
    code = main(["bench-language", "--quick", "--seed", "5", "--out", str(tmp_path / "out"), "--benchmark", str(path)])
    content = json.loads(path.read_text())
    assert code == (0 if all(gate["passed"] for gate in content["gates"]) else 1)
    assert {"command", "seed", "inputs", "versions", "machine", "results", "baselines", "gates"} <= set(content)
    assert content["seed"] == 5 and len(content["inputs"]["free_answers.yaml"]) == 64
    results = content["results"]
    assert results["round_trip"]["same_share"] == 1.0 and results["round_trip"]["templates_never_used"] == 0
    assert results["free_answers"]["silently_wrong"] == 0 and results["free_answers"]["entries"] >= 300
    assert results["logic"]["scenes"] == QUICK.true_scenes and results["logic"]["kinds_without_truth"] == []
    assert results["logic"]["wrong"] == [] and results["logic"]["questions"] > 200
    assert results["measured"]["by_number"]["asked"] > 50 and results["measured"]["in_words"]["asked"] > 50
    assert results["examples"]["right"] == results["examples"]["examples"] == 12
    assert results["fuzz"]["inputs"] == QUICK.inputs and results["fuzz"]["escaped"] == results["fuzz"]["executed"] == 0
    assert results["speed"]["total_ms"]["p50"] > 0 and results["speed"]["against_naive"]["least_ratio"] > 1
    assert (tmp_path / "out" / "reliability.png").stat().st_size > 1000
    printed = capsys.readouterr().out
    assert all(gate["name"] in printed for gate in content["gates"])
    names = [gate["name"] for gate in content["gates"]]
    assert len(names) == len(set(names)) >= 15
