"""What the nodes of a tree have become: samples whose first entry is the value without any error, and how they combine.

Entry 0 of every array is reckoned from the measured values themselves, entries 1 to N from the N samples of their errors. All
operators work on whole arrays, so that both go one way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.facts import Source, Status, Truth
from .operators import Type

Array = npt.NDArray[Any]
_SEVERITY: Mapping[Status, int] = {Status.OK: 0, Status.OCCLUDED: 1, Status.STALE: 2}
# Nothing on an image is larger than this in any power, and its square is still a number.
_LARGEST = 1e150
# Counts that differ by less are equal: means of them are no whole numbers.
_SAME_COUNT = 1e-9


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: the sources, frames and statuses of all facts in it."""

    sources: frozenset[Source] = frozenset()
    frames: frozenset[str] = frozenset()
    status: Status = Status.OK

    def __or__(self, other: Origin) -> Origin:
        worse = max(self.status, other.status, key=_SEVERITY.__getitem__)
        return Origin(self.sources | other.sources, self.frames | other.frames, worse)

    @property
    def source(self) -> Source:
        """One source for all: the model's part makes it FUSED, depth's makes it DEPTH."""
        if len(self.sources) == 1:
            return next(iter(self.sources))
        if self.sources & {Source.VLM, Source.FUSED}:
            return Source.FUSED
        return Source.DEPTH if Source.DEPTH in self.sources else Source.UNKNOWN

    @property
    def frame_id(self) -> str:
        """The one frame of all, or all of them with commas."""
        return ", ".join(sorted(self.frames))


@dataclass(frozen=True)
class Value:
    """The value of a node.

    Attributes:
        samples: (N + 1,) float64 of a number, bool of a truth or of "the first side"; (N + 1,) or for a pair (N + 1, 2) intp of
            things by number, -1 for none.
        sides: of a classification.
        exact_probability: of a single fact that is true or false, or which of two, as it was measured; NaN otherwise.
    """

    type: Type
    samples: Array
    origin: Origin = field(default_factory=Origin)
    sides: tuple[str, str] = ("", "")
    exact_probability: float = float("nan")

    @property
    def value(self) -> Any:
        """Without errors: a number, a truth, the number of a thing."""
        return self.samples[0]

    @property
    def std(self) -> float:
        """One standard deviation about ``value``, of a number."""
        return float(np.sqrt(np.mean((self.samples[1:] - self.samples[0]) ** 2)))

    @property
    def probability(self) -> float:
        """Of a truth that it holds, of a side that it is the first; of a thing or a count that it is the right one."""
        if np.isfinite(self.exact_probability):
            return self.exact_probability
        if self.samples.dtype == np.bool_:
            return float(np.mean(self.samples[1:]))
        same = self.samples[1:] == self.samples[0]
        return float(np.mean(same if same.ndim == 1 else same.all(axis=1)))

    @property
    def fixed(self) -> int | None:
        """The thing's number when every sample has the same."""
        first = int(self.samples[0])
        return first if (self.samples == first).all() else None

    def is_sure(self, verdict: bool) -> bool:
        """Whether a truth is decided, and so."""
        return Truth(self.probability).verdict is verdict


def _product(parts: Sequence[FloatArray]) -> FloatArray:
    result = parts[0]
    for part in parts[1:]:
        result = result * part
    return result


# Roots of values that noise has brought below zero are 0: the side of a triangle that is flat to within the noise.
NUMERIC: Mapping[str, Callable[[Sequence[Array]], Array]] = {
    "add": lambda parts: np.sum(parts, axis=0),
    "sub": lambda parts: np.asarray(parts[0] - parts[1]),
    "mul": _product,
    "ratio": lambda parts: np.asarray(parts[0] / parts[1]),
    "abs": lambda parts: np.abs(parts[0]),
    "neg": lambda parts: -parts[0],
    "sqrt": lambda parts: np.sqrt(np.maximum(parts[0], 0.0)),
    "min": lambda parts: np.min(parts, axis=0),
    "max": lambda parts: np.max(parts, axis=0),
    "mean": lambda parts: np.mean(parts, axis=0),
}
COMPARING: Mapping[str, Callable[[Sequence[Array]], Array]] = {
    "lt": lambda parts: np.asarray(parts[0] < parts[1]),
    "gt": lambda parts: np.asarray(parts[0] > parts[1]),
    "near": lambda parts: np.asarray(np.abs(parts[0] - parts[1]) <= parts[2]),
    "eq": lambda parts: np.asarray(np.abs(parts[0] - parts[1]) < _SAME_COUNT),
    "same": lambda parts: np.asarray(parts[0] == parts[1]),
    "not": lambda parts: ~parts[0],
    "and": lambda parts: np.all(parts, axis=0),
    "or": lambda parts: np.any(parts, axis=0),
}


def usable(numbers: FloatArray) -> npt.NDArray[np.bool_]:
    """Which numbers are neither infinite nor so large that they come from a division by what may be zero."""
    return np.asarray(np.abs(numbers) < _LARGEST)


def around(angles: FloatArray, middle: FloatArray) -> FloatArray:
    """Angles, radians, each turned by whole turns until it is within half a turn of ``middle``: in (middle - pi, middle + pi]."""
    return np.asarray(middle - np.mod(middle - angles + np.pi, 2 * np.pi) + np.pi)


def folded(op: str, parts: Array, kept: npt.NDArray[np.bool_], rank: int) -> Array:
    """An operator over the members of a set.

    Args:
        parts: (M, N + 1) each member's number or truth.
        kept: (M, N + 1) whether it belongs to the set.

    Returns:
        (N + 1,) number or truth; for argmin and argmax the row, -1 where there are fewer than ``rank`` members. The least, the
        greatest and the mean of nothing are not finite.
    """
    if op == "count":
        return np.asarray(np.sum(kept & parts, axis=0, dtype=np.float64))
    if op == "any":
        return np.asarray(np.any(kept & parts, axis=0))
    if op == "all":
        return np.asarray(np.all(~kept | parts, axis=0))
    sizes = kept.sum(axis=0)
    if op in ("sum", "mean"):
        total = np.where(kept, parts, 0.0).sum(axis=0)
        return np.asarray(total if op == "sum" else np.where(sizes > 0, total / np.maximum(sizes, 1), np.nan))
    largest = op in ("max", "argmax")
    ordered = np.where(kept, -parts if largest else parts, np.inf)
    if op in ("min", "max"):
        least = ordered.min(axis=0)
        return np.asarray(-least if largest else least)
    rows = np.argmin(ordered, axis=0) if rank == 1 else np.argsort(ordered, axis=0, kind="stable")[min(rank, len(parts)) - 1]
    return np.where(sizes >= rank, rows, -1)
