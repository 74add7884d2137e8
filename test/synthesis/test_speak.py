"""Sentences by template: as the language says them, and names that no question misreads."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.language.answer_templates import answer_templates
from spatialvlm_ros.language.names import with_article
from spatialvlm_ros.language.question_templates import question_templates
from spatialvlm_ros.language.questions import parse_question, question_text
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.synthesis import speak
from spatialvlm_ros.synthesis.facts import MORE_TYPES, PAPER_TYPES


def test_sentences_are_those_of_the_language() -> None:
    names = [speak.name_of("red mug"), speak.name_of("scissors")]
    for relation in ("left", "which_big", "behind_or_front", "distance", "left_difference"):
        for index in range(len(question_templates(relation))):
            query = parse_question(speak.question(relation, index, names))
            assert speak.question(relation, index, names) == question_text(query, index)
    two = [speak.name_of("red mug"), speak.name_of("green can")]
    query = parse_question("Which is bigger, the red mug or the green can?")
    for index, template in enumerate(answer_templates("which_big", False)):
        said = template.text.format(chosen=with_article("green can"), other=with_article("red mug"))
        assert speak.answer(query, False, index, two) == said[0].upper() + said[1:]


def test_names_that_questions_would_misread_are_known() -> None:
    assert speak.is_speakable("red and white box") and speak.is_speakable("cake shaped like a house")
    assert speak.is_speakable("mug on the left") and speak.is_speakable("bottle of water")
    assert not any(map(speak.is_speakable, ("mug not full", "sign that says stop", "most of a cake", "which mug")))


NAMES = (
    "red mug",
    "glass of water",
    "red and white box",
    "cake shaped like a house",
    "man in blue shirt",
    "left red mug",
    "two plates",
    "mug on the left",
    "pair of shoes",
    "3 cans",
    "salt and pepper shaker",
    "woman's bag",
    "top shelf",
    "half eaten apple",
    "remote control next to book",
    "chair behind table",
    "light blue wide bowl",
    "plate with fork and knife",
    "bag between chairs",
    "children",
    "scissors",
    "tv on wall",
    "rear green can",
    "bigger box",
    "upper shelf",
    "person walking dog",
)


@pytest.mark.parametrize("relation", PAPER_TYPES)
def test_names_that_pass_the_panel_are_read_from_every_question(relation: str) -> None:
    generator = np.random.default_rng(PAPER_TYPES.index(relation))
    plain = [name for name in NAMES if speak.is_speakable(name)]
    assert len(plain) >= 20
    for index in range(len(question_templates(relation))):
        names = [plain[int(at)] for at in generator.choice(len(plain), RELATIONS[relation].arity, replace=False)]
        text = speak.question(relation, index, [speak.name_of(name) for name in names])
        assert parse_question(text) == Query(relation, *names), text


def test_templates_are_drawn_by_their_weights() -> None:
    shares = (np.arange(5000) + 0.5) / 5000
    drawn = np.bincount([speak.answer_index("left", True, share) for share in shares])
    weights = np.array([template.weight for template in answer_templates("left", True)])
    assert np.allclose(drawn / 5000, weights / weights.sum(), atol=0.001)
    with pytest.raises(ValueError, match="not in"):
        speak.answer_index("left", True, 1.0)


def test_lengths_below_nothing_are_nothing() -> None:
    assert speak.length_text(0.0003, 0.001, 0.5, exact=False) == "0 centimeters"
    assert speak.length_text(-0.002, 0.001, 0.5, exact=True) == "0.000 m ± 0.001 m"
    assert speak.length_text(0.86, 0.01, 0.1, exact=False) == "1 meter"


def test_a_number_is_no_answer_to_a_question_for_yes_or_no() -> None:
    shares = [at / 100 for at in range(100)]
    for relation in (*PAPER_TYPES, *MORE_TYPES):
        templates = question_templates(relation)
        asked = {speak.question_index(relation, share) for share in shares}
        left_out = [templates[at] for at in range(len(templates)) if at not in asked]
        assert all(text.startswith("Is the point ") for text in left_out), relation
        assert bool(left_out) == relation.startswith("point_"), relation
