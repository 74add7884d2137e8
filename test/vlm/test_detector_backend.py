"""Zero-shot detectors as models that find names and answer nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import owlv2, sam

from spatialvlm_ros.vlm.detector_backend import DetectorVlm
from spatialvlm_ros.vlm.interface import Question, View, VlmError
from spatialvlm_ros.vlm.options import VlmOptions


@pytest.fixture(scope="module")
def view() -> View:
    """Noise, which makes tiny models see things."""
    return View(np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("models")
    return owlv2(root / "owlv2"), sam(root / "sam")


def test_what_it_detects_are_regions(view: View, folders: tuple[Path, Path]) -> None:
    options = VlmOptions(device="cpu", threshold=0.0, segmenter=str(folders[1]))
    vlm = DetectorVlm.from_pretrained(str(folders[0]), options=options)
    assert vlm.grounds and not vlm.answers and "threshold 0" in vlm.version and "outlined by sam" in vlm.version
    names = ["red block", "block", "..."]
    red, block, strange = vlm.look(view).ground(names)
    assert not strange.understood and red.understood
    for name, found in zip(names, (red, block), strict=False):
        direct = vlm.detector([view.color], [name])[0]
        assert found.present == pytest.approx(max((0.5 + 0.5 * d.score for d in direct), default=0.0))
        assert len(direct) > 0 and len(found.regions) == len(found.proposals) > 0
        assert all(region.mask.any() and 0.5 <= region.score <= 1 and region.label == name for region in found.regions)


def test_it_answers_nothing(view: View, folders: tuple[Path, Path]) -> None:
    vlm = DetectorVlm.from_pretrained(str(folders[0]), options=VlmOptions(device="cpu"))
    with pytest.raises(VlmError, match="answers no questions"):
        vlm.look(view).answer([Question("How far is it?")])


def test_bad_input_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    vlm = DetectorVlm.from_pretrained(str(folders[0]), options=VlmOptions(device="cpu"))
    with pytest.raises(VlmError, match="picture"):
        vlm.look(View(np.zeros((2, 2, 3), np.float64)))  # type: ignore[arg-type]
    with pytest.raises(VlmError, match="between 0 and 1"):
        DetectorVlm.from_pretrained(str(folders[0]), options=VlmOptions(device="cpu", threshold=2.0))
    with pytest.raises(VlmError, match="no detector here"):
        DetectorVlm.from_pretrained(str(folders[1]), options=VlmOptions(device="cpu"))
    with pytest.raises(VlmError, match="cannot be used"):
        DetectorVlm.from_pretrained(str(tmp_path / "none"), options=VlmOptions(device="cpu"))
