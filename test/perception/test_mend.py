"""What was judged to be two things, and the shape of a neck."""

from __future__ import annotations

import numpy as np
import pytest
from raycast import FLOOR, TABLE, Ball, Box, Can, render

from spatialvlm_ros.perception.grid import make_grid
from spatialvlm_ros.perception.mend import mend
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter

CONFIG = TabletopConfig()
GREEN, WHITE = (40, 120, 60), (200, 200, 190)
# A bottle: its body, shoulders that taper to the neck, and a neck of another colour.
BOTTLE: list[Box | Ball | Can] = [
    Can((0.0, 0.0, 0.0), 0.04, 0.12, GREEN),
    Ball((0.0, 0.0, 0.12), 0.04, GREEN),
    Can((0.0, 0.0, 0.155), 0.014, 0.05, WHITE),
]
# A small can on a large one.
STACK: list[Box | Ball | Can] = [Can((0.0, 0.0, 0.0), 0.04, 0.16, GREEN), Can((0.0, 0.0, 0.16), 0.014, 0.045, WHITE)]


def mended(things: list[Box | Ball | Can], odds: dict[tuple[int, int], float]) -> int:
    """How many things are left of the uppermost one and of all below it, judged to be two."""
    frame, owner = render([TABLE, FLOOR, *things])
    support = TabletopSegmenter(CONFIG).segment(frame).plane
    assert support is not None
    grid = make_grid(frame, None, CONFIG.max_distance_m, CONFIG.work_width_px)
    surface = grid.surface(support.plane, CONFIG.noise, CONFIG.min_height_m, CONFIG.height_sigmas)
    of_grid = owner[:: grid.step, :: grid.step]
    labels = np.where(of_grid == owner.max(), 2, of_grid >= 2).astype(np.int32) * (grid.valid & surface.above)
    assert (np.bincount(labels.ravel(), minlength=3)[1:] > 40).all()
    return len(np.unique(mend(grid, surface, labels, CONFIG, judged=labels, odds=odds))) - 1


@pytest.mark.parametrize(
    ("things", "odds", "left"),
    [
        (BOTTLE, {(1, 2): -2.0}, 1),
        (BOTTLE, {(1, 2): -6.0}, 2),
        (BOTTLE, {}, 2),
        (STACK, {(1, 2): -2.0}, 2),
    ],
    ids=["a neck", "a neck by its shape alone", "nobody judged the joint", "what stands on a flat top"],
)
def test_a_neck_is_of_its_bottle_unless_the_judgement_is_sure(
    things: list[Box | Ball | Can], odds: dict[tuple[int, int], float], left: int
) -> None:
    assert mended(things, odds) == left
