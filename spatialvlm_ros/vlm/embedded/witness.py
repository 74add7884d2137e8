"""What colour and depth say of regions without a model, as a second witness beside the network.

perception/names.py scores a name by shares of colours and by fitted shapes. Its errors have other causes than the network's, so a
weighted sum of both witnesses' log odds is better than either (weights are fitted on held-out scenes, calibration.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...perception.appearance import Appearance
from ...perception.colors import COLORS
from ...perception.names import parse, score

SHAPES = ("block", "can", "ball", "plate", "cup", "bowl")
#: Columns of ``looks_of``.
LOOKS = (*COLORS, *SHAPES)


def looks_of(appearances: Sequence[Appearance]) -> npt.NDArray[np.float32]:
    """(N, 17) shares of colours and scores of shapes of regions; 0 where nothing is known."""
    rows = [
        [*(each.colors.get(name, 0.0) for name in COLORS), *(each.shapes.get(name, 0.0) for name in SHAPES)]
        for each in appearances
    ]
    return np.asarray(rows, np.float32).reshape(-1, len(LOOKS))


def testify(names: Sequence[str], looks: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(P, N) in -1 .. 1: how far regions with looks (N, 17) answer to names; 0 for names that nobody can check so."""
    seen = [
        Appearance(dict(zip(COLORS, row[: len(COLORS)], strict=True)), dict(zip(SHAPES, row[len(COLORS) :], strict=True)))
        for row in looks.astype(float).tolist()
    ]
    out = np.zeros((len(names), len(seen)))
    for place, name in enumerate(names):
        phrase = parse(name)
        # A noun of no known shape, or none at all, leaves colour alone to speak.
        if phrase.colors or (phrase.shapes and not phrase.strange):
            out[place] = [2 * score(phrase, each) - 1 for each in seen]
    return out
