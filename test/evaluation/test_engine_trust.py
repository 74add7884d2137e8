"""The fit of how far a measured thing is to be trusted, on errors whose law is known, and on one rendered scene."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_accuracy import Extent
from spatialvlm_ros.evaluation.engine_bench import TRUST_SEEDS, EngineBenchOptions
from spatialvlm_ros.evaluation.engine_trust import (
    TWO_SIGMA,
    curves_of,
    factor_of,
    fit_merged,
    fit_scale,
    rendered_rows,
    sums,
)
from spatialvlm_ros.scene.trust import Evidence, total


def test_a_step_that_makes_errors_three_times_as_large_is_found() -> None:
    generator = np.random.default_rng(1)
    evidence = generator.uniform(0, 1, (4000, 3))
    scaled = np.full((4000, 1), 0.01)
    error = generator.normal(size=(4000, 1)) * scaled * np.where(evidence[:, 1:2] > 0.6, 3.0, 1.0)
    nothing = np.zeros_like(scaled)
    steps, total = fit_scale(evidence, error, nothing, scaled)
    assert steps[0][0] == 1 and abs(steps[0][1] - 0.6) < 0.05
    high, low = (float(total[which].mean()) for which in (evidence[:, 1] > 0.65, evidence[:, 1] < 0.55))
    assert abs(high - low - np.log(3.0)) < 0.15
    factor = factor_of(error, nothing, np.exp(total)[:, None] * scaled)
    held = np.abs(error) <= 2 * factor * np.exp(total)[:, None] * scaled
    assert abs(held.mean() - TWO_SIGMA) < 0.002


def test_what_a_fixed_deviation_explains_is_not_given_to_the_factor() -> None:
    generator = np.random.default_rng(2)
    fixed, scaled = np.full((4000, 1), 0.03), np.full((4000, 1), 0.01)
    error = generator.normal(size=(4000, 1)) * np.hypot(fixed, scaled)
    assert abs(factor_of(error, fixed, scaled) - 1.0) < 0.45
    assert factor_of(error, np.zeros_like(fixed), scaled) > 2.5


def test_the_probability_of_a_mixture_follows_its_evidence() -> None:
    generator = np.random.default_rng(3)
    evidence = generator.uniform(0, 1, (4000, 2))
    true = np.where(evidence[:, 0] > 0.8, 0.7, 0.05)
    start, steps = fit_merged(evidence, (generator.random(4000) < true).astype(float))
    chance = 1 / (1 + np.exp(-start - sums(steps, evidence)))
    assert abs(chance[evidence[:, 0] > 0.85].mean() - 0.7) < 0.07
    assert abs(chance[evidence[:, 0] < 0.75].mean() - 0.05) < 0.03


def test_curves_add_up_to_their_steps() -> None:
    generator = np.random.default_rng(4)
    evidence = generator.uniform(0, 1, (50, len(Evidence._fields)))
    steps = [(2, 0.3, -1.0, 2.0), (0, 0.5, 0.25, -0.5), (2, 0.7, 0.5, 0.0), (2, 0.3, 0.125, 0.0)]
    curves = tuple(curves_of(steps, 3.0))
    assert [curve.name for curve in curves] == [Evidence._fields[0], Evidence._fields[2]]
    assert [total(curves, Evidence(*row)) for row in evidence] == pytest.approx(list(3.0 + sums(steps, evidence)))


def test_rows_of_a_rendered_scene_have_finite_evidence_and_errors() -> None:
    rows = rendered_rows(600_001, Extent(width_px=320))
    assert rows
    for row in rows:
        assert len(row.evidence) == len(Evidence._fields) and np.isfinite(row.evidence).all()
        assert np.isfinite([*row.level, *row.edges, row.height]).all()
        assert (row.level_std > 0).all() and (row.edges_std > 0).all() and row.height_std > 0


def test_the_benchmark_refuses_the_seeds_of_the_fit() -> None:
    for some in TRUST_SEEDS:
        for seed in (some.start, some.stop - 1, some.start - 100_000):
            with pytest.raises(ValueError, match="fitted"):
                EngineBenchOptions(seed=seed)
