"""Whether a thing moved rigidly with the tool since it was last measured: what is carried need not be measured on every image.

The points of its surface, moved as the tool moved, must be where the image shows a surface of their colour. One that shows
something behind its place speaks against it: a thing that was dropped, slipped, or was never taken is not where the tool would
have it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, RigidTransform, norm
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.noise import DepthNoise
from ..scene.scene import SceneObject, moved_by
from .grid import Window, quantiles
from .robot_state import RobotState
from .self_filter import robot_mask
from .still import COLOR_STEP, DEPTH_STDS, KEPT_NS, Known, Lead

_Kind = TypeVar("_Kind", bound=np.generic)
# So near to the tool a thing may move with it; a motion below that is none.
_HELD_M, _MOVED_M, _TURNED_RAD = 0.12, 0.0005, 0.002
# A measurement agrees with where the hand took the thing if it is as near to that; for so long beyond the time that the hand may
# be followed one that does not is doubted. One that does may be followed twice as long as the one before, up to the longest.
_AGREES_M, _DOUBT_NS, _LONGEST_NS = 0.003, KEPT_NS, 800_000_000
# So many points of the surface, and as large a share of them, must be free of the robot and have depth.
_FEWEST, _TESTABLE = 40, 0.5
# Of these so many must be as deep as they should be; of the others only few may show what is behind. Their median is known better
# than one pixel is: it may be off by so many deviations of one.
_SAME_SHARE, _BEHIND_SHARE, _OFF_STDS = 0.9, 0.04, 1.0
# Light falls on it from another side: its colour may change by more than that of what stands still.
_OTHER_COLOR, _OTHER_SHARE = 2 * COLOR_STEP, 0.1


def motion_with_tool(thing: SceneObject, before: RigidTransform | None, now: RigidTransform | None) -> RigidTransform | None:
    """How a thing moved if it did so with the tool; None where the tool was not near enough, or is not known.

    Args:
        before: camera_from_tool when the thing was where it says, metres.
        now: camera_from_tool.
    """
    if before is None or now is None:
        return None
    reach_m = _HELD_M + float(np.max(thing.extents)) / 2
    return now @ before.inverse() if norm(before.translation - thing.centre) <= reach_m else None


def lead_of(thing: SceneObject, tool: RigidTransform | None, stamp_ns: int, before: Known | None) -> Lead | None:
    """From where a hand may be followed, for a thing that was measured at ``stamp_ns``; ``before`` is what was known of it.

    That is this measurement, unless it is elsewhere than the hand took the thing since the one before: a thing that was lifted by
    a little still measures as if it stood on the table, and what is carried from there would have that error for long. One that
    is where the hand took it shows that it is held, so that the hand may be followed longer from there.
    """
    if tool is None:
        return None
    now, last = Lead(thing, tool, stamp_ns), None if before is None else before.lead
    if last is None or not 0 <= stamp_ns - last.stamp_ns < last.kept_ns + _DOUBT_NS:
        return now
    motion = motion_with_tool(last.thing, last.tool, tool)
    if motion is None:
        return now
    if norm(motion.apply(_foot(last.thing)) - _foot(thing)) > _AGREES_M:
        return last
    return now if _is_none(motion, thing) else replace(now, kept_ns=min(2 * last.kept_ns, _LONGEST_NS))


def _foot(thing: SceneObject) -> FloatArray:
    """(3,) the middle of its lower face."""
    foot: FloatArray = thing.centre - thing.axes[:, 2] * (thing.extents[2] / 2)
    return foot


def carried(known: Known, frame: RGBDFrame, robot: RobotState, noise: DepthNoise) -> tuple[SceneObject, Region] | None:
    """Where a thing is by the tool's motion since it was measured, with its pixels; None where the image does not confirm that.

    The pixels are those of the measurement, moved as its centre is.
    """
    thing, region = known.as_measured
    if region is None or known.color is None or thing.truncated:
        return None
    if known.lead is None or known.lead.stamp_ns != known.stamp_ns or frame.stamp_ns - known.stamp_ns >= known.lead.kept_ns:
        return None
    motion = motion_with_tool(thing, known.lead.tool, robot.camera_from_tool)
    if motion is None or _is_none(motion, thing):
        return None
    moved = _moved(thing, motion)
    ends = frame.camera.project(np.stack([thing.centre, moved.centre]))
    if not np.isfinite(ends).all() or not _is_confirmed(known, thing, moved, frame, robot, noise):
        return None
    du, dv = np.rint(ends[1] - ends[0]).astype(int).tolist()
    shifted = _shifted(region, du, dv)
    return None if shifted is None else (moved, shifted)


def _is_none(motion: RigidTransform, thing: SceneObject) -> bool:
    turned = float(np.abs(motion.rotation - np.eye(3)).max())
    return norm(motion.apply(thing.centre) - thing.centre) <= _MOVED_M and turned <= _TURNED_RAD


def _moved(thing: SceneObject, motion: RigidTransform) -> SceneObject:
    """Moved in the camera's frame; the error of scale is along the new ray, in which all things of the image share it."""
    moved = moved_by(thing, motion)
    shared = thing.scale_std**2 * np.outer(moved.centre, moved.centre)
    return replace(moved, covariance=motion.rotate_covariance(thing.own_covariance) + shared)


@dataclass(frozen=True)
class _Looked:
    """Pixels of points: (N,) rows and columns, where they lie within the image."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]

    @staticmethod
    def at(points: npt.NDArray[np.float32], frame: RGBDFrame) -> _Looked | None:
        """None where one is outside of the image."""
        pixels = frame.camera.project(points)
        height, width = frame.size
        if not len(pixels) or not np.isfinite(pixels).all():
            return None
        columns, rows = np.rint(pixels).astype(np.intp).T
        inside = rows.min() >= 0 and columns.min() >= 0 and rows.max() < height and columns.max() < width
        return _Looked(rows, columns) if inside else None

    @property
    def window(self) -> Window:
        return slice(int(self.rows.min()), int(self.rows.max()) + 1), slice(int(self.columns.min()), int(self.columns.max()) + 1)

    def are_in(self, window: Window) -> bool:
        """Whether all of them lie in the window."""
        own = self.window
        return all(outer.start <= inner.start and inner.stop <= outer.stop for inner, outer in zip(own, window, strict=True))

    def of(self, values: npt.NDArray[_Kind], window: Window) -> npt.NDArray[_Kind]:
        """(N, ...) of what the ``window`` shows."""
        rows, columns = window
        picked: npt.NDArray[_Kind] = values[self.rows - int(rows.start), self.columns - int(columns.start)]
        return picked


def _is_confirmed(
    known: Known, thing: SceneObject, moved: SceneObject, frame: RGBDFrame, robot: RobotState, noise: DepthNoise
) -> bool:
    """Whether the image shows the surface of a thing where it would be if it ``moved`` so."""
    before, now = _Looked.at(thing.points, frame), _Looked.at(moved.points, frame)
    if before is None or now is None or known.color is None or not before.are_in(known.window):
        return False
    window = now.window
    behind_m = now.of(frame.depth_within(*window), window) - moved.points[:, 2]
    color, was = now.of(frame.color[window], window).astype(np.int16), before.of(known.color, known.window)
    other = np.abs(color - was).max(axis=1) > _OTHER_COLOR
    one_m = float(noise.pixel_std_m(moved.centre[2]))
    shown = behind_m == behind_m
    if _is_same(shown, behind_m, other, one_m):
        return True
    if not robot.capsules:
        return False
    shown &= ~now.of(robot_mask(frame, robot.capsules, within=window)[window], window)
    return _is_same(shown, behind_m, other, one_m)


def _is_same(shown: BoolArray, behind_m: npt.NDArray[np.float32], other: BoolArray, one_m: float) -> bool:
    """Whether enough of the surface, (N,) points, is ``shown`` as deep as it should be and of its colour."""
    number = int(np.count_nonzero(shown))
    if number < max(_FEWEST, _TESTABLE * len(shown)) or np.count_nonzero(other & shown) > _OTHER_SHARE * number:
        return False
    return _is_as_deep(behind_m[shown], one_m)


def _is_as_deep(behind_m: npt.NDArray[np.float32], one_m: float) -> bool:
    """Whether (N,) points with noise of ``one_m`` are where they should be, by how far behind that the image shows a surface."""
    limit_m = DEPTH_STDS * one_m
    is_behind, is_before = np.count_nonzero(behind_m > limit_m), np.count_nonzero(behind_m < -limit_m)
    if is_behind > _BEHIND_SHARE * len(behind_m) or is_behind + is_before > (1 - _SAME_SHARE) * len(behind_m):
        return False
    return abs(float(quantiles(behind_m, (0.5,))[0])) <= _OFF_STDS * one_m


def _shifted(region: Region, du: int, dv: int) -> Region | None:
    """The region so many pixels further right and down; None where a part of it would leave the image."""
    u0, v0, u1, v1 = region.box
    height, width = region.mask.shape
    if u0 + du < 0 or v0 + dv < 0 or u1 + du > width or v1 + dv > height:
        return None
    mask: BoolArray = np.zeros_like(region.mask)
    mask[v0 + dv : v1 + dv, u0 + du : u1 + du] = region.mask[v0:v1, u0:u1]
    return replace(region, mask=mask)
