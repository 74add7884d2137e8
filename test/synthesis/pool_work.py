"""Work for the pool and for Ray that goes wrong in all ways; in a module of its own, so that workers can import it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.synthesis.pool import Report, Step, Task, Work
from spatialvlm_ros.synthesis.record import Picture


def squares() -> Work:
    """Adds the squares of a task's items."""

    def work(task: Task, report: Report) -> Mapping[str, Any]:
        for _ in range(task.start, task.stop):
            report(Step(task, 1, 2, 0))
        return {"sum": sum(i * i for i in range(task.start, task.stop)), "pid": os.getpid()}

    return work


class DiesAt:
    """Kills its own process on a shard: the first ``times`` times, as counted by files in a folder."""

    def __init__(self, folder: Path, shard: int, times: int) -> None:
        self.folder, self.shard, self.times = folder, shard, times

    def __call__(self) -> Work:
        return self.work

    def work(self, task: Task, report: Report) -> Mapping[str, Any]:
        report(Step(task, 1, 0, 0))
        if task.shard == self.shard and len(list(self.folder.iterdir())) < self.times:
            (self.folder / str(time.monotonic_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"shard": task.shard}


def raises_value_error() -> Work:
    """Cannot be made, for a reason that lies in what was asked for."""
    raise ValueError("there is no stage 'x'")


def raises_import_error() -> Work:
    raise ImportError("needs the package 'y'")


class Sleeps:
    """Writes its process id to a file and sleeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Work:
        return self.work

    def work(self, task: Task, report: Report) -> Mapping[str, Any]:
        (self.folder / str(os.getpid())).touch()
        time.sleep(60)
        return {}


class DeadlyStage:
    """Kills its process on one picture as long as a file is there."""

    name, version = "deadly", "1"

    def __init__(self, key: str, while_there: str) -> None:
        self.key, self.while_there = key, while_there

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        if picture.key == self.key and Path(self.while_there).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return picture
