"""MindCube (Yin et al., arXiv 2506.21458): where things are that no single one of two to four views shows.

Format and rules: github.com/mll-lab-nu/MindCube, scripts/bash_scripts/download_data.bash (data.zip with raw/*.jsonl and the
pictures), src/prompt_generation (rows with id, question with its options, images, gt_answer) and src/evaluation
(core/extractors.py, core/base_metrics.py, evaluator.py). The setting is told by the id; translation is left out of the total.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .item import Benchmark, Grouped, Item, LoadOptions, Mark, Picture, mean_of_all
from .letters import letters_of, mindcube_letter
from .pictures import picture_of, sheet
from .tables import find_tables, folder_of, rows_of, text_of, texts_of

_NAMES = {"tinybench": "MindCube_tinybench.jsonl", "full": "MindCube.jsonl", "train": "MindCube_train.jsonl"}
_SETTINGS = ("around", "rotation", "translation", "among")
_ASK = "Say only the letter and the words of the right option, such as: A. Above"


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    name = _NAMES[folder_of(MINDCUBE, folder, options.split)]
    path = find_tables(MINDCUBE, folder, (name, f"raw/{name}", f"data/raw/{name}"))[0]
    folders = (folder, folder / "data", path.parent, path.parent.parent)
    items: list[Item] = []
    for row in rows_of(path, ("id", "question", "images", "gt_answer")):
        key, names = text_of(row, "id"), texts_of(row, "images", path)
        views = [picture_of(view, folders, f"{path}, {key}") for view in names]
        truth, question = text_of(row, "gt_answer"), text_of(row, "question").replace("<image>", "").strip()
        letters = letters_of(sum(f"{letter}. " in question for letter in "ABCDE")) or letters_of(4)
        intro = f"The picture shows {len(views)} images of one scene, numbered in order." if len(views) > 1 else ""
        prompt = f"{intro}\n{question}\n{_ASK}".strip()
        group = next((setting for setting in _SETTINGS if setting in key.lower()), "other")
        items.append(
            Item(key, "|".join(names), _shown(views), prompt, truth, group, f"{truth}.", tuple(f"{x}." for x in letters))
        )
    return items


def _shown(views: Sequence[Callable[[], Picture]]) -> Callable[[], Picture]:
    return lambda: sheet([view() for view in views])


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    read = mindcube_letter(text)
    return Mark(float(read == item.truth), read)


def overall(groups: Grouped) -> dict[str, float]:
    """See Benchmark."""
    return mean_of_all({name: scores for name, scores in groups.items() if name != "translation"})


MINDCUBE = Benchmark(
    name="mindcube",
    title="MindCube",
    splits=tuple(_NAMES),
    licence="MIT (README.md of mll-lab-nu/MindCube)",
    get="Get data.zip of MLL-Lab/MindCube from the Hugging Face hub, unzip it, and give the folder with raw/ and the pictures",
    sources=("github.com/mll-lab-nu/MindCube src/evaluation/core/extractors.py, base_metrics.py, evaluator.py",),
    rules=(
        "Accuracy over around, rotation, among and other questions; translation stands beside it and is not in the total.",
        'The letter is the last one with a dot, else by the patterns of the authors\' extractor; "" is wrong.',
    ),
    departures=("The views are shown on one sheet, numbered; asked in our words, without a map and without steps of reasoning.",),
    load=load,
    mark=mark,
    overall=overall,
)
