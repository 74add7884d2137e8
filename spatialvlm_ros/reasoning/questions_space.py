"""Composed questions about ways, stacks, and what passes, fits or keeps its distance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..expressions.tree import Apply, Several, Tree
from .build import X, described, distance, fold, gap, given, gt, height, lt, no_less, op, sub, width
from .kinds import Group, group
from .questions_totals import WHO, of_each

_WAY = "(way|path|route)"
_TO = "(to|and then to|then to|and on to)"
_OVER = "(over|via|by way of)"
_MOVER = "(the gripper|the robot|it|one|i|you)"
_GO = "(travel|go|move)"


def _path(*things: Tree) -> Apply:
    return op("add", *(distance(a, b) for a, b in pairwise(things)))


def _ways() -> Iterator[Group]:
    yield group(
        "way",
        "the distance from A to B and on to C",
        lambda s: _path(s.a, s.b, s.c),
        f"How long is the {_WAY} from {{a}} {_TO} {{b}} {_TO} {{c}}?",
        f"How far is it from {{a}} {_TO} {{b}} {_TO} {{c}}?",
        f"How far (would|does) {_MOVER} {_GO} from {{a}} to {{b}} {_TO} {{c}}?",
        f"How far (would|does) {{a}} {_GO} (if it goes|when it goes|) to {{b}} (and then|then) to {{c}}?",
    )
    yield group(
        "way_over",
        "the distance from A over B to C",
        lambda s: _path(s.a, s.b, s.c),
        f"How long is the {_WAY} from {{a}} {_OVER} {{b}} to {{c}}?",
        f"How long is the {_WAY} from {{a}} to {{c}} {_OVER} {{b}}?",
        f"How far is it from {{a}} to {{c}} {_OVER} {{b}}?",
    )
    yield group(
        "way_of_four",
        "the distance from A to B, to C and to D",
        lambda s: _path(s.a, s.b, s.c, s.d),
        f"How long is the {_WAY} from {{a}} {_TO} {{b}} {_TO} {{c}} {_TO} {{d}}?",
        f"How far is it from {{a}} {_TO} {{b}} {_TO} {{c}} {_TO} {{d}}?",
        f"How far (would|does) {_MOVER} {_GO} from {{a}} to {{b}} {_TO} {{c}} {_TO} {{d}}?",
    )
    yield group(
        "round_trip",
        "the distance from A to B, to C and back to A",
        lambda s: _path(s.a, s.b, s.c, s.a),
        f"How long is the {_WAY} from {{a}} {_TO} {{b}} {_TO} {{c}} and back (to {{a2}}|)?",
        f"How far is it from {{a}} {_TO} {{b}} {_TO} {{c}} and back (to {{a2}}|)?",
        "How long is the round trip from {a} over {b} and {c}?",
    )
    yield group(
        "detour",
        "how much longer the way from A over B to C is than the distance from A to C",
        lambda s: sub(_path(s.a, s.b, s.c), distance(s.a, s.c)),
        f"How much longer is the {_WAY} from {{a}} to {{c}} {_OVER} {{b}} than the direct (one|{_WAY})?",
        f"How much longer is the {_WAY} from {{a}} {_OVER} {{b}} to {{c}} than the direct (one|{_WAY})?",
        f"How (long|large) is the detour from {{a}} to {{c}} {_OVER} {{b}}?",
    )
    for key, compare, longer in (("longer", gt, "(longer|more) than"), ("shorter", lt, "(shorter|less) than")):
        yield group(
            f"way_{key}",
            f"whether the way from A over B to C is {key} than N",
            given(lambda s, compare: compare(_path(s.a, s.b, s.c), s.n), compare),
            f"Is the {_WAY} from {{a}} {_TO} {{b}} {_TO} {{c}} {longer} {{n}} (long|)?",
            f"Is the {_WAY} from {{a}} {_OVER} {{b}} to {{c}} {longer} {{n}} (long|)?",
            f"Is the {_WAY} from {{a}} to {{c}} {_OVER} {{b}} {longer} {{n}} (long|)?",
        )
        yield group(
            f"way_{key}_than_way",
            f"whether the way from A over C to B is {key} than the way from A over D to B",
            given(lambda s, compare: compare(_path(s.a, s.c, s.b), _path(s.a, s.d, s.b)), compare),
            f"Is the {_WAY} from {{a}} to {{b}} {_OVER} {{c}} {key} than (the one|that|the {_WAY}) {_OVER} {{d}}?",
            f"From {{a}} to {{b}}, is the {_WAY} {_OVER} {{c}} {key} than (the one|that|the {_WAY}) {_OVER} {{d}}?",
            f"Is it {key} from {{a}} to {{b}} {_OVER} {{c}} than {_OVER} {{d}}?",
        )


def _stacks() -> Iterator[Group]:
    for key, who, means, over in WHO:
        stack = f"a (stack|tower|pile) of {who}"
        tall = of_each("sum", over, height)
        yield group(
            f"stack_height{key}",
            f"the sum of the heights of {means}",
            tall,
            f"How (tall|high) would {stack} be?",
            f"How (tall|high) is {stack}?",
            f"What (would be|is) the height of {stack}?",
            f"How (tall|high) would {who} be (stacked up|if stacked|when stacked|on top of each other)?",
        )
        yield group(
            f"stack_taller{key}",
            f"whether the heights of {means} add up to more than N",
            given(lambda s, tall: gt(tall(s), s.n), tall),
            f"Would {stack} be (taller|higher|more) than {{n}} (tall|)?",
            f"Is {stack} (taller|higher) than {{n}}?",
            f"Would {stack} be over {{n}} tall?",
        )
        yield group(
            f"stack_taller_than_thing{key}",
            f"whether the heights of {means} add up to more than that of D",
            given(lambda s, tall: gt(tall(s), height(s.d)), tall),
            f"Would {stack} be (taller|higher) than {{d}} (is|)?",
            f"Is {stack} (taller|higher) than {{d}} (is|)?",
            f"Would {stack} exceed the height of {{d}}?",
        )


# -- passing, fitting, keeping clear ----------------------------------------------------------------------------------

_THING = "(robot|box|cart|object|thing|something|rod|bar|crate|package|vehicle)"
_THAT = "(that|the one|the way|the path|the passage)"
_WIDE = "(wide|long|broad|thick)"
_PASS = "(pass|drive|fit|go|get|move) (through|) between {a} and {b}"


def _passages() -> Iterator[Group]:
    yield group(
        "pass_width",
        "whether the way between A and B is wider than N",
        lambda s: gt(op("path_width", s.a, s.b), s.n),
        f"(Can|Could|Would|Will) (a|an|the) {{n}} {_WIDE} {_THING} {_PASS}?",
        f"(Can|Could|Would|Will) (a|an|the) {_THING} of {{n}} width {_PASS}?",
        f"(Can|Could|Would|Will) (a|an|the) {_THING} that is {{n}} {_WIDE} {_PASS}?",
        f"Is there (enough|) (room|space) for (a|an|the) {{n}} {_WIDE} {_THING} (to pass|to drive|) between {{a}} and {{b}}?",
        "Is the (way|path|passage) between {a} and {b} (wider|more) than {n} (wide|)?",
    )
    yield group(
        "pass_spare",
        "the width of the way between A and B less N",
        lambda s: sub(op("path_width", s.a, s.b), s.n),
        f"How much (room|space) would (a|an|the) {{n}} {_WIDE} {_THING} have left between {{a}} and {{b}}?",
        f"By how much would (a|an|the) {{n}} {_WIDE} {_THING} fit between {{a}} and {{b}}?",
        "How much wider than {n} is the (way|path|passage) between {a} and {b}?",
    )
    for key, compare in (("wider", gt), ("narrower", lt)):
        yield group(
            f"passage_{key}",
            f"whether the way between A and B is {key} than that between C and D",
            given(lambda s, compare: compare(op("path_width", s.a, s.b), op("path_width", s.c, s.d)), compare),
            f"Is the (way|path|passage) between {{a}} and {{b}} {key} than {_THAT} between {{c}} and {{d}}?",
            f"Is it {key} between {{a}} and {{b}} than between {{c}} and {{d}}?",
            f"Is it true that the (way|path|passage) between {{a}} and {{b}} is {key} than {_THAT} between {{c}} and {{d}}?",
        )
    yield group(
        "side_by_side",
        "whether the widths of A and B add up to less than the way between C and D is wide",
        lambda s: lt(op("add", width(s.a), width(s.b)), op("path_width", s.c, s.d)),
        "Would {a} and {b} side by side fit between {c} and {d}?",
        "(Would|Do|Can) {a} and {b} fit side by side between {c} and {d}?",
        "Would {a} and {b} next to each other fit between {c} and {d}?",
    )
    yield group(
        "total_side_by_side",
        "the sum of the widths of A, B and C",
        lambda s: fold("sum", Several(s.names), width(X)),
        "How wide are {list} side by side?",
        "How wide would {list} be side by side?",
        "What is the total width of {list} side by side?",
    )
    yield group(
        "fits_under",
        "whether A is less tall than B is high above the table",
        lambda s: lt(height(s.a), op("elevation", s.b)),
        "(Would|Does|Can) {a} fit (under|underneath|below) {b}?",
        "Is there (enough|) room for {a} (under|underneath|below) {b}?",
        "Is {a} short enough to fit (under|underneath|below) {b}?",
    )
    yield group(
        "keeps_away",
        "whether the gap between A and every other thing in sight is N or more",
        lambda s: fold("all", described("object"), no_less(gap(X, s.a), s.n)),
        "Is {a} at least {n} (away|) from everything else?",
        "Is {a} at least {n} (away|) from (every other thing|all other things|anything else)?",
        "(Does|Do) {a} keep at least {n} (away|) from everything else?",
    )
    yield group(
        "reaches_both",
        "whether A and B are both within a reach of N of C",
        lambda s: op("and", Apply("reachable", (s.a, s.c), s.n.value), Apply("reachable", (s.b, s.c), s.n.value)),
        "(Can|Could) {c} reach both {a} and {b} with (a|an) {n} (arm|reach)?",
        "(Can|Could) {c} reach {a} and {b} with (a|an) (arm|reach) of {n}?",
        "With a reach of {n}, can {c} get to both {a} and {b}?",
    )


SPACE: tuple[Group, ...] = (*_ways(), *_stacks(), *_passages())
