"""Things that are told by what they are most of: "the tallest block", "the second widest can", "the block nearest to the mug".

A slot for such a phrase gives four words: what it is most of, its rank in digits, the kind of thing, and the thing that it is
nearest to or farthest from, "" for the others. What the words mean is for who reads them to say (``reasoning``).
Never changes: a name in quotes is a name, whatever its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from .names import ARTICLES, is_plural
from .number_words import word_set
from .slots import NUMBER_WORDS, Span, kind_spans, list_spans, name_spans
from .tokens import Token

SpansOf: TypeAlias = Callable[[Sequence[Token], int], Iterator[Span]]
# How each superlative is said.
SUPERLATIVES: Mapping[str, tuple[str, ...]] = {
    "tallest": ("tallest",),
    "shortest": ("shortest",),
    "widest": ("widest", "broadest"),
    "thinnest": ("thinnest", "narrowest", "slimmest"),
    "biggest": ("biggest", "largest"),
    "smallest": ("smallest", "littlest"),
    "highest": ("highest", "topmost", "uppermost"),
    "lowest": ("lowest", "bottommost", "lowermost"),
    "leftmost": ("leftmost", "left-most"),
    "rightmost": ("rightmost", "right-most"),
    "frontmost": ("frontmost", "front-most", "foremost"),
    "rearmost": ("rearmost", "rear-most", "hindmost", "backmost"),
}
NEAREST, FARTHEST = "nearest", "farthest"
_REACHING = {
    "nearest": NEAREST,
    "closest": NEAREST,
    "farthest": FARTHEST,
    "furthest": FARTHEST,
}
_MEANT = {said: word for word, sayings in SUPERLATIVES.items() for said in sayings}
_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
RANKS: Mapping[str, int] = {
    **{word: rank for rank, word in enumerate(_ORDINALS, 1)},
    **{f"{rank}{['st', 'nd', 'rd'][rank - 1] if rank < 4 else 'th'}": rank for rank in range(1, 11)},
}
# A kind of things is told by what it looks like. Where it is, what it is more of and which ones are meant is another's to say, so
# that "the blocks except the red one" and "cans within 30 cm of the mug" are not taken for a kind that nobody can look for.
_NOT_IN_KIND = word_set(
    "the a an and but except besides excluding without left right behind front above below beneath under underneath over on in "
    "at inside outside within between near beside next from to by around along across against off closer nearer taller shorter "
    "wider narrower thinner higher lower bigger smaller larger nearest closest"
)
# In front of a kind these say how many, or which.
QUANTIFIERS = word_set(
    "most few fewer several almost nearly many much only other others another same both all every each any some none no "
    "remaining multiple"
)
_UNITS = word_set(
    "m cm mm km meter meters metre metres centimeter centimeters centimetre centimetres in inch inches ft foot yd yard yards"
)
_THAT_IS = (("that", "is"), ("which", "is"), ("standing",), ("lying",))


def sort_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans from ``start`` that are a kind of things, many or one, by the name of one; in quotes any words are."""
    first = start + _is(tokens, start, ARTICLES)
    if first < len(tokens) and not tokens[first].quoted:
        word = tokens[first].word
        if word == "half" or word in QUANTIFIERS or word in _UNITS or word in NUMBER_WORDS or word.replace(".", "").isdigit():
            return
    for span in kind_spans(tokens, start):
        quoted = span.end == first + 1 and tokens[first].quoted
        if quoted or not any(token.word in _NOT_IN_KIND for token in tokens[first : span.end]):
            yield span


def sorts_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans from ``start`` that are many things of a kind, by the name of one: "red blocks", in quotes any words."""
    first = start + _is(tokens, start, ARTICLES)
    for span in sort_spans(tokens, start):
        if tokens[first].quoted or is_plural(" ".join(token.word for token in tokens[first : span.end])):
            yield span


def best_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans from ``start`` that tell a thing by a superlative."""
    article = _is(tokens, start, ARTICLES)
    at = start + article
    if at >= len(tokens) or tokens[at].quoted:
        return
    words, rank = 0, 1
    word = tokens[at].word
    ordinal, dash, rest = word.partition("-")
    if word in RANKS:
        words, rank, at = 1, RANKS[word], at + 1
        word = tokens[at].word if at < len(tokens) and not tokens[at].quoted else ""
    elif dash and ordinal in RANKS and (rest in _MEANT or rest in _REACHING):
        words, rank, word = 1, RANKS[ordinal], rest
    if word in _MEANT:
        yield from _of_kind(tokens, at + 1, words + 1, article, (_MEANT[word], str(rank)))
    elif word in _REACHING:
        yield from _reaching(tokens, at + 1, words + 1, article, (_REACHING[word], str(rank)))
    elif not words:
        yield from _reached(tokens, at, article)


def _of_kind(tokens: Sequence[Token], at: int, words: int, article: bool, said: tuple[str, str]) -> Iterator[Span]:
    """ "tallest block", "tallest of the blocks", "tallest of all blocks", behind its first word."""
    kinds = sort_spans
    if _is(tokens, at, ("of",)):
        kinds, words, at = sorts_spans, words + 1, at + 1
        if _is(tokens, at, ("all",)):
            words, at = words + 1, at + 1
    elif _is(tokens, at, ARTICLES):
        return
    if at < len(tokens):
        for span in kinds(tokens, at):
            yield Span(span.end, span.joints, int(article), (*said, span.names[0], ""), (), words)


def _reaching(tokens: Sequence[Token], at: int, words: int, article: bool, said: tuple[str, str]) -> Iterator[Span]:
    """ "nearest block to the mug", behind its first word; not "from", which may belong to what surrounds it."""
    if at >= len(tokens) or _is(tokens, at, ARTICLES):
        return
    for kind in sort_spans(tokens, at):
        if _is(tokens, kind.end, ("to",)) and kind.end + 1 < len(tokens):
            for other in name_spans(tokens, kind.end + 1):
                value = (*said, kind.names[0], other.names[0])
                joints, marked = kind.joints + other.joints, int(article) + other.marked
                yield Span(other.end, joints, marked, value, other.names, words + 1)


def _reached(tokens: Sequence[Token], at: int, article: bool) -> Iterator[Span]:
    """ "block nearest to the mug", "block that is farthest from the mug"."""
    for kind in sort_spans(tokens, at):
        end, words = kind.end, 0
        for phrase in _THAT_IS:
            if all(_is(tokens, end + i, (word,)) for i, word in enumerate(phrase)):
                end, words = end + len(phrase), len(phrase)
                break
        if not _is(tokens, end, _REACHING) or not _is(tokens, end + 1, ("to", "from")) or end + 2 >= len(tokens):
            continue
        for other in name_spans(tokens, end + 2):
            value = (_REACHING[tokens[end].word], "1", kind.names[0], other.names[0])
            joints, marked = kind.joints + other.joints, int(article) + other.marked
            yield Span(other.end, joints, marked, value, other.names, words + 2)


def thing_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans from ``start`` that are a name, or tell a thing by a superlative. A superlative is no part of a name."""
    yield from _plain_spans(tokens, start, name_spans)
    yield from best_spans(tokens, start)


def several_spans(tokens: Sequence[Token], start: int) -> Iterator[Span]:
    """All spans that list two or more names, none of them with a superlative."""
    yield from _plain_spans(tokens, start, list_spans)


def _plain_spans(tokens: Sequence[Token], start: int, spans: SpansOf) -> Iterator[Span]:
    for span in spans(tokens, start):
        if not any(token.word in _MEANT and not token.quoted for token in tokens[start : span.end]):
            yield span


def _is(tokens: Sequence[Token], at: int, words: Mapping[str, str] | frozenset[str] | tuple[str, ...]) -> bool:
    return at < len(tokens) and not tokens[at].quoted and tokens[at].word in words


PHRASE_SPANS: Mapping[str, SpansOf] = {
    "thing": thing_spans,
    "best": best_spans,
    "sort": sort_spans,
    "sorts": sorts_spans,
    "several": several_spans,
}
