"""The benchmark's figures as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .benchmark_file import Gate


def print_report(results: Mapping[str, Any], gates: Sequence[Gate]) -> None:
    """Print what was measured, then every gate."""
    synthetic = results["synthetic"]
    for side, words in (("in_family", "in the noise family"), ("out_of_family", "out of the noise family")):
        _print_side(synthetic[side], words)
    _print_stacks(synthetic["stacks"])
    for key, words in (("any_camera_without_up", "up from the image"), ("any_camera_with_up", "up from tf")):
        _print_support(synthetic[key], words)
    _print_speed(results["speed"])
    _print_real(results["real"])
    print(f"\nGates ({sum(gate.passed for gate in gates)} of {len(gates)} passed)")
    for gate in gates:
        value = "none" if gate.value is None else f"{gate.value:.4g}"
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {value} {gate.op} {gate.target}")


def _print_side(figures: Mapping[str, Any], words: str) -> None:
    print(
        f"\nSynthetic scenes, {words}: {figures['images']} images of {figures['scenes']} scenes, "
        f"{figures['scenes_with_a_thing_on_a_thing']} with a thing on a thing"
    )
    print(f"{'kind of quantity':20}{'facts':>8}{'1 sigma':>16}{'2 sigma':>16}{'|error| p50':>13}{'std p50':>10}{'constant':>10}")
    for kind, item in figures["quantities"].items():
        if item["n"]:
            shares = "".join(f"{100 * item[f'coverage_{k}']:9.1f} ±{100 * item[f'coverage_{k}_se']:4.1f} %" for k in (1, 2))
            print(
                f"{kind:20}{item['n']:8}{shares}{item['median_abs_error']:13.4f}{item['median_std']:10.4f}{item['constant_mae']:10.4f}"
            )
    for kind, item in figures["quantities_told_with_a_doubt"].items():
        if item["n"]:
            print(
                f"  {kind}, told with a doubt: {item['n']}, " + ", ".join(f"{100 * item[f'coverage_{k}']:.1f} %" for k in (1, 2))
            )
    shares = ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in figures["answered_share_by_quantity"].items())
    print(f"answered: {shares}")
    _print_verdicts(figures["verdicts"], figures["asked"], {"all": figures["all_verdicts"]})
    _print_rare(figures["rare"])
    _print_unanswered(figures["asked"])
    count = figures["count"]
    print(
        f"count of things in sight: {count['n']} answers, "
        f"{100 * count['exact_share']:.1f} % exact, {count['mae']:.2f} off on average"
    )
    found = figures["discovery"]
    print(
        f"found {100 * found['recall']:.1f} % of {found['things']} things in sight "
        f"(IoU 0.75: {100 * found['recall_iou_75']:.1f} %, "
        f"unhidden: {100 * found['recall_of_whole']:.1f} %, "
        f"on all images: {100 * found['recall_of_whole_on_all_images']:.1f} %), "
        f"{found['false_things_per_image']:.2f} false things an image"
    )


def _print_verdicts(
    verdicts: Mapping[str, Any], asked: Mapping[str, Any], pooled: Mapping[str, Any] = MappingProxyType({})
) -> None:
    print(
        f"{'verdicts':20}{'asked':>8}{'answered':>11}{'decided':>10}{'wrong of decided':>18}{'of yes':>9}"
        f"{'Brier':>9}{'base rate':>11}"
    )
    for name, item in {**verdicts, **pooled}.items():
        # Choices and classifications have the margin of their predicate.
        if item["n"] and not name.startswith("which_") and "_or_" not in name:
            number, share = (asked[name]["asked"], asked[name]["answered_share"]) if name in asked else (item["n"], float("nan"))
            print(
                f"{name:20}{number:8}{100 * share:9.1f} %{100 * item['decided_share']:8.1f} %"
                f"{100 * item['wrong_share_of_decided']:16.2f} %{100 * item['wrong_yes_share']:7.1f} %"
                f"{item['brier']:9.4f}{item['brier_of_base_rate']:11.4f}"
            )


def _print_rare(rare: Mapping[str, Any]) -> None:
    for name, item in rare.items():
        print(
            f"true '{name}': {item['true_in_sight']} in sight, {item['true_asked']} asked, "
            f"decided yes {100 * item['recall_of_asked']:.1f} % of those asked, "
            f"{100 * item['recall_in_sight']:.1f} % of those in sight"
        )


def _print_unanswered(asked: Mapping[str, Any]) -> None:
    """Relations that were not always answered, and what came instead."""
    for name, item in asked.items():
        if item["asked"] and item["by_status"] != {"OK": item["asked"]}:
            shares = ", ".join(f"{status} {100 * n / item['asked']:.1f} %" for status, n in item["by_status"].items())
            print(f"  {name:20}{shares}")


def _print_stacks(figures: Mapping[str, Any]) -> None:
    print(
        f"\nThings on things, low camera: {figures['scenes']} scenes, "
        f"{figures['scenes_with_a_thing_on_a_thing']} show a thing on a thing"
    )
    _print_verdicts(figures["verdicts"], figures["asked"])
    for side in ("in_family", "out_of_family"):
        print(f"{side.replace('_', ' ')}:")
        _print_rare(figures[f"rare_{side}"])


def _print_support(figures: Mapping[str, Any], words: str) -> None:
    print(
        f"\nSynthetic, camera at any angle, {words}: {figures['images']} images, "
        f"up known on {100 * figures['accepted_share']:.0f} %, "
        f"support found on {100 * figures['plane_share_where_support_in_view']:.0f} % of those that show one\n"
        f"  true support on {100 * figures['true_support_share_where_in_view']:.0f} % of those, plane at the things "
        f"{figures['support_median_cm']:.2f} cm off (p95 {figures['support_p95_cm']:.2f})\n"
        f"  tilt error {figures['tilt_median_deg']:.2f} deg (p95 {figures['tilt_p95_deg']:.2f}), "
        f"elevation error {figures['elevation_median_cm']:.2f} cm (p95 {figures['elevation_p95_cm']:.2f}), "
        f"wall as floor {figures['wall_as_floor']} ({figures['steep_planes']} steep, {figures['other_level_surface']} level)"
    )


def _print_speed(speed: Mapping[str, Any]) -> None:
    figures = speed["against_open3d"]
    print(
        f"\nOne core, {speed['pixels'][0]}x{speed['pixels'][1]}, {figures['things_mean']:.1f} things, "
        f"{figures['facts_mean']:.0f} facts: "
        f"{figures['frame_ms_p50']:.1f} ms (scene {figures['observe_ms_p50']:.1f}, facts {figures['facts_ms_p50']:.1f}; "
        f"p95 {figures['frame_ms_p95']:.1f}), {figures['facts_per_s']:.0f} facts/s\n"
        f"  plain Open3D pipeline {figures['baseline']['total_ms_p50']:.0f} ms: {figures['ratio_of_medians']:.3f} of it; "
        f"on a voxel grid {figures['baseline_voxels']['total_ms_p50']:.0f} ms: {figures['ratio_of_medians_voxels']:.3f} of it"
    )
    for count, item in speed["by_objects"].items():
        print(
            f"  {count:>2} things asked for, {item['things_mean']:4.1f} found: scene {item['observe_ms_p50']:6.1f} ms, "
            f"{item['facts_mean']:6.0f} facts {item['facts_ms_p50']:7.1f} ms"
        )


def _print_real(real: Mapping[str, Any]) -> None:
    print(
        f"\nReal frames (mOSD labels): {real['things']} things; "
        "errors are against boxes of the labelled pixels, read from the same depth"
    )
    for entry in real["by_frame"]:
        things = ", ".join(
            f"{thing['label']}: IoU {thing['iou']:.2f}"
            + (f" {100 * thing['centre_error_m']:.1f} cm {_percent(thing['extents_error'])}" if "centre_error_m" in thing else "")
            for thing in entry["things"]
        )
        print(f"  {entry['name']}: {things}; {entry['false_things']} false")


def _percent(shares: Sequence[float]) -> str:
    return "/".join(f"{100 * share:.0f}" for share in shares) + " %"
