"""Print on things: packed goods have pictures and writing over their colour, which no rendered material has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .pool import THING, RegionShard
from .vocabulary import columns

# Print covers at most this share of what is seen of a thing, so that its colour is still that of most of it.
_MOST = 0.36
# What may no longer be said to be false of a thing that is printed on, and what may no longer be said at all.
_MAY_BE = ("has",)
_OPEN = ("pattern", "shade")


def printed(
    rng: np.random.Generator, batch: RegionShard, pictures: Tensor, truth: Tensor, share: float
) -> tuple[RegionShard, Tensor]:
    """A share of the things with blocks of other colours over their surface, and what is then open about them.

    Args:
        pictures: (N, 8, 64, 64) of the batch. truth: (N, 64, 64) bool, pixels of the things.
    """
    count = len(pictures)
    chosen = torch.from_numpy(np.flatnonzero((rng.random(count) < share) & (batch.kind == THING).numpy()))
    if not len(chosen):
        return batch, pictures
    color, own = pictures[chosen, :3], truth[chosen]
    over = _print(rng, len(chosen), color.shape[-1])
    where = _places(rng, own)
    # Light and shade of the surface go on below the print.
    level = (color + 1).mean(dim=1, keepdim=True)
    mean = (level * own[:, None]).sum((2, 3), keepdim=True) / own.sum((1, 2))[:, None, None, None].clamp_min(1)
    lit = ((over + 1) * (level / mean.clamp_min(0.1)).clamp(0.5, 1.5)).clamp(0, 2) - 1
    pictures = pictures.clone()
    pictures[chosen, :3] = torch.where(where[:, None], lit, color)
    concepts = batch.concepts.clone()
    rows = concepts[chosen]
    for family in _MAY_BE:
        own_columns = rows[:, columns(family)]
        own_columns[own_columns == 0] = -1
    for family in _OPEN:
        rows[:, columns(family)] = -1
    concepts[chosen] = rows
    return replace(batch, concepts=concepts), pictures


def _print(rng: np.random.Generator, count: int, size: int) -> Tensor:
    """(n, 3, size, size) in -1 .. 1: blocks of random colours, some of them fine as writing is."""
    coarse = torch.from_numpy(rng.uniform(-1, 1, (count, 3, 7, 7)).astype(np.float32))
    fine = torch.from_numpy(rng.uniform(-0.6, 0.6, (count, 1, 24, 24)).astype(np.float32))
    blocks = functional.interpolate(coarse, size=size, mode="nearest")
    return (blocks + functional.interpolate(fine, size=size, mode="bilinear")).clamp(-1, 1)


def _places(rng: np.random.Generator, own: Tensor) -> Tensor:
    """(n, size, size) bool: patches that cover up to ``_MOST`` of each thing (n, size, size)."""
    count, size, _ = own.shape
    noise = torch.from_numpy(rng.normal(size=(count, 1, 9, 9)).astype(np.float32))
    field = functional.interpolate(noise, size=size, mode="bicubic")[:, 0].masked_fill(~own, torch.nan)
    share = torch.from_numpy(rng.uniform(0.08, _MOST, count).astype(np.float32))
    level = torch.stack([torch.nanquantile(each.flatten(), 1 - s) for each, s in zip(field, share, strict=True)])
    return own & (torch.nan_to_num(field, nan=-torch.inf) > level[:, None, None])
