"""Questions to queries: every form, whatever the names; and refusals that say what can be asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.language.answers import check_query
from spatialvlm_ros.language.questions import QuestionError, forms, parse_question
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.relations import RELATIONS

names = st.sampled_from(
    ["gripper", "red block", "tall green can", "white cup", "#3", "anchor", "thermos", "onion", "atlas", "cup of tea"]
)
articles = st.sampled_from(["", "the ", "a ", "The "])


@pytest.mark.parametrize("form", forms())
def test_every_listed_form_can_be_asked(form: str) -> None:
    query = parse_question(form.replace(" A", " cup").replace(" B", " can"))
    assert check_query(Query(query.relation, query.subject, query.object)) is None
    assert query.subject == "cup"
    assert query.object == ("" if RELATIONS[query.relation].arity == 1 else "gripper" if "gripper" in form else "can")


@given(st.sampled_from(forms()), names, names, articles, articles)
def test_names_come_back_without_articles(form: str, a: str, b: str, article_a: str, article_b: str) -> None:
    asked = re.sub(r"\bA\b", article_a + a, form, count=1)
    asked = re.sub(r"\bB\b", article_b + b, asked, count=1)
    plain, query = parse_question(form.replace(" A", " cup").replace(" B", " can")), parse_question(asked)
    assert query.relation == plain.relation
    assert query.subject == a
    assert query.object == (b if plain.object == "can" else plain.object)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("How far is the gripper from the red block?", Query("distance", "gripper", "red block")),
        ("how far away is the cup from the plate", Query("distance", "cup", "plate")),
        ("What's the distance between the cup and the plate?", Query("distance", "cup", "plate")),
        ("What’s the distance from the cup to the plate ?", Query("distance", "cup", "plate")),
        ("How close are the cup to the plate?!", Query("distance", "cup", "plate")),
        ("How far apart are the cup and the plate?", Query("distance", "cup", "plate")),
        ("What is the   horizontal\tdistance between the cup and the plate?", Query("horizontal_distance", "cup", "plate")),
        ("How much room is there between the cup and the plate?", Query("gap", "cup", "plate")),
        ("How tall is the can?", Query("height", "can")),
        ("What is the height of the red block?", Query("height", "red block")),
        ("What is the height of the red block above the table?", Query("elevation", "red block")),
        ("How high is the can above the table?", Query("elevation", "can")),
        ("How high above the table is the can?", Query("elevation", "can")),
        ("Is the red block on the green plate?", Query("on", "red block", "green plate")),
        ("Is the red block on top of the green plate?", Query("on", "red block", "green plate")),
        ("Is the red block lying on top of the green plate?", Query("on", "red block", "green plate")),
        ("Is the cup on the left of the can?", Query("left", "cup", "can")),
        ("Is the cup to the right of the can?", Query("right", "cup", "can")),
        ("Is the cup in front of the can?", Query("front", "cup", "can")),
        ("Is the cup under the can?", Query("below", "cup", "can")),
        ("Is the block in the gripper?", Query("held", "block", "gripper")),
        ("IS THE BLOCK HELD BY THE GRIPPER", Query("held", "block", "gripper")),
    ],
)
def test_what_people_ask(text: str, query: Query) -> None:
    assert parse_question(text) == query


@pytest.mark.parametrize("text", ["", "   ", "?", " .!"])
def test_an_empty_question_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(QuestionError, match="empty"):
        parse_question(text)


@pytest.mark.parametrize(
    "text", ["Where is the cup?", "Is the cup next to the can?", "far", "How far is the cup?", "Is on the cup?"]
)
def test_an_unknown_form_is_refused_with_all_forms(text: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse_question(text)
    assert text in str(caught.value)
    assert all(form in str(caught.value) for form in forms())


@given(st.text(max_size=60))
def test_no_text_does_worse_than_a_refusal(text: str) -> None:
    try:
        query = parse_question(text)
    except QuestionError:
        return
    assert query.relation in RELATIONS and query.subject
