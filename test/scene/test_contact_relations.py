"""Truth tables of the relations of contact: on, held."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.scene.facts import Truth
from spatialvlm_ros.scene.relations import RELATIONS, Measurement
from spatialvlm_ros.scene.scene import Scene, SceneObject


def measure(name: str, view: Scene, *things: SceneObject) -> Measurement:
    return RELATIONS[name].measure(view, *things)


BASE = {"size": (0.1, 0.1, 0.04), "top": 0.04}


def on(
    offset: tuple[float, float, float], *, size: tuple[float, float, float] = (0.05, 0.05, 0.05), std: float = 0.001
) -> bool | None:
    """Verdict of "block on plate" with the block's middle at ``offset`` from resting on the middle of the plate."""
    pose = camera_over_table(40, 15)
    covariance = std**2 * np.eye(3)
    plate = box((0.7, 0.1, 0.02), (0.1, 0.1, 0.04), covariance=covariance, number=2)
    block = box(np.array([0.7, 0.1, 0.04 + size[2] / 2]) + offset, size, covariance=covariance)
    block, plate = (replace(thing, extents_std=np.full(3, std)) for thing in (block, plate))
    return Truth(measure("on", scene({}, pose), placed(block, pose), placed(plate, pose)).value).verdict


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        ((0, 0, 0), True),
        ((0.03, -0.03, 0.005), True),
        ((0, 0, -0.005), True),
        ((0.09, 0, 0), False),  # beside the plate's edge, at the same height
        ((0, 0.09, 0), False),
        ((0, 0, 0.05), False),  # held above
        ((0, 0, -0.04), False),  # inside, i.e. standing on the table at the plate's place
        ((0, 0, -0.2), False),
        ((0.05, 0, 0), None),  # its middle over the very edge
        ((0, 0, 0.015), None),  # as far off as contact reaches
    ],
)
def test_on_needs_contact_and_support(offset: tuple[float, float, float], verdict: bool | None) -> None:
    assert on(offset) is verdict


def test_on_is_not_mutual() -> None:
    pose = camera_over_table()
    plate, block = placed(box((0.7, 0, 0.02), (0.1, 0.1, 0.04)), pose), placed(box((0.7, 0, 0.065)), pose)
    assert measure("on", scene({}, pose), plate, block).value < 0.01


def test_a_sheet_right_under_another_is_not_on_it() -> None:
    # Its lower face is as near to the other's upper face as contact reaches, but from below.
    pose = camera_over_table()
    sheets = [
        placed(replace(box((0.7, 0, z), (0.1, 0.1, 0.004)), extents_std=np.full(3, 1e-4), covariance=1e-8 * np.eye(3)), pose)
        for z in (0.095, 0.1)
    ]
    assert measure("on", scene({}, pose), *sheets).value < 0.01
    assert measure("on", scene({}, pose), *sheets[::-1]).value > 0.99


def test_on_is_too_close_to_call_when_little_is_known() -> None:
    assert on((0, 0, 0.01), std=0.02) is None


def test_on_a_larger_thing_may_be_anywhere_on_it_also_when_it_is_turned() -> None:
    pose = camera_over_table()
    axes = Rotation.from_euler("z", 45, degrees=True).as_matrix()
    tray = box((0.7, 0, 0.01), (0.4, 0.1, 0.02), axes, number=2)
    view = scene({}, pose)

    def verdict(along: float, across: float) -> bool | None:
        centre = tray.centre + axes @ (along, across, 0.01 + 0.025)
        return Truth(measure("on", view, placed(box(centre), pose), placed(tray, pose)).value).verdict

    assert verdict(0.17, 0.0) is True
    assert verdict(0.0, 0.17) is False


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        ((0, 0, 0), True),
        ((0.015, 0.015, 0.01), True),
        ((0, 0, 0.1), False),  # above, not yet around it
        ((0.06, 0, 0), False),
        ((0.04, 0, 0), None),  # at the edge of reach: half the block and half of 3 cm
    ],
)
def test_held_means_the_tool_point_is_within_the_thing(offset: tuple[float, float, float], verdict: bool | None) -> None:
    pose = camera_over_table()
    block, hand = box((0.7, 0, 0.1)), tool(np.array([0.7, 0, 0.1]) + offset)
    for view in (scene({}, pose), scene({})):  # up is not needed
        assert Truth(measure("held", view, placed(block, pose), placed(hand, pose)).value).verdict is verdict


def test_verdicts_sharpen_as_things_part() -> None:
    pose = camera_over_table()
    view = scene({}, pose)
    probabilities = [
        measure("left", view, placed(box((0.7, y, 0.1)), pose), placed(box((0.7, 0, 0.1)), pose)).value
        for y in np.linspace(-0.02, 0.02, 21)
    ]
    assert all(a < b for a, b in pairwise(probabilities))
    assert probabilities[10] == pytest.approx(0.5)
