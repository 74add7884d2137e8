"""The course of a training run: one JSON object a line, and a picture of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..synthesis.output import whole_file, write_text

# What is kept of a log's entry; times differ from run to run.
KEPT = ("step", "loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy", "eval_mean_token_accuracy")


def write_metrics(path: Path, history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Write the lines of a trainer's log that hold a loss, and return them; null where there is no number."""
    lines = [{name: entry[name] for name in KEPT if name in entry} for entry in history if {"loss", "eval_loss"} & set(entry)]
    plain = [{name: value if math.isfinite(value) else None for name, value in line.items()} for line in lines]
    write_text(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in plain))
    return lines


def series(lines: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one figure."""
    found = [(line["step"], line[name]) for line in lines if name in line]
    return [step for step, _ in found], [value for _, value in found]


def plot_curve(path: Path, lines: Sequence[Mapping[str, float]], title: str) -> None:
    """Loss on training and held-out images, and the learning rate below. Raises ImportError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the curve needs the package 'matplotlib': pip install 'spatialvlm_ros[train]'") from error
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, label, marker in (("loss", "training", ""), ("eval_loss", "held-out images", "o")):
        steps, values = series(lines, name)
        if steps:
            losses.plot(steps, values, marker=marker, label=label, linewidth=1.2)
    losses.set(ylabel="loss (nats a token)", title=title)
    losses.legend(frameon=False)
    losses.grid(alpha=0.3)
    rates.plot(*series(lines, "learning_rate"), color="tab:gray")
    rates.set(xlabel="step", ylabel="learning rate")
    rates.grid(alpha=0.3)
    with whole_file(path) as part:
        figure.savefig(part, dpi=110, format="png")
