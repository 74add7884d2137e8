"""Outlines of things on the ground, the way between two of them, and the room that one leaves another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .scene import SceneObject

# Of half of an outline's sides, which the other half mirrors, every so many rule out angles; and so many angles are tried first.
_SIDES_SKIPPED, _ANGLES_FIRST = 2, 12


def footprint(thing: SceneObject, basis: FloatArray) -> FloatArray:
    """Outline of a thing on the ground.

    The hull of its visible points and of the same points mirrored through its centre: a box, a can and a ball are their own
    mirror images, and one view shows half of them.

    Args:
        basis: (3, 2) two level unit vectors in the scene's frame.

    Returns:
        (K, 2) corners of a convex outline in that basis, metres, K >= 1.
    """
    import cv2

    if len(thing.points):
        around = thing.mirrored - thing.centre
        # Single points beyond the box are flying pixels that the box was read without.
        inside = (np.abs(around @ thing.axes) <= thing.extents / 2 + 1e-3).all(axis=1)
        around = around[inside] if inside.any() else around
    else:
        around = thing.corners() - thing.centre
    # About its own centre, because the hull is found in single precision.
    outline: FloatArray = cv2.convexHull((around @ basis).astype(np.float32))[:, 0].astype(np.float64)
    return outline + thing.centre @ basis


def outline_gap(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Nearest points (2,) of two convex outlines (K, 2) and their distance, metres; 0 where they overlap."""
    if _overlap(a, b):
        middle = (a.mean(axis=0) + b.mean(axis=0)) / 2
        return middle, middle, 0.0
    best = (a[0], b[0], np.inf)
    for points, outline, swapped in ((a, b, False), (b, a, True)):
        # Coordinate by coordinate: sums over axes of two are slow.
        (start_x, start_y), (end_x, end_y) = outline.T, _next(outline).T
        side_x, side_y = end_x - start_x, end_y - start_y
        x, y = points[:, 0, None], points[:, 1, None]
        squared = np.maximum(side_x * side_x + side_y * side_y, 1e-18)
        along = np.clip(((x - start_x) * side_x + (y - start_y) * side_y) / squared, 0.0, 1.0)
        foot_x, foot_y = start_x + along * side_x, start_y + along * side_y
        distances = np.sqrt((x - foot_x) ** 2 + (y - foot_y) ** 2)
        i, j = np.unravel_index(int(np.argmin(distances)), distances.shape)
        if distances[i, j] < best[2]:
            pair = (points[i], np.array([foot_x[i, j], foot_y[i, j]]))
            best = (*(pair[::-1] if swapped else pair), float(distances[i, j]))
    return best


def _next(outline: FloatArray) -> FloatArray:
    """(K, 2) the corner behind each corner of an outline (K, 2); ``np.roll`` takes several times as long."""
    return np.concatenate([outline[1:], outline[:1]])


def way_out(outline: FloatArray, direction: FloatArray) -> float:
    """How far a convex outline (K, 2) around the origin reaches along a unit vector (2,), metres; NaN without a breadth."""
    sides = _next(outline) - outline
    normals = np.column_stack([sides[:, 1], -sides[:, 0]])
    # Outlines are listed either way round.
    reaches = np.einsum("ij,ij->i", normals, outline)
    normals *= np.where(reaches < 0, -1.0, 1.0)[:, None]
    towards = normals @ direction
    ahead = towards > 1e-12
    if len(outline) < 3 or not ahead.any():
        return float("nan")
    return float(np.min(np.abs(reaches[ahead]) / towards[ahead]))


def _overlap(a: FloatArray, b: FloatArray) -> bool:
    """Whether two convex outlines share a point: no side of either separates them, nor the line through their middles.

    That line is what parts two outlines without a breadth, points and collinear segments.
    """
    middles = b.mean(axis=0) - a.mean(axis=0)
    for outline in (a, b):
        sides = _next(outline) - outline
        normals = np.column_stack([sides[:, 1], -sides[:, 0]])
        normals = np.concatenate([normals, middles[None]])
        on_a, on_b = a @ normals.T, b @ normals.T
        if ((on_a.max(axis=0) < on_b.min(axis=0)) | (on_b.max(axis=0) < on_a.min(axis=0))).any():
            return False
    return True


def room(a: FloatArray, b: FloatArray, aligned_rad: float = 0.0) -> float:
    """How far an outline, turned at will, stays within another one at best, metres; negative where it sticks out.

    Args:
        a, b: (K, 2) and (L, 2) corners about their own middles, which are put on each other: the best place for outlines that
            are their own mirror images.
        aligned_rad: an angle by which a's edges come to lie along b's; it is among those tried, which are a degree apart.
    """
    sides = _next(b) - b
    lengths = np.linalg.norm(sides, axis=1)
    real = lengths > 1e-12
    if not real.any():
        return -float(np.linalg.norm(a, axis=1).max())
    normals = np.column_stack([sides[:, 1], -sides[:, 0]])[real] / lengths[real, None]
    # The farthest corner that way: rounding turns the sides between corners that all but coincide.
    reach = np.abs(normals @ b.T).max(axis=1)
    angles = aligned_rad + np.deg2rad(np.arange(180.0))
    c, s = np.cos(angles), np.sin(angles)

    def within(some: slice | npt.NDArray[np.intp], of: slice) -> FloatArray:
        """How far the outline stays within some of the sides at some of the angles, by the side that it comes nearest to."""
        # To turn the outline is to turn the sides the other way. A row for each side, and of all of them for each corner: NumPy
        # compares long rows with each other much faster than the few numbers of short ones.
        across, along = normals[of, :1], normals[of, 1:]
        turned = np.stack([across * c[some] + along * s[some], along * c[some] - across * s[some]])
        ends = a @ turned.reshape(2, -1)
        sticks_out = np.abs(ends, out=ends).max(axis=0).reshape(turned.shape[1:])
        least: FloatArray = (reach[of, None] - sticks_out).min(axis=0)
        return least

    every = slice(None)
    # A few of the sides already rule out most angles: no other side leaves more room than those do.
    at_most = within(every, slice(None, (len(normals) + 1) // 2, _SIDES_SKIPPED))
    order = np.argsort(-at_most, kind="stable")
    best = within(order[:_ANGLES_FIRST], every).max()
    left = order[_ANGLES_FIRST:]
    left = left[at_most[left] > best]
    return float(best if not len(left) else max(best, within(left, every).max()))
