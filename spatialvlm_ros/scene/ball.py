"""Whether the visible points of a thing lie on a ball, and on which one.

A ball shows less than half of itself, and noise that neighbouring pixels share tells its size badly. What it lies on tells the
rest: a ball that may as well lie on the table does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..geometry.rigid import FloatArray, norm, norms
from ..geometry.sphere import fit_resting_sphere, fit_sphere
from .noise import DepthNoise
from .region_points import PointArray

# How much worse a ball on the table may fit the points than one anywhere, in standard deviations of one pixel's depth.
_RESTS_STDS = 0.4
# How far points lie off the sphere of a ball, as a share of its radius; and what shared noise adds, as a share of its deviation.
_OFF_SHARE, _BLUR = 0.08, 0.6
# One standard deviation of the far side of a ball that lies on the table, and of one anywhere, in those of shared noise.
_FAR_RESTING, _FAR_FREE = 0.5, 2.5
# Points that tell where a ball lies: more take longer and tell no more.
_SOME_POINTS = 500
# A ball shows at least so much in its shortest direction, as a share of its longest.
_LEAST_SHARE = 0.4


class Ball(NamedTuple):
    """A ball: centre (3,) and radius, metres, and one standard deviation of where its side that nobody sees ends."""

    centre: FloatArray
    radius_m: float
    far_std_m: float


def find_ball(
    points: PointArray, visible_extents: FloatArray, up: FloatArray | None, plane: FloatArray | None, noise: DepthNoise
) -> Ball | None:
    """The ball that points (N, 3) lie on, or None. One that may as well lie on the plane does."""
    edges = visible_extents.tolist()
    if min(edges) < _LEAST_SHARE * max(edges):
        return None
    some = points[:: max(1, len(points) // _SOME_POINTS)]
    free = fit_sphere(some)
    pixel_std_m = float(noise.pixel_std_m(points[:, 2].mean()))
    shared_m = noise.shared * pixel_std_m
    is_free = free is not None and _is_ball(free, points, visible_extents, up, shared_m)
    resting = None if plane is None else fit_resting_sphere(some, plane)
    if resting is not None and plane is not None:
        # Below the table there is nothing: a ball lies on it that would reach there.
        sunk = free is not None and float(plane[:3] @ free[0]) + float(plane[3]) < free[1]
        as_near = free is None or resting[2] ** 2 < free[2] ** 2 + (_RESTS_STDS * pixel_std_m) ** 2
        is_resting = (sunk or as_near) and _is_ball(resting, points, visible_extents, up, shared_m)
        if is_resting or (sunk and is_free and _is_as_wide(resting, visible_extents)):
            return Ball(*resting[:2], _FAR_RESTING * shared_m)
    return Ball(*free[:2], _FAR_FREE * shared_m) if free is not None and is_free else None


def _is_as_wide(fit: tuple[FloatArray, float, float], visible_extents: FloatArray) -> bool:
    """Whether a sphere is about as wide as what shows of a thing: of its three edges the one between the others."""
    return bool(0.85 < 2 * fit[1] / sorted(visible_extents.tolist())[1] < 1.5)


def _is_ball(
    fit: tuple[FloatArray, float, float],
    points: PointArray,
    visible_extents: FloatArray,
    up: FloatArray | None,
    shared_m: float,
) -> bool:
    """Whether a sphere that was fitted to points (N, 3) is what they lie on.

    A block's points stay 12 % of the radius off the best sphere, a can's 14 %, a ball's below 6 % at a metre. A flat plate fits a
    larger sphere well, but a ball shows at least half as much in its shortest direction as in its longest. A bowl lies on a
    sphere, too, but neither with the point that is nearest to the camera nor with the highest one.

    Args:
        shared_m: standard deviation of what neighbouring pixels share of their noise: it lifts points off the best sphere.
    """
    centre, radius, rms = fit
    if rms > math.hypot(_OFF_SHARE * radius, _BLUR * shared_m) or not _is_as_wide(fit, visible_extents):
        return False
    poles = [-centre / norm(centre), *([] if up is None else [up])]
    return all(float(norms(points - (centre + radius * pole)).min()) <= 0.4 * radius for pole in poles)
