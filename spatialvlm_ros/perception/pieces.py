"""Small pieces of surface: what stands above the plane, cut wherever anything may part two things.

A valley of depth, a step or an edge of colour: each is enough. Most of the cuts run through things and not between them:
``joints.py`` judges which pieces belong together. That nothing is missed counts here, not that nothing is cut in vain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import FloatMap, Grid, Surface, Window, nearest_pixel, window_of
from .mend import IntMap
from .parts import Links, connected, grow, valley_depths

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

# Lightness is changed by light and shade, tints are not.
_LIGHTNESS = np.array([0.6, 1.0, 1.0], dtype=np.float32)
# Grid pixels of the least piece, of one that only edges of colour left over, and around what is looked at.
_LEAST_PX, _LEAST_REST_PX, _MARGIN_PX = 10, 6, 4
# A pixel that no piece has goes to the nearest one within so many grid pixels, which edges of colour blur over, and further away
# if its colour (``Look.lab``) is that near to the piece's there: thin things between two edges are not their neighbours'.
_BLURRED_PX, _ALIKE = 2.0, 30.0
# Every n-th pixel above the plane tells the typical depth.
_SPARSE = 16


@dataclass(frozen=True)
class Look:
    """What the pieces are told from, in the ``window`` (rows, columns) of the grid around all that is above the plane.

    Attributes:
        links: which neighbours are of one surface.
        above: (h, w) bool, pixels above the plane.
        domain: (h, w) bool, those and what they enclose: the middle of a plate is too low for its height to tell.
        row, column, pixels: (N,) of the domain's pixels in the window, row by row, and their flat indices in it.
        valley, wide_valley: (N,) float32, how far a pixel lies behind the chord of its neighbours in the worst of four
            directions, in the depth of a valley that parts two things by the rules (``parts.creases``), and the same with twice
            the reach. -1 where depth steps.
        lab: (3, N) float32, CIE Lab of 8-bit images with less weight on lightness.
        edge: (N,) float32, largest difference of any of those between the two sides of a pixel.
    """

    grid: Grid
    surface: Surface
    config: TabletopConfig
    window: Window
    links: Links
    above: BoolArray
    domain: BoolArray
    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    pixels: npt.NDArray[np.intp]
    valley: FloatMap
    wide_valley: FloatMap
    lab: FloatMap
    edge: FloatMap

    def map_of(self, chosen: BoolArray) -> BoolArray:
        """(h, w) the pixels of the domain that are ``chosen`` (N,)."""
        mask = np.zeros(self.domain.shape, dtype=bool)
        mask.ravel()[self.pixels] = chosen
        return mask

    @cached_property
    def uncut(self) -> IntMap:
        """(h, w) labels of the parts that valleys and steps alone cut, as by the rules (``parts.py``)."""
        return grow(self.links, connected(self.links, self.map_of(self.valley <= 1.0), _LEAST_PX), self.domain)


def look_at(grid: Grid, surface: Surface, config: TabletopConfig) -> Look | None:
    """What shows of all that is above the plane; None where nothing is."""
    import cv2

    window = window_of(surface.above, _MARGIN_PX)
    if window is None:
        return None
    above, domain = surface.above[window], _domain(grid, surface, window)
    row, column = np.nonzero(domain)
    pixels = row * domain.shape[1] + column
    lab = cv2.cvtColor(cv2.blur(np.ascontiguousarray(grid.color[window]), (3, 3)), cv2.COLOR_RGB2LAB)
    light, *tints = (_edge(plane).ravel().take(pixels) for plane in cv2.split(lab))
    edge = np.maximum(light.astype(np.float32) * _LIGHTNESS[0], np.maximum(*tints))
    typical = float(np.median(grid.depth[window][above][::_SPARSE]))
    reach = int(np.clip(round(config.parts.reach_m * grid.focal_px / typical), 2, 8))
    valley, wide = valley_depths(grid, window, (row, column), (reach, 2 * reach), config)
    weighted = np.ascontiguousarray(lab.reshape(-1, 3).take(pixels, axis=0).T) * _LIGHTNESS[:, None]
    links = Links.of(grid, window, config)
    return Look(grid, surface, config, window, links, above, domain, row, column, pixels, valley, wide, weighted, edge)


def _edge(plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(h, w) largest difference of one channel (h, w) between the two sides of a pixel, along its row or its column."""
    found = np.zeros(plane.shape, dtype=np.uint8)
    left, right, upper, lower = plane[:, :-2], plane[:, 2:], plane[:-2], plane[2:]
    found[:, 1:-1] = np.maximum(left, right) - np.minimum(left, right)
    found[1:-1] = np.maximum(found[1:-1], np.maximum(upper, lower) - np.minimum(upper, lower))
    return found


def _domain(grid: Grid, surface: Surface, window: Window) -> BoolArray:
    """(h, w) what is above the plane, and what of the plane it encloses in the image."""
    import cv2

    above = np.ascontiguousarray(surface.above[window])
    contours, _ = cv2.findContours(above.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(above.shape, dtype=np.uint8), contours, -1, 1, thickness=-1)
    with np.errstate(invalid="ignore"):
        level = np.abs(surface.height[window]) <= surface.threshold[window]
    return np.asarray(above | ((filled > 0) & grid.valid[window] & level), dtype=bool)


def pieces_of(look: Look, valley: float, edge: float) -> IntMap:
    """(h, w) labels 1..n of the pieces in the look's window, 0 elsewhere.

    Args:
        valley, edge: what of ``Look.valley`` and ``Look.edge`` cuts.
    """
    links, domain = look.links, look.domain
    smooth = look.map_of((look.valley <= valley) & (look.edge <= edge))
    labels = _grown_alike(look, connected(links, smooth, _LEAST_PX))
    # Stripes and thin rims are nothing but edges.
    rest = connected(links, domain & (labels == 0), _LEAST_REST_PX)
    labels = grow(links, np.where(rest > 0, rest + labels.max(), labels).astype(np.int32, copy=False), domain)
    # What grew over a step goes back.
    own, uncut = labels.ravel().take(look.pixels), look.uncut.ravel().take(look.pixels)
    pieces = np.zeros(domain.shape, dtype=np.int32)
    pieces.ravel()[look.pixels] = numbered(np.where(own > 0, own * (uncut.max(initial=0) + 1) + uncut, 0).astype(np.int32))
    return pieces


def _grown_alike(look: Look, labels: IntMap) -> IntMap:
    """Labels (h, w) as by ``parts.grow``, but for pixels that have another colour than the piece they would go to."""
    wanted = np.flatnonzero(look.domain & (labels == 0))
    if not len(wanted) or not labels.any():
        return labels
    distance, source = nearest_pixel(labels > 0, wanted)
    place = np.zeros(labels.size, dtype=np.intp)
    place[look.pixels] = np.arange(len(look.pixels))
    apart = look.lab.take(place[wanted], axis=1) - look.lab.take(place[source], axis=1)
    alike = np.square(apart).sum(axis=0) < _ALIKE**2
    near = look.links.reach(wanted, source, distance) & (alike | (distance <= _BLURRED_PX))
    result = labels.copy()
    result.ravel()[wanted[near]] = labels.ravel()[source[near]]
    return result


def numbered(labels: IntMap) -> IntMap:
    """The same labels, of any shape, as 1..n without gaps."""
    used = np.flatnonzero(np.bincount(labels.ravel()))
    names = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    names[used[used > 0]] = np.arange(1, np.count_nonzero(used) + 1)
    return names.take(labels)
