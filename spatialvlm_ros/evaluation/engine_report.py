"""The benchmark's figures as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .benchmark_file import Gate


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    synthetic = results["synthetic"]
    for side, words in (("in_family", "in the noise family"), ("out_of_family", "out of the noise family")):
        _print_side(synthetic[side], words)
    for key, words in (("any_camera_without_up", "up from the image"), ("any_camera_with_up", "up from tf")):
        _print_support(synthetic[key], words)
    _print_speed(results["speed"])
    _print_real(results["real"])
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed)")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.4g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target}")


def _print_side(figures: Mapping[str, Any], words: str) -> None:
    print(f"\nSynthetic scenes, {words}: {figures['images']} images")
    print(f"{'kind of quantity':20}{'facts':>8}{'1 sigma':>16}{'2 sigma':>16}{'|error| p50':>13}{'std p50':>10}{'constant':>10}")
    for kind, item in figures["quantities"].items():
        if item["n"]:
            shares = "".join(f"{100 * item[f'coverage_{k}']:9.1f} ±{100 * item[f'coverage_{k}_se']:4.1f} %" for k in (1, 2))
            print(
                f"{kind:20}{item['n']:8}{shares}{item['median_abs_error']:13.4f}{item['median_std']:10.4f}{item['constant_mae']:10.4f}"
            )
    print(f"{'verdicts':20}{'asked':>8}{'decided':>10}{'wrong of decided':>18}{'Brier':>8}{'base rate':>11}")
    for name, item in {**figures["verdicts"], "all": figures["all_verdicts"]}.items():
        # Choices and classifications have the margin of their predicate.
        if item["n"] and not name.startswith("which_") and "_or_" not in name:
            shares = f"{100 * item['decided_share']:8.1f} %{100 * item['wrong_share_of_decided']:16.2f} %"
            print(f"{name:20}{item['n']:8}{shares}{item['brier']:8.4f}{item['brier_of_base_rate']:11.4f}")
    found = figures["discovery"]
    print(
        f"found {100 * found['recall']:.1f} % of {found['things']} things in sight "
        f"(IoU 0.75: {100 * found['recall_iou_75']:.1f} %, "
        f"unhidden: {100 * found['recall_of_whole']:.1f} %), {found['false_things_per_image']:.2f} false things an image"
    )


def _print_support(figures: Mapping[str, Any], words: str) -> None:
    print(
        f"\nSynthetic, camera at any angle, {words}: {figures['images']} images, "
        f"up known on {100 * figures['accepted_share']:.0f} %, "
        f"support found on {100 * figures['plane_share_where_support_in_view']:.0f} % of those that show one\n"
        f"  tilt error {figures['tilt_median_deg']:.2f} deg (p95 {figures['tilt_p95_deg']:.2f}), "
        f"elevation error {figures['elevation_median_cm']:.2f} cm (p95 {figures['elevation_p95_cm']:.2f}), "
        f"wall as floor {figures['wall_as_floor']}"
    )


def _print_speed(speed: Mapping[str, Any]) -> None:
    figures = speed["against_open3d"]
    print(
        f"\nOne core, {speed['pixels'][0]}x{speed['pixels'][1]}, {figures['things_mean']:.1f} things, "
        f"{figures['facts_mean']:.0f} facts: "
        f"{figures['frame_ms_p50']:.1f} ms (scene {figures['observe_ms_p50']:.1f}, facts {figures['facts_ms_p50']:.1f}; "
        f"p95 {figures['frame_ms_p95']:.1f}), {figures['facts_per_s']:.0f} facts/s\n"
        f"  plain Open3D pipeline {figures['baseline_total_ms_p50']:.0f} ms: {figures['ratio_of_medians']:.3f} of it"
    )
    for count, item in speed["by_objects"].items():
        print(
            f"  {count:>2} things asked for, {item['things_mean']:4.1f} found: scene {item['observe_ms_p50']:6.1f} ms, "
            f"{item['facts_mean']:6.0f} facts {item['facts_ms_p50']:7.1f} ms"
        )


def _print_real(real: Mapping[str, Any]) -> None:
    print(f"\nReal frames (mOSD labels): {real['things']} things")
    for entry in real["by_frame"]:
        things = ", ".join(
            f"{thing['label']}: IoU {thing['iou']:.2f}"
            + (f" {100 * thing['centre_error_m']:.1f} cm {_percent(thing['extents_error'])}" if "centre_error_m" in thing else "")
            for thing in entry["things"]
        )
        print(f"  {entry['name']}: {things}; {entry['false_things']} false")


def _percent(shares: Sequence[float]) -> str:
    return "/".join(f"{100 * share:.0f}" for share in shares) + " %"
