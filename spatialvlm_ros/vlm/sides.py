"""Which way a spoken difference goes: "5 cm to the left of the can" is 5 cm below zero where its right was asked for.

Never changes: a bare number is of the side that was asked for, as in language/answer_templates.py. Where an answer says both
sides, denies one, or does not say of which thing it speaks, nothing is told: a wrong sign is a wrong number.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..language.answer_templates_clauses import Side, side_of
from ..language.measures import Spoken
from ..scene.facts import Query

_DIFFERENCE = "_difference"
# Of "to the left of" and "further forward" only these tell nothing.
_FILLING = frozenset({"to", "the", "of", "further", "than", "in"})
# Said of the same sides by models, and not by our own sentences.
_MORE = {"above": ("over",), "below": ("under", "beneath", "underneath")}
_DENIED_RE = re.compile(r"\b(?:not|never|nor|neither|rather|instead|cannot)\b|n't\b")
# "No, it is 5 cm to the left" says a side; "no, 5 cm" does not say which.
_OTHER_RE = re.compile(r"\b(?:no|other|opposite|reverse|reversed)\b")
# Stand for the two things; no text holds them.
_SUBJECT, _OBJECT = "\ue000", "\ue001"
_LINK = r"(?: (?:hand|side|of|than|from|to|the|that|a|an|is))*"


def is_difference(relation: str) -> bool:
    """Whether a relation's value has a sign that an answer in words says by naming a side."""
    return relation.endswith(_DIFFERENCE)


def signed(text: str, spoken: Spoken, query: Query) -> Spoken | None:
    """A spoken difference with its sign: above zero for the side that was asked for. None where the side cannot be told."""
    side, other = side_of(query.relation.removesuffix(_DIFFERENCE))
    plain = _with_things(text, query)
    if plain is None or _DENIED_RE.search(plain):
        return None
    says = [[match for word in _words(each) for match in re.finditer(rf"\b{word}\b", plain)] for each in (side, other)]
    if not says[0] and not says[1]:
        return None if _OTHER_RE.search(plain) else spoken
    if (says[0] and says[1]) or spoken.value < 0:
        return None
    is_swapped = _is_swapped(plain, (says[0] or says[1])[-1])
    if is_swapped is None:
        return None
    if bool(says[0]) != is_swapped:
        return spoken
    return replace(spoken, value=-spoken.value, low=-spoken.high, high=-spoken.low)


def _words(side: Side) -> frozenset[str]:
    said = {word for text in (side.of, side.more, side.word) for word in text.split()} - _FILLING
    return frozenset(said.union(*(_MORE.get(word, ()) for word in said)))


def _with_things(text: str, query: Query) -> str | None:
    """The text in small letters with one sign for each thing: a name may hold a side ("left can"). None for two of one name."""
    names = {query.subject.lower(): _SUBJECT, query.object.lower(): _OBJECT}
    if len(names) < 2:
        return None
    plain = " ".join(text.lower().replace("’", "'").split())
    for name in sorted(names, key=len, reverse=True):
        if name:
            plain = re.sub(rf"\b{re.escape(name)}\b", names[name], plain)
    return plain


def _is_swapped(plain: str, side: re.Match[str]) -> bool | None:
    """Whether the second thing is said to be on that side of the first one; None where that cannot be told."""
    behind = re.match(rf"{_LINK} ([{_SUBJECT}{_OBJECT}])", plain[side.end() :])
    owner = re.search(rf"([{_SUBJECT}{_OBJECT}])'s? $", plain[: side.start()])
    if (reference := behind or owner) is not None:
        return reference[1] == _SUBJECT
    first = re.search(f"[{_SUBJECT}{_OBJECT}]", plain)
    if first is None or first[0] == _SUBJECT:
        return False
    # "The can is 5 cm further left", but not "compared to the can, the cup is ...".
    return True if _SUBJECT not in plain and plain[: first.start()] in ("", "the ") else None
