"""What is between the fingers: by where the tool point is, and by the fingers, which something stopped as they closed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .box import UP
from .scene import SceneObject

# Fingers that moved by no more than this for so long have stopped.
_STOPPED_M, _STOPPED_NS = 0.001, 100_000_000
# What they hold is at least so wide, as a share of its narrow level edge, and at most so wide, as a share of the wide one and
# more: edges are measured, and the shape of a finger is told by a capsule.
_LEAST_SHARE, _MOST_SHARE, _MORE_M = 0.6, 1.25, 0.005


@dataclass(frozen=True)
class Fingers:
    """How far each finger of a stream of images is open, metres, and since when; NaN where nobody knows."""

    opening_m: float = math.nan
    since_ns: int = 0
    stamp_ns: int = 0

    def after(self, opening_m: float, stamp_ns: int) -> Fingers:
        """With one more image."""
        is_same = abs(opening_m - self.opening_m) <= _STOPPED_M
        return Fingers(self.opening_m, self.since_ns, stamp_ns) if is_same else Fingers(opening_m, stamp_ns, stamp_ns)

    def stopped_at(self, thing: SceneObject) -> bool:
        """Whether they do not move, and are as far apart as a standing thing is wide that they came to."""
        narrow_m, wide_m = sorted((thing.extents[:UP] / 2).tolist())
        is_between = _LEAST_SHARE * narrow_m <= self.opening_m <= _MOST_SHARE * wide_m + _MORE_M
        return self.stamp_ns - self.since_ns >= _STOPPED_NS and is_between


def pose_between(
    thing: SceneObject, world_from_tool: RigidTransform | None, usual: FloatArray, grip_m: float
) -> RigidTransform | None:
    """Pose in the tool of a thing in the world whose box the tool point is in, or outside by no more than ``grip_m``, else None.

    By its box and not by its centre: the fingers take a tall thing far above its middle, and a plate that a held block stands on
    has its middle nearer than that. What its ``usual`` size, (3,) edges in metres, has more may be anywhere.
    """
    if world_from_tool is None:
        return None
    unseen_m = max(0.0, float(np.linalg.norm(usual) - np.linalg.norm(thing.extents)))
    reach = thing.extents / 2 + grip_m + unseen_m
    inside = np.abs(thing.axes.T @ (world_from_tool.translation - thing.centre)) <= reach
    return world_from_tool.inverse() @ RigidTransform(thing.axes, thing.centre) if bool(inside.all()) else None
