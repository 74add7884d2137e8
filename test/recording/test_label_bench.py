"""Figures of the labelling benchmark that are worked out of its files."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.label_bench import labels_apart
from spatialvlm_ros.recording.label_bench_bag import write_bag


def table(distance_m: list[float], potential: list[float], success: list[bool], stage: list[int]) -> dict[str, bytes]:
    sink = pa.BufferOutputStream()
    columns = {"distance_m": distance_m, "potential": potential, "success": success, "stage_index": stage}
    pq.write_table(pa.table(columns), sink)
    return {"bag/labels.parquet": sink.getvalue().to_pybytes()}


def test_how_far_labels_are_apart_is_counted_by_image() -> None:
    one = table([0.3, 0.2, 0.1, math.nan], [0.1, 0.2, 0.3, 0.4], [False, False, True, True], [0, 0, 1, 1])
    other = table([0.301, 0.2, 0.104, 0.1], [0.1, 0.2, 0.35, 0.4], [False, False, False, True], [0, 0, 0, 1])
    apart = labels_apart(one, other)
    assert apart["distance_m_max_in_one_stage"] == pytest.approx(0.001) and apart["same_stage"] == 0.75
    assert apart["distance_m_median"] == pytest.approx(0.001) and apart["distance_m_max"] == pytest.approx(0.004)
    assert apart["potential_median"] == 0.0 and apart["potential_max"] == pytest.approx(0.05)
    assert apart["same_success"] == 0.75 and apart["same_measured"] == 0.75


def test_the_recordings_hold_every_message_of_so_many_images(tmp_path: Path) -> None:
    assert write_bag(tmp_path / "short.mcap", [9000, 9001], 3) == 3
    with BagReader(tmp_path / "short.mcap") as bag:
        assert sorted(bag.counts().values()) == [1, 3, 3, 3, 3], "where the camera stands is said once"
        stamps = [item.stamp_ns for item in bag.messages(bag.topics_of("sensor_msgs/msg/CameraInfo"))]
    assert [after - before for before, after in itertools.pairwise(stamps)] == [33_333_333, 33_333_333]
