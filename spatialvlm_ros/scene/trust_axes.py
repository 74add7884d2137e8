"""What shows of one axis of a thing's box: whether its two faces are faces, or where a few stray points end."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray, norm
from .scene import SceneObject

# The points between these shares of them tell how long most of a thing is, those in this share of its edge what is at its ends.
_MOST_OF_IT, _END = (0.05, 0.95), 0.1
#: No end of a thing, and no face of its box, is known better.
LEAST_STD_M = 1e-5


class AxisEvidence(NamedTuple):
    """What shows of one axis of a thing's box.

    Attributes:
        turned: cosine of the angle between the axis and the line of sight, without its sign.
        length: logarithm of the edge by the thing's size.
        edge_std: logarithm of the edge's stated deviation by the thing's size.
        faces: logarithm of the larger by the smaller stated deviation of its two faces.
        spread: how far nine tenths of the visible points spread, as a share of the edge.
        low_end, high_end: share of the visible points in the first and in the last tenth of the edge.
    """

    turned: float
    length: float
    edge_std: float
    faces: float
    spread: float
    low_end: float
    high_end: float


def axes_evidence(
    thing: SceneObject, along: FloatArray, size_m: float, faces_std_m: FloatArray
) -> tuple[AxisEvidence, AxisEvidence, AxisEvidence]:
    """The evidence of each axis of a thing's box.

    Args:
        along: (N, 3) some of its visible points along the axes, metres from the low faces.
        size_m: cube root of its volume.
        faces_std_m: (3, 2) standard deviation of each low and high face.
    """
    extents = thing.extents
    turned = np.abs(thing.centre @ thing.axes) / max(norm(thing.centre), 1e-9)
    low, high = linear_quantiles(np.ascontiguousarray(along.T), _MOST_OF_IT)
    counts = ((along < _END * extents).mean(axis=0), (along > (1 - _END) * extents).mean(axis=0))
    spread = (high - low) / extents
    stds = np.maximum(np.sort(faces_std_m, axis=1), LEAST_STD_M)
    first, second, third = (
        AxisEvidence(
            float(turned[i]), math.log(extents[i] / size_m), math.log(float(thing.extents_std[i]) / size_m),
            math.log(stds[i, 1] / stds[i, 0]), float(spread[i]), float(counts[0][i]), float(counts[1][i]),
        )
        for i in range(3)
    )  # fmt: skip
    return first, second, third
