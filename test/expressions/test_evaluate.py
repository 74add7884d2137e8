"""What operators make of the numbers and truths of a scene, and what becomes of them when some are missing."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from erring_things import random_scene
from queries import query_for
from scenes import POSE, X, Y, ask, chosen, fold, metres, on_table, scene_of, tree, value_of
from table import BOX, CAN, CUP, EVEN, HALF_METRE, LOST, NO, NOWHERE, WIDTH, YES, missing, plain, table, valued
from things import scene

from spatialvlm_ros.expressions.tree import All, Apply, Fold, Number, Several, Thing, Tree
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.facts import Status, Truth

# -- operators ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (tree("add", plain(1), plain(2), plain(3.5)), 6.5),
        (tree("sub", plain(1), plain(2)), -1.0),
        (tree("mul", plain(2), plain(3), plain(4)), 24.0),
        (tree("ratio", plain(1), plain(4)), 0.25),
        (tree("abs", plain(-2)), 2.0),
        (tree("neg", plain(-2)), 2.0),
        (tree("sqrt", Number(0.25, "m^2")), 0.5),
        (tree("min", plain(2), plain(1), plain(3)), 1.0),
        (tree("max", plain(2), plain(1), plain(3)), 3.0),
        (tree("mean", plain(2), plain(1), plain(6)), 3.0),
        (tree("if", YES, plain(1), plain(2)), 1.0),
        (tree("if", NO, plain(1), plain(2)), 2.0),
    ],
)
def test_operators_reckon(node: Tree, expected: float) -> None:
    value = valued(node)
    assert (value.value, value.std) == (pytest.approx(expected), 0.0)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (YES, True), (NO, False), (tree("lt", plain(1), plain(1)), False), (tree("gt", plain(2), plain(1)), True),
        (tree("gt", plain(1), plain(1)), False), (tree("near", plain(1), plain(1.5), plain(0.5)), True),
        (tree("near", plain(1), plain(1.6), plain(0.5)), False), (tree("near", plain(1), plain(1), plain(-1)), False),
        (tree("eq", plain(2), plain(2)), True), (tree("eq", plain(2), plain(2.4)), False), (tree("and", YES, YES), True),
        (tree("and", YES, NO, YES), False), (tree("or", NO, NO), False), (tree("or", NO, YES), True), (tree("not", NO), True),
        (tree("same", "cup", "cup"), True), (tree("same", "cup", "can"), False),
    ],
)  # fmt: skip
def test_comparisons_hold_or_not(node: Tree, expected: bool) -> None:
    value = valued(node)
    assert (value.value, value.probability) == (expected, float(expected))


def test_a_ratio_needs_something_to_divide_by() -> None:
    status, text = missing(tree("ratio", plain(1), tree("sub", plain(1), plain(1))))
    assert status is Status.NO_DEPTH
    assert text == "ratio(1, sub(1, 1)): divided by zero, or larger than any number"


def test_a_number_that_grows_beyond_all_others_is_missing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "larger than any number" in missing(tree("mul", *[Number(1e12)] * 30))[1]
        big = Fold("sum", Several(("cup", "can")), ("x",), tree("mul", *[Number(1e12)] * 30))
        assert "larger than any number" in missing(big)[1]


def test_a_number_divided_by_next_to_nothing_is_missing_or_has_a_spread() -> None:
    tiny = tree("ratio", tree("distance", "cup", "can"), metres(1e-300))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "divided by zero" in missing(tiny)[1]
        noisy = valued(tree("ratio", metres(1), tree("sub", tree("distance", "a", "b"), metres(0.5001))), HALF_METRE)
        assert np.isfinite(noisy.samples).all()
        assert np.isfinite(noisy.std)


def test_a_root_of_what_noise_brought_below_zero_is_zero_but_there_is_none_of_less() -> None:
    square = tree("mul", tree("distance", "a", "b"), tree("distance", "a", "b"))
    flat = valued(tree("sqrt", tree("sub", square, Number(0.2505, "m^2"))), HALF_METRE)
    assert flat.value == 0.0
    assert flat.std > 0
    status, text = missing(tree("sqrt", tree("sub", square, Number(1.0, "m^2"))), HALF_METRE)
    assert status is Status.NO_DEPTH
    assert "there is no square root of -0.75, which is below zero" in text


def test_bearings_are_compared_the_shorter_way_round() -> None:
    """Two things straight behind a third, one a little to its left and one to its right, are 11 degrees apart."""
    view = scene_of(
        on_table(1.0, 0.0, number=1, label="middle"), on_table(0.5, 0.05, number=2, label="left one"),
        on_table(0.5, -0.05, number=3, label="right one"),
    )  # fmt: skip
    first, second = (tree("direction", name, "middle") for name in ("left one", "right one"))
    apart = valued(tree("sub", first, second), view)
    assert abs(apart.value) == pytest.approx(2 * np.arctan(0.1), abs=1e-6)
    assert apart.std < 0.02
    assert valued(tree("near", first, second, Number(0.3, "rad")), view).probability == 1.0
    assert valued(tree("near", first, second, Number(0.1, "rad")), view).probability == 0.0
    assert valued(tree("abs", tree("sub", second, first)), view).value == pytest.approx(2 * np.arctan(0.1), abs=1e-6)


# -- probability, and what is missing ----------------------------------------------------------------------------------


def test_what_is_even_is_too_close_to_call() -> None:
    value = valued(EVEN, HALF_METRE)
    assert value.probability == pytest.approx(0.5, abs=0.03)
    assert Truth(value.probability).verdict is None
    assert not value.is_sure(True) and not value.is_sure(False)


def test_not_turns_the_probability_of_a_fact_to_the_letter() -> None:
    view = random_scene(3, 2, std_m=(0.05, 0.2))
    fact = measure_query(view, query_for("left", "thing 1", "thing 2"))
    node = tree("left", "thing 1", "thing 2")
    assert valued(tree("not", node), view).probability == 1.0 - fact.value
    assert valued(tree("not", tree("not", node)), view).probability == pytest.approx(fact.value, abs=1e-15)


@pytest.mark.parametrize(
    ("node", "verdict"),
    [
        (tree("and", NOWHERE, NO), False), (tree("and", NO, NOWHERE), False), (tree("or", NOWHERE, YES), True),
        (tree("or", YES, NOWHERE, NO), True),
    ],
)  # fmt: skip
def test_a_missing_operand_does_not_matter_beside_one_that_decides(node: Tree, verdict: bool) -> None:
    value = valued(node)
    assert value.is_sure(verdict)
    assert value.value is np.bool_(verdict)


@pytest.mark.parametrize(
    "node", [tree("and", NOWHERE, YES), tree("or", NOWHERE, NO), tree("not", NOWHERE), tree("if", NOWHERE, YES, NO)]
)
def test_a_missing_operand_that_matters_leaves_nothing(node: Tree) -> None:
    assert missing(node) == (Status.NOT_FOUND, "no unicorn on the image")


def test_an_open_operand_does_not_decide_beside_a_missing_one() -> None:
    view = replace(HALF_METRE, bindings={**HALF_METRE.bindings, "unicorn": LOST})
    for op in ("and", "or"):
        assert missing(tree(op, EVEN, tree("left", "unicorn", "a")), view)[0] is Status.NOT_FOUND


def test_the_probability_of_the_one_that_decides_is_its_own() -> None:
    """A fact that is just sure enough stays so: the share of samples might be on the other side of the band."""
    for shift in np.linspace(0.0045, 0.0065, 9):
        view = scene_of(
            on_table(0.5, 0.0, number=1, label="a"), on_table(0.6, -shift, number=2, label="b"), names={"unicorn": LOST}
        )  # fmt: skip
        fact = measure_query(view, query_for("left", "b", "a"))
        if fact.truth.verdict is False:
            found = valued(tree("and", tree("left", "b", "a"), tree("left", "unicorn", "a")), view)
            assert found.probability == fact.value


def test_the_first_reason_is_told_when_several_things_are_missing() -> None:
    assert missing(tree("or", tree("left", "cup", "block"), NOWHERE)) == (Status.AMBIGUOUS, "'block' could be #7 or #8")


@pytest.mark.parametrize(
    ("node", "status", "text"),
    [
        (tree("height", "unicorn"), Status.NOT_FOUND, "no unicorn on the image"),
        (tree("height", "block"), Status.AMBIGUOUS, "'block' could be #7 or #8"),
        (tree("height", "dragon"), Status.NOT_FOUND, "'dragon' was not looked for on this image"),
        (Thing("unicorn"), Status.NOT_FOUND, "no unicorn on the image"),
        (tree("same", "unicorn", "cup"), Status.NOT_FOUND, "no unicorn on the image"),
        (tree("height", "gripper"), Status.NO_DEPTH, "known as a point, without a size"),
        (tree("left", "cup", "can", view="nowhere"), Status.NO_TRANSFORM, "no transform to frame 'nowhere'"),
        (tree("nearest", "dragon", "cup"), Status.NOT_FOUND, "'dragon' was not looked for on this image"),
        (tree("nearest", "gripper", "cup"), Status.NOT_FOUND, "'gripper' is one thing; a description of things is needed"),
        (tree("point_above", "cup", amount=0.1), Status.NO_DEPTH, "no surface on the image to check the point against"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_missing_with_the_reason_of_its_fact(node: Apply, status: Status, text: str) -> None:
    found = missing(node)
    assert found[0] is status
    assert text in found[1]


def test_without_up_what_needs_it_is_missing_and_the_rest_is_not() -> None:
    view = scene({"a": CUP, "b": CAN})
    status, text = missing(tree("sub", tree("height", "a"), tree("height", "b")), view)
    assert status is Status.NOT_CANONICAL
    assert text == "'height' needs the up direction, which is not known: no horizontal surface found"
    assert valued(tree("distance", "a", "b"), view).value == pytest.approx(0.3002, abs=1e-3)
    assert missing(tree("left", "a", "b", view="canonical"), view)[0] is Status.NOT_CANONICAL


def test_without_a_plane_there_is_no_elevation() -> None:
    view = scene({"a": CUP, "b": CAN}, POSE, plane=False)
    status, text = missing(tree("elevation", "a"), view)
    assert (status, text) == (Status.NO_DEPTH, "'elevation' cannot be measured: no support plane is known")


def test_statuses_of_hidden_things_are_carried_and_the_worst_is_told() -> None:
    old, dark = replace(CUP, status=Status.STALE), replace(CAN, status=Status.OCCLUDED)
    view = scene_of(old, dark, BOX, sets={"object": (BOX,)})
    assert ask(view, tree("height", "can")).status is Status.OCCLUDED
    assert ask(view, tree("add", tree("height", "can"), tree("height", "box"))).status is Status.OCCLUDED
    assert ask(view, tree("add", tree("height", "can"), tree("height", "cup"))).status is Status.STALE
    assert ask(view, fold("max", tree("height", X), over=Several(("cup", "can")))).status is Status.STALE
    assert ask(view, fold("count", over=Several(("can", "box")))).status is Status.OCCLUDED
    assert ask(view, tree("height", fold("argmax", tree("height", X), over=Several(("can", "box"))))).status is Status.OCCLUDED
    assert ask(view, tree("if", tree("left", "cup", "box"), tree("height", "box"), tree("width", "box"))).status is Status.STALE


# -- branches ----------------------------------------------------------------------------------------------------------


def test_a_sure_condition_takes_one_branch_and_does_not_ask_for_the_other() -> None:
    found = ask(table(), tree("if", YES, WIDTH, tree("width", "unicorn")))
    assert found.value is not None
    assert found.value.value == value_of(table(), WIDTH)
    assert [fact.query.subject for fact in found.facts] == ["cup"]


def test_an_open_condition_mixes_both_branches() -> None:
    value = valued(tree("if", EVEN, plain(1), plain(3)), HALF_METRE)
    assert set(value.samples[1:]) == {1.0, 3.0}
    assert value.samples[1:].mean() == pytest.approx(2.0, abs=0.1)
    assert missing(tree("if", EVEN, tree("height", "a"), tree("height", "nobody")), HALF_METRE)[0] is Status.NOT_FOUND


def test_a_branch_that_is_surely_not_taken_may_be_missing() -> None:
    """The condition fails in a few samples only: the verdict on it is as good as any."""
    nearly = tree("lt", tree("distance", "a", "b"), metres(0.509))
    value = valued(nearly, HALF_METRE)
    assert 0.99 < value.probability < 1.0
    assert valued(tree("if", nearly, tree("height", "a"), tree("height", "nobody")), HALF_METRE).value == pytest.approx(0.06)
    assert missing(tree("if", nearly, tree("height", "nobody"), tree("height", "a")), HALF_METRE)[0] is Status.NOT_FOUND


def test_branches_may_be_things_and_pairs() -> None:
    first, second = (Fold(op, All(), ("x", "y"), tree("distance", X, Y)) for op in ("argmin", "argmax"))
    pair = valued(tree("if", EVEN, first, second), scene_of(*HALF_METRE.objects, on_table(0.6, -0.3, number=3, label="c")))
    assert pair.samples.shape == (2001, 2)
    assert len({tuple(row) for row in pair.samples[1:].tolist()}) == 2
    assert chosen(ask(table(), tree("if", NO, "cup", "can"))) == "can"
