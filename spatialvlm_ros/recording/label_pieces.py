"""A file that is not there as one: pieces of a broken bag and what stands in for its lost end, read as one file.

Nothing is copied and nothing on the disk is changed, however large the bag is.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK = 1 << 20
_RESERVED = 1024

Piece = bytes | tuple[int, int]
"""Bytes of our own, or (offset, length) in the file."""


class PiecesPath:
    """Stands for a Path wherever rosbags opens a file for reading."""

    def __init__(self, path: Path, pieces: Sequence[Piece]) -> None:
        self._path, self._pieces = path, [piece for piece in pieces if _length(piece)]

    @property
    def suffix(self) -> str:
        return self._path.suffix

    @property
    def stem(self) -> str:
        return self._path.stem

    def exists(self) -> bool:
        return self._path.exists()

    def is_dir(self) -> bool:
        return False

    def open(self, *args: Any, **kwargs: Any) -> BinaryIO:
        """For reading bytes, whatever the arguments say."""
        return io.BufferedReader(_Pieces(self._path, self._pieces), 1 << 16)

    def __str__(self) -> str:
        return str(self._path)


class _Pieces(io.RawIOBase):
    """The pieces, end to end."""

    def __init__(self, path: Path, pieces: Sequence[Piece]) -> None:
        self._file = path.open("rb")
        self._pieces = pieces
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + _length(piece))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise OSError(f"cannot go to byte {base + offset} of a file")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._place) - 1
        piece, skip = self._pieces[index], self._place - self._starts[index]
        wanted = min(len(buffer), _length(piece) - skip)
        if isinstance(piece, bytes):
            data = piece[skip : skip + wanted]
        else:
            self._file.seek(piece[0] + skip)
            data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def used_size(path: Path) -> int:
    """Bytes of a file without a run of zeros at its end, which a recorder reserved or a crash of the machine left.

    A short run counts as content.
    """
    size = end = path.stat().st_size
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            content = file.read(end - start).rstrip(b"\0")
            end = start + len(content)
            if content:
                break
    return end if size - end >= _RESERVED else size


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]
