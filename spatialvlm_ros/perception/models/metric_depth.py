"""Depth in metres from one picture: Depth Anything (metric), ZoeDepth, DepthPro; with DepthPro also the field of view.

Never changes: depth is the distance along the optical axis, in metres, at the picture's own size; where a model gives none it
is NaN, and a model that knows no metres is refused when it is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .batches import in_batches
from .errors import ModelInputError
from .loader import LoadedModel, import_torch
from .pixels import PixelSettings, UInt8Array, as_rgb, processed_pixels

Float32Array = npt.NDArray[np.float32]
# DepthPro gives inverse depth; what is farther than 10 km is sky.
_LEAST_INVERSE = 1e-4


@dataclass(frozen=True)
class DepthEstimate:
    """What a model makes of one picture.

    Attributes:
        depth_m: (H, W) float32, metres along the optical axis, NaN where there is none.
        horizontal_fov_deg: field of view across the picture's width; None when the model does not estimate it.
    """

    depth_m: Float32Array
    horizontal_fov_deg: float | None


@dataclass(frozen=True)
class _Item:
    pixels: Any
    size: tuple[int, int]
    focal_px: float | None


class MetricDepth:
    """Pictures to depth in metres."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 4) -> None:
        self._loaded, self._batch_size = loaded, batch_size
        self._is_pro = loaded.model_type == "depth_pro"
        self._settings = PixelSettings.of_folder(loaded.folder, antialias=False) if self._is_pro else None

    @property
    def version(self) -> str:
        return self._loaded.info.version

    @property
    def gives_fov(self) -> bool:
        return self._is_pro and bool(self._loaded.model.use_fov_model)

    def __call__(
        self, images: Sequence[npt.NDArray[np.generic]], focal_px: Sequence[float | None] | None = None
    ) -> list[DepthEstimate]:
        """Depth of each picture.

        Args:
            images: (H, W, 3) or (H, W) uint8.
            focal_px: focal length of each picture in its pixels where it is known; DepthPro uses it instead of its own estimate.

        Raises:
            ModelInputError: a picture that is none, a focal length that is not above 0, or DepthPro without its part for the
                field of view where no focal length is given.
        """
        known = [None] * len(images) if focal_px is None else list(focal_px)
        if len(known) != len(images):
            raise ModelInputError(f"{len(known)} focal lengths for {len(images)} pictures")
        items = [self._item(as_rgb(image), focal) for image, focal in zip(images, known, strict=True)]
        return in_batches(items, self._batch_size, self._run, key=lambda item: tuple(item.pixels.shape))

    def _item(self, image: UInt8Array, focal_px: float | None) -> _Item:
        if focal_px is not None and not (math.isfinite(focal_px) and focal_px > 0):
            raise ModelInputError(f"focal length is {focal_px} pixels; it must be above 0")
        if self._is_pro and focal_px is None and not self.gives_fov:
            raise ModelInputError("this DepthPro has no part for the field of view, so it needs the picture's focal length")
        size = (int(image.shape[0]), int(image.shape[1]))
        pixels = self._settings.pixels(image) if self._settings else processed_pixels(self._loaded.processor, image)
        return _Item(pixels, size, focal_px)

    def _run(self, batch: Sequence[_Item]) -> list[DepthEstimate]:
        torch, _ = import_torch()
        inputs = self._loaded.to_device({"pixel_values": torch.stack([item.pixels for item in batch])})
        with torch.inference_mode():
            output = self._loaded.model(**inputs)
            depths = output.predicted_depth.float()
            fovs = getattr(output, "field_of_view", None)
            degrees = [None] * len(batch) if fovs is None else fovs.float().cpu().tolist()
            read = self._pro if self._is_pro else self._direct
            return [read(depth, item, fov) for depth, item, fov in zip(depths, batch, degrees, strict=True)]

    def _direct(self, depth: Any, item: _Item, fov_deg: float | None) -> DepthEstimate:
        """Depth (h, w) in metres of the model's input to that of the picture."""
        height, width = item.size
        if self._loaded.model_type != "zoedepth" or not self._loaded.processor.do_pad:
            return DepthEstimate(_valid(_resized(depth, item.size)), None)
        # ZoeDepth's processor mirrors the picture beyond its edges by this much.
        rows, columns = (int(math.sqrt(length / 2) * 3) for length in item.size)
        padded = _resized(depth, (height + 2 * rows, width + 2 * columns))
        return DepthEstimate(_valid(padded[rows : rows + height, columns : columns + width]), None)

    def _pro(self, inverse: Any, item: _Item, fov_deg: float | None) -> DepthEstimate:
        """DepthPro's map (h, w) is inverse depth times focal length over width."""
        height, width = item.size
        usable = fov_deg is not None and math.isfinite(fov_deg) and 0 < fov_deg < 180
        focal_px = item.focal_px
        if focal_px is None and fov_deg is not None and usable:
            focal_px = 0.5 * width / math.tan(math.radians(fov_deg) / 2)
        if focal_px is None:
            # Without the scale there is no depth in metres.
            return DepthEstimate(np.full((height, width), np.nan, dtype=np.float32), None)
        scaled = _resized(inverse, item.size) * np.float32(width / focal_px)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(scaled > _LEAST_INVERSE, np.float32(1) / scaled, np.float32(np.nan))
        return DepthEstimate(_valid(depth), fov_deg if usable else None)


def _resized(depth: Any, size: tuple[int, int]) -> Float32Array:
    """(H, W) by linear interpolation: cubic would overshoot at edges and invent depth on both sides."""
    torch, _ = import_torch()
    resized = torch.nn.functional.interpolate(depth[None, None], size=size, mode="bilinear", align_corners=False)
    return np.asarray(resized[0, 0].cpu().numpy(), dtype=np.float32)


def _valid(depth: npt.NDArray[np.floating[Any]]) -> Float32Array:
    """A copy with NaN for what is not a distance."""
    good = np.isfinite(depth) & (depth > 0)
    return np.where(good, depth, np.nan).astype(np.float32)
