"""From pixels above the table to things: by a learnt judgement of small pieces of surface, or by rules alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .grid import Grid, Surface
from .joints import joined_things
from .mend import IntMap, mend
from .parts import parts_by_rules, select
from .tints import split_by_color

if TYPE_CHECKING:
    from .tabletop import TabletopConfig


def object_labels(grid: Grid, surface: Surface, config: TabletopConfig) -> IntMap:
    """(h, w) int32: 1..n for things, nearest first, 0 elsewhere."""
    if config.parts.learnt:
        # The judgement is of neighbours; what something in front divides is left to the rules. So are two plain colours, which
        # one thing may have, too.
        judged = joined_things(grid, surface, config)
        labels = mend(grid, surface, split_by_color(grid, judged, config, config.parts.printed), config, judged=judged)
    else:
        labels = parts_by_rules(grid, surface, config)
    return select(grid, surface, labels, config)
