"""From the tower's matches to probabilities: that a region answers to a name, that anything does, that several things do.

Two numbers, a slope and an offset on the log odds, fitted on held-out scenes of another renderer (Platt 1999). Regions are then
taken as independent: "anything" is 1 - prod(1 - p).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
# Beyond these log odds nothing is told apart, and products of many regions stay finite.
_MOST = 12.0


@dataclass(frozen=True)
class Calibration:
    """Log odds of a region = slope * log odds of its match + witness * what colour and depth say + forms * what its form says
    + colors * what other colours say + offset.

    Attributes:
        witness: weight of ``witness.testify``.
        unheard: added where that says nothing, so that the match stands alone.
        forms: weight of ``witness.forms_say``.
        colors: weight of ``other_colors.other_colors_say``.
        present_slope, present_offset, several_slope, several_offset: the same for "anything" and "several things".
        prior_odds: that what is named is there, against those of the scenes that the rest was fitted on, where half of the names
            were of nothing (most of them nearly of something): people name what they see.
        asked_odds: the same, in place of ``prior_odds``, of what a question names: who asks for it supposes that it is there.
        found: least ``present`` from which a name is said to be found.
        rival: a region of at least this share of the best one's probability answers as well.
        verdicts: by dimension of comparisons, what joins depth's margin and the decoder's probability; see verdicts.py.
        deviations: what joins the deviations of a length by the decoder and by depth; see deviations.py.
    """

    slope: float = 1.0
    offset: float = 0.0
    witness: float = 0.0
    unheard: float = 0.0
    forms: float = 0.0
    colors: float = 0.0
    present_slope: float = 1.0
    present_offset: float = 0.0
    several_slope: float = 1.0
    several_offset: float = 0.0
    prior_odds: float = 1.0
    asked_odds: float = 36.0
    found: float = 0.5
    rival: float = 0.5
    verdicts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    deviations: Sequence[float] = ()

    def probabilities(
        self, log_match: npt.ArrayLike, testimony: npt.ArrayLike = 0.0, forms: npt.ArrayLike = 0.0, colors: npt.ArrayLike = 0.0
    ) -> FloatArray:
        """Probability of each region from ``tower.match``, ``witness.testify``, ``witness.forms_say`` and
        ``other_colors.other_colors_say``, any shape.
        """
        said, form, color = (np.asarray(each, np.float64) for each in (testimony, forms, colors))
        odds = self.slope * log_odds(log_match) + self.witness * said + self.unheard * (said == 0) + self.forms * form
        return sigmoid(odds + self.colors * color + self.offset)

    def present_and_several(self, probabilities: npt.ArrayLike) -> tuple[float, float]:
        """Probability that at least one, and that more than one, of the regions (N,) answers; 0 without regions."""
        if not np.size(probabilities):
            return 0.0, 0.0
        anything, more = independent(probabilities)
        present = self._present(anything, self.prior_odds)
        several = float(sigmoid(self.several_slope * odds_of(more) + self.several_offset))
        # More than one is one at least, and takes two.
        return present, min(several, present) if np.size(probabilities) > 1 else 0.0

    def supposed(self, probabilities: npt.ArrayLike) -> float:
        """Probability that the likeliest of the regions (N,) is what a question means: that anything is, by ``asked_odds``, times
        its share of the odds, since one thing alone is meant; 0 without regions."""
        if not np.size(probabilities):
            return 0.0
        held = np.clip(np.asarray(probabilities, np.float64), 1e-9, 1 - 1e-9)
        odds = held / (1 - held)
        return self._present(independent(held)[0], self.asked_odds) * float(odds.max() / odds.sum())

    def _present(self, anything: float, prior_odds: float) -> float:
        prior = float(np.log(prior_odds))
        return float(sigmoid(self.present_slope * odds_of(anything) + self.present_offset + prior))


def sigmoid(odds: npt.ArrayLike) -> FloatArray:
    """Probability of log odds, held within what products of many bear."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -_MOST, _MOST))))


def odds_of(probability: float) -> float:
    """Log odds of a probability, held within ``_MOST``."""
    held = min(max(probability, 1e-9), 1 - 1e-9)
    return float(np.clip(np.log(held / (1 - held)), -_MOST, _MOST))


def log_odds(log_match: npt.ArrayLike) -> FloatArray:
    """log(p / (1 - p)) of log p, held within what float64 tells apart."""
    value = np.minimum(np.asarray(log_match, np.float64), -1e-9)
    return np.asarray(value - np.log(-np.expm1(value)))


def independent(probabilities: npt.ArrayLike) -> tuple[float, float]:
    """Probability that at least one, and that more than one, of independent regions (N,) answers."""
    # As plain numbers: NumPy takes ten times as long for a handful of them.
    p: list[float] = np.asarray(probabilities, np.float64).ravel().tolist()
    is_not = [1 - each for each in p]
    none, one = math.prod(is_not), 0.0
    for i, each in enumerate(p):
        one += each * math.prod(is_not[:i] + is_not[i + 1 :])
    return min(max(1 - none, 0.0), 1.0), min(max(1 - none - one, 0.0), 1.0)


def fit(features: npt.ArrayLike, answers: npt.ArrayLike, rounds: int = 50) -> FloatArray:
    """Weights (K + 1,) of features (N, K) and a constant, of greatest likelihood for answers (N,), by Newton's method.

    Raises:
        ValueError: there are not both answers in it.
    """
    x, y = np.asarray(features, np.float64), np.asarray(answers, np.float64)
    if not (0 < y.sum() < y.size):
        raise ValueError(f"{int(y.sum())} of {y.size} answers are yes; both are needed for a calibration")
    design = np.column_stack([x, np.ones(len(x))])
    prior = np.zeros(design.shape[1])
    prior[0] = 1.0
    weights = prior.copy()
    for _ in range(rounds):
        p = sigmoid(design @ weights)
        # A little pull towards slope 1 and nothing else keeps it finite where yes and no are told apart perfectly.
        gradient = design.T @ (y - p) - 0.01 * (weights - prior)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 0.01 * np.eye(len(prior))
        step = np.linalg.solve(curvature, gradient)
        weights = weights + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return weights
