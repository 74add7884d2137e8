"""One image's names through a model, in the order that ids allow: what can be asked before things have ids, and what only after.

A region that the model found itself must be measured and tracked with the others, so names that are known to need a look are
asked for first. A name whose bearer turns out to be lost on this very image is asked for when ids are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..scene.frame import BoolArray, Region
from .interface import Gripper, Grounding, View
from .judge import LIKELY, PARTED, NameJudge, regions_of

# A region of the model's own that is mostly one that was proposed is that one.
_SAME = 0.5
# What is less likely to be there than this is not.
_ABSENT = 0.1


class ModelNames:
    """One stream of images; its methods are called in turn for each: ``start``, then ``finish``."""

    def __init__(self, judge: NameJudge) -> None:
        self.judge = judge
        self.clear()

    def clear(self) -> None:
        """Forget everything, as after a jump of time."""
        self.judge.clear()
        self._seen: tuple[int, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._said: list[Grounding] = []
        self._asked: list[str] = []
        self._wholes: list[Region] = []

    def start(self, view: View, names: Sequence[str], bearers: Mapping[str, int], stamp_ns: int) -> list[Region]:
        """Ask for the names that are known to need it; gives the regions that are none of the proposals."""
        self._said, self._asked, self._wholes = [], [], []
        if self.judge.config.own_pace:
            self.judge.collect(stamp_ns)
            return []
        self.judge.looks.clear()
        self._asked = self._due(names, bearers, self._seen, self._hidden, stamp_ns)
        self._said = self.judge.ground(view, self._asked, stamp_ns)
        # What the model itself holds to be absent must not become a thing.
        there = [said for said in self._said if said.present >= LIKELY]
        return _different([region for said in there for region, index in regions_of(said) if index < 0 and _is_new(region, view)])

    def may_mean(self, name: str, region: Region) -> bool:
        """Whether a name vouches for a part of a region (perception/named_parts.py): not where the model, asked by ``start``,
        takes for certain that nothing answers to it, or finds that something else answers to it best.
        """
        said = next((said for said in self._said if said.name == name and said.understood), None)
        if said is None:
            return True
        return said.present >= _ABSENT and (not said.regions or _overlap(said.regions[0].mask, region.mask) >= _SAME)

    def parted(self, region: Region) -> None:
        """A proposed region is two things by their names: the model spoke of them as one, so words say which is which."""
        self._wholes.append(region)

    def finish(
        self,
        view: View,
        names: Sequence[str],
        bearers: Mapping[str, int],
        ids: Sequence[int],
        own: Sequence[tuple[Region, int]],
        hidden: Sequence[int],
        stamp_ns: int,
    ) -> None:
        """Note what was said, by ids, and ask for what turned out to need it.

        Args:
            ids: of the view's proposals, 0 for one that could not be measured.
            own: regions of ``start`` that could be measured, with their ids.
        """
        wholes = {id(whole) for whole in self._wholes}
        known = [PARTED if id(each) in wholes else thing for each, thing in zip(view.proposals, ids, strict=True)]
        matched = {id(region): _id_of(region, own, view, ids) for g in self._said for region, at in regions_of(g) if at < 0}
        self.judge.keep(self._said, known, {key: thing for key, thing in matched.items() if thing}, stamp_ns)
        seen = [thing for thing in (*ids, *(thing for _, thing in own)) if thing]
        # What is asked for now finds no regions of its own; the next image is for these.
        due = [name for name in self._due(names, bearers, seen, frozenset(hidden), stamp_ns) if name not in self._asked]
        if self.judge.config.own_pace:
            self.judge.begin(view, due, known, stamp_ns)
        else:
            self.judge.keep(self.judge.ground(view, due, stamp_ns), known, {}, stamp_ns)
        # Without its own: nobody but the model proposes these, so that they are asked for first each time.
        self._seen, self._hidden = tuple(thing for thing in ids if thing), frozenset(hidden)

    def gripper(self, view: View, stamp_ns: int) -> Gripper | None:
        """The robot's gripper by the image alone; None where the model does not see one, or works at its own pace."""
        if self.judge.config.own_pace or not self.judge.may_look(stamp_ns):
            return None
        try:
            found = self.judge.looks.at(view).gripper()
        except Exception as error:  # as in judge.py
            self.judge.failed(error, stamp_ns)
            return None
        if found is None or found.present < LIKELY or not np.isfinite([*found.tip, *found.covariance.ravel()]).all():
            return None
        return found

    def _due(
        self, names: Sequence[str], bearers: Mapping[str, int], seen: Sequence[int], hidden: frozenset[int], stamp_ns: int
    ) -> list[str]:
        judge = self.judge
        return [n for n in names if judge.is_due(n, stamp_ns, seen, bearers.get(n), bearers.get(n) in hidden)]


def _is_new(region: Region, view: View) -> bool:
    return all(_overlap(region.mask, proposal.mask) < _SAME for proposal in view.proposals)


def _different(regions: Sequence[Region]) -> list[Region]:
    kept: list[Region] = []
    for region in regions:
        if all(_overlap(region.mask, other.mask) < _SAME for other in kept):
            kept.append(region)
    return kept


def _id_of(region: Region, own: Sequence[tuple[Region, int]], view: View, ids: Sequence[int]) -> int:
    """The id of a region that the model found itself: of the measured one, or of the proposal, that it overlaps; else 0."""
    known = [*own, *zip(view.proposals, ids, strict=True)]
    return next((thing for other, thing in known if thing and _overlap(region.mask, other.mask) >= _SAME), 0)


def _overlap(mask: BoolArray, other: BoolArray) -> float:
    return float(np.count_nonzero(mask & other)) / max(int(np.count_nonzero(mask | other)), 1)
