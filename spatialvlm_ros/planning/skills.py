"""Steps to motions: where the tool goes, how wide the fingers open, how fast.

Poses are of the tool frame in the planning frame, its z axis pointing down. Motions are made one by one from the newest World,
so that a step acts on what is seen now and not on what was seen when it was planned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .config import PlanningConfig
from .domain import Step, graspable
from .errors import ErrorCode, TaskError
from .placing import Spot, find_spot
from .world import Thing, World, wrap_half_turn

MOTIONS_OF = {
    "pick": ("raise", "approach", "near", "descend", "close", "lift"),
    "place": ("raise", "carry", "near", "lower", "release", "retreat"),
    "look": ("raise", "look"),
    "open": ("open",),
}
# Width of a finger along the closing axis, for the space that it needs beside a thing.
_FINGER_M = 0.024


@dataclass(frozen=True)
class Motion:
    """One straight move of the tool, and what the fingers do.

    Attributes:
        target: tool pose in the planning frame; None moves only the fingers.
        finger_opening_m: wanted gap between the fingers; None leaves them.
    """

    kind: str
    target: RigidTransform | None
    finger_opening_m: float | None
    max_speed_m_s: float

    def __str__(self) -> str:
        where = "" if self.target is None else " to ({:.3f}, {:.3f}, {:.3f})".format(*self.target.translation)
        fingers = "" if self.finger_opening_m is None else f", fingers {self.finger_opening_m:.3f} m"
        return f"{self.kind}{where}{fingers}"


@dataclass(frozen=True)
class Grasp:
    """How a thing is taken: tool pose, finger opening before, how far its bottom lies below the tool, how well it was seen."""

    name: str
    tool: RigidTransform
    opening_m: float
    bottom_below_tool_m: float
    std_m: float = 0.0


@dataclass
class Hand:
    """What the planner knows of its own hand: commanded poses and what it took. The only state that motions share."""

    tool: RigidTransform | None = None
    grasp: Grasp | None = None
    spot: Spot | None = None
    # Whether something is between the fingers, by their own report or because they were opened; None when not known.
    grasping: bool | None = None


def pointing_down(closing_rad: float, config: PlanningConfig) -> FloatArray:
    """Rotation (3, 3) of a tool that points down and closes along a horizontal direction, of both the one nearer to home."""
    z_axis = np.array([0.0, 0.0, -1.0])
    best: FloatArray | None = None
    for angle in (closing_rad, closing_rad + math.pi):
        closing = np.array([math.cos(angle), math.sin(angle), 0.0])
        x_axis = closing if config.gripper.closing_axis == "x" else np.cross(closing, z_axis)
        rotation = np.column_stack([x_axis, np.cross(z_axis, x_axis), z_axis])
        if best is None or _turn(rotation, config) < _turn(best, config):
            best = rotation
    assert best is not None
    return best


def _turn(rotation: FloatArray, config: PlanningConfig) -> float:
    """How far the wrist turns from home, radians."""
    yaw = math.atan2(float(rotation[1, 0]), float(rotation[0, 0])) - config.gripper.home_yaw_rad
    return abs((yaw + math.pi) % (2 * math.pi) - math.pi)


def _home_closing_rad(config: PlanningConfig) -> float:
    return config.gripper.home_yaw_rad + (0.0 if config.gripper.closing_axis == "x" else math.pi / 2)


def plan_grasp(thing: Thing, world: World, config: PlanningConfig) -> Grasp:
    """How to take a thing from above: across its shorter side, near its middle, not into the table.

    Raises:
        TaskError: IMPOSSIBLE_GOAL when it is too wide, OUT_OF_REACH when the grasp lies outside the workspace.
    """
    gripper = config.gripper
    if not graspable(thing, config):
        raise TaskError(
            ErrorCode.IMPOSSIBLE_GOAL,
            f"the {thing.name} is {thing.short_m:.3f} m wide and the fingers open to {gripper.max_opening_m:.3f} m; "
            "choose a smaller thing",
        )
    ways = _closings(thing, config)
    closing, width = next((way for way in ways if _fingers_fit(thing, *way, world, config)), ways[0])
    opening = min(width + 2 * gripper.side_clearance_m + 2 * thing.std_m, gripper.max_opening_m)
    lowest = max(world.support_m(), thing.bottom_m) + gripper.pad_below_tool_m + gripper.table_clearance_m
    height = max(float(thing.centre[2]), thing.top_m - gripper.finger_depth_m, lowest)
    tool = RigidTransform(pointing_down(closing, config), np.array([thing.centre[0], thing.centre[1], height]))
    _check_reach(tool, f"the {thing.name}", config)
    return Grasp(thing.name, tool, opening, height - thing.bottom_m, thing.std_m)


def _closings(thing: Thing, config: PlanningConfig) -> list[tuple[float, float]]:
    """(direction, width) across which the fingers may close, best first: the shorter side, but of a square the handier one."""
    ways = [(thing.yaw_rad, thing.short_m), (wrap_half_turn(thing.yaw_rad + math.pi / 2), thing.long_m)]
    if thing.long_m > config.gripper.max_opening_m - config.gripper.side_clearance_m:
        return ways[:1]
    if thing.long_m - thing.short_m < max(0.15 * thing.long_m, 0.006):
        home = _home_closing_rad(config)
        ways.sort(key=lambda way: abs(wrap_half_turn(way[0] - home)))
    return ways


def _fingers_fit(thing: Thing, closing: float, width: float, world: World, config: PlanningConfig) -> bool:
    """Whether nothing stands where the two fingers come down."""
    direction = np.array([math.cos(closing), math.sin(closing)])
    reach = width / 2 + config.gripper.side_clearance_m + _FINGER_M / 2
    for finger in (thing.centre[:2] + reach * direction, thing.centre[:2] - reach * direction):
        for other in world.things.values():
            if other.name == thing.name or other.top_m < thing.bottom_m + 0.01:
                continue
            between: FloatArray = other.centre[:2] - finger
            apart = float(np.linalg.norm(between))
            if apart < 1e-9 or apart - other.half_width_m(between / apart) < _FINGER_M / 2:
                return False
    return True


def _check_reach(tool: RigidTransform, what: str, config: PlanningConfig) -> None:
    if not config.workspace.contains(tool.translation):
        x, y, z = (float(v) for v in tool.translation)
        raise TaskError(
            ErrorCode.OUT_OF_REACH,
            f"reaching {what} would take the tool to ({x:.3f}, {y:.3f}, {z:.3f}) m, outside the workspace box "
            f"{config.workspace.low_m} to {config.workspace.high_m}; move it nearer or set workspace_min_m and workspace_max_m",
        )


def travel_height_m(world: World, below_tool_m: float, config: PlanningConfig, but: str = "") -> float:
    """Tool height at which nothing that is carried ``below_tool_m`` below the tool touches anything else, metres."""
    tops = [thing.top_m for thing in world.things.values() if thing.name != but]
    return max([world.support_m(), *tops], default=0.0) + below_tool_m + config.carry_clearance_m


def make_motion(kind: str, step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion | None:
    """The motion of a step on the newest World; None when it is not needed. Remembers grasp and spot in ``hand``.

    Raises:
        TaskError: a thing is not seen, not graspable, out of reach, or has no free place.
    """
    motion = _MAKERS[kind](step, world, hand, config)
    if motion is not None and motion.target is not None:
        if not np.isfinite(motion.target.translation).all():
            raise TaskError(
                ErrorCode.NO_SCENE, f"{step}: the place to go to is not measured; show the camera the things and the table"
            )
        _check_reach(motion.target, f"the end of '{kind}' in {step}", config)
    return motion


def _thing(name: str, world: World) -> Thing:
    thing = world.things.get(name)
    if thing is None:
        raise TaskError(ErrorCode.OBJECT_NOT_FOUND, f"the {name} is not seen any more; put it back into the camera's view")
    return thing


def _tool(world: World, hand: Hand, config: PlanningConfig) -> RigidTransform | None:
    """Where the tool is: the last commanded pose, else the facts' point with the home orientation."""
    if hand.tool is not None:
        return hand.tool
    if world.gripper is None:
        return None
    return RigidTransform(pointing_down(_home_closing_rad(config), config), world.gripper)


def _raise(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion | None:
    """Straight up, clear of everything, before any way sideways."""
    tool = _tool(world, hand, config)
    if tool is None:
        return None
    below = config.gripper.pad_below_tool_m
    if step.kind == "place":
        hand.grasp = _grasp_in_hand(step.subject, world, hand, config)
        below = max(below, hand.grasp.bottom_below_tool_m)
    height = min(travel_height_m(world, below, config, but=step.subject), config.workspace.high_m[2])
    if float(tool.translation[2]) >= height - 0.005:
        return None
    return Motion("raise", _at_height(tool, height), None, config.travel_speed_m_s)


def _at_height(tool: RigidTransform, height_m: float) -> RigidTransform:
    return RigidTransform(tool.rotation, np.array([tool.translation[0], tool.translation[1], height_m]))


def _approach(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    """Above the thing and everything on the way, fingers as wide as it needs."""
    hand.grasp = grasp = plan_grasp(_thing(step.subject, world), world, config)
    clear = min(travel_height_m(world, config.gripper.pad_below_tool_m, config, but=step.subject), config.workspace.high_m[2])
    height = max(float(grasp.tool.translation[2]) + config.approach_m, clear)
    return Motion("approach", _at_height(grasp.tool, height), grasp.opening_m, config.travel_speed_m_s)


def _near(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion | None:
    """Straight down to where contact may begin, when the way there led higher."""
    if step.kind == "pick":
        goal, rest = (hand.grasp or plan_grasp(_thing(step.subject, world), world, config)).tool, config.approach_m
    else:
        goal, rest = _placed(step, world, hand, config)[1], config.carry_clearance_m
    height = float(goal.translation[2]) + rest
    if hand.tool is not None and float(hand.tool.translation[2]) <= height + 0.01:
        return None
    return Motion("near", _at_height(goal, height), None, config.travel_speed_m_s)


def _descend(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    grasp = hand.grasp
    thing = world.things.get(step.subject)
    # The hand above it may hide a part of it by now: the better view counts.
    if grasp is None or (thing is not None and thing.std_m <= 1.2 * grasp.std_m):
        hand.grasp = grasp = plan_grasp(_thing(step.subject, world), world, config)
    return Motion("descend", grasp.tool, grasp.opening_m, config.contact_speed_m_s)


def _close(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    return Motion("close", None, 0.0, config.contact_speed_m_s)


def _lift(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    tool = _tool(world, hand, config)
    if tool is None:
        raise TaskError(ErrorCode.NO_SCENE, "the gripper's place is not known; check that tf has the tool frame")
    return Motion("lift", _at_height(tool, float(tool.translation[2]) + config.lift_m), None, config.travel_speed_m_s)


def _grasp_in_hand(name: str, world: World, hand: Hand, config: PlanningConfig) -> Grasp:
    """How a thing is held: as it was taken, or, held since before the task, as it is seen."""
    if hand.grasp is not None and hand.grasp.name == name:
        return hand.grasp
    thing, tool = _thing(name, world), _tool(world, hand, config)
    if tool is None:
        raise TaskError(ErrorCode.NO_SCENE, "the gripper's place is not known; check that tf has the tool frame")
    return Grasp(name, tool, config.gripper.max_opening_m, float(tool.translation[2]) - thing.bottom_m)


def _placed(step: Step, world: World, hand: Hand, config: PlanningConfig) -> tuple[Grasp, RigidTransform]:
    """The grasp, and the tool pose in which the thing is let go."""
    hand.grasp = grasp = _grasp_in_hand(step.subject, world, hand, config)
    if hand.spot is None:
        hand.spot = find_spot(_thing(step.subject, world), step.relation, step.object, world, config)
    height = hand.spot.support_m + grasp.bottom_below_tool_m + config.release_m
    return grasp, RigidTransform(grasp.tool.rotation, np.array([*hand.spot.xy_m, height]))


def _carry(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    hand.spot = None
    grasp, release = _placed(step, world, hand, config)
    height = max(
        travel_height_m(world, grasp.bottom_below_tool_m, config, but=step.subject), float(release.translation[2]) + 0.03
    )
    return Motion("carry", _at_height(release, height), None, config.travel_speed_m_s)


def _lower(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    target = world.things.get(step.object)
    if hand.spot is not None and hand.spot.anchor_m is not None and target is not None:
        moved = float(np.linalg.norm(target.centre[:2] - hand.spot.anchor_m))
        if moved - 2 * target.std_m > config.moved_m:
            raise TaskError(ErrorCode.STEP_FAILED, f"the {step.object} moved by {moved:.3f} m while the hand came; hold it still")
    return Motion("lower", _placed(step, world, hand, config)[1], None, config.contact_speed_m_s)


def _release(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    grasp, _ = _placed(step, world, hand, config)
    return Motion("release", None, grasp.opening_m, config.contact_speed_m_s)


def _retreat(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    """Straight up, high enough to leave the camera's view of the thing free."""
    tool = _tool(world, hand, config)
    if tool is None:
        raise TaskError(ErrorCode.NO_SCENE, "the gripper's place is not known; check that tf has the tool frame")
    hand.grasp = hand.spot = None
    height = min(float(tool.translation[2]) + config.lift_m, config.workspace.high_m[2])
    return Motion("retreat", _at_height(tool, height), None, config.travel_speed_m_s)


def _look(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion | None:
    """Out of the camera's way."""
    tool = _tool(world, hand, config)
    rotation = pointing_down(_home_closing_rad(config), config) if tool is None else tool.rotation
    return Motion("look", RigidTransform(rotation, np.array(config.look_point_m)), None, config.travel_speed_m_s)


def _open(step: Step, world: World, hand: Hand, config: PlanningConfig) -> Motion:
    return Motion("open", None, config.gripper.max_opening_m, config.contact_speed_m_s)


_MAKERS: dict[str, Callable[[Step, World, Hand, PlanningConfig], Motion | None]] = {
    "raise": _raise, "approach": _approach, "near": _near, "descend": _descend, "close": _close, "lift": _lift,
    "carry": _carry, "lower": _lower, "release": _release, "retreat": _retreat, "look": _look, "open": _open,
}  # fmt: skip
