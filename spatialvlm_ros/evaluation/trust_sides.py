"""Tells ``engine_trust``'s trees how much more a thing's surface errs at one end of an axis than at another: of gaps and ways.

The near side of a thing is seen, the far one is guessed, and how well depends on what the thing looks like. The errors of gaps
between surfaces and of ways between outlines on rendered images say so: each is that of two ends, one of either thing. Trees that
ask about a thing, an axis and how far an end of that faces away give the logarithm of what multiplies the end's deviation; where
a direction lies between two axes, it is their mean by the squared cosines. They are grown as those of the other factors, with the
loss that asks for what one and two deviations are to hold of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.rigid import FloatArray, norm
from ..scene.nearest import NearestPairs
from ..scene.relation import along, end_covariance, end_shares, nearest_ends, side_std, up_axis
from ..scene.relations import RELATIONS
from ..scene.scene import Scene, SceneObject
from ..scene.trust import NAMES
from ..scene.trust_trees import SUMS, TrustTrees
from ..training.joint_trees import Boosting, IntArray, Slopes, grown
from .engine_scores import SIGMA_SHARES
from .trust_related import Related, stated

Grown = tuple[float, IntArray, FloatArray, FloatArray]
ASKED = ("gap", "path_width")
# How many deviations are asked for what a normal distribution's hold, what each weighs in the loss, over which difference of
# logarithms an error passes for half held, and what keeps the loss curved.
AT, _WEIGHTS, _SMOOTH, _LEAST_CURVE, _LEAST_ERROR_M = (1.0, 2.0), (1.0, 2.0), 0.25, 0.05, 1e-5
# Depth that is stated with less noise than that is exact: between the preset of that name and the others at any distance.
_EXACT_NOISE = round(float(np.log(8e-4)), 5)
_SIDES = Boosting(trees=60, depth=5, rate=0.15, ridge=20.0, share=0.6, tried=0.6)
# Outlines that overlap have no way between them, whatever their deviations.
_NO_WAY_M = 1e-6


@dataclass(frozen=True)
class Ends:
    """The two ends of N gaps and ways between T things.

    Attributes:
        evidence: (4 T, F) of the low ends of a thing's two level axes, of the high ones, and so for each thing.
        error: (N,) metres.
        other: (N,) variance that is of no end, square metres.
        variance: (N, 2) of either end, square metres.
        index, share: (N, 2, 2) which evidence tells of either end, and how much each of the two counts.
    """

    evidence: FloatArray
    error: FloatArray
    other: FloatArray
    variance: FloatArray
    index: IntArray
    share: FloatArray


def ends_of(images: Sequence[Related], trees: TrustTrees) -> Ends:
    """The ends of all gaps and ways that have a direction, with deviations by trees that tell no sides apart."""
    evidence: list[FloatArray] = []
    rows = []
    for image in images:
        first = len(evidence)
        objects = stated(image.things, trees)
        evidence += [shown.asked()[3:] if shown is not None else np.zeros((4, len(NAMES))) for _, shown in image.things]
        scene = replace(image.scene, objects=tuple(objects), pairs=NearestPairs())
        for (_, name, which), error in zip(image.asked, image.error.tolist(), strict=True):
            if name in ASKED and all(image.things[i][1] is not None for i in which):
                rows += [
                    (error, other, variances, 4 * (first + np.array(which))[:, None] + index, share)
                    for other, variances, index, share in _between(scene, name, *(objects[i] for i in which))
                ]
    error, other, variance, index, share = (np.array([row[i] for row in rows]) for i in range(5))
    asked = np.concatenate([np.zeros((0, len(NAMES))), *evidence])
    return Ends(
        asked, error, other, variance.reshape(-1, 2), index.reshape(-1, 2, 2).astype(np.intp), share.reshape(-1, 2, 2)
    )  # fmt: skip


def _between(
    scene: Scene, name: str, a: SceneObject, b: SceneObject
) -> Iterator[tuple[float, tuple[float, float], IntArray, FloatArray]]:
    """What is of no end of a gap or a way, what is of either one, and which ends of axes those are, by how far."""
    found = RELATIONS[name].measure(scene, a, b)
    way = found.object_point - found.subject_point
    if name == "path_width":
        up = up_axis(scene)
        way = way - (up @ way) * up
    if not found.error or norm(way) < _NO_WAY_M:
        return
    towards = way / norm(way)
    sides = ((a, towards), (b, -towards))
    if name == "gap":
        ends = zip(sides, nearest_ends(scene, a, b), strict=True)
        stds = [along(way, end_covariance(thing, end_shares(thing, index, way))) for (thing, way), index in ends]
    else:
        stds = [side_std(thing, way) for thing, way in sides]
    cosines = np.array([way @ thing.axes[:, :2] for thing, way in sides])
    first, second = stds[0] ** 2, stds[1] ** 2
    index = np.arange(2) + 2 * (cosines > 0)
    yield max(found.std**2 - first - second, 0.0), (first, second), index, cosines**2


def called_for(error: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """By how much the logarithms of deviations are to be larger, and how fast that changes, for errors of the same shape."""
    size = np.log(np.maximum(np.abs(error), _LEAST_ERROR_M)) - np.log(variance) / 2
    down, curve = np.zeros(size.shape), np.zeros(size.shape)
    for wanted, at, weight in zip(SIGMA_SHARES, AT, _WEIGHTS, strict=True):
        holds = 1 / (1 + np.exp(np.clip((size - np.log(at)) / _SMOOTH, -50, 50)))
        down += weight * (wanted - holds)
        curve += weight * np.maximum(holds * (1 - holds) / _SMOOTH, _LEAST_CURVE)
    return down, curve


def slopes_of(ends: Ends) -> Slopes:
    """Slopes of the loss, as in ``engine_trust.holding``, at the logarithms (4 T,) of all ends of axes."""
    count = len(ends.evidence)

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = np.exp(2 * (total[ends.index] * ends.share).sum(axis=2)) * ends.variance
        variance = own.sum(axis=1) + ends.other
        # Of how much the variance is due to each end of an axis.
        share = ends.share * (own / variance[:, None])[:, :, None]
        down, curve = (each[:, None, None] for each in called_for(ends.error, variance))
        which = ends.index.ravel()
        sums = (np.bincount(which, weights.ravel(), count) for weights in (share * down, share**2 * curve))
        summed_down, summed_curve = (np.asarray(one, np.float64) for one in sums)
        return summed_down, summed_curve

    return slopes


def with_sides(trees: TrustTrees, images: Sequence[Related]) -> TrustTrees:
    """The trees with a sum that tells sides apart by these images; without one where there is nothing to learn from."""
    parts = parts_of(trees)
    depth, number = trees.feature.shape[1], SUMS.index("side")
    parts[number] = no_sides(depth)
    alike = joined(trees.usual, parts, trees.elsewhere)
    ends = ends_of(images, alike)
    if not len(ends.error):
        return alike
    parts[number] = asked_for_exact(grown(ends.evidence, 0.0, slopes_of(ends), replace(_SIDES, depth=depth)))
    return joined(trees.usual, parts, trees.elsewhere)


# -- sums of trees ------------------------------------------------------------------------------------------------------------


def no_sides(depth: int) -> Grown:
    """A sum that is nothing for all sides."""
    return asked_for_exact((0.0, np.zeros((0, depth), np.intp), np.zeros((0, depth)), np.zeros((0, 2**depth))))


def asked_for_exact(trees: Grown) -> Grown:
    """With one more tree that asks for exact depth as often as the others ask anything, and adds nothing yet."""
    start, feature, above, added = trees
    return (
        start,
        np.concatenate([feature, np.full((1, feature.shape[1]), NAMES.index("noise"))]),
        np.concatenate([above, np.full((1, above.shape[1]), _EXACT_NOISE)]),
        np.concatenate([added, np.zeros((1, added.shape[1]))]),
    )


def parts_of(trees: TrustTrees) -> list[Grown]:
    """The trees of each sum."""
    ends = [*trees.first.tolist()[1:], len(trees.feature)]
    return [
        (start, trees.feature[first:end], trees.above[first:end], trees.added[first:end])
        for start, first, end in zip(trees.start.tolist(), trees.first.tolist(), ends, strict=True)
    ]


def joined(usual: tuple[float, ...], parts: Sequence[Grown], elsewhere: FloatArray | None = None) -> TrustTrees:
    """Trees of the trees of each sum."""
    first = np.cumsum([0, *(len(feature) for _, feature, _, _ in parts)])[:-1]
    start = np.array([part[0] for part in parts])
    feature, above, added = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    more = np.zeros(len(SUMS) - 1) if elsewhere is None else elsewhere
    return TrustTrees(NAMES, usual, more, start, first, feature.astype(np.intp), above, added)
