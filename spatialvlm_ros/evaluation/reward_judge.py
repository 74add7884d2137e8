"""One episode through the engine and the annotator that the nodes and the labeller drive, beside the truth."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from ..engine import EngineConfig, SpatialEngine
from ..reward.annotator import RewardAnnotator, RewardSample, RewardStatus
from ..reward.builder import find_task
from ..reward.task import TaskSpec
from ..scene.facts import Query, SpatialFact
from ..share import config_file
from .reward_episodes import NOISE, PERIOD_S, TF_STD_M, Plan, Shot, SimEpisode
from .reward_scripts import FAMILIES, SUCCESS

FloatArray = npt.NDArray[np.float64]
_GRIPPER = "gripper"
ENGINE = EngineConfig(noise=NOISE, tool_std_m=TF_STD_M)


@dataclass(frozen=True)
class Series:
    """The reward of one episode over time; arrays (N,).

    Attributes:
        potential, progress: NaN before the first measurement.
        distance, std: of what drives the stage, metres; NaN where it is not measured.
        truth: true value of the same relation; NaN where the simulator does not know it.
        stage: index.
        measured: whether this image gave the potential.
    """

    potential: FloatArray
    progress: FloatArray
    distance: FloatArray
    std: FloatArray
    truth: FloatArray
    stage: npt.NDArray[np.int64]
    measured: npt.NDArray[np.bool_]
    success: bool

    @property
    def coverage(self) -> float:
        return float(np.mean(self.measured)) if len(self.measured) else math.nan


@dataclass(frozen=True)
class Judged:
    """One episode.

    Attributes:
        success: by the simulator.
        task: its own task.
        true, opposite, other: rewards for its own instruction, a contradictory one, and one about another thing.
        backwards: of the images in reverse order, for expert episodes.
        raw_m: the unfiltered distance of the gripper to the task's thing, NaN where it is not measured.
        frame_ms: time of each image in the engine and all annotators.
        causes: how often what was missing.
    """

    plan: Plan
    task: TaskSpec
    success: bool
    true: Series
    opposite: Series
    other: Series
    backwards: Series | None
    raw_m: FloatArray
    frame_ms: FloatArray
    causes: dict[str, int]

    @property
    def expert(self) -> bool:
        return self.success and self.plan.kind == SUCCESS


@cache
def task_of(instruction: str) -> TaskSpec:
    """The task of an instruction as reward_node has it, at the benchmark's rate."""
    return replace(find_task(instruction, config_file("tasks")), nominal_dt_s=PERIOD_S)


def driving_query(task: TaskSpec, stage: int) -> Query | None:
    """The relation whose value a sample of this stage calls its distance; None for one that is made of several."""
    found = task.driving(stage)
    return None if found is None else found.query


def judge(episode: SimEpisode) -> Judged:
    """Rewards of an episode, forwards for three instructions, and backwards when it is an expert's."""
    family = FAMILIES[episode.plan.family]
    tasks = [task_of(text) for text in (family.task, family.opposite, family.other)]
    return judge_tasks(episode, tasks, Query("distance", _GRIPPER, family.subject), ENGINE)


def judge_tasks(episode: SimEpisode, tasks: Sequence[TaskSpec], extra: Query, config: EngineConfig) -> Judged:
    """The same for three tasks that are given: its own, a contradictory one, one about another thing. ``extra`` is raw_m."""
    runs, facts, frame_ms = _run(episode.shots, tasks, [extra], config)
    raw = [_value(found, extra) for found in facts]
    backwards = None
    if episode.success and episode.plan.kind == SUCCESS:
        turned, _, _ = _run(_reversed(episode.shots), tasks[:1], [], config)
        backwards = _series(tasks[0], turned[0], _reversed(episode.shots))
    series = [_series(task, samples, episode.shots) for task, samples in zip(tasks, runs, strict=True)]
    return Judged(
        episode.plan, tasks[0], episode.success, series[0], series[1], series[2], backwards,
        np.array(raw), np.array(frame_ms), _causes(runs[0], facts, tasks[0]),
    )  # fmt: skip


def _run(
    shots: Sequence[Shot], tasks: Sequence[TaskSpec], extra: Sequence[Query], config: EngineConfig
) -> tuple[list[list[RewardSample]], list[dict[Query, SpatialFact]], list[float]]:
    """Samples of each task, facts of each image, and times."""
    engine = SpatialEngine(config)
    annotators = [RewardAnnotator(task) for task in tasks]
    queries = tuple(dict.fromkeys([*(query for task in tasks for query in task.queries()), *extra]))
    names = [name for query in queries for name in query.names]
    samples: list[list[RewardSample]] = [[] for _ in tasks]
    facts: list[dict[Query, SpatialFact]] = []
    times = []
    for shot in shots:
        started = time.perf_counter()
        scene = engine.observe(shot.frame, names, shot.robot)
        found = engine.facts(scene, queries)
        for run, annotator in zip(samples, annotators, strict=True):
            run.append(annotator.update(scene.stamp_ns, found))
        times.append((time.perf_counter() - started) * 1e3)
        facts.append({fact.query: fact for fact in found})
    return samples, facts, times


def _reversed(shots: Sequence[Shot]) -> list[Shot]:
    """The images in reverse order, at the stamps of the forward run."""
    stamps = [shot.frame.stamp_ns for shot in shots]
    return [
        Shot(replace(shot.frame, stamp_ns=stamp), shot.robot, shot.truth)
        for shot, stamp in zip(reversed(shots), stamps, strict=True)
    ]


def _series(task: TaskSpec, samples: Sequence[RewardSample], shots: Sequence[Shot]) -> Series:
    queries = [driving_query(task, sample.stage_index) for sample in samples]
    truth = [math.nan if query is None else shot.truth.get(query, math.nan) for query, shot in zip(queries, shots, strict=True)]
    return Series(
        np.array([sample.potential for sample in samples]), np.array([sample.progress for sample in samples]),
        np.array([sample.distance for sample in samples]), np.array([sample.std for sample in samples]), np.array(truth),
        np.array([sample.stage_index for sample in samples]),
        np.array([sample.status is RewardStatus.OK for sample in samples]), samples[-1].success,
    )  # fmt: skip


def _value(facts: dict[Query, SpatialFact], query: Query) -> float:
    fact = facts[query]
    return fact.value if fact.status.has_value else math.nan


def _causes(samples: Sequence[RewardSample], facts: Sequence[dict[Query, SpatialFact]], task: TaskSpec) -> dict[str, int]:
    """How often which fact of the current stage had which status other than OK."""
    counts: dict[str, int] = {}
    for sample, found in zip(samples, facts, strict=True):
        if sample.status is RewardStatus.OK:
            continue
        for constraint in task.stages[sample.stage_index].constraints:
            for query in constraint.queries:
                if not found[query].status.has_value or found[query].status.name == "STALE":
                    key = f"{query}: {found[query].status.name}"
                    counts[key] = counts.get(key, 0) + 1
    return counts
