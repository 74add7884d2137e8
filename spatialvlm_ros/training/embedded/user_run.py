"""``spatialvlm train --from embedded`` and ``--from scratch``: the embedded model on data sets of a user's own images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...synthesis.output import sha256_of, write_json, write_text
from ...synthesis.pipeline import Registry
from ...vlm.embedded.backend import EmbeddedVlm
from ...vlm.embedded.model import SpatialVlmModel
from ...vlm.weights import write_checksums
from ..chat_data import ChatData, open_chat_data
from ..finetune_config import CARD, MADE_BY, RECORD, begin, is_begun, read_record
from .assemble import assemble
from .user_data import UserData, read_user_data
from .user_training import UserTraining, train_on

EMBEDDED, SCRATCH = "embedded", "scratch"
_CHECKPOINTS = "checkpoints"
# Of scenes that a model from nothing learns from before it sees the user's: as make train-embedded.
_SCRATCH_STEPS = 4000
# A model that gained elsewhere may lose so much of "verdicts" (a share) and of "numbers" (nats), but nothing of "names".
WORSE_BY_MOST = 0.02


@dataclass(frozen=True)
class EmbeddedRun:
    """A run.

    Attributes:
        base: EMBEDDED for the shipped model, SCRATCH for one from nothing, or the folder of one.
        data: folders of data sets.
        scratch_steps: of the tower and of the decoder on rendered scenes, with SCRATCH.
    """

    base: str
    data: tuple[str, ...]
    training: UserTraining
    held_out_share: float = 0.05
    scratch_steps: int = _SCRATCH_STEPS


@dataclass(frozen=True)
class EmbeddedReport:
    """What came of it: figures on held-out images as ``train_on`` gives them, and rows that were not used, by cause."""

    out: Path
    figures: Mapping[str, Any]
    dropped: Mapping[str, int]

    @property
    def is_better(self) -> bool | None:
        """Whether any figure rose, no name was lost and no other figure fell by more than WORSE_BY_MOST; None where nothing was
        held out.
        """
        known = {name: one for name, one in self.figures.items() if isinstance(one, Mapping) and one["before"] is not None}
        if not known:
            return None
        signs = {"numbers": -1.0}
        gains = {name: signs.get(name, 1.0) * (one["after"] - one["before"]) for name, one in known.items()}
        if gains.get("names", 0.0) < 0 or not all(gain >= -WORSE_BY_MOST for gain in gains.values()):
            return False
        return max(gains.values()) > 0 or all(one["after"] == 1 for one in known.values())


def run_embedded(
    run: EmbeddedRun, out: Path, registry: Registry, *, resume: bool, overwrite: bool, cache_dir: Path | None,
    say: Callable[[str], None] = print,
) -> EmbeddedReport:  # fmt: skip
    """Train and leave a model in ``out`` that ``EmbeddedVlm.from_folder`` and transformers open.

    A run that was broken off begins again and ends in the same bytes; what SCRATCH learns of rendered scenes goes on.

    Raises:
        ValueError: data sets (DataError) or a folder (OutputError) of no use.
        VlmError: there is no model to begin with.
    """
    config = {"embedded": json.loads(json.dumps(asdict(run)))}
    begun = is_begun(out, config, resume=resume, overwrite=overwrite)
    record = read_record(out) if begun else None
    if record is not None and record.get("complete"):
        say(f"{out} is complete; nothing to do")
        return EmbeddedReport(out, record["figures"], record["dropped"])
    opened = [open_chat_data(Path(path), held_out_share=run.held_out_share, cache_dir=cache_dir) for path in run.data]
    data = _joined([read_user_data(one, registry) for one in opened])
    asked = sum(len(image.asked) for image in data.train)
    say(f"{len(data.train)} images to learn from with {asked} questions, {len(data.held_out)} held out")
    model = None if run.base == SCRATCH else _opened(run.base)
    if not begun:
        begin(out, config)
    if model is None:
        model = _from_nothing(run, out / _CHECKPOINTS, say)
    learnt, figures = train_on(model, data, run.training, say)
    dropped = dict(sorted((data.dropped + sum((one.dropped for one in opened), start=type(data.dropped)())).items()))
    _leave(learnt, out, config, figures, dropped, opened)
    return EmbeddedReport(out, figures, dropped)


def _opened(base: str) -> SpatialVlmModel:
    model: SpatialVlmModel = EmbeddedVlm.from_folder(None if base == EMBEDDED else base).model
    return model


def _joined(parts: Sequence[UserData]) -> UserData:
    found = UserData()
    for part in parts:
        found.train += part.train
        found.held_out += part.held_out
        found.dropped += part.dropped
    return found


def _from_nothing(run: EmbeddedRun, folder: Path, say: Callable[[str], None]) -> SpatialVlmModel:
    """A model that learnt from rendered scenes alone. Hours on a CPU; goes on with what is in ``folder``."""
    from .train import EmbeddedTraining, train_embedded
    from .train_decoder import DecoderTraining, train_decoder
    from .train_tower import TowerTraining

    def told(entry: Mapping[str, float]) -> None:
        if entry["step"] % 100 == 0:
            say(", ".join(f"{name} {value:g}" for name, value in entry.items()))

    seed, steps = run.training.seed, run.scratch_steps
    say("the decoder on drawn layouts")
    train_decoder(DecoderTraining(folder / "decoder", steps=steps, seed=seed), told)
    say("the tower on rendered scenes")
    training = EmbeddedTraining(folder, tower=TowerTraining(seed=seed, steps=steps), decoder=folder / "decoder")
    model = train_embedded(training, told)
    # Without a limit of time it is never None.
    assert model is not None
    return model


def _leave(
    model: SpatialVlmModel, out: Path, config: Mapping[str, Any], figures: Mapping[str, Any], dropped: Mapping[str, int],
    opened: Sequence[ChatData],
) -> None:  # fmt: skip
    sizes, calibration = model.config.gripper_config(), model.config.calibration_config()
    assemble(out, model.tower, model.gripper, sizes, model.decoder, calibration, {"user": dict(figures)})
    record = {
        "made_by": MADE_BY, "config": config, "complete": True, "figures": dict(figures), "dropped": dict(dropped),
        "data": [{"name": one.name, "files": dict(one.files)} for one in opened],
        "weights": {"model.safetensors": sha256_of(out / "model.safetensors")},
    }  # fmt: skip
    write_json(out / RECORD, record)
    write_text(out / CARD, _card(record))
    # Last, over all files, or the model would not open.
    write_checksums(out)


def _card(record: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | {_said(one['before'])} | {_said(one['after'])} |"
        for name, one in record["figures"].items()
        if isinstance(one, Mapping)
    ]
    data = [f"- {one['name']}: {len(one['files'])} files, SHA-256 of each in `{RECORD}`" for one in record["data"]]
    return "\n".join(
        [
            "# The embedded SpatialVLM, trained on a user's own images\n",
            f"Begun from `{record['config']['embedded']['base']}`, made by `{record['made_by']}`. Open it with "
            "`spatialvlm ask --vlm PATH`.\n",
            "## Data\n",
            *data,
            "\n## On held-out images\n",
            "| figure | before | after |",
            "|---|---:|---:|",
            *rows,
            "\n`names`: captions whose region scores best in its image. `numbers`: mean negative log density of lengths (nats, "
            "less is better). `verdicts`: comparisons that are right.\n",
            "## Limits\n",
            "- Labels are what the data set says; where these were measured, the decoder learns to repeat the measurement.",
            "- Calibration is the base's: how sure it is of new words has not been fitted.",
            "- Images are held out one by one; neighbours in a recording look alike, so for recordings these figures flatter.",
            "",
        ]
    )


def _said(value: float | None) -> str:
    return "none held out" if value is None else f"{value:.3f}"
