"""The questions that each relation can be asked with: plain sentences with the fields {a}, {b}, {c} and {amount}.

About 20 for each of SpatialVLM's 43 types and at least 6 for each further relation. Never changes: every one of them is read
back as its own relation and no other; ``questions.question_text`` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..scene.relations import RELATIONS
from .question_templates_comparisons import comparison_templates
from .question_templates_estimates import ESTIMATES
from .question_templates_more import MORE

QUESTION_TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType({**ESTIMATES, **dict(comparison_templates()), **MORE})
# Who looks, said after the question, with the field {view}.
VIEW_ENDINGS = (", seen from {view}", ", as seen from {view}", ", from the point of view of {view}", ", looking from {view}")


def question_templates(relation: str) -> tuple[str, ...]:
    """The templates of a relation. Raises KeyError for an unknown one."""
    if relation not in RELATIONS:
        raise KeyError(f"unknown relation '{relation}'; known are {', '.join(RELATIONS)}")
    return QUESTION_TEMPLATES[relation]
