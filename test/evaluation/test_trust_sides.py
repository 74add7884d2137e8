"""Sides told apart by errors of gaps and ways whose law is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_accuracy import Extent
from spatialvlm_ros.evaluation.trust_related import Related, related_images, stds_of
from spatialvlm_ros.evaluation.trust_sides import called_for, ends_of, joined, no_sides, parts_of, slopes_of, with_sides
from spatialvlm_ros.scene.trust import NAMES
from spatialvlm_ros.scene.trust_trees import SUMS, TrustTrees, shipped_trust

SIDE, FACING = SUMS.index("side"), NAMES.index("facing")
FAMILIES = {"stereo": "stereo", "exact": "exact"}


@pytest.fixture(scope="module")
def images() -> list[Related]:
    return [image for seed in (600_001, 600_004) for image in related_images(seed, Extent(width_px=320), FAMILIES)]


def far_sides(by: float) -> TrustTrees:
    """The shipped trees, but for sides: those that face away from the camera err more by a factor's logarithm."""
    trees = shipped_trust()
    parts, depth = parts_of(trees), trees.feature.shape[1]
    leaves = np.zeros((1, 2**depth))
    leaves[0, -1] = by
    start, feature, above, added = no_sides(depth)
    asks = np.full((1, depth), FACING), np.zeros((1, depth)), leaves
    parts[SIDE] = (start, *(np.concatenate(two) for two in zip(asks, (feature, above, added), strict=True)))
    return joined(trees.usual, parts, trees.elsewhere)


def test_trees_are_joined_as_they_were_parted() -> None:
    trees = shipped_trust()
    assert joined(trees.usual, parts_of(trees), trees.elsewhere).to_json() == trees.to_json()


def test_an_error_of_one_deviation_calls_for_no_change_and_a_larger_one_for_more() -> None:
    drawn = np.random.default_rng(0).normal(size=40000)
    (fit, _), (narrow, curve), (wide, _) = (called_for(drawn, np.full(len(drawn), at**2)) for at in (1.0, 0.5, 2.0))
    # A smoothed share is a little less than what is held: factors are settled afterwards.
    assert abs(fit.mean()) < 0.15 and narrow.mean() > 0.5 and wide.mean() < -0.25 and (curve > 0).all()


def test_what_is_of_the_ends_and_of_none_is_all_of_a_deviation(images: list[Related]) -> None:
    trees = far_sides(0.0)
    ends = ends_of(images, trees)
    stds = [stds_of([image], trees) for image in images]
    asked = np.concatenate(
        [std[[name in ("gap", "path_width") for _, name, _ in image.asked]] for image, std in zip(images, stds, strict=True)]
    )
    own = np.sqrt(ends.other + ends.variance.sum(axis=1))
    assert 0.7 * len(asked) < len(own) <= len(asked)
    # As many as there are: each of them is one that was asked.
    nearest = np.abs(own[:, None] - asked).min(axis=1)
    assert nearest.max() < 1e-9 and len(ends.evidence) == 4 * sum(len(image.things) for image in images)
    assert (ends.share.sum(axis=2) < 1 + 1e-9).all() and (ends.evidence[ends.index[..., 0], FACING] != 0).any()


def test_slopes_are_those_of_each_end(images: list[Related]) -> None:
    """A logarithm that is larger by a step makes the deviation of what it is about larger, as far as its share goes."""
    ends = ends_of(images, far_sides(0.0))
    total = np.zeros(len(ends.evidence))
    down, curve = slopes_of(replace(ends, error=np.full(len(ends.error), 1.0)))(total)
    used = np.unique(ends.index[ends.share > 1e-3])
    assert (down[used] > 0).all() and (curve[used] > 0).all()
    assert (slopes_of(replace(ends, error=np.zeros(len(ends.error))))(total)[0][used] < 0).all()


def test_far_sides_that_err_more_are_found(images: list[Related]) -> None:
    true, generator = far_sides(np.log(2.5)), np.random.default_rng(1)
    drawn = [
        replace(image, error=generator.normal(size=len(image.error)) * stds_of([image], true))
        for image in images
        for _ in range(12)
    ]
    found = with_sides(shipped_trust(), drawn)
    assert with_sides(shipped_trust(), drawn).to_json() == found.to_json()
    evidence = np.concatenate([shown.asked()[3:] for image in images for _, shown in image.things if shown is not None])
    told, facing = found(evidence)[:, SIDE], evidence[:, FACING]
    apart = told[facing > 0.3].mean() - told[facing < -0.3].mean()
    assert 0.5 * np.log(2.5) < apart < 1.5 * np.log(2.5)
    others = [number for number in range(len(SUMS)) if number != SIDE]
    assert (found(evidence)[:, others] == shipped_trust()(evidence)[:, others]).all()


def test_without_images_all_sides_are_alike() -> None:
    alike = with_sides(far_sides(1.0), [])
    assert not alike(np.random.default_rng(2).normal(size=(20, len(NAMES))))[:, SIDE].any()
