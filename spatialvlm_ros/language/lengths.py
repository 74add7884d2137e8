"""Lengths, angles and counts in text: value in SI, and the interval that the wording stands for.

How precisely a number was said is part of what was said: "1 meter" stands for 0.5 .. 1.5 m, "0.864 m" for 0.8635 .. 0.8645 m.
The rules: a number in digits or words reaches half of its last digit's place to both sides, where zeros at the end of a whole
number are no digits ("90 cm" is 85 .. 95 cm); a fraction reaches half of its denominator's step ("half a meter" is 0.25 ..
0.75 m); a range has its own ends; "± 5 cm" has what it says; "about" widens by half on both sides; "a couple" is 2, said
vaguely. A length above 0 never reaches below 0. A count is exact unless it is hedged. Whole degrees that five divides reach
2.5 degrees at least.

Never changes: a value is never read from part of a number or of a unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .measures import COUNT, ENDS, METRE, RADIAN, Measure, Spoken, interval, read_measure, widened
from .number_words import Token, count_numbers, glued_at, plain_text, read_number, text_at, tokenize, word_set

MAX_CHARS, MAX_NUMBERS = 8_000, 400
EXAMPLES = '"1 m", "80 cm", "half a meter", "2 feet"'

_BEFORE_TOKENS = 9
_ABOUT = (
    r"about|around|roughly|ap?proxi?ma?te?ly|approximate|approx(?: \.)?|appr(?: \.)?|abt(?: \.)?|~|≈|circa|ca(?: \.)?|c \.|"
    r"nearly|almost"
    r"|close to|near|some|maybe|may be|might be|could be|perhaps|probably|likely|possibly|like|presumably"
    r"|(?:just|slightly|only|barely|marginally|a (?:little|bit|touch|hair|tad|little bit)) "
    r"(?:under|over|above|below|beyond|more than|less than|longer than|shorter than|larger than|smaller than|shy of|short of)"
    r"|estimated (?:at|to be|as)|in the (?:region|neighborhood|neighbourhood|vicinity|order|range|ballpark) of|on the order of"
    r"|something like|somewhere|i(?:'d| would) (?:say|guess|estimate)|guess(?:ed)?|estimate|estimation|more or less|seemingly"
)
_ABOUT_BEFORE_RE = re.compile(
    rf"(?:^|(?<=\s))(?:{_ABOUT})(?: (?:at|is|be|it(?:'s| is)|of|to be|would be|between|from|"
    rf"in between))?$"
)
_ABOUT_AFTER_RE = re.compile(
    r"(?:, |\( ?)?(?:(?:or so|or thereabouts|more or less|give or take|- ish|ish|or something)(?= |$)|(?:approximately|"
    r"approx(?: \.)?|roughly)(?= [.,;)]|$))"
)
_TO_WORDS = frozenset({"to", "through", "or", "and"})
_DASHES = frozenset({"-", "–", "—"})
_TO_SIGNS = _DASHES | {"~", "..", "…"}
_SIDES_RE = re.compile(
    r"(?:(?:to|toward|towards|on) (?:the |your |its )?)?(left|right|clockwise|counterclockwise|"
    r"anticlockwise|counter - clockwise)\b"
)
# Words behind which a number without a unit is a value and no name ("can 3").
MEASURE_NOUNS = word_set(
    "distance gap separation height width length depth elevation clearance difference space spacing offset value answer "
    "result size estimate measurement total sum count number interval margin range radius diameter angle tilt bearing "
    "thickness displacement step stretch jump drop rise distence"
)
# "number 3" and "answer 2" are names too.
_BEFORE_VALUE = MEASURE_NOUNS - word_set("number count step size answer result drop jump rise stretch interval") | word_set(
    "is are was were be been being am about around roughly approximately of at by than to least most and or from between "
    "equals equal measures measured measuring reads says say roughly exactly only over under near almost nearly maybe "
    "perhaps probably its it's that's there's up within exceeds above below with into not but see count counted counts "
    "find found detect detected spot have has contains contain shows show exactly precisely just still total identify "
    "observe visible likely all a i'd guess estimated have'd they're we're approx circa for in on gives makes yields becomes "
    "separated approximates"
)


@dataclass(frozen=True)
class Found:
    """A quantity in a text: ``text[start:end]`` says ``quantity``; ``ranged`` when it was said as a range.

    ``first`` .. ``last`` (exclusive) are its tokens and ``factor`` is its unit in SI, for the readers that look at what stands
    around it.
    """

    start: int
    end: int
    quantity: Spoken
    ranged: bool = False
    first: int = 0
    last: int = 0
    factor: float = 1.0


def parse_length(text: str) -> Spoken:
    """The length that a text is, in metres: "1 m", "80 cm", "about two feet". Raises ValueError for anything else."""
    return _parse_only(text, METRE, f"a length with its unit, such as {EXAMPLES}")


def parse_angle(text: str) -> Spoken:
    """The angle that a text is, in radians: "30 degrees", "0.5 rad", "3 o'clock" (a bearing). Raises ValueError otherwise."""
    return _parse_only(text, RADIAN, 'an angle with its unit, such as "30 degrees" or "0.5 rad"')


def parse_count(text: str) -> Spoken:
    """The whole number from 0 up that a text is: "3", "three", "about 20". Raises ValueError for anything else."""
    return _parse_only(text, COUNT, 'a whole number, such as "3" or "three"')


def find_quantities(text: str) -> list[Found]:
    """All lengths and angles in a free text, in their order; numbers without a unit are none. Spans are of ``text`` itself.

    What stands around a quantity ("less than", "not") is not looked at, except what hedges it; see spoken.py for whole answers.

    Raises:
        ValueError: the text has more than MAX_CHARS characters or MAX_NUMBERS numbers.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"the text has {len(text)} characters, more than the {MAX_CHARS} that are read; pass a shorter one")
    plain, sources = plain_text(text)
    tokens = tokenize(plain)
    if count_numbers(tokens) > MAX_NUMBERS:
        raise ValueError(f"the text has {count_numbers(tokens)} numbers, more than the {MAX_NUMBERS} that are read; pass a part")
    return [replace(found, start=sources[found.start], end=sources[found.end - 1] + 1) for found in scan(tokens)[0]]


def scan(tokens: Sequence[Token]) -> tuple[list[Found], list[Measure]]:
    """Quantities, and numbers without a unit, in the order of the text. Spans are of the plain text."""
    found: list[Found] = []
    bare: list[Measure] = []
    index = 0
    while index < len(tokens):
        measure = read_measure(tokens, index) if text_at(tokens, index - 1) != "point" else None
        if measure is None:
            index += 1
            continue
        quantity = _ranged(tokens, measure) or _with_tolerance(tokens, measure)
        if measure.unit and quantity is None and glued_at(tokens, measure.last) and tokens[measure.last].kind == "num":
            index = measure.last + 1  # 5m6m
            continue
        if quantity is None and measure.unit:
            quantity = _found(tokens, measure.spoken(), measure.first, measure.last, measure.factor)
        if quantity is None:
            bare.append(measure)
            index = max(measure.last, index + 1)
            continue
        quantity = _signed(tokens, quantity)
        if is_hedged(tokens, quantity.first, quantity.last):
            quantity = replace(quantity, quantity=widened(quantity.quantity))
        found.append(quantity)
        index = max(quantity.last, index + 1)
    return found, bare


def _found(tokens: Sequence[Token], said: Spoken, first: int, last: int, factor: float, ranged: bool = False) -> Found:
    return Found(tokens[first].start, tokens[last - 1].end, said, ranged, first, last, factor)


# -- ranges and tolerances --------------------------------------------------------------------------------------------


def _ranged(tokens: Sequence[Token], low: Measure) -> Found | None:
    """2 to 3 feet, between 30 cm and 40 cm, 1.2-1.5m, a meter or two."""
    joint, at = text_at(tokens, low.last), low.last + 1
    if joint == "." and text_at(tokens, at) == "." and glued_at(tokens, at):  # 5..6 m
        joint, at = "..", at + 1 + (text_at(tokens, at + 1) == ".")
    if joint not in _TO_WORDS and joint not in _TO_SIGNS:
        return None
    if joint == "and" and "between" not in {text_at(tokens, low.first - back) for back in (1, 2, 3)}:
        return None
    while text_at(tokens, at) in ("about", "maybe", "~", "even", "perhaps", "around"):
        at += 1
    if joint == "and" and "difference" in {text_at(tokens, low.first - back) for back in (2, 3)}:
        return None
    high = read_measure(tokens, at)
    if high is None or text_at(tokens, high.last) == "=":
        return None
    if joint == "or" and not _are_neighbours(low, high):
        return None
    if not low.unit and not (glued_at(tokens, low.last) or _stands_alone(tokens, low.first)):
        return None
    if low.unit and not high.unit:
        if joint != "or" or not (
            text_at(tokens, high.last) in ENDS or text_at(tokens, high.last) in _BEFORE_VALUE | {"away", "apart"}
        ):
            return None
        high = replace(high, unit=low.unit, factor=low.factor)
    if not high.unit or (low.unit and low.unit != high.unit):
        return None
    if not low.unit:
        low = replace(low, unit=high.unit, factor=high.factor)
    ends = sorted((low.number.value * low.factor, high.number.value * high.factor))
    if joint in _DASHES and not glued_at(tokens, low.last) and high.number.value * high.factor < low.number.value * low.factor:
        return None  # 0.9 m - 0.6 m is a subtraction
    vague = low.number.vague or high.number.vague
    said = Spoken(0.5 * (ends[0] + ends[1]), low.unit, ends[0], ends[1])
    return _found(tokens, widened(said) if vague else said, low.first, high.last, high.factor, ranged=True)


def _are_neighbours(low: Measure, high: Measure) -> bool:
    """Two or three, a meter or two: one after the other, of one unit."""
    same_unit = not low.unit or not high.unit or low.factor == high.factor
    return same_unit and high.number.value - low.number.value == 1


def _with_tolerance(tokens: Sequence[Token], measure: Measure) -> Found | None:
    """0.45 m ± 0.02 m, 45 ± 5 cm, 45 cm (±5 cm), 0.5 m ± 10%."""
    at = measure.last
    bracket = text_at(tokens, at) in ("(", ",")
    start = _behind_plus_minus(tokens, at + bracket)
    if start is None:
        return None
    read = read_number(tokens, start)
    if read is not None and text_at(tokens, read[1]) == "%" and measure.unit:
        share, last = read[0].value / 100, read[1] + 1
        half = share * abs(measure.number.value) * measure.factor
    else:
        wide = read_measure(tokens, start)
        if wide is None or not (wide.unit or measure.unit) or (wide.unit and measure.unit and wide.unit != measure.unit):
            return None
        measure = measure if measure.unit else replace(measure, unit=wide.unit, factor=wide.factor)
        half, last = abs(wide.number.value) * (wide.factor if wide.unit else measure.factor), wide.last
    said = measure.spoken()
    last += text_at(tokens, at) == "(" and text_at(tokens, last) == ")"
    return _found(tokens, replace(interval(said.value, said.unit, half), hedged=said.hedged), measure.first, last, measure.factor)


def _behind_plus_minus(tokens: Sequence[Token], index: int) -> int | None:
    here = [text_at(tokens, index + at) for at in range(3)]
    if here[0] == "±":
        return index + 1
    return index + 3 if here in (["+", "/", "-"], ["plus", "or", "minus"], ["give", "or", "take"]) else None


def _signed(tokens: Sequence[Token], found: Found) -> Found:
    """30 degrees to the right is a bearing below 0 (REP 103: positive to the left)."""
    said = found.quantity
    if said.unit != RADIAN or said.value <= 0 or text_at(tokens, found.last - 1) in ("o'clock", "oclock"):
        return found
    match = _SIDES_RE.match(" ".join(text_at(tokens, found.last + at) for at in range(4)))
    if match is None or match[1] not in ("right", "clockwise"):
        return found
    return replace(found, quantity=replace(said, value=-said.value, low=-said.high, high=-said.low))


# -- what stands around a number --------------------------------------------------------------------------------------


def before(tokens: Sequence[Token], index: int, count: int = _BEFORE_TOKENS) -> str:
    """The words before a token, without what hedges the number that begins there ("less than about" -> "less than")."""
    text = " ".join(token.text for token in tokens[max(0, index - count) : index])
    while (match := _ABOUT_BEFORE_RE.search(text)) is not None and match.end() > match.start():
        text = text[: match.start()].rstrip()
    return text


def is_hedged(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Whether "about", "or so" and the like stand around tokens."""
    text = " ".join(token.text for token in tokens[max(0, first - _BEFORE_TOKENS) : first])
    after = " ".join(text_at(tokens, last + at) for at in range(4))
    return _ABOUT_BEFORE_RE.search(text) is not None or _ABOUT_AFTER_RE.match(after) is not None


def _stands_alone(tokens: Sequence[Token], first: int) -> bool:
    """Whether a number without a unit is no name's ("can 3"): what stands before it is a sign, or a word of measuring."""
    if first == 0 or tokens[first - 1].kind == "sym":
        opened = text_at(tokens, first - 1) in ("(", "[")
        return text_at(tokens, first - 1) not in ("#", "_", "@", "/", "^", ")") and not (
            opened and text_at(tokens, first + 1) in (")", "]")
        )
    return text_at(tokens, first - 1) in _BEFORE_VALUE


def stands_alone(tokens: Sequence[Token], number: Measure) -> bool:
    """The same for a number that was found."""
    return _stands_alone(tokens, number.first)


def _parse_only(text: str, unit: str, wanted: str) -> Spoken:
    said = None
    if len(text) <= 256:
        tokens = tokenize(plain_text(text)[0])
        while tokens and tokens[-1].text in (".", "!", "?", ","):
            tokens.pop()
        found, bare = scan(tokens)
        if unit == COUNT:
            found = [_counted(tokens, number) for number in bare if number.number.whole] if not found and len(bare) == 1 else []
        said = found[0] if len(found) == 1 and _is_all(tokens, found[0]) else None
    if said is None or said.quantity.unit != unit or (unit != RADIAN and said.quantity.value < 0):
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise ValueError(f"'{shown}' is not {wanted}")
    return said.quantity


def _is_all(tokens: Sequence[Token], found: Found) -> bool:
    """Whether nothing but hedges stands around the quantity."""
    after = " ".join(token.text for token in tokens[found.last :])
    match = _ABOUT_AFTER_RE.match(after)
    is_side = found.quantity.unit == RADIAN and _SIDES_RE.fullmatch(after) is not None
    opening = before(tokens, found.first, len(tokens))
    if opening and not (found.ranged and opening in ("between", "from")):
        return False
    return not after or is_side or (match is not None and match.end() == len(after))


def _counted(tokens: Sequence[Token], number: Measure) -> Found:
    said = counted(number.number.value, is_hedged(tokens, number.first, number.last), number)
    return _found(tokens, said, number.first, number.last, 1.0)


def counted(value: float, hedged: bool, number: Measure) -> Spoken:
    """A count as it was said: exact, unless it is hedged."""
    if hedged or number.number.vague:
        return interval(value, COUNT, number.number.half_step, hedged=True)
    return Spoken(value, COUNT, math.floor(value), math.floor(value))
