"""What colour and depth say of regions without a model, as a second witness beside the network.

perception/names.py scores a name by shares of colours and by fitted shapes. Its errors have other causes than the network's, so a
weighted sum of all witnesses' log odds is better than any (weights are fitted on held-out scenes, calibration.py). The third one,
perception/noun_forms.py, knows the nouns that six fitted shapes do not tell apart, by measured form alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...perception.appearance import Appearance
from ...perception.colors import COLORS
from ...perception.names import parse, score
from ...perception.noun_forms import shipped_noun_forms
from .tokenizer import HEAD_ENDS

SHAPES = ("block", "can", "ball", "plate", "cup", "bowl")
#: The first columns of ``looks_of``; behind them stand those of ``NounForms.nouns``.
LOOKS = (*COLORS, *SHAPES)


def looks_of(appearances: Sequence[Appearance]) -> npt.NDArray[np.float32]:
    """(N, 17 + K) shares of colours, scores of shapes, and what their forms say of nouns; 0 where nothing is known."""
    rows = [
        [*(each.colors.get(name, 0.0) for name in COLORS), *(each.shapes.get(name, 0.0) for name in SHAPES)]
        for each in appearances
    ]
    seen = np.asarray(rows, np.float32).reshape(-1, len(LOOKS))
    return np.concatenate([seen, shipped_noun_forms()([each.form for each in appearances]).astype(np.float32)], axis=1)


def testify(names: Sequence[str], looks: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(P, N) in -1 .. 1: how far regions with ``looks_of`` (N, 17 + K) answer to names; 0 for names that nobody can check so."""
    seen = [
        Appearance(dict(zip(COLORS, row[: len(COLORS)], strict=True)), dict(zip(SHAPES, row[len(COLORS) :], strict=True)))
        for row in looks[:, : len(LOOKS)].astype(float).tolist()
    ]
    out = np.zeros((len(names), len(seen)))
    for place, name in enumerate(names):
        phrase = parse(name)
        # A noun of no known shape, or none at all, leaves colour alone to speak.
        if phrase.colors or (phrase.shapes and not phrase.strange):
            out[place] = [2 * score(phrase, each) - 1 for each in seen]
    return out


def forms_say(phrases: Sequence[Sequence[str]], looks: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(P, N) by how much the forms of regions with ``looks_of`` (N, 17 + K) make the noun of each phrase likelier, log odds.

    Args:
        phrases: words of each as ``PhraseTokenizer.split`` gives them; 0 for one whose noun no form speaks of.
    """
    forms = shipped_noun_forms()
    out = np.zeros((len(phrases), len(looks)))
    for place, words in enumerate(phrases):
        end = next((at for at, word in enumerate(words) if word in HEAD_ENDS), len(words))
        noun = forms.noun_of(words[:end])
        if noun is not None:
            out[place] = looks[:, len(LOOKS) + noun]
    return out
