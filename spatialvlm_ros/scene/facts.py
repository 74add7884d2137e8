"""Facts and their numbers: value, standard deviation, unit, source, status.

The enumerations carry the numbers of spatialvlm_msgs/SpatialFact; a test keeps the two equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt


class Source(IntEnum):
    """Where a value comes from."""

    UNKNOWN = 0
    DEPTH = 1
    VLM = 2
    FUSED = 3
    TF = 4
    GROUND_TRUTH = 5


class Status(IntEnum):
    """What became of a measurement."""

    UNKNOWN = 0
    OK = 1
    OCCLUDED = 2
    NO_DEPTH = 3
    NOT_FOUND = 4
    AMBIGUOUS = 5
    STALE = 6
    NO_TRANSFORM = 7
    NOT_CANONICAL = 8
    BAD_QUERY = 9

    @property
    def has_value(self) -> bool:
        return self in (Status.OK, Status.OCCLUDED, Status.STALE)


METRE, RADIAN, PROBABILITY, COUNT = "m", "rad", "probability", "count"
# Two to one on: from there on "likely" in the calibrated language of the IPCC (Mastrandrea et al., guidance note, 2010).
_PROBABLE = 2 / 3


@dataclass(frozen=True)
class Truth:
    """Probability that a predicate holds; a verdict only beyond the stated band."""

    probability: float
    # 2.3 % and 97.7 % are where a margin of two standard deviations puts a Gaussian.
    band: tuple[float, float] = (0.0228, 0.9772)

    @property
    def verdict(self) -> bool | None:
        """True, False, or None for too close to call."""
        if self.probability >= self.band[1]:
            return True
        return False if self.probability <= self.band[0] else None

    @property
    def likelier(self) -> bool | None:
        """What a question gets for an answer, said with "probably" where it is no verdict: the side that is two to one on, or
        more; None for too close to call. Nothing that acts goes by it.
        """
        if self.verdict is not None or max(self.probability, 1 - self.probability) < _PROBABLE:
            return self.verdict
        return self.probability > 0.5


def truth_from_margin(margin: float, std: float) -> Truth:
    """Truth of "margin > 0" for a margin with Gaussian error ``std``, both in one unit."""
    return Truth(probability_above(margin, std))


def probability_above(margin: float, std: float) -> float:
    """Probability of "margin > 0", as of ``truth_from_margin``."""
    if not (math.isfinite(margin) and math.isfinite(std)):
        return 0.5
    return 0.5 * (1 + math.erf(margin / max(std, 1e-9) / math.sqrt(2)))


@dataclass(frozen=True, order=True)
class Query:
    """One relation to be measured, by names.

    Attributes:
        object, third: "" for relations of fewer things.
        amount: metres, for relations that take a length (radius of "reachable", offset of "point_above"); else 0.
        view: whose left, right, front and behind: "" the camera's, "canonical", or a tf frame.
    """

    relation: str
    subject: str
    object: str = ""
    third: str = ""
    amount: float = 0.0
    view: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that are not empty."""
        return tuple([name for name in (self.subject, self.object, self.third) if name])

    def __str__(self) -> str:
        parts = [*self.names, *([f"{self.amount:g} m"] if self.amount else [])]
        return f"{self.relation}({', '.join(parts)})" + (f" seen from {self.view}" if self.view else "")


_NO_POINT: npt.NDArray[np.float64] = np.full(3, np.nan)


def _no_point() -> npt.NDArray[np.float64]:
    return _NO_POINT.copy()


@dataclass(frozen=True)
class SpatialFact:
    """One measured relation on one image.

    ``value`` is a number in ``unit``, or the probability of a predicate (``unit`` "probability", ``std`` NaN). Both are NaN
    unless ``status.has_value``. Points (3,) are in ``frame_id``, metres. ``doubt`` is a sentence on what had to be supposed for
    there to be a value (reasoning/supposed.py), which ``text`` holds as well; "" for nothing.
    """

    query: Query
    status: Status
    source: Source
    stamp_ns: int
    frame_id: str
    value: float = math.nan
    std: float = math.nan
    unit: str = METRE
    subject_point: npt.NDArray[np.float64] = field(default_factory=_no_point)
    object_point: npt.NDArray[np.float64] = field(default_factory=_no_point)
    text: str = ""
    doubt: str = ""

    @property
    def truth(self) -> Truth:
        """The predicate's truth; probability 0.5 (nothing known) where there is no value."""
        return Truth(self.value if self.unit == PROBABILITY and math.isfinite(self.value) else 0.5)
