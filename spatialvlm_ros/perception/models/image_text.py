"""CLIP and SigLIP: words and pictures in one space. A picture's scene by its captions, and how alike two captions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .batches import in_batches
from .errors import ModelInputError
from .loader import LoadedModel, import_torch
from .pixels import UInt8Array, as_rgb, processed_pixels

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SceneCaption:
    """One kind of picture: a short name, the caption that it is compared with, and whether such pictures are kept."""

    name: str
    text: str
    keep: bool


# Of the paper: two kinds to keep, seven to drop.
SCENE_CAPTIONS = (
    SceneCaption("indoor", "an iphone photo of an indoor scene", True),
    SceneCaption("outdoor", "an iphone photo of an outdoor scene", True),
    SceneCaption("closeup", "a closeup shot of a single object", False),
    SceneCaption("product", "a product displayed in front of a white background", False),
    SceneCaption("artwork", "an artwork", False),
    SceneCaption("painting", "a painting", False),
    SceneCaption("screenshot", "a screenshot of graphics user interface", False),
    SceneCaption("text", "a piece of text", False),
    SceneCaption("sketch", "a sketch", False),
)


@dataclass(frozen=True)
class SceneVerdict:
    """What a picture is: the most probable kind, whether to keep it, and the probability of each kind by its name."""

    name: str
    keep: bool
    probabilities: Mapping[str, float]


class ImageTextModel:
    """Pictures and texts to unit vectors (N, D) float64; the cosine of two of them is their product."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16) -> None:
        self._loaded, self._batch_size = loaded, batch_size

    @property
    def version(self) -> str:
        return self._loaded.info.version

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before the softmax over texts."""
        return float(self._loaded.model.logit_scale.detach().exp())

    def images(self, images: Sequence[npt.NDArray[np.generic]]) -> FloatArray:
        """(N, D) of pictures (H, W, 3) or (H, W) uint8. Raises ModelInputError for a picture that is none."""
        return self._embedded([as_rgb(image) for image in images], self._image_vectors)

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """(N, D) of texts; case does not matter, and what is too long for the model is cut.

        Raises:
            ModelInputError: a text is empty.
        """
        if any(not text.strip() for text in texts):
            raise ModelInputError("a text is empty, and nothing is like an empty text")
        return self._embedded([" ".join(text.lower().split()) for text in texts], self._text_vectors)

    def _embedded(self, items: Sequence[Any], run: Any) -> FloatArray:
        vectors = in_batches(items, self._batch_size, run)
        if not vectors:
            return np.zeros((0, int(self._loaded.model.config.text_config.hidden_size)))
        return np.stack(vectors)

    def _image_vectors(self, images: Sequence[UInt8Array]) -> list[FloatArray]:
        torch, _ = import_torch()
        pixels = torch.stack([processed_pixels(self._loaded.processor, image) for image in images])
        inputs = self._loaded.to_device({"pixel_values": pixels})
        with torch.inference_mode():
            return _unit(self._loaded.model.get_image_features(**inputs))

    def _text_vectors(self, texts: Sequence[str]) -> list[FloatArray]:
        torch, _ = import_torch()
        model = self._loaded.model
        tokens = self._loaded.processor.tokenizer(
            list(texts),
            # SigLIP was trained on padded texts and reads its last token, padding or not.
            padding="max_length" if self._loaded.model_type == "siglip" else True,
            truncation=True,
            max_length=int(model.config.text_config.max_position_embeddings),
            return_tensors="pt",
        )
        names = ("input_ids",) if self._loaded.model_type == "siglip" else ("input_ids", "attention_mask")
        inputs = self._loaded.to_device({name: tokens[name] for name in names})
        with torch.inference_mode():
            return _unit(model.get_text_features(**inputs))


def _unit(output: Any) -> list[FloatArray]:
    """Rows of a model's features, each of length 1."""
    vectors = getattr(output, "pooler_output", output).double().cpu().numpy()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return list(vectors / np.maximum(lengths, 1e-12))


class SceneFilter:
    """Which kind of picture a picture is, by the caption that fits it best."""

    def __init__(self, model: ImageTextModel, captions: Sequence[SceneCaption] = SCENE_CAPTIONS) -> None:
        """Raises ModelInputError for captions of one name, or none that are kept."""
        names = [caption.name for caption in captions]
        if len(set(names)) < len(names) or not any(caption.keep for caption in captions):
            raise ModelInputError(f"captions need names of their own and at least one to keep, got {names}")
        self.captions = tuple(captions)
        self._model = model
        self._texts = model.texts([caption.text for caption in captions])

    @property
    def version(self) -> str:
        return self._model.version

    def __call__(self, images: Sequence[npt.NDArray[np.generic]]) -> list[SceneVerdict]:
        """A verdict for each picture (H, W, 3) uint8. Raises ModelInputError as ``ImageTextModel.images`` does."""
        if not images:
            return []
        return [self._verdict(row) for row in self._model.images(images) @ self._texts.T * self._model.scale]

    def _verdict(self, logits: FloatArray) -> SceneVerdict:
        weights = np.exp(logits - logits.max())
        probabilities = weights / weights.sum()
        best = self.captions[int(np.argmax(probabilities))]
        by_name = {caption.name: float(p) for caption, p in zip(self.captions, probabilities, strict=True)}
        return SceneVerdict(best.name, best.keep, by_name)


class TextEmbedder:
    """How alike captions are, by the text side of a model."""

    def __init__(self, model: ImageTextModel) -> None:
        self._model = model

    @property
    def version(self) -> str:
        return self._model.version

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """(N, D) unit vectors of texts. Raises ModelInputError for an empty text."""
        return self._model.texts(texts)

    def similarity(self, first: Sequence[str], second: Sequence[str] | None = None) -> FloatArray:
        """(N, M) cosines in [-1, 1] of two lists of texts, or (N, N) within one."""
        a = self._model.texts(first)
        b = a if second is None else self._model.texts(second)
        return np.clip(a @ b.T, -1.0, 1.0)
