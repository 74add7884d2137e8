"""Episodes by marks: messages of a topic, and calls of a service as its events record them (service introspection)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from label_bags import TASK, episode, robot_file, stamp
from rclpy.serialization import serialize_message

from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.label import BagLabeller, LabelOptions, load_task_of
from spatialvlm_ros.recording.label_marks import Marks
from spatialvlm_ros.recording.service_events import read_event

SET_BOOL = "std_srvs/srv/SetBool_Event"
TOPIC = "/recorder/set_recording/_service_event"
# As rosbag2 stores it: the definition of the service, which is not that of its events.
DEFINITION = "bool data # e.g. for hardware enabling / disabling\n---\nbool success\nstring message\n"


def event(kind: int, number: int, request: bool | None = None) -> bytes:
    """One event of a call of SetBool (CDR); ``request`` None: that it was called was recorded, not with what."""
    info = struct.pack("<4sB3xiI16s4xq", b"\0\1\0\0", kind, 5, 6, bytes(range(16)), number)
    return info + (struct.pack("<I", 0) if request is None else struct.pack("<I?3x", 1, request)) + struct.pack("<I", 0)


def test_an_event_is_read_as_the_middleware_writes_it() -> None:
    """In the layout that the generated type of this environment serialises."""
    from service_msgs.msg import ServiceEventInfo

    info = ServiceEventInfo(event_type=1, sequence_number=77)
    info.stamp.sec, info.stamp.nanosec = 3, 4
    info.client_gid = [bytes([value]) for value in range(16)] if isinstance(info.client_gid[0], bytes) else list(range(16))
    data = serialize_message(info)
    read = read_event(data + struct.pack("<I?", 1, True), SET_BOOL)
    assert (read.event_type, read.sequence_number, read.client_gid, read.data) == (1, 77, bytes(range(16)), True)


def test_each_call_counts_once_and_false_ends_an_episode() -> None:
    marks = Marks()
    told = [marks.add(read_event(event(kind, 1, True), SET_BOOL)) for kind in (0, 1, 2, 3)]
    assert told == [True, False, False, False] and not marks.outside
    assert marks.add(read_event(event(1, 2, False), SET_BOOL)) and marks.outside
    assert not marks.add(read_event(event(2, 2), SET_BOOL)) and marks.outside, "the answer to it is no mark"
    assert marks.add(read_event(event(1, 3), SET_BOOL)) and not marks.outside
    # A Trigger's request has a byte of nothing.
    assert marks.add(read_event(event(1, 4, False), "std_srvs/srv/Trigger_Event")) and not marks.outside
    with pytest.raises(ValueError, match="has 9 bytes, which is too few"):
        read_event(bytes(9), SET_BOOL)


def test_calls_in_a_bag_part_it(tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    calls = {stamp(2) - 1: event(1, 1, True), stamp(2): event(2, 1), stamp(4) - 1: event(1, 2, False)}
    items = [(item.topic, item.type, item.log_ns, serialize_message(item.message)) for item in episode(5)]
    items += [(TOPIC, SET_BOOL, log_ns, data) for log_ns, data in calls.items()]
    connections: dict[str, Any] = {}
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        for topic, kind, log_ns, data in sorted(items, key=lambda item: item[2]):
            if topic not in connections:
                known = {"typestore": get_typestore(Stores.ROS2_JAZZY)}
                more = {"msgdef": DEFINITION, "rihs01": "RIHS01_0"} if kind == SET_BOOL else known
                connections[topic] = bag.add_connection(topic, kind, **more)
            bag.write(connections[topic], log_ns, data)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics()[TOPIC] == SET_BOOL and reader.counts()[TOPIC] == 3
    options = LabelOptions(TASK, robot=robot_file(tmp_path), episode_topic=TOPIC)
    with BagLabeller(tmp_path / "bag", options, load_task_of(options)) as labeller:
        places = [(frame.episode_index, frame.frame_index) for frame in labeller.frames()]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert labeller.episodes[1]["begins"] == "mark"
    assert labeller.losses() == ["1 x image outside of the marked episodes"]
