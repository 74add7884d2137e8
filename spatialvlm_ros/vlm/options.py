"""How a vision-language model is run: one record for all backends; each takes of it what it knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .interface import VlmError

QUANTIZATIONS = ("none", "8bit", "4bit")
_MAX_SAMPLES = 100


@dataclass(frozen=True)
class VlmOptions:
    """Everything that changes what a model says or how it is reached. The defaults are those of parameters and commands.

    Attributes:
        device: "auto" (CUDA when there is one, else the CPU) or a torch device.
        dtype: "auto", "float32", "float16" or "bfloat16".
        quantization: one of QUANTIZATIONS; needs bitsandbytes and a GPU.
        adapter: folder of a LoRA adapter, "" for none; needs peft.
        segmenter: folder or hub id of a SAM-class model that turns boxes into masks; "" for none.
        grounding: format of places (grounding_formats.FORMATS), "" for that of the model's class.
        max_new_tokens: longest answer to a question.
        samples: answers that a number is averaged over; 1 takes the likeliest words and has no deviation.
        temperature: of those samples.
        seed: of those samples.
        batch_size: questions at a time.
        threshold: least score of a zero-shot detector; NaN for that of its authors.
        allow_download: fetch a hub id that is not on this machine yet.
        timeout_s: of a server, for one answer.
        retries: how often a server is asked again after "too many requests", an error of its own or a broken connection.
        concurrency: most requests that a server gets at a time.

    Raises:
        VlmError: a value is out of its range.
    """

    device: str = "auto"
    dtype: str = "auto"
    quantization: str = "none"
    adapter: str = ""
    segmenter: str = ""
    grounding: str = ""
    max_new_tokens: int = 64
    samples: int = 5
    temperature: float = 0.7
    seed: int = 0
    batch_size: int = 16
    threshold: float = math.nan
    allow_download: bool = False
    timeout_s: float = 20.0
    retries: int = 3
    concurrency: int = 4

    def __post_init__(self) -> None:
        if self.quantization not in QUANTIZATIONS:
            raise VlmError(f"quantization '{self.quantization}' is not known; use one of {', '.join(QUANTIZATIONS)}")
        for name, low, high in (
            ("max_new_tokens", 1, 4096), ("samples", 1, _MAX_SAMPLES), ("batch_size", 1, 1024), ("concurrency", 1, 256),
            ("retries", 0, 20), ("temperature", 1e-3, 2.0), ("timeout_s", 0.05, 3600.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise VlmError(f"the model's {name} is {value}; give a number from {low:g} to {high:g}")
