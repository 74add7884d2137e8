"""Of regions that answer to one name, those that another word suits far better.

A purple can answers to "purple bottle" nearly as well as the bottle beside it; but "purple can" suits it far better, and whoever
means the can says so. So where several regions answer to a name that is to single one out, by a colour and a noun, they are asked
for with the other nouns and the other colours too. Says nothing of a region that answers alone: that no other word suits it
better makes it no more likely to be there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...perception.names import COLOR_WORDS, WIDE_NOUNS
from .tokenizer import HEAD_ENDS

# By so much in log odds another word suits a region far better, and hardly better; words that mean the same ("bottle", "flask")
# differ by less.
_FAR, _HARDLY = 1.5, 1.0


def other_wordings(words: Sequence[str], attributes: Sequence[str]) -> list[list[str]]:
    """The phrase with each other colour, and with each other noun, in place of its own; empty for one that does not have both.

    Args:
        words: of the phrase, as ``PhraseTokenizer.split`` gives them.
        attributes: as of ``TowerConfig``, which tell the others.
    """
    end = next((place for place, word in enumerate(words) if word in HEAD_ENDS), len(words))
    colored = [place for place in range(end - 1) if words[place] in COLOR_WORDS]
    if not colored or words[end - 1] in COLOR_WORDS or words[end - 1] in WIDE_NOUNS:
        return []
    others = [(place, _named(attributes, "color")) for place in colored]
    # Wide nouns fit beside the closest one.
    others.append((end - 1, _named(attributes, "noun") - WIDE_NOUNS))
    return [
        [" ".join([*words[:place], other, *words[place + 1 :]]) for other in sorted(known - {words[place]})]
        for place, known in others
        if known - {words[place]}
    ]


def called_otherwise(own: npt.ArrayLike, others: Sequence[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """(N,) which regions another word suits far better than the first, the likeliest one; none where another word suits that too.

    Args:
        own: (N,) log odds of the regions' matches with the phrase.
        others: each (K, N), the same of the wordings with other words in one place.
    """
    said = np.asarray(own, np.float64)
    better = np.full(len(said), -np.inf)
    for each in others:
        better = np.maximum(better, np.asarray(each, np.float64).max(axis=0) - said)
    return np.asarray((better > _FAR) & (better[0] <= _HARDLY), bool)


def _named(attributes: Sequence[str], kind: str) -> frozenset[str]:
    return frozenset(each.removeprefix(f"{kind}:") for each in attributes if each.startswith(f"{kind}:"))
