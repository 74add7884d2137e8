"""Every n-th point of an organised cloud: enough to find planes in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.frame import BoolArray
from ..scene.noise import DepthNoise
from .walls import Facets, facets_of

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """A sparse organised cloud: points (N, 3), metres, with grid rows, columns and noise (N,).

    ``facets`` are those of the full grid, worked out when they are asked for: where up is known nobody does.
    """

    points: FloatArray
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    depth_std_m: FloatArray
    focal_px: float
    find_facets: Callable[[], Facets] = field(repr=False)

    @cached_property
    def facets(self) -> Facets:
        return self.find_facets()


def sample_cloud(xyz: FloatMap, usable: BoolArray, noise: DepthNoise, focal_px: float, count: int) -> Sample:
    """Every n-th usable point of an organised cloud (H, W, 3); ``focal_px`` is of that cloud's grid."""
    step = max(1, round(math.sqrt(usable.size / count)))
    rows, columns = np.nonzero(usable[step // 2 :: step, step // 2 :: step])
    points = xyz[step // 2 :: step, step // 2 :: step][rows, columns].astype(np.float64)
    find_facets = partial(facets_of, xyz, usable, noise, focal_px)
    return Sample(points, rows, columns, noise.pixel_std_m(points[:, 2]), focal_px / step, find_facets)
