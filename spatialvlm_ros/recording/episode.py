"""A recorded episode as arrays: facts beside the truth, rewards, dropped frames, latencies.

Truth is whatever facts carry the source GROUND_TRUTH; it is matched by query, and in time by interpolation between
neighbours, never beyond them. Facts without a value are NaN and stay in the arrays: they are what coverage is about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import METRE, Query, Source
from .bag_reader import BagMessage, BagReader

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FACTS_TYPE, REWARD_TYPE = "spatialvlm_msgs/msg/SpatialFactArray", "spatialvlm_msgs/msg/Reward"
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
# a(b) and b(a) are one fact
_SYMMETRIC = ("distance", "gap", "horizontal_distance", "vertical_distance")
# A clock that differs by more than this from the stamps is another clock, not a delay.
_MAX_LATENCY_S = 10.0


@dataclass(frozen=True)
class FactSeries:
    """One fact over time; all arrays (N,). ``truth`` is NaN where it is not known."""

    query: Query
    unit: str
    stamp_ns: IntArray
    value: FloatArray
    std: FloatArray
    status: IntArray
    truth: FloatArray

    @property
    def error(self) -> FloatArray:
        """value - truth, in ``unit``."""
        return self.value - self.truth


@dataclass(frozen=True)
class RewardSeries:
    """Fields of spatialvlm_msgs/Reward over time; arrays (N,)."""

    task: str
    stage_names: tuple[str, ...]
    stage: tuple[str, ...]
    stamp_ns: IntArray
    stage_index: IntArray
    status: IntArray
    success: npt.NDArray[np.bool_]
    reward: FloatArray
    potential: FloatArray
    potential_std: FloatArray
    progress: FloatArray
    distance: FloatArray
    std: FloatArray
    coverage: FloatArray


@dataclass(frozen=True)
class Episode:
    """What one bag says.

    Attributes:
        facts: measured facts by query.
        rewards: None when no reward was recorded.
        frames: images that facts were published for.
        dropped: colour images between the first and the last of those without facts; -1 when no images were recorded.
        latency_s: (N,) from the image's stamp to the arrival of its facts; NaN when the recorder's clock was another one.
        latency_after_image_s: (N,) from the arrival of the image to the arrival of its facts; NaN without the image.
    """

    path: Path
    facts: dict[Query, FactSeries]
    rewards: RewardSeries | None
    frames: int
    dropped: int
    latency_s: FloatArray
    latency_after_image_s: FloatArray

    @property
    def start_ns(self) -> int:
        """Stamp of the first fact or reward."""
        stamps = [int(series.stamp_ns[0]) for series in self.facts.values() if len(series.stamp_ns)]
        if self.rewards is not None and len(self.rewards.stamp_ns):
            stamps.append(int(self.rewards.stamp_ns[0]))
        return min(stamps, default=0)


@dataclass
class _Rows:
    """Facts of one query as they are read: stamp, value, std, status."""

    unit: str = METRE
    rows: list[tuple[int, float, float, int]] = field(default_factory=list)

    def columns(self) -> tuple[IntArray, FloatArray, FloatArray, IntArray]:
        """Columns in the order of the stamps, one row a stamp (the last one read)."""
        newest = {row[0]: row for row in self.rows}
        ordered = [newest[stamp] for stamp in sorted(newest)]
        stamps = np.array([row[0] for row in ordered], dtype=np.int64)
        value, std = (np.array([row[i] for row in ordered], dtype=np.float64) for i in (1, 2))
        return stamps, value, std, np.array([row[3] for row in ordered], dtype=np.int64)


@dataclass
class _Collected:
    measured: dict[Query, _Rows] = field(default_factory=lambda: defaultdict(_Rows))
    truth: dict[Query, _Rows] = field(default_factory=lambda: defaultdict(_Rows))
    rewards: list[Any] = field(default_factory=list)
    images: dict[int, int] = field(default_factory=dict)
    arrays: dict[int, int] = field(default_factory=dict)


def color_topic(bag: BagReader) -> str | None:
    """The topic of the camera's own colour images, or None: not depth, and nothing that was drawn."""
    topics = sorted(topic for image_type in IMAGE_TYPES for topic in bag.topics_of(image_type))
    strange = ("depth", "debug", "segmentation", "mask")
    own = [topic for topic in topics if not any(word in topic for word in strange)]
    return next((topic for topic in own if "color" in topic or "rgb" in topic), own[0] if own else None)


def load_episode(path: str | Path, *, max_gap_s: float = 0.2) -> Episode:
    """An episode of a bag. Truth is interpolated over at most ``max_gap_s``. Raises BagError or FileNotFoundError."""
    found = _Collected()
    with BagReader(path) as bag:
        image_topic = color_topic(bag)
        topics = [*bag.topics_of(FACTS_TYPE), *bag.topics_of(REWARD_TYPE)]
        for message in bag.messages([*topics, *([image_topic] if image_topic else [])]):
            if message.topic == image_topic:
                found.images.setdefault(message.stamp_ns, message.log_ns)
            elif message.type == REWARD_TYPE:
                found.rewards.append(message.message)
            else:
                _collect_facts(found, message)
    facts = {query: _series(query, rows, found.truth, max_gap_s) for query, rows in found.measured.items()}
    stamps = sorted(found.arrays)
    return Episode(
        Path(path), facts, _rewards(found.rewards), len(stamps), _dropped(found.images, stamps),
        _latencies(stamps, found.arrays, {stamp: stamp for stamp in stamps}),
        _latencies(stamps, found.arrays, found.images),
    )  # fmt: skip


def query_of(entry: Any) -> Query:
    """The query that a SpatialFact of a bag answers. Bags older than ``third``, ``amount`` and ``view`` lack these: empty."""
    third, view = str(getattr(entry, "third", "")), str(getattr(entry, "view", ""))
    return Query(entry.relation, entry.subject, entry.object, third, float(getattr(entry, "amount", 0.0)), view)


def _collect_facts(found: _Collected, message: BagMessage) -> None:
    entries = message.message.facts
    is_truth = any(entry.source == Source.GROUND_TRUTH for entry in entries)
    if not is_truth:
        found.arrays.setdefault(message.stamp_ns, message.log_ns)
    for entry in entries:
        side = found.truth if entry.source == Source.GROUND_TRUTH else found.measured
        rows = side[query_of(entry)]
        rows.unit = entry.unit or rows.unit
        rows.rows.append((message.stamp_ns, float(entry.value), float(entry.std), int(entry.status)))


def _series(query: Query, rows: _Rows, truth: dict[Query, _Rows], max_gap_s: float) -> FactSeries:
    stamps, value, std, status = rows.columns()
    turned = replace(query, subject=query.object, object=query.subject)
    known = truth.get(query) or (truth.get(turned) if query.relation in _SYMMETRIC else None)
    true = np.full(len(stamps), np.nan) if known is None else interpolate(stamps, *known.columns()[:2], max_gap_s)
    return FactSeries(query, rows.unit, stamps, value, std, status, true)


def interpolate(stamp_ns: IntArray, known_ns: IntArray, known: FloatArray, max_gap_s: float) -> FloatArray:
    """Values (N,) at stamps, linear between neighbours at most ``max_gap_s`` apart; NaN beyond the first and the last."""
    finite = np.isfinite(known)
    known_ns, known = known_ns[finite], known[finite]
    result = np.full(len(stamp_ns), np.nan)
    if len(known) == 0:
        return result
    after = np.searchsorted(known_ns, stamp_ns, side="left")
    exact = (after < len(known_ns)) & (known_ns[np.minimum(after, len(known_ns) - 1)] == stamp_ns)
    result[exact] = known[after[exact]]
    between = ~exact & (after > 0) & (after < len(known_ns))
    right = after[between]
    t0, t1 = known_ns[right - 1], known_ns[right]
    share = (stamp_ns[between] - t0) / (t1 - t0)
    values = known[right - 1] * (1 - share) + known[right] * share
    result[between] = np.where(t1 - t0 <= max_gap_s * 1e9, values, np.nan)
    return result


def _dropped(images: dict[int, int], stamps: list[int]) -> int:
    if not images or not stamps:
        return -1
    have = set(stamps)
    return sum(1 for stamp in images if stamps[0] <= stamp <= stamps[-1] and stamp not in have)


def _latencies(stamps: Iterable[int], arrived_ns: dict[int, int], since_ns: dict[int, int]) -> FloatArray:
    latency = np.array([(arrived_ns[s] - since_ns[s]) * 1e-9 if s in since_ns else np.nan for s in stamps], dtype=np.float64)
    if np.isfinite(latency).any() and abs(float(np.nanmedian(latency))) > _MAX_LATENCY_S:
        latency[:] = np.nan
    return latency


def _rewards(messages: list[Any]) -> RewardSeries | None:
    if not messages:
        return None

    def floats(name: str) -> FloatArray:
        return np.array([getattr(message, name) for message in messages], dtype=np.float64)

    def ints(name: str) -> IntArray:
        return np.array([getattr(message, name) for message in messages], dtype=np.int64)

    names: dict[int, str] = {}
    for message in messages:
        if message.stage:
            names.setdefault(int(message.stage_index), message.stage)
    stamps = [int(m.header.stamp.sec) * 1_000_000_000 + int(m.header.stamp.nanosec) for m in messages]
    task = next((m.task for m in reversed(messages) if m.task), "")
    return RewardSeries(
        task, tuple(names[index] for index in sorted(names)), tuple(m.stage for m in messages),
        np.array(stamps, dtype=np.int64), ints("stage_index"), ints("status"), np.array([bool(m.success) for m in messages]),
        floats("reward"), floats("potential"), floats("potential_std"), floats("progress"),
        floats("distance"), floats("std"), floats("coverage"),
    )  # fmt: skip
