"""Tasks on worker processes that may die: what is lost is done again once, and then reported.

Each worker has a pipe of its own. A queue that all share would be left locked by a process that is killed while it writes.
What never changes: a worker holds one task at a time, and none outlives the process that started it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any

from ..calm import ONE_THREAD

MAX_TRIES = 2


@dataclass(frozen=True)
class Task:
    """One shard to be made: items ``start`` to ``stop``, not included."""

    phase: str
    shard: int
    start: int
    stop: int


@dataclass(frozen=True)
class Step:
    """So many items and pairs more, of a task that is being worked on."""

    task: Task
    items: int
    pairs: int
    drops: int


@dataclass(frozen=True)
class Finished:
    """A task is done, with what it returned."""

    task: Task
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Lost:
    """A worker died over this task. Another does it ``again``, unless this was the last try."""

    task: Task
    text: str
    again: bool


Event = Step | Finished | Lost
# Closing it ends the workers.
Events = Generator[Event, None, None]
Report = Callable[[Step], None]
Work = Callable[[Task, Report], Mapping[str, Any]]
# Picklable; called once in each worker, which keeps what it returns.
WorkFactory = Callable[[], Work]


class WorkerError(RuntimeError):
    """A worker could not do its work at all (a library or a model is missing, the disk is full)."""


class WorkerInputError(ValueError):
    """A worker found that what it was asked for is wrong."""


def run_tasks(factory: WorkFactory, tasks: Iterable[Task], workers: int) -> Events:
    """Do the tasks on ``workers`` processes; events come in the order in which things happen.

    Raises:
        WorkerInputError, WorkerError: the work itself raised. All workers are ended then, as when the iterator is closed.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers; give at least 1")
    pool = _Pool(factory, deque(tasks))
    try:
        for _ in range(min(workers, len(pool.waiting))):
            pool.start()
        while pool.workers:
            yield from pool.events()
    finally:
        pool.end()


def run_here(factory: WorkFactory, tasks: Iterable[Task], workers: int = 1) -> Events:
    """The same in this process, one after the other: for little work, which would be done before a worker has started."""
    work = factory()
    for task in tasks:
        steps: list[Step] = []
        result = work(task, steps.append)
        yield from steps
        yield Finished(task, result)


@dataclass
class _Worker:
    process: Any
    pipe: connection.Connection
    task: Task | None = None


class _Pool:
    """Workers and what they do. Used by one thread."""

    def __init__(self, factory: WorkFactory, tasks: deque[Task]) -> None:
        self.waiting = tasks
        self.workers: list[_Worker] = []
        self._factory = factory
        self._deaths: dict[Task, list[str]] = {}

    def start(self) -> None:
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_serve, args=(theirs, self._factory), daemon=True)
        with single_threaded():
            process.start()
        # Only when the worker alone holds its end does the pipe end with the worker.
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next task, or the end when there is none."""
        worker.task = self.waiting.popleft() if self.waiting else None
        with suppress(OSError):  # dead already: its pipe tells
            worker.pipe.send(worker.task)

    def events(self) -> Iterator[Event]:
        """What happened, as soon as something did."""
        ready = connection.wait([worker.pipe for worker in self.workers])
        for worker in [worker for worker in self.workers if worker.pipe in ready]:
            try:
                kind, content = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._buried(worker)
                continue
            if kind == "step":
                yield content
            elif kind == "finished":
                task = worker.task
                assert task is not None
                self._give(worker)
                yield Finished(task, content)
            else:
                raise (WorkerInputError if kind == "input" else WorkerError)(content)

    def _buried(self, worker: _Worker) -> Iterator[Event]:
        """A worker has ended: as it should with nothing left to do, or its task is done again by another."""
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        if worker.task is None:
            return
        deaths = self._deaths.setdefault(worker.task, [])
        deaths.append(_cause(worker.process.exitcode))
        again = len(deaths) < MAX_TRIES
        if again:
            self.waiting.appendleft(worker.task)
        yield Lost(worker.task, deaths_text(deaths), again)
        if self.waiting:
            self.start()

    def end(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        self.workers = []


def deaths_text(deaths: list[str]) -> str:
    return f"its worker died{' again' if len(deaths) > 1 else ''}: {', then '.join(deaths)}"


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


# -- in the worker ----------------------------------------------------------------------------------------------------------


def _serve(pipe: connection.Connection, factory: WorkFactory) -> None:
    """A worker's life: tasks from the pipe until None."""
    prepare_worker()
    try:
        work: Work | None = None
        while (task := pipe.recv()) is not None:
            work = work or factory()
            pipe.send(("finished", work(task, lambda step: pipe.send(("step", step)))))
    except (EOFError, BrokenPipeError):
        return  # the parent is gone
    except MemoryError:
        os._exit(1)  # as a death: with less beside it the same task may well fit
    except Exception as error:
        kind, text = describe(error)
        with suppress(OSError):
            pipe.send((kind, text))


def describe(error: Exception) -> tuple[str, str]:
    """Whose fault an error is, "input" or "failed", and a sentence."""
    named = isinstance(error, ValueError | OSError | ImportError | RuntimeError) and str(error)
    text = str(error) if named else f"{type(error).__name__}: {error}"
    # A missing file is an input's fault, a full disk is not.
    is_input = isinstance(error, ValueError | FileNotFoundError)
    return ("input" if is_input else "failed"), text


def prepare_worker() -> None:
    """In a new process: Ctrl-C is the parent's to handle, without a parent there is nobody to work for, one thread is enough."""
    # Ctrl-C goes to the whole group; the parent decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()
    calm_libraries()


def leave_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however it did; returns at once."""

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def calm_libraries() -> None:
    """One thread for each library that has been told nothing by the environment."""
    with suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started inside read these before they load their libraries."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
