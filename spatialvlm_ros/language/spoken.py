"""Any free answer of a model to what it says: one value with its unit, yes, no, unsure, a refusal, or that there is none.

A wrong value that is accepted in silence is far worse than an answer that is not used. So a value is taken only where the text
asserts exactly one; several lengths about several things, a bound ("less than 10 cm"), something denied, an operand of a sum and
a number without any unit give no value, each with its reason. Decided for good:

- A number without a unit has a value only where the caller tells the unit that was asked for, and nothing unknown follows it.
- One length said in two units is one value if they agree within how precisely they were said; the more precise is taken.
- A range is its middle with its ends; ends that differ by more than a factor of four give no value, nor does a range of counts.
- A mark of a final answer (\\boxed, <answer>, "the answer is", "####", a last "so the distance is ...") outweighs what is before.
- With no unit asked for, yes or no outweighs a number, which is then its ``quantity``; with one asked for the number does.
- Hesitation ("hard to say, maybe 0.5 m") leaves a value, hedged. A refusal leaves one only behind "but", "my best guess" etc.
- Answers in other languages than English give nothing, since "less than" and "not" would not be noticed in them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from . import verdicts
from .answer_text import BOUND_KEY, Digits, after_mark, json_leaves, plain_words, read_json, unfold_tags
from .lengths import MAX_CHARS, MAX_NUMBERS, MEASURE_NOUNS, Found, before, scan
from .measures import COUNT, LINE_END, UNITS, Spoken, widened
from .mentions import Mention, Role, lone_unit, mentions, numbers_as, sentence_before
from .number_words import Token, count_numbers, plain_text, text_at, tokenize, word_set

__all__ = ["Outcome", "Spoken", "SpokenAnswer", "parse_answer", "parse_choice", "parse_side"]

parse_choice, parse_side = verdicts.parse_choice, verdicts.parse_side


class Outcome(Enum):
    """What an answer says."""

    VALUE = "value"
    YES = "yes"
    NO = "no"
    UNSURE = "unsure"  # too close to call, hard to say
    REFUSED = "refused"  # "I cannot determine ..."
    SEVERAL = "several"  # several values that contradict, or are about several things
    BOUND = "bound"  # less than, at least
    NOTHING = "nothing"


@dataclass(frozen=True)
class SpokenAnswer:
    """``quantity`` stands with VALUE always, with YES and NO where exactly one was said, else never. ``reason`` tells why not."""

    outcome: Outcome
    quantity: Spoken | None = None
    reason: str = ""


_FOREIGN_WORDS = word_set(
    "der die das ist sind nicht etwa ungefähr zwischen weniger mehr mindestens höchstens circa zirka von bis el la los "
    "las es está son entre menos más mas que del aproximadamente unos unas una cerca le les des est sont entre environ "
    "moins plus pas du une peu il lo gli è sono circa meno più di tra não são cerca ongeveer niet meer minder dan het een "
    "około mniej metros metro centimetros distancia distanza abstand entfernung metri centimetri als"
) - {"die", "plus", "mas", "circa", "des", "du", "il", "dan", "mass"}  # fmt: skip
_FOREIGN_LETTERS = re.compile(r"[\u0370-\u038f\u0391-\u03bb\u03be-\u03bf\u03c1-\u03ff\u0400-\u1fff\u2e80-\ud7ff\uf900-\ufaff]")
_OTHER_SIZE = word_set("tall wide high long deep thick away apart across behind above below left right")
_RUN_RE = re.compile(r"[0-9]+|[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]")
_AT_MOST = word_set("less under below most < ≤ smaller shorter closer fewer within lower thinner narrower maximum max")
_AT_LEAST = word_set("more over above least > ≥ larger greater longer farther further taller wider minimum min exceeds")
_NONE_RE = re.compile(
    r"(?:there (?:are|is)|i (?:see|can see|count)) (?:no|none|zero)\b(?! (?:way|doubt|information))"
    r"|(?:there )?(?:aren't|are not|isn't) any\b|not (?:any|a single one)$|nothing$|none(?: of (?:them|these|those|the \w+))?"
    r"(?: (?:are|is|do|can)\b|$)|no (?!doubts|ideas|problems|worries|thanks)(?:\w+ )?\w+s$"
)
_CORRECTION_RE = re.compile(
    r"(?:[.,;…!?—-]|¶|\bor\b) *(?:oh |or )?(?:no,? wait|wait|actually|correction|i mean|scratch that|make that|sorry|"
    r"let me correct|on second thought|no, sorry|rather)\b"
)
_NOUNS = "|".join(sorted(MEASURE_NOUNS, key=len, reverse=True))
_LAST_STEP_RE = re.compile(
    r"(?:^|(?<=[\s,;]))(?:so|therefore|thus|hence|consequently|accordingly|overall|finally|this (?:means|gives|makes)|"
    r"that (?:means|gives|makes)|which (?:gives|makes|means|yields)|"
    rf"i (?:would )?estimate|my estimate is)\b[ ,]*(?:that )?(?:i(?:'d| would)? (?:say|guess|think|estimate) )?(?:that )?"
    rf"(?:there (?:are|is)$|(?:the |this |that |it |they )(?:(?!(?:and|or|but|if|whether|not|than|as)\b)[a-z'-]+ ){{0,5}}?"
    rf"(?:is|are|stands|sits|measures|must be|should be)(?: [a-z]+ by| at)?$)?"
    rf"(?:(?:the|their|its|this|my|a|total|overall|final|estimated|approximate|horizontal|vertical|combined) ){{0,4}}"
    rf"(?:(?:{_NOUNS})\b"
    r"(?: (?:between|of|from|to|across) (?:[\w'#-]+ ){0,8}?)?)? ?(?:(?:is|are|equals|would be|must be|comes to|comes out to|"
    r"should be|to be|gives|makes|=|:|of) ?){0,2}"
    r"(?:(?:then|about|around|roughly|approximately|a|total|of|to be|likely|probably|≈|~|just|estimated|at|be) ?){0,5}$"
)


def parse_answer(text: str, *, unit: str | None = None) -> SpokenAnswer:
    """What an answer says, whatever it is; see the module's text for what is decided how.

    Args:
        unit: the unit that was asked for ("m", "cm", "ft", "rad", "deg", "count"; spelled out too). Numbers without a unit are
            read in it, and quantities of another dimension are not looked at. None: nothing was asked for.

    Raises:
        ValueError: the unit is not known.
    """
    asked = _asked(unit)
    if len(text) > MAX_CHARS:
        return SpokenAnswer(Outcome.NOTHING, reason=f"{len(text)} characters are no answer")
    if len(_RUN_RE.findall(text)) > 3 * MAX_NUMBERS:
        return SpokenAnswer(Outcome.SEVERAL, reason=f"more than {3 * MAX_NUMBERS} numbers are no answer")
    answers = [_one(part, asked, unit) for part in unfold_tags(text)]
    return answers[0] if len(answers) == 1 else _merged(answers)


def _asked(unit: str | None) -> tuple[str, float] | None:
    if unit is None:
        return None
    if unit.lower() in (COUNT, "counts"):
        return COUNT, 1.0
    if unit.lower() not in UNITS:
        raise ValueError(f"unit '{unit}' is not known; known are {COUNT}, {', '.join(sorted(UNITS))}")
    return UNITS[unit.lower()]


def _merged(answers: Sequence[SpokenAnswer]) -> SpokenAnswer:
    """Of several marked answers, or of the fields of one JSON answer: the one that they agree on."""
    said = [answer for answer in answers if answer.outcome is not Outcome.NOTHING]
    if not said:
        return answers[0] if answers else SpokenAnswer(Outcome.NOTHING, reason="no field holds a value")
    values = [answer.quantity for answer in said if answer.quantity is not None]
    if len({answer.outcome for answer in said}) == 1 and all(_is_equal(value, values[0]) for value in values):
        return said[0]
    return SpokenAnswer(Outcome.SEVERAL, reason="several answers are marked, and they differ")


def _one(text: str, asked: tuple[str, float] | None, unit: str | None) -> SpokenAnswer:
    if (held := read_json(text)) is not None:
        return _from_json(*held, asked, unit)
    plain = " ".join(plain_text(plain_words(text))[0].split())
    if not plain.strip(f" .{LINE_END}"):
        return SpokenAnswer(Outcome.NOTHING, reason="the answer is empty")
    words = set(re.findall(r"[^\W\d_]+", plain.lower()))
    if _FOREIGN_LETTERS.search(plain) or len(words & _FOREIGN_WORDS) >= 1 + (len(words) > 12):
        return SpokenAnswer(Outcome.NOTHING, reason="the answer is not in English")
    if (rest := after_mark(plain)) is not None:
        final = _judged(rest, asked)
        if final.outcome is not Outcome.NOTHING:
            return final
    return _judged(plain, asked)


# -- plain text -------------------------------------------------------------------------------------------------------


def _judged(plain: str, asked: tuple[str, float] | None) -> SpokenAnswer:
    lower = plain.lower()
    tokens = tokenize(plain)
    if count_numbers(tokens) > MAX_NUMBERS:
        return SpokenAnswer(Outcome.SEVERAL, reason=f"more than {MAX_NUMBERS} numbers are no one value")
    mentioned = _mentioned(tokens, asked)
    answer = _verdict(lower, tokens, mentioned) if asked is None else None
    if answer is None:
        answer = _valued(lower, tokens, mentioned, asked)
    if answer.outcome is not Outcome.NOTHING:
        return answer
    if asked is not None and not mentioned and (verdict := _verdict(lower, tokens, mentioned)) is not None:
        return verdict
    if verdicts.is_hesitant(lower) or verdicts.is_too_close(lower):
        return SpokenAnswer(Outcome.UNSURE, reason="the answer says that it is not sure")
    return answer


def _mentioned(tokens: Sequence[Token], asked: tuple[str, float] | None) -> list[Mention]:
    """What the text says of the dimension that was asked for, or of any: quantities, else numbers in the unit told."""
    found, bare = scan(tokens)
    of_kind = [mention for mention in mentions(tokens, found, bare) if asked is None or mention.said.unit == asked[0]]
    if of_kind or (not bare and asked != (COUNT, 1.0)):
        return of_kind
    if asked is not None and asked[0] == COUNT:
        return _none_at_all(tokens) or numbers_as(tokens, bare, COUNT, 1.0, found)
    own = lone_unit(tokens, found)
    if isinstance(own, tuple):
        return numbers_as(tokens, bare, *own, found) if asked is None or own[0] == asked[0] else []
    if own is False or asked is None:
        return []
    return numbers_as(tokens, bare, *asked, found)


def _none_at_all(tokens: Sequence[Token]) -> list[Mention]:
    """Zero things: "none", "there are no cans"; one: "a single mug"."""
    text = " ".join(token.text for token in tokens if token.kind == "word")
    if _NONE_RE.match(text):
        value = 0.0
    elif re.fullmatch(r"both(?: of (?:them|these|those))?(?: (?:are|do|can))?", text):
        value = 2.0
    elif re.search(r"\b(?:a|one) single\b|\b(?:just|only) one\b", text):
        value = 1.0
    else:
        return []
    if any(token.kind == "num" for token in tokens):
        return []
    return [Mention(Found(0, 0, Spoken(value, COUNT, value, value)), Role.ASSERTED)]


def _verdict(lower: str, tokens: Sequence[Token], mentioned: Sequence[Mention]) -> SpokenAnswer | None:
    """Yes, no or too close to call, where the text says one of them."""
    yes, no = verdicts.say_yes(lower), verdicts.say_no(lower)
    if verdicts.says_both(lower):
        return SpokenAnswer(Outcome.UNSURE, reason="the answer says yes and no")
    if yes and no:
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer says yes, and it says no")
    if not yes and not no and not mentioned and verdicts.polite_yes(lower):
        yes = True
    if yes or no:
        values = [mention for mention in mentioned if mention.role is Role.ASSERTED]
        return SpokenAnswer(Outcome.YES if yes else Outcome.NO, _agreed(values) if values else None)
    if verdicts.is_too_close(lower):
        return SpokenAnswer(Outcome.UNSURE, reason="the answer says that it is too close to call")
    return None


def _valued(lower: str, tokens: Sequence[Token], mentioned: list[Mention], asked: tuple[str, float] | None) -> SpokenAnswer:
    """The one value that a text asserts, or why there is none."""
    refused = verdicts.refusal(lower)
    if refused is not None and not _is_about_exactness(lower, tokens, refused, mentioned):
        start = verdicts.guess_after(lower, refused[1])
        later = [mention for mention in mentioned if start is not None and tokens[mention.found.first].start >= start]
        if any(mention.role is Role.ASSERTED for mention in mentioned if mention not in later):
            return SpokenAnswer(Outcome.SEVERAL, reason="the answer says a value and refuses one")
        mentioned = later
        if not any(mention.role in (Role.ASSERTED, Role.BOUND) for mention in mentioned):
            return SpokenAnswer(Outcome.REFUSED, reason="the answer refuses a value")
    answer = _chosen(lower, tokens, mentioned)
    if answer.quantity is not None and (refused is not None or verdicts.is_hesitant(lower)):
        answer = replace(answer, quantity=widened(answer.quantity))
    if answer.outcome is Outcome.NOTHING and any(_is_tuple(tokens, at) for at in range(1, len(tokens))):
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer is a tuple of numbers with one unit")
    if answer.outcome is Outcome.NOTHING and not answer.reason:
        answer = replace(answer, reason=_why_nothing(tokens, asked))
    return answer


def _is_tuple(tokens: Sequence[Token], index: int) -> bool:
    """Whether a bracket closes before a unit: (0.3, 0.1, 0.2) m."""
    return text_at(tokens, index) in UNITS and text_at(tokens, index - 1) in (")", "]") and text_at(tokens, index - 3) == ","


def _is_about_exactness(lower: str, tokens: Sequence[Token], refused: tuple[int, int], mentioned: Sequence[Mention]) -> bool:
    """Whether a refusal behind a value only denies that the value is exact."""
    around = lower[max(0, refused[0] - 40) : refused[1] + 60]
    said_before = any(mention.role is Role.ASSERTED and tokens[mention.found.first].start < refused[0] for mention in mentioned)
    return said_before and verdicts.EXACTNESS_RE.search(around) is not None


def _chosen(lower: str, tokens: Sequence[Token], mentioned: Sequence[Mention]) -> SpokenAnswer:
    asserted = [mention for mention in mentioned if mention.role is Role.ASSERTED]
    if any(mention.role is Role.LISTED for mention in mentioned):
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer lists several numbers, or a range too wide for one value")
    bounds = [mention for mention in mentioned if mention.role is Role.BOUND]
    if not asserted:
        return _without_value(mentioned, bounds)
    one = _agreed(asserted)
    if one is None:
        one = _final_value(lower, tokens, asserted)
    if one is None:
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer says several values: " + _listed(asserted))
    if any(not _holds(tokens, asserted[-1], bound, one) for bound in bounds):
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer says a value, and a bound of something else")
    return SpokenAnswer(Outcome.VALUE, one)


def _without_value(mentioned: Sequence[Mention], bounds: Sequence[Mention]) -> SpokenAnswer:
    if bounds:
        return SpokenAnswer(Outcome.BOUND, reason="the answer says a bound, not a value")
    others = [mention for mention in mentioned if mention.role in (Role.NAME, Role.OPERAND, Role.DENIED)]
    if any(mention.role is not Role.DENIED for mention in others) and _agreed(others) is None:
        return SpokenAnswer(Outcome.SEVERAL, reason="the answer says several lengths, of which none is its value")
    if others:
        return SpokenAnswer(Outcome.NOTHING, reason="the answer asserts none of its lengths: " + _listed(others))
    return SpokenAnswer(Outcome.NOTHING)


def _holds(tokens: Sequence[Token], value: Mention, bound: Mention, said: Spoken) -> bool:
    """Whether a bound only says more about the value: it stands right by it and is not contradicted."""
    first, last = sorted((value.found, bound.found), key=lambda found: found.first)
    between = [token.text for token in tokens[first.last : last.first]]
    if (
        len(between) > 7
        or _OTHER_SIZE & set(between)
        or {"and", "but", "while", "whereas", LINE_END} & set(between)
        or said.unit != bound.said.unit
    ):
        return False
    words = set(before(tokens, bound.found.first).split()[-5:]) | {text_at(tokens, bound.found.last + at) for at in range(3)}
    is_most, is_least = bool(words & _AT_MOST), bool(words & _AT_LEAST)
    if is_most == is_least:
        return False
    return said.value <= bound.said.value if is_most else said.value >= bound.said.value


def _final_value(lower: str, tokens: Sequence[Token], asserted: Sequence[Mention]) -> Spoken | None:
    """The last of several values, if the text marks it as its conclusion or as a correction; in two units, if they agree."""
    for at in range(len(asserted) - 1, 0, -1):
        tail = _agreed(asserted[at:])
        if tail is None:
            return None
        first = asserted[at].found.first
        gap = lower[tokens[asserted[at - 1].found.last - 1].end : tokens[first].start]
        if _CORRECTION_RE.search(gap) or _LAST_STEP_RE.search(sentence_before(tokens, first)):
            return tail
    return None


def _agreed(values: Sequence[Mention]) -> Spoken | None:
    """The most precise of lengths that can all be one; in one unit they must be equal, since 1 m and 0.9 m are two lengths."""
    finest = min(values, key=lambda mention: mention.said.high - mention.said.low)
    for mention in values:
        same = _is_equal(mention.said, finest.said)
        if not same and (mention.found.factor == finest.found.factor or not mention.said.agrees(finest.said)):
            return None
    return finest.said


def _is_equal(one: Spoken, other: Spoken) -> bool:
    return one.unit == other.unit and abs(one.value - other.value) <= 1e-6 * max(abs(one.value), abs(other.value))


def _listed(values: Sequence[Mention]) -> str:
    return ", ".join(f"{mention.said.value:g} {mention.said.unit}" for mention in values[:5])


def _why_nothing(tokens: Sequence[Token], asked: tuple[str, float] | None) -> str:
    if not any(token.kind == "num" for token in tokens):
        return "the answer holds no number"
    return "the number has no unit, and none was asked for" if asked is None else "no number of the unit that was asked for"


# -- JSON -------------------------------------------------------------------------------------------------------------


def _from_json(value: object, around: str, asked: tuple[str, float] | None, unit: str | None) -> SpokenAnswer:
    answers = [_from_leaf(key, item, own, asked, unit) for key, item, own in json_leaves(value)]
    answer = _merged(answers)
    if around and answer.outcome is not Outcome.NOTHING:
        beside = _one(around.replace("{", " ").replace("[", " "), asked, unit)
        if beside.outcome is Outcome.VALUE:
            return _merged([answer, beside])
    return answer


_KEY_UNIT_RE = re.compile(r"(?:^|_|\()([a-z]+)\)?$")


def _from_leaf(key: str, item: object, own_unit: str, asked: tuple[str, float] | None, unit: str | None) -> SpokenAnswer:
    answer = _from_scalar(key, item, own_unit, asked, unit)
    if answer.outcome is Outcome.VALUE and BOUND_KEY.search(key):
        return SpokenAnswer(Outcome.BOUND, reason=f"the field '{key}' holds a bound, not a value")
    return answer


def _from_scalar(key: str, item: object, own_unit: str, asked: tuple[str, float] | None, unit: str | None) -> SpokenAnswer:
    if isinstance(item, bool):
        return SpokenAnswer(Outcome.YES if item else Outcome.NO)
    if isinstance(item, Digits) or (isinstance(item, str) and re.fullmatch(r"\s*-?[0-9.]+\s*", item)):
        match = _KEY_UNIT_RE.search(key)
        named = match[1] if match is not None and match[1] in UNITS and match[1] != key else ""
        if named and own_unit and UNITS[named] != UNITS.get(own_unit.lower()):
            return SpokenAnswer(Outcome.NOTHING, reason=f"the key says {named}, the unit says {own_unit}")
        return _one(f"{item.strip()} {own_unit or named}".strip(), asked, unit)
    if isinstance(item, str):
        return _one(item, asked, unit) if item.strip() else SpokenAnswer(Outcome.NOTHING, reason="an empty field")
    return SpokenAnswer(Outcome.NOTHING, reason="an empty field")
