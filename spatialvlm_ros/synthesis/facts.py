"""What is true between the things of one picture, measured once each and told in all the ways that one measurement allows.

The numbers are the registry's (``scene/relations.py``) and no others: the five comparisons of a dimension and the signed
differences along it read one margin, and a fact of two things in the other order is the same one with its sign turned. Never
changes: ``Told`` equals what ``language.answers.measure_query`` gives for the query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..scene.dimensions import DIMENSIONS
from ..scene.facts import METRE, PROBABILITY, Status, truth_from_margin
from ..scene.relation import Measurement
from ..scene.relations import RELATIONS
from ..scene.scene import Scene
from .unseen import POINTS, Unseen, needs_unseen
from .unseen_places import is_place_unseen

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

# The registry begins with the paper's types.
PAPER_TYPES = tuple(RELATIONS)[:43]
# Of ours: what needs neither a robot nor a description of many things.
MORE_TYPES = tuple(
    name for name, relation in RELATIONS.items() if name not in PAPER_TYPES and not relation.of_all and name != "held"
)

# Word -> (its dimension, the sign of the dimension's margin that it means).
_SIDES = {
    word: ("_or_".join(dimension.words), sign)
    for dimension in DIMENSIONS
    for word, sign in zip(dimension.words, (1.0, -1.0), strict=True)
}
_POSITIONS = frozenset(name for dimension in DIMENSIONS if not dimension.of_size for name in ("_or_".join(dimension.words),))
_OF_MARGIN = {
    "left_difference": ("left_or_right", 1.0),
    "right_difference": ("left_or_right", -1.0),
    "behind_difference": ("behind_or_front", 1.0),
    "front_difference": ("behind_or_front", -1.0),
}
_SIGNED = (*_OF_MARGIN, "above_difference", "below_difference")
_SYMMETRIC = ("distance", "gap", "horizontal_distance", "vertical_distance", "path_width")
# A gap that is smaller than the one between what is seen of two things by more than this share is between guessed surfaces.
_SEEN_SHARE = 0.1
# ... and so is one that is another by so much, or such a share, where what is hidden is guessed in another way.
_MIRRORED_M, _MIRRORED_SHARE = 0.005, 0.05
# Below this a length is said as nothing.
NOTHING_M = 0.0005


@cache
def dimension_of(relation: str) -> tuple[str, float] | None:
    """(dimension, sign) of a comparison or a signed difference: which margin it reads, and turned which way."""
    if relation in _OF_MARGIN:
        return _OF_MARGIN[relation]
    if relation in ("above_difference", "below_difference"):
        return "above_or_below", 1.0 if relation == "above_difference" else -1.0
    if relation.count("_or_") == 1:
        return relation, 1.0
    return _SIDES.get(relation.removeprefix("which_"))


@dataclass(frozen=True)
class Told:
    """A fact as it is told: before rounding.

    Attributes:
        value: in the relation's unit; of a comparison the probability (of the first).
        std: NaN for a probability.
        verdict: as ``answer_templates`` takes it: whether it holds, is the first, or is not on the other side; None for what is
            too close to call.
    """

    value: float
    std: float
    verdict: bool | None
    status: Status = Status.OK


@dataclass(frozen=True)
class FactLimits:
    """Which facts are certain enough to be told.

    Attributes:
        max_relative_std, max_std_m: a length that errs by more than both is not told: it would be rounded to what is not so.
        max_std_rad: the same of a direction.
        min_sigmas: a comparison that is decided (by two standard deviations) is told from so many on, and a signed difference is
            so far from 0: of those that are told at two, one in forty near the limit is wrong.
        unsure: tell what is too close to call.
    """

    max_relative_std: float = 0.25
    max_std_m: float = 0.02
    max_std_rad: float = math.radians(15.0)
    min_sigmas: float = 3.0
    unsure: bool = True


class SceneFacts:
    """The facts of a scene's objects, by their indices. Each is measured once. What rests on the ``unseen`` is not told."""

    def __init__(self, scene: Scene, limits: FactLimits, unseen: Unseen | None = None) -> None:
        self._scene = scene
        self._unseen = unseen or Unseen()
        self._limits = limits
        self._seen: dict[int, cKDTree] = {}
        self._mirrored: dict[int, cKDTree] = {}
        self._known: dict[tuple[str, int, int], Measurement] = {}

    def told(self, relation: str, indices: Sequence[int], amount: float = 0.0) -> Told | str:
        """The fact, or the cause why it is not told: "fact_not_canonical", "fact_no_value", "fact_too_uncertain",
        "fact_barely_decided", "fact_side_unsure", "fact_below_zero", "fact_unsure", "fact_hidden_part".
        """
        found = RELATIONS[relation]
        if found.needs_canonical and self._scene.canonical is None:
            return "fact_not_canonical"
        if needs_unseen(relation, indices, self._unseen):
            return "fact_hidden_part"
        if found.unit == PROBABILITY:
            return self._comparison(relation, indices, amount)
        number = self._place(relation, indices, amount) if relation in POINTS else self._number(relation, indices, amount)
        if number is None:
            return "fact_hidden_part"
        value, std, status = number
        if not math.isfinite(value):
            return "fact_no_value"
        if relation == "gap" and (
            self._seen_gap(*indices) - value > max(self._limits.max_std_m, _SEEN_SHARE * value)
            or abs(self._mirrored_gap(*indices) - value) > max(_MIRRORED_M, _MIRRORED_SHARE * value)
        ):
            return "fact_hidden_part"
        return self._certain(relation, found.unit, Told(value, std, True, status))

    def _seen_gap(self, i: int, j: int) -> float:
        """The gap between what is seen of two things, metres; 0 where nothing is."""
        i, j = sorted((i, j))
        points = self._scene.objects[i].points
        if not len(points) or not len(self._scene.objects[j].points):
            return 0.0
        if j not in self._seen:
            from scipy.spatial import cKDTree

            self._seen[j] = cKDTree(self._scene.objects[j].points)
        return float(np.min(self._seen[j].query(points)[0]))

    def _mirrored_gap(self, i: int, j: int) -> float:
        """The gap between two things if what is hidden of them is what a mirror in their middles would show, metres.

        That is the same as what the registry takes it for where a thing is a box, a can or a ball, and seen on all sides that
        count; where the two differ one of them, or both, are wrong.
        """
        i, j = sorted((i, j))
        if j not in self._mirrored:
            from scipy.spatial import cKDTree

            self._mirrored[j] = cKDTree(self._scene.objects[j].mirrored)
        return float(np.min(self._mirrored[j].query(self._scene.objects[i].mirrored)[0]))

    def _comparison(self, relation: str, indices: Sequence[int], amount: float) -> Told | str:
        side = dimension_of(relation)
        if side is None:
            measured = self._measure(relation, indices, amount)
            margin, std = (math.nan, math.nan) if measured.margin is None else measured.margin[:2]
            status = measured.status or Status.OK
        else:
            margin, std = self._margin(side[0], indices[0], indices[1])
            margin, status = side[1] * margin, Status.OK
        truth = truth_from_margin(margin, std)
        if truth.verdict is None and not self._may_be_close(side, indices, std):
            return "fact_unsure" if not self._limits.unsure else "fact_too_uncertain"
        if truth.verdict is not None and abs(margin) < self._limits.min_sigmas * std:
            return "fact_barely_decided"
        return Told(truth.probability, math.nan, truth.verdict, status)

    def _may_be_close(self, side: tuple[str, float] | None, indices: Sequence[int], std: float) -> bool:
        """Whether "too close to call" is true of the things, and not of the measurement alone."""
        if not self._limits.unsure:
            return False
        if std <= self._limits.max_std_m:
            return True
        a, b = self._scene.objects[indices[0]], self._scene.objects[indices[1]]
        if side is not None and side[0] in _POSITIONS:
            scale = float(np.linalg.norm(a.centre - b.centre))
        else:
            scale = float(np.cbrt(np.prod(a.extents)) + np.cbrt(np.prod(b.extents))) / 2
        return std <= self._limits.max_relative_std * scale

    def _number(self, relation: str, indices: Sequence[int], amount: float) -> tuple[float, float, Status]:
        if relation in _OF_MARGIN:
            dimension, sign = _OF_MARGIN[relation]
            margin, std = self._margin(dimension, indices[0], indices[1])
            return sign * margin, std, Status.OK
        if relation in _SYMMETRIC:
            measured = self._measure(relation, sorted(indices), amount)
        elif relation in ("above_difference", "below_difference"):
            low, high = sorted(indices)
            measured = self._measure("above_difference", (low, high), 0.0)
            turned = (low != indices[0]) != (relation == "below_difference")
            return (-measured.value if turned else measured.value), measured.std, measured.status or Status.OK
        else:
            measured = self._measure(relation, indices, amount)
        return measured.value, measured.std, measured.status or Status.OK

    def _place(self, relation: str, indices: Sequence[int], amount: float) -> tuple[float, float, Status] | None:
        """How far the nearest surface to a point is; None where a nearer one may not show."""
        measured, frame = self._measure(relation, indices, amount), self._scene.frame
        places = measured.subject_point, measured.object_point
        if frame is not None and math.isfinite(measured.value) and is_place_unseen(frame, self._scene.support_plane, *places):
            return None
        return measured.value, measured.std, measured.status or Status.OK

    def _certain(self, relation: str, unit: str, told: Told) -> Told | str:
        limits, size = self._limits, abs(told.value)
        if unit != METRE:
            return told if told.std <= limits.max_std_rad else "fact_too_uncertain"
        if not told.std <= max(limits.max_std_m, limits.max_relative_std * size):
            return "fact_too_uncertain"
        if relation in _SIGNED:
            if size < max(limits.min_sigmas * told.std, NOTHING_M):
                return "fact_side_unsure"
            return Told(told.value, told.std, told.value > 0, told.status)
        if told.value < -max(2 * told.std, NOTHING_M):
            return "fact_below_zero"
        return told

    def _margin(self, dimension: str, i: int, j: int) -> tuple[float, float]:
        """The dimension's margin and its deviation, metres. Measured in one order, so that the other one is its opposite."""
        margin = self._measure(dimension, (i, j) if i < j else (j, i), 0.0).margin
        if margin is None:
            return math.nan, math.nan
        return (margin.value if i < j else -margin.value), margin.std

    def _measure(self, relation: str, indices: Sequence[int], amount: float) -> Measurement:
        pair = (relation, indices[0], indices[1] if len(indices) == 2 else -1)
        # Three things and lengths to ask about are drawn anew for each question.
        keep = len(indices) < 3 and not amount
        if keep and pair in self._known:
            return self._known[pair]
        things = [self._scene.objects[index] for index in indices]
        measured = RELATIONS[relation].measure(self._scene, *things, *([amount] if RELATIONS[relation].takes_amount else []))
        if keep:
            self._known[pair] = measured
        return measured
