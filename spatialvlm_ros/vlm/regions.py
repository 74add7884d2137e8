"""From places in words (boxes, points) to regions: one that depth proposes where it fits, else one of the model's own.

Depth's outlines are better than a box, and its regions are what things are measured from; so a proposal is taken wherever a
model's place means it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..perception.models.boxes import areas, box_mask, overlaps
from ..perception.models.segmenter import Segmenter
from ..scene.frame import BoolArray, Region
from .grounding_formats import Place
from .interface import Grounding, View

# A box means the proposal whose own box overlaps it this much; it may also hold a smaller one whole.
LEAST_OVERLAP = 0.4
_LEAST_INSIDE, _LEAST_FILLED = 0.8, 0.25
# How far beside a thing a point may fall.
_POINT_SLACK_PX = 6.0
# Of a box without an outline: what stands this far above the plane is the thing, if it is a part worth the name.
_ABOVE_M, _LEAST_ABOVE = 0.007, 0.1


def ground_places(
    view: View, name: str, places: Sequence[tuple[Place, float]], present: float, source: str, segmenter: Segmenter | None = None
) -> Grounding:
    """What a name stands for, from places with scores in [0, 1]; each proposal once, the best place first.

    A point beside all proposals has no extent and gives nothing.
    """
    boxes = [_bounds(region.mask) for region in view.proposals]
    found: list[tuple[Region, int]] = []
    taken: set[int] = set()
    for place, score in sorted(places, key=lambda item: -item[1]):
        index = _proposal(place, boxes, view)
        if index in taken:
            continue
        if index >= 0:
            taken.add(index)
            found.append((Region(view.proposals[index].mask, name, score, source), index))
        elif not place.is_point:
            own = Region(_own_mask(place, view, segmenter), name, score, source)
            if own.mask.any() and not any(_is_same(own.mask, other.mask) for other, at in found if at < 0):
                found.append((own, -1))
    regions, indices = tuple(region for region, _ in found), tuple(index for _, index in found)
    return Grounding(name, regions, present, proposals=indices)


def _bounds(mask: BoolArray) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) of a mask, edges of pixels; no area for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _proposal(place: Place, boxes: Sequence[tuple[float, float, float, float]], view: View) -> int:
    """The proposal that a place means, -1 for none."""
    if not boxes:
        return -1
    if place.is_point:
        return _at_point(place.middle, view)
    overlap = overlaps([place.box], boxes)[0]
    best = int(np.argmax(overlap))
    if overlap[best] >= LEAST_OVERLAP:
        return best
    mask = box_mask(place.box, view.color.shape[1], view.color.shape[0])
    inside = [float(mask[region.mask].mean()) if region.mask.any() else 0.0 for region in view.proposals]
    filled = areas(boxes) / max(float(areas([place.box])[0]), 1.0)
    fits = [i for i, share in enumerate(inside) if share >= _LEAST_INSIDE and filled[i] >= _LEAST_FILLED]
    return fits[0] if len(fits) == 1 else -1


def _at_point(point: tuple[float, float], view: View) -> int:
    """The proposal under a point, or the nearest one close by; the smallest of several."""
    distances = [_distance_px(point, region.mask) for region in view.proposals]
    sizes = [int(np.count_nonzero(region.mask)) for region in view.proposals]
    index = min(range(len(distances)), key=lambda i: (distances[i], sizes[i]))
    return index if distances[index] <= _POINT_SLACK_PX else -1


def _distance_px(point: tuple[float, float], mask: BoolArray) -> float:
    """From a point to the nearest pixel of a mask, 0 inside."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return float("inf")
    dx = np.maximum(np.abs(columns + 0.5 - point[0]) - 0.5, 0.0)
    dy = np.maximum(np.abs(rows + 0.5 - point[1]) - 0.5, 0.0)
    return float(np.hypot(dx, dy).min())


def _own_mask(place: Place, view: View, segmenter: Segmenter | None) -> BoolArray:
    """Pixels of a thing that nobody proposed: a segmenter's, else those of the box that stand above the plane."""
    height, width = view.color.shape[:2]
    mask = box_mask(place.box, width, height)
    if segmenter is not None:
        outlined = segmenter(view.color, [place.box])[0].mask
        return outlined if outlined.any() else mask
    if view.frame is None or not np.isfinite(view.plane).all():
        return mask
    heights = view.frame.xyz.astype(np.float64) @ view.plane[:3] + view.plane[3]
    above = mask & (np.nan_to_num(heights, nan=-1.0) > _ABOVE_M)
    return above if np.count_nonzero(above) >= _LEAST_ABOVE * np.count_nonzero(mask) else mask


def _is_same(mask: BoolArray, other: BoolArray) -> bool:
    return bool(np.count_nonzero(mask & other) > 0.5 * np.count_nonzero(mask | other))
