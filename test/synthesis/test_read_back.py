"""What an answer says, by its words alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.language.answer_templates import answer_text
from spatialvlm_ros.scene.facts import COUNT, PROBABILITY, RADIAN, Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.synthesis.read_back import read_back

# Names that hold words of sides and sizes, and numbers.
NAMES = ("left mug", "2 liter red can on the right", "tall box in the back")
VERDICTS = {
    Kind.PREDICATE: {1.0: "yes", 0.0: "no", 0.5: "unsure"},
    Kind.CHOICE: {1.0: "first", 0.0: "second", 0.5: "unsure"},
    Kind.CLASSIFY: {1.0: "first", 0.0: "second", 0.5: "unsure"},
}


def drawn_value(name: str, generator: np.random.Generator) -> float:
    unit = RELATIONS[name].unit
    if unit == PROBABILITY:
        return float(generator.choice([0.0, 0.5, 1.0]))
    if unit == COUNT:
        return float(generator.integers(0, 14))
    if unit == RADIAN:
        return float(generator.uniform(-math.pi, math.pi))
    size = float(np.exp(generator.uniform(np.log(1e-4), np.log(30.0))))
    return -size if name.endswith("_difference") and generator.random() < 0.5 else size


@pytest.mark.parametrize("name", RELATIONS)
def test_every_answer_reads_back_as_what_it_was_made_from(name: str) -> None:
    relation, generator = RELATIONS[name], np.random.default_rng(5)
    query = Query(name, *NAMES[: relation.arity], amount=0.3 if relation.takes_amount else 0.0)
    for turn in range(60):
        value = drawn_value(name, generator)
        fact = SpatialFact(query, Status.OK, Source.DEPTH, 0, "camera", value, abs(value) / 100, relation.unit)
        answer = answer_text(fact, relation, generator, style="exact" if turn % 4 == 0 else "human", word="the blue box")
        polarity = VERDICTS[relation.kind][value] if relation.unit == PROBABILITY else ""
        heard = read_back(name, query.names, answer)
        assert heard.agrees(polarity, value), (answer, value, heard)


@pytest.mark.parametrize(
    ("name", "answer", "polarity", "value"),
    [
        ("tall", "No, it is not.", "yes", 1.0),
        ("which_tall", "The 2 liter red can on the right.", "first", 1.0),
        ("left_or_right", "To the right.", "first", 1.0),
        ("distance", "50 centimeters.", "", 0.6),
        ("right_difference", "5 cm to the left.", "", 0.05),
        ("above_difference", "5 cm lower.", "", 0.05),
        ("behind_difference", "5 cm.", "", -0.05),
        ("direction", "about 20 degrees to the left", "", -0.35),
    ],
)
def test_an_answer_that_says_something_else_does_not_agree(name: str, answer: str, polarity: str, value: float) -> None:
    heard = read_back(name, NAMES[: RELATIONS[name].arity], answer)
    assert not heard.problem and not heard.agrees(polarity, value)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("tall", "They stand on the table."),
        ("which_tall", "The one by the window."),
        ("left_or_right", "Somewhere."),
        ("distance", "Quite far."),
        ("distance", "Less than 10 cm."),
        ("left_difference", "5 cm to the left, or to the right."),
    ],
)
def test_what_cannot_be_read_has_a_reason_and_agrees_with_nothing(name: str, answer: str) -> None:
    heard = read_back(name, NAMES[:2], answer)
    assert heard.problem and heard.polarity == "" and math.isnan(heard.value)
    assert not heard.agrees("", math.nan) and not heard.agrees("yes", 1.0) and math.isnan(heard.outside(0.1))


def test_bearings_agree_the_short_way_round() -> None:
    heard = read_back("direction", NAMES[:2], "It is at 6 o'clock.")
    assert heard.agrees("", math.pi - 0.1) and heard.agrees("", -math.pi + 0.1) and not heard.agrees("", math.pi - 0.4)
    assert heard.outside(-math.pi + 0.5) == pytest.approx(0.5 - math.radians(15))


def test_how_far_a_number_is_outside_of_what_was_said() -> None:
    heard = read_back("right_difference", NAMES[:2], "20 cm to the left")
    assert (heard.value, heard.low, heard.high) == pytest.approx((-0.2, -0.25, -0.15))
    assert heard.outside(-0.2) == 0.0 and heard.outside(-0.3) == pytest.approx(0.05) and heard.outside(0.2) == pytest.approx(0.35)


def test_an_unknown_relation_is_refused() -> None:
    with pytest.raises(KeyError, match="nearer_than"):
        read_back("nearer_than", NAMES[:2], "Yes.")
