"""Tiny vision models of the real classes, from configs, with random weights and their real processors, saved to a folder.

What they say means nothing; shapes, units, ranges, batching and errors are those of the models that people use.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

# Torch starts a thread a core otherwise, and so does every other test process.
torch.set_num_threads(1)

BERT_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "red", "blue", "cup", "bowl", "wooden", "spoon")


def save(model: Any, processors: list[Any], folder: Path) -> Path:
    """Write model and processors to ``folder`` as people publish them, and return it."""
    model.eval().save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)
    return folder


def lively(model: Any) -> Any:
    """Random weights of the size that keeps signals alive: with the usual small ones all pictures look the same."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                torch.nn.init.kaiming_normal_(parameter)
    return model


def byte_vocabulary(special: tuple[str, ...], end_of_word: str = "") -> dict[str, int]:
    """A byte-level vocabulary without merges: every text can be written in it."""
    letters = list(bytes_to_unicode().values())
    words = [*special, *letters, *([letter + end_of_word for letter in letters] if end_of_word else [])]
    return {word: number for number, word in enumerate(words)}


def clip_tokenizer(length: int = 77) -> Any:
    vocabulary = byte_vocabulary((), "</w>")
    vocabulary |= {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def text_tower(tokenizer: Any, length: int = 77) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def vision_tower(size: int = 32, patch: int = 8) -> dict[str, Any]:
    return {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": size,
        "patch_size": patch,
    }


def clip(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    tokenizer = clip_tokenizer()
    config = transformers.CLIPConfig(text_config=text_tower(tokenizer), vision_config=vision_tower(), projection_dim=16)
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return save(transformers.CLIPModel(config), [transformers.CLIPProcessor(images, tokenizer)], folder)


def siglip(folder: Path, seed: int = 0) -> Path:
    """SigLIP 2 of a fixed size: its tokenizer is Gemma's; that of SigLIP 1 needs sentencepiece."""
    torch.manual_seed(seed)
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
    letters = ["▁", *string.ascii_letters, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = transformers.GemmaTokenizer(vocab=special | {letter: 5 + i for i, letter in enumerate(letters)}, merges=[])
    tower = {**text_tower(tokenizer, 64), "projection_size": 16}
    config = transformers.SiglipConfig(text_config=tower, vision_config=vision_tower())
    images = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return save(transformers.SiglipModel(config), [transformers.SiglipProcessor(images, tokenizer)], folder)


def owlv2(folder: Path, seed: int = 0, version: int = 2) -> Path:
    """OWLv2, or OWL-ViT with ``version`` 1."""
    torch.manual_seed(seed)
    tokenizer = clip_tokenizer(16)
    config_class, model_class, image_class, processor_class = (
        (
            transformers.Owlv2Config,
            transformers.Owlv2ForObjectDetection,
            transformers.Owlv2ImageProcessorPil,
            transformers.Owlv2Processor,
        )
        if version == 2
        else (
            transformers.OwlViTConfig,
            transformers.OwlViTForObjectDetection,
            transformers.OwlViTImageProcessorPil,
            transformers.OwlViTProcessor,
        )
    )
    config = config_class(text_config=text_tower(tokenizer, 16), vision_config=vision_tower(48, 16), projection_dim=16)
    images = image_class(size={"height": 48, "width": 48})
    return save(model_class(config), [processor_class(images, tokenizer)], folder)


def grounding_dino(folder: Path, seed: int = 0, kind: str = "grounding-dino") -> Path:
    """Grounding DINO, or MM Grounding DINO with ``kind`` "mm-grounding-dino"."""
    torch.manual_seed(seed)
    tokenizer = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(BERT_WORDS)}, model_max_length=512)
    backbone = {
        "model_type": "swin",
        "image_size": 64,
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": 2,
        "out_indices": [2, 3, 4],
    }
    text = {
        "model_type": "bert",
        "vocab_size": len(BERT_WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    config_class, model_class = (
        (transformers.GroundingDinoConfig, transformers.GroundingDinoForObjectDetection)
        if kind == "grounding-dino"
        else (transformers.MMGroundingDinoConfig, transformers.MMGroundingDinoForObjectDetection)
    )
    config = config_class(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=9,
        max_text_len=32,
    )
    images = transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})
    return save(model_class(config), [transformers.GroundingDinoProcessor(images, tokenizer)], folder)


def sam(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "initializer_range": 0.02,
    }
    prompt = {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    config = transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    images = transformers.SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    return save(transformers.SamModel(config), [transformers.SamProcessor(images)], folder)


def depth_anything(folder: Path, seed: int = 0, kind: str = "metric", max_depth: int = 20) -> Path:
    torch.manual_seed(seed)
    backbone = {
        "model_type": "dinov2",
        "image_size": 28,
        "patch_size": 14,
        "hidden_size": 12,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    }
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=12,
        neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=max_depth,
    )
    images = transformers.DPTImageProcessorPil(size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return save(lively(transformers.DepthAnythingForDepthEstimation(config)), [images], folder)


def zoedepth(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    backbone = {
        "model_type": "beit",
        "image_size": 32,
        "patch_size": 16,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "use_relative_position_bias": True,
        "reshape_hidden_states": False,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_attractors=[4, 2, 1, 1],
        bin_embedding_dim=8,
        num_relative_features=4,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )
    images = transformers.ZoeDepthImageProcessorPil(size={"height": 64, "width": 64}, ensure_multiple_of=32)
    return save(lively(transformers.ZoeDepthForDepthEstimation(config)), [images], folder)


def depth_pro(folder: Path, seed: int = 0, with_fov: bool = True) -> Path:
    """DepthPro. Its processor exists for torchvision alone, so the settings are written as the published folder has them."""
    torch.manual_seed(seed)
    encoder = {
        "model_type": "dinov2",
        "image_size": 16,
        "patch_size": 8,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "use_mask_token": False,
    }
    config = transformers.DepthProConfig(
        patch_size=16,
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        fusion_hidden_size=8,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.5],
        scaled_images_feature_dims=[8, 8],
        merge_padding_value=1,
        use_fov_model=with_fov,
    )
    save(transformers.DepthProForDepthEstimation(config), [], folder)
    settings = {
        "image_processor_type": "DepthProImageProcessor",
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": 32, "width": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def sam2(folder: Path, seed: int = 0) -> Path:
    """SAM 2; its processor exists for torchvision alone, as that of DepthPro."""
    torch.manual_seed(seed)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "image_size": [64, 64],
        "hidden_size": 8,
        "blocks_per_stage": [1, 2, 2, 1],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [4],
        "window_positional_embedding_background_size": [2, 2],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [32, 24, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )
    save(transformers.Sam2Model(config), [], folder)
    settings = {
        "image_processor": {
            "image_processor_type": "Sam2ImageProcessorFast",
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "mask_size": {"height": 16, "width": 16},
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": 64, "width": 64},
        },
        "processor_class": "Sam2Processor",
        "target_size": 64,
    }
    (folder / "processor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def sam2_video(folder: Path, seed: int = 0) -> Path:
    """As SAM 2 is published: a model of videos, with two files of settings."""
    pictures = json.loads((sam2(folder, seed) / "config.json").read_text(encoding="utf-8"))
    parts = {name: pictures[f"{name}_config"] for name in ("vision", "prompt_encoder", "mask_decoder")}
    config = transformers.Sam2VideoConfig(
        **{
            f"{name}_config": {k: v for k, v in part.items() if k != "model_type"}
            for name, part in parts.items()
            if name != "vision"
        },
        vision_config=parts["vision"],
        image_size=64,
        memory_attention_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
    )
    torch.manual_seed(seed)
    save(transformers.Sam2VideoModel(config), [], folder)
    settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    (folder / "preprocessor_config.json").write_text(json.dumps(settings.pop("image_processor")), encoding="utf-8")
    (folder / "processor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
