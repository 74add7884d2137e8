"""Cut by colour what geometry cannot: a red block that stands flush on a blue one has no crease and no step.

Only two plainly coloured halves count. Printed boxes, labels, highlights and white mugs with a picture stay whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import Grid
from .mend import IntMap

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

FloatArray = npt.NDArray[np.float32]


def split_by_color(grid: Grid, labels: IntMap, config: TabletopConfig) -> IntMap:
    """Labels (h, w) with each part of two plain colours made two; the second one gets a new number."""
    from scipy.ndimage import find_objects

    result, following = labels, int(labels.max()) + 1
    for name, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == name
        second = second_color(grid.color[box], mask, config)
        if second is not None:
            result = labels.copy() if result is labels else result
            result[box][second] = following
            following += 1
    return result


def second_color(color: npt.NDArray[np.uint8], mask: BoolArray, config: TabletopConfig) -> BoolArray | None:
    """The pixels of a mask (h, w) that have the second of its two plain colours; None when it has not exactly two."""
    import cv2

    least = max(config.min_pixels / 16, 0.1 * float(mask.sum()))
    lab = cv2.cvtColor(cv2.medianBlur(np.ascontiguousarray(color), 3), cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32) - 128
    tints = lab[mask]
    spread = np.linalg.eigh(np.cov(tints.T)) if len(tints) > 2 * least else None
    # Two equal halves that lie a distance apart spread by half of it; unequal ones by less.
    if spread is None or np.sqrt(max(float(spread[0][1]), 0.0)) < 0.25 * config.parts.two_tints:
        return None
    centres = tints.mean(axis=0) + np.outer([-1, 1], spread[1][:, 1] * np.sqrt(spread[0][1])).astype(np.float32)
    for _ in range(6):
        of_second = _nearer_second(tints, centres)
        if not 0 < int(of_second.sum()) < len(tints):
            return None
        centres = np.stack([tints[~of_second].mean(axis=0), tints[of_second].mean(axis=0)])
    if float(np.linalg.norm(centres[1] - centres[0])) < config.parts.two_tints:
        return None
    if float(np.linalg.norm(centres, axis=1).min()) < config.parts.plain_tint:
        return None
    second = np.zeros(mask.shape, dtype=np.uint8)
    second[mask] = _nearer_second(tints, centres)
    second = cv2.medianBlur(second, 5)
    halves = ((second == 0) & mask, (second > 0) & mask)
    if all(_is_plain(lab, half, least, config) for half in halves):
        return np.asarray(halves[1], dtype=bool)
    return None


def _nearer_second(tints: FloatArray, centres: FloatArray) -> BoolArray:
    """(N,) whether tints (N, 2) are nearer to the second of two centres (2, 2)."""
    return np.asarray(np.linalg.norm(tints - centres[1], axis=1) < np.linalg.norm(tints - centres[0], axis=1), dtype=bool)


def _is_plain(lab: FloatArray, half: BoolArray, least: float, config: TabletopConfig) -> bool:
    """Whether a half (h, w) is large, in one piece and of one colour."""
    import cv2

    count = int(half.sum())
    if count < least:
        return False
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(half.astype(np.uint8), connectivity=8)
    if pieces < 2 or stats[1:, cv2.CC_STAT_AREA].max() < 0.85 * count:
        return False
    # The median tells the colour, three quarters of the pixels whether it is one: the rest is edges and highlights. Light
    # and shade on two faces make a tint stronger or weaker, not another one: only what is across its direction counts.
    tint = np.median(lab[half], axis=0)
    across = np.array([-tint[1], tint[0]]) / max(float(np.linalg.norm(tint)), 1e-6)
    return float(np.percentile(np.abs(lab[half] @ across), 75)) < 0.25 * config.parts.two_tints
