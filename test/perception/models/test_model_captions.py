"""What models say, cut down to a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.perception.models.captions import MAX_WORDS, clean_caption


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("red cup", "red cup"),
        ("A red cup.", "red cup"),
        ("the red cup on a wooden table", "red cup"),
        ("a close up of a blue bowl sitting on a counter", "blue bowl"),
        ("A close-up view of the spoon", "spoon"),
        ("This is a large white plate with food", "large white plate with food"),
        ("There are two mugs next to each other", "two mugs"),
        ("It's a toy car.", "toy car"),
        ("The main object is a green bottle", "green bottle"),
        ("The image shows a yellow banana, which is ripe", "yellow banana"),
        ("The object in the picture is a cake shaped like a house", "cake shaped like a house"),
        ('"Coca-Cola can"', "coca-cola can"),
        ("Answer: a kettle\nIt is made of steel.", "kettle"),
        ("- a pair of scissors", "pair of scissors"),
        ("**Blue mug**", "blue mug"),
        ("child's shoe", "child's shoe"),
        ("a very large old brown wooden kitchen dining table", "old brown wooden kitchen dining table"),
        ("café table", "café table"),
    ],
)
def test_the_noun_phrase_stays(said: str, name: str) -> None:
    assert clean_caption(said) == name


@pytest.mark.parametrize(
    "said", ["", "  \n ", "...", "!?", "the", "an", "None", "unknown.", "42", "<loc_1><loc_2>", "an object", "a photo of"]
)
def test_what_names_nothing_is_empty(said: str) -> None:
    assert clean_caption(said) == ""


@given(st.text(max_size=80))
def test_a_name_is_short_and_stays_the_same(said: str) -> None:
    name = clean_caption(said)
    assert len(name.split()) <= MAX_WORDS
    assert name == " ".join(name.split())
    assert name == "" or any(letter.isalpha() for letter in name)
