"""Units of length that people name and this package does not read: they must not become a part of a thing's name."""

from __future__ import annotations

from collections.abc import Collection

from .number_words import word_set
from .tokens import raw_tokens

#: What is said to somebody who names another one.
KNOWN_LENGTHS = "mm, cm, dm, m, km, inches, feet, yards and miles"
_UNITS = word_set(
    "furlong furlongs fathom fathoms cubit cubits parsec parsecs lightyear lightyears league leagues ell ells smoot smoots "
    "nanometer nanometers nanometre nanometres nm micrometer micrometers micrometre micrometres micron microns µm um angstrom "
    "angstroms mil mils thou hectometer hectometers hectometre hectometres decameter decameters dekameter dekameters pixel "
    "pixels px"
)
# Of these there may be some on the table: they are units only where an answer is wanted in them.
_THINGS_TOO = word_set("rods poles perches chains links hands spans handspans paces steps fingers toes thumbs")


def foreign_unit(text: str, known: Collection[str] = ()) -> str | None:
    """The unit of length in a question that is none of ours: "in furlongs" at its end, "how many furlongs", "3 furlongs".

    ``known`` are names of things that are there, of which it may be a part. None where there is none.
    """
    tokens = raw_tokens(text)
    while tokens and not tokens[-1].quoted and not any(map(str.isalnum, tokens[-1].word)):
        tokens = tokens[:-1]
    measures = bool(tokens) and tokens[0].word in ("how", "what", "whats", "what's")
    names = {word for name in known for word in name.lower().split()}
    for index, token in enumerate(tokens):
        if token.quoted or index == 0 or token.word in names:
            continue
        before = tokens[index - 1].word
        is_unit = token.word in _UNITS
        wanted = before == "in" and (is_unit or (measures and token.word in _THINGS_TOO and index == len(tokens) - 1))
        counted = is_unit and (before in ("many", "a", "one", "two", "three") or before.replace(".", "", 1).isdigit())
        if wanted or counted:
            return token.raw
    return None
