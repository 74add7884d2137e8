"""The same shards on a real Ray cluster of two workers on this machine."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pool_work
import pytest
import ray
from examples import NOTES, small_config, tree_of

from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pool import Finished, Lost, Task, WorkerError, WorkerInputError
from spatialvlm_ros.synthesis.ray_runner import run_on_ray
from spatialvlm_ros.synthesis.run import RunOptions, synthesize

TASKS = [Task("x", i, i, i + 1) for i in range(5)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> object:
    """One for all tests here: it takes seconds to start."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield None
    ray.shutdown()


def test_ray_gives_the_same_bytes_as_this_process(small: Path, tmp_path: Path) -> None:
    """With two actors that share three shards."""
    report = synthesize(small_config(), registry(), RunOptions(tmp_path / "out", 2, notes=NOTES, runner=partial(run_on_ray)))
    assert (report.complete, report.made_items) == (True, 6)
    assert tree_of(tmp_path / "out") == tree_of(small)


def test_a_shard_whose_actor_is_killed_is_made_again(tmp_path: Path) -> None:
    """By a new actor; one that kills two is given up, and the rest is done."""
    events = list(run_on_ray(pool_work.DiesAt(tmp_path, 2, 1), TASKS, 2))
    assert sorted(event.task.shard for event in events if isinstance(event, Finished)) == [0, 1, 2, 3, 4]
    assert [(event.task.shard, event.again) for event in events if isinstance(event, Lost)] == [(2, True)]
    events = list(run_on_ray(pool_work.DiesAt(tmp_path, 1, 9), TASKS, 2))
    assert sorted(event.task.shard for event in events if isinstance(event, Finished)) == [0, 2, 3, 4]
    assert [(event.task.shard, event.again) for event in events if isinstance(event, Lost)] == [(1, True), (1, False)]


def test_errors_of_the_work_come_with_their_text() -> None:
    """As from the local pool."""
    with pytest.raises(WorkerInputError, match="there is no stage 'x'"):
        list(run_on_ray(pool_work.raises_value_error, TASKS, 2))
    with pytest.raises(WorkerError, match="needs the package 'y'"):
        list(run_on_ray(pool_work.raises_import_error, TASKS, 2))


def test_a_cluster_that_is_not_there_is_named_at_once() -> None:
    """Ray alone would try for minutes."""
    ray.shutdown()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WorkerError, match=f"no Ray cluster at '{address}'"):
            list(run_on_ray(pool_work.squares, TASKS, 2, address))
