"""Fits the decoder of a model again to what the front end measures now, and leaves everything else of the model as it is.

``python -m spatialvlm_ros.training.embedded.refit_decoder --out DIR``: things are measured anew on rendered scenes, the decoder
learns from some of them for a few hundred steps, and its temperatures, its factor of deviations and what joins its verdicts and
deviations with depth's are fitted on the others.
Whenever segmentation or measuring change, how right a measurement is changes with them. An hour or less on one CPU core; a call
after one that was cut off goes on. To ship it: copy what is in ``out/model`` to spatialvlm_ros/models/embedded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...scene.relations import RELATIONS, Kind
from ...vlm.embedded.decoder import AnswerDecoder
from ...vlm.embedded.decoder_files import save_decoder
from ...vlm.embedded.decoder_words import Words
from ...vlm.embedded.model import SpatialVlmModel
from ...vlm.embedded.verdicts import dimension_of
from ...vlm.weights import check_weights
from .answers_data import PosedThings, pool_things
from .answers_data_text import TYPES, all_questions, question_table
from .assemble import FIGURES, assemble
from .measured_pool import PoolConfig, make_pool
from .train_decoder import DecoderTraining, train_decoder
from .train_decoder_judge import Said, ask, calibrate, fit_deviations, fit_verdicts, joined_shares, summary, table_of

Report = Callable[[dict[str, float]], None]
#: Scenes of nobody else: 500000 to 559999 and 700000 to 739999 judge, those below 50000 the decoder was first trained on.
LEARN_SEED, FIT_SEED, REPORT_SEED = 690_000, 691_000, 692_000
#: Types whose answer is a length.
LENGTHS = tuple(name for name in TYPES if RELATIONS[name].kind is Kind.ESTIMATE)


@dataclass(frozen=True)
class Refit:
    """One run.

    Attributes:
        out: gets pools, the training's files and ``model``.
        model: folder of the model; None for the one that is shipped.
        learn, fit, report: scenes to learn from, to fit on and to report on; each gives two images.
        steps: of training; 0 fits alone.
        questions: of each type that are asked to fit and to report.
        comparisons: of each type that compares two things, to fit verdicts: what is rare in them (a thing that is not what it
            seems to be) decides how sure a clear margin makes.
    """

    out: Path
    model: Path | None = None
    learn: int = 320
    fit: int = 160
    report: int = 80
    steps: int = 400
    learning_rate: float = 3e-4
    questions: int = 600
    comparisons: int = 3000
    seed: int = 0


def refit(run: Refit, told: Report | None = None) -> dict[str, Any]:
    """Write ``out/model``; what was fitted, and figures on scenes of which nothing was learnt, before and after.

    Raises:
        VlmError: there is no such model, or its files are not what they should be.
        ValueError: it has no decoder.
    """
    torch.set_num_threads(1)
    folder = check_weights(run.model).folder
    model = SpatialVlmModel.from_pretrained(folder)
    if model.decoder is None:
        raise ValueError(f"{folder} has no decoder, so nothing can be fitted to measurements")
    old: AnswerDecoder = model.decoder.eval()
    reporting = pool_things(_pool(run.out, REPORT_SEED, run.report))
    before = _figures(old, reporting, run)
    new = _trained(run, old, told) if run.steps else old
    fitting = pool_things(_pool(run.out, FIT_SEED, run.fit))
    fitted: dict[str, Any] = dict(calibrate(new, _asked(new, fitting, run.questions)))
    # Asked again: its probabilities are calibrated now.
    compared = [name for name in TYPES if dimension_of(name)]
    fitted["verdicts"] = fit_verdicts(_asked(new, fitting, run.comparisons, compared), fitting)
    fitted["deviations"] = fit_deviations(_asked(new, fitting, run.questions, LENGTHS), fitting)
    shares = joined_shares(_asked(new, reporting, run.questions, LENGTHS), reporting, fitted["deviations"])
    figures = {
        "before": before,
        "after": _figures(new, reporting, run) | shares,
        "fitted": fitted,
        "steps": run.steps,
        "scenes": run.learn if run.steps else 0,
    }
    beside = json.loads((folder / FIGURES).read_text(encoding="utf-8")) if (folder / FIGURES).is_file() else {}
    sizes, calibration = model.config.gripper_config(), model.config.calibration_config()
    calibration = replace(calibration, verdicts=fitted["verdicts"], deviations=fitted["deviations"])
    assemble(run.out / "model", model.tower, model.gripper, sizes, new, calibration, {**beside, "decoder": figures})
    return figures


def _trained(run: Refit, old: AnswerDecoder, told: Report | None) -> AnswerDecoder:
    save_decoder(old, run.out / "start")
    _pool(run.out, LEARN_SEED, run.learn)
    training = DecoderTraining(
        run.out / "decoder", steps=run.steps, learning_rate=run.learning_rate, warm_up=min(50, run.steps), seed=run.seed,
        pool=run.out / "pool", pool_share=0.8, held_out_from=LEARN_SEED + run.learn, start=run.out / "start", half=False,
    )  # fmt: skip
    return train_decoder(training, told)


def _pool(out: Path, first_seed: int, scenes: int) -> list[Path]:
    return make_pool(PoolConfig(first_seed, scenes, scenes_a_shard=min(20, scenes)), out / "pool")


def _asked(decoder: AnswerDecoder, things: PosedThings, count: int, types: Collection[str] = TYPES) -> Said:
    table = question_table(all_questions(), Words(decoder.config.words), decoder.config.max_question)
    return ask(decoder, things, table, count, seed=5, types=types)


def _figures(decoder: AnswerDecoder, things: PosedThings, run: Refit) -> dict[str, float]:
    return summary(table_of(_asked(decoder, things, run.questions), things))


def main(arguments: list[str] | None = None) -> int:
    """0 done."""
    parser = argparse.ArgumentParser(description="Fit the embedded model's decoder to what is measured now.")
    parser.add_argument("--out", type=Path, default=Path("out/refit-decoder"), help="pools, checkpoint and model")
    parser.add_argument("--model", type=Path, help="folder of the model (default: the shipped one)")
    parser.add_argument("--steps", type=int, default=Refit.steps, help="of training; 0 fits calibration alone")
    parser.add_argument("--scenes", type=int, default=Refit.learn, help="to learn from")
    chosen = parser.parse_args(arguments)
    run = replace(Refit(chosen.out, chosen.model), steps=chosen.steps, learn=chosen.scenes)
    figures = refit(run, lambda entry: print(json.dumps(entry), flush=True))
    print(json.dumps(figures, indent=1, sort_keys=True))
    print(f"the model lies in {run.out / 'model'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
