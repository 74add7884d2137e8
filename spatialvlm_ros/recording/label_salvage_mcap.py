"""What can still be read of an MCAP file without its end: every whole record, and the whole messages of a cut chunk.

The summary at the end of the file, by which readers find chunks, is made anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .label_pieces import PiecesPath, used_size

_MAGIC = b"\x89MCAP0\r\n"
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _CHUNK_INDEX, _DATA_END = 1, 2, 3, 4, 5, 6, 8, 15
_PREFIX = 9  # operation and length of a record
# A record's length comes from the file: what a broken one claims is not to be believed.
_MAX_INNER = 1 << 31


@dataclass
class _Chunk:
    """Where a chunk stands in the repaired file and what a chunk index says about it."""

    offset: int
    length: int
    compression: bytes
    compressed_size: int
    uncompressed_size: int
    start_ns: int = 2**63 - 1
    end_ns: int = 0
    counts: dict[int, int] = field(default_factory=dict)


@dataclass
class _Found:
    """Everything that whole records tell."""

    definitions: dict[tuple[int, int], bytes] = field(default_factory=dict)
    chunks: list[_Chunk] = field(default_factory=list)
    loose: int = 0  # messages outside of chunks


def salvage_mcap(path: Path) -> tuple[PiecesPath, str]:
    """What reads as a whole MCAP file, and a sentence on what is lost. Raises ValueError when there is nothing to save."""
    size = used_size(path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it does not begin as an MCAP file")
        found = _Found()
        end, is_complete = _walk(file, size, found)
        rescued = _rescue_chunk(file, end, size, found)
    if not found.chunks and not found.loose:
        raise ValueError("it ends before its first whole message")
    text = f"it is cut: {size - end} bytes after byte {end} are no whole record"
    if is_complete:
        text = "its messages are all there, but its summary is broken and was made anew"
    if rescued:
        text += f", {sum(found.chunks[-1].counts.values())} messages of the cut chunk were saved"
    return PiecesPath(path, [(0, end), rescued, _ending(end + len(rescued), found)]), text


def _walk(file: BinaryIO, size: int, found: _Found) -> tuple[int, bool]:
    """Read all whole records; the byte behind the last one, and whether the end of data was reached."""
    place = len(_MAGIC)
    operation = 0
    while place + _PREFIX <= size:
        file.seek(place)
        operation, length = struct.unpack("<BQ", file.read(_PREFIX))
        # Recorders that reserve space leave zeros behind what they wrote.
        if operation in (0, _FOOTER, _DATA_END) or place + _PREFIX + length > size:
            break
        if operation == _CHUNK:
            if not _read_chunk(file.read(length), place, found):
                break
        elif operation in (_SCHEMA, _CHANNEL):
            _note(operation, file.read(length), found)
        elif operation == _MESSAGE:
            found.loose += 1
        place += _PREFIX + length
    return place, operation in (_FOOTER, _DATA_END)


def _note(operation: int, body: bytes, found: _Found) -> None:
    if len(body) >= 2:
        key = (operation, int.from_bytes(body[:2], "little"))
        found.definitions.setdefault(key, struct.pack("<BQ", operation, len(body)) + body)


def _chunk_head(body: bytes) -> tuple[int, bytes, int, int] | None:
    """(uncompressed size, compression, compressed size, where the data begins), or None for a head that is cut."""
    if len(body) < 32:
        return None
    uncompressed = int.from_bytes(body[16:24], "little")
    begin = 32 + int.from_bytes(body[28:32], "little")
    if begin + 8 > len(body):
        return None
    return uncompressed, body[32:begin], int.from_bytes(body[begin : begin + 8], "little"), begin + 8


def _read_chunk(body: bytes, place: int, found: _Found) -> bool:
    """Note a whole chunk; whether its content can be read."""
    head = _chunk_head(body)
    if head is None:
        return False
    uncompressed, compression, compressed, begin = head
    inner = unpack(compression.decode("ascii", "replace"), body[begin : begin + compressed])
    if len(inner) != uncompressed:
        return False
    chunk = _Chunk(place, _PREFIX + len(body), compression, compressed, uncompressed)
    _count(inner, chunk, found)
    found.chunks.append(chunk)
    return True


def _inner_records(inner: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(operation, where it begins, where its body begins, where it ends) of each whole record in a chunk."""
    place = 0
    while place + _PREFIX <= len(inner):
        operation, length = struct.unpack_from("<BQ", inner, place)
        if operation == 0 or place + _PREFIX + length > len(inner):
            return
        yield operation, place, place + _PREFIX, place + _PREFIX + length
        place += _PREFIX + length


def _count(inner: bytes, chunk: _Chunk, found: _Found) -> int:
    """Note the messages and definitions of a chunk's content; the byte behind its last whole record."""
    end = 0
    for operation, _, body, end in _inner_records(inner):
        if operation == _MESSAGE and end - body >= 22:
            channel, _, log_ns = struct.unpack_from("<HIQ", inner, body)
            chunk.counts[channel] = chunk.counts.get(channel, 0) + 1
            chunk.start_ns, chunk.end_ns = min(chunk.start_ns, log_ns), max(chunk.end_ns, log_ns)
        elif operation in (_SCHEMA, _CHANNEL):
            _note(operation, inner[body:end], found)
    return end


def _rescue_chunk(file: BinaryIO, place: int, size: int, found: _Found) -> bytes:
    """The whole messages of a chunk that is cut, as a chunk record of its own; nothing where there are none."""
    file.seek(place)
    head = file.read(_PREFIX)
    if len(head) < _PREFIX or head[0] != _CHUNK or int.from_bytes(head[1:], "little") > _MAX_INNER:
        return b""
    body = file.read(size - place - _PREFIX)
    parts = _chunk_head(body)
    if parts is None:
        return b""
    _, compression, compressed, begin = parts
    inner = unpack(compression.decode("ascii", "replace"), body[begin : begin + compressed])
    chunk = _Chunk(place, 0, b"", 0, 0)
    inner = inner[: _count(inner, chunk, found)]
    if not chunk.counts:
        return b""
    record = struct.pack("<QQQIIQ", chunk.start_ns, chunk.end_ns, len(inner), 0, 0, len(inner)) + inner
    chunk.length = _PREFIX + len(record)
    chunk.compressed_size = chunk.uncompressed_size = len(inner)
    found.chunks.append(chunk)
    return struct.pack("<BQ", _CHUNK, len(record)) + record


def unpack(compression: str, data: bytes) -> bytes:
    """As much of compressed data as can be had; what is cut ends early. Empty for a compression that is not known."""
    if not compression or compression == "none":
        return data
    try:
        if compression == "lz4":
            from lz4.frame import LZ4FrameDecompressor

            return bytes(LZ4FrameDecompressor().decompress(data))
        if compression == "zstd":
            return _zstd(data)
        if compression == "bz2":
            import bz2

            return bz2.BZ2Decompressor().decompress(data)
    except (RuntimeError, ValueError, OSError, EOFError):
        pass
    return b""


def _zstd(data: bytes) -> bytes:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    saved = bytearray()
    decompressor = zstd.ZstdDecompressor()
    # In small bites: an error in the last one leaves what came before.
    for start in range(0, len(data), 4096):
        try:
            saved += decompressor.decompress(data[start : start + 4096])
        except (zstd.ZstdError, EOFError):
            break
    return bytes(saved)


def _ending(place: int, found: _Found) -> bytes:
    """End of data, summary and footer of the repaired file, whose data end at byte ``place``."""
    data_end = struct.pack("<BQI", _DATA_END, 4, 0)
    definitions = [found.definitions[key] for key in sorted(found.definitions)]
    # Loose messages are found by reading through: an index of the chunks alone would hide them.
    summary = b"" if found.loose else b"".join([*definitions, *(_index(chunk) for chunk in found.chunks)])
    start = place + len(data_end) if summary else 0
    return data_end + summary + struct.pack("<BQQQI", _FOOTER, 20, start, 0, 0) + _MAGIC


def _index(chunk: _Chunk) -> bytes:
    place = chunk.offset + chunk.length
    offsets = b""
    for channel, count in sorted(chunk.counts.items()):
        offsets += struct.pack("<HQ", channel, place)
        place += 15 + 16 * count  # the size of the message index that a whole file has there
    body = struct.pack("<QQQQI", chunk.start_ns, chunk.end_ns, chunk.offset, chunk.length, len(offsets)) + offsets
    body += struct.pack("<QI", place - chunk.offset - chunk.length, len(chunk.compression)) + chunk.compression
    body += struct.pack("<QQ", chunk.compressed_size, chunk.uncompressed_size)
    return struct.pack("<BQ", _CHUNK_INDEX, len(body)) + body
