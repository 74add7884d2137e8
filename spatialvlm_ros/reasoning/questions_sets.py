"""Composed questions about which thing of several is the one: nearest, farthest, tallest, leftmost ..."""

from __future__ import annotations

from collections.abc import Iterator

from ..expressions.tree import Several, Tree
from ..language.thing_phrases import FARTHEST, NEAREST, SUPERLATIVES
from .build import X, Y, counted, described, distance, fold, given, op, pairs, reaching, superlative
from .kinds import Group, group

_NEAR, _FAR = "(nearest|closest)", "(farthest|furthest)"
_REACH = {NEAREST: (_NEAR, "(closer|nearer)", "to"), FARTHEST: (_FAR, "(farther|further)", "(away|) from")}
_NAMED = "(Which|Which one) of {list} is"


def _same(a: Tree, b: Tree) -> Tree:
    return op("same", a, b)


def _nearest_and_farthest() -> Iterator[Group]:
    for word, (most, more, to) in _REACH.items():
        yield group(
            f"{word}_of_named",
            f"which of A, B and C is {word} to or from D",
            given(lambda s, word: reaching(word, Several(s.names), s.d), word),
            f"{_NAMED} (the|) {most} {to} {{d}}?",
            f"(Which|Which one|What) is (the|) {most} {to} {{d}}, {{orlist}}?",
            f"(Of|Out of|Among) {{list}}, which (one|) is (the|) {most} {to} {{d}}?",
        )
        yield group(
            f"{word}_of_two",
            f"which of A and B is {word} to or from D",
            given(lambda s, word: reaching(word, Several(s.names), s.d), word),
            f"(Which|Which one) is {more} {to} {{d}}, {{orpair}}?",
            f"(Which|Which one) of {{pair}} is {more} {to} {{d}}?",
            f"Is {{orpair}} {more} {to} {{d}}?",
            f"Which is {{d}} {more} {to}, {{orpair}}?",
            f"Is {{d}} {more} {to} {{orpair}}?",
        )
        yield group(
            f"{word}_of_counted",
            f"which of the K things of kind G is {word} to or from A; no answer unless there are K",
            given(lambda s, word: reaching(word, counted(s.word("g"), s.figure("k")), s.a), word),
            f"(Which|Which one) of the {{k}} {{gs}} is (the|) {most} {to} {{a}}?",
            f"(Of|Out of|Among) the {{k}} {{gs}}, which (one|) is (the|) {most} {to} {{a}}?",
            f"(Which|Which one) of these {{k}} {{gs}} is (the|) {most} {to} {{a}}?",
        )
    yield group(
        "farthest_of_all",
        "which thing of kind G is farthest from A",
        lambda s: reaching(FARTHEST, described(s.kind), s.a),
        f"(Which|What) {{g}} is (the|) {_FAR} (away|) from {{a}}?",
        f"(What|Which) is the {_FAR} {{g}} from {{a}}?",
        f"(Which|Which one) of the {{gs}} is (the|) {_FAR} (away|) from {{a}}?",
        "Which {g} has the (greatest|largest) distance (from|to) {a}?",
    )
    yield group(
        "nearest_distance",
        "the distance from A to the nearest thing of kind G",
        lambda s: fold("min", described(s.kind), distance(X, s.a)),
        f"How far (away|) is the {_NEAR} {{g}} from {{a}}?",
        f"How far (away|) from {{a}} is the {_NEAR} {{g}}?",
        f"What is the distance from {{a}} to the {_NEAR} {{g}}?",
        f"How far is it from {{a}} to the {_NEAR} {{g}}?",
    )
    yield group(
        "farthest_distance",
        "the distance from A to the farthest thing of kind G",
        lambda s: fold("max", described(s.kind), distance(X, s.a)),
        f"How far (away|) is the {_FAR} {{g}} from {{a}}?",
        f"How far (away|) from {{a}} is the {_FAR} {{g}}?",
        f"What is the distance from {{a}} to the {_FAR} {{g}}?",
        f"How far is it from {{a}} to the {_FAR} {{g}}?",
    )
    for word, (most, _, to) in _REACH.items():
        yield group(
            f"is_{word}",
            f"whether A is the thing of kind G that is {word} to or from B",
            given(lambda s, word: _same(s.a, reaching(word, described(s.kind), s.b)), word),
            f"Is {{a}} (the|) {most} {to} {{b}} of (all|all the|the) {{gs}}?",
            f"Is {{a}} the {most} {{g}} {to} {{b}}?",
            f"Is {{a}} the {{g}} (that is|) {most} {to} {{b}}?",
            f"(Of|Among) (all|the|all the) {{gs}}, is {{a}} (the|) {most} {to} {{b}}?",
        )


def _pairs() -> Iterator[Group]:
    for name, most, word, adjective, least in (
        ("argmin", _NEAR, "closest", "(together|to each other)", "min"),
        ("argmax", _FAR, "farthest", "(apart|from each other)", "max"),
    ):
        least_distance = "(smallest|least|shortest)" if least == "min" else "(greatest|largest|longest)"
        yield group(
            f"{word}_pair",
            f"which two things of kind G are {word} to or from each other",
            given(lambda s, name: pairs(name, described(s.kind), distance(X, Y)), name),
            f"Which two {{gs}} are (the|) {most} {adjective}?",
            f"Which two of the {{gs}} are (the|) {most} {adjective}?",
            f"Which pair of {{gs}} is (the|) {most} {adjective}?",
            f"Which two {{gs}} have the {least_distance} distance (between them|)?",
        )
        yield group(
            f"{word}_pair_of_named",
            f"which two of A, B and C are {word} to or from each other",
            given(lambda s, name: pairs(name, Several(s.names), distance(X, Y)), name),
            f"Which two of {{list}} are (the|) {most} {adjective}?",
            f"Of {{list}}, which two are (the|) {most} {adjective}?",
            f"Which pair of {{list}} is (the|) {most} {adjective}?",
        )
        yield group(
            f"{word}_pair_distance",
            f"the {least} distance between two things of kind G",
            given(lambda s, least: pairs(least, described(s.kind), distance(X, Y)), least),
            f"How far apart are the two {most} {{gs}}?",
            f"What is the {least_distance} distance between (two|any two) {{gs}}?",
            f"What is the {least_distance} distance between any two of the {{gs}}?",
        )


def _superlatives() -> Iterator[Group]:
    for word, sayings in SUPERLATIVES.items():
        most = f"({'|'.join(sayings)})" if len(sayings) > 1 else sayings[0]
        yield group(
            f"superlative/{word}",
            f"which thing of kind G is the {word}",
            given(lambda s, word: superlative(word, described(s.kind)), word),
            f"(Which|What) {{g}} is (the|) {most} (one|)?",
            f"(Which|Which one) of (the|all|all the) {{gs}} is (the|) {most}?",
            f"(Of|Among) (all|the|all the) {{gs}}, which (one|) is (the|) {most}?",
        )
        yield Group(
            f"superlative/{word}",
            "",
            lambda s: s.best,
            (
                f"(What|Which) is the {most} {{g}}?",
                f"(What|Which one) is the {most} of (all|the) {{gs}}?",
                f"(Find|Name|Show) the {most} {{g}}.",
            ),
            known=True,
        )
        yield group(
            f"superlative_named/{word}",
            f"which of A, B and C is the {word}",
            given(lambda s, word: superlative(word, Several(s.names)), word),
            f"{_NAMED} (the|) {most}?",
            f"(Which|Which one|What) is (the|) {most}, {{orlist}}?",
            f"(Of|Out of|Among) {{list}}, which (one|) is (the|) {most}?",
            f"What is the {most} of {{list}}?",
        )
        yield Group(
            f"is_superlative/{word}",
            f"whether A is the {word} thing of kind G",
            lambda s: _same(s.a, s.best),
            (f"Is {{a}} the {most} {{g}}?", f"Is {{a}} the {most} of (all|the) {{gs}}?"),
            known=True,
        )
        yield group(
            f"is_superlative/{word}",
            "",
            given(lambda s, word: _same(s.a, superlative(word, described(s.kind))), word),
            f"(Of|Among) (all|the|all the) {{gs}}, is {{a}} the {most} (one|)?",
        )
        yield group(
            f"is_superlative_of_everything/{word}",
            f"whether A is the {word} of all things in sight",
            given(lambda s, word: _same(s.a, superlative(word, described("object"))), word),
            f"Is {{a}} the {most} (of all|of them all|of everything|)?",
            f"Is {{a}} {most} of all?",
            f"Of everything, is {{a}} the {most}?",
        )
        yield group(
            f"is_superlative_named/{word}",
            f"whether A is the {word} of A, B and C",
            given(lambda s, word: _same(s.d, superlative(word, Several(s.names))), word),
            f"Is {{d}} the {most} of {{list}}?",
            f"(Of|Among|Out of) {{list}}, is {{d}} the {most} (one|)?",
        )
        yield group(
            f"also_superlative/{word}" if word != "tallest" else "",
            f"whether the tallest thing of kind G is also the {word} thing of kind G",
            given(lambda s, word: _same(s.best, superlative(word, s.best.over)), word),
            f"Is <best> also the {most} (one|)?",
            f"Is <best> the {most} (one|) (too|as well)?",
            f"Is <best> at the same time the {most} (one|)?",
        )


def _by_phrase() -> Iterator[Group]:
    """What the slot for superlatives alone reads."""
    yield group(
        "", "", lambda s: s.best, "(what|which|which one) is <best>", "(find|name|show|show me|identify|pick|point out) <best>"
    )
    yield group("", "", lambda s: _same(s.a, s.best), "is {a} <best>", "is it true that {a} is <best>")
    for word, (most, _, to) in _REACH.items():
        yield group(
            f"also_{word}",
            f"whether the tallest thing of kind G is also the one of kind G that is {word} to or from B",
            given(lambda s, word: _same(s.best, reaching(word, s.best.over, s.b)), word),
            f"Is <best> also (the|) {most} (one|) {to} {{b}}?",
            f"Is <best> (the|) {most} (one|) {to} {{b}} (too|as well)?",
            f"Is <best> at the same time (the|) {most} (one|) {to} {{b}}?",
        )
    yield Group(
        "second",
        "which thing of kind G is second by height, by width, from the left",
        lambda s: s.best,
        ("What is the second tallest {g}?", "Which is the 2nd tallest {g}?", "Find the second-tallest {g}."),
        known=True,
    )


SETS: tuple[Group, ...] = (*_nearest_and_farthest(), *_pairs(), *_superlatives(), *_by_phrase())
