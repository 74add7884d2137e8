"""What could not be labelled, by cause. Nothing is left out without a line in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

# Causes come from texts of messages: a hostile bag must not fill the memory with them.
_MOST_CAUSES = 50
_MOST_STAMPS = 5
_MORE = "further causes"


class Losses:
    """Counts by cause, with the first stamps of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._stamps: dict[str, list[int]] = {}

    def add(self, cause: str, stamp_ns: int | None = None, count: int = 1) -> None:
        if cause not in self.counts and len(self.counts) >= _MOST_CAUSES:
            cause = _MORE
        self.counts[cause] += count
        stamps = self._stamps.setdefault(cause, [])
        if stamp_ns is not None and len(stamps) < _MOST_STAMPS:
            stamps.append(stamp_ns)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def main(self) -> str:
        """The most frequent cause."""
        return max(self.counts, key=lambda cause: self.counts[cause], default="")

    def document(self) -> Mapping[str, Any]:
        """For provenance: cause to count and first stamps."""
        return {cause: {"count": self.counts[cause], "first_stamps_ns": self._stamps[cause]} for cause in sorted(self.counts)}

    def lines(self) -> list[str]:
        """One sentence a cause, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [f"{count} x {cause}" for cause, count in ordered]
