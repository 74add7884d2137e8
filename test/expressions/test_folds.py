"""Operators over sets of things: who belongs to a set, what is asked of each, and what comes out when that is not sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes import X, Y, ask, chosen, fold, gripper_at, metres, on_table, scene_of, tree, value_of
from things import box, camera_over_table, placed
from things import scene as scene_by_hand

from spatialvlm_ros.expressions.evaluate import Evaluation, Evaluator
from spatialvlm_ros.expressions.tree import All, Apply, Fold, Number, Several, Thing, Tree, Variable
from spatialvlm_ros.expressions.values import Value, folded
from spatialvlm_ros.scene.facts import Source, Status, Truth
from spatialvlm_ros.scene.scene import Binding, Scene

Z = Variable("z")
SIZES = {"cup": 0.10, "can": 0.12, "box": 0.08, "jar": 0.15}
PLACES = {"cup": 0.20, "can": 0.05, "box": -0.15, "jar": -0.30}
THINGS = {
    name: on_table(0.8, PLACES[name], (0.06, 0.06, SIZES[name]), number=i, label=name) for i, name in enumerate(SIZES, start=1)
}
GRIPPER = gripper_at(0.8, 0.0, 0.3)
LOST = Binding(Status.NOT_FOUND, text="no unicorn on the image")
VIEW = scene_of(
    *THINGS.values(), names={"gripper": GRIPPER, "unicorn": LOST},
    sets={"object": (*THINGS.values(), GRIPPER), "drink": (THINGS["can"], THINGS["jar"]), "dragon": ()},
)  # fmt: skip
DRAGONS = All("dragon")
HEIGHT = tree("height", X)


def valued(node: Tree, view: Scene = VIEW) -> Value:
    found = ask(view, node)
    assert found.value is not None, found.missing
    return found.value


def pair(found: Evaluation) -> set[str]:
    assert found.value is not None, found.missing
    return {found.names[index] for index in found.value.value}


# -- what comes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "expected"), [("sum", 0.45), ("mean", 0.1125), ("min", 0.08), ("max", 0.15)]
)  # fmt: skip
def test_folds_reckon_over_all_things(op: str, expected: float) -> None:
    value = valued(fold(op, HEIGHT))
    assert float(value.value) == pytest.approx(expected)
    single = 0.002
    assert value.std == pytest.approx({"sum": 2 * single, "mean": single / 2}.get(op, single), rel=0.06)


@pytest.mark.parametrize(
    ("op", "rank", "expected"),
    [
        ("argmin", 1, "box"), ("argmin", 2, "cup"), ("argmin", 3, "can"), ("argmin", 4, "jar"), ("argmax", 1, "jar"),
        ("argmax", 2, "can"), ("argmax", 4, "box"),
    ],
)  # fmt: skip
def test_the_first_second_and_last_of_a_row(op: str, rank: int, expected: str) -> None:
    found = ask(VIEW, fold(op, HEIGHT, rank=rank))
    assert chosen(found) == expected
    assert found.value is not None and found.value.probability > 0.99


def test_a_rank_beyond_the_last_is_missing() -> None:
    found = ask(VIEW, fold("argmin", HEIGHT, rank=5))
    assert (found.status, found.missing) == (Status.NOT_FOUND, "argmin #5($x in all 'object' of height($x)): there are only 4")


def test_counts_any_and_all() -> None:
    tall = tree("gt", HEIGHT, metres(0.09))
    assert valued(fold("count", tall)).value == 3.0
    assert valued(fold("count")).value == 4.0
    assert (valued(fold("any", tall)).value, valued(fold("all", tall)).value) == (True, False)
    assert valued(fold("all", tree("gt", HEIGHT, metres(0.05)))).is_sure(True)
    assert valued(fold("any", tree("gt", HEIGHT, metres(0.25)))).is_sure(False)


def test_an_open_member_makes_a_count_open() -> None:
    value = valued(fold("count", tree("gt", HEIGHT, metres(0.12))))
    assert set(value.samples[1:]) == {1.0, 2.0}
    assert value.probability == pytest.approx(0.5, abs=0.05)
    assert value.std == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_the_gripper_is_no_thing_of_a_set_but_may_be_named_in_one() -> None:
    assert valued(fold("count")).value == 4.0
    named = ask(VIEW, fold("argmin", tree("distance", X, "cup"), over=Several(("gripper", "jar"))))
    assert chosen(named) == "gripper"


# -- pairs -------------------------------------------------------------------------------------------------------------


def test_pairs_are_of_different_things_each_once() -> None:
    assert valued(Fold("count", All(), ("x", "y"))).value == 6.0
    closest = ask(VIEW, Fold("argmin", All(), ("x", "y"), tree("distance", X, Y)))
    assert pair(closest) == {"cup", "can"}
    assert pair(ask(VIEW, Fold("argmax", All(), ("x", "y"), tree("distance", X, Y)))) == {"cup", "jar"}
    assert pair(ask(VIEW, Fold("argmax", All(), ("x", "y"), tree("distance", X, Y), 2))) == {"can", "jar"}
    assert value_of(VIEW, Fold("max", All(), ("x", "y"), tree("distance", X, Y))) == pytest.approx(0.5, abs=0.01)


def test_a_pair_has_the_probability_that_both_are_right() -> None:
    found = ask(VIEW, Fold("argmin", All(), ("x", "y"), tree("distance", X, Y)))
    assert found.value is not None
    assert found.value.samples.shape == (2001, 2)
    assert 0.8 < found.value.probability < 0.97
    assert found.value.probability == np.mean((found.value.samples[1:] == found.value.samples[0]).all(axis=1))


def test_one_thing_alone_makes_no_pair() -> None:
    alone = scene_of(THINGS["cup"])
    assert valued(Fold("count", All(), ("x", "y")), alone).value == 0.0
    assert valued(Fold("any", All(), ("x", "y"), tree("left", X, Y)), alone).is_sure(False)
    found = ask(alone, Fold("min", All(), ("x", "y"), tree("gap", X, Y)))
    assert (found.status, found.missing.split(": ")[-1]) == (Status.NOT_FOUND, "nothing on the image answers to it")


# -- a thing and itself ------------------------------------------------------------------------------------------------


def test_a_thing_is_not_counted_among_those_it_is_compared_with() -> None:
    assert valued(fold("count", tree("left", X, "jar"))).value == 3.0
    assert valued(fold("count", tree("not", tree("left", X, "cup")))).value == 3.0
    assert valued(fold("all", tree("right", X, "cup"))).is_sure(True)
    assert chosen(ask(VIEW, fold("argmin", tree("distance", X, "cup")))) == "can"
    assert value_of(VIEW, fold("count", over=All("object", "y", tree("left", Y, "can")))) == 1.0


def test_a_thing_is_skipped_by_the_fold_that_binds_it() -> None:
    """For each thing the nearest other one: the inner fold skips it, the outer one asks about all."""
    nearest = Fold("min", All(), ("y",), tree("distance", X, Y))
    assert valued(fold("count", tree("lt", nearest, metres(0.2)))).value == 4.0
    assert value_of(VIEW, fold("max", nearest)) == pytest.approx(np.hypot(0.15, 0.035), abs=1e-6)
    outer_only = fold("count", Fold("any", All(), ("y",), tree("left", X, "cup")))
    assert valued(outer_only).value == 0.0
    assert [step.text for step in ask(VIEW, outer_only).steps if "left(cup, cup)" in step.text] == []


def test_a_thing_left_of_itself_is_no_alternative_but_the_other_one_is() -> None:
    """ "Left of the can or of the jar": the can is left of the jar."""
    either = tree("or", tree("left", X, "can"), tree("left", X, "jar"))
    assert valued(fold("count", either)).value == 3.0
    both = tree("and", tree("left", X, "can"), tree("left", X, "jar"))
    assert valued(fold("count", both)).value == 1.0
    same = tree("or", tree("same", X, "can"), tree("left", X, "can"))
    assert valued(fold("count", same)).value == 2.0


def test_a_thing_found_by_a_fold_is_not_related_to_itself_either() -> None:
    """How many things are within 0.3 m of the tallest one: it is none of them."""
    tallest = Fold("argmax", All(), ("y",), tree("height", Y))
    assert valued(fold("count", tree("lt", tree("distance", X, tallest), metres(0.3)))).value == 1.0
    assert valued(fold("count", tree("same", X, tallest))).value == 1.0


# -- which things ------------------------------------------------------------------------------------------------------


def test_a_set_is_what_answers_to_a_description_and_meets_a_condition() -> None:
    assert valued(fold("count", over=All("drink"))).value == 2.0
    short = All("drink", "y", tree("lt", tree("height", Y), metres(0.13)))
    assert chosen(ask(VIEW, fold("argmax", HEIGHT, over=short))) == "can"
    assert value_of(VIEW, fold("sum", HEIGHT, over=All("object", "y", tree("right", Y, "can")))) == pytest.approx(0.23)


def test_conditions_may_speak_of_outer_variables() -> None:
    """For each thing, how many are to its right; at most three."""
    right_of = Fold("count", All("object", "y", tree("right", Y, X)), ("z",))
    assert value_of(VIEW, fold("max", right_of)) == 3.0
    assert value_of(VIEW, fold("sum", right_of)) == 6.0


def test_members_that_are_not_sure_belong_to_the_set_in_some_samples() -> None:
    """Whether the can is taller than 12 cm is open; it counts in half of the samples."""
    tall = All("object", "y", tree("gt", tree("height", Y), metres(0.1195)))
    count = valued(fold("count", over=tall))
    assert set(count.samples) == {1.0, 2.0}
    share = np.mean(count.samples[1:] == 2.0)
    assert 0.5 < share < 0.7
    mean = valued(fold("mean", HEIGHT, over=tall))
    assert 0.125 < mean.samples.min() < 0.14
    assert mean.samples.max() > 0.15
    least = ask(VIEW, fold("argmin", HEIGHT, over=tall))
    assert least.value is not None
    assert np.mean(least.value.samples[1:] == least.names.index("can")) == pytest.approx(share)


def test_a_mean_over_nobody_is_no_number_and_never_zero() -> None:
    """In half of the samples the set is empty; those have the measured value."""
    tall = All("drink", "y", tree("lt", tree("height", Y), metres(0.1205)))
    for op in ("mean", "min", "max"):
        assert valued(fold(op, HEIGHT, over=tall)).samples.min() > 0.10
    assert valued(fold("sum", HEIGHT, over=tall)).samples.min() == 0.0


def test_the_first_of_nobody_is_nobody() -> None:
    tall = All("drink", "y", tree("lt", tree("height", Y), metres(0.1205)))
    found = valued(fold("argmin", HEIGHT, over=tall))
    assert -1 in found.samples
    shape = valued(tree("width", fold("argmin", HEIGHT, over=tall)))
    assert np.abs(shape.samples - 0.06).max() < 0.01


def test_who_surely_does_not_belong_is_not_asked() -> None:
    """The gripper has no height; it is not to the left of the cup, so that this does not matter."""
    left = All("object", "y", tree("left", Y, "can"))
    view = scene_of(*THINGS.values(), names={"unicorn": LOST})
    found = ask(view, fold("max", HEIGHT, over=left))
    assert found.value is not None
    assert float(found.value.value) == pytest.approx(0.10)
    assert [str(fact.query) for fact in found.facts if fact.query.relation == "height"] == ["height(cup)"]


def test_an_empty_set_has_a_count_and_nothing_else() -> None:
    counted = valued(fold("count", over=DRAGONS))
    assert (counted.value, counted.std, counted.origin.source) == (0.0, 0.0, Source.DEPTH)
    assert valued(fold("any", tree("left", X, "cup"), over=DRAGONS)).is_sure(False)
    for op in ("sum", "mean", "min", "max", "argmin", "argmax"):
        found = ask(VIEW, fold(op, HEIGHT, over=DRAGONS))
        assert (found.status, found.missing.split(": ")[-1]) == (Status.NOT_FOUND, "nothing on the image answers to it")
    assert ask(VIEW, fold("all", tree("left", X, "cup"), over=DRAGONS)).status is Status.NOT_FOUND


def test_a_condition_that_nobody_meets_empties_a_set() -> None:
    nobody = All("object", "y", tree("gt", tree("height", Y), metres(1)))
    assert valued(fold("count", over=nobody)).value == 0.0
    assert ask(VIEW, fold("max", HEIGHT, over=nobody)).missing.endswith("nothing on the image answers to it")


@pytest.mark.parametrize(
    ("over", "status", "text"),
    [
        (All("phantom"), Status.NOT_FOUND, "'phantom' was not looked for on this image"),
        (All("gripper"), Status.NOT_FOUND, "'gripper' is no description of things here; say e.g. 'red block' or 'object'"),
        (Several(("cup", "unicorn")), Status.NOT_FOUND, "no unicorn on the image"),
        (Several(("cup", "mug")), Status.AMBIGUOUS, "{cup, mug}: two of these names mean one thing on this image"),
    ],
)
def test_a_set_that_cannot_be_found_is_missing_with_the_reason(over: All | Several, status: Status, text: str) -> None:
    view = replace(VIEW, bindings={**VIEW.bindings, "mug": Binding(Status.OK, THINGS["cup"])})
    found = ask(view, fold("count", over=over))
    assert (found.status, found.missing) == (status, text)


def test_without_a_table_things_are_not_looked_for() -> None:
    view = replace(VIEW, canonical=None, bindings={"object": Binding(Status.NOT_FOUND)})
    assert ask(view, fold("count")).missing == "things are not looked for: "


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_one_value_that_is_missing_leaves_no_number() -> None:
    over = Several(("cup", "gripper", "can"))
    for op in ("sum", "mean", "min", "max", "argmin", "argmax"):
        found = ask(VIEW, fold(op, HEIGHT, over=over))
        assert (found.status, found.missing) == (Status.NO_DEPTH, "the gripper is known as a point, without a size")
    assert ask(VIEW, fold("count", tree("gt", HEIGHT, metres(0.01)), over=over)).status is Status.NO_DEPTH


def test_any_and_all_are_decided_without_what_is_missing_where_they_can_be() -> None:
    over = Several(("gripper", "cup", "can"))
    tall, huge = (tree("gt", HEIGHT, metres(limit)) for limit in (0.11, 1.0))
    assert valued(fold("any", tall, over=over)).is_sure(True)
    assert valued(fold("all", tall, over=over)).is_sure(False)
    assert ask(VIEW, fold("any", huge, over=over)).status is Status.NO_DEPTH
    assert ask(VIEW, fold("all", tree("not", huge), over=over)).status is Status.NO_DEPTH
    assert ask(VIEW, fold("any", HEIGHT_OPEN, over=over)).status is Status.NO_DEPTH


HEIGHT_OPEN = tree("gt", HEIGHT, metres(0.12))


def test_a_condition_that_is_missing_leaves_no_set() -> None:
    lost = All("object", "y", tree("left", Y, "unicorn"))
    assert ask(VIEW, fold("count", over=lost)).missing == "no unicorn on the image"


# -- where it comes from -----------------------------------------------------------------------------------------------


def test_a_count_comes_from_where_its_things_do() -> None:
    counted = valued(fold("count"))
    assert (counted.origin.source, counted.origin.status) == (Source.DEPTH, Status.OK)
    mixed = valued(fold("count", over=Several(("gripper", "cup"))))
    assert mixed.origin.sources == {Source.TF, Source.DEPTH}
    alone = valued(fold("count", tree("reachable", X, "cup", amount=9.0), over=Several(("gripper", "jar"))))
    assert alone.origin.sources == {Source.DEPTH}


def test_a_chosen_thing_brings_where_the_choice_came_from() -> None:
    stale = replace(THINGS["jar"], status=Status.STALE)
    view = scene_of(THINGS["cup"], THINGS["can"], stale)
    found = ask(view, tree("width", fold("argmin", HEIGHT)))
    assert found.names[0] == "cup"
    assert found.status is Status.STALE
    assert ask(view, tree("width", "cup")).status is Status.OK


# -- the array work ----------------------------------------------------------------------------------------------------


def test_folded_works_on_members_that_come_and_go() -> None:
    parts = np.array([[3.0, 1.0, 2.0, 5.0], [1.0, 2.0, 2.0, 5.0], [2.0, 3.0, 9.0, 5.0]])
    kept = np.array([[True, True, True, False], [True, False, True, False], [False, True, True, False]])
    assert folded("argmin", parts, kept, 1).tolist() == [1, 0, 0, -1]
    assert folded("argmin", parts, kept, 2).tolist() == [0, 2, 1, -1]
    assert folded("argmin", parts, kept, 3).tolist() == [-1, -1, 2, -1]
    assert folded("argmax", parts, kept, 1).tolist() == [0, 2, 2, -1]
    assert folded("argmax", parts, kept, 7).tolist() == [-1] * 4
    assert folded("sum", parts, kept, 1).tolist() == [4.0, 4.0, 13.0, 0.0]
    assert folded("min", parts, kept, 1)[:3].tolist() == [1.0, 1.0, 2.0]
    assert folded("max", parts, kept, 1)[:3].tolist() == [3.0, 3.0, 9.0]
    assert not np.isfinite([folded(op, parts, kept, 1)[3] for op in ("min", "max", "mean")]).any()
    truths = parts > 1.5
    assert folded("count", truths, kept, 1).tolist() == [1.0, 1.0, 3.0, 0.0]
    assert folded("any", truths, kept, 1).tolist() == [True, True, True, False]
    assert folded("all", truths, kept, 1).tolist() == [False, False, True, True]


def test_counts_are_compared_as_numbers() -> None:
    many, few = fold("count", tree("left", X, "jar")), fold("count", tree("left", X, "can"))
    assert valued(tree("eq", many, Number(3.0))).is_sure(True)
    assert valued(tree("gt", many, few)).is_sure(True)
    assert valued(tree("eq", tree("mean", many, few), Number(2.0))).is_sure(True)
    assert valued(tree("eq", tree("mean", many, fold("count")), Number(3.0))).is_sure(False)


def test_things_alike_are_told_apart_by_their_numbers() -> None:
    twins = [replace(THINGS[name], label="block") for name in ("cup", "can")]
    found = ask(scene_of(*twins), fold("argmax", HEIGHT))
    assert chosen(found) == "block #2"
    assert [step.text for step in found.steps[1:]] == ["height(block #1)", "height(block #2)"]


def test_a_verdict_follows_the_probability_and_not_the_measured_value() -> None:
    """Each of three is taller than the limit by a hair: all are, as measured, but perhaps not."""
    three = scene_of(
        *(on_table(0.8, y, (0.06, 0.06, 0.1002), number=i, label=f"t{i}") for i, y in enumerate((0.2, 0.0, -0.2), 1))
    )
    value = valued(fold("all", tree("gt", HEIGHT, metres(0.1))), three)
    assert value.value
    assert value.probability == pytest.approx(0.54**3, abs=0.04)
    assert Truth(value.probability).verdict is None
    assert isinstance(ask(three, Thing("t1")).value, Value)
    assert ask(three, Fold("any", All(), ("z",), tree("tall", Z, "t1"))).status is Status.OK


def test_a_thing_of_a_set_is_not_compared_with_itself() -> None:
    """ "Are all blocks nearer to the cup than the can is?" is not asked of the can, nor of the cup."""
    things = {
        name: placed(box(at, number=number, label=name), camera_over_table())
        for number, (name, at) in enumerate({"cup": (1, 0, 0), "can": (1, 0.5, 0), "bowl": (1, 0.2, 0)}.items(), 1)
    }
    made = scene_by_hand(things, camera_over_table())
    every = Binding(Status.AMBIGUOUS, text="several", answering=tuple(made.objects))
    made = replace(made, bindings={**made.bindings, "object": every})
    nearer = Apply("lt", (Apply("distance", (Variable("x"), Thing("cup"))), Apply("distance", (Thing("can"), Thing("cup")))))
    for op, holds in (("all", True), ("any", True)):
        found = Evaluator(made).evaluate(Fold(op, All(), ("x",), nearer)).value
        assert found is not None and bool(found.value) is holds
    farther = replace(nearer, op="gt")
    found = Evaluator(made).evaluate(Fold("count", All(), ("x",), Apply("not", (farther,)))).value
    assert found is not None and found.value == 1.0, "the bowl alone"
    by = Apply("gt", (Apply("sub", (Apply("width", (Thing("can"),)), Apply("width", (Variable("x"),)))), Number(-0.01, "m")))
    found = Evaluator(made).evaluate(Fold("count", All(), ("x",), by)).value
    assert found is not None and found.value == 2.0, "the can is not among them"
    alike = Apply("lt", (Apply("width", (Variable("x"),)), Apply("width", (Variable("x"),))))
    found = Evaluator(made).evaluate(Fold("count", All(), ("x",), alike)).value
    assert found is not None and found.value == 0.0, "said in so many words it is measured"
