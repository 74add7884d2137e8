"""Whether a level plane is the floor under a table whose top is not seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.plane import Plane

if TYPE_CHECKING:
    from .sparse_cloud import Sample
    from .support import SupportConfig

HANGS_OVER = "is level, but something hangs over it in front, as a table does whose top is not seen"


def is_below(plane: Plane, sample: Sample, config: SupportConfig) -> str:
    """Why a floor under a table that is seen from its side is no support; "" when nothing hangs over it in front.

    The table's top does not show, or hardly so, but its edge does: from there downwards depth jumps back to the floor, or what is
    on it, all along the image and at one height. A shelf over a table hangs behind it.
    """
    height = plane.height(sample.points)
    on_plane = np.abs(height) < 3 * sample.depth_std_m
    steep = float(np.hypot(*plane.normal[:2])) < math.sin(config.min_pitch_from_nadir_rad)
    # A camera that looks straight down sees no table from its side, and no direction of its image is down.
    if steep or not on_plane.any():
        return ""
    down = -plane.normal[:2] / float(np.abs(plane.normal[:2]).max())
    shape = int(sample.rows.max()) + 1, int(sample.columns.max()) + 1
    across = float(np.abs(down) @ shape) / float(np.hypot(*down))
    hangs = (height > config.hanging_m) & (sample.points[:, 2] < np.median(sample.points[on_plane, 2]))
    if np.count_nonzero(hangs) < config.hanging_share * across:
        return ""
    depth, heights = np.zeros(shape), np.zeros(shape)
    depth[sample.rows, sample.columns], heights[sample.rows, sample.columns] = sample.points[:, 2], height
    row, column = sample.rows[hangs], sample.columns[hangs]
    z, h = sample.points[hangs, 2], height[hangs]
    open_, edge = np.ones(len(row), dtype=bool), np.zeros(len(row), dtype=bool)
    # The sensor sees nothing in the shadow of an edge: what comes next down the image counts.
    for step in range(1, config.hanging_gap_px + 1):
        right, low = np.rint(step * down).astype(int)
        r, c = row + low, column + right
        inside = open_ & (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
        next_z = np.where(inside, depth[np.where(inside, r, 0), np.where(inside, c, 0)], 0.0)
        next_h = np.where(inside, heights[np.where(inside, r, 0), np.where(inside, c, 0)], 0.0)
        seen = next_z > 0
        edge |= seen & (next_z > z + config.hanging_step_m) & (next_h < h)
        open_ &= ~seen
    edges = np.sort(h[edge])
    count = np.searchsorted(edges, edges + config.hanging_level_m, side="right") - np.arange(len(edges))
    if count.max(initial=0) < config.hanging_share * across:
        return ""
    return HANGS_OVER
