"""Phrases as numbers of words: a list of words and some spelling, no more. What words mean is learnt, not written here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
_ARTICLES = frozenset(("the", "a", "an", "this", "that", "my", "your", "its", "please", "some", "any"))
_SPELLINGS = {
    "grey": "gray", "colour": "color", "coloured": "colored", "orangish": "orange", "doughnut": "donut", "tumbler": "cup",
}  # fmt: skip
# Fruit that gives its colour to what is named behind it.
_COLORS_OF_FRUIT = {"tangerine": "orange", "lemon": "yellow", "tomato": "red"}
# Words that people use and phrases of the training do not: the nearest word that they do.
_NEAREST = {
    word: known
    for known, words in {
        "red": "ruby cherry burgundy vermilion carmine",
        "orange": "apricot ochre",
        "yellow": "lemony mustard canary",
        "green": "emerald jade mint khaki forest",
        "blue": "sapphire cobalt indigo ultramarine",
        "turquoise": "aqua aquamarine",
        "purple": "lavender plum mauve aubergine amethyst",
        "pink": "fuchsia salmon coral",
        "brown": "chocolate bronze mahogany walnut",
        "black": "ebony jet onyx",
        "gray": "charcoal slate graphite",
        "white": "snow pearl eggshell",
        "beige": "sand sandy",
        "box": "crate case pack",
        "book": "paperback novel hardcover booklet",
        "bottle": "thermos",
        "cup": "goblet chalice",
        "mug": "stein",
        "bowl": "basin",
        "plate": "platter",
        "ball": "globe marble",
        "cylinder": "drum",
        "cone": "funnel",
    }.items()
    for word in words.split()
}
#: Behind these words stands what a thing has or where it is, so that its noun stands before them.
HEAD_ENDS = frozenset(("with", "without", "of", "that", "which", "on", "in", "at", "by", "near", "from", "for", "having"))


@dataclass(frozen=True)
class Encoded:
    """Phrases as numbers.

    Attributes:
        ids: (P, L) int64, 0 behind the end.
        understood: (P,) bool, whether the noun that a phrase is about is known (or its adjectives, where it has no noun).
        unknown: the words of each phrase that are not known.
    """

    ids: npt.NDArray[np.int64]
    understood: npt.NDArray[np.bool_]
    unknown: tuple[tuple[str, ...], ...]


class PhraseTokenizer:
    """Words to numbers, by a list whose first two entries are SPECIAL.

    Raises:
        ValueError: for another beginning of the list.
    """

    def __init__(self, words: Sequence[str], max_words: int = 16) -> None:
        if tuple(words[:2]) != SPECIAL:
            raise ValueError(f"a vocabulary starts with {SPECIAL}, not with {tuple(words[:2])}")
        self.words = tuple(words)
        self.max_words = max_words
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def split(self, phrase: str) -> list[str]:
        """Words of a phrase as the vocabulary spells them: lower case, no articles, singular where only that is known."""
        found = [_SPELLINGS.get(word, word) for word in re.findall(r"[^\W_]+", phrase.lower()) if word not in _ARTICLES]
        behind = [*found[1:], "with"][: len(found)]
        colored = [
            word if after in HEAD_ENDS else _COLORS_OF_FRUIT.get(word, word) for word, after in zip(found, behind, strict=True)
        ]
        known = [self._known_form(word) for word in colored]
        # "Jet black" is black, and to ask for that twice would be to ask for more.
        return [word for place, word in enumerate(known) if place == 0 or word != known[place - 1]]

    def _known_form(self, word: str) -> str:
        if word in self._numbers:
            return word
        if _NEAREST.get(word, "") in self._numbers:
            return _NEAREST[word]
        forms = [
            word[:-3] + "y" if word.endswith("ies") else "",
            word[:-2] if word.endswith("es") else "",
            word.removesuffix("s"),
        ]
        return next((form for form in forms if form in self._numbers), word)

    def encode(self, phrases: Sequence[str]) -> Encoded:
        """Numbers of phrases; no phrases give shape (0, 1).

        A word that is not known is left out beside others that are: it has never been seen and would say anything.
        """
        split = [self.split(phrase) for phrase in phrases]
        rows = [
            ([self._numbers[word] for word in words if word in self._numbers] or [UNKNOWN] * len(words[:1]))[: self.max_words]
            for words in split
        ]
        ids = np.zeros((len(rows), max(1, max(map(len, rows), default=1))), np.int64)
        for row, numbers in zip(ids, rows, strict=True):
            row[: len(numbers)] = numbers
        understood = np.array([self._understood(words) for words in split], bool)
        unknown = tuple(tuple(word for word in words if word not in self._numbers) for words in split)
        return Encoded(ids, understood, unknown)

    def _understood(self, words: Sequence[str]) -> bool:
        end = next((place for place, word in enumerate(words) if word in HEAD_ENDS), len(words))
        head = words[:end] or words
        return bool(head) and head[-1] in self._numbers
