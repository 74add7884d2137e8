"""Numbers as people say them: every phrase of the tree over a dense grid, its probabilities, and that it is read back."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.language.lengths import parse_angle, parse_count, parse_length
from spatialvlm_ros.language.rounding import (
    IMPERIAL_SHARE,
    MAX_RELATIVE_ERROR,
    TREE,
    Phrase,
    angle_phrases,
    exact_length,
    human_angle,
    human_count,
    human_length,
    length_at,
    length_phrases,
)

GRID_M = [float(value) for value in np.geomspace(1e-3, 100.0, 1501)]
BEYOND_M = [1e-6, 2e-4, 150.0, 999.9, 1000.0, 25_000.0]


def imperial(phrases: tuple[Phrase, ...]) -> float:
    return sum(phrase.probability for phrase in phrases if re.search(r"\b(?:foot|feet|inch|inches)\b", phrase.text))


def probabilities(value_m: float) -> dict[str, float]:
    return {phrase.text: phrase.probability for phrase in length_phrases(value_m)}


def test_the_tree_gives_feet_and_inches_their_share_at_every_length() -> None:
    for value in GRID_M + BEYOND_M:
        phrases = length_phrases(value)
        assert sum(phrase.probability for phrase in phrases) == pytest.approx(1.0, abs=1e-12)
        assert imperial(phrases) == pytest.approx(IMPERIAL_SHARE, abs=1e-12), value
        assert all(phrase.probability > 0 for phrase in phrases)


def test_shares_give_each_phrase_its_probability() -> None:
    shares = (np.arange(20_000) + 0.5) / 20_000
    for value in (0.0007, 0.034, 0.23, 0.86, 1.9, 7.2, 320.0, 4200.0):
        counts = Counter(length_at(value, share) for share in shares)
        wanted = probabilities(value)
        assert set(counts) == set(wanted)
        assert all(counts[text] / 20_000 == pytest.approx(share, abs=1e-3) for text, share in wanted.items())


def test_the_limits_of_the_tree_grow_and_end_at_infinity() -> None:
    limits = [limit for limit, _ in TREE]
    assert limits == sorted(set(limits)) and math.isinf(limits[-1])


def test_every_phrase_is_read_back_to_its_own_value() -> None:
    for value in GRID_M + BEYOND_M:
        for phrase in length_phrases(value):
            assert parse_length(phrase.text).value == pytest.approx(phrase.value_m, rel=1e-9), phrase


def test_the_interval_that_a_phrase_stands_for_holds_the_length() -> None:
    for value in GRID_M + BEYOND_M:
        for phrase in length_phrases(value):
            said = parse_length(phrase.text)
            assert said.low - 1e-12 <= value <= said.high + 1e-12, (value, phrase, said)


def test_what_is_said_is_wrong_by_a_third_at_most() -> None:
    errors = [abs(phrase.value_m - value) / value for value in GRID_M + BEYOND_M for phrase in length_phrases(value)]
    assert 0.3 < max(errors) <= MAX_RELATIVE_ERROR + 1e-9


def test_no_phrase_has_more_than_two_significant_digits() -> None:
    for value in GRID_M + BEYOND_M:
        for phrase in length_phrases(value):
            for digits in re.findall(r"[0-9.]+", phrase.text):
                assert len(digits.replace(".", "").strip("0")) <= 2, phrase


def test_86_centimeters_are_mostly_1_meter() -> None:
    said = probabilities(0.86)
    assert said["1 meter"] == pytest.approx(0.75)
    assert {"90 cm", "3 feet", "about 0.8 meters"} < set(said)


def test_23_meters_are_mostly_20_meters() -> None:
    assert probabilities(23.0)["20 meters"] >= 0.7


@pytest.mark.parametrize(
    ("value_m", "text"),
    [
        (0.5, "half a meter"), (1.45, "a meter and a half"), (0.45, "a foot and a half"), (0.0508, "2 inches"), (0.3, "30 cm"),
        (0.013, "half an inch"), (2.6, "2 and a half meters"), (0.004, "4 millimeters"), (0.0254, "1 inch"), (4.6, "15 feet"),
    ],
)  # fmt: skip
def test_lengths_are_said_as_people_do(value_m: float, text: str) -> None:
    assert text in probabilities(value_m)


def test_drawing_follows_the_probabilities() -> None:
    generator, number = np.random.default_rng(3), 4000
    drawn = Counter(human_length(0.86, generator) for _ in range(number))
    assert set(drawn) <= set(probabilities(0.86))
    for text, probability in probabilities(0.86).items():
        assert drawn[text] / number == pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / number))


def test_a_seed_draws_the_same_phrases_again() -> None:
    draws = [[human_length(value, generator) for value in GRID_M[::100]] for generator in map(np.random.default_rng, (5, 5))]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("value", [0.0, -0.0, -1.5, math.nan, math.inf, -math.inf])
def test_what_is_no_length_above_0_is_refused_with_its_value(value: float) -> None:
    for refuse in (length_phrases, lambda value: human_length(value, np.random.default_rng(0))):
        with pytest.raises(ValueError, match=re.escape(str(value))):
            refuse(value)


def test_the_exact_mode_says_millimeters_and_the_deviation() -> None:
    assert exact_length(0.8642) == "0.864 m"
    assert exact_length(0.8642, 0.0123) == "0.864 m ± 0.012 m"
    assert exact_length(-0.0001) == "0.000 m" and exact_length(-0.25) == "-0.250 m"
    assert parse_length(exact_length(0.8642, 0.0123)).low == pytest.approx(0.852)


@pytest.mark.parametrize(("value", "std"), [(math.nan, None), (math.inf, None), (1.0, -0.1), (1.0, math.nan), (1.0, math.inf)])
def test_the_exact_mode_refuses_what_is_no_number(value: float, std: float | None) -> None:
    with pytest.raises(ValueError, match="must be a finite number of metres"):
        exact_length(value, std)


# -- angles and counts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bearing", [False, True])
def test_every_angle_is_read_back_and_held(bearing: bool) -> None:
    for value in map(float, np.linspace(-math.pi if bearing else 0.0, math.pi, 1201)):
        phrases = angle_phrases(value, bearing=bearing)
        assert sum(phrase.probability for phrase in phrases) == pytest.approx(1.0)
        for phrase in phrases:
            said = parse_angle(phrase.text)
            assert said.value == pytest.approx(phrase.value_m, abs=1e-9), phrase
            turns = [value + turn * math.tau for turn in (-1, 0, 1)]
            assert any(said.low - 1e-9 <= turned <= said.high + 1e-9 for turned in turns), (value, phrase, said)


def test_bearings_are_said_by_the_clock_or_with_their_side() -> None:
    right = {phrase.text for phrase in angle_phrases(-math.pi / 2, bearing=True)}
    assert right == {"3 o'clock", "about 90 degrees to the right", "90 degrees to the right"}
    assert "12 o'clock" in {phrase.text for phrase in angle_phrases(0.05, bearing=True)}
    assert "6 o'clock" in {phrase.text for phrase in angle_phrases(-math.pi, bearing=True)}


def test_angles_are_said_in_tens_fives_and_ones() -> None:
    assert {phrase.text for phrase in angle_phrases(math.radians(33))} == {"about 30 degrees", "about 35 degrees", "33 degrees"}
    assert human_angle(math.radians(33), np.random.default_rng(1)) in {"about 30 degrees", "about 35 degrees", "33 degrees"}


@pytest.mark.parametrize(("value", "bearing"), [(-0.1, False), (3.2, False), (-3.2, True), (math.nan, True), (math.inf, False)])
def test_angles_beyond_a_half_turn_are_refused(value: float, bearing: bool) -> None:
    with pytest.raises(ValueError, match=re.escape(str(value))):
        angle_phrases(value, bearing=bearing)


@given(st.integers(1, 10_000), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_counts_are_read_back(count: int, seed: int) -> None:
    text = human_count(count, np.random.default_rng(seed))
    assert parse_count(text).value == count and (count < 13 or text == str(count))


def test_counts_are_said_in_words_and_in_digits() -> None:
    generator = np.random.default_rng(0)
    assert {human_count(3, generator) for _ in range(60)} == {"three", "3"}
    assert {human_count(0, generator) for _ in range(60)} == {"no", "0"}


@pytest.mark.parametrize("count", [-1, 2.5, True])
def test_what_is_no_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=re.escape(str(count))):
        human_count(count, np.random.default_rng(0))
