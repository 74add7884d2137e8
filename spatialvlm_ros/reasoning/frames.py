"""Frames: questions that a condition stands in ("Is A ...?", "How many blocks are ...?"), and the patterns and kinds they make.

``<p>``, ``<q>`` and ``<r>`` in a form stand for any condition of ``conditions.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..expressions.tree import Tree
from ..language.patterns import Pattern, Slot
from .build import Said
from .conditions import CONDITIONS, conditions_text, said_condition
from .kinds import Group, ListPattern, check_repeated, example, pattern_text

Test = Callable[[Tree], Tree]  # the condition, of a thing


@dataclass(frozen=True)
class Frame:
    """A question with conditions in it.

    Attributes:
        build: gets the slots, then each condition (a ``Test``) in the order p, q, r.
        kinds: with which conditions it is entered among the kinds: for each kind the keys of p, of q, of r.
    """

    id: str
    meaning: str
    build: Callable[..., Tree]
    forms: tuple[str, ...]
    kinds: tuple[tuple[str, ...], ...]


ALONE = tuple((key,) for key, condition in CONDITIONS.items() if condition.alone)
# What a set's things are counted or judged by: some of each sort.
SET = tuple(
    (key,)
    for key in (
        "left",
        "behind",
        "above",
        "on",
        "contained",
        "between",
        "touching",
        "tall",
        "wide",
        "small",
        "reachable",
        "height_more",
        "height_least",
        "width_less",
        "distance_most",
        "distance_least",
        "distance_range",
        "closer",
        "closer_to",
        "height_by",
        "elevation_more",
        "left_by",
    )
)
FEW = (("left",), ("on",), ("height_more",), ("distance_most",))
TWO = (("left", "behind"), ("right", "tall"), ("on", "height_more"), ("distance_most", "closer_to"))


_CONDITION_RE = re.compile(r"<([pqr])>")


def _frame_pattern(frame: Frame, forms: list[str], rest: str) -> Pattern[Tree]:
    """One pattern for forms that end alike, so that the conditions are compiled once for all of them."""
    letters = _CONDITION_RE.findall(rest)
    heads = "|".join(f"({pattern_text(form)})" for form in forms)
    text = f"({heads}) {pattern_text(rest)}"
    for letter in letters:
        text = text.replace(f"<{letter}>", conditions_text(letter))

    def build(slots: Mapping[str, Slot]) -> Tree:
        check_repeated(slots)
        return frame.build(Said(slots), *(said_condition(slots, letter) for letter in "pqr"[: len(letters)]))

    kind = ListPattern if "<p>, <q>" in rest else Pattern
    return kind(text, build, example(with_conditions(forms[0] + " " + rest, frame.kinds[0])))


def frame_patterns(frames: Sequence[Frame]) -> Iterator[Pattern[Tree]]:
    """The patterns of frames, with any conditions."""
    for frame in frames:
        by_rest: dict[str, list[str]] = {}
        for form in frame.forms:
            head, mark, rest = form.partition("<p>")
            by_rest.setdefault(mark + rest, []).append(head)
        for rest, heads in by_rest.items():
            yield _frame_pattern(frame, heads, rest)


def with_conditions(form: str, keys: tuple[str, ...]) -> str:
    """A form with certain conditions, whose things get the letters that the form has not used yet."""
    form = form.replace("{a2}", "{a}")
    used = set(re.findall(r"\{([a-d])\}", form)) | {"a"}
    used |= {letter for key in ("{list}", "{orlist}") if key in form for letter in "abc"}
    for letter, key in zip("pqr", keys, strict=False):
        text = CONDITIONS[key].form
        for role in sorted(set(re.findall(r"\{([bc])\}", text))):
            free = next(each for each in "abcdefg" if each not in used)
            used.add(free)
            text = text.replace(f"{{{role}}}", f"{{new_{free}}}")
        text = re.sub(r"\{new_(\w)\}", r"{\1}", text)
        form = form.replace(f"<{letter}>", text)
    return form


def frame_groups(frames: Sequence[Frame]) -> Iterator[Group]:
    """The kinds that frames make with some conditions, for the registry of kinds."""

    def never(said: Said) -> Tree:
        raise ValueError("built by its frame")

    for frame in frames:
        for keys in frame.kinds:
            forms = tuple(with_conditions(form, keys) for form in frame.forms)
            yield Group(f"{frame.id}/{'+'.join(keys)}", f"{frame.meaning}; {', '.join(keys)}", never, forms, known=True)
