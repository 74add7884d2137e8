"""Queries that cannot be answered say what to do; those that can become facts with a number, a status and a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from queries import query_for
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.language.answers import check_query, measure_query
from spatialvlm_ros.language.sentences import fact_sentence
from spatialvlm_ros.scene.facts import PROBABILITY, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.relations import RELATIONS, Kind, Measurement
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject

NAMES = ("red block", "blue block", "can")
TAKES_AMOUNT = [name for name, relation in RELATIONS.items() if relation.takes_amount]
TAKES_NONE = [name for name in RELATIONS if name not in TAKES_AMOUNT]
BETWEEN_THINGS = [name for name, relation in RELATIONS.items() if relation.arity > 1 and not relation.of_all]


def one_sentence(text: str | None, *words: str) -> None:
    assert text is not None and "\n" not in text and not text.endswith(".") and len(text) > 10
    for word in words:
        assert word in text


# -- what is wrong with a query ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RELATIONS)
def test_the_right_number_of_names_is_right(name: str) -> None:
    assert check_query(query_for(name, *NAMES)) is None


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize("name", RELATIONS)
def test_a_missing_name_is_asked_for(name: str, empty: str) -> None:
    relation, good = RELATIONS[name], query_for(name, *NAMES)
    one_sentence(check_query(replace(good, subject=empty)), f"'{name}'", "needs a subject")
    if relation.arity > 1:
        one_sentence(check_query(replace(good, object=empty)), f"'{name}'", "the object's name is empty: give one")
    if relation.arity > 2:
        one_sentence(check_query(replace(good, third=empty)), "relates three things", "the third's name is empty: give one")


@pytest.mark.parametrize("name", RELATIONS)
def test_a_name_too_many_is_to_be_left_out(name: str) -> None:
    relation, good = RELATIONS[name], query_for(name, *NAMES)
    if relation.arity < 2:
        one_sentence(check_query(replace(good, object="cup")), "is about one thing", "leave the object empty", "'cup'")
    if relation.arity < 3:
        one_sentence(check_query(replace(good, third="cup")), "leave the third empty", "'cup'")


@pytest.mark.parametrize("name", BETWEEN_THINGS)
def test_a_thing_is_not_related_to_itself(name: str) -> None:
    good = query_for(name, *NAMES)
    for twin in ("red block", "the Red block", "a red  block"):
        one_sentence(check_query(replace(good, object=twin)), "two names are 'red block': name different things")
    if RELATIONS[name].arity == 3:
        one_sentence(check_query(replace(good, third="the blue block")), "two names are 'blue block'")


def test_the_nearest_of_a_kind_may_be_to_one_of_that_kind() -> None:
    assert check_query(Query("nearest", "red block", "red block")) is None


@pytest.mark.parametrize("amount", [0.0, -0.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", TAKES_AMOUNT)
def test_a_length_that_is_needed_is_asked_for(name: str, amount: float) -> None:
    text = check_query(replace(query_for(name, *NAMES), amount=amount))
    one_sentence(text, f"'{name}'", "needs a length in metres above 0", f"got {amount:g}")


@pytest.mark.parametrize("amount", [0.1, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", TAKES_NONE)
def test_a_length_that_means_nothing_is_refused(name: str, amount: float) -> None:
    text = check_query(replace(query_for(name, *NAMES), amount=amount))
    one_sentence(text, f"'{name}'", "takes no amount; leave it 0", f"got {amount:g}")


def test_an_unknown_relation_is_answered_with_the_known_ones() -> None:
    one_sentence(check_query(Query("near", "a", "b")), "unknown relation 'near'", *RELATIONS)


@pytest.mark.parametrize("name", RELATIONS)
def test_a_bad_query_makes_a_fact_that_says_so(name: str) -> None:
    bad = replace(query_for(name, *NAMES), subject="", view="base_link")
    fact = measure_query(scene({}), bad)
    assert (fact.status, fact.source, fact.text) == (Status.BAD_QUERY, Source.UNKNOWN, check_query(bad))
    assert math.isnan(fact.value) and math.isnan(fact.std) and fact.query == bad and fact.unit == RELATIONS[name].unit


# -- from a query to a fact -------------------------------------------------------------------------------------------

POSE = camera_over_table()


def table(**changed: SceneObject | Binding) -> Scene:
    """Three blocks in a row and the gripper, seen by a camera; some bound otherwise."""
    blocks = {
        name: placed(box((0.7, y, 0.05), number=number), POSE)
        for number, (name, y) in enumerate(zip(NAMES, (0.2, 0, -0.2), strict=True), 1)
    }
    view = scene({**blocks, "gripper": placed(tool((0.5, 0, 0.4)), POSE)}, POSE)
    every = tuple(blocks.values())
    bound = {name: replace(binding, answering=every if name != "gripper" else None) for name, binding in view.bindings.items()}
    for name, what in changed.items():
        key = name.replace("_", " ")
        bound[key] = what if isinstance(what, Binding) else Binding(what.status, what, answering=(what,))
    return replace(view, bindings=bound)


def wall(scene: Scene) -> Scene:
    """With an image of a wall at 0.3 m, behind which all things are."""
    camera = CameraModel(32, 24, 20.0, 20.0, 15.5, 11.5)
    image = RGBDFrame(7, np.zeros((24, 32, 3), np.uint8), np.full((24, 32), 0.3, np.float32), camera, "camera")
    return replace(scene, frame=image)


@pytest.mark.parametrize("name", RELATIONS)
def test_a_fact_carries_what_was_measured(name: str) -> None:
    view, query = wall(table()), query_for(name, *NAMES)
    fact = measure_query(view, query)
    things = [binding.thing for binding in map(view.find, query.names)]
    given: list[object] = list(things)
    if RELATIONS[name].of_all:
        given[0] = view.find(NAMES[0]).answering
    measured = RELATIONS[name].measure(view, *given, *([query.amount] if RELATIONS[name].takes_amount else []))
    assert (fact.value, fact.unit, fact.query, fact.stamp_ns) == (measured.value, RELATIONS[name].unit, query, 7)
    assert fact.std == pytest.approx(measured.std, nan_ok=True)
    assert np.array_equal(fact.subject_point, measured.subject_point, equal_nan=True)
    assert fact.source is Source.DEPTH and fact.frame_id == "camera" and fact.status.has_value
    assert "red block" in fact.text and "{" not in fact.text


@pytest.mark.parametrize("name", BETWEEN_THINGS)
@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.AMBIGUOUS, Status.NO_TRANSFORM, Status.NO_DEPTH])
def test_a_name_that_stands_for_nothing_says_why(name: str, status: Status) -> None:
    last = NAMES[RELATIONS[name].arity - 1].replace(" ", "_")
    fact = measure_query(table(**{last: Binding(status, text="the reason")}), query_for(name, *NAMES))
    assert (fact.status, fact.text) == (status, "the reason") and math.isnan(fact.value)


@pytest.mark.parametrize("name", BETWEEN_THINGS)
def test_two_names_of_one_thing_cannot_be_told_apart(name: str) -> None:
    view = table()
    twin = view.find("red block").thing
    assert twin is not None
    fact = measure_query(table(blue_block=twin), query_for(name, *NAMES))
    assert fact.status is Status.AMBIGUOUS and "cannot be told apart" in fact.text
    for said in query_for(name, *NAMES).names:
        assert f"'{said}'" in fact.text


@pytest.mark.parametrize("name", [name for name, relation in RELATIONS.items() if relation.needs_extent])
def test_sizes_of_a_point_are_not_compared(name: str) -> None:
    fact = measure_query(table(), query_for(name, "gripper", "red block", "can"))
    assert fact.status is Status.NO_DEPTH and fact.text == "the gripper is known as a point, without a size"


@pytest.mark.parametrize("name", [name for name, relation in RELATIONS.items() if relation.needs_canonical])
def test_without_up_the_reason_is_given(name: str) -> None:
    fact = measure_query(replace(table(), canonical=None, canonical_reason="the table is hidden"), query_for(name, *NAMES))
    assert fact.status is Status.NOT_CANONICAL and fact.text.endswith(
        "needs the up direction, which is not known: the table is hidden"
    )


def test_a_fact_is_as_stale_as_its_stalest_thing() -> None:
    stale = replace(placed(box((0.7, 0.2, 0.05)), POSE), status=Status.STALE)
    hidden = replace(placed(box((0.7, -0.2, 0.05), number=2), POSE), status=Status.OCCLUDED)
    view = wall(table(red_block=stale, blue_block=hidden))
    assert measure_query(view, Query("distance", "can", "blue block")).status is Status.OCCLUDED
    assert measure_query(view, Query("distance", "red block", "blue block")).status is Status.STALE
    assert measure_query(view, Query("between", "can", "blue block", "red block")).status is Status.STALE
    assert measure_query(view, Query("count", "red block")).status is Status.STALE
    # A point behind the wall is hidden, but the thing it is told from was not seen for long, which is worse.
    for name, status in (("can", Status.OCCLUDED), ("red block", Status.STALE)):
        fact = measure_query(view, Query("point_above", name, amount=0.1))
        assert fact.status is status and "behind a surface, so nobody knows whether it is free" in fact.text


def test_source_is_tf_when_nothing_else_was_used() -> None:
    view = table(base=replace(placed(tool((0, 0, 0)), POSE), id=-1))
    assert measure_query(view, Query("distance", "gripper", "base")).source is Source.TF
    assert measure_query(view, Query("distance", "gripper", "can")).source is Source.DEPTH


def test_an_elevation_without_a_table_says_so() -> None:
    fact = measure_query(replace(table(), support_plane=np.full(4, np.nan)), Query("elevation", "can"))
    assert fact.status is Status.NO_DEPTH and "no support plane is known" in fact.text


def said(name: str, value: float, view: str = "") -> str:
    """The sentence of a relation with this value."""
    relation = RELATIONS[name]
    query = replace(query_for(name, "the red block", "a can", "cup"), view=view)
    fact = SpatialFact(query, Status.OK, Source.DEPTH, 7, "camera", value, 0.004, relation.unit)
    return fact_sentence(fact, relation, Measurement(value, 0.004, word={"direction": "3 o'clock"}.get(name, "#2 red block")))


@pytest.mark.parametrize("name", [name for name, relation in RELATIONS.items() if relation.unit == PROBABILITY])
def test_every_verdict_of_every_relation_is_a_sentence(name: str) -> None:
    relation = RELATIONS[name]
    yes, no, perhaps, perhaps_not = (said(name, value) for value in (0.999, 0.001, 0.6, 0.4))
    for text in (yes, no, perhaps, perhaps_not):
        assert text.startswith("The ") and "  " not in text and "{" not in text and " the the " not in text
        assert text.count("red block") == 1 and text.count("can") == 1 and text.count("cup") == (relation.arity == 3)
    assert yes.endswith(".") and no.endswith(".") and len({yes, no}) == 2
    for likely, certain in ((perhaps, yes), (perhaps_not, no)):
        assert likely.endswith(". (too close to call: 60%)") and likely.count("perhaps ") == 1
        assert likely.replace("perhaps ", "").removesuffix(" (too close to call: 60%)") == certain
    for probable, certain in ((said(name, 0.8), yes), (said(name, 0.2), no)):
        assert probable.endswith(". (80%)") and probable.count("probably ") == 1
        assert probable.replace("probably ", "").removesuffix(" (80%)") == certain
    if relation.kind is Kind.PREDICATE:
        assert no.replace("not ", "") == yes and "not" not in yes
    else:
        assert "not" not in no


@pytest.mark.parametrize("name", [name for name, relation in RELATIONS.items() if relation.unit != PROBABILITY])
def test_every_number_is_said_with_its_deviation(name: str) -> None:
    expected = {"m": "0.123 m ± 0.004 m", "rad": "(7 deg ± 0 deg)", "count": " 0 "}[RELATIONS[name].unit]
    text = said(name, 0.1234)
    assert expected in text and text.endswith(".") and text[0].isupper() and "  " not in text and "{" not in text
    assert ("0.2 m" in text) == RELATIONS[name].takes_amount


@pytest.mark.parametrize("name", RELATIONS)
def test_who_looks_is_said_exactly_where_it_matters(name: str) -> None:
    plain, value = said(name, 0.1), 0.1
    assert said(name, value, "canonical") == plain
    if RELATIONS[name].frame == "viewer":
        assert said(name, value, "base_link") == f"Seen from base_link: {plain[0].lower()}{plain[1:]}"
    else:
        assert said(name, value, "base_link") == plain


@pytest.mark.parametrize("name", [name for name in RELATIONS if name.endswith("_difference")])
def test_a_difference_below_zero_is_said_the_other_way_round(name: str) -> None:
    view = table(red_block=placed(box((0.5, 0.2, 0.25)), POSE), can=placed(box((0.7, -0.2, 0.05), number=3), POSE))
    facts = [measure_query(view, Query(name, *pair)) for pair in (("red block", "can"), ("can", "red block"))]
    assert facts[0].value == pytest.approx(-facts[1].value) and abs(facts[0].value) > 0.1
    assert facts[0].text == facts[1].text and "-" not in facts[0].text
