"""Names: articles, and one and many of a thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.language.names import is_plural, plain_name, plural, singular, with_article


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("The  Red Block", "red block"),
        ("a cup of the tea", "cup of the tea"),
        ("the a cup", "cup"),
        ("the", "the"),
        ("#3", "#3"),
        ("an apple", "apple"),
        ("theory", "theory"),
        ("anvil", "anvil"),
        ("", ""),
    ],
)
def test_a_plain_name_has_no_article(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("name", "said"),
    [("cup", "the cup"), ("#3", "#3"), ("my cup", "my cup"), ("onion", "the onion"), ("The cup", "The cup"), ("a", "the a")],
)
def test_articles_stand_where_they_are_said(name: str, said: str) -> None:
    assert with_article(name) == said


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("red block", "red blocks"),
        ("box", "boxes"),
        ("glass", "glasses"),
        ("brush", "brushes"),
        ("watch", "watches"),
        ("berry", "berries"),
        ("toy", "toys"),
        ("knife", "knives"),
        ("child", "children"),
        ("bus", "buses"),
        ("thermos", "thermoses"),
        ("vase", "vases"),
        ("plate", "plates"),
        ("shoe", "shoes"),
        ("tomato", "tomatoes"),
        ("cup of tea", "cups of tea"),
        ("bottle to the left of the mug", "bottles to the left of the mug"),
        ("pair of scissors", "pairs of scissors"),
        ("salt and pepper shaker", "salts and pepper shaker"),
    ],
)
def test_one_and_many(one: str, many: str) -> None:
    assert (plural(one), singular(many)) == (many, one)
    assert is_plural(many) and not is_plural(one)


@pytest.mark.parametrize("name", ["scissors", "blue pliers", "tongs"])
def test_what_is_always_many_stays(name: str) -> None:
    assert is_plural(name) and plural(name) == singular(name) == name


@given(st.text(max_size=30))
def test_any_name_has_a_plural(name: str) -> None:
    plain = plain_name(name)
    assert plain_name(plain) == plain
    assert isinstance(is_plural(plural(plain)), bool)
