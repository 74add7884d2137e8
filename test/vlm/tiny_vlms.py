"""Tiny vision-language models of five hub classes, saved as people publish them, which say what a test plants in them.

Attention and the layers behind it are switched off, so that each word follows from the one before: the last one of every prompt
is followed by one of the planted answers, each a single token of the vocabulary, and that by the end. What is real: classes,
processors, templates, picture features, batching, caches. What is not: that the answer has to do with the picture.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_models import byte_vocabulary, lively, save, vision_tower

torch.set_num_threads(1)
HIDDEN = 32
TEXT = {
    "hidden_size": HIDDEN,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def plant(model: Any, last: int, answers: Sequence[int], end: int, yes: Sequence[int] = ()) -> None:
    """Behind the token ``last`` come the ``answers``, equally likely, then ``end``; of single words ``yes`` are likeliest."""
    language = model.model.language_model if hasattr(model.model, "language_model") else model.model.text_model
    with torch.no_grad():
        for layer in language.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        words, head = language.embed_tokens.weight, model.get_output_embeddings().weight
        words.zero_()
        words[:, 0] = 1.0
        head.zero_()
        # As many equal entries as make the norm of the last layer leave them as they are.
        for token, place in [(last, 1), *((answer, 2) for answer in answers)]:
            words[token] = 0.0
            words[token, place] = 1.0
        for answer in answers:
            head[answer, 1] = 10.0
        for token in yes:
            head[token, 1] = 2.0
        head[end, 2] = 10.0
        head[end, 0] = 10.0


def _tokenizer(special: Sequence[str], answers: Sequence[str], end: str) -> Any:
    words = byte_vocabulary(tuple(dict.fromkeys(("<unk>", "<s>", end, "<pad>", *special))))
    tokenizer = transformers.Qwen2Tokenizer(
        vocab=words, merges=[], unk_token="<unk>", bos_token="<s>", eos_token=end, pad_token="<pad>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.add_tokens(list(answers))
    return tokenizer


def _finish(model: Any, processor: Any, answers: Sequence[str], last: str, folder: Path) -> Path:
    tokenizer = processor.tokenizer
    one = [tokenizer.convert_tokens_to_ids(answer) for answer in answers]
    last_id = tokenizer(last, add_special_tokens=False)["input_ids"][-1]
    plant(model, last_id, one, tokenizer.eos_token_id, tokenizer("Yes", add_special_tokens=False)["input_ids"][:1])
    return save(model, [processor], folder)


def _ids(tokenizer: Any) -> dict[str, int]:
    return {
        "vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip


def qwen2_vl(folder: Path, answers: Sequence[str], version: int = 2, template: bool = True) -> Path:
    """Qwen2-VL, or Qwen2.5-VL with ``version`` 25. Its processor for videos needs torchvision and is left out, as it is read."""
    from spatialvlm_ros.perception.models.pictures_only import _without_videos

    torch.manual_seed(0)
    special = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = _tokenizer(special, answers, "<|im_end|>")
    of = tokenizer.convert_tokens_to_ids
    text = {**TEXT, **_ids(tokenizer), "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}}
    tokens = {
        "image_token_id": of("<|image_pad|>"), "video_token_id": of("<|video_pad|>"),
        "vision_start_token_id": of("<|vision_start|>"), "vision_end_token_id": of("<|vision_end|>"),
    }  # fmt: skip
    patches = {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_heads": 2, "depth": 1}
    if version == 2:
        vision: dict[str, Any] = {**patches, "embed_dim": 16, "hidden_size": HIDDEN, "mlp_ratio": 2}
        config = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **tokens)
        model, kind = transformers.Qwen2VLForConditionalGeneration(config), transformers.Qwen2VLProcessor
    else:
        vision = {**patches, "hidden_size": 16, "out_hidden_size": HIDDEN, "intermediate_size": 16, "fullatt_block_indexes": [0]}
        config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **tokens)
        model, kind = transformers.Qwen2_5_VLForConditionalGeneration(config), transformers.Qwen2_5_VLProcessor
    images = transformers.Qwen2VLImageProcessorPil(patch_size=14, merge_size=2)
    chat = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    processor = _without_videos(kind)(images, tokenizer, chat_template=chat if template else None)
    return _finish(lively(model), processor, answers, ":", folder)


def llava(folder: Path, answers: Sequence[str]) -> Path:
    torch.manual_seed(0)
    tokenizer = _tokenizer(("<image>",), answers, "</s>")
    config = transformers.LlavaConfig(
        text_config={"model_type": "llama", **TEXT, **_ids(tokenizer)},
        vision_config={"model_type": "clip_vision_model", **vision_tower(32, 16)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = transformers.LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )  # fmt: skip
    return _finish(lively(transformers.LlavaForConditionalGeneration(config)), processor, answers, ":", folder)


def paligemma(folder: Path, answers: Sequence[str]) -> Path:
    torch.manual_seed(0)
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
    letters = ["▁", "\n", *string.printable.replace("\n", ""), *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = transformers.GemmaTokenizer(vocab=special | {letter: 5 + i for i, letter in enumerate(letters)}, merges=[])
    images = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    images.image_seq_length = 16
    tokenizer.add_tokens(list(answers))
    processor = transformers.PaliGemmaProcessor(images, tokenizer)
    config = transformers.PaliGemmaConfig(
        text_config={"model_type": "gemma", **TEXT, "head_dim": 16, "tie_word_embeddings": False, **_ids(tokenizer)},
        vision_config={"model_type": "siglip_vision_model", **vision_tower(32, 8), "projection_dim": HIDDEN},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=HIDDEN,
        tie_word_embeddings=False,
    )
    return _finish(lively(transformers.PaliGemmaForConditionalGeneration(config)), processor, answers, "\n", folder)


def idefics3(folder: Path, answers: Sequence[str]) -> Path:
    torch.manual_seed(0)
    tokenizer = _tokenizer(("<fake_token_around_image>", "<image>", "<end_of_utterance>"), answers, "</s>")
    images = transformers.Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = transformers.Idefics3Processor(
        images, tokenizer, image_seq_len=4, chat_template=TEMPLATE.replace("IMAGE", "<image>")
    )
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **TEXT, **_ids(processor.tokenizer)},
        vision_config={"model_type": "idefics3_vision", **vision_tower(32, 8)},
        image_token_id=processor.tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return _finish(lively(transformers.Idefics3ForConditionalGeneration(config)), processor, answers, ":", folder)


MAKERS: dict[str, Callable[..., Path]] = {"qwen2_vl": qwen2_vl, "llava": llava, "paligemma": paligemma, "idefics3": idefics3}
