"""What a data set's answers can be guessed from without measuring: from the words of the question, and from where things lie in
the image.

The word model is a logistic regression on the words of each name by its place and on the words of the question; comparisons of
one dimension share it with their signs, because who knows that plates are low knows the answer to all five. For numbers it is a
ridge regression of their logarithm. All are fitted on one half of the pictures and judged on the other one, and the other way
round. A set that teaches space leaves little to them: near chance for comparisons, near the best constant for numbers.

Of a set that was balanced as a whole the two halves lean to opposite sides wherever either leans at all, so that what is learnt
on one half is mostly wrong on the other one: below chance, though nobody who has the whole set learns anything. Who wants to know
what balancing leaves balances each half for itself (``is_first_half``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import METRE, PROBABILITY
from ..scene.relations import RELATIONS
from ..synthesis.audit_rows import open_dataset
from ..synthesis.facts import dimension_of
from ..synthesis.record import Example, order_key

Floats = npt.NDArray[np.float64]
_POSITIVE, _DECIDED = ("yes", "first"), ("yes", "no", "first", "second")
_RIDGE = 1.0
_ROUNDS = 25
# Of a comparison with fewer pairs on either side nothing is said.
_LEAST = 30
# The bands that published figures are given in, as (from, to) of the truth.
BANDS = {"within_25_percent": (0.75, 1.25), "in_50_to_200_percent": (0.5, 2.0), "in_66.7_to_150_percent": (2 / 3, 1.5)}
# So many pairs tell what words give away to a point; more take longer and tell no more.
MOST_PAIRS = 50_000
# Shorter lengths have no useful ratio.
_LEAST_M = 0.001


@dataclass(frozen=True)
class Asked:
    """A pair as these models see it.

    Attributes:
        looks: (height of the middle, height of the foot, height, width, area) of each thing in the image, larger for higher up.
    """

    picture: str
    relation: str
    question: str
    names: tuple[str, ...]
    polarity: str
    value: float
    looks: tuple[tuple[float, float, float, float, float], ...]

    @property
    def is_first(self) -> bool:
        """Whether its picture is in the first half."""
        return is_first_half(self.picture)


def is_first_half(picture: str) -> bool:
    """Which half of all pictures one is in, by its key alone."""
    return order_key("half", picture) < 0.5


def asked_of(example: Example) -> list[Asked]:
    """All pairs of an example."""
    looks = {thing.number: _looks(thing.box, sum(thing.mask.counts[1::2])) for thing in example.objects}
    return [
        Asked(
            example.key, pair.query.relation, pair.question, tuple(thing.name for thing in pair.objects), pair.polarity,
            pair.value, tuple(looks[thing.number] for thing in pair.objects),
        )
        for pair in example.pairs
    ]  # fmt: skip


def text_only_of_dataset(path: Path, most: int = MOST_PAIRS) -> dict[str, Any]:
    """The figures of a data set in a folder, and those of a glance as ``at_a_glance``.

    Args:
        most: from about so many pairs on only some files are read, spread evenly over all; ``pairs`` says how many were.

    Raises:
        ValueError: there is no data set.
    """
    whole = open_dataset(path)
    pairs = int(whole.provenance.get("pairs", 0))
    step = min(max(1, round(pairs / most)), len(whole.files))
    asked = [one for row in replace(whole, files=whole.files[::step]).rows_without_images() for one in asked_of_row(row)]
    return {"pairs": len(asked), **text_only(asked), "at_a_glance": at_a_glance(asked)}


def text_only_sentence(figures: Mapping[str, Any]) -> str:
    """What the figures of a data set come to, in words."""
    found = []
    if figures["words_mean"] is not None:
        found.append(
            f"words alone decide {100 * figures['words_mean']:.1f} % of comparisons (chance 50 %; "
            f"{figures['words_worst_type']} {100 * figures['words_of_worst_type']:.1f} %)"
        )
    band = "within_25_percent"
    if figures["numbers_words_mean"][band] is not None:
        words, constant = (100 * figures[f"numbers_{which}_mean"][band] for which in ("words", "constant"))
        found.append(f"and tell {words:.1f} % of numbers within 25 % (the best constant {constant:.1f} %)")
    glance = figures["at_a_glance"]
    if sum(one["pairs"] for one in glance["by_dimension"].values()) >= _LEAST:
        found.append(f"places and sizes in the image alone decide {100 * glance['accuracy']:.1f} % of comparisons")
    if not found:
        return f"{figures['pairs']} pairs are too few to tell what words alone give away"
    return f"of {figures['pairs']} pairs, " + ", ".join(found)


def asked_of_row(row: Mapping[str, Any]) -> list[Asked]:
    """All pairs of a row of a data set."""
    names = {thing["number"]: thing["name"] for thing in row["objects"]}
    looks = {thing["number"]: _looks(thing["box"], sum(thing["mask"]["counts"][1::2])) for thing in row["objects"]}
    return [
        Asked(
            row["key"], pair["relation"], pair["question"], tuple(names[number] for number in pair["objects"]),
            pair["polarity"], np.nan if pair["value"] is None else pair["value"],
            tuple(looks[number] for number in pair["objects"]),
        )
        for pair in row["pairs"]
    ]  # fmt: skip


def _looks(box: Sequence[int], area: int) -> tuple[float, float, float, float, float]:
    u0, v0, u1, v1 = box
    return -(v0 + v1) / 2, -float(v1), float(v1 - v0), float(u1 - u0), float(area)


def text_only(pairs: Iterable[Asked]) -> dict[str, Any]:
    """Figures by relation, and over all comparisons and all numbers."""
    asked = list(pairs)
    comparisons = _comparisons([one for one in asked if RELATIONS[one.relation].unit == PROBABILITY])
    numbers = _numbers([one for one in asked if RELATIONS[one.relation].unit == METRE and abs(one.value) >= _LEAST_M])
    return {"comparisons": comparisons, "numbers": numbers, **_overall(comparisons, numbers)}


def _overall(comparisons: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: item["words"] for name, item in comparisons.items()}
    # Two-sided: types below chance must not make up for types above it, and a model that is mostly wrong can be turned round.
    off = {name: abs(share - 0.5) for name, share in words.items()}
    worst = max(off, key=off.__getitem__) if off else ""
    return {
        "words_mean": _mean(words.values()),
        "words_off_chance_mean": _mean(off.values()),
        "words_off_chance_of_worst_type": off.get(worst),
        "constant_mean": _mean(item["constant"] for item in comparisons.values()),
        "words_worst_type": worst,
        "words_of_worst_type": words.get(worst),
        "numbers_words_mean": {band: _mean(item["words"][band] for item in numbers.values()) for band in BANDS},
        "numbers_constant_mean": {band: _mean(item["constant"][band] for item in numbers.values()) for band in BANDS},
    }


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


# -- words ------------------------------------------------------------------------------------------------------------------


def _group(relation: str) -> tuple[str, float]:
    """(what relations share a model, sign)."""
    side = dimension_of(relation) if RELATIONS[relation].unit == PROBABILITY else None
    return side if side is not None else (relation, 1.0)


def _words(one: Asked) -> tuple[list[str], list[str]]:
    """Words of the names by their place, and the other words of the question with the relation."""
    rest = one.question.lower()
    for name in sorted(one.names, key=len, reverse=True):
        rest = rest.replace(name, " ")
    own = [f"{place}:{word}" for place, name in enumerate(one.names) for word in name.split()]
    return own, [f"relation:{one.relation}", *(f"{one.relation}:{word}" for word in sorted(set(rest.strip("?. ").split())))]


@dataclass(frozen=True)
class _Table:
    """Words as columns; those of names carry the sign of the relation."""

    columns: Mapping[str, int]

    @staticmethod
    def of(asked: Sequence[Asked]) -> _Table:
        counts: Counter[str] = Counter()
        for one in asked:
            counts.update(word for some in _words(one) for word in set(some))
        return _Table({word: at for at, word in enumerate(word for word, count in sorted(counts.items()) if count >= 5)})

    def rows(self, asked: Sequence[Asked]) -> Floats:
        """(N, columns + 1)."""
        rows = np.zeros((len(asked), len(self.columns) + 1))
        rows[:, -1] = 1.0
        for row, one in zip(rows, asked, strict=True):
            names, rest = _words(one)
            sign = _group(one.relation)[1]
            for words, weight in ((names, sign), (rest, 1.0)):
                for word in words:
                    if (at := self.columns.get(word)) is not None:
                        row[at] = weight
        return rows


def logistic(rows: Floats, labels: npt.NDArray[np.bool_], ridge: float = _RIDGE) -> Floats:
    """Weights (columns,) by Newton's method with a ridge, which keeps it finite where words decide."""
    weights = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (labels - chance) - ridge * weights
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + ridge * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _both_ways(asked: Sequence[Asked]) -> list[tuple[list[Asked], list[Asked]]]:
    """(what is learnt from, what is judged), once for each half; none where either half is too small to say anything."""
    halves = [[one for one in asked if one.is_first == first] for first in (True, False)]
    return [] if min(map(len, halves)) < _LEAST else [(halves[0], halves[1]), (halves[1], halves[0])]


def _comparisons(asked: Sequence[Asked]) -> dict[str, Any]:
    """Accuracy on decided answers of pictures that were not learnt from."""
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        if one.polarity in _DECIDED:
            groups.setdefault(_group(one.relation)[0], []).append(one)
    # Of each relation whether the words, and the commoner answer, were right.
    right: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for group in groups.values():
        for known, new in _both_ways(group):
            table = _Table.of(known)
            weights = logistic(table.rows(known), _is_positive(known))
            says, truth = table.rows(new) @ weights > 0, _is_positive(new)
            for relation in dict.fromkeys(one.relation for one in new):
                own = np.array([one.relation == relation for one in new])
                usual = _is_positive([one for one in known if one.relation == relation])
                if len(usual):
                    constant = truth[own] == (usual.mean() >= 0.5)
                    right.setdefault(relation, []).append(np.stack([says[own] == truth[own], constant]))
    found = {relation: np.concatenate(parts, axis=1) for relation, parts in right.items()}
    return {name: _judged(*found[name]) for name in RELATIONS if name in found and found[name].shape[1] >= _LEAST}


def _is_positive(asked: Sequence[Asked]) -> npt.NDArray[np.bool_]:
    return np.array([one.polarity in _POSITIVE for one in asked], dtype=bool)


def _judged(words: npt.NDArray[np.bool_], constant: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "pairs": len(words),
        "chance": 0.5,
        "constant": float(constant.mean()),
        "words": float(words.mean()),
        "words_std": float(np.sqrt(0.25 / len(words))),
    }


def _numbers(asked: Sequence[Asked]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for relation in dict.fromkeys(one.relation for one in asked):
        # Of each number the truth, what the words say, and for each band the constant that is best for the half learnt from.
        rows = []
        for known, new in _both_ways([one for one in asked if one.relation == relation]):
            learnt, truth = (np.abs([one.value for one in some]) for some in (known, new))
            by_words = _by_words(known, learnt, new)
            rows.append(np.stack([truth, by_words, *(np.full(len(truth), _best(learnt, band)) for band in BANDS.values())]))
        if rows:
            truth, by_words, *constants = np.concatenate(rows, axis=1)
            each = list(zip(BANDS.items(), constants, strict=True))
            found[relation] = {
                "pairs": len(truth),
                "constant": {name: _within(constant, truth, band) for (name, band), constant in each},
                "words": {name: _within(by_words, truth, band) for name, band in BANDS.items()},
            }
    return {name: found[name] for name in RELATIONS if name in found}


def _by_words(known: Sequence[Asked], learnt: Floats, new: Sequence[Asked]) -> Floats:
    """(N,) what words tell of the numbers of new pairs, from those (M,) of known ones."""
    table = _Table.of(known)
    rows, middle = table.rows(known), float(np.log(learnt).mean())
    weights = np.linalg.solve(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]), rows.T @ (np.log(learnt) - middle))
    return np.asarray(np.exp(table.rows(new) @ weights + middle))


def _within(said: Floats, truth: Floats, band: tuple[float, float]) -> float:
    ratio = said / truth
    return float(((ratio >= band[0]) & (ratio <= band[1])).mean())


def _best(learnt: Floats, band: tuple[float, float]) -> float:
    """The number that lies in the band of most of those learnt."""
    tried = np.quantile(learnt, np.linspace(0.01, 0.99, 99))
    return float(max(tried, key=lambda value: _within(np.full(len(learnt), value), learnt, band)))


# -- where things lie in the image --------------------------------------------------------------------------------------------

Rule = Callable[[Sequence[float]], float]
# What looks as if it were more of a dimension's first word: higher up in the image, or larger.
_RULES: Mapping[str, Rule] = {
    "behind_or_front": lambda looks: looks[1],
    "above_or_below": lambda looks: looks[0],
    "tall_or_short": lambda looks: looks[2],
    "wide_or_thin": lambda looks: looks[3],
    "big_or_small": lambda looks: looks[4],
}


def at_a_glance(pairs: Iterable[Asked]) -> dict[str, Any]:
    """Accuracy of a rule for each dimension that knows positions and sizes in the image alone, on decided answers."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for one in pairs:
        side = dimension_of(one.relation) if RELATIONS[one.relation].unit == PROBABILITY else None
        if side is None or side[0] not in _RULES or one.polarity not in _DECIDED:
            continue
        first, second = (_RULES[side[0]](looks) for looks in one.looks)
        total[side[0]] += 1
        right[side[0]] += (side[1] * (first - second) > 0) == (one.polarity in _POSITIVE)
    return {
        "by_dimension": {name: {"pairs": total[name], "accuracy": right[name] / total[name]} for name in _RULES if total[name]},
        "accuracy": right.total() / total.total() if total else None,
    }
