"""The embedded model from nothing to a folder that loads: data, tower, gripper, decoder, calibration, card.

``python -m spatialvlm_ros.training.embedded.train --out DIR`` (``make train-embedded``) does all of it on two CPU cores or on one
GPU with ``--device cuda``; with ``--seconds`` it stops in time and the next call goes on. The order of the data and all that is
random follow from the seed.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ...vlm.embedded.calibration import Calibration
from ...vlm.embedded.decoder import AnswerDecoder
from ...vlm.embedded.decoder_files import load_decoder
from ...vlm.embedded.gripper_head import GripperConfig
from ...vlm.embedded.model import SpatialVlmModel
from ...vlm.embedded.tower import RegionTextTower, TowerConfig
from .assemble import assemble
from .curve import plot_log, write_log
from .pool import Pool
from .tower_data import DataConfig, make_shard
from .tower_phrases import draw_phrases, tower_words
from .tower_scores import evidence_of, fit_on, score
from .tower_validation import FIRST_SEED, ValidationSet, build_validation
from .train_gripper import KIND as IMAGES
from .train_gripper import GripperRun, GripperTraining, load_gripper_run, new_gripper_run, train_gripper
from .train_tower import TowerRun, TowerTraining, load_run, new_run, train_tower
from .vocabulary import CONCEPTS

Report = Callable[[dict[str, float]], None]
#: See ``Calibration``.
PRIOR_ODDS = 2.5


@dataclass(frozen=True)
class EmbeddedTraining:
    """All of a training.

    Attributes:
        out: where pool, checkpoints, curves and the model go.
        data, tower, gripper: see there.
        tower_sizes, gripper_sizes: of the networks.
        decoder: folder of a trained decoder that the model shall answer with; None for a model that only finds.
        calibration_scenes, report_scenes: scenes of the other renderer to calibrate on, and others to report on.
        seconds: stop in time after about so many; the next call goes on.
    """

    out: Path
    data: DataConfig = field(default_factory=DataConfig)
    tower: TowerTraining = field(default_factory=TowerTraining)
    gripper: GripperTraining = field(default_factory=GripperTraining)
    tower_sizes: TowerConfig = field(default_factory=lambda: TowerConfig(words=tower_words(), attributes=CONCEPTS))
    gripper_sizes: GripperConfig = field(default_factory=GripperConfig)
    decoder: Path | None = None
    calibration_scenes: int = 220
    report_scenes: int = 220
    seconds: float = math.inf


def train_embedded(config: EmbeddedTraining, report: Report | None = None) -> SpatialVlmModel | None:
    """Train, or go on with a training, and write ``out/model``; None when the time was up before.

    Raises:
        PoolError: the folder's data was made with other settings.
        CheckpointError: its checkpoints are of other networks, or cut off.
    """
    end = time.monotonic() + config.seconds
    pool = Pool(config.out / "pool", config.data.meta())
    needed = max(config.tower.shards, config.gripper.shards)
    maker = _start_maker(config.data, pool.folder, needed)
    try:
        tower = _tower_run(config)
        train_tower(tower, config.tower, pool, draw_phrases, folder=config.out / "tower", seconds=_left(end), report=report)
        gripper = _gripper_run(config)
        train_gripper(gripper, config.gripper, pool, folder=config.out / "gripper", seconds=_left(end), report=report)
    finally:
        if maker is not None:
            maker.terminate()
            maker.join()
    _draw(config, tower, gripper)
    if tower.step < config.tower.steps or gripper.step < config.gripper.steps:
        return None
    calibration, figures = calibrate_and_score(tower.averaged, config)
    return assemble(
        config.out / "model",
        tower.averaged,
        gripper.averaged,
        config.gripper_sizes,
        _decoder(config.decoder),
        calibration,
        {"tower": figures, "steps": tower.step, "gripper_steps": gripper.step, "seed": config.tower.seed},
    )


def _left(end: float) -> float:
    return max(0.0, end - time.monotonic())


def _tower_run(config: EmbeddedTraining) -> TowerRun:
    folder = config.out / "tower"
    return load_run(folder, config.tower) if (folder / "state.json").exists() else new_run(config.tower_sizes, config.tower)


def _gripper_run(config: EmbeddedTraining) -> GripperRun:
    folder = config.out / "gripper"
    there = (folder / "state.json").exists()
    return load_gripper_run(folder, config.gripper) if there else new_gripper_run(config.gripper_sizes, config.gripper)


def _decoder(folder: Path | None) -> AnswerDecoder | None:
    return None if folder is None else load_decoder(folder)


def _draw(config: EmbeddedTraining, tower: TowerRun, gripper: GripperRun) -> None:
    for name, log in (("tower", tower.log), ("gripper", gripper.log)):
        write_log(config.out / f"{name}.jsonl", log)
        plot_log(config.out / f"{name}.png", log, title=f"{name}, seed {config.tower.seed}")


# -- data ----------------------------------------------------------------------------------------------------------------


def fill_pool(data: DataConfig, folder: Path, count: int) -> None:
    """Write what is missing of the first ``count`` shards, in order."""
    from .render import Renderer

    torch.set_num_threads(1)
    pool, renderer = Pool(folder, data.meta()), Renderer(data.device)
    for number in range(count):
        if pool.has(number) and pool.has(number, IMAGES):
            continue
        regions, images = make_shard(renderer, data, number)
        pool.write(number, images, IMAGES)
        pool.write(number, regions.tensors())


def _start_maker(data: DataConfig, folder: Path, count: int) -> multiprocessing.process.BaseProcess | None:
    """A process that fills the pool beside the training; None where nothing is missing."""
    pool = Pool(folder, data.meta())
    if all(pool.has(number) and pool.has(number, IMAGES) for number in range(count)):
        return None
    maker = multiprocessing.get_context("spawn").Process(target=fill_pool, args=(data, folder, count), daemon=True)
    maker.start()
    return maker


# -- calibration ---------------------------------------------------------------------------------------------------------


def validation_sets(config: EmbeddedTraining) -> tuple[ValidationSet, ValidationSet]:
    """Scenes to calibrate on and scenes to report on, made once."""
    found = []
    for name, first, count in (
        ("calibration", FIRST_SEED, config.calibration_scenes),
        ("report", FIRST_SEED + 10_000, config.report_scenes),
    ):
        path = config.out / f"{name}-{count}.safetensors"
        if not path.exists():
            build_validation(range(first, first + count)).save(path)
        found.append(ValidationSet.load(path))
    return found[0], found[1]


def calibrate_and_score(tower: RegionTextTower, config: EmbeddedTraining) -> tuple[Calibration, dict[str, float]]:
    """A calibration fitted on the first set, and figures of the second with it."""
    fitting, reporting = validation_sets(config)
    fitted = fit_on(fitting, evidence_of(tower, fitting)[0])
    calibration = replace(fitted, prior_odds=PRIOR_ODDS)
    return calibration, score(tower, reporting, calibration)


# -- command -------------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 the time was up, 2 wrong arguments."""
    parser = argparse.ArgumentParser(description="Train the embedded model from nothing, or go on.")
    parser.add_argument("--out", type=Path, default=Path("out/train-embedded"), help="pool, checkpoints, curves and model")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many; call again to go on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=TowerTraining().steps, help="of the tower")
    parser.add_argument("--decoder", type=Path, help="folder of a trained decoder (training.embedded.train_decoder)")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1 if chosen.device == "cpu" else torch.get_num_threads())
    config = EmbeddedTraining(
        out=chosen.out,
        data=DataConfig(seed=chosen.seed, device=chosen.device),
        tower=TowerTraining(seed=chosen.seed, steps=chosen.steps, device=chosen.device),
        gripper=GripperTraining(seed=chosen.seed, device=chosen.device),
        decoder=chosen.decoder,
        seconds=chosen.seconds,
    )
    model = train_embedded(config, lambda entry: print(json.dumps(entry), flush=True))
    print("time is up; call again to go on" if model is None else f"the model lies in {chosen.out / 'model'}")
    return 1 if model is None else 0


if __name__ == "__main__":
    sys.exit(main())
