"""Tables of numbers that come with the package: JSON beside its SHA256SUMS, an entry a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def shipped_text(folder: Path, file: str) -> str:
    """What a file of this package holds. Raises ValueError where it is not the one of its SHA256SUMS."""
    data = (folder / file).read_bytes()
    known = (folder / "SHA256SUMS").read_text(encoding="utf-8").split()[0]
    if hashlib.sha256(data).hexdigest() != known:
        raise ValueError(f"{folder / file} is not the file of its SHA256SUMS: install the package again")
    return data.decode()


def an_entry_a_line(entries: Mapping[str, object]) -> str:
    """JSON of which differences can be read."""
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in entries.items()) + "\n}\n"


def write_shipped(folder: Path, file: str, text: str) -> None:
    """A file that ``shipped_text`` reads, with its SHA256SUMS; the folder is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    (folder / file).write_bytes(data)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  {file}\n", encoding="utf-8")
