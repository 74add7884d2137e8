"""One file of the data set: of a shard's candidates, the pairs that balance and caps leave, as rows for training.

Which pairs stay depends on each pair's own hash and on how many pairs of each group there are in all shards, so every file can
be made alone, in any order, and again.

A row is one image with one conversation. ``messages`` is what TRL's SFTTrainer and transformers' chat templates take for
vision models: turns of role and content, the content a list of parts of type "image" or "text". The image stands as a
placeholder before the first question; the picture itself is in ``images``, which the trainer puts in its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .balance import Group
from .output import DATA, OutFolder
from .pool import Report, Step, Task
from .schema import example_schema, message_type, messages_of
from .shards import groups_to_json
from .writer import SUFFIXES, table_writer

# What balance.group_of is made of.
GROUP_COLUMNS = ("relation", "kind", "polarity", "cue", "prior")
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass
class DatasetMaker:
    """Makes files of the data set; one in each worker.

    Attributes:
        shares: what share of the pairs of each group stays (balance.Selection).
        pairs_per_image: at most so many pairs of one image; 0 for all.
        shards: of the whole data set, for the files' names.
        group_parts: how many parts the groups of ``shares`` have.
    """

    out: OutFolder
    shares: Mapping[Group, float]
    pairs_per_image: int
    file_format: str
    shards: int
    group_parts: int = 5

    def __call__(self, task: Task, report: Report) -> Mapping[str, Any]:
        """Write the file and then its done file. Returns what stands in the latter."""
        import pyarrow.parquet as pq

        path = self.out.data(task.shard, self.shards, SUFFIXES[self.file_format])
        groups: Counter[Group] = Counter()
        rows = 0
        with pq.ParquetFile(self.out.candidates(task.shard)) as file, table_writer(path, self.file_format) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                kept, counted = self.select(table)
                writer.write(kept)
                groups += counted
                rows += kept.num_rows
                report(Step(task, table.num_rows, counted.total(), table.num_rows - kept.num_rows))
        content = {"rows": rows, "pairs": groups.total(), "groups": groups_to_json(groups)}
        return self.out.write_done(DATA, task.shard, path, content)

    def select(self, table: Any) -> tuple[Any, Counter[Group]]:
        """Rows of candidates as rows of the data set, without those that keep no pair; and what was kept."""
        import pyarrow as pa

        if not table.num_rows:
            return example_schema(True).empty_table(), Counter()
        pairs = table["pairs"].combine_chunks()
        flat = pairs.flatten()
        groups: list[Group] = list(
            zip(*(flat.field(name).to_pylist() for name in GROUP_COLUMNS[: self.group_parts]), strict=True)
        )
        row_of_pair = np.repeat(np.arange(len(pairs)), pairs.value_lengths().to_numpy())
        chosen = self._choose(groups, flat.field("order_key").to_numpy(), row_of_pair)
        counts = np.bincount(row_of_pair[chosen], minlength=len(pairs))
        rest = table.filter(pa.array(counts > 0))
        kept = flat.take(pa.array(chosen, pa.int64()))
        offsets = pa.array(np.concatenate(([0], np.cumsum(counts[counts > 0]))), pa.int32())
        columns = {name: rest[name] for name in rest.column_names}
        columns["pairs"] = pa.ListArray.from_arrays(offsets, kept)
        columns["messages"] = _messages_column(kept, offsets.to_pylist())
        schema = example_schema(True)
        made = pa.table([columns[name] for name in schema.names], schema=schema)
        return made, Counter(groups[index] for index in chosen.tolist())

    def _choose(self, groups: list[Group], order_key: Floats, row_of_pair: Integers) -> Integers:
        """Numbers of the pairs that stay, row by row, in the order in which they are asked."""
        share = np.array([self.shares.get(group, 0.0) for group in groups], np.float64)
        kept = np.flatnonzero(order_key < share)
        # Uniform in [0, 1) among the pairs that stay, whatever their group's share: a cap on it keeps the balance.
        order = kept[np.lexsort((order_key[kept] / share[kept], row_of_pair[kept]))]
        if self.pairs_per_image:
            rows = row_of_pair[order]
            rank = np.arange(len(order)) - np.searchsorted(rows, rows)
            order = order[rank < self.pairs_per_image]
        return np.asarray(order, np.int64)


def _messages_column(pairs: Any, offsets: list[int]) -> Any:
    import pyarrow as pa

    texts = list(zip(pairs.field("question").to_pylist(), pairs.field("answer").to_pylist(), strict=True))
    conversations = [messages_of(texts[a:b]) for a, b in pairwise(offsets)]
    return pa.array(conversations, pa.list_(message_type()))
