"""How far a measured thing is to be trusted: what its own pixels say of errors that no noise model tells.

Most things are measured better than noise, rims and hidden faces would have it, and some far worse: two things taken for one,
a thing cut in parts, a handle or a bracket's other arm out of sight. ``Evidence`` is what shows of that, and small trees over it
(``models/trust``; the card there tells what they were fitted on) turn it into factors of the stated standard deviations and into
the probability that a region is more than one thing. ``python -m spatialvlm_ros.evaluation.engine_trust`` fits them again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, norm
from .continued import continued
from .frame import SURE_ODDS, BoolArray, Region, RGBDFrame
from .scene import SceneObject
from .trust_trees import shipped_trust

# Points and pixels that are looked at: more take longer and tell no more.
_SOME_POINTS, _SOME_PIXELS = 200, 150
# What counts as the top of a thing: so near its highest points, and in standard deviations of one pixel's depth.
_TOP_M, _TOP_STDS = 0.006, 2.0
# The highest pixels of a thing are noise or another thing's: its top is where all but this share end.
_TOP_SHARE = 0.03
_FEW = 20
# Two plain things have two plain tints. Real goods are printed: above this share they are no two, and say nothing. The rendered
# scenes that the trees were fitted on hold few such things, the real mOSD frames hold little else (0.33 to 0.53).
_PRINTED = 0.3
# From this probability on a region counts as two things on each other, with ends that are off by this share of its height.
_MAY_BE_MERGED, _MERGED_SHARE = 0.1, 0.35
# No end is known better.
_LEAST_STD_M = 1e-5
# No deviation is taken to be more times too small: few rendered things tell of more, and real ones have prints, which these lack.
_MOST = 3.0
# A foot that is less certain than that is a guess of where a thing stands, and what shows of the thing does not mend it.
_FOOT_GUESSED_M = 0.01
# No camera sees a sheet of twice that under a thing, and the rendered scenes have none.
_SHEET_M = 0.002
_UP = 2


class Evidence(NamedTuple):
    """What shows of how well a thing can have been measured.

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
) -> Evidence:
    """The evidence of a thing that stands upright.

    Args:
        points: (N, 3) of its visible surface, optical frame, metres.
        covered: (4,) share of its left, right, upper and lower rim behind which more of it may lie.
        pixel_std_m: standard deviation of one pixel's depth at the thing.
        down: (2,) unit vector (u, v) of -up on the image.
        plane: (4,) n, d of the support plane, n up, metres; NaN when there is none.
    """
    some = points[:: max(1, len(points) // _SOME_POINTS)].astype(np.float64)
    extents = thing.extents
    along = (some - thing.centre) @ thing.axes + extents / 2
    (short, long), height = sorted(extents[:2].tolist()), float(extents[_UP])
    area = long * short
    size = (area * height) ** (1 / 3)
    shortest = np.minimum.reduce(np.minimum(np.abs(along), np.abs(extents - along)).T)
    misfit = math.sqrt(max(float(shortest @ shortest) / len(along) - pixel_std_m**2 / 4, 0.0))
    at_top = along[:, _UP] > height - _TOP_M - _TOP_STDS * pixel_std_m
    top = along[at_top, :2]
    span = top.max(axis=0) - top.min(axis=0) if len(top) else np.zeros(2)
    seen, mirrored = _outline_areas(along[:, :2], extents[:2])
    chroma_std, mixed, apart, top_of_other = _tints(frame, region, thing, down)
    return Evidence(
        chroma_std, mixed, apart, top_of_other / size, math.log(long / short), math.log(height / math.sqrt(area)), misfit / size,
        seen / area, mirrored / area, 1.0 - thing.visible_share if math.isfinite(thing.visible_share) else 0.0, float(is_ball),
        looked_down_rad, len(top) / len(along), float(span[0] * span[1]) / area, float(covered[:2].max()), float(covered[2]),
        float(covered[3]), float(thing.truncated), math.log(size / pixel_std_m), math.log(max(thing.num_points, 1)),
        math.log(float(thing.extents_std[:2].max()) / size), math.log(float(thing.extents_std[_UP]) / size),
        *continued(frame, region, plane, pixel_std_m), *(math.log(max(std, _LEAST_STD_M) / size) for std in ends_std_m(thing)),
        *(sure if math.isnan(odds) else odds
          for odds, sure in ((region.joined_odds, SURE_ODDS), (region.refused_odds, -SURE_ODDS))),
    )  # fmt: skip


def ends_std_m(thing: SceneObject) -> tuple[float, float]:
    """One standard deviation of where a thing's lower and its upper end are."""
    std, lean = float(thing.extents_std[_UP]), float(thing.lean[_UP])
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
    up = thing.axes[:, _UP]
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


def merged_chance(evidence: Evidence, log_odds: float) -> float:
    """Probability that a region is more than one thing, by what the trees say: 0 for one that is printed in many tints."""
    return 0.0 if evidence.tints_mixed > _PRINTED else 1 / (1 + math.exp(-log_odds))


def merged_std_m(height_m: float, chance: float) -> float:
    """One standard deviation of either end of a thing that may be two on each other: which of them is meant, nobody knows."""
    return _MERGED_SHARE * height_m if chance > _MAY_BE_MERGED else 0.0


def foot_is_guessed(thing: SceneObject) -> bool:
    """Whether its foot is so much less certain than its top that what shows of it does not tell how tall it is."""
    foot_std, top_std = ends_std_m(thing)
    return foot_std > max(top_std, _FOOT_GUESSED_M)


def trusted(thing: SceneObject, evidence: Evidence | None) -> SceneObject:
    """The thing with standard deviations that its evidence bears out; without any (None) it passes for a usual one."""
    trees = shipped_trust()
    if evidence is None:
        (centre, edges, upright), suspect = trees.usual, 0.0
    else:
        *logarithms, log_odds = trees(evidence).tolist()
        centre, edges, upright = (min(math.exp(value), _MOST) for value in logarithms)
        suspect = merged_chance(evidence, log_odds)
        foot_std_m, _ = ends_std_m(thing)
        least = 1.0 if foot_is_guessed(thing) else min(_SHEET_M / max(foot_std_m, _LEAST_STD_M), 1.0)
        upright = max(upright, least)
    spread = merged_std_m(float(thing.extents[_UP]), suspect)
    edges_std = thing.extents_std * np.array([edges, edges, upright])
    centre_std = thing.extents_std / 2 * np.array([centre, centre, upright])
    lean = thing.lean.copy()
    lean[_UP] *= edges_std[_UP] ** 2 / max(edges_std[_UP] ** 2 + 2 * spread**2, 1e-18)
    edges_std[_UP] = math.hypot(edges_std[_UP], math.sqrt(2) * spread)
    centre_std[_UP] = edges_std[_UP] / 2
    own = (thing.axes * centre_std**2) @ thing.axes.T
    shared = thing.scale_std**2 * (thing.centre[:, None] * thing.centre)
    return replace(thing, covariance=own + shared, extents_std=edges_std, lean=lean, suspect=suspect)
