"""Rows of a local copy: JSON, JSON lines, parquet and TSV, each column asked for by name. Never pickle or scripts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .item import Benchmark, BenchmarkDataError

Row = dict[str, Any]


@dataclass(frozen=True)
class StoredCell:
    """A cell of a parquet file that is read when it is needed: pictures are most of a file."""

    path: Path
    column: str
    group: int
    row: int

    def read(self) -> Any:
        """Its value. Raises OSError or ValueError where the file has changed."""
        return _column(self.path, self.column, self.group)[self.row].as_py()


@lru_cache(maxsize=2)
def _column(path: Path, column: str, group: int) -> Any:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column]).column(column)


def folder_of(benchmark: Benchmark, folder: Path, split: str) -> str:
    """The split to read. Raises BenchmarkDataError for a folder that is not there and for an unknown split."""
    if not folder.is_dir():
        raise BenchmarkDataError(f"{benchmark.title}: there is no folder {folder}. {benchmark.get}")
    if split and split not in benchmark.splits:
        raise BenchmarkDataError(f"{benchmark.title} has no split '{split}'; give one of {', '.join(benchmark.splits)}")
    return split or benchmark.splits[0]


def find_tables(benchmark: Benchmark, folder: Path, patterns: Sequence[str]) -> list[Path]:
    """All files of the first pattern (a glob below the folder) that has any. Raises BenchmarkDataError where none has."""
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if found:
            return found
    raise BenchmarkDataError(f"{benchmark.title}: none of {', '.join(patterns)} lies in {folder}. {benchmark.get}")


def rows_of(path: Path, columns: Iterable[str], pictures: Iterable[str] = (), optional: Iterable[str] = ()) -> list[Row]:
    """The rows of a table with these columns; ``pictures`` are read later where the file allows it, ``optional`` may be missing.

    Raises:
        BenchmarkDataError: the file cannot be read, a row lacks a column, or there is no row.
    """
    wanted, later = list(columns), list(pictures)
    try:
        rows = _parquet(path, wanted, later, list(optional)) if path.suffix == ".parquet" else _text(path)
    except BenchmarkDataError:
        raise
    except ImportError as error:
        raise BenchmarkDataError(f"{path} is read with pyarrow: pip install pyarrow ({error})") from error
    except (OSError, ValueError, csv.Error) as error:
        raise BenchmarkDataError(f"{path} cannot be read ({error}); is the copy whole?") from error
    if not rows:
        raise BenchmarkDataError(f"{path} holds no questions; is the copy whole?")
    for number, row in enumerate(rows):
        missing = [name for name in (*wanted, *later) if row.get(name) is None]
        if missing:
            raise BenchmarkDataError(
                f"{path}, row {number}: no '{missing[0]}'; there are {', '.join(map(str, row)) or 'no columns'}. "
                "Give the authors' own files, not a converted copy"
            )
    return rows


def _text(path: Path) -> list[Row]:
    if path.suffix == ".tsv":
        return _tsv(path)
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            return [_object(path, json.loads(line)) for line in lines if line.strip()]
    text = path.read_text(encoding="utf-8")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        # Some copies hold JSON lines under the name .json.
        value = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [_object(path, row) for row in (value if isinstance(value, list) else [value])]


def _object(path: Path, value: Any) -> Row:
    if not isinstance(value, dict):
        raise BenchmarkDataError(f"{path}: expected an object for each question, got {type(value).__name__}")
    return value


def _tsv(path: Path) -> list[Row]:
    # Cells hold whole pictures.
    limit = csv.field_size_limit(1 << 30)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [dict(row) for row in csv.DictReader(lines, delimiter="\t")]
    finally:
        csv.field_size_limit(limit)


def _parquet(path: Path, columns: Sequence[str], later: Sequence[str], optional: Sequence[str]) -> list[Row]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        names = file.schema_arrow.names
        missing = [name for name in (*columns, *later) if name not in names]
        if missing:
            raise BenchmarkDataError(
                f"{path}: no column '{missing[0]}'; there are {', '.join(names)}. "
                "Give the authors' own files, not a converted copy"
            )
        now = [*columns, *(name for name in optional if name in names)]
        rows: list[Row] = []
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=now).to_pylist()
            rows += [row | {name: StoredCell(path, name, group, at) for name in later} for at, row in enumerate(part)]
        return rows


def text_of(row: Mapping[str, Any], column: str) -> str:
    """A cell as text."""
    return str(row[column]).strip()


def texts_of(row: Mapping[str, Any], column: str, path: Path) -> list[str]:
    """A cell that is a list of texts. Raises BenchmarkDataError where it is none."""
    value = row.get(column)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = None
    if not isinstance(value, list) or not value:
        raise BenchmarkDataError(f"{path}: '{column}' is {str(row.get(column))[:60]!r}, expected a list of texts")
    return [str(one) for one in value]
