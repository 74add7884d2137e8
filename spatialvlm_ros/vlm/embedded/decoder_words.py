"""Questions and answers as numbers of words, with pointers <0>, <1>, <2> in the place of names.

A decoder never reads a name: which thing it stands for is settled before. Never changes: words that are not in the vocabulary are
spelled by their letters, so that no text fails; ``text_of(ids_of(text))`` gives the text back, lower case, single spaces, with
decimals whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...scene.dimensions import DIMENSIONS

MAX_THINGS = 3
POINTERS = tuple(f"<{at}>" for at in range(MAX_THINGS))
PAD, UNKNOWN, END, ASK, BRIEF, FULL = "<pad>", "<unk>", "<end>", "<ask>", "<brief>", "<full>"
#: What an answer begins with: its verdict. NUMBER is a length as asked, OTHER_SIDE one to the opposite side.
NUMBER, OTHER_SIDE, YES, NO, CLOSE = "<num>", "<neg>", "<yes>", "<no>", "<close>"
SIDES = tuple(tuple(f"<{word}>" for word in dimension.words) for dimension in DIMENSIONS)
#: The pairs of verdicts that exclude each other.
VERDICT_PAIRS: tuple[tuple[str, str], ...] = ((YES, NO), (POINTERS[0], POINTERS[1]), *((a, b) for a, b in SIDES))
SPECIAL = (
    PAD, UNKNOWN, END, ASK, BRIEF, FULL, *POINTERS, NUMBER, OTHER_SIDE, YES, NO, CLOSE,
    *(word for pair in SIDES for word in pair),
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_MARKS = ".,;:?!'\"()-/#%±_"
_PIECES = re.compile(r"<[a-z0-9]+>|[a-z][a-z']*|[0-9]+|[^\sa-z0-9]")
_NO_SPACE_BEFORE = re.compile(r" ([.,;:?!%])")
# Else "0. 778 m" is read as 778 m.
_IN_A_NUMBER = re.compile(r"(?<=[0-9])\. (?=[0-9])")
_ARTICLES, _QUOTES = ("the ", "a ", "an ", ""), ('"', "'")
# Where a name, its article or its quote may begin.
_STARTS = re.compile(r"(?<!\w)\S|[\"']")


def vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """Special words, letters, marks, and all words of some texts in the order of the alphabet."""
    words = {piece for text in texts for piece in _PIECES.findall(text.lower()) if piece[0].isalpha()}
    letters = [*_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    return (*SPECIAL, *_MARKS, *letters, *sorted(words - set(_LETTERS)))


class Words:
    """A vocabulary.

    Raises:
        ValueError: one that does not begin with ``SPECIAL``, or holds a word twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[: len(SPECIAL)]) != SPECIAL or len(set(words)) < len(words):
            raise ValueError(
                f"a vocabulary of {len(words)} words must begin with {', '.join(SPECIAL[:4])} ... and hold no word twice"
            )
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def id(self, word: str) -> int:
        """Raises KeyError for a word that is not in it."""
        return self._ids[word]

    def ids_of(self, text: str) -> list[int]:
        """Any text; letters of other scripts are <unk>."""
        ids: list[int] = []
        for piece in _PIECES.findall(text.lower()):
            if piece in self._ids and not (piece[0] == "<" and piece not in SPECIAL):
                ids.append(self._ids[piece])
                continue
            for at, letter in enumerate(piece):
                ids.append(self._ids.get(letter if at == 0 else f"##{letter}", self._ids[UNKNOWN]))
        return ids

    def text_of(self, ids: Iterable[int]) -> str:
        """Words up to <end>, with spaces between them as in a sentence."""
        text = ""
        for number in ids:
            word = self.words[number]
            if word == END:
                break
            text += word[2:] if word.startswith("##") else f" {word}"
        return _IN_A_NUMBER.sub(".", _NO_SPACE_BEFORE.sub(r"\1", text.strip()))


def pointed(text: str, names: Sequence[str]) -> tuple[str, tuple[int, ...]] | None:
    """A text with a pointer for each name, and the index of the name that each pointer stands for, in order of appearance.

    "How far is the mug from the can?" of ("can", "mug") gives "How far is <0> from <1>?" and (1, 0). Articles and quotes go with
    the names, and single spaces stand between words. None where a name does not stand in the text, or there are more than
    ``MAX_THINGS``.
    """
    plain = [" ".join(name.lower().split()) for name in names]
    if not plain or len(plain) > MAX_THINGS or not all(plain) or len(set(plain)) < len(plain):
        return None
    # The longest first, so that "red mug" is not read as "mug".
    longest = sorted(plain, key=len, reverse=True)
    spaced = " ".join(text.split())
    lower = spaced.lower()
    if len(lower) != len(spaced):
        spaced = lower  # there are letters that are two in lower case
    order: list[int] = []
    parts, read = [], 0
    # No pattern of the names: to compile one takes ten times as long as all the rest.
    for place in (found.start() for found in _STARTS.finditer(lower)):
        found = None if place < read else _name_from(lower, place, longest)
        if found is not None:
            end, index = found[0], plain.index(found[1])
            if index not in order:
                order.append(index)
            parts += [spaced[read:place], POINTERS[order.index(index)]]
            read = end
    return ("".join([*parts, spaced[read:]]), tuple(order)) if len(order) == len(plain) else None


def _name_from(text: str, place: int, names: Sequence[str]) -> tuple[int, str] | None:
    """The name that begins at a place of a text, with an article before it or without, and where it ends; None for none."""
    for article in _ARTICLES:
        if text.startswith(article, place) and not (article and place and _is_of_word(text[place - 1])):
            found = _bare_name_from(text, place + len(article), names)
            if found is not None:
                return found
    return None


def _bare_name_from(text: str, place: int, names: Sequence[str]) -> tuple[int, str] | None:
    """``_name_from`` without an article: in quotes or not, and not within a word."""
    for quote in (text[place], "") if text[place : place + 1] in _QUOTES else ("",):
        start = place + len(quote)
        if start and _is_of_word(text[start - 1]):
            continue
        for name in names:
            end = start + len(name)
            if text.startswith(name, start) and not _is_of_word(text[end : end + 1]) and text.startswith(quote, end):
                return end + len(quote), name
    return None


def _is_of_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def within(words: Words, said: str, most: int) -> list[int] | None:
    """The first ``most`` words of a text with pointers; None where that leaves a pointer out: it is another question then."""
    ids = words.ids_of(said)
    pointers = [words.id(pointer) for pointer in POINTERS]
    return None if any(number in pointers for number in ids[most:]) else ids[:most]
