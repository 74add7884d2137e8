"""Whether a plane may as well be a wall, where nobody knows which way is up.

Geometry alone cannot tell a floor with a box on it from a wall with a cupboard on it, seen by a camera that looks up. What can
tell are the camera (few look far up or are rolled far) and the rest of the image:

- The faces of buildings, furniture and things that stand are vertical or level. So each up direction that a camera may have and
  that makes the plane a wall is tried on all other faces in sight. It is out when clearly more of them fit the plane as a floor
  than fit it as that wall.
- A camera seldom looks far up. There less will do where small things rise from the plane, as they seldom do from a wall, or
  where a level shows as far below as a floor is below a table, while no face speaks for a wall.
- A camera hardly ever looks up by half a right angle. There it is enough that the faces in sight leave no other up but one from
  which some of them would be seen from below. This is where a wall can still pass for a floor.
- One plane and nothing else tells nothing, and is refused unless the camera would have to look up all the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane
from ..scene.frame import BoolArray
from ..scene.noise import DepthNoise

FloatMap = npt.NDArray[np.float32]
# Between two up directions that are tried.
_STEP_RAD = math.radians(3)


@dataclass(frozen=True)
class WallConfig:
    """Which other up directions are thought of, and what rules them out. Angles in radians.

    Attributes:
        max_upward_rad: a camera whose up is not known looks at most this far above the horizon;
        hardly_upward_rad: ... hardly ever further than this,
        seldom_upward_rad: ... and seldom further than this.
        max_roll_rad: ... and is rolled at most this far.
        fits_rad: a face within this of vertical or level fits an up direction.
        differs_rad: a face further than this from both speaks against it.
        min_faces: fewer faces than this rule nothing out.
        ratio: faces that fit only the floor must be this many times those that fit only the wall;
        leaning_ratio: ... where a wall is unlikely for another reason.
        min_share: ... and this share of all faces that fit the floor: creases look like faces, too.
        thing_m: least and largest height of a thing that stands; its footprint is at most as long as the latter.
        thing_slenderness: least height of it over the length of its footprint: no picture, no door.
        table_m: least and largest height of a table above the floor.
    """

    max_upward_rad: float = math.radians(80)
    hardly_upward_rad: float = math.radians(42)
    seldom_upward_rad: float = math.radians(25)
    max_roll_rad: float = math.radians(50)
    fits_rad: float = math.radians(10)
    differs_rad: float = math.radians(17)
    min_faces: int = 30
    ratio: float = 3.0
    leaning_ratio: float = 0.3
    min_share: float = 0.02
    thing_m: tuple[float, float] = (0.02, 0.25)
    thing_slenderness: float = 0.4
    table_m: tuple[float, float] = (0.66, 0.82)


@dataclass(frozen=True)
class Facets:
    """Small pieces of smooth surface: points (N, 3), metres, unit normals (N, 3) towards the camera, float32.

    ``cloud`` (h, w, 3) are all points of the thinned grid, metres, NaN where there is none; ``cloud_std_m`` (h, w) of its depth.
    """

    points: FloatMap
    normals: FloatMap
    depth_std_m: FloatMap
    cloud: FloatMap
    cloud_std_m: FloatMap


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
    std_m = np.asarray(noise.pixel_std_m(z[::stride, ::stride]), dtype=np.float32)
    smooth = np.flatnonzero(whole & (residual < np.square(1.5 * std_m / np.square(z[::stride, ::stride]))))
    kept = np.take(points.reshape(-1, 3), smooth, axis=0)
    # Component by component: rows of three are slow to work on.
    n_x, n_y = (slope.ravel()[smooth] * focal_px for slope in (slope_u, slope_v))
    n_z = mean.ravel()[smooth] - (n_x * kept[:, 0] + n_y * kept[:, 1]) / kept[:, 2]
    length = np.maximum(np.sqrt(n_x * n_x + n_y * n_y + n_z * n_z), np.float32(1e-9))
    normals = np.stack([n_x / -length, n_y / -length, n_z / -length], axis=1, dtype=np.float32)
    cloud = points.copy()
    cloud[~usable[::stride, ::stride]] = np.nan
    return Facets(kept, normals, std_m.ravel()[smooth], cloud, std_m)


def may_be_wall(plane: Plane, facets: Facets, config: WallConfig) -> str:
    """Why a plane (normal towards the camera) may be a wall, or "" when it is not."""
    others = _other_ups(plane, config)
    off = np.abs(plane.height(facets.points)) > np.maximum(0.01, 5 * facets.depth_std_m)
    normals = facets.normals[off]
    fits, differs = _compare(normals @ plane.normal.astype(np.float32), config)
    across = normals @ others.T.astype(np.float32)
    fits_other, differs_other = _compare(across, config)
    speak_for = np.count_nonzero(fits[:, None] & differs_other, axis=0)
    speak_against = np.count_nonzero(fits_other & differs[:, None], axis=0)
    least = np.maximum(np.maximum(config.min_faces, config.ratio * speak_against), config.min_share * np.count_nonzero(fits))
    left = speak_for < least
    if not left.any():
        return ""
    ups = others[left]
    lowest = float(ups[:, 2].min())
    if lowest > math.sin(config.seldom_upward_rad):
        # Faces in sight leave few other ups, and none speaks for those.
        unopposed = len(ups) < 0.5 * len(others) and bool((speak_against[left] < config.min_faces).all())
        leaning = bool((speak_for >= np.maximum(config.min_faces, config.leaning_ratio * speak_against))[left].all())
        if unopposed and floor_below(plane, facets, config):
            return ""
        if leaning and things_stand(plane, facets, config):
            return ""
        from_below = int(np.count_nonzero(across[:, left] < -math.cos(2 * config.fits_rad), axis=0).max())
        hardly = bool((_middles(ups)[:, 2] > math.sin(config.hardly_upward_rad)).all())
        if hardly and (leaning or (unopposed and from_below >= config.min_faces)):
            return ""
    up = ups[np.argmax(-ups[:, 1])]
    pitch, roll = math.degrees(math.asin(float(np.clip(up[2], -1, 1)))), math.degrees(math.atan2(abs(up[0]), -up[1]))
    looks = f"looks {abs(pitch):.0f} deg {'up' if pitch >= 0 else 'down'}"
    return (
        f"may be a wall of a camera that {looks} and is rolled {roll:.0f} deg, "
        "and nothing in sight rules that out (tell which way is up: tf with gravity, or an IMU)"
    )


def floor_below(plane: Plane, facets: Facets, config: WallConfig) -> bool:
    """Whether the image shows a parallel level as far below the plane as a floor is below a table."""
    low, high = config.table_m
    below = -plane.height(facets.points)
    level = (facets.normals @ plane.normal > math.cos(config.fits_rad)) & (below > low) & (below < high)
    return bool(np.count_nonzero(level) > max(config.min_faces, config.min_share * len(level)))


def things_stand(plane: Plane, facets: Facets, config: WallConfig) -> bool:
    """Whether a small thing rises from the plane: its foot on it, the plane all around it, about as high as it is long."""
    import cv2

    height = plane.height(facets.cloud)
    limit = np.maximum(0.01, 4 * facets.cloud_std_m)
    with np.errstate(invalid="ignore"):
        above, on_plane = height > limit, np.abs(height) <= limit
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=4)
    rows, columns = above.shape
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
            return True
    return False


def _middles(ups: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(G, 3) middle of each run of neighbours among ups (K, 3): within a face's tolerance they are one hypothesis."""
    starts = np.flatnonzero(np.einsum("ij,ij->i", ups, np.roll(ups, 1, axis=0)) < math.cos(1.5 * _STEP_RAD))
    if not len(starts):
        return ups
    runs = np.split(np.roll(ups, -starts[0], axis=0), starts[1:] - starts[0])
    means = np.stack([run.mean(axis=0) for run in runs])
    middles: npt.NDArray[np.float64] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return middles


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
