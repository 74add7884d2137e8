"""Hollow things: cups, mugs, bowls, plates, pots, bottles, jars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from .composites_builder import Builder
from .composites_looks import Draw, body, color, metal, plain, second_color, shaded
from .composites_types import Recipe

NAN = math.nan


def _inside(draw: Draw, b: Builder, outside: int) -> int:
    """The inside: like the outside without its pattern, or white."""
    look = b.materials[outside]
    if draw.chance(0.6):
        return b.material(plain(draw, look.rgb, "inside"))
    return b.material(plain(draw, (0.93, 0.92, 0.9) if draw.chance(0.7) else second_color(draw, look.rgb), "inside"))


def _handle(draw: Draw, b: Builder, radius_m: float, low_m: float, high_m: float, reach_m: float, material: int) -> None:
    """A bent handle of five bars on the +x side."""
    width, depth = draw.u(0.006, 0.012), draw.u(0.004, 0.008)
    middle, half = (low_m + high_m) / 2, (high_m - low_m) / 2
    square = draw.chance(0.3)
    angles = (-1.57, -0.8, 0.0, 0.8, 1.57)
    points = [(radius_m + reach_m * math.cos(a), 0.0, middle + half * math.sin(a)) for a in angles]
    if square:
        out = radius_m + reach_m
        points = [(radius_m, 0, high_m), (out, 0, high_m), (out, 0, middle), (out, 0, low_m), (radius_m, 0, low_m)]
    for start, end in pairwise(points):
        b.bar((start[0], start[1], start[2]), (end[0], end[1], end[2]), width, depth, material)


def mug(draw: Draw, b: Builder) -> Recipe:
    """A cup with a handle."""
    r, z = draw.u(0.032, 0.048), draw.u(0.065, 0.115)
    outside = b.material(body(draw, z, patterns=("rings", "staves", "dots", "band", "checks"), share=0.3))
    handle_rgb = second_color(draw, b.materials[outside].rgb) if draw.chance(0.1) else b.materials[outside].rgb
    handle = b.material(plain(draw, handle_rgb, "handle"))
    wall = draw.u(0.002, 0.005)
    b.vessel(z, r * draw.u(0.8, 1.0), r, wall, outside, _inside(draw, b, outside), floor_m=0.005)
    _handle(draw, b, 0.95 * r, draw.u(0.15, 0.3) * z, draw.u(0.65, 0.9) * z, draw.u(0.5, 0.8) * r, handle)
    return Recipe(0.0, (0.8 * r, 0.006), lies=0.06, lies_on="y", stands=True)


def cup(draw: Draw, b: Builder) -> Recipe:
    """A beaker without a handle, wider at the top; a paper cup with a lid now and then; upside down sometimes."""
    r, z = draw.u(0.028, 0.048), draw.u(0.06, 0.13)
    outside = b.material(body(draw, z, patterns=("rings", "staves", "dots", "band"), share=0.3))
    foot = r * draw.u(0.6, 0.97)
    style = draw.u(0, 1)
    if style < 0.12:
        b.solid(0, z, r, foot, outside)
        return Recipe(0.8 * foot, stands=False)
    if style < 0.25:
        b.solid(0, z, foot, r, outside)
        lid = b.material(plain(draw, color(draw, ("white", "white", "black", "brown")), "lid"))
        b.solid(z - 0.004, z + 0.006, 1.04 * r, 1.0 * r, lid)
        return Recipe(0.0, stands=True, nouns={"glass": 0.0})
    b.vessel(z, foot, r, draw.u(0.001, 0.004), outside, _inside(draw, b, outside), floor_m=0.004)
    return Recipe(0.0, (0.8 * foot, 0.005), lies=0.08, stands=True)


def glass(draw: Draw, b: Builder) -> Recipe:
    """A pale, shiny, straight tumbler."""
    r, z = draw.u(0.028, 0.042), draw.u(0.08, 0.15)
    tint = draw.u(0.72, 0.88)
    rgb = (tint * draw.u(0.9, 1.0), tint, tint * draw.u(0.98, 1.04))
    outside = b.material(plain(draw, (rgb[0], rgb[1], min(1.0, rgb[2])), gloss=(0.85, 1.0)))
    inside = b.material(plain(draw, shaded(rgb, 0.9), "inside", gloss=(0.8, 1.0)))
    b.vessel(z, r * draw.u(0.8, 1.0), r, 0.002, outside, inside, floor_m=0.008)
    return Recipe(0.0, (0.8 * r, 0.01), stands=True)


def bowl(draw: Draw, b: Builder) -> Recipe:
    """A round shell on a small foot, or a steep-sided bowl."""
    r = draw.u(0.045, 0.09)
    z = r * draw.u(0.42, 0.85)
    outside = b.material(body(draw, z, patterns=("rings", "dots", "staves", "band"), share=0.25, wooden=0.1))
    inside = _inside(draw, b, outside)
    wall = draw.u(0.002, 0.005)
    if draw.chance(0.7):
        # The lower part of an ellipsoid, cut where it would touch the table in a point.
        cut = draw.u(0.8, 0.95)
        half = z / cut
        b.ellipsoid(r, half, outside, clip=(-cut, 0.0), at=(0, 0, z))
        b.ellipsoid(r - wall, half - wall, inside, clip=(-0.97, 0.0), at=(0, 0, z))
        b.disc(z, r, outside, r - wall)
        b.solid(0, 0.004, r * math.sqrt(1 - cut * cut), r * math.sqrt(1 - cut * cut), outside)
        b.disc(max(0.004, z - 0.97 * (half - wall)), 0.25 * (r - wall), inside)
    else:
        b.vessel(z, r * draw.u(0.5, 0.75), r, wall, outside, inside)
    return Recipe(0.0, (0.55 * r, 0.008), nouns={"cup": NAN if r < 0.055 else 0.0, "plate": 0.0 if z > 0.5 * r else NAN})


def plate(draw: Draw, b: Builder) -> Recipe:
    """A disc with a raised rim, sometimes square or oval."""
    r, z = draw.u(0.055, 0.13), draw.u(0.010, 0.026)
    top = b.material(body(draw, r, patterns=("band", "rings"), share=0.0))
    inner = r * draw.u(0.55, 0.8)
    rim = top
    if draw.chance(0.2):
        rim = b.material(plain(draw, second_color(draw, b.materials[top].rgb), "rim"))
    sy = 1.0 if draw.chance(0.85) else draw.u(0.6, 0.8)
    b.frustum(0.004, z, inner, r, rim, sy)
    b.frustum(0, z - 0.003, 0.9 * inner, 0.99 * r, rim, sy)
    b.disc(0.004, inner, top, 0.0, sy)
    b.disc(0, 0.9 * inner, top, 0.0, sy)
    return Recipe(0.0, (0.75 * inner * sy, 0.005), nouns={"bowl": NAN if z > 0.2 * r else 0.0, "disc": NAN})


def tray(draw: Draw, b: Builder) -> Recipe:
    """A rectangle with low walls, some with grips."""
    x, y, z = draw.u(0.16, 0.30), draw.u(0.11, 0.20), draw.u(0.015, 0.04)
    m = b.material(metal(draw) if draw.chance(0.15) else body(draw, z, share=0.0, wooden=0.25))
    wall = draw.u(0.003, 0.008)
    for s in (-1, 1):
        b.box((s * (x - wall) / 2, 0, z / 2), (wall / 2, y / 2, z / 2), m)
        b.box((0, s * (y - wall) / 2, z / 2), (x / 2, wall / 2, z / 2), m)
    b.box((0, 0, 0.0025), (x / 2, y / 2, 0.0025), m)
    return Recipe(0.0, (0.42 * y, 0.005))


def _pan_like(draw: Draw, b: Builder, r: float, z: float) -> tuple[int, int]:
    out = (
        metal(draw)
        if draw.chance(0.35)
        else plain(draw, color(draw, ("black", "black", "gray", "red", "blue", "green", "white")))
    )
    outside = b.material(out)
    inside = b.material(plain(draw, (0.1, 0.1, 0.1), "inside") if draw.chance(0.5) else replace(out, part="inside"))
    b.vessel(z, r * draw.u(0.75, 1.0), r, 0.003, outside, inside)
    grip_rgb = color(draw, ("black", "black", "black", "brown", "red", "gray"))
    return outside, b.material(plain(draw, grip_rgb, "handle"))


def pan(draw: Draw, b: Builder) -> Recipe:
    """Low, with one long handle."""
    r, z = draw.u(0.07, 0.12), draw.u(0.025, 0.05)
    _, grip = _pan_like(draw, b, r, z)
    length, rise = draw.u(0.9, 1.5) * r, draw.u(0.0, 0.03)
    b.bar((0.97 * r, 0, 0.75 * z), (r + length, 0, 0.75 * z + rise), draw.u(0.014, 0.024), draw.u(0.008, 0.014), grip)
    return Recipe(0.0, (0.6 * r, 0.006))


def pot(draw: Draw, b: Builder) -> Recipe:
    """High, with a long handle or two short ones, some with a lid."""
    r = draw.u(0.055, 0.095)
    z = r * draw.u(0.9, 1.5)
    outside, grip = _pan_like(draw, b, r, z)
    if draw.chance(0.4):
        b.bar((0.97 * r, 0, 0.8 * z), (r * draw.u(2.0, 2.6), 0, 0.85 * z), 0.018, 0.01, grip)
    else:
        for s in (-1.0, 1.0):
            b.box((s * (r + 0.012), 0, 0.8 * z), (0.014, 0.022, 0.004), grip)
    hollow = (0.7 * r, 0.006)
    if draw.chance(0.3):
        lid = b.material(replace(b.materials[outside], part="lid"))
        b.ellipsoid(1.02 * r, 0.25 * r, lid, clip=(0, 1), at=(0, 0, z))
        b.ellipsoid(0.010, 0.010, grip, at=(0, 0, z + 0.27 * r))
        hollow = (0.0, 0.0)
    return Recipe(0.0, hollow, nouns={"bowl": 0.0})


def bucket(draw: Draw, b: Builder) -> Recipe:
    """A wide beaker with a bail over it."""
    r, z = draw.u(0.05, 0.085), draw.u(0.08, 0.14)
    outside = b.material(metal(draw) if draw.chance(0.25) else body(draw, z, patterns=("band", "rings"), share=0.15))
    b.vessel(z, r * draw.u(0.7, 0.85), r, 0.002, outside, _inside(draw, b, outside))
    grip = b.material(metal(draw, "handle"))
    rise = draw.u(0.3, 0.9) * r
    lean = draw.u(-0.6, 0.6) * r
    points = [(r * math.cos(a), lean * math.sin(a), z + rise * math.sin(a)) for a in (0.0, 0.7, 1.57, 2.44, 3.14)]
    for start, end in pairwise(points):
        b.bar(start, end, 0.004, 0.004, grip)
    return Recipe(0.0, (0.6 * r, 0.006))


def bottle(draw: Draw, b: Builder) -> Recipe:
    """Body, shoulder, neck, and a cap that is often of another colour."""
    r, z = draw.u(0.024, 0.045), draw.u(0.14, 0.29)
    look = body(draw, z, patterns=("band", "band", "print", "rings"), share=0.5)
    if look.texture == "band":
        look = replace(look, middle_m=0.3 * z, share=draw.u(0.1, 0.22) * z)
    m = b.material(replace(look, gloss=draw.u(0.3, 1.0)))
    neck = r * draw.u(0.28, 0.5)
    shoulder, cap_z = draw.u(0.55, 0.72) * z, draw.u(0.07, 0.13) * z
    neck_z = shoulder + draw.u(0.08, 0.2) * z
    b.frustum(0, shoulder, r, r, m)
    b.disc(0, r, m)
    if draw.chance(0.4):
        # A rounded shoulder: a quarter of an ellipsoid.
        b.ellipsoid(r, neck_z - shoulder, m, clip=(0, math.sqrt(1 - (neck / r) ** 2)), at=(0, 0, shoulder))
        b.frustum(shoulder + 0.8 * (neck_z - shoulder), z - cap_z, neck, neck, m)
    else:
        b.frustum(shoulder, neck_z, r, neck, m)
        b.frustum(neck_z, z - cap_z, neck, neck, m)
    same = draw.chance(0.2)
    cap_rgb = look.rgb if same else second_color(draw, look.rgb)
    cap = b.material(plain(draw, cap_rgb, "cap"))
    b.solid(z - cap_z, z, neck * draw.u(1.0, 1.35), neck * draw.u(0.95, 1.3), cap)
    return Recipe(lies=0.2, lies_on="x", stands=True)


def jar(draw: Draw, b: Builder) -> Recipe:
    """Wide, with a lid nearly as wide as itself."""
    r = draw.u(0.028, 0.05)
    z = r * draw.u(1.7, 3.0)
    look = body(draw, z, patterns=("band", "band", "rings"), share=0.5)
    m = b.material(replace(look, gloss=draw.u(0.4, 1.0)))
    lid_z, neck = draw.u(0.1, 0.2) * z, r * draw.u(0.75, 0.95)
    b.frustum(0, 0.85 * (z - lid_z), r, r, m)
    b.frustum(0.85 * (z - lid_z), z - lid_z, r, neck, m)
    b.disc(0, r, m)
    lid = b.material(metal(draw, "lid") if draw.chance(0.2) else plain(draw, second_color(draw, look.rgb), "lid"))
    b.solid(z - lid_z, z, neck * 1.03, neck * 1.03, lid)
    return Recipe(0.85 * neck, lies=0.08, stands=True)


def vase(draw: Draw, b: Builder) -> Recipe:
    """A belly and a neck that opens."""
    r, z = draw.u(0.03, 0.055), draw.u(0.12, 0.24)
    m = b.material(body(draw, z, patterns=("rings", "band", "staves", "dots"), share=0.3))
    neck = r * draw.u(0.3, 0.6)
    belly = draw.u(0.25, 0.4) * z
    b.ellipsoid(r, belly, m, clip=(-0.92, math.sqrt(1 - (neck / r) ** 2)), at=(0, 0, 0.92 * belly))
    start = 0.92 * belly + belly * math.sqrt(1 - (neck / r) ** 2)
    b.frustum(start, z, neck, neck * draw.u(1.0, 1.9), m)
    b.disc(start, neck, b.material(plain(draw, shaded(b.materials[m].rgb, 0.4), "inside")))
    b.disc(0, 0.4 * r, m)
    return Recipe(stands=True)


def cup_stack(draw: Draw, b: Builder) -> Recipe:
    """Two to four cups, one in the other."""
    r, z = draw.u(0.03, 0.045), draw.u(0.07, 0.12)
    foot, step = r * draw.u(0.7, 0.85), draw.u(0.012, 0.022)
    m = b.material(body(draw, z, patterns=("rings", "dots"), share=0.15))
    count = draw.whole(2, 4)
    for level in range(count - 1):
        b.frustum(level * step, level * step + z, foot, r, m)
        b.disc(level * step + z, r * 1.03, m, r * 0.97)
    b.vessel(z, foot, r, 0.002, m, _inside(draw, b, m), z0=(count - 1) * step)
    return Recipe(nouns={"stack": 1.0, "cup": NAN})


VESSELS: dict[str, Callable[[Draw, Builder], Recipe]] = {
    "mug": mug, "cup": cup, "glass": glass, "bowl": bowl, "plate": plate, "tray": tray, "pan": pan, "pot": pot, "bucket": bucket,
    "bottle": bottle, "jar": jar, "vase": vase, "cup_stack": cup_stack,
}  # fmt: skip
