"""Boxes in pixels: (x0, y0, x1, y1), edges of pixels, x right and y down; a pixel's own box is (u, v, u + 1, v + 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import ModelInputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Detection:
    """Something seen: its box in pixels, what it was called ("" for a proposal without a name), and a score in [0, 1]."""

    box: tuple[float, float, float, float]
    name: str
    score: float


def as_boxes(boxes: npt.ArrayLike) -> FloatArray:
    """(N, 4) float64; an empty list is (0, 4). Raises ModelInputError for any other shape or values that are not finite."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
        raise ModelInputError(f"boxes are (N, 4) finite numbers x0, y0, x1, y1; got shape {array.shape}")
    return array


def clipped(boxes: npt.ArrayLike, width: int, height: int) -> FloatArray:
    """Boxes (N, 4) cut at the edges of an image; one that lies outside has no area afterwards."""
    limits = np.array([width, height, width, height], dtype=np.float64)
    return np.asarray(np.clip(as_boxes(boxes), 0, limits), dtype=np.float64)


def areas(boxes: npt.ArrayLike) -> FloatArray:
    """(N,) areas in square pixels; 0 where a box is turned inside out."""
    array = as_boxes(boxes)
    return np.asarray(np.prod(np.maximum(array[:, 2:] - array[:, :2], 0), axis=1), dtype=np.float64)


def overlaps(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    """(N, M) intersection over union; 0 where both boxes have no area."""
    a, b = as_boxes(first), as_boxes(second)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    union = areas(a)[:, None] + areas(b)[None] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0), dtype=np.float64)


def suppress(boxes: npt.ArrayLike, scores: npt.ArrayLike, most_overlap: float) -> list[int]:
    """Non-maximum suppression: indices of the boxes to keep, best first; of equal scores the earlier box is better."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").tolist()
    matrix = overlaps(boxes, boxes)
    kept: list[int] = []
    for index in order:
        if all(matrix[index, other] <= most_overlap for other in kept):
            kept.append(int(index))
    return kept


def box_mask(box: npt.ArrayLike, width: int, height: int) -> BoolArray:
    """(H, W) bool: the pixels whose centres lie in a box; at least one pixel where the box touches the image."""
    x0, y0, x1, y1 = clipped([np.asarray(box, dtype=np.float64)], width, height)[0].tolist()
    mask = np.zeros((height, width), dtype=bool)
    if x1 <= x0 or y1 <= y0:
        return mask
    columns, rows = (_span(low, high, limit) for low, high, limit in ((x0, x1, width), (y0, y1, height)))
    mask[rows, columns] = True
    return mask


def _span(low: float, high: float, limit: int) -> slice:
    """Indices whose centres (i + 0.5) lie in [low, high), else the one that contains the middle."""
    start, stop = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if stop <= start:
        start = min(int((low + high) / 2), limit - 1)
        stop = start + 1
    return slice(start, stop)


def crop_window(box: npt.ArrayLike, width: int, height: int, margin: float) -> tuple[slice, slice]:
    """Rows and columns of a box grown by ``margin`` of its size on every side, at least one pixel of the image."""
    x0, y0, x1, y1 = as_boxes([np.asarray(box, dtype=np.float64)])[0].tolist()
    grow_x, grow_y = margin * max(x1 - x0, 0), margin * max(y1 - y0, 0)
    return _window(y0 - grow_y, y1 + grow_y, height), _window(x0 - grow_x, x1 + grow_x, width)


def _window(low: float, high: float, limit: int) -> slice:
    start = min(max(math.floor(low), 0), limit - 1)
    return slice(start, max(min(math.ceil(high), limit), start + 1))
