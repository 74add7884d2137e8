"""One image's names through a model, in the order that ids allow: what can be asked before things have ids, and what only after.

A region that the model found itself must be measured and tracked with the others, so names that are known to need a look are
asked for first. A name whose bearer turns out to be lost on this very image is asked for when ids are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..perception.named_wholes import names_one_kind, pieces_of_one, pieces_within, put_together
from ..perception.sighting import Sighting
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig
from .asked_parts import AskedParts
from .interface import Gripper, Grounding, View
from .judge import LIKELY, PARTED, NameJudge, regions_of

#: Puts regions of a sighting together (perception/sighting.with_wholes).
Whole = Callable[[RGBDFrame, Sighting, Sequence[Sequence[int]]], Sighting]
# A region of the model's own that is mostly one that was proposed is that one.
_SAME = 0.5
# What is less likely to be there than this is not.
_ABSENT = 0.1


class ModelNames:
    """One stream of images; its methods are called in turn for each: ``start``, then ``finish``."""

    def __init__(self, judge: NameJudge, measure: MeasureConfig | None = None) -> None:
        self.judge = judge
        #: What questions name and nothing found answers to.
        self.parts = AskedParts(judge, measure or MeasureConfig())
        self.clear()

    def clear(self) -> None:
        """Forget everything, as after a jump of time."""
        self.judge.clear()
        self.parts.clear()
        self._seen: tuple[int, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._said: list[Grounding] = []
        self._asked: list[str] = []
        self._parted: list[Region] = []
        self._wholes: list[BoolArray] = []
        self._not_found_whole: dict[str, int] = {}

    def pieces_before(self, regions: Sequence[Region]) -> list[tuple[int, ...]]:
        """Indices of regions that are one thing, as they were on the image before; the largest piece first."""
        found = {pieces: None for whole in self._wholes if (pieces := pieces_within(regions, whole))}
        self._wholes = [put_together([regions[i] for i in pieces]).mask for pieces in found]
        return _apart(pieces for pieces in found if len(pieces) > 1)

    def pieces(self, view: View, stamp_ns: int) -> list[tuple[str, tuple[int, ...]]]:
        """Names that ``start`` asked for with proposals that are pieces of one thing by it, the one that answers best first."""
        since_ns = stamp_ns - round(self.judge.config.recheck_s * 1e9)
        self._not_found_whole = {name: at for name, at in self._not_found_whole.items() if since_ns < at <= stamp_ns}
        found: list[tuple[str, tuple[int, ...]]] = []
        for said in self._said:
            known = said.understood and said.present >= LIKELY and said.name not in self._not_found_whole
            if known and names_one_kind(said.name):
                answering = [index for region, index in regions_of(said) if index >= 0 and region.score >= LIKELY]
                pieces = pieces_of_one(view.proposals, answering)
                if pieces and not any(set(pieces) & set(others) for _, others in found):
                    found.append((said.name, pieces))
        return found

    def look(
        self, frame: RGBDFrame, sighting: Sighting, names: Sequence[str], bearers: Mapping[str, int], whole: Whole
    ) -> tuple[Sighting, View, list[Region]]:
        """``start`` with pieces put together that names say are one thing: what is seen then, what the model is shown of it, and
        the regions that are none of the proposals.
        """
        before = self.pieces_before(sighting.segmentation.regions)
        sighting = whole(frame, sighting, before) if before else sighting
        view = shown(frame, sighting)
        own = self.start(view, names, bearers, frame.stamp_ns)
        kept = named = self.pieces(view, frame.stamp_ns)
        # The model has to find each name again in what was put together for it.
        while kept:
            together = whole(frame, sighting, [pieces for _, pieces in kept])
            again = shown(frame, together)
            own = self.start(again, names, bearers, frame.stamp_ns)
            masks = [put_together([view.proposals[i] for i in pieces]).mask for _, pieces in kept]
            held = [each for each, mask in zip(kept, masks, strict=True) if self._finds(each[0], mask)]
            if len(held) == len(kept):
                self._wholes += masks
                return together, again, own
            self._not_found_whole |= {name: frame.stamp_ns for name, _ in kept if name not in dict(held)}
            kept = held
        if named:
            own = self.start(view, names, bearers, frame.stamp_ns)
        return sighting, view, own

    def _finds(self, name: str, mask: BoolArray) -> bool:
        """Whether the model, asked by ``start``, found a name there and best there."""
        said = next((said for said in self._said if said.name == name), None)
        return (
            said is not None and said.present >= LIKELY and bool(said.regions) and _overlap(said.regions[0].mask, mask) >= _SAME
        )

    def start(self, view: View, names: Sequence[str], bearers: Mapping[str, int], stamp_ns: int) -> list[Region]:
        """Ask for the names that are known to need it; gives the regions that are none of the proposals."""
        self._said, self._asked, self._parted = [], [], []
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
        self._parted.append(region)

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
        self.parts.at(view, ids)
        parted = {id(whole) for whole in self._parted}
        known = [PARTED if id(each) in parted else thing for each, thing in zip(view.proposals, ids, strict=True)]
        matched = {id(region): _id_of(region, own, view, ids) for g in self._said for region, at in regions_of(g) if at < 0}
        self.judge.keep(self._said, known, {key: thing for key, thing in matched.items() if thing}, stamp_ns)
        seen = [thing for thing in (*ids, *(thing for _, thing in own)) if thing]
        # What is asked for now finds no regions of its own; the next image is for these.
        due = [name for name in self._due(names, bearers, seen, frozenset(hidden), stamp_ns) if name not in self._asked]
        if self.judge.config.own_pace:
            self.judge.begin(view, due, known, stamp_ns)
            self._note_pieces(view, names, known)
        else:
            self.judge.keep(self.judge.ground(view, due, stamp_ns), known, {}, stamp_ns)
        # Without its own: nobody but the model proposes these, so that they are asked for first each time.
        self._seen, self._hidden = tuple(thing for thing in ids if thing), frozenset(hidden)

    def _note_pieces(self, view: View, names: Sequence[str], ids: Sequence[int]) -> None:
        """What is in pieces by what a model with a pace of its own said of earlier images is put together on the next one."""
        index_of = {thing: index for index, thing in enumerate(ids) if thing > 0}
        for name in names:
            said = self.judge.of(name)
            if said is None or not said.is_there or not names_one_kind(name):
                continue
            answering = [index_of[thing] for thing, score in said.scores.items() if thing in index_of and score >= LIKELY]
            pieces = pieces_of_one(view.proposals, answering)
            if pieces:
                self._wholes.append(put_together([view.proposals[i] for i in pieces]).mask)

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


def shown(frame: RGBDFrame, sighting: Sighting) -> View:
    """What a model is shown of an image."""
    canonical, proposals = sighting.canonical, tuple(sighting.segmentation.regions)
    up = None if canonical is None else canonical.up
    return View(frame.color, frame, proposals, sighting.plane, up, sighting.robot, sighting.noise, mend_masks=False)


def _apart(groups: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The groups of indices without those that share one with a group before them."""
    kept: list[tuple[int, ...]] = []
    for group in groups:
        if not any(set(group) & set(other) for other in kept):
            kept.append(group)
    return kept


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
