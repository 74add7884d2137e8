"""How far a measured thing is to be trusted: what its own pixels say of errors that no noise model tells.

Most things are measured better than noise, rims and hidden faces would have it, and some far worse: two things taken for one,
a thing cut in parts, a handle or a bracket's other arm out of sight. ``Evidence`` is what shows of that, of the thing and of each
axis of its box, and small trees over it (``models/trust``; the card there tells what they were fitted on) turn it into factors of
the stated standard deviations and into the probability that a region is more than one thing. ``python -m
spatialvlm_ros.evaluation.engine_trust`` fits them again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, norm
from .box import UP
from .continued import continued
from .frame import SURE_ODDS, BoolArray, Region, RGBDFrame
from .noise import DepthNoise
from .scene import SceneObject
from .trust_axes import LEAST_STD_M, AxisEvidence, axes_evidence
from .trust_trees import SUMS, TrustTrees, shipped_trust

_SIDE, _MERGED = SUMS.index("side"), SUMS.index("merged")

# Points and pixels that are looked at: more take longer and tell no more.
_SOME_POINTS, _SOME_PIXELS = 200, 150
# What counts as the top of a thing: so near its highest points, and in standard deviations of one pixel's depth.
_TOP_M, _TOP_STDS = 0.006, 2.0
# The highest pixels of a thing are noise or another thing's: its top is where all but this share end.
_TOP_SHARE = 0.03
_FEW = 20
# Two plain things have two plain tints. Real goods are printed: above this share they look like two where they are one, and the
# logarithm of the odds is that much less. The rendered scenes that the trees were fitted on hold few such things, the real mOSD
# frames hold little else (0.33 to 0.53).
_PRINTED, _PRINT_ODDS = 0.3, 2.0
# From the first probability on a region may be two things on each other, from the second on it counts as two, with ends that are
# off by this share of its height; in between by less, so that the same thing on the next image is not another case. Two
# deviations leave out one error of twenty-two: what is less likely than that need not be within them.
_MAY_BE_MERGED, _IS_MERGED, _MERGED_SHARE = 0.03, 0.15, 0.35
# No deviation is taken to be more times too small: few rendered things tell of more, and real ones have prints, which these lack.
_MOST = 3.0
# A foot that is less certain than that is a guess of where a thing stands, and what shows of the thing does not mend it.
_FOOT_GUESSED_M = 0.01
# No foot is known better than that, nor better than a sheet is thick that seems to lie beside it: the rendered scenes have no
# sheets under their things, so that no evidence of theirs tells.
_SHEET_M = 0.0007
# Noise that neighbouring pixels share comes from a window that is matched, and near things swell by its half: a pixel and a half
# is one standard deviation of a small window's. From the first share on it is more than the presets', from the second on all.
_SWELLS_PX, _SHARED_FROM, _SHARED_TO = 1.5, 0.45, 0.95
# Where a thing ends behind it nobody sees: what a box that stands turned is too deep or too shallow by moves its middle along
# both of its level axes alike. The correlation of these errors for one that shows two sides alike (of things of seeds 646000 to
# 646011 that do: 0.4 to 0.7 with noise of the presets, 0.2 to 0.5 with other noise; of those that show one side: none).
_BEHIND_ALIKE = 0.5
# How many of the sides that swell each edge of a box has: a thing's foot is on what it stands on, and its upper rim, which the
# camera looks down on, moves by more than a pixel is wide. Two sides do not swell quite alike, which moves the middle by this
# share of one.
_SIDES, _UNLIKE = np.array([2.0, 2.0, 1.4]), 0.35


class ThingEvidence(NamedTuple):
    """What shows of how well a thing as a whole can have been measured.

    Attributes:
        chroma_std: spread of its colours, in units of 8-bit CIE L*a*b*'s a and b.
        tints_mixed: spread of colours within its two main tints, as a share of how far those are apart.
        tints_apart: how far its two main tints part along the image's down, in standard deviations within each.
        top_of_other: how much higher than its larger tint its smaller one reaches, as a share of its size.
        level_ratio, up_ratio: logarithm of its longer by its shorter level edge, and of its height by the mean of those.
        misfit: how far its visible points lie from its box's faces, as a share of its size.
        seen_fill, mirrored_fill: share of the box's footprint that the outline of the visible points fills, without and with
            their mirror images.
        hollow: share of its silhouette's convex hull that it leaves free.
        ball: 1 for a ball, else 0.
        looked_down_rad: how steeply the camera looks down on it.
        top_share, top_fill: share of the visible points that are at its top, and of the footprint that those span.
        side_covered, top_covered, foot_covered: share of its left or right, upper and lower rim behind which more of it may lie.
        truncated: 1 where it touches the image's edge, else 0.
        size_noise, pixels: logarithm of its size in standard deviations of a pixel's depth, and of its number of pixels.
        level_std, height_std: logarithm of the stated deviation of its longer level edge and of its height, by its size.
        joined, goes_on: share of its rim beyond which something stands at its own depth, of any colour, and of its own.
        foot_std, top_std: logarithm of the stated deviation of its lower and of its upper end, by its size.
        joined_odds, refused_odds: as in ``Region``; as sure as can be where nobody judged.
        raised: how high it stands above the support, by its size.
        noise: logarithm of one pixel's stated deviation there, metres.
    """

    chroma_std: float
    tints_mixed: float
    tints_apart: float
    top_of_other: float
    level_ratio: float
    up_ratio: float
    misfit: float
    seen_fill: float
    mirrored_fill: float
    hollow: float
    ball: float
    looked_down_rad: float
    top_share: float
    top_fill: float
    side_covered: float
    top_covered: float
    foot_covered: float
    truncated: float
    size_noise: float
    pixels: float
    level_std: float
    height_std: float
    joined: float
    goes_on: float
    foot_std: float
    top_std: float
    joined_odds: float
    refused_odds: float
    raised: float
    noise: float


#: What the trees ask about: the evidence of a thing, that of one axis of its box, and how far an end of that axis faces away from
#: the camera: the cosine with the line of sight; 0 for both ends.
NAMES = (*ThingEvidence._fields, *AxisEvidence._fields, "facing")


@dataclass(frozen=True)
class Evidence:
    """All that shows of how well a thing can have been measured.

    Attributes:
        axes: of each axis of its box, the third is up.
        facing: cosine of the angle between each level axis and the line of sight.
        swollen_m: one standard deviation of how far a matching window may have moved one side of its outline; 0 for noise as the
            presets have it.
        sheet_m: how thick a sheet may lie under it for all that is seen beside it; infinite for what hangs in the air.
        unlike: how far the noise is another one than its law says, as in ``DepthNoise``.
    """

    thing: ThingEvidence
    axes: tuple[AxisEvidence, AxisEvidence, AxisEvidence]
    facing: tuple[float, float] = (0.0, 0.0)
    swollen_m: float = 0.0
    sheet_m: float = 0.0
    unlike: float = 0.0

    def asked(self) -> FloatArray:
        """(7, F) what ``NAMES`` are for each axis, then for the low end of the two level ones, then for their high end."""
        ends = [(axis, sign * facing) for sign in (-1, 1) for axis, facing in zip(self.axes[:UP], self.facing, strict=True)]
        return np.array([(*self.thing, *axis, facing) for axis, facing in (*((axis, 0.0) for axis in self.axes), *ends)])

    @property
    def swollen_std_m(self) -> FloatArray:
        """(3,) one standard deviation of each edge that comes from that; both of a level edge's ends move outward alike."""
        return self.swollen_m * _SIDES

    @property
    def unlike_std_m(self) -> float:
        """One standard deviation of the middle between two sides that comes from that."""
        return self.swollen_m * _UNLIKE


def swollen_m(shared: float, pixel_m: float) -> float:
    """One standard deviation of how far one side of an outline lies off, metres.

    Args:
        shared: of the noise, as in ``DepthNoise``.
        pixel_m: a pixel's footprint at the thing.
    """
    return _SWELLS_PX * pixel_m * min(max((shared - _SHARED_FROM) / (_SHARED_TO - _SHARED_FROM), 0.0), 1.0)


def evidence_of(
    frame: RGBDFrame,
    region: Region,
    thing: SceneObject,
    points: npt.NDArray[np.float32],
    covered: FloatArray,
    pixel_std_m: float,
    down: FloatArray,
    looked_down_rad: float,
    is_ball: bool,
    plane: FloatArray,
    faces_std_m: FloatArray,
    noise: DepthNoise,
    sheet_m: float,
) -> Evidence:
    """The evidence of a thing that stands upright.

    Args:
        points: (N, 3) of its visible surface, optical frame, metres.
        covered: (4,) share of its left, right, upper and lower rim behind which more of it may lie.
        pixel_std_m: standard deviation of one pixel's depth at the thing.
        down: (2,) unit vector (u, v) of -up on the image.
        plane: (4,) n, d of the support plane, n up, metres; NaN when there is none.
        faces_std_m: (3, 2) standard deviation of each low and high face of its box.
        noise: with what neighbouring pixels share of it.
        sheet_m: as in ``Evidence``.
    """
    some = points[:: max(1, len(points) // _SOME_POINTS)].astype(np.float64)
    extents = thing.extents
    along = (some - thing.centre) @ thing.axes + extents / 2
    (short, long), height = sorted(extents[:2].tolist()), float(extents[UP])
    area = long * short
    size = (area * height) ** (1 / 3)
    top_share, top_area = _at_top(along, height, pixel_std_m)
    seen, mirrored = _outline_areas(along[:, :2], extents[:2])
    chroma_std, mixed, apart, top_of_other = _tints(frame, region, thing, down)
    joined, goes_on = continued(frame, region, plane, pixel_std_m)
    foot_std, top_std = (math.log(max(std, LEAST_STD_M) / size) for std in ends_std_m(thing))
    foot_m = float(plane[:3] @ (thing.centre - thing.axes[:, UP] * (height / 2)) + plane[3])
    of_thing = ThingEvidence(
        chroma_std, mixed, apart, top_of_other / size, math.log(long / short), math.log(height / math.sqrt(area)),
        _misfit_m(along, extents, pixel_std_m) / size, seen / area, mirrored / area,
        1.0 - thing.visible_share if math.isfinite(thing.visible_share) else 0.0, float(is_ball), looked_down_rad,
        top_share, top_area / area, float(covered[:2].max()), float(covered[2]), float(covered[3]), float(thing.truncated),
        math.log(size / pixel_std_m), math.log(max(thing.num_points, 1)), math.log(float(thing.extents_std[:2].max()) / size),
        math.log(float(thing.extents_std[UP]) / size), joined, goes_on, foot_std, top_std,
        SURE_ODDS if math.isnan(region.joined_odds) else region.joined_odds,
        -SURE_ODDS if math.isnan(region.refused_odds) else region.refused_odds,
        foot_m / size if math.isfinite(foot_m) else 0.0, math.log(pixel_std_m),
    )  # fmt: skip
    swollen = swollen_m(noise.shared, float(thing.centre[2]) / frame.camera.fx)
    first, second = (thing.centre @ thing.axes[:, :UP] / max(norm(thing.centre), 1e-9)).tolist()
    axes = axes_evidence(thing, along, size, faces_std_m)
    return Evidence(of_thing, axes, (first, second), swollen, sheet_m, noise.unlike)


def _misfit_m(along: FloatArray, extents: FloatArray, pixel_std_m: float) -> float:
    """How far points (N, 3) along a box's axes lie from its nearest faces, root mean square, less their noise."""
    shortest = np.minimum.reduce(np.minimum(np.abs(along), np.abs(extents - along)).T)
    return math.sqrt(max(float(shortest @ shortest) / len(along) - pixel_std_m**2 / 4, 0.0))


def _at_top(along: FloatArray, height_m: float, pixel_std_m: float) -> tuple[float, float]:
    """Share of points (N, 3) along a box's axes that are at its top, and the area of the footprint that those span."""
    at_top = along[:, UP] > height_m - _TOP_M - _TOP_STDS * pixel_std_m
    top = along[at_top, :2]
    span = top.max(axis=0) - top.min(axis=0) if len(top) else np.zeros(2)
    return len(top) / len(along), float(span[0] * span[1])


def ends_std_m(thing: SceneObject) -> tuple[float, float]:
    """One standard deviation of where a thing's lower and its upper end are."""
    std, lean = float(thing.extents_std[UP]), float(thing.lean[UP])
    return std * math.sqrt(max(1 - lean, 0.0) / 2), std * math.sqrt(max(1 + lean, 0.0) / 2)


def _outline_areas(points: FloatArray, extents: FloatArray) -> tuple[float, float]:
    """Area of the convex hull of points (N, 2), and of that of them and their mirror images in a box of ``extents`` (2,)."""
    import cv2

    hull = cv2.convexHull(points.astype(np.float32))
    both = cv2.convexHull(np.concatenate([hull, extents.astype(np.float32) - hull]))
    return float(cv2.contourArea(hull)), float(cv2.contourArea(both))


def _tints(frame: RGBDFrame, region: Region, thing: SceneObject, down: FloatArray) -> tuple[float, float, float, float]:
    """Spread of a region's colours, and of those within its two main tints as a share of how far these are apart; how far the two
    part along ``down`` (2,), and how much higher than the larger one the smaller one reaches, metres.
    """
    import cv2

    u0, v0, u1, v1 = region.box
    step = max(1, int(math.sqrt(thing.num_points / _SOME_PIXELS)))
    v, u = np.nonzero(region.mask[v0:v1:step, u0:u1:step])
    v, u = v * step + v0, u * step + u0
    place = v * frame.depth_m.shape[1] + u
    z = frame.depth_m.ravel().take(place).astype(np.float64)
    known = np.isfinite(z)
    if not known.all():
        v, u, z, place = v[known], u[known], z[known], place[known]
    if len(v) < _FEW:
        return 0.0, 0.0, 0.0, 0.0
    color = frame.color.reshape(-1, 3).take(place, axis=0)
    chroma = cv2.cvtColor(color[:, None], cv2.COLOR_RGB2LAB)[:, 0, 1:].astype(np.float64)
    chroma -= chroma.mean(axis=0)
    (first, cross), (_, second) = (chroma.T @ chroma / len(chroma)).tolist()
    chroma_std = math.sqrt(first + second)
    main = math.atan2(2 * cross, first - second) / 2
    other = _parted(chroma @ np.array([math.cos(main), math.sin(main)]))
    share = np.count_nonzero(other) / len(other)
    if not 0.0 < share < 1.0:
        return chroma_std, 0.0, 0.0, 0.0
    tints_apart = norm(np.add.reduce(chroma[other])) / len(chroma) / (share * (1 - share))
    mixed = math.sqrt(max(chroma_std**2 - share * (1 - share) * tints_apart**2, 0.0)) / max(tints_apart, 1e-6)
    at = u * down[0] + v * down[1]
    at -= at.mean()
    difference = float(np.add.reduce(at[other])) / len(at) / (share * (1 - share))
    within = math.sqrt(max(float(at @ at) / len(at) - share * (1 - share) * difference**2, 1.0))
    up = thing.axes[:, UP]
    height = (frame.camera.rays.reshape(-1, 2).take(place, axis=0) @ up[:2] + up[2]) * z
    return chroma_std, mixed, abs(difference) / within, max(_top(height) - _top(height[other == (share > 0.5)]), 0.0)


def _parted(values: FloatArray) -> BoolArray:
    """(N,) bool: the upper one of the two groups that values (N,) part into with the least spread within each (Otsu 1979)."""
    ordered = np.sort(values)
    number = np.arange(1, len(values))
    below = np.cumsum(ordered)[:-1]
    between = (below - ordered.sum() * number / len(values)) ** 2 / (number * (len(values) - number))
    return np.asarray(values > ordered[int(np.argmax(between))])


def _top(height: FloatArray) -> float:
    at = int((1 - _TOP_SHARE) * (len(height) - 1))
    return float(np.partition(height, at)[at])


def merged_chance(evidence: ThingEvidence, log_odds: float) -> float:
    """Probability that a region is more than one thing, by what the trees say, and less for one that is printed in many tints."""
    return 1 / (1 + math.exp((_PRINT_ODDS if evidence.tints_mixed > _PRINTED else 0.0) - log_odds))


def merged_std_m(height_m: float, chance: float) -> float:
    """One standard deviation of either end of a thing that may be two on each other: which of them is meant, nobody knows."""
    return _MERGED_SHARE * height_m * min(max((chance - _MAY_BE_MERGED) / (_IS_MERGED - _MAY_BE_MERGED), 0.0), 1.0)


def kept_foot_std_m(thing: SceneObject, sheet_m: float = 0.0) -> float:
    """What its foot is uncertain by that no other evidence mends: a sheet under it, all of it where it hangs in the air.

    ``sheet_m`` as in ``Evidence``. In the rendered scenes all things stand, where most feet are known far better than stated.
    """
    return min(ends_std_m(thing)[0], max(sheet_m, _SHEET_M))


def foot_is_guessed(thing: SceneObject) -> bool:
    """Whether its foot is so much less certain than its top that what shows of it does not tell how tall it is."""
    foot_std, top_std = ends_std_m(thing)
    return foot_std > max(top_std, _FOOT_GUESSED_M)


def trusted(thing: SceneObject, shown: Evidence | None, by: TrustTrees | None = None) -> SceneObject:
    """The thing with standard deviations that its evidence bears out; without any (None) it passes for a usual one.

    ``by`` are the trees that judge it; None for those of the package.
    """
    trees = shipped_trust() if by is None else by
    if shown is None:
        (middle, flat, upright), suspect, swollen, unlike, sheet_m = trees.usual, 0.0, np.zeros(3), 0.0, 0.0
        centre, edges, sides = np.array([middle, middle]), np.array([flat, flat]), np.zeros((2, 2))
    else:
        told = trees(shown.asked())
        suspect = merged_chance(shown.thing, float(told[UP, _MERGED]))
        told = np.minimum(told[:, :_MERGED] + shown.unlike * trees.elsewhere, math.log(_MOST))
        factors, sides, sheet_m = np.exp(told[: UP + 1]), told[UP + 1 :, _SIDE].reshape(2, 2).T, shown.sheet_m
        swollen, unlike = shown.swollen_std_m, shown.unlike_std_m
        # An edge that nobody sees is a guess, which no pixel makes worse.
        most = np.where(thing.extents_std > thing.extents, 1.0, _MOST)[:UP, None]
        level = np.minimum(factors[:UP, :2], most)
        centre, edges, upright = level[:, 0], level[:, 1], float(factors[UP, 2])
        upright = max(upright, 1.0) if foot_is_guessed(thing) else upright
    spread = merged_std_m(float(thing.extents[UP]), suspect)
    # Each end of its height errs on its own; what makes its outline swell moves the upper one.
    (foot_std, top_std), kept = ends_std_m(thing), kept_foot_std_m(thing, sheet_m)
    low = math.sqrt(kept**2 + upright**2 * max(foot_std**2 - kept**2, 0.0) + spread**2)
    high = math.sqrt(upright**2 * top_std**2 + spread**2 + float(swollen[UP]) ** 2)
    height_std = math.hypot(low, high)
    edges_std = np.append(np.hypot(thing.extents_std[:UP] * edges, swollen[:UP]), height_std)
    centre_std = np.append(np.hypot(thing.extents_std[:UP] / 2 * centre, unlike), height_std / 2)
    lean = thing.lean.copy()
    lean[UP] = (high**2 - low**2) / max(height_std**2, 1e-18)
    own = thing.axes @ _of_the_middle(thing, centre_std) @ thing.axes.T
    shared = thing.scale_std**2 * (thing.centre[:, None] * thing.centre)
    return replace(thing, covariance=own + shared, extents_std=edges_std, lean=lean, suspect=suspect, sides=sides)


def _of_the_middle(thing: SceneObject, stds_m: FloatArray) -> FloatArray:
    """(3, 3) covariance of a box's middle along its axes, of the deviations (3,) along each."""
    first, second = (thing.centre @ thing.axes[:, :UP]).tolist()
    alike = _BEHIND_ALIKE * 2 * first * second / max(first**2 + second**2, 1e-12)
    covariance = np.diag(stds_m**2)
    covariance[0, 1] = covariance[1, 0] = alike * stds_m[0] * stds_m[1]
    return covariance
