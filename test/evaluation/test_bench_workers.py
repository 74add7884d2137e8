"""Processes of the benchmarks: none of them outlives the one that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import os, sys, time
from spatialvlm_ros.evaluation.engine_accuracy import on_workers

def job(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(300)

if __name__ == "__main__":
    list(on_workers(job, sys.argv[1:], 1))
"""


def _alive(pid: int) -> bool:
    """Whether a process works; one that has ended and was not asked after is a zombie, and does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script, told], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 60.0
    try:
        while not (told.exists() and told.read_text()):
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        worker = int(told.read_text())
        assert _alive(worker)
    finally:
        parent.kill()
        parent.wait()
    while _alive(worker):
        if time.monotonic() > deadline:
            pytest.fail(f"the worker {worker} goes on although its parent was killed")
        time.sleep(0.05)
