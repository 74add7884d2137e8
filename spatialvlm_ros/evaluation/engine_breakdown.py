"""Figures of the engine by what may make a thing hard to measure: how much of it is seen, its shape, the camera's pitch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .engine_scenes import FrameResult
from .engine_scores import (
    QUANTITIES,
    BoolArray,
    Rows,
    calibration,
    decisions,
    errors_of,
    mean,
    pooled,
    select,
    things_of,
    whole,
    with_plane,
)


def _about_things(results: Sequence[FrameResult]) -> tuple[Rows, npt.NDArray[np.intp]]:
    """Facts about things of the image, which a count is not."""
    rows, frames = pooled(results)
    return rows[rows["a"] >= 0], frames[rows["a"] >= 0]


def thing_groups(things: Rows) -> Mapping[str, BoolArray]:
    """What may make a thing hard to measure."""
    groups: dict[str, BoolArray] = {
        "all": np.ones(len(things), bool),
        "whole": whole(things),
        "visible 0.6-0.9": (things["visible"] > 0.6) & (things["visible"] <= 0.9) & ~things["truncated"],
        "visible < 0.6": (things["visible"] <= 0.6) & ~things["truncated"],
        "truncated": things["truncated"],
        "lying": things["lying"],
    }
    for shape in np.unique(things["shape"]):
        groups[f"{shape}, whole"] = (things["shape"] == shape) & groups["whole"]
    return groups


def break_down_things(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Recall, centre and extents errors by what is seen of a thing, its shape, and the camera's pitch."""
    accepted = with_plane(results)
    things = things_of(accepted)
    pitch = np.repeat([result.pitch_deg for result in accepted], [len(result.things) for result in accepted])
    groups = dict(thing_groups(things))
    for low, high in ((-90, -60), (-60, -45), (-45, -30), (-30, -10), (-10, 90)):
        groups[f"pitch {low}..{high}, whole"] = groups["whole"] & (pitch >= low) & (pitch < high)
    return {name: _describe_things(things[which]) for name, which in groups.items() if which.any()}


def _describe_things(things: Rows) -> dict[str, Any]:
    found = things[things["found"]]
    described: dict[str, Any] = {"n": len(things), "recall": mean(things["found"])}
    if not len(found):
        return described
    for key, axes in (("error", ("right", "away", "up")), ("extents_error", ("long side", "short side", "height"))):
        std = np.maximum(found["std" if key == "error" else "extents_std"], 1e-6)
        z = np.abs(found[key]) / std
        for axis, name in enumerate(axes):
            described[name] = {
                "median_abs_m": float(np.nanmedian(np.abs(found[key][:, axis]))),
                "bias_m": float(np.nanmedian(found[key][:, axis])),
                "median_std_m": float(np.nanmedian(std[:, axis])),
                "coverage_1": float(np.mean(z[:, axis] <= 1)),
                "coverage_2": float(np.mean(z[:, axis] <= 2)),
            }
    return described


def break_down_facts(results: Sequence[FrameResult], kinds: Sequence[str] = tuple(QUANTITIES)) -> dict[str, Any]:
    """Coverage of each kind of quantity by the worse seen of the things it is about."""
    rows, frames = _about_things(results)
    if not len(rows):
        return {}
    starts = np.cumsum([0, *(len(result.things) for result in results)])[:-1]
    things = things_of(results)
    first = things[starts[frames] + rows["a"]]
    second = things[starts[frames] + np.where(rows["b"] >= 0, rows["b"], rows["a"])]
    visible = np.minimum(first["visible"], second["visible"])
    cut = first["truncated"] | second["truncated"]
    error = errors_of(rows)
    groups = {
        "whole": (visible > 0.9) & ~cut,
        "visible 0.6-0.9": (visible > 0.6) & (visible <= 0.9) & ~cut,
        "visible < 0.6": (visible <= 0.6) & ~cut,
        "truncated": cut,
    }
    found: dict[str, Any] = {}
    for kind in kinds:
        of_kind = select(rows, QUANTITIES[kind])
        for name, members in groups.items():
            which = of_kind & members
            if which.any():
                figures = calibration(error[which], rows["std"][which], rows["truth"][which], frames[which])
                wanted = ("n", "coverage_1", "coverage_2", "median_abs_error", "bias", "median_std")
                found[f"{kind} | {name}"] = {key: figures[key] for key in wanted}
    return found


def break_down_verdicts(
    results: Sequence[FrameResult], names: Sequence[str] = ("tall", "wide", "big", "above", "fits_into")
) -> dict[str, Any]:
    """Wrong share of the decided verdicts by relation, by what is seen of the two things, and by shape of whole ones."""
    rows, frames = _about_things(results)
    if not len(rows):
        return {}
    starts = np.cumsum([0, *(len(result.things) for result in results)])[:-1]
    things = things_of(results)
    first, second = things[starts[frames] + rows["a"]], things[starts[frames] + np.maximum(rows["b"], 0)]
    groups_of_both = [thing_groups(first), thing_groups(second)]
    both = groups_of_both[0]["whole"] & groups_of_both[1]["whole"]
    found: dict[str, Any] = {}
    for name in names:
        of_name = select(rows, [name])
        groups = {"whole": both, "hidden in part": ~both & ~(first["truncated"] | second["truncated"])}
        groups["truncated"] = first["truncated"] | second["truncated"]
        for shape in np.unique(things["shape"]):
            groups[f"{shape}, whole"] = both & ((first["shape"] == shape) | (second["shape"] == shape))
        found[name] = {}
        for group, members in groups.items():
            answers = decisions(rows["value"][of_name & members], rows["truth"][of_name & members])
            if answers["n"]:
                found[name][group] = {key: answers[key] for key in ("n", "decided_share", "wrong_share_of_decided")}
    return found
