"""Things with flat sides: blocks, boxes, books, wedges, brackets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from .composites_builder import Builder, rotation_y
from .composites_looks import Draw, body, color, flecked, metal, plain, second_color, shaded, wood
from .composites_types import Recipe

NAN = math.nan


def _cuboid(draw: Draw, b: Builder, x: float, y: float, z: float, **looks: float) -> None:
    look = flecked(draw) if draw.chance(0.06) else body(draw, z, **looks)  # type: ignore[arg-type]
    b.box((0, 0, z / 2), (x / 2, y / 2, z / 2), b.material(look))


def block(draw: Draw, b: Builder) -> Recipe:
    """A toy block, any proportions short of a board; some are bevelled at the top edges."""
    side = draw.u(0.025, 0.075)
    x, y, z = (side * draw.u(0.7, 1.3) for _ in range(3))
    if draw.chance(0.35):
        x *= draw.u(1.4, 2.4)
    ratio = max(x, y, z) / min(x, y, z)
    _cuboid(draw, b, x, y, z, share=0.2, wooden=0.2)
    cube = 1.0 if ratio < 1.12 else NAN if ratio < 1.35 else 0.0
    brick = NAN if ratio > 1.3 else 0.0
    return Recipe(0.45 * min(x, y), boxy=True, nouns={"cube": cube, "brick": brick, "box": NAN})


def cube(draw: Draw, b: Builder) -> Recipe:
    """A cube, sometimes a die with pips."""
    side = draw.u(0.022, 0.075)
    _cuboid(draw, b, side, side * draw.u(0.97, 1.03), side * draw.u(0.97, 1.03), share=0.25, wooden=0.2)
    return Recipe(0.45 * side, boxy=True)


def brick(draw: Draw, b: Builder) -> Recipe:
    """About twice as long as wide, flatter than wide; some with studs on top."""
    z = draw.u(0.02, 0.06)
    y, x = z * draw.u(1.3, 2.0), z * draw.u(2.8, 4.2)
    clay = plain(draw, (draw.u(0.55, 0.8), draw.u(0.25, 0.35), draw.u(0.15, 0.25)), gloss=(0.0, 0.1))
    look = b.material(clay if draw.chance(0.3) else body(draw, z, share=0.1, wooden=0.1))
    b.box((0, 0, z / 2), (x / 2, y / 2, z / 2), look)
    toy = draw.chance(0.3)
    if toy:
        for ix in range(4):
            for iy in range(2):
                at = ((ix - 1.5) * x / 4, (iy - 0.5) * y / 2, 0.0)
                b.solid(z, z + 0.18 * z, 0.09 * x, 0.09 * x, look, at=at)
    return Recipe(0.0 if toy else 0.45 * y, boxy=not toy, nouns={"toy": 1.0 if toy else NAN})


def box(draw: Draw, b: Builder) -> Recipe:
    """A carton; some open at the top, many with a printed band."""
    x, y, z = draw.u(0.05, 0.18), draw.u(0.04, 0.12), draw.u(0.04, 0.21)
    if draw.chance(0.25):
        cardboard = (draw.u(0.62, 0.78), draw.u(0.46, 0.60), draw.u(0.28, 0.42))
        look = plain(draw, cardboard, gloss=(0.0, 0.1))
    else:
        look = body(draw, z, patterns=("band", "print", "print", "rings", "checks", "dots"), share=0.55)
    m = b.material(look)
    if draw.chance(0.8):
        b.box((0, 0, z / 2), (x / 2, y / 2, z / 2), m)
        big = max(x, y, z) > 0.085
        square = max(x, y, z) / min(x, y, z) < 1.6
        return Recipe(
            0.45 * min(x, y), lies=0.25, lies_on=draw.pick("xy"), boxy=True, nouns={"block": NAN if not big or square else 0.0}
        )
    wall = draw.u(0.002, 0.005)
    inner = b.material(replace(look, texture="plain", rgb=shaded(look.rgb, 0.85)))
    for sx in (-1, 1):
        b.box((sx * (x - wall) / 2, 0, z / 2), (wall / 2, y / 2, z / 2), m)
        b.box((0, sx * (y - wall) / 2, z / 2), (x / 2, wall / 2, z / 2), m)
    b.box((0, 0, wall), (x / 2, y / 2, wall), inner)
    return Recipe(0.0, (0.42 * min(x, y), 2 * wall), nouns={"container": 1.0, "block": 0.0, "brick": 0.0, "cuboid": NAN})


def milk_carton(draw: Draw, b: Builder) -> Recipe:
    """A carton with a gable top, some with a screw cap."""
    side, z = draw.u(0.055, 0.085), draw.u(0.13, 0.22)
    look = b.material(body(draw, z, patterns=("band", "print"), share=0.6))
    gable = draw.u(0.3, 0.5) * side
    b.box((0, 0, z / 2), (side / 2, side / 2, z / 2), look)
    s = math.hypot(gable, side / 2)
    n, m = gable / s, side / 2 / s
    d = side / 2 * n
    planes = ((0, n, m, d), (0, -n, m, d), (0, 0, -1, 0), (1, 0, 0, side / 2), (-1, 0, 0, side / 2))
    b.hull(planes, (-side / 2, -side / 2, 0), (side / 2, side / 2, gable), look, (0, 0, z))
    b.box((0, 0, z + gable), (side / 2, 0.002, 0.012), look)
    if draw.chance(0.5):
        cap = b.material(plain(draw, color(draw), "cap"))
        b.solid(0, 0.014, 0.013, 0.013, cap, at=(0.0, -0.22 * side, z + 0.45 * gable))
    return Recipe(lies=0.1, lies_on="x", stands=True)


def book(draw: Draw, b: Builder) -> Recipe:
    """Covers with pale pages between; lies flat, sometimes stands."""
    x, y, z = draw.u(0.12, 0.24), draw.u(0.09, 0.17), draw.u(0.010, 0.045)
    look = body(draw, x, patterns=("band", "rings", "print"), share=0.3)
    cover = b.material(replace(look, middle_m=0.0))
    pages = b.material(plain(draw, (0.93, 0.91, 0.85), "pages", (0.0, 0.05)))
    t = min(0.002, z / 6)
    for level in (t / 2, z - t / 2):
        b.box((0, 0, level), (x / 2, y / 2, t / 2), cover)
    b.box((0, -y / 2 + t / 2, z / 2), (x / 2, t / 2, z / 2), cover)
    b.box((0, 0.002, z / 2), (x / 2 - 0.003, y / 2 - 0.004, z / 2 - t), pages)
    return Recipe(0.45 * y, lies=0.06, lies_on="y", boxy=True, nouns={"box": NAN if z > 0.03 else 0.0, "block": 0.0})


def phone(draw: Draw, b: Builder) -> Recipe:
    """A slab with a dark or lit screen."""
    x, y, z = draw.u(0.12, 0.165), draw.u(0.062, 0.08), draw.u(0.006, 0.010)
    case = b.material(plain(draw, color(draw, ("black", "black", "gray", "white", "blue", "red", "pink")), gloss=(0.3, 0.9)))
    b.box((0, 0, z / 2), (x / 2, y / 2, z / 2), case)
    screen = (draw.u(0.02, 0.08),) * 3 if draw.chance(0.75) else color(draw)
    b.box(
        (0, 0, z), (0.46 * x, 0.45 * y, 0.0006), b.material(plain(draw, (screen[0], screen[1], screen[2]), "screen", (0.7, 1.0)))
    )
    return Recipe(0.4 * y, nouns={"box": 0.0, "cuboid": NAN})


def remote(draw: Draw, b: Builder) -> Recipe:
    """A bar with rows of buttons."""
    x, y, z = draw.u(0.14, 0.20), draw.u(0.04, 0.055), draw.u(0.014, 0.024)
    case = b.material(plain(draw, color(draw, ("black", "black", "gray", "white"))))
    b.box((0, 0, z / 2), (x / 2, y / 2, z / 2), case)
    pale = second_color(draw, b.materials[case].rgb)
    buttons = b.material(plain(draw, pale, "buttons"))
    for row in range(5):
        for column in (-1, 0, 1):
            b.box(((row - 2.2) * 0.16 * x, column * 0.28 * y, z), (0.004, 0.004, 0.002), buttons)
    red = b.material(plain(draw, (0.85, 0.1, 0.1), "buttons"))
    b.box((0.42 * x, 0.28 * y, z), (0.004, 0.004, 0.002), red)
    return Recipe(nouns={"box": 0.0, "cuboid": NAN})


def sponge(draw: Draw, b: Builder) -> Recipe:
    """A soft block, often with a scouring side of another colour."""
    x, y, z = draw.u(0.08, 0.12), draw.u(0.055, 0.075), draw.u(0.025, 0.04)
    rgb = color(draw, ("yellow", "yellow", "pink", "blue", "green", "orange"))
    foam = replace(plain(draw, rgb, gloss=(0.0, 0.0)), second=shaded(rgb, 0.6), scale_m=0.003, share=0.25)
    split = 0.72 * z if draw.chance(0.7) else z
    b.box((0, 0, split / 2), (x / 2, y / 2, split / 2), b.material(foam))
    if split < z:
        rough = b.material(plain(draw, color(draw, ("green", "green", "gray", "blue")), gloss=(0.0, 0.0)))
        b.box((0, 0, (split + z) / 2), (x / 2, y / 2, (z - split) / 2), rough)
    return Recipe(0.4 * y)


def pyramid(draw: Draw, b: Builder) -> Recipe:
    """Four sloping sides."""
    r, z = draw.u(0.02, 0.05), draw.u(0.04, 0.10)
    s = math.hypot(z, r)
    n, m = z / s, r / s
    planes = ((n, 0, m, r * n), (-n, 0, m, r * n), (0, n, m, r * n), (0, -n, m, r * n), (0, 0, -1, 0))
    look = b.material(body(draw, z, patterns=("rings", "checks"), share=0.2, wooden=0.25))
    b.hull(planes, (-r, -r, 0), (r, r, z), look)
    return Recipe()


def wedge(draw: Draw, b: Builder) -> Recipe:
    """A ramp or a roof-shaped block."""
    x, y, z = draw.u(0.05, 0.11), draw.u(0.03, 0.06), draw.u(0.03, 0.06)
    top = draw.pick((-x / 2, 0.0))
    look = b.material(body(draw, z, share=0.15, wooden=0.3))
    planes: list[tuple[float, float, float, float]] = [(0, 1, 0, y / 2), (0, -1, 0, y / 2), (0, 0, -1, 0)]
    for edge in (-x / 2, x / 2):
        run = edge - top
        s = math.hypot(z, run)
        if abs(run) < 1e-9:
            planes.append((math.copysign(1.0, edge), 0, 0, x / 2))
        else:
            nx, nz = math.copysign(z, run) / s, abs(run) / s
            planes.append((nx, 0, nz, nx * edge))
    b.hull(planes, (-x / 2, -y / 2, 0), (x / 2, y / 2, z), look)
    return Recipe()


def bracket(draw: Draw, b: Builder) -> Recipe:
    """An angle of two plates."""
    length = draw.u(0.045, 0.11)
    up, width, thick = length * draw.u(0.7, 1.0), draw.u(0.025, 0.055), draw.u(0.006, 0.022)
    look = b.material(metal(draw) if draw.chance(0.3) else body(draw, up, share=0.1, wooden=0.1))
    b.box((0, 0, thick / 2), (length / 2, width / 2, thick / 2), look)
    b.box((thick / 2 - length / 2, 0, up / 2), (thick / 2, width / 2, up / 2), look)
    return Recipe(lies=0.25, lies_on=draw.pick("xy"))


def stick(draw: Draw, b: Builder) -> Recipe:
    """A square or round rod."""
    length, r = draw.u(0.12, 0.30), draw.u(0.004, 0.011)
    look = b.material(wood(draw) if draw.chance(0.5) else body(draw, length, patterns=("rings",), share=0.0))
    if draw.chance(0.5):
        b.box((0, 0, r), (length / 2, r, r), look)
    else:
        b.solid(-length / 2, length / 2, r, r, look, at=(0, 0, r), turn=rotation_y(math.pi / 2))
    return Recipe()


BOXES: dict[str, Callable[[Draw, Builder], Recipe]] = {
    "block": block, "cube": cube, "brick": brick, "box": box, "milk_carton": milk_carton, "book": book, "phone": phone,
    "remote": remote, "sponge": sponge, "pyramid": pyramid, "wedge": wedge, "bracket": bracket, "stick": stick,
}  # fmt: skip
