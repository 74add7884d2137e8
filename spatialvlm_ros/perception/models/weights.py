"""Where a model lies on disk, that its weights are safe to open, and their digest.

Never changes: only safetensors are opened, because a pickle runs code; no code of a model's folder is run or fetched; nothing
is downloaded unless the caller allowed it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import BrokenWeightsError, ModelNotFoundError, ModelPackageError, PickleOnlyError

_HUB_ID_RE = re.compile(r"[\w.-]+/[\w.-]+")
_INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Neither pickles nor Python files, and nothing of subfolders (other formats, other precisions).
_FETCHED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
_NOT_FETCHED = ["*/*"]
# What besides the weights decides about the output.
_SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja")
_CHUNK_BYTES = 1 << 20


def model_folder(path_or_id: str | Path, *, revision: str | None = None, allow_download: bool = False) -> Path:
    """The folder of a model, given its path or an id on the Hugging Face hub ("owner/name").

    An id is looked up in the hub's cache on this machine; without ``allow_download`` nothing else happens.

    Raises:
        ModelNotFoundError: no such folder, or no such id here (or, with ``allow_download``, on the hub).
        ModelPackageError: an id is given and huggingface_hub is not installed.
    """
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        return path
    name = str(path_or_id)
    if path.exists():
        raise ModelNotFoundError(f"{name} is a file; give the folder that holds config.json and the weights")
    if not is_hub_id(name):
        raise ModelNotFoundError(f"no model at {name!r}: there is no such folder, and it is no id of the form owner/name")
    return _snapshot(name, revision, allow_download)


def is_hub_id(path_or_id: str | Path) -> bool:
    """Whether it reads as owner/name and is no folder or file here."""
    path = Path(path_or_id).expanduser()
    return bool(_HUB_ID_RE.fullmatch(str(path_or_id))) and not path.exists() and not str(path_or_id).startswith(".")


def _snapshot(name: str, revision: str | None, allow_download: bool) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ModelPackageError("ids of the hub need 'huggingface_hub': pip install 'spatialvlm_ros[model]'") from error
    try:
        folder = huggingface_hub.snapshot_download(
            name,
            revision=revision,
            local_files_only=not allow_download,
            allow_patterns=_FETCHED,
            ignore_patterns=_NOT_FETCHED,
        )
    # The hub's client, its HTTP library and the file system each have errors of their own; none tells more than its text.
    except Exception as error:
        if not allow_download:
            cure = "give a folder, or allow the download"
            raise ModelNotFoundError(f"model {name!r} is neither a folder nor in the hub's cache here; {cure}") from error
        raise ModelNotFoundError(f"model {name!r} could not be fetched from the hub: {error}") from error
    return Path(folder)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a model. Raises BrokenWeightsError when it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenWeightsError(f"{path} cannot be read ({error}); copy the model's folder again") from error
    if not isinstance(value, dict):
        raise BrokenWeightsError(f"{path} holds no JSON object; copy the model's folder again")
    return value


def model_type(folder: Path) -> str:
    """What kind of model config.json says it is.

    Raises:
        ModelNotFoundError: there is no such file.
        BrokenWeightsError: it cannot be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelNotFoundError(f"{folder} has no config.json, so it is no model's folder")
    return str(read_json(path).get("model_type", ""))


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files of weights, in order of their names.

    Raises:
        PickleOnlyError: there are only pickles.
        ModelNotFoundError: there are none.
        BrokenWeightsError: the index names files that are missing.
    """
    if (folder / _INDEX).is_file():
        names = set(map(str, dict(read_json(folder / _INDEX).get("weight_map", {})).values()))
        missing = sorted(name for name in names if not (folder / name).is_file())
        if missing:
            raise BrokenWeightsError(f"{folder} lacks {len(missing)} of {len(names)} files of weights, the first is {missing[0]}")
        if names:
            return tuple(sorted(folder / name for name in names))
    if (folder / "model.safetensors").is_file():
        return (folder / "model.safetensors",)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise PickleOnlyError(
            f"{folder} holds its weights only as a pickle ({pickles[0]}), which could run any code; "
            "use a revision with model.safetensors, or convert it on a machine that you can spare"
        )
    raise ModelNotFoundError(f"{folder} holds no weights: model.safetensors or {_INDEX} was expected")


def digest(folder: Path) -> str:
    """SHA-256, hex, over names and contents of the weights and of all settings beside them."""
    settings = {path for pattern in _SETTINGS for path in folder.glob(pattern) if path.is_file()}
    return digest_of_files(sorted({*weight_files(folder), *settings}))


def digest_of_files(paths: Iterable[Path]) -> str:
    """SHA-256, hex, over names and contents of files, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        one = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                one.update(chunk)
        total.update(f"{path.name}\x1f{one.hexdigest()}\x1e".encode())
    return total.hexdigest()
