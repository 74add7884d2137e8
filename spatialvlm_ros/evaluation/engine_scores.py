"""Figures over many judged images: errors, coverage of the stated standard deviations, verdicts, what was answered, recall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.facts import PROBABILITY, RADIAN, Status, Truth
from ..scene.relations import RELATIONS, Kind
from .engine_facts import FACT, RARE, RELATION_NAMES
from .engine_scenes import THING, FrameResult

BoolArray = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.void]

# Which numbers are of one kind. What is in none of these is listed relation by relation only.
QUANTITIES: dict[str, tuple[str, ...]] = {
    "distance": ("distance", "horizontal_distance", "vertical_distance", "nearest"),
    "gap": ("gap", "path_width"),
    "size": ("height", "width"),
    "elevation": ("elevation",),
    "level difference": ("left_difference", "right_difference", "behind_difference", "front_difference"),
    "height difference": ("above_difference", "below_difference"),
    "direction": ("direction",),
    "free space": ("point_above", "point_below", "point_left", "point_right", "point_behind", "point_front"),
}
# What one and two deviations of a normal distribution hold, and how far off either may be.
SIGMA_SHARES, SIGMA_TOLERANCES = (0.6827, 0.9545), (0.05, 0.03)


def estimates() -> list[str]:
    """Names of the relations that answer with a number and a standard deviation."""
    return [name for name in RELATION_NAMES if RELATIONS[name].kind is Kind.ESTIMATE and name != "count"]


def verdicts() -> list[str]:
    """Names of the relations that answer with a probability."""
    return [name for name in RELATION_NAMES if RELATIONS[name].unit == PROBABILITY]


def asked(results: Sequence[FrameResult]) -> tuple[Rows, npt.NDArray[np.intp]]:
    """All that was asked (N,) FACT, and the index of each one's image."""
    rows = [result.facts for result in results]
    frames = np.repeat(np.arange(len(results)), [len(row) for row in rows])
    return (np.concatenate(rows) if rows else np.zeros(0, FACT)), frames


def pooled(results: Sequence[FrameResult]) -> tuple[Rows, npt.NDArray[np.intp]]:
    """All facts with a value and a truth (N,) FACT, and the index of each one's image."""
    rows, frames = asked(results)
    both = answered(rows) & np.isfinite(rows["truth"])
    return rows[both], frames[both]


def answered(rows: Rows) -> BoolArray:
    """(N,) bool: queries whose status comes with a value."""
    return np.asarray(np.isfinite(rows["value"]) & np.isin(rows["status"], [status for status in Status if status.has_value]))


def errors_of(rows: Rows) -> FloatArray:
    """Value less truth, angles the short way round."""
    difference: FloatArray = rows["value"] - rows["truth"]
    angular = np.isin(rows["relation"], [i for i, name in enumerate(RELATION_NAMES) if RELATIONS[name].unit == RADIAN])
    return np.where(angular, (difference + np.pi) % (2 * np.pi) - np.pi, difference)


def select(rows: Rows, names: Iterable[str]) -> BoolArray:
    """(N,) bool: facts of these relations."""
    return np.isin(rows["relation"], [RELATION_NAMES.index(name) for name in names])


def calibration(error: FloatArray, std: FloatArray, truth: FloatArray, group: npt.NDArray[np.intp]) -> dict[str, float]:
    """How large errors are and whether the stated standard deviations tell.

    Args:
        group: (N,) the scene of each, whose errors go together; the coverage's own error is from these.

    Beside the engine's figures stand two baselines: answering every question with the median of the truth (``constant_mae``), and
    stating for every answer the relation's own rms error (``nll_constant_std``; smaller ``nll`` is better).
    """
    if not len(error):
        return {"n": 0}
    std = np.maximum(std, 1e-6)
    z = np.abs(error) / std
    rms = max(float(np.sqrt(np.mean(np.square(error)))), 1e-9)
    return {
        "n": len(error),
        "coverage_1": float(np.mean(z <= 1)),
        "coverage_2": float(np.mean(z <= 2)),
        "coverage_1_se": _clustered_error(z <= 1, group),
        "coverage_2_se": _clustered_error(z <= 2, group),
        "median_abs_error": float(np.median(np.abs(error))),
        "p95_abs_error": float(np.quantile(np.abs(error), 0.95)),
        "bias": float(np.median(error)),
        "rms_error": rms,
        "median_std": float(np.median(std)),
        "constant_mae": float(np.mean(np.abs(truth - np.median(truth)))),
        "mae": float(np.mean(np.abs(error))),
        "nll": float(np.mean(np.log(std) + np.square(error / std) / 2)),
        "nll_constant_std": float(np.log(rms) + 0.5),
        "rank_correlation_of_error_and_std": _rank_correlation(np.abs(error), std),
    }


def _clustered_error(hits: BoolArray, group: npt.NDArray[np.intp]) -> float:
    """Standard error of a share whose members come in groups that go together."""
    _, index = np.unique(group, return_inverse=True)
    off = np.bincount(index, weights=hits - hits.mean())
    return float(np.sqrt(np.sum(np.square(off))) / len(hits))


def _rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's, NaN for a constant."""
    from scipy.stats import rankdata

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def decisions(probability: FloatArray, margin: FloatArray) -> dict[str, float]:
    """Verdicts against the sign of the true margin; nothing is left out for being close. A share of nothing is NaN."""
    if not len(probability):
        return {"n": 0}
    low, high = Truth(0.5).band
    true = margin > 0
    yes, no = probability >= high, probability <= low
    decided = yes | no
    wrong = (yes & ~true) | (no & true)
    base = float(true.mean())
    return {
        "n": len(true),
        "true_share": base,
        "decided": int(decided.sum()),
        "decided_share": float(decided.mean()),
        "wrong": int(wrong.sum()),
        "wrong_share_of_decided": mean(wrong[decided]),
        "wrong_yes_share": mean(~true[yes]),
        "wrong_no_share": mean(true[no]),
        "wrong_without_band": float(np.mean((probability > 0.5) != true)),
        "brier": float(np.mean(np.square(probability - true))),
        "brier_of_base_rate": base * (1 - base),
    }


def score_asked(results: Sequence[FrameResult]) -> dict[str, dict[str, Any]]:
    """By relation: how much was asked, answered and, for verdicts, decided, and every status with its number."""
    rows, _ = asked(results)
    has_value = answered(rows)
    low, high = Truth(0.5).band
    found: dict[str, dict[str, Any]] = {}
    for name in RELATION_NAMES:
        of_name = select(rows, [name])
        count = np.count_nonzero(of_name)
        status = rows["status"][of_name]
        found[name] = {
            "asked": int(count),
            "answered_share": mean(has_value[of_name]),
            "without_a_truth": int(np.count_nonzero(of_name & ~np.isfinite(rows["truth"]))),
            "by_status": {item.name: int(np.sum(status == item)) for item in Status if (status == item).any()},
        }
        if RELATIONS[name].unit == PROBABILITY:
            value = rows["value"][of_name]
            found[name]["decided_share"] = mean((value >= high) | (value <= low))
    return found


def score_rare(results: Sequence[FrameResult]) -> dict[str, dict[str, float]]:
    """Of the true pairs of relations that hold for few: the share decided yes, and how many of all yeses are wrong.

    ``recall_of_asked`` is over pairs of which both things were found, ``recall_in_sight`` over all pairs in sight.
    """
    rows, _ = asked(results)
    found: dict[str, dict[str, float]] = {}
    for name in RARE:
        of_name = rows[select(rows, [name])]
        true, yes = of_name["truth"] > 0, of_name["value"] >= Truth(0.5).band[1]
        in_sight = sum(result.true_pairs.get(name, 0) for result in results)
        found[name] = {
            "true_in_sight": in_sight,
            "true_asked": int(true.sum()),
            "said": int(yes.sum()),
            "recall_of_asked": mean(yes[true]),
            "recall_in_sight": float(np.sum(yes & true) / in_sight) if in_sight else float("nan"),
            "wrong_yes_share": mean(~true[yes]),
        }
    return found


def score_count(results: Sequence[FrameResult]) -> dict[str, float]:
    """The answered number of things against that of the true things in sight."""
    rows, _ = pooled(results)
    counts = rows[select(rows, ["count"])]
    return {
        "n": len(counts),
        "exact_share": mean(counts["value"] == counts["truth"]),
        "mae": mean(np.abs(counts["value"] - counts["truth"])),
        "bias": mean(counts["value"] - counts["truth"]),
    }


def score_facts(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Coverage by kind of quantity and by relation, and verdicts by relation and over all.

    Every answer with a value counts, also one whose status is a doubt (a point that lies where the camera cannot see); those are
    listed on their own beside it.
    """
    rows, frames = pooled(results)
    scenes = np.array([result.seed for result in results], np.intp)[frames] if len(results) else frames
    error = errors_of(rows)
    doubted = rows["status"] != Status.OK

    def numbers(which: BoolArray) -> dict[str, float]:
        return calibration(error[which], rows["std"][which], rows["truth"][which], scenes[which])

    def answers(which: BoolArray) -> dict[str, float]:
        return decisions(rows["value"][which], rows["truth"][which])

    by_relation = score_asked(results)
    everything, _ = asked(results)
    has_value = answered(everything)

    def share_of(names: Iterable[str]) -> float:
        return mean(has_value[select(everything, names)])

    return {
        "images": len(results),
        "asked": by_relation,
        "answered_share_by_quantity": {kind: share_of(names) for kind, names in QUANTITIES.items()},
        "rare": score_rare(results),
        "count": score_count(results),
        "quantities": {kind: numbers(select(rows, names)) for kind, names in QUANTITIES.items()},
        "quantities_told_with_a_doubt": {kind: numbers(select(rows, names) & doubted) for kind, names in QUANTITIES.items()},
        "estimates": {name: numbers(select(rows, [name])) for name in estimates()},
        "verdicts": {name: answers(select(rows, [name])) for name in verdicts()},
        "all_verdicts": answers(select(rows, verdicts())),
        "predicates": answers(select(rows, [n for n in verdicts() if RELATIONS[n].kind is Kind.PREDICATE])),
    }


def things_of(results: Sequence[FrameResult]) -> Rows:
    """All things in sight (N,) THING."""
    rows = [result.things for result in results]
    return np.concatenate(rows) if rows else np.zeros(0, THING)


def score_discovery(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Which things in sight are found (IoU at least 0.5), and how many are made up; over images with a support plane.

    ``recall_of_whole_on_all_images`` also counts the things of images without one, which are all missed.
    """
    accepted = with_plane(results)
    things, everywhere = things_of(accepted), things_of(results)
    false_things = int(sum(result.false_things for result in accepted))
    found = things[things["found"]]
    return {
        "images": len(accepted),
        "things": len(things),
        "recall": mean(things["found"]),
        "recall_iou_75": mean(things["iou"] >= 0.75),
        "recall_of_whole": mean(things["found"][whole(things)]),
        "recall_of_whole_on_all_images": mean(everywhere["found"][whole(everywhere)]),
        "false_things_per_image": false_things / len(accepted) if accepted else float("nan"),
        "precision": float(len(found) / (len(found) + false_things)) if len(found) + false_things else float("nan"),
        "truncated_told": mean(found["said_truncated"][found["truncated"]]),
        "truncated_wrongly_told": mean(found["said_truncated"][~found["truncated"]]),
        "visible_share_mae": mean(np.abs(found["said_visible"] - found["visible"])),
    }


def with_plane(results: Sequence[FrameResult]) -> list[FrameResult]:
    """Images with an up and a support plane."""
    return [result for result in results if result.accepted and result.has_plane]


def whole(things: Rows) -> BoolArray:
    """(N,) bool: things of which next to nothing is hidden or beyond the image."""
    return np.asarray((things["visible"] > 0.9) & ~things["truncated"])


def mean(values: npt.ArrayLike) -> float:
    """NaN of nothing."""
    array = np.asarray(values, np.float64)
    return float(array.mean()) if len(array) else float("nan")


def score_tilt(results: Sequence[FrameResult], wall_tilt_deg: float = 20.0) -> dict[str, Any]:
    """Acceptance of a support, errors of the accepted ones, and how often something else was taken for it.

    ``wall_as_floor`` counts every plane that is not the true support: less than half of its pixels lie there, or it stands
    steeper than ``wall_tilt_deg``. ``other_level_surface`` are those of them that are level: a shelf, a carton's lid, the floor
    beside the table.
    """
    accepted = [result for result in results if result.accepted]
    planes = [result for result in results if result.has_plane]
    tilt = np.array([result.tilt_error_deg for result in accepted])
    added = np.array([result.added_tilt_deg for result in accepted if np.isfinite(result.added_tilt_deg)])
    support, elevations = _things_errors(results, "support_error"), _things_errors(results, "elevation_error")
    in_view = [result for result in results if result.support_share > 0.1]

    def is_wall(result: FrameResult) -> bool:
        return result.on_support < 0.5 or result.plane_tilt_deg > wall_tilt_deg

    walls = [result for result in planes if is_wall(result)]
    return {
        "images": len(results),
        "accepted_share": len(accepted) / max(len(results), 1),
        "plane_share": len(planes) / max(len(results), 1),
        "plane_share_where_support_in_view": mean([result.has_plane for result in in_view]),
        "true_support_share_where_in_view": mean([result.has_plane and not is_wall(result) for result in in_view]),
        "tilt_median_deg": _quantile(tilt, 0.5),
        "tilt_p95_deg": _quantile(tilt, 0.95),
        "tilt_added_to_the_given_up_p95_deg": _quantile(added, 0.95),
        "support_median_cm": 100 * _quantile(support, 0.5),
        "support_p95_cm": 100 * _quantile(support, 0.95),
        "elevation_median_cm": 100 * _quantile(elevations, 0.5),
        "elevation_p95_cm": 100 * _quantile(elevations, 0.95),
        "wall_as_floor": len(walls),
        "wall_as_floor_rate": len(walls) / len(results) if results else float("nan"),
        "wall_as_floor_of_accepted": len(walls) / max(len(accepted), 1),
        "steep_planes": sum(result.plane_tilt_deg > wall_tilt_deg for result in planes),
        "other_level_surface": sum(result.plane_tilt_deg <= wall_tilt_deg for result in walls),
        "wall_as_floor_seeds": [
            [result.seed, result.family, *(round(x) for x in (result.pitch_deg, result.roll_deg, result.plane_tilt_deg)),
             round(result.on_support, 2)]
            for result in walls[:20]
        ],
        "accepted_by_pitch_where_in_view": {
            f"{low}..{low + 20}": mean([result.accepted for result in in_view if low <= result.pitch_deg < low + 20])
            for low in range(-80, 40, 20)
        },
        "accepted_by_roll_where_in_view": {
            f"{low}..{low + 15}": mean([result.accepted for result in in_view if low <= abs(result.roll_deg) < low + 15])
            for low in (0, 15, 30)
        },
    }  # fmt: skip


def _things_errors(results: Sequence[FrameResult], column: str) -> FloatArray:
    """|error| in a column of the things' own rows, metres, where there is one."""
    errors = np.abs(things_of(results)[column])
    return np.asarray(errors[np.isfinite(errors)])


def _quantile(values: FloatArray, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
