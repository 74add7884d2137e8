"""A finished data set read again: its files in order, counts of its pairs, and any one pair with its row.

Never changes: pairs are numbered through all files in the order in which they stand there, so that a number names the same pair
whoever reads, and counting reads no image.
"""

from __future__ import annotations

import json
import tarfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from .schema import require_pyarrow

# (relation, kind, polarity)
Sort = tuple[str, str, str]
_SORT = ("relation", "kind", "polarity")
_SUFFIXES = (".parquet", ".tar")


@dataclass(frozen=True)
class Dataset:
    """The files of one data set, as `spatialvlm synthesize` leaves them. Made by `open_dataset`."""

    path: Path
    files: tuple[Path, ...]
    _sorts: dict[Path, list[list[Sort]]] = field(default_factory=dict, repr=False, compare=False)

    def sorts(self, file: Path) -> list[list[Sort]]:
        """Of each row of a file, what each of its pairs is."""
        if file not in self._sorts:
            self._sorts[file] = _sorts_of_parquet(file) if file.suffix == ".parquet" else _sorts_of_tar(file)
        return self._sorts[file]

    @cached_property
    def counts(self) -> Counter[Sort]:
        """Pairs by relation, kind and polarity."""
        return Counter(sort for file in self.files for row in self.sorts(file) for sort in row)

    @cached_property
    def _places(self) -> tuple[list[tuple[Path, int]], list[int]]:
        """(file, row) of every row, and how many pairs there are up to the end of each."""
        rows = [(file, number, len(row)) for file in self.files for number, row in enumerate(self.sorts(file))]
        return [(file, number) for file, number, _ in rows], list(accumulate(count for *_, count in rows))

    @property
    def num_rows(self) -> int:
        return len(self._places[0])

    @property
    def num_pairs(self) -> int:
        ends = self._places[1]
        return ends[-1] if ends else 0

    def place(self, pair: int) -> tuple[Path, int, int]:
        """File, number of the row in it and of the pair in the row, for the ``pair``-th pair of all."""
        rows, ends = self._places
        if not 0 <= pair < self.num_pairs:
            raise IndexError(f"pair {pair} of {self.num_pairs}")
        at = bisect_right(ends, pair)
        return (*rows[at], pair - (ends[at - 1] if at else 0))

    def rows(self, file: Path, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Whole rows of a file, by ascending number; the image as ``images[0]["bytes"]``."""
        return _rows_of_parquet(file, numbers) if file.suffix == ".parquet" else _rows_of_tar(file, numbers)

    def rows_without_images(self) -> Iterator[dict[str, Any]]:
        """``key``, ``objects`` and ``pairs`` of every row, in order. No image is read from parquet."""
        for file in self.files:
            if file.suffix == ".parquet":
                for table in _tables(file, ["key", "objects", "pairs"]):
                    yield from table.to_pylist()
            else:
                yield from _tar_rows(file)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What stands in provenance.json; empty where it is gone."""
        try:
            found: dict[str, Any] = json.loads((self.path / "provenance.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found


def open_dataset(path: Path) -> Dataset:
    """The data set in a folder.

    Raises:
        ValueError: there is none, or files of it are missing.
    """
    require_pyarrow()
    files = sorted(file for file in (path / "data").glob("train-*") if file.suffix in _SUFFIXES)
    if not files:
        raise ValueError(f"{path} holds no data set (no data/train-*.parquet or .tar); make one with 'spatialvlm synthesize'")
    whole = int(files[0].stem.rsplit("-of-", 1)[1])
    if len(files) != whole:
        raise ValueError(f"{path} holds {len(files)} of {whole} data files; finish it with 'spatialvlm synthesize --resume'")
    return Dataset(path, tuple(files))


def _tables(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        for group in range(opened.num_row_groups):
            yield opened.read_row_group(group, columns=list(columns))


def _sorts_of_parquet(file: Path) -> list[list[Sort]]:
    rows: list[list[Sort]] = []
    for table in _tables(file, [f"pairs.list.element.{name}" for name in _SORT]):
        rows += [[_sort(pair) for pair in pairs] for pairs in table["pairs"].to_pylist()]
    return rows


def _sorts_of_tar(file: Path) -> list[list[Sort]]:
    return [[_sort(pair) for pair in row["pairs"]] for row in _tar_rows(file)]


def _sort(pair: Mapping[str, Any]) -> Sort:
    return pair["relation"], pair["kind"], pair["polarity"]


def _rows_of_parquet(file: Path, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    wanted, first = sorted(numbers), 0
    with pq.ParquetFile(file) as opened:
        for group in range(opened.num_row_groups):
            last = first + opened.metadata.row_group(group).num_rows
            here = [number - first for number in wanted if first <= number < last]
            if here:
                yield from opened.read_row_group(group).take(here).to_pylist()
            first = last


def _rows_of_tar(file: Path, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    wanted = set(numbers)
    yield from (row for number, row in enumerate(_tar_rows(file)) if number in wanted)


def _tar_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of a WebDataset: members come as image and JSON in turn."""
    with tarfile.open(file) as tar:
        image = b""
        for member in tar:
            opened = tar.extractfile(member)
            content = b"" if opened is None else opened.read()
            if member.name.endswith(".json"):
                yield {**json.loads(content), "images": [{"bytes": image, "path": member.name}]}
            else:
                image = content
