"""Patterns: the notation, what slots take, which reading wins, and that no text costs much time."""

from __future__ import annotations

import random
import sys
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import quickest_s

from spatialvlm_ros.language.patterns import (
    AmbiguousQuestionError,
    EmptyQuestionError,
    Matcher,
    NotUnderstoodError,
    Pattern,
    QuestionError,
)

Meaning = tuple[object, ...]


def test_threads_that_read_at_once_share_the_states() -> None:
    patterns = [pattern("x", f"(is|are) {{a}} (near|by|word{number}) {{b}}") for number in range(60)]
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            matcher: Matcher[Meaning] = Matcher(patterns)
            start = threading.Barrier(8)
            found: list[object] = []

            def read(matcher: Matcher[Meaning] = matcher, start: threading.Barrier = start, found: list[object] = found) -> None:
                start.wait()
                state = matcher._root
                for edge in ("is", ("a", "name"), "near", ("b", "name")):
                    state = state.after(edge)
                found.append(state)

            threads = [threading.Thread(target=read) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(found) == 8 and len({id(state) for state in found}) == 1
    finally:
        sys.setswitchinterval(switch_s)


def pattern(name: str, text: str) -> Pattern[Meaning]:
    return Pattern(text, lambda slots: (name, *(slots[key] for key in sorted(slots))), text)


MATCHER: Matcher[Meaning] = Matcher(
    [
        pattern("distance", "(what is|) the distance (between|from) {a} (and|to) {b}"),
        pattern("distance", "how far (away|) is {a} (away|) from {b}"),
        pattern("left", "(is|are) {a} (to the|) left of {b} (seen from {v:view}|from {v:view} point of view|)"),
        pattern("within", "is {a} within {n:length} of {b}"),
        pattern("tallest", "which of {names:list} is (the|) tallest"),
        pattern("several", "are there {k:number} {a}"),
        pattern("on", "is {a} on {b}"),
    ]
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("What is the distance between the cup and the plate?", ("distance", "cup", "plate")),
        ("the distance from A CUP to An Anchor", ("distance", "cup", "anchor")),
        ("What\u2019s the distance between the cup, and the plate ?!", ("distance", "cup", "plate")),
        ("how far is #3 from cup 4", ("distance", "#3", "cup 4")),
        ("How far away is the cup-holder from the 0.5 liter bottle", ("distance", "cup-holder", "0.5 liter bottle")),
        ("Hey robot, can you please tell me how far is the cup from the can, please?", ("distance", "cup", "can")),
        ("how far is \u201csalt and pepper shaker\u201d from the \u201cBox from  Ikea\u201d",
         ("distance", "salt and pepper shaker", "box from ikea")),
        ("what is the distance between the salt and pepper shaker and the cup", ("distance", "salt and pepper shaker", "cup")),
        ("what is the distance from the box from ikea to the cup of tea", ("distance", "box from ikea", "cup of tea")),
        ("How far is the cup from the can in centimeters right now?", ("distance", "cup", "can")),
        ("Isn't the cup left of the can?", ("left", "cup", "can")),
        ("is the cup left of the can seen from arm/Base_link", ("left", "cup", "can", "arm/Base_link")),
        ("is the cup left of the can from the camera's point of view", ("left", "cup", "can", "")),
        ("is the cup left of the can from the robot\u2019s point of view", ("left", "cup", "can", "robot")),
        ("is the cup left of the can seen from frame left_arm", ("left", "cup", "can", "left_arm")),
        ("is the cup within 80 cm of the can", ("within", "cup", "can", 0.8)),
        ("Which of the red can, the blue can and the green can is tallest?",
         ("tallest", ("red can", "blue can", "green can"))),
        ("which of red can, blue can, or green can is the tallest", ("tallest", ("red can", "blue can", "green can"))),
        ("which of the cup and the can is the tallest", ("tallest", ("cup", "can"))),
        ("are there three red cups", ("several", "red cups", 3.0)),
        ("are there 12 red cups", ("several", "red cups", 12.0)),
    ],
)  # fmt: skip
def test_a_text_is_read(text: str, meaning: Meaning) -> None:
    assert MATCHER.match(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "is the cup not left of the can",
        "is the cup never on the can",
        "is the cup 10 cm left of the can",
        "is the cup a meter left of the can",
        "is the cup slightly left of the can",
        "is the cup much left of the can",
        "is the cup or the plate on the can",
        "is the cup and the plate on the can",
        "is the cup on the can and left of the plate",
        "is the cup on the can or left of the plate",
        "is the cup on the can and is the plate red",
        "is it on the can",
        "is on the can",
        "is the on the can",
        "is the cup on",
        "is the cup on the",
        "is the cup on there",
        "which cup is on the can",
        "is every cup on the can",
        "is the cup on the can? is the plate",
        "is the cup on the can seen from the plate",
        "is the cup left of the can from the plate's point of view",
        "how far is the cup from the can than the plate",
        "which of salt and pepper shaker and the cup is tallest",
        "which of the cup is tallest",
        "is the cup within 80 of the can",
        "is the cup within reach of the can",
        'is the cup on the "can',
        "are there cups",
        "are there many red cups",
    ],
)
def test_what_no_pattern_says_is_not_guessed(text: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        MATCHER.match(text)
    assert 3 <= len(caught.value.forms) <= 5


@pytest.mark.parametrize("text", ["", "  ", "?", " .!", '""', ","])
def test_no_words_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(EmptyQuestionError, match="How far"):
        MATCHER.match(text)


SIDES = "is the bottle to the left of the mug to the left of the plate"


def test_two_equal_readings_are_told_and_none_is_chosen() -> None:
    with pytest.raises(AmbiguousQuestionError, match="double quotes") as caught:
        MATCHER.match(SIDES)
    assert len(caught.value.readings) == 2


def test_names_that_are_there_decide_between_equal_readings() -> None:
    assert MATCHER.match(SIDES, known=["the plate", "bottle to the left of the mug"]) == (
        "left",
        "bottle to the left of the mug",
        "plate",
    )
    with pytest.raises(AmbiguousQuestionError):
        MATCHER.match(SIDES, known=["cup"])


def test_quotes_decide_between_equal_readings() -> None:
    assert MATCHER.match('is the "bottle to the left of the mug" to the left of the plate')[1] == "bottle to the left of the mug"
    assert MATCHER.match('is the bottle to the left of "mug to the left of the plate"')[1] == "bottle"


def test_readings_come_best_first_with_their_slots() -> None:
    readings = MATCHER.readings("the distance from the box from ikea to the road to rome")
    assert readings[0].slots == {"a": "box from ikea", "b": "road to rome"}
    assert [reading.rank for reading in readings] == sorted(reading.rank for reading in readings)
    assert readings[0].names == ("box from ikea", "road to rome") and readings[0].literals == 4


def test_a_name_has_at_most_24_tokens() -> None:
    assert MATCHER.match(f"is the {'big ' * 23}cup on the can")[1] == "big " * 23 + "cup"
    with pytest.raises(NotUnderstoodError):
        MATCHER.match(f"is the {'big ' * 24}cup on the can")


def test_a_builder_may_reject_a_reading() -> None:
    def different(slots: object) -> Meaning:
        raise ValueError("no")

    matcher = Matcher([Pattern("{a} near {b}", different, "A near B")])
    with pytest.raises(NotUnderstoodError):
        matcher.match("the cup near the can")


@pytest.mark.parametrize("text", ["is (a|b", "is a) b", "is {a:unknown}", "is {A}", "is {a", "is }"])
def test_a_broken_pattern_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Matcher([pattern("x", text)])


def test_the_nearest_forms_share_words() -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        MATCHER.match("which can is the tallest")
    assert "tallest" in caught.value.forms[0]


def test_a_text_that_is_too_long_is_refused() -> None:
    for text in ("cup " * 121, "x" * 1025, "is " + "the " * 400):
        with pytest.raises(NotUnderstoodError, match="too long"):
            MATCHER.match(text)
        assert MATCHER.readings(text) == []


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        meaning = MATCHER.match(text)
    except QuestionError:
        return
    assert meaning[0] in ("distance", "left", "within", "tallest", "several", "on")


def test_no_text_takes_long() -> None:
    words = ["is", "the", "cup", "and", "to", "from", "left", "of", ",", "which", "on", "how", "far", "a", "distance", "80", "cm"]
    generator = random.Random(1)
    texts = [" ".join(generator.choices(words, k=generator.randint(1, 120))) for _ in range(300)]
    texts += ["the distance from " + "cup to from and " * 28, "which of " + "cup and " * 50 + "cup is tallest"]
    assert max(quickest_s(partial(MATCHER.readings, text), 0.05) for text in texts) < 0.25
