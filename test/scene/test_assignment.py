"""Pairs of least cost: those of SciPy's solver, asked or not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from spatialvlm_ros.scene.assignment import assigned


@pytest.mark.parametrize("seed", range(200))
def test_pairs_cost_what_the_solver_s_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gate, shape = 0.2, tuple(rng.integers(1, 7, 2))
    cost = np.minimum(rng.uniform(0, rng.uniform(0.2, 2.0), shape), gate)
    possible = cost < gate
    pairs = [pair for pair in assigned(cost, possible) if possible[pair]]
    best = [(row, column) for row, column in zip(*linear_sum_assignment(cost), strict=True) if possible[row, column]]
    assert sorted(pairs) == sorted(best)


def test_rows_without_a_possible_pair_get_none_by_right() -> None:
    cost = np.array([[0.2, 0.2], [0.2, 0.1]])
    assert [pair for pair in assigned(cost, cost < 0.2) if cost[pair] < 0.2] == [(1, 1)]


def test_the_solver_is_loaded_when_it_is_needed_or_asked_for_beforehand() -> None:
    script = (
        "import sys, numpy as np\n"
        "from spatialvlm_ros.scene.assignment import assigned, warm_up\n"
        "apart = np.array([[0.0, 1.0], [1.0, 0.0]])\n"
        "assert assigned(apart, apart < 1) == [(0, 0), (1, 1)] and 'scipy.optimize' not in sys.modules\n"
        "warm_up()\n"
        "assert 'scipy.optimize' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
