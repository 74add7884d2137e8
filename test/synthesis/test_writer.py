"""Files of rows: equal bytes for equal rows, and what `datasets` finds in them."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import disable_progress_bars, load_dataset
from examples import example
from PIL import Image

from spatialvlm_ros.synthesis.record import Example, MaskRle
from spatialvlm_ros.synthesis.schema import candidate_table, file_name, messages_of
from spatialvlm_ros.synthesis.writer import ROWS_PER_GROUP, table_writer

disable_progress_bars()
EXAMPLES = [example(number) for number in range(70)]


def written(path: Path, examples: Sequence[Example], at_once: int) -> bytes:
    """Candidates written so many at a time."""
    with table_writer(path, "parquet", with_messages=False) as writer:
        for start in range(0, len(examples), at_once):
            writer.write(candidate_table(examples[start : start + at_once]))
    return path.read_bytes()


def rows_of(path: Path, kind: str, cache: Path) -> Any:
    """As `datasets` reads one file."""
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache))


def test_bytes_do_not_depend_on_how_rows_come(tmp_path: Path) -> None:
    """One by one, in odd parts, all at once: the same row groups, and the same bytes on another day."""
    files = [written(tmp_path / f"{at_once}.parquet", EXAMPLES, at_once) for at_once in (1, 7, 70, 70)]
    assert len({hashlib.sha256(file).hexdigest() for file in files}) == 1
    metadata = pq.ParquetFile(tmp_path / "7.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROWS_PER_GROUP, 70 - ROWS_PER_GROUP]


def test_datasets_reads_everything_back(tmp_path: Path) -> None:
    """Images decoded, numbers exact, null where there is none, masks whole."""
    written(tmp_path / "a.parquet", EXAMPLES[:3], 2)
    rows = rows_of(tmp_path / "a.parquet", "parquet", tmp_path / "cache")
    assert len(rows) == 3
    row, made = rows[1], EXAMPLES[1]
    assert isinstance(row["images"][0], Image.Image)
    np.testing.assert_array_equal(np.asarray(row["images"][0])[0, 0], [1, 2, 255])
    assert (row["key"], row["width"], row["height"], row["stamp_ns"]) == (made.key, 32, 24, 1)
    assert [row["camera"][name] for name in ("fx", "fy", "cx", "cy")] == [30.0, 31.0, 15.5, 11.5]
    assert row["stages"] == [{"name": "ask", "version": "1"}, {"name": "regions", "version": "2"}]
    assert row["drops"] == [{"cause": "region_small", "count": 1}]
    for read, pair in zip(row["pairs"], made.pairs, strict=True):
        assert (read["question"], read["answer"]) == (pair.question, pair.answer)
        assert (read["relation"], read["subject"], read["object"], read["third"]) == (
            pair.query.relation,
            "block 0",
            "block 1",
            "",
        )
        assert (read["value"], read["order_key"], read["polarity"]) == (pair.value, pair.order_key, pair.polarity)
        assert read["objects"] == [0, 1]
    assert [read["std"] for read in row["pairs"]] == [0.01, None, 0.01, None]
    found = row["objects"][0]
    mask = MaskRle(found["mask"]["height"], found["mask"]["width"], tuple(found["mask"]["counts"])).mask()
    assert mask.sum() == 42
    assert mask[3:9, 5:12].all()
    assert found["box"] == [5, 3, 12, 9]


def test_a_file_without_rows_opens(tmp_path: Path) -> None:
    """A shard of which nothing is left must not break the whole."""
    written(tmp_path / "empty.parquet", [], 1)
    written(tmp_path / "full.parquet", EXAMPLES[:2], 2)
    rows = load_dataset(
        "parquet",
        data_files=[str(tmp_path / "empty.parquet"), str(tmp_path / "full.parquet")],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(rows) == 2


def test_tar_members_have_no_time_and_no_owner(tmp_path: Path) -> None:
    """And two files of the same rows have the same bytes."""
    table = candidate_table(EXAMPLES[:3])
    for name in "ab":
        with table_writer(tmp_path / f"{name}.tar", "webdataset") as writer:
            writer.write(table)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
        first = tar.extractfile(members[0])
        assert first is not None
        assert Image.open(BytesIO(first.read())).size == (32, 24)
    assert [member.name for member in members[:2]] == ["000000-made-by-hand-0.png", "000000-made-by-hand-0.json"]
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}
    rows = rows_of(tmp_path / "a.tar", "webdataset", tmp_path / "cache")
    assert len(rows) == 3
    assert rows[2]["png"].size == (32, 24)
    assert rows[2]["json"]["pairs"][1]["answer"] == "Answer 1."


def test_nothing_is_left_of_a_file_that_broke_off(tmp_path: Path) -> None:
    """Neither under its name nor under another."""
    with (
        pytest.raises(RuntimeError, match="broke"),
        table_writer(tmp_path / "a.parquet", "parquet", with_messages=False) as writer,
    ):
        writer.write(candidate_table(EXAMPLES[:1]))
        raise RuntimeError("broke")
    assert not list(tmp_path.iterdir())
    with (
        pytest.raises(ValueError, match=r"'csv' is not known; known are parquet, webdataset"),
        table_writer(tmp_path / "a", "csv"),
    ):
        pass


def test_messages_begin_with_the_image_and_take_turns() -> None:
    """The form that TRL and chat templates take: lists of parts, one image before the first question."""
    turns = messages_of([("Q1?", "A1."), ("Q2?", "A2.")])
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[0]["content"] == [{"type": "image", "text": None}, {"type": "text", "text": "Q1?"}]
    assert [turn["content"] for turn in turns[1:]] == [[{"type": "text", "text": text}] for text in ("A1.", "Q2?", "A2.")]


def test_keys_become_names_of_files() -> None:
    """Without what file systems and WebDataset take for something else."""
    assert file_name("pcl_mosd/learn0") == "pcl_mosd-learn0"
    assert file_name("bag#12.jpg") == "bag-12-jpg"
    assert file_name("../..") == "picture"
