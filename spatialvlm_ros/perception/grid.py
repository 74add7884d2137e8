"""The image at working resolution: smoothed depth, points, and height above the plane.

Half the resolution is a quarter of the time, and averaging four pixels halves the noise; masks are brought back to the
camera's resolution at the end (masks.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray, Plane
from ..scene.frame import RGBDFrame
from ..scene.noise import DepthNoise

FloatMap = npt.NDArray[np.float32]
# Two neighbouring pixels of one surface: the surface is seen at up to about 77 degrees from its normal.
MAX_SLOPE = 4.5


@dataclass(frozen=True)
class Surface:
    """Where the plane is on the grid (h, w).

    Attributes:
        height: metres above the plane, NaN without depth.
        threshold: height from which a pixel is above the plane for certain.
        on_plane: pixels on the plane, connected to its main patch.
        above: pixels above it.
    """

    plane: Plane
    height: FloatMap
    threshold: FloatMap
    on_plane: BoolArray
    above: BoolArray


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
        slope = self.rays @ plane.normal[:2].astype(np.float32) + np.float32(plane.normal[2])
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
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count <= 1:
        return np.zeros_like(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.append(False, areas >= least_share * areas.max())
    return np.asarray(keep[labels] & mask, dtype=bool)


def nearest_pixel(mask: BoolArray) -> tuple[FloatMap, npt.NDArray[np.intp]]:
    """Distance (h, w) of each pixel to the nearest one of a mask (not empty), pixels, and that one's flat index."""
    import cv2

    distance, names = cv2.distanceTransformWithLabels((~mask).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    index = np.zeros(int(names.max()) + 1, dtype=np.intp)
    known = np.flatnonzero(mask)
    index[names.ravel()[known]] = known
    return np.asarray(distance, dtype=np.float32), index[names]


def make_grid(frame: RGBDFrame, ignore: BoolArray | None, max_distance_m: float, width_px: int) -> Grid:
    """Reduce a frame to about ``width_px`` columns. Ignored, invalid and too distant pixels become 0."""
    import cv2

    # A strip of an image has at least one row.
    step = max(1, min(round(frame.camera.width / width_px), frame.camera.width, frame.camera.height))
    height, width = frame.camera.height // step, frame.camera.width // step
    with np.errstate(invalid="ignore"):
        usable = (frame.depth_m > 0) & (frame.depth_m < max_distance_m)
    if ignore is not None:
        usable &= ~ignore
    depth = np.where(usable, frame.depth_m, np.float32(0))
    low = _reduce(depth, step, height, width)
    # A bilateral filter averages within a surface; a pixel without depth (0) is too far from any to take part.
    smooth = cv2.bilateralFilter(low, 5, 0.02, 2.0)
    smooth[low == 0] = 0
    rays = np.ascontiguousarray(_reduced_rays(frame, step, height, width))
    xyz = np.empty((height, width, 3), dtype=np.float32)
    np.multiply(rays, smooth[..., None], out=xyz[..., :2])
    xyz[..., 2] = smooth
    corner = (slice(step // 2, height * step, step), slice(step // 2, width * step, step))
    blocked = np.zeros((height, width), dtype=bool) if ignore is None else _any(ignore, step, height, width)
    return Grid(step, smooth, rays, xyz, smooth > 0, frame.camera.fx / step, frame.color[corner], blocked)


def _reduced_rays(frame: RGBDFrame, step: int, height: int, width: int) -> FloatMap:
    rays = frame.camera.rays
    first = rays[: height * step : step, : width * step : step]
    last = rays[step - 1 : height * step : step, step - 1 : width * step : step]
    return np.asarray((first + last) / 2, dtype=np.float32)


def _any(mask: BoolArray, step: int, height: int, width: int) -> BoolArray:
    """Whether any pixel of each block is set."""
    blocks = mask[: height * step, : width * step].reshape(height, step, width, step)
    return np.asarray(blocks.any(axis=(1, 3)), dtype=bool)


def _reduce(depth: FloatMap, step: int, height: int, width: int) -> FloatMap:
    """Mean of each block's pixels that belong to its nearest surface."""
    if step == 1:
        return depth
    blocks = [depth[r : height * step : step, c : width * step : step] for r in range(step) for c in range(step)]
    nearest = np.full((height, width), np.inf, dtype=np.float32)
    for block in blocks:
        np.minimum(nearest, np.where(block > 0, block, np.inf), out=nearest)
    limit = nearest * np.float32(1.03)
    total = np.zeros((height, width), dtype=np.float32)
    count = np.zeros((height, width), dtype=np.float32)
    for block in blocks:
        take = (block > 0) & (block <= limit)
        total += np.where(take, block, 0)
        count += take
    # At least half of the block's pixels: a lone pixel at the edge of a hole is the least reliable of all.
    return np.where(count * 2 >= step * step * 0.99, total / np.maximum(count, 1), np.float32(0)).astype(np.float32)
