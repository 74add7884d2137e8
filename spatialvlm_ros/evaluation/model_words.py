"""Words for the things of the test scenes, and which things they fit: a table of our own, made apart from any training phrases.

A phrase is a colour and a noun, each with the words that mean the same, or one of the two alone. It fits a thing, does not, or
*may* fit it ("cup" for a mug): where it may fit a thing, neither "there", "not there" nor "several" is certain, and such a phrase
is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Sets = tuple[frozenset[str], frozenset[str]]  # what a word means for certain, and what it may mean


def _sets(certain: str, maybe: str = "") -> Sets:
    return frozenset(certain.split()), frozenset(maybe.split())


# Words of simulation/random_things.py first; then others that people use for the same.
COLORS: dict[str, Sets] = {
    "red": _sets("red"), "green": _sets("green", "turquoise"), "blue": _sets("blue", "turquoise"),
    "yellow": _sets("yellow"), "orange": _sets("orange"), "purple": _sets("purple"), "pink": _sets("pink"),
    "turquoise": _sets("turquoise"), "white": _sets("white", "grey"), "grey": _sets("grey", "white black"),
    "brown": _sets("brown", "black orange"), "black": _sets("black", "grey brown"),
}  # fmt: skip
COLOR_SYNONYMS: dict[str, tuple[str, Sets]] = {
    "crimson": ("red", _sets("red", "pink purple")), "scarlet": ("red", _sets("red", "orange")),
    "emerald": ("green", _sets("green", "turquoise")), "royal blue": ("blue", _sets("blue", "turquoise purple")),
    "golden": ("yellow", _sets("yellow", "orange brown")), "tangerine": ("orange", _sets("orange", "red")),
    "violet": ("purple", _sets("purple", "blue pink")), "rose": ("pink", _sets("pink", "red")),
    "teal": ("turquoise", _sets("turquoise", "blue green")), "cyan": ("turquoise", _sets("turquoise", "blue")),
    "off-white": ("white", _sets("white", "grey")), "gray": ("grey", _sets("grey", "white black")),
    "chocolate brown": ("brown", _sets("brown", "black orange")), "jet black": ("black", _sets("black", "grey brown")),
}  # fmt: skip
NOUNS: dict[str, Sets] = {
    "block": _sets("block", "box"), "box": _sets("box", "block book"), "book": _sets("book", "box"), "can": _sets("can"),
    "bottle": _sets("bottle"), "mug": _sets("mug", "cup"), "cup": _sets("cup", "mug"), "bowl": _sets("bowl", "cup"),
    "plate": _sets("plate"), "ball": _sets("ball"), "cone": _sets("cone"), "roll": _sets("roll"), "bracket": _sets("bracket"),
}  # fmt: skip
NOUN_SYNONYMS: dict[str, tuple[str, Sets]] = {
    "cube": ("block", _sets("block", "box")), "carton": ("box", _sets("box", "block book")),
    "package": ("box", _sets("box", "block book")), "paperback": ("book", _sets("book", "box")), "tin": ("can", _sets("can")),
    "cylinder": ("can", _sets("can", "bottle cup mug roll")), "flask": ("bottle", _sets("bottle")),
    "coffee mug": ("mug", _sets("mug", "cup")), "tumbler": ("cup", _sets("cup", "mug")),
    "dish": ("plate", _sets("plate", "bowl")), "saucer": ("plate", _sets("plate")), "sphere": ("ball", _sets("ball")),
    "ring": ("roll", _sets("roll")), "tape roll": ("roll", _sets("roll")), "angle bracket": ("bracket", _sets("bracket")),
}  # fmt: skip
WIDER: dict[str, Sets] = {
    "container": _sets("can bottle mug cup bowl box", "plate block roll cone"),
    "object": _sets(" ".join(NOUNS)), "thing": _sets(" ".join(NOUNS)),
}  # fmt: skip
# How often each kind of wording is drawn for a thing.
KINDS = {
    "plain": 0.35, "colour synonym": 0.15, "noun synonym": 0.2, "both synonyms": 0.08, "colour only": 0.12, "wider noun": 0.05,
    "noun only": 0.05,
}  # fmt: skip
_ABSENT_KINDS = {"plain": 0.5, "colour synonym": 0.15, "noun synonym": 0.2, "noun only": 0.1, "colour only": 0.05}
_ANY: Sets = (frozenset(COLORS), frozenset())
_TRIES = 12


@dataclass(frozen=True)
class Named:
    """What the words are about: a thing's colour and shape, in words of random_things."""

    color: str
    shape: str


# A carton of the room: nobody asks for it, but words for a box in a colour that cartons have may mean it.
CARTON = Named("carton", "box")
_CARTON_COLORS = frozenset({"brown", "grey", "white", "blue"})


@dataclass(frozen=True)
class Phrase:
    """Words with what they fit. ``kind`` is the kind of wording."""

    text: str
    kind: str
    color: Sets
    noun: Sets

    def fits(self, thing: Named) -> float:
        """1 it is one, 0 it is none, NaN it may be one."""
        if thing == CARTON:
            certain, maybe = self.noun
            return float("nan") if thing.shape in certain | maybe and self.color[0] & _CARTON_COLORS else 0.0
        sides = ((thing.color, self.color), (thing.shape, self.noun))
        if any(word not in certain | maybe for word, (certain, maybe) in sides):
            return 0.0
        return 1.0 if all(word in certain for word, (certain, _) in sides) else float("nan")


def count_of(phrase: Phrase, things: Iterable[Named]) -> float:
    """How many of the things it fits; NaN where it may fit one more."""
    return float(sum(phrase.fits(thing) for thing in things))


def named_of(name: str, shape: str) -> Named:
    """A thing by its name, "red can"."""
    return Named(name.removesuffix(f" {shape}"), shape)


def phrase_for(thing: Named, kind: str, generator: np.random.Generator) -> Phrase | None:
    """A phrase of a kind that fits the thing; None where there are no such words."""
    color, noun = (thing.color, COLORS[thing.color]), (thing.shape, NOUNS[thing.shape])
    if kind in ("colour synonym", "both synonyms"):
        found = [(word, sets) for word, (of, sets) in COLOR_SYNONYMS.items() if of == thing.color]
        if not found:
            return None
        color = found[int(generator.integers(len(found)))]
    if kind in ("noun synonym", "both synonyms"):
        found = [(word, sets) for word, (of, sets) in NOUN_SYNONYMS.items() if of == thing.shape]
        if not found:
            return None
        noun = found[int(generator.integers(len(found)))]
    if kind == "wider noun":
        noun = ("container", WIDER["container"])
    if kind == "colour only":
        word = ("thing", "object")[int(generator.integers(2))]
        noun = (word, WIDER[word])
    if kind == "noun only":
        return _if_fits(Phrase(noun[0], kind, _ANY, noun[1]), thing)
    return _if_fits(Phrase(f"{color[0]} {noun[0]}", kind, color[1], noun[1]), thing)


def _if_fits(phrase: Phrase, thing: Named) -> Phrase | None:
    return phrase if phrase.fits(thing) == 1.0 else None


def only_name(thing: Named, things: Sequence[Named], generator: np.random.Generator) -> Phrase | None:
    """Random words that fit this one of the things and no other; None where none were found."""
    kinds, weights = list(KINDS), np.array(list(KINDS.values()))
    for _ in range(_TRIES):
        phrase = phrase_for(thing, str(generator.choice(kinds, p=weights / weights.sum())), generator)
        if phrase is not None and count_of(phrase, things) == 1.0:
            return phrase
    return None


def absent_names(things: Sequence[Named], count: int, generator: np.random.Generator) -> list[Phrase]:
    """Words that fit nothing there, half of them hard: the colour of one thing with the noun of another, or a near miss."""
    found: dict[str, Phrase] = {}
    for attempt in range(8 * count):
        color, shape = str(generator.choice(list(COLORS))), str(generator.choice(list(NOUNS)))
        near = [thing for thing in things if thing != CARTON]
        if near and attempt % 2 == 0:
            one, other = (near[int(generator.integers(len(near)))] for _ in range(2))
            color, shape = (one.color, other.shape) if generator.random() < 0.5 else (one.color, shape)
        kind = str(
            generator.choice(
                ["plain", "colour synonym", "noun synonym", "noun only", "colour only"], p=[0.5, 0.15, 0.2, 0.1, 0.05]
            )
        )
        phrase = phrase_for(Named(color, shape), kind, generator)
        if phrase is not None and count_of(phrase, things) == 0.0:
            found.setdefault(phrase.text, phrase)
        if len(found) == count:
            break
    return list(found.values())


def several_names(asked: Sequence[Named], things: Sequence[Named], count: int, generator: np.random.Generator) -> list[Phrase]:
    """Words that for certain fit at least two of those that are ``asked`` for, which are among all ``things``."""
    found: dict[str, Phrase] = {}
    for at in generator.permutation(len(asked)):
        for kind in ("noun only", "colour only", "wider noun"):
            phrase = phrase_for(asked[at], kind, generator)
            if phrase is not None and count_of(phrase, asked) >= 2.0 and count_of(phrase, things) >= 2.0 and len(found) < count:
                found.setdefault(phrase.text, phrase)
    return list(found.values())
