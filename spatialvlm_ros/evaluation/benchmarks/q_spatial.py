r"""Q-Spatial Bench (Liao et al., EMNLP 2024, arXiv 2409.09788): lengths in pictures, measured by people.

Format and rules: README.md and examples/evaluate_success_rate.ipynb of github.com/andrewliao11/Q-Spatial-Bench-code (parquet with
question, answer_value, answer_unit, question_type, image_path, image; splits QSpatial_plus and QSpatial_scannet, whose pictures
everybody has to get from ScanNet and to put at image_path). An answer ends with \scalar{...} \distance_unit{...}; it succeeds
where max(said / true, true / said) < 2. The data is Apache-2.0 (dataset card).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ...language.spoken import Outcome, parse_answer
from ...scene.facts import METRE
from .item import Benchmark, BenchmarkDataError, Item, LoadOptions, Mark
from .pictures import picture_of
from .tables import Row, StoredCell, find_tables, folder_of, rows_of, text_of

DELTA = 2.0
_SPLITS = ("QSpatial_plus", "QSpatial_scannet")
# Centimetres; what is not listed counts as centimetres, as in the authors' code.
_CM = {
    1.0: ("centimeters", "centimeter", "cm"), 100.0: ("meters", "meter", "m", "metre", "metres"),
    30.48: ("feet", "foot", "ft"), 2.54: ("inch", "inches", "in"), 0.1: ("mm",),
}  # fmt: skip
_ASK = (
    "How long it is in space is asked for, by the picture alone. End the answer with the number and its unit in this form: "
    r"\scalar{number} \distance_unit{unit}"
)


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    split = folder_of(Q_SPATIAL, folder, options.split)
    patterns = (f"data/{split}-*.parquet", f"{split}-*.parquet", f"**/{split}/*.parquet", f"{split}.jsonl")
    items: list[Item] = []
    for path in find_tables(Q_SPATIAL, folder, patterns):
        rows = rows_of(path, ("question", "answer_value", "answer_unit", "question_type", "image_path"))
        stored = _stored(path)
        for at, row in enumerate(rows):
            where = f"{path}, row {at}"
            cell = stored[at] if stored and _is_there(stored[at]) else text_of(row, "image_path")
            show = picture_of(cell, (folder, path.parent, folder / split), where)
            truth = _truth_cm(row, where)
            image = text_of(row, "image_path") or str(at)
            reference = rf"\scalar{{{truth:g}}} \distance_unit{{cm}}"
            prompt = f"{text_of(row, 'question')}\n{_ASK}"
            items.append(Item(f"{split}:{at}", image, show, prompt, f"{truth:.9g}", text_of(row, "question_type"), reference))
    return items


def _stored(path: Path) -> list[StoredCell]:
    """Pictures in the table itself; the ScanNet split has none."""
    if path.suffix != ".parquet":
        return []
    try:
        return [row["image"] for row in rows_of(path, (), ("image",))]
    except BenchmarkDataError:
        return []


def _is_there(cell: StoredCell) -> bool:
    value = cell.read()
    return bool(value and (value.get("bytes") if isinstance(value, dict) else value))


def _truth_cm(row: Row, where: str) -> float:
    try:
        value = float(row["answer_value"])
    except (TypeError, ValueError) as error:
        raise BenchmarkDataError(f"{where}: answer_value is {row['answer_value']!r}, expected a number") from error
    truth = value * unit_cm(text_of(row, "answer_unit"))
    if not (math.isfinite(truth) and truth > 0):
        raise BenchmarkDataError(f"{where}: the true length is {value} {row['answer_unit']}, expected more than 0")
    return truth


def unit_cm(unit: str) -> float:
    """Centimetres of a unit; 1 for one that the rule does not know, such as one with a space before or behind it."""
    return next((cm for cm, names in _CM.items() if unit.lower() in names), 1.0)


def said_cm(text: str) -> float:
    """The answer's length by the rule: the mean of the last scalar's numbers, in the last distance_unit; NaN for none."""
    scalars, units = re.findall(r"scalar\{([^}]*)\}", text), re.findall(r"distance_unit\{([^}]*)\}", text)
    numbers = re.findall(r"\d+\.?\d*", scalars[-1]) if scalars else []
    if not numbers or not units:
        return math.nan
    return float(np.mean([float(number) for number in numbers])) * unit_cm(units[-1])


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    truth, said = float(item.truth), said_cm(text)
    told = said if math.isfinite(said) else _any_wording_cm(text)
    figures = {"success, any wording": float(_succeeds(told, truth))}
    if math.isfinite(told):
        figures["absolute relative error, any wording"] = abs(told - truth) / truth
    return Mark(float(_succeeds(said, truth)), f"{said:g} cm" if math.isfinite(said) else "", figures)


def _succeeds(said: float, truth: float) -> bool:
    return math.isfinite(said) and said > 0 and max(said / truth, truth / said) < DELTA


def _any_wording_cm(text: str) -> float:
    heard = parse_answer(text)
    if heard.outcome is not Outcome.VALUE or heard.quantity is None or heard.quantity.unit != METRE:
        return math.nan
    return 100.0 * heard.quantity.value


Q_SPATIAL = Benchmark(
    name="q-spatial",
    title="Q-Spatial Bench",
    splits=_SPLITS,
    licence="Apache-2.0 (dataset card of andrewliao11/Q-Spatial-Bench); pictures of the ScanNet split under ScanNet's own terms",
    get="Get andrewliao11/Q-Spatial-Bench from the Hugging Face hub and give its folder",
    sources=("github.com/andrewliao11/Q-Spatial-Bench-code README.md and examples/evaluate_success_rate.ipynb",),
    rules=(
        "Success: the larger of said / true and true / said is below 2.",
        r"What is said stands in the last \scalar{} (the mean of its numbers) and \distance_unit{}; without both it failed.",
        "Beside it: the same with any wording that our reader of lengths understands.",
    ),
    departures=("Asked in our words.",),
    load=load,
    mark=mark,
)
