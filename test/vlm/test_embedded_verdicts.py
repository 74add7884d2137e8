"""Verdicts of depth and of the decoder joined: what was fitted is how often they are right, and none is turned by it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.vlm.embedded.verdicts import dimension_of, fit, joined, verdict

COUNT = 20_000


def comparisons(lapse: float, narrower: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins of depth whose true errors are ``narrower`` than stated, and of which a share are of something else altogether."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, COUNT)
    seen = true + rng.normal(0, narrower, COUNT)
    lapsed = rng.random(COUNT) < 2 * lapse
    seen[lapsed] = rng.normal(0, 3, int(lapsed.sum()))
    own = ndtr(true + rng.normal(0, 1, COUNT))
    return seen, own, true > 0


def test_a_fit_tells_how_often_verdicts_are_right() -> None:
    margin, own, holds = comparisons(0.01, 0.5)
    weights = fit(margin, own, holds)
    # Depth's margins are worth more than their deviations say.
    assert weights[0] > 1.3
    margin, own, holds = comparisons(0.01, 0.5, seed=1)
    told = joined(weights, margin, own)
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.0)):
        sure = np.maximum(told, 1 - told)
        chosen = (sure >= low) & (sure < high)
        assert chosen.sum() > 200
        assert float(((told > 0.5) == holds)[chosen].mean()) == pytest.approx(float(sure[chosen].mean()), abs=0.03)
    # Of an opposite comparison the opposite is told.
    assert np.allclose(joined(weights, -margin, 1 - own), 1 - told, atol=1e-9)


def test_what_one_of_them_does_not_know_the_other_decides() -> None:
    margin, _, holds = comparisons(0.0, 1.0)
    weights = fit(margin, np.full(COUNT, 0.5), holds)
    assert joined(weights, 2.0, 0.5) > 0.95
    _, own, holds = comparisons(0.0, 1.0)
    weights = fit(np.zeros(COUNT), own, holds)
    assert joined(weights, 0.0, 0.99) > 0.9
    with pytest.raises(ValueError, match="nothing can be fitted"):
        fit([np.nan], [0.5], [True])


def test_all_comparisons_of_a_dimension_are_joined_alike_and_no_other_is() -> None:
    fitted = {"tall_or_short": (2.0, 0.0, 0.0)}
    for relation in ("tall", "short", "which_tall", "which_short", "tall_or_short"):
        assert verdict(fitted, relation, 1.0, 0.5) == pytest.approx(float(ndtr(2.0)))
    assert verdict(fitted, "wide", 1.0, 0.5) is None and verdict(fitted, "on", 1.0, 0.5) is None
    compared = [name for name in PAPER_TYPES if RELATIONS[name].kind is not Kind.ESTIMATE]
    assert all(dimension_of(name) for name in compared) and len({dimension_of(name) for name in compared}) == 6
