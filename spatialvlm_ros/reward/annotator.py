"""The dense reward of a task, frame by frame.

Deterministic and causal: a sample depends on the facts up to its own frame only. What never changes: the discounted
sum of ``reward`` over an episode is gamma^T * potential_T - potential_0, whatever the frames' spacing, so shaping by
it cannot make a loop worth running (Ng, Harada, Russell 1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from ..scene.facts import METRE, PROBABILITY, SpatialFact
from .anchors import Anchors
from .potential import TAIL, active_share, curve, stage_bands
from .readings import FactFilter, Readings
from .task import Constraint, Reference, Stage, TaskError, TaskSpec
from .trees import MARGIN

# A held potential may have moved by this much a second: a short task goes from 0 to 1 in about ten.
HOLD_DRIFT_PER_S = 0.1
# An episode begins with so many images at the latest, whatever they show.
_FIRST_LOOKS = 3
# Standard deviation of a potential of which nothing is known but that it lies in [0, 1].
UNKNOWN_STD = 1.0 / math.sqrt(12.0)


class RewardStatus(IntEnum):
    """The constants of spatialvlm_msgs/Reward; a test keeps the two equal."""

    UNKNOWN = 0
    OK = 1
    HELD = 2
    NO_TASK = 3
    NO_DATA = 4


@dataclass(frozen=True)
class RewardTerm:
    """One constraint of the current stage.

    ``value`` is this image's own, unfiltered; ``potential`` its share of the stage.
    """

    name: str
    value: float
    std: float
    unit: str
    potential: float


@dataclass(frozen=True)
class RewardSample:
    """The reward of one frame; fields as in spatialvlm_msgs/Reward."""

    stamp_ns: int
    task: str
    stage: str
    stage_index: int
    num_stages: int
    reward: float
    potential: float
    progress: float
    distance: float
    std: float
    potential_std: float
    success: bool
    coverage: float
    status: RewardStatus
    terms: tuple[RewardTerm, ...]


class RewardAnnotator:
    """Turns facts into rewards for one task.

    Rules:
        - A fact that is OCCLUDED carries its last measured place with a raised std, and is used with that std. Any
          other fact without a value is missing; STALE ones count as missing too, unless it is known what the gripper did with
          the thing: see ``readings.FactFilter``.
        - An episode begins with the first image that shows all that any stage goes by, or with the third one: before that it is
          not known which stage it begins in, and nothing is claimed.
        - When the current stage lacks a fact, the potential holds and ``potential_std`` grows.
        - A stage is entered when the goals of the one before it are met and its own facts are there and its keeps hold, also from
          further back: stages are states, not a path. So an episode may begin anywhere, a thing that is taken without the
          gripper having come to its middle is taken, and the potential of a stage that waits stays at the band's top.
        - A stage is left backward when one of its keeps breaks beyond doubt, to the last stage before it whose keeps
          hold.
        - What the first stage keeps has no earlier stage to fall back to: breaking it takes the potential away, all of it one
          scale beyond the tolerance.
        - When the last stage's goals and keeps are met, it is entered from anywhere: success is a state, not a path. But it only
          appears on images that show all things of the last stage: what is hidden may have been lost.
        - While an anchored thing is away from its place, the potential can fall but not rise, and there is no success.
        - A stamp before the last one starts a new episode.
    """

    def __init__(self, task: TaskSpec) -> None:
        if task.parameters:
            raise TaskError("parameters", ", ".join(task.parameters), f"bind the parameters of task '{task.name}' to names first")
        self.task = task
        self._bands = stage_bands(task)
        self.reset()

    @property
    def ended(self) -> bool:
        """Whether the shaped reward has come to its end: success, where the task says that its potential counts as 0."""
        return self._ended

    def reset(self) -> None:
        """Begin a new episode."""
        self._filter, self._anchors = FactFilter(self.task), Anchors(self.task)
        self._references: dict[tuple[int, Constraint], float] = {}
        self._stage = 0
        self._last_ns: int | None = None
        self._measured_ns = 0
        self._potential = math.nan
        self._shaping = math.nan
        self._measured_std = math.nan
        self._progress = 0.0
        self._frames = self._measured = 0
        self._begun = self._success = self._ended = False
        self._streak = 0

    def update(self, stamp_ns: int, facts: Iterable[SpatialFact]) -> RewardSample:
        """The sample of one frame. Facts that the task does not ask for are ignored."""
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.reset()
        dt_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) * 1e-9
        self._last_ns = stamp_ns
        self._frames += 1
        facts = list(facts)
        readings = self._filter.read(stamp_ns, facts)
        self._anchors.update(facts)
        self._move(readings)
        shown = all(self._has(stage, readings) for stage in self.task.stages)
        self._begun = self._begun or self._frames >= _FIRST_LOOKS or shown
        measured = self._begun and self._has(self.task.stages[self._stage], readings)
        if measured:
            self._measured += 1
            self._measured_ns = stamp_ns
            before = self._potential
            self._potential, self._measured_std = self._evaluate(readings)
            if self._anchors.displaced:
                self._potential = min(self._potential, before) if math.isfinite(before) else TAIL
            self._progress = max(self._progress, self._potential)
        return self._sample(stamp_ns, readings, measured, self._shape(dt_s))

    # -- stages
    # -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _has(stage: Stage, readings: Readings) -> bool:
        return readings.have(stage.constraints)

    def _move(self, readings: Readings) -> None:
        """Fall back, advance, or jump to the end; then judge success."""
        last = len(self.task.stages) - 1
        final = self.task.stages[last]
        if self._has(final, readings):
            self._judge(final, readings)
            if all(map(readings.met, final.constraints)):
                self._stage = last
        if not self._fall_back(readings):
            self._stage = next((ahead for ahead in range(last, self._stage, -1) if self._may_enter(ahead, readings)), self._stage)
        self._remember_references(readings)

    def _fall_back(self, readings: Readings) -> bool:
        keeps = self.task.stages[self._stage].keeps
        if not any(readings.find(keep) is not None and readings.broken(keep) for keep in keeps):
            return False
        for index in range(self._stage - 1, -1, -1):
            stage = self.task.stages[index]
            if self._has(stage, readings) and not any(map(readings.broken, stage.keeps)):
                self._stage = index
                return True
        return False

    def _may_enter(self, index: int, readings: Readings) -> bool:
        before, stage = self.task.stages[index - 1], self.task.stages[index]
        return (
            readings.have(before.goals)
            and all(map(readings.met, before.goals))
            and self._has(stage, readings)
            and all(readings.met(keep, keep.tolerance) for keep in stage.keeps)
        )

    def _remember_references(self, readings: Readings) -> None:
        """The error at a stage's first entry; kept for the episode, so that a second entry is judged alike."""
        for goal in self.task.stages[self._stage].goals:
            if readings.find(goal) is None or (self._stage, goal) in self._references:
                continue
            entry = readings.error(goal) if self.task.reference is Reference.ENTRY else 0.0
            self._references[self._stage, goal] = max(goal.scale, entry)

    def _judge(self, final: Stage, readings: Readings) -> None:
        """Success appears and goes only after enough frames in a row."""
        if self._success:
            against = any(map(readings.broken, final.constraints)) or bool(self._anchors.displaced)
        else:
            against = all(map(readings.met, final.goals)) and not self._anchors.displaced
            against = against and all(readings.met(keep, keep.tolerance) for keep in final.keeps)
            against = against and not readings.hidden(final.constraints)
        self._streak = self._streak + 1 if against else 0
        if self._streak >= self.task.success_frames:
            self._success, self._streak = not self._success, 0

    # -- numbers
    # ------------------------------------------------------------------------------------------------------

    def _goal_height(self, goal: Constraint, readings: Readings) -> tuple[float, float]:
        """What a goal adds to the potential above its band's low end, and one standard deviation of that."""
        stage, band = self.task.stages[self._stage], self._bands[self._stage]
        share = goal.weight / math.fsum(other.weight for other in stage.goals)
        reading = readings.of(goal)
        error = goal.signed_error(reading.value)
        reference = self._references[self._stage, goal]
        height, slope = curve(error, reference, band.width * share, TAIL * share)
        if error <= 0.0:
            slope = -band.width * share / reference
        return height, abs(slope) * active_share(error, reading.std) * reading.std

    def _evaluate(self, readings: Readings) -> tuple[float, float]:
        """Potential and its std, to first order, of independent facts."""
        heights = [self._goal_height(goal, readings) for goal in self.task.stages[self._stage].goals]
        potential = self._bands[self._stage].low + math.fsum(height for height, _ in heights)
        std = math.sqrt(math.fsum(std * std for _, std in heights))
        # No earlier stage is free of what the first one keeps: breaking that has to cost here.
        lasting = (keep for keep in self.task.stages[self._stage].keeps if keep in self.task.stages[0].keeps)
        kept = math.prod(_kept_share(keep, readings) for keep in lasting)
        return kept * min(1.0, max(0.0, potential)), kept * std

    def _shape(self, dt_s: float) -> float:
        """F = gamma^(dt / nominal dt) * Phi' - Phi; 0 on the episode's first measured frame and after its end."""
        if self._ended or math.isnan(self._potential):
            return 0.0
        self._ended = self.task.zero_potential_at_success and self._success
        before, self._shaping = self._shaping, 0.0 if self._ended else self._potential
        if math.isnan(before):
            return 0.0
        return float(self.task.gamma ** (dt_s / self.task.nominal_dt_s)) * self._shaping - before

    def _potential_std(self, stamp_ns: int, measured: bool) -> float:
        if measured or math.isnan(self._potential):
            return self._measured_std
        drift = HOLD_DRIFT_PER_S * (stamp_ns - self._measured_ns) * 1e-9
        return max(self._measured_std, min(UNKNOWN_STD, math.hypot(self._measured_std, drift)))

    def _driving(self, readings: Readings) -> tuple[float, float]:
        driving = self.task.driving(self._stage)
        reading = None if driving is None else readings.find(driving)
        return (math.nan, math.nan) if reading is None else (reading.raw, reading.std)

    def _terms(self, readings: Readings) -> tuple[RewardTerm, ...]:
        stage, width = self.task.stages[self._stage], self._bands[self._stage].width
        terms = []
        for index, constraint in enumerate(stage.constraints):
            reading = readings.find(constraint)
            is_goal = index < len(stage.goals)
            share = 0.0
            if reading is not None and is_goal and (self._stage, constraint) in self._references:
                share = min(1.0, max(0.0, self._goal_height(constraint, readings)[0] / width))
            value = reading.raw if reading else math.nan
            std = reading.std if reading and constraint.unit != PROBABILITY else math.nan
            name = f"{stage.name}/{'' if is_goal else 'keep '}{constraint.text}"
            # A composed truth is told in words of its own; what it counts in has no unit.
            unit = "" if constraint.unit == MARGIN else constraint.unit
            terms.append(RewardTerm(name, value, std, unit, share))
        for name in self._anchors.displaced:
            terms.append(RewardTerm(f"{stage.name}/keep {name} in place", self._anchors.moved_m(name), math.nan, METRE, 0.0))
        return tuple(terms)

    def _sample(self, stamp_ns: int, readings: Readings, measured: bool, reward: float) -> RewardSample:
        distance, std = self._driving(readings)
        if measured:
            status = RewardStatus.OK
        else:
            status = RewardStatus.NO_DATA if math.isnan(self._potential) else RewardStatus.HELD
        return RewardSample(
            stamp_ns, self.task.name, self.task.stages[self._stage].name, self._stage, len(self.task.stages),
            reward, self._potential, self._progress, distance, std, self._potential_std(stamp_ns, measured),
            self._success, self._measured / self._frames, status, self._terms(readings),
        )  # fmt: skip


def _kept_share(keep: Constraint, readings: Readings) -> float:
    """1 within a keep's tolerance, 0 a scale beyond it."""
    return 1.0 - min(1.0, max(0.0, (readings.error(keep) - keep.tolerance) / keep.scale))
