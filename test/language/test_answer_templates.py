"""Answer templates: enough of each, both polarities, and every answer read back as what it was made from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from queries import query_for

from spatialvlm_ros.language.answer_templates import answer_templates, answer_text
from spatialvlm_ros.language.answer_templates_clauses import DIFFERENCES, DIMENSIONS, side_of
from spatialvlm_ros.language.spoken import Outcome, parse_answer, parse_choice, parse_side
from spatialvlm_ros.scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS, Kind

NAMES = ("red cup", "coke can", "glass jar")
BY_KIND = {kind: [name for name, relation in RELATIONS.items() if relation.kind is kind] for kind in Kind}
DRAWS = 150


def fact_of(name: str, value: float, std: float = 0.01, names: tuple[str, str, str] = NAMES) -> SpatialFact:
    unit = RELATIONS[name].unit
    return SpatialFact(query_for(name, *names), Status.OK, Source.DEPTH, 0, "camera", value, std, unit)


def answers(fact: SpatialFact, style: str = "human", draws: int = DRAWS) -> set[str]:
    generator = np.random.default_rng(7)
    relation = RELATIONS[fact.query.relation]
    return {answer_text(fact, relation, generator, style=style, word="#3 red can") for _ in range(draws)}


def verdicts(name: str) -> tuple[bool | None, ...]:
    if RELATIONS[name].unit == PROBABILITY:
        return (True, False, None)
    return (True, False) if name in DIFFERENCES or name == "count" else (True,)


@pytest.mark.parametrize("name", RELATIONS)
def test_there_are_about_ten_of_each_and_the_short_ones_are_likelier(name: str) -> None:
    for verdict in verdicts(name):
        templates = answer_templates(name, verdict)
        assert len({template.text for template in templates}) == len(templates) >= (7 if name in ("count", "nearest") else 10)
        assert all(template.weight > 0 and template.text.endswith(".") for template in templates)
        words = np.array([len(template.text.split()) for template in templates])
        weights = np.array([template.weight for template in templates])
        assert weights @ words / weights.sum() < words.mean()
        likeliest = max(templates, key=lambda template: template.weight)
        assert len(likeliest.text.split()) <= 4


@pytest.mark.parametrize("name", BY_KIND[Kind.PREDICATE])
@pytest.mark.parametrize(("probability", "outcome"), [(0.999, Outcome.YES), (0.001, Outcome.NO), (0.6, Outcome.UNSURE)])
def test_a_predicates_verdict_is_read_back(name: str, probability: float, outcome: Outcome) -> None:
    found = answers(fact_of(name, probability, math.nan))
    assert len(found) >= 9
    assert {text: parse_answer(text).outcome for text in found} == dict.fromkeys(found, outcome)


@pytest.mark.parametrize("name", BY_KIND[Kind.CHOICE])
@pytest.mark.parametrize(("probability", "chosen"), [(0.999, 0), (0.001, 1), (0.5, None)])
def test_a_choice_is_read_back(name: str, probability: float, chosen: int | None) -> None:
    more = side_of(name.removeprefix("which_"))[0].more
    found = answers(fact_of(name, probability, math.nan))
    assert len(found) >= 9
    assert {text: parse_choice(text, NAMES[:2], asked=more) for text in found} == dict.fromkeys(found, chosen)


@pytest.mark.parametrize("name", BY_KIND[Kind.CLASSIFY])
@pytest.mark.parametrize(("probability", "side"), [(0.999, 0), (0.001, 1), (0.5, None)])
def test_a_classification_is_read_back(name: str, probability: float, side: int | None) -> None:
    words = DIMENSIONS[name][0].word, DIMENSIONS[name][1].word
    found = answers(fact_of(name, probability, math.nan))
    assert len(found) >= (5 if side is not None else 9)
    assert {text: parse_side(text, words) for text in found} == dict.fromkeys(found, side)


@pytest.mark.parametrize("name", [name for name in BY_KIND[Kind.ESTIMATE] if RELATIONS[name].unit == METRE])
@pytest.mark.parametrize("value", [0.0, 0.004, 0.055, 0.32, 0.86, 1.56, 23.0])
def test_a_length_is_read_back(name: str, value: float) -> None:
    for text in answers(fact_of(name, value), draws=60):
        said = parse_answer(text, unit="m")
        assert said.outcome is Outcome.VALUE and said.quantity is not None, text
        assert said.quantity.low - 1e-9 <= value <= said.quantity.high + 1e-9, text
    for text in answers(fact_of(name, value), style="exact", draws=60):
        said = parse_answer(text, unit="m")
        assert said.outcome is Outcome.VALUE and said.quantity is not None, text
        assert said.quantity.value == pytest.approx(value, abs=0.0006), text


@pytest.mark.parametrize("name", ["left_difference", "right_difference", "behind_difference", "front_difference",
                                  "above_difference", "below_difference"])  # fmt: skip
def test_a_difference_below_zero_is_said_as_the_other_side(name: str) -> None:
    other = DIFFERENCES[name][1]
    own = DIFFERENCES[name][0]
    for text in answers(fact_of(name, -0.3)):
        assert other[0] in text or other[1] in text
        assert own[0] not in text and own[1] not in text
        said = parse_answer(text.removeprefix("No, "), unit="m")
        assert said.quantity is not None and said.quantity.low <= 0.3 <= said.quantity.high, text
        assert "-" not in text and "minus" not in text
    assert parse_side("30 centimeters to the right.", ("left", "right")) == 1


@pytest.mark.parametrize("value", [0, 1, 2, 5, 17])
def test_a_count_is_read_back(value: int) -> None:
    for style in ("human", "exact"):
        for text in answers(fact_of("count", value), style=style):
            said = parse_answer(text, unit="count")
            assert said.outcome is Outcome.VALUE and said.quantity is not None, text
            assert said.quantity.value == value, text
    assert RELATIONS["count"].unit == COUNT


def test_counted_things_agree_with_their_number() -> None:
    one, none, three = (answers(fact_of("count", value)) for value in (1, 0, 3))
    assert "There is one red cup." in one
    assert "There are no red cups." in none
    assert "There are three red cups." in three


@pytest.mark.parametrize("degrees", [0, 37, -90, 180, 120])
def test_a_direction_is_read_back(degrees: int) -> None:
    value = math.radians(degrees)
    for style in ("human", "exact"):
        for text in answers(fact_of("direction", value), style=style):
            said = parse_answer(text, unit="rad")
            assert said.outcome is Outcome.VALUE and said.quantity is not None, text
            turned = math.remainder(said.quantity.value - value, math.tau)
            assert abs(turned) <= math.radians(15.1 if style == "human" else 0.6), text
    assert RELATIONS["direction"].unit == RADIAN


def test_the_nearest_thing_is_named() -> None:
    assert all("#3 red can" in text for text in map(str.lower, answers(fact_of("nearest", 0.3))))


def test_many_things_are_said_as_many() -> None:
    many = replace(fact_of("left", 0.999, math.nan), query=Query("left", "scissors", "red blocks"))
    found = answers(many)
    assert "Yes, they are." in found and "Yes, the scissors are to the left of the red blocks." in found
    assert "No, they are not." in answers(replace(many, value=0.001))


def test_a_no_denies_or_says_the_opposite() -> None:
    found = answers(fact_of("left", 0.001, math.nan))
    assert "No, the red cup is not to the left of the coke can." in found
    assert "No, the red cup is to the right of the coke can." in found
    assert "No, the red cup would not fit into the coke can." in answers(fact_of("fits_into", 0.001, math.nan))


def test_what_is_not_known_is_said_with_its_reason() -> None:
    lost = replace(fact_of("distance", math.nan), status=Status.NOT_FOUND, text="nothing answers to 'red cup'")
    assert answers(lost) == {"nothing answers to 'red cup'"}


def test_the_same_generator_gives_the_same_answers() -> None:
    fact = fact_of("distance", 0.86)
    first, second = ([answer_text(fact, RELATIONS["distance"], generator) for _ in range(20)]
                     for generator in (np.random.default_rng(3), np.random.default_rng(3)))  # fmt: skip
    assert first == second and len(set(first)) > 5


def test_mistakes_are_told() -> None:
    with pytest.raises(KeyError, match="unknown relation"):
        answer_templates("near")
    with pytest.raises(ValueError, match="never too close"):
        answer_templates("distance", None)
    with pytest.raises(ValueError, match="style"):
        answer_text(fact_of("distance", 1.0), RELATIONS["distance"], np.random.default_rng(0), style="loud")
