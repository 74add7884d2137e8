"""Units, and a number with its unit: "1.5 m", "half a foot", 5'10", "3 o'clock". The token level under lengths.py.

Never changes: what cannot be read whole is not read in part ("1.2.3 m", "5 ft 10 cans", "2 m/s", "3 m²" are no lengths).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .number_words import Number, Token, glued_at, read_number, read_part, text_at, word_set

METRE, RADIAN, COUNT = "m", "rad", "count"
WIDENED_BY_ABOUT = 1.5

_FOOT_M, _INCH_M, _DEGREE = 0.3048, 0.0254, math.pi / 180
_WORDS = (
    (METRE, 1.0, "m meter meters metre metres mtr mtrs meteres metters metter metr metrs"),
    (
        METRE,
        0.01,
        "cm cms centimeter centimeters centimetre centimetres centimters centimter centimetrs centimeteres centemeters",
    ),
    (METRE, 0.001, "mm mms millimeter millimeters millimetre millimetres milimeters milimeter millimters"),
    (METRE, 0.1, "dm decimeter decimeters decimetre decimetres"),
    (METRE, 1000.0, "km kms kilometer kilometers kilometre kilometres"),
    (METRE, _FOOT_M, "ft feet foot feets fts"),
    (METRE, _INCH_M, "in inch inches inchs ins inche"),
    (METRE, 3 * _FOOT_M, "yd yds yard yards"),
    (METRE, 5280 * _FOOT_M, "mi mile miles"),
    (RADIAN, _DEGREE, "deg degs degree degrees ° degress"),
    (RADIAN, 1.0, "rad rads radian radians"),
)
UNITS = {word: (kind, factor) for kind, factor, words in _WORDS for word in words.split()}
_SPELLED = frozenset(word for word in UNITS if len(word) > 3 and not word.endswith("s")) | {"foot", "inch"}
# "in" is an inch only where no place follows: "3 in." and "3 in from it" are inches, "3 in the box" is not.
_AFTER_INCH = word_set(
    "from away apart tall wide high long deep thick across or to above below behind left right closer farther further is "
    "and taller shorter wider higher lower off between than"
)
_POWERS = frozenset({"squared", "cubed", "2", "3"})
_TEMPERATURES = frozenset({"celsius", "fahrenheit", "c", "f", "kelvin", "centigrade"})
_SMALLER = {_FOOT_M: (_INCH_M, 12), 1.0: (0.01, 100), 3 * _FOOT_M: (_FOOT_M, 3)}
LINE_END = "¶"  # stands for a line's end where lines matter
ENDS = frozenset({"", ".", ",", ";", ":", "!", "?", ")", "]", "}", '"', "'", "|", LINE_END})
_AFTER_SHORT = ENDS | {"tall", "away", "high", "wide", "long", "from", "apart"}
_BEFORE_UNIT = frozenset({"square", "cubic", "sq", "cu"})


@dataclass(frozen=True)
class Spoken:
    """What was said: ``value`` in SI (``unit`` "m", "rad" or "count") within ``low`` .. ``high``; ``hedged`` for "about"."""

    value: float
    unit: str
    low: float
    high: float
    hedged: bool = False

    def agrees(self, other: Spoken) -> bool:
        """Whether both can be one quantity: the value of the more precise lies in what the other stands for."""
        precise, coarse = sorted((self, other), key=lambda said: said.high - said.low)
        slack = 1e-9 * (1 + abs(coarse.value))
        return self.unit == other.unit and coarse.low - slack <= precise.value <= coarse.high + slack


@dataclass(frozen=True)
class Measure:
    """A number with its unit, or without (""), as tokens ``first`` .. ``last`` (exclusive). Value and half step are in SI."""

    number: Number
    unit: str
    factor: float
    first: int
    last: int

    def spoken(self) -> Spoken:
        half = self.number.half_step
        if self.unit == RADIAN and self.factor == _DEGREE and self.number.whole and self.number.value % 5 == 0:
            half = max(half, 2.5)  # degrees are said in fives
        return interval(self.number.value * self.factor, self.unit or COUNT, half * self.factor, self.number.vague)


def interval(value: float, unit: str, half: float, hedged: bool = False) -> Spoken:
    """Spoken from a value and half of its step; hedging widens."""
    half *= WIDENED_BY_ABOUT if hedged else 1.0
    low, high = value - half, value + half
    return Spoken(value, unit, max(low, 0.0) if value > 0 else low, min(high, 0.0) if value < 0 else high, hedged)


def widened(said: Spoken) -> Spoken:
    """The same with "about" before it; it widens once."""
    if said.hedged:
        return said
    more = (WIDENED_BY_ABOUT - 1) / 2 * (said.high - said.low)
    low, high = said.low - more, said.high + more
    return replace(
        said, low=max(low, 0.0) if said.value > 0 else low, high=min(high, 0.0) if said.value < 0 else high, hedged=True
    )


# -- units ------------------------------------------------------------------------------------------------------------


def _read_unit(tokens: Sequence[Token], index: int, whole: bool) -> tuple[str, float, int] | None:
    """Kind, factor and the index behind the unit that begins at a token; None where there is none that can be trusted."""
    token = tokens[index] if index < len(tokens) else None
    if token is None or token.text in _BEFORE_UNIT:
        return None
    if token.text in ("'", '"'):
        return _read_mark(tokens, index)
    known = UNITS.get(token.text) or _misspelled(token.text)
    if known is None:
        return None
    kind, factor = known
    after, end = text_at(tokens, index + 1), index + 1
    if token.text == "in" and not (
        after in ENDS or after in _AFTER_INCH or after in ("(", "-", "–", "x", "×", "±", "/", "=", "+")
    ):
        return None
    # "3M" is a name, "0.5 M" a length, and in a text all in capitals M is m.
    if token.raw == "M" and any(other.raw.islower() for other in tokens) and (token.glued or whole):
        return None
    if kind == RADIAN and after in _TEMPERATURES:
        return None
    if after in ("^", "²", "³") or (after in _POWERS and (tokens[end].glued or tokens[end].kind == "word")):
        return None
    if (
        after == "/"
        and index + 2 < len(tokens)
        and tokens[index + 2].kind == "word"
        and text_at(tokens, index + 2) not in ("a", "an")
    ):
        return None  # m/s; "1 m/3 ft" goes on with a number
    if after == "per":
        return None
    return kind, factor, end


def _misspelled(word: str) -> tuple[str, float] | None:
    """Centimeters in any of their wrong spellings; "centimes" are none."""
    for stem, factor in (("centim", 0.01), ("millim", 0.001)):
        if word.startswith(stem) and 8 <= len(word) <= 14 and "t" in word[6:]:
            return METRE, factor
    return None


def _read_mark(tokens: Sequence[Token], index: int) -> tuple[str, float, int] | None:
    """Foot and inch marks; a mark that closes a quotation is none."""
    mark = tokens[index].text
    if not tokens[index].glued or _is_quoted(tokens, index):
        return None
    if glued_at(tokens, index + 1) and tokens[index + 1].kind == "num" and len(tokens[index + 1].raw.partition(".")[0]) > 2:
        return None  # 1'000
    if mark == "'" and text_at(tokens, index + 1) == "'" and tokens[index + 1].glued:
        return METRE, _INCH_M, index + 2
    return METRE, _FOOT_M if mark == "'" else _INCH_M, index + 1


def _is_quoted(tokens: Sequence[Token], index: int) -> bool:
    """Whether a quotation of the same mark was opened up to 40 tokens before and is still open."""
    mark, is_open = tokens[index].text, False
    for at in range(max(0, index - 40), index):
        if tokens[at].text != mark:
            continue
        opens = (not tokens[at].glued or text_at(tokens, at - 1) in ("(", "[", "{", ":", ",", "=")) and glued_at(tokens, at + 1)
        is_open = opens if not is_open else False
    return is_open


# -- a number with its unit -------------------------------------------------------------------------------------------


def read_measure(tokens: Sequence[Token], index: int) -> Measure | None:
    """The number, with unit if one follows, that begins at a token; a sign glued to it is part of it."""
    start, sign = index, 1.0
    if text_at(tokens, index) in ("-", "minus", "negative"):
        if text_at(tokens, index) == "-" and (glued_at(tokens, index + 1) is False or _is_joint(tokens, index)):
            return None
        index, sign = index + 1, -1.0
    if text_at(tokens, index) in ("a", "an") and text_at(tokens, index + 1) in _SPELLED:
        number, end = Number(1.0, 0.5), index + 1
    elif (clock := _read_clock(tokens, index)) is not None:
        return clock
    elif (right := _read_right_angle(tokens, index)) is not None:
        return right
    elif (read := read_number(tokens, index)) is not None:
        number, end = read
    else:
        return None
    hedged, end = _read_ish(tokens, end)
    number = replace(number, value=sign * number.value, vague=number.vague or hedged)
    at = _unit_index(tokens, end, number)
    unit = None if at is None else _read_unit(tokens, at, number.whole)
    if unit is None:
        return Measure(number, "", 1.0, start, end)
    kind, factor, end = unit
    if text_at(tokens, end) == "and" and number.whole and (part := read_part(tokens, end + 1)) is not None:
        after, follows = text_at(tokens, part[1]), text_at(tokens, part[1] + 1)
        if after == "of" and follows in ("the", "that", "its", "this"):
            return Measure(number, "", 1.0, start, end)  # a meter and a half of something: of two lengths, one is not known
        is_length = _read_unit(tokens, part[1], whole=False) is not None or (after == "of" and follows in ("a", "an", "one"))
        if not is_length and after not in ("a", "an"):  # a meter and a half; "a meter and half a foot" is not this
            number, end = replace(number, value=number.value + sign * part[0].value, half_step=part[0].half_step), part[1]
    return _smaller_unit(tokens, Measure(number, kind, factor, start, end))


def _is_joint(tokens: Sequence[Token], index: int) -> bool:
    """Whether a hyphen joins what is before it: a word, a number or its unit."""
    return (
        index > 0
        and (tokens[index].glued or tokens[index - 1].kind == "num")
        and text_at(tokens, index - 1) not in ("(", "[", "=", ":", ",", "|")
    )


def _read_ish(tokens: Sequence[Token], index: int) -> tuple[bool, int]:
    at = index + (text_at(tokens, index) == "-" and glued_at(tokens, index))
    return (True, at + 1) if text_at(tokens, at) == "ish" and glued_at(tokens, at) else (False, index)


def _unit_index(tokens: Sequence[Token], index: int, number: Number) -> int | None:
    """Where the unit of a number may stand: behind "of a" for fractions, behind a hyphen that is glued to both sides."""
    if number.fraction or number.vague:
        index += text_at(tokens, index) == "of" and text_at(tokens, index + 1) in ("a", "an", "one")
        index += text_at(tokens, index) in ("a", "an", "one") and text_at(tokens, index + 1) in _SPELLED
    if text_at(tokens, index) == "-":
        return index + 1 if glued_at(tokens, index) and glued_at(tokens, index + 1) else None
    return index


def _read_clock(tokens: Sequence[Token], index: int) -> Measure | None:
    """A bearing by the clock: 12 is straight away, positive to the left (REP 103), in (-pi, pi]; half an hour both ways."""
    if text_at(tokens, index + 1) not in ("o'clock", "oclock"):
        return None
    read = read_number(tokens, index)
    if read is None or not (read[0].whole and 1 <= read[0].value <= 12):
        return None
    hours = int(read[0].value) % 12
    hours = hours - 12 if hours > 6 else hours
    value = 180.0 if hours == 6 else float(-30 * hours)
    return Measure(Number(value + 0.0, 15.0), RADIAN, _DEGREE, index, index + 2)


def _read_right_angle(tokens: Sequence[Token], index: int) -> Measure | None:
    if [text_at(tokens, index + at) for at in range(3)] != ["a", "right", "angle"]:
        return None
    return Measure(Number(90.0, 5.0), RADIAN, _DEGREE, index, index + 3)


def _smaller_unit(tokens: Sequence[Token], measure: Measure) -> Measure:
    """6 feet 2 inches, 5'10", 1 m 20 cm, 5 foot 10, 1m20, 5°30': the smaller unit's part is added."""
    at, bigger = measure.last, measure.factor
    if measure.unit == RADIAN and bigger == _DEGREE:
        return _minutes(tokens, measure)
    if not measure.number.whole or bigger not in _SMALLER:
        return measure
    smaller, limit = _SMALLER[bigger]
    if (
        text_at(tokens, at) == "."
        and text_at(tokens, at - 1) in ("ft", "yd")
        and at + 1 < len(tokens)
        and tokens[at + 1].kind == "num"
    ):
        at += 1  # 3 ft. 2 in.
    comma = text_at(tokens, at) == "," and bigger != 1.0
    joined = comma or text_at(tokens, at) == "and"
    number = None if text_at(tokens, at + joined) in ("a", "an") else read_number(tokens, at + joined)
    if number is None and at < len(tokens) and tokens[at].kind == "num" and tokens[at].glued:
        number = _glued_number(tokens, at)
    if number is None:
        return measure
    index = _unit_index(tokens, number[1], number[0])
    unit = None if index is None else _read_unit(tokens, index, number[0].whole)
    fits = 0 <= number[0].value < limit
    if fits and unit is not None and unit[:2] == (METRE, smaller):
        end = unit[2]
    elif unit is not None or joined:
        return measure
    elif fits and text_at(tokens, number[1]) in _AFTER_SHORT and (bigger != 1.0 or number[0].value >= 10):
        end = number[1]
    else:
        return replace(measure, unit="", factor=1.0, last=at - 1)  # a number stands where none makes sense: broken
    ratio = smaller / bigger
    total = replace(
        measure.number,
        value=measure.number.value + math.copysign(number[0].value * ratio, measure.number.value),
        half_step=min(number[0].half_step, 0.5 if number[0].whole else 1.0) * ratio,
        fraction=True,
    )
    return replace(measure, number=total, last=end)


def _glued_number(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """The 20 of 1m20: digits alone."""
    if not re.fullmatch(r"[0-9]{1,2}", tokens[index].raw):
        return None
    return Number(float(tokens[index].raw), 0.5), index + 1


def _minutes(tokens: Sequence[Token], measure: Measure) -> Measure:
    at = measure.last
    if (
        at + 1 < len(tokens)
        and re.fullmatch(r"[0-5]?[0-9]", tokens[at].raw)
        and tokens[at + 1].text == "'"
        and tokens[at + 1].glued
    ):
        value = measure.number.value + math.copysign(float(tokens[at].raw) / 60, measure.number.value)
        return replace(measure, number=Number(value, 0.5 / 60, measure.number.vague, fraction=True), last=at + 2)
    return measure
