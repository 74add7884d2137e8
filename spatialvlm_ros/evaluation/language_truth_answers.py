"""What a right answer is: a number, true or false, one thing or two, or that there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .language_truth import Range, World, exactly, greatest, least, total
from .language_truth_conditions import Asked, Test

# A truth nearer than this to being otherwise is not judged, metres; a count has no such margin.
CLEAR_M = 0.003
NUMBER, COUNT, TRUTH, THINGS, NONE = "number", "count", "truth", "things", "none"
_UNKNOWN = exactly(np.nan)


@dataclass(frozen=True)
class Expected:
    """The right answer.

    Attributes:
        what: NUMBER, COUNT, TRUTH, THINGS, or NONE where there is no answer to be had.
        range: of a number, a count, or a truth's margin.
        things: by number, of THINGS.
        margin: how far the truth, the count or the choice is from being otherwise, metres; infinite for a number.
    """

    what: str
    range: Range = _UNKNOWN
    things: frozenset[int] = frozenset()
    margin: float = np.inf

    @property
    def clear(self) -> bool:
        return self.margin >= CLEAR_M


NO_ANSWER = Expected(NONE)


def number(value: Range) -> Expected:
    return Expected(NUMBER, value)


def truth(margin: Range) -> Expected:
    return Expected(TRUTH, margin, margin=margin.margin)


def counted(value: Range) -> Expected:
    """Of whole numbers; not judged where the range has two of them."""
    return Expected(COUNT, value, margin=np.inf if value.low == value.high else 0.0)


def best(candidates: Sequence[tuple[tuple[int, ...], Range]], rank: int = 1) -> Expected:
    """The candidate with the greatest range, or the one of a further rank."""
    if len(candidates) < rank:
        return NO_ANSWER
    order = sorted(candidates, key=lambda item: -item[1].value)
    chosen = order[rank - 1]
    above = [other.low - chosen[1].high for _, other in order[: rank - 1]]
    below = [chosen[1].low - other.high for _, other in order[rank:]]
    return Expected(THINGS, things=frozenset(chosen[0]), margin=min([*above, *below], default=np.inf))


def is_one(thing: int, found: Expected) -> Expected:
    """Whether a thing is the one of an answer."""
    if found.what == NONE:
        return NO_ANSWER
    margin = found.margin if found.things == {thing} else -found.margin
    return Expected(TRUTH, exactly(1.0 if found.things == {thing} else -1.0), margin=abs(margin) if found.margin >= 0 else -1.0)


# -- over sets of things ------------------------------------------------------------------------------------------------


def margins(world: World, members: Iterable[int], test: Test, asked: Asked) -> list[Range]:
    """A condition's margin of each thing but those that it would relate to themselves."""
    found = (test(world, thing, asked) for thing in members)
    return [margin for margin in found if margin is not None]


def number_with(found: Sequence[Range]) -> Range:
    """How many margins are above 0; the ends count those that are so, and that may be so, by more than ``CLEAR_M``."""
    return Range(
        float(sum(margin.holds for margin in found)),
        float(sum(margin.low >= CLEAR_M for margin in found)),
        float(sum(margin.high > -CLEAR_M for margin in found)),
    )


def any_of(found: Sequence[Range]) -> Range:
    return greatest(found) if found else exactly(-np.inf)


def all_of(found: Sequence[Range]) -> Expected:
    return truth(least(found)) if found else NO_ANSWER


def more(first: Range, second: Range) -> Range:
    """Whether one count is above another one."""
    return first - second - exactly(0.5)


def equal(first: Range, second: Range) -> Range:
    """Whether two counts are equal."""
    return exactly(0.5) - abs(first - second)


Value = Callable[[World, int], Range]


def values(world: World, members: Iterable[int], of: Value) -> list[Range]:
    return [of(world, thing) for thing in members]


def folded(how: str, found: Sequence[Range]) -> Expected:
    """sum, mean, max or min; no answer of nothing."""
    if not found:
        return NO_ANSWER
    if how in ("total", "mean"):
        return number(total(found).times(1.0 if how == "total" else 1.0 / len(found)))
    return number(greatest(found) if how == "max" else least(found))


def others(members: Iterable[int], *but: int) -> list[int]:
    return [thing for thing in members if thing not in but]


def pair_distances(world: World, members: Sequence[int]) -> list[tuple[tuple[int, ...], Range]]:
    return [(pair, world.of("distance", *pair)) for pair in combinations(members, 2)]


def backwards(candidates: Sequence[tuple[tuple[int, ...], Range]]) -> list[tuple[tuple[int, ...], Range]]:
    """For what is least instead of greatest."""
    return [(things, -value) for things, value in candidates]


# -- superlatives -------------------------------------------------------------------------------------------------------

_WORDS: dict[str, tuple[str, float]] = {
    "tallest": ("height", 1.0), "shortest": ("height", -1.0), "widest": ("width", 1.0), "thinnest": ("width", -1.0),
    "biggest": ("size", 1.0), "smallest": ("size", -1.0), "highest": ("middle", 1.0), "lowest": ("middle", -1.0),
    "leftmost": ("right", -1.0), "rightmost": ("right", 1.0), "frontmost": ("away", -1.0), "rearmost": ("away", 1.0),
}  # fmt: skip
SUPERLATIVES = tuple(_WORDS)


def superlative(world: World, word: str, members: Sequence[int], rank: int = 1) -> Expected:
    """The tallest, leftmost ... of some things."""
    measure, sign = _WORDS[word]
    candidates = [((thing,), _measured(world, measure, thing)) for thing in members]
    return best(candidates if sign > 0 else backwards(candidates), rank)


def _measured(world: World, measure: str, thing: int) -> Range:
    solid = world.solid(thing)
    if measure in ("height", "width"):
        return world.of(measure, thing)
    if measure == "size":
        return exactly(solid.size_m)
    direction = {"middle": np.array([0.0, 0.0, 1.0]), "right": world.truth.right, "away": world.truth.away}[measure]
    return exactly(float(solid.middle @ direction))


def reaching(world: World, word: str, members: Sequence[int], other: int) -> Expected:
    """The nearest or the farthest of some things, never the other one itself."""
    candidates = [((thing,), world.of("distance", thing, other)) for thing in members if thing != other]
    return best(backwards(candidates) if word == "nearest" else candidates)
