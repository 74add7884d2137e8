"""Tables of labels: parquet, CSV, JSON lines, and the side-car that lerobot's weighted training reads.

Rows are written as they come, so memory does not grow with the bag; the same rows give the same bytes.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TextIO

from ..reward.task import TaskSpec
from .label_dataset import DATASETS, LEROBOT, ROBOMIMIC, DatasetSource, open_dataset
from .label_plot import PlotOutput
from .label_rows import FACT_COLUMNS, REWARD_COLUMNS, Column, LabelledFrame, fact_rows, reward_row
from .label_video import VideoOutput
from .parquet_columns import column, type_of
from .robomimic_file import require_h5py

TABLES = ("parquet", "csv", "jsonl", "sarm", "bag", "facts")
FORMATS = (*TABLES, *DATASETS)
PLOT, VIDEO = "plot", "video"
SARM_FILE = "sarm_progress.parquet"
_PARQUET = frozenset({"parquet", "sarm", "facts", LEROBOT})
_GROUP_ROWS = 8192
_SARM_COLUMNS: tuple[Column, ...] = (
    ("index", "int"), ("episode_index", "int"), ("frame_index", "int"), ("progress_sparse", "float"),
)  # fmt: skip


class Output(Protocol):
    """Takes images in order; ``close`` completes the files."""

    def add(self, frame: LabelledFrame) -> None: ...

    def close(self) -> None: ...


def require(formats: Iterable[str], plot: bool, video: bool = False) -> None:
    """Raises ValueError for an unknown format, ImportError that says what to install for a known one."""
    chosen = list(formats)
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        raise ValueError(f"--to is '{','.join(chosen)}'; use some of {','.join(FORMATS)}, separated by commas")
    if ROBOMIMIC in chosen:
        require_h5py()
    if video or LEROBOT in chosen:
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise ImportError(f"videos need 'av': pip install 'spatialvlm_ros[recording]' ({error})") from error
    # Not imported: that starts a thread; see ``load``.
    if _PARQUET & set(chosen) and find_spec("pyarrow") is None:
        raise ImportError("parquet needs 'pyarrow': pip install 'spatialvlm_ros[recording]'")
    if plot:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError(f"plots need 'matplotlib': pip install 'spatialvlm_ros[recording]' ({error})") from error


def load(formats: Iterable[str]) -> None:
    """Load what formats need in this process, before anything is half done: an interrupt may be lost on libraries that load."""
    chosen = set(formats)
    if _PARQUET & chosen:
        import pyarrow.parquet  # noqa: F401
    if {"bag", VIDEO} & chosen:
        from . import label_bag  # noqa: F401


def needs_pictures(formats: Iterable[str]) -> bool:
    """Whether images have to come with what they were labelled from."""
    return bool({*DATASETS, VIDEO} & set(formats))


def open_outputs(
    folder: Path,
    formats: Iterable[str],
    bag: str,
    reward_model: str,
    dataset: tuple[DatasetSource, TaskSpec, str] | None = None,
) -> dict[str, Output]:
    """Outputs by format into a folder that exists.

    ``reward_model`` is what the side-car names as its origin; ``dataset`` is what data sets are made of: source, task, and
    the task in words.
    """
    chosen = set(formats)
    if dataset is None and (missing := sorted(chosen & set(DATASETS))):
        raise ValueError(f"'{missing[0]}' is a data set, and nothing says what it is made of")
    makers: Mapping[str, Callable[[], Output]] = {
        "parquet": lambda: _Parquet(folder / "rewards.parquet", REWARD_COLUMNS, _one_reward),
        "csv": lambda: _Csv(folder / "rewards.csv"),
        "jsonl": lambda: _JsonLines(folder / "rewards.jsonl"),
        "sarm": lambda: _Sarm(folder / SARM_FILE, reward_model),
        "bag": lambda: _bag(folder / "labels.mcap"),
        "facts": lambda: _Parquet(folder / "facts.parquet", FACT_COLUMNS, fact_rows),
        PLOT: lambda: PlotOutput(folder, bag),
        VIDEO: lambda: VideoOutput(folder),
    }
    opened = {name: make() for name, make in makers.items() if name in chosen}
    for name in DATASETS:
        if dataset is not None and name in chosen:
            opened[name] = open_dataset(name, folder, *dataset)
    return opened


def _bag(path: Path) -> Output:
    # Loads rclpy, which takes time and starts threads.
    from .label_bag import BagOutput

    return BagOutput(path)


def _one_reward(frame: LabelledFrame) -> list[Mapping[str, Any]]:
    return [reward_row(frame)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Table:
    """A parquet file, row by row."""

    def __init__(self, path: Path, columns: Sequence[Column], metadata: Mapping[str, str] | None = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = tuple(columns)
        fields = [pa.field(name, type_of(kind)) for name, kind in columns]
        self._schema = pa.schema(fields, metadata=dict(metadata) if metadata else None)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [column(kind, [_finite(row[name]) for row in self._rows]) for name, kind in self._columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


class _Parquet:
    def __init__(
        self, path: Path, columns: Sequence[Column], rows: Callable[[LabelledFrame], Sequence[Mapping[str, Any]]]
    ) -> None:
        self._table, self._rows = Table(path, columns), rows

    def add(self, frame: LabelledFrame) -> None:
        for row in self._rows(frame):
            self._table.add(row)

    def close(self) -> None:
        self._table.close()


class _Sarm:
    """lerobot's side-car. ``progress_sparse`` is the potential, null before the first measurement."""

    def __init__(self, path: Path, reward_model: str) -> None:
        self._table = sarm_table(path, reward_model)
        self._index = 0

    def add(self, frame: LabelledFrame) -> None:
        row = {
            "episode_index": frame.episode_index,
            "frame_index": frame.frame_index,
            "progress_sparse": frame.sample.potential,
        }
        self._table.add({"index": self._index, **row})
        self._index += 1

    def close(self) -> None:
        self._table.close()


def sarm_table(path: Path, reward_model: str) -> Table:
    """A side-car to be filled with index, episode_index, frame_index, progress_sparse."""
    return Table(path, _SARM_COLUMNS, {"reward_model_path": reward_model})


def merge_sarm(paths: Sequence[Path], target: Path, reward_model: str) -> None:
    """One side-car of several, in order: rows and episodes are counted on. Written whole or not at all."""
    import pyarrow.parquet as pq

    draft = target.with_suffix(".part")
    table = sarm_table(draft, reward_model)
    index = episodes = 0
    for path in paths:
        last = -1
        for batch in pq.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                last = max(last, row["episode_index"])
                table.add({**row, "index": index, "episode_index": episodes + row["episode_index"]})
                index += 1
        episodes += last + 1
    table.close()
    draft.replace(target)


class _Csv:
    """Numbers in full (what is read back is what was written); what is not known is empty."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, [name for name, _ in REWARD_COLUMNS], lineterminator="\n")
        self._writer.writeheader()

    def add(self, frame: LabelledFrame) -> None:
        self._writer.writerow({name: _cell(_finite(value)) for name, value in reward_row(frame).items()})

    def close(self) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value) if isinstance(value, float) else value


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")

    def add(self, frame: LabelledFrame) -> None:
        row = {name: _finite(value) for name, value in reward_row(frame).items()}
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()
