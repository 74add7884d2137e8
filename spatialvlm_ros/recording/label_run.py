"""Labels many bags: in parallel, in shards, resumed after whatever end, with progress.

Each bag is a piece of work of its own with a folder of its own (see label_folder). What never changes: a bag that cannot be
labelled does not keep the others from being labelled, and is named.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from ..engine import warm_up
from ..evaluation.benchmark_file import write_json
from ..reward.task import TaskSpec
from ..reward.task_file import dump_task
from ..synthesis.pool import calm_libraries, prepare_worker, single_threaded
from .bag_files import InputHash, is_alone
from .bag_reader import fallback_types
from .label import BagLabeller, LabelError, LabelOptions, load_task_of, model_of
from .label_dataset import DATASETS, dataset_losses, dataset_notes, task_sentence
from .label_folder import PROVENANCE, WorkFolder, bag_names, check_place, check_same_inputs, inputs_document
from .label_merge import check_free, merge
from .label_outputs import PLOT, VIDEO, load, needs_pictures, open_outputs, require
from .label_progress import Progress, Update
from .label_steps import DatasetOptions
from .label_video import VideoOutput
from .lerobot_dataset import LeRobotOutput
from .robomimic_file import RobomimicOutput
from .robot_file import RobotFile

DONE, LOSSES, BAD_INPUT, FAILED = 0, 1, 2, 3
"""Exit codes: everything labelled; finished, but something was lost; a bag or an argument cannot be used; could not run."""

_REPORT_S = 0.5


@dataclass(frozen=True)
class RunOptions:
    """Which bags, where to, and how."""

    bags: tuple[Path, ...]
    out: Path
    label: LabelOptions
    formats: tuple[str, ...] = ("parquet",)
    plot: bool = False
    workers: int = 1
    num_shards: int = 1
    shard_index: int = 0
    resume: bool = False
    overwrite: bool = False
    video: bool = False
    dataset: DatasetOptions = field(default_factory=DatasetOptions)
    ray: str | None = None

    def __post_init__(self) -> None:
        if not self.bags:
            raise LabelError("no bag was given; give one or more .mcap, .db3 or .bag files, or rosbag2 folders")
        if self.workers < 1:
            raise LabelError(f"--workers is {self.workers}; give at least 1")
        if not 0 <= self.shard_index < self.num_shards:
            raise LabelError(f"--shard-index is {self.shard_index} of --num-shards {self.num_shards}; it counts from 0")
        if self.resume and self.overwrite:
            raise LabelError("--resume keeps what is finished and --overwrite does not: give one of them")


@dataclass(frozen=True)
class Job:
    """One bag to be labelled."""

    bag: Path
    name: str
    out: Path
    label: LabelOptions
    task: TaskSpec
    formats: tuple[str, ...]
    resume: bool
    overwrite: bool
    dataset: DatasetOptions | None = None
    helpers: int = 0


@dataclass(frozen=True)
class JobResult:
    """What became of a bag: an exit code, what to say of it, and its figures."""

    name: str
    code: int
    texts: tuple[str, ...] = ()
    frames: int = 0
    seconds: float = 0.0
    skipped: bool = False
    notes: tuple[str, ...] = ()


Report = Callable[[Update], None]


class _Stopped(Exception):
    """The run is being ended."""


def run_labels(options: RunOptions, say: Callable[[str], None]) -> int:
    """Label all bags of this shard; the exit code. ``say`` is called with lines for people.

    Raises:
        TaskError, InstructionError, RobotFileError, LabelError: for arguments that no bag could be labelled with.
        ImportError: for a package that a format needs.
        OSError: when ``out`` cannot be written.
    """
    require(options.formats, options.plot, options.video)
    jobs = _jobs(options)
    _make_out(options.out)
    mine = jobs[options.shard_index :: options.num_shards]
    progress = Progress(len(mine), say)
    results: list[JobResult] = []

    def finished(result: JobResult) -> None:
        results.append(result)
        progress.finished(result.name, result.frames, result.seconds, result.skipped)
        for text in result.texts:
            say(f"{'error' if result.code >= BAD_INPUT else 'loss'}: {text}")
        for text in result.notes:
            say(f"note: {text}")

    if options.ray is not None:
        from .label_ray import label_on_ray

        label_on_ray(mine, options.workers, options.ray, finished)
    elif options.workers == 1 or len(mine) <= 1:
        load(jobs[0].formats)
        for job in mine:
            finished(guarded(job, progress.update))
    else:
        _in_parallel(mine, min(options.workers, len(mine)), progress, finished)
    for text in merge(
        [job.out / job.name for job in jobs], options.out, options.formats, jobs[0].task.name, reward_model(jobs[0].task)
    ):
        say(f"note: {text}")
    progress.end()
    return max((result.code for result in results), default=DONE)


def _make_out(out: Path) -> None:
    """Raises LabelError for a folder that cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LabelError(f"--out {out} cannot be written ({error.strerror}); choose a folder that can") from error


def _jobs(options: RunOptions) -> list[Job]:
    """One job a bag. Raises LabelError for outputs that exist, before anything is done."""
    task = load_task_of(options.label)
    formats = (*options.formats, *((PLOT,) if options.plot else ()), *((VIDEO,) if options.video else ()))
    dataset = options.dataset if set(formats) & set(DATASETS) else None
    names = bag_names(options.bags)
    check_free(options.out, formats, len(names))
    # More workers than bags: the rest segment ahead. Not on a cluster, whose actors are promised one core each.
    bags = len(options.bags[options.shard_index :: options.num_shards])
    helpers = 0 if options.ray is not None else max(0, options.workers // max(1, bags) - 1)
    jobs = [
        Job(bag, name, options.out, options.label, task, formats, options.resume, options.overwrite, dataset, helpers)
        for bag, name in zip(options.bags, names, strict=True)
    ]
    mine = jobs[options.shard_index :: options.num_shards]
    for job in mine:
        check_place(job.out / job.name, options.bags)
    there = [job.out / job.name for job in mine if (job.out / job.name).exists()]
    if there and not options.resume and not options.overwrite:
        raise LabelError(f"{there[0]} exists: --resume keeps what is finished, --overwrite labels again, or choose another --out")
    return jobs


# -- one bag ----------------------------------------------------------------------------------------------------------------


def guarded(job: Job, report: Report) -> JobResult:
    """Label one bag; whatever goes wrong with it is its result."""
    try:
        return label_one(job, report)
    except (_Stopped, KeyboardInterrupt):
        raise
    except MemoryError:
        return JobResult(job.name, FAILED, (f"{job.bag}: not enough memory; fewer --workers need less",))
    except (ValueError, OSError) as error:
        is_full = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        return JobResult(job.name, FAILED if is_full else BAD_INPUT, (str(error),))
    except Exception as error:  # a defect of ours on one bag must not cost the others
        return JobResult(job.name, FAILED, (f"{job.bag}: {type(error).__name__}: {error}",))


def label_one(job: Job, report: Report) -> JobResult:
    """Label one bag into its folder, or find it finished.

    Raises:
        FileNotFoundError, BagError, LabelError, RobotFileError: for what cannot be used.
    """
    work = WorkFolder(job.out, job.name)
    with work.locked():
        hashes = InputHash(job.bag) if job.bag.exists() else None
        if hashes is not None and job.resume and work.final.exists():
            document = check_same_inputs(work.final, _inputs(job, hashes, _model_text(job)))
            report(Update(job.name, int(document["frames"]), float(document["seconds"]), int(document["frames"])))
            return _result(job, document, skipped=True)
        with BagLabeller(
            job.bag, job.label, job.task, pictures=needs_pictures(job.formats), dataset=job.dataset, helpers=job.helpers
        ) as labeller:
            try:
                folder = work.begin()
                made, drawn = _fill(folder, job, labeller, report)
                assert hashes is not None  # BagLabeller refuses a bag that is not there
                lost = [text for kind, told in made.items() for text in dataset_losses(kind, told)]
                lost = [*labeller.losses(), *lost, *drawn]
                notes = [text for kind, told in made.items() for text in dataset_notes(kind, told)]
                document = {
                    "bag": job.name, "inputs": _inputs(job, hashes, labeller.model.text), **labeller.document(),
                    "lost": lost, "notes": notes, **({"datasets": made} if made else {}),
                }  # fmt: skip
                write_json(folder / PROVENANCE, document)
                work.finish()
            except BaseException:
                work.abandon()
                raise
    return _result(job, document, skipped=False)


def _inputs(job: Job, hashes: InputHash, vlm: str) -> dict[str, Any]:
    asked = None if job.dataset is None else job.dataset.document()
    return inputs_document(hashes.result(), job.label, dump_task(job.task), job.formats, vlm, asked)


def _model_text(job: Job) -> str:
    return model_of(job.label, RobotFile(job.label.robot)).text


def _fill(folder: Path, job: Job, labeller: BagLabeller, report: Report) -> tuple[dict[str, Any], list[str]]:
    """Write all outputs; what became of those that are data sets, and sentences on what the videos lack."""
    source = labeller.dataset
    dataset = None if source is None else (source, job.task, task_sentence(job.label.task, job.task))
    outputs = open_outputs(folder, job.formats, str(job.bag), reward_model(job.task), dataset)
    told = 0.0
    try:
        for frame in labeller.frames():
            for output in outputs.values():
                output.add(frame)
            if time.monotonic() - told > _REPORT_S:
                told = time.monotonic()
                report(Update(job.name, labeller.counts.frames, labeller.counts.seconds, labeller.counts.total))
    finally:
        for output in outputs.values():
            output.close()
    made = {kind: output.document() for kind, output in outputs.items() if isinstance(output, LeRobotOutput | RobomimicOutput)}
    return made, [text for output in outputs.values() if isinstance(output, VideoOutput) for text in output.losses()]


def _result(job: Job, document: Mapping[str, Any], skipped: bool) -> JobResult:
    lost = tuple(f"{job.name}: {text}" for text in document["lost"])
    frames, seconds = int(document["frames"]), float(document["seconds"])
    notes = tuple(f"{job.name}: {text}" for text in document.get("notes", ()))
    return JobResult(job.name, LOSSES if lost else DONE, lost, frames, seconds, skipped, notes)


def reward_model(task: TaskSpec) -> str:
    """What stands for a model's path in the side-car: who made the numbers, for which task."""
    return f"spatialvlm_ros: {task.name}"


# -- many bags --------------------------------------------------------------------------------------------------------------


def _in_parallel(jobs: Sequence[Job], workers: int, progress: Progress, finished: Callable[[JobResult], None]) -> None:
    """Every job in a process of a pool; results in the order of the jobs."""
    context = multiprocessing.get_context(start_method())
    updates: Any = context.Queue()
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _prepare, (updates, stop))
    try:
        # Processes start here; threads of their libraries would only be in each other's way.
        with single_threaded():
            futures: list[Future[JobResult]] = [pool.submit(_work, job) for job in jobs]
        waiting = set(futures)
        told = 0
        while waiting:
            _, waiting = wait(waiting, timeout=_REPORT_S, return_when=FIRST_COMPLETED)
            _drain(updates, progress)
            while told < len(futures) and futures[told].done():
                finished(_outcome(futures[told], jobs[told]))
                told += 1
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def start_method() -> str:
    """How processes are started: as copies of this one, which has loaded and tried everything, where it has no thread but this.

    Else anew, which takes each a second. Elsewhere than on Linux nothing tells what other threads there are.
    """
    calm_libraries()
    if not is_alone():
        return "spawn"
    warm_up()
    fallback_types()
    return "fork" if is_alone() else "spawn"


def _outcome(future: Future[JobResult], job: Job) -> JobResult:
    try:
        return future.result()
    except BrokenProcessPool:
        text = f"{job.bag}: a process ended without a word (out of memory?); --resume goes on, fewer --workers need less"
        return JobResult(job.name, FAILED, (text,))


def _drain(updates: Any, progress: Progress) -> None:
    try:
        while True:
            progress.update(updates.get_nowait())
    except Empty:
        return


_shared: dict[str, Any] = {}


def _prepare(updates: Any, stop: Any) -> None:
    """In a new process."""
    prepare_worker()
    # What is there by now stays: to look at it again and again for what may go takes time, and a copy of its memory.
    gc.freeze()
    _shared.update(updates=updates, stop=stop)


def _work(job: Job) -> JobResult:
    def report(update: Update) -> None:
        if _shared["stop"].is_set():
            raise _Stopped
        _shared["updates"].put(update)

    return guarded(job, report)
