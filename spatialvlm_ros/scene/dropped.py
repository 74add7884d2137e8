"""Where a thing comes to lie that the fingers let go: nothing hangs in the air."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray, RigidTransform
from .box import UP
from .scene import SceneObject, moved_by

# What is let go no higher than this above what is under it was put down. How far off it may roll or jump, as one standard
# deviation and a share of how far it falls.
_PUT_DOWN_M, _ROLLS_SHARE = 0.02, 0.5


def dropped(thing: SceneObject, others: Iterable[SceneObject], ground: Plane | None) -> SceneObject:
    """The thing straight below, on the highest of the other things under its middle or on the support plane.

    Args:
        ground: the support plane in the frame of the things; None where nobody knows which way things fall.
    """
    if ground is None:
        return thing
    up = ground.normal
    bottom_m = float(ground.height(thing.centre)) - thing.length_along(up) / 2
    tops = [float(ground.height(other.centre)) + other.length_along(up) / 2 for other in others if _is_over(thing, other, up)]
    falls_m = bottom_m - max([0.0, *(top for top in tops if top <= bottom_m + _PUT_DOWN_M)])
    if falls_m <= _PUT_DOWN_M:
        return thing
    fallen = moved_by(thing, RigidTransform(np.eye(3), -falls_m * up))
    level = np.eye(3) - np.outer(up, up)
    return replace(fallen, covariance=thing.covariance + (_ROLLS_SHARE * falls_m) ** 2 * level)


def ground_of(plane: FloatArray | None, world_from_camera: RigidTransform) -> Plane | None:
    """The support plane (4,) of the optical frame in the world's; None where there is none."""
    if plane is None or not np.isfinite(plane).all():
        return None
    return Plane(plane[:3], float(plane[3])).moved(world_from_camera)


def off_fall(points: FloatArray, released: SceneObject, landed: SceneObject) -> FloatArray:
    """How far points (N, 3) are from the way down of a thing (N,), metres: something that nobody saw may have stopped it."""
    way = landed.centre - released.centre
    share = np.clip((points - released.centre) @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    distances: FloatArray = np.linalg.norm(points - (released.centre + share[:, None] * way), axis=1)
    return distances


def _is_over(thing: SceneObject, other: SceneObject, up: FloatArray) -> bool:
    """Whether the middle of a thing is above the box of another one, whose last axis is up."""
    off = thing.centre - other.centre
    level = (off - float(up @ off) * up) @ other.axes[:, :UP]
    return bool((np.abs(level) <= other.extents[:UP] / 2).all())
