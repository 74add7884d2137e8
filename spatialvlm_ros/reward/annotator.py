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

from ..scene.facts import METRE, PROBABILITY, Query, SpatialFact, Status
from ..scene.relations import RELATIONS
from .potential import TAIL, MedianFilter, active_share, curve, stage_bands
from .task import Constraint, Reference, Stage, TaskError, TaskSpec

# A held potential may have moved by this much a second: a short task goes from 0 to 1 in about ten.
HOLD_DRIFT_PER_S = 0.1
# Standard deviation of a potential of which nothing is known but that it lies in [0, 1].
UNKNOWN_STD = 1.0 / math.sqrt(12.0)
# A guard breaks only when it is violated beyond doubt, as predicates are judged by two standard deviations.
_BREAK_SIGMAS = 2.0


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


@dataclass(frozen=True)
class _Reading:
    """A usable fact: the image's value, the filtered value, and one standard deviation (0 for a probability)."""

    raw: float
    value: float
    std: float


class RewardAnnotator:
    """Turns facts into rewards for one task.

    Rules:
        - A fact that is OCCLUDED carries its last measured place with a raised std, and is used with that std. Any
          other fact without a value is missing; STALE ones count as missing too.
        - When the current stage lacks a fact, the potential holds and ``potential_std`` grows.
        - A stage is left forward when its goals are met and the next stage's facts are there and its keeps hold; so
          the potential of a stage that waits stays at the band's top.
        - A stage is left backward when one of its keeps breaks beyond doubt, to the last stage before it whose keeps
          hold.
        - When the last stage's goals and keeps are met, it is entered from anywhere: success is a state, not a path.
        - A stamp before the last one starts a new episode.
    """

    def __init__(self, task: TaskSpec) -> None:
        if task.parameters:
            raise TaskError("parameters", ", ".join(task.parameters), f"bind the parameters of task '{task.name}' to names first")
        self.task = task
        self._bands = stage_bands(task)
        self.reset()

    def reset(self) -> None:
        """Begin a new episode."""
        # Two nominal steps for each value let a slower camera fill the window as well.
        window_ns = int(2e9 * self.task.nominal_dt_s * self.task.filter_frames)
        self._filters = {query: MedianFilter(self.task.filter_frames, window_ns) for query in self.task.queries()}
        self._references: dict[tuple[int, Constraint], float] = {}
        self._stage = 0
        self._last_ns: int | None = None
        self._measured_ns = 0
        self._potential = math.nan
        self._shaping = math.nan
        self._measured_std = math.nan
        self._progress = 0.0
        self._frames = self._measured = 0
        self._success = self._ended = False
        self._streak = 0

    def update(self, stamp_ns: int, facts: Iterable[SpatialFact]) -> RewardSample:
        """The sample of one frame. Facts that the task does not ask for are ignored."""
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.reset()
        dt_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) * 1e-9
        self._last_ns = stamp_ns
        self._frames += 1
        readings = self._read(stamp_ns, facts)
        self._move(readings)
        stage = self.task.stages[self._stage]
        measured = self._has(stage, readings)
        if measured:
            self._measured += 1
            self._measured_ns = stamp_ns
            self._potential, self._measured_std = self._evaluate(readings)
            self._progress = max(self._progress, self._potential)
        return self._sample(stamp_ns, readings, measured, self._shape(dt_s))

    # -- facts
    # --------------------------------------------------------------------------------------------------------

    def _read(self, stamp_ns: int, facts: Iterable[SpatialFact]) -> dict[Query, _Reading]:
        readings: dict[Query, _Reading] = {}
        for fact in facts:
            known = self._filters.get(fact.query)
            if known is None or fact.query in readings or not _usable(fact):
                continue
            std = 0.0 if fact.unit == PROBABILITY else fact.std
            readings[fact.query] = _Reading(fact.value, known.add(stamp_ns, fact.value), std)
        return readings

    @staticmethod
    def _has(stage: Stage, readings: dict[Query, _Reading]) -> bool:
        return all(constraint.query in readings for constraint in stage.constraints)

    # -- stages
    # -------------------------------------------------------------------------------------------------------

    def _move(self, readings: dict[Query, _Reading]) -> None:
        """Fall back, advance, or jump to the end; then judge success."""
        last = len(self.task.stages) - 1
        final = self.task.stages[last]
        if self._has(final, readings):
            self._judge(final, readings)
            if all(self._met(c, readings) for c in final.constraints):
                self._stage = last
        if not self._fall_back(readings):
            while self._stage < last and self._may_advance(readings):
                self._stage += 1
        self._remember_references(readings)

    @staticmethod
    def _met(constraint: Constraint, readings: dict[Query, _Reading], slack: float = 0.0) -> bool:
        return constraint.signed_error(readings[constraint.query].value) <= slack

    @staticmethod
    def _broken(constraint: Constraint, readings: dict[Query, _Reading]) -> bool:
        reading = readings[constraint.query]
        return constraint.signed_error(reading.value) > constraint.tolerance + _BREAK_SIGMAS * reading.std

    def _fall_back(self, readings: dict[Query, _Reading]) -> bool:
        broken = [c for c in self.task.stages[self._stage].keeps if c.query in readings and self._broken(c, readings)]
        if not broken:
            return False
        for index in range(self._stage - 1, -1, -1):
            stage = self.task.stages[index]
            if self._has(stage, readings) and not any(self._broken(keep, readings) for keep in stage.keeps):
                self._stage = index
                return True
        return False

    def _may_advance(self, readings: dict[Query, _Reading]) -> bool:
        here, ahead = self.task.stages[self._stage], self.task.stages[self._stage + 1]
        return (
            self._has(here, readings)
            and all(self._met(goal, readings) for goal in here.goals)
            and self._has(ahead, readings)
            and all(self._met(keep, readings, keep.tolerance) for keep in ahead.keeps)
        )

    def _remember_references(self, readings: dict[Query, _Reading]) -> None:
        """The error at a stage's first entry; kept for the episode, so that a second entry is judged alike."""
        for goal in self.task.stages[self._stage].goals:
            if goal.query not in readings or (self._stage, goal) in self._references:
                continue
            entry = goal.signed_error(readings[goal.query].value) if self.task.reference is Reference.ENTRY else 0.0
            self._references[self._stage, goal] = max(goal.scale, entry)

    def _judge(self, final: Stage, readings: dict[Query, _Reading]) -> None:
        """Success appears and goes only after enough frames in a row."""
        if self._success:
            against = any(self._broken(c, readings) for c in final.constraints)
        else:
            against = all(self._met(goal, readings) for goal in final.goals) and all(
                self._met(keep, readings, keep.tolerance) for keep in final.keeps
            )
        self._streak = self._streak + 1 if against else 0
        if self._streak >= self.task.success_frames:
            self._success, self._streak = not self._success, 0

    # -- numbers
    # ------------------------------------------------------------------------------------------------------

    def _goal_height(self, goal: Constraint, readings: dict[Query, _Reading]) -> tuple[float, float]:
        """What a goal adds to the potential above its band's low end, and one standard deviation of that."""
        stage, band = self.task.stages[self._stage], self._bands[self._stage]
        share = goal.weight / math.fsum(other.weight for other in stage.goals)
        reading = readings[goal.query]
        error = goal.signed_error(reading.value)
        reference = self._references[self._stage, goal]
        height, slope = curve(error, reference, band.width * share, TAIL * share)
        if error <= 0.0:
            slope = -band.width * share / reference
        return height, abs(slope) * active_share(error, reading.std) * reading.std

    def _evaluate(self, readings: dict[Query, _Reading]) -> tuple[float, float]:
        """Potential and its std, to first order, of independent facts."""
        heights = [self._goal_height(goal, readings) for goal in self.task.stages[self._stage].goals]
        potential = self._bands[self._stage].low + math.fsum(height for height, _ in heights)
        std = math.sqrt(math.fsum(std * std for _, std in heights))
        return min(1.0, max(0.0, potential)), std

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

    def _driving(self, readings: dict[Query, _Reading]) -> tuple[float, float]:
        """The length that drives the current stage: of its first goal in metres, else of its first keep in metres."""
        for constraint in self.task.stages[self._stage].constraints:
            if constraint.unit == METRE:
                reading = readings.get(constraint.query)
                return (reading.raw, reading.std) if reading else (math.nan, math.nan)
        return math.nan, math.nan

    def _terms(self, readings: dict[Query, _Reading]) -> tuple[RewardTerm, ...]:
        stage, width = self.task.stages[self._stage], self._bands[self._stage].width
        terms = []
        for index, constraint in enumerate(stage.constraints):
            reading = readings.get(constraint.query)
            is_goal = index < len(stage.goals)
            share = 0.0
            if reading is not None and is_goal and (self._stage, constraint) in self._references:
                share = min(1.0, max(0.0, self._goal_height(constraint, readings)[0] / width))
            value = reading.raw if reading else math.nan
            std = reading.std if reading and constraint.unit != PROBABILITY else math.nan
            name = f"{stage.name}/{'' if is_goal else 'keep '}{constraint.query}"
            terms.append(RewardTerm(name, value, std, constraint.unit, share))
        return tuple(terms)

    def _sample(self, stamp_ns: int, readings: dict[Query, _Reading], measured: bool, reward: float) -> RewardSample:
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


def _usable(fact: SpatialFact) -> bool:
    """Measured, or hidden with its last place; finite, with a unit that fits and an honest std."""
    if fact.status not in (Status.OK, Status.OCCLUDED) or not math.isfinite(fact.value):
        return False
    if fact.unit != RELATIONS[fact.query.relation].unit:
        return False
    return fact.unit == PROBABILITY or (math.isfinite(fact.std) and fact.std >= 0.0)
