"""Looking at images in other processes: what an image shows by itself (perception/sighting.py) may be worked out anywhere.

What never changes: a sighting is the one that this process would have made, bit by bit.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..perception.robot_state import RobotState
from ..perception.sighting import Sighting, sight
from ..perception.tabletop import SupportPlane, TabletopConfig
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig
from ..synthesis.pool import prepare_worker, single_threaded

# Images that are on their way to each process: one that it works on and one that it finds ready when that is done.
EACH = 2


class SightingPool:
    """Processes that look at images of ``size`` (H, W), which are put where all see them: sending them would take longer."""

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._table = _Table(context, EACH * count, size)
        self._pool = ProcessPoolExecutor(count, context, _prepare_with, (self._table,))
        self._places: list[Future[PackedSighting] | None] = [None] * (EACH * count)

    def sight(
        self, frame: RGBDFrame, robot: RobotState, segment: TabletopConfig, measure: MeasureConfig
    ) -> Future[PackedSighting] | None:
        """What one of them will see on an image (see ``result_of``); None while all have enough to do, or when they are gone."""
        place = next((index for index, future in enumerate(self._places) if future is None or future.done()), None)
        if place is None or frame.depth_m.shape != self._table.size:
            return None
        self._table.put(place, frame)
        # Processes start with their first task; threads of their libraries would only be in each other's way.
        with single_threaded(), suppress(BrokenExecutor):
            about = (place, frame.stamp_ns, frame.camera, frame.frame_id)
            self._places[place] = self._pool.submit(_packed_sighting, about, robot, segment, measure)
            return self._places[place]
        return None

    def end(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Table:
    """Places for images in memory that all processes share; it goes with the last of them."""

    def __init__(self, context: SpawnContext, places: int, size: tuple[int, int]) -> None:
        self.size, self._places = size, places
        self._memory = context.RawArray("B", places * 7 * size[0] * size[1])

    def put(self, place: int, frame: RGBDFrame) -> None:
        color, depth_m = self._arrays(place)
        color[...], depth_m[...] = frame.color, frame.depth_m

    def frame(self, place: int, stamp_ns: int, camera: CameraModel, frame_id: str) -> RGBDFrame:
        """What lies there now, not a copy."""
        color, depth_m = self._arrays(place)
        return RGBDFrame(stamp_ns, color, depth_m, camera, frame_id)

    def _arrays(self, place: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        height, width = self.size
        pixels = height * width
        # All depth before all colour, so that floats begin where floats may.
        depth_m = np.frombuffer(self._memory, np.float32, pixels, 4 * place * pixels).reshape(height, width)
        color = np.frombuffer(self._memory, np.uint8, 3 * pixels, (4 * self._places + 3 * place) * pixels)
        return color.reshape(height, width, 3), depth_m


def result_of(future: Future[PackedSighting] | None) -> Sighting | None:
    """What a process has found; nothing of one that died. Raises what looking raised."""
    if future is None:
        return None
    try:
        return _unpacked(future.result())
    except BrokenExecutor:
        return None


# -- in another process -------------------------------------------------------------------------------------------------------

_shared: dict[str, _Table] = {}


def _prepare_with(table: _Table) -> None:
    """In a new process."""
    prepare_worker()
    _shared["table"] = table


@dataclass(frozen=True)
class _Mask:
    """A mask (H, W) as the bits of the window that holds all of it: a fiftieth of its bytes."""

    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    bits: npt.NDArray[np.uint8]

    @staticmethod
    def of(mask: BoolArray, box: tuple[int, int, int, int] | None = None) -> _Mask:
        height, width = mask.shape
        u0, v0, u1, v1 = box or (0, 0, width, height)
        return _Mask((height, width), (u0, v0, u1, v1), np.packbits(mask[v0:v1, u0:u1]))

    def whole(self) -> BoolArray:
        u0, v0, u1, v1 = self.box
        size = (v1 - v0) * (u1 - u0)
        window = np.unpackbits(self.bits, count=size).view(np.bool_).reshape(v1 - v0, u1 - u0)
        if window.shape == self.shape:
            return window
        mask = np.zeros(self.shape, dtype=np.bool_)
        mask[v0:v1, u0:u1] = window
        return mask


@dataclass(frozen=True)
class PackedSighting:
    """A sighting without its masks, and those: of the robot, of the support plane, of each region."""

    sighting: Sighting
    robot: _Mask | None
    support: _Mask | None
    regions: list[_Mask]


_NO_MASK = np.zeros((0, 0), dtype=np.bool_)


def _packed_sighting(
    about: tuple[int, int, CameraModel, str], robot: RobotState, segment: TabletopConfig, measure: MeasureConfig
) -> PackedSighting:
    """In another process, of the image in a place of the table."""
    found = sight(_shared["table"].frame(*about), robot, segment, measure)
    support = found.segmentation.plane
    light = replace(
        found.segmentation,
        plane=None if support is None else replace(support, inliers=_NO_MASK),
        regions=[replace(region, mask=_NO_MASK) for region in found.segmentation.regions],
    )
    return PackedSighting(
        replace(found, robot=None, segmentation=light),
        None if found.robot is None else _Mask.of(found.robot),
        None if support is None else _Mask.of(support.inliers),
        [_Mask.of(region.mask, region.box) for region in found.segmentation.regions],
    )


def _unpacked(packed: PackedSighting) -> Sighting:
    segmentation = packed.sighting.segmentation
    plane: SupportPlane | None = None
    if segmentation.plane is not None and packed.support is not None:
        plane = replace(segmentation.plane, inliers=packed.support.whole())
    regions: list[Region] = [
        replace(region, mask=mask.whole()) for region, mask in zip(segmentation.regions, packed.regions, strict=True)
    ]
    robot = None if packed.robot is None else packed.robot.whole()
    return replace(packed.sighting, robot=robot, segmentation=replace(segmentation, plane=plane, regions=regions))
