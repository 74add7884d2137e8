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
    for capsule in capsules:
        radius = capsule.radius_m + padding_m
        rows, columns = _image_window(frame, capsule, padding_m)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        depth = frame.depth_m[rows, columns]
        near, far = sorted((float(capsule.start[2]), float(capsule.end[2])))
        # Few pixels of the window are as deep as the capsule; a little more, for rounding.
        with np.errstate(invalid="ignore"):
            v, u = np.nonzero((depth > near - radius - 1e-4) & (depth < far + radius + 1e-4))
        z = depth[v, u]
        rays = frame.camera.rays[v + rows.start, u + columns.start]
        inside = _squared_distance(np.stack([rays[:, 0] * z, rays[:, 1] * z, z]), capsule) <= radius**2
        mask[v[inside] + rows.start, u[inside] + columns.start] = True
    return mask


def _squared_distance(points: np.ndarray, capsule: Capsule) -> np.ndarray:
    """Squared distance (N,) of points (3, N) to the capsule's segment."""
    along = (capsule.end - capsule.start).astype(np.float32)
    relative = points - capsule.start.astype(np.float32)[:, None]
    length_squared = max(float(along @ along), 1e-12)
    share = np.clip(along @ relative / length_squared, 0.0, 1.0)
    squared: np.ndarray = np.square(relative - along[:, None] * share).sum(axis=0)
    return squared


def _image_window(frame: RGBDFrame, capsule: Capsule, padding_m: float) -> tuple[slice, slice]:
    """Rows and columns that can show the capsule. The whole image when a part of it is at or behind the camera."""
    height, width = frame.depth_m.shape
    radius = capsule.radius_m + padding_m
    ends = np.stack([capsule.start, capsule.end])
    if float(ends[:, 2].min()) - radius < 0.05:
        return slice(0, height), slice(0, width)
    # A ball off the axis reaches further across the image than radius / depth: project the cubes around both ends.
    steps = radius * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    pixels = frame.camera.project((ends[:, None] + steps).reshape(-1, 3))
    u0, v0 = np.floor(pixels.min(axis=0) - 2).astype(int)
    u1, v1 = np.ceil(pixels.max(axis=0) + 2).astype(int) + 1
    return slice(max(0, int(v0)), min(height, int(v1))), slice(max(0, int(u0)), min(width, int(u1)))
