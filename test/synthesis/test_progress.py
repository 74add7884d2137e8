"""What a run says of itself while it is under way."""

from __future__ import annotations

from io import StringIO

from spatialvlm_ros.synthesis.pool import Finished, Lost, Step, Task
from spatialvlm_ros.synthesis.progress import Progress, duration


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


TASKS = [Task("candidates", i, 10 * i, 10 * i + 10) for i in range(3)]


def test_elsewhere_than_on_a_terminal_a_line_comes_every_ten_seconds() -> None:
    """With rate, time left, pairs and drops."""
    clock, stream = Clock(), StringIO()
    progress = Progress("candidates", 30, 5, stream, clock)
    for second in range(1, 26):
        clock.now = float(second)
        progress.take(Step(TASKS[second // 11], 1, 4, second % 2))
    assert stream.getvalue().splitlines() == [
        "candidates: 10 of 30 images (5 were done before), 1 images/s, 20 s left, 40 pairs, 5 dropped",
        "candidates: 20 of 30 images (5 were done before), 1 images/s, 10 s left, 80 pairs, 10 dropped",
    ]


def test_on_a_terminal_one_line_is_written_over() -> None:
    """And ended when the phase ends."""
    clock, stream = Clock(), Terminal()
    progress = Progress("data", 10, 0, stream, clock)
    clock.now = 1.0
    progress.take(Step(TASKS[0], 2, 0, 0))
    progress.close()
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().count("\n") == 1


def test_a_task_that_is_done_again_counts_once() -> None:
    """Its first try is forgotten, and told."""
    clock, stream = Clock(), StringIO()
    progress = Progress("candidates", 10, 0, stream, clock)
    for _ in range(7):
        progress.take(Step(TASKS[0], 1, 3, 0))
    progress.take(Lost(TASKS[0], "its worker died: SIGKILL", True))
    clock.now = 2.0
    assert progress.line().startswith("candidates: 0 of 10 images, 0 images/s, time left not known yet, 0 pairs")
    progress.take(Finished(TASKS[0], {"pairs": 30}))
    assert progress.line() == "candidates: 10 of 10 images, 5 images/s, 0 s left, 30 pairs, 0 dropped"
    assert "shard 0: its worker died: SIGKILL; it is made again" in stream.getvalue()


def test_durations_are_said_as_people_do() -> None:
    """In two units at most."""
    assert [duration(s) for s in (0.4, 59.0, 61.0, 7260.0)] == ["0 s", "59 s", "1 min 01 s", "2 h 01 min"]
