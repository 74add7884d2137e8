"""Trains the decoder: on drawn layouts first, then on things measured on renders too. Resumable, and the same bytes each time.

Never changes: what a step learns depends on the seed and the number of the step alone, so that a run that was cut off goes on as
if it had not been; checkpoints are safetensors and JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...vlm.embedded.decoder import AnswerDecoder, DecoderConfig, Prompted
from ...vlm.embedded.decoder_files import load_decoder, save_decoder
from ...vlm.embedded.decoder_words import Words
from .answers_data import Batch, PosedThings, Questions, drawn_things, pool_things
from .answers_data_text import all_questions, all_words, question_table
from .precision import reckoned_in_half

CHECKPOINT, LOG = "checkpoint", "log.jsonl"
_STEPS_A_LAYOUT = 16


@dataclass(frozen=True)
class DecoderTraining:
    """One run.

    Attributes:
        out: gets checkpoints, log.jsonl, curve.png and at the end the decoder.
        steps: in all; the learning rate falls to 0 over them along a cosine.
        batch: questions a step; ``layouts`` of three things are drawn anew every 16 steps.
        pool: folder of ``measured_pool`` shards; ``pool_share`` of the batches are of them, and of those with a seed of
            ``held_out_from`` or above none.
        start: folder of a decoder to go on from; None for a new one.
        dim, layers, heads, copies: of a new one.
        sentences: share of the questions that come with a sentence.
        noise_m: standard deviation of an error on the lengths that are learnt, metres; an ablation of the paper.
        freeze_things: what reads things does not learn (with ``start``); an ablation of the paper's frozen encoder.
        device: of torch.
        half: whether bfloat16 is used where the device is quick at it (precision.py); it halves the time.
    """

    out: Path
    steps: int = 4000
    batch: int = 256
    layouts: int = 4096
    learning_rate: float = 1.5e-3
    warm_up: int = 200
    seed: int = 0
    pool: Path | None = None
    pool_share: float = 0.5
    held_out_from: int = 40_000
    start: Path | None = None
    dim: int = 128
    layers: int = 2
    heads: int = 4
    copies: bool = True
    sentences: float = 0.25
    noise_m: float = 0.0
    freeze_things: bool = False
    averaged: float = 0.998
    device: str = "cpu"
    half: bool = True
    save_every: int = 200

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.layouts, self.save_every) < 1 or not 0 <= self.pool_share <= 1 or self.noise_m < 0:
            raise ValueError(
                f"steps {self.steps}, batch {self.batch}, layouts {self.layouts}, save_every {self.save_every} must be above 0, "
                f"pool_share {self.pool_share} in 0 .. 1, noise_m {self.noise_m} from 0 up"
            )
        if self.freeze_things and self.start is None:
            raise ValueError("freeze_things needs a decoder to start from: a new one's tokens would stay random")


def train_decoder(config: DecoderTraining, report: Callable[[dict[str, float]], None] | None = None) -> AnswerDecoder:
    """The trained decoder (the running mean of its weights), also written to ``config.out``.

    Raises:
        ValueError: the pool has no shard to learn from, or a checkpoint is of another configuration.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    decoder = _new(config).to(config.device)
    if config.freeze_things:
        for part in (decoder.thing, decoder.pair):
            part.requires_grad_(False)
    learnt = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    mean = {name: value.detach().clone() for name, value in decoder.state_dict().items()}
    first = _resumed(config, decoder, optimizer, mean)
    source = _Source(config, decoder.config)
    recent: list[dict[str, float]] = []
    for step in range(first, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _rate(step, config)
        optimizer.zero_grad(set_to_none=True)
        losses = _learn(decoder, source.batch(step), config, step)
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        keep = min(config.averaged, (1 + step) / (10 + step))
        for name, value in decoder.state_dict().items():
            mean[name].lerp_(value, 1 - keep) if value.is_floating_point() else mean[name].copy_(value)
        recent.append(losses)
        if (step + 1) % 20 == 0 or step + 1 == config.steps:
            means = {name: float(np.mean([each[name] for each in recent])) for name in losses}
            _log(config.out / LOG, {"step": step + 1, **means}, report)
            recent.clear()
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(config, decoder, optimizer, mean, step + 1)
    decoder.load_state_dict(mean)
    decoder.eval()
    save_decoder(decoder, config.out)
    plot_curve(config.out)
    trained: AnswerDecoder = decoder
    return trained


def _new(config: DecoderTraining) -> AnswerDecoder:
    if config.start is not None:
        started: AnswerDecoder = load_decoder(config.start).train()
        return started
    sizes = DecoderConfig(all_words(), dim=config.dim, layers=config.layers, heads=config.heads, copies=config.copies)
    decoder = AnswerDecoder(sizes)
    return decoder


def _rate(step: int, config: DecoderTraining) -> float:
    warm = min(1.0, (step + 1) / config.warm_up)
    return warm * 0.5 * (1 + math.cos(math.pi * step / config.steps))


class _Source:
    """Batches by the number of their step."""

    def __init__(self, config: DecoderTraining, sizes: DecoderConfig) -> None:
        self._config = config
        words = Words(sizes.words)
        table = question_table(all_questions(), words, sizes.max_question)
        self._questions = Questions(table, words, sizes.max_answer, config.noise_m)
        self._pool: PosedThings | None = None
        if config.pool is not None and config.pool_share > 0:
            self._pool = pool_things(training_shards(config.pool, config.held_out_from))
        self._drawn: tuple[int, PosedThings] | None = None

    def batch(self, step: int) -> Batch:
        generator = np.random.default_rng((self._config.seed, 3, step))
        count, share = self._config.batch, self._config.sentences
        if self._pool is not None and generator.random() < self._config.pool_share:
            return self._questions.draw(self._pool, generator, count, sentences=share)
        at = step // _STEPS_A_LAYOUT
        if self._drawn is None or self._drawn[0] != at:
            self._drawn = at, drawn_things(np.random.default_rng((self._config.seed, 5, at)), self._config.layouts)
        return self._questions.draw(self._drawn[1], generator, count, sentences=share)


def training_shards(folder: Path, held_out_from: int) -> list[Path]:
    """Shards of a pool with seeds below ``held_out_from``, by name; the file's name tells its first seed."""
    found = sorted(path for path in folder.glob("measured-*.safetensors") if int(path.stem.split("-")[1]) < held_out_from)
    if not found:
        raise ValueError(f"{folder} holds no measured things to learn from: make a pool first (measured_pool.make_pool)")
    return found


def _learn(decoder: AnswerDecoder, batch: Batch, config: DecoderTraining, step: int) -> dict[str, float]:
    """Gradients of one batch, in parts of questions of like length: padding costs as much as words."""
    losses: dict[str, float] = {}
    for part in by_length(batch, 3):
        with reckoned_in_half(config.device, config.half):
            found = decoder_losses(decoder, part, config.device)
        share = len(part.question) / len(batch.question)
        total = share * (found["verdict"] + 0.4 * found["number"] + found["copied"] + 0.5 * found["sentence"])
        if not bool(torch.isfinite(total)):
            raise FloatingPointError(f"the loss of step {step} is {float(total)}: lower the learning rate")
        total.backward()
        for name, value in found.items():
            losses[name] = losses.get(name, 0.0) + share * float(value.detach())
    return losses


def by_length(batch: Batch, parts: int) -> Iterator[Batch]:
    """The batch in parts of as many things, and of so many parts of like length, each cut to its longest question."""
    words = (batch.question[:, :-2] != 0).sum(1)
    things = batch.present.sum(1)
    groups = [np.flatnonzero(things == many) for many in np.unique(things)]
    split = [each for rows in groups for each in np.array_split(rows[np.argsort(words[rows], kind="stable")], parts)]
    for rows in (each for each in split if len(each)):
        longest = max(int(words[rows].max()), 1)
        question = np.concatenate([batch.question[rows, :longest], batch.question[rows, -2:]], 1)
        others = {name: getattr(batch, name)[rows] for name in Batch.__dataclass_fields__ if name != "question"}
        yield Batch(question=question, **others)


def decoder_losses(decoder: AnswerDecoder, batch: Batch, device: str = "cpu") -> dict[str, Tensor]:
    """Mean loss of the verdicts, the numbers (nats of asinh(value / scale)), the lengths that they start from, and the sentences.

    The lengths' own is what finds the sign of a difference: a density may stay as likely on either side for long.
    """
    prompted = prompted_by(decoder, batch, device)
    weight = torch.from_numpy(batch.weight).to(device)
    verdict = F.cross_entropy(prompted.logits, torch.from_numpy(batch.verdict).to(device), reduction="none")
    value = torch.from_numpy(batch.value).to(device)
    known = torch.isfinite(value)
    number = -prompted.density.log_likelihood(torch.where(known, value, torch.zeros_like(value)))
    lengths = prompted.density.copied, torch.where(known, value, torch.zeros_like(value))
    start, end = (torch.asinh(each / 0.03) for each in lengths)
    copied = F.smooth_l1_loss(start, end, reduction="none", beta=0.1)
    losses = {
        "copied": (copied * known).sum() / known.sum().clamp_min(1),
        "verdict": (verdict * weight).sum() / weight.sum().clamp_min(1),
        "number": (number * known).sum() / known.sum().clamp_min(1),
    }
    rows = torch.from_numpy(np.flatnonzero(batch.answer[:, 0])).to(device)
    if not len(rows):
        return {**losses, "sentence": losses["number"].new_zeros(())}
    answer = torch.from_numpy(batch.answer).to(device)[rows]
    answer = answer[:, : int((answer != 0).sum(1).max())]
    logits = decoder.sentence_logits(chosen_rows(prompted, rows), answer[:, :-1])
    sentence = F.cross_entropy(logits.flatten(0, 1), answer[:, 1:].flatten(), ignore_index=0)
    return {**losses, "sentence": sentence}


def prompted_by(decoder: AnswerDecoder, batch: Batch, device: str = "cpu") -> Prompted:
    """What the decoder says to a batch."""
    objects, present, question = (torch.from_numpy(each).to(device) for each in (batch.objects, batch.present, batch.question))
    return decoder.prompt(objects, present, question)


def chosen_rows(prompted: Prompted, rows: Tensor) -> Prompted:
    """Some questions of a batch; their numbers stay with the others."""
    memory = [(keys[rows], values[rows]) for keys, values in prompted.memory]
    return replace(prompted, logits=prompted.logits[rows], memory=memory, keep=prompted.keep[rows], things=prompted.things[rows])


# -- files --------------------------------------------------------------------------------------------------------------


def _identity(config: DecoderTraining) -> dict[str, Any]:
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(config).items()}
    return {name: value for name, value in plain.items() if name not in ("out", "save_every", "device")}


def _save(
    config: DecoderTraining, decoder: AnswerDecoder, optimizer: torch.optim.Optimizer, mean: dict[str, Tensor], step: int
) -> None:
    from safetensors.torch import save_file

    tensors = {f"decoder.{name}": value for name, value in decoder.state_dict().items()}
    tensors |= {f"mean.{name}": value for name, value in mean.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    partial = config.out / f"{CHECKPOINT}.partial"
    told = {"step": str(step), "training": json.dumps(_identity(config), sort_keys=True)}
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, str(partial), metadata=told)
    partial.replace(config.out / f"{CHECKPOINT}.safetensors")


def _resumed(config: DecoderTraining, decoder: AnswerDecoder, optimizer: torch.optim.Optimizer, mean: dict[str, Tensor]) -> int:
    """Load the checkpoint of ``config.out``, if there is one; the number of the step to go on with."""
    from safetensors import safe_open

    path = config.out / f"{CHECKPOINT}.safetensors"
    if not path.exists():
        return 0
    with safe_open(str(path), "pt") as file:
        told = file.metadata()
        if json.loads(told["training"]) != json.loads(json.dumps(_identity(config))):
            raise ValueError(f"{path} is of another configuration; remove it, or give another folder")
        tensors: dict[str, Tensor] = {name: file.get_tensor(name).to(config.device) for name in file.keys()}  # noqa: SIM118
    decoder.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("decoder.")})
    for name, value in tensors.items():
        if name.startswith("mean."):
            mean[name[5:]].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(told["step"])


def _log(path: Path, row: dict[str, float], report: Callable[[dict[str, float]], None] | None) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if report is not None:
        report(row)


def plot_curve(folder: Path) -> Path:
    """Draw the losses of a run's log as ``curve.png``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows: dict[int, dict[str, float]] = {}
    for line in (folder / LOG).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[int(row["step"])] = row
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.5))
    for axis, name in zip(axes, ("verdict", "number", "sentence"), strict=True):
        axis.plot(sorted(rows), [rows[step][name] for step in sorted(rows)], linewidth=0.8)
        axis.set_title(f"{name} loss, nats")
        axis.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(folder / "curve.png", dpi=110)
    pyplot.close(figure)
    return folder / "curve.png"
