"""What things are called: Florence-2, which finds and describes regions, and chat models that see, which describe a crop.

Never changes: the likeliest word is taken at every step (no sampling, no beams), so the same picture gives the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .batches import in_batches
from .boxes import Detection, as_boxes, clipped, crop_window
from .errors import ChatTemplateMissingError, ModelInputError, WrongModelError
from .loader import LoadedModel, import_torch
from .location_tokens import box_tokens, parse_located
from .pixels import UInt8Array, as_rgb

OBJECTS, DENSE_CAPTIONS, PROPOSALS = "<OD>", "<DENSE_REGION_CAPTION>", "<REGION_PROPOSAL>"
PROPOSING_TASKS = (OBJECTS, DENSE_CAPTIONS, PROPOSALS)
_DESCRIBE = "<REGION_TO_DESCRIPTION>"
# Ours; a chat model answers in whole sentences unless told.
CHAT_QUESTION = "Name the main object in this picture in one to six words, with its color. Answer with the name only."
# A crop shows a little of what is around, which tells a lid from a plate.
_MARGIN = 0.1
_ANSWER_TOKENS, _REGION_TOKENS = 24, 64


@dataclass(frozen=True)
class Written:
    """What a model wrote: its tokens as text, and the probability of each when it was chosen."""

    pieces: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def confidence(self, span: tuple[int, int]) -> float:
        """Geometric mean of the probabilities of the tokens in a span of ``text``, in [0, 1]."""
        ends = np.cumsum([len(piece) for piece in self.pieces])
        starts = np.concatenate([[0], ends[:-1]])
        inside = (starts < span[1]) & (ends > span[0])
        chosen = np.array(self.probabilities)[inside]
        return float(np.exp(np.log(np.maximum(chosen, 1e-12)).mean())) if len(chosen) else 0.0


class RegionCaptioner:
    """Regions with descriptions from pictures, and descriptions of given regions."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 8, max_tokens: int = 512) -> None:
        """``max_tokens``: most tokens that a proposal may take.

        Raises:
            ChatTemplateMissingError: a model other than Florence-2 without a chat template.
        """
        self._loaded, self._batch_size, self._max_tokens = loaded, batch_size, max_tokens
        self.is_florence = loaded.model_type == "florence2"
        if not self.is_florence and not getattr(loaded.processor, "chat_template", None):
            raise ChatTemplateMissingError(
                f"{loaded.info.name} is a chat model without a chat template; its folder needs chat_template.jinja "
                "(instruction-tuned models have one, base models do not)"
            )

    @property
    def version(self) -> str:
        return self._loaded.info.version

    def propose(self, images: Sequence[npt.NDArray[np.generic]], task: str = DENSE_CAPTIONS) -> list[list[Detection]]:
        """Regions of each picture (H, W, 3) with what they are, as the model wrote it; the score is how sure it was of the words.

        Args:
            task: one of PROPOSING_TASKS.

        Raises:
            WrongModelError: the model is not of Florence-2's class.
            ModelInputError: an unknown task, or a picture that is none.
        """
        if not self.is_florence:
            raise WrongModelError(f"{self._loaded.info.name} describes regions but finds none; use Florence-2, or a detector")
        if task not in PROPOSING_TASKS:
            raise ModelInputError(f"task '{task}' proposes no regions; use one of {', '.join(PROPOSING_TASKS)}")
        pictures = [as_rgb(image) for image in images]
        written = self._florence([(picture, task) for picture in pictures], self._max_tokens)
        return [self._detections(one, picture) for one, picture in zip(written, pictures, strict=True)]

    def describe(self, images: Sequence[npt.NDArray[np.generic]], boxes: Sequence[npt.ArrayLike]) -> list[list[str]]:
        """For each picture the descriptions of its boxes (N, 4) in pixels, as the model wrote them.

        Raises:
            ModelInputError: a picture that is none, or as many lists of boxes as there are no pictures for.
        """
        if len(images) != len(boxes):
            raise ModelInputError(f"{len(boxes)} lists of boxes for {len(images)} pictures")
        pictures = [as_rgb(image) for image in images]
        lists = [clipped(some, picture.shape[1], picture.shape[0]) for some, picture in zip(boxes, pictures, strict=True)]
        pairs = [(picture, box) for picture, some in zip(pictures, lists, strict=True) for box in some]
        answers = iter(self._described(pairs) if self.is_florence else self._chat(pairs))
        return [[next(answers) for _ in some] for some in lists]

    def _described(self, pairs: Sequence[tuple[UInt8Array, npt.NDArray[np.float64]]]) -> list[str]:
        asked = [(picture, _DESCRIBE + box_tokens(box, picture.shape[1], picture.shape[0])) for picture, box in pairs]
        return [_plain(one.pieces) for one in self._florence(asked, _REGION_TOKENS)]

    def _detections(self, written: Written, picture: UInt8Array) -> list[Detection]:
        height, width = picture.shape[:2]
        found = parse_located(written.text, width, height)
        return [Detection(one.box, one.phrase, written.confidence(one.span)) for one in found]

    def _florence(self, asked: Sequence[tuple[UInt8Array, str]], max_tokens: int) -> list[Written]:
        """What Florence-2 writes for pictures with a task each."""
        items = [self._inputs([picture], [prompt]) for picture, prompt in asked]

        def run(batch: Sequence[dict[str, Any]]) -> list[Written]:
            torch, _ = import_torch()
            inputs = {name: torch.cat([item[name] for item in batch]) for name in ("input_ids", "attention_mask", "pixel_values")}
            watch = _Watch()
            tokens = self._generate(inputs, max_tokens, logits_processor=[watch])
            # The first token is where the decoder starts; nobody chose it.
            return [self._written(row[1:], watch.row(number)) for number, row in enumerate(tokens.tolist())]

        return in_batches(items, self._batch_size, run, key=lambda item: tuple(item["input_ids"].shape))

    def _written(self, tokens: Sequence[int], probabilities: Sequence[float]) -> Written:
        tokenizer = self._loaded.processor.tokenizer
        special = set(tokenizer.all_special_tokens)
        pieces = [
            token if token in special or token.startswith("<loc_") else tokenizer.convert_tokens_to_string([token])
            for token in tokenizer.convert_ids_to_tokens(tokens)
        ]
        return Written(tuple(pieces), tuple(probabilities))

    def _chat(self, pairs: Sequence[tuple[UInt8Array, npt.NDArray[np.float64]]]) -> list[str]:
        """A chat model's answers to a question about crops."""
        question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": CHAT_QUESTION}]}]
        prompt = self._loaded.processor.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
        crops = [np.ascontiguousarray(picture[_crop(picture, box)]) for picture, box in pairs]

        def run(batch: Sequence[UInt8Array]) -> list[str]:
            inputs = self._inputs(list(batch), [prompt] * len(batch))
            length = inputs["input_ids"].shape[1]
            tokens = self._generate(inputs, _ANSWER_TOKENS)
            answers = self._loaded.processor.tokenizer.batch_decode(tokens[:, length:], skip_special_tokens=True)
            return [answer.strip() for answer in answers]

        # Crops of one size only, for prompts grow with the picture in many models.
        return in_batches(crops, self._batch_size, run, key=lambda crop: crop.shape)

    def _inputs(self, pictures: Sequence[UInt8Array], prompts: Sequence[str]) -> dict[str, Any]:
        # Pillow pictures: an array of 1 x 1 or 3 x 3 pixels could be read either way.
        from PIL import Image

        opened = [Image.fromarray(picture) for picture in pictures]
        return dict(self._loaded.processor(images=opened, text=list(prompts), return_tensors="pt"))

    def _generate(self, inputs: dict[str, Any], max_tokens: int, **more: Any) -> Any:
        torch, _ = import_torch()
        with torch.inference_mode():
            return self._loaded.model.generate(
                **self._loaded.to_device(inputs), max_new_tokens=max_tokens, do_sample=False, num_beams=1, **more
            )


class _Watch:
    """Notes at each step how probable the likeliest token was, for a batch; that is the one that is taken."""

    def __init__(self) -> None:
        self._steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        self._steps.append(scores.float().softmax(dim=-1).max(dim=-1).values.cpu())
        return scores

    def row(self, number: int) -> list[float]:
        """One probability a step of item ``number``."""
        return [float(step[number]) for step in self._steps]


def _crop(picture: UInt8Array, box: npt.NDArray[np.float64]) -> tuple[slice, slice]:
    return crop_window(as_boxes([box])[0], picture.shape[1], picture.shape[0], _MARGIN)


def _plain(pieces: Sequence[str]) -> str:
    """Words without tokens in angle brackets."""
    return " ".join("".join(piece for piece in pieces if not (piece.startswith("<") and piece.endswith(">"))).split())
