"""Where a thing comes to lie that the fingers let go: nothing hangs in the air."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .box import UP
from .scene import SceneObject

# What is let go no higher than this above what is under it was put down. How far off it may roll or jump, as one standard
# deviation and a share of how far it falls.
_PUT_DOWN_M, _ROLLS_SHARE = 0.02, 0.5


def dropped(thing: SceneObject, others: Iterable[SceneObject], plane: FloatArray) -> SceneObject:
    """The thing straight below, on the highest of the other things under its middle or on the support plane.

    Args:
        plane: (4,) n, d of the support plane in the frame of the things, n up, metres; NaN when there is none, where nobody knows
            which way things fall.
    """
    if not np.isfinite(plane).all():
        return thing
    up = plane[:3]
    bottom_m = _height(thing, plane) - _half_height(thing, up)
    tops = [_height(other, plane) + _half_height(other, up) for other in others if _is_over(thing, other, up)]
    falls_m = bottom_m - max([0.0, *(top for top in tops if top <= bottom_m + _PUT_DOWN_M)])
    if falls_m <= _PUT_DOWN_M:
        return thing
    level = np.eye(3) - np.outer(up, up)
    below = -falls_m * up
    return replace(
        thing,
        centre=thing.centre + below,
        covariance=thing.covariance + (_ROLLS_SHARE * falls_m) ** 2 * level,
        surface_point=thing.surface_point + below,
        points=(thing.points + below).astype(np.float32),
    )


def off_fall(points: FloatArray, released: SceneObject, landed: SceneObject) -> FloatArray:
    """How far points (N, 3) are from the way down of a thing (N,), metres: something that nobody saw may have stopped it."""
    way = landed.centre - released.centre
    share = np.clip((points - released.centre) @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    distances: FloatArray = np.linalg.norm(points - (released.centre + share[:, None] * way), axis=1)
    return distances


def plane_in_world(plane: FloatArray | None, world_from_camera: RigidTransform) -> FloatArray:
    """A plane (4,) of the optical frame in the world's."""
    if plane is None:
        return np.full(4, np.nan)
    normal = world_from_camera.rotation @ plane[:3]
    return np.append(normal, plane[3] - normal @ world_from_camera.translation)


def _height(thing: SceneObject, plane: FloatArray) -> float:
    return float(plane[:3] @ thing.centre + plane[3])


def _half_height(thing: SceneObject, up: FloatArray) -> float:
    return float(np.abs(up @ thing.axes) @ thing.extents) / 2


def _is_over(thing: SceneObject, other: SceneObject, up: FloatArray) -> bool:
    """Whether the middle of a thing is above the box of another one, whose last axis is up."""
    off = thing.centre - other.centre
    level = (off - float(up @ off) * up) @ other.axes[:, :UP]
    return bool((np.abs(level) <= other.extents[:UP] / 2).all())
