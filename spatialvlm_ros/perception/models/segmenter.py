"""From boxes to masks: SAM and SAM 2. Of the masks that a model proposes for a box, the one that it trusts most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .batches import in_batches
from .boxes import BoolArray, FloatArray, areas, as_boxes, clipped
from .errors import ModelInputError
from .loader import OWN_PIXELS, LoadedModel, import_torch
from .pixels import PixelSettings, UInt8Array, as_rgb, processed_inputs


@dataclass(frozen=True)
class BoxMask:
    """The pixels (H, W) of the thing in a box, possibly none, and how good the model thinks they are, in [0, 1]."""

    mask: BoolArray
    score: float


@dataclass(frozen=True)
class _Prepared:
    """A picture as the model takes it: the part ``used`` (rows, columns) of its input of ``size`` holds the picture."""

    embeddings: Any
    size: tuple[int, int]
    used: tuple[int, int]


class Segmenter:
    """Boxes to masks."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16) -> None:
        """``batch_size``: boxes at a time; the picture itself is read once."""
        self._loaded, self._batch_size = loaded, batch_size
        self._settings = PixelSettings.of_folder(loaded.folder, antialias=True) if loaded.model_type in OWN_PIXELS else None

    @property
    def version(self) -> str:
        return self._loaded.info.version

    def __call__(self, image: npt.NDArray[np.generic], boxes: npt.ArrayLike) -> list[BoxMask]:
        """One mask for each box (N, 4) in pixels, in order; no boxes give no masks.

        Raises:
            ModelInputError: a picture that is none, or a box without area in the picture.
        """
        picture = as_rgb(image)
        height, width = picture.shape[:2]
        inside = clipped(boxes, width, height)
        if (areas(inside) <= 0).any():
            bad = as_boxes(boxes)[int(np.argmax(areas(inside) <= 0))].tolist()
            raise ModelInputError(f"box {bad} has no area inside a picture of {width} x {height}")
        if not len(inside):
            return []
        prepared = self._prepare(picture)
        scale = np.array([prepared.used[1] / width, prepared.used[0] / height] * 2)
        run = self._run_for(prepared, (height, width))
        return in_batches(list(inside * scale), self._batch_size, run)

    def _prepare(self, picture: UInt8Array) -> _Prepared:
        torch, _ = import_torch()
        if self._settings:
            pixels = self._settings.pixels(picture)[None]
            used = (self._settings.height, self._settings.width)
        else:
            inputs = processed_inputs(self._loaded.processor, picture)
            pixels = inputs["pixel_values"].float()
            rows, columns = inputs["reshaped_input_sizes"][0].tolist()
            used = (int(rows), int(columns))
        with torch.inference_mode():
            embeddings = self._loaded.model.get_image_embeddings(self._loaded.to_device({"pixel_values": pixels})["pixel_values"])
        return _Prepared(embeddings, (int(pixels.shape[2]), int(pixels.shape[3])), used)

    def _run_for(self, prepared: _Prepared, size: tuple[int, int]) -> Any:
        torch, _ = import_torch()

        def run(boxes: Sequence[FloatArray]) -> list[BoxMask]:
            prompts = torch.from_numpy(np.stack(boxes)[None].astype(np.float32))
            inputs = self._loaded.to_device({"input_boxes": prompts})
            with torch.inference_mode():
                # SAM 2 gets a list of maps, and its forward pass must not find them changed by the one before.
                found = prepared.embeddings
                output = self._loaded.model(
                    image_embeddings=list(found) if isinstance(found, list) else found, multimask_output=True, **inputs
                )
                scores = output.iou_scores[0].float().nan_to_num(nan=-1.0)
                best = scores.argmax(dim=1)
                chosen = output.pred_masks[0][torch.arange(len(boxes)), best].float()
                masks = _at_size(chosen, prepared, size).cpu().numpy()
            values = scores.max(dim=1).values.clamp(0, 1).cpu().tolist()
            return [BoxMask(mask, float(score)) for mask, score in zip(masks, values, strict=True)]

        return run


def _at_size(logits: Any, prepared: _Prepared, size: tuple[int, int]) -> Any:
    """(N, H, W) bool of the picture from logits (N, h, w) over the model's whole input."""
    torch, _ = import_torch()
    resize = torch.nn.functional.interpolate
    whole = resize(logits[:, None], size=prepared.size, mode="bilinear", align_corners=False)
    part = whole[..., : prepared.used[0], : prepared.used[1]]
    return resize(part, size=size, mode="bilinear", align_corners=False)[:, 0] > 0
