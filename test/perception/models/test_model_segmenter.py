"""Masks from boxes: the same as SAM's own post-processing, the best of several, in order, at the picture's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny_models
import torch

from spatialvlm_ros.perception.models.errors import ModelInputError
from spatialvlm_ros.perception.models.loader import LoadedModel, ModelKind, load_model
from spatialvlm_ros.perception.models.pixels import PixelSettings
from spatialvlm_ros.perception.models.segmenter import Segmenter

BOXES = [[5.0, 6.0, 40.0, 50.0], [0.0, 0.0, 80.0, 60.0], [60.5, 20.0, 90.0, 80.0], [30.0, 30.0, 31.0, 31.0]]


def picture(height: int = 60, width: int = 80) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["sam", "sam2", "sam2_video"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("models") / request.param
    return load_model(ModelKind.SEGMENTER, getattr(tiny_models, request.param)(folder))


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(ModelKind.SEGMENTER, tiny_models.sam(tmp_path_factory.mktemp("models") / "sam"))


def test_masks_are_those_of_the_library(sam: LoadedModel) -> None:
    inside = np.clip(BOXES, 0, [80, 60, 80, 60]).tolist()
    inputs = sam.processor(picture(), input_boxes=[inside], return_tensors="pt")
    with torch.no_grad():
        output = sam.model(**{name: inputs[name].float() for name in ("pixel_values", "input_boxes")}, multimask_output=True)
    images = sam.processor.image_processor
    masks = images.post_process_masks(output.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"])[0]
    best = output.iou_scores[0].argmax(dim=1)
    found = Segmenter(sam)(picture(), BOXES)
    assert len(found) == len(BOXES)
    for at, one in enumerate(found):
        # A pixel on the line between inside and outside may fall either way.
        assert np.mean(one.mask != masks[at, best[at]].numpy()) < 0.002
        assert one.score == pytest.approx(float(output.iou_scores[0, at, best[at]].clamp(0, 1)), abs=1e-5)


def test_sam2_takes_boxes_in_the_pixels_of_its_input(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Against a forward pass by hand on a picture that needs no resizing."""
    loaded = load_model(ModelKind.SEGMENTER, tiny_models.sam2(tmp_path_factory.mktemp("models") / "sam2"))
    square = picture(64, 64)
    mean, std = (torch.tensor(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = ((torch.from_numpy(square).permute(2, 0, 1) / 255 - mean) / std)[None]
    boxes = torch.tensor([[[5.0, 6.0, 40.0, 50.0], [20.0, 10.0, 60.0, 64.0]]])
    with torch.no_grad():
        output = loaded.model(pixel_values=pixels, input_boxes=boxes, multimask_output=True)
        logits = torch.nn.functional.interpolate(output.pred_masks[0], size=(64, 64), mode="bilinear", align_corners=False)
    best = output.iou_scores[0].argmax(dim=1)
    found = Segmenter(loaded)(square, boxes[0].numpy())
    for at, one in enumerate(found):
        assert np.mean(one.mask != (logits[at, best[at]] > 0).numpy()) < 0.002
        assert one.score == pytest.approx(float(output.iou_scores[0, at, best[at]]), abs=1e-5)
    # Half the size: the same boxes in its own pixels.
    small = square[::2, ::2]
    halves = Segmenter(loaded)(small, boxes[0].numpy() / 2)
    assert [one.mask.shape for one in halves] == [(32, 32)] * 2


def test_sam2_stretches_boxes_as_it_stretches_the_picture(tmp_path: Path) -> None:
    loaded = load_model(ModelKind.SEGMENTER, tiny_models.sam2(tmp_path / "sam2"))
    # Enlarged by hand to the size of the input, which then needs no resizing.
    wide = np.repeat(np.full((32, 1, 3), 90, dtype=np.uint8), 64, axis=1)
    (one,) = Segmenter(loaded)(wide, [[10, 4, 40, 20]])
    (by_hand,) = Segmenter(loaded)(np.repeat(wide, 2, axis=0), [[10, 8, 40, 40]])
    assert one.score == pytest.approx(by_hand.score, abs=1e-6)
    (swapped,) = Segmenter(loaded)(np.repeat(wide, 2, axis=0), [[20, 4, 80, 20]])
    assert one.score != pytest.approx(swapped.score, abs=1e-6)


def test_sam2_sees_fine_stripes_as_grey(tmp_path: Path) -> None:
    loaded = load_model(ModelKind.SEGMENTER, tiny_models.sam2(tmp_path / "sam2"))
    # Four times smaller in the model, where every fourth sample alone would find white only.
    stripes = np.broadcast_to(np.tile([0, 255, 255, 0], 64).astype(np.uint8)[None, :, None], (256, 256, 3))
    scores = {}
    for name, image in (("stripes", stripes), ("grey", np.full_like(stripes, 127)), ("white", np.full_like(stripes, 255))):
        (one,) = Segmenter(loaded)(image, [[50, 50, 200, 200]])
        scores[name] = one.score
    assert abs(scores["stripes"] - scores["grey"]) < 0.1 * abs(scores["stripes"] - scores["white"])


@pytest.mark.parametrize("antialias", [True, False])
def test_pixels_are_resized_as_asked(antialias: bool, tmp_path: Path) -> None:
    """Against Pillow, which smooths whenever it makes a picture smaller."""
    from PIL import Image

    folder = tiny_models.sam2(tmp_path / "sam2")
    settings = PixelSettings.of_folder(folder, antialias=antialias)
    large = picture(256, 192)
    smoothed = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.BILINEAR), dtype=np.float64)
    values = settings.pixels(large).permute(1, 2, 0).numpy() * settings.std + settings.mean
    far = np.abs(values * 255 - smoothed).max()
    assert far < 1.0 if antialias else far > 20.0


def test_every_box_has_its_mask_in_order_whatever_the_batch(loaded: LoadedModel) -> None:
    whole = Segmenter(loaded)(picture(), BOXES)
    assert [one.mask.shape for one in whole] == [(60, 80)] * len(BOXES)
    assert all(one.mask.dtype == np.bool_ and 0 <= one.score <= 1 for one in whole)
    alone = Segmenter(loaded, batch_size=1)(picture(), BOXES)
    turned = Segmenter(loaded)(picture(), BOXES[::-1])[::-1]
    for one, other, third in zip(whole, alone, turned, strict=True):
        assert np.mean(one.mask != other.mask) < 0.002
        assert np.mean(one.mask != third.mask) < 0.002
        assert one.score == pytest.approx(other.score, abs=1e-5)
    again = Segmenter(loaded)(picture(), BOXES)
    assert all(np.array_equal(a.mask, b.mask) and a.score == b.score for a, b in zip(whole, again, strict=True))


def test_the_box_and_the_picture_both_matter(loaded: LoadedModel) -> None:
    scores = [one.score for one in Segmenter(loaded)(picture(), BOXES)]
    assert len(set(scores)) == len(scores)
    other = Segmenter(loaded)(255 - picture(), BOXES)
    assert [one.score for one in other] != scores


def test_the_surest_mask_is_taken(sam: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With known logits: mask k is the half plane right of column 16 k, and the last but one is trusted most."""
    real = sam.model.forward

    def forward(**inputs: torch.Tensor) -> object:
        output = real(**inputs)
        columns = torch.arange(output.pred_masks.shape[-1])
        planes = torch.stack([torch.where(columns >= 4 * k, 1.0, -1.0) for k in range(3)])
        output.pred_masks[:] = planes[None, None, :, None, :]
        output.iou_scores[:] = torch.tensor([0.2, 0.9, float("nan")])
        return output

    monkeypatch.setattr(sam.model, "forward", forward)
    (one,) = Segmenter(sam)(picture(64, 64), [[1, 1, 9, 9]])
    assert one.score == pytest.approx(0.9)
    assert not one.mask[:, :15].any()
    assert one.mask[:, 17:].all()


def test_no_boxes_give_no_masks(loaded: LoadedModel) -> None:
    assert Segmenter(loaded)(picture(), []) == []
    assert Segmenter(loaded)(picture(), np.zeros((0, 4))) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 50), (50, 1)])
def test_tiny_and_grey_pictures_are_taken(loaded: LoadedModel, size: tuple[int, int]) -> None:
    grey = np.full(size, 200, dtype=np.uint8)
    found = Segmenter(loaded)(grey, [[0, 0, size[1], size[0]]])
    assert [one.mask.shape for one in found] == [size]


@pytest.mark.parametrize("box", [[10, 10, 10, 20], [20, 10, 10, 20], [100, 0, 120, 50], [0, 0, np.nan, 5], [-9, -9, 0, 0]])
def test_a_box_without_area_in_the_picture_is_refused(loaded: LoadedModel, box: list[float]) -> None:
    with pytest.raises(ModelInputError, match="box"):
        Segmenter(loaded)(picture(), [[0, 0, 5, 5], box])
