"""One thing that was looked at: good, doubtful or wrong, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is. Only an error means that nothing, or something wrong, would be measured."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """``seen`` says what was found, ``cure`` what to do; a good one has no cure."""

    level: Level
    topic: str
    seen: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.level.value:8}{self.topic}: {self.seen}" + (f". {self.cure}" if self.cure else "")


def ok(topic: str, seen: str) -> Finding:
    return Finding(Level.OK, topic, seen)


def warning(topic: str, seen: str, cure: str) -> Finding:
    return Finding(Level.WARNING, topic, seen, cure)


def error(topic: str, seen: str, cure: str) -> Finding:
    return Finding(Level.ERROR, topic, seen, cure)


def verdict(findings: Sequence[Finding]) -> str:
    """The last line: how many of each."""
    errors, warnings = (sum(f.level is level for f in findings) for level in (Level.ERROR, Level.WARNING))
    if not errors and not warnings:
        return "all is well"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
