"""The simulated cell with a camera that errs as real ones do."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.environments.table_cell import TableCell
from spatialvlm_ros.simulation import SimConfig
from spatialvlm_ros.simulation.depth_noise import SCALE_STD

OBJECTS = ("red block", "green plate")
# Its pixels err independently, so that an image's median shows its scale.
FAMILY = "structured_light"


def scale_of(seed: int) -> tuple[float, float]:
    """By how much two images of a cell are too far, as a share: the median over the pixels of true depth."""
    cell = TableCell(SimConfig(seed, 160, 120, objects=OBJECTS), depth_family=FAMILY)
    try:
        found = []
        for _ in range(2):
            true = cell.sim.render(truth=True).depth_m
            found.append(float(np.nanmedian(cell.frame().depth_m / true)) - 1.0)
        return found[0], found[1]
    finally:
        cell.close()


def test_the_scale_errs_by_the_seed_and_alike_on_all_images() -> None:
    scales = [scale_of(seed) for seed in range(6)]
    assert all(first == pytest.approx(second, abs=0.002) for first, second in scales)
    size = float(np.sqrt(np.mean(np.square(scales))))
    assert 0.4 * SCALE_STD[FAMILY] < size < 2.0 * SCALE_STD[FAMILY]
    assert len({round(first, 4) for first, _ in scales}) == 6


def test_the_same_seed_gives_the_same_images_and_another_image_other_noise() -> None:
    frames = []
    for _ in range(2):
        cell = TableCell(SimConfig(1, 160, 120, objects=OBJECTS), depth_family=FAMILY)
        frames.append([cell.frame().depth_m for _ in range(2)])
        cell.close()
    assert np.array_equal(frames[0], frames[1], equal_nan=True)
    assert not np.array_equal(frames[0][0], frames[0][1], equal_nan=True)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="'sonar' is not one of structured_light, stereo"):
        TableCell(SimConfig(1, 160, 120, objects=OBJECTS), depth_family="sonar")
