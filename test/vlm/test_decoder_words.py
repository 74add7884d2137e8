"""The decoder's words: any text to numbers and back, and pointers in the place of names."""

from __future__ import annotations

import random
import re
from itertools import product

import pytest

from spatialvlm_ros.language.spoken import parse_answer
from spatialvlm_ros.vlm.embedded.decoder_words import PAD, POINTERS, SPECIAL, UNKNOWN, Words, pointed, vocabulary, within

WORDS = Words(vocabulary(["how far is the <0> from <1>?", "too close to call.", "it's"]))


@pytest.mark.parametrize("text", ["how far is <0> from <1>?", "too close to call.", "it's <num>, 0.25 m", "is <0>'s top near?"])
def test_a_text_comes_back(text: str) -> None:
    assert WORDS.text_of(WORDS.ids_of(text)).replace(" ' ", "'").replace(" '", "'") == text


@pytest.mark.parametrize("text", ["0.778 m.", "1.25 m.", "how far? 0.05 m. too close."])
def test_a_decimal_comes_back_whole(text: str) -> None:
    told = WORDS.text_of(WORDS.ids_of(text))
    assert told == text
    said = parse_answer(told, unit="m").quantity
    assert said is not None and said.value in (0.778, 1.25, 0.05)


def test_a_question_is_cut_behind_its_last_pointer_and_never_before() -> None:
    said = "how far is <0> from <1>? too close to call"
    assert within(WORDS, said, 7) == WORDS.ids_of("how far is <0> from <1>?")
    assert within(WORDS, said, 5) is None and within(WORDS, said, 99) == WORDS.ids_of(said)


def test_unknown_words_are_spelled_and_come_back() -> None:
    ids = WORDS.ids_of("Far xylophone zz9")
    assert WORDS.text_of(ids) == "far xylophone zz 9" and WORDS.id(UNKNOWN) not in ids


@pytest.mark.parametrize("text", ["", "   ", "\x00\ud7ff日本語", "<script>", "<99>", "<pad", "ß" * 500, "<end>"])
def test_no_text_fails(text: str) -> None:
    ids = WORDS.ids_of(text)
    assert all(0 <= number < len(WORDS) for number in ids)


def test_a_text_cannot_say_a_word_of_control_that_is_none() -> None:
    assert WORDS.id("<0>") not in WORDS.ids_of("<00>") and WORDS.words[0] == PAD


def test_a_vocabulary_begins_with_the_special_words_and_holds_none_twice() -> None:
    with pytest.raises(ValueError, match="must begin with"):
        Words(("a", *SPECIAL))
    with pytest.raises(ValueError, match="twice"):
        Words((*SPECIAL, "a", "a"))


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("How far is the mug from the can?", ("can", "mug"), ("How far is <0> from <1>?", (1, 0))),
        ("Is the Red Mug left of a mug?", ("mug", "red mug"), ("Is <0> left of <1>?", (1, 0))),
        ('How tall is "#3"?', ("#3",), ("How tall is <0>?", (0,))),
        ("The can's height?", ("can",), ("<0>'s height?", (0,))),
        ("Is a between b and c?", ("a", "b", "c"), ("Is <0> between <1> and <2>?", (0, 1, 2))),
        ("Mug or can: which is taller, the mug?", ("mug", "can"), ("<0> or <1>: which is taller, <0>?", (0, 1))),
        ("Is the red  mug wide?", ("red mug",), ("Is <0> wide?", (0,))),
        ("Is it (left) of the c++ mug?", ("c++ mug",), ("Is it (left) of <0>?", (0,))),
    ],
)
def test_names_become_pointers_in_order_of_appearance(text: str, names: tuple[str, ...], expected: object) -> None:
    assert pointed(text, names) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("How far is the mug?", ("mug", "can")),
        ("mugs", ("mug",)),
        ("mug", ()),
        ("a b c d", ("a", "b", "c", "d")),
        ("mug mug", ("mug", "Mug")),
    ],
)
def test_names_that_do_not_stand_in_the_text_are_not_pointed_at(text: str, names: tuple[str, ...]) -> None:
    assert pointed(text, names) is None


def _pointed_by_pattern(text: str, names: tuple[str, ...]) -> tuple[str, tuple[int, ...]] | None:
    """``pointed`` as one regular expression: slow, and plain to see what it does."""
    ways = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in sorted(names, key=len, reverse=True))
    order: list[int] = []

    def pointer(found: re.Match[str]) -> str:
        index = names.index(" ".join(found[2].lower().split()))
        order.extend({index} - set(order))
        return POINTERS[order.index(index)]

    said = re.sub(rf"(?:\b(?:the|a|an)\s+)?([\"']?)(?<!\w)({ways})(?!\w)\1", pointer, text, flags=re.IGNORECASE)
    return (" ".join(said.split()), tuple(order)) if len(order) == len(names) else None


def test_pointers_are_those_of_a_pattern_with_the_names() -> None:
    drawn = random.Random(3)
    names = ("mug", "red mug", "the mug", "a", "b", "#3", "c++ mug", "can's")
    pieces = [*names, "Mug", "an", "the", "it's", "mugs", "_mug", '"mug"', "'red mug'", "(can's)", "'", '"', "é", "9"]
    compared = 0
    for one, other in product(names, names):
        for _ in range(60):
            text = "".join(drawn.choice(pieces) + drawn.choice((" ", " ", "  ", "", "-", "'", "\n")) for _ in range(5))
            text = f"{text} {one} {drawn.choice(pieces)} the {other}?"
            asked = (one,) if one == other else (one, other)
            assert pointed(text, asked) == _pointed_by_pattern(text, asked), (text, asked)
            compared += pointed(text, asked) is not None
    assert compared > 2000
