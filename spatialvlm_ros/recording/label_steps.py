"""Labelled images on an exact grid of time, as data sets for learning want them: one step is what was seen, done and got for it.

What never changes: a step holds an image that was taken, never one that was made up. Where no image is near enough to its time an
episode ends and another begins; what is left out is counted with its cause.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import RigidTransform
from ..reward.task import TaskSpec
from .label_rows import LabelledFrame, Material
from .label_vectors import Values

_POSE = ("x_m", "y_m", "z_m", "qx", "qy", "qz", "qw")
COMMANDS, NEXT_STATE, NOTHING = "commands", "next state", ""
"""Where actions come from."""


class DatasetError(ValueError):
    """A data set that cannot be made as asked; the text says what to change."""


@dataclass(frozen=True)
class DatasetOptions:
    """How recordings become data sets; see the arguments of ``spatialvlm label``.

    Attributes:
        fps: steps a second, a whole number; 0: the camera's own rate, rounded.
        max_age_s: a step's image is at most so far from its time; 0: two steps.
        depth: depth images as well, in millimetres.
        joint_topic, action_topic: of joint states (found by type when empty) and of commands.
    """

    fps: int = 0
    max_age_s: float = 0.0
    depth: bool = False
    joint_topic: str = ""
    action_topic: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.fps <= 1000:
            raise DatasetError(f"--fps is {self.fps}; give a whole number from 1 to 1000")
        if not 0.0 <= self.max_age_s <= 60.0:
            raise DatasetError(f"--max-age-s is {self.max_age_s:g}; give seconds from 0 to 60")

    def settled(self, rate_hz: float) -> DatasetOptions:
        """The same with numbers in place of 0. ``rate_hz`` is the camera's own. Raises DatasetError."""
        fps = self.fps or max(1, round(rate_hz) if math.isfinite(rate_hz) else 1)
        max_age_s = self.max_age_s or 2.0 / fps
        if max_age_s < 0.5 / fps:
            raise DatasetError(f"--max-age-s is {max_age_s:g}, shorter than half a step at {fps} steps a second: give more")
        return replace(self, fps=fps, max_age_s=max_age_s)

    def document(self) -> Mapping[str, Any]:
        return {
            "fps": self.fps, "max_age_s": self.max_age_s, "depth": self.depth, "joint_topic": self.joint_topic,
            "action_topic": self.action_topic,
        }  # fmt: skip


@dataclass(frozen=True)
class Source:
    """What a bag offers beside images. Topics are empty where there is none."""

    joint_topic: str = ""
    action_topic: str = ""
    has_tool: bool = False


@dataclass(frozen=True)
class Step:
    """One row of a data set.

    Attributes:
        episode_index, frame_index: both from 0; ``frame_index / fps`` is the step's time in its episode.
        stamp_ns: of the image.
        color: (H, W, 3) uint8 RGB; ``depth_mm`` (H, W) uint16, 0 where nothing was measured, or None.
        state, action: (N,) float32, or None.
        reward: discounted potential of the next step less this one's; 0 on an episode's last step.
        done: this is the last one. ``success``: the task is done at the next step, or at this one if it is the last.
    """

    episode_index: int
    frame_index: int
    stamp_ns: int
    color: npt.NDArray[np.uint8]
    depth_mm: npt.NDArray[np.uint16] | None
    state: npt.NDArray[np.float32] | None
    action: npt.NDArray[np.float32] | None
    reward: float
    done: bool
    success: bool


@dataclass
class _Sight:
    """An image that may become steps."""

    frame: LabelledFrame
    color: npt.NDArray[np.uint8]
    state: npt.NDArray[np.float32] | None
    command: npt.NDArray[np.float32] | None

    @property
    def stamp_ns(self) -> int:
        return self.frame.sample.stamp_ns


@dataclass
class _Open:
    """The episode that is being filled: where its grid begins, its steps so far, and the one that waits for its successor."""

    start_ns: int
    source: int
    steps: int = 0
    pending: _Sight | None = None
    pending_index: int = 0
    shaping: float = math.nan
    ended: bool = False


class StepMaker:
    """Images in, steps out, in order. ``options`` are settled; ``source`` says what the state and the actions are made of.

    The state is joint positions, then the pose of the tool in the frame of facts; an action is the command at the next step, of
    bags without commands the state there. Rewards are worked out anew from the potential with the discount of one step, so
    that they telescope at ``fps`` exactly as they do live.
    """

    def __init__(self, options: DatasetOptions, task: TaskSpec, source: Source) -> None:
        self.options, self._task, self._source = options, task, source
        self.left_out: Counter[str] = Counter()
        self.breaks: Counter[str] = Counter()
        self.state_names: tuple[str, ...] = ()
        self.action_names: tuple[str, ...] = ()
        self.tool_frame = ""
        self.size: tuple[int, int] = (0, 0)
        self.episodes = self.steps = 0
        self._joints: tuple[str, ...] = ()
        self._commands: tuple[str, ...] = ()
        self._open: _Open | None = None
        self._last: _Sight | None = None
        self._period_ns = 1e9 / options.fps
        self._discount = task.gamma ** (1.0 / options.fps / task.nominal_dt_s)

    @property
    def actions(self) -> str:
        """Where actions come from: COMMANDS, NEXT_STATE or NOTHING."""
        return COMMANDS if self._source.action_topic else NEXT_STATE if self.state_names else NOTHING

    def add(self, frame: LabelledFrame) -> Iterator[Step]:
        """Steps that an image completes."""
        sight = self._sight(frame)
        if sight is None:
            return
        before, self._last = self._last, sight
        if before is not None and before.frame.episode_index != frame.episode_index:
            yield from self._finish(before)
            before = None
        if before is None:
            self._begin(sight)
            return
        yield from self._until(before, (before.stamp_ns + sight.stamp_ns) / 2, sight)

    def close(self) -> Iterator[Step]:
        """The steps that are left."""
        if self._last is not None:
            yield from self._finish(self._last)
            self._last = None

    # -- the grid -----------------------------------------------------------------------------------------------------------

    def _begin(self, sight: _Sight) -> None:
        self._open = _Open(sight.stamp_ns, sight.frame.episode_index)

    def _tick_ns(self, episode: _Open) -> float:
        return episode.start_ns + episode.steps * self._period_ns

    def _until(self, sight: _Sight, limit_ns: float, following: _Sight) -> Iterator[Step]:
        """Steps whose nearest image is ``sight``; ``following`` begins an episode where the pause is too long."""
        episode = self._open
        assert episode is not None
        oldest_ns = self.options.max_age_s * 1e9
        while (tick := self._tick_ns(episode)) <= limit_ns:
            if tick - sight.stamp_ns > oldest_ns:
                break
            yield from self._tick(episode, sight)
        if self._tick_ns(episode) < following.stamp_ns - oldest_ns:
            self.breaks[f"no image within {self.options.max_age_s:g} s of a step"] += 1
            yield from self._end(episode)
            self._begin(following)

    def _finish(self, sight: _Sight) -> Iterator[Step]:
        """The end of an episode of the recording."""
        episode = self._open
        assert episode is not None
        while self._tick_ns(episode) <= sight.stamp_ns + self._period_ns / 2:
            yield from self._tick(episode, sight)
        yield from self._end(episode)

    def _tick(self, episode: _Open, sight: _Sight) -> Iterator[Step]:
        """The next step takes ``sight``; the one before is complete with it."""
        if episode.pending is not None:
            yield self._step(episode, episode.pending, sight)
        episode.pending, episode.pending_index = sight, episode.steps
        episode.steps += 1

    def _end(self, episode: _Open) -> Iterator[Step]:
        if episode.pending is not None and episode.steps >= 2:
            yield self._step(episode, episode.pending, None)
            self.episodes += 1
        elif episode.pending is not None:
            self.left_out["image that is an episode by itself"] += 1
        self._open = None

    def _step(self, episode: _Open, sight: _Sight, following: _Sight | None) -> Step:
        after = following or sight
        action = after.state if self.actions == NEXT_STATE else after.command
        self.steps += 1
        return Step(
            self.episodes, episode.pending_index, sight.stamp_ns, sight.color, self._depth(sight), sight.state, action,
            self._reward(episode, sight, following), following is None, after.frame.sample.success,
        )  # fmt: skip

    def _reward(self, episode: _Open, sight: _Sight, following: _Sight | None) -> float:
        """gamma^(1 / fps / nominal dt) * Phi' - Phi; Phi is 0 for good after a success where the task says so."""
        if episode.pending_index == 0:
            episode.shaping = self._shaping(episode, sight)
        if following is None:
            return 0.0
        before = episode.shaping
        if episode.ended:
            return 0.0
        episode.shaping = self._shaping(episode, following)
        return 0.0 if math.isnan(before) or math.isnan(episode.shaping) else self._discount * episode.shaping - before

    def _shaping(self, episode: _Open, sight: _Sight) -> float:
        sample = sight.frame.sample
        if self._task.zero_potential_at_success and sample.success and not math.isnan(sample.potential):
            episode.ended = True
        return 0.0 if episode.ended else sample.potential

    # -- what an image gives ------------------------------------------------------------------------------------------------

    def _sight(self, frame: LabelledFrame) -> _Sight | None:
        """The image with its state and command; None, counted, where something is missing or another than before."""
        material = frame.material
        assert material is not None, "images for data sets carry what they were labelled from"
        color = material.frame.color[: material.frame.color.shape[0] // 2 * 2, : material.frame.color.shape[1] // 2 * 2]
        size = color.shape[0], color.shape[1]
        problem, state, command = "", None, None
        try:
            state = self._state(material, frame.sample.stamp_ns)
            command = self._command(material, frame.sample.stamp_ns)
        except DatasetError as error:
            problem = str(error)
        if not problem and self.size not in ((0, 0), size):
            problem = f"image of {size[1]} x {size[0]} pixels among images of {self.size[1]} x {self.size[0]}"
        if problem:
            self.left_out[problem] += 1
            return None
        self.size = size
        light = replace(frame, material=material if self.options.depth else None)
        return _Sight(light, color, state, command)

    def _state(self, material: Material, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        numbers: list[float] = []
        if self._source.joint_topic:
            if not self._joints and material.joints:
                self._joints = tuple(material.joints)
            numbers += self._fresh(material.joints, self._joints, stamp_ns, self._source.joint_topic)
        if self._source.has_tool:
            frame_id, pose = _tool_pose(material)
            if self.tool_frame not in ("", frame_id):
                raise DatasetError(f"image whose tool pose is known in '{frame_id}' and not in '{self.tool_frame}'")
            self.tool_frame = frame_id
            numbers += [*(float(v) for v in pose.translation), *_quaternion(pose)]
        if not numbers:
            return None
        self.state_names = (*self._joints, *(f"tool.{name}" for name in _POSE if self._source.has_tool))
        return np.array(numbers, np.float32)

    def _command(self, material: Material, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        if not self._source.action_topic:
            self.action_names = self.state_names
            return None
        if not self._commands and material.command:
            self.action_names = self._commands = tuple(material.command)
        # A command holds until the next one: it may be as old as it likes.
        return np.array(self._fresh(material.command, self._commands, None, self._source.action_topic), np.float32)

    def _fresh(self, values: Values, names: Sequence[str], stamp_ns: int | None, topic: str) -> list[float]:
        missing = [name for name in names if name not in values]
        if not names or missing:
            raise DatasetError(f"image before the first message of {topic}" + (f" on '{missing[0]}'" if missing else ""))
        oldest_ns = min(values[name][0] for name in names)
        if stamp_ns is not None and stamp_ns - oldest_ns > max(self.options.max_age_s, 0.1) * 1e9:
            raise DatasetError(f"image more than {max(self.options.max_age_s, 0.1):g} s after the last message of {topic}")
        return [values[name][1] for name in names]

    def _depth(self, sight: _Sight) -> npt.NDArray[np.uint16] | None:
        if not self.options.depth or sight.frame.material is None:
            return None
        depth_m = sight.frame.material.frame.depth_m[: self.size[0], : self.size[1]]
        millimetres = np.nan_to_num(np.rint(depth_m * 1000.0), nan=0.0, posinf=0.0, neginf=0.0)
        return np.where((millimetres > 0) & (millimetres < 65536), millimetres, 0).astype(np.uint16)

    def document(self) -> Mapping[str, Any]:
        """For provenance."""
        return {
            **self.options.document(), "episodes": self.episodes, "steps": self.steps,
            "state": list(self.state_names), "tool_frame": self.tool_frame, "joint_topic": self._source.joint_topic,
            "action": list(self.action_names) if self.actions else [], "actions_from": self.actions or "nothing",
            "episodes_parted": dict(sorted(self.breaks.items())), "images_left_out": dict(sorted(self.left_out.items())),
        }  # fmt: skip


def _tool_pose(material: Material) -> tuple[str, RigidTransform]:
    """The tool in the frame of facts, else where the camera is fixed or known to move. Raises DatasetError without one."""
    camera_from_tool = material.robot.camera_from_tool
    if camera_from_tool is None:
        raise DatasetError("image without a pose of the tool")
    if material.output is not None:
        frame_id, output_from_camera = material.output
        return frame_id, output_from_camera @ camera_from_tool
    if material.output_problem:
        raise DatasetError("image at which tf does not know the output frame")
    return material.frame.frame_id, material.robot.world_from_camera @ camera_from_tool


def _quaternion(pose: RigidTransform) -> list[float]:
    """(x, y, z, w) with w at least 0: of the two that mean one rotation always the same."""
    quaternion = [float(v) for v in pose.quaternion()]
    return [-v for v in quaternion] if quaternion[3] < 0 else quaternion
