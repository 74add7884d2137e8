"""What stands beside a fine-tuned model: which base, which data to the byte, which options, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..perception.models.loader import LoadedModel
from ..perception.models.weights import is_hub_id
from ..synthesis.output import sha256_of, write_text
from .adapters import LORA
from .chat_data import ChatData
from .finetune_config import CARD, CURVE, METRICS, RECORD, FinetuneConfig

_PACKAGES = ("spatialvlm_ros", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


def run_facts(
    config: FinetuneConfig,
    data: Sequence[ChatData],
    shares: Sequence[float],
    loaded: LoadedModel,
    sizes: Mapping[str, int],
    out: Path,
) -> dict[str, Any]:
    """Everything that is known about a run, as JSON values."""
    return {
        "base": {
            "name": config.base,
            "revision": loaded.info.revision,
            "sha256": loaded.info.sha256,
            "class": loaded.info.model_class,
        },
        "data": [_data_facts(one, share) for one, share in zip(data, shares, strict=True)],
        "sizes": dict(sizes),
        "weights": {file.name: sha256_of(file) for file in sorted(out.glob("*.safetensors"))},
        "versions": {package: _version(package) for package in _PACKAGES},
    }


def _data_facts(data: ChatData, share: float) -> dict[str, Any]:
    lines = "".join(f"{name}\x1f{digest}\x1e" for name, digest in sorted(data.files.items()))
    return {
        "name": data.name, "spatial": data.spatial, "share": share, "rows": len(data.train), "held_out": len(data.held_out),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(), "files": dict(data.files),
        "dropped": dict(sorted(data.dropped.items())),
    }  # fmt: skip


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def write_card(out: Path, record: Mapping[str, Any]) -> None:
    """Write README.md from a run's record."""
    write_text(out / CARD, card_text(record))


def card_text(record: Mapping[str, Any]) -> str:
    """The text of README.md."""
    config, base, result = record["config"], record["base"], record["result"]
    adapter = config["method"] == LORA and not config["merge"]
    name = base["name"] if is_hub_id(base["name"]) else Path(base["name"]).name
    kind = "adapters (LoRA) for" if adapter else "a fine-tuned copy of"
    judged = "held-out images" if result["held_out"] else "training images, as none were held out"
    return "\n".join(
        [
            _header(base["name"], adapter),
            f"# {name}, trained on spatial questions\n",
            f"These are {kind} `{name}` ({base['class']}), made by `{record['made_by']}`. Weights and settings of the base: "
            f"SHA-256 `{base['sha256']}`{', revision ' + base['revision'] if base['revision'] else ''}.\n",
            _how_to_load(base["name"], adapter),
            "## Data\n\n" + _data_table(record["data"]),
            f"Vision encoder {config['vision']}; noise on lengths in training answers {config['label_noise_std_m']:g} m; "
            f"{record['sizes']['trained']} of {record['sizes']['parameters']} parameters learnt.\n",
            "## Result\n",
            f"Loss a token of the answers on {judged}: {result['before']:.4f} before, {result['after']:.4f} after "
            f"{result['steps']} steps (`{METRICS}`, `{CURVE}`). A loss says little about metres: judge the model with "
            "`spatialvlm evaluate`.\n",
            "## Limits\n\n" + _LIMITS,
            "## How it was made\n\n```json\n"
            + json.dumps(
                {key: record[key] for key in ("config", "weights", "versions")}, indent=1, ensure_ascii=False, sort_keys=True
            )
            + f"\n```\n\n`{RECORD}` holds the same for programs, with the SHA-256 of each file of data.\n",
        ]
    )


_LIMITS = """\
- It inherits the limits and the licence of its base, and the errors of its data's labels.
- It sees the colours alone: what it says of lengths is a guess from looks, where the engine measures with depth.
- Images are held out one by one; neighbours in a recording look alike, so for recordings the held-out loss flatters.
- Its numbers carry no deviation; several answers that differ say how sure it is.
"""


def _header(base: str, adapter: bool) -> str:
    lines = ["---", "pipeline_tag: image-text-to-text", f"library_name: {'peft' if adapter else 'transformers'}"]
    if is_hub_id(base):
        lines.append(f"base_model: {base}")
    return "\n".join([*lines, "tags: [spatialvlm, spatial-reasoning]", "---", ""])


def _how_to_load(base: str, adapter: bool) -> str:
    note = f"The base must lie at `{base}`.\n" if adapter and not is_hub_id(base) else ""
    return (
        "```python\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
        'model = AutoModelForImageTextToText.from_pretrained("PATH")\nprocessor = AutoProcessor.from_pretrained("PATH")\n```\n'
        + note
    )


def _data_table(data: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| data set | kind | share | rows | held out | dropped | SHA-256 |", "|---|---|---:|---:|---:|---|---|"]
    for one in data:
        dropped = ", ".join(f"{cause} {count}" for cause, count in one["dropped"].items()) or "none"
        kind = "spatial" if one["spatial"] else "other"
        lines.append(
            f"| {one['name']} | {kind} | {one['share']:.3f} | {one['rows']} | {one['held_out']} | {dropped} | "
            f"`{one['sha256'][:16]}` |"
        )
    return "\n".join([*lines, ""])
