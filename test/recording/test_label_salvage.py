"""Broken bags of every kind: whatever is whole in them is read, and what is lost is said."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from label_bags import Item, write_db3, write_mcap, write_ros1
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from std_msgs.msg import String

from spatialvlm_ros.recording.bag_reader import BagError, BagReader, fallback_types
from spatialvlm_ros.recording.label_salvage import open_bag

COUNT = 60


def letters(index: int, size: int) -> str:
    """Text that compresses badly and is found nowhere else."""
    seed = "".join(hashlib.sha256(f"{index}/{part}".encode()).hexdigest() for part in range(size // 64 + 1))
    return f"<{index:04d}:{seed[:size]}:{index:04d}>"


@cache
def items() -> list[Item]:
    """Long and short messages on two topics; some megabytes, so that there are several chunks."""
    rng = np.random.default_rng(1)
    sizes = np.where(np.arange(COUNT) % 3, rng.integers(10, 400, COUNT), rng.integers(60_000, 200_000, COUNT))
    texts = [letters(index, int(size)) for index, size in enumerate(sizes)]
    return [Item(f"/text_{index % 2}", 10**9 + index * 10**7, String(data=text)) for index, text in enumerate(texts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


KINDS: dict[str, Callable[[Path], Path]] = {
    "mcap": lambda folder: write_mcap(folder / "plain.mcap", items()),
    "mcap_zstd": lambda folder: write_mcap(folder / "packed.mcap", items(), compress=True),
    "ros1": lambda folder: write_ros1(folder / "plain.bag", items()),
    "ros1_lz4": lambda folder: write_ros1(folder / "packed.bag", items(), "lz4"),
    "ros1_bz2": lambda folder: write_ros1(folder / "small.bag", items(), "bz2"),
    "db3": lambda folder: write_db3(folder / "sql", items()) / "sql.db3",
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Path]:
    return request.param, KINDS[request.param](folder)


def texts(reader: BagReader) -> list[str]:
    with reader:
        return [item.message.data for item in reader.messages()]


def test_a_whole_bag_loses_nothing(whole: tuple[str, Path]) -> None:
    reader, losses = open_bag(whole[1])
    assert losses == [] and texts(reader) == [item.message.data for item in items()]


def whole_before(kind: str, data: bytes, cut: int) -> list[str]:
    """The messages whose bytes all lie before the cut, found by searching for them."""
    # SQLite's pages are whole or not there; a long message lies on several.
    limit = cut // 4096 * 4096 if kind == "db3" else cut
    found = []
    for item in items():
        text = item.message.data
        first, last = text[:7].encode(), text[-6:].encode()
        if data.find(first, 0, limit) >= 0 and data.find(last, 0, limit) >= 0:
            found.append(text)
    return found


def test_a_cut_at_any_byte_leaves_every_whole_message(whole: tuple[str, Path], tmp_path: Path) -> None:
    kind, path = whole
    data = path.read_bytes()
    everything = [item.message.data for item in items()]
    rng = np.random.default_rng(7)
    cuts = sorted({*rng.integers(1, len(data), 25).tolist(), len(data) - 1, len(data) - 30, len(data) // 2, 5})
    counts = []
    for cut in cuts:
        broken = tmp_path / f"cut{path.suffix}"
        broken.write_bytes(data[:cut])
        try:
            reader, losses = open_bag(broken)
        except BagError as error:
            assert "cut" in str(error) and ("before its first" in str(error) or "does not begin" in str(error)), error
            got: list[str] = []
        else:
            assert losses and "cut" in losses[0]
            got = texts(reader)
        counts.append(len(got))
        if kind in ("mcap", "ros1", "db3"):
            assert got == whole_before(kind, data, cut), cut
        assert got == everything[: len(got)] or kind == "db3", cut
        assert broken.read_bytes() == data[:cut]
    # Compressed data cannot be searched: but the more there is, the more is read, and near the end nearly all. The last
    # page of an SQLite file holds several short messages.
    assert counts == sorted(counts) and counts[-1] >= COUNT - (5 if kind == "db3" else 1) and counts[0] == 0


def test_zeros_behind_the_end_are_no_messages(tmp_path: Path) -> None:
    whole = write_mcap(tmp_path / "whole.mcap", items()).read_bytes()
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(whole[: len(whole) // 2] + bytes(100_000))
    reader, losses = open_bag(broken)
    found = texts(reader)
    assert losses and 10 < len(found) < COUNT and found == [item.message.data for item in items()][: len(found)]


def test_a_bag_whose_summary_alone_is_broken_loses_no_message(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "bag.mcap", items())
    data = bytearray(path.read_bytes())
    data[-40:] = bytes(40)
    path.write_bytes(data)
    reader, losses = open_bag(path)
    assert len(texts(reader)) == COUNT and "summary" in losses[0] and "all there" in losses[0]


def test_a_folder_without_metadata_is_read_file_by_file(tmp_path: Path) -> None:
    folder = write_db3(tmp_path / "bag", items())
    (folder / "metadata.yaml").unlink()
    reader, losses = open_bag(folder)
    assert len(texts(reader)) == COUNT and "metadata.yaml is missing" in losses[-1]


def test_a_folder_of_several_files_loses_only_what_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    write_mcap(folder / "split_9.mcap", items()[:30])
    last = write_mcap(folder / "split_10.mcap", items()[30:])
    last.write_bytes(last.read_bytes()[:-5000])
    reader, losses = open_bag(folder)
    found = texts(reader)
    assert 30 < len(found) <= COUNT and found == [item.message.data for item in items()][: len(found)]
    assert losses[0].startswith("split_10.mcap: it is cut")


@pytest.mark.parametrize("names", [("run_0", "run_1"), ("monday", "tuesday")])
def test_a_folder_of_several_recordings_is_not_read_as_one(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in names:
        write_mcap(folder / f"{name}.mcap", items()[:4])
    with pytest.raises(BagError, match=rf"holds 2 recordings \({names[0]}.mcap, {names[1]}.mcap .*recordings/\*.mcap"):
        open_bag(folder)


@pytest.mark.parametrize("name", ["a.mcap", "a.bag", "a.db3", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000)])
def test_what_is_no_bag_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=name):
        open_bag(path)


def test_random_bytes_in_place_of_a_bag_never_do_worse_than_an_error(tmp_path: Path) -> None:
    """Headers that are right before content that is not."""
    rng = np.random.default_rng(3)
    for suffix in (".mcap", ".bag", ".db3"):
        source = {".mcap": "mcap", ".bag": "ros1", ".db3": "db3"}[suffix]
        good = KINDS[source](tmp_path).read_bytes()[:60_000]
        for _ in range(30):
            data = bytearray(good)
            for place in rng.integers(20, len(data), 40):
                data[place] = int(rng.integers(256))
            path = tmp_path / f"spoiled{suffix}"
            path.write_bytes(data)
            try:
                reader, losses = open_bag(path)
            except BagError:
                continue
            with reader:
                assert losses and "cut" in losses[0]
        for made in tmp_path.iterdir():
            if made.is_file():
                made.unlink()
            else:
                for file in made.iterdir():
                    file.unlink()
                made.rmdir()


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_a_compressed_recording_is_read_by_its_folder(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "packed"
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/text_0", "std_msgs/msg/String", typestore=fallback_types())
        for item in items()[:4]:
            writer.write(connection, item.log_ns, serialize_message(item.message))
    assert texts(open_bag(folder)[0]) == [item.message.data for item in items()[:4]]
    (file,) = [file for file in folder.iterdir() if file.name != "metadata.yaml"]
    with pytest.raises(BagError, match=rf"is compressed \(mode {mode.lower()}\).* give its folder"):
        open_bag(file)
