"""Marks in a bag that part it into episodes: messages of a topic, or calls of a service as its events record them."""

from __future__ import annotations

from typing import Any

from .service_events import ServiceEvent

_MOST_CALLS = 1024


class Marks:
    """``outside`` says whether images lie after the end of one episode and before the beginning of the next."""

    def __init__(self) -> None:
        self.outside = False
        self._calls: dict[tuple[bytes, int], None] = {}

    def add(self, message: Any) -> bool:
        """Whether a message begins or ends an episode.

        Any message begins one; a Bool that is false, or a call of SetBool with false, ends one. Of a service event only the call
        counts, once: client and server may both have recorded it, and answers follow.
        """
        if isinstance(message, ServiceEvent):
            call = message.client_gid, message.sequence_number
            if not message.is_call or call in self._calls:
                return False
            self._calls[call] = None
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        self.outside = bool(getattr(message, "data", True) is False)
        return True
