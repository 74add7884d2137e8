"""Which pixels are the robot itself: capsules along its links, at the poses that tf gives.

Without this the arm is a thing on the table, and a grasped object and the fingers are one cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray
from ..scene.frame import BoolArray, RGBDFrame


@dataclass(frozen=True)
class Capsule:
    """All points within ``radius_m`` of the segment ``start`` to ``end``, both (3,) in the optical frame, metres."""

    start: FloatArray
    end: FloatArray
    radius_m: float


def robot_mask(frame: RGBDFrame, capsules: Sequence[Capsule], padding_m: float = 0.005) -> BoolArray:
    """(H, W) bool: pixels whose point lies inside a capsule grown by ``padding_m``."""
    mask = np.zeros(frame.depth_m.shape, dtype=np.bool_)
    if not capsules:
        return mask
    rays = frame.camera.rays
    for capsule, (rows, columns) in zip(capsules, _image_windows(frame, capsules, padding_m), strict=True):
        radius = capsule.radius_m + padding_m
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        depth = frame.depth_m[rows, columns]
        near, far = sorted((float(capsule.start[2]), float(capsule.end[2])))
        # Few pixels of the window are as deep as the capsule; a little more, for rounding.
        with np.errstate(invalid="ignore"):
            v, u = np.nonzero((depth > near - radius - 1e-4) & (depth < far + radius + 1e-4))
        if not len(v):
            continue
        z = depth[v, u]
        v += rows.start
        u += columns.start
        seen = rays[v, u]
        inside = _squared_distance(np.stack([seen[:, 0] * z, seen[:, 1] * z, z]), capsule) <= radius**2
        mask[v[inside], u[inside]] = True
    return mask


def _squared_distance(points: np.ndarray, capsule: Capsule) -> np.ndarray:
    """Squared distance (N,) of points (3, N) to the capsule's segment."""
    along = (capsule.end - capsule.start).astype(np.float32)
    relative = points - capsule.start.astype(np.float32)[:, None]
    length_squared = max(float(along @ along), 1e-12)
    share = np.clip(along @ relative / length_squared, 0.0, 1.0)
    squared: np.ndarray = np.square(relative - along[:, None] * share).sum(axis=0)
    return squared


_CUBE = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T


def _image_windows(frame: RGBDFrame, capsules: Sequence[Capsule], padding_m: float) -> list[tuple[slice, slice]]:
    """Rows and columns that can show each capsule. The whole image when a part of it is at or behind the camera."""
    height, width = frame.depth_m.shape
    radii = np.array([capsule.radius_m + padding_m for capsule in capsules])
    ends = np.array([[capsule.start, capsule.end] for capsule in capsules], dtype=np.float64)
    near = ends[:, :, 2].min(axis=1) - radii < 0.05
    # A ball off the axis reaches further across the image than radius / depth: project the cubes around both ends.
    corners = ends[:, :, None] + radii[:, None, None, None] * _CUBE
    pixels = frame.camera.project(corners[~near].reshape(-1, 3)).reshape(-1, 16, 2)
    low, high = np.floor(pixels.min(axis=1) - 2).astype(int), np.ceil(pixels.max(axis=1) + 2).astype(int) + 1
    found = iter(zip(low.tolist(), high.tolist(), strict=True))
    windows = []
    for is_near in near:
        if is_near:
            windows.append((slice(0, height), slice(0, width)))
            continue
        (u0, v0), (u1, v1) = next(found)
        windows.append((slice(max(0, v0), min(height, v1)), slice(max(0, u0), min(width, u1))))
    return windows
