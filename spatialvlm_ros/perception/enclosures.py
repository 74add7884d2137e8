"""Floors with walls around them: bins, trays, drawers, the compartments of a box.

On a table whatever rises from the plane may be a thing. In a bin most of what rises are the bin's own sides: they meet the things
that lean on them without a step of depth, and a bin that is shorter than a cupboard would itself pass for a thing. So before
things are cut apart, each level patch is looked at from its rim. Where something large rises along most of it, the patch is the
floor of an enclosure; what is large and not over that floor is a wall, and no thing. A table ends at an edge below which depth
falls away, or at the border of the image, and is left as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from ..geometry.rigid import FloatArray
from .grid import FloatMap, Grid, Surface, members, quantiles
from .mend import IntMap
from .support import refined

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

# Grid pixels around a patch in which its walls begin: the sensor drops some of them at the crease.
_RIM_PX = 2
_RIM = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
# Share of a piece's pixels that make it part of a wall.
_MOST = 0.85
# Points that tell how long a component is.
_SOME_POINTS = 500


@dataclass(frozen=True)
class EnclosureConfig:
    """What counts as walls around a floor. Lengths in metres.

    Attributes:
        least_floor_m2: a smaller level patch is no floor that things stand on.
        least_part: floors that hold less than this share of all that is level are gaps between things on a table.
        least_wall_m: what rises beside a floor and is shorter than this is no wall.
        least_high_m: ... and much of a wall is this high: the rim of a plate is not.
        least_share: share of the floor's rim along which walls rise, of what has depth there,
        least_seen: ... and of all of it.
        wall_m: what is this near to the side of the floor still belongs to the wall: noise.
        fillet_m: ... and a piece that comes no further in: the rounded foot of a wall, or a strip of one that is seen edge on.
            A thing that is thinner and leans flat on a wall is taken for it.
        beside_m: what is further than this from anything level, and lower than the walls, stands on something else.
        cell_m: of the raster of floors.
    """

    least_floor_m2: float = 0.006
    least_part: float = 0.03
    least_wall_m: float = 0.3
    least_high_m: float = 0.03
    least_share: float = 0.7
    least_seen: float = 0.45
    wall_m: float = 0.012
    fillet_m: float = 0.03
    beside_m: float = 0.06
    cell_m: float = 0.005


def without_walls(grid: Grid, surface: Surface, config: TabletopConfig) -> Surface:
    """The surface of the floors, with the walls of enclosures taken out of ``above`` and all floors put into ``on_plane``.

    The very same surface where there is no enclosure.
    """
    found = _walled_floors(grid, surface, config)
    if not found.floors:
        return surface
    surface = _level(grid, surface, found.floors, config)
    found = _walled_floors(grid, surface, config)
    if not found.floors:
        return surface
    raster = FloorRaster.of(grid, surface, found, config.enclosures)
    on_plane = surface.on_plane.copy()
    for floor in found.floors:
        on_plane |= floor
    surface = replace(surface, on_plane=on_plane)
    return replace(surface, above=surface.above & ~raster.walls(grid, surface, found, config))


@dataclass(frozen=True)
class _Found:
    """Floors (h, w) with walls around them, and what is large and rises beside them, numbered (h, w) from 1."""

    floors: list[BoolArray]
    risen: IntMap


def _walled_floors(grid: Grid, surface: Surface, config: TabletopConfig) -> _Found:
    nothing = _Found([], np.zeros(surface.above.shape, dtype=np.int32))
    patches = _patches(grid, surface, config)
    if not patches:
        return nothing
    risen = _large(grid, surface, np.concatenate([patch.rim[patch.rises] for patch in patches]), config)
    floors = [patch.mask for patch in patches if patch.is_walled(risen > 0, config.enclosures)]
    if sum(map(np.count_nonzero, floors)) < config.enclosures.least_part * np.count_nonzero(surface.on_plane):
        return nothing
    return _Found(floors, np.where(np.isin(risen, _around(risen, floors)), risen, 0)) if floors else nothing


def _level(grid: Grid, surface: Surface, floors: list[BoolArray], config: TabletopConfig) -> Surface:
    """The surface of the floors alone: the feet of the walls, inside and outside, tilt a plane through all that is level."""
    import cv2

    inner = np.zeros(surface.above.shape, dtype=np.uint8)
    for floor in floors:
        inner |= cv2.erode(floor.astype(np.uint8), _RIM)
    points = grid.xyz[inner > 0].astype(np.float64)
    if len(points) < 50:
        return surface
    fitted = refined(points, config.noise.pixel_std_m(points[:, 2]), surface.plane)
    plane = replace(fitted, tilt_std_rad=math.hypot(fitted.tilt_std_rad, config.support.tilt_floor_rad))
    return grid.surface(plane, config.noise, config.min_height_m, config.height_sigmas)


def depth_components(grid: Grid, mask: BoolArray, config: TabletopConfig) -> tuple[int, IntMap]:
    """How many labels there are, and 4-connected parts (h, w) of a mask whose neighbours depth does not part, 1 and up."""
    import cv2

    step = grid.jump_m(grid.depth, config.noise)
    joined = mask.copy()
    joined[:, 1:] &= np.abs(grid.depth[:, 1:] - grid.depth[:, :-1]) < step[:, 1:]
    joined[1:] &= np.abs(grid.depth[1:] - grid.depth[:-1]) < step[1:]
    count, whole = cv2.connectedComponents(joined.astype(np.uint8), connectivity=4)
    return count, whole


def _large(grid: Grid, surface: Surface, rims: npt.NDArray[np.intp], config: TabletopConfig) -> IntMap:
    """(h, w) numbers from 1 for the pixels of whatever is long and high enough for a wall, taken whole; 0 elsewhere.

    Args:
        rims: (N,) pixels of the flat image: only what has some of them is looked at.
    """
    limits = config.enclosures
    count, whole = depth_components(grid, surface.above, config)
    numbers = np.zeros(count, dtype=np.int32)
    cloud, heights, names = grid.xyz.reshape(-1, 3), surface.height.ravel(), whole.ravel()
    for name in np.unique(names[rims]).tolist():
        pixels = np.flatnonzero(names == name)
        if name == 0 or len(pixels) * grid.step**2 < config.min_pixels:
            continue
        some = pixels[:: max(1, len(pixels) // _SOME_POINTS)]
        # Much of a bin's wall is high; a plate is not because something high touches it.
        if float(quantiles(heights[some], (0.6,))[0]) < limits.least_high_m:
            continue
        low, high = quantiles(np.ascontiguousarray(cloud[some].T), (0.02, 0.98))
        if float(np.linalg.norm(high - low)) > limits.least_wall_m:
            numbers[name] = name
    return np.asarray(numbers[whole], dtype=np.int32) if numbers.any() else np.zeros(whole.shape, dtype=np.int32)


def _around(risen: IntMap, floors: list[BoolArray]) -> list[int]:
    """Numbers of what rises beside the floors: what is large and elsewhere may be a thing."""
    import cv2

    found: set[int] = set()
    for floor in floors:
        beside = risen[(cv2.dilate(floor.astype(np.uint8), _RIM) > 0) & (risen > 0)]
        names, counts = np.unique(beside, return_counts=True)
        found.update(names[counts > 0.05 * len(beside)].tolist())
    return sorted(found)


@dataclass(frozen=True)
class _Patch:
    """A level patch: ``mask`` (h, w), and around it the ``rim`` (R,), pixels of the flat image, with what each shows.

    Attributes:
        rises: something above the plane, and not far behind the patch.
        robot: the robot, which hides what is there.
        blind: no depth: most sensors drop pixels where a wall begins, and see nothing far behind a table's edge either.
        off_image: how many more pixels of the rim are not on the image.
    """

    mask: BoolArray
    rim: npt.NDArray[np.intp]
    rises: BoolArray
    robot: BoolArray
    blind: BoolArray
    off_image: int

    def is_walled(self, large: BoolArray, config: EnclosureConfig) -> bool:
        """Whether something ``large`` (h, w) rises along the rim. Neither the robot nor a thing in front of a wall tells."""
        walls = large.ravel()[self.rim] & self.rises
        rest = np.count_nonzero(~(self.robot | (self.rises & ~walls))) + self.off_image
        seen = rest - np.count_nonzero(self.blind & ~self.robot)
        count = np.count_nonzero(walls)
        return bool(count > config.least_share * seen and count > config.least_seen * rest)


def _patches(grid: Grid, surface: Surface, config: TabletopConfig) -> list[_Patch]:
    """The level patches that are large enough for a floor, and along whose rim something rises."""
    import cv2

    limits = config.enclosures
    with np.errstate(invalid="ignore"):
        level = grid.valid & (np.abs(surface.height) <= surface.threshold)
    opened = cv2.morphologyEx(level.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    normal = surface.plane.normal.astype(np.float32)
    found, pad = [], 2 * _RIM_PX
    (height, width), above = labels.shape, surface.above.ravel()
    blocked, valid = grid.blocked.ravel(), grid.valid.ravel()
    for name in range(1, len(stats)):
        left, top, wide, high, count = (int(value) for value in stats[name])
        own = labels[top : top + high, left : left + wide] == name
        middle = np.argwhere(own)[count // 2] + (top, left)
        slope = abs(float(grid.rays[tuple(middle)] @ normal[:2] + normal[2]))
        each_m2 = float(np.square(grid.depth[tuple(middle)] / grid.focal_px)) / max(slope, 0.05)
        if count < 20 or count * each_m2 < limits.least_floor_m2:
            continue
        padded = cv2.copyMakeBorder(own.astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        contours, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros_like(padded), contours, -1, 1, thickness=-1)
        rows, columns = np.nonzero(cv2.dilate(filled, _RIM) - filled)
        rows, columns = rows + top - pad, columns + left - pad
        on_image = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rim = rows[on_image] * width + columns[on_image]
        robot, blind = blocked[rim], ~valid[rim]
        if np.count_nonzero(above[rim] | robot) <= limits.least_seen * len(rows):
            continue
        # A wall of the room behind a table is beside it in the image alone.
        depth = np.where(own, grid.depth[top : top + high, left : left + wide], 0)
        last = cv2.dilate(np.pad(depth, pad), _RIM)[rows[on_image] - top + pad, columns[on_image] - left + pad]
        rises = above[rim] & (grid.depth.ravel()[rim] < last + grid.jump_m(last, config.noise, _RIM_PX))
        patch = _Patch((labels == name) & level, rim, rises, robot, blind, len(rows) - len(rim))
        if patch.is_walled(surface.above, limits):
            found.append(patch)
    return found


@dataclass(frozen=True)
class FloorRaster:
    """Floors seen from above: ``clear_m`` (rows, columns) float32 is how far each place of a floor is from its sides, metres.

    The raster lies in the plane with ``basis`` (2, 3); it begins at ``origin`` (2,), metres, and has cells of ``cell_m``.
    """

    basis: FloatMap
    origin: FloatArray
    cell_m: float
    clear_m: FloatMap

    @staticmethod
    def of(grid: Grid, surface: Surface, found: _Found, config: EnclosureConfig) -> FloorRaster:
        """Of floors, seen or hidden.

        The wall on the camera's side hides the floor behind it, up to its upper inner edge: that edge is the floor's side there.
        """
        import cv2

        basis = surface.plane.basis().astype(np.float32)
        outlines = []
        for floor in found.floors:
            beside = (cv2.dilate(floor.astype(np.uint8), _RIM) > 0) & (found.risen > 0)
            outlines.append(cv2.convexHull(grid.xyz[floor | beside] @ basis.T)[:, 0])
        cell = config.cell_m
        pad = round((config.beside_m + 2 * config.wall_m) / cell)
        origin = np.asarray(np.min([hull.min(axis=0) for hull in outlines], axis=0) - pad * cell, dtype=np.float64)
        size = np.ceil((np.max([hull.max(axis=0) for hull in outlines], axis=0) - origin) / cell).astype(int) + pad
        clear = np.zeros((int(size[1]), int(size[0])), np.float32)
        for hull in outlines:
            own = cv2.fillConvexPoly(np.zeros(clear.shape, np.uint8), np.rint((hull - origin) / cell).astype(np.int32), 1)
            clear = np.maximum(clear, cv2.distanceTransform(own, cv2.DIST_L2, 3) * np.float32(cell))
        return FloorRaster(basis, origin, cell, np.asarray(clear, dtype=np.float32))

    def places(self, points: FloatMap) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows and columns (N,) of the raster below points (N, 3); those outside are at its border, where no floor is."""
        column, row = np.floor((points @ self.basis.T - self.origin) / self.cell_m).astype(np.intp).T
        height, width = self.clear_m.shape
        return np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)

    def walls(self, grid: Grid, surface: Surface, found: _Found, config: TabletopConfig) -> BoolArray:
        """(h, w) pixels of walls: what rises and is not over a floor, and loose pieces that are not clear of it."""
        import cv2

        limits = config.enclosures
        above = np.flatnonzero(surface.above)
        row, column = self.places(grid.xyz.reshape(-1, 3)[above])
        clear = self.clear_m[row, column]
        outside = (found.risen.ravel()[above] > 0) & (clear <= limits.wall_m)
        result = np.zeros(surface.above.shape, dtype=bool)
        result.ravel()[above] = outside
        if not outside.any():
            return result
        high = surface.height.ravel()[above]
        rim = float(quantiles(high[outside], (0.95,))[0]) + limits.wall_m
        near = np.zeros(self.clear_m.shape, dtype=np.uint8)
        near[row[outside], column[outside]] = 1
        near = cv2.dilate(near, _disc(2 * limits.wall_m / self.cell_m))
        # Nothing stands where no level place is near; what is higher than the walls may be carried.
        level = (self.clear_m == 0).astype(np.uint8)
        level[self.places(grid.xyz[surface.on_plane])] = 0
        far = cv2.distanceTransform(level, cv2.DIST_L2, 3)[row, column] > limits.beside_m / self.cell_m
        beside = (clear < limits.fillet_m) & ((near[row, column] > 0) | (clear > 0) | far) & (high < rim)
        of_wall = np.zeros(surface.above.shape, dtype=bool)
        of_wall.ravel()[above] = beside
        _, pieces = depth_components(grid, surface.above & ~result, config)
        # Pixels at a step of depth belong to no piece.
        result |= of_wall & (pieces == 0)
        for pixels in members(pieces):
            if len(pixels) and np.count_nonzero(of_wall.ravel()[pixels]) > _MOST * len(pixels):
                result.ravel()[pixels] = True
        return result


def _disc(radius_px: float) -> npt.NDArray[np.uint8]:
    import cv2

    size = 2 * round(radius_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), dtype=np.uint8)
