"""Cameras far from what they look at: things have few pixels, depth is noisy, and a table shows large against what is on it."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_render import Rendered, noisy_frame, render_scene
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.simulation.random_scene import SceneSampling
from spatialvlm_ros.simulation.raycast import SUPPORT_LABEL

FAMILY = "structured_light"
FAR = SceneSampling(camera_distance_m=(1.7, 2.4), pitch_deg=(-60.0, -20.0))
# A table of 0.7 m2 of which a hundredth is under things.
LARGE_TABLE = 647_000


@pytest.fixture(scope="module")
def far() -> Rendered:
    return render_scene(LARGE_TABLE, FAR)


def test_a_table_seen_from_far_is_found_where_up_is_known_and_so_is_what_stands_on_it(far: Rendered) -> None:
    frame = noisy_frame(far, FAMILY)
    found = TabletopSegmenter(TabletopConfig(noise=PRESETS[FAMILY])).segment(frame, up=far.truth.up)
    assert found.plane is not None, found.reason
    assert found.plane.step == 1
    labels = far.rendering.labels
    assert np.mean(labels[found.plane.inliers] == SUPPORT_LABEL) > 0.9
    best = []
    for number in far.numbers:
        own = (labels == number) & frame.valid
        masks = [region.mask & frame.valid for region in found.regions]
        best.append(max(np.count_nonzero(own & mask) / np.count_nonzero(own | mask) for mask in masks))
    assert np.count_nonzero(np.array(best) > 0.75) >= 4


def test_a_window_of_a_far_image_is_looked_at_as_finely_as_the_whole(far: Rendered) -> None:
    frame = noisy_frame(far, FAMILY)
    segmenter = TabletopSegmenter(TabletopConfig(noise=PRESETS[FAMILY]))
    whole = segmenter.segment(frame, up=far.truth.up)
    assert whole.plane is not None
    largest = max(whole.regions, key=lambda region: np.count_nonzero(region.mask))
    u0, v0, u1, v1 = largest.box
    rows, columns = slice(max(0, v0 - 40), v1 + 40), slice(max(0, u0 - 40), u1 + 40)
    part = segmenter.segment_part(frame, rows, columns, whole.plane, None)
    assert part is not None
    overlaps = [np.count_nonzero(one.mask & largest.mask) / np.count_nonzero(one.mask | largest.mask) for one in part]
    assert max(overlaps) > 0.95


def test_a_near_image_keeps_its_grid() -> None:
    near = render_scene(646_000, SceneSampling())
    found = TabletopSegmenter(TabletopConfig(noise=PRESETS[FAMILY])).segment(noisy_frame(near, FAMILY), up=near.truth.up)
    assert found.plane is not None and found.plane.step == 2
