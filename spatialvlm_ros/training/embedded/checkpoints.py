"""Checkpoints of trainings as safetensors and JSON: networks, the state of AdamW, and where the training stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_TENSORS, _STATE = "checkpoint.safetensors", "state.json"


class CheckpointError(RuntimeError):
    """A checkpoint that is not there or does not fit. The text says which and what to do."""


def save_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, state: Mapping[str, Any]
) -> None:
    """Write ``folder``, replacing what is there; a crash in between leaves the old tensors with the old state or neither."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value).cpu().contiguous() for key, value in values.items()}
    partial = folder / f".{_TENSORS}"
    # Which state the tensors belong to stands in both files.
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, partial, {"step": str(state.get("step", ""))})
    (folder / f".{_STATE}").write_text(json.dumps(state), encoding="utf-8")
    partial.replace(folder / _TENSORS)
    (folder / f".{_STATE}").replace(folder / _STATE)


def load_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer | None = None
) -> dict[str, Any]:
    """Fill modules and optimiser from ``folder``; what ``state`` was when it was written.

    Raises:
        CheckpointError: there is none, its two files are of different steps, or it is of other networks.
    """
    from safetensors import safe_open

    if not ((folder / _TENSORS).is_file() and (folder / _STATE).is_file()):
        raise CheckpointError(f"{folder} holds no checkpoint ({_TENSORS} and {_STATE}); start from scratch or name another")
    state: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    with safe_open(folder / _TENSORS, framework="pt") as file:
        written = (file.metadata() or {}).get("step", "")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    if written != str(state.get("step", "")):
        raise CheckpointError(f"{folder}: tensors are of step {written}, the state is of {state.get('step')}; it was cut off")
    for name, module in modules.items():
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            raise CheckpointError(f"{folder} is a checkpoint of another network: {error}") from error
    if optimizer is not None:
        _fill_optimizer(optimizer, tensors)
    return state


def _fill_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    present = optimizer.state_dict()
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            found.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": found, "param_groups": present["param_groups"]})
