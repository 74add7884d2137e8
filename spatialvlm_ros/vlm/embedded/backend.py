"""The embedded model behind the interface of all models: trained by this package's own pipeline, quick on a CPU."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...scene.facts import Query
from ..interface import SpatialVlm, View, VlmError
from ..weights import WeightsError, check_weights
from .config import SpatialVlmConfig
from .glance import EmbeddedGlance
from .model import SpatialVlmModel
from .tokenizer import PhraseTokenizer
from .verdicts import verdict


class EmbeddedVlm(SpatialVlm):
    """A ``SpatialVlmModel`` as a grounder and answerer.

    Args:
        model: in evaluation mode, on its device.
        version: what differs whenever its output may.
        mend_masks: whether regions carry the masks that the network mends, or the proposals as they are.
    """

    def __init__(self, model: SpatialVlmModel, version: str, mend_masks: bool = True) -> None:
        self.model = model.eval()
        self.version = version
        self._mend_masks = mend_masks
        tower = model.tower.config
        self.tokenizer = PhraseTokenizer(tower.words, tower.max_words)
        self.calibration = model.config.calibration_config()

    @classmethod
    def from_folder(cls, folder: Path | str | None = None, device: str = "cpu", mend_masks: bool = True) -> EmbeddedVlm:
        """Open the model of a folder, None for the one that comes with this package, after its files were checked.

        Raises:
            WeightsError: missing, changed or pickled weights, or such as do not fit this version; see weights.py.
            VlmError: a device that is not there, or too little memory.
        """
        checked = check_weights(None if folder is None else Path(folder))
        try:
            # Not from_pretrained, which draws a progress bar into whatever output there is.
            model = SpatialVlmModel(SpatialVlmConfig.from_pretrained(checked.folder, local_files_only=True))
            model.load_state_dict(load_file(checked.folder / "model.safetensors"))
        # transformers raises whatever its parts raise; each means that the files do not fit this version.
        except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
            raise WeightsError(
                f"{checked.folder} cannot be opened by this version: {error}; train again or install again"
            ) from error
        try:
            model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise VlmError(f"the embedded model cannot be put on device {device!r}: {error}; use 'cpu'") from error
        place = "" if device == "cpu" else f" {device}"
        return cls(model, f"embedded {checked.sha256[:12]} torch {torch.__version__}{place}", mend_masks)

    @property
    def answers(self) -> bool:
        return self.model.decoder is not None

    @property
    def reads_depth(self) -> bool:
        return True

    def joined_verdict(self, query: Query, margin: float, own: float) -> float | None:
        return verdict(self.calibration.verdicts, query.relation, margin, own)

    def look(self, view: View) -> EmbeddedGlance:
        return EmbeddedGlance(self.model, self.tokenizer, self.calibration, view, self._mend_masks and view.mend_masks)
