"""Tiny captioners, as tiny_models: Florence-2, which can be made to write a given text, and a chat model that sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_models import byte_vocabulary, lively, save, vision_tower


def florence(folder: Path, seed: int = 0, says: str = "") -> Path:
    """Florence-2; with ``says`` (at most 60 tokens) it writes that, whatever it sees."""
    torch.manual_seed(seed)
    vocabulary = byte_vocabulary(("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
    tokenizer = transformers.BartTokenizer(
        vocab=vocabulary, merges=[], model_max_length=256, extra_special_tokens={"image_token": "<image>"}
    )
    tokenizer.add_tokens([f"<loc_{number}>" for number in range(1000)], special_tokens=True)
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 64,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 256,
    }
    vision = {
        "depths": [1, 1, 1, 1],
        "embed_dim": [8, 8, 16, 16],
        "num_heads": [1, 1, 2, 2],
        "num_groups": [1, 1, 2, 2],
        "window_size": 4,
        "projection_dim": 64,
    }
    config = transformers.Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.convert_tokens_to_ids("<image>")
    )
    images = transformers.CLIPImageProcessorPil(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False, image_seq_length=5
    )
    model = lively(transformers.Florence2ForConditionalGeneration(config))
    if says:
        plant_speech(model, [*tokenizer(says, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])
    return save(model, [transformers.Florence2Processor(images, tokenizer)], folder)


def plant_speech(model: Any, tokens: list[int]) -> None:
    """Make step t of the decoder write token t: only its position counts, and the words of that position point the same way."""
    decoder = model.model.language_model.decoder
    with torch.no_grad():
        for layer in decoder.layers:
            for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                part.weight.zero_()
                part.bias.zero_()
        decoder.embed_positions.weight.zero_()
        decoder.embed_tokens.weight.zero_()
        for step, token in enumerate(tokens):
            # BART's positions begin at 2.
            decoder.embed_positions.weight[step + 2, step] = 100.0
            decoder.embed_tokens.weight[token, step] += 1.2


CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def llava(folder: Path, seed: int = 0, chat_template: str | None = CHAT_TEMPLATE) -> Path:
    """A chat model that sees: LLaVA."""
    torch.manual_seed(seed)
    words = byte_vocabulary(("<unk>", "<s>", "</s>", "<pad>", "<image>"))
    tokenizer = transformers.Qwen2Tokenizer(
        vocab=words, merges=[], unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    text = {
        "model_type": "llama",
        "vocab_size": len(words),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
    }
    config = transformers.LlavaConfig(
        text_config=text,
        vision_config={"model_type": "clip_vision_model", **vision_tower(32, 16)},
        image_token_index=words["<image>"],
        vision_feature_layer=-1,
    )
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = transformers.LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=chat_template,
    )  # fmt: skip
    return save(lively(transformers.LlavaForConditionalGeneration(config)), [processor], folder)
