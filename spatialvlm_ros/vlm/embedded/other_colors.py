"""By how much another colour suits a region better than the one that a name says.

The network answers for each word by itself, and says of a yellow plate that it is orange nearly as well as of an orange one that
stands in the shade. But a thing has one colour: where "yellow" suits it far better, it is not what somebody means by the orange
plate. So each region is asked for all colours that the network knows, and what speaks against a name is how far its own stays
behind the best of the others. That another colour suits it worse makes it no likelier to be what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...perception.names import COLOR_WORDS
from .calibration import log_odds
from .tokenizer import HEAD_ENDS
from .tower import PhraseEncoder, Phrases, Regions, RegionTextTower, match

# What perception/names.py has no colour of its own for.
_COLOR_OF = COLOR_WORDS | {"turquoise": "turquoise", "cyan": "turquoise", "teal": "turquoise", "beige": "beige", "tan": "beige"}
# Colours that people call one thing by: to many turquoise is green or blue, and white things in the shade are gray.
_ALIKE = frozenset(
    frozenset(pair.split())
    for pair in ("turquoise green", "turquoise blue", "beige brown", "beige white", "white gray", "gray black")
)
_ENCODED: WeakKeyDictionary[PhraseEncoder, tuple[list[tuple[int, int]], Phrases]] = WeakKeyDictionary()
# In log odds; beyond it nothing is told apart.
_MOST = 8.0


def other_colors_say(tower: RegionTextTower, names: Tensor, regions: Regions) -> npt.NDArray[np.float64]:
    """(P, N) log odds, at most 0, by which the colour that a name says stays behind the best other one on each region.

    Args:
        names: (P, L) int64 words of the names, 0 behind the end. Where one says several colours the worst of them counts; 0 for
            one that says none before its noun, and where the network knows no colours.
    """
    words = tower.config.words
    known = [each.removeprefix("color:") for each in tower.config.attributes if each.startswith("color:")]
    colors = [color for color in known if color in words]
    out = np.zeros((len(names), len(regions.embedding)))
    said = [_colors_of([words[word] for word in row if word], colors) for row in names.tolist()]
    if not any(said) or not len(regions.embedding):
        return out
    with torch.no_grad():
        odds = log_odds(match(_phrases_of(tower, colors), regions).double().cpu().numpy())
    behind = {each: _behind(each, colors, odds) for each in set(said) if each}
    for row, each in zip(out, said, strict=True):
        if each:
            row[:] = behind[each]
    return out


def _phrases_of(tower: RegionTextTower, colors: Sequence[str]) -> Phrases:
    """Each colour by itself, encoded; kept for as long as the encoder's weights are what they are."""
    weights = [(each.data_ptr(), each._version) for each in tower.phrases.parameters()]
    known = _ENCODED.get(tower.phrases)
    if known is None or known[0] != weights:
        ids = torch.tensor([[tower.config.words.index(color)] for color in colors], device=next(tower.parameters()).device)
        known = _ENCODED[tower.phrases] = (weights, tower.phrases(ids))
    return known[1]


def _colors_of(words: Sequence[str], colors: Sequence[str]) -> frozenset[str]:
    """The colours that a name says of the thing itself: before its noun, not of what it has or stands on."""
    end = next((place for place, word in enumerate(words) if word in HEAD_ENDS), len(words))
    return frozenset(_COLOR_OF[word] for word in words[: end - 1] if _COLOR_OF.get(word) in colors) if end else frozenset()


def _behind(said: frozenset[str], colors: Sequence[str], odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N,) of colours that are said, from the log odds (C, N) of all."""
    alike = said | {color for pair in _ALIKE if pair & said for color in pair}
    own = odds[[place for place, color in enumerate(colors) if color in said]].min(axis=0)
    others = odds[[place for place, color in enumerate(colors) if color not in alike]]
    return np.asarray(np.clip(own - others.max(axis=0, initial=-np.inf), -_MOST, 0.0))
