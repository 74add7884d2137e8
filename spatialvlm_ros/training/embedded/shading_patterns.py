"""Patterns on surfaces: the share of the second colour at points of a thing's own frame (the one it was made in)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .composites_builder import TEXTURES


@dataclass
class Painted:
    """Points (n,) in the made frame, metres, and the numbers of their material (composites_builder.Material)."""

    x: torch.Tensor
    y: torch.Tensor
    z: torch.Tensor
    scale: torch.Tensor
    share: torch.Tensor
    middle: torch.Tensor
    phase: torch.Tensor


def pattern(numbers: torch.Tensor, made: tuple[torch.Tensor, ...], codes: Sequence[int]) -> torch.Tensor:
    """(n,) share of the second colour.

    Args:
        numbers: (6, n) texture, scale, share, middle, phase, gloss of each point.
        made: three times (n,), metres.
        codes: the textures that there are.
    """
    out = torch.zeros_like(made[0])
    points = torch.stack([*made, *numbers[1:5]])
    for code in codes:
        if TEXTURES[code] == "plain":
            continue
        own = torch.nonzero(numbers[0] == code).squeeze(1)
        out.index_copy_(0, own, _PATTERNS[TEXTURES[code]](Painted(*points.index_select(1, own).unbind(0))))
    return out


def _rings(p: Painted) -> torch.Tensor:
    return (_frac(p.z / (2 * p.scale) + p.phase) < p.share).float()


def _staves(p: Painted) -> torch.Tensor:
    return (_frac(p.x / (2 * p.scale) + p.phase) < p.share).float()


def _checks(p: Painted) -> torch.Tensor:
    # Off the grid's planes, in which flat sides lie.
    cells = torch.floor(p.x / p.scale + 0.5) + torch.floor(p.y / p.scale + 0.5) + torch.floor(p.z / p.scale + p.phase)
    return torch.remainder(cells, 2)


def _dots(p: Painted) -> torch.Tensor:
    """Balls in a lattice, cut by the surface."""
    period = 2 * p.scale
    squared = (_frac(p.x / period + p.phase) - 0.5) ** 2 + (_frac(p.y / period + p.phase) - 0.5) ** 2
    squared = squared + (_frac(p.z / period + p.phase) - 0.5) ** 2
    return (squared < 0.12 + 0.25 * p.share * p.share).float()


def _band(p: Painted) -> torch.Tensor:
    return ((p.z - p.middle).abs() < p.share).float()


def _grain(p: Painted) -> torch.Tensor:
    wave = torch.sin(p.x * 9 + p.phase) * 0.6 + torch.sin(p.x * 23 + 2 * p.phase) * 0.25
    ridge = 0.5 + 0.5 * torch.sin((p.y + 0.7 * p.z) * (6.2832 / p.scale) + 4 * wave + p.phase)
    return p.share * ridge * ridge


def _speckle(p: Painted) -> torch.Tensor:
    # Flat sides lie at 0, or at what makes a whole number: there the last bit would decide between two cells.
    x, y, z = (torch.floor(c / p.scale + 0.41) for c in (p.x, p.y, p.z))
    cell = x * 12.9898 + y * 78.233 + z * 37.719
    return (_frac(torch.sin(cell + p.phase) * 4375.85) < p.share).float()


def _tiles(p: Painted) -> torch.Tensor:
    return ((_frac(p.x / p.scale + p.phase) < p.share) | (_frac(p.y / p.scale) < p.share)).float()


def _frac(x: torch.Tensor) -> torch.Tensor:
    return x - torch.floor(x)


_PATTERNS: dict[str, Callable[[Painted], torch.Tensor]] = {
    "rings": _rings, "staves": _staves, "checks": _checks, "dots": _dots, "band": _band, "grain": _grain, "speckle": _speckle,
    "print": _speckle, "tiles": _tiles,
}  # fmt: skip
