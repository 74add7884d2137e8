"""A mug whose handle points away from the camera looks like a cup, and may be either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.hidden_handle import with_hidden_handle
from spatialvlm_ros.scene.relation import extent_std, side_std
from spatialvlm_ros.scene.scene import SceneObject

POSE = camera_over_table(40.0)
UP = POSE.rotation[:, 2]
RADIUS_M, HEIGHT_M = 0.04, 0.09
PLACE = np.array([0.6, 0.1, HEIGHT_M / 2])
# How far the handles of mugs reach beyond their walls.
HANDLE_M = 0.028


def vessel(pose: RigidTransform, foot: float = 1.0, lid: bool = False) -> SceneObject:
    """What is seen of one: the wall in front, the inside of the one behind, a lid or the floor; ``foot`` times as wide there."""
    rng = np.random.default_rng(1)
    camera = pose.inverse().apply(np.zeros(3))
    towards = np.arctan2(*(camera - PLACE)[1::-1])
    angle, height = rng.uniform(-np.pi / 2, np.pi / 2, 900) + towards, rng.uniform(0, HEIGHT_M, 900)
    wide = RADIUS_M * (foot + (1 - foot) * height / HEIGHT_M)
    front = np.column_stack([wide * np.cos(angle), wide * np.sin(angle), height])
    behind = front[height > 0.5 * HEIGHT_M] * [-1, -1, 1]
    flat = rng.uniform(-RADIUS_M, RADIUS_M, (300, 2))
    flat = flat[np.hypot(*flat.T) < 0.9 * RADIUS_M]
    level = np.column_stack([flat, np.full(len(flat), HEIGHT_M if lid else 0.004)])
    points = np.concatenate([front, level] if lid else [front, behind, level]) + PLACE * [1, 1, 0]
    thing = box(pose.apply(PLACE), (2 * RADIUS_M, 2 * RADIUS_M, HEIGHT_M), pose.rotation)
    return replace(thing, points=pose.apply(points).astype(np.float32))


def test_deviations_reach_to_a_handle_behind_a_straight_vessel_and_no_further_in_front() -> None:
    plain = vessel(POSE)
    wider = with_hidden_handle(plain)
    away = plain.centre - (plain.centre @ UP) * UP
    away /= np.linalg.norm(away)
    assert np.array_equal(wider.centre, plain.centre) and np.array_equal(wider.extents, plain.extents)
    # Two deviations of the box's middle hold half of a handle, those of its depth all of it.
    assert HANDLE_M / 2 < 2 * np.sqrt(away @ wider.own_covariance @ away) < HANDLE_M
    assert HANDLE_M < 2 * extent_std(wider, away) < 2 * HANDLE_M
    assert np.linalg.eigvalsh(wider.covariance).min() > 0 and (np.abs(wider.lean) <= 1).all()
    assert side_std(wider, away) > 1.5 * side_std(plain, away)
    assert side_std(wider, -away) == pytest.approx(side_std(plain, -away), rel=0.1)
    # Upwards nothing changes, and to the sides little does.
    aside = np.cross(UP, away)
    assert UP @ wider.own_covariance @ UP == pytest.approx(UP @ plain.own_covariance @ UP)
    assert aside @ wider.own_covariance @ aside < 0.5 * (away @ wider.own_covariance @ away)


@pytest.mark.parametrize(
    "thing",
    [
        vessel(POSE, foot=0.85),
        vessel(POSE, foot=1.4),
        vessel(POSE, lid=True),
        replace(vessel(POSE), extents=np.array([0.08, 0.105, HEIGHT_M])),
        replace(vessel(POSE), extents=np.array([0.08, 0.08, 0.04])),
        replace(vessel(POSE), points=np.empty((0, 3), np.float32)),
    ],
    ids=["a beaker", "a cone", "a can", "its handle is seen", "a bowl", "nothing is seen of it"],
)
def test_what_has_none_or_shows_its_own_stays_as_it_is(thing: SceneObject) -> None:
    assert with_hidden_handle(thing) is thing
