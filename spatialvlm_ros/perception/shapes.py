"""Shape words from the visible points of a thing: how well a box, an upright cylinder or a sphere explains them.

Each model is fitted to what is seen and they are judged beside each other by their residuals, so that a thing that is
half hidden, or noisy, still answers to the shape that explains its visible half best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .grid import FloatMap, quantiles

SHAPES = ("block", "can", "ball", "plate", "cup", "bowl")
# A thing whose lowest visible point is below this stands on the table: its foot is too low to be told from it.
STANDING_M = 0.025
# Seen at less than this from the side, a lid is too thin a strip of the image to miss it.
_LID_ELEVATION_RAD = math.radians(18)
# Yaws at which a box is tried: along (A, 2), then across (A, 2).
_YAWS = np.arange(0, 90, 5) * (math.pi / 180)
_DIRECTIONS = np.concatenate(
    [np.column_stack([np.cos(_YAWS), np.sin(_YAWS)]), np.column_stack([-np.sin(_YAWS), np.cos(_YAWS)])]
).astype(np.float32)
# Boxes are judged by every n-th point: there are many of them.
_BOX_STEP = 3
# A face that is seen holds many points on both sides of it, an edge that is only reached few: shares of the points beyond a face.
_FACE_SHARES = (0.02, 0.06, 0.12)


@dataclass(frozen=True)
class ShapeMeasure:
    """Metres; residuals are mean distances of the visible points from the best box, upright cylinder, sphere.

    Attributes:
        roundness: of the footprint: 1 a disc, 0 a rectangle or something long.
        hollow: in [0, 1], whether the top is open; 0 when seen too flat to tell.
        sphere_diameter_m: of the best sphere.
    """

    height_m: float
    base_m: float
    length_m: float
    width_m: float
    roundness: float
    hollow: float
    box_m: float
    cylinder_m: float
    sphere_m: float
    sphere_diameter_m: float


def measure_shape(points: FloatMap, axes: FloatArray, height_m: float) -> ShapeMeasure | None:
    """The measures of points (3, N), metres; None for fewer than 20.

    Args:
        axes: (3, 3) rows: two unit vectors in the plane that the thing stands on, and the plane's normal.
        height_m: of the origin, which is the camera, above that plane.
    """
    import cv2

    if points.shape[1] < 20:
        return None
    upright = axes @ points.astype(np.float64)
    upright[2] += height_m
    flat, height = upright[:2], upright[2]
    low, high = quantiles(height, (0.01, 0.98)).tolist()
    # The highest points are the noisiest ones: the middle of the uppermost 6 mm is where a lid is.
    top = float(quantiles(height[height >= high - 0.006], (0.5,))[0])
    base = 0.0 if low < STANDING_M else low
    # Without the outermost points along each axis: flying pixels stretch any box.
    first, last = quantiles(flat, (0.007, 0.993))
    core = ((flat >= first[:, None]) & (flat <= last[:, None])).all(axis=0)
    hull = cv2.convexHull(_pairs(flat[:, core]))
    middle, (a, b), _ = cv2.minAreaRect(hull)
    fill = float(cv2.contourArea(hull)) / max(a * b, 1e-9)
    # A disc fills pi / 4 of its square, a rectangle all of its own but for noise at its corners.
    slender = min(a, b) / max(a, b, 1e-9)
    roundness = _ramp(fill, 0.95, 0.82) * _ramp(slender, 0.5, 0.8)
    sphere, diameter = _sphere(upright)
    above = np.abs(height - top)
    # The camera's elevation above the thing decides whether a lid could be seen at all.
    elevation = math.atan2(height_m - top, math.hypot(*middle))
    hollow = _hollow(flat, top - height, top - base) if elevation > _LID_ELEVATION_RAD else 0.0
    return ShapeMeasure(
        height_m=top - base,
        base_m=base,
        length_m=max(a, b),
        width_m=min(a, b),
        roundness=roundness,
        hollow=hollow,
        box_m=_box_residual(flat[:, ::_BOX_STEP], above[::_BOX_STEP]),
        cylinder_m=_cylinder_residual(flat, height < top - 0.012, above),
        sphere_m=sphere,
        sphere_diameter_m=diameter,
    )


def _pairs(flat: FloatArray) -> FloatMap:
    """Points (2, N) as OpenCV takes them: (N, 2) float32."""
    return np.ascontiguousarray(flat.T, dtype=np.float32)


def _ramp(value: float, none: float, full: float) -> float:
    """0 at ``none`` and beyond it, 1 at ``full`` and beyond it, linear between the two."""
    return min(max((value - none) / (full - none), 0.0), 1.0)


def _mean(residual: FloatArray) -> float:
    """Mean of all but the worst tenth: rims of depth images are ragged."""
    keep = max(1, int(0.9 * len(residual)))
    return float(np.partition(residual, keep - 1)[:keep].mean())


def _hollow(flat: FloatArray, drop: FloatArray, height_m: float) -> float:
    """How much a thing lacks a lid: 0 with one, 1 for an open cup seen from above.

    Args:
        flat: (2, N) points in the plane, about the point below the camera.
        drop: (N,) how far each point lies below the top, metres.
    """
    import cv2

    high = drop < max(0.012, 0.15 * height_m)
    if np.count_nonzero(high) < 8:
        return 0.0
    # The rim alone has no handle. A rim that is not round is not seen whole: the lid may be hidden by something.
    middle, (a, b), degrees = cv2.minAreaRect(_pairs(flat[:, high]))
    if min(a, b) < 0.6 * max(a, b):
        return 0.0
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = flat[0] - middle[0], flat[1] - middle[1]
    # The inner half of the rim's rectangle along either axis.
    inside = (np.abs(c * x + s * y) < max(a, 1e-3) / 4) & (np.abs(c * y - s * x) < max(b, 1e-3) / 4)
    lid = int(np.count_nonzero(high & inside)) / max(float(np.count_nonzero(inside)), 0.02 * len(drop))
    return _ramp(lid, 0.55, 0.25)


def _box_residual(flat: FloatArray, from_top: FloatArray) -> float:
    """The best of upright boxes at every 5 degrees of yaw, of points (2, N) and their distances (N,) from the top."""
    count = len(from_top)
    # (2, A, N): along and across for each yaw.
    local = (_DIRECTIONS @ flat.astype(np.float32)).reshape(2, -1, count)
    ordered = np.sort(local, axis=-1)
    at = np.array([int(share * (count - 1)) for share in _FACE_SHARES])
    low, high = (ordered[..., index].transpose(2, 0, 1)[..., None] for index in (at, count - 1 - at))
    # (S, A, N): distance to the nearest side of the box.
    gap = np.abs(np.abs(local - (low + high) / 2) - (high - low) / 2)
    nearest = np.minimum(np.minimum(gap[:, 0], gap[:, 1]), from_top.astype(np.float32))
    keep = max(1, int(0.9 * count))
    return float(np.sort(nearest, axis=-1)[..., :keep].mean(axis=-1).min())


def _cylinder_residual(flat: FloatArray, side: npt.NDArray[np.bool_], from_top: FloatArray) -> float:
    """The better one of two circles: that of the side points, and that around all points, of points (2, N)."""
    import cv2

    local = flat - flat.mean(axis=1, keepdims=True)
    (x, y), radius = cv2.minEnclosingCircle(cv2.convexHull(_pairs(local)))
    circles = [(np.array([x, y]), float(radius))]
    if np.count_nonzero(side) >= 10:
        circles.append(_round_fit(local[:, side]))
    residuals = [
        _mean(np.minimum(np.abs(np.hypot(local[0] - x, local[1] - y) - r), from_top)) for (x, y), r in circles if r < 0.25
    ]
    return min(residuals, default=math.inf)


def _round_fit(local: FloatArray) -> tuple[FloatArray, float]:
    """Centre and radius of the circle or sphere of points (D, N) about their middle, by least squares (Kasa)."""
    import cv2

    dimensions, count = local.shape
    squares = np.square(local).sum(axis=0)
    # Normal equations of |p|^2 = 2 p . centre + c.
    normal = np.empty((dimensions + 1, dimensions + 1))
    normal[:-1, :-1] = 4 * (local @ local.T)
    normal[-1, :-1] = normal[:-1, -1] = 2 * local.sum(axis=1)
    normal[-1, -1] = count
    # Points on a plane leave the centre open: a trace of regularisation takes the nearest one.
    normal.ravel()[: -1 : dimensions + 2] += 1e-12 * count
    _, solution = cv2.solve(normal, np.append(2 * (local @ squares), squares.sum())[:, None], flags=cv2.DECOMP_LU)
    centre = np.asarray(solution[:-1, 0], dtype=np.float64)
    return centre, math.sqrt(max(float(solution[-1, 0] + centre @ centre), 0.0))


def _sphere(points: FloatArray) -> tuple[float, float]:
    """Residual of the best sphere through points (3, N), and its diameter."""
    local = points - points.mean(axis=1, keepdims=True)
    centre, radius = _round_fit(local)
    distance = np.sqrt(np.square(local - centre[:, None]).sum(axis=0))
    return _mean(np.abs(distance - radius)), 2 * radius


def shape_scores(s: ShapeMeasure) -> dict[str, float]:
    """Score in [0, 1] for each of ``SHAPES``."""
    across = math.sqrt(max(s.length_m * s.width_m, 1e-8))
    tall = s.height_m / max(across, 1e-3)
    # 0.4 mm and 0.6 % of the size: that much less residual makes one model e times as likely as another.
    scale = 0.0004 + 0.006 * across
    # A ball is as high as it is wide, whatever its residual says.
    ball_size = math.exp(-(((s.sphere_diameter_m / max(s.height_m, 1e-3) - 1) / 0.35) ** 2))
    likelihood = np.exp(-np.array([s.box_m, s.cylinder_m, s.sphere_m]) / scale)
    likelihood *= [1.0 - 0.6 * s.roundness, 0.4 + 0.6 * s.roundness, ball_size if s.length_m < 2 * s.height_m else 0.0]
    box, cylinder, ball = (likelihood / max(likelihood.sum(), 1e-12)).tolist()
    flat = _ramp(tall, 0.40, 0.24) * _ramp(s.height_m, 0.06, 0.04)
    # Two faces of a block that carries another one show no lid either, but are no round thing seen whole.
    slender = s.width_m / max(s.length_m, 1e-3)
    hollow = s.hollow * (1 - flat) * _ramp(slender, 0.56, 0.64)
    stocky = _ramp(tall, 0.65, 0.85)
    solid = 1 - hollow
    return {
        "block": solid * box * (1 - flat * s.roundness),
        "can": solid * cylinder * (1 - flat),
        "ball": solid * ball * (1 - flat),
        "plate": flat * (0.4 + 0.6 * s.roundness),
        "cup": hollow * stocky,
        "bowl": hollow * (1 - stocky),
    }
