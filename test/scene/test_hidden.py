"""Things of which nobody sees how deep they are: their depth is not sure, and covers the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import camera_over_table
from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.scene.hidden import on_top, unsteady_std_m
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region
from spatialvlm_ros.scene.scene import SceneObject

# 16 cm deep; what stands on it hides all but the front of its top.
CARTON = Solid((0.6, 0.0, 0.075), (0.16, 0.065, 0.15))
ON_IT = Solid((0.61, 0.0, 0.22), (0.062, 0.062, 0.14), color=(90, 30, 140))
POSE = camera_over_table(42.0, height_m=0.75)


def measured(picture: View) -> SceneObject:
    thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert thing is not None
    return thing


def deep(thing: SceneObject, picture: View) -> int:
    """Its axis that points away from the camera."""
    return int(np.argmax(np.abs(thing.axes.T @ picture.camera_from_canonical.rotation[:, 0])))


def test_what_stands_on_a_thing_covers_its_upper_rim() -> None:
    picture = view([CARTON, ON_IT], pose=POSE)
    assert on_top(picture.frame, picture.region(), picture.plane, 0.15) > 0.6
    alone = view([CARTON], pose=POSE)
    assert on_top(alone.frame, alone.region(), alone.plane, 0.15) < 0.1


def test_a_sheet_that_would_not_stand_goes_on_behind() -> None:
    assert unsteady_std_m(np.array([0.08, 0.022, 0.08])) == pytest.approx(0.04)
    assert unsteady_std_m(np.array([0.055, 0.056, 0.25])) == 0.0
    assert unsteady_std_m(np.array([0.10, 0.06, 0.12])) == 0.0
    std_m = {}
    for height_m in (0.06, 0.08):
        picture = view([Solid((0.6, 0.0, height_m / 2), (0.022, 0.045, height_m))], pose=POSE)
        thing = measured(picture)
        std_m[height_m] = thing.extents_std[deep(thing, picture)]
    # How far is what trust learnt; the lower one stands as thin as it looks.
    assert std_m[0.08] > 3 * std_m[0.06] and std_m[0.08] > 0.01


# 5 cm deep and 16 cm wide; what stands on it leaves a third of its upper rim free, and beside that the table behind it shows.
SHALLOW = Solid((0.6, 0.0, 0.06), (0.05, 0.16, 0.12))
WIDE_ON_IT = Solid((0.6, 0.0, 0.17), (0.05, 0.09, 0.1), color=(90, 30, 140))


def test_a_thing_is_not_taken_to_be_deep_where_the_camera_looks_past_it() -> None:
    picture = view([SHALLOW, WIDE_ON_IT], pose=POSE)
    assert on_top(picture.frame, picture.region(), picture.plane, 0.12) > 0.5
    thing = measured(picture)
    deep_m = thing.extents[deep(thing, picture)]
    assert 0.04 < deep_m < 0.075
    # Where something nearer hides what is behind it, nobody looks past.
    depth_m = picture.frame.depth_m.copy()
    depth_m[picture.owner < 0] = 0.3
    hidden = replace(picture, frame=replace(picture.frame, depth_m=depth_m))
    assert measured(hidden).extents[deep(thing, picture)] > deep_m + 0.04
