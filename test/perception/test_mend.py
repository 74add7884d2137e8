"""What was judged to be two things, and the shapes of necks, of bowls and of handles."""

from __future__ import annotations

import numpy as np
import pytest
from raycast import FLOOR, TABLE, Ball, Box, Can, render

from spatialvlm_ros.perception.grid import Grid, Surface, make_grid
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


RADIUS_M = 0.06
BOWL: list[Box | Ball | Can] = [Can((0.0, 0.0, 0.0), RADIUS_M, 0.07, WHITE, wall=0.004)]

# A mug with a handle of three bars that sticks out beside it, and one with a small block of its colour there instead.
MUG = Can((0.0, 0.0, 0.0), 0.038, 0.09, WHITE, wall=0.004)
HANDLE: list[Box | Ball | Can] = [
    MUG,
    Box((0.0, -0.052, 0.063), (0.008, 0.028, 0.008), WHITE),
    Box((0.0, -0.052, 0.027), (0.008, 0.028, 0.008), WHITE),
    Box((0.0, -0.062, 0.045), (0.008, 0.008, 0.044), WHITE),
]
BESIDE: list[Box | Ball | Can] = [MUG, Box((0.0, -0.052, 0.034), (0.008, 0.028, 0.067), WHITE)]


def seen(things: list[Box | Ball | Can]) -> tuple[Grid, Surface, np.ndarray]:
    """The grid, the surface above the table, and who owns each pixel of the grid: 2 and more for things."""
    frame, owner = render([TABLE, FLOOR, *things])
    support = TabletopSegmenter(CONFIG).segment(frame).plane
    assert support is not None
    grid = make_grid(frame, None, CONFIG.max_distance_m, CONFIG.work_width_px)
    surface = grid.surface(support.plane, CONFIG.noise, CONFIG.min_height_m, CONFIG.height_sigmas)
    return grid, surface, owner[:: grid.step, :: grid.step] * (grid.valid & surface.above)


def left_of(grid: Grid, surface: Surface, labels: np.ndarray, odds: dict[tuple[int, int], float]) -> int:
    """How many things are left of two that were judged to be two."""
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
    grid, surface, owner = seen(things)
    labels = np.where(owner == owner.max(), 2, owner >= 2).astype(np.int32)
    assert left_of(grid, surface, labels, odds) == left


@pytest.mark.parametrize(("odds", "left"), [(-1.0, 1), (-2.5, 2)], ids=["unsure", "sure"])
def test_the_walls_of_a_bowl_are_one_unless_the_judgement_is_sure(odds: float, left: int) -> None:
    grid, surface, owner = seen(BOWL)
    flat = grid.xyz @ surface.plane.basis().T
    own = owner == 2
    middle = (flat[own].min(axis=0) + flat[own].max(axis=0)) / 2
    off = flat - middle
    outside = (np.linalg.norm(off, axis=-1) > RADIUS_M - 0.002) & (off @ middle < 0)
    labels = np.where(own, np.where(outside, 1, 2), 0).astype(np.int32)
    assert left_of(grid, surface, labels, {(1, 2): odds}) == left


@pytest.mark.parametrize(
    ("things", "odds", "left"),
    [(HANDLE, -1.2, 1), (HANDLE, -2.5, 2), (BESIDE, -1.2, 2)],
    ids=["unsure", "sure", "what stands on the table"],
)
def test_a_handle_is_of_its_mug_unless_the_judgement_is_sure(things: list[Box | Ball | Can], odds: float, left: int) -> None:
    grid, surface, owner = seen(things)
    labels = np.where(owner >= 3, 2, owner >= 2).astype(np.int32)
    assert left_of(grid, surface, labels, {(1, 2): odds}) == left
