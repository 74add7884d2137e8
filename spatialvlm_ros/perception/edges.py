"""Which pixels of a region carry the depth of the thing, and which a mixture of it and what is behind.

Depth cameras smear silhouettes over a few pixels: the pixels belong to the thing, their depth does not. Left in, they
make a 5 cm block 12 cm long along the view.
"""

from __future__ import annotations

import numpy as np

from ..geometry.plane import BoolArray
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import PRESETS, DepthNoise
from .grid import Window, nearest_pixel

# Width of the band along a silhouette in which depth is doubted, pixels.
BAND_PX = 3


def trusted_pixels(
    frame: RGBDFrame, region: Region, noise: DepthNoise = PRESETS["structured_light"]
) -> tuple[Window, BoolArray, BoolArray]:
    """The region's bounding window, and in it two masks (rows, columns).

    Returns:
        ``window``; ``inner``, the region without its rim (the whole region when it is too thin to have an inside);
        ``trusted``, its pixels with valid depth, those of the rim only where they continue the inside.
    """
    import cv2

    u0, v0, u1, v1 = region.box
    window = (slice(v0, v1), slice(u0, u1))
    mask = region.mask[window]
    depth = frame.depth_m[window]
    valid = mask & np.isfinite(depth)
    if not mask.any():
        return window, mask, valid
    size = 2 * BAND_PX + 1
    # Beyond the window the region ends, too.
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    if np.count_nonzero(eroded) < 0.15 * np.count_nonzero(mask):
        return window, mask, valid
    trusted = eroded & valid
    if not trusted.any():
        return window, eroded, valid
    doubted = valid & ~eroded
    distance, source = nearest_pixel(trusted, doubted)
    inside = depth.ravel()[source]
    sigma = noise.floor_m + noise.quadratic_per_m * inside * inside
    # 56 degrees of slope, and half as much again as one pixel's noise.
    limit = 1.5 * inside / frame.camera.fx * distance + 1.5 * sigma
    trusted[doubted] = np.abs(depth[doubted] - inside) < limit
    return window, eroded, trusted
