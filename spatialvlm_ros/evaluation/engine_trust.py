"""Fits the trees of ``models/trust``: what shows of a thing against how wrong its measurement is. Synthetic.

Only with the families of noise that the engine's presets describe, and without noise, which is stated, too; the benchmark checks
the result on other families, too, and on other seeds. ``python -m spatialvlm_ros.evaluation.engine_trust --out FOLDER`` renders,
measures, fits and writes (half an hour on one core).

A factor of the stated deviation is the exponential of a sum of small trees (Friedman 2001, "Greedy function approximation: a
gradient boosting machine"), for each axis of the box. Errors are a mixture: most far smaller than stated, a few far larger. So
the loss is no likelihood but asks for what is to hold: 68.27 % of the errors in one deviation and 95.45 % in two, in each leaf
(two quantile losses, smoothed: Koenker and Bassett 1978). How much more a surface errs on one side of a thing than on another is
told by gaps and ways between things of other scenes (``trust_sides.py``). What is left is settled by factors of each kind on
scenes that the trees were not grown on (``trust_related.py``), so that relations between things hold what they should: one for
noise as its law says, one for exact depth, and one more where the support shows noise of another law (``DepthNoise.unlike``).
With ``--held-out`` that many scenes of each run are kept from the fit, and what one and two deviations hold of their things is
told.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopConfig, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.hidden_handle import of_far_side
from ..scene.measure import MeasureConfig, measure_with_evidence
from ..scene.noise import PRESETS, DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from ..scene.shipped import write_shipped
from ..scene.trust import NAMES, Evidence, foot_is_guessed, kept_foot_std_m, merged_chance, merged_std_m
from ..scene.trust_trees import FILE, SUMS, TrustTrees
from ..training.joint_trees import Boosting, Slopes, boosted, grown
from .engine_accuracy import ACCURACY, STACKS, Extent, is_stacks, on_workers
from .engine_bench import SETTLED_SEEDS, SIDES_SEEDS, TRUST_SEEDS
from .engine_render import EXACT, IN_FAMILY, Rendered, noisy_frame, render_scene
from .engine_scores import SIGMA_SHARES, SIGMA_TOLERANCES
from .engine_solids import Solid
from .trust_match import match
from .trust_related import related_images, settled
from .trust_sides import AT, Grown, asked_for_exact, called_for, joined, no_sides, with_sides

# A region of which less lies on the thing that it is matched with is more than one thing, whatever comes of it.
HALF_SHARE = 0.6
# ... and so is one of which less than this does, and whose height is too large by that share, or that much.
WHOLE_SHARE, TOO_TALL, TOO_TALL_M = 0.97, 0.12, 0.008
_FACTORS = Boosting(trees=120, depth=5, rate=0.12, ridge=10.0, share=0.6, tried=0.6)
_MERGED = Boosting(trees=60, depth=5, rate=0.15, ridge=5.0, share=0.6, tried=0.6)
FITTED = {**IN_FAMILY, EXACT: EXACT}


@dataclass(frozen=True)
class TrustRow:
    """One thing: what shows of it, errors and stated deviations before that counts, metres.

    Attributes:
        level, level_std: (2,) errors and deviations of the centre along the level axes of its box.
        handle_std: (2,) the part of the level edges' deviations that a handle which nobody sees has; the centre has half of it.
        edges, edges_std: (3,) errors and deviations of the edges, the third is the height. An edge is that of the thing's own
            box, and how far the thing reaches along it: the larger of the two errors counts.
        foot_std: the part of the height's deviation that stays as it is.
        height_m: the height itself.
        foot_guessed: whether its height is left out, because where it stands is a guess.
        merged: whether its region is more than one thing.
    """

    shown: Evidence
    level: FloatArray
    level_std: FloatArray
    handle_std: FloatArray
    edges: FloatArray
    edges_std: FloatArray
    foot_std: float
    height_m: float
    foot_guessed: bool
    merged: bool


def rows_of(
    rendered: Rendered,
    frame: RGBDFrame,
    regions: Sequence[Region],
    canonical: Canonical,
    plane: FloatArray,
    noise: DepthNoise,
) -> list[TrustRow]:
    """A row for each region of an image that matches a true thing."""
    rows = []
    for region in regions:
        measured = measure_with_evidence(frame, region, canonical, plane, noise, MeasureConfig())
        index, share = match(rendered, region, frame)
        if measured is not None and measured[1] is not None and index is not None:
            rows.append(_row(rendered, rendered.truth.solids[index], measured[0], measured[1], share))
    return rows


def _row(rendered: Rendered, solid: Solid, thing: SceneObject, shown: Evidence, share: float) -> TrustRow:
    world_from_camera = rendered.truth.world_from_camera
    axes = world_from_camera.rotation @ thing.axes
    centre = axes.T @ (world_from_camera.apply(thing.centre) - solid.middle)
    reach, own = np.array([solid.extent_m(axes[:, i]) for i in range(3)]), solid.box[2].copy()
    own[np.argsort(thing.extents[:2])] = np.sort(own[:2])
    errors = np.stack([thing.extents - reach, thing.extents - own])
    edges = np.take_along_axis(errors, np.abs(errors).argmax(axis=0)[None], axis=0)[0]
    return TrustRow(
        shown, centre[:2], thing.extents_std[:2] / 2, np.sqrt(np.diag(of_far_side(thing))), edges, thing.extents_std,
        kept_foot_std_m(thing, shown.sheet_m), float(thing.extents[2]), foot_is_guessed(thing),
        is_merged(share, float(edges[2]), float(reach[2])),
    )  # fmt: skip


def is_merged(share: float, too_tall_m: float, height_m: float) -> bool:
    """Whether a region of which a share lies on a thing of a height is more than that thing, as far as its own height tells."""
    return share < HALF_SHARE or (share < WHOLE_SHARE and too_tall_m > max(TOO_TALL * height_m, TOO_TALL_M))


def rendered_rows(seed: int, extent: Extent, families: Mapping[str, str] = FITTED) -> list[TrustRow]:
    """All rows of one rendered scene with each family of noise, by the preset that is stated: each that one describes, and none.

    Without the scale error, which all things of an image share and whose deviation is known: it would hide a thing's own error.
    """
    rendered = render_scene(seed, extent.sized(STACKS if is_stacks(seed) else ACCURACY))
    rows = []
    for family, preset in families.items():
        frame, noise = noisy_frame(rendered, family, scale_error=False), PRESETS[preset]
        found = TabletopSegmenter(TabletopConfig(noise=noise)).segment(frame)
        if found.plane is None:
            continue
        plane = found.plane.coefficients
        canonical = canonical_from_up(found.plane.normal, plane, found.plane.tilt_std_rad, "plane")
        if canonical is not None:
            told = noise_on_plane(frame, plane, found.plane.inliers, noise)
            rows += rows_of(rendered, frame, found.regions, canonical, plane, told)
    return rows


# -- fitting ----------------------------------------------------------------------------------------------------------------


def holding(error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> Slopes:
    """Slopes of the loss that is least where one and two deviations hold what a normal distribution's do.

    Args:
        error, fixed, scaled: (N, M) errors, the deviations that stay, and those that are multiplied by what is fitted.
    """

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = np.exp(2 * total)[:, None] * scaled**2
        variance = own + fixed**2
        share, (down, curve) = own / variance, called_for(error, variance)
        return (share * down).sum(axis=1), (share**2 * curve).sum(axis=1)

    return slopes


def fit_scale(evidence: FloatArray, error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> Grown:
    """Trees for the logarithm of what multiplies ``scaled``; ``evidence`` (N, K), the others as in ``holding``."""
    start = float(np.log(np.quantile(np.abs(error) / scaled, SIGMA_SHARES[0])))
    return grown(evidence, start, holding(error, fixed, scaled), _FACTORS)


def sums(trees: Grown, evidence: FloatArray) -> FloatArray:
    """(N,) sums of the trees at evidence (N, K)."""
    start, feature, above, added = trees
    total = np.full(len(evidence), start)
    for asked, at, leaves in zip(feature, above, added, strict=True):
        leaf = np.zeros(len(evidence), dtype=np.intp)
        for column, threshold in zip(asked.tolist(), at.tolist(), strict=True):
            leaf = leaf * 2 + (evidence[:, column] > threshold)
        total += leaves[leaf]
    return total


def factor_of(error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> float:
    """The factor of ``scaled`` with which what one and two deviations hold is least off, in shares of the tolerances; as in
    ``holding``.
    """
    factors = np.exp(np.linspace(np.log(0.2), np.log(5.0), 321))
    off = []
    for factor in factors.tolist():
        std = np.hypot(fixed, factor * scaled)
        held = [float(np.mean(np.abs(error) <= count * std)) for count in AT]
        off.append(
            max(
                abs(share - wanted) / tolerance
                for share, wanted, tolerance in zip(held, SIGMA_SHARES, SIGMA_TOLERANCES, strict=True)
            )
        )
    return float(factors[int(np.argmin(off))])


def fit_merged(evidence: FloatArray, merged: BoolArray) -> Grown:
    """Trees for the logarithm of the odds that a region is more than one thing."""
    return boosted(evidence, merged, np.ones(len(merged)), _MERGED)


@dataclass(frozen=True)
class Errors:
    """One kind of error (N, 1), of axes: evidence (N, F), what stays of its deviation, what is multiplied, and how far
    the noise is another one than its law says (N,).
    """

    evidence: FloatArray
    error: FloatArray
    fixed: FloatArray
    scaled: FloatArray
    unlike: FloatArray

    def at(self, which: BoolArray | slice) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of some of the rows."""
        return self.error[which], self.fixed[which], self.scaled[which]


def columns_of(rows: Sequence[TrustRow], asked: FloatArray, log_odds: FloatArray) -> dict[str, Errors]:
    """The errors of each sum's kind.

    Args:
        asked: (N, 3, F) the evidence of each row's axes.
        log_odds: (N,) that a region is more than one thing.
    """
    swollen = np.array([row.shown.swollen_std_m for row in rows]).reshape(-1, 3)
    spread = [
        np.sqrt(2) * merged_std_m(row.height_m, merged_chance(row.shown.thing, float(odds)))
        for row, odds in zip(rows, log_odds, strict=True)
    ]
    foot_std = np.array([row.foot_std for row in rows])
    handle = np.array([row.handle_std for row in rows]).reshape(-1, 2)
    fixed = swollen.copy()
    fixed[:, :2] = np.hypot(fixed[:, :2], handle)
    fixed[:, 2] = np.sqrt(fixed[:, 2] ** 2 + np.square(spread) + foot_std**2)
    scaled = np.array([row.edges_std for row in rows]).reshape(-1, 3)
    scaled[:, 2] = np.sqrt(np.maximum(scaled[:, 2] ** 2 - foot_std**2, 1e-12))
    shown = np.array([not row.foot_guessed for row in rows], bool)
    unlike_law = np.array([row.shown.unlike for row in rows])

    def column(error: FloatArray, fixed: FloatArray, scaled: FloatArray, axes: slice, which: BoolArray) -> Errors:
        flat = [part[which, axes].reshape(-1, 1) for part in (error, fixed, scaled)]
        evidence, each = asked[which, axes].reshape(-1, asked.shape[2]), asked[:1, axes].shape[1]
        return Errors(evidence, flat[0], flat[1], flat[2], np.repeat(unlike_law[which], each))

    level, level_std, edges = (
        np.array([getattr(row, name) for row in rows], np.float64).reshape(len(rows), -1)
        for name in ("level", "level_std", "edges")
    )
    unlike = np.repeat([[row.shown.unlike_std_m] for row in rows], 2, axis=1) if len(rows) else np.zeros((0, 2))
    every = np.ones(len(rows), bool)
    return {
        "centre": column(level, np.hypot(unlike, handle / 2), level_std, slice(0, 2), every),
        "edges": column(edges, fixed, scaled, slice(0, 2), every),
        "height": column(edges, fixed, scaled, slice(2, 3), shown),
    }


def _grown(kind: Errors) -> Grown:
    """Trees on all rows, with one more that asks for exact depth as often as the others ask anything, and adds nothing yet."""
    return asked_for_exact(fit_scale(kind.evidence, kind.error, kind.fixed, kind.scaled))


def asked_of(rows: Sequence[TrustRow]) -> FloatArray:
    """(N, 3, F) the evidence of each row's axes."""
    return np.array([row.shown.asked()[:3] for row in rows]).reshape(len(rows), 3, len(NAMES))


def fit(rows: Sequence[TrustRow]) -> TrustTrees:
    """The trees, with factors that nothing has settled yet, and sides that are like each other."""
    asked = asked_of(rows)
    merged = fit_merged(asked[:, 2], np.array([row.merged for row in rows], bool))
    columns = columns_of(rows, asked, sums(merged, asked[:, 2]))
    # What shows nothing is known no better than stated. Without an up no axis is the height.
    usual = [round(max(1.0, factor_of(*columns[name].at(slice(None)))), 3) for name in ("centre", "edges", "edges")]
    return joined(tuple(usual), [*(_grown(kind) for kind in columns.values()), no_sides(_FACTORS.depth), merged])


def told_of(rows: Sequence[TrustRow], trees: TrustTrees) -> list[str]:
    """Sentences about what deviations hold of the errors of things."""
    if not len(rows):
        return []
    asked, sentences = asked_of(rows), []
    for number, (name, kind) in enumerate(columns_of(rows, asked, trees(asked[:, 2])[:, SUMS.index("merged")]).items()):
        one, two = held(kind, trees(kind.evidence)[:, number] + trees.elsewhere[number] * kind.unlike)
        sentences.append(f"{name}: one and two deviations hold {one:.1%} and {two:.1%} of those held out")
    return sentences


def held(kind: Errors, total: FloatArray) -> tuple[float, float]:
    """Shares of errors that one and two deviations hold, whose logarithms are to be changed by ``total`` (N,)."""
    sigmas = np.abs(kind.error) / np.hypot(kind.fixed, np.exp(total)[:, None] * kind.scaled)
    return float(np.mean(sigmas <= AT[0])), float(np.mean(sigmas <= AT[1]))


def main() -> None:
    """Render, measure, fit and write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--first", type=int, nargs="+", default=[some.start for some in TRUST_SEEDS], help="first seed of each run of scenes"
    )
    parser.add_argument("--scenes", type=int, default=len(TRUST_SEEDS[0]), help="of each run")
    parser.add_argument("--held-out", type=int, default=0, help="of these, how many to judge the fit on instead")
    parser.add_argument("--sides-first", type=int, default=SIDES_SEEDS.start, help="first seed of those that tell sides apart")
    parser.add_argument("--sides", type=int, default=len(SIDES_SEEDS), help="how many of these")
    parser.add_argument("--settled-first", type=int, default=SETTLED_SEEDS.start, help="first seed of those that settle factors")
    parser.add_argument("--settled", type=int, default=len(SETTLED_SEEDS), help="how many of these")
    parser.add_argument("--out", type=Path, default=Path("out/trust"), help="folder for the trees")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    seeds = [seed for first in chosen.first for seed in range(first, first + chosen.scenes)]
    told = [
        (seed - first) >= chosen.scenes - chosen.held_out
        for first in chosen.first
        for seed in range(first, first + chosen.scenes)
    ]
    found = list(on_workers(partial(rendered_rows, extent=Extent()), seeds, chosen.workers))
    fitted, kept = ([row for rows, out in zip(found, told, strict=True) if out is held for row in rows] for held in (False, True))
    trees = fit(fitted)
    run = range(chosen.sides_first, chosen.sides_first + chosen.sides)
    related = partial(related_images, extent=Extent(), families=FITTED)
    trees = with_sides(trees, [image for some in on_workers(related, run, chosen.workers) for image in some])
    run = range(chosen.settled_first, chosen.settled_first + chosen.settled)
    images = [image for some in on_workers(partial(related_images, extent=Extent()), run, chosen.workers) for image in some]
    trees, sentences = settled(trees, images)
    write_shipped(chosen.out, FILE, trees.to_json())
    print(*sentences, *told_of(kept, trees), f"trees of {len(fitted)} things: {chosen.out}", sep="\n")


if __name__ == "__main__":
    main()
