"""Which topics the labeller reads, why, and what it says when the camera is not all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_bags import CAMERA, COLOR, DEPTH, FRAME, INFO, Item, episode, images, picture, robot_file, stamp, write_mcap
from std_msgs.msg import String

from spatialvlm_ros.cli import main
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.nodes.conversions import array_to_image, camera_to_info
from spatialvlm_ros.recording.bag_reader import BagError
from spatialvlm_ros.recording.label_frames import FrameOptions, FrameStream
from spatialvlm_ros.recording.label_salvage import open_bag
from spatialvlm_ros.recording.label_topics import CameraTopics, Wanted, candidates, choose
from spatialvlm_ros.recording.rgbd_bag import read_bag_frames
from spatialvlm_ros.recording.robot_file import RobotFile
from spatialvlm_ros.recording.synthesis_sources import BagSource
from spatialvlm_ros.synthesis.record import Picture

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bags"


def found(path: Path, **wanted: str) -> CameraTopics:
    reader, _ = open_bag(path)
    with reader:
        return choose(path, candidates(reader), Wanted(**wanted))


def image(topic: str, pixels: np.ndarray, encoding: str, frame_id: str = FRAME) -> Item:
    return Item(topic, stamp(0), array_to_image(pixels, encoding, stamp(0), frame_id))


def named(items: list[Item], topic: str, **fields: Any) -> list[Item]:
    """The items with fields of one topic's messages changed."""
    for item in items:
        if item.topic == topic:
            for name, value in fields.items():
                setattr(item.message, name, value)
    return items


def test_the_aligned_pair_is_chosen_among_many_and_the_reason_is_given(tmp_path: Path) -> None:
    color, depth = picture(0)
    small = np.ascontiguousarray(depth[::2, ::2])
    others = [
        image("/a/debug_image", color, "rgb8"),
        image("/camera/depth/image_rect_raw", small, "16UC1", "camera_depth_optical"),
        image("/z/segmentation", depth, "16UC1"),
        image("/camera/infra1/image_rect_raw", np.ascontiguousarray(color[..., 0]), "mono8", "camera_infra"),
        Item("/camera/depth/camera_info", stamp(0), camera_to_info(CameraModel(160, 120, 150, 150, 79, 59), stamp(0), "d")),
        Item("/camera/color/camera_info", stamp(0), camera_to_info(CAMERA, stamp(0), FRAME)),
        *images(0, compressed=True)[:2],
    ]
    chosen = found(write_mcap(tmp_path / "bag.mcap", [*others, *images(0), *images(1)]))
    assert (chosen.color.topic, chosen.depth.topic, chosen.info.topic) == (COLOR, DEPTH, INFO)
    text = "\n".join(chosen.reasons)
    assert "rgb8 320 x 240" in text and "2 messages" in text and f"same size and frame as {DEPTH}" in text
    assert "/a/debug_image (its name says that it was not taken by a camera)" in text
    assert "/camera/depth/image_rect_raw (160 x 120 pixels)" in text and f"{COLOR}/compressed (compressed)" in text


def test_topics_that_the_user_names_are_taken(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", [*images(0), image("/b/image", picture(0)[0], "rgb8")])
    assert found(path, color="/b/image").color.topic == "/b/image"
    with pytest.raises(BagError, match=r"no topic /nowhere.*topics of that kind: .*/b/image"):
        found(path, color="/nowhere")
    with pytest.raises(BagError, match="cannot serve as depth"):
        found(path, depth=COLOR)


def test_real_bags_of_both_kinds_are_understood() -> None:
    for name in ("apc_real_frames_ros1.bag", "apc_real_frames_ros2"):
        chosen = found(DATA / name)
        assert chosen.color.size == chosen.depth.size == chosen.info.size and chosen.color.count == 5


@pytest.mark.parametrize(
    ("items", "texts"),
    [
        ([i for i in images(0) if i.topic != DEPTH], ("no depth topic", "align_depth.enable:=true", COLOR)),
        ([i for i in images(0) if i.topic != COLOR], ("no colour topic", "rgb8", DEPTH)),
        ([i for i in images(0) if i.topic != INFO], ("no camera_info topic", "record the camera_info")),
        ([Item("/chatter", stamp(0), String(data="hi"))], ("no colour and no depth and no camera_info", "no images")),
        (images(0, scale=2), ("320 x 240", "160 x 120", "aligned to colour", "align_depth.enable:=true")),
        (named(images(0), COLOR, encoding="nv21"), ("no colour", "'nv21'", "rgb8")),
        (named(images(0), DEPTH, encoding="64FC1"), ("no depth", "'64FC1'", "16UC1")),
        (named(images(0), INFO, width=99), ("camera_info", "99 x 240", "320 x 240")),
    ],
    ids=["no_depth", "no_color", "no_info", "nothing", "not_aligned", "color_encoding", "depth_encoding", "info_size"],
)
def test_a_camera_that_is_not_all_there_is_named_with_the_cure(
    items: list[Item], texts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_mcap(tmp_path / "bag.mcap", items)
    arguments = ["label", str(path), "--task", "reach(red block)", "--robot", str(robot_file(tmp_path))]
    for extra in (["--dry-run"], ["--out", str(tmp_path / "out")]):
        assert main([*arguments, *extra]) == 2
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert all(text in said for text in texts), said
    assert not (tmp_path / "out" / "bag").exists()


def test_frames_that_differ_are_refused(tmp_path: Path) -> None:
    items = images(0)
    items[1].message.header.frame_id = "camera_depth_optical"
    with pytest.raises(BagError, match=r"'camera_optical'.*'camera_depth_optical'.*aligned"):
        found(write_mcap(tmp_path / "bag.mcap", items))


def test_a_dry_run_says_everything_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_mcap(tmp_path / "bag.mcap", episode(2))
    arguments = ["label", str(path), "--task", "reach(red block)", "--out", str(tmp_path / "out"), "--dry-run"]
    assert main([*arguments, "--robot", str(robot_file(tmp_path))]) == 0
    out = capsys.readouterr().out
    for text in (
        "measures distance(gripper, red block)", f"reads colour {COLOR}", f"reads depth {DEPTH}", f"reads camera_info {INFO}",
        "tf: /tf, /tf_static", "tf frame 'tool0' (tool_frame) is there", "can be labelled",
    ):  # fmt: skip
        assert text in out, out
    assert main(arguments) == 2
    out = capsys.readouterr().out
    assert "MISSING: task" in out and "tool_frame" in out and "cannot be labelled: 1 things" in out
    assert not (tmp_path / "out").exists()


def test_a_dry_run_names_frames_that_tf_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_mcap(tmp_path / "bag.mcap", [item for item in episode(2) if item.topic != "/tf"])
    arguments = ["label", str(path), "--task", "reach(red block)", "--robot", str(robot_file(tmp_path)), "--dry-run"]
    assert main(arguments) == 2
    out = capsys.readouterr().out
    assert "MISSING: tf frame 'tool0', which is tool_frame of --robot; tf has base_link, camera_optical" in out


def test_what_is_rectified_is_not_rectified_again(tmp_path: Path) -> None:
    """The camera_info beside rectified images still tells how the camera bends straight lines."""

    def rows(topic: str) -> list[Item]:
        items = named(images(0), INFO, d=[0.3, 0.1, 0.0, 0.0, 0.0], k=np.array([330.0, 0, 150, 0, 330, 110, 0, 0, 1]))
        return [Item(topic if item.topic == COLOR else item.topic, item.log_ns, item.message) for item in items]

    rectified = write_mcap(tmp_path / "rect.mcap", rows("/camera/color/image_rect_color"))
    (frame,) = [frame for _, frame in read_bag_frames(rectified)]
    assert frame.camera == CAMERA
    picture_of_bag = next(iter(BagSource(rectified).items(0, 1)))
    assert isinstance(picture_of_bag, Picture) and picture_of_bag.camera == CAMERA
    reader, _ = open_bag(rectified)
    with reader:
        stream = FrameStream(reader, found(rectified), RobotFile(None), FrameOptions())
        assert [shot.frame.camera for shot in stream.shots()] == [CAMERA]
    (frame,) = [frame for _, frame in read_bag_frames(write_mcap(tmp_path / "raw.mcap", rows(COLOR)))]
    assert frame.camera.fx == 330.0 and frame.camera.is_distorted
