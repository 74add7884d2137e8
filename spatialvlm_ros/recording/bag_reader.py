"""Messages out of a bag: .mcap file, rosbag2 folder (.mcap or .db3), or ROS 1 .bag.

The definitions in the bag are used; only for bags without any (old .db3 folders) those of ROS 2 Jazzy and of this
environment stand in. Messages have the fields of their ROS type; arrays are numpy arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from .bag_writer import require_rosbags
from .definitions import DefinitionError, definition
from .mcap_views import with_views
from .service_events import EventTolerant, is_event, read_event

OWN_TYPES = ("Reward", "Scene", "SpatialFactArray", "SpatialQuery")


class BagError(ValueError):
    """A bag that cannot be read. The text names the file and what is wrong."""


@dataclass(frozen=True)
class BagMessage:
    """One message. ``stamp_ns`` is its header's, or the time of recording for a type without header."""

    topic: str
    type: str
    stamp_ns: int
    log_ns: int
    message: Any


class BagReader:
    """Reads one bag; use it in a ``with`` block. Raises FileNotFoundError, or BagError for a file that is no bag.

    ``source`` is a reader of rosbags to be used in place of one of its own, for bags that are not whole.
    """

    def __init__(self, path: str | Path, *, source: Any = None) -> None:
        require_rosbags()
        from rosbags.highlevel import AnyReader, AnyReaderError

        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"bag {self.path} does not exist")
        try:
            self._reader: Any = AnyReader([self.path], default_typestore=fallback_types()) if source is None else source
            try:
                self._reader.open()
            except AnyReaderError:
                if source is not None:
                    raise
                # A definition that cannot be parsed costs its own topic, not the bag.
                self._reader = AnyReader([self.path], default_typestore=fallback_types())
                self._reader.readers = [EventTolerant(reader) for reader in self._reader.readers]
                self._reader.open()
            for reader in self._reader.readers:
                with_views(reader)
        except (AnyReaderError, OSError, ValueError, AssertionError, LookupError, TypeError, RuntimeError, struct.error) as error:
            raise BagError(f"{self.path} cannot be read as a bag: {error}") from error

    def topics(self) -> dict[str, str]:
        """Topic to message type."""
        return {connection.topic: connection.msgtype for connection in self._reader.connections}

    def counts(self) -> dict[str, int]:
        """Topic to number of messages."""
        return {topic: int(info.msgcount) for topic, info in self._reader.topics.items()}

    def topics_of(self, message_type: str) -> list[str]:
        """Topics of one type, sorted."""
        return sorted(topic for topic, of_type in self.topics().items() if of_type == message_type)

    def messages(
        self,
        topics: Iterable[str] | None = None,
        broken: Callable[[str, int], None] | None = None,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[BagMessage]:
        """Messages in the order in which they were recorded, of all topics or of some.

        Only those recorded from ``start_ns`` to before ``stop_ns``, where given; the bag's index finds them.
        Raises BagError for a broken one; with ``broken``, that is called with its topic and time instead, and the next one comes.
        """
        from rosbags.highlevel import AnyReaderError

        wanted = None if topics is None else set(topics)
        connections = [c for c in self._reader.connections if wanted is None or c.topic in wanted]
        if not connections:
            return
        for connection, log_ns, data in self._reader.messages(connections, start_ns, stop_ns):
            try:
                if is_event(connection.msgtype):
                    message = read_event(data, connection.msgtype)
                else:
                    # A view: what is skipped at its beginning would cost a copy of an image otherwise.
                    message = self._reader.deserialize(memoryview(data), connection.msgtype)
            except (AnyReaderError, ValueError, LookupError, struct.error) as error:
                if broken is not None:
                    broken(connection.topic, log_ns)
                    continue
                raise BagError(f"{self.path}: a message of {connection.topic} is broken: {error}") from error
            yield BagMessage(connection.topic, connection.msgtype, _header_ns(message, log_ns), log_ns, message)

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def pass_over(topic: str, log_ns: int) -> None:
    """Of messages that cannot be decoded, where nobody is to be told."""


def _header_ns(message: Any, otherwise: int) -> int:
    from ..nodes.conversions import stamp_to_ns

    header = getattr(message, "header", None)
    return otherwise if header is None else stamp_to_ns(header.stamp)


@cache
def fallback_types() -> Any:
    """rosbags' store of the types of ROS 2 Jazzy and of ours. One for all, and not to be added to: it takes long to make."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for name in OWN_TYPES:
        message_type = f"spatialvlm_msgs/msg/{name}"
        try:
            types = get_types_from_msg(definition(message_type), message_type)
        except DefinitionError:
            continue  # read without our messages installed: the bag may do without them too
        store.register({known: fields for known, fields in types.items() if known not in store.fielddefs})
    return store
