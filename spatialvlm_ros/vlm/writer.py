"""Many prompts about one picture through a model that reads and sees: in batches, its features encoded once, draws by seed.

Drawing is done by adding Gumbel noise to the logits and taking the largest, which is the same as drawing from their softmax. So
each answer has noise of its own, and does not depend on which others are written beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from ..perception.models.batches import in_batches
from ..perception.models.captioner import Written
from ..perception.models.errors import ModelInputError
from ..perception.models.loader import LoadedModel, import_torch
from ..perception.models.pixels import UInt8Array

# Beyond the likeliest words nothing is drawn; the rest of the vocabulary is noise.
_DRAWN_OF = 64
_METHOD = "get_image_features"


@dataclass(frozen=True)
class Draw:
    """A prompt to be written to. ``number`` tells draws of one prompt apart; -1 takes the likeliest words."""

    prompt: str
    number: int = -1


class Writer:
    """One model on one picture. Not thread-safe."""

    def __init__(self, loaded: LoadedModel, picture: UInt8Array, *, batch_size: int, seed: int, temperature: float) -> None:
        from PIL import Image

        self._loaded, self._batch_size = loaded, batch_size
        self._seed, self._temperature = seed, temperature
        # Pillow: an array of 1 x 1 or 3 x 3 pixels could be read either way.
        self._picture = Image.fromarray(picture)
        self._features: dict[str, Any] = {}
        self._is_encoder_decoder = bool(getattr(loaded.model.config, "is_encoder_decoder", False))

    def write(self, draws: Sequence[Draw], max_new_tokens: int) -> list[Written]:
        """What the model writes to each, in order. Raises ModelError."""

        def run(batch: Sequence[Draw]) -> list[Written]:
            chooser = _Chooser([self._random(draw) for draw in batch], self._temperature)
            tokens = self._generate([draw.prompt for draw in batch], max_new_tokens, chooser)
            return [self._written(row, chooser.row(number)) for number, row in enumerate(tokens)]

        return in_batches(draws, self._batch_size, run)

    def shares(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[float]:
        """Probability that an answer begins as one of ``first`` and not as one of ``second``; NaN where the two begin alike."""
        ids = self._beginnings(first), self._beginnings(second)
        if not ids[0] or not ids[1] or ids[0] & ids[1]:
            return [float("nan")] * len(prompts)

        def run(batch: Sequence[str]) -> list[float]:
            weigher = _Weigher(sorted(ids[0]), sorted(ids[1]))
            self._generate(batch, 1, weigher)
            return weigher.shares

        return in_batches(prompts, self._batch_size, run)

    def seen_size(self) -> tuple[int, int]:
        """(width, height) of the picture after the processor's resizing, for models that count in its pixels."""
        images = self._loaded.processor.image_processor
        grid = dict(images(images=[self._picture], return_tensors="pt")).get("image_grid_thw")
        if grid is None:
            return int(self._picture.width), int(self._picture.height)
        _, rows, columns = grid[0].tolist()
        return int(columns) * int(images.patch_size), int(rows) * int(images.patch_size)

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _random(self, draw: Draw) -> np.random.Generator | None:
        if draw.number < 0:
            return None
        words = f"{self._seed}\x1f{draw.number}\x1f{draw.prompt}".encode("utf-8", "replace")
        return np.random.default_rng(int.from_bytes(hashlib.sha256(words).digest()[:16], "big"))

    def _beginnings(self, words: Sequence[str]) -> set[int]:
        tokenizer = self._loaded.processor.tokenizer
        return {ids[0] for word in words if (ids := tokenizer(word, add_special_tokens=False)["input_ids"])}

    def _generate(self, prompts: Sequence[str], max_new_tokens: int, chooser: Any) -> list[list[int]]:
        """New tokens of each prompt."""
        torch, _ = import_torch()
        inputs = self._inputs(prompts)
        start = 1 if self._is_encoder_decoder else int(inputs["input_ids"].shape[1])
        with torch.inference_mode(), encoded_once(self._loaded.model, len(prompts), self._features):
            tokens = self._loaded.model.generate(
                **self._loaded.to_device(inputs), max_new_tokens=max_new_tokens, do_sample=False, num_beams=1,
                temperature=None, top_p=None, top_k=None, logits_processor=[chooser],
            )  # fmt: skip
        return [list(map(int, row)) for row in tokens[:, start:].tolist()]

    def _inputs(self, prompts: Sequence[str]) -> dict[str, Any]:
        processor = self._loaded.processor
        tokenizer = processor.tokenizer
        # A template may have written the first token already.
        bos = tokenizer.bos_token
        more = {"add_special_tokens": False} if bos and all(prompt.startswith(bos) for prompt in prompts) else {}
        # What is written goes on where the prompt ends, so the filling stands before it.
        tokenizer.padding_side = "right" if self._is_encoder_decoder else "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        try:
            made = processor(
                images=[[self._picture] for _ in prompts], text=list(prompts), padding=True, return_tensors="pt", **more
            )
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelInputError(f"the model's processor does not take this picture or question: {reason}") from error
        # For training, which some processors think of always.
        return {name: value for name, value in dict(made).items() if name != "labels"}

    def _written(self, tokens: Sequence[int], probabilities: Sequence[float]) -> Written:
        """Text piece by piece, so that a span of it has its probabilities; without the tokens that begin, end and fill."""
        tokenizer = self._loaded.processor.tokenizer
        ends = {tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id, *_ends(self._loaded.model)}
        kept = [(token, p) for token, p in zip(tokens, probabilities, strict=False) if token not in ends]
        pieces, before = [], ""
        for count in range(1, len(kept) + 1):
            text = tokenizer.decode([token for token, _ in kept[:count]], skip_special_tokens=False)
            pieces.append(text[len(before) :])
            before = text
        return Written(tuple(pieces), tuple(p for _, p in kept))


def _ends(model: Any) -> list[int]:
    found = getattr(model.generation_config, "eos_token_id", None)
    return [found] if isinstance(found, int) else list(found or [])


class _Chooser:
    """Takes the likeliest word, or draws one, for each row of a batch; notes how probable each was."""

    def __init__(self, random: Sequence[np.random.Generator | None], temperature: float) -> None:
        self._random, self._temperature = random, temperature
        self._steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        torch, _ = import_torch()
        logits = scores.float()
        top = logits.topk(min(_DRAWN_OF, logits.shape[-1]), dim=-1)
        noise = np.zeros(tuple(top.values.shape), dtype=np.float32)
        for row, random in enumerate(self._random):
            if random is not None:
                noise[row] = self._temperature * random.gumbel(size=noise.shape[1])
        best = (top.values + torch.from_numpy(noise).to(logits.device)).argmax(dim=-1, keepdim=True)
        chosen = top.indices.gather(-1, best)
        self._steps.append(logits.softmax(dim=-1).gather(-1, chosen)[:, 0].cpu())
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen, 0.0)

    def row(self, number: int) -> list[float]:
        """One probability a step of a row."""
        return [float(step[number]) for step in self._steps]


class _Weigher:
    """Compares the next word's chances of being of one list or of another."""

    def __init__(self, first: Sequence[int], second: Sequence[int]) -> None:
        self._ids = first, second
        self.shares: list[float] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        torch, _ = import_torch()
        first, second = (torch.logsumexp(scores.float()[:, list(ids)], dim=-1) for ids in self._ids)
        self.shares = (first - second).sigmoid().cpu().tolist()
        return scores


# -- features of one picture --------------------------------------------------------------------------------------------------


@contextmanager
def encoded_once(model: Any, count: int, memory: dict[str, Any]) -> Iterator[bool]:
    """Let a model that gets ``count`` times the same picture encode it once, and never again with the same ``memory``.

    All classes of transformers encode pictures in one method of the inner model. Gives whether this one has it; others encode
    each time, with the same result.
    """
    inner = _holder(model)
    if inner is None:
        yield False
        return
    original = getattr(inner, _METHOD)

    # With the signature of the original: generation looks there for what to hand over.
    @wraps(original)
    def features(*args: Any, **kwargs: Any) -> Any:
        if "output" not in memory:
            memory["output"] = original(*[_first(arg, count) for arg in args], **{k: _first(v, count) for k, v in kwargs.items()})
        return _repeated(memory["output"], count)

    setattr(inner, _METHOD, features)
    try:
        yield True
    finally:
        delattr(inner, _METHOD)


def _holder(model: Any) -> Any | None:
    """The innermost model that encodes pictures: the outer ones call it."""
    found = None
    while model is not None and hasattr(type(model), _METHOD):
        found, model = model, getattr(model, "model", None)
    return found


def _first(value: Any, count: int) -> Any:
    """The part of the first of ``count`` equal pictures: of rows that are pictures, or parts of pictures one after the other."""
    torch, _ = import_torch()
    if isinstance(value, torch.Tensor) and value.ndim and value.shape[0] % count == 0:
        return value[: value.shape[0] // count]
    return value


def _repeated(output: Any, count: int) -> Any:
    """A model's features of one picture as those of ``count`` equal ones."""
    torch, _ = import_torch()
    if isinstance(output, torch.Tensor):
        return torch.cat([output] * count) if output.ndim else output
    if isinstance(output, Mapping):
        changed = {name: _of_field(name, value, count) for name, value in output.items()}
        return type(output)(**changed)
    if isinstance(output, tuple | list):
        return type(output)(_repeated(part, count) for part in output)
    return output


def _of_field(name: str, value: Any, count: int) -> Any:
    # One tensor a picture; in other fields, one a layer.
    if name == "pooler_output" and isinstance(value, tuple | list):
        return type(value)(list(value) * count)
    return _repeated(value, count)
