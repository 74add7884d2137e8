"""Colour words of a thing: the share of its pixels that people would call red, orange, ... white.

A mean colour makes purple of a red and blue box and grey of a shiny black one; shares of pixels do not, and several
words may be true at once. Brightness and white are taken relative to the image, so that a dim room does not turn white
to grey.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "gray", "white")
# Hue in degrees at which a word is fully true, from and to; between two ranges it fades linearly.
_HUES = {
    "red": (-14.0, 11.0),
    "orange": (20.0, 38.0),
    "yellow": (46.0, 64.0),
    "green": (78.0, 165.0),
    "blue": (192.0, 250.0),
    "purple": (264.0, 296.0),
    "pink": (312.0, 336.0),
}
# Chroma (max - min channel, 0..1) below the first is no colour at all, above the second certainly one.
_CHROMA = (0.10, 0.20)


def _hue_table() -> FloatArray:
    """(360, 7) membership of each hue degree in the words of ``_HUES``; rows add up to 1."""
    names = list(_HUES)
    table = np.zeros((360, len(names)), dtype=np.float32)
    degrees = np.arange(360, dtype=np.float64)
    for i, name in enumerate(names):
        low, high = _HUES[name]
        before, after = _HUES[names[i - 1]][1], _HUES[names[(i + 1) % len(names)]][0]
        fade_in, fade_out = (low - before) % 360, (after - high) % 360
        offset = (degrees - low) % 360
        width = high - low
        rising = np.where(offset > 360 - fade_in, 1 - (360 - offset) / fade_in, 0)
        falling = np.where((offset > width) & (offset < width + fade_out), 1 - (offset - width) / fade_out, 0)
        table[:, i] = np.where(offset <= width, 1, np.maximum(rising, falling))
    return np.asarray(table / table.sum(axis=1, keepdims=True), dtype=np.float32)


_TABLE = _hue_table()


def white_point(color: npt.NDArray[np.uint8]) -> FloatArray:
    """(3,) what white looks like on this image (H, W, 3) RGB, 0..1.

    The bright end of each channel, held near grey: a warm lamp is corrected, a wooden table that fills the image is not
    taken for one.
    """
    sparse = color[::8, ::8].reshape(-1, 3).astype(np.float32) / 255
    bright = np.percentile(sparse, 97, axis=0)
    level = float(np.clip(bright.max(), 0.4, 1.0))
    return np.asarray(np.clip(bright, 0.9 * level, level), dtype=np.float32)


def color_shares(pixels: npt.NDArray[np.uint8], white: FloatArray) -> dict[str, float]:
    """Share in [0, 1] of each colour word over pixels (N, 3) uint8 RGB; all 0 without pixels. They add up to 1."""
    if not len(pixels):
        return dict.fromkeys(COLORS, 0.0)
    rgb = np.minimum(pixels.astype(np.float32) / 255 / white, 1.0)
    value, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = value - low
    # A highlight is the lamp's colour, not the thing's: pixels that are clipped count little beside coloured ones.
    weight = np.where((low > 0.93) & (np.median(chroma) > _CHROMA[1]), np.float32(0.1), np.float32(1.0))
    colored = np.clip((chroma - _CHROMA[0]) / (_CHROMA[1] - _CHROMA[0]), 0, 1)
    # In deep shadow small chroma still tells (0.05 of 0.15), in bright light a tint of the lamp does not.
    saturation = chroma / np.maximum(value, 1e-3)
    colored = np.maximum(colored, np.clip((saturation - 0.45) / 0.2, 0, 1) * np.clip((value - 0.08) / 0.08, 0, 1))
    colored *= np.clip((saturation - 0.15) / 0.1, 0, 1)
    hues, grays = _hue_shares(rgb, value, chroma), _grays(value)
    shares = np.concatenate([hues * colored[:, None], grays * (1 - colored)[:, None]], axis=1)
    mean = weight @ shares / weight.sum()
    return {name: float(share) for name, share in zip(COLORS, mean, strict=True)}


def _hue_shares(rgb: FloatArray, value: FloatArray, chroma: FloatArray) -> FloatArray:
    """(N, 8) membership in red ... pink and brown, rows add up to 1."""
    r, g, b = rgb.T
    c = np.maximum(chroma, 1e-6)
    hue = np.where(value == r, ((g - b) / c) % 6, np.where(value == g, (b - r) / c + 2, (r - g) / c + 4)) * 60
    member = _TABLE[np.floor(hue).astype(np.intp) % 360]
    # Dark orange is brown, dull dark red as well; a deep red stays red.
    dull = np.clip((0.65 - chroma / np.maximum(value, 1e-3)) / 0.15, 0, 1)
    warm = member[:, 1] + 0.5 * member[:, 2] + member[:, 0] * dull
    dark = np.clip((0.72 - value) / 0.12, 0, 1)
    brown = np.minimum(warm, 1) * dark
    # Light and pale red is pink.
    pale = np.clip((value - 0.75) / 0.1, 0, 1) * np.clip((0.55 - chroma / np.maximum(value, 1e-3)) / 0.15, 0, 1)
    pink = member[:, 0] * pale * (1 - brown)
    out = np.concatenate([member * (1 - brown)[:, None], brown[:, None]], axis=1)
    out[:, 0] -= pink
    out[:, 6] += pink
    return np.asarray(out, dtype=np.float32)


def _grays(value: FloatArray) -> FloatArray:
    """(N, 3) membership in black, gray, white by relative brightness, rows add up to 1."""
    black = np.clip((0.30 - value) / 0.12, 0, 1)
    white = np.clip((value - 0.60) / 0.15, 0, 1)
    return np.stack([black, 1 - black - white, white], axis=1).astype(np.float32)
