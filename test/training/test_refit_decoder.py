"""A decoder fitted again to what is measured now: all else of the model stays, and the folder opens as the shipped one does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spatialvlm_ros.training.embedded.answers_data_text import all_words
from spatialvlm_ros.training.embedded.assemble import assemble
from spatialvlm_ros.training.embedded.refit_decoder import FIT_SEED, LEARN_SEED, REPORT_SEED, Refit, refit
from spatialvlm_ros.training.embedded.tower_phrases import tower_words
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, DecoderConfig
from spatialvlm_ros.vlm.embedded.gripper_head import GripperConfig, GripperHead
from spatialvlm_ros.vlm.embedded.tower import RegionTextTower, TowerConfig
from spatialvlm_ros.vlm.weights import MissingWeightsError

SIZES = {"learn": 1, "fit": 1, "report": 1, "questions": 12, "comparisons": 12}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that knows all words of questions."""
    folder = tmp_path_factory.mktemp("refit") / "started"
    torch.manual_seed(0)
    tower = RegionTextTower(TowerConfig(tower_words(), (8, 16, 24, 32), (0, 0, 1, 0), 32, 32, 1, 2, 16, ("color:red",), 8))
    head = GripperConfig((8, 8, 12, 16), 8)
    decoder = AnswerDecoder(DecoderConfig(all_words(), dim=32, layers=1, heads=2))
    assemble(folder, tower, GripperHead(head), head, decoder, Calibration(found=0.4), {"steps": 7})
    return folder


def test_a_refit_leaves_all_but_the_decoder_as_it_is(started: Path, tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    run = Refit(tmp_path, started, steps=2, **SIZES)
    figures = refit(run, logged.append)
    assert logged[-1]["step"] == 2
    first = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "pool").glob("*.safetensors"))
    assert first == [LEARN_SEED, FIT_SEED, REPORT_SEED]
    before, after = (EmbeddedVlm.from_folder(folder).model for folder in (started, tmp_path / "model"))
    old, new = before.state_dict(), after.state_dict()
    assert list(old) == list(new) and all(torch.equal(old[name], new[name]) for name in old if not name.startswith("decoder."))
    changed = [name for name in old if not torch.equal(old[name], new[name])]
    assert "decoder.std_factor" in changed and len(changed) > 10
    calibration = after.config.calibration_config()
    assert replace(calibration, verdicts={}, deviations=()) == before.config.calibration_config()
    own, depth, apart = calibration.deviations
    assert 0 < figures["after"]["joined_within_1_std"] < figures["after"]["joined_within_2_std"] <= 1
    assert min(own, apart) >= 0 and depth > 0 and [own, depth, apart] == figures["fitted"]["deviations"]
    assert {"tall_or_short", "left_or_right"} <= set(calibration.verdicts) and calibration.verdicts == figures["fitted"][
        "verdicts"
    ]
    assert float(after.decoder.std_factor) == pytest.approx(figures["fitted"]["std_factor"])
    told = json.loads((tmp_path / "model" / "figures.json").read_text(encoding="utf-8"))
    assert told["steps"] == 7 and told["decoder"]["scenes"] == 1 and told["decoder"]["before"] != told["decoder"]["after"]

    # Of the same measurements the same bytes; and without steps nothing but temperatures and the factor of deviations changes.
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    refit(run)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights
    refit(Refit(tmp_path, started, steps=0, **SIZES))
    fitted = EmbeddedVlm.from_folder(tmp_path / "model").model.state_dict()
    assert {name for name in old if not torch.equal(old[name], fitted[name])} <= {"decoder.temperature", "decoder.std_factor"}
    assert not torch.equal(old["decoder.std_factor"], fitted["decoder.std_factor"])


def test_what_has_no_decoder_or_is_no_model_is_refused(started: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError):
        refit(Refit(tmp_path, tmp_path / "nowhere"))
    model = EmbeddedVlm.from_folder(started).model
    assemble(tmp_path / "mute", model.tower, model.gripper, model.config.gripper_config(), None, Calibration())
    with pytest.raises(ValueError, match="no decoder"):
        refit(Refit(tmp_path, tmp_path / "mute"))
