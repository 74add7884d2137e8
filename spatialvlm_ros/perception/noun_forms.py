"""How well nouns fit the measured form of a thing: a can is round, closed and taller than wide, whatever is printed on it.

A small network (``models/nouns``; the card there tells what it was fitted on) reads what ``shapes.measure_shape`` measured and
says of each noun how much likelier it became. It sees no pixels, so that its errors are others than those of whoever looks at a
picture.
Fitted by ``python -m spatialvlm_ros.training.embedded.noun_forms``, used in plain NumPy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..scene.shipped import an_entry_a_line, shipped_text
from .shapes import ShapeMeasure, shape_scores

FloatArray = npt.NDArray[np.float64]

FOLDER = Path(__file__).resolve().parents[1] / "models" / "nouns"
FILE = "network.json"
# No form makes a noun less likely, or likelier, by more than this, in natural logarithms of odds. It rules out sooner than it
# proves: of two tins neither is the tin because more tins look like it.
LEAST_ODDS, MOST_ODDS = -2.0, 1.0
_LEAST_M, _MOST_M = 1e-3, 2.0
#: Of ``features_of``, in order: logarithms of metres and of ratios, shares, and scores of shapes. How well box, cylinder and
#: sphere fit is in the scores alone: residuals tell the camera's noise as much as the thing's form.
FEATURES = (
    "height", "length", "width", "tallness", "elongation", "roundness", "hollow", "block", "can", "ball", "plate", "cup", "bowl",
)  # fmt: skip


def features_of(form: ShapeMeasure) -> list[float]:
    """Numbers of ``FEATURES``."""
    height, length, width = _log(form.height_m), _log(form.length_m), _log(form.width_m)
    tallness = height - (length + width) / 2
    return [height, length, width, tallness, length - width, form.roundness, form.hollow, *shape_scores(form).values()]


def _log(value_m: float) -> float:
    return math.log(min(max(value_m, _LEAST_M), _MOST_M))


@dataclass(frozen=True)
class NounForms:
    """The network.

    Attributes:
        nouns: that it speaks of (K).
        words: what people say for them: "tin can" for "can".
        middle, scale: (F,) of the features, which are brought to 0 and 1 by them.
        weights, biases: of the layers, (I, O) and (O,), with max(0, x) between two.
        common: (K,) logarithms of the odds of each noun among the examples.
    """

    nouns: tuple[str, ...]
    words: Mapping[str, str]
    middle: FloatArray
    scale: FloatArray
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    common: FloatArray

    def __call__(self, forms: Sequence[ShapeMeasure | None]) -> FloatArray:
        """(N, K) by how much each noun became likelier, natural logarithms of odds, bounded; 0 without a form."""
        out = np.zeros((len(forms), len(self.nouns)))
        known = [index for index, form in enumerate(forms) if form is not None]
        if known:
            out[known] = self.of_features([features_of(form) for form in forms if form is not None])
        return out

    def of_features(self, features: npt.ArrayLike) -> FloatArray:
        """(N, K) the same of ``features_of`` N > 0 forms."""
        x = (np.asarray(features, np.float64) - self.middle) / self.scale
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0.0)
        return np.clip(x @ self.weights[-1] + self.biases[-1] - self.common, LEAST_ODDS, MOST_ODDS)

    def noun_of(self, words: Sequence[str]) -> int | None:
        """Which noun the words of a name end with; None for one that it does not speak of."""
        for start in range(len(words)):
            noun = self.words.get(" ".join(words[start:]))
            if noun is not None:
                return self.nouns.index(noun)
        return None

    def to_json(self) -> str:
        """One line an entry; what ``from_json`` reads."""
        entries = {
            "features": list(FEATURES), "nouns": list(self.nouns), "words": dict(self.words), "middle": self.middle.tolist(),
            "scale": self.scale.tolist(), "weights": [each.tolist() for each in self.weights],
            "biases": [each.tolist() for each in self.biases], "common": self.common.tolist(),
        }  # fmt: skip
        return an_entry_a_line(entries)

    @staticmethod
    def from_json(text: str) -> NounForms:
        """Raises ValueError for what is no such network, or one of other features."""
        try:
            entries = json.loads(text)
            names = tuple(entries["features"])
            middle, scale, common = (np.asarray(entries[name], np.float64) for name in ("middle", "scale", "common"))
            weights, biases = (tuple(np.asarray(each, np.float64) for each in entries[name]) for name in ("weights", "biases"))
            found = NounForms(tuple(entries["nouns"]), dict(entries["words"]), middle, scale, weights, biases, common)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no network of forms: {error!r}") from error
        if names != FEATURES:
            raise ValueError(f"a network of the features {names}; this version measures {FEATURES}")
        sizes = [len(FEATURES), *(len(bias) for bias in biases)]
        fits = [weight.shape == size for weight, size in zip(weights, pairwise(sizes), strict=False)]
        if not (fits and all(fits) and len(weights) == len(biases) and sizes[-1] == len(common) == len(found.nouns)):
            raise ValueError(f"layers of {[weight.shape for weight in weights]} do not fit {len(found.nouns)} nouns")
        if not set(found.words.values()) <= set(found.nouns):
            raise ValueError("words for nouns that the network does not speak of")
        return found


@lru_cache(maxsize=1)
def shipped_noun_forms() -> NounForms:
    """The network of this package. Raises ValueError where the file is not the one of its SHA256SUMS."""
    return NounForms.from_json(shipped_text(FOLDER, FILE))
