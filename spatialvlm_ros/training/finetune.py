"""Fine-tuning of any image-text-to-text model of transformers on data sets in chat format, with TRL's trainer.

Never changes: only safetensors are read and written; the same options, data and seed give the same order of samples, and on a CPU
with one thread the same weights; a run that was broken off goes on as if it had not been.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..perception.models.errors import ChatTemplateMissingError
from ..perception.models.loader import LoadedModel, ModelKind, load_model
from ..perception.models.weights import is_hub_id
from ..synthesis.output import write_json
from .adapters import LORA, counts, prepare_full, prepare_lora
from .chat_data import ChatData, DataError, open_chat_data
from .checkpoints import last_checkpoint, trainer_class
from .collate import ChatCollator
from .curve import plot_curve, series, write_metrics
from .finetune_card import run_facts, write_card
from .finetune_config import CHECKPOINTS, CURVE, FROZEN, MADE_BY, METRICS, RECORD, FinetuneConfig, begin, is_begun, read_record
from .mixture import schedule, shares_of
from .samples import Samples, held_out_order

_INSTALL = "pip install 'spatialvlm_ros[train]'"


class Diverged(RuntimeError):
    """The loss is no number any more."""


@dataclass(frozen=True)
class FinetuneReport:
    """What came of a run.

    Attributes:
        before, after: loss on held-out images, nats a token; of the first and last tenth of training where none are held out.
        held_out: whether they are of held-out images.
        dropped: rows that could not be used, by cause, of all data sets.
    """

    out: Path
    steps: int
    before: float
    after: float
    held_out: bool
    dropped: Mapping[str, int]

    @property
    def is_better(self) -> bool:
        return self.after < self.before


@dataclass(frozen=True)
class Run:
    """A run that is ready to begin: the parts that the trainer takes."""

    config: FinetuneConfig
    out: Path
    data: Sequence[ChatData]
    shares: Sequence[float]
    steps: int
    train: Samples
    held_out: Samples | None


def finetune(
    config: FinetuneConfig,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    keep_checkpoints: bool = False,
    allow_download: bool = False,
    cache_dir: Path | None = None,
    say: Callable[[str], None] = print,
) -> FinetuneReport:
    """Train a model and leave it in ``out``, with its card, metrics and curve.

    Args:
        cache_dir: where `datasets` keeps what it has read; None for its usual place.

    Raises:
        ModelError: the model cannot be had or trained (perception/models/errors.py); ChatTemplateMissingError among these.
        ValueError: options that do not go together, a data set (DataError) or folder (OutputError) that is of no use.
        ImportError: trl, peft, accelerate or datasets is missing.
        Diverged: the loss became infinite or no number.
    """
    _require_packages(config)
    data = [open_chat_data(Path(one.path), held_out_share=config.held_out_share, cache_dir=cache_dir) for one in config.data]
    run = _planned(config, out, data)
    # Of processes that train together the first one has the folder, and the others follow it.
    is_first = _from_launcher("RANK", 0) == 0
    begun = is_begun(out, config.to_json(), resume=resume, overwrite=overwrite) if is_first else resume
    record = read_record(out) if begun else None
    if record is not None and record.get("complete"):
        say(f"{out} is complete; nothing to do")
        return _report_of(run, record["result"])
    loaded = _model(config, allow_download)
    if not begun and is_first:
        begin(out, config.to_json())
    for one in data:
        say(_data_line(one))
    trainer = _trainer(run, loaded, say)
    checkpoint = last_checkpoint(out / CHECKPOINTS) if begun else None
    say(f"{run.steps} steps" + (f", from {checkpoint.name} on" if checkpoint else ""))
    # What was judged before the first step stands in the checkpoint's log.
    trainer.args.eval_on_start = run.held_out is not None and checkpoint is None
    with _without_bars():
        _train(trainer, checkpoint)
        return _finish(run, trainer, loaded, keep_checkpoints)


def _require_packages(config: FinetuneConfig) -> None:
    try:
        import accelerate  # noqa: F401
        import trl  # noqa: F401

        if config.method == LORA:
            import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(f"training needs trl, accelerate, datasets, and peft for LoRA ({error}): {_INSTALL}") from error


def _planned(config: FinetuneConfig, out: Path, data: Sequence[ChatData]) -> Run:
    if config.label_noise_std_m and not any(one.spatial for one in data):
        raise DataError("label noise needs the numbers of pairs before rounding, which none of the data sets has")
    shares = shares_of([one.weight for one in config.data], [one.spatial for one in data], config.spatial_share)
    used = [one for one, share in zip(data, shares, strict=True) if share]
    per_step = config.batch_size * config.accumulation * max(1, _from_launcher("WORLD_SIZE", 1))
    steps = config.steps or max(1, math.ceil(config.epochs * sum(len(one.train) for one in used) / per_step))
    order = schedule([len(one.train) for one in data], shares, steps * per_step, config.seed)
    train = Samples(data, order, questions=config.questions, noise_std_m=config.label_noise_std_m, seed=config.seed)
    judged = held_out_order(data, shares, config.held_out_most) if config.held_out_share else []
    # Never noisy: the labels that a run is judged on are the same whatever it was taught.
    held_out = Samples(data, judged, questions=config.questions, noise_std_m=0.0, seed=0, held_out=True) if judged else None
    return Run(config, out, data, shares, steps, train, held_out)


def _from_launcher(name: str, default: int) -> int:
    """What accelerate's and torch's launchers tell each process."""
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default


def _data_line(data: ChatData) -> str:
    dropped = ", ".join(f"{cause} {count}" for cause, count in sorted(data.dropped.items()))
    kind = "spatial, " if data.spatial else ""
    return f"{data.path}: {kind}{len(data.train)} rows to train on, {len(data.held_out)} held out; dropped: {dropped or 'none'}"


def _model(config: FinetuneConfig, allow_download: bool) -> LoadedModel:
    """The base with its processor. Raises ModelError."""
    import torch

    folder = Path(config.base).expanduser()
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is an adapter and no whole model; train it with --merge and begin from that")
    on_cuda = config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    dtype = ("bfloat16" if on_cuda and config.method == LORA else "float32") if config.dtype == "auto" else config.dtype
    loaded = load_model(
        ModelKind.CAPTIONER,
        config.base,
        revision=config.revision,
        device=config.device,
        dtype=dtype,
        allow_download=allow_download,
    )
    if not getattr(loaded.processor, "chat_template", None):
        raise ChatTemplateMissingError(
            f"{config.base} has no chat template, so questions and answers cannot be written for it; its folder needs "
            "chat_template.jinja (instruction-tuned models have one, base models do not)"
        )
    return loaded


def _trainer(run: Run, loaded: LoadedModel, say: Callable[[str], None]) -> Any:
    """TRL's trainer over our samples, collator and checkpoints."""
    import transformers

    every = max(1, run.steps // 10)
    config = run.config
    transformers.set_seed(config.seed)
    freeze = config.vision == FROZEN
    if config.method == LORA:
        base = config.base if is_hub_id(config.base) else str(loaded.folder.resolve())
        model = prepare_lora(loaded.model, config.lora, freeze_vision=freeze, base=base, revision=loaded.info.revision)
    else:
        model = prepare_full(loaded.model, freeze_vision=freeze)
    collator = ChatCollator(loaded.processor, max_tokens=config.max_tokens, image_size_px=config.image_size_px)

    class Watcher(transformers.TrainerCallback):  # type: ignore[misc]
        """Keeps the file of metrics up to date, and stops a run that cannot come to anything."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
            write_metrics(run.out / METRICS, state.log_history)
            if logs and ("eval_loss" in logs or (state.global_step % every == 0 and "loss" in logs)):
                words = {"loss": "loss", "eval_loss": "loss on held-out images"}
                figures = ", ".join(f"{word} {logs[name]:.4f}" for name, word in words.items() if name in logs)
                say(f"step {state.global_step} of {run.steps}: {figures}")
            wrong = {name: logs[name] for name in ("loss", "eval_loss") if logs and not math.isfinite(logs.get(name, 0.0))}
            if wrong:
                raise Diverged(f"the loss is {wrong} after step {state.global_step}: give a smaller --learning-rate")

    trainer = trainer_class()(
        model=model, args=_arguments(run, loaded), data_collator=collator, train_dataset=run.train.as_dataset(),
        eval_dataset=run.held_out.as_dataset() if run.held_out else None, processing_class=loaded.processor,
        callbacks=[Watcher()],
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _arguments(run: Run, loaded: LoadedModel) -> Any:
    import torch
    from trl import SFTConfig

    config, on_cpu = run.config, loaded.info.device == "cpu"
    every = max(1, run.steps // 10)
    with warnings.catch_warnings():
        # Its new name is not known to the trainer's own defaults yet.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        return SFTConfig(
            output_dir=str(run.out / CHECKPOINTS), max_steps=run.steps, per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size, gradient_accumulation_steps=config.accumulation,
            learning_rate=config.rate, lr_scheduler_type="cosine", warmup_steps=math.ceil(config.warmup_share * run.steps),
            max_length=None, use_cpu=on_cpu, bf16=not on_cpu and torch.cuda.is_bf16_supported(), fp16=False,
            gradient_checkpointing=config.gradient_checkpointing, logging_steps=max(1, run.steps // 200),
            logging_nan_inf_filter=False, eval_strategy="steps" if run.held_out else "no", eval_steps=every,
            save_strategy="steps", save_steps=config.checkpoint_every or every, save_total_limit=2, report_to="none",
            train_sampling_strategy="sequential", remove_unused_columns=False, prediction_loss_only=True,
            disable_tqdm=True, seed=config.seed, data_seed=config.seed,
        )  # fmt: skip


@contextmanager
def _without_bars() -> Iterator[None]:
    """No bars of transformers: what matters is said."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _train(trainer: Any, checkpoint: Path | None) -> None:
    import torch

    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        raise RuntimeError(
            f"the device has no memory left ({error}): give a smaller --batch-size (with --accumulation), a smaller "
            "--image-size-px, --gradient-checkpointing or --method lora"
        ) from error


def _finish(run: Run, trainer: Any, loaded: LoadedModel, keep_checkpoints: bool) -> FinetuneReport:
    """Judge, save, tell."""
    if run.held_out is not None and not _judged_at_end(trainer, run.steps):
        trainer.evaluate()
    lines = write_metrics(run.out / METRICS, trainer.state.log_history)
    report = _report(run, lines)
    if trainer.is_world_process_zero():
        sizes = counts(trainer.model)
        model = trainer.accelerator.unwrap_model(trainer.model)
        if run.config.merge:
            model = model.merge_and_unload()
        model.save_pretrained(run.out)
        # peft writes a card of its own, which knows nothing of this run.
        (run.out / "README.md").unlink(missing_ok=True)
        loaded.processor.save_pretrained(run.out)
        plot_curve(run.out / CURVE, lines, f"{loaded.info.name}, {run.config.method}")
        facts = run_facts(run.config, run.data, run.shares, loaded, sizes, run.out)
        result = {"steps": run.steps, "before": report.before, "after": report.after, "held_out": report.held_out}
        record = {"made_by": MADE_BY, "config": run.config.to_json(), "complete": True, "result": result, **facts}
        write_card(run.out, record)
        write_json(run.out / RECORD, record)
        if not keep_checkpoints:
            shutil.rmtree(run.out / CHECKPOINTS, ignore_errors=True)
    return report


def _judged_at_end(trainer: Any, steps: int) -> bool:
    return any("eval_loss" in entry and entry["step"] == steps for entry in trainer.state.log_history)


def _report(run: Run, lines: Sequence[Mapping[str, float]]) -> FinetuneReport:
    _, values = series(lines, "eval_loss" if run.held_out else "loss")
    if run.held_out is None:
        some = max(1, len(values) // 10)
        values = [sum(values[:some]) / some, sum(values[-some:]) / some]
    return _report_of(run, {"steps": run.steps, "before": values[0], "after": values[-1], "held_out": run.held_out is not None})


def _report_of(run: Run, result: Mapping[str, Any]) -> FinetuneReport:
    dropped: dict[str, int] = {}
    for one in run.data:
        for cause, count in one.dropped.items():
            dropped[cause] = dropped.get(cause, 0) + count
    return FinetuneReport(run.out, result["steps"], result["before"], result["after"], result["held_out"], dropped)
