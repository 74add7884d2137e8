"""A valid query for any relation of the registry."""

from __future__ import annotations

from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.relations import RELATIONS


def query_for(name: str, *names: str) -> Query:
    """A relation between the first of some names, as many as it takes, with an amount of 0.2 m where it takes one."""
    relation = RELATIONS[name]
    subject, other, third = (*names[: relation.arity], "", "")[:3]
    return Query(name, subject, other, third, amount=0.2 if relation.takes_amount else 0.0)
