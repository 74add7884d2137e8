"""The targets of the engine's benchmark, and the baselines that its figures are read beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .benchmark_file import Gate
from .engine_scores import QUANTITIES, SIGMA_SHARES, SIGMA_TOLERANCES

_SIDES = (("in_family", "in the noise family"), ("out_of_family", "out of the noise family"))
# One of each pair of opposites, and neither the choice nor the classification of the same margin: each margin counts once.
ONE_POLARITY = (
    "left", "above", "behind", "tall", "wide", "big", "on", "contained", "touching", "between", "fits_into", "fits_through",
    "reachable", "held",
)  # fmt: skip


def gates_of(results: Mapping[str, Any]) -> list[Gate]:
    """Every figure that has a target. Nothing is left out because it was missed."""
    return [*_support_gates(results["synthetic"]), *_fact_gates(results["synthetic"]), *_speed_gates(results["speed"]),
            *_real_gates(results["real"])]  # fmt: skip


def _support_gates(synthetic: Mapping[str, Any]) -> list[Gate]:
    """Tilt has a target only where up comes from the image: a given up is taken as it is."""
    free = synthetic["any_camera_without_up"]
    gates = [
        Gate("tilt error, degrees, median (any camera, up from the image)", free["tilt_median_deg"], "<=", 0.5),
        Gate("tilt error, degrees, p95 (any camera, up from the image)", free["tilt_p95_deg"], "<=", 2.0),
    ]
    for key, name in (("any_camera_without_up", "up from the image"), ("any_camera_with_up", "up from tf")):
        figures = synthetic[key]
        gates += [
            Gate(f"{what}, cm, {word} (any camera, {name})", figures[f"{figure}_{word}_cm"], "<=", target)
            for what, figure in (("elevation error", "elevation"), ("height of the support plane at a thing, error", "support"))
            for word, target in (("median", 0.5), ("p95", 2.0))
        ]
        gates.append(Gate(f"wall-as-floor rate (any camera, {name})", figures["wall_as_floor_rate"], "==", 0.0))
    for side, words in _SIDES:
        support, discovery = synthetic[side]["support"], synthetic[side]["discovery"]
        found, recall = support["true_support_share_where_in_view"], discovery["recall_of_whole_on_all_images"]
        gates += [
            Gate(f"wall-as-floor count (ordinary cameras, {words})", float(support["wall_as_floor"]), "==", 0.0),
            Gate(f"true support found where it shows (ours; ordinary scenes, {words})", found, ">=", 0.9),
            Gate(f"recall of whole things (ours; ordinary scenes, {words})", recall, ">=", 0.85),
        ]
    return gates


def _fact_gates(synthetic: Mapping[str, Any]) -> list[Gate]:
    gates = [
        Gate("relations without an independent truth", float(len(synthetic["relations_without_truth"])), "==", 0.0),
        Gate("relations never asked", float(len(synthetic["relations_never_asked"])), "==", 0.0),
    ]
    for side, words in _SIDES:
        figures = synthetic[side]
        for kind in QUANTITIES:
            numbers = figures["quantities"][kind]
            for sigmas, share, tolerance in zip((1, 2), SIGMA_SHARES, SIGMA_TOLERANCES, strict=True):
                off = abs(numbers[f"coverage_{sigmas}"] - share) if numbers["n"] else None
                gates.append(Gate(f"coverage of {sigmas} sigma off {share}: {kind} ({words})", off, "<=", tolerance))
        pooled = {what.replace("_", " "): figures[what] for what in ("predicates", "all_verdicts")}
        for name, answers in {**pooled, **{name: figures["verdicts"][name] for name in ONE_POLARITY}}.items():
            wrong = answers.get("wrong_share_of_decided")
            gates.append(Gate(f"wrong-verdict rate when decided: {name} ({words})", wrong, "<=", 0.01))
    return gates


def _speed_gates(speed: Mapping[str, Any]) -> list[Gate]:
    figures = speed["against_open3d"]
    return [
        Gate("ms a frame, 8 things, all pairwise relations, one core, p50 (aim)", figures["frame_ms_p50"], "<=", 12.0),
        Gate("ms a frame as a share of the plain Open3D pipeline's", figures["ratio_of_medians"], "<=", 0.25),
    ]


def _real_gates(real: Mapping[str, Any]) -> list[Gate]:
    return [
        Gate("mOSD: discovery recall at IoU 0.75", real["recall_iou_75"], ">=", 0.85),
        Gate(
            "mOSD: centre error against the labelled box of the same depth, m, median", real["centre_error_median_m"], "<=", 0.01
        ),
        Gate(
            "mOSD: extents error against the labelled box of the same depth, share, median",
            real["extents_error_median"],
            "<=",
            0.1,
        ),
    ]


def baselines_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine's figures are to be read beside."""
    speed = results["speed"]["against_open3d"]
    sides = {side: results["synthetic"][side] for side in ("in_family", "out_of_family")}
    return {
        "plain Open3D pipeline": speed["baseline"],
        "Open3D pipeline on a voxel grid": speed["baseline_voxels"],
        "best constant answer, mean absolute error": {
            side: {name: item.get("constant_mae") for name, item in figures["estimates"].items()}
            for side, figures in sides.items()
        },
        "one constant standard deviation a relation, negative log likelihood": {
            side: {name: item.get("nll_constant_std") for name, item in figures["estimates"].items()}
            for side, figures in sides.items()
        },
        "probability = share of true ones, Brier score": {
            side: {name: item.get("brier_of_base_rate") for name, item in figures["verdicts"].items()}
            for side, figures in sides.items()
        },
    }
