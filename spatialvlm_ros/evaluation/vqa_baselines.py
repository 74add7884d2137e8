"""What figures are to be read beside: answers of somebody who never looks at the image.

The best constant of each relation, and a model of the words alone (logistic regression for comparisons, ridge regression for
numbers). Both are fitted on one half of the images and answer the other one, both ways round, so that every question gets an
answer. They learn from the test's own truths, which no model under test may: they are as strong as such answers can be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.relations import RELATIONS, Kind
from ..synthesis.facts import dimension_of
from ..synthesis.record import order_key
from .synthesis_text_only import logistic
from .vqa_metrics import BANDS, score
from .vqa_records import POSITIVE, UNSURE, Prediction, VqaRecord, likelier_side

Floats = npt.NDArray[np.float64]
_RIDGE = 1.0
# Of a word that is met less often nothing is learnt.
_LEAST_SEEN = 3
Fit = Callable[[Sequence[VqaRecord], Sequence[VqaRecord]], list[Prediction]]


def best_constant(records: Sequence[VqaRecord], aim: str = "mae") -> list[Prediction]:
    """For each relation the answer that is best on the other half: the commoner verdict; the median of the numbers, or with the
    name of a band as ``aim`` the number in that band of most of them.
    """
    return _crosswise(records, lambda known, new: _constant(known, new, aim))


def words_alone(records: Sequence[VqaRecord]) -> list[Prediction]:
    """Answers from the words of the question."""
    return _crosswise(records, _words_alone)


def constant_score(records: Sequence[VqaRecord], *, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """As `vqa_metrics.score`, of the best constant: each band's share is that of the number that is best for the band."""
    found = score(records, best_constant(records), resamples=resamples, seed=seed)
    for band in BANDS:
        best = score(records, best_constant(records, band), resamples=resamples, seed=seed)
        for mine, other in zip(_number_parts(found), _number_parts(best), strict=True):
            if band in mine:
                mine[band], mine["ci95"][band] = other[band], other["ci95"][band]
    return found


def _number_parts(score: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [score["numbers"], *score["by_relation"].values(), *score["by_distance"].values()]
    return [part.get("numbers", part) for part in parts]


def _crosswise(records: Sequence[VqaRecord], fit: Fit) -> list[Prediction]:
    """Each half of the images answered by what is learnt from the other one, relation by relation as ``fit`` likes."""
    half = [order_key("half", record.image) < 0.5 for record in records]
    answers = [Prediction()] * len(records)
    for side in (True, False):
        known = [record for record, own in zip(records, half, strict=True) if own != side]
        places = [at for at, own in enumerate(half) if own == side]
        for at, answer in zip(places, fit(known, [records[i] for i in places]), strict=True):
            answers[at] = answer
    return answers


def _constant(known: Sequence[VqaRecord], new: Sequence[VqaRecord], aim: str) -> list[Prediction]:
    verdicts: dict[str, Counter[bool]] = {}
    numbers: dict[str, list[float]] = {}
    for record in known:
        if record.is_number:
            numbers.setdefault(record.relation, []).append(record.value)
        elif record.polarity != UNSURE:
            verdicts.setdefault(record.relation, Counter())[POSITIVE[record.polarity]] += 1
    best = {name: _best(np.array(values), aim) for name, values in numbers.items()}
    best |= {name: (count[True] + 0.5) / (count.total() + 1) for name, count in verdicts.items()}
    # Of a relation that the other half does not ask for, what is best for all of its kind.
    everything = _best(np.array([value for values in numbers.values() for value in values] or [math.nan]), aim)
    chance = [everything if record.is_number else 0.5 for record in new]
    return [_said(record, best.get(record.relation, other)) for record, other in zip(new, chance, strict=True)]


def _said(record: VqaRecord, value: float) -> Prediction:
    """A number; or the likelier side of a comparison with its probability: no baseline is weaker for holding its tongue."""
    return Prediction(value=value, verdict="" if record.is_number else likelier_side(record.relation, value))


def _best(values: Floats, aim: str) -> float:
    if aim == "mae":
        return float(np.median(values))
    low, high = BANDS[aim]
    tried = np.quantile(values, np.linspace(0.01, 0.99, 99))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = tried[:, None] / values
    return float(tried[int(np.argmax(((ratio >= low) & (ratio <= high)).sum(axis=1)))])


# -- words ------------------------------------------------------------------------------------------------------------------


def _group(record: VqaRecord) -> tuple[str, float]:
    """(what relations share a model, sign): who knows that plates are low knows the answers of all comparisons of height."""
    side = dimension_of(record.relation)
    if record.is_number or side is None:
        return record.relation, 1.0
    return side


def _words(record: VqaRecord) -> list[tuple[str, bool]]:
    """(word with its place, whether it is of a name)."""
    names = [(f"{place}:{word}", True) for place, name in enumerate(record.names) for word in name.lower().split()]
    return [*names, (f"relation:{record.relation}", False)]


def _rows(records: Sequence[VqaRecord], columns: dict[str, int]) -> Floats:
    """(N, columns + 1). Words of names carry the sign of the comparison; the relation's own word does not."""
    rows = np.zeros((len(records), len(columns) + 1))
    rows[:, -1] = 1.0
    for row, record in zip(rows, records, strict=True):
        sign = _group(record)[1]
        for word, of_name in _words(record):
            if (at := columns.get(word)) is not None:
                row[at] = sign if of_name else 1.0
    return rows


def _words_alone(known: Sequence[VqaRecord], new: Sequence[VqaRecord]) -> list[Prediction]:
    answers = _constant(known, new, "mae")
    for group in dict.fromkeys(_group(record)[0] for record in new):
        own = [record for record in known if _group(record)[0] == group and record.polarity != UNSURE]
        places = [at for at, record in enumerate(new) if _group(record)[0] == group]
        counts = Counter(word for record in own for word, _ in dict.fromkeys(_words(record)))
        columns = {word: at for at, word in enumerate(sorted(word for word, n in counts.items() if n >= _LEAST_SEEN))}
        if not columns:
            continue
        told = _fitted(own, _rows(own, columns), _rows([new[at] for at in places], columns))
        for at, value in zip(places, told, strict=True):
            answers[at] = _said(new[at], float(value))
    return answers


def _fitted(known: Sequence[VqaRecord], rows: Floats, new_rows: Floats) -> Floats:
    """Probabilities of "yes" or "first", or numbers; numbers that are all above 0 by their logarithm."""
    if RELATIONS[known[0].relation].kind is not Kind.ESTIMATE:
        weights = logistic(rows, np.array([POSITIVE[record.polarity] for record in known]))
        return np.asarray(1 / (1 + np.exp(-np.clip(new_rows @ weights, -30, 30))))
    numbers = [record.value for record in known]
    by_log = min(numbers) > 0
    values = np.array([math.log(value) if by_log else value for value in numbers], np.float64)
    middle = float(values.mean())
    slopes = np.asarray(np.linalg.solve(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]), rows.T @ (values - middle)), np.float64)
    said = new_rows @ slopes + middle
    return np.asarray(np.exp(said) if by_log else said)
