"""Fits the tables of ``scene/trust_tables.py``: what shows of a thing against how wrong its measurement is. Synthetic.

Only with the families of noise that the engine's presets describe; the benchmark checks the result on the others, too, and on
other seeds. ``python -m spatialvlm_ros.evaluation.engine_trust`` prints the tables (ten minutes).

Residuals are taken as Student's t of six degrees of freedom, whose scale is the stated deviation times the exponential of a sum
of steps. Steps are added one after another, each where it helps most, with half of its Newton step (Friedman 2001, "Greedy
function approximation: a gradient boosting machine"). The factor in front of each table is the one with which two deviations hold
95.45 % of the errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopConfig, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.frame import Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_with_evidence
from ..scene.noise import PRESETS, DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from ..scene.trust import Evidence, foot_is_unseen, merged_std_m
from .engine_accuracy import ACCURACY, STACKS, Extent, is_stacks
from .engine_bench import TRUST_SEEDS
from .engine_render import IN_FAMILY, Rendered, noisy_frame, render_scene
from .engine_solids import Solid

# Less of a region on the thing that it is matched with, and it is more than one thing.
WHOLE_SHARE = 0.85
_FREEDOM, _STEPS, _MERGED_STEPS, _RATE, _RIDGE = 6.0, 16, 16, 0.5, 10.0
_THRESHOLDS, _LEAST_SHARE = 24, 0.02
_TWO_SIGMA = 0.9545
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
        foot_unseen: whether its height is left out, because its foot does not show.
        merged: whether its region is more than one thing.
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
    foot_unseen: bool
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
        foot_is_unseen(thing), merged,
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


def _boosted(
    evidence: FloatArray, start: float, slopes: Callable[[FloatArray], tuple[FloatArray, FloatArray]], count: int
) -> list[tuple[int, float, float, float]]:
    """Steps (column, threshold, below, above) that lower a loss.

    Args:
        evidence: (N, K).
        slopes: gives minus the loss's first derivative, and a positive second one, (N,) each, at the sums (N,).
    """
    columns = [
        (column, float(at))
        for column in range(evidence.shape[1])
        for at in np.unique(np.quantile(evidence[:, column], np.linspace(0.02, 0.98, _THRESHOLDS)))
    ]
    above = np.stack([evidence[:, column] > at for column, at in columns]).astype(np.float64)
    enough = np.abs(above.mean(axis=1) - 0.5) < 0.5 - _LEAST_SHARE
    above, columns = above[enough], [entry for entry, keep in zip(columns, enough, strict=True) if keep]
    total, steps = np.full(len(evidence), start), []
    for _ in range(count):
        down, curve = slopes(total)
        up_down, up_curve = above @ down, above @ curve
        low_down, low_curve = down.sum() - up_down, curve.sum() - up_curve
        best = int(np.argmax(up_down**2 / (up_curve + _RIDGE) + low_down**2 / (low_curve + _RIDGE)))
        low, high = (float(_RATE * a[best] / (b[best] + _RIDGE)) for a, b in ((low_down, low_curve), (up_down, up_curve)))
        total = total + np.where(above[best] > 0, high, low)
        steps.append((*columns[best], low, high))
    return steps


def fit_scale(
    evidence: FloatArray, error: FloatArray, fixed: FloatArray, scaled: FloatArray
) -> tuple[list[tuple[int, float, float, float]], FloatArray]:
    """Steps of the logarithm of what multiplies ``scaled``, and their sums (N,).

    Args:
        evidence: (N, K).
        error, fixed, scaled: (N, M) errors, the deviations that stay, and those that are multiplied.
    """

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = np.exp(2 * total)[:, None] * scaled**2
        variance = own + fixed**2
        share, squared = own / variance, error**2 / variance
        down = share * ((_FREEDOM + 1) * squared / (_FREEDOM + squared) - 1)
        curve = share**2 * 2 * (_FREEDOM + 1) * _FREEDOM * squared / (_FREEDOM + squared) ** 2
        return down.sum(axis=1), curve.sum(axis=1)

    start = float(np.log(np.quantile(np.abs(error) / scaled, 0.6827)))
    steps = _boosted(evidence, start, slopes, _STEPS)
    return steps, sums(steps, evidence)


def sums(steps: Sequence[tuple[int, float, float, float]], evidence: FloatArray) -> FloatArray:
    """(N,) sums of the steps at evidence (N, K)."""
    total = np.zeros(len(evidence))
    for column, at, below, above in steps:
        total += np.where(evidence[:, column] > at, above, below)
    return total


def factor_of(error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> float:
    """The factor of ``scaled`` with which two deviations hold 95.45 % of the errors, by halving."""
    low, high = 0.1, 10.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        held = float(np.mean(np.abs(error) <= 2 * np.hypot(fixed, middle * scaled)))
        low, high = (middle, high) if held < _TWO_SIGMA else (low, middle)
    return high


def fit_merged(evidence: FloatArray, merged: FloatArray) -> tuple[float, list[tuple[int, float, float, float]]]:
    """Logarithm of the odds that a region is more than one thing: where it starts, and its steps."""
    start = float(np.log(merged.mean() / (1 - merged.mean())))

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        chance = 1 / (1 + np.exp(-total))
        return merged - chance, chance * (1 - chance)

    return start, _boosted(evidence, start, slopes, _MERGED_STEPS)


def tables_of(rows: Sequence[TrustRow]) -> str:
    """The text of the constants in ``scene/trust_tables.py``."""
    evidence = np.array([row.evidence for row in rows])

    def column(name: str) -> FloatArray:
        return np.array([getattr(row, name) for row in rows], np.float64)

    centre, own, scale = column("level"), column("level_std"), column("scale_std")
    edges, edges_std = column("edges"), column("edges_std")
    height, height_std = column("height")[:, None], column("height_std")[:, None]
    nothing = np.zeros_like(edges)
    at, merged_steps = fit_merged(evidence, column("merged"))
    chance = 1 / (1 + np.exp(-at - sums(merged_steps, evidence)))
    spread = np.sqrt(2) * np.array([[merged_std_m(row.height_m, float(p))] for row, p in zip(rows, chance, strict=True)])
    level_steps, level = fit_scale(evidence, np.hstack([centre, edges]), np.hstack([scale, nothing]), np.hstack([own, edges_std]))
    shown = ~column("foot_unseen").astype(bool)
    height, spread, height_std = height[shown], spread[shown], height_std[shown]
    height_steps, high = fit_scale(evidence[shown], height, spread, height_std)
    grown, higher = np.exp(level)[:, None], np.exp(high)[:, None]
    factors = (
        factor_of(centre, scale, grown * own),
        factor_of(edges, nothing, grown * edges_std),
        factor_of(height, spread, higher * height_std),
    )
    text = [f"CENTRE, EXTENTS, UPRIGHT = {', '.join(f'{factor:.3g}' for factor in factors)}"]
    text += [
        _table("LEVEL", level_steps),
        _table("HEIGHT", height_steps),
        f"MERGED_AT = {at:.3g}",
        _table("MERGED", merged_steps),
    ]
    return "\n".join(text)


def _table(name: str, steps: Sequence[tuple[int, float, float, float]]) -> str:
    lines = [f'    Step("{Evidence._fields[column]}", {at:.4g}, {below:.3f}, {above:.3f}),' for column, at, below, above in steps]
    return "\n".join([f"{name}: tuple[Step, ...] = (", *lines, ")"])


def main() -> None:
    """Render, measure, fit and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--first", type=int, nargs="+", default=[some.start for some in TRUST_SEEDS], help="first seed of each run of scenes"
    )
    parser.add_argument("--scenes", type=int, default=len(TRUST_SEEDS[0]), help="of each run")
    chosen = parser.parse_args()
    extent = Extent()
    seeds = [seed for first in chosen.first for seed in range(first, first + chosen.scenes)]
    rows = [row for seed in seeds for row in rendered_rows(seed, extent)]
    print(tables_of(rows))


if __name__ == "__main__":
    main()
