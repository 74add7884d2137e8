"""A vision-language model as one more source of facts: its number joins depth's by their variances, behind a gate.

The model says which and what, depth says how far. So a model's number only ever sharpens depth's or stands in where depth has
none; where the two disagree beyond the gate depth's stays, and the disagreement is said. A verdict of depth's is never turned: a
model that has learnt from depth's own measurements how right they are may only be surer of the same side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..expressions.leaves import Measure
from ..geometry.rigid import RigidTransform
from ..language.answers import check_query, measure_with_error
from ..language.sentences import fact_sentence, number
from ..scene.facts import PROBABILITY, RADIAN, Query, Source, SpatialFact, Status
from ..scene.relation import Measurement, Reckoned, scaled
from ..scene.relations import RELATIONS
from ..scene.scene import Scene

# Standard deviations of their difference beyond which two numbers do not speak of one thing.
GATE = 3.0
# Of a comparison, depth's margin in its standard deviations and the model's probability: the probability by both; None where that
# is not known.
Joined = Callable[[Query, float, float], float | None]
# What a model may stand in for. An ambiguous name or a bad query it does not cure.
_LACKING = (Status.NO_DEPTH, Status.NOT_FOUND, Status.NOT_CANONICAL)


@dataclass(frozen=True)
class Said:
    """What a model says: a value in the relation's unit with one standard deviation, learnt on held-out data; or for a predicate
    the probability that it holds, with ``std`` NaN.

    Raises ValueError for numbers that are not finite, a std that is not above 0, a probability outside [0, 1].
    """

    value: float
    std: float = math.nan

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.std <= 0 or math.isinf(self.std):
            raise ValueError(
                f"a model said {self.value} with standard deviation {self.std}; both have to be finite, the last above 0"
            )
        if math.isnan(self.std) and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"a model said {self.value} without a standard deviation, which is no probability from 0 to 1")


def with_model(
    said: Callable[[Scene, Query], Said | None],
    measure: Measure = measure_with_error,
    gate: float = GATE,
    *,
    joined: Joined | None = None,
    reads_depth: bool = False,
) -> Measure:
    """``measure`` with a model's answers beside it. ``said`` gives None for what the model does not know.

    ``reads_depth``: the model's numbers start from the very measurements that they are joined with; see ``fuse`` and ``surer``,
    which ``joined`` is for.
    """

    def measure_both(
        scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
    ) -> tuple[SpatialFact, Measurement | None]:
        fact, measurement = measure(scene, query, output)
        if check_query(query) is not None:
            return fact, measurement
        told = said(scene, query)
        if told is None or (fact.unit == PROBABILITY) is not math.isnan(told.std):
            return fact, measurement
        if measurement is None or not fact.status.has_value:
            return _of_model(fact, told) if fact.status in _LACKING else (fact, measurement)
        if fact.unit == PROBABILITY:
            return surer(fact, measurement, told, joined) if reads_depth else (fact, measurement)
        return fuse(fact, measurement, told, gate, reads_depth=reads_depth)

    return measure_both


def fuse(
    fact: SpatialFact, measurement: Measurement, told: Said, gate: float = GATE, *, reads_depth: bool = False
) -> tuple[SpatialFact, Measurement]:
    """Depth's number and a model's, weighted by their inverse variances.

    Beyond ``gate`` standard deviations of their difference depth's stays as it is and its sentence says so. With ``reads_depth``
    both err together: the number is the weighted mean all the same, which errs less than either, and the deviation stays depth's.
    A model that sees of a measurement no more than depth's own deviation knows no better how far off that is.
    """
    apart = told.value - measurement.value
    if fact.unit == RADIAN:
        apart = math.remainder(apart, 2 * math.pi)  # straight behind is pi and -pi
    spread = math.hypot(measurement.std, told.std)
    if abs(apart) > gate * spread:
        said = number(told.value, told.std, fact.unit)
        text = f"{fact.text} The model says {said}, {abs(apart) / spread:.1f} sigma off; not used."
        return replace(fact, text=text), measurement
    share = told.std**2 / spread**2  # of depth
    value = measurement.value + (1 - share) * apart
    kept, std = (1.0, measurement.std) if reads_depth else (share, measurement.std * told.std / spread)
    if fact.unit == RADIAN:
        value = math.remainder(value, 2 * math.pi)
    text = f"{fact.text} With the model's {number(told.value, told.std, fact.unit)}: {number(value, std, fact.unit)}."
    fused = replace(measurement, value=value, std=std, error=scaled(measurement.error, kept))
    return replace(fact, value=value, std=std, source=Source.FUSED, text=text), fused


def surer(
    fact: SpatialFact, measurement: Measurement, told: Said, joined: Joined | None = None
) -> tuple[SpatialFact, Measurement]:
    """Depth's verdict, or that of a model that reads depth where both see the same side and the model is surer of it.

    ``joined`` says what the two are worth together where that was fitted; else it is the model's own word.

    Depth's deviations have to cover the few things that are measured far worse than they look, so that its verdicts are right
    more often than its margins in them say; the model's probability was fitted to how often such verdicts are right on held-out
    things.
    """
    margin = measurement.margin
    if margin is None or not (math.isfinite(margin.value) and margin.std > 0):
        return fact, measurement
    together = joined(fact.query, margin.value / margin.std, told.value) if joined is not None else None
    probability = told.value if together is None else together
    own = _z_of(probability)
    if own * margin.value <= 0 or abs(own) * margin.std <= abs(margin.value):
        return fact, measurement
    std = margin.value / own
    sharper = Reckoned(margin.value, std, scaled(margin.error, std / margin.std))
    known = replace(measurement, value=probability, margin=sharper, error=sharper.error)
    fused = replace(fact, value=probability, source=Source.FUSED)
    text = fact_sentence(fused, RELATIONS[fact.query.relation], known)
    if (alone := _less_sure(fact, fused)) is not None:
        text += f" (By depth alone it is {alone}: {max(fact.value, 1 - fact.value):.0%}.)"
    return replace(fused, text=text), known


def _less_sure(fact: SpatialFact, fused: SpatialFact) -> str | None:
    """In words, how much less sure a verdict is than another one; None where a sentence says the same of both."""
    if fact.truth.likelier is None:
        return None if fused.truth.likelier is None else "too close to call"
    return "probable" if fact.truth.verdict is None and fused.truth.verdict is not None else None


def _of_model(fact: SpatialFact, told: Said) -> tuple[SpatialFact, Measurement]:
    """The model's word alone, where depth has none; its text keeps depth's reason."""
    if fact.unit == PROBABILITY:
        margin = Reckoned(_z_of(told.value), 1.0)
        measurement = Measurement(told.value, math.nan, margin=margin)
        said = f"the model gives it {told.value:.0%}"
    else:
        measurement = Measurement(told.value, told.std)
        said = f"the model says {number(told.value, told.std, fact.unit)}"
    text = f"{RELATIONS[fact.query.relation].name}: {said} (by depth: {fact.text})"
    return replace(fact, status=Status.OK, source=Source.VLM, value=told.value, std=told.std, text=text), measurement


def _z_of(probability: float) -> float:
    """The margin in standard deviations that a probability stands for."""
    from scipy.special import ndtri

    return float(np.clip(ndtri(min(max(probability, 0.0), 1.0)), -8.0, 8.0))
