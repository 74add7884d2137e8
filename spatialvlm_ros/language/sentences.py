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

    What is no verdict is said as what is likelier, with its probability: with "probably" from two to one on, else with "perhaps"
    and that it is too close to call. A difference below zero is said the other way round. Who looks is said where it matters and
    is not the camera.
    """
    query, value, doubt = fact.query, fact.value, ""
    a, b, c = _bare(query.subject), _bare(query.object), _bare(query.third)
    if relation.name.endswith("_difference") and value < 0:
        a, b, value = b, a, -value
    fields = {"a": a, "b": b, "c": c}
    verdict = side = ""
    if relation.takes_amount:
        fields["amount"] = f"{query.amount:.3g} m"
    if fact.unit == PROBABILITY:
        likelier = value >= 0.5
        verdict = "" if likelier or not _is_predicate(relation.sentence) else "not"
        fields["chosen"], fields["other"] = (a, b) if likelier else (b, a)
        side = relation.sides[0 if likelier else 1]
        if fact.truth.verdict is None:
            close = fact.truth.likelier is None
            verdict = f"{'perhaps' if close else 'probably'} {verdict}"
            doubt = f" ({'too close to call: ' if close else ''}{value if likelier else 1 - value:.0%})"
    else:
        fields["value"] = number(value, fact.std, fact.unit)
        if fact.unit == COUNT:
            fields.update({word: forms[round(value) != 1] for word, forms in _NUMBERS.items()})
    text = _template(relation.sentence, verdict, side, measured.word).format(**fields)
    if query.view not in ("", "canonical") and relation.frame == "viewer":
        text = f"Seen from {query.view}: {text[0].lower()}{text[1:]}"
    if measured.note:
        text = f"{text.rstrip('.')}: {measured.note}."
    return text + doubt


@lru_cache(maxsize=1024)
def _is_predicate(sentence: str) -> bool:
    return "{chosen}" not in sentence and "{side}" not in sentence


@lru_cache(maxsize=4096)
def _template(sentence: str, verdict: str, side: str, word: str) -> str:
    """A relation's sentence with some of its fields filled in, in single spaces: the rest are never empty."""
    for name, said in (("{verdict}", verdict), ("{side}", side), ("{word}", word)):
        # Braces in what is said are no fields.
        sentence = sentence.replace(name, said.replace("{", "{{").replace("}", "}}"))
    return " ".join(sentence.split())


@lru_cache(maxsize=1024)
def _bare(name: str) -> str:
    """A name without its article, in single spaces."""
    first, _, rest = name.partition(" ")
    return " ".join((rest if first.lower() in ("the", "a", "an") and rest else name).split())
