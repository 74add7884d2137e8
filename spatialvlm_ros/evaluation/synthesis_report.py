"""The synthesis benchmark's figures as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .benchmark_file import Gate
from .synthesis_text_only import BANDS


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    _print_validity(results["validity"])
    _print_names(results["names"])
    _print_text(results["text_only"])
    _print_speed(results["speed"])
    for name, item in results["real"].items():
        _print_real(name, item)
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed), {results['wall_s']:.0f} s")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.6g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target:g}")


def _percent(part: float | None, width: int = 8) -> str:
    return f"{'-':>{width}}" if part is None else f"{100 * part:{width - 2}.2f} %"


def _print_validity(validity: Mapping[str, Any]) -> None:
    inside, outside = (validity[side]["by_relation"] for side in ("in_family", "out_of_family"))
    total = validity["in_family"]["summary"]
    print(f"\nPairs against the truth of rendered scenes (synthetic): {total['pairs']} pairs of {total['types']} types")
    print(f"{'':22}{'pairs':>8}{'uncertain':>11}{'valid':>10}{'other noise':>13}{'constant':>10}{'median error':>14}")
    for name, item in inside.items():
        error = f"{item['median_abs_error']:12.4f}" if "median_abs_error" in item else ""
        other = outside.get(name, {}).get("valid_share")
        print(
            f"{name:22}{item['pairs']:8}{_percent(item['uncertain_share'], 11)}{_percent(item['valid_share'], 10)}"
            f"{_percent(other, 13)}{_percent(item['valid_share_of_constant'], 10)}  {error}"
        )
    print(
        f"mean of types {_percent(total['valid_share_mean_of_types'])}, worst {total['worst_type']} "
        f"{_percent(total['valid_share_of_worst_type'])}; {total['polarity_errors']} polarity errors, {total['unread']} not read "
        f"back, {total['numbers_lost']} numbers not in what was said"
    )


def _print_names(names: Mapping[str, Any]) -> None:
    print("\nPairs whose names mean another thing, or more than one (synthetic; captions without colour, or without shape)")
    for key, item in names.items():
        print(
            f"{key:22}{item['pairs']:8} pairs{_percent(item['wrong_pair_share'], 11)} wrong; {item['names']} names, "
            f"{item['names_with_clause']} with a clause, {item['wrong_names']} wrong"
        )
        for text in item["examples"][:3]:
            print(f"    {text}")


def _print_text(text: Mapping[str, Any]) -> None:
    print("\nWithout looking: accuracy on comparisons by words, and by places in the image; numbers within 25 % by words")
    print(f"{'':36}{'pairs':>8}{'words':>9}{'worst':>9}  {'of':16}{'constant':>9}{'glance':>9}{'numbers':>9}{'constant':>10}")
    for name, item in text.items():
        numbers = (item[f"numbers_{which}_mean"]["within_25_percent"] for which in ("words", "constant"))
        print(
            f"{name.replace('_', ' '):36}{item['pairs']:8}{_percent(item['words_mean'], 9)}"
            f"{_percent(item['words_of_worst_type'], 9)}  {item['words_worst_type']:16}{_percent(item['constant_mean'], 9)}"
            f"{_percent(item['at_a_glance']['accuracy'], 9)}{''.join(_percent(part, 9) for part in numbers)}"
        )
    balanced = text["balanced"]
    for name, item in balanced["comparisons"].items():
        print(f"  {name:22}{item['pairs']:6} pairs, words{_percent(item['words'], 9)}, constant{_percent(item['constant'], 9)}")
    for name, item in balanced["numbers"].items():
        shares = ", ".join(
            f"{band.replace('_', ' ')} {_percent(item['words'][band])} ({_percent(item['constant'][band]).strip()})"
            for band in BANDS
        )
        print(f"  {name:22}{item['pairs']:6} pairs, {shares}")


def _print_speed(speed: Mapping[str, Any]) -> None:
    steps, whole = speed["steps"], speed["whole"]
    print(f"\nOne core, {steps['pairs_per_picture']:.0f} pairs a picture; {whole['cores']} cores in all")
    for step, rate in steps["pictures_per_s"].items():
        print(f"  {step.replace('_', ' '):22}{rate:10.1f} pictures/s")
    print(
        f"  pairs a second: {steps['qa_per_s_after_perception']:.0f} after perception, {steps['qa_per_s_with_file']:.0f} with "
        f"the file, {steps['qa_per_s_from_depth']:.0f} from depth on; one at a time {steps['qa_per_s_one_at_a_time']:.0f}"
    )
    for workers, run in whole["by_workers"].items():
        print(f"  {workers} worker(s), rendering included: {run['wall_s']:.1f} s, {run['pictures_per_s']:.2f} pictures/s")
    print(
        f"  speed-up {whole['speed_up_1_to_2']:.2f}, files {'equal' if whole['files_equal'] else 'DIFFER'}, "
        f"memory of a worker {whole['peak_memory_gb']:.2f} GB"
    )


def _print_real(name: str, item: Mapping[str, Any]) -> None:
    print(
        f"\n{name} (real): {item['pictures_with_pairs']} of {item['pictures']} pictures, {item['things']} things, "
        f"{item['pairs']} pairs, {item['answers_that_do_not_say_what_was_measured']} not as measured; dropped {item['dropped']}"
    )
    if item["labelled_pictures"]:
        for kind, part in item["against_labels"].items():
            print(
                f"  {kind:14}{part['pairs']:6} pairs, {part['certain']} certain, valid against labels"
                f"{_percent(part['valid_share'], 10)}, best constant{_percent(part['valid_share_of_constant'], 9)}"
            )
