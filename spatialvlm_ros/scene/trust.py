"""How far a measured thing is to be trusted: what its own pixels say of errors that no noise model tells.

Most things are measured better than noise, rims and hidden faces would have it, and some far worse: two things taken for one,
a thing cut in parts, a handle or a bracket's other arm out of sight. ``Evidence`` is what shows of that, and a curve for each
kind of it, all added up, turns it into factors of the stated standard deviations and into the probability that a region is more
than one thing (a generalised additive model, Hastie and Tibshirani 1986).

The constants were fitted by ``evaluation/engine_trust.py`` (``python -m spatialvlm_ros.evaluation.engine_trust`` does it again)
on rendered scenes of seeds 600000-600159 and 610000-610159 with the three families of noise that the presets describe. Two
standard deviations are to hold 96 % of the errors there; the tails are heavier than a normal distribution's, so that one holds
more than 68 %.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .continued import continued
from .frame import BoolArray, Region, RGBDFrame
from .scene import SceneObject
from .trust_tables import CENTRE, EDGES, HEIGHT, MERGED, MERGED_AT, USUAL, Curve

# Points and pixels that are looked at: more take longer and tell no more.
_SOME_POINTS, _SOME_PIXELS = 200, 150
# What counts as the top of a thing: so near its highest points, and in standard deviations of one pixel's depth.
_TOP_M, _TOP_STDS = 0.006, 2.0
# The highest pixels of a thing are noise or another thing's: its top is where all but this share end.
_TOP_SHARE = 0.03
_FEW = 20
# Two plain things have two plain tints. Real goods are printed: above this share they are no two, and say nothing. The rendered
# scenes that the tables were fitted on hold few such things, the real mOSD frames hold little else (0.33 to 0.53).
_PRINTED = 0.3
# From this probability on a region counts as two things on each other, with ends that are off by this share of its height.
_MAY_BE_MERGED, _MERGED_SHARE = 0.1, 0.35
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
    long, short, height = float(extents[:2].max()), float(extents[:2].min()), float(extents[_UP])
    area = long * short
    size = (area * height) ** (1 / 3)
    shortest = np.minimum(np.abs(along), np.abs(extents - along)).min(axis=1)
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
        *continued(frame, region, plane, pixel_std_m),
    )  # fmt: skip


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
    z = frame.depth_m[v, u].astype(np.float64)
    known = np.isfinite(z)
    v, u, z = v[known], u[known], z[known]
    if len(v) < _FEW:
        return 0.0, 0.0, 0.0, 0.0
    chroma = cv2.cvtColor(frame.color[v, u][:, None], cv2.COLOR_RGB2LAB)[:, 0, 1:].astype(np.float64)
    chroma -= chroma.mean(axis=0)
    (first, cross), (_, second) = (chroma.T @ chroma / len(chroma)).tolist()
    chroma_std = math.sqrt(first + second)
    main = math.atan2(2 * cross, first - second) / 2
    other = _parted(chroma @ np.array([math.cos(main), math.sin(main)]))
    share = float(other.mean())
    if not 0.0 < share < 1.0:
        return chroma_std, 0.0, 0.0, 0.0
    tints_apart = float(np.linalg.norm(chroma[other].sum(axis=0))) / len(chroma) / (share * (1 - share))
    mixed = math.sqrt(max(chroma_std**2 - share * (1 - share) * tints_apart**2, 0.0)) / max(tints_apart, 1e-6)
    at = u * down[0] + v * down[1]
    at -= at.mean()
    difference = float(at[other].sum()) / len(at) / (share * (1 - share))
    within = math.sqrt(max(float(at @ at) / len(at) - share * (1 - share) * difference**2, 1.0))
    up = thing.axes[:, _UP]
    height = (frame.camera.rays[v, u] @ up[:2] + up[2]) * z
    return chroma_std, mixed, abs(difference) / within, max(_top(height) - _top(height[other == (share > 0.5)]), 0.0)


def _parted(values: FloatArray) -> BoolArray:
    """(N,) bool: the upper one of the two groups that values (N,) part into with the least spread within each (Otsu 1979)."""
    ordered = np.sort(values)
    number = np.arange(1, len(values))
    below = np.cumsum(ordered)[:-1]
    between = (below - ordered.sum() * number / len(values)) ** 2 / (number * (len(values) - number))
    return np.asarray(values > ordered[int(np.argmax(between))])


def _top(height: FloatArray) -> float:
    return float(np.sort(height)[int((1 - _TOP_SHARE) * (len(height) - 1))])


def total(curves: tuple[Curve, ...], evidence: Evidence) -> float:
    """Sum of curves at what shows of a thing."""
    return sum(curve.values[bisect_left(curve.at, getattr(evidence, curve.name))] for curve in curves)


def merged_chance(evidence: Evidence) -> float:
    """Probability that a region is more than one thing, as far as tints tell: 0 for one that is printed in many."""
    if evidence.tints_mixed > _PRINTED:
        return 0.0
    return 1 / (1 + math.exp(-MERGED_AT - total(MERGED, evidence)))


def merged_std_m(height_m: float, chance: float) -> float:
    """One standard deviation of either end of a thing that may be two on each other: which of them is meant, nobody knows."""
    return _MERGED_SHARE * height_m if chance > _MAY_BE_MERGED else 0.0


def foot_is_unseen(thing: SceneObject) -> bool:
    """Whether its foot is less certain than its top: then what shows of it does not tell how tall it is."""
    return bool(thing.lean[_UP] < 0)


def trusted(thing: SceneObject, evidence: Evidence | None) -> SceneObject:
    """The thing with standard deviations that its evidence bears out; without any (None) it passes for a usual one."""
    if evidence is None:
        (centre, edges, upright), suspect = USUAL, 0.0
    else:
        centre, edges, upright = (math.exp(total(curves, evidence)) for curves in (CENTRE, EDGES, HEIGHT))
        suspect = merged_chance(evidence)
        if foot_is_unseen(thing):
            upright = max(upright, 1.0)
    spread = merged_std_m(float(thing.extents[_UP]), suspect)
    edges_std = thing.extents_std * np.array([edges, edges, upright])
    centre_std = thing.extents_std / 2 * np.array([centre, centre, upright])
    lean = thing.lean.copy()
    lean[_UP] *= edges_std[_UP] ** 2 / max(edges_std[_UP] ** 2 + 2 * spread**2, 1e-18)
    edges_std[_UP] = math.hypot(edges_std[_UP], math.sqrt(2) * spread)
    centre_std[_UP] = edges_std[_UP] / 2
    own = (thing.axes * centre_std**2) @ thing.axes.T
    shared = thing.scale_std**2 * np.outer(thing.centre, thing.centre)
    return replace(thing, covariance=own + shared, extents_std=edges_std, lean=lean, suspect=suspect)
