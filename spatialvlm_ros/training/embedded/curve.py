"""The course of a training as a picture and as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Entry = Mapping[str, float]
_NOT_DRAWN = ("step", "seconds", "slope", "offset")


def write_log(path: Path, entries: Sequence[Entry]) -> None:
    """One JSON object a line: "step", "seconds" and losses or scores."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(dict(entry)) + "\n" for entry in entries), encoding="utf-8")


def plot_log(path: Path, losses: Sequence[Entry], scores: Sequence[Entry] = (), title: str = "") -> None:
    """A PNG: losses over steps on a logarithmic scale, scores on held-out scenes beside them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0 if scores else 6.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if scores else 1, squeeze=False)[0]
    _lines(axes[0], losses, "loss")
    axes[0].set_yscale("log")
    if scores:
        _lines(axes[1], scores, "share on held-out scenes of another renderer")
        axes[1].set_ylim(0, 1.02)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _lines(axes: Any, entries: Sequence[Entry], label: str) -> None:
    names = [name for name in dict.fromkeys(name for entry in entries for name in entry) if name not in _NOT_DRAWN]
    for name in names:
        points = [(entry["step"], entry[name]) for entry in entries if name in entry]
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False)
