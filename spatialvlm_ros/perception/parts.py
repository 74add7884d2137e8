"""From pixels above the table to things: cut where depth jumps and where surfaces meet in a valley, then mend.

Two things that touch meet in a concave crease, one convex thing has none: the test of LCCP, done here on the image
grid. 1 / z is affine on any plane seen by a pinhole camera, so its second difference is zero on planes whatever their
slant, and its sign tells a valley from a ridge: no normals are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray
from .grid import FloatMap, Grid, Surface, Window, members, nearest_pixel, quantiles, window_of
from .mend import IntMap, mend
from .scraps import is_fringe, may_be_noise
from .tints import split_by_color

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

# How far a part reaches for pixels without a name, grid pixels.
_GROW_PX = 8
# Points that tell where a part is and how large: more take longer and tell no more.
_SOME_POINTS = 500
# From what share on near the robot's mask even what is thick is a rest of the robot.
_RIM_SHARE = 0.8
# What a pixel without a valley has.
_NO_VALLEY = -1.0


@dataclass(frozen=True)
class PartConfig:
    """How things are cut apart and mended.

    Attributes:
        crease_m: depth of a valley, measured over ``reach_m`` to each side, that parts two things.
        crease_sigmas: ... and in standard deviations of one pixel's depth.
        reach_m: half length of the chord.
        seed_share: a part smaller than this share of ``min_pixels`` is no thing of its own.
        same_tint: parts whose colour differs by more (CIE Lab a, b of 8-bit images) are two things.
        two_tints: least difference of two plain colours that make two things of one shape.
        plain_tint: least distance of each of them from gray.
        hollow_m: a part that sags this much is the inside of something.
        foot_px: how far below a thing, in camera pixels, its foot is looked for by colour.
        foot_contrast: least difference of colour (CIE Lab of 8-bit images) between a thing's foot and the table.
        handle_gap_m: a small part that floats this near to a larger one is its handle.
        learnt: whether a learnt judgement tells what is one thing (joints.py), or these rules alone.
        piece_valley: valleys from this share of the depth that parts two things by the rules cut pieces for that judgement,
        piece_edge: ... and so do edges of colour (CIE Lab of 8-bit images, over two grid pixels).
        one_thing: probability from which two pieces are one thing.
        printed: colours that spread by a larger share of how far two pieces' are apart are print, and part nothing by themselves.
        clear_sigmas: what rises above the plane by fewer standard deviations of one pixel's height may be waves of noise: it is
            no thing when it has the colour of the plane beside it, and fewer camera pixels than ``clear_pixels`` or less than
            ``clear_fill`` of its outline's hull.
    """

    crease_m: float = 0.0035
    crease_sigmas: float = 1.2
    reach_m: float = 0.012
    seed_share: float = 0.5
    same_tint: float = 30.0
    two_tints: float = 50.0
    plain_tint: float = 25.0
    hollow_m: float = 0.003
    foot_px: float = 10.0
    foot_contrast: float = 20.0
    handle_gap_m: float = 0.02
    learnt: bool = True
    piece_valley: float = 0.6
    piece_edge: float = 10.0
    one_thing: float = 0.35
    printed: float = 0.3
    clear_sigmas: float = 5.0
    clear_pixels: int = 700
    clear_fill: float = 0.6


def parts_by_rules(grid: Grid, surface: Surface, config: TabletopConfig) -> IntMap:
    """(h, w) int32: a number for each part above the plane that the rules take for a thing, 0 elsewhere."""
    labels = np.zeros(grid.depth.shape, dtype=np.int32)
    window = window_of(surface.above)
    if window is None:
        return labels
    above, links = surface.above[window], Links.of(grid, window, config)
    seeds = above & ~creases(grid, surface.above, config)[window]
    least = max(6, int(config.parts.seed_share * config.min_pixels / grid.step**2))
    labels[window] = grow(links, connected(links, seeds, least), above)
    labels = split_by_color(grid, labels, config)
    return mend(grid, surface, labels, config)


def creases(grid: Grid, above: BoolArray, config: TabletopConfig) -> BoolArray:
    """(h, w) pixels that lie in a valley: behind the chord between their neighbours, in one of four directions.

    Only of those ``above`` (h, w) the plane is it told.
    """
    valley = np.zeros(grid.depth.shape, dtype=bool)
    # Some of the pixels tell the typical depth.
    sparse = grid.depth[2::4, 2::4]
    sparse = sparse if sparse.any() else grid.depth
    if not above.any():
        return valley
    typical = float(np.median(sparse[sparse > 0]))
    k = int(np.clip(round(config.parts.reach_m * grid.focal_px / typical), 2, 8))
    window = window_of(above, k)
    assert window is not None, "there are pixels above the plane"
    (depth,) = valley_depths(grid, window, np.nonzero(above[window]), (k,), config)
    valley[above] = depth > 1.0
    return valley


def valley_depths(
    grid: Grid, window: Window, pixels: tuple[npt.NDArray[np.intp], ...], reaches: Sequence[int], config: TabletopConfig
) -> list[FloatMap]:
    """For each of ``reaches``, the depth of the valley (N,) at pixels, rows and columns (N,) in a window, with chords of so many
    grid pixels to each side: how far they lie behind them in the worst of four directions, in the depth of a valley that parts
    two things. -1 where depth steps, or a chord leaves the window.
    """
    h, w = grid.depth[window].shape
    pad, wide = max(reaches), w + 2 * max(reaches)
    around = np.full((h + 2 * pad, wide), np.nan, dtype=np.float32)
    # Nothing is near what has no depth.
    around[pad : pad + h, pad : pad + w] = np.where(grid.valid[window], grid.depth[window], np.float32(np.nan))
    around = around.ravel()
    # Of the pixel that is furthest up and left of each; the others are a fixed way from there.
    corner, own = pixels[0] * wide + pixels[1], pad * wide + pad
    depth = around[own:].take(corner)
    inverse = 1 / depth
    sigma = config.noise.floor_m + config.noise.quadratic_per_m * depth**2
    # 1 / z is affine on a plane (see the module); its excess times z^2 is metres.
    scale = depth**2 / np.maximum(config.parts.crease_m, config.parts.crease_sigmas * sigma)
    found = []
    for reach in reaches:
        jump, worst = grid.jump_m(depth, config.noise, reach), np.full(len(corner), _NO_VALLEY, dtype=np.float32)
        slant = reach * 2 // 3
        for dr, dc in ((0, reach), (reach, 0), (slant, slant), (slant, -slant)):
            aside = dr * wide + dc
            before, after = around[own - aside :].take(corner), around[own + aside :].take(corner)
            with np.errstate(invalid="ignore"):
                sag = ((1 / before + 1 / after) / 2 - inverse) * scale
                one_surface = (np.abs(before - depth) < jump) & (np.abs(after - depth) < jump)
            worst = np.maximum(worst, np.where(one_surface, sag, np.float32(_NO_VALLEY)))
        found.append(worst)
    return found


@dataclass(frozen=True)
class Links:
    """Which neighbours in a window (h, w) of the grid depth does not part.

    Attributes:
        depth, jump: (h, w) metres, and from what difference on two neighbours are not of one surface.
        right, down: (h, w - 1), (h - 1, w) bool, whether a pixel and the next one along the row, the column are of one surface.
    """

    depth: FloatMap
    jump: FloatMap
    right: BoolArray
    down: BoolArray

    @staticmethod
    def of(grid: Grid, window: Window, config: TabletopConfig) -> Links:
        depth = np.ascontiguousarray(grid.depth[window])
        jump = grid.jump_m(depth, config.noise)
        right = np.abs(depth[:, 1:] - depth[:, :-1]) < np.minimum(jump[:, 1:], jump[:, :-1])
        down = np.abs(depth[1:] - depth[:-1]) < np.minimum(jump[1:], jump[:-1])
        return Links(depth, jump, right, down)

    def reach(self, wanted: npt.NDArray[np.intp], source: npt.NDArray[np.intp], distance: FloatMap) -> BoolArray:
        """(N,) whether pixels at flat indices ``wanted`` are near and on the surface of ``source``, ``distance`` pixels away."""
        depth = self.depth.ravel()
        gap = np.abs(depth.take(wanted) - depth.take(source))
        steps = np.maximum(np.ceil(distance), 1)
        return np.asarray((distance < _GROW_PX) & (gap < self.jump.ravel().take(wanted) * steps), dtype=bool)


def connected(links: Links, mask: BoolArray, least: int) -> IntMap:
    """Label the 4-connected parts (h, w) of a mask that depth does not break; parts below ``least`` pixels are 0."""
    import cv2

    # An image of twice the size has a pixel for each pair of neighbours, too, which is set where nothing parts them. Those of two
    # pairs touch at a corner only if the pairs have a pixel in common, so they may: blocks of 2 x 2 are labelled twice as fast.
    h, w = mask.shape
    pairs = np.zeros((2 * h - 1, 2 * w - 1), dtype=np.uint8)
    pairs[::2, ::2] = mask
    pairs[::2, 1::2] = links.right & mask[:, 1:] & mask[:, :-1]
    pairs[1::2, ::2] = links.down & mask[1:] & mask[:-1]
    count, whole = cv2.connectedComponents(pairs, connectivity=8)
    part = np.ascontiguousarray(whole[::2, ::2])
    sizes = np.bincount(part[mask], minlength=count)
    large = sizes >= least
    names = np.zeros(count, dtype=np.int32)
    names[large] = np.arange(1, int(np.count_nonzero(large)) + 1)
    return np.asarray(names.take(part), dtype=np.int32)


def grow(links: Links, labels: IntMap, above: BoolArray) -> IntMap:
    """Give each unlabelled pixel (h, w) above the plane to its nearest part, unless depth says that it is another surface."""
    wanted = np.flatnonzero(above & (labels == 0))
    if not len(wanted) or not labels.any():
        return labels
    distance, source = nearest_pixel(labels > 0, wanted)
    near = links.reach(wanted, source, distance)
    result = labels.copy()
    result.ravel()[wanted[near]] = labels.ravel()[source[near]]
    return result


def select(grid: Grid, surface: Surface, labels: IntMap, config: TabletopConfig) -> IntMap:
    """Keep the parts that can be things on the table, and name them 1..n, nearest first."""
    names = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    if not labels.any():
        return names[labels]
    structure, left_over = structures(grid, surface, config).ravel(), near_blocked(grid).ravel()
    cloud = grid.xyz.reshape(-1, 3)
    # Those that stand on the table, and those of structures, which stand at its border: distances, numbers, points of each.
    found: dict[bool, list[tuple[float, int, FloatMap]]] = {False: [], True: []}
    for name, pixels in enumerate(members(labels)):
        if len(pixels) == 0 or len(pixels) * grid.step**2 < config.min_pixels:
            continue
        if (share := float(left_over.take(pixels).mean())) > 0.5 and not (share < _RIM_SHARE and _is_thick(pixels, grid)):
            continue
        whole = np.take(cloud, pixels, axis=0)
        points = whole[:: max(1, len(whole) // _SOME_POINTS)]
        low, high = quantiles(np.ascontiguousarray(points.T), (0.02, 0.98))
        if may_be_noise(points, pixels, grid, surface, config) or is_fringe(pixels, labels, grid, surface, config):
            continue
        if config.min_object_m < float(np.max(high - low)) < config.max_object_m:
            distance = float(quantiles(np.einsum("ij,ij->i", whole, whole), (0.5,))[0])
            found[bool(structure.take(pixels).mean() > 0.5)].append((distance, name, points))
    hull = Footprint.of(grid, surface)
    kept: list[tuple[float, int]] = []
    for of_structure, parts in found.items():
        if parts:
            footprint = hull.grown(-config.hull_margin_m if of_structure else config.hull_margin_m)
            over = footprint.shares([points for _, _, points in parts])
            kept += [part[:2] for part, share in zip(parts, over, strict=True) if share >= config.hull_share]
    for rank, (_, name) in enumerate(sorted(kept), start=1):
        names[name] = rank
    return names[labels]


def _is_thick(pixels: npt.NDArray[np.intp], grid: Grid) -> bool:
    """Whether some of a part's pixels (M,) are further inside than any of a rim's."""
    import cv2

    mask = np.zeros(grid.depth.shape, dtype=np.uint8)
    mask.ravel()[pixels] = 1
    return bool(cv2.erode(mask, np.ones((5, 5), np.uint8), borderValue=0).any())


def near_blocked(grid: Grid) -> BoolArray:
    """(h, w) pixels within two pixels of those that the caller asked to ignore.

    A part that mostly lies there is what the robot's own mask left over: depth noise leaves rims and speckles of the robot
    outside its mask, while a thing in the gripper touches it at two sides. From afar most of that is near the fingers, too, but
    it is thicker than a rim.
    """
    import cv2

    if not grid.blocked.any():
        return np.zeros(grid.blocked.shape, dtype=bool)
    return np.asarray(cv2.dilate(grid.blocked.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def structures(grid: Grid, surface: Surface, config: TabletopConfig) -> BoolArray:
    """(h, w) pixels of anything longer than a thing, taken whole: walls, shelves, the sides of a bin.

    Pieces of them that a crease cuts off are small enough for things, but stand at the border of the table.
    """
    import cv2

    found = np.zeros(surface.above.shape, dtype=bool)
    window = window_of(surface.above, 1)
    if window is None:
        return found
    depth, joined = grid.depth[window], surface.above[window].copy()
    step = grid.jump_m(depth, config.noise)
    joined[:, 1:] &= np.abs(depth[:, 1:] - depth[:, :-1]) < step[:, 1:]
    joined[1:] &= np.abs(depth[1:] - depth[:-1]) < step[1:]
    count, whole = cv2.connectedComponents(joined.view(np.uint8), connectivity=4)
    large = np.zeros(count, dtype=bool)
    cloud = grid.xyz[window].reshape(-1, 3)
    for name, pixels in enumerate(members(whole)):
        if len(pixels) == 0 or len(pixels) * grid.step**2 < config.min_pixels:
            continue
        # A wall holds a large part of the image, and some of it tells how long it is.
        some = np.ascontiguousarray(cloud.take(pixels[:: max(1, len(pixels) // _SOME_POINTS)], axis=0).T)
        # Most are not, whatever their outermost pixels are.
        if float(np.ptp(some, axis=1).max()) > config.max_object_m:
            low, high = quantiles(some, (0.02, 0.98))
            large[name] = float(np.max(high - low)) > config.max_object_m
    if large.any():
        found[window] = large[whole]
    return found


@dataclass(frozen=True)
class Footprint:
    """The convex hull of the visible table, painted on a 1 cm raster of the plane: one look-up a point."""

    basis: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    cell_m: float
    raster: npt.NDArray[np.uint8]

    @staticmethod
    def of(grid: Grid, surface: Surface, cell_m: float = 0.01, pad: int = 12) -> Footprint:
        """Of the grid's pixels on the plane."""
        import cv2

        basis = surface.plane.basis()
        flat = surface.outermost(grid.xyz) @ basis.T.astype(np.float32)
        if len(flat) < 3:
            return Footprint(basis, np.zeros(2), cell_m, np.zeros((1, 1), np.uint8))
        origin = flat.min(axis=0) - pad * cell_m
        size = np.ceil((flat.max(axis=0) - origin) / cell_m).astype(int) + pad
        hull = cv2.convexHull(flat)[:, 0]
        raster = np.zeros((int(size[1]), int(size[0])), np.uint8)
        cv2.fillConvexPoly(raster, np.rint((hull - origin) / cell_m).astype(np.int32), 1)
        return Footprint(basis, np.asarray(origin, dtype=np.float64), cell_m, raster)

    def grown(self, margin_m: float) -> Footprint:
        """Grown by up to 10 cm, shrunk when negative."""
        import cv2

        radius = round(abs(margin_m) / self.cell_m)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        change = cv2.dilate if margin_m > 0 else cv2.erode
        return replace(self, raster=np.asarray(change(self.raster, kernel), dtype=np.uint8))

    def contains(self, points: FloatMap) -> BoolArray:
        """(N,) bool for points (N, 3) in the optical frame."""
        column, row = np.floor((self.basis @ points.T - self.origin[:, None]) / self.cell_m).astype(np.intp)
        height, width = self.raster.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return np.asarray(inside & (self.raster[np.where(inside, row, 0), np.where(inside, column, 0)] > 0), dtype=bool)

    def shares(self, some: Sequence[FloatMap]) -> npt.NDArray[np.float64]:
        """(k,) what share of each of k sets of points (N, 3), none of which is empty, is inside."""
        sizes = np.array([len(points) for points in some])
        inside = self.contains(np.concatenate(some))
        return np.asarray(np.add.reduceat(inside, np.cumsum(sizes) - sizes, dtype=np.intp) / sizes, dtype=np.float64)
