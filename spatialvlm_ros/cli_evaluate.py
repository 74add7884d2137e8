"""``spatialvlm evaluate`` and ``bench-model``: their arguments, and what they become. What is done stands in ``evaluation``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the other commands read this file, too, and need none of it
    from .evaluation.vqa_run import Evaluated
    from .synthesis.audit_rows import Dataset
    from .synthesis.record import Dropped, Picture

# Exit codes, as of all commands.
DONE, NOTHING_ANSWERED, BAD_INPUT, COULD_NOT_RUN = 0, 1, 2, 3

_DESCRIPTION = """\
Asks a model all questions of a data set that `spatialvlm synthesize` wrote, and scores its answers beside the best constant, a
model of the words alone, and the same model with shuffled colours and depths. Leaves report.json and report.html. Exit code: 0
done, 1 done but the model gave no answer that can be read, 2 wrong input, 3 could not run (the model cannot be had).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that ``evaluate`` understands."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--model", required=True, metavar="MODEL",
        help="embedded, a folder, hub:owner/name@revision, http://host:port/v1#model, or words (names by their words, no model)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of a data set")
    parser.add_argument(
        "--benchmark", default="", metavar="NAME",
        help="--data is a copy of a public benchmark, scored by its own rules: spatialrgpt, q-spatial, embspatial, vsi-bench, "
        "mindcube, omnispatial, robospatial or realworldqa",
    )  # fmt: skip
    parser.add_argument("--split", default="", metavar="NAME", help="of a public benchmark (default: its first)")
    parser.add_argument("--frames", type=int, default=8, metavar="N", help="of a benchmark's video (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="where results go (default: out/evaluate)")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="the first N images only; 0 for all (default: 0)")
    parser.add_argument("--no-controls", action="store_true", help="leave out shuffled colours and depths (a third of the time)")
    parser.add_argument(
        "--depth-noise",
        default="stereo",
        metavar="NAME",
        help="structured_light, stereo, time_of_flight or exact (default: stereo)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the intervals and of sampled answers (default: 0)")
    model = parser.add_argument_group("model")
    model.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: auto)")
    model.add_argument("--adapter", default="", metavar="DIR", help="a LoRA adapter to the model")
    model.add_argument("--samples", type=int, default=5, metavar="N", help="answers that a number is averaged over (default: 5)")
    model.add_argument("--allow-download", action="store_true", help="fetch a model that is not on this machine")


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that ``bench-model`` understands."""
    parser.add_argument("--model", default="embedded", metavar="MODEL", help="as of evaluate (default: embedded)")
    parser.add_argument("--quick", action="store_true", help="a few scenes only: does it run, not how good is it")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="added to the seeds of all scenes (default: 0)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes for all but the timing (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("out/model"), help="where results go (default: out/model)")
    parser.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/model.json")
    parser.add_argument("--demos", type=int, default=3, metavar="N", help="live demos with each; 0 for none (default: 3)")


def run(options: argparse.Namespace) -> int:
    """Evaluate; returns the exit code. Raises as ``cli.main`` catches."""
    from .evaluation.benchmark_file import writable_folder
    from .evaluation.model_source import opened_with
    from .evaluation.vqa_dataset import asked_images
    from .evaluation.vqa_report import print_scores, report_of, write_report
    from .evaluation.vqa_run import Evaluation
    from .scene.noise import PRESETS
    from .synthesis.audit_rows import open_dataset
    from .vlm.options import VlmOptions

    if options.depth_noise not in PRESETS:
        raise ValueError(f"--depth-noise {options.depth_noise}: give one of {', '.join(PRESETS)}")
    if options.limit < 0 or options.seed < 0:
        raise ValueError(f"--limit {options.limit} and --seed {options.seed} must not be below 0")
    if options.benchmark:
        return _run_public(options)
    dataset = open_dataset(options.data)
    pictures, note = source_pictures(dataset)
    how = VlmOptions(
        device=options.device, adapter=options.adapter, samples=options.samples, seed=options.seed,
        allow_download=options.allow_download,
    )  # fmt: skip
    vlm = opened_with(options.model, how)
    try:
        writable_folder(options.out)
        evaluation = Evaluation(vlm, options.depth_noise, _progress)
        images = asked_images(dataset, options.limit, pictures)
        found = evaluation.run(images, controls=not options.no_controls, seed=options.seed)
    finally:
        vlm.close()
    report = report_of(found, vlm.version, dataset, note, options.seed)
    write_report(options.out, report, found)
    print_scores(report)
    print(f"left in {options.out}: report.json, report.html")
    return DONE if _answered(found) else NOTHING_ANSWERED


def _run_public(options: argparse.Namespace) -> int:
    from .evaluation.benchmarks.command import PublicRun, run_public
    from .evaluation.benchmarks.item import LoadOptions
    from .vlm.options import VlmOptions

    # As the authors of benchmarks do: the likeliest words, once, with room for steps of reasoning.
    how = VlmOptions(
        device=options.device, adapter=options.adapter, samples=1, seed=options.seed, max_new_tokens=512,
        allow_download=options.allow_download,
    )  # fmt: skip
    load = LoadOptions(options.split, options.frames, options.limit)
    asked = PublicRun(options.benchmark, options.data, options.model, options.out, load, how, options.seed)
    answered = run_public(asked, _progress)
    print(f"left in {options.out}: report.json, report.html, answers.jsonl")
    return DONE if answered else NOTHING_ANSWERED


def _progress(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _answered(found: Evaluated) -> bool:
    from .evaluation.vqa_run import ENGINE, MODEL

    # The engine answers by words alone where the model fails: that is no answer of a model that has answers of its own.
    who = MODEL if MODEL in found.scores else ENGINE
    parts = [found.scores[who][kind] for kind in ("numbers", "verdicts") if who in found.scores]
    return any((part.get("gives_a_number") or part.get("gives_a_verdict") or 0) > 0 for part in parts)


def source_pictures(dataset: Dataset) -> tuple[Iterable[Picture | Dropped], str]:
    """The pictures that a data set was made from, with their depth; or none, and why."""
    from .cli_synthesize import all_parts
    from .synthesis.pipeline import PipelineConfig

    if "config" not in dataset.provenance:
        return (), ": the data set has no provenance.json that names its source"
    try:
        config = PipelineConfig.from_json(dataset.provenance["config"])
        source = all_parts().source(config.source)
        items = source.items(0, len(source))
        first = next(iter(items), None)
    except (ValueError, OSError, ImportError) as error:
        return (), f": the source '{dataset.provenance['config']['source']['name']}' is not at hand ({error})"
    return (() if first is None else chain([first], items)), ""


def run_bench(options: argparse.Namespace) -> int:
    """``bench-model``; returns the exit code."""
    from .demo.real import labelled_frames
    from .evaluation.model_bench import QUICK, ModelBenchOptions, ModelExtent, run_model_bench

    frames, inputs = labelled_frames()
    extent = QUICK if options.quick else ModelExtent()
    bench = ModelBenchOptions(
        options.out, options.benchmark, options.model, extent, options.workers, options.seed, frames=frames, inputs=inputs,
        demos=demos_of(options),
    )  # fmt: skip
    return DONE if run_model_bench(bench) else NOTHING_ANSWERED


def demos_of(options: argparse.Namespace) -> dict[str, Any]:
    """The live demo with names bound by the model and by words, side by side: the same seeds, the same nodes."""
    from .demo.seeds import seeds_results
    from .evaluation.model_source import WORDS

    if options.demos <= 0 or options.quick:
        return {}
    models = {"words-only fallback": "off", **({} if options.model == WORDS else {"model": options.model})}
    return {who: seeds_results(options.demos, options.out / "demo" / vlm_folder(vlm), vlm) for who, vlm in models.items()}


def vlm_folder(vlm: str) -> str:
    """A model's specification as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", vlm).strip("-.") or "model"
