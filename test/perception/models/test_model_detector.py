"""Detectors: the same boxes as the models' own post-processing, known ones from planted heads, and what may go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny_models
import torch

from spatialvlm_ros.perception.models.boxes import Detection
from spatialvlm_ros.perception.models.detector import ZeroShotDetector
from spatialvlm_ros.perception.models.errors import ModelInputError, WrongModelError
from spatialvlm_ros.perception.models.loader import LoadedModel, ModelKind, load_model

NAMES = ["red cup", "bowl", "blue cup"]


def pictures(*sizes: tuple[int, int]) -> list[npt.NDArray[np.uint8]]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 255, (height, width, 3), dtype=np.uint8) for height, width in sizes]


def make(name: str, folder: Path) -> LoadedModel:
    if name == "owlvit":
        return load_model(ModelKind.DETECTOR, tiny_models.owlv2(folder, version=1))
    if name == "mm_grounding_dino":
        return load_model(ModelKind.DETECTOR, tiny_models.grounding_dino(folder, kind="mm-grounding-dino"))
    return load_model(ModelKind.DETECTOR, getattr(tiny_models, name)(folder))


@pytest.fixture(scope="module", params=["owlv2", "owlvit", "grounding_dino", "mm_grounding_dino"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return make(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture
def owl(tmp_path: Path) -> LoadedModel:
    return make("owlv2", tmp_path / "owlv2")


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return make("grounding_dino", tmp_path_factory.mktemp("models") / "dino")


def own_results(loaded: LoadedModel, picture: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """What transformers makes of one picture, all boxes."""
    if loaded.model_type.startswith("owl"):
        text: Any = [[f"a photo of a {name}" for name in NAMES]]
        inputs = loaded.processor(
            images=picture, text=text, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
        )
    else:
        inputs = loaded.processor(images=picture, text=". ".join(NAMES) + ".", return_tensors="pt")
    with torch.no_grad():
        output = loaded.model(**inputs)
    return dict(
        loaded.processor.post_process_grounded_object_detection(output, threshold=0.0, target_sizes=[picture.shape[:2]])[0]
    )


def test_boxes_and_scores_are_those_of_the_library(loaded: LoadedModel) -> None:
    (picture,) = pictures((60, 80))
    expected = own_results(loaded, picture)
    boxes = np.clip(expected["boxes"].numpy(), 0, [80, 60, 80, 60])
    large = (boxes[:, 2] - boxes[:, 0] > 0.6) & (boxes[:, 3] - boxes[:, 1] > 0.6)
    assert large.any()
    found = ZeroShotDetector(loaded, threshold=0.0)([picture], NAMES)[0]
    table = np.array([detection.box for detection in found])
    for box, score in zip(boxes[large], expected["scores"].numpy()[large], strict=True):
        scores = [one.score for one, near in zip(found, np.abs(table - box).max(axis=1) < 1e-3, strict=True) if near]
        if loaded.model_type.startswith("owl"):
            assert any(mine == pytest.approx(score, abs=1e-4) for mine in scores)
        else:
            # Its own score counts full stops as well; ours counts words.
            assert any(mine <= score + 1e-4 for mine in scores)


def test_detections_are_ordered_inside_and_above_the_threshold(loaded: LoadedModel) -> None:
    images = pictures((60, 80), (80, 60), (33, 47))
    everything = ZeroShotDetector(loaded, threshold=0.0)(images, NAMES)
    for picture, found in zip(images, everything, strict=True):
        height, width = picture.shape[:2]
        assert found
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        for one in found:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            assert one.name in NAMES
            assert 0 <= one.score <= 1
    least = float(np.median([one.score for one in everything[0]]))
    # As many images at once as before: in other company numbers round otherwise on some processors.
    assert ZeroShotDetector(loaded, threshold=least)(images, NAMES)[0] == [one for one in everything[0] if one.score >= least]


def test_a_picture_does_not_depend_on_its_neighbours(loaded: LoadedModel) -> None:
    images = pictures((60, 80), (80, 60), (60, 80), (60, 80))
    together = ZeroShotDetector(loaded, threshold=0.0, batch_size=3)(images, NAMES)
    alone = [ZeroShotDetector(loaded, threshold=0.0, batch_size=1)([image], NAMES)[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert [one.name for one in a] == [one.name for one in b]
        assert np.allclose([one.box for one in a], [one.box for one in b], atol=1e-2)
        assert np.allclose([one.score for one in a], [one.score for one in b], atol=1e-4)


def test_names_that_are_nothing(loaded: LoadedModel) -> None:
    images = pictures((60, 80))
    detector = ZeroShotDetector(loaded, threshold=0.0)
    assert detector(images, []) == [[]]
    assert detector([], NAMES) == []
    assert detector(images, ["Red Cup", "red cup", " red. cup? "]) == detector(images, ["red cup"])
    with pytest.raises(ModelInputError, match="no letter or digit"):
        detector(images, ["cup", "..."])
    with pytest.raises(ModelInputError, match="between 0 and 1"):
        ZeroShotDetector(loaded, threshold=1.5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 40)])
def test_tiny_and_grey_pictures_are_taken(loaded: LoadedModel, size: tuple[int, int]) -> None:
    grey = np.full(size, 120, dtype=np.uint8)
    for found in ZeroShotDetector(loaded, threshold=0.0)([grey, grey[..., None]], NAMES):
        for one in found:
            assert 0 <= one.box[0] < one.box[2] <= size[1]
            assert 0 <= one.box[1] < one.box[3] <= size[0]


def plant_boxes(loaded: LoadedModel) -> None:
    """Let every patch of an OWL say: my box is as large as a cell of the grid, about its lower right corner."""
    head = loaded.model.box_head.dense2
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()


def boxes_of(found: list[Detection]) -> npt.NDArray[np.float64]:
    """(N, 4) in a fixed order, rounded."""
    return np.array(sorted(tuple(np.round(one.box, 1).tolist()) for one in found))


def grid(width: float, height: float, picture_px: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Those boxes for a grid of 3 x 3 over ``width`` x ``height``, cut at the edges of the picture."""
    middles = [(width * (i + 1) / 3, height * (j + 1) / 3) for i in range(3) for j in range(3)]
    boxes = [(x - width / 6, y - height / 6, x + width / 6, y + height / 6) for x, y in middles]
    cut = np.clip(boxes, 0, [*picture_px, *picture_px])
    return np.array(sorted(tuple(box) for box in cut.tolist() if box[3] - box[1] > 0.5))


def test_owlv2_sees_the_picture_at_the_top_left_of_a_square(owl: LoadedModel) -> None:
    plant_boxes(owl)
    (picture,) = pictures((60, 90))
    found = ZeroShotDetector(owl, threshold=0.0)([picture], NAMES)[0]
    # Over a square of 90 x 90; the last row lies below the picture.
    expected = grid(90, 90, (90, 60))
    assert len(expected) == 6
    assert np.allclose(boxes_of(found), expected, atol=0.06)


def test_owlvit_sees_the_picture_stretched(tmp_path: Path) -> None:
    loaded = make("owlvit", tmp_path / "owlvit")
    plant_boxes(loaded)
    (picture,) = pictures((60, 90))
    found = ZeroShotDetector(loaded, threshold=0.0)([picture], NAMES)[0]
    assert np.allclose(boxes_of(found), grid(90, 60, (90, 60)), atol=0.06)


def test_the_name_with_the_highest_score_is_taken(owl: LoadedModel) -> None:
    plant_boxes(owl)
    (picture,) = pictures((90, 90))
    detector = ZeroShotDetector(owl, threshold=0.0)
    alone = {name: {one.box: one.score for one in detector([picture], [name])[0]} for name in NAMES}
    found = detector([picture], NAMES)[0]
    assert len(found) == 9
    for one in found:
        best = max(NAMES, key=lambda name: alone[name][one.box])
        assert one.name == best
        assert one.score == pytest.approx(alone[best][one.box], abs=1e-5)


def test_owlv2_proposes_without_names(owl: LoadedModel) -> None:
    plant_boxes(owl)
    images = pictures((60, 90), (90, 60))
    detector = ZeroShotDetector(owl, threshold=0.0)
    assert detector.can_propose
    for found in detector.propose(images):
        assert len(found) == 6
        assert {one.name for one in found} == {""}
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [len(found) for found in detector.propose(images, limit=2)] == [2, 2]


def test_the_others_do_not(dino: LoadedModel) -> None:
    detector = ZeroShotDetector(dino)
    assert not detector.can_propose
    with pytest.raises(WrongModelError, match="only what is named"):
        detector.propose(pictures((60, 80)))


def test_grounding_dino_has_one_span_of_tokens_for_each_name(dino: LoadedModel) -> None:
    detector = ZeroShotDetector(dino)
    ids = dino.processor.tokenizer("red cup . bowl . wooden spoon .")["input_ids"]
    assert detector._spans(ids) == [[1, 2], [4], [6, 7]]


def test_a_score_of_grounding_dino_is_its_best_word_and_its_name_the_best_mean(dino: LoadedModel) -> None:
    (picture,) = pictures((60, 80))
    inputs = dino.processor(images=picture, text="red cup. bowl. blue cup.", return_tensors="pt")
    with torch.no_grad():
        output = dino.model(**inputs)
    words = output.logits[0].sigmoid().numpy()[:, [1, 2, 4, 6, 7]]
    means = np.stack([words[:, :2].mean(1), words[:, 2], words[:, 3:].mean(1)], axis=1)
    names = [NAMES[at] for at in means.argmax(1)]
    found = ZeroShotDetector(dino, threshold=0.0)([picture], NAMES)[0]
    by_score = {round(float(score), 5): name for score, name in zip(words.max(1), names, strict=True)}
    assert found
    assert all(by_score[round(one.score, 5)] == one.name for one in found)


def test_more_names_than_fit_are_asked_in_turns(dino: LoadedModel) -> None:
    """32 tokens fit into this one: 30 besides its own, three for each of these."""
    many = [f"{color} {thing}" for color in ("red", "blue", "wooden") for thing in ("cup", "bowl", "spoon")] + [
        "red",
        "blue",
        "cup",
    ]
    detector = ZeroShotDetector(dino, threshold=0.0)
    parts = list(detector._parts(many))
    assert len(parts) == 2
    assert [name for part in parts for name in part] == many
    (picture,) = pictures((60, 80))
    found = detector([picture], many)[0]
    first, second = (detector([picture], part)[0] for part in parts)
    assert sorted(found, key=repr) == sorted([*first, *second], key=repr)
    assert list(detector._parts([" ".join(["red"] * 60)])) == [[" ".join(["red"] * 29)]]
    with pytest.raises(ModelInputError, match="too long"):
        list(ZeroShotDetector(dino)._parts(["-".join(["cup"] * 60)]))


def test_values_that_are_not_finite_give_no_box(owl: LoadedModel) -> None:
    with torch.no_grad():
        owl.model.box_head.dense2.bias.fill_(float("nan"))
    assert ZeroShotDetector(owl, threshold=0.0)(pictures((60, 80)), NAMES) == [[]]
    plant_boxes(owl)
    with torch.no_grad():
        owl.model.class_head.dense0.bias.fill_(float("nan"))
    assert ZeroShotDetector(owl, threshold=0.0)(pictures((60, 80)), NAMES) == [[]]
