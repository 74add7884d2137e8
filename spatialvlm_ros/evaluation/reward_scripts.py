"""Scripted behaviours of the simulated arm for the reward benchmark: tasks done well, and the ways in which they fail.

The actor looks at the simulator's true poses and does not care what is measured; what became of it is judged by the simulator's
state at the end, not by what was meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..environments.table_cell import TableCell
from ..simulation import MAX_OPENING_M, SimObject, UnreachableError, tool_down_rotation

SUCCESS, DROP, NEAR_MISS, NEVER_GRASP, WRONG_OBJECT = "success", "drop", "near miss", "never grasp", "wrong object"
KINDS = (SUCCESS, DROP, NEAR_MISS, NEVER_GRASP, WRONG_OBJECT)
_CONTROL_S = 0.02
_MOTION_LIMIT_S = 8.0
_CARRY_M, _LOW_M = 0.22, 0.028
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A task of the benchmark.

    Attributes:
        task: instruction for the annotator.
        opposite: a contradictory instruction about the same things.
        other: the same instruction about another thing.
        wrong: what is handled by mistake in its stead.
        act: carries out one kind of behaviour.
        done: whether the simulator's state fulfils the task.
        far: whether a scene leaves something to do, with room to tell that it is not done yet.
    """

    name: str
    task: str
    opposite: str
    other: str
    subject: str
    target: str
    wrong: str
    objects: tuple[str, ...]
    act: Callable[[Actor, Family, str], None]
    done: Callable[[TableCell, Family], bool]
    far: Callable[[TableCell, Family], bool]


class Actor:
    """Moves the arm; ``on_frame`` is called once every ``period_s`` of simulated time."""

    def __init__(self, cell: TableCell, rng: np.random.Generator, on_frame: Callable[[], None], period_s: float) -> None:
        self.cell, self.sim, self.rng = cell, cell.sim, rng
        self._on_frame, self._period_ns = on_frame, round(period_s * 1e9)
        self._next_ns = 0

    def step(self) -> None:
        """Let one control period pass."""
        if self.sim.time_ns >= self._next_ns:
            self._next_ns += self._period_ns
            self._on_frame()
        self.sim.step(_CONTROL_S)

    def wait(self, duration_s: float) -> None:
        for _ in range(round(duration_s / _CONTROL_S)):
            self.step()

    def move(self, position_m: npt.ArrayLike, yaw_rad: float, speed_m_s: float = 0.25, until: float = math.inf) -> None:
        """Move the tool, pointing down, until it arrives, is blocked, or ``until`` seconds have passed."""
        try:
            self.sim.set_tool_target(np.asarray(position_m, dtype=np.float64), tool_down_rotation(yaw_rad), speed_m_s)
        except UnreachableError:
            self.wait(0.3)
            return
        for _ in range(round(min(until, _MOTION_LIMIT_S) / _CONTROL_S)):
            if not self.sim.motion_state().active:
                return
            self.step()

    def thing(self, name: str) -> SimObject:
        return self.sim.objects()[name]

    def tool(self) -> FloatArray:
        return self.sim.tool_pose_base()[:3, 3]

    def yaw(self) -> float:
        pose = self.sim.tool_pose_base()
        return math.atan2(pose[1, 0], pose[0, 0])

    # -- parts of tasks -------------------------------------------------------------------------------------------------

    def pick(self, name: str, lift_m: float = _CARRY_M, *, close: bool = True, miss_m: float = 0.0) -> None:
        """Grasp from above and lift; without closing the fingers, or beside the thing, it stays behind."""
        thing = self.thing(name)
        yaw = _grasp_yaw(thing.pose)
        centre = thing.pose[:3, 3]
        grip = np.array([centre[0] - miss_m, centre[1], max(0.018, min(centre[2], 0.06))])
        if miss_m:
            grip[2] += 0.05
        self.sim.set_finger_opening(MAX_OPENING_M)
        self.move(grip + np.array([0.0, 0.0, 0.11]), yaw)
        self.move(grip, yaw, 0.15)
        if close:
            self.sim.set_finger_opening(0.0)
        self.wait(0.6)
        self.move([grip[0], grip[1], grip[2] + lift_m - 0.02], yaw, 0.2)

    def place(self, xy_m: npt.ArrayLike, bottom_m: float, held: str, retreat_m: float = _CARRY_M) -> None:
        """Carry to a place, lower until the thing's bottom is just above ``bottom_m``, let go, retreat."""
        x, y = (float(v) for v in np.asarray(xy_m))
        yaw = self.yaw()
        self.move([x, y, max(self.tool()[2], 0.2)], yaw, 0.25)
        below = self.tool()[2] - bottom_of(self.thing(held)) if self.sim.grasping() == held else 0.03
        self.move([x, y, bottom_m + below + 0.004], yaw, 0.12)
        self.sim.set_finger_opening(MAX_OPENING_M)
        self.wait(0.5)
        self.move([x, y, retreat_m], yaw, 0.25)
        self.wait(0.4)


def bottom_of(thing: SimObject) -> float:
    """Height of a thing's lowest point above the table."""
    return float(thing.pose[2, 3] - np.abs(thing.pose[2, :3]) @ thing.half_extents_m)


def top_of(thing: SimObject) -> float:
    return float(thing.pose[2, 3] + np.abs(thing.pose[2, :3]) @ thing.half_extents_m)


def _grasp_yaw(pose: FloatArray) -> float:
    """Fingers on a block's sides, within 45 degrees of opening along y."""
    return (math.atan2(pose[1, 0], pose[0, 0]) + math.pi / 4) % (math.pi / 2) - math.pi / 4


def _lost_on_the_way(actor: Actor, xy_m: npt.ArrayLike) -> None:
    """Carry, open the fingers too early, and go on as if nothing had happened."""
    goal = np.asarray(xy_m, dtype=np.float64)
    start = actor.tool()
    share = float(actor.rng.uniform(0.3, 0.6))
    half = start[:2] + share * (goal - start[:2])
    actor.move([*half, start[2]], actor.yaw())
    actor.sim.set_finger_opening(MAX_OPENING_M)
    actor.wait(0.4)
    actor.move([*goal, start[2]], actor.yaw())
    actor.move([*goal, 0.1], actor.yaw(), 0.15)
    actor.wait(0.4)
    actor.move([*goal, _CARRY_M], actor.yaw())
    actor.wait(0.3)


def _inwards(xy_m: FloatArray) -> FloatArray:
    """Unit vector from a place towards the middle of the table, where there is room."""
    way = np.array([0.5, 0.0]) - xy_m
    size = float(np.linalg.norm(way))
    return way / size if size > 0.02 else np.array([0.0, 1.0])


def act_put(actor: Actor, family: Family, kind: str, spot: Callable[[Actor, Family], tuple[FloatArray, float]]) -> None:
    """Pick up, carry, put down at a spot (x, y) on a height; the failures of that."""
    goal, height = spot(actor, family)
    subject = family.wrong if kind == WRONG_OBJECT else family.subject
    actor.pick(subject, close=kind != NEVER_GRASP)
    if kind == DROP:
        _lost_on_the_way(actor, goal)
        return
    if kind == NEAR_MISS:
        target, thing = actor.thing(family.target), actor.thing(subject)
        away = _inwards(goal)
        reach = float(np.hypot(*thing.half_extents_m[:2]) + target.half_extents_m[:2].max())
        miss = reach + float(actor.rng.uniform(0.005, 0.03))
        centre = np.asarray(target.pose[:2, 3])
        # Next to a thing that it should be on; or, where beside is asked for, on the far side and away.
        goal, height = centre + away * (miss if height > 0.001 else miss + 0.2), 0.0
    actor.place(goal, height, subject)


def on_target(actor: Actor, family: Family) -> tuple[FloatArray, float]:
    """The middle of the target's top."""
    target = actor.thing(family.target)
    return np.asarray(target.pose[:2, 3]), top_of(target)


def left_of_target(actor: Actor, family: Family) -> tuple[FloatArray, float]:
    """On the table, to the camera's left of the target."""
    left = -actor.sim.camera_pose_base[:2, 0]
    left = left / np.linalg.norm(left)
    target = actor.thing(family.target)
    return np.asarray(target.pose[:2, 3]) + left * (target.half_extents_m[:2].max() + 0.085), 0.0


def put_on(actor: Actor, family: Family, kind: str) -> None:
    act_put(actor, family, kind, on_target)


def put_left(actor: Actor, family: Family, kind: str) -> None:
    act_put(actor, family, kind, left_of_target)


def pick_up(actor: Actor, family: Family, kind: str) -> None:
    """Lift and hold; or lift and drop; or hardly lift; or close above it; or lift another thing."""
    if kind == DROP:
        actor.pick(family.subject)
        actor.wait(0.2)
        actor.sim.set_finger_opening(MAX_OPENING_M)
        actor.wait(1.5)
    elif kind == NEAR_MISS:
        actor.pick(family.subject, lift_m=0.03)
        actor.wait(1.0)
    elif kind == NEVER_GRASP:
        actor.pick(family.subject, miss_m=0.03)
        actor.wait(0.6)
    else:
        actor.pick(family.wrong if kind == WRONG_OBJECT else family.subject)
        actor.wait(0.8)


PUSHED_M = 0.05
"""Surface to surface: pushed to another thing."""


def push(actor: Actor, family: Family, kind: str) -> None:
    """Push with closed fingers towards the target; or stop short; or pass by; or push another thing."""
    subject = family.wrong if kind == WRONG_OBJECT else family.subject
    thing, target = actor.thing(subject), actor.thing(family.target)
    start, goal = np.asarray(thing.pose[:2, 3]), np.asarray(target.pose[:2, 3])
    way = (goal - start) / np.linalg.norm(goal - start)
    behind = start - way * (float(np.hypot(*thing.half_extents_m[:2])) + 0.055)
    if kind == NEVER_GRASP:
        behind = behind + 0.11 * np.array([-way[1], way[0]])
    yaw = math.atan2(way[1], way[0]) + math.pi / 2
    yaw = (yaw + math.pi / 2) % math.pi - math.pi / 2
    half = float(np.abs(way @ thing.pose[:2, :2]) @ thing.half_extents_m[:2])
    left = float(np.linalg.norm(goal - start))
    touching = left - actor.sim.gap_m(subject, family.target)
    stop = touching + {NEAR_MISS: PUSHED_M + 0.04, DROP: 0.6 * (left - touching)}.get(kind, PUSHED_M - 0.04)
    end = goal - way * (stop + half + 0.012)
    if kind == NEVER_GRASP:
        end = end + 0.11 * np.array([-way[1], way[0]])
    actor.sim.set_finger_opening(0.0)
    actor.move([*behind, 0.16], yaw)
    actor.move([*behind, _LOW_M], yaw, 0.15)
    actor.move([*end, _LOW_M], yaw, 0.12)
    actor.move([*(end - way * 0.03), 0.2], yaw, 0.25)
    actor.wait(0.5)


# -- truth ---------------------------------------------------------------------------------------------------------------


def _apart(a: FloatArray, b: FloatArray) -> float:
    return float(np.linalg.norm(a[:2] - b[:2]))


def is_on_target(cell: TableCell, family: Family) -> bool:
    """It rests on the target, its centre over it, and the gripper has let go."""
    things = cell.sim.objects()
    subject, target = things[family.subject], things[family.target]
    rests = abs(bottom_of(subject) - top_of(target)) < 0.008
    over = _apart(subject.pose[:3, 3], target.pose[:3, 3]) < target.half_extents_m[:2].max()
    return bool(rests and over and cell.sim.grasping() is None)


def is_left_of_target(cell: TableCell, family: Family) -> bool:
    """On the table and further left by the camera, however far; the gripper has let go."""
    things = cell.sim.objects()
    subject, target = things[family.subject], things[family.target]
    left = -cell.sim.camera_pose_base[:2, 0]
    further = float((subject.pose[:2, 3] - target.pose[:2, 3]) @ (left / np.linalg.norm(left)))
    return bool(further > 0.03 and bottom_of(subject) < 0.01 and cell.sim.grasping() is None)


def is_right_of_target(cell: TableCell, family: Family) -> bool:
    """Clearly on the other side of the target, by the camera."""
    things = cell.sim.objects()
    right = cell.sim.camera_pose_base[:2, 0]
    further = (things[family.subject].pose[:2, 3] - things[family.target].pose[:2, 3]) @ (right / np.linalg.norm(right))
    return bool(further > 0.03)


def is_apart(cell: TableCell, family: Family) -> bool:
    """Room between the thing and its target."""
    return cell.sim.gap_m(family.subject, family.target) > 2 * PUSHED_M


def is_held_up(cell: TableCell, family: Family) -> bool:
    """Between the fingers, its bottom 5 cm above the table."""
    return bool(cell.sim.grasping() == family.subject and bottom_of(cell.sim.objects()[family.subject]) > 0.05)


def is_pushed(cell: TableCell, family: Family) -> bool:
    """On the table, within ``PUSHED_M`` of the target."""
    subject = cell.sim.objects()[family.subject]
    return bool(cell.sim.gap_m(family.subject, family.target) <= PUSHED_M and bottom_of(subject) < 0.01)


_FEW = ("red block", "green plate", "blue block", "yellow ball")
FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            "place", "pick up the red block and put it on the green plate",
            "keep the red block at least 40 cm from the green plate",
            "put the yellow ball on the blue block", "red block", "green plate", "blue block",
            _FEW, put_on, is_on_target, is_apart,
        ),
        Family(
            "pick", "pick up the yellow ball", "keep the gripper at least 40 cm from the yellow ball", "pick up the red block",
            "yellow ball", "green plate", "blue block", _FEW, pick_up, is_held_up, is_apart,
        ),
        Family(
            "stack", "stack the red block on the blue block", "keep the red block at least 40 cm from the blue block",
            "put the yellow ball on the green plate", "red block", "blue block", "yellow ball",
            _FEW, put_on, is_on_target, is_apart,
        ),
        Family(
            "left", "move the red block left of the blue block", "move the red block right of the blue block",
            "put the yellow ball on the green plate", "red block", "blue block", "yellow ball",
            _FEW, put_left, is_left_of_target, is_right_of_target,
        ),
        Family(
            "push", "push the red block to the green plate", "keep the red block at least 40 cm from the green plate",
            "push the blue block to the yellow ball", "red block", "green plate", "blue block", _FEW, push, is_pushed, is_apart,
        ),
    )
}  # fmt: skip
