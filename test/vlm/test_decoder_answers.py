"""Questions to answers through a decoder of random weights: statuses, batches, texts that agree with their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from queries import query_for
from things import box, camera_over_table, scene, tool
from tiny_embedded import table_view, tiny_model

from spatialvlm_ros.engine import RobotState, SpatialEngine
from spatialvlm_ros.language.question_templates import QUESTION_TEMPLATES
from spatialvlm_ros.language.questions import question_text
from spatialvlm_ros.language.spoken import Outcome, parse_answer, parse_choice, parse_side
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, Query, Status, Truth
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.vlm.embedded.answering import Answerer
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, DecoderConfig
from spatialvlm_ros.vlm.embedded.decoder_answers import AskedOf, answer_questions, first_words
from spatialvlm_ros.vlm.embedded.decoder_words import vocabulary
from spatialvlm_ros.vlm.interface import ModelAnswer, Question

POSE = camera_over_table(pitch_deg=40.0)
NAMES = ("red mug", "green can", "blue ball")
THINGS = tuple(
    box(POSE.apply([x, y, 0.04]), (0.06, 0.05, 0.08), POSE.rotation, number=at + 1, label=name)
    for at, (name, x, y) in enumerate(zip(NAMES, (0.4, 0.6, 0.5), (0.1, -0.2, 0.0), strict=True))
)
SCENE = scene(dict(zip(NAMES, THINGS, strict=True)), POSE)


@pytest.fixture(scope="module")
def decoder() -> AnswerDecoder:
    torch.manual_seed(3)
    texts = [
        text.replace("{a}", "<0>").replace("{b}", "<1>").replace("{c}", "<2>")
        for each in QUESTION_TEMPLATES.values()
        for text in each
    ]
    made = AnswerDecoder(DecoderConfig(vocabulary(texts), dim=32, layers=1, heads=2, max_answer=8)).eval()
    torch.nn.init.normal_(made.number.weight, std=0.3)
    return made


def ask(relation: str, index: int = 0) -> AskedOf:
    query = query_for(relation, *NAMES)
    count = len(query.names)
    return AskedOf(SCENE, question_text(query, index), query.names, THINGS[:count], query)


def test_all_43_types_are_answered_at_once_each_in_its_unit(decoder: AnswerDecoder) -> None:
    answers = answer_questions(decoder, [ask(relation) for relation in PAPER_TYPES])
    assert len(answers) == 43
    for relation, answer in zip(PAPER_TYPES, answers, strict=True):
        assert answer.status is Status.OK and answer.text and "<" not in answer.text
        if RELATIONS[relation].kind is Kind.ESTIMATE:
            assert answer.unit == METRE and math.isfinite(answer.value) and answer.std > 0
            assert answer.value >= 0 or relation.endswith("_difference")
        else:
            assert answer.unit == PROBABILITY and 0 <= answer.value <= 1 and math.isnan(answer.std)


def test_a_lengths_deviation_is_joined_with_its_measurements(decoder: AnswerDecoder) -> None:
    asked = [ask(relation) for relation in PAPER_TYPES]
    for each, plain, answer in zip(
        asked, answer_questions(decoder, asked), answer_questions(decoder, asked, (0.5, 2.0)), strict=True
    ):
        assert each.query is not None
        if RELATIONS[each.query.relation].kind is not Kind.ESTIMATE:
            assert answer == plain or math.isnan(answer.std)
            continue
        measured = RELATIONS[each.query.relation].measure(SCENE, *each.things)
        assert answer.std == pytest.approx(math.hypot(0.5 * plain.std, 2.0 * measured.std)) and measured.std > 0
        assert answer.own_std == plain.std and replace(answer, std=plain.std, alone_std=math.nan) == plain
    # Where the words alone say what is asked, there is no measurement to join it with.
    worded = replace(asked[0], query=None)
    assert str(answer_questions(decoder, [worded], (0.5, 2.0))) == str(answer_questions(decoder, [worded]))


def test_a_number_reads_back_from_its_sentence(decoder: AnswerDecoder) -> None:
    asked = [ask(relation, index) for relation in PAPER_TYPES if RELATIONS[relation].kind is Kind.ESTIMATE for index in (0, 5)]
    for answer in answer_questions(decoder, asked):
        said = parse_answer(answer.text, unit="m")
        assert said.outcome is Outcome.VALUE and said.quantity is not None
        assert said.quantity.value == pytest.approx(abs(answer.value), abs=6e-4)


@pytest.mark.parametrize("full", [True, False])
def test_a_verdict_reads_back_from_its_sentence(decoder: AnswerDecoder, full: bool) -> None:
    """Whatever the network's words are: a sentence that does not say what was decided is not said."""
    kept = decoder.temperature.clone()
    decoder.temperature.fill_(1e-3)
    try:
        asked = [ask(relation, 2) for relation in PAPER_TYPES if RELATIONS[relation].kind is not Kind.ESTIMATE]
        answers = answer_questions(decoder, asked, full=full)
    finally:
        decoder.temperature.copy_(kept)
    for each, answer in zip(asked, answers, strict=True):
        query, verdict = each.query, Truth(answer.value).verdict
        assert query is not None
        kind = RELATIONS[query.relation].kind
        if verdict is None:
            assert parse_answer(answer.text).outcome is Outcome.UNSURE
        elif kind is Kind.PREDICATE:
            assert parse_answer(answer.text).outcome is (Outcome.YES if verdict else Outcome.NO)
        elif kind is Kind.CHOICE:
            assert parse_choice(answer.text, query.names, asked=query.relation.removeprefix("which_")) == (0 if verdict else 1)
        else:
            words = query.relation.split("_or_")
            assert parse_side(answer.text, (words[0], words[1])) == (0 if verdict else 1), answer.text


def test_what_it_was_not_taught_is_refused_by_name(decoder: AnswerDecoder) -> None:
    for relation in ("contained", "between", "fits_into", "direction", "reachable", "point_above", "count", "nearest", "held"):
        answer = answer_questions(decoder, [ask(relation)])[0]
        assert answer.status is Status.BAD_QUERY and relation in answer.text


def test_one_question_is_answered_as_among_others(decoder: AnswerDecoder) -> None:
    asked = [ask(relation, 3) for relation in ("distance", "which_tall", "on", "left_or_right", "height")]
    together = answer_questions(decoder, asked)
    for each, answer in zip(asked, together, strict=True):
        alone = answer_questions(decoder, [each])[0]
        assert alone.text == answer.text and alone.value == pytest.approx(answer.value, abs=1e-4)
    assert answer_questions(decoder, []) == []


def test_the_first_of_a_choice_is_the_first_name_whatever_stands_first_in_the_text(decoder: AnswerDecoder) -> None:
    query = Query("which_left", *NAMES[:2])
    words = "Which is further left, the {} or the {}?"
    forth, back = (
        answer_questions(decoder, [AskedOf(SCENE, words.format(*pair), NAMES[:2], THINGS[:2], query)])[0]
        for pair in (NAMES[:2], NAMES[1::-1])
    )
    swapped = answer_questions(decoder, [AskedOf(SCENE, words.format(*NAMES[1::-1]), NAMES[1::-1], THINGS[1::-1])])[0]
    del forth
    # The same text of the same things: whoever is asked for first only turns what the probability is of.
    if swapped.status is Status.OK:
        assert back.value == pytest.approx(1 - swapped.value, abs=1e-5)
    asked = AskedOf(
        SCENE, words.format(*NAMES[1::-1]), NAMES[1::-1], THINGS[1::-1], replace(query, subject=NAMES[1], object=NAMES[0])
    )
    assert back.value == pytest.approx(1 - answer_questions(decoder, [asked])[0].value, abs=1e-5)


def test_names_that_do_not_stand_in_the_text_are_asked_for_in_words_of_ours(decoder: AnswerDecoder) -> None:
    query = Query("distance", *NAMES[:2])
    plain = AskedOf(SCENE, "How far is the red mug from the green can?", NAMES[:2], THINGS[:2], query)
    other = replace(plain, text="And how far is that one from this?")
    first, second = answer_questions(decoder, [plain, other])
    assert first.value == pytest.approx(second.value, abs=1e-5)
    unknown = answer_questions(decoder, [replace(other, query=None)])[0]
    assert unknown.status is Status.BAD_QUERY and "red mug" in unknown.text


def test_what_cannot_be_told_has_a_status_and_a_reason(decoder: AnswerDecoder) -> None:
    lost = replace(THINGS[1], centre=np.full(3, np.nan))
    blind = scene(dict(zip(NAMES, THINGS, strict=True)))
    gripper = tool([0.0, 0.0, 0.5])
    asked = [
        AskedOf(SCENE, "How far is the red mug from the green can?", NAMES[:2], (THINGS[0], lost)),
        AskedOf(blind, "How tall is the red mug?", NAMES[:1], THINGS[:1], Query("height", NAMES[0])),
        AskedOf(SCENE, "How tall is the gripper?", ("gripper",), (gripper,), Query("height", "gripper")),
        AskedOf(SCENE, "Who are you?", (), ()),
        AskedOf(SCENE, "How far " + "really " * 60 + "is the red mug from the green can?", NAMES[:2], THINGS[:2]),
        AskedOf(SCENE, " ".join(["red mug"] * 3 + ["x"] * 900), NAMES[:1], THINGS[:1], Query("width", NAMES[0])),
    ]
    answers = answer_questions(decoder, asked)
    assert [answer.status for answer in answers] == [
        Status.NO_DEPTH, Status.NOT_CANONICAL, Status.NO_DEPTH, Status.BAD_QUERY, Status.BAD_QUERY, Status.OK,
    ]  # fmt: skip
    assert all(answer.text for answer in answers) and all(math.isnan(answer.value) for answer in answers[:5])
    with pytest.raises(ValueError, match="2 names for 1 things"):
        answer_questions(decoder, [AskedOf(SCENE, "?", NAMES[:2], THINGS[:1])])


def test_too_close_to_call_is_said_by_the_band_alone(decoder: AnswerDecoder) -> None:
    """A temperature that makes every probability a half leaves no verdict; one that makes them certain leaves no doubt."""
    kept = decoder.temperature.clone()
    try:
        decoder.temperature.fill_(1e9)
        doubtful = answer_questions(decoder, [ask("left"), ask("which_big"), ask("behind_or_front")])
        assert all(answer.value == pytest.approx(0.5, abs=1e-6) for answer in doubtful)
        decoder.temperature.fill_(1e-9)
        certain = answer_questions(decoder, [ask("left"), ask("which_big"), ask("behind_or_front")])
        assert all(answer.value in (0, 1) for answer in certain)
    finally:
        decoder.temperature.copy_(kept)


def test_first_words_need_no_query(decoder: AnswerDecoder) -> None:
    from spatialvlm_ros.vlm.embedded.object_tokens import object_tokens

    rows, valid = object_tokens(SCENE, THINGS)
    ids = decoder.vocabulary.ids_of("how far is <0> from <1>?")
    question = torch.tensor([[*ids, decoder.vocabulary.id("<full>"), decoder.vocabulary.id("<ask>")]])
    with torch.no_grad():
        prompted = decoder.prompt(torch.from_numpy(rows)[None], torch.from_numpy(valid)[None], question)
        words = first_words(decoder, prompted)
    assert words.shape == (1,) and len(decoder.sentences(prompted, words)) == 1


def test_words_that_nobody_reads_are_not_said_and_numbers_are_the_same(
    decoder: AnswerDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ask(relation) for relation in PAPER_TYPES]
    spoken = answer_questions(decoder, asked)

    def no_words(*_: object) -> None:
        raise AssertionError("words were made")

    wordless = [replace(each, told=False) for each in asked]
    for one in (*wordless[:2], *asked[2:3]):
        # One that is read is enough for words.
        assert answer_questions(decoder, [one, asked[0]])[1].text == spoken[0].text
    monkeypatch.setattr("spatialvlm_ros.vlm.embedded.decoder_answers.sentences_among", no_words)
    silent = answer_questions(decoder, wordless)
    assert {answer.text for answer in silent} == {""}
    assert repr([replace(answer, text="") for answer in spoken]) == repr(silent)
    with pytest.raises(AssertionError, match="words were made"):
        answer_questions(decoder, asked)


def test_the_engine_reads_numbers_alone(tmp_path: Path) -> None:
    tiny_model(tmp_path)
    seen = table_view((240, 320))
    assert seen.frame is not None
    engine = SpatialEngine(vlm=EmbeddedVlm.from_folder(tmp_path))
    questions: list[Question] = []
    answer = Answerer.answer

    def noted(self: Answerer, asked: Sequence[Question]) -> list[ModelAnswer]:
        questions.extend(asked)
        return answer(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answerer, "answer", noted)
        names = ("gripper", "red block")
        observed = engine.observe(seen.frame, names, RobotState(up=np.array([0.0, 0.0, -1.0])))
        engine.measure_all(observed, [Query("tall", "red block", "gripper"), Query("height", "red block")])
    assert questions and all(question.wordless for question in questions)
