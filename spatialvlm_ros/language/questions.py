"""Questions in words to queries: one relation of one or two named things.

The grammar covers these alone: relations of three things, of a length (``amount``) or seen from elsewhere (``view``) are asked
for as queries, not in words. A question that fits no form is refused with the forms there are; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..scene.facts import Query


class QuestionError(ValueError):
    """A question that is empty or fits no known form; the text lists forms that do."""


@dataclass(frozen=True)
class _Form:
    relation: str
    pattern: re.Pattern[str]
    example: str


def _form(relation: str, pattern: str, example: str) -> _Form:
    named = pattern.replace("<A>", r"(?:the |an? )?(?P<a>.+?)").replace("<B>", r"(?:the |an? )?(?P<b>.+?)")
    return _Form(relation, re.compile(named + r"\s*\??$"), example)


_FORMS = (
    _form("horizontal_distance", r"(?:what is|what's) the horizontal distance (?:between|from) <A> (?:and|to) <B>",
          "What is the horizontal distance between A and B?"),
    _form("vertical_distance", r"(?:what is|what's) the vertical distance (?:between|from) <A> (?:and|to) <B>",
          "What is the vertical distance between A and B?"),
    _form("gap", r"(?:what is|what's|how (?:big|large|wide) is) the (?:gap|clearance|space) between <A> and <B>",
          "What is the gap between A and B?"),
    _form("gap", r"how much (?:space|room|clearance) is (?:there )?between <A> and <B>", "How much space is between A and B?"),
    _form("distance", r"(?:what is|what's) the distance (?:between|from|of) <A> (?:and|to|from) <B>",
          "What is the distance between A and B?"),
    _form("distance", r"how (?:far|close|near) (?:away )?(?:is|are) <A> (?:away )?(?:from|to) <B>", "How far is A from B?"),
    _form("distance", r"how far apart (?:is|are) <A> and <B>", "How far apart are A and B?"),
    _form("elevation", r"how (?:far|high) above the table is <A>", "How high above the table is A?"),
    _form("elevation", r"how (?:far|high) is <A> above the table", "How high is A above the table?"),
    _form("elevation", r"(?:what is|what's) the height of <A> above the table", "What is the height of A above the table?"),
    _form("height", r"how (?:tall|high) is <A>", "How tall is A?"),
    _form("height", r"(?:what is|what's) the height of <A>", "What is the height of A?"),
    _form("width", r"how wide is <A>", "How wide is A?"),
    _form("width", r"(?:what is|what's) the width of <A>", "What is the width of A?"),
    _form("elevation", r"(?:what is|what's) the elevation of <A>(?: on the table| above the table)?",
          "What is the elevation of A?"),
    _form("left", r"is <A> (?:to the left|on the left|left) of <B>", "Is A to the left of B?"),
    _form("right", r"is <A> (?:to the right|on the right|right) of <B>", "Is A to the right of B?"),
    _form("front", r"is <A> in front of <B>", "Is A in front of B?"),
    _form("behind", r"is <A> behind <B>", "Is A behind B?"),
    _form("held", r"is <A> (?:held by|grasped by|between the fingers of|in) (?:the )?(?P<b>gripper|hand)",
          "Is A held by the gripper?"),
    _form("on", r"is <A> (?:sitting |standing |lying )?(?:on top of|on) <B>", "Is A on B?"),
    _form("above", r"is <A> (?:above|higher than) <B>", "Is A above B?"),
    _form("below", r"is <A> (?:below|under|lower than) <B>", "Is A below B?"),
)  # fmt: skip


def forms() -> list[str]:
    """An example of each known form."""
    return [form.example for form in _FORMS]


def parse_question(text: str) -> Query:
    """The query that a question asks for.

    Raises:
        QuestionError: when it is empty or has no known form.
    """
    plain = " ".join(text.lower().replace("’", "'").split()).rstrip(" .?!")
    if not plain:
        raise QuestionError("the question is empty; ask e.g. 'How far is the gripper from the red block?'")
    for form in _FORMS:
        found = form.pattern.match(plain)
        if found is not None:
            groups = found.groupdict()
            return Query(form.relation, groups["a"].strip(), (groups.get("b") or "").strip())
    raise QuestionError(f"the question '{text.strip()}' has no known form; known are: {' | '.join(forms())}")
