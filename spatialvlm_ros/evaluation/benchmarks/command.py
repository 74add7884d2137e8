"""``spatialvlm evaluate --benchmark``: a model asked a local copy of a public benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...vlm.options import VlmOptions
from ..benchmark_file import writable_folder
from ..model_source import opened_with
from .catalog import benchmark_of
from .item import LoadOptions
from .report import print_scores, report_of, write_report
from .run import ask, limited


@dataclass(frozen=True)
class PublicRun:
    """What is asked of whom. ``model`` is a specification as of model_source.opened_with."""

    benchmark: str
    folder: Path
    model: str
    out: Path
    load: LoadOptions
    how: VlmOptions
    seed: int = 0


def run_public(asked_for: PublicRun, tell: Callable[[str], None] | None = None) -> int:
    """Ask, score and write the report; returns how many questions got an answer.

    Raises:
        BenchmarkDataError: the copy cannot be scored, before any model is loaded where its tables and files tell.
        VlmError: the model cannot be had.
    """
    benchmark = benchmark_of(asked_for.benchmark)
    items = limited(benchmark.load(asked_for.folder, asked_for.load), asked_for.load.limit)
    vlm = opened_with(asked_for.model, asked_for.how)
    try:
        if vlm.answers:  # else it is refused below
            writable_folder(asked_for.out)
        asked = ask(vlm, items, tell)
    finally:
        vlm.close()
    report = report_of(benchmark, asked_for.folder, asked_for.load, items, asked, vlm.version, asked_for.seed)
    write_report(asked_for.out, report, benchmark, items, asked)
    print_scores(report)
    return int(report["answered"])
