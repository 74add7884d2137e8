"""Which things show too little of themselves for some of their facts: the foot, a side, or most of them is out of sight.

A measurement says how sure it is of what it saw; it cannot say that it saw half a thing. The pixels beyond a mask's rim can:
something nearer hides what goes on behind it. And a box that hangs in the air although the table begins right below its mask
has a wrong foot. Engines answer with what they have; a data set can leave out what it is not sure of, so it does.
Never changes: nothing here alters a measurement, and true things of a simulator have nothing unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.foot import down_in_image, surface_below, table_below
from ..scene.frame import Region, RGBDFrame
from ..scene.hidden import COVERED, on_top
from ..scene.noise import DepthNoise
from ..scene.region_points import SIDES, hidden_sides
from ..scene.scene import Canonical, SceneObject

# Share of a side's rim that something nearer (or the image's edge) covers, from which on that side is not seen.
_COVERED = 0.25
# ... and from which on how deep the thing is cannot be told.
_MOSTLY_COVERED = 0.5
# Less of its convex hull shows a thing that is bent or cut: what is not seen of it is no mirror image of what is.
_CONVEX = 0.75
# Another region begins where it has pixels so far beyond the rim, and is nearer where its depth, found so far inside of it, is
# nearer by so much: what a thing stands on comes nearer, too, but slowly.
_BESIDE_PX, _INSIDE_PX, _IN_FRONT_M = 2, (2, 4, 7, 11, 16, 22), 0.02
# Of a box in the air, the share of the lower rim that ends on the table, from which on its foot is wrong; and how far from what
# is seen below it a box begins at most that stands on that.
_ON_PLANE, _CARRIED_M = 0.3, 0.015
# Share of its length that a mask goes on beyond its depth, from which on the box ends too early.
_EMPTY = 0.1


@dataclass(frozen=True)
class Unseen:
    """Indices of a scene's objects of which the foot, a side, how deep they are, or how high their middle is does not show."""

    foot: frozenset[int] = frozenset()
    side: frozenset[int] = frozenset()
    depth: frozenset[int] = frozenset()
    middle: frozenset[int] = frozenset()

    @property
    def any(self) -> frozenset[int]:
        """Indices of those of which anything is out of sight."""
        return self.foot | self.side | self.depth | self.middle

    def joined(self, other: Unseen) -> Unseen:
        """What either of the two says."""
        return Unseen(self.foot | other.foot, self.side | other.side, self.depth | other.depth, self.middle | other.middle)


_OF_SIZE = {
    dimension: frozenset((first, second, f"which_{first}", f"which_{second}", dimension))
    for dimension, first, second in (
        ("tall_or_short", "tall", "short"), ("wide_or_thin", "wide", "thin"), ("big_or_small", "big", "small"),
    )
}  # fmt: skip
_EXTENT = frozenset(("gap", "path_width")) | _OF_SIZE["big_or_small"]
_FOOT = (
    frozenset(("height", "elevation", "above_difference", "below_difference", "vertical_distance"))
    | _OF_SIZE["tall_or_short"] | _EXTENT
)  # fmt: skip
POINTS = frozenset(f"point_{word}" for word in ("above", "below", "left", "right", "behind", "front"))
_SIDE = frozenset(("width",)) | _OF_SIZE["wide_or_thin"] | _EXTENT | POINTS
_MIDDLE = frozenset(("above", "below", "which_above", "which_below", "above_or_below"))
# How deep a thing is stands least firm of all. Across the line of sight its deviation holds what is hidden.
_DEPTH = frozenset(("behind_difference", "front_difference", "point_behind", "point_front"))


def needs_unseen(relation: str, indices: Sequence[int], unseen: Unseen) -> bool:
    """Whether a relation of some things depends on what is not seen of one of them."""
    things = set(indices)
    return (
        (relation in _FOOT and not things.isdisjoint(unseen.foot))
        or (relation in _SIDE and not things.isdisjoint(unseen.side))
        or (relation in _DEPTH and not things.isdisjoint(unseen.depth))
        or (relation in _MIDDLE and not things.isdisjoint(unseen.middle))
    )


def parts_unseen(
    frame: RGBDFrame,
    regions: list[Region],
    things: list[SceneObject],
    canonical: Canonical | None,
    plane: FloatArray,
    noise: DepthNoise,
    ground_snap_m: float,
) -> Unseen:
    """What is out of sight of things that were measured on an image, each under the region of its place.

    Args:
        canonical: tells which way is down in the image; the image's own down without.
        plane: (4,) n, d of the support plane, metres; NaN without.
        ground_snap_m: a thing that begins less than this above the plane was measured down to it.
    """
    foot, side, depth = set[int](), set[int](), set[int]()
    owners = _owners(frame, regions)
    for index, (region, thing) in enumerate(zip(regions, things, strict=True)):
        covered = np.maximum(hidden_sides(frame, region, None, noise), _sides_behind(frame, region, owners, index + 1, noise))
        down = down_in_image(thing.centre, canonical)
        # A side of the image counts as below when it is within 45 degrees of down, and as beside when it is beyond.
        below, above = (covered[way * (SIDES @ down) > 0.7].max(initial=0.0) for way in (1, -1))
        beside = covered[np.abs(SIDES @ down) < 0.72].max(initial=0.0)
        clearance = _clearance(thing, plane)
        hangs = clearance > ground_snap_m / 2 and (
            beside > _COVERED or not _is_carried(frame, region, thing, down, plane, noise, clearance)
        )
        # Of a thing that the image cuts off, the highest or the lowest point may lie beyond.
        is_cut = thing.truncated and (beside > _MOSTLY_COVERED or above > _COVERED)
        end_empty, side_empty = _without_depth(frame, region, down)
        if below > _COVERED or hangs or is_cut or end_empty > _EMPTY:
            foot.add(index)
        is_bent = thing.visible_share < _CONVEX
        top_m = float(np.max(thing.corners() @ plane[:3] + plane[3]))
        # What stands on a thing hides the far part of its top.
        is_under = on_top(frame, region, plane, top_m) > COVERED
        if beside > _COVERED or side_empty > _EMPTY or is_bent or is_under:
            side.add(index)
        if max(below, beside) > _MOSTLY_COVERED or is_bent or is_under:
            depth.add(index)
    return Unseen(frozenset(foot), frozenset(side), frozenset(depth))


def _owners(frame: RGBDFrame, regions: Sequence[Region]) -> npt.NDArray[np.int32]:
    """(H, W) the number of the region that a pixel is of, from 1; 0 for none."""
    owners = np.zeros(frame.depth_m.shape, np.int32)
    for number, region in enumerate(regions, 1):
        owners[region.mask] = number
    return owners


def _sides_behind(
    frame: RGBDFrame, region: Region, owners: npt.NDArray[np.int32], number: int, noise: DepthNoise
) -> npt.NDArray[np.float64]:
    """(4,) share of each of a region's ``SIDES`` at which another region begins that is nearer.

    A stereo camera has no depth beside what stands in front, so that depth alone does not tell what the thing goes on behind.
    Masks have no such holes: how near the other one is, is read as far inside of it as there is some depth.
    """
    shares = np.zeros(4)
    v, u = np.nonzero(region.mask)
    for side, step in enumerate(SIDES.astype(int)):
        rim = np.stack(_outermost(v, u, int(step.sum()), along_rows=step[1] == 0))
        beside = _pixels(owners, rim + _BESIDE_PX * step[::-1, None])
        is_other = (beside > 0) & (beside != number)
        if not is_other.any():
            continue
        theirs = _first_depth(frame, owners, rim, step, beside)
        own = _first_depth(frame, owners, rim, -step, np.full_like(beside, number))
        with np.errstate(invalid="ignore"):
            nearer = theirs < own - np.maximum(3 * noise.pixel_std_m(own), _IN_FRONT_M)
        shares[side] = float((is_other & nearer).mean())
    return shares


def _first_depth(
    frame: RGBDFrame,
    owners: npt.NDArray[np.int32],
    rim: npt.NDArray[np.intp],
    step: npt.NDArray[np.int_],
    owner: npt.NDArray[np.int32],
) -> npt.NDArray[np.float32]:
    """(N,) depth of the region ``owner`` (N,) nearest to pixels ``rim`` (2, N; v and u) in a direction; NaN for none."""
    found = np.full(rim.shape[1], np.nan, np.float32)
    for off_px in _INSIDE_PX:
        there = rim + off_px * step[::-1, None]
        fits = np.isnan(found) & (_pixels(owners, there) == owner)
        found[fits] = _pixels(frame.depth_m, there)[fits]
    return found


def _pixels(image: npt.NDArray[Any], at: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Values of an image at (2, N) places, v and u; of its edge for those beyond it."""
    height, width = image.shape
    return np.asarray(image[np.clip(at[0], 0, height - 1), np.clip(at[1], 0, width - 1)])


def _outermost(
    v: npt.NDArray[np.intp], u: npt.NDArray[np.intp], sign: int, *, along_rows: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Of pixels (N,) the last one of each row, or of each column, in the direction of ``sign``."""
    line, place = (v, sign * u) if along_rows else (u, sign * v)
    order = np.lexsort((place, line))
    last = order[np.append(np.diff(line[order]) > 0, True)]
    return v[last], u[last]


def _is_carried(
    frame: RGBDFrame,
    region: Region,
    thing: SceneObject,
    down: npt.NDArray[np.float64],
    plane: FloatArray,
    noise: DepthNoise,
    clearance_m: float,
) -> bool:
    """Whether a box that begins above the plane begins on what is seen right below its mask: what carries it.

    Where the table is seen there, or what is lower than the box, its underside does not show.
    """
    if table_below(frame, region, down, plane, noise, rim_below_m=clearance_m / 2) > _ON_PLANE:
        return False
    carrier = surface_below(frame, region, down, plane, noise, float(np.linalg.norm(thing.centre)))
    return abs(carrier.height_m - clearance_m) <= max(_CARRIED_M, 3 * carrier.std_m)


def _without_depth(frame: RGBDFrame, region: Region, down: npt.NDArray[np.float64]) -> tuple[float, float]:
    """How far a mask goes on where it has no depth, as shares of its length: up or down, and to a side.

    In the shadow of what stands beside it a sensor with two eyes sees nothing of a thing, and its box ends there.
    """
    v, u = np.nonzero(region.mask)
    has_depth = frame.valid[v, u]
    if not has_depth.any():
        return 1.0, 1.0
    shares = []
    for way in (down, np.array([-down[1], down[0]])):
        along = u * way[0] + v * way[1]
        (low, high), (first, last) = (np.quantile(some, (0.01, 0.99)) for some in (along, along[has_depth]))
        shares.append(float(max(first - low, high - last, 0.0) / max(high - low, 1.0)))
    return shares[0], shares[1]


def _clearance(thing: SceneObject, plane: FloatArray) -> float:
    """How far above the plane a box begins, metres; NaN without a plane."""
    return float(np.min(thing.corners() @ plane[:3] + plane[3]))
