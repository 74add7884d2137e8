"""What can still be read of a ROS 1 bag without its end, or of one whose recorder never closed it.

The index at the end of the file, and that of the cut chunk, are made anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .label_pieces import Piece, PiecesPath, used_size
from .label_salvage_mcap import unpack

_MAGIC = b"#ROSBAG V2.0\n"
_MESSAGE, _BAG, _INDEX, _CHUNK, _CHUNK_INFO, _CONNECTION = 2, 3, 4, 5, 6, 7

_Header = dict[bytes, bytes]


@dataclass
class _Found:
    connections: dict[int, bytes] = field(default_factory=dict)
    infos: list[bytes] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    messages: int = 0

    @property
    def size(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else piece[1] for piece in self.pieces)


def salvage_ros1(path: Path) -> tuple[PiecesPath, str]:
    """What reads as a whole ROS 1 bag, and a sentence on what is lost. Raises ValueError when there is nothing to save."""
    size = used_size(path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it does not begin as a ROS 1 bag")
        head = _record(file, len(_MAGIC), size)
        if head is None or head[0].get(b"op") != bytes([_BAG]):
            raise ValueError("it ends before its first message")
        begin = len(_MAGIC) + head[2]
        found = _Found(pieces=[bytes(begin)])
        end = _walk(file, begin, size, found)
    if not found.messages:
        raise ValueError("it ends before its first whole message")
    bag = {
        b"index_pos": struct.pack("<Q", found.size), b"conn_count": struct.pack("<I", len(found.connections)),
        b"chunk_count": struct.pack("<I", len(found.infos)), b"op": bytes([_BAG]),
    }  # fmt: skip
    opening = _MAGIC + _write(bag, b"")
    # Readers find the first chunk behind a header of this very length.
    padding = begin - len(opening)
    found.pieces[0] = _MAGIC + _write(bag, b" " * padding)
    found.pieces += [found.connections[key] for key in sorted(found.connections)]
    found.pieces += found.infos
    text = f"it is cut or was never closed: its index is missing, {size - end} bytes at its end are lost"
    return PiecesPath(path, found.pieces), text


def _walk(file: BinaryIO, place: int, size: int, found: _Found) -> int:
    """Note all chunks; the byte behind what could be used."""
    while (record := _record(file, place, size, whole=False)) is not None:
        header, body, length = record
        if header.get(b"op") != bytes([_CHUNK]):
            break
        is_whole = place + length <= size
        inner = unpack(header.get(b"compression", b"").decode("ascii", "replace"), file.read(body))
        counts, indexes, end, span = _read(inner, found)
        start = found.size
        if is_whole and end == len(inner):
            found.pieces.append((place, length))
        elif counts:
            plain = {b"compression": b"none", b"size": struct.pack("<I", end), b"op": bytes([_CHUNK])}
            found.pieces.append(_write(plain, inner[:end]))
        place = min(place + length, size)
        if counts:
            found.pieces.append(indexes)
            found.infos.append(_info(start, counts, span))
            found.messages += sum(counts.values())
        if not is_whole:
            break
        place = _skip_indexes(file, place, size)
    return place


def _skip_indexes(file: BinaryIO, place: int, size: int) -> int:
    while (record := _record(file, place, size)) is not None and record[0].get(b"op") == bytes([_INDEX]):
        place += record[2]
    return place


def _record(file: BinaryIO, place: int, size: int, *, whole: bool = True) -> tuple[_Header, int, int] | None:
    """Header, length of the data and of the whole record at ``place``; the file then stands at the data.

    None where the header is cut, or the data when they must be ``whole``.
    """
    file.seek(place)
    raw = file.read(4)
    if len(raw) < 4 or (header_length := int.from_bytes(raw, "little")) > size - place - 8:
        return None
    header = _fields(file.read(header_length))
    raw = file.read(4)
    if header is None or len(raw) < 4:
        return None
    data_length = int.from_bytes(raw, "little")
    if whole and place + 8 + header_length + data_length > size:
        return None
    return header, data_length, 8 + header_length + data_length


def _fields(raw: bytes) -> _Header | None:
    fields, place = {}, 0
    while place + 4 <= len(raw):
        length = int.from_bytes(raw[place : place + 4], "little")
        name, equals, value = raw[place + 4 : place + 4 + length].partition(b"=")
        if not equals or place + 4 + length > len(raw):
            return None
        fields[name] = value
        place += 4 + length
    return fields if place == len(raw) else None


def _write(header: _Header, data: bytes) -> bytes:
    raw = b"".join(struct.pack("<I", len(name) + 1 + len(value)) + name + b"=" + value for name, value in header.items())
    return struct.pack("<I", len(raw)) + raw + struct.pack("<I", len(data)) + data


def _inner(inner: bytes) -> Iterator[tuple[_Header, int, int]]:
    """(header, where the record begins, where it ends) of each whole record of a chunk's content."""
    place = 0
    while place + 8 <= len(inner):
        header_length = int.from_bytes(inner[place : place + 4], "little")
        at = place + 4 + header_length
        if at + 4 > len(inner):
            return
        header = _fields(inner[place + 4 : at])
        end = at + 4 + int.from_bytes(inner[at : at + 4], "little")
        if header is None or end > len(inner):
            return
        yield header, place, end
        place = end


def _read(inner: bytes, found: _Found) -> tuple[dict[int, int], bytes, int, tuple[bytes, bytes]]:
    """Messages by connection, index records, the byte behind the last whole record, and the first and last time."""
    entries: dict[int, list[tuple[bytes, int]]] = {}
    end = 0
    for header, begin, end in _inner(inner):
        operation = header.get(b"op", b"\0")[0]
        connection = int.from_bytes(header.get(b"conn", b""), "little")
        if operation == _CONNECTION:
            found.connections.setdefault(connection, inner[begin:end])
        elif operation == _MESSAGE and connection in found.connections and len(header.get(b"time", b"")) == 8:
            entries.setdefault(connection, []).append((header[b"time"], begin))
    indexes = b""
    for connection, rows in entries.items():
        header = {
            b"op": bytes([_INDEX]), b"ver": struct.pack("<I", 1), b"conn": struct.pack("<I", connection),
            b"count": struct.pack("<I", len(rows)),
        }  # fmt: skip
        indexes += _write(header, b"".join(time + struct.pack("<I", begin) for time, begin in rows))
    times = sorted((struct.unpack("<II", time), time) for rows in entries.values() for time, _ in rows)
    span = (times[0][1], times[-1][1]) if times else (bytes(8), bytes(8))
    return {connection: len(rows) for connection, rows in entries.items()}, indexes, end, span


def _info(place: int, counts: dict[int, int], span: tuple[bytes, bytes]) -> bytes:
    header = {
        b"op": bytes([_CHUNK_INFO]), b"ver": struct.pack("<I", 1), b"chunk_pos": struct.pack("<Q", place),
        b"start_time": span[0], b"end_time": span[1], b"count": struct.pack("<I", len(counts)),
    }  # fmt: skip
    return _write(header, b"".join(struct.pack("<II", connection, count) for connection, count in counts.items()))
