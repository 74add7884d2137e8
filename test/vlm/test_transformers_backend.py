"""Tiny models of five hub classes find names and answer questions through the backend, each in its own language."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from table_views import BLUE, RED, picture_of
from tiny_captioners import florence
from tiny_vlms import MAKERS, qwen2_vl

from spatialvlm_ros.scene.facts import METRE, PROBABILITY, Query, Status
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.vlm import hub_model, writer
from spatialvlm_ros.vlm.interface import Grounding, Question, View, VlmError
from spatialvlm_ros.vlm.options import VlmOptions
from spatialvlm_ros.vlm.transformers_backend import TransformersVlm

DISTANCE = Question("How far is the red block from the blue block?", Query("distance", "red block", "blue block"))
LEFT = Question("Is the red block left of the blue block?", Query("left", "red block", "blue block"))
CLASSES = (*MAKERS, "florence2")


@pytest.fixture(scope="module")
def view() -> View:
    picture = picture_of([RED, BLUE])
    return View(picture.frame.color, picture.frame, tuple(Region(picture.owner == i) for i in (0, 1)), picture.plane)


def place_text(kind: str, region: Region) -> str:
    """A region's box as a model of a class writes it."""
    x0, y0, x1, y1 = np.divide(region.box, [320, 240, 320, 240]).tolist()
    bins = [round(value * 999) for value in (x0, y0, x1, y1)]
    if kind == "qwen2_vl":
        return f"({bins[0]},{bins[1]}),({bins[2]},{bins[3]})"
    if kind == "llava":
        return f"[{x0:.2f}, {y0:.2f}, {x1:.2f}, {y1:.2f}]"
    if kind == "paligemma":
        return "".join(f"<loc{round(value * 1023):04d}>" for value in (y0, x0, y1, x1)) + " red block"
    if kind == "florence2":
        return "red block" + "".join(f"<loc_{number}>" for number in bins)
    return json.dumps([{"bbox_2d": bins, "label": "red block"}])


def make(kind: str, folder: Path, *answers: str) -> Path:
    if kind == "florence2":
        return florence(folder, says=answers[0])
    return MAKERS[kind](folder, answers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Models by class and what they say, each made once."""
    made: dict[tuple[str, ...], Path] = {}

    def get(kind: str, *answers: str) -> Path:
        if (kind, *answers) not in made:
            made[kind, *answers] = make(kind, tmp_path_factory.mktemp("models") / kind, *answers)
        return made[kind, *answers]

    return get


def load(path: Path, **options: object) -> TransformersVlm:
    return TransformersVlm.from_pretrained(str(path), options=VlmOptions(device="cpu", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_name_is_the_proposal_that_the_model_boxes(kind: str, view: View, folder: Callable[..., Path]) -> None:
    vlm = load(folder(kind, place_text(kind, view.proposals[1])))
    red, nothing = vlm.look(view).ground(["red block", "?!"])
    assert red.proposals == (1,) and (red.regions[0].mask == view.proposals[1].mask).all()
    assert red.understood and red.present > 0.5 and 0.5 < red.regions[0].score <= 1
    assert nothing == Grounding("?!", (), 0.0, understood=False)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_number_and_a_verdict(kind: str, view: View, folder: Callable[..., Path]) -> None:
    number, _ = load(folder(kind, "0.5 m")).look(view).answer([DISTANCE, Question("How far is it?")])
    assert (number.status, number.unit, number.samples) == (Status.OK, METRE, 5) and number.value == pytest.approx(0.5)
    (verdict,) = load(folder(kind, "Yes, it is.")).look(view).answer([LEFT])
    assert verdict.unit == PROBABILITY and verdict.value == pytest.approx(5.5 / 6)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_picture_is_encoded_once(kind: str, view: View, folder: Callable[..., Path]) -> None:
    """... by every class, however many questions; and what comes out is what comes out without that."""
    vlm = load(folder(kind, "0.4 m", "0.6 m"), samples=3, batch_size=4)
    inner = vlm.loaded.model.model
    tower = next(module for name, module in inner.named_modules() if name in ("visual", "vision_tower", "vision_model"))
    calls = []
    hook = tower.register_forward_hook(lambda *_: calls.append(1))
    questions = [Question(f"How far is block {number} from block 0?") for number in range(3)]
    glance = vlm.look(view)
    once = glance.answer(questions)
    glance.ground(["red block", "blue block"])
    assert len(calls) == 1
    method, writer._METHOD = writer._METHOD, "no_such_method"
    try:
        assert vlm.look(view).answer(questions) == once and len(calls) > 2
    finally:
        writer._METHOD = method
        hook.remove()


def test_draws_are_seeded_and_do_not_depend_on_their_neighbours(view: View, folder: Callable[..., Path]) -> None:
    path = folder("idefics3", "0.4 m", "0.6 m")
    questions = [Question(f"How far is block {number} from block 0?") for number in range(4)]
    vlm = load(path)
    together = vlm.look(view).answer(questions)
    assert len({answer.value for answer in together}) > 1, "each question has draws of its own"
    assert all(0.4 <= answer.value <= 0.6 and answer.std > 0 for answer in together)
    assert [load(path, batch_size=1).look(view).answer([question])[0] for question in questions] == together
    assert load(path, seed=1).look(view).answer(questions) != together
    (alone,) = load(path, samples=1).look(view).answer(questions[:1])
    assert alone.samples == 1 and math.isnan(alone.std)


def test_the_size_that_qwen_counts_in(tmp_path: Path, view: View) -> None:
    """Qwen2.5-VL gives pixels of the picture as its processor resized it: here a multiple of 28."""
    x0, y0, x1, y1 = np.multiply(view.proposals[0].box, [308 / 320, 252 / 240] * 2).round().astype(int).tolist()
    says = json.dumps([{"bbox_2d": [x0, y0, x1, y1], "label": "red block"}])
    vlm = load(qwen2_vl(tmp_path / "qwen", [says], version=25))
    assert vlm.grounding.name == "qwen2.5"
    (found,) = vlm.look(view).ground(["red block"])
    assert found.proposals == (0,) and found.regions[0].score > 0.5


def test_a_picture_without_depth_or_proposals_gives_boxes(view: View, folder: Callable[..., Path]) -> None:
    vlm = load(folder("idefics3", place_text("idefics3", view.proposals[1])))
    (found,) = vlm.look(View(view.color)).ground(["red block"])
    assert found.proposals == (-1,)
    box, truth = np.array(found.regions[0].box), np.array(view.proposals[1].box)
    assert np.abs(box - truth).max() <= 1


def test_nothing_found_is_no_region(view: View, folder: Callable[..., Path]) -> None:
    (found,) = load(folder("idefics3", "[]")).look(view).ground(["red block"])
    assert found.regions == () and found.proposals == ()


def test_the_version_says_everything_that_matters(folder: Callable[..., Path]) -> None:
    path = folder("idefics3", "0.5 m")
    changes: list[dict[str, object]] = [{}, {"seed": 1}, {"samples": 2}, {"dtype": "bfloat16"}]
    versions = {load(path, **change).version for change in changes}
    assert len(versions) == 4 and all("transformers" in version and "places as json" in version for version in versions)


def test_an_adapter_changes_what_is_said(view: View, tmp_path: Path, folder: Callable[..., Path]) -> None:
    """LoRA on the last layer of a model to which two answers are alike: the adapter prefers one of them."""
    import peft

    path = folder("idefics3", "0.4 m", "0.9 m")
    base = load(path).loaded
    tuned = peft.get_peft_model(base.model, peft.LoraConfig(r=1, lora_alpha=1, target_modules=["lm_head"]))
    head = tuned.get_submodule("base_model.model.lm_head")
    with torch.no_grad():
        head.lora_A["default"].weight.zero_()[0, 1] = 1.0
        head.lora_B["default"].weight.zero_()[base.processor.tokenizer.convert_tokens_to_ids("0.9 m"), 0] = 5.0
    tuned.save_pretrained(tmp_path / "adapter")
    plain, adapted = load(path), load(path, adapter=str(tmp_path / "adapter"))
    assert 0.4 < plain.look(view).answer([DISTANCE])[0].value < 0.9
    (answer,) = adapted.look(view).answer([DISTANCE])
    assert answer.value == pytest.approx(0.9) and "+ adapter@" in adapted.version and "+ adapter@" not in plain.version


# -- bad input ----------------------------------------------------------------------------------------------------------------


def test_a_chat_model_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VlmError, match=r"without a chat template; its folder needs chat_template\.jinja"):
        load(qwen2_vl(tmp_path / "qwen", ["0.5 m"], template=False))


def test_pickles_and_broken_weights_are_refused(tmp_path: Path, folder: Callable[..., Path]) -> None:
    good = folder("idefics3", "0.5 m")
    pickled = tmp_path / "pickled"
    shutil.copytree(good, pickled)
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(VlmError, match="only as a pickle"):
        load(pickled)
    cut = tmp_path / "cut"
    shutil.copytree(good, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(VlmError, match="cannot be loaded"):
        load(cut)
    (cut / "model.safetensors").unlink()
    with pytest.raises(VlmError, match="holds no weights"):
        load(cut)


def test_missing_packages_are_named(tmp_path: Path, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_model, "find_spec", lambda name: None)
    path = folder("idefics3", "0.5 m")
    with pytest.raises(VlmError, match="pip install bitsandbytes"):
        load(path, quantization="4bit")
    with pytest.raises(VlmError, match=r"has no adapter_config\.json"):
        load(path, adapter=str(tmp_path))
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(VlmError, match="pip install peft"):
        load(path, adapter=str(tmp_path))


def test_memory_that_runs_out_is_told(view: View, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load(folder("idefics3", "0.5 m"))

    def full(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(vlm.loaded.model, "generate", full)
    for ask in (lambda: vlm.look(view).answer([DISTANCE]), lambda: vlm.look(view).ground(["red block"])):
        with pytest.raises(VlmError, match="needs more memory than there is"):
            ask()


@pytest.mark.parametrize("color", [np.zeros((4, 4), np.float32), np.zeros((0, 4, 3), np.uint8)])
def test_a_picture_that_is_none(color: np.ndarray, folder: Callable[..., Path]) -> None:
    with pytest.raises(VlmError, match="picture"):
        load(folder("idefics3", "0.5 m")).look(View(color))


def test_options_out_of_range() -> None:
    for wrong in ({"samples": 0}, {"quantization": "2bit"}, {"temperature": math.nan}, {"timeout_s": 0.0}):
        with pytest.raises(VlmError):
            VlmOptions(**wrong)  # type: ignore[arg-type]


def test_long_pictures_fit(folder: Callable[..., Path]) -> None:
    """Strips of a few pixels and odd sizes go through, or are refused by name."""
    vlm = load(folder("llava", "0.5 m"), samples=1)
    for shape in ((1, 1, 3), (7, 300, 3), (300, 7, 3)):
        (answer,) = vlm.look(View(np.zeros(shape, np.uint8))).answer([Question("How far is it?")])
        assert answer.value == pytest.approx(0.5)
