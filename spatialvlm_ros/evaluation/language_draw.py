"""Questions about a scene: a kind's wording at random, about things at random, with what it says by its letters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..reasoning.grammar import composed_kinds, render
from .engine_facts import ANYTHING, TOOL
from .language_scenes import Posed
from .language_truth import GRIPPER
from .language_truth_conditions import CONDITIONS, FACTOR_SPAN, Asked

_LETTERS = "abcdef"
# Where lengths in kinds that are no frames are drawn from, metres; the first beginning that fits.
_SPANS_M = (
    ("gap_", (0.01, 0.4)), ("same_distance_within", (0.01, 0.15)), ("same_", (0.005, 0.1)), ("keeps_away", (0.005, 0.1)),
    ("way_", (0.2, 1.2)), ("stack_taller", (0.1, 0.8)), ("isosceles", (0.01, 0.2)), ("equilateral", (0.01, 0.2)),
    ("in_line", (0.01, 0.15)), ("pass_", (0.02, 0.4)), ("reaches_both", (0.1, 0.6)), ("is/distance", (0.05, 0.6)),
)  # fmt: skip
# The letter that the gripper may stand for.
_OF_GRIPPER = (
    ("nearest_of_named", "d"), ("nearest_of_two", "d"), ("nearest_of_counted", "a"), ("farthest_of_named", "d"),
    ("farthest_of_two", "d"), ("farthest_of_all", "a"), ("nearest_distance", "a"), ("farthest_distance", "a"),
    ("mean_distance", "a"), ("total_distance", "a"),
    ("is_nearest", "b"), ("is_farthest", "b"), ("also_nearest", "b"), ("way", "a"), ("round_trip", "a"), ("detour", "b"),
    ("distance_longer", "b"), ("how_much_closer", "b"), ("count/left", "b"), ("count/behind", "b"), ("any/distance", "b"),
    ("count/distance", "b"), ("count/reachable", "b"), ("is/distance", "b"), ("is/closer", "b"), ("reaches_both", "c"),
)  # fmt: skip
_GRIPPER_SHARE, _WRONG_COUNT_SHARE, _MEMBER_SHARE = 0.15, 0.15, 0.7
_COUNTED = ("nearest_of_counted", "farthest_of_counted", "all_counted/")
_OF_THREE = ("isosceles_of_three", "equilateral_of_three")


@dataclass(frozen=True)
class Question:
    """``candidates`` are the things that an answer may name, in the order in which they are said."""

    kind: str
    text: str
    asked: Asked
    candidates: tuple[int, ...]


def draw(posed: Posed, kind_id: str, generator: np.random.Generator) -> Question | None:
    """A question of a kind, or None where the scene has too few things for it."""
    fields = composed_kinds()[kind_id].fields
    letters = [letter for letter in _LETTERS if letter in fields]
    if len(letters) > len(posed.names):
        return None
    kinds, nouns = _nouns(posed, kind_id, fields, generator)
    chosen = [int(i) for i in generator.permutation(len(posed.names))[: len(letters)]]
    things = dict(zip(letters, chosen, strict=True))
    _favour(kind_id, things, kinds, generator)
    gripper = next((letter for start, letter in _OF_GRIPPER if kind_id.startswith(start)), "")
    if gripper in things and generator.random() < _GRIPPER_SHARE:
        things[gripper] = GRIPPER
    lengths = _lengths(kind_id, fields, generator)
    number = _number(kind_id, kinds, generator)
    wordings = composed_kinds()[kind_id].wordings
    index = int(generator.integers(len(wordings)))
    names = {letter: TOOL if thing == GRIPPER else posed.names[thing] for letter, thing in things.items()}
    text = render(kind_id, index, {**names, **nouns}, {**lengths, "k": number})
    # What a wording does not say is not asked for.
    said = set(re.findall(r"\{(\w+?)s?\}", wordings[index]))
    asked = Asked(things, {**kinds, ANYTHING: posed.nouns.get(ANYTHING, ())}, lengths, number)
    candidates = kinds["g"] if "g" in kinds and "g" in said else tuple(things[letter] for letter in letters)
    return Question(kind_id, text, asked, candidates)


def _nouns(
    posed: Posed, kind_id: str, fields: frozenset[str], generator: np.random.Generator
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """By letter, the things of a kind and how the kind is called."""
    words: list[str] = []
    for letter in "gh":
        if {letter, f"{letter}s"} & fields:
            words.append(_noun(posed, kind_id, [word for word in posed.nouns if word not in words], generator))
    found = dict(zip("gh", words, strict=False))
    return {letter: posed.nouns[word] for letter, word in found.items()}, found


def _noun(posed: Posed, kind_id: str, words: Sequence[str], generator: np.random.Generator) -> str:
    """Everything for every second, else mostly a kind that has several things."""
    if kind_id.startswith(_OF_THREE):
        three = [word for word in words if len(posed.nouns[word]) == 3]
        if three and generator.random() < 1 - _WRONG_COUNT_SHARE:
            return three[int(generator.integers(len(three)))]
    if ANYTHING in words and generator.random() < 0.5:
        return ANYTHING
    several = [word for word in words if len(posed.nouns[word]) > 1]
    some = several if several and generator.random() < 0.8 else list(words)
    return some[int(generator.integers(len(some)))]


def _favour(kind_id: str, things: dict[str, int], kinds: Mapping[str, tuple[int, ...]], generator: np.random.Generator) -> None:
    """Whether a thing is the tallest of some is mostly asked about one of them."""
    if kind_id.startswith("is_superlative_named/"):
        things["d"] = things["abc"[int(generator.integers(3))]]
    elif kind_id.startswith(("is_superlative/", "is_nearest", "is_farthest")) and generator.random() < _MEMBER_SHARE:
        members = [thing for thing in kinds["g"] if thing != things.get("b")]
        if members:
            things["a"] = members[int(generator.integers(len(members)))]


def _lengths(kind_id: str, fields: frozenset[str], generator: np.random.Generator) -> dict[str, float]:
    if "n" not in fields:
        return {}
    span = next((span for start, span in _SPANS_M if kind_id.startswith(start)), None)
    if span is None:
        keys = kind_id.partition("/")[2].split("+")
        span = next(CONDITIONS[key].span_m for key in keys if CONDITIONS[key].lengths)
    low = round(float(generator.uniform(*span)), 3)
    return {"n": low, "m": round(low + float(generator.uniform(0.02, span[1])), 3)} if "m" in fields else {"n": low}


def _number(kind_id: str, kinds: Mapping[str, tuple[int, ...]], generator: np.random.Generator) -> float:
    """A count, or how many times."""
    keys = kind_id.partition("/")[2].split("+")
    if any(key in CONDITIONS and CONDITIONS[key].takes_number for key in keys):
        return round(float(generator.uniform(*FACTOR_SPAN)), 1)
    if kind_id.startswith(_COUNTED):
        # "The 1 cans" is what nobody says.
        return float(max(2, len(kinds["g"]) + (generator.random() < _WRONG_COUNT_SHARE)))
    return float(generator.integers(1, 6))
