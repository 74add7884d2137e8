"""Answers in words: about ten templates for each relation and verdict, the short ones the likeliest.

Never changes: what an answer says can be read back from it. A yes says "yes" or the like, a no says "no" or the like, a number
is said once, and what is too close to call never sounds decided. A signed difference below zero is said as the other side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..scene.facts import COUNT, PROBABILITY, RADIAN, Query, SpatialFact
from ..scene.relations import RELATIONS, Kind, Relation
from .answer_templates_clauses import (
    COUNT_CLAUSES,
    DIFFERENCES,
    DIMENSIONS,
    ESTIMATES,
    POINT_CLAUSES,
    POINT_SIDES,
    PREDICATES,
    Side,
    side_of,
)
from .names import is_plural, plain_name, plural, singular, with_article
from .rounding import exact_length, human_angle, human_count, human_length
from .template_text import fill

# Below this a length is said as nothing: less than what is seen of it.
_NOTHING_M = 0.0005
_STYLES = ("human", "exact")


@dataclass(frozen=True)
class AnswerTemplate:
    """``weight``: how often it is drawn, against the other ones."""

    text: str
    weight: float


def _weighted(*rows: tuple[str, float]) -> tuple[AnswerTemplate, ...]:
    return tuple(AnswerTemplate(text, weight) for text, weight in rows)


def _denied(clause: str) -> str:
    verb = " is " if " is " in clause else " would "
    return clause.replace(verb, f"{verb}not ", 1)


def _predicate(clause: str, opposite: str, verdict: bool | None) -> tuple[AnswerTemplate, ...]:
    verb = "is" if " is " in clause else "would"
    denied = _denied(clause)
    if verdict is None:
        return _unsure("whether {it} is in reach" if "{amount}" in clause else f"whether {clause}")
    if verdict:
        return _weighted(
            ("Yes.", 4.0), (f"Yes, {{it}} {verb}.", 3.0), ("Correct.", 1.0), ("That is correct.", 1.0),
            ("Yes, that is true.", 1.0),
            ("True.", 0.5), (f"Yes, {clause}.", 2.0), (f"Indeed, {clause}.", 0.5), (f"Yes, I would say that {clause}.", 0.5),
            (f"Yes, it looks as if {clause}.", 0.5),
        )  # fmt: skip
    return _weighted(
        ("No.", 4.0), (f"No, {{it}} {verb} not.", 3.0), ("Incorrect.", 0.5), ("That is not correct.", 1.0),
        ("No, that is not true.", 1.0), ("False.", 0.5), (f"No, {denied}.", 2.0), (f"No, I would say that {denied}.", 0.5),
        (f"No, {opposite}." if opposite else f"No, it is clear that {denied}.", 1.0),
        (f"No, it looks as if {denied}.", 0.5),
    )  # fmt: skip


def _unsure(about: str) -> tuple[AnswerTemplate, ...]:
    """``about``: what is not known, beginning with "whether" or "which"."""
    return _weighted(
        ("Too close to call.", 4.0), ("It is too close to call.", 3.0), ("Hard to say.", 2.0), ("I am not sure.", 1.0),
        ("That is hard to tell.", 1.0), ("It is unclear.", 0.5), (f"It is too close to call {about}.", 1.0),
        (f"It is hard to tell {about}.", 1.0), (f"I am not certain {about}.", 0.5),
        ("The difference is too small to be certain; it is too close to call.", 0.5),
    )  # fmt: skip


def _choice(side: Side, verdict: bool | None) -> tuple[AnswerTemplate, ...]:
    if verdict is None:
        return _unsure(f"which one is {side.more}")
    return _weighted(
        ("{chosen}.", 4.0), ("It is {chosen}.", 2.0), (f"{{chosen}} is {side.more}.", 2.0), ("That would be {chosen}.", 1.0),
        (f"{{chosen}} is {side.more} than {{other}}.", 1.0), ("{chosen}, not {other}.", 0.5), ("{chosen}, I would say.", 0.5),
        (f"Of the two, {{chosen}} is {side.more}.", 0.5), (f"{{chosen}} is the one that is {side.more}.", 0.5),
        ("I would say {chosen}.", 1.0),
    )  # fmt: skip


def _classification(sides: tuple[Side, Side], verdict: bool | None) -> tuple[AnswerTemplate, ...]:
    if verdict is None:
        return _unsure(f"whether {{a}} is {sides[0].of} or {sides[1].of} {{b}}")
    side = sides[0] if verdict else sides[1]
    other = sides[1] if verdict else sides[0]
    word, of = side.word, side.of
    return _weighted(
        (f"{word.capitalize()}.", 4.0), (f"{of.capitalize()} {{b}}.", 1.0), (f"{{it}} is {word}.", 2.0),
        (f"{{a}} is {of} {{b}}.", 2.0),
        (f"I would say {word}.", 1.0), (f"That would be {word}.", 0.5), (f"{{it}} is {of} {{b}}.", 1.0),
        (f"{{a}} is {word}.", 1.0), (f"{word.capitalize()}, not {other.word}.", 0.5),
        (f"I would say that {{a}} is {of} {{b}}.", 0.5),
    )  # fmt: skip


def _estimate(clauses: Sequence[str]) -> tuple[AnswerTemplate, ...]:
    first, second, third, fourth = clauses
    return _weighted(
        ("{value}.", 5.0), ("It is {value}.", 1.5), ("That is {value}.", 0.5), (f"{first}.", 2.0), (f"{second}.", 1.0),
        (f"{third}.", 1.0), (f"{fourth}.", 1.0), ("I would say {value}.", 1.0), (f"I would say that {first}.", 0.5),
        ("My estimate is {value}.", 0.5),
    )  # fmt: skip


def _nearest() -> tuple[AnswerTemplate, ...]:
    first, second, third, fourth = ESTIMATES["nearest"]
    return _weighted(
        ("{word}, {value} away.", 4.0), ("{word}, at {value}.", 2.0), (f"{first}.", 2.0), (f"{second}.", 1.0),
        (f"{third}.", 1.0),
        (f"{fourth}.", 1.5), ("That would be {word}, {value} from {b}.", 1.0), (f"I would say that {first}.", 0.5),
    )  # fmt: skip


def _count(verdict: bool | None) -> tuple[AnswerTemplate, ...]:
    if verdict is False:
        return _weighted(
            ("None.", 4.0), ("There are none.", 2.0), ("There are no {things}.", 1.0), ("Zero.", 1.0),
            ("I can see none.", 1.0),
            ("I count zero.", 0.5), ("There are zero {things}.", 0.5),
        )  # fmt: skip
    first, second, third, fourth = COUNT_CLAUSES
    return _weighted(
        ("{value}.", 5.0), ("{value} {things}.", 2.0), (f"{first}.", 2.0), (f"{second}.", 1.0), (f"{third}.", 0.5),
        (f"{fourth}.", 1.5),
        ("I count {value}.", 1.0), ("I can see {value}.", 1.0), ("{value} in all.", 0.5), ("I would say {value}.", 0.5),
    )  # fmt: skip


def _difference(name: str, verdict: bool | None) -> tuple[AnswerTemplate, ...]:
    """``verdict``: False for the other side, which is always said: a bare number would be read as the side asked for."""
    side, of = DIFFERENCES[name][0 if verdict is not False else 1]
    said = _weighted(
        (f"{{value}} {side}.", 2.0), (f"{{it}} is {{value}} {side}.", 1.5), (f"{{a}} is {{value}} {of} {{b}}.", 2.0),
        (f"{{a}} is {{value}} {side}.", 1.0), (f"I would say {{value}} {side}.", 1.0), (f"{{value}} {of} {{b}}.", 0.5),
        (f"I would say that {{a}} is {{value}} {of} {{b}}.", 0.5),
    )  # fmt: skip
    if verdict is not False:
        return (*_weighted(("{value}.", 5.0), ("By {value}.", 1.0), ("It is {value}.", 1.0)), *said)
    return (
        *said,
        *_weighted(
            (f"The other way round: {{value}} {side}.", 1.0), (f"It is the other way round, {{value}} {side}.", 0.5),
            (f"No, {{it}} is {{value}} {side}.", 1.0),
        ),
    )  # fmt: skip


@cache
def answer_templates(relation: str, verdict: bool | None = True) -> tuple[AnswerTemplate, ...]:
    """The templates of a relation's answers.

    Args:
        verdict: of a predicate: whether it holds; of a choice or a classification: whether it is the first; of a signed
            difference: whether it is not below zero; of a count: whether there is any; None for what is too close to call. Other
            numbers have one set of templates.

    Raises:
        KeyError: for an unknown relation.
        ValueError: for a number's ``verdict`` None: a number is never too close to call.
    """
    known = RELATIONS.get(relation)
    if known is None:
        raise KeyError(f"unknown relation '{relation}'; known are {', '.join(RELATIONS)}")
    if known.kind is Kind.CHOICE:
        return _choice(side_of(relation.removeprefix("which_"))[0], verdict)
    if known.kind is Kind.CLASSIFY:
        return _classification(DIMENSIONS[relation], verdict)
    if known.kind is Kind.PREDICATE:
        if relation in PREDICATES:
            return _predicate(PREDICATES[relation], "", verdict)
        side, other = side_of(relation)
        return _predicate(f"{{a}} is {side.of} {{b}}", f"{{a}} is {other.of} {{b}}", verdict)
    if verdict is None:
        raise ValueError(f"'{relation}' is answered with a number, which is never too close to call")
    if relation in DIFFERENCES:
        return _difference(relation, verdict)
    if relation == "count":
        return _count(verdict)
    if relation == "nearest":
        return _nearest()
    if relation in POINT_SIDES:
        return _estimate([clause.replace("{side}", POINT_SIDES[relation]) for clause in POINT_CLAUSES])
    return _estimate(ESTIMATES[relation])


def answer_text(
    fact: SpatialFact, relation: Relation, generator: np.random.Generator, *, style: str = "human", word: str = ""
) -> str:
    """An answer to the question that a fact's query asks; the fact's own text, the reason, when it has no value.

    Args:
        style: "human" rounds as people do; "exact" gives millimetres and one standard deviation.
        word: which thing it is, for "nearest" (``Measurement.word``); "it" when it is not known.

    Raises:
        ValueError: for an unknown style.
    """
    if style not in _STYLES:
        raise ValueError(f"style is '{style}'; it is one of {', '.join(_STYLES)}")
    if not fact.status.has_value or not math.isfinite(fact.value):
        return fact.text
    verdict = fact.truth.verdict if relation.unit == PROBABILITY else _sign(fact, relation)
    templates = answer_templates(relation.name, verdict)
    weights = np.array([template.weight for template in templates])
    template = templates[int(generator.choice(len(templates), p=weights / weights.sum()))].text
    said, plain = _fields(fact.query, verdict)
    if relation.unit != PROBABILITY:
        said["value"] = _number(fact, relation, generator, style)
    if relation.name == "count":
        one = round(fact.value) == 1
        said["are"] = "is" if one else "are"
        said["things"] = singular(said["name"]) if one else plural(said["name"])
    said["word"] = word or "the one found"
    return fill(template, said, plain)


def answer_sentence(query: Query, verdict: bool | None, index: int, value: str = "") -> str:
    """The answer of one template, for any relation but "count" and "nearest"; for whoever draws templates on his own.

    Args:
        verdict: as in ``answer_templates``.
        index: of the template.
        value: a number in words, for relations that are answered with one.

    Raises:
        IndexError: there is no such template.
    """
    template = answer_templates(query.relation, verdict)[index].text
    said, plain = _fields(query, verdict)
    said["value"] = value
    return fill(template, said, plain)


def _sign(fact: SpatialFact, relation: Relation) -> bool:
    if relation.name == "count":
        return round(fact.value) > 0
    return not (relation.name in DIFFERENCES and fact.value < -_NOTHING_M)


def _fields(query: Query, verdict: bool | None) -> tuple[dict[str, str], dict[str, str]]:
    """Words of the fields, and the names in them."""
    plain = {key: plain_name(name) for key, name in zip("abc", (query.subject, query.object, query.third), strict=True)}
    said = {key: with_article(name) if name else "" for key, name in plain.items()}
    said["name"], said["amount"] = plain["a"], f"{query.amount:g} m"
    said["it"] = "they" if is_plural(plain["a"]) else "it"
    plain["it"] = plain["a"]
    chosen, other = ("a", "b") if verdict is not False else ("b", "a")
    for key, chose in (("chosen", chosen), ("other", other)):
        said[key], plain[key] = said[chose], plain[chose]
    return said, plain


def _number(fact: SpatialFact, relation: Relation, generator: np.random.Generator, style: str) -> str:
    if relation.unit == COUNT:
        return human_count(round(fact.value), generator) if style == "human" else f"{fact.value:.0f}"
    if relation.unit == RADIAN:
        return human_angle(fact.value, generator, bearing=True) if style == "human" else _exact_bearing(fact.value)
    value = abs(fact.value) if relation.name in DIFFERENCES else fact.value
    if style == "exact":
        return exact_length(value, fact.std if math.isfinite(fact.std) else None)
    if abs(value) < _NOTHING_M:
        return "0 centimeters"
    return human_length(value, generator) if value > 0 else f"minus {human_length(-value, generator)}"


def _exact_bearing(value_rad: float) -> str:
    degrees = round(math.degrees(value_rad))
    side = "" if degrees in (0, 180, -180) else " to the left" if degrees > 0 else " to the right"
    return f"{abs(degrees)} degrees{side}"
