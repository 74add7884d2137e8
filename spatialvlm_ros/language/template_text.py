"""What question and answer templates have in common: compact composition, articles, agreement and capitals.

A template is a plain sentence with ``{a}``, ``{b}``, ``{c}``. Where a verb stands beside a name it is written for one thing
("Is {a} wider than {b}?"), and said for many when the name is a plural.
"""

from __future__ import annotations

import itertools
import re

from .names import is_plural

# For one, for many.
VERBS = {
    "is": "are",
    "does": "do",
    "has": "have",
    "lies": "lie",
    "sits": "sit",
    "stands": "stand",
    "rests": "rest",
    "touches": "touch",
    "fits": "fit",
    "was": "were",
    "comes": "come",
    "goes": "go",
    "holds": "hold",
    "reaches": "reach",
    "measures": "measure",
    "looks": "look",
    "meets": "meet",
    "needs": "need",
}
_VERB = "|".join(VERBS)
_FIELD = r"\{(?P<name>[abc]|it|chosen|other)\}"
_BEFORE_RE = re.compile(rf"\b(?P<verb>{_VERB}) {_FIELD}(?! and\b)", re.IGNORECASE)
# After "of {a}" the verb belongs to what stands before it.
_JOINTS = ("of", "and", "or", "from", "to", "than", "below", "above", "behind", "by", "between")
_AFTER_RE = re.compile("".join(rf"(?<!\b{word} )" for word in _JOINTS) + rf"{_FIELD} (?P<verb>{_VERB})\b")
_CHOICE_RE = re.compile(r"\(([^()]*)\)")


def expand(text: str) -> tuple[str, ...]:
    """All sentences of a composition: "(What is|Give) the (gap|clearance)" stands for four. Alternatives are not nested."""
    parts = _CHOICE_RE.split(text)
    options = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    return tuple(" ".join("".join(chosen).split()) for chosen in itertools.product(*options))


def expand_all(*texts: str) -> tuple[str, ...]:
    """All sentences of some compositions, each once, in order."""
    return tuple(dict.fromkeys(sentence for text in texts for sentence in expand(text)))


def fill(template: str, said: dict[str, str], plain: dict[str, str]) -> str:
    """A template with its names, its verbs in agreement with them, and a capital at the start.

    Args:
        said: each field's words, e.g. {"a": "the red blocks"}.
        plain: the names, for agreement; "it" has the name that it stands for.
    """
    plurals = {key for key, name in plain.items() if name and is_plural(name)}
    if plurals:
        template = _BEFORE_RE.sub(lambda found: _agreed(found, plurals), template)
        template = _AFTER_RE.sub(lambda found: _agreed(found, plurals), template)
    text = template.format(**said)
    return text[:1].upper() + text[1:]


def _agreed(found: re.Match[str], plurals: set[str]) -> str:
    verb = found["verb"]
    if found["name"] not in plurals:
        return found[0]
    many = VERBS[verb.lower()]
    return found[0].replace(verb, many.capitalize() if verb[0].isupper() else many, 1)
