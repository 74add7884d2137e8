"""Question templates of the 30 comparisons: predicates, choices and classifications of the six dimensions.

Frames and phrases are combined, so that opposite words are asked in the same ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .template_text import expand_all


@dataclass(frozen=True)
class _Place:
    """Where a thing is: ``of`` stand before the other thing, ``more`` are what the one of two is that is further that way."""

    of: tuple[str, ...]
    more: tuple[str, str]


@dataclass(frozen=True)
class _Size:
    """How a thing measures: ``more`` as above; ``noun`` is ``degree`` than the other thing's."""

    more: tuple[str, str]
    noun: str
    degree: str


PLACES = {
    "left": _Place(("to the left of", "on the left side of", "left of"), ("further left", "more to the left")),
    "right": _Place(("to the right of", "on the right side of", "right of"), ("further right", "more to the right")),
    "above": _Place(("above", "higher than", "higher up than"), ("higher", "higher up")),
    "below": _Place(("below", "lower than", "lower down than"), ("lower", "lower down")),
    "behind": _Place(("behind", "further back than", "somewhere behind"), ("further back", "further behind")),
    "front": _Place(("in front of", "further forward than", "somewhere in front of"), ("further forward", "further in front")),
}
SIZES = {
    "tall": _Size(("taller", "greater in height"), "height", "greater"),
    "short": _Size(("shorter", "smaller in height"), "height", "smaller"),
    "wide": _Size(("wider", "broader"), "width", "greater"),
    "thin": _Size(("thinner", "narrower"), "width", "smaller"),
    "big": _Size(("bigger", "larger"), "size", "greater"),
    "small": _Size(("smaller", "smaller in size"), "size", "smaller"),
}
_PLACE_PAIRS = {
    "left_or_right": (
        "(to the left or to the right of|on the left or on the right of|left or right of)",
        "(on the left or on the right|further left or further right)",
        "left or right",
    ),
    "above_or_below": (
        "(above or below|higher or lower than|higher up or lower down than)",
        "(above or below|higher up or lower down)",
        "above or below",
    ),
    "behind_or_front": (
        "(behind or in front of|in front of or behind|further back or further forward than)",
        "(behind or in front|further back or further forward)",
        "behind or in front",
    ),
}
_SIZE_PAIRS = {
    "tall_or_short": ("taller", "shorter"),
    "wide_or_thin": ("wider", "thinner"),
    "big_or_small": ("bigger", "smaller"),
}


def _asked_of_place(place: _Place) -> tuple[str, ...]:
    of, more = f"({'|'.join(place.of)})", f"({'|'.join(place.more)})"
    return expand_all(
        f"Is {{a}} {of} {{b}}?",
        f"Does {{a}} lie {of} {{b}}?",
        f"Is it true that {{a}} is {of} {{b}}?",
        f"Would you say that {{a}} is {of} {{b}}?",
        f"Is {{a}} located {of} {{b}}?",
        f"(Compared to|Relative to) {{b}}, is {{a}} {more}?",
        f"Is {{a}} {place.more[1]} than {{b}}?",
        f"Is {{a}} {place.more[1]} when compared with {{b}}?",
    )


def _asked_of_size(size: _Size) -> tuple[str, ...]:
    more = f"({'|'.join(size.more)})"
    noun, degree = size.noun, size.degree
    return expand_all(
        f"Is {{a}} {more} than {{b}}?",
        f"Is it true that {{a}} is {more} than {{b}}?",
        f"Would you say that {{a}} is {more} than {{b}}?",
        f"(Compared to|Next to) {{b}}, is {{a}} {more}?",
        f"Is {{a}} {more} in comparison with {{b}}?",
        f"Is {{a}} {more} when compared with {{b}}?",
        f"Does {{a}} turn out to be {more} than {{b}}?",
        f"Does {{a}} have a {degree} {noun} than {{b}}?",
        f"Is the {noun} of {{a}} {degree} than (that|the {noun}) of {{b}}?",
        f"Is {{a}} the {size.more[0].split()[0]} one, compared with {{b}}?",
    )


def _which(more: tuple[str, str]) -> tuple[str, ...]:
    said = f"({'|'.join(more)})"
    return expand_all(
        f"Which is {said}, {{a}} or {{b}}?",
        f"Which one is {said}: {{a}} or {{b}}?",
        f"Which of {{a}} and {{b}} is {said}?",
        f"Between {{a}} and {{b}}, which is {said}?",
        f"Of {{a}} and {{b}}, which one is {said}?",
        f"Is {{a}} or {{b}} {said}?",
        f"Is it {{a}} or {{b}} that is {said}?",
        f"Comparing {{a}} and {{b}}, which one is {said}?",
        f"{{a}} or {{b}}: which is {said}?",
        f"Which of the two is {said}, {{a}} or {{b}}?",
    )


def _sides_of_place(of: str, alone: str, either: str) -> tuple[str, ...]:
    return expand_all(
        f"Is {{a}} {of} {{b}}?",
        f"Does {{a}} lie {of} {{b}}?",
        f"Would you say that {{a}} is {of} {{b}}?",
        f"Is {{a}} located {of} {{b}}?",
        f"(Relative to|With respect to|Compared to) {{b}}, is {{a}} {alone}?",
        f"Where is {{a}} with respect to {{b}}, {either}?",
        f"{either.capitalize()}: where is {{a}} relative to {{b}}?",
    )


def _sides_of_size(first: str, second: str) -> tuple[str, ...]:
    pair = f"({first} or {second}|{second} or {first})"
    return expand_all(
        f"Is {{a}} {pair} than {{b}}?",
        f"(Compared to|Next to) {{b}}, is {{a}} {pair}?",
        f"Would you call {{a}} {pair} than {{b}}?",
        f"Would you say that {{a}} is {pair} than {{b}}?",
        f"Is {{a}} {pair} in comparison with {{b}}?",
        f"Does {{a}} turn out {pair} than {{b}}?",
        f"Is {{a}} {pair} when compared with {{b}}?",
        f"Which is true of {{a}}: is it {pair} than {{b}}?",
        f"Does {{a}} count as {pair} when compared with {{b}}?",
    )


def comparison_templates() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(relation, templates) of all comparisons."""
    for word, place in PLACES.items():
        yield word, _asked_of_place(place)
        yield f"which_{word}", _which(place.more)
    for word, size in SIZES.items():
        yield word, _asked_of_size(size)
        yield f"which_{word}", _which(size.more)
    for name, (of, alone, either) in _PLACE_PAIRS.items():
        yield name, _sides_of_place(of, alone, either)
    for name, (first, second) in _SIZE_PAIRS.items():
        yield name, _sides_of_size(first, second)
