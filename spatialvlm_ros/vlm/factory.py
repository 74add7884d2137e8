"""One way to get any spatial vision-language model: by a text that says which.

``off``: none. ``embedded``: ours. A folder: whatever lies in it. ``hub:owner/name@revision``: of the Hugging Face hub.
``http://host:port/v1#model``: behind a server.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

from ..perception.models.loader import ModelKind
from ..perception.models.weights import model_folder, model_type
from .hub_model import as_vlm_error
from .interface import SpatialVlm, VlmError
from .options import VlmOptions

OFF, EMBEDDED = "off", "embedded"
#: What nodes and commands use when nobody says anything. Not the embedded model yet: on real frames of printed goods it finds
#: more names than words by colour and shape do, but takes some for another thing, which these never do (benchmarks/model.json).
DEFAULT_VLM = OFF
_HUB = "hub:"
_URL_RE = re.compile(r"https?://", re.IGNORECASE)
_EMBEDDED_TYPE = "spatialvlm"
HELP = (
    "Vision-language model that says which thing a name means: off, embedded, a folder, hub:owner/name@revision, or "
    "http://host:port/v1#model for a server."
)


def open_vlm(spec: str, options: VlmOptions | None = None) -> SpatialVlm | None:
    """The model that a text names, None for "off".

    Raises:
        VlmError: it cannot be had; the text says why and what to do.
    """
    spec, options = spec.strip(), options or VlmOptions()
    if spec in ("", OFF):
        return None
    with as_vlm_error(f"model '{spec}' cannot be used"):
        if _URL_RE.match(spec):
            return _server(spec, options)
        if spec == EMBEDDED:
            return _embedded(None, options)
        if spec.startswith(_HUB):
            return _hub(spec, options)
        if not Path(spec).expanduser().is_dir():
            raise VlmError(
                f"model '{spec}' is not known: there is no such folder. Give off, embedded, a folder, hub:owner/name@revision, "
                "or http://host:port/v1#model"
            )
        return _local(str(Path(spec).expanduser()), None, options)


def _server(spec: str, options: VlmOptions) -> SpatialVlm:
    url, _, model = spec.partition("#")
    if not model:
        raise VlmError(
            f"'{spec}' names no model; put it behind a #: http://host:port/v1#model, as the server lists it at /v1/models"
        )
    from .server_backend import ServerVlm

    return ServerVlm.from_url(url, model, options)


def _hub(spec: str, options: VlmOptions) -> SpatialVlm:
    name, _, revision = spec.removeprefix(_HUB).partition("@")
    if Path(name).expanduser().exists():  # the loader would open that, whatever the revision
        raise VlmError(
            f"'{spec}' is to be an id of the hub, but there is a folder or file '{name}' here, which would be opened for any "
            f"revision. To open it give it without '{_HUB}', else start in another folder"
        )
    folder = model_folder(name, revision=revision or None, allow_download=options.allow_download)
    return _local(name, revision or folder.name, options)


def _embedded(folder: Path | None, options: VlmOptions) -> SpatialVlm:
    from importlib.util import find_spec

    missing = [package for package in ("torch", "transformers", "safetensors") if find_spec(package) is None]
    if missing:
        raise VlmError(f"the embedded model needs the package '{missing[0]}': pip install 'spatialvlm_ros[model]'")
    # By name: what lies in that folder loads torch with itself.
    backend = importlib.import_module(".embedded.backend", __package__)
    # Small and quick enough for a CPU, where the same image gives the same bytes.
    device = "cpu" if options.device == "auto" else options.device
    found: SpatialVlm = backend.EmbeddedVlm.from_folder(folder, device=device)
    return found


def _local(name: str, revision: str | None, options: VlmOptions) -> SpatialVlm:
    """A folder, or a hub id that is on this machine by now, by its type."""
    folder = model_folder(name, revision=revision, allow_download=options.allow_download)
    kind = model_type(folder)
    if kind == _EMBEDDED_TYPE:
        return _embedded(folder, options)
    if kind in ModelKind.DETECTOR.value.model_types:
        from .detector_backend import DetectorVlm

        return DetectorVlm.from_pretrained(name, revision, options)
    from .transformers_backend import TransformersVlm

    return TransformersVlm.from_pretrained(name, revision, options)


@dataclass(frozen=True)
class ChosenVlm:
    """A model that was asked for: itself, or None with the ``problem`` that leaves names to words ("" for "off")."""

    spec: str
    vlm: SpatialVlm | None = None
    problem: str = ""

    @property
    def text(self) -> str:
        """Which model it is, or what stands in for it."""
        if self.vlm is not None:
            return self.vlm.version
        return f"off: names by words alone, for {self.problem}" if self.problem else OFF


def choose_vlm(spec: str, options: VlmOptions | None = None) -> ChosenVlm:
    """The model that a text names, or why words have to do. Never raises."""
    try:
        return ChosenVlm(spec, open_vlm(spec, options))
    except VlmError as error:
        return ChosenVlm(spec, None, str(error))


def is_slow(vlm: SpatialVlm | None) -> bool:
    """Whether a model is likely slower than a camera: all but ours."""
    return vlm is not None and not type(vlm).__module__.startswith(f"{__package__}.embedded.")
