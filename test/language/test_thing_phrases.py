"""Things told by superlatives, kinds of things, and what is neither."""

from __future__ import annotations

import pytest

from spatialvlm_ros.language.patterns import Matcher, NotUnderstoodError, Pattern
from spatialvlm_ros.language.slots import Slot

MATCHER: Matcher[Slot] = Matcher(
    [
        Pattern("touch {a:thing}", lambda slots: slots["a"], "touch A"),
        Pattern("name {a:best}", lambda slots: slots["a"], "name the tallest block"),
        Pattern("take one {a:sort}", lambda slots: slots["a"], "take one block"),
        Pattern("take all {a:sorts}", lambda slots: slots["a"], "take all blocks"),
        Pattern("take {a:several}", lambda slots: slots["a"], "take A and B"),
    ]
)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("touch the tallest block", ("tallest", "1", "block", "")),
        ("touch the largest of the red blocks", ("biggest", "1", "red block", "")),
        ("touch the narrowest of all cans", ("thinnest", "1", "can", "")),
        ("touch the second tallest block", ("tallest", "2", "block", "")),
        ("touch the 3rd widest can", ("widest", "3", "can", "")),
        ("touch the second-tallest block", ("tallest", "2", "block", "")),
        ("touch leftmost can", ("leftmost", "1", "can", "")),
        ("touch the block nearest to the mug", ("nearest", "1", "block", "mug")),
        ("touch the block that is farthest from the red mug", ("farthest", "1", "block", "red mug")),
        ("touch the closest block to #3", ("nearest", "1", "block", "#3")),
        ("touch the second nearest block to the mug", ("nearest", "2", "block", "mug")),
        ("touch the mug", "mug"),
        ("touch the second cup", "second cup"),
        ('touch the "tallest block"', "tallest block"),
        ("name the lowest thing", ("lowest", "1", "thing", "")),
        ("take one red block", "red block"),
        ("take one red blocks", "red block"),
        ("take all red blocks", "red block"),
        ('take all "salt and pepper"', "salt and pepper"),
        ("take the cup and #3", ("cup", "#3")),
    ],
)
def test_a_phrase_is_read(text: str, phrase: Slot) -> None:
    assert MATCHER.match(text) == phrase


@pytest.mark.parametrize(
    "text",
    [
        "touch the tallest",
        "touch the tallest of the block",
        "touch the tallest the block",
        "touch the tallest block and can",
        "touch the nearest block",
        "touch the nearest block from the mug",
        "touch the block nearest the mug",
        "touch the block nearest to it",
        "touch the eleventh tallest block",
        "name the mug",
        "name the tall block",
        "name the tallest blocks on the plate",
        'name the "tallest block"',
        "take one other block",
        "take one block on the plate",
        "take one block except the red one",
        "take one 3 block",
        "take one half block",
        "take one m block",
        "take all red block",
        "take all three blocks",
        "take all most blocks",
        "take all blocks and cans",
        "take all blocks left of the mug",
        "take all blocks within 3 cm of the mug",
        "take the tallest cup and the mug",
    ],
)
def test_what_tells_no_one_thing_is_not_guessed(text: str) -> None:
    with pytest.raises(NotUnderstoodError):
        MATCHER.match(text)
