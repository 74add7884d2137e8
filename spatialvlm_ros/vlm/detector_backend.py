"""Zero-shot detectors (OWLv2, Grounding DINO) with or without a segmenter, as a model that finds names and answers nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..perception.models.detector import ZeroShotDetector
from ..perception.models.loader import ModelKind, load_model
from ..perception.models.pixels import as_rgb
from ..perception.models.segmenter import Segmenter
from .grounding_formats import Place
from .hub_model import as_vlm_error, load_segmenter
from .interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View, VlmError
from .options import VlmOptions
from .regions import ground_places


class DetectorVlm(SpatialVlm):
    """See the module."""

    def __init__(self, detector: ZeroShotDetector, segmenter: Segmenter | None = None) -> None:
        self.detector, self.segmenter = detector, segmenter
        self.version = detector.version + (f", outlined by {segmenter.version}" if segmenter is not None else "")

    @staticmethod
    def from_pretrained(path_or_id: str, revision: str | None = None, options: VlmOptions | None = None) -> DetectorVlm:
        """Load by path or hub id. Raises VlmError."""
        options = options or VlmOptions()
        with as_vlm_error(f"detector {path_or_id} cannot be used"):
            loaded = load_model(
                ModelKind.DETECTOR, path_or_id, revision=revision, device=options.device, dtype=options.dtype,
                allow_download=options.allow_download,
            )  # fmt: skip
            threshold = None if math.isnan(options.threshold) else options.threshold
            return DetectorVlm(ZeroShotDetector(loaded, threshold=threshold), load_segmenter(options))

    @property
    def answers(self) -> bool:
        return False

    def look(self, view: View) -> DetectorGlance:
        with as_vlm_error("the detector cannot look at this picture"):
            as_rgb(view.color)
        return DetectorGlance(self, view)


class DetectorGlance(Glance):
    """One picture before a detector. Each name is looked for alone: of several names a box gets the likeliest only, and "block"
    would take the boxes of "red block".
    """

    def __init__(self, vlm: DetectorVlm, view: View) -> None:
        self._vlm, self._view = vlm, view

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        with as_vlm_error("the detector failed"):
            return [self._ground(name) for name in names]

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        raise VlmError("a detector finds things and answers no questions; use an image-text-to-text model for that")

    def _ground(self, name: str) -> Grounding:
        if not any(letter.isalnum() for letter in name):
            return Grounding(name, (), 0.0, understood=False)
        detector = self._vlm.detector
        found = detector([self._view.color], [name])[0]
        places = [(Place(detection.box, (0, 0)), self._chance(detection.score)) for detection in found]
        present = max((score for _, score in places), default=0.0)
        return ground_places(self._view, name, places, present, "detector", self._vlm.segmenter)

    def _chance(self, score: float) -> float:
        """A detector's score as a probability: what its authors count as found is more likely than not."""
        least = self._vlm.detector.threshold
        return 0.5 + 0.5 * (score - least) / max(1.0 - least, 1e-9)
