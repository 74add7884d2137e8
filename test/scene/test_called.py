"""The same thing by another name: what is worked out of its shape is worked out once for all that it is called."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from things import box

from spatialvlm_ros.scene.scene import SceneObject


def block() -> SceneObject:
    points = np.random.default_rng(3).normal(0.0, 0.02, (60, 3)).astype(np.float32)
    return replace(box((0.1, 0.0, 0.7), (0.05, 0.06, 0.07)), points=points, turns=np.arange(60) % 2 == 0, scale_std=0.01)


def test_only_what_it_is_called_changes() -> None:
    thing = block()
    other = thing.called(id=7, label="red mug", score=0.5, last_seen_ns=9)
    assert (other.id, other.label, other.score, other.last_seen_ns) == (7, "red mug", 0.5, 9)
    same = {field.name for field in fields(SceneObject)} - {"id", "label", "score", "last_seen_ns"}
    assert all(getattr(other, name) is getattr(thing, name) for name in same)
    assert (thing.id, thing.label) != (other.id, other.label), "the thing itself stays what it is"
    assert thing.called(label="x").id == thing.id and thing.called(id=0).id == 0


def test_what_one_of_them_works_out_is_known_to_all() -> None:
    thing = block()
    others = [thing.called(id=2), thing.called(id=3).called(label="mug")]
    assert others[1].surface is thing.surface and others[0].surface_tree is others[1].surface_tree
    assert others[0].own_covariance is thing.own_covariance
    fresh = block()
    assert np.array_equal(fresh.surface, thing.surface) and np.array_equal(fresh.extents_covariance, others[0].extents_covariance)


def test_a_thing_of_another_shape_knows_nothing_of_it() -> None:
    thing = block()
    before = thing.called(id=2).surface
    moved = replace(thing, centre=thing.centre + 0.1)
    assert not np.array_equal(moved.surface, before)
    assert np.array_equal(moved.mirrored, np.concatenate([thing.points, 2 * moved.centre - thing.points.astype(np.float64)]))
