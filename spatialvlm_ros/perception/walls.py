"""Whether a plane may as well be a wall, where nobody knows which way is up.

Geometry alone cannot tell a floor with a box on it from a wall with a cupboard on it, seen by a camera that looks up. What can
tell is the rest of the image. So each up direction that a camera may have and that makes the plane a wall is tried, and against
each one speaks a sum of log-odds:

- The faces of buildings, furniture and things that stand are vertical or level: those that fit the plane as a floor and not as
  that wall, over those that fit it as that wall and not as a floor.
- Small things rise from the plane, as they seldom do from a wall, and vessels open away from it (``vessels.py``).
- A level shows as far below as a floor is below a table.
- How far the camera would have to look up: planes that pass for walls of a camera that looks far up are seen at a flat angle,
  and a floor at such an angle shows more than these do.

The plane is a floor where the least sum, over all those directions, is not negative, and for a camera that is hardly rolled also
where nothing but a wall seen from far below is left and the plane is near or carries something; seen at a flat angle only where
little is lacking to the sum. One plane and nothing else tells nothing.
The weights were chosen by hand on rendered scenes (any camera: seeds 650000 to 651999; ordinary ones: 640000 to 640099), the bias
and the exception on those of any cameras of seeds 670000 to 673999 in which things hang on walls (1205), tables of 670000 to
670299 and 674000 to 674399 (183), and ordinary cameras of 646000 to 646239. Of those 4000 seeds 13 walls pass; 169 of the tables
are found, and 95 % of the ordinary ones. Without the exception the real tables of the tests, on which only boxes stand, would be
refused. A wall with small things all over it can still pass, and a bare one nearer than ``near_m``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane
from ..scene.frame import BoolArray
from ..scene.noise import DepthNoise
from .vessels import VesselConfig, has_vessel

FloatMap = npt.NDArray[np.float32]
# Between two up directions that are tried.
_STEP_RAD = math.radians(3)
# Of the thinned grid of an image of 640 x 480, of which the counts of faces are meant.
_USUAL_PIXELS = 160 * 120
# A facet whose normal is known worse than this tells nothing.
_MAX_NORMAL_STD_RAD = math.radians(4.5)
# The same where nothing but the faces in sight can tell: a floor two metres off is as rough.
_LAST_NORMAL_STD_RAD = math.radians(6.0)


# What ``evidence`` has a column for, and what a unit of it counts, natural log-odds for the floor.
EVIDENCE = ("ratio", "faces", "vessel", "lower", "standing", "upward")
WEIGHTS = (1.0, 0.7, 2.6, 2.4, 0.6, -2.5)
BIAS = -2.4
LEAST_SCORE = 0.0


@dataclass(frozen=True)
class WallConfig:
    """Which other up directions are thought of, and what speaks against them. Angles in radians.

    Attributes:
        max_upward_rad: a camera whose up is not known looks at most this far above the horizon;
        max_roll_rad: ... and is rolled at most this far.
        hardly_upward_rad: a camera that is rolled by less than ``hardly_rolled_rad`` hardly ever looks further up than this.
        most_share: so little tells a floor only where the plane fills more of the image than this,
        near_m: ... and is nearer than this, or something stands on it,
        flat_rad: ... and is looked down on more steeply than this,
        flat_score: ... or the least sum is more than this.
        any_roll_rad, min_faces: there, ups of cameras rolled by up to this count, and fewer faces than this rule nothing out.
        fits_rad: a face within this of vertical or level fits an up direction.
        differs_rad: a face further than this from both speaks against it.
        prior_faces: so many faces of each kind are added to those in sight, so that few tell little.
        max_ratio: log-odds of the former over the latter count up to this.
        thing_m: least and largest height of a thing that stands; its footprint is at most as long as the latter.
        thing_slenderness: least height of it over the length of its footprint: no picture, no door.
        table_m: least and largest height of a table above the floor.
        vessels: what counts as open towards the plane.
        weights, bias, least_score: of ``EVIDENCE``, for the sum, and the least sum that makes a floor.
    """

    max_upward_rad: float = math.radians(80)
    max_roll_rad: float = math.radians(40)
    hardly_upward_rad: float = math.radians(45)
    hardly_rolled_rad: float = math.radians(12)
    most_share: float = 0.3
    near_m: float = 0.9
    flat_rad: float = math.radians(33)
    flat_score: float = -1.6
    any_roll_rad: float = math.radians(50)
    min_faces: int = 30
    fits_rad: float = math.radians(10)
    differs_rad: float = math.radians(17)
    prior_faces: float = 15.0
    max_ratio: float = 2.5
    thing_m: tuple[float, float] = (0.02, 0.25)
    thing_slenderness: float = 0.4
    table_m: tuple[float, float] = (0.62, 1.1)
    vessels: VesselConfig = field(default_factory=VesselConfig)
    weights: tuple[float, ...] = WEIGHTS
    bias: float = BIAS
    least_score: float = LEAST_SCORE


@dataclass(frozen=True)
class Facets:
    """Small pieces of smooth surface: points (N, 3), metres, unit normals (N, 3) towards the camera, float32.

    ``whole`` (H, W, 3) are all points of the grid, metres, NaN where there is none, with the deviation ``whole_std_m`` (H, W) of
    their depth; ``cloud`` (h, w, 3) and ``cloud_std_m`` (h, w) are every ``stride``-th row and column of those.
    """

    points: FloatMap
    normals: FloatMap
    depth_std_m: FloatMap
    normal_std_rad: FloatMap
    cloud: FloatMap
    cloud_std_m: FloatMap
    whole: FloatMap
    whole_std_m: FloatMap


def facets_of(xyz: FloatMap, usable: BoolArray, noise: DepthNoise, focal_px: float, radius: int = 3, stride: int = 2) -> Facets:
    """Facets of an organised cloud (H, W, 3) where a window of ``2 * radius + 1`` pixels shows one smooth surface.

    The inverse depth w of a plane n . p + d = 0 is linear in the ray r = (x / z, y / z, 1): w = -(n . r) / d. Its slope over
    the window, by least squares, and its value give n.
    """
    import cv2

    z = xyz[..., 2].copy()
    usable = usable & (z > 0.01)  # nearer than any camera sees, and its inverse has no limit
    z[~usable] = 1
    inverse = np.asarray(1 / z, dtype=np.float32)
    inverse[~usable] = 0
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    flat, count = np.ones_like(steps), float(len(steps)) ** 2
    spread = float(len(steps) * np.square(steps).sum())

    def sums(image: FloatMap, along_u: FloatMap, along_v: FloatMap) -> FloatMap:
        filtered = cv2.sepFilter2D(image, cv2.CV_32F, along_u, along_v, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(filtered[::stride, ::stride], dtype=np.float32)

    whole = sums(usable.astype(np.float32), flat, flat) > count - 0.5
    # About the window's middle, so that float32 carries the residual.
    mean = sums(inverse, flat, flat) / count
    slope_u, slope_v = sums(inverse, steps, flat) / spread, sums(inverse, flat, steps) / spread
    square = sums(np.square(inverse), flat, flat) / count - np.square(mean)
    residual = square - (np.square(slope_u) + np.square(slope_v)) * (spread / count)
    points = np.ascontiguousarray(xyz[::stride, ::stride])
    whole_std_m = np.asarray(noise.pixel_std_m(z), dtype=np.float32)
    std_m = whole_std_m[::stride, ::stride]
    smooth = np.flatnonzero(whole & (residual < np.square(1.5 * std_m / np.square(z[::stride, ::stride]))))
    kept = np.take(points.reshape(-1, 3), smooth, axis=0)
    # Component by component: rows of three are slow to work on.
    n_x, n_y = (slope.ravel()[smooth] * focal_px for slope in (slope_u, slope_v))
    n_z = mean.ravel()[smooth] - (n_x * kept[:, 0] + n_y * kept[:, 1]) / kept[:, 2]
    length = np.maximum(np.sqrt(n_x * n_x + n_y * n_y + n_z * n_z), np.float32(1e-9))
    normals = np.stack([n_x / -length, n_y / -length, n_z / -length], axis=1, dtype=np.float32)
    kept_std_m = std_m.ravel()[smooth]
    # The deviation of a slope, over the vector's length, is the angle by which noise tilts the normal.
    normal_std = kept_std_m * np.float32(focal_px / math.sqrt(spread)) / (length * np.square(kept[:, 2]))
    cloud = xyz.copy()
    cloud[~usable] = np.nan
    return Facets(kept, normals, kept_std_m, normal_std, cloud[::stride, ::stride], std_m, cloud, whole_std_m)


def may_be_wall(plane: Plane, share: float, facets: Facets, config: WallConfig, carries: Callable[[], bool]) -> tuple[float, str]:
    """How much speaks against a plane (normal towards the camera) being a wall, and why it may be one, "" when it is none.

    ``share`` is of the image's depth that lies on it; ``carries`` tells whether it shows the feet of anything, and is asked where
    little else tells. What speaks against it are natural log-odds, infinite where no camera sees the plane as a wall.
    """
    ups, table = evidence(plane, facets, config)
    if not len(ups):
        return math.inf, ""
    scores = table @ np.asarray(config.weights) + config.bias
    worst = int(np.argmin(scores))
    if scores[worst] >= config.least_score:
        return float(scores[worst]), ""
    # The walls of a room are bare and some way off; a table that things are looked for on is neither.
    flat = -plane.normal[2] < math.sin(config.flat_rad) and scores[worst] < config.flat_score
    seldom = share > config.most_share and not flat and _hardly_a_wall(plane, facets, config)
    if seldom and (plane.offset_m < config.near_m or table[worst, EVIDENCE.index("standing")] > 0 or carries()):
        return float(scores[worst]), ""
    up = ups[worst]
    pitch, roll = math.degrees(math.asin(float(np.clip(up[2], -1, 1)))), math.degrees(math.atan2(abs(up[0]), -up[1]))
    looks = f"looks {abs(pitch):.0f} deg {'up' if pitch >= 0 else 'down'}"
    return float(scores[worst]), (
        f"may be a wall of a camera that {looks} and is rolled {roll:.0f} deg, "
        "and too little in sight rules that out (tell which way is up: tf with gravity, or an IMU)"
    )


def _hardly_a_wall(plane: Plane, facets: Facets, config: WallConfig) -> bool:
    """Whether a camera that is hardly rolled sees a floor, or else one that looks up by about half a right angle or more.

    So few cameras do the latter that it is enough when the faces in sight rule out all other ups and lean to the
    floor, or tell nothing but that some would be seen from below. Here a wall can still pass for a floor.
    """
    if abs(plane.normal[0]) > math.tan(config.hardly_rolled_rad) * -plane.normal[1]:
        return False
    ups = _other_ups(plane, replace(config, max_roll_rad=config.any_roll_rad))
    normals = _clear_normals(plane, facets, _LAST_NORMAL_STD_RAD)
    pro, contra, fitting = _speaking(plane, normals, ups, config)
    left = pro < np.maximum(np.maximum(config.min_faces, 3 * contra), 0.02 * fitting)
    if not left.any():
        return True
    if (_middles(ups[left])[:, 2] <= math.sin(config.hardly_upward_rad)).any():
        return False
    if (pro >= np.maximum(config.min_faces, 0.3 * contra))[left].all():
        return True
    across = normals @ ups[left].T.astype(np.float32)
    from_below = int(np.count_nonzero(across < -math.cos(2 * config.fits_rad), axis=0).max())
    few = np.count_nonzero(left) < 0.5 * len(ups) and bool((contra[left] < config.min_faces).all())
    return bool(few and from_below >= config.min_faces)


def _middles(ups: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(G, 3) middle of each run of neighbours among ups (K, 3): within a face's tolerance they are one hypothesis."""
    starts = np.flatnonzero(np.einsum("ij,ij->i", ups, np.roll(ups, 1, axis=0)) < math.cos(1.5 * _STEP_RAD))
    if not len(starts):
        return ups
    runs = np.split(np.roll(ups, -starts[0], axis=0), starts[1:] - starts[0])
    means = np.stack([run.mean(axis=0) for run in runs])
    middles: npt.NDArray[np.float64] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return middles


def evidence(plane: Plane, facets: Facets, config: WallConfig) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Up directions (K, 3) for which a plane is a wall, and what speaks against each, (K, 6): the columns are ``EVIDENCE``.

    ``ratio``: log of the faces that fit a floor alone over those that fit the wall alone. ``faces``: log of one and a 30th of
    the former. ``vessel``: 1 where one opens. ``lower``: log of one and a fifth of the faces that lie as far below as a floor is
    below a table, at most 2; where a small thing stands, log of one and half of them, and half as much again: a cupboard has
    a wall as far behind its front, and no small things stand on it. ``standing``: how many small things rise, at most 3.
    ``upward``: sine of how far the camera looks up.
    """
    ups = _other_ups(plane, config)
    if not len(ups):
        return ups, np.zeros((0, len(EVIDENCE)))
    pro, contra, _ = _speaking(plane, _clear_normals(plane, facets, _MAX_NORMAL_STD_RAD), ups, config)
    # As many as there were in an image of the usual size.
    scale = _USUAL_PIXELS / facets.cloud_std_m.size
    of_floor, of_wall = scale * pro, scale * contra
    ratio = np.log((of_floor + config.prior_faces) / (of_wall + config.prior_faces))
    standing = min(things_standing(plane, facets, config), 3)
    below = scale * faces_below(plane, facets, config)
    lower = 1.5 * min(math.log1p(below / 2), 2.0) if standing else min(math.log1p(below / 5), 2.0)
    columns = (
        np.clip(ratio, -2.0, config.max_ratio),
        np.log1p(of_floor / 30),
        np.full(len(ups), has_vessel(plane, facets.whole, facets.whole_std_m, config.vessels)),
        np.full(len(ups), lower),
        np.full(len(ups), standing),
        ups[:, 2],
    )
    return ups, np.column_stack(columns).astype(np.float64)


def _clear_normals(plane: Plane, facets: Facets, max_std_rad: float) -> FloatMap:
    """(N, 3) normals of the faces that do not lie on a plane and whose own are known well enough."""
    off = np.abs(plane.height(facets.points)) > np.maximum(0.01, 5 * facets.depth_std_m)
    normals: FloatMap = facets.normals[off & (facets.normal_std_rad < max_std_rad)]
    return normals


def _speaking(
    plane: Plane, normals: FloatMap, ups: npt.NDArray[np.float64], config: WallConfig
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], int]:
    """How many faces (N, 3) fit a plane as a floor and not each of the ups (K, 3), (K,); how many fit those and not the floor,
    (K,); how many fit the floor.
    """
    fits, differs = _compare(normals @ plane.normal.astype(np.float32), config)
    fits_other, differs_other = _compare(normals @ ups.T.astype(np.float32), config)
    pro = np.count_nonzero(fits[:, None] & differs_other, axis=0)
    contra = np.count_nonzero(fits_other & differs[:, None], axis=0)
    return pro, contra, int(np.count_nonzero(fits))


def faces_below(plane: Plane, facets: Facets, config: WallConfig) -> int:
    """How many facets show a parallel level as far below the plane as a floor is below a table."""
    low, high = config.table_m
    below = -plane.height(facets.points)
    clear = facets.normal_std_rad < _MAX_NORMAL_STD_RAD
    level = clear & (facets.normals @ plane.normal > math.cos(config.fits_rad)) & (below > low) & (below < high)
    return int(np.count_nonzero(level))


def things_standing(plane: Plane, facets: Facets, config: WallConfig) -> int:
    """How many small things rise from the plane: the foot on it, the plane all around it, about as high as it is long."""
    import cv2

    height = plane.height(facets.cloud)
    limit = np.maximum(0.01, 4 * facets.cloud_std_m)
    with np.errstate(invalid="ignore"):
        above, on_plane = height > limit, np.abs(height) <= limit
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=4)
    (rows, columns), standing = above.shape, 0
    for index in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[index])
        if area < 12 or left < 2 or top < 2 or left + wide > columns - 2 or top + high > rows - 2:
            continue
        window = (slice(top - 2, top + high + 2), slice(left - 2, left + wide + 2))
        own = labels[window] == index
        heights = height[window][own]
        low, tall = np.quantile(heights, (0.02, 0.98))
        if not config.thing_m[0] <= tall <= config.thing_m[1] or low > limit[window][own].mean() + 0.01:
            continue
        rim = (cv2.dilate(own.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~own
        if np.count_nonzero(on_plane[window] & rim) < 0.6 * np.count_nonzero(rim):
            continue
        foot = np.ptp(facets.cloud[window][own] @ plane.basis().T, axis=0)
        if tall >= config.thing_slenderness * float(foot.max()) and foot.max() <= config.thing_m[1]:
            standing += 1
    return standing


def _other_ups(plane: Plane, config: WallConfig) -> npt.NDArray[np.float64]:
    """(K, 3) unit vectors in the plane that may be up of a camera."""
    angle = np.arange(0, 2 * math.pi, _STEP_RAD)
    around = np.column_stack([np.cos(angle), np.sin(angle)]) @ plane.basis()
    upward = around[:, 2] <= math.sin(config.max_upward_rad)
    rolled = np.abs(around[:, 0]) <= math.tan(config.max_roll_rad) * -around[:, 1]
    possible: npt.NDArray[np.float64] = around[upward & rolled & (around[:, 1] < 0)]
    return possible


def _compare(cosine: FloatMap, config: WallConfig) -> tuple[BoolArray, BoolArray]:
    """Which faces are vertical or level, by the cosine between their normals and up, and which are far from both."""
    size = np.abs(cosine)
    fits = (size < math.sin(config.fits_rad)) | (cosine > math.cos(config.fits_rad))
    differs = (size > math.sin(config.differs_rad)) & (size < math.cos(config.differs_rad))
    return fits, differs
