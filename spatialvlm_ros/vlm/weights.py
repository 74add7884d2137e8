"""The weights that come with this package: where they are, and that they are what was trained.

Never changes: a file is opened only after its SHA-256 is that of the list beside it, and only safetensors are opened at all.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ..perception.models.errors import ModelError, PickleOnlyError
from ..perception.models.weights import weight_files
from .interface import VlmError

#: The file in a model's folder that names its other files with their digests, as `sha256sum` writes and checks it.
CHECKSUMS = "SHA256SUMS"
#: Beside its weights, what a model of ours needs.
NEEDED = ("config.json", "model.safetensors")
_SHIPPED = Path(__file__).resolve().parents[1] / "models" / "embedded"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_CHUNK_BYTES = 1 << 20


class WeightsError(VlmError):
    """Weights that cannot be used; the text says what to do."""


class MissingWeightsError(WeightsError):
    """There are none, or a file beside them is missing."""


class WrongHashError(WeightsError):
    """A file is not the one that was trained: cut off, changed, or of another version."""


class PickleWeightsError(WeightsError):
    """Weights come as a pickle, which runs code when it is opened."""


@dataclass(frozen=True)
class CheckedWeights:
    """A folder whose files are what they should be. ``sha256`` (hex) is of all its files' digests, the model's version."""

    folder: Path
    sha256: str


def shipped_folder() -> Path:
    """Where the weights of this package are installed. They may be missing; ``check_weights`` tells."""
    return _SHIPPED


def check_weights(folder: Path | None = None) -> CheckedWeights:
    """Check the files of a model of ours.

    Args:
        folder: of the model; None for the one that comes with this package.

    Raises:
        MissingWeightsError: the folder, its weights, its checksums or a file that they name is missing.
        PickleWeightsError: its weights are a pickle.
        WrongHashError: a file's digest differs.
    """
    place = _SHIPPED if folder is None else folder
    if not place.is_dir():
        raise MissingWeightsError(f"there is no model at {place}; {_cure(folder)}")
    try:
        weight_files(place)
    except PickleOnlyError as error:
        raise PickleWeightsError(str(error)) from error
    except ModelError as error:
        raise MissingWeightsError(f"{error}; {_cure(folder)}") from error
    listed = _listed(place, folder)
    for name, expected in listed.items():
        if not (place / name).is_file():
            raise MissingWeightsError(f"{place} lacks {name}, which its {CHECKSUMS} names; {_cure(folder)}")
        found = file_sha256(place / name)
        if found != expected:
            raise WrongHashError(f"{place / name} has SHA-256 {found[:12]}..., expected {expected[:12]}...; {_cure(folder)}")
    total = hashlib.sha256("".join(f"{name} {value}\n" for name, value in sorted(listed.items())).encode())
    return CheckedWeights(place, total.hexdigest())


def _listed(place: Path, folder: Path | None) -> dict[str, str]:
    """Names and digests of the checksums' file."""
    path = place / CHECKSUMS
    if not path.is_file():
        raise MissingWeightsError(f"{place} has no {CHECKSUMS}, so nobody knows whether its weights are whole; {_cure(folder)}")
    matches = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    listed = {found[2]: found[1] for found in matches if found is not None}
    outside = [name for name in listed if Path(name).name != name]
    absent = [name for name in NEEDED if name not in listed]
    if None in matches or outside or absent:
        problem = f"no digest of {absent[0]}" if absent else "lines that are none of sha256sum"
        raise WrongHashError(f"{path} holds {problem}; {_cure(folder)}")
    return listed


def write_checksums(folder: Path) -> None:
    """Write the digests of all files of a model's folder into it."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != CHECKSUMS and path.suffix != ".md")
    text = "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            total.update(chunk)
    return total.hexdigest()


def _cure(folder: Path | None) -> str:
    if folder is None:
        return "install the package again (a clone needs all files of spatialvlm_ros/models), or train one: make train-embedded"
    return "copy the folder again, or train one: make train-embedded"
