"""A tiny embedded model with random weights, saved as the shipped one is, and a view for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.training.embedded.assemble import assemble
from spatialvlm_ros.training.embedded.tower_phrases import tower_words
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, DecoderConfig
from spatialvlm_ros.vlm.embedded.decoder_words import vocabulary
from spatialvlm_ros.vlm.embedded.gripper_head import GripperConfig, GripperHead
from spatialvlm_ros.vlm.embedded.model import SpatialVlmModel
from spatialvlm_ros.vlm.embedded.tower import RegionTextTower, TowerConfig
from spatialvlm_ros.vlm.interface import View

torch.set_num_threads(1)
QUESTIONS = ("how far is the a from it to of is left right what distance between and meters",)


def tiny_model(folder: Path, seed: int = 0, *, answers: bool = True) -> SpatialVlmModel:
    """The model, also written to ``folder``."""
    torch.manual_seed(seed)
    tower = RegionTextTower(TowerConfig(tower_words(), (8, 16, 24, 32), (0, 0, 1, 0), 32, 32, 1, 2, 16, ("color:red",), 8))
    head = GripperConfig((8, 8, 12, 16), 8)
    decoder = AnswerDecoder(DecoderConfig(vocabulary(QUESTIONS), dim=32, layers=1, heads=2)) if answers else None
    return assemble(folder, tower, GripperHead(head), head, decoder, Calibration(found=0.4))


def table_view(size: tuple[int, int] = (120, 160), things: int = 3, seed: int = 0) -> View:
    """A level plane 0.6 m below the camera's height that it looks down on, with boxes as proposals."""
    height, width = size
    rng = np.random.default_rng(seed)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    depth = np.full(size, 0.6, np.float32)
    proposals = []
    for number in range(things):
        mask = np.zeros(size, bool)
        u = int((number + 0.5) * width / max(things, 1))
        mask[height // 3 : height // 2 + 6 * number, max(u - 9, 0) : u + 9] = True
        depth[mask] = 0.55 - 0.01 * number
        proposals.append(Region(mask, "", 1.0, "test"))
    camera = CameraModel(width, height, float(width), float(width), width / 2, height / 2)
    plane = np.array([0.0, 0.0, -1.0, 0.6])
    return View(color, RGBDFrame(0, color, depth, camera, "camera"), tuple(proposals), plane, np.array([0.0, 0.0, -1.0]))
