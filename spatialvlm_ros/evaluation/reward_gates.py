"""The targets of the reward benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .benchmark_file import Gate

TAU, VOC, GAP, AUROC, FALSE_POSITIVES = 0.95, 0.97, 1.0, 0.98, 0.05
MEDIAN_MM, P90_MM, FLICKER_MM = 10.0, 30.0, 5.0
SIGMA_SHARES = ((1, 0.683, 0.05), (2, 0.954, 0.03))
EPISODES = 40


def gates_of(figures: Mapping[str, Any], world: str = "own simulator") -> list[Gate]:
    """Every figure that has a target, of ``reward_scores.figures_of``. Nothing is left out because it was missed."""

    def mean(name: str) -> float:
        return float(figures[name]["mean"])

    told = sum(int(figures[name]["num_nan"]) for name in ("voc", "voc_reversed", "instruction_gap_opposite"))
    gates = [
        Gate("episodes", float(figures["episodes"]), ">=", EPISODES),
        Gate("tau_1cm of the potential", mean("tau_1cm_potential"), ">=", TAU),
        Gate("tau_1cm of the distance", mean("tau_1cm_distance"), ">=", TAU),
        Gate("VOC, expert episodes", mean("voc"), ">=", VOC),
        Gate("VOC, expert episodes in reverse", mean("voc_reversed"), "<=", -0.95),
        Gate("instruction gap: VOC less VOC under a contradictory instruction", mean("instruction_gap_opposite"), ">=", GAP),
        Gate("expert episodes of which one of these cannot be told", float(told), "==", 0.0),
        Gate("success AUROC of the last potential", figures["success"]["auroc"], ">=", AUROC),
        Gate(
            "false-positive rate at 95 % recall, on runs that fail",
            figures["success"]["false_positive_rate_at_95_recall"], "<=", FALSE_POSITIVES,
        ),
        Gate("distance error, mm, median", figures["error"]["median_mm"], "<=", MEDIAN_MM),
        Gate("distance error, mm, p90", figures["error"]["p90_mm"], "<=", P90_MM),
        Gate("flicker of the distance, mm", mean("flicker_mm"), "<=", FLICKER_MM),
    ]  # fmt: skip
    for sigmas, share, tolerance in SIGMA_SHARES:
        off = abs(mean(f"coverage_{sigmas}_sigma") - share)
        gates.append(Gate(f"coverage of {sigmas} sigma off {share}", off, "<=", tolerance))
    return [Gate(f"{gate.name} ({world})", gate.value, gate.op, gate.target) for gate in gates]
