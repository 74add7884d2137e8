"""Whether the things that a task goes by still are where they were: a robot must not bring the goal to the thing instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..scene.facts import SpatialFact, Status
from .readings import BREAK_SIGMAS
from .task import OF_CENTRES, TaskSpec

FloatArray = npt.NDArray[np.float64]
# The first place is the median of so many images; so many in a row tell that a thing has moved, or is back.
_FRAMES = 5


@dataclass
class _Anchor:
    first: list[FloatArray] = field(default_factory=list)
    place: FloatArray | None = None
    moved_m: float = 0.0
    streak: int = 0
    displaced: bool = False


class Anchors:
    """The anchored things of one episode. Facts without points, or of another frame than the first, tell nothing."""

    def __init__(self, task: TaskSpec) -> None:
        self._tolerance_m = task.anchor_tolerance_m
        self._anchors = {name: _Anchor() for name in task.anchored}
        self._frame_id = ""

    @property
    def displaced(self) -> tuple[str, ...]:
        """Names of the things that have been moved away."""
        return tuple(name for name, anchor in self._anchors.items() if anchor.displaced)

    def moved_m(self, name: str) -> float:
        """How far a thing was from its first place when it was last seen, metres."""
        return self._anchors[name].moved_m

    def update(self, facts: Iterable[SpatialFact]) -> None:
        """Look where the things are on one image."""
        if not self._anchors:
            return
        seen: dict[str, tuple[FloatArray, float]] = {}
        for fact in facts:
            if fact.status is not Status.OK or fact.query.relation not in OF_CENTRES or fact.query.view:
                continue
            self._frame_id = self._frame_id or fact.frame_id
            if fact.frame_id != self._frame_id:
                continue
            points = ((fact.query.subject, fact.subject_point), (fact.query.object, fact.object_point))
            for name, point in points:
                if name in self._anchors and name not in seen and np.isfinite(point).all():
                    seen[name] = point, fact.std if np.isfinite(fact.std) else 0.0
        for name, (point, std) in seen.items():
            self._look(self._anchors[name], point, std)

    def _look(self, anchor: _Anchor, point: FloatArray, std: float) -> None:
        if anchor.place is None:
            anchor.first.append(point)
            if len(anchor.first) < _FRAMES:
                return
            anchor.place = np.median(anchor.first, axis=0)
        anchor.moved_m = float(np.linalg.norm(point - anchor.place))
        against = anchor.moved_m <= self._tolerance_m
        if not anchor.displaced:
            against = anchor.moved_m > self._tolerance_m + BREAK_SIGMAS * std
        anchor.streak = anchor.streak + 1 if against else 0
        if anchor.streak >= _FRAMES:
            anchor.displaced, anchor.streak = not anchor.displaced, 0
