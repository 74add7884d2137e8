"""A LeRobotDataset v3.0 of labelled steps, written as they come: parquet by pyarrow, H.264 video by PyAV.

Layout as LeRobot documents it: meta/info.json, meta/stats.json, meta/tasks.parquet, meta/episodes, data, videos. LeRobot itself
is not needed. What never changes: ``timestamp`` is ``frame_index / fps``, the video shows the frame at that time, and the same
steps give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.benchmark_file import write_json
from .label_rows import LabelledFrame
from .label_steps import Step, StepMaker
from .lerobot_stats import PictureStats, Stats, plain_stats, together, vector_stats

VERSION = "v3.0"
COLOR, DEPTH = "observation.images.color", "observation.images.depth"
# From 0.6 on LeRobot's reader knows depth by this; unmarked, it would be normalised and augmented as a picture is.
DEPTH_MARKS = {"is_depth_map": True, "depth_unit": "mm"}
STATE, ACTION = "observation.state", "action"
STAMP = "source_stamp_ns"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
CHUNK_FILES = 1000
_DATA_MB, _VIDEO_MB = 100, 200
_CODEC, _PIXELS = "h264", "yuv420p"
_ENCODER = {"crf": "20", "preset": "veryfast", "g": "2", "x264-params": "threads=1"}
_ROW_GROUP, _DEPTH_ROW_GROUP = 4096, 64
# (name, dtype) of the columns that every data set has, beside state, action and depth.
_SCALARS = (
    ("next.reward", "float32"), ("next.done", "bool"), ("next.success", "bool"), (STAMP, "int64"),
    ("timestamp", "float32"), ("frame_index", "int64"), ("episode_index", "int64"), ("index", "int64"), ("task_index", "int64"),
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the features of a data set look like, known at its first step."""

    size: tuple[int, int]
    fps: int
    state: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    depth: bool = False

    def features(self) -> dict[str, Any]:
        """As info.json has them."""
        height, width = self.size
        names = ["height", "width", "channels"]
        video = {
            "video.height": height, "video.width": width, "video.codec": _CODEC, "video.pix_fmt": _PIXELS,
            "video.is_depth_map": False, "video.fps": self.fps, "video.channels": 3, "has_audio": False,
        }  # fmt: skip
        found: dict[str, Any] = {COLOR: {"dtype": "video", "shape": [height, width, 3], "names": names, "info": video}}
        if self.depth:
            found[DEPTH] = {"dtype": "image", "shape": [height, width, 1], "names": names, "info": dict(DEPTH_MARKS)}
        for name, parts in ((STATE, self.state), (ACTION, self.action)):
            if parts:
                found[name] = {"dtype": "float32", "shape": [len(parts)], "names": list(parts)}
        return {**found, **{name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in _SCALARS}}

    def schema(self) -> Any:
        """Of the data files."""
        import pyarrow as pa

        types = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}
        fields = [
            (name, pa.list_(pa.float32(), len(parts))) for name, parts in ((STATE, self.state), (ACTION, self.action)) if parts
        ]
        if self.depth:
            fields.append((DEPTH, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
        return pa.schema([*fields, *((name, types[dtype]) for name, dtype in _SCALARS)])


def info_document(shape: Shape, episodes: int, frames: int) -> dict[str, Any]:
    """meta/info.json."""
    return {
        "codebase_version": VERSION, "robot_type": None, "total_episodes": episodes, "total_frames": frames, "total_tasks": 1,
        "chunks_size": CHUNK_FILES, "data_files_size_in_mb": _DATA_MB, "video_files_size_in_mb": _VIDEO_MB, "fps": shape.fps,
        "splits": {"train": f"0:{episodes}"}, "data_path": DATA_PATH, "video_path": VIDEO_PATH, "features": shape.features(),
    }  # fmt: skip


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """meta/tasks.parquet: the sentence is the index, as pandas marks it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(name: str, kind: str, numpy_type: str) -> Mapping[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None}

    note = {
        "index_columns": ["task"], "column_indexes": [], "pandas_version": "2.2.0",
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
    }  # fmt: skip
    schema = pa.schema([("task_index", pa.int64()), ("task", pa.string())], metadata={"pandas": json.dumps(note)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"task_index": list(range(len(tasks))), "task": list(tasks)}, schema=schema), path)


def write_episodes(path: Path, rows: Sequence[Mapping[str, Any]], stats: Sequence[Mapping[str, Stats]]) -> None:
    """meta/episodes: one row an episode, its statistics in columns of their own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = []
    for row, one in zip(rows, stats, strict=True):
        named = plain_stats(one)
        flat.append({**row, **{f"stats/{of}/{name}": value for of, values in named.items() for name, value in values.items()}})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(flat), path, compression="zstd")


def located(path: str, number: int, **names: str) -> str:
    """A path of the layout for the file of a running number."""
    return path.format(chunk_index=number // CHUNK_FILES, file_index=number % CHUNK_FILES, **names)


class SteadyVideo:
    """Pictures of equal spacing into an MP4 file; picture ``n`` is shown at ``n / fps`` seconds exactly."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int) -> None:
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        self._container: Any = av.open(str(path), "w")
        stream: Any = self._container.add_stream(_CODEC, rate=fps, options=_ENCODER)
        stream.height, stream.width = size
        stream.pix_fmt = _PIXELS
        stream.codec_context.time_base = Fraction(1, fps)
        # The bytes must not depend on how many cores there are.
        stream.codec_context.thread_count = 1
        self._stream, self._fps = stream, fps
        self.path, self.frames = path, 0

    def add(self, picture: Any) -> None:
        """(H, W, 3) uint8 RGB."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = self.frames, Fraction(1, self._fps)
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


@dataclass
class _Episode:
    """The episode that is being written."""

    first_index: int
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    first_picture: int = 0
    numbers: dict[str, list[Any]] = field(default_factory=dict)
    length: int = 0


class LeRobotOutput:
    """Takes labelled images with their material; ``close`` completes the data set.

    A new file begins at an episode where the last one has grown large.
    """

    def __init__(self, root: Path, task: str, steps: StepMaker) -> None:
        self.root, self._task, self._steps = root, task, steps
        self._shape: Shape | None = None
        self._writer: Any = None
        self._video: SteadyVideo | None = None
        self._files = {"data": -1, "video": -1}
        self._episode: _Episode | None = None
        self._pictures, self._depths = PictureStats(), PictureStats(1, 1 << 16, 1.0)
        self._rows: list[Mapping[str, Any]] = []
        self._episodes: list[Mapping[str, Any]] = []
        self._stats: list[Mapping[str, Stats]] = []
        self._index = 0

    def add(self, frame: LabelledFrame) -> None:
        for step in self._steps.add(frame):
            self._add(step)

    def close(self) -> None:
        """Writes meta/. A data set without an episode is not left behind; ``document`` says why it is empty."""
        for step in self._steps.close():
            self._add(step)
        self._close_data()
        self._close_video()
        if self._shape is None or not self._episodes:
            return
        meta = self.root / "meta"
        write_episodes(self.root / located(EPISODES_PATH, 0), self._episodes, self._stats)
        write_tasks(meta / "tasks.parquet", [self._task])
        stats = {feature: together([one[feature] for one in self._stats]) for feature in self._stats[0]}
        write_json(meta / "stats.json", plain_stats(stats))
        write_json(meta / "info.json", info_document(self._shape, len(self._episodes), self._index))

    def document(self) -> Mapping[str, Any]:
        """For provenance."""
        return self._steps.document()

    # -- steps --------------------------------------------------------------------------------------------------------------

    def _add(self, step: Step) -> None:
        if self._shape is None:
            size = step.color.shape[0], step.color.shape[1]
            options = self._steps.options
            action = self._steps.action_names if self._steps.actions else ()
            self._shape = Shape(size, options.fps, self._steps.state_names, action, options.depth)
        if self._episode is None:
            self._begin(self._shape)
        episode = self._episode
        assert episode is not None and self._video is not None
        self._video.add(step.color)
        self._pictures.add(step.color)
        if step.depth_mm is not None:
            self._depths.add(step.depth_mm[..., None])
        row = self._row(step)
        self._rows.append(row)
        for name, value in row.items():
            if name != DEPTH:
                episode.numbers.setdefault(name, []).append(value)
        episode.length += 1
        self._index += 1
        if len(self._rows) >= (_DEPTH_ROW_GROUP if self._shape.depth else _ROW_GROUP):
            self._flush()
        if step.done:
            self._end(episode)

    def _row(self, step: Step) -> dict[str, Any]:
        row: dict[str, Any] = {
            "next.reward": np.float32(step.reward), "next.done": step.done, "next.success": step.success, STAMP: step.stamp_ns,
            "timestamp": np.float32(step.frame_index / self._steps.options.fps), "frame_index": step.frame_index,
            "episode_index": step.episode_index, "index": self._index, "task_index": 0,
        }  # fmt: skip
        if step.state is not None:
            row[STATE] = step.state
        if step.action is not None:
            row[ACTION] = step.action
        if step.depth_mm is not None:
            row[DEPTH] = {"bytes": _png(step.depth_mm), "path": None}
        return row

    def _begin(self, shape: Shape) -> None:
        import pyarrow.parquet as pq

        if self._writer is not None and self._data_bytes() > _DATA_MB << 20:
            self._close_data()
        if self._video is not None and self._video.path.stat().st_size > _VIDEO_MB << 20:
            self._close_video()
        if self._writer is None:
            self._files["data"] += 1
            path = self.root / located(DATA_PATH, self._files["data"])
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, shape.schema(), compression="zstd")
        if self._video is None:
            self._files["video"] += 1
            path = self.root / located(VIDEO_PATH, self._files["video"], video_key=COLOR)
            self._video = SteadyVideo(path, shape.size, shape.fps)
        self._episode = _Episode(self._index, first_picture=self._video.frames)

    def _end(self, episode: _Episode) -> None:
        assert self._shape is not None
        first, fps = episode.first_picture, self._shape.fps
        self._episodes.append(
            {
                "episode_index": len(self._episodes), "tasks": [self._task], "length": episode.length,
                "data/chunk_index": self._files["data"] // CHUNK_FILES, "data/file_index": self._files["data"] % CHUNK_FILES,
                "dataset_from_index": episode.first_index, "dataset_to_index": episode.first_index + episode.length,
                f"videos/{COLOR}/chunk_index": self._files["video"] // CHUNK_FILES,
                f"videos/{COLOR}/file_index": self._files["video"] % CHUNK_FILES,
                f"videos/{COLOR}/from_timestamp": first / fps, f"videos/{COLOR}/to_timestamp": (first + episode.length) / fps,
                "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
            }
        )  # fmt: skip
        numbers = {name: vector_stats(values) for name, values in episode.numbers.items()}
        depth = {DEPTH: self._depths.take()} if self._shape.depth else {}
        self._stats.append({COLOR: self._pictures.take(), **depth, **numbers})
        self._episode = None

    def _flush(self) -> None:
        import pyarrow as pa

        assert self._shape is not None
        schema = self._shape.schema()
        columns = {name: [_item(row[name]) for row in self._rows] for name in schema.names}
        self._writer.write_table(pa.table(columns, schema=schema))
        self._rows = []

    def _data_bytes(self) -> int:
        return (self.root / located(DATA_PATH, self._files["data"])).stat().st_size

    def _close_data(self) -> None:
        if self._writer is not None:
            if self._rows:
                self._flush()
            self._writer.close()
            self._writer = None

    def _close_video(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None


def _item(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _png(depth_mm: Any) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", depth_mm)
    if not done:
        raise ValueError(f"a depth image of shape {depth_mm.shape} cannot be encoded as PNG")
    return bytes(data)
