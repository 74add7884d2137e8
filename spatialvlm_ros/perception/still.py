"""Whether an image shows what another one showed before: a thing where it was measured, or all but the robot and named things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import RigidTransform, norm
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.noise import DepthNoise
from ..scene.scene import SceneObject
from .grid import Window, quantiles
from .robot_state import RobotState
from .self_filter import robot_mask

# Pixels around a thing that may not have changed either.
_AROUND_PX = 4
# A change of colour by more than this, of 255, or of depth by more than so many deviations of one pixel, counts. As large a
# share of a thing's pixels may seem to change by noise: colour tells of what moves across the image, depth of what comes nearer.
COLOR_STEP, DEPTH_STDS = 30, 6.0
_COLOR_SHARE, _DEPTH_SHARE, _LEVEL_STDS = 0.01, 0.1, 2.0
_SPARSE = 4
# Of what a thing shows, so much must not be hidden by the robot; pixels so near to it may show it, too, or its edge.
_FREE_SHARE, _BESIDE_PX = 0.5, 9
# A thing that stands still is measured anew after this long: of errors that last nothing is learnt from the images between. If
# it measures the same again with no robot near, that was no fluke of one image, and holds twice as long, up to the longest; with
# the robot near it holds as long as before.
KEPT_NS, _LONGEST_KEPT_NS = 200_000_000, 1_600_000_000
_AGREES_M, _AGREES_STDS = 0.001, 2.0
# Of a whole image every other pixel is compared, and so many of these side by side: depth may be off by so many deviations of one
# pixel there. Where depth jumps by more than this share of it, or the robot is near, nothing is told.
_THIN, _SIDE_BY_SIDE, _OFF_STDS, _JUMP = 2, 5, 2.0, 0.03


@dataclass(frozen=True)
class Lead:
    """Where a thing was measured when the tool was at ``tool``, camera_from_tool, on the image of ``stamp_ns``.

    The tool may be followed from there for ``kept_ns``.
    """

    thing: SceneObject
    tool: RigidTransform
    stamp_ns: int
    kept_ns: int = KEPT_NS


@dataclass(frozen=True)
class Known:
    """A named thing on the last image, with its number; ``region`` None where it is hidden.

    ``color`` and ``depth_m`` are what the ``window`` around it showed when it was measured, at ``stamp_ns``; ``hidden`` those
    pixels of it that were the robot or another named thing, None where there were none. It holds for ``kept_ns`` if nothing
    changes. ``lead`` is the last measurement that a hand may be followed from (see carried.py). ``measured`` is the thing as it
    was at ``stamp_ns``, with its region, where it was carried since.
    """

    thing: SceneObject
    region: Region | None = None
    window: Window = (slice(0), slice(0))
    color: npt.NDArray[np.uint8] | None = None
    depth_m: npt.NDArray[np.float32] | None = None
    hidden: BoolArray | None = None
    stamp_ns: int = 0
    kept_ns: int = KEPT_NS
    lead: Lead | None = None
    measured: tuple[SceneObject, Region] | None = None

    @property
    def as_measured(self) -> tuple[SceneObject, Region | None]:
        """The thing, and its region, where and when it was measured last."""
        return self.measured or (self.thing, self.region)

    def is_still(self, frame: RGBDFrame, robot: RobotState, noise: DepthNoise, moved: Sequence[Region] = ()) -> bool:
        """Whether the image shows the same there as when the thing was measured, but for what hides it.

        That may be the robot, or other things that are known to have ``moved`` to these regions.
        """
        if self.color is None or self.depth_m is None or frame.stamp_ns - self.stamp_ns >= self.kept_ns:
            return False
        changed = _changed(frame.color[self.window], self.color)
        by_m = frame.depth_within(*self.window) - self.depth_m
        one_m = float(noise.pixel_std_m(self.as_measured[0].centre[2]))
        if _is_same(changed, by_m, one_m):
            return True
        free = self._free(frame, robot, moved)
        return free is not None and _is_same(changed[free], by_m[free], one_m)

    def _free(self, frame: RGBDFrame, robot: RobotState, moved: Sequence[Region]) -> BoolArray | None:
        """Pixels of the window that show nothing that hides the thing, now or then; None where all do, or too few are left."""
        import cv2

        _, region = self.as_measured
        if region is None or not (robot.capsules or moved):
            return None
        hidden = robot_mask(frame, robot.capsules, within=self.window)[self.window]
        for other in (self.hidden, *(other.mask[self.window] for other in moved)):
            if other is not None:
                hidden |= other
        if not hidden.any():
            return None
        free: BoolArray = cv2.dilate(hidden.view(np.uint8), np.ones((_BESIDE_PX,) * 2, np.uint8)) == 0
        own = region.mask[self.window]
        return free if np.count_nonzero(own & free) >= _FREE_SHARE * np.count_nonzero(own) else None


def _changed(color: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8]) -> BoolArray:
    """(h, w) pixels whose colour is another one than before."""
    import cv2

    same = cv2.inRange(cv2.absdiff(color, before), (0, 0, 0), (COLOR_STEP,) * 3)
    changed: BoolArray = same == 0
    return changed


def _is_same(changed: BoolArray, by_m: npt.NDArray[np.float32], one_m: float) -> bool:
    """Whether no more pixels differ in colour, or in depth by so many metres, than noise of ``one_m`` a pixel explains."""
    if np.count_nonzero(changed) > _COLOR_SHARE * changed.size:
        return False
    # What is not known on both images is no number, and so no more than any.
    known = np.count_nonzero(by_m == by_m)
    moved = np.count_nonzero(np.abs(by_m) > DEPTH_STDS * one_m)
    if known < 0.5 * changed.size or moved > _DEPTH_SHARE * known:
        return False
    some_m = by_m.ravel()[::_SPARSE]
    some_m = some_m[some_m == some_m]
    return bool(some_m.size) and abs(float(quantiles(some_m, (0.5,))[0])) <= _LEVEL_STDS * one_m


def known_of(
    thing: SceneObject,
    region: Region,
    frame: RGBDFrame,
    before: Known | None,
    robot: BoolArray | None,
    lead: Lead | None = None,
    others: Sequence[Region] = (),
) -> Known:
    """A thing that was measured on an image, where its last measurement was ``before``.

    Args:
        robot: (H, W) the robot's pixels, None where its shape is not known.
        lead: from where a hand may be followed.
        others: regions of the other named things.
    """
    u0, v0, u1, v1 = region.box
    window = slice(max(0, v0 - _AROUND_PX), v1 + _AROUND_PX), slice(max(0, u0 - _AROUND_PX), u1 + _AROUND_PX)
    hidden = np.zeros(region.mask[window].shape, np.bool_) if robot is None else robot[window].copy()
    kept_ns = KEPT_NS
    if before is not None and _agree(thing, before.as_measured[0]):
        kept_ns = before.kept_ns if hidden.any() else min(2 * before.kept_ns, _LONGEST_KEPT_NS)
    if lead is not None and lead.stamp_ns == frame.stamp_ns:
        kept_ns = max(kept_ns, lead.kept_ns)
    for other in others:
        hidden |= other.mask[window]
    color, depth_m = frame.color[window].copy(), frame.depth_within(*window).copy()
    return Known(thing, region, window, color, depth_m, hidden if hidden.any() else None, frame.stamp_ns, kept_ns, lead)


def kept_of(thing: SceneObject, region: Region, before: Known) -> Known:
    """A thing that was not measured on an image but found to be as it was, or to have been carried: its measurement stays."""
    measured, outline = before.as_measured
    if outline is None or region is outline:
        return replace(before, thing=thing, region=region, measured=None)
    return replace(before, thing=thing, region=region, measured=(measured, outline))


def _agree(thing: SceneObject, before: SceneObject) -> bool:
    """Whether two measurements of a thing are the same but for noise."""
    off_m = norm(thing.centre - before.centre)
    resized_m = float(np.max(np.abs(np.sort(thing.extents) - np.sort(before.extents))))
    std_m = math.sqrt(float(np.trace(thing.own_covariance)) / 3)
    return off_m <= _AGREES_M + _AGREES_STDS * std_m and resized_m <= _AGREES_M + _AGREES_STDS * float(np.max(thing.extents_std))


@dataclass(frozen=True)
class Backdrop:
    """What a whole image showed, at ``stamp_ns``.

    Attributes:
        depth_m: (h, w) of every other pixel, NaN where it is not known.
        tells: (h, w) pixels around which a change would mean something: no edge of depth, nor the robot or a named thing.
    """

    stamp_ns: int
    depth_m: npt.NDArray[np.float32]
    tells: BoolArray

    @staticmethod
    def of(frame: RGBDFrame, robot: BoolArray | None, named: Sequence[Region] = ()) -> Backdrop:
        """``robot``: (H, W) its pixels, None where its shape is not known; ``named``: regions of things looked for everywhere."""
        import cv2

        thin = slice(None, None, _THIN)
        depth_m = frame.depth_within(thin, thin).copy()
        known = np.nan_to_num(depth_m, nan=0.0)
        around = np.ones((3, 3), np.uint8)
        jumps = cv2.dilate(known, around) - cv2.erode(known, around) > _JUMP * known
        tells = ~_grown(jumps)
        if robot is not None:
            tells &= ~_grown(robot[thin, thin])
        if named:
            tells &= ~_grown(_thin_mask(named))
        return Backdrop(frame.stamp_ns, depth_m, tells)

    def is_still(self, frame: RGBDFrame, robot: RobotState, noise: DepthNoise, named: Sequence[Region] = ()) -> bool:
        """Whether nothing that has depth came, went or moved since, but for the robot, ``named`` things and what they hide."""
        import cv2

        thin = slice(None, None, _THIN)
        by_m = frame.depth_within(thin, thin) - self.depth_m
        if by_m.shape != self.depth_m.shape:
            return False
        known = by_m == by_m
        side = (_SIDE_BY_SIDE, _SIDE_BY_SIDE)
        count = cv2.boxFilter(known.astype(np.float32), -1, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        total_m = cv2.boxFilter(np.where(known, by_m, np.float32(0)), -1, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        limit_m = np.asarray(_OFF_STDS * noise.pixel_std_m(np.nan_to_num(self.depth_m, nan=0.0)), dtype=np.float32)
        # Where depth was known and is not, something may have come that gives none.
        lost = (count < 0.5 * _SIDE_BY_SIDE**2) & (self.depth_m == self.depth_m)
        moved = ((np.abs(total_m) > limit_m * np.maximum(count, 1)) | lost) & self.tells
        if not _has_patch(moved):
            return True
        if named:
            moved &= ~_grown(_thin_mask(named))
            if not _has_patch(moved):
                return True
        if not robot.capsules:
            return False
        return not _has_patch(moved & ~_grown(robot_mask(frame, robot.capsules)[thin, thin]))


def _thin_mask(regions: Sequence[Region]) -> BoolArray:
    """(h, w) every other pixel of all of them."""
    thin = slice(None, None, _THIN)
    mask = regions[0].mask[thin, thin].copy()
    for region in regions[1:]:
        mask |= region.mask[thin, thin]
    return mask


def _has_patch(mask: BoolArray) -> bool:
    """Whether there is more than single pixels of it."""
    import cv2

    return bool(mask.any()) and bool(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).any())


def _grown(mask: BoolArray) -> BoolArray:
    """By as much as what is compared reaches, and an edge's width."""
    import cv2

    side = _SIDE_BY_SIDE + 2
    grown: BoolArray = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return grown
