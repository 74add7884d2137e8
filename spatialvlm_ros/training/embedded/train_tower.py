"""Training of the region-text tower from shards of rendered regions (pool.py).

Same configuration, same weights: the order of the data, the phrases and the changes made to pictures follow from the seed and the
number of the step, also over a stop and a resumption. Checkpoints are safetensors, the optimiser's state included.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...vlm.embedded.config import filled
from ...vlm.embedded.tokenizer import PhraseTokenizer
from ...vlm.embedded.tower import Phrases, Regions, RegionTextTower, TowerConfig, match
from .altered import altered
from .checkpoints import load_checkpoint, save_checkpoint
from .pool import NOTHING, THING, Pool, RegionShard, join, unpack_pictures
from .precision import reckoned_in_half
from .printed import printed


@dataclass(frozen=True)
class TowerTraining:
    """How the tower is trained.

    Attributes:
        steps: in all; the learning rate falls to 0 along half a cosine of this length.
        first_shards, shards: of the pool in use at the first step, and from half of the steps on.
        runs, run_length: a batch is of so many stretches of so many neighbouring regions, so that whole scenes are in it.
        phrases: of a batch.
        rate, warm_up, decay: of AdamW.
        average: of the weights, by which share the mean keeps itself at each step.
        negative_weight: of "does not answer" against "answers".
        mask_weight, attribute_weight: of the losses beside matching.
        printed: share of the regions that are printed on, as packed goods are.
        bfloat16: whether networks are reckoned in bfloat16 where the device is quick at it (weights and sums stay float32).
        save_every: steps.
    """

    seed: int = 0
    steps: int = 8000
    first_shards: int = 2
    shards: int = 80
    runs: int = 4
    run_length: int = 48
    phrases: int = 160
    rate: float = 2e-3
    warm_up: int = 150
    decay: float = 0.05
    average: float = 0.998
    negative_weight: float = 0.5
    mask_weight: float = 1.5
    attribute_weight: float = 0.1
    printed: float = 0.2
    bfloat16: bool = True
    device: str = "cpu"
    save_every: int = 100


#: Phrases in words and (P, N) whether the regions of a shard answer to them: 1, 0 or NaN for open.
PhraseDraw = Callable[[np.random.Generator, RegionShard, int], tuple[list[str], Tensor]]


@dataclass
class TowerRun:
    """A training in progress: all that a checkpoint holds."""

    tower: RegionTextTower
    averaged: RegionTextTower
    optimizer: torch.optim.AdamW
    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)


def new_run(config: TowerConfig, training: TowerTraining) -> TowerRun:
    """Untrained, from the seed."""
    torch.manual_seed(training.seed)
    tower = RegionTextTower(config).to(training.device, memory_format=torch.channels_last)
    averaged = RegionTextTower(config).to(training.device, memory_format=torch.channels_last)
    averaged.load_state_dict(tower.state_dict())
    plain = [p for p in tower.parameters() if p.ndim < 2]
    matrices = [p for p in tower.parameters() if p.ndim >= 2]
    groups = [{"params": matrices, "weight_decay": training.decay}, {"params": plain, "weight_decay": 0.0}]
    return TowerRun(tower, averaged, torch.optim.AdamW(groups, lr=training.rate, betas=(0.9, 0.98)))


def train_tower(
    run: TowerRun,
    training: TowerTraining,
    pool: Pool,
    draw: PhraseDraw,
    *,
    folder: Path | None = None,
    stop_at: int | None = None,
    seconds: float = math.inf,
    report: Callable[[dict[str, float]], None] | None = None,
) -> TowerRun:
    """Go on with a run to its end, to step ``stop_at``, or for about ``seconds``; checkpoints go to ``folder``."""
    tokenizer = PhraseTokenizer(run.tower.config.words, run.tower.config.max_words)
    shards: dict[int, RegionShard] = {}
    began, last = time.monotonic(), min(training.steps, training.steps if stop_at is None else stop_at)
    run.tower.train()
    while run.step < last and time.monotonic() - began < seconds:
        rng = np.random.default_rng([training.seed, run.step])
        batch = draw_batch(rng, run.step, training, pool, shards)
        losses = train_step(run, training, tokenizer, rng, batch, draw)
        run.step += 1
        if run.step % 20 == 0 or run.step == last:
            entry = {"step": run.step, "seconds": round(time.monotonic() - began, 1), **losses}
            run.log.append(entry)
            if report is not None:
                report(entry)
        if folder is not None and (run.step % training.save_every == 0 or run.step == last):
            save_run(run, folder)
    return run


def shards_in_use(step: int, training: TowerTraining) -> int:
    """How many shards of the pool step ``step`` draws from: it grows to all of them over the first half of the steps."""
    share = min(1.0, step / max(1.0, 0.5 * training.steps))
    return min(training.shards, max(training.first_shards, math.floor(training.shards * share)))


def draw_batch(
    rng: np.random.Generator, step: int, training: TowerTraining, pool: Pool, shards: dict[int, RegionShard]
) -> RegionShard:
    """Stretches of neighbouring regions from shards chosen at random; ``shards`` keeps those that were opened."""
    parts = []
    for number in rng.integers(0, shards_in_use(step, training), training.runs).tolist():
        if number not in shards:
            shards[number] = pool.regions(number)
        shard = shards[number]
        first = int(rng.integers(0, max(1, len(shard) - training.run_length + 1)))
        part = shard.rows(torch.arange(first, min(len(shard), first + training.run_length)))
        parts.append(replace(part, scene=part.scene - part.scene.min()))
    return join(parts)


def train_step(
    run: TowerRun,
    training: TowerTraining,
    tokenizer: PhraseTokenizer,
    rng: np.random.Generator,
    batch: RegionShard,
    draw: PhraseDraw,
) -> dict[str, float]:
    """One step of the optimiser; the losses of the batch."""
    device = torch.device(training.device)
    pictures, truth = altered(rng, *unpack_pictures(batch))
    batch, pictures = printed(rng, batch, pictures, truth, training.printed)
    texts, answers = draw(rng, batch, training.phrases)
    ids = torch.from_numpy(tokenizer.encode(texts).ids).to(device)
    answers = answers.to(device)
    pictures = pictures.to(device).contiguous(memory_format=torch.channels_last)
    _set_rate(run.optimizer, run.step, training)
    with reckoned_in_half(device, training.bfloat16):
        regions = run.tower.regions(pictures, batch.scalars.to(device))
        phrases = run.tower.phrases(ids)
        masks = run.tower.masks(pictures, regions.maps)
    attributes = run.tower.attributes(regions.embedding)
    parts = tower_losses(regions, phrases, masks, attributes, batch, answers, truth.to(device), training)
    total = parts["match"] + training.mask_weight * parts["mask"] + training.attribute_weight * parts["attributes"]
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(run.tower.parameters(), 1.0)
    run.optimizer.step()
    _average(run, training.average)
    return {name: round(float(value.detach()), 5) for name, value in parts.items()}


def tower_losses(
    regions: Regions, phrases: Phrases, masks: Tensor, attributes: Tensor, batch: RegionShard, answers: Tensor, truth: Tensor,
    training: TowerTraining,
) -> dict[str, Tensor]:  # fmt: skip
    """Losses of a batch: "match" per positive pair, "mask" per pixel of windows, "attributes" per region."""
    device = answers.device
    log_yes = match(phrases, regions)
    # log(1 - p), finite where p is 1.
    log_no = torch.log(-torch.expm1(log_yes.clamp(max=-1e-4)))
    yes, no = answers == 1, answers == 0
    positives = yes.sum().clamp_min(1)
    matching = -(log_yes * yes).sum() / positives - training.negative_weight * (log_no * no).sum() / positives
    thing = (batch.kind != NOTHING).to(device)
    mask = functional.binary_cross_entropy_with_logits(masks, truth.float(), reduction="none").mean(dim=(1, 2))
    concepts = batch.concepts.to(device)
    told = (concepts >= 0) & (batch.kind == THING).to(device)[:, None]
    attribute = functional.binary_cross_entropy_with_logits(attributes, (concepts == 1).float(), reduction="none")
    return {
        "match": matching,
        "mask": (mask * thing).sum() / thing.sum().clamp_min(1),
        "attributes": (attribute * told).sum() / len(concepts),
    }


def _set_rate(optimizer: torch.optim.Optimizer, step: int, training: TowerTraining) -> None:
    warm = min(1.0, (step + 1) / max(1, training.warm_up))
    rate = training.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, training.steps))))
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _average(run: TowerRun, keep: float) -> None:
    """Move the averaged weights towards the present ones; early on faster, so that the beginning is soon forgotten."""
    keep = min(keep, (1 + run.step) / (10 + run.step))
    now = dict(run.tower.state_dict())
    for name, mean in run.averaged.state_dict().items():
        if mean.dtype.is_floating_point:
            mean.lerp_(now[name], 1 - keep)
        else:
            mean.copy_(now[name])


def save_run(run: TowerRun, folder: Path) -> None:
    """Write a checkpoint that ``load_run`` goes on from."""
    modules = {"tower": run.tower, "averaged": run.averaged}
    save_checkpoint(folder, modules, run.optimizer, {"step": run.step, "config": asdict(run.tower.config), "log": run.log})


def load_run(folder: Path, training: TowerTraining) -> TowerRun:
    """The run of a checkpoint. Raises CheckpointError where there is none or it is another's."""
    state = json.loads((folder / "state.json").read_text(encoding="utf-8")) if (folder / "state.json").exists() else {}
    run = new_run(filled(TowerConfig, state.get("config")), training)
    state = load_checkpoint(folder, {"tower": run.tower, "averaged": run.averaged}, run.optimizer)
    run.step, run.log = int(state["step"]), list(state["log"])
    return run
