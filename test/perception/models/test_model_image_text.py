"""CLIP and SigLIP: unit vectors, the scene filter with planted meanings, and the similarity of captions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import tiny_models
import torch

from spatialvlm_ros.perception.models.errors import ModelInputError
from spatialvlm_ros.perception.models.image_text import (
    SCENE_CAPTIONS,
    ImageTextModel,
    SceneCaption,
    SceneFilter,
    TextEmbedder,
)
from spatialvlm_ros.perception.models.loader import LoadedModel, ModelKind, load_model

UInt8Array = npt.NDArray[np.uint8]


def pictures(count: int = 9) -> list[UInt8Array]:
    """Noise, each of another kind and size."""
    generator = np.random.default_rng(5)
    sizes = [(40, 60), (60, 40), (33, 33), (50, 50), (20, 90), (64, 48), (48, 64), (35, 70), (80, 30)]
    return [generator.integers(0, 30 + 25 * at, (*sizes[at], 3), dtype=np.uint8) for at in range(count)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(ModelKind.IMAGE_TEXT, tiny_models.clip(tmp_path_factory.mktemp("models") / "clip"))


@pytest.fixture(scope="module", params=["clip", "siglip"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("models") / request.param
    return load_model(ModelKind.IMAGE_TEXT, getattr(tiny_models, request.param)(folder))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A CLIP whose projections send picture i and scene caption i to axis i: what it sees is then known."""
    loaded = load_model(ModelKind.IMAGE_TEXT, tiny_models.clip(tmp_path_factory.mktemp("models") / "planted"))
    model, axes = loaded.model, np.eye(9, 16)
    for projection, embed, items in (
        (model.visual_projection, ImageTextModel(loaded).images, pictures()),
        (model.text_projection, ImageTextModel(loaded).texts, [caption.text for caption in SCENE_CAPTIONS]),
    ):
        seen: list[npt.NDArray[np.float64]] = []
        hook = projection.register_forward_hook(lambda module, inputs, output, s=seen: s.append(inputs[0].double().numpy()))
        embed(items)
        hook.remove()
        solution = np.linalg.lstsq(np.concatenate(seen), axes, rcond=None)[0]
        with torch.no_grad():
            projection.weight.copy_(torch.from_numpy(solution.T))
    return loaded


def test_the_captions_are_those_of_the_paper() -> None:
    assert sum(caption.keep for caption in SCENE_CAPTIONS) == 2
    assert [caption.name for caption in SCENE_CAPTIONS if caption.keep] == ["indoor", "outdoor"]
    assert len(SCENE_CAPTIONS) == 9


def test_vectors_have_length_one_and_repeat_exactly(either: LoadedModel) -> None:
    model = ImageTextModel(either)
    images, texts = model.images(pictures()), model.texts(["a red cup", "a bowl", "a very long " * 60])
    for vectors in (images, texts):
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.array_equal(images, model.images(pictures()))
    assert np.ptp(images, axis=0).max() > 1e-3
    assert images.shape[1] == texts.shape[1]


def test_batches_change_nothing(either: LoadedModel) -> None:
    whole, alone = ImageTextModel(either, batch_size=9), ImageTextModel(either, batch_size=1)
    assert np.allclose(whole.images(pictures()), alone.images(pictures()), atol=1e-6)
    texts = ["cup", "a red cup on a table", "bowl of fruit", "x"]
    assert np.allclose(whole.texts(texts), alone.texts(texts), atol=1e-6)


def test_the_features_are_those_of_the_model_itself(clip: LoadedModel) -> None:
    """Against the forward pass of transformers with its own processor."""
    from PIL import Image

    texts = [caption.text for caption in SCENE_CAPTIONS]
    opened = [Image.fromarray(picture) for picture in pictures(3)]
    inputs = clip.processor(text=texts, images=opened, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = clip.model(**inputs).logits_per_image.softmax(dim=-1).numpy()
    verdicts = SceneFilter(ImageTextModel(clip))(pictures(3))
    found = [[verdict.probabilities[caption.name] for caption in SCENE_CAPTIONS] for verdict in verdicts]
    assert np.allclose(found, expected, atol=1e-5)


def test_the_caption_that_fits_decides(planted: LoadedModel) -> None:
    verdicts = SceneFilter(ImageTextModel(planted, batch_size=4))(pictures())
    assert [verdict.name for verdict in verdicts] == [caption.name for caption in SCENE_CAPTIONS]
    assert [verdict.keep for verdict in verdicts] == [True] * 2 + [False] * 7
    for verdict in verdicts:
        assert sum(verdict.probabilities.values()) == pytest.approx(1)
        # Cosine 1 against 0, times the scale of an untrained CLIP.
        weight = np.exp(ImageTextModel(planted).scale)
        assert verdict.probabilities[verdict.name] == pytest.approx(weight / (weight + 8), rel=0.05)


def test_own_captions_can_be_used(planted: LoadedModel) -> None:
    captions = [SceneCaption("art", SCENE_CAPTIONS[0].text, False), SceneCaption("rest", SCENE_CAPTIONS[1].text, True)]
    verdicts = SceneFilter(ImageTextModel(planted), captions)(pictures(2))
    assert [(verdict.name, verdict.keep) for verdict in verdicts] == [("art", False), ("rest", True)]
    for bad in ([captions[0]], [captions[1], captions[1]]):
        with pytest.raises(ModelInputError, match="captions need names"):
            SceneFilter(ImageTextModel(planted), bad)


def test_captions_are_alike_when_they_are_the_same(either: LoadedModel) -> None:
    embedder = TextEmbedder(ImageTextModel(either))
    captions = ["red cup", "Red  Cup", "a bowl of soup", "red cup"]
    matrix = embedder.similarity(captions)
    assert matrix.shape == (4, 4)
    assert np.allclose(matrix, matrix.T)
    assert np.allclose(np.diag(matrix), 1)
    assert np.allclose(matrix[0, [1, 3]], 1)
    assert matrix[0, 2] < 1 - 1e-6
    assert np.allclose(embedder.similarity(captions, ["red cup"]), matrix[:, :1])
    assert embedder.similarity([]).shape == (0, 0)
    assert np.allclose(embedder(captions) @ embedder(captions).T, matrix)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 50), (200, 2)])
def test_odd_sizes_and_grey_pictures_are_taken(either: LoadedModel, size: tuple[int, int]) -> None:
    grey = np.full(size, 90, dtype=np.uint8)
    model = ImageTextModel(either)
    vectors = model.images([grey, grey[..., None], np.repeat(grey[..., None], 3, axis=2)])
    assert np.isfinite(vectors).all()
    assert np.allclose(vectors[0], vectors[1:], atol=1e-6)


def test_three_rows_are_not_taken_for_three_channels(either: LoadedModel) -> None:
    red = np.zeros((30, 30, 3), dtype=np.uint8)
    red[..., 0] = 250
    model = ImageTextModel(either)
    large, small = model.images([red, red[:3, :3]])
    assert np.allclose(large, small, atol=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((4, 4, 3), dtype=np.uint16),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
        np.zeros(4, dtype=np.uint8),
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(clip: LoadedModel, bad: npt.NDArray[np.generic]) -> None:
    with pytest.raises(ModelInputError, match="picture"):
        ImageTextModel(clip).images([bad])


def test_an_empty_text_is_refused_and_no_pictures_give_nothing(clip: LoadedModel) -> None:
    with pytest.raises(ModelInputError, match="empty"):
        ImageTextModel(clip).texts(["cup", "  "])
    assert SceneFilter(ImageTextModel(clip))([]) == []
