"""SpatialRGPT-Bench (Cheng et al., NeurIPS 2024, arXiv 2406.01584): comparisons and lengths of marked regions.

Format and rules: llava/eval/eval_spatial.py and scripts/srgpt/eval/evaluate_spatial_with_gpt4.py of AnjieCheng/SpatialRGPT on
GitHub (SpatialRGPT-Bench_v1.json with id, image_info.file_path, bbox, text_q, conversations, qa_info; pictures of Omni3D). The
copy on the hub is parquet (split val): the picture lies in the cell image, and bbox, conversations and qa_info are Python's text
of the same values, as users of the copy read them.
Lengths succeed within 25 %, clock directions within an hour. There GPT-4 turns words into numbers and verdicts; here our own
reader of answers does (language/spoken.py, synthesis/read_back.py), so that the same answers get the same score on every
machine. The data is Apache-2.0 (README.md).
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...language.spoken import Outcome, parse_answer
from ...scene.facts import METRE
from ...synthesis.read_back import read_back
from .item import Benchmark, BenchmarkDataError, Grouped, Item, LoadOptions, Mark, Picture, mean_of_all
from .pictures import picture_of, with_boxes
from .tables import Row, find_tables, folder_of, rows_of, text_of

_FILES = (
    "SpatialRGPT-Bench_v1.json", "SpatialRGPT-Bench*.json", "data/val-*.parquet", "val-*.parquet", "**/val*.parquet",
    "*.json", "*.jsonl", "*.parquet",
)  # fmt: skip
_COLUMNS = ("id", "bbox", "text_q", "conversations", "qa_info")
LENGTHS = ("distance_data", "horizontal_distance_data", "vertical_distance_data", "width_data", "height_data")
_DIRECTION = "direction"
_KINDS = ("tall", "short", "left", "right", "below", "above", "behind", "front", "big", "small", "wide", "thin")
_PAIRS = (
    ("tall", "short"), ("left", "right"), ("below", "above"), ("behind", "front"), ("big", "small"), ("wide", "thin"),
)  # fmt: skip
# Words that name a side without naming its opposite.
_WORDS = {
    "left": r"left", "right": r"right", "above": r"above|higher|over|on top", "below": r"below|lower|under|beneath",
    "behind": r"behind|further (?:away|back)|farther", "front": r"front|closer|nearer|forward",
    "tall": r"taller|tall", "short": r"shorter|short", "wide": r"wider|wide|broader", "thin": r"thinner|thin|narrower|narrow",
    "big": r"bigger|big|larger|large", "small": r"smaller|small",
}  # fmt: skip
_REGION = re.compile(r"<?region\s*\[?(\d+)\]?>?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2})\s*(?::00)?\s*o['\u2019]?\s*clock", re.IGNORECASE)
_ASK = "The boxes drawn in the picture are the regions; each carries its number."


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    folder_of(SPATIALRGPT, folder, options.split)
    found = find_tables(SPATIALRGPT, folder, _FILES)
    items: list[Item] = []
    for path in found if found[0].suffix == ".parquet" else found[:1]:
        folders = (folder, folder / "datasets", folder / "images", path.parent)
        is_stored = path.suffix == ".parquet"
        picture, optional = (("image",), ("image_info",)) if is_stored else (("image_info",), ())
        for row in rows_of(path, _COLUMNS, picture, optional):
            items.append(_item(row, folders, f"{path}, {text_of(row, 'id')}", len(items)))
    return items


def _value(cell: Any) -> Any:
    """What a cell holds; the copy on the hub has it as Python's text. Raises ValueError or SyntaxError."""
    return ast.literal_eval(cell) if isinstance(cell, str) else cell


def _item(row: Row, folders: Sequence[Path], where: str, number: int) -> Item:
    try:
        about, truth = _value(row.get("image_info")) or {}, str(_value(row["conversations"])[1]["value"])
        # Pictures that lie in cells may have no name: each question's is its own.
        name = str(about["file_path"] if "image" not in row else about.get("file_path", f"image {number}"))
        asked = _value(row["qa_info"])
        kind, category = str(asked["type"]), str(asked["category"])
        boxes = [[float(value) for value in box[:4]] for box in _value(row["bbox"])]
    except (KeyError, IndexError, TypeError, ValueError, SyntaxError, AttributeError) as error:
        raise BenchmarkDataError(f"{where}: not of SpatialRGPT-Bench's form ({type(error).__name__}: {error})") from error
    if any(len(box) != 4 for box in boxes):
        raise BenchmarkDataError(f"{where}: a box of 'bbox' has no four numbers")
    question = text_of(row, "text_q").replace("<image>", "").strip()
    names = tuple(dict.fromkeys(f"region {found[1]}" for found in _REGION.finditer(question)))
    extra: dict[str, Any] = {"kind": kind, "category": category, "names": names}
    group, choices = _group(kind, category, where), _choices(category, names)
    show = _shown(picture_of(row.get("image", name), folders, where), boxes)
    # Which boxes are drawn depends on the question, so each is a picture of its own.
    return Item(
        f"{where.rpartition(', ')[2]}:{number}",
        f"{name}:{boxes}",
        show,
        f"{_ASK}\n{question}",
        truth,
        group,
        truth,
        choices,
        extra,
    )


def _shown(picture: Callable[[], Picture], boxes: Sequence[Sequence[float]]) -> Callable[[], Picture]:
    return lambda: with_boxes(picture(), boxes)


def _group(kind: str, category: str, where: str) -> str:
    if kind == "quantitative" and category in (*LENGTHS, _DIRECTION):
        return category.removesuffix("_data")
    if kind == "qualitative":
        for pair in _PAIRS:
            if any(word in category for word in pair):
                return "/".join(pair)
    raise BenchmarkDataError(f"{where}: a {kind} question of category '{category}' is not known")


def _choices(category: str, names: Sequence[str]) -> tuple[str, ...]:
    if category.endswith("predicate"):
        return ("Yes.", "No.")
    return tuple(f"{name.capitalize()}." for name in names) if category.endswith("choice") else ()


# -- rules ----------------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """With regions named as our readers take names: "Region [0]" is "region 0"."""
    return _REGION.sub(lambda found: f"region {found[1]}", text)


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    category = item.extra["category"]
    if category == _DIRECTION:
        return _direction(item, text)
    if category in LENGTHS:
        return _length(item, text)
    true, said = (verdict(category, item.extra["names"], plain(words)) for words in (item.truth, text))
    return Mark(float(bool(said) and said == true), said, {} if true else {"truth not read": 1.0})


def _direction(item: Item, text: str) -> Mark:
    true, said = (_hour(words) for words in (item.truth, text))
    if true is None or said is None:
        return Mark(0.0, "" if said is None else str(said), {} if true is not None else {"truth not read": 1.0})
    apart = abs(true - said)
    hours = min(apart, 12 - apart)
    return Mark(float(hours <= 1), f"{said} o'clock", {"direction error, degrees": 30.0 * hours})


def _hour(text: str) -> int | None:
    found = _CLOCK.findall(text)
    return int(found[-1]) if found and 1 <= int(found[-1]) <= 12 else None


def _length(item: Item, text: str) -> Mark:
    true, said = (_metres(plain(words), item.extra["names"]) for words in (item.truth, text))
    read = f"{said:g} m" if math.isfinite(said) else ""
    if not (math.isfinite(true) and true > 0):
        return Mark(0.0, read, {"truth not read": 1.0})
    if not read:
        return Mark(0.0)
    return Mark(float(0.75 * true <= said <= 1.25 * true), read, {"absolute relative error": abs(said - true) / true})


def _metres(text: str, names: Sequence[str]) -> float:
    for name in names:
        text = re.sub(rf"\b{name}\b", "thing", text, flags=re.IGNORECASE)
    heard = parse_answer(text)
    if heard.outcome is not Outcome.VALUE or heard.quantity is None or heard.quantity.unit != METRE:
        return math.nan
    return float(heard.quantity.value)


def verdict(category: str, names: Sequence[str], text: str) -> str:
    """What an answer to a comparison says: "yes" or "no", "first" or "second" of the names in the question; "" for neither.

    A predicate is answered by its opposite as well: that region 0 is on the right denies that it is on the left.
    """
    side, _, form = category.rpartition("_")
    if side not in _KINDS or len(names) != 2 or form not in ("predicate", "choice"):
        return ""
    if form == "choice":
        said = read_back(f"which_{side}", names, text).polarity
        return said if said in ("first", "second") else ""
    heard = parse_answer(text)
    if heard.outcome in (Outcome.YES, Outcome.NO):
        return "yes" if heard.outcome is Outcome.YES else "no"
    return _by_sides(side, names, text)


def _by_sides(side: str, names: Sequence[str], text: str) -> str:
    other = next(word for pair in _PAIRS for word in pair if side in pair and word != side)
    own, opposite = (re.search(rf"\b(?:{_WORDS[word]})\b", text, re.IGNORECASE) for word in (side, other))
    if bool(own) == bool(opposite):
        return ""
    said = bool(own) != bool(re.search(r"\b(?:not|isn't|no|neither)\b", text, re.IGNORECASE))
    first = min((at, name) for name in names if (at := text.lower().find(name)) >= 0)[1] if _has_names(names, text) else names[0]
    return "yes" if said == (first == names[0]) else "no"


def _has_names(names: Sequence[str], text: str) -> bool:
    return any(name in text.lower() for name in names)


def overall(groups: Grouped) -> dict[str, float]:
    """All qualitative and all quantitative questions, each alike, as the authors' script prints them."""
    qualitative = {name: scores for name, scores in groups.items() if "/" in name}
    quantitative = {name: scores for name, scores in groups.items() if "/" not in name}
    found = {"qualitative": mean_of_all(qualitative), "quantitative": mean_of_all(quantitative)}
    return {name: part["overall"] for name, part in found.items() if part}


SPATIALRGPT = Benchmark(
    name="spatialrgpt",
    title="SpatialRGPT-Bench",
    splits=("v1",),
    licence="Apache-2.0 (README.md of AnjieCheng/SpatialRGPT); pictures of Omni3D under their own terms",
    get="Get a8cheng/SpatialRGPT-Bench from the Hugging Face hub (parquet with its pictures), or SpatialRGPT-Bench_v1.json and "
    "Omni3D's pictures beside it",
    sources=(
        "github.com/AnjieCheng/SpatialRGPT llava/eval/eval_spatial.py and scripts/srgpt/eval/evaluate_spatial_with_gpt4.py",
    ),
    rules=(
        "Lengths: 75 to 125 % of the truth, both ends included. Directions: within one hour of the clock.",
        "Comparisons: the answer says what the truth says.",
        "An answer that cannot be read is wrong. Totals: all qualitative and all quantitative questions.",
    ),
    departures=(
        "The answers are read by our own tolerant judge instead of GPT-4.",
        "Regions are shown as numbered boxes drawn into the picture, not as masks with depth.",
    ),
    load=load,
    mark=mark,
    overall=overall,
)
