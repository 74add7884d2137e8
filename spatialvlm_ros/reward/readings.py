"""Facts of one image as a task reads them: usable or not, filtered, and put into its constraints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..scene.facts import PROBABILITY, Query, SpatialFact, Status, Truth, truth_from_margin
from ..scene.relations import RELATIONS
from .potential import MedianFilter
from .task import Constraint, TaskSpec
from .trees import Reading, read_tree

# A guard breaks only when it is violated beyond doubt, as predicates are judged by two standard deviations.
BREAK_SIGMAS = 2.0


# From this probability on a thing counts as being between the fingers, and below that one no more.
_GRASPED, _LET_GO = 0.8, 0.5
# A hidden thing whose remembered place has changed by this much is taken to be carried.
_MOVED_M = 0.03


def usable(fact: SpatialFact, stale: bool = False) -> bool:
    """Measured, or hidden with its last place; finite, with a unit that fits and an honest std.

    ``stale``: also what is hidden for long.
    """
    known = (Status.OK, Status.OCCLUDED, Status.STALE) if stale else (Status.OK, Status.OCCLUDED)
    if fact.status not in known or not math.isfinite(fact.value):
        return False
    if fact.unit != RELATIONS[fact.query.relation].unit:
        return False
    return fact.unit == PROBABILITY or (math.isfinite(fact.std) and fact.std >= 0.0)


class Readings:
    """What one image says about a task's constraints; each is worked out once."""

    def __init__(self, by_query: Mapping[Query, Reading]) -> None:
        self._by_query = by_query
        self._known: dict[Constraint, Reading | None] = {}

    def find(self, constraint: Constraint) -> Reading | None:
        """The reading of a constraint, or None when it lacks a fact."""
        if constraint.query is not None:
            return self._by_query.get(constraint.query)
        if constraint not in self._known:
            self._known[constraint] = read_tree(constraint.tree, self._by_query)
        return self._known[constraint]

    def of(self, constraint: Constraint) -> Reading:
        """The reading of a constraint that is known to have one. Raises KeyError."""
        reading = self.find(constraint)
        if reading is None:
            raise KeyError(str(constraint))
        return reading

    def have(self, constraints: Sequence[Constraint]) -> bool:
        return all(self.find(constraint) is not None for constraint in constraints)

    def hidden(self, constraints: Sequence[Constraint]) -> bool:
        """Whether one of them goes by a thing that is not seen on this image."""
        return any(self.of(constraint).hidden for constraint in constraints)

    def error(self, constraint: Constraint) -> float:
        """Signed error of the filtered value."""
        return constraint.signed_error(self.of(constraint).value)

    def met(self, constraint: Constraint, slack: float = 0.0) -> bool:
        return self.error(constraint) <= slack

    def broken(self, constraint: Constraint) -> bool:
        """Violated beyond its tolerance and beyond doubt."""
        return self.error(constraint) > constraint.tolerance + BREAK_SIGMAS * self.of(constraint).std


class FactFilter:
    """A causal median over each fact that a task asks for. Other facts are ignored.

    What is hidden for long counts only where it is known what the gripper did. A thing that was seen between the fingers moves
    with them, and so does one whose hidden place moves: that is what the facts' memory says of a thing that went out of sight
    between the fingers. One of which neither is so lies where it was, until the gripper comes to its place: from then on nobody
    knows, until it is seen.
    """

    def __init__(self, task: TaskSpec) -> None:
        # Two nominal steps for each value let a slower camera fill the window as well.
        window_ns = int(2e9 * task.nominal_dt_s * task.filter_frames)
        self._filters = {query: MedianFilter(task.filter_frames, window_ns) for query in task.queries()}
        self._graspable = frozenset(query.subject for query in task.queries() if query.relation == "held")
        self._grasped: frozenset[str] = frozenset()
        self._doubtful: frozenset[str] = frozenset()
        self._seen_at: dict[str, npt.NDArray[np.float64]] = {}

    def read(self, stamp_ns: int, facts: Iterable[SpatialFact]) -> Readings:
        """The readings of one image; of two facts for one query the first counts."""
        facts = list(facts)
        self._remember_grasp(facts)
        found: dict[Query, Reading] = {}
        for fact in facts:
            known = self._filters.get(fact.query)
            if known is None or fact.query in found or not usable(fact, self._may_be_stale(fact)):
                continue
            std = 0.0 if fact.unit == PROBABILITY else fact.std
            hidden = fact.status is not Status.OK
            value = fact.value
            if hidden and fact.query.relation == "held" and fact.query.subject in self._grasped:
                value = 1.0  # the growing doubt about where it is exactly is none about whether it is carried
            found[fact.query] = Reading(fact.value, known.add(stamp_ns, value), std, hidden)
        return Readings(found)

    def _may_be_stale(self, fact: SpatialFact) -> bool:
        names = self._graspable.intersection(fact.query.names)
        return bool(names & self._grasped) or (bool(names) and not names & self._doubtful)

    def _remember_grasp(self, facts: Sequence[SpatialFact]) -> None:
        """Which things are between the fingers, and which may be."""
        held = [fact for fact in facts if fact.query.relation == "held" and fact.status.has_value]
        seen = {fact.query.subject for fact in held if fact.status is Status.OK}
        closed = {fact.query.subject for fact in held if fact.value >= _GRASPED}
        open_ = {fact.query.subject for fact in held if fact.value < _LET_GO}
        carried = {fact.query.subject for fact in held if fact.status is not Status.OK and self._has_moved(fact)}
        self._seen_at |= {fact.query.subject: fact.subject_point for fact in held if fact.status is Status.OK}
        self._grasped = (self._grasped - (seen & open_)) | (seen & closed) | carried
        self._doubtful = (self._doubtful | closed) - seen - self._grasped

    def _has_moved(self, fact: SpatialFact) -> bool:
        """Whether a hidden thing is no more where it was seen last; False where points are not given."""
        before = self._seen_at.get(fact.query.subject)
        return before is not None and float(np.linalg.norm(fact.subject_point - before)) > _MOVED_M


def truth_of(constraint: Constraint, facts: Iterable[SpatialFact]) -> Truth | None:
    """How probable it is, by the facts of one image, that a constraint holds; None where it lacks a usable fact.

    For planners: the guard of a plan is the same tree as the reward's, judged by the same facts. Where a probability or a number
    is wanted, it is whether the thing is so, or the limit kept, that counts; tolerances are not taken into account.
    """
    found = {fact.query: Reading(fact.value, fact.value, _std(fact)) for fact in facts if usable(fact)}
    reading = Readings(found).find(constraint)
    if reading is None:
        return None
    if constraint.unit == PROBABILITY:
        return Truth(reading.value if constraint.signed_error(1.0) < constraint.signed_error(0.0) else 1.0 - reading.value)
    error = constraint.signed_error(reading.value)
    return truth_from_margin(-error, reading.std) if reading.std > 0.0 else Truth(float(error <= 0.0))


def verdict(constraint: Constraint, facts: Iterable[SpatialFact]) -> bool | None:
    """``truth_of`` as true or false by two standard deviations; None for what is too close to call, or not known."""
    truth = truth_of(constraint, facts)
    return None if truth is None else truth.verdict


def _std(fact: SpatialFact) -> float:
    return 0.0 if fact.unit == PROBABILITY else fact.std
