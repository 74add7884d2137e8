"""What a glance at the image alone would answer: the shortcuts that a model learns in place of space.

The farther thing is mostly higher in the image, and the bigger one covers more of it. Where the answer can be guessed so, the
guess is noted with the pair, for ``balance`` to make the answer independent of it. Left and right are no shortcut: they are what
the image shows. What sizes things of two kinds have is no secret either: a sofa is bigger than a mug, whatever the image shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..language.names import plain_name, singular
from ..scene.relations import RELATIONS, Kind
from .ambiguity import OF_SIZE, head
from .facts import dimension_of

Box = tuple[int, int, int, int]
_OF_KIND = (*OF_SIZE, "above_or_below", "behind_or_front")
# Less than this share of the larger one apart, a glance does not tell.
_SAME_SHARE = 0.02


def cue_of(relation: str, boxes: Sequence[Box], areas: Sequence[int]) -> str:
    """The answer that a glance would give, in words of ``record.POLARITIES``; "" where none would.

    Args:
        boxes: (u0, v0, u1, v1) of the things, half open, pixels.
        areas: their pixels.
    """
    kind = RELATIONS[relation].kind
    side = dimension_of(relation) if kind is not Kind.ESTIMATE else None
    if side is None or side[0] == "left_or_right":
        return ""
    first, second = (_looks(side[0], box, area) for box, area in zip(boxes[:2], areas[:2], strict=True))
    apart = side[1] * (first - second)
    if abs(apart) <= _SAME_SHARE * max(abs(first), abs(second)):
        return ""
    if kind is Kind.PREDICATE:
        return "yes" if apart > 0 else "no"
    return "first" if apart > 0 else "second"


def prior_of(relation: str, captions: Sequence[str]) -> str:
    """The kinds of things whose sizes are compared, or whose heights or depths, in order; "" where kinds tell nothing.

    Heights, because the middle of a tall thing is higher than that of a low one beside it. Depths, because a small thing behind a
    large one is not seen: what is seen of both is mostly the small one in front.
    """
    side = dimension_of(relation) if RELATIONS[relation].kind is not Kind.ESTIMATE else None
    return ">".join(map(_kind, captions)) if side is not None and side[0] in _OF_KIND else ""


@lru_cache(maxsize=1 << 14)
def _kind(caption: str) -> str:
    return head(singular(plain_name(caption)).split() or [""])


def _looks(dimension: str, box: Box, area: int) -> float:
    """How much of the dimension's first word ("above", "behind", "tall" ...) a thing looks, in pixels."""
    if dimension == "behind_or_front":
        return -float(box[3])  # where its foot is
    if dimension == "above_or_below":
        return -float(box[1] + box[3]) / 2
    if dimension == "tall_or_short":
        return float(box[3] - box[1])
    return float(box[2] - box[0]) if dimension == "wide_or_thin" else float(area)
