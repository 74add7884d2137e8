"""``spatialvlm evaluate`` with a real image-text-to-text model that says one thing to everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_vlms import llava

from spatialvlm_ros.cli import main
from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.run import RunOptions, synthesize


def test_a_model_that_always_says_the_same_is_seen_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "vqa", tmp_path / "out"
    source = Part("render", {"seed": 651_000, "count": 3, "width_px": 160, "captions": "name", "truth": True})
    assert synthesize(PipelineConfig(source=source, select={"pairs_per_image": 6}, seed=3), registry(), RunOptions(data)).complete
    model = llava(tmp_path / "llava", ["0.2 m"])
    assert main(["evaluate", "--model", str(model), "--data", str(data), "--out", str(out), "--samples", "2"]) == 0
    scores = json.loads((out / "report.json").read_text())["scores"]
    own = scores["model"]
    assert own["numbers"]["gives_a_number"] == 1.0 and own["numbers"]["mae"] > 0
    assert own["verdicts"]["gives_a_verdict"] == 0.0 and own["verdicts"]["accuracy"] == 0.0
    # It looks at nothing, so that other colours change nothing.
    assert scores["colour shuffled"]["numbers"]["mae"] == own["numbers"]["mae"]
    assert set(scores) >= {"model", "colour shuffled", "best constant", "text only"}
