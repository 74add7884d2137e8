"""The targets of the synthesis benchmark, and the baselines that its figures are read beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .benchmark_file import Gate

VALID, WRONG_NAMES, QA_PER_S, MEMORY_GB, SPEED_UP = 0.99, 0.01, 10_000.0, 4.0, 1.6
# "Near chance": how far from one half, above or below it.
WORDS_OFF, WORDS_OFF_WORST, GLANCE = 0.05, 0.15, 0.55
# Of numbers, that words tell hardly more than the best constant: points of the share within +-25 %.
WORDS_OVER_CONSTANT = 0.1


def gates_of(results: Mapping[str, Any]) -> list[Gate]:
    """Every figure that has a target. Nothing is left out because it was missed."""
    return [
        *_validity_gates(results["validity"]["in_family"], results["types_never_asked"]),
        *_name_gates(results["names"]),
        *_speed_gates(results["speed"]),
        *_text_gates(results["text_only"]["balanced"]),
        *_real_gates(results["real"]),
    ]


def _validity_gates(validity: Mapping[str, Any], never_asked: list[str]) -> list[Gate]:
    total = validity["summary"]
    return [
        Gate("validity outside the uncertain band: mean of types", total["valid_share_mean_of_types"], ">=", VALID),
        Gate("validity outside the uncertain band: worst type", total["valid_share_of_worst_type"], ">=", VALID),
        *(
            Gate(f"validity outside the uncertain band: {name}", item["valid_share"], ">=", VALID)
            for name, item in validity["by_relation"].items()
        ),
        Gate("polarity errors: answers that say another verdict or side", float(total["polarity_errors"]), "==", 0.0),
        Gate("answers that cannot be read back", float(total["unread"]), "==", 0.0),
        Gate("numbers that the answer's words do not stand for", float(total["numbers_lost"]), "==", 0.0),
        Gate("types never asked", float(len(never_asked)), "==", 0.0),
    ]


def _name_gates(names: Mapping[str, Any]) -> list[Gate]:
    found = names.get("all resolved", {})
    return [Gate("wrong-object rate after ambiguity resolution, pairs", found.get("wrong_pair_share"), "<=", WRONG_NAMES)]


def _speed_gates(speed: Mapping[str, Any]) -> list[Gate]:
    steps, whole = speed["steps"], speed["whole"]
    return [
        Gate("question-answer pairs a second and core, after perception", steps["qa_per_s_after_perception"], ">=", QA_PER_S),
        Gate("peak memory of a worker, GB", whole["peak_memory_gb"], "<=", MEMORY_GB),
        Gate("speed-up from 1 to 2 workers, whole run", whole["speed_up_1_to_2"], ">=", SPEED_UP),
        Gate("files of 1 and of 2 workers equal byte by byte", float(whole["files_equal"]), "==", 1.0),
    ]


def _text_gates(balanced: Mapping[str, Any]) -> list[Gate]:
    """Gates are on the balanced set, as it would be trained on."""
    words, constant = (balanced[f"numbers_{which}_mean"]["within_25_percent"] for which in ("words", "constant"))
    over = None if words is None or constant is None else words - constant
    return [
        Gate("text only, comparisons: words off chance, mean of types", balanced["words_off_chance_mean"], "<=", WORDS_OFF),
        Gate(
            "text only, comparisons: words off chance, worst type",
            balanced["words_off_chance_of_worst_type"],
            "<=",
            WORDS_OFF_WORST,
        ),
        Gate("text only, numbers: share within 25 % by words over that of the best constant", over, "<=", WORDS_OVER_CONSTANT),
        Gate("positions and sizes in the image alone: accuracy", balanced["at_a_glance"]["accuracy"], "<=", GLANCE),
    ]


def _real_gates(real: Mapping[str, Any]) -> list[Gate]:
    gates = []
    for name, item in real.items():
        gates.append(Gate(f"{name}: pictures that give pairs, share", _share_with_pairs(item), ">=", 1.0))
        said = float(item["answers_that_do_not_say_what_was_measured"])
        gates.append(Gate(f"{name}: answers that do not say what was measured", said, "==", 0.0))
        if item["labelled_pictures"]:
            gates += [
                Gate(
                    f"{name}: {kind} pairs valid against the labels, outside the uncertain band",
                    item["against_labels"][kind]["valid_share"],
                    ">=",
                    VALID,
                )
                for kind in ("qualitative", "quantitative")
            ]
    return gates


def _share_with_pairs(item: Mapping[str, Any]) -> float:
    return float(item["pictures_with_pairs"] / max(item["pictures"], 1))


def baselines_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the figures are to be read beside."""
    by_relation = results["validity"]["in_family"]["by_relation"]
    text, whole = results["text_only"], results["speed"]["whole"]
    return {
        "validity: always the best constant answer": {
            name: item["valid_share_of_constant"] for name, item in by_relation.items()
        },
        "validity: comparisons that never say too close to call": {
            name: item["valid_share_without_doubt"] for name, item in by_relation.items() if "valid_share_without_doubt" in item
        },
        "validity: numbers, the uncertain ones among them": {
            name: item["valid_share_of_all"] for name, item in by_relation.items() if "valid_share_of_all" in item
        },
        "validity: noise that the model does not describe": results["validity"]["out_of_family"]["summary"],
        "names without ambiguity resolution": results["names"].get("all plain"),
        "pairs a second, each measured and worded for itself": results["speed"]["steps"]["qa_per_s_one_at_a_time"],
        "one worker": whole["by_workers"]["1"],
        "text only, best constant": {name: item["constant_mean"] for name, item in text.items()},
        "text only, words, without shortcut control": {
            name: text[name]["words_mean"] for name in ("all_candidates", "balanced_without_shortcut_control")
        },
        "positions and sizes in the image alone, without shortcut control": {
            name: text[name]["at_a_glance"]["accuracy"] for name in ("all_candidates", "balanced_without_shortcut_control")
        },
        "real pictures: always the best constant answer": {
            name: {kind: part["valid_share_of_constant"] for kind, part in item["against_labels"].items()}
            for name, item in results["real"].items()
        },
    }
