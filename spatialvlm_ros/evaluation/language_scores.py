"""Figures from judged answers: how many are right, how many are called unsure, and whether stated probabilities come true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .language_judge import MISSING, RIGHT, UNCLEAR, UNSURE, WRONG, Judged, camera_tolerance
from .language_truth_answers import COUNT, NUMBER, THINGS, TRUTH

_SHOWN = 40
_BINS = 10


def family_of(kind_id: str) -> str:
    """Kinds that differ in their condition or their superlative are told together."""
    return kind_id.split("/", 1)[0]


def share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def clear_ones(judged: Iterable[Judged]) -> list[Judged]:
    return [item for item in judged if item.verdict != UNCLEAR]


# -- without errors of measurement --------------------------------------------------------------------------------------


def score_logic(judged: Sequence[Judged], kinds: Sequence[str]) -> dict[str, Any]:
    """Answers on true scenes; every one of them should be right."""
    asked = clear_ones(judged)
    right = sum(item.verdict == RIGHT for item in asked)
    by_kind = Counter(item.kind for item in asked)
    wrong = [item for item in asked if item.verdict != RIGHT]
    return {
        "scenes": len({item.seed for item in judged}),
        "questions": len(asked),
        "kinds": len(kinds),
        "kinds_asked": len(by_kind),
        "kinds_never_asked": sorted(set(kinds) - set(by_kind)),
        "least_questions_of_a_kind": min((by_kind[kind] for kind in kinds), default=0),
        "right": right,
        "right_share": share(right, len(asked)),
        "left_out_too_close_to_call": len(judged) - len(asked),
        "by_what": {
            what: {"asked": len(some), "right": sum(item.verdict == RIGHT for item in some)}
            for what, some in by_what(asked).items()
        },
        "yes_share": share(sum(item.truth == 1.0 for item in asked if item.what == TRUTH), len(by_what(asked).get(TRUTH, []))),
        "by_family": {
            family: {"asked": len(some), "right": sum(item.verdict == RIGHT for item in some)}
            for family, some in grouped(asked, lambda item: family_of(item.kind)).items()
        },
        "wrong": [shown(item) for item in spread(wrong)],
    }


def by_what(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    return grouped(judged, lambda item: item.what)


def grouped(judged: Iterable[Judged], key: Callable[[Judged], str]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        found[key(item)].append(item)
    return dict(sorted(found.items()))


def spread(items: Sequence[Judged]) -> list[Judged]:
    """``_SHOWN`` of them at most, from all over."""
    return list(items[:: max(1, -(-len(items) // _SHOWN))])


def shown(item: Judged) -> dict[str, Any]:
    """A wrong answer for people."""
    return {
        "seed": item.seed, "noise": item.family, "kind": item.kind, "question": item.question, "answer": item.said,
        "right_answer": item.wanted,
    }  # fmt: skip


# -- measured -----------------------------------------------------------------------------------------------------------


def score_measured(judged: Sequence[Judged]) -> dict[str, Any]:
    """Answers on measured scenes: all of them, and those that are not called unsure."""
    asked = clear_ones(judged)
    return {
        **_verdicts(asked),
        "images": len({(item.seed, item.family) for item in judged}),
        "left_out_too_close_to_call": len(judged) - len(asked),
        "by_what": {what: _verdicts(some) for what, some in by_what(asked).items()},
        "by_noise": {noise: _verdicts(some) for noise, some in grouped(asked, lambda item: item.family).items()},
        "by_family": {
            family: _verdicts(some) for family, some in grouped(asked, lambda item: family_of(item.kind)).items()
        },
        "stated_probabilities": {
            "yes_or_no": reliability(*_stated(asked, TRUTH)), "which": reliability(*_stated(asked, THINGS)),
        },
        "stated_deviations": {unit or "ratio": coverage(some) for unit, some in _numbers(asked).items()},
        "missing_by_status": dict(Counter(item.status for item in asked if item.verdict == MISSING)),
        "wrong": [shown(item) for item in spread([item for item in asked if item.verdict == WRONG])],
    }  # fmt: skip


def _verdicts(asked: Sequence[Judged]) -> dict[str, Any]:
    counts = Counter(item.verdict for item in asked)
    sure = counts[RIGHT] + counts[WRONG]
    return {
        "asked": len(asked),
        "accuracy": share(counts[RIGHT], len(asked)),
        "unsure_share": share(counts[UNSURE], len(asked)),
        "missing_share": share(counts[MISSING], len(asked)),
        "sure": sure,
        "accuracy_of_sure": share(counts[RIGHT], sure),
        "nominal_accuracy": share(sum(item.nominal == RIGHT for item in asked), len(asked)),
        "nominal_accuracy_of_unsure": share(
            sum(item.nominal == RIGHT for item in asked if item.verdict == UNSURE), counts[UNSURE]
        ),
    }


def _stated(asked: Sequence[Judged], what: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    some = [item for item in asked if item.what == what and np.isfinite(item.probability)]
    return np.array([item.probability for item in some]), np.array([item.correct for item in some], bool)


def reliability(probability: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """How often what was given a probability came true, by bins of it, and the expected calibration error (ECE).

    Args:
        probability, happened: (N,).
    """
    if not len(probability):
        return {"n": 0}
    at = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    rows = []
    for index in range(_BINS):
        inside = at == index
        if inside.any():
            rows.append(
                {
                    "from": index / _BINS, "to": (index + 1) / _BINS, "n": int(inside.sum()),
                    "stated": float(probability[inside].mean()), "came_true": float(happened[inside].mean()),
                }
            )  # fmt: skip
    weights = np.array([row["n"] for row in rows]) / len(probability)
    gaps = np.array([abs(row["stated"] - row["came_true"]) for row in rows])
    base = float(happened.mean())
    return {
        "n": len(probability),
        "ece": float(weights @ gaps),
        "brier": float(np.mean((probability - happened) ** 2)),
        "brier_of_base_rate": base * (1 - base),
        "bins": rows,
    }


def _numbers(asked: Sequence[Judged]) -> dict[str, list[Judged]]:
    some = [item for item in asked if item.what == NUMBER and np.isfinite(item.error) and item.std > 0]
    return grouped(some, lambda item: item.unit)


def coverage(some: Sequence[Judged]) -> dict[str, float]:
    """Shares of errors within one and two stated deviations, and their sizes."""
    error, std = np.abs([item.error for item in some]), np.array([item.std for item in some])
    return {
        "n": len(some),
        "coverage_1": float(np.mean(error <= std)),
        "coverage_2": float(np.mean(error <= 2 * std)),
        "median_abs_error": float(np.median(error)),
        "median_std": float(np.median(std)),
    }


# -- baselines ----------------------------------------------------------------------------------------------------------


def constant_baseline(judged: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy of one and the same answer to all questions of a kind, the best there is: the majority's, the median, the mode.

    Of a choice it is what is said first. Chosen with the truth in hand, so that no blind guess does better.
    """
    asked = [item for item in clear_ones(judged) if item.what in (TRUTH, NUMBER, COUNT, THINGS)]
    right: dict[str, int] = defaultdict(int)
    whole: dict[str, int] = defaultdict(int)
    for (what, _), some in _of_one_kind(asked).items():
        whole[what] += len(some)
        right[what] += _best_constant(what, some)
    return {
        "accuracy": share(sum(right.values()), sum(whole.values())),
        "by_what": {what: share(right[what], whole[what]) for what in sorted(whole)},
    }


def _of_one_kind(asked: Sequence[Judged]) -> Mapping[tuple[str, str], list[Judged]]:
    found: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for item in asked:
        if item.what == THINGS or np.isfinite(item.truth):
            found[item.what, item.kind].append(item)
    return found


def _best_constant(what: str, some: Sequence[Judged]) -> int:
    """How many of the questions of one kind the best constant answers."""
    if what == THINGS:
        return sum(item.first for item in some)
    truths = [item.truth for item in some]
    if what in (TRUTH, COUNT):
        return Counter(truths).most_common(1)[0][1]
    middle = float(np.median(truths))
    return sum(abs(truth - middle) <= camera_tolerance(truth, some[0].unit) for truth in truths)
