"""What a fine-tuning run is asked for, and the folder that it works in."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..synthesis.output import OutputError, differences, write_json
from .adapters import LORA, METHODS, LoraOptions

MADE_BY = "spatialvlm train"
RECORD, METRICS, CURVE, CARD, CHECKPOINTS = "train.json", "metrics.jsonl", "curve.png", "README.md", "checkpoints"
FROZEN, TRAINED = "frozen", "trained"
# What a run may leave in its folder, besides CHECKPOINTS.
_OURS = (
    RECORD, METRICS, CURVE, CARD, "SHA256SUMS", "figures.json", "*.safetensors",
    "model.safetensors.index.json", "config.json", "generation_config.json",
    "adapter_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.*",
    "merges.txt", "*.model", "*.jinja", "*processor_config.json", "chat_template.json", ".*.part",
)  # fmt: skip


@dataclass(frozen=True)
class DataChoice:
    """One data set and how often it is drawn, against the other ones."""

    path: str
    weight: float = 1.0


def data_choice(text: str) -> DataChoice:
    """``DIR`` or ``DIR:WEIGHT``; a colon that no number follows is part of the name."""
    path, colon, weight = text.rpartition(":")
    try:
        return DataChoice(path, float(weight)) if colon and path else DataChoice(text)
    except ValueError:
        return DataChoice(text)


@dataclass(frozen=True)
class FinetuneConfig:
    """A fine-tuning run.

    Attributes:
        base: folder of a model, or an id on the hub with its ``revision``.
        data, spatial_share: what is trained on; see ``mixture.shares_of``.
        method, vision: what learns: one of adapters.METHODS; the vision encoder "frozen" or "trained".
        label_noise_std_m: of the noise on quantitative answers of spatial data sets.
        image_size_px: longest edge of images; 0 leaves them as they are.
        questions, max_tokens: of one conversation at most; 0 for no limit.
        steps, epochs: how long; ``steps`` 0 goes by epochs.
        batch_size, accumulation: conversations at once on a device, and how many batches a step.
        held_out_share, held_out_most: images for evaluation, and conversations of these that are judged on.
        device: "auto", "cpu" or "cuda".
        dtype: of the weights in memory; "auto" is float32, but bfloat16 below adapters on CUDA.
    """

    base: str
    data: tuple[DataChoice, ...]
    method: str = LORA
    vision: str = FROZEN
    revision: str | None = None
    label_noise_std_m: float = 0.0
    spatial_share: float | None = None
    image_size_px: int = 512
    questions: int = 8
    max_tokens: int = 2048
    steps: int = 0
    epochs: float = 1.0
    batch_size: int = 4
    accumulation: int = 1
    learning_rate: float = 0.0
    warmup_share: float = 0.03
    lora: LoraOptions = field(default_factory=LoraOptions)
    held_out_share: float = 0.05
    held_out_most: int = 64
    checkpoint_every: int = 0
    merge: bool = False
    gradient_checkpointing: bool = False
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        """Raises ValueError, with the value that is wrong."""
        if not self.data:
            raise ValueError("there is nothing to train on: give --data")
        if self.method not in METHODS or self.vision not in (FROZEN, TRAINED):
            raise ValueError(
                f"method '{self.method}' must be one of {', '.join(METHODS)} and vision '{self.vision}' frozen or trained"
            )
        if not (math.isfinite(self.label_noise_std_m) and self.label_noise_std_m >= 0):
            raise ValueError(f"label noise of {self.label_noise_std_m} m must be a number from 0 up")
        counts = {"steps": self.steps, "image_size_px": self.image_size_px, "questions": self.questions, "seed": self.seed}
        counts |= {"max_tokens": self.max_tokens, "checkpoint_every": self.checkpoint_every, "held_out_most": self.held_out_most}
        wrong = [f"{name} {value}" for name, value in counts.items() if value < 0]
        wrong += [
            f"{name} {value}"
            for name, value in (("batch_size", self.batch_size), ("accumulation", self.accumulation))
            if value < 1
        ]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: out of range (from 0 up, batches from 1 up)")
        if not (self.learning_rate >= 0 and math.isfinite(self.learning_rate) and self.epochs > 0 and math.isfinite(self.epochs)):
            raise ValueError(f"learning rate {self.learning_rate} and epochs {self.epochs} must be numbers from 0 up and above 0")
        if not (0 <= self.held_out_share < 1 and 0 <= self.warmup_share < 1):
            raise ValueError(f"held-out share {self.held_out_share} and warm-up {self.warmup_share} must lie in [0, 1)")
        if self.merge and self.method != LORA:
            raise ValueError("only adapters can be merged; --method full gives a whole model as it is")

    @property
    def rate(self) -> float:
        """Learning rate; where none is given what is usual for the method."""
        return self.learning_rate or (2e-4 if self.method == LORA else 2e-5)

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def is_begun(out: Path, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Whether a run of this configuration was begun in a folder and shall go on. Nothing is written.

    Raises:
        OutputError: the folder is not empty, of another run, or somebody else's; the text says which option helps.
    """
    found = _record(out)
    if found is not None and overwrite and not (resume and found["config"] == config):
        return False
    if found is not None:
        changes = differences(found["config"], config)
        if changes:
            raise OutputError(
                f"{out} holds a run with other options: {'; '.join(changes[:4])}. "
                "Give the same options, another folder, or --overwrite"
            )
        if not resume:
            raise OutputError(f"{out} holds a run of these options: --resume goes on with it, --overwrite begins anew")
        return True
    return False


def begin(out: Path, config: Mapping[str, Any]) -> None:
    """Take a folder that ``is_begun`` has looked at for a new run; what an older one left is removed. Raises OutputError."""
    try:
        remove_run(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RECORD, {"made_by": MADE_BY, "config": config, "complete": False})
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error


def _record(out: Path) -> dict[str, Any] | None:
    """The record of a run in a folder, None for a new or empty one."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if out.is_dir():
        found = read_record(out)
        if found is not None:
            return found
        names = ", ".join(sorted(entry.name for entry in out.iterdir())[:5])
        raise OutputError(f"{out} holds other things ({names}) and no run of '{MADE_BY}': nothing is written there")
    raise OutputError(f"{out} is a file; give a folder that is new, empty, or made by '{MADE_BY}'")


def read_record(out: Path) -> dict[str, Any] | None:
    """What stands in a run's record; None where there is none."""
    try:
        found: dict[str, Any] = json.loads((out / RECORD).read_text(encoding="utf-8"))
        return found if found["made_by"] == MADE_BY and isinstance(found["config"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_run(out: Path) -> None:
    """Remove what a run leaves, and nothing else."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    for pattern in _OURS:
        for file in out.glob(pattern):
            if file.is_file():
                file.unlink()
