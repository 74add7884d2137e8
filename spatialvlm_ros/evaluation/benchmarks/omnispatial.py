"""OmniSpatial (Jia et al., arXiv 2506.03135): 50 tasks of spatial reasoning in four dimensions, two to four options each.

Format and rules: README.md and api_eval.py of github.com/qizekun/OmniSpatial (data.json; the picture of question "15_1" of a task
type is TASK_TYPE/15.png; evaluation type "re"). The data is CC BY-NC 4.0 (README.md).
"""

from __future__ import annotations

from pathlib import Path

from .item import Benchmark, BenchmarkDataError, Item, LoadOptions, Mark
from .letters import answer_line, letters_of, options_text
from .pictures import picture_of
from .tables import find_tables, folder_of, rows_of, text_of, texts_of

_FILES = ("data.json", "OmniSpatial-test/data.json", "dataset/data.json")
_ASK = 'End with a line of its own: "Answer: X", where X is the letter of the right option.'
# What the authors' code takes where it finds no answer.
_UNREAD = "A"


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    folder_of(OMNISPATIAL, folder, options.split)
    path = find_tables(OMNISPATIAL, folder, _FILES)[0]
    items: list[Item] = []
    for row in rows_of(path, ("id", "question", "options", "answer", "task_type", "sub_task_type")):
        task, key = text_of(row, "task_type"), text_of(row, "id")
        given = texts_of(row, "options", path)
        letters = letters_of(len(given))
        at = int(row["answer"]) if text_of(row, "answer").isdigit() else -1
        if not 0 <= at < len(letters):
            raise BenchmarkDataError(f"{path}, {task} {key}: answer {row['answer']!r} is no index of {len(given)} options")
        name = f"{task}/{key.split('_')[0]}.png"
        show = picture_of(name, (path.parent,), f"{path}, {task} {key}")
        prompt = f"{text_of(row, 'question')}\n{options_text(given)}\n{_ASK}"
        group = f"{task}/{text_of(row, 'sub_task_type')}"
        items.append(Item(f"{task}_{key}", name, show, prompt, letters[at], group, f"Answer: {letters[at]}", _guesses(letters)))
    return items


def _guesses(letters: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"Answer: {letter}" for letter in letters)


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    read = answer_line(text)
    right = float((read or _UNREAD) == item.truth)
    return Mark(right, read, {f"accuracy on {item.group.split('/')[0]}": right})


OMNISPATIAL = Benchmark(
    name="omnispatial",
    title="OmniSpatial",
    splits=("test",),
    licence="CC BY-NC 4.0 (README.md of qizekun/OmniSpatial)",
    get="Get OmniSpatial-test.zip of qizekun/OmniSpatial from the Hugging Face hub, unzip it, and give the folder with data.json",
    sources=("github.com/qizekun/OmniSpatial README.md and api_eval.py",),
    rules=(
        "Accuracy over all questions; by dimension and by sub-task.",
        'Evaluation type "re": the last "Answer: X" of A to D; a small letter is wrong, as in the authors\' code.',
        "An answer without one counts as A, as in the authors' code; how many there were stands beside the score.",
    ),
    departures=(
        "One pass with the likeliest words instead of five drawn ones; asked in our words, without the authors' guidelines for "
        "thinking step by step.",
    ),
    load=load,
    mark=mark,
)
