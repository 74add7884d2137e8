"""The targets of the model's benchmark, and what its figures are read beside. No target is left out for being missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .benchmark_file import Gate
from .model_exam import PREDICATES

# Coverage of one and two standard deviations: share wanted, and how far off it may be.
_COVERAGE = ((1, 0.68, 0.05), (2, 0.95, 0.03))
# A number without a standard deviation is in no coverage: few may be.
_WITH_A_STD = 0.95
# What is said flatly is right as often as `Truth`'s band says; "probably" is two to one on.
_FLATLY, _PROBABLY = 0.9772, 2 / 3
# Parts of rendered scenes; of the others there are too few answers for each predicate.
_RENDERED = {"in": "in domain", "out": "other colours, light and camera"}
_ALL = {**_RENDERED, "gripper": "gripper in view"}


def gates_of(results: Mapping[str, Any]) -> list[Gate]:
    """Every figure of the issue that has a target."""
    splits = results["splits"]
    gates: list[Gate] = []
    for split, words in _ALL.items():
        if split in splits:
            gates += _length_gates(splits[split], words)
    for split, words in _RENDERED.items():
        if split in splits:
            gates += [*_predicate_gates(splits[split], words), *_name_gates(splits[split], words)]
    return [*gates, *_speed_gates(results["speed"])]


def _length_gates(split: Mapping[str, Any], words: str) -> list[Gate]:
    model = split["model"]
    asked = {"object to object": _relation(model["final"], "distance")}
    if "gripper" in model:
        asked["gripper to object"] = _relation(model["gripper"]["final"], "distance")
    gates: list[Gate] = []
    for what, figures in asked.items():
        gates += [
            Gate(f"distance by words, {what}, mean error of answers, m ({words})", figures.get("mae"), "<=", 0.02),
            Gate(
                f"distance by words, {what}, within 10 % of all asked ({words})", figures.get("in_90_to_110_percent"), ">=", 0.8
            ),
        ]
    gates += _coverage_gates(model["final"]["numbers"], f"all lengths by words, final answers ({words})")
    if "own" in model:
        gates += _coverage_gates(model["own"]["numbers"], f"all lengths, the model's own words ({words})")
    return gates


def _coverage_gates(numbers: Mapping[str, Any], words: str) -> list[Gate]:
    gates = [Gate(f"share of numbers with a standard deviation: {words}", numbers.get("share_with_a_std"), ">=", _WITH_A_STD)]
    for sigmas, share, tolerance in _COVERAGE:
        covered = numbers.get(f"coverage_{sigmas}")
        off = None if covered is None else abs(covered - share)
        gates.append(Gate(f"coverage of {sigmas} sigma off {share}: {words}", off, "<=", tolerance))
    return gates


def _predicate_gates(split: Mapping[str, Any], words: str) -> list[Gate]:
    """Beyond a margin of 2 cm. One not answered, or called too close, is wrong; those answered have a gate of their own.

    How right verdicts are that are said flatly, and with "probably", is of all comparisons, however small the true margin is.
    """
    said = split["model"]["final"].get("verdicts", {})
    gates = [
        Gate(f"verdicts by words, right of those said flatly ({words})", said.get("accuracy_of_sure"), ">=", _FLATLY),
        Gate(
            f"verdicts by words, right of those said with 'probably' ({words})", said.get("accuracy_of_probable"), ">=", _PROBABLY
        ),
    ]
    for name in PREDICATES:
        figures = _relation(split["model"]["final"], name)
        gates += [
            Gate(f"'{name}' by words, right of all asked beyond 2 cm ({words})", figures.get("accuracy_clear"), ">=", 0.95),
            Gate(f"'{name}' by words, right of those answered ({words})", figures.get("accuracy_clear_of_given"), ">=", 0.95),
        ]
    return gates


def _name_gates(split: Mapping[str, Any], words: str) -> list[Gate]:
    names = split["model"]["names"]
    one = names["one"]
    return [
        Gate(f"referring segmentation, mean IoU over all names of one thing ({words})", one["iou"], ">=", 0.8),
        Gate(f"wrong object, share of all names of one thing, final ({words})", one["final_other_thing"], "<=", 0.03),
        Gate(f"wrong object, share of all names of one thing, in questions ({words})", one["asked_other_thing"], "<=", 0.03),
        Gate(f"'not there', area under the curve ({words})", names["not_there_auroc"], ">=", 0.98),
    ]


def _speed_gates(speed: Mapping[str, Any]) -> list[Gate]:
    ratio, ms = speed["ratio_of_p50"], speed["ms"]
    own = "own answers" if "own answers" in ms else "grounding"
    asked = {f"{own} of the model": ratio[own], "image to final answers": ratio["engine"]}
    return [
        *(
            Gate(f"10 questions, {what}, p50 over that of a Llava-class model at {sight}", value, "<=", 0.6)
            for what, found in asked.items()
            for sight, value in found.items()
        ),
        Gate(f"10 questions, {own} of the model, p50, ms (aim)", ms[own]["p50"], "<=", 50.0),
    ]


def _relation(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = figures.get("by_relation", {}).get(name, {})
    return found


def baselines_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Fallback, best constant and words alone, on the same questions as the model; shuffled inputs, and the model itself
    (``model_beside_controls``), on the scenes that the controls saw.
    """
    found: dict[str, Any] = {}
    others_of = ("fallback", "rgb_shuffled", "depth_shuffled", "model_beside_controls")
    for split, figures in results["splits"].items():
        others = {who: _short(figures[who]["final"]) for who in others_of if who in figures}
        blind = {name: _short(one) for name, one in figures["baselines"].get("questions", {}).items()}
        found[split] = {**others, **blind}
    return found


def _short(figures: Mapping[str, Any]) -> dict[str, Any]:
    distance, numbers, verdicts = _relation(figures, "distance"), figures.get("numbers", {}), figures.get("verdicts", {})
    return {
        "questions": figures.get("questions", 0),
        "distance_mae_m": distance.get("mae"),
        "distance_within_10_percent": distance.get("in_90_to_110_percent"),
        "lengths_within_25_percent": numbers.get("within_25_percent"),
        "clear_comparisons_right": verdicts.get("accuracy_clear"),
    }
