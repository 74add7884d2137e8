"""One bag through the live code: the same rows of every kind of bag, episodes, and nothing lost without a word."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from label_bags import (
    BASE_FROM_CAMERA,
    COLOR,
    DEPTH,
    FRAME,
    INFO,
    TASK,
    Item,
    episode,
    images,
    robot_file,
    stamp,
    static_item,
    tf_item,
    write_db3,
    write_mcap,
    write_ros1,
)
from sensor_msgs.msg import Imu
from std_msgs.msg import Bool, Empty

from spatialvlm_ros.nodes.conversions import header
from spatialvlm_ros.recording.bag_reader import BagError
from spatialvlm_ros.recording.label import BagLabeller, LabelError, LabelOptions, load_task_of
from spatialvlm_ros.recording.label_rows import LabelledFrame, reward_row
from spatialvlm_ros.reward.annotator import RewardStatus
from spatialvlm_ros.reward.task import TaskError
from spatialvlm_ros.reward.task_file import TaskFileError
from spatialvlm_ros.scene.facts import Status


def label(path: Path, task: str = TASK, **options: object) -> tuple[list[LabelledFrame], BagLabeller]:
    """Everything that a bag gives; the robot's file lies beside it."""
    options.setdefault("robot", robot_file(path.parent))
    chosen = LabelOptions(task, **options)
    with BagLabeller(path, chosen, load_task_of(chosen)) as labeller:
        return list(labeller.frames()), labeller


def stamps(frames: Sequence[LabelledFrame]) -> list[int]:
    return [frame.sample.stamp_ns for frame in frames]


def episodes(frames: Sequence[LabelledFrame]) -> list[tuple[int, int]]:
    return [(frame.episode_index, frame.frame_index) for frame in frames]


KINDS: dict[str, Callable[[Path], Path]] = {
    "zstd": lambda folder: write_mcap(folder / "z.mcap", episode(5), compress=True),
    "db3": lambda folder: write_db3(folder / "sql", episode(5)),
    "ros1": lambda folder: write_ros1(folder / "one.bag", episode(5)),
    "ros1_lz4": lambda folder: write_ros1(folder / "one.bag", episode(5), "lz4"),
    "compressed_images": lambda folder: write_mcap(folder / "c.mcap", episode(5, compressed=True)),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledFrame]:
    """The labels of an uncompressed MCAP file."""
    frames, labeller = label(write_mcap(tmp_path_factory.mktemp("plain") / "bag.mcap", episode(5)))
    assert labeller.losses() == [] and labeller.counts.measured == labeller.counts.color_images == 5
    return frames


def test_the_reward_follows_the_gripper(plain: list[LabelledFrame]) -> None:
    rows = [reward_row(frame) for frame in plain]
    assert [row["stamp_ns"] for row in rows] == [stamp(index) for index in range(5)]
    assert [row["status"] for row in rows] == ["OK"] * 5 and [row["cause"] for row in rows] == [""] * 5
    # 15 mm an image, towards the centre of the block.
    steps = np.diff([row["distance_m"] for row in rows])
    assert np.allclose(steps, -0.015, atol=0.003)
    assert np.all(np.diff([row["potential"] for row in rows])[2:] > 0)
    assert rows[0]["value"] == rows[0]["distance_m"] and rows[0]["value_unit"] == "m" and rows[0]["reward"] == 0.0
    assert rows[3]["time_s"] == pytest.approx(0.3) and rows[3]["frame_index"] == 3 and rows[3]["stage"] == "reach"
    discounted = sum(row["reward"] * 0.99 ** (index - 1) for index, row in enumerate(rows) if index)
    assert discounted == pytest.approx(0.99**4 * rows[-1]["potential"] - rows[0]["potential"], abs=1e-9)
    assert all(frame.frame_id == "base_link" for frame in plain)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_bag_gives_the_same_labels(kind: str, plain: list[LabelledFrame], tmp_path: Path) -> None:
    frames, labeller = label(KINDS[kind](tmp_path))
    assert labeller.losses() == []
    assert [repr(frame.sample) for frame in frames] == [repr(frame.sample) for frame in plain]
    assert [repr(frame.facts) for frame in frames] == [repr(frame.facts) for frame in plain]


# -- losses


@pytest.mark.parametrize("by", ["robot file", "option", "nobody"])
def test_a_model_that_cannot_be_had_is_a_loss_whoever_named_it(by: str, tmp_path: Path) -> None:
    robot = tmp_path / "named.yaml"
    robot.write_text(robot_file(tmp_path).read_text() + ("    vlm: /no/such/model\n" if by == "robot file" else ""))
    named = {"vlm": "/no/such/model"} if by == "option" else {}
    _, labeller = label(write_mcap(tmp_path / "bag.mcap", episode(2)), robot=robot, **named)
    told = [text for text in labeller.losses() if "names were found by words alone" in text]
    assert (len(told) == 1 and "no such folder" in told[0]) if by != "nobody" else told == []


def test_an_image_waits_for_its_transform_and_one_that_never_comes_is_named(tmp_path: Path) -> None:
    late = [tf_item(index, 700_000_000) for index in range(-1, 4)]
    items = [static_item(), *late, *(item for index in range(6) for item in images(index))]
    patient = tmp_path / "patient.yaml"
    patient.write_text(robot_file(tmp_path).read_text() + "    tf_timeout_s: 1.0\n")
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", sorted(items, key=lambda item: item.log_ns)), robot=patient)
    assert [frame.sample.status for frame in frames] == [RewardStatus.OK] * 4 + [RewardStatus.HELD] * 2
    assert labeller.counts.unmeasured == {"distance(gripper, red block): NO_TRANSFORM": 2}
    assert reward_row(frames[-1])["cause"] == "distance(gripper, red block): NO_TRANSFORM"
    assert "newer than the newest" in frames[-1].facts[0].text and math.isnan(frames[-1].sample.distance)


def test_an_image_in_a_gap_of_tf_waits_no_longer_than_a_live_node(tmp_path: Path) -> None:
    """Between 0.0 s and 0.5 s no transform came, and the tool moved: nobody knows where it was."""
    items = [item for item in episode(7, late_ns=5_000_000) if item.topic != "/tf" or not stamp(1) <= item.log_ns < stamp(5)]
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", items))
    missed = [row.facts[0].status is Status.NO_TRANSFORM for row in frames]
    assert missed == [False, True, True, True, True, False, False]
    assert "in which it moved by 7.5 cm" in frames[4].facts[0].text
    assert labeller.counts.unmeasured == {"distance(gripper, red block): NO_TRANSFORM": 4}
    assert labeller.losses() == ["2 x image for which tf came later than tf_timeout_s of --robot (0.1 s), or never"]


def test_the_first_image_of_a_second_round_has_the_transforms_of_its_time(plain: list[LabelledFrame], tmp_path: Path) -> None:
    """As `ros2 bag play --loop`: transforms of the new time come before its first image, and none of its very stamp."""
    second = [tf_item(index) for index in (-0.7, -0.2, 0.3, 0.8, 1.3)] + [item for index in (0, 1) for item in images(index)]
    second = [Item(i.topic, i.log_ns + 20 * 10**9, i.message) for i in sorted(second, key=lambda item: item.log_ns)]
    frames, _ = label(write_mcap(tmp_path / "bag.mcap", [*episode(5, start=100), *second]))
    assert [frame.facts[0].status for frame in frames[5:]] == [Status.OK] * 2
    assert frames[5].facts[0].value == pytest.approx(plain[0].facts[0].value, abs=1e-6)


def test_static_transforms_that_were_recorded_late_serve_from_the_start(plain: list[LabelledFrame], tmp_path: Path) -> None:
    items = [item for item in episode(5) if item.topic != "/tf_static"]
    frames, _ = label(write_mcap(tmp_path / "bag.mcap", [*items, static_item(items[-1].log_ns + 1)]))
    assert [frame.sample for frame in frames] == [frame.sample for frame in plain]


def test_images_without_a_partner_are_counted_with_their_stamps(tmp_path: Path) -> None:
    gone = [stamp(index) + 9_000_000 for index in (0, 3, 5)]
    items = [item for item in episode(6) if item.topic != DEPTH or item.log_ns not in gone]
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", items))
    assert stamps(frames) == [stamp(1), stamp(2), stamp(4)] and labeller.counts.color_images == 6
    ((cause, counted),) = labeller.document()["losses"]["images"].items()
    assert "without depth within 0.02 s" in cause
    assert counted == {"count": 3, "first_stamps_ns": [stamp(0), stamp(3), stamp(5)]}


def test_images_that_cannot_be_decoded_are_counted_by_cause(tmp_path: Path) -> None:
    items = episode(5)
    by_topic = [item for item in items if item.topic == COLOR]
    by_topic[2].message.encoding = "nv21"
    by_topic[3].message.step = 1
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", items))
    assert stamps(frames) == [stamp(0), stamp(1), stamp(4)]
    text = "\n".join(labeller.losses())
    assert "1 x image refused: image encoding 'nv21' is not understood" in text and "has step 1" in text


def test_a_message_that_cannot_be_deserialized_costs_itself_alone(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", episode(5))
    data = bytearray(path.read_bytes())
    # The length of the frame's name in the header of the third picture.
    begins = struct.pack("<iI", stamp(2) // 10**9, stamp(2) % 10**9)
    place = data.index(begins + struct.pack("<I", 15) + b"camera_optical") + len(begins)
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    frames, labeller = label(path)
    assert stamps(frames) == [stamp(0), stamp(1), stamp(3), stamp(4)]
    assert labeller.losses() == [f"1 x message of {COLOR} cannot be decoded"]


# -- stamps


def test_zero_stamps_are_named_with_the_way_out(tmp_path: Path) -> None:
    items = [*episode(0), *(item for index in range(4) for item in images(index, stamp_ns=0))]
    path = write_mcap(tmp_path / "bag.mcap", items)
    with pytest.raises(LabelError, match=rf"stamps of {COLOR} are zero \(4 images\).*--stamps recorded"):
        label(path)
    frames, labeller = label(path, between(tmp_path), stamps="recorded")
    assert stamps(frames) == [stamp(index) + 8_000_000 for index in range(4)] and labeller.losses() == []


def between(folder: Path) -> str:
    """A task that needs no gripper."""
    path = folder / "between.yaml"
    path.write_text(
        "task: together\nstages:\n- name: near\n  goal:\n"
        "  - {relation: gap, subject: red block, object: blue block, at_most: 5 cm}\n"
    )
    return str(path)


def test_some_zero_stamps_cost_those_images(tmp_path: Path) -> None:
    items = episode(4)
    for item in items:
        if item.topic in (COLOR, DEPTH) and stamp(2) < item.log_ns < stamp(3):
            item.message.header.stamp.sec = item.message.header.stamp.nanosec = 0
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", items))
    assert stamps(frames) == [stamp(0), stamp(1), stamp(3)]
    assert labeller.losses() == ["1 x image whose header stamp is zero"]


def test_stamps_that_jump_back_begin_an_episode_and_are_named(plain: list[LabelledFrame], tmp_path: Path) -> None:
    """A bag that was played and recorded twice: the second time is labelled as the first."""
    second = [Item(item.topic, item.log_ns + 20 * 10**9, item.message) for item in episode(5)]
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", [*episode(5, start=10), *second]))
    assert episodes(frames) == [(0, i) for i in range(5)] + [(1, i) for i in range(5)]
    assert [frame.sample for frame in frames[5:]] == [frame.sample for frame in plain]
    assert any("stamps jumped back from 1700000001.400 s to 1700000000.000 s" in text for text in labeller.losses())
    assert labeller.document()["stamp_jumps"] == [{"from_ns": stamp(14), "to_ns": stamp(0)}]
    assert labeller.document()["seconds"] == pytest.approx((stamp(14) - stamp(10) + stamp(4) - stamp(0)) * 1e-9)


def test_a_step_back_is_a_new_episode_of_the_annotator_and_named(tmp_path: Path) -> None:
    items = [item for item in episode(5) if item.topic not in (COLOR, DEPTH)]
    for place, index in enumerate((0, 2, 1, 3)):
        for item in images(index)[:2]:
            items.append(Item(item.topic, stamp(5) + place * 10_000_000, item.message))
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", sorted(items, key=lambda item: item.log_ns)))
    assert episodes(frames) == [(0, 0), (0, 1), (1, 0), (1, 1)] and frames[2].sample.reward == 0.0
    assert labeller.losses() == ["1 x stamp before that of the image before it"]


# -- episodes


def test_a_pause_begins_an_episode_when_asked(plain: list[LabelledFrame], tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", [*episode(5), *episode(3, start=40)])
    assert {frame.episode_index for frame in label(path)[0]} == {0}
    frames, labeller = label(path, episode_gap_s=1.0)
    assert episodes(frames) == [(0, i) for i in range(5)] + [(1, i) for i in range(3)]
    assert [e["begins"] for e in labeller.episodes] == ["first image", "gap"] and frames[5].sample.reward == 0.0
    assert [frame.sample for frame in frames[:5]] == [frame.sample for frame in plain]


def test_marks_begin_and_end_episodes(tmp_path: Path) -> None:
    begin = [Item("/begin", stamp(2.5), Empty())]
    path = write_mcap(tmp_path / "empty.mcap", sorted([*episode(5), *begin], key=lambda item: item.log_ns))
    frames, labeller = label(path, episode_topic="/begin")
    assert episodes(frames) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] and labeller.losses() == []
    marks = [Item("/on", stamp(at), Bool(data=on)) for at, on in ((0.5, True), (2.5, False), (3.5, True))]
    path = write_mcap(tmp_path / "bool.mcap", sorted([*episode(5), *marks], key=lambda item: item.log_ns))
    frames, labeller = label(path, episode_topic="/on")
    assert stamps(frames) == [stamp(0), stamp(1), stamp(2), stamp(4)]
    assert episodes(frames) == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert labeller.losses() == ["1 x image outside of the marked episodes"]
    with pytest.raises(LabelError, match=rf"no topic /none for --episode-topic; it holds .*{INFO}"):
        label(path, episode_topic="/none")


# -- input that cannot be used


def test_a_task_about_the_gripper_needs_to_know_where_it_is(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", episode(2))
    with pytest.raises(LabelError, match=r"'reach\(red block\)' is about 'gripper', but no --robot file was given: .*tool_f"):
        label(path, robot=None)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mcap does not exist"):
        label(tmp_path / "nowhere.mcap", robot=None)
    other = tmp_path / "other.yaml"
    other.write_text("/**/spatial_node:\n  ros__parameters:\n    gravity_frame: base_link\n")
    with pytest.raises(LabelError, match=r"other.yaml sets no tool_frame"):
        label(path, robot=other)
    bare = write_mcap(tmp_path / "bare.mcap", [item for item in episode(2) if not item.topic.startswith("/tf")])
    with pytest.raises(BagError, match=r"bare.mcap has no tf .*tool_frame is 'tool0'.*record /tf and /tf_static"):
        label(bare)
    half = write_mcap(tmp_path / "half.mcap", [item for item in episode(2) if item.topic != "/tf"])
    with pytest.raises(BagError, match=r"tf has no frame 'tool0'.*it has base_link, camera_optical.*Does --robot fit"):
        label(half)


def test_an_imu_says_which_way_is_up_where_tf_is_not_asked(tmp_path: Path) -> None:
    """The camera's own accelerometer, in the camera's frame, at 100 Hz."""
    robot = tmp_path / "imu.yaml"
    robot.write_text("/**/spatial_node:\n  ros__parameters:\n    imu_topic: camera/imu\n    tool_frame: tool0\n")
    up = BASE_FROM_CAMERA.rotation[2]
    samples = []
    for index in range(-20, 50):
        message = Imu(header=header(stamp(index / 10), FRAME))
        message.linear_acceleration.x, message.linear_acceleration.y, message.linear_acceleration.z = (9.81 * up).tolist()
        samples.append(Item("/camera/imu", stamp(index / 10), message))
    task = tmp_path / "lift.yaml"
    task.write_text("task: lift\nstages:\n- {name: a, goal: [{relation: elevation, subject: red block, at_least: 5 cm}]}\n")
    items = sorted([*episode(4), *samples], key=lambda item: item.log_ns)
    frames, _ = label(write_mcap(tmp_path / "bag.mcap", items), str(task), robot=robot)
    assert [frame.sample.status for frame in frames] == [RewardStatus.OK] * 4
    assert frames[0].sample.distance == pytest.approx(0.0, abs=0.01)
    silent = write_mcap(tmp_path / "silent.mcap", [*samples[:3], *episode(4)])
    with pytest.raises(LabelError, match=r"elevation\(red block\): NOT_CANONICAL on 4"):
        label(silent, str(task), robot=robot)
    with pytest.raises(LabelError, match=r"no topic /camera/imu for imu_topic of --robot; it holds "):
        label(write_mcap(tmp_path / "none.mcap", episode(4)), str(task), robot=robot)


def test_an_object_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", episode(3))
    with pytest.raises(LabelError) as caught:
        label(path, "reach(purple ball)")
    for text in ("'purple ball'", "NOT_FOUND", "none of 3 images", "red block", "blue block"):
        assert text in str(caught.value), caught.value


def test_an_object_that_only_a_later_stage_needs_is_a_loss(tmp_path: Path) -> None:
    frames, labeller = label(write_mcap(tmp_path / "bag.mcap", episode(3)), "pick_and_place(red block, purple ball)")
    # Where the episode begins is not known without it: two images wait for it, then what does not need it goes on.
    assert len(frames) == 3 and labeller.counts.measured == 1
    assert len(labeller.losses()) == 1 and "shows 'purple ball' (NOT_FOUND" in labeller.losses()[0]


@pytest.mark.parametrize(
    ("task", "error", "texts"),
    [
        ("dance(red block)", TaskFileError, ("no such task", "reach")),
        ("reach", TaskError, ("reach(subject)",)),
        ("sing me a song", ValueError, ("sing me a song",)),
        ("task: t\nstages:\n- {name: a, goal: [{relation: gap, subject: a, object: b, at_most: 3 inch}]}\n", TaskFileError,
         ("at_most", "'3 inch'", "m, cm, mm")),
        ("task: t\nstages:\n- {name: a, goal: [{relation: gap, subject: a, object: b, at_most: 3}]}\n", TaskFileError,
         ("at_most", "unit is missing", "'3 m'")),
    ],
)  # fmt: skip
def test_a_task_that_cannot_be_used_is_named(task: str, error: type[Exception], texts: Sequence[str], tmp_path: Path) -> None:
    if "\n" in task:
        (tmp_path / "task.yaml").write_text(task)
        task = str(tmp_path / "task.yaml")
    with pytest.raises(error) as caught:
        load_task_of(LabelOptions(task))
    assert all(text in str(caught.value) for text in texts), caught.value


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"gamma": 1.5}, ("--gamma", "1.5")),
        ({"slop_s": math.nan}, ("--slop", "nan")),
        ({"stamps": "arrival"}, ("'arrival'", "recorded")),
        ({"depth_noise": "sonar"}, ("'sonar'", "stereo")),
        ({"episode_gap_s": -1.0}, ("--episode-gap-s", "-1.0")),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, object], texts: Sequence[str]) -> None:
    with pytest.raises(LabelError) as caught:
        LabelOptions(TASK, **options)
    assert all(text in str(caught.value) for text in texts)
