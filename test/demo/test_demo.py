"""The main job itself: all nodes as separate processes, a task carried out, the recording judged; and real frames."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.demo.real import default_paths
from spatialvlm_ros.recording.bag_reader import BagReader

REQUIRED = (
    "task_success", "frames", "dropped", "distance_mae_m", "coverage_1sigma", "coverage_2sigma", "voc", "tau_1cm", "latency_ms",
    "wall_s", "versions", "seed",
)  # fmt: skip


@pytest.mark.timeout(300)
def test_demo_picks_and_places_and_leaves_its_files(tmp_path: Path) -> None:
    assert main(["demo", "--out", str(tmp_path), "--timeout", "200"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [key for key in REQUIRED if key not in summary] == []
    assert summary["task_success"] is True and summary["goal_holds_in_truth"] is True
    assert summary["distance_mae_m"] <= 0.015
    assert summary["tau_1cm"] >= 0.95
    assert all(math.isfinite(summary["latency_ms"][key]) for key in ("p50", "p95", "p99"))
    for name in ("reward.png", "overlay.mp4"):
        assert (tmp_path / name).stat().st_size > 10_000
    with BagReader(tmp_path / "episode.mcap") as bag:
        counts = bag.counts()
    assert min(counts[f"/spatial_node/{topic}"] for topic in ("facts", "scene")) >= 30
    assert counts["/sim/ground_truth"] > 0 and counts["/reward_node/reward"] > 0


@pytest.mark.timeout(200)
def test_demo_says_why_an_impossible_task_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "put the purple banana on the green plate", "--out", str(tmp_path), "--timeout", "60"]) == 1
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["task_success"] is False and summary["error_code"] != 0
    assert "banana" in summary["error_msg"]
    assert "banana" in capsys.readouterr().out


def test_a_task_that_nobody_understands_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "fly to the moon", "--out", str(tmp_path)]) == 2
    assert "'fly to the moon' is not understood" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--timeout", "nan"), ("demo-seeds", "--seeds", "0"), ("bench-label", "--scenes", "0"),
        ("bench-designs", "--cpu-seconds", "-1"), ("bench-synthesis", "--quick", "--workers", "0"),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused_before_anything_starts(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert f"{arguments[-2]} is {arguments[-1]}" in capsys.readouterr().err.replace(".0;", ";")
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_says_at_once_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["bench-engine", "--out", str(tmp_path), "--benchmark", str(tmp_path / "file" / "engine.json")]) == 2
    assert f"nothing can be written to {tmp_path / 'file'}" in capsys.readouterr().err


@pytest.mark.timeout(200)
def test_real_frames_are_measured_by_the_same_node(tmp_path: Path) -> None:
    paths = default_paths()
    assert paths, "the real frames are missing: ../shared/data must lie beside the repository where tests run"
    assert main(["demo-real", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "real.json").read_text())
    labelled = [frame for frame in report["frames"] if "truth" in frame]
    assert len(labelled) >= 5
    for frame in labelled:
        assert frame["table_found"], frame["name"]
        assert frame["truth"]["table_label_share"] >= 0.95, frame["name"]
        assert min(frame["truth"]["object_iou"].values()) >= 0.6, frame["name"]
        assert all(gap["gap_m"] >= 0 and gap["std_m"] > 0 for gap in frame["gaps"])
        assert (tmp_path / "real" / f"{frame['name'].replace('/', '-')}.png").exists()


def test_frames_of_which_none_can_be_read_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("color", "depth"):
        (tmp_path / f"one-{kind}.png").write_bytes(b"no image")
    assert main(["demo-real", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "no frame could be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["demo-real", "/nowhere/at/all"], 2, "does not exist"),
        (["demo-real", "test"], 2, "holds no pair of images"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path)]) == code
    assert words in capsys.readouterr().err
