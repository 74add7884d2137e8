"""Questions that have no certain meaning, and near ones that must not be taken for each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialvlm_ros.language.questions import EmptyQuestionError, QuestionError
from spatialvlm_ros.reasoning.grammar import parse

REFUSED = (Path(__file__).parent / "refused_questions.txt").read_text(encoding="utf-8").splitlines()


def test_many_questions_without_one_certain_meaning_are_known() -> None:
    assert len(REFUSED) == len(set(REFUSED)) >= 250


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_no_certain_meaning_is_refused(text: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse(text)
    assert not isinstance(caught.value, EmptyQuestionError) and str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Is the mug closer to the can than the plate?", "Is the mug closer to the can than to the plate?"),
        ("Is the mug closer to the can than the plate?", "Is the mug farther from the can than the plate?"),
        ("Is the mug closer to the can than the plate?", "Is the plate closer to the can than the mug?"),
        ("Is the mug taller than the can is wide?", "Is the mug wider than the can is tall?"),
        ("Is the mug taller than the can?", "Is the mug taller than the can is wide?"),
        ("Is the mug at least 20 cm from the can?", "Is the mug at most 20 cm from the can?"),
        ("Is the mug at least 20 cm from the can?", "Is the mug more than 20 cm from the can?"),
        ("Is the mug at most 20 cm from the can?", "Is the mug less than 20 cm from the can?"),
        ("Is the mug at least 20 cm tall?", "Is the mug at least 20 cm wide?"),
        ("Is the mug more than 20 cm tall?", "Is the mug more than 20 cm above the table?"),
        ("Is the mug more than 20 cm left of the can?", "Is the mug more than 20 cm from the can?"),
        ("Is the mug more than 5 cm taller than the can?", "Is the mug taller than the can?"),
        ("Is the mug not taller than the can?", "Is the mug shorter than the can?"),
        ("Is the mug left of the can and behind the plate?", "Is the mug left of the can or behind the plate?"),
        ("Is the mug left of the can and behind the plate?", "Is the mug left of the can but not behind the plate?"),
        ("Is the mug left of the can and behind the plate?", "Is the mug behind the can and left of the plate?"),
        ("Is the mug neither on the plate nor on the tray?", "Is the mug not on the plate?"),
        ("Are both the mug and the can on the plate?", "Is either the mug or the can on the plate?"),
        ("Are all blocks on the plate?", "Is any block on the plate?"),
        ("Are no blocks on the plate?", "Is any block not on the plate?"),
        ("How many blocks are on the plate?", "How many blocks are not on the plate?"),
        ("How many blocks are on the plate?", "How many blocks are there?"),
        ("Are at least two blocks on the plate?", "Are more than two blocks on the plate?"),
        ("Are at most two blocks on the plate?", "Are fewer than two blocks on the plate?"),
        ("Are exactly two blocks on the plate?", "Are at least two blocks on the plate?"),
        ("Are there more blocks than cans?", "Are there fewer blocks than cans?"),
        ("Are there more blocks than cans?", "How many more blocks than cans are there?"),
        ("Which block is the tallest?", "Is the mug the tallest block?"),
        ("What is the tallest block?", "How tall is the tallest block?"),
        ("What is the tallest block?", "What is the second tallest block?"),
        ("What is the shortest block?", "What is the smallest block?"),
        ("What is the highest block?", "What is the tallest block?"),
        ("Which block is farthest from the mug?", "How far is the farthest block from the mug?"),
        ("Which two blocks are closest together?", "How far apart are the two closest blocks?"),
        ("Is the tallest block also the widest?", "Is the tallest block the second widest block?"),
        ("How long is the way from the mug to the can to the tray?", "How long is the way from the mug to the tray to the can?"),
        ("How long is the way from the mug to the tray over the can?",
         "How long is the way from the mug over the tray to the can?"),
        ("How much longer is the way from the mug to the tray over the can than the direct way?",
         "How long is the way from the mug to the tray over the can?"),
        ("How far is the mug from the can?", "How far is it from the mug to the can to the tray?"),
        ("What is the total height of the blocks?", "What is the average height of the blocks?"),
        ("What is the greatest height of the blocks?", "What is the smallest height of the blocks?"),
        ("How tall would a stack of the mug and the can be?", "How wide are the mug and the can side by side?"),
        ("Is the gap between the mug and the can wider than the plate?",
         "Is the gap between the mug and the can wider than that between the plate and the tray?"),
        ("Is the gap between the mug and the can more than 20 cm?",
         "Is the distance between the mug and the can more than 20 cm?"),
        ("Can a 20 cm wide box pass between the mug and the can?", "Would the box fit between the mug and the can?"),
        ("Is the mug within 20 cm of the can?", "Is the mug within a reach of 20 cm from the can?"),
        ("Do the mug, the can and the tray form an isosceles triangle?",
         "Do the mug, the can and the tray form an equilateral triangle?"),
        ("Which side of the triangle of the mug, the can and the tray is longest?",
         "How long is the longest side of the triangle of the mug, the can and the tray?"),
        ("How much taller is the mug than the can?", "How much taller is the can than the mug?"),
        ("How much taller is the mug than the can?", "What is the difference in height between the mug and the can?"),
        ("How much taller is the mug than the can?", "How much higher is the mug than the can?"),
        ("How many times as tall as the can is the mug?", "How many times as tall as the mug is the can?"),
        ("If the mug is on the plate, how far is the can from it, otherwise from the tray?",
         "If the mug is on the tray, how far is the can from it, otherwise from the plate?"),
    ],
)  # fmt: skip
def test_near_questions_are_told_apart(first: str, second: str) -> None:
    assert parse(first) != parse(second)
