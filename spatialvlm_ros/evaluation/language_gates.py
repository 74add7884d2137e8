"""The targets of the language benchmark, and the baselines that its figures are read beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .benchmark_file import Gate

NAMES, ENTRIES, SCENES, KINDS, INPUTS = 10_000, 300, 200, 40, 100_000


def gates_of(results: Mapping[str, Any]) -> list[Gate]:
    """Every figure that has a target. Nothing is left out because it was missed."""
    return [
        *_reading_gates(results["round_trip"], results["free_answers"]),
        *_logic_gates(results["logic"], results["examples"]),
        *_measured_gates(results["measured"]),
        *_robust_gates(results["speed"], results["fuzz"]),
    ]


def _reading_gates(trips: Mapping[str, Any], answers: Mapping[str, Any]) -> list[Gate]:
    return [
        Gate("round trip Query -> text -> Query: share that comes back the same", trips["same_share"], "==", 1.0),
        Gate("round trip: random names", float(trips["names"]), ">=", float(NAMES)),
        Gate("round trip: templates never used", float(trips["templates_never_used"]), "==", 0.0),
        Gate("free answers: entries in the list", float(answers["entries"]), ">=", float(ENTRIES)),
        Gate("free answers: value and unit right, share", answers["right_share"], ">=", 0.98),
        Gate("free answers: wrong values silently accepted", float(answers["silently_wrong"]), "==", 0.0),
    ]


def _logic_gates(logic: Mapping[str, Any], examples: Mapping[str, Any]) -> list[Gate]:
    return [
        Gate("true scenes: share of composed questions right", logic["right_share"], "==", 1.0),
        Gate("true scenes: scenes", float(logic["scenes"]), ">=", float(SCENES)),
        Gate("true scenes: kinds of composed question asked", float(logic["kinds_asked"]), ">=", float(KINDS)),
        Gate("true scenes: kinds never asked", float(len(logic["kinds_never_asked"])), "==", 0.0),
        Gate("kinds without an independent truth", float(len(logic["kinds_without_truth"])), "==", 0.0),
        Gate("the paper's examples: share right", examples["right"] / examples["examples"], "==", 1.0),
    ]


def _measured_gates(measured: Mapping[str, Any]) -> list[Gate]:
    sure = measured["by_number"]["accuracy_of_sure"]
    return [Gate("measured scenes, things by number: accuracy of answers not called unsure", sure, ">=", 0.97)]


def _robust_gates(speed: Mapping[str, Any], fuzz: Mapping[str, Any]) -> list[Gate]:
    return [
        Gate("composed question, 8 things, 2000 samples, one core: ms, p50", speed["total_ms"]["p50"], "<=", 10.0),
        Gate("fuzz: inputs", float(fuzz["inputs"]), ">=", float(INPUTS)),
        Gate("fuzz: undocumented exceptions", float(fuzz["escaped"]), "==", 0.0),
        Gate("fuzz: slowest input, ms", fuzz["slowest_ms"], "<=", 100.0),
        Gate("fuzz: audit events of code run, files written, processes started", float(fuzz["executed"]), "==", 0.0),
    ]


def baselines_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the figures are to be read beside."""
    measured = results["measured"]
    return {
        "measured: always the best constant answer of a kind, accuracy": measured["constant"],
        "measured: the measured values without their errors, accuracy": {
            way: measured[way]["nominal_accuracy"] for way in ("by_number", "in_words")
        },
        "speed: every relation measured on each of 2000 perturbed scenes": results["speed"]["against_naive"],
    }
