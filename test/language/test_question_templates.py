"""Question templates: enough of each, all different, and every one read back as the query that it asks for."""

from __future__ import annotations

import random
from string import Formatter

import pytest

from spatialvlm_ros.language.names import plain_name
from spatialvlm_ros.language.question_templates import question_templates
from spatialvlm_ros.language.questions import parse_question, plain_query, question_text
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.relations import RELATIONS

PAPER = tuple(RELATIONS)[:43]
SAID = (
    "red blue small round cup can plate bottle of tea mug to the left right top salt and pepper shaker box from ikea scissors "
    "glasses knives shelf gripper 3 b-12 coke children's toy on table with handle in between or not is how wide tall above than "
    "front behind compared gap height #4 cake shaped like a house 0.5 liter seen view point cm it there meter which far"
)
WORDS = SAID.split()
HARD = (
    "salt and pepper shaker", "bottle to the left of the mug", "cup of tea", "box from ikea", "scissors", "#3", "gripper",
    "distance", "table", "which cup", "width of the cup", "black or white mug", "base_link", "red blocks", "pair of scissors",
)  # fmt: skip
VIEWS = (
    "",
    "",
    "",
    "base_link",
    "canonical",
    "camera_color_optical_frame",
    "arm/tool0",
    "robot",
    "Left.Arm",
    "my frame",
    "camera",
)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("relation", RELATIONS)
def test_there_are_enough_and_each_names_all_that_it_asks_about(relation: str) -> None:
    templates = question_templates(relation)
    assert len(set(templates)) == len(templates) >= (20 if relation in PAPER else 6)
    wanted = set("abc"[: RELATIONS[relation].arity]) | ({"amount"} if RELATIONS[relation].takes_amount else set())
    for template in templates:
        assert fields(template) == wanted
        assert template[-1] in "?." and "  " not in template and (template[0].isupper() or template[0] == "{")


def test_no_template_belongs_to_two_relations() -> None:
    every = [template for relation in RELATIONS for template in question_templates(relation)]
    assert len(set(every)) == len(every)


def query_of(relation: str, a: str, b: str, c: str, amount: float, view: str) -> Query:
    arity = RELATIONS[relation].arity
    return Query(relation, a, b if arity > 1 else "", c if arity > 2 else "", amount * RELATIONS[relation].takes_amount, view)


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_template_is_read_back_without_quotes(relation: str) -> None:
    for index in range(len(question_templates(relation))):
        for view in ("", "base_link", "canonical"):
            query = query_of(relation, "red cup", "tall can", "jar", 0.25, view)
            text = question_text(query, index)
            assert parse_question(text) == query
            assert '"' not in text


def random_name(generator: random.Random) -> str:
    while True:
        name = " ".join(generator.choices(WORDS, k=generator.randint(1, 6)))
        name = generator.choice(HARD) if generator.random() < 0.2 else name
        if name == plain_name(name):
            return name


def test_10000_random_names_are_read_back() -> None:
    generator = random.Random(4)
    said = 0
    while said < 10_000:
        relation = generator.choice(list(RELATIONS))
        a, b, c = (random_name(generator) for _ in range(3))
        amount = round(generator.uniform(0.001, 5.0), generator.randint(3, 9))
        query = query_of(relation, a, b, c, amount, generator.choice(VIEWS))
        assert parse_question(question_text(query, generator.randrange(100))) == query
        said += len(query.names)


@pytest.mark.parametrize(
    ("query", "index", "text"),
    [
        (Query("distance", "gripper", "mug"), 0, "How far is the gripper from the mug?"),
        (Query("distance", "The Gripper", "a mug"), 0, "How far is the gripper from the mug?"),
        (Query("distance", "scissors", "#3"), 0, "How far are the scissors from #3?"),
        (Query("distance", "pair of scissors", "my cup"), 0, "How far is the pair of scissors from my cup?"),
        (Query("height", "red blocks on the plate"), 0, "How tall are the red blocks on the plate?"),
        (Query("height", "children"), 3, "What is the vertical size of the children?"),
        (Query("count", "red block"), 0, "How many red blocks are there?"),
        (Query("count", "knife"), 0, "How many knives are there?"),
        (Query("count", "glass"), 0, "How many glasses are there?"),
        (Query("count", "red blocks"), 0, 'How many "red blocks" are there?'),
        (Query("nearest", "can", "gripper"), 0, "Which can is nearest to the gripper?"),
        (Query("reachable", "mug", "base", amount=0.8), 0, "Is the mug within a reach of 0.8 m from the base?"),
        (Query("reachable", "mug", "base", amount=1e-5), 0, "Is the mug within a reach of 0.00001 m from the base?"),
        (Query("left", "cup", "can", view="base_link"), 0, "Is the cup to the left of the can, seen from base_link?"),
        (Query("left", "cup", "can", view="canonical"), 0, "Is the cup to the left of the can, seen from the canonical frame?"),
        (Query("left", "cup", "can", view="gripper"), 0, "Is the cup to the left of the can, seen from frame gripper?"),
        (Query("left", "bottle to the left of the mug", "can"), 0,
         'Is the "bottle to the left of the mug" to the left of the can?'),
        (Query("distance", "salt and pepper shaker", "tea cup"), 0, "How far is the salt and pepper shaker from the tea cup?"),
    ],
)  # fmt: skip
def test_a_query_is_asked_plainly_and_quoted_only_where_it_has_to_be(query: Query, index: int, text: str) -> None:
    assert question_text(query, index) == text
    assert parse_question(text) == plain_query(query)


def test_an_unknown_relation_is_told() -> None:
    with pytest.raises(KeyError, match="unknown relation"):
        question_templates("near")


def test_a_name_that_cannot_be_said_is_told() -> None:
    with pytest.raises(ValueError, match="double quotes"):
        question_text(Query("distance", 'the "who" album', "cup"))
