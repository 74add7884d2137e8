"""Facts as sentences for people."""

from __future__ import annotations

from ..scene.facts import METRE, PROBABILITY, SpatialFact


def number(value: float, std: float, unit: str) -> str:
    """A number with its uncertainty: "0.123 m ± 0.010 m"."""
    if unit == METRE:
        return f"{value:.3f} m ± {std:.3f} m"
    return f"{value:.3g} ± {std:.2g} {unit}".rstrip()


def fact_sentence(fact: SpatialFact, template: str) -> str:
    """Fill a relation's template ({a}, {b}, {value} or {verdict}) from a fact that has a value."""
    fields = {"a": _bare(fact.query.subject), "b": _bare(fact.query.object)}
    if fact.unit == PROBABILITY:
        verdict = fact.truth.verdict
        if verdict is None:
            return _tidy(template.format(verdict="perhaps", **fields)) + f" (too close to call: {fact.value:.0%})"
        return _tidy(template.format(verdict="" if verdict else "not", **fields))
    return template.format(value=number(fact.value, fact.std, fact.unit), **fields)


def _bare(name: str) -> str:
    first, _, rest = name.partition(" ")
    return rest if first.lower() in ("the", "a", "an") and rest else name


def _tidy(text: str) -> str:
    return " ".join(text.split())
