"""The language benchmark's figures as a table for people, and a picture of how stated probabilities come true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .benchmark_file import Gate


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    _print_reading(results["round_trip"], results["free_answers"])
    _print_logic(results["logic"])
    measured = results["measured"]
    print("\nComposed questions on measured scenes (synthetic: rendered depth with sensor noise)")
    print(f"{'':34}{'asked':>7}{'right':>9}{'unsure':>9}{'missing':>9}{'of sure':>9}{'values only':>13}")
    for way, words in (("by_number", "things by number"), ("in_words", "things in words")):
        _print_measured(measured[way], words)
    print(f"  best constant answer of each kind: {_percent(measured['constant']['accuracy'])} right (things by number)")
    _print_calibration(measured["by_number"])
    _print_speed(results["speed"])
    _print_fuzz(results["fuzz"])
    print(f"\nThe paper's examples: {results['examples']['right']} of {results['examples']['examples']} right")
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed)")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.6g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target:g}")


def _percent(part: float) -> str:
    return f"{100 * part:.2f} %"


def _print_reading(trips: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    print(
        f"\nQuery -> text -> Query: {trips['questions']} questions, {trips['names']} random names, {trips['templates']} "
        f"templates: {_percent(trips['same_share'])} the same, {_percent(trips['needed_quotes_share'])} needed quotes"
    )
    for lost in trips["lost"][:5]:
        print(f"  lost: {lost['query']} | {lost['text']} | {lost['problem']}")
    print(
        f"Free answers: {answers['entries']} entries, {_percent(answers['right_share'])} right, "
        f"{answers['silently_wrong']} wrong values accepted"
    )


def _print_logic(logic: Mapping[str, Any]) -> None:
    print(
        f"\nComposed questions on true scenes: {logic['questions']} questions of {logic['kinds_asked']} kinds on "
        f"{logic['scenes']} scenes, {logic['right']} right; {logic['left_out_too_close_to_call']} left out as too close to call"
    )
    for wrong in logic["wrong"][:10]:
        print(f"  {wrong['seed']} {wrong['kind']}: {wrong['question']} -> {wrong['answer']} | right: {wrong['right_answer']}")


def _print_measured(figures: Mapping[str, Any], words: str) -> None:
    rows = {words: figures, **{f"  {what}": item for what, item in figures["by_what"].items()},
            **{f"  {noise}": item for noise, item in figures["by_noise"].items()}}  # fmt: skip
    for name, item in rows.items():
        shares = (
            item["accuracy"],
            item["unsure_share"],
            item["missing_share"],
            item["accuracy_of_sure"],
            item["nominal_accuracy"],
        )
        print(
            f"{name:34}{item['asked']:7}" + "".join(f"{100 * part:7.1f} %" for part in shares[:4]) + f"{100 * shares[4]:11.1f} %"
        )


def _print_calibration(figures: Mapping[str, Any]) -> None:
    for name, item in figures["stated_probabilities"].items():
        if item["n"]:
            print(
                f"  stated probability, {name.replace('_', ' ')}: {item['n']} answers, ECE {item['ece']:.4f}, "
                f"Brier {item['brier']:.4f} (base rate {item['brier_of_base_rate']:.4f})"
            )
    for unit, item in figures["stated_deviations"].items():
        print(
            f"  stated deviation, {unit}: {item['n']} numbers, within 1 sigma {_percent(item['coverage_1'])}, "
            f"2 sigma {_percent(item['coverage_2'])}; |error| p50 {item['median_abs_error']:.4f}, "
            f"std p50 {item['median_std']:.4f}"
        )


def _print_speed(speed: Mapping[str, Any]) -> None:
    total, reading = speed["total_ms"], speed["parse_ms"]
    print(
        f"\nOne core, 8 things, {speed['samples']} samples: question to answer {total['p50']:.2f} ms "
        f"(p95 {total['p95']:.1f}, max {total['max']:.0f}), of which reading {reading['p50']:.2f} ms (p95 {reading['p95']:.1f})"
    )
    for kind, row in speed["against_naive"]["by_kind"].items():
        print(f"  {kind:26}{row['ms']:8.2f} ms, naive {row['naive_ms']:9.0f} ms: {row['naive_over_ours']:.0f} times as long")


def _print_fuzz(fuzz: Mapping[str, Any]) -> None:
    print(
        f"\nFuzz: {fuzz['inputs']} inputs, {fuzz['escaped']} undocumented exceptions, slowest {fuzz['slowest_ms']:.1f} ms, "
        f"{fuzz['executed']} audit events"
    )
    for item in [*fuzz["examples_escaped"][:5], *fuzz["examples_hung"][:5]]:
        print(f"  {item}")


def plot_reliability(figures: Mapping[str, Any], path: Path) -> None:
    """How often yes came true against its stated probability, and how many answers stated it, of both ways to name things."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("plots need the package 'matplotlib': pip install 'spatialvlm_ros[recording]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(5, 6), height_ratios=(3, 1), sharex=True, layout="constrained")
    above.plot((0, 1), (0, 1), color="0.7", linewidth=1, label="as stated")
    for way, words, color in (("by_number", "things by number", "tab:blue"), ("in_words", "things in words", "tab:orange")):
        stated = figures[way]["stated_probabilities"]["yes_or_no"]
        bins = stated.get("bins", [])
        x, y = [row["stated"] for row in bins], [row["came_true"] for row in bins]
        above.plot(x, y, "o-", color=color, label=f"{words} (n {stated['n']}, ECE {stated.get('ece', float('nan')):.3f})")
        below.semilogy(x, [row["n"] for row in bins], "o-", color=color)
    above.set(ylabel="share that holds", xlim=(0, 1), ylim=(0, 1), title="Composed yes/no questions on measured scenes")
    above.legend(loc="upper left", frameon=False)
    below.set(xlabel="stated probability that it holds", ylabel="answers")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
