"""The decoder as a network: its geometry against the registry, its density, batches, padding, files, wrong input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from things import box, camera_over_table, scene, tool

from spatialvlm_ros.scene import dimensions
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, DecoderConfig, Density
from spatialvlm_ros.vlm.embedded.decoder_files import load_decoder, save_decoder
from spatialvlm_ros.vlm.embedded.decoder_geometry import PAIR_LENGTHS, THING_LENGTHS, pair_lengths, thing_lengths
from spatialvlm_ros.vlm.embedded.decoder_saying import sentences_among
from spatialvlm_ros.vlm.embedded.decoder_words import vocabulary
from spatialvlm_ros.vlm.embedded.object_tokens import _EDGES_ALIKE, NUM_FEATURES, object_tokens

WORDS = vocabulary(["how far is <0> from <1>?", "is <0> taller than <1>?", "<0> is <num> away from <1>.", "yes, it is."])
POSE = camera_over_table(pitch_deg=40.0, roll_deg=5.0)
A = box(POSE.apply([0.5, 0.1, 0.05]), (0.08, 0.05, 0.1), POSE.rotation, number=1)
B = box(POSE.apply([0.7, -0.15, 0.03]), (0.05, 0.12, 0.06), POSE.rotation, number=2)
SCENE = scene({"a": A, "b": B}, POSE)


@pytest.fixture(scope="module")
def decoder() -> AnswerDecoder:
    torch.manual_seed(1)
    made = AnswerDecoder(DecoderConfig(WORDS, dim=32, layers=2, heads=2, max_question=12, max_answer=10)).eval()
    # A new one's number starts where nothing is learnt; any weights will do here.
    for part in (made.number, made.wording, made.summary):
        torch.nn.init.normal_(part.weight, std=0.2)
    return made


def asked(decoder: AnswerDecoder, texts: list[str], pad: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Things A and B, and questions, each padded by ``pad`` words more than the longest needs."""
    words = decoder.vocabulary
    rows = [words.ids_of(text) for text in texts]
    longest = max(map(len, rows)) + pad
    ends = [words.id("<full>"), words.id("<ask>")]
    question = torch.tensor([[*row, *[0] * (longest - len(row)), *ends] for row in rows])
    objects = torch.zeros(len(texts), 3, NUM_FEATURES)
    objects[:, :2] = torch.from_numpy(object_tokens(SCENE, [A, B])[0])
    present = torch.tensor([[True, True, False]] * len(texts))
    return objects, present, question


@pytest.mark.parametrize(
    ("relation", "name", "sign"),
    [
        ("distance", "distance", 1), ("horizontal_distance", "level", 1), ("vertical_distance", "apart_up", 1),
        ("left_difference", "right", -1), ("right_difference", "right", 1), ("behind_difference", "away", 1),
        ("front_difference", "away", -1), ("above_difference", "bottoms", 1), ("below_difference", "bottoms", -1),
    ],
)  # fmt: skip
def test_lengths_between_things_are_the_registrys(relation: str, name: str, sign: int) -> None:
    """With up from tf: the shipped decoder was trained when an up that errs turned heights in any case."""
    assert SCENE.canonical is not None
    scene = replace(SCENE, canonical=replace(SCENE.canonical, source="tf"))
    rows = torch.from_numpy(object_tokens(scene, [A, B])[0])
    values, stds = pair_lengths(rows[0], rows[1])
    measured, at = RELATIONS[relation].measure(scene, A, B), PAIR_LENGTHS.index(name)
    assert float(values[at]) * sign == pytest.approx(measured.value, abs=1e-5)
    assert float(stds[at]) == pytest.approx(measured.std, rel=2e-3)


@pytest.mark.parametrize(("relation", "name"), [("tall", "heights"), ("wide", "widths"), ("big", "sizes"), ("above", "up")])
def test_comparisons_read_the_registrys_margins(relation: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes with how far errors of edges went together when the shipped decoder was trained."""
    monkeypatch.setattr(dimensions, "_EDGES_ALIKE", _EDGES_ALIKE)
    rows = torch.from_numpy(object_tokens(SCENE, [A, B])[0])
    values, stds = pair_lengths(rows[0], rows[1])
    margin, at = RELATIONS[relation].measure(SCENE, A, B).margin, PAIR_LENGTHS.index(name)
    assert margin is not None
    assert float(values[at]) == pytest.approx(margin.value, abs=1e-5) and float(stds[at]) == pytest.approx(margin.std, rel=2e-3)


@pytest.mark.parametrize(("relation", "name"), [("height", "height"), ("width", "width"), ("elevation", "bottom")])
def test_sizes_are_the_registrys(relation: str, name: str) -> None:
    values, stds = thing_lengths(torch.from_numpy(object_tokens(SCENE, [B])[0])[0])
    measured, at = RELATIONS[relation].measure(SCENE, B), THING_LENGTHS.index(name)
    assert float(values[at]) == pytest.approx(measured.value, abs=1e-5) and float(stds[at]) == pytest.approx(
        measured.std, rel=2e-3
    )


def test_the_gap_is_a_lower_bound_within_a_few_millimetres_and_a_point_has_one_too() -> None:
    gripper = tool(POSE.apply([0.4, 0.3, 0.2]))
    rows = torch.from_numpy(object_tokens(SCENE, [A, B, gripper])[0])
    for i, j, first, second in ((0, 1, A, B), (0, 2, A, gripper)):
        found = float(pair_lengths(rows[i], rows[j])[0][PAIR_LENGTHS.index("gap")])
        true = RELATIONS["gap"].measure(SCENE, first, second).value
        assert true - 0.02 < found < true + 0.002


def test_a_density_is_one_and_its_quantiles_are_where_it_says() -> None:
    density = Density(
        torch.tensor([[0.7, 0.3], [0.5, 0.5]]).log(),
        torch.tensor([[2.0, 3.0], [-1.0, 0.0]]),
        torch.tensor([[0.1, 0.2], [0.3, 0.05]]),
        0.01,
        torch.zeros(2),
    )
    u = torch.linspace(-12, 12, 48001, dtype=torch.float64)
    likelihood = torch.stack([density.log_likelihood(0.01 * torch.sinh(each).repeat(2)) for each in u.split(1)]).exp()
    np.testing.assert_allclose(likelihood.sum(0) * float(u[1] - u[0]), 1, atol=1e-3)
    for share in (0.0228, 0.5, 0.9):
        np.testing.assert_allclose(density.below(density.quantile(share)), share, atol=1e-4)


def test_answers_do_not_depend_on_the_batch_or_on_padding(decoder: AnswerDecoder) -> None:
    texts = ["how far is <0> from <1>?", "is <0> taller than <1>?", "<1>?"]
    with torch.no_grad():
        together = decoder.prompt(*asked(decoder, texts))
        sentences = decoder.sentences(together, together.logits.argmax(-1))
        for at, text in enumerate(texts):
            alone = decoder.prompt(*asked(decoder, [text], pad=at))
            torch.testing.assert_close(alone.logits[0], together.logits[at], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(alone.density.quantile(0.5)[0], together.density.quantile(0.5)[at], atol=1e-4, rtol=1e-3)
            assert decoder.sentences(alone, together.logits[at : at + 1].argmax(-1)) == sentences[at : at + 1]


def test_what_is_not_there_changes_nothing(decoder: AnswerDecoder) -> None:
    objects, present, question = asked(decoder, ["how far is <0> from <1>?"])
    other = objects.clone()
    other[:, 2] = torch.nan
    with torch.no_grad():
        first, second = (decoder.prompt(each, present, question).logits for each in (objects, other))
    assert torch.equal(first, second)


def test_the_sentence_is_the_same_word_by_word_and_all_at_once(decoder: AnswerDecoder) -> None:
    """With keys and values kept, as it is said, and with all of them given, as it is learnt."""
    with torch.no_grad():
        prompted = decoder.prompt(*asked(decoder, ["how far is <0> from <1>?", "<0>?"]))
        first = torch.full((2,), decoder.vocabulary.id("<num>"))
        said = decoder.sentences(prompted, first)
        for row in range(2):
            words = torch.tensor([[int(first[row]), *said[row]]] * 2)
            learnt = decoder.sentence_logits(prompted, words)[row].argmax(-1)
            assert learnt[: len(said[row])].tolist() == said[row]


@pytest.mark.parametrize("wrong", ["objects", "present", "question", "long"])
def test_shapes_that_do_not_fit_are_named(decoder: AnswerDecoder, wrong: str) -> None:
    objects, present, question = asked(decoder, ["<0>?"])
    with pytest.raises(ValueError, match=r"must be|do not fit"):
        decoder.prompt(
            objects[:, :2] if wrong == "objects" else objects,
            present[:, :2] if wrong == "present" else present,
            question[0] if wrong == "question" else torch.ones(1, 40, dtype=torch.long) if wrong == "long" else question,
        )


def test_a_decoder_comes_back_from_its_files_without_a_difference(decoder: AnswerDecoder, tmp_path: Path) -> None:
    decoder.temperature.fill_(1.25)
    save_decoder(decoder, tmp_path)
    again = load_decoder(tmp_path)
    assert again.config == decoder.config and not again.training
    given = asked(decoder, ["is <0> taller than <1>?"])
    with torch.no_grad():
        assert torch.equal(again.prompt(*given).logits, decoder.prompt(*given).logits)
    assert float(again.temperature[0]) == 1.25


def test_files_that_are_missing_damaged_or_of_another_decoder_are_named(decoder: AnswerDecoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no decoder.*decoder\.json"):
        load_decoder(tmp_path)
    save_decoder(decoder, tmp_path)
    config = json.loads((tmp_path / "decoder.json").read_text())
    (tmp_path / "decoder.json").write_text(json.dumps({**config, "dim": 64}))
    with pytest.raises(ValueError, match="no decoder"):
        load_decoder(tmp_path)
    (tmp_path / "decoder.json").write_text(json.dumps({**config, "depth": 1}))
    with pytest.raises(ValueError, match="depth"):
        load_decoder(tmp_path)
    (tmp_path / "decoder.json").write_text(json.dumps(config))
    (tmp_path / "decoder.safetensors").write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(ValueError, match="no decoder"):
        load_decoder(tmp_path)


def test_of_allowed_sentences_the_likeliest_is_said_word_by_word(decoder: AnswerDecoder) -> None:
    texts = ["how far is <0> from <1>?", "is <0> taller than <1>?", "<1>?"]
    prompted = decoder.prompt(*asked(decoder, texts))
    verdicts = torch.tensor([5, 9, 10])
    most = decoder.config.max_answer - 2
    said = [one[:most] for one in decoder.sentences(prompted, verdicts)]
    assert any(said)
    others = [[(one[0] + 1) % len(decoder.config.words) if one else 1, *one[1:]] for one in said]
    assert sentences_among(decoder, prompted, verdicts, [[b, a] for a, b in zip(said, others, strict=True)]) == said
    # Whatever else it would say.
    assert sentences_among(decoder, prompted, verdicts, [[one] for one in others]) == others
    third = [[*one[:1], 7, 8] for one in others]
    assert all(
        one in some
        for one, some in zip(
            sentences_among(decoder, prompted, verdicts, list(map(list, zip(others, third, strict=True)))),
            zip(others, third, strict=True),
            strict=True,
        )
    )
    assert sentences_among(decoder, prompted, verdicts, [[], [], [[1] * 99]]) == [None, None, None]


def test_quantiles_are_those_of_a_search_over_the_whole_range() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, components = 50, 3
    weight = torch.rand(rows, components, generator=generator).log_softmax(-1)
    location = 6 * torch.rand(rows, components, generator=generator) - 3
    density = Density(weight, location, 0.01 + torch.rand(rows, components, generator=generator), 0.01, torch.zeros(rows))
    shares = (0.0228, 0.1587, 0.5, 0.9772)
    for share, found in zip(shares, density.quantiles(shares), strict=True):
        torch.testing.assert_close(density.below(found), torch.full((rows,), share), atol=2e-5, rtol=0)
