"""One shard's candidates: consecutive pictures of the source through all stages to all their pairs, into one file.

What never changes: what goes wrong with one picture costs that picture and is counted under a cause; the bytes of a shard
depend on the configuration and the pictures alone, so it does not matter which worker makes it, or how often.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from .. import __version__
from ..perception.models.errors import ModelError, ModelInputError, ModelMemoryError
from .balance import Group, group_of
from .output import CANDIDATES, OutFolder
from .pipeline import Pipeline, PipelineConfig, Registry, build
from .pool import Report, Step, Task
from .record import Dropped, Example, Picture, Source, Stage, apply_stages
from .schema import candidate_table, stages_of
from .writer import PARQUET, table_writer

Made = TypeVar("Made")
# Pictures that go through a stage together where it takes several.
BATCH = 8
# Sentences that are kept of each cause and shard.
_TEXTS_KEPT = 3
# Examples that are turned into columns at once: bounds memory, and changes no byte.
_EXAMPLES_AT_ONCE = 16
# Of these the numbers may depend.
_PACKAGES = (
    "numpy", "scipy", "pyarrow", "opencv-python-headless", "opencv-python", "open3d-cpu", "open3d", "torch", "transformers",
)  # fmt: skip


def shard_tasks(phase: str, items: int, items_per_shard: int) -> list[Task]:
    """Items 0 to ``items`` in shards. Raises ValueError for a shard of no items."""
    if items_per_shard < 1:
        raise ValueError(f"{items_per_shard} items a shard; give at least 1")
    starts = range(0, items, items_per_shard)
    return [Task(phase, i, start, min(start + items_per_shard, items)) for i, start in enumerate(starts)]


def default_items_per_shard(items: int) -> int:
    """By the number of items alone, never by that of workers: about 64 shards, of 8 to 1000 items.

    So many keep as many workers busy, and few idle at the end of a run.
    """
    return int(np.clip(-(-items // 64), 8, 1000))


@dataclass
class Tally:
    """What came of a shard's items so far.

    Attributes:
        group_parts: how many parts of balance.Group pairs are counted by.
    """

    group_parts: int
    items: int = 0
    examples: int = 0
    groups: Counter[Group] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    texts: dict[str, list[str]] = field(default_factory=dict)
    part_drops: Counter[str] = field(default_factory=Counter)
    stages: dict[str, set[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def drop(self, dropped: Dropped) -> None:
        self.items += 1
        self.drops[dropped.cause] += 1
        texts = self.texts.setdefault(dropped.cause, [])
        if len(texts) < _TEXTS_KEPT:
            texts.append(str(dropped))

    def add(self, example: Example) -> None:
        self.items += 1
        self.examples += 1
        self.groups.update(group_of(pair)[: self.group_parts] for pair in example.pairs)
        self.part_drops.update(example.drops)
        for name, version in stages_of(example).items():
            self.stages.setdefault(name, set()).add(version)

    def to_json(self) -> dict[str, Any]:
        """For the done file: everything but the times, so that it is the same from run to run."""
        return {
            "items": self.items, "examples": self.examples, "pairs": self.groups.total(),
            "groups": groups_to_json(self.groups), "drops": dict(sorted(self.drops.items())),
            "drop_texts": dict(sorted(self.texts.items())),
            "part_drops": dict(sorted(self.part_drops.items())),
            "stages": {name: sorted(found) for name, found in sorted(self.stages.items())}, "versions": versions(),
        }  # fmt: skip


@dataclass
class CandidateMaker:
    """Makes shards of candidates; one in each worker."""

    out: OutFolder
    config: PipelineConfig
    registry: Registry

    def __post_init__(self) -> None:
        self._pipeline: Pipeline | None = None

    def __call__(self, task: Task, report: Report) -> Mapping[str, Any]:
        """Write the shard's file and then its done file. Returns what stands in the latter, and ``seconds`` by stage."""
        self._pipeline = self._pipeline or build(self.config, self.registry)
        tally = Tally(group_parts(self.config))
        path = self.out.candidates(task.shard)
        with table_writer(path, PARQUET, with_messages=False) as writer:
            held: list[Example] = []
            for example in self._examples(task, report, tally):
                held.append(example)
                if len(held) == _EXAMPLES_AT_ONCE:
                    _write(writer, held, tally)
            _write(writer, held, tally)
        done = self.out.write_done(CANDIDATES, task.shard, path, tally.to_json())
        return {**done, "seconds": dict(tally.seconds)}

    def _examples(self, task: Task, report: Report, tally: Tally) -> Iterator[Example]:
        """Of the pictures that give one; all others are counted."""
        assert self._pipeline is not None
        # Batches begin at the shard's first item, whoever makes it: a model's last digits may depend on who is in its batch.
        size = BATCH if any(hasattr(stage, "many") for stage in self._pipeline.stages) else 1
        items = _timed(pictures(self._pipeline.source, task.start, task.stop), tally.seconds)
        while batch := list(islice(items, size)):
            for item in self._through_stages(batch, tally):
                result = item if isinstance(item, Dropped) else self._asked(item, tally)
                if isinstance(result, Dropped):
                    tally.drop(result)
                    report(Step(task, 1, 0, 1))
                else:
                    tally.add(result)
                    report(Step(task, 1, len(result.pairs), 0))
                    yield result

    def _through_stages(self, batch: list[Picture | Dropped], tally: Tally) -> list[Picture | Dropped]:
        assert self._pipeline is not None
        for stage in self._pipeline.stages:
            started = time.perf_counter()
            batch = through(stage, batch, self.config.seed)
            tally.seconds[stage.name] += time.perf_counter() - started
        return batch

    def _asked(self, picture: Picture, tally: Tally) -> Example | Dropped:
        assert self._pipeline is not None
        ask = self._pipeline.ask
        started = time.perf_counter()
        result = guarded(lambda: ask(picture, self.config.seed), picture.key)
        tally.seconds[ask.name] += time.perf_counter() - started
        if isinstance(result, Example) and not result.pairs:
            return Dropped("no_pairs", "nothing could be asked about it", picture.key)
        return result


def through(stage: Stage, items: Sequence[Picture | Dropped], seed: int) -> list[Picture | Dropped]:
    """Pictures after one more stage, all at once where it can; what is dropped already stays as it is."""
    alive = [item for item in items if isinstance(item, Picture)]
    many: Callable[[list[Picture]], list[Picture | Dropped]] | None = getattr(stage, "many", None)
    results: list[Picture | Dropped] | Dropped | None = None
    if many is not None and alive:
        results = guarded(lambda: many(alive), alive[0].key)
    if not isinstance(results, list):
        # One by one, so that a picture that the batch broke on is found and costs itself only.
        results = [guarded(partial(apply_stages, picture, [stage], seed), picture.key) for picture in alive]
    else:
        versions = {stage.name: stage.version}
        results = [item if isinstance(item, Dropped) else replace(item, stages={**item.stages, **versions}) for item in results]
    after = iter(results)
    return [item if isinstance(item, Dropped) else next(after) for item in items]


def guarded(work: Callable[[], Made], key: str) -> Made | Dropped:
    """What ``work`` returns, or why there is nothing. What is no picture's fault is raised: memory, a library, a model."""
    try:
        return work()
    except Dropped as dropped:
        return dropped if dropped.key else Dropped(dropped.cause, dropped.text, key)
    except (ModelInputError, ModelMemoryError) as error:
        return internal(error, key)
    except (MemoryError, ImportError, ModelError):
        raise
    except Exception as error:
        return internal(error, key)


def _timed(items: Iterator[Picture | Dropped], seconds: dict[str, float]) -> Iterator[Picture | Dropped]:
    """The same items, with the time that it takes to get them."""
    while True:
        started = time.perf_counter()
        item = next(items, None)
        seconds["source"] += time.perf_counter() - started
        if item is None:
            return
        yield item


def pictures(source: Source, start: int, stop: int) -> Iterator[Picture | Dropped]:
    """One item for each number, whatever the source does: an exception costs the item at which it came."""
    at = start
    while at < stop:
        try:
            for item in source.items(at, stop):
                at += 1
                yield item
            while at < stop:
                at += 1
                yield Dropped("source_ended", f"the source gave nothing for item {at - 1}")
        except MemoryError:
            raise
        except Exception as error:
            at += 1
            yield internal(error, f"item {at - 1}")


def internal(error: Exception, key: str) -> Dropped:
    """A picture that something of ours could not take, with the kind of error as its cause: "internal_value_error"."""
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__).lower()
    return Dropped(f"internal_{re.sub(r'[^a-z0-9]+', '_', kind).strip('_')}", f"{type(error).__name__}: {error}", key)


def group_parts(config: PipelineConfig) -> int:
    """Parts of balance.Group that matter: captions in free words have as many priors as pairs, so these only where asked for."""
    return 5 if config.select.get("priors", True) else 4


def groups_to_json(groups: Mapping[Group, int]) -> list[list[Any]]:
    """Counts by group as [..., count], in order of the groups; `groups_from_json` reads them back."""
    return [[*group, count] for group, count in sorted(groups.items())]


def groups_from_json(rows: Iterable[list[Any]]) -> Counter[Group]:
    return Counter({tuple(row[:-1]): row[-1] for row in rows})


def versions() -> dict[str, str]:
    """Of this package and of those that the numbers may depend on, as installed."""
    found = {"spatialvlm_ros": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _write(writer: Any, held: list[Example], tally: Tally) -> None:
    """Write and forget the examples held."""
    if held:
        started = time.perf_counter()
        writer.write(candidate_table(held))
        tally.seconds["write"] += time.perf_counter() - started
        held.clear()
