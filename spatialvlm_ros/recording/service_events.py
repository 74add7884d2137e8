"""Calls of services as service introspection publishes them (``.../_service_event``), and bags that hold such events.

rosbag2 stores the definition of the service beside them, not that of the event, and rosbags refuses a bag for it. So definitions
of events are left aside, and of an event is read what all have in common: ServiceEventInfo, and the request's first byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Any

# Of service_msgs/ServiceEventInfo.
REQUEST_SENT, REQUEST_RECEIVED = 0, 1
# CDR, behind its four bytes of encapsulation: type, time, identity of the client, number of the call, length of the request.
_LAYOUT = "B3xiI16s4xqI"
_SET_BOOL = "std_srvs/srv/SetBool_Event"


@dataclass(frozen=True)
class ServiceEvent:
    """``data`` is what SetBool was called with, None for other services, answers, and events without content."""

    event_type: int
    client_gid: bytes
    sequence_number: int
    data: bool | None

    @property
    def is_call(self) -> bool:
        return self.event_type in (REQUEST_SENT, REQUEST_RECEIVED)


def is_event(message_type: str) -> bool:
    """Whether a type is that of the events of a service."""
    return "/srv/" in message_type and message_type.endswith("_Event")


def read_event(data: bytes | memoryview, message_type: str) -> ServiceEvent:
    """Out of serialised (CDR) bytes. Raises ValueError for less than an event."""
    data = bytes(data)
    if len(data) < 4 + struct.calcsize(f"<{_LAYOUT}"):
        raise ValueError(f"an event of {message_type} has {len(data)} bytes, which is too few")
    order = "<" if data[1] & 1 else ">"
    kind, _, _, client, number, requests = struct.unpack_from(order + _LAYOUT, data, 4)
    first = data[4 + struct.calcsize(f"<{_LAYOUT}") :][:1]
    return ServiceEvent(kind, client, number, bool(first[0]) if message_type == _SET_BOOL and requests and first else None)


class EventTolerant:
    """Stands for a reader of rosbags in its AnyReader; connections of service events have no definition."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __enter__(self) -> EventTolerant:
        self._reader.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Any:
        return self._reader.__exit__(kind, error, trace)

    @property
    def connections(self) -> list[Any]:
        from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        return [c._replace(msgdef=nothing, digest="") if is_event(c.msgtype) else c for c in self._reader.connections]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
