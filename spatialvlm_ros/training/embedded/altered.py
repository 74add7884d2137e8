"""Pictures of regions in other light and of poorer cameras than the renderer's: what a tower should not mind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

# Shares of the pictures: in light of another colour than its image's white tells, in light that is far off, of a poor camera,
# brighter on one side, paler or more vivid, behind haze, coarse.
_TINTED, _WRONG_WHITE, _POOR, _LOPSIDED, _PALE, _HAZY, _COARSE = 0.45, 0.1, 0.5, 0.3, 0.3, 0.2, 0.25


def altered(rng: np.random.Generator, pictures: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and masks mirrored at random, some of them in other or coloured light, coarse, or as a poor camera gives them.

    Args:
        pictures: (N, 8, 64, 64) as crops.py makes them, colours in -1 .. 1.
        truth: (N, 64, 64) bool, pixels of the things.
    """
    count = len(pictures)
    mirrored = torch.from_numpy(rng.random(count) < 0.5)
    flipped = pictures.flip(3)
    flipped[:, 3] = -flipped[:, 3]
    pictures = torch.where(mirrored[:, None, None, None], flipped, pictures)
    truth = torch.where(mirrored[:, None, None], truth.flip(2), truth)
    color = _in_other_light(rng, pictures[:, :3])
    color = _poor(rng, color)
    coarse = torch.from_numpy(rng.random(count) < _COARSE)
    if coarse.any():
        edge = int(rng.integers(20, 48))
        small = functional.interpolate(color[coarse], size=edge, mode="bilinear", antialias=True)
        color[coarse] = functional.interpolate(small, size=color.shape[-1], mode="bilinear")
    # Outside the image colour is 0, whatever the light.
    outside = (pictures[:, :3] == 0).all(dim=1, keepdim=True)
    pictures = torch.cat([color * ~outside, pictures[:, 3:]], dim=1)
    return pictures, truth


def _in_other_light(rng: np.random.Generator, color: Tensor) -> Tensor:
    """Colours (N, 3, 64, 64) in -1 .. 1 in light of another strength and hue, stronger on one side, with more or less colour."""
    count, size = len(color), color.shape[-1]
    # What white looks like is guessed from an image; where nothing on it is white, the guess is off.
    draw = rng.random((count, 1, 1, 1))
    off = np.where(draw < _WRONG_WHITE, 0.18, np.where(draw < _TINTED, 0.12, 0.04))
    gain = _tensor(rng.uniform(0.85, 1.15, (count, 1, 1, 1)) * (1 + off * rng.uniform(-1, 1, (count, 3, 1, 1))))
    place = torch.linspace(-1, 1, size)
    angle = rng.uniform(0, 2 * np.pi, count)
    strength = rng.uniform(0.05, 0.3, count) * (rng.random(count) < _LOPSIDED)
    across, down = _tensor(strength * np.cos(angle)), _tensor(strength * np.sin(angle))
    ramp = 1 + across[:, None, None] * place + down[:, None, None] * place[:, None]
    level = (color + 1) * gain * ramp[:, None]
    gray = level.mean(dim=1, keepdim=True)
    vivid = _tensor(np.where(rng.random(count) < _PALE, rng.uniform(0.7, 1.2, count), 1.0))[:, None, None, None]
    level = gray + vivid * (level - gray)
    # Haze, flare and black levels that are off take the same share of contrast from all colours.
    haze = _tensor(np.where(rng.random(count) < _HAZY, rng.uniform(0, 0.15, count), 0.0))[:, None, None, None]
    return (level + haze * (1 - level)).clamp(0, 2) - 1


def _poor(rng: np.random.Generator, color: Tensor) -> Tensor:
    """Colours (N, 3, 64, 64) in -1 .. 1, some of them with another contrast and with noise of single pixels and of patches."""
    count, size = len(color), color.shape[-1]
    chosen = torch.from_numpy(np.flatnonzero(rng.random(count) < _POOR))
    if not len(chosen):
        return color
    power = _tensor(rng.uniform(0.7, 1.4, (len(chosen), 1, 1, 1)))
    level = ((color[chosen] + 1) / 2).clamp(1e-4, 1) ** power
    # Packing as JPEG leaves patches a few pixels wide, and wider ones in hue than in brightness.
    fine = _tensor(rng.normal(0, 0.02, (len(chosen), 3, size, size)))
    coarse = _tensor(rng.normal(0, 0.025, (len(chosen), 3, size // 6, size // 6)))
    noisy = level + fine + functional.interpolate(coarse, size=size, mode="bilinear")
    color = color.clone()
    color[chosen] = noisy.clamp(0, 1) * 2 - 1
    return color


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
