"""The model benchmark's figures as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .benchmark_file import Gate

_WHO = {
    "model": "the model",
    "fallback": "words-only fallback",
    "rgb_shuffled": "colour shuffled",
    "depth_shuffled": "depth shuffled",
    "model_beside_controls": "model, scenes of controls",
}

_WHICH = {"final": "final", "by_depth": "depth alone", "own": "own words"}
_NAMES_HEAD = "  names of one thing           names     IoU    other    bound  final IoU    other  AUROC there, several"
_ANSWERS_HEAD = (
    "  answers                         distance: told    error  in 10 %  lengths in 25 %  clear verdicts  in 1, 2 sigma"
)


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    print(f"\nModel: {results['model']}")
    for note in results["notes"]:
        print(note)
    for split, figures in results["splits"].items():
        _print_split(split, figures)
    for who, demo in results["demos"].items():
        _print_demo(who, demo)
    _print_speed(results["speed"])
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed), {results['wall_s']:.0f} s")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.6g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target:g}")


def _percent(part: float | None, width: int = 8) -> str:
    return f"{'-':>{width}}" if part is None else f"{100 * part:{width - 2}.1f} %"


def _length(value: float | None, width: int = 9) -> str:
    return f"{'-':>{width}}" if value is None else f"{1000 * value:{width - 3}.1f} mm"


def _print_split(split: str, figures: Mapping[str, Any]) -> None:
    print(f"\n{split}: {figures['images']} images ({'real' if split == 'real' else 'synthetic'})")
    print(_NAMES_HEAD)
    for who, words in _WHO.items():
        if who in figures:
            _print_names(words, figures[who]["names"])
    for kind, item in figures["model"]["names"]["by_wording"].items():
        other = figures["fallback"]["names"]["by_wording"].get(kind, {})
        print(
            f"    {kind:24}{item['names']:7}{_percent(item['iou'])}{_percent(item['other_thing'], 9)}"
            f"{_percent(item['final_bound'], 9)}{_percent(item['final_iou'], 11)}{_percent(item['final_other_thing'], 9)}"
            f"   fallback {_percent(other.get('final_iou'))}{_percent(other.get('final_other_thing'), 9)}"
        )
    print(_ANSWERS_HEAD)
    for who, words in _WHO.items():
        if who in figures:
            for which, said in _WHICH.items():
                if which in figures[who]:
                    _print_answers(f"{words}, {said}", figures[who][which])
            for which, some in figures[who].get("gripper", {}).items():
                _print_answers(f"{words}, gripper, {which}", some)
    for part, some in figures["baselines"].items():
        for name, item in some.items():
            _print_answers(f"{name} ({part})", item)
    names = figures["model"]["names"]
    shares = [names[kind]["asked_bound_all_the_same"] for kind in ("none", "several")]
    print(
        f"  in questions: {_percent(names['one']['asked_bound'])} of names of one thing taken for a thing,"
        f"{_percent(names['one']['asked_other_thing'])} for another one;{_percent(shares[0])} of names of nothing,"
        f"{_percent(shares[1])} of several"
    )
    for problem in figures["model"]["problems"][:3]:
        print(f"  the model failed: {problem}")


def _print_names(words: str, names: Mapping[str, Any]) -> None:
    one = names["one"]
    several = names["several_auroc"]
    print(
        f"  {words:26}{one['names']:7}{_percent(one['iou'])}{_percent(one['other_thing'], 9)}{_percent(one['final_bound'], 9)}"
        f"{_percent(one['final_iou'], 11)}{_percent(one['final_other_thing'], 9)}"
        f"{'-' if names['not_there_auroc'] is None else format(names['not_there_auroc'], '12.3f')}"
        f"{'-' if several is None else format(several, '8.3f')}"
    )


def _print_answers(words: str, figures: Mapping[str, Any]) -> None:
    if not figures.get("questions"):
        return
    distance = figures["by_relation"].get("distance", {})
    numbers, verdicts = figures["numbers"], figures["verdicts"]
    covered = "".join(_percent(numbers.get(f"coverage_{sigmas}"), 9) for sigmas in (1, 2))
    print(
        f"  {words:32}{_percent(distance.get('gives_a_number'), 13)}{_length(distance.get('mae'))}"
        f"{_percent(distance.get('in_90_to_110_percent'), 9)}{_percent(numbers.get('within_25_percent'), 17)}"
        f"{_percent(verdicts.get('accuracy_clear'), 16)} {covered}"
    )


def _print_demo(who: str, demo: Mapping[str, Any]) -> None:
    middle = demo["median"]
    print(
        f"\ndemo, {who}: task done {demo['success']} of {demo['episodes']}, distance error{_length(middle['distance_mae_m'])}, "
        f"tau_1cm {middle['tau_1cm']:.3f} (medians)"
    )


def _print_speed(speed: Mapping[str, Any]) -> None:
    print(f"\n{speed['questions']} questions on one image, {speed['parameters'] / 1e6:.1f} M parameters")
    for name, ms in speed["ms"].items():
        print(f"  {name:30}{ms['p50']:9.1f} ms p50{ms['p95']:9.1f} ms p95, {ms['threads']} threads")
    memory = speed["memory"]
    print(f"  peak memory {memory['peak_mb']:.0f} MB, before the model {memory['peak_mb_before_the_model']:.0f} MB")
