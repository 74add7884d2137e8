"""What a glance would answer, in the words of the answer."""

from __future__ import annotations

import pytest

from spatialvlm_ros.synthesis.cues import cue_of, prior_of

# (u0, v0, u1, v1): the first is low in the image, wide and large, the second high, narrow, tall and smaller.
LOW, HIGH = (10, 150, 90, 200), (120, 40, 150, 110)
BOXES, AREAS = (LOW, HIGH), (3500, 1900)


@pytest.mark.parametrize(
    ("relation", "cue"),
    [
        ("behind", "no"), ("front", "yes"), ("which_behind", "second"), ("which_front", "first"), ("behind_or_front", "second"),
        ("above", "no"), ("below", "yes"), ("which_above", "second"), ("above_or_below", "second"), ("tall", "no"),
        ("short", "yes"), ("wide", "yes"), ("which_thin", "second"), ("big", "yes"), ("which_small", "second"),
        ("big_or_small", "first"), ("left", ""), ("which_right", ""), ("left_or_right", ""), ("distance", ""),
        ("behind_difference", ""), ("height", ""),
    ],
)  # fmt: skip
def test_the_higher_one_looks_farther_and_the_larger_one_bigger(relation: str, cue: str) -> None:
    assert cue_of(relation, BOXES, AREAS) == cue


def test_what_looks_the_same_gives_no_hint() -> None:
    assert cue_of("big", BOXES, (3500, 3480)) == "" and cue_of("behind", (LOW, LOW), AREAS) == ""
    assert cue_of("touching", BOXES, AREAS) == ""


def test_kinds_are_told_where_sizes_heights_or_depths_are_compared() -> None:
    captions = ("The red mug", "cans of soup")
    assert prior_of("which_big", captions) == "mug>can" and prior_of("tall", captions[::-1]) == "can>mug"
    assert prior_of("which_above", captions) == "mug>can" and prior_of("above_difference", captions) == ""
    assert prior_of("front", captions) == "mug>can" and prior_of("behind_difference", captions) == ""
    assert prior_of("left", captions) == "" and prior_of("width", captions[:1]) == ""
