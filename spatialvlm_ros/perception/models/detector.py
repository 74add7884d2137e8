"""Where in a picture things are that somebody names: OWL-ViT, OWLv2, Grounding DINO. With OWLv2 also where anything at all is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .batches import in_batches
from .boxes import Detection, clipped
from .errors import ModelInputError, WrongModelError
from .loader import LoadedModel, import_torch
from .pixels import as_rgb, processed_pixels

# What the models' authors use.
_THRESHOLDS = {"owlvit": 0.1, "owlv2": 0.1, "grounding-dino": 0.25, "mm-grounding-dino": 0.25}
# A narrower box is the rest of one that lies beside the picture.
_LEAST_PX = 0.5
# Signs that part names for Grounding DINO.
_PARTING = ".?"
# What a name is put into; the OWL models were trained on such sentences.
_OWL_PROMPT = "a photo of a {}"


class ZeroShotDetector:
    """Names to boxes and scores."""

    def __init__(self, loaded: LoadedModel, *, threshold: float | None = None, batch_size: int = 8) -> None:
        """``threshold``: least score; None is what the model's authors use. Raises ModelInputError when it is not in [0, 1]."""
        self.threshold = _THRESHOLDS[loaded.model_type] if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise ModelInputError(f"a detector's threshold is between 0 and 1, got {threshold}")
        self._loaded, self._batch_size = loaded, batch_size
        self._is_owl = loaded.model_type.startswith("owl")

    @property
    def version(self) -> str:
        return f"{self._loaded.info.version} threshold {self.threshold:g}"

    @property
    def can_propose(self) -> bool:
        """Whether boxes can be had without names."""
        return self._loaded.model_type == "owlv2"

    def __call__(self, images: Sequence[npt.NDArray[np.generic]], names: Sequence[str]) -> list[list[Detection]]:
        """What of ``names`` is where, best first.

        Args:
            images: (H, W, 3) or (H, W) uint8.
            names: what to look for, the same in all pictures; none finds nothing.

        Returns:
            A list for each picture. A box has one name, the likeliest; boxes are cut at the edges of the picture and may
            overlap.

        Raises:
            ModelInputError: a picture that is none, or a name without a letter or digit.
        """
        wanted = list(dict.fromkeys(_cleaned(name) for name in names))
        found: list[list[Detection]] = [[] for _ in images]
        if not wanted or not images:
            return found
        sizes = [as_rgb(image) for image in images]
        pixels = [processed_pixels(self._loaded.processor, image) for image in sizes]
        items = [(tensor, image.shape[:2]) for tensor, image in zip(pixels, sizes, strict=True)]
        run = self._owl if self._is_owl else self._dino
        for part in [wanted] if self._is_owl else self._parts(wanted):
            results = in_batches(items, self._batch_size, partial(run, names=part), key=_shape_of)
            for mine, more in zip(found, results, strict=True):
                mine.extend(more)
        return [sorted(mine, key=lambda detection: -detection.score) for mine in found]

    def propose(self, images: Sequence[npt.NDArray[np.generic]], limit: int = 50) -> list[list[Detection]]:
        """Boxes of things, whatever they are, best first; their names are "" and the score is how likely it is a thing at all.

        Raises:
            WrongModelError: the model cannot (only OWLv2 can).
        """
        if not self.can_propose:
            raise WrongModelError(f"a model of type '{self._loaded.model_type}' finds only what is named; OWLv2 finds anything")
        items = [(processed_pixels(self._loaded.processor, image), image.shape[:2]) for image in map(as_rgb, images)]
        results = in_batches(items, self._batch_size, self._objects, key=_shape_of)
        return [sorted(found, key=lambda detection: -detection.score)[:limit] for found in results]

    def _owl(self, batch: Sequence[tuple[Any, tuple[int, int]]], names: Sequence[str]) -> list[list[Detection]]:
        output = self._owl_output(batch, names)
        scores, which = output.logits.float().sigmoid().max(dim=-1)
        return self._detections(batch, output.pred_boxes, scores, [[names[i] for i in row] for row in which.tolist()])

    def _objects(self, batch: Sequence[tuple[Any, tuple[int, int]]]) -> list[list[Detection]]:
        output = self._owl_output(batch, ["object"])
        scores = output.objectness_logits.float().sigmoid()
        return self._detections(batch, output.pred_boxes, scores, [[""] * scores.shape[1]] * len(batch))

    def _owl_output(self, batch: Sequence[tuple[Any, tuple[int, int]]], names: Sequence[str]) -> Any:
        torch, _ = import_torch()
        tokens = self._loaded.processor.tokenizer(
            [_OWL_PROMPT.format(name) for name in names],
            padding="max_length",
            truncation=True,
            max_length=int(self._loaded.model.config.text_config.max_position_embeddings),
            return_tensors="pt",
        )
        # Every picture is asked for all names.
        repeated = {name: tokens[name].repeat(len(batch), 1) for name in ("input_ids", "attention_mask")}
        inputs = self._loaded.to_device({"pixel_values": torch.stack([tensor for tensor, _ in batch]), **repeated})
        with torch.inference_mode():
            return self._loaded.model(**inputs)

    def _dino(self, batch: Sequence[tuple[Any, tuple[int, int]]], names: Sequence[str]) -> list[list[Detection]]:
        torch, _ = import_torch()
        tokens = self._loaded.processor.tokenizer(_joined(names), return_token_type_ids=True, return_tensors="pt")
        repeated = {name: tokens[name].repeat(len(batch), 1) for name in ("input_ids", "token_type_ids", "attention_mask")}
        inputs = self._loaded.to_device({"pixel_values": torch.stack([tensor for tensor, _ in batch]), **repeated})
        with torch.inference_mode():
            output = self._loaded.model(**inputs)
        probabilities = output.logits.float().sigmoid()
        spans = self._spans(tokens["input_ids"][0].tolist())
        # The best word of any name decides whether a box counts, as in the published thresholds. All words of a name decide
        # which: "red cup" and "blue cup" share one.
        scores = probabilities[..., [position for span in spans for position in span]].max(dim=-1).values
        means = torch.stack([probabilities[..., span].mean(dim=-1) for span in spans], dim=-1)
        which = means.argmax(dim=-1).tolist()
        return self._detections(batch, output.pred_boxes, scores, [[names[i] for i in row] for row in which])

    def _spans(self, ids: Sequence[int]) -> list[list[int]]:
        """Positions of each name's tokens, in order."""
        stop = self._loaded.processor.tokenizer.convert_tokens_to_ids(".")
        spans: list[list[int]] = [[]]
        # The first and the last token are the model's own.
        for position, token in enumerate(ids[1:-1], start=1):
            if token != stop:
                spans[-1].append(position)
            elif spans[-1]:
                spans.append([])
        return [span for span in spans if span]

    def _parts(self, names: Sequence[str]) -> Iterator[list[str]]:
        """Names in lists short enough to be read at once. A single one that is too long is cut by words."""
        longest = int(self._loaded.model.config.max_text_len)
        part: list[str] = []
        for name in names:
            while self._length([name]) > longest and " " in name:
                name = name.rsplit(" ", 1)[0]
            if self._length([name]) > longest:
                raise ModelInputError(f"name {name[:40]!r} is too long for the detector; name the thing in a few words")
            if part and self._length([*part, name]) > longest:
                yield part
                part = []
            part.append(name)
        yield part

    def _length(self, names: Sequence[str]) -> int:
        return len(self._loaded.processor.tokenizer(_joined(names))["input_ids"])

    def _detections(
        self, batch: Sequence[tuple[Any, tuple[int, int]]], boxes: Any, scores: Any, names: Sequence[Sequence[str]]
    ) -> list[list[Detection]]:
        """Boxes (B, N, 4) as fractions (centre and size) and scores (B, N) into detections above the threshold."""
        results = []
        for row, (_, size) in enumerate(batch):
            corners = self._corners(boxes[row].double().cpu().numpy(), size)
            values = scores[row].double().cpu().numpy()
            results.append(
                [
                    Detection((box[0], box[1], box[2], box[3]), names[row][i], float(values[i]))
                    for i, box in enumerate(corners.tolist())
                    if values[i] >= self.threshold
                    and math.isfinite(values[i])
                    and min(box[2] - box[0], box[3] - box[1]) >= _LEAST_PX
                ]
            )
        return results

    def _corners(self, boxes: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.float64]:
        """(N, 4) pixels. OWLv2 sees the picture at the top left of a square, the others fill their input with it."""
        height, width = size
        span = (max(size), max(size)) if self._loaded.model_type == "owlv2" else (width, height)
        finite = np.nan_to_num(boxes, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = finite[:, :2] - finite[:, 2:] / 2, finite[:, :2] + finite[:, 2:] / 2
        return clipped(np.concatenate([low * span, high * span], axis=1), width, height)


def _joined(names: Sequence[str]) -> str:
    return " ".join(f"{name} ." for name in names)


def _cleaned(name: str) -> str:
    plain = " ".join("".join(" " if letter in _PARTING else letter for letter in name.lower()).split())
    if not any(letter.isalnum() for letter in plain):
        raise ModelInputError(f"name {name!r} has no letter or digit to look for")
    return plain


def _shape_of(item: tuple[Any, tuple[int, int]]) -> tuple[int, ...]:
    return tuple(item[0].shape)
