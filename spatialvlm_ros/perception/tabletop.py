"""The grounder that needs no model: what stands on the table, as regions of the image.

It is the floor under everything else: facts, rewards and labels from depth alone start with it, without weights, in
tens of milliseconds on one core, and it says why when there is no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray, Plane
from ..geometry.rigid import FloatArray
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import PRESETS, DepthNoise
from .colors import brightened
from .discovery import Discovered, object_labels
from .enclosures import EnclosureConfig, without_walls
from .grid import FloatMap, Grid, make_grid
from .masks import full_resolution_masks
from .parts import PartConfig
from .sparse_cloud import sample_cloud
from .support import SupportConfig, find_support

SOURCE = "tabletop"
# A plane of another image fits where the middle of what lies on it is off it by less than this share of what still counts as on
# it, and so much of the window does.
_STILL_LEVEL, _LEAST_TABLE = 0.4, 0.05


@dataclass(frozen=True)
class TabletopConfig:
    """What a thing on a table is. Lengths in metres.

    Attributes:
        noise: of the depth camera; every tolerance grows with it.
        min_height_m: how far above the plane a point must be, where noise allows.
        height_sigmas: ... and in standard deviations of one point's height.
        max_object_m: anything longer is a wall, an arm, furniture.
        min_object_m: anything shorter in its longest direction is noise.
        min_pixels: least pixels at the camera's resolution.
        hull_margin_m: how far beyond the visible table's hull a thing may reach.
        hull_share: least share of a thing's points over that hull.
        max_distance_m: depth beyond is ignored.
        work_width_px: the image is worked on at about this width; masks come back at the camera's resolution.
    """

    noise: DepthNoise = PRESETS["structured_light"]
    min_height_m: float = 0.007
    height_sigmas: float = 2.5
    max_object_m: float = 0.6
    min_object_m: float = 0.015
    min_pixels: int = 150
    hull_margin_m: float = 0.03
    hull_share: float = 0.6
    max_distance_m: float = 3.0
    work_width_px: int = 320
    support: SupportConfig = field(default_factory=SupportConfig)
    parts: PartConfig = field(default_factory=PartConfig)
    enclosures: EnclosureConfig = field(default_factory=EnclosureConfig)


@dataclass(frozen=True)
class SupportPlane:
    """The plane things stand on, in the optical frame.

    Attributes:
        plane: normal up; normal . p + offset_m is the height of p, metres.
        inliers: (H, W) bool, pixels that lie on it, connected to its main patch.
        ends: (N, 3) float32 points of it, metres, whose hull is that of all that is seen of it; None when not kept.
        is_floor: whether walls stand around it, as around the floor of a bin.
    """

    plane: Plane
    inliers: BoolArray
    ends: FloatMap | None = None
    is_floor: bool = False

    @property
    def normal(self) -> FloatArray:
        """(3,) unit vector, up."""
        return self.plane.normal

    @property
    def d(self) -> float:
        """Height of the camera above the plane, metres."""
        return self.plane.offset_m

    @property
    def coefficients(self) -> FloatArray:
        """(4,) (nx, ny, nz, d) as in ``Scene.support_plane``."""
        return self.plane.coefficients

    @property
    def tilt_std_rad(self) -> float:
        return self.plane.tilt_std_rad


@dataclass(frozen=True)
class TabletopSegmentation:
    """``regions`` nearest first; ``plane`` None with a ``reason``."""

    plane: SupportPlane | None
    reason: str
    regions: list[Region]


def _too_far(frame: RGBDFrame, limit_m: float) -> str:
    """That the depth of an image is beyond what is looked at, as in a wrong unit; "" where it is not."""
    distances = frame.depth_m[frame.valid].astype(np.float64)
    if not len(distances) or np.median(distances) <= limit_m:
        return ""
    return (
        f"no depth within {limit_m:g} m: half of it is farther than {float(np.median(distances)):.4g} m; is its unit right "
        "(16UC1 is millimetres, 32FC1 metres)?"
    )


class TabletopSegmenter:
    """Stateless: the same image gives the same bytes."""

    def __init__(self, config: TabletopConfig | None = None) -> None:
        self.config = config or TabletopConfig()

    def segment(
        self,
        frame: RGBDFrame,
        *,
        up: npt.ArrayLike | None = None,
        ignore: BoolArray | None = None,
        max_distance_m: float | None = None,
        tool: FloatArray | None = None,
        known: Plane | None = None,
    ) -> TabletopSegmentation:
        """Find the support plane and the things on or above it.

        Args:
            up: (3,) direction of up in the optical frame (any length), from tf; None when nobody knows.
            ignore: (H, W) bool, pixels of the robot itself.
            max_distance_m: overrides the configuration's.
            tool: (3,) where the robot's hand is in the optical frame, metres; None when nobody knows.
            known: where the support plane was before, as ``find_support`` takes it.
        """
        config = self.config
        limit = config.max_distance_m if max_distance_m is None else max_distance_m
        grid = make_grid(frame, ignore, limit, config.work_width_px)
        grid = replace(grid, color=brightened(grid.color, frame.color))
        direction = _unit(up)
        sample = sample_cloud(grid.xyz, grid.valid, config.noise, grid.focal_px, config.support.sample_points)
        plane, reason = find_support(sample, config.noise, direction, config.support, tool, known)
        if plane is None:
            return TabletopSegmentation(None, reason if len(sample.points) else _too_far(frame, limit) or reason, [])
        surface = grid.surface(plane, config.noise, config.min_height_m, config.height_sigmas)
        if surface.on_plane.sum() < 0.5 * config.support.least_share(direction is not None) * grid.valid.sum():
            return TabletopSegmentation(None, "no horizontal surface found: points on the best plane are scattered", [])
        bare = surface
        surface = without_walls(grid, surface, config)
        found = object_labels(grid, surface, config)
        masks, table = full_resolution_masks(frame, grid, surface, found.labels, config)
        support = SupportPlane(surface.plane, table, surface.outermost(grid.xyz), surface is not bare)
        return TabletopSegmentation(support, "", _regions(masks, found))

    def segment_part(
        self, frame: RGBDFrame, rows: slice, columns: slice, support: SupportPlane, ignore: BoolArray | None
    ) -> list[Region] | None:
        """The things within some rows and columns of an image, by the support plane of an image before it.

        By the same steps as on a whole image; what the window cuts off ends at its rim. None where the plane does not fit to
        what shows of it, or too little of it does. The window begins at multiples of ``grid_step``.
        """
        config, window = self.config, (rows, columns)
        part = frame.part(rows, columns)
        step = grid_step(frame.camera.width, config)
        grid = make_grid(part, None if ignore is None else ignore[window], config.max_distance_m, part.camera.width // step)
        grid = replace(grid, color=brightened(grid.color, frame.color))
        surface = grid.surface(support.plane, config.noise, config.min_height_m, config.height_sigmas)
        heights = surface.height[surface.on_plane]
        if len(heights) < _LEAST_TABLE * surface.height.size:
            return None
        if abs(float(np.median(heights))) > _STILL_LEVEL * float(np.median(surface.threshold[surface.on_plane])):
            return None
        surface = replace(surface, ends=support.ends)
        found = object_labels(grid, surface, config)
        masks, _ = full_resolution_masks(part, grid, surface, found.labels, config)
        whole = [np.zeros(frame.depth_m.shape, dtype=bool) for _ in masks]
        for mask, large in zip(masks, whole, strict=True):
            large[window] = mask
        return _regions(whole, found)


def grid_step(width: int, config: TabletopConfig) -> int:
    """Camera pixels per pixel of the grid of an image so many pixels wide."""
    return max(1, min(round(width / config.work_width_px), width))


def _regions(masks: Sequence[BoolArray], found: Discovered) -> list[Region]:
    odds = zip(found.joined_odds.tolist(), found.refused_odds.tolist(), strict=True)
    return [Region(mask, "", 1.0, SOURCE, *of_one) for mask, of_one in zip(masks, odds, strict=True)]


def _unit(up: npt.ArrayLike | None) -> FloatArray | None:
    """Normalised (3,), or None for None. Raises ValueError for anything that has no direction."""
    if up is None:
        return None
    vector = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not np.isfinite(length) or length < 1e-9:
        raise ValueError(f"up is {vector.tolist()}, expected three finite numbers with a length above 0")
    unit: FloatArray = vector / length
    return unit


__all__ = ["Grid", "SupportPlane", "TabletopConfig", "TabletopSegmentation", "TabletopSegmenter"]
