"""Shape words from the visible points of a thing: how well a box, an upright cylinder or a sphere explains them.

Each model is fitted to what is seen and they are judged beside each other by their residuals, so that a thing that is
half hidden, or noisy, still answers to the shape that explains its visible half best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray

SHAPES = ("block", "can", "ball", "plate", "cup", "bowl")
# A thing whose lowest visible point is below this stands on the table: its foot is too low to be told from it.
STANDING_M = 0.025
# Seen at less than this from the side, a lid is too thin a strip of the image to miss it.
_LID_ELEVATION_RAD = math.radians(18)


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


def measure_shape(points: npt.NDArray[np.float32], plane: Plane) -> ShapeMeasure | None:
    """Of points (N, 3) in the plane's frame; None for fewer than 20."""
    import cv2

    if len(points) < 20:
        return None
    p = points.astype(np.float64)
    height, flat = plane.height(p), p @ plane.basis().T
    low, high = (float(x) for x in np.percentile(height, [1, 98]))
    # The highest points are the noisiest ones: the middle of the uppermost 6 mm is where a lid is.
    top = float(np.median(height[height >= high - 0.006]))
    base = 0.0 if low < STANDING_M else low
    # Without the outermost points along each axis: flying pixels stretch any box.
    inner = np.percentile(flat, [0.7, 99.3], axis=0)
    core = flat[np.all((flat >= inner[0]) & (flat <= inner[1]), axis=1)].astype(np.float32)
    middle, (a, b), _ = cv2.minAreaRect(core)
    fill = float(cv2.contourArea(cv2.convexHull(core))) / max(a * b, 1e-9)
    # A disc fills pi / 4 of its square, a rectangle all of its own but for noise at its corners.
    slender = min(a, b) / max(a, b, 1e-9)
    roundness = float(np.clip((0.95 - fill) / (0.95 - 0.82), 0, 1) * np.clip((slender - 0.5) / 0.3, 0, 1))
    sphere, diameter = _sphere(np.column_stack([flat, height]))
    above = np.abs(height - top)
    # The origin is the camera: its elevation above the thing decides whether a lid could be seen at all.
    elevation = math.atan2(plane.offset_m - top, float(np.linalg.norm(middle)))
    hollow = _hollow(flat, top - height, top - base) if elevation > _LID_ELEVATION_RAD else 0.0
    return ShapeMeasure(
        height_m=top - base,
        base_m=base,
        length_m=max(a, b),
        width_m=min(a, b),
        roundness=roundness,
        hollow=hollow,
        box_m=_box_residual(flat[::3], above[::3]),
        cylinder_m=_cylinder_residual(flat, height < top - 0.012, above),
        sphere_m=sphere,
        sphere_diameter_m=diameter,
    )


def _mean(residual: FloatArray) -> float:
    """Mean of all but the worst tenth: rims of depth images are ragged."""
    keep = max(1, int(0.9 * len(residual)))
    return float(np.partition(residual, keep - 1)[:keep].mean())


def _hollow(flat: FloatArray, drop: FloatArray, height_m: float) -> float:
    """How much a thing lacks a lid: 0 with one, 1 for an open cup seen from above.

    Args:
        flat: (N, 2) points in the plane, about the point below the camera.
        drop: (N,) how far each point lies below the top, metres.
    """
    import cv2

    high = drop < max(0.012, 0.15 * height_m)
    rim = flat[high]
    if len(rim) < 8:
        return 0.0
    # The rim alone has no handle. A rim that is not round is not seen whole: the lid may be hidden by something.
    middle, (a, b), degrees = cv2.minAreaRect(rim.astype(np.float32))
    if min(a, b) < 0.6 * max(a, b):
        return 0.0
    angle = math.radians(degrees)
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    local = np.abs((flat - middle) @ axes.T / (max(a, 1e-3) / 2, max(b, 1e-3) / 2))
    inside = local.max(axis=1) < 0.5
    lid = int(np.count_nonzero(high & inside)) / max(float(np.count_nonzero(inside)), 0.02 * len(drop))
    return float(np.clip((0.55 - lid) / 0.3, 0, 1))


def _box_residual(flat: FloatArray, from_top: FloatArray) -> float:
    """The best of upright boxes at every 5 degrees of yaw, of points (N, 2) and their distances (N,) from the top."""
    angles = np.arange(0, 90, 5) * (math.pi / 180)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    # (A, 2, N): along and across for each angle.
    local = np.stack([flat @ directions, flat @ np.stack([-directions[1], directions[0]])]).transpose(2, 0, 1)
    ordered = np.sort(local, axis=2)
    best = math.inf
    # A face that is seen holds many points on both sides of it, an edge that is only reached few.
    for share in (0.02, 0.06, 0.12):
        index = int(share * (flat.shape[0] - 1))
        low, high = ordered[:, :, index, None], ordered[:, :, -1 - index, None]
        gap = np.minimum(np.abs(local - low), np.abs(local - high)).min(axis=1)
        residual = np.sort(np.minimum(gap, from_top), axis=1)[:, : max(1, int(0.9 * flat.shape[0]))].mean(axis=1)
        best = min(best, float(residual.min()))
    return best


def _cylinder_residual(flat: FloatArray, side: npt.NDArray[np.bool_], from_top: FloatArray) -> float:
    """The better one of two circles: that of the side points, and that around all points."""
    import cv2

    centre = flat.mean(axis=0)
    local = flat - centre
    (x, y), radius = cv2.minEnclosingCircle(local.astype(np.float32))
    circles = [(np.array([x, y]), float(radius))]
    if side.sum() >= 10:
        circles.append(_circle(local[side]))
    residuals = [_mean(np.minimum(np.abs(np.linalg.norm(local - c, axis=1) - r), from_top)) for c, r in circles if r < 0.25]
    return min(residuals, default=math.inf)


def _circle(local: FloatArray) -> tuple[FloatArray, float]:
    """Centre and radius by least squares (Kasa)."""
    terms = np.column_stack([2 * local, np.ones(len(local))])
    solution, *_ = np.linalg.lstsq(terms, (local**2).sum(axis=1), rcond=None)
    centre: FloatArray = solution[:2]
    return centre, math.sqrt(max(float(solution[2] + centre @ centre), 0.0))


def _sphere(points: FloatArray) -> tuple[float, float]:
    """Residual of the best sphere through points (N, 3), and its diameter."""
    local = points - points.mean(axis=0)
    terms = np.column_stack([2 * local, np.ones(len(local))])
    solution, *_ = np.linalg.lstsq(terms, (local**2).sum(axis=1), rcond=None)
    radius = math.sqrt(max(float(solution[3] + solution[:3] @ solution[:3]), 0.0))
    return _mean(np.abs(np.linalg.norm(local - solution[:3], axis=1) - radius)), 2 * radius


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
    flat = float(np.clip((0.40 - tall) / 0.16, 0, 1) * np.clip((0.06 - s.height_m) / 0.02, 0, 1))
    # Two faces of a block that carries another one show no lid either, but are no round thing seen whole.
    slender = s.width_m / max(s.length_m, 1e-3)
    hollow = s.hollow * (1 - flat) * float(np.clip((slender - 0.56) / 0.08, 0, 1))
    stocky = float(np.clip((tall - 0.65) / 0.2, 0, 1))
    solid = 1 - hollow
    return {
        "block": solid * box * (1 - flat * s.roundness),
        "can": solid * cylinder * (1 - flat),
        "ball": solid * ball * (1 - flat),
        "plate": flat * (0.4 + 0.6 * s.roundness),
        "cup": hollow * stocky,
        "bowl": hollow * (1 - stocky),
    }
