"""Colour words by region of colour space, and colours drawn from them.

Two people agree on a colour word in the middle of its region and argue at its rim: there it is open (NaN).
Hue, saturation and value are those of sRGB, as everywhere in this project (perception/colors.py).
"""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "gray", "white", "turquoise", "beige")
# As written; (colour, shade): what else the word says, "" nothing.
COLOR_WORDS: dict[str, tuple[str, str]] = {
    **{c: (c, "") for c in COLORS},
    "grey": ("gray", ""),
    "silver": ("gray", ""),
    "crimson": ("red", ""),
    "scarlet": ("red", ""),
    "maroon": ("red", "dark"),
    "amber": ("orange", ""),
    "golden": ("yellow", ""),
    "gold": ("yellow", ""),
    "lime": ("green", "light"),
    "olive": ("green", "dark"),
    "navy": ("blue", "dark"),
    "azure": ("blue", ""),
    "cyan": ("turquoise", ""),
    "teal": ("turquoise", ""),
    "violet": ("purple", ""),
    "lilac": ("purple", "light"),
    "magenta": ("pink", ""),
    "rose": ("pink", ""),
    "tan": ("beige", ""),
    "cream": ("white", ""),
    "ivory": ("white", ""),
}
# Hue in degrees: (least, most) where the word is true; between two ranges both are open.
_HUES = {
    "red": (-13.0, 10.0),
    "orange": (20.0, 38.0),
    "yellow": (45.0, 63.0),
    "green": (80.0, 158.0),
    "turquoise": (170.0, 190.0),
    "blue": (203.0, 248.0),
    "purple": (264.0, 297.0),
    "pink": (312.0, 337.0),
}
# Hue, saturation, value from which a colour is drawn when it shall be beyond dispute: (low, high) each, in degrees and 0..1.
_CORES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-12, 9), (0.70, 0.98), (0.50, 0.95)),
    "orange": ((21, 36), (0.75, 1.0), (0.80, 1.0)),
    "yellow": ((46, 60), (0.65, 1.0), (0.80, 1.0)),
    "green": ((85, 155), (0.40, 0.95), (0.30, 0.85)),
    "blue": ((205, 246), (0.50, 0.95), (0.35, 0.95)),
    "purple": ((266, 295), (0.40, 0.85), (0.35, 0.80)),
    "pink": ((314, 352), (0.25, 0.58), (0.82, 1.0)),
    "brown": ((14, 33), (0.50, 0.80), (0.24, 0.50)),
    "black": ((0, 360), (0.0, 0.15), (0.04, 0.18)),
    "gray": ((0, 360), (0.0, 0.06), (0.38, 0.64)),
    "white": ((0, 360), (0.0, 0.05), (0.86, 0.98)),
    "turquoise": ((171, 189), (0.50, 0.95), (0.45, 0.90)),
    "beige": ((28, 46), (0.22, 0.36), (0.72, 0.90)),
}


def draw_color(rng: np.random.Generator, color: str) -> tuple[float, float, float]:
    """An sRGB colour (3 floats, 0..1) that is `color` beyond dispute; any colour at all for ""."""
    if not color:
        return tuple(rng.random(3).tolist())
    (h0, h1), (s0, s1), (v0, v1) = _CORES[color]
    a, b, c = rng.random(3).tolist()
    return colorsys.hsv_to_rgb(((h0 + (h1 - h0) * a) % 360) / 360, s0 + (s1 - s0) * b, v0 + (v1 - v0) * c)


def memberships(rgb: npt.NDArray[np.floating]) -> FloatArray:
    """(N, 13) how true each of COLORS is of sRGB colours (N, 3) in 0..1: 1, 0, or NaN where people would argue."""
    rgb = np.asarray(rgb, dtype=np.float64)
    value, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = value - low
    hue, saturation = _hue_deg(rgb), chroma / np.maximum(value, 1e-6)
    out = np.zeros((len(rgb), len(COLORS)))
    vivid = _rising(np.minimum(chroma / 0.16, saturation / 0.30), 0.5, 1.0)
    vivid = np.where(value < 0.24, np.minimum(vivid, 0.5), vivid)
    for word, (first, last) in _HUES.items():
        out[:, COLORS.index(word)] = np.minimum(_in_hue(hue, word, first, last), vivid)
    _warm(out, hue, saturation, value)
    # How little colour makes black, gray or white: more in the dark.
    dull = 1 - _rising(np.where(value < 0.3, chroma / 0.24, saturation / 0.24), 0.35, 1.0)
    out[:, COLORS.index("black")] = np.minimum(_falling(value, 0.20, 0.33), np.maximum(dull, _falling(value, 0.08, 0.26) * 0.5))
    out[:, COLORS.index("gray")] = np.minimum(np.minimum(_rising(value, 0.25, 0.36), _falling(value, 0.66, 0.82)), dull)
    out[:, COLORS.index("white")] = np.minimum(_rising(value, 0.70, 0.84), dull)
    # Many people have no word for these two: to them turquoise is blue or green, beige is brown.
    for color, others in (("turquoise", ("blue", "green")), ("beige", ("brown",))):
        for other in others:
            column = out[:, COLORS.index(other)]
            np.maximum(column, np.minimum(out[:, COLORS.index(color)], 0.5), out=column)
    # Fully true, fully false, or open.
    return np.where(out > 0.99, 1.0, np.where(out < 0.01, 0.0, np.nan)).astype(np.float32)


def _warm(out: Numbers, hue: Numbers, saturation: Numbers, value: Numbers) -> None:
    """Brown, pink and beige, which are dark, pale and dull kinds of red, orange and yellow."""
    at = COLORS.index
    fawn = np.minimum(_rising(hue, 4, 13), _falling(hue, 42, 54))
    sure = out[:, [at("red"), at("orange"), at("yellow")]].max(axis=1)
    brown = np.minimum(fawn, np.minimum(_falling(value, 0.54, 0.76), _rising(saturation, 0.25, 0.45)))
    brown = np.minimum(brown, _rising(value, 0.12, 0.22))
    beige = np.minimum(np.minimum(_rising(hue, 16, 26), _falling(hue, 48, 60)), _rising(value, 0.52, 0.70))
    beige = np.minimum(beige, np.minimum(_rising(saturation, 0.10, 0.20), _falling(saturation, 0.38, 0.55)))
    pale = np.minimum(_rising(value, 0.70, 0.82), _falling(saturation, 0.58, 0.75))
    blush = np.minimum(_falling(np.minimum(hue, 360 - hue), 10, 22), np.minimum(pale, _rising(saturation, 0.10, 0.24)))
    pink = np.maximum(
        out[:, at("pink")], np.where(hue > 180, np.minimum(_rising(hue, 297, 312), pale * (saturation > 0.2)), blush)
    )
    # A dark pink is as well called purple or red; where brown, pink or beige is meant, the vivid word is not.
    out[:, at("pink")] = np.where((value < 0.6) & (pink > 0), np.minimum(pink, 0.5), pink)
    for word in ("red", "orange", "yellow"):
        own = out[:, at(word)]
        own = np.minimum(own, 1 - (blush if word == "red" else 0 * blush))
        own = np.minimum(own, 1 - beige)
        # A deep red stays red, however dark.
        doubt = 0.5 * np.minimum(brown, np.minimum(_rising(hue, 5, 12), _falling(saturation, 0.75, 0.9)))
        out[:, at(word)] = np.minimum(own, 1 - (doubt if word == "red" else brown))
    out[:, at("brown")] = np.where(sure + brown > 0, brown, 0)
    out[:, at("beige")] = beige


def shades(rgb: npt.NDArray[np.floating]) -> FloatArray:
    """(N, 2) whether sRGB colours (N, 3) are light, dark: 1, 0 or NaN. Grays are neither for certain."""
    rgb = np.asarray(rgb, dtype=np.float64)
    value, low = rgb.max(axis=1), rgb.min(axis=1)
    saturation = (value - low) / np.maximum(value, 1e-6)
    light = np.minimum(_rising(value, 0.60, 0.80), _falling(saturation, 0.50, 0.75))
    dark = _falling(value, 0.45, 0.66)
    out = np.stack([light, dark], axis=1)
    out = np.where(out > 0.99, 1.0, np.where(out < 0.01, 0.0, np.nan))
    out[saturation < 0.12] = np.nan
    return out.astype(np.float32)


def _hue_deg(rgb: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(N,) 0 .. 360, 0 for grays."""
    r, g, b = rgb.T
    value = rgb.max(axis=1)
    c = np.maximum(value - rgb.min(axis=1), 1e-9)
    sector = np.where(value == r, (g - b) / c, np.where(value == g, (b - r) / c + 2, (r - g) / c + 4))
    return np.asarray(sector * 60 % 360)


def _in_hue(hue: npt.NDArray[np.float64], word: str, first: float, last: float) -> npt.NDArray[np.float64]:
    """1 in the range of a word, 0.5 up to its neighbours' ranges, 0 beyond."""
    names = list(_HUES)
    i = names.index(word)
    before, after = _HUES[names[i - 1]][1], _HUES[names[(i + 1) % len(names)]][0]
    past = (hue - first) % 360
    inside = past <= (last - first) % 360
    rim = (past < (after - first) % 360) | ((first - hue) % 360 < (first - before) % 360)
    return np.where(inside, 1.0, np.where(rim, 0.5, 0.0))


def _rising(x: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.float64]:
    return np.clip((np.asarray(x, dtype=np.float64) - low) / (high - low), 0.0, 1.0)


def _falling(x: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.float64]:
    return 1.0 - _rising(x, low, high)
