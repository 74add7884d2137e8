"""Free phrasings of questions about one relation, in the notation of ``patterns.py``.

Beside the templates, which are our own way to ask, these are ways in which people ask. Each line belongs to one relation and
to no other: where the common use of a word is wider than a relation ("next to", "near", "separation", "closer to the camera"),
there is no line for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .question_forms_comparisons import IS, comparison_forms
from .question_forms_more import MORE_FORMS

_GET = (
    "(what is|what are|what would be|what might be|give me|give us|give|show me|show|measure|estimate|compute|calculate|"
    "determine|find|get|state|name|report|output|how (much|big|large|long|great) (is|would be)|how (much|big|large|long) of|)"
)
_PAIR = "(between {a} and {b}|from {a} to {b})"
_AND = "between {a} and {b}"
_UNITS = "(meters|metres|centimeters|centimetres|millimeters|millimetres|cm|mm|inches|feet)"
_TABLE = (
    "(the|) (table|tabletop|table top|table-top|desk|supporting surface|support surface|support plane|support|surface below|"
    "surface below it|surface beneath it|surface under it|surface it (stands|is|sits|rests|lies) on)"
)
_COMPARED = "(compared (to|with)|relative to|in relation to|with respect to|in comparison (to|with))"

DISTANCES: Mapping[str, tuple[str, ...]] = {
    "distance": (
        f"{_GET} (the|) (straight-line|straight line|euclidean|direct|center-to-center|centre-to-centre|center to center|"
        f"centre to centre|overall|total|current|) distance (in space|in a straight line|) ({_PAIR}|of {{a}} "
        f"(to|from|and) {{b}}|that separates "
        "{a} (from|and) {b}|separating {a} (from|and) {b}|{a} (is|are) from {b})",
        "(what|how much|which) distance (is there|is|are|lies|separates|) (between|from|) {a} (and|to|from) {b}",
        f"how far (away|off|) {IS} {{a}} (away|off|) (from|to) {{b}}",
        f"how far (away|off|) {{a}} {IS} (away|off|) from {{b}}",
        f"how far (away|) from {{b}} ({IS} {{a}}|{{a}} {IS})",
        f"{{a}} {IS} how far (away|) from {{b}}",
        "how far (is it|) (from {a} to {b}|between {a} and {b})",
        "how far (does|do) {a} (lie|sit|stand) (away|) from {b}",
        f"how (close|near|distant) {IS} {{a}} (to|from) {{b}}",
        f"how (close|near|distant) {{a}} {IS} (to|from) {{b}}",
        f"how far apart ({IS} {{a}} and {{b}}|{{a}} and {{b}} {IS}|from each other {IS} {{a}} and {{b}})",
        f"how far ({IS} {{a}} and {{b}}|{{a}} and {{b}} {IS}) (apart|(apart|away|) (from each other|from one another))",
        f"how far (from each other|from one another) {IS} {{a}} and {{b}}",
        f"how many {_UNITS} (away|) ({IS}|lie) (there|it|) {_PAIR}",
        f"how many {_UNITS} (away|apart|) (from {{b}} {IS} {{a}}|{IS} {{a}} (away|) from {{b}}|{IS} {{a}} and {{b}} "
        "(apart|))",
        f"at (what|which) distance ({IS} {{a}} from {{b}}|from {{b}} {IS} {{a}})",
        f"{_GET} (the|) {{a:owner}} distance (from|to) {{b}}",
        "how (distant|far) from each other (are|lie) {a} and {b}",
        f"(center|centre) to (center|centre) how far ({IS} {{a}} from {{b}}|apart {IS} {{a}} and {{b}})",
        f"how far ({IS}|lies) the (center|centre|middle) of {{a}} from (the (center|centre|middle) of {{b}}|that of {{b}})",
    ),
    "gap": (
        f"{_GET} (the|) (gap|clearance|free space|empty space|clear "
        "space|(smallest|shortest|least|minimum|minimal|closest) distance|"
        "surface-to-surface distance|surface to surface distance|edge-to-edge distance|edge to edge distance) "
        f"({_AND}|from {{a}} to {{b}})",
        f"{_GET} (the|) distance between the (nearest|closest|facing|) (surfaces|edges|points|sides) of {{a}} and {{b}}",
        f"how (big|large|wide|small|great) (a|) (is|are) (the|) (gap|clearance|space) {_AND}",
        f"how much (empty|free|clear|) (space|room|clearance|air) (is|lies|remains) (there|left|) {_AND}",
        f"how much (empty|free|) (space|room|clearance) (there is|do we have|have we got) {_AND}",
        f"how far apart {IS} the (nearest|closest|facing|) (surfaces|edges|points|sides) of {{a}} and {{b}}",
        "how (large|big|wide) a gap is (there|) between {a} and {b}",
        "(surface|edge) to (surface|edge) how far (is|are) {a} from {b}",
        "(is there|) how much (of a|) gap (is there|) between {a} and {b}",
    ),
    "vertical_distance": (
        f"{_GET} (the|) vertical (distance|separation|offset) {_PAIR}",
        f"how far (apart|) {IS} {{a}} and {{b}} (apart|) (vertically|in the vertical direction|along the vertical|in "
        "the vertical)",
        f"how far (away|) {IS} {{a}} from {{b}} (vertically|in the vertical direction|along the vertical|in the vertical)",
        f"how far {{a}} {IS} from {{b}} (vertically|in the vertical direction)",
        f"(vertically|in the vertical direction) how far (apart {IS} {{a}} and {{b}}|{IS} {{a}} from {{b}})",
        f"how (much|large|great) (is|) (the|) vertical distance (is there|) {_PAIR}",
    ),
    "horizontal_distance": (
        f"{_GET} (the|) (horizontal|level) (distance|separation|offset) {_PAIR}",
        f"{_GET} (the|) distance {_PAIR} (horizontally|along the (ground|table|floor)|across the "
        "(table|ground)|ignoring height)",
        f"how far (apart|) {IS} {{a}} and {{b}} (apart|) (horizontally|in the horizontal direction|along the "
        "(ground|table|floor)|"
        "across the (table|ground)|ignoring height|in the horizontal plane)",
        f"how far (away|) {IS} {{a}} from {{b}} (horizontally|in the horizontal direction|along the "
        "(ground|table|floor)|across the "
        "(table|ground)|ignoring height|in the horizontal plane)",
        f"how far {{a}} {IS} from {{b}} (horizontally|along the (ground|table))",
        f"(horizontally|along the (ground|table)|ignoring height|in the horizontal plane) how far (apart {IS} {{a}} "
        f"and {{b}}|{IS} {{a}} "
        "(away|) from {b})",
    ),
}  # fmt: skip
MEASURES: Mapping[str, tuple[str, ...]] = {
    "height": (
        f"how (tall|high) ({IS} {{a}}|{{a}} {IS}) (from (bottom to top|top to bottom)|in total|overall|)",
        f"{{a}} {IS} how (tall|high)",
        "how (tall|high) (does|do) {a} (stand|measure)",
        f"{_GET} (the|) (total|overall|full|) (height|tallness|vertical extent|vertical size) of {{a}}",
        f"{_GET} (the|) {{a:owner}} (total|overall|) height",
        f"(what|which) height ({IS}|has|does|do) {{a}} (have|)",
    ),
    "width": (
        f"how (wide|broad) ({IS} {{a}}|{{a}} {IS}) (from (side to side|left to right|right to left)|across|in "
        "total|overall|)",
        f"{{a}} {IS} how (wide|broad)",
        f"{_GET} (the|) (total|overall|full|visible|) (width|breadth|horizontal extent|horizontal size) of {{a}}",
        f"{_GET} (the|) {{a:owner}} (total|overall|) (width|breadth)",
        f"(what|which) (width|breadth) ({IS}|has|does|do) {{a}} (have|)",
        f"how far across {IS} {{a}}",
    ),
    "elevation": (
        f"{_GET} (the|) (elevation|altitude) of {{a}} ((on|above|over|from|off|relative to) {_TABLE}|)",
        f"{_GET} (the|) {{a:owner}} elevation ((on|above|over|off) {_TABLE}|)",
        f"{_GET} (the|) height of (the bottom of|) {{a}} (above|over|off) {_TABLE}",
        f"how (far|high|much) (up|) (above|over|off) {_TABLE} ({IS}|sits|hangs|floats) (the bottom of|) {{a}}",
        f"how (far|high|much) (above|over|off) {_TABLE} (the bottom of|) {{a}} {IS}",
        f"how (far|high|much) {IS} (the bottom of|) {{a}} (lifted|raised|elevated|floating|hanging|up|) "
        f"(above|over|off|from) {_TABLE}",
        f"how (far|high) {{a}} {IS} (above|over|off) {_TABLE}",
        f"how (far|high|much) (has|have) {{a}} been (lifted|raised) (above|off|from|over) {_TABLE}",
        f"{{a}} {IS} how (far|high) (above|over|off) {_TABLE}",
        f"how elevated {IS} {{a}}",
        f"what elevation ({IS}|has|does|do) {{a}} (at|have|)",
        f"at what (height|elevation) (above|over) {_TABLE} {IS} {{a}}",
    ),
}  # fmt: skip
_PLACES = {
    "left": (
        "((to|on|at) the (left|left-hand|left hand) (side|) of|left of|leftward of|leftwards of|on the left side of)",
        "((further|farther|more) (to the|on the|) left|to the left|left|on the left)",
    ),
    "right": (
        "((to|on|at) the (right|right-hand|right hand) (side|) of|right of|rightward of|rightwards of|on the right side of)",
        "((further|farther|more) (to the|on the|) right|to the right|right|on the right)",
    ),
    "above": ("(above|over)", "(higher (up|)|above)"),
    "below": ("(below|under|underneath|beneath)", "(lower (down|)|below)"),
    "behind": ("(behind|in back of)", "((further|farther) (back|behind)|behind)"),
    "front": ("in front of", "((further|farther) (forward|in front|to the front)|in front)"),
}


def _difference_forms(of: str, more: str) -> tuple[str, ...]:
    """Ways to ask how much further one way a thing lies than another one."""
    return (
        f"how (far|much|much further|far away) (out|) {of} {{b}} ({IS} {{a}}|{{a}} {IS}|(does|do) {{a}} (lie|sit|stand))",
        f"how (far|much) ({IS} {{a}}|{{a}} {IS}) {of} {{b}}",
        f"{{a}} {IS} how (far|much) {of} {{b}}",
        f"(by|) how (much|far) {IS} {{a}} {more} (than|{_COMPARED}) {{b}}",
        f"how (much|far) {more} ({IS} {{a}}|{{a}} {IS}|(does|do) {{a}} (lie|sit|stand)) (than|{_COMPARED}) {{b}}",
        f"{_COMPARED} {{b}} how (much|far) {more} {IS} {{a}}",
        f"{{a}} {IS} how much {more} (than|{_COMPARED}) {{b}}",
        f"by how (much|many {_UNITS}) {IS} {{a}} ({of}|{more} (than|{_COMPARED})) {{b}}",
        f"by how much (does|do) {{a}} lie {of} {{b}}",
        f"how many {_UNITS} ({of} {{b}} {IS} {{a}}|{IS} {{a}} {of} {{b}}|{more} {IS} {{a}} (than|{_COMPARED}) {{b}})",
    )


def free_forms() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(relation, patterns) of all free phrasings; a relation may come more than once."""
    yield from DISTANCES.items()
    yield from MEASURES.items()
    for word, (of, more) in _PLACES.items():
        yield f"{word}_difference", _difference_forms(of, more)
    yield from comparison_forms()
    yield from MORE_FORMS.items()
