"""Parts of a region that two names tell apart: a red block that stands flush on a blue one is one thing to depth.

Colours alone cut only what is plain beyond doubt, for printed goods must stay whole. Where "red block" and "blue block" are asked
for and nothing else answers to either, the names vouch for two things, and the colours only have to say where one ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..geometry.plane import BoolArray
from ..geometry.rigid import FloatArray
from ..scene.frame import Region, RGBDFrame
from .appearance import Appearance
from .colors import color_words_of, white_point
from .grid import nearest_pixel
from .names import RIVAL, NamePhrase, parse, score

# Least share of a region's pixels in a name's colour for the name to be about a part of it.
_LEAST_COLOR = 0.1
# From this share on a colour word is true of a pixel.
_SURE = 0.5
# A finger may divide what is seen of a thing; pieces with less of its pixels than this share are reflections.
_LEAST_PIECE = 0.1
# A print lies within the outline of the rest; of two things neither holds so much of the other within its outline.
_ENCLOSED = 0.5


def part_by_names(
    frame: RGBDFrame,
    regions: Sequence[Region],
    appearances: Sequence[Appearance],
    names: Iterable[str],
    may_mean: Callable[[str, Region], bool] | None = None,
) -> dict[int, tuple[Region, Region]]:
    """Indices of regions that are two things by two names of different colours, each with its two parts.

    A region counts where one of the names means it, the other's colour is on it too, and no other region answers to either.

    Args:
        may_mean: whether a name may be about a region by what else is known of it; None where nothing is.
    """
    phrases = {parse(name): name for name in dict.fromkeys(names)}
    phrases = {phrase: name for phrase, name in phrases.items() if phrase.colors and not phrase.strange}
    scores = {phrase: [score(phrase, appearance) for appearance in appearances] for phrase in phrases}
    parted: dict[int, tuple[Region, Region]] = {}
    for first, second in combinations(scores, 2):
        index = _shared(first, second, scores[first], scores[second], appearances)
        if index is None or index in parted:
            continue
        if may_mean is not None and not all(may_mean(phrases[phrase], regions[index]) for phrase in (first, second)):
            continue
        parts = _parts(frame, regions[index], first, second)
        if parts is not None:
            parted[index] = parts
    return parted


def part_of_color(frame: RGBDFrame, region: Region, name: NamePhrase) -> tuple[Region, Region] | None:
    """A region cut into what has the colours of a name and what has others; None where either is too little.

    Prints are cut off as things are: whoever asks has to look at the part.
    """
    u0, v0, u1, v1 = region.box
    window = slice(v0, v1), slice(u0, u1)
    words = color_words_of(frame.color[window][region.mask[window]], white_point(frame.color))
    of_name = np.max([words[color] for color in name.colors], axis=0)
    of_others = np.max([fit for color, fit in words.items() if color not in name.colors], axis=0)
    found = _plain_parts(region.mask[window], of_name, of_others)
    return None if found is None else _divided(region, window, *found)


def _shared(
    first: NamePhrase, second: NamePhrase, of_first: Sequence[float], of_second: Sequence[float], looks: Sequence[Appearance]
) -> int | None:
    """The one region that two names with different colours share, by their scores of each region."""
    if set(first.colors) & set(second.colors):
        return None
    # Each part will answer to its name with a score of about 1.
    answering = np.flatnonzero(np.maximum(of_first, of_second) >= RIVAL)
    if len(answering) != 1:
        return None
    index = int(answering[0])
    colors = looks[index].colors
    least = min(max(colors.get(color, 0.0) for color in phrase.colors) for phrase in (first, second))
    return index if least >= _LEAST_COLOR else None


def _parts(frame: RGBDFrame, region: Region, first: NamePhrase, second: NamePhrase) -> tuple[Region, Region] | None:
    """A region cut in two by colour: each pixel belongs to the name whose colour it or its nearest coloured neighbour has."""
    u0, v0, u1, v1 = region.box
    window = slice(v0, v1), slice(u0, u1)
    mask = region.mask[window]
    words = color_words_of(frame.color[window][mask], white_point(frame.color))
    found = _plain_parts(mask, *(np.max([words[name] for name in phrase.colors], axis=0) for phrase in (first, second)))
    if found is None or max(_share_within(*found), _share_within(*found[::-1])) > _ENCLOSED:
        return None
    return _divided(region, window, *found)


def _plain_parts(mask: BoolArray, fit: FloatArray, other: FloatArray) -> tuple[BoolArray, BoolArray] | None:
    """The pieces (h, w) of a mask whose pixels (N,) are surely of one colour, and of another; None where either are too few."""
    one, two = (_plain_part(mask, own > np.maximum(rest, _SURE)) for own, rest in ((fit, other), (other, fit)))
    return None if one is None or two is None else (one, two)


def _divided(region: Region, window: tuple[slice, slice], one: BoolArray, two: BoolArray) -> tuple[Region, Region]:
    """Each pixel of a region goes to the part (h, w) that it is in or nearest to."""
    mask = region.mask[window]
    # The rim of a region is of what lies behind it, and lamps are seen on faces.
    wanted = mask & ~one & ~two
    _, nearest = nearest_pixel(one | two, wanted)
    of_first = one.copy()
    of_first[wanted] = one.ravel()[nearest]
    return _placed(region, of_first, window), _placed(region, mask & ~of_first, window)


def _plain_part(mask: BoolArray, colored: BoolArray) -> BoolArray | None:
    """The pieces (h, w) that the ``colored`` (N,) pixels of a mask (h, w) form, without specks; None where they are too few."""
    import cv2

    image = np.zeros(mask.shape, dtype=np.uint8)
    image[mask] = colored
    image = np.asarray(cv2.medianBlur(image, 5), dtype=np.uint8)
    _, names, stats, _ = cv2.connectedComponentsWithStats(image, connectivity=8)
    sizes = stats[:, cv2.CC_STAT_AREA]
    sizes[0] = 0
    large = sizes >= max(1.0, _LEAST_PIECE * sizes.sum())
    part = np.asarray(large[names] & mask, dtype=bool)
    return part if np.count_nonzero(part) >= _LEAST_COLOR * np.count_nonzero(mask) else None


def _share_within(part: BoolArray, other: BoolArray) -> float:
    """Share of the pixels of ``other`` (h, w) inside the convex outline of a ``part`` (h, w)."""
    import cv2

    rows, columns = np.nonzero(part)
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    outline = np.zeros(part.shape, dtype=np.uint8)
    cv2.fillConvexPoly(outline, hull, 1)
    return float(np.count_nonzero(other & (outline > 0))) / max(1, int(np.count_nonzero(other)))


def _placed(region: Region, part: BoolArray, window: tuple[slice, slice]) -> Region:
    mask = np.zeros(region.mask.shape, dtype=bool)
    mask[window] = part
    # What was joined or refused inside and around the whole says nothing of a part.
    return replace(region, mask=mask, joined_odds=math.nan, refused_odds=math.nan)
