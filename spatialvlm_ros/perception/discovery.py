"""From pixels above the table to things: by a learnt judgement of small pieces of surface, or by rules alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..scene.frame import SURE_ODDS
from .grid import Grid, Surface
from .joints import Joined, joined_things
from .mend import IntMap, mend
from .parts import parts_by_rules, select
from .tints import split_by_color

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Discovered:
    """Things, and how sure it is that each is one and whole: logarithms of odds within +-``SURE_ODDS``.

    Attributes:
        labels: (h, w) int32: 1..n for things, nearest first, 0 elsewhere.
        joined_odds: (n,) the least at which any two of its pieces were joined: low, and it may be two things. NaN by rules alone.
        refused_odds: (n,) the greatest at which a joint with a neighbour was refused: high, and a part may be missing. NaN by
            rules alone.
    """

    labels: IntMap
    joined_odds: FloatArray
    refused_odds: FloatArray


def object_labels(grid: Grid, surface: Surface, config: TabletopConfig) -> Discovered:
    """The things that stand above the plane."""
    if not config.parts.learnt:
        labels = select(grid, surface, parts_by_rules(grid, surface, config), config)
        unknown = np.full(int(labels.max()), np.nan)
        return Discovered(labels, unknown, unknown)
    # The judgement is of neighbours; what something in front divides is left to the rules. So are two plain colours, which
    # one thing may have, too.
    judged = joined_things(grid, surface, config)
    labels = split_by_color(grid, judged.labels, config, config.parts.printed)
    pairs = zip(np.sort(judged.pairs, axis=1).tolist(), judged.pair_odds.tolist(), strict=True)
    refused = {(first, second): odds for (first, second), odds in pairs}
    labels = select(grid, surface, mend(grid, surface, labels, config, judged=judged.labels, odds=refused), config)
    return Discovered(labels, *_sureness(judged, labels))


def _sureness(judged: Joined, labels: IntMap) -> tuple[FloatArray, FloatArray]:
    """``Discovered.joined_odds`` and ``refused_odds`` of things (h, w) 1..n that rules put together of judged ones."""
    count, named = int(labels.max()) + 1, np.flatnonzero(labels != 0)
    votes = np.bincount(judged.labels.ravel()[named] * count + labels.ravel()[named], minlength=len(judged.odds) * count)
    part = votes.reshape(len(judged.odds), count) > 0
    first, second = part[judged.pairs[:, 0]], part[judged.pairs[:, 1]]
    odds = judged.pair_odds[:, None]
    joined = np.where(part, judged.odds[:, None], np.inf).min(axis=0)
    joined = np.minimum(joined, np.where(first & second, odds, np.inf).min(axis=0, initial=np.inf))
    refused = np.where(first != second, odds, -SURE_ODDS).max(axis=0, initial=-SURE_ODDS)
    return joined[1:], np.where(np.isnan(joined), np.nan, refused)[1:]
