"""Loading what the transformers backend runs: a model by path or hub id, quantised or with a LoRA adapter where asked for.

Never changes: no remote code, safetensors only (also of adapters), and a hub id is pinned to the commit that was found, which is
said in the version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from ..perception.models.errors import ModelError
from ..perception.models.loader import LoadedModel, ModelKind, import_torch, load_model
from ..perception.models.segmenter import Segmenter
from ..perception.models.weights import digest_of_files
from .interface import VlmError
from .options import VlmOptions

_Result = TypeVar("_Result")
_ADAPTER_WEIGHTS, _ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"


@contextmanager
def as_vlm_error(what: str) -> Iterator[None]:
    """Turns every way in which a model may fail into a VlmError that names ``what`` was being done."""
    try:
        yield
    except VlmError:
        raise
    except ModelError as error:
        raise VlmError(f"{what}: {error}") from error
    except MemoryError as error:
        raise VlmError(f"{what}: memory ran out ({error}); use a smaller model, picture or batch") from error
    # Classes of many authors fail in as many ways; whoever asks falls back on words.
    except Exception as error:
        raise VlmError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def guarded(what: str, run: Callable[[], _Result]) -> _Result:
    """What ``run`` gives. Raises VlmError as ``as_vlm_error`` does."""
    with as_vlm_error(what):
        return run()


def load_vlm(path_or_id: str, revision: str | None, options: VlmOptions) -> LoadedModel:
    """An image-text-to-text model as the options want it. Raises VlmError."""
    with as_vlm_error(f"model {path_or_id} cannot be used"):
        loaded = load_model(
            ModelKind.CAPTIONER,
            path_or_id,
            revision=revision,
            device=options.device,
            dtype=options.dtype,
            allow_download=options.allow_download,
            quantization=_quantization(options),
        )
        return _adapted(loaded, Path(options.adapter).expanduser()) if options.adapter else loaded


def load_segmenter(options: VlmOptions) -> Segmenter | None:
    """The model that turns boxes into masks, or None. Raises VlmError."""
    if not options.segmenter:
        return None
    with as_vlm_error(f"segmenter {options.segmenter} cannot be used"):
        loaded = load_model(
            ModelKind.SEGMENTER, options.segmenter, device=options.device, dtype=options.dtype,
            allow_download=options.allow_download,
        )  # fmt: skip
        return Segmenter(loaded)


def revision_text(loaded: LoadedModel) -> str:
    """ "at revision ..." of a hub id: the commit that was found, to be given next time; "" for a folder."""
    return f" at revision {loaded.info.revision}" if loaded.info.revision else ""


def _quantization(options: VlmOptions) -> Any:
    if options.quantization == "none":
        return None
    if find_spec("bitsandbytes") is None:
        raise VlmError(
            f"quantization '{options.quantization}' needs the package 'bitsandbytes' (pip install bitsandbytes) and a GPU; "
            "or leave it at 'none' and choose dtype 'bfloat16'"
        )
    _, transformers = import_torch()
    return transformers.BitsAndBytesConfig(**{f"load_in_{options.quantization}": True})


def _adapted(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """The model with a LoRA adapter laid over it."""
    missing = [name for name in (_ADAPTER_CONFIG, _ADAPTER_WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise VlmError(f"adapter {folder} has no {missing[0]}; give the folder that peft saved (safetensors only)")
    if find_spec("peft") is None:
        raise VlmError(f"adapter {folder} needs the package 'peft': pip install peft")
    import peft

    model = peft.PeftModel.from_pretrained(loaded.model, str(folder), is_trainable=False)
    # Laid into the weights: as fast as the model alone, and its methods are the model's own.
    merged = model.merge_and_unload() if not getattr(loaded.model, "is_quantized", False) else model
    sha256 = digest_of_files([folder / _ADAPTER_CONFIG, folder / _ADAPTER_WEIGHTS])
    info = replace(loaded.info, name=f"{loaded.info.name} + {folder.name}@{sha256[:16]}")
    return replace(loaded, model=merged.eval(), info=info)
