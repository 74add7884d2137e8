"""The image at working resolution: smoothed depth, points, and height above the plane.

Half the resolution is a quarter of the time, and averaging four pixels halves the noise; masks are brought back to the
camera's resolution at the end (masks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.plane import BoolArray, Plane
from ..scene.frame import RGBDFrame
from ..scene.noise import DepthNoise

FloatMap = npt.NDArray[np.float32]
Window = tuple[slice, slice]
# Two neighbouring pixels of one surface: the surface is seen at up to about 77 degrees from its normal.
MAX_SLOPE = 4.5
# Pixels of one block whose depths differ by no more than this share are taken to show one surface; so are two pixels on either
# side of a third one. An image is full of narrow holes where they are as many as this share of its pixels with depth: ten times
# as many as in images of cameras that have none.
_ONE_SURFACE, _GOES_ON, _HOLEY = 0.03, 0.015, 0.01


@dataclass(frozen=True)
class Surface:
    """Where the plane is on the grid (h, w).

    Attributes:
        height: metres above the plane, NaN without depth.
        threshold: height from which a pixel is above the plane for certain.
        on_plane: pixels on the plane, connected to its main patch.
        above: pixels above it.
        ends: (N, 3) points of the plane around all that is seen of it, where the grid is a part of an image; None where the
            grid itself tells.
    """

    plane: Plane
    height: FloatMap
    threshold: FloatMap
    on_plane: BoolArray
    above: BoolArray
    ends: FloatMap | None = None

    def outermost(self, xyz: FloatMap) -> FloatMap:
        """(N, 3) of points (h, w, 3) those at both ends of each row of the plane: all corners of its hull are among them.

        A camera keeps convex what is convex.
        """
        if self.ends is not None:
            return self.ends
        rows = np.flatnonzero(self.on_plane.any(axis=1))
        first = self.on_plane[rows].argmax(axis=1)
        last = self.on_plane.shape[1] - 1 - self.on_plane[rows, ::-1].argmax(axis=1)
        return np.concatenate([xyz[rows, first], xyz[rows, last]])


@dataclass(frozen=True)
class Grid:
    """An organised cloud at working resolution.

    Attributes:
        step: camera pixels per grid pixel.
        depth: (h, w) smoothed, metres, 0 where invalid.
        rays: (h, w, 2) x / z and y / z.
        xyz: (h, w, 3) points in the optical frame.
        valid: (h, w).
        focal_px: in grid pixels.
        color: (h, w, 3) uint8 RGB.
        blocked: (h, w) pixels that the caller asked to ignore.
    """

    step: int
    depth: FloatMap
    rays: FloatMap
    xyz: FloatMap
    valid: BoolArray
    focal_px: float
    color: npt.NDArray[np.uint8]
    blocked: BoolArray

    def jump_m(self, depth: FloatMap, noise: DepthNoise, pixels: int = 1) -> FloatMap:
        """Depth difference of two pixels so far apart that no one surface explains, metres, same shape as ``depth``."""
        sigma = noise.floor_m + noise.quadratic_per_m * depth * depth
        return np.asarray(3 * sigma + depth * (MAX_SLOPE * pixels / self.focal_px), dtype=np.float32)

    def surface(self, plane: Plane, noise: DepthNoise, min_height_m: float, sigmas: float) -> Surface:
        """Split the grid into plane, above and neither."""
        nx, ny, nz = plane.normal.astype(np.float32)
        slope = self.rays[..., 0] * nx + self.rays[..., 1] * ny + nz
        height = slope * self.depth + np.float32(plane.offset_m)
        height[~self.valid] = np.nan
        sigma = (noise.floor_m + noise.quadratic_per_m * self.depth * self.depth) * np.abs(slope)
        threshold = np.maximum(np.float32(min_height_m), np.float32(sigmas) * sigma)
        above = self.valid & (height > threshold)
        on_plane = self.valid & (np.abs(height) <= threshold)
        return Surface(plane, height, threshold, main_patches(on_plane), above)


def main_patches(mask: BoolArray, least_share: float = 0.1) -> BoolArray:
    """The largest connected patch and those of at least ``least_share`` of it: not the line where a wall is cut."""
    import cv2

    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(opened, connectivity=4)
    if count <= 1:
        return np.zeros_like(mask)
    # Counting here takes half the time of OpenCV's statistics.
    areas = np.bincount(labels.ravel(), minlength=count)[1:]
    keep = np.append(False, areas >= least_share * areas.max())
    return np.asarray(keep[labels] & mask, dtype=bool)


def window_of(mask: BoolArray, margin: int = 0) -> Window | None:
    """Rows and columns of a mask's (h, w) bounding box, grown by ``margin`` pixels within the image; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
    return (
        slice(max(0, int(top) - margin), min(mask.shape[0], int(bottom) + margin)),
        slice(max(0, int(left) - margin), min(mask.shape[1], int(right) + margin)),
    )


def nearest_pixel(
    mask: BoolArray, wanted: BoolArray | npt.NDArray[np.intp] | None = None
) -> tuple[FloatMap, npt.NDArray[np.intp]]:
    """Distance of pixels to the nearest one of a mask (h, w), which is not empty, and that one's flat index.

    Both of every pixel (h, w), or (N,) of the N ``wanted`` ones: (h, w) in their order, row by row, or their flat indices (N,).
    Distances in pixels.
    """
    import cv2

    far = np.logical_not(mask, order="C").view(np.uint8)
    distance, names = cv2.distanceTransformWithLabels(far, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    # The pixels of the mask are named 1, 2, ... row by row.
    known = np.flatnonzero(mask)
    if wanted is None:
        return np.asarray(distance, dtype=np.float32), known.take(names - 1)
    asked = np.flatnonzero(wanted) if wanted.dtype == np.bool_ else wanted
    return np.asarray(distance.ravel().take(asked), dtype=np.float32), known.take(names.ravel().take(asked) - 1)


def members(labels: npt.NDArray[np.int32]) -> list[npt.NDArray[np.intp]]:
    """Flat indices, row by row, of the pixels of each label 0..n of an image (h, w) of labels >= 0; label 0 is left empty."""
    flat = labels.ravel()
    pixels = np.flatnonzero(flat != 0)
    names = flat[pixels]
    counts = np.bincount(names)
    # 16-bit integers are sorted by their digits: many times faster than by comparing.
    keys = names.astype(np.uint16) if len(counts) < 2**16 else names
    return np.split(pixels[np.argsort(keys, kind="stable")], np.cumsum(counts)[:-1])


def quantiles(values: npt.NDArray[np.floating] | npt.NDArray[np.integer], shares: Sequence[float]) -> npt.NDArray[np.float64]:
    """Quantiles (len(shares), ...) along the last axis of values (..., N), N > 0, without NaN, linear between two values.

    ``np.quantile`` of some hundred values spends most of its time on things that are not needed here.
    """
    count = values.shape[-1]
    at = [share * (count - 1) for share in shares]
    below = [int(x) for x in at]
    above = [min(i + 1, count - 1) for i in below]
    # Few values are sorted faster than they are parted.
    ordered = np.sort(values, axis=-1) if count < 2000 else np.partition(values, sorted({*below, *above}), axis=-1)
    found = [
        ordered[..., i] + (x - i) * (ordered[..., j] - ordered[..., i].astype(np.float64))
        for x, i, j in zip(at, below, above, strict=True)
    ]
    return np.asarray(found, dtype=np.float64)


def make_grid(frame: RGBDFrame, ignore: BoolArray | None, max_distance_m: float, width_px: int) -> Grid:
    """Reduce a frame to about ``width_px`` columns. Ignored, invalid and too distant pixels become 0."""
    import cv2

    # A strip of an image has at least one row.
    step = max(1, min(round(frame.camera.width / width_px), frame.camera.width, frame.camera.height))
    height, width = frame.camera.height // step, frame.camera.width // step
    with np.errstate(invalid="ignore"):
        far = np.where(frame.depth_m < max_distance_m, frame.depth_m, np.float32(np.inf))
    # What is known to be no surface within reach is no hole.
    known = frame.depth_m >= max_distance_m
    if ignore is not None:
        np.copyto(far, np.float32(np.inf), where=ignore)
        known |= ignore
    low = _reduce(far, step, height, width, known)
    # A bilateral filter averages within a surface; a pixel without depth (0) is too far from any to take part.
    smooth = cv2.bilateralFilter(low, 5, 0.02, 2.0)
    smooth[low == 0] = 0
    rays = _reduced_rays(frame.camera, step, height, width)
    xyz = np.asarray(cv2.merge([rays[..., 0] * smooth, rays[..., 1] * smooth, smooth]), dtype=np.float32)
    blocked = np.zeros((height, width), dtype=bool) if ignore is None else _any(ignore, step, height, width)
    color = _thinned(frame.color, step, height, width)
    return Grid(step, smooth, rays, xyz, smooth > 0, frame.camera.fx / step, color, blocked)


# Live images come each with a camera of its own, but equal ones.
@lru_cache(maxsize=4)
def _reduced_rays(camera: CameraModel, step: int, height: int, width: int) -> FloatMap:
    rays, (rows, last_rows), (columns, last_columns) = camera.rays, _ends(step, height), _ends(step, width)
    # Each component lies in one piece: it is multiplied with maps of depth, which takes a tenth of the time then.
    planes = np.empty((2, height, width), dtype=np.float32)
    if camera.is_distorted:
        planes[...] = ((rays[rows, columns] + rays[last_rows, last_columns]) / 2).transpose(2, 0, 1)
    else:
        # One row and one column tell all.
        planes[0] = (rays[0, columns, 0] + rays[0, last_columns, 0]) / 2
        planes[1] = ((rays[rows, 0, 1] + rays[last_rows, 0, 1]) / 2)[:, None]
    planes.flags.writeable = False
    return planes.transpose(1, 2, 0)


def _ends(step: int, count: int) -> tuple[slice, slice]:
    """The first and the last pixel of each of ``count`` blocks."""
    return slice(0, count * step, step), slice(step - 1, count * step, step)


def _thinned(color: npt.NDArray[np.uint8], step: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """The middle pixel of each block. Channel by channel: many pieces of three bytes are slow to copy."""
    thin = np.empty((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        thin[..., channel] = color[step // 2 : height * step : step, step // 2 : width * step : step, channel]
    return thin


def _any(mask: BoolArray, step: int, height: int, width: int) -> BoolArray:
    """Whether any pixel of each block is set."""
    # Whole rows first, then columns of what is left: many times faster than a reduction over short axes.
    whole = mask[: height * step : step].copy()
    for row in range(1, step):
        whole |= mask[row : height * step : step]
    found = whole[:, : width * step : step].copy()
    for column in range(1, step):
        found |= whole[:, column : width * step : step]
    return found


def _reduce(depth: FloatMap, step: int, height: int, width: int, known: BoolArray) -> FloatMap:
    """Mean of each block's pixels that belong to its nearest surface, 0 for none. Invalid depth is infinite.

    ``known`` (H, W) are pixels that show no surface within reach: they are no holes.
    """
    if step == 1:
        mean = np.where(depth < np.inf, depth, np.float32(0))
        doubted = mean == 0
    else:
        tiles = depth[: height * step, : width * step].reshape(height, step, width, step)
        blocks = tiles.transpose(1, 3, 0, 2).reshape(step * step, height, width)
        nearest = blocks.min(axis=0)
        other = ~((blocks <= nearest * np.float32(1 + _ONE_SURFACE)) & (nearest < np.inf))
        np.copyto(blocks, np.float32(0), where=other)
        count = step * step - other.view(np.uint8).sum(axis=0, dtype=np.uint8 if step < 16 else np.int32).astype(np.float32)
        mean = np.asarray(blocks.sum(axis=0) / np.maximum(count, 1), dtype=np.float32)
        doubted = count * 2 < step * step * 0.99
    if doubted.any():
        _bridge(mean, doubted, known, step)
    return mean


def _bridge(mean: FloatMap, doubted: BoolArray, known: BoolArray, step: int) -> None:
    """Decide on blocks (h, w) of ``mean`` with depth in less than half of their pixels.

    They are empty: a lone pixel at the edge of a hole is the least reliable of all. But depth that was brought to another
    camera's pixels is full of lines without any, and some sensors of specks: there lone pixels with the same surface all around
    count, and narrow holes get what is at both sides.
    """
    some = mean > 0
    sure = some & ~doubted
    across, along = _amid(some)
    inside = some & doubted & across & along
    across, along = _amid(sure | inside)
    between = (across | along) & ~(sure | inside)
    least = _HOLEY * np.count_nonzero(sure)
    # Most images have few of them.
    full_of_holes = np.count_nonzero(inside) + np.count_nonzero(between) > least
    filled = _filled(mean, sure, np.flatnonzero(inside)) if full_of_holes else mean
    mean[doubted] = 0
    if full_of_holes and np.count_nonzero(filled) > np.count_nonzero(sure) + least:
        np.copyto(mean, filled, where=~_any(known, step, *mean.shape))


def _filled(mean: FloatMap, sure: BoolArray, lone: npt.NDArray[np.intp]) -> FloatMap:
    """``mean`` (h, w) where it is ``sure``, at pixels (N,) that have the same surface all around, and in narrow holes of that."""
    own = mean.ravel().take(lone)
    for between in _between(mean, lone):
        own[np.abs(between - own) > _GOES_ON * own] = 0
    filled = np.where(sure, mean, np.float32(0))
    filled.ravel()[lone] = own
    across, along = _amid(filled > 0)
    empty = np.flatnonzero((across | along) & (filled == 0))
    by_row, by_column = _between(filled, empty)
    filled.ravel()[empty] = np.where(by_row > 0, by_row, by_column)
    return filled


def _amid(mask: BoolArray) -> tuple[BoolArray, BoolArray]:
    """(h, w) pixels whose two neighbours along the row are of a mask (h, w), and along the column."""
    across, along = np.zeros_like(mask), np.zeros_like(mask)
    across[:, 1:-1] = mask[:, :-2] & mask[:, 2:]
    along[1:-1] = mask[:-2] & mask[2:]
    return across, along


def _between(mean: FloatMap, at: npt.NDArray[np.intp]) -> tuple[FloatMap, FloatMap]:
    """Mean depth (N,) of a pixel's neighbours along its row, and along its column; 0 where they are not of one surface."""
    wide = mean.shape[1] + 2
    around = np.zeros((mean.shape[0] + 2, wide), dtype=np.float32)
    around[1:-1, 1:-1] = mean
    middle = (at // mean.shape[1] + 1) * wide + at % mean.shape[1] + 1
    found = []
    for aside in (1, wide):
        before, after = around.ravel().take(middle - aside), around.ravel().take(middle + aside)
        near = np.abs(before - after) < _GOES_ON * np.minimum(before, after)
        found.append(np.where(near, (before + after) / 2, np.float32(0)))
    return found[0], found[1]
