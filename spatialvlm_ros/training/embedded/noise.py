"""What cameras make of a perfect picture.

Blur, noise and compression of colour, and depth as structured light, stereo and time of flight measure it. All settings are drawn
per image; the same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

DEPTH_KINDS = ("structured_light", "stereo", "time_of_flight")
# Numbers of the pool of noise: drawn once, read from random places. Drawing new ones costs more than the whole rendering.
_POOL = 1 << 21
_NEAR_M, _FAR_M = 0.15, 8.0


# One generator an image, so that an image does not depend on its neighbours in the batch.
Rngs = Sequence[np.random.Generator]


class NoisePool:
    """Normally distributed numbers for whole batches."""

    def __init__(self, device: torch.device | str, seed: int = 20261129) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.values = torch.randn(_POOL, generator=generator).to(device)

    def normal(self, rngs: Rngs, shape: tuple[int, ...]) -> torch.Tensor:
        """(B, *shape) numbers from a place of each image's own."""
        size = int(np.prod(shape))
        starts = [int(rng.integers(0, _POOL - size)) for rng in rngs]
        return torch.stack([self.values[s : s + size].view(shape) for s in starts])


@dataclass
class NoiseConfig:
    """How bad cameras may be. Shares of images, and scales in their own units.

    Attributes:
        blur: share of images that are out of focus by up to `blur_px`.
        grain: largest standard deviation of colour noise (0..1 sRGB).
        jpeg: share of images compressed as JPEG does.
        depth: strength of depth noise, 1 as real cameras.
        flawless: share of images without any depth noise.
    """

    blur: float = 0.5
    grain: float = 0.03
    jpeg: float = 0.35
    depth: float = 1.0
    flawless: float = 0.05


def photograph(linear: torch.Tensor, rngs: Rngs, pool: NoisePool, config: NoiseConfig) -> torch.Tensor:
    """(B, H, W, 3) uint8 sRGB of linear light (B, 3, H, W)."""
    _, _, height, width = linear.shape
    device = linear.device
    drawn = np.stack([rng.random(9) for rng in rngs])
    image = torch.sqrt(linear.clamp(0, 1))
    blurred = np.nonzero(drawn[:, 0] < config.blur)[0]
    if len(blurred):
        own = torch.tensor(blurred, device=device)
        image[own] = _blurred(image[own], torch.tensor(0.05 + 0.28 * drawn[blurred, 1], dtype=torch.float32, device=device))
    grain = torch.tensor(drawn[:, 2] ** 2 * config.grain, dtype=torch.float32, device=device)[:, None, None, None]
    # The sensor's own tint, as of a white balance that is a little off.
    tint = torch.tensor(drawn[:, 3:6] * 0.06 - 0.03, dtype=torch.float32, device=device)[:, :, None, None]
    image = torch.addcmul(image + tint, grain, pool.normal(rngs, (3, height, width)))
    squeezed = np.nonzero(drawn[:, 6] < config.jpeg)[0]
    if len(squeezed):
        own = torch.tensor(squeezed, device=device)
        quality = torch.tensor(0.01 + 0.05 * drawn[squeezed, 7], dtype=torch.float32, device=device)
        image[own] = _compressed(image[own].clamp(0, 1), quality)
    return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _blurred(image: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """Mix every pixel with its four neighbours: a row (1 - 2a, a, a), then a column."""
    a = amount[:, None, None, None]
    pad = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = (1 - 2 * a) * pad[..., 1:-1] + a * (pad[..., :-2] + pad[..., 2:])
    return (1 - 2 * a) * rows[..., 1:-1, :] + a * (rows[..., :-2, :] + rows[..., 2:, :])


def _cosines(device: torch.device) -> torch.Tensor:
    """(8, 8) matrix of the discrete cosine transform (type II, orthonormal)."""
    k = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16) * 0.5
    matrix[0] *= 0.5**0.5
    return matrix.float().to(device)


def _compressed(image: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """What blocks of 8 x 8 look like after rounding their cosine coefficients, coarser for high frequencies and for colour."""
    count, _, height, width = image.shape
    high, wide = height // 8 * 8, width // 8 * 8
    mean = image.mean(1, keepdim=True)
    planes = torch.cat([mean, image[:, :1] - mean, image[:, 2:] - mean], dim=1)[..., :high, :wide]
    blocks = planes.reshape(count, 3, high // 8, 8, wide // 8, 8).transpose(3, 4)
    d = _cosines(image.device)
    coefficients = d @ blocks @ d.T
    k = torch.arange(8, device=image.device)
    grow = 1 + 0.6 * (k[:, None] + k[None])
    colour = torch.tensor([1.0, 1.6, 1.6], device=image.device)[None, :, None, None, None, None]
    quantum = step[:, None, None, None, None, None] * 2 * grow * colour
    coefficients = torch.round(coefficients / quantum) * quantum
    planes = (d.T @ coefficients @ d).transpose(3, 4).reshape(count, 3, high, wide)
    luma, red, blue = planes.unbind(1)
    out = image.clone()
    out[..., :high, :wide] = torch.stack([luma + red, luma - red - blue, luma + blue], dim=1)
    return out


@dataclass
class _Camera:
    """Settings of each image's depth camera, (B, 1, 1) each."""

    constant_m: torch.Tensor
    square: torch.Tensor
    smooth: torch.Tensor
    step: torch.Tensor
    edge_hole: torch.Tensor
    flying: torch.Tensor
    patchy: torch.Tensor
    slant: torch.Tensor
    dark: torch.Tensor
    baseline: torch.Tensor


def _draw_cameras(rngs: Rngs, config: NoiseConfig, device: torch.device) -> tuple[_Camera, list[str]]:
    kinds, rows = [], []
    for rng in rngs:
        pick, a, b, c, clean, amount = rng.random(6).tolist()
        kind = DEPTH_KINDS[int(pick * len(DEPTH_KINDS))]
        strength = 0.0 if clean < config.flawless else config.depth * (0.5 + amount)
        side = 1 if c < 0.7 else -1
        row = {
            "structured_light": (0.0010, 0.0019, 0.4, 0.125 / 43.5, 0.4 + 0.4 * a, 0.0, 2.9 - 0.5 * b, 0.20, 0.010 * c, 43.5),
            "stereo": (0.0006, 0.0020, 2.0, 0.0312 / 35.0, 0.3 + 0.3 * a, 0.2 * b, 2.9 - 0.4 * b, 0.10, 0.0, 35.0 * side),
            "time_of_flight": (0.0015, 0.0008, 0.6, 0.0, 0.3 + 0.4 * a, 0.6 * b, 3.3, 0.16, 0.016 * c, 0.0),
        }[kind]
        most = min(1.0, strength)
        weights = (strength, strength, 1.0, most, most, most, 1.0, most, most, 1.0 if strength else 0.0)
        scaled = [value * weight for value, weight in zip(row, weights, strict=True)]
        if not strength:
            # No patches, and nothing too slanted or dark.
            scaled[6], scaled[7], scaled[8] = 99.0, -1.0, -1.0
        kinds.append(kind)
        rows.append(scaled)
    columns = torch.tensor(rows, dtype=torch.float32, device=device).T[:, :, None, None]
    return _Camera(*columns.unbind(0)), kinds


def measure_depth(
    depth_m: torch.Tensor, facing: torch.Tensor, brightness: torch.Tensor, gloss: torch.Tensor, focal_px: torch.Tensor,
    rngs: Rngs, pool: NoisePool, config: NoiseConfig,
) -> tuple[torch.Tensor, list[str]]:  # fmt: skip
    """Depth as measured, NaN where there is none, and the kind of camera of each image.

    Args:
        depth_m: (B, H, W) true depth, inf where nothing is.
        facing: cosine of incidence. brightness: 0..1. gloss: 0..1. All (B, H, W).
        focal_px: (B,).
    """
    _, height, width = depth_m.shape
    cam, kinds = _draw_cameras(rngs, config, depth_m.device)
    z = depth_m.clamp(max=_FAR_M + 1)
    noise, other = pool.normal(rngs, (height, width)), pool.normal(rngs, (height, width))
    coarse = torch.nn.functional.interpolate(
        pool.normal(rngs, (1, height // 6 + 1, width // 6 + 1)), (height, width), mode="bilinear"
    )[:, 0]
    measured, holes = _edges(z, noise, other, cam)
    # Nguyen, Izadi and Lovell (2012): grows with z^2, and at a slant.
    share = cam.smooth / (1 + cam.smooth)
    deviation = torch.addcmul(cam.constant_m, cam.square, measured * measured)
    slanted = (0.35 / facing.clamp(min=0.12)).clamp(min=1)
    measured = torch.addcmul(measured, deviation * slanted, torch.lerp(noise, coarse, share))
    # Disparity comes in steps: depth is focal length times baseline over it.
    stepped = (cam.step * measured * measured).clamp(min=1e-6)
    measured = torch.where(cam.step > 0, torch.round(measured / stepped) * stepped, measured)
    # Nothing comes back from slanted, dark or mirror-like surfaces, nor from some patches.
    invalid = torch.add(coarse, other, alpha=0.25) > cam.patchy
    invalid |= torch.add(facing, other, alpha=0.03) < cam.slant
    invalid |= torch.add(brightness, other, alpha=0.004) < cam.dark
    invalid |= (gloss > 0.75) & (facing > 0.985) & (cam.dark > 0)
    invalid |= _unlit(z, focal_px, cam.baseline)
    invalid |= (measured < _NEAR_M) | (measured > _FAR_M) | ~torch.isfinite(depth_m)
    measured.masked_fill_(invalid, torch.nan).view(-1)[holes] = torch.nan
    return measured, kinds


def _edges(z: torch.Tensor, noise: torch.Tensor, other: torch.Tensor, cam: _Camera) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth (B, H, W) whose edges waver, and flat indices (n,) of edge pixels without any.

    Beside an edge a pixel shows its neighbour's surface, or with flying pixels something in between.
    """
    height, width = z.shape[1:]
    limit = 0.012 + 0.02 * z
    right = (z[:, :, 1:] - z[:, :, :-1]).abs() > limit[:, :, 1:]
    below = (z[:, 1:] - z[:, :-1]).abs() > limit[:, 1:]
    edge = torch.zeros_like(z, dtype=torch.bool)
    edge[:, :, 1:] |= right
    edge[:, :, :-1] |= right
    edge[:, 1:] |= below
    edge[:, :-1] |= below
    index = torch.nonzero(edge.view(-1)).squeeze(1)
    image, pixel = index // (height * width), index % (height * width)
    v, u = pixel // width, pixel % width
    a, b = noise.view(-1)[index], other.view(-1)[index]
    step_u = (b > 0.5).long() - ((b > -0.2) & (b <= 0.5)).long()
    step_v = ((b > -0.8) & (b <= -0.2)).long() - (b <= -0.8).long()
    neighbour = z[image, (v + step_v).clamp(0, height - 1), (u + step_u).clamp(0, width - 1)]
    flying, hole = cam.flying[image, 0, 0], cam.edge_hole[image, 0, 0]
    share = torch.sigmoid(2 * a) * flying + (b.abs() > 0.6) * (1 - flying)
    share = share * ((neighbour < _FAR_M) & (cam.constant_m[image, 0, 0] > 0))
    out = z.clone()
    out.view(-1)[index] = torch.lerp(z.view(-1)[index], neighbour, share)
    # 0.675 is the median of |N(0, 1)|; near it shares and limits go together with slope 1.3.
    return out, index[(hole > 0) & (a.abs() < 0.675 + 1.3 * (hole - 0.5))]


def _unlit(z: torch.Tensor, focal_px: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """(B, H, W) pixels that the projector, or the second camera, does not see: something nearer hides them on its side.

    `baseline` (B, 1, 1) is in px metres of the sensor's own focal length of 580 px; its sign is the side.
    """
    width = z.shape[2]
    disparity = baseline.abs() * (focal_px[:, None, None] / 580) / z
    column = torch.arange(width, device=z.device, dtype=z.dtype)
    # Seen from a projector on the left, pixel u arrives at u + disparity: it is hidden if one further right arrives left of it.
    flip = (baseline < 0).expand_as(z)
    turned = torch.where(flip, disparity.flip(2), disparity)
    place = column - turned
    # The least within 32 pixels to the right, by doubling.
    least = place.clone()
    for step in (1, 2, 4, 8, 16):
        least[..., :-step] = torch.minimum(least[..., :-step], least[..., step:])
    hidden = place > least + 1.0
    hidden = torch.where(flip, hidden.flip(2), hidden)
    return hidden & (baseline != 0)
