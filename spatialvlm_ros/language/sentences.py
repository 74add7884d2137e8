"""Facts as sentences for people."""

from __future__ import annotations

from ..scene.facts import METRE, PROBABILITY, SpatialFact


def number(value: float, std: float, unit: str) -> str:
    """A number with its uncertainty: "0.123 m ± 0.010 m"."""
    if unit == METRE:
        return f"{value:.3f} m ± {std:.3f} m"
    return f"{value:.3g} ± {std:.2g} {unit}".rstrip()


def fact_sentence(fact: SpatialFact, template: str, sides: tuple[str, str] = ("", "")) -> str:
    """Fill a relation's template from a fact that has a value; see scene.relation.Relation for its fields.

    What is too close to call is said as what is likelier, with "perhaps" and its probability.
    """
    a, b = _bare(fact.query.subject), _bare(fact.query.object)
    if fact.unit != PROBABILITY:
        return template.format(a=a, b=b, value=number(fact.value, fact.std, fact.unit))
    verdict = fact.truth.verdict
    likelier = fact.value >= 0.5
    is_predicate = "{chosen}" not in template and "{side}" not in template
    words = "not" if is_predicate and not likelier else ""
    if verdict is None:
        words = f"perhaps {words}"
    chosen, other = (a, b) if likelier else (b, a)
    text = template.format(a=a, b=b, verdict=words, chosen=chosen, other=other, side=sides[0 if likelier else 1])
    doubt = ""
    if verdict is None:
        share = fact.value if likelier else 1 - fact.value
        doubt = f" (too close to call: {share:.0%})"
    return " ".join(text.split()) + doubt


def _bare(name: str) -> str:
    first, _, rest = name.partition(" ")
    return rest if first.lower() in ("the", "a", "an") and rest else name
