"""True answers to composed questions: scenes with known answers, and the play where two definitions differ."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_solids import Solid
from spatialvlm_ros.evaluation.language_examples import (
    EXAMPLES,
    cans_before_the_gripper,
    run_examples,
    sofa_and_table,
    three_cans,
)
from spatialvlm_ros.evaluation.language_truth import GRIPPER, Range, World, exactly, greatest, least
from spatialvlm_ros.evaluation.language_truth_answers import best, is_one, number_with
from spatialvlm_ros.evaluation.language_truth_conditions import CONDITIONS, Asked
from spatialvlm_ros.evaluation.language_truth_frames import condition_letters
from spatialvlm_ros.evaluation.language_truth_kinds import KINDS, truth_of_kind
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.reasoning.grammar import composed_kinds
from spatialvlm_ros.simulation import solids


def asked(things: dict[str, int], number: float = 0.0, **lengths: float) -> Asked:
    everything = tuple(sorted({thing for thing in things.values() if thing >= 0}))
    return Asked(things, {"object": everything, "g": everything}, lengths, number)


def world_of(posed: object) -> World:
    return World(posed.truth, posed.tool)  # type: ignore[attr-defined]


CANS = asked({"a": 0, "b": 1, "c": 2, "d": 0}, n=0.1)


def test_the_triangle_of_the_paper() -> None:
    world = world_of(three_cans())
    assert [world.of("distance", *pair).value for pair in ((0, 1), (1, 2), (2, 0))] == pytest.approx([0.40, 0.48, 0.41])
    assert KINDS["perimeter"](world, CANS).range.value == pytest.approx(1.29)
    assert KINDS["longest_side"](world, CANS).things == {1, 2}
    assert KINDS["longest_side_length"](world, CANS).range.value == pytest.approx(0.48)
    half = 1.29 / 2
    heron = np.sqrt(half * (half - 0.40) * (half - 0.48) * (half - 0.41))
    assert KINDS["area"](world, CANS).range.value == pytest.approx(heron)
    rule = KINDS["isosceles_by_rule"]
    assert rule(world, CANS).range.value == pytest.approx(0.1 - 0.08) and rule(world, CANS).clear
    assert not rule(world, asked({"a": 0, "b": 1, "c": 2}, n=0.05)).range.holds
    assert KINDS["isosceles"](world, CANS).range.value == pytest.approx(0.02 - 0.01)


def test_the_way_and_the_nearest_of_the_paper() -> None:
    world = world_of(sofa_and_table())
    assert world.of("path_width", 0, 1).value == pytest.approx(1.56)
    assert KINDS["pass_width"](world, asked({"a": 0, "b": 1}, n=1.0)).range.holds
    assert not KINDS["pass_width"](world, asked({"a": 0, "b": 1}, n=1.6)).range.holds
    world = world_of(cans_before_the_gripper())
    named = asked({"a": 0, "b": 1, "c": 2, "d": GRIPPER})
    found = KINDS["nearest_of_named"](world, named)
    assert found.things == {2} and found.margin == pytest.approx(0.29)
    assert KINDS["farthest_of_named"](world, named).things == {1}


def test_all_examples_are_answered_right() -> None:
    found = run_examples()
    assert found["examples"] == found["right"] == sum(len(examples) for _, examples in EXAMPLES.values())


def test_every_kind_of_the_grammar_has_a_truth() -> None:
    assert [kind for kind in composed_kinds() if truth_of_kind(kind) is None] == []
    assert truth_of_kind("no such kind") is None and truth_of_kind("is/no_such_condition") is None


def test_conditions_take_the_letters_that_the_wordings_have() -> None:
    framed = [kind for kind in composed_kinds() if "/" in kind and kind not in KINDS]
    assert len(framed) > 100
    for kind in framed:
        frame, _, keys = kind.partition("/")
        letters = {letter for one in condition_letters(frame, tuple(keys.split("+"))) for letter in one.values()}
        assert letters <= composed_kinds()[kind].fields, kind


def test_no_thing_is_related_to_itself() -> None:
    world = world_of(three_cans())
    assert CONDITIONS["left"](world, 1, CANS) is None and CONDITIONS["closer"](world, 2, CANS) is None
    # The red can is left of no other can but itself; two cans are asked about.
    left = truth_of_kind("count/left")
    assert left is not None and left(world, asked({"a": 2, "b": 0, "c": 1})).range.high <= 2


# -- ranges -----------------------------------------------------------------------------------------------------------------


def test_ranges_add_up_and_hold_where_all_of_them_does() -> None:
    one, other = Range(2.0, 1.5, 2.5), Range(1.0, 0.9, 1.1)
    assert one - other == Range(1.0, pytest.approx(0.4), pytest.approx(1.6))
    assert one.over(other) == Range(2.0, pytest.approx(1.5 / 1.1), pytest.approx(2.5 / 0.9))
    assert abs(Range(-0.1, -0.3, 0.2)) == Range(0.1, 0.0, 0.3)
    assert least([one, other]) == other and greatest([one, other]) == one
    assert Range(1.0, -0.1, 2.0).margin == -0.1 and Range(-1.0, -2.0, -0.5).margin == 0.5


def test_a_choice_is_as_clear_as_the_next_one_is_far() -> None:
    found = best([((0,), exactly(1.0)), ((1,), exactly(3.0)), ((2,), exactly(2.5))])
    assert found.things == {1} and found.margin == pytest.approx(0.5)
    assert best([((0,), exactly(1.0)), ((1,), exactly(3.0)), ((2,), exactly(2.5))], rank=2).things == {2}
    assert best([], 1).what == "none" and best([((0,), exactly(1.0))], rank=2).what == "none"
    assert is_one(1, found).range.holds and not is_one(0, found).range.holds


def test_a_count_with_a_thing_at_the_limit_has_two_numbers() -> None:
    found = number_with([exactly(0.1), exactly(0.001), exactly(-0.2)])
    assert (found.value, found.low, found.high) == (2.0, 1.0, 2.0)


def mirrored(shape: str) -> World:
    mesh = {"mug": solids.mug(0.04, 0.09), "box": solids.box((0.06, 0.04, 0.1))}[shape]
    turn = np.array([[np.cos(0.5), -np.sin(0.5), 0.0], [np.sin(0.5), np.cos(0.5), 0.0], [0.0, 0.0, 1.0]])
    things = [Solid(shape, shape, mesh.vertices @ turn.T + at, mesh.triangles) for at in ((0.0, 0.0, 0.05), (0.3, 0.1, 0.05))]
    posed = three_cans()
    truth = type(posed.truth)(tuple(things), 0.0, RigidTransform(posed.truth.world_from_camera.rotation, np.zeros(3)))
    return World(truth, posed.tool)


def test_what_is_its_own_mirror_image_has_one_width_and_a_mug_has_play() -> None:
    box, mug = mirrored("box"), mirrored("mug")
    assert box.of("width", 0).low == box.of("width", 0).high
    assert mug.of("width", 0).low < mug.of("width", 0).high
    assert box.of("path_width", 0, 1).low == box.of("path_width", 0, 1).value
    assert mug.of("path_width", 0, 1).low < mug.of("path_width", 0, 1).value
    assert np.isfinite(box.of("fits_into", 0, 1).low) and not np.isfinite(mug.of("fits_into", 0, 1).low)
    assert mug.of("gap", 0, 1).low <= mug.of("gap", 0, 1).value <= mug.of("gap", 0, 1).high
