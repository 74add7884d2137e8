"""What is around the things: table or floor, walls, clutter behind, light."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .composites_builder import HULL, RECT, Builder, Element, FloatArray, Material, rotation_y, rotation_z
from .composites_looks import Draw, color, metal, plain, second_color, shaded, wood
from .vocabulary_colors import draw_color


@dataclass
class Light:
    """Far light from `direction` (3,) in the world (towards the light); `softness` widens shadows.

    `ambient` is the share that comes from all around, `tint` (3,) multiplies colours, `exposure` all of it.
    """

    direction: FloatArray
    ambient: float
    tint: FloatArray
    exposure: float
    softness: float


@dataclass
class Room:
    """Structure in the world frame. `support` counts the first elements, which things stand on."""

    elements: list[Element]
    materials: list[Material]
    light: Light
    support: int = 1


def _surface(draw: Draw, kinds: tuple[str, ...]) -> Material:
    """The look of a table top, a floor or a wall."""
    kind = draw.pick(kinds)
    if kind == "wood":
        return replace(wood(draw, "room"), scale_m=draw.u(0.006, 0.03), share=draw.u(0.25, 0.6))
    if kind == "metal":
        return metal(draw, "room")
    if kind == "muted":
        v = draw.u(0.2, 0.95)
        rgb = (v * draw.u(0.85, 1), v * draw.u(0.85, 1), v * draw.u(0.8, 1))
    elif kind == "white":
        v = draw.u(0.75, 0.97)
        rgb = (v, v * draw.u(0.95, 1.0), v * draw.u(0.9, 1.0))
    elif kind == "black":
        rgb = draw_color(draw.rng, "black")
    else:
        rgb = color(draw)
    look = plain(draw, rgb, "room", (0.0, 0.5))
    if draw.chance(0.6):
        look = replace(look, scale_m=draw.u(0.0015, 0.005), second=shaded(rgb, draw.u(0.92, 0.99)))
    chance = draw.u(0, 1)
    if chance < 0.12:
        return replace(look, texture="checks", scale_m=draw.u(0.015, 0.08), second=shaded(rgb, draw.u(0.5, 0.9)), share=0.5)
    if chance < 0.2:
        return replace(look, texture="tiles", scale_m=draw.u(0.08, 0.35), second=shaded(rgb, draw.u(0.4, 0.8)), share=0.02)
    if chance < 0.26:
        return replace(look, texture="staves", scale_m=draw.u(0.01, 0.06), second=second_color(draw, rgb), share=draw.u(0.2, 0.5))
    if chance < 0.36:
        return replace(look, texture="speckle", second=shaded(rgb, draw.u(0.6, 0.9)), share=0.4, scale_m=draw.u(0.002, 0.01))
    return look


def random_room(draw: Draw, reach_m: float, eye: FloatArray) -> Room:
    """A room around things within `reach_m` of the origin, seen from `eye` (3,)."""
    b = Builder()
    tops = ("wood", "wood", "white", "muted", "muted", "black", "metal", "color")
    on_table = draw.chance(0.8)
    away = math.atan2(-eye[1], -eye[0])
    facing = away + draw.u(-0.6, 0.6) if draw.chance(0.7) else draw.u(0, 6.28)
    if on_table:
        half = (reach_m + draw.u(0.05, 0.6), reach_m + draw.u(0.05, 0.7))
        _rect(b, (0.0, 0.0, 0.0), half, rotation_z(facing), b.material(_surface(draw, tops)))
        _below_table(draw, b, half, facing)
    else:
        _rect(b, (0.0, 0.0, 0.0), (6.0, 6.0), rotation_z(facing), b.material(_surface(draw, ("wood", "muted", "muted", "color"))))
    if draw.chance(0.7):
        _wall(draw, b, reach_m + draw.u(0.15, 1.5), away + draw.u(-0.6, 0.6), eye)
        if draw.chance(0.3):
            _wall(draw, b, reach_m + draw.u(0.3, 1.5), away + draw.pick((-1.57, 1.57)), eye)
    for _ in range(draw.whole(0, 3) if draw.chance(0.5) else 0):
        _clutter(draw, b, reach_m, away)
    return Room(b.elements, b.materials, _light(draw))


def _rect(b: Builder, at: tuple[float, float, float], half: tuple[float, float], turn: FloatArray, material: int) -> None:
    box = ((-half[0], -half[1], 0.0), (half[0], half[1], 0.0))
    b.elements.append(Element(RECT, (half[0], half[1], *([0.0] * 22)), *box, material, turn, at))


def _below_table(draw: Draw, b: Builder, half: tuple[float, float], yaw: float) -> None:
    """The edge of the table and the floor below."""
    thick, depth = draw.u(0.015, 0.05), draw.u(0.35, 0.9)
    edge = b.material(replace(b.materials[0], texture="plain"))
    turn = rotation_z(yaw)
    # Four strips stand on edge; a strip's normal points out of the table.
    for sx, sy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        middle = turn @ (sx * half[0], sy * half[1], -thick / 2)
        own = rotation_z(yaw + math.atan2(sy, sx)) @ rotation_y(math.pi / 2)
        long = half[1] if sx else half[0]
        _rect(b, (float(middle[0]), float(middle[1]), float(middle[2])), (thick / 2, long), own, edge)
    floor = b.material(_surface(draw, ("wood", "muted", "muted", "black", "color")))
    _rect(b, (0.0, 0.0, -depth), (6.0, 6.0), rotation_z(draw.u(0, 6.28)), floor)


def _wall(draw: Draw, b: Builder, distance_m: float, yaw: float, eye: FloatArray) -> None:
    """A wall, unless the camera would stand behind it or touch it."""
    if eye[0] * math.cos(yaw) + eye[1] * math.sin(yaw) > distance_m - 0.15:
        return
    turn = rotation_z(yaw) @ rotation_y(-math.pi / 2)
    at = (distance_m * math.cos(yaw), distance_m * math.sin(yaw), 0.0)
    _rect(b, at, (4.0, 4.0), turn, b.material(_surface(draw, ("white", "white", "muted", "color", "wood"))))


def _clutter(draw: Draw, b: Builder, reach_m: float, away: float) -> None:
    """A carton, a monitor, a post behind the things, as seen from the camera."""
    half = (draw.u(0.03, 0.2), draw.u(0.03, 0.2), draw.u(0.05, 0.3))
    yaw = away + draw.u(-0.9, 0.9)
    r = reach_m + math.hypot(half[0], half[1]) + draw.u(0.02, 0.6)
    m = b.material(_surface(draw, ("muted", "white", "black", "wood", "color")))
    b.box((r * math.cos(yaw), r * math.sin(yaw), half[2]), half, m, rotation_z(draw.u(0, 6.28)))
    assert b.elements[-1].kind == HULL


def _light(draw: Draw) -> Light:
    azimuth, height = draw.u(0, 6.28), draw.u(0.45, 1.5)
    direction = np.array([math.cos(height) * math.cos(azimuth), math.cos(height) * math.sin(azimuth), math.sin(height)])
    warmth = draw.u(-0.08, 0.12)
    tint = np.array([1 + warmth, 1.0 + draw.u(-0.03, 0.03), 1 - warmth])
    return Light(direction, draw.u(0.3, 0.75), tint, draw.u(0.75, 1.3), draw.u(0.3, 1.0))
