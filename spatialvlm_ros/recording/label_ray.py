"""The bags of a run on a Ray cluster: an actor labels a whole bag, from and into folders that all machines see.

The bytes are those of a run without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..synthesis.pool import Finished, Lost, Report, Task, Work
from ..synthesis.ray_runner import run_on_ray
from .label_run import FAILED, Job, JobResult, guarded


def label_on_ray(jobs: Sequence[Job], workers: int, address: str, finished: Callable[[JobResult], None]) -> None:
    """Label all bags; ``finished`` hears of each as it ends.

    Args:
        address: "local" for a cluster of this process's own, "auto" or "HOST:PORT" for one that runs.

    Raises:
        ImportError: without Ray. WorkerError: no cluster there.
    """
    tasks = [Task("label", number, number, number + 1) for number in range(len(jobs))]
    for event in run_on_ray(partial(_worker, tuple(jobs)), tasks, workers, address):
        if isinstance(event, Finished):
            finished(event.result["result"])
        elif isinstance(event, Lost) and not event.again:
            job = jobs[event.task.shard]
            finished(JobResult(job.name, FAILED, (f"{job.bag}: {event.text}; --resume goes on",)))


def _worker(jobs: Sequence[Job]) -> Work:
    def work(task: Task, report: Report) -> Mapping[str, Any]:
        return {"result": guarded(jobs[task.shard], lambda update: None)}

    return work
