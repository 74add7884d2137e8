"""Random grippers with a piece of arm.

Their frame: origin between the finger tips, z back along the approach, x the way they open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .composites_builder import Builder, Element, FloatArray, Material, Vec, rotation_x, rotation_y, rotation_z
from .composites_looks import Draw, color, metal, plain

GRIPPER_KINDS = ("parallel", "three_finger", "suction", "hand")
_ALWAYS_BLACK = ("black", "black", "gray", "white", "gray")


@dataclass
class Gripper:
    """One gripper.

    Attributes:
        kind: one of GRIPPER_KINDS.
        opening_m: between the fingers, 0 closed.
    """

    kind: str
    elements: list[Element]
    materials: list[Material]
    opening_m: float


def random_gripper(rng: np.random.Generator, grip_m: float = -1.0, kind: str = "") -> Gripper:
    """A gripper; `grip_m` >= 0 is the width of what it holds, which the fingers then touch."""
    draw, b = Draw(rng), Builder()
    names = GRIPPER_KINDS[:2] if grip_m >= 0 else GRIPPER_KINDS
    chosen = kind or (names[0] if draw.chance(0.6) else draw.pick(names))
    opening = grip_m if grip_m >= 0 else draw.u(0.0, 0.1)
    {"parallel": _parallel, "three_finger": _three_finger, "suction": _suction, "hand": _hand}[chosen](draw, b, opening)
    return Gripper(chosen, b.elements, b.materials, opening)


def _metal_or_color(draw: Draw, part: str = "gripper") -> Material:
    if draw.chance(0.3):
        return metal(draw, part)
    return plain(
        draw, color(draw, _ALWAYS_BLACK if draw.chance(0.7) else ("blue", "orange", "red", "yellow", "green", "white")), part
    )


def _arm(draw: Draw, b: Builder, start_m: float, radius_m: float) -> None:
    """Flange, wrist and one or two links that lead out of the image."""
    link, joint = b.material(_metal_or_color(draw, "arm")), b.material(_metal_or_color(draw, "arm"))
    b.solid(start_m, start_m + 0.04, radius_m, radius_m, joint)
    z = start_m + 0.04
    if draw.chance(0.5):
        side = draw.u(0.06, 0.12)
        b.solid(-side / 2, side / 2, 1.1 * radius_m, 1.1 * radius_m, joint, at=(0, 0, z + radius_m), turn=rotation_x(math.pi / 2))
        z += radius_m
    bend = rotation_z(draw.u(0, 2 * math.pi)) @ rotation_y(draw.u(0.0, 1.1))
    length = draw.u(0.25, 0.7)
    boxy = draw.chance(0.25)
    r = radius_m * draw.u(0.7, 1.3)
    if boxy:
        middle = bend @ (0.0, 0.0, length / 2)
        b.box((float(middle[0]), float(middle[1]), z + float(middle[2])), (r, r, length / 2), link, bend)
    else:
        b.solid(0, length, r, r * draw.u(0.8, 1.1), link, at=(0, 0, z), turn=bend)
    end = bend @ (0.0, 0.0, length)
    elbow = (float(end[0]), float(end[1]), z + float(end[2]))
    b.ellipsoid(1.15 * r, 1.15 * r, joint, at=elbow)
    turn = rotation_z(draw.u(0, 2 * math.pi)) @ rotation_y(draw.u(0.2, 1.2))
    b.solid(0, 0.6, r, r, link, at=elbow, turn=turn)


def _parallel(draw: Draw, b: Builder, opening_m: float) -> None:
    width, thick, length = draw.u(0.008, 0.026), draw.u(0.005, 0.016), draw.u(0.03, 0.075)
    finger, palm = b.material(_metal_or_color(draw)), b.material(_metal_or_color(draw))
    pads = b.material(plain(draw, color(draw, ("black", "gray", "red", "blue")), "gripper")) if draw.chance(0.35) else finger
    below, style = draw.u(0.0, 0.012), draw.u(0, 1)
    palm_half = max(opening_m / 2 + thick + draw.u(0.0, 0.02), draw.u(0.035, 0.09))
    palm_depth = draw.u(0.018, 0.045)
    for s in (-1.0, 1.0):
        x = s * (opening_m / 2 + thick / 2)
        if style < 0.45:
            b.box((x, 0, length / 2 - below), (thick / 2, width / 2, length / 2), finger)
        elif style < 0.75:
            # Thin tip, thick root.
            root = 0.5 * length
            b.box((x, 0, root / 2 - below), (thick / 2, 0.4 * width, root / 2), pads)
            b.box((x + s * 0.3 * thick, 0, (root + length) / 2 - below), (0.8 * thick, 0.6 * width, (length - root) / 2), finger)
        else:
            # Bent fingers, as of linkage grippers.
            out = x + s * draw.u(0.01, 0.03)
            b.box((x, 0, 0.25 * length - below), (thick / 2, width / 2, 0.25 * length), pads)
            b.bar((x, 0, 0.45 * length - below), (out, 0, length - below), width, thick, finger)
    top = length - below
    height = draw.u(0.025, 0.09)
    if draw.chance(0.75):
        b.box((0, 0, top + height / 2), (palm_half, palm_depth, height / 2), palm)
    else:
        b.solid(top, top + height, 0.6 * palm_half, 0.8 * palm_half, palm)
    _arm(draw, b, top + height, draw.u(0.022, 0.05))


def _three_finger(draw: Draw, b: Builder, opening_m: float) -> None:
    finger, palm = b.material(_metal_or_color(draw)), b.material(_metal_or_color(draw))
    r, length = max(opening_m / 2, 0.004), draw.u(0.05, 0.09)
    wide, width = r + draw.u(0.012, 0.035), draw.u(0.009, 0.016)
    for i in range(3):
        a = 2 * math.pi * i / 3 + math.pi / 2
        c, s = math.cos(a), math.sin(a)
        reach = r + width / 2
        knee = (wide * c, wide * s, 0.5 * length)
        b.bar((reach * c, reach * s, -0.006), knee, width, width, finger)
        b.bar(knee, (0.8 * wide * c, 0.8 * wide * s, length), width, width, finger)
    height = draw.u(0.03, 0.08)
    b.solid(length, length + height, wide, wide * draw.u(0.8, 1.1), palm)
    _arm(draw, b, length + height, draw.u(0.025, 0.05))


def _suction(draw: Draw, b: Builder, _opening_m: float) -> None:
    cup = b.material(plain(draw, color(draw, ("black", "red", "blue", "beige", "gray", "orange")), "gripper"))
    tube = b.material(_metal_or_color(draw))
    r, z = draw.u(0.009, 0.026), 0.0
    for _ in range(draw.whole(1, 3)):
        step = draw.u(0.006, 0.011)
        b.frustum(z, z + step, r, 0.6 * r, cup)
        z += step
    length = draw.u(0.03, 0.12)
    b.solid(z, z + length, 0.45 * r, 0.45 * r, tube)
    body = b.material(_metal_or_color(draw))
    height, half = draw.u(0.03, 0.07), draw.u(0.02, 0.045)
    b.box((0, 0, z + length + height / 2), (half, half, height / 2), body)
    _arm(draw, b, z + length + height, draw.u(0.02, 0.045))


def _hand(draw: Draw, b: Builder, opening_m: float) -> None:
    """A hand: four fingers against a thumb; of skin, or a robot's."""
    skin = (draw.u(0.45, 0.95), 0.0, 0.0)
    skin = (skin[0], skin[0] * draw.u(0.68, 0.8), skin[0] * draw.u(0.5, 0.65))
    m = b.material(plain(draw, skin, "gripper") if draw.chance(0.6) else _metal_or_color(draw))
    half = max(opening_m, 0.015) / 2 + 0.008
    size = draw.u(0.85, 1.15)
    for i in range(4):
        y = (i - 1.5) * 0.019 * size
        tip: Vec = (half, y, draw.u(-0.008, 0.012))
        knee: Vec = (half + 0.022, y, 0.042 * size)
        b.bar(tip, knee, 0.015, 0.014, m)
        b.bar(knee, (0.03, y, 0.08 * size), 0.016, 0.016, m)
    thumb: Vec = (-half - 0.012, -0.01, 0.038 * size)
    b.bar((-half, -0.012, 0.0), thumb, 0.017, 0.016, m)
    b.bar(thumb, (-0.012, 0.0, 0.085 * size), 0.02, 0.018, m)
    b.box((0.01, 0, 0.115 * size), (0.03, 0.042 * size, 0.042 * size), m)
    sleeve = b.material(plain(draw, color(draw), "arm")) if draw.chance(0.5) else m
    turn = rotation_z(draw.u(0, 2 * math.pi)) @ rotation_y(draw.u(0.0, 0.7))
    b.solid(0.0, 0.06, 0.03, 0.033, m, at=(0.01, 0, 0.14 * size), turn=turn)
    start = turn @ (0.0, 0.0, 0.06)
    b.solid(0.0, 0.8, 0.04, 0.055, sleeve, at=(0.01 + float(start[0]), float(start[1]), 0.14 * size + float(start[2])), turn=turn)


def tilted(draw: Draw) -> FloatArray:
    """(3, 3) world_from_gripper: pointing down, mostly leaning up to 30 degrees, sometimes nearly level."""
    lean = draw.u(0.0, 0.5) if draw.chance(0.8) else draw.u(0.5, 1.4)
    return rotation_z(draw.u(0, 2 * math.pi)) @ rotation_y(lean) @ rotation_z(draw.u(0, 2 * math.pi))
