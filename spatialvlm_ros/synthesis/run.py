"""A whole data set: candidates of all shards, then the data files that balance and caps leave of them, then the card.

What never changes: the files are the same for the same configuration and source, whatever the number of workers or machines
and however often the run was broken off. Everything that a finished shard needs later stands in its done file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from .balance import BalanceOptions, Group, Selection
from .card import CardNotes, write_card
from .dataset import DatasetMaker
from .output import CANDIDATES, DATA, OutFolder, Share, claim, locked
from .pipeline import PipelineConfig, Registry
from .pool import Events, Finished, Lost, Task, WorkFactory, run_here, run_tasks
from .progress import Progress
from .record import Source
from .schema import require_pyarrow
from .shards import CandidateMaker, default_items_per_shard, group_parts, groups_from_json, shard_tasks

# (factory, tasks, workers) -> events: the local pool, or Ray.
Runner = Callable[[WorkFactory, Iterable[Task], int], Events]
# Of so many candidates this process makes the data files itself.
_LITTLE_BYTES = 64 << 20


@dataclass
class RunOptions:
    """How a data set is made; nothing here changes a byte of it.

    Attributes:
        notes: what the card says about the source and the licence.
        runner: where tasks are done.
        discard_candidates: remove the candidates, which hold every image a second time, when all is done.
    """

    out: Path
    workers: int = 1
    resume: bool = False
    overwrite: bool = False
    share: Share = field(default_factory=Share)
    notes: CardNotes = field(default_factory=CardNotes)
    runner: Runner = run_tasks
    discard_candidates: bool = False


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        complete: the data set is whole. False when other machines' shards, or lost ones, are missing.
        lost: a line for each shard whose workers died.
        left_aside: what of the source was not read, in words; "" for nothing.
        waits_for: how many shards of other machines are not there yet.
        rows, pairs: of the whole data set.
        items, drops: of the whole source, once all candidates are there.
        made_items, seconds: pictures that this run went through, and where the time of its workers went.
    """

    complete: bool = False
    lost: list[str] = field(default_factory=list)
    left_aside: str = ""
    waits_for: int = 0
    shards: int = 0
    rows: int = 0
    pairs: int = 0
    items: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    drop_texts: dict[str, list[str]] = field(default_factory=dict)
    made_items: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def synthesize(config: PipelineConfig, registry: Registry, options: RunOptions) -> RunReport:
    """Make a data set, or this machine's share of it, or go on with one.

    ``config.items_per_shard`` 0 stands for a size by the number of pictures.

    Raises:
        ValueError: a source without pictures, an unknown name or option, an output folder that will not do.
        RuntimeError, ImportError, OSError: something is missing on this machine, or the disk is full.
    """
    require_pyarrow()
    # A source that gives nothing must not leave a folder behind.
    source = registry.source(config.source)
    items = len(source)
    if not items:
        raise ValueError(f"the source gives no pictures: {config.source.name} {dict(config.source.options)}")
    selection_of(config)
    if options.workers < 1:
        raise ValueError(f"{options.workers} workers; give at least 1")
    lacking = [f"stage {part.name}: {lack}" for part in config.stages if (lack := registry.missing(part))]
    if lacking:
        raise RuntimeError("; ".join(lacking))
    config = replace(config, items_per_shard=config.items_per_shard or default_items_per_shard(items))
    described = {**config.to_json(), "items": items}
    with locked(options.out, alone=options.overwrite):
        out = claim(options.out, described, config.digest, options.share, resume=options.resume, overwrite=options.overwrite)
        out.remove_parts(options.share)
        try:
            return _Run(config, registry, options, out, items, RunReport(left_aside=left_aside(source))).go()
        except BaseException:
            # All workers are gone by now. Machines that share the folder may be about to finish their first shard.
            out.remove_parts(options.share)
            if options.share.is_all:
                out.abandon()
            raise


@dataclass
class _Run:
    config: PipelineConfig
    registry: Registry
    options: RunOptions
    out: OutFolder
    items: int
    report: RunReport = field(default_factory=RunReport)

    def go(self) -> RunReport:
        tasks = shard_tasks(CANDIDATES, self.items, self.config.items_per_shard)
        self.report.shards = len(tasks)
        self._make_candidates([task for task in tasks if self.options.share.has(task.shard)])
        found = [self._candidates(task.shard) for task in tasks]
        self.report.waits_for = sum(done is None for done in found) - len(self.report.lost)
        done = [one for one in found if one is not None]
        if len(done) == len(tasks):
            self._count(done)
            self._make_data(done, [replace(task, phase=DATA) for task in tasks])
        return self.report

    def _make_candidates(self, tasks: list[Task]) -> None:
        factory = partial(_itself, CandidateMaker(self.out, self.config, self.registry))
        runner = self.options.runner
        for result in self._done_by("candidates", factory, tasks, self._candidates, runner):
            self.report.made_items += int(result["items"])
            for stage, seconds in result["seconds"].items():
                self.report.seconds[stage] += seconds

    def _candidates(self, shard: int) -> dict[str, Any] | None:
        """The counts of a finished shard. When its data file is finished, its candidates may have been removed."""
        return self.out.read_done(CANDIDATES, shard, with_file=self.out.read_done(DATA, shard) is None)

    def _count(self, done: list[dict[str, Any]]) -> None:
        for one in done:
            self.report.items += one["items"]
            self.report.drops.update(one["drops"])
            for cause, texts in one["drop_texts"].items():
                self.report.drop_texts.setdefault(cause, []).extend(texts)

    def _make_data(self, candidates: list[dict[str, Any]], tasks: list[Task]) -> None:
        """The files of the data set and the card, where they are not there already."""
        totals: Counter[Group] = Counter()
        for one in candidates:
            totals.update(groups_from_json(one["groups"]))
        cap, balance = selection_of(self.config)
        shares = Selection.from_counts(totals, balance).shares
        maker = DatasetMaker(self.out, shares, cap, self.config.file_format, len(tasks), group_parts(self.config))
        is_little = sum(one["bytes"] for one in candidates) < _LITTLE_BYTES
        runner = run_here if is_little else self.options.runner
        for _ in self._done_by("data", partial(_itself, maker), tasks, partial(self.out.read_done, DATA), runner):
            pass
        files = [self.out.read_done(DATA, task.shard) for task in tasks]
        if any(one is None for one in files):
            return
        written = [one for one in files if one is not None]
        self.report.rows = sum(one["rows"] for one in written)
        self.report.pairs = sum(one["pairs"] for one in written)
        write_card(self.out, self.config, self.options.notes, candidates, written)
        self.report.complete = True
        if self.options.discard_candidates:
            for task in tasks:
                self.out.candidates(task.shard).unlink(missing_ok=True)

    def _done_by(
        self,
        name: str,
        factory: WorkFactory,
        tasks: list[Task],
        read_done: Callable[[int], dict[str, Any] | None],
        runner: Runner,
    ) -> Iterator[Mapping[str, Any]]:
        """Results of the tasks that are not done yet, as they come."""
        to_do = [task for task in tasks if read_done(task.shard) is None]
        if not to_do:
            return
        before = sum(task.stop - task.start for task in tasks) - sum(task.stop - task.start for task in to_do)
        progress = Progress(name, sum(task.stop - task.start for task in to_do), before)
        largest = 0
        self.out.require_room()
        with closing(runner(factory, to_do, self.options.workers)) as events:
            for event in events:
                progress.take(event)
                if isinstance(event, Finished):
                    largest = max(largest, int(event.result["bytes"]))
                    yield event.result
                    # Each worker may be at one as large as any so far.
                    self.out.require_room(largest * (self.options.workers + 1))
                elif isinstance(event, Lost) and not event.again:
                    self.report.lost.append(f"{name}, shard {event.task.shard} (items {_range(event.task)}): {event.text}")
        progress.close()


def _range(task: Task) -> str:
    return f"{task.start} to {task.stop - 1}"


def _itself(work: Any) -> Any:
    return work


def left_aside(source: Source) -> str:
    """What a source does not read, e.g. "3 without depth"; "" where that is nothing."""
    ignored: Mapping[str, int] = getattr(source, "ignored", {})
    return ", ".join(f"{count} {what}" for what, count in sorted(ignored.items()))


def selection_of(config: PipelineConfig) -> tuple[int, BalanceOptions]:
    """(pairs per image, what is evened out) of ``config.select``. Raises ValueError for an option that nobody knows."""
    select = dict(config.select)
    cap = int(select.pop("pairs_per_image", 0))
    if cap < 0:
        raise ValueError(f"{cap} pairs an image; give 0 for all, or more")
    try:
        return cap, BalanceOptions(**select)
    except TypeError as error:
        raise ValueError(f"balance: {error}") from error
