"""What names, chosen things and relations stand for in trees, and where their values come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from erring_things import random_scene
from queries import query_for
from scenes import POSE, X, ask, chosen, fold, gripper_at, on_table, scene_of, tree, value_of
from table import BOX, CAN, CUP, EVEN, GRIPPER, HALF_METRE, TWICE, YES, missing, table, valued

from spatialvlm_ros.expressions.evaluate import Evaluator
from spatialvlm_ros.expressions.operators import THING
from spatialvlm_ros.expressions.tree import Several
from spatialvlm_ros.expressions.values import Origin
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.facts import Source, Status
from spatialvlm_ros.scene.scene import Binding

# -- things ------------------------------------------------------------------------------------------------------------


def test_two_names_of_one_thing_are_the_same_thing_and_not_related() -> None:
    view = table(**{"red cup": CUP})
    assert valued(tree("same", "cup", "red cup"), view).value
    found = ask(view, tree("distance", "cup", "red cup"))
    assert (found.value, found.status) == (None, Status.AMBIGUOUS)
    assert found.missing == "'cup' and 'red cup' are one thing on this image, which is not related to itself"
    assert [step.missing for step in found.steps] == [f"AMBIGUOUS: {found.missing}"]


def test_names_that_differ_by_an_article_may_mean_two_things() -> None:
    """The grounder keeps what each wording meant before."""
    view = table(**{"the cup": CAN})
    assert value_of(view, tree("height", "the cup")) == pytest.approx(0.12)
    assert value_of(view, tree("sub", tree("height", "cup"), tree("height", "the cup"))) == pytest.approx(-0.02)
    for order in (("cup", "the cup"), ("the cup", "cup")):
        evaluator = Evaluator(view)
        for name in order:
            evaluator.evaluate(tree("height", name))
        tall = evaluator.evaluate(tree("height", fold("argmax", tree("height", X), over=Several(("cup", "box")))))
        assert tall.value is not None
        assert float(tall.value.value) == pytest.approx(0.10)
        both = evaluator.evaluate(tree("distance", tree("if", YES, "cup", "box"), tree("if", YES, "the cup", "box")))
        assert both.value is not None
        assert float(both.value.value) == pytest.approx(0.3002, abs=1e-3)


def test_what_a_name_means_does_not_depend_on_earlier_questions() -> None:
    """The set names things by their labels; a label that nobody asked for is no name for that."""
    view = scene_of(CUP, CAN)
    view = replace(view, bindings={"object": view.bindings["object"]})
    evaluator = Evaluator(view)
    assert evaluator.evaluate(tree("height", "cup")).status is Status.NOT_FOUND
    tallest = evaluator.evaluate(fold("argmax", tree("height", X)))
    assert chosen(tallest) == "can"
    assert evaluator.evaluate(tree("height", "cup")).status is Status.NOT_FOUND


def test_a_label_that_was_asked_for_and_means_another_thing_is_told_apart() -> None:
    view = scene_of(replace(CUP, label="mug"), replace(CAN, label="mug"), BOX)
    view = replace(
        view, bindings={"mug": Binding(Status.OK, view.objects[0]), "The Box": TWICE, "object": view.bindings["object"]}
    )
    found = ask(view, fold("mean", tree("height", X)))
    assert set(found.names) == {"mug #1", "mug #2", "box #3"}
    assert value_of(view, fold("mean", tree("height", X))) == pytest.approx(0.1)
    assert ask(view, tree("add", tree("height", "mug"), fold("max", tree("height", X)))).names == ("mug", "mug #2", "box #3")


def test_a_thing_that_is_asked_for_by_a_numbered_name_keeps_it() -> None:
    view = scene_of(replace(CUP, label="mug"), replace(CAN, label="mug"))
    view = replace(view, bindings={"mug #2": Binding(Status.OK, CUP), "object": view.bindings["object"]})
    found = ask(view, fold("argmax", tree("height", X)))
    assert found.value is not None
    assert value_of(view, tree("height", fold("argmax", tree("height", X)))) == pytest.approx(0.12)
    assert value_of(view, tree("height", "mug #2")) == pytest.approx(0.10)


def test_choices_give_things_with_the_probability_of_their_fact() -> None:
    view = random_scene(3, 2, std_m=(0.05, 0.2))
    for names in (("thing 1", "thing 2"), ("thing 2", "thing 1")):
        fact = measure_query(view, query_for("which_behind", *names))
        found = ask(view, tree("which_behind", *names))
        assert found.value is not None and found.type == THING
        assert chosen(found) == (names[0] if fact.value >= 0.5 else names[1])
        assert found.value.probability == pytest.approx(max(fact.value, 1 - fact.value))


def test_sides_are_those_of_the_relation() -> None:
    found = valued(tree("left_or_right", "cup", "can"))
    assert (found.sides, found.value, found.probability) == (("left of", "right of"), True, pytest.approx(1.0))


def test_a_relation_of_a_thing_that_is_surely_chosen_is_its_fact() -> None:
    found = ask(table(), tree("distance", tree("which_left", "can", "cup"), "box"))
    assert found.value is not None
    assert float(found.value.value) == value_of(table(), tree("distance", "cup", "box"))
    assert "distance(cup, box)" in [str(fact.query) for fact in found.facts]


def test_a_relation_of_a_thing_that_is_not_sure_is_a_mixture_with_all_its_facts() -> None:
    """Which of two is taller is open, and one is three times as wide: the width is one or the other."""
    view = scene_of(
        on_table(0.7, 0.2, (0.06, 0.06, 0.1000), number=1, label="slim"),
        on_table(0.7, -0.2, (0.18, 0.18, 0.1002), number=2, label="stout"),
    )
    tallest = fold("argmax", tree("height", X))
    found = ask(view, tree("width", tallest))
    assert found.value is not None
    near_slim = np.abs(found.value.samples - 0.06) < 0.01
    near_stout = np.abs(found.value.samples - 0.18) < 0.01
    assert (near_slim | near_stout).all()
    share = np.mean(valued(tallest, view).samples == ask(view, tallest).names.index("stout"))
    assert near_stout.mean() == pytest.approx(share)
    assert 0.3 < share < 0.7
    asked = [str(fact.query) for fact in found.facts]
    assert {"width(slim)", "width(stout)"} <= set(asked)
    assert [step.text for step in found.steps if step.depth == 1][-2:] == ["width(stout)", "width(slim)"]


def test_a_mixture_leaves_out_what_cannot_be_measured() -> None:
    gripper = gripper_at(0.7, 0.0, 0.1001)
    view = scene_of(CUP, gripper)
    choice = tree("if", tree("above", "cup", "gripper"), "cup", "gripper")
    unsure = scene_of(replace(CUP, centre=gripper.centre + 0.001 * CUP.axes[:, 2]), gripper)
    assert missing(tree("height", "gripper"), view)[0] is Status.NO_DEPTH
    value = valued(tree("height", choice), unsure)
    assert value.value == pytest.approx(0.10)
    assert value.std == pytest.approx(0.002)


def test_nearest_may_be_asked_of_a_thing_that_is_not_sure() -> None:
    view = scene_of(*HALF_METRE.objects, on_table(0.5, -0.4, number=3, label="c"))
    value = valued(tree("nearest", "object", tree("if", EVEN, "a", "b")), view)
    assert set(np.round(value.samples[1:] / 0.05).astype(int)) <= {3, 10, 9, 11}
    assert 0.3 < np.mean(value.samples > 0.3) < 0.7


# -- relation leaves ---------------------------------------------------------------------------------------------------


def test_leaves_take_amounts_and_views() -> None:
    base = POSE @ RigidTransform(np.diag([-1.0, -1.0, 1.0]), np.zeros(3))
    view = replace(table(), views={"base_link": base})
    assert valued(tree("left", "cup", "can"), view).value
    seen = valued(tree("left", "cup", "can", view="base_link"), view)
    assert (bool(seen.value), seen.origin.frame_id) == (False, "base_link")
    both = valued(tree("or", tree("left", "cup", "can"), tree("left", "cup", "can", view="base_link")), view)
    assert (both.probability, both.origin.frame_id) == (1.0, "base_link, camera")
    assert valued(tree("reachable", "cup", "gripper", amount=0.5)).value
    assert not valued(tree("reachable", "cup", "gripper", amount=0.05)).value


def test_count_and_nearest_are_leaves_like_others() -> None:
    counted = valued(tree("count", "object"))
    assert (counted.value, counted.std, counted.probability) == (3.0, 0.0, 1.0)
    assert valued(tree("eq", tree("count", "object"), fold("count"))).value
    nearest = valued(tree("nearest", "object", "can"))
    assert nearest.value == pytest.approx(value_of(table(), tree("distance", "can", "cup")))
    assert np.abs(valued(tree("sub", tree("nearest", "object", "can"), tree("distance", "can", "cup"))).samples).max() < 1e-12


def test_a_thing_that_nothing_but_tf_places_is_said_so() -> None:
    robot = replace(gripper_at(0.0, 0.0, 0.0), id=-1, label="robot")
    view = scene_of(CUP, GRIPPER, robot)
    by_tf = valued(tree("distance", "gripper", "robot"), view)
    assert (by_tf.origin.source, by_tf.std) == (Source.TF, pytest.approx(np.sqrt(2) * 0.002, rel=0.05))
    mixed = valued(tree("add", tree("distance", "gripper", "robot"), tree("distance", "gripper", "cup")), view)
    assert mixed.origin.source is Source.DEPTH
    assert mixed.origin.sources == {Source.TF, Source.DEPTH}


def test_facts_have_the_frame_of_the_output() -> None:
    found = ask(table(), tree("distance", "cup", "can"), output=("map", RigidTransform(np.eye(3), np.array([1.0, 2.0, 3.0]))))
    assert found.value is not None
    assert found.value.origin.frame_id == "map"
    assert found.facts[0].subject_point == pytest.approx(CUP.centre + np.array([1, 2, 3]))


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({Source.DEPTH}, Source.DEPTH), ({Source.VLM}, Source.VLM), ({Source.DEPTH, Source.VLM}, Source.FUSED),
        ({Source.DEPTH, Source.TF}, Source.DEPTH), ({Source.TF}, Source.TF), (set(), Source.UNKNOWN),
        ({Source.TF, Source.FUSED}, Source.FUSED),
    ],
)  # fmt: skip
def test_one_source_is_told_for_all(sources: set[Source], expected: Source) -> None:
    assert Origin(frozenset(sources)).source is expected
