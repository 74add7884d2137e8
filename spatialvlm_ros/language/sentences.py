"""Facts as sentences for people."""

from __future__ import annotations

import math
from functools import lru_cache

from ..scene.facts import COUNT, METRE, PROBABILITY, RADIAN, SpatialFact
from ..scene.relation import Measurement, Relation

# Words of a template that follow a count: for one, and for any other number.
_NUMBERS = {"are": ("is", "are"), "things": ("thing", "things"), "answer": ("answers", "answer")}


def number(value: float, std: float, unit: str) -> str:
    """A number with its uncertainty: "0.123 m ± 0.010 m"."""
    if unit == METRE:
        return f"{value:.3f} m ± {std:.3f} m"
    if unit == RADIAN:
        return f"{math.degrees(value):.0f} deg ± {math.degrees(std):.0f} deg"
    if unit == COUNT:
        return f"{value:.0f}"
    return f"{value:.3g} ± {std:.2g} {unit}".rstrip()


def fact_sentence(fact: SpatialFact, relation: Relation, measured: Measurement) -> str:
    """Fill a relation's template from a fact that has a value; see scene.relation.Relation for its fields.

    What is too close to call is said as what is likelier, with "perhaps" and its probability. A difference below zero is said
    the other way round. Who looks is said where it matters and is not the camera.
    """
    a, b, c = (_bare(name) for name in (fact.query.subject, fact.query.object, fact.query.third))
    value = fact.value
    if relation.name.endswith("_difference") and value < 0:
        a, b, value = b, a, -value
    fields = {"a": a, "b": b, "c": c, "amount": f"{fact.query.amount:.3g} m", "word": measured.word}
    doubt = ""
    if fact.unit == PROBABILITY:
        verdict, likelier = fact.truth.verdict, fact.value >= 0.5
        is_predicate = "{chosen}" not in relation.sentence and "{side}" not in relation.sentence
        fields["verdict"] = "not" if is_predicate and not likelier else ""
        fields["chosen"], fields["other"] = (a, b) if likelier else (b, a)
        fields["side"] = relation.sides[0 if likelier else 1]
        if verdict is None:
            fields["verdict"] = f"perhaps {fields['verdict']}"
            doubt = f" (too close to call: {fact.value if likelier else 1 - fact.value:.0%})"
    else:
        fields["value"] = number(value, fact.std, fact.unit)
        fields.update({word: forms[round(value) != 1] for word, forms in _NUMBERS.items()})
    text = " ".join(relation.sentence.format(**fields).split())
    if fact.query.view not in ("", "canonical") and relation.frame == "viewer":
        text = f"Seen from {fact.query.view}: {text[0].lower()}{text[1:]}"
    if measured.note:
        text = f"{text.rstrip('.')}: {measured.note}."
    return text + doubt


@lru_cache(maxsize=1024)
def _bare(name: str) -> str:
    first, _, rest = name.partition(" ")
    return rest if first.lower() in ("the", "a", "an") and rest else name
