"""The point between a gripper's finger tips, from the pixels of an arm and their depth: the far end of what reaches into view.

An arm comes in over the image's edge, or stands on the table with its foot. Along its surface, measured with depth, the fingers
are what lies farthest from there. Where two ends are found that hang together only by way of a palm they are two fingers, and the
point is midway between them; where one is seen it most likely hides the other one.

The network says which pixels are a robot's, roughly; from these the surface is followed over all that is off the table and joined
to them without a step, so that thin dark fingers which it missed still count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...geometry.rigid import FloatArray
from ...scene.frame import BoolArray

_WORK_WIDTH_PX = 160
# Neighbours farther apart than this lie on two surfaces; nearer to the table than this it is the table.
_STEP_M, _OFF_TABLE_M = 0.04, 0.012
# A foot: what comes down to this height over the table, and is wider there than fingers that touch it.
_FOOT_HEIGHT_M, _FOOT_WIDTH_M = 0.035, 0.06
# How far the surface is followed beyond the network's pixels, for fingers and for a foot.
_FINGER_M, _ARM_M = 0.10, 0.30
# Two fingers: apart, farther along the surface than through the air, and of about one length.
_APART_M, _DETOUR, _SHORTER_M = (0.025, 0.14), 1.6, 0.07
# Length of a finger's pad; half of its thickness, for depth sees its front; half of an opening where one finger hides the other.
_PAD_M, _HALF_THICKNESS_M, _HIDDEN_M = 0.03, 0.006, 0.04
_STD_M, _STD_ONE_FINGER_M = 0.006, 0.03
_MIN_POINTS = 20


@dataclass(frozen=True)
class Tip:
    """Attributes: ``point`` (3,) in the optical frame, metres; ``std_m`` of each axis; ``fingers`` seen, 1 or 2."""

    point: FloatArray
    std_m: float
    fingers: int


@dataclass(frozen=True)
class _Surface:
    """Points (N, 3) joined to their neighbours by a sparse matrix of lengths; their heights and places in the small image."""

    points: FloatArray
    joined: Any
    heights: FloatArray
    at_edge: BoolArray
    from_mask: FloatArray


def gripper_tip(mask: BoolArray, xyz: npt.NDArray[np.float32], plane: FloatArray, things: BoolArray | None = None) -> Tip | None:
    """Find the point.

    Args:
        mask: (H, W) pixels that are a robot's.
        xyz: (H, W, 3) metres in the optical frame, NaN where depth is invalid.
        plane: (4,) support plane, normal up.
        things: (H, W) pixels of things on the table, which are no robot.

    Returns:
        None where it cannot be told: without a plane, without depth on the mask, or when nothing reaches into the image.
    """
    if not np.isfinite(plane).all():
        return None
    surface = _surface(mask, xyz, plane, things)
    if surface is None:
        return None
    feet = _feet(surface)
    length = _lengths(surface, np.flatnonzero(surface.at_edge | feet))
    reached = _without_foot(surface, feet, np.isfinite(length) & (surface.from_mask <= _FINGER_M))
    if np.count_nonzero(reached) < _MIN_POINTS:
        return None
    # The third farthest, for single points may be noise.
    ordered = np.flatnonzero(reached)[np.argsort(length[reached])]
    ends = _fingers(surface, length, reached, int(ordered[-3]))
    pads = [surface.points[(_lengths(surface, [end]) < _PAD_M) & reached].mean(axis=0) for end in ends]
    middle = np.mean(pads, axis=0)
    sight = middle / np.linalg.norm(middle)
    point = middle + _HALF_THICKNESS_M * sight
    if len(ends) == 1:
        away = sight - (sight @ plane[:3]) * plane[:3]
        point = point + _HIDDEN_M * away / max(float(np.linalg.norm(away)), 1e-6)
    return Tip(point, _STD_M if len(ends) == 2 else _STD_ONE_FINGER_M, len(ends))


def _surface(mask: BoolArray, xyz: npt.NDArray[np.float32], plane: FloatArray, things: BoolArray | None) -> _Surface | None:
    """All that is off the table and hangs together with the mask."""
    step = max(1, round(mask.shape[1] / _WORK_WIDTH_PX))
    small, points = mask[::step, ::step], xyz[::step, ::step].astype(np.float64)
    heights = points @ plane[:3] + plane[3]
    free = np.isfinite(heights) & (heights > _OFF_TABLE_M)
    if things is not None:
        free &= ~things[::step, ::step] | small
    own = small[free]
    if np.count_nonzero(own) < _MIN_POINTS:
        return None
    whole = _joined(free, points)
    from_mask = _from(whole, np.flatnonzero(own), _ARM_M)
    kept = np.flatnonzero(np.isfinite(from_mask))
    rows, columns = (places[kept] for places in np.nonzero(free))
    edge = (rows < 2) | (rows >= free.shape[0] - 2) | (columns < 2) | (columns >= free.shape[1] - 2)
    return _Surface(points[free][kept], whole[kept][:, kept], heights[free][kept], edge, from_mask[kept])


def _joined(free: BoolArray, points: FloatArray) -> Any:
    """Sparse (N, N) lengths between neighbours of the N free pixels, without steps in depth."""
    from scipy.sparse import coo_matrix

    numbers = np.full(free.shape, -1)
    numbers[free] = np.arange(np.count_nonzero(free))
    flat, height, width = points[free], *free.shape
    ends: list[tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
    # The second neighbours bridge single pixels without depth.
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)):
        first = numbers[: height - down, max(0, -right) : width - max(0, right)]
        second = numbers[down:, max(0, right) : width + min(0, right)]
        both = (first >= 0) & (second >= 0)
        apart = np.linalg.norm(flat[first[both]] - flat[second[both]], axis=1)
        near = apart < _STEP_M
        ends.append((apart[near] + 1e-6, first[both][near], second[both][near]))
    lengths, one, other = (np.concatenate(part) for part in zip(*ends, strict=True))
    return coo_matrix((lengths, (one, other)), shape=(len(flat), len(flat))).tocsr()


def _from(joined: Any, sources: npt.ArrayLike, limit: float = np.inf) -> FloatArray:
    """(N,) length along the surface from the nearest of the sources; infinite where it does not lead there."""
    from scipy.sparse.csgraph import dijkstra

    indices = np.atleast_1d(np.asarray(sources, np.intp))
    if not len(indices):
        return np.full(joined.shape[0], np.inf)
    return np.asarray(dijkstra(joined, directed=False, indices=indices, limit=limit, min_only=True), np.float64)


def _lengths(surface: _Surface, sources: npt.ArrayLike) -> FloatArray:
    return _from(surface.joined, sources)


def _feet(surface: _Surface) -> BoolArray:
    """(N,) where the arm stands on the table: low and wide. Fingers that touch it are narrow."""
    from scipy.sparse.csgraph import connected_components

    feet = np.zeros(len(surface.points), bool)
    low = np.flatnonzero(surface.heights < _FOOT_HEIGHT_M)
    if not len(low):
        return feet
    count, part = connected_components(surface.joined[low][:, low], directed=False)
    for number in range(count):
        own = low[part == number]
        feet[own] = len(own) >= 4 and float(np.linalg.norm(np.ptp(surface.points[own], axis=0))) > _FOOT_WIDTH_M
    return feet


def _without_foot(surface: _Surface, feet: BoolArray, reached: BoolArray) -> BoolArray:
    """The part of what is ``reached`` (N,) that has no foot, where there is one: a column behind the arm is no gripper."""
    from scipy.sparse.csgraph import connected_components

    _, part = connected_components(surface.joined, directed=False)
    hanging = reached & ~np.isin(part, np.unique(part[feet]))
    return hanging if np.count_nonzero(hanging & (surface.from_mask == 0)) >= _MIN_POINTS else reached


def _fingers(surface: _Surface, length: FloatArray, reached: BoolArray, first: int) -> list[int]:
    """The farthest point, and the end of a second finger where there is one."""
    along = _lengths(surface, [first])
    through_air = np.linalg.norm(surface.points - surface.points[first], axis=1)
    low, high = _APART_M
    second = reached & (through_air > low) & (through_air < high) & np.isfinite(along) & (along > _DETOUR * through_air)
    second &= length > length[first] - _SHORTER_M
    if not second.any():
        return [first]
    others = np.flatnonzero(second)
    return [first, int(others[np.argmax(length[others])])]
