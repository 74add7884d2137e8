"""Florence-2's language of places: "cup<loc_52><loc_332><loc_930><loc_774>", four numbers of a thousand for each box.

Never changes: what does not parse is left out and never guessed at, for a phrase must not slip onto its neighbour's box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .boxes import clipped

BINS = 1000
_PIECE_RE = re.compile(r"<loc_(\d{1,6})>|<(/?[^<>]*)>|[^<]+|<")
# A polygon's points look like boxes, but are none.
_POLYGON_RE = re.compile(r"<poly>.*?(?:</poly>|$)", re.DOTALL)


@dataclass(frozen=True)
class Located:
    """A phrase with one box.

    Attributes:
        phrase: may be "" (a box without words).
        box: (x0, y0, x1, y1), pixels.
        span: start and end in the text of the phrase and all its boxes.
    """

    phrase: str
    box: tuple[float, float, float, float]
    span: tuple[int, int]


def parse_located(text: str, width: int, height: int) -> list[Located]:
    """Phrases with their boxes, in the order of the text, from what a model wrote about a picture of ``width`` x ``height``.

    Left out: phrases without a box, numbers beyond 999, boxes without area, and places that are not a multiple of four
    numbers long (then no box of that phrase can be trusted). Other words in angle brackets are skipped.
    """
    blanked = _POLYGON_RE.sub(lambda match: " " * len(match.group()), text)
    found: list[Located] = []
    words, numbers, start, end = "", list[int](), 0, 0

    def close() -> None:
        found.extend(_located(words, numbers, (start, end), width, height))

    for match in _PIECE_RE.finditer(blanked):
        number, tag = match.group(1), match.group(2)
        if number is not None:
            start = start if words.strip() or numbers else match.start()
            numbers.append(int(number))
            end = match.end()
        elif tag is None and match.group().strip():
            if numbers:
                close()
                words, numbers = "", []
            start = start if words.strip() else match.start()
            words += match.group()
    close()
    return found


def _located(words: str, numbers: list[int], span: tuple[int, int], width: int, height: int) -> list[Located]:
    """The boxes of one phrase."""
    if not numbers or len(numbers) % 4:
        return []
    phrase = " ".join(words.split())
    result = []
    for first in range(0, len(numbers), 4):
        bins = np.array(numbers[first : first + 4], dtype=np.float64)
        if bins.max() >= BINS or bins[2] <= bins[0] or bins[3] <= bins[1]:
            continue
        # A number stands for the middle of its bin.
        x0, y0, x1, y1 = ((bins + 0.5) / BINS * [width, height, width, height]).tolist()
        result.append(Located(phrase, (x0, y0, x1, y1), span))
    return result


def box_tokens(box: npt.ArrayLike, width: int, height: int) -> str:
    """A box in pixels as four tokens."""
    inside = clipped([np.asarray(box, dtype=np.float64)], width, height)[0] / [width, height, width, height]
    bins = np.clip(np.floor(inside * BINS), 0, BINS - 1).astype(int).tolist()
    return "".join(f"<loc_{number}>" for number in bins)
