"""A tiny kinematic tabletop for tests: boxes, a two-finger hand, and the registry's own facts of what a camera would see.

Physics in one sentence: closed fingers take along a box that is between them, open fingers drop it onto what is below.
Planning frame: base_link, z up, table at z = 0. The camera looks at the table from the front and above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.planning.executor import MotionState, MotionStatus
from spatialvlm_ros.planning.predicates import queries_for
from spatialvlm_ros.planning.skills import Motion
from spatialvlm_ros.planning.world import GRIPPER, SeenBox, World, bind_names
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject

CAMERA_FRAME = "camera_color_optical_frame"
_STD_M = 0.002


def camera_pose() -> RigidTransform:
    """planning_from_camera: 1.1 m ahead of the base, 0.7 m up, looking back and down at the table."""
    eye, target = np.array([1.2, 0.0, 0.7]), np.array([0.45, 0.0, 0.0])
    z_axis = (target - eye) / np.linalg.norm(target - eye)
    x_axis = np.cross(z_axis, [0.0, 0.0, 1.0])
    x_axis /= np.linalg.norm(x_axis)
    return RigidTransform(np.column_stack([x_axis, np.cross(z_axis, x_axis), z_axis]), eye)


@dataclass
class Block:
    """A box by name. ``size_m`` along its own axes; ``centre`` in the planning frame."""

    name: str
    centre: np.ndarray
    size_m: tuple[float, float, float]
    yaw_rad: float = 0.0
    label: str = ""
    hidden: bool = False


def block(
    name: str, x: float, y: float, z: float = 0.0, size: float = 0.04, height: float | None = None, yaw: float = 0.0
) -> Block:
    """A block whose bottom is at height z, metres."""
    tall = size if height is None else height
    return Block(name, np.array([x, y, z + tall / 2]), (size, size, tall), yaw)


def plate(name: str, x: float, y: float) -> Block:
    return Block(name, np.array([x, y, 0.008]), (0.16, 0.16, 0.016))


def stack(names: list[str], x: float, y: float, size: float = 0.04) -> list[Block]:
    """Blocks on each other, the first lowest."""
    return [block(name, x, y, index * size, size) for index, name in enumerate(names)]


@dataclass
class TinyWorld:
    """State, and what is seen of it. ``now_ns`` moves with ``step``."""

    blocks: list[Block]
    tool: np.ndarray = field(default_factory=lambda: np.array([0.36, 0.0, 0.34]))
    opening_m: float = 0.0
    now_ns: int = 10_000_000_000
    camera_frozen: bool = False
    std_m: float = _STD_M
    image_period_s: float = 0.1
    held: Block | None = None
    slip_after_s: float | None = None
    misses: int = 0
    _image: tuple[int, Scene] | None = None
    planning_from_camera: RigidTransform = field(default_factory=camera_pose)

    # -- physics --------------------------------------------------------------------------------------------------------

    def advance(self, dt_s: float) -> None:
        self.now_ns += int(dt_s * 1e9)
        if self.held is not None and self.slip_after_s is not None:
            self.slip_after_s -= dt_s
            if self.slip_after_s <= 0:
                self.slip_after_s = None
                self.drop()

    def move_tool(self, target: np.ndarray) -> None:
        if self.held is not None:
            self.held.centre = self.held.centre + (target - self.tool)
        self.tool = np.array(target, dtype=float)

    def close(self) -> None:
        between = [one for one in self.blocks if bool(np.all(np.abs(one.centre - self.tool) < np.array(one.size_m) / 2 + 0.005))]
        self.opening_m = 0.0
        if self.misses > 0:
            self.misses -= 1
            return
        if between and min(between[0].size_m[:2]) <= 0.1:
            self.held, self.opening_m = between[-1], min(between[-1].size_m[:2])

    def open(self, opening_m: float) -> None:
        self.opening_m = opening_m
        if self.held is not None:
            self.drop()

    def drop(self) -> None:
        """What was held falls straight down onto the highest thing below it."""
        thing, self.held = self.held, None
        assert thing is not None
        below = [
            other.centre[2] + other.size_m[2] / 2
            for other in self.blocks
            if other is not thing and np.all(np.abs(other.centre[:2] - thing.centre[:2]) < np.array(other.size_m[:2]) / 2)
        ]
        thing.centre = np.array([*thing.centre[:2], max([0.0, *below]) + thing.size_m[2] / 2])

    def find(self, name: str) -> Block:
        return next(one for one in self.blocks if one.name == name)

    def top_of(self, name: str) -> float:
        one = self.find(name)
        return float(one.centre[2] + one.size_m[2] / 2)

    # -- perception -----------------------------------------------------------------------------------------------------

    def _scene_object(self, one: Block, index: int, stamp_ns: int) -> SceneObject:
        camera_from_planning = self.planning_from_camera.inverse()
        c, s = math.cos(one.yaw_rad), math.sin(one.yaw_rad)
        axes = camera_from_planning.rotation @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        grid = np.array(np.meshgrid([-0.5, 0, 0.5], [-0.5, 0, 0.5], [-0.5, 0, 0.5])).T.reshape(-1, 3)
        centre = camera_from_planning.apply(one.centre)
        points = ((grid * one.size_m) @ axes.T + centre).astype(np.float32)
        return SceneObject(
            id=index, label=one.label or one.name, score=1.0, centre=centre, covariance=self.std_m**2 * np.eye(3), axes=axes,
            extents=np.array(one.size_m), extents_std=np.full(3, self.std_m), surface_point=centre, points=points,
            point_std_m=0.001, visible_share=1.0, truncated=False, num_points=400, last_seen_ns=stamp_ns,
        )  # fmt: skip

    def _tool_object(self, stamp_ns: int) -> SceneObject:
        centre = self.planning_from_camera.inverse().apply(self.tool)
        return SceneObject(
            id=0, label=GRIPPER, score=1.0, centre=centre, covariance=1e-6 * np.eye(3), axes=np.eye(3), extents=np.zeros(3),
            extents_std=np.zeros(3), surface_point=np.full(3, np.nan), points=np.empty((0, 3), np.float32), point_std_m=0.0,
            visible_share=math.nan, truncated=False, num_points=0, last_seen_ns=stamp_ns, source=Source.TF,
        )  # fmt: skip

    def scene(self) -> Scene:
        """The last image's scene: one image every ``image_period_s``, with names bound to blocks of that name."""
        if self._image is not None and (self.camera_frozen or self.now_ns - self._image[0] < self.image_period_s * 1e9):
            return self._image[1]
        stamp_ns = self.now_ns
        up = self.planning_from_camera.rotation.T @ np.array([0.0, 0.0, 1.0])
        plane = np.array([*up, float(self.planning_from_camera.translation[2])])
        shown = [one for one in self.blocks if not one.hidden]
        things = [self._scene_object(one, index + 1, stamp_ns) for index, one in enumerate(shown)]
        tool = self._tool_object(stamp_ns)
        bindings = {GRIPPER: Binding(Status.OK, tool)}
        for one in shown:
            same = [thing for thing, other in zip(things, shown, strict=True) if other.name == one.name]
            text = f"{len(same)} things are called {one.name}"
            bindings[one.name] = Binding(Status.OK, same[0]) if len(same) == 1 else Binding(Status.AMBIGUOUS, text=text)
        canonical = canonical_from_up(up, plane, 0.005, "plane")
        scene = Scene(stamp_ns, CAMERA_FRAME, (*things, tool), canonical, "", plane, 1.0, bindings)
        self._image = (stamp_ns, scene)
        return scene

    def facts(self, queries: list[Query]) -> list[SpatialFact]:
        scene = self.scene()
        return [measure_query(scene, query) for query in queries]

    def world(self, goals: tuple = (), extra: tuple[Query, ...] = ()) -> World:
        """What the planner would believe of the last image, having asked for what the goals need."""
        scene = self.scene()
        boxes = [
            SeenBox(thing.id, thing.label, RigidTransform(thing.axes, thing.centre), thing.extents, self.std_m)
            for thing in scene.objects
        ]
        names = [name for goal in goals for name in (goal.subject, goal.object) if name]
        to_planning = self.planning_from_camera
        first = {fact.query: fact for fact in self.facts(queries_for(goals))}
        things = bind_names(list(dict.fromkeys(names)), boxes, first, lambda frame, stamp: to_planning, to_planning)
        queries = [*queries_for(goals, things.values()), *extra]
        canonical = scene.canonical
        assert canonical is not None
        axes = to_planning.rotation @ canonical.scene_from_canonical.rotation
        forward, left = axes[:2, 0], axes[:2, 1]
        directions = {"left_of": left, "right_of": -left, "in_front_of": -forward, "behind": forward}
        tool = next(thing for thing in scene.objects if thing.id == 0)
        return World(
            self.now_ns, scene.stamp_ns, things, {fact.query: fact for fact in self.facts(queries)}, directions, 0.0,
            to_planning.apply(tool.centre),
        )  # fmt: skip


class TinyExecutor:
    """Carries motions out in a TinyWorld, ``dt_s`` a poll."""

    def __init__(self, world: TinyWorld, dt_s: float = 0.02) -> None:
        self.world, self.dt_s = world, dt_s
        self.motion: Motion | None = None
        self.motions: list[Motion] = []
        self.cancels = 0
        self.fail_next: list[str] = []
        self._reason = ""

    def start(self, motion: Motion) -> None:
        self.motion = motion
        self.motions.append(motion)
        self._reason = self.fail_next.pop(0) if self.fail_next else ""
        if motion.finger_opening_m is not None and motion.finger_opening_m > 0:
            self.world.open(motion.finger_opening_m)

    def poll(self) -> MotionStatus:
        motion = self.motion
        if motion is None:
            return MotionStatus(MotionState.IDLE)
        if self._reason:
            self.motion = None
            return MotionStatus(MotionState.FAILED, self._reason)
        if motion.target is not None:
            way = motion.target.translation - self.world.tool
            length, reach = float(np.linalg.norm(way)), motion.max_speed_m_s * self.dt_s
            if length > reach:
                self.world.move_tool(self.world.tool + way / length * reach)
                return MotionStatus(MotionState.RUNNING)
            self.world.move_tool(motion.target.translation)
        if motion.finger_opening_m is not None and motion.finger_opening_m <= 0:
            self.world.close()
        self.motion = None
        return MotionStatus(MotionState.SUCCEEDED, "", self.world.held is not None, self.world.opening_m)

    def cancel(self) -> None:
        if self.motion is not None:
            self.cancels += 1
        self.motion = None
