"""Names: what each phrase means among the things on the table, and when it means nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.perception.appearance import Appearance, with_sizes
from spatialvlm_ros.perception.colors import COLORS, color_shares, white_point
from spatialvlm_ros.perception.names import NameMatch, match, parse
from spatialvlm_ros.scene.facts import Status


def thing(color: str, shape: str, height: float, length: float, width: float, **others: float) -> Appearance:
    colors = {color: 0.9, **others}
    return Appearance(colors, {shape: 0.8, "block": 0.8 if shape == "block" else 0.15}, height, 0.0, length, width, 0.5)


RED, PLATE, BLUE, BALL, CAN, CUP = range(6)
THINGS = with_sizes(
    [
        thing("red", "block", 0.05, 0.05, 0.05),
        thing("green", "plate", 0.013, 0.15, 0.15),
        thing("blue", "block", 0.05, 0.05, 0.05),
        thing("yellow", "ball", 0.055, 0.055, 0.055),
        thing("green", "can", 0.12, 0.06, 0.06),
        thing("white", "cup", 0.08, 0.09, 0.07, gray=0.1),
    ]
)
MISSING, UNCLEAR, BAD = -1, -2, -3

TABLE: list[tuple[str, int]] = [
    ("red block", RED),
    ("the red block", RED),
    ("  The RED Block! ", RED),
    ("a red cube", RED),
    ("red box", RED),
    ("the small red block", RED),
    ("red blocks", RED),
    ("red-block", RED),
    ("red", RED),
    ("the red one", RED),
    ("red thing", RED),
    ("crimson brick", RED),
    ("shiny red block", RED),
    ("block of red colour", UNCLEAR),
    ("red block on the left", RED),
    ("green plate", PLATE),
    ("plate", PLATE),
    ("the dishes", PLATE),
    ("a green saucer", PLATE),
    ("flat green disc", PLATE),
    ("blue block", BLUE),
    ("navy cube", BLUE),
    ("yellow ball", BALL),
    ("ball", BALL),
    ("the yellow sphere", BALL),
    ("golden orb", BALL),
    ("a tall green can", CAN),
    ("green can", CAN),
    ("can", CAN),
    ("green bottle", CAN),
    ("the tall green thing", CAN),
    ("tallest object", CAN),
    ("can of soup", CAN),
    ("white cup", CUP),
    ("coffee mug", CUP),
    ("white mugs", CUP),
    ("bowl", CUP),
    ("block", UNCLEAR),
    ("the box", UNCLEAR),
    ("green", UNCLEAR),
    ("green thing", UNCLEAR),
    ("object", UNCLEAR),
    ("the left block", UNCLEAR),
    ("one", UNCLEAR),
    ("banana", MISSING),
    ("the yellow banana", MISSING),
    ("red ball", MISSING),
    ("purple block", MISSING),
    ("blue plate", MISSING),
    ("pink", MISSING),
    ("table", MISSING),
    ("gripper", MISSING),
    ("left of the cup", MISSING),
    ("block 2", MISSING),
    ("Würfel", MISSING),
    ("asdf qwer", MISSING),
    ("orange juice", MISSING),
    ("", BAD),
    ("   ", BAD),
    ("?!", BAD),
]


@pytest.mark.parametrize(("phrase", "meaning"), TABLE)
def test_what_a_phrase_means(phrase: str, meaning: int) -> None:
    answer = match(phrase, THINGS)
    expected = {MISSING: Status.NOT_FOUND, UNCLEAR: Status.AMBIGUOUS, BAD: Status.BAD_QUERY}.get(meaning, Status.OK)
    assert answer.status is expected, answer
    assert answer.index == (meaning if meaning >= 0 else -1), answer
    assert bool(answer.text) == (answer.status is not Status.OK)
    assert 0 <= answer.score <= 1


def test_texts_say_what_was_seen_and_what_would_help() -> None:
    text = match("the banana", THINGS).text
    assert "banana" in text and "red block" in text and "tall green can" in text and "white cup" in text
    text = match("block", THINGS).text
    assert "red block" in text and "blue block" in text and "colour" in text
    assert "nothing" in match("cup", []).text
    assert match("cup", []).status is Status.NOT_FOUND


def test_two_alike_are_ambiguous_until_a_size_tells_them_apart() -> None:
    pair = with_sizes([thing("red", "block", 0.05, 0.05, 0.05), thing("red", "block", 0.1, 0.1, 0.08)])
    assert match("red block", pair).status is Status.AMBIGUOUS
    assert set(match("red block", pair).candidates) == {0, 1}
    assert "size" in match("red block", pair).text
    assert match("the big red box", pair).index == 1
    assert match("small red block", pair).index == 0
    assert match("taller red block", pair).index == 1
    twins = with_sizes([thing("red", "block", 0.05, 0.05, 0.05)] * 2)
    assert match("big red block", twins).status is Status.AMBIGUOUS
    assert "position" in match("big red block", twins).text


def test_a_tracked_name_stays_unless_its_colour_says_no() -> None:
    def known(phrase: str, prior: int | None) -> NameMatch:
        return match(phrase, THINGS, prior_index=prior)

    assert known("block", BLUE).index == BLUE
    assert known("red block", RED).index == RED
    odd = [replace(THINGS[RED], shapes={"can": 0.6, "block": 0.1}), *THINGS[1:]]
    assert match("red block", odd, prior_index=0).index == 0
    assert known("red block", BLUE).index == RED
    assert known("red block", None).index == RED
    assert known("red block", 99).index == RED


def test_a_label_names_its_own_thing() -> None:
    for i, a in enumerate(THINGS):
        assert match(a.label(), THINGS).index == i, a.label()
        assert match(a.label().upper(), THINGS).index == i


def test_taking_a_phrase_apart() -> None:
    phrase = parse("The big RED wooden boxes next to the cup")
    assert phrase.colors == ("red", "brown") and phrase.sizes == ("large",) and phrase.shapes == ("block",)
    assert phrase.unknown == ("next", "to", "cup") and not phrase.strange
    assert parse("a banana").strange == "banana"


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((200, 20, 20), "red"),
        ((110, 15, 15), "red"),
        ((240, 140, 20), "orange"),
        ((240, 200, 20), "yellow"),
        ((230, 220, 120), "yellow"),
        ((30, 150, 50), "green"),
        ((10, 70, 30), "green"),
        ((30, 60, 180), "blue"),
        ((15, 20, 70), "blue"),
        ((120, 40, 150), "purple"),
        ((240, 130, 170), "pink"),
        ((220, 30, 150), "pink"),
        ((110, 70, 40), "brown"),
        ((20, 20, 22), "black"),
        ((120, 120, 120), "gray"),
        ((235, 235, 230), "white"),
    ],
)
@pytest.mark.parametrize("light", [1.0, 0.7])
def test_colour_words_in_full_and_in_dim_light(rgb: tuple[int, int, int], word: str, light: float) -> None:
    # The wall in the background tells how bright white is.
    scene = np.full((64, 64, 3), 240 * light, np.uint8)
    pixels = np.tile(np.array(rgb) * light, (50, 1)).astype(np.uint8)
    shares = color_shares(pixels, white_point(scene))
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert max(shares, key=lambda name: shares[name]) == word, shares
    assert set(shares) == set(COLORS)


def test_colours_of_no_pixels_and_of_two_colours() -> None:
    white = np.ones(3, np.float32)
    assert sum(color_shares(np.empty((0, 3), np.uint8), white).values()) == 0
    half = np.array([(200, 20, 20)] * 50 + [(20, 40, 180)] * 50, np.uint8)
    shares = color_shares(half, white)
    assert shares["red"] == pytest.approx(0.5, abs=0.05) and shares["blue"] == pytest.approx(0.5, abs=0.05)
    glossy = np.array([(200, 20, 20)] * 70 + [(255, 255, 255)] * 30, np.uint8)
    assert color_shares(glossy, white)["red"] > 0.9


def test_a_size_word_outweighs_a_better_colour() -> None:
    """A low can that is all brown, and a tall one that is less brown: "tall brown can" is the tall one."""
    low = Appearance({"brown": 0.9}, {"can": 0.6}, height_m=0.07, length_m=0.19, width_m=0.18)
    tall = Appearance(
        {"brown": 0.27, "white": 0.7}, {"can": 0.6}, height_m=0.23, length_m=0.08, width_m=0.07, sizes={"tall": 1.0}
    )
    assert match("tall brown can", [low, tall]).index == 1
    assert match("brown can", [low, tall]).index == 0
