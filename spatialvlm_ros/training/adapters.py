"""Which parameters of a model learn: all, all but the vision encoder, or low-rank adapters beside its linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FULL, LORA = "full", "lora"
METHODS = (LORA, FULL)


class AdapterError(ValueError):
    """A model that cannot be trained as asked. The text says why and what to do."""


@dataclass(frozen=True)
class LoraOptions:
    """Low-rank adapters (Hu et al., 2021): W + (alpha / rank) B A.

    Attributes:
        dropout: on the adapters' input, in [0, 1).
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05

    def __post_init__(self) -> None:
        if not (self.rank >= 1 and self.alpha >= 1 and 0 <= self.dropout < 1):
            raise ValueError(f"LoRA rank {self.rank} and alpha {self.alpha} must be from 1 up, dropout {self.dropout} in [0, 1)")


def vision_prefix(model: Any) -> str:
    """Name of the module that encodes images ("model.vision_tower"); "" when it cannot be told."""
    encoder = model.get_encoder(modality="image")
    if encoder is model or encoder is model.base_model:
        return ""
    return next((name for name, module in model.named_modules() if module is encoder), "")


def prepare_full(model: Any, *, freeze_vision: bool) -> Any:
    """All parameters learn, but for those of the vision encoder when it is frozen."""
    frozen = _frozen_prefix(model) if freeze_vision else None
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(frozen is None or not name.startswith(f"{frozen}."))
    return model


def prepare_lora(model: Any, options: LoraOptions, *, freeze_vision: bool, base: str, revision: str = "") -> Any:
    """The model with adapters at all linear layers but the output's, and the vision encoder's when it is frozen.

    Args:
        base: what the adapter's folder will name as its base: a path, or an id with its ``revision``.

    Raises:
        ImportError: peft is not installed.
        AdapterError: there is nothing to put adapters on.
    """
    try:
        import peft
    except ImportError as error:
        raise ImportError("LoRA needs the package 'peft': pip install 'spatialvlm_ros[train]', or --method full") from error
    targets = linear_layers(model, without=_frozen_prefix(model) if freeze_vision else None)
    config = peft.LoraConfig(
        r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, target_modules=targets, bias="none",
        base_model_name_or_path=base, revision=revision or None,
    )  # fmt: skip
    adapted = peft.get_peft_model(model, config)
    # peft puts the path that the weights were read from there, which for an id is a folder of the hub's cache.
    adapted.peft_config["default"].base_model_name_or_path = base
    return adapted


def linear_layers(model: Any, *, without: str | None) -> list[str]:
    """Full names of the linear layers, but for the output's and those below ``without``. Raises AdapterError for none."""
    import torch

    head = model.get_output_embeddings()
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and not (without and name.startswith(f"{without}."))
    ]
    if not found:
        raise AdapterError(f"{type(model).__name__} has no linear layers for adapters; use --method full")
    return found


def _frozen_prefix(model: Any) -> str:
    prefix = vision_prefix(model)
    if not prefix:
        raise AdapterError(
            f"which part of {type(model).__name__} encodes images cannot be told, so it cannot be frozen: give --vision trained"
        )
    return prefix


def counts(model: Any) -> dict[str, int]:
    """How many parameters there are and how many learn."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {"parameters": sum(size for size, _ in sizes), "trained": sum(size for size, learns in sizes if learns)}
