"""Planes: a robust fit that knows how noisy its points are, and says how well it knows the plane's tilt.

Own RANSAC rather than Open3D's: it takes a tolerance per point (depth noise grows with z^2, so one tolerance is either
too tight far away or too loose near by), hypotheses drawn from neighbourhoods and bounded by a direction, and the same
seed gives the same bytes on any number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .rigid import FloatArray, RigidTransform, cross

BoolArray = npt.NDArray[np.bool_]
# So many planes times points are judged at a time, and at most so many points.
_PIECE, _PIECE_POINTS = 60_000, 512


@dataclass(frozen=True)
class Plane:
    """The points p with ``normal`` . p + ``offset_m`` = 0.

    Attributes:
        normal: (3,) unit vector, towards the side that is up (or towards the camera).
        offset_m: distance of the origin from the plane, positive when the origin lies on the normal's side.
        tilt_std_rad: one standard deviation of the normal's direction, in its worst direction; NaN when unknown.
    """

    normal: FloatArray
    offset_m: float
    tilt_std_rad: float = math.nan

    @property
    def coefficients(self) -> FloatArray:
        """(4,) (nx, ny, nz, d)."""
        return np.append(self.normal, self.offset_m)

    def height(self, points: npt.ArrayLike) -> FloatArray:
        """Signed distance (...,) of points (..., 3), metres, positive on the normal's side."""
        heights: FloatArray = np.asarray(points, dtype=np.float64) @ self.normal + self.offset_m
        return heights

    def moved(self, pose: RigidTransform) -> Plane:
        """The plane in another frame, to which ``pose`` takes points of this one."""
        normal = pose.rotation @ self.normal
        return Plane(normal, self.offset_m - float(normal @ pose.translation), self.tilt_std_rad)

    def basis(self) -> FloatArray:
        """(2, 3) two unit vectors in the plane; the first is the x axis projected on it (y when x is the normal)."""
        seed = np.eye(3)[0 if abs(self.normal[0]) < 0.9 else 1]
        first = seed - (seed @ self.normal) * self.normal
        first /= np.linalg.norm(first)
        return np.stack([first, cross(self.normal, first)])

    def angle_to(self, direction: npt.ArrayLike) -> float:
        """Angle between the normal and a unit vector (3,), radians."""
        return float(np.arccos(np.clip(self.normal @ np.asarray(direction, dtype=np.float64), -1.0, 1.0)))


def fit_plane(points: npt.ArrayLike, std_m: npt.ArrayLike, towards: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Plane | None:
    """Weighted least squares.

    Args:
        points: (N, 3) metres.
        std_m: (N,) or scalar standard deviation of each point along the normal.
        towards: (3,) a point on the side that shall be up; the camera by default.

    Returns:
        The plane, or None for fewer than 3 points or points on a line.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    weights = np.broadcast_to(1.0 / np.square(np.maximum(np.asarray(std_m, dtype=np.float64), 1e-6)), (len(p),))
    if len(p) < 3:
        return None
    total = float(weights.sum())
    mean = weights @ p / total
    centred = p - mean
    scatter = (centred * weights[:, None]).T @ centred / total
    values, vectors = np.linalg.eigh(scatter)
    if values[1] < 1e-9:
        return None
    normal = vectors[:, 0]
    if normal @ (np.asarray(towards, dtype=np.float64) - mean) < 0:
        normal = -normal
    # A residual larger than the stated noise (a warped sensor, a bent table) makes the tilt less certain, too.
    variance = max(float(values[0]), 1.0 / (total / len(p)))
    tilt = math.sqrt(variance / (len(p) * float(values[1])))
    return Plane(normal, float(-normal @ mean), tilt)


def local_triples(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Triples of neighbouring points of an organised cloud: a small table needs hypotheses from within itself.

    Args:
        rows, columns: (N,) grid position of each point, in the cloud's order (row by row).
        count: how many triples.

    Returns:
        (count, 3) indices into the points; the window of each triple is between 1/16 and 1/2 of the grid's size.
    """
    generator = np.random.default_rng(seed)
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    lookup = np.full((height, width), -1, dtype=np.intp)
    lookup[rows, columns] = np.arange(len(rows))
    first = generator.integers(0, len(rows), count)
    window = np.exp(generator.uniform(math.log(1 / 16), math.log(1 / 2), count)) * max(height, width)
    others = []
    for _ in range(2):
        shift = generator.uniform(-1, 1, (2, count)) * window
        r = np.clip(rows[first] + np.rint(shift[0]).astype(np.intp), 0, height - 1)
        c = np.clip(columns[first] + np.rint(shift[1]).astype(np.intp), 0, width - 1)
        found = lookup[r, c]
        others.append(np.where(found < 0, generator.integers(0, len(rows), count), found))
    return np.stack([first, *others], axis=1)


def hypotheses(points: FloatArray, triples: npt.NDArray[np.intp]) -> FloatArray:
    """Planes (K, 4) through triples (K, 3) of points (N, 3), normals towards the origin. Degenerate ones go."""
    a, b, c = (points[triples[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    good = length > 1e-6
    normals = normals[good] / length[good, None]
    offsets = -np.einsum("ij,ij->i", normals, a[good])
    sign = np.where(offsets < 0, -1.0, 1.0)
    return np.column_stack([normals * sign[:, None], offsets * sign])


def _scores(planes: npt.NDArray[np.float32], homogeneous: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """How many of points (N, 4), over their tolerance, are within it of planes (K, 4), each.

    Piece by piece: what a piece needs stays in the processor's cache, and is too little for BLAS to wake other threads for.
    """
    import cv2

    score = np.zeros(len(planes), dtype=np.int32)
    step = max(1, min(_PIECE_POINTS, _PIECE // len(planes)))
    for start in range(0, len(homogeneous), step):
        distance = planes @ homogeneous[start : start + step].T
        inside = np.abs(distance, out=distance) < 1
        score += cv2.reduce(inside.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    return score


def ransac_plane(
    points: npt.ArrayLike,
    tolerance_m: npt.ArrayLike,
    *,
    triples: npt.NDArray[np.intp] | None = None,
    direction: npt.ArrayLike | None = None,
    max_angle_rad: float = math.pi,
    level_through: npt.NDArray[np.intp] | None = None,
    iterations: int = 300,
    seed: int = 0,
) -> tuple[Plane, BoolArray] | None:
    """The plane with most points within their tolerance, refined by least squares on them.

    Args:
        points: (N, 3) metres, all finite.
        tolerance_m: (N,) or scalar: how far from the plane a point of it may be (about 3 standard deviations).
        triples: (K, 3) indices to draw hypotheses from; random ones by default.
        direction: (3,) unit vector; only normals within ``max_angle_rad`` of it (either sign) are considered.
        level_through: (L,) indices of points; the planes through them with exactly that direction are considered, too. A surface
            that is seen along itself has no three points whose noise would not tilt it.

    Returns:
        The plane with its normal towards the origin, and its inliers (N,); None when no hypothesis is left.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    if len(p) < 3:
        return None
    tolerance = np.broadcast_to(np.asarray(tolerance_m, dtype=np.float64), (len(p),))
    if triples is None:
        triples = np.random.default_rng(seed).integers(0, len(p), (iterations, 3))
    planes = hypotheses(p, triples)
    if direction is not None:
        up = np.asarray(direction, dtype=np.float64)
        planes = planes[np.abs(planes[:, :3] @ up) >= math.cos(max_angle_rad)]
        if level_through is not None:
            offsets = -p[level_through] @ up
            sign = np.where(offsets < 0, -1.0, 1.0)
            planes = np.vstack([planes, np.column_stack([sign[:, None] * up, sign * offsets])])
    if not len(planes):
        return None
    homogeneous = np.column_stack([p, np.ones(len(p))]) / tolerance[:, None]
    best = planes[int(np.argmax(_scores(planes.astype(np.float32), homogeneous.astype(np.float32))))]
    plane, inliers = Plane(best[:3], float(best[3])), np.abs(p @ best[:3] + best[3]) < tolerance
    for _ in range(3):
        refined = fit_plane(p[inliers], tolerance[inliers] / 3)
        if refined is None:
            break
        plane, inliers = refined, np.abs(refined.height(p)) < tolerance
    return plane, inliers
