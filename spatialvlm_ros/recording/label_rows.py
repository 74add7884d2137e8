"""One row an image: what every table and bag of labels is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engine import RobotState
from ..geometry.rigid import RigidTransform
from ..reward.annotator import RewardSample, RewardStatus
from ..scene.facts import SpatialFact
from ..scene.frame import RGBDFrame
from ..scene.scene import Scene
from .label_vectors import Values

Column = tuple[str, str]
"""Name and type: "int", "float", "bool" or "text"."""

REWARD_COLUMNS: tuple[Column, ...] = (
    ("stamp_ns", "int"), ("episode_index", "int"), ("frame_index", "int"), ("time_s", "float"),
    ("reward", "float"), ("potential", "float"), ("potential_std", "float"), ("progress", "float"),
    ("stage_index", "int"), ("stage", "text"), ("distance_m", "float"), ("distance_std_m", "float"),
    ("term", "text"), ("value", "float"), ("value_std", "float"), ("value_unit", "text"),
    ("success", "bool"), ("coverage", "float"), ("status", "text"), ("cause", "text"),
)  # fmt: skip
"""``reward`` is the shaped F; ``value`` is this image's own, unfiltered, of the stage's first term; ``cause`` says why nothing
could be measured. Numbers that are not known are null."""

FACT_COLUMNS: tuple[Column, ...] = (
    ("stamp_ns", "int"), ("episode_index", "int"), ("frame_index", "int"),
    ("relation", "text"), ("subject", "text"), ("object", "text"), ("third", "text"), ("amount_m", "float"), ("view", "text"),
    ("value", "float"), ("std", "float"), ("unit", "text"), ("status", "text"), ("source", "text"), ("frame_id", "text"),
    *((f"{side}_{axis}_m", "float") for side in ("subject", "object") for axis in "xyz"),
    ("text", "text"),
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What an image was labelled from, for outputs that hold pictures.

    Attributes:
        output: (frame of the facts' points, its transform from the camera's frame), or None for the camera's own.
        output_problem: why that transform is not known.
        joints, command: see label_vectors.
    """

    frame: RGBDFrame
    scene: Scene
    robot: RobotState
    output: tuple[str, RigidTransform] | None = None
    output_problem: str = ""
    joints: Values = field(default_factory=dict)
    command: Values = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledFrame:
    """One image with its facts and its reward; ``material`` only where an output asks for it, and never kept by others."""

    episode_index: int
    frame_index: int
    episode_start_ns: int
    frame_id: str
    facts: Sequence[SpatialFact]
    sample: RewardSample
    material: Material | None = field(default=None, repr=False, compare=False)


def cause_of(frame: LabelledFrame) -> str:
    """Why the reward of an image could not be measured on it; empty when it was."""
    if frame.sample.status is RewardStatus.OK:
        return ""
    terms = {name.split("/", 1)[1].removeprefix("keep ") for name in (t.name for t in frame.sample.terms)}
    missing = [fact for fact in frame.facts if not fact.status.has_value]
    first = next((fact for fact in missing if str(fact.query) in terms), missing[0] if missing else None)
    return "" if first is None else f"{first.query}: {first.status.name}"


def reward_row(frame: LabelledFrame) -> Mapping[str, Any]:
    """A row of REWARD_COLUMNS."""
    sample = frame.sample
    term = sample.terms[0]
    return {
        "stamp_ns": sample.stamp_ns, "episode_index": frame.episode_index, "frame_index": frame.frame_index,
        "time_s": (sample.stamp_ns - frame.episode_start_ns) * 1e-9,
        "reward": sample.reward, "potential": sample.potential, "potential_std": sample.potential_std,
        "progress": sample.progress, "stage_index": sample.stage_index, "stage": sample.stage,
        "distance_m": sample.distance, "distance_std_m": sample.std,
        "term": term.name, "value": term.value, "value_std": term.std, "value_unit": term.unit,
        "success": sample.success, "coverage": sample.coverage, "status": sample.status.name, "cause": cause_of(frame),
    }  # fmt: skip


def fact_rows(frame: LabelledFrame) -> list[Mapping[str, Any]]:
    """Rows of FACT_COLUMNS, one a fact."""
    rows: list[Mapping[str, Any]] = []
    for fact in frame.facts:
        query = fact.query
        points = [float(v) for point in (fact.subject_point, fact.object_point) for v in point]
        names = [name for name, _ in FACT_COLUMNS[15:21]]
        rows.append(
            {
                "stamp_ns": fact.stamp_ns, "episode_index": frame.episode_index, "frame_index": frame.frame_index,
                "relation": query.relation, "subject": query.subject, "object": query.object, "third": query.third,
                "amount_m": query.amount, "view": query.view, "value": fact.value, "std": fact.std, "unit": fact.unit,
                "status": fact.status.name, "source": fact.source.name, "frame_id": fact.frame_id,
                **dict(zip(names, points, strict=True)), "text": fact.text,
            }
        )  # fmt: skip
    return rows
