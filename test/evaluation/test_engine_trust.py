"""The fit of how far a measured thing is to be trusted, on errors whose law is known, and on one rendered scene."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_accuracy import Extent
from spatialvlm_ros.evaluation.engine_bench import SETTLED_SEEDS, SIDES_SEEDS, TRUST_SEEDS, EngineBenchOptions
from spatialvlm_ros.evaluation.engine_trust import (
    TrustRow,
    factor_of,
    fit,
    fit_merged,
    fit_scale,
    holding,
    is_merged,
    rendered_rows,
    sums,
    told_of,
)
from spatialvlm_ros.evaluation.trust_figures import row_of
from spatialvlm_ros.evaluation.trust_related import of_exact
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.scene.shipped import write_shipped
from spatialvlm_ros.scene.trust import NAMES, Evidence, ThingEvidence
from spatialvlm_ros.scene.trust_axes import AxisEvidence
from spatialvlm_ros.scene.trust_trees import FILE, TrustTrees


def test_what_makes_errors_three_times_as_large_is_found() -> None:
    generator = np.random.default_rng(1)
    evidence = generator.uniform(0, 1, (4000, 3))
    scaled = np.full((4000, 1), 0.01)
    error = generator.normal(size=(4000, 1)) * scaled * np.where(evidence[:, 1:2] > 0.6, 3.0, 1.0)
    nothing = np.zeros_like(scaled)
    total = sums(fit_scale(evidence, error, nothing, scaled), evidence)
    high, low = (float(total[which].mean()) for which in (evidence[:, 1] > 0.65, evidence[:, 1] < 0.55))
    assert abs(high - low - np.log(3.0)) < 0.15
    factor = factor_of(error, nothing, np.exp(total)[:, None] * scaled)
    for count, held in ((1, 0.6827), (2, 0.9545)):
        share = float(np.mean(np.abs(error) <= count * factor * np.exp(total)[:, None] * scaled))
        assert abs(share - held) < 0.01


def test_what_a_fixed_deviation_explains_is_not_given_to_the_factor() -> None:
    generator = np.random.default_rng(2)
    fixed, scaled = np.full((4000, 1), 0.03), np.full((4000, 1), 0.01)
    error = generator.normal(size=(4000, 1)) * np.hypot(fixed, scaled)
    assert abs(factor_of(error, fixed, scaled) - 1.0) < 0.45
    assert factor_of(error, np.zeros_like(fixed), scaled) > 2.5


def test_a_few_gross_errors_do_not_widen_what_most_errors_call_for() -> None:
    """Two deviations alone would ask for twice as much here; one and two together ask for what is least off."""
    error = np.random.default_rng(6).normal(0.0, 0.01, (20000, 1))
    error[:1000] *= 20.0
    scaled = np.full_like(error, 0.01)
    factor = factor_of(error, np.zeros_like(error), scaled)
    assert 1.0 < factor < 1.3
    held = [float(np.mean(np.abs(error) <= count * factor * scaled)) for count in (1, 2)]
    assert abs(held[0] - 0.6827) < 0.05 and abs(held[1] - 0.9545) < 0.03


def test_a_region_is_more_than_one_thing_where_it_is_too_tall_for_one() -> None:
    assert is_merged(0.88, 0.053, 0.091) and not is_merged(0.88, 0.005, 0.091)
    assert is_merged(0.5, 0.0, 0.091) and not is_merged(0.99, 0.053, 0.091)


def test_the_loss_widens_what_is_stated_too_narrow_and_narrows_what_is_stated_too_wide() -> None:
    error = np.random.default_rng(5).normal(0.0, 0.01, (20000, 1))
    slopes = holding(error, np.zeros_like(error), np.full_like(error, 0.01))
    narrow, wide = (float(slopes(np.full(len(error), np.log(at)))[0].mean()) for at in (0.8, 2.0))
    assert narrow > 0.2 and wide < -0.2


def test_the_probability_of_a_mixture_follows_its_evidence() -> None:
    generator = np.random.default_rng(3)
    evidence = generator.uniform(0, 1, (4000, 2))
    true = np.where(evidence[:, 0] > 0.8, 0.7, 0.05)
    chance = 1 / (1 + np.exp(-sums(fit_merged(evidence, generator.random(4000) < true), evidence)))
    assert abs(chance[evidence[:, 0] > 0.85].mean() - 0.7) < 0.07
    assert abs(chance[evidence[:, 0] < 0.75].mean() - 0.05) < 0.03


def test_a_fit_is_written_read_and_asked_as_it_was_made(tmp_path: Path) -> None:
    rows = _rows(600)
    trees = fit(rows)
    assert fit(rows).to_json() == trees.to_json() and len(told_of(rows, trees)) == 3
    write_shipped(tmp_path, FILE, trees.to_json())
    data = (tmp_path / FILE).read_bytes()
    assert hashlib.sha256(data).hexdigest() in (tmp_path / "SHA256SUMS").read_text()
    read = TrustTrees.from_json(data.decode())
    evidence = np.concatenate([row.shown.asked() for row in rows])
    ends = [*trees.first[1:], len(trees.feature)]
    for number, (start, first, end) in enumerate(zip(trees.start, trees.first, ends, strict=True)):
        alone = sums((float(start), *(part[first:end] for part in (trees.feature, trees.above, trees.added))), evidence)
        found = np.concatenate([read(row.shown.asked())[:, number] for row in rows[:50]])
        assert found.tolist() == pytest.approx(alone[:350].tolist())


def test_exact_depth_has_a_leaf_of_its_own_in_the_last_tree_of_each_sum() -> None:
    rows = _rows(600)
    trees = fit(rows)
    asked = np.concatenate([row.shown.asked() for row in rows[:50]])
    exact = asked.copy()
    exact[:, NAMES.index("noise")] = np.log(PRESETS["exact"].floor_m)
    assert not trees.elsewhere.any() and not trees.added[trees.first[1:] - 1].any()
    settled = of_exact(trees, np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose((settled(exact) - trees(exact))[:, :4], np.tile([0.1, 0.2, 0.3, 0.4], (len(exact), 1)), atol=1e-9)
    assert (settled(asked) == trees(asked)).all()


def test_figures_of_the_shipped_trees_are_told_for_each_kind_of_error() -> None:
    rows = _rows(40)
    cells = row_of(rows)
    assert len(cells) == 4 and cells[3].endswith(f"({sum(row.merged for row in rows)} of 40)")
    for cell in cells[:3]:
        one, two = (float(share.removesuffix(" %")) for share in cell.split(", "))
        assert 0 < one <= two <= 100


def _rows(count: int) -> list[TrustRow]:
    """Things whose errors grow with one kind of evidence and whose regions are two with another."""
    generator = np.random.default_rng(4)
    rows = []
    for _ in range(count):
        evidence = ThingEvidence(*generator.uniform(0, 0.25, len(ThingEvidence._fields)))
        first, second, third = (AxisEvidence(*generator.uniform(0, 1, len(AxisEvidence._fields))) for _ in range(3))
        std = 0.002 if evidence.misfit < 0.12 else 0.01
        errors = generator.normal(0.0, std, 5)
        fixed = np.full(3, 0.004)
        merged = bool(generator.random() < (0.6 if evidence.tints_apart > 0.2 else 0.02))
        shown = Evidence(evidence, (first, second, third))
        rows.append(TrustRow(shown, errors[:2], fixed[:2] / 2, np.zeros(2), errors[2:], fixed, 0.001, 0.1, False, merged))
    return rows


def test_rows_of_a_rendered_scene_have_finite_evidence_and_errors() -> None:
    rows = rendered_rows(600_001, Extent(width_px=320))
    assert rows
    for row in rows:
        assert row.shown.asked().shape == (7, len(NAMES)) and np.isfinite(row.shown.asked()).all()
        assert np.isfinite([*row.level, *row.edges]).all()
        assert (row.level_std > 0).all() and (row.edges_std > 0).all()


def test_the_benchmark_refuses_the_seeds_of_the_fit() -> None:
    for some in (*TRUST_SEEDS, SIDES_SEEDS, SETTLED_SEEDS):
        for seed in (some.start, some.stop - 1, some.start - 100_000):
            with pytest.raises(ValueError, match="fitted"):
                EngineBenchOptions(seed=seed)
