"""Processors of models that take videos too, for pictures alone.

Their processors read videos with torchvision, which they then need even where no video is ever shown; and torchvision may not fit
to the torch that is installed. Whether it is there must change nothing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .weights import model_type, read_json

_CLASS_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def picture_processor(transformers: Any, folder: Path) -> Any | None:
    """The loader of a model's processor without its part for videos; None for a processor that has no such part.

    Returns:
        What takes the keywords of ``from_pretrained`` and gives the processor.

    Raises:
        BrokenWeightsError: a settings file is no JSON.
    """
    kind = getattr(transformers, _class_name(folder), None)
    if kind is None or not hasattr(kind, "get_attributes") or "video_processor" not in kind.get_attributes():
        return None
    return partial(_without_videos(kind).from_pretrained, folder)


def _class_name(folder: Path) -> str:
    """The processor's class by its own settings, else by what is usual for the type of model."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    for name in _CLASS_FILES:
        if (folder / name).is_file() and (found := read_json(folder / name).get("processor_class")):
            return str(found)
    return str(PROCESSOR_MAPPING_NAMES.get(model_type(folder)) or "")


def _without_videos(kind: Any) -> Any:
    def attributes(cls: Any) -> list[str]:
        return [name for name in kind.get_attributes() if name != "video_processor"]

    # The same name: it is looked up among the library's classes.
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(attributes), "video_processor": None})
