"""Query to text to Query: every template of every relation, with random names that are hard to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..language.answers import check_query
from ..language.question_templates import question_templates
from ..language.questions import QuestionError, parse_question, plain_query, question_text
from ..scene.facts import Query
from ..scene.relations import RELATIONS
from .language_names import random_names

_VIEWS = ("canonical", "base_link", "camera_color_optical_frame", "robot1/base_link")
_VIEW_SHARE = 0.1
_SHOWN = 20


@dataclass(frozen=True)
class Trip:
    """One question there and back: what was asked, how it was said, and what became of it ("" for the same query)."""

    query: Query
    index: int
    text: str
    problem: str

    @property
    def quoted(self) -> bool:
        return '"' in self.text


def queries(names: Iterator[str], seed: int, count: int) -> Iterator[tuple[Query, int]]:
    """(query, index of its template): all templates in turn, again and again, until ``count`` names are used."""
    generator = np.random.default_rng((seed, 29))
    templates = [(name, index) for name in RELATIONS for index in range(len(question_templates(name)))]
    used, at = 0, 0
    while used < count or at < len(templates):
        relation_name, index = templates[at % len(templates)]
        relation = RELATIONS[relation_name]
        said = list(islice(names, relation.arity))
        amount = float(np.round(generator.uniform(0.01, 3.0), 3)) if relation.takes_amount else 0.0
        view = _VIEWS[int(generator.integers(len(_VIEWS)))] if generator.random() < _VIEW_SHARE else ""
        subject, other, third = [*said, "", ""][:3]
        query = Query(relation_name, subject, other, third, amount, view if relation.frame == "viewer" else "")
        assert check_query(query) is None, query
        yield query, index
        used, at = used + len(said), at + 1


def travel(query: Query, index: int) -> Trip:
    """One query there and back."""
    try:
        text = question_text(query, index)
    except ValueError as error:
        return Trip(query, index, "", f"no text: {error}")
    try:
        back = parse_question(text)
    except QuestionError as error:
        return Trip(query, index, text, f"not read: {error}")
    return Trip(query, index, text, "" if back == plain_query(query) else f"read as {back}")


def travel_all(seed: int, count: int, part: int = 0, parts: int = 1) -> list[Trip]:
    """Every ``parts``-th trip, from number ``part`` on."""
    return [travel(query, index) for query, index in islice(queries(random_names(seed), seed, count), part, None, parts)]


def score_trips(trips: Sequence[Trip]) -> dict[str, Any]:
    """Shares of what came back the same and of what needed quotes."""
    lost = [trip for trip in trips if trip.problem]
    names = {name for trip in trips for name in trip.query.names}
    used = {(trip.query.relation, trip.index) for trip in trips}
    every = sum(len(question_templates(name)) for name in RELATIONS)
    return {
        "questions": len(trips),
        "names": len(names),
        "names_by_words": {count: sum(len(name.split()) == count for name in names) for count in range(1, 8)},
        "templates": every,
        "templates_never_used": every - len(used),
        "templates_by_relation": {name: len(question_templates(name)) for name in RELATIONS},
        "same_share": 1.0 - len(lost) / max(len(trips), 1),
        "needed_quotes": sum(trip.quoted for trip in trips),
        "needed_quotes_share": sum(trip.quoted for trip in trips) / max(len(trips), 1),
        "seen_from_elsewhere": sum(bool(trip.query.view) for trip in trips),
        "lost": [
            {"query": str(trip.query), "template": trip.index, "text": trip.text, "problem": trip.problem[:300]}
            for trip in lost[:_SHOWN]
        ],
    }
