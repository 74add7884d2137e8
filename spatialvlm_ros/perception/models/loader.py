"""One way to load any vision model: which class, from where, onto what, and exactly which one it was.

Never changes: no remote code, no pickles (see weights.py), and no model with tensors that its files did not set: transformers
only warns of those and fills them with random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from .errors import (
    BrokenWeightsError,
    ModelDeviceError,
    ModelError,
    ModelMemoryError,
    ModelNotFoundError,
    ModelPackageError,
    ProcessorMissingError,
    RelativeDepthError,
    WrongModelError,
)
from .pictures_only import picture_processor
from .weights import digest, is_hub_id, model_folder, model_type, read_json, weight_files

_INSTALL = "pip install 'spatialvlm_ros[model]'"
DTYPES = ("auto", "float32", "float16", "bfloat16")


class _Task(NamedTuple):
    auto_class: str
    model_types: tuple[str, ...]
    example: str
    reads: bool


class ModelKind(Enum):
    """What a model is for: the auto class that opens it, the types that are understood, one of the hub, whether it reads."""

    IMAGE_TEXT = _Task("AutoModel", ("clip", "siglip"), "openai/clip-vit-large-patch14", True)
    DETECTOR = _Task(
        "AutoModelForZeroShotObjectDetection",
        ("owlv2", "owlvit", "grounding-dino", "mm-grounding-dino"),
        "google/owlv2-base-patch16-ensemble",
        True,
    )
    CAPTIONER = _Task("AutoModelForImageTextToText", (), "florence-community/Florence-2-base", True)
    SEGMENTER = _Task("AutoModelForMaskGeneration", ("sam", "sam2", "sam2_video"), "facebook/sam-vit-base", False)
    DEPTH = _Task(
        "AutoModelForDepthEstimation",
        ("depth_anything", "zoedepth", "depth_pro"),
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        False,
    )


# Their processors exist for torchvision alone; pixels.py reads the settings and does the same work.
OWN_PIXELS = ("depth_pro", "sam2", "sam2_video")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")
# Depth without a unit, or up to a scale.
_RELATIVE = ("dpt", "prompt_depth_anything")


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was.

    Attributes:
        name: the id on the hub, or the name of the folder.
        revision: the commit on the hub, "" for a folder.
        sha256: of weights and settings.
        device: "cpu", "cuda", ...; results differ between devices in the last digits.
        image_processor: the class that prepares pictures; that of torchvision resizes a little differently.
    """

    name: str
    model_class: str
    image_processor: str
    revision: str
    sha256: str
    device: str
    dtype: str
    torch_version: str
    transformers_version: str

    @property
    def version(self) -> str:
        """One line that differs whenever the output may."""
        libraries = f"torch {self.torch_version}, transformers {self.transformers_version}"
        classes = f"{self.model_class}, {self.image_processor}"
        return f"{self.name}@{self.sha256[:16]} ({classes}, {self.device} {self.dtype}, {libraries})"


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run: ``model`` (torch module, eval mode), ``processor`` (None where pixels.py does its work)."""

    kind: ModelKind
    model_type: str
    model: Any
    processor: Any
    folder: Path
    info: ModelInfo

    def to_device(self, inputs: Any) -> dict[str, Any]:
        """Tensors of ``inputs`` on the model's device; floating ones in its precision."""
        place, precision = self.model.device, self.model.dtype
        moved = {}
        for name, value in dict(inputs).items():
            moved[name] = value.to(place, precision) if value.is_floating_point() else value.to(place)
        return moved


def load_model(
    kind: ModelKind,
    path_or_id: str | Path,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    allow_download: bool = False,
    quantization: Any = None,
) -> LoadedModel:
    """Load a model and its processor.

    Args:
        path_or_id: a folder, or an id on the hub; an id is looked up in the hub's cache here.
        revision: commit, tag or branch of an id.
        device: "auto" (CUDA when there is one, else the CPU) or a torch device.
        dtype: one of DTYPES. "auto" is float32 on the CPU and the precision of the weights elsewhere.
        allow_download: fetch an id that is not here yet.
        quantization: a configuration of transformers, e.g. BitsAndBytesConfig.

    Raises:
        ModelError: one of its subclasses, by cause.
    """
    torch, transformers = import_torch()
    folder = model_folder(path_or_id, revision=revision, allow_download=allow_download)
    weight_files(folder)
    name = str(path_or_id) if not Path(path_or_id).expanduser().is_dir() else folder.resolve().name
    found = model_type(folder)
    _check_type(kind, found, folder, name)
    place = _device(torch, device)
    with _quiet(transformers):
        processor = None if found in OWN_PIXELS else _processor(transformers, kind, folder, name)
        model = _model(torch, transformers, kind, folder, name, place, dtype, quantization)
    info = ModelInfo(
        name,
        type(model).__name__,
        "own pixels" if processor is None else type(getattr(processor, "image_processor", processor)).__name__,
        "" if Path(path_or_id).expanduser().is_dir() else folder.name,
        digest(folder),
        place.type,
        str(model.dtype).removeprefix("torch."),
        str(torch.__version__),
        str(transformers.__version__),
    )
    return LoadedModel(kind, found, model, processor, folder, info)


def missing(kind: ModelKind, path_or_id: str | Path, *, revision: str | None = None, allow_download: bool = False) -> str:
    """What stands against loading a model, as a sentence; "" for nothing. Loads no weights and fetches nothing.

    An id that may be fetched and is not here yet is nothing that is missing.
    """
    try:
        if not all(find_spec(package) for package in ("torch", "transformers")):
            import_torch()
        folder = model_folder(path_or_id, revision=revision)
        weight_files(folder)
        _check_type(kind, model_type(folder), folder, str(path_or_id))
    except ModelNotFoundError as error:
        return "" if allow_download and is_hub_id(path_or_id) else str(error)
    except ModelError as error:
        return str(error)
    return ""


def import_torch() -> tuple[Any, Any]:
    """torch and transformers. Raises ModelPackageError that says what to install."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ModelPackageError(f"vision models need the packages 'torch' and 'transformers': {_INSTALL}") from error
    return torch, transformers


def _check_type(kind: ModelKind, found: str, folder: Path, name: str) -> None:
    task = kind.value
    if kind is ModelKind.CAPTIONER:
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as known
    else:
        known = task.model_types
    is_relative = found in _RELATIVE or (
        found == "depth_anything" and read_json(folder / "config.json").get("depth_estimation_type", "relative") != "metric"
    )
    if kind is ModelKind.DEPTH and is_relative:
        raise RelativeDepthError(
            f"{name} ({found}) gives relative depth, which has no unit; use a metric model, such as {task.example}"
        )
    if found not in known:
        kinds = ", ".join(task.model_types) or "one that AutoModelForImageTextToText opens"
        text = f"{name} is a model of type '{found}', which is no {kind.name.lower().replace('_', ' ')} here"
        raise WrongModelError(f"{text}; expected {kinds}, such as {task.example}")


def _device(torch: Any, wanted: str) -> Any:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    # Each backend fails in its own way: AssertionError, RuntimeError, NotImplementedError.
    except Exception as error:
        raise ModelDeviceError(f"device '{wanted}' cannot be used here ({error}); use 'auto' or 'cpu'") from error
    return device


def _processor(transformers: Any, kind: ModelKind, folder: Path, name: str) -> Any:
    usual = partial(transformers.AutoProcessor.from_pretrained, folder)
    pictures = picture_processor(transformers, folder) if kind is ModelKind.CAPTIONER else None
    load = partial(pictures or usual, local_files_only=True, trust_remote_code=False)
    cure = "its folder needs preprocessor_config.json or processor_config.json, and a tokenizer's files for models that read"
    # Without these files transformers makes an empty tokenizer, and every word is unknown.
    if kind.value.reads and not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        raise ProcessorMissingError(f"{name} has no tokenizer; {cure}")
    try:
        processor = _with_pillow(load)
    # From a missing file to a class that cannot be imported, each with an error of its own.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        if isinstance(error, ImportError) or "torchvision" in reason:
            text = f"the processor of {name} needs a package that is not installed; install it, or take another model: {reason}"
            raise ProcessorMissingError(text) from error
        raise ProcessorMissingError(f"the processor of {name} cannot be loaded ({reason}); {cure}") from error
    # Where the file for pictures is missing, transformers hands out the tokenizer alone.
    if not hasattr(processor, "image_processor") and not hasattr(processor, "image_mean"):
        raise ProcessorMissingError(f"{name} says nothing about how to prepare pictures; {cure}")
    return processor


def _with_pillow(load: Callable[..., Any]) -> Any:
    """Pillow and NumPy where they can do it: results must not depend on whether torchvision happens to be installed."""
    try:
        return load(backend="pil")
    except (ImportError, ValueError):
        return load()


def _model(
    torch: Any, transformers: Any, kind: ModelKind, folder: Path, name: str, place: Any, dtype: str, quantization: Any
) -> Any:
    if dtype not in DTYPES:
        raise ModelDeviceError(f"precision '{dtype}' is unknown; use one of {', '.join(DTYPES)}")
    precision = ("float32" if place.type == "cpu" else "auto") if dtype == "auto" else dtype
    try:
        model, report = getattr(transformers, kind.value.auto_class).from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto" if precision == "auto" else getattr(torch, precision),
            output_loading_info=True,
            **({} if quantization is None else {"quantization_config": quantization, "device_map": {"": place}}),
        )
        # A quantised model is on its device already and refuses to be moved.
        model = model.eval() if quantization is not None else model.eval().to(place)
    except torch.OutOfMemoryError as error:
        raise ModelMemoryError(f"{name} does not fit into the memory of {place}: {error}") from error
    # Malformed files fail in the reader of safetensors, in the config's checks or in torch, each with errors of its own.
    except Exception as error:
        raise BrokenWeightsError(f"{name} cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise BrokenWeightsError(
            f"the weights of {name} lack {len(missing)} tensors of {type(model).__name__}, the first is {missing[0]}; "
            "is the folder complete, and of this version of transformers?"
        )
    return model


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars or notes while a model is loaded: what matters is raised."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
