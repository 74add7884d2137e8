"""Solid round things: cans, balls, fruit, cones, rolls, candles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from .composites_builder import Builder, FloatArray, rotation_x, rotation_y, rotation_z
from .composites_looks import Draw, body, color, flecked, metal, plain, shaded
from .composites_types import Recipe

NAN = math.nan


def can(draw: Draw, b: Builder) -> Recipe:
    """A drinks can: bare metal ends on many, a neck on some."""
    r, z = draw.u(0.024, 0.042), draw.u(0.075, 0.15)
    look = b.material(body(draw, z, patterns=("band", "band", "print", "rings", "staves", "dots"), share=0.45))
    style = draw.u(0, 1)
    if style < 0.4:
        b.solid(0, z, r, r, look)
        return Recipe(0.8 * r, lies=0.15, stands=True)
    ends = b.material(metal(draw, "rim"))
    neck = draw.u(0.03, 0.07) * z
    b.frustum(0, 0.5 * neck, 0.85 * r, r, ends)
    b.frustum(0.5 * neck, z - neck, r, r, look)
    b.frustum(z - neck, z, r, draw.u(0.82, 0.97) * r, ends)
    b.disc(z - 0.002, 0.95 * r, ends)
    b.disc(0, 0.85 * r, ends)
    if draw.chance(0.5):
        b.box((0.2 * r, 0, z - 0.001), (0.3 * r, 0.18 * r, 0.001), ends)
    return Recipe(0.75 * r, lies=0.15, stands=True)


def tin(draw: Draw, b: Builder) -> Recipe:
    """A food tin: wide and low, with a rim."""
    r = draw.u(0.03, 0.055)
    z = r * draw.u(0.7, 2.0)
    look = b.material(body(draw, z, patterns=("band", "rings", "print"), share=0.45))
    ends = b.material(metal(draw, "rim"))
    b.frustum(0.003, z - 0.003, r * 0.985, r * 0.985, look)
    b.frustum(0, 0.003, r, r, ends)
    b.frustum(z - 0.003, z, r, r, ends)
    b.disc(z - 0.001, r, ends)
    b.disc(0, r, ends)
    low = 2 * r / z
    return Recipe(0.8 * r, lies=0.08, stands=True, nouns={"disc": NAN if low > 2.2 else 0.0})


def cylinder(draw: Draw, b: Builder) -> Recipe:
    """A plain solid cylinder, such as a toy block."""
    r = draw.u(0.012, 0.04)
    z = r * draw.u(1.2, 4.0)
    look = flecked(draw) if draw.chance(0.08) else body(draw, z, share=0.15, wooden=0.25)
    b.solid(0, z, r, r, b.material(look))
    return Recipe(0.8 * r, lies=0.3, stands=True, nouns={"toy": NAN})


def disc(draw: Draw, b: Builder) -> Recipe:
    """A flat solid cylinder, as plates look from afar."""
    r = draw.u(0.04, 0.10)
    z = min(draw.u(0.08, 0.4) * r, 0.032)
    b.solid(0, z, r, r * draw.u(0.97, 1.0), b.material(body(draw, z, patterns=("rings", "dots"), share=0.1, wooden=0.12)))
    plate = 1.0 if z < 0.25 * r or r > 0.06 else NAN
    return Recipe(0.85 * r, nouns={"plate": plate})


def ball(draw: Draw, b: Builder) -> Recipe:
    """A ball, some with stripes or dots."""
    r = draw.u(0.018, 0.055)
    look = flecked(draw) if draw.chance(0.05) else body(draw, 2 * r, patterns=("rings", "staves", "dots"), share=0.3)
    b.ellipsoid(r, r, b.material(replace(look, middle_m=r)), at=(0, 0, r), turn=_any_turn(draw))
    return Recipe()


def _any_turn(draw: Draw) -> FloatArray:
    return rotation_x(draw.u(0, 3.1)) @ rotation_y(draw.u(0, 3.1))


def _fruit(draw: Draw, b: Builder, rgb: tuple[float, float, float], r: float, half: float, *, fleck: float) -> int:
    look = replace(plain(draw, rgb, gloss=(0.1, 0.5)), second=shaded(rgb, fleck), scale_m=draw.u(0.006, 0.02), share=0.4)
    m = b.material(look)
    b.ellipsoid(r, half, m, at=(0, 0, half))
    return m


def apple(draw: Draw, b: Builder) -> Recipe:
    """Red, green or yellow, with a stalk in a dimple."""
    r = draw.u(0.032, 0.043)
    rgb = color(draw, ("red", "red", "green", "yellow"))
    _fruit(draw, b, rgb, r, r * draw.u(0.84, 0.98), fleck=draw.u(0.75, 0.95))
    top = b.elements[-1].high[2] * 2
    stalk = b.material(plain(draw, (0.28, 0.18, 0.08), "stalk"))
    b.bar((0, 0, top - 0.004), (draw.u(-0.004, 0.004), 0.002, top + draw.u(0.008, 0.016)), 0.003, 0.003, stalk)
    return Recipe()


def orange(draw: Draw, b: Builder) -> Recipe:
    """An orange with a small green end."""
    r = draw.u(0.032, 0.045)
    _fruit(draw, b, color(draw, ("orange",)), r, r * draw.u(0.94, 1.0), fleck=draw.u(0.85, 0.95))
    z = 2 * b.elements[-1].high[2]
    b.ellipsoid(0.005, 0.002, b.material(plain(draw, (0.2, 0.35, 0.12), "stalk")), at=(0, 0, z))
    return Recipe()


def lemon(draw: Draw, b: Builder) -> Recipe:
    """A yellow (or lime green) ellipsoid with pointed ends, lying."""
    r, half = draw.u(0.022, 0.030), draw.u(0.032, 0.044)
    m = b.material(plain(draw, color(draw, ("yellow", "yellow", "yellow", "green")), gloss=(0.1, 0.5)))
    turn = rotation_y(math.pi / 2)
    b.ellipsoid(r, half, m, at=(0, 0, r), turn=turn)
    for sign in (-1.0, 1.0):
        b.frustum(sign * half * 0.9, sign * (half + 0.006), 0.008, 0.003, m, at=(0, 0, r), turn=turn)
    return Recipe()


def tomato(draw: Draw, b: Builder) -> Recipe:
    """Flat and red with green leaves."""
    r = draw.u(0.025, 0.042)
    _fruit(draw, b, color(draw, ("red",)), r, r * draw.u(0.7, 0.86), fleck=0.95)
    z = 2 * b.elements[-1].high[2]
    leaf = b.material(plain(draw, (0.15, 0.4, 0.1), "stalk"))
    for angle in (0.2, 1.4, 2.7, 4.0, 5.2):
        b.bar((0, 0, z), (0.4 * r * math.cos(angle), 0.4 * r * math.sin(angle), z + 0.001), 0.005, 0.002, leaf)
    return Recipe()


def pear(draw: Draw, b: Builder) -> Recipe:
    """A round belly and a narrower neck."""
    r = draw.u(0.028, 0.038)
    rgb = color(draw, ("green", "yellow", "yellow", "brown"))
    m = _fruit(draw, b, rgb, r, r, fleck=0.9)
    b.frustum(1.5 * r, 2.6 * r, 0.87 * r, 0.42 * r, m)
    b.ellipsoid(0.45 * r, 0.45 * r, m, at=(0, 0, 2.55 * r))
    b.bar((0, 0, 2.9 * r), (0.004, 0, 2.9 * r + 0.015), 0.003, 0.003, b.material(plain(draw, (0.28, 0.18, 0.08), "stalk")))
    return Recipe(lies=0.3, stands=False)


def banana(draw: Draw, b: Builder) -> Recipe:
    """Bent, of four tapering pieces, lying."""
    r, bend = draw.u(0.014, 0.019), draw.u(0.07, 0.12)
    m = b.material(plain(draw, color(draw, ("yellow", "yellow", "yellow", "green")), gloss=(0.0, 0.3)))
    end = b.material(plain(draw, (0.25, 0.2, 0.08), "stalk"))
    angles = [-0.9, -0.45, 0.0, 0.45, 0.9]
    widths = [0.55, 0.92, 1.0, 0.92, 0.45]
    points = [(bend * math.sin(a), bend * (1 - math.cos(a)), r) for a in angles]
    for i in range(4):
        (x0, y0, _), (x1, y1, _) = points[i], points[i + 1]
        length = math.hypot(x1 - x0, y1 - y0)
        turn = _along(x1 - x0, y1 - y0)
        b.frustum(0, length, r * widths[i], r * widths[i + 1], m, at=points[i], turn=turn)
        b.ellipsoid(r * widths[i + 1] * 0.99, r * widths[i + 1] * 0.99, m, at=points[i + 1])
    turn = _along(math.cos(0.9), math.sin(0.9))
    b.solid(0, 0.016, 0.35 * r, 0.25 * r, end, at=points[-1], turn=turn)
    return Recipe()


def _along(x: float, y: float) -> FloatArray:
    """Turn that brings z to the horizontal direction (x, y)."""
    return rotation_z(math.atan2(y, x)) @ rotation_y(math.pi / 2)


def egg(draw: Draw, b: Builder) -> Recipe:
    """White or brownish, lying."""
    r = draw.u(0.020, 0.024)
    m = b.material(plain(draw, color(draw, ("white", "white", "beige", "brown")), gloss=(0.0, 0.2)))
    turn = rotation_y(math.pi / 2)
    b.ellipsoid(r, 1.15 * r, m, clip=(-1, 0), at=(0, 0, r), turn=turn)
    b.ellipsoid(r, 1.55 * r, m, clip=(0, 1), at=(0, 0, r), turn=turn)
    return Recipe()


def cone(draw: Draw, b: Builder) -> Recipe:
    """A cone, some cut off at the tip, some with a square foot as in traffic."""
    r, z = draw.u(0.022, 0.05), draw.u(0.055, 0.13)
    look = b.material(body(draw, z, patterns=("rings", "rings", "band"), share=0.3, wooden=0.1))
    tip = draw.u(0.02, 0.2) * r
    foot = 0.006 if draw.chance(0.3) else 0.0
    b.solid(foot, z, r, tip, look)
    if foot:
        b.box((0, 0, foot / 2), (1.25 * r, 1.25 * r, foot / 2), look)
    return Recipe()


def ring(draw: Draw, b: Builder) -> Recipe:
    """A roll of tape or a ring; the inside often of cardboard."""
    r = draw.u(0.028, 0.058)
    z, inner = draw.u(0.012, 0.052), r * draw.u(0.45, 0.78)
    side = b.material(body(draw, z, share=0.05))
    hole = b.material(plain(draw, (0.72, 0.58, 0.4))) if draw.chance(0.4) else side
    b.frustum(0, z, r, r, side)
    b.frustum(0, z, inner, inner, hole)
    b.disc(z, r, side, inner)
    b.disc(0, r, side, inner)
    return Recipe(lies=0.12, nouns={})


def candle(draw: Draw, b: Builder) -> Recipe:
    """A wax cylinder with a wick."""
    r, z = draw.u(0.012, 0.035), draw.u(0.05, 0.16)
    wax = b.material(plain(draw, color(draw, ("white", "white", "red", "beige", "blue", "pink", "purple")), gloss=(0.1, 0.3)))
    b.solid(0, z, r, r, wax)
    b.bar((0, 0, z), (0.001, 0, z + 0.012), 0.002, 0.002, b.material(plain(draw, (0.08, 0.07, 0.06), "wick")))
    return Recipe(lies=0.1, stands=True)


ROUND: dict[str, Callable[[Draw, Builder], Recipe]] = {
    "can": can, "tin": tin, "cylinder": cylinder, "disc": disc, "ball": ball, "apple": apple, "orange": orange, "lemon": lemon,
    "tomato": tomato, "pear": pear, "banana": banana, "egg": egg, "cone": cone, "ring": ring, "candle": candle,
}  # fmt: skip
