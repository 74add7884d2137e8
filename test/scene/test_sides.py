"""Sides of a thing whose surface errs more or less than its centre and its edges tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table, scene

from spatialvlm_ros.scene.relation import side_std
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import SceneObject

POSE = camera_over_table(40.0)
# Low and high end of each level axis.
SIDES = np.log([[0.5, 2.0], [1.5, 3.0]])


def standing(place: tuple[float, float], number: int, sides: np.ndarray | None = None) -> SceneObject:
    thing = box(POSE.apply(np.array([*place, 0.05])), (0.06, 0.06, 0.1), POSE.rotation, number=number)
    return thing if sides is None else replace(thing, sides=sides)


def test_a_direction_has_the_ends_that_it_leads_to() -> None:
    thing = standing((0.5, 0.0), 1, SIDES)
    first, second, up = thing.axes.T
    assert [thing.side_log(way) for way in (-first, first, -second, second)] == pytest.approx(SIDES.ravel().tolist())
    assert thing.side_log(up) == pytest.approx(0.0)
    assert thing.side_log((first - second) / np.sqrt(2)) == pytest.approx((SIDES[0, 1] + SIDES[1, 0]) / 2)


def test_axes_that_change_places_and_ends_keep_what_is_known_of_each_side() -> None:
    thing = standing((0.5, 0.0), 1, SIDES)
    other_axes = thing.axes[:, [1, 0, 2]] * [-1, 1, -1]
    other = replace(thing, axes=other_axes, sides=thing.sides_along(other_axes))
    np.testing.assert_allclose(other.sides, [[SIDES[1, 1], SIDES[1, 0]], SIDES[0]])
    for angle in np.linspace(0, 6, 13):
        way = thing.axes @ [np.cos(angle), np.sin(angle), 0.0]
        assert other.side_log(way) == pytest.approx(thing.side_log(way))
        assert side_std(other, way) == pytest.approx(side_std(thing, way))


@pytest.mark.parametrize("name", ["gap", "path_width"])
def test_only_the_side_that_faces_the_other_thing_counts(name: str) -> None:
    def std(sides: np.ndarray) -> float:
        a, b = standing((0.5, 0.0), 1, sides), standing((0.5, 0.3), 2)
        return RELATIONS[name].measure(scene({"a": a, "b": b}, POSE), a, b).std

    alike = std(np.zeros((2, 2)))
    towards = np.array([[0.0, 0.0], [0.0, np.log(3.0)]])
    assert std(towards) > 1.5 * alike and std(-towards) < alike
    assert std(towards[:, ::-1]) == pytest.approx(alike) and std(towards[::-1]) == pytest.approx(alike)


@pytest.mark.parametrize(("name", "end"), [("behind", (0, 1)), ("front", (0, 0)), ("left", (1, 1)), ("right", (1, 0))])
def test_a_point_beside_a_thing_errs_as_that_side_does(name: str, end: tuple[int, int]) -> None:
    """Towards a block that stands 15 cm farther on, to whose face the point is nearest."""
    place = {"behind": (0.9, 0.0), "front": (0.3, 0.0), "left": (0.6, 0.3), "right": (0.6, -0.3)}[name]

    def std(sides: np.ndarray) -> float:
        from tiny_render import Solid, view

        picture = view([Solid((0.6, 0.0, 0.05), (0.06, 0.06, 0.1)), Solid((*place, 0.05), (0.06, 0.06, 0.1))], pose=POSE)
        seen = scene({"a": standing((0.6, 0.0), 1, sides)}, POSE)
        return RELATIONS[f"point_{name}"].measure(replace(seen, frame=picture.frame), seen.objects[0], 0.1).std

    there, opposite = np.zeros((2, 2)), np.zeros((2, 2))
    there[end], opposite[end[0], 1 - end[1]] = np.log(3.0), np.log(3.0)
    assert std(there) > std(opposite) == pytest.approx(std(np.zeros((2, 2))))
