"""The fit of what tells whether two pieces of surface are one thing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.perception.joints import FILE, Trees
from spatialvlm_ros.training import joints
from spatialvlm_ros.training.joint_scenes import painted, scene_of
from spatialvlm_ros.training.joint_trees import Boosting, boosted


def test_boosting_finds_what_no_single_question_tells() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 4))
    same = (features[:, 1] > 0) != (features[:, 3] > 0)
    trees = Trees(("a", "b", "c", "d"), *boosted(features[:2000], same[:2000], np.ones(2000), Boosting(trees=40, tried=1.0)))
    right = float(np.mean((trees(features[2000:]) > 0) == same[2000:]))
    print(f"{right:.3f} of unseen examples")
    assert right > 0.95


def test_the_command_writes_trees_that_the_package_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out in ("one", "two"):
        command = [
            "joints",
            "--out",
            str(tmp_path / out),
            "--scenes",
            "3",
            "--trees",
            "8",
            "--renders",
            str(tmp_path / "renders"),
        ]
        monkeypatch.setattr(sys, "argv", command)
        joints.main()
    # The first run rendered, the second one read: the same bytes.
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    trees = Trees.from_json((tmp_path / "one" / FILE).read_text())
    assert trees.feature.shape == (8, 4) and len(trees.names) > int(trees.feature.max())


def test_paint_keeps_the_background_it_is_told_to_keep() -> None:
    scene = scene_of(joints.FIRST_SEED)
    new = painted(scene.color, scene.labels, np.random.default_rng(1))
    assert new.shape == scene.color.shape and new.dtype == np.uint8
    things = scene.labels > 0
    changed = np.abs(new.astype(int) - scene.color.astype(int)).max(axis=2) > 40
    assert changed[things].mean() > changed[~things].mean()
