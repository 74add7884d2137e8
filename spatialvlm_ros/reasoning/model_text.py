"""What a language model wrote, without the wrapping: no thinking, no fences. Nothing of it is ever run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_THINKING = ("think", "thinking", "reasoning")
_FENCED = re.compile(r"```[^\n`]*\n(?P<inside>.*?)```", re.DOTALL)
MAX_LISTED_NAMES = 60
_MAX_NAME_CHARS = 80


class ModelTextError(ValueError):
    """The text has no JSON in it, or JSON that cannot be read; says where."""


def without_thinking(text: str) -> str:
    """What comes after the thinking aloud; nothing where the thinking does not end."""
    for tag in _THINKING:
        text = text.rpartition(f"</{tag}>")[2]
    for tag in _THINKING:
        text = text.partition(f"<{tag}>")[0]
    return text.strip()


def json_in(text: str) -> Any:
    """Return the one JSON object that a model wrote, alone, in a fence, or with words around it.

    Raises:
        ModelTextError: there is none, it cannot be read, a key stands twice, or a number is not finite.
    """
    said = without_thinking(text)
    if (fenced := _FENCED.search(said)) is not None:
        said = fenced["inside"]
    start, end = said.find("{"), said.rfind("}")
    if start < 0 or end < start:
        raise ModelTextError("there is no JSON object in it")
    try:
        return json.loads(said[start : end + 1], object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        near = said[start : end + 1][max(0, error.pos - 20) : error.pos + 20]
        raise ModelTextError(f"its JSON cannot be read: {error.msg} at character {error.pos}, near {near!r}") from None
    except RecursionError:
        raise ModelTextError("its JSON is nested too deep to be read") from None
    except ValueError as error:
        raise ModelTextError(f"its JSON cannot be read: {cut(str(error), 200)}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs. Of a key that stands twice one value would be dropped unseen."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {cut(twice, 40)!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def cut(text: str, most: int) -> str:
    """`text` on one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def listed(names: Sequence[str]) -> str:
    """The names of things for a prompt, quoted, once each; a crowded scene is cut."""
    known = list(dict.fromkeys(cut(name, _MAX_NAME_CHARS) for name in names if name.strip()))
    rest = "" if len(known) <= MAX_LISTED_NAMES else f" and {len(known) - MAX_LISTED_NAMES} more"
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in known[:MAX_LISTED_NAMES]) + rest
