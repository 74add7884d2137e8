"""Colour words of a thing: the share of its pixels that people would call red, orange, ... white.

A mean colour makes purple of a red and blue box and grey of a shiny black one; shares of pixels do not, and several
words may be true at once. Brightness and white are taken relative to the image, so that a dim room does not turn white
to grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .grid import quantiles

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
# An image whose white is below the first is dark, and never taken to be darker than the second: that is mostly noise.
_DARK, _DARKEST = 0.5, 0.125


def _hue_table() -> FloatArray:
    """(7, 360) membership of each hue degree in the words of ``_HUES``; columns add up to 1."""
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
    return np.ascontiguousarray((table / table.sum(axis=1, keepdims=True)).T, dtype=np.float32)


_TABLE = _hue_table()


def white_point(color: npt.NDArray[np.uint8]) -> FloatArray:
    """(3,) what white looks like on this image (H, W, 3) RGB, 0..1.

    The bright end of each channel, held near grey: a warm lamp is corrected, a wooden table that fills the image is not
    taken for one.
    """
    bright = _bright_end(color)
    level = float(np.clip(bright.max(), _DARKEST, 1.0))
    return np.asarray(np.clip(bright, 0.9 * level, level), dtype=np.float32)


def brightened(color: npt.NDArray[np.uint8], whole: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """An image (H, W, 3) uint8 RGB, or a part of a ``whole`` one; itself where that is bright enough.

    Colours of a dark room are as far apart as in a lit one.
    """
    level = max(float(_bright_end(whole).max()), _DARKEST)
    if level >= _DARK:
        return color
    return np.asarray(np.clip(color * np.float32(_DARK / level), 0, 255), dtype=np.uint8)


def _bright_end(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(3,) what three of a hundred pixels of an image (H, W, 3) are above, 0..1."""
    sparse = np.ascontiguousarray(color[::8, ::8].reshape(-1, 3).T)
    return np.asarray(quantiles(sparse, (0.97,))[0] / 255)


def color_shares(pixels: npt.NDArray[np.uint8], white: FloatArray) -> dict[str, float]:
    """Share in [0, 1] of each colour word over pixels (N, 3) uint8 RGB; all 0 without pixels. They add up to 1."""
    return color_shares_of_each([pixels], white)[0]


def color_words_of(pixels: npt.NDArray[np.uint8], white: FloatArray) -> dict[str, FloatArray]:
    """How much of each colour word is true for each of some pixels (N, 3) uint8 RGB: (N,) each, they add up to 1."""
    return dict(zip(COLORS, _pixel_shares(*_channels(pixels, white)), strict=True))


def color_shares_of_each(parts: Sequence[npt.NDArray[np.uint8]], white: FloatArray) -> list[dict[str, float]]:
    """``color_shares`` of several sets of pixels, each (N, 3): at once, which for some hundred pixels each is much faster."""
    if not parts:
        return []
    rgb, value, chroma = _channels(np.concatenate(parts), white)
    low = rgb.min(axis=0)
    shares = _pixel_shares(rgb, value, chroma)
    result, start = [], 0
    for part in parts:
        own = slice(start, start + len(part))
        start += len(part)
        if not len(part):
            result.append(dict.fromkeys(COLORS, 0.0))
            continue
        # A highlight is the lamp's colour, not the thing's: pixels that are clipped count little beside coloured ones.
        colored = float(quantiles(chroma[own], (0.5,))[0]) > _CHROMA[1]
        weight = np.where((low[own] > 0.93) & colored, np.float32(0.1), np.float32(1.0))
        result.append(dict(zip(COLORS, (shares[:, own] @ weight / weight.sum()).tolist(), strict=True)))
    return result


def _channels(pixels: npt.NDArray[np.uint8], white: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pixels (N, 3) relative to white: red, green and blue (3, N), the largest of them (N,), and by how much it is the largest.

    A row for each channel or word, which NumPy works on much faster than on a row for each pixel.
    """
    rgb = np.minimum(np.ascontiguousarray(pixels.T, dtype=np.float32) / 255 / white[:, None], 1.0)
    value = rgb.max(axis=0)
    return rgb, value, value - rgb.min(axis=0)


def _pixel_shares(rgb: FloatArray, value: FloatArray, chroma: FloatArray) -> FloatArray:
    """(11, N) how much of each colour word is true for each pixel, columns add up to 1."""
    colored = np.clip((chroma - _CHROMA[0]) / (_CHROMA[1] - _CHROMA[0]), 0, 1)
    # In deep shadow small chroma still tells (0.05 of 0.15), in bright light a tint of the lamp does not.
    saturation = chroma / np.maximum(value, 1e-3)
    colored = np.maximum(colored, np.clip((saturation - 0.45) / 0.2, 0, 1) * np.clip((value - 0.08) / 0.08, 0, 1))
    colored *= np.clip((saturation - 0.15) / 0.1, 0, 1)
    return np.concatenate([_hue_shares(rgb, value, chroma) * colored, _grays(value) * (1 - colored)])


def _hue_shares(rgb: FloatArray, value: FloatArray, chroma: FloatArray) -> FloatArray:
    """(8, N) membership in red ... pink and brown, columns add up to 1."""
    r, g, b = rgb
    c = np.maximum(chroma, 1e-6)
    hue = np.where(value == r, (g - b) / c, np.where(value == g, (b - r) / c + 2, (r - g) / c + 4)) * 60
    # An index below 0 counts from the end: -1 is 359 degrees.
    member = _TABLE[:, np.floor(hue).astype(np.intp)]
    # Dark orange is brown, dull dark red as well; a deep red stays red.
    saturation = chroma / np.maximum(value, 1e-3)
    dull = np.clip((0.65 - saturation) / 0.15, 0, 1)
    warm = member[1] + 0.5 * member[2] + member[0] * dull
    dark = np.clip((0.72 - value) / 0.12, 0, 1)
    brown = np.minimum(warm, 1) * dark
    # Light and pale red is pink.
    pale = np.clip((value - 0.75) / 0.1, 0, 1) * np.clip((0.55 - saturation) / 0.15, 0, 1)
    pink = member[0] * pale * (1 - brown)
    out = np.concatenate([member * (1 - brown), brown[None]])
    out[0] -= pink
    out[6] += pink
    return np.asarray(out, dtype=np.float32)


def _grays(value: FloatArray) -> FloatArray:
    """(3, N) membership in black, gray, white by relative brightness, columns add up to 1."""
    black = np.clip((0.30 - value) / 0.12, 0, 1)
    white = np.clip((value - 0.60) / 0.15, 0, 1)
    return np.stack([black, 1 - black - white, white]).astype(np.float32)
