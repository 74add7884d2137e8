"""What the planner believes of the world: boxes and facts as spatial_node published them, in the planning frame.

Never changes: nothing here comes from anywhere else, and a World is never modified; a new image makes a new one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.facts import Query, SpatialFact

GRIPPER = "gripper"
# A fact's point this near a box's middle speaks of that box: both come from the same measurement.
_SAME_M = 0.02
# Relations whose facts' points are the middles of the things they name. Points of others lie on surfaces or in free space.
CENTRE_RELATIONS = frozenset(
    {
        "distance", "horizontal_distance", "vertical_distance", "height", "width", "elevation",
        "left_difference", "right_difference", "behind_difference", "front_difference", "above_difference", "below_difference",
    }
)  # fmt: skip

FrameLookup = Callable[[str, int], RigidTransform]
"""``planning_from(frame_id, stamp_ns)``; raises LookupError when it is not known."""


# A simulated clock ticks coarsely, so that a stamp may be a little ahead of it.
_CLOCK_SLACK_S = 0.25


@dataclass(frozen=True)
class SeenBox:
    """One box of a published scene, in the scene's frame. ``pose`` maps box axes to that frame; lengths in metres."""

    id: int
    label: str
    pose: RigidTransform
    extents: FloatArray
    std_m: float


@dataclass(frozen=True)
class Thing:
    """An upright box in the planning frame, metres and radians.

    Attributes:
        centre: (3,) middle of the box.
        yaw_rad: direction of its shorter horizontal edges, in [-pi/2, pi/2).
        short_m, long_m, height_m: edge lengths, short_m <= long_m.
        std_m: one standard deviation of the centre along any axis.
        askable: whether spatial_node answers to its name (two things of one label have no name of their own).
    """

    name: str
    centre: FloatArray
    yaw_rad: float
    short_m: float
    long_m: float
    height_m: float
    std_m: float = 0.0
    askable: bool = True

    @property
    def top_m(self) -> float:
        return float(self.centre[2]) + self.height_m / 2

    @property
    def bottom_m(self) -> float:
        return float(self.centre[2]) - self.height_m / 2

    @property
    def radius_m(self) -> float:
        """Radius of the circle around its footprint."""
        return math.hypot(self.short_m, self.long_m) / 2

    def moved(self, centre: FloatArray, yaw_rad: float | None = None) -> Thing:
        return replace(self, centre=centre, yaw_rad=self.yaw_rad if yaw_rad is None else yaw_rad)

    def half_width_m(self, direction: FloatArray) -> float:
        """Half of its footprint's width along a horizontal unit vector (2,)."""
        short = np.array([math.cos(self.yaw_rad), math.sin(self.yaw_rad)])
        long = np.array([-short[1], short[0]])
        return float(abs(direction @ short) * self.short_m + abs(direction @ long) * self.long_m) / 2


def thing_of_box(name: str, box: SeenBox, planning_from_scene: RigidTransform, *, askable: bool = True) -> Thing:
    """The upright box around a box that may be tilted (measured without a known up) in any frame."""
    pose = planning_from_scene @ box.pose
    up_axis = int(np.argmax(np.abs(pose.rotation[2])))
    first, second = (axis for axis in range(3) if axis != up_axis)
    short, long = sorted((first, second), key=lambda axis: float(box.extents[axis]))
    direction = pose.rotation[:2, short]
    yaw = math.atan2(float(direction[1]), float(direction[0]))
    height = (
        float(np.abs(pose.rotation[2]) @ box.extents) if abs(pose.rotation[2, up_axis]) < 0.99 else float(box.extents[up_axis])
    )
    return Thing(
        name,
        pose.translation,
        wrap_half_turn(yaw),
        float(box.extents[short]),
        float(box.extents[long]),
        height,
        box.std_m,
        askable,
    )


def wrap_half_turn(angle_rad: float) -> float:
    """The same undirected direction in [-pi/2, pi/2)."""
    return (angle_rad + math.pi / 2) % math.pi - math.pi / 2


@dataclass(frozen=True)
class World:
    """One image's scene and the newest facts.

    Attributes:
        now_ns: the clock of the image stamps when this was put together.
        stamp_ns: stamp of the scene.
        things: by name: the names that were asked for, and the labels of all other things.
        facts: the newest fact of each query, points still in the facts' own frames.
        directions: horizontal unit vectors (2,) of "left_of", "right_of", "in_front_of", "behind"; empty when up is unknown.
        table_m: height of the support plane in the planning frame; NaN without one.
        gripper: (3,) tool point; None when no fact tells.
        fingers_hold: what the fingers themselves reported last; None when they were not asked yet.
    """

    now_ns: int
    stamp_ns: int
    things: Mapping[str, Thing]
    facts: Mapping[Query, SpatialFact] = field(default_factory=dict)
    directions: Mapping[str, FloatArray] = field(default_factory=dict)
    table_m: float = math.nan
    gripper: FloatArray | None = None
    fingers_hold: bool | None = None

    def age_s(self, stamp_ns: int) -> float:
        """Age of a stamp; infinite for one from the future, which another clock made, so that nothing on it counts as fresh."""
        age_s = (self.now_ns - stamp_ns) * 1e-9
        return age_s if age_s >= -_CLOCK_SLACK_S else math.inf

    def fact(self, relation: str, subject: str, other: str = "") -> SpatialFact | None:
        return self.facts.get(Query(relation, subject, other))

    def newest_fact_ns(self) -> int:
        """Stamp of the newest fact; 0 without facts."""
        return max((fact.stamp_ns for fact in self.facts.values()), default=0)

    def fact_age_s(self) -> float:
        """Age of the newest fact; infinite without facts."""
        return self.age_s(self.newest_fact_ns()) if self.facts else math.inf

    def support_m(self) -> float:
        """Height of the support plane; of the lowest bottom where no plane was seen; NaN in an empty scene."""
        if math.isfinite(self.table_m):
            return self.table_m
        return min((thing.bottom_m for thing in self.things.values()), default=math.nan)


def bind_names(
    names: Sequence[str],
    boxes: Sequence[SeenBox],
    facts: Mapping[Query, SpatialFact],
    from_frame: FrameLookup,
    planning_from_scene: RigidTransform,
) -> dict[str, Thing]:
    """Things by name. A name is the box with that label, or the box that the name's own facts point at.

    Boxes nobody asked for go by their label, and by label and number where several share it (then ``askable`` is false).
    """
    things: dict[str, Thing] = {}
    free = [box for box in boxes if box.label.strip().lower() != GRIPPER]
    for name in names:
        box = _box_of(name, free, facts, from_frame, planning_from_scene)
        if box is not None:
            things[name] = thing_of_box(name, box, planning_from_scene)
            free = [other for other in free if other is not box]
    all_labels = [box.label.strip().lower() for box in boxes]
    labels = [box.label.strip().lower() for box in free]
    for box, label in zip(free, labels, strict=True):
        alone = bool(label) and all_labels.count(label) == 1 and label not in things
        name = label if alone else f"{label or 'thing'} #{box.id}"
        things[name] = thing_of_box(name, box, planning_from_scene, askable=alone)
    return things


def _box_of(
    name: str,
    boxes: Sequence[SeenBox],
    facts: Mapping[Query, SpatialFact],
    from_frame: FrameLookup,
    planning_from_scene: RigidTransform,
) -> SeenBox | None:
    same = [box for box in boxes if box.label.strip().lower() == name]
    if len(same) == 1:
        return same[0]
    point = point_of(name, facts, from_frame)
    distances = [math.inf if point is None else _apart_m(box, planning_from_scene, point) for box in boxes]
    return boxes[int(np.argmin(distances))] if distances and min(distances) <= _SAME_M else None


def _apart_m(box: SeenBox, planning_from_scene: RigidTransform, point: FloatArray) -> float:
    return float(np.linalg.norm(planning_from_scene.apply(box.pose.translation) - point))


def point_of(name: str, facts: Mapping[Query, SpatialFact], from_frame: FrameLookup) -> FloatArray | None:
    """(3,) middle of a named thing in the planning frame, from the newest fact that has it; None when no fact tells.

    Only facts of ``CENTRE_RELATIONS`` count, and none with a view: its points are in the view's frame, which tf need not know.
    """
    known: list[tuple[SpatialFact, FloatArray]] = []
    for query, fact in facts.items():
        if query.relation not in CENTRE_RELATIONS or query.view or not fact.status.has_value:
            continue
        for who, point in ((query.subject, fact.subject_point), (query.object, fact.object_point)):
            if who == name and np.isfinite(point).all():
                known.append((fact, point))
    for fact, point in sorted(known, key=lambda one: -one[0].stamp_ns):
        try:
            return from_frame(fact.frame_id, fact.stamp_ns).apply(point)
        except LookupError:
            continue  # its frame is not known at its stamp; that of an older fact may be
    return None
