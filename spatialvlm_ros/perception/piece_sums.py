"""Sums over the pixels of pieces and of the borders between them: pieces that are joined add theirs, no pixel is read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .mend import IntMap
from .pieces import Look

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Hull = npt.NDArray[np.int32]

# Pixels of two pieces that are this far apart along a row or a column, with nobody else's between, are at their border: mixed
# pixels may lie between.
REACH_PX = 3
# What is larger tells no more than that.
_MOST_SIGMAS, _MOST_VALLEY, _MOST_STEP_M = 50.0, 20.0, 0.1
# Shares of a piece's pixels below its lowest and above its highest height.
_TRIM = 0.03
# Columns of PieceSums.sums.
COUNT, U, V, UU, UV, VV, INVERSE, U_INVERSE, V_INVERSE = range(9)
LAB, LAB_SQUARED, HEIGHT, FLAT, DEPTH, RAY, INVERSE_SQUARED, RIM = (
    slice(9, 12),
    slice(12, 15),
    15,
    slice(16, 18),
    18,
    slice(19, 21),
    21,
    22,
)
_SUM_COLUMNS = 23
# Columns of PieceSums.border: the first ones have no side, then a difference of the first side to the second one, then both.
B_COUNT, B_VALLEY, B_DEEPEST, B_WIDE, B_SIGMAS, B_STEP, B_EDGE, B_TOUCH, B_HEIGHT, B_HEIGHT_SQUARED = range(10)
B_LAB, B_FIRST, B_SECOND = slice(10, 13), slice(13, 16), slice(16, 19)
_BORDER_COLUMNS = 19


@dataclass(frozen=True)
class PieceSums:
    """Pieces 1..n (row 0 is nobody) and the borders between those that are neighbours.

    Attributes:
        sums: (n + 1, C) over the pixels of a piece, columns as named in this module. u and v are grid pixels from the corner of
            the look's window, depth and heights are metres.
        parts: (n + 1, P) pixels of a piece in each of the parts that valleys and steps alone cut (``Look.uncut``), 0 for none.
        low, high: (n + 1,) least and greatest height above the plane but for a few pixels, metres.
        hulls: of each piece's pixels in the image, (K, 1, 2) int32; row 0 is empty.
        hull_px: (n + 1,) area of each hull, grid pixels; row 0 has 1.
        pairs: (m, 2) neighbours, the smaller number first.
        border: (m, B) sums over their border's pixel pairs.
        both_px: (m,) area of the hull of both, grid pixels.
    """

    sums: FloatArray
    parts: FloatArray
    low: FloatArray
    high: FloatArray
    hulls: tuple[Hull, ...]
    hull_px: FloatArray
    pairs: IntArray
    border: FloatArray
    both_px: FloatArray

    def joined(self, into: IntArray) -> PieceSums:
        """The sums after each piece (n + 1,) was put into the one of number ``into``: 0..k without gaps, 0 for nobody."""
        count = int(into.max()) + 1
        share = np.zeros((count, len(into)))
        share[into, np.arange(len(into))] = 1
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, into, self.low)
        np.maximum.at(high, into, self.high)
        hulls, hull_px, whole = self._hulls_joined(into, count)
        first, second = into[self.pairs].T
        left = np.flatnonzero(first != second)
        first, second, border = first[left], second[left], self.border[left]
        swapped = np.flatnonzero(first > second)
        if len(swapped):
            turned = border[swapped]
            turned[:, B_LAB] *= -1
            turned[:, B_FIRST], turned[:, B_SECOND] = border[swapped, B_SECOND], border[swapped, B_FIRST]
            border[swapped] = turned
        pairs, start, order = _pairs(np.minimum(first, second), np.maximum(first, second), count)
        total = np.add.reduceat(border[order], start, axis=0) if len(start) else border
        # Nothing has changed between two that are as they were.
        both_px = self.both_px[left[order[start]]]
        changed = np.flatnonzero(~(whole[pairs[:, 0]] & whole[pairs[:, 1]]))
        both_px[changed] = _areas_of_both(hulls, pairs[changed])
        return PieceSums(share @ self.sums, share @ self.parts, low, high, hulls, hull_px, pairs, total, both_px)

    def _hulls_joined(self, into: IntArray, count: int) -> tuple[tuple[Hull, ...], FloatArray, npt.NDArray[np.bool_]]:
        """The hulls and their areas after joining, and which (k + 1,) are as they were."""
        whole = np.bincount(into) == 1
        hulls, hull_px = [self.hulls[0]] * count, np.ones(count)
        for name, new in enumerate(into.tolist()):
            hulls[new] = self.hulls[name]
        hull_px[into] = self.hull_px
        for new in np.flatnonzero(~whole).tolist():
            hulls[new] = _hull_of([self.hulls[name] for name in np.flatnonzero(into == new).tolist()])
            hull_px[new] = _area(hulls[new])
        return tuple(hulls), hull_px, whole


def _pairs(first: IntArray, second: IntArray, count: int) -> tuple[IntArray, IntArray, IntArray]:
    """Distinct pairs (m, 2) of numbers below ``count``; indices (P,) that put equal ones side by side, where each (m,) starts."""
    keys = first * count + second
    # 16-bit integers are sorted by their digits: many times faster than by comparing.
    order = np.argsort(keys.astype(np.uint16) if count < 2**8 else keys, kind="stable")
    keys = keys[order]
    first_of_kind = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=first_of_kind[1:])
    start = np.flatnonzero(first_of_kind)
    return np.array(np.divmod(keys[start], count)).T, start, order


def _hull_of(some: list[Hull]) -> Hull:
    """The hull of points (N, 1, 2), or (N, 2)."""
    import cv2

    return np.asarray(cv2.convexHull(np.concatenate(some) if len(some) > 1 else some[0]), dtype=np.int32)


def _area(hull: Hull) -> float:
    """Pixels of an outline through the middles of its pixels."""
    import cv2

    return float(cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1)


def _areas_of_both(hulls: Sequence[Hull], pairs: IntArray) -> list[float]:
    """(m,) area of the hull of both of each pair (m, 2)."""
    import cv2

    # Hundreds of times an image.
    both = [cv2.convexHull(np.concatenate((hulls[one], hulls[other]))) for one, other in pairs.tolist()]
    return [cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1 for hull in both]


def sums_of(look: Look, labels: IntMap) -> PieceSums:
    """The sums of pieces (h, w) 1..n of the look's domain, none of which is empty."""
    name = labels.ravel().take(look.pixels)
    count = int(name.max(initial=0)) + 1
    # Piece by piece, so that each is one slice.
    order = np.argsort(name.astype(np.uint16) if count < 2**16 else name, kind="stable")
    order = order[np.searchsorted(name[order], 1) :]
    sizes = np.bincount(name, minlength=count)[1:]
    start = np.cumsum(sizes) - sizes
    u, v = look.column.take(order), look.row.take(order)
    columns = np.empty((_SUM_COLUMNS, len(order)))
    height = _fill(columns, look, order, u, v)
    sums = np.zeros((count, _SUM_COLUMNS))
    sums[1:] = np.add.reduceat(columns, start, axis=1).T
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    # A piece's outermost pixels along rows: its hull is theirs.
    end = np.ones(len(order), dtype=bool)
    end[1:] = v[1:] != v[:-1]
    end[start] = True
    end[:-1] |= end[1:]
    end[-1:] = True
    hulls: list[Hull] = [np.zeros((0, 1, 2), np.int32)]
    places = np.array([u, v], dtype=np.int32).T.copy()
    for piece, (begin, size) in enumerate(zip(start.tolist(), sizes.tolist(), strict=True), start=1):
        own = slice(begin, begin + size)
        ordered = np.sort(height[own])
        low[piece], high[piece] = (ordered[int(share * (size - 1))] for share in (_TRIM, 1 - _TRIM))
        hulls.append(_hull_of([places[own][end[own]]]))
    pairs, border, sums[:, RIM] = _borders(look, labels, count)
    both = _areas_of_both(hulls, pairs)
    areas = np.array([1.0, *(_area(hull) for hull in hulls[1:])])
    parts = look.uncut.ravel().take(look.pixels)
    width = int(parts.max(initial=0)) + 1
    votes = np.bincount(name * width + parts, minlength=count * width).reshape(count, width).astype(np.float64)
    return PieceSums(sums, votes, low, high, tuple(hulls), areas, pairs, border, np.asarray(both, dtype=np.float64))


def _fill(columns: FloatArray, look: Look, order: IntArray, u: IntArray, v: IntArray) -> npt.NDArray[np.float32]:
    """Fill columns (C, M) for pixels of the domain, ``order`` (M,) of its list, at ``u`` and ``v`` (M,); their heights (M,)."""
    rows, columns_of = look.window
    across = look.grid.depth.shape[1]
    at = (v + rows.start) * across + (u + columns_of.start)
    depth = look.grid.depth.ravel().take(at)
    height: npt.NDArray[np.float32] = look.surface.height.ravel().take(at)
    columns[COUNT], columns[U], columns[V], columns[RIM] = 1, u, v, 0
    columns[DEPTH], columns[HEIGHT] = depth, height
    np.divide(1, np.maximum(columns[DEPTH], 1e-3), out=columns[INVERSE])
    for product, one, other in (
        (UU, U, U), (UV, U, V), (VV, V, V), (U_INVERSE, U, INVERSE), (V_INVERSE, V, INVERSE), (INVERSE_SQUARED, INVERSE, INVERSE)
    ):  # fmt: skip
        np.multiply(columns[one], columns[other], out=columns[product])
    columns[LAB] = look.lab.take(order, axis=1)
    np.square(columns[LAB], out=columns[LAB_SQUARED])
    columns[RAY] = [look.grid.rays[..., axis].ravel().take(at) for axis in (0, 1)]
    columns[FLAT] = look.surface.plane.basis() @ np.array([*columns[RAY] * columns[DEPTH], columns[DEPTH]])
    return height


def _borders(look: Look, labels: IntMap, count: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Neighbours (m, 2), the sums over their borders (m, B), and how long each piece's rim is (n + 1,), in sides of pixels."""
    own, p, q, near, rim = _facing(look, labels, count)
    first, second = own[p], own[q]
    p, q = np.where(first > second, q, p), np.where(first > second, p, q)
    pairs, start, order = _pairs(np.minimum(first, second), np.maximum(first, second), count)
    if not len(start):
        return pairs, np.zeros((0, _BORDER_COLUMNS)), rim
    p, q = p[order], q[order]
    depth = look.links.depth.ravel().take(look.pixels).astype(np.float64)
    at_p, at_q = depth.take(p), depth.take(q)
    valley, wide = (np.minimum(of, _MOST_VALLEY) for of in (look.valley, look.wide_valley))
    valley_p, valley_q, lab = look.valley.take(p), look.valley.take(q), look.lab.astype(np.float64)
    step = np.abs(at_p - at_q)
    noise = look.config.noise
    columns = np.empty((_BORDER_COLUMNS, len(p)))
    columns[B_COUNT] = 1
    np.minimum((valley_p + valley_q) / 2, _MOST_VALLEY, out=columns[B_VALLEY])
    columns[B_DEEPEST] = np.maximum(valley.take(p), valley.take(q))
    columns[B_WIDE] = np.maximum(wide.take(p), wide.take(q))
    np.minimum(step / (noise.floor_m + noise.quadratic_per_m * at_p**2), _MOST_SIGMAS, out=columns[B_SIGMAS])
    np.minimum(step, _MOST_STEP_M, out=columns[B_STEP])
    columns[B_EDGE] = np.maximum(look.edge.take(p), look.edge.take(q))
    columns[B_TOUCH] = near[order]
    height = look.surface.height[look.window].ravel().take(look.pixels).astype(np.float64)
    columns[B_HEIGHT] = (height.take(p) + height.take(q)) / 2
    np.square(columns[B_HEIGHT], out=columns[B_HEIGHT_SQUARED])
    columns[B_LAB] = lab.take(p, axis=1) - lab.take(q, axis=1)
    for side, index, z in ((B_FIRST, p, at_p), (B_SECOND, q, at_q)):
        columns[side] = look.column.take(index), look.row.take(index), 1 / np.maximum(z, 1e-3)
    return pairs, np.add.reduceat(columns, start, axis=1).T.copy(), rim


def _facing(look: Look, labels: IntMap, count: int) -> tuple[IntArray, IntArray, IntArray, npt.NDArray[np.bool_], FloatArray]:
    """Pixels of two pieces that face each other along a row or a column.

    Returns:
        The pieces (N,) of the domain's pixels; (P,) indices of two that face each other, and whether they are next to each
        other; each piece's rim (n + 1,).
    """
    h, w = labels.shape
    own = labels.ravel().take(look.pixels)
    # Beyond the window is nobody, not even nothing.
    wide = w + 2 * REACH_PX
    around, index = (np.full((h + 2 * REACH_PX, wide), fill, dtype=np.int32) for fill in (-1, 0))
    around[REACH_PX : REACH_PX + h, REACH_PX : REACH_PX + w] = labels
    around, index = around.ravel(), index.ravel()
    # The pixel that is furthest up and left of each; the others are a fixed way from there.
    corner, middle = look.row * wide + look.column, REACH_PX * wide + REACH_PX
    index[middle:][corner] = np.arange(len(corner))
    rim = np.zeros(count)
    found: list[tuple[IntArray, IntArray]] = []
    for reach in range(1, REACH_PX + 1):
        for along in (1, wide):
            other = around[middle + reach * along :].take(corner)
            differs = other != own
            if reach == 1:
                before = around[middle - along :].take(corner)
                rim += np.bincount(own[differs & (other >= 0)], minlength=count)
                rim += np.bincount(own[(before != own) & (before >= 0)], minlength=count)
            p = np.flatnonzero(differs & (other > 0) & (own > 0))
            one, other, place = own.take(p), other.take(p), corner.take(p)
            open_ = np.ones(len(p), dtype=bool)
            for between in range(1, reach):
                third = around[middle + between * along :].take(place)
                open_ &= (third == 0) | (third == one) | (third == other)
            found.append((p[open_], index[middle + reach * along :].take(place[open_]).astype(np.intp)))
    p, q = (np.concatenate(of) for of in zip(*found, strict=True))
    touching = sum(len(pair[0]) for pair in found[:2])
    return own.astype(np.intp), p, q, np.arange(len(p)) < touching, rim
