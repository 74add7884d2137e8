"""Several answers to one question into one value: means, spreads, verdicts, and when there is no value."""

from __future__ import annotations

import math

import pytest

from spatialvlm_ros.language.answer_templates import answer_sentence, answer_templates
from spatialvlm_ros.language.answer_templates_clauses import DIFFERENCES
from spatialvlm_ros.scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query, Status
from spatialvlm_ros.vlm.interface import ModelAnswer, Question
from spatialvlm_ros.vlm.numbers import prompt_of, read_answers

DISTANCE = Question("How far is the cup from the can?", Query("distance", "cup", "can"))
LEFT = Question("Is the cup left of the can?", Query("left", "cup", "can"))


def read(question: Question, *texts: str) -> ModelAnswer:
    return read_answers(texts, question)


def test_a_number_is_the_mean_of_its_draws_and_their_spread_its_deviation() -> None:
    answer = read(DISTANCE, "0.4 m", "It is about 50 cm away.", "60 centimetres")
    assert (answer.status, answer.unit, answer.samples) == (Status.OK, METRE, 3)
    assert answer.value == pytest.approx(0.5) and answer.std == pytest.approx(0.1, rel=0.1)
    assert answer.text == "It is about 50 cm away.", "the draw that is nearest to the mean stands for all"


def test_draws_that_agree_are_no_surer_than_models_are() -> None:
    answer = read(DISTANCE, *["0.4 m"] * 5)
    assert answer.value == pytest.approx(0.4) and answer.std == pytest.approx(0.2 * 0.4), "one model's draws err together"
    answer = read(DISTANCE, *["0.1 m"] * 5)
    assert answer.std == pytest.approx(0.1 / math.sqrt(12), rel=0.01), "and no surer than they were said"
    angle = read(Question("In which direction is the cup?", Query("direction", "cup", "can")), *["1.00 degrees"] * 5)
    assert angle.std == pytest.approx(0.2)


def test_one_draw_has_no_deviation() -> None:
    answer = read(DISTANCE, "0.4 m")
    assert answer.value == pytest.approx(0.4) and math.isnan(answer.std)


def test_draws_without_a_value_are_left_out_until_they_are_most() -> None:
    assert read(DISTANCE, "0.4 m", "I cannot tell.", "0.6 m").samples == 2
    refused = read(DISTANCE, "I cannot tell.", "It is hard to say.", "0.6 m")
    assert refused.status is Status.BAD_QUERY and math.isnan(refused.value) and refused.text == "I cannot tell."


@pytest.mark.parametrize("text", ["40", "3 cups", "30 degrees", "less than 40 cm", "yes", ""])
def test_what_is_no_length_gives_none(text: str) -> None:
    assert read(DISTANCE, text, text).status is Status.BAD_QUERY


def test_angles_are_averaged_around_the_circle() -> None:
    question = Question("In which direction is the cup?", Query("direction", "cup", "can"))
    answer = read(question, "170 degrees", "190 degrees")
    assert (
        answer.unit == RADIAN
        and abs(answer.value) == pytest.approx(math.pi)
        and answer.std == pytest.approx(math.radians(math.sqrt(200)), rel=0.05)
    )


RIGHT = Query("right_difference", "cup", "left can")


@pytest.mark.parametrize(
    ("query", "text", "value_m"),
    [
        (RIGHT, "5 cm to the left of the left can.", -0.05),
        (RIGHT, "The cup is 5 cm to the right of the left can.", 0.05),
        (RIGHT, "The left can is 5 cm to the right of the cup.", -0.05),
        (RIGHT, "The left can is 5 cm further left.", 0.05),
        (RIGHT, "It's 5 cm to the left can's left.", -0.05),
        (RIGHT, "It is 5 cm to the left.", -0.05),
        (RIGHT, "No, it is 5 cm to the left.", -0.05),
        (RIGHT, "5 cm.", 0.05),
        (RIGHT, "-5 cm", -0.05),
        (Query("front_difference", "cup", "can"), "The cup is 5 cm in front of the can.", 0.05),
        (Query("front_difference", "cup", "can"), "The cup is 5 cm further back than the can.", -0.05),
        (Query("behind_difference", "cup", "can"), "The cup is 5 cm further forward than the can.", -0.05),
        (Query("above_difference", "cup", "can"), "The bottom of the cup is 5 cm lower than that of the can.", -0.05),
        (Query("below_difference", "cup", "can"), "It is 5 cm under the can.", 0.05),
    ],
)
def test_a_difference_has_the_sign_of_the_side_that_is_said(query: Query, text: str, value_m: float) -> None:
    answer = read(Question("By how much?", query), *[text] * 5)
    assert answer.status is Status.OK and answer.value == pytest.approx(value_m)


@pytest.mark.parametrize(
    "text",
    [
        "No, 5 cm.",
        "It is the other way round, 5 cm.",
        "Not to the left, 5 cm.",
        "5 cm to the left, or to the right.",
        "Compared to the left can, the cup is 5 cm further right.",
        "-5 cm to the right.",
    ],
)
def test_a_difference_whose_side_cannot_be_told_is_none(text: str) -> None:
    assert read(Question("By how much?", RIGHT), *[text] * 5).status is Status.BAD_QUERY
    same = Query("right_difference", "cup", "cup")
    assert read(Question("By how much?", same), "5 cm to the right.").status is Status.BAD_QUERY


@pytest.mark.parametrize("relation", sorted(DIFFERENCES))
@pytest.mark.parametrize("verdict", [True, False])
def test_our_own_sentences_of_a_difference_keep_its_sign(relation: str, verdict: bool) -> None:
    query = Query(relation, "cup", "can")
    for index in range(len(answer_templates(relation, verdict))):
        text = answer_sentence(query, verdict, index, "0.05 m")
        answer = read(Question("By how much?", query), *[text] * 3)
        assert answer.status is Status.OK and answer.value == pytest.approx(0.05 if verdict else -0.05), text


def test_the_side_is_asked_for_where_it_matters() -> None:
    assert prompt_of(Question("By how much?", RIGHT)).endswith("Say on which side.")
    assert "side" not in prompt_of(DISTANCE) and prompt_of(Question("By how much?", RIGHT, verbatim=True)) == "By how much?"


def test_counts_need_no_unit() -> None:
    answer = read(Question("How many cups are there?", Query("count", "cup")), "Two.", "3", "There are two cups.")
    assert answer.unit == COUNT and answer.value == pytest.approx(7 / 3)


def test_a_verdict_is_a_probability_by_its_draws() -> None:
    answer = read(LEFT, "Yes.", "Yes, it is.", "No.")
    assert (answer.unit, answer.value) == (PROBABILITY, pytest.approx(2.5 / 4)) and math.isnan(answer.std)
    assert answer.text == "Yes."
    assert read(LEFT, "Yes.").value == pytest.approx(0.75), "one answer alone is not certain"


def test_choices_and_sides_are_the_probability_of_the_first() -> None:
    which = Question("Which is taller, the cup or the can?", Query("which_tall", "cup", "can"))
    assert read(which, "The cup.", "The cup is taller than the can.").value == pytest.approx(2.5 / 3)
    assert read(which, "The can.").value == pytest.approx(0.25)
    side = Question("Is the cup left or right of the can?", Query("left_or_right", "cup", "can"))
    assert read(side, "To the left.", "Left of it.").value == pytest.approx(2.5 / 3)
    assert read(which, "Both.").status is Status.BAD_QUERY
    same = Question("Which is taller?", Query("which_tall", "cup", "cup"))
    assert read(same, "The cup.").status is Status.BAD_QUERY


def test_a_question_that_nobody_parsed_is_read_as_it_comes() -> None:
    assert read(Question("How far is it?"), "0.4 m", "0.6 m").value == pytest.approx(0.5)
    assert read(Question("Is it far?"), "Yes.", "No.").value == pytest.approx(0.5)
    assert read(Question("What is it?"), "A cup.").status is Status.BAD_QUERY
    assert read(Question("What is it?")).status is Status.BAD_QUERY
