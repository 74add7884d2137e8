"""Parameters of spatial_node on its vision-language model, and the model that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..vlm.factory import DEFAULT_VLM, HELP, ChosenVlm, choose_vlm, is_slow
from ..vlm.interface import SpatialVlm
from ..vlm.judge import NamingConfig
from ..vlm.options import QUANTIZATIONS, VlmOptions
from .parameters import Param

AUTO, IMAGE, OWN = "auto", "image", "own"

VLM_PARAMS = (
    Param("vlm", DEFAULT_VLM, HELP + " Where it cannot be had, colour, size and shape words do, and /diagnostics says why."),
    Param(
        "vlm_device",
        "auto",
        "Where it runs: cpu, cuda, cuda:1 ...; auto is a GPU where there is one, and the CPU for the embedded model.",
    ),
    Param("vlm_dtype", "auto", "Its precision.", choices=("auto", "float32", "float16", "bfloat16")),
    Param("vlm_quantization", "none", "Of a hub model's weights; needs bitsandbytes.", choices=QUANTIZATIONS),
    Param("vlm_allow_download", False, "Fetch a hub model that is not on this machine yet; it may be gigabytes."),
    Param("vlm_adapter", "", "Folder of a LoRA adapter for a hub model; needs peft."),
    Param("vlm_segmenter", "", "Folder or hub id of a SAM-class model that outlines what a hub model or detector boxes."),
    Param(
        "vlm_pace",
        AUTO,
        "image: an image that needs the model waits for it. own: it works on a thread of its own, and what it says of one image "
        "holds for the same things on the next; ~/ask and ~/measure wait for it. auto: image for the embedded model, own for "
        "all others.",
        choices=(AUTO, IMAGE, OWN),
    ),
    Param("vlm_min_period_s", 0.0, "Least time between two images that the model looks at.", 0.0, 3600.0),
    Param("vlm_recheck_s", 1.0, "A name that the model gave to a thing is looked at again after this long.", 0.0, 3600.0),
    Param("vlm_timeout_s", 20.0, "Longest wait for one answer of the model's server.", 0.1, 600.0),
    Param(
        "vlm_answers",
        True,
        "Fuse the model's own numbers with depth's in answers of ~/ask and ~/measure. Published facts are depth's alone.",
    ),
)


def naming_of(param: Callable[[str], Any], vlm: SpatialVlm | None) -> NamingConfig:
    """When the model looks, by the node's parameters."""
    pace = param("vlm_pace")
    own = is_slow(vlm) if pace == AUTO else pace == OWN
    return NamingConfig(own_pace=own, min_period_s=param("vlm_min_period_s"), recheck_s=param("vlm_recheck_s"))


def options_of(param: Callable[[str], Any]) -> VlmOptions:
    """How the model is run, by the node's parameters."""
    return VlmOptions(
        device=param("vlm_device"),
        dtype=param("vlm_dtype"),
        quantization=param("vlm_quantization"),
        adapter=param("vlm_adapter"),
        allow_download=param("vlm_allow_download"),
        segmenter=param("vlm_segmenter"),
        timeout_s=param("vlm_timeout_s"),
    )


def model_of(param: Callable[[str], Any]) -> ChosenVlm:
    """The model that the node's parameters name, or why there is none."""
    return choose_vlm(param("vlm"), options_of(param))
