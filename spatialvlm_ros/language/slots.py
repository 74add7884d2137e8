"""What the slots of a question pattern take: names of things, lengths, numbers, lists of names and views.

A name is any words, so what ends it has to be certain: words that carry a question's own meaning (verbs, "than", "not",
"which" ...) never lie inside a name unless it is quoted. That is what keeps "is the cup not left of the can" and "is the cup
10 cm taller than the can" from being read as questions about a "cup not" or a "cup 10 cm".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .lengths import parse_length
from .names import ARTICLES, plain_name, singular
from .tokens import COMMA, Token

Slot: TypeAlias = str | float | tuple[str, ...]

MAX_NAME_TOKENS = 24
MAX_LENGTH_TOKENS = 9
MAX_LIST_TOKENS = 72
MAX_LIST_NAMES = 12


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PREPOSITIONS = _set(
    "of on in at by with within to from above below under beneath underneath over behind between beside beyond near next into "
    "onto inside through toward towards off up down for about along across against around atop upon past past amid among"
)
# Never inside a name that is not quoted.
_BREAKS = _set(
    "is are was were be been being am do does did has have had would could should will shall may might must "
    "what which how where who whom whose when why whether if that "
    "not no never none neither nor "
    "than or compared relative versus vs as "
    "above below over under beneath underneath seen perspective viewpoint standpoint "
    "more less much many further farther nearest closest furthest farthest least most "
    "almost slightly barely hardly twice thrice somewhat always often sometimes usually just only even still already yet ever "
    "located positioned situated raised lifted "
    "it they them there he she we you me him us itself each every all any both either ? ,"
)
_POSTURES = _set(
    "sitting standing lying resting placed located positioned situated hanging floating going moving coming getting staying "
    "leaning reaching fitting touching holding gripping grasping held grasped gripped clutched contained enclosed reached "
    "reachable touched squeezed fit fits pass passes go get lie lies sit sits stand stands rest rests"
)
_NOT_LAST = (
    _PREPOSITIONS
    | _POSTURES
    | ARTICLES
    | _set(
        "and far close too also even still just only very quite bit lot slightly bigger smaller larger taller shorter wider "
        "thinner narrower broader higher lower nearer closer deeper longer tall wide high thick deep apart away separated "
        "this these those almost at straight so twice half times same compare differ another together already alone hidden "
        "visible anywhere somewhere everywhere now then today one ones free clear empty "
        "direction vertical horizontal"
    )
)
_NOT_FIRST = (_PREPOSITIONS - {"next", "past"}) | _set(
    "and some several everything anything something nothing one ones i mostly other another same apart away far close "
    "together comparing considering given counting measuring"
)
_ALONE = _set("this that these those one ones left right front back top bottom other another")
# With "of", "between" and the like after it, such a word is about a thing and names none: "width of the cup".
_ABOUT = _set(
    "height width breadth distance gap clearance elevation size length depth volume center centre middle bottom top edge left "
    "right front back side rear number amount rest sum ratio average difference separation direction position space "
    "room surface surfaces point reach range sight view grip touch contact line terms respect comparison"
)
# Where a thing is, and no thing: "is the cup in the way".
_NO_THING = _set(
    "reach range sight view way middle center centre air place order image picture scene contact motion use background "
    "foreground question total line row general height width distance size gap space room clearance"
)
_LY_NOUNS = _set(
    "family jelly assembly belly holly dolly butterfly dragonfly monopoly lily doily bully trolly brolly fly barfly "
    "firefly gadfly"
)
# After "and" these begin another thing or another question.
_NOT_AFTER_AND = (
    ARTICLES | _PREPOSITIONS | _POSTURES | _set("left right front side taller shorter wider higher lower bigger smaller")
)
_ENDS_OF_THING = _set("top bottom side left right front back")
_SOFT = _set("from and between to")
# "The smaller cup" is a name, "cup smaller" is none.
_COMPARATIVES = _set("bigger smaller larger taller shorter wider thinner narrower broader greater")
# Before an article that stands inside a name: "cup on the table", "cake shaped like a house".
_BEFORE_ARTICLE = _set("of on in at by with near for like inside to next around")
_QUALIFIED = _set("left right top bottom front back upper lower near far left-hand right-hand")
_PART_OF_THING = _set("side edge corner part end half surface face")
_SIDES = _set("left right front back rear side")
_UNIT_RE = re.compile(
    r"m|cm|mm|km|dm|in|inch(?:es)?|ft|foot|feet|yards?|yd|(?:centi|milli|deci|kilo)?met(?:er|re)s?|deg(?:rees?)?|percent|hands?"
)
_GLUED_RE = re.compile(r"\d+(?:[.,]\d+)?(?:m|cm|mm|km|dm|in|ft|yd|')")
_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
NUMBER_WORDS = {word: float(value) for value, word in enumerate(_COUNTING.split())}
_AFTER_LENGTH = _set("of above below left right in behind to from away wide tall high long thick deep broad apart")
_NUMERIC_RE = re.compile(r"[-+]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Span:
    """Tokens that a slot may take, up to ``end``.

    Attributes:
        joints: words inside the names that could as well part them.
        marked: names that are certain to be names: with an article, quoted, "#3", or the gripper.
        names: the names of things in it.
        literals: words of it that say what is asked, and are no part of a name.
    """

    end: int
    joints: int
    marked: int
    value: Slot
    names: tuple[str, ...] = ()
    literals: int = 0


def name_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans from ``start`` that may be one name."""
    article = not tokens[start].quoted and tokens[start].word in ARTICLES
    first = start + article
    if first >= len(tokens):
        return
    if tokens[first].quoted:
        name = plain_name(tokens[first].word)
        yield Span(first + 1, 0, 1, name, (name,))
        return
    if tokens[first].word in _NOT_FIRST or tokens[first].word in ARTICLES or _about(tokens, first):
        return
    words: list[str] = []
    joints = 0
    for end in range(first + 1, min(first + MAX_NAME_TOKENS, len(tokens)) + 1):
        token = tokens[end - 1]
        if token.quoted or token.word in _BREAKS or token.word.endswith("n't"):
            return
        if words and (token.word in _COMPARATIVES or _parts(tokens, end - 2)):
            return
        words.append(token.word)
        joints += _is_joint(tokens, end - 1)
        if _may_end(words):
            marked = int(article or words[0].startswith("#") or words[-1] == "gripper")
            name = " ".join(words)
            yield Span(end, joints, marked, name, (name,))


def _about(tokens: Sequence[Token], first: int) -> bool:
    """Whether the words tell of a measure, a place or an amount, and not of a thing."""
    word = tokens[first].word
    after = tokens[first + 1].word if first + 1 < len(tokens) else ""
    if word in _QUALIFIED and after in _PART_OF_THING:
        return True
    if word in ("point", "spot", "space", "position", "place") and after[:1].isdigit():
        return True
    if after == "of":
        return word in _ABOUT or bool(_NUMERIC_RE.fullmatch(word)) or bool(_GLUED_RE.fullmatch(word))
    if after in ("between", "from", "to", "with", "above", "below"):
        return word in _ABOUT
    later = tokens[first + 2].word if first + 2 < len(tokens) else ""
    counted = bool(_NUMERIC_RE.fullmatch(word)) or word in NUMBER_WORDS or word in ("half", "quarter")
    if _GLUED_RE.fullmatch(word):
        return after in _AFTER_LENGTH
    return counted and bool(_UNIT_RE.fullmatch(after)) and later in _AFTER_LENGTH


def _parts(tokens: Sequence[Token], at: int) -> bool:
    """Whether the word there parts two names for certain, by the word after it: "and the", "from a", but not "to the left"."""
    word, after = tokens[at].word, tokens[at + 1].word
    if after in ARTICLES and word not in _BEFORE_ARTICLE:
        return True
    if word == "and":
        return after in _NOT_AFTER_AND
    if word == "from":
        return after in _ENDS_OF_THING
    return word in _SOFT and after in ARTICLES and _is_joint(tokens, at)


def _is_joint(tokens: Sequence[Token], at: int) -> bool:
    if tokens[at].word != "to":
        return tokens[at].word in _SOFT
    after = [token.word for token in tokens[at + 1 : at + 3]]
    return not (after and (after[0] in _SIDES or (after[0] == "the" and after[-1] in _SIDES)))


def _may_end(words: Sequence[str]) -> bool:
    last = words[-1]
    if last in _NOT_LAST:
        return False
    if len(words) == 1:
        return last not in _ALONE and last not in _NO_THING and not _NUMERIC_RE.fullmatch(last) and not _GLUED_RE.fullmatch(last)
    if len(last) > 4 and last.endswith("ly") and last not in _LY_NOUNS:
        return False
    if last == "view" and words[-2] == "of":
        return False
    if _UNIT_RE.fullmatch(last) and (words[-2] in NUMBER_WORDS or words[-2] in ARTICLES or words[-2][0].isdigit()):
        return False
    return not _GLUED_RE.fullmatch(last)


def list_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans that list two or more names: "the red can, the blue can and the green can"."""
    names: list[Span] = []
    articles: list[bool | None] = []
    at = start
    while len(names) < MAX_LIST_NAMES and at < min(len(tokens), start + MAX_LIST_TOKENS):
        stop = at
        while stop < len(tokens) and (tokens[stop].quoted or tokens[stop].word not in (COMMA, "and", "or")):
            stop += 1
        # The last name may end before the separator: words of the pattern may follow it.
        spans = list(name_spans(tokens[:stop], at)) if at < stop else []
        if names:
            for span in spans:
                articled = [*articles, _has_article(tokens[at])]
                if _one_style(articled):
                    yield _joined([*names, span])
        if not spans or spans[-1].end != stop:
            return
        names.append(spans[-1])
        articles.append(_has_article(tokens[at]))
        at = stop
        while at < len(tokens) and not tokens[at].quoted and tokens[at].word in (COMMA, "and", "or"):
            at += 1


def _has_article(token: Token) -> bool | None:
    """Whether a name that begins so has an article; None for a name that is certain without one: quoted, or "#3"."""
    return None if token.quoted or token.word.startswith("#") else token.word in ARTICLES


def _one_style(articled: Sequence[bool | None]) -> bool:
    """In "salt and pepper shaker and the cup" the articles tell that "and" does not always part two names."""
    told = [article for article in articled if article is not None]
    return len(told) < 2 or (len(set(told[1:])) == 1 and (told[0] or not told[1]))


def owner_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """A name that owns what follows: "the cup's", "the scissors'"."""
    for span in name_spans(tokens, start):
        last = tokens[span.end - 1]
        if not last.quoted and last.word.endswith(("'s", "s'")):
            name = span.names[0].removesuffix("'s").removesuffix("'")
            yield Span(span.end, span.joints, span.marked, name, (name,))


def kind_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """Many things of a kind, by the name of one: "red blocks" is "red block"; a quoted name stays as it is."""
    for span in name_spans(tokens, start):
        if any(token.word == "and" for token in tokens[start : span.end] if not token.quoted):
            continue
        name = span.names[0] if tokens[span.end - 1].quoted else singular(span.names[0])
        yield Span(span.end, span.joints, span.marked, name, (name,))


def _joined(spans: Sequence[Span]) -> Span:
    names = tuple(name for span in spans for name in span.names)
    return Span(spans[-1].end, sum(span.joints for span in spans), sum(span.marked for span in spans), names, names)


_NO_LENGTH = _set("to or between and from")


def _length_slot(words: Sequence[str]) -> float | None:
    """Metres above 0, or None when the words are no one length."""
    if not _NO_LENGTH.isdisjoint(words):
        return None
    try:
        said = parse_length(" ".join(words))
    except ValueError:
        return None
    return said.value if said.value > 0 else None


def length_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans that are a length with its unit: "80 cm", "half a meter"."""
    for end in range(start + 1, min(start + MAX_LENGTH_TOKENS, len(tokens)) + 1):
        token = tokens[end - 1]
        if token.quoted or token.word in _BREAKS:
            return
        if not (_UNIT_RE.fullmatch(token.word) or token.word[0].isdigit()):
            continue
        value = _length_slot([each.word for each in tokens[start:end]])
        if value is not None:
            yield Span(end, 0, 0, value)


def number_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """A plain number in digits or in a word."""
    token = tokens[start]
    if token.quoted:
        return
    if token.word in NUMBER_WORDS:
        yield Span(start + 1, 0, 0, NUMBER_WORDS[token.word], literals=1)
    elif _NUMERIC_RE.fullmatch(token.word):
        yield Span(start + 1, 0, 0, float(token.word), literals=1)


_CAMERA = _set("camera viewer me my you your here mine yours")
_FRAMES = _set("canonical robot map odom world base tool tool0")
_FRAME_RE = re.compile(r"[\w/.\-]*[_/][\w/.\-]*")


def view_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """Who looks: a tf frame's name, "frame X", "the X frame", a name given to one ("the robot's"), or the camera ("")."""
    if tokens[start].quoted:
        yield Span(start + 1, 0, 0, tokens[start].raw)
        return
    words = [token.raw.removesuffix("'s") for token in tokens[start : start + 4]]
    at = 1 if words[0].lower() == "the" and len(words) > 1 else 0
    lower = words[at].lower()
    follows = words[at + 1].lower() if at + 1 < len(words) else ""
    noun = _frame_noun(tokens, start + at + 1)
    if lower in ("frame", "tf") and follows:
        skip = 2 if lower == "tf" and follows == "frame" else 1
        if at + skip < len(words):
            yield Span(start + at + skip + 1, 0, 0, words[at + skip])
        return
    if lower in _CAMERA:
        yield Span(start + at + 1, 0, 0, "")
        if noun or follows in ("view", "image", "picture"):
            yield Span(start + at + 1 + (noun or 1), 0, 0, "")
        return
    if lower in _FRAMES or _FRAME_RE.fullmatch(words[at]):
        yield Span(start + at + 1, 0, 0, lower if lower == "canonical" else words[at])
    if noun and lower not in _BREAKS:
        yield Span(start + at + 1 + noun, 0, 0, lower if lower == "canonical" else words[at])


_FRAME_NOUNS = tuple(
    tuple(text.split())
    for text in ("frame of reference", "coordinate frame", "coordinate system", "reference frame", "frame", "coordinates")
)


def _frame_noun(tokens: Sequence[Token], start: int) -> int:
    """How many words say that what stands before them is a frame: "frame", "coordinate system". 0: none."""
    words = tuple(token.word for token in tokens[start : start + 3])
    return next((len(noun) for noun in _FRAME_NOUNS if words[: len(noun)] == noun), 0)


def frame_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """Who looks, where it is said to be a frame: "the robot's frame", "frame map"."""
    for span in view_spans(tokens, start):
        said = {tokens[start].word, tokens[min(start + 1, span.end - 1)].word, tokens[span.end - 1].word}
        if said & {"frame", "system", "reference", "coordinates"}:
            yield span


SPANS: dict[str, Callable[[Sequence[Token], int], Iterator[Span]]] = {
    "name": name_spans,
    "owner": owner_spans,
    "kind": kind_spans,
    "length": length_spans,
    "number": number_spans,
    "list": list_spans,
    "view": view_spans,
    "frame": frame_spans,
}
