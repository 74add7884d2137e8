"""From options to the stages that need a model: what a pipeline's registry calls, in the worker that will use them.

Options are plain JSON values, so that they can stand in a PipelineConfig. Never changes: a model that two stages share is loaded
once a process, and what is missing can be told without loading anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..perception.models.captioner import RegionCaptioner
from ..perception.models.detector import ZeroShotDetector
from ..perception.models.image_text import SCENE_CAPTIONS, ImageTextModel, SceneCaption, SceneFilter, TextEmbedder
from ..perception.models.loader import LoadedModel, ModelKind, import_torch, load_model, missing
from ..perception.models.metric_depth import MetricDepth
from ..perception.models.segmenter import Segmenter
from ..scene.noise import DepthNoise
from .model_stages import DepthOptions, DepthStage, FilterStage, RegionOptions, RegionStage


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and where it runs: as ``load_model`` takes it.

    Attributes:
        batch_size: pictures, crops or boxes at a time.
        threads: of torch in this process, on the CPU. One, because sums come out differently with other numbers, and data must
            not depend on how many cores a machine has; workers are many anyway. 0 leaves torch as it is.
    """

    model: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    allow_download: bool = False
    batch_size: int = 8
    threads: int = 1

    def load(self, kind: ModelKind) -> LoadedModel:
        if self.threads > 0:
            torch, _ = import_torch()
            torch.set_num_threads(self.threads)
        return _load(kind, self.model, self.revision, self.device, self.dtype, self.allow_download)

    def missing(self, kind: ModelKind) -> str:
        return missing(kind, self.model, revision=self.revision, allow_download=self.allow_download)


@lru_cache(maxsize=8)
def _load(kind: ModelKind, model: str, revision: str | None, device: str, dtype: str, allow_download: bool) -> LoadedModel:
    return load_model(kind, model, revision=revision, device=device, dtype=dtype, allow_download=allow_download)


def filter_stage(captions: Sequence[Mapping[str, Any]] | None = None, **model: Any) -> FilterStage:
    """Options: those of ModelChoice, and ``captions`` as dicts of SceneCaption (None: those of the paper)."""
    choice = ModelChoice(**model)
    wanted = SCENE_CAPTIONS if captions is None else [SceneCaption(**caption) for caption in captions]
    encoder = ImageTextModel(choice.load(ModelKind.IMAGE_TEXT), batch_size=choice.batch_size)
    return FilterStage(SceneFilter(encoder, wanted))


def region_stage(
    detector: Mapping[str, Any] | None = None,
    captioner: Mapping[str, Any] | None = None,
    segmenter: Mapping[str, Any] | None = None,
    **options: Any,
) -> RegionStage:
    """Options: for each model a dict of ModelChoice (the detector's may have a ``threshold``), and those of RegionOptions."""
    chosen = RegionOptions(**{**options, "names": tuple(options.get("names", ()))})
    finder = namer = masker = None
    if detector is not None:
        settings = dict(detector)
        threshold = settings.pop("threshold", None)
        choice = ModelChoice(**settings)
        finder = ZeroShotDetector(choice.load(ModelKind.DETECTOR), threshold=threshold, batch_size=choice.batch_size)
    if captioner is not None:
        choice = ModelChoice(**captioner)
        namer = RegionCaptioner(choice.load(ModelKind.CAPTIONER), batch_size=choice.batch_size)
    if segmenter is not None:
        choice = ModelChoice(**segmenter)
        masker = Segmenter(choice.load(ModelKind.SEGMENTER), batch_size=choice.batch_size)
    return RegionStage(finder, namer, masker, chosen)


def depth_stage(horizontal_fov_deg: float | None = None, noise: Mapping[str, float] | None = None, **model: Any) -> DepthStage:
    """Options: those of ModelChoice, ``horizontal_fov_deg``, and ``noise`` as a dict of DepthNoise."""
    choice = ModelChoice(**model)
    default = DepthOptions(horizontal_fov_deg)
    options = default if noise is None else DepthOptions(horizontal_fov_deg, DepthNoise(**noise))
    return DepthStage(MetricDepth(choice.load(ModelKind.DEPTH), batch_size=choice.batch_size), options)


def caption_similarity(**model: Any) -> TextEmbedder:
    """``similarity`` of it is an ambiguity.Similarity, and its ``version`` belongs to the asker's. Options: as ModelChoice."""
    choice = ModelChoice(**model)
    return TextEmbedder(ImageTextModel(choice.load(ModelKind.IMAGE_TEXT), batch_size=choice.batch_size))


def missing_filter(captions: Sequence[Mapping[str, Any]] | None = None, **model: Any) -> str:
    """What the stage of these options lacks, "" for nothing."""
    return ModelChoice(**model).missing(ModelKind.IMAGE_TEXT)


def missing_regions(
    detector: Mapping[str, Any] | None = None,
    captioner: Mapping[str, Any] | None = None,
    segmenter: Mapping[str, Any] | None = None,
    **options: Any,
) -> str:
    """What the stage of these options lacks, "" for nothing."""
    RegionOptions(**{**options, "names": tuple(options.get("names", ()))})
    kinds = ((detector, ModelKind.DETECTOR), (captioner, ModelKind.CAPTIONER), (segmenter, ModelKind.SEGMENTER))
    wanted = [({k: v for k, v in given.items() if k != "threshold"}, kind) for given, kind in kinds if given is not None]
    return "; ".join(filter(None, (ModelChoice(**given).missing(kind) for given, kind in wanted)))


def missing_depth(horizontal_fov_deg: float | None = None, noise: Mapping[str, float] | None = None, **model: Any) -> str:
    """What the stage of these options lacks, "" for nothing."""
    return ModelChoice(**model).missing(ModelKind.DEPTH)


MODEL_STAGES: Mapping[str, Callable[..., FilterStage | RegionStage | DepthStage]] = {
    "filter": filter_stage,
    "regions": region_stage,
    "depth": depth_stage,
}
MODEL_CHECKS: Mapping[str, Callable[..., str]] = {"filter": missing_filter, "regions": missing_regions, "depth": missing_depth}
