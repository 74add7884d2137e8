"""Boxes around things while they are measured: an axis frame, and where each of six faces lies give or take."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray
from .scene import Canonical

# The third axis of a box; up, where that is known.
UP = 2
# A side of an outline is so much of its length, and lies on a side of a rectangle within this, or within this share of the root
# of its area; a rectangle is hardly larger than another by this factor.
_SIDE_SHARE, _ON_M, _ON_SHARE, _LARGER = 0.04, 0.002, 0.02, 1.15


@dataclass(frozen=True)
class Box:
    """An oriented box: ``low``, ``high`` (3,) along ``axes``, and one standard deviation (3, 2) of each low and high face.

    ``sheet_m``: how thick a sheet may lie under the thing for all that is seen beside it; infinite for a thing in the air.
    """

    axes: FloatArray
    low: FloatArray
    high: FloatArray
    faces_std: FloatArray
    sheet_m: float = 0.0

    @property
    def centre(self) -> FloatArray:
        return np.asarray(self.axes @ ((self.low + self.high) / 2))

    @property
    def extents(self) -> FloatArray:
        return np.maximum(self.high - self.low, 1e-3)

    @property
    def extents_std(self) -> FloatArray:
        return np.asarray(np.sqrt((self.faces_std**2).sum(axis=1)))

    @property
    def lean(self) -> FloatArray:
        """(3,) correlation of its height's error with that of its centre's height; 0 for the other two edges."""
        low, high = self.faces_std[UP] ** 2
        return np.array([0.0, 0.0, (high - low) / max(high + low, 1e-18)])

    @property
    def covariance(self) -> FloatArray:
        """(3, 3) of the centre, for faces that err independently."""
        return np.asarray((self.axes * (self.faces_std**2).sum(axis=1) / 4) @ self.axes.T)

    def moved_down(self, by_m: float, std_m: float) -> Box:
        """With its low face moved down, and one standard deviation of where that is then."""
        low, faces = self.low.copy(), self.faces_std.copy()
        low[UP] -= by_m
        faces[UP, 0] = std_m
        return replace(self, low=low, faces_std=faces)


def box_axes(points: FloatArray, canonical: Canonical | None, is_hidden: bool = False) -> FloatArray:
    """(3, 3) columns: axes of the box. Upright with the smallest footprint where up is known, else principal axes.

    Args:
        is_hidden: whether something may hide a part of the thing: of about as small footprints the one whose sides most of the
            outline lies on is the right one then. Of two sides that meet in a corner the third side of the triangle is none.
    """
    if canonical is None:
        if len(points) < 2:
            return np.eye(3)  # one point has no axes
        _, vectors = np.linalg.eigh(np.cov(points.T))
        axes: FloatArray = vectors[:, ::-1].copy()
        if np.linalg.det(axes) < 0:
            axes[:, 2] *= -1
        return axes
    basis = canonical.scene_from_canonical.rotation
    level = _trimmed(np.ascontiguousarray((points @ basis[:, :2]).T), 0.002)
    yaw = _yaw_of_sides(level) if is_hidden else _yaw(level)
    c, s = np.cos(yaw), np.sin(yaw)
    upright: FloatArray = basis @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return upright


def _yaw(xy: FloatArray) -> float:
    """Angle in [-pi/4, pi/4) of the first side of the smallest rectangle around points (2, N)."""
    import cv2

    _, _, angle_deg = cv2.minAreaRect(cv2.convexHull(np.ascontiguousarray(xy.T, dtype=np.float32)))
    return float((np.deg2rad(angle_deg) + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _yaw_of_sides(xy: FloatArray) -> float:
    """The same of the rectangle whose sides hold most of the outline of points (2, N), of those that are hardly larger."""
    import cv2

    hull = cv2.convexHull(np.ascontiguousarray(xy.T, dtype=np.float32))[:, 0].astype(np.float64)
    sides = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(*sides.T)
    angles = np.arctan2(sides[:, 1], sides[:, 0])[lengths > _SIDE_SHARE * lengths.sum()]
    if not len(angles):
        return _yaw(xy)
    c, s = np.cos(angles), np.sin(angles)
    turned = np.stack([np.column_stack([c, s]), np.column_stack([-s, c])], axis=1) @ hull.T
    low, high = turned.min(axis=2, keepdims=True), turned.max(axis=2, keepdims=True)
    area = np.prod(high - low, axis=1)[:, 0]
    on = np.concatenate([turned - low, high - turned], axis=1) < np.maximum(_ON_SHARE * np.sqrt(area), _ON_M)[:, None, None]
    held = (on & np.roll(on, -1, axis=2)).any(axis=1) @ lengths / (high - low).sum(axis=(1, 2))
    best = int(np.argmax(np.where(area <= _LARGER * area.min(), held, -1.0)))
    return float((angles[best] + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _trimmed(values: FloatArray, share: float) -> FloatArray:
    """Columns of (D, N) inside the central part of each row."""
    low, high = linear_quantiles(values, (share, 1 - share))
    kept = np.flatnonzero(((low[:, None] <= values) & (values <= high[:, None])).all(axis=0))
    return values.take(kept, axis=1) if len(kept) >= 8 else values
