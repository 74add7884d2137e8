"""Which of the planes in sight is the one that things stand on.

"The largest plane is the floor" makes a wall a floor. With a known up direction a plane must be level. Without one it must be
plausible as something level that a camera sees from above, and for each up direction that a camera may have and that makes the
plane a wall, enough must speak against it (``walls.py``). Small planes must carry something: they may be the lids of things, or
a floor beside a table that is seen along its top. Of parallel ones (box lid, table, floor) the highest that is large enough to
carry things wins; the rims of bins are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..geometry.plane import Plane, fit_plane, local_triples, ransac_plane
from ..geometry.rigid import FloatArray
from ..scene.noise import DepthNoise
from .hangs_over import HANGS_OVER, is_below
from .sparse_cloud import FloatMap, Sample
from .walls import WallConfig, may_be_wall

# Least share of an error of depth that is one of height, where a plane is looked at along itself.
_LEAST_SLOPE = 0.15
_BARE = "is level, but nothing stands on it"


@dataclass(frozen=True)
class SupportConfig:
    """What counts as a support plane. Angles in radians, lengths in metres.

    Attributes:
        up_tolerance_rad: largest angle between the plane's normal and a given ``up``.
        strip_tolerance_rad: ... where it has less than ``min_share``: a strip of a wall is as flat.
        min_pitch_from_nadir_rad: without ``up``, a camera that looks this steeply down cannot tell a table from a wall.
        max_roll_rad: without ``up``, largest roll of the camera.
        max_upward_rad: without ``up``, how far the camera may look above the horizon.
        min_share: least share of the valid pixels,
        min_share_with_up: ... where up is known, so that no plane of another direction is in question.
        min_points: least number of sampled points on it: a plane through few is no measurement.
        min_area_m2: least visible area.
        higher_share: a higher parallel plane wins with this share of the pixels of the largest one.
        higher_area_m2: ... and this area: more than the lid of a box that stands on a table.
        alone_share: a plane with less than this share must carry something: it may be a floor beside the table, or a strip
            of a wall.
        facet_rad: surfaces are level within this; on a strip, on a small plane, and where up is not known, most must be.
        lid_edge_share: a plane smaller than ``higher_area_m2`` must carry something when depth falls away beyond this share of
            its outline: it may be the lid of a thing.
        feet_share: a plane carries something when as much as this share of its own pixels are feet that stand on it,
        lid_feet_share: ... one that ends like a lid, this share,
        bare_share: ... and one that is a floor only because hardly any camera sees it as a wall, this share:
        foot_m: ... what is lower than this above it,
        foot_margin_m: ... and this far within its outline.
        hanging_m: what is higher than this over a plane and nearer than most of it hangs over it,
        hanging_step_m: ... where what is next below in the image is further by this;
        hanging_gap_px: so many sampled pixels below an edge may have no depth.
        hanging_share: what hangs over so much of the image's width is a table,
        hanging_level_m: ... where its edge is at one height, within this; an arm's elbow, wrist and fingers are not.
        apart_m: a plane this far above a refused one is none that lies on it.
        reach_m, beside_m: a robot's hand works at a plane that is so far below it at the most, and so far beside it.
        again_rad: how far a plane that was the support before may have turned.
        tilt_floor_rad: error of the tilt that more pixels do not cure (calibration, a bent table).
        walls: without ``up``, which other up directions are thought of.
    """

    up_tolerance_rad: float = math.radians(10)
    strip_tolerance_rad: float = math.radians(5)
    min_pitch_from_nadir_rad: float = math.radians(8)
    max_roll_rad: float = math.radians(35)
    max_upward_rad: float = math.radians(15)
    min_share: float = 0.05
    min_share_with_up: float = 0.02
    min_points: int = 40
    min_area_m2: float = 0.02
    higher_share: float = 0.3
    higher_area_m2: float = 0.1
    alone_share: float = 0.2
    facet_rad: float = math.radians(25)
    lid_edge_share: float = 0.25
    lid_feet_share: float = 0.2
    feet_share: float = 0.03
    bare_share: float = 0.004
    foot_m: float = 0.04
    foot_margin_m: float = 0.015
    hanging_m: float = 0.3
    hanging_step_m: float = 0.15
    hanging_gap_px: int = 14
    hanging_share: float = 0.2
    hanging_level_m: float = 0.04
    apart_m: float = 0.35
    reach_m: float = 0.8
    beside_m: float = 0.3
    again_rad: float = math.radians(2)
    tilt_floor_rad: float = 0.002
    max_planes: int = 4
    iterations: int = 400
    # RANSAC sees every n-th pixel of each row and column, so that the whole image is about this many points.
    sample_points: int = 3500
    walls: WallConfig = field(default_factory=WallConfig)

    def least_share(self, up_is_known: bool) -> float:
        """Least share of the valid pixels."""
        return self.min_share_with_up if up_is_known else self.min_share


@dataclass(frozen=True)
class PlaneCandidate:
    """One plane of the image with what speaks for and against it. ``share`` is of the valid pixels.

    ``score`` are log-odds that it is no wall, where up is not known (``walls.py``).
    """

    plane: Plane
    share: float
    area_m2: float
    objection: str = field(default="")
    score: float = 0.0


def find_support(
    sample: Sample,
    noise: DepthNoise,
    up: FloatArray | None,
    config: SupportConfig,
    tool: FloatArray | None = None,
    known: Plane | None = None,
) -> tuple[Plane | None, str]:
    """The support plane with its normal up, or None and the reason.

    Args:
        tool: (3,) where the robot's hand is, if known.
        known: where the support was before, if it was found. It is there still where a level surface is seen there and this
            image alone tells of no other one.
    """
    if len(sample.points) < 50:
        return None, f"no depth: {len(sample.points)} of the sampled pixels have a usable depth"
    candidates = _candidates(sample, up, config)
    good = [c for c in candidates if not c.objection and (up is not None or not _part_of_refused(c, candidates, config))]
    if not good and up is not None and tool is not None:
        good = _worked_at(tool, up, candidates, sample, config)
    if not good:
        again = None if known is None else _seen_again(known, sample, up, config)
        return again, "" if again is not None else "no horizontal surface found: " + _objections(candidates)
    largest = max(good, key=lambda c: c.share) if up is not None else max(good, key=lambda c: c.score)
    if up is None:
        level = [c for c in good if c.plane.normal @ largest.plane.normal > math.cos(config.up_tolerance_rad)]
        largest = max(level, key=lambda c: c.share)
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


def _part_of_refused(one: PlaneCandidate, candidates: list[PlaneCandidate], config: SupportConfig) -> bool:
    """Whether a larger plane of nearly the same direction was refused: then this is what lies on it, or its bent rim.

    What is as high above it as a table stands on its own.
    """
    return any(
        c.objection
        and c.share > one.share
        and c.plane.normal @ one.plane.normal > math.cos(math.radians(25))
        and c.plane.offset_m - one.plane.offset_m < config.apart_m
        for c in candidates
    )


def _worked_at(
    tool: FloatArray, up: FloatArray, candidates: list[PlaneCandidate], sample: Sample, config: SupportConfig
) -> list[PlaneCandidate]:
    """Bare level planes, larger than a lid, over a floor that something hangs over: they do, where a hand is above them.

    The lower side of a shelf or a table faces down.
    """
    floors = [c.plane.offset_m for c in candidates if c.objection == HANGS_OVER]
    return [
        c
        for c in candidates
        if c.objection == _BARE
        and c.plane.angle_to(up) <= config.up_tolerance_rad
        and c.share > config.min_share
        and c.area_m2 > config.higher_area_m2
        and any(floor - c.plane.offset_m > config.apart_m for floor in floors)
        and -config.foot_m < float(c.plane.height(tool[None])[0]) < config.reach_m
        and _Patch.of(c.plane, sample, config).beside_m(c.plane.basis() @ tool) < config.beside_m
        and not _is_uneven(c.plane, c.share, c.area_m2, True, sample, config)
    ]


def _seen_again(known: Plane, sample: Sample, up: FloatArray | None, config: SupportConfig) -> Plane | None:
    """The plane as this image shows it; None where it shows too little of it, or something that leans."""
    on_plane = np.abs(known.height(sample.points)) < 3 * sample.depth_std_m * _slope(sample.points, known.normal)
    if np.count_nonzero(on_plane) < max(config.min_points, config.least_share(up is not None) * len(on_plane)):
        return None
    plane = refined(sample.points[on_plane], sample.depth_std_m[on_plane], known)
    leans = plane.angle_to(known.normal) > config.again_rad or (up is not None and plane.angle_to(up) > config.up_tolerance_rad)
    return None if leans else Plane(plane.normal, plane.offset_m, math.hypot(plane.tilt_std_rad, config.tilt_floor_rad))


def _objections(candidates: list[PlaneCandidate]) -> str:
    if not candidates:
        return "no plane of the depth image is level and large enough"
    return "; ".join(f"a plane with {100 * c.share:.0f} % of the depth {c.objection}" for c in candidates if c.objection)


def _candidates(sample: Sample, up: FloatArray | None, config: SupportConfig) -> list[PlaneCandidate]:
    left = np.ones(len(sample.points), dtype=bool)
    least = max(config.min_points, config.least_share(up is not None) * len(left))
    found: list[PlaneCandidate] = []
    for index in range(config.max_planes):
        ids = np.flatnonzero(left)
        if len(ids) < least:
            break
        points, std = sample.points[ids], sample.depth_std_m[ids]
        triples = local_triples(sample.rows[ids], sample.columns[ids], config.iterations, seed=index)
        # Where up is known a small table must not be lost among large walls: look at nothing but its direction.
        tolerance = 3 * std if up is None else 3 * std * _slope(points, up)
        through = None if up is None else triples[: config.iterations // 4, 0]
        fit = ransac_plane(
            points, tolerance, triples=triples, direction=up, max_angle_rad=config.up_tolerance_rad, level_through=through
        )
        if fit is None:
            break
        plane, inliers = fit
        if inliers.sum() < least:
            break
        better = refined(points[inliers], std[inliers], plane)
        rays = points[inliers] / np.linalg.norm(points[inliers], axis=1, keepdims=True)
        cosine = np.maximum(np.abs(rays @ better.normal), 0.05)
        area = float(np.sum(np.square(points[inliers, 2] / sample.focal_px) / cosine))
        share = float(inliers.sum()) / len(left)
        score, objection = _objection(better, share, area, up, sample, config)
        found.append(PlaneCandidate(better, share, area, objection, score))
        left[ids[np.abs(plane.height(points)) < 5 * std]] = False
    return found


def refined(points: FloatArray, depth_std_m: FloatArray, plane: Plane) -> Plane:
    """Least squares over the points (N, 3) of a plane, weighted by their noise along its normal.

    Depth errs along the ray, so a plane seen at a glancing angle is known better than its depth.
    """
    slope = np.abs(points @ plane.normal) / points[:, 2]
    return fit_plane(points, depth_std_m * np.maximum(slope, 0.05)) or plane


def _slope(points: FloatArray, up: FloatArray) -> FloatArray:
    """(N,) how much of an error of depth is one of height. Up is not known exactly, and neither is a level plane level."""
    return np.maximum(np.abs(points @ up) / points[:, 2], _LEAST_SLOPE)


def _objection(
    plane: Plane, share: float, area_m2: float, up: FloatArray | None, sample: Sample, config: SupportConfig
) -> tuple[float, str]:
    """Log-odds for this plane (normal towards the camera), and why it is no support plane; "" when it may be one."""
    if area_m2 < config.min_area_m2:
        return 0.0, f"has only {area_m2:.3f} m^2"
    unfit = (
        _carries_nothing(plane, share, area_m2, sample, config)
        or _is_uneven(plane, share, area_m2, up is not None, sample, config)
        or is_below(plane, sample, config)
    )
    if unfit:
        return 0.0, unfit
    nx, ny, nz = plane.normal.tolist()
    if up is not None:
        angle, most = plane.angle_to(up), config.up_tolerance_rad if share > config.min_share else config.strip_tolerance_rad
        return 0.0, "" if angle <= most else f"is tilted {math.degrees(angle):.0f} deg from up"
    if -ny < math.sin(config.min_pitch_from_nadir_rad):
        return 0.0, "faces the camera or its side and may be a wall (tell which way is up: tf with gravity, or an IMU)"
    if abs(nx) > math.tan(config.max_roll_rad) * -ny:
        return 0.0, f"would need a camera rolled {math.degrees(math.atan2(abs(nx), -ny)):.0f} deg (tell which way is up)"
    if nz > math.sin(config.max_upward_rad):
        return 0.0, "faces away from a camera that looks level or down"
    return may_be_wall(
        plane, share, sample.facets, config.walls, lambda: _Patch.of(plane, sample, config).feet_share > config.bare_share
    )


@dataclass(frozen=True)
class _Patch:
    """The largest connected piece of a plane in a sample.

    Attributes:
        edge_share: share of its outline beyond which depth falls away.
        feet_share: sampled points within its outline that are feet of things, over those of its own.
        hull: (N, 1, 2) its outline along the plane's basis, metres; without rows where nothing is on the plane.
    """

    edge_share: float
    feet_share: float
    hull: FloatMap

    @staticmethod
    def of(plane: Plane, sample: Sample, config: SupportConfig) -> _Patch:
        """What the plane cuts elsewhere, of a wall for example, is no part of it."""
        import cv2

        slope = np.abs(sample.points @ plane.normal) / sample.points[:, 2]
        height, limit = plane.height(sample.points), np.maximum(0.01, 3 * sample.depth_std_m * slope)
        shape = int(sample.rows.max()) + 1, int(sample.columns.max()) + 1
        level, low = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=bool)
        level[sample.rows, sample.columns] = np.abs(height) < limit
        low[sample.rows, sample.columns] = height < -limit
        _, labels, stats, _ = cv2.connectedComponentsWithStats(level, connectivity=4)
        if len(stats) < 2:
            return _Patch(0.0, 0.0, np.empty((0, 1, 2), np.float32))
        patch = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        rim = (cv2.dilate(patch.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~patch
        flat = (sample.points @ plane.basis().T).astype(np.float32)
        own = patch[sample.rows, sample.columns]
        hull = cv2.convexHull(flat[own])
        # What is far above the plane may as well hang on a wall.
        feet = flat[(height > limit) & (height < config.foot_m)]
        inside = sum(cv2.pointPolygonTest(hull, (float(x), float(y)), True) > config.foot_margin_m for x, y in feet)
        edge = float(np.count_nonzero(rim & low)) / max(1.0, float(np.count_nonzero(rim)))
        return _Patch(edge, inside / float(np.count_nonzero(own)), hull)

    def beside_m(self, place: FloatArray) -> float:
        """How far a place (2,) along the plane's basis is beside the outline, metres; below 0 within it."""
        import cv2

        x, y = place.tolist()
        return -float(cv2.pointPolygonTest(self.hull, (x, y), True)) if len(self.hull) else math.inf


def _carries_nothing(plane: Plane, share: float, area_m2: float, sample: Sample, config: SupportConfig) -> str:
    """Why a plane that may be the lid of a thing, or a floor beside the table, is no support; "" when it is neither."""
    small, strip = area_m2 < config.higher_area_m2, share < config.alone_share
    if not (small or strip):
        return ""
    patch = _Patch.of(plane, sample, config)
    if small and patch.edge_share > config.lid_edge_share and patch.feet_share < config.lid_feet_share:
        return f"has only {area_m2:.3f} m^2, ends at edges like the top of a thing, and nothing stands on it"
    if strip and patch.feet_share < config.feet_share:
        return _BARE
    return ""


def _is_uneven(plane: Plane, share: float, area_m2: float, up_is_known: bool, sample: Sample, config: SupportConfig) -> str:
    """Why a plane through tops of things, or through the feet of faces, is no support; "" when the surfaces on it are level.

    A large plane of a known direction is level as a whole.
    """
    if up_is_known and area_m2 >= config.higher_area_m2 and share >= config.alone_share:
        return ""
    facets = sample.facets
    on_plane = np.abs(plane.height(facets.points)) < np.maximum(0.01, 2 * facets.depth_std_m)
    level = facets.normals[on_plane] @ plane.normal > math.cos(config.facet_rad)
    if 2 * np.count_nonzero(level) >= len(level) or len(level) < config.min_points:
        return ""
    return "is level, but the surfaces on it are not"
