"""Factors of deviations settled on relations between things of rendered images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_accuracy import Extent
from spatialvlm_ros.evaluation.engine_scores import SIGMA_SHARES, SIGMA_TOLERANCES
from spatialvlm_ros.evaluation.trust_related import (
    ASKED,
    Related,
    elsewhere,
    everywhere,
    held_of,
    of_exact,
    off,
    related_images,
    settled,
    stds_of,
)
from spatialvlm_ros.scene.trust_trees import shipped_trust

FAMILIES = {"stereo": "stereo", "correlated_stereo": "stereo", "exact": "exact"}


@pytest.fixture(scope="module")
def images() -> list[Related]:
    small = Extent(width_px=320)
    return [image for seed in (600_001, 600_004) for image in related_images(seed, small, FAMILIES)]


def test_every_relation_is_asked_of_all_pairs_or_of_all_things(images: list[Related]) -> None:
    assert {image.family for image in images} == set(FAMILIES)
    for image in images:
        count = len(image.things)
        asked = [name for _, name, _ in image.asked]
        assert asked.count("gap") == count * (count - 1) // 2 and asked.count("width") == count
        assert set(asked) <= {name for names in ASKED.values() for name in names}
        assert np.isfinite(image.error).all() and (np.abs(image.error) < 2.0).all()


def test_factors_that_errors_call_for_are_found(images: list[Related]) -> None:
    """Errors are drawn from the deviations that other factors would state, others for each kind of noise."""
    trees, generator = shipped_trust(), np.random.default_rng(0)
    true = of_exact(elsewhere(everywhere(trees, np.full(4, 0.35)), np.full(4, 0.3)), np.full(4, -0.6))
    drawn = [
        replace(image, error=generator.normal(size=len(image.error)) * stds_of([image], true))
        for image in images
        for _ in range(8)
    ]
    found, told = settled(trees, drawn)
    assert len(told) == len(FAMILIES)
    for family in FAMILIES:
        some = [image for image in images if image.family == family]
        ratio = stds_of(some, found) / stds_of(some, true)
        before = stds_of(some, trees) / stds_of(some, true)
        assert abs(np.log(np.median(ratio))) < 0.08 < abs(np.log(np.median(before)))


def test_what_is_held_is_told_kind_by_kind() -> None:
    kinds, error = np.repeat([0.0, 1.0], 10000), np.random.default_rng(1).normal(size=20000)
    held = held_of(kinds, error, np.repeat([1.0, 2.0], 10000))
    np.testing.assert_allclose(held[0], SIGMA_SHARES, atol=0.02)
    assert held[1][0] == pytest.approx(0.9545, abs=0.01)
    assert off(held[:1]) < 0.5 and off(held[1:]) > (0.9545 - SIGMA_SHARES[0]) / SIGMA_TOLERANCES[0] - 0.5
    assert off(held) == pytest.approx((off(held[:1]) + off(held[1:])) / 2)


def test_each_factor_changes_its_own_images_alone(images: list[Related]) -> None:
    trees = shipped_trust()
    wider = everywhere(trees, np.full(4, 0.2))
    plain = [image for image in images if image.family == "exact"]
    assert (stds_of(images, wider) > stds_of(images, trees)).mean() > 0.9
    assert stds_of(plain, elsewhere(trees, np.full(4, 0.2))).tolist() == stds_of(plain, trees).tolist()
