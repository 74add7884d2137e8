"""Training of the head that finds the gripper, on small whole images of rendered scenes (pool.py, shards of kind "images")."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...vlm.embedded.config import filled
from ...vlm.embedded.gripper_head import GripperConfig, GripperHead, gripper_loss
from .checkpoints import load_checkpoint, save_checkpoint
from .pool import Pool
from .precision import reckoned_in_half

KIND = "images"


@dataclass(frozen=True)
class GripperTraining:
    """How the head is trained; see ``TowerTraining`` for what is alike. ``batch`` images a step."""

    seed: int = 0
    steps: int = 3600
    shards: int = 36
    batch: int = 48
    rate: float = 1.5e-3
    warm_up: int = 100
    decay: float = 0.05
    average: float = 0.995
    bfloat16: bool = True
    device: str = "cpu"
    save_every: int = 100


@dataclass
class GripperRun:
    """A training in progress."""

    head: GripperHead
    averaged: GripperHead
    config: GripperConfig
    optimizer: torch.optim.AdamW
    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)


def new_gripper_run(config: GripperConfig, training: GripperTraining) -> GripperRun:
    """Untrained, from the seed."""
    torch.manual_seed(training.seed)
    head = GripperHead(config).to(training.device, memory_format=torch.channels_last)
    averaged = GripperHead(config).to(training.device, memory_format=torch.channels_last)
    averaged.load_state_dict(head.state_dict())
    optimizer = torch.optim.AdamW(head.parameters(), lr=training.rate, betas=(0.9, 0.98), weight_decay=training.decay)
    return GripperRun(head, averaged, config, optimizer)


def train_gripper(
    run: GripperRun,
    training: GripperTraining,
    pool: Pool,
    *,
    folder: Path | None = None,
    stop_at: int | None = None,
    seconds: float = math.inf,
    report: Callable[[dict[str, float]], None] | None = None,
) -> GripperRun:
    """Go on with a run to its end, to step ``stop_at``, or for about ``seconds``; checkpoints go to ``folder``."""
    began, last = time.monotonic(), min(training.steps, training.steps if stop_at is None else stop_at)
    shards: dict[int, dict[str, Tensor]] = {}
    run.head.train()
    while run.step < last and time.monotonic() - began < seconds:
        rng = np.random.default_rng([training.seed, 3, run.step])
        number = int(rng.integers(0, training.shards))
        if number not in shards:
            shards[number] = pool.read(number, KIND)
        losses = _step(run, training, rng, shards[number])
        run.step += 1
        if run.step % 20 == 0 or run.step == last:
            run.log.append({"step": run.step, "seconds": round(time.monotonic() - began, 1), **losses})
            if report is not None:
                report(run.log[-1])
        if folder is not None and (run.step % training.save_every == 0 or run.step == last):
            state = {"step": run.step, "config": asdict(run.config), "log": run.log}
            save_checkpoint(folder, {"head": run.head, "averaged": run.averaged}, run.optimizer, state)
    return run


def _step(run: GripperRun, training: GripperTraining, rng: np.random.Generator, shard: dict[str, Tensor]) -> dict[str, float]:
    device = torch.device(training.device)
    rows = torch.from_numpy(rng.integers(0, len(shard["present"]), training.batch))
    small, xyz = shard["small"][rows].float().to(device), shard["xyz"][rows].float().to(device)
    mask, tip = shard["mask"][rows].float().to(device) / 255, shard["tip"][rows].to(device)
    small, xyz, mask, tip = _mirrored(rng, small, xyz, mask, tip)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (len(small), 1, 1, 1)).astype(np.float32)).to(device)
    small = torch.cat([((small[:, :3] + 1) * gain).clamp(0, 2) - 1, small[:, 3:]], dim=1)
    warm = min(1.0, (run.step + 1) / training.warm_up)
    for group in run.optimizer.param_groups:
        group["lr"] = training.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, run.step / training.steps)))
    with reckoned_in_half(device, training.bfloat16):
        found = run.head(small, xyz)
    losses = gripper_loss(found, shard["present"][rows].to(device) > 0, mask, tip)
    total = losses["gripper there"] + losses["gripper mask"] + losses["gripper tip"]
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(run.head.parameters(), 1.0)
    run.optimizer.step()
    _average(run, training.average)
    return {name: round(float(value.detach()), 5) for name, value in losses.items()}


def _mirrored(
    rng: np.random.Generator, small: Tensor, xyz: Tensor, mask: Tensor, tip: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Half of the images with left and right exchanged."""
    chosen = torch.from_numpy(rng.random(len(small)) < 0.5).to(small.device)
    sign = torch.where(chosen, -1.0, 1.0)
    four = chosen[:, None, None, None]
    small, xyz = torch.where(four, small.flip(3), small), torch.where(four, xyz.flip(3), xyz)
    small = torch.cat([small[:, :3], small[:, 3:4] * sign[:, None, None, None], small[:, 4:]], dim=1)
    xyz = torch.cat([xyz[:, :1] * sign[:, None, None, None], xyz[:, 1:]], dim=1)
    mask = torch.where(chosen[:, None, None], mask.flip(2), mask)
    return small, xyz, mask, torch.cat([tip[:, :1] * sign[:, None], tip[:, 1:]], dim=1)


@torch.no_grad()
def _average(run: GripperRun, keep: float) -> None:
    keep = min(keep, (1 + run.step) / (10 + run.step))
    now = run.head.state_dict()
    for name, mean in run.averaged.state_dict().items():
        if mean.dtype.is_floating_point:
            mean.lerp_(now[name], 1 - keep)
        else:
            mean.copy_(now[name])


def load_gripper_run(folder: Path, training: GripperTraining) -> GripperRun:
    """The run of a checkpoint. Raises CheckpointError where there is none or it is another's."""
    path = folder / "state.json"
    fields = json.loads(path.read_text(encoding="utf-8")).get("config", {}) if path.exists() else {}
    run = new_gripper_run(filled(GripperConfig, fields), training)
    state = load_checkpoint(folder, {"head": run.head, "averaged": run.averaged}, run.optimizer)
    run.step, run.log = int(state["step"]), list(state["log"])
    return run
