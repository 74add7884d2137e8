"""Conditions: what may be said of a thing behind "is": "left of the mug", "at least 10 cm tall", "closer to the can than B".

One table for every frame that a condition may stand in: "Is A ...?", "How many blocks are ...?", "Are all cans ... and ...?".
Conventions: "within", "at most" and "at least" take the limit in; "less", "more", "closer than" leave it out. Distances are
center to center; a thing is "within reach" where its nearest surface is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..expressions.tree import Apply, Tree
from ..language.patterns import Slot
from .build import SAME_M, Compare, Said, distance, gt, height, lt, metres, near, negated, no_less, no_more, op, sub, width
from .kinds import pattern_text

_MORE, _LESS = "(more than|over|above)", "(less than|under|below)"
_FARTHER, _CLOSER = "(farther|further)", "(closer|nearer)"
_AWAY = "(away|)"


@dataclass(frozen=True)
class Condition:
    """``build`` makes the tree of the condition for a thing; ``form`` as in ``kinds.py``, with the slots {b}, {c}, {n}, {m}, {k}.

    ``alone`` is false for a condition that is one relation of the registry.
    """

    key: str
    build: Callable[[Tree, Said], Tree]
    form: str
    alone: bool = True


_SAID = {
    "left": "(to the left of|on the left of|on the left side of|left of)",
    "right": "(to the right of|on the right of|on the right side of|right of)",
    "behind": "behind",
    "front": "in front of",
    "above": "(above|higher than|higher up than)",
    "below": "(below|lower than|lower down than)",
    "on": "(on|standing on|lying on|on top of)",
    "contained": "(inside|in|inside of)",
    "touching": "(touching|in contact with)",
    "held": "(held|grasped|gripped) by",
    "tall": "taller than",
    "short": "shorter than",
    "wide": "(wider|broader) than",
    "thin": "(thinner|narrower) than",
    "big": "(bigger|larger) than",
    "small": "smaller than",
}
_WAYS = {key: _SAID[key] for key in ("left", "right", "behind", "front")} | {"above": "above", "below": "below"}


# What is not taller is at most as tall.
_NO_MORE = {
    "tall": "(no taller than|at most as tall as)",
    "short": "(no shorter than|at least as tall as)",
    "wide": "(no wider than|no broader than|at most as wide as)",
    "thin": "(no thinner than|no narrower than|at least as wide as)",
    "big": "(no bigger than|no larger than|at most as big as)",
    "small": "(no smaller than|at least as big as)",
}


def _no_more(name: str) -> Callable[[Tree, Said], Tree]:
    return lambda x, s: negated(op(name, x, s.b))


def _relation(name: str) -> Callable[[Tree, Said], Tree]:
    return lambda x, s: op(name, x, s.b)


def _both(name: str) -> Callable[[Tree, Said], Tree]:
    return lambda x, s: op("and", op(name, x, s.b), op(name, x, s.c))


def _relations() -> Iterator[Condition]:
    for name, said in _SAID.items():
        yield Condition(name, _relation(name), f"{said} {{b}}", alone=False)
        if name not in ("on", "contained", "held"):
            yield Condition(f"{name}_both", _both(name), f"{said} both {{b}} and {{c}}")
    for name, said in _NO_MORE.items():
        yield Condition(f"no_{name}", _no_more(name), f"{said} {{b}}")
    yield Condition("between", lambda x, s: op("between", x, s.b, s.c), "(between|in between) {b} and {c}", alone=False)
    yield Condition(
        "reachable",
        lambda x, s: Apply("reachable", (x, s.b), s.n.value),
        "(within reach of {b} with (a|an) (arm|reach) of {n}|within (a|the|) reach of {n} (from|of) {b}|"
        "reachable (from|by|for) {b} with (a|an) (arm|reach) of {n}|reachable within {n} (from|of) {b})",
        alone=False,
    )


# The shorthand of a measure's words: adjective, comparative, opposite comparative, noun.
_MEASURES = {
    "height": (height, "(tall|high)", "taller", "shorter", "height"),
    "width": (width, "(wide|broad)", "(wider|broader)", "(narrower|thinner)", "width"),
}


def _measure_conditions(name: str) -> Iterator[Condition]:
    of, tall, taller, shorter, noun = _MEASURES[name]
    yield Condition(
        f"{name}_more", lambda x, s: gt(of(x), s.n), f"({taller} than {{n}}|{_MORE} {{n}} {tall}|{_MORE} {{n}} in {noun})"
    )
    yield Condition(
        f"{name}_less", lambda x, s: lt(of(x), s.n), f"({shorter} than {{n}}|{_LESS} {{n}} {tall}|{_LESS} {{n}} in {noun})"
    )
    yield Condition(
        f"{name}_least",
        lambda x, s: no_less(of(x), s.n),
        f"(at least {{n}} {tall}|no {shorter} than {{n}}|no less than {{n}} {tall}|{{n}} {tall} or {taller})",
    )
    yield Condition(
        f"{name}_most",
        lambda x, s: no_more(of(x), s.n),
        f"(at most {{n}} {tall}|no {taller} than {{n}}|no more than {{n}} {tall}|{{n}} {tall} or {shorter})",
    )
    yield Condition(f"{name}_range", lambda x, s: _in_range(of(x), s), f"<range> {tall}")
    yield Condition(
        f"{name}_by",
        lambda x, s: gt(sub(of(x), of(s.b)), s.n),
        f"({_MORE} {{n}} {taller} than {{b}}|{taller} than {{b}} by more than {{n}})",
    )
    yield Condition(
        f"{name}_by_least",
        lambda x, s: no_less(sub(of(x), of(s.b)), s.n),
        f"(at least {{n}} {taller} than {{b}}|{taller} than {{b}} by at least {{n}}|no less than {{n}} {taller} than {{b}})",
    )
    yield Condition(
        f"{name}_times",
        lambda x, s: gt(of(x), op("mul", s.times, of(s.b))),
        f"({_MORE} <times> as {tall} as {{b}}|{_MORE} <times> the {noun} of {{b}})",
    )
    yield Condition(
        f"{name}_times_least",
        lambda x, s: no_less(of(x), op("mul", s.times, of(s.b))),
        f"(at least <times> as {tall} as {{b}}|no less than <times> as {tall} as {{b}})",
    )
    yield Condition(
        f"{name}_same",
        lambda x, s: near(of(x), of(s.b), metres(SAME_M)),
        f"(about as {tall} as|(about|) the same {noun} as|of (about|) the same {noun} as) {{b}}",
    )
    yield Condition(
        f"{name}_same_within",
        lambda x, s: near(of(x), of(s.b), s.n),
        f"((about|) as {tall} as {{b}} (to|) within {{n}}|(of|) (about|) the same {noun} as {{b}} (to|) within {{n}})",
    )


def _in_range(value: Tree, s: Said) -> Tree:
    low, high = s.limits
    return op("and", no_less(value, low), no_more(value, high))


def _elevation_conditions() -> Iterator[Condition]:
    table = "(above|over|off) the (table|tabletop)"

    def of(x: Tree) -> Tree:
        return op("elevation", x)

    yield Condition("elevation_more", lambda x, s: gt(of(x), s.n), f"((more|higher) than|over) {{n}} {table}")
    yield Condition("elevation_less", lambda x, s: lt(of(x), s.n), f"((less|lower) than|under) {{n}} {table}")
    yield Condition("elevation_least", lambda x, s: no_less(of(x), s.n), f"(at least|no (lower|less) than) {{n}} {table}")
    yield Condition("elevation_most", lambda x, s: no_more(of(x), s.n), f"(at most|no (higher|more) than) {{n}} {table}")


def _distance_conditions() -> Iterator[Condition]:
    from_b = f"{_AWAY} from {{b}}"
    yield Condition(
        "distance_more",
        lambda x, s: gt(distance(x, s.b), s.n),
        f"((more|{_FARTHER}) than {{n}} {from_b}|over {{n}} {from_b}|{_FARTHER} {_AWAY} from {{b}} than {{n}})",
    )
    yield Condition(
        "distance_less",
        lambda x, s: lt(distance(x, s.b), s.n),
        f"((less|{_CLOSER}) than {{n}} {_AWAY} (from|to) {{b}}|under {{n}} {from_b}|"
        f"{_CLOSER} (to {{b}} than {{n}}|than {{n}} to {{b}}))",
    )
    yield Condition(
        "distance_least",
        lambda x, s: no_less(distance(x, s.b), s.n),
        f"((at least|no less than) {{n}} {from_b}|no {_CLOSER} (than {{n}} to {{b}}|to {{b}} than {{n}})|"
        f"{{n}} or (more|{_FARTHER}) {from_b})",
    )
    yield Condition(
        "distance_most",
        lambda x, s: no_more(distance(x, s.b), s.n),
        f"(within {{n}} of {{b}}|(at most|no more than|no {_FARTHER} than) {{n}} {from_b}|"
        f"no {_FARTHER} {_AWAY} from {{b}} than {{n}}|"
        f"{{n}} or (less|{_CLOSER}) {_AWAY} (from|to) {{b}})",
    )
    yield Condition("distance_range", lambda x, s: _in_range(distance(x, s.b), s), f"<range> {from_b}")
    yield Condition(
        "closer", lambda x, s: lt(distance(x, s.b), distance(s.c, s.b)), f"{_CLOSER} to {{b}} than {{c}} (is|)"
    )  # fmt: skip
    yield Condition(
        "farther", lambda x, s: gt(distance(x, s.b), distance(s.c, s.b)), f"{_FARTHER} {_AWAY} from {{b}} than {{c}} (is|)"
    )
    yield Condition("closer_to", lambda x, s: lt(distance(x, s.b), distance(x, s.c)), f"{_CLOSER} to {{b}} than to {{c}}")
    yield Condition(
        "farther_from",
        lambda x, s: gt(distance(x, s.b), distance(x, s.c)),
        f"{_FARTHER} {_AWAY} from {{b}} than from {{c}}",
    )
    yield Condition(
        "closer_by",
        lambda x, s: gt(sub(distance(s.c, s.b), distance(x, s.b)), s.n),
        f"({_MORE} {{n}} {_CLOSER} to {{b}} than {{c}} (is|)|{_CLOSER} to {{b}} than {{c}} by more than {{n}})",
    )
    yield Condition(
        "far_times",
        lambda x, s: gt(distance(x, s.b), op("mul", s.times, distance(s.c, s.b))),
        f"{_MORE} <times> as far {_AWAY} from {{b}} as {{c}} (is|)",
    )
    yield Condition(
        "far_same",
        lambda x, s: near(distance(x, s.b), distance(s.c, s.b), metres(SAME_M)),
        f"(about as far {_AWAY} from {{b}}|(about|) the same distance {_AWAY} from {{b}}|"
        "at (about|) the same distance from {b}) as {c} (is|)",
    )


def _way_conditions() -> Iterator[Condition]:
    for way, said in _WAYS.items():
        yield Condition(f"{way}_by", _by(f"{way}_difference", gt), f"(more than|over) {{n}} {said} {{b}}")
        yield Condition(f"{way}_by_least", _by(f"{way}_difference", no_less), f"(at least|no less than) {{n}} {said} {{b}}")


def _by(difference: str, compare: Compare) -> Callable[[Tree, Said], Tree]:
    return lambda x, s: compare(op(difference, x, s.b), s.n)


def _cross_conditions() -> Iterator[Condition]:
    yield Condition("tall_wide", lambda x, s: gt(height(x), width(s.b)), "taller than {b} is (wide|broad)")
    yield Condition("wide_tall", lambda x, s: gt(width(x), height(s.b)), "(wider|broader) than {b} is (tall|high)")


CONDITIONS: Mapping[str, Condition] = {
    condition.key: condition
    for condition in (
        *_relations(),
        *_measure_conditions("height"),
        *_measure_conditions("width"),
        *_elevation_conditions(),
        *_distance_conditions(),
        *_way_conditions(),
        *_cross_conditions(),
    )
}
_SLOT_RE = re.compile(r"\{(\w+):(\w+)\}")


def conditions_text(prefix: str) -> str:
    """All conditions as alternatives in the notation of patterns; the names of their slots tell which one was said."""
    ways = []
    for key, condition in CONDITIONS.items():
        ways.append(_SLOT_RE.sub(rf"{{{prefix}__{key}__\1:\2}}", pattern_text(condition.form)))
    return "(" + "|".join(ways) + ")"


def said_condition(slots: Mapping[str, Slot], prefix: str) -> Callable[[Tree], Tree]:
    """The condition that a reading's slots with this prefix say, as a function of the thing that it is about."""
    parts = [name.split("__") for name in slots if name.startswith(f"{prefix}__")]
    condition = CONDITIONS[parts[0][1]]
    said = Said({name.split("__")[2]: slots[name] for name in slots if name.startswith(f"{prefix}__")})
    return lambda x: condition.build(x, said)
