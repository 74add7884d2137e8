"""Random tabletops for training, as plain lists; render.py turns a batch of them into images.

World: z up, the surface that things stand on is z = 0. Optical frame: x right, y down, z forward. Metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .composites import Design, random_design
from .composites_builder import FloatArray, rotation_x, rotation_z
from .composites_looks import Draw
from .grippers import Gripper, random_gripper, tilted
from .scenes_room import Room, random_room
from .vocabulary import KIND_NAMES, LOOKALIKES

# What a pixel shows when it is no thing; things are 1, 2, ...
NOTHING_ID, SUPPORT_ID, STRUCTURE_ID, GRIPPER_ID = 0, -1, -2, -3


@dataclass(frozen=True)
class SceneConfig:
    """What scenes are drawn from; pairs are ranges.

    Attributes:
        width_px, height_px: of the images.
        things: how many things.
        gripper, held: chance of a gripper, and that it holds something.
        stacked, inside: chance that a thing stands on another, lies in another.
        same_kind, alike: chance that a thing repeats the kind of the one before, so that names need more than a noun; that it is
            of a kind that is easily taken for that one (vocabulary.LOOKALIKES).
        distance_m, pitch_deg, roll_deg: of the camera; pitch is negative looking down.
        focal: focal length over image width.
    """

    width_px: int = 320
    height_px: int = 240
    things: tuple[int, int] = (3, 9)
    gripper: float = 0.5
    held: float = 0.3
    stacked: float = 0.12
    inside: float = 0.08
    same_kind: float = 0.2
    alike: float = 0.0
    spread_m: tuple[float, float] = (0.12, 0.34)
    distance_m: tuple[float, float] = (0.35, 1.5)
    pitch_deg: tuple[float, float] = (-85.0, -12.0)
    roll_deg: tuple[float, float] = (-15.0, 15.0)
    focal: tuple[float, float] = (0.7, 1.1)


#: Crowded, with more in stacks, and half of the things like the one before or easily taken for it: what a tower finds hard.
CROWDED = SceneConfig(things=(4, 10), stacked=0.2, same_kind=0.18, alike=0.3)


@dataclass
class Placed:
    """A thing with a place: p_world = turn @ p_thing + at.

    `support` is the index of what carries it, -1 the table, -2 the gripper; `state` "", "on_top", "inside" or "held".
    """

    design: Design
    turn: FloatArray
    at: FloatArray
    support: int = -1
    state: str = ""


@dataclass
class Scene:
    """All that is true about one scene."""

    things: list[Placed]
    room: Room
    camera_from_world: FloatArray
    intrinsics: tuple[float, float, float, float]
    width_px: int
    height_px: int
    gripper: Gripper | None = None
    gripper_turn: FloatArray = field(default_factory=lambda: np.eye(3))
    tip_world_m: FloatArray = field(default_factory=lambda: np.full(3, np.nan))


@dataclass
class _Print:
    """A rectangle on the ground: middle, half sizes, turn, and its radius."""

    x: float
    y: float
    half: tuple[float, float]
    yaw: float
    radius: float


def random_scene(rng: np.random.Generator, config: SceneConfig | None = None) -> Scene:
    """One scene; the same generator state gives the same scene."""
    config = config or SceneConfig()
    draw = Draw(rng)
    spread = draw.u(*config.spread_m)
    things = _things(draw, config, spread)
    scene_pose = _camera_pose(draw, config, spread)
    gripper, turn, tip = _gripper(draw, config, things, spread)
    focal = draw.u(*config.focal) * config.width_px
    cx = (config.width_px - 1) / 2 + draw.u(-0.02, 0.02) * config.width_px
    cy = (config.height_px - 1) / 2 + draw.u(-0.02, 0.02) * config.height_px
    reach = max([math.hypot(p.at[0], p.at[1]) + math.hypot(*p.design.half) for p in things], default=spread)
    eye = -scene_pose[:3, :3].T @ scene_pose[:3, 3]
    room = random_room(draw, reach, eye)
    return Scene(things, room, scene_pose, (focal, focal, cx, cy), config.width_px, config.height_px, gripper, turn, tip)


def _things(draw: Draw, config: SceneConfig, spread: float) -> list[Placed]:
    placed: list[Placed] = []
    prints: list[_Print] = []
    taken: set[int] = set()
    kind = ""
    for _ in range(draw.whole(*config.things)):
        design = random_design(draw.rng, _next_kind(draw, config, kind))
        kind = _kind_name(design)
        where = draw.u(0, 1)
        if where < config.stacked and _on_top(draw, design, placed, taken):
            continue
        if where > 1 - config.inside and _inside(draw, design, placed, taken):
            continue
        spot = _free_spot(draw, design, prints, spread)
        if spot is not None:
            prints.append(spot)
            placed.append(Placed(design, rotation_z(spot.yaw), np.array([spot.x, spot.y, 0.0])))
    return placed


def _next_kind(draw: Draw, config: SceneConfig, before: str) -> str:
    """The kind of the next thing, "" for any."""
    if not before or (where := draw.u(0, 1)) >= config.same_kind + config.alike:
        return ""
    alike = [kind for group in LOOKALIKES if before in group for kind in group if kind != before]
    return before if where < config.same_kind or not alike else draw.pick(alike)


def _kind_name(design: Design) -> str:
    return KIND_NAMES[design.kind]


def _free_spot(draw: Draw, design: Design, prints: list[_Print], spread: float) -> _Print | None:
    half = design.half
    radius = math.hypot(*half)
    gap = 0.004 if draw.chance(0.3) else draw.u(0.008, 0.03)
    for attempt in range(14):
        reach = spread * (1 + 0.05 * attempt)
        r, a = reach * math.sqrt(draw.u(0, 1)), draw.u(0, 2 * math.pi)
        spot = _Print(r * math.cos(a), r * math.sin(a), half, draw.u(0, 2 * math.pi), radius)
        if not any(_overlap(spot, other, gap) for other in prints):
            return spot
    return None


def _overlap(a: _Print, b: _Print, gap: float) -> bool:
    """Whether two rectangles come closer than a gap (separating axes)."""
    dx, dy = b.x - a.x, b.y - a.y
    if dx * dx + dy * dy > (a.radius + b.radius + gap) ** 2:
        return False
    for first, second, sx, sy in ((a, b, dx, dy), (b, a, -dx, -dy)):
        c, s = math.cos(first.yaw), math.sin(first.yaw)
        turn = second.yaw - first.yaw
        ct, st = abs(math.cos(turn)), abs(math.sin(turn))
        along, across = abs(c * sx + s * sy), abs(c * sy - s * sx)
        if along > first.half[0] + second.half[0] * ct + second.half[1] * st + gap:
            return False
        if across > first.half[1] + second.half[0] * st + second.half[1] * ct + gap:
            return False
    return True


def _on_top(draw: Draw, design: Design, placed: list[Placed], taken: set[int]) -> bool:
    """Put a thing on another one with a flat top that is wide enough, if there is one."""
    radius = min(math.hypot(*design.half), 1.6 * max(design.half))
    hosts = [i for i, p in enumerate(placed) if i not in taken and p.design.top_m > 0.75 * radius and p.state != "on_top"]
    if not hosts:
        return False
    return _put(draw, design, placed, taken, draw.pick(hosts), "on_top")


def _inside(draw: Draw, design: Design, placed: list[Placed], taken: set[int]) -> bool:
    """Lay a thing into a bowl, pan, tray or cup, if one is wide enough."""
    radius = math.hypot(*design.half)
    hosts = [i for i, p in enumerate(placed) if i not in taken and p.design.hollow[0] > radius and p.state == ""]
    if not hosts:
        return False
    return _put(draw, design, placed, taken, draw.pick(hosts), "inside")


def _put(draw: Draw, design: Design, placed: list[Placed], taken: set[int], host: int, state: str) -> bool:
    below = placed[host]
    inner, floor = below.design.hollow
    room = (inner if state == "inside" else below.design.top_m) - math.hypot(*design.half)
    angle, off = draw.u(0, 2 * math.pi), max(0.0, room) * draw.u(0, 1)
    z = below.at[2] + (floor if state == "inside" else below.design.height_m) + 0.0005
    at = np.array([below.at[0] + off * math.cos(angle), below.at[1] + off * math.sin(angle), z])
    placed.append(Placed(design, rotation_z(draw.u(0, 2 * math.pi)), at, host, state))
    taken.add(host)
    return True


def _camera_pose(draw: Draw, config: SceneConfig, spread: float) -> FloatArray:
    """(4, 4) camera_from_world."""
    pitch, roll = math.radians(draw.u(*config.pitch_deg)), math.radians(draw.u(*config.roll_deg))
    yaw = draw.u(0, 2 * math.pi)
    distance = draw.u(max(config.distance_m[0], 1.3 * spread), config.distance_m[1])
    aim = np.array([draw.u(-0.35, 0.35) * spread, draw.u(-0.35, 0.35) * spread, draw.u(0.0, 0.08)])
    forward = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    rotation = rotation_z(roll) @ np.stack([right, np.cross(forward, right), forward])
    eye = aim - distance * forward
    eye[2] = max(eye[2], 0.06)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ eye
    return pose


def _gripper(
    draw: Draw, config: SceneConfig, things: list[Placed], spread: float
) -> tuple[Gripper | None, FloatArray, FloatArray]:
    if not draw.chance(config.gripper):
        return None, np.eye(3), np.full(3, np.nan)
    turn = tilted(draw)
    if draw.chance(config.held):
        design = random_design(draw.rng)
        for _ in range(3):
            if design.grip_m < 0.11:
                break
            design = random_design(draw.rng)
        if design.grip_m < 0.11:
            return _holding(draw, things, design, turn, spread)
    gripper = random_gripper(draw.rng)
    tops = [p.at[2] + p.design.height_m for p in things]
    if things and draw.chance(0.6):
        # Close above one thing, as before a grasp.
        i = int(draw.u(0, len(things)))
        tip = things[i].at + np.array([0.0, 0.0, things[i].design.height_m + draw.u(0.012, 0.08)])
        turn = rotation_z(draw.u(0, 6.28)) @ rotation_x(draw.u(-0.25, 0.25)) @ rotation_z(draw.u(0, 6.28))
    else:
        a, r = draw.u(0, 6.28), spread * draw.u(0.0, 1.2)
        tip = np.array([r * math.cos(a), r * math.sin(a), max([0.03, *tops]) + draw.u(0.02, 0.18)])
    return gripper, turn, tip


def _holding(
    draw: Draw, things: list[Placed], design: Design, turn: FloatArray, spread: float
) -> tuple[Gripper, FloatArray, FloatArray]:
    """A gripper with a thing between its fingers, above all others."""
    gripper = random_gripper(draw.rng, design.grip_m)
    tops = max([p.at[2] + p.design.height_m for p in things], default=0.0)
    a, r = draw.u(0, 6.28), spread * draw.u(0.0, 0.8)
    depth = design.height_m * draw.u(0.3, 0.9)
    tip = np.array([r * math.cos(a), r * math.sin(a), tops + depth + draw.u(0.02, 0.12)])
    # Its narrow side between the fingers.
    quarter = 0.0 if design.half[0] <= design.half[1] else math.pi / 2
    lean = rotation_z(draw.u(0, 6.28)) @ rotation_x(draw.u(-0.3, 0.3))
    own = lean @ rotation_z(quarter)
    at = tip - own @ np.array([0.0, 0.0, depth])
    things.append(Placed(design, own, at, -2, "held"))
    return gripper, lean, tip
