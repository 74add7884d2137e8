"""Fits the tables of ``scene/trust_tables.py``: what shows of a thing against how wrong its measurement is. Synthetic.

Only with the families of noise that the engine's presets describe; the benchmark checks the result on the others, too, and on
other seeds. ``python -m spatialvlm_ros.evaluation.engine_trust`` prints the tables (ten minutes).

Residuals are taken as Student's t of four degrees of freedom, whose scale is the stated deviation times the exponential of a sum
of steps. Steps are added one after another, each where it helps most, with a part of its Newton step (Friedman 2001, "Greedy
function approximation: a gradient boosting machine"), and those about one kind of evidence are then one curve. All is scaled so
that two deviations hold ``TWO_SIGMA`` of the errors. With ``--held-out`` that many scenes of each run are kept from the fit, and
what one and two deviations hold of them is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopConfig, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.measure import MeasureConfig, measure_with_evidence
from ..scene.noise import PRESETS, DepthNoise, noise_on_plane
from ..scene.scene import Canonical, SceneObject
from ..scene.trust import Evidence, foot_is_unseen, merged_std_m
from ..scene.trust_tables import Curve
from .engine_accuracy import ACCURACY, STACKS, Extent, is_stacks, on_workers
from .engine_bench import TRUST_SEEDS
from .engine_render import IN_FAMILY, Rendered, noisy_frame, render_scene
from .engine_solids import Solid

# Less of a region on the thing that it is matched with, and it is more than one thing.
WHOLE_SHARE = 0.85
_FREEDOM, _STEPS, _MERGED_STEPS, _RATE, _RIDGE = 4.0, 250, 60, 0.25, 10.0
_THRESHOLDS, _LEAST_SHARE = 24, 0.02
# Fewer steps where there are fewer rows than so many a step: more would follow their noise.
_ROWS_A_STEP = 20
# What two standard deviations hold of the errors that the tables are fitted on: a little more than a normal distribution has, for
# cameras whose noise no preset describes take that back.
TWO_SIGMA = 0.96
Steps = Sequence[tuple[int, float, float, float]]
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
        for at in np.unique(np.quantile(evidence[:, column], np.linspace(0.02, 0.98, _THRESHOLDS)).round(6))
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
    steps = _boosted(evidence, start, slopes, max(1, min(_STEPS, len(evidence) // _ROWS_A_STEP)))
    return steps, sums(steps, evidence)


def sums(steps: Sequence[tuple[int, float, float, float]], evidence: FloatArray) -> FloatArray:
    """(N,) sums of the steps at evidence (N, K)."""
    total = np.zeros(len(evidence))
    for column, at, below, above in steps:
        total += np.where(evidence[:, column] > at, above, below)
    return total


def factor_of(error: FloatArray, fixed: FloatArray, scaled: FloatArray) -> float:
    """The factor of ``scaled`` with which two deviations hold ``TWO_SIGMA`` of the errors, by halving."""
    low, high = 0.1, 10.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        held = float(np.mean(np.abs(error) <= 2 * np.hypot(fixed, middle * scaled)))
        low, high = (middle, high) if held < TWO_SIGMA else (low, middle)
    return high


def fit_merged(evidence: FloatArray, merged: FloatArray) -> tuple[float, list[tuple[int, float, float, float]]]:
    """Logarithm of the odds that a region is more than one thing: where it starts, and its steps."""
    start = float(np.log(merged.mean() / (1 - merged.mean())))

    def slopes(total: FloatArray) -> tuple[FloatArray, FloatArray]:
        chance = 1 / (1 + np.exp(-total))
        return merged - chance, chance * (1 - chance)

    return start, _boosted(evidence, start, slopes, _MERGED_STEPS)


@dataclass(frozen=True)
class _Errors:
    """One kind of error (N, M): what stays of its deviation, what is multiplied, and which rows (N,) tell."""

    error: FloatArray
    fixed: FloatArray
    scaled: FloatArray
    told: BoolArray


def _columns(rows: Sequence[TrustRow], chance: FloatArray) -> dict[str, _Errors]:
    """The errors of each table's kind; ``chance`` (N,) that a region is more than one thing."""

    def column(name: str) -> FloatArray:
        values = np.array([getattr(row, name) for row in rows], np.float64)
        return values if values.ndim == 2 else values[:, None]

    every = np.ones(len(rows), bool)
    spread = [np.sqrt(2) * merged_std_m(row.height_m, float(p)) for row, p in zip(rows, chance, strict=True)]
    shown = ~column("foot_unseen").astype(bool)[:, 0]
    return {
        "CENTRE": _Errors(column("level"), column("scale_std"), column("level_std"), every),
        "EDGES": _Errors(column("edges"), np.zeros((len(rows), 2)), column("edges_std"), every),
        "HEIGHT": _Errors(column("height"), np.array(spread)[:, None], column("height_std"), shown),
    }


def _chances(evidence: FloatArray, at: float, steps: Steps) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-at - sums(steps, evidence))))


def tables_of(rows: Sequence[TrustRow], held_out: Sequence[TrustRow] = ()) -> str:
    """The text of the constants in ``scene/trust_tables.py``, with what they hold of ``held_out`` as comments."""
    evidence, unseen = (np.array([row.evidence for row in some]).reshape(len(some), -1) for some in (rows, held_out))
    merged = np.array([row.merged for row in rows], np.float64)
    at, merged_steps = fit_merged(evidence, merged)
    columns = _columns(rows, _chances(evidence, at, merged_steps))
    usual = [factor_of(kind.error, kind.fixed, kind.scaled) for kind in (columns["CENTRE"], columns["EDGES"])]
    text = [f"USUAL = {', '.join(f'{factor:.3g}' for factor in (*usual, usual[1]))}"]
    others = _columns(held_out, _chances(unseen, at, merged_steps)) if len(held_out) else {}
    for name, kind in columns.items():
        error, fixed, scaled = (values[kind.told] for values in (kind.error, kind.fixed, kind.scaled))
        steps, total = fit_scale(evidence[kind.told], error, fixed, scaled)
        constant = float(np.log(factor_of(error, fixed, np.exp(total)[:, None] * scaled)))
        if name in others:
            text.append(f"# {name}: {_held(others[name], unseen, steps, constant)}")
        text.append(_table(name, curves_of(steps, constant)))
    return "\n".join([*text, f"MERGED_AT = {at:.3g}", _table("MERGED", curves_of(merged_steps, 0.0))])


def _held(kind: _Errors, evidence: FloatArray, steps: Steps, constant: float) -> str:
    std = np.hypot(kind.fixed, np.exp(constant + sums(steps, evidence))[:, None] * kind.scaled)
    sigmas = (np.abs(kind.error) / std)[kind.told]
    shares = (float(np.mean(sigmas <= count)) for count in (1, 2))
    return f"one and two deviations hold {' and '.join(f'{100 * share:.1f} %' for share in shares)} of {sigmas.size} held out"


def curves_of(steps: Steps, constant: float) -> list[Curve]:
    """Steps as one curve for each kind of evidence, in its order; the first one has the constant, too."""
    found: list[Curve] = []
    for column in sorted({step[0] for step in steps}):
        own = [step for step in steps if step[0] == column]
        at = sorted({step[1] for step in own})
        ends = [-np.inf, *at]
        values = [sum(above if low >= where else below for _, where, below, above in own) for low in ends]
        values = [value + constant for value in values] if not found else values
        found.append(Curve(Evidence._fields[column], tuple(at), tuple(values)))
    return found


def _table(name: str, curves: Sequence[Curve]) -> str:
    lines = []
    for curve in curves:
        at, values = (", ".join(f"{value:.{digits}g}" for value in some) for some, digits in ((curve.at, 6), (curve.values, 4)))
        lines += ["    Curve(", f'        "{curve.name}",', f"        ({at},),", f"        ({values}),", "    ),"]
    return "\n".join([f"{name}: tuple[Curve, ...] = (", *lines, ")"])


def main() -> None:
    """Render, measure, fit and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--first", type=int, nargs="+", default=[some.start for some in TRUST_SEEDS], help="first seed of each run of scenes"
    )
    parser.add_argument("--scenes", type=int, default=len(TRUST_SEEDS[0]), help="of each run")
    parser.add_argument("--held-out", type=int, default=0, help="of these, how many to judge the fit on instead")
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
    print(tables_of(fitted, kept))


if __name__ == "__main__":
    main()
