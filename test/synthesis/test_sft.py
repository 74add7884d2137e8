"""Rows of a data set as they are into supervised fine-tuning: TRL's trainer and a model of a real class, small and untrained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from trl import SFTConfig, SFTTrainer

disable_progress_bars()
IMAGE, PAD, END = "<image>", "<pad>", "</s>"
# As the templates of hub models are: each part is written by its type.
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '</s>' }}{% endfor %}"
)
SIDE_PX, PATCH_PX = 32, 16


def tiny_processor() -> LlavaProcessor:
    """Letters as tokens, images of 32 x 32 as four."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token=PAD, eos_token=END)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    size = {"height": SIDE_PX, "width": SIDE_PX}
    images = CLIPImageProcessor(size=size, crop_size=size)
    return LlavaProcessor(
        images, tokenizer, patch_size=PATCH_PX, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        image_token=IMAGE, chat_template=TEMPLATE,
    )  # fmt: skip


def tiny_model(processor: Any) -> LlavaForConditionalGeneration:
    """Two layers of 32 numbers on either side."""
    torch.manual_seed(0)
    tokenizer = processor.tokenizer
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE_PX, patch_size=PATCH_PX, **sizes),
        text_config=LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=-1,
    )
    return LlavaForConditionalGeneration(config)


@pytest.fixture(scope="module")
def rows(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The data set as a user loads it."""
    return load_dataset(str(small), split="train", cache_dir=str(tmp_path_factory.mktemp("cache")))


def test_a_chat_template_takes_the_messages_as_they_are(rows: Any) -> None:
    """The image stands once, before the first question; questions and answers are all there."""
    row = rows[0]
    text = tiny_processor().apply_chat_template(row["messages"], tokenize=False)
    assert text.startswith(f"USER: {IMAGE}{row['pairs'][0]['question']}{END}ASSISTANT: {row['pairs'][0]['answer']}{END}USER: ")
    assert text.count(IMAGE) == 1
    assert all(pair["question"] in text and pair["answer"] in text for pair in row["pairs"])


def test_one_step_of_sft_changes_the_model(rows: Any, tmp_path: Path) -> None:
    """TRL's own collator and trainer on rows as they come: a finite loss, and both towers learn."""
    processor = tiny_processor()
    model = tiny_model(processor)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    options = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=2, learning_rate=0.01, max_length=None, use_cpu=True,
        bf16=False, report_to="none", save_strategy="no", disable_tqdm=True, seed=0,
    )  # fmt: skip
    trainer = SFTTrainer(model=model, args=options, train_dataset=rows, processing_class=processor)
    result = trainer.train()
    assert math.isfinite(result.training_loss)
    # Before it has learnt anything every letter is as likely as any other.
    assert abs(result.training_loss - math.log(len(processor.tokenizer))) < 1.0
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert any("vision_tower" in name for name in moved)
    assert any("language_model" in name for name in moved)
    assert any("multi_modal_projector" in name for name in moved)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
