"""Equal bytes however a data set is made: by more workers, by several machines, after kills, and when it is read again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pool_work
import pytest
from examples import NOTES, small_config, tree_of

from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.output import OutputError, Share
from spatialvlm_ros.synthesis.pipeline import Part
from spatialvlm_ros.synthesis.run import RunOptions, RunReport, synthesize

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
COMMAND = (
    sys.executable, "-m", "spatialvlm_ros.cli", "synthesize", "--from", "render", "--count", "6", "--image-width", "160",
    "--truth", "--items-per-shard", "1", "--pairs-per-image", "12", "--workers", "2",
)  # fmt: skip


def test_two_workers_give_the_same_bytes_as_one(small: Path, tmp_path: Path) -> None:
    """All files, the card and the provenance among them."""
    synthesize(small_config(), registry(), RunOptions(tmp_path / "out", workers=2, notes=NOTES))
    assert tree_of(tmp_path / "out") == tree_of(small)
    assert len(list((small / "data").iterdir())) == 3


def test_two_machines_on_one_folder_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    """The last one to finish its share puts the data set together."""
    first = synthesize(small_config(), registry(), RunOptions(tmp_path, share=Share(1, 2), notes=NOTES))
    assert (first.complete, first.waits_for, first.made_items) == (False, 2, 2)
    assert not list((tmp_path / "data").iterdir())
    second = synthesize(small_config(), registry(), RunOptions(tmp_path, share=Share(0, 2), notes=NOTES))
    assert (second.complete, second.made_items) == (True, 4)
    assert tree_of(tmp_path) == tree_of(small)


def test_folders_of_two_machines_can_be_joined(small: Path, tmp_path: Path) -> None:
    """Where they share no file system: one folder's work is copied into the other's."""
    for index in range(2):
        synthesize(small_config(), registry(), RunOptions(tmp_path / str(index), share=Share(index, 2), notes=NOTES))
    shutil.copytree(tmp_path / "1" / "work", tmp_path / "0" / "work", dirs_exist_ok=True)
    report = synthesize(small_config(), registry(), RunOptions(tmp_path / "0", resume=True, notes=NOTES))
    assert (report.complete, report.made_items) == (True, 0)
    assert tree_of(tmp_path / "0") == tree_of(small)


def test_resuming_makes_only_what_is_missing_or_damaged(small_run: tuple[Path, RunReport], tmp_path: Path) -> None:
    """And changes nothing else."""
    small, made = small_run
    out = tmp_path / "out"
    shutil.copytree(small, out)
    (out / "work" / "candidates-00001.done").unlink()
    (out / "data" / "train-00002-of-00003.parquet").write_bytes(b"half")
    report = synthesize(small_config(), registry(), RunOptions(out, resume=True, notes=NOTES))
    assert report.made_items == 2
    assert (report.rows, report.pairs, report.items) == (made.rows, made.pairs, made.items)
    assert tree_of(out) == tree_of(small)


def test_candidates_may_be_discarded_and_are_not_made_again(small: Path, tmp_path: Path) -> None:
    """The data set stays as it is."""
    out = tmp_path / "out"
    shutil.copytree(small, out)
    for made in (0, 0):
        report = synthesize(small_config(), registry(), RunOptions(out, resume=True, notes=NOTES, discard_candidates=True))
        assert (report.complete, report.made_items) == (True, made)
        assert not list((out / "work").glob("*.parquet"))
    whole = tree_of(small)
    assert tree_of(out) == {name: digest for name, digest in whole.items() if "candidates" not in name or name.endswith(".done")}


def test_other_options_or_another_source_are_refused(small: Path) -> None:
    """With what differs."""
    before = tree_of(small)
    with pytest.raises(OutputError, match=r"select.pairs_per_image is 12 there and 13 here"):
        synthesize(small_config(select={"pairs_per_image": 13}), registry(), RunOptions(small, resume=True))
    with pytest.raises(OutputError, match=r"items is 6 there and 7 here"):
        synthesize(small_config(count=7), registry(), RunOptions(small, resume=True))
    assert tree_of(small) == before


def test_overwriting_and_resuming_at_once_goes_on_with_the_same_options(small: Path, tmp_path: Path) -> None:
    """And begins anew with others."""
    out = tmp_path / "out"
    shutil.copytree(small, out)
    same = synthesize(small_config(), registry(), RunOptions(out, resume=True, overwrite=True, notes=NOTES))
    assert same.made_items == 0
    other = synthesize(small_config(count=1), registry(), RunOptions(out, resume=True, overwrite=True, notes=NOTES))
    assert (other.made_items, other.rows) == (1, 1)
    assert {file.name for file in (out / "data").iterdir()} == {"train-00000-of-00001.parquet"}


def test_a_shard_that_kills_its_workers_costs_itself_and_is_made_later(tmp_path: Path) -> None:
    """The others are finished, the lost one is named, and --resume makes it when the cause is gone."""
    usual = registry()
    parts = replace(usual, stages={**usual.stages, "deadly": pool_work.DeadlyStage})
    poison = tmp_path / "poison"
    stage = Part("deadly", {"key": "render/seed-43", "while_there": str(poison)})
    config = small_config(stages=(stage,))
    synthesize(config, parts, RunOptions(tmp_path / "whole", notes=NOTES))
    poison.touch()
    report = synthesize(config, parts, RunOptions(tmp_path / "out", notes=NOTES))
    assert (report.complete, report.made_items) == (False, 4)
    assert len(report.lost) == 1
    assert "shard 1 (items 2 to 3): its worker died again: SIGKILL" in report.lost[0]
    poison.unlink()
    report = synthesize(config, parts, RunOptions(tmp_path / "out", resume=True, notes=NOTES))
    assert (report.complete, report.made_items) == (True, 2)
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "whole")


def finished(out: Path) -> int:
    """Number of shards that are."""
    return len(list((out / "work").glob("candidates-*.done")))


def test_killed_three_times_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL to the running command a random while after its first, second and third of six shards, in the middle of others."""
    subprocess.run([*COMMAND, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    seed = time.time_ns() % 2**32
    print(f"moments of seed {seed}")
    out, killed = tmp_path / "killed", 0
    for number, wait_s in enumerate(np.random.default_rng(seed).uniform(0.0, 0.1, 3), start=1):
        with subprocess.Popen([*COMMAND, "--out", str(out), "--resume"], **QUIET) as run:
            while run.poll() is None and finished(out) < number:
                time.sleep(0.005)
            # The first one is killed at once: so one is, however fast the machine.
            time.sleep(wait_s * (number > 1))
            killed += run.poll() is None
            run.kill()
    assert killed >= 1
    done = subprocess.run([*COMMAND, "--out", str(out), "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree_of(out) == tree_of(tmp_path / "whole")
