"""A LeRobot data set of real labels: the layout that LeRobot reads, the numbers of the labels, pictures in their places."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from label_bags import CAMERA, FRAME, INFO, TASK, Item, episode, picture, robot_file, stamp, tool_at, write_mcap
from label_bags import COLOR as COLOR_TOPIC
from label_bags import DEPTH as DEPTH_TOPIC
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from spatialvlm_ros.cli import main
from spatialvlm_ros.nodes.conversions import array_to_image, camera_to_info, header
from spatialvlm_ros.recording.label_steps import DatasetOptions, StepMaker
from spatialvlm_ros.recording.lerobot_dataset import COLOR, DEPTH, LeRobotOutput
from spatialvlm_ros.recording.lerobot_merge import MergeError, merge_lerobot
from spatialvlm_ros.recording.lerobot_stats import together, vector_stats

# Of LeRobot's reader and of lerobot-doctor 0.2.0: what info.json must have, and what each episode says.
INFO_KEYS = {"codebase_version", "fps", "total_episodes", "total_frames", "total_tasks", "features", "data_path", "video_path",
             "chunks_size", "data_files_size_in_mb", "video_files_size_in_mb", "robot_type", "splits"}  # fmt: skip
DEFAULTS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}


def with_robot(items: list[Item]) -> list[Item]:
    """The recording with joint states and commands beside its images."""
    more = []
    for item in items:
        if item.topic == INFO:
            stamp_ns = item.log_ns - 10_000_000
            index = (stamp_ns - stamp(0)) * 1e-8
            # rclpy serialises empty arrays with bytes behind them that rosbags refuses.
            joints = JointState(header=header(stamp_ns, ""), name=["lift", "finger"], velocity=[0.0, 0.0], effort=[0.0, 0.0])
            joints.position = [0.01 * index, 0.04 - 1e-4 * index]
            more += [Item("/joint_states", stamp_ns + 1_000_000, joints), _command(stamp_ns, 0.01 * index)]
    return sorted([*items, *more], key=lambda item: item.log_ns)


def _command(stamp_ns: int, value: float) -> Item:
    return Item("/commands", stamp_ns - 1_000_000, Float64MultiArray(data=[value, -value]))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bags, the first with a pause of 0.6 s; two data sets, their videos and pictures."""
    folder = tmp_path_factory.mktemp("lerobot")
    paused = [*with_robot(episode(5)), *with_robot(episode(4, start=10))]
    write_mcap(folder / "a.mcap", sorted(paused, key=lambda item: item.log_ns))
    write_mcap(folder / "b.mcap", with_robot(episode(6)))
    bags = [str(folder / name) for name in ("a.mcap", "b.mcap")]
    command = ["label", *bags, "--task", TASK, "--robot", str(robot_file(folder)), "--out", str(folder / "out")]
    more = ["--to", "lerobot,parquet", "--dataset-depth", "--action-topic", "/commands", "--episode-gap-s", "0.3", "--video"]
    assert main([*command, *more]) == 0
    return folder / "out"


def read(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """info.json, rows of meta/episodes, rows of data; checked as LeRobot's reader and lerobot-doctor would."""
    info = json.loads((root / "meta" / "info.json").read_text())
    assert set(info) >= INFO_KEYS and info["codebase_version"] == "v3.0"
    episodes = pq.read_table(root / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    rows = [row for path in sorted((root / "data").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len(episodes) == info["total_episodes"] and len(rows) == info["total_frames"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    features = info["features"]
    assert {name: features[name]["dtype"] for name in DEFAULTS} == DEFAULTS
    stored = {name for name, feature in features.items() if feature["dtype"] != "video"}
    assert set(rows[0]) == stored
    stats = json.loads((root / "meta" / "stats.json").read_text())
    assert set(stats) == set(features) and all({"min", "max", "mean", "std", "count"} <= set(one) for one in stats.values())
    for one in episodes:
        own = rows[one["dataset_from_index"] : one["dataset_to_index"]]
        assert len(own) == one["length"] >= 2 and {row["episode_index"] for row in own} == {one["episode_index"]}
        assert [row["frame_index"] for row in own] == list(range(len(own)))
        assert [row["timestamp"] for row in own] == [float(np.float32(index / info["fps"])) for index in range(len(own))]
        assert [row["next.done"] for row in own] == [False] * (len(own) - 1) + [True]
        assert (root / info["data_path"].format(chunk_index=one["data/chunk_index"], file_index=one["data/file_index"])).is_file()
        begins, ends = one[f"videos/{COLOR}/from_timestamp"], one[f"videos/{COLOR}/to_timestamp"]
        assert ends - begins == pytest.approx(one["length"] / info["fps"])
    return info, episodes, rows


def test_the_layout_is_what_lerobot_reads(out: Path) -> None:
    info, episodes, rows = read(out / "a" / "lerobot")
    assert info["fps"] == 10 and info["total_tasks"] == 1 and info["splits"] == {"train": "0:2"}
    assert [one["length"] for one in episodes] == [5, 4] and {tuple(one["tasks"]) for one in episodes} == {(TASK,)}
    features = info["features"]
    assert features[COLOR]["dtype"] == "video" and features[COLOR]["shape"] == [240, 320, 3]
    wanted = ["lift", "finger", "tool.x_m", "tool.y_m", "tool.z_m", "tool.qx", "tool.qy", "tool.qz", "tool.qw"]
    assert features["observation.state"] == {"dtype": "float32", "shape": [9], "names": wanted}
    assert features["action"]["shape"] == [2]
    assert (features["next.reward"]["dtype"], features["next.reward"]["shape"]) == ("float32", [1])
    tasks = pandas.read_parquet(out / "a" / "lerobot" / "meta" / "tasks.parquet")
    assert tasks.index.tolist() == [TASK] and tasks["task_index"].tolist() == [0]
    # What tells depth from a picture in LeRobot 0.6, and in which unit it is.
    assert features[DEPTH]["info"] == {"is_depth_map": True, "depth_unit": "mm"}
    schema = pq.read_schema(out / "a" / "lerobot" / "data" / "chunk-000" / "file-000.parquet")
    assert str(schema.field("next.reward").type) == "float" and str(schema.field("source_stamp_ns").type) == "int64"
    assert rows[0]["source_stamp_ns"] == stamp(0) and rows[5]["source_stamp_ns"] == stamp(10)


def test_rewards_states_and_actions_are_those_of_the_labels(out: Path) -> None:
    _, _, rows = read(out / "a" / "lerobot")
    labels = pq.read_table(out / "a" / "rewards.parquet").to_pylist()
    assert [row["source_stamp_ns"] for row in rows] == [label["stamp_ns"] for label in labels]
    for index, row in enumerate(rows):
        following = labels[index + 1]["reward"] if not row["next.done"] else 0.0
        assert row["next.reward"] == pytest.approx(following, abs=1e-6), "the images lie exactly on the grid"
        number = (row["source_stamp_ns"] - stamp(0)) / 1e8
        pose = tool_at(number).translation
        assert row["observation.state"] == pytest.approx([0.01 * number, 0.04 - 1e-4 * number, *pose, 0, 0, 0, 1], abs=1e-6)
        acted = number if row["next.done"] else number + 1
        assert row["action"] == pytest.approx([0.01 * acted, -0.01 * acted], abs=1e-6)


def test_the_video_shows_the_images_in_their_places(out: Path) -> None:
    info, episodes, rows = read(out / "a" / "lerobot")
    path = out / "a" / "lerobot" / info["video_path"].format(video_key=COLOR, chunk_index=0, file_index=0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == info["fps"] and stream.codec_context.pix_fmt == "yuv420p"
        frames = [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert [time for time, _ in frames] == pytest.approx([index / 10 for index in range(9)], abs=1e-6)
    for one in episodes:
        for index in range(one["length"]):
            row, place = rows[one["dataset_from_index"] + index], one[f"videos/{COLOR}/from_timestamp"] + index / info["fps"]
            shown = next(shown for time, shown in frames if abs(time - place) < 1e-6)
            color, depth = picture(round((row["source_stamp_ns"] - stamp(0)) / 1e8) % 3)
            assert np.abs(shown.astype(int) - color).mean() < 6
            stored = cv2.imdecode(np.frombuffer(row[DEPTH]["bytes"], np.uint8), cv2.IMREAD_UNCHANGED)
            assert stored.dtype == np.uint16 and np.abs(stored.astype(int) - depth).max() <= 1


def test_the_data_sets_of_the_bags_are_joined(out: Path) -> None:
    info, episodes, rows = read(out / "lerobot")
    assert info["total_episodes"] == 3 and [one["length"] for one in episodes] == [5, 4, 6]
    assert [one["data/file_index"] for one in episodes] == [one[f"videos/{COLOR}/file_index"] for one in episodes] == [0, 0, 1]
    _, _, first = read(out / "a" / "lerobot")
    _, _, second = read(out / "b" / "lerobot")
    own = ("index", "episode_index")
    parts = [{name: value for name, value in row.items() if name not in own} for row in [*first, *second]]
    assert [{name: value for name, value in row.items() if name not in own} for row in rows] == parts
    stats = json.loads((out / "lerobot" / "meta" / "stats.json").read_text())
    states = np.array([row["observation.state"] for row in rows])
    assert stats["observation.state"]["mean"] == pytest.approx(states.mean(axis=0), abs=1e-6)
    assert stats["observation.state"]["std"] == pytest.approx(states.std(axis=0), abs=1e-6)
    assert (stats["index"]["min"], stats["index"]["max"], stats["episode_index"]["max"]) == ([0.0], [14.0], [2.0])
    assert sorted(path.name for path in (out / "b").glob("*.mp4")) == ["overlay_000.mp4"]
    assert sorted(path.name for path in (out / "a").glob("*.mp4")) == ["overlay_000.mp4", "overlay_001.mp4"]


def test_the_overlay_shows_each_image_when_it_was_taken(out: Path) -> None:
    with av.open(str(out / "a" / "overlay_000.mp4")) as container:
        frames = [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert [time for time, _ in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=2e-3)
    first, last = frames[0][1].astype(int), frames[-1][1].astype(int)
    # The bar of the potential below the picture grows.
    green = [((strip[..., 1] - strip[..., 0]) > 60).sum() for strip in (first[-24:-6], last[-24:-6])]
    assert first.shape == (536, 640, 3) and green[1] > green[0] > 0


def test_provenance_tells_how_the_data_set_was_made(out: Path) -> None:
    told = json.loads((out / "a" / "provenance.json").read_text())
    made = told["datasets"]["lerobot"]
    assert (made["fps"], made["max_age_s"], made["episodes"], made["steps"]) == (10, 0.2, 2, 9)
    assert made["actions_from"] == "commands" and made["tool_frame"] == "base_link" and made["images_left_out"] == {}
    assert told["inputs"]["options"]["dataset"]["action_topic"] == "/commands" and told["lost"] == told["notes"] == []


def test_sets_that_do_not_fit_are_not_joined(out: Path, tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="none of them"):
        merge_lerobot([], tmp_path / "all")
    other = tmp_path / "other"
    (other / "meta").mkdir(parents=True)
    info = json.loads((out / "a" / "lerobot" / "meta" / "info.json").read_text())
    (other / "meta" / "info.json").write_text(json.dumps({**info, "fps": 15}))
    with pytest.raises(MergeError, match=r"has other fps than .* \(15 and 10\)"):
        merge_lerobot([out / "a" / "lerobot", other], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_set_from_before_depth_was_marked_is_joined_and_marked(out: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(out / "a" / "lerobot", old)
    info = json.loads((old / "meta" / "info.json").read_text())
    del info["features"][DEPTH]["info"]
    (old / "meta" / "info.json").write_text(json.dumps(info))
    merge_lerobot([old, out / "b" / "lerobot"], tmp_path / "all")
    joined = read(tmp_path / "all")[0]
    assert joined["features"][DEPTH]["info"]["is_depth_map"] and joined["total_episodes"] == 3


def test_only_what_was_joined_here_is_replaced_or_removed(out: Path, tmp_path: Path) -> None:
    roots, target, work = [out / "a" / "lerobot", out / "b" / "lerobot"], tmp_path / "all", tmp_path / ".all.part"
    for folder in (target, work):
        shutil.copytree(out / "lerobot", folder)
    merge_lerobot(roots[:1], target)
    assert read(target)[0]["total_episodes"] == 2 and not work.exists()
    info = json.loads((target / "meta" / "info.json").read_text())
    (target / "meta" / "info.json").write_text(json.dumps({**info, "total_episodes": 9}))
    for taken in (target, roots[0]):
        before = sorted(taken.rglob("*"))
        with pytest.raises(MergeError, match="is no data set that 'spatialvlm label' joined"):
            merge_lerobot(roots, taken)
        assert sorted(taken.rglob("*")) == before
    (tmp_path / "link").symlink_to(out / "lerobot")
    with pytest.raises(MergeError, match="move it away"):
        merge_lerobot(roots, tmp_path / "link")
    shutil.rmtree(target)
    merge_lerobot(roots, target)
    other = tmp_path / "other"
    shutil.copytree(roots[1], other)
    pandas.DataFrame({"task_index": [0]}, index=pandas.Index(["dance"], name="task")).to_parquet(other / "meta" / "tasks.parquet")
    with pytest.raises(MergeError, match="different tasks"):
        merge_lerobot([roots[0], other], target)
    assert not target.exists() and not work.exists(), "it would be of other bags than the rest of the folder"


def test_a_users_folder_in_the_place_of_the_joined_set_is_left_alone(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found before anything is labelled, and --overwrite changes nothing about it."""
    mine = tmp_path / "datasets" / "lerobot" / "mine.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    bags = [str(out.parent / name) for name in ("a.mcap", "b.mcap")]
    command = ["label", *bags, "--task", TASK, "--robot", str(out.parent / "robot.yaml"), "--out", str(tmp_path / "datasets")]
    for more in ([], ["--overwrite"]):
        assert main([*command, "--to", "lerobot", *more]) == 2
        assert f"{mine.parent} exists and is no data set that" in capsys.readouterr().err
        assert sorted((tmp_path / "datasets").rglob("*")) == [mine.parent, mine] and mine.read_text() == "years of work"


def test_an_image_of_another_size_costs_the_video_that_image_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables hold it; the loss is stated."""
    stamp_ns, (color, depth) = stamp(2), picture(2)
    cut = {
        COLOR_TOPIC: array_to_image(np.ascontiguousarray(color[:, :300]), "rgb8", stamp_ns, FRAME),
        DEPTH_TOPIC: array_to_image(np.ascontiguousarray(depth[:, :300]), "16UC1", stamp_ns, FRAME),
        INFO: camera_to_info(replace(CAMERA, width=300), stamp_ns, FRAME),
    }
    items = []
    for item in episode(5):
        # What the image is to be read with comes before it.
        log_ns = item.log_ns - 5_000_000 if item.topic == INFO else item.log_ns
        is_third = stamp(2) < item.log_ns < stamp(3)
        items.append(Item(item.topic, log_ns, cut.get(item.topic, item.message) if is_third else item.message))
    bag = write_mcap(tmp_path / "bag.mcap", sorted(items, key=lambda item: item.log_ns))
    command = ["label", str(bag), "--task", TASK, "--robot", str(robot_file(tmp_path)), "--out", str(tmp_path / "out")]
    assert main([*command, "--to", "parquet", "--video"]) == 1
    loss = "video: 1 x a frame of 900 x 776 pixels in a video of 640 x 536"
    assert f"loss: bag: {loss}" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "bag" / "provenance.json").read_text())["lost"] == [loss]
    assert pq.read_table(tmp_path / "out" / "bag" / "rewards.parquet")["stamp_ns"].to_pylist() == [stamp(i) for i in range(5)]
    with av.open(str(tmp_path / "out" / "bag" / "overlay_000.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--action-topic", "/nowhere"], "has no topic /nowhere (--action-topic); it holds /camera"),
        (
            ["--joint-topic", "/tf"],
            "/tf (--joint-topic) is of type tf2_msgs/msg/TFMessage; use a topic of sensor_msgs/msg/JointState",
        ),
        (["--fps", "-3"], "--fps is -3; give a whole number from 1 to 1000"),
        (["--fps", "30", "--max-age-s", "0.001"], "--max-age-s is 0.001, shorter than half a step at 30 steps a second"),
    ],
)
def test_what_cannot_be_used_is_named(
    more: list[str], text: str, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(out.parent / "b.mcap")
    command = ["label", bag, "--task", TASK, "--robot", str(out.parent / "robot.yaml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--to", "lerobot", *more]) == 2
    assert text in capsys.readouterr().err and not (tmp_path / "out" / "b").exists()


def test_a_dry_run_says_what_state_and_actions_could_be(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, robot = str(out.parent / "b.mcap"), str(out.parent / "robot.yaml")
    assert main(["label", bag, "--task", TASK, "--robot", robot, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "joint states: /joint_states" in said and "possible commands (--action-topic): /commands, /joint_states" in said


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3))
    whole, parts = vector_stats(rows), together([vector_stats(rows[:20]), vector_stats(rows[20:])])
    for name in ("min", "max", "mean", "std", "count"):
        assert parts[name] == pytest.approx(whole[name])


def test_an_empty_data_set_is_not_left_behind(tmp_path: Path) -> None:
    from step_frames import frame
    from test_label_steps import TASK as REACH
    from test_label_steps import TOOL

    output = LeRobotOutput(tmp_path / "set", "x", StepMaker(DatasetOptions(10).settled(10.0), REACH, TOOL))
    output.add(frame(0.0))
    output.close()
    assert not (tmp_path / "set").exists() and output.document()["episodes"] == 0
