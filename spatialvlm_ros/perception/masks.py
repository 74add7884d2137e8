"""From labels at working resolution back to masks of the camera's pixels: base found by colour, small holes filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..geometry.plane import BoolArray
from ..scene.frame import RGBDFrame
from .grid import Grid, Surface, nearest_pixel, window_of
from .mend import IntMap

if TYPE_CHECKING:
    from .tabletop import TabletopConfig


def full_resolution_masks(
    frame: RGBDFrame, grid: Grid, surface: Surface, labels: IntMap, config: TabletopConfig
) -> tuple[list[BoolArray], BoolArray]:
    """A mask (H, W) for each label 1..n, and the mask of the support plane."""
    from scipy.ndimage import find_objects

    based = claim_base(grid, surface, labels, config)
    step, (height, width) = grid.step, frame.depth_m.shape
    table = np.zeros((height, width), dtype=bool)
    plain = surface.on_plane & (based == 0)
    table[: plain.shape[0] * step, : plain.shape[1] * step] = _enlarged(plain, step)
    table &= frame.valid
    masks = []
    for name, box in enumerate(find_objects(based), start=1):
        mask = np.zeros((height, width), dtype=bool)
        if box is not None:
            window = tuple(slice(s.start * step, s.stop * step) for s in box)
            mask[window] = fill_holes(_enlarged(based[box] == name, step), frame.valid[window])
        masks.append(mask)
    return masks, table


def _enlarged(mask: BoolArray, step: int) -> BoolArray:
    """(h * step, w * step) each pixel of a mask (h, w) as a block."""
    import cv2

    whole = np.ascontiguousarray(mask).view(np.uint8)
    large = cv2.resize(whole, (mask.shape[1] * step, mask.shape[0] * step), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large.view(np.bool_), dtype=bool)


def claim_base(grid: Grid, surface: Surface, labels: IntMap, config: TabletopConfig) -> IntMap:
    """Labels (h, w) with the foot of each thing, which is too low for its height to tell.

    It is made of pixels just beside the thing that look like the thing and not like the table.
    """
    import cv2

    reach = max(1, round(config.parts.foot_px / grid.step))
    # The foot is within reach of a thing, and what the table looks like there is seen not far beyond.
    window = window_of(labels > 0, 6 * reach)
    if window is None:
        return labels
    own, depth, on_plane = labels[window], grid.depth[window], surface.on_plane[window]
    distance, thing = nearest_pixel(own > 0)
    wanted = (own == 0) & (distance <= reach) & grid.valid[window] & ~surface.above[window]
    # The closest pixel that is safely away from any thing.
    bare = (distance > 2 * reach) & on_plane
    if not wanted.any() or not bare.any():
        return labels
    _, table = nearest_pixel(bare, wanted)
    source = thing[wanted]
    blurred = cv2.blur(np.ascontiguousarray(grid.color[window]), (3, 3)).reshape(-1, 3)
    asked = blurred[np.concatenate([np.flatnonzero(wanted), source, table])]
    # Lightness counts little: a thing throws a shadow on the table beside it.
    lab = cv2.cvtColor(asked[None], cv2.COLOR_RGB2LAB)[0] * np.array([0.35, 1.0, 1.0], dtype=np.float32)
    foot, beside, beyond = np.split(lab, 3)
    to_thing, to_table = np.linalg.norm(foot - beside, axis=1), np.linalg.norm(foot - beyond, axis=1)
    # At the foot, depth goes on without a step: 3 cm over the reach of a few pixels.
    close = np.abs(depth[wanted] - depth.ravel()[source]) < 0.03
    same = close & (to_table > config.parts.foot_contrast) & (to_thing < 0.5 * to_table)
    result = labels.copy()
    result[window][wanted] = np.where(same, own.ravel()[source], 0)
    return result


def fill_holes(mask: BoolArray, valid: BoolArray, most_pixels: int = 64) -> BoolArray:
    """Fill holes of a mask (h, w) where depth is missing or that are at most ``most_pixels`` large.

    The hole of a handle shows the table and stays.
    """
    import cv2

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, dtype=np.uint8)
    cv2.drawContours(filled, contours, -1, 1, thickness=-1)
    holes = (filled > 0) & ~mask
    if not holes.any():
        return mask
    _, names = cv2.connectedComponents(holes.astype(np.uint8), connectivity=4)
    # The pixels of holes alone: few of a mask's window.
    pixels = np.flatnonzero(holes)
    hole = names.ravel()[pixels]
    fill = (np.bincount(hole) <= most_pixels)[hole] | ~valid.ravel()[pixels]
    result = mask.copy()
    result.ravel()[pixels[fill]] = True
    return result
