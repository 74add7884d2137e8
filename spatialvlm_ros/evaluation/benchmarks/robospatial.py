"""RoboSpatial-Home (Song et al., CVPR 2025, arXiv 2411.16537): yes-or-no questions and points in free space, for robots at home.

Format and rules: download_benchmark.py, evaluation.py and README.md of github.com/chanhee-luke/RoboSpatial-Eval (annotations.json
with category, question, answer, img; or the parquet files of the splits configuration, compatibility and context). A point counts
where it lies in the polygon of the truth; both are parts of the image's width and height. The data is Apache-2.0 (dataset card).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .item import Benchmark, BenchmarkDataError, Grouped, Item, LoadOptions, Mark, mean_of_all
from .pictures import picture_of
from .tables import find_tables, folder_of, rows_of, text_of

_CATEGORIES = ("configuration", "compatibility", "context")
_FILES = ("annotations.json", "data/*.parquet", "*.parquet", "*/*.parquet")
_NUMBER = r"\s*(\d+\.?\d*)\s*"
# In the order in which the authors look for them.
_POINTS = (re.compile(rf"\({_NUMBER},{_NUMBER}\)"), re.compile(rf"\[{_NUMBER},{_NUMBER}\]"))
# What stands in the first square brackets of an answer, up to the first that closes.
_LIST = re.compile(r"\[(.*?)\]", re.DOTALL)
Point = tuple[float, float]


def load(folder: Path, options: LoadOptions) -> list[Item]:
    """See Benchmark."""
    split = folder_of(ROBOSPATIAL, folder, options.split)
    items: list[Item] = []
    for path in find_tables(ROBOSPATIAL, folder, _FILES):
        for at, row in enumerate(rows_of(path, ("category", "question", "answer"), ("img",))):
            category, truth, where = text_of(row, "category"), text_of(row, "answer"), f"{path}, row {at}"
            if split != "all" and category != split:
                continue
            is_verdict = truth.lower() in ("yes", "no")
            area = [] if is_verdict else polygon_of(truth)
            if not is_verdict and len(area) < 3:
                raise BenchmarkDataError(f"{where}: the answer {truth[:60]!r} is neither yes, no nor a polygon")
            show = picture_of(row["img"], (folder, path.parent), where)
            image = row["img"] if isinstance(row["img"], str) else f"{path.name}:{at}"
            middle = np.mean(area, axis=0) if area else None
            reference = truth if middle is None else f"[({middle[0]:.3f}, {middle[1]:.3f})]"
            choices = ("yes", "no") if is_verdict else ()
            question = text_of(row, "question")
            items.append(Item(f"{path.name}:{at}", image, show, question, truth, category, reference, choices, {"area": area}))
    if not items:
        raise BenchmarkDataError(f"{folder} holds no question of the split '{split}'; give all, or another one")
    return items


def polygon_of(text: str) -> list[Point]:
    """The points of a truth "[(x, y), ...]"."""
    found = re.findall(r"[(\[]\s*(-?\d+\.?\d*(?:e-?\d+)?)\s*,\s*(-?\d+\.?\d*(?:e-?\d+)?)\s*[)\]]", text, re.IGNORECASE)
    return [(float(x), float(y)) for x, y in found]


def first_point(text: str) -> Point | None:
    """The first "(x, y)" of an answer, else the first "[x, y]", else the first list read as Python; None for none of these."""
    found = next((match for pattern in _POINTS if (match := pattern.search(text))), None)
    return _listed_point(text) if found is None else (float(found[1]), float(found[2]))


def _listed_point(text: str) -> Point | None:
    """The first point of a list whose numbers the patterns do not know: [.4, .5], [(-0.1, 2e-1), ...]."""
    found = _LIST.search(text)
    if found is None:
        return None
    try:
        # As the authors' code does: what the brackets hold makes a list, with the comma at its end taken away.
        values = ast.literal_eval(f"[{found[1].strip().removesuffix(',')}]")
        if len(values) == 2 and all(isinstance(value, int | float) for value in values):
            x, y = values
        elif values and isinstance(values[0], tuple):
            x, y = values[0]
        else:
            return None
        return float(x), float(y)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None


def is_inside(point: Point, polygon: Sequence[Point]) -> bool:
    """By the parity of the edges to the right of the point, as in the authors' ``point_in_polygon``."""
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, [polygon[-1], *polygon[:-1]], strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def mark(item: Item, text: str) -> Mark:
    """See Benchmark."""
    area = item.extra["area"]
    if not area:
        plain = text.strip().lower()
        read = next((word for word in ("yes", "no") if plain.startswith(word)), "")
        return Mark(float(read == item.truth.lower()), read)
    point = first_point(text)
    if point is None:
        return Mark(0.0)
    return Mark(float(is_inside(point, area)), f"({point[0]:g}, {point[1]:g})")


def overall(groups: Grouped) -> dict[str, float]:
    """All questions alike, as evaluation.py counts, and the leaderboard's mean over the categories (README.md)."""
    found = mean_of_all(groups)
    if all(groups.get(name) for name in _CATEGORIES):
        found["leaderboard total"] = float(np.mean([np.mean(groups[name]) for name in _CATEGORIES]))
        found["VQA average"] = float(np.mean([np.mean(groups[name]) for name in _CATEGORIES[:2]]))
    return found


ROBOSPATIAL = Benchmark(
    name="robospatial",
    title="RoboSpatial-Home",
    splits=("all", *_CATEGORIES),
    licence="Apache-2.0 (dataset card of chanhee-luke/RoboSpatial-Home)",
    get="Get chanhee-luke/RoboSpatial-Home from the Hugging Face hub, or by RoboSpatial-Eval's download_benchmark.py",
    sources=("github.com/chanhee-luke/RoboSpatial-Eval evaluation.py, download_benchmark.py and README.md",),
    rules=(
        "Yes or no: the answer starts with the word.",
        "Points: the first (x, y) of the answer, else the first [x, y], else the first list's, lies in the truth's polygon.",
        "Overall: all questions alike; the leaderboard's total is the mean over the three categories.",
    ),
    departures=("The depth images of the copy are not used: its format states no intrinsics.",),
    load=load,
    mark=mark,
    overall=overall,
)
