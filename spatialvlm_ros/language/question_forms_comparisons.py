"""Free phrasings of the 30 comparisons: yes or no, which of two, and which of two sides."""

from __future__ import annotations

from collections.abc import Iterator

IS = "(is|are)"
DOES = "(does|do)"
POSTURE = "(sitting|standing|lying|resting|placed|located|positioned|situated|found|)"
_COMPARED = "(compared (to|with)|relative to|in relation to|with respect to|in comparison (to|with)|next to)"
SAY = (
    "(is it true that|is it (so|correct|right|the case) that|whether|if|confirm (that|)|verify (that|)|check (whether|if|that)|"
    "that|)"
)
_WHICH = "(which|which one|which thing|which object|what|which of (them|the two|these|these two|those two))"

# of: between two names; more: of one of two, beside "than"; sides: after "on the ..." alone.
PLACES = {
    "left": (
        "((to|on|at) the (left|left-hand|left hand) (side|) of|left of|leftward of|leftwards of)",
        "((further|farther|more) (to the|on the|over to the|) left)",
        "(to the left|on the left|left)",
    ),
    "right": (
        "((to|on|at) the (right|right-hand|right hand) (side|) of|right of|rightward of|rightwards of)",
        "((further|farther|more) (to the|on the|over to the|) right)",
        "(to the right|on the right|right)",
    ),
    "above": ("(above|over)", "(higher (up|)|further up)", "above"),
    "below": ("(below|under|underneath|beneath)", "(lower (down|)|further down)", "below"),
    "behind": ("(behind|in back of)", "((further|farther) (back|behind|to the back))", "behind"),
    "front": ("in front of", "((further|farther) (forward|in front|to the front))", "in front"),
}
# more: beside "than"; noun and how it compares.
SIZES = {
    "tall": ("(taller|greater in height|bigger in height)", "height", "(greater|larger|bigger)"),
    "short": ("(shorter|less tall|smaller in height)", "height", "(smaller|lesser|lower)"),
    "wide": ("(wider|broader|greater in width)", "width", "(greater|larger|bigger)"),
    "thin": ("(thinner|narrower|less wide|slimmer|smaller in width)", "width", "(smaller|lesser)"),
    "big": ("(bigger|larger|greater in (size|volume)|more voluminous)", "(size|volume)", "(greater|larger|bigger)"),
    "small": ("(smaller|less big|less large|littler|smaller in (size|volume))", "(size|volume)", "(smaller|lesser)"),
}
PLACE_PAIRS = {"left_or_right": ("left", "right"), "above_or_below": ("above", "below"), "behind_or_front": ("behind", "front")}
SIZE_PAIRS = {"tall_or_short": ("tall", "short"), "wide_or_thin": ("wide", "thin"), "big_or_small": ("big", "small")}


def _than(more: str) -> tuple[str, ...]:
    return (
        f"{IS} {{a}} (any|) {more} (than|{_COMPARED}) {{b}}",
        f"{SAY} {{a}} {IS} {more} than {{b}}",
        f"{_COMPARED} {{b}} {IS} {{a}} {more}",
        f"{DOES} {{a}} (look|seem|appear|turn out|lie|sit|stand) (to be|) {more} than {{b}}",
        f"would {{a}} be {more} than {{b}}",
    )


def _of(of: str) -> tuple[str, ...]:
    return (
        f"{IS} {{a}} {POSTURE} (somewhere|) {of} {{b}}",
        f"{SAY} {{a}} {IS} {POSTURE} {of} {{b}}",
        f"{SAY} {{a}} (lies|lie|sits|sit|stands|stand|rests|rest) {of} {{b}}",
        f"{DOES} {{a}} (lie|sit|stand|rest|appear|look|seem to be|appear to be|happen to be) (somewhere|) {of} {{b}}",
        f"can {{a}} be (seen|found) {of} {{b}}",
    )


def _sized(noun: str, degree: str) -> tuple[str, ...]:
    return (
        f"{DOES} {{a}} have (a|the|) {degree} {noun} (than|{_COMPARED}) {{b}}",
        f"is the {noun} of {{a}} {degree} than (that of|the {noun} of|) {{b}}",
        f"is {{a:owner}} {noun} {degree} than (that of {{b}}|{{b:owner}} (own|))",
    )


def _which(more: str) -> tuple[str, ...]:
    more = f"(the|) {more} (one|)"
    return (
        f"{_WHICH} ({IS}|lies|sits|stands|looks|would be) {more} (of the two|) ({{a}} (or|and) {{b}}|of {{a}} and "
        f"{{b}}|between {{a}} and {{b}})",
        f"{_WHICH} of {{a}} (and|or) {{b}} ({IS}|lies|sits|stands) {more}",
        f"(between|of|out of|comparing|considering|given|for|if you compare) {{a}} (and|with|or) {{b}} {_WHICH} "
        f"({IS}|lies|sits|stands) {more}",
        f"{IS} {{a}} or ({IS}|) {{b}} {more}",
        f"{IS} it {{a}} or {{b}} (that|which) {IS} {more}",
        f"{{a}} (or|and) {{b}} {_WHICH} ({IS}|lies|sits) {more}",
        f"(whether|if) {{a}} or {{b}} {IS} {more}",
        f"(pick|name|choose|select|identify) {more} (of|from|among|out of|) ({{a}} (and|or) {{b}})",
    )


def _between(first: str, second: str, tail: str) -> str:
    return f"({first} or {second}|{second} or {first}) {tail}".strip()


def _sides(first: str, second: str) -> tuple[str, ...]:
    """Patterns of a choice between two opposite places."""
    of_first, more_first, alone_first = PLACES[first]
    of_second, more_second, alone_second = PLACES[second]
    of = _between(of_first, of_second, "")
    alone = _between(alone_first, alone_second, "")
    more = _between(f"{more_first} (than|)", more_second, f"(than|{_COMPARED})")
    either = f"(is it|) {alone}"
    bare = _between(alone_first, alone_second, f"(of|than|{_COMPARED})")
    return (
        f"{IS} {{a}} {POSTURE} ({of}|{more}|{bare}) {{b}}",
        f"{DOES} {{a}} (lie|sit|stand) ({of}|{more}|{bare}) {{b}}",
        f"{SAY} {{a}} ({IS}|lies|sits|stands) ({of}|{more}|{bare}) {{b}}",
        f"{_COMPARED} {{b}} {IS} {{a}} ({alone}|{_between(more_first, more_second, '')})",
        f"where (is|are|does|do) {{a}} (lie|) {_COMPARED} {{b}} {either}",
        f"{alone} where {IS} {{a}} {_COMPARED} {{b}}",
    )


_ON_SIDE = (
    f"(on|at) (which|what) (hand|) side of {{b}} ({IS}|lies|does|do) {{a}} (lie|) (on|) (is it|) (the|) (left or "
    "(the|) right|right or (the|) left)",
    f"(which|what) side of {{b}} {IS} {{a}} (on|at|) (is it|) (the|) (left or (the|) right|right or (the|) left)",
    f"(left or right|right or left) (on|) (which|what) side of {{b}} {IS} {{a}} (on|)",
)


def _sizes(first: str, second: str) -> tuple[str, ...]:
    pair = _between(SIZES[first][0], SIZES[second][0], "")
    return (
        f"{IS} {{a}} {pair} (than|{_COMPARED}) {{b}}",
        f"{SAY} {{a}} {IS} {pair} than {{b}}",
        f"{_COMPARED} {{b}} {IS} {{a}} {pair}",
        f"(do you|) (call|consider|find) {{a}} {pair} (than|{_COMPARED}) {{b}}",
        f"{DOES} {{a}} (look|seem|appear|turn out) (to be|) {pair} than {{b}}",
        f"{IS} {{a}} {SIZES[first][0]} than {{b}} or {SIZES[second][0]}",
        f"{IS} {{a}} {SIZES[second][0]} than {{b}} or {SIZES[first][0]}",
    )


def comparison_forms() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(relation, patterns) of all comparisons."""
    for word, (of, more, _) in PLACES.items():
        yield word, (*_of(of), *_than(more))
        yield f"which_{word}", _which(f"({more}|{of.replace(' of', '')})" if word in ("left", "right") else more)
    for word, (more, noun, degree) in SIZES.items():
        yield word, (*_than(more), *_sized(noun, degree))
        yield f"which_{word}", (*_which(more), f"{_WHICH} has (a|the|) {degree} {noun} ({{a}} (or|and) {{b}})")
    for name, pair in PLACE_PAIRS.items():
        yield name, _sides(*pair)
    yield "left_or_right", _ON_SIDE
    for name, pair in SIZE_PAIRS.items():
        yield name, _sizes(*pair)
