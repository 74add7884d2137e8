"""Fine-tuning of real classes, small and untrained: what learns, what is left on disk, going on, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_chat
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from spatialvlm_ros.perception.models.errors import ChatTemplateMissingError, PickleOnlyError
from spatialvlm_ros.synthesis.output import OutputError
from spatialvlm_ros.training.adapters import AdapterError, LoraOptions, vision_prefix
from spatialvlm_ros.training.chat_data import open_chat_data
from spatialvlm_ros.training.collate import IGNORED, ChatCollator, UnfitModelError
from spatialvlm_ros.training.finetune import Diverged, finetune
from spatialvlm_ros.training.finetune_config import DataChoice, FinetuneConfig, data_choice


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat.llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def config(llava: Path, vqa: Path) -> FinetuneConfig:
    return FinetuneConfig(
        str(llava), (DataChoice(str(vqa)),), method="full", vision="trained", steps=12, checkpoint_every=4, learning_rate=0.01,
        batch_size=2, questions=3, held_out_share=0.3, held_out_most=4, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(config: FinetuneConfig, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full run."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    report = finetune(config, out, cache_dir=cache, say=lambda _: None)
    assert report.is_better and report.held_out and report.steps == 12
    return out


def test_a_run_leaves_a_model_that_loads_and_what_it_was_made_of(whole: Path, vqa: Path, llava: Path) -> None:
    """Weights, processor, card, record with the data's hashes, metrics and curve; no pickle and no checkpoints."""
    model = AutoModelForImageTextToText.from_pretrained(whole)
    assert AutoProcessor.from_pretrained(whole).chat_template == tiny_chat.TEMPLATE
    before = load_file(llava / "model.safetensors")
    moved = {name for name, value in load_file(whole / "model.safetensors").items() if not torch.equal(value, before[name])}
    assert {part for part in ("vision_tower", "language_model", "projector") if any(part in name for name in moved)} == {
        "vision_tower", "language_model", "projector",
    }  # fmt: skip
    assert model.num_parameters() == sum(value.numel() for value in before.values())
    record = json.loads((whole / "train.json").read_text())
    provenance = json.loads((vqa / "provenance.json").read_text())
    assert record["data"][0]["files"] == {file["file"]: file["sha256"] for file in provenance["files"]}
    assert record["complete"] and record["data"][0]["spatial"]
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    judged = [line["eval_loss"] for line in lines if "eval_loss" in line]
    assert judged[-1] < judged[0] - 0.5
    assert (whole / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert f"{record['result']['after']:.4f} after 12 steps" in (whole / "README.md").read_text()
    assert not (whole / "checkpoints").exists()


def test_what_was_broken_off_goes_on_to_the_same_bytes(config: FinetuneConfig, whole: Path, cache: Path, tmp_path: Path) -> None:
    """Weights, metrics and record are those of a run that was not; checkpoints hold no pickle."""
    out = tmp_path / "broken"

    def stop(line: str) -> None:
        if line.startswith("step 10"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(config, out, cache_dir=cache, say=stop)
    kept = [path for path in (out / "checkpoints").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".safetensors", ".json", ".jinja"}
    with pytest.raises(OutputError, match="--resume goes on with it"):
        finetune(config, out, cache_dir=cache, say=lambda _: None)
    said: list[str] = []
    finetune(config, out, resume=True, cache_dir=cache, say=said.append)
    assert "12 steps, from checkpoint-8 on" in said
    for name in ("model.safetensors", "metrics.jsonl", "train.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    with pytest.raises(OutputError, match="seed is 0 there and 1 here"):
        finetune(replace(config, seed=1), out, resume=True, cache_dir=cache, say=lambda _: None)


def test_adapters_beside_a_frozen_encoder_and_merged(config: FinetuneConfig, cache: Path, llava: Path, tmp_path: Path) -> None:
    """The adapter's folder opens with its base; merged it is a whole model that says the same."""
    lora = replace(config, method="lora", vision="frozen", steps=3, lora=LoraOptions(4, 8, 0.0), label_noise_std_m=0.3)
    quiet: dict[str, Any] = {"cache_dir": cache, "say": lambda _: None}
    finetune(lora, tmp_path / "adapter", **quiet)
    finetune(replace(lora, merge=True), tmp_path / "merged", **quiet)
    adapter = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert adapter and not any("vision_tower" in name or "lm_head" in name for name in adapter)
    assert any("multi_modal_projector" in name for name in adapter)
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(llava)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    ids = torch.arange(20)[None]
    said = [
        AutoModelForImageTextToText.from_pretrained(folder)(input_ids=ids).logits
        for folder in (llava, tmp_path / "adapter", tmp_path / "merged")
    ]
    assert torch.allclose(said[1], said[2], atol=1e-5)
    assert not torch.allclose(said[0], said[1], atol=1e-3)
    assert "adapters (LoRA)" in (tmp_path / "adapter" / "README.md").read_text()
    with pytest.raises(ValueError, match="is an adapter and no whole model"):
        finetune(replace(lora, base=str(tmp_path / "adapter")), tmp_path / "next", **quiet)


def test_the_assistants_words_alone_are_in_the_loss(vqa: Path, cache: Path, tmp_path: Path) -> None:
    """For templates of two models, with system prompts and images of many tokens: labels read as the answers with their ends."""
    data = open_chat_data(vqa, held_out_share=0.0, cache_dir=cache)
    messages, images = data.messages(data.train[0])
    answers = ["".join(part["text"] for part in turn["content"]) for turn in messages if turn["role"] == "assistant"]
    for make, end in ((tiny_chat.llava, "</s>"), (tiny_chat.idefics, "<end_of_utterance>\n")):
        processor = AutoProcessor.from_pretrained(make(tmp_path / make.__name__))
        short = {"messages": messages[:2], "images": images}
        batch = ChatCollator(processor, max_tokens=0, image_size_px=64)([{"messages": messages, "images": images}, short])
        labels, ids = batch["labels"], batch["input_ids"]
        taught = ids[0][labels[0] != IGNORED]
        assert processor.tokenizer.decode(taught) == "".join(answer + end for answer in answers)
        assert processor.tokenizer.decode(ids[1][labels[1] != IGNORED]) == answers[0] + end
        assert (labels[labels != IGNORED] == ids[labels != IGNORED]).all()
        length = int(batch["attention_mask"][0].sum())
        fitted = ChatCollator(processor, max_tokens=length // 2, image_size_px=64)([{"messages": messages, "images": images}])
        assert fitted["input_ids"].shape[1] <= length // 2
        assert processor.tokenizer.decode(fitted["input_ids"][0][fitted["labels"][0] != IGNORED]).startswith(answers[0] + end)
        with pytest.raises(UnfitModelError, match="--max-tokens"):
            ChatCollator(processor, max_tokens=9, image_size_px=64)([short])


def test_another_class_learns_too(config: FinetuneConfig, cache: Path, tmp_path: Path) -> None:
    """Idefics3, which cuts images into parts, with adapters on its encoder, too."""
    base = tiny_chat.idefics(tmp_path / "idefics")
    run = replace(config, base=str(base), method="lora", steps=4, lora=LoraOptions(8, 32, 0.0), image_size_px=64)
    assert finetune(run, tmp_path / "out", cache_dir=cache, say=lambda _: None).is_better
    assert any("vision_model" in name for name in load_file(tmp_path / "out" / "adapter_model.safetensors"))


def test_models_and_folders_that_cannot_be_used(config: FinetuneConfig, cache: Path, llava: Path, tmp_path: Path) -> None:
    """Each with its own error that says what to do; somebody else's folder is not touched, not even with overwrite."""
    quiet: dict[str, Any] = {"cache_dir": cache, "say": lambda _: None}
    bare = tiny_chat.llava(tmp_path / "bare", template=None)
    with pytest.raises(ChatTemplateMissingError, match=r"chat_template\.jinja"):
        finetune(replace(config, base=str(bare)), tmp_path / "a", **quiet)
    pickled = tiny_chat.llava(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(PickleOnlyError, match="run any code"):
        finetune(replace(config, base=str(pickled)), tmp_path / "b", **quiet)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"thesis\.txt"):
            finetune(config, other, overwrite=overwrite, **quiet)
    assert (other / "thesis.txt").read_text() == "mine"
    with pytest.raises(Diverged, match="--learning-rate"):
        finetune(replace(config, learning_rate=1e38), tmp_path / "c", **quiet)


def test_the_encoder_is_found_or_it_is_said_that_it_is_not(llava: Path) -> None:
    """By the class, not by luck."""
    model = AutoModelForImageTextToText.from_pretrained(llava)
    assert vision_prefix(model) == "model.vision_tower"
    assert vision_prefix(model.model.language_model) == ""
    with pytest.raises(AdapterError, match="--vision trained"):
        from spatialvlm_ros.training.adapters import prepare_full

        prepare_full(model.model.language_model, freeze_vision=True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": ()}, "--data"),
        ({"method": "qlora"}, "qlora"),
        ({"label_noise_std_m": -0.1}, "-0.1"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"held_out_share": 1.0}, "1.0"),
        ({"merge": True}, "--method full"),
        ({"epochs": float("nan")}, "nan"),
        ({"steps": -1}, "steps -1"),
    ],
)
def test_options_that_make_no_sense(config: FinetuneConfig, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        replace(config, **changes)


def test_weights_stand_behind_a_colon() -> None:
    assert data_choice("a/b:2.5") == DataChoice("a/b", 2.5)
    assert data_choice("C:/data") == DataChoice("C:/data")
    assert data_choice("a") == DataChoice("a", 1.0)
