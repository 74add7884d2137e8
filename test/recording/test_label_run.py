"""Many bags: the same bytes every time, after whatever end; shards, processes, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from label_bags import DEPTH, TASK, episode, robot_file, write_mcap

from spatialvlm_ros.cli import main
from spatialvlm_ros.recording import label_run
from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.label import LabelError, LabelOptions
from spatialvlm_ros.recording.label_folder import WorkFolder, bag_names
from spatialvlm_ros.recording.label_run import RunOptions

ALL = "parquet,csv,jsonl,sarm,bag,facts,lerobot,robomimic"
LEROBOT = (
    "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet", "meta/info.json", "meta/stats.json",
    "meta/tasks.parquet", "videos/observation.images.color/chunk-000/file-000.mp4",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bags of some images each, and the robot's file."""
    folder = tmp_path_factory.mktemp("bags")
    robot_file(folder)
    for index, count in enumerate((6, 8, 7)):
        write_mcap(folder / f"bag{index}.mcap", episode(count, start=3 * index))
    return folder


def arguments(place: Path, out: Path, *more: str, bags: Sequence[str] = ("bag0", "bag1", "bag2")) -> list[str]:
    paths = [str(place / f"{name}.mcap") for name in bags]
    return [
        "label",
        *paths,
        "--task",
        TASK,
        "--robot",
        str(place / "robot.yaml"),
        "--out",
        str(out),
        "--to",
        ALL,
        "--video",
        *more,
    ]


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    out = tmp_path_factory.mktemp("whole") / "out"
    before = contents(place)
    assert main(arguments(place, out)) == 0
    assert contents(place) == before, "the bags are read only"
    return contents(out)


def test_a_run_leaves_all_formats_of_each_bag_and_what_they_make_together(whole: dict[str, bytes], tmp_path: Path) -> None:
    rewards = ("rewards.csv", "rewards.jsonl", "rewards.parquet", "sarm_progress.parquet", "robomimic.hdf5", "overlay_000.mp4")
    names = ("facts.parquet", "labels.mcap", "provenance.json", *rewards, *(f"lerobot/{name}" for name in LEROBOT))
    each = [f"bag{i}/{name}" for i in range(3) for name in names]
    joined = [f"lerobot/{name}" for name in (*LEROBOT, "meta/spatialvlm_joined.json")]
    joined += [
        name.replace("file-000", f"file-00{i}")
        for i in (1, 2)
        for name in joined
        if name.startswith(("lerobot/data", "lerobot/vid"))
    ]
    assert sorted(whole) == sorted([*each, *joined, "labels.json", "sarm_progress.parquet"])
    (tmp_path / "all.parquet").write_bytes(whole["sarm_progress.parquet"])
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(21))
    assert [row["episode_index"] for row in rows] == [0] * 6 + [1] * 8 + [2] * 7
    assert [bag["frames"] for bag in json.loads(whole["labels.json"])["bags"]] == [6, 8, 7]


def test_provenance_says_what_the_labels_were_made_from(whole: dict[str, bytes], place: Path) -> None:
    import hashlib

    told = json.loads(whole["bag1/provenance.json"])
    file = place / "bag1.mcap"
    assert told["inputs"]["bag"] == [
        {"name": "bag1.mcap", "bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    ]
    assert told["inputs"]["robot"]["sha256"] == hashlib.sha256((place / "robot.yaml").read_bytes()).hexdigest()
    assert told["inputs"]["task"]["spec"].startswith("task: reach(red block)") and told["inputs"]["options"]["task"] == TASK
    assert told["inputs"]["versions"]["spatialvlm_ros"] and told["inputs"]["versions"]["numpy"] == np.__version__
    assert told["frames"] == told["measured"] == told["color_images"] == 8 and told["lost"] == []
    assert told["episodes"][0]["frames"] == 8 and "no other topic" in told["topics"]["reasons"][0]
    assert str(place) not in json.dumps(told), "paths of a machine are no provenance"


def test_the_same_command_gives_the_same_bytes_in_processes_too(place: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    assert main(arguments(place, tmp_path / "out", "--workers", "2")) == 0
    assert contents(tmp_path / "out") == whole


def test_processes_are_copies_of_one_that_has_no_thread_beside(place: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    ended = threading.Event()
    beside = threading.Thread(target=ended.wait)
    beside.start()
    try:
        assert label_run.start_method() == "spawn"
    finally:
        ended.set()
        beside.join()
    # The command itself has none, and its copies give the same bytes.
    process = run(arguments(place, tmp_path / "out", "--workers", "2"))
    methods = set()
    while process.poll() is None:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                methods |= {b"spawn_main" in command} if b"resource_tracker" not in command else set()
        time.sleep(0.01)
    assert process.returncode == 0 and methods == {False}
    assert contents(tmp_path / "out") == whole


def test_more_processes_than_bags_help_on_one_bag_and_give_the_same_bytes(
    place: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert main(arguments(place, tmp_path / "out", "--workers", "3", bags=("bag1",))) == 0
    made = {path: content for path, content in contents(tmp_path / "out").items() if path != "labels.json"}
    assert made == {path: content for path, content in whole.items() if path.startswith("bag1/")}


def test_shards_together_are_the_whole(place: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(arguments(place, out, "--num-shards", "2", "--shard-index", "1")) == 0
    assert {path.split("/")[0] for path in contents(out)} == {"bag1"}
    assert main(arguments(place, out, "--num-shards", "2", "--shard-index", "0")) == 0
    assert contents(out) == whole


def run(argument_list: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "spatialvlm_ros.cli", *argument_list]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


@pytest.mark.timeout(300)
def test_a_ray_cluster_gives_the_same_bytes(place: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    """A real one, of two workers on this machine."""
    assert main(arguments(place, tmp_path / "out", "--workers", "2", "--ray")) == 0
    assert contents(tmp_path / "out") == whole


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_killed_at_any_moment_is_resumed_to_the_same_bytes(
    workers: int, place: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """SIGKILL to the run (not to its processes) a random while after it began to write; then again; then to the end."""
    out, rng = tmp_path / "out", np.random.default_rng(workers)
    killed = 0
    # The first one hardly later than it begins: so one is killed, however fast the machine.
    for longest_s in (0.05, 0.6, 0.6):
        process = run(arguments(place, out, "--resume", "--workers", str(workers)))
        deadline = time.monotonic() + 60
        while process.poll() is None and not list(out.glob(".work-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, longest_s)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        # What bears its final name is finished.
        for path, content in contents(out).items():
            if not path.startswith("."):
                assert content == whole[path], path
    assert killed >= 1
    assert main(arguments(place, out, "--resume", "--workers", str(workers))) == 0
    assert contents(out) == whole


@pytest.mark.timeout(300)
def test_a_process_that_dies_is_reported_and_its_bag_resumed(place: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = run(arguments(place, out, "--workers", "2"))
    deadline = time.monotonic() + 60
    while not list(out.glob(".work-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [child for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(workers[0]), signal.SIGKILL)
    assert process.wait(60) == 3
    finished = {path for path in contents(out) if not path.startswith(".")}
    assert finished < set(whole)
    assert main(arguments(place, out, "--resume")) == 0
    assert contents(out) == whole


def test_resuming_what_is_finished_labels_nothing(
    place: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(arguments(place, out, bags=("bag0",))) == 0
    made = (out / "bag0").stat().st_ino
    assert main(arguments(place, out, "--resume", bags=("bag0",))) == 0
    assert (out / "bag0").stat().st_ino == made and "finished before" in capsys.readouterr().err


def test_labels_of_other_inputs_are_neither_kept_nor_replaced_unasked(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(arguments(place, out, bags=("bag0",))) == 0
    before = contents(out)
    assert main(arguments(place, out, bags=("bag0",))) == 2
    assert "--resume keeps what is finished, --overwrite labels again" in capsys.readouterr().err
    assert main(arguments(place, out, "--resume", "--gamma", "0.5", bags=("bag0",))) == 2
    said = capsys.readouterr().err
    assert "labelled with another task and another options than now" in said and "--overwrite" in said
    assert contents(out) == before
    assert main(arguments(place, out, "--overwrite", "--gamma", "0.5", bags=("bag0",))) == 0
    assert contents(out)["bag0/rewards.csv"] != before["bag0/rewards.csv"]


def test_a_cut_bag_is_labelled_as_far_as_it_goes_and_costs_exit_code_1(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (place / "bag1.mcap").read_bytes()
    for share in (0.45, 0.81):
        cut = tmp_path / "cut.mcap"
        cut.write_bytes(data[: int(share * len(data))])
        out = tmp_path / f"out{share}"
        options = ["--task", TASK, "--robot", str(place / "robot.yaml"), "--out", str(out), "--to", "csv"]
        assert main(["label", str(cut), *options]) == 1
        said = capsys.readouterr().err
        told = json.loads((out / "cut" / "provenance.json").read_text())
        assert "loss: cut: cut.mcap: it is cut" in said and "it is cut" in told["losses"]["bag"][0]
        pairs = sum(data.find(depth, 0, cut.stat().st_size) >= 0 for depth in depth_images(place / "bag1.mcap"))
        assert told["frames"] == pairs and 2 < pairs < 8
        assert len((out / "cut" / "rewards.csv").read_text().splitlines()) == told["frames"] + 1


def depth_images(path: Path) -> list[bytes]:
    """The bytes of each depth image, which is recorded after its picture."""
    with BagReader(path) as bag:
        return [bytes(data) for connection, _, data in bag._reader.messages() if connection.topic == DEPTH]


def test_a_bad_bag_does_not_keep_the_others_from_being_labelled(
    place: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = arguments(place, out, bags=("bag0", "nowhere", "bag2"))
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "error: bag" in said and "nowhere.mcap does not exist" in said
    made = contents(out)
    assert sorted({path.split("/")[0] for path in made}) == ["bag0", "bag2"]
    assert all(whole[path] == content for path, content in made.items())


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        (("--workers", "0"), ("--workers is 0",)),
        (("--num-shards", "2", "--shard-index", "2"), ("--shard-index is 2 of --num-shards 2", "from 0")),
        (("--to", "hdf5"), ("--to is 'hdf5'", "parquet")),
        (("--robot", "/nowhere/robot.yaml"), ("/nowhere/robot.yaml cannot be read (No such file",)),
        (("--task", "dance(red block)"), ("no such task",)),
        (("--slop", "7"), ("--slop is 7.0",)),
    ],
)
def test_arguments_that_cannot_be_used_are_named(
    more: tuple[str, ...], texts: tuple[str, ...], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, tmp_path / "out", *more, bags=("bag0",))) == 2
    said = capsys.readouterr().err
    assert all(text in said for text in texts), said
    assert not (tmp_path / "out" / "bag0").exists()


def test_an_output_that_cannot_be_written_is_named(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(arguments(place, tmp_path / "file" / "out", bags=("bag0",))) == 2
    said = capsys.readouterr().err
    assert f"--out {tmp_path}/file/out cannot be written (Not a directory); choose a folder that can" in said


@pytest.mark.parametrize("name", ["labels.json", "sarm_progress.parquet"])
def test_a_file_of_somebody_else_is_not_replaced(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("[1, 2]")
    assert main(arguments(place, tmp_path)) == 2
    assert f"{name} is in the way and was not written by label; move it away" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "[1, 2]"


@pytest.mark.parametrize("again", [(), ("--overwrite",), ("--resume",)])
def test_labels_never_take_the_place_of_a_recording_or_of_another_folder(
    again: tuple[str, ...], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("bag0", "bag1"):
        (tmp_path / folder).mkdir()
    os.link(place / "bag0.mcap", tmp_path / "bag0" / "bag0.mcap")
    (tmp_path / "bag1" / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    options = ["--task", TASK, "--robot", str(place / "robot.yaml"), "--out", str(tmp_path), *again]
    # The folder of a ROS 2 bag is the bag, and so is the file in it.
    for bag in (tmp_path / "bag0", tmp_path / "bag0" / "bag0.mcap"):
        assert main(["label", str(bag), *options]) == 2
        assert "where recordings lie: choose another --out" in capsys.readouterr().err
    assert main(["label", str(tmp_path / "bag0"), *options, "--out", str(tmp_path / "bag0" / "labels")]) == 2
    assert "where recordings lie: choose another --out" in capsys.readouterr().err
    assert main(["label", str(place / "bag1.mcap"), *options]) == 2
    assert "is no result of label: choose another --out" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_done(workers: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = run(arguments(place, out, "--workers", workers))
    deadline = time.monotonic() + 60
    while process.poll() is None and not list(out.glob(".work-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    # As a terminal does: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert not list(out.glob(".work-*"))


def test_ctrl_c_while_a_string_is_executed_ends_with_130_too(tmp_path: Path) -> None:
    """As while a data class is being made; CPython then wants to end "python -m" by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "import sys\n"
        "from spatialvlm_ros import cli\n"
        "cli._ask = lambda options: exec('raise KeyboardInterrupt')\n"
        "sys.exit(cli.main(['ask', '--frame', 'a', 'where is it?']))\n"
    )
    assert subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False).returncode == 130


def test_two_runs_do_not_fill_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialvlm_ros.recording.label_folder._LOCK_WAIT_S", 0.3)
    first, second = WorkFolder(tmp_path, "bag"), WorkFolder(tmp_path, "bag")
    with first.locked(), pytest.raises(RuntimeError, match="another process is labelling into"), second.locked():
        pass
    with second.locked():
        assert (tmp_path / ".lock-bag").exists()
    assert os.listdir(tmp_path) == []


def test_bags_of_one_name_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c").mkdir()
    bags = [tmp_path / "a" / "run.mcap", tmp_path / "b" / "run.bag", tmp_path / "c"]
    assert bag_names(bags) == ["run", "run-2", "c"]
    monkeypatch.chdir(tmp_path / "c")
    assert bag_names([Path("."), Path("..")]) == ["c", tmp_path.name], "labels of '..' must not go to OUT/.."
    with pytest.raises(LabelError, match="cannot be told apart"):
        bag_names([Path("run.mcap"), Path("x/run.mcap"), Path("run-2.mcap")])
    assert bag_names([Path("lerobot.mcap"), Path("a.mcap")]) == ["lerobot-2", "a"], "the joined data set lies in OUT/lerobot"


def test_options_that_contradict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no bag was given"):
        RunOptions((), tmp_path, LabelOptions(TASK))
    with pytest.raises(LabelError, match="--resume keeps"):
        RunOptions((tmp_path,), tmp_path, LabelOptions(TASK), resume=True, overwrite=True)
