"""Where a thing can be put: on a support, on the table, or to a side of another thing, clear of everything seen.

Things are upright boxes. Two boxes are apart when their widths along the line between their centres leave a gap: sufficient,
never optimistic, and free of any corner case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray
from ..language.instruction import ON, TABLE
from .config import PlanningConfig
from .errors import ErrorCode, TaskError
from .world import Thing, World

# Room for a finger beside a thing that is put down.
_FINGER_ROOM_M = 0.03


@dataclass(frozen=True)
class Spot:
    """``xy_m`` (2,) of the thing's middle and height ``support_m`` of what its bottom will rest on, planning frame.

    ``anchor_m`` (2,) is where the target was when the spot was chosen; None for the table.
    """

    xy_m: FloatArray
    support_m: float
    anchor_m: FloatArray | None = None


def gap_m(a: Thing, a_xy: FloatArray, b: Thing) -> float:
    """Lower bound of the horizontal space between two boxes with ``a`` at another place, metres; negative when they may meet."""
    between: FloatArray = b.centre[:2] - a_xy
    apart = float(np.linalg.norm(between))
    if apart < 1e-9:
        return -math.inf
    direction: FloatArray = between / apart
    return apart - a.half_width_m(direction) - b.half_width_m(direction)


def _free(thing: Thing, xy: FloatArray, obstacles: Iterable[Thing], room_m: float) -> bool:
    return all(gap_m(thing, xy, obstacle) >= room_m for obstacle in obstacles)


def has_room(thing: Thing, support: Thing, things: Mapping[str, Thing], config: PlanningConfig) -> bool:
    """Whether a support holds two such things at least and has a free place for one more now."""
    across = 2 * thing.radius_m
    if support.short_m < across or support.long_m < 2 * across + _FINGER_ROOM_M:
        return False
    return next(_spots_on(thing, support, things), None) is not None


def _spots_on(thing: Thing, support: Thing, things: Mapping[str, Thing]) -> Iterator[FloatArray]:
    """Free places (2,) on a support, its middle first."""
    obstacles = [
        other for other in things.values()
        if other.name not in (thing.name, support.name) and other.top_m > support.top_m + 0.005
    ]  # fmt: skip
    short = np.array([math.cos(support.yaw_rad), math.sin(support.yaw_rad)])
    long = np.array([-short[1], short[0]])
    room_short = max(0.0, support.short_m / 2 - thing.radius_m)
    room_long = max(0.0, support.long_m / 2 - thing.radius_m)
    steps = [(a, b) for a in np.linspace(-1, 1, 7) for b in np.linspace(-1, 1, 7)]
    for a, b in sorted(steps, key=lambda step: abs(step[0]) + abs(step[1])):
        xy: FloatArray = support.centre[:2] + a * room_short * short + b * room_long * long
        if _free(thing, xy, obstacles, 0.005):
            yield xy


def _rings(centre: FloatArray, reach_m: float = 0.45) -> Iterator[FloatArray]:
    """A point and rings around it, nearest first."""
    yield centre
    for radius in np.arange(0.04, reach_m, 0.03):
        for angle in np.linspace(-math.pi, math.pi, max(8, int(radius / 0.015)), endpoint=False):
            yield centre + radius * np.array([math.cos(angle), math.sin(angle)])


def _beside(thing: Thing, other: Thing, relation: str, world: World, config: PlanningConfig) -> Iterator[FloatArray]:
    """Places on a side of another thing, best first."""
    if relation == "next_to":
        angles = np.linspace(-math.pi, math.pi, 12, endpoint=False)
        sides = [np.array([math.cos(angle), math.sin(angle)]) for angle in angles]
        sides.sort(key=lambda side: float(np.linalg.norm(other.centre[:2] + 0.1 * side - thing.centre[:2])))
        gaps = np.arange(config.beside_gap_m, max(config.next_to_m - 0.03, config.beside_gap_m + 0.01), 0.01)
    else:
        side = world.directions.get(relation)
        if side is None:
            raise TaskError(
                ErrorCode.IMPOSSIBLE_GOAL,
                f"'{relation}' has no direction because the up direction is not known; show the camera more of the table",
            )
        sides, gaps = [side], np.arange(config.beside_gap_m, 0.20, 0.02)
    for gap in gaps:
        for side in sides:
            across = np.array([-side[1], side[0]])
            reach = other.half_width_m(side) + thing.half_width_m(side) + gap
            for shift in (0.0, 0.03, -0.03):
                yield other.centre[:2] + reach * side + shift * across


def find_spot(thing: Thing, relation: str, target: str, world: World, config: PlanningConfig) -> Spot:
    """Where to put a thing.

    Args:
        relation: "on", or one of the relations beside a thing.
        target: name of the other thing, or "table".

    Raises:
        TaskError: OBJECT_NOT_FOUND when the target is not seen, IMPOSSIBLE_GOAL without a free place, OUT_OF_REACH when all free
            places lie outside the workspace.
    """
    if target != TABLE and target not in world.things:
        raise TaskError(ErrorCode.OBJECT_NOT_FOUND, f"the {target} is not seen any more; put it back into the camera's view")
    if relation == ON and target != TABLE:
        support = world.things[target]
        spots: Iterable[FloatArray] = _spots_on(thing, support, world.things)
        height, others = support.top_m, []
    else:
        spots = _rings(thing.centre[:2]) if target == TABLE else _beside(thing, world.things[target], relation, world, config)
        height, others = world.support_m(), [other for other in world.things.values() if other.name != thing.name]
    where = f"{relation.replace('_', ' ')} the {target}"
    outside = False
    for xy in spots:
        if not _free(thing, xy, others, _FINGER_ROOM_M if others else 0.0):
            continue
        if config.workspace.contains((xy[0], xy[1], height + thing.height_m / 2)):
            return Spot(xy, height, None if target == TABLE else world.things[target].centre[:2])
        outside = True
    if outside:
        raise TaskError(
            ErrorCode.OUT_OF_REACH,
            f"every free place {where} for the {thing.name} lies outside the workspace box; "
            f"move the {target} nearer or set workspace_min_m and workspace_max_m",
        )
    raise TaskError(ErrorCode.IMPOSSIBLE_GOAL, f"there is no free place {where} for the {thing.name}; clear some space by hand")
