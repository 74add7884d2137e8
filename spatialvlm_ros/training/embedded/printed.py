"""Print on things: packed goods have pictures, writing and labels over their colour, which no rendered material has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .pool import THING, RegionShard
from .vocabulary import columns

# Print covers at most this share of what is seen of a thing, so that its colour is still that of most of it.
_MOST = 0.4
# Of what is printed on: the share with pictures all over; of the rest, the share whose writing lies on a label.
_PICTURES, _LABELLED = 0.5, 0.6
# What may no longer be said to be false of a thing that is printed on, and what may no longer be said at all.
_MAY_BE = ("has",)
_OPEN = ("pattern", "shade")


def printed(
    rng: np.random.Generator, batch: RegionShard, pictures: Tensor, truth: Tensor, share: float
) -> tuple[RegionShard, Tensor]:
    """A share of the things with pictures, or with lines of writing and a label, and what is then open about them.

    Args:
        pictures: (N, 8, 64, 64) of the batch. truth: (N, 64, 64) bool, pixels of the things.
    """
    count = len(pictures)
    chosen = torch.from_numpy(np.flatnonzero((rng.random(count) < share) & (batch.kind == THING).numpy()))
    if not len(chosen):
        return batch, pictures
    color, own = pictures[chosen, :3], truth[chosen]
    over, where = _print(rng, len(chosen), color.shape[-1]), _places(rng, own)
    written, ink = _writing(rng, own)
    pictured = torch.from_numpy(rng.random(len(chosen)) < _PICTURES)[:, None, None]
    over, where = torch.where(pictured[:, None], over, ink), torch.where(pictured, where, written)
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


def _writing(rng: np.random.Generator, own: Tensor) -> tuple[Tensor, Tensor]:
    """Lines of writing on things (n, size, size), most on a label: where there is print, and (n, 3, size, size) its colour.

    Lines run across or down the picture, are cut into words, and have one colour; a label has another.
    """
    count, size, _ = own.shape

    def drawn(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1)).astype(np.float32))

    v, u = (grid.float()[None] for grid in torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    area = own.sum((1, 2)).clamp_min(1)[:, None, None]
    middle_u, middle_v = (own * u).sum((1, 2), keepdim=True) / area, (own * v).sum((1, 2), keepdim=True) / area
    # Slanted as a box's side is when it is seen from a corner.
    turned = torch.from_numpy(rng.random((count, 1, 1)) < 0.3)
    slant = drawn(-0.5, 0.5)
    along, across = torch.where(turned, v, u) - torch.where(turned, middle_v, middle_u), torch.where(turned, u, v)
    across = across - torch.where(turned, middle_u, middle_v) + slant * along
    reach = area.sqrt()
    a = drawn(0.2, 0.5) * reach
    b = torch.minimum(drawn(0.12, 0.35) * reach, _MOST * area / (4 * a))
    across = across - drawn(-0.25, 0.25) * reach
    round_label = torch.from_numpy(rng.random((count, 1, 1)) < 0.35)
    label = torch.where(round_label, (along / a) ** 2 + (across / b) ** 2 < 1, (along.abs() < a) & (across.abs() < b))
    pitch, word = drawn(3.0, 9.0), drawn(3.0, 14.0)
    line = torch.floor(across / pitch)
    in_line = across / pitch - line < drawn(0.35, 0.65)
    words = torch.sin(12.9898 * torch.floor(along / word) + 78.233 * line + drawn(0, 6.28)) > drawn(-0.6, 0.3)
    text = in_line & words & (along.abs() < 1.1 * a) & (across.abs() < b)
    labelled = torch.from_numpy(rng.random((count, 1, 1)) < _LABELLED)
    ink, paper = (torch.from_numpy(rng.uniform(-1, 1, (count, 3, 1, 1)).astype(np.float32)) for _ in range(2))
    return own & torch.where(labelled, label, text), torch.where((text & labelled)[:, None] | ~labelled[:, None], ink, paper)


def _places(rng: np.random.Generator, own: Tensor) -> Tensor:
    """(n, size, size) bool: patches that cover up to ``_MOST`` of each thing (n, size, size)."""
    count, size, _ = own.shape
    noise = torch.from_numpy(rng.normal(size=(count, 1, 9, 9)).astype(np.float32))
    field = functional.interpolate(noise, size=size, mode="bicubic")[:, 0].masked_fill(~own, torch.nan)
    share = torch.from_numpy(rng.uniform(0.08, _MOST, count).astype(np.float32))
    level = torch.stack([torch.nanquantile(each.flatten(), 1 - s) for each, s in zip(field, share, strict=True)])
    return own & (torch.nan_to_num(field, nan=-torch.inf) > level[:, None, None])
