"""``spatialvlm evaluate`` with a real image-text-to-text model that says one thing to everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_vlms import llava

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.model_source import opened_with
from spatialvlm_ros.evaluation.vqa_dataset import AskedImage
from spatialvlm_ros.evaluation.vqa_records import VqaRecord
from spatialvlm_ros.evaluation.vqa_run import BESIDE, MODEL, Evaluation
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.run import RunOptions, synthesize
from spatialvlm_ros.vlm.options import VlmOptions


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


def test_a_control_counts_only_for_what_it_could_be_asked(tmp_path: Path) -> None:
    """Two images with depth, one of another size without: of that one there is no control, and nothing fails for lack of it."""
    model = llava(tmp_path / "llava", ["0.2 m"])
    rng = np.random.default_rng(0)

    def image(number: int, size_px: int, true_m: float) -> AskedImage:
        color = rng.integers(0, 255, (size_px, size_px, 3), np.uint8)
        record = VqaRecord(f"set/{number}", "How far is the can from the mug?", "distance", ("can", "mug"), value=true_m)
        depth_m = np.full((size_px, size_px), 0.5, np.float32)
        frame = RGBDFrame(0, color, depth_m, CameraModel(size_px, size_px, 60.0, 60.0, size_px / 2, size_px / 2), "camera")
        query = Query("distance", "can", "mug")
        return AskedImage(
            record.image, color, (record,), (query,), frame if size_px == 48 else None, truth_from=("ground_truth",)
        )

    vlm = opened_with(str(model), VlmOptions(device="cpu", samples=2))
    try:
        found = Evaluation(vlm).run([image(0, 48, 0.2), image(1, 48, 0.3), image(2, 32, 0.6)])
    finally:
        vlm.close()
    scores, own = found.scores, found.scores[MODEL]
    assert own["questions"] == 3 and found.problems == {}
    for control, beside in BESIDE.items():
        assert scores[control]["questions"] == scores[beside]["questions"] == 2
        assert scores[control]["numbers"]["gives_a_number"] == 1.0
        # The model says one thing whatever it is shown: nothing falls, while over all three it is less right.
        assert scores[control]["numbers"]["mae"] == scores[beside]["numbers"]["mae"] < own["numbers"]["mae"]
    assert all(len(said) == len(found.records) for said in found.answers.values())
