"""Queries as strings, as parameters have them."""

from __future__ import annotations

from collections.abc import Sequence

from ..language.answers import check_query
from ..scene.facts import Query


def parse_queries(texts: Sequence[str]) -> list[Query]:
    """Queries of strings 'relation; subject; object; third; amount; view', cut short at will. ValueError with the string."""
    queries = []
    for text in texts:
        if not text.strip():
            continue
        parts = [part.strip() for part in text.split(";")]
        relation, subject, other, third, amount, view = [*parts, *[""] * 6][:6]
        try:
            query = Query(relation, subject, other, third, float(amount or 0.0), view)
            problem = "it has more than six parts" if len(parts) > 6 else check_query(query)
        except ValueError:
            problem = f"its amount '{amount}' is no number"
        if problem is not None:
            raise ValueError(f"parameter queries: '{text}' is not 'relation; subject; object; third; amount; view': {problem}")
        queries.append(query)
    return queries
