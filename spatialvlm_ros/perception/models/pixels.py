"""Pictures into the tensors that models take.

Most processors of transformers do this with Pillow and NumPy. Those of DepthPro and SAM 2 exist for torchvision alone, so the
same steps, with the settings of the model's folder, are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ModelInputError, ProcessorMissingError
from .loader import import_torch
from .weights import read_json

UInt8Array = npt.NDArray[np.uint8]
_SETTINGS_FILES = ("processor_config.json", "preprocessor_config.json")
# Pillow's numbers of filters.
_MODES = {2: "bilinear", 3: "bicubic"}


def as_rgb(image: npt.NDArray[np.generic]) -> UInt8Array:
    """(H, W, 3) uint8 of a colour image, or of a grey one (H, W) or (H, W, 1).

    Raises:
        ModelInputError: any other shape, no pixels, or another type than uint8.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise ModelInputError(f"picture is {array.dtype}; 8 bits a channel (uint8) are needed")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ModelInputError(f"picture has shape {np.shape(image)}; expected (height, width, 3) or grey (height, width)")
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)), dtype=np.uint8)


def processed_pixels(processor: Any, image: UInt8Array) -> Any:
    """(C, h, w) float32 tensor of one picture (H, W, 3), by a model's own processor.

    Raises:
        ModelInputError: the processor cannot bring it to a size that the model takes.
    """
    return processed_inputs(processor, image)["pixel_values"][0].float()


def processed_inputs(processor: Any, image: UInt8Array) -> Any:
    """All that a model's own processor makes of one picture, as a batch of one. Raises as ``processed_pixels`` does."""
    images = getattr(processor, "image_processor", processor)
    try:
        # Said outright: an image of 1 x 1 or 3 x 3 pixels could be read either way.
        return images(images=[image], return_tensors="pt", input_data_format="channels_last")
    # A side of 0 pixels after resizing comes out as either of these.
    except (ValueError, RuntimeError) as error:
        height, width = image.shape[:2]
        reason = " ".join(str(error).split())[:160]
        raise ModelInputError(f"a picture of {width} x {height} cannot be brought to the model's size: {reason}") from error


@dataclass(frozen=True)
class PixelSettings:
    """How a model wants its pixels: ``(value * rescale - mean) / std``, resized to height x width whatever the shape was."""

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float
    mode: str
    antialias: bool

    @staticmethod
    def of_folder(folder: Path, *, antialias: bool) -> PixelSettings:
        """Read the settings of a model's folder.

        Raises:
            ProcessorMissingError: there are none, or they say something that is not done here.
        """
        settings = _settings(folder)
        try:
            size = settings["size"]
            height, width = int(size["height"]), int(size["width"])
            mean, std = (tuple(float(x) for x in settings[name]) for name in ("image_mean", "image_std"))
            rescale = float(settings.get("rescale_factor", 1 / 255))
            mode = _MODES[int(settings.get("resample", 2))]
        except (KeyError, TypeError, ValueError) as error:
            raise ProcessorMissingError(f"the picture settings of {folder} are incomplete: {error!r}") from error
        if not all(settings.get(step, True) for step in ("do_resize", "do_rescale", "do_normalize")) or settings.get("do_pad"):
            raise ProcessorMissingError(f"the picture settings of {folder} ask for other steps than resize, rescale, normalize")
        return PixelSettings(height, width, mean, std, rescale, mode, antialias)

    def pixels(self, image: UInt8Array) -> Any:
        """(3, height, width) float32 tensor of a picture (H, W, 3)."""
        torch, _ = import_torch()
        values = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1) * self.rescale
        mean, std = (torch.tensor(x, dtype=torch.float32)[:, None, None] for x in (self.mean, self.std))
        size = (self.height, self.width)
        resized = torch.nn.functional.interpolate(
            ((values - mean) / std)[None], size=size, mode=self.mode, align_corners=False, antialias=self.antialias
        )
        return resized[0]


def _settings(folder: Path) -> dict[str, Any]:
    for name in _SETTINGS_FILES:
        found = read_json(folder / name) if (folder / name).is_file() else {}
        # In the first of them the settings are a part; older folders have them in a file of their own beside it.
        settings = found.get("image_processor", found)
        if isinstance(settings, dict) and "image_mean" in settings:
            return settings
    raise ProcessorMissingError(f"neither {_SETTINGS_FILES[0]} nor {_SETTINGS_FILES[1]} of {folder} has picture settings")
