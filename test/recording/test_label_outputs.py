"""Files of labels: every format holds the same numbers, and the programs that people have open them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from label_bags import TASK, episode, robot_file, stamp, write_mcap
from rclpy.serialization import deserialize_message

from spatialvlm_msgs.msg import Reward, SpatialFactArray
from spatialvlm_ros.nodes.reward_node import reward_to_msg
from spatialvlm_ros.nodes.scene_messages import facts_to_msg
from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.episode import load_episode
from spatialvlm_ros.recording.label import BagLabeller, LabelOptions, load_task_of
from spatialvlm_ros.recording.label_outputs import TABLES, merge_sarm, open_outputs, require
from spatialvlm_ros.recording.label_rows import FACT_COLUMNS, REWARD_COLUMNS, LabelledFrame, fact_rows, reward_row

NAMES = [name for name, _ in REWARD_COLUMNS]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledFrame]:
    """Two episodes; the last image of the second has no transform."""
    folder = tmp_path_factory.mktemp("bag")
    items = [*episode(4), *(item for item in episode(3, start=40) if item.topic != "/tf" or item.log_ns < stamp(42))]
    options = LabelOptions(TASK, robot=robot_file(folder), episode_gap_s=1.0)
    with BagLabeller(write_mcap(folder / "bag.mcap", items), options, load_task_of(options)) as labeller:
        frames = list(labeller.frames())
    assert [frame.sample.status.name for frame in frames] == ["OK"] * 6 + ["HELD"]
    return frames


@pytest.fixture(scope="module")
def folder(labelled: list[LabelledFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats."""
    return write(labelled, tmp_path_factory.mktemp("labels"))


def write(frames: list[LabelledFrame], folder: Path) -> Path:
    outputs = open_outputs(folder, (*TABLES, "plot"), "bag.mcap", "spatialvlm_ros: reach(red block)")
    for frame in frames:
        for output in outputs.values():
            output.add(frame)
    for output in outputs.values():
        output.close()
    return folder


def known(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def test_parquet_holds_the_rows(folder: Path, labelled: list[LabelledFrame]) -> None:
    rows = pq.read_table(folder / "rewards.parquet").to_pylist()
    assert rows == [{name: known(value) for name, value in reward_row(frame).items()} for frame in labelled]
    assert list(rows[0]) == NAMES and rows[-1]["distance_m"] is None and rows[-1]["cause"].endswith("NO_TRANSFORM")
    frame = pandas.read_parquet(folder / "rewards.parquet")
    assert frame.groupby("episode_index").size().to_dict() == {0: 4, 1: 3}
    assert np.isnan(frame["distance_m"].iloc[-1]) and frame["success"].dtype == bool


def test_csv_and_json_lines_hold_the_same_numbers_in_full(folder: Path, labelled: list[LabelledFrame]) -> None:
    lines = [json.loads(line) for line in (folder / "rewards.jsonl").read_text().splitlines()]
    assert lines == pq.read_table(folder / "rewards.parquet").to_pylist()
    with (folder / "rewards.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, line in zip(rows, lines, strict=True):
        for name, kind in REWARD_COLUMNS:
            wanted = line[name]
            if wanted is None:
                assert row[name] == ""
            elif kind == "float":
                assert float(row[name]) == wanted
            else:
                assert row[name] == (str(wanted).lower() if kind == "bool" else str(wanted))


def test_facts_are_rows_of_their_own(folder: Path, labelled: list[LabelledFrame]) -> None:
    rows = pq.read_table(folder / "facts.parquet").to_pylist()
    wanted = [{name: known(value) for name, value in row.items()} for frame in labelled for row in fact_rows(frame)]
    assert rows == wanted and list(rows[0]) == [name for name, _ in FACT_COLUMNS]
    assert rows[0]["relation"] == "distance" and rows[0]["status"] == "OK" and rows[0]["frame_id"] == "base_link"
    assert rows[0]["object_z_m"] == pytest.approx(0.025, abs=0.01) and rows[-1]["status"] == "NO_TRANSFORM"


def test_the_side_car_is_what_weighted_training_reads(folder: Path, labelled: list[LabelledFrame]) -> None:
    table = pq.read_table(folder / "sarm_progress.parquet")
    assert table.column_names == ["index", "episode_index", "frame_index", "progress_sparse"]
    assert table.schema.metadata[b"reward_model_path"] == b"spatialvlm_ros: reach(red block)"
    rows = table.to_pylist()
    assert [row["index"] for row in rows] == list(range(7))
    places = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert [(row["episode_index"], row["frame_index"]) for row in rows] == places
    assert [row["progress_sparse"] for row in rows] == [frame.sample.potential for frame in labelled]


def test_side_cars_are_counted_on_when_they_are_joined(folder: Path, tmp_path: Path) -> None:
    part = folder / "sarm_progress.parquet"
    merge_sarm([part, part], tmp_path / "all.parquet", "m")
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(14))
    assert [row["episode_index"] for row in rows] == [0] * 4 + [1] * 3 + [2] * 4 + [3] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]


def test_the_new_bag_holds_facts_and_rewards_at_the_stamps_of_the_images(folder: Path, labelled: list[LabelledFrame]) -> None:
    with BagReader(folder / "labels.mcap") as bag:
        assert bag.topics() == {
            "/spatialvlm/facts": "spatialvlm_msgs/msg/SpatialFactArray", "/spatialvlm/reward": "spatialvlm_msgs/msg/Reward"
        }  # fmt: skip
        raw = [(connection.topic, log_ns, bytes(data)) for connection, log_ns, data in bag._reader.messages()]
    assert len(raw) == 2 * len(labelled)
    for index, frame in enumerate(labelled):
        stamp_ns = frame.sample.stamp_ns
        (first, first_ns, facts), (second, second_ns, reward) = raw[2 * index : 2 * index + 2]
        assert (first, second, first_ns, second_ns) == ("/spatialvlm/facts", "/spatialvlm/reward", stamp_ns, stamp_ns)
        # As rclpy reads it, not only as the library that wrote it.
        assert repr(deserialize_message(reward, Reward)) == repr(reward_to_msg(frame.sample, frame.frame_id))
        assert repr(deserialize_message(facts, SpatialFactArray)) == repr(
            facts_to_msg(list(frame.facts), stamp_ns, frame.frame_id)
        )
    loaded = load_episode(folder / "labels.mcap")
    assert loaded.rewards is not None and loaded.rewards.potential.tolist() == [frame.sample.potential for frame in labelled]


def test_each_episode_is_drawn(folder: Path) -> None:
    pictures = sorted(folder.glob("*.png"))
    assert [path.name for path in pictures] == ["reward_000.png", "reward_001.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 10_000 for path in pictures)


def test_the_same_rows_give_the_same_bytes(folder: Path, labelled: list[LabelledFrame], tmp_path: Path) -> None:
    again = write(labelled, tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in again.iterdir()) and len(names) == 8
    assert [name for name in names if (folder / name).read_bytes() != (again / name).read_bytes()] == []


def test_a_format_that_is_not_known_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"--to is 'parquet,excel'; use some of parquet,csv,jsonl,sarm,bag,facts,lerobot,robomimic"
    ):
        require(("parquet", "excel"), False)
    with pytest.raises(ValueError, match="--to is ''"):
        require((), False)
