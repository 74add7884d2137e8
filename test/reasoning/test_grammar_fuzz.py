"""Whatever is asked, the grammar answers with a checked tree or with a QuestionError, and soon."""

from __future__ import annotations

import random
import statistics
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stopwatch import quickest_s
from trees_by_hand import AMOUNTS, NAMES

from spatialvlm_ros.expressions.tree import to_text
from spatialvlm_ros.expressions.tree_json import tree_from_json, tree_to_json
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.language.questions import QuestionError
from spatialvlm_ros.reasoning.grammar import composed_kinds, parse, render

# Words that patterns are made of, so that random texts get far into them.
WORDS = """
    is are the a an mug can plate gripper red block blocks of all any no not than to from left right behind in front
    between or and but neither nor both either closer farther nearest farthest tallest widest second more less least
    most at within 20 cm 1 m 3 times as tall wide how many much far which what two one if otherwise there that
    distance gap way over triangle form robot pass fit reach with arm , ? " #3 - twice exactly it only taller on 10
""".split()  # noqa: SIM905
QUICK = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = random.Random(5).sample(sorted(composed_kinds()), 60)


def must_be_a_tree_or_refused(text: str) -> bool:
    """Whether there is a tree."""
    try:
        tree = parse(text)
    except QuestionError as error:
        assert str(error)
        return False
    check(tree)
    assert tree_from_json(tree_to_json(tree)) == tree and to_text(tree)
    return True


@QUICK
@given(st.text(max_size=200))
def test_any_text_is_a_tree_or_is_refused(text: str) -> None:
    must_be_a_tree_or_refused(text)


@QUICK
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_words_of_questions_are_a_tree_or_are_refused(text: str) -> None:
    must_be_a_tree_or_refused(text)


@QUICK
@given(st.sampled_from(SOME), st.integers(0, 20), st.data())
def test_a_question_with_words_lost_doubled_or_put_in_is_a_tree_or_is_refused(kind: str, index: int, data: st.DataObject) -> None:
    words = render(kind, index, NAMES, AMOUNTS).split()
    at = data.draw(st.integers(0, len(words) - 1))
    change = data.draw(st.sampled_from(["lose", "double", "swap", *WORDS]))
    if change == "lose":
        del words[at]
    elif change == "double":
        words.insert(at, words[at])
    elif change == "swap":
        words[at], words[-1] = words[-1], words[at]
    else:
        words.insert(at, change)
    must_be_a_tree_or_refused(" ".join(words))


@QUICK
@given(st.sampled_from(SOME), st.integers(0, 20), st.text(string.printable, min_size=1, max_size=20))
def test_any_name_is_read_back_or_refused(kind: str, index: int, name: str) -> None:
    must_be_a_tree_or_refused(render(kind, index, {**NAMES, "a": name}, AMOUNTS))


def _milliseconds(text: str, limit_ms: float) -> float:
    return 1000 * quickest_s(lambda: must_be_a_tree_or_refused(text), limit_ms / 1000)


def test_a_composed_question_is_read_in_milliseconds() -> None:
    """Two as a rule and 20 for the longest; three times as many for a slower machine."""
    taken = [_milliseconds(render(kind, 1, NAMES, AMOUNTS), 2.0) for kind in composed_kinds()]
    assert statistics.median(taken) < 6.0 and max(taken) < 60.0


@pytest.mark.parametrize(
    "words",
    [
        "the mug and ",
        "is the mug left of the can and ",
        "the tallest block ",
        "nearest to the block nearest to ",
        "mug, ",
        "from the mug to the can ",
        "left of the can or behind the plate and ",
        "how far is ",
        "blocks that are ",
        '"a" ',
    ],
)
def test_a_long_text_costs_little(words: str) -> None:
    for opening in ("is ", "how many blocks are ", "which of ", ""):
        text = (opening + words * 200)[:1000]
        assert _milliseconds(text, 50.0) < 150.0
