"""Lengths, angles and counts out of text: values, the intervals they stand for, and what is refused."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopwatch import quickest_s

from spatialvlm_ros.language.lengths import (
    MAX_CHARS,
    MAX_NUMBERS,
    find_quantities,
    parse_angle,
    parse_count,
    parse_length,
)
from spatialvlm_ros.language.measures import Spoken

FOOT, INCH = 0.3048, 0.0254


@pytest.mark.parametrize(
    ("text", "value", "low", "high"),
    [
        ("1 meter", 1.0, 0.5, 1.5),
        ("90 cm", 0.9, 0.85, 0.95),
        ("0.864 m", 0.864, 0.8635, 0.8645),
        ("1.50 m", 1.5, 1.495, 1.505),
        ("23 meters", 23.0, 22.5, 23.5),
        ("20 meters", 20.0, 15.0, 25.0),
        ("1,200 mm", 1.2, 1.15, 1.25),
        ("1.5e-1 m", 0.15, 0.145, 0.155),
        ("2 to 3 feet", 2.5 * FOOT, 2 * FOOT, 3 * FOOT),
        ("a meter or two", 1.5, 1.0, 2.0),
        ("45 cm ± 2 cm", 0.45, 0.43, 0.47),
        ("0.5 m ± 10%", 0.5, 0.45, 0.55),
        ("half a meter", 0.5, 0.25, 0.75),
        ("2 1/2 feet", 2.5 * FOOT, 2.25 * FOOT, 2.75 * FOOT),
        ("about 1 m", 1.0, 0.25, 1.75),
        ("about 90 cm", 0.9, 0.825, 0.975),
        ("about 2 to 3 feet", 2.5 * FOOT, 1.75 * FOOT, 3.25 * FOOT),
        ("a couple of meters", 2.0, 1.25, 2.75),
        ("5'10\"", 5 * FOOT + 10 * INCH, 5 * FOOT + 9.5 * INCH, 5 * FOOT + 10.5 * INCH),
        ("0 m", 0.0, -0.5, 0.5),
    ],
)
def test_how_precisely_it_was_said_is_the_interval(text: str, value: float, low: float, high: float) -> None:
    said = parse_length(text)
    assert (said.value, said.low, said.high) == pytest.approx((value, low, high), rel=1e-9, abs=1e-12)
    assert said.unit == "m"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1½ m", 1.5), ("½m", 0.5), ("3⅜\"", 3.375 * INCH), (".5 m", 0.5), ("1e-1 m", 0.1), ("4.5 × 10^-1 m", 0.45),
        ("4.5×10⁻¹ m", 0.45),
        ("twenty five cm", 0.25), ("one hundred and twenty centimeters", 1.2),
        ("two thousand three hundred millimeters", 2.3),
        ("a hundred meters", 100.0), ("a dozen inches", 12 * INCH), ("one point five meters", 1.5),
        ("three quarters of a foot", 0.75 * FOOT),
        ("a meter and a half", 1.5), ("one and a half meters", 1.5), ("an inch and a quarter", 1.25 * INCH),
        ("1-1/2 inches", 1.5 * INCH),
        ("a foot-and-a-half", 1.5 * FOOT), ("5 ft 10 in", 5 * FOOT + 10 * INCH), ("6 feet and 2 inches", 6 * FOOT + 2 * INCH),
        ("5 foot 10", 5 * FOOT + 10 * INCH), ("3 ft. 2.5 in.", 3 * FOOT + 2.5 * INCH), ("5′ 10½″", 5 * FOOT + 10.5 * INCH),
        ("1m20", 1.2),
        ("1 m 20 cm", 1.2), ("one meter fifty", 1.5), ("2 yards", 6 * FOOT), ("1.5 km", 1500.0), ("3 centimetres", 0.03),
        ("０.４５ m", 0.45),
        ("0,45 m", 0.45), ("1,5m", 1.5), ("1 200 mm", 1.2), ("2.5' ", 2.5 * FOOT), ("8''", 8 * INCH),
        ("12-inch", 12 * INCH), ("2-3 ft", 2.5 * FOOT),
        ("0.4m-0.5m", 0.45), ("5..6 m", 5.5), ("between 30 and 40 cm", 0.35), ("90 cm - 1 m", 0.95), ("5'-6'", 5.5 * FOOT),
        ("half-foot", 0.5 * FOOT),
    ],
)  # fmt: skip
def test_all_ways_to_write_a_length_are_read(text: str, value: float) -> None:
    assert parse_length(text).value == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    "text", ["about 2 m", "~2 m", "roughly 2 m", "approx. 2m", "2 m or so", "2ish m", "2 m, give or take", "maybe 2 m"]
)
def test_hedges_are_heard_and_widen(text: str) -> None:
    said = parse_length(text)
    assert said.hedged and (said.low, said.high) == pytest.approx((1.25, 2.75)) and not parse_length("2 m").hedged


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "m", "2", "two", "red can", "1.2.3 m", "1,2,3 m", "12,34,567 m", "l.2 m", "O.45 m", "1'000 m",
        "5 ft 10 cans", "5m6m", "2 m/s",
        "3 m²", "3 m^2", "3 square meters", "3 cm3", "-0.3 m", "2 m and a can", "less than 2 m", "not 2 m", "2 kg",
        "30 degrees", "several meters",
        "zero point forty five meters", "one fifty cm", "1e400 m", "9" * 500 + " m", "3M tape", "3 in the box", "inf m",
        "nan m", "2 m 3 m",
        "x" * 5000, "2 m" * 200,
    ],
)  # fmt: skip
def test_what_is_no_length_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length with its unit, such as") as caught:
        parse_length(text)
    assert text[:50] in str(caught.value) and len(str(caught.value)) < 220


@pytest.mark.parametrize(
    ("text", "degrees", "half"),
    [
        ("30 degrees", 30.0, 5.0), ("45°", 45.0, 2.5), ("33 deg", 33.0, 0.5), ("about 45 degrees", 45.0, 3.75),
        ("a right angle", 90.0, 5.0),
        ("3 o'clock", -90.0, 15.0), ("twelve o'clock", 0.0, 15.0), ("9 o'clock", 90.0, 15.0), ("6 o'clock", 180.0, 15.0),
        ("30 degrees to the left", 30.0, 5.0), ("30 degrees to the right", -30.0, 5.0), ("90 degrees clockwise", -90.0, 5.0),
        ("5°30'", 5.5, 1 / 120),
    ],
)  # fmt: skip
def test_angles_are_read_in_radians(text: str, degrees: float, half: float) -> None:
    said = parse_angle(text)
    assert math.degrees(said.value) == pytest.approx(degrees, abs=1e-9) and said.unit == "rad"
    assert math.degrees(said.high - said.low) == pytest.approx(2 * half, rel=1e-6) or said.value == 0


def test_radians_and_pi_are_read() -> None:
    assert parse_angle("0.5 rad").value == 0.5
    assert parse_angle("π/4 radians").value == pytest.approx(math.pi / 4)
    assert parse_angle("3pi/4 rad").value == pytest.approx(0.75 * math.pi)


@pytest.mark.parametrize("text", ["30 degrees Celsius", "20 °C", "13 o'clock", "30", "2 m"])
def test_what_is_no_angle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an angle"):
        parse_angle(text)


def test_counts_are_exact_unless_hedged() -> None:
    assert parse_count("three") == Spoken(3.0, "count", 3.0, 3.0)
    assert parse_count("20") == Spoken(20.0, "count", 20.0, 20.0)
    assert parse_count("about 20") == Spoken(20.0, "count", 12.5, 27.5, hedged=True)


@pytest.mark.parametrize("text", ["2.5", "-3", "3 m", "half", "3 4", "third", ""])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        parse_count(text)


def test_quantities_are_found_with_their_spans() -> None:
    text = "Mug: about 1½ m away; the can’s 5’10” from “it”, at 30°."
    found = find_quantities(text)
    assert [text[item.start : item.end] for item in found] == ["1½ m", "5’10”", "30°"]
    assert [item.quantity.unit for item in found] == ["m", "m", "rad"]
    assert [item.quantity.hedged for item in found] == [True, False, False]


@pytest.mark.parametrize(
    "text",
    ["can 3 and mug 1", "#3", "block_2", "the 7UP can", "3 in the box", "The word '3' m", '"10"', "USB 3.0", "1:30", "2 liters"],
)
def test_numbers_of_names_are_no_quantities(text: str) -> None:
    assert find_quantities(text) == []


def test_marks_of_quotations_are_no_inches() -> None:
    assert [item.quantity.value for item in find_quantities('The 12" ruler is 6" away')] == pytest.approx([12 * INCH, 6 * INCH])
    assert find_quantities('He said "10" and left') == []


def test_too_long_a_text_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match=str(MAX_CHARS + 1)):
        find_quantities("x" * (MAX_CHARS + 1))
    with pytest.raises(ValueError, match=str(MAX_NUMBERS + 1)):
        find_quantities("1 m " * (MAX_NUMBERS + 1))


def test_agreement_asks_whether_the_precise_one_lies_in_the_coarse_one() -> None:
    about, fine, other = parse_length("3 feet"), parse_length("0.9 m"), parse_length("1.2 m")
    assert about.agrees(fine) and fine.agrees(about)
    assert not about.agrees(other) and not about.agrees(parse_angle("0.9 rad"))


@given(
    st.text(max_size=120)
    | st.from_regex(r"([0-9]{0,3}[ .,/'\"½-]{0,2}(m|cm|feet|and|a|half|two|hundred|to|about|-|x)? ?){1,9}", fullmatch=True)
)
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_length_or_a_value_error(text: str) -> None:
    for item in find_quantities(text):
        assert 0 <= item.start < item.end <= len(text)
        said = item.quantity
        assert math.isfinite(said.value) and said.low - 1e-12 <= said.value <= said.high + 1e-12
    try:
        said = parse_length(text)
    except ValueError:
        return
    assert said.unit == "m" and said.value >= 0


@given(
    st.floats(1e-3, 1e4),
    st.sampled_from([("m", 1.0), ("cm", 0.01), ("mm", 1e-3), ("feet", FOOT), ("inches", INCH)]),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_in_digits_is_read_back(value: float, unit: tuple[str, float], decimals: int) -> None:
    text = f"{value:.{decimals}f} {unit[0]}"
    assert parse_length(text).value == pytest.approx(float(f"{value:.{decimals}f}") * unit[1], rel=1e-9)


@pytest.mark.parametrize(
    "piece", ["1 m ", "1-", "'", "5'10\" ", "and ", "one hundred ", "½", "1/", "about ", "between 1 and ", " ", "1.", "π/"]
)
def test_long_texts_are_read_at_once(piece: str) -> None:
    text = (piece * MAX_CHARS)[:MAX_CHARS]

    def read() -> None:
        try:
            find_quantities(text)
        except ValueError as error:
            assert re.search("numbers, more than", str(error))

    assert quickest_s(read, 0.5) < 1.0  # 0.1 s as a rule
