"""Identity over time: which thing of this image is which of the last one, and where hidden things are.

A thing that is not found any more is hidden when something nearer (or the robot) covers its place, and gone when its place is
seen to be empty. A thing that was between the fingers when it was last seen is taken to move with the tool until they open; so
is one that was out of sight when the tool came to its place, as soon as the fingers stop closing as far apart as it is wide, or
its place is seen to be empty. Two things that are taken for one on an image (a block with the plate it stands on) must not lend
their place or size to either.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray, RigidTransform
from .assignment import assigned
from .dropped import dropped, ground_of, off_fall
from .emptied import is_let_go, place_is_empty
from .facts import Status
from .fingers import Fingers, pose_between
from .frame import BoolArray, RGBDFrame
from .nearest import NearestPairs
from .remembered import KnownSize, as_large_as_before
from .scene import SceneObject, moved_by


@dataclass(frozen=True)
class MemoryConfig:
    """How long and how far things are remembered.

    Attributes:
        gate_m: a thing does not move further than this from one image to the next (grows by ``max_speed_m_s`` * dt).
        occluded_s: hidden for longer than this is stale.
        forget_s: hidden for longer than this is forgotten.
        drift_m_s: growth of a hidden thing's standard deviation with time, on top of ``hidden_std_m``.
        grip_m: the fingers hold a thing whose box the tool point is in, or outside by no more than this.
        let_go_m: the fingers hold a thing no more when each is open by so much more than the least since they held it.
        other_size: a thing whose edges differ from the usual ones by this share of them is measured wrongly, or is another one.
    """

    gate_m: float = 0.05
    max_speed_m_s: float = 0.5
    occluded_s: float = 1.0
    forget_s: float = 10.0
    hidden_std_m: float = 0.01
    drift_m_s: float = 0.02
    grip_m: float = 0.01
    let_go_m: float = 0.003
    other_size: float = 0.3


_NO_COLORS = frozenset({"tall", "and"})
# The usual size of a thing is the median of so many images, its usual colours are those of half of them.
_USUAL = 7
# Half of a held thing's least edge is two standard deviations of how far it slips between the fingers.
_SLIPS = 0.25


@dataclass(frozen=True)
class _Track:
    """A remembered thing in the world frame.

    Attributes:
        settled: as it was seen last with its usual size, or where the fingers let it go.
        sizes: (K, 3) its edges on the last images, each sorted, metres.
        colors: the colour words of its labels on the same images.
        known: what is known of how large it is.
        in_tool: its pose in the tool when it was last seen held, or when it was taken out of sight.
        reached: its pose in the tool when that came nearest to it out of sight: the hand may have taken it, nobody saw whether.
        opening_m: how far each finger was open at the least since it was held, at the most while the tool was at it out of sight;
            infinite where that is not known.
        let_go_ns: when they opened; its place was known until then.
    """

    thing: SceneObject
    in_tool: RigidTransform | None
    confirmed: int
    settled: SceneObject
    sizes: FloatArray
    colors: tuple[frozenset[str], ...]
    known: KnownSize
    reached: RigidTransform | None = None
    opening_m: float = math.inf
    let_go_ns: int = 0

    @property
    def usual(self) -> FloatArray:
        """(3,) its usual edges, sorted, metres."""
        # np.median, which takes ten times as long for so few.
        ordered, half = np.sort(self.sizes, axis=0), len(self.sizes) // 2
        size: FloatArray = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        return size

    @property
    def usual_colors(self) -> frozenset[str]:
        """Its usual colour words: a part of it seen beside the hand is named after the table that shines through."""
        counts = Counter(color for colors in self.colors for color in colors)
        return frozenset(color for color, count in counts.items() if 2 * count >= len(self.colors))


class ObjectMemory:
    """Tracks of one stream of images, and ``Scene.pairs`` of these. Not thread-safe; one per engine."""

    def __init__(self, config: MemoryConfig) -> None:
        self._config = config
        self._tracks: dict[int, _Track] = {}
        self._next_id = 1
        self._stamp_ns: int | None = None
        self._fingers = Fingers()
        self.pairs = NearestPairs()

    def clear(self) -> None:
        """Forget everything, as after a jump of time."""
        self._tracks.clear()
        self.pairs.clear()
        self._fingers = Fingers()
        self._stamp_ns = None

    def update(
        self,
        seen: Sequence[SceneObject],
        frame: RGBDFrame,
        world_from_camera: RigidTransform,
        world_from_tool: RigidTransform | None,
        robot: BoolArray | None,
        looked_for: Collection[int] | None = None,
        still: int = 0,
        opening_m: float = math.nan,
        plane: FloatArray | None = None,
    ) -> tuple[list[SceneObject], list[SceneObject]]:
        """Things of this image with their ids, in the order given, and remembered things that are hidden on it.

        All in the camera's optical frame. A stamp before the last one clears the memory first.

        Args:
            looked_for: numbers of the things that were looked for, where that were not all: the others are neither seen nor
                hidden, and stay what they are.
            still: so many of the first things are those of the image before, with their numbers.
            opening_m: how far each finger is open, NaN where nobody knows.
            plane: (4,) n, d of the support plane, n up, metres, where what the fingers drop comes to lie; NaN when there is none.
        """
        if self._stamp_ns is not None and frame.stamp_ns < self._stamp_ns:
            self.clear()
        dt_s = 0.0 if self._stamp_ns is None else (frame.stamp_ns - self._stamp_ns) * 1e-9
        self._stamp_ns = frame.stamp_ns
        in_world = [moved_by(thing, world_from_camera) for thing in seen]
        ids = self._associate(in_world, dt_s, world_from_tool, looked_for, still)
        numbered = [thing.called(id=i) for thing, i in zip(seen, ids, strict=True)]
        # Those that stand still are complete, and what they say of themselves was counted before.
        shown = [*numbered[:still], *(self._completed(thing) for thing in numbered[still:])]
        for n, thing in enumerate(shown):
            self._remember(moved_by(thing, world_from_camera), None if n < still else seen[n], world_from_tool)
        self._fingers = self._fingers.after(opening_m, frame.stamp_ns)
        self._watch_fingers(world_from_tool, opening_m, frame.stamp_ns, ground_of(plane, world_from_camera))
        camera_from_world = world_from_camera.inverse()
        not_seen = self._wanted(looked_for) - set(ids)
        hidden = self._hidden(not_seen, set(ids), frame, camera_from_world, world_from_tool, robot, opening_m)
        return shown, hidden

    def _wanted(self, looked_for: Collection[int] | None) -> set[int]:
        return set(self._tracks) if looked_for is None else self._tracks.keys() & set(looked_for)

    def _completed(self, thing: SceneObject) -> SceneObject:
        """With the size that is known of it, where this image does not tell it."""
        track = self._tracks.get(thing.id)
        return thing if track is None else as_large_as_before(thing, track.known, track.in_tool is not None)

    def _remember(self, thing: SceneObject, measured: SceneObject | None, world_from_tool: RigidTransform | None) -> None:
        """Of a thing in the world frame, completed; ``measured`` is what its image alone tells, None where nothing is new."""
        before = self._tracks.get(thing.id)
        size = np.sort((measured or thing).extents)
        usual = size if before is None else before.usual
        is_whole = _difference(size, usual) <= self._config.other_size
        in_tool = pose_between(thing, world_from_tool, usual, self._config.grip_m)
        if in_tool is not None and before is not None and not is_whole and np.linalg.norm(size) > np.linalg.norm(usual):
            # What was taken for it is more than it (fingers, say), and reaches the tool without it, or is off its middle.
            in_tool = before.in_tool
        if before is None:
            known = KnownSize().after(measured or thing)
            self._tracks[thing.id] = _Track(thing, in_tool, 1, thing, size[None], (_colors(thing.label),), known)
            return
        settled = thing if is_whole else before.settled
        sizes = np.concatenate((before.sizes, size[None]))[-_USUAL:]
        colors = (*before.colors, _colors(thing.label))[-_USUAL:]
        known = before.known if measured is None else before.known.after(measured)
        opening_m = math.inf if in_tool is None else before.opening_m
        self._tracks[thing.id] = _Track(thing, in_tool, before.confirmed + 1, settled, sizes, colors, known, None, opening_m)

    def _watch_fingers(
        self, world_from_tool: RigidTransform | None, opening_m: float, stamp_ns: int, ground: Plane | None
    ) -> None:
        """What the fingers hold, they hold until they open: from then on it is where they put it down, or below them."""
        for thing_id, track in self._tracks.items():
            if track.in_tool is None or world_from_tool is None:
                continue
            if not opening_m > track.opening_m + self._config.let_go_m:
                # The least of what is known: a NaN is not less.
                self._tracks[thing_id] = replace(track, opening_m=min(track.opening_m, opening_m))
                continue
            others = (other.thing for other in self._tracks.values() if other is not track)
            left = _placed(track.thing, self._predicted(track, world_from_tool))
            self._tracks[thing_id] = replace(
                track, thing=dropped(left, others, ground), settled=left, in_tool=None, opening_m=math.inf, let_go_ns=stamp_ns
            )  # fmt: skip

    def _settled(self, track: _Track, frame: RGBDFrame, camera_from_world: RigidTransform, robot: BoolArray | None) -> _Track:
        """The track of a hidden thing with its last whole sighting, where the one after that was a scrap of it beside a hand.

        The middle of a scrap is not the thing's, and its place is soon seen to be empty.
        """
        last, whole = track.thing, track.settled
        away_m = float(np.linalg.norm(last.centre - whole.centre))
        fell = track.let_go_ns > 0
        if fell or track.in_tool is not None or whole is last or away_m > self._config.gate_m + float(track.usual[-1]) / 2:
            return track
        if place_is_empty(moved_by(whole, camera_from_world), frame, robot):
            return track
        whole = whole.called(last_seen_ns=last.last_seen_ns)
        return replace(track, thing=whole, settled=whole)

    def _reached(self, track: _Track, world_from_tool: RigidTransform | None, opening_m: float) -> _Track:
        """The track of a hidden thing with the tool's nearest approach to where it lies, and how open the fingers were."""
        pose = pose_between(track.thing, world_from_tool, track.usual, self._config.grip_m)
        if track.in_tool is not None or pose is None:
            return track
        was_m = -math.inf if track.reached is None else track.opening_m
        track = replace(track, opening_m=math.inf if math.isnan(opening_m) else max(was_m, opening_m))
        if track.reached is not None and np.linalg.norm(track.reached.translation) <= np.linalg.norm(pose.translation):
            return track
        return replace(track, reached=pose)

    def _closed_on(self, track: _Track) -> bool:
        """Whether the fingers closed at a hidden thing until something of its width stopped them.

        They hold one thing only: of several that they came to, the one whose middle they came nearest to.
        """
        if track.reached is None or not self._fingers.opening_m < track.opening_m - self._config.let_go_m:
            return False
        others = [other for other in self._tracks.values() if other is not track]
        off_m = [float(np.linalg.norm(other.reached.translation)) for other in others if other.reached is not None]
        is_free = all(other.in_tool is None for other in others)
        is_nearest = float(np.linalg.norm(track.reached.translation)) <= min(off_m, default=math.inf)
        return is_free and is_nearest and self._fingers.stopped_at(track.thing)

    def _associate(
        self,
        seen: list[SceneObject],
        dt_s: float,
        world_from_tool: RigidTransform | None,
        looked_for: Collection[int] | None,
        still: int,
    ) -> list[int]:
        """An id for each thing seen but the first ``still`` ones, which keep theirs.

        By nearest predicted centre, things of another colour or size at a penalty.
        """
        kept, seen = [thing.id for thing in seen[:still]], seen[still:]
        wanted = self._wanted(looked_for) - set(kept)
        known = [object_id for object_id in self._tracks if object_id in wanted]
        ids = [0] * len(seen)
        if known and seen:
            gate = self._config.gate_m + self._config.max_speed_m_s * dt_s
            # Where the tool would have taken it, or where it was: a grasp may have missed.
            taken = np.stack([self._predicted(self._tracks[i], world_from_tool).translation for i in known])
            centres = np.stack([thing.centre for thing in seen])[:, None]
            shown = np.stack([thing.surface_point for thing in seen])[:, None]
            cost = np.linalg.norm(centres - taken, axis=-1)
            for before in ([self._tracks[i].thing for i in known], [self._tracks[i].settled for i in known]):
                cost = np.minimum(cost, np.linalg.norm(centres - np.stack([thing.centre for thing in before]), axis=-1))
                # The visible surface moves less than the box that is drawn around it when a part of the thing gets hidden.
                surfaces = np.stack([thing.surface_point for thing in before])
                cost = np.fmin(cost, np.linalg.norm(shown - surfaces, axis=-1))
            for column, track in enumerate(self._tracks[i] for i in known):
                if track.let_go_ns:
                    cost[:, column] = np.minimum(cost[:, column], off_fall(centres[:, 0], track.settled, track.thing))
            colors = [self._tracks[i].usual_colors for i in known]
            usual = [self._tracks[i].usual for i in known]
            recolored = np.array([[not _alike(_colors(thing.label), of_one) for of_one in colors] for thing in seen])
            resized = np.array([[_difference(np.sort(thing.extents), size) for size in usual] for thing in seen])
            resized = np.minimum(resized / self._config.other_size, 1.0)
            ranked = cost + (recolored + resized) * gate / 2
            # Colours flicker, and how much of a thing is seen changes fast; both at once make it another thing.
            possible = cost + recolored * (1.0 + resized) * gate / 2 <= gate
            # No pair beyond the gate costs more than another one, so that a newcomer far off does not decide about the others.
            ranked = np.where(possible, np.minimum(ranked, gate), gate)
            for row, column in assigned(ranked, possible):
                if possible[row, column]:
                    ids[row] = known[column]
        for index, object_id in enumerate(ids):
            if object_id == 0:
                ids[index] = self._next_id
                self._next_id += 1
        return [*kept, *ids]

    def _well_known(self, track: _Track) -> bool:
        """Whether a thing was seen often, and at last with its usual size."""
        known = len(track.sizes) >= _USUAL
        return known and _difference(track.sizes[-1], track.usual) <= self._config.other_size / 2

    @staticmethod
    def _predicted(track: _Track, world_from_tool: RigidTransform | None) -> RigidTransform:
        if track.in_tool is not None and world_from_tool is not None:
            return world_from_tool @ track.in_tool
        return RigidTransform(track.thing.axes, track.thing.centre)

    def _hidden(
        self,
        not_seen: set[int],
        seen_ids: set[int],
        frame: RGBDFrame,
        camera_from_world: RigidTransform,
        world_from_tool: RigidTransform | None,
        robot: BoolArray | None,
        opening_m: float,
    ) -> list[SceneObject]:
        hidden = []
        tool = None if world_from_tool is None else camera_from_world.apply(world_from_tool.translation)
        shown = [self._tracks[object_id].thing for object_id in seen_ids]
        for object_id, track in list(self._tracks.items()):
            if object_id not in not_seen:
                continue
            age_s = (frame.stamp_ns - track.thing.last_seen_ns) * 1e-9
            track = self._settled(track, frame, camera_from_world, robot)
            track = self._tracks[object_id] = self._reached(track, world_from_tool, opening_m)
            if self._closed_on(track):
                track = self._tracks[object_id] = _taken(track)
            thing = moved_by(_placed(track.thing, self._predicted(track, world_from_tool)), camera_from_world)
            held_at = tool if track.in_tool is not None else None
            is_gone = place_is_empty(thing, frame, robot, held_at)
            is_gone = is_gone or (held_at is not None and self._well_known(track) and is_let_go(thing, frame, robot))
            is_open = opening_m > track.opening_m - self._config.let_go_m
            if is_gone and track.reached is not None and world_from_tool is not None and not is_open:
                # Nobody saw it, but only the hand was there, and closed: it is between the fingers, unless they show to be empty.
                track = self._tracks[object_id] = _taken(track)
                thing = moved_by(_placed(track.thing, self._predicted(track, world_from_tool)), camera_from_world)
                is_gone = place_is_empty(thing, frame, robot, tool)
            # What lies inside a seen thing of its colour is a part of that, which was once taken for a thing of its own.
            middle = self._predicted(track, world_from_tool).translation
            is_gone = is_gone or any(_is_in(middle, other) for other in shown if _alike(_colors(other.label), track.usual_colors))
            # One sighting is noise more often than a thing, and is not worth a memory.
            if age_s > self._config.forget_s or track.confirmed < 2 or is_gone:
                del self._tracks[object_id]
                continue
            known_ns = max(track.thing.last_seen_ns, track.let_go_ns)
            std = self._config.hidden_std_m + self._config.drift_m_s * (frame.stamp_ns - known_ns) * 1e-9
            # What is between the fingers moves with them.
            std = std if track.in_tool is None else min(std, _SLIPS * float(track.usual[0]))
            status = Status.OCCLUDED if age_s <= self._config.occluded_s else Status.STALE
            covariance: FloatArray = thing.covariance + std**2 * np.eye(3)
            hidden.append(replace(thing, covariance=covariance, status=status, visible_share=0.0, num_points=0))
        return hidden


def _taken(track: _Track) -> _Track:
    """The track of a thing that the fingers took where they came nearest to it."""
    return replace(track, in_tool=track.reached, reached=None, opening_m=math.inf)


def _difference(size: FloatArray, usual: FloatArray) -> float:
    """By what share of the larger one two sizes differ, from 0 to 1; (3,) sorted edges, metres."""
    larger = max(float(np.linalg.norm(size)), float(np.linalg.norm(usual)), 1e-6)
    return float(np.linalg.norm(size - usual)) / larger


def _is_in(point: FloatArray, thing: SceneObject) -> bool:
    return bool((np.abs(thing.axes.T @ (point - thing.centre)) <= thing.extents / 2).all())


def _colors(label: str) -> frozenset[str]:
    """The colour words of a label, such as "tall blue can" or "blue and white block"."""
    return frozenset(label.split()[:-1]) - _NO_COLORS


def _alike(colors: frozenset[str], others: frozenset[str]) -> bool:
    """Whether they have a colour in common, or none at all."""
    return bool(colors & others) or colors == others


def _placed(thing: SceneObject, pose: RigidTransform) -> SceneObject:
    """The thing with its box at another pose in the same frame."""
    return moved_by(thing, pose @ RigidTransform(thing.axes, thing.centre).inverse())
