"""Files of rows whose bytes depend on the rows alone: parquet, and WebDataset's tar.

Compression, size of row groups, order of columns and headers are fixed, and no file holds a time, an owner or a path of the
machine. A parquet file does name the version of pyarrow that wrote it, so equal bytes need an equal pyarrow.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from .output import whole_file
from .schema import example_schema, file_name, require_pyarrow

PARQUET, WEBDATASET = "parquet", "webdataset"
SUFFIXES = {PARQUET: "parquet", WEBDATASET: "tar"}
# Images a row group. A reader holds one in memory, and shuffles among few.
ROWS_PER_GROUP = 64
_IMAGE_COLUMN = "images.list.element.bytes"
# Of these a reader may want one value without reading all; of images and texts it never does.
_WITH_STATISTICS = ["key", "width", "height", "stamp_ns"]


class TableWriter(Protocol):
    """Takes tables of `schema.example_schema`, in order."""

    def write(self, table: Any) -> None: ...


class ParquetTableWriter:
    """Row groups of ROWS_PER_GROUP rows, whatever the size of the tables that it is given."""

    def __init__(self, path: Path, schema: Any) -> None:
        require_pyarrow()
        import pyarrow.parquet as pq

        self._writer: Any = pq.ParquetWriter(
            path,
            schema,
            version="2.6",
            # Images are compressed already.
            compression={name: "none" if name == _IMAGE_COLUMN else "zstd" for name in _leaves(schema)},
            use_dictionary=[name for name in _leaves(schema) if name != _IMAGE_COLUMN],
            write_statistics=_WITH_STATISTICS,
        )
        self._schema = schema
        self._held: list[Any] = []

    def write(self, table: Any) -> None:
        self._held.append(table)
        if sum(held.num_rows for held in self._held) >= ROWS_PER_GROUP:
            self._flush(ROWS_PER_GROUP)

    def _flush(self, at_least: int) -> None:
        """Write whole row groups as long as there are ``at_least`` so many rows."""
        import pyarrow as pa

        table = pa.concat_tables(self._held) if self._held else self._schema.empty_table()
        while table.num_rows >= at_least and table.num_rows:
            self._writer.write_table(table.slice(0, ROWS_PER_GROUP).combine_chunks(), row_group_size=ROWS_PER_GROUP)
            table = table.slice(ROWS_PER_GROUP)
        self._held = [table] if table.num_rows else []

    def __enter__(self) -> ParquetTableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush(1)
        self._writer.close()


class TarTableWriter:
    """Two members an image: NAME.png and NAME.json with all other columns."""

    def __init__(self, file: Any) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._rows = 0

    def write(self, table: Any) -> None:
        for row in table.to_pylist():
            image = row.pop("images")[0]
            # Numbered: two keys may give one name, and a reader takes members of one name for one sample.
            name = f"{self._rows:06d}-{file_name(row['key'])}"
            self._rows += 1
            self._add(f"{name}.{image['path'].rsplit('.', 1)[1]}", image["bytes"])
            self._add(f"{name}.json", json.dumps(row, ensure_ascii=False, allow_nan=False).encode())

    def _add(self, name: str, content: bytes) -> None:
        # A fresh header has no owner and the time 0.
        header = tarfile.TarInfo(name)
        header.size = len(content)
        self._tar.addfile(header, io.BytesIO(content))

    def close(self) -> None:
        self._tar.close()


@contextmanager
def table_writer(path: Path, file_format: str, *, with_messages: bool = True) -> Iterator[TableWriter]:
    """A writer to ``path``, which appears whole when the block ends well. Raises ValueError for an unknown format."""
    if file_format not in SUFFIXES:
        raise ValueError(f"format '{file_format}' is not known; known are {', '.join(SUFFIXES)}")
    with whole_file(path) as part:
        if file_format == PARQUET:
            with ParquetTableWriter(part, example_schema(with_messages)) as writer:
                yield writer
        else:
            with part.open("wb") as file:
                tar = TarTableWriter(file)
                yield tar
                tar.close()


def _leaves(schema: Any) -> list[str]:
    """Names of the columns as parquet stores them ("pairs.list.element.question")."""
    names: list[str] = []

    def walk(prefix: str, kind: Any) -> None:
        import pyarrow as pa

        if pa.types.is_struct(kind):
            for field in kind:
                walk(f"{prefix}.{field.name}", field.type)
        elif pa.types.is_list(kind):
            walk(f"{prefix}.list.element", kind.value_type)
        else:
            names.append(prefix)

    for field in schema:
        walk(field.name, field.type)
    return names
