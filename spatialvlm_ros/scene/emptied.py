"""Whether an image shows that a remembered thing is no longer where it was."""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import FloatArray
from .frame import BoolArray, RGBDFrame
from .scene import SceneObject

# A surface seen this far behind a thing's centre is not the thing's: its front is nearer than its centre.
_BEHIND_M = 0.006


def place_is_empty(thing: SceneObject, frame: RGBDFrame, robot: BoolArray | None, tool: FloatArray | None = None) -> bool:
    """Whether the camera sees through the place of a thing: most pixels around its centre show something behind it.

    ``tool``: the tool point (3,) of the fingers that hold it. Where only a part of it was seen, its centre is known badly; but if
    it is held at all, it is at the tool point, and that has to be seen through as well.
    """
    around = 0.15 * (thing.corners() - thing.centre)
    places = (thing.centre,) if tool is None else (thing.centre, tool)
    return all(_is_seen_through(place, around, frame, robot) for place in places)


# What is seen so far behind a point of a held thing's surface shows that it is not there: it may have slipped or turned a little.
_LEFT_M = 0.02


def is_let_go(thing: SceneObject, frame: RGBDFrame, robot: BoolArray | None) -> bool:
    """Whether the camera sees through most of the surface that it saw last of a thing between the fingers.

    The hand moves with what it holds and hides the same of it; where that is seen through, the hand has lost it.
    """
    height, width = frame.depth_m.shape
    pixels = frame.camera.project(thing.points.astype(np.float64))
    inside = np.isfinite(pixels).all(axis=1) & (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
    u, v = pixels[inside].astype(np.intp).T
    behind = frame.depth_m[v, u] > thing.points[inside, 2] + _LEFT_M
    if robot is not None:
        behind &= ~robot[v, u]
    return bool(np.count_nonzero(behind) > 0.6 * max(1, len(thing.points)))


def _is_seen_through(place: FloatArray, around: FloatArray, frame: RGBDFrame, robot: BoolArray | None) -> bool:
    """Of a place (3,) and what is ``around`` it, (N, 3) offsets; optical frame, metres."""
    pixels = frame.camera.project(place + around)
    if not np.isfinite(pixels).all():
        return False
    height, width = frame.depth_m.shape
    u0, v0 = np.floor(pixels.min(axis=0) - 2).astype(int)
    u1, v1 = np.ceil(pixels.max(axis=0) + 3).astype(int)
    if u0 < 0 or v0 < 0 or u1 > width or v1 > height:
        return False  # out of view, so nothing speaks against it
    behind = frame.depth_m[v0:v1, u0:u1] > place[2] + _BEHIND_M
    if robot is not None:
        behind = behind & ~robot[v0:v1, u0:u1]
    return bool(np.count_nonzero(behind) > 0.6 * behind.size)
