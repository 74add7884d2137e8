"""Long things that lie: pens, cutlery, tools. They are made along x."""

from __future__ import annotations

import math
from collections.abc import Callable

from .composites_builder import Builder, rotation_x, rotation_y
from .composites_looks import Draw, color, metal, plain, second_color, wood
from .composites_types import Recipe

_ALONG_X = rotation_y(math.pi / 2)


def _rod(b: Builder, x0: float, x1: float, r0: float, r1: float, material: int, z: float, sy: float = 1.0) -> None:
    """A closed frustum along x whose axis runs at height z; the turn maps its z to x."""
    b.solid(x0, x1, r0, r1, material, sy, at=(0.0, 0.0, z), turn=_ALONG_X)


def _grip(draw: Draw, b: Builder) -> int:
    if draw.chance(0.25):
        return b.material(wood(draw, "handle"))
    return b.material(plain(draw, color(draw), "handle"))


def pen(draw: Draw, b: Builder) -> Recipe:
    """A barrel with a pointed tip; pencils end in a rubber."""
    length, r = draw.u(0.12, 0.18), draw.u(0.0035, 0.006)
    m = b.material(plain(draw, color(draw)))
    tip = b.material(plain(draw, (0.85, 0.7, 0.5) if draw.chance(0.4) else (0.3, 0.3, 0.3), "head"))
    half = length / 2
    _rod(b, -half, half - 0.018, r, r, m, r)
    _rod(b, half - 0.018, half, r, 0.0008, tip, r)
    if draw.chance(0.4):
        _rod(b, -half - 0.008, -half, r, r, b.material(plain(draw, second_color(draw, b.materials[m].rgb), "cap")), r)
    return Recipe()


def marker(draw: Draw, b: Builder) -> Recipe:
    """A thick barrel with a cap of the ink's colour."""
    length, r = draw.u(0.11, 0.15), draw.u(0.007, 0.011)
    rgb = color(draw)
    white = draw.chance(0.5)
    m = b.material(plain(draw, (0.92, 0.92, 0.92) if white else rgb))
    cap = b.material(plain(draw, rgb if white else second_color(draw, rgb), "cap"))
    half, cut = length / 2, draw.u(0.0, 0.25) * length
    _rod(b, -half, cut, r, r, m, r * 1.08)
    _rod(b, cut, half, r * 1.08, r * 1.0, cap, r * 1.08)
    return Recipe(lies=0.15, lies_on="x", stands=True)


def spoon(draw: Draw, b: Builder) -> Recipe:
    """A shallow bowl on a long handle."""
    length = draw.u(0.13, 0.26)
    m = b.material(metal(draw) if draw.chance(0.45) else wood(draw) if draw.chance(0.5) else plain(draw, color(draw)))
    r, depth = length * draw.u(0.10, 0.15), draw.u(0.008, 0.016)
    sy = draw.u(0.62, 0.9)
    b.ellipsoid(r, depth, m, sy=sy, clip=(-1, 0), at=(length / 2 - r, 0, depth + 0.001))
    b.bar((length / 2 - 1.95 * r, 0, depth), (-length / 2, 0, draw.u(0.004, 0.02)), draw.u(0.006, 0.012), 0.004, m)
    return Recipe()


def knife(draw: Draw, b: Builder) -> Recipe:
    """A flat blade and a grip."""
    length = draw.u(0.17, 0.30)
    blade, grip = b.material(metal(draw, "head")), _grip(draw, b)
    cut, width = draw.u(-0.1, 0.05) * length, draw.u(0.016, 0.036)
    half = length / 2
    s = math.hypot(width, 0.35 * length)
    n = (width / s, 0.35 * length / s)
    # Its back slants down to the tip.
    planes = (
        (0, 1, 0, width / 2), (-1, 0, 0, -cut), (0, -1, 0, width / 2), (n[0], n[1], 0, n[0] * half - n[1] * width / 2),
        (0, 0, 1, 0.0012), (0, 0, -1, 0.0012),
    )  # fmt: skip
    b.hull(planes, (cut, -width / 2, -0.0012), (half, width / 2, 0.0012), blade, (0, 0, 0.006))
    b.box(((cut - half) / 2, 0, 0.007), ((cut + half) / 2, 0.009, 0.007), grip)
    return Recipe()


def spatula(draw: Draw, b: Builder) -> Recipe:
    """A flat square end on a long handle."""
    length, width = draw.u(0.22, 0.32), draw.u(0.05, 0.08)
    head = b.material(plain(draw, color(draw, ("black", "black", "gray", "red", "white", "blue", "green")), "head"))
    grip = _grip(draw, b)
    end = length / 2
    b.box((end - 0.4 * width, 0, 0.003), (0.55 * width, width / 2, 0.0018), head)
    b.bar((end - 0.9 * width, 0, 0.003), (0.0, 0, 0.016), 0.008, 0.006, head)
    b.bar((0.0, 0, 0.016), (-end, 0, 0.014), draw.u(0.012, 0.02), 0.012, grip)
    return Recipe()


def screwdriver(draw: Draw, b: Builder) -> Recipe:
    """A thick grip and a thin steel shaft."""
    length, r = draw.u(0.14, 0.26), draw.u(0.010, 0.016)
    grip = b.material(plain(draw, color(draw), "handle"))
    shaft = b.material(metal(draw, "head"))
    half, cut = length / 2, draw.u(-0.12, 0.02) * length
    _rod(b, -half, cut, r, r * draw.u(0.75, 0.95), grip, r)
    _rod(b, cut, half, draw.u(0.0025, 0.004), 0.003, shaft, r)
    if draw.chance(0.4):
        _rod(
            b,
            cut - 0.018,
            cut - 0.004,
            r * 1.02,
            r,
            b.material(plain(draw, second_color(draw, b.materials[grip].rgb), "label")),
            r,
        )
    return Recipe()


def hammer(draw: Draw, b: Builder) -> Recipe:
    """A head across the end of a handle; a mallet's is a big cylinder."""
    length = draw.u(0.18, 0.30)
    grip = b.material(wood(draw, "handle") if draw.chance(0.5) else plain(draw, color(draw), "handle"))
    mallet = draw.chance(0.3)
    head = b.material(plain(draw, color(draw), "head") if mallet else metal(draw, "head"))
    r = draw.u(0.018, 0.028) if mallet else draw.u(0.011, 0.016)
    across, half = draw.u(0.04, 0.06), length / 2
    b.solid(-across, across, r, r, head, at=(half - r, 0, r), turn=rotation_x(math.pi / 2))
    b.bar((half - r, 0, r), (-half, 0, r), draw.u(0.016, 0.026), min(2 * r, draw.u(0.014, 0.02)), grip)
    return Recipe()


def brush(draw: Draw, b: Builder) -> Recipe:
    """A handle, a ferrule and bristles."""
    length, width = draw.u(0.14, 0.24), draw.u(0.02, 0.055)
    grip, steel = _grip(draw, b), b.material(metal(draw, "label"))
    hair = b.material(plain(draw, color(draw, ("black", "brown", "beige", "white")), "head", (0.0, 0.0)))
    half = length / 2
    b.box((half - 0.02, 0, 0.008), (0.022, width / 2, 0.006), hair)
    b.box((half - 0.052, 0, 0.008), (0.012, width / 2, 0.007), steel)
    b.bar((half - 0.062, 0, 0.008), (-half, 0, 0.008), draw.u(0.014, 0.022), 0.012, grip)
    return Recipe()


def flashlight(draw: Draw, b: Builder) -> Recipe:
    """A tube that widens to the lamp."""
    length, r = draw.u(0.10, 0.19), draw.u(0.011, 0.017)
    m = b.material(plain(draw, color(draw, ("black", "black", "gray", "red", "blue", "yellow", "green"))))
    wide = r * draw.u(1.3, 1.8)
    half = length / 2
    _rod(b, -half, half - 0.045, r, r, m, wide)
    _rod(b, half - 0.045, half - 0.025, r, wide, m, wide)
    _rod(b, half - 0.025, half, wide, wide, m, wide)
    lens = b.material(plain(draw, (0.85, 0.87, 0.9), "lens", (0.9, 1.0)))
    b.disc(half + 0.0005, 0.85 * wide, lens, at=(0, 0, wide), turn=_ALONG_X)
    return Recipe(lies=0.15, lies_on="x", stands=True)


def dumbbell(draw: Draw, b: Builder) -> Recipe:
    """Two heavy ends on a bar."""
    length, r = draw.u(0.10, 0.18), draw.u(0.02, 0.035)
    ends = b.material(plain(draw, color(draw)))
    rod = b.material(metal(draw, "handle") if draw.chance(0.6) else plain(draw, b.materials[ends].rgb, "handle"))
    half, thick = length / 2, draw.u(0.2, 0.3) * length
    _rod(b, -half, -half + thick, r, r, ends, r)
    _rod(b, half - thick, half, r, r, ends, r)
    _rod(b, -half + thick, half - thick, 0.35 * r, 0.35 * r, rod, r)
    return Recipe()


TOOLS: dict[str, Callable[[Draw, Builder], Recipe]] = {
    "pen": pen, "marker": marker, "spoon": spoon, "knife": knife, "spatula": spatula, "screwdriver": screwdriver,
    "hammer": hammer, "brush": brush, "flashlight": flashlight, "dumbbell": dumbbell,
}  # fmt: skip
