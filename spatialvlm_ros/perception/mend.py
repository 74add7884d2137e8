"""Put together again what the cut took apart, and drop what is no thing.

The inside and the outside of a bowl meet at a jump of depth, a mug's handle floats beside the mug: one thing each. A block
on a plate is over the plate and above it, an apple in a bowl has another colour: two things each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import Grid, Surface

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

IntMap = npt.NDArray[np.int32]
# Grid pixels that may lie between two parts of one thing: the mixed pixels of a rim are dropped by the sensor.
_REACH_PX = 3


@dataclass(frozen=True)
class Part:
    """One part of the label image.

    Attributes:
        window: rows and columns of its bounding box, grown by ``_REACH_PX``.
        mask: (rows, columns) bool in that window.
        count: pixels.
        flat: (N, 2) float32 points in the plane.
        hull: (K, 2) convex hull of them, ``area`` in m^2.
        base, top: heights of its lowest and highest points, metres.
        tint: (2,) mean a and b of CIE Lab.
        depth: (N,) metres.
    """

    window: tuple[slice, slice]
    mask: BoolArray
    count: int
    flat: npt.NDArray[np.float32]
    hull: npt.NDArray[np.float32]
    area: float
    base: float
    top: float
    tint: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float32]

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


def mend(grid: Grid, surface: Surface, labels: IntMap, config: TabletopConfig) -> IntMap:
    """Merge parts (h, w) of one thing; labels keep the number of the larger part."""
    parts = parts_of(grid, surface, labels)
    owner = {name: name for name in parts}
    for small, large in _pairs(grid, labels, parts):
        a, b = _root(owner, large), _root(owner, small)
        if a != b and _one_thing(parts[large], parts[small], config):
            owner[max(a, b, key=lambda n: (-parts[n].count, n))] = min(a, b, key=lambda n: (-parts[n].count, n))
    names = np.arange(int(labels.max()) + 1, dtype=np.int32)
    for name in parts:
        names[name] = _root(owner, name)
    return names[labels]


def _root(owner: dict[int, int], name: int) -> int:
    while owner[name] != name:
        name = owner[name]
    return name


def parts_of(grid: Grid, surface: Surface, labels: IntMap) -> dict[int, Part]:
    """Each label's part, by its number."""
    import cv2
    from scipy.ndimage import find_objects

    basis = surface.plane.basis().astype(np.float32)
    h, w = labels.shape
    parts: dict[int, Part] = {}
    for name, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        rows, columns = (
            slice(max(0, s.start - _REACH_PX), min(n, s.stop + _REACH_PX)) for s, n in zip(box, (h, w), strict=True)
        )
        mask = labels[rows, columns] == name
        flat = grid.xyz[rows, columns][mask] @ basis.T
        hull = cv2.convexHull(flat)[:, 0]
        low, high = np.percentile(surface.height[rows, columns][mask], [2, 98])
        lab = cv2.cvtColor(grid.color[rows, columns][mask][None], cv2.COLOR_RGB2LAB)[0, :, 1:]
        parts[name] = Part(
            (rows, columns),
            mask,
            len(flat),
            flat,
            hull,
            float(cv2.contourArea(hull)),
            float(low),
            float(high),
            lab.astype(np.float64).mean(axis=0),
            grid.depth[rows, columns][mask],
        )
    return parts


def _pairs(grid: Grid, labels: IntMap, parts: dict[int, Part]) -> list[tuple[int, int]]:
    """(smaller, larger) neighbours in the image, smallest first."""
    import cv2

    kernel = np.ones((2 * _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8)
    pairs = []
    for name, part in parts.items():
        near = labels[part.window][cv2.dilate(part.mask.astype(np.uint8), kernel) > 0]
        for other in np.unique(near).tolist():
            if other and other != name and (part.count, -name) < (parts[other].count, -other):
                pairs.append((name, int(other)))
    return sorted(pairs, key=lambda pair: (parts[pair[0]].count, pair))


def _one_thing(large: Part, small: Part, config: TabletopConfig) -> bool:
    """Whether two neighbouring parts belong together."""
    import cv2

    if float(np.linalg.norm(large.tint - small.tint)) > config.parts.same_tint:
        return False
    union = cv2.convexHull(np.concatenate([large.hull, small.hull]))
    wide, narrow = (large, small) if large.area >= small.area else (small, large)
    inside = float(cv2.contourArea(union)) <= 1.3 * wide.area
    if inside and narrow.top <= wide.top + config.min_height_m:
        return True
    # The far wall of a bowl as seen across its near one: hollow, and the two rims are level.
    level = abs(large.top - small.top) < 2 * config.min_height_m
    if level and max(large.sag_m(), small.sag_m()) > config.parts.hollow_m:
        return True
    # A handle: little, off the table, beside the rest and not on top of it.
    handle = small.count < 0.25 * large.count and small.base > 2 * config.min_height_m and small.top < large.top
    return handle and _gap(large, small) < config.parts.handle_gap_m


def _gap(a: Part, b: Part) -> float:
    """Smallest distance of two parts' footprints, metres."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(a.flat).query(b.flat[:: max(1, len(b.flat) // 100)])
    return float(distance.min())


def is_sliver(part: Part, blocked: BoolArray) -> bool:
    """Whether a part is nothing but a rim around blocked pixels (h, w), as when the robot's own mask is a little tight."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    mask = part.mask.astype(np.uint8)
    if not (blocked[part.window] & (cv2.dilate(mask, np.ones((7, 7), np.uint8)) > 0)).any():
        return False
    return int(cv2.erode(mask, kernel, borderValue=0).sum()) < 0.2 * part.count
