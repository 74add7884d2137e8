"""The stages of synthesis that need a model: which pictures are scenes, what is on them and where, how far away it is.

Never changes: what a source knows goes before what a model estimates, a camera is never guessed, and a picture that a model
cannot take costs itself only.

Each stage takes one picture, as record.Stage says, or several at once by ``many``, which keeps a GPU busy.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..geometry.camera import CameraModel
from ..perception.models.boxes import Detection, areas, box_mask, clipped, suppress
from ..perception.models.captioner import DENSE_CAPTIONS, PROPOSING_TASKS, RegionCaptioner
from ..perception.models.captions import clean_caption
from ..perception.models.detector import ZeroShotDetector
from ..perception.models.errors import ModelInputError, ModelMemoryError
from ..perception.models.image_text import SceneFilter
from ..perception.models.metric_depth import MetricDepth
from ..perception.models.segmenter import Segmenter
from ..scene.noise import DepthNoise
from .record import Dropped, NamedRegion, Picture

_NAME_RE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class BatchedStage(ABC):
    """What the stages here share: one picture is a batch of one, and a picture that the model cannot take is dropped alone."""

    name = ""

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        result = self.many([picture])[0]
        if isinstance(result, Dropped):
            raise result
        return result

    def many(self, pictures: Sequence[Picture]) -> list[Picture | Dropped]:
        """For each picture what ``__call__`` returns or raises.

        Raises:
            ModelError: the model itself cannot be used; no single picture is to blame.
        """
        try:
            return self._many(pictures)
        except (ModelInputError, ModelMemoryError) as error:
            if len(pictures) > 1:
                return [self.many([picture])[0] for picture in pictures]
            cause = "model_memory" if isinstance(error, ModelMemoryError) else "model_input"
            return [Dropped(cause, str(error), pictures[0].key)]

    @abstractmethod
    def _many(self, pictures: Sequence[Picture]) -> list[Picture | Dropped]: ...


class FilterStage(BatchedStage):
    """Drops pictures that are no scenes, as "filter_closeup" and the like."""

    name = "filter"

    def __init__(self, scene_filter: SceneFilter) -> None:
        self._filter = scene_filter
        odd = [caption.name for caption in scene_filter.captions if not _NAME_RE.fullmatch(caption.name)]
        if odd:
            raise ValueError(f"kinds of pictures are named in small letters, digits and '_', got {odd}")

    @property
    def version(self) -> str:
        captions = ", ".join(f"{'keep' if one.keep else 'drop'} '{one.text}'" for one in self._filter.captions)
        return f"{self._filter.version}; {captions}"

    def _many(self, pictures: Sequence[Picture]) -> list[Picture | Dropped]:
        results: list[Picture | Dropped] = []
        for picture, verdict in zip(pictures, self._filter([picture.color for picture in pictures]), strict=True):
            share = verdict.probabilities[verdict.name]
            text = f"looks like '{verdict.name}' ({share:.0%}), not like a scene"
            results.append(picture if verdict.keep else Dropped(f"filter_{verdict.name}", text, picture.key))
        return results


@dataclass(frozen=True)
class RegionOptions:
    """Which boxes become regions.

    Attributes:
        names: what the detector looks for; none: whatever there is (OWLv2 only).
        task: what Florence-2 is asked where there is no detector.
        min_area_share: a box with a smaller share of the picture is dropped.
        most_overlap: of two boxes that overlap by more (intersection over union) the one with the lower score is dropped.
        max_regions: only so many of the best are kept.
    """

    names: tuple[str, ...] = ()
    task: str = DENSE_CAPTIONS
    min_area_share: float = 0.0005
    most_overlap: float = 0.7
    max_regions: int = 20

    def __post_init__(self) -> None:
        if not (0 <= self.min_area_share < 1 and 0 <= self.most_overlap <= 1 and self.max_regions >= 1):
            raise ValueError(f"shares are between 0 and 1 and max_regions at least 1, got {self}")
        if self.task not in PROPOSING_TASKS:
            raise ValueError(f"task '{self.task}' proposes no regions; use one of {', '.join(PROPOSING_TASKS)}")


class RegionStage(BatchedStage):
    """Finds the things on pictures that come without regions: boxes, captions, masks.

    Boxes are the detector's, else Florence-2's. Captions are the names that were looked for, else what the captioner says.
    Masks are the segmenter's, else the boxes themselves, which hold a good deal of what is behind.
    """

    name = "regions"

    def __init__(
        self,
        detector: ZeroShotDetector | None = None,
        captioner: RegionCaptioner | None = None,
        segmenter: Segmenter | None = None,
        options: RegionOptions | None = None,
    ) -> None:
        """Raises ValueError when nothing finds boxes, or nothing gives words to them."""
        self._detector, self._captioner, self._segmenter = detector, captioner, segmenter
        self._options = options or RegionOptions()
        if detector is None and (captioner is None or not captioner.is_florence):
            raise ValueError("regions need a detector, or a captioner of Florence-2's class, to find boxes")
        if detector is not None and not self._options.names and not (detector.can_propose and captioner):
            raise ValueError("the detector needs names to look for; without any, OWLv2 and a captioner can do")

    @property
    def version(self) -> str:
        parts = {"detector": self._detector, "captioner": self._captioner, "segmenter": self._segmenter}
        models = [f"{name} {part.version}" for name, part in parts.items() if part is not None]
        return "; ".join([*models, str(self._options)])

    def _many(self, pictures: Sequence[Picture]) -> list[Picture | Dropped]:
        open_ones = [picture for picture in pictures if not picture.regions]
        found = iter(zip(open_ones, self._boxes(open_ones), strict=True))
        return [picture if picture.regions else self._with_regions(*next(found)) for picture in pictures]

    def _boxes(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        images = [picture.color for picture in pictures]
        if self._detector is None:
            assert self._captioner is not None
            return self._captioner.propose(images, self._options.task)
        if self._options.names:
            return self._detector(images, self._options.names)
        return self._detector.propose(images, limit=5 * self._options.max_regions)

    def _with_regions(self, picture: Picture, found: Sequence[Detection]) -> Picture | Dropped:
        height, width = picture.color.shape[:2]
        kept, causes, others = self._selected(found, width, height)
        named: list[Detection] = []
        for detection, caption in zip(kept, self._captions(picture, kept), strict=True):
            if caption:
                named.append(replace(detection, name=caption))
            else:
                causes.append("caption_empty")
        if not named:
            return Dropped("no_regions", f"shows nothing that was found and named ({len(found)} boxes)", picture.key)
        boxes = [detection.box for detection in named]
        masks = [one.mask for one in self._segmenter(picture.color, boxes)] if self._segmenter else None
        regions = tuple(
            NamedRegion(
                box_mask(detection.box, width, height) if masks is None else masks[at],
                detection.name,
                detection.score,
                self._origin,
            )
            for at, detection in enumerate(named)
        )
        sight = (*picture.also_in_sight, *others)
        return replace(picture, regions=regions, also_in_sight=sight).with_drops(causes)

    def _selected(self, found: Sequence[Detection], width: int, height: int) -> tuple[list[Detection], list[str], list[str]]:
        """The boxes to keep, best first; causes of the others; and captions of those that are things nonetheless."""
        boxes = clipped([detection.box for detection in found], width, height)
        big = [at for at, area in enumerate(areas(boxes)) if area > 0 and area >= self._options.min_area_share * width * height]
        order = suppress(boxes[big], [found[at].score for at in big], self._options.most_overlap)
        kept, surplus = order[: self._options.max_regions], order[self._options.max_regions :]
        small = [at for at in range(len(found)) if at not in set(big)]
        causes = ["region_small"] * len(small) + ["region_double"] * (len(big) - len(order)) + ["region_surplus"] * len(surplus)
        others = [clean_caption(found[at].name) for at in [*small, *(big[at] for at in surplus)]]
        best = [replace(found[big[at]], box=tuple(boxes[big[at]].tolist())) for at in kept]
        return best, causes, [caption for caption in others if caption]

    def _captions(self, picture: Picture, kept: Sequence[Detection]) -> list[str]:
        """One caption for each box, "" where nothing can be said."""
        if self._captioner and kept and not any(detection.name for detection in kept):
            said = self._captioner.describe([picture.color], [[detection.box for detection in kept]])[0]
            return [clean_caption(text) for text in said]
        return [clean_caption(detection.name) for detection in kept]

    @property
    def _origin(self) -> str:
        finder = self._detector or self._captioner
        assert finder is not None
        return finder.version.split("@", 1)[0]


MODEL_NOISE = DepthNoise(floor_m=0.01, quadratic_per_m=0.01, scale=0.1, lateral_px=2.0)


@dataclass(frozen=True)
class DepthOptions:
    """What is said about a model's depth.

    Attributes:
        horizontal_fov_deg: of pictures without a camera, where the model gives none. No default, for a wrong one bends space.
        noise: how the model's depth errs. Such models miss the scale of a scene that they were not trained on by about a tenth.
    """

    horizontal_fov_deg: float | None = None
    noise: DepthNoise = MODEL_NOISE

    def __post_init__(self) -> None:
        fov = self.horizontal_fov_deg
        if fov is not None and not (math.isfinite(fov) and 0 < fov < 180):
            raise ValueError(f"a field of view is between 0 and 180 degrees, got {fov}")


class DepthStage(BatchedStage):
    """Depth and camera of pictures that come without; a sensor's depth and a known camera stay as they are."""

    name = "depth"

    def __init__(self, model: MetricDepth, options: DepthOptions | None = None) -> None:
        self._model, self._options = model, options or DepthOptions()

    @property
    def version(self) -> str:
        return f"{self._model.version}; {self._options}"

    def _many(self, pictures: Sequence[Picture]) -> list[Picture | Dropped]:
        asked = [at for at, picture in enumerate(pictures) if self._is_asked(picture)]
        focals = [self._focal_px(pictures[at]) for at in asked]
        estimates = dict(zip(asked, self._model([pictures[at].color for at in asked], focals), strict=True))
        results: list[Picture | Dropped] = []
        for at, picture in enumerate(pictures):
            estimate = estimates.get(at)
            fov = estimate.horizontal_fov_deg if estimate else None
            results.append(self._completed(picture, estimate.depth_m if estimate else None, fov))
        return results

    def _is_asked(self, picture: Picture) -> bool:
        """Whether the model has something to add."""
        stated = picture.camera is not None or self._options.horizontal_fov_deg is not None
        if picture.depth_m is None:
            return stated or self._model.gives_fov
        return picture.camera is None and self._model.gives_fov

    def _focal_px(self, picture: Picture) -> float | None:
        if picture.camera is not None:
            return picture.camera.fx
        if self._model.gives_fov or self._options.horizontal_fov_deg is None:
            return None
        height, width = picture.color.shape[:2]
        return camera_of_fov(width, height, self._options.horizontal_fov_deg).fx

    def _completed(self, picture: Picture, depth_m: Any, fov_deg: float | None) -> Picture | Dropped:
        height, width = picture.color.shape[:2]
        fov = self._options.horizontal_fov_deg if fov_deg is None else fov_deg
        if picture.camera is None:
            if fov is None:
                text = "comes without a camera and the model gives no field of view; state horizontal_fov_deg if it is known"
                return Dropped("no_field_of_view", text, picture.key)
            picture = replace(picture, camera=camera_of_fov(width, height, fov))
        if picture.depth_m is not None:
            return picture
        if depth_m is None or not np.isfinite(depth_m).any():
            return Dropped("no_depth", "has no pixel that the model gives a depth for", picture.key)
        return replace(picture, depth_m=depth_m, depth_origin=self._model.version.split("@", 1)[0], noise=self._options.noise)


def camera_of_fov(width: int, height: int, horizontal_fov_deg: float) -> CameraModel:
    """A pinhole camera with square pixels and the optical axis in the middle of the picture."""
    focal_px = 0.5 * width / math.tan(math.radians(horizontal_fov_deg) / 2)
    return CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
