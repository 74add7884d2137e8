"""Put together again what the cut took apart, and drop what is no thing.

The inside and the outside of a bowl meet at a jump of depth, a mug's handle floats beside the mug: one thing each. A
block on a plate is over the plate and above it, an apple in a bowl has another colour: two things each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import Grid, Surface, Window, quantiles

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

IntMap = npt.NDArray[np.int32]
_NO_ODDS: Mapping[tuple[int, int], float] = MappingProxyType({})
# Grid pixels that may lie between two parts of one thing: the mixed pixels of a rim are dropped by the sensor.
_REACH_PX = 3
# A neck's footprint as a share of the visible part of the body's, how narrow the body gets towards it, and what noise and the cut
# between them leave of the seam.
_NECK_AREA, _TAPER, _NECK_SEAM_M = 0.9, 0.85, 0.012
# Logarithm of the odds of a joint above which the shape of a neck outweighs the judgement: of rendered pairs of that shape, necks
# and caps of another colour had -3.2 or more, what stands on something narrower -4.4 or less.
_NECK_ODDS = -3.8
# The same of the two walls of a bowl; of two rendered things of that shape the judgement had -2.8 or less.
_ACROSS_ODDS = -1.5
# The same of a handle (those that it cut off mugs of the simulator had -1.5 or more); so little of it is low, as a share, and it
# has so many grid pixels: scraps of two things that have that shape are smaller.
_HANDLE_ODDS, _LOW_SHARE, _LEAST_HANDLE = -1.7, 0.02, 20
# Grid pixels that a part needs for its shape to tell what it continues.
_LEAST_BEHIND = 30


@dataclass(frozen=True)
class Part:
    """One part of the label image. What its neighbours do not ask for is not worked out: most parts have none.

    Attributes:
        grid, surface: that it is a part of, and the plane that it stands on.
        window: rows and columns of its bounding box, grown by ``_REACH_PX``.
        mask: (rows, columns) bool in that window.
        count: pixels.
    """

    grid: Grid
    surface: Surface
    window: Window
    mask: BoolArray
    count: int

    @cached_property
    def flat(self) -> npt.NDArray[np.float32]:
        """(N, 2) points in the plane, metres."""
        basis = self.surface.plane.basis().astype(np.float32)
        return np.asarray(self.grid.xyz[self.window][self.mask] @ basis.T, dtype=np.float32)

    @cached_property
    def hull(self) -> npt.NDArray[np.float32]:
        """(K, 2) convex hull of ``flat``."""
        import cv2

        return np.asarray(cv2.convexHull(self.flat)[:, 0], dtype=np.float32)

    @cached_property
    def area(self) -> float:
        """Of the hull, m^2."""
        import cv2

        return float(cv2.contourArea(self.hull))

    @cached_property
    def height(self) -> npt.NDArray[np.float32]:
        """(N,) above the plane, metres."""
        return self.surface.height[self.window][self.mask]

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low, high = quantiles(self.height, (0.02, 0.98)).tolist()
        return low, high

    @property
    def base(self) -> float:
        """Height of its lowest points, metres."""
        return self._ends[0]

    @property
    def top(self) -> float:
        """Height of its highest points, metres."""
        return self._ends[1]

    @cached_property
    def tint(self) -> npt.NDArray[np.float64]:
        """(2,) mean a and b of CIE Lab."""
        import cv2

        lab = cv2.cvtColor(self.grid.color[self.window][self.mask][None], cv2.COLOR_RGB2LAB)[0, :, 1:]
        return np.asarray(lab.astype(np.float64).mean(axis=0), dtype=np.float64)

    @cached_property
    def depth(self) -> npt.NDArray[np.float32]:
        """(N,) metres."""
        return self.grid.depth[self.window][self.mask]

    @property
    def middle(self) -> npt.NDArray[np.float64]:
        """(2,) mean row and column on the grid."""
        return np.asarray(self.pixels().mean(axis=0), dtype=np.float64)

    def pixels(self) -> npt.NDArray[np.intp]:
        """(N, 2) rows and columns on the grid."""
        corner = np.array([self.window[0].start, self.window[1].start])
        return np.asarray(np.argwhere(self.mask) + corner, dtype=np.intp)

    def most(self, labels: IntMap) -> int:
        """The number that most of its pixels have in other labels (h, w)."""
        return int(np.bincount(labels[self.window][self.mask]).argmax())

    def sag_m(self) -> float:
        """How far its middle lies behind its border, from the plane between them: positive for the inside of a bowl."""
        import cv2

        rim = cv2.distanceTransform(np.pad(self.mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1][self.mask]
        v, u = np.nonzero(self.mask)
        z = self.depth.astype(np.float64)
        # 1 / z is affine in the pixel on any plane: what is left of it is curvature.
        terms = np.column_stack([u - u.mean(), v - v.mean(), np.ones(len(u))])
        solution = np.linalg.pinv(terms.T @ terms) @ (terms.T @ (1 / z))
        behind = (terms @ solution - 1 / z) * z * z
        core = rim > 0.5 * rim.max()
        return float(behind[core].mean() - behind[~core].mean()) if core.any() and not core.all() else 0.0


def mend(
    grid: Grid,
    surface: Surface,
    labels: IntMap,
    config: TabletopConfig,
    *,
    judged: IntMap | None = None,
    odds: Mapping[tuple[int, int], float] = _NO_ODDS,
) -> IntMap:
    """Merge parts (h, w) of one thing; labels keep the number of the larger part.

    Args:
        judged: (h, w) labels that somebody has judged: parts of two of them that are next to each other are two things, but
            for the neck of a bottle, the two walls of a bowl and the handle of a cup.
        odds: logarithm of the odds that two of those labels, the lesser number first, are one thing after all.
    """
    parts = parts_of(grid, surface, labels)
    owner = {name: name for name in parts}
    near = _neighbours(labels, parts)
    for small, large in _pairs(labels, parts, near):
        a, b = _root(owner, large), _root(owner, small)
        if a == b:
            continue
        touching = large in near[small] or small in near[large]
        if touching and judged is not None and not _may_be_mended(parts[large], parts[small], judged, odds, config):
            continue
        judge = _one_thing if touching else _one_behind
        if judge(parts[large], parts[small], config):
            owner[max(a, b, key=lambda n: (-parts[n].count, n))] = min(a, b, key=lambda n: (-parts[n].count, n))
    names = np.arange(int(labels.max()) + 1, dtype=np.int32)
    for name in parts:
        names[name] = _root(owner, name)
    return names[labels]


def _may_be_mended(
    large: Part, small: Part, judged: IntMap, odds: Mapping[tuple[int, int], float], config: TabletopConfig
) -> bool:
    """Whether the judgement leaves it to rules if two neighbours are one thing."""
    first, second = sorted((large.most(judged), small.most(judged)))
    if first == second:
        return True
    sure = odds.get((first, second), -math.inf)
    if sure > _NECK_ODDS and (_is_neck(large, small) or _is_neck(small, large)):
        return True
    if sure > _ACROSS_ODDS and _is_across(large, small, config):
        return True
    alike = float(np.linalg.norm(large.tint - small.tint)) <= config.parts.same_tint / 2
    return sure > _HANDLE_ODDS and small.count >= _LEAST_HANDLE and alike and _is_handle(large, small, config)


def _root(owner: dict[int, int], name: int) -> int:
    while owner[name] != name:
        name = owner[name]
    return name


def parts_of(grid: Grid, surface: Surface, labels: IntMap) -> dict[int, Part]:
    """Each label's part, by its number."""
    from scipy.ndimage import find_objects

    h, w = labels.shape
    parts: dict[int, Part] = {}
    for name, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        rows, columns = (slice(max(0, s.start - _REACH_PX), min(n, s.stop + _REACH_PX)) for s, n in zip(box, (h, w), strict=True))
        mask = labels[rows, columns] == name
        parts[name] = Part(grid, surface, (rows, columns), mask, int(np.count_nonzero(mask)))
    return parts


def _neighbours(labels: IntMap, parts: dict[int, Part]) -> dict[int, list[int]]:
    """For each part, which others are within reach of it in the image."""
    import cv2

    kernel = np.ones((2 * _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8)
    near = {}
    for name, part in parts.items():
        around = labels[part.window][cv2.dilate(part.mask.astype(np.uint8), kernel) > 0]
        near[name] = [other for other in np.flatnonzero(np.bincount(around)).tolist() if other and other != name]
    return near


def _pairs(labels: IntMap, parts: dict[int, Part], near: dict[int, list[int]]) -> list[tuple[int, int]]:
    """(smaller, larger) neighbours in the image, and parts with another one between them; smallest first."""
    pairs = {tuple(sorted((a, b), key=lambda n: (parts[n].count, -n))) for a in parts for b in near[a]}
    for between, around in near.items():
        large = [n for n in around if parts[n].count > _LEAST_BEHIND]
        for i, a in enumerate(large):
            for b in large[i + 1 :]:
                row, column = (parts[a].middle + parts[b].middle) / 2
                if labels[round(row), round(column)] == between:
                    pairs.add(tuple(sorted((a, b), key=lambda n: (parts[n].count, -n))))
    return sorted(((a, b) for a, b in pairs), key=lambda pair: (parts[pair[0]].count, pair))


def _one_behind(large: Part, small: Part, config: TabletopConfig) -> bool:
    """Whether two parts that something divides are one thing: one flat surface, or two sides of a bowl."""
    if float(np.linalg.norm(large.tint - small.tint)) > config.parts.same_tint / 2:
        return False
    if abs(large.top - small.top) > 2 * config.min_height_m:
        return False
    if max(large.sag_m(), small.sag_m()) > config.parts.hollow_m:
        return True
    rows = np.concatenate([large.pixels(), small.pixels()])
    z = np.concatenate([large.depth, small.depth]).astype(np.float64)
    terms = np.column_stack([rows - rows.mean(axis=0), np.ones(len(rows))])
    solution = np.linalg.pinv(terms.T @ terms) @ (terms.T @ (1 / z))
    off = np.abs(terms @ solution - 1 / z) * z * z
    return float(np.percentile(off, 80)) < config.parts.crease_m


def _one_thing(large: Part, small: Part, config: TabletopConfig) -> bool:
    """Whether two neighbouring parts belong together."""
    import cv2

    if _is_neck(large, small) or _is_neck(small, large):
        return True
    if float(np.linalg.norm(large.tint - small.tint)) > config.parts.same_tint:
        return False
    union = cv2.convexHull(np.concatenate([large.hull, small.hull]))
    wide, narrow = (large, small) if large.area >= small.area else (small, large)
    inside = float(cv2.contourArea(union)) <= 1.3 * wide.area
    if inside and narrow.top <= wide.top + config.min_height_m:
        return True
    if _is_across(large, small, config):
        return True
    return _is_handle(large, small, config)


def _is_handle(large: Part, small: Part, config: TabletopConfig) -> bool:
    """Whether one is little, off the table, beside the other and not on top of it.

    Through its hole the table shows, which is on the plane: what stands there has a foot just above that.
    """
    if small.count >= 0.25 * large.count or small.top >= large.top or small.top <= 2 * config.min_height_m:
        return False
    low = np.count_nonzero((small.height > config.min_height_m) & (small.height < 2 * config.min_height_m))
    return bool(low <= _LOW_SHARE * small.count and _gap(large, small) < config.parts.handle_gap_m)


def _is_across(large: Part, small: Part, config: TabletopConfig) -> bool:
    """Whether one is the far wall of a bowl as seen across the other, its near one: hollow, and the two rims are level."""
    level = abs(large.top - small.top) < 2 * config.min_height_m
    return level and max(large.sag_m(), small.sag_m()) > config.parts.hollow_m


def _is_neck(body: Part, neck: Part) -> bool:
    """Whether a part rises from the middle of another one that tapers towards it: the neck or the cap of a bottle.

    What stands on a thing stands on a flat top, which is as wide as the thing.
    """
    if neck.area > _NECK_AREA * body.area or neck.top < body.top or abs(neck.base - body.top) > _NECK_SEAM_M:
        return False
    middle = body.flat.mean(axis=0)
    away = middle / max(float(np.linalg.norm(middle)), 1e-6)
    across = np.array([-away[1], away[0]], dtype=np.float32)
    on_body, on_neck = body.flat @ across, neck.flat @ across
    shoulder = on_body[body.height > body.top - _NECK_SEAM_M / 2]
    if len(shoulder) < 10:
        return False
    (low, high), (first, last), (left, right) = (np.quantile(v, (0.02, 0.98)) for v in (on_body, shoulder, on_neck))
    width = max(float(high - low), 1e-6)
    beside = abs(float(left + right - low - high)) / 2
    return bool(beside < 0.12 * width and float(last - first) < _TAPER * width and float(right - left) < _TAPER * width)


def _gap(a: Part, b: Part) -> float:
    """Smallest distance of two parts' footprints, metres."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(a.flat).query(b.flat[:: max(1, len(b.flat) // 100)])
    return float(np.min(distance))
