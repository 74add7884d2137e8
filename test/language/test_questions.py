"""Questions to queries and back: templates, what people ask, and refusals that say what can be asked."""

from __future__ import annotations

import contextlib
import re
from functools import partial

import pytest
from free_questions import FREE
from hypothesis import given
from hypothesis import strategies as st
from more_free_questions import MORE
from stopwatch import quickest_s
from strange_questions import REFUSED

from spatialvlm_ros.language.answers import check_query
from spatialvlm_ros.language.patterns import Matcher
from spatialvlm_ros.language.question_templates import question_templates
from spatialvlm_ros.language.questions import (
    QUESTION_PATTERNS,
    AmbiguousQuestionError,
    EmptyQuestionError,
    NotUnderstoodError,
    QuestionError,
    forms,
    parse_question,
)
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.relations import RELATIONS

ASKED = [(text, query) for query, texts in {**FREE, **MORE}.items() for text in texts]
names = st.sampled_from(
    ["gripper", "red block", "tall green can", "white cup", "#3", "anchor", "thermos", "onion", "atlas", "cup of tea"]
)
articles = st.sampled_from(["", "the ", "a ", "The "])


def asked(form: str, a: str, b: str, c: str = "jar") -> str:
    for letter, name in (("A", a), ("B", b), ("C", c)):
        form = re.sub(rf"\b{letter}\b", lambda _, name=name: name, form)
    return form


@pytest.mark.parametrize("form", forms())
def test_every_listed_form_can_be_asked(form: str) -> None:
    query = parse_question(asked(form, "cup", "can"))
    assert check_query(query) is None
    # What a hand holds and what a robot reaches need no second name.
    named = query == Query("held", "cup", "gripper") or query == Query("reachable", "cup", "robot", amount=0.5)
    assert query.names == ("cup", "can", "jar")[: RELATIONS[query.relation].arity] or named
    assert query.amount == (0.5 if RELATIONS[query.relation].takes_amount else 0.0)


def test_every_relation_has_a_form() -> None:
    assert {parse_question(asked(form, "cup", "can")).relation for form in forms()} == set(RELATIONS)


@given(
    st.sampled_from([form for form in forms() if "many" not in form and "Which A" not in form]), names, names, articles, articles
)
def test_names_come_back_without_articles(form: str, a: str, b: str, article_a: str, article_b: str) -> None:
    plain, query = parse_question(asked(form, "cup", "can")), parse_question(asked(form, article_a + a, article_b + b))
    assert query.relation == plain.relation
    assert query.subject == a
    assert query.object == (b if plain.object == "can" else plain.object)


@pytest.mark.parametrize(("text", "query"), ASKED)
def test_what_people_ask(text: str, query: Query) -> None:
    assert parse_question(text) == query
    assert check_query(query) is None


def test_many_phrasings_are_tried() -> None:
    assert len({text for text, _ in ASKED}) >= 250
    assert {query.relation for query in {**FREE, **MORE}} >= set(list(RELATIONS)[:43])


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_is_refused_with_the_nearest_forms(text: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse_question(text)
    assert text in str(caught.value)
    assert 3 <= len(caught.value.forms) <= 5
    assert all(form in str(caught.value) for form in caught.value.forms)
    assert set(caught.value.forms) <= set(forms())


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("How far is the cup?", "How far is A from B?"),
        ("Which is taller?", "Which is taller, A or B?"),
        ("Is the mug bigger?", "Is A bigger than B?"),
        ("Is the cup within reach of the gripper?", "Is A within a reach of 0.5 m?"),
        ("Which block is nearest?", "Which A is nearest to B?"),
        ("How many cups are on the plate?", "How many A are there?"),
        ("How much taller is the cup than the can?", "Is A taller than B?"),
    ],
)
def test_the_form_that_was_meant_is_among_the_nearest(text: str, form: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse_question(text)
    assert form in caught.value.forms


@pytest.mark.parametrize("text", ["", "   ", "?", " .!", '""', ","])
def test_an_empty_question_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(EmptyQuestionError, match="empty"):
        parse_question(text)


def test_a_question_with_two_readings_is_refused_with_both() -> None:
    text = "Is the bottle to the left of the mug to the left of the plate?"
    with pytest.raises(AmbiguousQuestionError) as caught:
        parse_question(text)
    assert set(caught.value.readings) == {
        "left(bottle, mug to the left of the plate)",
        "left(bottle to the left of the mug, plate)",
    }
    assert parse_question(text, known=["bottle", "mug to the left of the plate"]).subject == "bottle"


def test_the_patterns_can_be_matched_with_others() -> None:
    matcher = Matcher(QUESTION_PATTERNS)
    assert matcher.match("How far is the cup from the can?") == Query("distance", "cup", "can")


@given(st.text(max_size=60))
def test_no_text_does_worse_than_a_refusal(text: str) -> None:
    try:
        query = parse_question(text)
    except QuestionError:
        return
    assert query.relation in RELATIONS and query.subject


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_word_that_turns_the_meaning_is_never_swallowed(relation: str) -> None:
    verbs = ("is", "are", "does", "do", "would", "can", "could")
    for template in question_templates(relation)[::4]:
        words = template[:-1].format(a="the cup", b="the can", c="the jar", amount="0.5 m").split()
        for word in ("not", "never", "slightly", "almost", "twice", "or", "always", "no", "less"):
            for at in range(1, len(words) + 1):
                if at == 1 and word == "not" and words[0].lower() in verbs:
                    continue  # "isn't the cup on the can" asks what "is the cup on the can" does
                text = " ".join([*words[:at], word, *words[at:]])
                with pytest.raises(NotUnderstoodError):
                    parse_question(text)


def test_reading_is_quick() -> None:
    def read(text: str) -> None:
        with contextlib.suppress(QuestionError):
            parse_question(text)

    times = sorted(quickest_s(partial(read, text), 0.003) for text in [text for text, _ in ASKED] + list(REFUSED))
    assert times[len(times) // 2] < 0.01
    assert times[-1] < 0.15


def test_building_the_matcher_is_quick() -> None:
    assert quickest_s(lambda: Matcher(QUESTION_PATTERNS), 1.0) < 2.0
