"""What a quantity in a sentence is there for: the answer, a bound, something denied, a premise, an operand, part of a name.

A model that is asked for one distance says many lengths. Only those that the sentence asserts may be taken for its answer.
Never changes: in doubt a quantity is not asserted; the roles only ever take candidates away.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .lengths import MEASURE_NOUNS, Found, before, counted, is_hedged, stands_alone
from .measures import COUNT, ENDS, LINE_END, UNITS, Measure, Spoken, interval, read_measure, widened
from .number_words import NUMBER_WORDS, Token, glued_at, text_at, word_set


class Role(Enum):
    """What a quantity is there for. Only ASSERTED ones are answers."""

    ASSERTED = auto()
    BOUND = auto()  # less than 10 cm
    DENIED = auto()  # not 2 m
    PREMISE = auto()  # assuming a can of 12 cm
    OPERAND = auto()  # 3 * 11 cm, twice the 10 cm
    TOLERANCE = auto()  # an error of about 5 cm
    NAME = auto()  # the 12-inch ruler
    LISTED = auto()  # 10 x 20 cm, a range that is too wide for one value


@dataclass(frozen=True)
class Mention:
    """A quantity with its role."""

    found: Found
    role: Role

    @property
    def said(self) -> Spoken:
        return self.found.quantity


WIDEST_RANGE = 4.0  # a range whose ends differ by more stands for no one value

_MORE = (
    "less|more|greater|smaller|larger|shorter|longer|closer|farther|further|higher|lower|taller|wider|bigger|fewer|nearer|"
    "thinner|narrower"
)
_BOUND_BEFORE_RE = re.compile(
    rf"(?:^|(?<=\s))(?:(?:{_MORE}) than(?: or equal to)?(?: or about)?|(?:at )?(?:the )?(?:least|most)|under|over|above|"
    rf"below|beyond|past"
    r"|exceed(?:s|ing|ed)?|up to|within|(?:a )?(?:min(?:imum)?|max(?:imum)?)(?: \.)?(?: (?:of|is|:))?|upwards? of|as (?:much|"
    r"little|far|close|many|few) as"
    r"|not even|inside(?: of)?|(?:doesn't|not|n't) (?:reach|quite reach)|<|>|≤|≥|[<>] =|north of|south of|limited to|no)$"
)
_BOUND_AFTER_RE = re.compile(
    rf"(?:(?:or|and) (?:{_MORE}|above|below|up|beyond|over|under)\b|(?:at|as a) (?:the )?(?:very )?(?:most|least|"
    rf"max(?:imum)?|min(?:imum)?)\b|max(?:imum)?\b|"
    r"min(?:imum)?\b|tops\b|plus(?= [.,;)]|$)|\+(?! ?(?:[\d.]|an?\b|one))|\( (?:max|min|at most|at least))"
)
_FALSE_DENIALS_RE = re.compile(
    r"\bnot (?:sure|certain|clear|entirely|only|visible|too|very|far|exact)\b|\b(?:no|"
    r"without a?) ?doubt\b|\bno wait\b"
)
_DENIED_RE = re.compile(
    r"\bnot\b|n't\b|\bnever\b|\bcannot\b|\bnor\b|\bneither\b|\bwithout\b|\bhardly\b|\brather than\b|\binstead of\b|"
    r"\bnowhere near\b|\bunlikely\b|"
    r"\bdoubt|\bimpossible\b|\bfar from$|\bwrong\b|\bfalse\b|\bas opposed to\b|\bunlike\b|\bunable\b|\bwhether\b|\bignor"
)
_ANYTHING_BUT_RE = re.compile(r"\b(?:anything|everything|nothing|all) (?:but|except)$")
_COMPARED_RE = re.compile(rf"(?:{_MORE}) than|(?:short|shy) of")
_EXAMPLE_RE = re.compile(r"(?:e \. ?g(?: \.)?|for example|for instance|example|such as|format)(?: [,:(])*$")
_PREMISE_RE = re.compile(
    r"\b(?:assum\w*|if|suppos\w*|typical\w*|usual\w*|standard|normal\w*|reference|first thought|i thought|initially|at first|"
    r"earlier|originally|"
    r"asked|question|used to|would have been|should have been|imagine|given that|known|for example|e \. g|such as|"
    r"previous(?:ly)?|versus|compared (?:to|with))\b"
)
_OPERAND_RE = re.compile(
    r"\b(?:twice|thrice|double|triple|times|multipl\w*|divided|half the|half of|half that|thirds? of|quarters? of|"
    r"fraction of|percent of|"
    r"a third the|a quarter the|squared?|square root)\b|% of\b"
)
_OPERAND_AFTER_RE = re.compile(r"(?:times|multiplied|divided|minus|added|subtracted|squared|cubed|\* |÷|square|\( ?[x×] ?\d)")
_QUESTION_RE = re.compile(
    r"(?:(?:and|or|so|but|well|ok|okay) (?:, )?)?(?:is|are|was|were|does|do|did|would|could|can|should|will|might|may|has|have|"
    r"isn't|aren't|doesn't|don't|what|how|which|where|why|when)\b"
)
_NEEDED_RE = re.compile(r"\b(?:needs?|needed|ought|supposed|required) to be$")
_ASIDE_RE = re.compile(r"(?:^|, )which (?:is|are|was|measures|has|stands|sits|looks)\b")
_ASIDE_END_RE = re.compile(
    r"(?:\w+ ){0,3}, (?:is|are|was|stands|sits|lies|rests|hangs|measures|would|should|must|looks|seems|appears|has)\b"
)
_TOLERANCE_RE = re.compile(
    r"\b(?:errors?|margin|tolerance|accura\w+|uncertain\w*|precision|deviation|std|sigma|resolution|plus or minus|"
    r"give or take|confidence|confident(?! that\b))\b"
)
_ERROR_IS_RE = re.compile(
    r"\b(?:error|margin|tolerance|accuracy|uncertainty|precision|deviation|std|sigma|"
    r"resolution)(?: [:=(≈])+$"
)
_CLAUSE_END = word_set(f". ; : ! ? , {LINE_END} but however so though although therefore thus hence — because | →")
_SENTENCE_END = frozenset({".", ";", "!", "?", LINE_END})
_DIMENSIONS = word_set("wide tall long high deep thick")
# What may follow a quantity that is no name's: "30 cm away", "a gap of 10 cm between". Anything else after "the 10 cm" is a noun.
_AFTER_VALUE = (
    MEASURE_NOUNS
    | _DIMENSIONS
    | word_set(
        "away apart from to across above below over under behind in left right closer farther further off between of and or is "
        "are was "
        "at on by more less than with beyond beneath beside near nearer into inside outside out up down higher lower taller "
        "shorter wider "
        "thinner thicker longer bigger smaller larger that which as for if because so but while when then i it they there "
        "they're "
        "separates separating separate separated along before after ahead forward forwards backward backwards back "
        "horizontally "
        "vertically diagonally respectively total overall approximately roughly clear this the a an would will should might "
        "could may has "
        "have had exists exist lies lie sits stands seems seem looks appears remain remains remaining makes gives rather "
        "instead "
        "give "
        "please now also too again max min tops plus minus times per thanks its itself not no yes well just only even distant "
        "given "
        "based according though although however relative downward upward sideways north south east west past around about "
        "against "
        "until due each using measured together you we clockwise counterclockwise anticlockwise counter"
    )
)
_ODD = re.compile(
    r"\b(?:confiden\w*|scores?|probab\w*|certainty|accuracy|percent\w*|ratio|id|index|number|option|step|"
    r"figure|frame|image)\b|\bno(?: \.)?$"
)
_PERHAPS = frozenset({"maybe", "perhaps", "possibly", "probably", "even"})
_MORE_AFTER_RE = re.compile(r"(?:, )?(?:or |and )?(?:maybe|perhaps|possibly|even) ([\w.]+)(?: [.,;!?]|$)")
_EACH_BEFORE_RE = re.compile(
    r"(?:\bevery|, each|\b(?:[2-9]|[1-9][0-9]+|two|three|four|five|six|seven|eight|nine|ten|several|many) \w+s of)$"
)
_CURRENCIES = frozenset("$€£¥₹")
_PLURAL_RE = re.compile(
    r"\b(?:gaps|distances|heights|widths|lengths|depths|sizes|values|measurements|dimensions|"
    r"respectively|each)\b"
)
_CHANGES = word_set(
    "moved moves went goes changed changes grew grows increased increases decreased decreases dropped shrank rose"
)
_MINUS = frozenset({"-", "–", "—", "minus"})
_OPERATORS = frozenset({"+", "*", "×", "÷", "plus", "minus"})
_SEPARATORS = frozenset({",", "and", "or", "/", "&", "x", "×", "by", "vs", "versus", "then"})


def mentions(tokens: Sequence[Token], found: Sequence[Found], bare: Sequence[Measure]) -> list[Mention]:
    """The quantities with their roles, in their order. ``bare`` are the numbers without a unit, which lists begin with."""
    ends = {number.last: number for number in bare if stands_alone(tokens, number)}
    measured = {quantity.last for quantity in found}
    return [Mention(quantity, _role(tokens, quantity, ends, measured)) for quantity in found]


def numbers_as(
    tokens: Sequence[Token], bare: Sequence[Measure], unit: str, factor: float, found: Sequence[Found]
) -> list[Mention]:
    """Numbers without a unit, read in the unit that was asked for.

    Where something unknown follows one that stands for itself ("0.45 px"), none is read, since the others may be of that too.
    """
    read: list[Found] = []
    for number in bare:
        fit = _stands_for(tokens, number, unit)
        if fit is None:
            return []
        if not fit:
            continue
        hedged = is_hedged(tokens, number.first, number.last)
        if unit == COUNT:
            said = counted(number.number.value, hedged, number)
        else:
            said = interval(number.number.value * factor, unit, number.number.half_step * factor)
            said = widened(said) if hedged else said
        read.append(
            Found(tokens[number.first].start, tokens[number.last - 1].end, said, False, number.first, number.last, factor)
        )
    measured = {quantity.last for quantity in [*found, *read]}
    return [Mention(quantity, _role(tokens, quantity, {}, measured)) for quantity in read]


def _stands_for(tokens: Sequence[Token], number: Measure, unit: str) -> bool | None:
    """Whether a number may be of the unit that was asked for; None where it shows that none of them can be trusted."""
    after, follows = text_at(tokens, number.last), text_at(tokens, number.last + 1)
    is_marker = after in (")", "]") and not {"(", "["} & {token.text for token in tokens[max(0, number.first - 6) : number.first]}
    if not stands_alone(tokens, number) or after in ("%", "°", "^") or is_marker:
        return False
    words = " ".join(token.text for token in tokens[max(0, number.first - 3) : number.first])
    if _ODD.search(words) or text_at(tokens, number.first - 1) in _CURRENCIES:
        return False
    is_joint = after in ("to", "or", "and")
    goes_on = number.last + 1 < len(tokens) and (tokens[number.last + 1].kind == "num" or follows in NUMBER_WORDS)
    if unit == COUNT:
        if is_joint and not goes_on:
            return None  # one or none
        return number.number.whole and number.number.value >= 0 and (after == "in" or after not in UNITS) and after != "-"
    if after in ENDS or (is_joint and goes_on) or after in ("±", "(", "=", "<", "/", "x", "×", "+", "apart", "away"):
        return True
    if after == "in" and follows in UNITS:
        return True  # 45 in centimeters, which lone_unit() knows
    return False if glued_at(tokens, number.last) else None  # 3D


def lone_unit(tokens: Sequence[Token], found: Sequence[Found]) -> tuple[str, float] | bool | None:
    """The unit that stands apart from its number: "distance in cm: 45", "45 (cm)", "distance_cm = 45".

    None where none stands alone, False where there are several or one that does not say what it is there for.
    """
    covered = {at for quantity in found for at in range(quantity.first, quantity.last)}
    units: set[tuple[str, float]] = set()
    for at, token in enumerate(tokens):
        if at in covered or token.kind != "word" or token.text not in UNITS or token.text in ("in", "foot", "mile"):
            continue
        if text_at(tokens, at - 1) not in ("in", "(", "[", "_"):
            return False
        units.add(UNITS[token.text])
    if not units:
        return None
    return units.pop() if len(units) == 1 else False


def clause_before(tokens: Sequence[Token], index: int, count: int = 24) -> str:
    """The words between the last comma, full stop or "but" and a token."""
    start = index
    while start > max(0, index - count) and (tokens[start - 1].text not in _CLAUSE_END or text_at(tokens, start) == "which"):
        start -= 1
    return " ".join(token.text for token in tokens[start:index])


def sentence_before(tokens: Sequence[Token], index: int, count: int = 60) -> str:
    """The words between the last end of a sentence and a token."""
    start = index
    while start > max(0, index - count) and tokens[start - 1].text not in _SENTENCE_END:
        start -= 1
    return " ".join(token.text for token in tokens[start:index])


def _role(tokens: Sequence[Token], found: Found, ends: dict[int, Measure], measured: set[int]) -> Role:
    left, clause = before(tokens, found.first), clause_before(tokens, found.first)
    right = " ".join(text_at(tokens, found.last + at) for at in range(5)).rstrip()
    if _is_compared(tokens, found, measured):
        return Role.OPERAND
    if _is_bound(left, right):
        return Role.BOUND
    if _ANYTHING_BUT_RE.search(left) or _DENIED_RE.search(_FALSE_DENIALS_RE.sub(" ", clause)):
        return Role.DENIED
    if _TOLERANCE_RE.search(" ".join(clause.split()[-7:])) or _ERROR_IS_RE.search(left) or left.endswith("±"):
        return Role.TOLERANCE
    if _PREMISE_RE.search(clause) or re.match(r"(?:[\w]+ ){0,2}if\b", right) or _EXAMPLE_RE.search(left):
        return Role.PREMISE
    if _NEEDED_RE.search(left) or _is_asked(tokens, found):
        return Role.PREMISE
    if _ASIDE_RE.search(clause) and _ASIDE_END_RE.match(right):
        return Role.NAME  # the bottle, which is 25 cm tall, stands 60 cm away
    if _is_listed(tokens, found, ends, measured):
        return Role.LISTED
    if _is_operand(tokens, found, ends, measured, clause, right):
        return Role.OPERAND
    if found.quantity.unit != COUNT and _is_name(tokens, found):
        return Role.NAME
    said = found.quantity
    if found.ranged and (
        said.unit == COUNT or max(abs(said.low), abs(said.high)) > WIDEST_RANGE * min(abs(said.low), abs(said.high))
    ):
        return Role.LISTED
    return Role.ASSERTED


def _is_compared(tokens: Sequence[Token], found: Found, measured: set[int]) -> bool:
    """Whether it is one side of a comparison of two quantities: 30 cm less than 2 m, 30 cm short of 2 m."""
    if found.quantity.unit == COUNT:
        return False
    behind = f"{text_at(tokens, found.last)} {text_at(tokens, found.last + 1)}"
    if _COMPARED_RE.fullmatch(behind) and (other := read_measure(tokens, found.last + 2)) is not None and other.unit:
        return True
    joint = f"{text_at(tokens, found.first - 2)} {text_at(tokens, found.first - 1)}"
    return found.first - 2 in measured and _COMPARED_RE.fullmatch(joint) is not None


def _is_asked(tokens: Sequence[Token], found: Found) -> bool:
    """Whether it stands in a question: "is it 2 m?", or "2 m? Rather 3 m." where more follows."""
    end = found.last
    while end < len(tokens) and tokens[end].text not in _SENTENCE_END:
        end += 1
    if text_at(tokens, end) != "?":
        return False
    goes_on = any(token.kind != "sym" for token in tokens[end + 1 :])
    return _QUESTION_RE.match(sentence_before(tokens, found.first)) is not None or (goes_on and end == found.last)


def _is_bound(left: str, right: str) -> bool:
    match = _BOUND_BEFORE_RE.search(left)
    return match is not None or _BOUND_AFTER_RE.match(right) is not None


def _is_listed(tokens: Sequence[Token], found: Found, ends: dict[int, Measure], measured: set[int]) -> bool:
    """Whether it is one of several numbers that share a unit, or one side of a size (10 x 20 cm)."""
    joint = text_at(tokens, found.first - 1)
    after = text_at(tokens, found.last)
    if found.ranged and joint == "from" and text_at(tokens, found.first - 2) in _CHANGES:
        return True  # it moved from 2 m to 3 m
    right = " ".join(token.text for token in tokens[found.last : found.last + 6])
    is_joined = not found.ranged and "and" in {token.text for token in tokens[found.first : found.last]}
    if is_joined and _PLURAL_RE.search(f"{sentence_before(tokens, found.first)} {after}"):
        return True  # the gaps are 1 m and 20 cm
    if found.quantity.unit == COUNT and re.match(r"(?:[\w-]+ ){0,3}and (?:an?|one)\b", right):
        return True  # 3 cans and a mug
    if joint in ("to", "or", "-", "–") and text_at(tokens, found.first - 2) in UNITS and found.first - 1 not in measured:
        return True  # a few cm to 10 cm
    if after == "and" and not found.ranged and (end := _behind_bare(tokens, found.last + 1)) and text_at(tokens, end) in ENDS:
        return True  # 2 m and 30
    at = found.first
    while at > 0 and text_at(tokens, at - 1) in _SEPARATORS | _PERHAPS:
        at -= 1
    if at < found.first and at in ends:
        return True  # 20, 30 cm; one, maybe two meters
    if (match := _MORE_AFTER_RE.match(right)) is not None and (match[1].isdigit() or match[1] in NUMBER_WORDS):
        return True  # maybe a meter, maybe two
    if joint in ("x", "×", "by") and found.first - 1 in measured:
        return True
    if after in ("x", "×", "by") and found.last + 1 < len(tokens):
        return tokens[found.last + 1].kind == "num" or tokens[found.last + 1].text in NUMBER_WORDS
    return False


def _behind_bare(tokens: Sequence[Token], index: int) -> int | None:
    """The index behind the number without a unit that begins at a token; None where none begins."""
    read = read_measure(tokens, index)
    return None if read is None or read.unit else read.last


def _is_operand(
    tokens: Sequence[Token], found: Found, number_ends: Container[int], measured: set[int], clause: str, right: str
) -> bool:
    if _OPERAND_RE.search(clause) or _OPERAND_AFTER_RE.match(right):
        return True
    behind = found.last + (text_at(tokens, found.last) == ")")
    joint, after = text_at(tokens, found.first - 1), text_at(tokens, behind)
    if found.quantity.unit == COUNT:
        return False
    if found.first >= 1 and (tokens[found.first - 1].kind == "num" or found.first in number_ends):
        return True  # ten 5 cm steps
    if joint in _OPERATORS and found.first >= 2 and tokens[found.first - 2].text not in ENDS | {"=", "≈"}:
        return True  # 0.2 m + 0.3 m, the can plus 5 cm
    if _EACH_BEFORE_RE.search(before(tokens, found.first)) or re.match(r"(?:each|apiece|per)\b", right):
        return True  # 3 tiles of 30 cm each
    if joint in ("of", "x") and (
        text_at(tokens, found.first - 2) in ("%", "half", "third", "quarter") or tokens[found.first - 2].kind == "num"
    ):
        return found.first >= 2
    minus = found.first - (joint in _MINUS)
    if text_at(tokens, minus) in _MINUS and (minus in measured or minus in number_ends):
        return True  # 2 m minus 30 cm
    if after in ("=", "≈") and (end := _behind_bare(tokens, behind + 1)) and text_at(tokens, end).isalpha():
        return True  # 1 cm = 5 pixels
    follows = text_at(tokens, behind + 1)
    if after in ("plus", "minus"):
        return True
    if after == "/" and follows.isdigit() and text_at(tokens, behind + 2) not in UNITS:
        return True  # divided by a number; "1 m / 5 ft" are two lengths
    return (after in _OPERATORS or (after == "-" and not glued_at(tokens, behind))) and (
        follows[:1].isdigit() or follows in ("a", "the")
    )


def _is_name(tokens: Sequence[Token], found: Found) -> bool:
    """Whether it tells which thing is meant: "the 12-inch ruler", "a 1 m wide robot"."""
    last = found.last
    if text_at(tokens, last) == "-" and glued_at(tokens, last) and glued_at(tokens, last + 1) and tokens[last + 1].kind == "word":
        return True  # a meter-long stick
    if text_at(tokens, last) in _DIMENSIONS:
        last += 1
        if text_at(tokens, last) in ENDS or text_at(tokens, last) in _AFTER_VALUE - MEASURE_NOUNS:
            return False
    after = tokens[last] if last < len(tokens) else None
    if after is not None and after.text in UNITS and after.text != "in":
        return after.text != tokens[last - 1].text  # "5 mm m" is broken, "45 cm cm" is said twice
    if after is None or after.kind != "word":
        return False
    return after.text not in _AFTER_VALUE and not after.text.endswith(("ly", "wards"))
