"""Appearances of regions that did not change since they were last looked at closely.

Looking costs more than finding, and most things on a table stand still from image to image: a region with the box and the size
that it had is the thing it was. It is looked at again every ``MAX_AGE`` images all the same, since light changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..scene.frame import Region, RGBDFrame
from .appearance import Appearance, describe_each, with_sizes
from .grid import quantiles
from .tabletop import SupportPlane

MAX_AGE = 15
# Noise moves a mask's rim by about a pixel, and so much of its size.
_BOX_PX, _SIZE_SHARE, _DEPTH_M = 2, 0.04, 0.006


@dataclass(frozen=True)
class _Known:
    region: Region
    box: tuple[int, int, int, int]
    size: int
    depth_m: float
    appearance: Appearance
    age: int

    def fits(self, box: tuple[int, int, int, int], size: int, depth_m: float) -> bool:
        return (
            self.age < MAX_AGE
            and max(abs(a - b) for a, b in zip(self.box, box, strict=True)) <= _BOX_PX
            and abs(self.size - size) <= _SIZE_SHARE * self.size
            and abs(self.depth_m - depth_m) <= _DEPTH_M
        )


class AppearanceCache:
    """Of one stream of images; not thread-safe."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        # What was told last, and on how many images since nothing was looked at: by so much all are older than they say.
        self._told: list[Appearance] = []
        self._rested = 0

    def clear(self) -> None:
        """Forget all, as after a jump of time."""
        self._known, self._told, self._rested = [], [], 0

    def follow(self, before: Region, now: Region) -> None:
        """``now`` shows what ``before`` showed on the last image."""
        self._known = [replace(item, region=now) if item.region is before else item for item in self._known]

    def describe(
        self, frame: RGBDFrame, regions: Sequence[Region], plane: SupportPlane | None, still: int = 0,
        described: Mapping[int, Appearance] = MappingProxyType({}),
    ) -> list[Appearance]:  # fmt: skip
        """Appearances of all regions, with size words relative to each other; see appearance.describe_scene.

        Args:
            still: so many of the first ones are regions of the image before, and nothing there has changed (see focus.py).
            described: by ``id`` of a region, what ``describe_each`` said of it on this image and plane, where that is known.
        """
        if still == len(regions) == len(self._known) and all(
            item.region is region for item, region in zip(self._known, regions, strict=True)
        ):
            self._rested += 1
            return list(self._told)
        if self._rested:
            self._known = [replace(item, age=item.age + self._rested) for item in self._known]
            self._rested = 0
        states = [None if index < still else _state(frame, region) for index, region in enumerate(regions)]
        before = [self._of(region, state) for region, state in zip(regions, states, strict=True)]
        unknown = [region for region, item in zip(regions, before, strict=True) if item is None]
        left = [region for region in unknown if id(region) not in described]
        fresh = {**described, **dict(zip(map(id, left), describe_each(frame, left, plane), strict=True))}
        known = []
        for region, state, item in zip(regions, states, before, strict=True):
            if item is not None:
                known.append(replace(item, region=region, age=item.age + 1))
                continue
            # Ages start apart, so that not all things are looked at anew on one image.
            age = (len(known) * 4) % MAX_AGE if not self._known else 0
            known.append(_Known(region, *(state or _state(frame, region)), fresh[id(region)], age))
        self._known = known
        self._told = with_sizes([item.appearance for item in known])
        return list(self._told)

    def _of(self, region: Region, state: tuple[tuple[int, int, int, int], int, float] | None) -> _Known | None:
        """What is known of a region: of itself, where its ``state`` did not have to be worked out, or of one like it."""
        if state is None:
            return next((item for item in self._known if item.region is region), None)
        return next((item for item in self._known if item.fits(*state)), None)


def _state(frame: RGBDFrame, region: Region) -> tuple[tuple[int, int, int, int], int, float]:
    """The box, the pixels and the median depth of a region."""
    u0, v0, u1, v1 = region.box
    mask = region.mask[v0:v1, u0:u1]
    depth = frame.depth_m[v0:v1, u0:u1][mask & frame.valid[v0:v1, u0:u1]]
    depth_m = float(quantiles(depth, (0.5,))[0]) if len(depth) else float("nan")
    return region.box, int(np.count_nonzero(mask)), depth_m
