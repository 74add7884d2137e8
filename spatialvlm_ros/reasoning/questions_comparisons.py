"""Composed questions that compare two measurements, or say by how much two of them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..expressions.tree import Tree
from .build import COMPARE, SAME_M, Build, distance, gap, given, gt, height, lt, metres, near, op, sub, width
from .kinds import Group, group

_FAR, _CLOSE = "(farther|further)", "(closer|nearer)"
_LARGER, _SMALLER = "(larger|greater|longer|bigger)", "(smaller|shorter|less)"
_CD = "(that|the distance|the one) (between {c} and {d}|from {c} to {d})"
_AB = "(between {a} and {b}|from {a} to {b})"
_UNITS = "(centimeters|meters|cm|millimeters|inches|feet)"
_MEASURES = {
    "height": (height, "(tall|high)", (("taller", 1), ("shorter", -1))),
    "width": (width, "(wide|broad)", (("wider", 1), ("narrower", -1))),
}
_WORDS = {"taller": "taller", "shorter": "shorter", "wider": "(wider|broader)", "narrower": "(narrower|thinner)"}


def _distances() -> Iterator[Group]:
    yield group(
        "distance_longer",
        "whether A is farther from B than C from D",
        lambda s: gt(distance(s.a, s.b), distance(s.c, s.d)),
        f"Is the distance {_AB} {_LARGER} than {_CD}?",
        f"Are {{a}} and {{b}} {_FAR} apart than {{c}} and {{d}} (are|)?",
        f"Is {{a}} {_FAR} (away|) from {{b}} than {{c}} (is|) from {{d}}?",
    )
    yield group(
        "distance_shorter",
        "whether A is closer to B than C to D",
        lambda s: lt(distance(s.a, s.b), distance(s.c, s.d)),
        f"Is the distance {_AB} {_SMALLER} than {_CD}?",
        f"Are {{a}} and {{b}} {_CLOSE} together than {{c}} and {{d}} (are|)?",
        f"Is {{a}} {_CLOSE} to {{b}} than {{c}} is to {{d}}?",
    )
    for key, apart, than in (
        ("more", "(more|farther|further) than", f"(more|{_LARGER}) than"),
        ("less", "(less|closer) than", f"(less|{_SMALLER}) than"),
        ("least", "(at least|no less than)", "(at least|no less than)"),
        ("most", "(at most|no more than)", "(at most|no more than)"),
    ):
        yield group(
            f"is/distance_{key}",
            "",
            given(lambda s, key: COMPARE[key](distance(s.a, s.b), s.n), key),
            f"Are {{a}} and {{b}} {apart} {{n}} apart?",
            f"Is the distance {_AB} {than} {{n}}?",
            f"Is {{a}} (away|separated) from {{b}} by {apart} {{n}}?",
        )
    yield group(
        "how_much_closer",
        "the distance of C from B less the distance of A from B",
        lambda s: sub(distance(s.c, s.b), distance(s.a, s.b)),
        f"How much {_CLOSE} to {{b}} is {{a}} than {{c}} (is|)?",
        f"How much {_CLOSE} is {{a}} to {{b}} than {{c}} (is|)?",
        f"By how much is {{a}} {_CLOSE} to {{b}} than {{c}} (is|)?",
        f"How many {_UNITS} {_CLOSE} to {{b}} is {{a}} than {{c}}?",
    )
    yield group(
        "how_much_farther",
        "the distance of A from B less the distance of C from B",
        lambda s: sub(distance(s.a, s.b), distance(s.c, s.b)),
        f"How much {_FAR} (away|) from {{b}} is {{a}} than {{c}} (is|)?",
        f"How much {_FAR} (away|) is {{a}} from {{b}} than {{c}} (is|)?",
        f"By how much is {{a}} {_FAR} (away|) from {{b}} than {{c}} (is|)?",
    )
    yield group(
        "how_much_closer_to",
        "the distance of A from C less the distance of A from B",
        lambda s: sub(distance(s.a, s.c), distance(s.a, s.b)),
        f"How much {_CLOSE} is {{a}} to {{b}} than to {{c}}?",
        f"By how much is {{a}} {_CLOSE} to {{b}} than to {{c}}?",
        f"How much {_CLOSE} to {{b}} than to {{c}} is {{a}}?",
    )
    yield group(
        "times_as_far",
        "the distance of A from B over the distance of C from B",
        lambda s: op("ratio", distance(s.a, s.b), distance(s.c, s.b)),
        "How many times as far (away|) from {b} as {c} is {a}?",
        "How many times as far (away|) from {b} is {a} as {c} (is|)?",
        "How many times as far is {a} from {b} as {c} (is|)?",
    )
    yield group(
        "ratio_distances",
        "the distance from A to B over the distance from C to D",
        lambda s: op("ratio", distance(s.a, s.b), distance(s.c, s.d)),
        f"How many times as (long|large) as {_CD} is the distance {_AB}?",
        f"How many times {_CD} is the distance {_AB}?",
        f"What is the ratio of the distance {_AB} to {_CD}?",
    )
    yield group(
        "difference_distances",
        "how much the distance from A to B and the distance from C to D differ",
        lambda s: op("abs", sub(distance(s.a, s.b), distance(s.c, s.d))),
        f"How much do the distances {_AB} and (from {{c}} to {{d}}|between {{c}} and {{d}}) differ?",
        f"By how much does the distance {_AB} differ from {_CD}?",
        f"What is the difference between the distance {_AB} and {_CD}?",
    )
    yield group(
        "same_distance",
        "whether the distances of A and of C from B differ by less than 2 cm",
        lambda s: near(distance(s.a, s.b), distance(s.c, s.b), metres(SAME_M)),
        "Are {a} and {c} (about|) equally far (away|) from {b}?",
        "Are {a} and {c} (about|) the same distance (away|) from {b}?",
        "Are {a} and {c} at (about|) the same distance from {b}?",
    )
    yield group(
        "same_distance_within",
        "whether the distances of A and of C from B differ by less than N",
        lambda s: near(distance(s.a, s.b), distance(s.c, s.b), s.n),
        "Are {a} and {c} (about|) equally far (away|) from {b}, (to|) within {n}?",
        "Are {a} and {c} (about|) the same distance (away|) from {b}, (to|) within {n}?",
        "Are {a} and {c} at (about|) the same distance from {b}, (to|) within {n}?",
    )


def _gaps() -> Iterator[Group]:
    gap_ab, wide, narrow = "the (gap|space|clearance) between {a} and {b}", "(wider|larger|bigger)", "(narrower|smaller)"
    for key, than in (
        ("more", f"(more|{wide}) than"),
        ("less", f"(less|{narrow}) than"),
        ("least", "(at least|no less than)"),
        ("most", "(at most|no more than)"),
    ):
        amount = than.replace(f"(more|{wide})", "more").replace(f"(less|{narrow})", "less")
        yield group(
            f"gap_{key}",
            f"whether the gap between A and B is {key} than, or at {key}, N",
            given(lambda s, key: COMPARE[key](gap(s.a, s.b), s.n), key),
            f"Is {gap_ab} {than} {{n}} (wide|)?",
            f"Is there {amount} {{n}} (of|) (free space|space|room|clearance) between {{a}} and {{b}}?",
            f"Are the (nearest|closest) (surfaces|points) of {{a}} and {{b}} {amount} {{n}} apart?",
        )
    for key, compare, than in (("wider", "more", wide), ("narrower", "less", narrow)):
        yield group(
            f"gap_{key}",
            f"whether the gap between A and B is {key} than that between C and D",
            given(lambda s, compare: COMPARE[compare](gap(s.a, s.b), gap(s.c, s.d)), compare),
            f"Is {gap_ab} {than} than (that|the gap|the one|the space) between {{c}} and {{d}}?",
            f"Is there {compare} (free|) (space|room) between {{a}} and {{b}} than between {{c}} and {{d}}?",
            f"Is it true that {gap_ab} is {than} than (that|the gap|the one) between {{c}} and {{d}}?",
        )
        yield group(
            f"gap_{key}_than_thing",
            f"whether the gap between A and B is {key} than C is wide",
            given(lambda s, compare: COMPARE[compare](gap(s.a, s.b), width(s.c)), compare),
            f"Is {gap_ab} {than} than {{c}} (is|is wide|)?",
            f"Is it true that {gap_ab} is {than} than {{c}}?",
            f"Is {gap_ab} {than} than the width of {{c}}?",
        )


def _by(of: Callable[[Tree], Tree], sign: int) -> Build:
    return lambda s: sub(of(s.a), of(s.b)) if sign > 0 else sub(of(s.b), of(s.a))


def _sizes() -> Iterator[Group]:
    for name, (of, tall, ways) in _MEASURES.items():
        for word, sign in ways:
            more = _WORDS[word]
            yield group(
                f"how_much_{word}",
                f"by how much A is {word} than B",
                _by(of, sign),
                f"How much {more} is {{a}} than {{b}} (is|)?",
                f"By how much is {{a}} {more} than {{b}} (is|)?",
                f"How many {_UNITS} {more} is {{a}} than {{b}} (is|)?",
            )
        yield group(
            f"difference_{name}",
            f"how much the {name}s of A and B differ",
            given(lambda s, of: op("abs", sub(of(s.a), of(s.b))), of),
            f"What is the difference in {name} (between|of) {{a}} and {{b}}?",
            f"(How much|By how much) do {{a}} and {{b}} differ in {name}?",
            f"How (large|big) is the {name} difference (between|of) {{a}} and {{b}}?",
            f"What is the {name} difference between {{a}} and {{b}}?",
        )
        yield group(
            f"times_{name}",
            f"the {name} of A over that of B",
            given(lambda s, of: op("ratio", of(s.a), of(s.b)), of),
            f"How many times as {tall} as {{b}} is {{a}}?",
            f"How many times as {tall} is {{a}} as {{b}} (is|)?",
            f"What is the ratio of the {name} of {{a}} to (that|the {name}) of {{b}}?",
            f"How many times the {name} of {{b}} is (that|the {name}) of {{a}}?",
        )
        yield group(
            f"same_{name}",
            f"whether the {name}s of A and B differ by less than 2 cm",
            given(lambda s, of: near(of(s.a), of(s.b), metres(SAME_M)), of),
            f"Are {{a}} and {{b}} (about|) the same {name}?",
            f"Are {{a}} and {{b}} (about|) equally {tall}?",
            f"(Do|Does) {{a}} and {{b}} have (about|) the same {name}?",
            f"Are {{a}} and {{b}} of (about|) the same {name}?",
        )
        yield group(
            f"same_{name}_within",
            f"whether the {name}s of A and B differ by less than N",
            given(lambda s, of: near(of(s.a), of(s.b), s.n), of),
            f"Are {{a}} and {{b}} (of|) (about|) the same {name}, (to|) within {{n}}?",
            f"Are {{a}} and {{b}} (about|) equally {tall}, (to|) within {{n}}?",
            f"Do {{a}} and {{b}} differ in {name} by less than {{n}}?",
        )
    yield group(
        "same_elevation",
        "whether the elevations of A and B above the table differ by less than 2 cm",
        lambda s: near(op("elevation", s.a), op("elevation", s.b), metres(SAME_M)),
        "Are {a} and {b} at (about|) the same (elevation|height above the table)?",
        "Are {a} and {b} (about|) equally (high|far) above the table?",
        "Do {a} and {b} have (about|) the same elevation?",
    )
    yield group(
        "taller_than_wide",
        "whether A is taller than it is wide",
        lambda s: gt(height(s.a), width(s.a)),
        "Is {a} taller than it is wide?",
        "Is {a} taller than (it is|) broad?",
        "Is the height of {a} (greater|larger) than its width?",
    )
    yield group(
        "wider_than_tall",
        "whether A is wider than it is tall",
        lambda s: gt(width(s.a), height(s.a)),
        "Is {a} (wider|broader) than it is (tall|high)?",
        "Is {a} wider than high?",
        "Is the width of {a} (greater|larger) than its height?",
    )
    yield group(
        "is/tall_wide",
        "",
        lambda s: gt(height(s.a), width(s.b)),
        "Is the height of {a} (greater|larger) than the width of {b}?",
        "Does the height of {a} exceed the width of {b}?",
    )
    yield group(
        "is/wide_tall",
        "",
        lambda s: gt(width(s.a), height(s.b)),
        "Is the width of {a} (greater|larger) than the height of {b}?",
        "Does the width of {a} exceed the height of {b}?",
    )


COMPARISONS: tuple[Group, ...] = (*_distances(), *_gaps(), *_sizes())
