"""What the labels of all bags together give, as soon as all are there; whichever of several runs ends last writes it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from ..evaluation.benchmark_file import write_json
from .label import LabelError
from .label_dataset import LEROBOT
from .label_folder import PROVENANCE, read_provenance
from .label_outputs import SARM_FILE, merge_sarm
from .lerobot_merge import MergeError, check_place, merge_lerobot

SUMMARY = "labels.json"


def check_free(out: Path, formats: Collection[str], bags: int) -> None:
    """Raises LabelError when what is made of all bags would have to replace something that is not ours."""
    summary, sarm = out / SUMMARY, out / SARM_FILE
    foreign = summary if summary.exists() and not _is_summary(summary) else None
    if "sarm" in formats and bags > 1 and sarm.exists() and not summary.exists():
        foreign = sarm
    if foreign is not None:
        raise LabelError(f"{foreign} is in the way and was not written by label; move it away, or choose another --out")
    if LEROBOT in formats and bags > 1:
        try:
            check_place(out / LEROBOT)
        except MergeError as error:
            raise LabelError(str(error)) from error


def merge(folders: Sequence[Path], out: Path, formats: Collection[str], task: str, reward_model: str) -> list[str]:
    """Join side-cars and LeRobot data sets of several bags and write a summary; sentences on what could not be joined.

    Nothing is written before all folders are complete.
    """
    if not all((folder / PROVENANCE).is_file() for folder in folders):
        return []
    # First, for it tells a later run that what stands beside it is ours.
    documents = [read_provenance(folder) for folder in folders]
    keys = ("bag", "frames", "measured", "seconds", "lost")
    write_json(out / SUMMARY, {"task": task, "bags": [{key: document[key] for key in keys} for document in documents]})
    if "sarm" in formats and len(folders) > 1:
        merge_sarm([folder / SARM_FILE for folder in folders], out / SARM_FILE, reward_model)
    notes = []
    if LEROBOT in formats and len(folders) > 1:
        roots = [folder / LEROBOT for folder in folders if (folder / LEROBOT / "meta").is_dir()]
        try:
            merge_lerobot(roots, out / LEROBOT)
        except MergeError as error:
            notes.append(f"the data sets of the bags were not joined into {out / LEROBOT}: {error}")
    return notes


def _is_summary(path: Path) -> bool:
    """Whether a file is a summary that ``merge`` wrote."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and set(document) == {"task", "bags"}
