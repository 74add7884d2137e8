"""Trained parts put together to a model's folder: configuration, one file of weights, processor, card, checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...vlm.embedded.calibration import Calibration
from ...vlm.embedded.decoder import AnswerDecoder
from ...vlm.embedded.gripper_head import GripperConfig, GripperHead
from ...vlm.embedded.model import SpatialVlmModel, config_of
from ...vlm.embedded.processor import SpatialVlmProcessor
from ...vlm.embedded.tower import RegionTextTower
from ...vlm.weights import write_checksums

CARD, FIGURES = "README.md", "figures.json"


def assemble(
    folder: Path,
    tower: RegionTextTower,
    gripper: GripperHead,
    gripper_config: GripperConfig,
    decoder: AnswerDecoder | None,
    calibration: Calibration,
    figures: Mapping[str, Any] | None = None,
) -> SpatialVlmModel:
    """Write a model that ``AutoModelForImageTextToText`` and ``EmbeddedVlm.from_folder`` open.

    Args:
        figures: what was measured of it, written beside the weights.
    """
    config = config_of(tower, decoder, asdict(calibration), asdict(gripper_config))
    model = SpatialVlmModel(config)
    model.tower.load_state_dict(tower.state_dict())
    model.gripper.load_state_dict(gripper.state_dict())
    if decoder is not None and model.decoder is not None:
        model.decoder.load_state_dict(decoder.state_dict())
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    decoder_config = None if decoder is None else decoder.config
    SpatialVlmProcessor(
        tower.config.words,
        () if decoder_config is None else decoder_config.words,
        tower.config.max_words,
        40 if decoder_config is None else decoder_config.max_question,
    ).save_pretrained(folder)
    if figures is not None:
        (folder / FIGURES).write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        # safetensors writes for its owner alone; an installed model is for everybody.
        path.chmod(0o644)
    write_checksums(folder)
    return model
