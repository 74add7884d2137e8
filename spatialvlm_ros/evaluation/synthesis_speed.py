"""Time and memory of data synthesis: each step of a picture on one core, and whole runs with one and two workers.

What is perceived (regions, depth) is timed apart from what is made of it: "questions" are names, facts and sentences of things
that are measured already. Every repeat measures the things anew, so that nothing is known before.
"""

from __future__ import annotations

import io
import os
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..language.answer_templates import answer_text
from ..language.answers import measure_query
from ..language.questions import question_text
from ..scene.facts import Status
from ..scene.relations import RELATIONS
from ..scene.scene import Binding, Scene
from ..synthesis.ask import AskOptions, ask, encoded, name_things
from ..synthesis.catalog import registry
from ..synthesis.lift import lift
from ..synthesis.output import Share, claim
from ..synthesis.pipeline import Part, PipelineConfig
from ..synthesis.pool import Finished, Report, Task, run_tasks
from ..synthesis.record import Example, Pair, Picture
from ..synthesis.run import RunOptions, synthesize
from ..synthesis.schema import candidate_table
from ..synthesis.shards import CandidateMaker
from ..synthesis.writer import PARQUET, table_writer
from .synthesis_pictures import Viewed, viewed

FAMILY = "structured_light"
_REPEATS = 3
# Pairs of an image that the slow way makes, too.
_SLOW_PAIRS = 60
STEPS = ("lift", "names", "facts_and_sentences", "encode", "columns_and_file")


@dataclass(frozen=True)
class SpeedExtent:
    """``pictures`` are timed step by step; whole runs make a data set of ``run_pictures``, a worker is weighed over ``weighed``.

    A worker takes about as long to start as it takes to make ten pictures, which a run of few would mostly tell of.
    """

    pictures: int = 12
    run_pictures: int = 120
    weighed: int = 40


def run_steps(_: int, extent: SpeedExtent, first_seed: int, scratch: Path) -> dict[str, Any]:
    """Seconds of each step, pinned to one core; for a process of its own, before it loads its libraries."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    seeds = range(first_seed, first_seed + extent.pictures + 1)
    started = time.perf_counter()
    views = [view for view in map(viewed, seeds) if view is not None]
    render_s = (time.perf_counter() - started) / len(seeds)
    rows = [_fastest(view, scratch) for view in views]
    # The first one warmed up the tables of templates.
    timed, pairs = [row for row, _ in rows[1:]], [count for _, count in rows[1:]]
    seconds = {step: float(np.sum([row[step] for row in timed])) for step in STEPS}
    questions_s, total = seconds["names"] + seconds["facts_and_sentences"], int(np.sum(pairs))
    return {
        "noise": FAMILY,
        "pictures": len(timed),
        "pairs": total,
        "pairs_per_picture": total / len(timed),
        "render_s_per_picture": render_s,
        "ms_per_picture": {step: 1e3 * seconds[step] / len(timed) for step in STEPS},
        "pictures_per_s": {step: len(timed) / max(seconds[step], 1e-9) for step in STEPS} | {"render": 1 / render_s},
        "qa_per_s_after_perception": total / questions_s,
        "qa_per_s_with_file": total / (questions_s + seconds["columns_and_file"]),
        "qa_per_s_from_depth": total / sum(seconds.values()),
        "qa_per_s_one_at_a_time": _one_at_a_time(views[1:]),
    }


def _fastest(view: Viewed, scratch: Path) -> tuple[dict[str, float], int]:
    """Of some repeats the median of each step, and the number of pairs."""
    runs = [_steps(view.noisy(FAMILY), scratch) for _ in range(_REPEATS)]
    return {step: float(np.median([run[0][step] for run in runs])) for step in STEPS}, runs[0][1]


def _steps(picture: Picture, scratch: Path) -> tuple[dict[str, float], int]:
    options, seconds = AskOptions(), {}
    at = time.perf_counter()

    def lap(step: str) -> None:
        nonlocal at
        now = time.perf_counter()
        seconds[step], at = now - at, now

    lifted = lift(picture, options.lift)
    lap("lift")
    names = name_things(lifted, picture, options, 0)
    lap("names")
    pairs, _ = ask(lifted, names, picture, options, 0)
    lap("facts_and_sentences")
    image = encoded(picture.color, options.image_format, options.jpeg_quality)
    lap("encode")
    with table_writer(scratch / "candidates.parquet", PARQUET, with_messages=False) as writer:
        writer.write(candidate_table([_example(picture, pairs, image)]))
    lap("columns_and_file")
    return seconds, len(pairs)


def _example(picture: Picture, pairs: list[Pair], image: bytes) -> Example:
    objects = {thing.number: thing for pair in pairs for thing in pair.objects}
    height, width = picture.color.shape[:2]
    return Example(
        key=picture.key, image=image, image_format="jpeg", width=width, height=height, source_sha256=picture.source_sha256,
        frame_id=picture.frame_id, stamp_ns=picture.stamp_ns, canonical="tf", objects=tuple(objects.values()),
        pairs=tuple(pairs), drops={},
    )  # fmt: skip


def _one_at_a_time(views: list[Viewed]) -> float:
    """Pairs a second when each question is measured, worded and read back for itself, as the engine answers a person."""
    options, generator = AskOptions(), np.random.default_rng(0)
    made, spent = 0, 0.0
    for view in views[:3]:
        picture = view.noisy(FAMILY)
        lifted = lift(picture, options.lift)
        names = name_things(lifted, picture, options, 0)
        pairs, _ = ask(lifted, names, picture, options, 0)
        scene = _bound(lifted.scene, names.names)
        chosen = [pairs[int(at)] for at in generator.permutation(len(pairs))[:_SLOW_PAIRS]]
        started = time.perf_counter()
        for pair in chosen:
            fact = measure_query(scene, pair.query)
            question_text(pair.query, pair.question_index)
            answer_text(fact, RELATIONS[pair.query.relation], generator)
        spent += time.perf_counter() - started
        made += len(chosen)
    return made / max(spent, 1e-9)


def _bound(scene: Scene, names: tuple[str | None, ...]) -> Scene:
    bindings = {
        name: Binding(Status.OK, replace(thing, label=name))
        for name, thing in zip(names, scene.objects, strict=True)
        if name is not None
    }
    return replace(scene, bindings=bindings)


# -- whole runs ---------------------------------------------------------------------------------------------------------------


def config_of(first_seed: int, pictures: int) -> PipelineConfig:
    """A data set of rendered pictures with sensor noise, in small shards so that workers share them evenly."""
    options = {"seed": first_seed, "count": pictures, "noise": FAMILY}
    return PipelineConfig(Part("render", options), items_per_shard=max(1, pictures // 24))


def run_whole(extent: SpeedExtent, first_seed: int, scratch: Path) -> dict[str, Any]:
    """A data set with one worker and with two, which must be equal byte by byte; and the memory of a worker."""
    config = config_of(first_seed, extent.run_pictures)
    runs: dict[int, dict[str, Any]] = {}
    for workers in (1, 2):
        out = scratch / f"workers-{workers}"
        shutil.rmtree(out, ignore_errors=True)
        started, before_s = time.perf_counter(), _processor_s()
        # Progress is for people who wait for a run.
        with redirect_stderr(io.StringIO()):
            report = synthesize(config, registry(), RunOptions(out, workers=workers))
        wall_s = time.perf_counter() - started
        parent_s, workers_s = (after - before for after, before in zip(_processor_s(), before_s, strict=True))
        runs[workers] = {
            "wall_s": wall_s, "pictures_per_s": extent.run_pictures / wall_s, "pairs": report.pairs, "rows": report.rows,
            "worker_seconds": dict(report.seconds), "complete": report.complete,
            "parent_processor_s": parent_s, "workers_processor_s": workers_s,
        }  # fmt: skip
    return {
        "pictures": extent.run_pictures,
        "by_workers": {str(workers): run for workers, run in runs.items()},
        "speed_up_1_to_2": runs[1]["wall_s"] / runs[2]["wall_s"],
        "files_equal": _files(scratch / "workers-1") == _files(scratch / "workers-2"),
        "cores": len(os.sched_getaffinity(0)),
        "peak_memory_gb": worker_memory_gb(config, extent.weighed, scratch / "memory"),
        "parent_peak_memory_gb": _peak_gb(),
    }


def _processor_s() -> tuple[float, float]:
    """Processor time of this process and of its children that have ended, seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, children = (usage.ru_utime + usage.ru_stime for usage in used)
    return own, children


def _files(out: Path) -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((out / "data").iterdir())}


def worker_memory_gb(config: PipelineConfig, pictures: int, out: Path) -> float:
    """The most memory that one worker takes for some pictures as one shard, 10^9 bytes."""
    shutil.rmtree(out, ignore_errors=True)
    source = replace(config.source, options={**config.source.options, "count": pictures})
    whole = replace(config, source=source, items_per_shard=pictures)
    folder = claim(out, whole.to_json(), whole.digest, Share(), resume=False, overwrite=False)
    factory = partial(_Weighed, CandidateMaker(folder, whole, registry()))
    events = run_tasks(factory, [Task("candidates", 0, 0, pictures)], 1)
    found = [event.result["peak_gb"] for event in events if isinstance(event, Finished)]
    return float(found[0]) if found else float("nan")


@dataclass
class _Weighed:
    """A worker's work that tells how much memory its process has taken at most."""

    maker: CandidateMaker

    def __call__(self, task: Task, report: Report) -> Mapping[str, Any]:
        return {**self.maker(task, report), "peak_gb": _peak_gb()}


def _peak_gb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9
