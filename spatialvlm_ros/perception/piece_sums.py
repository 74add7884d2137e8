"""Sums over the pixels of pieces and of the borders between them: pieces that are joined add theirs, no pixel is read again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .mend import IntMap
from .pieces import Look

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

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
# Columns of PieceSums.border: the first ones have no side, then a difference of the first side to the second one, then both.
B_COUNT, B_VALLEY, B_DEEPEST, B_WIDE, B_SIGMAS, B_STEP, B_EDGE, B_TOUCH = range(8)
B_LAB, B_FIRST, B_SECOND = slice(8, 11), slice(11, 14), slice(14, 17)
_BORDER_COLUMNS = 17


@dataclass(frozen=True)
class PieceSums:
    """Pieces 1..n (row 0 is nobody) and the borders between those that are neighbours.

    Attributes:
        sums: (n + 1, C) over the pixels of a piece, columns as named in this module. u and v are grid pixels from the corner of
            the look's window, depth and heights are metres.
        low, high: (n + 1,) least and greatest height above the plane but for a few pixels, metres.
        hulls: of each piece's pixels in the image, (K, 1, 2) int32; row 0 is empty.
        pairs: (m, 2) neighbours, the smaller number first.
        border: (m, B) sums over their border's pixel pairs.
    """

    sums: FloatArray
    low: FloatArray
    high: FloatArray
    hulls: tuple[npt.NDArray[np.int32], ...]
    pairs: IntArray
    border: FloatArray

    def joined(self, into: IntArray) -> PieceSums:
        """The sums after each piece (n + 1,) was put into the one of number ``into``: 0..k without gaps, 0 for nobody."""
        import cv2

        count = int(into.max()) + 1
        sums = np.zeros((count, self.sums.shape[1]))
        np.add.at(sums, into, self.sums)
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, into, self.low)
        np.maximum.at(high, into, self.high)
        members: list[list[npt.NDArray[np.int32]]] = [[] for _ in range(count)]
        for name, hull in zip(into.tolist(), self.hulls, strict=True):
            members[name].append(hull)
        hulls = [own[0] if len(own) == 1 else np.asarray(cv2.convexHull(np.concatenate(own)), np.int32) for own in members[1:]]
        first, second = into[self.pairs].T
        border, swapped = self.border[first != second].copy(), first > second
        swapped = swapped[first != second]
        first, second = first[first != second], second[first != second]
        border[swapped, B_LAB] *= -1
        border[swapped, B_FIRST], border[swapped, B_SECOND] = border[swapped, B_SECOND], border[swapped, B_FIRST]
        pairs, where = _pairs(np.minimum(first, second), np.maximum(first, second), count)
        total = np.zeros((len(pairs), self.border.shape[1]))
        np.add.at(total, where, border)
        return PieceSums(sums, low, high, (self.hulls[0], *hulls), pairs, total)


def _pairs(first: IntArray, second: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """(m, 2) distinct pairs of numbers below ``count``, and the index in them of each given one."""
    keys, where = np.unique(first * count + second, return_inverse=True)
    return np.stack([keys // count, keys % count], axis=1).astype(np.intp), where.reshape(-1).astype(np.intp)


def sums_of(look: Look, labels: IntMap) -> PieceSums:
    """The sums of pieces (h, w) 1..n."""
    import cv2

    count = int(labels.max()) + 1
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    # Piece by piece, so that each is one slice.
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    name = flat[pixels]
    sizes = np.bincount(name, minlength=count)
    v, u = np.divmod(pixels, labels.shape[1])
    inverse = 1 / np.maximum(look.depth.ravel()[pixels].astype(np.float64), 1e-3)
    lab = look.lab.reshape(-1, 3)[pixels].astype(np.float64)
    height = look.height.ravel()[pixels].astype(np.float64)
    flat_m = look.grid.xyz[look.window].reshape(-1, 3)[pixels] @ look.surface.plane.basis().T
    rays = look.grid.rays[look.window].reshape(-1, 2)[pixels]
    columns = [
        np.ones(len(u)), u, v, u * u, u * v, v * v, inverse, u * inverse, v * inverse, *lab.T, *np.square(lab).T, height,
        *flat_m.T, 1 / inverse, *rays.T, inverse * inverse, np.zeros(len(u)),
    ]  # fmt: skip
    sums: FloatArray = np.asarray([np.bincount(name, weights=column, minlength=count) for column in columns], np.float64).T.copy()
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    ordered = height[np.lexsort((height, name))]
    ends = [ordered[starts[1:] + np.floor(share * (sizes[1:] - 1)).astype(np.intp)] for share in (_TRIM, 1 - _TRIM)]
    low, high = (np.concatenate([[fill], end]) for fill, end in zip((np.inf, -np.inf), ends, strict=True))
    places = np.stack([u, v], axis=1).astype(np.int32)
    hulls = [
        np.asarray(cv2.convexHull(places[start : start + size]), np.int32)
        for start, size in zip(starts[1:], sizes[1:], strict=True)
    ]
    pairs, border, rim = _borders(look, labels, count)
    sums[:, RIM] = rim
    return PieceSums(sums, low, high, (np.zeros((0, 1, 2), np.int32), *hulls), pairs, border)


def _borders(look: Look, labels: IntMap, count: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Neighbours (m, 2), the sums over their borders (m, B), and how long each piece's rim is (n + 1,), in sides of pixels."""
    p, q, rim = _facing(labels, count)
    first, second = labels.ravel()[p].astype(np.intp), labels.ravel()[q].astype(np.intp)
    p, q = np.where(first > second, q, p), np.where(first > second, p, q)
    pairs, where = _pairs(np.minimum(first, second), np.maximum(first, second), count)
    depth = look.depth.ravel().astype(np.float64)
    valley, wide, edge, lab = look.valley.ravel(), look.wide_valley.ravel(), look.edge.ravel(), look.lab.reshape(-1, 3)
    step = np.abs(depth[p] - depth[q])
    sigma = look.config.noise.floor_m + look.config.noise.quadratic_per_m * depth[p] ** 2
    width = labels.shape[1]
    sides = [part for pixel in (p, q) for part in (pixel % width, pixel // width, 1 / np.maximum(depth[pixel], 1e-3))]
    near = (np.abs(p - q) == 1) | (np.abs(p - q) == width)
    columns = [
        np.ones(len(p)),
        np.minimum((valley[p] + valley[q]) / 2, _MOST_VALLEY),
        np.minimum(np.maximum(valley[p], valley[q]), _MOST_VALLEY),
        np.minimum(np.maximum(wide[p], wide[q]), _MOST_VALLEY),
        np.minimum(step / sigma, _MOST_SIGMAS),
        np.minimum(step, _MOST_STEP_M),
        np.maximum(edge[p], edge[q]),
        near.astype(np.float64),
        *(lab[p].astype(np.float64) - lab[q]).T,
        *sides,
    ]
    border = np.asarray([np.bincount(where, weights=column, minlength=len(pairs)) for column in columns], np.float64).T
    return pairs, border.reshape(len(pairs), _BORDER_COLUMNS).copy(), rim


def _facing(labels: IntMap, count: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Flat indices (P,) of pixels of two pieces that face each other along a row or a column, and each piece's rim (n + 1,)."""
    height, width = labels.shape
    flat = labels.ravel()
    rim = np.zeros(count)
    found: list[tuple[IntArray, IntArray]] = []
    for reach in range(1, REACH_PX + 1):
        for along in (1, width):
            dr, dc = (0, reach) if along == 1 else (reach, 0)
            if height <= dr or width <= dc:
                continue
            one, other = labels[: height - dr, : width - dc], labels[dr:, dc:]
            if reach == 1:
                apart = one != other
                rim += np.bincount(one[apart], minlength=count) + np.bincount(other[apart], minlength=count)
            row, column = np.nonzero((one != other) & (one > 0) & (other > 0))
            p = row * width + column
            q = p + reach * along
            open_ = np.ones(len(p), dtype=bool)
            for between in range(1, reach):
                middle = flat[p + between * along]
                open_ &= (middle == 0) | (middle == flat[p]) | (middle == flat[q])
            found.append((p[open_], q[open_]))
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), rim
    return np.concatenate([p for p, _ in found]), np.concatenate([q for _, q in found]), rim
