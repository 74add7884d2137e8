"""Facts as sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spatialvlm_ros.language.sentences import fact_sentence, number
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, RADIAN, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS, Kind

FACT = SpatialFact(Query("distance", "the gripper", "a red block"), Status.OK, Source.DEPTH, 0, "camera", 0.1234, 0.0049)


def test_a_number_has_its_deviation_and_unit() -> None:
    assert number(0.1234, 0.0049, METRE) == "0.123 m ± 0.005 m"
    assert number(1.23456, 0.0123, RADIAN) == "1.23 ± 0.012 rad"


def test_articles_are_said_once() -> None:
    assert (
        fact_sentence(FACT, RELATIONS["distance"].sentence)
        == "The gripper is 0.123 m ± 0.005 m from the red block, centre to centre."
    )


@pytest.mark.parametrize(
    ("probability", "sentence"),
    [
        (0.999, "The cup is left of the can."),
        (0.001, "The cup is not left of the can."),
        (0.6, "The cup is perhaps left of the can. (too close to call: 60%)"),
    ],
)
def test_a_predicate_is_said_with_its_verdict(probability: float, sentence: str) -> None:
    fact = replace(FACT, query=Query("left", "cup", "the can"), value=probability, unit=PROBABILITY)
    assert fact_sentence(fact, RELATIONS["left"].sentence) == sentence


@pytest.mark.parametrize(
    ("name", "probability", "sentence"),
    [
        ("which_tall", 0.999, "The cup is taller than the can."),
        ("which_tall", 0.001, "The can is taller than the cup."),
        ("which_tall", 0.3, "The can is perhaps taller than the cup. (too close to call: 70%)"),
        ("left_or_right", 0.999, "The cup is left of the can."),
        ("left_or_right", 0.001, "The cup is right of the can."),
        ("left_or_right", 0.4, "The cup is perhaps right of the can. (too close to call: 60%)"),
    ],
)
def test_choices_and_classifications_name_their_answer(name: str, probability: float, sentence: str) -> None:
    fact = replace(FACT, query=Query(name, "cup", "can"), value=probability, unit=PROBABILITY)
    assert fact_sentence(fact, RELATIONS[name].sentence, RELATIONS[name].sides) == sentence


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_makes_a_whole_sentence(name: str) -> None:
    relation = RELATIONS[name]
    unit = METRE if relation.kind is Kind.ESTIMATE else PROBABILITY
    fact = replace(FACT, query=Query(name, "cup", "can" if relation.arity == 2 else ""), value=0.999, unit=unit)
    text = fact_sentence(fact, relation.sentence, relation.sides)
    assert "cup" in text and ("can" in text) == (relation.arity == 2)
    assert text.endswith(".") and "  " not in text and "{" not in text


@pytest.mark.parametrize("name", ["the", "a", "{b}", "theory book"])
def test_strange_names_are_kept(name: str) -> None:
    text = fact_sentence(replace(FACT, query=Query("height", name)), "The {a} is {value} tall.")
    assert text == f"The {name} is 0.123 m ± 0.005 m tall."
