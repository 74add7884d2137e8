"""Pairs of a data set against what is true: each answer is read back from its words, so that whatever went wrong on the way from
the depth image to the sentence is found.

Truth comes from ``engine_truth`` on meshes. A number is valid when the truth lies in the range that its words stand for, or when
the number before rounding is within 10 % or 1 cm (5 degrees) of it: what people round to is their business. It is called
uncertain where two of its stated deviations exceed that, a comparison where the answer says that it is too close to call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import PROBABILITY, RADIAN
from ..scene.relations import RELATIONS, Kind
from ..synthesis.read_back import ReadBack, read_back
from ..synthesis.record import POLARITIES, MaskRle, Pair
from .engine_truth import TRUTHS, TrueScene

RELATION_NAMES = tuple(RELATIONS)
UNREAD = -1
JUDGED = np.dtype(
    [
        ("relation", "i2"),
        ("recorded", "i1"),
        ("said", "i1"),
        ("truth", "f8"),
        ("value", "f8"),
        ("std", "f8"),
        ("said_value", "f8"),
        ("low", "f8"),
        ("high", "f8"),
        ("holds_number", "?"),
    ]
)  # recorded, said: places in POLARITIES, UNREAD for what was not read; truth: a margin of a comparison, else a number
# The truth itself is hard to call below this.
CLOSE_M = 0.003
_NUMBER = POLARITIES.index("")
_UNSURE = POLARITIES.index("unsure")
_DECIDED = {POLARITIES.index(word): word in ("yes", "first") for word in ("yes", "no", "first", "second")}


class Judge:
    """Holds what is true of the things of one picture, and judges pairs about them.

    Args:
        things: by the mask of each thing on the picture, which of the true ones it is.
    """

    def __init__(self, truth: TrueScene, things: Mapping[MaskRle, int]) -> None:
        self.truth, self._things = truth, things
        self._known: dict[tuple[Any, ...], float] = {}

    def judge(self, pairs: Sequence[Pair]) -> npt.NDArray[np.void]:
        """(N,) JUDGED: pairs about things that are among the true ones."""
        numbers = [[self._things.get(thing.mask) for thing in pair.objects] for pair in pairs]
        kept = [
            (pair, [at for at in found if at is not None])
            for pair, found in zip(pairs, numbers, strict=True)
            if None not in found
        ]
        rows = np.zeros(len(kept), JUDGED)
        for row, (pair, found) in zip(rows, kept, strict=True):
            self._fill(row, pair, found)
        return rows

    def true_value(self, relation: str, things: Sequence[int], amount: float) -> float:
        """The number, or the margin that is above 0 where it holds (for the first)."""
        key = (relation, *things, amount)
        if key not in self._known:
            solids = [self.truth.solids[at] for at in things]
            self._known[key] = float(TRUTHS[relation](self.truth, *solids, *([amount] if amount else [])))
        return self._known[key]

    def _fill(self, row: np.void, pair: Pair, things: list[int]) -> None:
        heard = heard_of(pair)
        row["relation"] = RELATION_NAMES.index(pair.query.relation)
        row["recorded"] = POLARITIES.index(pair.polarity)
        row["said"] = UNREAD if heard.problem else POLARITIES.index(heard.polarity)
        row["truth"] = self.true_value(pair.query.relation, things, pair.query.amount)
        row["value"], row["std"] = pair.value, pair.std
        row["said_value"], row["low"], row["high"] = heard.value, heard.low, heard.high
        row["holds_number"] = bool(pair.polarity) or heard.agrees("", pair.value)


def heard_of(pair: Pair) -> ReadBack:
    """What a pair's answer says."""
    names = [thing.name for thing in pair.objects]
    if RELATIONS[pair.query.relation].kind is Kind.CHOICE:
        return read_back(pair.query.relation, names, pair.answer)
    # Of most answers there are few once the names are out of them.
    answer = pair.answer
    for name in sorted(names, key=len, reverse=True):
        answer = answer.replace(name, "thing").replace(name.capitalize(), "Thing")
    return _heard(pair.query.relation, answer)


@lru_cache(maxsize=1 << 16)
def _heard(relation: str, answer: str) -> ReadBack:
    return read_back(relation, ["thing"], answer)


# -- scores -----------------------------------------------------------------------------------------------------------------


def tolerance_of(truth: npt.NDArray[np.float64], unit: str) -> npt.NDArray[np.float64]:
    """What is near enough for a measured number."""
    return np.maximum(math.radians(5.0) if unit == RADIAN else 0.01, 0.1 * np.abs(truth))


def is_right(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """(N,) whether a comparison's answer is decided and true."""
    says_first = np.isin(rows["said"], [place for place, first in _DECIDED.items() if first])
    return np.asarray(is_decided(rows) & (says_first == (rows["truth"] > 0)))


def is_decided(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    return np.isin(rows["said"], list(_DECIDED))


def score(rows: npt.NDArray[np.void]) -> dict[str, dict[str, Any]]:
    """Figures by relation, for those that were asked."""
    found = {}
    for at in np.unique(rows["relation"]):
        name, own = RELATION_NAMES[at], rows[rows["relation"] == at]
        found[name] = _comparison(own) if RELATIONS[name].unit == PROBABILITY else _number(own, RELATIONS[name].unit)
    return {name: found[name] for name in RELATION_NAMES if name in found}


def _comparison(rows: npt.NDArray[np.void]) -> dict[str, Any]:
    decided = is_decided(rows)
    right = is_right(rows)
    wrong = decided & ~right
    true_first = rows["truth"] > 0
    firsts = float(true_first[decided].mean()) if decided.any() else 0.0
    return {
        "kind": "qualitative",
        "pairs": len(rows),
        "certain": int(decided.sum()),
        "valid": int(right.sum()),
        "valid_share": _share(right, decided),
        "uncertain_share": float((rows["said"] == _UNSURE).mean()),
        "wrong_though_truth_clear": int((wrong & (np.abs(rows["truth"]) > CLOSE_M)).sum()),
        "unread": int((rows["said"] == UNREAD).sum()),
        "polarity_errors": int((rows["said"] != rows["recorded"]).sum()),
        "valid_share_of_constant": max(firsts, 1 - firsts) if decided.any() else None,
        "valid_share_without_doubt": float(((rows["value"] > 0.5) == true_first).mean()),
    }


def _number(rows: npt.NDArray[np.void], unit: str) -> dict[str, Any]:
    tolerance = tolerance_of(rows["truth"], unit)
    error = _wrapped(rows["value"] - rows["truth"], unit)
    said_error = _wrapped(rows["said_value"] - rows["truth"], unit)
    in_range = (rows["truth"] >= rows["low"] - 1e-9) & (rows["truth"] <= rows["high"] + 1e-9)
    read = rows["said"] == _NUMBER
    valid = read & (in_range | (rows["holds_number"] & (np.abs(error) <= tolerance)))
    certain = 2 * rows["std"] <= tolerance_of(rows["value"], unit)
    # The two ends of a bearing meet behind the viewer: left and right of there are no two sides.
    has_sides = unit != RADIAN
    other_side = has_sides & (rows["truth"] * rows["said_value"] < 0)
    return {
        "kind": "quantitative",
        "pairs": len(rows),
        "certain": int(certain.sum()),
        "valid": int((valid & certain).sum()),
        "valid_share": _share(valid & certain, certain),
        "valid_share_of_all": float(valid.mean()),
        "uncertain_share": float(1 - certain.mean()),
        "said_within_tolerance": float((read & (np.abs(said_error) <= tolerance)).mean()),
        "truth_in_range_said": float((read & in_range).mean()),
        "other_side": int((other_side & (np.abs(rows["truth"]) > CLOSE_M)).sum()),
        "median_abs_error": float(np.median(np.abs(error))),
        "unread": int((~read).sum()),
        "polarity_errors": int((has_sides & read & (rows["said_value"] * rows["value"] < 0)).sum()),
        "numbers_lost": int((~rows["holds_number"]).sum()),
        "valid_share_of_constant": _best_constant(rows["truth"], unit),
    }


def _best_constant(truth: npt.NDArray[np.float64], unit: str) -> float:
    """Share of numbers that the best constant answer is within tolerance of."""
    tried = np.unique(truth)[:: max(1, len(truth) // 200)]
    return float(max((np.abs(_wrapped(value - truth, unit)) <= tolerance_of(truth, unit)).mean() for value in tried))


def _wrapped(error: npt.NDArray[np.float64], unit: str) -> npt.NDArray[np.float64]:
    """Of angles the short way round."""
    return np.asarray((error + math.pi) % math.tau - math.pi) if unit == RADIAN else error


def _share(part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None


def summary(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Over all relations."""
    shares = {name: item["valid_share"] for name, item in scores.items() if item["valid_share"] is not None}
    worst = min(shares, key=shares.__getitem__) if shares else ""
    certain = sum(item["certain"] for item in scores.values())
    return {
        "pairs": sum(item["pairs"] for item in scores.values()),
        "types": len(scores),
        "valid_share_pooled": sum(item["valid"] for item in scores.values()) / max(certain, 1),
        "valid_share_mean_of_types": float(np.mean(list(shares.values()))) if shares else None,
        "worst_type": worst,
        "valid_share_of_worst_type": shares.get(worst),
        "polarity_errors": sum(item["polarity_errors"] for item in scores.values()),
        "unread": sum(item["unread"] for item in scores.values()),
        "numbers_lost": sum(item.get("numbers_lost", 0) for item in scores.values()),
    }
