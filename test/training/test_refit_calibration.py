from pathlib import Path

import numpy as np
import torch

from spatialvlm_ros.training.embedded.refit_calibration import refit_calibration
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm


def test_probabilities_of_names_are_fitted_anew_and_all_else_stays(tmp_path: Path) -> None:
    figures = refit_calibration(tmp_path / "model", first=679_900, scenes=8)
    before, after = EmbeddedVlm.from_folder(), EmbeddedVlm.from_folder(tmp_path / "model")
    fitted, shipped = after.calibration, before.calibration
    assert fitted.slope > 0 and (fitted.slope, fitted.forms) != (shipped.slope, shipped.forms)
    for kept in ("prior_odds", "asked_odds", "found", "rival"):
        assert getattr(fitted, kept) == getattr(shipped, kept)
    assert dict(fitted.verdicts) == dict(shipped.verdicts) and tuple(fitted.deviations) == tuple(shipped.deviations)
    assert shipped.deviations
    weights = before.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in after.model.state_dict().items())
    assert np.isfinite(figures["after"]["present auroc"]) and figures["before"]["mask iou"] == figures["after"]["mask iou"]
