"""Kinds of composed questions: how their forms are written down, and what patterns and wordings come of them.

A form is a sentence in the notation of ``language.patterns``, with short slots: ``{a}`` to ``{d}`` a thing, ``{g}`` and ``{gs}``
a kind of things (one, many), ``{h}`` and ``{hs}`` another kind, ``{n}`` and ``{m}`` lengths, ``{k}`` a number, ``{pair}``,
``{list}`` and ``{orlist}`` names, ``<times>`` "twice" or "3 times", ``<range>`` "between 10 and 30 cm", ``<best>`` a thing told
by a superlative, ``{a2}`` the thing of ``{a}`` once more.
Never changes: every wording of a kind is a form with its alternatives chosen, so it is read back as that kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..expressions.tree import Tree
from ..language.patterns import Pattern, Slot
from ..language.template_text import VERBS
from .build import Build, Said

_UNITS = {
    "cm": "(cm|centimeters|centimetres|centimeter|centimetre)",
    "m": "(m|meters|metres|meter|metre)",
    "mm": "(mm|millimeters|millimetres)",
    "inch": "(inches|inch|in)",
    "feet": "(feet|ft)",
}
_MACROS = {
    "<best>": ("{s:best}", "the tallest {g}"),
    "<times>": ("(twice|double|{k:number} times)", "{k} times"),
    "<range>": (
        "between ({n:length} and {m:length}|"
        + "|".join(f"{{low_{unit}:number}} and {{high_{unit}:number}} {said}" for unit, said in _UNITS.items())
        + ")",
        "between {n} and {m}",
    ),
}
_SLOTS = {
    **{key: f"{{{key}:thing}}" for key in "abcd"},
    **{key: f"{{{key}:sort}}" for key in "gh"},
    **{f"{key}s": f"{{{key}:sorts}}" for key in "gh"},
    **{key: f"{{{key}:length}}" for key in "nm"},
    "k": "{k:number}",
    "a2": "{a2:thing}",
    **dict.fromkeys(("pair", "list", "orpair", "orlist"), "{names:several}"),
}
_LISTS = {"{pair}": "{a} and {b}", "{list}": "{a}, {b} and {c}", "{orpair}": "{a} or {b}", "{orlist}": "{a}, {b} or {c}"}
_VERB_RE = re.compile(rf"(?<![{{\w:])({'|'.join(VERBS)})(?![\w}}:])")
_MARKS_RE = re.compile(r"[?.,:](?=\s|$|\))")
_EXAMPLES = {
    **{key: key.upper() for key in "abcd"},
    "g": "block",
    "gs": "blocks",
    "h": "can",
    "hs": "cans",
    "n": "20 cm",
    "m": "40 cm",
    "k": "3",
}


@dataclass(frozen=True)
class ListPattern(Pattern[Tree]):
    """A pattern of a text that has a comma, without which its parts would run together."""


@dataclass(frozen=True)
class Kind:
    """One kind of composed question.

    Attributes:
        wordings: plain sentences with {a}, {b}, {c}, {d} (things; "the" is put before them), {g}, {gs}, {h}, {hs} (kinds of
            things, one and many), {n}, {m} (lengths, n below m) and {k} (a number). Each can be parsed.
        meaning: what is asked, for who works out the truth another way.
    """

    id: str
    meaning: str
    wordings: tuple[str, ...]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that any of its wordings has."""
        return frozenset(field for wording in self.wordings for field in re.findall(r"\{(\w+)\}", wording))


@dataclass(frozen=True)
class Group:
    """Forms of one kind, with what they mean.

    ``known`` forms are read by patterns that are there already. Without an id it is a pattern and no kind.
    """

    id: str
    meaning: str
    build: Build
    forms: tuple[str, ...]
    known: bool = False


def group(id: str, meaning: str, build: Build, *forms: str) -> Group:
    return Group(id, meaning, build, forms)


def pattern_text(form: str) -> str:
    """A form in the notation of patterns: for one thing and for many, without its marks."""
    text = _MARKS_RE.sub("", form.lower())
    for macro, (notation, _) in _MACROS.items():
        text = text.replace(macro, notation)
    text = re.sub(r"\{(\w+)\}", lambda found: _SLOTS.get(found[1], found[0]), text)
    return _VERB_RE.sub(lambda found: f"({found[1]}|{VERBS[found[1]]})", text)


def example(form: str) -> str:
    """A form as it is told to people, with A, B, C for the things."""
    return re.sub(r"\{(\w+)\}", lambda found: _EXAMPLES.get(found[1], found[1]), wordings_of(form)[0])


def pattern_of(build: Build, forms: Sequence[str]) -> Pattern[Tree]:
    """One pattern for forms of one meaning."""
    text = "|".join(f"({pattern_text(form)})" for form in forms)
    return Pattern(f"({text})", lambda slots: _built(build, slots), example(forms[0]))


def _built(build: Build, slots: Mapping[str, Slot]) -> Tree:
    check_repeated(slots)
    return build(Said(slots))


def check_repeated(slots: Mapping[str, Slot]) -> None:
    """Raise ValueError where the thing that ``{a2}`` names again is not the one that ``{a}`` named."""
    if "a2" in slots and slots["a2"] != slots["a"]:
        raise ValueError(f"'{slots['a']}' is meant, and '{slots['a2']}' is said")


def wordings_of(form: str) -> tuple[str, ...]:
    """Plain sentences of a form: with the first of all its alternatives, with their last, and one in between."""
    for macro, (_, said) in _MACROS.items():
        form = form.replace(macro, said)
    for key, said in (*_LISTS.items(), ("{a2}", "{a}")):
        form = form.replace(key, said)
    chosen = [_chosen(form, pick) for pick in (lambda count: 0, lambda count: count - 1, lambda count: count // 2)]
    return tuple(dict.fromkeys(_tidy(sentence) for sentence in chosen))


def _chosen(form: str, pick: Callable[[int], int]) -> str:
    """A form with one of each of its alternatives."""
    inner = re.compile(r"\(([^()]*)\)")
    while (found := inner.search(form)) is not None:
        options = found[1].split("|")
        form = f"{form[: found.start()]}{options[pick(len(options))]}{form[found.end() :]}"
    return form


def _tidy(sentence: str) -> str:
    text = re.sub(r"\s+([,?.:])", r"\1", " ".join(sentence.split()))
    return text[:1].upper() + text[1:] if not text.startswith("{") else text


def kinds_of(groups: Sequence[Group]) -> dict[str, Kind]:
    """The kinds of some groups; groups of one id are one kind."""
    found: dict[str, Kind] = {}
    for each in groups:
        if not each.id:
            continue
        said = tuple(sentence for form in each.forms for sentence in wordings_of(form))
        before = found.get(each.id)
        wordings = tuple(dict.fromkeys([*(before.wordings if before else ()), *said]))
        found[each.id] = Kind(each.id, (before.meaning if before else "") or each.meaning, wordings)
    return found
