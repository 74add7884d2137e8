"""Figures over many exams: which thing each name was taken for, and how right the answers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import Status
from .model_judge import Sat, pooled
from .vqa_metrics import score
from .vqa_records import Prediction, VqaRecord

Rows = npt.NDArray[np.void]
Part = Callable[[str], bool]


def score_names(sat: Sequence[Sat]) -> dict[str, Any]:
    """Where names were found. Shares are of all names of a kind; a model that failed found nothing.

    Names of one thing: ``iou`` of the model's region (0 for none) and of what the engine bound; ``other_thing`` that it was
    another one. Names of nothing and of several things: how well ``present`` and ``several`` tell them apart (area under the
    curve), and what the engine bound all the same. ``asked_``: the same of what a question takes a name for.
    """
    rows = pooled(sat)
    things = rows[rows["kind"] != "gripper"]
    one, none, more = (things[things["count"] == count] for count in (1.0, 0.0, 2.0))
    gripper = rows[rows["kind"] == "gripper"]
    found: dict[str, Any] = {
        "images": len(sat),
        "images_on_which_the_model_failed": sum(bool(item.problem) for item in sat),
        "one": _of_one(one),
        "by_wording": {str(kind): _of_one(one[one["kind"] == kind]) for kind in np.unique(one["kind"])},
        "not_there_auroc": auroc(_present(np.concatenate([one, more])), _present(none)),
        "several_auroc": auroc(_several(more), _several(one)),
        "none": {
            "names": len(none),
            "bound_all_the_same": _share(none["status"] == Status.OK),
            "asked_bound_all_the_same": _share(none["asked_status"] == Status.OK),
        },
        "several": {
            "names": len(more),
            "called_ambiguous": _share(more["status"] == Status.AMBIGUOUS),
            "bound_all_the_same": _share(more["status"] == Status.OK),
            "asked_bound_all_the_same": _share(more["asked_status"] == Status.OK),
        },
    }
    if len(gripper):
        on_tool = gripper["on_tool"][np.isfinite(gripper["on_tool"])]
        found["gripper"] = {
            "names": len(gripper),
            "bound": _share(gripper["status"] == Status.OK),
            "region_given": _share(np.isfinite(gripper["on_tool"])),
            "share_of_region_on_the_robot": float(on_tool.mean()) if len(on_tool) else None,
        }
    return found


def _of_one(rows: Rows) -> dict[str, Any]:
    bound = rows["status"] == Status.OK
    return {
        "names": len(rows),
        "understood": _share(rows["understood"]),
        "iou": _share(rows["iou"]),
        "iou_of_found": _share(rows["iou"][rows["iou"] > 0]),
        "other_thing": _share(rows["other"]),
        "final_bound": _share(bound),
        "final_iou": _share(rows["final_iou"]),
        "final_other_thing": _share(rows["final_other"]),
        "final_other_thing_of_bound": _share(rows["final_other"][bound]),
        "final_not_found": _share(rows["status"] == Status.NOT_FOUND),
        "final_ambiguous": _share(rows["status"] == Status.AMBIGUOUS),
        "asked_bound": _share(rows["asked_status"] == Status.OK),
        "asked_other_thing": _share(rows["asked_other"]),
    }


def _share(values: npt.NDArray[Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _present(rows: Rows) -> npt.NDArray[np.float64]:
    # A model that said nothing knows nothing.
    return np.asarray(np.nan_to_num(rows["present"], nan=0.5), np.float64)


def _several(rows: Rows) -> npt.NDArray[np.float64]:
    return np.asarray(np.nan_to_num(rows["several"], nan=0.5), np.float64)


def auroc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float | None:
    """Chance that a positive has a higher score than a negative; ties count half. None without either."""
    from scipy.stats import rankdata

    high, low = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if not len(high) or not len(low):
        return None
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


# -- answers ----------------------------------------------------------------------------------------------------------------


def answers_of(
    sat: Sequence[Sat], which: str, part: Part = lambda part: part != "gripper"
) -> tuple[list[VqaRecord], list[Prediction]]:
    """Records and answers ("final" or "own") of the parts of all exams that ``part`` chooses."""
    records: list[VqaRecord] = []
    said: list[Prediction] = []
    for item in sat:
        for record, name, answer in zip(item.records, item.parts, getattr(item, which), strict=True):
            if part(name):
                records.append(record)
                said.append(answer)
    return records, said


def score_answers(sat: Sequence[Sat], which: str, part: Part = lambda part: part != "gripper") -> dict[str, Any]:
    """Figures as of `vqa_metrics.score`; with no question, only their number."""
    records, said = answers_of(sat, which, part)
    return score(records, said) if records else {"questions": 0}
