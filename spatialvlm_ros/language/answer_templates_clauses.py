"""What an answer says of each relation, as clauses for the frames of ``answer_templates.py``.

The fields are {a}, {b}, {c}, {it} (a's pronoun), {amount} and {value}. A clause's first " is " or " would " is what "not"
follows.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One side of a dimension: "is to the left of", "further left" of two, and in a word or two."""

    of: str
    more: str
    word: str


# The two sides of each dimension: the first is the positive one.
DIMENSIONS: dict[str, tuple[Side, Side]] = {
    "left_or_right": (
        Side("to the left of", "further left", "to the left"),
        Side("to the right of", "further right", "to the right"),
    ),
    "above_or_below": (Side("higher than", "higher", "above"), Side("lower than", "lower", "below")),
    "behind_or_front": (Side("behind", "further back", "behind"), Side("in front of", "further forward", "in front")),
    "tall_or_short": (Side("taller than", "taller", "taller"), Side("shorter than", "shorter", "shorter")),
    "wide_or_thin": (Side("wider than", "wider", "wider"), Side("thinner than", "thinner", "thinner")),
    "big_or_small": (Side("bigger than", "bigger", "bigger"), Side("smaller than", "smaller", "smaller")),
}


def side_of(word: str) -> tuple[Side, Side]:
    """The side that a predicate's name means ("left", "tall"), and the opposite one. Raises KeyError for another word."""
    for name, (first, second) in DIMENSIONS.items():
        words = name.split("_or_")
        if word == words[0]:
            return first, second
        if word == words[1]:
            return second, first
    raise KeyError(f"'{word}' is no side of a dimension")


PREDICATES: dict[str, str] = {
    "on": "{a} is on {b}",
    "contained": "{a} is inside {b}",
    "fits_into": "{a} would fit into {b}",
    "touching": "{a} is touching {b}",
    "held": "{a} is held by {b}",
    "between": "{a} is between {b} and {c}",
    "fits_through": "{a} would fit between {b} and {c}",
    "reachable": "{a} is within {amount} of {b}",
}
ESTIMATES: dict[str, tuple[str, ...]] = {
    "distance": (
        "{a} is {value} away from {b}",
        "{a} and {b} are {value} apart",
        "the distance between them is {value}",
        "it is {value} from {a} to {b}",
    ),
    "gap": (
        "the room between {a} and {b} is {value}",
        "the gap between them is {value}",
        "there is {value} between {a} and {b}",
        "the clearance is {value}",
    ),
    "height": ("{a} is {value} tall", "{it} is {value} tall", "the height of {a} is {value}", "the height is {value}"),
    "width": ("{a} is {value} wide", "{it} is {value} wide", "the width of {a} is {value}", "the width is {value}"),
    "elevation": (
        "{a} is {value} above the table",
        "the bottom of {a} is {value} above the table",
        "the elevation of {a} is {value}",
        "the elevation is {value}",
    ),
    "vertical_distance": (
        "{a} and {b} are {value} apart vertically",
        "the vertical distance is {value}",
        "vertically, {a} is {value} from {b}",
        "the vertical distance between them is {value}",
    ),
    "horizontal_distance": (
        "{a} and {b} are {value} apart horizontally",
        "the horizontal distance is {value}",
        "horizontally, {a} is {value} from {b}",
        "the horizontal distance between them is {value}",
    ),
    "path_width": (
        "the way between {a} and {b} is {value} wide",
        "the way is {value} wide",
        "there is {value} to pass between them",
        "the width of the way is {value}",
    ),
    "direction": (
        "{a} is at {value} from {b}",
        "{it} is at {value}",
        "as for the direction, {a} is at {value}",
        "the direction from {b} to {a} is {value}",
    ),
    "nearest": (
        "{word} is nearest to {b}, {value} away",
        "{word} is the closest, at {value}",
        "the nearest one is {word}, {value} from {b}",
        "it is {word}, {value} away",
    ),
}
POINT_CLAUSES = (
    "the nearest surface is {value} away",
    "the point {amount} {side} {a} is {value} from the nearest surface",
    "the free space around the point is {value}",
    "the clearance is {value}",
)
POINT_SIDES = {
    "point_above": "above",
    "point_below": "below",
    "point_left": "to the left of",
    "point_right": "to the right of",
    "point_behind": "behind",
    "point_front": "in front of",
}
COUNT_CLAUSES = ("there {are} {value} {things}", "I can see {value} {things}", "I count {value} {things}", "there {are} {value}")
# A difference: how it is said for its own side and, when it is below zero, for the other one.
DIFFERENCES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "left_difference": (("to the left", "to the left of"), ("to the right", "to the right of")),
    "right_difference": (("to the right", "to the right of"), ("to the left", "to the left of")),
    "behind_difference": (("further back", "behind"), ("further forward", "further forward than")),
    "front_difference": (("further forward", "further forward than"), ("further back", "behind")),
    "above_difference": (("higher", "above"), ("lower", "below")),
    "below_difference": (("lower", "below"), ("higher", "above")),
}
