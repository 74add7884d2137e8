"""``spatialvlm demo-seeds``: the demo over several scenes, one table, and the gates of the main job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.benchmark_file import Gate, write_benchmark, write_json
from .client import DemoError
from .real import RealOptions, default_paths, run_real
from .run import PACKAGES, DemoOptions, episode_line, run_demo

_FIGURES = ("distance_mae_m", "tau_1cm", "voc", "coverage_1sigma", "coverage_2sigma", "wall_s")


def run_seeds(count: int, out: Path, benchmark: Path | None = None, vlm: str = "") -> bool:
    """Run seeds 0 to ``count`` - 1; leaves seeds.json in ``out``. True when nine of ten succeeded and every gate passed.

    ``vlm`` is the model that binds names, "" for spatial_node's own choice.
    """
    results = seeds_results(count, out, vlm)
    gates = _gates(results)
    if benchmark is not None and default_paths():
        report = run_real(RealOptions(default_paths(), out / "real", quiet=True))
        results["real"] = _real_results(report)
        gates += _real_gates(results["real"])
        inputs = {"simulation": f"seeds 0 to {count - 1} (synthetic)", **report["inputs"]}
        write_benchmark(
            benchmark, "make bench-demo", results, gates, seed=0, inputs=inputs, packages=PACKAGES,
            baselines={"best constant distance": {"mae_m": results["constant_mae_m"]}},
        )  # fmt: skip
    write_json(out / "seeds.json", {**results, "gates": [gate.to_json() for gate in gates]})
    for gate in gates:
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {gate.value} {gate.op} {gate.target}")
    return all(gate.passed for gate in gates)


def seeds_results(count: int, out: Path, vlm: str = "") -> dict[str, Any]:
    """The episodes and their summary, each printed as it ends."""
    rows: list[dict[str, Any]] = []
    for seed in range(count):
        rows.append(_one(seed, out / f"seed_{seed}", vlm))
        print(_row(rows[-1]), flush=True)
    return _summarise(rows)


def _one(seed: int, out: Path, vlm: str) -> dict[str, Any]:
    started = time.monotonic()
    try:
        return run_demo(DemoOptions(out, seed, pictures=False, quiet=True, vlm=vlm))
    except DemoError as error:
        return {"seed": seed, "task_success": False, "error_msg": str(error), "wall_s": time.monotonic() - started}


def _summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    medians = {name: _median([row.get(name) for row in rows]) for name in _FIGURES}
    return {
        "episodes": len(rows),
        "success": sum(bool(row["task_success"]) for row in rows),
        "success_rate": float(np.mean([bool(row["task_success"]) for row in rows])),
        "median": medians,
        "worst": {
            "distance_mae_m": max((row.get("distance_mae_m") or np.inf for row in rows), default=np.inf),
            "tau_1cm": min((row.get("tau_1cm") or 0.0 for row in rows), default=0.0),
            "wall_s": max(row["wall_s"] for row in rows),
        },
        "constant_mae_m": _median([row.get("constant_mae_m") for row in rows]),
        "rows": rows,
    }


def _median(values: list[float | None]) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _gates(results: dict[str, Any]) -> list[Gate]:
    return [
        Gate("success rate over seeds", results["success_rate"], ">=", 0.9),
        Gate("distance_mae_m, median over seeds", results["median"]["distance_mae_m"], "<=", 0.015),
        Gate("distance_mae_m, worst seed", results["worst"]["distance_mae_m"], "<=", 0.015),
        Gate("tau_1cm, median over seeds", results["median"]["tau_1cm"], ">=", 0.95),
        Gate("wall_s of an episode without set-up, worst seed", results["worst"]["wall_s"], "<=", 60.0),
    ]


def _real_results(report: dict[str, Any]) -> dict[str, Any]:
    truths = {frame["name"]: frame["truth"] for frame in report["frames"] if "truth" in frame}
    return {
        "frames": len(report["frames"]),
        "table_label_share": {name: truth["table_label_share"] for name, truth in truths.items()},
        "object_iou": {name: truth["object_iou"] for name, truth in truths.items()},
    }


def _real_gates(real: dict[str, Any]) -> list[Gate]:
    shares = real["table_label_share"].values()
    ious = [iou for frame in real["object_iou"].values() for iou in frame.values()]
    return [
        Gate("mOSD: table inliers that are table-labelled, worst frame", min(shares, default=None), ">=", 0.95),
        Gate("mOSD: IoU of the worst labelled object over 200 px", min(ious, default=None), ">=", 0.6),
    ]


def _row(row: dict[str, Any]) -> str:
    verdict = "success" if row["task_success"] else "FAILED "
    if "distance_mae_m" not in row:
        return f"seed {row['seed']}: {verdict} {row.get('error_msg', '')}"
    return f"seed {row['seed']}: {verdict} {episode_line(row)} {row.get('error_msg', '')}"
