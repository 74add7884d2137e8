"""The reward benchmark's figures as a table for people, and a picture of some episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark_file import Gate
from .reward_judge import Judged

_FIGURES = (
    "voc", "voc_reversed", "instruction_gap_opposite", "instruction_gap_other_thing", "tau_1cm_potential", "tau_1cm_distance",
    "path_efficiency", "flicker_mm", "coverage_1_sigma", "coverage_2_sigma", "measured_share",
)  # fmt: skip


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    print(f"\n{'':32}{'all':>22}" + "".join(f"{name:>9}" for name in results["by_family"]))
    for name in _FIGURES:
        whole = results["all"][name]
        cells = "".join(f"{part[name]['mean']:9.3f}" for part in results["by_family"].values())
        print(f"{name:32}{whole['mean']:9.3f} [{whole['low']:.3f} {whole['high']:.3f}]{cells}")
    for name in ("median_mm", "p90_mm", "within_half_to_double", "within_ten_percent"):
        cells = "".join(f"{part['error'][name]:9.3f}" for part in results["by_family"].values())
        print(f"{name:32}{results['all']['error'][name]:9.3f}{'':14}{cells}")
    success = results["all"]["success"]
    false_positives = success["false_positive_rate_at_95_recall"]
    print(f"success: AUROC {success['auroc']:.3f}, false positives at 95 % recall {false_positives:.3f}")
    print(f"success: said {success['said']} times, true {success['true']} times, right {success['said_right']:.3f}")
    for name, figures in results["baselines"].items():
        shown = {key: value["mean"] if isinstance(value, Mapping) else value for key, value in figures.items()}
        print(f"baseline {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in shown.items()))
    for row in results["episodes"]:
        if row["said"] != row["success"]:
            print(f"said {row['said']} where it was {row['success']}: {row['name']}")
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed)")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.6g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target:g}")


def draw_curves(judged: Sequence[Judged], path: Path) -> None:
    """Potentials over time, a column for each family and a row for each way to go about it; the first episode of each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families, kinds = (list(dict.fromkeys(getattr(item.plan, part) for item in judged)) for part in ("family", "kind"))
    figure = Figure(figsize=(3.0 * len(families), 2.0 * len(kinds)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(kinds), len(families), sharey=True, squeeze=False)
    for row, kind in enumerate(kinds):
        for column, family in enumerate(families):
            axis = axes[row, column]
            found = next((item for item in judged if (item.plan.family, item.plan.kind) == (family, kind)), None)
            axis.set_title(f"{family}: {kind}", fontsize=8)
            axis.set_ylim(0, 1.02)
            axis.tick_params(labelsize=6)
            if found is None:
                continue
            time_s = np.arange(len(found.true.potential)) * found.task.nominal_dt_s
            count = len(found.task.stages)
            axis.fill_between(time_s, found.true.stage / count, color="0.9", step="mid", label="stage")
            axis.plot(time_s, found.opposite.potential, color="tab:red", lw=0.8, label="contradictory instruction")
            axis.plot(time_s, found.true.potential, color="tab:blue", lw=1.2, label="its own instruction")
    axes[0, 0].legend(fontsize=6, loc="upper left")
    figure.supxlabel("time, s", fontsize=8)
    figure.supylabel("potential", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
