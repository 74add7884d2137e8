"""Figures over many judged images: errors, coverage of the stated standard deviations, verdicts, recall, breakdowns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.facts import PROBABILITY, RADIAN, Truth
from ..scene.relations import RELATIONS, Kind
from .engine_scenes import FACT, RELATION_NAMES, THING, FrameResult

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
SIGMA_SHARES = (0.6827, 0.9545)


def estimates() -> list[str]:
    """Names of the relations that answer with a number and a standard deviation."""
    return [name for name in RELATION_NAMES if RELATIONS[name].kind is Kind.ESTIMATE and name != "count"]


def verdicts() -> list[str]:
    """Names of the relations that answer with a probability."""
    return [name for name in RELATION_NAMES if RELATIONS[name].unit == PROBABILITY]


def pooled(results: Sequence[FrameResult]) -> tuple[Rows, npt.NDArray[np.intp]]:
    """All facts (N,) FACT, and the index of each one's image."""
    rows = [result.facts for result in results]
    frames = np.repeat(np.arange(len(results)), [len(row) for row in rows])
    return (np.concatenate(rows) if rows else np.zeros(0, FACT)), frames


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
    """Verdicts against the sign of the true margin; nothing is left out for being close."""
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
        "decided_share": float(decided.mean()),
        "wrong": int(wrong.sum()),
        "wrong_share_of_decided": float(wrong.sum() / max(decided.sum(), 1)),
        "wrong_yes_share": float((yes & ~true).sum() / max(yes.sum(), 1)),
        "wrong_no_share": float((no & true).sum() / max(no.sum(), 1)),
        "wrong_without_band": float(np.mean((probability > 0.5) != true)),
        "brier": float(np.mean(np.square(probability - true))),
        "brier_of_base_rate": base * (1 - base),
    }


def score_facts(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Coverage by kind of quantity and by relation, and verdicts by relation and over all."""
    rows, frames = pooled(results)
    scenes = np.array([result.seed for result in results], np.intp)[frames] if len(results) else frames
    error = errors_of(rows)

    def numbers(which: BoolArray) -> dict[str, float]:
        return calibration(error[which], rows["std"][which], rows["truth"][which], scenes[which])

    def answers(which: BoolArray) -> dict[str, float]:
        return decisions(rows["value"][which], rows["truth"][which])

    return {
        "images": len(results),
        "quantities": {kind: numbers(select(rows, names)) for kind, names in QUANTITIES.items()},
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
    """Which things in sight are found (IoU at least 0.5), and how many are made up; over images with a support plane."""
    accepted = _with_plane(results)
    things = things_of(accepted)
    counts = np.array([result.count for result in accepted]).reshape(-1, 2)
    false_things = int(sum(result.false_things for result in accepted))
    whole = (things["visible"] > 0.9) & ~things["truncated"]
    return {
        "images": len(accepted),
        "things": len(things),
        "recall": _mean(things["found"]),
        "recall_iou_75": _mean(things["iou"] >= 0.75),
        "recall_of_whole": _mean(things["found"][whole]),
        "false_things_per_image": false_things / max(len(accepted), 1),
        "precision": float(things["found"].sum() / max(things["found"].sum() + false_things, 1)),
        "count_exact": _mean(counts[:, 0] == counts[:, 1]),
        "count_mae": _mean(np.abs(counts[:, 0] - counts[:, 1])),
    }


def _with_plane(results: Sequence[FrameResult]) -> list[FrameResult]:
    return [result for result in results if result.accepted and np.isfinite(result.wall_share)]


def _mean(values: npt.ArrayLike) -> float:
    array = np.asarray(values, np.float64)
    return float(array.mean()) if len(array) else float("nan")


# -- breakdowns -------------------------------------------------------------------------------------------------------------


def thing_groups(things: Rows) -> Mapping[str, BoolArray]:
    """What may make a thing hard to measure."""
    groups: dict[str, BoolArray] = {
        "all": np.ones(len(things), bool),
        "whole": (things["visible"] > 0.9) & ~things["truncated"],
        "visible 0.6-0.9": (things["visible"] > 0.6) & (things["visible"] <= 0.9) & ~things["truncated"],
        "visible < 0.6": (things["visible"] <= 0.6) & ~things["truncated"],
        "truncated": things["truncated"],
        "lying": things["lying"],
    }
    for shape in np.unique(things["shape"]):
        groups[f"{shape}, whole"] = (things["shape"] == shape) & groups["whole"]
    return groups


def break_down_things(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Recall, centre and extents errors by what is seen of a thing, its shape, and the camera's pitch."""
    accepted = _with_plane(results)
    things = things_of(accepted)
    pitch = np.repeat([result.pitch_deg for result in accepted], [len(result.things) for result in accepted])
    groups = dict(thing_groups(things))
    for low, high in ((-90, -60), (-60, -45), (-45, -30), (-30, -10), (-10, 90)):
        groups[f"pitch {low}..{high}, whole"] = groups["whole"] & (pitch >= low) & (pitch < high)
    return {name: _describe_things(things[which]) for name, which in groups.items() if which.any()}


def _describe_things(things: Rows) -> dict[str, Any]:
    found = things[things["found"]]
    described: dict[str, Any] = {"n": len(things), "recall": _mean(things["found"])}
    if not len(found):
        return described
    for key, axes in (("error", ("right", "away", "up")), ("extents_error", ("long side", "short side", "height"))):
        std = np.maximum(found["std" if key == "error" else "extents_std"], 1e-6)
        z = np.abs(found[key]) / std
        for axis, name in enumerate(axes):
            described[name] = {
                "median_abs_m": float(np.nanmedian(np.abs(found[key][:, axis]))),
                "bias_m": float(np.nanmedian(found[key][:, axis])),
                "median_std_m": float(np.nanmedian(std[:, axis])),
                "coverage_1": float(np.mean(z[:, axis] <= 1)),
                "coverage_2": float(np.mean(z[:, axis] <= 2)),
            }
    return described


def break_down_facts(results: Sequence[FrameResult], kinds: Sequence[str] = tuple(QUANTITIES)) -> dict[str, Any]:
    """Coverage of each kind of quantity by the worse seen of the things it is about."""
    rows, frames = pooled(results)
    if not len(rows):
        return {}
    starts = np.cumsum([0, *(len(result.things) for result in results)])[:-1]
    things = things_of(results)
    first = things[starts[frames] + rows["a"]]
    second = things[starts[frames] + np.where(rows["b"] >= 0, rows["b"], rows["a"])]
    visible = np.minimum(first["visible"], second["visible"])
    cut = first["truncated"] | second["truncated"]
    error = errors_of(rows)
    groups = {
        "whole": (visible > 0.9) & ~cut,
        "visible 0.6-0.9": (visible > 0.6) & (visible <= 0.9) & ~cut,
        "visible < 0.6": (visible <= 0.6) & ~cut,
        "truncated": cut,
    }
    found: dict[str, Any] = {}
    for kind in kinds:
        of_kind = select(rows, QUANTITIES[kind])
        for name, members in groups.items():
            which = of_kind & members
            if which.any():
                figures = calibration(error[which], rows["std"][which], rows["truth"][which], frames[which])
                wanted = ("n", "coverage_1", "coverage_2", "median_abs_error", "bias", "median_std")
                found[f"{kind} | {name}"] = {key: figures[key] for key in wanted}
    return found


def break_down_verdicts(
    results: Sequence[FrameResult], names: Sequence[str] = ("tall", "wide", "big", "above", "fits_into")
) -> dict[str, Any]:
    """Wrong share of the decided verdicts by relation, by what is seen of the two things, and by shape of whole ones."""
    rows, frames = pooled(results)
    if not len(rows):
        return {}
    starts = np.cumsum([0, *(len(result.things) for result in results)])[:-1]
    things = things_of(results)
    first, second = things[starts[frames] + rows["a"]], things[starts[frames] + np.maximum(rows["b"], 0)]
    groups_of_both = [thing_groups(first), thing_groups(second)]
    whole = groups_of_both[0]["whole"] & groups_of_both[1]["whole"]
    found: dict[str, Any] = {}
    for name in names:
        of_name = select(rows, [name])
        groups = {"whole": whole, "hidden in part": ~whole & ~(first["truncated"] | second["truncated"])}
        groups["truncated"] = first["truncated"] | second["truncated"]
        for shape in np.unique(things["shape"]):
            groups[f"{shape}, whole"] = whole & ((first["shape"] == shape) | (second["shape"] == shape))
        found[name] = {}
        for group, members in groups.items():
            answers = decisions(rows["value"][of_name & members], rows["truth"][of_name & members])
            if answers["n"]:
                found[name][group] = {key: answers[key] for key in ("n", "decided_share", "wrong_share_of_decided")}
    return found


def score_tilt(results: Sequence[FrameResult], wall_tilt_deg: float = 20.0) -> dict[str, Any]:
    """Acceptance of a support, errors of the accepted ones, and how often something upright was taken for it."""
    accepted = [result for result in results if result.accepted]
    planes = [result for result in results if np.isfinite(result.wall_share)]
    tilt = np.array([result.tilt_error_deg for result in accepted])
    support = np.array([abs(result.support_error_m) for result in planes])
    support = support[np.isfinite(support)]
    elevations = _elevation_errors(results)
    in_view = [result for result in results if result.support_share > 0.1]
    walls = [result for result in planes if result.plane_tilt_deg > wall_tilt_deg]
    # Level, but not what the things stand on: a shelf, a carton's lid, the floor beside the table.
    others = [result for result in planes if result.plane_tilt_deg <= wall_tilt_deg and result.wall_share > 0.5]
    return {
        "images": len(results),
        "accepted_share": len(accepted) / max(len(results), 1),
        "plane_share": len(planes) / max(len(results), 1),
        "plane_share_where_support_in_view": _mean([np.isfinite(r.wall_share) for r in results if r.support_share > 0.1]),
        "tilt_median_deg": _quantile(tilt, 0.5),
        "tilt_p95_deg": _quantile(tilt, 0.95),
        "support_median_cm": 100 * _quantile(support, 0.5),
        "support_p95_cm": 100 * _quantile(support, 0.95),
        "elevation_median_cm": 100 * _quantile(elevations, 0.5),
        "elevation_p95_cm": 100 * _quantile(elevations, 0.95),
        "wall_as_floor": len(walls),
        "wall_as_floor_rate": len(walls) / max(len(results), 1),
        "wall_as_floor_of_accepted": len(walls) / max(len(accepted), 1),
        "other_level_surface": len(others),
        "wall_as_floor_seeds": [
            [result.seed, result.family, round(result.pitch_deg), round(result.roll_deg), round(result.plane_tilt_deg)]
            for result in walls[:20]
        ],
        "accepted_by_pitch_where_in_view": {
            f"{low}..{low + 20}": _mean([result.accepted for result in in_view if low <= result.pitch_deg < low + 20])
            for low in range(-80, 40, 20)
        },
        "accepted_by_roll_where_in_view": {
            f"{low}..{low + 15}": _mean([result.accepted for result in in_view if low <= abs(result.roll_deg) < low + 15])
            for low in (0, 15, 30)
        },
    }


def _elevation_errors(results: Sequence[FrameResult]) -> FloatArray:
    """|error| of the height of things' bottoms over the support, metres: from the things' own rows, facts or not."""
    rows = [result.things["elevation_error"][result.things["found"]] for result in results]
    errors = np.abs(np.concatenate(rows)) if rows else np.zeros(0)
    return errors[np.isfinite(errors)]


def _quantile(values: FloatArray, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
