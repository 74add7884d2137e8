"""Loading: which models are taken, which are refused and with what name, and that the version tells one from another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_captioners
import tiny_models
import torch
from safetensors.torch import load_file, save_file

from spatialvlm_ros.perception.models.errors import (
    BrokenWeightsError,
    ModelDeviceError,
    ModelError,
    ModelNotFoundError,
    PickleOnlyError,
    ProcessorMissingError,
    RelativeDepthError,
    WrongModelError,
)
from spatialvlm_ros.perception.models.loader import ModelKind, load_model, missing

REAL = {
    "clip": (ModelKind.IMAGE_TEXT, "CLIPModel"),
    "siglip": (ModelKind.IMAGE_TEXT, "SiglipModel"),
    "owlv2": (ModelKind.DETECTOR, "Owlv2ForObjectDetection"),
    "grounding_dino": (ModelKind.DETECTOR, "GroundingDinoForObjectDetection"),
    "florence": (ModelKind.CAPTIONER, "Florence2ForConditionalGeneration"),
    "llava": (ModelKind.CAPTIONER, "LlavaForConditionalGeneration"),
    "sam": (ModelKind.SEGMENTER, "SamModel"),
    "sam2": (ModelKind.SEGMENTER, "Sam2Model"),
    "sam2_video": (ModelKind.SEGMENTER, "Sam2Model"),
    "depth_anything": (ModelKind.DEPTH, "DepthAnythingForDepthEstimation"),
    "zoedepth": (ModelKind.DEPTH, "ZoeDepthForDepthEstimation"),
    "depth_pro": (ModelKind.DEPTH, "DepthProForDepthEstimation"),
}


@pytest.fixture
def sam(tmp_path: Path) -> Path:
    return tiny_models.sam(tmp_path / "sam")


@pytest.mark.parametrize("name", REAL)
def test_a_model_of_each_class_loads_with_all_that_says_which_one_it_is(name: str, tmp_path: Path) -> None:
    kind, model_class = REAL[name]
    make: Callable[..., Path] = getattr(tiny_models, name, None) or getattr(tiny_captioners, name)
    info = load_model(kind, make(tmp_path / "mine")).info
    assert (info.name, info.model_class, info.revision, info.dtype) == ("mine", model_class, "", "float32")
    assert len(info.sha256) == 64
    shutil.copytree(tmp_path / "mine", tmp_path / "elsewhere" / "mine")
    assert load_model(kind, tmp_path / "elsewhere" / "mine").info == info
    assert load_model(kind, make(tmp_path / "other" / "mine", seed=1)).info.version != info.version


def test_settings_are_part_of_the_version(sam: Path) -> None:
    before = load_model(ModelKind.SEGMENTER, sam).info.version
    path = sam / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["image_processor"]["image_mean"] = [0.0, 0.0, 0.0]
    path.write_text(json.dumps(settings))
    assert load_model(ModelKind.SEGMENTER, sam).info.version != before


def test_a_missing_folder_and_an_unknown_id_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no such folder"):
        load_model(ModelKind.DEPTH, tmp_path / "nothing")
    with pytest.raises(ModelNotFoundError, match="allow the download"):
        load_model(ModelKind.DEPTH, "nobody-of-that-name/no-model-of-that-name")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match="holds no weights"):
        load_model(ModelKind.DEPTH, tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelNotFoundError, match="is a file"):
        load_model(ModelKind.DEPTH, tmp_path / "file")


def test_weights_without_a_config_are_no_model(sam: Path) -> None:
    (sam / "config.json").unlink()
    with pytest.raises(ModelNotFoundError, match="config"):
        load_model(ModelKind.SEGMENTER, sam)


def test_an_id_is_found_in_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0" * 39 + "1"
    repository = tmp_path / "models--someone--tiny-sam"
    tiny_models.sam(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    info = load_model(ModelKind.SEGMENTER, "someone/tiny-sam").info
    assert (info.name, info.revision) == ("someone/tiny-sam", commit)
    assert missing(ModelKind.SEGMENTER, "someone/tiny-sam") == ""


def test_pickles_are_refused_and_never_opened(sam: Path) -> None:
    state = load_file(sam / "model.safetensors")
    (sam / "model.safetensors").unlink()
    torch.save(state, sam / "pytorch_model.bin")
    with pytest.raises(PickleOnlyError, match=r"pytorch_model\.bin.*could run any code"):
        load_model(ModelKind.SEGMENTER, sam)


def test_code_of_a_folder_is_not_run(sam: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (sam / "modeling_own.py").write_text(f"open({str(mark)!r}, 'w')\nclass Own: pass\n")
    config = json.loads((sam / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForMaskGeneration": "modeling_own.Own", "AutoConfig": "modeling_own.Own"}}
    (sam / "config.json").write_text(json.dumps(config))
    assert load_model(ModelKind.SEGMENTER, sam).info.model_class == "SamModel"
    (sam / "config.json").write_text(json.dumps(config | {"model_type": "own"}))
    with pytest.raises(WrongModelError, match="'own'"):
        load_model(ModelKind.SEGMENTER, sam)
    assert not mark.exists()


def test_damaged_weights_are_named(sam: Path) -> None:
    path = sam / "model.safetensors"
    # Copies: the file, which is mapped into memory, is about to change.
    state = {name: value.clone() for name, value in load_file(path).items()}
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenWeightsError, match="cannot be loaded"):
        load_model(ModelKind.SEGMENTER, sam)
    lost = "mask_decoder.iou_token.weight"
    save_file({name: value for name, value in state.items() if name != lost}, path, metadata={"format": "pt"})
    with pytest.raises(BrokenWeightsError, match=rf"lack 1 tensors .*{lost}"):
        load_model(ModelKind.SEGMENTER, sam)


def test_a_shard_that_is_missing_is_named(sam: Path) -> None:
    names = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (sam / "model.safetensors.index.json").write_text(json.dumps(names))
    (sam / "model.safetensors").rename(sam / "model-00001-of-00002.safetensors")
    with pytest.raises(BrokenWeightsError, match=r"lacks 1 of 2 .*model-00002-of-00002"):
        load_model(ModelKind.SEGMENTER, sam)


def test_an_unreadable_config_is_named(sam: Path) -> None:
    (sam / "config.json").write_text("{")
    with pytest.raises(BrokenWeightsError, match=r"config\.json cannot be read"):
        load_model(ModelKind.SEGMENTER, sam)


@pytest.mark.parametrize("kind", [ModelKind.DETECTOR, ModelKind.DEPTH, ModelKind.IMAGE_TEXT, ModelKind.CAPTIONER])
def test_a_model_for_another_task_is_refused(kind: ModelKind, sam: Path) -> None:
    with pytest.raises(WrongModelError, match=r"type 'sam'.*such as"):
        load_model(kind, sam)


def test_relative_depth_is_refused(tmp_path: Path) -> None:
    folder = tiny_models.depth_anything(tmp_path / "relative", kind="relative")
    with pytest.raises(RelativeDepthError, match="no unit"):
        load_model(ModelKind.DEPTH, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "dpt"}))
    with pytest.raises(RelativeDepthError, match="no unit"):
        load_model(ModelKind.DEPTH, folder)


@pytest.mark.parametrize(
    ("name", "kind", "lost"),
    [
        ("clip", ModelKind.IMAGE_TEXT, "processor_config.json"),
        ("clip", ModelKind.IMAGE_TEXT, "tokenizer.json"),
        ("sam", ModelKind.SEGMENTER, "processor_config.json"),
        ("zoedepth", ModelKind.DEPTH, "preprocessor_config.json"),
    ],
)
def test_a_missing_processor_is_named(name: str, kind: ModelKind, lost: str, tmp_path: Path) -> None:
    folder = getattr(tiny_models, name)(tmp_path / name)
    (folder / lost).unlink()
    if lost == "tokenizer.json":
        (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ProcessorMissingError):
        load_model(kind, folder)


def test_a_processor_for_torchvision_alone_says_so(tmp_path: Path) -> None:
    """Of EdgeTAM and others: the sentence names what is missing."""
    folder = tiny_models.sam(tmp_path / "sam")
    settings = {"image_processor": {"image_processor_type": "Sam2ImageProcessor"}, "processor_class": "Sam2Processor"}
    (folder / "processor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ProcessorMissingError, match=r"(?i)not installed.*torchvision"):
        load_model(ModelKind.SEGMENTER, folder)


def test_device_and_precision_are_checked(sam: Path) -> None:
    with pytest.raises(ModelDeviceError, match="'cuda:99'"):
        load_model(ModelKind.SEGMENTER, sam, device="cuda:99")
    with pytest.raises(ModelDeviceError, match="'abacus'"):
        load_model(ModelKind.SEGMENTER, sam, device="abacus")
    with pytest.raises(ModelDeviceError, match="int8"):
        load_model(ModelKind.SEGMENTER, sam, dtype="int8")
    assert load_model(ModelKind.SEGMENTER, sam, device="cpu", dtype="bfloat16").info.dtype == "bfloat16"


def test_loading_is_quiet(sam: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    load_model(ModelKind.SEGMENTER, sam)
    assert capfd.readouterr() == ("", "")


def test_what_is_missing_is_told_without_loading(sam: Path, tmp_path: Path) -> None:
    assert missing(ModelKind.SEGMENTER, sam) == ""
    assert "no depth" in missing(ModelKind.DEPTH, sam)
    assert "no such folder" in missing(ModelKind.DEPTH, tmp_path / "nothing")
    assert "hub's cache" in missing(ModelKind.DEPTH, "nobody-of-that-name/no-model")
    assert missing(ModelKind.DEPTH, "nobody-of-that-name/no-model", allow_download=True) == ""


def test_without_torch_the_sentence_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from spatialvlm_ros.perception.models.errors import ModelPackageError\n"
        "from spatialvlm_ros.perception.models.loader import ModelKind, load_model\n"
        "try: load_model(ModelKind.DEPTH, '.')\n"
        "except ModelPackageError as error: print(isinstance(error, ImportError), error)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "True" in result.stdout
    assert "pip install 'spatialvlm_ros[model]'" in result.stdout


def test_every_error_is_a_model_error() -> None:
    from spatialvlm_ros.perception.models import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > 10
    assert all(issubclass(one, ModelError) for one in classes)
