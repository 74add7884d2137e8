"""Facts that are told again because nothing they are about was looked at anew: the same as if they were measured."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language import answers
from spatialvlm_ros.language.answers import RepeatedFacts, measure_query
from spatialvlm_ros.scene.facts import Query, SpatialFact, Status
from spatialvlm_ros.scene.scene import Scene, SceneObject

POSE = camera_over_table(40.0)
RED, BLUE, GRIPPER = "red block", "blue block", "gripper"
QUERIES = [
    Query("gap", RED, BLUE), Query("on", RED, BLUE), Query("elevation", RED), Query("left_difference", RED, BLUE),
    Query("left", RED, BLUE), Query("distance", GRIPPER, RED),
]  # fmt: skip


def things() -> dict[str, SceneObject]:
    found = {
        name: replace(placed(box((0.7, y, 0.025), label=name), POSE), id=number)
        for number, (name, y) in enumerate(((RED, 0.1), (BLUE, -0.1)), start=1)
    }
    return {**found, GRIPPER: tool(POSE.apply(np.array([0.7, 0.0, 0.2])))}


def later(before: Scene, stamp_ns: int, **changed: SceneObject) -> Scene:
    """The same scene on the next image: each thing under its name again, with another number of seconds."""
    bindings = {
        name: replace(binding, thing=changed.get(name.split()[0], binding.thing).called(last_seen_ns=stamp_ns))
        for name, binding in before.bindings.items()
        if binding.thing is not None
    }
    return replace(before, stamp_ns=stamp_ns, bindings=bindings)


def same(one: SpatialFact, other: SpatialFact) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name), equal_nan=True)
        if isinstance(getattr(one, field.name), (np.ndarray, float))
        else getattr(one, field.name) == getattr(other, field.name)
        for field in fields(SpatialFact)
    )


def test_what_did_not_change_is_told_again_with_its_own_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Query] = []

    def counted(scene: Scene, query: Query, output: object = None) -> SpatialFact:
        measured.append(query)
        return measure_query(scene, query)

    monkeypatch.setattr(answers, "measure_query", counted)
    facts, first = RepeatedFacts(), scene(things(), POSE)
    for query in QUERIES:
        facts.of(first, query)
    second = later(first, first.stamp_ns + 1)
    assert measured == QUERIES
    again = [facts.of(second, query) for query in QUERIES]
    assert all(same(fact, measure_query(second, query)) for fact, query in zip(again, QUERIES, strict=True))
    # What is not known to hang on the things alone is measured on each image.
    assert measured[len(QUERIES) :] == [Query("left", RED, BLUE)]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_what_was_measured_anew_counts(query: Query) -> None:
    facts, first = RepeatedFacts(), scene(things(), POSE)
    facts.of(first, query)
    moved = placed(replace(box((0.75, 0.13, 0.025), label=RED), id=1), POSE)
    second = later(first, first.stamp_ns + 1, red=moved)
    assert same(facts.of(second, query), measure_query(second, query))


def test_a_thing_that_goes_out_of_sight_is_said_to_be() -> None:
    facts, first = RepeatedFacts(), scene(things(), POSE)
    facts.of(first, QUERIES[0])
    binding = first.bindings[RED]
    assert binding.thing is not None
    hidden = replace(binding, status=Status.OCCLUDED, thing=replace(binding.thing, status=Status.OCCLUDED))
    second = replace(first, stamp_ns=first.stamp_ns + 1, bindings={**first.bindings, RED: hidden})
    assert facts.of(second, QUERIES[0]).status is Status.OCCLUDED


def test_two_names_of_one_thing_cannot_be_told_apart_again() -> None:
    facts, one = RepeatedFacts(), scene(things(), POSE)
    twice = replace(one, bindings={**one.bindings, BLUE: one.bindings[RED]})
    for _ in range(2):
        assert facts.of(twice, QUERIES[0]).status is Status.AMBIGUOUS
    assert facts.of(one, QUERIES[0]).status is Status.OK


def test_points_are_told_in_the_frame_of_their_image() -> None:
    facts, first, query = RepeatedFacts(), scene(things(), POSE), QUERIES[0]
    for offset_m in (0.0, 0.1):
        output = "base_link", RigidTransform(np.eye(3), np.array([offset_m, 0.0, 0.0]))
        assert same(facts.of(first, query, output), measure_query(first, query, output))
    assert same(facts.of(first, query), measure_query(first, query))
