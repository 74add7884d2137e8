"""Hashes of bags, by whichever process: the same, whatever becomes of the one that began early."""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spatialvlm_ros.recording import bag_files
from spatialvlm_ros.recording.bag_files import InputHash, hashed_early


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests' processes have threads of libraries, none of which hashes anything."""
    monkeypatch.setattr(bag_files, "is_alone", lambda: True)


@pytest.fixture
def bags(tmp_path: Path) -> list[Path]:
    """A file of some blocks, and a folder of two files."""
    (tmp_path / "two").mkdir()
    for index, name in enumerate(("one.mcap", "two/two_10.db3", "two/two_9.db3")):
        (tmp_path / name).write_bytes(bytes([index]) * (1_000_003 * index + 5))
    return [tmp_path / "one.mcap", tmp_path / "two"]


def expected(bag: Path, *names: str) -> list[dict[str, object]]:
    files = [bag / name for name in names] or [bag]
    contents = [file.read_bytes() for file in files]
    return [
        {"name": file.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file, content in zip(files, contents, strict=True)
    ]


def test_a_bag_is_hashed_file_by_file_in_the_order_of_recording(bags: list[Path]) -> None:
    assert InputHash(bags[0]).result() == expected(bags[0])
    assert InputHash(bags[1]).result() == expected(bags[1], "two_9.db3", "two_10.db3")


@pytest.mark.usefixtures("alone")
def test_another_process_finds_the_same(bags: list[Path]) -> None:
    with hashed_early(bags):
        hashes = [InputHash(bag) for bag in bags]
        assert not any(one._thread.is_alive() for one in hashes)
        assert [one.result() for one in hashes] == [expected(bags[0]), expected(bags[1], "two_9.db3", "two_10.db3")]
        assert not any(one._thread.ident for one in hashes), "it was hashed here"
    assert not bag_files._early and not multiprocessing.active_children()


@pytest.mark.usefixtures("alone")
def test_what_that_process_did_not_find_is_found_here(bags: list[Path], tmp_path: Path) -> None:
    with hashed_early([Path("/dev/zero"), *bags, bags[1], tmp_path / "absent.mcap"]):
        assert set(bag_files._early) == {"/dev/zero", str(bags[0])}, "a bag that comes twice would have two readers"
        (process,) = multiprocessing.active_children()
        process.kill()
        for _ in range(2):
            assert InputHash(bags[0]).result() == expected(bags[0])
            assert InputHash(bags[1]).result() == expected(bags[1], "two_9.db3", "two_10.db3")


@pytest.mark.usefixtures("alone")
def test_a_bag_that_cannot_be_read_is_an_error(bags: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        InputHash(tmp_path / "absent.mcap").result()


def test_that_process_ends_with_the_one_that_it_works_for() -> None:
    code = (
        "import os, sys, pathlib\n"
        "from multiprocessing import active_children\n"
        "from spatialvlm_ros.recording.bag_files import hashed_early\n"
        "with hashed_early([pathlib.Path('/dev/zero')]):\n"
        "    print(active_children()[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -9
    worker = Path(f"/proc/{int(done.stdout)}/cmdline")
    deadline = time.monotonic() + 20
    while worker.exists() and worker.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists() or not worker.read_bytes()
