"""What the engine eats: one aligned RGB-D image, and regions of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel

BoolArray = npt.NDArray[np.bool_]
# Neighbouring pixels on one surface differ by less, and so many of the eight do: of a rod two pixels wide five. As far as this
# from what is nearer a sensor mixes depths.
_FLAT_STEP_M, _ON_SURFACE, _MIXED_PX = 0.01, 4, 3


class FrameError(ValueError):
    """An image that cannot be measured. The text names the value and the cure."""


@dataclass(frozen=True)
class RGBDFrame:
    """One colour image with depth aligned to it.

    Attributes:
        stamp_ns: time of the exposure, nanoseconds.
        color: (H, W, 3) uint8, RGB.
        depth_m: (H, W) float32, metres along the optical axis, NaN where invalid; what is not above 0 or infinite becomes NaN.
        camera: intrinsics shared by both.
        frame_id: name of the optical frame.
    """

    stamp_ns: int
    color: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    camera: CameraModel
    frame_id: str

    def __post_init__(self) -> None:
        self._check(self.depth_m, np.float32)
        # Zeros and infinities stand for "nothing" in many sources; past this point only NaN does.
        nothing = (self.depth_m <= 0) | (self.depth_m == np.inf)
        if nothing.any():
            object.__setattr__(self, "depth_m", np.where(nothing, np.float32(np.nan), self.depth_m))

    def _check(self, depth: npt.NDArray[np.generic], kind: type[np.generic]) -> None:
        size = self.size
        if self.color.shape != (*size, 3) or self.color.dtype != np.uint8:
            raise FrameError(f"colour is {self.color.shape} {self.color.dtype}, expected {(*size, 3)} uint8")
        if depth.shape != size or depth.dtype != kind:
            raise FrameError(
                f"depth is {depth.shape} {depth.dtype}, expected {size} {kind.__name__}: "
                "use depth aligned to colour (realsense: align_depth.enable:=true)"
            )

    @staticmethod
    def of_millimetres(
        stamp_ns: int, color: npt.NDArray[np.uint8], depth_mm: npt.NDArray[np.uint16], camera: CameraModel, frame_id: str
    ) -> RGBDFrame:
        """The image of raw depth (H, W), as ``depth_to_metres`` reads it.

        It becomes metres when it is first looked at: on most images of a stream little is.
        """
        frame = object.__new__(RGBDFrame)
        frame.__dict__.update(stamp_ns=stamp_ns, color=color, camera=camera, frame_id=frame_id, _depth_mm=depth_mm)
        frame._check(depth_mm, np.uint16)
        return frame

    if not TYPE_CHECKING:  # it would make any name one of RGBDFrame

        def __getattr__(self, name: str) -> Any:
            raw = self.__dict__.get("_depth_mm") if name == "depth_m" else None
            if raw is None:
                raise AttributeError(f"'RGBDFrame' object has no attribute '{name}'")
            return self.__dict__.setdefault("depth_m", depth_to_metres(raw))

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), pixels."""
        return self.camera.height, self.camera.width

    def depth_within(self, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """Depth of some rows and columns: the others stay what they are."""
        raw = self.__dict__.get("_depth_mm")
        if raw is None or "depth_m" in self.__dict__:
            return self.depth_m[rows, columns]
        return depth_to_metres(raw[rows, columns])

    @property
    def coverage(self) -> float:
        """Share of pixels whose depth is valid."""
        raw = self.__dict__.get("_depth_mm")
        if raw is None:
            return float(np.count_nonzero(self.valid) / self.valid.size)
        return float((np.count_nonzero(raw) - np.count_nonzero(raw == 65535)) / raw.size)

    def part(self, rows: slice, columns: slice) -> RGBDFrame:
        """The image of some rows and columns: the same points, fewer of them. Not a copy."""
        window = rows, columns
        camera = self.camera.part(rows, columns)
        return RGBDFrame(self.stamp_ns, self.color[window], self.depth_within(rows, columns), camera, self.frame_id)

    @cached_property
    def xyz(self) -> npt.NDArray[np.float32]:
        """(H, W, 3) float32 points in the optical frame, metres, NaN where depth is invalid."""
        return self.camera.back_project(self.depth_m)

    @cached_property
    def valid(self) -> BoolArray:
        """(H, W) bool: where depth is valid."""
        return np.isfinite(self.depth_m)

    @cached_property
    def on_surface(self) -> BoolArray:
        """(H, W) bool: valid pixels but for those that hang in the air behind something: few of their eight neighbours are on one
        surface with them, and something near them is nearer.

        A sensor mixes such depth of a thing and of what lies behind it. What stands free is nearer than all that is around it.
        """
        import cv2

        depth = self.depth_m
        height, width = depth.shape
        # As steep as what a thing stands on may be seen, at a distance of 0.2 m from the camera or more.
        step_m = np.maximum(_FLAT_STEP_M, depth**2 / np.float32(0.2 * self.camera.fx))
        close = np.zeros(depth.shape, np.uint8)
        with np.errstate(invalid="ignore"):
            for dv, du in ((0, 1), (1, 0), (1, 1), (1, -1)):
                one = (slice(0, height - dv), slice(max(-du, 0), width - max(du, 0)))
                other = (slice(dv, height), slice(max(du, 0), width - max(-du, 0)))
                same = np.abs(depth[one] - depth[other]) <= step_m[one]
                close[one] += same
                close[other] += same
            around = np.ones((2 * _MIXED_PX + 1,) * 2, np.uint8)
            nearest = cv2.erode(np.where(self.valid, depth, np.float32(np.inf)), around)
            found: BoolArray = self.valid & ((close >= _ON_SURFACE) | (depth - nearest <= step_m))
        return found


def depth_to_metres(depth: npt.NDArray[np.generic], unit_m: float | None = None) -> npt.NDArray[np.float32]:
    """Raw depth (H, W) to float32 metres with NaN for invalid.

    uint16 counts ``unit_m`` (default 0.001, REP 118), 0 and 65535 invalid; float32 / float64 are metres times ``unit_m``
    (default 1), not finite or <= 0 invalid. Raises FrameError for any other dtype.
    """
    if depth.ndim != 2:
        raise FrameError(f"depth has shape {depth.shape}, expected (height, width)")
    if depth.dtype == np.uint16:
        raw: npt.NDArray[np.uint16] = depth.astype(np.uint16, copy=False)
        scaled: npt.NDArray[np.float32] = np.multiply(raw, np.float32(0.001 if unit_m is None else unit_m), dtype=np.float32)
        # 0 and 65535 are neighbours where counting wraps around.
        scaled[raw + np.uint16(1) <= 1] = np.nan
        return scaled
    if depth.dtype in (np.float32, np.float64):
        metres = depth.astype(np.float32) * np.float32(1.0 if unit_m is None else unit_m)
        metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
        return metres
    raise FrameError(f"depth is {depth.dtype}; 16-bit unsigned millimetres or 32-bit float metres are understood")


class Rims(NamedTuple):
    """Where a region ends in each row and each column of the image that it has pixels in; each (N,) intp, pixels."""

    rows: npt.NDArray[np.intp]
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    top: npt.NDArray[np.intp]
    bottom: npt.NDArray[np.intp]


#: A natural logarithm of odds beyond that, to either side, is as good as certain.
SURE_ODDS = 12.0


@dataclass(frozen=True)
class Region:
    """Pixels that somebody says are one thing.

    Attributes:
        mask: (H, W) bool.
        label: words for it, or "".
        score: in [0, 1].
        source: who said so ("tabletop", "vlm", "detector", ...).
        joined_odds: natural logarithm of the least odds at which any two pieces of it were taken for one thing: low, and it may
            be two things. NaN where nobody judged that.
        refused_odds: ... of the greatest odds at which a neighbour was not taken for a part of it: high, and a part may lack.
    """

    mask: BoolArray
    label: str = ""
    score: float = 1.0
    source: str = ""
    joined_odds: float = math.nan
    refused_odds: float = math.nan

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """(u0, v0, u1, v1), half open, pixels; all 0 for an empty mask."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return (0, 0, 0, 0)
        return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

    @cached_property
    def rims(self) -> Rims:
        """Its first and last pixel in each row and each column."""
        u0, v0, u1, v1 = self.box
        mask = self.mask[v0:v1, u0:u1]
        if not mask.size:
            return Rims(*([np.empty(0, np.intp)] * 6))
        upright = np.ascontiguousarray(mask.T)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(upright.any(axis=1))
        left, right = mask[rows].argmax(axis=1) + u0, u1 - 1 - mask[rows, ::-1].argmax(axis=1)
        top, bottom = upright[columns].argmax(axis=1) + v0, v1 - 1 - upright[columns, ::-1].argmax(axis=1)
        return Rims(rows + v0, left, right, columns + u0, top, bottom)

    @property
    def truncated(self) -> bool:
        """Whether it touches the edge of the image (so part of it may lie outside)."""
        u0, v0, u1, v1 = self.box
        height, width = self.mask.shape
        return bool(u1 > u0) and (u0 <= 1 or v0 <= 1 or u1 >= width - 1 or v1 >= height - 1)
