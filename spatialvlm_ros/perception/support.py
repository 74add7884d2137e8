"""Which of the planes in sight is the one that things stand on.

"The largest plane is the floor" makes a wall a floor. With a known up direction a plane must be level. Without one it must be
plausible as something level that a camera sees from above, and there must be no up direction, among those that a camera may
well have, for which the plane is a wall and the rest of the image fits as well (``walls.py``). Of parallel ones (box lid,
table, floor) the highest that is large enough to carry things wins; the rims of bins are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane, fit_plane, local_triples, ransac_plane
from ..geometry.rigid import FloatArray
from ..scene.frame import BoolArray
from ..scene.noise import DepthNoise
from .walls import Facets, WallConfig, facets_of, may_be_wall

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SupportConfig:
    """What counts as a support plane. Angles in radians, lengths in metres.

    Attributes:
        up_tolerance_rad: largest angle between the plane's normal and a given ``up``.
        min_pitch_from_nadir_rad: without ``up``, a camera that looks this steeply down cannot tell a table from a wall.
        max_roll_rad: without ``up``, largest roll of the camera.
        max_upward_rad: without ``up``, how far the camera may look above the horizon.
        min_share: least share of the valid pixels.
        min_area_m2: least visible area.
        higher_share: a higher parallel plane wins with this share of the pixels of the largest one.
        higher_area_m2: ... and this area: more than the lid of a box that stands on a table.
        tilt_floor_rad: error of the tilt that more pixels do not cure (calibration, a bent table).
        walls: without ``up``, which other up directions are thought of.
    """

    up_tolerance_rad: float = math.radians(10)
    min_pitch_from_nadir_rad: float = math.radians(20)
    max_roll_rad: float = math.radians(35)
    max_upward_rad: float = math.radians(15)
    min_share: float = 0.05
    min_area_m2: float = 0.02
    higher_share: float = 0.3
    higher_area_m2: float = 0.1
    tilt_floor_rad: float = 0.002
    max_planes: int = 4
    iterations: int = 400
    # RANSAC sees every n-th pixel of each row and column, so that the whole image is about this many points.
    sample_points: int = 3500
    walls: WallConfig = field(default_factory=WallConfig)


@dataclass(frozen=True)
class PlaneCandidate:
    """One plane of the image with what speaks for and against it. ``share`` is of the valid pixels."""

    plane: Plane
    share: float
    area_m2: float
    objection: str = field(default="")


@dataclass(frozen=True)
class Sample:
    """A sparse organised cloud: points (N, 3), metres, with grid rows, columns and noise (N,).

    ``facets`` are those of the full grid, worked out when they are asked for: where up is known nobody does.
    """

    points: FloatArray
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    depth_std_m: FloatArray
    focal_px: float
    find_facets: Callable[[], Facets] = field(repr=False)

    @cached_property
    def facets(self) -> Facets:
        return self.find_facets()


def sample_cloud(xyz: FloatMap, usable: BoolArray, noise: DepthNoise, focal_px: float, count: int) -> Sample:
    """Every n-th usable point of an organised cloud (H, W, 3); ``focal_px`` is of that cloud's grid."""
    step = max(1, round(math.sqrt(usable.size / count)))
    rows, columns = np.nonzero(usable[step // 2 :: step, step // 2 :: step])
    points = xyz[step // 2 :: step, step // 2 :: step][rows, columns].astype(np.float64)
    find_facets = partial(facets_of, xyz, usable, noise, focal_px)
    return Sample(points, rows, columns, noise.pixel_std_m(points[:, 2]), focal_px / step, find_facets)


def find_support(sample: Sample, noise: DepthNoise, up: FloatArray | None, config: SupportConfig) -> tuple[Plane | None, str]:
    """The support plane with its normal up, or None and the reason."""
    if len(sample.points) < 50:
        return None, f"no depth: {len(sample.points)} of the sampled pixels have a usable depth"
    candidates = _candidates(sample, up, config)
    good = [c for c in candidates if not c.objection and (up is not None or not _part_of_refused(c, candidates))]
    if not good:
        return None, "no horizontal surface found: " + _objections(candidates)
    largest = max(good, key=lambda c: c.share)
    best = largest
    for c in good:
        parallel = c.plane.normal @ largest.plane.normal > math.cos(config.up_tolerance_rad)
        above = c.plane.offset_m < best.plane.offset_m - 0.05
        large = c.share > config.higher_share * largest.share and c.area_m2 > config.higher_area_m2
        if parallel and above and large and not _is_rim(c.plane, sample):
            best = c
    plane = best.plane
    tilt = math.hypot(plane.tilt_std_rad, config.tilt_floor_rad)
    return Plane(plane.normal, plane.offset_m, tilt), ""


def _is_rim(plane: Plane, sample: Sample) -> bool:
    """Whether a plane's points are on narrow strips: the upper edges of the walls of bins, which nothing stands on.

    Of a table's points most have others of it all around.
    """
    import cv2

    on_plane = np.abs(plane.height(sample.points)) < 3 * sample.depth_std_m
    level = np.zeros((int(sample.rows.max()) + 1, int(sample.columns.max()) + 1), dtype=np.float32)
    level[sample.rows, sample.columns] = on_plane
    around = cv2.boxFilter(level, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return bool(np.count_nonzero((around > 6.5) & (level > 0)) < 0.35 * np.count_nonzero(on_plane))


def _part_of_refused(one: PlaneCandidate, candidates: list[PlaneCandidate]) -> bool:
    """Whether a larger plane of nearly the same direction was refused: then this is what lies on it, or its bent rim."""
    return any(
        c.objection and c.share > one.share and c.plane.normal @ one.plane.normal > math.cos(math.radians(25)) for c in candidates
    )


def _objections(candidates: list[PlaneCandidate]) -> str:
    if not candidates:
        return "no plane of the depth image is level and large enough"
    return "; ".join(f"a plane with {100 * c.share:.0f} % of the depth {c.objection}" for c in candidates if c.objection)


def _candidates(sample: Sample, up: FloatArray | None, config: SupportConfig) -> list[PlaneCandidate]:
    left = np.ones(len(sample.points), dtype=bool)
    found: list[PlaneCandidate] = []
    for index in range(config.max_planes):
        ids = np.flatnonzero(left)
        if len(ids) < max(20, config.min_share * len(left)):
            break
        points, std = sample.points[ids], sample.depth_std_m[ids]
        triples = local_triples(sample.rows[ids], sample.columns[ids], config.iterations, seed=index)
        # Where up is known a small table must not be lost among large walls: look at nothing but its direction.
        fit = ransac_plane(points, 3 * std, triples=triples, direction=up, max_angle_rad=config.up_tolerance_rad)
        if fit is None:
            break
        plane, inliers = fit
        if inliers.sum() < config.min_share * len(left):
            break
        better = refined(points[inliers], std[inliers], plane)
        rays = points[inliers] / np.linalg.norm(points[inliers], axis=1, keepdims=True)
        cosine = np.maximum(np.abs(rays @ better.normal), 0.05)
        area = float(np.sum(np.square(points[inliers, 2] / sample.focal_px) / cosine))
        share = float(inliers.sum()) / len(left)
        found.append(PlaneCandidate(better, share, area, _objection(better, area, up, sample, config)))
        left[ids[np.abs(plane.height(points)) < 5 * std]] = False
    return found


def refined(points: FloatArray, depth_std_m: FloatArray, plane: Plane) -> Plane:
    """Least squares over the points (N, 3) of a plane, weighted by their noise along its normal.

    Depth errs along the ray, so a plane seen at a glancing angle is known better than its depth.
    """
    slope = np.abs(points @ plane.normal) / points[:, 2]
    return fit_plane(points, depth_std_m * np.maximum(slope, 0.05)) or plane


def _objection(plane: Plane, area_m2: float, up: FloatArray | None, sample: Sample, config: SupportConfig) -> str:
    """Why this plane (normal towards the camera) is no support plane; "" when it may be one."""
    if area_m2 < config.min_area_m2:
        return f"has only {area_m2:.3f} m^2"
    nx, ny, nz = plane.normal.tolist()
    if up is not None:
        angle = plane.angle_to(up)
        return "" if angle <= config.up_tolerance_rad else f"is tilted {math.degrees(angle):.0f} deg from up"
    if -ny < math.sin(config.min_pitch_from_nadir_rad):
        return "faces the camera or its side and may be a wall (tell which way is up: tf with gravity, or an IMU)"
    if abs(nx) > math.tan(config.max_roll_rad) * -ny:
        return f"would need a camera rolled {math.degrees(math.atan2(abs(nx), -ny)):.0f} deg (tell which way is up)"
    if nz > math.sin(config.max_upward_rad):
        return "faces away from a camera that looks level or down"
    return may_be_wall(plane, sample.facets, config.walls)
