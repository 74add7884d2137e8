"""Small untrained chat models of the real classes with their real processors, saved to a folder as people publish them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

# Torch starts a thread a core otherwise, and so does every other test process.
torch.set_num_threads(1)

# As the templates of hub models are: each part is written by its type, nothing marks what the assistant says.
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}"
)
IDEFICS_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>System: You help."
    "<end_of_utterance>\n{% endif %}{{ message['role'] | capitalize }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def letters(special: tuple[str, ...], end: str) -> Any:
    """A tokenizer of bytes, with ``special`` words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token=end)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def llava(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Images of 32 x 32 as four tokens."""
    tokenizer = letters(("<image>",), "</s>")
    size = {"height": 32, "width": 32}
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessorPil(size=size, crop_size=size), tokenizer, patch_size=16, image_token="<image>",
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=template,
    )  # fmt: skip
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(image_size=32, patch_size=16, **SIZES),
        text_config=transformers.LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SIZES),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    return _saved(transformers.LlavaForConditionalGeneration(config), processor, folder)


def idefics(folder: Path) -> Path:
    """Idefics3, which cuts an image into parts: each takes nine tokens and marks around them."""
    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<|im_start|>")
    grid = tuple(f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6))
    tokenizer = letters((*marks, *grid), "<end_of_utterance>")
    images = transformers.Idefics3ImageProcessorPil(size={"longest_edge": 96}, max_image_size={"longest_edge": 48})
    processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=9, chat_template=IDEFICS_TEMPLATE)
    torch.manual_seed(0)
    config = transformers.Idefics3Config(
        vision_config={**SIZES, "image_size": 48, "patch_size": 8},
        text_config=transformers.LlamaConfig(
            vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, max_position_embeddings=4096, **SIZES
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return _saved(transformers.Idefics3ForConditionalGeneration(config), processor, folder)


def _saved(model: Any, processor: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
