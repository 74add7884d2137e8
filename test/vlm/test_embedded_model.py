"""The embedded model as transformers opens it, and as the interface uses it; and every way in which its files may be wrong."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_embedded
import torch
import transformers
from safetensors.torch import load_file, save_file

from spatialvlm_ros.engine import EngineConfig, SpatialEngine
from spatialvlm_ros.evaluation.vqa_run import view_of
from spatialvlm_ros.language.questions import QuestionError
from spatialvlm_ros.language.spoken import Outcome, parse_answer
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.scene.frame import FrameError, Region
from spatialvlm_ros.scene.noise import DepthNoise
from spatialvlm_ros.vlm.embedded import SpatialVlmModel, SpatialVlmProcessor
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.interface import Question, View, VlmError
from spatialvlm_ros.vlm.scene_answers import view_of as scene_view
from spatialvlm_ros.vlm.weights import (
    CHECKSUMS,
    MissingWeightsError,
    PickleWeightsError,
    WeightsError,
    WrongHashError,
    check_weights,
    write_checksums,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("embedded")
    tiny_embedded.tiny_model(place)
    return place


@pytest.fixture(scope="module")
def vlm(folder: Path) -> EmbeddedVlm:
    return EmbeddedVlm.from_folder(folder)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "model"))


# -- transformers --------------------------------------------------------------------------------------------------------


def test_auto_classes_open_the_folder_and_give_the_same_numbers(folder: Path) -> None:
    saved = tiny_embedded.tiny_model(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    assert type(model) is SpatialVlmModel and type(processor) is SpatialVlmProcessor
    for (name, value), (other, loaded) in zip(saved.state_dict().items(), model.state_dict().items(), strict=True):
        assert name == other and torch.equal(value, loaded), name
    view = tiny_embedded.table_view()
    assert view.frame is not None
    camera = view.frame.camera
    given = {
        "depth": view.frame.depth_m,
        "intrinsics": (camera.fx, camera.fy, camera.cx, camera.cy),
        "masks": np.stack([region.mask for region in view.proposals]),
        "up": view.up,
    }
    text = ["How far is the red mug from the blue can?", "Is the red mug left of the can?"]
    inputs = processor(view.color, text, **given)
    assert inputs["pictures"].shape == (3, 8, 64, 64) and inputs["names"].shape[:2] == (2, 3)
    first, second = model.generate(**inputs), saved.generate(**inputs)
    assert torch.equal(first, second)
    told = processor.batch_decode(first)
    assert len(told) == 2 and all(isinstance(one, str) for one in told) and "<" not in "".join(told)
    phrases = torch.from_numpy(processor.names.encode(["red mug", "blue can"]).ids)
    out, again = (each(inputs["pictures"], inputs["scalars"], phrases) for each in (model, saved))
    assert torch.equal(out.log_match, again.log_match) and out.log_match.shape == (2, 3)
    assert out.masks.shape == (3, 64, 64)


def test_the_processor_proposes_by_itself(folder: Path) -> None:
    processor = transformers.AutoProcessor.from_pretrained(folder)
    view = tiny_embedded.table_view((240, 320), 2)
    assert view.frame is not None
    inputs = processor(view.color, "How tall is the cup?", depth=view.frame.depth_m, intrinsics=(320, 320, 160, 120))
    assert len(inputs["pictures"]) == len(inputs["things"]) == len(inputs["present"])
    with pytest.raises(ValueError, match="form"):
        processor(view.color, "Sing a song", depth=view.frame.depth_m, intrinsics=(320, 320, 160, 120))


ASKED = "How far is the 5 cm block from the blue can?"
# Everything is found, and nothing is ambiguous.
SURE = {"found": 0.0, "several_slope": 0.0, "several_offset": -9.0}


@pytest.mark.parametrize(
    ("calibration", "seen", "told"),
    [
        ({"found": 1.0, "asked_odds": 1e-9}, True, "i cannot tell: the 5 cm block is not in sight."),
        ({"several_slope": 0.0, "several_offset": 9.0, "present_slope": 0.0, "present_offset": 9.0, "rival": 0.0}, True,
         "i cannot tell: the 5 cm block may be one of several things."),
        (SURE, False, "i cannot tell: the 5 cm block shows too little depth to be measured."),
        (SURE, True, ""),
    ],
)  # fmt: skip
def test_no_number_is_told_of_what_is_not_there_or_was_not_measured(
    folder: Path, calibration: dict[str, float], seen: bool, told: str
) -> None:
    model, processor = SpatialVlmModel.from_pretrained(folder).eval(), SpatialVlmProcessor.from_pretrained(folder)
    model.config.calibration = calibration
    view = tiny_embedded.table_view()
    assert view.frame is not None
    masks = np.stack([region.mask for region in view.proposals])
    depth = view.frame.depth_m if seen else np.where(masks.any(axis=0), np.float32(np.nan), view.frame.depth_m)
    inputs = processor(view.color, ASKED, depth=depth, intrinsics=(160, 160, 80, 60), masks=masks)
    assert inputs["present"].tolist() == [seen] * 3
    (said,) = processor.batch_decode(model.generate(**inputs))
    assert said == told if told else "cannot tell" not in said
    assert not told or parse_answer(said, unit="m").outcome is not Outcome.VALUE


def test_where_nothing_is_proposed_nothing_is_in_sight(folder: Path) -> None:
    model, processor = SpatialVlmModel.from_pretrained(folder).eval(), SpatialVlmProcessor.from_pretrained(folder)
    view = tiny_embedded.table_view()
    nothing = np.full((120, 160), np.nan, np.float32)
    inputs = processor(view.color, [ASKED, "How wide is the cup?"], depth=nothing, intrinsics=(160, 160, 80, 60))
    told = processor.batch_decode(model.generate(**inputs))
    assert told == [f"i cannot tell: the {name} is not in sight." for name in ("5 cm block", "cup")]


def test_the_processor_refuses_what_it_would_have_to_guess_at(folder: Path) -> None:
    processor = SpatialVlmProcessor.from_pretrained(folder)
    view = tiny_embedded.table_view()
    assert view.frame is not None
    given = {"depth": view.frame.depth_m, "intrinsics": (160, 160, 80, 60)}
    with pytest.raises(FrameError, match=r"float64, expected .* uint8"):
        processor(view.color / 255, ASKED, **given)
    with pytest.raises(FrameError, match="robot is"):
        processor(view.color, ASKED, robot=np.zeros((2, 2), bool), **given)
    short = SpatialVlmProcessor(processor.names.words, processor.words.words, max_question=4)
    with pytest.raises(QuestionError, match="first 4 words"):
        short(view.color, ASKED, **given)


def test_the_processor_measures_with_the_cameras_noise_and_knows_the_robot(folder: Path) -> None:
    processor = SpatialVlmProcessor.from_pretrained(folder)
    view = tiny_embedded.table_view()
    assert view.frame is not None
    masks = np.stack([region.mask for region in view.proposals])
    given = {"depth": view.frame.depth_m, "intrinsics": (160, 160, 80, 60), "masks": masks, "up": view.up}
    plain = processor(view.color, ASKED, **given)["things"]
    robot = np.roll(masks[0], 18, axis=1)
    for more in ({"noise": DepthNoise(scale=0.05)}, {"robot": robot}):
        assert not torch.equal(processor(view.color, ASKED, **given, **more)["things"], plain), more


def test_wrong_shapes_are_named(folder: Path) -> None:
    model = SpatialVlmModel.from_pretrained(folder)
    with pytest.raises(ValueError, match=r"\(N, 8, 64, 64\)"):
        model(torch.zeros(2, 3, 64, 64), torch.zeros(2, 17), torch.zeros(1, 2, dtype=torch.long))


# -- weights -------------------------------------------------------------------------------------------------------------


def test_missing_changed_and_pickled_weights_have_names(copied: Path, tmp_path: Path) -> None:
    assert len(check_weights(copied).sha256) == 64
    with pytest.raises(MissingWeightsError, match="no model at"):
        check_weights(tmp_path / "nowhere")
    weights = copied / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WrongHashError, match="SHA-256"):
        EmbeddedVlm.from_folder(copied)
    weights.write_bytes(content)
    (copied / "config.json").unlink()
    with pytest.raises(MissingWeightsError, match=r"lacks config\.json"):
        check_weights(copied)
    weights.unlink()
    with pytest.raises(MissingWeightsError, match="no weights"):
        check_weights(copied)
    (copied / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(PickleWeightsError, match="pickle"):
        EmbeddedVlm.from_folder(copied)


def test_checksums_have_to_be_there_and_sound(copied: Path) -> None:
    listed = (copied / CHECKSUMS).read_text()
    (copied / CHECKSUMS).write_text("\n".join(line for line in listed.splitlines() if "model.safetensors" not in line))
    with pytest.raises(WrongHashError, match=r"no digest of model\.safetensors"):
        check_weights(copied)
    (copied / CHECKSUMS).write_text(listed + "rubbish\n")
    with pytest.raises(WrongHashError, match="none of sha256sum"):
        check_weights(copied)
    (copied / CHECKSUMS).write_text(listed + f"{'0' * 64}  ../../etc/passwd\n")
    with pytest.raises(WrongHashError):
        check_weights(copied)
    (copied / CHECKSUMS).unlink()
    with pytest.raises(MissingWeightsError, match="whole"):
        check_weights(copied)


def test_a_configuration_of_another_version_is_refused(copied: Path) -> None:
    config = copied / "config.json"
    config.write_text(config.read_text().replace('"embedding": 32', '"embedding": 32, "wings": 2'))
    write_checksums(copied)
    with pytest.raises(WeightsError, match="wings"):
        EmbeddedVlm.from_folder(copied)
    assert issubclass(WeightsError, VlmError)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_weights_with_other_tensors_than_the_model_has_are_refused(copied: Path, change: str) -> None:
    """What a file lacks would be memory that nobody wrote to."""
    weights = copied / "model.safetensors"
    tensors = load_file(weights)
    if change == "missing":
        del tensors["decoder.number.weight"]
    else:
        tensors["decoder.number.wings"] = torch.zeros(2)
    save_file(tensors, weights, metadata={"format": "pt"})
    write_checksums(copied)
    with pytest.raises(WeightsError, match=r"decoder\.number\.w"):
        EmbeddedVlm.from_folder(copied)


def test_a_device_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(VlmError, match="nonsense"):
        EmbeddedVlm.from_folder(folder, device="nonsense")


# -- the interface -------------------------------------------------------------------------------------------------------


def test_each_name_has_a_grounding_with_sound_numbers(vlm: EmbeddedVlm) -> None:
    view = tiny_embedded.table_view()
    names = ["red mug", "the biggest blue can", "gripper", "zyzzyva", "", "red mug"]
    found = vlm.look(view).ground(names)
    assert [one.name for one in found] == names and found[0] is found[-1]
    for one in found:
        assert 0 <= one.present <= 1 and 0 <= one.several <= one.present + 1e-9
        assert len(one.regions) == len(one.proposals)
        assert all(region.mask.shape == (120, 160) and region.mask.any() and 0 <= region.score <= 1 for region in one.regions)
    assert found[0].understood and not found[3].understood and not found[4].understood
    assert all(0 <= index < 3 for index in found[0].proposals)


def test_the_same_view_gives_the_same_bytes_and_a_batch_changes_nothing(vlm: EmbeddedVlm) -> None:
    view = tiny_embedded.table_view(things=4)
    names = ["red mug", "blue can", "white box", "plate"]
    together = vlm.look(view).probabilities(names)
    assert np.array_equal(together, vlm.look(view).probabilities(names))
    alone = np.concatenate([vlm.look(view).probabilities([name]) for name in names])
    assert np.allclose(together, alone, atol=1e-5)
    for index, region in enumerate(view.proposals):
        single = vlm.look(replace(view, proposals=(region,))).probabilities(names)
        assert np.allclose(single[:, 0], together[:, index], atol=1e-4)


def test_bad_views_neither_kill_nor_invent(vlm: EmbeddedVlm) -> None:
    view = tiny_embedded.table_view()
    blind = View(view.color)
    (none,) = vlm.look(blind).ground(["red mug"])
    assert none.regions == () and none.present == 0 and not none.understood
    assert vlm.look(blind).gripper() is None
    (answer,) = vlm.look(blind).answer([Question("How far is the red mug from the can?")])
    assert answer.status is Status.NO_DEPTH and math.isnan(answer.value)
    # Proposals without depth are still looked at.
    (colored,) = vlm.look(replace(blind, proposals=view.proposals)).ground(["red mug"])
    assert colored.understood
    dot = tiny_embedded.table_view((1, 1), 0)
    assert vlm.look(dot).ground(["cup"])[0].regions == ()
    assert len(vlm.look(view).ground([f"thing {number}" for number in range(200)])) == 200
    assert vlm.look(view).ground([]) == [] and vlm.look(view).answer([]) == []
    empty = Region(np.zeros((120, 160), bool))
    found = vlm.look(replace(view, proposals=(empty, *view.proposals))).ground(["cup"])[0]
    # What is empty is left out, and the numbers of the others stay.
    assert found.proposals and 0 not in found.proposals
    plain = EmbeddedVlm(vlm.model, vlm.version, mend_masks=False).look(replace(view, proposals=(empty, *view.proposals)))
    for region, index in zip(plain.ground(["cup"])[0].regions, plain.ground(["cup"])[0].proposals, strict=True):
        assert np.array_equal(region.mask, view.proposals[index - 1].mask)


def test_depth_of_nothing_but_holes_is_survived(vlm: EmbeddedVlm) -> None:
    view = tiny_embedded.table_view()
    assert view.frame is not None
    holes = replace(view.frame, depth_m=np.full_like(view.frame.depth_m, np.nan))
    chances = vlm.look(replace(view, frame=holes)).probabilities(["red mug"])
    assert np.isfinite(chances).all()


def test_answers_have_a_status_for_what_cannot_be_told(vlm: EmbeddedVlm, tmp_path: Path) -> None:
    glance = vlm.look(tiny_embedded.table_view())
    strange, missing = glance.answer(
        [Question("Why?"), Question("How far is the cup from frame?", Query("reachable", "cup", "robot", amount=-1.0))]
    )
    assert strange.status is Status.BAD_QUERY and missing.status is Status.BAD_QUERY
    tiny_embedded.tiny_model(tmp_path / "mute", answers=False)
    mute = EmbeddedVlm.from_folder(tmp_path / "mute")
    assert vlm.answers and not mute.answers and mute.grounds
    assert mute.look(tiny_embedded.table_view()).answer([Question("Why?")])[0].status is Status.BAD_QUERY


def test_answers_are_measured_with_the_views_noise_and_robot(folder: Path) -> None:
    vlm = EmbeddedVlm.from_folder(folder)
    vlm.calibration = Calibration(**SURE)
    view = tiny_embedded.table_view()
    asked = [Question("How far is the plate from the blue can?")]
    robot = np.roll(np.any([region.mask for region in view.proposals], axis=0), 18, axis=1)
    views = (view, replace(view, noise=DepthNoise(scale=0.05)), replace(view, robot=robot))
    plain, noisy, beside = (vlm.look(each).answer(asked)[0] for each in views)
    assert plain.status is noisy.status is beside.status is Status.OK
    assert noisy.std > 1.1 * plain.std and beside.std != plain.std


def test_the_engine_shows_the_noise_that_it_measures_with() -> None:
    frame, noise = tiny_embedded.table_view().frame, DepthNoise(scale=0.05)
    assert frame is not None
    config = EngineConfig(noise=noise)
    assert scene_view(SpatialEngine(config).observe(frame, [])).noise == noise == view_of(frame, None, config).noise


def test_the_version_tells_weights_apart(vlm: EmbeddedVlm, tmp_path: Path) -> None:
    tiny_embedded.tiny_model(tmp_path, seed=1)
    other = EmbeddedVlm.from_folder(tmp_path)
    assert other.version != vlm.version and vlm.version.startswith("embedded ")
