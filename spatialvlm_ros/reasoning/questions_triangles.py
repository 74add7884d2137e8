"""Composed questions about the triangle of three things: its kind, sides, area, and whether they stand in a line.

Without a tolerance told, an isosceles triangle has two sides that are alike to ``SAME_M``, an equilateral one three. With the
rule told ("if the longest and the shortest side differ by less than 0.1 m") the rule decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..expressions.tree import Apply, Fold, Number, Several, ThingSet, Tree
from .build import LINE_M, SAME_M, Said, X, Y, counted, distance, fold, given, lt, metres, near, op, pairs, sub
from .kinds import Group, group


def _triangle_forms(rest: str) -> tuple[str, ...]:
    """A question about three named things of which a triangle is made."""
    return (
        f"(Do|Does) {{list}} form {rest}?",
        f"(Do|Does) the three {{gs}} {{list}} form {rest}?",
        f"(Do|Does) {{list}} make {rest}?",
        f"Is the triangle (of|between|formed by) {{list}} {rest}?",
    )


def _counted_forms(rest: str) -> tuple[str, ...]:
    return (
        f"Do the three {{gs}} form {rest}?",
        f"Do the three {{gs}} make {rest}?",
        f"Is the triangle of the three {{gs}} {rest}?",
    )


def _sides(s: Said) -> tuple[Apply, Apply, Apply]:
    a, b, c = s.three
    return distance(a, b), distance(b, c), distance(c, a)


def _spread(over: ThingSet, within: Number) -> Tree:
    return lt(sub(pairs("max", over, distance(X, Y)), pairs("min", over, distance(X, Y))), within)


def _named_three(s: Said) -> Several:
    if len(s.names) != 3:
        raise ValueError("a triangle has three corners")
    return Several(s.names)


def _three_of(s: Said) -> ThingSet:
    return counted(s.word("g"), 3.0)


def _two_alike(s: Said, within: Number) -> Tree:
    first, second, third = _sides(s)
    return op("or", near(first, second, within), near(second, third, within), near(third, first, within))


def _two_alike_of(three: ThingSet, within: Number) -> Tree:
    """One of the three is as far from the one as from the other: its farthest and its nearest are alike.

    By a minimum, which a set without members has not: a set that is not of three gives no answer, not a "no".
    """
    farthest, nearest = (Fold(name, three, ("y",), distance(X, Y)) for name in ("max", "min"))
    return lt(fold("min", three, sub(farthest, nearest)), within)


_ISOSCELES, _EQUILATERAL = "(an isosceles|isosceles) (triangle|)", "(an equilateral|equilateral) (triangle|)"
_RULE = (
    "(if|where|when) the (longest|longest side) and the (shortest|shortest side) (may|) differ by "
    "(less than|at most|no more than) {n}"
)


def _triangles() -> Iterator[Group]:
    yield group(
        "isosceles",
        "whether two sides of the triangle A, B, C differ by less than 2 cm",
        lambda s: _two_alike(s, metres(SAME_M)),
        *_triangle_forms(_ISOSCELES),
    )
    yield group(
        "isosceles_within",
        "whether two sides of the triangle A, B, C differ by less than N",
        lambda s: _two_alike(s, s.n),
        *_triangle_forms(f"{_ISOSCELES}, (to|) within {{n}}"),
    )
    yield group(
        "isosceles_by_rule",
        "whether the longest and the shortest side of the triangle A, B, C differ by less than N",
        lambda s: _spread(_named_three(s), s.n),
        *_triangle_forms(f"{_ISOSCELES}, {_RULE}"),
        *_triangle_forms(f"{_EQUILATERAL}, {_RULE}"),
    )
    yield group(
        "isosceles_of_three",
        "whether two sides differ by less than 2 cm, of the three things of kind G; no answer unless there are three",
        lambda s: _two_alike_of(_three_of(s), metres(SAME_M)),
        *_counted_forms(_ISOSCELES),
    )
    yield group(
        "isosceles_of_three_by_rule",
        "whether the longest and the shortest side of the triangle of the three things of kind G differ by less than N; none "
        "unless there are three",
        lambda s: _spread(_three_of(s), s.n),
        *_counted_forms(f"{_ISOSCELES}, {_RULE}"),
        *_counted_forms(f"{_EQUILATERAL}, {_RULE}"),
    )
    yield group(
        "equilateral",
        "whether the longest and the shortest side of the triangle A, B, C differ by less than 2 cm",
        lambda s: _spread(_named_three(s), metres(SAME_M)),
        *_triangle_forms(_EQUILATERAL),
    )
    yield group(
        "equilateral_within",
        "whether the longest and the shortest side of the triangle A, B, C differ by less than N",
        lambda s: _spread(_named_three(s), s.n),
        *_triangle_forms(f"{_EQUILATERAL}, (to|) within {{n}}"),
    )
    yield group(
        "equilateral_of_three",
        "equilateral, of the three things of kind G; no answer unless there are three",
        lambda s: _spread(_three_of(s), metres(SAME_M)),
        *_counted_forms(_EQUILATERAL),
    )
    for name, most in (("longest", "argmax"), ("shortest", "argmin")):
        yield group(
            f"{name}_side",
            f"which two of A, B and C have the {name} side of their triangle between them",
            given(lambda s, most: pairs(most, _named_three(s), distance(X, Y)), most),
            f"Which side of the triangle (of|between|formed by|) {{list}} is (the|) {name}?",
            f"(What|Which) is the {name} side of the triangle (of|between|formed by|) {{list}}?",
            f"In the triangle of {{list}}, which side is (the|) {name}?",
        )
        yield group(
            f"{name}_side_length",
            f"the length of the {name} side of the triangle A, B, C",
            given(lambda s, most: pairs(most.removeprefix("arg"), _named_three(s), distance(X, Y)), most),
            f"How long is the {name} side of the triangle (of|between|formed by|) {{list}}?",
            f"What is the length of the {name} side of the triangle (of|between|formed by|) {{list}}?",
            f"In the triangle of {{list}}, how long is the {name} side?",
        )
    yield group(
        "perimeter",
        "the sum of the sides of the triangle A, B, C",
        lambda s: op("add", *_sides(s)),
        "What is the perimeter of the triangle (of|between|formed by|) {list}?",
        "How long is the perimeter of the triangle (of|between|) {list}?",
        "How far is it around the triangle (of|between|formed by|) {list}?",
    )
    yield group(
        "area",
        "the area of the triangle A, B, C",
        _area,
        "What is the area of the triangle (of|between|formed by|) {list}?",
        "How large is the area of the triangle (of|between|) {list}?",
        "How large is the triangle (of|between|formed by) {list}?",
        "What area do {list} span?",
    )
    yield group(
        "right_angle",
        "whether the angle at A of the triangle A, B, C is a right one, by the side across from it to 2 cm",
        lambda s: _right_angle(s, metres(SAME_M)),
        "Is the angle at {a} between {b} and {c} a right (angle|one)?",
        "Do {b} and {c} form a right angle at {a}?",
        "Is there a right angle at {a} between {b} and {c}?",
        "Is the triangle of {a}, {b} and {c} right-angled at {a2}?",
    )
    yield group(
        "in_line",
        "whether A, B and C are less than 5 cm off one line",
        lambda s: _in_line(s, metres(LINE_M)),
        "Are {list} (about|) in (a|one) (straight|) (line|row)?",
        "(Do|Does) {list} (lie|stand) in (a|one) (straight|) (line|row)?",
        "(Do|Does) {list} form a (straight|) (line|row)?",
    )
    yield group(
        "in_line_within",
        "whether A, B and C are less than N off one line",
        lambda s: _in_line(s, s.n),
        "Are {list} (about|) in (a|one) (straight|) (line|row), (to|) within {n}?",
        "(Do|Does) {list} (lie|stand) in (a|one) (straight|) (line|row), (to|) within {n}?",
        "(Do|Does) {list} form a (straight|) (line|row), (to|) within {n}?",
    )


def _area(s: Said) -> Tree:
    """By Heron. A factor that rounding makes negative for three things in a line is 0."""
    sides = _sides(s)
    half = op("mul", Number(0.5), op("add", *sides))
    return op("sqrt", op("mul", half, *(op("max", sub(half, side), metres(0.0)) for side in sides)))


def _in_line(s: Said, within: Number) -> Tree:
    """By how far the odd one is off the longest side, which is its height in the triangle."""
    return lt(op("ratio", op("mul", Number(2.0), _area(s)), op("max", *_sides(s))), within)


def _right_angle(s: Said, within: Number) -> Tree:
    """By Pythagoras, compared as lengths."""
    first, second = distance(s.a, s.b), distance(s.a, s.c)
    return near(op("sqrt", op("add", op("mul", first, first), op("mul", second, second))), distance(s.b, s.c), within)


TRIANGLES: tuple[Group, ...] = tuple(_triangles())
