"""Names of things in words: articles, plurals, and what a name is without them.

Never changes: ``singular(plural(name)) == name`` need not hold for odd words, so whoever writes a plural checks that it reads
back.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = frozenset(("the", "a", "an"))
# What follows one of these describes the thing: "cups on the table" are cups.
_AFTER_HEAD = _set(
    "of on in at by with within from to above below under behind between beside near next for without that which and left right "
    "closest nearest into"
)
_OWNED = frozenset(("my", "your", "his", "her", "our", "their", "this", "that", "these", "those"))
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "half": "halves",
    "scarf": "scarves",
    "wolf": "wolves",
    "die": "dice",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "hero": "heroes",
    "quiz": "quizzes",
    "movie": "movies",
    "cookie": "cookies",
    "pie": "pies",
    "tie": "ties",
    "shoe": "shoes",
    "toe": "toes",
    "lens": "lenses",
    "bus": "buses",
    "gas": "gases",
    "canvas": "canvases",
    "atlas": "atlases",
    "thermos": "thermoses",
    "axe": "axes",
    "cache": "caches",
    "ache": "aches",
}
_SINGULARS = {plural: one for one, plural in _IRREGULAR.items()}
# The same for one and for many, and said as many.
_ALWAYS_PLURAL = _set(
    "scissors pliers tongs tweezers trousers pants jeans shorts headphones goggles binoculars clothes sunglasses shears "
    "fingers groceries chopsticks"
)
_ONE_IN_S = ("ss", "us", "is", "os", "as")
_HISSES = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"


def plain_name(name: str) -> str:
    """A name in lower case, single spaces, without its articles; an article alone stays."""
    words = name.lower().split()
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return " ".join(words)


def with_article(name: str) -> str:
    """ "the red block"; a number ("#3"), an owned thing ("my cup") and what has an article already get none."""
    first, _, rest = name.lower().partition(" ")
    has_one = first in _OWNED or (first in ARTICLES and rest != "")
    return name if first.startswith("#") or has_one else f"the {name}"


def is_plural(name: str) -> bool:
    """Whether a sentence about the name has "are": "scissors", "red blocks", "cups on the table", but not "pair of scissors"."""
    head = _split(name)[1]
    if head in _ALWAYS_PLURAL or head in _SINGULARS:
        return True
    if head in _IRREGULAR or len(head) < 3 or not head.endswith("s"):
        return False
    return not head.endswith(_ONE_IN_S) and head.isalpha()


def plural(name: str) -> str:
    """Many of it: "red blocks" for "red block"."""
    before, head, after = _split(name)
    if not head or is_plural(name):
        return name
    if head in _IRREGULAR:
        many = _IRREGULAR[head]
    elif head.endswith(_HISSES):
        many = head + "es"
    elif len(head) > 1 and head.endswith("y") and head[-2] not in _VOWELS:
        many = head[:-1] + "ies"
    else:
        many = head + "s"
    return " ".join([*before, many, *after])


def singular(name: str) -> str:
    """One of them: "red block" for "red blocks"; a name that is singular or always plural stays."""
    before, head, after = _split(name)
    if not is_plural(name) or head in _ALWAYS_PLURAL:
        return name
    if head in _SINGULARS:
        one = _SINGULARS[head]
    elif head.endswith("ies") and len(head) > 4:
        one = head[:-3] + "y"
    elif head.endswith(("sses", "zzes", "uses", "xes", "ches", "shes")):
        one = head[:-2]
    else:
        one = head[:-1]
    return " ".join([*before, one, *after])


def _split(name: str) -> tuple[list[str], str, list[str]]:
    """Words before the head noun, the head noun, and what describes it after it."""
    words = name.split()
    end = next((at for at, word in enumerate(words) if at and word in _AFTER_HEAD), len(words))
    return words[: max(end - 1, 0)], words[end - 1] if words else "", words[end:]
