"""Colours, patterns and gloss of random things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from .composites_builder import Material, Rgb
from .vocabulary_colors import COLORS, draw_color

T = TypeVar("T")

# Chance that a colour is drawn anywhere, so that the rims between colour words are seen in training too.
_ANY_COLOR = 0.1
_PATTERNS = ("rings", "staves", "checks", "dots", "band", "print")


class Draw:
    """Short names for the draws that things are made of; each costs about a microsecond."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def u(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[T]) -> T:
        """One of some options."""
        return options[int(self.rng.random() * len(options))]

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))


def color(draw: Draw, words: Sequence[str] = COLORS) -> Rgb:
    """A colour of one of the words; where all are allowed, sometimes any colour."""
    return draw_color(draw.rng, "" if words is COLORS and draw.chance(_ANY_COLOR) else draw.pick(words))


def second_color(draw: Draw, first: Rgb) -> Rgb:
    """A colour that stands out from `first`, often white or black."""
    for _ in range(8):
        other = draw_color(draw.rng, draw.pick(("white", "black")) if draw.chance(0.45) else draw.pick(COLORS))
        if max(abs(a - b) for a, b in zip(first, other, strict=True)) > 0.4:
            return other
    return (1.0, 1.0, 1.0) if sum(first) < 1.5 else (0.05, 0.05, 0.05)


def shaded(rgb: Rgb, factor: float) -> Rgb:
    """The same colour, darker or lighter."""
    return (min(1.0, rgb[0] * factor), min(1.0, rgb[1] * factor), min(1.0, rgb[2] * factor))


def plain(draw: Draw, rgb: Rgb, part: str = "body", gloss: tuple[float, float] = (0.0, 0.6)) -> Material:
    """One colour, half of them with flecks so weak that nobody would name them."""
    fleck, texture = draw.u(0.85, 0.99), "speckle" if draw.chance(0.5) else "plain"
    return Material(
        rgb, shaded(rgb, fleck), texture, draw.u(0.002, 0.01), draw.u(0.2, 0.5), 0.0, draw.u(0, 6), draw.u(*gloss), part
    )


def wood(draw: Draw, part: str = "body") -> Material:
    """Wood with grain along x."""
    rgb = draw_color(draw.rng, draw.pick(("brown", "beige", "brown")))
    if draw.chance(0.5):
        rgb = (draw.u(0.60, 0.84), draw.u(0.42, 0.58), draw.u(0.22, 0.36))
    dark = shaded(rgb, draw.u(0.55, 0.75))
    return Material(rgb, dark, "grain", draw.u(0.004, 0.012), 0.5, 0.0, draw.u(0, 6), draw.u(0.0, 0.2), part)


def metal(draw: Draw, part: str = "body") -> Material:
    """Bare metal."""
    v = draw.u(0.45, 0.75)
    tint = draw.u(-0.02, 0.03)
    return plain(draw, (v + tint, v, v - tint), part, (0.6, 1.0))


def body(
    draw: Draw, height_m: float, *, patterns: Sequence[str] = _PATTERNS, share: float = 0.3, wooden: float = 0.0
) -> Material:
    """The look of a thing of some height: one colour, a pattern (with probability `share`) or wood."""
    if draw.chance(wooden):
        return wood(draw)
    rgb = color(draw)
    look = plain(draw, rgb)
    if not draw.chance(share):
        return look
    texture = draw.pick(patterns)
    other = second_color(draw, rgb)
    width = draw.u(0.08, 0.2) * height_m if texture != "dots" else draw.u(0.1, 0.22) * height_m
    width = min(max(width, 0.004), 0.03)
    if texture == "print":
        # Patches of another colour, as of printed pictures and writing.
        return replace(look, second=other, texture="print", scale_m=draw.u(0.006, 0.03), share=draw.u(0.15, 0.45))
    if texture == "band":
        span = draw.u(0.18, 0.62) * height_m
        return replace(look, second=other, texture="band", share=span / 2, middle_m=draw.u(0.4, 0.6) * height_m)
    return replace(look, second=other, texture=texture, scale_m=width, share=draw.u(0.35, 0.6), middle_m=0.0)


def flecked(draw: Draw) -> Material:
    """Clearly speckled, like granite or terrazzo."""
    rgb = color(draw)
    look = replace(plain(draw, rgb), texture="speckle", second=second_color(draw, rgb))
    return replace(look, scale_m=draw.u(0.003, 0.007), share=draw.u(0.2, 0.4))
