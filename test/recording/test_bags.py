"""Bags: one file that anybody can read, never lost and never overwritten."""

import array
import os
import resource
from contextlib import suppress

import numpy as np
import pytest

os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from spatialvlm_msgs.msg import Reward, RewardTerm, Scene, SceneObject, SpatialFact, SpatialFactArray
from spatialvlm_ros.recording.bag_reader import BagError, BagReader
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.recording.definitions import DefinitionError, definition, dependencies, normal_type
from spatialvlm_ros.recording.label_salvage import open_bag

STAMP = Time(sec=12, nanosec=345)
STAMP_NS = 12_000_000_345


def episode_messages():
    image = Image(header=Header(stamp=STAMP, frame_id="camera"), height=2, width=3, encoding="rgb8", step=9)
    image.data = array.array("B", range(18))
    fact = SpatialFact(relation="distance", subject="gripper", object="red block", value=0.25, std=0.004, unit="m")
    facts = SpatialFactArray(header=Header(stamp=STAMP, frame_id="camera"), facts=[fact])
    reward = Reward(header=Header(stamp=STAMP), task="pick", potential=0.5, terms=[RewardTerm(name="reach/x", value=0.25)])
    scene = Scene(header=Header(stamp=STAMP), objects=[SceneObject(id=7, label="red block")])
    tf = TFMessage(transforms=[TransformStamped(header=Header(stamp=STAMP, frame_id="base"), child_frame_id="tool")])
    return {
        "/color/image_raw": image,
        "/depth/camera_info": CameraInfo(header=Header(stamp=STAMP), k=np.arange(9.0)),
        "/spatial_node/facts": facts,
        "/reward_node/reward": reward,
        "/spatial_node/scene": scene,
        "/tf": tf,
    }


def type_of(message):
    module = type(message).__module__.split(".")
    return f"{module[0]}/msg/{type(message).__name__}"


def write(path, messages, **options):
    """The bytes that were written, by topic: serialising twice need not give the same padding."""
    written = {topic: serialize_message(message) for topic, message in messages.items()}
    with BagWriter(path, **options) as bag:
        for index, (topic, message) in enumerate(messages.items()):
            bag.add_topic(topic, type_of(message), latched=topic == "/tf")
            bag.write(topic, STAMP_NS + 1000 * index, written[topic])
    return written


@pytest.mark.parametrize("compress", [False, True])
def test_a_bag_is_one_file_that_reads_back_without_registered_types(tmp_path, compress):
    path = tmp_path / "episode.mcap"
    messages = episode_messages()
    written = write(path, messages, compress=compress)
    assert [p.name for p in tmp_path.iterdir()] == ["episode.mcap"]
    with AnyReader([path]) as reader:  # no type store is given: only what is in the file counts
        read = {c.topic: (c, reader.deserialize(data, c.msgtype), data) for c, _, data in reader.messages()}
    assert set(read) == set(messages)
    assert {topic: bytes(data) for topic, (_, _, data) in read.items()} == written
    facts = read["/spatial_node/facts"][1]
    assert facts.facts[0].object == "red block" and facts.facts[0].value == 0.25
    assert read["/reward_node/reward"][1].terms[0].name == "reach/x"
    assert read["/spatial_node/scene"][1].objects[0].id == 7
    assert read["/color/image_raw"][1].data.tolist() == list(range(18))


def test_definitions_keep_comments_and_constants(tmp_path):
    text = definition("spatialvlm_msgs/SpatialFactArray")
    assert "MSG: spatialvlm_msgs/SpatialFact\n" in text and "MSG: builtin_interfaces/Time\n" in text
    assert "uint8 SOURCE_GROUND_TRUTH=5" in text and "# " in text
    assert text.count("MSG: geometry_msgs/Point\n") == 1


def test_type_hashes_are_those_of_ros(tmp_path):
    """What ROS compares before it plays a topic: rosidl wrote the same hash beside the installed type."""
    import json

    from spatialvlm_ros.recording.bag_writer import _type_hash
    from spatialvlm_ros.recording.definitions import share_directories

    for message_type in ("spatialvlm_msgs/msg/Reward", "spatialvlm_msgs/msg/Scene", "tf2_msgs/msg/TFMessage"):
        package, _, name = message_type.split("/")
        paths = [share / package / "msg" / f"{name}.json" for share in share_directories()]
        hashes = json.loads(next(path for path in paths if path.is_file()).read_text())["type_hashes"]
        expected = next(entry["hash_string"] for entry in hashes if entry["type_name"] == message_type)
        assert _type_hash(message_type, definition(message_type)) == expected


def test_latched_topics_say_so(tmp_path):
    path = tmp_path / "episode.mcap"
    write(path, episode_messages())
    with AnyReader([path]) as reader:
        durability = {c.topic: c.ext.offered_qos_profiles[0].durability.name for c in reader.connections}
    assert durability["/tf"] == "TRANSIENT_LOCAL" and durability["/spatial_node/facts"] == "VOLATILE"


def test_the_file_is_valid_for_the_reference_library(tmp_path):
    from mcap.reader import make_reader

    path = tmp_path / "episode.mcap"
    write(path, episode_messages())
    with open(path, "rb") as stream:
        found = make_reader(stream, validate_crcs=True)
        assert found.get_header().profile == "ros2"
        assert found.get_summary().statistics.message_count == len(episode_messages())
        assert sum(1 for _ in found.iter_messages()) == len(episode_messages())


def test_a_bag_is_never_overwritten_unless_told(tmp_path):
    path = tmp_path / "episode.mcap"
    write(path, episode_messages())
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"episode\.mcap exists"):
        BagWriter(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    write(path, {"/tf": TFMessage()}, overwrite=True)
    with BagReader(path) as bag:
        assert bag.counts() == {"/tf": 1}


def test_a_file_made_meanwhile_survives_and_so_does_the_recording(tmp_path):
    path = tmp_path / "episode.mcap"
    bag = BagWriter(path)
    bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
    bag.write("/tf", 1, serialize_message(TFMessage()))
    path.write_text("somebody else's")
    with pytest.raises(FileExistsError, match="the recording is") as refused:
        bag.close()
    assert path.read_text() == "somebody else's"
    kept = str(refused.value).rsplit(" ", 1)[1]
    with BagReader(kept) as found:
        assert found.counts() == {"/tf": 1}


def test_a_recording_that_ends_badly_keeps_what_was_written(tmp_path):
    path = tmp_path / "episode.mcap"
    with pytest.raises(RuntimeError, match="camera on fire"), BagWriter(path) as bag:
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
        bag.write("/tf", 1, serialize_message(TFMessage()))
        raise RuntimeError("camera on fire")
    with BagReader(path) as bag:
        assert bag.counts() == {"/tf": 1}


@pytest.mark.parametrize("room", [300_000, 2_100_000])
def test_a_full_disk_costs_no_more_than_what_did_not_fit(tmp_path, room):
    path = tmp_path / "episode.mcap"
    image = episode_messages()["/color/image_raw"]
    image.height, image.width, image.step, image.data = 300, 100, 300, array.array("B", bytes(90_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    bag = BagWriter(path)
    bag.add_topic("/image", "sensor_msgs/msg/Image")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        for index in range(28):
            with suppress(OSError):
                bag.write("/image", index + 1, serialize_message(image))
        with pytest.raises(OSError, match=r"episode\.mcap is cut off"):
            bag.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [found.name for found in tmp_path.iterdir()] == ["episode.mcap"]
    reader, lost = open_bag(path)
    with reader:
        assert reader.counts()["/image"] >= room // 90_000 - 1
    assert lost and "cut" in lost[0]


def test_an_empty_bag_reads_as_empty(tmp_path):
    path = tmp_path / "episode.mcap"
    with BagWriter(path) as bag:
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
    with BagReader(path) as found:
        assert list(found.messages()) == []


def test_wrong_uses_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"\.mcap"):
        BagWriter(tmp_path / "episode.bag")
    with BagWriter(tmp_path / "a.mcap") as bag:
        with pytest.raises(KeyError, match="/tf was not added"):
            bag.write("/tf", 1, b"")
        with pytest.raises(DefinitionError, match="install nothing_msgs"):
            bag.add_topic("/x", "nothing_msgs/msg/Thing")
        bag.add_topic("/tf", "tf2_msgs/TFMessage")
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
        with pytest.raises(ValueError, match="cannot hold"):
            bag.add_topic("/tf", "std_msgs/msg/Header")


def test_reader_gives_header_stamps_or_else_the_time_of_recording(tmp_path):
    path = tmp_path / "episode.mcap"
    write(path, episode_messages())
    with BagReader(path) as bag:
        assert bag.topics()["/tf"] == "tf2_msgs/msg/TFMessage"
        assert bag.topics_of("sensor_msgs/msg/Image") == ["/color/image_raw"]
        stamps = {m.topic: (m.stamp_ns, m.log_ns) for m in bag.messages()}
        assert [m.topic for m in bag.messages(["/tf"])] == ["/tf"]
        assert list(bag.messages(["/nothing"])) == []
    assert stamps["/color/image_raw"] == (STAMP_NS, STAMP_NS)
    assert stamps["/tf"] == (STAMP_NS + 5000, STAMP_NS + 5000)


def test_reads_a_sqlite_folder_without_embedded_definitions(tmp_path):
    import sqlite3

    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    folder = tmp_path / "old"
    with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection("/header", "std_msgs/msg/Header", typestore=get_typestore(Stores.ROS2_JAZZY))
        writer.write(connection, 5, serialize_message(Header(frame_id="camera")))
    with sqlite3.connect(folder / "old.db3") as database:
        database.execute("DELETE FROM message_definitions")
    with BagReader(folder) as bag:
        assert [m.message.frame_id for m in bag.messages()] == ["camera"]


def test_reads_a_ros1_bag(tmp_path):
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer(tmp_path / "a.bag") as writer:
        connection = writer.add_connection("/info", "sensor_msgs/msg/CameraInfo", typestore=store)
        info_type, header_type = store.types["sensor_msgs/msg/CameraInfo"], store.types["std_msgs/msg/Header"]
        time_type, roi_type = store.types["builtin_interfaces/msg/Time"], store.types["sensor_msgs/msg/RegionOfInterest"]
        info = info_type(
            header_type(0, time_type(3, 4), "camera"), 1, 2, "", np.zeros(0), np.zeros(9), np.zeros(9), np.zeros(12),
            0, 0, roi_type(0, 0, 0, 0, False),
        )  # fmt: skip
        writer.write(connection, 7, store.serialize_ros1(info, "sensor_msgs/msg/CameraInfo"))
    with BagReader(tmp_path / "a.bag") as bag:
        message = next(bag.messages())
    assert (message.stamp_ns, message.log_ns, message.message.width) == (3_000_000_004, 7, 2)


@pytest.mark.parametrize("content", [b"", b"not a bag", b"\x89MCAP0\r\n" + bytes(40)])
def test_a_file_that_is_no_bag_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.mcap"
    path.write_bytes(content)
    with pytest.raises(BagError, match=r"broken\.mcap cannot be read"):
        BagReader(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        BagReader(tmp_path / "nothing.mcap")


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "episode.mcap"
    write(path, episode_messages())
    (tmp_path / "cut.mcap").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BagError):
        BagReader(tmp_path / "cut.mcap")


def test_dependencies_of_every_kind_of_line():
    text = """# comment geometry_msgs/Pose pose
std_msgs/Header header  # with a comment
uint8 A=1
string<=64 NAME = "x"
Thing[<=256] things
geometry_msgs/Point[2] corners
float64 x 1.5
Thing other
"""
    assert dependencies(text, "own") == ["std_msgs/msg/Header", "own/msg/Thing", "geometry_msgs/msg/Point"]
    assert normal_type("a/B") == normal_type("a/msg/B") == "a/msg/B"
    with pytest.raises(DefinitionError):
        normal_type("a/srv/B")
