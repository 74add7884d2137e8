"""A text to the tokens that question patterns are matched against, with politeness, fillers and contractions out of the way.

Never changes: a part in double quotes is one token, whatever it holds; nothing inside of it is touched but case and spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

MAX_CHARS = 1024
MAX_TOKENS = 120
COMMA = ","


@dataclass(frozen=True)
class Token:
    """``word`` is lower case; ``raw`` is as written; a quoted token's ``word`` is what stands between its quotes."""

    word: str
    raw: str
    quoted: bool = False


_FRACTION_RE = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_TRANSLATION = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2044": "/", "\u2033": '"'}
)
# A quote that follows a digit outside of quotes is the inch mark, so an opening quote stands after a space or a bracket.
_TOKEN_RE = re.compile(
    r"""(?<![^\s(,;:])"(?P<quoted>[^"]*)"|(?P<number>\d+(?:[.,]\d+)+)(?![^\s",;:()?!.])|(?P<word>[^\s",;:()?!]+)"""
    r"""|(?P<mark>[,;:()?!"])"""
)
_CONTRACTIONS = {
    **{f"{word}'s": (word, "is") for word in ("what", "where", "how", "who", "there", "it", "that", "which", "here")},
    **{f"{word}'re": (word, "are") for word in ("what", "where", "how", "they", "we", "you")},
    **{f"{word}n't": (word, "not") for word in ("is", "are", "was", "were", "does", "do", "did", "would", "could", "should")},
    **{f"{word}'d": (word, "would") for word in ("i", "you", "what", "how")},
    "whats": ("what", "is"),
    "hows": ("how", "is"),
    "wheres": ("where", "is"),
    "isnt": ("is", "not"),
    "arent": ("are", "not"),
    "doesnt": ("does", "not"),
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "i'm": ("i", "am"),
    "let's": ("let", "us"),
    "o`clock": ("o'clock",),
    "-": (COMMA,),
    "--": (COMMA,),
    "\u2013": (COMMA,),
    "\u2014": (COMMA,),
}


_Phrases: TypeAlias = dict[str, tuple[tuple[str, ...], ...]]


def _phrases(*texts: str, reverse: bool = False) -> _Phrases:
    """By their first word, longest first, so that "right now" goes before "now"."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for text in texts:
        words = tuple(text.split()[:: -1 if reverse else 1])
        found.setdefault(words[0], []).append(words)
    return {first: tuple(sorted(words, key=len, reverse=True)) for first, words in found.items()}


_ASK = ("tell me", "say", "let me know", "inform me", "explain", "work out", "find out", "see")
_OPENINGS = _phrases(
    "please", "kindly", "hey", "hi", "hello", "ok", "okay", "so", "now", "well", "robot", "excuse me", "just", "thanks",
    *(f"{modal} you" for modal in ("can", "could", "would", "will")),
    *_ASK,
    *(f"i {want} to know" for want in ("want", "need", "would like", "would love", "wish", "am trying", "have")),
    "i wonder", "i am wondering", "i was wondering", "i am asking", "do you know", "do you happen to know", "are you able to",
    "any idea", "do you have any idea", "would you mind telling me", "would you be able to", "let us", "quick question",
    "my question is", "in your opinion", "in your estimation", "in this image", "in the image", "in this picture",
    "in the picture", "in this scene", "in the scene", "looking at the scene", "looking at the image",
)  # fmt: skip
_UNITS = (
    "m", "meter", "meters", "metre", "metres", "cm", "centimeter", "centimeters", "centimetre", "centimetres", "mm",
    "millimeter", "millimeters", "millimetre", "millimetres", "inches", "inch", "feet", "foot", "yards", "degrees", "radians",
    "metric units", "imperial units",
)  # fmt: skip
_ENDINGS = _phrases(
    "please", "now", "right now", "at the moment", "at present", "at this moment", "thanks", "thank you", "here",
    "in total", "altogether", "in sight", "in view", "in the view",
    *(f"in {unit}" for unit in _UNITS),
    *(f"{at} {this} {image}" for at in ("in", "on") for this in ("the", "this")
      for image in ("image", "picture", "scene", "photo", "photograph")),
    reverse=True,
)  # fmt: skip
_FILLERS = _phrases(
    "exactly", "precisely", "approximately", "roughly", "actually", "currently", "please", "would you say", "do you think",
    "do you reckon", "do you estimate", "would you estimate", "would you guess",
)  # fmt: skip


def without_fillers(words: Sequence[str]) -> list[str]:
    """Words of a pattern as they are left of a text: contractions in full, fillers dropped."""
    full = [part for word in words for part in _CONTRACTIONS.get(word, (word,))]
    tokens = [Token(word, word) for word in full if word != COMMA]
    return [token.word for token in _drop_fillers(tokens)]


def raw_tokens(text: str) -> list[Token]:
    """All tokens of a text; commas, colons, brackets and dashes are ",", and a question mark inside of the text is "?"."""
    plain = unicodedata.normalize("NFKC", _FRACTION_RE.sub(" ", text).translate(_TRANSLATION)).translate(_TRANSLATION)
    tokens: list[Token] = []
    for found in _TOKEN_RE.finditer(plain):
        if found["quoted"] is not None:
            name = " ".join(found["quoted"].split())
            if name:
                tokens.append(Token(name.lower(), name, quoted=True))
        elif found["mark"] is not None:
            tokens.append(_mark(found["mark"], tokens))
        else:
            tokens.extend(_word(found[0]))
    while tokens and not tokens[-1].quoted and tokens[-1].word in ("?", COMMA):
        tokens.pop()
    return tokens


def _mark(mark: str, before: list[Token]) -> Token:
    if mark == '"' and before and before[-1].word[-1:].isdigit():
        return Token("inches", "inches")
    return Token("?", mark) if mark in "?!" else Token(COMMA, mark)


def _word(raw: str) -> list[Token]:
    bare = raw.rstrip(".")
    full = _CONTRACTIONS.get(bare.lower())
    if full is not None:
        tokens = [Token(part, part) for part in full]
    else:
        tokens = [Token(bare.lower(), bare)] if bare else []
    # A full stop inside of the text parts it like a comma; the last one is dropped with the commas at the end.
    return tokens if bare == raw else [*tokens, Token(COMMA, ".")]


def tokenize(text: str) -> list[Token]:
    """The tokens that matter: politeness at both ends and fillers are left out, unless nothing else would remain."""
    tokens = _trimmed(_without_asked_unit(_drop_fillers(raw_tokens(text))))
    while (length := _starts(tokens, _OPENINGS)) and len(tokens) > length:
        tokens = _trimmed(tokens[length:])
    while (length := _starts(tokens[::-1], _ENDINGS)) and len(tokens) > length:
        tokens = _trimmed(tokens[:-length])
    return _affirmed(tokens)


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Without commas at both ends."""
    first, last = 0, len(tokens)
    while first < last and tokens[first].word == COMMA and not tokens[first].quoted:
        first += 1
    while last > first and tokens[last - 1].word == COMMA and not tokens[last - 1].quoted:
        last -= 1
    return tokens[first:last]


def _starts(tokens: Sequence[Token], phrases: _Phrases) -> int:
    """Length of the longest phrase that the tokens start with, or 0."""
    for phrase in phrases.get(tokens[0].word, ()) if tokens else ():
        if len(tokens) >= len(phrase) and all(
            not token.quoted and token.word == word for token, word in zip(tokens, phrase, strict=False)
        ):
            return len(phrase)
    return 0


def _drop_fillers(tokens: list[Token]) -> list[Token]:
    if not any(token.word in _FILLERS for token in tokens):
        return tokens
    kept: list[Token] = []
    at = 0
    while at < len(tokens):
        length = _starts(tokens[at : at + 4], _FILLERS) if tokens[at].word in _FILLERS and not _counts(tokens[at : at + 2]) else 0
        if not length:
            kept.append(tokens[at])
        at += length or 1
    return kept or tokens


_LENGTH_WORDS = frozenset(("wide", "broad", "tall", "high", "elevated"))
_AFTER_MEASURE = frozenset(("between", "of", "from", "to"))


def _without_asked_unit(tokens: list[Token]) -> list[Token]:
    """Without the unit of the answer, where a question goes on behind it: "how many cm tall", "the distance in cm from"."""
    for at, token in enumerate(tokens):
        if token.quoted or token.word not in _UNITS or not 0 < at < len(tokens) - 1 or tokens[at - 1].quoted:
            continue
        before, after = tokens[at - 1].word, tokens[at + 1].word
        if at > 1 and before == "many" and tokens[at - 2].word == "how" and after in _LENGTH_WORDS:
            return [*tokens[: at - 1], *tokens[at + 1 :]]
        if at > 1 and before == "in" and after in _AFTER_MEASURE:
            return [*tokens[: at - 1], *tokens[at + 1 :]]
    return tokens


_NUMBERS = frozenset(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"))


def _counts(tokens: Sequence[Token]) -> bool:
    """Whether an "exactly" says how many: "exactly two cups"."""
    if len(tokens) < 2 or tokens[0].word not in ("exactly", "precisely"):
        return False
    return tokens[1].word in _NUMBERS or tokens[1].word.isdigit()


_ASKING_VERBS = frozenset(("is", "are", "does", "do", "would", "could", "can", "will"))


def _affirmed(tokens: list[Token]) -> list[Token]:
    """What "isn't A left of B" asks: whether A is. "Yes" means the same with and without the "not" in front of a name."""
    if len(tokens) > 2 and tokens[0].word in _ASKING_VERBS and tokens[1].word == "not" and not tokens[1].quoted:
        return [tokens[0], *tokens[2:]]
    return tokens
