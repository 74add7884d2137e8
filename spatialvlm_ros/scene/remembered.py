"""How large a thing was on earlier images, where this one hides an end of it or gives it a part of something else.

A hand, a wall or another thing that comes in front of a thing leaves nobody to tell where it ends, on that image; and of what
stands on it a strip is easily taken for its own. But a thing does not change its size: with the end that shows, the height that
was seen before tells where the other one is; no more is hidden of it than it lacks; what is as tall as ever is not two things.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ..geometry.rigid import FloatArray
from .box import UP
from .scene import SceneObject
from .trust import ends_std_m, merged_std_m

# A length is known by so many images, the surest ones; and so many as sure ones in a row that say another one end that.
_IMAGES, _AGAINST = 5, 5
# Two lengths disagree from so many standard deviations of their difference on.
_AGREE = 2.0
# An image that is not this many times as unsure as those is left alone: what makes all of them err alike is no news.
_BLIND = 2.0
# One that is likelier than that to be two things taken for one tells no size.
_SUSPECT = 0.1
# A logarithm of odds beyond which nothing more can be learnt, nor reckoned.
_CERTAIN = 30.0
# What hangs askew between fingers is that much taller or less tall, as a share of its longest edge: one standard deviation.
_ASKEW = 0.1


@dataclass(frozen=True)
class KnownLength:
    """What images tell of one edge of a thing.

    Attributes:
        surest: (one standard deviation, length) of the images that told it best, the best one first, metres.
        against: (one standard deviation, length) of the last images that were as sure, and of one mind that it is another one.
    """

    surest: tuple[tuple[float, float], ...] = ()
    against: tuple[tuple[float, float], ...] = ()

    @property
    def is_known(self) -> bool:
        return len(self.surest) == _IMAGES

    @property
    def length_m(self) -> float:
        return median(length for _, length in self.surest)

    @property
    def std_m(self) -> float:
        """That of one image: images from one place share most of their errors, and many are no better than one."""
        return self.surest[-1][0]

    def after(self, length_m: float, std_m: float) -> KnownLength:
        """With one more image that tells the length with a standard deviation, metres."""
        if not std_m > 0.0 or (self.is_known and std_m > _BLIND * self.std_m):
            return self
        if not self.is_known or self.agrees(length_m, std_m):
            return KnownLength(tuple(sorted((*self.surest, (std_m, length_m)))[:_IMAGES]))
        alike = [old for old in self.against if abs(old[1] - length_m) <= _AGREE * math.hypot(old[0], std_m)]
        against = (*alike, (std_m, length_m)) if len(alike) == len(self.against) else ((std_m, length_m),)
        # Toppled, or never that long.
        return KnownLength(tuple(sorted(against))) if len(against) == _AGAINST else replace(self, against=against)

    def off_m(self, length_m: float) -> float:
        """By how much a measured length is off; no less than one standard deviation of the known one."""
        return math.hypot(length_m - self.length_m, self.std_m)

    def agrees(self, length_m: float, std_m: float) -> bool:
        """Whether it may be the same as another length with its standard deviation, metres."""
        return abs(length_m - self.length_m) <= _AGREE * math.hypot(std_m, self.std_m)


@dataclass(frozen=True)
class KnownSize:
    """What images tell of a thing's height, and of its shorter and its longer level edge."""

    height: KnownLength = KnownLength()
    short: KnownLength = KnownLength()
    long: KnownLength = KnownLength()

    def after(self, thing: SceneObject) -> KnownSize:
        """With one more image, on which the thing was measured as ``thing``."""
        if thing.truncated or thing.suspect > _SUSPECT:
            return self
        lengths, stds = thing.extents.tolist(), thing.extents_std.tolist()
        short, long = _by_length(thing)
        return KnownSize(
            self.height.after(lengths[UP], stds[UP]),
            self.short.after(lengths[short], stds[short]),
            self.long.after(lengths[long], stds[long]),
        )


def _by_length(thing: SceneObject) -> tuple[int, int]:
    """Numbers of its shorter and its longer level axis."""
    return (0, 1) if thing.extents[0] <= thing.extents[1] else (1, 0)


def as_large_as_before(thing: SceneObject, known: KnownSize, is_held: bool) -> SceneObject:
    """The thing with what is known of its size: as ``as_tall_as_before``, and with deviations that this size allows.

    Args:
        thing, is_held: as ``as_tall_as_before`` takes them.
    """
    height, askew_m = known.height, _askew_m(thing) if is_held else 0.0
    if height.is_known:
        thing = _suspected(thing, height.length_m, math.hypot(height.std_m, askew_m))
    if thing.lean[UP] != 0.0:
        if known.short.is_known and known.long.is_known:
            for axis, off_m in zip(_by_length(thing), _level_off_m(thing, known), strict=True):
                thing = _bounded(thing, axis, off_m)
        if height.is_known:
            thing = _with_bounded_ends(thing, math.hypot(height.off_m(float(thing.extents[UP])), askew_m))
    return as_tall_as_before(thing, height, is_held)


def _level_off_m(thing: SceneObject, known: KnownSize) -> tuple[float, float]:
    """By how much its shorter and its longer level edge are off, metres."""
    shorter, longer = sorted(thing.extents[:UP].tolist())
    off = known.short.off_m(shorter), known.long.off_m(longer)
    if longer > known.short.length_m + _AGREE * known.short.std_m:
        return off
    # So much may be hidden of the long edge that it has become the shorter one.
    return max(off[0], known.long.off_m(shorter)), max(off[1], known.short.off_m(longer))


def _bounded(thing: SceneObject, axis: int, off_m: float) -> SceneObject:
    """With deviations along a level axis that an edge allows which is known to be off by ``off_m``.

    What covers a side of a thing, a hand above all, may hide more of it, and that is most of what its edges and its centre are
    uncertain by. But of a thing whose size is known no more than the rest of that can be hidden, and its centre is off by half of
    it, where all is on one side.
    """
    along, stds, own = thing.axes[:, axis], thing.extents_std.copy(), thing.own_covariance
    share = min(off_m / 2 / max(math.sqrt(float(along @ own @ along)), 1e-12), 1.0)
    if share == 1.0 and stds[axis] <= off_m:
        return thing
    stds[axis] = min(stds[axis], off_m)
    # The deviation along one axis by a share, so that its correlation with the other one stays.
    smaller = np.eye(3) + (share - 1) * np.outer(along, along)
    return replace(thing, extents_std=stds, covariance=thing.covariance + smaller @ own @ smaller - own)


def _with_bounded_ends(thing: SceneObject, off_m: float) -> SceneObject:
    """The same upright, where it is told which end is how certain: neither is off by more than the height is."""
    ends = ends_std_m(thing)
    foot, top = (min(std, off_m) for std in ends)
    if (foot, top) == ends:
        return thing
    variance = foot**2 + top**2
    return _changed(thing, 0.0, 0.0, math.sqrt(variance), variance / 4, (top**2 - foot**2) / variance)


def _askew_m(thing: SceneObject) -> float:
    return _ASKEW * float(thing.extents.max())


def as_tall_as_before(thing: SceneObject, known: KnownLength, is_held: bool) -> SceneObject:
    """The thing with the height that is known of it, where this image tells it far worse, or makes it taller; itself elsewhere.

    Args:
        thing: upright along the third of its axes, in the frame of the camera that measured it. One whose lean is 0 stays as it
            is: nobody knows which of its ends is the certain one, or whether it is upright.
        is_held: whether it may hang askew between fingers.
    """
    if not known.is_known or thing.lean[UP] == 0.0:
        return thing
    std_m = math.hypot(known.std_m, _askew_m(thing)) if is_held else known.std_m
    height_m, own_std_m = float(thing.extents[UP]), float(thing.extents_std[UP])
    along = thing.points @ thing.axes[:, UP] if len(thing.points) else np.zeros(1)
    shows_more = float(np.ptp(along)) > known.length_m + _AGREE * std_m
    if shows_more and height_m - known.length_m > _AGREE * std_m:
        return _cut(thing, known.length_m, std_m)
    if shows_more or own_std_m < _BLIND * std_m or not known.agrees(height_m, own_std_m):
        return thing
    return _with_height(thing, known.length_m, std_m)


def _suspected(thing: SceneObject, known_m: float, std_m: float) -> SceneObject:
    """With the chance that it is two things taken for one as its height on images free of that suspicion makes it.

    By Bayes' rule: one thing is as tall as it was, two on each other are off by as much as ``merged_std_m`` says of their ends.
    """
    height_m = float(thing.extents[UP])
    stated, whole = (2 * merged_std_m(height_m, chance) ** 2 for chance in (thing.suspect, 1.0))
    own = float(thing.extents_std[UP]) ** 2 - stated
    if stated == 0.0 or own <= 0.0:
        return thing
    as_one, as_two = own + std_m**2, own + std_m**2 + whole
    evidence = (height_m - known_m) ** 2 / 2 * (1 / as_one - 1 / as_two)
    likelier = math.sqrt(as_one / as_two) * math.exp(min(evidence, _CERTAIN))
    suspect = thing.suspect * likelier / (thing.suspect * likelier + 1 - thing.suspect)
    left = own + 2 * merged_std_m(height_m, suspect) ** 2
    lean = float(thing.lean[UP]) * (own + stated) / left
    return replace(_changed(thing, 0.0, 0.0, math.sqrt(left), left / 4, lean), suspect=suspect)


def _with_height(thing: SceneObject, height_m: float, std_m: float) -> SceneObject:
    """After a measurement of its height: that and the centre are one Gaussian with the correlation ``lean`` (Kalman's update).

    A thing whose top shows gets its foot, and one whose foot shows its top.
    """
    own_std_m, more_m = float(thing.extents_std[UP]), height_m - float(thing.extents[UP])
    of_centre = float(thing.axes[:, UP] @ thing.own_covariance @ thing.axes[:, UP])
    shared, whole = float(thing.extents_covariance[UP]), own_std_m**2 + std_m**2
    left = max(of_centre - shared**2 / whole, 0.0)
    left_std_m = own_std_m * std_m / math.sqrt(whole)
    lean = shared * std_m**2 / whole / max(math.sqrt(left) * left_std_m, 1e-12)
    return _changed(thing, own_std_m**2 / whole * more_m, shared / whole * more_m, left_std_m, left, lean)


def _cut(thing: SceneObject, height_m: float, std_m: float) -> SceneObject:
    """With a top that is as high above its foot as is known, and without the points above that."""
    of_foot = float(thing.extents_std[UP]) ** 2 * max(1.0 - float(thing.lean[UP]), 0.0) / 2
    # What is the foot's error is the centre's, and half of the height's.
    of_centre = of_foot + std_m**2 / 4
    lean = std_m / 2 / math.sqrt(of_centre)
    less_m = height_m - float(thing.extents[UP])
    cut = _changed(thing, less_m, less_m / 2, std_m, of_centre, lean)
    up = thing.axes[:, UP]
    # What is cut off is another thing's.
    below = thing.points @ up < float(cut.centre @ up) + height_m / 2
    if not below.any():
        return cut
    return replace(cut, points=thing.points[below], turns=None if thing.turns is None else thing.turns[below])


def _changed(thing: SceneObject, more_m: float, up_m: float, std_m: float, of_centre: float, lean: float) -> SceneObject:
    """Taller by ``more_m``, moved up by ``up_m``, with a height's deviation, a variance of the centre along up, and a lean."""
    up: FloatArray = thing.axes[:, UP]
    extents, extents_std, leans = thing.extents.copy(), thing.extents_std.copy(), thing.lean.copy()
    extents[UP] += more_m
    extents_std[UP] = std_m
    leans[UP] = float(np.clip(lean, -1.0, 1.0))
    before = float(up @ thing.own_covariance @ up)
    return replace(
        thing, centre=thing.centre + up_m * up, extents=extents, extents_std=extents_std, lean=leans,
        covariance=thing.covariance + (of_centre - before) * np.outer(up, up),
    )  # fmt: skip
