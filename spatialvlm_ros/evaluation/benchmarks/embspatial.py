"""EmbSpatial-Bench (Du et al., ACL 2024, arXiv 2406.05756): six spatial relations seen by an embodied agent, four options each.

Format: README.md of github.com/mengfeidu/EmbSpatial-Bench (rows with question, relation, data_source, base64 image,
answer_options, answer = index). The authors name two ways, generation and likelihood, and publish no code; the letter is read and
the totals are made as lmms-eval does (lmms_eval/tasks/embspatial/utils.py).
"""

from __future__ import annotations

from pathlib import Path

from .item import Benchmark, BenchmarkDataError, Item, LoadOptions, Mark
from .letters import leading_letter, letters_of, options_text
from .pictures import picture_of
from .tables import find_tables, folder_of, rows_of, text_of, texts_of

_FILES = ("embspatial_bench.json", "*bench*.json", "*bench*.jsonl", "data/test-*.parquet", "*.parquet", "**/test*.parquet")
_ASK = "Say only the letter of the right option."


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    folder_of(EMBSPATIAL, folder, options.split)
    items: list[Item] = []
    for path in find_tables(EMBSPATIAL, folder, _FILES):
        columns = ("question_id", "question", "relation", "data_source", "answer_options", "answer")
        for row in rows_of(path, columns, ("image",)):
            given = texts_of(row, "answer_options", path)
            letters, key = letters_of(len(given)), text_of(row, "question_id")
            at = int(row["answer"]) if text_of(row, "answer").isdigit() else -1
            if not 0 <= at < len(letters):
                raise BenchmarkDataError(f"{path}, {key}: answer {row['answer']!r} is no index of {len(given)} options")
            show = picture_of(row["image"], (folder, path.parent), f"{path}, {key}")
            prompt = f"{text_of(row, 'question')}\n{options_text(given)}\n{_ASK}"
            image, relation, source = f"{path.name}:{key}", text_of(row, "relation"), text_of(row, "data_source")
            items.append(Item(key, image, show, prompt, letters[at], relation, letters[at], letters, {"source": source}))
    return items


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    read = leading_letter(text)
    right = float(read == item.truth)
    return Mark(right, read, {f"accuracy on {item.extra['source']}": right})


EMBSPATIAL = Benchmark(
    name="embspatial",
    title="EmbSpatial-Bench",
    splits=("test",),
    licence="not stated by the repository; the pictures are of Matterport3D, AI2-THOR and ScanNet, whose own terms hold",
    get="Get Phineas476/EmbSpatial-Bench or FlagEval/EmbSpatial-Bench from the Hugging Face hub and give its folder",
    sources=("github.com/mengfeidu/EmbSpatial-Bench README.md", "lmms-eval lmms_eval/tasks/embspatial/utils.py"),
    rules=(
        "Accuracy over all questions; by relation, and by the source of the picture.",
        "The letter is the first one of the answer behind brackets and spaces, whatever follows it.",
    ),
    departures=("The question is asked in our words; likelihoods of options are not compared.",),
    load=load,
    mark=mark,
)
