"""Worker processes: order, errors, deaths, and what becomes of them when the run is broken off."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pool_work
import pytest

from spatialvlm_ros.synthesis.pool import Finished, Lost, Step, Task, WorkerError, WorkerInputError, run_tasks

TASKS = [Task("squares", i, 3 * i, 3 * i + 3) for i in range(5)]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(condition: object, timeout_s: float = 30.0) -> None:
    """Wait for a function to return something true."""
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once_and_steps_add_up(workers: int) -> None:
    """Results do not depend on the number of workers, of which none is idle from the start."""
    events = list(run_tasks(pool_work.squares, TASKS, workers))
    finished = {event.task.shard: event.result for event in events if isinstance(event, Finished)}
    assert {shard: result["sum"] for shard, result in finished.items()} == {
        task.shard: sum(i * i for i in range(task.start, task.stop)) for task in TASKS
    }
    assert len({result["pid"] for result in finished.values()}) == workers
    assert sum(event.items for event in events if isinstance(event, Step)) == 15
    assert len(events) == 15 + len(TASKS)


def test_a_task_whose_worker_is_killed_is_done_again(tmp_path: Path) -> None:
    """By a new worker, and the death is told."""
    events = list(run_tasks(pool_work.DiesAt(tmp_path, 2, 1), TASKS, 2))
    assert sorted(event.task.shard for event in events if isinstance(event, Finished)) == [0, 1, 2, 3, 4]
    lost = [event for event in events if isinstance(event, Lost)]
    assert [(event.task.shard, event.again) for event in lost] == [(2, True)]
    assert "SIGKILL" in lost[0].text


def test_a_task_that_kills_two_workers_is_given_up_and_the_rest_is_done(tmp_path: Path) -> None:
    """With one worker, so that its successors have to do the rest."""
    events = list(run_tasks(pool_work.DiesAt(tmp_path, 1, 9), TASKS, 1))
    assert sorted(event.task.shard for event in events if isinstance(event, Finished)) == [0, 2, 3, 4]
    assert [(event.task.shard, event.again) for event in events if isinstance(event, Lost)] == [(1, True), (1, False)]
    assert len(list(tmp_path.iterdir())) == 2


def test_errors_of_the_work_itself_end_the_run_with_their_text() -> None:
    """And tell wrong input from a machine that lacks something."""
    with pytest.raises(WorkerInputError, match="there is no stage 'x'"):
        list(run_tasks(pool_work.raises_value_error, TASKS, 2))
    with pytest.raises(WorkerError, match="needs the package 'y'"):
        list(run_tasks(pool_work.raises_import_error, TASKS, 1))
    with pytest.raises(ValueError, match="0 workers"):
        list(run_tasks(pool_work.squares, TASKS, 0))


def test_closing_the_iterator_ends_the_workers(tmp_path: Path) -> None:
    """As Ctrl-C does."""
    events = run_tasks(pool_work.DiesAt(tmp_path, -1, 0), TASKS, 2)
    next(events)
    events.close()
    assert not multiprocessing.active_children()


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """In the middle of a task, without waiting for its end."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "import pool_work\n"
        "from spatialvlm_ros.synthesis.pool import Task, run_tasks\n"
        "if __name__ == '__main__':\n"
        f"    list(run_tasks(pool_work.Sleeps(Path({str(tmp_path)!r})), [Task('x', i, i, i + 1) for i in range(2)], 2))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    folder = tmp_path
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        wait_until(lambda: len([file for file in folder.iterdir() if file.name.isdigit()]) == 2)
        workers = [int(file.name) for file in folder.iterdir() if file.name.isdigit()]
        assert all(is_alive(pid) for pid in workers)
        parent.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in workers), 10.0)
