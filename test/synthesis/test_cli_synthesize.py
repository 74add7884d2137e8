"""``spatialvlm synthesize``: exit codes, what it says, and that bad input writes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from examples import tree_of

from spatialvlm_ros.cli import main
from spatialvlm_ros.cli_synthesize import config_of
from spatialvlm_ros.synthesis.pipeline import PipelineConfig

RENDER = ("synthesize", "--from", "render", "--count", "2", "--image-width", "160", "--truth", "--pairs-per-image", "6")


def rgbd_folder(folder: Path, unit: str | None = "mm") -> Path:
    """Two good pairs of a wall with a box before it, one cut-off colour image, one depth of another size."""
    folder.mkdir()
    depth = np.full((120, 160), 1000, np.uint16)
    depth[50:90, 60:100] = 800
    color = np.full((120, 160, 3), 120, np.uint8)
    color[50:90, 60:100] = (0, 0, 255)
    for name in ("a", "b", "cut", "odd"):
        cv2.imwrite(str(folder / f"{name}-color.png"), color)
        cv2.imwrite(str(folder / f"{name}-depth.png"), depth[:60] if name == "odd" else depth)
    cut = folder / "cut-color.png"
    cut.write_bytes(cut.read_bytes()[:100])
    intrinsics = {"fx": 150.0, "fy": 150.0, "cx": 79.5, "cy": 59.5, **({"depth_unit": unit} if unit else {})}
    (folder / "intrinsics.json").write_text(json.dumps(intrinsics))
    return folder


def group_lives(group: int) -> bool:
    """Tell whether any process of a group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_says_what_it_made_and_leaves_an_audit_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0; progress goes to standard error, and few lines of it where that is no terminal."""
    assert main([*RENDER, "--out", str(tmp_path / "out"), "--audit", "2", "--title", "Mine"]) == 0
    said = capsys.readouterr()
    assert "12 pairs about 2 of 2 images" in said.out
    sentence = next(line for line in said.out.splitlines() if line.startswith(("of 12 pairs, ", "12 pairs are too few")))
    assert sentence in (tmp_path / "out" / "README.md").read_text()
    shortcuts = json.loads((tmp_path / "out" / "provenance.json").read_text())["shortcuts"]
    assert shortcuts["in_words"] == sentence and shortcuts["pairs"] == 12 and "comparisons" in shortcuts
    assert "2 of 2 images" in said.err
    assert "\r" not in said.err
    assert (tmp_path / "out" / "audit.html").stat().st_size > 1000
    assert "# Mine" in (tmp_path / "out" / "README.md").read_text()


def test_a_second_run_needs_to_be_told_what_to_do_with_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--resume, --overwrite, or nothing happens and the exit code is 2."""
    out = str(tmp_path / "out")
    assert main([*RENDER, "--out", out]) == 0
    before = tree_of(tmp_path)
    assert main([*RENDER, "--out", out]) == 2
    assert "--resume goes on with it, --overwrite makes it anew" in capsys.readouterr().err
    assert main([*RENDER, "--out", out, "--seed", "1", "--resume"]) == 2
    assert "seed is 0 there and 1 here" in capsys.readouterr().err
    assert main([*RENDER, "--out", out, "--resume"]) == 0
    assert tree_of(tmp_path) == before
    assert main([*RENDER, "--out", out, "--seed", "1", "--overwrite"]) == 0
    assert tree_of(tmp_path).keys() == before.keys()
    assert tree_of(tmp_path) != before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--from", "images", "EMPTY"), "plain images have no depth"),
        (("--from", "images", "EMPTY", "--depth-model", "EMPTY"), "holds no images"),
        (("--from", "rgbd", "EMPTY"), "holds no pair of images"),
        (("--from", "rgbd", "EMPTY/missing"), "is no folder"),
        (("--from", "rgbd"), "needs a PATH"),
        (("--from", "bag", "EMPTY"), "EMPTY"),
        (("--from", "render", "EMPTY"), "takes no PATH"),
        (("--from", "render", "--count", "0"), "at least 0 and 1"),
        (("--from", "render", "--image-width", "3"), "width of at least 32"),
        (("--from", "render", "--relations", "left,besides"), "besides"),
        (("--from", "render", "--balance", "taste"), "--balance taste"),
        (("--from", "render", "--depth-noise", "loud"), "'loud' is not known"),
        (("--from", "render", "--workers", "0"), "0 workers"),
        (("--from", "render", "--num-shards", "2", "--shard-index", "2"), "share 2 of 2"),
        (("--from", "render", "--pairs-per-image", "-1"), "-1 pairs an image"),
        (("--from", "render", "--audit", "-1"), "--audit -1"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    arguments: tuple[str, ...], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, no folder, no trace of Python."""
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [argument.replace("EMPTY", str(empty)) for argument in arguments]
    assert main(["synthesize", *given, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert text.replace("EMPTY", str(empty)) in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_folders_of_others_and_unwritable_ones_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*RENDER, "--out", str(tmp_path), "--overwrite"]) == 2
    assert "holds other things (notes.txt)" in capsys.readouterr().err
    assert main([*RENDER, "--out", str(tmp_path / "notes.txt" / "out")]) == 2
    assert "cannot write to" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_models_that_are_missing_are_named_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3."""
    model = str(tmp_path / "no_such_model")
    assert main([*RENDER, "--filter-model", model, "--out", str(tmp_path / "out")]) == 3
    assert "stage filter" in capsys.readouterr().err
    assert main([*RENDER, "--filter-model", model, "--out", str(tmp_path / "out"), "--dry-run"]) == 3
    said = capsys.readouterr().out
    assert "MISSING stage filter" in said
    assert not (tmp_path / "out").exists()


def test_a_dry_run_shows_what_is_there_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes, depth in metres (a wrong unit shows), intrinsics, and files that cannot be used."""
    folder = rgbd_folder(tmp_path / "frames")
    before = tree_of(tmp_path)
    assert main(["synthesize", "--from", "rgbd", str(folder), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "rgbd, 4 images, 1 shards" in said
    assert "frames/a: 160 x 120, depth 0.80 to 1.00 m (median 1.00), 100% valid, sensor, fx 150.0 fy 150.0" in said
    assert "frames/cut: " in said
    assert "odd-depth.png is 160 x 60" in said
    assert "out is new" in said
    assert tree_of(tmp_path) == before


def test_images_that_cannot_be_used_are_counted_and_an_empty_data_set_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the causes; the folder without a unit as well."""
    folder = rgbd_folder(tmp_path / "frames", unit=None)
    command = ["synthesize", "--from", "rgbd", str(folder), "--out", str(tmp_path / "out")]
    assert main([*command, "--dry-run"]) == 2
    assert "MISSING none of 4 images looked at can be used" in capsys.readouterr().out
    assert main(command) == 1
    said = capsys.readouterr()
    assert "depth_of_other_size 1, truncated_file 1, unknown_depth_unit 2" in said.out
    assert "give --depth-unit-m" in said.err and "odd-depth.png is 160 x 60" in said.err
    drops = json.loads((tmp_path / "out" / "provenance.json").read_text())["dropped_images"]
    assert drops == {"depth_of_other_size": 1, "truncated_file": 1, "unknown_depth_unit": 2}


def test_a_dry_run_says_what_lacks_before_a_run_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain images without a depth model, files that are no images, a folder that cannot be made. Exit code 2."""
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((60, 80, 3), 120, np.uint8))
    (folder / "notes.txt").write_text("mine")
    command = ["synthesize", "--from", "images", str(folder), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "give --depth-model" in capsys.readouterr().err
    assert main([*command, "--dry-run"]) == 2
    said = capsys.readouterr().out
    assert "a.png: 80 x 60, no depth" in said and "left aside: 1 files .txt" in said
    assert "MISSING 1 of 1 images looked at have no depth, and no depth model is named" in said
    assert main([*RENDER, "--out", str(folder / "notes.txt" / "out"), "--dry-run"]) == 2
    assert "notes.txt is a file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Exit code 130, no worker left, no half-written file."""
    command = [sys.executable, "-m", "spatialvlm_ros.cli", *RENDER[:3], "--count", "400", "--items-per-shard", "200"]
    with subprocess.Popen(
        [*command, "--workers", "2", "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as run:
        end = time.monotonic() + 60
        while len(list((tmp_path / "out" / "work").glob(".candidates*.part"))) < 2:
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=80)
    assert run.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.part"))
    # Python's own resource tracker goes a moment after the process that it serves.
    end = time.monotonic() + 10
    while group_lives(run.pid):
        assert time.monotonic() < end, "a worker is left"
        time.sleep(0.05)


def test_arguments_become_a_configuration_that_is_read_back(tmp_path: Path) -> None:
    """With all models named, and equal hashes for equal arguments."""
    from spatialvlm_ros.cli import _parser

    models = [
        "--filter-model=F",
        "--detector=D",
        "--find=mug,red_box",
        "--segmenter=S",
        "--depth-model=Z",
        "--similarity-model=T",
    ]
    given = ["synthesize", "--from", "images", "a", "b", "--out", str(tmp_path), *models, "--balance", "kinds,polarity"]
    config = config_of(_parser().parse_args(given))
    assert PipelineConfig.from_json(config.to_json()) == config
    assert config.digest == config_of(_parser().parse_args(given)).digest
    assert config.digest != config_of(_parser().parse_args([*given, "--seed", "1"])).digest
    assert [stage.name for stage in config.stages] == ["filter", "regions", "depth"]
    assert config.stages[1].options["names"] == ["mug", "red_box"]
    assert config.source.options == {"paths": ["a", "b"]}
    assert config.select["qualitative_share"] == 0.5
    assert (config.select["polarity"], config.select["priors"]) == (True, False)
    with pytest.raises(ValueError, match="no configuration"):
        PipelineConfig.from_json({"source": {"nome": "x"}})
