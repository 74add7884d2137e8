"""Random names of things, hard ones on purpose: with "and", "of" and "to the left of" in them, digits, hyphens and plurals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MAX_WORDS = 6


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BEFORE = _words(
    "red green blue dark light small big tall wide old round empty half-full wooden plastic metal shiny striped left right top "
    "front second first 2-liter 500ml 12-inch no.7 a4 usb-c stainless ice-cold paper toy coca-cola o'brien's children's #5 3d "
    "7up extra-large two three vitamin low-fat brand-new upside-down"
)
_NOUNS = _words(
    "cup mug can bottle box block ball book plate bowl cone roll bracket robot cable charger mouse knife shelf box-cutter "
    "lamp banana apple tray lid drill pen notebook battery keyboard jar sponge kettle phone wallet mat hinge screwdriver wrench "
    "cake sofa table chair bin tape spoon whisk crème gearbox"
)
_PLURALS = _words(
    "scissors pliers glasses headphones cans cups boxes batteries knives shelves fingers mice tweezers apples blocks keys gloves "
    "chips pens"
)
_JOINED = (
    ("and",), ("of",), ("with",), ("to", "the", "left", "of"), ("to", "the", "right", "of"), ("in", "front", "of"), ("behind",),
    ("on",), ("in",), ("under",), ("next", "to"), ("from",), ("between",), ("without",), ("near",), ("on", "the"), ("of", "the"),
    ("in", "the"), ("for",), ("above",), ("or",), ("than",), ("that", "is"),
)  # fmt: skip
# Words of which questions are made. Names of nothing else are rare, but they are names.
_QUESTIONS = _words(
    "is are how far what which the distance between and of to from than wide left right not height between with or gap on in "
    "taller 1 m 80 cm half nearest many table gripper"
)


def random_name(generator: np.random.Generator) -> str:
    """One name of 1 to ``MAX_WORDS`` words, in lower case and without a leading article."""
    chance = generator.random()
    if chance < 0.03:
        return _of_question_words(generator)
    count = int(generator.integers(1, MAX_WORDS + 1))
    if chance < 0.45 and count >= 3:
        joint = _JOINED[int(generator.integers(len(_JOINED)))]
        spare = count - len(joint)
        if spare >= 2:
            first = int(generator.integers(1, spare))
            return " ".join([*_phrase(generator, first), *joint, *_phrase(generator, spare - first)])
    return " ".join(_phrase(generator, count))


def _phrase(generator: np.random.Generator, count: int) -> list[str]:
    """``count`` words, the last of them a noun."""
    nouns = _PLURALS if generator.random() < 0.2 else _NOUNS
    before = [_BEFORE[i] for i in generator.integers(len(_BEFORE), size=count - 1)]
    return [*before, nouns[int(generator.integers(len(nouns)))]]


def _of_question_words(generator: np.random.Generator) -> str:
    words = [_QUESTIONS[i] for i in generator.integers(len(_QUESTIONS), size=int(generator.integers(1, MAX_WORDS + 1)))]
    name = " ".join(words)
    return f"{name} {_NOUNS[int(generator.integers(len(_NOUNS)))]}" if words[0] in ("the", "a", "an") else name


def random_names(seed: int) -> Iterator[str]:
    """Names without end, none twice; the same for the same seed."""
    generator = np.random.default_rng((seed, 23))
    seen: set[str] = set()
    while True:
        name = random_name(generator)
        if name not in seen and name.split()[0] not in ("the", "a", "an"):
            seen.add(name)
            yield name
