"""The model under test."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ..vlm.interface import SpatialVlm
from .model_fallback import WordsOnly

if TYPE_CHECKING:
    from ..vlm.options import VlmOptions

# Stands for the words-only fallback where a model is asked for.
WORDS = "words"


@lru_cache(maxsize=1)
def opened(spec: str) -> SpatialVlm:
    """The model of a specification, opened once a process; see ``opened_with``."""
    return opened_with(spec)


def opened_with(spec: str, options: VlmOptions | None = None) -> SpatialVlm:
    """The model of a specification: "words", or as of vlm.factory.open_vlm. Raises VlmError, and ValueError for "off"."""
    if spec == WORDS:
        return WordsOnly()
    from ..vlm.factory import open_vlm

    found = open_vlm(spec, options)
    if found is None:
        raise ValueError(f"'{spec}' is no model; give embedded, a folder, a hub id or a URL, or {WORDS} for the fallback")
    return found
