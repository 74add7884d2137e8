"""Which pixels are the robot itself: capsules along its links, at the poses that tf gives.

Without this the arm is a thing on the table, and a grasped object and the fingers are one cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.rigid import FloatArray
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.noise import DepthNoise

FloatMap = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
Window = tuple[slice, slice]
# Left, top, right and bottom, pixels.
_Box = list[int]
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
    mask = np.zeros(frame.size, dtype=np.bool_)
    if not capsules:
        return mask
    ray_x, ray_y = frame.camera.ray_planes
    windows = _image_windows(frame.camera, capsules, padding_m)
    if within is not None:
        (top, bottom), (left, right) = ((side.start or 0, side.stop) for side in within)
        windows = np.clip(windows, (left, top, left, top), (right, bottom, right, bottom))
    for (rows, columns), group in _groups(capsules, windows):
        radii = [capsule.radius_m + padding_m for capsule in group]
        reach = [
            (min(c.start[2], c.end[2]) - radius, max(c.start[2], c.end[2]) + radius)
            for c, radius in zip(group, radii, strict=True)
        ]
        near, far = float(min(low for low, _ in reach)), float(max(high for _, high in reach))
        depth = frame.depth_within(rows, columns)
        most_m = float(_off_m(far + 2 * float(_off_m(far, noise, padding_m)), noise, padding_m))
        # Few pixels of the window are as deep as the capsules; a little more, for rounding.
        close = (depth > near - most_m - 1e-4) & (depth < far + most_m + 1e-4)
        z = depth[close]
        if not len(z):
            continue
        x, y = ray_x[rows, columns][close], ray_y[rows, columns][close]
        limits = np.square(radii).astype(np.float32)[:, None]
        inside = _within((x * z, y * z, z), group, limits)
        if most_m > 0.0:
            # Only of those that are not, depth's error decides.
            left = np.flatnonzero(~inside)
            x, y, z = x[left], y[left], z[left]
            off_m = _off_m(z, noise, padding_m)
            for truly in (z - off_m, z + off_m):
                inside[left] |= _within((x * truly, y * truly, truly), group, limits)
        mask[rows, columns][close] |= inside
    return mask


def _within(point: Sequence[FloatMap], capsules: Sequence[Capsule], limits: FloatMap) -> BoolArray:
    """(N,) whether points, coordinate by coordinate (N,), are in any capsule; ``limits`` (K, 1) are squared radii."""
    return np.asarray((_squared_distances(point, capsules) <= limits).any(axis=0), dtype=np.bool_)


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


def _groups(capsules: Sequence[Capsule], windows: IntArray) -> list[tuple[Window, list[Capsule]]]:
    """Neighbours in the list with windows that hardly differ, with one that shows them all: together they take less time.

    Args:
        windows: (K, 4) left, top, right and bottom of each; those without pixels are left out.
    """
    groups: list[tuple[_Box, list[Capsule]]] = []
    most = 0
    shown = np.flatnonzero((windows[:, 2] > windows[:, 0]) & (windows[:, 3] > windows[:, 1]))
    for index, box in zip(shown.tolist(), windows[shown].tolist(), strict=True):
        capsule, size = capsules[index], _size(box)
        if groups and _size(union := _union(groups[-1][0], box)) <= _SHARED * max(most, size):
            groups[-1] = (union, [*groups[-1][1], capsule])
            most = max(most, size)
        else:
            groups.append((box, [capsule]))
            most = size
    return [((slice(v0, v1), slice(u0, u1)), group) for (u0, v0, u1, v1), group in groups]


def _union(one: _Box, other: _Box) -> _Box:
    return [min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])]


def _size(box: _Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


_CUBE = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
# The last windows with what they were made of, which is kept so that nothing else gets its place: parts of an image are asked for
# one after the other.
_last: tuple[CameraModel, tuple[Capsule, ...], float, IntArray] | None = None


def _image_windows(camera: CameraModel, capsules: Sequence[Capsule], padding_m: float) -> IntArray:
    """(K, 4) left, top, right and bottom of what can show each capsule, pixels; not to be written to.

    The whole image where a part of it is at or behind the camera. What ends before the image begins has no pixels.
    """
    global _last
    last = _last
    about = (camera, padding_m, len(capsules))
    if last is not None and about == (last[0], last[2], len(last[1])) and all(map(is_, last[1], capsules)):
        return last[3]
    radii = np.array([capsule.radius_m + padding_m for capsule in capsules])
    ends = np.array([(capsule.start, capsule.end) for capsule in capsules], dtype=np.float64)
    near = ends[:, :, 2].min(axis=1) - radii < 0.05
    # A ball off the axis reaches further across the image than radius / depth: project the cubes around both ends.
    corners = ends[:, :, None] + radii[:, None, None, None] * _CUBE
    pixels = camera.project(corners[~near].reshape(-1, 3)).reshape(-1, 16, 2)
    size = (camera.width, camera.height)
    windows = np.empty((len(capsules), 4), np.intp)
    windows[near] = (0, 0, *size)
    windows[~near, :2] = np.clip(np.floor(pixels.min(axis=1) - 2), 0, size)
    windows[~near, 2:] = np.clip(np.ceil(pixels.max(axis=1) + 2) + 1, 0, size)
    _last = camera, tuple(capsules), padding_m, windows
    return windows
