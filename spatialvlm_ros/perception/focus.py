"""Which part of an image is worth looking at, where only named things count and all of them were found on the image before.

Most of an image does not change from one to the next, and most of what does is not asked for. A named thing around which neither
colour nor depth has changed keeps its measurement, and so does one that has moved with the tool, if its surface is seen to be
where that would put it; the others are looked for in one window around where they were, by the same steps as on a whole image and
by the support plane of the last whole one. Every ``period_s`` by the images' own stamps an image is taken whole, unless nothing
but the robot and named things has moved since the last one, and whenever anything is in doubt: so the same images in the same
order give the same numbers, live and recorded.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, norm
from ..scene.facts import Query, Source, Status
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import DepthNoise
from ..scene.relations import RELATIONS
from ..scene.scene import Binding, SceneObject
from .carried import carried, lead_of, motion_with_tool
from .grid import Window
from .robot_state import RobotState
from .sighting import Sighting
from .still import KEPT_NS, Backdrop, Known, kept_of, known_of
from .tabletop import TabletopConfig, grid_step

# Pixels around a thing that is looked for, and at most; how fast it may be, beside what the tool explains.
_MARGIN_PX, _MOST_MARGIN_PX = 24, 96
_SPEED_M_S = 0.3
# Where nothing but the robot and named things has moved an image is taken whole after so many periods, and no more than so long.
_MOST_PERIODS, _MOST_NS = 4, 4_000_000_000
# A larger share of an image, or a longer pause, is no gain.
_LARGEST, _LONGEST_S = 0.5, 0.5
# What is found is the thing that is looked for if it is as near to where that was, and as large.
_NEAR_M, _SAME_SIZE = 0.03, 0.3
# What is carried is measured more often where it is as near to another named thing.
_NEARING_M = 0.03
# Neither the camera nor up may move by more than noise.
_SAME_M, _SAME_RAD = 0.0005, 0.002


@dataclass(frozen=True)
class Glance:
    """What of an image is looked at.

    Attributes:
        window: rows and columns; None where all named things are as they were.
        kept: those that are, each with its region.
        sought: those that must be found in the window.
        others: things that nobody asks for, each with its region, as they were on the last whole image.
        looked_for: numbers of all named things.
        base: the last whole image.
        dt_s: since the image before.
        same_up: whether up is known just as on that one.
        shifted: of those among ``kept`` that moved with the tool, the region on the image before and that on this one.
    """

    window: Window | None
    kept: Sequence[tuple[SceneObject, Region]]
    sought: Sequence[SceneObject]
    others: Sequence[tuple[SceneObject, Region]]
    looked_for: Collection[int]
    base: Sighting
    dt_s: float
    same_up: bool = False
    shifted: Sequence[tuple[Region, Region]] = ()

    def is_wanted(self, region: Region, frame: RGBDFrame) -> bool:
        """Whether a region of the window is whole, and not one of the other things."""
        if self.window is None:
            return False
        rows, columns = self.window
        u0, v0, u1, v1 = region.box
        height, width = frame.size
        # Two pixels are one of the grid.
        cut = (
            (columns.start > 0 and u0 <= columns.start + 2) or (rows.start > 0 and v0 <= rows.start + 2)
            or (columns.stop < width and u1 >= columns.stop - 2) or (rows.stop < height and v1 >= rows.stop - 2)
        )  # fmt: skip
        if cut:
            return False
        own = region.mask[v0:v1, u0:u1]
        size = np.count_nonzero(own)
        beside = [other for _, other in self.others if _meet(other.box, region.box)]
        return not any(2 * np.count_nonzero(own & other.mask[v0:v1, u0:u1]) > size for other in beside)

    def all_found(self, things: Sequence[SceneObject]) -> bool:
        """Whether the things that were measured are, among others, those that are looked for."""
        near_m = _NEAR_M + _SPEED_M_S * self.dt_s
        return all(any(_fits(found, wanted, near_m) for found in things) for wanted in self.sought)


def _fits(found: SceneObject, wanted: SceneObject, near_m: float) -> bool:
    size, usual = np.sort(found.extents), np.sort(wanted.extents)
    differ = norm(size - usual) / max(norm(size), norm(usual), 1e-6)
    return norm(found.centre - wanted.centre) <= near_m and differ <= _SAME_SIZE


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True)
class _Last:
    """The last image."""

    frame: RGBDFrame
    names: tuple[str, ...]
    robot: RobotState
    known: tuple[Known, ...]


@dataclass(frozen=True)
class _Kept:
    """A thing that is not measured anew, as it is on this image."""

    known: Known
    thing: SceneObject
    region: Region


def _all_kept(known: Sequence[Known], frame: RGBDFrame, robot: RobotState, noise: DepthNoise) -> list[_Kept | Known]:
    """Those that need not be measured anew; the others as they are known. Carried things may be in the way of others."""
    found = [_kept(one, frame, robot, noise, [other.thing for other in known if other is not one]) for one in known]
    moved = [one.region for one in found if isinstance(one, _Kept) and one.region is not one.known.as_measured[1]]
    if not moved:
        return found
    return [_still(one, frame, robot, noise, moved) or one if isinstance(one, Known) else one for one in found]


def _kept(known: Known, frame: RGBDFrame, robot: RobotState, noise: DepthNoise, others: Sequence[SceneObject]) -> _Kept | Known:
    """What is where it was measured, or was carried from there by the tool; what is neither, as it is known."""
    if known.measured is None:
        return _still(known, frame, robot, noise) or _carried(known, frame, robot, noise, others) or known
    return _carried(known, frame, robot, noise, others) or _still(known, frame, robot, noise) or known


def _still(known: Known, frame: RGBDFrame, robot: RobotState, noise: DepthNoise, moved: Sequence[Region] = ()) -> _Kept | None:
    thing, region = known.as_measured
    return _Kept(known, thing, region) if region is not None and known.is_still(frame, robot, noise, moved) else None


def _carried(known: Known, frame: RGBDFrame, robot: RobotState, noise: DepthNoise, others: Sequence[SceneObject]) -> _Kept | None:
    moved = carried(known, frame, robot, noise)
    if moved is None:
        return None
    # A goal may be reached any moment: there a measurement's error must not stay for long.
    is_old = frame.stamp_ns - known.stamp_ns >= KEPT_NS
    return None if is_old and any(_is_near(moved[0], other) for other in others) else _Kept(known, *moved)


def _is_near(one: SceneObject, other: SceneObject) -> bool:
    reach_m = _NEARING_M + float(np.max(one.extents) + np.max(other.extents)) / 2
    return norm(one.centre - other.centre) <= reach_m


def needs_all(queries: Iterable[Query]) -> bool:
    """Whether any query is about more than the things it names: all that answer to a description, or what is near a place."""
    relations = (RELATIONS.get(query.relation) for query in queries)
    return any(relation is None or relation.of_all or relation.name.startswith("point_") for relation in relations)


class Focus:
    """Of one stream of images; not thread-safe.

    Args:
        period_s: how often an image is taken whole.
    """

    def __init__(self, period_s: float, config: TabletopConfig) -> None:
        self._period_ns = max(1, round(period_s * 1e9))
        self._config = config
        self._base: Sighting | None = None
        self._base_robot: RobotState | None = None
        self._backdrop: Backdrop | None = None
        self._others: tuple[tuple[SceneObject, Region], ...] = ()
        self._last: _Last | None = None

    def clear(self) -> None:
        """The next image is taken whole."""
        self._last = self._base = None

    def _is_due(self, before_ns: int, stamp_ns: int) -> bool:
        """Whether an image is taken whole by its stamp and that of the one before it."""
        return stamp_ns // self._period_ns != before_ns // self._period_ns

    def glance(self, frame: RGBDFrame, names: Sequence[str], robot: RobotState) -> Glance | None:
        """What of this image is to be looked at; None for all of it."""
        last, base = self._last, self._base
        if last is None or base is None or last.names != tuple(names) or not _same_view(last, frame, robot):
            return None
        dt_s = (frame.stamp_ns - last.frame.stamp_ns) * 1e-9
        if not 0 <= dt_s <= _LONGEST_S:
            return None
        is_due = self._is_due(last.frame.stamp_ns, frame.stamp_ns)
        if is_due and not self._has_time(frame):
            return None
        found = _all_kept(last.known, frame, robot, base.noise)
        if is_due and not self._may_wait(frame, robot, base, found):
            return None
        kept = [one for one in found if isinstance(one, _Kept)]
        moving = [one for one in found if isinstance(one, Known)]
        window: Window | None = None
        while moving:
            window = self._window(last, frame, robot, moving, dt_s)
            if window is None:
                return None
            rows, columns = window
            box = (columns.start, rows.start, columns.stop, rows.stop)
            beside = [one for one in kept if _meet(one.region.box, box)]
            if not beside:
                break
            # What is in the window is found there anew, and would be there twice.
            kept = [one for one in kept if not any(one is other for other in beside)]
            moving += [one.known for one in beside]
        sought = [known.thing for known in moving if known.region is not None]
        numbers = frozenset(known.thing.id for known in last.known)
        same_up = self._base_robot is not None and _known_alike(self._base_robot, robot)
        pairs = [(one.thing, one.region) for one in kept]
        outlines = [(one.known.region, one.region) for one in kept]
        shifted = [(before, now) for before, now in outlines if before is not None and before is not now]
        return Glance(window, pairs, sought, self._others, numbers, base, dt_s, same_up, shifted)

    def _has_time(self, frame: RGBDFrame) -> bool:
        """Whether an image that is due need not be taken whole for the age of the last one that was."""
        most_ns = max(self._period_ns, min(_MOST_PERIODS * self._period_ns, _MOST_NS))
        return self._backdrop is not None and frame.stamp_ns - self._backdrop.stamp_ns < most_ns

    def _may_wait(self, frame: RGBDFrame, robot: RobotState, base: Sighting, found: Sequence[_Kept | Known]) -> bool:
        """Whether an image that is due shows nothing that the last whole one did not, but for the robot and what was found.

        What was not found is looked for around where it was.
        """
        named = [one.region for one in found if one.region is not None]
        return self._backdrop is not None and self._backdrop.is_still(frame, robot, base.noise, named)

    def _window(self, last: _Last, frame: RGBDFrame, robot: RobotState, moving: Sequence[Known], dt_s: float) -> Window | None:
        """Rows and columns around things and where they may be by now; None where that is most of the image."""
        boxes = [_place(known, last, frame, robot, dt_s) for known in moving]
        if not all(np.isfinite(box).all() for box in boxes):
            return None
        (u0, v0), (u1, v1) = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
        height, width = frame.size
        # Begins with a pixel of the grid; rounded so that neighbouring images have the same window more often.
        unit = 8 * grid_step(width, self._config)
        left, top = (unit * max(0, math.floor(x / unit)) for x in (u0, v0))
        right, bottom = (min(most, unit * math.ceil(x / unit)) for x, most in ((u1, width), (v1, height)))
        if right - left < unit or bottom - top < unit or (right - left) * (bottom - top) > _LARGEST * width * height:
            return None
        return slice(top, bottom), slice(left, right)

    def remember(
        self,
        frame: RGBDFrame,
        names: Sequence[str],
        robot: RobotState,
        sighting: Sighting,
        glance: Glance | None,
        bound: Mapping[str, Binding],
        seen: Sequence[tuple[SceneObject, Region]],
        hidden: Sequence[SceneObject],
    ) -> None:
        """What was found on this image. ``bound`` are names of things alone, neither the tool's nor those of tf frames."""
        numbers = _numbers(bound)
        if glance is None:
            self._base, self._base_robot = sighting if _is_usable(sighting) else None, robot
        regions = {thing.id: (thing, region) for thing, region in seen}
        named = {number: regions[number][1] for number in numbers or () if number in regions}
        if glance is None:
            self._backdrop = Backdrop.of(frame, sighting.robot, list(named.values()))
        if self._base is None or numbers is None:
            self._last = None
            return
        behind = {thing.id: thing for thing in hidden}
        before = {} if self._last is None else {known.thing.id: known for known in self._last.known}
        kept = () if glance is None else [region for _, region in glance.kept]
        known: list[Known] = []
        for number in numbers:
            was = before.get(number)
            if number in regions:
                thing, region = regions[number]
                if was is not None and any(region is one for one in kept):
                    known.append(kept_of(thing, region, was))
                else:
                    others = [other for another, other in named.items() if another != number]
                    lead = lead_of(thing, robot.camera_from_tool, frame.stamp_ns, was)
                    known.append(known_of(thing, region, frame, was, sighting.robot, lead, others))
            elif number in behind:
                known.append(Known(behind[number]))
        if glance is None:
            self._others = tuple(pair for number, pair in regions.items() if number not in numbers)
        self._last = _Last(frame, tuple(names), robot, tuple(known))


def _numbers(bound: Mapping[str, Binding]) -> list[int] | None:
    """Of the things that names stand for; None where one stands for nothing, or for what has long been out of sight."""
    numbers: dict[int, None] = {}
    for name, binding in bound.items():
        if name.startswith("#") or binding.thing is None or binding.status not in (Status.OK, Status.OCCLUDED):
            return None
        if binding.thing.source is not Source.DEPTH:
            return None
        numbers[binding.thing.id] = None
    return list(numbers)


def _is_usable(sighting: Sighting) -> bool:
    """Whether a whole image tells enough for parts of the next ones: a table that is no floor of a bin."""
    plane = sighting.segmentation.plane
    return plane is not None and not plane.is_floor and bool(np.isfinite(sighting.plane).all())


def _same_view(last: _Last, frame: RGBDFrame, robot: RobotState) -> bool:
    """Whether camera and up are where they were."""
    if last.frame.camera != frame.camera or last.frame.frame_id != frame.frame_id or robot.up_problem != last.robot.up_problem:
        return False
    before, now = last.robot.world_from_camera, robot.world_from_camera
    if norm(before.translation - now.translation) > _SAME_M or np.abs(before.rotation - now.rotation).max() > _SAME_RAD:
        return False
    if (last.robot.up is None) != (robot.up is None):
        return False
    return robot.up is None or last.robot.up is None or _angle(last.robot.up, robot.up) < _SAME_RAD


def _known_alike(one: RobotState, other: RobotState) -> bool:
    """Whether up is the very same, from the same source."""
    if (one.up_std_rad, one.up_source, one.up_problem) != (other.up_std_rad, other.up_source, other.up_problem):
        return False
    return one.up is other.up or (one.up is not None and other.up is not None and np.array_equal(one.up, other.up))


def _angle(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return norm(a / norm(a) - b / norm(b))


def _place(known: Known, last: _Last, frame: RGBDFrame, robot: RobotState, dt_s: float) -> FloatArray:
    """(4,) u0, v0, u1, v1: where a thing may be on an image, pixels; NaN where that is behind the camera."""
    thing, camera = known.thing, frame.camera
    if known.region is not None:
        box = np.array(known.region.box, dtype=np.float64)
    else:
        pixels = camera.project(thing.corners())
        box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    margin = min(_MOST_MARGIN_PX, _MARGIN_PX + _SPEED_M_S * dt_s * camera.fx / max(thing.centre[2], 0.1))
    low, high = box[:2] - margin, box[2:] + margin
    motion = motion_with_tool(thing, last.robot.camera_from_tool, robot.camera_from_tool)
    if motion is not None:
        shift = np.diff(camera.project(np.stack([thing.centre, motion.apply(thing.centre)])), axis=0)[0]
        low, high = np.minimum(low, low + shift), np.maximum(high, high + shift)
    return np.concatenate([low, high])
