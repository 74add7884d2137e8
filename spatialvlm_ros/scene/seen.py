"""What a region shows, and what is known around it: all that a box is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.quantiles import middle
from ..geometry.rigid import FloatArray
from .frame import BoolArray, Region, RGBDFrame
from .noise import DepthNoise
from .region_points import PointArray
from .scene import Canonical


@dataclass(frozen=True)
class MeasureConfig:
    """How a region is measured.

    Attributes:
        min_points: fewer valid depth pixels than this are no measurement.
        max_box_points: the box is read from about this many points, evenly thinned.
        max_kept_points: surface points kept for nearest-surface distances.
        trim_share: share of points cut at either end of an axis before its extent is read (flying pixels).
        outermost_stds: how far beyond a face its outermost points lie, in standard deviations of one pixel's depth.
        far_px: how far short of a face that is turned away the last pixels fall that are trusted, in pixels' footprints.
        top_px: how far beyond a thing's top they reach.
        foot_px: one standard deviation of where the lowest pixels of a thing in the air end, in pixels' footprints.
        rim_px: how wide the rim of a thing is whose depth is not trusted. Of noise that is another one than its law says less
            counts: other errors make things swell.
        round_share: how far short of its faces they fall on a thing that is no box, as a share of how far they lie from the box.
        ground_snap_m: a thing whose lowest visible point is this near the support plane stands on it.
        ground_std_m: one standard deviation of where the foot of a thing that stands on the plane is.
        hidden_share: one standard deviation of an unseen far face, as a share of the extent across it.
        misfit_share: the same for every face, as a share of how far the visible points lie from the box.
        covered_share: the same for a face on a side behind which more of the thing may lie.
    """

    min_points: int = 30
    max_box_points: int = 2000
    max_kept_points: int = 400
    trim_share: float = 0.001
    outermost_stds: float = 0.9
    far_px: float = 2.8
    top_px: float = 0.3
    foot_px: float = 1.5
    rim_px: float = 2.0
    round_share: float = 0.17
    ground_snap_m: float = 0.010
    ground_std_m: float = 0.001
    hidden_share: float = 0.05
    misfit_share: float = 0.45
    covered_share: float = 0.9


@dataclass(frozen=True)
class Setting:
    """What all regions of an image are measured with.

    Attributes:
        plane: (4,) n, d of the support plane in the optical frame, n up, metres; NaN when there is none.
        robot: (H, W) bool, pixels of the robot, which may hide a part of a thing; None when unknown.
    """

    frame: RGBDFrame
    canonical: Canonical | None
    plane: FloatArray
    noise: DepthNoise
    config: MeasureConfig
    robot: BoolArray | None = None


@dataclass(frozen=True)
class Seen:
    """What shows of a region, optical frame, metres.

    Attributes:
        points: (N, 3) float32, all that are trusted; ``thinned`` about ``config.max_box_points`` of them.
        outline: (M, 3) float64, the thinned ones, then those of the rim.
        mean: (3,) of all points.
        covered: (4,) share of each of ``SIDES`` behind which more of it may lie.
        pixel_std_m, thinned_std_m: standard deviation of one pixel's depth at its points, and at the thinned ones.
    """

    region: Region
    points: PointArray
    thinned: PointArray
    outline: FloatArray
    mean: FloatArray
    covered: FloatArray
    pixel_std_m: float
    thinned_std_m: float


def what_shows(
    region: Region, points: PointArray, rim: PointArray, covered: FloatArray, noise: DepthNoise, config: MeasureConfig
) -> Seen:
    """Of a region with points (N, 3) and those of its rim (K, 3), as ``region_points`` finds them; N > 0."""
    step = max(1, len(points) // config.max_box_points)
    thinned = points[::step]
    outline = np.concatenate([thinned, rim[:: max(1, len(rim) // config.max_box_points)]]).astype(np.float64)
    std_m = float(noise.pixel_std_m(middle(points[:, 2])))
    thinned_std_m = std_m if step == 1 else float(noise.pixel_std_m(middle(thinned[:, 2])))
    return Seen(region, points, thinned, outline, mean_of(points.astype(np.float64)), covered, std_m, thinned_std_m)


def mean_of(points: FloatArray) -> FloatArray:
    """(3,) of points (N, 3); ``points.mean(axis=0)`` takes ten times as long."""
    mean: FloatArray = np.ones(len(points)) @ points / len(points)
    return mean
