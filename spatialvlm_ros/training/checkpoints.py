"""Checkpoints of transformers' trainer without a pickle: tensors as safetensors, everything else as JSON.

A checkpoint is whole when ``trainer_state.json`` is there, which is written last. Runs of many processes keep the files of
the libraries that they run on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

OPTIMIZER, OPTIMIZER_STATE, RANDOM, SCHEDULER = "optimizer.safetensors", "optimizer.json", "random.json", "scheduler.json"
_STATE = "trainer_state.json"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder, None for none."""
    found = {
        int(path.name.rsplit("-", 1)[1]): path
        for path in folder.glob("checkpoint-*")
        if path.name.rsplit("-", 1)[1].isdigit() and (path / _STATE).is_file()
    }
    return found[max(found)] if found else None


def save_optimizer(optimizer: Any, folder: Path) -> None:
    """Tensors of a torch optimiser's state as ``NUMBER.NAME``, its groups and plain numbers as JSON."""
    from safetensors.torch import save_file

    content = optimizer.state_dict()
    tensors, plain = {}, {}
    for number, state in content["state"].items():
        for name, value in state.items():
            if hasattr(value, "detach"):
                tensors[f"{number}.{name}"] = value.detach().contiguous()
            else:
                plain[f"{number}.{name}"] = value
    save_file(tensors, folder / OPTIMIZER)
    _write(folder / OPTIMIZER_STATE, {"groups": content["param_groups"], "plain": plain})


def load_optimizer(optimizer: Any, folder: Path) -> None:
    """Undo ``save_optimizer``. Raises OSError or ValueError for files that are broken or of another optimiser."""
    from safetensors.torch import load_file

    rest = _read(folder / OPTIMIZER_STATE)
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**load_file(folder / OPTIMIZER), **rest["plain"]}.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})


def load_weights(model: Any, folder: Path) -> None:
    """Weights of a folder that ``save_pretrained`` wrote into a model of that class. Raises RuntimeError when any is missing."""
    saved = type(model).from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=model.dtype)
    model.load_state_dict(saved.state_dict())


def save_random(folder: Path) -> None:
    """States of Python's, NumPy's and torch's generators."""
    import torch

    version, numbers, gauss = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - the trainer draws from it
    content = {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), place, has_gauss, cached],
        "torch": torch.random.get_rng_state().tolist(),
        "cuda": [state.tolist() for state in torch.cuda.random.get_rng_state_all()] if torch.cuda.is_available() else [],
    }
    _write(folder / RANDOM, content)


def load_random(folder: Path) -> None:
    """Undo ``save_random``."""
    import torch

    content = _read(folder / RANDOM)
    version, numbers, gauss = content["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, place, has_gauss, cached = content["numpy"]
    np.random.set_state((kind, np.asarray(keys, np.uint32), place, has_gauss, cached))  # noqa: NPY002
    torch.random.set_rng_state(torch.tensor(content["torch"], dtype=torch.uint8))
    if torch.cuda.is_available() and len(content["cuda"]) == torch.cuda.device_count():
        torch.cuda.random.set_rng_state_all([torch.tensor(state, dtype=torch.uint8) for state in content["cuda"]])


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def trainer_class() -> Any:
    """TRL's SFTTrainer with such checkpoints. A function, because the base class brings torch."""
    from trl import SFTTrainer

    # The names are transformers' own; a test makes sure that no pickle is left, should they change.
    class SafeTrainer(SFTTrainer):  # type: ignore[misc]
        @property
        def _is_plain(self) -> bool:
            return self.args.world_size <= 1 and not (self.is_deepspeed_enabled or self.is_fsdp_enabled)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            super()._save(output_dir, state_dict)
            (Path(output_dir or self.args.output_dir) / "training_args.bin").unlink(missing_ok=True)

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            if not self._is_plain or hasattr(self.model, "peft_config"):
                super()._load_from_checkpoint(resume_from_checkpoint, model)
                return
            # The trainer reads tensors by their names in the file, which for some classes are not those in memory: it then
            # warns, and goes on with the weights that it began with.
            load_weights(self.model, Path(resume_from_checkpoint))

        def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
            if not self._is_plain:
                super()._save_optimizer_and_scheduler(output_dir)
                return
            save_optimizer(self.optimizer, Path(output_dir))
            _write(Path(output_dir) / SCHEDULER, self.lr_scheduler.state_dict())

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if not self._is_plain or checkpoint is None:
                super()._load_optimizer_and_scheduler(checkpoint)
                return
            load_optimizer(self.optimizer, Path(checkpoint))
            self.lr_scheduler.load_state_dict(_read(Path(checkpoint) / SCHEDULER))

        def _save_rng_state(self, output_dir: str) -> None:
            if self._is_plain:
                save_random(Path(output_dir))
            else:
                super()._save_rng_state(output_dir)

        def _load_rng_state(self, checkpoint: str | None) -> None:
            if self._is_plain and checkpoint is not None:
                load_random(Path(checkpoint))
            else:
                super()._load_rng_state(checkpoint)

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """The card is written at the end, with what this run knows."""

    return SafeTrainer
