"""Facts as sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from queries import query_for

from spatialvlm_ros.language.sentences import fact_sentence, number
from spatialvlm_ros.scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relation import Measurement
from spatialvlm_ros.scene.relations import RELATIONS

FACT = SpatialFact(Query("distance", "the gripper", "a red block"), Status.OK, Source.DEPTH, 0, "camera", 0.1234, 0.0049)


def said(fact: SpatialFact, word: str = "", note: str = "") -> str:
    return fact_sentence(fact, RELATIONS[fact.query.relation], Measurement(fact.value, fact.std, word=word, note=note))


def test_a_number_has_its_deviation_and_unit() -> None:
    assert number(0.1234, 0.0049, METRE) == "0.123 m ± 0.005 m"
    assert number(1.23456, 0.0523, RADIAN) == "71 deg ± 3 deg"
    assert number(3.0, 0.0, COUNT) == "3"


def test_articles_are_said_once() -> None:
    assert said(FACT) == "The gripper is 0.123 m ± 0.005 m from the red block, centre to centre."


@pytest.mark.parametrize(
    ("probability", "sentence"),
    [
        (0.999, "The cup is left of the can."),
        (0.001, "The cup is not left of the can."),
        (0.6, "The cup is perhaps left of the can. (too close to call: 60%)"),
        (0.4, "The cup is perhaps not left of the can. (too close to call: 60%)"),
        (0.7, "The cup is probably left of the can. (70%)"),
        (0.05, "The cup is probably not left of the can. (95%)"),
    ],
)
def test_a_predicate_is_said_with_its_verdict(probability: float, sentence: str) -> None:
    fact = replace(FACT, query=Query("left", "cup", "the can"), value=probability, unit=PROBABILITY)
    assert said(fact) == sentence


@pytest.mark.parametrize(
    ("name", "probability", "sentence"),
    [
        ("which_tall", 0.999, "The cup is taller than the can."),
        ("which_tall", 0.001, "The can is taller than the cup."),
        ("which_tall", 0.4, "The can is perhaps taller than the cup. (too close to call: 60%)"),
        ("which_tall", 0.3, "The can is probably taller than the cup. (70%)"),
        ("left_or_right", 0.999, "The cup is left of the can."),
        ("left_or_right", 0.001, "The cup is right of the can."),
        ("left_or_right", 0.9, "The cup is probably left of the can. (90%)"),
        ("left_or_right", 0.4, "The cup is perhaps right of the can. (too close to call: 60%)"),
    ],
)
def test_choices_and_classifications_name_their_answer(name: str, probability: float, sentence: str) -> None:
    fact = replace(FACT, query=Query(name, "cup", "can"), value=probability, unit=PROBABILITY)
    assert said(fact) == sentence


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_makes_a_whole_sentence(name: str) -> None:
    relation = RELATIONS[name]
    fact = replace(FACT, query=query_for(name, "cup", "can", "jar"), value=0.999, unit=relation.unit)
    text = said(fact, word="3 o'clock")
    assert [word in text for word in ("cup", "can", "jar")] == [relation.arity > index for index in range(3)]
    assert text.endswith(".") and "  " not in text and "{" not in text
    assert ("0.2 m" in text) == relation.takes_amount


def test_who_looks_is_said_where_it_matters() -> None:
    from_robot = replace(FACT, query=Query("left", "cup", "can", view="base_link"), value=0.999, unit=PROBABILITY)
    assert said(from_robot) == "Seen from base_link: the cup is left of the can."
    distance = replace(FACT, query=Query("distance", "cup", "can", view="base_link"))
    assert said(distance).startswith("The cup is")


def test_a_note_ends_the_sentence() -> None:
    fact = replace(FACT, query=Query("count", "red block"), value=2.0, std=0.0, unit=COUNT)
    assert said(fact, note="#1, #2") == "There are 2 things in sight that answer to 'red block': #1, #2."


@pytest.mark.parametrize("name", ["the", "a", "{b}", "theory book"])
def test_strange_names_are_kept(name: str) -> None:
    assert said(replace(FACT, query=Query("height", name))) == f"The {name} is 0.123 m ± 0.005 m tall."
