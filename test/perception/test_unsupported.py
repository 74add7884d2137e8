"""What stands out where nothing is found to stand on; drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bare_bin import BACK_ENDS, BLUE, BLUE_BOX, CAMERA, RED_BOX, bin_with

from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter
from spatialvlm_ros.perception.unsupported import colors_elsewhere, ends_of, find_unsupported
from spatialvlm_ros.scene.frame import BoolArray, Region, RGBDFrame

CONFIG = TabletopConfig()


def overlap(one: BoolArray, other: BoolArray) -> float:
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


def painted(frame: RGBDFrame, rows: slice, columns: slice, color: tuple[int, int, int]) -> RGBDFrame:
    changed = frame.color.copy()
    changed[rows, columns] = color
    return replace(frame, color=changed)


def test_things_stand_out_and_the_walls_of_a_bin_do_not() -> None:
    frame = bin_with(BLUE_BOX, RED_BOX)
    # The table's grounder finds no table.
    assert TabletopSegmenter(CONFIG).segment(frame).plane is None
    found = find_unsupported(frame, CONFIG)
    assert [max((overlap(thing.mask, face.mask()), face.color) for face in (BLUE_BOX, RED_BOX))[1] for thing in found] == [
        RED_BOX.color, BLUE_BOX.color,
    ]  # fmt: skip
    assert all(max(overlap(thing.mask, face.mask()) for face in (BLUE_BOX, RED_BOX)) > 0.85 for thing in found)
    assert find_unsupported(bin_with(), CONFIG) == []


def test_without_depth_there_is_nothing() -> None:
    frame = bin_with(BLUE_BOX)
    assert find_unsupported(replace(frame, depth_m=np.full_like(frame.depth_m, np.nan)), CONFIG) == []


def test_a_rim_tells_where_a_thing_ends_and_how_far_it_may_go_on() -> None:
    frame = bin_with(RED_BOX)
    ends = ends_of(frame, Region(RED_BOX.mask()), CONFIG.noise)
    assert (ends.farther[:3] > 0.8).all() and (ends.nearer == 0).all() and ends.farther[3] == 0
    assert ends.depth_m == pytest.approx(RED_BOX.depth_m, abs=0.005)
    # The shadow on its left is 8 pixels wide, and below nothing has depth as far as anybody looks.
    assert ends.hole_m[0] == pytest.approx(8 * RED_BOX.depth_m / CAMERA.fx, abs=0.001) and ends.hole_m[1] < 0.002
    assert ends.hole_m[3] > 0.03
    nearer = frame.depth_m.copy()
    nearer[:, RED_BOX.columns[1] :] = RED_BOX.depth_m - 0.1
    assert ends_of(replace(frame, depth_m=nearer), Region(RED_BOX.mask()), CONFIG.noise).nearer[1] > 0.9


def test_a_colour_that_something_else_has_is_no_name_of_its_own() -> None:
    frame = bin_with(BLUE_BOX)
    things = [Region(BLUE_BOX.mask())]
    assert colors_elsewhere(frame, things, ["blue"]) == []
    elsewhere = painted(frame, slice(100, 200), slice(500, 600), BLUE)
    assert colors_elsewhere(elsewhere, things, ["blue"]) == ["blue"]
    assert colors_elsewhere(elsewhere, things, ["red"]) == [] and colors_elsewhere(elsewhere, things, [""]) == []
    # Right below it is its reflection, whatever its depth is; a speck is nothing.
    below = painted(frame, slice(BLUE_BOX.rows[1], BLUE_BOX.rows[1] + 100), slice(*BLUE_BOX.columns), BLUE)
    speck = painted(frame, slice(100, 120), slice(500, 520), BLUE)
    assert colors_elsewhere(below, things, ["blue"]) == [] and colors_elsewhere(speck, things, ["blue"]) == []
    assert BLUE_BOX.rows[1] < BACK_ENDS
