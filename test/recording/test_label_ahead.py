"""Segmentation done ahead by other processes: the labels of one process, also when those die."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from label_bags import TASK, episode, robot_file, write_mcap

from spatialvlm_ros.recording.label import BagLabeller, LabelOptions, load_task_of
from spatialvlm_ros.recording.label_rows import LabelledFrame


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ahead")
    robot_file(folder)
    return write_mcap(folder / "bag.mcap", episode(8))


def labelled(bag: Path, helpers: int, kill: bool = False, focus_s: float | None = None) -> list[LabelledFrame]:
    options = LabelOptions(TASK, robot=bag.parent / "robot.yaml", focus_s=focus_s)
    frames = []
    with BagLabeller(bag, options, load_task_of(options), helpers=helpers) as labeller:
        for frame in labeller.frames():
            frames.append(frame)
            if kill and len(frames) == 2:
                helping = multiprocessing.active_children()
                assert helping, "nobody helps"
                for process in helping:
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGKILL)
    assert labeller.losses() == [] and not multiprocessing.active_children()
    return frames


def test_labels_are_those_of_one_process_also_when_the_others_die(bag: Path) -> None:
    alone = labelled(bag, 0)
    for kill in (False, True):
        helped = labelled(bag, 1, kill)
        assert [repr(frame) for frame in helped] == [repr(frame) for frame in alone] and len(alone) == 8


def test_labels_of_images_that_are_not_taken_whole_are_those_of_one_process(bag: Path) -> None:
    whole, alone, helped = labelled(bag, 0), labelled(bag, 0, focus_s=0.3), labelled(bag, 1, focus_s=0.3)
    assert [repr(frame) for frame in helped] == [repr(frame) for frame in alone]
    # It was no whole image each time, and hardly makes a difference.
    assert [repr(frame) for frame in alone] != [repr(frame) for frame in whole]
    off_m = [abs(one.sample.distance - other.sample.distance) for one, other in zip(alone, whole, strict=True)]
    assert max(off_m) < 0.003
