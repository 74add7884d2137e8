"""Facts and runs written by hand, for tests of rewards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardSample
from spatialvlm_ros.reward.task import TaskSpec
from spatialvlm_ros.scene.facts import PROBABILITY, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS

DT_NS = 100_000_000


def fact(
    query: Query,
    value: float,
    stamp_ns: int = 0,
    std: float = 0.003,
    status: Status = Status.OK,
    points: tuple[Sequence[float], Sequence[float]] | None = None,
    frame_id: str = "base_link",
) -> SpatialFact:
    """A measured fact; a probability has no deviation."""
    unit = RELATIONS[query.relation].unit
    std = math.nan if unit == PROBABILITY else std
    ends = [np.full(3, np.nan)] * 2 if points is None else [np.array(point, dtype=np.float64) for point in points]
    return SpatialFact(query, status, Source.DEPTH, stamp_ns, frame_id, value, std, unit, ends[0], ends[1])


def run(
    task: TaskSpec, frames: Sequence[Mapping[Query, float] | Sequence[SpatialFact]], dt_ns: int = DT_NS
) -> list[RewardSample]:
    """Samples of images, each given by its values or its facts."""
    annotator = RewardAnnotator(task)
    samples = []
    for index, frame in enumerate(frames):
        facts = [fact(q, v, index * dt_ns) for q, v in frame.items()] if isinstance(frame, Mapping) else frame
        samples.append(annotator.update(index * dt_ns, facts))
    return samples


def discounted(samples: Sequence[RewardSample], gamma: float) -> float:
    """What a learner adds up, one nominal step an image."""
    return math.fsum(gamma**index * sample.reward for index, sample in enumerate(samples[1:]))
