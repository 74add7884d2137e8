"""Pieces of one thing that a name tells of: a bottle and its neck, where a learnt judgement hardly dared to part them.

Depth and colour alone must not join what may be two things. But people name one thing, so where two regions that touch answer to
one name, and it was a near thing that they were parted, the name decides. Words that fit many kinds of things decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..scene.frame import BoolArray, Region
from .names import WIDE_NOUNS, parse

# Natural logarithm of the odds that a name of one thing adds to those at which two regions that answer to it were parted.
_NAMED_ODDS = 3.0
# Pixels that masks may lie apart and still touch; least pixels of that, as a share of the square root of the smaller one's.
_NEAR_PX, _LEAST_TOUCH = 2, 0.5
# A region with this share of its pixels inside what was one thing on the image before belongs to it.
_INSIDE = 0.5


def names_one_kind(name: str) -> bool:
    """Whether a name says what kind of thing it means, so that two things side by side seldom answer to it."""
    phrase = parse(name)
    return bool(phrase.shapes) or (bool(phrase.strange) and phrase.strange.removesuffix("s") not in WIDE_NOUNS)


def pieces_of_one(regions: Sequence[Region], answering: Sequence[int]) -> tuple[int, ...]:
    """Of regions that answer to one name the first one, with all that are pieces of one thing with it; () where it stands alone.

    Args:
        answering: indices, the one that answers best first.
    """
    found, left = list(answering[:1]), list(answering[1:])
    for piece in found:
        more = [other for other in left if _may_be_one(regions[piece], regions[other])]
        found += more
        left = [other for other in left if other not in more]
    return tuple(found) if len(found) > 1 else ()


def pieces_within(regions: Sequence[Region], whole: BoolArray) -> tuple[int, ...]:
    """The same of regions that are where one thing (H, W) was on the image before; a single one where it is whole again."""
    inside = [i for i, region in enumerate(regions) if _share(region.mask, whole) >= _INSIDE]
    inside.sort(key=lambda i: -int(np.count_nonzero(regions[i].mask)))
    return pieces_of_one(regions, inside) or tuple(inside[:1])


def put_together(pieces: Sequence[Region]) -> Region:
    """One region of several. How sure it is that it is one thing is what they say together, not what a name adds."""
    mask = np.logical_or.reduce([piece.mask for piece in pieces])
    return replace(pieces[0], mask=mask, joined_odds=min(piece.refused_odds for piece in pieces), refused_odds=float("nan"))


def _may_be_one(one: Region, other: Region) -> bool:
    # No more is known than the greatest odds at which either was parted from anything; NaN says nothing and is above nothing.
    return all(each.refused_odds + _NAMED_ODDS > 0 for each in (one, other)) and _touch(one, other)


def _touch(one: Region, other: Region) -> bool:
    import cv2

    boxes = np.array([one.box, other.box])
    u0, v0 = np.maximum(boxes[:, :2].max(axis=0) - _NEAR_PX, 0).tolist()
    u1, v1 = (boxes[:, 2:].min(axis=0) + _NEAR_PX).tolist()
    if u1 <= u0 or v1 <= v0:
        return False
    around = np.ones((2 * _NEAR_PX + 1, 2 * _NEAR_PX + 1), np.uint8)
    near = cv2.dilate(one.mask[v0:v1, u0:u1].astype(np.uint8), around) > 0
    smaller = min(np.count_nonzero(one.mask), np.count_nonzero(other.mask))
    return bool(np.count_nonzero(near & other.mask[v0:v1, u0:u1]) >= _LEAST_TOUCH * np.sqrt(smaller))


def _share(mask: BoolArray, whole: BoolArray) -> float:
    return float(np.count_nonzero(mask & whole)) / max(1, int(np.count_nonzero(mask)))
