"""Questions and answers of templates, a hundred thousand a minute: as ``language`` says them, without reading each one back.

``language.questions.question_text`` makes sure of every question by parsing it. Here names are made sure of instead, once each:
a name that reads back from a panel of questions reads back from all of them (a test holds this against all templates). Never
changes: what is said here is what ``language`` would say with the same template.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

from ..language.answer_templates import answer_sentence, answer_templates
from ..language.names import is_plural, with_article
from ..language.question_templates import question_templates
from ..language.questions import QuestionError, parse_question
from ..language.rounding import exact_length, length_at
from ..language.template_text import fill
from ..scene.facts import Query
from ..scene.relations import RELATIONS, Kind
from .facts import NOTHING_M

_PARTNER = "green can"
# (relation, index of a template): each wording that a name may stand in: first, last, before a verb, beside "and", "or", "from".
_PANEL = (
    ("left", 0), ("left", 4), ("left", 12), ("wide", 0), ("wide", 10), ("which_behind", 0), ("which_behind", 4),
    ("which_behind", 16), ("left_or_right", 0), ("distance", 0), ("distance", 5), ("distance", 12), ("gap", 3), ("height", 0),
    ("height", 6), ("elevation", 2), ("horizontal_distance", 4), ("front_difference", 1), ("above_difference", 6),
)  # fmt: skip
# What begins a question that wants yes or no.
_YES_NO_WORDS = frozenset(
    ("is", "are", "was", "were", "can", "could", "do", "does", "did", "has", "have", "will", "would", "should", "may", "might")
)


@dataclass(frozen=True)
class Name:
    """A name as sentences need it. ``said`` has its article."""

    plain: str
    said: str
    plural: bool


def name_of(plain: str) -> Name:
    return Name(plain, with_article(plain), is_plural(plain))


def is_speakable(name: str) -> bool:
    """Whether questions that hold the name without quotes are understood as meant.

    Words that are names on their own make up names; there are far fewer of them than of names. Others are looked at together.
    """
    return all(_passes(word) for word in name.split()) or _passes(name)


@lru_cache(maxsize=1 << 16)
def _passes(name: str) -> bool:
    return name == _PARTNER or all(_reads_back(relation, index, name) for relation, index in _PANEL)


def _reads_back(relation: str, index: int, name: str) -> bool:
    one = "{b}" not in question_templates(relation)[0]
    queries = [Query(relation, name)] if one else [Query(relation, name, _PARTNER), Query(relation, _PARTNER, name)]
    for query in queries:
        names = [name_of(each) for each in query.names]
        try:
            if parse_question(question(relation, index, names)) != query:
                return False
        except QuestionError:
            return False
    return True


def question(relation: str, index: int, names: list[Name], amount: float = 0.0) -> str:
    """The ``index``-th question of a relation, counted around."""
    templates = question_templates(relation)
    template = templates[index % len(templates)]
    said = {key: name.said for key, name in zip("abc", names, strict=False)}
    if amount:
        said["amount"] = f"{amount:g} m"
    if any(name.plural for name in names):
        return fill(template, said, {key: name.plain for key, name in zip("abc", names, strict=False)})
    text = template.format(**said)
    return text[0].upper() + text[1:]


@cache
def _wordings(relation: str) -> tuple[int, ...]:
    """Indices of a relation's questions that its answers answer: "Is that point free?" is not answered by how far it is."""
    templates = question_templates(relation)
    if RELATIONS[relation].kind is not Kind.ESTIMATE:
        return tuple(range(len(templates)))
    return tuple(at for at, text in enumerate(templates) if text.split()[0].lower() not in _YES_NO_WORDS)


def question_index(relation: str, share: float) -> int:
    """The wording at a share in [0, 1) of those that are asked; its place among all of the relation's."""
    wordings = _wordings(relation)
    return wordings[int(share * len(wordings))]


@cache
def _ends(relation: str, verdict: bool | None) -> tuple[float, ...]:
    """Shares at which each template of an answer ends, the last one 1."""
    weights = [template.weight for template in answer_templates(relation, verdict)]
    total = sum(weights)
    ends = [sum(weights[: at + 1]) / total for at in range(len(weights))]
    return (*ends[:-1], 1.0)


def answer_index(relation: str, verdict: bool | None, share: float) -> int:
    """The template at a share in [0, 1) of all their weight."""
    for index, end in enumerate(_ends(relation, verdict)):
        if share < end:
            return index
    raise ValueError(f"share {share} is not in [0, 1)")


def answer(query: Query, verdict: bool | None, index: int, names: list[Name], value: str = "") -> str:
    """The answer of one template; ``value`` is a number in words."""
    if any(name.plural for name in names):
        return answer_sentence(query, verdict, index, value)
    template = answer_templates(query.relation, verdict)[index].text
    said = {key: name.said for key, name in zip("abc", names, strict=False)}
    first, second = said["a"], said.get("b", "")
    chosen, other = (first, second) if verdict is not False else (second, first)
    text = template.format(it="it", value=value, amount=f"{query.amount:g} m", chosen=chosen, other=other, **said)
    return text[0].upper() + text[1:]


def length_text(value_m: float, std_m: float, share: float, *, exact: bool) -> str:
    """A length in words: as people round it, or to the millimetre with its deviation. What is below nothing is nothing."""
    if exact:
        return exact_length(max(value_m, 0.0), std_m)
    return "0 centimeters" if value_m < NOTHING_M else length_at(value_m, share)
