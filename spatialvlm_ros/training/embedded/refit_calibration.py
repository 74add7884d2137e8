"""A trained model's probabilities of names, fitted anew: after what proposes regions, or another witness, has changed.

``python -m spatialvlm_ros.training.embedded.refit_calibration --out FOLDER`` takes minutes and writes a whole model. Networks,
verdicts and the priors of who asks stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...vlm.embedded.model import SpatialVlmModel
from ...vlm.weights import check_weights
from .assemble import FIGURES, assemble
from .tower_scores import evidence_of, fit_on, score
from .tower_validation import build_validation

#: Scenes of the other renderer that nobody tests on; those that are reported on follow.
FIRST_SEED, SCENES = 676_000, 200


def refit_calibration(out: Path, folder: Path | None = None, first: int = FIRST_SEED, scenes: int = SCENES) -> dict[str, Any]:
    """Write ``out``, the model with a calibration fitted on ``scenes`` from seed ``first`` on; figures on half as many others.

    Raises:
        VlmError: there is no such model, or its files are not what they should be.
    """
    checked = check_weights(folder).folder
    model = SpatialVlmModel.from_pretrained(checked).eval()
    tower, before = model.tower, model.config.calibration_config()
    fitting = build_validation(range(first, first + scenes))
    reporting = build_validation(range(first + scenes, first + scenes + max(1, scenes // 2)))
    fitted = fit_on(fitting, evidence_of(tower, fitting)[0])
    kept = {name: getattr(before, name) for name in ("prior_odds", "asked_odds", "found", "rival", "verdicts", "deviations")}
    after = replace(fitted, **kept)
    figures = {"before": score(tower, reporting, before), "after": score(tower, reporting, after), "scenes": scenes}
    beside = json.loads((checked / FIGURES).read_text(encoding="utf-8")) if (checked / FIGURES).is_file() else {}
    sizes = model.config.gripper_config()
    assemble(out, tower, model.gripper, sizes, model.decoder, after, {**beside, "calibration": figures})
    return figures


def main(arguments: list[str] | None = None) -> int:
    """0 done."""
    parser = argparse.ArgumentParser(description="Fit the embedded model's probabilities of names anew.")
    parser.add_argument("--out", type=Path, default=Path("out/refit-calibration"), help="folder for the model")
    parser.add_argument("--model", type=Path, help="folder of the model (default: the shipped one)")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many scenes to fit on")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    figures = refit_calibration(chosen.out, chosen.model, chosen.first, chosen.scenes)
    print(json.dumps(figures, indent=1, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
