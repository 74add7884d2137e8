"""Florence-2 with planted words, a chat model on crops, and what may go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny_captioners

from spatialvlm_ros.perception.models.captioner import CHAT_QUESTION, OBJECTS, PROPOSALS, RegionCaptioner
from spatialvlm_ros.perception.models.errors import ChatTemplateMissingError, ModelInputError, WrongModelError
from spatialvlm_ros.perception.models.loader import LoadedModel, ModelKind, load_model

SPEECH = "red cup<loc_100><loc_200><loc_500><loc_700>bowl<loc_0><loc_0><loc_999><loc_499>"
BOX = [4.0, 5.0, 30.0, 40.0]


def pictures(*sizes: tuple[int, int]) -> list[npt.NDArray[np.uint8]]:
    generator = np.random.default_rng(6)
    return [generator.integers(0, 255, (height, width, 3), dtype=np.uint8) for height, width in sizes]


def florence(folder: Path, says: str = "") -> LoadedModel:
    return load_model(ModelKind.CAPTIONER, tiny_captioners.florence(folder, says=says))


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return florence(tmp_path_factory.mktemp("models") / "speaking", SPEECH)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(ModelKind.CAPTIONER, tiny_captioners.llava(tmp_path_factory.mktemp("models") / "chatting"))


def test_what_florence_writes_becomes_boxes_in_pixels(speaking: LoadedModel) -> None:
    captioner = RegionCaptioner(speaking)
    for picture, found in zip(pictures((60, 80), (100, 50)), captioner.propose(pictures((60, 80), (100, 50))), strict=True):
        height, width = picture.shape[:2]
        assert [one.name for one in found] == ["red cup", "bowl"]
        scale = np.array([width, height, width, height]) / 1000
        expected = (np.array([[100, 200, 500, 700], [0, 0, 999, 499]]) + 0.5) * scale
        assert np.allclose([one.box for one in found], expected)


def test_the_score_is_how_probable_the_words_were(speaking: LoadedModel) -> None:
    """Against the probabilities of the same tokens in one forward pass over the whole answer."""
    import torch

    (picture,) = pictures((60, 80))
    tokenizer = speaking.processor.tokenizer
    inputs = speaking.processor(images=picture, text=OBJECTS, return_tensors="pt")
    tokens = tokenizer(SPEECH, add_special_tokens=False)["input_ids"]
    start = speaking.model.config.text_config.decoder_start_token_id
    with torch.no_grad():
        logits = speaking.model(**inputs, decoder_input_ids=torch.tensor([[start, *tokens[:-1]]])).logits[0]
    chosen = logits.softmax(dim=-1)[torch.arange(len(tokens)), tokens].numpy()
    cup, bowl = chosen[: len("red cup") + 4], chosen[len("red cup") + 4 :]
    found = RegionCaptioner(speaking).propose([picture], OBJECTS)[0]
    for part, one in zip((cup, bowl), found, strict=True):
        assert one.score == pytest.approx(float(np.exp(np.log(part).mean())), rel=1e-4)
        assert 0 < one.score < 1


def test_words_without_a_place_describe_a_region(tmp_path: Path) -> None:
    captioner = RegionCaptioner(florence(tmp_path / "model", "a red cup on a table"))
    said = captioner.describe(pictures((60, 80), (33, 44)), [[BOX, [0, 0, 80, 60]], [BOX]])
    assert said == [["a red cup on a table"] * 2, ["a red cup on a table"]]
    assert captioner.propose(pictures((60, 80))) == [[]]


def test_the_region_reaches_florence(tmp_path: Path) -> None:
    """The prompt holds the region's own location tokens, one token each."""
    loaded = florence(tmp_path / "model", "cup")
    seen: list[str] = []
    real = loaded.model.generate

    def generate(**inputs: object) -> object:
        seen.extend(loaded.processor.tokenizer.batch_decode(inputs["input_ids"]))
        return real(**inputs)

    loaded.model.generate = generate
    RegionCaptioner(loaded).describe(pictures((50, 100)), [[[10, 5, 50, 25]]])
    assert "<loc_100><loc_100><loc_500><loc_500>" in seen[0]


def test_an_answer_that_is_cut_off_gives_whole_boxes_only(speaking: LoadedModel) -> None:
    cut = RegionCaptioner(speaking, max_tokens=len("red cup") + 4 + len("bowl") + 2)
    assert [one.name for one in cut.propose(pictures((60, 80)))[0]] == ["red cup"]
    assert RegionCaptioner(speaking, max_tokens=3).propose(pictures((60, 80))) == [[]]


def test_batches_and_repetition_change_nothing(tmp_path: Path) -> None:
    """With random weights, whose words depend on the picture."""
    loaded = florence(tmp_path / "model")
    images = pictures((60, 80), (80, 60), (30, 30))
    boxes = [[BOX], [BOX, [0, 0, 20, 20]], [[1, 1, 29, 29]]]
    together = RegionCaptioner(loaded, batch_size=4).describe(images, boxes)
    assert len({said for some in together for said in some}) > 1
    assert together == RegionCaptioner(loaded, batch_size=1).describe(images, boxes)
    assert together == RegionCaptioner(loaded, batch_size=4).describe(images, boxes)


def test_a_chat_model_is_asked_about_the_crop(chatting: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[int, ...], str]] = []
    real = type(chatting.processor).__call__

    def call(self: object, images: list[object], text: list[str], **more: object) -> object:
        asked.extend((np.asarray(image).shape, prompt) for image, prompt in zip(images, text, strict=True))
        return real(self, images=images, text=text, **more)

    monkeypatch.setattr(type(chatting.processor), "__call__", call)
    captioner = RegionCaptioner(chatting)
    said = captioner.describe(pictures((60, 80)), [[[10, 10, 30, 50], [0, 0, 80, 60]]])
    assert [len(some) for some in said] == [2]
    assert [shape for shape, _ in asked] == [(48, 24, 3), (60, 80, 3)]
    assert all(prompt.endswith("assistant:") and CHAT_QUESTION in prompt and "<image>" in prompt for _, prompt in asked)


def test_a_chat_model_answers_the_same_alone_and_in_a_batch(chatting: LoadedModel) -> None:
    images = pictures((60, 80), (60, 80), (40, 40))
    boxes = [[BOX, BOX], [BOX], [[0, 0, 40, 40]]]
    together = RegionCaptioner(chatting, batch_size=4).describe(images, boxes)
    assert together == RegionCaptioner(chatting, batch_size=1).describe(images, boxes)
    assert together[0][0] == together[0][1]


def test_only_florence_finds_regions(chatting: LoadedModel, speaking: LoadedModel) -> None:
    with pytest.raises(WrongModelError, match="finds none"):
        RegionCaptioner(chatting).propose(pictures((60, 80)))
    with pytest.raises(ModelInputError, match="<CAPTION>"):
        RegionCaptioner(speaking).propose(pictures((60, 80)), "<CAPTION>")
    assert len(RegionCaptioner(speaking).propose(pictures((60, 80)), PROPOSALS)[0]) == 2


def test_a_chat_model_without_a_template_is_refused(tmp_path: Path) -> None:
    loaded = load_model(ModelKind.CAPTIONER, tiny_captioners.llava(tmp_path / "base", chat_template=None))
    with pytest.raises(ChatTemplateMissingError, match=r"chat_template\.jinja"):
        RegionCaptioner(loaded)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 50)])
def test_tiny_and_grey_pictures_are_taken(chatting: LoadedModel, speaking: LoadedModel, size: tuple[int, int]) -> None:
    grey = np.full(size, 128, dtype=np.uint8)
    box = [0, 0, size[1], size[0]]
    for loaded in (chatting, speaking):
        said = RegionCaptioner(loaded).describe([grey], [[box]])
        assert len(said[0]) == 1
    found = RegionCaptioner(speaking).propose([grey])[0]
    assert all(one.box[2] <= size[1] and one.box[3] <= size[0] for one in found)


def test_no_boxes_give_no_words(chatting: LoadedModel, speaking: LoadedModel) -> None:
    for loaded in (chatting, speaking):
        captioner = RegionCaptioner(loaded)
        assert captioner.describe(pictures((60, 80), (60, 80)), [[], []]) == [[], []]
        assert captioner.describe([], []) == []
        with pytest.raises(ModelInputError, match="1 lists of boxes for 2"):
            captioner.describe(pictures((60, 80), (60, 80)), [[BOX]])
    assert RegionCaptioner(speaking).propose([]) == []
