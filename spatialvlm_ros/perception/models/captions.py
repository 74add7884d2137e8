"""What a model says about a thing, cut down to a name of one to six words."""

from __future__ import annotations

import re

from ...language.names import ARTICLES, plain_name

MAX_WORDS = 6
# How captioners begin, as whole words: "a close up of", "there is", "the object in the picture is".
_LEAD_RE = re.compile(
    r"^(?:(?:this|it|that|there|here)(?: is|'s| are)|i see|we see|(?:answer|caption|object)\s*:"
    r"|(?:the )?(?:picture|image|photo|photograph|view|crop|main object|object|thing|item)(?: in (?:the|this) \w+)?"
    r"(?: is| shows| depicts| contains| features)"
    r"|(?:an? |the )?(?:\w+ )?(?:close[- ]?up|picture|image|photo|photograph|view|shot|drawing)(?: shot| view)? of)(?:\s+|$)"
)
# Where the thing ends and its surroundings or its story begin.
_CLAUSE_RE = re.compile(
    r"\s(?:that|which|who|on|in|at|by|next|near|beside|behind|under|over|against|from|to|and|while|sitting|standing|lying|hanging|"
    r"resting|placed|is|are|being|seen|visible|shown|located|positioned)\b"
)
_WORD_RE = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
# A name does not end in one of these.
_DANGLING = ARTICLES | {"of", "with", "for"}
_NOTHING = frozenset(("none", "nothing", "unknown", "unclear", "object", "thing", "something", "image", "picture", "photo"))


def clean_caption(text: str) -> str:
    """A name in small letters without an article, of at most MAX_WORDS words; "" when the text names nothing.

    Kept is the noun phrase that the text begins with. If that is still too long, its last words are kept, for the noun comes
    last in English.
    """
    lines = [line for line in text.strip().splitlines() if line.strip()]
    plain = " ".join(lines[0].lower().replace("’", "'").split()) if lines else ""
    plain = plain.strip("\"'*` ")
    for _ in range(2):
        plain = _LEAD_RE.sub("", plain)
    plain = re.split(r"[.;:!?,()\[\]{}<>|/\\]", plain.lstrip("-*# "), maxsplit=1)[0]
    cut = _CLAUSE_RE.split(plain, maxsplit=1)[0]
    words = plain_name(" ".join(_WORD_RE.findall(cut))).split()
    while words and words[-1] in _DANGLING:
        words.pop()
    name = " ".join(words[-MAX_WORDS:])
    if name in _NOTHING or not any(letter.isalpha() for letter in name):
        return ""
    return name
