"""Deviations of lengths by the decoder and by depth joined: what was fitted holds the shares of errors that it should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.scene.facts import METRE, PROBABILITY
from spatialvlm_ros.vlm.embedded.deviations import fit, joined
from spatialvlm_ros.vlm.interface import ModelAnswer

COUNT = 20_000


def lengths(seed: int, quarrels: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Deviations of the decoder, which does not know how good the depth is, and those of depth, how far the decoder's lengths are
    from those measured, and errors of .8 of depth's deviation.

    Of one in ten the decoder knows that it wavers. Of a share of ``quarrels`` it says another length, and is as wrong.
    """
    rng = np.random.default_rng(seed)
    depth = rng.choice([0.002, 0.004, 0.012], COUNT)
    wavers, other = rng.random(COUNT) < 0.1, rng.random(COUNT) < quarrels
    apart = np.where(other, rng.choice([0.02, 0.06], COUNT), 0.0)
    error = rng.normal(0.0, 1.0, COUNT) * np.hypot(np.where(wavers, 0.05, 0.8 * depth), apart)
    return np.where(wavers, 0.1, 0.003), depth, apart, error


def test_a_fit_holds_the_errors_of_other_lengths_wherever_depth_is_good_or_not() -> None:
    weights = fit(*lengths(0))
    own, depth, apart, error = lengths(1)
    std = np.array([joined(weights, *each) for each in zip(own, depth, apart, strict=True)])
    for one in (0.002, 0.004, 0.012):
        stds = np.abs(error[depth == one]) / std[depth == one]
        assert float((stds <= 1).mean()) == pytest.approx(0.68, abs=0.08)
        assert float((stds <= 2).mean()) == pytest.approx(0.95, abs=0.03)
    # By the decoder alone there is no factor that does.
    assert float((np.abs(error)[depth == 0.012] <= own[depth == 0.012]).mean()) < 0.45
    # What it wavers about is uncertain, however good the depth.
    assert joined(weights, 0.1, 0.002, 0.0) > 0.025


def test_a_length_that_is_not_the_one_measured_is_uncertain_by_how_far_it_is_from_it() -> None:
    weights = fit(*lengths(0, quarrels=0.05))
    own, depth, apart, error = lengths(1, quarrels=0.05)
    std = np.array([joined(weights, *each) for each in zip(own, depth, apart, strict=True)])
    for one in (0.02, 0.06):
        stds = np.abs(error[apart == one]) / std[apart == one]
        assert float((stds <= 2).mean()) > 0.85
        # What two deviations hold where how far both are apart counts for nothing.
        without = np.abs(error) / np.array([joined(weights[:2], *each) for each in zip(own, depth, apart, strict=True)])
        assert float((without[apart == one] <= 2).mean()) < 0.6
    assert float((np.abs(error) <= std).mean()) == pytest.approx(0.68, abs=0.05)
    assert float((np.abs(error) <= 2 * std).mean()) == pytest.approx(0.95, abs=0.03)


def test_the_decoder_stands_alone_where_nothing_was_measured_or_fitted() -> None:
    assert joined((0.3, 0.9, 0.7), 0.004, math.nan, math.nan) == joined((), 0.004, 0.002, 0.001) == 0.004
    assert joined((0.3, 0.9, 0.7), 0.004, 0.002, 0.01) == pytest.approx(math.hypot(0.0012, 0.0018, 0.007))
    # A model fitted before there was a third weight.
    assert joined((0.3, 0.9), 0.004, 0.002, 0.01) == pytest.approx(math.hypot(0.0012, 0.0018))
    with pytest.raises(ValueError, match="nothing can be fitted"):
        fit([0.001], [np.nan], [0.0], [0.0])


def test_who_joins_an_answer_with_depth_is_told_what_the_model_is_sure_of_by_itself() -> None:
    assert ModelAnswer("12 cm", value=0.12, std=0.004, unit=METRE, alone_std=0.001).own_std == 0.001
    assert ModelAnswer("12 cm", value=0.12, std=0.004, unit=METRE).own_std == 0.004
    assert math.isnan(ModelAnswer("yes", value=0.9, std=0.1, unit=PROBABILITY).own_std)
