"""Cut by colour what geometry cannot: a red block that stands flush on a blue one has no crease and no step.

Only two plainly coloured halves count. Printed boxes, labels, highlights and white mugs with a picture stay whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import Grid, quantiles
from .mend import IntMap

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

FloatArray = npt.NDArray[np.float32]
# Cosine of the angle about gray between two tints of one hue.
_ONE_HUE = math.cos(math.radians(15))


def split_by_color(grid: Grid, labels: IntMap, config: TabletopConfig, most_print: float = math.inf) -> IntMap:
    """Labels (h, w) with each part of two plain colours made two; the second one gets a new number.

    Where tints spread within the two by more than the share ``most_print`` of how far these are apart, it is printed and stays.
    """
    from scipy.ndimage import find_objects

    result, following = labels, int(labels.max()) + 1
    for name, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == name
        second = second_color(grid.color[box], mask, config, most_print)
        if second is not None:
            result = labels.copy() if result is labels else result
            result[box][second] = following
            following += 1
    return result


def second_color(
    color: npt.NDArray[np.uint8], mask: BoolArray, config: TabletopConfig, most_print: float = math.inf
) -> BoolArray | None:
    """The pixels of a mask (h, w) that have the second of its two plain colours; None when it has not exactly two."""
    import cv2

    pixels = np.flatnonzero(mask)
    least = max(config.min_pixels / 16, 0.1 * len(pixels))
    if len(pixels) <= 2 * least:
        return None
    own = cv2.medianBlur(np.ascontiguousarray(color), 3).reshape(-1, 3).take(pixels, axis=0)
    tints = cv2.cvtColor(own[None], cv2.COLOR_RGB2LAB)[0, :, 1:].astype(np.float32) - 128
    centres = _two_centres(tints, config.parts.two_tints)
    if centres is None or float(np.linalg.norm(centres, axis=1).min()) < config.parts.plain_tint:
        return None
    # A lid in the light and a side in the shade are of one hue, strong and weak.
    first, other = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    if float(first @ other) > _ONE_HUE:
        return None
    halves = np.zeros(mask.shape, dtype=np.uint8)
    halves.ravel()[pixels] = _nearer_second(tints, centres)
    in_second = cv2.medianBlur(halves, 5).ravel()[pixels] > 0
    if _print_share(tints, in_second) > most_print:
        return None
    for half in (~in_second, in_second):
        part = np.zeros(mask.shape, dtype=np.uint8)
        part.ravel()[pixels] = half
        if not _is_plain(part, tints[half], least, config):
            return None
    return np.asarray(part > 0, dtype=bool)


def _print_share(tints: FloatArray, in_second: BoolArray) -> float:
    """Spread of tints (N, 2) within two groups as a share of how far those are apart; infinite where one is empty."""
    if in_second.all() or not in_second.any():
        return math.inf
    first, second = tints[~in_second], tints[in_second]
    within = (len(first) * float(first.var(axis=0).sum()) + len(second) * float(second.var(axis=0).sum())) / len(tints)
    return math.sqrt(within) / max(float(np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))), 1e-6)


def _two_centres(tints: FloatArray, apart: float) -> FloatArray | None:
    """(2, 2) the middles of two groups of tints (N, 2), or None when they are less than ``apart`` from each other."""
    # A product is many times faster than a mean along the longer of two axes.
    mean = np.ones(len(tints), dtype=np.float32) @ tints / np.float32(len(tints))
    off = tints - mean
    (uu, uv), (_, vv) = (off.T @ off / (len(tints) - 1)).tolist()
    spread = (uu + vv) / 2 + math.hypot((uu - vv) / 2, uv)
    # Two equal halves that lie a distance apart spread by half of it; unequal ones by less.
    if math.sqrt(spread) < 0.25 * apart:
        return None
    along = np.linalg.eigh(np.array([[uu, uv], [uv, vv]]))[1][:, 1]
    centres = mean + np.outer([-1, 1], along * math.sqrt(spread)).astype(np.float32)
    before: BoolArray | None = None
    for _ in range(6):
        of_second = _nearer_second(tints, centres)
        count = int(np.count_nonzero(of_second))
        if not 0 < count < len(tints):
            return None
        if before is not None and np.array_equal(before, of_second):
            break
        second = of_second.astype(np.float32) @ tints
        centres = np.stack([(mean * len(tints) - second) / (len(tints) - count), second / count])
        before = of_second
    return centres if float(np.linalg.norm(centres[1] - centres[0])) >= apart else None


def _nearer_second(tints: FloatArray, centres: FloatArray) -> BoolArray:
    """(N,) whether tints (N, 2) are nearer to the second of two centres (2, 2)."""
    across = centres[1] - centres[0]
    return np.asarray(tints @ across > float(across @ (centres[0] + centres[1])) / 2, dtype=bool)


def _is_plain(part: npt.NDArray[np.uint8], tints: FloatArray, least: float, config: TabletopConfig) -> bool:
    """Whether a part (h, w) with tints (N, 2) is large, in one piece and of one colour."""
    import cv2

    if len(tints) < least:
        return False
    pieces, names = cv2.connectedComponents(part, connectivity=8)
    if pieces < 2 or np.bincount(names.ravel())[1:].max() < 0.85 * len(tints):
        return False
    # The median tells the colour, three quarters of the pixels whether it is one: the rest is edges and highlights. Light
    # and shade on two faces make a tint stronger or weaker, not another one: only what is across its direction counts.
    tint = quantiles(np.ascontiguousarray(tints.T), (0.5,))[0]
    across = np.array([-tint[1], tint[0]], dtype=np.float32) / max(float(np.linalg.norm(tint)), 1e-6)
    return float(quantiles(np.abs(tints @ across), (0.75,))[0]) < 0.25 * config.parts.two_tints
