"""Identity over time: which thing of this image is which of the last one, and where hidden things are.

A thing that is not found any more is hidden when something nearer (or the robot) covers its place, and gone when its place is
seen to be empty. A thing that was between the fingers when it was last seen is taken to move with the tool; so is one that was
out of sight when the tool came to its place, as soon as that place is seen to be empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .facts import Status
from .frame import BoolArray, RGBDFrame
from .scene import SceneObject


@dataclass(frozen=True)
class MemoryConfig:
    """How long and how far things are remembered.

    Attributes:
        gate_m: a thing does not move further than this from one image to the next (grows by ``max_speed_m_s`` * dt).
        occluded_s: hidden for longer than this is stale.
        forget_s: hidden for longer than this is forgotten.
        drift_m_s: growth of a hidden thing's standard deviation with time, on top of ``hidden_std_m``.
    """

    gate_m: float = 0.05
    max_speed_m_s: float = 0.5
    occluded_s: float = 1.0
    forget_s: float = 10.0
    hidden_std_m: float = 0.01
    drift_m_s: float = 0.02
    held_m: float = 0.035


@dataclass(frozen=True)
class _Track:
    """A remembered thing in the world frame.

    Attributes:
        in_tool: its pose in the tool when it was last seen held, or when it was taken out of sight.
        reached: its pose in the tool when that came nearest to it out of sight: the hand may have taken it, nobody saw whether.
    """

    thing: SceneObject
    in_tool: RigidTransform | None
    confirmed: int
    reached: RigidTransform | None = None


class ObjectMemory:
    """Tracks of one stream of images. Not thread-safe; one per engine."""

    def __init__(self, config: MemoryConfig) -> None:
        self._config = config
        self._tracks: dict[int, _Track] = {}
        self._next_id = 1
        self._stamp_ns: int | None = None

    def clear(self) -> None:
        """Forget everything, as after a jump of time."""
        self._tracks.clear()
        self._stamp_ns = None

    def update(
        self,
        seen: Sequence[SceneObject],
        frame: RGBDFrame,
        world_from_camera: RigidTransform,
        world_from_tool: RigidTransform | None,
        robot: BoolArray | None,
    ) -> tuple[list[SceneObject], list[SceneObject]]:
        """Things of this image with their ids, in the order given, and remembered things that are hidden on it.

        All in the camera's optical frame. A stamp before the last one clears the memory first.
        """
        if self._stamp_ns is not None and frame.stamp_ns < self._stamp_ns:
            self.clear()
        dt_s = 0.0 if self._stamp_ns is None else (frame.stamp_ns - self._stamp_ns) * 1e-9
        self._stamp_ns = frame.stamp_ns
        in_world = [_moved(thing, world_from_camera) for thing in seen]
        ids = self._associate(in_world, dt_s, world_from_tool)
        for thing, object_id in zip(in_world, ids, strict=True):
            self._remember(replace(thing, id=object_id), world_from_tool)
        camera_from_world = world_from_camera.inverse()
        hidden = self._hidden(set(ids), frame, camera_from_world, world_from_tool, robot)
        return [replace(thing, id=i) for thing, i in zip(seen, ids, strict=True)], hidden

    def _remember(self, thing: SceneObject, world_from_tool: RigidTransform | None) -> None:
        before = self._tracks.get(thing.id)
        in_tool = self._between_fingers(thing, world_from_tool)
        self._tracks[thing.id] = _Track(thing, in_tool, 1 if before is None else before.confirmed + 1)

    def _between_fingers(self, thing: SceneObject, world_from_tool: RigidTransform | None) -> RigidTransform | None:
        """Its pose in the tool where the tool point is at its centre, else None."""
        if world_from_tool is None:
            return None
        pose = world_from_tool.inverse() @ RigidTransform(thing.axes, thing.centre)
        return pose if float(np.linalg.norm(pose.translation)) < self._config.held_m else None

    def _reached(self, track: _Track, world_from_tool: RigidTransform | None) -> _Track:
        """The track of a hidden thing with the tool's nearest approach to where it lies."""
        pose = self._between_fingers(track.thing, world_from_tool) if track.in_tool is None else None
        if pose is None:
            return track
        if track.reached is not None and np.linalg.norm(track.reached.translation) <= np.linalg.norm(pose.translation):
            return track
        return replace(track, reached=pose)

    def _associate(self, seen: list[SceneObject], dt_s: float, world_from_tool: RigidTransform | None) -> list[int]:
        """An id for each thing seen: by nearest predicted centre, things of another colour or shape at a penalty."""
        from scipy.optimize import linear_sum_assignment

        known = list(self._tracks)
        ids = [0] * len(seen)
        if known and seen:
            gate = self._config.gate_m + self._config.max_speed_m_s * dt_s
            # Where the tool would have taken it, or where it was: a grasp may have missed.
            taken = np.stack([self._predicted(self._tracks[i], world_from_tool).translation for i in known])
            left = np.stack([self._tracks[i].thing.centre for i in known])
            centres = np.stack([thing.centre for thing in seen])[:, None]
            cost = np.minimum(np.linalg.norm(centres - taken, axis=-1), np.linalg.norm(centres - left, axis=-1))
            # The visible surface moves less than the box that is drawn around it when a part of the thing gets hidden.
            surfaces = np.stack([self._tracks[i].thing.surface_point for i in known])
            shown = np.stack([thing.surface_point for thing in seen])[:, None]
            cost = np.fmin(cost, np.linalg.norm(shown - surfaces, axis=-1))
            labels = [self._tracks[i].thing.label for i in known]
            other = np.array([[_first_word(thing.label) != _first_word(label) for label in labels] for thing in seen])
            cost = cost + other * gate / 2
            # No pair beyond the gate costs more than another one, so that a newcomer far off does not decide about the others.
            for row, column in zip(*linear_sum_assignment(np.minimum(cost, gate)), strict=True):
                if cost[row, column] <= gate:
                    ids[int(row)] = known[int(column)]
        for index, object_id in enumerate(ids):
            if object_id == 0:
                ids[index] = self._next_id
                self._next_id += 1
        return ids

    @staticmethod
    def _predicted(track: _Track, world_from_tool: RigidTransform | None) -> RigidTransform:
        if track.in_tool is not None and world_from_tool is not None:
            return world_from_tool @ track.in_tool
        return RigidTransform(track.thing.axes, track.thing.centre)

    def _hidden(
        self,
        seen_ids: set[int],
        frame: RGBDFrame,
        camera_from_world: RigidTransform,
        world_from_tool: RigidTransform | None,
        robot: BoolArray | None,
    ) -> list[SceneObject]:
        hidden = []
        for object_id, track in list(self._tracks.items()):
            if object_id in seen_ids:
                continue
            age_s = (frame.stamp_ns - track.thing.last_seen_ns) * 1e-9
            track = self._tracks[object_id] = self._reached(track, world_from_tool)
            thing = _moved(_placed(track.thing, self._predicted(track, world_from_tool)), camera_from_world)
            is_gone = _place_is_empty(thing, frame, robot)
            if is_gone and track.reached is not None and world_from_tool is not None:
                # Nobody saw it, but only the hand was there: it is between the fingers, unless they show to be empty.
                track = self._tracks[object_id] = replace(track, in_tool=track.reached, reached=None)
                thing = _moved(_placed(track.thing, self._predicted(track, world_from_tool)), camera_from_world)
                is_gone = _place_is_empty(thing, frame, robot)
            # One sighting is noise more often than a thing, and is not worth a memory.
            if age_s > self._config.forget_s or track.confirmed < 2 or is_gone:
                del self._tracks[object_id]
                continue
            std = self._config.hidden_std_m + self._config.drift_m_s * age_s
            status = Status.OCCLUDED if age_s <= self._config.occluded_s else Status.STALE
            covariance: FloatArray = thing.covariance + std**2 * np.eye(3)
            hidden.append(replace(thing, covariance=covariance, status=status, visible_share=0.0, num_points=0))
        return hidden


def _first_word(label: str) -> str:
    return label.split(" ", 1)[0]


def _placed(thing: SceneObject, pose: RigidTransform) -> SceneObject:
    """The thing with its box at another pose in the same frame."""
    return _moved(thing, pose @ RigidTransform(thing.axes, thing.centre).inverse())


def _moved(thing: SceneObject, transform: RigidTransform) -> SceneObject:
    """The thing in another frame."""
    return replace(
        thing,
        centre=transform.apply(thing.centre),
        covariance=transform.rotate_covariance(thing.covariance),
        axes=transform.rotation @ thing.axes,
        surface_point=transform.apply(thing.surface_point),
        points=transform.apply(thing.points).astype(np.float32),
    )


# A surface seen this far behind a thing's centre is not the thing's: its front is nearer than its centre.
_BEHIND_M = 0.006


def _place_is_empty(thing: SceneObject, frame: RGBDFrame, robot: BoolArray | None) -> bool:
    """Whether the camera sees through the place of a thing: most pixels around its centre show something behind it."""
    pixels = frame.camera.project(thing.centre + 0.15 * (thing.corners() - thing.centre))
    if not np.isfinite(pixels).all():
        return False
    height, width = frame.depth_m.shape
    u0, v0 = np.floor(pixels.min(axis=0) - 2).astype(int)
    u1, v1 = np.ceil(pixels.max(axis=0) + 3).astype(int)
    if u0 < 0 or v0 < 0 or u1 > width or v1 > height:
        return False  # out of view, so nothing speaks against it
    behind = frame.depth_m[v0:v1, u0:u1] > thing.centre[2] + _BEHIND_M
    if robot is not None:
        behind = behind & ~robot[v0:v1, u0:u1]
    return bool(np.count_nonzero(behind) > 0.6 * behind.size)
