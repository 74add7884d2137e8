"""Text to tokens, and tokens to numbers: digits, fractions, number words, and how precisely each was said.

Everything that reads numbers out of text goes through here, so that "1½", "one and a half" and "1.5" are read by one reader.
Never changes: a number that is written in a broken way ("1.2.3", "l.2") is no number; a part of it is never taken for it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Vulgar fractions get a space before them, because NFKC would turn 1½ into 11/2.
_FRACTION_SIGNS = {char: unicodedata.normalize("NFKC", char).replace("\u2044", "/") for char in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅒"}
_SIGNS = {
    "\u2044": "/", "\u2019": "'", "\u2018": "'", "\u2032": "'", "\u201c": '"', "\u201d": '"', "\u2033": '"',
    "\u00ba": "\u00b0", "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u02da": "\u00b0", "\u223c": "~",
    "\u2248": "≈", "\u00b5": "u", "\u22c5": "×",
}  # fmt: skip
_SUPERSCRIPTS = {"⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9", "⁻": "-"}
_TOKEN_RE = re.compile(
    r"(?P<num>[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]{1,3}(?![0-9]))?|(?<![\w.])\.[0-9]+)"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<sym>\S)"
)
_JOINED_PART_RE = re.compile(r"-and-(?:a|one|two|three)-(?:half|thirds?|quarters?)\b", re.I)
_ABBREVIATIONS = frozenset({"approx", "appr", "abt", "ca", "c", "est"})


def word_set(words: str) -> frozenset[str]:
    """The words of a text, for tables that are long."""
    return frozenset(words.split())


def _numbered(words: str, step: int = 1, first: int = 0) -> dict[str, int]:
    return {word: step * value for value, word in enumerate(words.split()) if value >= first}


_ONES = _numbered(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _numbered("zero ten twenty thirty forty fifty sixty seventy eighty ninety", 10, 2) | {"fourty": 40}
_CARDINALS = _ONES.keys() | _TENS.keys()
_SCALES = {"hundred": 100, "thousand": 1000, "dozen": 12}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10,
    "hundredth": 100, "hundredths": 100,
}  # fmt: skip
NUMBER_WORDS = _CARDINALS | _SCALES.keys() | {"half", "a"}
_MIDST = _CARDINALS | _SCALES.keys() | {"point", "oh"}
# Ordinals alone ("the third can") are no numbers; these parts may stand without "a" or "one" before them.
_LONE_PARTS = frozenset({"half", "quarter"})
COUPLE = "couple"


@dataclass(frozen=True)
class Token:
    """A number, a word or a sign. ``text`` is in lower case; ``start`` and ``end`` count characters of the plain text."""

    kind: str
    text: str
    raw: str
    start: int
    end: int
    glued: bool  # nothing stands between it and the token before


@dataclass(frozen=True)
class Number:
    """A number and half of the step in which it was said: 90 -> 5, 0.864 -> 0.0005, one half -> 0.25."""

    value: float
    half_step: float
    vague: bool = False
    fraction: bool = False

    @property
    def whole(self) -> bool:
        return self.value == math.floor(self.value) and not self.fraction and self.half_step >= 0.5


def plain_text(text: str) -> tuple[str, Sequence[int]]:
    """The text with one sign for each meaning (NFKC, straight quotes, 1/2 for ½), and for each character where it came from."""
    if text.isascii():
        return _JOINED_PART_RE.sub(lambda match: match[0].replace("-", " "), text), range(len(text))
    out: list[str] = []
    sources: list[int] = []
    for index, char in enumerate(text):
        if char in _FRACTION_SIGNS:
            piece = " " + _FRACTION_SIGNS[char]
        elif char in _SUPERSCRIPTS:
            piece = ("" if out and text[index - 1] in _SUPERSCRIPTS else "^") + _SUPERSCRIPTS[char]
        else:
            piece = _SIGNS.get(char) or unicodedata.normalize("NFKC", char)
            piece = char if len(piece) > 4 else "".join(_SIGNS.get(part, part) for part in piece)
        out.extend(piece)
        sources.extend([index] * len(piece))
    return _JOINED_PART_RE.sub(lambda match: match[0].replace("-", " "), "".join(out)), sources


def tokenize(text: str) -> list[Token]:
    """Tokens of a plain text, in linear time."""
    tokens: list[Token] = []
    end = -1
    for match in _TOKEN_RE.finditer(text):
        kind = match.lastgroup or "sym"
        tokens.append(Token(kind, match[0].lower(), match[0], match.start(), match.end(), match.start() == end))
        end = match.end()
    return tokens


def count_numbers(tokens: Sequence[Token]) -> int:
    """How many numbers and number words there are, before any is read."""
    return sum(token.kind == "num" or (token.text in NUMBER_WORDS and token.text != "a") for token in tokens)


def text_at(tokens: Sequence[Token], index: int) -> str:
    """The token's text, "" beyond either end."""
    return tokens[index].text if 0 <= index < len(tokens) else ""


def glued_at(tokens: Sequence[Token], index: int) -> bool:
    return 0 <= index < len(tokens) and tokens[index].glued


def literal(text: str) -> Number | None:
    """A number in digits: "1,200" is 1200, "0,45" is 0.45; None for what is written in a broken way.

    A comma before exactly three digits separates thousands, as in English, unless the part before it is 0.
    """
    mantissa, _, exponent = text.lower().partition("e")
    if "," in mantissa:
        if re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?", mantissa):
            mantissa = mantissa.replace(",", "")
        elif re.fullmatch(r"[0-9]+,[0-9]+", mantissa):
            mantissa = mantissa.replace(",", ".")
        else:
            return None
    if mantissa.count(".") > 1 or len(mantissa) > 40:
        return None
    value = float(f"{mantissa}e{exponent or 0}")
    if not value < 1e12:
        return None
    whole, _, decimals = mantissa.partition(".")
    digits = whole.rstrip("0")
    place = -len(decimals) if decimals else (len(whole) - len(digits) if digits else 0)
    return Number(value, 0.5 * 10.0 ** min(max(place + int(exponent or 0), -300), 300))


def is_attached(tokens: Sequence[Token], index: int) -> bool:
    """Whether a number belongs to what is glued before it, as in "block_2", "#3", "A4", "can-2" or the broken "l.2"."""
    if index == 0 or not tokens[index].glued:
        return False
    before = tokens[index - 1]
    if before.kind == "word" or before.text in ("_", "#", "@", "&", "^"):
        return True
    if before.text == "-" and before.glued:
        is_range = index >= 3 and tokens[index - 2].glued and tokens[index - 3].kind == "num"  # 0.4m-0.5m
        return tokens[index - 2].kind == "word" and tokens[index - 2].text not in _ONES and not is_range
    if before.text == "." and before.glued:
        return tokens[index - 2].kind == "word" and tokens[index - 2].text not in _ABBREVIATIONS
    if before.text == "'" and before.glued and len(tokens[index].raw) > 2:
        return tokens[index - 2].kind == "num"  # 1'000
    if before.text == ".":
        return text_at(tokens, index - 2) != "."  # 5..6 is a range
    if before.text == ":":
        return before.glued and tokens[index - 2].kind == "num"  # 00:45
    return before.kind == "num"


def read_number(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """The number that begins at a token, and the index behind it. Without sign. None where none begins, or a broken one."""
    if index >= len(tokens):
        return None
    if tokens[index].kind == "num":
        return None if is_attached(tokens, index) else _digits(tokens, index)
    if tokens[index].text in ("π", "pi"):
        return _times_pi(Number(1.0, 0.0), tokens, index)
    if tokens[index].kind == "word":
        return _words(tokens, index)
    return None


def _digits(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    number = literal(tokens[index].raw)
    if number is None:
        return None
    end = index + 1
    if (grouped := _grouped(tokens, index)) is not None:
        return grouped
    if (part := _slash(tokens, index)) is not None:
        return part
    # 2 1/2 and 2-1/2
    start = end + (text_at(tokens, end) == "-" and glued_at(tokens, end) and glued_at(tokens, end + 1))
    if number.whole and start < len(tokens) and tokens[start].kind == "num" and (part := _slash(tokens, start)) is not None:
        return (Number(number.value + part[0].value, part[0].half_step, fraction=True), part[1]) if part[0].value < 1 else None
    if text_at(tokens, end) in ("×", "x", "*") and text_at(tokens, end + 1) == "10" and text_at(tokens, end + 2) == "^":
        return _power(number, tokens, end + 3)
    if text_at(tokens, end) in ("π", "pi"):
        return _times_pi(number, tokens, end)
    if text_at(tokens, end) in _SCALES and not glued_at(tokens, end):
        scale = _SCALES[text_at(tokens, end)]
        number, end = Number(number.value * scale, number.half_step * scale), end + 1
    return _and_part(number, tokens, end)


def _grouped(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """1 200 000 with spaces between the thousands, at the beginning of a text or behind a word that no number belongs to."""
    end, text = index + 1, tokens[index].raw
    while end < len(tokens) and not tokens[end].glued and re.fullmatch(r"[0-9]{3}(?:\.[0-9]+)?", tokens[end].raw):
        text, end = text + tokens[end].raw, end + 1
    if end == index + 1 or not re.fullmatch(r"[1-9][0-9]{0,2}", tokens[index].raw):
        return None
    if index and text_at(tokens, index - 1) not in (
        "is",
        "of",
        "about",
        ":",
        "=",
        "~",
        "≈",
        "approximately",
        "roughly",
        "around",
    ):
        return None
    number = literal(text)
    return None if number is None else (number, end)


def _slash(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """3/4, written without spaces."""
    if text_at(tokens, index + 1) != "/" or not glued_at(tokens, index + 1) or not glued_at(tokens, index + 2):
        return None
    top, bottom = tokens[index].raw, tokens[index + 2].raw
    if not re.fullmatch(r"[0-9]{1,3}", top) or not re.fullmatch(r"[1-9][0-9]{0,2}", bottom):
        return None
    return Number(int(top) / int(bottom), 0.5 / int(bottom), fraction=True), index + 3


def _power(number: Number, tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """Behind "4.5 × 10^": the exponent."""
    negative = text_at(tokens, index) == "-"
    exponent = text_at(tokens, index + negative)
    if not re.fullmatch(r"[0-9]{1,2}", exponent):
        return None
    power = -int(exponent) if negative else int(exponent)
    scaled = literal(f"{number.value!r}e{power}")
    return None if scaled is None else (Number(scaled.value, number.half_step * 10.0**power), index + negative + 1)


def _times_pi(number: Number, tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """2π, π/4, 3pi/4. Half of the step is one hundredth, since a fraction of π is said for a fraction of a turn."""
    end, bottom = index + 1, 1
    if text_at(tokens, end) == "/" and re.fullmatch(r"[1-9][0-9]?", text_at(tokens, end + 1)):
        bottom, end = int(text_at(tokens, end + 1)), end + 2
    return Number(number.value * math.pi / bottom, 0.01, fraction=True), end


def _skip_hyphen(tokens: Sequence[Token], index: int) -> int:
    return index + 1 if text_at(tokens, index) == "-" and glued_at(tokens, index) and glued_at(tokens, index + 1) else index


def _words(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    word, start = tokens[index].text, index
    if text_at(tokens, index - 1) in _MIDST and tokens[index].kind == "word" and (word in _CARDINALS or word in _SCALES):
        return None  # the middle of a number that could not be read from its beginning
    article = word in ("a", "an")
    if article:
        start = index + 1
    first = text_at(tokens, start)
    if first == COUPLE:
        end = start + 1 + (text_at(tokens, start + 1) == "of")
        return Number(2.0, 0.5, vague=True), end
    if article and first in _SCALES:
        return _cardinal(tokens, start, 1, start)
    if first in _PARTS and (article or first in _LONE_PARTS):
        return Number(1 / _PARTS[first], 0.5 / _PARTS[first], fraction=True), start + 1
    if article:
        return None
    if first == "point" and text_at(tokens, start + 1) in _ONES:
        return _decimals(0, tokens, start)
    if first in _ONES or first in _TENS:
        return _cardinal(tokens, start, 0, start)
    return None


def _cardinal(tokens: Sequence[Token], index: int, given: int, start: int) -> tuple[Number, int] | None:
    """Number words from zero to 999 999, then "point five", "and a half" or a part ("three quarters")."""
    total, group, end = 0, given, index
    room = 1000 if not given else 100  # what the next word must stay below: after "twenty" only a one fits, after "two" nothing
    while True:
        at = _skip_hyphen(tokens, end) if end > start else end
        if end > start and text_at(tokens, at) == "and" and room > 10 and text_at(tokens, at + 1) in _CARDINALS:
            at += 1
        word = text_at(tokens, at)
        if word in _ONES and _ONES[word] < room:
            group, room = group + _ONES[word], 0
        elif word in _TENS and room >= 100:
            group, room = group + _TENS[word], 10
        elif word == "hundred" and 0 < group < 10 and room < 1000:
            group, room = group * 100, 100
        elif word == "thousand" and 0 < group < 1000 and not total:
            total, group, room = group * 1000, 0, 1000
        elif word == "dozen" and 0 < group < 100 and not total:
            return Number(group * 12.0, 0.5), at + 1
        else:
            break
        end = at + 1
    value = total + group
    if text_at(tokens, end) == "point" and text_at(tokens, end + 1) in _ONES:
        return _decimals(value, tokens, end)
    at = _skip_hyphen(tokens, end)
    if text_at(tokens, at) in _PARTS and 0 < value < 20:
        bottom = _PARTS[text_at(tokens, at)]
        return Number(value / bottom, 0.5 / bottom, fraction=True), at + 1
    number = literal(str(value))
    return None if number is None else _and_part(number, tokens, end)


def _decimals(whole: int, tokens: Sequence[Token], index: int) -> tuple[Number, int]:
    """Behind "point": one digit a word."""
    digits, end = "", index + 1
    while text_at(tokens, end) in _ONES and _ONES[text_at(tokens, end)] < 10 and len(digits) < 9:
        digits += str(_ONES[text_at(tokens, end)])
        end += 1
    if not digits:  # "one point twelve" is read digit by digit by nobody
        digits, end = str(_ONES[text_at(tokens, end)]), end + 1
    return Number(float(f"{whole}.{digits}"), 0.5 * 10.0 ** -len(digits)), end


def _and_part(number: Number, tokens: Sequence[Token], index: int) -> tuple[Number, int]:
    """Adds what follows a whole number in "two and a half"."""
    if text_at(tokens, index) in ("and", "&") and number.whole and (part := read_part(tokens, index + 1)) is not None:
        return Number(number.value + part[0].value, part[0].half_step, number.vague, fraction=True), part[1]
    return number, index


def read_part(tokens: Sequence[Token], index: int) -> tuple[Number, int] | None:
    """A fraction below 1 and the index behind it: "a half", "half", "three quarters", "1/2"."""
    if index < len(tokens) and tokens[index].kind == "num":
        found = _slash(tokens, index)
    elif text_at(tokens, index) in ("a", "one", "two", "three", "half"):
        found = _words(tokens, index)
    else:
        found = None
    return found if found is not None and found[0].fraction and found[0].value < 1 else None
