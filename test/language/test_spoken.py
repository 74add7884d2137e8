"""Free answers of models: the committed list, the rules one by one, choices and sides, and any text at all."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import quickest_s

from spatialvlm_ros.evaluation.free_answers import score_free_answers
from spatialvlm_ros.language.lengths import MAX_CHARS
from spatialvlm_ros.language.spoken import Outcome, parse_answer, parse_choice, parse_side

ENTRIES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "free_answers.yaml").read_text(encoding="utf-8"))
CAN_AND_MUG = ("the red can", "the mug")
LEFT_RIGHT = ("left", "right")


def test_the_list_is_large_and_covers_every_outcome() -> None:
    assert len(ENTRIES) >= 320 and sum(entry.get("nasty", False) for entry in ENTRIES) >= 60
    assert len({(entry["text"], entry.get("asked")) for entry in ENTRIES}) == len(ENTRIES)
    outcomes = Counter(entry["outcome"] for entry in ENTRIES)
    assert all(outcomes[outcome.value] >= 15 for outcome in Outcome)


def test_free_answers_are_read_right_and_none_is_wrong_in_silence() -> None:
    score = score_free_answers(ENTRIES)
    assert score.silently_wrong == 0, score.failures
    assert score.share_right >= 0.98, score.failures


# -- the rules --------------------------------------------------------------------------------------------------------


def test_a_value_comes_with_how_precisely_it_was_said() -> None:
    said = parse_answer("It is about 3 feet (0.9 m).").quantity
    assert said is not None and (said.value, said.low, said.high, said.unit) == pytest.approx((0.9, 0.85, 0.95, "m"))
    said = parse_answer("I'm not sure, maybe 2 m").quantity
    assert said is not None and said.hedged


def test_a_number_without_a_unit_needs_the_unit_that_was_asked_for() -> None:
    nothing = parse_answer("0.45")
    assert nothing.outcome is Outcome.NOTHING and "no unit" in nothing.reason
    for unit, value in (("m", 0.45), ("meters", 0.45), ("cm", 0.0045), ("ft", 0.45 * 0.3048), ("CM", 0.0045)):
        said = parse_answer("0.45", unit=unit).quantity
        assert said is not None and said.value == pytest.approx(value) and said.unit == "m"


def test_a_unit_that_is_not_known_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unit 'cubit' is not known; known are count, .*meters"):
        parse_answer("3", unit="cubit")


def test_what_was_not_asked_for_is_not_looked_at() -> None:
    text = "There are 3 cans, 0.5 m apart at 30 degrees."
    assert [parse_answer(text, unit=unit).quantity.value for unit in ("m", "rad", "count")] == pytest.approx(  # type: ignore[union-attr]
        [0.5, math.pi / 6, 3.0]
    )
    assert parse_answer(text).outcome is Outcome.SEVERAL


def test_every_answer_without_a_value_says_why() -> None:
    for entry in ENTRIES:
        answer = parse_answer(entry["text"], unit=entry.get("asked"))
        assert (answer.quantity is not None) or answer.reason or answer.outcome in (Outcome.YES, Outcome.NO), entry
        assert answer.outcome is not Outcome.VALUE or answer.quantity is not None
        assert answer.quantity is None or answer.outcome in (Outcome.VALUE, Outcome.YES, Outcome.NO)


def test_a_wide_range_is_no_value_and_a_narrow_one_is_its_middle() -> None:
    narrow = parse_answer("between 1 and 4 m").quantity
    assert narrow is not None and (narrow.value, narrow.low, narrow.high) == (2.5, 1.0, 4.0)
    assert parse_answer("between 1 and 4.1 m").outcome is Outcome.SEVERAL


@pytest.mark.parametrize(
    "marked", ["\\boxed{45 cm}", "#### 45 cm", "Final answer: 45 cm", "<answer>45 cm</answer>", "So the gap is about 45 cm."]
)
def test_a_mark_of_the_final_answer_outweighs_what_is_before(marked: str) -> None:
    said = parse_answer(f"The can is 12 cm tall. The mug is 10 cm tall. {marked}").quantity
    assert said is not None and said.value == pytest.approx(0.45)


@given(
    st.floats(0.01, 99.0),
    st.sampled_from(["{v} m", "The gap is {v} m.", '{{"distance": {v}, "unit": "m"}}', "**{v}** m", "${v}\\ \\text{{m}}$"]),
)
@settings(max_examples=80, deadline=None)
def test_wrappings_do_not_change_the_value(value: float, form: str) -> None:
    said = parse_answer(form.format(v=f"{value:.3f}")).quantity
    assert said is not None and said.value == pytest.approx(float(f"{value:.3f}"))


# -- choices and sides ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("The mug.", 1), ("red can", 0), ("**Mug**", 1), ("It's the mug, not the red can.", 1),
        ("the mug rather than the red can", 1),
        ("The answer is the red can", 0), ("The mug is taller.", 1), ("the first one", 0), ("the latter", 1), ("red", 0),
        ("the can", 0),
        ("\\boxed{mug}", 1), ("Both", None), ("neither", None), ("They are the same.", None), ("not the mug", None),
        ("The mug isn't.", None),
        ("the mug or the red can", None), ("I can't tell, maybe the mug", None),
        ("The mug and the red can are equally tall.", None),
        ("The blue plate", None), ("smug", None), ("", None), ("The mug is taller than the red can.", None),
        ("too close to call", None),
    ],
)  # fmt: skip
def test_the_chosen_name_is_found_or_none(text: str, index: int | None) -> None:
    assert parse_choice(text, CAN_AND_MUG) == index


def test_a_comparison_chooses_only_by_the_word_that_was_asked_for() -> None:
    text = "The mug is clearly taller than the red can."
    assert parse_choice(text, CAN_AND_MUG, asked="taller") == 1
    assert parse_choice(text, CAN_AND_MUG, asked="shorter") is None
    assert parse_choice("The mug is not taller than the red can.", CAN_AND_MUG, asked="taller") is None


def test_the_longer_name_is_taken_first() -> None:
    assert parse_choice("the red can", ("can", "red can")) == 1
    assert parse_choice("the can", ("can", "red can")) == 0
    assert parse_choice("the red one", ("red block", "blue block")) == 0
    assert parse_choice("the block", ("red block", "blue block")) is None


@pytest.mark.parametrize("names", [(), ("mug",), ("mug", "the mug"), ("mug", " ")])
def test_names_that_cannot_be_told_apart_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="two or more different names"):
        parse_choice("mug", names)


@pytest.mark.parametrize(
    ("text", "sides", "index"),
    [
        ("left", LEFT_RIGHT, 0), ("It is on the right.", LEFT_RIGHT, 1), ("Right.", LEFT_RIGHT, 1),
        ("not left but right", LEFT_RIGHT, 1),
        ("to the left, not the right", LEFT_RIGHT, 0), ("It's to the left, that's right.", LEFT_RIGHT, 0),
        ("left or right", LEFT_RIGHT, None),
        ("both", LEFT_RIGHT, None), ("isn't left", LEFT_RIGHT, None), ("hard to say, left maybe", LEFT_RIGHT, None),
        ("the red one", LEFT_RIGHT, None),
        ("It is higher.", ("above", "below"), 0), ("underneath it", ("above", "below"), 1),
        ("in front", ("behind", "in front"), 1),
        ("taller", ("tall", "short"), 0), ("narrower", ("wide", "thin"), 1), ("it's the larger one", ("big", "small"), 0),
        ("", LEFT_RIGHT, None),
    ],
)  # fmt: skip
def test_the_said_side_is_found_or_none(text: str, sides: tuple[str, str], index: int | None) -> None:
    assert parse_side(text, sides) == index


@pytest.mark.parametrize("sides", [("left", "Left"), ("", "right")])
def test_sides_that_are_one_are_refused(sides: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="two different sides"):
        parse_side("left", sides)


# -- any text at all --------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    ["1", "0.5", "m", "cm", "feet", '"', "'", "and", "a", "half", "not", "no", "yes", "{", "}", "[", "\\boxed{", "<answer>",
     "answer is", "about", "less than", "to", "-", "±", "I can't", "½", "**", "$", "\\frac{1}{2}", "twenty", "point", "=", "+",
     "x", "%", "\n", "o'clock", "same", "null"]
)  # fmt: skip
_TEXTS = st.text(max_size=200) | st.lists(_WORDS, max_size=25).map(" ".join) | st.lists(_WORDS, max_size=15).map("".join)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["answer", "unit", "distance_m", "value", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_TEXTS | _JSON.map(json.dumps), st.sampled_from([None, "m", "cm", "rad", "count"]))
@settings(max_examples=500, deadline=None)
def test_any_text_gives_an_answer(text: str, unit: str | None) -> None:
    answer = parse_answer(text, unit=unit)
    assert (answer.quantity is not None) or answer.outcome is not Outcome.VALUE
    if answer.quantity is not None:
        said = answer.quantity
        assert all(map(math.isfinite, (said.value, said.low, said.high))) and said.low - 1e-9 <= said.value <= said.high + 1e-9
        assert unit is None or said.unit == {"m": "m", "cm": "m", "rad": "rad", "count": "count"}[unit]
    assert parse_choice(text, CAN_AND_MUG) in (None, 0, 1) and parse_side(text, LEFT_RIGHT) in (None, 0, 1)


@pytest.mark.parametrize(
    "piece",
    ["1 m ", "{", "[1,", '{"a":', "\\boxed{", "yes. ", "equal ", "cannot ", "<think>", "a ", " ", "^ ", "½", "~~a", "no "],
)
def test_long_answers_are_read_at_once(piece: str) -> None:
    text = (piece * MAX_CHARS)[:MAX_CHARS]

    def read() -> None:
        parse_answer(text)
        parse_answer(text, unit="m")

    assert quickest_s(read, 1.0) < 2.0  # 0.2 s as a rule


def test_answers_beyond_all_size_say_so() -> None:
    assert "50001 characters" in parse_answer("x" * 50_001).reason
