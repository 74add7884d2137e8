"""The decoder that comes with the package: it knows left from right, whichever thing is named first, and how far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from queries import query_for
from things import box, camera_over_table, scene
from torch import Tensor

from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.language.question_templates import question_templates
from spatialvlm_ros.language.questions import question_text
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.scene.scene import Scene
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.vlm.embedded import decoder_answers
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, Prompted
from spatialvlm_ros.vlm.embedded.decoder_answers import AskedOf, answer_questions

NAMES = ("red mug", "green can")


@pytest.fixture(scope="module")
def decoder() -> AnswerDecoder:
    found = EmbeddedVlm.from_folder().model.decoder
    assert isinstance(found, AnswerDecoder)
    return found


def two_things(seed: int) -> Scene:
    """Two upright boxes on a table under a camera, apart by centimetres in every dimension that they are compared in."""
    generator = np.random.default_rng(seed)
    pose = camera_over_table(float(generator.uniform(25, 65)), height_m=float(generator.uniform(0.4, 0.8)))
    sign = generator.choice([-1.0, 1.0], 6)
    middle = np.array([generator.uniform(0.4, 0.7), generator.uniform(-0.1, 0.1), 0.0])
    half = np.array([sign[0] * generator.uniform(0.04, 0.1), sign[1] * generator.uniform(0.04, 0.12), 0.0])
    sizes = np.array([[0.05, 0.05, 0.05]] * 2) + generator.uniform(0, 0.01, (2, 3))
    sizes[0 if sign[2] > 0 else 1] += [0.03, 0.035, 0.06]
    places = [middle + half, middle - half]
    things = {}
    for at, (name, place, size) in enumerate(zip(NAMES, places, sizes, strict=True)):
        centre = pose.apply(place + np.array([0, 0, size[2] / 2]))
        things[name] = box(centre, size, pose.rotation, number=at + 1, label=name)
    return scene(things, pose)


def asked(shown: Scene, query: Query, index: int = 0) -> AskedOf:
    things = [shown.bindings[name].thing for name in query.names]
    return AskedOf(shown, question_text(query, index), query.names, tuple(thing for thing in things if thing is not None), query)


@pytest.mark.parametrize("relation", [name for name in PAPER_TYPES if RELATIONS[name].kind is not Kind.ESTIMATE])
def test_what_is_clear_is_told_right_and_the_other_way_round_for_the_other_way_round(
    decoder: AnswerDecoder, relation: str
) -> None:
    right = total = 0
    for seed in range(8):
        shown = two_things(seed)
        for names in (NAMES, NAMES[::-1]):
            query = query_for(relation, *names)
            fact = measure_query(shown, query)
            if fact.truth.verdict is None:
                continue
            total += 1
            said = answer_questions(decoder, [asked(shown, query, seed)])[0].value
            right += (said > 0.5) == fact.truth.verdict
    assert total >= 12 and right >= 0.95 * total, (right, total)


def test_sentences_are_those_that_are_said_word_by_word(decoder: AnswerDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    posed = [asked(two_things(at % 5), query_for(relation, *NAMES), at) for at, relation in enumerate(PAPER_TYPES)]
    quick = answer_questions(decoder, posed)
    is_allowed: list[bool] = []

    def word_by_word(
        own: AnswerDecoder, prompted: Prompted, verdicts: Tensor, allowed: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[int] | None]:
        said = own.sentences(prompted, verdicts)
        is_allowed.extend(tuple(one) in map(tuple, some) for one, some in zip(said, allowed, strict=True))
        return [one if good else None for one, good in zip(said, is_allowed, strict=True)]

    monkeypatch.setattr(decoder_answers, "sentences_among", word_by_word)
    slow = answer_questions(decoder, posed)
    same = [answer.text == other.text for answer, other in zip(quick, slow, strict=True)]
    # Where it would say what is not allowed, the likeliest allowed sentence need not be the plainest.
    assert all(alike for alike, good in zip(same, is_allowed, strict=True) if good) and len({a.text for a in quick}) > 20
    assert len(is_allowed) == len(posed) and np.mean(is_allowed) > 0.8


def test_lengths_are_near_those_that_depth_gives(decoder: AnswerDecoder) -> None:
    for relation in (name for name in PAPER_TYPES if RELATIONS[name].kind is Kind.ESTIMATE):
        errors = []
        for seed in range(6):
            shown, query = two_things(seed), query_for(relation, *NAMES)
            answer = answer_questions(decoder, [asked(shown, query, seed)])[0]
            assert answer.status is Status.OK and answer.std > 0
            errors.append(abs(answer.value - measure_query(shown, query).value))
        assert np.median(errors) < 0.02, (relation, errors)


def test_it_needs_no_query_to_know_what_is_asked(decoder: AnswerDecoder) -> None:
    """The words alone tell the kind of an answer, in every template of every type."""
    shown = two_things(3)
    things = tuple(thing for thing in (shown.bindings[name].thing for name in NAMES) if thing is not None)
    right = total = 0
    for relation in PAPER_TYPES:
        texts = [text.format(a="the red mug", b="the green can") for text in question_templates(relation)]
        count = RELATIONS[relation].arity
        posed = [AskedOf(shown, text, NAMES[:count], things[:count]) for text in texts]
        for answer in answer_questions(decoder, posed):
            total += 1
            right += answer.status is Status.OK and (answer.unit == RELATIONS[relation].unit)
    assert right >= 0.97 * total, (right, total)
