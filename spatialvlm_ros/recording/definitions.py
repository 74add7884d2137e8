"""Message definitions as they are installed, for embedding in bags.

A bag with the text of every type in it can be opened anywhere, without this package: that is what makes it a record.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_SEPARATOR = "=" * 80
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_PRIMITIVES = frozenset((*_INTEGERS, "bool", "byte", "char", "float32", "float64", "string", "wstring"))
_FIELD = re.compile(r"^\s*([a-zA-Z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[a-zA-Z]\w*\s*(?:$|#|[^=\s])")


class DefinitionError(LookupError):
    """A message type whose definition is not installed."""


def share_directories() -> list[Path]:
    """``share`` of every ROS prefix, nearest first: AMENT_PREFIX_PATH, then this environment's."""
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    return [Path(prefix) / "share" for prefix in dict.fromkeys([*prefixes, sys.prefix])]


def normal_type(message_type: str) -> str:
    """``pkg/msg/Name`` of ``pkg/Name`` or ``pkg/msg/Name``. Raises DefinitionError for anything else."""
    parts = message_type.split("/")
    if (
        len(parts) not in (2, 3)
        or not all(re.fullmatch(r"\w+", part) for part in parts)
        or (len(parts) == 3 and parts[1] != "msg")
    ):
        raise DefinitionError(f"'{message_type}' is not a message type; expected a name such as sensor_msgs/msg/Image")
    return f"{parts[0]}/msg/{parts[-1]}"


def _own_text(message_type: str, shares: Iterable[Path]) -> str:
    package, _, name = message_type.split("/")
    shares = list(shares)
    for share in shares:
        path = share / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    places = ", ".join(str(share) for share in shares)
    raise DefinitionError(f"{message_type}: no {package}/msg/{name}.msg in {places}; install {package} or source its workspace")


def dependencies(text: str, package: str) -> list[str]:
    """The message types that a definition's fields are of, in order, once each."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match is None or match[1] in _PRIMITIVES:
            continue
        found[normal_type(match[1] if "/" in match[1] else f"{package}/{match[1]}")] = None
    return list(found)


@cache
def _definition(message_type: str, shares: tuple[Path, ...]) -> str:
    texts: dict[str, str] = {}
    waiting = [message_type]
    while waiting:
        current = waiting.pop(0)
        if current in texts:
            continue
        texts[current] = _own_text(current, shares)
        waiting += dependencies(texts[current], current.split("/")[0])
    first, *others = texts
    parts = [texts[first].rstrip("\n") + "\n"]
    for other in others:
        package, _, name = other.split("/")
        parts.append(f"{_SEPARATOR}\nMSG: {package}/{name}\n{texts[other].rstrip()}\n")
    return "".join(parts)


def definition(message_type: str) -> str:
    """Definition of a type and of all types in it, comments and constants included, as rosbag2 stores it in MCAP
    files.

    Raises DefinitionError, which names what is not installed.
    """
    return _definition(normal_type(message_type), tuple(share_directories()))
