"""VSI-Bench (Yang et al., CVPR 2025, arXiv 2412.14171): distances, sizes, counts, directions and routes in videos of rooms.

Format and rules: lmms_eval/tasks/vsibench/utils.py of github.com/vision-x-nyu/thinking-in-space (parquet with dataset,
scene_name, question_type, question, options, ground_truth; the video is DATASET/SCENE.mp4). The split "debiased" is
VSI-Bench-Debiased (Brown et al., 2025, arXiv 2511.04655; the data's card): what words alone answer is pruned. Numbers get the
mean relative accuracy: the share of ten thresholds t = .50, .55, ... .95 with |said - true| / true <= 1 - t. The data is
Apache-2.0 (its card).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .item import Benchmark, BenchmarkDataError, Grouped, Item, LoadOptions, Mark, Picture
from .letters import first_word, letters_of
from .pictures import sheet, video_frames
from .tables import find_tables, folder_of, rows_of, text_of, texts_of

NUMBERS = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")
_DIRECTION = "object_rel_direction"
DIRECTIONS = tuple(f"{_DIRECTION}_{level}" for level in ("easy", "medium", "hard"))
CHOICES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")
_FILES = ("test-*.parquet", "data/test-*.parquet", "test.jsonl")
# Since November 2025 the copy on the hub comes in two parts, which together are the whole: without and with what words give away.
_PARTS = {"debiased": "test_debiased.parquet", "pruned": "test_pruned.parquet"}
# The authors' own thresholds, made as they make them.
_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    items: list[Item] = []
    for path in _tables(folder, folder_of(VSI_BENCH, folder, options.split)):
        columns = ("dataset", "scene_name", "question_type", "question", "ground_truth")
        for at, row in enumerate(rows_of(path, columns, optional=("id", "options"))):
            kind, key = text_of(row, "question_type"), f"{path.name}:{row.get('id', at)}"
            if kind not in NUMBERS and kind not in CHOICES:
                raise BenchmarkDataError(f"{path}, {key}: question type '{kind}' is not one of {', '.join((*NUMBERS, *CHOICES))}")
            video = _video(folder, text_of(row, "dataset"), text_of(row, "scene_name"))
            given = texts_of(row, "options", path) if kind in CHOICES else []
            truth = text_of(row, "ground_truth")
            prompt = f"These are frames of a video, numbered in order.\n{text_of(row, 'question')}\n{_asked(given)}"
            items.append(
                Item(
                    key, str(video.relative_to(folder)), _shown(video, options.frames), prompt, truth, kind, truth,
                    letters_of(len(given)),
                )
            )  # fmt: skip
    return items


def _tables(folder: Path, split: str) -> list[Path]:
    """The files of a split. One part alone is never taken for the whole."""
    if split in _PARTS:
        return find_tables(VSI_BENCH, folder, (_PARTS[split],))
    there = [folder / name for name in _PARTS.values() if (folder / name).is_file()]
    if len(there) == len(_PARTS):
        return there
    if there and not any(path.is_file() for pattern in _FILES for path in folder.glob(pattern)):
        split = next(name for name, file in _PARTS.items() if file == there[0].name)
        raise BenchmarkDataError(f"VSI-Bench: {folder} holds {there[0].name} alone, a part of it; give --split {split}")
    return find_tables(VSI_BENCH, folder, (*_FILES, "*.parquet"))


def _video(folder: Path, dataset: str, scene: str) -> Path:
    path = folder / dataset / f"{scene}.mp4"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BenchmarkDataError(f"VSI-Bench: the video '{dataset}/{scene}.mp4' lies outside of {folder}")
    if not path.is_file():
        raise BenchmarkDataError(f"VSI-Bench: the video {path} is not there; unzip {dataset}.zip of the copy in {folder}")
    return path


def _asked(options: list[str]) -> str:
    if not options:
        return "Say a single number and nothing else."
    return "\n".join(("Options:", *options, "Say only the letter of the right option."))


def _shown(video: Path, frames: int) -> Callable[[], Picture]:
    return lambda: sheet(video_frames(video, frames))


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    read = first_word(text)
    if item.group in CHOICES:
        return Mark(float(read.lower() == item.truth.lower()), read)
    said, true = _number(read), _number(item.truth)
    if not math.isfinite(said):
        return Mark(0.0)
    score = mean_relative_accuracy(said, true)
    return Mark(score, read, {"absolute relative error": abs(said - true) / true} if true else {})


def mean_relative_accuracy(said: float, true: float) -> float:
    """The share of thresholds that are met; 0 where the truth is 0 or no number."""
    if not math.isfinite(said) or not math.isfinite(true) or true == 0:
        return 0.0
    return float(np.mean(abs(said - true) / true <= 1 - _THRESHOLDS))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def overall(groups: Grouped) -> dict[str, float]:
    """The mean over the eight tasks, of which the three levels of direction make one; over those that the copy holds."""
    tasks = {name: float(np.mean(scores)) for name, scores in groups.items() if len(scores)}
    levels = [tasks.pop(name) for name in DIRECTIONS if name in tasks]
    if levels:
        tasks[_DIRECTION] = float(np.mean(levels))
    return {"overall": float(np.mean(list(tasks.values()))), **tasks} if tasks else {}


VSI_BENCH = Benchmark(
    name="vsi-bench",
    title="VSI-Bench",
    splits=("test", *_PARTS),
    licence="Apache-2.0 (dataset card of nyu-visionx/VSI-Bench); the videos are of ScanNet, ScanNet++ and ARKitScenes",
    get="Get nyu-visionx/VSI-Bench from the Hugging Face hub, unzip its three archives there, and give its folder",
    sources=("github.com/vision-x-nyu/thinking-in-space lmms_eval/tasks/vsibench/utils.py",),
    rules=(
        "Options: the first word of the answer is the letter, or it is wrong.",
        "Numbers: the first word of the answer is the number; mean relative accuracy over .50 to .95 in steps of .05.",
        "The total is the mean over the eight tasks; the three levels of direction count as one of them.",
    ),
    departures=(
        "Frames, evenly over the video, are shown on one sheet, numbered; asked in our words.",
        "lmms-eval of 2026 takes the first number anywhere in an answer; the authors' own code, and this, its first word alone.",
    ),
    load=load,
    mark=mark,
    overall=overall,
)
