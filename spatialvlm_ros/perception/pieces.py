"""Small pieces of surface: what stands above the plane, cut wherever anything may part two things.

A valley of depth, a step or an edge of colour: each is enough. Most of the cuts run through things and not between them:
``joints.py`` judges which pieces belong together. That nothing is missed counts here, not that nothing is cut in vain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.plane import BoolArray
from .grid import FloatMap, Grid, Surface, Window, window_of
from .mend import IntMap
from .parts import connected, grow, valley_depth

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

# Lightness is changed by light and shade, tints are not.
_LIGHTNESS = np.array([0.6, 1.0, 1.0], dtype=np.float32)
# Grid pixels of the least piece, of one that only edges of colour left over, and around what is looked at.
_LEAST_PX, _LEAST_REST_PX, _MARGIN_PX = 10, 6, 4
# Every n-th pixel above the plane tells the typical depth.
_SPARSE = 16


@dataclass(frozen=True)
class Look:
    """What the pieces are told from, in the ``window`` (rows, columns) of the grid around all that is above the plane.

    Attributes:
        above: (h, w) bool, pixels above the plane.
        domain: (h, w) bool, those and what they enclose: the middle of a plate is too low for its height to tell.
        valley, wide_valley: (h, w) how far a pixel lies behind the chord of its neighbours in the worst of four directions,
            in the depth of a valley that parts two things by the rules (``parts.creases``), and the same with twice the
            reach. -1 where depth steps.
        lab: (h, w, 3) float32, CIE Lab of 8-bit images with less weight on lightness.
        edge: (h, w) largest difference of any of those to both sides of a pixel.
    """

    grid: Grid
    surface: Surface
    config: TabletopConfig
    window: Window
    above: BoolArray
    domain: BoolArray
    valley: FloatMap
    wide_valley: FloatMap
    lab: FloatMap
    edge: FloatMap

    @property
    def depth(self) -> FloatMap:
        """(h, w) metres, 0 where invalid."""
        return self.grid.depth[self.window]

    @property
    def height(self) -> FloatMap:
        """(h, w) metres above the plane, 0 where invalid."""
        return np.nan_to_num(self.surface.height[self.window])

    @cached_property
    def uncut(self) -> IntMap:
        """(h, w) labels of the parts that valleys and steps alone cut, as by the rules (``parts.py``)."""
        above = np.zeros(self.grid.depth.shape, dtype=bool)
        above[self.window] = self.domain
        smooth = above.copy()
        smooth[self.window] &= self.valley <= 1.0
        labels = connected(self.grid, smooth, self.config, _LEAST_PX)
        return grow(self.grid, labels, above, self.config)[self.window]


def look_at(grid: Grid, surface: Surface, config: TabletopConfig) -> Look | None:
    """What shows of all that is above the plane; None where nothing is."""
    import cv2

    window = window_of(surface.above, _MARGIN_PX)
    if window is None:
        return None
    above = surface.above[window]
    blurred = cv2.blur(np.ascontiguousarray(grid.color[window]), (3, 3))
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB).astype(np.float32) * _LIGHTNESS
    edge = np.zeros(above.shape, dtype=np.float32)
    edge[:, 1:-1] = np.abs(lab[:, 2:] - lab[:, :-2]).max(axis=2)
    edge[1:-1] = np.maximum(edge[1:-1], np.abs(lab[2:] - lab[:-2]).max(axis=2))
    typical = float(np.median(grid.depth[surface.above][::_SPARSE]))
    reach = int(np.clip(round(config.parts.reach_m * grid.focal_px / typical), 2, 8))
    valley, wide = (valley_depth(grid, window, pixels, config) for pixels in (reach, 2 * reach))
    return Look(grid, surface, config, window, above, _domain(grid, surface, window), valley, wide, lab, edge)


def _domain(grid: Grid, surface: Surface, window: Window) -> BoolArray:
    """(h, w) what is above the plane, and what of the plane it encloses in the image."""
    import cv2

    above = surface.above[window]
    contours, _ = cv2.findContours(above.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(above.shape, dtype=np.uint8), contours, -1, 1, thickness=-1) > 0
    with np.errstate(invalid="ignore"):
        level = np.abs(surface.height[window]) <= surface.threshold[window]
    return np.asarray(above | (filled & grid.valid[window] & level), dtype=bool)


def pieces_of(look: Look, valley: float, edge: float) -> IntMap:
    """(h, w) labels 1..n of the pieces in the look's window, 0 elsewhere.

    Args:
        valley, edge: what of ``Look.valley`` and ``Look.edge`` cuts.
    """
    whole = np.zeros(look.grid.depth.shape, dtype=bool)
    whole[look.window] = look.domain
    smooth = whole.copy()
    smooth[look.window] &= (look.valley <= valley) & (look.edge <= edge)
    labels = connected(look.grid, smooth, look.config, _LEAST_PX)
    labels = grow(look.grid, labels, whole, look.config)
    # Stripes and thin rims are nothing but edges.
    rest = connected(look.grid, whole & (labels == 0), look.config, _LEAST_REST_PX)
    labels = np.where(rest > 0, rest + labels.max(), labels).astype(np.int32)
    pieces = grow(look.grid, labels, whole, look.config)[look.window]
    # What grew over a step goes back.
    return numbered(np.where(pieces > 0, pieces * (int(look.uncut.max()) + 1) + look.uncut, 0).astype(np.int32))


def numbered(labels: IntMap) -> IntMap:
    """The same labels (h, w) as 1..n without gaps."""
    used = np.flatnonzero(np.bincount(labels.ravel()))
    names = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    names[used[used > 0]] = np.arange(1, np.count_nonzero(used) + 1)
    return names[labels]
