"""Which files a bag is made of, and what tells one bag from another: their hashes.

While a run of several processes still loads its libraries, which takes a second, all cores but one have nothing to do: a process
of its own may begin with the hashes then.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_BLOCK = 1 << 18
# Of bags that a process of this run hashes: where it says what it found. Processes that are copies of this one know them, too.
_early: dict[str, Connection] = {}


def bag_files(path: Path) -> list[Path]:
    """The files of a bag: itself, or what its folder holds, in the order of recording."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted(found, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)])


class InputHash:
    """sha256 of a bag's files, taken while the bag is labelled: by a thread, where no other process has begun with it."""

    def __init__(self, bag: Path) -> None:
        self._bag = bag
        self._found: list[dict[str, Any]] = []
        self._error: OSError | None = None
        self._early = _early.pop(str(bag), None)
        self._thread = threading.Thread(target=self._hash, name="sha256", daemon=True)
        if self._early is None:
            self._thread.start()

    def _hash(self) -> None:
        try:
            self._found = _hashes(self._bag)
        except OSError as error:
            self._error = error

    def result(self) -> list[dict[str, Any]]:
        """Name, size and hash of each file. Raises OSError for one that cannot be read."""
        if self._early is not None:
            try:
                found: list[dict[str, Any]] = self._early.recv()
                return found
            except (EOFError, OSError):  # that process died, or could not read a file, which is said below
                self._early = None
                self._thread.start()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found


def _hashes(bag: Path, parent: int | None = None) -> list[dict[str, Any]]:
    """Name, size and hash of each file of a bag. With ``parent`` the process ends where that is no more its parent."""
    found = []
    for file in bag_files(bag):
        digest, block = hashlib.sha256(), bytearray(_BLOCK)
        view = memoryview(block)
        with file.open("rb", buffering=0) as opened:
            while size := opened.readinto(block):
                digest.update(view[:size])
                if parent is not None and os.getppid() != parent:
                    os._exit(1)
        found.append({"name": file.name, "bytes": file.stat().st_size, "sha256": digest.hexdigest()})
    return found


@contextmanager
def hashed_early(bags: Sequence[Path]) -> Iterator[None]:
    """Have the bags hashed by another process from now on; InputHash of this process and of its copies knows what it finds.

    Nothing happens where a copy of this process cannot be made: it has threads, or nothing tells.
    """
    from multiprocessing import get_context

    # What comes twice has two readers, and what is not there has nothing to read.
    names = [str(bag) for bag in bags]
    once = [bag for bag in bags if names.count(str(bag)) == 1 and bag.exists()]
    if not once or not is_alone():
        yield
        return
    context = get_context("fork")
    pipes = {str(bag): context.Pipe(duplex=False) for bag in once}
    process = context.Process(target=_hash_all, args=(once, pipes, os.getpid()), daemon=True)
    process.start()
    for name, (reading, writing) in pipes.items():
        writing.close()
        _early[name] = reading
    try:
        yield
    finally:
        process.kill()
        process.join()
        for name, (reading, _) in pipes.items():
            _early.pop(name, None)
            reading.close()


def _hash_all(bags: Sequence[Path], pipes: dict[str, tuple[Connection, Connection]], parent: int) -> None:
    """In a process of its own; an interrupt is the other one's to deal with, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for bag in bags:
        reading, writing = pipes[str(bag)]
        reading.close()
        with suppress(OSError):  # its reader finds no hash, and looks for itself
            writing.send(_hashes(bag, parent))
        writing.close()


def is_alone() -> bool:
    """Whether this process has one thread, those of libraries counted; elsewhere than on Linux nothing tells."""
    threads = Path("/proc/self/task")
    return threads.is_dir() and len(list(threads.iterdir())) == 1
