"""The same shards on a Ray cluster: actors do what the local pool's processes do, and give the same bytes.

Ray's core is enough: a task is a whole shard, which reads and writes its own files, so no rows travel between machines. The
output folder has to be one that all machines see.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..calm import ONE_THREAD
from .pool import (
    MAX_TRIES,
    Event,
    Events,
    Finished,
    Lost,
    Task,
    WorkerError,
    WorkerInputError,
    WorkFactory,
    calm_libraries,
    deaths_text,
    describe,
)


def require_ray() -> Any:
    """The module. Raises ImportError that says what to install."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("a Ray cluster needs the package 'ray': pip install 'spatialvlm_ros[ray]'") from error
    return ray


class ShardActor:
    """Lives in a process of the cluster; keeps its pipeline between shards."""

    def __init__(self, import_path: list[str]) -> None:
        sys.path.extend(path for path in import_path if path not in sys.path)
        calm_libraries()
        self._work: Any = None

    def make(self, factory: WorkFactory, task: Task) -> tuple[str, Any]:
        """("finished", result), or whose fault it was and a sentence: exceptions of ours need not be known to the driver."""
        try:
            self._work = self._work or factory()
            return "finished", self._work(task, lambda step: None)
        except MemoryError:
            os._exit(1)  # as a death: with less beside it the same task may well fit
        except Exception as error:
            return describe(error)


def run_on_ray(
    factory: WorkFactory, tasks: Iterable[Task], workers: int, address: str = "local", gpus_per_worker: float = 0.0
) -> Events:
    """Do the tasks on ``workers`` actors, each of which has one at a time.

    Args:
        address: "local" for a cluster of this process's own, "auto" or "HOST:PORT" for one that runs.

    Raises:
        WorkerInputError, WorkerError: as pool.run_tasks; the latter also when the cluster cannot be reached.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers; give at least 1")
    ray = require_ray()
    # What runs here is nobody else's business.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, workers)
    try:
        # What this process can import its own workers can, too. Other machines have paths of their own.
        import_path = sys.path if address == "local" else []
        yield from _Actors(ray, factory, deque(tasks), workers, gpus_per_worker, import_path).events()
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str, workers: int) -> None:
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        _require_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": ONE_THREAD}, **options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise WorkerError(f"no Ray cluster at '{address}': {error}") from error


def _require_listener(address: str) -> None:
    """Raises OSError where nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=5).close()


@dataclass
class _Actors:
    """Actors and what they do. A task that is lost with its actor goes to another once."""

    ray: Any
    factory: WorkFactory
    waiting: deque[Task]
    workers: int
    gpus: float
    import_path: list[str]
    _flying: dict[Any, tuple[Task, Any]] = field(default_factory=dict)
    _deaths: dict[Task, list[str]] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        remote = self.ray.remote(ShardActor)
        new = partial(remote.options(num_cpus=1, num_gpus=self.gpus, max_restarts=0).remote, self.import_path)
        factory = self.ray.put(self.factory)
        for _ in range(min(self.workers, len(self.waiting))):
            self._give(new(), factory)
        while self._flying:
            ready, _ = self.ray.wait(list(self._flying), num_returns=1)
            task, actor = self._flying.pop(ready[0])
            try:
                kind, content = self.ray.get(ready[0])
            except self.ray.exceptions.RayTaskError as error:
                raise WorkerError(f"a Ray worker cannot begin: {_first_line(error.cause)}") from error
            except self.ray.exceptions.RayError as error:
                yield self._lost(task, error)
                if self.waiting:
                    self._give(new(), factory)
                continue
            if kind != "finished":
                raise (WorkerInputError if kind == "input" else WorkerError)(content)
            self._give(actor, factory)
            yield Finished(task, content)

    def _give(self, actor: Any, factory: Any) -> None:
        if self.waiting:
            task = self.waiting.popleft()
            self._flying[actor.make.remote(factory, task)] = task, actor

    def _lost(self, task: Task, error: Exception) -> Lost:
        deaths = self._deaths.setdefault(task, [])
        deaths.append(f"{type(error).__name__}: {_first_line(error)}")
        again = len(deaths) < MAX_TRIES
        if again:
            self.waiting.appendleft(task)
        return Lost(task, deaths_text(deaths), again)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
