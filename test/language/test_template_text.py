"""Templates: composition, agreement and capitals."""

from __future__ import annotations

import pytest

from spatialvlm_ros.language.template_text import expand, expand_all, fill


def test_alternatives_are_combined_in_order() -> None:
    assert expand("(How|Say how) (|very )tall is {a}?") == (
        "How tall is {a}?",
        "How very tall is {a}?",
        "Say how tall is {a}?",
        "Say how very tall is {a}?",
    )
    assert expand_all("(a|b)", "(b|c)") == ("a", "b", "c")


@pytest.mark.parametrize(
    ("template", "one", "many"),
    [
        ("is {a} wide?", "Is the cup wide?", "Are the cups wide?"),
        ("Does {a} lie there?", "Does the cup lie there?", "Do the cups lie there?"),
        ("{a} is wide.", "The cup is wide.", "The cups are wide."),
        ("the bottom of {a} is wide.", "The bottom of the cup is wide.", "The bottom of the cups is wide."),
        ("Yes, {it} is.", "Yes, it is.", "Yes, they are."),
        ("How far apart are {a} and {b}?", "How far apart are the cup and the can?", "How far apart are the cups and the can?"),
    ],
)
def test_verbs_agree_with_the_name_beside_them(template: str, one: str, many: str) -> None:
    names = {"a": "cup", "b": "can", "it": "cup"}
    assert fill(template, {"a": "the cup", "b": "the can", "it": "it"}, names) == one
    names = {"a": "cups", "b": "can", "it": "cups"}
    assert fill(template, {"a": "the cups", "b": "the can", "it": "they"}, names) == many
