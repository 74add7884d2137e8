"""Whether what a camera sees around a point tells how far the nearest surface is.

Of a point in space the registry gives the nearest surface that the camera sees. Where something nearer hides part of what lies
between the two, another surface may be nearer; where what is seen ends in a hole of the depth, the surface may go on; and where
the nearest surface is farther away than the table right under the point, the table does not show. All three are kept out of
data sets. A point beyond what hides it almost whole is measured to that, and one outside of the image to its rim: what is said
of those is of what is seen. Never changes: nothing here alters a measurement.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..geometry.rigid import FloatArray
from ..scene.frame import RGBDFrame

# Of the disk that a ball between a point and its nearest surface is in the image, the share that something nearer hides, from
# which to which on part of the ball is not seen. More hides all of it: what hides it is the nearest surface.
_PARTLY_HIDDEN = (0.02, 0.75)
# Nearer by less is the ball's own rim.
_IN_FRONT_M = 0.005
# Share of the pixels around the nearest surface point that have no depth, from which on it is the rim of a hole.
_AT_HOLE, _AROUND_PX = 0.3, 4
# The nearest surface is farther away than the table is by so much: the table is not seen there.
_BEYOND_TABLE_M = 0.01
_GRID = 25


def is_place_unseen(frame: RGBDFrame, plane: FloatArray, point: FloatArray, nearest: FloatArray) -> bool:
    """Whether a surface that does not show may be nearer to a point than the nearest one that does.

    Args:
        plane: (4,) n, d of the support plane, metres; NaN without.
        point, nearest: (3,) the point and the nearest surface point, optical frame, metres.
    """
    return (
        _ends_in_hole(frame, nearest)
        or _misses_table(frame, plane, point, nearest)
        or _PARTLY_HIDDEN[0] <= _hidden_share(frame, point, nearest) < _PARTLY_HIDDEN[1]
    )


def _misses_table(frame: RGBDFrame, plane: FloatArray, point: FloatArray, nearest: FloatArray) -> bool:
    above_m = float(point @ plane[:3] + plane[3])
    under = point - above_m * plane[:3]
    if not float(np.linalg.norm(nearest - point)) > abs(above_m) + _BEYOND_TABLE_M or under[2] <= 0:
        return False
    u, v = frame.camera.project(under[None])[0]
    return bool(0 <= u < frame.camera.width and 0 <= v < frame.camera.height)


def _ends_in_hole(frame: RGBDFrame, nearest: FloatArray) -> bool:
    u, v = (int(value) for value in np.round(frame.camera.project(nearest[None])[0]))
    rows, columns = (slice(max(at - _AROUND_PX, 0), at + _AROUND_PX + 1) for at in (v, u))
    around = frame.valid[rows, columns]
    return around.size > 0 and float(np.mean(around)) <= 1 - _AT_HOLE


def _hidden_share(frame: RGBDFrame, point: FloatArray, nearest: FloatArray) -> float:
    """Share of the ball's disk at which the camera sees something nearer than the ball."""
    radius_m = float(np.linalg.norm(nearest - point))
    if point[2] <= radius_m:
        # It reaches behind the camera, which sees nothing of what is there.
        return 0.0
    camera, across = frame.camera, _disk()
    depth_m = point[2] - radius_m * across[:, 2]
    # The disk is taken through the point: for balls much smaller than they are far away.
    sideways = point[:2] + radius_m * across[:, :2]
    pixels = np.round(camera.project(np.column_stack([sideways, np.full(len(across), point[2])]))).astype(int)
    inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
    seen = frame.depth_m[pixels[inside, 1], pixels[inside, 0]]
    with np.errstate(invalid="ignore"):
        nearer = seen < depth_m[inside] - _IN_FRONT_M
    return float(np.count_nonzero(nearer)) / len(across)


@cache
def _disk() -> FloatArray:
    """(N, 3) places of a unit disk, with how far the unit ball bulges there."""
    steps = np.linspace(-1.0, 1.0, _GRID)
    x, y = np.meshgrid(steps, steps)
    bulge = 1 - x**2 - y**2
    inside = bulge >= 0
    return np.column_stack([x[inside], y[inside], np.sqrt(bulge[inside])])
