"""RGB-D frames out of bags: equal pixels from either ROS, and what is missing is said."""

from __future__ import annotations

import array
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from label_bags import stamp, static_item, tf_item, tool_at, write_mcap
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String

from spatialvlm_ros.geometry.transform_buffer import TransformError
from spatialvlm_ros.recording.ask import AskError, AskOptions, ask
from spatialvlm_ros.recording.bag_reader import BagError, BagReader
from spatialvlm_ros.recording.bag_transforms import BagTransforms
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.recording.rgbd_bag import find_topics, read_bag_frames
from spatialvlm_ros.recording.synthesis_sources import BagSource
from spatialvlm_ros.scene.frame import depth_to_metres
from spatialvlm_ros.synthesis.record import Picture

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ROS2, ROS1 = DATA / "bags" / "apc_real_frames_ros2", DATA / "bags" / "apc_real_frames_ros1.bag"
MS = 1_000_000


def there(path: Path) -> Path:
    assert path.exists(), f"{path} is missing: the real recordings belong next to the repository"
    return path


def header(stamp_ns: int, frame_id: str = "camera") -> Header:
    return Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id=frame_id)


def image(stamp_ns: int, pixels: np.ndarray, encoding: str) -> Image:
    message = Image(header=header(stamp_ns), height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.strides[0]
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    return message


def info(stamp_ns: int, fx: float = 50.0) -> CameraInfo:
    message = CameraInfo(header=header(stamp_ns), width=8, height=6, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = np.array([fx, 0, 3.5, 0, fx, 2.5, 0, 0, 1.0])
    return message


COLOR, DEPTH, INFO = "/cam/color/image_raw", "/cam/aligned/image_raw", "/cam/aligned/camera_info"


def write(path: Path, rows: list[tuple[str, int, object]]) -> Path:
    """A bag of (topic, stamp, message) in this order of arrival."""
    kinds = {Image: "sensor_msgs/msg/Image", CameraInfo: "sensor_msgs/msg/CameraInfo", String: "std_msgs/msg/String"}
    with BagWriter(path) as bag:
        for index, (topic, _, message) in enumerate(rows):
            bag.add_topic(topic, kinds[type(message)])
            bag.write(topic, 10**9 + index, serialize_message(message))
    return path


def exposure(stamp_ns: int, value: int, delay_ns: int = 0) -> dict[str, tuple[str, int, object]]:
    color = np.full((6, 8, 3), value, np.uint8)
    depth = np.full((6, 8), 100 * value, np.uint16)
    return {
        "color": (COLOR, stamp_ns, image(stamp_ns, color, "rgb8")),
        "depth": (DEPTH, stamp_ns, image(stamp_ns + delay_ns, depth, "16UC1")),
        "info": (INFO, stamp_ns, info(stamp_ns)),
    }


@pytest.mark.parametrize("order", [("color", "depth", "info"), ("info", "color", "depth"), ("depth", "info", "color")])
def test_every_exposure_is_read_in_whatever_order_it_was_written(order: tuple[str, ...], tmp_path: Path) -> None:
    rows = [exposure(index * 100 * MS, index + 1)[kind] for index in range(4) for kind in order]
    frames = list(read_bag_frames(write(tmp_path / "bag.mcap", rows)))
    assert [index for index, _ in frames] == [0, 1, 2, 3]
    for index, frame in frames:
        assert frame.stamp_ns == index * 100 * MS and frame.frame_id == "camera"
        assert np.all(frame.color == index + 1) and np.allclose(frame.depth_m, 0.1 * (index + 1))
        assert frame.camera.fx == 50.0


def test_images_without_a_partner_are_left_out(tmp_path: Path) -> None:
    first, second, third = (exposure(index * 100 * MS, index + 1, delay) for index, delay in enumerate((0, 40 * MS, 5 * MS)))
    rows = [row for one in (first, second, third) for row in one.values()]
    assert [frame.color[0, 0, 0] for _, frame in read_bag_frames(write(tmp_path / "bag.mcap", rows))] == [1, 3]


def test_the_info_that_belongs_to_depth_is_taken(tmp_path: Path) -> None:
    rows = list(exposure(0, 1).values())
    rows.insert(0, ("/cam/color/camera_info", 0, info(0, fx=77.0)))
    path = write(tmp_path / "bag.mcap", rows)
    with BagReader(path) as reader:
        assert find_topics(reader).info == INFO
    assert [frame.camera.fx for _, frame in read_bag_frames(path)] == [50.0]


def test_of_two_cameras_the_topics_that_belong_together_are_taken(tmp_path: Path) -> None:
    """By their names alone the first colour topic would be another camera's, the second one a picture that was drawn."""
    rows = list(exposure(0, 1).values())
    other = image(0, np.zeros((12, 16, 3), np.uint8), "rgb8")
    drawn = image(0, np.zeros((6, 8, 3), np.uint8), "rgb8")
    rows = [("/a_wrist/color/image_raw", 0, other), ("/b/debug_image", 0, drawn), *rows]
    (found,) = read_bag_frames(write(tmp_path / "bag.mcap", rows))
    assert np.all(found[1].color == 1)


@pytest.mark.parametrize(("kind", "word"), [("color", "no colour"), ("depth", "no depth"), ("info", "no camera_info")])
def test_what_is_missing_is_named_with_what_there_is(kind: str, word: str, tmp_path: Path) -> None:
    rows = [row for name, row in exposure(0, 1).items() if name != kind]
    with pytest.raises(BagError, match=word) as caught:
        list(read_bag_frames(write(tmp_path / "bag.mcap", rows)))
    assert all(row[0] in str(caught.value) for row in rows) and "bag.mcap" in str(caught.value)


def test_a_bag_of_other_things_misses_all_three(tmp_path: Path) -> None:
    path = write(tmp_path / "bag.mcap", [("/chatter", 0, String(data="hello"))])
    with pytest.raises(BagError, match="no colour and no depth and no camera_info") as caught:
        list(read_bag_frames(path))
    assert "/chatter (std_msgs/msg/String)" in str(caught.value)


def test_images_that_do_not_fit_together_cost_themselves_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = [list(exposure(100 * index, index + 1).values()) for index in range(3)]
    rows[1][1] = (DEPTH, 100, image(100, np.ones((3, 4), np.uint16), "16UC1"))
    lost: dict[int, str] = {}
    path = write(tmp_path / "bag.mcap", [row for one in rows for row in one])
    assert [index for index, _ in read_bag_frames(path, bad_frame=lost.__setitem__)] == [0, 2]
    assert list(lost) == [1] and "aligned to colour" in lost[1]


def test_images_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    rows = exposure(0, 1)
    rows["depth"] = (DEPTH, 0, image(0, np.ones((3, 4), np.uint16), "16UC1"))
    with pytest.raises(ValueError, match="aligned to colour"):
        list(read_bag_frames(write(tmp_path / "bag.mcap", list(rows.values()))))


def test_real_frames_are_equal_out_of_both_kinds_of_bag() -> None:
    two, one = list(read_bag_frames(there(ROS2))), list(read_bag_frames(there(ROS1)))
    assert len(two) == len(one) == 5
    for (i, a), (j, b) in zip(two, one, strict=True):
        assert i == j and a.stamp_ns == b.stamp_ns and a.camera == b.camera and a.frame_id == b.frame_id
        assert np.array_equal(a.color, b.color) and np.array_equal(a.depth_m, b.depth_m, equal_nan=True)


def test_real_frames_are_the_pictures_that_the_bag_was_built_from() -> None:
    import cv2

    frames = [frame for _, frame in read_bag_frames(there(ROS2))]
    for name, frame in (("000000", frames[0]), ("000012", frames[-1])):
        bgr = cv2.imread(str(there(DATA / "apc_shelf" / f"frame-{name}.color.png")))
        assert np.array_equal(frame.color, bgr[..., ::-1])
        raw = cv2.imread(str(DATA / "apc_shelf" / f"frame-{name}.depth.png"), cv2.IMREAD_UNCHANGED)
        turned = depth_to_metres((raw >> 3) | (raw << 13), 0.0001)
        both = np.isfinite(turned) & frame.valid & (turned < 2)
        # The bag's depth was aligned to colour; the sensor's own pixels lie a few beside.
        assert both.mean() > 0.2 and abs(np.median(frame.depth_m[both]) - np.median(turned[both])) < 0.05
        assert 0.2 < np.nanmedian(frame.depth_m) < 2


@pytest.mark.parametrize(
    ("bag", "missing", "has"),
    [
        ("jsk_watercan.bag", "no colour and no depth", "PointCloud2"),
        ("ubiquity_aruco_images.bag", "no depth", "CameraInfo"),
    ],
)
def test_real_bags_without_rgbd_say_what_is_missing(bag: str, missing: str, has: str) -> None:
    with pytest.raises(BagError, match=missing) as caught:
        list(read_bag_frames(there(DATA / "bags" / bag)))
    assert has in str(caught.value)


def test_a_message_that_cannot_be_decoded_costs_its_own_image(tmp_path: Path) -> None:
    rows = [row for index in range(3) for row in exposure(100 * MS * index, index + 1).values()]
    path = tmp_path / "bag.mcap"
    kinds = {COLOR: "sensor_msgs/msg/Image", DEPTH: "sensor_msgs/msg/Image", INFO: "sensor_msgs/msg/CameraInfo"}
    with BagWriter(path) as bag:
        for index, (topic, stamp_ns, message) in enumerate(rows):
            bag.add_topic(topic, kinds[topic])
            data = serialize_message(message)
            bag.write(topic, 10**9 + index, data[:30] if (topic, stamp_ns) == (COLOR, 100 * MS) else data)
    told: list[str] = []
    assert [frame.stamp_ns for _, frame in read_bag_frames(path, tell=told.append)] == [0, 200 * MS]
    assert len(told) == 1 and f"messages of {COLOR} cannot be decoded" in told[0]
    source = BagSource(path)
    assert len(source) == 2 and source.ignored == {f"message of {COLOR} that cannot be decoded": 1}
    assert [item.stamp_ns for item in source.items(0, 2) if isinstance(item, Picture)] == [0, 200 * MS]


def test_images_that_cannot_be_used_are_passed_over_by_a_question(tmp_path: Path) -> None:
    rows = [list(exposure(1000 * MS * index, index + 1).values()) for index in range(2)]
    rows[0][1] = (DEPTH, 0, image(0, np.ones((3, 4), np.uint16), "16UC1"))
    path = write(tmp_path / "bag.mcap", [row for one in rows for row in one])
    reply = ask(AskOptions("What is the tallest object?", bag=path))
    assert (
        reply.frame.stamp_ns == 1000 * MS
        and "1 of its images cannot be used: colour is 8 x 6 but depth is 4 x 3" in reply.notes[0]
    )
    path = write(tmp_path / "none.mcap", rows[0])
    with pytest.raises(AskError, match="none of its 1 images can be used: colour is 8 x 6"):
        ask(AskOptions("What is the tallest object?", bag=path))


def test_tf_that_paused_does_not_say_where_the_gripper_was(tmp_path: Path) -> None:
    rows = [static_item(), *(tf_item(index) for index in (0, 5, 6, 10, 40))]
    transforms = BagTransforms(write_mcap(tmp_path / "tf.mcap", rows))
    transforms.begin(stamp(5.7))
    assert transforms.lookup("base_link", "tool0").translation[2] == pytest.approx(tool_at(5.7).translation[2])
    transforms.begin(stamp(7))
    with pytest.raises(TransformError, match=r"lies in a gap of 0\.40 s, in which it moved by 6\.0 cm"):
        transforms.lookup("base_link", "tool0")
    transforms.begin(stamp(20))
    with pytest.raises(TransformError, match=r"'base_link' -> 'tool0' at .* lies in a gap of 3\.0 s"):
        transforms.lookup("base_link", "tool0")
