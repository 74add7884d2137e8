"""Quantiles that are to be NumPy's, bit by bit: boxes of things are read from them."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.quantiles import linear_quantiles, middle
from spatialvlm_ros.geometry.rigid import cross

SHARES = (0.0, 0.001, 0.25, 0.5, 0.75, 0.98, 0.999, 1.0)


@pytest.mark.parametrize("count", [1, 2, 3, 40, 1999, 2000, 4321])
def test_quantiles_are_those_of_numpy_bit_by_bit(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(3, count))
    for rows in (values, values[0]):
        assert np.array_equal(linear_quantiles(rows, SHARES), np.quantile(rows, SHARES, axis=-1))
        # NumPy 1 rounds those of float32 to float32.
        single = rows.astype(np.float32)
        expected = np.quantile(single.astype(np.float64), SHARES, axis=-1)
        assert np.allclose(linear_quantiles(single, SHARES), expected, rtol=2e-7, atol=2e-7)


def test_equal_values_have_one_quantile() -> None:
    assert linear_quantiles(np.full(10, 0.1), (0.3, 0.7)).tolist() == [0.1, 0.1]


def test_the_cross_product_of_one_pair_is_that_of_numpy() -> None:
    for a, b in np.random.default_rng(0).normal(size=(20, 2, 3)):
        assert np.array_equal(cross(a, b), np.cross(a, b))


def test_middles_are_numpys_medians_bit_by_bit() -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 3, 10, 301):
        for dtype in (np.float32, np.float64):
            values = rng.normal(size=count).astype(dtype)
            assert middle(values) == np.median(values) and middle(values).dtype == dtype
