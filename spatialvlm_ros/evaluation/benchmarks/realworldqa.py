"""RealWorldQA (xAI, 2024): 765 pictures, many of them from vehicles, a question and a short answer each.

Format: dataset card of xai-org/RealworldQA (parquet with image, question, answer; CC BY-ND 4.0), or the TSV of VLMEvalKit (index,
question, A to D, answer, base64 image; vlmeval/dataset/image_mcq.py). xAI publishes no code; letters and open answers are judged
as in lmms-eval (lmms_eval/tasks/realworldqa/utils.py).
"""

from __future__ import annotations

from pathlib import Path

from .item import Benchmark, Item, LoadOptions, Mark
from .letters import LETTERS, letters_of, options_text, ranked_letter
from .pictures import picture_of
from .tables import Row, find_tables, folder_of, rows_of, text_of

_FILES = ("data/test-*.parquet", "test-*.parquet", "*.parquet", "RealWorldQA*.tsv", "annotations.json", "metadata.jsonl")
_JUDGED = ("A", "B", "C", "D")
_ASK = "Please answer directly with only the letter of the correct option and nothing else."


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    folder_of(REALWORLDQA, folder, options.split)
    items: list[Item] = []
    for path in find_tables(REALWORLDQA, folder, _FILES):
        for at, row in enumerate(rows_of(path, ("question", "answer"), ("image",))):
            key, truth = f"{path.name}:{at}", text_of(row, "answer")
            show = picture_of(row["image"], (folder, folder / "images", path.parent), f"{path}, row {at}")
            is_choice = truth.upper() in _JUDGED
            question = text_of(row, "question")
            choices = _choices(row, question) if is_choice else ("yes", "no") if truth.lower() in ("yes", "no") else ()
            group = "multiple choice" if is_choice else "open"
            items.append(Item(key, key, show, _prompt(row, question), truth, group, truth, choices))
    return items


def _given(row: Row) -> list[str]:
    """Options that stand in columns of their own."""
    return [str(row[letter]) for letter in _JUDGED if str(row.get(letter) or "").strip()]


def _prompt(row: Row, question: str) -> str:
    given = _given(row)
    return f"{question}\n{options_text(given)}\n{_ASK}" if given else question


def _choices(row: Row, question: str) -> tuple[str, ...]:
    given = len(_given(row)) or sum(f"\n{letter}. " in f"\n{question}" for letter in LETTERS[: len(_JUDGED)])
    return letters_of(given) or _JUDGED


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    if item.group == "multiple choice":
        read = ranked_letter(text, _JUDGED)
        return Mark(float(read == item.truth.upper()), read)
    read = text.lower().strip().rstrip(".")
    return Mark(float(read == item.truth.lower()), read)


REALWORLDQA = Benchmark(
    name="realworldqa",
    title="RealWorldQA",
    splits=("test",),
    licence="CC BY-ND 4.0 (dataset card of xai-org/RealworldQA)",
    get="Get xai-org/RealworldQA from the Hugging Face hub, or VLMEvalKit's RealWorldQA.tsv, and give its folder",
    sources=("huggingface.co/datasets/xai-org/RealworldQA README.md", "lmms-eval lmms_eval/tasks/realworldqa/utils.py"),
    rules=(
        "Accuracy over all questions.",
        "Where the truth is A to D, the letter is taken by lmms-eval's ranking of forms.",
        "Any other answer has to be the truth's own words, case and a dot at the end aside.",
    ),
    load=load,
    mark=mark,
)
