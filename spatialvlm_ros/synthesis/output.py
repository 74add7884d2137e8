"""The folder that a data set is made in: whose it is, what is finished in it, and how a file gets there whole.

What never changes: a file appears under its name complete and on disk or not at all; a ``.done`` file appears after the file
that it speaks for; nothing is removed that was not written here. So a run that is killed loses only unfinished shards.

    OUT/README.md, provenance.json       the card and how the data came about, written last
    OUT/data/train-00000-of-00016.*      what is loaded
    OUT/work/config.json                 what is being made: a run with other options is refused
    OUT/work/candidates-00000.parquet    all pairs of a shard's images, and beside it .done with its counts
    OUT/work/data-00000.done             a finished file of OUT/data
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MADE_BY = "spatialvlm synthesize"
CANDIDATES, DATA = "candidates", "data"
# Below this much room a run does not begin another shard: a full disk is a bad place to find out.
LEAST_FREE_BYTES = 200 << 20

_OURS = (
    r"README\.md", r"provenance\.json", r"audit\.html", r"data/train-\d{5}-of-\d{5}\.(parquet|tar)",
    r"work/config\.json", r"work/\.lock", r"work/candidates-\d{5}\.(parquet|done)", r"work/data-\d{5}\.done",
)  # fmt: skip
_PART = re.compile(r"(README\.md|[a-z]+\.json|(?:candidates|data|train)-(\d{5})[-\w]*\.\w+)\.[-\w]+\.part")


class OutputError(ValueError):
    """A folder that this run may not or cannot write to. The text says why and what to do."""


class NoRoomError(RuntimeError):
    """The disk is too full to begin another shard."""


@dataclass(frozen=True)
class Share:
    """Which shards are this run's when machines divide them: every ``count``-th from ``index`` on. Raises ValueError."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not (self.count >= 1 and 0 <= self.index < self.count):
            raise ValueError(f"share {self.index} of {self.count}: the index counts from 0 to one less than the number of shares")

    @property
    def is_all(self) -> bool:
        return self.count == 1

    def has(self, shard: int) -> bool:
        return shard % self.count == self.index


@dataclass(frozen=True)
class OutFolder:
    """Paths and files of one data set. Made by `claim`."""

    path: Path
    config_hash: str

    # -- finished shards --------------------------------------------------------------------------------------------------

    def candidates(self, shard: int) -> Path:
        return self.path / "work" / f"candidates-{shard:05d}.parquet"

    def data(self, shard: int, shards: int, suffix: str) -> Path:
        return self.path / "data" / f"train-{shard:05d}-of-{shards:05d}.{suffix}"

    def read_done(self, kind: str, shard: int, *, with_file: bool = True) -> dict[str, Any] | None:
        """What stands in the done file of a shard, None unless it speaks for a file of these options that is whole.

        Without ``with_file`` that file may be gone.
        """
        try:
            done: dict[str, Any] = json.loads(self._done(kind, shard).read_text(encoding="utf-8"))
            fits = done["config"] == self.config_hash
            if with_file:
                fits = fits and (self.path / done["file"]).stat().st_size == done["bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return done if fits else None

    def write_done(self, kind: str, shard: int, file: Path, content: Mapping[str, Any]) -> dict[str, Any]:
        """Say that ``file`` is finished. Returns what was written."""
        done = {
            "config": self.config_hash, "shard": shard, "file": file.relative_to(self.path).as_posix(),
            "bytes": file.stat().st_size, "sha256": sha256_of(file), **content,
        }  # fmt: skip
        write_text(self._done(kind, shard), json.dumps(done, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")
        return done

    def _done(self, kind: str, shard: int) -> Path:
        return self.path / "work" / f"{kind}-{shard:05d}.done"

    # -- housekeeping -----------------------------------------------------------------------------------------------------

    def require_room(self, needed_bytes: int = 0) -> None:
        """Raises NoRoomError when less than ``needed_bytes`` or the least amount is free."""
        free, needed = shutil.disk_usage(self.path).free, max(needed_bytes, LEAST_FREE_BYTES)
        if free < needed:
            raise NoRoomError(
                f"{free >> 20} MB are free for {self.path}, the next shard may need {needed >> 20} MB: "
                "make room and go on with --resume"
            )

    def remove_parts(self, share: Share) -> None:
        """Remove what killed runs left half written of the shards of ``share``; another machine may be writing the rest."""
        for file in (*self.path.glob(".*.part"), *self.path.glob("*/.*.part")):
            found = _PART.fullmatch(file.name[1:])
            if found and (share.is_all if found[2] is None else share.has(int(found[2]))):
                file.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Give the folder back if nothing was finished in it, so that options may be put right without --overwrite."""
        if not any((self.path / "work").glob("*.done")):
            _remove_ours(self.path)
            with suppress(OSError):
                self.path.rmdir()


# -- claiming ---------------------------------------------------------------------------------------------------------------


def claim(path: Path, config: Mapping[str, Any], config_hash: str, share: Share, *, resume: bool, overwrite: bool) -> OutFolder:
    """The folder for a run with this configuration.

    Args:
        share: when it is not all, an unfinished data set of the same configuration in which none of its shards is finished is
            joined without ``resume``: another machine has begun it.

    Raises:
        OutputError: the folder is somebody else's, holds another configuration, or cannot be written to.
    """
    out = OutFolder(path, config_hash)
    try:
        found = _config_in(path)
        if found is not None and overwrite and not (resume and found["hash"] == config_hash):
            _remove_ours(path)
            found = None
        if found is not None:
            _require_same(path, found, config)
            if not resume and not _joins(out, share):
                raise OutputError(
                    f"{path} holds a data set of these options: --resume goes on with it, --overwrite makes it anew"
                )
        (path / "work").mkdir(parents=True, exist_ok=True)
        (path / "data").mkdir(exist_ok=True)
        if found is None:
            write_json(path / "work" / "config.json", {"made_by": MADE_BY, "hash": config_hash, "config": config})
        _try_writing(path / "data")
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror or error}") from error
    return out


def _config_in(path: Path) -> dict[str, Any] | None:
    """The configuration that a folder holds, None for a new or an empty one. Raises OutputError for somebody else's folder."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    if not path.is_dir():
        raise OutputError(f"{path} is a file; give a folder that is new, empty, or made by '{MADE_BY}'")
    file = path / "work" / "config.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if found["made_by"] == MADE_BY and isinstance(found["hash"], str) and isinstance(found["config"], dict):
            return found
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        pass
    if not file.exists() and _only_parts(path):
        return None
    names = ", ".join(sorted(entry.name for entry in path.iterdir())[:5])
    raise OutputError(f"{path} holds other things ({names}) and no data set of '{MADE_BY}': nothing is written there")


def describe_folder(path: Path, config: Mapping[str, Any]) -> str:
    """What a run with this configuration would find there, in words.

    Raises:
        OutputError: the folder is somebody else's, or cannot be written to as far as that is known without trying.
    """
    found = _config_in(path)
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise OutputError(f"cannot write to {path}: {there} is {'not writable' if there.is_dir() else 'a file'}")
    if found is None:
        return f"{path} is {'empty' if path.exists() else 'new'}"
    changes = differences(found["config"], config)
    if changes:
        return f"{path} holds a data set with other options ({'; '.join(changes[:4])}): --overwrite would replace it"
    return f"{path} holds a data set of these options: --resume would go on with it"


def _only_parts(path: Path) -> bool:
    """Whether a run was killed here before it had written its configuration."""
    files = [file for file in path.rglob("*") if not file.is_dir()]
    folders = {folder.name for folder in path.rglob("*") if folder.is_dir()}
    return folders <= {"work", "data"} and all(_PART.fullmatch(file.name[1:]) or file.name == ".lock" for file in files)


def _require_same(path: Path, found: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    changes = differences(found["config"], config)
    if changes:
        raise OutputError(
            f"{path} holds a data set with other options: {'; '.join(changes[:4])}. "
            "Give the same options, another folder, or --overwrite"
        )


def _joins(out: OutFolder, share: Share) -> bool:
    finished = [int(file.stem.rsplit("-", 1)[1]) for file in (out.path / "work").glob("candidates-*.done")]
    return not share.is_all and not any(share.has(shard) for shard in finished)


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """One line for each option that differs: ``"seed is 0 there and 1 here"``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted({*old, *new})
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for i, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{name}[{i}]")]
    return [] if old == new else [f"{name} is {json.dumps(old)} there and {json.dumps(new)} here"]


def _remove_ours(path: Path) -> None:
    """Remove what such runs write, and the folders when nothing else is in them."""
    patterns = [re.compile(pattern) for pattern in _OURS]
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_file() and (any(p.fullmatch(name) for p in patterns) or _PART.fullmatch(file.name[1:])):
            file.unlink()
    for folder in (path / "work", path / "data"):
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    """Hold a folder: ``alone`` to remove files in it, else beside runs on other shards.

    Raises OutputError when another run is in the way, for somebody else's folder, and where nothing can be written. The lock
    goes with the process, however it ends.
    """
    try:
        _config_in(path)
        (path / "work").mkdir(parents=True, exist_ok=True)
        file = (path / "work" / ".lock").open("a")
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"another run is at work in {path}: wait for it, or give another folder") from None
        except OSError:
            # Some network file systems have no locks. Files are whole all the same.
            pass
        yield


# -- whole files ------------------------------------------------------------------------------------------------------------


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``path``, on disk, when the block ends well and goes when it does not."""
    # Machines that share a folder may have the same process id.
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all; the same bytes for the same content."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def sha256_of(file: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _try_writing(folder: Path) -> None:
    probe = folder / f".probe.json.{os.getpid()}.part"
    probe.write_bytes(b"")
    probe.unlink()
