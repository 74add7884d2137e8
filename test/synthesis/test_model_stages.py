"""The stages with models: what they fill in, what they leave alone, what they drop and under which cause, from plain options."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny_captioners
import tiny_models
import torch

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.models.captions import clean_caption
from spatialvlm_ros.perception.models.errors import ModelNotFoundError, RelativeDepthError
from spatialvlm_ros.perception.models.image_text import SCENE_CAPTIONS, ImageTextModel, SceneCaption, SceneFilter
from spatialvlm_ros.perception.models.loader import ModelKind, load_model
from spatialvlm_ros.synthesis.ambiguity import fits
from spatialvlm_ros.synthesis.model_factories import (
    MODEL_CHECKS,
    MODEL_STAGES,
    caption_similarity,
    depth_stage,
    filter_stage,
    region_stage,
)
from spatialvlm_ros.synthesis.model_stages import MODEL_NOISE, FilterStage, camera_of_fov
from spatialvlm_ros.synthesis.record import Dropped, NamedRegion, Picture, apply_stages

SPEECH = "red cup<loc_100><loc_200><loc_500><loc_700>bowl<loc_600><loc_100><loc_900><loc_499>"
GENERATOR = np.random.default_rng(0)


def picture(key: str = "one", height: int = 60, width: int = 80, **more: Any) -> Picture:
    color = np.random.default_rng(len(key) + height).integers(0, 255, (height, width, 3), dtype=np.uint8)
    values: dict[str, Any] = {"depth_m": None, "camera": None, "frame_id": "camera", "stamp_ns": 0, "source_sha256": "00"}
    return Picture(key, color, **{**values, **more})


def dropped(stage: Any, given: Picture) -> Dropped:
    with pytest.raises(Dropped) as caught:
        stage(given, GENERATOR)
    return caught.value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with all models: their names are those of tiny_models."""
    root = tmp_path_factory.mktemp("models")
    for name in ("clip", "owlv2", "grounding_dino", "sam", "depth_anything", "depth_pro"):
        getattr(tiny_models, name)(root / name)
    tiny_captioners.llava(root / "llava")
    tiny_captioners.florence(root / "florence", says=SPEECH)
    tiny_captioners.florence(root / "namer", says="a close up of a blue mug on a desk")
    plant_fov(root / "depth_pro", 60.0)
    return root


def plant_fov(path: Path, fov_deg: float) -> None:
    """Let the DepthPro in a folder see a field of view, and 0.25 as its canonical inverse depth."""
    loaded = load_model(ModelKind.DEPTH, path)
    with torch.no_grad():
        for part, value in ((loaded.model.fov_model.head.layers[-1], fov_deg), (loaded.model.head.layers[-2], 0.25)):
            part.weight.zero_()
            part.bias.fill_(value)
        state = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    loaded.model.save_pretrained(path, state_dict=state)


def model(folder: Path, name: str) -> dict[str, Any]:
    return {"model": str(folder / name)}


def test_the_options_of_a_stage_are_plain_json(folder: Path) -> None:
    options: dict[str, Mapping[str, Any]] = {
        "filter": model(folder, "clip"),
        "regions": {"detector": {**model(folder, "owlv2"), "threshold": 0.2}, "names": ["cup", "bowl"], "max_regions": 5},
        "depth": {**model(folder, "depth_pro"), "noise": {"scale": 0.2}},
    }
    for name, given in options.items():
        plain = json.loads(json.dumps(given))
        stage = MODEL_STAGES[name](**plain)
        assert stage.name == name
        assert len(stage.version) > 40
        assert MODEL_CHECKS[name](**plain) == ""
    with pytest.raises(TypeError, match="argument"):
        MODEL_STAGES["depth"](**options["depth"], colour="red")
    with pytest.raises(TypeError, match="argument"):
        MODEL_CHECKS["regions"](names=["cup"], colour="red")


def test_a_model_that_is_missing_is_told_before_and_raised_when_built(folder: Path) -> None:
    gone = model(folder, "nothing")
    assert "no such folder" in MODEL_CHECKS["filter"](**gone)
    both = MODEL_CHECKS["regions"](captioner=gone, segmenter=gone, detector=model(folder, "owlv2"), names=["cup"])
    assert both.count("no such folder") == 2
    with pytest.raises(ModelNotFoundError):
        MODEL_STAGES["depth"](**gone)


def test_versions_differ_with_model_and_options(folder: Path, tmp_path: Path) -> None:
    other = tiny_models.clip(tmp_path / "clip", seed=3)
    versions = [
        filter_stage(**model(folder, "clip")).version,
        filter_stage(model=str(other)).version,
        filter_stage(captions=[{"name": "any", "text": "a photo", "keep": True}], **model(folder, "clip")).version,
        region_stage(captioner=model(folder, "florence")).version,
        region_stage(captioner=model(folder, "florence"), max_regions=3).version,
        region_stage(captioner=model(folder, "florence"), segmenter=model(folder, "sam")).version,
        depth_stage(**model(folder, "depth_pro")).version,
        depth_stage(horizontal_fov_deg=70.0, **model(folder, "depth_pro")).version,
    ]
    assert len(set(versions)) == len(versions)
    assert str(folder) not in "".join(versions)


def deciding(folder: Path, wanted: str) -> FilterStage:
    """A filter for which every picture is of one kind: the text of that kind points where the picture does, the others away."""
    encoder = ImageTextModel(load_model(ModelKind.IMAGE_TEXT, folder / "clip"))
    (direction,) = encoder.images([picture().color])
    stage = SceneFilter(encoder)
    signs = np.array([1.0 if caption.name == wanted else -1.0 for caption in stage.captions])
    stage._texts = np.outer(signs, direction)
    return FilterStage(stage)


@pytest.mark.parametrize("kind", SCENE_CAPTIONS, ids=lambda kind: kind.name)
def test_the_filter_drops_under_the_name_of_the_kind(folder: Path, kind: SceneCaption) -> None:
    stage = deciding(folder, kind.name)
    given = picture()
    if kind.keep:
        assert stage(given, GENERATOR) is given
        return
    assert dropped(stage, given).cause == f"filter_{kind.name}"
    assert kind.name in dropped(stage, given).text


def test_kinds_with_other_names_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="small letters"):
        filter_stage(captions=[{"name": "Close-up", "text": "a photo", "keep": True}], **model(folder, "clip"))


def test_regions_come_from_florence_with_masks_of_their_boxes(folder: Path) -> None:
    result = region_stage(captioner=model(folder, "florence"))(picture(), GENERATOR)
    assert [(region.caption, region.origin) for region in result.regions] == [("red cup", "florence"), ("bowl", "florence")]
    for region, box in zip(result.regions, ((8, 12, 40, 42), (48, 6, 72, 30)), strict=True):
        u0, v0, u1, v1 = box
        expected = np.zeros((60, 80), dtype=bool)
        expected[v0:v1, u0:u1] = True
        assert np.array_equal(region.mask, expected)
        assert 0 < region.score <= 1
    assert result.drops == {}
    assert result.depth_m is None


def test_masks_come_from_the_segmenter_one_for_each_caption(folder: Path) -> None:
    plain = region_stage(captioner=model(folder, "florence"))(picture(), GENERATOR)
    result = region_stage(captioner=model(folder, "florence"), segmenter=model(folder, "sam"))(picture(), GENERATOR)
    assert [region.caption for region in result.regions] == ["red cup", "bowl"]
    assert all(region.mask.shape == (60, 80) and region.mask.dtype == np.bool_ for region in result.regions)
    assert not np.array_equal(result.regions[0].mask, plain.regions[0].mask)


def test_a_detector_looks_for_names(folder: Path) -> None:
    options = {"detector": {**model(folder, "owlv2"), "threshold": 0.0}, "names": ["Red Cup", "bowl"], "min_area_share": 0.01}
    result = region_stage(**options)(picture(), GENERATOR)
    assert result.regions
    assert {region.caption for region in result.regions} <= {"red cup", "bowl"}
    assert {region.origin for region in result.regions} == {"owlv2"}
    strict = region_stage(**{**options, "detector": {**model(folder, "owlv2"), "threshold": 0.9999999}})
    assert dropped(strict, picture()).cause == "no_regions"


@pytest.mark.parametrize("namer", ["namer", "llava"])
def test_what_owlv2_proposes_is_named_by_a_captioner(folder: Path, namer: str) -> None:
    detector = {**model(folder, "owlv2"), "threshold": 0.0}
    stage = region_stage(detector=detector, captioner=model(folder, namer), min_area_share=0.01)
    regions = stage(picture(), GENERATOR).regions
    assert regions
    assert {region.origin for region in regions} == {"owlv2"}
    # What the chat model says is noise, but in the form of a name.
    assert all(region.caption == ("blue mug" if namer == "namer" else clean_caption(region.caption)) for region in regions)


def test_boxes_are_sorted_out_and_counted(folder: Path, tmp_path: Path) -> None:
    says = "cup<loc_0><loc_0><loc_9><loc_9>bowl<loc_0><loc_0><loc_500><loc_500>jar<loc_0><loc_0><loc_500><loc_499>"
    tiny_captioners.florence(tmp_path / "model", says=says)
    given = picture(also_in_sight=("lamp",))
    result = region_stage(captioner={"model": str(tmp_path / "model")}, min_area_share=0.001)(given, GENERATOR)
    assert len(result.regions) == 1
    assert result.drops == {"region_small": 1, "region_double": 1}
    # A thing that is too small is still in sight; the double is the same thing again.
    assert result.also_in_sight == ("lamp", "cup")
    one = region_stage(captioner=model(folder, "florence"), max_regions=1)(picture(), GENERATOR)
    assert len(one.regions) == 1
    assert one.drops == {"region_surplus": 1}
    assert len(one.also_in_sight) == 1


def test_a_region_without_a_usable_caption_is_counted(tmp_path: Path) -> None:
    says = "...<loc_0><loc_0><loc_300><loc_300>bowl<loc_500><loc_500><loc_900><loc_900>"
    tiny_captioners.florence(tmp_path / "model", says=says)
    result = region_stage(captioner={"model": str(tmp_path / "model")})(picture(), GENERATOR)
    assert [region.caption for region in result.regions] == ["bowl"]
    assert result.regions[0].mask[40, 60]
    assert result.drops == {"caption_empty": 1}


def test_regions_that_the_source_knows_stay(folder: Path) -> None:
    known = (NamedRegion(np.ones((60, 80), dtype=bool), "crate", 1.0, "renderer"),)
    given = picture(regions=known)
    stage = region_stage(captioner=model(folder, "florence"))
    assert stage(given, GENERATOR) is given
    first, second = stage.many([given, picture("two")])
    assert first is given
    assert isinstance(second, Picture) and len(second.regions) == 2


def test_a_region_stage_needs_someone_who_finds_and_someone_who_names(folder: Path) -> None:
    for options, text in (
        ({}, "to find boxes"),
        ({"captioner": model(folder, "llava")}, "to find boxes"),
        ({"detector": model(folder, "owlv2")}, "needs names"),
        ({"detector": model(folder, "grounding_dino"), "captioner": model(folder, "florence")}, "needs names"),
        ({"captioner": model(folder, "florence"), "task": "<CAPTION>"}, "proposes no regions"),
        ({"captioner": model(folder, "florence"), "max_regions": 0}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=text):
            region_stage(**options)


def test_depth_and_camera_come_from_a_model_with_a_field_of_view(folder: Path) -> None:
    result = depth_stage(**model(folder, "depth_pro"))(picture(), GENERATOR)
    assert result.camera is not None and result.depth_m is not None
    assert result.camera.fx == pytest.approx(40 / math.tan(math.radians(30)), rel=1e-5)
    assert (result.camera.cx, result.camera.cy) == (39.5, 29.5)
    assert np.allclose(result.depth_m, 1 / (0.25 * 2 * math.tan(math.radians(30))), rtol=1e-4)
    assert (result.depth_origin, result.noise) == ("depth_pro", MODEL_NOISE)
    # The whole width of the picture fills the field of view.
    edges = result.camera.rays[0, [0, -1], 0]
    assert 2 * math.degrees(math.atan(float(edges[1]) * 80 / 79)) == pytest.approx(60.0, rel=1e-4)
    assert edges[0] == pytest.approx(-edges[1])


def test_a_camera_that_is_known_is_used(folder: Path) -> None:
    camera = CameraModel(80, 60, 100.0, 100.0, 39.5, 29.5)
    result = depth_stage(**model(folder, "depth_pro"))(picture(camera=camera), GENERATOR)
    assert result.camera is camera
    assert result.depth_m is not None
    assert np.allclose(result.depth_m, 100 / 80 / 0.25, rtol=1e-4)


def test_no_field_of_view_drops_the_picture_unless_one_is_stated(folder: Path) -> None:
    assert dropped(depth_stage(**model(folder, "depth_anything")), picture()).cause == "no_field_of_view"
    stated = depth_stage(horizontal_fov_deg=70.0, **model(folder, "depth_anything"))(picture(), GENERATOR)
    assert stated.camera == camera_of_fov(80, 60, 70.0)
    assert stated.depth_m is not None and np.isfinite(stated.depth_m).all()
    own = depth_stage(horizontal_fov_deg=70.0, **model(folder, "depth_pro"))(picture(), GENERATOR)
    assert own.camera is not None
    assert own.camera.fx == pytest.approx(camera_of_fov(80, 60, 60.0).fx, rel=1e-5)
    for bad in (0.0, 180.0, -3.0, math.nan):
        with pytest.raises(ValueError, match="field of view"):
            depth_stage(horizontal_fov_deg=bad, **model(folder, "depth_anything"))


def test_a_sensors_depth_stays(folder: Path) -> None:
    depth_m: npt.NDArray[np.float32] = np.full((60, 80), 2.0, dtype=np.float32)
    camera = CameraModel(80, 60, 100.0, 100.0, 39.5, 29.5)
    whole = picture(depth_m=depth_m, camera=camera, depth_origin="sensor")
    assert depth_stage(**model(folder, "depth_pro"))(whole, GENERATOR) is whole
    half = depth_stage(**model(folder, "depth_pro"))(replace(whole, camera=None), GENERATOR)
    assert half.depth_m is depth_m
    assert (half.depth_origin, half.noise) == ("sensor", None)
    assert half.camera is not None and half.camera.fx == pytest.approx(camera_of_fov(80, 60, 60.0).fx, rel=1e-5)
    assert dropped(depth_stage(**model(folder, "depth_anything")), replace(whole, camera=None)).cause == "no_field_of_view"


def test_a_picture_without_any_depth_is_dropped(tmp_path: Path) -> None:
    tiny_models.depth_pro(tmp_path / "model")
    plant_fov(tmp_path / "model", -10.0)
    stage = depth_stage(model=str(tmp_path / "model"))
    assert dropped(stage, picture()).cause == "no_field_of_view"
    stated = depth_stage(horizontal_fov_deg=70.0, model=str(tmp_path / "model"))
    assert dropped(stated, picture()).cause == "no_depth"


def test_relative_depth_is_refused_when_the_stage_is_built(tmp_path: Path) -> None:
    tiny_models.depth_anything(tmp_path / "model", kind="relative")
    with pytest.raises(RelativeDepthError):
        depth_stage(model=str(tmp_path / "model"))
    assert "no unit" in MODEL_CHECKS["depth"](model=str(tmp_path / "model"))


def test_many_pictures_at_once_are_as_one_by_one(folder: Path) -> None:
    given = [picture("one"), picture("three"), picture("fifteen", 40, 50), picture("eight", 60, 80)]
    for stage in (
        depth_stage(horizontal_fov_deg=70.0, **model(folder, "depth_anything")),
        region_stage(captioner=model(folder, "florence")),
    ):
        for one, alone in zip(stage.many(given), [stage(each, GENERATOR) for each in given], strict=True):
            assert isinstance(one, Picture)
            assert one.key == alone.key
            assert [region.caption for region in one.regions] == [region.caption for region in alone.regions]
            if one.depth_m is not None:
                assert alone.depth_m is not None
                assert np.allclose(one.depth_m, alone.depth_m, rtol=1e-4, equal_nan=True)
    assert stage.many([]) == []


def test_a_bad_picture_costs_itself_only(folder: Path) -> None:
    sliver = picture("sliver", 1, 50)
    stage = depth_stage(horizontal_fov_deg=70.0, **model(folder, "depth_anything"))
    first, second, third = stage.many([picture("one"), sliver, picture("three")])
    assert isinstance(second, Dropped)
    assert (second.cause, second.key) == ("model_input", "sliver")
    assert isinstance(first, Picture) and isinstance(third, Picture)
    assert first.depth_m is not None and third.depth_m is not None
    assert dropped(stage, sliver).cause == "model_input"


def test_stages_work_one_after_the_other_and_leave_their_versions(folder: Path) -> None:
    stages = [
        deciding(folder, "indoor"),
        depth_stage(**model(folder, "depth_pro")),
        region_stage(captioner=model(folder, "florence"), segmenter=model(folder, "sam")),
    ]
    result, again = (apply_stages(picture(), stages, seed=1) for _ in range(2))
    assert list(result.stages) == ["filter", "depth", "regions"]
    assert dict(result.stages) == {stage.name: stage.version for stage in stages}
    assert result.depth_m is not None and again.depth_m is not None
    assert np.array_equal(result.depth_m, again.depth_m)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(result.regions, again.regions, strict=True))


def test_models_that_two_stages_share_are_loaded_once(folder: Path) -> None:
    first, second = caption_similarity(**model(folder, "clip")), filter_stage(**model(folder, "clip"))
    assert first._model._loaded is second._filter._model._loaded


def test_captions_are_compared_for_ambiguity_by_the_model(folder: Path) -> None:
    embedder = caption_similarity(**model(folder, "clip"))
    captions = ["red cup", "bowl", "red cup"]
    found = fits(captions, embedder.similarity, threshold=1.0 - 1e-9)
    assert found[0, 2] and found[2, 0]
    assert fits(captions, embedder.similarity, threshold=-1.0).all()
    assert not fits(["red cup", "bowl"], embedder.similarity, threshold=1.0 - 1e-9)[0, 1]
    assert "clip@" in embedder.version
