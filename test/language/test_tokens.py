"""Tokens: what is dropped of a text, and what never is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.language.tokens import tokenize


def words(text: str) -> list[str]:
    return [f'"{token.word}"' if token.quoted else token.word for token in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What\u2019s  THIS?", ["what", "is", "this"]),
        ("Hey robot, can you please tell me: is it?", ["is", "it"]),
        ("please", ["please"]),
        ("is it exactly 0.8 m, please?", ["is", "it", "0.8", "m"]),
        ("Isn't A on B?", ["is", "a", "on", "b"]),
        ("A isn't on B", ["a", "is", "not", "on", "b"]),
        ("is #3, or cup-holder 4 /tf_a", ["is", "#3", ",", "or", "cup-holder", "4", "/tf_a"]),
        ('the "Salt  and Pepper, please"', ["the", '"salt and pepper, please"']),
        ("\u201ccup\u201d is 6\u2033 away", ['"cup"', "is", "6", "inches", "away"]),
        ("1\u00bd m", ["1", "1/2", "m"]),
        ("it. Is it? Now it is.", ["it", ",", "is", "it", "?", "now", "it", "is"]),
        ("how wide in centimeters right now?!", ["how", "wide"]),
    ],
)
def test_a_text_is_cut(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=80))
def test_any_text_is_cut(text: str) -> None:
    assert all(word for word in words(text))


@given(st.from_regex(r"[a-z]{1,8}( [a-z]{1,8}){0,4}", fullmatch=True))
def test_a_quoted_part_is_one_token(name: str) -> None:
    tokens = tokenize(f'is the "{name}" there')
    assert [token.word for token in tokens if token.quoted] == [name]
