"""The right answer to every kind of composed question, from true things: a function for each, none of which reads a tree.

``truth_of_kind`` finds the function by the kind's id. A kind that the grammar gains needs its line here; the benchmark reports
every kind that has none, and has a gate on their number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from .language_truth import Range, World, exactly, greatest, least, total
from .language_truth_answers import (
    NO_ANSWER,
    Expected,
    number,
    others,
    truth,
)
from .language_truth_conditions import CONDITIONS, SAME_M, Asked, limit, near
from .language_truth_frames import frame_of
from .language_truth_sets import SETS, Answer, Quantity, abc, of_kind

LINE_M = 0.05
KINDS: dict[str, Answer] = {**SETS}


def truth_of_kind(kind_id: str) -> Answer | None:
    """The function that knows the right answer, or None for a kind that nobody has written one for."""
    if kind_id in KINDS:
        return KINDS[kind_id]
    head, _, rest = kind_id.partition("/")
    return frame_of(head, tuple(rest.split("+"))) if rest and all(key in CONDITIONS for key in rest.split("+")) else None


def _d(world: World, asked: Asked, letters: str) -> Range:
    """The way along these things, one after the other."""
    return total(world.of("distance", asked[first], asked[second]) for first, second in pairwise(letters))


def _m(name: str, letters: str) -> Callable[[World, Asked], Range]:
    return lambda world, asked: world.of(name, *(asked[letter] for letter in letters))


def _number(quantity: Quantity) -> Answer:
    return lambda world, asked: number(quantity(world, asked))


def _truth(margin: Quantity) -> Answer:
    return lambda world, asked: truth(margin(world, asked))


def _way(letters: str) -> Quantity:
    return lambda world, asked: _d(world, asked, letters)


def _less(first: Quantity, second: Quantity) -> Quantity:
    """The first minus the second."""
    return lambda world, asked: first(world, asked) - second(world, asked)


def _ratio(first: Quantity, second: Quantity) -> Quantity:
    return lambda world, asked: first(world, asked).over(second(world, asked))


def _apart(first: Quantity, second: Quantity) -> Quantity:
    return lambda world, asked: abs(first(world, asked) - second(world, asked))


def _alike(first: Quantity, second: Quantity, within: Quantity) -> Quantity:
    return lambda world, asked: near(first(world, asked), second(world, asked), within(world, asked))


def _n(world: World, asked: Asked) -> Range:
    return limit(asked)


def _same(world: World, asked: Asked) -> Range:
    return exactly(SAME_M)


# -- two distances ------------------------------------------------------------------------------------------------------

_ab, _cb, _cd, _ac = _way("ab"), _way("cb"), _way("cd"), _way("ac")
KINDS.update(
    distance_longer=_truth(_less(_ab, _cd)),
    distance_shorter=_truth(_less(_cd, _ab)),
    how_much_closer=_number(_less(_cb, _ab)),
    how_much_farther=_number(_less(_ab, _cb)),
    how_much_closer_to=_number(_less(_ac, _ab)),
    times_as_far=_number(_ratio(_ab, _cb)),
    ratio_distances=_number(_ratio(_ab, _cd)),
    difference_distances=_number(_apart(_ab, _cd)),
    same_distance=_truth(_alike(_ab, _cb, _same)),
    same_distance_within=_truth(_alike(_ab, _cb, _n)),
)

# -- gaps ---------------------------------------------------------------------------------------------------------------

_gap_ab, _gap_cd, _width_c = _m("gap", "ab"), _m("gap", "cd"), _m("width", "c")
KINDS.update(
    gap_more=_truth(_less(_gap_ab, _n)),
    gap_least=_truth(_less(_gap_ab, _n)),
    gap_less=_truth(_less(_n, _gap_ab)),
    gap_most=_truth(_less(_n, _gap_ab)),
    gap_wider=_truth(_less(_gap_ab, _gap_cd)),
    gap_narrower=_truth(_less(_gap_cd, _gap_ab)),
    gap_wider_than_thing=_truth(_less(_gap_ab, _width_c)),
    gap_narrower_than_thing=_truth(_less(_width_c, _gap_ab)),
)


def _keeps_away(world: World, asked: Asked) -> Expected:
    found = [world.of("gap", thing, asked["a"]) - limit(asked) for thing in others(asked.kinds["object"], asked["a"])]
    return truth(least(found)) if found else NO_ANSWER


KINDS["keeps_away"] = _keeps_away

# -- heights and widths of two things -----------------------------------------------------------------------------------

for _name, _larger, _smaller in (("height", "taller", "shorter"), ("width", "wider", "narrower")):
    _of_a, _of_b = _m(_name, "a"), _m(_name, "b")
    KINDS[f"how_much_{_larger}"] = _number(_less(_of_a, _of_b))
    KINDS[f"how_much_{_smaller}"] = _number(_less(_of_b, _of_a))
    KINDS[f"difference_{_name}"] = _number(_apart(_of_a, _of_b))
    KINDS[f"times_{_name}"] = _number(_ratio(_of_a, _of_b))
    KINDS[f"same_{_name}"] = _truth(_alike(_of_a, _of_b, _same))
    KINDS[f"same_{_name}_within"] = _truth(_alike(_of_a, _of_b, _n))
KINDS["same_elevation"] = _truth(_alike(_m("elevation", "a"), _m("elevation", "b"), _same))
KINDS["taller_than_wide"] = _truth(_less(_m("height", "a"), _m("width", "a")))
KINDS["wider_than_tall"] = _truth(_less(_m("width", "a"), _m("height", "a")))

# -- ways ---------------------------------------------------------------------------------------------------------------

KINDS.update(
    way=_number(_way("abc")),
    way_over=_number(_way("abc")),
    way_of_four=_number(_way("abcd")),
    round_trip=_number(_way("abca")),
    detour=_number(_less(_way("abc"), _ac)),
    way_longer=_truth(_less(_way("abc"), _n)),
    way_shorter=_truth(_less(_n, _way("abc"))),
    way_longer_than_way=_truth(_less(_way("acb"), _way("adb"))),
    way_shorter_than_way=_truth(_less(_way("adb"), _way("acb"))),
)

# -- triangles ----------------------------------------------------------------------------------------------------------


def _sides(world: World, corners: list[int]) -> list[Range]:
    a, b, c = corners
    return [world.of("distance", a, b), world.of("distance", b, c), world.of("distance", c, a)]


def _two_alike(within: Quantity, members: Callable[[Asked], list[int]], world: World, asked: Asked) -> Expected:
    if len(members(asked)) != 3:
        return NO_ANSWER
    first, second, third = _sides(world, members(asked))
    pairs = ((first, second), (second, third), (third, first))
    return truth(greatest(near(one, other, within(world, asked)) for one, other in pairs))


def _all_alike(within: Quantity, members: Callable[[Asked], list[int]], world: World, asked: Asked) -> Expected:
    if len(members(asked)) != 3:
        return NO_ANSWER
    sides = _sides(world, members(asked))
    return truth(within(world, asked) - (greatest(sides) - least(sides)))


KINDS.update(
    isosceles=partial(_two_alike, _same, abc),
    isosceles_within=partial(_two_alike, _n, abc),
    isosceles_of_three=partial(_two_alike, _same, of_kind),
    isosceles_by_rule=partial(_all_alike, _n, abc),
    isosceles_of_three_by_rule=partial(_all_alike, _n, of_kind),
    equilateral=partial(_all_alike, _same, abc),
    equilateral_within=partial(_all_alike, _n, abc),
    equilateral_of_three=partial(_all_alike, _same, of_kind),
    perimeter=_number(_way("abca")),
)


def _area(world: World, asked: Asked) -> float:
    """By the cross product of two sides."""
    a, b, c = (world.solid(thing).middle for thing in abc(asked))
    return float(np.linalg.norm(np.cross(b - a, c - a))) / 2


def _in_line(within: Quantity, world: World, asked: Asked) -> Range:
    """How much less than the tolerance the corner across from the longest side is off it."""
    return within(world, asked) - exactly(2 * _area(world, asked) / greatest(_sides(world, abc(asked))).value)


def _right_angle(world: World, asked: Asked) -> Range:
    legs = np.hypot(world.of("distance", asked["a"], asked["b"]).value, world.of("distance", asked["a"], asked["c"]).value)
    return near(exactly(float(legs)), world.of("distance", asked["b"], asked["c"]), exactly(SAME_M))


KINDS.update(
    area=_number(lambda world, asked: exactly(_area(world, asked))),
    right_angle=_truth(_right_angle),
    in_line=_truth(partial(_in_line, lambda world, asked: exactly(LINE_M))),
    in_line_within=_truth(partial(_in_line, _n)),
)

# -- passing, fitting, reaching -----------------------------------------------------------------------------------------

_path_ab, _path_cd = _m("path_width", "ab"), _m("path_width", "cd")


def _side_by_side(world: World, asked: Asked) -> Range:
    return _path_cd(world, asked) - world.of("width", asked["a"]) - world.of("width", asked["b"])


def _reaches_both(world: World, asked: Asked) -> Range:
    return least(world.of("reachable", asked[letter], asked["c"], amount=asked.lengths["n"]) for letter in "ab")


KINDS.update(
    pass_width=_truth(_less(_path_ab, _n)),
    pass_spare=_number(_less(_path_ab, _n)),
    passage_wider=_truth(_less(_path_ab, _path_cd)),
    passage_narrower=_truth(_less(_path_cd, _path_ab)),
    side_by_side=_truth(_side_by_side),
    fits_under=_truth(_less(_m("elevation", "b"), _m("height", "a"))),
    reaches_both=_truth(_reaches_both),
)
