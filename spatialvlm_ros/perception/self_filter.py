"""Which pixels are the robot itself: capsules along its links, at the poses that tf gives.

Without this the arm is a thing on the table, and a grasped object and the fingers are one cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.noise import DepthNoise

FloatMap = npt.NDArray[np.float32]
Window = tuple[slice, slice]
# Capsules are looked at together in a window of up to this many times the largest one's own.
_SHARED = 1.5
# So many standard deviations of its depth a pixel of the robot may be off along its ray.
_ALONG_RAY = 3.0


@dataclass(frozen=True)
class Capsule:
    """All points within ``radius_m`` of the segment ``start`` to ``end``, both (3,) in the optical frame, metres."""

    start: FloatArray
    end: FloatArray
    radius_m: float


def robot_mask(
    frame: RGBDFrame,
    capsules: Sequence[Capsule],
    padding_m: float = 0.005,
    within: Window | None = None,
    noise: DepthNoise | None = None,
) -> BoolArray:
    """(H, W) bool: pixels whose point lies inside a capsule grown by ``padding_m``, or would if depth did not err.

    Args:
        within: nothing outside of these rows and columns is looked at, nor set.
        noise: of the depth camera. From afar depth errs by more than links are thick, and a padding of as much would swallow
            what the fingers hold: pixels may be off by it along their rays alone. None for depth that is exact.
    """
    mask = np.zeros(frame.depth_m.shape, dtype=np.bool_)
    if not capsules:
        return mask
    ray_x, ray_y = frame.camera.ray_planes
    windows = _image_windows(frame, capsules, padding_m)
    if within is not None:
        windows = [_overlap(window, within) for window in windows]
    for (rows, columns), group in _groups(capsules, windows):
        radii = [capsule.radius_m + padding_m for capsule in group]
        reach = [
            (min(c.start[2], c.end[2]) - radius, max(c.start[2], c.end[2]) + radius)
            for c, radius in zip(group, radii, strict=True)
        ]
        near, far = float(min(low for low, _ in reach)), float(max(high for _, high in reach))
        depth = frame.depth_m[rows, columns]
        most_m = float(_off_m(far + 2 * float(_off_m(far, noise, padding_m)), noise, padding_m))
        # Few pixels of the window are as deep as the capsules; a little more, for rounding.
        close = (depth > near - most_m - 1e-4) & (depth < far + most_m + 1e-4)
        z = depth[close]
        if not len(z):
            continue
        x, y = ray_x[rows, columns][close], ray_y[rows, columns][close]
        inside = np.zeros(len(z), dtype=np.bool_)
        off_m = _off_m(z, noise, padding_m)
        for truly in (z,) if most_m <= 0.0 else (z - off_m, z, z + off_m):
            squared = _squared_distances((x * truly, y * truly, truly.copy()), group)
            inside |= (squared <= np.square(radii).astype(np.float32)[:, None]).any(axis=0)
        mask[rows, columns][close] |= inside
    return mask


def _off_m(depth_m: npt.ArrayLike, noise: DepthNoise | None, padding_m: float) -> FloatMap:
    """How far from the padding's end a pixel of the robot may be off along its ray, same shape."""
    if noise is None:
        return np.zeros(np.shape(depth_m), dtype=np.float32)
    return np.asarray(np.maximum(_ALONG_RAY * noise.pixel_std_m(depth_m) - padding_m, 0.0), dtype=np.float32)


def _squared_distances(point: Sequence[FloatMap], capsules: Sequence[Capsule]) -> FloatMap:
    """Squared distances (K, N) of points, coordinate by coordinate (N,), to the segments of capsules."""
    starts = np.array([capsule.start for capsule in capsules], dtype=np.float32).T[..., None]
    along = np.array([capsule.end - capsule.start for capsule in capsules], dtype=np.float32).T[..., None]
    relative = [values - start for values, start in zip(point, starts, strict=True)]
    share = along[0] * relative[0]
    for axis in (1, 2):
        share += along[axis] * relative[axis]
    share /= np.maximum(np.square(along).sum(axis=0), np.float32(1e-12))
    np.minimum(np.maximum(share, 0.0, out=share), 1.0, out=share)
    squared: FloatMap = np.zeros_like(share)
    for axis in range(3):
        off = relative[axis]
        off -= along[axis] * share
        off *= off
        squared += off
    return squared


def _groups(capsules: Sequence[Capsule], windows: Sequence[Window]) -> list[tuple[Window, list[Capsule]]]:
    """Neighbours in the list with windows that hardly differ, with one that shows them all: together they take less time."""
    groups: list[tuple[Window, list[Capsule]]] = []
    most = 0
    for capsule, window in zip(capsules, windows, strict=True):
        size = _size(window)
        if not size:
            continue
        if groups and _size(union := _union(groups[-1][0], window)) <= _SHARED * max(most, size):
            groups[-1] = (union, [*groups[-1][1], capsule])
            most = max(most, size)
        else:
            groups.append((window, [capsule]))
            most = size
    return groups


def _union(one: Window, other: Window) -> Window:
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _overlap(one: Window, other: Window) -> Window:
    """May be empty; never ends before it begins."""
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    rows, columns = (slice(start, max(start, min(a.stop, b.stop))) for start, a, b in zip(starts, one, other, strict=True))
    return rows, columns


def _size(window: Window) -> int:
    rows, columns = (max(0, int(one.stop) - int(one.start)) for one in window)
    return rows * columns


_CUBE = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T


def _image_windows(frame: RGBDFrame, capsules: Sequence[Capsule], padding_m: float) -> list[Window]:
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
    windows: list[Window] = []
    for is_near in near:
        if is_near:
            windows.append((slice(0, height), slice(0, width)))
            continue
        (u0, v0), (u1, v1) = next(found)
        # What ends before the image begins has no pixels: a stop below 0 would count from the image's other end.
        windows.append((slice(max(0, v0), max(0, min(height, v1))), slice(max(0, u0), max(0, min(width, u1)))))
    return windows
