"""What can still be read of an SQLite bag (.db3) without its end: every message whose pages are all there.

SQLite itself refuses such a file at the first page that is missing. Here the pages are read one by one, as the file format
(sqlite.org/fileformat2.html) describes them; write-ahead logs beside the file are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF, _TABLE_INTERIOR = 0x0D, 0x05
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
Value = int | str | bytes | None


@dataclass(frozen=True, order=True)
class _Entry:
    """Where a message's row is."""

    time_ns: int
    row: int
    topic: int
    page: int
    cell: int


class _Pages:
    """The pages of a file that are whole."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        head = file.read(100)
        if head[:16] != _MAGIC:
            raise ValueError("it does not begin as an SQLite file")
        self.page_size = int.from_bytes(head[16:18], "big")
        self.page_size = 65536 if self.page_size == 1 else self.page_size
        if self.page_size < 512:
            raise ValueError("its header is broken")
        self.usable = self.page_size - head[20]
        self.count, self.claimed = size // self.page_size, int.from_bytes(head[28:32], "big")
        self._file = file

    def page(self, number: int) -> bytes:
        """Page ``number``, counted from 1. Raises IndexError for one that is not there."""
        if not 1 <= number <= self.count:
            raise IndexError(f"page {number} is not in the file")
        self._file.seek((number - 1) * self.page_size)
        return self._file.read(self.page_size)

    def cells(self, number: int) -> tuple[int, list[int], bytes]:
        """(kind, where the cells are, the page) of a b-tree page."""
        page = self.page(number)
        start = 100 if number == 1 else 0
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        first = start + (8 if page[start] == _TABLE_LEAF else 12)
        places = [int.from_bytes(page[i : i + 2], "big") for i in range(first, min(first + 2 * count, len(page) - 1), 2)]
        return page[start], places, page

    def row(self, page: bytes, place: int) -> tuple[int, list[Value]]:
        """Row number and values of a cell of a leaf. Raises IndexError when a page of it is missing."""
        size, place = _varint(page, place)
        number, place = _varint(page, place)
        return number, _values(self._payload(page, place, size))

    def head(self, page: bytes, place: int) -> tuple[int, list[Value], list[int]]:
        """Row number, values and types of a cell as far as they lie on the page itself."""
        size, place = _varint(page, place)
        number, place = _varint(page, place)
        local = page[place : place + self._local(size)]
        return number, _values(local, complete=False), _types(local)

    def _local(self, size: int) -> int:
        most, least = self.usable - 35, (self.usable - 12) * 32 // 255 - 23
        if size <= most:
            return size
        kept = least + (size - least) % (self.usable - 4)
        return kept if kept <= most else least

    def _payload(self, page: bytes, place: int, size: int) -> bytes:
        local = self._local(size)
        data = bytearray(page[place : place + local])
        following = int.from_bytes(page[place + local : place + local + 4], "big") if local < size else 0
        while len(data) < size:
            overflow = self.page(following)
            data += overflow[4 : 4 + min(self.usable - 4, size - len(data))]
            following = int.from_bytes(overflow[:4], "big")
        return bytes(data)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index in range(9):
        byte = data[place + index]
        if index == 8:
            return value << 8 | byte, place + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + index + 1
    raise AssertionError("unreachable")


def _types(data: bytes) -> list[int]:
    end, place = _varint(data, 0)
    types = []
    while place < end:
        kind, place = _varint(data, place)
        types.append(kind)
    return types


def _values(data: bytes, *, complete: bool = True) -> list[Value]:
    """Values of a record; without ``complete`` those that lie within ``data``."""
    place, _ = _varint(data, 0)
    values: list[Value] = []
    for kind in _types(data):
        size = _INTEGERS.get(kind, 0) if kind < 12 else (kind - 12) // 2
        raw = data[place : place + size]
        if len(raw) < size and not complete:
            break
        if kind < 12:
            values.append(None if kind == 0 else int.from_bytes(raw, "big", signed=True) if kind in _INTEGERS else kind - 8)
        else:
            values.append(raw if kind % 2 == 0 else raw.decode("utf-8", "replace"))
        place += size
    return values


class DamagedDb3:
    """Stands for rosbags' reader of an SQLite bag. ``loss`` says what is missing.

    Raises ValueError when there is nothing to save.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        with path.open("rb") as file:
            pages = _Pages(file, size)
            tables = {row[1]: row[3] for _, row in _numbered(pages, 1) if row[0] == "table" and isinstance(row[3], int)}
            self._topics = dict(_numbered(pages, tables.get("topics", 0)))
            self._definitions = [row for _, row in _numbered(pages, tables.get("message_definitions", 0))]
            self._entries = sorted(_messages(pages, self._topics))
        if not self._entries:
            raise ValueError("it ends before its first whole message")
        missing = max(0, pages.claimed - pages.count)
        self.loss = f"it is cut: {missing} of its {pages.claimed} pages are missing" if missing else "its index cannot be used"
        self.connections: list[Any] = []
        self._file: BinaryIO | None = None

    def __enter__(self) -> DamagedDb3:
        from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat

        formats = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
        texts = {row[1]: MessageDefinition(formats[str(row[2])], str(row[3])) for row in self._definitions if row[2] in formats}
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        counts: dict[int, int] = {}
        for entry in self._entries:
            counts[entry.topic] = counts.get(entry.topic, 0) + 1
        self.connections = [
            Connection(
                number, str(row[1]), str(row[2]), texts.get(row[2], nothing), "", counts.get(number, 0),
                ConnectionExtRosbag2(str(row[3]), []), self,
            )
            for number, row in sorted(self._topics.items())
        ]  # fmt: skip
        self._file = self.path.open("rb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def topics(self) -> dict[str, Any]:
        """As rosbags gives them: number of messages and connections of each topic."""
        from rosbags.interfaces import TopicInfo

        ordered = sorted(self.connections, key=lambda c: c.topic)
        grouped = {topic: list(group) for topic, group in groupby(ordered, key=lambda c: c.topic)}
        return {t: TopicInfo(g[0].msgtype, g[0].msgdef, sum(c.msgcount for c in g), g) for t, g in grouped.items()}

    @property
    def start_time(self) -> int:
        return self._entries[0].time_ns

    @property
    def end_time(self) -> int:
        return self._entries[-1].time_ns + 1

    def messages(
        self, connections: Collection[Any] = (), start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Any, int, bytes]]:
        """(connection, time of recording, bytes) in order of time."""
        known = {connection.id: connection for connection in connections or self.connections}
        with self.path.open("rb") as file:
            pages = _Pages(file, self.path.stat().st_size)
            for entry in self._entries:
                inside = (start is None or entry.time_ns >= start) and (stop is None or entry.time_ns < stop)
                if entry.topic in known and inside:
                    data = pages.row(pages.page(entry.page), entry.cell)[1][3]
                    if isinstance(data, bytes):
                        yield known[entry.topic], entry.time_ns, data


def _numbered(pages: _Pages, root: int) -> Iterator[tuple[int, list[Value]]]:
    """(row number, values) of a small table; its own pages only."""
    try:
        kind, places, page = pages.cells(root)
    except IndexError:
        return
    if kind == _TABLE_LEAF:
        for place in places:
            try:
                yield pages.row(page, place)
            except IndexError:
                continue
    elif kind == _TABLE_INTERIOR:
        children = [int.from_bytes(page[p : p + 4], "big") for p in places]
        right = 108 if root == 1 else 8
        for child in [*children, int.from_bytes(page[right : right + 4], "big")]:
            yield from _numbered(pages, child)


def _messages(pages: _Pages, topics: Collection[int]) -> Iterator[_Entry]:
    """Every message whose row is whole, on whatever leaf it stands: the pages that lead there may be among the lost ones."""
    for number in range(2, pages.count + 1):
        page = pages.page(number)
        if page[0] != _TABLE_LEAF:
            continue
        for place in pages.cells(number)[1]:
            try:
                row, values, types = pages.head(page, place)
                # id (the row's number, stored as null), topic, time, bytes
                if len(types) != 4 or types[0] != 0 or types[3] < 12 or types[3] % 2 or len(values) < 3:
                    continue
                topic, time_ns = values[1], values[2]
                if topic not in topics or not isinstance(topic, int) or not isinstance(time_ns, int):
                    continue
                pages.row(page, place)
            except IndexError:
                continue
            yield _Entry(time_ns, row, topic, number, place)
