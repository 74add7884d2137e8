"""Messages of an MCAP file as rosbags lists them, but large ones without a copy of their own.

rosbags copies each message twice after it has read it, which for raw images takes as long as reading them. What it knows of the
file, and everything that is not plain (compressed chunks, files without an index), stays its own.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, BinaryIO

# A view keeps its whole chunk in memory, which smaller messages, some of which are kept for long, are not worth.
_LARGE = 1 << 16
_MESSAGE = 0x05
_RECORD = struct.Struct("<BQ")
# Channel, number, time of recording and time of publishing, before the content.
_HEAD = struct.Struct("<HIQQ")
_Item = tuple[int, int, int, Any, Any]


def with_views(reader: Any) -> None:
    """Have a reader of rosbags, which is open, give views where its file allows for it."""
    storage: Any = getattr(reader, "storage", None)
    try:
        is_plain = type(storage).__name__ == "McapReader" and all(not chunk.compression for chunk in storage.chunks)
        if is_plain and storage.chunks and storage.bio is not None:
            # AnyReader asks it directly, not the reader around it.
            storage.messages = partial(_all_messages, storage)
    except AttributeError:  # another version of rosbags: it reads by itself
        return


def _all_messages(
    storage: Any, connections: Collection[Any], start: int | None = None, stop: int | None = None
) -> Iterator[tuple[Any, int, bytes | memoryview]]:
    """(connection, time of recording, content), in order of that time. Raises rosbags' ReaderError for a broken chunk."""
    wanted = {connection.id: connection for connection in connections}
    chunks = []
    for chunk in storage.chunks:
        first, beyond = chunk.message_start_time, chunk.message_end_time + 1
        is_asked = (start is None or start < beyond) and (stop is None or first < stop)
        if is_asked and any(chunk.channel_count.get(channel, 0) for channel in wanted):
            span = first if start is None else start, beyond if stop is None else stop
            chunks.append(_messages(storage.bio, chunk, wanted, *span))
    # What has the same time comes in the order of the file.
    for log_ns, _, place, connection, data in heapq.merge(*chunks):
        if place >= 0:
            yield connection, log_ns, data


def _messages(file: BinaryIO, chunk: Any, wanted: dict[int, Any], start: int, stop: int) -> Iterator[_Item]:
    """(time, where the chunk begins, place, connection, content) of a chunk's messages, by time; the first one is none.

    That one says when the chunk begins, which is read when its turn comes.
    """
    offset = chunk.chunk_start_offset
    yield chunk.message_start_time, offset, -1, None, None
    file.seek(offset + 9 + 24)
    (crc,) = struct.unpack("<I", _read(file, 4))
    file.seek(offset + 9 + 40)
    data = _read(file, chunk.compressed_size)
    if crc and zlib.crc32(data) != crc:
        raise _error("Chunk checksum mismatch.")
    view, at, found = memoryview(data), 0, list[_Item]()
    while at < len(data):
        try:
            kind, size = _RECORD.unpack_from(data, at)
            begin, at = at + _RECORD.size, at + _RECORD.size + size
            if at > len(data):
                raise _error(f"Truncated record: expected {size} bytes, got {len(data) - begin}.")
            if kind != _MESSAGE:
                continue
            channel, _, log_ns, _ = _HEAD.unpack_from(data, begin)
        except struct.error as error:
            raise _error(f"Truncated record at the end of a chunk: {error}") from error
        if start <= log_ns < stop and channel in wanted:
            content = view[begin + _HEAD.size : at]
            kept = content if len(content) >= _LARGE else bytes(content)
            found.append((log_ns, offset, len(found), wanted[channel], kept))
    yield from sorted(found, key=lambda item: item[0])


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise _error(f"Truncated record: expected {size} bytes, got {len(data)}.")
    return data


def _error(text: str) -> Exception:
    from rosbags.rosbag2 import ReaderError

    return ReaderError(text)
