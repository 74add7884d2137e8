"""The embedded model on a data set of a user: what is read again, what is true of what, and that the model goes on learning."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from spatialvlm_ros.cli import main
from spatialvlm_ros.cli_synthesize import all_parts
from spatialvlm_ros.training.chat_data import ChatData, DataError, open_chat_data
from spatialvlm_ros.training.embedded.answers_data_text import all_words
from spatialvlm_ros.training.embedded.assemble import assemble
from spatialvlm_ros.training.embedded.user_data import UserData, UserImage, batch_of, question_of, read_user_data
from spatialvlm_ros.training.embedded.user_run import WORSE_BY_MOST, EmbeddedReport
from spatialvlm_ros.training.embedded.user_training import caption_truth, names_right, shard_of, unknown_words, with_words
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.decoder import AnswerDecoder, DecoderConfig
from spatialvlm_ros.vlm.embedded.decoder_words import NUMBER, Words
from spatialvlm_ros.vlm.embedded.gripper_head import GripperConfig, GripperHead
from spatialvlm_ros.vlm.embedded.tokenizer import SPECIAL
from spatialvlm_ros.vlm.embedded.tower import RegionTextTower, TowerConfig
from spatialvlm_ros.vlm.interface import View

torch.set_num_threads(1)
Pair = tuple[float | None, float | None]
WORDS = (*SPECIAL, "red", "green", "blue", "yellow", "box", "can", "ball", "block")


@pytest.fixture(scope="module")
def opened(vqa: Path, cache: Path) -> ChatData:
    return open_chat_data(vqa, held_out_share=0.3, cache_dir=cache)


@pytest.fixture(scope="module")
def read(opened: ChatData) -> UserData:
    return read_user_data(opened, all_parts())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of the real classes, small, as it is shipped."""
    torch.manual_seed(0)
    from spatialvlm_ros.training.embedded.vocabulary import CONCEPTS

    tower = RegionTextTower(TowerConfig(WORDS, (8, 16, 16, 16), (0, 0, 0, 0), 24, 16, 1, 2, attributes=CONCEPTS))
    decoder = AnswerDecoder(DecoderConfig(all_words(), dim=32, layers=1, heads=2))
    folder = tmp_path_factory.mktemp("embedded") / "base"
    assemble(folder, tower.eval(), GripperHead(GripperConfig()), GripperConfig(), decoder.eval(), Calibration())
    return folder


def test_images_are_read_again_with_their_depth(read: UserData, opened: ChatData) -> None:
    """Every row with its regions, held-out ones apart; tokens stand where the data set says the things are."""
    assert len(read.train) == len(opened.train) and len(read.held_out) == len(opened.held_out) and not read.dropped
    for image, row in zip(read.train, opened.train, strict=True):
        objects = opened.rows[row]["objects"]
        assert image.captions == [thing["caption"] for thing in objects]
        assert image.pictures.shape == (len(objects), 8, 64, 64) and image.measured.all()
        # Of the true boxes here, and in the viewer's directions there: the distance from the camera is the same.
        far = [np.linalg.norm(thing["centre_m"]) for thing in objects]
        assert np.allclose(np.linalg.norm(image.tokens[:, :3], axis=1), far, atol=0.06)
        assert {at for question in image.asked for at in question.things} <= set(range(len(objects)))
    assert sum(len(image.asked) for image in read.train) > 40


def test_questions_point_at_the_things_that_they_name(read: UserData) -> None:
    """Pointers are in the order of the words, and the verdict says what the pair says."""
    pair = {
        "question": "Which of the two is taller, the red mug or the mug?", "relation": "which_tall", "subject": "mug",
        "object": "red mug", "third": "", "view": "", "polarity": "first", "value": 0.99, "objects": [4, 7],
    }  # fmt: skip
    found = question_of(pair, {4: 0, 7: 1})
    assert found is not None
    assert (found.text, found.things, found.verdict) == ("Which of the two is taller, <0> or <1>?", (1, 0), "<1>")
    assert question_of({**pair, "polarity": "unsure"}, {4: 0, 7: 1}) is None
    assert question_of({**pair, "relation": "nearest"}, {4: 0, 7: 1}) is None
    assert question_of({**pair, "subject": "cup"}, {4: 0, 7: 1}) is None
    words = Words(all_words())
    asked = [(image, question) for image in read.train for question in image.asked][:30]
    batch = batch_of(asked, words, 40)
    assert batch.objects.shape[0] == 30 and (batch.question[:, -1] == words.id("<ask>")).all()
    numbers = [question.verdict == NUMBER for _, question in asked]
    assert np.array_equal(np.isfinite(batch.value), numbers) and any(numbers) and not all(numbers)


def test_captions_are_wrong_only_where_somebody_said_so() -> None:
    """In the same image, and not where one name may be short for the other; open in other images."""

    def image(*captions: str) -> UserImage:
        nothing = np.zeros((len(captions), 1), np.float32)
        return UserImage(torch.zeros(len(captions), 8, 64, 64), torch.zeros(len(captions), 17), list(captions), nothing, nothing)

    images = [image("red mug", "can", "mug"), image("red mug", "red mug", "box")]
    phrases, truth = caption_truth(images, 99, np.random.default_rng(0))
    rows = dict(zip(phrases, np.nan_to_num(truth.numpy(), nan=-1).tolist(), strict=True))
    assert rows["red mug"] == [1, 0, -1, 1, 1, 0]
    assert rows["can"] == [0, 1, 0, -1, -1, -1]
    assert rows["mug"] == [-1, 0, 1, -1, -1, -1]
    assert len(caption_truth(images, 2, np.random.default_rng(0))[0]) == 2
    assert shard_of(images).scene.tolist() == [0, 0, 0, 1, 1, 1]


def test_new_words_change_nothing_about_old_ones(read: UserData, base: Path) -> None:
    """The grown tower says of known phrases what the old one said, and knows the rest."""
    tower = EmbeddedVlm.from_folder(base).model.tower
    words = unknown_words(tower, read)
    assert words and not set(words) & set(WORDS)
    grown, new = with_words(tower, words)
    assert list(grown.config.words) == [*WORDS, *new] and unknown_words(grown, read) == []
    image, ids = read.train[0], torch.tensor([[2, 6], [4, 0]])
    with torch.no_grad():
        assert torch.equal(tower(image.pictures, image.scalars, ids), grown(image.pictures, image.scalars, ids))
    assert 0 <= (names_right(tower, read.held_out) or 0) <= 1


def test_the_model_learns_from_a_users_data_and_opens(base: Path, vqa: Path, cache: Path, tmp_path: Path) -> None:
    """By the command: figures on held-out images beside those of the base, a whole model, and the same bytes again."""
    common = ["train", "--from", str(base), "--data", str(vqa), "--cache", str(cache), "--held-out-share", "0.3"]
    common += ["--steps", "24", "--replayed-scenes", "4", "--learning-rate", "0.003", "--batch-size", "1"]
    code = main([*common, "--out", str(tmp_path / "one")])
    record = json.loads((tmp_path / "one" / "train.json").read_text())
    figures = record["figures"]
    assert figures["numbers"]["after"] < figures["numbers"]["before"]
    gains = {name: figures[name]["after"] - figures[name]["before"] for name in ("names", "verdicts")}
    assert code == (0 if gains["names"] >= 0 and gains["verdicts"] >= -WORSE_BY_MOST else 1)
    assert record["complete"] and figures["new_words"]
    assert f"| numbers | {figures['numbers']['before']:.3f} |" in (tmp_path / "one" / "README.md").read_text()
    model = EmbeddedVlm.from_folder(tmp_path / "one")
    found = model.look(View(np.zeros((48, 64, 3), np.uint8))).ground([figures["new_words"][0]])
    assert found[0].name == figures["new_words"][0]
    assert main([*common, "--out", str(tmp_path / "two")]) == code
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    assert main([*common, "--out", str(tmp_path / "one")]) == 2


@pytest.mark.parametrize(
    ("names", "numbers", "verdicts", "is_better"),
    [
        ((0.5, 0.6), (1.0, 1.0), (0.8, 0.8), True),
        ((0.5, 0.5), (1.0, 0.9), (0.8, 0.79), True),
        ((0.5, 0.9), (1.0, 0.5), (0.8, 0.5), False),
        ((0.5, 0.9), (1.0, 1.4), (0.8, 0.9), False),
        ((0.5, 0.49), (1.0, 0.5), (0.8, 0.9), False),
        ((0.5, 0.5), (1.0, 1.0), (0.8, 0.8), False),
        ((0.5, 0.6), (1.0, math.nan), (0.8, 0.9), False),
        ((1.0, 1.0), (None, None), (1.0, 1.0), True),
        ((None, None), (None, None), (None, None), None),
    ],
)
def test_better_means_that_something_rose_and_nothing_fell_much(
    names: Pair, numbers: Pair, verdicts: Pair, is_better: bool | None
) -> None:
    """Of numbers less is better."""
    figures = {"names": names, "numbers": numbers, "verdicts": verdicts}
    told = {name: {"before": before, "after": after} for name, (before, after) in figures.items()}
    assert EmbeddedReport(Path("out"), {**told, "new_words": ["gizmo"]}, {}).is_better is is_better


def test_data_that_cannot_be_read_again_is_refused(opened: ChatData, vqa: Path, cache: Path, tmp_path: Path) -> None:
    """Recordings that are gone or of others, and data sets that are not of ours."""
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in (vqa / "data").glob("*"):
        (changed / file.name).write_bytes(file.read_bytes())
    provenance = json.loads((vqa / "provenance.json").read_text())
    data = open_chat_data(changed, held_out_share=0.0, cache_dir=cache)
    with pytest.raises(DataError, match="does not say where"):
        read_user_data(data, all_parts())
    provenance["config"]["source"] = {"name": "rgbd", "options": {"paths": [str(tmp_path / "gone")]}}
    (changed / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(DataError, match="put the recordings back"):
        read_user_data(data, all_parts())
    provenance["config"]["source"] = {"name": "render", "options": {"seed": 900, "count": 2, "width_px": 160}}
    (changed / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(DataError, match="source_gone 12"):
        read_user_data(data, all_parts())
