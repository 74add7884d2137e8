"""The paper's figures over many answers, with calibration, by type and by distance, each with a 95 % interval.

Shares are of all that was asked: what gives no answer is in no band and never right. Errors are of the numbers given; beside
them stands the error with a missing number read as 0, so that refusing what is hard does not look like being exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import METRE
from ..scene.relations import RELATIONS
from .vqa_bootstrap import ByImage
from .vqa_records import LEAST_M, POSITIVE, UNSURE, Judgement, Prediction, VqaRecord, judge

Floats = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# (low, high) of said over true; SpatialVLM's bands and SpatialRGPT's 25 %.
BANDS: dict[str, tuple[float, float]] = {
    "in_50_to_200_percent": (0.5, 2.0),
    "in_66.7_to_150_percent": (2 / 3, 1.5),
    "within_25_percent": (0.75, 1.25),
    "in_90_to_110_percent": (0.9, 1.1),
}
# Distance of the things from the camera, metres.
DISTANCES: dict[str, tuple[float, float]] = {
    "below 0.6 m": (0.0, 0.6), "0.6 to 1 m": (0.6, 1.0), "1 to 2 m": (1.0, 2.0), "above 2 m": (2.0, math.inf),
}  # fmt: skip
# A margin from which on a comparison is clear to anybody.
CLEAR_M = 0.02
_BINS = 10


def score(
    records: Sequence[VqaRecord], predictions: Sequence[Prediction], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """All figures. Raises ValueError when there is not one prediction a record."""
    if len(records) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(records)} questions; give one for each, in order")
    table = Table(records, predictions, ByImage([record.image for record in records], resamples, seed))
    everything = np.ones(len(records), bool)
    relations = [name for name in RELATIONS if name in set(table.relation)]
    return {
        "questions": len(records),
        "images": table.by_image.num_images,
        "numbers": table.numbers(everything),
        "verdicts": table.verdicts(everything),
        "by_relation": {name: table.both(table.relation == name) for name in relations},
        "by_distance": {
            name: table.both((table.away >= low) & (table.away < high))
            for name, (low, high) in DISTANCES.items()
            if ((table.away >= low) & (table.away < high)).any()
        },
    }


class Table:
    """Judged answers as columns (N,)."""

    def __init__(self, records: Sequence[VqaRecord], predictions: Sequence[Prediction], by_image: ByImage) -> None:
        self.by_image = by_image
        judged = [judge(record, said) for record, said in zip(records, predictions, strict=True)]
        self.relation = np.array([record.relation for record in records], dtype=str)
        self.is_length = np.array([record.is_number and record.unit == METRE for record in records], bool)
        self.is_number = np.array([record.is_number for record in records], bool)
        self.away = np.array([record.away_m for record in records], float)
        self.truth = np.array([record.value for record in records], float)
        self.margin = np.array([record.margin_m for record in records], float)
        self.polarity = np.array([record.polarity for record in records], dtype=str)
        self.std = np.array([said.std for said in predictions], float)
        self.worded = np.array([bool(said.text) for said in predictions], bool)
        self.gives = _column(judged, "gives") > 0
        self.right, self.exact = _column(judged, "right") > 0, _column(judged, "exact") > 0
        self.error, self.ratio = _column(judged, "error"), _column(judged, "ratio")
        self.sigmas, self.probability = _column(judged, "sigmas"), _column(judged, "probability")
        self.likelier, self.sure = _column(judged, "likelier") > 0, _column(judged, "sure") > 0
        self.names_side = _column(judged, "names_side") > 0

    def both(self, which: BoolArray) -> dict[str, Any]:
        """Numbers and verdicts of a part; of a part with one kind alone, that kind's figures."""
        kinds = {"numbers": which & self.is_number, "verdicts": which & ~self.is_number}
        found = {name: getattr(self, name)(part) for name, part in kinds.items() if part.any()}
        return next(iter(found.values())) if len(found) == 1 else found

    def numbers(self, which: BoolArray) -> dict[str, Any]:
        """Of lengths; of one relation also where it answers in another unit."""
        part = which & self.is_number
        if len(set(self.relation[part])) > 1:
            part &= self.is_length
        if not part.any():
            return {"n": 0}
        given, ratio = part & self.gives, part & (np.abs(np.nan_to_num(self.truth)) >= LEAST_M)
        missing_as_zero = np.where(self.gives, np.abs(self.error), np.abs(self.truth))
        found: dict[str, Any] = {
            "n": int(part.sum()),
            "gives_a_number": float(self.gives[part].mean()),
            "no_number": int((part & ~self.gives).sum()),
            "without_a_ratio": int((part & ~ratio).sum()),
            "mae": _mean(np.abs(self.error[given])),
            "median_abs_error": float(np.median(np.abs(self.error[given]))) if given.any() else None,
            "mse": _mean(np.square(self.error[given])),
            "mae_missing_as_zero": _mean(missing_as_zero[part]),
            "exact_match": self._exact(part),
        }
        interval = {"gives_a_number": self.by_image.interval(self.gives, part)}
        interval["mae"] = self.by_image.interval(np.abs(np.nan_to_num(self.error)), given)
        for name, (low, high) in BANDS.items():
            inside = self.gives & (self.ratio >= low - 1e-9) & (self.ratio <= high + 1e-9)
            found[name] = _mean(inside[ratio].astype(float))
            interval[name] = self.by_image.interval(inside, ratio)
        return {**found, **self._coverage(given, interval), "ci95": interval}

    def _exact(self, part: BoolArray) -> float | None:
        """None where nobody used words."""
        return float(self.exact[part].mean()) if self.worded[part].any() else None

    def _coverage(self, given: BoolArray, interval: dict[str, tuple[float, float]]) -> dict[str, Any]:
        """Of the numbers that come with a standard deviation; and the share of those, since the others are in no coverage."""
        stated = given & ~np.isnan(self.sigmas)
        share = float(stated.sum() / given.sum()) if given.any() else None
        found: dict[str, Any] = {"with_a_std": int(stated.sum()), "share_with_a_std": share}
        if not stated.any():
            return found
        found["median_std"] = float(np.median(self.std[stated]))
        for sigmas in (1, 2):
            within = stated & (self.sigmas <= sigmas)
            found[f"coverage_{sigmas}"] = float(within[stated].mean())
            interval[f"coverage_{sigmas}"] = self.by_image.interval(within, stated)
        return found

    def verdicts(self, which: BoolArray) -> dict[str, Any]:
        """Accuracy over all comparisons, over those that are clear, and how far probabilities can be believed."""
        part = which & ~self.is_number
        if not part.any():
            return {"n": 0}
        decided = part & (self.polarity != UNSURE)
        clear = decided & (np.isnan(self.margin) | (np.abs(self.margin) > CLEAR_M))
        interval = {
            "accuracy": self.by_image.interval(self.right, part), "accuracy_clear": self.by_image.interval(self.right, clear),
        }  # fmt: skip
        found = {
            "n": int(part.sum()),
            "gives_a_verdict": float(self.gives[part].mean()),
            "no_verdict": int((part & ~self.gives).sum()),
            "accuracy": float(self.right[part].mean()),
            "exact_match": self._exact(part),
            "n_clear": int(clear.sum()),
            "accuracy_clear": _mean(self.right[clear].astype(float)),
            "accuracy_clear_of_given": _mean(self.right[clear & self.gives].astype(float)),
            "likelier_side_right_clear": _mean(self.likelier[clear].astype(float)),
            **self._surety(decided, clear),
            **self._probabilities(decided),
        }
        return {**found, "ci95": interval}

    def _surety(self, decided: BoolArray, clear: BoolArray) -> dict[str, Any]:
        """How right verdicts are that are said flatly, and with "probably": of any margin, however small the true one is."""
        sure, probable = decided & self.sure, decided & self.names_side & ~self.sure
        return {
            "n_sure": int(sure.sum()), "n_probable": int(probable.sum()),
            "accuracy_of_sure": _mean(self.right[sure].astype(float)),
            "accuracy_of_probable": _mean(self.right[probable].astype(float)),
            "accuracy_clear_sure": _mean((self.right & self.sure)[clear].astype(float)),
        }  # fmt: skip

    def _probabilities(self, decided: BoolArray) -> dict[str, Any]:
        """Brier score and expected calibration error over ten bins, of verdicts that come with a probability."""
        told = decided & np.isfinite(self.probability)
        if not told.any():
            return {"with_a_probability": 0}
        said = self.probability[told]
        true = np.array([POSITIVE[word] for word in self.polarity[told]], float)
        bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
        count = np.bincount(bins, minlength=_BINS)
        off = np.abs(np.bincount(bins, said, _BINS) - np.bincount(bins, true, _BINS))
        reliability = [
            {"n": int(n), "said": float(said[bins == b].mean()), "true": float(true[bins == b].mean())}
            for b, n in enumerate(count)
            if n
        ]
        return {
            "with_a_probability": int(told.sum()),
            "brier": float(np.mean(np.square(said - true))),
            "brier_of_base_rate": float(true.mean() * (1 - true.mean())),
            "ece": float(off.sum() / len(said)),
            "reliability": reliability,
        }


def _column(judged: Sequence[Judgement], name: str) -> Floats:
    return np.array([getattr(one, name) for one in judged], dtype=np.float64)


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None
