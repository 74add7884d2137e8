"""Opens a bag, whole or broken. What is lost of a broken one is said; nothing on the disk is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .bag_files import bag_files
from .bag_reader import BagError, BagReader, fallback_types
from .label_salvage_db3 import DamagedDb3
from .label_salvage_mcap import salvage_mcap
from .label_salvage_ros1 import salvage_ros1

_SUFFIXES = (".mcap", ".db3", ".bag")


def open_bag(path: Path) -> tuple[BagReader, list[str]]:
    """A reader, and sentences on what is lost.

    Raises FileNotFoundError, or BagError for what is no bag or holds no whole message.
    """
    _check_alone(path)
    cut = [file for file in bag_files(path) if file.suffix == ".db3" and _is_cut(file)]
    try:
        # SQLite opens a file that lacks pages, and fails in the midst of reading.
        if not cut:
            return BagReader(path), []
        problem = f"{cut[0]} is shorter than its header says"
    except BagError as error:
        problem = str(error)
    files = [file for file in bag_files(path) if file.suffix in _SUFFIXES]
    if not files:
        raise BagError(f"{path} holds no file that ends in {', '.join(_SUFFIXES)}; give a bag")
    _check_one_recording(path, files)
    parts, losses = [], []
    for file in files:
        part, loss = _open_part(file)
        if part is not None:
            parts.append(part)
        if loss:
            losses.append(f"{file.name}: {loss}")
    if not parts:
        raise BagError(f"{path} cannot be read as a bag: {problem} ({'; '.join(losses)})")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        losses.append("metadata.yaml is missing: the recorder did not end well")
    try:
        return BagReader(path, source=_combined(parts)), losses
    except BagError as error:
        raise BagError(f"{problem}; nor could it be repaired: {error}") from error


def _check_alone(path: Path) -> None:
    """Raises BagError for a file of a compressed rosbag2 folder: how it is compressed stands in the metadata.yaml alone."""
    about = path.parent / "metadata.yaml"
    if not path.is_file() or not about.is_file():
        return
    told = re.search(r"compression_mode:[ \"']*(\w+)", about.read_text(encoding="utf-8", errors="replace"))
    mode = told[1].lower() if told else ""
    if mode == "message" or (mode == "file" and path.suffix == ".zstd"):
        raise BagError(f"{path} is compressed (mode {mode}), and only the metadata.yaml beside it tells how: give its folder")


def _check_one_recording(path: Path, files: Sequence[Path]) -> None:
    """Raises BagError for a folder of several recordings: read as one, its episodes would run into each other."""
    if len(files) < 2 or (path / "metadata.yaml").is_file():
        return
    # rosbag2 names the parts of a recording after its folder.
    if all(re.fullmatch(rf"{re.escape(path.resolve().name)}_\d+", file.stem) for file in files):
        return
    name = path.resolve().name
    raise BagError(
        f"{path} holds {len(files)} recordings ({files[0].name}, {files[1].name} ...) and no metadata.yaml that makes them one: "
        f"give each by its name, as {path}/*{files[0].suffix}; parts of one recording are named {name}_0{files[0].suffix}, "
        f"{name}_1{files[0].suffix} ..."
    )


def _open_part(file: Path) -> tuple[Any, str]:
    """What stands for one file of a bag, or None; and what of it is lost."""
    try:
        if file.suffix == ".db3" and _is_cut(file):
            damaged = DamagedDb3(file)
            return damaged, damaged.loss
        try:
            BagReader(file).close()
            return file, ""
        except BagError:
            if file.suffix == ".db3":
                damaged = DamagedDb3(file)
                return damaged, damaged.loss
        return salvage_mcap(file) if file.suffix == ".mcap" else salvage_ros1(file)
    except (ValueError, IndexError) as error:
        return None, f"nothing of it can be read: {error}"


def _is_cut(file: Path) -> bool:
    """Whether an SQLite file is shorter than its header says."""
    with file.open("rb") as opened:
        head = opened.read(32)
    if len(head) < 32:
        return True
    page = int.from_bytes(head[16:18], "big")
    return file.stat().st_size < (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")


def _combined(parts: list[Any]) -> Any:
    """One reader over the parts."""
    from rosbags.highlevel import AnyReader

    paths = [part.path if isinstance(part, DamagedDb3) else part for part in parts]
    reader = AnyReader(paths, default_typestore=fallback_types())
    readers: list[Any] = [
        part if isinstance(part, DamagedDb3) else own for part, own in zip(parts, list(reader.readers), strict=True)
    ]
    reader.readers = readers
    return reader
