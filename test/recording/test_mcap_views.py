"""Messages that are read without a copy of their own are those that rosbags reads, in its order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_bags import TASK, episode, robot_file, write_mcap
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import ReaderError

from spatialvlm_ros.nodes.conversions import frame_from_messages
from spatialvlm_ros.recording.bag_reader import BagReader
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.recording.label import BagLabeller, LabelOptions, load_task_of

TYPE, SECOND_NS = "std_msgs/msg/UInt8MultiArray", 1_000_000_000


def message(index: int, size: int) -> bytes:
    """CDR of an array without dimensions, whose content tells which one it is."""
    data = np.full(size, index % 256, np.uint8).tobytes()
    return b"\x00\x01\x00\x00" + bytes(8) + len(data).to_bytes(4, "little") + data


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Small and large messages of two topics over several chunks, some of one time, some recorded late."""
    rng = np.random.default_rng(3)
    with BagWriter(tmp_path / "bag.mcap") as writer:
        for topic in ("/a", "/b"):
            writer.add_topic(topic, TYPE)
        for index in range(60):
            late_s = int(rng.integers(0, 3))
            size = int(rng.choice([3, 500, 70_000, 400_000]))
            writer.write("/ab"[:: 2 - index % 2][:2], (index // 2 - late_s + 10) * SECOND_NS, message(index, size))
    return tmp_path / "bag.mcap"


@pytest.mark.parametrize("span", [(None, None), (15 * SECOND_NS, None), (None, 25 * SECOND_NS), (15 * SECOND_NS, 30 * SECOND_NS)])
@pytest.mark.parametrize("topics", [("/a", "/b"), ("/b",)])
def test_messages_and_their_order_are_those_of_rosbags(bag: Path, topics: tuple[str, ...], span: tuple[int | None, ...]) -> None:
    with AnyReader([bag]) as plain, BagReader(bag) as reader:
        chosen = [connection for connection in plain.connections if connection.topic in topics]
        assert len(plain.readers[0].storage.chunks) > 3
        expected = [(c.topic, log_ns, bytes(data)) for c, log_ns, data in plain.messages(chosen, *span)]
        own = [connection for connection in reader._reader.connections if connection.topic in topics]
        found = list(reader._reader.messages(own, *span))
    assert len(expected) > 10 and [(c.topic, log_ns, bytes(data)) for c, log_ns, data in found] == expected
    # What is kept for long must not keep its chunk in memory; what is large must not be copied.
    assert {type(data) for _, _, data in found if len(data) > 65_536} == {memoryview}
    assert {type(data) for _, _, data in found if len(data) < 65_536} == {bytes}


@pytest.mark.parametrize("damage", ["length", "checksum"])
def test_a_broken_chunk_is_an_error_of_rosbags(bag: Path, damage: str) -> None:
    with BagReader(bag) as reader:
        chunk = reader._reader.readers[0].storage.chunks[1]
    content = bytearray(bag.read_bytes())
    place = chunk.chunk_start_offset + (9 + 40 + 1 if damage == "length" else 9 + 24)
    content[place : place + 4] = b"\xff\xff\xff\x00"
    bag.write_bytes(content)
    with BagReader(bag) as reader, pytest.raises(ReaderError, match="Truncated" if damage == "length" else "checksum"):
        list(reader._reader.messages(reader._reader.connections))


def test_depth_that_begins_at_an_odd_byte_is_brought_to_an_even_one(tmp_path: Path) -> None:
    options = LabelOptions(TASK, robot=robot_file(tmp_path))
    items = episode(6)
    with BagLabeller(write_mcap(tmp_path / "bag.mcap", items), options, load_task_of(options), pictures=True) as labeller:
        frames = [frame.material.frame for frame in labeller.frames() if frame.material is not None]
    assert len(frames) == 6 and all(frame.depth_m.flags.aligned for frame in frames)
    by_topic: dict[str, list[object]] = {}
    for item in items:
        by_topic.setdefault(item.topic, []).append(item.message)
    color, depth = (next(v for k, v in by_topic.items() if part in k and "image" in k) for part in ("color", "depth"))
    info = next(v for k, v in by_topic.items() if "info" in k)
    for frame, *messages in zip(frames, color, depth, info, strict=True):
        expected = frame_from_messages(*messages)
        assert np.array_equal(frame.depth_m, expected.depth_m, equal_nan=True) and np.array_equal(frame.color, expected.color)
