"""Whether the visible points of a thing lie on a ball, and on which one.

A ball shows less than half of itself, and noise that neighbouring pixels share tells its size badly. What it lies on tells the
rest: a ball that may as well lie on the table does.
"""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import FloatArray
from ..geometry.sphere import fit_resting_sphere, fit_sphere
from .noise import DepthNoise
from .region_points import PointArray

# How much worse a ball on the table may fit the points than one anywhere, in standard deviations of one pixel's depth.
_RESTS_STDS = 0.4
# Points that tell where a ball lies: more take longer and tell no more.
_SOME_POINTS = 500
# A ball shows at least so much in its shortest direction, as a share of its longest.
_LEAST_SHARE = 0.4


def find_ball(
    points: PointArray, visible_extents: FloatArray, up: FloatArray | None, plane: FloatArray | None, noise: DepthNoise
) -> tuple[FloatArray, float] | None:
    """Centre (3,) and radius of a ball, or None when the points lie on none. One that may as well lie on the plane does."""
    if float(visible_extents.min()) < _LEAST_SHARE * float(visible_extents.max()):
        return None
    some = points[:: max(1, len(points) // _SOME_POINTS)]
    free = fit_sphere(some)
    resting = None if plane is None else fit_resting_sphere(some, plane)
    if resting is not None and _is_ball(resting, points, visible_extents, up):
        if free is None or resting[2] ** 2 < free[2] ** 2 + (_RESTS_STDS * float(noise.pixel_std_m(points[:, 2].mean()))) ** 2:
            return resting[:2]
        # Below the table there is nothing.
        if plane is not None and float(plane[:3] @ free[0]) + float(plane[3]) < free[1]:
            return resting[:2]
    return free[:2] if free is not None and _is_ball(free, points, visible_extents, up) else None


def _is_ball(
    fit: tuple[FloatArray, float, float], points: PointArray, visible_extents: FloatArray, up: FloatArray | None
) -> bool:
    """Whether a sphere that was fitted to points (N, 3) is what they lie on.

    A block's points stay 12 % of the radius off the best sphere, a can's 14 %, a ball's below 6 % at a metre. A flat plate fits a
    larger sphere well, but a ball shows at least half as much in its shortest direction as in its longest. A bowl lies on a
    sphere, too, but neither with the point that is nearest to the camera nor with the highest one.
    """
    centre, radius, rms = fit
    shortest, middle, longest = (float(extent) for extent in np.sort(visible_extents))
    if rms > 0.08 * radius or shortest < _LEAST_SHARE * longest or not 0.85 < 2 * radius / middle < 1.5:
        return False
    poles = [-centre / np.linalg.norm(centre), *([] if up is None else [up])]
    return all(float(np.min(np.linalg.norm(points - (centre + radius * pole), axis=1))) <= 0.4 * radius for pole in poles)
