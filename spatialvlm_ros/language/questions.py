"""Questions in words to queries and back: one relation of named things.

Never changes: ``parse_question(question_text(query)) == query`` for a query with plain names, and a question that fits no form
is refused with the nearest ones; nothing is guessed. Questions that combine relations are read above this package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache, partial
from itertools import combinations
from typing import cast

from ..scene.facts import Query
from ..scene.relations import RELATIONS
from .names import plain_name, plural, with_article
from .patterns import (
    AmbiguousQuestionError,
    EmptyQuestionError,
    Matcher,
    NotUnderstoodError,
    Pattern,
    QuestionError,
    Slot,
)
from .question_forms import free_forms
from .question_templates import QUESTION_TEMPLATES, VIEW_ENDINGS, question_templates
from .template_text import VERBS, fill

__all__ = [
    "QUESTION_PATTERNS",
    "AmbiguousQuestionError",
    "EmptyQuestionError",
    "NotUnderstoodError",
    "QuestionError",
    "forms",
    "parse_question",
    "plain_query",
    "question_text",
]

# Who looks, before or after a question.
_LOOKS = (
    "(as|when|if|) (seen|viewed|looked at|observed) (from|by) {v:view}|(as|when|if|) looking from {v:view}|"
    "(as seen|seen|viewed|) from the (point of view|perspective|viewpoint|standpoint|view) of {v:view}|"
    "(as seen|seen|viewed|) from {v:view} (point of view|perspective|viewpoint|standpoint|view|side)|in {v:view}|"
    "in the (frame|coordinates|coordinate frame|coordinate system|reference frame|frame of reference) of {v:view}|"
    "(using|in terms of|with respect to|w.r.t|wrt|relative to|according to) {v:frame}"
)
_VERB_RE = re.compile(rf"(?<![{{\w])({'|'.join(VERBS)})(?![\w}}])", re.IGNORECASE)
# A hand holds what is in it, where any other thing contains it.
_HELD = "(is|are) {a} (being|) (held|grasped|gripped|) (in|inside|by|between the fingers of) (the|)"
# Whose reach it is goes without saying: the robot's, a name that its base has.
ROBOT = "robot"
_REACH = (
    "(is|are) {a} (within|in) (a|the|) reach of {amount:length}|can {a} be reached with (a|an) (arm|reach) of {amount:length}"
)
# In "count" many are said where the name is of one.
_SLOTS = {"count": "{a:kind}"}


def _build(relation: str, slots: Mapping[str, Slot]) -> Query:
    a, b, c, view = (str(slots.get(key, "")) for key in ("a", "b", "c", "v"))
    amount = slots.get("amount")
    return Query(relation, a, b, c, amount if isinstance(amount, float) else 0.0, view)


def _template_pattern(relation: str, template: str) -> str:
    """A template in the notation of patterns: for one thing and for many, without its marks."""
    text = re.sub(r"[?.,:]", " ", template).replace("{amount}", "{amount:length}").replace("{a}", _SLOTS.get(relation, "{a}"))
    text = _VERB_RE.sub(lambda found: f"({found[0].lower()}|{VERBS[found[0].lower()]})", text)
    return re.sub(r"^Would you (?=call )", "", text)  # gone from a text as politeness


def _example(template: str) -> str:
    return template.format(a="A", b="B", c="C", amount="0.5 m")


def _patterns() -> Iterator[Pattern[Query]]:
    """One pattern for each relation: all its wordings are alternatives, so that who looks is compiled once."""
    texts = {
        relation: [_template_pattern(relation, template) for template in templates]
        for relation, templates in QUESTION_TEMPLATES.items()
    }
    for relation, free in free_forms():
        texts[relation].extend(free)
    for relation, wordings in texts.items():
        ways = "|".join(f"({text})" for text in wordings)
        example = _example(question_templates(relation)[0])
        yield Pattern(f"({_LOOKS}|) ({ways}) ({_LOOKS}|)", partial(_build, relation), example)
    for hand in ("gripper", "hand"):
        yield Pattern(f"{_HELD} {hand}", partial(_held_by, hand), "Is A held by the gripper?")
    yield Pattern(_REACH, _reached, "Is A within a reach of 0.5 m?")


def _held_by(hand: str, slots: Mapping[str, Slot]) -> Query:
    return Query("held", str(slots["a"]), hand)


def _reached(slots: Mapping[str, Slot]) -> Query:
    return Query("reachable", str(slots["a"]), ROBOT, amount=cast(float, slots["amount"]))


QUESTION_PATTERNS: tuple[Pattern[Query], ...] = tuple(_patterns())


@cache
def _matcher() -> Matcher[Query]:
    return Matcher(QUESTION_PATTERNS)


def forms() -> list[str]:
    """An example of a question for each relation."""
    return list(dict.fromkeys(pattern.example for pattern in QUESTION_PATTERNS))


def parse_question(text: str, known: Collection[str] = ()) -> Query:
    """The query that a question asks for; names in lower case, without their articles.

    Args:
        known: names of things that are there; they decide between readings that are equally good.

    Raises:
        EmptyQuestionError: no words.
        NotUnderstoodError: no form fits; with the nearest ones.
        AmbiguousQuestionError: more than one reading is as good as the best one.
    """
    return _matcher().match(text, known)


def plain_query(query: Query) -> Query:
    """The query with its names as ``parse_question`` returns them."""
    subject, other, third = (plain_name(name) for name in (query.subject, query.object, query.third))
    return replace(query, subject=subject, object=other, third=third)


def question_text(query: Query, index: int = 0) -> str:
    """A question that asks for a query: the ``index``-th template of its relation, counted around.

    Names are in double quotes only where the plain ones would be read otherwise.

    Raises:
        KeyError: for an unknown relation.
        ValueError: when no wording of this template is read back as the query, e.g. for a name with a double quote in it.
    """
    templates = question_templates(query.relation)
    relation = RELATIONS[query.relation]
    wanted = plain_query(query)
    template = templates[index % len(templates)]
    if query.view:
        ending = VIEW_ENDINGS[index % len(VIEW_ENDINGS)]
        template = f"{template[:-1]}{ending}{template[-1]}"
    names = dict(zip("abc", (wanted.subject, wanted.object, wanted.third), strict=True))
    keys = [key for key in "abc"[: relation.arity] if names[key]]
    for quoted in (set(chosen) for count in range(len(keys) + 1) for chosen in combinations(keys, count)):
        for view in _views(query.view):
            said = {key: _said(query.relation, key, names[key], key in quoted) for key in names}
            fields = {**said, "amount": f"{Decimal(repr(query.amount)):f} m", "view": view}
            plain = names if query.relation != "count" else {}
            text = fill(template, fields, {key: name for key, name in plain.items() if key not in quoted})
            if _reads_as(text, wanted):
                return text
    raise ValueError(f"no wording of '{template}' is read back as {query}; give names without double quotes, numbers and all")


def _said(relation: str, key: str, name: str, quoted: bool) -> str:
    bare = relation in ("count", "nearest") and key == "a"
    if quoted:
        return f'"{name}"' if bare or name.startswith("#") else f'the "{name}"'
    if bare:
        return plural(name) if relation == "count" else name
    return with_article(name)


def _views(view: str) -> Iterator[str]:
    """Ways to say who looks, the plainest first."""
    if view == "canonical":
        yield "the canonical frame"
    elif view:
        yield view
        yield f"frame {view}"
        yield f'"{view}"'
    else:
        yield ""


def _reads_as(text: str, wanted: Query) -> bool:
    try:
        return parse_question(text) == wanted
    except QuestionError:
        return False
