"""Composed questions about sums and means over several things, and about how many of them there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..expressions.tree import Several, ThingSet, Tree
from .build import COMPARE, Build, Compare, Said, X, count_of, described, distance, fold, given, gt, height, lt, op, sub, width
from .kinds import Group, group

# Who is asked about: key, words, meaning, and the set that they are.
WHO: tuple[tuple[str, str, str, Callable[[Said], ThingSet]], ...] = (
    ("", "{list}", "A, B and C", lambda s: Several(s.names)),
    ("_of_all", "(the|all|all the) {gs}", "all things of kind G", lambda s: described(s.kind)),
)


def of_each(name: str, over: Callable[[Said], ThingSet], measure: Callable[[Tree], Tree]) -> Build:
    """A fold of a measure over the things that are asked about."""
    return lambda s: fold(name, over(s), measure(X))


def _totals() -> Iterator[Group]:
    for name, of, nouns, tall in (("height", height, "heights", "tall"), ("width", width, "widths", "wide")):
        for key, who, means, over in WHO:
            yield group(
                f"total_{name}{key}",
                f"the sum of the {nouns} of {means}",
                of_each("sum", over, of),
                f"What is the (total|combined|summed) {name} of {who}?",
                f"What do the {nouns} of {who} add up to?",
                f"What is the sum of the {nouns} of {who}?",
                f"How {tall} are {who} (together|taken together)?",
            )
            yield group(
                f"mean_{name}{key}",
                f"the mean of the {nouns} of {means}",
                of_each("mean", over, of),
                f"What is the (average|mean) {name} of {who}?",
                f"How {tall} are {who} on average?",
                f"What is the (average|mean) of the {nouns} of {who}?",
                f"On average, how {tall} are {who}?",
            )
            for fold_name, most in (("max", "(greatest|largest)"), ("min", "(smallest|least)")):
                yield group(
                    f"{fold_name}_{name}{key}",
                    f"the {fold_name} of the {nouns} of {means}",
                    of_each(fold_name, over, of),
                    f"What is the {most} {name} (of|among) {who}?",
                    f"What is the {most} of the {nouns} of {who}?",
                    f"How large is the {most} {name} (of|among) {who}?",
                )


def _distances() -> Iterator[Group]:
    yield group(
        "mean_distance",
        "the mean distance of the things of kind G from A",
        lambda s: fold("mean", described(s.kind), distance(X, s.a)),
        "What is the (average|mean) distance of (the|all|all the) {gs} (from|to) {a}?",
        "How far are the {gs} from {a} on average?",
        "On average, how far (away|) are the {gs} from {a}?",
    )
    yield group(
        "total_distance",
        "the sum of the distances of the things of kind G from A",
        lambda s: fold("sum", described(s.kind), distance(X, s.a)),
        "What is the (total|summed) distance of (the|all|all the) {gs} (from|to) {a}?",
        "What is the sum of the distances (of|from) (the|all|all the) {gs} (from|to) {a}?",
        "What do the distances of the {gs} from {a} add up to?",
    )


_NUMBERS: tuple[tuple[str, Compare, str, str], ...] = (
    ("more_than", COMPARE["more"], "more than", "(more|greater|larger) than"),
    ("fewer_than", COMPARE["less"], "(fewer|less) than", "(less|smaller) than"),
    ("at_least", COMPARE["least"], "at least", "at least"),
    ("at_most", COMPARE["most"], "at most", "at most"),
    ("exactly", lambda a, b: op("eq", a, b), "(exactly|just|only)", "(exactly|equal to)"),
)


def _counts() -> Iterator[Group]:
    yield group(
        "more_things",
        "whether there are more things of kind G than of kind H",
        lambda s: gt(count_of(s.kind), count_of(s.other_kind)),
        "Are there more {gs} than {hs}?",
        "Do the {gs} outnumber the {hs}?",
        "Is the number of {gs} (larger|greater) than (that|the number) of {hs}?",
    )
    yield group(
        "fewer_things",
        "whether there are fewer things of kind G than of kind H",
        lambda s: lt(count_of(s.kind), count_of(s.other_kind)),
        "Are there (fewer|less) {gs} than {hs}?",
        "Are the {gs} outnumbered by the {hs}?",
        "Is the number of {gs} smaller than (that|the number) of {hs}?",
    )
    yield group(
        "as_many",
        "whether there are as many things of kind G as of kind H",
        lambda s: op("eq", count_of(s.kind), count_of(s.other_kind)),
        "Are there (exactly|just|) as many {gs} as {hs}?",
        "Are there equally many {gs} and {hs}?",
        "Is the number of {gs} (the same as|equal to) (that|the number) of {hs}?",
    )
    yield group(
        "how_many_more",
        "the number of things of kind G less the number of kind H",
        lambda s: sub(count_of(s.kind), count_of(s.other_kind)),
        "How many more {gs} than {hs} are there?",
        "How many more {gs} are there than {hs}?",
        "By how many do the {gs} outnumber the {hs}?",
    )
    yield group(
        "how_many_together",
        "the number of things of kind G and of kind H, added",
        lambda s: op("add", count_of(s.kind), count_of(s.other_kind)),
        "How many {gs} and {hs} are there (together|taken together)?",
        "How many {gs} plus {hs} are there?",
        "What is the number of {gs} plus the number of {hs}?",
    )
    for key, compare, said, number in _NUMBERS:
        yield group(
            f"number/{key}",
            f"whether there are {key} K things of kind G",
            given(lambda s, compare: compare(count_of(s.kind), s.number), compare),
            f"Are there {said} {{k}} {{gs}}?",
            f"Is the number of {{gs}} {number} {{k}}?",
            f"Do you see {said} {{k}} {{gs}}?",
        )
    yield group(
        "count_fit_into",
        "number of things of kind G that fit into A",
        lambda s: fold("count", described(s.kind), op("fits_into", X, s.a)),
        "How many {gs} (would|can|could) fit (into|inside) {a}?",
        "How many of the {gs} (would|can|could) fit (into|inside) {a}?",
        "How many {gs} are (small|narrow) enough to fit (into|inside) {a}?",
    )
    yield group(
        "count_fit_between",
        "number of things of kind G that fit between A and B",
        lambda s: fold("count", described(s.kind), op("fits_through", X, s.a, s.b)),
        "How many {gs} (would|can|could) fit between {a} and {b}?",
        "How many of the {gs} (would|can|could) (fit|pass) between {a} and {b}?",
        "How many {gs} are narrow enough to (pass|fit) between {a} and {b}?",
    )


TOTALS: tuple[Group, ...] = (*_totals(), *_distances(), *_counts())
