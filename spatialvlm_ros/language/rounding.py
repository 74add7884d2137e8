"""Numbers as people say them: "1 meter" for 0.86 m, "20 meters" for 23 m, "half a meter", "2 feet", never 60.13 centimeters.

A decision tree whose probabilities stand below as data; each leaf is a way of saying a length. Never changes: the probabilities
of all phrases sum to 1, those of feet and inches to 0.20 at every length; a phrase has at most two significant digits; lengths.py
reads every phrase back to its ``value_m``, with an interval that holds the length it was made from; and what is said is wrong by
at most MAX_RELATIVE_ERROR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

IMPERIAL_SHARE = 0.20
# The worst are 1.5 of a unit said as "1" or "2" of it, and 0.75 m said as "1 meter".
MAX_RELATIVE_ERROR = 1 / 3

_FOOT_M, _INCH_M = 0.3048, 0.0254

# The tree: up to which length (m), and then with which probability each leaf. Leaves are named in _LEAVES below.
# Metric leaves of a row sum to 0.80, imperial ones (feet and inches) to 0.20.
TREE: tuple[tuple[float, Mapping[str, float]], ...] = (
    (0.0015, {"mm_one": 0.80, "inch_one": 0.20}),
    (0.01, {"mm_one": 0.60, "mm_two": 0.05, "cm_one": 0.15, "inch_part": 0.15, "inch_one": 0.05}),
    (0.1, {"cm_one": 0.65, "mm_two": 0.10, "cm_two": 0.05, "inch_part": 0.15, "inch_one": 0.05}),
    (0.4, {"cm_one": 0.55, "cm_two": 0.20, "m_two": 0.05, "inch_whole": 0.14, "foot_part": 0.06}),
    (0.75, {"m_part": 0.40, "cm_one": 0.25, "cm_two": 0.10, "m_two": 0.05, "foot_part": 0.15, "inch_whole": 0.05}),
    (1.25, {"m_one": 0.75, "cm_one": 0.02, "m_two": 0.01, "m_floor": 0.02, "foot_one": 0.15, "foot_part": 0.05}),
    (3.0, {"m_part": 0.60, "m_one": 0.10, "m_two": 0.10, "foot_one": 0.14, "foot_part": 0.06}),
    (10.0, {"m_one": 0.70, "m_two": 0.10, "foot_whole": 0.15, "foot_one": 0.05}),
    (1000.0, {"m_one": 0.75, "m_two": 0.05, "foot_one": 0.15, "foot_two": 0.05}),
    (math.inf, {"km_one": 0.60, "km_two": 0.20, "foot_one": 0.15, "foot_two": 0.05}),
)


@dataclass(frozen=True)
class Phrase:
    """One way to say a length, how probable it is, and the length that it says (m)."""

    text: str
    probability: float
    value_m: float


@dataclass(frozen=True)
class _Unit:
    meters: float
    one: str
    many: str
    article: str = "a"
    short: str = ""


_M, _CM = _Unit(1.0, "meter", "meters", short="m"), _Unit(0.01, "centimeter", "centimeters", short="cm")
_MM, _KM = _Unit(0.001, "millimeter", "millimeters", short="mm"), _Unit(1000.0, "kilometer", "kilometers", short="km")
_FOOT, _INCH = _Unit(_FOOT_M, "foot", "feet"), _Unit(_INCH_M, "inch", "inches", "an")

# Leaf -> unit, and how: significant digits, "whole" for whole units, "part" for half ones in words, "floor" for tenths rounded
# down, which are said with "about".
_LEAVES: Mapping[str, tuple[_Unit, str]] = {
    "m_one": (_M, "1"), "m_two": (_M, "2"), "m_part": (_M, "part"), "m_floor": (_M, "floor"), "cm_one": (_CM, "1"),
    "cm_two": (_CM, "2"), "mm_one": (_MM, "1"), "mm_two": (_MM, "2"), "km_one": (_KM, "1"), "km_two": (_KM, "2"),
    "foot_one": (_FOOT, "1"), "foot_two": (_FOOT, "2"), "foot_part": (_FOOT, "part"), "foot_whole": (_FOOT, "whole"),
    "inch_one": (_INCH, "1"), "inch_whole": (_INCH, "whole"), "inch_part": (_INCH, "part"),
}  # fmt: skip
_PART_WORDS = (
    (0.25, "a quarter of {a} {one}"), (0.5, "half {a} {one}"), (0.75, "three quarters of {a} {one}"), (1.0, "1 {one}"),
    (1.5, "{a} {one} and a half"),
)  # fmt: skip


def length_phrases(value_m: float) -> tuple[Phrase, ...]:
    """All phrases that a length may be said in, the likeliest first; the probabilities sum to 1.

    Raises:
        ValueError: the length is not a number above 0.
    """
    _check_positive(value_m, "length")
    leaves = next(row for limit, row in TREE if value_m < limit)
    merged: dict[str, tuple[float, float]] = {}
    for leaf, probability in leaves.items():
        text, said_m = _say(value_m, *_LEAVES[leaf])
        merged[text] = (merged.get(text, (0.0, 0.0))[0] + probability, said_m)
    phrases = (Phrase(text, probability, said_m) for text, (probability, said_m) in merged.items())
    return tuple(sorted(phrases, key=lambda phrase: -phrase.probability))


def human_length(value_m: float, generator: np.random.Generator) -> str:
    """A length in metres as a person would say it, drawn from ``length_phrases``. Raises ValueError as that does."""
    return _drawn(length_phrases(value_m), generator).text


def length_at(value_m: float, share: float) -> str:
    """The phrase for a length at ``share`` in [0, 1) of all of their probability, without working out the other ones.

    A uniformly drawn share gives each phrase its probability. Raises ValueError as ``length_phrases`` does.
    """
    _check_positive(value_m, "length")
    leaves = next(row for limit, row in TREE if value_m < limit)
    *others, leaf = leaves
    for name in others:
        share -= leaves[name]
        if share < 0:
            leaf = name
            break
    return _say(value_m, *_LEAVES[leaf])[0]


def exact_length(value_m: float, std_m: float | None = None) -> str:
    """A length in metres to the millimetre, with its standard deviation if given: "0.864 m", "0.864 m ± 0.012 m".

    Raises:
        ValueError: a value that is not finite, or a standard deviation below 0.
    """
    if not math.isfinite(value_m):
        raise ValueError(f"a length must be a finite number of metres, got {value_m}")
    text = f"{value_m:.3f} m" if round(value_m, 3) else "0.000 m"
    if std_m is None:
        return text
    if not std_m >= 0 or math.isinf(std_m):
        raise ValueError(f"a standard deviation must be a finite number of metres from 0 up, got {std_m}")
    return f"{text} ± {std_m:.3f} m"


def angle_phrases(value_rad: float, *, bearing: bool = False) -> tuple[Phrase, ...]:
    """All phrases for an angle, ``value_m`` being radians.

    Args:
        value_rad: within [0, pi]; a bearing within [-pi, pi], 0 straight away and positive to the left (REP 103).
        bearing: say it by the clock (12 o'clock is straight away) or with its side.

    Raises:
        ValueError: an angle outside of these.
    """
    lowest = -math.pi if bearing else 0.0
    if not lowest - 1e-9 <= value_rad <= math.pi + 1e-9:
        raise ValueError(f"{'a bearing' if bearing else 'an angle'} must be within {lowest:.4g} .. pi rad, got {value_rad}")
    degrees = math.degrees(value_rad)
    steps = {5.0: 0.35, 1.0: 0.15} if bearing else {10.0: 0.4, 5.0: 0.45, 1.0: 0.15}
    merged: dict[str, tuple[float, float]] = {}
    for step, probability in steps.items():
        said = _degrees_said(degrees, step)
        said = 180.0 if said == -180 else said
        text = f"{abs(said):.0f} degree{'s' * (abs(said) != 1)}"
        text = f"about {text}" if step > 1 else text
        if bearing and said and abs(said) != 180:
            text += " to the left" if said > 0 else " to the right"
        merged[text] = (merged.get(text, (0.0, 0.0))[0] + probability, math.radians(said))
    if bearing:
        hour = round(-degrees / 30) % 12
        said = 180.0 if hour == 6 else -30.0 * (hour - 12 if hour > 6 else hour) + 0.0
        merged[f"{hour or 12} o'clock"] = (0.5, math.radians(said))
    return tuple(Phrase(text, probability, said) for text, (probability, said) in merged.items())


def human_angle(value_rad: float, generator: np.random.Generator, *, bearing: bool = False) -> str:
    """An angle in radians as a person would say it; see ``angle_phrases``."""
    return _drawn(angle_phrases(value_rad, bearing=bearing), generator).text


_COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def human_count(count: int, generator: np.random.Generator) -> str:
    """A count in words up to twelve ("three", "no" for 0), or in digits with probability 0.3; always in digits from 13 up.

    Raises:
        ValueError: a count below 0, or no whole number.
    """
    if isinstance(count, bool) or count != int(count) or count < 0:
        raise ValueError(f"a count must be a whole number from 0 up, got {count}")
    in_words = generator.random() >= 0.3
    return _COUNT_WORDS[int(count)] if in_words and count < len(_COUNT_WORDS) else str(int(count))


# -- saying one length in one way -------------------------------------------------------------------------------------


def _say(value_m: float, unit: _Unit, how: str) -> tuple[str, float]:
    amount = value_m / unit.meters
    if how == "part":
        return _in_parts(amount, unit)
    if how == "whole":
        return _digits(amount, unit, 1 if amount < 9.5 else 2)
    if how == "floor":
        return _floored(amount, unit)
    if how == "1" and 0.75 <= amount < 1:
        amount = 1.0  # no one says "0.9 meters" who rounds to whole ones
    return _digits(amount, unit, int(how))


def _digits(amount: float, unit: _Unit, digits: int) -> tuple[str, float]:
    """Rounded to so many significant digits; from one whole unit up, to whole or tenth units."""
    exact = Decimal(amount)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), rounding=ROUND_HALF_EVEN)
    text = f"{rounded.normalize():f}"  # normal: 1.0 is said "1", which stands for more
    return _named(text, unit)


def _named(number: str, unit: _Unit) -> tuple[str, float]:
    name = unit.one if number == "1" else unit.short if unit.short and unit is not _M and len(number) > 1 else unit.many
    return f"{number} {name}", float(Decimal(number) * Decimal(str(unit.meters)))


def _in_parts(amount: float, unit: _Unit) -> tuple[str, float]:
    """Half units in words: "half a meter", "a foot and a half", "2 and a half feet"; quarters below a whole one."""
    if amount < 0.1875:
        return _digits(amount, unit, 1)
    if amount < 1.75:
        nearest, words = min(_PART_WORDS, key=lambda part: abs(part[0] - amount))
        return words.format(a=unit.article, one=unit.one), float(Decimal(str(nearest)) * Decimal(str(unit.meters)))
    halves = round(2 * amount)
    if halves % 2 and halves < 20:
        return f"{halves // 2} and a half {unit.many}", float(Decimal(halves) / 2 * Decimal(str(unit.meters)))
    return _digits(amount, unit, 1 if amount < 9.5 else 2)


def _floored(amount: float, unit: _Unit) -> tuple[str, float]:
    """Tenths rounded down where that is near enough for "about" (three quarters of a step), to the nearest tenth elsewhere."""
    tenths = math.floor(amount * 10 + 1e-9)
    if 0.02 < amount * 10 - tenths < 0.7:
        text, said_m = _named(f"{Decimal(tenths).scaleb(-1).normalize():f}", unit)
        return f"about {text}", said_m
    return _digits(amount, unit, 1 if amount < 1 else 2)


def _degrees_said(degrees: float, step: float) -> float:
    """To the nearest step; near 0 to fives at most, since "0 degrees" is not said of 4."""
    step = min(step, 5.0) if abs(degrees) < step / 2 else step
    return round(degrees / step) * step + 0.0


def _check_positive(value: float, what: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a {what} that is said as people do must be a finite number of metres above 0, got {value}")


def _drawn(phrases: tuple[Phrase, ...], generator: np.random.Generator) -> Phrase:
    ends = np.cumsum([phrase.probability for phrase in phrases])
    return phrases[min(int(np.searchsorted(ends, generator.random() * ends[-1], side="right")), len(phrases) - 1)]
