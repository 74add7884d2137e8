"""Fits the trees of ``models/trust``: what shows of a thing against how wrong its measurement is. Synthetic.

Only with the families of noise that the engine's presets describe; the benchmark checks the result on the others, too, and on
other seeds. ``python -m spatialvlm_ros.evaluation.engine_trust --out FOLDER`` renders, measures, fits and writes (ten minutes).

A factor of the stated deviation is the exponential of a sum of small trees (Friedman 2001, "Greedy function approximation: a
gradient boosting machine"). Errors are a mixture: most far smaller than stated, a few far larger. So the loss is no likelihood
but asks for what is to hold: 68.27 % of the errors in one deviation and 95.45 % in two, in each leaf (two quantile losses,
smoothed: Koenker and Bassett 1978). What is left is settled by one factor: two deviations are to hold ``TWO_SIGMA`` of the errors
of scenes that the trees were not grown on (four folds). With ``--held-out`` that many scenes of each run are kept from the fit,
and what one and two deviations hold of them is told.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopConfig, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_with_evidence
from ..scene.noise import PRESETS, DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from ..scene.trust import Evidence, foot_is_guessed, merged_chance, merged_std_m
from ..scene.trust_trees import FILE, TrustTrees
from ..training.joint_trees import Boosting, IntArray, Slopes, boosted, grown
from .engine_accuracy import ACCURACY, STACKS, Extent, is_stacks, on_workers
from .engine_bench import TRUST_SEEDS
from .engine_render import IN_FAMILY, Rendered, noisy_frame, render_scene
from .engine_solids import Solid

# Less of a region on the thing that it is matched with, and it is more than one thing.
WHOLE_SHARE = 0.85
# What two standard deviations hold of the errors of scenes that the trees were not grown on. More than a normal distribution's
# hold of sizes: cameras whose noise no preset describes take that back, for their outlines swell.
TWO_SIGMA = {"centre": 0.945, "edges": 0.965, "height": 0.97}
# What one and two deviations of a normal distribution hold, how many that are, what each weighs in the loss, and over which
# difference of logarithms an error passes for half held.
_HELD, _AT, _WEIGHTS, _SMOOTH = (0.6827, 0.9545), (1.0, 2.0), (1.0, 2.0), 0.25
_LEAST_CURVE, _LEAST_ERROR_M = 0.05, 1e-5
_FACTORS = Boosting(trees=120, depth=3, rate=0.15, ridge=10.0, share=0.6, tried=0.6)
_MERGED = Boosting(trees=60, depth=3, rate=0.15, ridge=5.0, share=0.6, tried=0.6)
_FOLDS = 4
Grown = tuple[float, IntArray, FloatArray, FloatArray]
# A match needs half of the pixels of both.
_MIN_IOU = 0.5


@dataclass(frozen=True)
class TrustRow:
    """One thing: its evidence, errors and stated deviations before the evidence counts, metres.

    Attributes:
        level: (2,) errors of the centre along the level axes of its box.
        level_std, scale_std: (2,) own deviation of those, and what the scale error adds.
        edges, edges_std: (2,) errors and deviations of the level edges.
        height, height_std, height_m: error of its height, its deviation, and the height itself.
        foot_guessed: whether its height is left out, because where it stands is a guess.
        merged: whether its region is more than one thing.
        seed: of its scene.
    """

    evidence: Evidence
    level: FloatArray
    level_std: FloatArray
    scale_std: FloatArray
    edges: FloatArray
    edges_std: FloatArray
    height: float
    height_std: float
    height_m: float
    foot_guessed: bool
    merged: bool
    seed: int


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
        index, share = _match(rendered, region, frame)
        if measured is not None and measured[1] is not None and index is not None:
            rows.append(_row(rendered, rendered.truth.solids[index], measured[0], measured[1], share < WHOLE_SHARE))
    return rows


def _match(rendered: Rendered, region: Region, frame: RGBDFrame) -> tuple[int | None, float]:
    """Index of the true thing that a region shows, None without one, and the share of the region's pixels that show it."""
    own = rendered.rendering.labels[region.mask & frame.valid]
    counts = np.bincount(own[own > 0], minlength=1)
    number = int(counts.argmax())
    if not counts[number] or number not in rendered.numbers:
        return None, 0.0
    of_thing = np.count_nonzero((rendered.rendering.labels == number) & frame.valid)
    if counts[number] / (of_thing + len(own) - counts[number]) < _MIN_IOU:
        return None, 0.0
    return rendered.numbers.index(number), float(counts[number] / len(own))


def _row(rendered: Rendered, solid: Solid, thing: SceneObject, evidence: Evidence, merged: bool) -> TrustRow:
    world_from_camera = rendered.truth.world_from_camera
    axes = world_from_camera.rotation @ thing.axes
    centre = axes.T @ (world_from_camera.apply(thing.centre) - solid.middle)
    edges = thing.extents - np.array([solid.extent_m(axes[:, i]) for i in range(3)])
    return TrustRow(
        evidence, centre[:2], thing.extents_std[:2] / 2, thing.scale_std * np.abs(thing.axes.T @ thing.centre)[:2], edges[:2],
        thing.extents_std[:2], float(edges[2]), float(thing.extents_std[2]), float(thing.extents[2]),
        foot_is_guessed(thing), merged, rendered.scene.seed,
    )  # fmt: skip


def rendered_rows(seed: int, extent: Extent) -> list[TrustRow]:
    """All rows of one rendered scene with each family of noise."""
    rendered = render_scene(seed, extent.sized(STACKS if is_stacks(seed) else ACCURACY))
    rows = []
    for family, preset in IN_FAMILY.items():
        frame, noise = noisy_frame(rendered, family), PRESETS[preset]
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
    size = np.log(np.maximum(np.abs(error), _LEAST_ERROR_M))

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = np.exp(2 * total)[:, None] * scaled**2
        variance = own + fixed**2
        share, down, curve = own / variance, np.zeros(error.shape), np.zeros(error.shape)
        for held, at, weight in zip(_HELD, _AT, _WEIGHTS, strict=True):
            holds = 1 / (1 + np.exp(np.clip((size - np.log(at) - np.log(variance) / 2) / _SMOOTH, -50, 50)))
            down += weight * share * (held - holds)
            curve += weight * share**2 * np.maximum(holds * (1 - holds) / _SMOOTH, _LEAST_CURVE)
        return down.sum(axis=1), curve.sum(axis=1)

    return slopes


def fit_scale(evidence: FloatArray, error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> Grown:
    """Trees for the logarithm of what multiplies ``scaled``; ``evidence`` (N, K), the others as in ``holding``."""
    start = float(np.log(np.quantile(np.abs(error) / scaled, _HELD[0])))
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


def factor_of(error: FloatArray, fixed: FloatArray, scaled: FloatArray, two_sigma: float) -> float:
    """The factor of ``scaled`` with which two deviations hold ``two_sigma`` of the errors, by halving; as in ``holding``."""
    low, high = 0.1, 10.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        held = float(np.mean(np.abs(error) <= 2 * np.hypot(fixed, middle * scaled)))
        low, high = (middle, high) if held < two_sigma else (low, middle)
    return high


def fit_merged(evidence: FloatArray, merged: BoolArray) -> Grown:
    """Trees for the logarithm of the odds that a region is more than one thing."""
    return boosted(evidence, merged, np.ones(len(merged)), _MERGED)


@dataclass(frozen=True)
class _Errors:
    """One kind of error (N, M): what stays of its deviation, what is multiplied, and which rows (N,) tell."""

    error: FloatArray
    fixed: FloatArray
    scaled: FloatArray
    told: BoolArray

    def at(self, which: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of some of the rows."""
        return self.error[which], self.fixed[which], self.scaled[which]


def _columns(rows: Sequence[TrustRow], log_odds: FloatArray) -> dict[str, _Errors]:
    """The errors of each sum's kind; ``log_odds`` (N,) that a region is more than one thing."""

    def column(name: str) -> FloatArray:
        values = np.array([getattr(row, name) for row in rows], np.float64)
        return values if values.ndim == 2 else values[:, None]

    every = np.ones(len(rows), bool)
    spread = [
        np.sqrt(2) * merged_std_m(row.height_m, merged_chance(row.evidence, float(odds)))
        for row, odds in zip(rows, log_odds, strict=True)
    ]
    shown = ~column("foot_guessed").astype(bool)[:, 0]
    return {
        "centre": _Errors(column("level"), column("scale_std"), column("level_std"), every),
        "edges": _Errors(column("edges"), np.zeros((len(rows), 2)), column("edges_std"), every),
        "height": _Errors(column("height"), np.array(spread)[:, None], column("height_std"), shown),
    }


def _settled(kind: _Errors, evidence: FloatArray, fold: IntArray, two_sigma: float) -> Grown:
    """Trees on all rows that tell, with the factor that scenes call for that they were not grown on; ``fold`` (N,) of a row."""
    total = np.zeros(len(evidence))
    for number in range(_FOLDS):
        inside, outside = kind.told & (fold != number), fold == number
        total[outside] = sums(fit_scale(evidence[inside], *kind.at(inside)), evidence[outside])
    error, fixed, scaled = kind.at(kind.told)
    factor = factor_of(error, fixed, np.exp(total[kind.told])[:, None] * scaled, two_sigma)
    start, feature, above, added = fit_scale(evidence[kind.told], error, fixed, scaled)
    return round(start + float(np.log(factor)), 5), feature, above, added


def fit(rows: Sequence[TrustRow], held_out: Sequence[TrustRow] = ()) -> tuple[TrustTrees, list[str]]:
    """The trees, and sentences about what their deviations hold of ``held_out``."""
    width = len(Evidence._fields)
    evidence, unseen = (np.array([row.evidence for row in some]).reshape(len(some), width) for some in (rows, held_out))
    merged = fit_merged(evidence, np.array([row.merged for row in rows], bool))
    columns = _columns(rows, sums(merged, evidence))
    others = _columns(held_out, sums(merged, unseen)) if len(held_out) else {}
    seeds, scene = np.unique([row.seed for row in rows], return_inverse=True)
    fold = scene * _FOLDS // len(seeds)
    usual = [factor_of(*columns[name].at(columns[name].told), TWO_SIGMA[name]) for name in ("centre", "edges")]
    sentences, all_trees = [], []
    for name, kind in columns.items():
        all_trees.append(_settled(kind, evidence, fold, TWO_SIGMA[name]))
        if name in others:
            sentences.append(f"{name}: {_held(others[name], sums(all_trees[-1], unseen))}")
    all_trees.append(merged)
    first = np.cumsum([0, *(len(feature) for _, feature, _, _ in all_trees)])[:-1]
    start = np.array([trees[0] for trees in all_trees])
    feature, above, added = (np.concatenate([trees[i] for trees in all_trees]) for i in (1, 2, 3))
    factors = tuple(round(factor, 3) for factor in (*usual, usual[1]))
    return TrustTrees(Evidence._fields, factors, start, first, feature.astype(np.intp), above, added), sentences


def _held(kind: _Errors, total: FloatArray) -> str:
    std = np.hypot(kind.fixed, np.exp(total)[:, None] * kind.scaled)
    sigmas = (np.abs(kind.error) / std)[kind.told]
    shares = (float(np.mean(sigmas <= count)) for count in (1, 2))
    return f"one and two deviations hold {' and '.join(f'{100 * share:.1f} %' for share in shares)} of {sigmas.size} held out"


def write(trees: TrustTrees, folder: Path) -> None:
    """The file of the trees and its SHA256SUMS."""
    folder.mkdir(parents=True, exist_ok=True)
    data = trees.to_json().encode()
    (folder / FILE).write_bytes(data)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  {FILE}\n", encoding="utf-8")


def main() -> None:
    """Render, measure, fit and write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--first", type=int, nargs="+", default=[some.start for some in TRUST_SEEDS], help="first seed of each run of scenes"
    )
    parser.add_argument("--scenes", type=int, default=len(TRUST_SEEDS[0]), help="of each run")
    parser.add_argument("--held-out", type=int, default=0, help="of these, how many to judge the fit on instead")
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
    trees, sentences = fit(fitted, kept)
    write(trees, chosen.out)
    print(*sentences, f"trees of {len(fitted)} things: {chosen.out}", sep="\n")


if __name__ == "__main__":
    main()
