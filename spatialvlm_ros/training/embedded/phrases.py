"""Phrases that name things, as concepts that a thing must have, and in many wordings; and of which things each is true.

A phrase is true of a thing when all concepts that it needs are, and none that it denies; false when one is surely not so; else
open (NaN). So the truth of P phrases about N things is two products of 0/1 matrices, whatever the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .vocabulary import (
    COMPARING_WORDS,
    CONCEPT_INDEX,
    CONCEPTS,
    GENERIC_WORDS,
    NOUN_WORDS,
    NOUNS,
    NOUNS_ALIKE,
    PART_WORDS,
    PARTS,
    PATTERN_WORDS,
    PATTERNS,
    SHADE_WORDS,
    SHADES,
    SIZE_WORDS,
    SIZES,
    SUPERORDINATES,
    columns,
)
from .vocabulary_colors import COLOR_WORDS, COLORS

FloatArray = npt.NDArray[np.float32]

_DETERMINERS = ("", "", "", "the ", "the ", "the ", "a ", "that ", "this ", "my ")
_WORDS_OF_COLOR: dict[str, list[tuple[str, str]]] = {c: [] for c in COLORS}
for _word, (_color, _shade) in COLOR_WORDS.items():
    _WORDS_OF_COLOR[_color].append((_word, _shade))
_STATE_WORDS = {
    "lying": ("lying on its side", "lying down", "that lies on its side", "that has fallen over"),
    "standing": ("standing upright", "that stands upright"),
    "held": ("in the gripper", "held by the gripper", "in the hand", "that the gripper holds"),
    "on_top": ("on top", "on top of another thing"),
}
_PATTERN_NOUNS = {
    "striped": ("stripes", "bands"),
    "dotted": ("dots", "spots"),
    "checked": ("checks", "squares"),
    "speckled": ("speckles",),
}


@dataclass(frozen=True)
class Phrase:
    """What a name asks for.

    Attributes:
        noun: of vocabulary.NOUNS, "" for "thing".
        color, second: of COLORS; both: "red and white".
        shade, pattern, part, part_color, state, size: of their tables, "" none. pattern_color: "with white stripes".
        without: part that it must not have.
        text: one wording.
    """

    noun: str = ""
    color: str = ""
    second: str = ""
    shade: str = ""
    pattern: str = ""
    pattern_color: str = ""
    part: str = ""
    part_color: str = ""
    without: str = ""
    state: str = ""
    size: str = ""
    text: str = ""

    def needs(self) -> list[int]:
        """Columns of CONCEPTS that have to be true."""
        names = [
            *([f"noun:{self.noun}"] if self.noun else []),
            *([f"has:{self.color}", f"has:{self.second}"] if self.second else [f"color:{self.color}"] if self.color else []),
            *([f"shade:{self.shade}"] if self.shade else []),
            *([f"pattern:{self.pattern}"] if self.pattern else []),
            *([f"has:{self.pattern_color}"] if self.pattern_color else []),
            *([f"part:{self.part}"] if self.part else []),
            *([f"{self.part}:{self.part_color}"] if self.part_color else []),
            *([f"state:{self.state}"] if self.state else []),
            *([f"size:{self.size}"] if self.size else []),
        ]
        return [CONCEPT_INDEX[name] for name in names]

    def denies(self) -> list[int]:
        """Columns of CONCEPTS that have to be false."""
        return [CONCEPT_INDEX[f"part:{self.without}"]] if self.without else []


def truth(phrases: Sequence[Phrase], attributes: npt.NDArray[np.floating]) -> FloatArray:
    """(P, N) 1 true, 0 false, NaN open, of phrases about things with attributes (N, C). Raises ValueError for another C."""
    if attributes.ndim != 2 or attributes.shape[1] != len(CONCEPTS):
        raise ValueError(f"attributes are {attributes.shape}, expected (N, {len(CONCEPTS)})")
    needs = np.zeros((len(phrases), len(CONCEPTS)), dtype=np.float32)
    denies = np.zeros_like(needs)
    for row, phrase in enumerate(phrases):
        needs[row, phrase.needs()] = 1
        denies[row, phrase.denies()] = 1
    is_open = np.isnan(attributes)
    no = needs @ (attributes == 0).T.astype(np.float32) + denies @ (attributes == 1).T.astype(np.float32)
    unsure = (needs + denies) @ is_open.T.astype(np.float32)
    return np.where(no > 0, np.float32(0), np.where(unsure > 0, np.float32(np.nan), np.float32(1)))


class PhraseMaker:
    """Draws phrases; the same generator state gives the same phrases."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def about(self, attributes: npt.NDArray[np.floating], siblings: npt.NDArray[np.floating] | None = None) -> Phrase:
        """A phrase that is true of a thing (C,).

        With `siblings` (K, C), the other things on the image, it says more where less would name one of them too (not always:
        people are not always clear).
        """
        best = self._describe(attributes)
        for _ in range(3):
            if siblings is None or not len(siblings) or not (truth([best], siblings) == 1).any() or self._chance(0.15):
                break
            best = self._describe(attributes, more=True)
        return self.worded(best)

    def wrong_about(self, phrase: Phrase, attributes: npt.NDArray[np.floating]) -> Phrase:
        """The phrase with one part changed so that it is false of a thing (C,); the phrase itself where nothing will do."""
        changes = ["noun", "color", "pattern", "part_color", "part"]
        for kind in self.rng.permutation(len(changes)).tolist():
            changed = self._changed(phrase, changes[kind], attributes)
            if changed is not None and truth([changed], attributes[None])[0, 0] == 0:
                return self.worded(changed)
        return phrase

    def any(self) -> Phrase:
        """A phrase about nothing in particular."""
        u = self.rng.random(4)
        noun = self._pick(NOUNS) if u[0] < 0.75 else ""
        phrase = Phrase(noun, self._pick(COLORS) if u[1] < 0.7 or not noun else "")
        if u[2] < 0.15:
            phrase = replace(phrase, pattern=self._pick(PATTERNS))
        elif u[2] < 0.25:
            phrase = replace(phrase, part=self._pick(PARTS), part_color=self._pick(COLORS) if u[3] < 0.6 else "")
        return self.worded(phrase)

    def worded(self, phrase: Phrase) -> Phrase:
        """The same phrase in other words."""
        before, after = self._adjectives(phrase), []
        noun = self._noun_word(phrase.noun)
        if phrase.part:
            after.append(self._with_part(phrase))
        if phrase.without:
            after.append(f"without a {self._pick(PART_WORDS[phrase.without])}")
        if phrase.pattern_color and phrase.pattern in _PATTERN_NOUNS:
            what = self._pick(_PATTERN_NOUNS[phrase.pattern])
            after.append(f"with {self._color_word(phrase.pattern_color, '')[0]} {what}")
        if phrase.state in _STATE_WORDS:
            after.append(self._pick(_STATE_WORDS[phrase.state]))
        text = " ".join([*before, noun, *after])
        return replace(phrase, text=f"{self._pick(_DETERMINERS)}{text}")

    def _describe(self, attributes: npt.NDArray[np.floating], *, more: bool = False) -> Phrase:
        """Some of what is surely true, without words."""
        sure = attributes == 1
        noun = self._noun_of(sure)
        color = self._one(sure, "color", COLORS)
        has = [c for c, yes in zip(COLORS, sure[columns("has")], strict=True) if yes]
        phrase = Phrase(noun)
        if color and (more or not noun or self._chance(0.68)):
            phrase = replace(phrase, color=color)
            shade = self._one(sure, "shade", SHADES)
            if shade and self._chance(0.2):
                phrase = replace(phrase, shade=shade)
        elif len(has) >= 2 and self._chance(0.6):
            first, second = (has[i] for i in self.rng.permutation(len(has))[:2].tolist())
            phrase = replace(phrase, color=first, second=second)
        return self._detailed(phrase, sure, attributes, has, 0.5 if more else 0.22)

    def _detailed(
        self, phrase: Phrase, sure: npt.NDArray[np.bool_], attributes: npt.NDArray[np.floating], has: list[str], chance: float
    ) -> Phrase:
        pattern = self._one(sure, "pattern", PATTERNS)
        if pattern and self._chance(chance if pattern != "plain" else 0.1 * chance):
            phrase = replace(phrase, pattern=pattern)
            others = [c for c in has if c not in (phrase.color, phrase.second)]
            if pattern in _PATTERN_NOUNS and others and phrase.color and self._chance(0.5):
                phrase = replace(phrase, pattern_color=self._pick(others))
        part = self._one(sure, "part", PARTS)
        if part and self._chance(1.4 * chance):
            color = self._one(sure, part, COLORS)
            phrase = replace(phrase, part=part, part_color=color if self._chance(0.7) else "")
        elif phrase.noun in ("mug", "cup") and attributes[CONCEPT_INDEX["part:handle"]] == 0 and self._chance(0.1):
            phrase = replace(phrase, without="handle")
        state = self._one(sure, "state", tuple(_STATE_WORDS), ("lying", "standing", "held", "inside", "on_top"))
        if state and self._chance(0.3 * chance if state == "standing" else chance):
            phrase = replace(phrase, state=state)
        size = self._one(sure, "size", SIZES)
        if size and self._chance(0.5 * chance):
            phrase = replace(phrase, size=size)
        return phrase

    def _noun_of(self, sure: npt.NDArray[np.bool_]) -> str:
        nouns = [n for n, yes in zip(NOUNS, sure[columns("noun")], strict=True) if yes]
        if not nouns or self._chance(0.14):
            return ""
        plain = [n for n in nouns if n not in SUPERORDINATES]
        return self._pick(plain if plain and not self._chance(0.12) else nouns)

    def _changed(self, phrase: Phrase, kind: str, attributes: npt.NDArray[np.floating]) -> Phrase | None:
        """One part of a phrase replaced by another word of its kind."""
        if kind == "noun" and phrase.noun:
            alike = self._false(attributes, "noun", NOUNS, NOUNS_ALIKE.get(phrase.noun, ()))
            return replace(phrase, noun=alike if alike and self._chance(0.6) else self._false(attributes, "noun", NOUNS))
        if kind == "color" and (phrase.color or phrase.noun):
            return replace(phrase, color=self._false(attributes, "color", COLORS), second="", shade="")
        if kind == "pattern" and (phrase.pattern or self._chance(0.3)):
            return replace(phrase, pattern=self._false(attributes, "pattern", PATTERNS), pattern_color="")
        if kind == "part_color" and phrase.part:
            return replace(phrase, part_color=self._false(attributes, phrase.part, COLORS))
        if kind == "part" and self._chance(0.4):
            return replace(phrase, part=self._false(attributes, "part", PARTS), part_color="", without="")
        return None

    def _false(
        self, attributes: npt.NDArray[np.floating], family: str, names: Sequence[str], among: Sequence[str] | None = None
    ) -> str:
        """A name of a family that is surely false, of those ``among`` which it shall be; "" if there is none."""
        own = attributes[columns(family)]
        wrong = [n for n, value in zip(names, own, strict=True) if value == 0 and (among is None or n in among)]
        return self._pick(wrong) if wrong else ""

    def _one(self, sure: npt.NDArray[np.bool_], family: str, names: Sequence[str], order: Sequence[str] | None = None) -> str:
        """One that is sure, "" if none is."""
        yes = [n for n, y in zip(order or names, sure[columns(family)], strict=True) if y and n in names]
        return self._pick(yes) if yes else ""

    def _adjectives(self, phrase: Phrase) -> list[str]:
        words = []
        if phrase.size:
            words.append(self._pick(SIZE_WORDS[phrase.size]))
        elif self._chance(0.04):
            words.append(self._pick(COMPARING_WORDS))
        pattern = ""
        if phrase.pattern and not (phrase.pattern_color and phrase.pattern in _PATTERN_NOUNS):
            pattern = self._pick(PATTERN_WORDS[phrase.pattern])
        if pattern and self._chance(0.3):
            words.append(pattern)
            pattern = ""
        if phrase.second:
            words += [self._color_word(phrase.color, "")[0], "and", self._color_word(phrase.second, "")[0]]
        elif phrase.color:
            word, said = self._color_word(phrase.color, phrase.shade)
            words += [] if said or not phrase.shade else [self._pick(SHADE_WORDS[phrase.shade])]
            words.append(word)
        elif phrase.shade:
            words.append(self._pick(SHADE_WORDS[phrase.shade]))
        return [*words, pattern] if pattern else words

    def _color_word(self, color: str, shade: str) -> tuple[str, bool]:
        """A word for a colour, and whether it says the shade too."""
        own = _WORDS_OF_COLOR[color]
        if shade and self._chance(0.4):
            telling = [w for w, s in own if s == shade]
            if telling:
                return self._pick(telling), True
        mild = [w for w, s in own if not s]
        return (mild[0] if self._chance(0.75) else self._pick(mild)), False

    def _with_part(self, phrase: Phrase) -> str:
        part = self._pick(PART_WORDS[phrase.part])
        color = f"{self._color_word(phrase.part_color, '')[0]} " if phrase.part_color else ""
        article = "the" if self._chance(0.25) else "an" if (color or part)[0] in "aeiou" else "a"
        return f"{self._pick(('with', 'with', 'with', 'that has'))} {article} {color}{part}"

    def _noun_word(self, noun: str) -> str:
        if not noun:
            return self._pick(GENERIC_WORDS[:4])
        words = NOUN_WORDS[noun]
        return words[0] if self._chance(0.6) else self._pick(words)

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.random() * len(options))]

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


def all_words() -> tuple[str, ...]:
    """Every word that phrases are made of, sorted: a vocabulary for a text encoder."""
    texts: list[str] = [*COLOR_WORDS, *GENERIC_WORDS, *COMPARING_WORDS, "a an the that this my with without has and"]
    for table in (NOUN_WORDS, PATTERN_WORDS, PART_WORDS, SHADE_WORDS, SIZE_WORDS, _STATE_WORDS, _PATTERN_NOUNS):
        for words in table.values():
            texts += words
    return tuple(sorted({word for text in texts for word in text.replace("-", " ").split()}))
