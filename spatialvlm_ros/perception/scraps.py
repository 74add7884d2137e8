"""Parts above the plane that are no things: waves of noise, and the table where the camera gives it a thing's depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import FloatMap, Grid, Surface, Window, quantiles, window_of
from .mend import IntMap

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

# Grid pixels around a part in which the plane's colour is looked for.
_BESIDE_PX = 6


def may_be_noise(points: FloatMap, pixels: npt.NDArray[np.intp], grid: Grid, surface: Surface, config: TabletopConfig) -> bool:
    """Whether a part is hardly above the plane for the noise there, small or ragged, and of the plane's colour.

    Neighbouring pixels err alike, so that noise rises in patches. Some of the part's points (N, 3) and all of its ``pixels`` (M,)
    of the grid are given.
    """
    import cv2

    depth, along = points[:, 2], points @ surface.plane.normal.astype(np.float32)
    sigma = (config.noise.floor_m + config.noise.quadratic_per_m * depth * depth) * np.abs(along) / depth
    (height,) = quantiles(along + surface.plane.offset_m, (0.9,))
    if height > config.parts.clear_sigmas * quantiles(sigma, (0.5,))[0]:
        return False
    row, column = np.divmod(pixels, grid.depth.shape[1])
    hull = cv2.convexHull(np.stack([column, row], axis=1).astype(np.int32))
    outline = cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1
    small = len(pixels) * grid.step**2 < config.parts.clear_pixels
    if not small and len(pixels) > config.parts.clear_fill * outline:
        return False
    own, window = _window_around(pixels, grid)
    return not (surface.on_plane[window] & ~own).any() or _has_color_of_plane(own, window, grid, surface, config)


def is_fringe(pixels: npt.NDArray[np.intp], labels: IntMap, grid: Grid, surface: Surface, config: TabletopConfig) -> bool:
    """Whether a part, of which flat indices (M,) are given, is the table beside a thing, to which stereo gave the thing's depth.

    It is small, has the plane's colour, and goes on in a larger part without a step.
    """
    import cv2

    if len(pixels) * grid.step**2 >= config.parts.clear_pixels:
        return False
    own, window = _window_around(pixels, grid)
    near = np.ones((3, 3), np.uint8)
    around = (labels[window] > 0) & ~own & (cv2.dilate(own.view(np.uint8), near) > 0)
    beside = np.bincount(labels[window][around], minlength=1)
    if not beside.any() or np.count_nonzero(labels == beside.argmax()) <= len(pixels):
        return False
    theirs = around & (labels[window] == beside.argmax())
    depth = [float(np.median(grid.depth[window][rim])) for rim in (theirs, own & (cv2.dilate(theirs.view(np.uint8), near) > 0))]
    if abs(depth[1] - depth[0]) > float(grid.jump_m(np.array(depth[0], dtype=np.float32), config.noise)):
        return False
    return _has_color_of_plane(own, window, grid, surface, config)


def _window_around(pixels: npt.NDArray[np.intp], grid: Grid) -> tuple[BoolArray, Window]:
    """A mask of pixels, flat indices (M,) of the grid, in the window around them and what is beside them, and that window."""
    own = np.zeros(grid.depth.shape, dtype=bool)
    own.ravel()[pixels] = True
    window = window_of(own, _BESIDE_PX)
    assert window is not None, "a part has pixels"
    return np.ascontiguousarray(own[window]), window


def _has_color_of_plane(own: BoolArray, window: Window, grid: Grid, surface: Surface, config: TabletopConfig) -> bool:
    """Whether a part, a mask (h, w) in its window, has the colour of the plane beside it; no where nothing of that shows."""
    import cv2

    beside = surface.on_plane[window] & ~own
    if not beside.any():
        return False
    colors = [grid.color[window][mask].mean(axis=0) for mask in (own, beside)]
    lab = cv2.cvtColor(np.array([colors], dtype=np.uint8), cv2.COLOR_RGB2LAB)[0].astype(np.float64)
    return bool(np.linalg.norm(lab[1] - lab[0]) < config.parts.foot_contrast)
