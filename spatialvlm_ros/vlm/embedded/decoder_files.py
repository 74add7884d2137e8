"""A decoder on disk: weights as safetensors, sizes and vocabulary as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from .decoder import AnswerDecoder, DecoderConfig

WEIGHTS, CONFIG = "decoder.safetensors", "decoder.json"


def save_decoder(decoder: AnswerDecoder, folder: Path) -> None:
    """Write both files; the folder is made."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous().clone() for name, value in decoder.state_dict().items()}
    save_file(state, str(folder / WEIGHTS), metadata={"format": "pt"})
    text = json.dumps(decoder.config.to_json(), indent=1, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def load_decoder(folder: Path) -> AnswerDecoder:
    """A decoder that ``save_decoder`` wrote, ready to answer.

    Raises:
        ValueError: a file is missing, or they do not fit together; with the file's name.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = DecoderConfig.from_json(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        decoder = AnswerDecoder(config)
        decoder.load_state_dict(load_file(str(folder / WEIGHTS)))
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} holds no decoder that can be loaded ({CONFIG}, {WEIGHTS}): {error}") from error
    decoder.eval()
    return decoder
