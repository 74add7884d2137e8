"""The truth of every condition that a composed question may put ("taller than the can", "within 30 cm of the mug").

A condition is told a thing and what else was said, and gives a margin that is above 0 where it holds; None where the thing would
be related to itself, which nobody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .language_truth import Range, World, exactly, greatest, least

SAME_M = 0.02


@dataclass(frozen=True)
class Asked:
    """What a question says, by the letters of its wording: things by number, descriptions, metres, a number."""

    things: Mapping[str, int]
    kinds: Mapping[str, tuple[int, ...]]
    lengths: Mapping[str, float]
    number: float = 0.0

    def __getitem__(self, letter: str) -> int:
        return self.things[letter]


@dataclass(frozen=True)
class Condition:
    """``partners``: which letters, "b" and "c", stand for other things in it. ``lengths``: which of n and m, drawn from where.

    ``margin`` takes the world, the thing and what was said.
    """

    partners: str
    margin: Callable[[World, int, Asked], Range]
    lengths: str = ""
    span_m: tuple[float, float] = (0.0, 0.0)
    takes_number: bool = False

    def __call__(self, world: World, thing: int, asked: Asked) -> Range | None:
        if any(asked[letter] == thing for letter in self.partners):
            return None
        return self.margin(world, thing, asked)


Measure = Callable[[World, int, Asked], Range]
CONDITIONS: dict[str, Condition] = {}
# Where lengths in questions about these are drawn from, metres.
_SPANS = {"height": (0.02, 0.25), "width": (0.03, 0.2), "elevation": (0.01, 0.2), "distance": (0.05, 0.6), "by": (0.005, 0.15)}
_FACTORS = (1.1, 3.0)


def limit(asked: Asked, letter: str = "n") -> Range:
    return exactly(asked.lengths[letter])


def near(first: Range, second: Range, within: Range) -> Range:
    return within - abs(first - second)


# -- relations ----------------------------------------------------------------------------------------------------------

_RELATIONS = (
    "left", "right", "behind", "front", "above", "below", "on", "contained", "touching", "held",
    "tall", "short", "wide", "thin", "big", "small",
)  # fmt: skip
_COMPARATIVES = ("tall", "short", "wide", "thin", "big", "small")


def _enter_relation(name: str) -> None:
    def margin(world: World, thing: int, asked: Asked) -> Range:
        return world.of(name, thing, asked["b"])

    def both(world: World, thing: int, asked: Asked) -> Range:
        return least([world.of(name, thing, asked["b"]), world.of(name, thing, asked["c"])])

    def no_more(world: World, thing: int, asked: Asked) -> Range:
        return -world.of(name, thing, asked["b"])

    CONDITIONS[name] = Condition("b", margin)
    CONDITIONS[f"{name}_both"] = Condition("bc", both)
    if name in _COMPARATIVES:
        CONDITIONS[f"no_{name}"] = Condition("b", no_more)


for _name in _RELATIONS:
    _enter_relation(_name)
CONDITIONS["between"] = Condition("bc", lambda world, x, asked: world.of("between", x, asked["b"], asked["c"]))
CONDITIONS["reachable"] = Condition(
    "b", lambda world, x, asked: world.of("reachable", x, asked["b"], amount=asked.lengths["n"]), "n", _SPANS["distance"]
)


# -- a measure against a length -----------------------------------------------------------------------------------------


def _enter_limits(name: str, partners: str, of: Measure, span_m: tuple[float, float]) -> None:
    """More, less, at least, at most, between; what is just at the limit is not judged, so that the first two of each are two."""

    def more(world: World, x: int, asked: Asked) -> Range:
        return of(world, x, asked) - limit(asked)

    def less(world: World, x: int, asked: Asked) -> Range:
        return limit(asked) - of(world, x, asked)

    def within(world: World, x: int, asked: Asked) -> Range:
        value = of(world, x, asked)
        return least([value - limit(asked), limit(asked, "m") - value])

    for key, margin in (("more", more), ("least", more), ("less", less), ("most", less)):
        CONDITIONS[f"{name}_{key}"] = Condition(partners, margin, "n", span_m)
    CONDITIONS[f"{name}_range"] = Condition(partners, within, "nm", span_m)


def _own(name: str) -> Measure:
    return lambda world, x, asked: world.of(name, x)


def _from_b(world: World, x: int, asked: Asked) -> Range:
    return world.of("distance", x, asked["b"])


for _name in ("height", "width", "elevation"):
    _enter_limits(_name, "", _own(_name), _SPANS[_name])
_enter_limits("distance", "b", _from_b, _SPANS["distance"])


# -- measures of two things ---------------------------------------------------------------------------------------------


def _enter_pair(name: str) -> None:
    """By how much, how many times, the same: of heights, of widths."""

    def by(world: World, x: int, asked: Asked) -> Range:
        return world.of(name, x) - world.of(name, asked["b"]) - limit(asked)

    def times(world: World, x: int, asked: Asked) -> Range:
        return world.of(name, x) - world.of(name, asked["b"]).times(asked.number)

    def same(world: World, x: int, asked: Asked) -> Range:
        return near(world.of(name, x), world.of(name, asked["b"]), exactly(SAME_M))

    def same_within(world: World, x: int, asked: Asked) -> Range:
        return near(world.of(name, x), world.of(name, asked["b"]), limit(asked))

    for end in ("", "_least"):
        CONDITIONS[f"{name}_by{end}"] = Condition("b", by, "n", _SPANS["by"])
        CONDITIONS[f"{name}_times{end}"] = Condition("b", times, takes_number=True)
    CONDITIONS[f"{name}_same"] = Condition("b", same)
    CONDITIONS[f"{name}_same_within"] = Condition("b", same_within, "n", _SPANS["by"])


_enter_pair("height")
_enter_pair("width")
CONDITIONS["tall_wide"] = Condition("b", lambda world, x, asked: world.of("height", x) - world.of("width", asked["b"]))
CONDITIONS["wide_tall"] = Condition("b", lambda world, x, asked: world.of("width", x) - world.of("height", asked["b"]))


# -- distances against distances ----------------------------------------------------------------------------------------


def _c_from_b(world: World, asked: Asked) -> Range:
    return world.of("distance", asked["c"], asked["b"])


def _closer(world: World, x: int, asked: Asked) -> Range:
    return _c_from_b(world, asked) - _from_b(world, x, asked)


def _closer_to(world: World, x: int, asked: Asked) -> Range:
    return world.of("distance", x, asked["c"]) - _from_b(world, x, asked)


CONDITIONS.update(
    closer=Condition("bc", _closer),
    farther=Condition("bc", lambda world, x, asked: -_closer(world, x, asked)),
    closer_to=Condition("bc", _closer_to),
    farther_from=Condition("bc", lambda world, x, asked: -_closer_to(world, x, asked)),
    closer_by=Condition("bc", lambda world, x, asked: _closer(world, x, asked) - limit(asked), "n", _SPANS["by"]),
    far_times=Condition(
        "bc", lambda world, x, asked: _from_b(world, x, asked) - _c_from_b(world, asked).times(asked.number), takes_number=True
    ),
    far_same=Condition("bc", lambda world, x, asked: near(_from_b(world, x, asked), _c_from_b(world, asked), exactly(SAME_M))),
)


# -- how far to a side --------------------------------------------------------------------------------------------------


def _enter_way(way: str) -> None:
    def by(world: World, x: int, asked: Asked) -> Range:
        return world.of(f"{way}_difference", x, asked["b"]) - limit(asked)

    for end in ("", "_least"):
        CONDITIONS[f"{way}_by{end}"] = Condition("b", by, "n", _SPANS["by"])


for _name in ("left", "right", "behind", "front", "above", "below"):
    _enter_way(_name)


# -- several conditions -------------------------------------------------------------------------------------------------

Test = Callable[[World, int, Asked], "Range | None"]


def bound(key: str, letters: Mapping[str, str]) -> Test:
    """A condition whose partners go by other letters in the wording."""
    condition = CONDITIONS[key]

    def test(world: World, thing: int, asked: Asked) -> Range | None:
        partners = {role: asked[letter] for role, letter in letters.items()}
        return condition(world, thing, replace(asked, things={**asked.things, **partners}))

    return test


def every(tests: list[Test]) -> Test:
    """All of them; a thing that one of them would relate to itself is not asked about."""

    def margin(world: World, x: int, asked: Asked) -> Range | None:
        known = [found for test in tests if (found := test(world, x, asked)) is not None]
        return least(known) if len(known) == len(tests) else None

    return margin


def some(tests: list[Test]) -> Test:
    """One of them; one that would relate the thing to itself does not hold, and the others decide."""

    def margin(world: World, x: int, asked: Asked) -> Range | None:
        known = [found for test in tests if (found := test(world, x, asked)) is not None]
        return greatest(known) if known else None

    return margin


def negated(test: Test) -> Test:
    def margin(world: World, x: int, asked: Asked) -> Range | None:
        found = test(world, x, asked)
        return None if found is None else -found

    return margin


FACTOR_SPAN = _FACTORS
