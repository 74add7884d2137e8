"""LeRobot data sets of several bags joined into one: episodes and rows are counted on, videos stay as they are.

Never changes: what was not joined here is neither replaced nor removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation.benchmark_file import sha256, write_json
from .lerobot_dataset import (
    CHUNK_FILES,
    COLOR,
    DATA_PATH,
    DEPTH,
    DEPTH_MARKS,
    EPISODES_PATH,
    VIDEO_PATH,
    located,
    write_tasks,
)
from .lerobot_stats import PLACES, plain_stats, read_stats, together

MARKER = "meta/spatialvlm_joined.json"
"""By this file a data set is known as joined here; it holds the hash of meta/info.json, which changes when others add to it."""
_INFO = "meta/info.json"


class MergeError(ValueError):
    """Data sets that do not fit to each other, or a place that is taken; the text names what differs."""


@dataclass
class _Joined:
    """What has been joined so far."""

    episodes: int = 0
    frames: int = 0
    files: dict[str, int] = field(default_factory=lambda: {"data": 0, "video": 0})
    tables: list[Any] = field(default_factory=list)

    @property
    def counted(self) -> dict[str, int]:
        """Columns that count through the whole data set, with what is to be added to the next part's."""
        return {"episode_index": self.episodes, "index": self.frames}


def merge_lerobot(roots: Sequence[Path], target: Path) -> None:
    """Join data sets of this package's making, in order, into ``target``. Written whole or not at all.

    What was joined there before is replaced, and removed where nothing can be joined.

    Raises MergeError for none at all, for sets of another rate, task, or features than the first, or as ``check_place``.
    """
    check_place(target)
    # As .work-BAG: a name of ours, of which a killed run may have left something.
    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        _join(roots, work / "new")
        if target.exists():
            target.rename(work / "old")
        (work / "new").rename(target)
    except MergeError:
        if target.exists():
            shutil.rmtree(target)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_place(target: Path) -> None:
    """Raises MergeError for a place that holds anything but a data set that was joined here and is as it was then."""
    if not target.is_symlink():
        if not target.exists():
            return
        try:
            if json.loads((target / MARKER).read_text(encoding="utf-8"))["info_sha256"] == sha256(target / _INFO):
                return
        except (OSError, ValueError, KeyError, TypeError):
            pass
    raise MergeError(
        f"{target} exists and is no data set that 'spatialvlm label' joined (or was changed since): move it away, or choose "
        "another --out"
    )


def _join(roots: Sequence[Path], draft: Path) -> None:
    """Join data sets into a new folder. Raises MergeError for sets that do not fit."""
    if not roots:
        raise MergeError("none of them holds an episode")
    infos = [json.loads((root / "meta" / "info.json").read_text(encoding="utf-8")) for root in roots]
    for info in infos:
        # Data sets that were labelled before depth was marked as such hold the same.
        if DEPTH in info["features"]:
            info["features"][DEPTH]["info"] = dict(DEPTH_MARKS)
    for root, info in zip(roots, infos, strict=True):
        for key in ("fps", "features"):
            if info[key] != infos[0][key]:
                raise MergeError(f"{root} has other {key} than {roots[0]} ({_difference(info[key], infos[0][key])})")
    joined, stats = _Joined(), []
    for root in roots:
        own = read_stats(json.loads((root / "meta" / "stats.json").read_text(encoding="utf-8")))
        for feature, more in joined.counted.items():
            own[feature] = {name: value + more * (name in PLACES) for name, value in own[feature].items()}
        stats.append(own)
        _append(root, draft, joined)
    _finish(draft, joined, infos[0], plain_stats({name: together([one[name] for one in stats]) for name in stats[0]}))
    write_tasks(draft / "meta" / "tasks.parquet", _tasks(roots))
    write_json(draft / MARKER, {"made_by": "spatialvlm label", "info_sha256": sha256(draft / _INFO)})


def _difference(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
        return ", ".join(names)
    return f"{one} and {other}"


def _tasks(roots: Sequence[Path]) -> list[str]:
    """The one sentence that all have. Raises MergeError for several."""
    import pyarrow.parquet as pq

    found = {name for root in roots for name in pq.read_table(root / "meta" / "tasks.parquet")["task"].to_pylist()}
    if len(found) != 1:
        raise MergeError(f"they are about different tasks: {', '.join(sorted(found))}")
    return list(found)


def _append(root: Path, draft: Path, joined: _Joined) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(root / located(EPISODES_PATH, 0))
    first = dict(joined.files)
    for kind, path, names in (("data", DATA_PATH, {}), ("video", VIDEO_PATH, {"video_key": COLOR})):
        number = 0
        while (source := root / located(path, number, **names)).is_file():
            goal = draft / located(path, first[kind] + number, **names)
            goal.parent.mkdir(parents=True, exist_ok=True)
            if kind == "data":
                _count_on(source, goal, joined)
            else:
                _same_file(source, goal)
            number += 1
        joined.files[kind] = first[kind] + number
    joined.tables.append(_moved(table, joined, first))
    joined.episodes += table.num_rows
    joined.frames += sum(table["length"].to_pylist())


def _count_on(source: Path, goal: Path, joined: _Joined) -> None:
    """Copy rows with their episode and row numbers moved on, a group of rows at a time."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source)
    with pq.ParquetWriter(goal, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            for name, more in joined.counted.items():
                place = rows.schema.get_field_index(name)
                rows = rows.set_column(place, rows.schema.field(name), pc.add(rows[name], more))
            writer.write_table(rows)


def _same_file(source: Path, goal: Path) -> None:
    """The same bytes, without storing them twice where the file system allows it."""
    try:
        os.link(source, goal)
    except OSError:
        shutil.copyfile(source, goal)


def _moved(table: Any, joined: _Joined, first: Mapping[str, int]) -> Any:
    """Rows of meta/episodes with all their numbers moved on."""
    import pyarrow as pa

    def files(kind: str, prefix: str) -> dict[str, list[int]]:
        chunks, numbers = table[f"{prefix}/chunk_index"].to_pylist(), table[f"{prefix}/file_index"].to_pylist()
        moved = [first[kind] + chunk * CHUNK_FILES + number for chunk, number in zip(chunks, numbers, strict=True)]
        return {
            f"{prefix}/chunk_index": [number // CHUNK_FILES for number in moved],
            f"{prefix}/file_index": [number % CHUNK_FILES for number in moved],
        }

    changed: dict[str, list[Any]] = {
        "episode_index": [number + joined.episodes for number in table["episode_index"].to_pylist()],
        "dataset_from_index": [number + joined.frames for number in table["dataset_from_index"].to_pylist()],
        "dataset_to_index": [number + joined.frames for number in table["dataset_to_index"].to_pylist()],
        **files("data", "data"),
        **files("video", f"videos/{COLOR}"),
    }
    for feature, more in joined.counted.items():
        for column in (f"stats/{feature}/{name}" for name in PLACES):
            changed[column] = [[value + more for value in row] for row in table[column].to_pylist()]
    for name, values in changed.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def _finish(draft: Path, joined: _Joined, info: Mapping[str, Any], stats: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = draft / located(EPISODES_PATH, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(joined.tables), path, compression="zstd")
    write_json(draft / "meta" / "stats.json", stats)
    counts = {"total_episodes": joined.episodes, "total_frames": joined.frames, "splits": {"train": f"0:{joined.episodes}"}}
    write_json(draft / "meta" / "info.json", {**info, **counts})
