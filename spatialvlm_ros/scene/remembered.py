"""How tall a thing was on earlier images, where this one hides an end of it or gives it a part of something else.

A hand, a wall or another thing that comes in front of a thing leaves nobody to tell where it ends, on that image; and of what
stands on it a strip is easily taken for its own. But a thing does not change its height: with the end that shows, the height that
was seen before tells where the other one is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ..geometry.rigid import FloatArray
from .scene import SceneObject

_UP = 2
# A height is known by so many images, the surest ones; and so many as sure ones in a row that say another one end that.
_IMAGES, _AGAINST = 5, 5
# Two heights disagree from so many standard deviations of their difference on.
_AGREE = 2.0
# An image that is not this many times as unsure as those is left alone: what makes all of them err alike is no news.
_BLIND = 2.0
# One that is likelier than that to be two things taken for one tells no height.
_SUSPECT = 0.1
# What hangs askew between fingers is that much taller or less tall, as a share of its longest edge: one standard deviation.
_ASKEW = 0.1


@dataclass(frozen=True)
class KnownHeight:
    """What images tell of a thing's height.

    Attributes:
        surest: (one standard deviation, height) of the images that told it best, the best one first, metres.
        against: (one standard deviation, height) of the last images that were as sure, and of one mind that it is another one.
    """

    surest: tuple[tuple[float, float], ...] = ()
    against: tuple[tuple[float, float], ...] = ()

    @property
    def is_known(self) -> bool:
        return len(self.surest) == _IMAGES

    @property
    def height_m(self) -> float:
        return median(height for _, height in self.surest)

    @property
    def std_m(self) -> float:
        """That of one image: images from one place share most of their errors, and many are no better than one."""
        return self.surest[-1][0]

    def after(self, thing: SceneObject) -> KnownHeight:
        """With one more image, on which the thing was measured as ``thing``."""
        height_m, std_m = float(thing.extents[_UP]), float(thing.extents_std[_UP])
        if not std_m > 0.0 or thing.truncated or thing.suspect > _SUSPECT or (self.is_known and std_m > _BLIND * self.std_m):
            return self
        if not self.is_known or self.agrees(height_m, std_m):
            return KnownHeight(tuple(sorted((*self.surest, (std_m, height_m)))[:_IMAGES]))
        alike = [old for old in self.against if abs(old[1] - height_m) <= _AGREE * math.hypot(old[0], std_m)]
        against = (*alike, (std_m, height_m)) if len(alike) == len(self.against) else ((std_m, height_m),)
        # Toppled, or never that tall.
        return KnownHeight(tuple(sorted(against))) if len(against) == _AGAINST else replace(self, against=against)

    def agrees(self, height_m: float, std_m: float) -> bool:
        """Whether it may be the same as another height with its standard deviation, metres."""
        return abs(height_m - self.height_m) <= _AGREE * math.hypot(std_m, self.std_m)


def as_tall_as_before(thing: SceneObject, known: KnownHeight, is_held: bool) -> SceneObject:
    """The thing with the height that is known of it, where this image tells it far worse, or makes it taller; itself elsewhere.

    Args:
        thing: upright along the third of its axes, in the frame of the camera that measured it. One whose lean is 0 stays as it
            is: nobody knows which of its ends is the certain one, or whether it is upright.
        is_held: whether it may hang askew between fingers.
    """
    if not known.is_known or thing.lean[_UP] == 0.0:
        return thing
    std_m = math.hypot(known.std_m, _ASKEW * float(thing.extents.max())) if is_held else known.std_m
    height_m, own_std_m = float(thing.extents[_UP]), float(thing.extents_std[_UP])
    along = thing.points @ thing.axes[:, _UP] if len(thing.points) else np.zeros(1)
    shows_more = float(np.ptp(along)) > known.height_m + _AGREE * std_m
    if shows_more and height_m - known.height_m > _AGREE * std_m:
        return _cut(thing, known.height_m, std_m)
    if shows_more or own_std_m < _BLIND * std_m or not known.agrees(height_m, own_std_m):
        return thing
    return _with_height(thing, known.height_m, std_m)


def _with_height(thing: SceneObject, height_m: float, std_m: float) -> SceneObject:
    """After a measurement of its height: that and the centre are one Gaussian with the correlation ``lean`` (Kalman's update).

    A thing whose top shows gets its foot, and one whose foot shows its top.
    """
    own_std_m, more_m = float(thing.extents_std[_UP]), height_m - float(thing.extents[_UP])
    of_centre = float(thing.axes[:, _UP] @ thing.own_covariance @ thing.axes[:, _UP])
    shared, whole = float(thing.extents_covariance[_UP]), own_std_m**2 + std_m**2
    left = max(of_centre - shared**2 / whole, 0.0)
    left_std_m = own_std_m * std_m / math.sqrt(whole)
    lean = shared * std_m**2 / whole / max(math.sqrt(left) * left_std_m, 1e-12)
    return _changed(thing, own_std_m**2 / whole * more_m, shared / whole * more_m, left_std_m, left, lean)


def _cut(thing: SceneObject, height_m: float, std_m: float) -> SceneObject:
    """With a top that is as high above its foot as is known, and without the points above that."""
    of_foot = float(thing.extents_std[_UP]) ** 2 * max(1.0 - float(thing.lean[_UP]), 0.0) / 2
    # What is the foot's error is the centre's, and half of the height's.
    of_centre = of_foot + std_m**2 / 4
    lean = std_m / 2 / math.sqrt(of_centre)
    less_m = height_m - float(thing.extents[_UP])
    cut = _changed(thing, less_m, less_m / 2, std_m, of_centre, lean)
    up = thing.axes[:, _UP]
    # What is cut off is another thing's.
    below = thing.points @ up < float(cut.centre @ up) + height_m / 2
    if not below.any():
        return cut
    return replace(cut, points=thing.points[below], turns=None if thing.turns is None else thing.turns[below])


def _changed(thing: SceneObject, more_m: float, up_m: float, std_m: float, of_centre: float, lean: float) -> SceneObject:
    """Taller by ``more_m``, moved up by ``up_m``, with a height's deviation, a variance of the centre along up, and a lean."""
    up: FloatArray = thing.axes[:, _UP]
    extents, extents_std, leans = thing.extents.copy(), thing.extents_std.copy(), thing.lean.copy()
    extents[_UP] += more_m
    extents_std[_UP] = std_m
    leans[_UP] = float(np.clip(lean, -1.0, 1.0))
    before = float(up @ thing.own_covariance @ up)
    return replace(
        thing, centre=thing.centre + up_m * up, extents=extents, extents_std=extents_std, lean=leans,
        covariance=thing.covariance + (of_centre - before) * np.outer(up, up),
    )  # fmt: skip
