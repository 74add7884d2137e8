"""The benchmark's file: strict JSON, whole or not at all, and a missed gate stays in it."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.evaluation.benchmark_file import Gate, machine, plain, sha256, versions, write_benchmark, write_json


@pytest.mark.parametrize(
    ("value", "op", "target", "passed"),
    [
        (1.0, "<=", 1.0, True),
        (1.1, "<=", 1.0, False),
        (1.0, ">=", 1.0, True),
        (0.9, ">=", 1.0, False),
        (0.0, "==", 0.0, True),
        (1e-9, "==", 0.0, False),
        (None, "<=", 1.0, False),
        (math.nan, "<=", 1.0, False),
        (math.nan, ">=", 1.0, False),
        (math.inf, ">=", 1.0, False),
        (-math.inf, "<=", 1.0, False),
    ],
)
def test_a_gate_passes_only_with_a_number_on_the_right_side(value: float | None, op: str, target: float, passed: bool) -> None:
    assert Gate("error", value, op, target).passed is passed


def test_an_unknown_comparison_is_an_error_not_a_pass() -> None:
    with pytest.raises(KeyError):
        _ = Gate("error", 1.0, "<", 2.0).passed


def test_plain_values_are_what_json_has() -> None:
    value = {
        "a": np.float32(0.5), "b": np.array([[1, 2], [3, 4]]), "c": [np.nan, math.inf, 1], "d": (np.bool_(True), None, "x"),
        3: np.int64(7), "e": np.array([0.5, np.nan]),
    }  # fmt: skip
    assert plain(value) == {
        "a": 0.5, "b": [[1, 2], [3, 4]], "c": [None, None, 1], "d": [True, None, "x"], "3": 7, "e": [0.5, None],
    }  # fmt: skip
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)


def test_versions_name_what_is_absent() -> None:
    found = versions(["numpy", "no-such-package-anywhere"])
    assert found == {"python": platform.python_version(), "numpy": np.__version__, "no-such-package-anywhere": "absent"}


def test_the_machine_is_described_without_its_name() -> None:
    found = machine()
    assert set(found) == {"cpu", "cores", "system"} and found["cores"] >= 1
    assert not platform.node() or platform.node() not in json.dumps(found)


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 3])
def test_hashes_are_of_the_whole_file(size: int, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(size)
    (tmp_path / "data").write_bytes(data)
    assert sha256(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_a_missed_gate_stays_in_the_file_as_missed(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    gates = [Gate("error_m", np.float64(0.02), "<=", 0.01), Gate("success", 1.0, ">=", 0.9), Gate("voc", math.nan, ">=", 0.5)]
    returned = write_benchmark(
        path, "make bench", {"error_m": 0.02}, iter(gates), seed=3, inputs={"bag": "abc"}, packages=["numpy"]
    )
    assert returned == gates
    content = json.loads(path.read_text())
    assert [(gate["name"], gate["passed"]) for gate in content["gates"]] == [
        ("error_m", False),
        ("success", True),
        ("voc", False),
    ]
    assert content["gates"][2]["value"] is None
    assert (content["command"], content["seed"], content["inputs"], content["baselines"]) == ("make bench", 3, {"bag": "abc"}, {})
    assert content["versions"]["numpy"] == np.__version__ and content["results"] == {"error_m": 0.02}
