"""What a question names and a model finds nowhere, as a part of what was found as one thing: a pink can, flush on a blue cup.

Depth alone cannot part such things, and a robot must not act on a part that may be a print. But who asks about a pink can has
seen one. So where its name is not found, what is pink of other things is shown to the model by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..perception.colors import color_shares, white_point
from ..perception.named_parts import part_of_color
from ..perception.named_wholes import names_one_kind
from ..perception.names import NamePhrase, parse
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_region
from ..scene.noise import DepthNoise
from ..scene.parted import APart, parted
from ..scene.scene import Scene, SceneObject
from .interface import View
from .judge import LIKELY, NameJudge, regions_of

# Least share of a thing's pixels in a name's colours for a part of it to be looked at, and how many things are.
_LEAST_COLOR, _MOST_THINGS = 0.1, 4


class _Part(NamedTuple):
    """``whole``: id of the thing that it is a part of; ``mask``: (H, W) bool, its pixels; ``likely``: that it is meant."""

    whole: int
    part: SceneObject
    rest: SceneObject
    mask: BoolArray
    likely: float


class AskedParts:
    """Parts of the things on the newest image of one stream. ``at`` and ``clear`` may be called while another thread asks."""

    def __init__(self, judge: NameJudge, config: MeasureConfig) -> None:
        self._judge, self._config = judge, config
        # Replaced as one, so that what is found on one image is noted of that one.
        self._newest: tuple[View, tuple[int, ...], dict[str, _Part | None]] | None = None

    def clear(self) -> None:
        """Let go of the image."""
        self._newest = None

    def at(self, view: View, ids: Sequence[int]) -> None:
        """Go on to another image; ``ids`` are those of the view's proposals, 0 for one that could not be measured."""
        self._newest = view, tuple(ids), {}

    def __call__(self, scene: Scene, name: str) -> APart | None:
        """The thing that a question means by a name that the model finds nowhere, with the scene in which it is parted from
        another; None where no part is likelier to be meant than what the judge says.
        """
        newest, judgement = self._newest, self._judge.of(name)
        if newest is None or judgement is None or judgement.is_there:
            return None
        view, ids, known = newest
        if scene.frame is None or scene.frame is not view.frame:
            return None
        if name not in known:
            known[name] = self._looked(scene, view, ids, name)
        found = known[name]
        if found is None:
            return None
        # Where it is this very thing that the judge takes for it, a part of it is no better.
        if judgement.supposed >= LIKELY and (found.likely <= judgement.supposed or judgement.is_meant(found.whole)):
            return None
        return parted(scene, name, found.whole, (found.part, found.rest), found.mask, found.likely)

    def _looked(self, scene: Scene, view: View, ids: Sequence[int], name: str) -> _Part | None:
        phrase = parse(name)
        if scene.frame is None or not (phrase.colors and names_one_kind(name) and self._judge.may_answer(scene.stamp_ns)):
            return None
        cuts = _cuts(scene.frame, view, phrase)
        best = self._best(name, view, cuts) if cuts else None
        if best is None or not ids[best[0]]:
            return None
        part, rest = (self._measured(scene, each) for each in cuts[best[0]])
        return None if part is None or rest is None else _Part(ids[best[0]], part, rest, cuts[best[0]][0].mask, best[1])

    def _best(self, name: str, view: View, cuts: dict[int, tuple[Region, Region]]) -> tuple[int, float] | None:
        """The number of the proposal whose part the model finds for a name, and how likely that is meant."""
        whole = [each for number, each in enumerate(view.proposals) if number not in cuts]
        shown = (*(part for part, _ in cuts.values()), *(rest for _, rest in cuts.values()), *whole)
        try:
            (said,) = self._judge.vlm.look(replace(view, proposals=shown, things={}, appearances={})).ground([name])
        except Exception as error:  # as in judge.py
            self._judge.answer_failed(error, 0 if view.frame is None else view.frame.stamp_ns)
            return None
        best = regions_of(said)[0][1] if said.regions else -1
        is_found = 0 <= best < len(cuts) and said.present >= LIKELY and not said.several >= LIKELY
        return (list(cuts)[best], said.supposed) if is_found and said.supposed >= LIKELY else None

    def _measured(self, scene: Scene, region: Region) -> SceneObject | None:
        assert scene.frame is not None
        noise = scene.noise or DepthNoise()
        plane, robot = scene.support_plane, scene.robot
        return measure_region(scene.frame, region, scene.canonical, plane, noise, self._config, robot=robot)


def _cuts(frame: RGBDFrame, view: View, phrase: NamePhrase) -> dict[int, tuple[Region, Region]]:
    """By numbers of proposals that have much of a name's colours: what of them has these, and the rest."""
    white = white_point(frame.color)
    shares = [color_shares(frame.color[each.mask], white) for each in view.proposals]
    colored = [max(share.get(color, 0.0) for color in phrase.colors) for share in shares]
    pixels = [share * np.count_nonzero(each.mask) for share, each in zip(colored, view.proposals, strict=True)]
    wanted = [n for n in sorted(range(len(pixels)), key=lambda n: -pixels[n]) if colored[n] >= _LEAST_COLOR][:_MOST_THINGS]
    return {n: cut for n in wanted if (cut := part_of_color(frame, view.proposals[n], phrase)) is not None}
